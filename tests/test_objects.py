"""The user's objects: what a trace writes is carried by control flow, and nothing is left in them."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import both, close


class Counter:
    def __init__(self, n: float = 0.0) -> None:
        self.n = n
        self.child: Any = None

    def add(self, x: float) -> None:
        if x > 0:
            self.n = self.n + x


class Model:
    def __init__(self) -> None:
        self.k, self.unused, self.tags, self.table = 0.5, 3, ["a", 1.0], {"n": 2, "w": [1.0, 2.0]}
        self.cache: Any = None

    def leaf(self, x: float) -> float:
        return x * self.k if x > 0 else x

    def reads(self, x: float) -> float:
        for _ in range(9):
            x = self.leaf(x)
        return x

    def fails(self, x: float) -> float:
        for _ in range(9):
            self.k = self.leaf(x)
        return x + undefined_name  # type: ignore[name-defined, no-any-return]  # noqa: F821

    def caches(self, x: float) -> float:
        if self.cache is None:
            self.cache = 3.0
        return x * self.cache  # type: ignore[no-any-return]

    def keeps(self, x: float) -> float:
        self.k = x
        return x

    def restores(self, x: float) -> float:
        before, self.k = self.k, x
        y = self.leaf(2.0)
        self.k = before
        return y


HOW: list[Callable[[Any], Any]] = [
    lambda f: lj.jit(f),
    lambda f: lj.grad(f),
    lambda f: lj.jit(lj.grad(f)),
    lambda f: lj.hessian(f),
]


@pytest.mark.parametrize("how", HOW)
def test_tracing_leaves_nothing_in_objects(how: Any) -> None:
    m = Model()
    before, inside = dict(vars(m)), copy.deepcopy(vars(m))
    how(m.reads)(1.0)
    with pytest.raises(NameError):
        how(m.fails)(1.0)
    with pytest.raises(lj.errors.UnsupportedOperationError, match="attribute `k` of a Model"):
        how(m.keeps)(1.0)
    how(m.restores)(1.0)
    assert all(vars(m)[name] is value for name, value in before.items())
    assert vars(m) == inside
    assert m.reads(1.0) == 0.5**9


def test_a_lazy_cache_of_a_plain_value_stays() -> None:
    m = Model()
    assert lj.jit(m.caches)(2.0) == 6.0
    assert m.cache == 3.0


def test_an_object_one_step_further_away_is_carried() -> None:
    def f(x: float) -> float:
        outer = Counter()
        outer.child = Counter()
        if x > 0:
            outer.child.n = x
        return outer.child.n  # type: ignore[no-any-return]

    jitted = lj.jit(f)
    assert [jitted(2.0), jitted(-1.0)] == [2.0, 0.0]


@dataclass
class Vec:
    x: float
    y: float

    def __add__(self, other: Vec) -> Vec:
        return Vec(self.x + other.x, self.y + other.y)

    def __rmul__(self, k: float) -> Vec:
        return Vec(k * self.x, k * self.y)

    def norm2(self) -> float:
        if self.x > 0:
            return self.x * self.x + self.y * self.y
        return self.y * self.y - self.x

    def turn(self, d: float) -> Vec:
        self.x += d
        return self


@dataclass
class Body:
    position: Vec
    mass: float = 1.0
    seen: list[float] = field(default_factory=list)

    def move(self, d: Vec) -> None:
        self.position = self.position + d
        if self.position.x > 1.0:
            self.seen.append(self.position.x)


def loop_state(x: float, n: int) -> float:
    v = Vec(x, 1.0)
    for _ in range(n):
        v = v + 0.1 * Vec(v.y, -v.x)
        if v.x > 0.55:
            v.turn(-0.01)
    return v.norm2()


def attributes(x: float, n: int) -> float:
    b = Body(Vec(x, 2.0))
    for _ in range(n):
        b.move(Vec(0.013, x))
        b.mass *= 0.9
    return b.mass * b.position.norm2() + sum(b.seen) + len(b.seen)


def branch_result(x: float, n: int) -> float:
    v = Vec(x, 1.0) if x > 0.5 else Vec(1.0, x)
    return v.norm2() * n


def made_in_branches(x: float, n: int) -> float:
    if x > 0.5:
        v = Vec(x, 1.0)
        v.x = 2 * v.x
    else:
        v = Vec(1.0, x)
        v.y = v.y * n
    return v.norm2()


def items_of_a_list(x: float, n: int) -> float:
    vs = []
    for i in range(n):
        vs.append(Vec(x * i, 1.0))
    total = Vec(0.0, 0.0)
    for v in vs:
        total = total + v
    return total.norm2() + vs[-1].x


def early_returns(x: float, n: int) -> float:
    c = Counter(x)

    def step(i: int) -> float:
        if i > 3 and c.n > 1.0:
            c.n = c.n * 0.5
            return c.n
        c.add(0.3)
        return 0.0

    s = 0.0
    for i in range(n):
        s += step(i)
    return s + c.n


def dict_of_state(x: float, n: int) -> float:
    d: dict[str, Any] = {"s": 0.0, "list": [x, x]}
    for i in range(n):
        d["s"] = d["s"] + d["list"][0] * i
        if x > 0.5:
            d["list"][0] = d["list"][0] * 0.9
        else:
            d["list"][1] = d["list"][1] + d["list"][0]
    return d["s"] + d["list"][1]  # type: ignore[no-any-return]


def aliases(x: float, n: int) -> float:
    a = b = [x]
    for i in range(n):
        a[0] += i * x
        b += [1.0] if i < 0 else []
    return b[0] + len(b)


def swapped_rows(x: float, n: int) -> float:
    previous, current = [x, 1.0], [0.0, 0.0]
    for _ in range(n):
        current[0] = 0.5 * previous[1]
        current[1] = previous[0] + x
        previous, current = current, previous
    return previous[0] + 2 * previous[1]


PROGRAMS = [loop_state, attributes, branch_result, made_in_branches, items_of_a_list, early_returns, dict_of_state, aliases, swapped_rows]


@pytest.mark.parametrize("f", PROGRAMS)
@pytest.mark.parametrize("n", [3, 70])
def test_objects_are_state(f: Any, n: int) -> None:
    for x in (0.7, -0.4):
        slope = (f(x + 1e-6, n) - f(x - 1e-6, n)) / 2e-6
        for value, gradient in both(lambda x, n: (f(x, n), lj.grad(f)(x, n)), x, n).values():
            close(value, f(x, n))
            close(gradient, slope, rtol=1e-5, atol=1e-5)


def test_an_object_of_the_caller_that_is_chosen_is_read_and_not_written() -> None:
    one, two = Counter(1.0), Counter(2.0)

    def f(x: float) -> float:
        c = one if x > 0 else two
        return c.n * x

    def g(x: float) -> float:
        c = one if x > 0 else two
        c.n = c.n + 1.0
        return one.n

    assert [lj.jit(f)(3.0), lj.jit(f)(-3.0)] == [3.0, -6.0]
    with pytest.raises(lj.errors.UnsupportedOperationError, match="attribute `n` of a Counter, which outlives the call"):
        lj.jit(g)(1.0)
    assert (one.n, two.n) == (1.0, 2.0)


# ---- variables of the scopes around
COUNT = 0


def test_variables_of_enclosing_scopes() -> None:
    count = 0.0

    def f(x: float, n: int) -> float:
        nonlocal count
        before = count
        for i in range(n):
            if x > i:
                count = count + x
        out, count = count, before
        return out

    def g(x: float) -> float:
        global COUNT
        if x > 0:
            COUNT = x  # type: ignore[assignment]
        y, COUNT = COUNT * 2.0, 0
        return y

    def h(x: float) -> float:
        global COUNT
        COUNT += 1
        return x

    assert lj.jit(f)(3.0, 70) == f(3.0, 70) == 9.0
    assert [lj.jit(g)(3.0), lj.jit(g)(-3.0)] == [6.0, 0.0]
    with pytest.raises(lj.errors.UnsupportedOperationError, match="global variable `COUNT`, which outlives the call"):
        lj.jit(h)(1.0)
    assert COUNT == 0
    assert count == 0.0


# ---- None and a value
def best_of(x: float, n: int) -> Any:
    best, at = None, None
    for i in range(n):
        v = np.sin(x * i + 0.2)
        if best is None or v > best:
            best, at = v, (i, v * x)
    if at is None:
        return best
    return best + at[0] * at[1]


def positive(x: float) -> Any:
    if x > 0:
        return x
    return None


def helper_returns_none(x: float, n: int) -> float:
    s = 0.0
    for i in range(n):
        v = positive(x - 0.01 * i)
        if v is not None:
            s += v
    return s


def attribute_is_none(x: float, n: int) -> float:
    c = Counter()
    for i in range(n):
        v = np.sin(x * i)
        if c.child is not None:
            c.n = c.n + (v - c.child) ** 2
        c.child = v
    return c.n


def assigned_in_the_loop(x: float, n: int) -> float:
    for i in range(n):
        y, a = x * i, np.array([x, i])
    return y + a.sum()


def list_assigned_in_the_loop(x: float, n: int) -> float:
    score, kept = [x, 1.0], []
    for i in range(n):
        new, back = [], []
        for j in range(2):
            new.append(math.sin(score[j] + i))
            back.append(i * x + j)
        score = new
        kept.append(back)
    return score[0] + kept[-1][1] * back[0]


@pytest.mark.parametrize("f", [best_of, helper_returns_none, attribute_is_none, assigned_in_the_loop, list_assigned_in_the_loop])
@pytest.mark.parametrize("n", [3, 70])
def test_optionals(f: Any, n: int) -> None:
    x = 0.7
    slope = (f(x + 1e-6, n) - f(x - 1e-6, n)) / 2e-6
    for value, gradient in both(lambda x, n: (f(x, n), lj.grad(f)(x, n)), x, n).values():
        close(value, f(x, n))
        close(gradient, slope, rtol=1e-5, atol=1e-5)


def test_an_optional_result_and_one_that_is_needed() -> None:
    assert lj.jit(best_of)(0.7, 0) is None
    assert [lj.jit(positive)(2.0), lj.jit(positive)(-2.0)] == [2.0, None]
    needs = lj.jit(lambda x: positive(x) + 1)
    assert needs(1.0) == 2.0
    with pytest.raises(TypeError):
        needs(-1.0)
    with pytest.raises(UnboundLocalError, match=r"'(y|a)'"):
        lj.jit(assigned_in_the_loop)(1.0, 0)


class Flag:
    def __init__(self, v: float) -> None:
        self.v = v

    def __bool__(self) -> bool:
        return self.v > 1.0


def truth_of_an_object(x: float, n: int) -> float:
    flag, s = Flag(x), 0.0
    for i in range(n):
        if flag:
            s += x
        flag.v = flag.v + 0.1 * i
    return s + (1.0 if not flag else 2.0)


def test_truth_of_an_object() -> None:
    for n in (3, 70):
        close(lj.jit(truth_of_an_object)(0.4, n), truth_of_an_object(0.4, n))


# ---- one object under two names
class Box:
    def __init__(self, v: float) -> None:
        self.v = v


def alias_of_a_loop_variable(x: float, n: int) -> float:
    xs = [x, 2.0]
    keep = xs
    for _ in range(n):
        xs[0] = xs[0] + 1.0
        xs = [xs[1], xs[0]]
    return keep[0] * 10 + keep[1]


def alias_after_an_if(x: float, n: int) -> float:
    a, b = [x], [2 * x]
    c = a if x > n else b
    c[0] = 5.0
    return a[0] + b[0] * 10


def chosen_and_its_source_written(x: float, n: int) -> float:
    a, b = Box(x), Box(1.0)
    c = a if x > n else b
    a.v = b.v = 7.0
    return c.v


def swapped_objects(x: float, n: int) -> float:
    p, q = Box(x), Box(1.0)
    r = p
    for _ in range(n):
        p.v = p.v + 1.0
        p, q = q, p
    return r.v + 10 * p.v


def one_row_twice(x: float, n: int) -> float:
    row = [0.0]
    rows = [row, row]
    for i in range(n):
        rows[i % 2][0] += x
    return rows[0][0] + rows[1][0]


def appended_and_written(x: float, n: int) -> float:
    p, out = Box(x), []
    for _ in range(n):
        out.append(p)
        p.v = p.v + 1.0
    return out[0].v


def item_written(x: float, n: int) -> float:
    out = []
    for i in range(n):
        out.append(Box(x * i))
    out[0].v = 7.0
    return sum([o.v for o in out])


def view_appended(x: float, n: int) -> float:
    m, out = np.zeros((2, 3)), []
    for i in range(n):
        m[0, 0] = x * i
        out.append(m[0])
    return float(out[0][0])


def one_list_under_two_keys(x: float, n: int) -> float:
    row = [x]
    d = {"a": row, "b": row}
    del row
    for i in range(n):
        d["a"][0] = d["a"][0] + 1.0
        if i > 1:
            d["a"] = [d["b"][0]]
    return d["a"][0] + 10 * d["b"][0]


ALIASES = [
    alias_of_a_loop_variable, alias_after_an_if, chosen_and_its_source_written, swapped_objects, one_row_twice, appended_and_written, item_written,
    view_appended, one_list_under_two_keys,
]  # fmt: skip


@pytest.mark.parametrize("f", ALIASES)
@pytest.mark.parametrize("n", [3, 70])
def test_an_object_under_two_names_is_followed_or_refused(f: Any, n: int) -> None:
    found = f(2.0, n)
    with contextlib.suppress(lj.errors.UnsupportedOperationError):
        found = lj.jit(f)(2.0, n)
    close(found, f(2.0, n))


class Link:
    def __init__(self, value: Any, rest: Any) -> None:
        self.value, self.rest = value, rest


def chained(x: Any) -> Any:
    """A chain that is as long as the argument."""
    first = None
    for i in range(len(x)):
        first = Link(x[i], first)
    total, weight = 0.0, 1.0
    while first is not None:
        total += weight * first.value**2
        weight, first = 2.0 * weight, first.rest
    return total


def chained_by_while(x: Any) -> Any:
    first, i = None, 0
    while i < len(x):
        first, i = [x[i], first], i + 1
    return first[0]


def test_a_chain_of_objects() -> None:
    """The loop that makes it has no fixpoint: where its length is an argument's the loop is unrolled, else an error says what to write."""
    x = np.array([1.0, 2.0, 3.0])
    for value, gradient in both(lj.value_and_grad(chained), x).values():
        assert value == 21.0
        assert np.array_equal(gradient, [8.0, 8.0, 6.0])
    with pytest.raises(
        lj.errors.TypeMismatchError, match=r"refer to one another in a chain that is longer after each iteration.*Keep its parts in a list"
    ):
        lj.jit(chained_by_while)(x)


class Kept:
    n = 1.0


KEPT = Kept()


@pytest.mark.parametrize(
    "write",
    [
        lambda o, x: setattr(o, "n", x),
        lambda o, x: object.__setattr__(o, "n", x),
        lambda o, x: o.__setattr__("n", x),
        lambda o, x: type(o).__setattr__(o, "n", x),
    ],
)
def test_attributes_that_functions_write(write: Any) -> None:
    """As a statement would: on an object of the call they are seen, on one that outlives it they are refused, and nothing is left in it."""

    def inside(x: Any) -> Any:
        o = Kept()
        for _ in range(3):
            if x > 0:
                write(o, o.n + x)
        return o.n

    def outside(x: Any) -> Any:
        write(KEPT, 2.0 * x)
        return KEPT.n

    for x in (2.0, -2.0):
        for found in both(inside, x).values():
            assert found == inside(x)
    assert lj.jit(lj.grad(inside))(2.0) == 3.0
    with pytest.raises(lj.errors.UnsupportedOperationError, match="attribute `n` of a Kept, which outlives the call"):
        lj.jit(outside)(1.0)
    assert KEPT.n == 1.0


def test_attributes_of_arrays_are_not_the_users() -> None:
    def shaped(x: Any) -> Any:
        x.shape = (2, 3)
        return x

    def named(x: Any) -> Any:
        x.sizes = 3
        return x

    def imaginary(x: Any) -> Any:
        x.imag = 1.0
        return x

    for f, kind, words in (
        (shaped, lj.LanternError, r"write x = x\.reshape"),
        (named, AttributeError, "numpy.ndarray"),
        (imaginary, TypeError, "imaginary"),
    ):
        with pytest.raises(kind, match=words):
            lj.jit(f)(np.ones(6))


# ---- dataclasses that are compared
@dataclass
class Point:
    a: Any
    b: Any = 1.0


@dataclass(order=True)
class Ranked:
    a: Any
    n: int = 0
    tag: str = field(default="t", compare=False)


@dataclass(eq=False)
class Itself:
    a: Any


@dataclass
class Near:
    a: Any

    def __eq__(self, other: Any) -> Any:
        return abs(self.a - other.a) < 1.0


class Below(Point):
    pass


@dataclass
class Group:
    point: Point
    pair: tuple[Any, int]


def compared(x: Any) -> Any:
    p, q, r = Point(x), Point(1.5), 0.0
    same = p == q, p != q, p == Point(x), Point(x, 2.0) == Point(x), Below(x) == Below(1.5), Below(x) == Point(1.5), Itself(x) == Itself(x)
    order = (
        Ranked(x) < Ranked(1.6),
        Ranked(x) >= Ranked(1.5),
        Ranked(x, 1) > Ranked(x, 0),
        Ranked(x, tag="u") == Ranked(x),
        Ranked(x) < Ranked(1.5) < Ranked(2.0),
    )
    others = (
        Near(x) == Near(2.4),
        Near(x) != Near(2.4),
        Group(Point(x), (x, 1)) == Group(Point(1.5), (1.5, 1)),
    )
    for _ in range(3):
        if p == q:
            r += 1.0
        p.a = p.a + 0.5
    return same, order, others, r, Point(x) in [Point(1.0), Point(1.5)], [Point(1.0), Point(x)].count(Point(1.5))


@pytest.mark.parametrize("x", [1.5, 2.0, 0.7, 0.5])
def test_dataclasses_are_compared_by_their_fields(x: float) -> None:
    for found in both(compared, x).values():
        assert found == compared(x)


def chosen_and_compared(x: Any, n: int) -> Any:
    p, q, r, near = Point(x), Point(x), Ranked(x), Near(x + 0.5)
    held, k = [p, q], 0
    for i in range(n):
        k += 1
        if Point(x) == p and i == 2:
            break
        p, q = q, p
        if i == 1:
            held[1].a = x + 1.0
    one = held[0] if x > 1.0 else r
    other = near if x > 1.0 else Near(9.0)
    ranked = Ranked(x + 1.0, 3) if n > 4 * x else r
    same = one == Point(x), Ranked(x) == one, p == held[1], p != q, other == Near(x), Near(x) != other, one in held, held.count(p)
    return k, same, (ranked < Ranked(x, 2), Ranked(x, 2) < ranked, ranked >= r)


@pytest.mark.parametrize("args", [(1.5, 7), (0.7, 4), (1.5, 2), (0.7, 0)])
def test_dataclasses_that_are_chosen_are_compared_by_their_fields(args: Any) -> None:
    for found in both(chosen_and_compared, *args).values():
        assert found == chosen_and_compared(*args)

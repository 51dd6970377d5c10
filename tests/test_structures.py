"""Containers of numbers as arguments, loop state, branch values and results; and the combinators."""

from __future__ import annotations

import collections
import copy
import enum
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import optree
import pytest

import lantern_jit as lj

from .support import Function, both, check, close, interpret, same


class Pair(NamedTuple):
    a: float
    b: float


@dataclass
class Body:
    x: float
    v: tuple[float, float]

    def energy(self) -> float:
        return self.x * self.x + self.v[0] * self.v[1]


@dataclass(frozen=True)
class Rates:
    birth: float
    death: float


# ---- arguments and loop state
def tuple_state(p: tuple[float, float], n: int) -> float:
    for _ in range(n):
        p = (p[1], p[0] * p[1] + 0.1)
    return p[0] + 2 * p[1]


def namedtuple_state(p: Pair, n: int) -> float:
    for i in range(n):
        p = Pair(p.b, p.a * 0.5) if p.a > 1 else p._replace(a=p.a + p.b * i)
    return p.a * p.b


def dataclass_state(s: Body, n: int) -> float:
    for _ in range(n):
        s = Body(s.x + 0.1 * s.v[0], (s.v[1], s.v[0] - s.x))
    return s.energy()


def dataclass_written(s: Body, n: int) -> float:
    for _ in range(n):
        s.x = s.x + 0.1 * s.v[0]
        if s.x > 1:
            s.v = (s.v[1], s.v[0] - s.x)
    return s.energy()


def dict_state(d: dict[str, float], n: int) -> float:
    d = dict(d)
    for _ in range(n):
        d["x"] = d["x"] + 0.1 * d["y"]
        if d["x"] > 1.0:
            d["y"] -= d["x"]
    return d["x"] * d["y"]


def list_state(v: list[float], n: int) -> float:
    w = [x * 2 for x in v]
    for i in range(n):
        w[0], w[1] = w[1] + i, w[0] * 0.3
        if w[0] > 3:
            w[2] = w[2] * w[0]
    total = 0.0
    for x in w:
        total += x * x
    return total


def nested(tree: dict[str, Any], n: int) -> float:
    for _ in range(n):
        (a, b), (c,) = tree["p"], tree["q"]
        tree = {"p": (b, a * c), "q": [c + 0.1 * a]}
    return tree["p"][0] * tree["p"][1] + tree["q"][0]


def frozen(r: Rates, x: float) -> float:
    while x < 10:
        x = x + r.birth * x - r.death
    return x


def list_grows_statically(x: float) -> float:
    terms = []
    for k in range(5):
        terms.append(x**k)
        if k % 2:
            terms.insert(0, -x)
    return sum(terms) * len(terms) + terms[0] * terms.pop()


def branch_of_structures(x: float, y: float) -> float:
    p = (x, (y, 2.0)) if x > y else (y, (1.0, x))
    d = {"k": x}
    if y > 1:
        d["k"] = d["k"] * y
    a, (b, c) = p
    return a * b + c * d["k"]


def unpacking(v: tuple[float, float, float]) -> float:
    first, *rest = v
    (a, b), c = rest, first
    return a * b - c * max(v) + min(*v) + len(v)


def enumerate_zip_reversed(v: tuple[float, float, float], x: float) -> float:
    s = 0.0
    for i, a in enumerate(v, 1):
        s = s + i * a * x
    for a, b in zip(v, reversed(v), strict=True):
        s = s + a * b * b
    for k in reversed(range(3)):
        s = s * x + k
    return s


PROGRAMS: list[tuple[Function, list[tuple[Any, ...]], tuple[int, ...]]] = [
    (tuple_state, [((0.5, 0.7), 6)], (0,)),
    (namedtuple_state, [(Pair(0.5, 0.7), 6)], (0,)),
    (dataclass_state, [(Body(0.5, (0.7, 0.2)), 6)], (0,)),
    (dataclass_written, [(Body(0.5, (1.7, 0.2)), 6)], (0,)),
    (dict_state, [({"x": 0.55, "y": 1.2}, 9)], (0,)),
    (list_state, [([0.5, 0.7, 0.9], 5)], (0,)),
    (nested, [({"p": (0.5, 0.7), "q": [1.1]}, 4)], (0,)),
    (frozen, [(Rates(0.4, 0.3), 2.0)], (0, 1)),
    (list_grows_statically, [(0.7,)], (0,)),
    (branch_of_structures, [(0.5, 0.7), (1.5, 1.2)], (0, 1)),
    (unpacking, [((0.5, 0.7, 0.9),)], (0,)),
    (enumerate_zip_reversed, [((0.5, 0.7, 0.9), 1.3)], (0, 1)),
]


def rebound(t: dict[str, float], n: int) -> Any:
    u = t
    for _ in range(n):
        u = {"a": u["a"] * 2}
    return u["a"], t["a"]


def rebound_and_written(x: float, n: int) -> Any:
    u = [x]
    w = list(u)
    for _ in range(n):
        u = [u[0] * 2]
        w[0] = w[0] + 1
    return u, w


@pytest.mark.parametrize(("f", "first"), [(rebound, {"a": 1.0}), (rebound_and_written, 1.0)])
def test_rebinding_in_a_loop_leaves_the_object_alone(f: Function, first: Any) -> None:
    for out in both(f, first, 3).values():
        same(out, f(first, 3))


@pytest.mark.parametrize(("f", "points", "nums"), PROGRAMS, ids=[f.__name__ for f, _, _ in PROGRAMS])
def test_program(f: Function, points: list[tuple[Any, ...]], nums: tuple[int, ...]) -> None:
    check(f, *points, argnums=nums)


def results(x: float, n: int) -> Any:
    s = Body(x, (x * n, 1.0))
    for i in range(n):
        s = Body(s.x + i, (s.v[1], s.v[0]))
    return {"body": s, "pair": Pair(x, 2.0), "list": [n, x > 1, None, "text"], "empty": (), "static": (1, 2.5, True)}


def test_results_keep_their_structure_and_types() -> None:
    for mode, out in both(results, 0.5, 3).items():
        same(out, results(0.5, 3), mode)
        assert isinstance(out["pair"], Pair)


def test_none_and_strings_are_static() -> None:
    def f(x: float, other: Any = None) -> float:
        return x if other is None else x * other["k"]

    assert lj.jit(f)(2.0) == 2.0
    assert lj.jit(f)(2.0, None) == 2.0
    assert lj.jit(f)(2.0, {"k": 3.0}) == 6.0


def test_callers_containers_are_changed_as_by_python() -> None:
    def f(v: list[float], d: dict[str, float], s: Body) -> float:
        v[0] = v[0] * 2
        w = [*v, d["k"]]
        d["k"] = v[0]
        s.x = d["k"]
        return sum(w) + d["k"] + s.x

    for run in (interpret, lambda f, *args: lj.jit(f)(*args)):
        v, d, s = [1.0, 2.0], {"k": 3.0}, Body(1.0, (2.0, 3.0))
        assert run(f, v, d, s) == 11.0
        assert (v, d, s.x) == ([2.0, 2.0], {"k": 2.0}, 2.0)
    assert lj.grad(f, (0,))(v, d, s) == ([6.0, 1.0],)
    assert (v, d, s.x) == ([2.0, 2.0], {"k": 2.0}, 2.0)


def test_aliases_of_a_container_see_its_changes() -> None:
    def f(x: float, n: int) -> Any:
        v = [x, 1.0]
        w = v
        for i in range(n):
            w[0] = w[0] * 1.5
            if w[0] > 2:
                v[1] += i
        return v, w

    for out in both(f, 0.9, 5).values():
        same(out, f(0.9, 5))


def test_trees_by_optree() -> None:
    """What is done to nested parameters as a whole, also where lists are the program's."""

    def loss(p: Any) -> Any:
        return np.sum(p["a"][0] ** 2) * p["a"][1] + p["b"][0] ** 3

    def descend(p: Any, n: int) -> Any:
        for _ in range(n):
            p = optree.tree_map(lambda x, dx: x - 0.1 * dx, p, lj.grad(loss)(p))
        return p, optree.tree_reduce(lambda s, x: s + np.sum(x), p, 0.0), len(optree.tree_leaves(p))

    start = {"a": [np.array([1.0, 0.5]), 1.0], "b": (2.0,)}
    for found, total, leaves in both(descend, start, 1).values():
        assert type(found["a"]) is list
        assert leaves == 3
        np.testing.assert_allclose(found["a"][0], [0.8, 0.4], rtol=1e-14)
        assert (found["a"][1], *found["b"], total) == pytest.approx((0.875, 0.8, 2.875), rel=1e-14)


def test_an_enum_stays_in_a_gradient() -> None:
    class Kind(enum.Enum):
        SCALE, SHIFT = 1, 2

    def f(layer: Any, x: float) -> Any:
        return layer["w"] * x if layer["kind"] is Kind.SCALE else layer["w"] + x

    for kind, slope in ((Kind.SCALE, 3.0), (Kind.SHIFT, 1.0)):
        assert lj.jit(lj.grad(f))({"w": 2.0, "kind": kind}, 3.0) == {"w": slope, "kind": kind}


# ---- copies
class Holder:
    def __init__(self, a: Any) -> None:
        self.a, self.times = a, 0


class Counted:
    def __init__(self, a: Any) -> None:
        self.a = a

    def __copy__(self) -> Counted:
        return Counted(self.a + 1.0)


def copied(x: Any, n: int) -> Any:
    shallow, whole = copy.copy(x), copy.deepcopy({"a": [x, x], "b": (x, n, "text")})
    shallow[0] = 5.0
    whole["a"][0][1] = 7.0  # which is there twice
    rows = [x, x * 2.0]
    other, deeper = copy.copy(rows), copy.deepcopy(rows)
    other[0] = x * 3.0
    deeper[1][0] = 9.0
    holder = Holder([x])
    mine, own = copy.copy(holder), copy.deepcopy(holder)
    mine.times += 1
    own.a[0][2] = 11.0
    grown = []
    for i in range(n):
        grown.append(i * 1.0)
    less = copy.copy(grown)
    less.append(100.0)
    return x, shallow, whole, rows, other, deeper, mine.times, own.a, mine.a, len(grown), less[-1], copy.copy(n), copy.copy(Counted(x)).a


def test_copies_are_python_s() -> None:
    x = np.arange(1.0, 4.0)
    wanted = copied(x, 3)
    for out in both(copied, x, 3).values():
        close(out, wanted)

    def kept(x: Any) -> Any:
        y = copy.deepcopy([x])
        y[0][0] = 0.0
        return np.sum(y[0] ** 2)

    for out in both(lj.grad(kept), x).values():
        close(out, 2.0 * x * (np.arange(3) > 0))
    with pytest.raises(lj.errors.UnsupportedOperationError, match=r"a copy of a random Generator .* would draw what the first one draws"):
        lj.jit(lambda rng: copy.deepcopy(rng).normal())(np.random.default_rng(0))


@dataclass
class Sample:
    number: Any
    array: Any


def test_copies_that_a_library_makes() -> None:
    """dataclasses' own asdict copies what it finds."""

    def f(x: Any) -> Any:
        sample = Sample(x[0] * 2, x * 3)
        found = asdict(sample)
        found["array"][0] = 7.0
        return found["number"] + np.sum(found["array"]) + sample.array[0]

    x = np.array([1.0, 2.0, 3.0])
    for got in both(lj.value_and_grad(f), x).values():
        close(got, (27.0, np.array([5.0, 3.0, 3.0])))


class Thrice(dict):
    def __missing__(self, key: Any) -> Any:
        self[key] = 1.0
        return 3.0


def test_a_key_that_a_dict_of_the_users_makes_where_it_is_missing() -> None:
    def f(x: Any) -> Any:
        d = Thrice(b=x)
        if x > 0:
            x = x * d["a"]
        return x + len(d) + sum(d.values())

    def known(x: Any) -> Any:
        d = Thrice(b=x)
        return x * d["a"] + d["a"] + d["b"]

    check(known, (2.0,))
    for x in (2.0, -2.0):
        check(f, (x,))


class Doubled(collections.UserDict):  # type: ignore[type-arg]
    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, 2 * value)


def test_what_code_that_is_not_rewritten_writes_stays_on_its_path() -> None:
    def of_a_dict(x: Any) -> Any:
        d = Doubled(a=1.0)
        if x > 0:
            d["a"] = x
        d["b"] = 2.0 * x
        return sum(d.values()) + len(d) + d["a"] * d.get("b", 0.0)

    def of_a_list(x: Any) -> Any:
        items = collections.UserList([1.0, x])
        if x > 0:
            items.append(3.0)
        return sum(items) + len(items)

    check(of_a_dict, (1.5,), (-1.5,))
    for x in (1.5, -1.5):
        with pytest.raises(lj.errors.TypeMismatchError, match="a container must keep its structure"):
            lj.jit(of_a_list)(x)


class Part(str, enum.Enum):
    WEIGHT = "weight"


@pytest.mark.parametrize("by_keyword", [False, True])
def test_keys_that_are_equal_and_of_other_types_are_other_structures(by_keyword: bool) -> None:
    def f(d: Any) -> Any:
        return {k: x * (2.0 if type(k) in (int, str) else 3.0) for k, x in d.items()}

    jitted = lj.jit(f)
    given: list[dict[Any, float]] = [{1: 1.0}, {True: 1.0}, {1.0: 1.0}, {np.int64(1): 1.0}, {"weight": 1.0}, {Part.WEIGHT: 1.0}]
    for _ in range(3):  # the later times in native code
        for d in given:
            found = jitted(d=d) if by_keyword else jitted(d)
            assert found == f(d)
            assert [*map(type, found)] == [*map(type, d)]
    pairs = [({1: 1.0}, {True: 1.0}), ({True: 1.0}, {1: 1.0})]
    g = lj.jit(lambda p: [f(d) for d in p])
    assert [[list(d.values()) for d in g(p)] for p in pairs] == [[[2.0], [3.0]], [[3.0], [2.0]]]

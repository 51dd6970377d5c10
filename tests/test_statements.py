"""match, try, with and := : as Python where nothing but the trace decides, refused by name where the compiled code would."""

from __future__ import annotations

import contextlib
import threading
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors

from .support import both, check, close


@dataclass
class Point:
    x: float
    y: float


@dataclass
class Circle:
    centre: Point
    radius: float


def by_value(n: int, x: float) -> float:
    match n:
        case 0:
            return x
        case 1 | 2:
            x = x * 2
        case k if k > 5:
            x = x * k
        case _:
            x = -x
    return x + 1


def by_structure(shape: Any, x: float) -> Any:
    match shape:
        case Circle(Point(x=a), radius=r):
            return a * x + r
        case Point(a, b) if a > b:
            return a * x
        case Point() as p:
            return p.y * x
        case (a, b) | [a, _, b]:
            return a * x - b
        case [first, *rest]:
            return first * x + sum(rest)
        case {"scale": s, **others}:
            return s * x + len(others)
        case None:
            return -x
        case True | "on":
            return x + 100
        case float() | int():
            return shape * x
        case str(text):
            return x + len(text)
    return 0.0


def by_kind(x: Any) -> str:
    match x:
        case bool():
            return "bool"
        case int(n) if n > 3:
            return "large"
        case int():
            return "int"
        case float():
            return "float"
        case np.ndarray():
            return "array"
        case _:
            return "other"


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7])
def test_match_on_traced_values(n: int) -> None:
    for found in both(by_value, n, 1.5).values():
        assert found == by_value(n, 1.5)
    assert lj.jit(lj.grad(by_value, 1))(n, 1.5) == lj.grad(lambda x: by_value(n, x))(1.5)


SHAPES: list[Any] = [Circle(Point(2.0, 3.0), 4.0), Point(3.0, 2.0), Point(2.0, 3.0), (2.0, 3.0), [2.0, 5.0, 3.0], [1.0, 2.0, 3.0, 4.0], {"scale": 3.0, "a": 1.0},
                     {"other": 1.0}, None, "on", "off", 2.5, 3, ()]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=repr)
def test_match_on_structure(shape: Any) -> None:
    for found in both(by_structure, shape, 1.5).values():
        assert found == by_structure(shape, 1.5)


def test_match_on_kinds_and_bools() -> None:
    for x in (True, 2, 7, 1.5, np.float64(2), np.ones(2), np.float32(1)):
        assert lj.jit(lambda x: (by_kind(x), 0)[0] if not isinstance(x, int) or isinstance(x, bool) else "")(x) in (by_kind(x), "")

    def flag(x: Any) -> int:
        match x:
            case True:
                return 1
            case False:
                return 2
        return 3

    for x in (True, False, 1, 1.0, np.bool_(True)):
        assert lj.jit(flag)(x) == flag(x)


def test_match_in_a_loop_and_its_names() -> None:
    def machine(codes: Any, x: float) -> float:
        total = 0.0
        for code in codes:
            match code:
                case 0:
                    continue
                case 9:
                    break
                case c:
                    total += c * x
        return total

    codes = np.array([1, 0, 2, 9, 5] * 20)
    assert lj.jit(machine)(codes, 1.5) == machine(codes, 1.5) == 4.5
    assert lj.jit(lj.grad(machine, 1))(codes, 1.5) == 3.0


# ---- try
def looks_up(table: Any, x: float) -> float:
    try:
        k = table["k"]
    except KeyError as e:
        k = len(e.args) * 10
    else:
        k = k + 1
    finally:
        x = x * 2
    return k * x


def asks_for_length(x: Any) -> Any:
    try:
        n = len(x)
    except TypeError:
        return x
    return n


def reraises(table: Any, x: float) -> float:
    try:
        try:
            return table["k"] * x
        except KeyError:
            if len(table) > 5:
                return x
            raise
    except KeyError:
        return -x


def cleans_up(x: float) -> float:
    try:
        if x > 1:
            return x * 2
        return x / 3
    finally:
        x = 0.0


def test_try_runs_as_python() -> None:
    for f, args in [(looks_up, ({"k": 3.0}, 1.5)), (looks_up, ({"a": 3.0}, 1.5)), (asks_for_length, (1.5,)), (asks_for_length, (np.ones(3),)),
                    (reraises, ({"k": 3.0}, 1.5)), (reraises, ({"a": 3.0}, 1.5)), (cleans_up, (1.5,)), (cleans_up, (0.5,))]:  # fmt: skip
        for found in both(f, *args).values():
            assert found == f(*args)
    assert lj.jit(lj.grad(looks_up, 1))({"k": 3.0}, 1.5) == 8.0


def imports(x: float) -> float:
    try:
        import nothing_of_that_name as module
    except ImportError:
        module = None
    return x if module is None else -x


def test_a_module_that_may_be_missing() -> None:
    assert lj.jit(imports)(1.5) == 1.5


def test_refusals_pass_through_handlers() -> None:
    def f(x: float) -> float:
        try:
            return float(np.packbits(x))
        except (TypeError, NotImplementedError):
            return 0.0

    with pytest.raises(errors.UnsupportedOperationError, match="packbits"):
        lj.jit(f)(1.0)


def test_a_return_in_finally_is_refused() -> None:
    def f(x: float) -> float:
        try:
            x = x + 1
        finally:
            return x  # noqa: B012

    with pytest.raises(errors.UnsupportedSyntaxError, match="`return` in a `finally` cannot be compiled"):
        lj.jit(f)(1.0)


# ---- with
def quiet(x: Any, n: int) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings(), contextlib.nullcontext(2.0) as k:
        for _ in range(n):
            x = np.log(x) * k
            if n > 5:
                return x
    return x


def test_contexts_that_change_no_value() -> None:
    for n in (1, 7):
        for found in both(quiet, np.array([0.5, 2.0]), n).values():
            with np.errstate(all="ignore"):
                close(found, quiet(np.array([0.5, 2.0]), n))
    assert lj.jit(lambda x: looks_quietly({}, x))(1.5) == 1.5


def looks_quietly(table: Any, x: float) -> float:
    with contextlib.suppress(KeyError):
        return table["k"] * x
    return x


@contextlib.contextmanager
def scaled(d: Any, s: Any) -> Any:
    d["k"] *= s
    try:
        yield d["k"]
    finally:
        d["k"] /= s + 1.0


@contextlib.contextmanager
def watched(log: Any) -> Any:
    try:
        yield 2.0
    except ValueError:
        log.append(1.0)
    else:
        log.append(5.0)


class Counted:
    def __init__(self, log: Any) -> None:
        self.log = log

    def __enter__(self) -> Any:
        self.weight = 1.0
        return self

    def __exit__(self, *error: Any) -> None:
        self.weight += 1.0
        self.log[0] += self.weight


def leaves_a_loop(x: Any) -> Any:
    s, d = 0.0, {"k": 1.0}
    for i in range(7):
        with scaled(d, x) as k:
            if x > 10.0 * i:
                continue
            s += k * x
            if s > 3.5:
                break
            if s > 100.0:
                return s
    else:
        s = -s
    return s + d["k"]


def raises_in_a_context(x: Any) -> Any:
    log: list[Any] = []
    with watched(log) as k:
        if x > 1.0:
            raise ValueError("no")
        x = x * k
    return x * x + log[0]


def raises_out_of_a_context(x: Any) -> Any:
    d, log = {"k": x}, [0.0]
    try:
        with scaled(d, 3.0), Counted(log):
            if x > 1.0:
                raise ValueError("no")
            d["k"] *= 2.0
    except ValueError:
        return d["k"] * x + log[0]
    return d["k"] ** 2 - log[0]


def in_objects_contexts(x: Any) -> Any:
    log, s = [0.0], 0.0
    for i in range(5):
        with Counted(log) as c, np.errstate(all="ignore"):
            if x < i:
                continue
            s += c.weight * x * x
            if s > 2.5:
                break
    return s + log[0] * x


def a_context_of_its_own(x: Any) -> Any:
    @contextlib.contextmanager
    def around(a: Any) -> Any:
        nonlocal x
        x = x * 2.0
        if a > 1.0:
            yield a
        else:
            yield 3.0 * a
        x = x + a

    with around(x) as z:
        w = x * z
    return w + x


@pytest.mark.every
@pytest.mark.parametrize(
    "f", [leaves_a_loop, raises_in_a_context, raises_out_of_a_context, in_objects_contexts, a_context_of_its_own], ids=lambda f: f.__name__
)
def test_contexts_of_users(f: Any) -> None:
    check(f, (1.5,), (0.6,))


class Looks:
    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> Any:
        return kind is ValueError


class Takes:
    def __enter__(self) -> None: ...

    def __exit__(self, *error: Any) -> Any:
        return True


@contextlib.contextmanager
def often(x: Any) -> Any:
    while x > 1.0:
        x = x / 2.0
        yield x


def in_context(x: Any, make: Any) -> Any:
    with make(x):
        return x


def test_contexts_that_cannot_be() -> None:
    for make, message in (
        (
            lambda x: Looks(),
            "`with` on a Looks .* in in_context cannot be compiled: its __exit__ looks at what the body raises: write `try`",
        ),
        (lambda x: Takes(), "`with` on a Takes .*: its __exit__ gives a value, by which it may take what the body raises"),
        (often, "the `yield` of a context in a loop .*: write one `yield`, outside of loops"),
    ):
        with pytest.raises(lj.LanternError, match=message):
            lj.jit(lambda x, make=make: in_context(x, make))(3.0)


def locks(x: float) -> float:
    with threading.Lock():
        return x


def raising(x: float) -> float:
    with np.errstate(divide="raise"):
        return 1 / x


def test_other_contexts_are_refused() -> None:
    with pytest.raises(
        errors.UnsupportedSyntaxError, match=r"`with` on a lock at \S+:\d+ in locks cannot be compiled: open the context outside"
    ):
        lj.jit(locks)(1.0)
    with pytest.raises(errors.UnsupportedSyntaxError, match=r"`with np.errstate.* in raising cannot be compiled: .*np.isfinite"):
        lj.jit(raising)(1.0)


# ---- :=
def walrus(x: float, n: int) -> Any:
    if (y := x * 2) > 1 and (z := y + n) > 3:
        return y + z
    elif not (x > 0 and (w := x * 5) > 2):
        return y
    total = [(t := v * w) + t for v in (1.0, 2.0)]
    while (x := x - 0.25) > 0 and (s := x * x) > 0.001:
        total.append(s)
    r = (u := x) if x > 5 else (u := -x)
    return sum(total) + r + u + t


def in_a_condition(x: float) -> float:
    return (y := x) + y if x > 0 else 0.0


def test_walrus() -> None:
    for x, n in ((1.5, 3), (0.45, 0), (0.1, 0), (-1.0, 2), (0.6, 1)):
        assert lj.jit(walrus)(x, n) == pytest.approx(walrus(x, n))
    for x in (1.5, -1.5):
        for found in both(in_a_condition, x).values():
            assert found == in_a_condition(x)
        assert lj.jit(lj.grad(in_a_condition))(x) == (2.0 if x > 0 else 0.0)


def test_walrus_where_it_cannot_be() -> None:
    with pytest.raises(errors.UnsupportedSyntaxError, match="`:=` inside a conditional expression"):
        lj.jit(lambda x: 1 + ((y := x) if x > 0 else 0.0))(1.0)  # noqa: F841


def test_an_assignment_in_a_comprehension_needs_plain_conditions() -> None:
    def plain(x: Any) -> Any:
        return sum([t * x for v in (1.0, 2.0) if (t := v * 2) > 3])

    def traced(x: Any) -> Any:
        return sum([t for v in (x, 2.0) if (t := v * 2) > 3])

    close(lj.jit(lj.value_and_grad(plain))(2.0), (8.0, 4.0))
    with pytest.raises(
        lj.errors.TracedConditionError, match=r"`:=` in a comprehension .* in traced is not supported|write a `for` statement"
    ):
        lj.jit(traced)(1.0)

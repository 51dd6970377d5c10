"""What a condition has chosen among texts, functions and objects, or has not assigned: asked about, it answers as in Python, or the use is refused."""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors

from .support import both, check, close

Function = Callable[..., Any]


class Thing:
    pass


ONE, OTHER = Thing(), Thing()


def matched(y: Any) -> float:
    match y:
        case "a":
            return 1.0
        case None:
            return 2.0
    return 3.0


ASKED: dict[str, Function] = {
    "==": lambda y: y == "a",
    "== the other way round": lambda y: "a" == y,  # noqa: SIM300
    "!=": lambda y: y != "a",
    "is": lambda y: y is ONE,
    "is not None": lambda y: y is not None,
    "chained": lambda y: 1 < 2 == y,
    "in": lambda y: y in ("a", "c"),
    "in a set": lambda y: y in {"a", "c"},
    "of a list": lambda y: "a" in [y],
    "key": lambda y: {"a": 1.0}.get(y, 2.0),
    "new key": lambda y: len({y: 1.0}),
    "count": lambda y: [y].count("a"),
    "match": matched,
    "callable": callable,
    "hash": lambda y: hash(y) % 2,
    "operator": lambda y: operator.eq(y, "a"),
    "text": lambda y: len(f"{y}"),
    "text of a list": lambda y: len(str([y])),
    "truth": lambda y: not y,
    "type": lambda y: isinstance(y, str),
}


NEEDS_ITSELF = ("text", "text of a list")  # which Python works with while the function is traced


@pytest.mark.parametrize(
    "ask",
    [ask for name, ask in ASKED.items() if name not in (*NEEDS_ITSELF, "hash")],
    ids=[n for n in ASKED if n not in (*NEEDS_ITSELF, "hash")],
)
def test_texts_and_functions(ask: Function) -> None:
    def differ(x: float) -> Any:
        y: Any = "a"
        if x > 2:
            y = math.sin
        return 1.0 * ask(y)

    def texts(x: float) -> Any:
        y = "a"
        if x > 2:
            y = "bc"
        return 1.0 * ask(y)

    for f in (differ, texts):
        for x in (1.0, 3.0):
            close(both(f, x), dict.fromkeys(("interpreter", "native"), f(x)))


@pytest.mark.parametrize("ask", [ASKED[n] for n in NEEDS_ITSELF], ids=NEEDS_ITSELF)
def test_what_python_needs_to_know(ask: Function) -> None:
    def differ(x: float) -> Any:
        y: Any = "a"
        if x > 2:
            y = math.sin
        return 1.0 * ask(y)

    with pytest.raises(errors.LanternError, match=r"compare|use their attributes"):
        lj.jit(differ)(1.0)


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_a_text_that_may_not_be_there(ask: Function) -> None:
    def unassigned(x: float) -> Any:
        if x > 2:
            y = "a"
        return 1.0 * ask(y)

    with pytest.raises(errors.UndefinedVariableError, match="`y`"):
        lj.jit(unassigned)(1.0)


def test_a_text_that_a_loop_or_an_object_holds() -> None:
    def loop(x: float, n: int) -> Any:
        y = "go"
        for i in range(n):
            if i * x > 3:
                y = "stop"
        return 1.0 if y == "stop" else 2.0

    def attribute(x: float, n: int) -> Any:
        p = Thing()
        p.mode = "a"
        if x > n:
            p.mode = "b"
        return 1.0 if p.mode == "b" else 2.0

    for f in (loop, attribute):
        for x, n in ((1.0, 70), (80.0, 70), (0.01, 70)):
            close(both(f, x, n), dict.fromkeys(("interpreter", "native"), f(x, n)))


def test_what_is_not_asked_about_may_differ() -> None:
    def f(x: float) -> Any:
        y = "a"
        if x > 2:
            y = "b"
        kept = [y]  # noqa: F841
        return x * x

    check(f, (1.0,), (3.0,))


IDENTITY: dict[str, Function] = {
    "is": lambda y: y is ONE,
    "is not": lambda y: y is not ONE,
    "==": lambda y: y == ONE,
    "!=": lambda y: ONE != y,  # noqa: SIM300
    "in": lambda y: y in [OTHER, ONE],
}


@pytest.mark.parametrize("ask", IDENTITY.values(), ids=IDENTITY)
def test_which_of_two_objects_it_is(ask: Function) -> None:
    def f(x: float) -> Any:
        y = ONE if x > 2 else OTHER
        return 1.0 if ask(y) else 2.0

    for x in (1.0, 3.0):
        close(both(f, x), dict.fromkeys(("interpreter", "native"), f(x)))


def test_a_chosen_object_is_itself_and_not_none() -> None:
    def f(x: float) -> Any:
        y = ONE if x > 2 else OTHER
        return x * (2.0 if y is y and y == y else 3.0) * (5.0 if y is None else 7.0)

    close(both(f, 3.0), {"interpreter": 42.0, "native": 42.0})


# ---- a value or None
def test_none_equals_nothing_else() -> None:
    def number(x: float) -> Any:
        y = x * x if x > 2 else None
        return x * (2.0 if y == 9.0 else 3.0) * (5.0 if y != 9.0 else 7.0) * (11.0 if None == y else 13.0)  # noqa: E711, SIM300

    def text(x: float) -> Any:
        y = "a" if x > 2 else None
        return x * (2.0 if y == "a" else 3.0) * (5.0 if y != "a" else 7.0)

    def array(x: float) -> Any:
        y = np.arange(3) * x if x > 2 else None
        return x if y is None else np.sum((y == 3.0) + 10 * (y != 3.0))

    for f in (number, text, array):
        for x in (1.0, 3.0):
            close(both(f, x), dict.fromkeys(("interpreter", "native"), f(x)))


def test_what_needs_the_value_finds_it() -> None:
    def f(x: float) -> Any:
        y, p = None, None
        if x > 0:
            y, p = x, Thing()
            p.v = x
        if p is not None:
            p.v = 3 * y
        s = np.sin(y) + math.exp(y) + abs(y) + max(y, 1.2)
        return s + (p.v if p is not None else 0.0) + (1.0 if y is True else 2.0) + (4.0 if callable(y) else 8.0)

    check(f, (1.5,), (0.5,))
    with pytest.raises(TypeError, match="None"):
        lj.jit(f)(-1.0)


def test_callable() -> None:
    def f(x: float) -> Any:
        return [callable(v) for v in (x, np.ones(2) * x, f, math.sin, Thing, "a")]

    assert lj.jit(f)(1.0) == f(1.0)


def state(x: float, h: float | None = None, rate: float = 1.0) -> float:
    if h is None:
        h = 0.1
    return math.tanh(h * rate + x)


class Cell:
    def __call__(self, x: float, h: float | None = None) -> float:
        return state(x, h)


@dataclasses.dataclass
class Unhashed:
    rate: float

    def __call__(self, x: float, h: float | None = None) -> float:
        return state(x, h, self.rate)


CALLED: dict[str, Function] = {
    "object": Cell(),
    "object without a hash": Unhashed(2.0),
    "partial": functools.partial(state, rate=0.5),
    "partial of an object": functools.partial(functools.partial(Cell())),
    "cache": functools.lru_cache(state),
    "jit": lj.jit(state),
    "checkpoint": lj.checkpoint(state),
    "fun": lj.fun(state),
    "grad": lj.grad(lambda x, h: x * x if h is None else math.sin(x) * h),
    "jacobian": lj.jacfwd(state),
}


@pytest.mark.parametrize("cell", CALLED.values(), ids=CALLED)
def test_whatever_is_called_may_be_given_none_or_a_value(cell: Function) -> None:
    def last(xs: Any) -> Any:
        h = None
        for x in xs:
            h = cell(x, h)
        return h * h

    check(last, (np.sin(np.arange(5.0)),))


def test_what_is_differentiated_by_is_a_value() -> None:
    def f(x: float) -> Any:
        y = x * 2.0 if x > 0 else None
        return 0.0 if x < -1 else lj.grad(lambda y, z: y * y if z is None else y * y * z)(y, None if x > 1 else x)

    check(f, (0.5,), (3.0,), (-2.0,), order=1)
    with pytest.raises(TypeError, match="operation on None"):
        lj.jit(f)(-0.5)


@dataclasses.dataclass
class Pair:
    a: Any
    n: int


def nothing_compared(a: float, b: float) -> Any:
    x, y = (None if a > 0.0 else 2.0), (None if b > 0.0 else 2.0)
    p, q = (Pair(a, 1) if a > 0.5 else None), (Pair(1.0, 1) if b > 0.5 else None)
    held, k, grown = None, 0, []
    for i in range(4):
        v = None if a * i > 1.5 else i
        k += (v == held) + 10 * (v != held) + 100 * (Pair(a, i) == p) + 1000 * (v in grown)
        grown.append(v)
        held = v if b > i else None
    numbers = x == y, x != y, x == 2.0, x == None, [x, y].index(y), [x, 1.0].count(x), (x, 1) == (y, 1)  # noqa: E711
    objects = p == q, q != p, p == Pair(a, 1), Pair(1.0, 1) == q, p is None, p is q
    return numbers, objects, k, grown.count(None)


@pytest.mark.parametrize("args", [(1.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (-1.0, -1.0), (0.7, 2.5)])
def test_values_that_may_be_none_are_compared(args: Any) -> None:
    for found in both(nothing_compared, *args).values():
        assert found == nothing_compared(*args)

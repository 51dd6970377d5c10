"""Values that are no numbers, which the program chooses: texts, members of enums, functions, objects of several classes; and keys of dicts."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import lantern_jit as lj

from .support import both, close


class Mode(enum.Enum):
    IDLE = "idle"
    RUN = "run"

    @property
    def gain(self) -> float:
        return {"idle": 1.0, "run": 3.0}[self.value]


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


def texts(x: float) -> Any:
    mode, s = "idle", 0.0
    for _ in range(20):
        x = x * 1.1
        if mode == "idle":
            s += x
            if s > 5.0:
                mode = "run"
        elif mode == "run":
            s += 0.1 * x * x
            if s > 50:
                mode = "stop"
        else:
            break
    return s * (2.0 if mode in ("stop", "idle") else 1.0)


def enums(x: float) -> Any:
    mode, s, runs = Mode.IDLE, 0.0, {Mode.IDLE: 0, Mode.RUN: 0}
    for _ in range(9):
        s += mode.gain * x
        mode = Mode.RUN if 3 < s < 15 else Mode.IDLE
        runs[mode] += 1
    return s + x * runs[Mode.RUN] + (x if mode is Mode.RUN else 0.0)


def numbered_enums(x: float) -> Any:
    level, s = Level.LOW, 0.0
    for _ in range(8):
        s += level * x
        if level is Level.LOW and s > 3:
            level = Level.HIGH
    return s + int(level) * x


def functions(x: float) -> Any:
    def low(v: float) -> float:
        return v * x

    def high(v: float) -> float:
        return v + x

    f, s = low, 1.0
    for _ in range(6):
        s = f(s) + 0.1
        f = high if s > 2 else low
    return s + (math.sin if x > 1 else math.cos)(x)


class Square:
    name = "square"

    def __init__(self, a: float) -> None:
        self.a = a

    def area(self) -> float:
        return self.a**2


class Circle:
    name = "circle"

    def __init__(self, r: float) -> None:
        self.r = r

    def area(self) -> float:
        return 3 * self.r**2

    @property
    def diameter(self) -> float:
        return 2 * self.r


def nearest(x: float) -> Any:
    best = None
    for s in [Square(x), Circle(x * 0.5), Square(2.0)]:
        if best is None or s.area() < best.area():
            best = s
    return best.area() * (2.0 if isinstance(best, Circle) else 1.0) * len(best.name)


class Context:
    def __init__(self, v: float) -> None:
        self.v, self.x, self.state = v, 0.0, Walk()

    def run(self, n: int) -> float:
        for _ in range(n):
            self.state.step(self)
        return self.x


class Walk:
    def step(self, context: Context) -> None:
        context.x += 0.3 * context.v
        if context.x > 1.0:
            context.state = Run(2.0 * context.v)


class Run:
    def __init__(self, f: float) -> None:
        self.f = f

    def step(self, context: Context) -> None:
        context.x += self.f * context.v
        if context.x > 9.0:
            context.state = Walk()


def machine(v: float) -> Any:
    return Context(v).run(12)


GAINS = {"idle": 0.5, "run": 2.0}
NEXT = {("idle", True): "run", ("idle", False): "idle", ("run", True): "run", ("run", False): "idle"}


def tables(x: float) -> Any:
    state, s, visits = "idle", 0.0, {0: 0.0, 1: 0.0, 2: 0.0}
    for _ in range(10):
        s += GAINS[state] * x
        state = NEXT[state, math.sin(s) > 0.2]
        visits[int(s) % 3] += x
    return s + visits[1] * visits[2] + {1: 2.0, 2: 3.0}.get(int(x), 5.0) * x


class Pair(NamedTuple):
    kind: str
    v: float


def parts(x: float) -> Any:
    p, best = Pair("none", 0.0), None
    for i in range(5):
        if x * i > 2:
            p = Pair("big", x * i)
        elif x * i > 1:
            p = p._replace(kind="mid", v=p.v + x)
        if best is None or p.v > best[1]:
            best = ("odd" if i % 2 else "even", p.v)
    return p.v * (2.0 if p.kind == "big" else 1.0) + best[1] * len(best[0])


@dataclass
class Order:
    side: str
    amount: float


def orders(x: float) -> Any:
    position, last = 0.0, None
    for price in np.array([1.0, 0.8, 1.45, 1.2, 0.5, 2.0]):
        side = "buy" if price < x else "sell" if price > x + 0.3 else None
        if side is not None:
            order = Order(side, abs(price - x))
            position += order.amount * (1 if order.side == "buy" else -1)
            last = order.side
    return position * position + (x if last == "sell" else 0.0)


def classified(x: float) -> Any:
    def kind(v: float) -> str:
        if v < 0:
            return "below"
        return "small" if v < 1 else "large"

    return sum({"below": 0.0, "small": x, "large": x * x}[kind(x * i - 1)] for i in range(4))


def matched(x: float) -> Any:
    mode, s = "start", 0.0
    for _ in range(9):
        match mode:
            case "start":
                s += x
                mode = "middle" if s > 2 else mode
            case "middle" | "late":
                s += x * x
                mode = "late"
            case _:
                s = 0.0
    return s


PROGRAMS = [texts, enums, numbered_enums, functions, nearest, machine, tables, parts, orders, classified, matched]


@pytest.mark.parametrize("f", PROGRAMS)
@pytest.mark.parametrize("x", [1.13, 0.57, 2.31])
def test_values_and_derivatives(f: Any, x: float) -> None:
    h = 1e-6
    slope, curve = (f(x + h) - f(x - h)) / (2 * h), (f(x + 1e-4) - 2 * f(x) + f(x - 1e-4)) / 1e-8
    for value, gradient, second in both(lambda x: (f(x), lj.grad(f)(x), lj.grad(lj.grad(f))(x)), x).values():
        close(value, f(x))
        close(gradient, slope, rtol=1e-5, atol=1e-6)
        close(second, curve, rtol=1e-3, atol=1e-3)


def test_results() -> None:
    def f(x: float) -> Any:
        mode = "run" if x > 1 else "idle"
        return mode, f"{mode}: {x:.1f}", Mode.RUN if x > 1 else Mode.IDLE, None if x > 3 else "there"

    for x in (0.5, 2.0, 4.0):
        for got in both(f, x).values():
            assert got == f(x)


def test_what_python_raises() -> None:
    def none(x: float) -> Any:
        shape = Square(x) if x > 2 else Circle(x) if x > 1 else None
        return shape.area()

    def key(x: float) -> Any:
        return {"a": x, "b": 2 * x}["a" if x > 2 else "b" if x > 1 else "c"]

    def number(x: float) -> Any:
        return {1: x, 2: 2 * x}[int(x)]

    for f, error in ((none, AttributeError), (key, KeyError), (number, KeyError)):
        compiled = lj.jit(f)
        close(compiled(2.5), f(2.5))
        close(compiled(1.5), f(1.5))
        with pytest.raises(error):
            f(0.5)
        with pytest.raises(error):
            compiled(0.5)


def test_writes_reach_the_object_that_was_chosen() -> None:
    def f(x: float) -> Any:
        a, b = Walk(), Run(x)
        a.f = 3.0
        chosen = a if x > 1 else b
        for i in range(5):
            chosen.f += i * x
            if chosen.f > 8:
                chosen = b
        return a.f + 10 * b.f

    for x in (0.5, 1.5):
        close(lj.jit(f)(x), f(x))


def test_a_display_with_a_key_that_is_chosen() -> None:
    f = lj.jit(lambda x: {("a" if x > 1 else "b"): x, "b": 5.0, "c": 2.0})
    for x in (1.0, 2.0):
        assert list(f(x).items()) == list({("a" if x > 1 else "b"): x, "b": 5.0, "c": 2.0}.items())


def test_what_is_refused() -> None:
    def made(x: float) -> Any:
        def factory(k: float) -> Any:
            return lambda v: k * v

        f = factory(2 * x) if x > 1 else factory(x)
        return f(x)

    with pytest.raises(lj.errors.TypeMismatchError, match="choose the values"):
        lj.jit(made)(1.0)
    with pytest.raises(lj.errors.TracedConditionError, match="compare"):
        lj.jit(lambda x: sum(1.0 for _ in ("a" if x > 1 else "bc")))(1.0)

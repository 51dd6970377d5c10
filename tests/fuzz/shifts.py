"""Random programs that shift, against the same programs run again and again (tests/again.py): values, gradients, both modes, order two,
on the interpreter and in native code. Part of `python -m tests.fuzz --shifts 500 --seed 1`."""

from __future__ import annotations

import traceback
import types
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import lantern_jit as lj
from lantern_jit.backends.base import Exhausted
from lantern_jit.backends.python.forward import Ref

from ..again import Again, TooLong
from ..continuing import Continuing
from .check import REFUSALS
from .expressions import Source, seeded
from .plain import load

POINTS = ((0.7, 3), (1.4, 0), (-0.6, 2))
STEP = 1e-5
MOST = 100_000  # operations of a graph as it stands
HEAD = """import math

import numpy as np

import lantern_jit as lj


def often(k, n, e):
    s = 0.0
    for j in range(n):
        s += 0.5 * k(e + 0.1 * j)
    return s


def down(k, n, e):
    return e if n == 0 else 0.4 * k(e) + 0.5 * down(k, n - 1, 0.9 * e)


def f(x, n):
    def deep(m, e):
        return e if m == 0 else 0.8 * deep(m - 1, e * x) + 0.5 * lj.shift(lambda k: 0.6 * k(e) + 0.3 * k(x), tag=A)

    def wide(m, e):
        return math.sin(e) if m < 1 else wide(m - 1, e) * lj.shift(lambda k: k(x) * e, tag=A) + wide(m - 2, x)

    A, B = lj.prompt("A"), lj.prompt("B")

    def body():
        a, b, acc, v, w = np.array([x, 0.5]), np.array([0.3, x]), [x], 0.9 * x, 0.5
"""
TAIL = """        return math.sin(v) * w + x + a[0] * a[1] + 0.1 * sum(acc) + np.sum(np.sin(b) * np.arange(len(b)))

    return 0.5 * lj.reset(body, tag=A) + 0.1
"""


class Shifts:
    """One program."""

    def __init__(self, source: Source) -> None:
        self.source, self.shifts, self.inner, self.recursions = source, 4, 0, 2

    def pick(self, items: Sequence[Any]) -> Any:
        return items[self.source(len(items))]

    def text(self) -> str:
        lines = self.block(["A"], 3, False)
        return HEAD + "".join(f"        {line}\n" for line in lines) + TAIL

    def real(self, depth: int = 2) -> str:
        if not depth or not self.source(3):
            return str(self.pick(("v", "v", "w", "x", "0.5", "1.1", "-0.3")))
        e, d = self.real(depth - 1), self.real(depth - 1)
        return str(self.pick((f"({e} + {d})", f"({e} * {d})", f"({e} - {d})", f"math.sin({e})", f"math.tanh({e} * {d})")))

    def condition(self) -> str:
        return f"{self.real(1)} {self.pick('<>')} {self.pick(('0.037', '0.413', '-0.511'))}"

    def function(self, tag: str) -> str:
        """What a shift is given."""
        e, d, c = self.real(1), self.real(1), self.real(1)
        forms = (
            f"0.5 * k({e}) + 0.3 * k({d})", f"k({e}) * {d}", f"k({e})", c, f"k({e}) if {self.condition()} else {c}", f"k(k({e}))",
            f"k(lj.shift(lambda q: q({e}) + 0.1, tag={tag}))", f"often(k, n, {e})", f"down(k, n, {e})",
        )  # fmt: skip
        return f"lambda k: {self.pick(forms)}"

    def shift(self, tags: Sequence[str]) -> list[str]:
        tag = self.pick(tags)
        self.shifts -= 1
        if tag == "A" and self.recursions and not self.source(4):
            self.recursions -= 1
            return [f"{self.pick('vw')} = {self.pick(('deep', 'wide'))}(n % 3, {self.real(1)})"]
        if not self.source(5):
            first, second = (f"k(({self.real(1)}, {self.real(1)}))" for _ in range(2))
            return [f"v, w = lj.shift(lambda k: 0.6 * {first} + 0.4 * {second}, tag={tag})"]
        return [f"{self.pick('vw')} = {self.real(1)} + 0.7 * lj.shift({self.function(tag)}, tag={tag})"]

    def block(self, tags: list[str], depth: int, in_loop: bool) -> list[str]:
        return [line for _ in range(1 + self.source(3)) for line in self.statement(tags, depth, in_loop)]

    def statement(self, tags: list[str], depth: int, in_loop: bool) -> list[str]:
        kind = self.source(22)
        if kind < 8 and self.shifts > 0:
            return self.shift(tags)
        if kind < 11 and depth:
            inner = self.block(tags, depth - 1, in_loop)
            other = ["else:", *indented(self.block(tags, depth - 1, in_loop))] if self.source(2) else []
            return [f"if {self.condition()}:", *indented(inner), *other]
        if kind < 14 and depth and not in_loop:
            return self.loop(tags, depth)
        if kind < 16 and depth and len(tags) < 2:
            return self.nested(tags, depth)
        if kind == 16:
            return [f"acc.append({self.real(1)})"]
        if kind == 17:
            return ["a = a.copy()", f"a[{self.source(2)}] = {self.real(1)}"]
        if kind == 18:
            return [f"b = np.concatenate([b, b[1:] * {self.real(1)}])"]
        if kind == 19:
            return [f"{self.pick('vw')} = np.sum(np.sin(b) * {self.real(1)} + np.arange(len(b))[::-1])"]
        return [f"{self.pick('vw')} = {self.real()}"]

    def loop(self, tags: list[str], depth: int) -> list[str]:
        inner = self.block(tags, depth - 1, True)
        leave = [f"if {self.condition()}:", f"    {self.pick(('break', 'continue', 'return 0.5 * v'))}"] if not self.source(3) else []
        if self.source(4):
            return ["for i in range(n):", *indented([*inner, *leave])]
        return ["c = 0", "while c < n:", *indented(["c += 1", *inner, *leave])]

    def nested(self, tags: list[str], depth: int) -> list[str]:
        """A reset in the reset; a shift in it may go through it."""
        self.inner += 1
        name, other = f"inner{self.inner}", self.pick(("B", "A"))
        lines = [
            "a, b, acc, v, w = np.array([v, 0.25]), np.array([v, w, 1.0]), [w], 0.3 * v, w",
            *self.block([*tags, other], depth - 1, False),
            "return v * w + a[1] * sum(acc) + b[-1]",
        ]
        return [f"def {name}(a=a, acc=acc, v=v, w=w):", *indented(lines), f"v = 0.5 * v + lj.reset({name}, tag={other})"]


def indented(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def close(a: float, b: float, rtol: float) -> bool:
    return abs(a - b) <= rtol * max(1.0, abs(a), abs(b))


def text(seed: int) -> str:
    return Shifts(seeded(seed)).text()


def check(seed: int) -> Counter[str] | str:
    """How many points say something, and what was refused; else what is wrong."""
    module = load(text(seed))
    counts: Counter[str] = Counter()
    for point in POINTS:
        try:
            counts[at(module, *point)] += 1
        except REFUSALS as e:
            counts[f"refused: {type(e).__name__} {str(e)[-80:]}"] += 1
        except AssertionError as e:
            return f"at {point}: {e}"
        except Exception:
            return f"at {point}: {traceback.format_exc()}"
    return counts


def again(module: types.ModuleType, x: float, n: int) -> float:
    module.lj = Again()  # type: ignore[attr-defined]
    try:
        return float(module.f(x, n))
    finally:
        module.lj = lj  # type: ignore[attr-defined]


def as_it_stands(f: Callable[..., Any], x: float, n: int) -> float | None:
    """The graph before any pass, its shifts and all; None where that takes too long."""
    program = lj.jit(f)._dispatcher.lookup((x, n), {})[0]._trace(None).program
    values = [Ref(c) for c in program.constants]
    try:
        return float(Continuing(program, MOST).call(program.entry, [np.float64(x), np.int64(n), *values])[0])
    except Exhausted:
        return None


def at(module: types.ModuleType, x: float, n: int) -> str:
    f: Callable[..., Any] = module.f
    try:
        want, up, down = (again(module, y, n) for y in (x, x + STEP, x - STEP))
    except (TooLong, OverflowError, UnboundLocalError):
        return "discarded"
    if max(abs(want), abs(up - down) / STEP) > 1e6:
        return "discarded"
    value, slope = lj.jit(lj.value_and_grad(f))(x, n)
    found = {
        "native value": (lj.jit(f)(x, n), want, 1e-11),
        "native value beside the gradient": (value, want, 1e-11),
        "gradient": (slope, (up - down) / (2 * STEP), 1e-4),
        "jvp": (lj.jit(lambda x, n: lj.jvp(lambda y: f(y, n), (x,), (1.0,))[1])(x, n), slope, 1e-9),
        "interpreted gradient": (lj.grad(f)(x, n), slope, 1e-9),
        "without jit": (f(x, n), want, 1e-11),
    }
    direct = as_it_stands(f, x, n)
    if direct is not None:
        found["graph as it stands"] = (direct, want, 1e-11)
    if abs(up - 2 * want + down) / STEP**2 < 1e4:
        gradient = lj.jit(lj.grad(f))
        curve = (gradient(x + STEP, n) - gradient(x - STEP, n)) / (2 * STEP)
        found["second derivative"] = (lj.jit(lambda x, n: lj.hvp(lambda y: f(y, n), (x,), (1.0,)))(x, n), curve, 1e-4)
    for what, (got, right, rtol) in found.items():
        assert close(float(got), float(right), rtol), f"the {what} is {got}, not {right}"
    return "ok"

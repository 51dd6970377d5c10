"""Random programs of scans, maps, conditions and loops that are functions, mixed with loops that are statements, calls of Python and bars, against
the same in plain Python: values, gradients, both modes, order two, on the interpreter, lowered, and in native code. Part of
`python -m tests.fuzz --combined 500 --seed 1`."""

from __future__ import annotations

import itertools
import traceback
import types
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import lantern_jit as lj

from ..lowered import lowered
from ..support import interpret
from .check import REFUSALS
from .expressions import Source, seeded
from .plain import load
from .shifts import close, indented

POINTS = ((0.7, 3), (-0.6, 2), (1.3, 0))
STEP = 1e-5
HEAD = """import io
import math

import numpy as np

import lantern_jit as lj

SINK = io.StringIO()
CALLS = []


def look(i):
    CALLS.append(i)
    return 0.3 + 0.1 * (i % 3)


def f(x, n):
    v, w = 0.9 * x, 0.5
    a, b = np.array([x, 0.5, -0.4]), 0.1 * np.arange(n + 1.0) + x
"""
TAIL = """    return math.sin(v) * w + np.sum(a * a) + np.sum(np.sin(b))
"""


class Plain:
    """What a program finds in place of lantern_jit."""

    @staticmethod
    def _leaves(xs: Any) -> list[Any]:
        return (
            [leaf for x in (xs.values() if isinstance(xs, dict) else xs) for leaf in Plain._leaves(x)]
            if isinstance(xs, (dict, tuple))
            else [xs]
        )

    @staticmethod
    def _at(xs: Any, i: int) -> Any:
        if isinstance(xs, dict):
            return {k: Plain._at(x, i) for k, x in xs.items()}
        return tuple(Plain._at(x, i) for x in xs) if isinstance(xs, tuple) else None if xs is None else xs[i]

    @staticmethod
    def _stack(ys: Sequence[Any], like: Any) -> Any:
        if isinstance(like, dict):
            return {k: Plain._stack([y[k] for y in ys], like[k]) for k in like}
        return tuple(Plain._stack([y[i] for y in ys], like[i]) for i in range(len(like))) if isinstance(like, tuple) else np.array(ys)

    @staticmethod
    def scan(f: Any, init: Any, xs: Any = None, length: Any = None, reverse: bool = False, unroll: Any = 1) -> Any:
        n = length if xs is None else len(Plain._leaves(xs)[0])
        ys: list[Any] = [None] * n
        for i in range(n)[:: -1 if reverse else 1]:
            init, ys[i] = f(init, Plain._at(xs, i))
        return init, Plain._stack(ys, ys[0]) if n else np.zeros(0)

    @staticmethod
    def map(f: Any, xs: Any) -> Any:
        ys = [f(x) for x in xs]
        return Plain._stack(ys, ys[0])

    @staticmethod
    def associative_scan(f: Any, xs: Any, reverse: bool = False) -> Any:
        step = -1 if reverse else 1
        return np.array(list(itertools.accumulate(xs[::step], f)))[::step]

    @staticmethod
    def cond(pred: Any, true_fun: Any, false_fun: Any, *args: Any) -> Any:
        return true_fun(*args) if pred else false_fun(*args)

    @staticmethod
    def switch(i: int, branches: Any, *args: Any) -> Any:
        return branches[min(max(i, 0), len(branches) - 1)](*args)

    @staticmethod
    def while_loop(test: Any, body: Any, s: Any) -> Any:
        while test(s):
            s = body(s)
        return s

    @staticmethod
    def fori_loop(lower: int, upper: int, body: Any, s: Any) -> Any:
        for i in range(lower, upper):
            s = body(i, s)
        return s

    @staticmethod
    def callback(f: Any, result: Any, *args: Any) -> Any:
        return f(*args)

    @staticmethod
    def progress(items: Any, file: Any = None) -> Iterator[Any]:
        return iter(items)

    @staticmethod
    def checkpoint(f: Any) -> Any:
        return f


class Combined:
    """One program."""

    def __init__(self, source: Source) -> None:
        self.source, self.functions = source, 0

    def pick(self, items: Sequence[Any]) -> Any:
        return items[self.source(len(items))]

    def text(self) -> str:
        lines = [line for _ in range(3 + self.source(3)) for line in self.statement(2, ["v", "w", "x"])]
        return HEAD + "".join(f"    {line}\n" for line in lines) + TAIL

    def real(self, names: Sequence[str], depth: int = 2) -> str:
        if not depth or not self.source(3):
            return str(self.pick((*names, *names, "0.5", "-0.3", "1.1")))
        e, d = self.real(names, depth - 1), self.real(names, depth - 1)
        return str(self.pick((f"({e} + {d})", f"({e} * {d})", f"({e} - {d})", f"math.sin({e})", f"math.tanh({e} * {d})", f"np.cos({e})")))

    def test(self, names: Sequence[str]) -> str:
        return f"{self.real(names, 1)} {self.pick('<>')} {self.pick(('0.037', '0.413', '-0.511'))}"

    def small(self, names: Sequence[str]) -> str:
        """A number that does not grow when it is computed again and again."""
        return f"np.tanh({self.real(names)})"

    def value(self, names: Sequence[str], depth: int) -> str:
        """A number by a combinator."""
        inner = [*names, "s"]
        e = self.real(names, 1)
        kind = self.source(7 if depth else 3)
        if kind == 0:
            return f"lj.cond({self.test(names)}, lambda s: {self.real(inner)}, lambda s: {self.real(inner, 1)}, {e})"
        if kind == 1:
            return f"lj.switch(n - {self.source(4)}, [lambda s: {self.real(inner)}, lambda s: s * s, np.sin], {e})"
        if kind == 2:
            return f"{e} * lj.callback(look, float, n + {self.source(3)})"
        deeper = self.value(inner, depth - 1) if not self.source(3) else self.small(inner)
        if kind == 3:
            return f"lj.fori_loop({self.pick(('0', '1'))}, n, lambda i, s: np.tanh({deeper} + 0.1 * i), {e})"
        if kind == 4:
            return f"lj.while_loop(lambda q: q[0] < n, lambda q: (q[0] + 1, {self.small([*names, 'q[1]'])}), (0, {e}))[1]"
        if kind == 5:
            return f"lj.checkpoint(lambda s: {self.real(inner)})({e})"
        array, u = self.pick("ab"), [*inner, "u"]
        options = self.pick(("", ", reverse=True", ", unroll=2"))
        return f"np.sum(lj.scan(lambda s, u: ({self.small(u)}, {self.value(u, depth - 1) if not self.source(3) else self.real(u)}), {e}, {array}{options})[1])"

    def array(self, names: Sequence[str]) -> str:
        array, inner = self.pick("ab"), [*names, "u"]
        kind = self.source(5)
        if kind < 2:
            return f"{array} = lj.map(lambda u: {self.value(inner, 1) if kind else self.real(inner)}, {array})"
        if kind == 2:
            how = self.pick(("p * q * 0.5 + q", "max(p, q)", "p if p > q * q else q", "p + q"))
            return f"{array} = lj.associative_scan(lambda p, q: {how}, {array}{self.pick(('', ', reverse=True'))})"
        if kind == 3:
            return f"w, {array} = lj.scan(lambda s, u: ({self.small([*inner, 's'])}, u * s), w, {array}{self.pick(('', ', reverse=True'))})"
        return f"{array} = {array}.copy(); {array}[{self.source(1)}] = {self.real(names)}"

    def statement(self, depth: int, names: list[str]) -> list[str]:
        kind = self.source(12)
        if kind < 4 or not depth:
            return [f"{self.pick('vw')} = {self.value(names, depth)}"]
        if kind < 6:
            return [self.array(names)]
        inner = [line for _ in range(1 + self.source(2)) for line in self.statement(depth - 1, names)]
        if kind < 8:
            return [f"if {self.test(names)}:", *indented(inner)]
        if kind == 8:
            return self.structured(names)
        items = self.pick(("range(n)", "lj.progress(range(n), file=SINK)", "a", "range(2)"))
        leave = [f"if {self.test(names)}:", f"    {self.pick(('break', 'continue'))}"] if not self.source(2) else []
        return [f"for i in {items}:", *indented([*inner, *leave, "v, w = np.tanh(v), np.sin(w)"])]

    def structured(self, names: list[str]) -> list[str]:
        """A scan over containers, whose function is statements."""
        self.functions += 1
        name, inner = f"step{self.functions}", [*names, "p", "q", "y"]
        body = [
            "p, t = c['p'], z[1]['t']",
            f"q = c['q'] * {self.value([*names, 'p', 'z[0]'], 1)}",
            f"y = {self.real([*names, 'p', 'q', 't'])}",
            *(["for j in range(n):", f"    y = {self.small(inner)}"] if self.source(2) else []),
            *([f"if {self.test(inner)}:", f"    y = {self.real(inner)}"] if self.source(2) else []),
            f"return {{'p': np.tanh({self.real(inner)}), 'q': np.sin(q) * p}}, (y, {{'u': q * z[0], 'k': p}})",
        ]
        call = f"lj.scan({name}, {{'p': v, 'q': w}}, (b, {{'t': b * x}}){self.pick(('', ', reverse=True', ', unroll=3'))})"
        return [
            f"def {name}(c, z):",
            *indented(body),
            f"c, d = {call}",
            "v, w = c['p'] + np.sum(d[0] * d[1]['u']), np.tanh(c['q'] + np.sum(d[1]['k']))",
        ]


def text(seed: int) -> str:
    return Combined(seeded(seed)).text()


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


def in_python(module: types.ModuleType, x: float, n: int) -> float:
    module.lj = Plain()  # type: ignore[attr-defined]
    try:
        return float(module.f(np.float64(x), n))
    finally:
        module.lj = lj  # type: ignore[attr-defined]


def at(module: types.ModuleType, x: float, n: int) -> str:
    f: Callable[..., Any] = module.f
    calls: list[Any] = module.CALLS
    calls.clear()
    want = in_python(module, x, n)
    said = list(calls)
    up, down = (in_python(module, y, n) for y in (x + STEP, x - STEP))
    if not max(abs(want), abs(up - down) / STEP) < 1e5:
        return "discarded"

    def heard(run: Callable[[], Any], what: str) -> Any:
        calls.clear()
        out = run()
        assert calls == said, f"the {what} calls Python {len(calls)} times, not {len(said)}"
        return out

    gradient = lj.jit(lj.grad(f))
    slope = heard(lambda: gradient(x, n), "gradient")
    found = {
        "native value": (heard(lambda: lj.jit(f)(x, n), "native code"), want, 1e-11),
        "interpreted value": (heard(lambda: interpret(f, x, n), "interpreter"), want, 1e-11),
        "gradient": (slope, (up - down) / (2 * STEP), 1e-4),
        "interpreted gradient": (heard(lambda: interpret(lj.grad(f), x, n), "interpreted gradient"), slope, 1e-9),
        "jvp": (heard(lambda: lj.jit(lambda x, n: lj.jvp(lambda y: f(y, n), (x,), (1.0,))[1])(x, n), "jvp"), slope, 1e-9),
    }
    low = lowered(lambda: interpret(lj.grad(f), x, n))
    if low is not None:
        found["lowered gradient"] = (low, slope, 1e-9)
    if abs(up - 2 * want + down) / STEP**2 < 1e4:
        curve = (gradient(x + STEP, n) - gradient(x - STEP, n)) / (2 * STEP)
        second = heard(lambda: lj.jit(lambda x, n: lj.hvp(lambda y: f(y, n), (x,), (1.0,)))(x, n), "second derivative")
        found["second derivative"] = (second, curve, 1e-4)
    for what, (got, right, rtol) in found.items():
        assert close(float(got), float(right), rtol), f"the {what} is {got}, not {right}"
    return "ok"

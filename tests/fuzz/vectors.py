"""Random programs with arrays of a few elements, against plain Python: carried by loops, chosen by branches, given to functions and to
recursions, written in place, in parts and under two names, with errors now and then. Part of `python -m tests.fuzz --vectors N`."""

from __future__ import annotations

import linecache
import random
from collections import Counter
from typing import Any

import numpy as np

import lantern_jit as lj

from ..support import close, interpret, numeric_gradient

POINTS = ((0.7, 3), (-0.4, 2), (1.1, 0))
DTYPES = ("float64", "float64", "float32")


class Program:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.dtype = DTYPES[seed % 3]
        self.size = self.rng.randint(1, 4)
        self.lines: list[str] = []
        self.fails = seed % 11 == 5
        self.helpers = [self.helper(i) for i in range(self.rng.randint(0, 2))]

    def text(self) -> str:
        self.lines = []
        self.put(1, f"x = np.array([{', '.join(self.element() for _ in range(self.size))}], np.{self.dtype})")
        if self.rng.random() < 0.4:  # of a size that nobody knows before it meets another one
            self.put(1, "x = v * a")
        self.put(1, f"y = np.{self.rng.choice(('zeros', 'ones'))}({self.size}, np.{self.dtype}) * a")
        self.put(1, "z = x")
        self.put(1, "s = a * 1")
        for _ in range(self.rng.randint(2, 4)):
            self.statement(1, 2)
        self.put(1, f"return {self.rng.choice(('np.sum(x * y) + s', 'x[0] * y[-1] + s', 'np.sum(z) + x[-1] * s'))}")
        return "\n".join(["import math", "import numpy as np", "", *self.helpers, "def f(a, n, v):", *self.lines, ""])

    def element(self) -> str:
        return self.rng.choice(("a", "1.0", "0.5 * a", "math.sin(a)"))

    def put(self, depth: int, line: str) -> None:
        self.lines.append("    " * depth + line)

    def at(self) -> str:
        if self.fails and self.rng.random() < 0.2:
            return "n"
        return str(self.rng.randrange(-self.size, self.size))

    def name(self) -> str:
        return self.rng.choice("xxyyz")

    def number(self) -> str:
        return self.rng.choice(("a", "s", "0.5", f"{self.name()}[{self.at()}]", f"np.sum({self.name()})", "np.tanh(s)"))

    def array(self) -> str:
        x, y, c = self.name(), self.name(), self.number()
        kinds = [f"{x} * {y}", f"{x} + 0.5 * {y}", f"np.tanh({x}) * {c}", f"0.3 * {x} - {y}", f"{x}[::-1] * 0.5", f"{x}.copy()",
                 f"np.where({x} > {y}, {x}, 0.5 * {y})", f"np.full({self.size}, {c}, np.{self.dtype})", f"np.sin({x})",
                 f"{x} + np.array([{', '.join(self.element() for _ in range(self.size))}], np.{self.dtype})"]  # fmt: skip
        if self.helpers:
            kinds += [f"g{self.rng.randrange(len(self.helpers))}({x}, {y}, {c}, {self.rng.randrange(3)})"] * 3
        return self.rng.choice(kinds)

    def statement(self, depth: int, left: int) -> None:
        kinds = [self.assign, self.assign, self.store, self.store, self.update, self.alias, self.scalar]
        kinds += [self.loop, self.loop, self.branch, self.until] if left else []
        self.rng.choice(kinds)(depth, left)

    def body(self, depth: int, left: int) -> None:
        for _ in range(self.rng.randint(1, 4)):
            self.statement(depth, left - 1)

    def assign(self, depth: int, left: int) -> None:
        self.put(depth, f"{self.name()} = {self.array()}")

    def store(self, depth: int, left: int) -> None:
        self.put(depth, f"{self.name()}[{self.at()}] = {self.number()}")

    def update(self, depth: int, left: int) -> None:
        kinds = (f"{self.name()} *= 0.5", f"{self.name()}[{self.at()}] += {self.number()}", f"{self.name()}[1:] = {self.number()}",
                 f"{self.name()}[:] = {self.array()}", f"{self.name()} += {self.number()}")  # fmt: skip
        self.put(depth, self.rng.choice(kinds))

    def alias(self, depth: int, left: int) -> None:
        self.put(depth, self.rng.choice((f"{self.name()} = {self.name()}", "x, y = y, x", "z = y")))

    def scalar(self, depth: int, left: int) -> None:
        self.put(depth, f"s = np.tanh({self.number()} + {self.number()})")

    def loop(self, depth: int, left: int) -> None:
        self.put(depth, f"for i{depth} in range({self.rng.choice(('n', 'n', '2', str(self.size)))}):")
        self.body(depth + 1, left)

    def until(self, depth: int, left: int) -> None:
        self.put(depth, f"t{depth} = 0 * n")
        self.put(depth, f"while t{depth} < n:")
        self.put(depth + 1, f"t{depth} += 1")
        self.body(depth + 1, left)

    def branch(self, depth: int, left: int) -> None:
        self.put(depth, f"if {self.number()} > {self.rng.choice(('0.3', 'a', '0'))}:")
        self.body(depth + 1, left)
        if self.rng.random() < 0.6:
            self.put(depth, "else:")
            self.body(depth + 1, left)

    def helper(self, i: int) -> str:
        """A function of two arrays; it may call itself, and gives an array."""
        self.lines, self.helpers = [], getattr(self, "helpers", [])
        deep = self.rng.random() < 0.6
        if deep:
            self.put(1, "if n <= 0:")
            self.put(2, f"return {self.rng.choice(('x', 'y', 'x * y', 'x.copy()'))}")
        self.put(1, "z = x")
        for _ in range(self.rng.randint(1, 3)):
            self.statement(1, 1)
        if deep:
            self.put(1, f"z = g{i}({self.name()}, {self.name()}, s * a, n - 1)")
            self.statement(1, 0)
        self.put(1, f"return {self.rng.choice(('x', 'z', 'x + y', 'z * s'))}")
        return "\n".join([f"def g{i}(x, y, s, n):", "    a = s * 0.5", *self.lines, ""])


def load(source: str, name: str) -> Any:
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    module: dict[str, Any] = {"__name__": "random_vectors"}
    exec(compile(source, name, "exec"), module)
    return module["f"]


def outcome(run: Any) -> Any:
    try:
        with np.errstate(all="ignore"):
            return run()
    except IndexError as e:
        return "IndexError", str(e).split(" (")[0].split(" at ")[0]


def agree(found: Any, expected: Any, rtol: float, what: str) -> None:
    if isinstance(expected, tuple) and isinstance(expected[0], str):
        assert isinstance(found, tuple), f"{what}: {found} for {expected}"
        assert found[0] == expected[0], f"{what}: {found} for {expected}"
        return
    close(found, expected, rtol=rtol, atol=rtol, what=what)


def check(seed: int) -> Counter[str] | str:
    """Values, gradients and second derivatives of the program of this number, interpreted and native; or in words what is wrong."""
    program = Program(seed)
    source = program.text()
    f = load(source, f"vectors_{seed}.py")
    single = program.dtype == "float32"
    rtol = 2e-3 if single else 1e-9
    counts: Counter[str] = Counter()
    try:
        value, slope = lj.jit(f), lj.jit(lj.grad(f))
        second = lj.jit(lambda a, n, v: lj.jvp(lambda a: lj.grad(f)(a, n, v), (a,), (1.0,)))
        for a, n in POINTS:
            args = a, n, np.linspace(0.2, 0.9, program.size).astype(program.dtype)
            expected, native, interpreted = (outcome(lambda g=g: g(*args)) for g in (f, value, lambda *args: interpret(f, *args)))  # noqa: B023
            agree(native, expected, rtol, f"native at {a}")
            agree(interpreted, expected, rtol, f"interpreted at {a}")
            counts["ok"] += 1
            if isinstance(expected, tuple):
                continue
            one = slope(*args)
            agree(interpret(lj.grad(f), *args), one, rtol, f"the gradient interpreted at {a}")
            agree(second(*args)[0], one, rtol, f"the gradient under jvp at {a}")
            if not single and smooth(f, *args):
                agree(one, numeric_gradient(f, args, (0,))[0], 1e-5, f"the gradient at {a}")
                agree(
                    second(*args)[1],
                    (slope(a + 1e-5, *args[1:]) - slope(a - 1e-5, *args[1:])) / 2e-5,
                    1e-3,
                    f"the second derivative at {a}",
                )
                counts["differences"] += 1
    except lj.LanternError as e:
        counts[f"refused: {type(e).__name__}"] += 1
    except AssertionError as e:
        return f"{e}\n{source}"
    return counts


def smooth(f: Any, a: float, *rest: Any) -> bool:
    """Is f near a what its differences say? Two steps say the same."""
    with np.errstate(all="ignore"):
        one, two = (numeric_gradient(f, (a, *rest), (0,), h)[0] for h in (1e-3, 5e-4))
        second = [(f(a + h, *rest) - 2 * f(a, *rest) + f(a - h, *rest)) / (h * h) for h in (1e-3, 2e-3)]
    return bool(abs(one - two) <= 1e-7 * (1 + abs(one)) and abs(second[0] - second[1]) <= 1e-3 * (1 + abs(second[0])))


__all__ = ["Program", "check"]

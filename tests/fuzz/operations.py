"""Random programs of operations in callback form, against the same programs of plain functions with the same values: values, gradients, both
modes, order two, on the interpreter and in native code. Part of `python -m tests.fuzz --operations 500 --seed 1`."""

from __future__ import annotations

import math
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import lantern_jit as lj

from .check import REFUSALS
from .expressions import Source, seeded
from .plain import load
from .shifts import close, indented

POINTS = ((0.7, 3), (-0.9, 0), (1.3, 5))
UNARY = (
    ("math.sin({c} * x)", "dy * {c} * math.cos({c} * x)"),
    ("math.tanh({c} * x)", "{c} * dy * (1.0 - y * y)"),
    ("x * abs(x) * {c}", "2.0 * {c} * dy * x if x > 0.0 else -2.0 * {c} * dy * x"),
    ("e * x", "dy * e * (1.0 - {c} * x * x)", "e = math.exp(-0.5 * {c} * x * x)"),
    ("y", "dy * d", "y = x", "for _ in range({m}):", "    y = math.sin(y) + {c}", "AFTER", "d, z = 1.0, x", "for _ in range({m}):", "    d, z = d * math.cos(z), math.sin(z) + {c}"),
    ("y", "dy / (1.0 + {c} * math.cos(y))", "y = x", "while abs(y + {c} * math.sin(y) - x) > 1e-13:", "    y = y - (y + {c} * math.sin(y) - x) / (1.0 + {c} * math.cos(y))"),
    ("x * u(x)", "dy * (u(x) + x * lj.grad(u)(x))", "u = lambda v: math.sin(v + {c})"),
)  # fmt: skip
HEAD = """import math

import numpy as np

import lantern_jit as lj


@lj.op
def forked_op(x, k):
    if x > 0.3:
        e = math.exp(-x)
        dy = k(e * x)
        return dy * e * (1.0 - x)
    s = math.sin(x)
    dy = k(s * s)
    return 2.0 * dy * s * math.cos(x)


def forked_plain(x):
    return math.exp(-x) * x if x > 0.3 else math.sin(x) ** 2


@lj.op
def mixed_op(x, y, k):
    dz = k(math.sin(x) * y + x)
    return dz * (math.cos(x) * y + 1.0), dz * math.sin(x)


def mixed_plain(x, y):
    return math.sin(x) * y + x


@lj.op
def waves_op(x, k):
    s, c = math.sin(x), math.cos(x)
    ds, dc = k(s, c)
    return ds * c - dc * s


def waves_plain(x):
    return math.sin(x), math.cos(x)


@lj.op
def each_op(a, k):
    y = np.tanh(a)
    d = k(lj.stop_gradient(y))
    return d * (1.0 - y * y)


def each_plain(a):
    return np.tanh(a)


@lj.op
def whole_op(a, k):
    n = np.sqrt(1.0 + np.sum(a * a))
    return k(lj.stop_gradient(n)) * a / n


def whole_plain(a):
    return np.sqrt(1.0 + np.sum(a * a))


@lj.op
def scaled_op(a, x, k):
    d = k(lj.stop_gradient(np.sin(a)) * lj.stop_gradient(x))
    return d * x * np.cos(a), np.sum(d * np.sin(a))


def scaled_plain(a, x):
    return np.sin(a) * x
"""


class Operations:
    """One program."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def pick(self, items: Sequence[Any]) -> Any:
        return items[self.source(len(items))]

    def text(self) -> str:
        parts = [HEAD, *(self.unary(f"u{i}") for i in range(2))]
        body = self.block(3)
        for kind in ("op", "plain"):
            lines = [line.replace("_X", f"_{kind}") for line in body]
            parts.append(
                f"def deep_{kind}(m, e):\n    return u0_{kind}(e) if m == 0 else 0.7 * deep_{kind}(m - 1, u1_{kind}(e)) + 0.2 * forked_{kind}(e)\n"
            )
            start = "v, w, a = 0.8 * x, 0.4, np.array([x, 0.5, -0.2 * x, 0.1])"
            end = "return math.sin(v) + 0.5 * w + np.sum(a * a * np.arange(4))"
            parts.append(f"def f_{kind}(x, n):\n" + "".join(f"    {line}\n" for line in (start, *lines, end)))
        return "\n\n".join(parts)

    def unary(self, name: str) -> str:
        value, adjoint, *lines = self.pick(UNARY)
        c, m = self.pick((0.4, 0.7, 0.9)), self.pick((1, 2, 9))
        before = lines[: lines.index("AFTER")] if "AFTER" in lines else lines
        after = lines[lines.index("AFTER") + 1 :] if "AFTER" in lines else []
        resume = self.pick(("dy = k(y)", "dy = k(lj.stop_gradient(y))"))  # what is linear needs no derivative of its first half
        op = [*before, f"y = {value}", resume, *after, f"return {adjoint}"]
        out = [f"@lj.op\ndef {name}_op(x, k):", *indented(op), "", "", f"def {name}_plain(x):", *indented([*before, f"return {value}"]), ""]
        return "\n".join(out).replace("{c}", str(c)).replace("{m}", str(m))

    def real(self, depth: int = 2) -> str:
        if not depth or not self.source(3):
            return str(self.pick(("v", "w", "x", "a[1]", "0.5", "-0.3")))
        e, d = self.real(depth - 1), self.real(depth - 1)
        forms = (f"({e} + {d})", f"({e} * {d})", f"math.tanh({e})", f"u0_X({e})", f"u1_X({e})", f"forked_X({e})", f"mixed_X({e}, {d})")
        return str(self.pick(forms))

    def block(self, depth: int) -> list[str]:
        return [line for _ in range(1 + self.source(3)) for line in self.statement(depth)]

    def statement(self, depth: int) -> list[str]:
        kind, e = self.source(16), self.real()
        if kind < 3 and depth:
            other = ["else:", *indented(self.block(depth - 1))] if self.source(2) else []
            return [f"if {self.real(1)} {self.pick('<>')} {self.pick(('0.037', '-0.211'))}:", *indented(self.block(depth - 1)), *other]
        if kind < 6 and depth:
            inner = [*self.block(depth - 1), "v, w = math.tanh(v), math.tanh(w)"]
            return ["for i in range(n):", *indented(inner)] if self.source(3) else ["c = 0", "while c < n:", *indented(["c += 1", *inner])]
        simple = {
            6: ["v, w = waves_X(w + 0.3)"], 7: ["a = each_X(a)"], 8: [f"{self.pick('vw')} = 0.3 * whole_X(a) + v"], 9: [f"a = scaled_X(a, {e})"],
            10: [f"a[{self.source(4)}] = {e}"], 11: [f"v = v + 0.5 * deep_X(n % 3, {self.real(1)})"], 12: ["a = np.sin(a) * each_X(a * w)"],
            13: ["a = np.array([forked_X(a[j]) for j in range(4)])"],
        }  # fmt: skip
        return simple.get(kind, [f"{self.pick('vw')} = {e}"])


def text(seed: int) -> str:
    return Operations(seeded(seed)).text()


def check(seed: int) -> Counter[str] | str:
    """How many points say something, and what was refused; else what is wrong."""
    module = load(text(seed))
    counts: Counter[str] = Counter()
    for point in POINTS:
        try:
            counts[at(module.f_op, module.f_plain, *point)] += 1
        except REFUSALS as e:
            counts[f"refused: {type(e).__name__} {str(e)[-80:]}"] += 1
        except AssertionError as e:
            return f"at {point}: {e}"
        except Exception:
            return f"at {point}: {traceback.format_exc()}"
    return counts


def derivatives(f: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    g = lj.grad(f)
    return {
        "value": f,
        "gradient": g,
        "jvp": lambda x, n: lj.jvp(lambda y: f(y, n), (x,), (1.0,))[1],
        "hvp": lambda x, n: lj.jvp(lambda y: g(y, n), (x,), (1.0,))[1],
        "second gradient": lj.grad(g),
        "gradient of the jvp": lj.grad(lambda x, n: lj.jvp(lambda y: f(y, n), (x,), (1.0,))[1]),
    }


def at(f: Callable[..., Any], plain: Callable[..., Any], x: float, n: int) -> str:
    try:
        wanted = {what: float(lj.jit(d)(x, n)) for what, d in derivatives(plain).items()}
    except OverflowError:
        return "discarded"
    if not all(math.isfinite(v) and abs(v) < 1e5 for v in wanted.values()):
        return "discarded"
    scale = max(map(abs, wanted.values()))
    assert close(f(x, n), wanted["value"], 1e-11), f"without jit it is {f(x, n)}, not {wanted['value']}"
    for what, d in derivatives(f).items():
        jitted = lj.jit(d)
        specialisation, leaves = jitted._dispatcher.lookup((x, n), {})
        for how, got in (("native", jitted(x, n)), ("interpreted", specialisation.interpret(leaves))):
            assert abs(float(got) - wanted[what]) <= 1e-8 * max(1.0, scale), f"the {how} {what} is {got}, not {wanted[what]}"
    return "ok"

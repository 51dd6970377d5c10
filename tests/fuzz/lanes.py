"""Random programs in lanes against the same programs lane by lane: values, gradients of lanes and of all, order two, in native code and on the
interpreter. Part of `python -m tests.fuzz --lanes 500 --seed 1`: programs of the general generator, whose lanes go different ways, and programs
whose lanes go the same way, so that they run side by side."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import lantern_jit as lj

from .check import LARGE, REFUSALS, copies, flat, is_float
from .expressions import Source, seeded
from .generate import program
from .plain import load

LANES = 19  # sixteen and some more
Function = Callable[..., Any]


# ---- programs whose lanes go the same way
class Uniform:
    """One program of a row `r`, weights `w` that all lanes share, a float and an int of all of them."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def pick(self, items: Sequence[Any]) -> Any:
        return items[self.source(len(items))]

    def text(self) -> str:
        lines = ["u, v, y, z = r[0], 0.5 * r[1] + x, np.zeros(4, r.dtype), np.sin(r)", *self.block(3, 6)]
        lines += ["return np.tanh(u) * v + np.sum(y * y) * 0.1 + np.dot(z, w)"]
        body = "".join(f"    {line}\n" for line in lines)
        return f"import math\n\nimport numpy as np\n\nimport lantern_jit as lj\n\n\ndef f(r, w, x, n):\n{body}"

    def real(self, depth: int = 2) -> str:
        if not depth or not self.source(3):
            return str(self.pick(("u", "v", "x", "r[0]", "r[n % 4]", "w[1]", "w[n % 4]", "y[2]", "z[1]", "0.5", "-1.25", "len(r)", "n")))
        e, d = self.real(depth - 1), self.real(depth - 1)
        forms = (
            f"({e} + {d})", f"({e} * {d})", f"({e} - {d})", f"np.sin({e})", f"np.tanh({e} * {d})", f"({e} / (1.5 + np.cos({d})))", f"abs({e})",
            f"np.sqrt(1.0 + {e} ** 2)", f"max({e}, {d})", f"np.where({e} > {d}, {e}, 0.5 * {d})", f"np.exp(-abs({e}))", f"np.sum(z * {e})",
            "np.dot(r, z)", f"np.minimum({e}, {d})", f"np.arctan2({e}, 1.0 + {d} ** 2)",
        )  # fmt: skip
        return str(self.pick(forms))

    def block(self, depth: int, most: int) -> list[str]:
        return [line for _ in range(1 + self.source(most)) for line in self.statement(depth)]

    def statement(self, depth: int) -> list[str]:
        kind = self.source(16)
        if kind < 5:
            return [f"{self.pick('uv')} = np.tanh({self.real()})"]
        if kind < 7:
            return [f"y[{self.pick(('0', 'n % 4', '1', '3'))}] {self.pick(('=', '+='))} np.sin({self.real()})"]
        if kind < 9:
            return [
                f"z = {self.pick(('np.tanh(z * {0})', 'z + 0.1 * r * {0}', 'w * np.sin({0} + r)', 'np.where(r > z, z, {0})'))}".format(
                    self.real(1)
                )
            ]
        if kind == 9:
            return [self.pick(("y[:] = 0.5 * z", "z[1:] *= 0.5 * u", "z = z[::-1] + w", "y = y + w", "z[0] = v"))]
        if kind == 10:
            return [
                "def g(a):",
                f"    return np.sin(a) * {self.real(1)}",
                f"{self.pick('uv')} = {self.pick(('g(u)', 'lj.grad(g)(v)', 'g(g(v))'))}",
            ]
        if kind < 13 and depth:
            test = self.pick(("n > 2", "n % 2 == 0", "len(w) > 3", "x > 0.2", "w[0] > 0"))
            return [f"if {test}:", *indented(self.block(depth - 1, 3)), "else:", *indented(self.block(depth - 1, 2))]
        if depth:
            head = self.pick(("for i in range(n):", "for i in range(len(r)):", "for i in range(7):", "for e in w:"))
            inner = self.block(depth - 1, 3)
            more = {"range": "u = u * 0.9 + 0.1 * r[i % 4] * v", "e in w": "v = np.sin(v + e)"}
            return [head, *indented([*inner, next(line for word, line in more.items() if word in head)])]
        return [f"u = u + {self.real(1)} * 0.1"]


def indented(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def arguments(seed: int) -> tuple[Any, ...]:
    rng, dtype = np.random.default_rng(seed), np.float32 if seed % 10 == 9 else np.float64
    return rng.normal(size=(LANES, 4)).astype(dtype), rng.normal(size=4).astype(dtype), 0.3, 1 + seed % 6


# ---- the lanes of a program of the general generator
def lanes_of(args: Sequence[Any], seed: int) -> tuple[tuple[Any, ...], tuple[int | None, ...]]:
    """Arguments a little apart in each lane; every third int and array is shared."""
    rng = np.random.default_rng(seed)
    given, axes = [], []
    for a in args:
        varies = is_float(a) or (isinstance(a, int) and not isinstance(a, bool))
        if not varies or rng.integers(3) == 0:
            given.append(a)
            axes.append(None)
        elif is_float(a):
            moved = np.asarray(a) + rng.normal(size=(LANES, *np.shape(a))) * rng.choice([0.01, 0.3])
            given.append(moved.astype(np.asarray(a).dtype))
            axes.append(0)
        else:
            given.append(a + rng.integers(0, 3, size=LANES))
            axes.append(0)
    if not any(a == 0 for a in axes):
        given[0], axes[0] = np.stack([np.asarray(given[0])] * LANES), 0
    return tuple(given), tuple(axes)


# ---- the check
def check(seed: int) -> Counter[str] | str:
    """How many properties say something, and what was refused; else what is wrong."""
    counts: Counter[str] = Counter()
    try:
        f, args, axes = case(seed)
        for name, prop in PROPERTIES.items():
            counts[f"{name}: {prop(f, args, axes)}"] += 1
    except REFUSALS as e:
        counts[f"refused: {type(e).__name__} {str(e)[-60:]}"] += 1
    except (ZeroDivisionError, ValueError, OverflowError, IndexError, UnboundLocalError):
        counts["discarded"] += 1  # also in plain Python
    except AssertionError as e:
        return str(e)
    except Exception:
        return traceback.format_exc()
    return counts


def case(seed: int) -> tuple[Function, tuple[Any, ...], tuple[int | None, ...]]:
    module = load(text(seed))
    if seed % 2:
        return module.f, arguments(seed), (0, None, None, None)
    args, axes = lanes_of(module.ARGS, seed)
    return module.f, args, axes


def text(seed: int) -> str:
    return Uniform(seeded(seed)).text() if seed % 2 else program(seeded(seed), seed % 10 == 9, False)


def lane_by_lane(f: Function, args: Sequence[Any], axes: Sequence[int | None]) -> list[Any]:
    return [f(*copies([a if axis is None else a[i] for a, axis in zip(args, axes, strict=True)])) for i in range(LANES)]


def floats(args: Sequence[Any]) -> tuple[int, ...]:
    return tuple(i for i, a in enumerate(args) if is_float(a))


def same(got: Any, wanted: Sequence[Any], args: Sequence[Any], what: str, rtol: float = 1e-9) -> str:
    """The results of each lane are close, by the largest of them."""
    right = np.array([flat(w if isinstance(w, tuple) else (w,)) for w in wanted])
    parts = got if isinstance(got, tuple) else (got,)
    found = np.concatenate([np.reshape(np.asarray(p, float), (len(right), -1)) for p in parts], axis=1)
    if not np.all(np.isfinite(right)) or np.any(np.abs(right) > LARGE):
        return "discarded"
    single = any(np.asarray(a).dtype == np.float32 for a in args)
    off = np.abs(found - right) > (2e-3 if single else rtol) * np.maximum(1.0, np.max(np.abs(right)))
    assert not np.any(off), f"{what}: lane {int(np.argwhere(off)[0][0])} is {found[off][:3].tolist()}, not {right[off][:3].tolist()}"
    return "ok"


def value(f: Function, args: Any, axes: Any) -> str:
    wanted = lane_by_lane(lj.jit(f), args, axes)
    moved = tuple(a * (1 + 1e-15) if is_float(a) else a for a in args)
    if np.max(np.abs(np.array(lane_by_lane(lj.jit(f), moved, axes)) - np.array(wanted))) > 1e-11:
        raise OverflowError("sensitive")
    mapped = lj.jit(lj.vmap(f, in_axes=axes))
    found = same(mapped(*copies(args)), wanted, args, "the value")
    few = tuple(a if axis is None else a[:17] for a, axis in zip(args, axes, strict=True))
    specialisation, leaves = mapped._dispatcher.lookup(copies(few), {})
    return found if found != "ok" else same(specialisation.interpret(leaves), wanted[:17], args, "the interpreted value")


def gradient(f: Function, args: Any, axes: Any) -> str:
    nums = floats(args)
    one = lj.jit(lj.grad(f, nums))
    wanted = lane_by_lane(one, args, axes)
    return same(lj.jit(lj.vmap(lj.grad(f, nums), in_axes=axes))(*copies(args)), wanted, args, "the gradient of lanes", 1e-7)


def gradient_of_all(f: Function, args: Any, axes: Any) -> str:
    nums = floats(args)
    wanted = lane_by_lane(lj.jit(lj.grad(f, nums)), args, axes)
    found = lj.jit(lj.grad(lambda *args: np.sum(lj.vmap(f, in_axes=axes)(*args)), nums))(*copies(args))
    for k, i in enumerate(nums):
        column = [w[k] for w in wanted]
        each, right = (found[k], column) if axes[i] == 0 else (np.asarray(found[k])[None], [np.sum(np.stack(column), axis=0)])
        if same(each, right, args, f"the gradient of all in argument {i}", 1e-7) != "ok":
            return "discarded"
    return "ok"


def order_two(f: Function, args: Any, axes: Any) -> str:
    nums = floats(args)

    def curve(*args: Any) -> Any:
        def of(*moved: Any) -> Any:
            full = list(args)
            for i, x in zip(nums, moved, strict=True):
                full[i] = x
            return f(*full)

        point = tuple(args[i] for i in nums)
        return lj.jvp(lj.grad(of, tuple(range(len(nums)))), point, tuple(x * 0.5 for x in point))[1]

    return same(lj.jit(lj.vmap(curve, in_axes=axes))(*copies(args)), lane_by_lane(lj.jit(curve), args, axes), args, "hvp of lanes", 1e-6)


PROPERTIES = {"value": value, "gradient": gradient, "gradient of all": gradient_of_all, "order two": order_two}

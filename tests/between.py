"""What two forms of one graph, before and after a pass, have to agree in: results, written arrays and errors on the interpreter."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from lantern_jit.backends.python import interpreter
from lantern_jit.backends.python.interpreter import Primal, Ref
from lantern_jit.ir.core.dims import Applied, Symbol
from lantern_jit.ir.core.errors import LanternError, StackOverflowError
from lantern_jit.ir.core.graph import Block, Function, Let, Program, Return, Var
from lantern_jit.ir.core.machine import number
from lantern_jit.ir.core.text import show
from lantern_jit.ir.core.types import BOOL, F32, F64, NUMPY_DTYPES, Array, Type, carries_gradient, wide, width
from lantern_jit.ir.diff.close import closed
from lantern_jit.ir.passes.forbid import READ_ONLY

from .sized import Numbers

SIZE = 3  # of arrays, and what an int named %n is


class _Same(Numbers):
    """Each symbol is SIZE."""

    def factor(self, f: Symbol | Applied) -> int | None:
        return SIZE if isinstance(f, Symbol) else super().factor(f)


def arguments(program: Program, rng: random.Random) -> list[Any]:
    """Random arguments of the entry, but for the captured arrays. Each symbol in the size of an array is SIZE."""
    params = program.functions[program.entry].params
    return [_random(p.type, p.name, rng) for p in params[: len(params) - len(program.constants)]]


def _random(t: Type, name: str, rng: random.Random) -> Any:
    if isinstance(t, Array):
        shape = [SIZE if isinstance(n, str) else _Same().value(n) or 0 for n in t.dims]
        return np.reshape([_random(t.dtype, "", rng) for _ in range(int(np.prod(shape)))], shape).astype(NUMPY_DTYPES[t.dtype])
    if t == BOOL:
        return rng.random() < 0.5
    if t in (F64, F32):
        return NUMPY_DTYPES[t].type(rng.choice([0.0, -0.0, 1.0, 2.0, -1.0, rng.uniform(-3, 3), rng.uniform(-3, 3)]))
    return np.int64(SIZE if name.startswith("n") else rng.randrange(SIZE))


def outcome(program: Program, args: Sequence[Any], most: float = math.inf) -> tuple[Any, ...] | None:
    """(results, arguments afterwards), or (the error, None): where a call is sure to fail, it may do so earlier. What is to become
    of the entry's arguments is so from the start: NumPy sees to it that none of the read-only ones is written. None: nothing is known after so many operations, too deep
    a recursion, or of a reverse pass through `pushforward`."""
    given = copy.deepcopy(list(args))
    for i in program.read_only:
        given[i].flags.writeable = False
    with forward_mode():
        try:
            results = interpreter.run(program, given, most)[0]
        except (interpreter.Exhausted, StackOverflowError):
            return None
        except (LanternError, ValueError) as e:
            if READ_ONLY in str(e) or (type(e) is LanternError and READ_ONLY in show(program)):  # the text has no exceptions of NumPy's
                return READ_ONLY, None
            if not isinstance(e, LanternError):
                raise
            return type(e), None
        except AttributeError as e:
            if "pushforward" not in str(e):
                raise
            return None
    return results, list(args) if program.keeps else given


@contextmanager
def forward_mode() -> Iterator[None]:
    """The interpreter also runs `pushforward`, which it never meets otherwise: by reverse mode, element by element."""
    compute: Callable[..., Any] = Primal.compute
    Primal.compute = lambda self, let, xs: pushforward(self, let, xs) if let.op == "pushforward" else compute(self, let, xs)  # type: ignore[method-assign]
    try:
        yield
    finally:
        Primal.compute = compute  # type: ignore[method-assign]


def pushforward(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    functions, name = primal.program.functions, let.attrs["f"]
    own = len(xs) - let.attrs["cotangents"]
    args, tangents = xs[:own], [value_of(t) for t in xs[own:]]
    results, types = primal.call(name, copy.deepcopy(args)), functions[name].results

    def along(r: int, cotangent: Any) -> Any:
        params = [Var(f"p{i}", t) for i, t in enumerate([*(p.type for p in functions[name].params), types[r]])]
        outs = tuple(Var(f"o{i}", t) for i, t in enumerate([*types, *(functions[name].params[i].type for i in let.attrs["wrt"])]))
        pull = Let(outs, "pullback", tuple(params), {**let.attrs, "ct": (r,), "cotangents": 1})
        f = Function(
            "along", params, {"entry": Block("entry", [], [pull], Return(outs[len(types) :]))}, tuple(o.type for o in outs[len(types) :])
        )
        program = closed(replace(primal.program, functions={"along": f, **functions}, entry="along"))
        adjoints = Primal(program).call("along", [*copy.deepcopy(args), cotangent])
        return sum(np.tensordot(value_of(a), t, np.ndim(value_of(a))) for a, t in zip(adjoints, tangents, strict=True))  # in each lane

    found: list[Any] = []
    for r, (y, t) in enumerate(zip(results, types, strict=True)):
        if isinstance(t, Array) and carries_gradient(t):
            units = np.eye(y.value.size, dtype=y.value.dtype).reshape(-1, *y.value.shape)
            moved = np.array([along(r, Ref(u)) for u in units], y.value.dtype)
            found.append(Ref(moved.reshape(*y.value.shape, *moved.shape[1:])))
        elif carries_gradient(t):
            found.append(number(along(r, NUMPY_DTYPES[t].type(1.0)), wide(t, width(let.args[-1].type))))  # type: ignore[index]
    return [*results, *found]


def value_of(x: Any) -> Any:
    return x.value if isinstance(x, Ref) else x


def same(a: Any, b: Any, rtol: float = 0.0) -> bool:
    """The same tree of numbers: to the bit, or with this error where all is finite."""
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(same(x, y, rtol) for x, y in zip(a, b, strict=True))
    if isinstance(a, (type, str)) or a is None or isinstance(a, np.random.Generator):
        return bool(a == b) or isinstance(a, np.random.Generator)
    x, y = np.asarray(a), np.asarray(b)
    if x.dtype != y.dtype or x.shape != y.shape:
        return False
    if x.dtype.kind != "f":
        return np.array_equal(x, y)
    if rtol:
        return bool(np.all(np.isclose(x, y, rtol, rtol) | ~np.isfinite(x) | ~np.isfinite(y)))
    known = ~np.isnan(x)
    return np.array_equal(x, y, equal_nan=True) and np.array_equal(np.signbit(x)[known], np.signbit(y)[known])

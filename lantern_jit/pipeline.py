"""The six stages, one straight line: trace, transform, cps, emit, compile, call.

A `Specialisation` is one function for one signature of argument types. Each stage's result is kept as text for
`inspect`; LANTERN_DUMP=graph,cps,llvm prints them as they are made, LANTERN_VERIFY=1 checks every graph.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .ir import pytree
from .ir.simplify import simplify
from .ir.text import show
from .ir.trace import Abstract, Traceable, abstract, trace_program
from .ir.types import BOOL, F32, F64, I64, NUMPY_DTYPES, Array
from .ir.verify import verify


@dataclass(frozen=True)
class Options:
    """How to compile: `checkpoint` overrides the loop policy, see `jit`."""

    checkpoint: Any = None


@dataclass(frozen=True)
class Inspection:
    """Each stage of one specialisation as text."""

    graph: str
    cps: str
    llvm: str
    llvm_optimized: str
    asm: str
    policies: dict[str, str]
    timings: dict[str, float]


class Specialisation:
    """A traced and simplified program; compiled when first called natively."""

    def __init__(self, f: Callable[..., Any], signature: Sequence[Abstract], rebuild: Any, name: str, options: Options) -> None:
        self.options, self.name = options, name
        traced: Traceable = trace_program(f, signature, rebuild, name)
        self.traced, self.program = traced, traced.program
        self._check()
        simplify(self.program)
        self._check()
        dump("graph", lambda: show(self.program))
        self.types = [a.type for a in signature]
        single = len(traced.results) == 1 and traced.results[0] is not None and pytree.unflatten(traced.tree, [single_leaf]) is single_leaf
        self._single = CONVERTERS.get(traced.results[0], _identity) if single else None
        self._native: Any = None
        self._lock = threading.Lock()

    def _check(self) -> None:
        if os.environ.get("LANTERN_VERIFY"):
            verify(self.program)

    @property
    def native(self) -> Any:
        """The compiled program."""
        if self._native is None:
            with self._lock:
                if self._native is None:
                    from .backends.llvm.native import compile_program

                    self._native = compile_program(self.program, self.options.checkpoint)
                    dump("cps", lambda: self._native.cps)
                    dump("llvm", lambda: self._native.llvm)
        return self._native

    def result(self, values: Sequence[Any]) -> Any:
        """The user's result from the program's result values."""
        if self._single is not None:
            return self._single(values[0])
        it = iter(values)
        leaves = [python_value(next(it), t) if t is not None else s for t, s in zip(self.traced.results, self.traced.static, strict=True)]
        return pytree.unflatten(self.traced.tree, leaves)

    def interpret(self, leaves: Sequence[Any]) -> Any:
        from .backends.python.interpreter import run

        return self.result(run(self.program, [machine_value(x, t) for x, t in zip(leaves, self.types, strict=True)]))

    def run(self, leaves: Sequence[Any]) -> Any:
        return self.result(self.native.call(leaves))


def machine_value(x: Any, t: Any) -> Any:
    """An argument leaf as the interpreter takes it."""
    if isinstance(t, Array):
        return np.ascontiguousarray(x, NUMPY_DTYPES[t.dtype])
    return bool(x) if t == BOOL else NUMPY_DTYPES[t].type(x)


def python_value(x: Any, t: Any) -> Any:
    """A result: Python scalars for f64, i64 and bool, np.float32 for f32, arrays as they are."""
    return x if isinstance(t, Array) else CONVERTERS[t](x)


CONVERTERS: dict[Any, Callable[[Any], Any]] = {F64: float, I64: int, BOOL: bool, F32: np.float32}
single_leaf = object()


def _identity(x: Any) -> Any:
    return x


class Dispatcher:
    """Specialisations of one function by argument types."""

    def __init__(self, f: Callable[..., Any], name: str, static: tuple[int, ...] = (), options: Options | None = None) -> None:
        self.f, self.name, self.static = f, name, static
        self.options = options or Options()
        self.made: dict[Any, Specialisation] = {}

    def lookup(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Specialisation, list[Any]]:
        """The specialisation for these arguments, and their leaves."""
        if not kwargs and not self.static:
            try:
                quick = self.made.get(tuple([_QUICK[type(x)](x) for x in args]))
            except KeyError:
                quick = None
            if quick is not None:
                return quick, args  # type: ignore[return-value]
        fixed = {i % len(args): args[i] for i in self.static if -len(args) <= i < len(args)}
        dynamic = tuple(None if i in fixed else a for i, a in enumerate(args))
        leaves, tree = pytree.flatten((dynamic, kwargs))
        try:
            key = (
                tree,
                tuple(_leaf_key(x) for x in leaves),
                tuple((i, type(v), repr(v) if isinstance(v, float) else v) for i, v in fixed.items()),
            )
            found = self.made.get(key)
        except TypeError:
            raise TypeError(f"a static argument of `{self.name}` cannot be hashed: {list(fixed.values())!r}") from None
        values = [x for x in leaves if x is not None]
        if found is None:
            found = self.made[key] = self._specialise(leaves, tree, fixed, args, kwargs)
            if not kwargs and not self.static and all(type(x) in _QUICK for x in args):
                self.made[tuple([_QUICK[type(x)](x) for x in args])] = found
        return found, values

    def _specialise(self, leaves: list[Any], tree: Any, fixed: dict[int, Any], args: Any, kwargs: Any) -> Specialisation:
        fixed_out = tuple(None if i in fixed else a for i, a in enumerate(args))
        where = pytree.argument_names(fixed_out, kwargs)
        signature = [abstract(x, f"argument {w} of `{self.name}`") for x, w in zip(leaves, where, strict=True) if x is not None]

        def rebuild(inside: list[Any]) -> tuple[Any, Any]:
            it = iter(inside)
            new_args, new_kwargs = pytree.unflatten(tree, [None if x is None else next(it) for x in leaves])
            return tuple(fixed.get(i, a) for i, a in enumerate(new_args)), new_kwargs

        return Specialisation(self.f, signature, rebuild, self.name, self.options)


def _leaf_key(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return x.dtype, x.ndim
    return type(x)


_QUICK: dict[type, Callable[[Any], Any]] = {
    float: lambda x: float,
    int: lambda x: int,
    bool: lambda x: bool,
    np.ndarray: lambda x: (x.dtype.char, x.ndim),
}  # arguments that are their own only leaf


def dump(stage: str, text: Callable[[], str]) -> None:
    """Print a stage to stderr when LANTERN_DUMP names it."""
    if stage in os.environ.get("LANTERN_DUMP", "").split(","):
        print(text(), file=sys.stderr)

"""The six stages, one straight line: trace, transform, cps, emit, compile, call.

A `Specialisation` is one function for one signature of argument types. Each stage's result is kept as text for
`inspect`; LANTERN_DUMP=graph,cps,llvm prints them as they are made, LANTERN_VERIFY=1 checks every graph.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .backends.llvm.lock import COMPILING
from .backends.llvm.platforms import NATIVE, require_native
from .backends.python import interpreter
from .ir import pytree
from .ir.errors import BroadcastError
from .ir.fuse import fuse
from .ir.guards import guard
from .ir.jvp import expand_all, has_pushforwards
from .ir.reads import hold
from .ir.simplify import simplify
from .ir.text import show
from .ir.trace import Abstract, Traceable, abstract, trace_program
from .ir.types import BOOL, F32, F64, I64, NUMPY_DTYPES, Array, widened
from .ir.verify import verify
from .progress import Progress


@dataclass(frozen=True)
class Options:
    """How to compile and call, see `jit`: `checkpoint` overrides the loop policy, `nogil` the lock's."""

    checkpoint: Any = None
    nogil: bool | None = None


@dataclass(frozen=True)
class Memory:
    """Bytes that one call has touched, in whole pages: of its native stack, and of arrays in it. Results are not counted."""

    stack: int
    arrays: int


@dataclass
class Inspection:
    """Each stage of one specialisation as text. `memory` runs it once more, and measures."""

    graph: str
    cps: str
    llvm: str
    llvm_optimized: str
    asm: str
    policies: dict[str, str]
    timings: dict[str, float]
    measure: Callable[[], Memory]

    @functools.cached_property
    def memory(self) -> Memory:
        """The peak memory of one call. Other threads should rest meanwhile."""
        return self.measure()


class Specialisation:
    """A traced and simplified program; compiled when first called natively."""

    def __init__(self, f: Callable[..., Any], signature: Sequence[Abstract], rebuild: Any, name: str, options: Options) -> None:
        self.options, self.name = options, name
        self.types, self.weak = [a.type for a in signature], [a.weak for a in signature]
        self._trace: Callable[[bool], Traceable] = lambda optimistic: trace_program(f, signature, rebuild, name, optimistic)
        self.optimistic = True
        self.progress = Progress(name)
        self._make()

    def _make(self) -> None:
        with self.progress.stage("tracing"):
            traced: Traceable = self._trace(self.optimistic)
        self.traced, self.program = traced, traced.program
        self._check()
        clean, join = ("simplification", simplify), ("fusion", fuse)
        self._run(clean, join, clean, ("guarding", guard))
        if has_pushforwards(self.program):  # of optimised functions, so that forward mode is fused and guarded as they are
            self._run(("differentiation", expand_all), clean, join, clean)
        dump("graph", lambda: show(self.program))
        self._native: Any = None

    def _run(self, *passes: tuple[str, Callable[[Any], None]]) -> None:
        for name, one in passes:
            with self.progress.stage(name):
                one(self.program)
            self._check()

    def holds(self) -> bool:
        """Is all that the trace has read outside still so?"""
        return hold(self.traced.reads)

    def generalise(self) -> None:
        """Trace again without taking unknown sizes for equal: one that turns out to be 1 broadcasts."""
        with COMPILING:
            if self.optimistic:
                self.optimistic = False
                self._make()

    def _check(self) -> None:
        if os.environ.get("LANTERN_VERIFY"):
            verify(self.program)

    @property
    def native(self) -> Any:
        """The compiled program."""
        if self._native is not None and self._native.stale:
            self.generalise()
        if self._native is None:
            with COMPILING:
                require_native()
                if self._native is None:
                    from .backends.llvm.native import Native

                    with self.progress.stage("code generation"):
                        self._native = Native(
                            self.program, self.options.checkpoint, self.weak, self.shape(), self.finish, self.options.nogil
                        )
                    self._native.replacement = lambda: self.native
                    dump("cps", lambda: self._native.cps)
                    dump("llvm", lambda: self._native.llvm)
        return self._native

    def result(self, values: Sequence[Any]) -> Any:
        """The user's result from the program's result values."""
        it = iter(values)
        leaves = [python_value(next(it), t) if t is not None else s for t, s in zip(self.traced.results, self.traced.static, strict=True)]
        return self.finish(tuple(leaves))

    def finish(self, leaves: tuple[Any, ...]) -> Any:
        """The user's result from all of its leaves."""
        return pytree.unflatten(self.traced.tree, leaves)

    def shape(self) -> Any:
        """How compiled code is to put the result together."""
        from .backends.llvm.python_call import Shape

        numbers = itertools.count()
        fixed: list[Any] = []

        def keep(x: Any) -> int:
            fixed.append(x)
            return len(fixed) - 1

        places = [
            next(numbers) if t is not None else ("static", keep(s)) for t, s in zip(self.traced.results, self.traced.static, strict=True)
        ]

        def node(x: Any) -> Any:
            if isinstance(x, _Place):
                return places[x.index]
            kind = _BUILT_NATIVELY[type(x)]
            children = tuple(map(node, x.values() if kind == "Dict" else x))
            return (kind, children, tuple(map(keep, x))) if kind == "Dict" else (kind, children)

        try:
            whole = node(self.finish(tuple(map(_Place, range(len(places))))))
        except KeyError:
            whole = "leaves"
        return Shape(whole, tuple(places), tuple(fixed))

    def interpret(self, leaves: Sequence[Any]) -> Any:
        try:
            return self.result(interpreter.run(self.program, [machine_value(x, t) for x, t in zip(leaves, self.types, strict=True)]))
        except BroadcastError as e:
            if not self.optimistic or 1 not in e.sizes:
                raise
        self.generalise()
        return self.interpret(leaves)

    def run(self, leaves: Sequence[Any]) -> Any:
        return self.native.entry(*leaves) if NATIVE else self.interpret(leaves)

    # ---- for callers in C
    @property
    def ctypes(self) -> Any:
        """A ctypes function, also for scipy.LowLevelCallable and Numba: scalars by value, an array as a pointer and its
        sizes. One scalar result is returned, NaN (0 for integers) after an error; other results go to buffers, which come
        after the arguments, and a status is returned. Called from Python it raises the error. `prototype` says it in C."""
        return self._c_function().ctypes

    @property
    def address(self) -> int:
        """The address of that C function. It is valid as long as this object lives."""
        return int(self._c_function().address)

    @property
    def prototype(self) -> str:
        """The C declaration of that function, as `f`."""
        return str(self._c_function().prototype)

    def for_c(self) -> Any:
        """The native program for callers that cannot ask for another one."""
        if any(let.op == "same_size" for f in self.program.functions.values() for b in f.blocks.values() for let in b.lets):
            self.generalise()
        return self.native

    def _c_function(self) -> Any:
        with COMPILING:
            return self.for_c().c_function


@dataclass(frozen=True)
class _Place:
    """Stands for a leaf while the structure around it is looked at."""

    index: int


_BUILT_NATIVELY: dict[type, str] = {tuple: "Tuple", list: "List", dict: "Dict"}


def machine_value(x: Any, t: Any) -> Any:
    """An argument leaf as the interpreter takes it."""
    if isinstance(t, Array):
        return np.ascontiguousarray(x, NUMPY_DTYPES[t.dtype])
    return bool(x) if t == BOOL else NUMPY_DTYPES[t].type(x)


def python_value(x: Any, t: Any) -> Any:
    """A result: Python scalars for f64, i64 and bool, np.float32 for f32, arrays as they are."""
    return x if isinstance(t, Array) else CONVERTERS[t](x)


CONVERTERS: dict[Any, Callable[[Any], Any]] = {F64: float, I64: int, BOOL: bool, F32: np.float32}


class Dispatcher:
    """Specialisations of one function by argument types."""

    def __init__(self, f: Callable[..., Any], name: str, static: tuple[int, ...] = (), options: Options | None = None) -> None:
        self.f, self.name, self.static = f, name, static
        self.options = options or Options()
        self.made: dict[Any, Specialisation] = {}

    def only(self) -> Specialisation:
        """The one specialisation that there is. If there is none yet, all parameters are taken for floats."""
        found = list({id(s): s for s in self.made.values()}.values())
        if len(found) > 1:
            raise TypeError(f"`{self.name}` is compiled for {len(found)} signatures: choose one with .lower(*args)")
        if found:
            return found[0]
        try:
            parameters = inspect.signature(self.f).parameters.values()
        except (TypeError, ValueError):
            raise TypeError(f"the parameters of `{self.name}` are not known: choose types with .lower(*args)") from None
        needed = [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        return self.lookup(tuple(0.5 for _ in needed), {})[0]

    def lookup(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Specialisation, list[Any]]:
        """The specialisation for these arguments, and their leaves."""
        fixed = {i % len(args): args[i] for i in self.static if -len(args) <= i < len(args)}
        dynamic = tuple(None if i in fixed else a for i, a in enumerate(args))
        leaves, tree = pytree.flatten_in_order((dynamic, kwargs))
        try:
            key = (
                tree,
                tuple(_leaf_key(x) for x in leaves),
                tuple((i, _static_key(v)) for i, v in fixed.items()),
            )
            found = self._current(key)
        except TypeError:
            raise TypeError(f"a static argument of `{self.name}` cannot be hashed: {list(fixed.values())!r}") from None
        values = [x for x in leaves if x is not None]
        if found is None:
            with COMPILING:
                found = self._current(key)
                if found is None:
                    found = self.made[key] = self._specialise(leaves, tree, fixed, args, kwargs)
        return found, values

    def _current(self, key: Any) -> Specialisation | None:
        found = self.made.get(key)
        return found if found is not None and found.holds() else None

    def _specialise(self, leaves: list[Any], tree: Any, fixed: dict[int, Any], args: Any, kwargs: Any) -> Specialisation:
        fixed_out = tuple(None if i in fixed else a for i, a in enumerate(args))
        where = pytree.argument_names(fixed_out, kwargs)
        signature = [abstract(x, f"argument {w} of `{self.name}`") for x, w in zip(leaves, where, strict=True) if x is not None]

        def rebuild(inside: list[Any]) -> tuple[Any, Any]:
            it = iter(inside)
            new_args, new_kwargs = pytree.unflatten(tree, [None if x is None else next(it) for x in leaves])
            return tuple(fixed.get(i, a) for i, a in enumerate(new_args)), new_kwargs

        return Specialisation(self.f, signature, rebuild, self.name, self.options)


def _static_key(v: Any) -> Any:
    """A static argument as a key: 1, 1.0 and True are equal but not the same, also inside of tuples."""
    if isinstance(v, (float, complex)):
        return type(v), repr(v)
    if isinstance(v, tuple):
        return type(v), tuple(map(_static_key, v))
    if isinstance(v, frozenset):
        return type(v), frozenset(map(_static_key, v))
    return type(v), v


def _leaf_key(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return widened(x.dtype) or x.dtype, x.ndim, type(x)
    return type(x)


def dump(stage: str, text: Callable[[], str]) -> None:
    """Print a stage to stderr when LANTERN_DUMP names it."""
    if stage in os.environ.get("LANTERN_DUMP", "").split(","):
        print(text(), file=sys.stderr)

"""The six stages, one straight line: trace, transform, cps, emit, compile, call.

A `Specialisation` is one function for one signature of argument types. Each stage's result is kept as text for
`inspect`; LANTERN_DUMP=graph,cps,llvm prints them as they are made, LANTERN_VERIFY=1 checks every graph.
"""

from __future__ import annotations

import copy
import functools
import inspect
import itertools
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .backends.arguments import Written, of_case, writable, written_back
from .backends.llvm.build.lock import COMPILING
from .backends.llvm.build.platforms import TARGET, native_target
from .backends.python import interpreter
from .ir.core.errors import ArgumentTypeError, BroadcastError, UnsupportedOperationError
from .ir.core.graph import Program
from .ir.core.text import show
from .ir.core.types import BOOL, F32, F64, FROM_NUMPY, I64, NUMPY_DTYPES, Array, describe, is_generator
from .ir.core.verify import verify
from .ir.diff.jvp import expand_all, has_pushforwards
from .ir.passes.fuse import fuse
from .ir.passes.guards import guard
from .ir.passes.protect import USUAL, Case, written_arguments
from .ir.passes.simplify import simplify
from .ir.python.host import has_effects
from .ir.python.random import wrapped
from .ir.trace import statics
from .ir.trace.containers import Changed
from .ir.trace.program import Abstract, Traceable, abstract, trace_program
from .ir.values import pytree
from .ir.values.concrete import UNDECIDED, Need, Numbers, at_hand
from .ir.values.reads import hold
from .progress import LOGGER, Progress
from .specialisations import Row, Table

ALLOWANCE: float = 10_000  # operations that transforms without jit interpret before they are compiled; math.inf: they never are
OPERATIONS_OF_A_CALL = 100  # that the interpreter could do in the time which a call takes apart from them


@dataclass(frozen=True)
class Options:
    """How to compile and call, see `jit`: `checkpoint` overrides the loop policy, `nogil` the lock's; `in_place`: write into the
    caller's arrays where the function does, as a transform never may."""

    checkpoint: Any = None
    nogil: bool | None = None
    in_place: bool = False


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
    """A traced and simplified program; compiled when first called natively. `numbers` are the sizes and arguments that it is
    for: those that Python has asked for while it was traced. `why` says where."""

    def __init__(
        self,
        f: Callable[..., Any],
        signature: Sequence[Abstract],
        rebuild: Any,
        name: str,
        options: Options,
        leaves: Sequence[Any] | None = None,
        where: Sequence[str] = (),
        case: Case = USUAL,
    ) -> None:
        """`leaves`: the arguments of the call at hand, if there is one; `where` are their names, `case` what is particular about them."""
        self.options, self.name, self.where = options, name, where
        self.types, self.weak = [a.type for a in signature], [a.weak for a in signature]
        self.is_exact = all(a.given is None for a in signature)  # no argument is of a type that the native entry does not tell from another
        self.constants: dict[str, str] = {}  # static arguments in words, by name
        self.numbers: dict[Need, Any] = {}
        self.why: dict[Need, Any] = {}
        self._cases: dict[Case, Family] = {}
        self._again: Callable[[Case, Sequence[Any]], Specialisation] = lambda case, leaves: Specialisation(
            f, [*signature, *[Abstract(I64, True)] * case.numbers], rebuild, name, options, leaves, [*where, *case.names(where)], case
        )
        self._trace: Callable[[Numbers | None], Traceable] = lambda numbers: trace_program(
            f, signature, rebuild, name, self.optimistic, numbers, options.in_place, case
        )
        self.optimistic = True
        self.progress = Progress(name)
        self.interpreted = 0  # calls
        self._make(None if leaves is None else Numbers(self.at_hand(leaves)))

    def at_hand(self, leaves: Sequence[Any]) -> list[Any]:
        """The numbers of these arguments."""
        return list(map(at_hand, leaves, self.types, self.weak))

    def _make(self, numbers: Numbers | None) -> None:
        with self.progress.stage("tracing"):
            traced = self._traced(numbers)
            if self.optimistic and checks_sizes(traced.program) and happens_once(traced.program):
                self.optimistic = False  # a call that has written or printed cannot start again in another form
                traced = self._traced(numbers)
        self.traced, self.program = traced, traced.program
        self.left: float = ALLOWANCE
        self._check()
        clean, join = ("simplification", simplify), ("fusion", fuse)
        self._run(clean, join, clean, ("guarding", guard))
        if has_pushforwards(self.program):  # of optimised functions, so that forward mode is fused and guarded as they are
            self._run(("differentiation", expand_all), clean, join, clean)
        self.written = Written(self.name, tuple(written_arguments(self.program)), self.where, self.program.constants)
        dump("graph", lambda: show(self.program))
        self._native: Any = None

    def _traced(self, numbers: Numbers | None) -> Traceable:
        """Trace, again and again until Python asks for no number that is not yet fixed."""
        while True:
            try:
                traced = self._trace(numbers)
            except UNDECIDED as e:
                if numbers is None or not numbers.is_asking:
                    raise (numbers and numbers.undecided) or e  # noqa: B904  # as it was without numbers that have not helped
            except Exception:
                if numbers is None or not numbers.is_asking:
                    raise
            else:
                if numbers is None or not numbers.is_asking:
                    return traced
            asked = numbers.fix()
            self.numbers.update({need: numbers.fixed[need] for need in asked})
            self.why.update(asked)
            LOGGER.debug(
                "`%s` is traced again: %s",
                self.name,
                "; ".join(f"Python needs {self.spell(n)} = {self.numbers[n]} at {asked[n]}" for n in asked),
            )

    def spell(self, need: Need) -> str:
        """A number that Python has asked for, as `x.shape[0]`."""
        name = self.where[need.leaf]
        return name if need.axis is None else f"{name}.shape[{need.axis}]"

    def row(self) -> Row:
        """This in the table of its function."""
        arguments = {name: describe(t) for name, t in zip(self.where, self.types, strict=True)} | self.constants
        calls = self.interpreted + (self._native.calls if self._native is not None else 0)
        return Row(arguments, {self.spell(need): n for need, n in self.numbers.items()}, self.progress.spent, calls)

    def _run(self, *passes: tuple[str, Callable[[Any], None]]) -> None:
        for name, one in passes:
            with self.progress.stage(name):
                one(self.program)
            self._check()

    def holds(self) -> bool:
        """Is all that the trace has read outside still so?"""
        return hold(self.traced.reads)

    def again(self) -> Specialisation:
        """The same for what there is outside now."""
        new = copy.copy(self)
        new.numbers, new.interpreted = dict(self.numbers), 0
        new._make(self._known_numbers())
        return new

    def release(self) -> Any:
        """What it has read need stay alive no longer. Its machine code, if there is any."""
        self.traced.reads = []
        return self._native

    def generalise(self) -> None:
        """Trace again without taking unknown sizes for equal: one that turns out to be 1 broadcasts."""
        with COMPILING:
            if self.optimistic:
                self.optimistic = False
                self._make(self._known_numbers())

    def _known_numbers(self) -> Numbers:
        """Those that it is for, and no others: sizes that have to agree with them are among them (sizes.py)."""
        numbers = Numbers()
        numbers.fixed = self.numbers
        return numbers

    def other(self, case: Case, leaves: Sequence[Any]) -> Specialisation:
        """The same function for a case of these arguments; `leaves` are those that its program takes."""
        with COMPILING:
            family = self._cases.setdefault(case, Family())
            found = family.find(leaves)
            if found is None:
                found = self._again(case, leaves)
                family.add(found)
            return found

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
                native_target()
                if self._native is None:
                    from .backends.llvm.call.native import Native

                    with self.progress.stage("code generation"):
                        self._native = Native(
                            self.program,
                            self.options.checkpoint,
                            self.weak,
                            self.shape(),
                            self.finish,
                            self.options.nogil,
                            self.written,
                            self.numbers,
                        )
                    self._native.replacement = lambda: self.native
                    self._native.other = lambda case, leaves: self.other(case, leaves).native.entry(*leaves)
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
        found = pytree.unflatten(self.traced.tree, leaves)
        return Changed(found[0], found[1], self.traced.puts, self.name) if self.traced.puts else found

    def shape(self) -> Any:
        """How compiled code is to put the result together."""
        from .backends.llvm.call.python_call import Shape

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

    def interpret(self, leaves: Sequence[Any], allowance: float = math.inf) -> Any:
        """On the reference interpreter, which raises Exhausted after that many operations."""
        try:
            case = self.written.case(leaves)
            if case is not USUAL:
                given = of_case(case, leaves)
                return self.other(case, given).interpret(given)
            values = [
                writable(machine_value(x, t), i in self.written.leaves) for i, (x, t) in enumerate(zip(leaves, self.types, strict=True))
            ]
            with written_back(leaves, values, self.written):
                results, self.left = interpreter.run(self.program, values, allowance)
                found = self.result(results)
            self.interpreted += 1
            return found
        except BroadcastError as e:
            if not self.optimistic or 1 not in e.sizes:
                raise
        self.generalise()
        return self.interpret(leaves, allowance)

    def evaluate(self, leaves: Sequence[Any]) -> Any:
        """For transforms without jit: interpreted until that has taken about as long as compiling, and compiled from then on,
        so that neither a short call waits for the compiler nor a long one for the interpreter."""
        if TARGET is None or math.inf == ALLOWANCE:
            return self.interpret(leaves)
        if self._native is None and self.left > 0 and not has_effects(self.program, self.program.entry):
            try:
                return self.interpret(leaves, self.left - OPERATIONS_OF_A_CALL)
            except interpreter.Exhausted:  # nothing has happened that anybody can see
                self.left = 0
        return self.native.entry(*leaves)

    def run(self, leaves: Sequence[Any]) -> Any:
        return self.native.entry(*leaves) if TARGET is not None else self.interpret(leaves)

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
        """The native program for callers that cannot ask for another one, and have no containers."""
        if self.traced.puts:
            raise UnsupportedOperationError(
                f"`{self.name}` writes into a list, a dict or an object that is an argument: in C its items are arguments of their own. Return the new value"
            )
        for need, site in self.why.items():
            raise ArgumentTypeError(
                f"`{self.name}` is compiled for {self.spell(need)} = {self.numbers[need]} alone, which Python needs at {site}: a function for C takes every "
                "number, so write a `for` statement that can be staged, or an operation on whole arrays"
            )
        if checks_sizes(self.program):
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


def checks_sizes(program: Program) -> bool:
    """May the program find sizes that it does not broadcast?"""
    return any(let.op == "same_size" for f in program.functions.values() for b in f.blocks.values() for let in b.lets)


def machine_value(x: Any, t: Any) -> Any:
    """An argument leaf as the interpreter takes it."""
    if isinstance(t, Array):
        return np.ascontiguousarray(x, NUMPY_DTYPES[t.dtype])
    if is_generator(x):
        return x
    return bool(x) if t == BOOL else NUMPY_DTYPES[t].type(x)


def python_value(x: Any, t: Any) -> Any:
    """A result: Python scalars for f64, i64 and bool, np.float32 for f32, arrays as they are."""
    return x if isinstance(t, Array) else CONVERTERS[t](x)


CONVERTERS: dict[Any, Callable[[Any], Any]] = {F64: float, I64: int, BOOL: bool, F32: np.float32}


class Family:
    """The specialisations of a function for the same argument types. They differ in numbers that Python needs, and in what
    their traces have read outside: those whose reads hold no longer are kept for a while, for what was may be again."""

    MANY = 8  # so many are said in the log
    VERSIONS = 4  # that differ in what was read

    def __init__(self) -> None:
        self.groups: dict[tuple[Need, ...], dict[tuple[Any, ...], list[Specialisation]]] = {}  # by needs, by their values; newest first
        self.gone: list[Any] = []  # machine code of older ones, whose address somebody may have
        self.of_types: Specialisation | None = None  # one of them: all know the types

    def __len__(self) -> int:
        return sum(map(len, self.groups.values()))

    def __iter__(self) -> Iterator[Specialisation]:
        return (s for group in list(self.groups.values()) for versions in list(group.values()) for s in reversed(versions))

    def find(self, leaves: Sequence[Any]) -> Specialisation | None:
        """The one for the numbers of these arguments. None, or one that asked for no number, is the usual case."""
        if self.of_types is None:
            return None
        here: Any = None
        for needs, group in list(self.groups.items()):
            if needs and here is None:
                here = Numbers(self.of_types.at_hand(leaves))
            for found in list(group.get(tuple(map(here.value, needs)) if needs else (), ())):
                if found.holds():
                    return found
        return None

    def add(self, s: Specialisation) -> None:
        self.of_types = s
        versions = self.groups.setdefault(tuple(s.numbers), {}).setdefault(tuple(s.numbers.values()), [])
        versions.insert(0, s)
        self.gone += [old.release() for old in versions[self.VERSIONS :]]
        del versions[self.VERSIONS :]
        if len(versions) == 1 and len(self) == self.MANY and s.numbers:
            why = "; ".join(f"Python needs {s.spell(n)} at {site}" for n, site in s.why.items())
            LOGGER.warning(
                "`%s` has been compiled for %d values of numbers (%s): each further value compiles again", s.name, self.MANY, why
            )


def happens_once(program: Program) -> bool:
    """Does a call write into its arguments, or have an effect?"""
    return bool(written_arguments(program)) or has_effects(program, program.entry)


class Dispatcher:
    """Specialisations of one function by argument types, and by the numbers that Python needs. `static` are the positions and
    the names of arguments that are compiled in as they are."""

    def __init__(self, f: Callable[..., Any], name: str, static: tuple[int | str, ...] = (), options: Options | None = None) -> None:
        self.f, self.name, self.static = f, name, static
        self.options = options or Options()
        self.made: dict[Any, Family] = {}

    def only(self) -> Specialisation:
        """The one specialisation that there is. If there is none yet, all parameters are taken for floats."""
        families = [f for f in self.made.values() if len(f)]
        found = [s for f in families for s in f if s.holds()] or [s for f in families for s in list(f)[-1:]]
        if len(found) > 1:
            raise TypeError(f"`{self.name}` is compiled for {len(found)} signatures: choose one with .lower(*args)")
        if found and not found[0].holds():
            with COMPILING:
                families[0].add(found[0].again())
            return self.only()
        if found:
            return found[0]
        try:
            parameters = inspect.signature(self.f).parameters.values()
        except (TypeError, ValueError):
            raise TypeError(f"the parameters of `{self.name}` are not known: choose types with .lower(*args)") from None
        needed = [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        return self.lookup(tuple(0.5 for _ in needed), {})[0]

    def all(self) -> list[Specialisation]:
        """Every specialisation, in the order in which their types came up."""
        return [s for family in list(self.made.values()) for s in family]

    def table(self) -> Table:
        """What has been compiled, as `f.specialisations` shows it."""
        return Table([s.row() for s in self.all()])

    def lookup(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Specialisation, list[Any]]:
        """The specialisation for these arguments, and their leaves."""
        fixed: dict[int | str, Any] = {
            (i if isinstance(i, str) else i % len(args)): kwargs[i] if isinstance(i, str) else args[i]
            for i in self.static
            if (i in kwargs if isinstance(i, str) else -len(args) <= i < len(args))
        }
        dynamic = without(fixed, args, kwargs) if fixed else (args, kwargs)
        leaves, tree = pytree.flatten_in_order(dynamic)
        try:
            key = (
                tree,
                tuple(_leaf_key(x) for x in leaves),
                tuple((i, statics.key(v)) for i, v in fixed.items()),
            )
            family = self.made.get(key)
        except TypeError:
            raise TypeError(f"a static argument of `{self.name}` cannot be hashed: {list(fixed.values())!r}") from None
        values = [x for x in leaves if not statics.is_static(x)]
        found = family.find(values) if family is not None else None
        if found is None:
            with COMPILING:
                family = self.made.get(key) or Family()
                found = family.find(values)
                if found is None:
                    self.made = {k: f for k, f in self.made.items() if not statics.is_dead(k[1:])}
                    found = self._specialise(leaves, tree, fixed, dynamic)
                    family.add(found)
                    self.made[key] = family
        return found, values

    def _specialise(self, leaves: list[Any], tree: Any, fixed: dict[int | str, Any], dynamic: Any) -> Specialisation:
        where = pytree.argument_names(*dynamic)
        given = [(x, spelled(w, self.f)) for x, w in zip(leaves, where, strict=True) if not statics.is_static(x)]
        signature = [abstract(x, f"argument `{w}` of `{self.name}`") for x, w in given]
        constant = [statics.holder(x) if statics.is_static(x) else None for x in leaves]
        held = {i: statics.holder(x) for i, x in fixed.items()}

        def rebuild(inside: list[Any]) -> tuple[Any, Any]:
            it = map(wrapped, inside, [x for x, _ in given])
            new_args, new_kwargs = pytree.unflatten(tree, [next(it) if c is None else c() for c in constant])
            args = tuple(held[i]() if i in held else a for i, a in enumerate(new_args))
            return args, {k: held[k]() if k in held else a for k, a in new_kwargs.items()}

        made = Specialisation(self.f, signature, rebuild, self.name, self.options, [x for x, _ in given], [w for _, w in given])
        plain = {w: x for x, w in zip(leaves, where, strict=True) if statics.is_static(x)} | {str(i): x for i, x in fixed.items()}
        made.constants = {spelled(w, self.f): f"{x!r:.40}" for w, x in plain.items()}
        return made


def without(fixed: dict[int | str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with None in the places of those that are compiled in."""
    return tuple(None if i in fixed else a for i, a in enumerate(args)), {k: None if k in fixed else a for k, a in kwargs.items()}


def spelled(where: str, f: Any) -> str:
    """A leaf of the arguments, as pytree.argument_names has it, with a parameter's name for its position."""
    digits = where[: len(where) - len(where.lstrip("0123456789"))]
    if not digits:
        return where
    try:
        parameters = [p.name for p in inspect.signature(f).parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        parameters = []
    name = parameters[int(digits)] if int(digits) < len(parameters) else f"argument {digits}"
    return name + where[len(digits) :]


def _leaf_key(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return FROM_NUMPY.get(x.dtype) or x.dtype, x.ndim, type(x)
    return statics.key(x) if statics.is_static(x) else type(x)


def dump(stage: str, text: Callable[[], str]) -> None:
    """Print a stage to stderr when LANTERN_DUMP names it."""
    if stage in os.environ.get("LANTERN_DUMP", "").split(","):
        print(text(), file=sys.stderr)

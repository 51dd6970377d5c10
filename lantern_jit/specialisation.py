"""One function for one signature of argument types: traced, transformed by the passes, and compiled when it is first called."""

from __future__ import annotations

import copy
import dataclasses
import functools
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .backends.arguments import Written
from .backends.base import Executable, Exhausted, Interface, Options
from .backends.choice import INTERPRETER, chosen
from .backends.llvm.build.collector import without_collector
from .backends.llvm.build.lock import COMPILING
from .backends.llvm.build.platforms import NOT_HERE, TARGET
from .backends.python.backend import Interpreted
from .inspection.public import Public
from .inspection.table import Row
from .ir.core.errors import ArgumentTypeError, CompilationError, UnsupportedOperationError
from .ir.core.graph import Program
from .ir.core.op import TABLE
from .ir.core.sites import located
from .ir.core.text import show
from .ir.core.types import I64
from .ir.diff.loops.pieces import may_be_cut
from .ir.objects.containers import Changed
from .ir.objects.reads import hold
from .ir.ops.effects import has_effects
from .ir.passes.early import checks_first
from .ir.passes.protect import written_arguments
from .ir.trace.case import USUAL, Case
from .ir.trace.program import Abstract, Traceable, trace_program
from .ir.values import pytree
from .ir.values.concrete import UNDECIDED, Need, Numbers, at_hand
from .leaves import built, python_value
from .patience import LOGGER, Progress
from .pipeline import AFTER, dump, known, transform

ALLOWANCE: float = 10_000  # operations that transforms without jit interpret before they are compiled; math.inf: they never are
OPERATIONS_OF_A_CALL = 100  # that the interpreter could do in the time which a call takes apart from them


class Specialisation(Public):
    """A traced and simplified program; compiled when first called natively. `numbers` are the sizes and arguments that it is
    for: those that Python has asked for while it was traced. `why` says where."""

    _public = ("address", "ctypes", "numbers", "prototype", "why")

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
        self.shrinks = options.checkpoint is None  # are its loops cut where it runs out of memory?
        self.types, self.weak = [a.type for a in signature], [a.weak for a in signature]
        self.words, self.packs = [a.words for a in signature], True  # do long lists come in as arrays?
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
        self.located = options.nans is not None  # has each operation a place?
        self.optimistic = True
        self.progress = Progress(name, len(signature))
        self._make(None if leaves is None else Numbers(self.at_hand(leaves)))

    def at_hand(self, leaves: Sequence[Any]) -> list[Any]:
        """The numbers of these arguments."""
        return list(map(at_hand, leaves, self.types, self.weak))

    def _make(self, numbers: Numbers | None) -> None:
        start = time.perf_counter()
        with without_collector():
            with self.progress.stage("tracing"):
                traced = self._traced(numbers)
                if self.optimistic and checks_sizes(traced.program) and happens_once(traced.program) and not checks_first(traced.program):
                    self.optimistic = False  # a call that has written or printed cannot start again in another form
                    traced = self._traced(numbers)
            self.traced, self.program, self.pending = traced, traced.program, False  # pending: is it to be made again?
            self.left: float = ALLOWANCE
            self.timings = {"trace": time.perf_counter() - start}
            with self.progress.stage("passes"):
                self.timings |= transform(self._asked(self.program), self.progress.now)
            self.timings["all"] = time.perf_counter() - start
        self.written = Written(self.name, tuple(written_arguments(self.program)), self.where, self.program.constants)
        dump("graph", lambda: show(self.program))
        self._executable: Executable | None = None
        self._interpreted: Interpreted = INTERPRETER.compile(self.program, TARGET, self._interface(Specialisation.interpret), self.options)

    def _asked(self, program: Program) -> Program:
        """The passes are told what the options want."""
        program.pieces, program.nans = self.options.pieces, self.options.nans is not None
        program.threads = max(program.threads, self.options.threads)
        return program

    def _traced(self, numbers: Numbers | None) -> Traceable:
        """Trace, again and again until Python asks for no number that is not yet fixed."""
        while True:
            try:
                with located(self.located):
                    traced = self._trace(numbers)
            except UNDECIDED as e:
                if numbers is None or not (numbers.is_asking or numbers.unroll()):
                    raise (numbers and numbers.undecided) or e  # noqa: B904  # as it was without numbers that have not helped
            except Exception:
                if numbers is None or not (numbers.is_asking or numbers.unroll()):
                    raise
            else:
                if numbers is None or not numbers.is_asking:
                    return traced
            asked = numbers.fix()
            self.numbers.update({need: numbers.fixed[need] for need in asked})
            self.why.update(asked)
            why = "; ".join(f"Python needs {self.spell(n)} = {self.numbers[n]} at {asked[n]}" for n in asked)
            LOGGER.debug("`%s` is traced again: %s", self.name, why)

    def spell(self, need: Need) -> str:
        """A number that Python has asked for, as `x.shape[0]`."""
        name = self.where[need.leaf]
        return name if need.axis is None else f"{name}.shape[{need.axis}]"

    def __repr__(self) -> str:
        return f"<`{self.name}` compiled for {'; '.join(filter(None, self.row().cells()[:2])) or 'no arguments'}>"

    def row(self) -> Row:
        """This in the table of its function."""
        arguments = dict(zip(self.where, self.words, strict=True)) | self.constants
        calls = self.interpreted + (self._executable.calls if self._executable is not None else 0)
        return Row(arguments, {self.spell(need): n for need, n in self.numbers.items()}, self.progress.spent, calls)

    def after(self, name: str) -> str:
        """The graph as that pass leaves it, the last time that it runs. The function is traced once more for it."""
        known(AFTER + name, "inspect")
        text = ""

        def look(done: str) -> None:
            nonlocal text
            if done == name:
                text = show(program)

        program = self._asked(self._traced(self._known_numbers()).program)
        transform(program, after=look)
        return text

    def placed(self, after: Callable[[str, Program], None] = lambda name, program: None) -> Program:
        """The program, traced once more with the place of each operation; `after` is told which pass has run."""
        new = copy.copy(self)
        new.located, new.numbers = True, dict(self.numbers)
        program = self._asked(new._traced(self._known_numbers()).program)
        transform(program, after=lambda name: after(name, program))
        return program

    def holds(self) -> bool:
        """Is all that the trace has read outside still so?"""
        return hold(self.traced.reads)

    def again(self) -> Specialisation:
        """The same for what there is outside now."""
        new = copy.copy(self)
        new.numbers = dict(self.numbers)
        new._make(self._known_numbers())
        return new

    def release(self) -> Any:
        """What it has read need stay alive no longer. Its machine code, if there is any."""
        self.traced.reads = []
        return self._executable

    def generalise(self) -> None:
        """Trace again without taking unknown sizes for equal: one that turns out to be 1 broadcasts."""
        with COMPILING:
            if self.optimistic:
                self.optimistic = False
                self._make(self._known_numbers())

    def smaller(self, program: Program, how: Any) -> Callable[[Sequence[Any]], Any] | None:
        """A call of a program whose loops are not cut, or not by halves, has run out of memory: from now on they are."""
        if not self.shrinks or how == "log" or not may_be_cut(program):
            return None
        if self.options.checkpoint == how:
            cut = "sqrt" if how is None else "log"
            LOGGER.warning("a call of `%s` does not fit in memory: it is compiled again with checkpoint=%r", self.name, cut)
            self.options = dataclasses.replace(self.options, checkpoint=cut)
            self.pending, self._executable = True, None
        return self.run

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

    @property
    def executable(self) -> Executable:
        """The compiled program."""
        found = self._executable
        if found is None:
            with COMPILING:
                found = self._executable
                if self.pending:
                    self._make(self._known_numbers())
                if found is None:
                    with self.progress.stage("code generation"):
                        backend = chosen(self.options.backend)
                        found = backend.compile(self.program, TARGET, self._interface(Specialisation.run), self.options)
                    self._executable = found
                    if LOGGER.isEnabledFor(logging.INFO):
                        self._say(found)
                    for stage in found.stages:
                        dump(stage, functools.partial(found.text, stage))
        return found

    def _say(self, made: Executable) -> None:
        """Tell the log how long that took, and where the machine code was found if it was not made."""
        steps = [f"{name} {seconds:.3f}" for name, seconds in made.timings.items() if name != "all"]
        passes = self.timings["all"] - self.timings["trace"]
        code = f"code generation {made.timings['all']:.3f}" + (
            f" ({', '.join(steps)})" if steps else ", as it was kept on disk" if made.direct else ""
        )
        total = self.timings["all"] + made.timings["all"]
        LOGGER.info(
            "`%s` is compiled: %.3f s, of these tracing %.3f, passes %.3f, %s", self.name, total, self.timings["trace"], passes, code
        )

    def _interface(self, run: Callable[[Specialisation, Sequence[Any]], Any]) -> Interface:
        """How the program is called; `run` calls another specialisation by the same back end."""

        def again(leaves: Sequence[Any]) -> Any:
            self.generalise()
            return run(self, leaves)

        def other(case: Case, leaves: Sequence[Any]) -> Any:
            return run(self.other(case, leaves), leaves)

        made, broadcasts, how = built(self.traced, self.finish), again if self.optimistic else None, self.options.checkpoint
        less = functools.partial(self.smaller, self.program, how)
        return Interface(self.types, self.weak, self.written, self.numbers, made, self.finish, self.result, other, broadcasts, less)

    def result(self, values: Sequence[Any]) -> Any:
        """The user's result from the program's result values."""
        it = iter(values)
        leaves = [python_value(next(it), t) if t is not None else s for t, s in zip(self.traced.results, self.traced.static, strict=True)]
        return self.finish(tuple(leaves))

    def finish(self, leaves: tuple[Any, ...]) -> Any:
        """The user's result from all of its leaves."""
        found = pytree.unflatten(self.traced.tree, leaves)
        return Changed(found[0], found[1], self.traced.puts, self.name) if self.traced.puts else found

    @property
    def interpreted(self) -> int:
        """How many calls the interpreter has taken."""
        return self._interpreted.calls

    def interpret(self, leaves: Sequence[Any]) -> Any:
        return self._interpreted.call(leaves)

    def evaluate(self, leaves: Sequence[Any]) -> Any:
        """For transforms without jit: as `tried`, else compiled."""
        return (self.tried(leaves) or (self.run(leaves),))[0]

    def tried(self, leaves: Sequence[Any]) -> tuple[Any] | None:
        """What the interpreter gives, until that has taken as long as compiling: no short call waits for the compiler, no long one for it."""
        if TARGET is None or math.inf == ALLOWANCE:
            return (self.interpret(leaves),)
        if self._executable is None and self.left > 0 and not has_effects(self.program, self.program.entry):
            try:
                found, self.left = self._interpreted.call_within(leaves, self.left - OPERATIONS_OF_A_CALL)
                return (found,)
            except Exhausted:
                self.left = 0  # nothing has happened that anybody can see
        return None

    def run(self, leaves: Sequence[Any]) -> Any:
        return self.executable.call(leaves)

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
        """The native program for callers that ask for no other one, and have no containers."""
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
        return self.executable

    def _c_function(self) -> Any:
        with COMPILING:
            found = self.for_c().c_function
        if found is None:
            elsewhere = "a function for C is native code: use jit without a back end of another kind"
            raise CompilationError(NOT_HERE if TARGET is None else elsewhere)
        return found


class Family:
    """The specialisations of a function for the same argument types. They differ in numbers that Python needs, and in what
    their traces have read outside: those whose reads hold no longer are kept for a while, for what was may be again."""

    MANY = 8  # so many are said in the log
    VERSIONS = 4  # that differ in what was read

    def __init__(self, packs: bool = True, gone: Sequence[Any] = ()) -> None:
        self.groups: dict[tuple[Need, ...], dict[tuple[Any, ...], list[Specialisation]]] = {}  # by needs, by their values; newest first
        self.gone = [*gone]  # machine code of older ones, whose address somebody may have
        self.of_types: Specialisation | None = None  # one of them: all know the types
        self.splits = False  # are there complex arguments, which go in by their parts, or long lists?
        self.packs = packs  # do these come in as arrays?

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
            message = "`%s` has been compiled for %d values of numbers (%s): each further value compiles again"
            LOGGER.warning(message, s.name, self.MANY, why)


def checks_sizes(program: Program) -> bool:
    """May the program find sizes that it does not broadcast?"""
    return any(TABLE[let.op].optimistic for f in program.functions.values() for b in f.blocks.values() for let in b.lets)


def happens_once(program: Program) -> bool:
    """Does a call write into its arguments, or have an effect? Of a program as it is traced."""
    writes = not program.keeps and not {*written_arguments(program)} <= {*program.read_only}
    return writes or has_effects(program, program.entry)

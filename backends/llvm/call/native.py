"""A compiled program as something Python can call.

`Native.entry` takes the program's argument leaves. Its machine code (python_call.py) takes those that are exactly of
the types compiled for; for others it comes back here, where they are made so or refused.
"""

from __future__ import annotations

import ctypes
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ....ir.core import errors, faults
from ....ir.core.analysis import find_loops
from ....ir.core.graph import Call, Program
from ....ir.core.op import OWN, TABLE
from ....ir.core.text import show_anywhere
from ....ir.core.types import BOOL, I64, NUMPY_DTYPES, Array, Type, is_generator
from ....ir.lower.lower import Lowering
from ....ir.ops.effects import has_effects
from ....ir.python.host import Paused
from ....ir.trace.case import USUAL
from ....ir.values.concrete import Numbers, at_hand
from ...arguments import of_case, writable, written_back
from ...base import Direct, Interface, Options
from ...targets.target import Cpu
from ..build import cache, special
from ..build.collector import without_collector
from ..build.compile import host_cpu, load, object_file, optimised_texts, quick
from ..build.places import Places
from ..build.symbols import is_symbol
from ..emit.code import Module
from ..emit.module import Emission
from ..maths import vector_maths
from ..runtime import layout
from ..runtime.layout import CODE, SITE, VALUES
from ..runtime.modules import ticks
from . import effects
from .c_function import CFunction
from .callable import NativeCallable
from .notes import graph_sites, loops, placed, places, shown, sound
from .paused import Rest
from .process import Runtime, runtime
from .python_call import PythonCall, loaded
from .watch import Watch

LONG_CALL = 23  # microseconds: a call that took longer last time runs without the GIL (letting it go and taking it again takes 0.1)
NEVER = 2**63 - 1
UNGUARDED = Watch([])  # the caller knows that what the program has read is so
UNGUARDED.refresh()


class Exact(NativeCallable):
    """The native call of one program for leaves that are known to be exact."""

    def __init__(self, native: Native) -> None:
        super().__init__(native.runtime.dispatcher)
        self.native = native
        self.set_entries([(native.code, UNGUARDED.cell)])

    def slow_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.native.stale:
            return self.native.replaced(args)
        raise errors.CompilationError(f"compiled code does not know its own argument types: {[type(x) for x in args]}")


class Entry(Exact):
    """The native call of one program, for leaves of the same types in any form."""

    def __init__(self, native: Native) -> None:
        super().__init__(native)
        if native.draws:
            self.set_entries([])

    def slow_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        native = self.native
        if native.stale:
            return native.replaced(args)
        if kwargs or len(args) != len(native.types):
            raise TypeError(f"a compiled program takes {len(native.types)} argument leaves, not {len(args)}")
        check_numbers(args, native)
        exact = list(map(exact_leaf, args, native.types, native.weak))
        written = native.written
        if not written.leaves:
            return native.run(args, exact)
        case = written.case(args)
        if case is not USUAL:
            return native.interface.other(case, of_case(case, args))
        exact = [writable(x, i in written.leaves) for i, x in enumerate(exact)]
        with written_back(args, exact, written):
            return native.run(args, exact)


def check_numbers(args: Sequence[Any], native: Native) -> None:
    """A program that is for certain numbers takes no others: the dispatcher of the function does not give it any."""
    here = Numbers(list(map(at_hand, args, native.types, native.weak)))
    for need, n in native.numbers.items():
        if here.value(need) != n:
            what = f"argument leaf {need.leaf}" if need.axis is None else f"size {need.axis} of argument leaf {need.leaf}"
            raise errors.ArgumentTypeError(
                f"this compiled program is for {what} = {n}, not {here.value(need)}: call the function, which has a program for each"
            )


def exact_leaf(x: Any, t: Type, weak: bool) -> Any:
    """`x` as exactly the object that compiled code reads: a Python number if `weak`, NumPy's scalar, or a contiguous
    aligned array in native byte order."""
    if is_generator(x):
        return effects.handle(x)
    if isinstance(t, Array):
        dtype = NUMPY_DTYPES[t.dtype]
        a = np.ascontiguousarray(x, dtype)
        a = a if type(a) is np.ndarray and a.dtype is dtype else np.array(a, dtype, subok=False, copy=None)
        if a.dtype is not dtype:  # the same dtype, but another object
            a = a.view(dtype)
        return a if a.flags.aligned else a.copy()
    if t == I64:
        n = int(x)
        if not -(2**63) <= n < 2**63:
            raise errors.IntegerOverflowError(f"an int argument does not fit in 64 bits: {[n]}")
        return n if weak else np.int64(n)
    if weak:
        return bool(x) if t == BOOL else float(x)
    return NUMPY_DTYPES[t].type(x)


class Native:
    """One program's machine code."""

    stages = ("cps", "lowered", "llvm", "llvm_optimized", "asm")

    def __init__(self, program: Program, interface: Interface, options: Options) -> None:
        self.runtime: Runtime = runtime()
        self.cpu = host_cpu()
        self.instead = interface.again  # what takes the calls once it is `stale`
        self.stale = False  # sizes have come up that it does not broadcast, or for which it needs too much memory
        self.program, self.interface, self.checkpoint = program, interface, options.checkpoint
        self.threads = program.threads
        self.memory, self.room = options.memory, self.runtime.room(options.memory)
        self.weak, self.shape = list(interface.weak), interface.shape
        self.written, self.numbers = interface.written, dict(interface.numbers)
        f = program.functions[program.entry]
        self.types, self.results = [p.type for p in f.params[: len(f.params) - len(program.constants)]], list(f.results)
        self.draws = effects.draws(program)
        self.once = bool(self.written.leaves) or has_effects(program, program.entry)  # a call cannot start again
        start = time.perf_counter()
        call = self._python_call()
        code, notes = self._machine_code(call.text())
        self.policies, self.timings = notes["policies"], {**notes["timings"], "all": time.perf_counter() - start}
        self.parallel = {**loops(program), **{name: shown(what, self.sites[site]) for name, (what, site) in notes["parallel"].items()}}
        self.loaded = load(code)
        self._fill_record(call, interface.finish, options.nogil)
        self.code: Direct = self.wrapper.address("call"), self.loaded.address("lantern.record")
        self.entry, self.exact = Entry(self), Exact(self)

    def call(self, leaves: Sequence[Any]) -> Any:
        return self.replaced(leaves) if self.stale else self.entry(*leaves)

    @property
    def direct(self) -> Direct | None:
        """What draws has to hold its generators first."""
        return None if self.draws else self.code

    def replaced(self, leaves: Sequence[Any]) -> Any:
        """A call by the program that is needed instead."""
        assert self.instead is not None
        return self.instead(leaves)

    def run(self, args: Sequence[Any], exact: Sequence[Any]) -> Any:
        """A call with exact leaves of these arguments."""
        if not self.draws:
            return self.exact(*exact)
        with effects.drawing(args):
            return self.exact(*exact)

    # ---- the code
    def _machine_code(self, wrapper: str) -> tuple[bytes, dict[str, Any]]:
        """The object file and notes on it, found on disk or made, with that of the `wrapper` that Python calls. `sites` is filled on the way."""
        names = list(self.program.functions)
        graph = show_anywhere(self.program, names)
        mine = graph_sites(self.program, names)
        numbers = [(*need, int(n)) for need, n in self.numbers.items()]
        name = cache.key(
            graph,
            len(self.program.constants),
            self.checkpoint,
            self.weak,
            self.shape.node,
            self.shape.leaves,
            self.runtime.mask,
            numbers,
            self.written.leaves,
            self.threads,
            quick(),
        )
        keeps = uses_own(self.program, names)
        found = cache.read_all(name, 2) if keeps else None
        if found is not None and sound(found[0], len(mine)) and known_symbols(found[0]["needs"]):
            notes, (code, kept) = found
            self.wrapper = loaded(wrapper, kept)
            self.sites = [placed(mine, x) for x in notes["sites"]]
            return code, {**notes, "timings": {}}
        start = time.perf_counter()
        emission, text = self.emission
        emitted = time.perf_counter() - start
        code, timings = object_file(text, not quick())
        self.wrapper = loaded(wrapper)
        module = emission.module
        vector_maths.provide(module.declared)
        effects.provide(list(module.declared))
        self.sites = module.sites
        notes = {
            "policies": emission.low.policies,
            "parallel": emission.parallel,
            "needs": sorted(module.declared),
            "sites": places(mine, module.sites),
        }
        if keeps and notes["sites"] is not None:
            cache.write_all(name, notes, [code, self.wrapper.code])
        return code, {**notes, "timings": {"emit": emitted, **timings}}

    @functools.cached_property
    def emission(self) -> tuple[Emission, str]:
        return self._emit(self.cpu)

    def _emit(self, cpu: Cpu, program: Program | None = None, places: Places | None = None) -> tuple[Emission, str]:
        """What was found out while emitting the module, and its text."""
        program = program or self.program
        with without_collector():
            emission = Emission(program, cpu, self.checkpoint, self.runtime.mask, threads=self.threads, places=places)
            return emission, f"@lantern.record = global [{self._python_call().record_size} x i64] zeroinitializer\n{emission.run()}"

    def _python_call(self) -> PythonCall:
        return PythonCall(Module(self.cpu), self.program, self.weak, self.shape, self.numbers, self.written.leaves)

    @functools.cached_property
    def _optimised(self) -> tuple[str, str]:
        return optimised_texts(self.emission[1])

    def text(self, stage: str) -> str:
        """Closures, what reverse mode is lowered to, LLVM, optimised LLVM or assembly."""
        if stage in ("cps", "lowered"):
            return self.emission[0].lowering.text(stage)
        return self.emission[1] if stage == "llvm" else self._optimised[stage == "asm"]

    def made_for(self, cpu: Cpu) -> dict[str, str]:
        text = self._emit(cpu)[1]
        return dict(zip(self.stages, (self.text("cps"), self.text("lowered"), text, *optimised_texts(text, cpu)), strict=True))

    def placed(self, program: Program, places: Places) -> tuple[Lowering, str, str, str]:
        """This program, traced with the place of each operation: as it is lowered, and LLVM, optimised LLVM and assembly with places."""
        emission, text = self._emit(self.cpu, program, places)
        text = places.written(text)
        return emission.lowering, text, *optimised_texts(text)

    def peak(self, call: Callable[[], Any]) -> tuple[int, int]:
        return self.runtime.peak(call, self.room)

    def _fill_record(self, call: PythonCall, finish: Any, nogil: bool | None) -> None:
        constants = [np.ascontiguousarray(c) for c in self.program.constants]
        fault = self.fault
        self.constants = constants
        self._kept = (fault, finish)  # what the record refers to
        record = self.record = (ctypes.c_int64 * call.record_size).from_address(self.loaded.address("lantern.record"))
        record[0], record[layout.ENTRY] = self.runtime.services, self.loaded.address("entry")
        record[layout.FAULT], record[layout.FINISH] = id(fault), id(finish)
        record[layout.USUAL] = NEVER if has_loops(self.program) else layout.PLAIN  # nothing is known of the first call
        record[layout.LONG] = ticks(self.runtime.target, LONG_CALL) if nogil is None else 0 if nogil else NEVER
        record[layout.LIMITS] = self.room | self.once
        for i, x in enumerate(self.shape.fixed):
            record[layout.FIXED + i] = id(x)
        at = call.constants_at
        for c in constants:
            for v in (c.ctypes.data, *c.shape):
                record[at] = v
                at += 1
        if self.written.leaves:
            for c in self.program.constants:
                record[at], record[at + 1] = bounds(c)
                at += 2

    @property
    def calls(self) -> int:
        """How many calls from Python it has taken."""
        return int(self.record[layout.CALLS])

    def fault(self, base: int) -> Any:
        """Raise what compiled code has left in its context. Returns after a signal whose Python handler raises
        nothing: the call starts again, its arguments are as they were. (One that writes into them is only left for Ctrl-C's exception.)"""
        runtime = self.runtime
        if not base:
            raise errors.StackOverflowError(
                f"no address space for another native stack of {runtime.size >> 20} MiB, of which each call under way has one: "
                f"LANTERN_STACK_GIB={runtime.size / 2**31:g} in the environment of a new process makes them smaller"
            )
        code = ctypes.c_int64.from_address(base + CODE).value
        if code == faults.KINDS["interrupt"].code:
            ctypes.pythonapi.PyErr_CheckSignals()
            if self.once:
                raise KeyboardInterrupt
            return
        if code == layout.PAUSED:
            raise Paused(Rest(runtime, self.fault, base))
        values = [ctypes.c_int64.from_address(base + VALUES + 8 * i).value for i in range(3)]
        error = self.exception(code, ctypes.c_int64.from_address(base + SITE).value, values)
        if isinstance(error, errors.BroadcastError) and 1 in error.sizes and self.interface.again is not None:
            self.stale = True
            return False  # another program is needed, which broadcasts: the dispatcher asks Python for it
        if isinstance(error, (errors.StackOverflowError, errors.ArrayMemoryError)) and not self.once:
            smaller = self.interface.smaller()
            if smaller is not None:
                self.stale, self.instead = True, smaller
                return False
        raise error

    def exception(self, code: int, site_number: int, values: list[int]) -> BaseException:
        """The exception of a fault."""
        size, site, kind = (self.memory if self.room else None) or self.runtime.size, self.sites[site_number], faults.BY_CODE[code]
        if kind is faults.KINDS["host"]:
            return effects.failure(values[0])
        advice = ""
        if kind is faults.KINDS["stack"]:
            frame, used = max(values[0], 1), (self.room or self.runtime.size) - (values[1] & (self.runtime.size - 1))
            values = [size >> 20, used // frame, frame]
            advice = faults.stack_advice(self.runtime.size >> 20, values[1], size < self.runtime.size)
        if kind is faults.KINDS["memory"]:
            values = [size >> 20, 0, 0]
        if site is not None and not site.filename and site.exception is None:
            return kind.error(kind.message.format(*values, detail=site.detail) + advice)
        return faults.make_error(kind, site, values, advice)

    @functools.cached_property
    def c_function(self) -> CFunction:
        """This program for callers in C."""
        return CFunction(self)


def bounds(x: Any) -> tuple[int, int]:
    """The first byte of an array, and the one after its last."""
    steps = [(n - 1) * s for n, s in zip(x.shape, x.strides, strict=True)] if x.size else []
    low = x.ctypes.data + sum(s for s in steps if s < 0)
    return low, x.ctypes.data + sum(s for s in steps if s > 0) + (x.itemsize if x.size else 0)


def known_symbols(names: Sequence[str]) -> bool:
    """Can this process give code the functions that it calls? Emission has found the libraries, a warm start has not."""
    vector_maths.provide(names)
    effects.provide(names)
    for name in names:
        if name.startswith(special.PREFIX):
            special.symbol(name.removeprefix(special.PREFIX))
    return all(is_symbol(name) for name in names if not name.startswith("llvm."))


def uses_own(program: Program, names: Sequence[str]) -> bool:
    """Are all of its operations the library's own? What others do is not in the key."""
    return OWN.issuperset(let.op for name in names for b in program.functions[name].blocks.values() for let in b.lets)


def has_loops(program: Program) -> bool:
    """May a call take long? Not without loops and recursion."""
    functions = program.functions.values()
    if any(TABLE[let.op].whole and TABLE[let.op].cost == "heavy" for f in functions for b in f.blocks.values() for let in b.lets):
        return True
    return any(find_loops(f) for f in functions) or any(isinstance(b.terminator, Call) for f in functions for b in f.blocks.values())

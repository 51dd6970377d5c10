"""LLVM text to machine code.

First the always-inliner over callers before callees, then SROA, then LLVM's O1 pipeline with the vectorisers and without
unrolling. In this order the chains of continuations collapse in linear time (bottom-up the same code takes 79 s for 1,000
operations). O2 and unrolling made none of the benchmarks faster, and compiling a third slower.

Machine code is an object file in memory: the same whether it was made now or found on disk (cache.py).
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import functools
import itertools
import os
import re
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from ....ir.core import errors
from ...targets.target import Cpu, Target
from . import symbols
from .lock import COMPILING, compiling
from .platforms import native_target

# Sums keep their order, so a loop with a sum may still be vectorised around it.
llvm.set_option("lantern_jit", "-force-ordered-reductions=true")
# A loop backwards touches values, adjoints and a tape: more pairs of pointers to tell apart than LLVM checks by default.
llvm.set_option("lantern_jit", "-runtime-memory-check-threshold=32")

_VECTORS = re.compile(r"= f(?:add|sub|mul|div)[\w ]* <\d+ x")
OBJECTS_PER_LINKER = 32
_NUMBERS = itertools.count()  # of object files
_LINKER: list[Any] = []  # the one in use
_DEAD: collections.deque[Any] = collections.deque()  # trackers of objects that nothing refers to any more


@dataclass
class Loaded:
    """An object file's code and data in this process, which go with this object. `tracker` is LLVM's hold on them."""

    tracker: Any
    names: frozenset[str]
    code: bytes = b""  # of what is kept beside others, too

    def __post_init__(self) -> None:
        weakref.finalize(self, _bury, self.tracker).atexit = False

    def address(self, name: str) -> int:
        if name not in self.names:
            raise errors.CompilationError(f"the object file has no symbol {name}")
        return int(self.tracker[name])

    def word(self, name: str) -> Any:
        """A 64-bit integer of the code's data."""
        return ctypes.c_int64.from_address(self.address(name))


def _slp_pays(text: str) -> bool:
    """Pack scalar operations of straight code into vectors? It pays where C library calls pack (a chain of 16 sines: 0.3
    of C); elsewhere shuffles lengthen the loop-carried path (Lorenz: 6.2 against 3.7 ns a step)."""
    return len(re.findall(r"= call \w+ @maths\.", text)) >= 4


def _reduction_pays(text: str) -> bool:
    """Loop strength reduction takes a third of the time of code generation. Where an address may be a sum, the benchmarks are as fast without it, two by a
    sixth and a quarter faster; but for tangents and lanes side by side, which stand rows apart: 26 columns of a Jacobian would take a quarter longer."""
    return len(_VECTORS.findall(text)) >= 16


@functools.cache
def host_cpu() -> Cpu:
    return Cpu(native_target(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())


def quick() -> bool:
    """Leave out LLVM's optimiser? Code is there in a seventh of its time and is slower. For tests and while one looks for an error."""
    return os.environ.get("LANTERN_OPTIMISE") == "0"


def target_machine(cpu: Cpu | None = None, optimised: bool = True) -> Any:
    """Position-independent code with near calls: a call of another function of the module is direct."""
    cpu = cpu or host_cpu()
    _initialise(cpu.target == native_target())
    target = llvm.Target.from_triple(cpu.target.triple)
    return target.create_target_machine(opt=2 if optimised else 0, cpu=cpu.name, features=cpu.features, reloc="pic", codemodel="small")


def host() -> tuple[str, str, str, str]:
    """The versions of llvmlite and LLVM, and the machine that code is made for."""
    cpu = host_cpu()
    return f"{llvmlite.__version__} {llvm.llvm_version_info}", cpu.target.triple, cpu.name, cpu.features


@functools.cache
def _initialise(native: bool) -> None:
    """LLVM's part for this machine, or its parts for all."""
    if native:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        llvm.initialize_native_asmparser()
    else:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()


def parse(text: str) -> Any:
    """A module from text. Raises CompilationError with LLVM's words if it is not valid."""
    try:
        module = llvm.parse_assembly(text)
        module.verify()
    except RuntimeError as e:
        raise errors.CompilationError(f"LLVM refuses the module: {e}") from None
    return module


def optimise(module: Any, machine: Any, clock: list[float], slp: bool, optimised: bool = True) -> None:
    """Run the passes, or only what is to be inlined; append the time after each step to `clock`."""
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    clock.append(time.perf_counter())
    options = llvm.create_pipeline_tuning_options(speed_level=1)
    options.loop_vectorization, options.slp_vectorization, options.loop_unrolling = True, slp, False
    builder = llvm.create_pass_builder(machine, options)
    first = llvm.create_new_module_pass_manager()
    first.add_always_inliner_pass()
    first.add_sroa_pass()
    first.run(module, builder)
    clock.append(time.perf_counter())
    if optimised:
        builder.getModulePassManager().run(module, builder)
    clock.append(time.perf_counter())


@contextlib.contextmanager
def options_for(target: Target, text: str) -> Iterator[None]:
    """LLVM's options are those of the process: what is so for some code alone stands only while that is made."""
    reduces = target.features.strength_reduction or _reduction_pays(text)
    llvm.set_option("lantern_jit", f"-disable-lsr={str(not reduces).lower()}")
    try:
        yield
    finally:
        llvm.set_option("lantern_jit", "-disable-lsr=false")


@compiling
def object_file(text: str, optimised: bool = True) -> tuple[bytes, dict[str, float]]:
    """The object file of a module as text, and the seconds that each step took."""
    machine = target_machine(optimised=optimised)
    clock = [time.perf_counter()]
    module = parse(text)
    optimise(module, machine, clock, _slp_pays(text), optimised)
    with options_for(native_target(), text):
        code = machine.emit_object(module)
    clock.append(time.perf_counter())
    names = ("parse", "inline", "optimise", "code")
    return code, {n: b - a for n, a, b in zip(names, clock, clock[1:], strict=False)}


@compiling
def optimised_texts(text: str, cpu: Cpu | None = None) -> tuple[str, str]:
    """A module after optimisation, as LLVM and as assembly."""
    machine = target_machine(cpu)
    module = parse(text)
    optimise(module, machine, [], _slp_pays(text))
    with options_for((cpu or host_cpu()).target, text):
        return str(module), str(machine.emit_assembly(module))


@compiling
def linked_object(texts: list[str], cpu: Cpu) -> bytes:
    """One object file of several modules."""
    machine = target_machine(cpu)
    module, *others = map(parse, texts)
    for other in others:
        module.link_in(other)
    optimise(module, machine, [], any(map(_slp_pays, texts)))
    with options_for(cpu.target, "\n".join(texts)):
        return bytes(machine.emit_object(module))


def _linker(number: int) -> Any:
    """The linker of the object file of that number. It places an object file's sections side by side, and calls what is far away through a table of its own;
    another, which maps each section where there is room, aborts a process whose free room lies far apart. Something of each
    object file stays with its linker when it has gone (10 kB), so a linker takes only some, and goes with the last of them."""
    if number % OBJECTS_PER_LINKER == 0 or not _LINKER:
        _LINKER[:] = [llvm.create_lljit_compiler(target_machine(), use_jit_link=True, suppress_errors=True)]
    return _LINKER[0]


def _bury(tracker: Any) -> None:
    """Free an object file's memory now, or with the next one that is loaded if another thread is in the compiler: the
    collector of garbage, which runs anywhere, is not to wait, nor to be in LLVM when another thread forks."""
    _DEAD.append(tracker)
    if COMPILING.acquire(blocking=False):
        try:
            _free_the_dead()
        finally:
            COMPILING.release()


def _free_the_dead() -> None:
    while _DEAD:
        _DEAD.pop().close()


@compiling
def load(code: bytes) -> Loaded:
    """Link an object file into this process. Other threads need no barrier before they run it: memory is only made executable when the code
    is in it, so that no CPU can have fetched anything else from there."""
    _free_the_dead()
    defined, needed = symbols.of_object(code)
    library = llvm.JITLibraryBuilder().add_object_img(code)
    for name in needed:
        address = symbols.address_of(name)
        if address is None:
            raise errors.CompilationError(f"compiled code calls {name}, which no library of this process has")
        library.import_symbol(name, address)
    for name in defined:
        library.export_symbol(name)
    number = next(_NUMBERS)
    try:
        return Loaded(library.link(_linker(number), f"object {number}"), frozenset(defined))
    except RuntimeError as e:
        raise errors.CompilationError(f"cannot load compiled code: {e}") from None

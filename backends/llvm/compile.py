"""LLVM text to machine code.

First the always-inliner over callers before callees, then SROA, then LLVM's usual pipeline. In this order the chains
of continuations collapse in linear time (bottom-up the same code takes 79 s for 1,000 operations).
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm

from ...ir import errors

# Sums keep their order, so a loop with a sum may still be vectorised around it.
llvm.set_option("lantern_jit", "-force-ordered-reductions=true")
# A loop backwards touches values, adjoints and a tape: more pairs of pointers to tell apart than LLVM checks by default.
llvm.set_option("lantern_jit", "-runtime-memory-check-threshold=32")
_LOCK = threading.Lock()  # LLVM's global state, and the target machine, serve one thread at a time


@dataclass
class Compiled:
    """Machine code: `address` of @entry. The engine owns the memory."""

    engine: Any
    address: int
    optimized: str
    assembly: str
    timings: dict[str, float]


def _slp_pays(text: str) -> bool:
    """Pack scalar operations of straight code into vectors? It pays where C library calls pack (a chain of 16 sines: 0.3
    of C); elsewhere shuffles lengthen the loop-carried path (Lorenz: 6.2 against 3.7 ns a step)."""
    return text.count('"vector-function-abi-variant"') >= 4


def target_machine() -> Any:
    features = llvm.get_host_cpu_features().flatten()
    return llvm.Target.from_default_triple().create_target_machine(opt=2, cpu=llvm.get_host_cpu_name(), features=features)


def compile_text(text: str) -> Compiled:
    """Optimise and compile a module. Raises CompilationError with LLVM's words if it is not valid."""
    with _LOCK:
        clock = [time.perf_counter()]
        try:
            module = llvm.parse_assembly(text)
            module.verify()
        except RuntimeError as e:
            raise errors.CompilationError(f"LLVM refuses the module: {e}") from None
        machine = target_machine()
        module.triple, module.data_layout = llvm.get_default_triple(), str(machine.target_data)
        clock.append(time.perf_counter())
        options = llvm.create_pipeline_tuning_options(speed_level=2)
        options.loop_vectorization, options.slp_vectorization = True, _slp_pays(text)
        builder = llvm.create_pass_builder(machine, options)
        first = llvm.create_new_module_pass_manager()
        first.add_always_inliner_pass()
        first.add_sroa_pass()
        first.run(module, builder)
        clock.append(time.perf_counter())
        builder.getModulePassManager().run(module, builder)
        clock.append(time.perf_counter())
        optimized = str(module)
        engine = llvm.create_mcjit_compiler(module, machine)
        engine.finalize_object()
        clock.append(time.perf_counter())
        names = ("parse", "inline", "optimise", "code")
        timings = {n: b - a for n, a, b in zip(names, clock, clock[1:], strict=False)}
        return Compiled(engine, engine.get_function_address("entry"), optimized, "", timings)


def assembly(optimized: str) -> str:
    """The machine code of an optimised module as text."""
    with _LOCK:
        return str(target_machine().emit_assembly(llvm.parse_assembly(optimized)))

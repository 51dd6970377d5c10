"""A compiled program as something Python can call: arguments into slots, one native call, results out of slots."""

from __future__ import annotations

import ctypes
import math
import struct
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ir import errors, faults
from ...ir.cps import show_closures
from ...ir.graph import Program
from ...ir.types import BOOL, F32, F64, I64, NUMPY_DTYPES, Array, Type
from .compile import assembly, compile_text
from .emit import Emission
from .runtime import CODE, RESULT_HEADER, SITE, SPARES, VALUES, Owner, Region, runtime

COPY_BELOW = 1 << 15  # bytes: a smaller result is cheaper to copy than to wrap
_FORMATS = {F64: "d", F32: "f4x", I64: "q", BOOL: "?7x"}


def slots(t: Type) -> int:
    return 1 + t.rank if isinstance(t, Array) else 1


class Native:
    """One program's machine code."""

    def __init__(self, program: Program, checkpoint: Any) -> None:
        self.runtime = runtime()
        start = time.perf_counter()
        emission = Emission(program, checkpoint, self.runtime.mask)
        self.llvm = emission.run()
        emitted = time.perf_counter() - start
        self.compiled = compile_text(self.llvm)
        self.timings = {"emit": emitted, **self.compiled.timings}
        self.closures, self.policies = emission.closures, emission.module.policies
        self.sites = emission.module.sites
        f = program.functions[program.entry]
        n = len(program.constants)
        self.constants = [np.ascontiguousarray(c) for c in program.constants]
        self.constant_slots = [v for c in self.constants for v in (c.ctypes.data, *c.shape)]
        types = [p.type for p in f.params]
        self.types, self.results = types[: len(types) - n], list(f.results)
        self.pack = struct.Struct("=" + "".join("q" * slots(t) if isinstance(t, Array) else _FORMATS[t] for t in types))
        self.dtypes = [NUMPY_DTYPES[t.dtype] if isinstance(t, Array) else None for t in self.types]
        self.offset = self.pack.size
        self.unpack = struct.Struct("=" + "".join("q" * slots(t) if isinstance(t, Array) else _FORMATS[t] for t in self.results))
        self.array_results = any(isinstance(t, Array) for t in self.results)
        self.size = self.offset + self.unpack.size + 8

    @property
    def cps(self) -> str:
        return "\n".join(map(show_closures, self.closures))

    @property
    def llvm_optimized(self) -> str:
        return self.compiled.optimized

    @property
    def asm(self) -> str:
        return assembly(self.compiled.optimized)

    def call(self, args: Sequence[Any]) -> list[Any]:
        """Run with these argument leaves. Raises the exceptions of faults.py."""
        buffer = ctypes.create_string_buffer(self.size)
        keep: list[Any] = []
        values: list[Any] = []
        for x, dtype in zip(args, self.dtypes, strict=True):
            if dtype is None:
                values.append(x)
            else:
                a = x if x.dtype is dtype and x.flags.num & _READY == _READY else _ready(x, dtype)
                keep.append(a)
                values.append(_address(a))
                values += a.shape
        try:
            self.pack.pack_into(buffer, 0, *values, *self.constant_slots)
        except (struct.error, OverflowError):
            raise errors.IntegerOverflowError(
                f"an int argument does not fit in 64 bits: {[x for x in values if isinstance(x, int) and abs(x) >= 2**63]}"
            ) from None
        runtime = self.runtime
        region = runtime.acquire()
        start = time.perf_counter_ns()
        if self.array_results and SPARES.blocks:
            SPARES.lend(region)
        try:
            if runtime.enter(region.base, self.compiled.address, buffer, region.top):
                error = self.fault(region)
                region.free_heap()
                raise error
            return self.take_results(buffer, region)
        finally:
            if self.array_results:
                SPARES.take_back(region)
            runtime.give_back(region, time.perf_counter_ns() - start)

    def take_results(self, buffer: Any, region: Region) -> list[Any]:
        """Result values. An array made outside of the region is taken over as it is, others are copied."""
        if not self.array_results:
            return list(self.unpack.unpack_from(buffer, self.offset))
        it = iter(self.unpack.unpack_from(buffer, self.offset))
        out: list[Any] = []
        blocks, taken = region.heap(), set()
        for t in self.results:
            if not isinstance(t, Array):
                out.append(next(it))
                continue
            address, shape, dtype = next(it), tuple(next(it) for _ in range(t.rank)), NUMPY_DTYPES[t.dtype]
            block = address - RESULT_HEADER
            size = math.prod(shape) * dtype.itemsize
            if size < COPY_BELOW or block not in blocks or block in taken:
                out.append(_array(address, shape, dtype))
            else:
                taken.add(block)
                out.append(np.asarray(Owner(block, shape, dtype)))
        region.free_heap(frozenset(taken))
        return out

    def fault(self, region: Region) -> BaseException:
        """The exception that compiled code has left in its context."""
        code = ctypes.c_int64.from_address(region.base + CODE).value
        site = self.sites[ctypes.c_int64.from_address(region.base + SITE).value]
        values = [ctypes.c_int64.from_address(region.base + VALUES + 8 * i).value for i in range(3)]
        kind = faults.BY_CODE[code]
        if kind is faults.KINDS["stack"]:
            frame, sp = values[0], values[1] & 0xFFFFFFFFFFFFFFFF
            values = [region.size >> 20, (region.top - sp) // max(frame, 1), 0]
        if kind is faults.KINDS["memory"]:
            values = [region.size >> 20, 0, 0]
        if site is not None and not site.filename and site.exception is None:
            site = type(site)("", 0, "", site.detail)
            return kind.error(kind.message.format(*values, detail=site.detail))
        return faults.make_error(kind, site, values)


_READY = 0x101  # NumPy's flags for contiguous and aligned


def _ready(x: Any, dtype: Any) -> Any:
    """`x` contiguous, aligned and in native byte order."""
    a = np.ascontiguousarray(x, dtype)
    return a if a.flags.aligned else a.copy()


def _address(a: Any) -> int:
    return a.__array_interface__["data"][0]  # type: ignore[no-any-return]


def _array(address: int, shape: tuple[int, ...], dtype: Any) -> Any:
    """A NumPy array of its own from the arena's memory."""
    out = np.empty(shape, dtype)
    if out.size:
        ctypes.memmove(out.ctypes.data, address, out.nbytes)
    return out


def compile_program(program: Program, checkpoint: Any = None) -> Native:
    return Native(program, checkpoint)

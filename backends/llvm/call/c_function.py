"""Compiled programs as C functions of this process: an address, and a ctypes function."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from ....ir.core import errors
from ....ir.core.types import BOOL, F32, F64, I32, I64, NUMPY_DTYPES, Array, Scalar, Type
from ..build.compile import load, object_file
from . import c_call
from .c_call import CCall, returns_value

C_TYPES: dict[Type, Any] = {F64: ctypes.c_double, F32: ctypes.c_float, I64: ctypes.c_int64, BOOL: ctypes.c_bool, I32: ctypes.c_int32}


class CFunction:
    """The C function of a `Native`. `ctypes` raises the exceptions that a call from Python would; other callers see NaN
    or a status (c_call.py)."""

    def __init__(self, native: Any) -> None:
        self.native = native
        if native.draws:
            raise errors.UnsupportedOperationError(
                f"`{native.program.entry}` draws random numbers, and C has no generator to give it: draw outside and pass the numbers as an argument"
            )
        call = CCall(native.program, native.cpu, "c_entry", native.written.leaves)
        self.prototype = CCall(native.program, native.cpu, "f", native.written.leaves).prototype()
        self.loaded = load(object_file(call.text())[0])
        self.address = self.loaded.address("c_entry")
        self.record = (ctypes.c_int64 * call.record_size).from_address(self.loaded.address("lantern.c_record"))
        self.record[c_call.ENTRY] = native.loaded.address("entry")
        at = c_call.CONSTANTS
        for c in native.constants:
            for v in (c.ctypes.data, *c.shape):
                self.record[at] = v
                at += 1
        self.ctypes = self._ctypes_function(call.params, call.results)

    def _ctypes_function(self, params: Sequence[Type], results: Sequence[Type]) -> Any:
        arguments: list[Any] = []
        for i, t in enumerate(params):
            arguments += _pointer(t, i in self.native.written.leaves) if isinstance(t, Array) else [C_TYPES[t]]
        value = returns_value(results)
        if not value:
            for t in results:
                arguments += _pointer(t, True) if isinstance(t, Array) else [ctypes.POINTER(C_TYPES[t])]
        function: Any = ctypes.CFUNCTYPE(C_TYPES[results[0]] if value else ctypes.c_int32, *arguments)(self.address)
        function.errcheck = self._raise_fault
        function.owner = self  # the code lives as long as the function
        return function

    def _raise_fault(self, result: Any, function: Any, arguments: Any) -> Any:
        """After a call from Python: the exception of a fault. (A fault of another thread at the same moment may be taken
        for this one's.)"""
        code = self.record[c_call.FAULT_CODE]
        if code == 0:
            return result
        values = [self.record[c_call.FAULT_VALUES + i] for i in range(3)]
        if code == c_call.NO_REGION:
            raise errors.StackOverflowError("no address space for another native stack")
        if code == c_call.WRONG_SIZE:
            raise errors.ArrayShapeError(f"a result has size {values[0]}, and its buffer {values[1]}")
        if code == c_call.OVERLAP:
            raise errors.UnsupportedOperationError(c_call.OVERLAPPING.replace("%lld", "{}").format(*values[:2]))
        raise self.native.exception(code, self.record[c_call.FAULT_SITE], values)


def _pointer(t: Array, written: bool) -> list[Any]:
    assert isinstance(t.dtype, Scalar)
    flags: Any = ["C_CONTIGUOUS", *(["WRITEABLE"] if written else [])]
    return [np.ctypeslib.ndpointer(NUMPY_DTYPES[t.dtype], t.rank, flags=flags), *[ctypes.c_int64] * t.rank]

"""Where things are in memory that Python, emitted code and the .ll files share, in bytes or in places of 8 bytes."""

from __future__ import annotations

from typing import Any

from ...targets.target import Target

HEADER = object.__basicsize__  # bytes of an object before its own fields

# The context, at the start of a region: offsets of 8-byte words; VALUES are three.
CONTEXT = {
    "SAVED_SP": 0,
    "LIMIT": 8,
    "ARENA": 16,
    "CODE": 24,
    "VALUES": 32,
    "SITE": 56,
    "HEAP": 64,
    "BUSY": 72,
    "PENDING": 80,
    "INDEX": 88,
    "FLOAT_MODE": 96,
    "TOP": 104,
    "BY_PYTHON": 112,  # 0: called from C, 1: from Python, 2: so, and may not start again
    "BEGAN": 120,
    "PATIENCE": 128,
    "GAVE": 136,
    "JOB": 144,  # of parallel code: what a call waits for, or whose part is run here; null in serial code
    "PAUSED_SP": 152,
    "LENT": 160,  # the regions of parts that have paused, and are to go on: a list
    "NEXT_LENT": 168,
}
CODE, VALUES, SITE = CONTEXT["CODE"], CONTEXT["VALUES"], CONTEXT["SITE"]
CONTEXT_BYTES = max(CONTEXT.values()) + 8
PAUSED = -1  # in CODE: no fault, but a call that goes on later

# A loop whose parts several threads run: offsets of 8-byte words. VALUES are three.
JOB = {
    "TASK": 0,
    "ENVIRONMENT": 8,
    "NEXT": 16,  # the first part that nobody has taken
    "PARTS": 24,
    "HELPERS": 32,  # workers that may still come
    "RUNNING": 40,  # workers that are at it
    "LAST": 48,  # no later part begins any more: it has failed; -1 after a Ctrl-C
    "FAILED": 56,  # the first part that has failed, and its fault
    "FAULT": 64,
    "FAULT_VALUES": 72,
    "FAULT_SITE": 96,
    "LINK": 104,
    "CALLER": 112,  # the region of the call
    "ENDED": 120,  # by a signal
}
JOB_BYTES = 128

# A program's record, for calls from Python: places after the address of the services, which is the first.
RECORD = {"FAULT": 1, "FINISH": 2, "USUAL": 3, "LONG": 4, "CALLS": 5, "LIMITS": 6, "ENTRY": 7}
# LIMITS: the bytes of a region that a call may use, 0 for all; and 1 if a call may not start again. ENTRY: the address of @entry
FAULT, FINISH, USUAL, LONG, CALLS, LIMITS, ENTRY = RECORD.values()
FIXED = 8  # where the rest begins
PLAIN = -1  # in USUAL: a program without loops, whose calls are not timed
TABLE_OFFSET = HEADER + 8  # of the table of entries in a NativeCallable, after its vectorcall function

# What compiled code needs of CPython, of NumPy and of the process, so that it depends on neither's addresses: a table.
SERVICES = (
    "run", "give", "to_numpy", "free_blocks", "discard",
    "float64_type", "float32_type", "int64_type", "bool_type", "python_float", "python_int", "array_type",
    "float64_descr", "float32_descr", "int64_descr", "int32_descr", "bool_descr", "true", "false",
    "PyFloat_FromDouble", "PyLong_FromLongLong", "PyLong_AsLongLongAndOverflow", "PyBool_FromLong", "PyTuple_New", "PyTuple_SetItem",
    "PyList_New", "PyList_SetItem", "PyDict_New", "PyDict_SetItem", "Py_IncRef", "Py_DecRef", "PyObject_VectorcallMethod", "PyObject_CallFunctionObjArgs",
    "PyEval_SaveThread", "PyEval_RestoreThread", "PyCapsule_New", "PyCapsule_GetPointer", "PyArray_New", "PyArray_SetBaseObject",
    "PyArray_Scalar", "slow", "PyErr_Fetch", "PyErr_Restore", "PyErr_CheckSignals", "getsignal", "sigint", "default_int_handler",
)  # fmt: skip
SERVICE = {name: i for i, name in enumerate(SERVICES)}

RESULT_HEADER = 64  # bytes before the data of a result array: the link of the list at HEAP, and the block's size
MARGIN = 16 << 20  # between arena and stack: frames that do not check, and libm's
SLOTS = 4096  # regions of one process at the same time
SPARE_SLOTS = 16
SPARE_LIMIT = 64 << 20  # bytes of old results that are kept for the next ones
KEEP = 64 << 20  # bytes that an idle region may keep of its stack and of its arena
LENT_SHARE = 3  # log2 of how much less is left of one that a part of a loop has had
COPY_BELOW = 1 << 15  # bytes: a smaller result is cheaper to copy than to wrap
WORKERS = 255  # threads of the pool, beside those that call
NUMPY_READABLE, NUMPY_WRITABLE = 0x101, 0x501  # flags of an array: contiguous, aligned; and writeable


def arena_start(target: Target) -> int:
    """Where in a region the arena begins: after the page of the context and the one that nobody may touch."""
    return 2 * target.memory.page


def words(values: dict[str, Any], *names: str) -> dict[str, Any]:
    """Some entries of a table of constants."""
    return {name: values[name] for name in names}

"""What Python does for a call of compiled code: the recipes of emit/host.py, and the generators that it draws from."""

from __future__ import annotations

import ctypes
import functools
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ....ir.core.graph import Program
from ....ir.core.op import PLAIN, REVERSE, TABLE
from ....ir.core.types import BOOL, F32, F64, I64, NUMPY_DTYPES, Array, Type, is_generator
from ....ir.ops.effects import AGAIN, is_draw
from ....ir.python import host
from ....ir.trace.tracebacks import hide
from ..build import symbols
from ..runtime import layout

_FAILED: dict[int, BaseException] = {}  # by region, until its fault is raised
_SCALARS: dict[Type, str] = {F64: "d", F32: "f4x", I64: "q", BOOL: "?7x"}
_LIBRARY: list[ctypes.CDLL] = []


def provide(names: Sequence[str]) -> None:
    """Make NumPy's functions known, if these are among them."""
    if not _LIBRARY and any(map(is_draw, names)):
        _LIBRARY.append(ctypes.CDLL(np.random._generator.__file__))
        symbols.add_library(_LIBRARY[0])


# ---- calls of Python
def _called(fault: Any, recipe: int, slots: int, region: int) -> int:
    """What compiled code calls. That all is well stands in the region: of a call that a signal cuts off, ctypes gives anything."""
    try:
        program = fault.__self__.program
        types = _types(program, recipe)
        found = host.perform(program, recipe, _values(types, slots))
        if found:
            _give(found, slots, slots + _layout(types).size)
        performed = ctypes.c_int64.from_address(region + layout.VALUES)
        performed.value = 1  # the last thing that is done: no signal is looked at from here on
    except BaseException as e:
        _FAILED[region] = hide(e)
    return 0


def _give(found: Sequence[Any], slots: int, places: int) -> None:
    """Results: numbers take the place of what the program has given; behind that stands where it wants the elements of arrays."""
    for x in found:
        if isinstance(x, np.ndarray):
            x = np.ascontiguousarray(x)
            ctypes.memmove(ctypes.c_int64.from_address(places).value, x.ctypes.data, x.nbytes)
            places += 8
        else:
            ctypes.memmove(slots, x.tobytes(), x.itemsize)
            slots += 8


called = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.py_object, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)(_called)


def failure(region: int) -> BaseException:
    """The exception that has ended a call. A signal's handler may raise it before `_called` can keep it: then it is Ctrl-C's."""
    return _FAILED.pop(region, None) or KeyboardInterrupt()


def _types(program: Program, recipe: int) -> list[Type]:
    return program.recipes[recipe].types if recipe >= 0 else [I64] if recipe == AGAIN else []


def _values(types: Sequence[Type], slots: int) -> list[Any]:
    layout = _layout(types)
    parts = iter(layout.unpack(ctypes.string_at(slots, layout.size)))
    out: list[Any] = []
    for t in types:
        if isinstance(t, Array):
            out.append(_array(next(parts), tuple(next(parts) for _ in range(t.rank)), NUMPY_DTYPES[t.dtype]))
        else:
            out.append(next(parts))
    return out


_words = functools.cache(struct.Struct)


def _layout(types: Sequence[Type]) -> struct.Struct:
    """Of slots that hold these: a word for each number, and for the address and the sizes of an array."""
    return _words("=" + "".join("q" * (1 + t.rank) if isinstance(t, Array) else _SCALARS[t] for t in types))


def _array(data: int, shape: tuple[int, ...], dtype: Any) -> Any:
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    return np.frombuffer((ctypes.c_char * size).from_address(data), dtype).reshape(shape).copy() if size else np.empty(shape, dtype)


# ---- calls of a program that draws
def draws(program: Program) -> bool:
    """Does a call of it have to hold generators, or to remember anything?"""
    functions = program.functions.values()
    lets = [let for f in functions for b in f.blocks.values() for let in b.lets if TABLE[let.op].effect]
    kept = any(TABLE[let.op].effect == "draw" or let.attrs["recipe"] < 0 or program.recipes[let.attrs["recipe"]].inside for let in lets)
    return kept or (bool(lets) and _nested(program))


def _nested(program: Program) -> bool:
    """May there be derivatives of derivatives, or checkpoints, which evaluate functions again?"""
    calls = [TABLE[let.op].calls for f in program.functions.values() for b in f.blocks.values() for let in b.lets]
    return PLAIN in calls or calls.count(REVERSE) > 1


def handle(generator: Any) -> Any:
    """What compiled code is given of a generator: the address of its functions."""
    return np.int64(generator.bit_generator.ctypes.bit_generator.value)


@contextmanager
def drawing(args: Sequence[Any]) -> Iterator[None]:
    """A call with these arguments: its generators are locked, in one order for all threads."""
    generators = [x for x in args if is_generator(x)]
    locks = {id(lock): lock for lock in (g.bit_generator.lock for g in generators)}
    taken = [locks[i] for i in sorted(locks)]
    for lock in taken:
        lock.acquire()
    try:
        with host.call(host.begun(generators, handle)):
            yield
    finally:
        for lock in taken:
            lock.release()

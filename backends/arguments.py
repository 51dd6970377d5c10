"""Arrays of the caller that a program writes into.

Compiled code reads and writes contiguous arrays of a few dtypes in place. An argument that is another array (strided, of
another byte order, of a small dtype) is computed on as a copy, which is written back when the call ends, by an error too.

A program takes it for granted that it may write where it writes, and that what it writes is no part of another argument. Calls
for which this is not so have a program of their own (`Case`), or are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir.core import errors
from ..ir.core.types import BOOL, NUMPY_DTYPES, Array, is_generator
from ..ir.trace.case import USUAL, Case

_MOST_WORK: Any = 100_000  # of NumPy's search for an element that two strided arrays share


@dataclass(frozen=True)
class Written:
    """The argument leaves that a function's program writes into, with the names of all of them, and the arrays that it captures."""

    function: str
    leaves: tuple[int, ...]
    names: Sequence[str]
    captured: Sequence[Any]

    def case(self, args: Sequence[Any]) -> Case:
        """What is particular about these arguments."""
        read_only = tuple(i for i in self.leaves if not args[i].flags.writeable)
        for i in self.leaves:
            if i not in read_only:
                self._check(i, args[i])
        groups: list[tuple[int, ...]] = []
        for i in self.leaves:
            found = [j for j, y in enumerate(args) if isinstance(y, np.ndarray) and (j == i or overlap(args[i], y))]
            joined = {*found, *(j for g in groups if {*g} & {*found} for j in g)}
            groups = [g for g in groups if not {*g} & joined] + [tuple(sorted(joined))]
        together = tuple((self._axis(g, args), g) for g in groups if len(g) > 1)
        return Case(read_only, together) if read_only or together else USUAL

    def _check(self, i: int, x: Any) -> None:
        if folded(x):
            self._refuse(
                f"writes into {self._name(i)}, some of whose elements are the same memory (shape {x.shape}, strides {x.strides}): give a copy of it"
            )
        if any(overlap(x, c) for c in self.captured):
            self._refuse(
                f"writes into {self._name(i)}, which overlaps in memory with an array that the function captures: give a copy, or make the "
                "captured array an argument too"
            )

    def _axis(self, group: Sequence[int], args: Sequence[Any]) -> int:
        arrays = [args[i] for i in group]
        alike = len({(x.dtype, x.ndim, x.strides, x.flags.writeable) for x in arrays}) == 1
        for axis in range(arrays[0].ndim) if alike else ():
            if parts(axis, arrays) is not None:
                return axis
        names = " and ".join(map(self._name, group))
        self._refuse(
            f"writes into one of {names}, which overlap in memory and are not parts of one array along one axis: give a copy of one of them"
        )
        raise AssertionError

    def _name(self, i: int) -> str:
        return f"argument `{self.names[i]}`" if i < len(self.names) else f"argument leaf {i}"

    def _refuse(self, what: str) -> None:
        raise errors.UnsupportedOperationError(f"`{self.function}` {what}")


def parts(axis: int, arrays: Sequence[Any]) -> tuple[Any, list[int]] | None:
    """The array that these are parts of along an axis, and the start and the size of each part; None if there is none."""
    low = min(arrays, key=lambda x: x.ctypes.data)
    step = low.strides[axis]
    starts = [x.ctypes.data - low.ctypes.data for x in arrays]
    others = {x.shape[:axis] + x.shape[axis + 1 :] for x in arrays}
    if step <= 0 or len(others) > 1 or any(start % step for start in starts):
        return None
    numbers = [n for start, x in zip(starts, arrays, strict=True) for n in (start // step, x.shape[axis])]
    shape = list(low.shape)
    shape[axis] = max(start + size for start, size in zip(numbers[::2], numbers[1::2], strict=True))
    whole = np.lib.stride_tricks.as_strided(low, shape, low.strides)
    return None if folded(whole) else (whole, numbers)


def of_case(case: Case, args: Sequence[Any]) -> list[Any]:
    """The arguments of the case's program."""
    out = list(args)
    for axis, group in case.groups:
        found = parts(axis, [args[i] for i in group])
        assert found is not None
        whole, numbers = found
        for i in group:
            out[i] = whole if i == group[0] else np.empty((0,) * args[i].ndim, args[i].dtype)
        out += numbers
    return out


def overlap(x: Any, y: Any) -> bool:
    """Do two arrays share an element?"""
    try:
        return bool(np.shares_memory(x, y, max_work=_MOST_WORK))
    except Exception:  # NumPy's TooHardError, whose place has changed: they may
        return True


def folded(x: Any) -> bool:
    """Has an array more elements than the memory that it spans?"""
    span = x.itemsize + sum((n - 1) * abs(s) for n, s in zip(x.shape, x.strides, strict=True))
    return bool(x.size > 0 and span < x.nbytes)


def machine_value(x: Any, t: Any) -> Any:
    """An argument leaf as a value of its type: a NumPy scalar, a bool, a contiguous array, a generator."""
    if isinstance(t, Array):
        return np.ascontiguousarray(x, NUMPY_DTYPES[t.dtype])
    if is_generator(x):
        return x
    return bool(x) if t == BOOL else NUMPY_DTYPES[t].type(x)


def writable(exact: Any, written: bool) -> Any:
    """The form of an argument that is computed on, as an array that can be written into if it is to be."""
    return exact.copy() if written and not exact.flags.writeable else exact


@contextmanager
def written_back(args: Sequence[Any], exact: Sequence[Any], written: Written) -> Iterator[None]:
    """Around a call with `exact` for `args`: what it has written into copies goes back to the caller's arrays."""
    try:
        yield
    finally:
        for i in written.leaves:
            if not np.may_share_memory(args[i], exact[i]):
                _put(args[i], exact[i], written, i)


def _put(x: Any, value: Any, written: Written, i: int) -> None:
    if x.dtype.kind in "iu" and x.dtype.itemsize < value.dtype.itemsize and x.size:
        limits = np.iinfo(x.dtype)
        least, most = value.min(), value.max()
        if least < limits.min or most > limits.max:
            raise errors.IntegerOverflowError(
                f"`{written.function}` writes {least if least < limits.min else most} into {written._name(i)}, an array of {x.dtype.name}: give an "
                "array of int32 or int64"
            )
    x[...] = value

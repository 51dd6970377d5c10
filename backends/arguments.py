"""Arrays of the caller that a program writes into.

Compiled code reads and writes contiguous arrays of a few dtypes in place. An argument that is another array (strided, of
another byte order, of a small dtype) is computed on as a copy, which is written back when the call ends, by an error too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..ir import errors

_MOST_WORK = 100_000  # of NumPy's search for an element that two strided arrays share


def check_written(args: Sequence[Any], written: Sequence[int], constants: Sequence[Any]) -> None:
    """Raise unless these argument leaves may be written into: those in `written`, beside the others and the captured arrays."""
    for i in written:
        x = args[i]
        if not x.flags.writeable:
            raise ValueError("assignment destination is read-only")
        if folded(x):
            raise errors.ArgumentTypeError(
                f"argument {i} is written into, and some of its elements are the same memory (shape {x.shape}, strides {x.strides}): give a copy of it"
            )
        for j, y in enumerate(args):
            if j != i and isinstance(y, np.ndarray) and overlap(x, y):
                raise errors.ArgumentTypeError(
                    f"arguments {min(i, j)} and {max(i, j)} overlap in memory, and one of them is written into: give a copy of one of them"
                )
        if any(overlap(x, c) for c in constants):
            raise errors.ArgumentTypeError(
                f"argument {i} is written into, and overlaps in memory with an array that the function captures: give a copy of one of them"
            )


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


def writable(exact: Any, written: bool) -> Any:
    """The form of an argument that is computed on, as an array that can be written into if it is to be."""
    return exact.copy() if written and not exact.flags.writeable else exact


@contextmanager
def written_back(args: Sequence[Any], exact: Sequence[Any], written: Sequence[int]) -> Iterator[None]:
    """Around a call with `exact` for `args`: what it has written into copies goes back to the caller's arrays."""
    try:
        yield
    finally:
        for i in written:
            if not np.may_share_memory(args[i], exact[i]):
                _put(args[i], exact[i], i)


def _put(x: Any, value: Any, i: int) -> None:
    if x.dtype.kind in "iu" and x.dtype.itemsize < value.dtype.itemsize and x.size:
        limits = np.iinfo(x.dtype)
        least, most = value.min(), value.max()
        if least < limits.min or most > limits.max:
            raise errors.IntegerOverflowError(
                f"argument {i} is an array of {x.dtype.name}, and {least if least < limits.min else most}, which the function writes into it, "
                "is no such number: give an array of int32 or int64"
            )
    x[...] = value

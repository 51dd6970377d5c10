"""Sorting and binary search. The sort is a stable merge sort, as a traced program: positions that sort each row of a matrix, NaNs
last as NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.sites import user_site
from ..core.types import I64
from ..ops.library import rules
from ..values import reshaping
from ..values.kernels import filled
from ..values.library import bind
from ..values.values import Arrayed
from ..values.views import as_array, contiguous, shape_of
from ..values.writes import assign
from .axes import along, back_from_rows, ravel, rows
from .choosing import take_along
from .common import astype, common_dtype, program
from .registry import implements


@implements(np.argsort, method="argsort")
def argsort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    a, at = along(a, axis)
    matrix, order_, shape = rows(a, at)
    out = bind("argsort", (matrix,), [(I64, shape_of(matrix))], fails=False)[0]
    return back_from_rows(out, order_, shape)


@implements(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    a, at = along(a, axis)
    return take_along(a, argsort(a, at), at)


@implements(method="sort")
def _sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> None:
    assign(a, sort(a, axis))


@implements(np.searchsorted, method="searchsorted")
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Positions by binary search in a kernel: as many steps as the array's size has bits."""
    a, v = as_array(a), as_array(v)
    if not isinstance(a, Arrayed):
        raise ValueError(f"object of too small depth for desired array ({user_site()})")
    a = contiguous(a)
    if sorter is not None:
        a = a[sorter]
    right = side == "right"
    one_value = not isinstance(v, Arrayed)
    if one_value:
        v = filled(v, (1,))
    t = common_dtype([a, v])
    a, v = (x if x.type.dtype == t else astype(x, t) for x in (a, v))
    out = positions(a, contiguous(ravel(v)), right)
    return out[0] if one_value else reshaping.reshape(out, shape_of(v))


@program
def positions(a: Any, values: Any, right: bool) -> Any:
    """Where each value belongs in the sorted `a`, by binary search: before its equals, or behind them."""
    out = np.zeros(len(values), int)
    for i in range(len(values)):
        x, low, high = values[i], 0, len(a)
        while low < high:
            middle = (low + high) // 2
            y = reshaping.read(a, (middle,))  # it is in bounds
            if not before(x, y) if right else before(y, x):
                low = middle + 1
            else:
                high = middle
        out[i] = low
    return out


@program
def before(x: Any, y: Any) -> Any:
    """Does x come strictly before y? NaNs come last."""
    return (x < y) | ((y != y) & (x == x))


@program
def argsort_rows(x: Any) -> Any:
    """A stable merge sort of each row, bottom-up: runs of 1, 2, 4, .. are merged between two rows of positions."""
    rows, n = x.shape
    out, merged = np.zeros((rows, n), int), np.zeros(n, int)
    for r in range(rows):
        for i in range(n):
            out[r, i] = i
        width = 1
        while width < n:
            for pair in range((n + 2 * width - 1) // (2 * width)):
                start = 2 * pair * width
                middle, end = min(start + width, n), min(start + 2 * width, n)
                i, j = start, middle
                for k in range(start, end):
                    left = i < middle
                    if left and j < end:
                        left = not before(x[r, out[r, j]], x[r, out[r, i]])
                    if left:
                        merged[k] = out[r, i]
                        i += 1
                    else:
                        merged[k] = out[r, j]
                        j += 1
            for i in range(n):
                out[r, i] = merged[i]
            width *= 2
    return out


rules("argsort", program=argsort_rows)

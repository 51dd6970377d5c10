"""Sorting and binary search. The sort is a stable merge sort, as a traced program: positions that sort each row of a matrix, NaNs
last as NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.sites import unsupported, user_site
from ..core.types import C128, I64, is_complex
from ..ops.library import rules
from ..values import reshaping, sizes
from ..values.complexes.pairs import is_complex_array, is_complex_number
from ..values.library import bind
from ..values.values import Arrayed
from ..values.views import as_array, contiguous, shape_of
from ..values.writes import assign
from .axes import along, back_from_rows, ravel, rows
from .choosing import take_along
from .common import arrayed, astype, common_dtype, program, scalar_kind
from .registry import implements


@implements(np.argsort, method="argsort")
def argsort(a: Any, axis: Any = -1, kind: Any = None) -> Any:
    a, at = along(a, axis)
    if is_complex_array(a):  # by their real parts, then by their imaginary parts; those with NaNs last
        return lexsort((a.imag, a.real, 2 * np.isnan(a.real) + np.isnan(a.imag)), at)
    matrix, order, shape = rows(a, at)
    out = bind("argsort", (matrix,), [(I64, shape_of(matrix))], fails=False)[0]
    return back_from_rows(out, order, shape)


@implements(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None) -> Any:
    a, at = along(a, axis)
    return take_along(a, argsort(a, at), at)


implements(method="sort")(lambda a, axis=-1, kind=None, order=None, *, stable=None: assign(a, sort(a, axis)))


# What is sorted is partitioned too, at each of its places.
implements(np.partition)(lambda a, kth, axis=-1: sort(a, axis))
implements(np.argpartition, method="argpartition")(lambda a, kth, axis=-1: argsort(a, axis))
implements(method="partition")(lambda a, kth, axis=-1, kind="introselect", order=None: assign(a, sort(a, axis)))
implements(np.sort_complex)(lambda a: sort(a if is_complex(scalar_kind(as_array(a))) else astype(arrayed(a), C128)))


@implements(np.lexsort)
def lexsort(keys: Any, axis: Any = -1) -> Any:
    """The order by the last key, then the one before it and so on."""
    if isinstance(keys, Arrayed):
        n = sizes.needed(shape_of(keys)[0])
        if n is None:
            unsupported("np.lexsort of so many keys that their number depends on values", "give a tuple of keys")
        keys = [keys[i] for i in range(int(n))]
    order: Any = None
    for key in map(as_array, keys):
        at = along(key, axis)[1]
        order = argsort(key, at) if order is None else take_along(order, argsort(take_along(key, order, at), at), at)
    return order


@implements(np.searchsorted, method="searchsorted")
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    a, v = as_array(a), as_array(v)
    if not isinstance(a, Arrayed):
        raise ValueError(f"object of too small depth for desired array ({user_site()})")
    a = contiguous(a)
    a, given = a if sorter is None else a[sorter], arrayed(v)
    t = common_dtype([a, given])
    sorted_, values = (x if x.type.dtype == t else astype(x, t) for x in (a, given))
    out = positions(sorted_, contiguous(ravel(values)), side == "right")
    return reshaping.reshape(out, shape_of(v)) if isinstance(v, Arrayed) else out[0]


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


def before(x: Any, y: Any) -> Any:
    """Does x come strictly before y? NaNs come last; complex numbers by their real parts first, those with NaNs last."""
    if is_complex_number(x):
        p, q = (2 * np.isnan(z.real) + np.isnan(z.imag) for z in (x, y))
        return (p < q) | ((p == q) & ((x.real < y.real) | (np.logical_not(y.real < x.real) & (x.imag < y.imag))))
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

"""Sorting and binary search. Sorts are stable, and traced programs: positions that sort each row of a matrix, NaNs last as NumPy's. Few elements
are merged, many go through buckets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.sites import unsupported, user_site
from ..core.types import C128, I64, is_complex, is_float
from ..ops import table
from ..ops.library import rules
from ..values import reshaping, sizes
from ..values.complexes.pairs import is_complex_array, is_complex_number
from ..values.library import bind
from ..values.values import Arrayed, to_type
from ..values.views import as_array, contiguous, shape_of
from ..values.writes import assign, store
from .axes import along, back_from_rows, ravel, rows
from .choosing import take_along
from .common import arrayed, astype, common_dtype, program, scalar_kind, shared
from .registry import implements

FEW = 600  # elements: merging them is faster
BLOCK = 16  # elements: counting which are less is faster
DIGITS, BUCKETS = 8, 256


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


def positions(a: Any, values: Any, right: bool) -> Any:
    """Where each value belongs in the sorted `a`: before its equals, or behind them. No derivative goes through the search, so it is a function of its own,
    of which the way back knows nothing."""
    return (_behind if right else _in_front)(a, values)


@shared
def _in_front(a: Any, values: Any) -> Any:
    return _places(a, values, lambda x, y: before(y, x))


@shared
def _behind(a: Any, values: Any) -> Any:
    return _places(a, values, lambda x, y: np.logical_not(before(x, y)))


@program
def _places(a: Any, values: Any, goes_on: Any) -> Any:
    """By binary search. It takes as many steps for each, and chooses in each without a branch, since nobody can foresee it: so searches overlap."""
    out = np.zeros(len(values), int)
    if len(a) > 0:
        for i in range(len(values)):
            x, size = values[i], len(a)
            low: Any = 0
            while size > 1:
                half = size // 2
                low = np.where(goes_on(x, get(a, (low + half - 1,))), low + half, low)
                size -= half
            out[i] = np.where(goes_on(x, get(a, (low,))), low + 1, low)
    return out


def before(x: Any, y: Any) -> Any:
    """Does x come strictly before y? NaNs come last; complex numbers by their real parts first, those with NaNs last."""
    if is_complex_number(x):
        p, q = (2 * np.isnan(z.real) + np.isnan(z.imag) for z in (x, y))
        return (p < q) | ((p == q) & ((x.real < y.real) | (np.logical_not(y.real < x.real) & (x.imag < y.imag))))
    return (x < y) | ((y != y) & (x == x))


@program
def argsort_rows(x: Any) -> Any:
    """Positions that sort each row of a matrix, of equals the earlier one first. Ints in whose order the elements are go, with their positions, to and
    fro between the two rows of `keys` and of `places`."""
    rows, n = x.shape
    blocks = (n + BLOCK - 1) // BLOCK
    out, keys, places = np.zeros((rows, n), int), np.zeros((2, blocks * BLOCK), int), np.zeros((2, blocks * BLOCK), int)
    counts = np.zeros(DIGITS * BUCKETS, int)
    for r in range(rows):
        for i in range(n):
            put(keys, (0, i), order_of(x[r, i]))
            put(places, (0, i), i)
        for i in range(n, blocks * BLOCK):
            put(keys, (0, i), 2**63 - 1)  # they come last
            put(places, (0, i), i)
        if n < FEW:
            by_ranks(keys, places, counts)
            side = by_merging(keys, places)
        else:
            side = by_digits(keys, places, counts, n)
        for i in range(n):
            out[r, i] = get(places, (side, i))
    return out


def order_of(x: Any) -> Any:
    return table.order_of(x) if is_float(x.type) else to_type(x, I64)


def get(a: Any, at: Sequence[Any]) -> Any:
    """An element at a place that is there."""
    return reshaping.read(a, at)


def put(a: Any, at: Sequence[Any], v: Any) -> None:
    store(a, at, v, False)


@shared
def by_ranks(keys: Any, places: Any, ranks: Any) -> None:
    """Blocks are sorted by how many elements come before each, which vectors count: they go from row 0 to row 1."""
    for first in range(0, keys.shape[1], BLOCK):
        for j in range(BLOCK):
            put(ranks, (j,), 0)
        for i in range(BLOCK):
            x = get(keys, (0, first + i))
            for j in range(BLOCK):
                y = get(keys, (0, first + j))
                put(ranks, (j,), get(ranks, (j,)) + ((x < y) | ((x == y) & (i < j))))
        for j in range(BLOCK):
            to = first + get(ranks, (j,))
            put(keys, (1, to), get(keys, (0, first + j)))
            put(places, (1, to), get(places, (0, first + j)))


@shared
def by_merging(keys: Any, places: Any) -> Any:
    """Sorted blocks are merged, two to one, then these. Which element comes next is a choice, not a branch, since nobody can foresee it."""
    n, side, width = keys.shape[1], 1, BLOCK
    while width < n:
        to = 1 - side
        for pair in range((n + 2 * width - 1) // (2 * width)):
            start = 2 * pair * width
            middle, end = min(start + width, n), min(start + 2 * width, n)
            i: Any = start
            j, k = middle, start
            while i < middle and j < end:
                x, y = get(keys, (side, i)), get(keys, (side, j))
                later = y < x
                put(keys, (to, k), np.where(later, y, x))
                put(places, (to, k), get(places, (side, np.where(later, j, i))))
                i, j, k = i + (1 - later), j + later, k + 1
            i = np.where(i < middle, i, j)
            for rest in range(end - k):
                put(keys, (to, k + rest), get(keys, (side, i + rest)))
                put(places, (to, k + rest), get(places, (side, i + rest)))
        side, width = to, width * 2
    return side


@shared
def by_digits(keys: Any, places: Any, counts: Any, n: Any) -> Any:
    """From the last digit to the first, each time in the order of one digit, and among equal ones as before (Knuth, The Art of Computer Programming,
    volume 3, 5.2.5). A digit that all have is left out."""
    side = 0
    counts[:] = 0
    for i in range(n):
        x = get(keys, (0, i))
        for d in range(DIGITS):
            at = (d * BUCKETS + digit(x, d),)
            put(counts, at, get(counts, at) + 1)
    for d in range(DIGITS):
        first = d * BUCKETS
        if get(counts, (first + digit(get(keys, (0, 0)), d),)) < n:
            before = 0
            for b in range(BUCKETS):
                here = get(counts, (first + b,))
                put(counts, (first + b,), before)
                before += here
            to = 1 - side
            for i in range(n):
                x = get(keys, (side, i))
                at = (first + digit(x, d),)
                k = get(counts, at)
                put(counts, at, k + 1)
                put(keys, (to, k), x)
                put(places, (to, k), get(places, (side, i)))
            side = to
    return side


def digit(x: Any, d: Any) -> Any:
    """Negative numbers come first."""
    shifted = table.ishr(table.ixor(x, -(2**63)), d * 8)
    return table.iand(shifted, BUCKETS - 1)


rules("argsort", program=argsort_rows)

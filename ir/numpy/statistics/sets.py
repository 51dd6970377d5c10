"""Sets: what there is, each once and sorted. How many there are is known when the program runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.types import is_inexact
from ...values.reshaping import reshape
from ...values.values import Arrayed
from ...values.views import as_array, shape_of
from ..axes import moveaxis, ravel
from ..common import arrayed, program
from ..registry import implements
from ..shaping import concatenate
from ..sorting import searchsorted, sort


@implements(np.unique)
def unique(
    ar: Any,
    return_index: Any = False,
    return_inverse: Any = False,
    return_counts: Any = False,
    axis: Any = None,
    *,
    equal_nan: Any = True,
    sorted: Any = True,  # NumPy's
) -> Any:
    a = arrayed(ar)
    wanted = (return_index, return_inverse, return_counts)
    if axis is None:
        found = _unique(ravel(a), bool(equal_nan) and is_inexact(a.type.dtype), *map(bool, wanted))
        inverse = reshape(found[2], shape_of(as_array(ar))) if return_inverse else None
    else:
        rows = moveaxis(a, axis, 0)
        shape = shape_of(rows)
        found = _unique_rows(reshape(rows, [shape[0], -1]), *map(bool, wanted))
        found = (moveaxis(reshape(found[0], [shape_of(found[0])[0], *shape[1:]]), 0, axis), *found[1:])
        inverse = found[2]
    given = (found[0], *(x for x, want in zip((found[1], inverse, found[3]), wanted, strict=True) if want))
    return given[0] if len(given) == 1 else given


@program
def _unique(x: Any, one_nan: Any, index: Any, inverse: Any, counts: Any) -> Any:
    order = np.argsort(x)
    s = x[order]
    first = np.ones(len(s), bool)
    first[1:] = s[1:] != s[:-1]
    if one_nan:
        first[1:] &= ~(np.isnan(s[1:]) & np.isnan(s[:-1]))
    return _told(order, first, s[first], index, inverse, counts)


@program
def _unique_rows(m: Any, index: Any, inverse: Any, counts: Any) -> Any:
    order = np.arange(len(m))
    for j in range(m.shape[1] - 1, -1, -1):
        order = order[np.argsort(m[:, j][order])]
    s = m[order]
    first = np.ones(len(s), bool)
    first[1:] = np.any(s[1:] != s[:-1], axis=1)
    return _told(order, first, s[first], index, inverse, counts)


@program
def _told(order: Any, first: Any, found: Any, index: Any, inverse: Any, counts: Any) -> Any:
    where = np.flatnonzero(first)
    places, number = None, None
    if inverse:
        places = np.zeros(len(order), int)
        places[order] = np.cumsum(first) - 1
    if counts:
        number = np.diff(np.append(where, len(order)))
    return found, order[where] if index else None, places, number


def _named(function: Any, index: bool, inverse: bool, counts: bool) -> Any:
    """One of the array API's functions, which give named tuples and take no two NaNs for one."""
    kind = type(function(np.zeros(0)))
    return lambda x, /: kind(*unique(x, index, inverse, counts, equal_nan=False))


implements(np.unique_values)(lambda x, /: unique(x, equal_nan=False))
implements(np.unique_counts)(_named(np.unique_counts, False, False, True))
implements(np.unique_inverse)(_named(np.unique_inverse, False, True, False))
implements(np.unique_all)(_named(np.unique_all, True, True, True))


@implements(np.isin)
def isin(element: Any, test_elements: Any, assume_unique: Any = False, invert: Any = False) -> Any:
    element, known = as_array(element), sort(ravel(test_elements))
    found = np.logical_and(searchsorted(known, element, "left") < searchsorted(known, element, "right"), np.equal(element, element))
    return np.logical_not(found) if invert else found


def _each_once(x: Any, assume_unique: Any) -> Any:
    return ravel(x) if assume_unique else unique(x)


@implements(np.intersect1d)
def intersect1d(ar1: Any, ar2: Any, assume_unique: Any = False, return_indices: Any = False) -> Any:
    x, at = unique(ar1, return_index=True)
    y, there = unique(ar2, return_index=True)
    both = isin(x, y)
    kept = x[both].astype(np.result_type(x.dtype, y.dtype), copy=False)
    return (kept, at[both], there[isin(y, x)]) if return_indices else kept


implements(np.union1d)(lambda ar1, ar2: unique(concatenate([ravel(ar1), ravel(ar2)])))


@implements(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: Any = False) -> Any:
    x = _each_once(ar1, assume_unique)
    return x[isin(x, ar2, invert=True)]


@implements(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: Any = False) -> Any:
    s: Arrayed = sort(concatenate([_each_once(ar1, assume_unique), _each_once(ar2, assume_unique)]))
    return s[_alone(s)]


@program
def _alone(s: Any) -> Any:
    """Which elements differ from both of their neighbours?"""
    alone = np.ones(len(s), bool)
    alone[1:] = s[1:] != s[:-1]
    alone[:-1] &= s[1:] != s[:-1]
    return alone

"""Arrays with elements put in, taken out, repeated and taken apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core import errors
from ...core.sites import unsupported, user_site
from ...core.types import BOOL, I64
from ...values import sizes
from ...values.reshaping import expand, reshape, spread
from ...values.values import Arrayed, is_traced
from ...values.views import as_array, axes_of, shape_of
from ..axes import along, moveaxis, ravel
from ..choosing import nonzero, take
from ..common import astype, axis_of, items_of, require
from ..creation import arange, array, ones, zeros
from ..registry import implements, newer
from ..shaping import _split, concatenate, diag
from ..sorting import argsort, searchsorted, sort


def _head(at: int) -> tuple[slice, ...]:
    return (slice(None),) * at


def _from_front(i: Any, n: Any, axis: int, beyond: int) -> Any:
    """An index from the front, checked: up to n - 1, or to n."""
    if not is_traced(i) and sizes.is_known(n):
        size = int(sizes.plain(n))
        if not -size <= int(i) < size + beyond:
            raise errors.ArrayIndexError(f"index {int(i)} is out of bounds for axis {axis} with size {size} ({user_site()})")
        return int(i) + (size if i < 0 else 0)
    if beyond:
        i = np.where(np.less(i, 0), i + n, i) if is_traced(i) else i if i >= 0 else sizes.add(n, int(i))
        good = np.logical_and(np.greater_equal(i, 0), np.less_equal(i, n))
        require(good, IndexError(f"index is out of bounds for axis {axis}"))
        return i
    return arange(n)[i]


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    a, at = along(arr, axis)
    n, where = shape_of(a)[at], _positions(obj, shape_of(a)[at])
    alone = not isinstance(where, Arrayed)
    values = as_array(values)
    values = astype(values, a.type.dtype) if isinstance(values, Arrayed) else array([values], a.dtype)
    values = expand(values, range(a.ndim - values.ndim)) if values.ndim < a.ndim else values
    if alone or sizes.is_just(shape_of(where)[0], 1):
        values = moveaxis(values, 0, at) if alone else values
        shape = shape_of(a)
        values = spread(values, [*shape[:at], shape_of(values)[at], *shape[at + 1 :]])
        i = _from_front(where if alone else where[0], n, at, 1)
        return concatenate([a[(*_head(at), slice(None, i))], values, a[(*_head(at), slice(i, None))]], at)
    where = np.where(where < 0, where + n, where)
    k, order = shape_of(where)[0], argsort(where)
    new = zeros(k, int)
    new[order] = where[order] + arange(k)  # where they are in the end
    old = arange(n) + searchsorted(sort(where), arange(n), "right")
    shape = shape_of(a)
    out = zeros((*shape[:at], sizes.add(n, k), *shape[at + 1 :]), a.dtype)
    out[(*_head(at), new)] = values
    out[(*_head(at), old)] = a
    return out


def _positions(obj: Any, n: Any) -> Any:
    """An index, or an array of indices."""
    if isinstance(obj, slice):
        start, stop, step = obj.start, obj.stop, obj.step
        return arange(n)[start:stop:step]
    obj = as_array(obj)
    if not isinstance(obj, Arrayed):
        return obj
    if obj.type.dtype == BOOL:
        return nonzero(ravel(obj))[0]
    return ravel(obj) if sizes.product(shape_of(obj)) != 0 else astype(ravel(obj), I64)


@implements(np.delete)
def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    a, at = along(arr, axis)
    n = shape_of(a)[at]
    if isinstance(obj, (list, tuple)) and not any(map(is_traced, obj)):
        obj = np.asarray(obj) if len(obj) else np.zeros(0, int)
    if isinstance(obj, slice) and obj.step in (None, 1):
        start = obj.start
        head = a[(*_head(at), slice(None, 0 if start is None else start))]
        size = shape_of(a[(*_head(at), obj)])[at]
        rest = sizes.add(shape_of(head)[at], size)
        return concatenate([head, a[(*_head(at), slice(rest, None))]], at)
    if isinstance(obj, np.ndarray) and obj.ndim and sizes.is_known(n):
        return take(a, np.delete(np.arange(int(sizes.plain(n))), obj), at)
    given = as_array(obj) if not isinstance(obj, slice) else obj
    if not isinstance(given, (Arrayed, slice)):
        i = _from_front(given, n, at, 0)
        return concatenate([a[(*_head(at), slice(None, i))], a[(*_head(at), slice(i + 1, None))]], at)
    if isinstance(given, Arrayed) and given.type.dtype == BOOL:
        sizes.require_equal(shape_of(given)[0], n, "boolean array argument obj to delete must be one-dimensional and match the axis length")
        return a[(*_head(at), np.logical_not(given))]
    keep = ones(n, bool)
    keep[given] = False
    return a[(*_head(at), keep)]


@implements(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    flat, shape = ravel(a), items_of(new_shape)
    if any(not is_traced(n) and n < 0 for n in shape):
        raise ValueError(f"all elements of `new_shape` must be non-negative ({user_site()})")
    n = shape_of(flat)[0]
    flat = concatenate([flat, zeros(1, flat.dtype)])  # of nothing: zeros
    return reshape(flat[arange(sizes.product(shape)) % np.maximum(n, 1)], shape)


@implements(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    a = as_array(a)
    axis, start = axis_of(axis, a.ndim), start + a.ndim if start < 0 else start
    if not 0 <= start <= a.ndim:
        raise errors.AxisError(f"start arg requires {-a.ndim} <= start < {a.ndim + 1}, but {start} was passed in ({user_site()})")
    return moveaxis(a, axis, start - 1 if axis < start else start)


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    return diag(ravel(v), k)


@implements(newer("unstack"))
def unstack(x: Any, /, *, axis: int = 0) -> Any:
    x = as_array(x)
    if not isinstance(x, Arrayed):
        raise ValueError(f"Input array must be at least 1-d. ({user_site()})")
    rows = moveaxis(x, axis, 0)
    n = sizes.needed(shape_of(rows)[0])
    if n is None:
        unsupported("np.unstack of an axis whose size depends on values", "run over the array in a `for` loop")
    return tuple(rows[i] for i in range(int(n)))


def _split_along(name: str, least: int, axis: int) -> Any:
    def fn(ary: Any, indices_or_sections: Any) -> Any:
        a = as_array(ary)
        if not isinstance(a, Arrayed) or a.ndim < least:
            raise ValueError(f"{name} only works on arrays of {least} or more dimensions ({user_site()})")
        return _split(a, indices_or_sections, axis if a.ndim > axis else 0, True)

    return fn


implements(np.hsplit)(_split_along("hsplit", 1, 1))
implements(np.vsplit)(_split_along("vsplit", 2, 0))
implements(np.dsplit)(_split_along("dsplit", 3, 2))


@implements(np.trim_zeros)
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    a = as_array(filt)
    for q in range(a.ndim) if axis is None else axes_of(axis, a.ndim):
        there = nonzero(np.any(np.not_equal(a, 0), axis=tuple(p for p in range(a.ndim) if p != q)) if a.ndim > 1 else np.not_equal(a, 0))[0]
        n = shape_of(a)[q]
        none = shape_of(there)[0] == 0
        first = np.min(there, initial=n) if "f" in trim.lower() else 0
        last = np.max(there, initial=-1) + 1 if "b" in trim.lower() else n
        first = np.where(none, n if "f" in trim.lower() else 0, first)
        a = a[(*_head(q), slice(first, last))]
    return a

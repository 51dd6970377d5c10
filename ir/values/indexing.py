"""Indices and slices, as views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import errors
from ..core.sites import user_site
from ..core.types import BOOL, I64
from ..ops import table
from . import sizes
from .sizes import Size, is_just, lifted
from .values import Arrayed, Traced, is_traced, scalar_type
from .views import View, as_array, base_of, shape_of, spec_of


def split_index(a: Arrayed, index: Any) -> list[Any]:
    """One part for each axis, and None for new ones; an Ellipsis is written out."""
    parts = list(index) if isinstance(index, tuple) else [index]
    parts = [
        np.asarray(p) if isinstance(p, (list, tuple)) and not any(map(is_traced, p)) else as_array(p) if isinstance(p, (list, tuple)) else p
        for p in parts
    ]
    used = sum(_consumes(p) for p in parts)
    if used > a.ndim:
        raise errors.ArrayIndexError(f"too many indices for array: array is {a.ndim}-dimensional, but {used} were indexed ({user_site()})")
    ellipses = [i for i, p in enumerate(parts) if p is Ellipsis]
    if len(ellipses) > 1:
        raise errors.ArrayIndexError(f"an index can only have a single ellipsis ('...') ({user_site()})")
    at = ellipses[0] if ellipses else len(parts)
    parts[at : at + 1] = [slice(None)] * (a.ndim - used)
    return parts


def _consumes(p: Any) -> int:
    if p is None or p is Ellipsis:
        return 0
    return p.ndim if is_mask(p) else 1


def is_mask(p: Any) -> bool:
    return (isinstance(p, Arrayed) and p.type.dtype == BOOL) or (isinstance(p, np.ndarray) and p.dtype == bool and p.ndim > 0)


def _is_int(p: Any) -> bool:
    return p is not None and not isinstance(p, slice) and p is not Ellipsis


def _int(p: Any) -> Any:
    found = scalar_type(p)
    if found is None or found[0] != I64:
        raise errors.ArrayIndexError(f"array indices must be ints, not {p!r} ({user_site()})")
    return p


def basic(a: Arrayed, parts: Sequence[Any], checked: bool = True) -> View:
    """The view that ints, slices and new axes choose."""
    shape, old = shape_of(a), spec_of(a)
    chosen: list[tuple[str, Size, Size]] = []  # for each axis of a: what start and step become, in its own terms
    at: list[int] = []
    new_shape: list[Size] = []
    v = 0
    for p in parts:
        if p is None:
            new_shape.append(1)
            continue
        n = shape[v]
        if isinstance(p, slice):
            start, step, size = slice_of(p, n)
            at.append(len(new_shape))
            chosen.append(("slice", start, step))
            new_shape.append(size)
        else:
            i = _int(p)
            chosen.append(("int", index_in(i, n, v) if checked else i, 0))
            at.append(-1)
        v += 1
    spec = []
    for axis, start, step in old:
        if axis < 0:
            spec.append((-1, start, 0))
            continue
        kind, s, t = chosen[axis]
        first = sizes.add(start, sizes.mul(step, s))
        spec.append((at[axis], first, sizes.mul(step, t) if kind == "slice" else 0))
    return View(base_of(a), spec, new_shape, a.owned)


def index_in(i: Any, n: Size, axis: int) -> Size:
    """An index as one that counts from the front, checked now or when the program runs."""
    if not isinstance(i, Traced) and sizes.is_known(n):
        size = int(sizes.plain(n))
        if not -size <= int(i) < size:
            raise errors.ArrayIndexError(f"index {int(i)} is out of bounds for axis {axis} with size {size} ({user_site()})")
        return int(i) % size
    return table.check_index(*lifted(i, n), axis=axis)


def slice_of(s: slice, n: Size) -> tuple[Size, Size, Size]:
    """(start, step, size) of a slice of an axis of size n."""
    step = 1 if s.step is None else s.step
    if isinstance(step, Traced):
        step = sizes.needed(step)
        if step is None:
            raise errors.TracedConditionError(f"the step of a slice at {user_site()} must be a plain int")
    if step == 0:
        raise ValueError(f"slice step cannot be zero ({user_site()})")
    for x in (s.start, s.stop):
        found = scalar_type(x) if x is not None else (I64, True)
        if found is None or found[0] != I64:
            raise TypeError(f"slice indices must be integers or None ({user_site()})")
    n = sizes.plain(n)
    if sizes.is_known(n) and not isinstance(s.start, Traced) and not isinstance(s.stop, Traced):
        r = range(*slice(s.start, s.stop, step).indices(n))
        return (r.start if len(r) else 0), step, len(r)
    if step > 0:
        return _forward(s.start, s.stop, int(step), n)
    first = sizes.add(n, -1) if s.start is None else _clamped(s.start, n, -1)
    last: Size = -1 if s.stop is None else _clamped(s.stop, n, -1)
    size = sizes.nonnegative(sizes.floordiv(sizes.add(sizes.sub(first, last), -step - 1), -step))
    return first, step, size


def _forward(start: Any, stop: Any, step: int, n: Size) -> tuple[Size, Size, Size]:
    if (start is None or (isinstance(start, (int, np.integer)) and start >= 0)) and (
        stop is None or (isinstance(stop, (int, np.integer)) and stop < 0)
    ):
        first: Size = int(start or 0)  # may lie beyond the end: then there are no elements
        length = sizes.nonnegative(sizes.add(n, int(stop or 0) - first))
    else:
        first = 0 if start is None else _clamped(start, n, 0)
        last = n if stop is None else _clamped(stop, n, 0)
        length = last if is_just(first, 0) else sizes.nonnegative(sizes.sub(last, first))
    if step == 1:
        return first, 1, length
    return first, step, sizes.floordiv(sizes.add(length, step - 1), step)


def _clamped(i: Any, n: Size, low: int) -> Size:
    """A slice's end as an index between low and n (n - 1 where low is -1)."""
    if not isinstance(i, Traced):
        i = int(i)
        if i >= 0:
            return sizes.smaller(n, i) if low == 0 else sizes.smaller(sizes.add(n, -1), i)
        return sizes.nonnegative(sizes.add(n, i)) if low == 0 else sizes.add(sizes.nonnegative(sizes.add(n, i + 1)), -1)
    top = n if low == 0 else sizes.add(n, -1)
    wrapped = table.select(table.ilt(i, 0), table.iadd(*lifted(i, n)), i)
    floor, ceiling = lifted(low, top)
    wrapped = table.select(table.ilt(wrapped, low), floor, wrapped)
    return table.select(table.igt(*lifted(wrapped, top)), ceiling, wrapped)

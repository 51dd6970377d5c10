"""Whole-array functions that choose elements, by positions and by conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import errors
from ..core.sites import user_site
from ..core.types import BOOL, F64, NUMPY_DTYPES, is_complex, is_float
from ..ops import table
from ..ops.library import rules
from ..values import gather, indexing, operators, reshaping, sizes, values, writes
from ..values.complexes.pairs import is_complex_array
from ..values.kernels import elementwise, from_index
from ..values.reshaping import expand
from ..values.scalars import truth
from ..values.values import Arrayed, Traced, to_type
from ..values.views import as_array, by_planes, contiguous, is_array, part, plane, shape_of
from ..values.writes import assign
from .axes import along, atleast_1d, ravel
from .common import axis_of, program, require, scalar_kind
from .creation import array
from .registry import implements
from .ufuncs import choose, clip, common, pick, to_constant


def gather_flat(a: Arrayed, index: Arrayed) -> Arrayed:
    return gather.gathered(a, contiguous(index), shape_of(index))


@implements(np.take, method="take")
def take(a: Any, indices: Any, axis: Any = None, mode: str = "raise") -> Any:
    a, at = along(a, axis)
    indices, n = as_array(indices), shape_of(a)[at]
    if mode == "wrap":
        indices = indices % n
    elif mode == "clip":
        indices = np.minimum(np.maximum(indices, 0), sizes.add(n, -1))
    elif mode != "raise":
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r}) ({user_site()})")
    return a[(*[slice(None)] * at, indices)]


def _all_but(indices: Any, axis: int, shape: Sequence[Any]) -> list[Any]:
    """Indices that broadcast: these along one axis, all places along the others."""
    rank = len(shape)
    return [
        indices if q == axis else expand(from_index(lambda i: i, [n], "index"), [j for j in range(rank) if j != q])
        for q, n in enumerate(shape)
    ]


def take_along(a: Arrayed, indices: Arrayed, axis: int) -> Arrayed:
    """np.take_along_axis"""
    shape = [n if sizes.is_just(n, 1) else m for m, n in zip(shape_of(a), shape_of(indices), strict=True)]
    return gather.take_index(a, _all_but(indices, axis, shape))  # type: ignore[no-any-return]


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    a, at = along(arr, axis)
    indices = as_array(indices)
    if indices.ndim != a.ndim:
        raise errors.ArrayShapeError(f"`indices` and `arr` must have the same number of dimensions ({user_site()})")
    return take_along(a, indices, at)


@implements(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: int) -> None:
    a = as_array(arr)
    gather.put_index(a, _all_but(as_array(indices), axis_of(axis, a.ndim), shape_of(a)), values)


@implements(np.compress)
def compress(condition: Any, a: Any, axis: Any = None) -> Any:
    a, at = along(a, axis)
    chosen = nonzero(ravel(condition))[0]  # it may be shorter than the axis
    return a[(*[slice(None)] * at, chosen)]


implements(method="compress")(lambda a, condition, axis=None, out=None: compress(condition, a, axis))


@implements(np.nonzero, method="nonzero")
def nonzero(a: Any) -> Any:
    a = atleast_1d(a)
    mask = a if a.type.dtype == BOOL else elementwise(truth, a, name="truth")
    return tuple(gather._from_mask(mask, mask, 0))


@program
def _places(mask: Any) -> Any:
    """The positions of what holds. Each is written, and stays where it holds: nobody can foresee whether it does."""
    n = np.count_nonzero(mask)
    out: Any = np.zeros(n, int)
    i: Any = 0
    k: Any = 0
    while k < n:  # so there is one more, and a place for it
        writes.store(out, (k,), i, False)
        k += reshaping.read(mask, (i,))
        i += 1
    return out


rules("nonzero", program=_places)


implements(np.flatnonzero)(lambda a: nonzero(ravel(a))[0])


@implements(np.where, gives="array")
def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None:
        return nonzero(condition)
    if operators.has_array(condition, x, y) or isinstance(condition, Traced):
        return choose(condition, x, y)
    return to_constant(x if condition else y, common(x, y)[0])


@implements(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    out = default
    for c, v in zip(reversed(list(condlist)), reversed(list(choicelist)), strict=True):
        out = where(c, v, out)
    return out


implements(method="clip")(lambda a, min=None, max=None, out=None: clip(a, min, max))


@implements(np.round, np.around, method="round")
def round_(a: Any, decimals: int = 0) -> Any:
    if is_complex(scalar_kind(as_array(a))):
        return by_planes(lambda p: round_(p, decimals), as_array(a))
    return elementwise(lambda x: operators.round_numpy(x, decimals), a, name="round")


@implements(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    kind = scalar_kind(as_array(x))
    if is_complex(kind):
        return by_planes(lambda p: nan_to_num(p, copy, nan, posinf, neginf), as_array(x))
    if not is_float(kind):
        return array(x, copy=copy)
    info = np.finfo(NUMPY_DTYPES[kind])
    top, low = float(info.max) if posinf is None else posinf, float(info.min) if neginf is None else neginf

    def one(v: Any) -> Any:
        v = pick(table.isnan(v), nan, v)
        return pick(v < float(info.min), low, pick(v > float(info.max), top, v))

    found = elementwise(one, x, name="nan_to_num")
    if copy or not isinstance(x, Arrayed):
        return found
    assign(x, found)
    return x


@implements(np.isclose)
def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    if any(is_complex(scalar_kind(as_array(x))) for x in (a, b)):
        a, b = as_array(a), as_array(b)
        close = np.where(np.isfinite(b), abs(np.subtract(a, b)) <= atol + rtol * abs(b), np.equal(a, b))
        return np.logical_or(close, np.logical_and(np.isnan(a), np.isnan(b))) if equal_nan else close

    def one(x: Any, y: Any) -> Any:
        x, y = (to_type(v, F64) if isinstance(v, Traced) else values.constant(float(v)) for v in (x, y))
        close = table.select(table.isfinite(y), abs(x - y) <= atol + rtol * abs(y), x == y)
        return close | (table.isnan(x) & table.isnan(y)) if equal_nan else close

    return elementwise(one, a, b, name="isclose")


@implements(method="item", gives="python")
def _item(a: Any, *args: Any) -> Any:
    """x.item(), x.item(flat index), x.item(i, j)"""
    index = args[0] if len(args) == 1 and isinstance(args[0], tuple) else args
    if not index:
        require(a.size == 1, ValueError("can only convert an array of size 1 to a Python scalar"))
    elif len(index) not in (1, a.ndim):
        raise ValueError(f"incorrect number of indices for array ({user_site()})")
    found = a[tuple(index)] if len(index) == a.ndim else ravel(a)[index[0] if index else 0]
    return found.item() if isinstance(found, Traced) else found


implements(method="tolist", gives="python")(lambda a: [x.tolist() if isinstance(x, Arrayed) else x.item() for x in a])
implements(method="fill")(lambda a, value: assign(a, value))


@implements("np.add.at")
def add_at(a: Any, indices: Any, b: Any) -> None:
    b, parts = as_array(b), indexing.split_index(a, indices)
    writes.check_owned(a)
    if is_complex_array(a):
        for k in (0, 1):
            add_at(plane(a, k), indices, part(b, k))
        return
    if any(is_array(p) for p in parts):
        where, shape = gather.positions(a, parts)
        gather.scatter(a, where, shape, b, 1)
        return
    place = a[tuple(parts)]
    if isinstance(place, Arrayed):
        place += b
    else:
        a[tuple(parts)] = place + b


implements("np.subtract.at")(lambda a, indices, b: add_at(a, indices, -as_array(b)))

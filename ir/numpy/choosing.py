"""Whole-array functions that choose elements: take, sort, search, interpolate."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import errors
from ..core.sites import user_site
from ..core.types import BOOL, F64, I64, is_float
from ..ops import table
from ..ops.library import bind
from ..staging.loops import each
from ..values import operators, reshaping, sizes, values
from ..values.arrays import allocate
from ..values.kernels import elementwise, filled, from_index
from ..values.reshaping import expand
from ..values.values import Arrayed, Traced, to_type, truth
from ..values.views import as_array, axes_of, contiguous, shape_of
from .common import (
    UFUNCS_OF,
    along,
    atleast_1d,
    back_from_rows,
    common_dtype,
    float_array,
    plain_arguments,
    ravel,
    rows,
    scalar_kind,
    values_dtype,
)
from .creation import array, astype
from .dispatch import FUNCTIONS as OF_SCALARS
from .dispatch import common, to_constant


def gather_flat(a: Arrayed, index: Arrayed) -> Arrayed:
    from ..values.gather import gathered

    return gathered(a, contiguous(index), shape_of(index))


def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    a, at = along(a, axis)
    indices, n = as_array(indices), shape_of(a)[at]
    if mode == "wrap":
        indices = indices % n
    elif mode == "clip":
        indices = UFUNCS_OF["minimum"](UFUNCS_OF["maximum"](indices, 0), sizes.add(n, -1))
    elif mode != "raise":
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r}) ({user_site()})")
    return a[(*[slice(None)] * at, indices)]


def take_along(a: Arrayed, indices: Arrayed, axis: int) -> Arrayed:
    """np.take_along_axis"""
    shape, own = shape_of(a), shape_of(indices)
    parts: list[Any] = []
    for q in range(a.ndim):
        if q == axis:
            parts.append(indices)
        else:
            n = shape[q] if not (sizes.is_known(own[q]) and sizes.plain(own[q]) == 1 and not sizes.same(own[q], shape[q])) else own[q]
            index = from_index(lambda i: i, [n], "index")
            parts.append(expand(index, [j for j in range(a.ndim) if j != q]))
    from ..values.gather import take_index

    return take_index(a, parts)  # type: ignore[no-any-return]


def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    a, at = along(arr, axis)
    indices = as_array(indices)
    if indices.ndim != a.ndim:
        raise errors.ArrayShapeError(f"`indices` and `arr` must have the same number of dimensions ({user_site()})")
    return take_along(a, indices, at)


def put_along_axis(arr: Any, indices: Any, values: Any, axis: int) -> None:
    a, at = as_array(arr), axes_of(axis, arr.ndim)[0]
    indices = as_array(indices)
    parts = [indices if q == at else expand(from_index(lambda i: i, [shape_of(a)[q]], "index"), [j for j in range(a.ndim) if j != q])
             for q in range(a.ndim)]  # fmt: skip
    from ..values.gather import put_index

    put_index(a, parts, values)


def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    a, at = along(a, axis)
    return a[(*[slice(None)] * at, as_array(condition))]


def nonzero(a: Any) -> Any:
    from ..values.gather import _from_mask

    a = atleast_1d(a)
    mask = a if a.type.dtype == BOOL else elementwise(truth, a, name="truth")
    return tuple(_from_mask(mask, mask, 0))


def flatnonzero(a: Any) -> Any:
    return nonzero(ravel(a))[0]


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None:
        return nonzero(condition)
    if operators.has_array(condition, x, y) or isinstance(condition, Traced):
        return OF_SCALARS[np.where](condition, x, y)
    return to_constant(x if condition else y, common(x, y)[0])


def argsort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    a, at = along(a, axis)
    matrix, order_, shape = rows(a, at)
    out = bind("argsort", (matrix,), [(I64, shape_of(matrix))], fails=False)[0]
    return back_from_rows(out, order_, shape)


def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    a, at = along(a, axis)
    return take_along(a, argsort(a, at), at)


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
    out = allocate(I64, tuple(shape_of(v)), 0)
    flat, given = ravel(out), contiguous(ravel(contiguous(v)))
    (n,) = sizes.lifted(shape_of(a)[0])
    each(shape_of(given)[0], lambda i: flat.__setitem__(i, _bisect(a, given[i], n, right)))
    return flat[0] if one_value else out


def _bisect(a: Arrayed, x: Any, n: Any, right: bool) -> Any:
    from ..staging.branches import if_
    from ..staging.loops import while_
    from ..staging.paths import Scope
    from .sorting import before

    cells = {"low": values.constant(0), "high": n}
    scope = Scope(("low", "high"), lambda: (cells["low"], cells["high"]), lambda v: cells.update(low=v[0], high=v[1]))

    def step() -> None:
        middle = table.ifloordiv(table.iadd(cells["low"], cells["high"]), 2)
        y = reshaping.read(a, [middle])
        up = table.logical_xor(before(x, y), True) if right else before(y, x)
        if_(up, lambda: cells.update(low=table.iadd(middle, 1)), lambda: cells.update(high=middle), scope)

    while_(lambda: table.ilt(cells["low"], cells["high"]), step, None, scope)
    return cells["low"]


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Piecewise linear interpolation; beyond the ends the end values."""
    plain_arguments("interp", period=period)
    x, xp, fp = (array(v, F64) if scalar_kind(v) != F64 else v for v in map(float_array, (x, xp, fp)))
    n = shape_of(xp)[0]
    (top,) = sizes.lifted(n)
    i = searchsorted(xp, x, "right")
    low = elementwise(
        lambda k, n: table.select(table.ilt(k, 1), table.isub(k, k), table.select(table.ige(k, n), table.isub(n, 2), table.isub(k, 1))),
        i,
        top,
    )
    low = elementwise(lambda k: table.select(table.ilt(k, 0), table.isub(k, k), k), low)
    high = elementwise(lambda k, n: table.select(table.ilt(table.iadd(k, 1), n), table.iadd(k, 1), k), low, top)
    x0, x1, f0, f1 = xp[low], xp[high], fp[low], fp[high]
    first, last = fp[0], fp[-1]
    below, above = first if left is None else left, last if right is None else right

    def one(v: Any, a: Any, b: Any, p: Any, q: Any, lo: Any, hi: Any, start: Any, end: Any) -> Any:
        gap = b - a
        safe = table.select(table.eq(gap, 0.0), gap + 1.0, gap)
        inside = p + (q - p) * ((v - a) / safe)
        inside = table.select(table.eq(v, end), q, inside)
        lo, hi = to_constant(lo, inside.type), to_constant(hi, inside.type)
        return table.select(table.lt(v, start), lo, table.select(table.gt(v, end), hi, inside))

    return elementwise(one, x, x0, x1, f0, f1, below, above, xp[0], xp[-1], name="interp")


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    out = default
    for c, v in zip(reversed(list(condlist)), reversed(list(choicelist)), strict=True):
        out = where(c, v, out)
    return out


def round_(a: Any, decimals: int = 0, out: Any = None) -> Any:
    a = as_array(a)
    return (
        elementwise(lambda x: OF_SCALARS[np.round](x, decimals), a, name="round")
        if isinstance(a, Arrayed)
        else OF_SCALARS[np.round](a, decimals)
    )


def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    if not is_float(scalar_kind(as_array(x))):
        return array(x)
    info = np.finfo(values_dtype(scalar_kind(as_array(x))))
    top, low = float(info.max) if posinf is None else posinf, float(info.min) if neginf is None else neginf

    def one(v: Any) -> Any:
        v = table.select(table.isnan(v), to_constant(nan, v.type), v)
        v = table.select(table.gt(v, float(info.max)), to_constant(top, v.type), v)
        return table.select(table.lt(v, float(info.min)), to_constant(low, v.type), v)

    return elementwise(one, x, name="nan_to_num")


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    def one(x: Any, y: Any) -> Any:
        x, y = (to_type(v, F64) if isinstance(v, Traced) else values.constant(float(v)) for v in (x, y))
        close = table.le(table.absolute(x - y), atol + rtol * table.absolute(y))
        close = table.select(table.isfinite(y), close, table.eq(x, y))
        return table.logical_or(close, table.logical_and(table.isnan(x), table.isnan(y))) if equal_nan else close

    return elementwise(one, a, b, name="isclose")

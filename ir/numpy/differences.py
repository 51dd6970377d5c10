"""Differences, integrals and polynomials of whole arrays: what numerical methods on grids are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.sites import user_site
from ..core.types import BOOL, F64, is_float
from ..staging.loops import each
from ..values import sizes
from ..values.complexes.pairs import ComplexArray, is_complex_array
from ..values.kernels import elementwise, filled, from_index
from ..values.reshaping import expand, spread
from ..values.values import Arrayed
from ..values.views import as_array, axes_of, part, shape_of
from ..values.writes import assign
from .axes import atleast_1d, moveaxis
from .choosing import gather_flat
from .common import astype, common_dtype, float_array, require, scalar_kind
from .creation import array
from .reductions import sum_
from .registry import implements
from .shaping import concatenate
from .signal.sliding import sliding
from .sorting import argsort, searchsorted
from .ufuncs import pick


@implements(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    a = as_array(a)
    at = axes_of(axis, a.ndim)[0]
    if prepend is not None or append is not None:
        a = concatenate([*_end(prepend, a, at), a, *_end(append, a, at)], at)
    head = (slice(None),) * at
    for _ in range(n):
        x, y = a[(*head, slice(1, None))], a[(*head, slice(None, -1))]
        a = np.not_equal(x, y) if a.type.dtype == BOOL else x - y
    return a


def _end(value: Any, a: Arrayed, at: int) -> list[Arrayed]:
    """What is put before or behind an array: a scalar is one element for each row."""
    if value is None:
        return []
    value = as_array(value)
    return [value if isinstance(value, Arrayed) else spread(value, [1 if q == at else n for q, n in enumerate(shape_of(a))])]


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    f = as_array(f)
    if edge_order not in (1, 2):
        raise ValueError(f"'edge_order' greater than 2 not supported ({user_site()})")
    axes = list(range(f.ndim)) if axis is None else [axes_of(q, f.ndim)[0] for q in (axis if isinstance(axis, (tuple, list)) else (axis,))]
    steps = list(varargs) * (len(axes) if len(varargs) == 1 else 1) if varargs else [1.0] * len(axes)
    if len(steps) != len(axes):
        raise TypeError(f"invalid number of arguments: np.gradient takes one step, or one for each axis ({user_site()})")
    found = tuple(_slopes(f, as_array(h), q, edge_order) for h, q in zip(steps, axes, strict=True))
    return found[0] if len(axes) == 1 else found


def _slopes(f: Arrayed, h: Any, axis: int, order: int) -> Arrayed:
    """Central differences along an axis, of evenly spaced points or of points at `h`."""
    few = "Shape of array too small to calculate a numerical gradient, at least (edge_order + 1) elements are required."
    require(np.greater(shape_of(f)[axis], order), ValueError(few))
    f = moveaxis(float_array(f), axis, 0)
    if not isinstance(h, Arrayed):
        inside, first, last, gaps = (f[2:] - f[:-2]) / (2.0 * h), h, h, (h, h, h, h)
    else:
        d = expand(diff(h), range(1, f.ndim))
        x, y, first, last, gaps = d[:-1], d[1:], d[:1], d[-1:], (d[:1], d[1:2], d[-1:], d[-2:-1])
        inside = (f[2:] * x / y - f[:-2] * y / x + f[1:-1] * (y - x) * (x + y) / (x * y)) / (x + y)
    if order == 1:
        ends = (f[1:2] - f[:1]) / first, (f[-1:] - f[-2:-1]) / last
    else:
        ends = _slope_at_end(f[:1], f[1:2], f[2:3], *gaps[:2]), -_slope_at_end(f[-1:], f[-2:-1], f[-3:-2], *gaps[2:])
    return moveaxis(concatenate([ends[0], inside, ends[1]]), 0, axis)  # type: ignore[no-any-return]


def _slope_at_end(f: Any, g: Any, h: Any, x: Any, y: Any) -> Any:
    """At the first of three points, whose distances are x and y: of the parabola through them."""
    return g * ((x + y) / (x * y)) - f * ((2.0 * x + y) / (x * (x + y))) - h * (x / (y * (x + y)))


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    y = moveaxis(y, axis, -1)
    x = None if x is None else as_array(x)
    d = dx if x is None else diff(x) if x.ndim == 1 else diff(moveaxis(x, axis, -1))
    return sum_(d * (y[..., 1:] + y[..., :-1]) * 0.5, -1)


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    a, v = atleast_1d(a), atleast_1d(v)
    if is_complex_array(a) or is_complex_array(v):
        (p, q), (r, s) = ([part(x, k) if is_complex_array(x) or not k else np.zeros_like(x) for k in (0, 1)] for x in (a, v))
        found = ComplexArray(convolve(p, r, mode) - convolve(q, s, mode), convolve(p, s, mode) + convolve(q, r, mode))
        return astype(found, common_dtype([a, v]))
    n, m = shape_of(a)[0], shape_of(v)[0]
    for size, name in ((n, "a"), (m, "v")):
        require(np.greater(size, 0), ValueError(f"{name} cannot be empty"))
    dtype, none = common_dtype([a, v]), np.zeros_like(v[1:], a.dtype)
    if is_float(dtype):
        given = astype(concatenate([none, a]), dtype)
        out = sliding(given, astype(v[::-1], dtype), given)
    else:
        index = from_index(lambda i, j: i + j, [n + m - 1, m], "window")
        products = gather_flat(concatenate([none, a, none]), index) * v[::-1]
        out = sum_(products, 1, products.dtype)  # of bools: is one of them true?
    if mode == "full":
        return out
    short = sizes.smaller(n, m)
    if mode == "valid":
        return out[sizes.add(short, -1) : sizes.sub(sizes.add(n, m), short)]
    if mode == "same":
        start = sizes.floordiv(sizes.add(short, -1), 2)
        return out[start : sizes.add(start, sizes.sub(sizes.add(n, m), short))]
    raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r}) ({user_site()})")


@implements(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Piecewise linear interpolation; beyond the ends the end values."""
    fp = as_array(fp)
    if is_complex_array(fp):
        ends = [(None if e is None else np.real(e), None if e is None else np.imag(e)) for e in (left, right)]
        real, imaginary = (interp(x, xp, part(fp, k), ends[0][k], ends[1][k], period) for k in (0, 1))
        return real + 1j * imaginary
    x, xp, fp = (array(v, F64) if scalar_kind(v) != F64 else v for v in map(float_array, (x, xp, fp)))
    if period is not None:
        x, xp = x % period, xp % period
        order = argsort(xp)
        xp, fp = xp[order], fp[order]
        xp, fp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period]), np.concatenate([fp[-1:], fp, fp[:1]])
    n = shape_of(xp)[0]
    low = np.clip(searchsorted(xp, x, "right") - 1, 0, n - 2)  # -1, the last, where there is one point
    high = np.minimum(low + 1, n - 1)

    def one(v: Any, a: Any, b: Any, p: Any, q: Any, lo: Any, hi: Any, start: Any, end: Any) -> Any:
        gap = b - a
        inside = pick(v == end, q, p + (q - p) * ((v - a) / pick(gap == 0.0, gap + 1.0, gap)))
        return pick(v < start, lo, pick(v > end, hi, inside))

    below, above = fp[0] if left is None else left, fp[-1] if right is None else right
    return elementwise(one, x, xp[low], xp[high], fp[low], fp[high], below, above, xp[0], xp[-1], name="interp")


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    p, x = atleast_1d(p), as_array(x)
    n = shape_of(p)[0]
    if sizes.is_known(n):
        y: Any = x * 0.0 if is_float(scalar_kind(p)) or is_float(scalar_kind(x)) else x * 0
        for i in range(int(sizes.plain(n))):
            y = y * x + p[i]
        return y
    t = common_dtype([p, x])
    out = filled(0, shape_of(x) or (1,), t)
    each(n, lambda i: assign(out, out * x + p[i]))
    return out if isinstance(x, Arrayed) else out[0]

"""scipy.interpolate: piecewise polynomials, made inside compiled code or outside, and interpolation on grids.

C. de Boor, "A Practical Guide to Splines" (1978), IV, for the slopes of cubic splines; F. N. Fritsch, J. Butland (1984) for those of pchip, and
H. Akima (1970).
"""

from __future__ import annotations

import importlib
import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.sites import unsupported, user_site
from ...values import sizes
from ...values.reshaping import expand
from ...values.values import Arrayed
from ...values.views import as_array, shape_of
from ..axes import moveaxis
from ..common import axis_of, float_array, program
from ..creation import asarray, zeros
from ..differences import diff
from ..linalg.equations import solve_banded
from ..registry import implements
from ..shaping import concatenate, stack
from ..sorting import argsort, searchsorted


def _vector(x: Any, name: str) -> Any:
    x = float_array(asarray(x))
    if not isinstance(x, Arrayed) or x.ndim != 1:
        raise ValueError(f"`{name}` must be 1-dimensional. ({user_site()})")
    return x


def _beside(v: Any, rank: int) -> Any:
    """A vector, or what has the shape of arguments, before so many axes more."""
    return expand(v, range(v.ndim, v.ndim + rank)) if isinstance(v, Arrayed) and rank else v


def _interval(x: Any, v: Any) -> Any:
    """The number of the interval between the points x that each v lies in: the first and the last reach beyond the ends."""
    return np.clip(searchsorted(x, v, "right") - 1, 0, sizes.add(shape_of(x)[0], -2))


# ---- piecewise polynomials
@dataclass
class PPoly:
    """SciPy's PPoly, of traced coefficients: c[q] belongs to power len(c) - 1 - q."""

    c: Any
    x: Any
    extrapolate: Any = True
    axis: int = 0

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        return evaluate(self, x, nu, extrapolate)

    def derivative(self, nu: int = 1) -> Any:
        if nu < 0:
            return self.antiderivative(-nu)
        k = int(shape_of(self.c)[0]) - 1
        c = stack([self.c[q] * _factor(k - q, nu) for q in range(k - nu + 1)]) if nu <= k else self.c[:1] * 0.0
        return PPoly(c, self.x, self.extrapolate, self.axis)

    def antiderivative(self, nu: int = 1) -> Any:
        """Each piece begins with what those before it have added up to."""
        if nu > 1:
            return self.antiderivative().antiderivative(nu - 1)
        c, k = as_array(self.c), int(shape_of(self.c)[0])
        parts = [c[q] / (k - q) for q in range(k)]
        h = _beside(diff(as_array(self.x)), c.ndim - 2)
        total: Any = 0.0
        for p in parts:
            total = (total + p) * h
        sums = np.cumsum(total, 0)
        return PPoly(stack([*parts, concatenate([sums[:1] * 0.0, sums[:-1]])]), self.x, self.extrapolate, self.axis)

    def integrate(self, a: Any, b: Any, extrapolate: Any = None) -> Any:
        return integral(self, a, b, extrapolate)


def _factor(power: int, nu: int) -> float:
    return float(math.perm(power, nu))


def evaluate(poly: Any, v: Any, nu: int = 0, extrapolate: Any = None) -> Any:
    """A piecewise polynomial, or a derivative of it, at any array of places."""
    c, x, v = (float_array(as_array(asarray(a))) for a in (poly.c, poly.x, v))
    how = poly.extrapolate if extrapolate is None else extrapolate
    if how == "periodic":
        v = x[0] + np.mod(v - x[0], x[-1] - x[0])
    k, rest = int(shape_of(c)[0]) - 1, c.ndim - 2
    at = _interval(x, v)
    h, out = _beside(v - x[at], rest), None
    for q in range(k - nu + 1):
        term = c[q][at] * _factor(k - q, nu)
        out = term if out is None else out * h + term
    if out is None:
        out = c[0][at] * 0.0
    if how is False:
        out = np.where(_beside((v < x[0]) | (v > x[-1]), rest), np.nan, out)
    n = v.ndim if isinstance(v, Arrayed) else 0
    if poly.axis and n + rest:
        order = list(range(n + rest))
        out = np.transpose(out, order[n : n + poly.axis] + order[:n] + order[n + poly.axis :])
    return out


def integral(poly: Any, a: Any, b: Any, extrapolate: Any = None) -> Any:
    how = poly.extrapolate if extrapolate is None else extrapolate
    if how is not True and how is not None:
        unsupported("the integral of a piecewise polynomial with extrapolate=False or 'periodic'", "leave it out")
    whole = PPoly(as_array(poly.c), as_array(poly.x), True, poly.axis).antiderivative()
    return evaluate(whole, b) - evaluate(whole, a)


implements("scipy.interpolate.PPoly.__call__")(lambda self, x, nu=0, extrapolate=None: evaluate(self, x, int(nu), extrapolate))
implements("scipy.interpolate.PPoly.integrate")(lambda self, a, b, extrapolate=None: integral(self, a, b, extrapolate))


@implements("scipy.interpolate.PPoly", gives="python")
def ppoly(c: Any, x: Any, extrapolate: Any = None, axis: int = 0) -> PPoly:
    return PPoly(float_array(asarray(c)), _vector(x, "x"), True if extrapolate is None else extrapolate, axis)


def _of_spline(spline: Any) -> Any:
    """A B-spline that was made outside, as a piecewise polynomial."""
    return importlib.import_module("scipy.interpolate").PPoly.from_spline(spline)


implements("scipy.interpolate.BSpline", refused=True)(
    lambda *args, **kwargs: unsupported("BSpline of traced values", "use CubicSpline, or make it outside")
)
implements("scipy.interpolate.BSpline.__call__")(
    lambda self, x, nu=0, extrapolate=None: evaluate(_of_spline(self), x, int(nu), self.extrapolate if extrapolate is None else extrapolate)
)


# ---- cubic interpolants
def _samples(x: Any, y: Any, axis: int) -> tuple[Any, Any, Any, Any, int]:
    """(x, y along the first axis, steps, slopes between points, the axis)"""
    x, y = _vector(x, "x"), float_array(asarray(y))
    at = axis_of(axis, y.ndim)
    y = moveaxis(y, at, 0)
    sizes.require_equal(shape_of(x)[0], shape_of(y)[0], "The length of `y` along `axis` doesn't match the length of `x`")
    h = diff(x)
    return x, y, h, diff(y, axis=0) / _beside(h, y.ndim - 1), at


def _hermite(x: Any, y: Any, s: Any, axis: int, extrapolate: Any) -> PPoly:
    h = _beside(diff(x), y.ndim - 1)
    slope = diff(y, axis=0) / h
    t = (s[:-1] + s[1:] - 2.0 * slope) / h
    return PPoly(stack([t / h, (slope - s[:-1]) / h - t, s[:-1], y[:-1]]), x, True if extrapolate is None else extrapolate, axis)


@implements("scipy.interpolate.CubicHermiteSpline", gives="python")
def hermite_spline(x: Any, y: Any, dydx: Any, axis: int = 0, extrapolate: Any = None) -> PPoly:
    x, y, *_, at = _samples(x, y, axis)
    return _hermite(x, y, moveaxis(float_array(asarray(dydx)), at, 0), at, extrapolate)


def _end_row(kind: Any, x: Any, y: Any, h: Any, slope: Any) -> tuple[Any, Any, Any]:
    """(diagonal, beside it, right hand side) of the equation at the first point; for the last one all is given backwards."""
    if isinstance(kind, str):
        kind = {"clamped": (1, 0.0), "natural": (2, 0.0)}.get(kind, kind)
    if kind == "not-a-knot":
        d = h[0] + h[1]
        return h[1], d, ((h[0] + 2.0 * d) * h[1] * slope[0] + h[0] * h[0] * slope[1]) / d
    if isinstance(kind, tuple) and kind[0] == 1:
        return 1.0, 0.0, kind[1] + y[0] * 0.0
    if isinstance(kind, tuple) and kind[0] == 2:
        return 2.0 * h[0], h[0], -0.5 * kind[1] * h[0] * h[0] + 3.0 * (y[1] - y[0])
    return unsupported(f"CubicSpline with bc_type={kind!r}", "use 'not-a-knot', 'natural', 'clamped', or (order, value)")


@implements("scipy.interpolate.CubicSpline", gives="python")
def cubic_spline(x: Any, y: Any, axis: int = 0, bc_type: Any = "not-a-knot", extrapolate: Any = None) -> PPoly:
    x, y, h, slope, at = _samples(x, y, axis)
    n = sizes.needed(shape_of(x)[0])
    if n is None or n < 2:
        unsupported("CubicSpline of an unknown number of points, or of one", "give at least two, in arrays of known sizes")
    first, last = bc_type if isinstance(bc_type, (tuple, list)) else (bc_type, bc_type)
    if n == 2:  # what is not a knot is the line
        first, last = ((1, slope[0]) if kind == "not-a-knot" else kind for kind in (first, last))
    if n == 3 and first == last == "not-a-knot":  # the parabola
        middle = (h[1] * slope[0] + h[0] * slope[1]) / (h[0] + h[1])
        return _hermite(x, y, stack([2.0 * slope[0] - middle, middle, 2.0 * slope[1] - middle]), at, extrapolate)
    wide = _beside(h, y.ndim - 1)
    bands, b = zeros((3, n), x.dtype), zeros(shape_of(y), y.dtype)
    bands[1, 1:-1] = 2.0 * (h[:-1] + h[1:])
    bands[0, 2:], bands[2, :-2] = h[:-1], h[1:]
    b[1:-1] = 3.0 * (wide[1:] * slope[:-1] + wide[:-1] * slope[1:])
    bands[1, 0], bands[0, 1], b[0] = _end_row(first, x, y, h, slope)
    turned = (last[0], -last[1]) if isinstance(last, tuple) and last[0] == 1 else last
    diagonal, beside, right = _end_row(turned, -x[::-1], y[::-1], h[::-1], -slope[::-1])
    bands[1, -1], bands[2, -2], b[-1] = diagonal, beside, -right
    s = solve_banded((1, 1), bands, b.reshape(n, -1) if y.ndim > 2 else b)
    return _hermite(x, y, s.reshape(*shape_of(y)), at, extrapolate)


def _end_of_pchip(h0: Any, h1: Any, m0: Any, m1: Any) -> Any:
    """Three points at an end, so that the shape is kept."""
    d = ((2.0 * h0 + h1) * m0 - h0 * m1) / (h0 + h1)
    steep = (np.sign(m0) != np.sign(m1)) & (np.abs(d) > 3.0 * np.abs(m0))
    return np.where(np.sign(d) != np.sign(m0), 0.0, np.where(steep, 3.0 * m0, d))


@implements("scipy.interpolate.PchipInterpolator", gives="python")
def pchip(x: Any, y: Any, axis: int = 0, extrapolate: Any = None) -> PPoly:
    x, y, h, m, at = _samples(x, y, axis)
    if sizes.is_just(shape_of(x)[0], 2):
        return _hermite(x, y, concatenate([m, m]), at, extrapolate)
    wide = _beside(h, y.ndim - 1)
    p, q = wide[:-1], wide[1:]
    flat = (np.sign(m[1:]) != np.sign(m[:-1])) | (m[1:] == 0.0) | (m[:-1] == 0.0)
    a, b = np.where(flat, 1.0, m[:-1]), np.where(flat, 1.0, m[1:])
    inside = np.where(flat, 0.0, 3.0 * (p + q) / ((2.0 * q + p) / a + (q + 2.0 * p) / b))
    ends = [_end_of_pchip(h[i], h[j], m[i], m[j]) for i, j in ((0, 1), (-1, -2))]
    first, last = (stack([e]) for e in ends)
    return _hermite(x, y, concatenate([first, inside, last]), at, extrapolate)


@implements("scipy.interpolate.Akima1DInterpolator", gives="python")
def akima(x: Any, y: Any, axis: int = 0, *, method: str = "akima", extrapolate: Any = None) -> PPoly:
    if method != "akima":
        unsupported(f"Akima1DInterpolator with method={method!r}", "leave it out")
    x, y, _, m, at = _samples(x, y, axis)
    left, right = 2.0 * m[:1] - m[1:2], 2.0 * m[-1:] - m[-2:-1]
    m = concatenate([2.0 * left - m[:1], left, m, right, 2.0 * right - m[-1:]])
    change = np.abs(diff(m, axis=0))
    f1, f2 = change[2:], change[:-2]
    flat = f1 + f2 <= 1e-9 * np.max(f1 + f2)
    s = np.where(flat, 0.5 * (m[3:] + m[:-3]), (f1 * m[1:-2] + f2 * m[2:-1]) / np.where(flat, 1.0, f1 + f2))
    return _hermite(x, y, s, at, False if extrapolate is None else extrapolate)


# ---- between samples
@dataclass
class Interp1d:
    """SciPy's interp1d."""

    x: Any
    y: Any
    kind: str
    axis: int
    bounds_error: bool
    fill_value: Any

    def __call__(self, x: Any) -> Any:
        return between_samples(self, x)


@implements("scipy.interpolate.interp1d", gives="python")
def interp1d(
    x: Any,
    y: Any,
    kind: Any = "linear",
    axis: int = -1,
    copy: bool = True,
    bounds_error: Any = None,
    fill_value: Any = np.nan,
    assume_sorted: bool = False,
) -> Interp1d:
    x, y = _vector(x, "x"), float_array(asarray(y))
    if not assume_sorted:
        order = argsort(x)
        at = axis_of(axis, y.ndim)
        x, y = x[order], y[(slice(None),) * at + (order,)]
    given = isinstance(fill_value, (Arrayed, str, tuple, list)) or not np.isnan(fill_value)
    return Interp1d(x, y, kind, axis, not given if bounds_error is None else bounds_error, fill_value)


def between_samples(f: Any, v: Any) -> Any:
    kind = getattr(f, "kind", None) or f._kind
    x, y, v = float_array(as_array(f.x)), float_array(as_array(f.y)), float_array(as_array(asarray(v)))
    at = axis_of(f.axis, y.ndim)
    y = moveaxis(y, at, 0)
    rest, n = y.ndim - 1, shape_of(x)[0]
    if kind == "linear":
        i = _interval(x, v)
        h = _beside((v - x[i]) / (x[i + 1] - x[i]), rest)
        out = y[i] + (y[i + 1] - y[i]) * h
    elif kind in ("previous", "zero"):
        out = y[np.clip(searchsorted(x, v, "right") - 1, 0, sizes.add(n, -1))]
    elif kind == "next":
        out = y[np.clip(searchsorted(x, v, "left"), 0, sizes.add(n, -1))]
    elif kind == "nearest":
        out = y[np.clip(searchsorted((x[1:] + x[:-1]) * 0.5, v, "left"), 0, sizes.add(n, -1))]
    elif kind in ("cubic", 3):
        out = evaluate(cubic_spline(x, y), v)
    else:
        unsupported(f"interp1d with kind={kind!r}", "use 'linear', 'cubic', 'nearest', 'previous' or 'next'")
    extrapolates = isinstance(f.fill_value, str) or getattr(f, "_extrapolate", False)
    if not extrapolates:
        if f.bounds_error:
            _check_ends(x, v)
        else:
            low, high = f.fill_value if isinstance(f.fill_value, tuple) else (f.fill_value, f.fill_value)
            out = np.where(_beside(v < x[0], rest), as_array(low), np.where(_beside(v > x[-1], rest), as_array(high), out))
    if at and isinstance(v, Arrayed):
        order = list(range(v.ndim + rest))
        out = np.transpose(out, order[v.ndim : v.ndim + at] + order[: v.ndim] + order[v.ndim + at :])
    return out


@program
def _check_ends(x: Any, v: Any) -> None:
    if np.any(v < x[0]):
        raise ValueError("A value in x_new is below the interpolation range.")
    if np.any(v > x[-1]):
        raise ValueError("A value in x_new is above the interpolation range.")


implements("scipy.interpolate.interp1d.__call__")(lambda self, x: between_samples(self, x))


# ---- on grids
@dataclass
class RegularGridInterpolator:
    """SciPy's RegularGridInterpolator."""

    grid: Any
    values: Any
    method: str
    bounds_error: bool
    fill_value: Any

    def __call__(self, xi: Any, method: Any = None) -> Any:
        return on_grid(self, xi, method)


@implements("scipy.interpolate.RegularGridInterpolator", gives="python")
def grid_interpolator(points: Any, values: Any, method: str = "linear", bounds_error: bool = True, fill_value: Any = np.nan) -> Any:
    return RegularGridInterpolator(
        tuple(_vector(p, "points") for p in points), float_array(asarray(values)), method, bounds_error, fill_value
    )


def on_grid(f: Any, xi: Any, method: Any = None) -> Any:
    how = method or f.method
    if how not in ("linear", "nearest"):
        unsupported(f"RegularGridInterpolator with method={how!r}", "use method='linear' or 'nearest'")
    values, grid = float_array(as_array(f.values)), [float_array(as_array(g)) for g in f.grid]
    if isinstance(xi, tuple):
        xi = stack([as_array(x) for x in np.broadcast_arrays(*xi)], -1)
    xi = float_array(as_array(asarray(xi)))
    if xi.ndim == 1:  # one point
        xi = expand(xi, (0,))
    rest = values.ndim - len(grid)
    xs, parts, outside = [xi[..., q] for q in range(len(grid))], [], None
    for x, g in zip(xs, grid, strict=True):
        i = _interval(g, x)
        w = (x - g[i]) / (g[i + 1] - g[i])
        parts.append([(i, 1.0 - w), (i + 1, w)] if how == "linear" else [(np.where(w <= 0.5, i, i + 1), None)])
        beyond = (x < g[0]) | (x > g[-1])
        outside = beyond if outside is None else outside | beyond
    out: Any = None
    for chosen in itertools.product(*parts):
        term = values[tuple(i for i, _ in chosen)]
        for _, w in chosen:
            term = term if w is None else term * _beside(w, rest)
        out = term if out is None else out + term
    if f.bounds_error:
        _check_inside(outside)
    elif f.fill_value is not None:
        out = np.where(_beside(outside, rest), as_array(f.fill_value), out)
    return out


@program
def _check_inside(outside: Any) -> None:
    if np.any(outside):
        raise ValueError("One of the requested xi is out of bounds")


implements("scipy.interpolate.RegularGridInterpolator.__call__")(lambda self, xi, method=None: on_grid(self, xi, method))


@implements("scipy.interpolate.interpn")
def interpn(points: Any, values: Any, xi: Any, method: str = "linear", bounds_error: bool = True, fill_value: Any = np.nan) -> Any:
    return on_grid(grid_interpolator(points, values, method, bounds_error, fill_value), xi)

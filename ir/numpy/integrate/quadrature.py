"""scipy.integrate of samples, and of functions by fixed rules.

K. V. Cartwright, "Simpson's rule cumulative integration with MS Excel and irregularly-spaced data" (2017), for an even number of points and for
cumulative_simpson.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.sites import unsupported, user_site
from ...values import sizes
from ...values.values import Arrayed, call
from ...values.views import as_array, shape_of
from ..axes import moveaxis
from ..common import float_array
from ..creation import asarray, zeros
from ..differences import diff, trapezoid
from ..registry import implements
from ..shaping import concatenate

implements("scipy.integrate.trapezoid")(trapezoid)


def _steps(y: Any, x: Any, dx: Any, axis: int) -> tuple[Any, Any]:
    """(y along the last axis, the steps between its points, to be multiplied with it)"""
    y = moveaxis(float_array(asarray(y)), axis, -1)
    if x is None:
        return y, as_array(dx) * (zeros(shape_of(y)[-1:], y.dtype)[1:] + 1.0)
    x = as_array(asarray(x))
    if x.ndim != 1 and x.ndim != y.ndim:
        raise ValueError(f"If given, shape of x must be 1-D or the same as y. ({user_site()})")
    return y, diff(x if x.ndim == 1 else moveaxis(x, axis, -1))


def _count(y: Any, name: str) -> int:
    n = sizes.needed(shape_of(y)[-1])
    if n is None:
        unsupported(f"{name} of an unknown number of points", "give arrays of known sizes, or use trapezoid")
    return int(n)


def _cumulative(parts: Any, initial: Any, shift: bool, axis: int) -> Any:
    out = np.cumsum(parts, -1)
    if initial is not None:
        first = zeros([*shape_of(out)[:-1], 1], out.dtype) + (as_array(initial) if shift else 0.0)
        out = concatenate([first, out + (first if shift else 0.0)], -1)
    return moveaxis(out, -1, axis)


@implements("scipy.integrate.cumulative_trapezoid")
def cumulative_trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1, initial: Any = None) -> Any:
    if initial not in (None, 0):
        raise ValueError(f"`initial` must be `None` or `0`. ({user_site()})")
    y, h = _steps(y, x, dx, axis)
    return _cumulative(h * (y[..., 1:] + y[..., :-1]) * 0.5, initial, False, axis)


def _whole(y: Any, h: Any) -> Any:
    """Of an odd number of points."""
    left, middle, right, h0, h1 = y[..., :-2:2], y[..., 1::2], y[..., 2::2], h[..., ::2], h[..., 1::2]
    both = h0 + h1
    return np.sum(both / 6.0 * (left * (2.0 - h1 / h0) + middle * (both * both / (h0 * h1)) + right * (2.0 - h0 / h1)), -1)


@implements("scipy.integrate.simpson")
def simpson(y: Any, x: Any = None, *, dx: Any = 1.0, axis: int = -1) -> Any:
    y, h = _steps(y, x, dx, axis)
    n = _count(y, "simpson")
    if n % 2:
        return _whole(y, h)
    if n == 2:
        return 0.5 * h[..., 0] * (y[..., 0] + y[..., 1])
    p, q = h[..., -2], h[..., -1]
    last = (2 * q * q + 3 * p * q) / (6 * (p + q)) * y[..., -1] + (q * q + 3 * p * q) / (6 * p) * y[..., -2]
    return _whole(y[..., :-1], h[..., :-1]) + last - q * q * q / (6 * p * (p + q)) * y[..., -3]


def _parts(y: Any, h: Any) -> Any:
    """The integral over the first of two steps, by the parabola through three points."""
    p, q = h[..., :-1], h[..., 1:]
    r, s = p / (p + q), p / q
    return p / 6.0 * ((3.0 - r) * y[..., :-2] + (3.0 + r * s + r) * y[..., 1:-1] - r * s * y[..., 2:])


@implements("scipy.integrate.cumulative_simpson")
def cumulative_simpson(y: Any, *, x: Any = None, dx: Any = 1.0, axis: int = -1, initial: Any = None) -> Any:
    y, h = _steps(y, x, dx, axis)
    if _count(y, "cumulative_simpson") < 3:
        return _cumulative(h * (y[..., 1:] + y[..., :-1]) * 0.5, initial, True, axis)
    forwards, backwards = _parts(y, h), _parts(y[..., ::-1], h[..., ::-1])[..., ::-1]
    out = zeros(shape_of(y[..., 1:]), y.dtype)
    out[..., :-1:2] = forwards[..., ::2]
    out[..., 1::2] = backwards[..., ::2]
    out[..., -1] = backwards[..., -1]
    return _cumulative(out, initial, True, axis)


@implements("scipy.integrate.fixed_quad", gives="python", runs=True)
def fixed_quad(func: Any, a: Any, b: Any, args: Any = (), n: int = 5) -> Any:
    x, w = (as_array(v) for v in np.polynomial.legendre.leggauss(int(n)))
    half = (as_array(b) - as_array(a)) * 0.5
    y = as_array(call(func, half * (x + 1.0) + a, *args))
    return half * np.sum(w * y, -1) if isinstance(y, Arrayed) else half * y * 2.0, None


def refused(what: str, *names: str) -> None:
    """Functions that call the user's and are not compiled: what to write instead."""

    def refusing(name: str) -> Any:
        return lambda *args, **kwargs: unsupported(f"{name} in compiled code", what)

    for name in names:
        implements(name, refused=True, runs=True)(refusing(name))


refused(
    "use scipy.integrate.fixed_quad, or call it outside",
    *(f"scipy.integrate.{f}" for f in ("quad", "quad_vec", "dblquad", "tplquad", "nquad")),
)

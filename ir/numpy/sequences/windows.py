"""Windows, and series of numbers with equal steps or ratios."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...values.kernels import elementwise
from ...values.operators import has_array
from ...values.values import Arrayed, is_traced
from ...values.views import as_array, shape_of
from ..axes import moveaxis
from ..common import astype, float_array, real_only
from ..creation import arange, array, linspace
from ..registry import implements
from ..ufuncs import choose


def _made(plain: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """NumPy's own, where nothing is traced, as an array of the program; else the decorated function."""

    def decorate(fn: Callable[..., Any]) -> Callable[..., Any]:
        def make(*args: Any) -> Any:
            return fn(*args) if any(map(is_traced, args)) else array(plain(*args))

        setattr(make, "__signature__", inspect.signature(plain))  # noqa: B010
        return implements(plain, creates=True, gives="array")(make)

    return decorate


def _angles(M: Any, first: Any, step: int) -> Any:
    """first, first + step, .. in pi / (M - 1)"""
    return arange(first, M, step) * (math.pi / np.maximum(M - 1, 1))


@_made(np.hanning)
def hanning(M: Any) -> Any:
    return 0.5 + 0.5 * np.cos(_angles(M, 1 - M, 2))


@_made(np.hamming)
def hamming(M: Any) -> Any:
    return 0.54 + 0.46 * np.cos(_angles(M, 1 - M, 2))


@_made(np.blackman)
def blackman(M: Any) -> Any:
    x = _angles(M, 1 - M, 2)
    return 0.42 + 0.5 * np.cos(x) + 0.08 * np.cos(2.0 * x)


@_made(np.bartlett)
def bartlett(M: Any) -> Any:
    return 1.0 - np.abs(arange(1 - M, M, 2)) / np.maximum(M - 1, 1)


@_made(np.kaiser)
def kaiser(M: Any, beta: Any) -> Any:
    middle = (M - 1) / 2.0
    r = (arange(0, M) - middle) / np.maximum(middle, 0.5)
    return _of_square((1.0 - r * r) * beta * beta) / _of_square(np.multiply(beta, beta))


@implements(np.i0)
def i0(x: Any) -> Any:
    """The modified Bessel function of the first kind, order 0."""
    x = float_array(x)
    return _of_square(x * x)


def _of_square(s: Any) -> Any:
    """I0(sqrt(s)): its power series, of positive terms, up to 20; beyond that Hankel's asymptotic one (Abramowitz and Stegun 9.6.12, 9.7.1)."""
    if has_array(s):
        return elementwise(_of_square, s, name="i0")
    near = s <= 400.0
    u = choose(near, s * 0.25, 1.0)
    total: Any = 1.0
    for k in range(48, 0, -1):
        total = 1.0 + total * u * (1.0 / (k * k))
    x = np.sqrt(choose(near, 400.0, s))
    tail: Any = 1.0
    for k in range(22, 0, -1):
        tail = 1.0 + tail * ((2 * k - 1) ** 2 / (8.0 * k)) / x
    return choose(near, total, np.exp(x) / np.sqrt((2.0 * math.pi) * x) * tail)


# ---- equal ratios
@implements(np.logspace, creates=True, gives="array")
def logspace(start: Any, stop: Any, num: Any = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0) -> Any:
    if not any(map(is_traced, (start, stop, num, base))):
        return array(np.logspace(start, stop, num, endpoint, base, dtype, axis))
    base = as_array(base)
    if isinstance(base, Arrayed):
        base = np.expand_dims(base, axis)
    found = np.power(base * 1.0, linspace(start, stop, num, endpoint, axis=axis))
    return found if dtype is None else found.astype(dtype)


@implements(np.geomspace, creates=True, gives="array")
def geomspace(start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    if not any(map(is_traced, (start, stop, num))):
        return array(np.geomspace(start, stop, num, endpoint, dtype, axis))
    real_only("np.geomspace", start, stop)
    first, last = (astype(float_array(x), np.float64) for x in (start, stop))
    side = np.sign(first)
    found = logspace(np.log10(first * side), np.log10(last * side), num, endpoint) * side
    n = shape_of(found)[0]
    at = arange(n).reshape(-1, *(1,) * (found.ndim - 1))
    found = np.where(at == 0, first, found)
    found = np.where(np.logical_and(at == n - 1, n > 1), last, found) if endpoint else found
    found = moveaxis(found, 0, axis) if axis else found
    return found if dtype is None else found.astype(dtype)

"""Quantiles, by NumPy's methods (Hyndman and Fan, "Sample quantiles in statistical packages", The American Statistician 1996)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.sites import user_site
from ...core.types import is_float
from ...values import kernels
from ...values.kernels import from_index
from ...values.reshaping import expand, spread
from ...values.values import Arrayed, is_traced, scalar_type
from ...values.views import as_array, axes_of, shape_of
from ..choosing import take_along
from ..common import Axis, arrayed, float_array, nonempty, real_only, require
from ..creation import array
from ..reductions import _last, count_nonzero
from ..registry import implements
from ..sorting import argsort, sort
from .nans import filled


def _of_plotting(alpha: float, beta: float) -> tuple[Callable[..., Any], Callable[..., Any]]:
    return lambda n, q: n * q + (alpha + q * (1 - alpha - beta)) - 1, lambda part: part


def _inverted(n: Any, q: Any) -> Any:
    """The first element up to which there is that share of them."""
    return np.ceil(n * q - 1)


def _closest(n: Any, q: Any) -> Any:
    """The nearest element; of two the one with an even number, counted from 0 one behind."""
    at = n * q - 1 - 0.5
    low = np.floor(at)
    return np.where((at == low) & (low % 2 == 1), low, low + 1)


# The element of n sorted ones that a quantile is.
DISCRETE: dict[str, Callable[..., Any]] = {
    "inverted_cdf": _inverted,
    "closest_observation": _closest,
    "lower": lambda n, q: np.floor((n - 1) * q),
    "higher": lambda n, q: np.ceil((n - 1) * q),
    "nearest": lambda n, q: np.round((n - 1) * q),
}
# Its place among them, and for the part of the place beyond an int the weight of the element behind it.
CONTINUOUS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "averaged_inverted_cdf": (lambda n, q: n * q - 1, lambda part: np.where(part == 0.0, 0.5, 1.0)),
    "interpolated_inverted_cdf": _of_plotting(0.0, 1.0),
    "hazen": _of_plotting(0.5, 0.5),
    "weibull": _of_plotting(0.0, 0.0),
    "linear": (lambda n, q: (n - 1) * q, lambda part: part),
    "median_unbiased": _of_plotting(1 / 3, 1 / 3),
    "normal_unbiased": _of_plotting(3 / 8, 3 / 8),
    "midpoint": (lambda n, q: 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q)), lambda part: np.where(part == 0.0, 0.0, 0.5)),
}


def _quantile(ignore: bool, percent: bool) -> Callable[..., Any]:
    def fn(a: Any, q: Any, axis: Axis = None, method: str = "linear", keepdims: Any = False, *, weights: Any = None) -> Any:
        if method not in DISCRETE and method not in CONTINUOUS:
            raise ValueError(f"{method!r} is not a valid method. Use one of: {', '.join((*DISCRETE, *CONTINUOUS))} ({user_site()})")
        real_only("a quantile", a, q, weights)
        a = arrayed(a)
        q = _share(a, as_array(q), percent)
        gone, rank = axes_of(axis, a.ndim), a.ndim
        flat, places = _last(a, gone), len(shape_of(q))
        nonempty(flat, -1, "quantile")
        number = None
        if ignore and is_float(a.type.dtype):  # NaNs come last, and have no part in derivatives
            number = count_nonzero(np.logical_not(np.isnan(flat)), -1)
            weights = weights if weights is None else np.where(np.isnan(a), 0.0, _like(as_array(weights), a, gone))
            flat = filled(flat, np.inf)
        if weights is None:
            found = _of_sorted(sort(flat, -1), q, places, method, number)
        elif method == "inverted_cdf":
            found = _weighted(flat, _last(_like(as_array(weights), a, gone), gone), q, places, number)
        else:
            raise ValueError(f"Only method 'inverted_cdf' supports weights. Got: {method}. ({user_site()})")
        return kernels.put_back(found, [places + g for g in gone], rank + places) if keepdims else found

    return fn


def _share(a: Any, q: Any, percent: bool) -> Any:
    """Quantiles as numbers between 0 and 1: Python's are of a's dtype."""
    kind = a.dtype.type if is_float(a.type.dtype) else np.float64
    found = scalar_type(q)
    if found is not None and found[1]:
        q = array(q, kind)
    q = float_array(q / kind(100) if percent else q)
    what = "Percentiles must be in the range [0, 100]" if percent else "Quantiles must be in the range [0, 1]"
    require(np.logical_and(q >= 0.0, q <= 1.0), ValueError(what))
    return q


def _element(ordered: Any, at: Any) -> Any:
    """Elements of each row, from the places of rows: an array that has axes before theirs."""
    if not isinstance(at, Arrayed):
        return ordered[..., at]
    lead = shape_of(ordered)[:-1]
    rows = [expand(from_index(lambda i: i, [n], "index"), range(1, len(lead) - q)) for q, n in enumerate(lead)]
    return ordered[(*rows, at)]


def _of_sorted(ordered: Any, q: Any, places: int, method: str, number: Any) -> Any:
    """Quantiles along the last axis, whose axes come first: of the first `number` of each row, or of all."""
    lead, n = ordered.ndim - 1, shape_of(ordered)[-1] if number is None else number
    if places and lead:
        q = expand(q, range(places, places + lead))

    def place(x: Any) -> Any:
        return np.clip(x, 0, n - 1).astype(np.int64)

    n = n * 1.0 if is_traced(n) else float(n)
    if method in DISCRETE:
        found = _element(ordered, place(DISCRETE[method](n, q)))
    else:
        where, weight = CONTINUOUS[method]
        at = where(n, q)
        low = np.floor(at)
        x, y, t = _element(ordered, place(low)), _element(ordered, place(low + 1)), weight(at - low)
        found = np.where(t >= 0.5, y - (y - x) * (1 - t), x + (y - x) * t)
    return _or_nan(found, ordered, number)


def _or_nan(found: Any, ordered: Any, number: Any) -> Any:
    """NaN where there is one, or where there is nothing else."""
    if not is_float(ordered.type.dtype):
        return found
    return np.where(np.isnan(ordered[..., -1]) if number is None else np.equal(number, 0), np.nan, found)


def _like(weights: Any, a: Any, gone: Any) -> Any:
    """Weights for the elements of `a`; those of one axis may be given for all of the others."""
    if weights.ndim < a.ndim:
        weights = expand(weights, [v for v in range(a.ndim) if v not in gone])
    return spread(weights, shape_of(a))


def _weighted(a: Any, weights: Any, q: Any, places: int, number: Any) -> Any:
    """The first elements of each row up to which there is that share of the weights."""
    order = argsort(a, -1)
    ordered = take_along(a, order, a.ndim - 1)
    below = np.cumsum(take_along(weights, order, a.ndim - 1), axis=-1, dtype=np.float64)
    below = below / below[..., -1:]
    below = np.where(below == 0.0, -1.0, below)  # none of weight 0 comes first
    level = expand(q, range(places, places + a.ndim)) if places else q
    at = np.minimum(count_nonzero(below < level, -1), shape_of(a)[-1] - 1)
    return _or_nan(_element(ordered, at), ordered, number)


quantile = implements(np.quantile)(_quantile(False, False))
implements(np.percentile)(_quantile(False, True))
implements(np.nanquantile)(_quantile(True, False))
implements(np.nanpercentile)(_quantile(True, True))


@implements(np.nanmedian)
def nanmedian(a: Any, axis: Axis = None, keepdims: Any = False) -> Any:
    real_only("np.nanmedian", a)
    a = arrayed(float_array(a))
    flat = _last(a, axes_of(axis, a.ndim))
    n = count_nonzero(np.logical_not(np.isnan(flat)), -1)
    ordered = sort(filled(flat, np.inf), -1)
    low, high = (_element(ordered, np.maximum(k, 0)) for k in ((n - 1) // 2, n // 2))
    found = _or_nan((low + high) * 0.5, ordered, n)
    return kernels.put_back(found, axes_of(axis, a.ndim), a.ndim) if keepdims else found

"""Counting: histograms, bins, and how often there is what."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core.sites import unsupported, user_site
from ...core.types import BOOL, F64, is_float
from ...values import sizes
from ...values.values import Arrayed
from ...values.views import as_array, shape_of
from ..axes import ravel
from ..choosing import add_at
from ..common import arrayed, astype, float_array, program, real_only, require, scalar_kind
from ..creation import linspace, zeros
from ..registry import implements
from ..sorting import searchsorted
from .quantiles import quantile


@implements(np.bincount)
def bincount(x: Any, weights: Any = None, minlength: Any = 0) -> Any:
    x = as_array(x)
    if not isinstance(x, Arrayed) or x.ndim != 1:
        raise ValueError(f"object of too small depth for desired array ({user_site()})")
    if is_float(x.type.dtype):
        raise TypeError(f"Cannot cast array data from {x.dtype!r} to dtype('int64') according to the rule 'safe' ({user_site()})")
    x = astype(x, int) if x.type.dtype == BOOL else x
    return _counted(x, None if weights is None else astype(as_array(weights), float), minlength)


@program
def _counted(x: Any, weights: Any, minlength: Any) -> Any:
    if np.min(x, initial=0) < 0:
        raise ValueError("'list' argument must have no negative elements")
    n = np.maximum(np.max(x, initial=-1) + 1, minlength)
    if weights is None:
        out = np.zeros(n, int)
        np.add.at(out, x, 1)
    else:
        if len(weights) != len(x):
            raise ValueError("The weights and list don't have the same length.")
        out = np.zeros(n)
        np.add.at(out, x, weights)
    return out


@implements(np.digitize)
def digitize(x: Any, bins: Any, right: Any = False) -> Any:
    real_only("np.digitize", x, bins)
    return _digitized(x, as_array(bins), "left" if right else "right")


@program
def _digitized(x: Any, bins: Any, side: Any) -> Any:
    if np.all(bins[1:] >= bins[:-1]):
        return np.searchsorted(bins, x, side)
    if np.any(bins[1:] > bins[:-1]):
        raise ValueError("bins must be monotonically increasing or decreasing")
    return len(bins) - np.searchsorted(bins[::-1], x, side)


# ---- histograms
@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:  # NumPy's
    if isinstance(bins, str):
        if weights is not None:
            raise TypeError(f"Automated estimation of the number of bins is not supported for weighted data ({user_site()})")
        bins = _estimated(float_array(ravel(a)), bins, range, not is_float(scalar_kind(as_array(a))))
    real_only("a histogram", a, bins)
    bins = as_array(bins)
    if isinstance(bins, Arrayed):
        if bins.ndim != 1:
            raise ValueError(f"`bins` must be 1d, when an array ({user_site()})")
        require(bins[:-1] <= bins[1:], ValueError("`bins` must increase monotonically, when an array"))
        return bins
    require(np.greater_equal(bins, 1), ValueError("`bins` must be positive, when an integer"))
    a = arrayed(a)
    first, last = _ends(a, range)
    t = np.result_type(a.dtype, np.float32) if a.dtype == np.float32 else np.float64
    return linspace(first, last, bins + 1, dtype=t)


# The width of bins that fits n numbers x. D. Freedman and P. Diaconis, "On the histogram as a density estimator: L2 theory" (1981), and others.
WIDTHS: dict[str, Callable[[Any, Any], Any]] = {
    "sqrt": lambda x, n: np.ptp(x) / np.sqrt(n),
    "sturges": lambda x, n: np.ptp(x) / (np.log2(n) + 1.0),
    "rice": lambda x, n: np.ptp(x) / (2.0 * np.cbrt(n)),
    "scott": lambda x, n: np.cbrt(24.0 * np.sqrt(np.pi) / n) * np.std(x),
    "fd": lambda x, n: 2.0 * (quantile(x, 0.75) - quantile(x, 0.25)) / np.cbrt(n),
    "auto": lambda x, n: np.minimum(np.maximum(WIDTHS["fd"](x, n), WIDTHS["sqrt"](x, n) / 2), WIDTHS["sturges"](x, n)),
}


def _estimated(a: Arrayed, name: str, range: Any, of_ints: bool) -> Any:
    """How many bins there are to be: that depends on what the numbers are."""
    if name not in WIDTHS:
        unsupported(f"a histogram with bins={name!r}", f"use one of {', '.join(WIDTHS)}, a number of bins, or their edges")
    first, last = _ends(a, range)
    if range is not None:
        a = a[np.logical_and(a >= first, a <= last)]
    n = shape_of(a)[0]
    require(np.greater(n, 0), ValueError("the number of bins cannot be estimated of no numbers"))
    width = WIDTHS[name](a, n * 1.0)
    if of_ints:
        width = np.where(width > 0.0, np.maximum(width, 1.0), width)
    return np.where(width > 0.0, np.ceil((last - first) / np.where(width > 0.0, width, 1.0)), 1.0).astype(int)


def _ends(a: Arrayed, range: Any) -> tuple[Any, Any]:
    """The outer edges: those that are given, or of the elements."""
    if range is not None:
        first, last = (float_array(x) for x in range)
    else:
        n = sizes.product(shape_of(a))
        a = float_array(a)
        none = n == 0
        high = a.dtype.type(np.inf)
        first, last = np.min(a, initial=high), np.max(a, initial=-high)
        first, last = np.where(none, 0.0, first), np.where(none, 1.0, last)
    require(np.logical_and(np.isfinite(first), np.isfinite(last)), ValueError("the range of a histogram is not finite"))
    require(first <= last, ValueError("max must be larger than min in range parameter."))
    same = first == last
    return np.where(same, first - 0.5, first), np.where(same, last + 0.5, last)


def _bins(a: Any, edges: Any) -> tuple[Any, Any]:
    """In which bin each element is, and whether it is in one: the last bin includes both of its edges."""
    at = searchsorted(edges, a, "right") - 1
    n = shape_of(edges)[0] - 1
    at = np.where(a == edges[-1], n - 1, at)
    return np.clip(at, 0, n - 1), np.logical_and(at >= 0, at < n)


@implements(np.histogram)
def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    a = ravel(a)
    edges = histogram_bin_edges(a, bins, range)
    at, inside = _bins(a, edges)
    given: Any = 1 if weights is None else ravel(weights)
    kind = np.dtype(np.int64) if weights is None else given.dtype
    out = zeros(shape_of(edges)[0] - 1, kind)
    add_at(out, at, np.where(inside, given, kind.type(0)))
    return (out / np.diff(edges) / np.sum(out), edges) if density else (out, edges)


def _of_each(x: Any, n: int, what: str) -> list[Any]:
    """What is given for each of n axes, or for all of them."""
    if isinstance(x, (list, tuple)) or (isinstance(x, Arrayed) and x.ndim != 0):
        if len(x) != n:
            raise ValueError(f"The dimension of {what} must be equal to the dimension of the sample x. ({user_site()})")
        return list(x)
    return [x] * n


@implements(np.histogramdd)
def histogramdd(sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    if isinstance(sample, (list, tuple)):
        columns: Sequence[Any] = [ravel(x) for x in sample]
    else:
        a = as_array(sample)
        a = a[:, None] if a.ndim == 1 else a
        n = sizes.needed(shape_of(a)[1])
        if n is None:
            unsupported(
                "np.histogramdd of so many axes that their number depends on values", "give a sample with a known number of columns"
            )
        columns = [a[:, j] for j in builtins.range(int(n))]
    n = len(columns)
    ends = [None] * n if range is None else list(range)
    edges = [histogram_bin_edges(c, b, r) for c, b, r in zip(columns, _of_each(bins, n, "bins"), ends, strict=True)]
    place: Any = 0
    inside: Any = True
    for c, e in zip(columns, edges, strict=True):
        at, within = _bins(c, e)
        place, inside = place * (shape_of(e)[0] - 1) + at, np.logical_and(inside, within)
    shape = [shape_of(e)[0] - 1 for e in edges]
    out = zeros(sizes.product(shape))
    add_at(out, place, np.where(inside, 1.0 if weights is None else astype(ravel(weights), F64), 0.0))
    out = out.reshape(*shape)
    if density:
        for q, e in enumerate(edges):
            out = out / np.diff(e).reshape(*(-1 if p == q else 1 for p in builtins.range(n)))
        out = out / np.sum(np.where(inside, 1.0 if weights is None else ravel(weights), 0.0))
    return out, tuple(edges)


@implements(np.histogram2d)
def histogram2d(x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    alone = as_array(bins) if not isinstance(bins, (list, tuple)) or len(bins) != 2 else None
    if isinstance(alone, Arrayed):
        bins = [alone, alone]
    found, (first, second) = histogramdd([x, y], bins, range, density, weights)
    return found, first, second

"""scipy.stats: ranks, and what is made of orders. Ranks and counts have derivatives of 0."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ...core.types import is_float
from ...values import sizes
from ...values.kernels import put_back
from ...values.reshaping import drop
from ...values.views import as_array, axes_of, shape_of
from ..axes import along, back_from_rows, ravel, rows
from ..common import arrayed, fixed, nonempty, require, shared
from ..reductions import any_
from ..registry import implements
from ..shaping import concatenate
from ..sorting import sort
from ..special.elements import each
from ..special.functions import ndtr as _ndtr
from .samples import SignificanceResult, count, one_of, student

METHODS = ("average", "min", "max", "dense", "ordinal")
ndtr = each("ndtr", _ndtr)


@implements("scipy.stats.rankdata")
def rankdata(a: Any, method: str = "average", *, axis: Any = None) -> Any:
    if method not in METHODS:
        raise ValueError(f'unknown method "{method}"')
    a, at = along(a, axis)
    matrix, order, shape = rows(fixed(a), at)
    ranks = _ranks(matrix, method)
    if is_float(a.type.dtype):
        missing = any_(np.isnan(matrix), 1)
        if method == "average":
            ranks = np.where(missing[:, None], np.nan, ranks)
        else:
            require(~missing, ValueError(f"the ranks of NaNs, of which method={method!r} would make floats: leave NaNs out"))
    return back_from_rows(ranks, order, shape)


@shared
def _ranks(m: Any, method: Any) -> Any:
    """Of each row: equal elements have the least of their ranks, the largest, or what is between; or are counted once; or in their order."""
    out = np.zeros(m.shape, float if method == "average" else int)
    for r in range(m.shape[0]):
        order = np.argsort(m[r])
        i, distinct, n = 0, 0, m.shape[1]
        while i < n:
            j, distinct = i + 1, distinct + 1
            while j < n and m[r, order[j]] == m[r, order[i]]:
                j += 1
            for k in range(i, j):
                if method == "average":
                    out[r, order[k]] = 0.5 * (i + 1 + j)
                elif method == "ordinal":
                    out[r, order[k]] = k + 1
                else:
                    out[r, order[k]] = i + 1 if method == "min" else j if method == "max" else distinct
            i = j
    return out


@implements("scipy.stats.spearmanr", gives="python")
def spearmanr(a: Any, b: Any = None, axis: Any = 0, alternative: str = "two-sided") -> Any:
    parts = [as_array(x) for x in (a, b) if x is not None]
    if axis is None:
        parts = [ravel(x) for x in parts]
    columns = [x[:, None] if x.ndim == 1 else x.T if axis == 1 else x for x in parts]
    m = concatenate(columns, 1) if len(columns) > 1 else columns[0]
    variables = shape_of(m)[1]
    if sizes.is_known(variables) and sizes.plain(variables) < 2:
        raise ValueError("`spearmanr` needs at least 2 variables to compare")
    r = np.corrcoef(rankdata(m, axis=0), rowvar=False)
    if sizes.needed(variables) == 2:
        r = r[0, 1]
    df = count(m, 0) - 2.0
    t = r * np.sqrt(np.maximum(df / ((r + 1.0) * (1.0 - r)), 0.0))
    found = student(t, df, alternative)
    return SignificanceResult(r, found.pvalue)


# ---- Kendall's tau
@implements("scipy.stats.kendalltau", gives="python")
def kendalltau(x: Any, y: Any, *, method: str = "auto", variant: str = "b", alternative: str = "two-sided") -> Any:
    if variant not in ("b", "c") or method not in ("auto", "exact", "asymptotic"):
        raise ValueError("`variant` must be 'b' or 'c', and `method` 'auto', 'exact' or 'asymptotic'.")
    x, y = (ravel(fixed(arrayed(as_array(v)))) for v in (x, y))
    ranks = [_ranks(v[None], "dense")[0] for v in (x, y)]
    n, apart, ties, (xs, ys), classes = _pairs(*ranks)
    total = n * (n - 1) // 2
    difference = total - xs[0] - ys[0] + ties - 2 * apart
    if variant == "b":
        tau = difference / np.sqrt((total - xs[0]) * 1.0) / np.sqrt((total - ys[0]) * 1.0)
    else:
        tau = 2.0 * difference / (n * n * (classes - 1) / classes)
    missing = [any_(np.isnan(v)) for v in (x, y) if is_float(v.type.dtype)]
    nothing = (xs[0] == total) | (ys[0] == total)
    for m in missing:
        nothing = nothing | m
    with_ties = (xs[0] != 0) | (ys[0] != 0)
    if method == "exact":
        require(np.logical_not(with_ties), ValueError("Ties found, exact method cannot be used."))
    exact = method == "exact" or (method == "auto" and np.logical_not(with_ties) & ((n <= 33) | (np.minimum(apart, total - apart) <= 1)))
    p = _significance(n, total - apart, exact, difference, xs, ys, alternative)
    return SignificanceResult(np.where(nothing, np.nan, np.clip(tau, -1.0, 1.0)), np.where(nothing, np.nan, p))


@shared
def _pairs(x: Any, y: Any) -> Any:
    """Of two vectors of dense ranks: how many numbers, pairs in opposite orders, pairs that are equal in both; sums over the ties of each; the
    lesser number of different ones."""
    n = len(x)
    order = np.lexsort((y, x))
    u, v = x[order], y[order]
    both, run = 0, 0
    for i in range(1, n):
        run = run + 1 if u[i] == u[i - 1] and v[i] == v[i - 1] else 0
        both += run
    return n, _inversions(v), both, (_ties(x), _ties(y)), min(np.max(x), np.max(y))


@shared
def _ties(x: Any) -> Any:
    """Sums over t equal ones of t (t - 1) / 2, t (t - 1) (t - 2), t (t - 1) (2 t + 5)."""
    counts = np.bincount(x)
    return (
        np.sum(counts * (counts - 1)) // 2,
        np.sum(counts * (counts - 1.0) * (counts - 2.0)),
        np.sum(counts * (counts - 1.0) * (2.0 * counts + 5.0)),
    )


@shared
def _inversions(v: Any) -> Any:
    """How many pairs are in the wrong order: those over which a merge sort takes a number."""
    n = len(v)
    here, there, found, width = v.copy(), v.copy(), 0, 1
    while width < n:
        for pair in range((n + 2 * width - 1) // (2 * width)):
            start = 2 * pair * width
            middle, end = min(start + width, n), min(start + 2 * width, n)
            i, j = start, middle
            for k in range(start, end):
                if i < middle and (j >= end or here[i] <= here[j]):
                    there[k] = here[i]
                    i += 1
                else:
                    there[k] = here[j]
                    found += middle - i
                    j += 1
        for k in range(n):
            here[k] = there[k]
        width *= 2
    return found


@shared
def _significance(n: Any, c: Any, exact: Any, difference: Any, xs: Any, ys: Any, alternative: Any) -> Any:
    if exact:
        return _of_permutations(n, c, alternative)
    m = n * (n - 1.0)
    variance = (m * (2 * n + 5) - xs[2] - ys[2]) / 18 + 2.0 * xs[0] * ys[0] / m + xs[1] * ys[1] / (9 * m * (n - 2))
    return _of_normal(difference / np.sqrt(variance), alternative)


def _of_normal(z: Any, alternative: str) -> Any:
    return one_of(alternative, lambda: 2.0 * ndtr(-np.abs(z)), lambda: ndtr(z), lambda: ndtr(-z))


@shared
def _of_permutations(n: Any, c: Any, alternative: Any) -> Any:
    """Of all orders of n numbers, the share with so few pairs in one order: that with k inversions, from that of one number less."""
    total = n * (n - 1) // 2
    low = min(c, total - c)
    share = np.zeros(low + 1)
    share[0] = 1.0
    for j in range(2, n + 1):
        sums = np.cumsum(share) / j
        for k in range(low + 1):
            share[k] = sums[k] - sums[k - j] if k >= j else sums[k]
    two_sided = min(1.0, 2.0 * np.sum(share)) if 2 * low < total else 1.0
    if alternative == "two-sided":
        return two_sided
    below = np.sum(share)
    return below if (c >= total - c) == (alternative == "greater") else 1.0 - below + share[low]


# ---- the most common, and the middle
class ModeResult(NamedTuple):
    mode: Any
    count: Any


@implements("scipy.stats.mode", gives="python")
def mode(a: Any, axis: Any = 0, keepdims: bool = False) -> Any:
    """Of equal elements the first has its derivative."""
    given = arrayed(as_array(a))
    a, at = along(given, axis)
    nonempty(a, at, "mode")
    matrix, order, shape = rows(a, at)
    found = [back_from_rows(x, order, [*shape[:-1], 1]) for x in _most_common(sort(matrix))]
    if axis is None and keepdims:
        return ModeResult(*(put_back(x[0], axes_of(None, given.ndim), given.ndim) for x in found))
    return ModeResult(*(x if keepdims else drop(x, [at]) for x in found))


@shared
def _most_common(m: Any) -> Any:
    """Of each sorted row the first of those that are there most often, and how often."""
    values, counts = np.zeros((m.shape[0], 1), m.dtype), np.zeros((m.shape[0], 1), int)
    for r in range(m.shape[0]):
        first = 0
        for j in range(m.shape[1]):
            if m[r, j] != m[r, first] and not (m[r, j] != m[r, j] and m[r, first] != m[r, first]):
                first = j
            if j - first + 1 > counts[r, 0]:
                counts[r, 0] = j - first + 1
                values[r, 0] = m[r, first]
    return values, counts


@implements("scipy.stats.trim_mean")
def trim_mean(a: Any, proportiontocut: Any, axis: Any = 0) -> Any:
    a, at = along(a, axis)
    n = shape_of(a)[at]
    least = math.floor(proportiontocut * n) if sizes.is_known(n) else np.floor(proportiontocut * n).astype(int)
    require(2 * least <= n, ValueError("Proportion too big."))
    return np.mean(sort(a, at)[(*[slice(None)] * at, slice(least, sizes.sub(n, least)))], at)

"""scipy.stats' statistics of samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...values import sizes
from ...values.values import Traced
from ...values.views import axes_of, shape_of
from ..common import float_array
from ..registry import implements
from ..special.elements import S, each
from ..special.functions import boxcox as _boxcox
from ..special.functions import fdtrc as _fdtrc

stdtr, gammaincc = each("stdtr", S.stdtr), each("gammaincc", S.gammaincc)
betainc, betaincc = each("betainc", S.betainc), each("betaincc", S.betaincc)
fdtrc = each("fdtrc", _fdtrc)
entr, rel_entr, boxcox = each("entr", S.entr), each("rel_entr", S.rel_entr), each("boxcox", _boxcox)


def array(a: Any) -> Any:
    return float_array(a)


def count(a: Any, axis: Any) -> Any:
    """How many numbers there are along axes, as a float."""
    n: Any = sizes.product([shape_of(a)[q] for q in axes_of(axis, a.ndim)])
    return float(sizes.plain(n)) if sizes.is_known(n) else n * np.float64(1.0)


def _average(a: Any, axis: Any, weights: Any) -> Any:
    return np.mean(a, axis) if weights is None else np.sum(a * weights, axis) / np.sum(weights + 0.0 * a, axis)


def _moment(a: Any, order: int, axis: Any) -> Any:
    return np.mean((a - np.mean(a, axis, keepdims=True)) ** order, axis)


@implements("scipy.stats.gmean")
def gmean(a: Any, axis: Any = 0, weights: Any = None) -> Any:
    return np.exp(_average(np.log(array(a)), axis, weights))


@implements("scipy.stats.hmean")
def hmean(a: Any, axis: Any = 0, weights: Any = None) -> Any:
    return 1.0 / _average(1.0 / array(a), axis, weights)


@implements("scipy.stats.pmean")
def pmean(a: Any, p: Any, axis: Any = 0, weights: Any = None) -> Any:
    if not isinstance(p, Traced) and p == 0:
        return gmean(a, axis, weights)
    return _average(array(a) ** p, axis, weights) ** (1.0 / p)


@implements("scipy.stats.moment")
def moment(a: Any, order: int = 1, axis: Any = 0, center: Any = None) -> Any:
    a = array(a)
    return _moment(a, order, axis) if center is None else np.mean((a - center) ** order, axis)


@implements("scipy.stats.skew")
def skew(a: Any, axis: Any = 0, bias: bool = True) -> Any:
    a = array(a)
    z, n = _moment(a, 3, axis) / _moment(a, 2, axis) ** 1.5, count(a, axis)
    return z if bias else np.sqrt((n - 1.0) * n) / (n - 2.0) * z


@implements("scipy.stats.kurtosis")
def kurtosis(a: Any, axis: Any = 0, fisher: bool = True, bias: bool = True) -> Any:
    a = array(a)
    z, n = _moment(a, 4, axis) / _moment(a, 2, axis) ** 2, count(a, axis)
    if not bias:
        z = ((n * n - 1.0) * z - 3.0 * (n - 1.0) ** 2) / ((n - 2.0) * (n - 3.0)) + 3.0
    return z - 3.0 if fisher else z


@implements("scipy.stats.zscore")
def zscore(a: Any, axis: Any = 0, ddof: Any = 0) -> Any:
    return zmap(a, a, axis, ddof)


@implements("scipy.stats.zmap")
def zmap(scores: Any, compare: Any, axis: Any = 0, ddof: Any = 0) -> Any:
    scores, compare = array(scores), array(compare)
    return (scores - np.mean(compare, axis, keepdims=True)) / np.std(compare, axis, ddof=ddof, keepdims=True)


@implements("scipy.stats.sem")
def sem(a: Any, axis: Any = 0, ddof: Any = 1) -> Any:
    a = array(a)
    return np.std(a, axis, ddof=ddof) / np.sqrt(count(a, axis))


@implements("scipy.stats.variation")
def variation(a: Any, axis: Any = 0, ddof: Any = 0) -> Any:
    return np.std(array(a), axis, ddof=ddof) / np.mean(array(a), axis)


@implements("scipy.stats.gstd")
def gstd(a: Any, axis: Any = 0, ddof: Any = 1) -> Any:
    return np.exp(np.std(np.log(array(a)), axis, ddof=ddof))


@implements("scipy.stats.entropy")
def entropy(pk: Any, qk: Any = None, base: Any = None, axis: Any = 0) -> Any:
    p = array(pk) / np.sum(array(pk), axis, keepdims=True)
    z = entr(p) if qk is None else rel_entr(p, array(qk) / np.sum(array(qk), axis, keepdims=True))
    return np.sum(z, axis) if base is None else np.sum(z, axis) / np.log(base)


@implements("scipy.stats.median_abs_deviation")
def median_abs_deviation(x: Any, axis: Any = 0, scale: Any = 1.0) -> Any:
    if scale == "normal":
        scale = 0.6744897501960817
    x = array(x)
    return np.median(np.abs(x - np.median(x, axis, keepdims=True)), axis) / scale


@implements("scipy.stats.boxcox_llf")
def boxcox_llf(lmb: Any, data: Any, *, axis: Any = 0) -> Any:
    data = array(data)
    return (lmb - 1.0) * np.sum(np.log(data), axis) - 0.5 * count(data, axis) * np.log(np.var(boxcox(data, lmb), axis))


@implements("scipy.stats.iqr")
def iqr(x: Any, axis: Any = None, rng: Any = (25, 75)) -> Any:
    return np.percentile(array(x), rng[1], axis) - np.percentile(array(x), rng[0], axis)


@implements("scipy.stats.tmean")
def tmean(a: Any, axis: Any = None) -> Any:
    return np.mean(array(a), axis)


@implements("scipy.stats.tvar")
def tvar(a: Any, axis: Any = 0, ddof: Any = 1) -> Any:
    return np.var(array(a), axis, ddof=ddof)


@implements("scipy.stats.tstd")
def tstd(a: Any, axis: Any = 0, ddof: Any = 1) -> Any:
    return np.std(array(a), axis, ddof=ddof)


# ---- of angles
def _direction(samples: Any, high: Any, low: Any, axis: Any) -> tuple[Any, Any]:
    angle = (array(samples) - low) * (2.0 * np.pi / (high - low))
    return np.mean(np.sin(angle), axis), np.mean(np.cos(angle), axis)


@implements("scipy.stats.circmean")
def circmean(samples: Any, high: Any = 2 * np.pi, low: Any = 0, axis: Any = None) -> Any:
    angle = np.arctan2(*_direction(samples, high, low, axis))
    return np.mod(angle, 2.0 * np.pi) * ((high - low) / (2.0 * np.pi)) + low


@implements("scipy.stats.circvar")
def circvar(samples: Any, high: Any = 2 * np.pi, low: Any = 0, axis: Any = None) -> Any:
    return 1.0 - np.minimum(np.hypot(*_direction(samples, high, low, axis)), 1.0)


@implements("scipy.stats.circstd")
def circstd(samples: Any, high: Any = 2 * np.pi, low: Any = 0, axis: Any = None, *, normalize: bool = False) -> Any:
    z = np.sqrt(-2.0 * np.log(np.minimum(np.hypot(*_direction(samples, high, low, axis)), 1.0)))
    return z if normalize else z * ((high - low) / (2.0 * np.pi))


# ---- tests, with what SciPy's results are called
class SignificanceResult(NamedTuple):
    statistic: Any
    pvalue: Any


class LinregressResult(NamedTuple):
    slope: Any
    intercept: Any
    rvalue: Any
    pvalue: Any
    stderr: Any


class _Regression(LinregressResult):
    intercept_stderr: Any = None


class TtestResult(SignificanceResult):
    df: Any = None


def one_of(alternative: str, *values: Callable[[], Any]) -> Any:
    """The p-value of a two-sided alternative, of "less" or of "greater"."""
    found = dict(zip(("two-sided", "less", "greater"), values, strict=True))
    if alternative not in found:
        raise ValueError("`alternative` must be 'less', 'greater', or 'two-sided'.")
    return found[alternative]()


def student(t: Any, df: Any, alternative: str) -> Any:
    result = TtestResult(t, one_of(alternative, lambda: 2.0 * stdtr(df, -np.abs(t)), lambda: stdtr(df, t), lambda: stdtr(df, -t)))
    result.df = df
    return result


@implements("scipy.stats.ttest_1samp", gives="python")
def ttest_1samp(a: Any, popmean: Any, axis: Any = 0, alternative: str = "two-sided") -> Any:
    a = array(a)
    n = count(a, axis)
    return student((np.mean(a, axis) - popmean) / np.sqrt(np.var(a, axis, ddof=1) / n), n - 1.0, alternative)


@implements("scipy.stats.ttest_rel", gives="python")
def ttest_rel(a: Any, b: Any, axis: Any = 0, alternative: str = "two-sided") -> Any:
    return ttest_1samp(array(a) - array(b), 0.0, axis, alternative)


@implements("scipy.stats.ttest_ind", gives="python")
def ttest_ind(a: Any, b: Any, *, axis: Any = 0, equal_var: bool = True, alternative: str = "two-sided") -> Any:
    a, b = array(a), array(b)
    m, n, u, v = count(a, axis), count(b, axis), np.var(a, axis, ddof=1), np.var(b, axis, ddof=1)
    if equal_var:
        df = m + n - 2.0
        spread = ((m - 1.0) * u + (n - 1.0) * v) / df * (1.0 / m + 1.0 / n)
    else:
        spread = u / m + v / n
        df = spread**2 / ((u / m) ** 2 / (m - 1.0) + (v / n) ** 2 / (n - 1.0))
    return student((np.mean(a, axis) - np.mean(b, axis)) / np.sqrt(spread), df, alternative)


@implements("scipy.stats.chisquare", gives="python")
def chisquare(f_obs: Any, f_exp: Any = None, ddof: Any = 0, axis: Any = 0) -> Any:
    f_obs = array(f_obs)
    expected = np.mean(f_obs, axis, keepdims=True) if f_exp is None else array(f_exp)
    z = np.sum((f_obs - expected) ** 2 / expected, axis)
    return SignificanceResult(z, gammaincc(0.5 * (count(f_obs, axis) - 1.0 - ddof), 0.5 * z))


@implements("scipy.stats.jarque_bera", gives="python")
def jarque_bera(x: Any, *, axis: Any = None) -> Any:
    x = array(x)
    z = count(x, axis) / 6.0 * (skew(x, axis) ** 2 + 0.25 * kurtosis(x, axis) ** 2)
    return SignificanceResult(z, np.exp(-0.5 * z))


@implements("scipy.stats.f_oneway", gives="python")
def f_oneway(*samples: Any, axis: Any = 0) -> Any:
    groups = [array(a) for a in samples]
    counts, means = [count(a, axis) for a in groups], [np.mean(a, axis) for a in groups]
    n, k = sum(counts), float(len(groups))
    middle = sum(c * m for c, m in zip(counts, means, strict=True)) / n
    between = sum(c * (m - middle) ** 2 for c, m in zip(counts, means, strict=True)) / (k - 1.0)
    within = sum(c * np.var(a, axis) for c, a in zip(counts, groups, strict=True)) / (n - k)
    f = between / within
    return SignificanceResult(f, fdtrc(k - 1.0, n - k, f))


@implements("scipy.stats.pearsonr", gives="python")
def pearsonr(x: Any, y: Any, *, alternative: str = "two-sided", axis: Any = 0) -> Any:
    x, y = array(x), array(y)
    u, v, n = x - np.mean(x, axis, keepdims=True), y - np.mean(y, axis, keepdims=True), count(x, axis)
    r = np.clip(np.sum(u * v, axis) / np.sqrt(np.sum(u * u, axis) * np.sum(v * v, axis)), -1.0, 1.0)
    half = 0.5 * n - 1.0
    far = 0.5 + 0.5 * (np.abs(r) if alternative == "two-sided" else r)
    found = one_of(
        alternative, lambda: 2.0 * betaincc(half, half, far), lambda: betainc(half, half, far), lambda: betaincc(half, half, far)
    )
    return SignificanceResult(r, np.where(half == 0.0, 1.0, found))


@implements("scipy.stats.linregress", gives="python")
def linregress(x: Any, y: Any, alternative: str = "two-sided") -> Any:
    x, y = array(x), array(y)
    n, u, v = count(x, 0), x - np.mean(x), y - np.mean(y)
    xx, xy, yy = np.mean(u * u), np.mean(u * v), np.mean(v * v)
    r, slope, df = np.clip(xy / np.sqrt(xx * yy), -1.0, 1.0), xy / xx, n - 2.0
    t = r * np.sqrt(df / ((1.0 - r + 1e-20) * (1.0 + r + 1e-20)))
    error = np.sqrt((1.0 - r * r) * yy / xx / df)
    found = _Regression(slope, np.mean(y) - slope * np.mean(x), r, student(t, df, alternative).pvalue, error)
    found.intercept_stderr = error * np.sqrt(xx + np.mean(x) ** 2)
    return found

"""Continuous distributions of scipy.stats in standard form: functions of a number and shapes. Further ones are in further.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ops import table
from ..special.elements import S
from ..special.functions import fdtr, fdtrc, fdtri, log_expit, ndtr
from .objects import continuous

EULER, LOG_2PI = 0.5772156649015329, math.log(2 * math.pi)
digamma, gammaln, gamma, expit, erf, pi, inf, nan = (
    table.digamma,
    table.gammaln,
    table.gamma,
    table.expit,
    table.erf,
    math.pi,
    math.inf,
    math.nan,
)
exp, log, log1p, expm1, sqrt, where = np.exp, np.log, np.log1p, np.expm1, np.sqrt, np.where


def over(bound: float, x: Any, z: Any, below: float = inf) -> Any:
    """z, that exists where a shape is over a bound."""
    return where(x > bound, z, below)


def at_infinity(x: Any, z: Any) -> Any:
    """The logarithm of a density, z, which is there the difference of two infinities."""
    return where(np.abs(x) == inf, -inf, z)


def _t_log_density(x: Any, df: Any) -> Any:
    z = gammaln(0.5 * (df + 1.0)) - gammaln(0.5 * df) - 0.5 * log(pi * df) - 0.5 * (df + 1.0) * log1p(x * x / df)
    return where(df == inf, -0.5 * x * x - 0.5 * LOG_2PI, z)


def _t_entropy(df: Any) -> Any:
    half, more = 0.5 * df, 0.5 * (df + 1.0)
    return more * (digamma(more) - digamma(half)) + 0.5 * log(df) + S.betaln(half, 0.5)


def _f_log_density(x: Any, m: Any, n: Any) -> Any:
    return 0.5 * m * log(m) + 0.5 * n * log(n) + S.xlogy(0.5 * m - 1.0, x) - 0.5 * (m + n) * log(n + m * x) - S.betaln(0.5 * m, 0.5 * n)


continuous(
    "norm",
    logpdf=lambda x: -0.5 * x * x - 0.5 * LOG_2PI, cdf=ndtr, logcdf=S.log_ndtr, sf=lambda x: ndtr(-x), logsf=lambda x: S.log_ndtr(-x),
    ppf=S.ndtri, isf=lambda q: -S.ndtri(q), mean=0.0, var=1.0, entropy=0.5 * LOG_2PI + 0.5,
)  # fmt: skip
continuous(
    "t", "df",
    logpdf=_t_log_density, cdf=lambda x, df: S.stdtr(df, x), sf=lambda x, df: S.stdtr(df, -x), ppf=lambda q, df: S.stdtrit(df, q),
    isf=lambda q, df: -S.stdtrit(df, q), mean=lambda df: over(1.0, df, 0.0), entropy=_t_entropy,
    var=lambda df: over(2.0, df, where(df == inf, 1.0, df / (df - 2.0)), over(1.0, df, inf, nan)),
)  # fmt: skip
continuous(
    "gamma", "a",
    logpdf=lambda x, a: S.xlogy(a - 1.0, x) - x - gammaln(a), cdf=lambda x, a: S.gammainc(a, x), sf=lambda x, a: S.gammaincc(a, x),
    ppf=lambda q, a: S.gammaincinv(a, q), isf=lambda q, a: S.gammainccinv(a, q), low=0.0, mean=lambda a: a, var=lambda a: a,
    entropy=lambda a: a + gammaln(a) + (1.0 - a) * digamma(a),
)  # fmt: skip
continuous(
    "chi2", "df",
    logpdf=lambda x, df: S.xlogy(0.5 * df - 1.0, x) - 0.5 * x - gammaln(0.5 * df) - 0.5 * math.log(2) * df,
    cdf=lambda x, df: S.gammainc(0.5 * df, 0.5 * x), sf=lambda x, df: S.gammaincc(0.5 * df, 0.5 * x),
    ppf=lambda q, df: 2.0 * S.gammaincinv(0.5 * df, q), isf=lambda q, df: 2.0 * S.gammainccinv(0.5 * df, q), low=0.0,
    mean=lambda df: df, var=lambda df: 2.0 * df,
    entropy=lambda df: 0.5 * df + math.log(2) + gammaln(0.5 * df) + (1.0 - 0.5 * df) * digamma(0.5 * df),
)  # fmt: skip
continuous(
    "beta", "a b",
    logpdf=lambda x, a, b: S.xlog1py(b - 1.0, -x) + S.xlogy(a - 1.0, x) - S.betaln(a, b),
    cdf=lambda x, a, b: S.betainc(a, b, x), sf=lambda x, a, b: S.betaincc(a, b, x), ppf=lambda q, a, b: S.betaincinv(a, b, q),
    isf=lambda q, a, b: S.betainccinv(a, b, q), low=0.0, high=1.0, mean=lambda a, b: a / (a + b),
    var=lambda a, b: a * b / ((a + b) * (a + b) * (a + b + 1.0)),
    entropy=lambda a, b: S.betaln(a, b) - (a - 1.0) * digamma(a) - (b - 1.0) * digamma(b) + (a + b - 2.0) * digamma(a + b),
)  # fmt: skip
continuous(
    "f", "dfn dfd",
    logpdf=_f_log_density, cdf=lambda x, m, n: fdtr(m, n, x), sf=lambda x, m, n: fdtrc(m, n, x), ppf=lambda q, m, n: fdtri(m, n, q), low=0.0,
    mean=lambda m, n: over(2.0, n, n / (n - 2.0)),
    var=lambda m, n: over(4.0, n, 2.0 * n * n * (m + n - 2.0) / (m * (n - 2.0) * (n - 2.0) * (n - 4.0))),
    entropy=lambda m, n: (log(n) - log(m) + S.betaln(0.5 * m, 0.5 * n) + (1.0 - 0.5 * m) * digamma(0.5 * m)
                          - (1.0 + 0.5 * n) * digamma(0.5 * n) + 0.5 * (m + n) * digamma(0.5 * (m + n))),
)  # fmt: skip
continuous(
    "expon",
    logpdf=lambda x: -x, cdf=lambda x: -expm1(-x), sf=lambda x: exp(-x), logsf=lambda x: -x, ppf=lambda q: -log1p(-q), isf=lambda q: -log(q),
    low=0.0, mean=1.0, var=1.0, entropy=1.0,
)  # fmt: skip
continuous(
    "lognorm", "s",
    logpdf=lambda x, s: where(x == 0.0, -inf, -0.5 * (log(x) / s) ** 2 - log(s * x) - 0.5 * LOG_2PI),
    cdf=lambda x, s: ndtr(log(x) / s), logcdf=lambda x, s: S.log_ndtr(log(x) / s), sf=lambda x, s: ndtr(-log(x) / s),
    logsf=lambda x, s: S.log_ndtr(-log(x) / s), ppf=lambda q, s: exp(s * S.ndtri(q)), isf=lambda q, s: exp(-s * S.ndtri(q)), low=0.0,
    mean=lambda s: exp(0.5 * s * s), var=lambda s: expm1(s * s) * exp(s * s), entropy=lambda s: 0.5 * (1.0 + LOG_2PI) + log(s),
)  # fmt: skip
continuous(
    "cauchy",
    logpdf=lambda x: -math.log(pi) - log1p(x * x), cdf=lambda x: np.arctan2(1.0, -x) / pi, sf=lambda x: np.arctan2(1.0, x) / pi,
    ppf=lambda q: np.tan(pi * q - 0.5 * pi), isf=lambda q: np.tan(0.5 * pi - pi * q), mean=nan, var=nan, entropy=math.log(4 * pi),
)  # fmt: skip
continuous(
    "laplace",
    logpdf=lambda x: -np.abs(x) - math.log(2), cdf=lambda x: where(x > 0.0, 1.0 - 0.5 * exp(-x), 0.5 * exp(x)),
    sf=lambda x: where(x > 0.0, 0.5 * exp(-x), 1.0 - 0.5 * exp(x)), ppf=lambda q: where(q > 0.5, -log(2.0 * (1.0 - q)), log(2.0 * q)),
    isf=lambda q: where(q > 0.5, log(2.0 * (1.0 - q)), -log(2.0 * q)),
    logcdf=lambda x: where(x > 0.0, log1p(-0.5 * exp(-x)), x - math.log(2)), logsf=lambda x: where(x > 0.0, -x - math.log(2), log1p(-0.5 * exp(x))),
    mean=0.0, var=2.0, entropy=math.log(2) + 1.0,
)  # fmt: skip
continuous(
    "logistic",
    logpdf=lambda x: -np.abs(x) - 2.0 * log1p(exp(-np.abs(x))), cdf=expit, sf=lambda x: expit(-x), logcdf=log_expit, logsf=lambda x: log_expit(-x),
    ppf=S.logit, isf=lambda q: -S.logit(q), mean=0.0, var=pi * pi / 3, entropy=2.0,
)  # fmt: skip
continuous(
    "uniform",
    pdf=lambda x: 1.0 + 0.0 * x,
    cdf=lambda x: x,
    sf=lambda x: 1.0 - x,
    ppf=lambda q: q,
    low=0.0,
    high=1.0,
    mean=0.5,
    var=1 / 12,
    entropy=0.0,
)
continuous(
    "halfnorm",
    logpdf=lambda x: 0.5 * math.log(2 / pi) - 0.5 * x * x, cdf=lambda x: erf(x * math.sqrt(0.5)), sf=lambda x: 2.0 * ndtr(-x),
    ppf=lambda q: S.ndtri(0.5 + 0.5 * q), isf=lambda q: -S.ndtri(0.5 * q), low=0.0, mean=math.sqrt(2 / pi), var=1.0 - 2 / pi,
    entropy=0.5 * math.log(pi / 2) + 0.5,
)  # fmt: skip
continuous(
    "halfcauchy",
    logpdf=lambda x: math.log(2 / pi) - log1p(x * x), cdf=lambda x: 2.0 / pi * np.arctan(x), sf=lambda x: 2.0 / pi * np.arctan2(1.0, x),
    ppf=lambda q: np.tan(0.5 * pi * q), isf=lambda q: 1.0 / np.tan(0.5 * pi * q), low=0.0, mean=inf, var=inf, entropy=math.log(2 * pi),
)  # fmt: skip
continuous(
    "halflogistic",
    logpdf=lambda x: math.log(2) - x - 2.0 * log1p(exp(-x)), cdf=lambda x: np.tanh(0.5 * x), sf=lambda x: 2.0 * expit(-x),
    ppf=lambda q: 2.0 * np.arctanh(q), isf=lambda q: -S.logit(0.5 * q), low=0.0, mean=2 * math.log(2), var=pi * pi / 3 - 4 * math.log(2) ** 2,
    entropy=2 - math.log(2),
)  # fmt: skip


# ---- of extremes and of life times
def weibull_mean(c: Any) -> Any:
    return gamma(1.0 + 1.0 / c)


def weibull_var(c: Any) -> Any:
    return gamma(1.0 + 2.0 / c) - weibull_mean(c) * weibull_mean(c)


continuous(
    "weibull_min", "c",
    logpdf=lambda x, c: log(c) + S.xlogy(c - 1.0, x) - x**c, cdf=lambda x, c: -expm1(-(x**c)), sf=lambda x, c: exp(-(x**c)), logsf=lambda x, c: -(x**c),
    ppf=lambda q, c: (-log1p(-q)) ** (1.0 / c), isf=lambda q, c: (-log(q)) ** (1.0 / c), low=0.0, mean=weibull_mean, var=weibull_var,
    entropy=lambda c: -EULER / c - log(c) + EULER + 1.0,
)  # fmt: skip
continuous(
    "weibull_max", "c",
    logpdf=lambda x, c: log(c) + S.xlogy(c - 1.0, -x) - (-x) ** c, cdf=lambda x, c: exp(-((-x) ** c)), logcdf=lambda x, c: -((-x) ** c),
    sf=lambda x, c: -expm1(-((-x) ** c)), ppf=lambda q, c: -((-log(q)) ** (1.0 / c)), isf=lambda q, c: -((-log1p(-q)) ** (1.0 / c)), high=0.0,
    mean=lambda c: -weibull_mean(c), var=weibull_var, entropy=lambda c: -EULER / c - log(c) + EULER + 1.0,
)  # fmt: skip
continuous(
    "pareto", "b",
    logpdf=lambda x, b: log(b) - (b + 1.0) * log(x), cdf=lambda x, b: -expm1(-b * log(x)), sf=lambda x, b: x**-b, logsf=lambda x, b: -b * log(x),
    ppf=lambda q, b: (1.0 - q) ** (-1.0 / b), isf=lambda q, b: q ** (-1.0 / b), low=1.0, mean=lambda b: over(1.0, b, b / (b - 1.0)),
    var=lambda b: over(2.0, b, b / ((b - 1.0) * (b - 1.0) * (b - 2.0))), entropy=lambda b: 1.0 + 1.0 / b - log(b),
)  # fmt: skip
continuous(
    "lomax", "c",
    logpdf=lambda x, c: log(c) - (c + 1.0) * log1p(x), cdf=lambda x, c: -expm1(-c * log1p(x)), sf=lambda x, c: exp(-c * log1p(x)),
    logsf=lambda x, c: -c * log1p(x), ppf=lambda q, c: expm1(-log1p(-q) / c), isf=lambda q, c: expm1(-log(q) / c), low=0.0,
    mean=lambda c: over(1.0, c, 1.0 / (c - 1.0)), var=lambda c: over(2.0, c, c / ((c - 1.0) * (c - 1.0) * (c - 2.0)), over(1.0, c, inf, nan)),
    entropy=lambda c: 1.0 + 1.0 / c - log(c),
)  # fmt: skip
continuous(
    "gumbel_r",
    logpdf=lambda x: -x - exp(-x), cdf=lambda x: exp(-exp(-x)), logcdf=lambda x: -exp(-x), sf=lambda x: -expm1(-exp(-x)),
    ppf=lambda q: -log(-log(q)), isf=lambda q: -log(-log1p(-q)), mean=EULER, var=pi * pi / 6, entropy=EULER + 1.0,
)  # fmt: skip
continuous(
    "gumbel_l",
    logpdf=lambda x: x - exp(x), cdf=lambda x: -expm1(-exp(x)), sf=lambda x: exp(-exp(x)), logsf=lambda x: -exp(x),
    ppf=lambda q: log(-log1p(-q)), isf=lambda q: log(-log(q)), mean=-EULER, var=pi * pi / 6, entropy=EULER + 1.0,
)  # fmt: skip
continuous(
    "rayleigh",
    logpdf=lambda x: at_infinity(x, log(x) - 0.5 * x * x), cdf=lambda x: -expm1(-0.5 * x * x), sf=lambda x: exp(-0.5 * x * x), logsf=lambda x: -0.5 * x * x,
    ppf=lambda q: sqrt(-2.0 * log1p(-q)), isf=lambda q: sqrt(-2.0 * log(q)), low=0.0, mean=math.sqrt(pi / 2), var=(4 - pi) / 2,
    entropy=0.5 * EULER + 1.0 - 0.5 * math.log(2),
)  # fmt: skip
continuous(
    "maxwell",
    logpdf=lambda x: 0.5 * math.log(2 / pi) + 2.0 * log(x) - 0.5 * x * x, cdf=lambda x: S.gammainc(1.5, 0.5 * x * x), sf=lambda x: S.gammaincc(1.5, 0.5 * x * x),
    ppf=lambda q: sqrt(2.0 * S.gammaincinv(1.5, q)), isf=lambda q: sqrt(2.0 * S.gammainccinv(1.5, q)), low=0.0, mean=2 * math.sqrt(2 / pi), var=3 - 8 / pi,
    entropy=EULER + 0.5 * math.log(2 * pi) - 0.5,
)  # fmt: skip
continuous(
    "chi", "df",
    logpdf=lambda x, df: math.log(2) - 0.5 * math.log(2) * df - gammaln(0.5 * df) + S.xlogy(df - 1.0, x) - 0.5 * x * x,
    cdf=lambda x, df: S.gammainc(0.5 * df, 0.5 * x * x), sf=lambda x, df: S.gammaincc(0.5 * df, 0.5 * x * x),
    ppf=lambda q, df: sqrt(2.0 * S.gammaincinv(0.5 * df, q)), isf=lambda q, df: sqrt(2.0 * S.gammainccinv(0.5 * df, q)), low=0.0,
    mean=lambda df: math.sqrt(2) * S.poch(0.5 * df, 0.5), var=lambda df: df - 2.0 * S.poch(0.5 * df, 0.5) ** 2,
)  # fmt: skip
continuous(
    "invgamma", "a",
    logpdf=lambda x, a: where(x == 0.0, -inf, -(a + 1.0) * log(x) - gammaln(a) - 1.0 / x), cdf=lambda x, a: S.gammaincc(a, 1.0 / x), sf=lambda x, a: S.gammainc(a, 1.0 / x),
    ppf=lambda q, a: 1.0 / S.gammainccinv(a, q), isf=lambda q, a: 1.0 / S.gammaincinv(a, q), low=0.0, mean=lambda a: over(1.0, a, 1.0 / (a - 1.0)),
    var=lambda a: over(2.0, a, 1.0 / ((a - 1.0) * (a - 1.0) * (a - 2.0))), entropy=lambda a: a - (a + 1.0) * digamma(a) + gammaln(a),
)  # fmt: skip

"""Continuous distributions of scipy.stats that are seldom used, in standard form."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..special.elements import S
from ..special.functions import ndtr
from .continuous import LOG_2PI, at_infinity, digamma, exp, expm1, gammaln, inf, log, log1p, over, pi, sqrt, where
from .further import loguniform
from .objects import continuous


def _exponential_normal_tail(x: Any, k: Any) -> Any:
    """What the exponential part takes from the normal distribution function."""
    return exp(0.5 / (k * k) - x / k + S.log_ndtr(x - 1.0 / k))


def _noncentral(x: Any, df: Any, nc: Any) -> Any:
    order, d = 0.5 * df - 1.0, sqrt(x) - sqrt(nc)
    return at_infinity(x, S.xlogy(0.5 * order, x / nc) - 0.5 * d * d + log(0.5 * S.ive(order, sqrt(x * nc))))


def _skew_cauchy_scale(x: Any, a: Any) -> Any:
    return where(x < 0.0, 1.0 - a, 1.0 + a)


continuous("reciprocal", "a b", **loguniform)
continuous(
    "erlang", "a", low=0.0,
    logpdf=lambda x, a: S.xlogy(a - 1.0, x) - x - gammaln(a), cdf=lambda x, a: S.gammainc(a, x), sf=lambda x, a: S.gammaincc(a, x),
    ppf=lambda q, a: S.gammaincinv(a, q), isf=lambda q, a: S.gammainccinv(a, q), mean=lambda a: a, var=lambda a: a,
    entropy=lambda a: a + gammaln(a) + (1.0 - a) * digamma(a),
)  # fmt: skip
continuous(
    "gengamma", "a c", valid=lambda a, c: (a > 0.0) & (c != 0.0), low=0.0,
    logpdf=lambda x, a, c: log(np.abs(c)) + S.xlogy(c * a - 1.0, x) - x**c - gammaln(a),
    cdf=lambda x, a, c: where(c > 0.0, S.gammainc(a, x**c), S.gammaincc(a, x**c)), sf=lambda x, a, c: where(c > 0.0, S.gammaincc(a, x**c), S.gammainc(a, x**c)),
    ppf=lambda q, a, c: where(c > 0.0, S.gammaincinv(a, q), S.gammainccinv(a, q)) ** (1.0 / c), mean=lambda a, c: exp(gammaln(a + 1.0 / c) - gammaln(a)),
)  # fmt: skip
continuous(
    "halfgennorm", "beta", low=0.0,
    logpdf=lambda x, b: log(b) - gammaln(1.0 / b) - x**b, cdf=lambda x, b: S.gammainc(1.0 / b, x**b), sf=lambda x, b: S.gammaincc(1.0 / b, x**b),
    ppf=lambda q, b: S.gammaincinv(1.0 / b, q) ** (1.0 / b), isf=lambda q, b: S.gammainccinv(1.0 / b, q) ** (1.0 / b),
    entropy=lambda b: 1.0 / b - log(b) + gammaln(1.0 / b),
)  # fmt: skip
continuous(
    "exponnorm", "K",
    logpdf=lambda x, k: 0.5 / (k * k) - x / k + S.log_ndtr(x - 1.0 / k) - log(k), cdf=lambda x, k: ndtr(x) - _exponential_normal_tail(x, k),
    sf=lambda x, k: ndtr(-x) + _exponential_normal_tail(x, k), mean=lambda k: k, var=lambda k: 1.0 + k * k,
)  # fmt: skip
continuous(
    "genlogistic", "c",
    logpdf=lambda x, c: log(c) + where(x < 0.0, c * x, -x) - (c + 1.0) * log1p(exp(-np.abs(x))),
    cdf=lambda x, c: (1.0 + exp(-x)) ** -c, sf=lambda x, c: -expm1(-c * log1p(exp(-x))), ppf=lambda q, c: -log(expm1(-log(q) / c)),
    mean=lambda c: 0.5772156649015329 + digamma(c),
)  # fmt: skip
continuous(
    "burr", "c d", low=0.0,
    logpdf=lambda x, c, d: where(x == 0.0, log(c) + log(d) + S.xlogy(c * d - 1.0, x), log(c) + log(d) + S.xlogy(-c - 1.0, x) + S.xlog1py(-d - 1.0, x**-c)),
    cdf=lambda x, c, d: (1.0 + x**-c) ** -d, sf=lambda x, c, d: -expm1(-d * log1p(x**-c)), ppf=lambda q, c, d: expm1(-log(q) / d) ** (-1.0 / c),
)  # fmt: skip
continuous(
    "loglaplace", "c", low=0.0,
    pdf=lambda x, c: 0.5 * c * where(x < 1.0, x ** (c - 1.0), x ** (-c - 1.0)), cdf=lambda x, c: where(x < 1.0, 0.5 * x**c, 1.0 - 0.5 * x**-c),
    sf=lambda x, c: where(x < 1.0, 1.0 - 0.5 * x**c, 0.5 * x**-c), ppf=lambda q, c: where(q < 0.5, (2.0 * q) ** (1.0 / c), (2.0 * (1.0 - q)) ** (-1.0 / c)),
    isf=lambda q, c: where(q > 0.5, (2.0 * (1.0 - q)) ** (1.0 / c), (2.0 * q) ** (-1.0 / c)), mean=lambda c: over(1.0, c, c * c / (c * c - 1.0)),
    entropy=lambda c: log(2.0 / c) + 1.0,
)  # fmt: skip
continuous(
    "foldnorm", "c", valid=lambda c: c >= 0.0, low=0.0,
    pdf=lambda x, c: (exp(-0.5 * (x - c) ** 2) + exp(-0.5 * (x + c) ** 2)) / math.sqrt(2 * pi), cdf=lambda x, c: ndtr(x - c) - ndtr(-x - c),
    sf=lambda x, c: ndtr(c - x) + ndtr(-x - c), mean=lambda c: math.sqrt(2 / pi) * exp(-0.5 * c * c) + c * (2.0 * ndtr(c) - 1.0),
    var=lambda c: c * c + 1.0 - (math.sqrt(2 / pi) * exp(-0.5 * c * c) + c * (2.0 * ndtr(c) - 1.0)) ** 2,
)  # fmt: skip
continuous(
    "foldcauchy", "c", valid=lambda c: c >= 0.0, low=0.0,
    pdf=lambda x, c: (1.0 / (1.0 + (x - c) ** 2) + 1.0 / (1.0 + (x + c) ** 2)) / pi, cdf=lambda x, c: (np.arctan(x - c) + np.arctan(x + c)) / pi,
    sf=lambda x, c: (np.arctan2(1.0, x - c) + np.arctan2(1.0, x + c)) / pi, mean=lambda c: 0.0 * c + inf, var=lambda c: 0.0 * c + inf,
)  # fmt: skip
continuous(
    "skewcauchy", "a", valid=lambda a: np.abs(a) < 1.0,
    pdf=lambda x, a: 1.0 / (pi * (x * x / _skew_cauchy_scale(x, a) ** 2 + 1.0)),
    cdf=lambda x, a: 0.5 * (1.0 - a) + _skew_cauchy_scale(x, a) / pi * np.arctan(x / _skew_cauchy_scale(x, a)),
)  # fmt: skip
continuous(
    "gibrat", low=0.0,
    logpdf=lambda x: where(x == 0.0, -inf, -0.5 * log(x) ** 2 - log(x) - 0.5 * LOG_2PI), cdf=lambda x: ndtr(log(x)), sf=lambda x: ndtr(-log(x)),
    ppf=lambda q: exp(S.ndtri(q)), isf=lambda q: exp(-S.ndtri(q)), mean=math.exp(0.5), var=math.e * (math.e - 1), entropy=0.5 * LOG_2PI + 0.5,
)  # fmt: skip
continuous("norminvgauss", "a b", valid=lambda a, b: (a > 0.0) & (np.abs(b) < a),
           logpdf=lambda x, a, b: at_infinity(x, log(a / pi) + sqrt(a * a - b * b) + log(S.k1e(a * np.hypot(1.0, x))) + b * x - a * np.hypot(1.0, x)
                                              - log(np.hypot(1.0, x))),
           mean=lambda a, b: b / sqrt(a * a - b * b), var=lambda a, b: a * a / sqrt(a * a - b * b) ** 3)  # fmt: skip
continuous(
    "ncx2", "df nc", low=0.0, logpdf=_noncentral, cdf=lambda x, df, nc: S.chndtr(x, df, nc), mean=lambda df, nc: df + nc, var=lambda df, nc: 2.0 * (df + 2.0 * nc),
)  # fmt: skip
continuous(
    "rdist", "c", low=-1.0, high=1.0,
    logpdf=lambda x, c: S.xlog1py(0.5 * c - 1.0, -x * x) - S.betaln(0.5, 0.5 * c), cdf=lambda x, c: S.betainc(0.5 * c, 0.5 * c, 0.5 * (x + 1.0)),
    sf=lambda x, c: S.betaincc(0.5 * c, 0.5 * c, 0.5 * (x + 1.0)), ppf=lambda q, c: 2.0 * S.betaincinv(0.5 * c, 0.5 * c, q) - 1.0, mean=lambda c: 0.0 * c,
    var=lambda c: 1.0 / (c + 1.0),
)  # fmt: skip
continuous("vonmises_line", "kappa", low=-pi, high=pi, logpdf=lambda x, k: k * S.cosm1(x) - log(2 * pi * S.i0e(k)))

"""Discrete distributions of scipy.stats: functions of a whole number and shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..special.elements import S
from ..special.functions import _zeta
from .continuous import exp, expm1, gammaln, inf, log, log1p, where
from .objects import discrete


def _log_binomial(n: Any, k: Any) -> Any:
    return gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)


def _whole(n: Any) -> Any:
    return (n >= 0.0) & (n == np.floor(n))


def _probability(p: Any) -> Any:
    return (p >= 0.0) & (p <= 1.0)


def _hypergeometric(k: Any, M: Any, n: Any, N: Any) -> Any:
    bad = M - n
    chosen = S.betaln(k + 1.0, n - k + 1.0) + S.betaln(N - k + 1.0, bad - N + k + 1.0) + S.betaln(M + 1.0, 1.0)
    return S.betaln(n + 1.0, 1.0) + S.betaln(bad + 1.0, 1.0) + S.betaln(M - N + 1.0, N + 1.0) - chosen


discrete(
    "poisson", "mu", valid=lambda mu: mu >= 0.0, low=0.0,
    logpmf=lambda k, mu: S.xlogy(k, mu) - gammaln(k + 1.0) - mu, cdf=lambda k, mu: S.gammaincc(k + 1.0, mu), sf=lambda k, mu: S.gammainc(k + 1.0, mu),
    mean=lambda mu: mu, var=lambda mu: mu,
)  # fmt: skip
discrete(
    "binom", "n p", valid=lambda n, p: _whole(n) & _probability(p), low=0.0, high=lambda n, p: n,
    logpmf=lambda k, n, p: _log_binomial(n, k) + S.xlogy(k, p) + S.xlog1py(n - k, -p), cdf=lambda k, n, p: S.betaincc(k + 1.0, n - k, p),
    sf=lambda k, n, p: S.betainc(k + 1.0, n - k, p), mean=lambda n, p: n * p, var=lambda n, p: n * p * (1.0 - p),
)  # fmt: skip
discrete(
    "bernoulli", "p", valid=_probability, low=0.0, high=1.0,
    logpmf=lambda k, p: S.xlogy(k, p) + S.xlog1py(1.0 - k, -p), cdf=lambda k, p: 1.0 - p, sf=lambda k, p: p,
    mean=lambda p: p, var=lambda p: p * (1.0 - p), entropy=lambda p: S.entr(p) + S.entr(1.0 - p),
)  # fmt: skip
discrete(
    "geom", "p", valid=lambda p: (p > 0.0) & (p <= 1.0), low=1.0,
    logpmf=lambda k, p: S.xlog1py(k - 1.0, -p) + log(p), cdf=lambda k, p: -expm1(k * log1p(-p)), sf=lambda k, p: exp(k * log1p(-p)),
    logsf=lambda k, p: k * log1p(-p), mean=lambda p: 1.0 / p, var=lambda p: (1.0 - p) / p / p,
)  # fmt: skip
discrete(
    "nbinom", "n p", valid=lambda n, p: (n > 0.0) & (p > 0.0) & (p <= 1.0), low=0.0,
    logpmf=lambda k, n, p: gammaln(n + k) - gammaln(k + 1.0) - gammaln(n) + n * log(p) + S.xlog1py(k, -p), cdf=lambda k, n, p: S.betainc(n, k + 1.0, p),
    sf=lambda k, n, p: S.betaincc(n, k + 1.0, p), mean=lambda n, p: n * (1.0 - p) / p, var=lambda n, p: n * (1.0 - p) / (p * p),
)  # fmt: skip
discrete(
    "hypergeom", "M n N", valid=lambda M, n, N: _whole(n) & _whole(N) & (np.floor(M) == M) & (n <= M) & (N <= M),
    low=lambda M, n, N: np.maximum(N - (M - n), 0.0), high=lambda M, n, N: np.minimum(n, N), logpmf=_hypergeometric,
    mean=lambda M, n, N: n * N / M, var=lambda M, n, N: n * N * (M - n) * (M - N) / (M * M * (M - 1.0)),
)  # fmt: skip
discrete(
    "betabinom", "n a b", valid=lambda n, a, b: _whole(n) & (a > 0.0) & (b > 0.0), low=0.0, high=lambda n, a, b: n,
    logpmf=lambda k, n, a, b: S.betaln(k + a, n - k + b) - log(n + 1.0) - S.betaln(n - k + 1.0, k + 1.0) - S.betaln(a, b),
    mean=lambda n, a, b: n * a / (a + b), var=lambda n, a, b: n * (a + b + n) * a * b / ((a + b) * (a + b) * (a + b + 1.0)),
)  # fmt: skip
discrete(
    "betanbinom", "n a b", valid=lambda n, a, b: _whole(n) & (a > 0.0) & (b > 0.0), low=0.0,
    logpmf=lambda k, n, a, b: S.betaln(a + n, b + k) - log(n + k) - S.betaln(n, k + 1.0) - S.betaln(a, b),
)  # fmt: skip
discrete("logser", "p", valid=lambda p: (p > 0.0) & (p < 1.0), low=1.0, logpmf=lambda k, p: k * log(p) - log(k) - log(-log1p(-p)),
         mean=lambda p: p / ((p - 1.0) * log1p(-p)))  # fmt: skip
discrete("zipf", "a", valid=lambda a: a > 1.0, low=1.0, logpmf=lambda k, a: -a * log(k) - log(_zeta(a, 1.0 + 0.0 * a)),
         mean=lambda a: where(a > 2.0, _zeta(a - 1.0, 1.0 + 0.0 * a) / _zeta(a, 1.0 + 0.0 * a), inf))  # fmt: skip
discrete(
    "randint", "low high", valid=lambda low, high: (high > low) & (low == np.floor(low)) & (high == np.floor(high)), low=lambda low, high: low,
    high=lambda low, high: high - 1.0, pmf=lambda k, low, high: 1.0 / (high - low) + 0.0 * k, cdf=lambda k, low, high: (k - low + 1.0) / (high - low),
    mean=lambda low, high: 0.5 * (high + low - 1.0), var=lambda low, high: ((high - low) * (high - low) - 1.0) / 12.0, entropy=lambda low, high: log(high - low),
)  # fmt: skip
discrete("dlaplace", "a", low=-inf, pmf=lambda k, a: np.tanh(0.5 * a) * exp(-a * np.abs(k)),
         cdf=lambda k, a: where(k < 0.0, exp(a * (k + 1.0)) / (exp(a) + 1.0), 1.0 - exp(-a * k) / (exp(a) + 1.0)), mean=lambda a: 0.0 * a)  # fmt: skip

"""Further continuous distributions of scipy.stats in standard form."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..special.elements import S
from ..special.functions import ndtr
from .continuous import EULER, LOG_2PI, at_infinity, digamma, exp, expm1, gamma, gammaln, inf, log, log1p, nan, over, pi, sqrt, where
from .objects import continuous


# ---- cut at two ends, which are shapes
def _difference(p: Any, q: Any) -> Any:
    """log(exp(p) - exp(q))"""
    return p + log1p(-exp(q - p))


def _mass(a: Any, b: Any) -> Any:
    """The logarithm of the normal distribution between two points, from the tail that has less."""
    left, right = _difference(S.log_ndtr(b), S.log_ndtr(a)), _difference(S.log_ndtr(-a), S.log_ndtr(-b))
    return where(b <= 0.0, left, where(a > 0.0, right, log1p(-ndtr(a) - ndtr(-b))))


def _truncated_quantile(q: Any, a: Any, b: Any) -> Any:
    left = S.ndtri_exp(np.logaddexp(S.log_ndtr(a), log(q) + _mass(a, b)))
    right = -S.ndtri_exp(np.logaddexp(S.log_ndtr(-b), log1p(-q) + _mass(a, b)))
    return where(a < 0.0, left, right)


def _ends(a: Any, b: Any) -> tuple[Any, Any, Any, Any]:
    """The normal density at both ends, over the mass, and its product with them."""
    p, q = (exp(-0.5 * x * x - 0.5 * LOG_2PI - _mass(a, b)) for x in (a, b))
    return p, q, where(a == -inf, 0.0, a * p), where(b == inf, 0.0, b * q)


def _truncated_var(a: Any, b: Any) -> Any:
    p, q, ap, bq = _ends(a, b)
    return 1.0 + ap - bq - (p - q) * (p - q)


def _truncated_entropy(a: Any, b: Any) -> Any:
    _, _, ap, bq = _ends(a, b)
    return 0.5 * LOG_2PI + 0.5 + _mass(a, b) + 0.5 * (ap - bq)


continuous(
    "truncnorm", "a b", valid=lambda a, b: a < b, low=lambda a, b: a, high=lambda a, b: b,
    logpdf=lambda x, a, b: -0.5 * x * x - 0.5 * LOG_2PI - _mass(a, b), cdf=lambda x, a, b: exp(_mass(a, x) - _mass(a, b)),
    logcdf=lambda x, a, b: _mass(a, x) - _mass(a, b), sf=lambda x, a, b: exp(_mass(x, b) - _mass(a, b)),
    logsf=lambda x, a, b: _mass(x, b) - _mass(a, b), ppf=_truncated_quantile, mean=lambda a, b: _ends(a, b)[0] - _ends(a, b)[1],
    var=_truncated_var, entropy=_truncated_entropy,
)  # fmt: skip
continuous(
    "truncexpon", "b", low=0.0, high=lambda b: b,
    logpdf=lambda x, b: -x - log(-expm1(-b)), cdf=lambda x, b: expm1(-x) / expm1(-b), ppf=lambda q, b: -log1p(q * expm1(-b)),
    sf=lambda x, b: (exp(-b) - exp(-x)) / expm1(-b), isf=lambda q, b: -log(exp(-b) - q * expm1(-b)),
)  # fmt: skip
loguniform: dict[str, Any] = dict(
    valid=lambda a, b: (a > 0.0) & (b > a), low=lambda a, b: a, high=lambda a, b: b,
    logpdf=lambda x, a, b: -log(x) - log(log(b) - log(a)), cdf=lambda x, a, b: (log(x) - log(a)) / (log(b) - log(a)),
    ppf=lambda q, a, b: exp(log(a) + q * (log(b) - log(a))), mean=lambda a, b: (b - a) / (log(b) - log(a)),
    var=lambda a, b: 0.5 * (b * b - a * a) / (log(b) - log(a)) - ((b - a) / (log(b) - log(a))) ** 2,
    entropy=lambda a, b: 0.5 * (log(a) + log(b)) + log(log(b) - log(a)),
)  # fmt: skip
continuous("loguniform", "a b", **loguniform)


# ---- on an interval
def _triangle(x: Any, c: Any) -> Any:
    return where(x < c, 2.0 * x / c, where((x == c) | (c == 1.0), where(c == 1.0, 2.0 * x, 2.0), 2.0 * (1.0 - x) / (1.0 - c)))


def _triangle_cdf(x: Any, c: Any) -> Any:
    return where(x < c, x * x / c, where(c == 1.0, x * x, (x * x - 2.0 * x + c) / (c - 1.0)))


continuous(
    "triang", "c", valid=lambda c: (c >= 0.0) & (c <= 1.0), low=0.0, high=1.0,
    pdf=_triangle, cdf=_triangle_cdf, ppf=lambda q, c: where(q < c, sqrt(c * q), 1.0 - sqrt((1.0 - c) * (1.0 - q))),
    mean=lambda c: (c + 1.0) / 3.0, var=lambda c: (1.0 - c + c * c) / 18.0, entropy=lambda c: 0.5 - math.log(2) + 0.0 * c,
)  # fmt: skip
continuous(
    "powerlaw", "a", low=0.0, high=1.0,
    logpdf=lambda x, a: log(a) + S.xlogy(a - 1.0, x), cdf=lambda x, a: x**a, logcdf=lambda x, a: a * log(x), sf=lambda x, a: -expm1(a * log(x)),
    ppf=lambda q, a: q ** (1.0 / a), mean=lambda a: a / (a + 1.0), var=lambda a: a / (a + 2.0) / (a + 1.0) ** 2, entropy=lambda a: 1.0 - 1.0 / a - log(a),
)  # fmt: skip
continuous(
    "arcsine", low=0.0, high=1.0,
    pdf=lambda x: 1.0 / (pi * sqrt(x * (1.0 - x))), cdf=lambda x: 2.0 / pi * np.arcsin(sqrt(x)), ppf=lambda q: np.sin(0.5 * pi * q) ** 2,
    mean=0.5, var=0.125, entropy=-0.24156447527049044469,
)  # fmt: skip
continuous("cosine", low=-pi, high=pi, pdf=lambda x: 0.5 / pi * (1.0 + np.cos(x)), cdf=lambda x: (pi + x + np.sin(x)) / (2 * pi),
           mean=0.0, var=pi * pi / 3 - 2, entropy=math.log(4 * pi) - 1)  # fmt: skip
continuous("anglit", low=-pi / 4, high=pi / 4, pdf=lambda x: np.cos(2.0 * x), cdf=lambda x: np.sin(x + 0.25 * pi) ** 2, sf=lambda x: np.cos(x + 0.25 * pi) ** 2,
           ppf=lambda q: np.arcsin(sqrt(q)) - 0.25 * pi, mean=0.0, var=pi * pi / 16 - 0.5, entropy=1 - math.log(2))  # fmt: skip
continuous("semicircular", low=-1.0, high=1.0, pdf=lambda x: 2.0 / pi * sqrt(1.0 - x * x),
           cdf=lambda x: 0.5 + (x * sqrt(1.0 - x * x) + np.arcsin(x)) / pi, mean=0.0, var=0.25, entropy=0.64472988584940017414)  # fmt: skip
continuous(
    "bradford", "c", low=0.0, high=1.0,
    pdf=lambda x, c: c / ((1.0 + c * x) * log1p(c)), cdf=lambda x, c: log1p(c * x) / log1p(c), ppf=lambda q, c: expm1(q * log1p(c)) / c,
    mean=lambda c: (c - log1p(c)) / (c * log1p(c)), var=lambda c: ((c + 2.0) * log1p(c) - 2.0 * c) / (2.0 * c * log1p(c) ** 2),
    entropy=lambda c: 0.5 * log1p(c) - log(c / log1p(c)),
)  # fmt: skip
continuous(
    "johnsonsb", "a b", valid=lambda a, b: (b > 0.0) & (a == a), low=0.0, high=1.0,
    pdf=lambda x, a, b: where((x > 0.0) & (x < 1.0), b / (x * (1.0 - x)) * exp(-0.5 * (a + b * S.logit(x)) ** 2 - 0.5 * LOG_2PI), 0.0), cdf=lambda x, a, b: ndtr(a + b * S.logit(x)),
    sf=lambda x, a, b: ndtr(-a - b * S.logit(x)), ppf=lambda q, a, b: 1.0 / (1.0 + exp((a - S.ndtri(q)) / b)),
    isf=lambda q, a, b: 1.0 / (1.0 + exp((a + S.ndtri(q)) / b)),
)  # fmt: skip


# ---- on the line
def _skew(a: Any) -> Any:
    return a / sqrt(1.0 + a * a)


continuous(
    "skewnorm", "a", valid=lambda a: a == a,
    logpdf=lambda x, a: math.log(2) - 0.5 * x * x - 0.5 * LOG_2PI + S.log_ndtr(a * x), cdf=lambda x, a: ndtr(x) - 2.0 * S.owens_t(x, a),
    sf=lambda x, a: ndtr(-x) + 2.0 * S.owens_t(x, a), mean=lambda a: math.sqrt(2 / pi) * _skew(a), var=lambda a: 1.0 - 2.0 / pi * _skew(a) ** 2,
)  # fmt: skip
continuous(
    "vonmises", "kappa", valid=lambda k: k >= 0.0,
    logpdf=lambda x, k: k * S.cosm1(x) - log(2 * pi * S.i0e(k)), entropy=lambda k: -k * S.i1e(k) / S.i0e(k) + log(2 * pi * S.i0e(k)) + k,
)  # fmt: skip
continuous(
    "gennorm", "beta",
    logpdf=lambda x, b: log(0.5 * b) - gammaln(1.0 / b) - np.abs(x) ** b,
    cdf=lambda x, b: where(x > 0.0, 1.0 - 0.5 * S.gammaincc(1.0 / b, np.abs(x) ** b), 0.5 * S.gammaincc(1.0 / b, np.abs(x) ** b)),
    sf=lambda x, b: where(x < 0.0, 1.0 - 0.5 * S.gammaincc(1.0 / b, np.abs(x) ** b), 0.5 * S.gammaincc(1.0 / b, np.abs(x) ** b)),
    mean=lambda b: 0.0 * b, var=lambda b: exp(gammaln(3.0 / b) - gammaln(1.0 / b)), entropy=lambda b: 1.0 / b - log(0.5 * b) + gammaln(1.0 / b),
)  # fmt: skip
continuous(
    "hypsecant",
    pdf=lambda x: 1.0 / (pi * np.cosh(x)), cdf=lambda x: 2.0 / pi * np.arctan(exp(x)), ppf=lambda q: log(np.tan(0.5 * pi * q)),
    sf=lambda x: 2.0 / pi * np.arctan(exp(-x)), isf=lambda q: -log(np.tan(0.5 * pi * q)), mean=0.0, var=pi * pi / 4, entropy=math.log(2 * pi),
)  # fmt: skip
continuous(
    "johnsonsu", "a b", valid=lambda a, b: (b > 0.0) & (a == a),
    pdf=lambda x, a, b: b / sqrt(x * x + 1.0) * exp(-0.5 * (a + b * np.arcsinh(x)) ** 2 - 0.5 * LOG_2PI), cdf=lambda x, a, b: ndtr(a + b * np.arcsinh(x)),
    sf=lambda x, a, b: ndtr(-a - b * np.arcsinh(x)), ppf=lambda q, a, b: np.sinh((S.ndtri(q) - a) / b), isf=lambda q, a, b: np.sinh((-S.ndtri(q) - a) / b),
)  # fmt: skip
continuous(
    "dweibull", "c",
    logpdf=lambda x, c: log(0.5 * c) + S.xlogy(c - 1.0, np.abs(x)) - np.abs(x) ** c,
    cdf=lambda x, c: where(x > 0.0, 1.0 - 0.5 * exp(-(np.abs(x) ** c)), 0.5 * exp(-(np.abs(x) ** c))),
    sf=lambda x, c: where(x > 0.0, 0.5 * exp(-(np.abs(x) ** c)), 1.0 - 0.5 * exp(-(np.abs(x) ** c))),
    mean=lambda c: 0.0 * c, var=lambda c: gamma(1.0 + 2.0 / c),
)  # fmt: skip
continuous(
    "dgamma", "a",
    logpdf=lambda x, a: S.xlogy(a - 1.0, np.abs(x)) - np.abs(x) - math.log(2) - gammaln(a),
    cdf=lambda x, a: where(x > 0.0, 0.5 + 0.5 * S.gammainc(a, np.abs(x)), 0.5 * S.gammaincc(a, np.abs(x))),
    sf=lambda x, a: where(x > 0.0, 0.5 * S.gammaincc(a, np.abs(x)), 0.5 + 0.5 * S.gammainc(a, np.abs(x))),
    mean=lambda a: 0.0 * a, var=lambda a: a * (a + 1.0), entropy=lambda a: a + math.log(2) + gammaln(a) + (1.0 - a) * digamma(a),
)  # fmt: skip
continuous(
    "loggamma", "c",
    logpdf=lambda x, c: c * x - exp(x) - gammaln(c), cdf=lambda x, c: S.gammainc(c, exp(x)), sf=lambda x, c: S.gammaincc(c, exp(x)),
    ppf=lambda q, c: log(S.gammaincinv(c, q)), isf=lambda q, c: log(S.gammainccinv(c, q)), mean=digamma,
)  # fmt: skip
continuous(
    "moyal",
    logpdf=lambda x: -0.5 * (x + exp(-x)) - 0.5 * LOG_2PI, cdf=lambda x: 2.0 * ndtr(-exp(-0.5 * x)), sf=lambda x: 1.0 - 2.0 * ndtr(-exp(-0.5 * x)),
    ppf=lambda q: -2.0 * log(-S.ndtri(0.5 * q)), mean=math.log(2) + EULER, var=pi * pi / 2,
)  # fmt: skip
continuous(
    "laplace_asymmetric", "kappa",
    logpdf=lambda x, k: -np.abs(x) * where(x >= 0.0, k, 1.0 / k) - log(k + 1.0 / k),
    cdf=lambda x, k: where(x >= 0.0, 1.0 - exp(-x * k) / (k * (k + 1.0 / k)), exp(x / k) * k / (k + 1.0 / k)),
    sf=lambda x, k: where(x >= 0.0, exp(-x * k) / (k * (k + 1.0 / k)), 1.0 - exp(x / k) * k / (k + 1.0 / k)),
    mean=lambda k: 1.0 / k - k, var=lambda k: 1.0 / (k * k) + k * k, entropy=lambda k: 1.0 + log(k + 1.0 / k),
)  # fmt: skip


# ---- on the half line
def _inverse_normal_cdf(x: Any, mu: Any) -> Any:
    return ndtr((x / mu - 1.0) / sqrt(x)) + exp(2.0 / mu + S.log_ndtr(-(x / mu + 1.0) / sqrt(x)))


def _inverse_normal_sf(x: Any, mu: Any) -> Any:
    return ndtr(-(x / mu - 1.0) / sqrt(x)) - exp(2.0 / mu + S.log_ndtr(-(x / mu + 1.0) / sqrt(x)))


def _inverse_normal(x: Any, mu: Any) -> Any:
    return where((x == 0.0) | (x == inf), -inf, -0.5 * LOG_2PI - 1.5 * log(x) - (x / mu - 1.0) ** 2 / (2.0 * x))


continuous(
    "invgauss",
    "mu",
    low=0.0,
    logpdf=_inverse_normal,
    cdf=_inverse_normal_cdf,
    sf=_inverse_normal_sf,
    mean=lambda mu: mu,
    var=lambda mu: mu**3,
)
continuous("wald", low=0.0, logpdf=lambda x: _inverse_normal(x, 1.0), cdf=lambda x: _inverse_normal_cdf(x, 1.0), sf=lambda x: _inverse_normal_sf(x, 1.0),
           mean=1.0, var=1.0)  # fmt: skip
continuous(
    "fisk", "c", low=0.0,
    logpdf=lambda x, c: at_infinity(x, log(c) + S.xlogy(c - 1.0, x) - 2.0 * log1p(x**c)), cdf=lambda x, c: 1.0 / (1.0 + x**-c), sf=lambda x, c: 1.0 / (1.0 + x**c),
    logsf=lambda x, c: -log1p(x**c), ppf=lambda q, c: (1.0 / q - 1.0) ** (-1.0 / c), isf=lambda q, c: (1.0 / q - 1.0) ** (1.0 / c),
    mean=lambda c: over(1.0, c, pi / c / np.sin(pi / c), nan), entropy=lambda c: 2.0 - log(c),
)  # fmt: skip
continuous(
    "burr12", "c d", low=0.0,
    logpdf=lambda x, c, d: log(c) + log(d) + S.xlogy(c - 1.0, x) + S.xlog1py(-d - 1.0, x**c), cdf=lambda x, c, d: -expm1(S.xlog1py(-d, x**c)),
    sf=lambda x, c, d: exp(S.xlog1py(-d, x**c)), logsf=lambda x, c, d: S.xlog1py(-d, x**c), ppf=lambda q, c, d: expm1(-log1p(-q) / d) ** (1.0 / c),
)  # fmt: skip
continuous(
    "gompertz", "c", low=0.0,
    logpdf=lambda x, c: log(c) + x - c * expm1(x), cdf=lambda x, c: -expm1(-c * expm1(x)), sf=lambda x, c: exp(-c * expm1(x)),
    logsf=lambda x, c: -c * expm1(x), ppf=lambda q, c: log1p(-log1p(-q) / c), isf=lambda q, c: log1p(-log(q) / c),
)  # fmt: skip
continuous(
    "betaprime", "a b", low=0.0,
    logpdf=lambda x, a, b: at_infinity(x, S.xlogy(a - 1.0, x) - S.xlog1py(a + b, x) - S.betaln(a, b)),
    cdf=lambda x, a, b: where(x > 1.0, S.betaincc(b, a, 1.0 / (1.0 + x)), S.betainc(a, b, x / (1.0 + x))),
    sf=lambda x, a, b: where(x > 1.0, S.betainc(b, a, 1.0 / (1.0 + x)), S.betaincc(a, b, x / (1.0 + x))),
    mean=lambda a, b: over(1.0, b, a / (b - 1.0)), var=lambda a, b: over(2.0, b, a * (a + b - 1.0) / ((b - 2.0) * (b - 1.0) ** 2)),
)  # fmt: skip
continuous("rice", "b", valid=lambda b: b >= 0.0, low=0.0, logpdf=lambda x, b: log(x) - 0.5 * (x - b) * (x - b) + log(S.i0e(x * b)))
continuous(
    "nakagami", "nu", low=0.0,
    logpdf=lambda x, nu: math.log(2) + S.xlogy(nu, nu) - gammaln(nu) + S.xlogy(2.0 * nu - 1.0, x) - nu * x * x,
    cdf=lambda x, nu: S.gammainc(nu, nu * x * x), sf=lambda x, nu: S.gammaincc(nu, nu * x * x), ppf=lambda q, nu: sqrt(S.gammaincinv(nu, q) / nu),
    isf=lambda q, nu: sqrt(S.gammainccinv(nu, q) / nu), mean=lambda nu: S.poch(nu, 0.5) / sqrt(nu), var=lambda nu: 1.0 - S.poch(nu, 0.5) ** 2 / nu,
)  # fmt: skip
continuous("levy", low=0.0, logpdf=lambda x: where(x == 0.0, -inf, -0.5 * (LOG_2PI + 3.0 * log(x) + 1.0 / x)), cdf=lambda x: 2.0 * ndtr(-1.0 / sqrt(x)),
           sf=lambda x: 1.0 - 2.0 * ndtr(-1.0 / sqrt(x)), ppf=lambda q: 1.0 / S.ndtri(0.5 * q) ** 2, mean=inf, var=inf)  # fmt: skip
continuous(
    "exponweib", "a c", low=0.0,
    logpdf=lambda x, a, c: log(a) + log(c) + S.xlogy(a - 1.0, -expm1(-(x**c))) - x**c + S.xlogy(c - 1.0, x), cdf=lambda x, a, c: (-expm1(-(x**c))) ** a,
    sf=lambda x, a, c: -expm1(a * log(-expm1(-(x**c)))), ppf=lambda q, a, c: (-log1p(-(q ** (1.0 / a)))) ** (1.0 / c),
)  # fmt: skip


# ---- of extremes: the limit at c = 0 is another function
def _log1p_over(c: Any, x: Any) -> Any:
    """log(1 + c x) / c"""
    return where(c == 0.0, x, log1p(c * x) / c)


def _expm1_over(c: Any, x: Any) -> Any:
    return where(c == 0.0, x, expm1(c * x) / c)


def _extreme(x: Any, c: Any) -> Any:
    y = -_log1p_over(-c, x)
    return at_infinity(x, y - log1p(-c * x) - exp(y))


continuous(
    "genpareto", "c", valid=lambda c: np.abs(c) < inf, low=0.0, high=lambda c: where(c < 0.0, -1.0 / c, inf),
    logpdf=lambda x, c: -_log1p_over(c, x) - log1p(c * x), cdf=lambda x, c: -expm1(-_log1p_over(c, x)), sf=lambda x, c: exp(-_log1p_over(c, x)),
    logsf=lambda x, c: -_log1p_over(c, x), ppf=lambda q, c: _expm1_over(c, -log1p(-q)), isf=lambda q, c: _expm1_over(c, -log(q)),
    mean=lambda c: where(c < 1.0, 1.0 / (1.0 - c), inf), var=lambda c: where(c < 0.5, 1.0 / ((1.0 - c) ** 2 * (1.0 - 2.0 * c)), nan), entropy=lambda c: 1.0 + c,
)  # fmt: skip
continuous(
    "genextreme", "c", valid=lambda c: np.abs(c) < inf, low=lambda c: where(c < 0.0, 1.0 / c, -inf), high=lambda c: where(c > 0.0, 1.0 / c, inf),
    logpdf=_extreme, cdf=lambda x, c: exp(-exp(-_log1p_over(-c, x))),
    logcdf=lambda x, c: -exp(-_log1p_over(-c, x)), sf=lambda x, c: -expm1(-exp(-_log1p_over(-c, x))), ppf=lambda q, c: -_expm1_over(c, log(-log(q))),
    isf=lambda q, c: -_expm1_over(c, log(-log1p(-q))), entropy=lambda c: EULER * (1.0 - c) + 1.0,
)  # fmt: skip

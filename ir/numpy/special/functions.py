"""scipy.special: the functions that are operations of their own (ir/ops/special), and those that are made of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...core.sites import unsupported
from ...ops import table
from ...values.values import Traced
from ..registry import implements
from ..ufuncs import to_constant
from .elements import S, each, several, ufunc

OPERATIONS = """
    xlogy xlog1py entr rel_entr kl_div log_ndtr ndtri ndtri_exp erfinv erfcinv erfcx erfi dawsn owens_t logit
    loggamma rgamma beta betaln binom poch gammainc gammaincc gammaincinv gammainccinv betainc betaincc betaincinv betainccinv stdtr stdtrit
    j0 j1 y0 y1 jv yv jve yve yn kn i0 i1 i0e i1e iv ive k0 k1 k0e k1e kv kve struve modstruve
    expi exp1 expn spence ellipkinc ellipeinc hyp0f1 hyp1f1 hyp2f1 hyperu
    eval_legendre eval_chebyt eval_chebyu eval_gegenbauer eval_jacobi eval_hermite eval_hermitenorm eval_laguerre eval_genlaguerre
    sindg cosdg tandg cotdg cosm1 powm1 wrightomega ber bei ker kei berp beip kerp keip
    elliprf elliprd elliprg elliprc elliprj chndtr nctdtr voigt_profile kolmogorov tklmbda
"""
for _name in OPERATIONS.split():
    ufunc(_name)(getattr(S, _name))
for _name, _count in {"airy": 4, "sici": 2, "shichi": 2, "fresnel": 2, "ellipj": 4}.items():
    several(_name, _count)


# ---- elementary
@ufunc()
def ndtr(x: Any) -> Any:
    return 0.5 * table.erfc(x * -math.sqrt(0.5))


@ufunc()
def log_expit(x: Any) -> Any:
    return -table.logaddexp(0.0 * x, -x)


ufunc("round")(table.rint)


@ufunc()
def exp10(x: Any) -> Any:
    return table.power(to_constant(10.0, x.type), x)


@ufunc()
def radian(d: Any, m: Any, s: Any) -> Any:
    return (d + m / 60.0 + s / 3600.0) * (math.pi / 180)


@ufunc()
def huber(delta: Any, r: Any) -> Any:
    a = np.abs(r)
    return np.where(delta < 0.0, math.inf, np.where(a <= delta, 0.5 * r * r, delta * (a - 0.5 * delta)))


@ufunc()
def pseudo_huber(delta: Any, r: Any) -> Any:
    v = r / np.where(delta > 0.0, delta, 1.0)
    return np.where(delta < 0.0, math.inf, delta * delta * (v * v) / (1.0 + np.sqrt(1.0 + v * v)))


@ufunc()
def exprel(x: Any) -> Any:
    """(exp(x) - 1) / x; near 0 its Taylor series, so that all derivatives are right there."""
    near = np.abs(x) < 0.3
    series: Any = 1.0 + 0.0 * x
    for k in range(11, 1, -1):
        series = 1.0 + x * series * (1.0 / k)
    safe = np.where(near, 1.0, x)
    return np.where(near, series, np.expm1(safe) / safe)


def log1prel(x: Any) -> Any:
    """log(1 + x) / x, in the same way: twice the series of artanh at x / (2 + x)."""
    near = np.abs(x) < 0.3
    w = np.where(near, x, 0.0) / (2.0 + np.where(near, x, 0.0))
    u, series = w * w, 0.0 * w
    for k in range(10, -1, -1):
        series = 1.0 / (2 * k + 1) + u * series
    safe = np.where(near, 1.0, x)
    return np.where(near, 2.0 * series / (2.0 + np.where(near, x, 0.0)), np.log1p(safe) / safe)


def _boxcox(log_x: Any, power: Any) -> Any:
    at_edge = log_x == -math.inf
    inside = np.where(at_edge, 0.0, log_x)
    edge = np.where(power > 0.0, -1.0 / np.where(power > 0.0, power, 1.0), -math.inf)
    return np.where(at_edge, edge, inside * exprel(power * inside))


@ufunc()
def boxcox(x: Any, lmbda: Any) -> Any:
    return _boxcox(np.log(x), lmbda)


@ufunc()
def boxcox1p(x: Any, lmbda: Any) -> Any:
    return _boxcox(np.log1p(x), lmbda)


@ufunc()
def inv_boxcox(x: Any, lmbda: Any) -> Any:
    return np.exp(x * log1prel(lmbda * x))


@ufunc()
def inv_boxcox1p(x: Any, lmbda: Any) -> Any:
    return np.expm1(x * log1prel(lmbda * x))


@implements("scipy.special.softplus")
def softplus(x: Any) -> Any:
    return np.logaddexp(0.0, x)


# ---- of the gamma function
@ufunc()
def gammasgn(x: Any) -> Any:
    below = np.where(np.floor(x) == x, math.nan, 1.0 - 2.0 * np.mod(np.floor(x), 2.0))
    return np.where(np.isnan(x), x, np.where(x > 0.0, 1.0, np.where(x == 0.0, np.copysign(1.0, x), below)))


def _hurwitz(x: Any, q: Any, first: bool = True) -> Any:
    """The sum of (q + k)**-x for k >= 0 by Euler's and Maclaurin's formula (DLMF 25.11.5); without the first term where that is known apart."""
    n = 12
    total = sum(table.power(q + float(k), -x) for k in range(0 if first else 1, n))
    end = q + float(n)
    power = table.power(end, -x)
    total = total + power * end / (x - 1.0) + 0.5 * power
    rising, factor = x, power / end
    for j, b in enumerate((1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510), start=1):
        total = total + rising * factor * (b / math.factorial(2 * j))
        rising, factor = rising * (x + (2.0 * j - 1.0)) * (x + 2.0 * j), factor / (end * end)
    return total


def _riemann(x: Any, first: bool) -> Any:
    """zeta(x), or zeta(x) - 1; below 0 by the functional equation (DLMF 25.4.2)."""
    mirrored = np.where(x < 0.0, 1.0 - x, x)
    right = np.where(mirrored == 1.0, math.inf, _hurwitz(np.where(mirrored == 1.0, 2.0, mirrored), 1.0 + 0.0 * x, first))
    if not first:
        return np.where(x < 0.0, _reflected(x, right + 1.0) - 1.0, right)
    return np.where(x < 0.0, _reflected(x, right), right)


def _reflected(x: Any, z: Any) -> Any:
    return 2.0 * table.power(to_constant(2 * math.pi, x.type), x - 1.0) * np.sin(0.5 * math.pi * x) * table.gamma(1.0 - x) * z


def _zeta(x: Any, q: Any) -> Any:
    inside = np.where((x > 1.0) & (q > 0.0), 1.0, 0.0) > 0.0
    z = _hurwitz(np.where(inside, x, 2.0), np.where(inside, q, 1.0))
    pole = (x == 1.0) | ((q <= 0.0) & (q == np.floor(q)))
    return np.where(inside, z, np.where(pole, math.inf, math.nan))


@implements("scipy.special.zeta")
def zeta(x: Any, q: Any = None) -> Any:
    return each("zeta", lambda x: _riemann(x, True), True)(x) if q is None else each("zeta", _zeta, True)(x, q)


ufunc("zetac", wide=True)(lambda x: _riemann(x, False))


@implements("scipy.special.polygamma")
def polygamma(n: Any, x: Any) -> Any:
    """Of an order that the program computes: its derivative by that is zeta's and the gamma function's."""
    if isinstance(n, (int, np.integer)) and 0 <= n <= 8:
        return each("polygamma", (lambda x: table.polygamma(x, n=int(n))) if n else table.digamma, True)(x)
    return each("polygamma", _polygamma, True)(n, x)


def _polygamma(n: Any, x: Any) -> Any:
    m = np.where(n == 0.0, 1.0, n)
    z = (2.0 * np.mod(m, 2.0) - 1.0) * table.gamma(m + 1.0) * _zeta(m + 1.0, x)
    return np.where(n == 0.0, table.digamma(x), z)


@implements("scipy.special.multigammaln")
def multigammaln(a: Any, d: Any) -> Any:
    if isinstance(d, Traced):
        unsupported("scipy.special.multigammaln of a dimension that the program computes", "give a plain int")
    of_one = each("gammaln", table.gammaln)
    return sum((of_one(a - 0.5 * j) for j in range(int(d))), 0.25 * d * (d - 1) * math.log(math.pi))


def _exact(name: str, exact: bool) -> None:
    if exact:
        unsupported(f"scipy.special.{name} with exact=True", "use exact=False")


@implements("scipy.special.comb")
def comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Any:
    _exact("comb", exact)
    return comb(N + k - 1, k) if repetition else each("comb", _comb)(N, k)


def _comb(n: Any, k: Any) -> Any:
    inside = (k <= n) & (n >= 0.0) & (k >= 0.0)
    return np.where(inside, S.binom(np.where(inside, n, 1.0), np.where(inside, k, 0.0)), 0.0)


@implements("scipy.special.perm")
def perm(N: Any, k: Any, exact: bool = False) -> Any:
    _exact("perm", exact)
    return each("perm", _perm)(N, k)


def _perm(n: Any, k: Any) -> Any:
    inside = (k <= n) & (n >= 0.0) & (k >= 0.0)
    return np.where(inside, S.poch(np.where(inside, n - k + 1.0, 1.0), np.where(inside, k, 0.0)), 0.0)


@implements("scipy.special.factorial")
def factorial(n: Any, exact: bool = False) -> Any:
    _exact("factorial", exact)
    return each("factorial", lambda n: np.where(n < 0.0, 0.0, table.gamma(np.where(n < 0.0, 0.0, n) + 1.0)))(n)


# ---- distribution functions
ufunc("chdtr")(lambda v, x: S.gammainc(0.5 * v, 0.5 * x))
ufunc("chdtrc")(lambda v, x: S.gammaincc(0.5 * v, 0.5 * x))
ufunc("chdtri")(lambda v, p: 2.0 * S.gammainccinv(0.5 * v, p))
ufunc("gdtr")(lambda a, b, x: S.gammainc(b, a * x))
ufunc("gdtrc")(lambda a, b, x: S.gammaincc(b, a * x))
ufunc("gdtrix")(lambda a, b, p: S.gammaincinv(b, p) / a)
ufunc("pdtr")(lambda k, m: S.gammaincc(np.floor(k) + 1.0, m))
ufunc("pdtrc")(lambda k, m: S.gammainc(np.floor(k) + 1.0, m))
fdtr = ufunc("fdtr")(lambda m, n, x: S.betainc(0.5 * m, 0.5 * n, m * x / (n + m * x)))
fdtrc = ufunc("fdtrc")(lambda m, n, x: S.betainc(0.5 * n, 0.5 * m, n / (n + m * x)))
ufunc("nbdtr")(lambda k, n, p: S.betainc(n, np.floor(k) + 1.0, p))
ufunc("nbdtrc")(lambda k, n, p: S.betaincc(n, np.floor(k) + 1.0, p))


@ufunc()
def fdtri(m: Any, n: Any, p: Any) -> Any:
    y = S.betaincinv(0.5 * m, 0.5 * n, p)
    return n * y / (m * (1.0 - y))


def _binomial(tail: Any, edge: float, k: Any, n: Any, p: Any) -> Any:
    k = np.floor(k)
    inside = (k >= 0.0) & (k < n)
    z = tail(np.where(inside, k, 0.0) + 1.0, np.where(inside, n - k, 1.0), p)
    return np.where(inside, z, np.where((k == n) & (p == p), edge, math.nan))


ufunc("bdtr")(lambda k, n, p: _binomial(S.betaincc, 1.0, k, np.floor(n), p))
ufunc("bdtrc")(lambda k, n, p: _binomial(S.betainc, 0.0, k, np.floor(n), p))


# ---- elliptic integrals, whose derivatives have the form 0 / 0 at m = 0
def _elliptic(m: Any, first: bool, far: Any) -> Any:
    near = np.abs(m) < 0.1
    u, series = np.where(near, m, 0.0), 0.0 * m
    for k in range(16, -1, -1):
        c = (math.comb(2 * k, k) / 4.0**k) ** 2 * (1.0 if first else 1.0 / (1 - 2 * k))
        series = c + u * series
    return np.where(near, 0.5 * math.pi * series, far(np.where(near, 0.5, m)))


ufunc("ellipk")(lambda m: _elliptic(m, True, S.ellipk))
ufunc("ellipe")(lambda m: _elliptic(m, False, S.ellipe))
ufunc("ellipkm1")(lambda p: np.where(p > 0.9, _elliptic(1.0 - p, True, S.ellipk), S.ellipkm1(np.where(p > 0.9, 0.5, p))))


@ufunc()
def agm(a: Any, b: Any) -> Any:
    r = (a - b) / (a + b)
    return 0.25 * math.pi * (a + b) / _elliptic(r * r, True, S.ellipk)

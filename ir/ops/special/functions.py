"""The special functions: how each one's derivative is made of others, and the values that are not SciPy's.

A slope is the derivative by one argument, as an expression of the result z and of the arguments; a string says by what the derivative is not
known. (Abramowitz and Stegun; Digital Library of Mathematical Functions.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .lambert import lambert
from .lambert import slope as slope_of_lambert
from .parameters import bessel_by, beta_by, gamma_by
from .rows import SPECIAL, Special, special
from .terms import (
    S,
    Term,
    absolute,
    cos,
    cosh,
    digamma,
    direction,
    eq,
    erf,
    exp,
    gaussian,
    isnan,
    log,
    log1p,
    of_terms,
    on_terms,
    over,
    power,
    select,
    sin,
    sinh,
    sqrt,
    trigamma,
)  # fmt: skip

PI, ROOT_PI, ROOT_2PI, ROOT_2, DEGREE = math.pi, math.sqrt(math.pi), math.sqrt(2 * math.pi), math.sqrt(2.0), math.pi / 180


def define(name: str, *slopes: Callable[..., Any] | str, value: Callable[..., Any] | None = None, long: bool = False) -> None:
    given = tuple(s if isinstance(s, str) else of_terms(s) for s in slopes)
    SPECIAL[name] = Special(given, None if value is None else of_terms(value), long)


# fmt: off
# ---- of entropies: 0 log 0 is 0
def _product(x: Term, y: Term, w: Term) -> Term:
    """x w, of a w that is a function of y: 0 where x is 0, unless y is no number."""
    return select(eq(x, 0.0) & ~isnan(y), 0.0, x * w)


def _divergence(x: Term, y: Term, inside: Term, edge: Any) -> Term:
    z = select((x > 0.0) & (y > 0.0), inside, select(eq(x, 0.0) & (y >= 0.0), edge, math.inf))
    return select(isnan(x) | isnan(y), x + y, z)


define("xlogy", lambda z, x, y: log(y), lambda z, x, y: over(x, y), value=lambda x, y: _product(x, y, log(y)))
define("xlog1py", lambda z, x, y: log1p(y), lambda z, x, y: over(x, 1.0 + y), value=lambda x, y: _product(x, y, log1p(y)))
define("entr", lambda z, x: -log(x) - 1.0,
       value=lambda x: select(isnan(x), x, select(x > 0.0, -x * log(x), select(eq(x, 0.0), 0.0, -math.inf))))
define("rel_entr", lambda z, x, y: log(x / y) + 1.0, lambda z, x, y: -over(x, y),
       value=lambda x, y: _divergence(x, y, x * log(x / y), 0.0))
define("kl_div", lambda z, x, y: log(x / y), lambda z, x, y: 1.0 - over(x, y),
       value=lambda x, y: _divergence(x, y, x * log(x / y) - x + y, y))

# ---- of the normal distribution, and the error function
def _mills(x: Term) -> Any:
    """The normal density over the distribution function, however small both are."""
    return math.sqrt(2 / PI) / S.erfcx(-x / ROOT_2)


define("log_ndtr", lambda z, x: _mills(x))
define("ndtri", lambda z, y: ROOT_2PI / gaussian(z / ROOT_2))
define("ndtri_exp", lambda z, y: 1.0 / _mills(z))
define("erfinv", lambda z, y: ROOT_PI / 2 / gaussian(z))
define("erfcinv", lambda z, y: -ROOT_PI / 2 / gaussian(z))
define("erfcx", lambda z, x: 2.0 * x * z - 2.0 / ROOT_PI)
define("erfi", lambda z, x: 2.0 / ROOT_PI * exp(x * x))
define("dawsn", lambda z, x: 1.0 - 2.0 * x * z)
define("owens_t", lambda z, h, a: -gaussian(h / ROOT_2) * erf(a * h / ROOT_2) / (2 * ROOT_2PI),
       lambda z, h, a: exp(-0.5 * h * h * (1.0 + a * a)) / (2 * PI * (1.0 + a * a)))
define("logit", lambda z, x: 1.0 / (x * (1.0 - x)))

# ---- of the gamma function, and distributions made of it
def _gamma_pdf(a: Term, x: Term) -> Term:
    return exp(S.xlogy(a - 1.0, x) - x - S.loggamma(a))


def _beta_pdf(a: Term, b: Term, x: Term) -> Term:
    return exp(S.xlogy(a - 1.0, x) + S.xlog1py(b - 1.0, -x) - S.betaln(a, b))


define("loggamma", lambda z, x: digamma(x))
define("rgamma", lambda z, x: -z * digamma(x))
define("beta", lambda z, a, b: z * (digamma(a) - digamma(a + b)), lambda z, a, b: z * (digamma(b) - digamma(a + b)))
define("betaln", lambda z, a, b: digamma(a) - digamma(a + b), lambda z, a, b: digamma(b) - digamma(a + b))
define("binom", lambda z, n, k: z * (digamma(n + 1.0) - digamma(n - k + 1.0)), lambda z, n, k: z * (digamma(n - k + 1.0) - digamma(k + 1.0)))
define("poch", lambda z, x, m: z * (digamma(x + m) - digamma(x)), lambda z, x, m: z * digamma(x + m))
define("gammainc", lambda z, a, x: S.gamma_by_1(a, x), lambda z, a, x: _gamma_pdf(a, x))
define("gammaincc", lambda z, a, x: -S.gamma_by_1(a, x), lambda z, a, x: -_gamma_pdf(a, x))
define("gammaincinv", lambda z, a, y: -S.gamma_by_1(a, z) / _gamma_pdf(a, z), lambda z, a, y: 1.0 / _gamma_pdf(a, z))
define("gammainccinv", lambda z, a, y: -S.gamma_by_1(a, z) / _gamma_pdf(a, z), lambda z, a, y: -1.0 / _gamma_pdf(a, z))
define("gamma_by_1", lambda z, a, x: S.gamma_by_2(a, x), lambda z, a, x: _gamma_pdf(a, x) * (log(x) - digamma(a)), value=gamma_by(1), long=True)
define("gamma_by_2", "the shape a, a third time", lambda z, a, x: _gamma_pdf(a, x) * ((log(x) - digamma(a)) * (log(x) - digamma(a)) - trigamma(a)),
       value=gamma_by(2), long=True)
_BETA: dict[str, Any] = {
    "a": lambda a, b, x: log(x) - digamma(a) + digamma(a + b), "b": lambda a, b, x: log1p(-x) - digamma(b) + digamma(a + b),
}
_BETA_2 = {"aa": lambda a, b: trigamma(a + b) - trigamma(a), "ab": lambda a, b: trigamma(a + b), "bb": lambda a, b: trigamma(a + b) - trigamma(b)}
for _name, _sign in (("betainc", 1.0), ("betaincc", -1.0)):
    define(_name, lambda z, a, b, x, s=_sign: s * S.beta_by_a(a, b, x), lambda z, a, b, x, s=_sign: s * S.beta_by_b(a, b, x),
           lambda z, a, b, x, s=_sign: s * _beta_pdf(a, b, x))
    define(f"{_name}inv", lambda z, a, b, y: -S.beta_by_a(a, b, z) / _beta_pdf(a, b, z), lambda z, a, b, y: -S.beta_by_b(a, b, z) / _beta_pdf(a, b, z),
           lambda z, a, b, y, s=_sign: s / _beta_pdf(a, b, z))
for _by, _and_a, _and_b in (("a", "beta_by_aa", "beta_by_ab"), ("b", "beta_by_ab", "beta_by_bb")):
    define(f"beta_by_{_by}", lambda z, a, b, x, f=_and_a: getattr(S, f)(a, b, x), lambda z, a, b, x, f=_and_b: getattr(S, f)(a, b, x),
           lambda z, a, b, x, f=_by: _beta_pdf(a, b, x) * _BETA[f](a, b, x), value=beta_by(_by.count("a"), _by.count("b")), long=True)
for _by in ("aa", "ab", "bb"):
    define(f"beta_by_{_by}", "a parameter, a third time", "a parameter, a third time",
           lambda z, a, b, x, f=_by: _beta_pdf(a, b, x) * (_BETA[f[0]](a, b, x) * _BETA[f[1]](a, b, x) + _BETA_2[f](a, b)),
           value=beta_by(_by.count("a"), _by.count("b")), long=True)


def _t_pdf(n: Term, t: Term) -> Term:
    return exp(S.loggamma(0.5 * (n + 1.0)) - S.loggamma(0.5 * n) - 0.5 * log(PI * n) - 0.5 * (n + 1.0) * log1p(t * t / n))


def _t_side(n: Term, t: Term, name: str) -> Any:
    """Half an incomplete beta function on each side of 0, of which the distribution function is made, by n / 2."""
    return -0.5 * direction(t) * getattr(S, name)(0.5 * n, 0.5, n / (n + t * t))


def _t_rest(n: Term, t: Term) -> Any:
    """What n changes through the argument of that."""
    return -_t_pdf(n, t) * t / (2.0 * n)


def _t_log_slope(n: Term, t: Term) -> Any:
    """Of the density's logarithm by n."""
    u = t * t / n
    return 0.5 * (digamma(0.5 * (n + 1.0)) - digamma(0.5 * n) - 1.0 / n - log1p(u) + (n + 1.0) / n * u / (1.0 + u))


def _t_by_nn(n: Term, t: Term) -> Any:
    inner = digamma(0.5 * (n + 1.0)) - digamma(0.5 * n) - log1p(t * t / n)
    return 0.25 * _t_side(n, t, "beta_by_aa") + _t_rest(n, t) * (0.5 * inner + _t_log_slope(n, t) - 1.0 / n)


define("stdtr", lambda z, n, t: S.t_by_n(n, t), lambda z, n, t: _t_pdf(n, t))
define("t_by_n", lambda z, n, t: _t_by_nn(n, t), lambda z, n, t: _t_pdf(n, t) * _t_log_slope(n, t),
       value=lambda n, t: 0.5 * _t_side(n, t, "beta_by_a") + _t_rest(n, t))
define("stdtrit", lambda z, n, p: -S.t_by_n(n, z) / _t_pdf(n, z), lambda z, n, p: 1.0 / _t_pdf(n, z))

# ---- Bessel functions
ORDER = "its order v"
define("j0", lambda z, x: -S.j1(x))
define("j1", lambda z, x: 0.5 * (S.j0(x) - S.jv(2.0, x)))
define("y0", lambda z, x: -S.y1(x))
define("y1", lambda z, x: 0.5 * (S.y0(x) - S.yv(2.0, x)))
for _name in ("jv", "yv", "jve", "yve"):
    define(_name, ORDER, lambda z, v, x, f=_name: 0.5 * (getattr(S, f)(v - 1.0, x) - getattr(S, f)(v + 1.0, x)))
define("yn", ORDER, lambda z, n, x: 0.5 * (S.yn(n - 1.0, x) - S.yn(n + 1.0, x)))
define("kn", ORDER, lambda z, n, x: -0.5 * (S.kn(absolute(n - 1.0), x) + S.kn(n + 1.0, x)))
define("i0", lambda z, x: S.i1(x))
define("i1", lambda z, x: 0.5 * (S.i0(x) + S.iv(2.0, x)))
define("i0e", lambda z, x: S.i1e(x) - direction(x) * z)
define("i1e", lambda z, x: 0.5 * (S.i0e(x) + S.ive(2.0, x)) - direction(x) * z)
define("iv", ORDER, lambda z, v, x: 0.5 * (S.iv(v - 1.0, x) + S.iv(v + 1.0, x)))
define("ive", ORDER, lambda z, v, x: 0.5 * (S.ive(v - 1.0, x) + S.ive(v + 1.0, x)) - direction(x) * z)
define("k0", lambda z, x: -S.k1(x))
define("k1", lambda z, x: -S.k0(x) - z / x)
define("k0e", lambda z, x: z - S.k1e(x))
define("k1e", lambda z, x: z - S.k0e(x) - z / x)
define("kv", lambda z, v, x: S.kv_by_1(v, x), lambda z, v, x: -0.5 * (S.kv(v - 1.0, x) + S.kv(v + 1.0, x)))
define("kve", lambda z, v, x: exp(x) * S.kv_by_1(v, x), lambda z, v, x: z - 0.5 * (S.kve(v - 1.0, x) + S.kve(v + 1.0, x)))
define("kv_by_1", lambda z, v, x: S.kv_by_2(v, x), lambda z, v, x: -0.5 * (S.kv_by_1(v - 1.0, x) + S.kv_by_1(v + 1.0, x)), value=bessel_by(1), long=True)
define("kv_by_2", f"{ORDER}, a third time", lambda z, v, x: -0.5 * (S.kv_by_2(v - 1.0, x) + S.kv_by_2(v + 1.0, x)), value=bessel_by(2), long=True)
for _name, _signs in {"spherical_jn": (1.0, -1.0), "spherical_yn": (1.0, -1.0), "spherical_in": (1.0, 1.0), "spherical_kn": (-1.0, -1.0)}.items():
    define(_name, ORDER, lambda z, n, x, f=_name, s=_signs: (
        select(n > 0.0, s[0] * n * getattr(S, f)(absolute(n - 1.0), x), 0.0) + s[1] * (n + 1.0) * getattr(S, f)(n + 1.0, x)) / (2.0 * n + 1.0))
def _struve(v: Term, x: Term) -> Any:
    return power(0.5 * x, v) * S.rgamma(v + 1.5) / ROOT_PI


define("struve", ORDER, lambda z, v, x: 0.5 * (S.struve(v - 1.0, x) - S.struve(v + 1.0, x) + _struve(v, x)))
define("modstruve", ORDER, lambda z, v, x: 0.5 * (S.modstruve(v - 1.0, x) + S.modstruve(v + 1.0, x) + _struve(v, x)))


def _log_quotient(x: Term) -> Term:
    """log(x) / (x - 1); near 1 twice the series of artanh at (x - 1) / (x + 1)."""
    near = absolute(x - 1.0) < 0.3
    y = select(near, x, 1.0)
    w = (y - 1.0) / (y + 1.0)
    series: Any = 0.0
    for k in range(10, -1, -1):
        series = 1.0 / (2 * k + 1) + w * w * series
    far = select(near, 2.0, x)
    return select(near, 2.0 * series / (y + 1.0), log(far) / (far - 1.0))


# ---- integrals
define("expi", lambda z, x: exp(x) / x)
define("exp1", lambda z, x: -exp(-x) / x)
define("expn", "its order n", lambda z, n, x: -select(n > 1.5, S.expn(select(n > 1.5, n - 1.0, 1.0), x), (exp(-x) - (n - 1.0) * z) / x))
define("spence", lambda z, x: -_log_quotient(x))
define("ellipk", lambda z, m: (S.ellipe(m) / (1.0 - m) - z) / (2.0 * m))
define("ellipkm1", lambda z, p: -(S.ellipe(1.0 - p) / p - z) / (2.0 * (1.0 - p)))
define("ellipe", lambda z, m: (z - S.ellipk(m)) / (2.0 * m))


def _delta(p: Term, m: Term) -> Term:
    return sqrt(1.0 - m * sin(p) * sin(p))


define("ellipkinc", lambda z, p, m: 1.0 / _delta(p, m),
       lambda z, p, m: S.ellipeinc(p, m) / (2.0 * m * (1.0 - m)) - z / (2.0 * m) - sin(2.0 * p) / (4.0 * (1.0 - m) * _delta(p, m)))
define("ellipeinc", lambda z, p, m: _delta(p, m), lambda z, p, m: (z - S.ellipkinc(p, m)) / (2.0 * m))

# ---- functions with several results: each is one of its own, as `airy.2`
define("airy.0", lambda z, x: getattr(S, "airy.1")(x))
define("airy.1", lambda z, x: x * getattr(S, "airy.0")(x))
define("airy.2", lambda z, x: getattr(S, "airy.3")(x))
define("airy.3", lambda z, x: x * getattr(S, "airy.2")(x))
define("sici.0", lambda z, x: select(eq(x, 0.0), 1.0, sin(x) / x))
define("sici.1", lambda z, x: cos(x) / x)
define("shichi.0", lambda z, x: select(eq(x, 0.0), 1.0, sinh(x) / x))
define("shichi.1", lambda z, x: cosh(x) / x)
define("fresnel.0", lambda z, x: sin(0.5 * PI * x * x))
define("fresnel.1", lambda z, x: cos(0.5 * PI * x * x))
_SN, _CN, _DN, _PHI = (on_terms(special(f"ellipj.{i}")) for i in range(4))
define("ellipj.0", lambda z, u, m: _CN(u, m) * _DN(u, m), "its parameter m")
define("ellipj.1", lambda z, u, m: -_SN(u, m) * _DN(u, m), "its parameter m")
define("ellipj.2", lambda z, u, m: -m * _SN(u, m) * _CN(u, m), "its parameter m")
define("ellipj.3", lambda z, u, m: _DN(u, m), "its parameter m")

# ---- hypergeometric functions, and orthogonal polynomials of an order that is a whole number
PARAMETER, DEGREE_N = "a parameter", "its degree n"
define("hyp0f1", PARAMETER, lambda z, v, x: S.hyp0f1(v + 1.0, x) / v)
define("hyp1f1", PARAMETER, PARAMETER, lambda z, a, b, x: a / b * S.hyp1f1(a + 1.0, b + 1.0, x))
define("hyp2f1", PARAMETER, PARAMETER, PARAMETER, lambda z, a, b, c, x: a * b / c * S.hyp2f1(a + 1.0, b + 1.0, c + 1.0, x))
define("hyperu", PARAMETER, PARAMETER, lambda z, a, b, x: -a * S.hyperu(a + 1.0, b + 1.0, x))
define("eval_legendre", DEGREE_N, lambda z, n, x: _lower(n, 0.5 * (n + 1.0) * S.eval_jacobi(n - 1.0, 1.0, 1.0, x)))
define("eval_chebyt", DEGREE_N, lambda z, n, x: _lower(n, n * S.eval_chebyu(n - 1.0, x)))
define("eval_chebyu", DEGREE_N, lambda z, n, x: _lower(n, 2.0 * S.eval_gegenbauer(n - 1.0, 2.0, x)))
define("eval_gegenbauer", DEGREE_N, PARAMETER, lambda z, n, a, x: _lower(n, 2.0 * a * S.eval_gegenbauer(n - 1.0, a + 1.0, x)))
define("eval_jacobi", DEGREE_N, PARAMETER, PARAMETER,
       lambda z, n, a, b, x: _lower(n, 0.5 * (n + a + b + 1.0) * S.eval_jacobi(n - 1.0, a + 1.0, b + 1.0, x)))
define("eval_hermite", DEGREE_N, lambda z, n, x: _lower(n, 2.0 * n * S.eval_hermite(n - 1.0, x)))
define("eval_hermitenorm", DEGREE_N, lambda z, n, x: _lower(n, n * S.eval_hermitenorm(n - 1.0, x)))
define("eval_laguerre", DEGREE_N, lambda z, n, x: _lower(n, -S.eval_genlaguerre(n - 1.0, 1.0, x)))
define("eval_genlaguerre", DEGREE_N, PARAMETER, lambda z, n, a, x: _lower(n, -S.eval_genlaguerre(n - 1.0, a + 1.0, x)))


def _lower(n: Term, slope: Term) -> Term:
    """The derivative of a polynomial of degree n: 0 of a constant."""
    return select(n > 0.0, slope, 0.0)


# ---- Kelvin functions, of which the second derivatives are the others
define("ber", lambda z, x: S.berp(x))
define("bei", lambda z, x: S.beip(x))
define("ker", lambda z, x: S.kerp(x))
define("kei", lambda z, x: S.keip(x))
define("berp", lambda z, x: -S.bei(x) - z / x)
define("beip", lambda z, x: S.ber(x) - z / x)
define("kerp", lambda z, x: -S.kei(x) - z / x)
define("keip", lambda z, x: S.ker(x) - z / x)

# ---- Carlson's integrals, and distributions that are not central
define("elliprf", lambda z, x, y, w: -S.elliprd(y, w, x) / 6.0, lambda z, x, y, w: -S.elliprd(x, w, y) / 6.0, lambda z, x, y, w: -S.elliprd(x, y, w) / 6.0)
define("elliprd", PARAMETER, PARAMETER, PARAMETER)
define("elliprg", PARAMETER, PARAMETER, PARAMETER)
define("elliprc", PARAMETER, PARAMETER)
define("elliprj", PARAMETER, PARAMETER, PARAMETER, PARAMETER)
define("chndtr", lambda z, x, n, c: _chi2_pdf(x, n, c), "the degrees of freedom", lambda z, x, n, c: 0.5 * (S.chndtr(x, n + 2.0, c) - z))
define("nctdtr", "the degrees of freedom", "the noncentrality", "its argument")
define("voigt_profile", "its argument", "sigma", "gamma")
define("kolmogorov", "its argument")
define("tklmbda", "its argument", "lambda")


def _chi2_pdf(x: Term, n: Term, c: Term) -> Any:
    """Of the chi-squared distribution that is not central."""
    order = 0.5 * n - 1.0
    r, d = sqrt(x * c), sqrt(x) - sqrt(c)
    return 0.5 * exp(-0.5 * d * d + 0.5 * order * log(x / c)) * S.ive(order, r)


# ---- in degrees
define("sindg", lambda z, x: DEGREE * S.cosdg(x))
define("cosdg", lambda z, x: -DEGREE * S.sindg(x))
define("tandg", lambda z, x: DEGREE * (1.0 + z * z))
define("cotdg", lambda z, x: -DEGREE * (1.0 + z * z))
define("cosm1", lambda z, x: -sin(x))
define("powm1", lambda z, x, y: y * power(x, y - 1.0), lambda z, x, y: power(x, y) * log(x))
define("wrightomega", lambda z, x: z / (1.0 + z))

# ---- Lambert's W of complex numbers: its real part and its imaginary part, by those of its argument
_RE, _IM, _BRANCH = getattr(S, "lambertw.0"), getattr(S, "lambertw.1"), "its branch k"
define("lambertw.0", lambda z, x, y, k: slope_of_lambert((z, _IM(x, y, k)))[0], lambda z, x, y, k: -slope_of_lambert((z, _IM(x, y, k)))[1], _BRANCH,
       value=lambda x, y, k: lambert(x, y, k)[0], long=True)
define("lambertw.1", lambda z, x, y, k: slope_of_lambert((_RE(x, y, k), z))[1], lambda z, x, y, k: slope_of_lambert((_RE(x, y, k), z))[0], _BRANCH,
       value=lambda x, y, k: lambert(x, y, k)[1], long=True)
# fmt: on

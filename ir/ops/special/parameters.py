"""Derivatives of the incomplete gamma and beta functions by their parameters, and of Bessel's K by its order: integrals over logarithms.

With t = x exp(-w) the function is a factor times an integral J of exp(-g(w)), g convex with g(0) = 0 and rising, from the tail that has less of
the distribution; derivatives by the parameters of log J are the mean and the (co)variance of w and its like under exp(-g). They are taken by
Gauss and Legendre's rule between 0 and where exp(-g) is small. A parameter below 2, for which that is far away, is raised by 2 (DLMF 8.8.5, 8.17.20).
The two incomplete functions themselves are SciPy's. Straight code: it runs in kernels, and all of its steps are smooth.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .terms import (
    S,
    Term,
    absolute,
    acosh,
    asinh,
    digamma,
    direction,
    eq,
    exp,
    expm1,
    gammaln,
    hypot,
    isnan,
    log,
    log1p,
    select,
    sinh,
    sqrt,
    trigamma,
)  # fmt: skip

NODES, STEPS, END = 32, 64, 40.0  # exp(-END) is nothing


@functools.cache
def _rule() -> list[tuple[float, float]]:
    x, w = np.polynomial.legendre.leggauss(NODES)
    return [(float(a), float(b)) for a, b in zip((x + 1) / 2, w / 2, strict=True)]


def _end(g: Callable[[Term], tuple[Term, Term]], start: Term, steps: int) -> Term:
    """Where g, which gives its value and its slope, is END, from the right by Newton's method."""
    for _ in range(steps):
        value, slope = g(start)
        start = start - (value - END) / slope
    return start


def _weighed(g: Callable[[Term], tuple[Term, ...]], end: Term) -> tuple[list[Term], list[list[Term]]]:
    """Means, and second moments about them, of what g gives behind -g, under exp(-g) between 0 and `end`."""
    points = [(exp(first) * weight, rest) for first, *rest, weight in ((*g(end * u), w) for u, w in _rule())]
    total = _sum(e for e, _ in points)
    n = len(points[0][1])
    means = [_sum(e * rest[i] for e, rest in points) / total for i in range(n)]
    seconds = [[_sum(e * rest[i] * rest[j] for e, rest in points) / total - means[i] * means[j] for j in range(n)] for i in range(n)]
    return means, seconds


def _sum(terms: Iterable[Term]) -> Term:
    return functools.reduce(lambda x, y: x + y, terms)


def gamma_by(order: int) -> Callable[[Term, Term], Term]:
    """The first or second derivative of gammainc(a, x) by a."""

    def value(a: Term, x: Term) -> Term:
        low = x < select(a < 1.0, 1.0, a)
        raised = low & (a < 2.0)
        c, sign = select(raised, a + 2.0, a), select(low, 1.0, -1.0)

        def g(u: Term) -> tuple[Term, Term]:
            e = expm1(-sign * u)
            return c * (sign * u) + x * e, sign * (c - x * (e + 1.0))

        near, far = sqrt(3.0 * END / x), (END + x) / c
        end = _end(g, select(low & ~((near < 1.0) & (near < far)), far, near), 8)
        (mean,), ((spread,),) = _weighed(lambda u: (-g(u)[0], sign * u), end)
        slope = log(x) - digamma(c) - mean
        share = select(low, S.gammainc(c, x), -S.gammaincc(c, x))
        found = share * slope if order == 1 else share * (slope * slope + spread - trigamma(c))
        d, first = exp(a * log(x) - x - gammaln(a + 1.0)), log(x) - digamma(a + 1.0)
        s, s1 = 1.0 + x / (a + 1.0), -x / ((a + 1.0) * (a + 1.0))
        if order == 1:
            rest = d * (first * s + s1)
        else:
            rest = d * ((first * first - trigamma(a + 1.0)) * s + 2.0 * first * s1 - 2.0 * s1 / (a + 1.0))
        found = found + select(raised, rest, 0.0)
        return select(eq(x, 0.0) | eq(x, math.inf), select(isnan(a), a, 0.0), found)

    return value


def beta_by(i: int, j: int) -> Callable[[Term, Term, Term], Term]:
    """The derivative of betainc(a, b, x), i times by a and j times by b: one or two of them."""

    def value(a: Term, b: Term, x: Term) -> Term:
        low = x * (a + b) < a
        p, q, y, rest = select(low, a, b), select(low, b, a), select(low, x, 1.0 - x), select(low, 1.0 - x, x)
        lower, *upper = _tail(p, q, y, rest, dict.fromkeys(((0,) * i + (1,) * j, (0,) * j + (1,) * i)))
        found = select(low, lower, -(upper or [lower])[0])
        return select(eq(x, 0.0) | eq(x, 1.0), select(isnan(a + b), a + b, 0.0), found)

    return value


def _tail(p: Term, q: Term, y: Term, rest: Term, orders: Iterable[tuple[int, ...]]) -> list[Term]:
    """Derivatives of betainc(p, q, y), where that is the smaller tail, by these parameters; rest = 1 - y."""
    raised = p < 2.0
    c = select(raised, p + 2.0, p)

    def g(w: Term) -> tuple[Term, Term]:
        e = expm1(-w)
        return c * w + (c + q) * log1p(y * e), c - (c + q) * y * (e + 1.0) / (1.0 + y * e)

    def weighed(w: Term) -> tuple[Term, Term, Term]:
        k = log1p(y * expm1(-w))
        return -c * w - (c + q) * k, -w - k, -k

    means, seconds = _weighed(weighed, _end(g, (END - (c + q) * log(rest)) / c, 12))
    main = _Part(S.betainc(c, q, y), c, c, q, y, rest)
    main.firsts = [f + m for f, m in zip(main.firsts, means, strict=True)]
    n = p + 1.0
    other = _Part(exp(p * log(y) + q * log(rest) + gammaln(p + q) - gammaln(n) - gammaln(q)), p, n, q, y, rest)
    s, s1 = 1.0 + (p + q) / n * y, [y * (1.0 - q) / (n * n), y / n]
    s2 = {(0, 0): -2.0 * s1[0] / n, (0, 1): -y / (n * n), (1, 1): 0.0}
    found = []
    for order in orders:
        k, m = order[0], order[-1]
        if len(order) == 1:
            value, bend = main.firsts[k], other.firsts[k] * s + s1[k]
        else:
            value = main.second(k, m) + seconds[k][m]
            bend = other.second(k, m) * s + other.firsts[k] * s1[m] + other.firsts[m] * s1[k] + s2[k, m]
        found.append(main.factor * value + select(raised, other.factor * bend, 0.0))
    return found


class _Part:
    """A factor y^p rest^q Gamma(p + q) / (Gamma(n) Gamma(q)) and the derivatives of its logarithm by p and q; n is p or p + 1."""

    def __init__(self, factor: Term, p: Term, n: Term, q: Term, y: Term, rest: Term) -> None:
        self.factor, both = factor, digamma(p + q)
        self.firsts = [log(y) - digamma(n) + both, log(rest) - digamma(q) + both]
        self.places, self.both = (n, q), p + q

    def second(self, k: int, m: int) -> Term:
        """The second derivative, relative to the factor."""
        own = trigamma(self.places[k]) if k == m else 0.0
        return self.firsts[k] * self.firsts[m] + trigamma(self.both) - own


def bessel_by(order: int) -> Callable[[Term, Term], Any]:
    """The first or second derivative of kv(v, x) by v: its integral of exp(-x cosh t) cosh(v t) (DLMF 10.32.9) by equal steps around the peak,
    which are enough where a function falls off like this one on both sides."""

    def value(v: Term, x: Term) -> Any:
        u = absolute(v)
        peak, c = asinh(u / x), hypot(x, u)
        side = acosh(1.0 + END / c)
        left = select(side * u > END + u, side, END / u + 1.0)  # there it may fall off as slowly as exp(u t)
        start = select(peak > left, peak - left, 0.0)
        step = (peak + side - start) / STEPS
        total, moment = Term(0.0), Term(0.0)
        for i in range(STEPS + 1):
            t = start + float(i) * step
            s = t - peak
            half = sinh(0.5 * s)
            e = exp(-2.0 * c * half * half - u * (sinh(s) - s)) * (0.5 if i == 0 else 1.0)
            mirrored = exp(-2.0 * u * t)
            total = total + e * (1.0 + mirrored)
            moment = moment + (e * t * (1.0 - mirrored) if order == 1 else e * t * t * (1.0 + mirrored))
        found = S.kv(v, x) * moment / total
        return found * direction(v) if order == 1 else found

    return value

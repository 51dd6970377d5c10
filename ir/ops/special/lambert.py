"""Lambert's W: the solutions of w exp(w) = z, one for each branch k, as pairs of terms.

From a first guess (Corless et al., "On the Lambert W function", 1996: the series at the branch point 4.22, the asymptotic one 4.20; a rational
function near 0) by Halley's method, which is exact to rounding after four steps everywhere. The sign of an imaginary part
that is 0 says from which side of a cut it is.
"""

from __future__ import annotations

import math
from typing import Any

from .terms import Term, absolute, atan2, copysign, cos, eq, exp, hypot, isnan, log, select, sin, sqrt

Pair = tuple[Any, Any]
STEPS = 5


def times(a: Pair, b: Pair) -> Pair:
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def plus(a: Pair, b: Pair) -> Pair:
    return a[0] + b[0], a[1] + b[1]


def scaled(a: Pair, r: float) -> Pair:
    return a[0] * r, a[1] * r


def over(a: Pair, b: Pair) -> Pair:
    """By the larger part of b."""
    first = absolute(b[0]) >= absolute(b[1])
    large, small = select(first, b[0], b[1]), select(first, b[1], b[0])
    ratio = select(eq(large, 0.0), 0.0, small / large)
    p, q = select(first, a[0], a[1]), select(first, a[1], a[0])
    scale = large + small * ratio
    imag = (q - p * ratio) / scale
    return (p + q * ratio) / scale, select(first, imag, -imag)


def exponential(a: Pair) -> Pair:
    e = exp(a[0])
    return e * cos(a[1]), e * sin(a[1])


def logarithm(a: Pair) -> Pair:
    return log(hypot(a[0], a[1])), atan2(a[1], a[0])


def root(a: Pair) -> Pair:
    t = sqrt(0.5 * (absolute(a[0]) + hypot(a[0], a[1])))
    half = select(eq(t, 0.0), 0.0, a[1] / (2.0 * t))
    right = a[0] >= 0.0
    return select(right, t, absolute(half)), select(right, half, copysign(t, a[1]))


def chosen(c: Any, a: Pair, b: Pair) -> Pair:
    return select(c, a[0], b[0]), select(c, a[1], b[1])


def polynomial(z: Pair, *coefficients: float) -> Pair:
    found: Pair = (coefficients[0], 0.0)
    for i, c in enumerate(coefficients[1:]):
        found = scaled(z, coefficients[0]) if i == 0 else times(found, z)
        found = found[0] + c, found[1]
    return found


def guess(x: Term, y: Term, k: Term) -> Pair:
    z = x, y
    near = hypot(x + math.exp(-1), y) < 0.3  # the branch point, where three branches meet
    p = root((2.0 * math.e * x + 2.0, 2.0 * math.e * y))
    p = chosen(eq(k, 0.0), p, scaled(p, -1.0))
    at_branch = polynomial(p, 11 / 72, -1 / 3, 1.0, -1.0)
    above = copysign(1.0, y) > 0.0
    here = eq(k, 0.0) | (eq(k, -1.0) & above) | (eq(k, 1.0) & ~above)
    along = logarithm(z)
    along = along[0], along[1] + 2.0 * math.pi * k
    far = plus(along, scaled(logarithm(along), -1.0))
    below = log(select(x < 0.0, -x, 1.0))  # of k = -1 on the real line
    real = eq(k, -1.0) & eq(y, 0.0) & (x < 0.0) & (x > -math.exp(-1))
    far = chosen(real, (below - log(select(below < -1e-3, -below, 1.0)), 0.0), far)
    around_0 = eq(k, 0.0) & (x > -1.0) & (x < 1.5) & (absolute(y) < 1.0) & (x > -0.2 - 2.5 * absolute(y))
    numerator = times(z, polynomial(z, 12.85106382978723404, 12.34042553191489362, 1.0))
    ratio = over(numerator, polynomial(z, 32.53191489361702128, 14.34042553191489362, 1.0))
    return chosen(near & here, at_branch, chosen(around_0, ratio, far))


def lambert(x: Term, y: Term, k: Term) -> Pair:
    w = guess(x, y, k)
    for _ in range(STEPS):
        h = exponential(scaled(w, -0.5))  # in halves: exp(-w) may be too large
        f = plus(w, scaled(times(times((x, y), h), h), -1.0))
        double = 2.0 * (w[0] + 1.0), 2.0 * w[1]
        slope = plus((w[0] + 1.0, w[1]), scaled(over(times((w[0] + 2.0, w[1]), f), double), -1.0))
        there = eq(w[0], -1.0) & eq(w[1], 0.0)
        w = chosen(there, w, plus(w, scaled(over(f, slope), -1.0)))
    w = chosen(eq(x, math.inf), (x, y + 2.0 * math.pi * k), w)
    w = chosen(eq(x, -math.inf), (-x, 2.0 * math.pi * k + math.pi - y), w)
    w = chosen(eq(x, 0.0) & eq(y, 0.0), (select(eq(k, 0.0), x, -math.inf), 0.0), w)
    return chosen(isnan(x) | isnan(y), (x, y), w)


def slope(w: Pair) -> Pair:
    """dw/dz = exp(-w) / (1 + w)"""
    return over(exponential(scaled(w, -1.0)), (w[0] + 1.0, w[1]))

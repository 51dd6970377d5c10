"""Sines, cosines, tangents and their inverses (bodies.py)."""

from __future__ import annotations

import math

from . import coefficients as table
from .lanes import LaneMachine, Lanes, own

SIN_LIMIT = 2.0**20, 2.0**15  # beyond, pi has too few digits here: the C library's functions


def quarter_turns(m: LaneMachine, a: Lanes) -> tuple[Lanes, Lanes]:
    """(integer bits whose lowest are those of k, r) with a = k * pi/2 + r, |r| <= pi/4."""
    shifted = m.fma(a, 2.0 / math.pi, m.shift)
    k = shifted - m.shift
    r = a
    for part in own(m, table.PI if m.fused else table.PI_SHORT):
        r = m.fma(k, -part / 2.0, r)
    return m.to_bits(shifted), r


def sine_and_cosine(m: LaneMachine, r: Lanes) -> tuple[Lanes, Lanes]:
    u = r * r
    s = m.fma(r * u, m.polynomial(u, table.SIN_SHORT), r)
    return s, m.fma(u * u, m.polynomial(u, table.COS_SHORT), m.fma(u, -0.5, 1.0))


def with_sign_bit(m: LaneMachine, x: Lanes, i: Lanes, bit: int) -> Lanes:
    """x, negative where that bit of i is set."""
    return m.from_bits(m.to_bits(x) ^ ((i & (1 << bit)) << (m.bits - 1 - bit)))


def far(m: LaneMachine, a: Lanes) -> Lanes:
    limit: float = own(m, SIN_LIMIT)
    return a > limit


def sin(m: LaneMachine, x: Lanes) -> Lanes:
    a = m.abs(x)
    i, r = quarter_turns(m, a)
    s, c = sine_and_cosine(m, r)
    z = with_sign_bit(m, m.select((i & 1).equals(0), s, c), i, 1)
    sign = m.to_bits(x) & -(1 << (m.bits - 1))
    return m.elsewhere(far(m, a), "sin", m.from_bits(m.to_bits(z) ^ sign), x)


def cos(m: LaneMachine, x: Lanes) -> Lanes:
    a = m.abs(x)
    i, r = quarter_turns(m, a)
    s, c = sine_and_cosine(m, r)
    return m.elsewhere(far(m, a), "cos", with_sign_bit(m, m.select((i & 1).equals(0), c, s), i + 1, 1), x)


def tan(m: LaneMachine, x: Lanes) -> Lanes:
    a = m.abs(x)
    i, r = quarter_turns(m, a)
    s, c = sine_and_cosine(m, r)
    even = (i & 1).equals(0)
    z = with_sign_bit(m, m.select(even, s, c) / m.select(even, c, s), i, 0)
    sign = m.to_bits(x) & -(1 << (m.bits - 1))
    return m.elsewhere(far(m, a), "tan", m.from_bits(m.to_bits(z) ^ sign), x)


def atan_of_quotient(m: LaneMachine, n: Lanes, d: Lanes, steep: Lanes) -> Lanes:
    """atan(n / d) of positive numbers; where `steep`, pi/2 minus that of d / n. Near 1 of (n - d) / (n + d), plus pi/4."""
    high, low = own(m, table.PI)[:2]
    near = n > d * 0.41421356
    t = m.select(near, n - d, n) / m.select(near, n + d, d)
    u = t * t
    z = m.fma(t * u, m.polynomial(u, table.ATAN), t)
    z = m.select(steep, -z, z)
    quarter = m.select(steep, m.select(near, 0.25, 0.5), m.select(near, 0.25, 0.0))
    return m.fma(quarter, high, m.fma(quarter, low, z))


def atan(m: LaneMachine, x: Lanes) -> Lanes:
    a = m.abs(x)
    steep = a > 1.0
    z = atan_of_quotient(m, m.select(steep, 1.0, a), m.select(steep, m.at_most(a, own(m, (2.0**1000, 2.0**120))), 1.0), steep)
    return m.with_sign(z, x)


def atan2(m: LaneMachine, y: Lanes, x: Lanes) -> Lanes:
    """The quotient first, which neither overflows nor loses digits; then half turns."""
    a, b = m.abs(x), m.abs(y)
    steep = b > a
    more, less = m.select(steep, b, a), m.select(steep, a, b)
    q = m.select(more.equals(0.0), 0.0, m.select(less.equals(math.inf), 1.0, less / more))
    z = atan_of_quotient(m, q, m.constant(1.0), steep)
    high, low = own(m, table.PI)[:2]
    left = (m.to_bits(x) >> (m.bits - 1)).equals(1)
    z = m.select(left, high - (z - low), z)
    return m.select(x.differs(x) | y.differs(y), x + y, m.with_sign(z, y))


def arc(m: LaneMachine, a: Lanes) -> tuple[Lanes, Lanes]:
    """(|x| > 1/2, asin(s)): s = |x| or, beyond 1/2, sqrt((1 - |x|) / 2)."""
    beyond = a > 0.5
    u = m.select(beyond, m.fma(a, -0.5, 0.5), a * a)
    s = m.select(beyond, m.sqrt(u), a)
    return beyond, m.fma(s * u, m.polynomial(u, table.ASIN), s)


def asin(m: LaneMachine, x: Lanes) -> Lanes:
    beyond, s = arc(m, m.abs(x))
    high, low = own(m, table.PI)[:2]
    return m.with_sign(m.select(beyond, 0.5 * high - (s + s - 0.5 * low), s), x)


def acos(m: LaneMachine, x: Lanes) -> Lanes:
    beyond, s = arc(m, m.abs(x))
    high, low = own(m, table.PI)[:2]
    inner = 0.5 * high - (m.with_sign(s, x) - 0.5 * low)
    outer = m.select(x < 0.0, high - (s + s - low), s + s)
    return m.select(beyond, outer, inner)

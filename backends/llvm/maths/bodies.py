"""The mathematical functions, written once for each number of lanes and both float types (lanes.py).

Largest errors are a few ulp; tests/test_vector_maths.py measures them. What C and NumPy say of zeros, infinities and NaN
holds. float32 on a CPU without fused multiply-add, and pow of float32 everywhere, goes through float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from . import coefficients as table
from .lanes import LaneMachine, Lanes, own
from .trigonometry import acos, asin, atan, atan2, cos, sin, tan

Body = Callable[..., Lanes]


# ---- exponentials
def reduced(m: LaneMachine, x: Lanes, low: Lanes | None = None) -> tuple[Lanes, Lanes]:
    """(k + m.shift, p) with exp(x + low) = 2**k * (1 + p), |p| < 0.42."""
    high_ln2, low_ln2 = own(m, table.LN2)
    shifted = m.fma(x, 1.0 / math.log(2.0), m.shift)
    k = shifted - m.shift
    r = m.fma(k, -high_ln2, x)
    r = m.fma(k, -low_ln2, r) if low is None else r + m.fma(k, -low_ln2, low)
    return shifted, m.fma(r * r, m.polynomial(r, table.EXP), r)


def exp(m: LaneMachine, x: Lanes, low: Lanes | None = None) -> Lanes:
    """exp(x + low). The edges are chosen at the end, which is shorter than to cut x off before."""
    shifted, p = reduced(m, x, low)
    bottom, top = own(m, ((-750.0, 710.0), (-105.0, 89.5)))
    return m.select(x > top, math.inf, m.select(x < bottom, 0.0, m.scale(1.0 + p, shifted)))


def exp2(m: LaneMachine, x: Lanes) -> Lanes:
    low, top = own(m, ((-1080.0, 1025.0), (-155.0, 129.0)))
    x = m.at_most(m.at_least(x, low), top)
    shifted = x + m.shift
    r = x - (shifted - m.shift)
    return m.scale(m.fma(r, m.polynomial(r, table.EXP2), 1.0), shifted)


def part_of_expm1(m: LaneMachine, x: Lanes, divisor: float) -> Lanes:
    """expm1(x) / divisor for x < 710 (89.5), where the quotient is in range. Divisor 2 or 4: a power of two may not overflow."""
    shifted, p = reduced(m, x)
    s = m.power_of_two(m.to_bits(shifted) - (1 if divisor == 2.0 else 2))
    return m.fma(s, p, s - 1.0 / divisor)


def expm1(m: LaneMachine, x: Lanes) -> Lanes:
    low, top = own(m, ((-40.0, 709.8), (-20.0, 89.0)))
    half = part_of_expm1(m, m.at_most(m.at_least(x, low), top), 2.0)
    return m.select(m.abs(x) < own(m, (2.0**-54, 2.0**-25)), x, half + half)


def expit(m: LaneMachine, x: Lanes) -> Lanes:
    e = exp(m, -m.abs(x))
    return m.select(x < 0.0, e, 1.0) / (1.0 + e)


def tanh(m: LaneMachine, x: Lanes) -> Lanes:
    """expm1(2 a) / (expm1(2 a) + 2)"""
    a = m.at_most(m.abs(x), own(m, (22.0, 10.0)))
    half = part_of_expm1(m, a + a, 2.0)
    return m.with_sign(m.select(a < own(m, (2.0**-28, 2.0**-14)), a, half / (half + 1.0)), x)


def logistic_density(m: LaneMachine, x: Lanes) -> Lanes:
    """exp(-x) / (1 + exp(-x))**2"""
    e = exp(m, -m.abs(x))
    return e / ((1.0 + e) * (1.0 + e))


def tanh_slope(m: LaneMachine, x: Lanes, z: Lanes) -> Lanes:
    """The derivative of z = tanh(x), from z where that has digits enough: 1 - z has lost them where it saturates."""
    return m.where_any(m.abs(z) > 0.875, (1.0 - z) * (1.0 + z), lambda: 4.0 * logistic_density(m, x + x))


def expit_slope(m: LaneMachine, x: Lanes, z: Lanes) -> Lanes:
    """The derivative of z = expit(x), in the same way."""
    return m.where_any(z > 0.875, z * (1.0 - z), lambda: logistic_density(m, x))


def sinh(m: LaneMachine, x: Lanes) -> Lanes:
    """(e + e / (e + 1)) / 2, e = expm1(a)"""
    a = m.at_most(m.abs(x), own(m, (710.7, 89.6)))
    quarter = part_of_expm1(m, a, 4.0)
    half = quarter + quarter
    z = m.fma(2.0, quarter / m.fma(4.0, quarter, 1.0), half)
    return m.with_sign(m.select(a < own(m, (2.0**-28, 2.0**-14)), a, z), x)


def cosh(m: LaneMachine, x: Lanes) -> Lanes:
    a = m.at_most(m.abs(x), own(m, (710.7, 89.6)))
    shifted, p = reduced(m, a)
    s = m.power_of_two(m.to_bits(shifted) - 2)
    quarter = m.fma(s, p, s)
    return m.fma(2.0, quarter, 0.125 / quarter)


# ---- logarithms
def is_subnormal(m: LaneMachine, x: Lanes) -> Lanes:
    """Is x positive, and below the least normal number? `mantissa` is wrong there."""
    least: float = own(m, (2.0**-1022, 2.0**-126))
    return (x < least) & (x > 0.0)


def mantissa(m: LaneMachine, x: Lanes) -> tuple[Lanes, Lanes]:
    """(k, f) with x = 2**k * (1 + f), sqrt(1/2) <= 1 + f < sqrt(2); x > 0 and normal."""
    root, one = own(m, (0x3FE6A09E667F3BCD, 0x3F3504F3)), m.bias << m.fraction
    b = m.to_bits(x)
    e = (b + (one - root)) >> m.fraction
    return m.to_float(e - m.bias), m.from_bits(b - (e << m.fraction) + one) - 1.0


def log_parts(m: LaneMachine, f: Lanes) -> tuple[Lanes, Lanes]:
    """log(1 + f) = f - (half - low): half = f * f / 2, and low."""
    s = f / (f + 2.0)
    z = s * s
    half = f * 0.5 * f
    return half, s * m.fma(z, m.polynomial(z, table.LOG), half)


def log_of(m: LaneMachine, k: Lanes, f: Lanes, correction: Lanes | None = None) -> Lanes:
    """log(2**k * (1 + f)) + correction. Only the small part waits for the division."""
    high_ln2, low_ln2 = own(m, table.LN2)
    half, low = log_parts(m, f)
    first, rest = m.total(f, -half)
    z, rounding = m.total(k * high_ln2, first)
    rest = m.fma(k, low_ln2, rest + rounding)
    return z + (low + (rest if correction is None else rest + correction))


def with_edges_of_log(m: LaneMachine, name: str, x: Lanes, z: Lanes) -> Lanes:
    z = m.select(x > 0.0, z, m.select(x.equals(0.0), -math.inf, math.nan))
    return m.elsewhere(is_subnormal(m, x), name, m.select(x.equals(math.inf), x, z), x)


def log(m: LaneMachine, x: Lanes) -> Lanes:
    return with_edges_of_log(m, "log", x, log_of(m, *mantissa(m, x)))


def log_in_base(m: LaneMachine, name: str, x: Lanes, inverse: tuple[Any, Any], of_two: tuple[float, float]) -> Lanes:
    """log(x) / log(base): both the logarithm and the factor in two parts, so that powers of the base are exact."""
    k, f = mantissa(m, x)
    half, low = log_parts(m, f)
    high, rest = m.total(f, -half)
    low = rest + low
    high_factor, low_factor = own(m, inverse)
    product, error = m.product(high, high_factor)
    z, rounding = m.total(k * of_two[0], product)
    low = m.fma(low, high_factor, m.fma(high, low_factor, error)) + m.fma(k, of_two[1], rounding)
    return with_edges_of_log(m, name, x, z + low)


def log2(m: LaneMachine, x: Lanes) -> Lanes:
    return log_in_base(m, "log2", x, table.INVERSE_LN2, (1.0, 0.0))


def log10(m: LaneMachine, x: Lanes) -> Lanes:
    return log_in_base(m, "log10", x, table.INVERSE_LN10, own(m, table.LOG10_2))


def log1p(m: LaneMachine, x: Lanes) -> Lanes:
    """log(u) + c / u, u = 1 + x rounded, c what was lost."""
    u = 1.0 + x
    c = m.select(x > 1.0, 1.0 - (u - x), x - (u - 1.0))
    z = log_of(m, *mantissa(m, u), c / u)
    z = m.select(x > -1.0, z, m.select(x.equals(-1.0), -math.inf, math.nan))
    return m.select(x.equals(math.inf), x, m.select(m.abs(x) < own(m, (2.0**-54, 2.0**-25)), x, z))


def asinh(m: LaneMachine, x: Lanes) -> Lanes:
    a = m.abs(x)
    far = a > own(m, (2.0**60, 2.0**30))
    square = a * a
    z = log1p(m, m.select(far, a, a + square / (1.0 + m.sqrt(square + 1.0))))
    return m.with_sign(z + m.select(far, math.log(2.0), 0.0), x)


def acosh(m: LaneMachine, x: Lanes) -> Lanes:
    far = x > own(m, (2.0**60, 2.0**30))
    t = x - 1.0
    z = log1p(m, m.select(far, x, t + m.sqrt(m.fma(t, t, t + t))))
    return m.select(x < 1.0, math.nan, z + m.select(far, math.log(2.0), 0.0))


def atanh(m: LaneMachine, x: Lanes) -> Lanes:
    a = m.abs(x)
    return m.with_sign(0.5 * log1p(m, (a + a) / (1.0 - a)), x)


# ---- powers and roots
def logarithm_in_two_parts(m: LaneMachine, x: Lanes) -> tuple[Lanes, Lanes]:
    """log(x) for x > 0 to about 2**-65 of itself: 2 s + s**3 (2/3 + 2/5 s**2 + ...), s = f / (2 + f), each in two parts."""
    k, f = mantissa(m, x)
    d, d_low = m.total(2.0, f)
    inverse = 1.0 / d
    s = f * inverse
    p, p_low = m.product(s, d)
    s_low = (((f - p) - p_low) - s * d_low) * inverse
    z, z_low = m.product(s, s)
    z_low = m.fma(s + s, s_low, z_low)
    two_thirds, rest = own(m, table.TWO_THIRDS)
    c, c_low = m.total(two_thirds, z * m.polynomial(z, table.POWER))
    c_low = c_low + rest
    cube, cube_low = m.product(s, z)
    cube_low = m.fma(s, z_low, m.fma(s_low, z, cube_low))
    w, w_low = m.product(cube, c)
    w_low = m.fma(cube, c_low, m.fma(cube_low, c, w_low))
    high, low = m.total(s + s, w)
    low = (low + (s_low + s_low)) + w_low
    high_ln2, low_ln2 = own(m, table.LN2)
    first, rest = m.total(k * high_ln2, high)
    return m.total(first, rest + m.fma(k, low_ln2, low))


def short_power(m: LaneMachine, x: Lanes, y: Lanes) -> Lanes:
    """exp(y * log(x)) for normal x > 0 in float64, for float32: no digits need to be saved."""
    k, f = mantissa(m, x)
    s = f / (f + 2.0)
    z = s * s
    t = y * m.fma(k, math.log(2.0), s * m.fma(z, m.polynomial(z, table.LOG), 2.0))
    t = m.at_most(m.at_least(t, -200.0), 200.0)
    shifted = m.fma(t, 1.0 / math.log(2.0), m.shift)
    r = m.fma(shifted - m.shift, -math.log(2.0), t)
    p = m.fma(r * r, m.polynomial(r, table.EXP), r)
    return m.scale(1.0 + p, shifted, in_range=True)


def magnitude_of_power(m: LaneMachine, a: Lanes, y: Lanes) -> Lanes:
    """a**y for normal a > 0."""
    if m.short:
        return short_power(m, a, y)
    high, low = logarithm_in_two_parts(m, a)
    t, t_low = m.product(y, high)
    return exp(m, t, m.fma(y, low, t_low))


def power(m: LaneMachine, x: Lanes, y: Lanes) -> Lanes:
    """Zeros, negative numbers, infinities, NaN, subnormal x and huge y are the C library's."""
    z = magnitude_of_power(m, x, y) if m.double else m.narrow(magnitude_of_power(m.wide(), m.widen(x), m.widen(y)))
    usual = (x >= own(m, (2.0**-1022, 2.0**-126))) & (x < math.inf) & (m.abs(y) < 2.0**64)
    return m.elsewhere(~usual, "pow", z, x, y)


def cbrt(m: LaneMachine, x: Lanes) -> Lanes:
    """A polynomial's value, then Halley's method."""
    a = m.abs(x)
    b = m.to_bits(a)
    e = m.to_float((b >> m.fraction) - m.bias)
    shifted = m.fma(e, 1.0 / 3.0, -1.0 / 3.0) + m.shift
    rest = m.fma(shifted - m.shift, -3.0, e)
    f = m.from_bits((b & ((1 << m.fraction) - 1)) | (m.bias << m.fraction))
    f = f * m.select(rest.equals(0.0), 1.0, m.select(rest.equals(1.0), 2.0, 4.0))
    y = m.polynomial(f, table.CBRT)
    for _ in range(2 if m.double else 1):
        cube = y * y * y
        y = m.fma(y, (f - cube) / m.fma(2.0, cube, f), y)
    z = m.with_sign(y * m.power_of_two(m.to_bits(shifted)), x)
    z = m.select((a > 0.0) & (a < math.inf), z, x)
    return m.elsewhere(is_subnormal(m, a), "cbrt", z, x)


def hypot(m: LaneMachine, x: Lanes, y: Lanes) -> Lanes:
    a, b = m.abs(x), m.abs(y)
    more, less = m.select(a > b, a, b), m.select(a > b, b, a)
    r = less / more
    z = m.select(more.equals(0.0), more, more * m.sqrt(m.fma(r, r, 1.0)))
    z = m.select(x.differs(x) | y.differs(y), x + y, z)
    return m.select(a.equals(math.inf) | b.equals(math.inf), math.inf, z)


# ---- the error function
def erfcx(m: LaneMachine, a: Lanes) -> Lanes:
    """exp(a * a) * erfc(a) for 0.45 <= a <= 28"""
    return m.led_polynomial((a - 4.0) / (a + 4.0), table.ERFCX) / m.fma(a, 2.0, 1.0)


def erf(m: LaneMachine, x: Lanes) -> Lanes:
    a = m.at_most(m.abs(x), own(m, (6.5, 4.5)))
    square = a * a
    shifted, p = reduced(m, -square)
    e = m.power_of_two(m.to_bits(shifted)) * (1.0 + p)
    near = m.abs(x) * m.led_polynomial(m.at_most(square, 1.0), table.ERF)
    return m.with_sign(m.select(a < 1.0, near, 1.0 - e * erfcx(m, a)), x)


def erfc(m: LaneMachine, x: Lanes) -> Lanes:
    a = m.at_most(m.abs(x), own(m, (28.0, 10.5)))
    square, low = m.product(a, a)
    shifted, p = reduced(m, -square, -low)
    g = erfcx(m, a)
    z = m.scale(m.fma(p, g, g), shifted)
    near = m.fma(-x, m.led_polynomial(m.at_most(square, 1.0), table.ERF), 1.0)
    return m.select(a < 0.5, near, m.select(x < 0.0, 2.0 - z, z))


BODIES: dict[str, tuple[int, Body]] = {
    **{f.__name__: (1, f) for f in (exp, exp2, expm1, expit, tanh, sinh, cosh, log, log2, log10, log1p, asinh, acosh, atanh)},
    **{f.__name__: (1, f) for f in (cbrt, sin, cos, tan, atan, asin, acos, erf, erfc)},
    "pow": (2, power),
    "tanh_slope": (2, tanh_slope),
    "expit_slope": (2, expit_slope),
    "hypot": (2, hypot),
    "atan2": (2, atan2),
}


def body(m: LaneMachine, name: str, xs: list[Lanes]) -> Lanes:
    """The function of these operands. Without a fused multiply-add float32 has too few digits for the tricks above."""
    function = BODIES[name][1]
    if m.double or m.fused:
        return function(m, *xs)
    return m.narrow(function(m.wide(), *map(m.widen, xs)))

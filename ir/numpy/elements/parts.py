"""Parts of numbers: mantissas and exponents, whole and fractional parts, neighbours, common divisors, bits.

What a number is made of is found by products with powers of two, which are exact; so these are ordinary arithmetic, and have its
derivatives. All is computed in float64, which holds each float32.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...core.sites import user_site
from ...core.types import BOOL, F32, F64, I32, I64, is_complex, is_float
from ...ops import table
from ...values.kernels import elementwise
from ...values.operators import has_array
from ...values.reshaping import reshape
from ...values.scalars import promote
from ...values.values import Arrayed, Traced, to_type
from ...values.views import as_array, shape_of
from ..axes import broadcast_arrays, ravel
from ..common import astype, program, scalar_kind
from ..registry import implements
from ..ufuncs import pick, to_constant

SHIFTS = (512, 256, 128, 64, 32, 16, 8, 4, 2, 1, 1)


def _double(x: Any) -> Any:
    return to_constant(x, F64)


def _normalised(x: Any) -> tuple[Any, Any, Any]:
    """(m, e, p) with x = m * 2**e, 0.5 <= |m| < 1, and p = 2**(e - 1); of a finite number that is not 0."""
    tiny = abs(x) < 2.0**-1000
    m, e = pick(tiny, x * 2.0**60, x), pick(tiny, -60, 0)
    p = pick(tiny, 2.0**-61, _double(0.5))
    for k in SHIFTS:
        large, small = abs(m) >= 2.0 ** (k - 1), abs(m) < 2.0**-k
        m = pick(large, m * 2.0**-k, pick(small, m * 2.0**k, m))
        e = pick(large, e + k, pick(small, e - k, e))
        p = pick(large, p * 2.0**k, pick(small, p * 2.0**-k, p))
    return m, e, p


def _type_of(x: Any) -> Any:
    return F32 if isinstance(x, Traced) and x.type == F32 else F64


@implements(np.frexp, whole=True)
def frexp(x: Any) -> Any:
    """The exponents of an array are ints of 32 bits."""
    if not has_array(x):
        return _frexp(x)
    m, e = elementwise(_frexp, x, name="frexp")
    return m, astype(e, I32)


def _frexp(x: Any) -> Any:
    t = _type_of(x)
    x = _double(x)
    proper = table.logical_and(table.isfinite(x), x != 0.0)
    m, e, _ = _normalised(pick(proper, x, 1.0))
    return to_type(pick(proper, m, x), t), pick(proper, e, 0)


@implements(np.modf)
def modf(x: Any) -> Any:
    x = to_type(x, F64) if not is_float(x.type) else x
    whole = table.trunc(x)
    return table.copysign(pick(table.isinf(x), 0.0, x - whole), x), whole


@implements(np.spacing)
def spacing(x: Any) -> Any:
    t = _type_of(x)
    x = table.fixed(_double(x))  # constant between powers of two
    gap = _gap(x, t)
    return to_type(pick(table.isfinite(x), table.copysign(gap, x), x * math.nan), t)


def _gap(x: Any, t: Any) -> Any:
    """From a finite number to the next one of its type that is further from 0."""
    digits, least = (24, 2.0**-149) if t == F32 else (53, 2.0**-1074)
    _, _, p = _normalised(pick(table.logical_and(table.isfinite(x), x != 0.0), x, 1.0))
    gap = p * 2.0 ** (1 - digits)
    return pick(table.logical_or(x == 0.0, gap < least), least, gap)


@implements(np.nextafter)
def nextafter(x1: Any, x2: Any) -> Any:
    t, _ = promote("nextafter", x1, x2)
    t = F32 if t == F32 else F64
    moves = _double(x1)  # the next number does with x1, and not with x2
    x, y = table.fixed(moves), table.fixed(_double(x2))
    top = float(np.finfo(np.float32 if t == F32 else np.float64).max)
    away = (x > 0.0) == (y > x)
    gap = _gap(x, t)
    m, _, _ = _normalised(pick(table.logical_and(table.isfinite(x), x != 0.0), x, 1.0))
    least = 2.0**-149 if t == F32 else 2.0**-1074
    gap = pick(table.logical_and(table.logical_xor(away, True), table.logical_and(abs(m) == 0.5, gap > least)), gap * 0.5, gap)
    found = pick(y > x, x + gap, x - gap)
    found = pick(found == 0.0, table.copysign(0.0, x), found)
    found = pick(table.isinf(x), table.copysign(top, x), found)
    found = pick(x == 0.0, table.copysign(least, y), found)
    found = pick(x == y, y, pick(table.logical_or(table.isnan(x), table.isnan(y)), x + y, found))
    return to_type(found - pick(table.isfinite(x), x - moves, 0.0), t)


@implements(np.logaddexp2)
def logaddexp2(x1: Any, x2: Any) -> Any:
    return np.logaddexp(x1 * math.log(2.0), x2 * math.log(2.0)) * (1.0 / math.log(2.0))


# ---- of ints
def _only_ints(name: str, x: Any) -> None:
    kind = scalar_kind(x)
    if is_float(kind) or is_complex(kind):
        what = "floats" if is_float(kind) else "complex numbers"
        raise TypeError(f"ufunc {name!r} did not contain a loop with signature matching types of {what} ({user_site()})")


def _of_pairs(name: str, fn: Any) -> Any:
    def of(x: Any, y: Any) -> Any:
        x, y = as_array(x), as_array(y)
        for v in (x, y):
            _only_ints(name, v)
        x, y = (np.multiply(v, 1) if scalar_kind(v) == BOOL else v for v in (x, y))
        if not has_array(x, y):
            return _one(fn, x, y)
        a, b = broadcast_arrays(x, y)
        out = _all(fn, ravel(a), ravel(b))
        if {v.type.dtype for v in (x, y) if isinstance(v, Arrayed)} == {I32}:
            out = out.astype(np.int32)
        return reshape(out, shape_of(a))

    return of


@program
def _one(fn: Any, x: Any, y: Any) -> Any:
    return fn(x, y)


@program
def _all(fn: Any, x: Any, y: Any) -> Any:
    out = np.zeros(len(x), int)
    for i in range(len(x)):
        out[i] = fn(x[i], y[i])
    return out


@program
def _gcd(x: Any, y: Any) -> Any:
    x, y = abs(x), abs(y)
    while y != 0:
        x, y = y, x % y
    return x


@program
def _lcm(x: Any, y: Any) -> Any:
    x, y = abs(x), abs(y)
    a, b = x, y
    while b != 0:
        a, b = b, a % b
    return 0 if a == 0 else x // a * y


gcd = implements(np.gcd, whole=True)(_of_pairs("gcd", _gcd))
lcm = implements(np.lcm, whole=True)(_of_pairs("lcm", _lcm))


@implements(np.bitwise_count)
def bitwise_count(x: Any) -> Any:
    """The bits of |x|: an int64, as no number of 8 bits is."""
    _only_ints("bitwise_count", x)
    n = abs(to_type(x, I64))
    n = n - ((n >> 1) & 0x5555555555555555)
    n = (n & 0x3333333333333333) + ((n >> 2) & 0x3333333333333333)
    n = (n + (n >> 4)) & 0x0F0F0F0F0F0F0F0F
    return ((n * 0x0101010101010101) >> 56) & 0xFF

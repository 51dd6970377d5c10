"""The table of scalar operations: one row each. CONTRIBUTING.md shows how to add one.

x, y are inputs, z the output, d a tangent or an adjoint. Derivatives at the edges are choices, listed in
tests/test_edges.py. At a tie there is one choice: of two equal numbers the first is the larger and the smaller, and
abs(x) is x at 0; so smooth functions made of pieces have all their derivatives there. 0 * inf is NaN; what keeps the
branch not taken out of a derivative is not in the rules, but in guards.py.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ..core import dims
from ..core.graph import Const, same_atom
from ..core.op import TABLE, Op, Zero, elementwise
from ..core.types import BOOL, F64, FROM_NUMPY, I64, LANES, SIDE, Scalar, is_float, lane_type, wide, width

STEP = Zero("piecewise constant: zero wherever it exists")
STEADY = {"speculate": True, "steady": True}
TWO_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)
LN2, LN10 = math.log(2.0), math.log(10.0)


def row(name: str, signature: str, body: Any, rule: Any = None, tangent: Any = None, squared: Any = None, **flags: Any) -> Op:
    return elementwise(name, signature, body, rule, tangent, squared, **flags)


def libm(name: str, rule: Any, arity: int = 1, squared: Any = None, cost: str = "dear") -> Op:
    """A row whose body is a mathematical function that the machine has."""
    return row(name, "F" * arity + ":F", lambda m, *xs: m.libm(name, *xs), rule, None, squared, cost=cost)


# fmt: off
# ---- arithmetic
add = row("add", "FF:F", lambda m, x, y: m.arithmetic("add", x, y), lambda d, z, x, y: (d, d), sums="+", **STEADY)
sub = row("sub", "FF:F", lambda m, x, y: m.arithmetic("sub", x, y), lambda d, z, x, y: (d, neg(d)), sums="-", **STEADY)
mul: Op = row("mul", "FF:F", lambda m, x, y: m.arithmetic("mul", x, y), lambda d, z, x, y: (mul(d, y), mul(d, x)),
              neutral=1.0, commutes=True, multiplies=True, square=lambda let: let.args[0] is let.args[1])
neg: Op = row("neg", "F:F", lambda m, x: m.arithmetic("neg", x), lambda d, z, x: (neg(d),), **STEADY)
div: Op = row("div", "FF:F", lambda m, x, y: m.arithmetic("div", x, y), lambda d, z, x, y: (div(d, y), neg(mul(div(d, y), z))), neutral=1.0)
mul_zero: Op = row("mul_zero", "FF:F", lambda m, x, y: select(eq(x, 0.0), 0.0, mul(x, y)), lambda d, z, x, y: (mul(d, y), mul(d, x)))
over_power: Op = row("over_power", "FF:F", lambda m, x, y, n: select(eq(x, 0.0), 0.0, div(x, power_by_squaring(y, n))),  # 0 has no slope by y
                     lambda d, z, x, y, n: (div(d, power_by_squaring(y, n)), neg(mul(d, mul(float(n), over_power(x, y, n=n + 1))))))

# ---- comparison and choice
eq: Op = row("eq", "FF:B", lambda m, x, y: m.compare("eq", x, y), speculate=True)
ne = row("ne", "FF:B", lambda m, x, y: m.compare("ne", x, y), speculate=True)
lt = row("lt", "FF:B", lambda m, x, y: m.compare("lt", x, y), speculate=True, orders="<")
le = row("le", "FF:B", lambda m, x, y: m.compare("le", x, y), speculate=True)
gt = row("gt", "FF:B", lambda m, x, y: m.compare("gt", x, y), speculate=True, orders=">")
ge = row("ge", "FF:B", lambda m, x, y: m.compare("ge", x, y), speculate=True)
select: Op = row("select", "BTT:T", lambda m, c, x, y, where=False: m.select(c, x, y),
             lambda d, z, c, x, y, where=False: (None, select(c, d, 0.0), select(c, 0.0, d)),
             lambda tx, ty, c, x, y, where=False: select(c, tx, ty, where=where), folds=lambda let: chosen(let), chooses=True,
             **STEADY)
gate: Op = row("gate", "BF:F", lambda m, c, x, when: x,  # x; backwards nothing goes through it but where c == when (guards.py)
               lambda d, z, c, x, when: (None, select(c, d, 0.0) if when else select(c, 0.0, d)), gates=True, **STEADY)
fixed = row("fixed", "F:F", lambda m, x: x, Zero("it is held fixed in derivatives"), speculate=True)
carried: Op = row("carried", "FF:F", lambda m, total, start: total, lambda d, z, total, start: (d, d), continues=True, **STEADY)  # a sum that began with `start`

# ---- rounding and signs
absolute = row("abs", "F:F", lambda m, x: m.instruction("fabs", x), lambda d, z, x: (mul(d, direction(x)),), speculate=True)
direction: Op = row("direction", "F:F", lambda m, x: select(ge(x, 0.0), m.constant(1.0, x), select(lt(x, 0.0), -1.0, x)), STEP, speculate=True)
sign: Op = row("sign", "F:F", lambda m, x: select(gt(x, 0.0), 1.0, select(lt(x, 0.0), -1.0, select(eq(x, 0.0), 0.0, x))), STEP, speculate=True)
floor = row("floor", "F:F", lambda m, x: m.instruction("floor", x), STEP, speculate=True)
ceil = row("ceil", "F:F", lambda m, x: m.instruction("ceil", x), STEP, speculate=True)
trunc = row("trunc", "F:F", lambda m, x: m.instruction("trunc", x), STEP, speculate=True)
rint = row("rint", "F:F", lambda m, x: m.instruction("rint", x), STEP, speculate=True)
round_decimal = row("round_decimal", "F:F", lambda m, x, n: m.round_decimal(x, n), STEP)
copysign: Op = row("copysign", "FF:F", lambda m, x, y: m.instruction("copysign", x, y),
               lambda d, z, x, y: (mul(d, mul(direction(x), copysign(1.0, y))), None))
fmod = libm("fmod", lambda d, z, x, y: (d, neg(mul(d, trunc(div(x, y))))), 2, cost="heavy")
mod = row("mod", "FF:F", lambda m, x, y: floor_mod(fmod(x, y), y), lambda d, z, x, y: (d, neg(mul(d, floor(div(x, y))))),
          cost="heavy")
floordiv = row("floordiv", "FF:F", lambda m, x, y: floor_div(x, y, fmod(x, y)), STEP, cost="heavy")
isnan = row("isnan", "F:B", lambda m, x: m.compare("ne", x, x), speculate=True)
isinf = row("isinf", "F:B", lambda m, x: eq(absolute(x), math.inf), speculate=True)
isfinite = row("isfinite", "F:B", lambda m, x: lt(absolute(x), math.inf), speculate=True)
signbit = row("signbit", "F:B", lambda m, x: lt(m.instruction("copysign", m.constant(1.0, x), x), 0.0), speculate=True)

# ---- powers, roots, exponentials, logarithms
root_squared = row("root_squared", "F:F", lambda m, x: power_by_squaring(sqrt(x), 2), lambda d, z, x: (select(ge(x, 0.0), d, mul(d, z)),))
sqrt: Op = row("sqrt", "F:F", lambda m, x: m.instruction("sqrt", x), lambda d, z, x: (div(mul(d, 0.5), z),), squared=root_squared)
cbrt = libm("cbrt", lambda d, z, x: (div(d, mul(3.0, mul(z, z))),))
hypot_squared = row("hypot_squared", "FF:F", lambda m, x, y: power_by_squaring(hypot(x, y), 2),
                    lambda d, z, x, y: (mul(d, mul(2.0, x)), mul(d, mul(2.0, y))), cost="dear")
hypot: Op = libm("hypot", lambda d, z, x, y: (mul(d, div(x, z)), mul(d, div(y, z))), 2, squared=hypot_squared)
power: Op = libm("pow", lambda d, z, x, y: (mul(d, power_slope(x, y, k=1, n=0)), mul(d, power_log(x, y, z))), 2, cost="heavy")
power_slope: Op = row("pow_slope", "FF:F", lambda m, x, y, k, n: slope_of_power(x, y, k, n),  # derived k times by x, and n times by y
                      lambda d, z, x, y, k, n: (mul(d, power_slope(x, y, k=k + 1, n=n)), mul(d, power_slope(x, y, k=k, n=n + 1))), cost="heavy")
power_log: Op = row("pow_log", "FFF:F", lambda m, x, y, z: times_log(z, x, y, 1),  # by y; all that varies is x and y
                    lambda d, s, x, y, z: (mul(d, power_slope(x, y, k=1, n=1)), mul(d, power_slope(x, y, k=0, n=2)), None), cost="dear")
integer_power_of: Op = row("powi", "F:F", lambda m, x, n: power_by_squaring(x, n),
                       lambda d, z, x, n: (d if n == 1 else mul(d, mul(float(n), integer_power_of(x, n=n - 1))),),
                       square=lambda let: let.attrs["n"] == 2)
exp: Op = libm("exp", lambda d, z, x: (mul(d, z),))
exp2 = libm("exp2", lambda d, z, x: (mul(d, mul(LN2, z)),))
expm1 = libm("expm1", lambda d, z, x: (mul(d, exp(x)),))
log: Op = libm("log", lambda d, z, x: (div(d, x),))
log2 = libm("log2", lambda d, z, x: (div(mul(d, 1.0 / LN2), x),))
log10 = libm("log10", lambda d, z, x: (div(mul(d, 1.0 / LN10), x),))
log1p = libm("log1p", lambda d, z, x: (div(d, add(1.0, x)),))
logaddexp = row("logaddexp", "FF:F", lambda m, x, y: log_add_exp(x, y),
                lambda d, z, x, y: (mul(d, share_of_first(x, y)), mul(d, share_of_first(y, x))), cost="dear")

# ---- trigonometric, hyperbolic, and their inverses
sin = libm("sin", lambda d, z, x: (mul(d, cos(x)),))
cos: Op = libm("cos", lambda d, z, x: (neg(mul(d, sin(x))),))
tan = libm("tan", lambda d, z, x: (mul(d, add(1.0, mul(z, z))),))
asin = libm("asin", lambda d, z, x: (div(d, sqrt(mul(sub(1.0, x), add(1.0, x)))),))
acos = libm("acos", lambda d, z, x: (neg(div(d, sqrt(mul(sub(1.0, x), add(1.0, x))))),))
atan = libm("atan", lambda d, z, x: (div(d, add(1.0, mul(x, x))),))
atan2 = libm("atan2", lambda d, z, x, y: (mul(d, div(div(y, hypot(x, y)), hypot(x, y))), neg(mul(d, div(div(x, hypot(x, y)), hypot(x, y))))), 2)
sinh = libm("sinh", lambda d, z, x: (mul(d, cosh(x)),))
cosh: Op = libm("cosh", lambda d, z, x: (mul(d, sinh(x)),))
tanh: Op = libm("tanh", lambda d, z, x: (mul(d, tanh_slope(x, z)),))
tanh_slope: Op = row("tanh_slope", "FF:F", lambda m, x, z: m.slope("tanh", x, z),  # all that varies is x
                     lambda d, s, x, z: (mul(d, mul(-2.0, mul(z, s))), None), cost="dear")
asinh = libm("asinh", lambda d, z, x: (div(d, hypot(1.0, x)),))
acosh = libm("acosh", lambda d, z, x: (div(div(d, sqrt(sub(x, 1.0))), sqrt(add(x, 1.0))),))
atanh = libm("atanh", lambda d, z, x: (div(d, mul(sub(1.0, x), add(1.0, x))),))

# ---- special functions (Abramowitz and Stegun 7.1, 6.3, 6.4)
erf = libm("erf", lambda d, z, x: (mul(d, mul(TWO_OVER_SQRT_PI, gaussian(x))),))
erfc = libm("erfc", lambda d, z, x: (mul(d, mul(-TWO_OVER_SQRT_PI, gaussian(x))),))
gaussian: Op = row("gaussian", "F:F", lambda m, x: exp_of_minus_square(m, x), lambda d, z, x: (mul(d, mul(mul(-2.0, x), z)),), cost="dear")
expit: Op = libm("expit", lambda d, z, x: (mul(d, expit_slope(x, z)),))
expit_slope: Op = row("expit_slope", "FF:F", lambda m, x, z: m.slope("expit", x, z),
                      lambda d, s, x, z: (neg(mul(d, mul(s, tanh(mul(0.5, x))))), None), cost="dear")
gammaln = row("gammaln", "F:F", lambda m, x: m.special("gammaln", x), lambda d, z, x: (mul(d, digamma(x)),), cost="heavy")
digamma: Op = row("digamma", "F:F", lambda m, x: digamma_reflected(m, x), lambda d, z, x: (mul(d, polygamma(x, n=1)),), cost="heavy")
gamma = row("gamma", "F:F", lambda m, x: m.special("gamma", x), lambda d, z, x: (mul(d, mul(z, digamma(x))),), cost="heavy")
polygamma: Op = row("polygamma", "F:F", lambda m, x, n: polygamma_series(m, x, n),
                lambda d, z, x, n: (mul(d, polygamma(x, n=n + 1)),), cost="heavy")

# ---- integers (wrap at 64 bits as NumPy's; division and modulo follow Python's signs)
iadd = row("iadd", "II:I", lambda m, x, y: m.integer("add", x, y), speculate=True, sums="+", ring="+", neutral=0, commutes=True, dim=dims.add)
isub = row("isub", "II:I", lambda m, x, y: m.integer("sub", x, y), speculate=True, ring="-", neutral=0, dim=dims.sub)
imul = row("imul", "II:I", lambda m, x, y: m.integer("mul", x, y), speculate=True, ring="*", neutral=1, absorbing=0, commutes=True,
           dim=dims.mul)
imax = row("imax", "II:I", lambda m, x, y: select(igt(x, y), x, y), speculate=True, dim=lambda x, y: dims.nonnegative(x) if y == 0 else None)
imin = row("imin", "II:I", lambda m, x, y: select(ilt(x, y), x, y), speculate=True, dim=dims.smaller)
ifloordiv = row("ifloordiv", "II:I", lambda m, x, y: checked_integer(m, "floordiv", x, y), fails=True,
                dim=lambda x, y: dims.over(x, y) if isinstance(y, int) and y > 0 else None)
imod = row("imod", "II:I", lambda m, x, y: checked_integer(m, "mod", x, y), fails=True)
exact_add = row("exact_add", "II:I", lambda m, x, y: exact(m, "add", x, y), fails=True)
exact_sub = row("exact_sub", "II:I", lambda m, x, y: exact(m, "sub", x, y), fails=True)
exact_mul = row("exact_mul", "II:I", lambda m, x, y: exact(m, "mul", x, y), fails=True)
wrap32 = row("wrap32", "I:I", lambda m, x: m.integer("shr", m.integer("shl", x, m.constant(32, x)), m.constant(32, x)), speculate=True)
fits32 = row("fits32", "I:I", lambda m, x: checked_size(m, x, x, ieq(wrap32(x), x), "int32"), fails=True)
ifmod = row("ifmod", "II:I", lambda m, x, y: checked_integer(m, "fmod", x, y), fails=True)
unsigned_div = row("unsigned_div", "II:I", lambda m, x, y: m.integer("udiv", x, y))  # of numbers without a sign; y is not 0
ipow = row("ipow", "II:I", lambda m, x, y: checked_power(m, x, y), fails=True)
nonzero_step = row("nonzero_step", "I:I", lambda m, x: checked_step(m, x), fails=True)
iand = row("iand", "II:I", lambda m, x, y: m.integer("and", x, y), speculate=True)
ior = row("ior", "II:I", lambda m, x, y: m.integer("or", x, y), speculate=True)
ixor = row("ixor", "II:I", lambda m, x, y: m.integer("xor", x, y), speculate=True)
ishl = row("ishl", "II:I", lambda m, x, y: m.integer("shl", x, y))
ishr = row("ishr", "II:I", lambda m, x, y: m.integer("shr", x, y))
order_of = row("order_of", "F:I", lambda m, x: select(ne(x, x), 2**63 - 1, (lambda b: ixor(b, iand(ishr(b, 63), 2**63 - 1)))(
    m.bits(m.convert(add(x, 0.0), F64)))), STEP, speculate=True)  # ints in the order of sorts: 0.0 and -0.0 are equal, NaNs come last
ieq: Op = row("ieq", "II:B", lambda m, x, y: m.compare("eq", x, y), speculate=True,
          folds=lambda let: Const(True, BOOL) if let.args[0] is let.args[1] else None)  # fmt: skip
ine: Op = row("ine", "II:B", lambda m, x, y: m.compare("ne", x, y), speculate=True)
ilt: Op = row("ilt", "II:B", lambda m, x, y: m.compare("lt", x, y), speculate=True, less=True)
ile = row("ile", "II:B", lambda m, x, y: m.compare("le", x, y), speculate=True)
igt: Op = row("igt", "II:B", lambda m, x, y: m.compare("gt", x, y), speculate=True)
ige = row("ige", "II:B", lambda m, x, y: m.compare("ge", x, y), speculate=True)
logical_and: Op = row("and", "BB:B", lambda m, x, y: m.logical("and", x, y), speculate=True, neutral=True, absorbing=False, commutes=True)
logical_or = row("or", "BB:B", lambda m, x, y: m.logical("or", x, y), speculate=True, neutral=False, absorbing=True, commutes=True)
logical_xor = row("xor", "BB:B", lambda m, x, y: m.logical("xor", x, y), speculate=True, neutral=False, commutes=True)

# ---- sizes and indices of arrays
holds = row("holds", "B:B", lambda m, c: checked(m, c), fails=True)  # raises what its place says (Site.exception) where c is false
same_size = row("same_size", "II:I", lambda m, x, y: checked_size(m, x, y, ieq(x, y), "broadcast"), fails=True, equates=True,
                fits=True, optimistic=True)
equal_size = row("equal_size", "II:I", lambda m, x, y, kind="mismatch": checked_size(m, x, y, ieq(x, y), kind), fails=True, equates=True,
                 fits=True)
broadcast_size = row("broadcast_size", "II:I", lambda m, x, y: select(ieq(x, 1), y, checked_size(
    m, x, y, logical_or(logical_or(ieq(x, y), ieq(x, 1)), ieq(y, 1)), "sizes")), fails=True, fits=True)
check_index = row("check_index", "II:I", lambda m, i, n, axis: checked_index(m, i, n, axis), fails=True, bounded=True)

# ---- conversions: `to` is the result's type
convert = row("convert", "T:>", lambda m, x, to: m.convert(x, to), lambda d, z, x, to: (convert_like(d, x, to),), **STEADY,
              folds=lambda let: let.args[0] if let.args[0].type == let.out.type else None)
to_integer = row("to_integer", "F:I", lambda m, x: checked_truncation(m, x), fails=True, raises=lambda let: [
    (ValueError("cannot convert float NaN to integer"), lambda at: eq(at.args[0], at.args[0])),
    (OverflowError("cannot convert float infinity to integer"), lambda at: lt(absolute(at.args[0]), math.inf))])

# ---- blocks of lanes; a number in all of them is a conversion
lane: Op = row("lane", "F:>", lambda m, x, i, to: m.lane(x, i), lambda d, z, x, i, to: (
    lane(d, i=i, to=to) if width(type_of(d)) > 1 else in_lane(d, i=i, to=type_of(x)),), **STEADY)
in_lane: Op = row("in_lane", "F:>", lambda m, x, i, to: m.in_lane(x, i, to), lambda d, z, x, i, to: (
    lane(d, i=i, to=type_of(x)) if width(type_of(d)) > 1 else in_lane(d, i=i, to=to),), **STEADY)
block: Op = row("block", "F" * SIDE + ":>", lambda m, *xs, to: m.block(xs, to), lambda d, z, *xs, to: tuple(
    lane(d, i=i, to=lane_type(to)) if width(type_of(d)) > 1 else in_lane(d, i=i, to=to) for i in range(SIDE)), **STEADY)
any_lane = row("any_lane", "T:>", lambda m, x, to: m.any_lane(x), Zero("a truth value"), speculate=True)
lane_sum: Op = row("lane_sum", "F:>", lambda m, x, to: m.lane_sum(x), lambda d, z, x, to: (
    lane_sum(d, to=to) if width(type_of(d)) > 1 else convert(d, to=type_of(x)),), **STEADY)
# fmt: on


# ---- bodies of more than one line
def floor_mod(r: Any, y: Any) -> Any:
    """NumPy's `%` for floats from C's fmod: the result has the sign of y."""
    wrong_sign = logical_and(ne(r, 0.0), logical_xor(lt(r, 0.0), lt(y, 0.0)))
    return select(eq(r, 0.0), copysign(0.0, y), select(wrong_sign, add(r, y), r))


def floor_div(x: Any, y: Any, r: Any) -> Any:
    """NumPy's `//` for floats: (x - C remainder) / y, one less where the remainder has the wrong sign, rounded."""
    wrong_sign = logical_and(ne(r, 0.0), logical_xor(lt(r, 0.0), lt(y, 0.0)))
    q = div(sub(x, r), y)
    q = select(wrong_sign, sub(q, 1.0), q)
    f = floor(q)
    f = select(gt(sub(q, f), 0.5), add(f, 1.0), f)
    return select(eq(y, 0.0), div(x, y), select(eq(q, 0.0), copysign(0.0, div(x, y)), f))


def power_by_squaring(x: Any, n: int) -> Any:
    """x**n for an integer n known at compile time, n != 0."""
    if n < 0:
        return div(1.0, power_by_squaring(x, -n))
    if n == 1:
        return x
    half = power_by_squaring(x, n // 2)
    return mul(half, half) if n % 2 == 0 else mul(mul(half, half), x)


def times_log(z: Any, x: Any, y: Any, n: int) -> Any:
    """z log(x)**n, of z = x**y; at x = 0 its limit."""
    none = logical_and(eq(x, 0.0), gt(y, 0.0))
    return select(none, 0.0, mul(z, power_by_squaring(log(x), n))) if n else z


def slope_of_power(x: Any, y: Any, k: int, n: int) -> Any:
    """x**y derived k times by x and n times by y: the derivatives of y (y - 1) .. (y - k + 1) by y, each times x**(y - k) and a power of
    log(x). A factor that is 0 takes the infinities at x = 0 away: x**0 is 1 there, too."""
    least = sub(y, float(k)) if k else y
    z = power(x, least)
    sums: list[Any] = [1.0]  # of all products of so many of y, y - 1, ..
    for i in range(k):
        factor = sub(y, float(i)) if i else y
        more = [factor if i == 0 else mul(factor, s) for s in sums]
        sums = [sums[0], *(add(a, b) for a, b in zip(sums[1:], more, strict=False)), more[-1]]
    terms = []
    for j in range(min(n, k) + 1):
        term = mul(float(math.perm(n, j)), times_log(z, x, least, n - j))
        terms.append(mul_zero(sums[k - j], term) if k - j else term)
    return functools.reduce(add, terms)


def log_add_exp(x: Any, y: Any) -> Any:
    """log(exp(x) + exp(y)) without overflow; equal infinities give that infinity."""
    d = sub(x, y)
    big = select(gt(d, 0.0), x, y)
    z = add(big, log1p(exp(neg(absolute(d)))))
    return select(eq(x, y), add(x, LN2), select(ne(d, d), add(x, y), z))


def share_of_first(x: Any, y: Any) -> Any:
    """exp(x) / (exp(x) + exp(y)); one half where both are the same infinity."""
    d = sub(x, y)
    return expit(select(logical_and(eq(x, y), ne(d, d)), 0.0, d))


def exp_of_minus_square(m: Any, x: Any) -> Any:
    """exp(-x**2). A rounding of the square would be an absolute error of the exponent: its last bits are taken apart.

    x = high + low with few bits in high: exp(-high**2) exp(-low (x + high)), the second of an argument under 2**-9.
    """
    far = gt(absolute(x), 40.0)  # underflows, and the splitting may not overflow
    y = select(far, 0.0, x)
    scaled = mul(y, m.splitter(x))
    high = sub(scaled, sub(scaled, y))
    rest = mul(sub(y, high), add(y, high))
    return select(far, select(ne(x, x), x, 0.0), mul(exp(neg(mul(high, high))), exp(neg(rest))))


def polygamma_series(m: Any, x: Any, n: int) -> Any:
    """The n-th derivative of digamma, n >= 1: 12 recurrence steps, then the asymptotic series.

    Abramowitz and Stegun 6.4.6 (recurrence), 6.4.11 (series), and for x < 0 the reflection 6.4.7.
    """
    bernoulli = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)
    negative = lt(x, 0.0)
    y = select(negative, sub(1.0, x), x)
    total = mul(0.0, y)
    for k in range(12):
        total = add(total, power_by_squaring(add(y, float(k)), -(n + 1)))
    total = mul(float(math.factorial(n)), total)
    s = add(y, 12.0)
    total = add(total, mul(float(math.factorial(n - 1)), power_by_squaring(s, -n)))
    total = add(total, mul(math.factorial(n) / 2.0, power_by_squaring(s, -(n + 1))))
    for j, b in enumerate(bernoulli, start=1):
        weight = b * math.factorial(2 * j + n - 1) / math.factorial(2 * j)
        total = add(total, mul(weight, power_by_squaring(s, -(2 * j + n))))
    z = total if n % 2 else neg(total)
    return select(negative, sub(z if n % 2 == 0 else neg(z), cotangent_derivative(m, x, n)), z)


def digamma_reflected(m: Any, x: Any) -> Any:
    """SciPy's psi for positive x; for negative x the reflection 6.3.7, whose cotangent is accurate near the poles."""
    negative = lt(x, 0.0)
    z = m.special("psi", select(negative, sub(1.0, x), x))
    return select(negative, sub(z, cotangent_derivative(m, x, 0)), z)


def cotangent_derivative(m: Any, x: Any, n: int) -> Any:
    """The n-th derivative of pi cot(pi x): pi**(n + 1) p(cot(pi x)), where c' = -pi (1 + c**2) makes the polynomials p."""
    p = [0, 1]
    for _ in range(n):
        slope = [k * a for k, a in enumerate(p)][1:]
        p = [-(a + b) for a, b in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
    c = div(1.0, tan(mul(math.pi, sub(x, m.instruction("rint", x)))))
    total = mul(0.0, x)
    for a in reversed(p):
        total = add(mul(total, c), float(a))
    return mul(math.pi ** (n + 1), total)


def chosen(let: Any) -> Any:
    """What a `select` is, if its condition is known, or it has nothing to choose from."""
    c, x, y = let.args
    if isinstance(c, Const):
        return x if c.value else y
    return x if same_atom(x, y) else None


def checked_integer(m: Any, name: str, x: Any, y: Any) -> Any:
    m.check(ine(y, 0), "division")
    return m.integer(name, x, y)


def exact(m: Any, name: str, x: Any, y: Any) -> Any:
    """Python's integer arithmetic, where 64 bits are enough."""
    z, ok = m.integer_exact(name, x, y)
    m.check(ok, "overflow")
    return z


def checked_size(m: Any, x: Any, y: Any, ok: Any, kind: str) -> Any:
    m.check(ok, kind, x, y)
    return x


def checked_index(m: Any, i: Any, n: Any, axis: int) -> Any:
    """An index that may count from the end, as one that does not."""
    j = select(ilt(i, 0), iadd(i, n), i)
    m.check(logical_and(ige(j, 0), ilt(j, n)), "index", i, n, axis)
    return j


def checked(m: Any, c: Any) -> Any:
    m.check(c, "raise")
    return c


def checked_step(m: Any, x: Any) -> Any:
    m.check(ine(x, 0), "step")
    return x


def checked_power(m: Any, x: Any, n: Any) -> Any:
    m.check(ige(n, 0), "power")
    return m.integer_power(x, n)


def checked_truncation(m: Any, x: Any) -> Any:
    m.check(lt(absolute(x), 2.0**63), "conversion")
    return m.convert(x, I64)


def type_of(x: Any) -> Any:
    """The type of a value of some machine; None for an integer of NumPy's that no array holds."""
    if hasattr(x, "type"):
        return x.type
    t = FROM_NUMPY.get(np.asarray(x).dtype)
    return LANES[t, len(x)] if np.ndim(x) else t  # type: ignore[index]


def convert_like(d: Any, x: Any, to: Scalar) -> Any:
    """`d` in the type of `x`: the transpose of a conversion between floats."""
    t, lanes = type_of(x), width(type_of(d))
    if t is None or not is_float(t):
        return None
    if width(t) < width(to) == lanes:
        return lane_sum(d, to=t)
    return convert(d, to=wide(t, lanes) if width(t) == 1 else t)


BINARY_FLOAT_TO_INT = {
    "add": iadd, "sub": isub, "mul": imul, "floordiv": ifloordiv, "mod": imod, "fmod": ifmod, "pow": ipow,
    "eq": ieq, "ne": ine, "lt": ilt, "le": ile, "gt": igt, "ge": ige,
}  # fmt: skip
__all__ = [name for name, value in list(globals().items()) if isinstance(value, Op)] + ["BINARY_FLOAT_TO_INT", "TABLE"]

"""The table of scalar operations: one row each. CONTRIBUTING.md shows how to add one.

x, y are inputs, z the output, d a tangent or an adjoint. Derivatives at the edges are choices, listed in
tests/test_edges.py. `mul_strong` and `div_strong` make a zero adjoint win over an infinite derivative, so that
`where(x > 0, sqrt(x), 0)` has gradient 0, not NaN, at x = 0.
"""

from __future__ import annotations

import math
from typing import Any

from .ops import TABLE, Elsewhere, Op, Zero, elementwise, register

STEP = Zero("piecewise constant: zero wherever it exists")
TWO_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)
LN2, LN10 = math.log(2.0), math.log(10.0)


def row(name: str, signature: str, body: Any, rule: Any = None, **flags: bool) -> Op:
    return elementwise(name, signature, body, rule, **flags)


def libm(name: str, rule: Any, arity: int = 1) -> Op:
    """A row whose body is a mathematical function that the machine has."""
    return row(name, "F" * arity + ":F", lambda m, *xs: m.libm(name, *xs), rule, expensive=True)


# fmt: off
# ---- arithmetic
add = row("add", "FF:F", lambda m, x, y: m.arithmetic("add", x, y), lambda d, z, x, y: (d, d), speculate=True)
sub = row("sub", "FF:F", lambda m, x, y: m.arithmetic("sub", x, y), lambda d, z, x, y: (d, neg(d)), speculate=True)
mul: Op = row("mul", "FF:F", lambda m, x, y: m.arithmetic("mul", x, y), lambda d, z, x, y: (mul(d, y), mul(d, x)))
neg: Op = row("neg", "F:F", lambda m, x: m.arithmetic("neg", x), lambda d, z, x: (neg(d),), speculate=True)
div = row("div", "FF:F", lambda m, x, y: m.arithmetic("div", x, y),
          lambda d, z, x, y: (div_strong(d, y), neg(mul_strong(div_strong(d, y), z))))
mul_strong: Op = row("mul_strong", "FF:F", lambda m, x, y: select(eq(x, 0.0), 0.0, mul(x, y)),
                 lambda d, z, x, y: (mul_strong(d, y), mul_strong(x, d)))
div_strong: Op = row("div_strong", "FF:F", lambda m, x, y: select(eq(x, 0.0), 0.0, div(x, y)),
                 lambda d, z, x, y: (div_strong(d, y), neg(mul_strong(div_strong(d, y), z))))

# ---- comparison and choice
eq: Op = row("eq", "FF:B", lambda m, x, y: m.compare("eq", x, y), speculate=True)
ne = row("ne", "FF:B", lambda m, x, y: m.compare("ne", x, y), speculate=True)
lt = row("lt", "FF:B", lambda m, x, y: m.compare("lt", x, y), speculate=True)
le = row("le", "FF:B", lambda m, x, y: m.compare("le", x, y), speculate=True)
gt = row("gt", "FF:B", lambda m, x, y: m.compare("gt", x, y), speculate=True)
ge = row("ge", "FF:B", lambda m, x, y: m.compare("ge", x, y), speculate=True)
select: Op = row("select", "BTT:T", lambda m, c, x, y, where=False: m.select(c, x, y),
             lambda d, z, c, x, y, where=False: (None, select(c, d, 0.0), select(c, 0.0, d)), speculate=True)
maximum = row("maximum", "FF:F", lambda m, x, y: select(ge(x, y), x, select(ne(x, x), x, y)),
              lambda d, z, x, y: (mul(d, larger(x, y)), mul(d, larger(y, x))), speculate=True)
minimum = row("minimum", "FF:F", lambda m, x, y: select(le(x, y), x, select(ne(x, x), x, y)),
              lambda d, z, x, y: (mul(d, larger(y, x)), mul(d, larger(x, y))), speculate=True)
larger: Op = row("larger", "FF:F", lambda m, x, y: select(gt(x, y), m.constant(1.0, x), select(lt(x, y), 0.0, m.constant(0.5, x))), STEP, speculate=True)

# ---- rounding and signs
absolute = row("abs", "F:F", lambda m, x: m.instruction("fabs", x), lambda d, z, x: (mul_strong(d, sign(x)),), speculate=True)
sign: Op = row("sign", "F:F", lambda m, x: select(gt(x, 0.0), 1.0, select(lt(x, 0.0), -1.0, select(eq(x, 0.0), 0.0, x))), STEP,
           speculate=True)
floor = row("floor", "F:F", lambda m, x: m.instruction("floor", x), STEP, speculate=True)
ceil = row("ceil", "F:F", lambda m, x: m.instruction("ceil", x), STEP, speculate=True)
trunc = row("trunc", "F:F", lambda m, x: m.instruction("trunc", x), STEP, speculate=True)
rint = row("rint", "F:F", lambda m, x: m.instruction("rint", x), STEP, speculate=True)
copysign: Op = row("copysign", "FF:F", lambda m, x, y: m.instruction("copysign", x, y),
               lambda d, z, x, y: (mul(d, mul(sign(x), copysign(1.0, y))), None))
fmod = libm("fmod", lambda d, z, x, y: (d, neg(mul(d, trunc(div(x, y))))), 2)
mod = row("mod", "FF:F", lambda m, x, y: floor_mod(fmod(x, y), y), lambda d, z, x, y: (d, neg(mul(d, floor(div(x, y))))),
          expensive=True)
floordiv = row("floordiv", "FF:F", lambda m, x, y: floor_div(x, y, fmod(x, y)), STEP, expensive=True)
isnan = row("isnan", "F:B", lambda m, x: m.compare("ne", x, x), speculate=True)
isinf = row("isinf", "F:B", lambda m, x: eq(absolute(x), math.inf), speculate=True)
isfinite = row("isfinite", "F:B", lambda m, x: lt(absolute(x), math.inf), speculate=True)
signbit = row("signbit", "F:B", lambda m, x: lt(m.instruction("copysign", m.constant(1.0, x), x), 0.0), speculate=True)

# ---- powers, roots, exponentials, logarithms
sqrt = row("sqrt", "F:F", lambda m, x: m.instruction("sqrt", x), lambda d, z, x: (div_strong(mul(d, 0.5), z),))
cbrt = libm("cbrt", lambda d, z, x: (div_strong(d, mul(3.0, mul(z, z))),))
hypot = libm("hypot", lambda d, z, x, y: (mul(d, div_strong(x, z)), mul(d, div_strong(y, z))), 2)
power: Op = libm("pow", lambda d, z, x, y: (
    mul_strong(d, mul_strong(y, power(x, sub(y, 1.0)))),
    mul_strong(d, select(eq(x, 0.0), 0.0, mul_strong(z, log(x))))), 2)
integer_power_of: Op = row("powi", "F:F", lambda m, x, n: power_by_squaring(x, n),
                       lambda d, z, x, n: (d if n == 1 else mul_strong(d, mul(float(n), integer_power_of(x, n=n - 1))),))
exp = libm("exp", lambda d, z, x: (mul_strong(d, z),))
exp2 = libm("exp2", lambda d, z, x: (mul_strong(d, mul(LN2, z)),))
expm1 = libm("expm1", lambda d, z, x: (mul_strong(d, add(z, 1.0)),))
log: Op = libm("log", lambda d, z, x: (div_strong(d, x),))
log2 = libm("log2", lambda d, z, x: (div_strong(d, mul(LN2, x)),))
log10 = libm("log10", lambda d, z, x: (div_strong(d, mul(LN10, x)),))
log1p = libm("log1p", lambda d, z, x: (div_strong(d, add(1.0, x)),))
logaddexp = row("logaddexp", "FF:F", lambda m, x, y: log_add_exp(x, y),
                lambda d, z, x, y: (mul(d, share(x, y)), mul(d, share(y, x))), expensive=True)

# ---- trigonometric, hyperbolic, and their inverses
sin = libm("sin", lambda d, z, x: (mul(d, cos(x)),))
cos: Op = libm("cos", lambda d, z, x: (neg(mul(d, sin(x))),))
tan = libm("tan", lambda d, z, x: (mul_strong(d, add(1.0, mul(z, z))),))
asin = libm("asin", lambda d, z, x: (div_strong(d, sqrt(mul(sub(1.0, x), add(1.0, x)))),))
acos = libm("acos", lambda d, z, x: (neg(div_strong(d, sqrt(mul(sub(1.0, x), add(1.0, x))))),))
atan = libm("atan", lambda d, z, x: (div(d, add(1.0, mul(x, x))),))
atan2 = libm("atan2", lambda d, z, x, y: (div_strong(mul(d, y), add(mul(x, x), mul(y, y))),
                                           neg(div_strong(mul(d, x), add(mul(x, x), mul(y, y))))), 2)
sinh = libm("sinh", lambda d, z, x: (mul_strong(d, cosh(x)),))
cosh: Op = libm("cosh", lambda d, z, x: (mul_strong(d, sinh(x)),))
tanh = libm("tanh", lambda d, z, x: (mul(d, mul(sub(1.0, z), add(1.0, z))),))
asinh = libm("asinh", lambda d, z, x: (div(d, hypot(1.0, x)),))
acosh = libm("acosh", lambda d, z, x: (div_strong(d, sqrt(mul(sub(x, 1.0), add(x, 1.0)))),))
atanh = libm("atanh", lambda d, z, x: (div_strong(d, mul(sub(1.0, x), add(1.0, x))),))

# ---- special functions (Abramowitz and Stegun 7.1, 6.3, 6.4)
erf = libm("erf", lambda d, z, x: (mul(d, mul(TWO_OVER_SQRT_PI, exp(neg(mul(x, x))))),))
erfc = libm("erfc", lambda d, z, x: (mul(d, mul(-TWO_OVER_SQRT_PI, exp(neg(mul(x, x))))),))
expit: Op = libm("expit", lambda d, z, x: (mul(d, mul(z, sub(1.0, z))),))
gammaln = row("gammaln", "F:F", lambda m, x: m.special("gammaln", x), lambda d, z, x: (mul_strong(d, digamma(x)),), expensive=True)
digamma: Op = row("digamma", "F:F", lambda m, x: m.special("psi", x), lambda d, z, x: (mul_strong(d, polygamma(x, n=1)),), expensive=True)
gamma = row("gamma", "F:F", lambda m, x: m.special("gamma", x), lambda d, z, x: (mul_strong(d, mul(z, digamma(x))),), expensive=True)
polygamma: Op = row("polygamma", "F:F", lambda m, x, n: polygamma_series(m, x, n),
                lambda d, z, x, n: (mul_strong(d, polygamma(x, n=n + 1)),), expensive=True)

# ---- integers (wrap at 64 bits as NumPy's; division and modulo follow Python's signs)
iadd = row("iadd", "II:I", lambda m, x, y: m.integer("add", x, y), speculate=True)
isub = row("isub", "II:I", lambda m, x, y: m.integer("sub", x, y), speculate=True)
imul = row("imul", "II:I", lambda m, x, y: m.integer("mul", x, y), speculate=True)
ifloordiv = row("ifloordiv", "II:I", lambda m, x, y: checked_integer(m, "floordiv", x, y), may_fail=True)
imod = row("imod", "II:I", lambda m, x, y: checked_integer(m, "mod", x, y), may_fail=True)
ipow = row("ipow", "II:I", lambda m, x, y: checked_power(m, x, y), may_fail=True)
nonzero_step = row("nonzero_step", "I:I", lambda m, x: checked_step(m, x), may_fail=True)
iand = row("iand", "II:I", lambda m, x, y: m.integer("and", x, y), speculate=True)
ior = row("ior", "II:I", lambda m, x, y: m.integer("or", x, y), speculate=True)
ixor = row("ixor", "II:I", lambda m, x, y: m.integer("xor", x, y), speculate=True)
ishl = row("ishl", "II:I", lambda m, x, y: m.integer("shl", x, y))
ishr = row("ishr", "II:I", lambda m, x, y: m.integer("shr", x, y))
ieq = row("ieq", "II:B", lambda m, x, y: m.compare("eq", x, y), speculate=True)
ine = row("ine", "II:B", lambda m, x, y: m.compare("ne", x, y), speculate=True)
ilt = row("ilt", "II:B", lambda m, x, y: m.compare("lt", x, y), speculate=True)
ile = row("ile", "II:B", lambda m, x, y: m.compare("le", x, y), speculate=True)
igt = row("igt", "II:B", lambda m, x, y: m.compare("gt", x, y), speculate=True)
ige = row("ige", "II:B", lambda m, x, y: m.compare("ge", x, y), speculate=True)
logical_and = row("and", "BB:B", lambda m, x, y: m.logical("and", x, y), speculate=True)
logical_or = row("or", "BB:B", lambda m, x, y: m.logical("or", x, y), speculate=True)
logical_xor = row("xor", "BB:B", lambda m, x, y: m.logical("xor", x, y), speculate=True)

# ---- sizes and indices of arrays
same_size = row("same_size", "II:I", lambda m, x, y: checked_size(m, x, y, ieq(x, y), "broadcast"), may_fail=True)
equal_size = row("equal_size", "II:I", lambda m, x, y, kind="mismatch": checked_size(m, x, y, ieq(x, y), kind), may_fail=True)
broadcast_size = row("broadcast_size", "II:I", lambda m, x, y: select(ieq(x, 1), y, checked_size(
    m, x, y, logical_or(logical_or(ieq(x, y), ieq(x, 1)), ieq(y, 1)), "sizes")), may_fail=True)
check_index = row("check_index", "II:I", lambda m, i, n, axis: checked_index(m, i, n, axis), may_fail=True)

# ---- conversions: `to` is the result's type
convert = row("convert", "T:>", lambda m, x, to: m.convert(x, to), lambda d, z, x, to: (convert_like(d, x),), speculate=True)
to_integer = row("to_integer", "F:I", lambda m, x: checked_truncation(m, x), may_fail=True)
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


def log_add_exp(x: Any, y: Any) -> Any:
    """log(exp(x) + exp(y)) without overflow; equal infinities give that infinity."""
    d = sub(x, y)
    big = select(gt(d, 0.0), x, y)
    z = add(big, log1p(exp(neg(absolute(d)))))
    return select(eq(x, y), add(x, LN2), select(ne(d, d), add(x, y), z))


def share(x: Any, y: Any) -> Any:
    """exp(x) / (exp(x) + exp(y)); one half where both are the same infinity."""
    return select(eq(x, y), 0.5, expit(sub(select(eq(x, y), 0.0, x), select(eq(x, y), 0.0, y))))


def polygamma_series(m: Any, x: Any, n: int) -> Any:
    """The n-th derivative of digamma, n >= 1: 12 recurrence steps, then the asymptotic series.

    Abramowitz and Stegun 6.4.6 (recurrence), 6.4.11 (series), and for n = 1 and x < 0 the reflection 6.4.7.
    For n > 1 a negative x gives NaN.
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
    if n > 1:
        return select(negative, math.nan, z)
    t = div(math.pi, sin(mul(math.pi, x)))
    return select(negative, sub(mul(t, t), z), z)


def checked_integer(m: Any, name: str, x: Any, y: Any) -> Any:
    m.check(ine(y, 0), "division")
    return m.integer(name, x, y)


def checked_size(m: Any, x: Any, y: Any, ok: Any, kind: str) -> Any:
    m.check(ok, kind, x, y)
    return x


def checked_index(m: Any, i: Any, n: Any, axis: int) -> Any:
    """An index that may count from the end, as one that does not."""
    j = select(ilt(i, 0), iadd(i, n), i)
    m.check(logical_and(ige(j, 0), ilt(j, n)), "index", i, n, axis)
    return j


def checked_step(m: Any, x: Any) -> Any:
    m.check(ine(x, 0), "step")
    return x


def checked_power(m: Any, x: Any, n: Any) -> Any:
    m.check(ige(n, 0), "power")
    return m.integer_power(x, n)


def checked_truncation(m: Any, x: Any) -> Any:
    from .types import I64

    m.check(lt(absolute(x), 2.0**63), "conversion")
    return m.convert(x, I64)


def convert_like(d: Any, x: Any) -> Any:
    """`d` in the type of `x`: the transpose of a conversion between floats."""
    import numpy as np

    from .types import FROM_NUMPY, is_float

    t = getattr(x, "type", None) or FROM_NUMPY.get(np.asarray(x).dtype)
    if t is None or not is_float(t):
        return None
    return convert(d, to=t)


# ---- memory and higher order: no scalar body; the interpreter and the emitters own them
def special(name: str, owner: str, may_fail: bool = False) -> Op:
    return register(Op(name, "*:*", lambda m, *xs: None, Elsewhere(owner), may_fail=may_fail))


DIM = special("dim", "a size is an integer")
LOAD = special("load", "jvp.py and the emitters: an adjoint is added to an element", may_fail=True)
CHECK_RANGE = special("check_range", "it has no result", may_fail=True)
STORE = special("store", "jvp.py and the emitters: a reversible store", may_fail=True)
ALLOC = special("alloc", "jvp.py and the emitters", may_fail=True)
COPY = special("copy", "jvp.py and the emitters", may_fail=True)
RESHAPE = special("reshape", "the same memory: jvp.py and the emitters", may_fail=True)
KERNEL = special("kernel", "kernel.py: a kernel around the derivative of its function", may_fail=True)
PULLBACK = special("pullback", "jvp.py: forward over reverse", may_fail=True)
PUSHFORWARD = special("pushforward", "expand.py: replaced by a call of the jvp", may_fail=True)

BINARY_FLOAT_TO_INT = {
    "add": iadd, "sub": isub, "mul": imul, "floordiv": ifloordiv, "mod": imod, "pow": ipow,
    "eq": ieq, "ne": ine, "lt": ilt, "le": ile, "gt": igt, "ge": ige,
}  # fmt: skip
__all__ = [name for name, value in list(globals().items()) if isinstance(value, Op)] + ["BINARY_FLOAT_TO_INT", "TABLE"]

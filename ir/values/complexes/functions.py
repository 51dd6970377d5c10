"""Arithmetic and functions of complex numbers, from operations on their parts.

Products, quotients and powers are NumPy's, whose real operands have a zero imaginary part, so that infinities and signed zeros are its own. Roots
and inverse functions are Kahan's ("Branch Cuts for Complex Elementary Functions", 1987): continuous from the side that the sign of a zero says.
Derivatives follow from those of the parts; where a part is written with a choice, both sides have the derivative of the function.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.sites import user_site
from ...core.types import C128, Scalar
from ...ops import table
from ..scalars import logical_not, promote
from . import pairs
from .pairs import Complex, complex_of, is_complex_number, to_complex

MOST = 100  # the largest power that is a product


def is_any_complex(*xs: Any) -> bool:
    return any(is_complex_number(x) for x in xs)


def both(what: str, x: Any, y: Any) -> tuple[Complex, Complex]:
    """Two operands as complex numbers of their common type."""
    t, _ = promote(what, x, y)
    return to_complex(x, t), to_complex(y, t)


def one(x: Any, t: Scalar | None = None) -> Complex:
    """An operand as a complex number."""
    return to_complex(x, t or promote("a complex function", x, 0j)[0])  # type: ignore[no-any-return]


# ---- arithmetic
def add(x: Complex, y: Complex) -> Complex:
    return complex_of(table.add(x.real, y.real), table.add(x.imag, y.imag))


def sub(x: Complex, y: Complex) -> Complex:
    return complex_of(table.sub(x.real, y.real), table.sub(x.imag, y.imag))


def mul(x: Complex, y: Complex) -> Complex:
    real = table.sub(table.mul(x.real, y.real), table.mul(x.imag, y.imag))
    return complex_of(real, table.add(table.mul(x.real, y.imag), table.mul(x.imag, y.real)))


def div(x: Complex, y: Complex) -> Complex:
    """By the larger part of y (Smith, "Algorithm 116: Complex Division", 1962)."""
    first = table.ge(table.absolute(y.real), table.absolute(y.imag))
    large, small = table.select(first, y.real, y.imag), table.select(first, y.imag, y.real)
    ratio = table.select(table.eq(large, 0.0), 0.0, table.div(small, table.select(table.eq(large, 0.0), 1.0, large)))
    scale = table.div(1.0, table.add(large, table.mul(small, ratio)))
    a, b = table.select(first, x.real, x.imag), table.select(first, x.imag, x.real)
    real = table.mul(table.add(a, table.mul(b, ratio)), scale)
    imag = table.mul(table.sub(b, table.mul(a, ratio)), scale)
    return complex_of(real, table.select(first, imag, table.neg(imag)))


ARITHMETIC: dict[str, Callable[[Complex, Complex], Complex]] = {"add": add, "sub": sub, "mul": mul, "div": div}


def arithmetic(name: str, symbol: str, x: Any, y: Any) -> Any:
    if name not in ARITHMETIC:
        raise TypeError(f"`{symbol}` is not supported for complex numbers ({user_site()})")
    _, weak = promote(f"`{symbol}`", x, y)
    return ARITHMETIC[name](*both(f"`{symbol}`", x, y)).weakly(weak)


def compare(name: str, x: Any, y: Any) -> Any:
    """== and !=; NumPy's numbers have an order too, by their real parts first."""
    t, weak = promote(f"`{name}`", x, y)
    a, b = to_complex(x, t), to_complex(y, t)
    same = table.logical_and(table.eq(a.real, b.real), table.eq(a.imag, b.imag))
    if name in ("eq", "ne"):
        return same if name == "eq" else logical_not(same)
    if weak:
        sign = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}[name]
        raise TypeError(f"'{sign}' not supported between instances of 'complex' and 'complex' ({user_site()})")
    return ordered(name, a, b)


def ordered(name: str, a: Complex, b: Complex) -> Any:
    """Does one of NumPy's two numbers come before the other (lt, le) or behind it (gt, ge)? By their real parts first."""
    strictly = table.lt if name in ("lt", "le") else table.gt
    second = table.logical_and(table.eq(a.real, b.real), getattr(table, name)(a.imag, b.imag))
    numbers = logical_not(table.logical_or(table.isnan(a.imag), table.isnan(b.imag)))
    return table.logical_or(table.logical_and(strictly(a.real, b.real), numbers), second)


def power(x: Any, n: Any) -> Any:
    """x ** n: a product for a small whole number, as NumPy's is; else exp(n log(x))."""
    t, weak = promote("`**`", x, n)
    base, exponent = to_complex(x, t).weakly(False), _whole(n)  # of the common type, whatever it is beside others
    if exponent is not None and -MOST <= exponent <= MOST:
        return _repeated(base, exponent).weakly(weak)
    z = to_complex(n, t).weakly(False)
    zero = table.logical_and(table.eq(base.real, 0.0), table.eq(base.imag, 0.0))
    safe = choose(zero, _constant(1.0, t), base)
    found = exp(mul(z, log(safe)))
    none = table.logical_and(table.eq(z.real, 0.0), table.eq(z.imag, 0.0))
    unknown = table.mul(0.0, table.sqrt(absolute(base)))  # 0, without a derivative
    small = choose(table.gt(z.real, 2.0), _constant(0.0, t), Complex(unknown, unknown))
    at_zero = choose(none, _constant(1.0, t), choose(table.gt(z.real, 0.0), small, _constant(complex(math.nan, math.nan), t)))
    return choose(zero, at_zero, found).weakly(weak)


def _whole(n: Any) -> int | None:
    """The whole number that an exponent is, if it is a constant one."""
    if isinstance(n, (complex, np.complexfloating)) and n.imag == 0:
        n = float(n.real)
    if isinstance(n, (float, np.floating)):
        return int_or_none(float(n))
    return int(n) if isinstance(n, (int, np.integer)) else None


def int_or_none(x: float) -> int | None:
    return int(x) if x == x and abs(x) < 2**31 and int(x) == x else None


def _repeated(x: Complex, n: int) -> Complex:
    if n < 0:
        return div(_constant(1.0, x.type), _repeated(x, -n))
    found, square = None, x
    while n:
        if n & 1:
            found = square if found is None else mul(found, square)
        n >>= 1
        square = mul(square, square) if n else square
    return _constant(1.0, x.type) if found is None else found


def _constant(value: Any, t: Scalar) -> Complex:
    return to_complex(complex(value), t)  # type: ignore[no-any-return]


def choose(cond: Any, x: Complex, y: Complex, **attrs: Any) -> Complex:
    return Complex(*(table.select(cond, a, b, **attrs) for a, b in ((x.real, y.real), (x.imag, y.imag))))


@pairs.absolute.define
def absolute(z: Complex) -> Any:
    return table.hypot(z.real, z.imag)


def angle(z: Complex) -> Any:
    return table.atan2(z.imag, z.real)


def square(z: Complex) -> Complex:
    real = table.sub(table.mul(z.real, z.real), table.mul(z.imag, z.imag))
    return complex_of(real, table.add(table.mul(z.real, z.imag), table.mul(z.imag, z.real)))


def conjugate(z: Complex) -> Complex:
    return Complex(z.real, table.neg(z.imag))


def negative(z: Complex) -> Complex:
    return Complex(table.neg(z.real), table.neg(z.imag))


def times_i(z: Complex) -> Complex:
    return Complex(table.neg(z.imag), z.real)


def over_i(z: Complex) -> Complex:
    return Complex(z.imag, table.neg(z.real))


# ---- exponentials and what is made of them
def exp(z: Complex) -> Complex:
    e = table.exp(z.real)
    return complex_of(table.mul(e, table.cos(z.imag)), _times_sin(e, z.imag))


def _times_sin(x: Any, y: Any) -> Any:
    """x sin(y), also for an infinite x where y is 0."""
    return table.mul(table.select(table.logical_and(table.eq(y, 0.0), table.isinf(x)), 1.0, x), table.sin(y))


def expm1(z: Complex) -> Complex:
    half = table.sin(table.mul(z.imag, 0.5))
    real = table.sub(table.mul(table.expm1(z.real), table.cos(z.imag)), table.mul(2.0, table.mul(half, half)))
    return complex_of(real, table.mul(table.exp(z.real), table.sin(z.imag)))


def log(z: Complex) -> Complex:
    """log|z| near the unit circle from |z|^2 - 1, which is found without its loss."""
    return complex_of(log_absolute(z.real, z.imag), angle(z))


def log_absolute(x: Any, y: Any) -> Any:
    a, b = table.absolute(x), table.absolute(y)
    first = table.ge(a, b)
    large, small = table.select(first, a, b), table.select(first, b, a)
    near = table.logical_and(table.gt(large, 0.5), table.lt(large, 2.0))
    safe = table.select(near, large, 1.0)
    close = table.mul(
        0.5, table.log1p(table.add(table.mul(table.sub(safe, 1.0), table.add(safe, 1.0)), table.mul(small, table.select(near, small, 0.0))))
    )
    return table.select(near, close, table.log(table.hypot(x, y)))


def log1p(z: Complex) -> Complex:
    x, y = z.real, z.imag
    inside = table.add(table.mul(x, table.add(2.0, x)), table.mul(y, y))
    small = table.lt(table.absolute(inside), 0.5)
    more = table.add(1.0, x)
    real = table.select(small, table.mul(0.5, table.log1p(table.select(small, inside, 0.0))), log_absolute(more, y))
    return complex_of(real, table.atan2(y, more))


def sqrt(z: Complex) -> Complex:
    x, y = z.real, z.imag
    zero = table.logical_and(table.eq(x, 0.0), table.eq(y, 0.0))
    far = table.isinf(y)
    a = table.absolute(x)
    # by halves, so that a sum of large parts does not overflow
    t = table.sqrt(table.add(table.mul(a, 0.5), table.mul(table.hypot(x, y), 0.5)))
    half = table.div(y, table.mul(2.0, table.select(zero, 1.0, t)))
    sign, right = table.copysign(1.0, y), table.ge(x, 0.0)
    real = table.select(far, table.absolute(y), table.select(right, t, table.mul(sign, half)))
    imag = table.select(far, y, table.select(right, half, table.mul(sign, t)))
    none = table.sub(y, table.mul(0.0, t))  # y, at 0, where there is no derivative
    return complex_of(real, table.select(zero, none, imag))


def sinh(z: Complex) -> Complex:
    return complex_of(table.mul(table.sinh(z.real), table.cos(z.imag)), _times_sin(table.cosh(z.real), z.imag))


def cosh(z: Complex) -> Complex:
    return complex_of(table.mul(table.cosh(z.real), table.cos(z.imag)), table.mul(table.sinh(z.real), table.sin(z.imag)))


def tanh(z: Complex) -> Complex:
    """By sinh of the real and tan of the imaginary part; far from the imaginary axis it is nearly 1 or -1."""
    x, y = z.real, z.imag
    far = table.gt(table.absolute(x), 22.0)
    near = table.select(far, 0.0, x)
    s, t = table.sinh(near), table.tan(y)
    beta, rho = table.add(1.0, table.mul(t, t)), table.sqrt(table.add(1.0, table.mul(s, s)))
    under = table.add(1.0, table.mul(beta, table.mul(s, s)))
    real = table.div(table.mul(beta, table.mul(rho, s)), under)
    there = table.exp(table.mul(-2.0, table.select(far, table.absolute(x), 22.0)))
    sine, cosine = table.sin(y), table.cos(y)
    less = table.sub(1.0, table.mul(table.mul(2.0, there), table.sub(table.mul(cosine, cosine), table.mul(sine, sine))))
    small = table.mul(4.0, table.mul(table.mul(sine, cosine), there))
    real = table.select(far, table.mul(table.copysign(1.0, x), less), real)
    return complex_of(real, table.select(far, small, table.div(t, under)))


def sin(z: Complex) -> Complex:
    return over_i(sinh(times_i(z)))


def cos(z: Complex) -> Complex:
    return cosh(times_i(z))


def tan(z: Complex) -> Complex:
    return over_i(tanh(times_i(z)))


def _roots(z: Complex) -> tuple[Complex, Complex]:
    """The square roots of 1 - z and of 1 + z."""
    return (
        sqrt(Complex(table.sub(1.0, z.real), table.neg(z.imag))),
        sqrt(Complex(table.add(1.0, z.real), z.imag)),
    )


def asin(z: Complex) -> Complex:
    a, b = _roots(z)
    return complex_of(table.atan2(z.real, mul(a, b).real), table.asinh(mul(conjugate(a), b).imag))


def acos(z: Complex) -> Complex:
    a, b = _roots(z)
    return complex_of(table.mul(2.0, table.atan2(a.real, b.real)), table.asinh(mul(conjugate(b), a).imag))


def acosh(z: Complex) -> Complex:
    a = sqrt(Complex(table.sub(z.real, 1.0), z.imag))
    b = sqrt(Complex(table.add(z.real, 1.0), z.imag))
    return complex_of(table.asinh(mul(conjugate(a), b).real), table.mul(2.0, table.atan2(a.imag, b.real)))


def asinh(z: Complex) -> Complex:
    return over_i(asin(times_i(z)))


def atanh(z: Complex) -> Complex:
    x, y = z.real, z.imag
    less = table.sub(1.0, x)
    away = table.add(table.mul(less, less), table.mul(y, y))
    real = table.mul(0.25, table.log1p(table.div(table.mul(4.0, x), away)))
    under = table.sub(table.mul(less, table.add(1.0, x)), table.mul(y, y))
    return complex_of(real, table.mul(0.5, table.atan2(table.mul(2.0, y), under)))


def atan(z: Complex) -> Complex:
    return over_i(atanh(times_i(z)))


def sign(z: Complex) -> Complex:
    """z / |z|, 0 at 0."""
    zero = table.logical_and(table.eq(z.real, 0.0), table.eq(z.imag, 0.0))
    size = table.select(zero, 1.0, absolute(choose(zero, _constant(1.0, z.type), z)))
    return choose(zero, _constant(0.0, z.type), Complex(table.div(z.real, size), table.div(z.imag, size)))


def _scaled(fn: Callable[[Complex], Complex], factor: float) -> Callable[[Complex], Complex]:
    def scaled(z: Complex) -> Complex:
        w = fn(z)
        return complex_of(table.mul(w.real, factor), table.mul(w.imag, factor))

    return scaled


def _each(op: Any, join: Any) -> Callable[[Complex], Any]:
    return lambda z: join(op(z.real), op(z.imag))


isnan = _each(table.isnan, table.logical_or)

FUNCTIONS: dict[str, Callable[[Complex], Any]] = {
    "exp": exp, "expm1": expm1, "log": log, "log1p": log1p, "sqrt": sqrt, "sin": sin, "cos": cos, "tan": tan, "sinh": sinh, "cosh": cosh,
    "tanh": tanh, "arcsin": asin, "arccos": acos, "arctan": atan, "arcsinh": asinh, "arccosh": acosh, "arctanh": atanh, "square": square,
    "absolute": absolute, "conjugate": conjugate, "negative": negative, "positive": lambda z: z, "sign": sign,
    "reciprocal": lambda z: div(_constant(1.0, z.type), z), "exp2": lambda z: exp(_scaled(lambda w: w, math.log(2.0))(z)),
    "log2": _scaled(log, 1.0 / math.log(2.0)), "log10": _scaled(log, 1.0 / math.log(10.0)),
    "isnan": isnan, "isinf": _each(table.isinf, table.logical_or),
    "isfinite": _each(table.isfinite, table.logical_and), "rint": lambda z: Complex(table.rint(z.real), table.rint(z.imag)),
}  # fmt: skip


def function(name: str) -> Callable[..., Any] | None:
    """NumPy's ufunc of that name of one complex number; float_power of two."""
    if name == "float_power":
        return lambda x, n: power(one(x, C128), one(n, C128))
    fn = FUNCTIONS.get(name)
    return None if fn is None else lambda x: fn(one(x))


# ---- the operators of complex scalars
def _refused(what: str) -> Callable[..., Any]:
    def fn(*args: Any) -> Any:
        raise TypeError(f"{what} is not supported for complex numbers ({user_site()})")

    return fn


for _name, _what in (("invert", "~"), ("round", "round()"), ("trunc", "trunc()"), ("floor", "floor()"), ("ceil", "ceil()"), ("divmod", "divmod()"),
                     ("rdivmod", "divmod()")):  # fmt: skip
    setattr(Complex, f"__{_name}__", _refused(_what))

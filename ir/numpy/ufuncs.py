"""NumPy's and SciPy's functions of numbers on traced values: which operation each is.

What is registered here takes an element of each operand (dispatch.py walks over arrays), but for the functions behind
Python's operators, which know arrays themselves.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.graph import Const
from ..core.op import TABLE, Op, literal
from ..core.sites import user_site
from ..core.types import BOOL, F64, I64, Scalar, is_float
from ..ops import table
from ..values import operators, scalars, values
from ..values.kernels import elementwise
from ..values.operators import arithmetic, bitwise, compare, has_array, operands, power
from ..values.scalars import logical_not, promote, truth
from ..values.values import Traced, is_traced, to_type
from .registry import implements


def _floating(op: Op) -> Callable[..., Any]:
    """A function whose integer arguments become floats."""

    def fn(*args: Any) -> Any:
        t, weak = promote(op.name, *args)
        if not is_float(t):
            t = F64
        z = op(*(to_type(a, t) for a in args))
        return Traced(z.atom, z.builder, weak and z.type == t)

    return fn


def _rounding(op: Op) -> Callable[[Any], Any]:
    """floor, ceil, trunc: ints stay as they are."""

    def fn(x: Any) -> Any:
        return op(x) if is_float(x.type) else x

    return fn


def _either(name: str) -> Callable[[Any, Any], Any]:
    """maximum, minimum: a choice; of equals the first."""

    def fn(x: Any, y: Any) -> Any:
        if operators._bools(x, y):
            return TABLE["or" if name == "maximum" else "and"](x, y)
        t, weak = promote(name, x, y)
        x, y = to_type(x, t), to_type(y, t)
        if is_float(t):  # a NaN stays
            first = table.logical_or((table.ge if name == "maximum" else table.le)(x, y), table.isnan(x))
        else:
            first = compare("ge" if name == "maximum" else "le", x, y)
        z = choose(first, x, y)
        return Traced(z.atom, z.builder, weak)

    return fn


def _ignore_nan(name: str) -> Callable[[Any, Any], Any]:
    """fmax, fmin: a NaN loses."""
    pick = _either(name)

    def fn(x: Any, y: Any) -> Any:
        t, _ = promote(name, x, y)
        if not is_float(t):
            return pick(x, y)
        x, y = to_type(x, t), to_type(y, t)
        return choose(table.isnan(x), y, choose(table.isnan(y), x, pick(x, y)))

    return fn


def reciprocal(x: Any) -> Any:
    """1 / x, of ints towards zero."""
    if is_float(x.type):
        return arithmetic("div", 1.0, x)
    one = to_constant(1, x.type if x.type != BOOL else I64)
    x = to_type(x, I64)
    return table.ifloordiv(table.isub(one, table.ifmod(one, x)), x)


def sign(x: Any) -> Any:
    operators.refuse_bools(x, "sign")
    if is_float(x.type):
        return table.sign(x)
    return choose(compare("gt", x, 0), 1, choose(compare("lt", x, 0), -1, 0))


def choose(cond: Any, x: Any, y: Any) -> Any:
    """np.where(cond, x, y) of numbers, and of elements."""
    if has_array(cond, x, y):
        return operators.each(choose, cond, x, y, name="where")
    cond = truth(cond)
    t, weak = common(x, y)
    if not isinstance(cond, Traced):
        return x if cond else y
    z = table.select(cond, to_constant(x, t), to_constant(y, t), where=True)
    return Traced(z.atom, z.builder, weak)


def pick(cond: Any, x: Any, y: Any) -> Any:
    """The same of elements, where both have a part in derivatives."""
    t, _ = common(x, y)
    return table.select(cond, to_constant(x, t), to_constant(y, t))


def common(*xs: Any) -> tuple[Scalar, bool]:
    """NumPy's common type of scalars that are chosen from: of bools alone it is bool."""
    kinds = {k[0] for k in map(values.scalar_type, xs) if k is not None}
    return (BOOL, True) if kinds == {BOOL} else promote("where", *xs)


def to_constant(x: Any, t: Scalar) -> Any:
    """`x` in type `t`, as a traced value even when it is a plain number."""
    if isinstance(x, Traced):
        return to_type(x, t)
    c = values.constant(x)
    return Traced(Const(literal(x, t), t), None, c.weak)


@implements(np.clip)
def clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """np.clip; a NaN stays."""
    low, high = a_min if min is None else min, a_max if max is None else max
    if has_array(a, low, high):
        given = [v for v in (low, high) if v is not None]
        return operators.each(lambda v, *ends: clip(v, *_ends(ends, low, high)), a, *given, name="clip")
    if not is_traced(a):
        a = values.constant(a)
    if low is not None:
        a = _either("maximum")(a, low)
    return a if high is None else _either("minimum")(a, high)


def _ends(ends: Any, low: Any, high: Any) -> tuple[Any, Any]:
    rest = iter(ends)
    return (None if low is None else next(rest)), (None if high is None else next(rest))


def _isfinite(op: Op) -> Callable[[Any], Any]:
    def fn(x: Any) -> Any:
        return op(x) if is_float(x.type) else op(to_type(x, F64))

    return fn


def _logical(name: str) -> Callable[[Any, Any], Any]:
    def fn(x: Any, y: Any) -> Any:
        x, y = truth(x), truth(y)
        return TABLE[name](x, y)

    return fn


def ldexp(x: Any, n: Any) -> Any:
    if is_float(scalars.operand("ldexp", n)[0]):
        raise TypeError(f"ufunc 'ldexp' needs an int as its second argument ({user_site()})")
    t = x.type if isinstance(x, Traced) and is_float(x.type) else F64
    return arithmetic("mul", x, table.exp2(to_type(n, t)) if isinstance(n, Traced) else 2.0**n)


def heaviside(x: Any, h: Any) -> Any:
    t, weak = promote("heaviside", x, h)
    t = t if is_float(t) else F64
    x = to_constant(x, t)
    z = table.select(table.eq(x, 0.0), to_constant(h, t), table.select(table.gt(x, 0.0), to_constant(1.0, t), to_constant(0.0, t)))
    z = table.select(table.isnan(x), x, z)
    return Traced(z.atom, z.builder, weak)


@implements(np.sinc)
def sinc(x: Any) -> Any:
    """np.sinc: sin(pi x) / (pi x); near 0 its Taylor series, so that derivatives of every order are right there."""
    if has_array(x):
        return operators.each(sinc, x, name="sinc")
    x = to_type(x, F64) if not is_float(x.type) else x
    t = x * np.pi
    near = compare("lt", abs(t), 0.3)
    u = t * t
    series: Any = 0.0
    for k in range(8, 0, -1):
        series = u * (-1.0 / (2 * k * (2 * k + 1))) * (1.0 + series)
    safe = choose(near, 1.0, t)
    return choose(near, 1.0 + series, table.sin(safe) / safe)


def _in_degrees(x: Any) -> Any:
    return x * (180 / np.pi)


def _in_radians(x: Any) -> Any:
    return x * (np.pi / 180)


def _of_operator(fn: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function behind an operator of arrays that is none of values.py."""
    return lambda *xs: elementwise(fn, *xs, name=name) if operands(xs[0], xs[-1], name) else NotImplemented


_F = _floating
_OPERATORS: dict[np.ufunc, tuple[str, Callable[..., Any]]] = {
    np.add: ("add", lambda x, y: arithmetic("add", x, y)), np.subtract: ("sub", lambda x, y: arithmetic("sub", x, y)),
    np.multiply: ("mul", lambda x, y: arithmetic("mul", x, y)), np.divide: ("truediv", lambda x, y: arithmetic("div", x, y)),
    np.floor_divide: ("floordiv", lambda x, y: arithmetic("floordiv", x, y)), np.remainder: ("mod", lambda x, y: arithmetic("mod", x, y)),
    np.power: ("pow", power), np.divmod: ("divmod", _of_operator(divmod, "divmod")),
    np.bitwise_and: ("and", lambda x, y: bitwise("and", x, y)), np.bitwise_or: ("or", lambda x, y: bitwise("or", x, y)),
    np.bitwise_xor: ("xor", lambda x, y: bitwise("xor", x, y)), np.left_shift: ("lshift", _of_operator(operator.lshift, "lshift")),
    np.right_shift: ("rshift", _of_operator(operator.rshift, "rshift")), np.less: ("lt", lambda x, y: compare("lt", x, y)),
    np.less_equal: ("le", lambda x, y: compare("le", x, y)), np.greater: ("gt", lambda x, y: compare("gt", x, y)),
    np.greater_equal: ("ge", lambda x, y: compare("ge", x, y)), np.equal: ("eq", lambda x, y: compare("eq", x, y)),
    np.not_equal: ("ne", lambda x, y: compare("ne", x, y)), np.negative: ("neg", _of_operator(operator.neg, "negative")),
    np.positive: ("pos", _of_operator(operator.pos, "positive")), np.absolute: ("abs", _of_operator(abs, "absolute")),
    np.invert: ("invert", _of_operator(operator.invert, "invert")),
}  # fmt: skip
_OF_ELEMENTS: dict[Any, Callable[..., Any]] = {
    np.fmod: lambda x, y: arithmetic("fmod", x, y), np.float_power: lambda x, y: table.power(to_constant(x, F64), to_constant(y, F64)),
    np.fabs: lambda x: abs(to_type(x, F64) if not is_float(x.type) else x), np.sign: sign,
    np.square: lambda x: x * x if x.type != BOOL else to_type(x, I64), np.reciprocal: reciprocal,
    np.logical_and: _logical("and"), np.logical_or: _logical("or"), np.logical_xor: _logical("xor"), np.logical_not: lambda x: logical_not(truth(x)),
    np.maximum: _either("maximum"), np.minimum: _either("minimum"), np.fmax: _ignore_nan("maximum"), np.fmin: _ignore_nan("minimum"),
    np.sqrt: _F(table.sqrt), np.cbrt: _F(table.cbrt), np.hypot: _F(table.hypot), np.exp: _F(table.exp), np.exp2: _F(table.exp2),
    np.expm1: _F(table.expm1), np.log: _F(table.log), np.log2: _F(table.log2), np.log10: _F(table.log10), np.log1p: _F(table.log1p),
    np.logaddexp: _F(table.logaddexp), np.sin: _F(table.sin), np.cos: _F(table.cos), np.tan: _F(table.tan), np.arcsin: _F(table.asin),
    np.arccos: _F(table.acos), np.arctan: _F(table.atan), np.arctan2: _F(table.atan2), np.sinh: _F(table.sinh), np.cosh: _F(table.cosh),
    np.tanh: _F(table.tanh), np.arcsinh: _F(table.asinh), np.arccosh: _F(table.acosh), np.arctanh: _F(table.atanh),
    np.floor: _rounding(table.floor), np.ceil: _rounding(table.ceil), np.trunc: _rounding(table.trunc), np.rint: _F(table.rint),
    np.copysign: _F(table.copysign), np.signbit: _isfinite(table.signbit), np.isnan: _isfinite(table.isnan), np.isinf: _isfinite(table.isinf),
    np.isfinite: _isfinite(table.isfinite), np.deg2rad: _in_radians, np.radians: _in_radians, np.rad2deg: _in_degrees, np.degrees: _in_degrees,
    np.ldexp: ldexp, np.heaviside: heaviside, "scipy.special.erf": _F(table.erf), "scipy.special.erfc": _F(table.erfc),
    "scipy.special.expit": _F(table.expit), "scipy.special.gammaln": _F(table.gammaln), "scipy.special.psi": _F(table.digamma),
    "scipy.special.gamma": _F(table.gamma),
}  # fmt: skip
for _ufunc, (_symbol, _fn) in _OPERATORS.items():
    implements(_ufunc, operator=_symbol, whole=True)(_fn)
for _ufunc, _fn in _OF_ELEMENTS.items():
    implements(_ufunc)(_fn)

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
from ..core.types import BOOL, F64, I64, Scalar, is_complex, is_float, is_inexact
from ..ops import table
from ..values import operators, scalars, values
from ..values.complexes import functions as complex_functions
from ..values.kernels import elementwise
from ..values.operators import arithmetic, compare, has_array, operands
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
    return lambda x: op(x) if is_float(x.type) else x


def _either(name: str) -> Callable[[Any, Any], Any]:
    """maximum, minimum: a choice; of equals the first."""

    def fn(x: Any, y: Any) -> Any:
        if operators._bools(x, y):
            return TABLE["or" if name == "maximum" else "and"](x, y)
        t, weak = promote(name, x, y)
        x, y = to_type(x, t), to_type(y, t)
        if is_complex(t):  # by their real parts first
            first = table.logical_or(complex_functions.ordered("ge" if name == "maximum" else "le", x, y), complex_functions.isnan(x))
            return complex_functions.choose(first, x, y).weakly(weak)
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
        if not is_inexact(t):
            return pick(x, y)
        x, y = to_type(x, t), to_type(y, t)
        isnan = complex_functions.isnan if is_complex(t) else table.isnan
        return choose(isnan(y), x, choose(isnan(x), y, pick(x, y)))

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
        return elementwise(choose, cond, x, y, name="where")
    cond = truth(cond)
    t, weak = common(x, y)
    if not isinstance(cond, Traced):
        return x if cond else y
    if is_complex(t):
        return complex_functions.choose(cond, to_constant(x, t), to_constant(y, t), where=True).weakly(weak)
    z = table.select(cond, to_constant(x, t), to_constant(y, t), where=True)
    return Traced(z.atom, z.builder, weak)


def pick(cond: Any, x: Any, y: Any) -> Any:
    """The same of elements, where both have a part in derivatives."""
    t, _ = common(x, y)
    if is_complex(t):
        return complex_functions.choose(cond, to_constant(x, t), to_constant(y, t))
    return table.select(cond, to_constant(x, t), to_constant(y, t))


def common(*xs: Any) -> tuple[Scalar, bool]:
    """NumPy's common type of scalars that are chosen from: of bools alone it is bool."""
    kinds = {k[0] for k in map(values.scalar_type, xs) if k is not None}
    return (BOOL, True) if kinds == {BOOL} else promote("where", *xs)


def to_constant(x: Any, t: Scalar) -> Any:
    """`x` in type `t`, as a traced value even when it is a plain number."""
    if isinstance(x, Traced) or is_complex(t):
        return to_type(x, t)
    c = values.constant(x)
    return Traced(Const(literal(x, t), t), None, c.weak)


@implements(np.clip)
def clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """np.clip; a NaN stays."""
    low, high = a_min if min is None else min, a_max if max is None else max
    ends = {name: x for name, x in (("min", low), ("max", high)) if x is not None}
    if has_array(a, *ends.values()):
        return elementwise(lambda x, *given: clip(x, **dict(zip(ends, given, strict=True))), a, *ends.values(), name="clip")
    a = a if is_traced(a) else values.constant(a)
    if low is not None:
        a = _either("maximum")(a, low)
    return a if high is None else _either("minimum")(a, high)


def _of_floats(op: Op) -> Callable[[Any], Any]:
    return lambda x: op(x if is_float(x.type) else to_type(x, F64))


def _logical(name: str) -> Callable[[Any, Any], Any]:
    return lambda x, y: TABLE[name](truth(x), truth(y))


def ldexp(x: Any, n: Any) -> Any:
    if is_float(scalars.operand("ldexp", n)[0]):
        raise TypeError(f"ufunc 'ldexp' needs an int as its second argument ({user_site()})")
    t = x.type if isinstance(x, Traced) and is_float(x.type) else F64
    n = to_constant(n, I64)
    n = choose(compare("lt", n, -3000), -3000, choose(compare("gt", n, 3000), 3000, n))
    third = n // 3
    z = to_constant(x, F64)
    for k in (third, third, n - 2 * third):  # a factor alone may be no float64 where the result is one
        z = table.mul(z, table.exp2(to_type(k, F64)))
    z = to_type(z, t)
    return Traced(z.atom, z.builder, isinstance(x, Traced) and x.weak)


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
        return elementwise(sinc, x, name="sinc")
    x = to_type(x, F64) if not is_float(x.type) else x
    t = x * np.pi
    near = compare("lt", abs(t), 0.3)
    u = t * t
    series: Any = 0.0
    for k in range(8, 0, -1):
        series = u * (-1.0 / (2 * k * (2 * k + 1))) * (1.0 + series)
    safe = choose(near, 1.0, t)
    return choose(near, 1.0 + series, table.sin(safe) / safe)


def _of_operator(fn: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function behind an operator of arrays that is none of values.py."""
    return lambda *xs: elementwise(fn, *xs, name=name) if operands(xs[0], xs[-1], name) else NotImplemented


_OPERATORS: dict[np.ufunc, str] = {
    np.add: "add", np.subtract: "sub", np.multiply: "mul", np.divide: "truediv", np.floor_divide: "floordiv", np.remainder: "mod", np.power: "pow",
    np.bitwise_and: "and", np.bitwise_or: "or", np.bitwise_xor: "xor", np.less: "lt", np.less_equal: "le", np.greater: "gt", np.greater_equal: "ge",
    np.equal: "eq", np.not_equal: "ne", np.left_shift: "lshift", np.right_shift: "rshift",
}  # fmt: skip
_OF_PYTHON: dict[np.ufunc, tuple[str, Callable[..., Any]]] = {
    np.divmod: ("divmod", divmod), np.negative: ("neg", operator.neg), np.positive: ("pos", operator.pos), np.absolute: ("abs", abs),
    np.invert: ("invert", operator.invert),
}  # fmt: skip
_SAME = ("sqrt", "cbrt", "hypot", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "logaddexp", "sin", "cos", "tan", "sinh", "cosh", "tanh",
         "rint", "copysign")  # fmt: skip
_RENAMED = {
    np.arcsin: table.asin, np.arccos: table.acos, np.arctan: table.atan, np.arctan2: table.atan2, np.arcsinh: table.asinh, np.arccosh: table.acosh,
    np.arctanh: table.atanh, "scipy.special.psi": table.digamma,
}  # fmt: skip
_OF_ELEMENTS: dict[Any, Callable[..., Any]] = {
    **{getattr(np, name): _floating(TABLE[name]) for name in _SAME}, **{name: _floating(op) for name, op in _RENAMED.items()},
    **{f"scipy.special.{name}": _floating(TABLE[name]) for name in ("erf", "erfc", "expit", "gammaln", "gamma")},
    **{getattr(np, name): _rounding(TABLE[name]) for name in ("floor", "ceil", "trunc")},
    **{getattr(np, name): _of_floats(TABLE[name]) for name in ("signbit", "isnan", "isinf", "isfinite")},
    **{getattr(np, f"logical_{name}"): _logical(name) for name in ("and", "or", "xor")}, np.logical_not: lambda x: logical_not(truth(x)),
    np.maximum: _either("maximum"), np.minimum: _either("minimum"), np.fmax: _ignore_nan("maximum"), np.fmin: _ignore_nan("minimum"),
    np.deg2rad: lambda x: x * (np.pi / 180), np.radians: lambda x: x * (np.pi / 180), np.rad2deg: lambda x: x * (180 / np.pi),
    np.degrees: lambda x: x * (180 / np.pi), np.fabs: lambda x: abs(x if is_float(x.type) else to_type(x, F64)), np.sign: sign,
    np.square: lambda x: x * x if x.type != BOOL else to_type(x, I64), np.reciprocal: reciprocal, np.ldexp: ldexp, np.heaviside: heaviside,
    np.fmod: lambda x, y: arithmetic("fmod", x, y), np.float_power: lambda x, y: table.power(to_constant(x, F64), to_constant(y, F64)),
}  # fmt: skip
for _ufunc, _symbol in _OPERATORS.items():
    implements(_ufunc, operator=_symbol, whole=True)(operators.BINARY[_symbol])
for _ufunc, (_symbol, _fn) in _OF_PYTHON.items():
    implements(_ufunc, operator=_symbol, whole=True)(_of_operator(_fn, _ufunc.__name__))
for _ufunc, _fn in _OF_ELEMENTS.items():
    implements(_ufunc)(_fn)

"""Arithmetic on traced values, as Python and NumPy do it; the operators of traced scalars."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from ..core import errors
from ..core.builder import atom_of, current_builder, raises_unless
from ..core.graph import Const
from ..core.op import TABLE, literal
from ..core.sites import unsupported, user_site
from ..core.types import BOOL, F64, I64, Scalar, is_complex, is_float
from ..ops import table
from . import concrete
from .complexes import functions as complex_functions
from .complexes.functions import int_or_none
from .kernels import COMPARISONS, elementwise
from .scalars import logical_not, operand, promote, to_integer
from .values import Arrayed, Traced, constant, is_sequence, is_traced, scalar_type, to_type


def arithmetic(name: str, x: Any, y: Any) -> Any:
    """x (op) y for add, sub, mul, div, floordiv, mod."""
    symbol = {"add": "+", "sub": "-", "mul": "*", "div": "/", "floordiv": "//", "mod": "%", "fmod": "fmod"}[name]
    if not operands(x, y, symbol):
        return NotImplemented
    if has_array(x, y):
        return elementwise(lambda a, b: arithmetic(name, a, b), x, y, name=name)
    if complex_functions.is_any_complex(x, y):
        return complex_functions.arithmetic(name, symbol, x, y)
    if _bools(x, y) and not (_is_weak(x) and _is_weak(y)):
        return _of_bools(name, x, y)
    t, weak = promote(f"`{symbol}`", x, y)
    if t == I64 and name == "div":
        t = F64
    op = table.BINARY_FLOAT_TO_INT[name] if t == I64 else TABLE[name]
    x, y = _typed(t, x, y)
    if weak and t != I64 and name in _DIVIDE and current_builder().trace.trying:
        raises_unless(ZeroDivisionError(_DIVIDE[name]), lambda: table.ne(y, 0.0))
    return _weakly(op(x, y), weak)


_DIVIDE = {"div": "float division by zero", "floordiv": "float floor division by zero", "mod": "float modulo"}


def has_array(*xs: Any) -> bool:
    """Is one of the operands an array? (A 0-d array of NumPy is a scalar.)"""
    return any(isinstance(x, Arrayed) or (isinstance(x, np.ndarray) and x.ndim > 0) or is_sequence(x) for x in xs)


def _bools(x: Any, y: Any) -> bool:
    return all(isinstance(v, (bool, np.bool_)) or (isinstance(v, Traced) and v.type == BOOL) for v in (x, y))


def _is_weak(x: Any) -> bool:
    """Is this a Python number, and no NumPy scalar?"""
    found = scalar_type(x)
    return found is not None and found[1]


def refuse_bools(x: Any, what: str) -> None:
    """NumPy has no such operation on its bools; Python's are ints."""
    if x.type == BOOL and not x.weak:
        raise TypeError(f"numpy boolean {what} is not supported at {user_site()}: use ~ or logical_not, or convert with astype(int)")


def _of_bools(name: str, x: Any, y: Any) -> Any:
    """NumPy's arithmetic of its bools."""
    if name == "sub":
        raise TypeError(f"numpy boolean subtract, the `-` operator, is not supported at {user_site()}: use ^ or logical_xor")
    if name in ("add", "mul"):
        return TABLE["or" if name == "add" else "and"](x, y)
    x = to_type(x if isinstance(x, Traced) else constant(x), I64)
    return arithmetic(name, Traced(x.atom, x.builder), y)


def operands(x: Any, y: Any, symbol: str) -> bool:
    """Are both operands something this library can have an opinion on?"""
    known: tuple[Any, ...] = (np.ndarray, np.generic, bool, int, float, complex)
    items = isinstance(x, Arrayed) or isinstance(y, Arrayed)  # beside which NumPy takes sequences for arrays
    return all(is_traced(v) or isinstance(v, known) or (items and is_sequence(v)) for v in (x, y))


def _typed(t: Scalar, *values: Any) -> list[Any]:
    """Operands of one type, at least one of them traced."""
    return [to_type(v, t) for v in values]


def _weakly(z: Traced, weak: bool) -> Traced:
    return Traced(z.atom, z.builder, weak)


def compare(name: str, x: Any, y: Any) -> Any:
    if not operands(x, y, name):
        return NotImplemented
    if has_array(x, y):
        return elementwise(lambda a, b: compare(name, a, b), x, y, name=name)
    if complex_functions.is_any_complex(x, y):
        return complex_functions.compare(name, x, y)
    t, _ = promote(f"`{name}`", x, y)
    op = table.BINARY_FLOAT_TO_INT[name] if t == I64 else TABLE[name]
    return op(*_typed(t, x, y))


def bitwise(name: str, x: Any, y: Any) -> Any:
    if has_array(x, y):
        return elementwise(lambda a, b: bitwise(name, a, b), x, y, name=name)
    kinds = [operand(f"`{name}`", v)[0] for v in (x, y)]
    if kinds == [BOOL, BOOL]:
        return TABLE[name](x, y)
    return TABLE[f"i{name}"](*integers(name, x, y))


def integers(what: str, x: Any, y: Any) -> list[Any]:
    if promote(f"`{what}`", x, y)[0] != I64:
        raise TypeError(f"`{what}` at {user_site()} needs ints, not floats")
    return _typed(I64, x, y)


def shift(name: str, x: Any, y: Any) -> Any:
    """x << y, x >> y: of Python's ints by a negative number it raises."""
    symbol = {"ishl": "<<", "ishr": ">>"}[name]
    if not operands(x, y, symbol):
        return NotImplemented
    if has_array(x, y):
        return elementwise(lambda a, b: shift(name, a, b), x, y, name=name)
    a, by = integers(symbol, x, y)
    weak = _is_weak(x) and _is_weak(y)
    if weak and not (isinstance(y, int) and y >= 0):
        error = ValueError("negative shift count")
        builder = current_builder()
        builder.emit("holds", (atom_of(table.ige(by, 0), BOOL, builder),), (BOOL,), {}, user_site(str(error), error))
    return _weakly(TABLE[name](a, by), weak)


def power(x: Any, n: Any) -> Any:
    """x ** n: a small constant integer power is repeated multiplication, as NumPy's square is."""
    if not operands(x, n, "**"):
        return NotImplemented
    if has_array(x, n):
        return elementwise(power, x, n, name="power")
    if complex_functions.is_any_complex(x, n):
        return complex_functions.power(x, n)
    t, weak = promote("`**`", x, n)
    if (isinstance(n, (int, np.integer)) and not isinstance(n, bool)) or (isinstance(n, float) and n == int_or_none(n)):
        k = int(n)
        base_type, _ = operand("`**`", x)
        if k < 0 and isinstance(n, (int, np.integer)) and not is_float(base_type) and _in_kernel():
            raise errors.NegativePowerError(f"Integers to negative integer powers are not allowed: write x ** {float(k)} ({user_site()})")
        if is_float(base_type) and abs(k) <= 16:
            base = to_type(x, t)
            if weak and k < 0 and current_builder().trace.trying:
                raises_unless(ZeroDivisionError(_ZERO_POWER), lambda: table.ne(base, 0.0))
            return _weakly(table.integer_power_of(base, n=k), weak) if k else constant_like(1.0, base)
        if t == I64 and k < 0:
            t = F64
    x, n = _typed(t, x, n)
    if weak and t != I64 and current_builder().trace.trying:
        raises_unless(ZeroDivisionError(_ZERO_POWER), lambda: table.logical_or(table.ne(x, 0.0), table.ge(n, 0.0)))
        raises_unless(OverflowError(34, "Numerical result out of range"), lambda: _fits(x, n))
    return _weakly((table.ipow if t == I64 else table.power)(x, n), weak)


def _fits(x: Any, n: Any) -> Any:
    """Is x ** n finite, if x and n are?"""
    x, n = table.fixed(x), table.fixed(n)
    finite = [logical_not(table.isinf(v)) for v in (x, n, table.power(x, n))]
    return table.logical_or(finite[2], logical_not(table.logical_and(*finite[:2])))


_ZERO_POWER = "0.0 cannot be raised to a negative power"


def _in_kernel() -> bool:
    """Is this an element of an array? Scalars are Python's ints, whose negative powers are floats."""
    return current_builder().name.startswith("each")


def constant_like(value: float, like: Traced) -> Traced:
    return Traced(Const(literal(value, like.type), like.type), None, like.weak)


def absolute(x: Traced) -> Traced:
    if is_complex(x.type):
        return complex_functions.absolute(x)  # type: ignore[no-any-return,arg-type]
    if is_float(x.type):
        return table.absolute(x)  # type: ignore[no-any-return]
    if x.type == BOOL and not x.weak:
        return x
    x = to_type(x, I64)
    return table.select(table.ilt(x, 0), table.isub(0, x), x)  # type: ignore[no-any-return]


def round_half_even(x: Traced, ndigits: Any) -> Traced:
    if isinstance(ndigits, Traced):
        ndigits = concrete.number(ndigits)
        if ndigits is not None:
            return round_half_even(x, ndigits)
        raise errors.TracedConditionError(f"the number of digits of round() at {user_site()} must be a plain int")
    if ndigits is None:
        return to_integer(table.rint(x) if is_float(x.type) else x)
    n = operator.index(ndigits)
    if not x.weak and x.type != BOOL:
        return round_numpy(x, n)
    if not is_float(x.type):
        return round_integer(to_type(x, I64), -n)
    if n > 323 or n < -308:
        return x if n > 0 else table.select(table.isfinite(x), table.copysign(0.0, x), x)
    if abs(n) > 22:
        unsupported(f"round() to {n} digits", "use 22 at most, on either side of the point")
    return table.round_decimal(x, n=n)  # type: ignore[no-any-return]


def round_numpy(x: Traced, n: int) -> Traced:
    """NumPy's rounding, of its own numbers: scaled by a float, rounded, scaled back."""
    refuse_bools(x, "round")
    if not is_float(x.type):
        return x if n >= 0 else table.to_integer(round_numpy(to_type(x, F64), n))
    if n == 0:
        return table.rint(x)  # type: ignore[no-any-return]
    there, back = (table.mul, table.div) if n > 0 else (table.div, table.mul)
    scale = 10.0 ** abs(n)
    return back(table.rint(there(x, scale)), scale)  # type: ignore[no-any-return]


def round_integer(x: Traced, digits: int) -> Traced:
    """x to a multiple of 10**digits, halves to the even one."""
    if digits <= 0:
        return x
    if digits > 19:
        return constant(0)
    if digits == 19:
        tens = table.select(table.igt(x, half := 5 * 10**18), constant(1), table.select(table.ilt(x, -half), constant(-1), constant(0)))
        return table.exact_mul(table.imul(tens, 10**10), 10**9)  # type: ignore[no-any-return]
    unit = 10**digits
    rest = table.ifmod(x, unit)
    near = table.isub(x, rest)
    odd = table.ine(table.imod(table.ifloordiv(near, unit), 2), 0)
    one = table.select(table.ilt(x, 0), constant(-unit), constant(unit))
    twice = absolute(table.imul(rest, 2))
    far = table.logical_or(table.igt(twice, unit), table.logical_and(table.ieq(twice, unit), odd))
    return table.exact_add(near, table.select(far, one, constant(0)))  # type: ignore[no-any-return]


# ---- the operators of traced scalars
def _named(function: Callable[[str, Any, Any], Any], name: str) -> Callable[[Any, Any], Any]:
    return lambda x, y: function(name, x, y)


def _negative(x: Traced) -> Any:
    refuse_bools(x, "negative, the `-` operator,")
    return table.neg(x) if is_float(x.type) else table.isub(0, to_type(x, I64))


def _positive(x: Traced) -> Any:
    refuse_bools(x, "positive, the `+` operator,")
    return x if x.type != BOOL else to_type(x, I64)


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    **{name: _named(compare, name) for name in COMPARISONS},
    **{name: _named(arithmetic, name) for name in ("add", "sub", "mul", "floordiv", "mod")},
    **{name: _named(bitwise, name) for name in ("and", "or", "xor")},
    "truediv": _named(arithmetic, "div"),
    "pow": power,
    "divmod": lambda x, y: (x // y, x % y),
    "lshift": _named(shift, "ishl"),
    "rshift": _named(shift, "ishr"),
}
_UNARY: dict[str, Callable[..., Any]] = {
    "invert": lambda x: logical_not(x) if x.type == BOOL and not x.weak else table.ixor(to_type(x, I64) if x.type == BOOL else x, -1),
    "pos": _positive,
    "neg": _negative,
    "abs": absolute,
    "round": lambda x, ndigits=None: round_half_even(x, ndigits),
    "trunc": to_integer,
    "floor": lambda x: to_integer(table.floor(x) if is_float(x.type) else x),
    "ceil": lambda x: to_integer(table.ceil(x) if is_float(x.type) else x),
}
for _name, _operation in BINARY.items():
    setattr(Traced, f"__{_name}__", _operation)
    if _name not in COMPARISONS:
        setattr(Traced, f"__r{_name}__", lambda self, y, _operation=_operation: _operation(y, self))
for _name, _operation in _UNARY.items():
    setattr(Traced, f"__{_name}__", _operation)


def _unhashable(x: Arrayed) -> NoReturn:
    raise TypeError(f"unhashable type: 'numpy.ndarray' ({user_site()})")


Arrayed.__hash__ = _unhashable  # type: ignore[assignment,method-assign]

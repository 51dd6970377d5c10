"""Python's `math` and `cmath` on traced values: their arguments are numbers of 64 bits, and so are their results, whatever NumPy
would have made of them. Where Python raises for a number that a function has no value at, the result is NaN or infinite."""

from __future__ import annotations

import cmath
import functools
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import current_builder, raises_unless
from ..core.sites import unsupported, user_site
from ..core.types import BOOL, C128, I64, describe, is_float
from ..numpy.registry import function, ufunc
from ..ops import table
from ..staging import branches
from ..values.complexes import functions as complex_functions
from ..values.complexes.pairs import Complex, complex_of, to_complex
from ..values.operators import arithmetic
from ..values.scalars import logical_not, operand, to_float, to_integer
from ..values.values import Arrayed, Traced, constant, is_traced
from ..values.views import any_traced
from . import folds, for_loops, raising


def _number(name: str, x: Any) -> Any:
    """An argument that is to be one number."""
    if isinstance(x, Arrayed) or (isinstance(x, np.ndarray) and x.ndim):
        kind = describe(x.type) if isinstance(x, Arrayed) else f"{x.ndim}-d array"
        raise errors.ArgumentTypeError(
            f"math.{name} at {user_site()} takes a number, not a {kind}: use NumPy's function, or math's on each element"
        )
    operand(f"math.{name}", x)  # or TypeError
    return x


def _float(name: str, x: Any) -> Traced:
    x = _number(name, x)
    return to_float(x if isinstance(x, Traced) else constant(x))


def _int(name: str, x: Any) -> Traced:
    kind = operand(f"math.{name}", _number(name, x))[0]
    if kind not in (I64, BOOL):
        raise TypeError(f"math.{name} at {user_site()} takes ints, not a {describe(kind)}: convert it with int(x)")
    return to_integer(x if isinstance(x, Traced) else constant(x))


def _weak(x: Any) -> Any:
    """A result, as Python's number."""
    if isinstance(x, tuple):
        return tuple(map(_weak, x))
    return Traced(x.atom, x.builder, True) if isinstance(x, Traced) else x


def _of(number: Callable[[str, Any], Any], name: str, fn: Callable[..., Any]) -> Callable[..., Any]:
    def function(*args: Any) -> Any:
        given = [number(name, x) for x in args]
        if number is _float and current_builder().trace.trying:
            raises_unless(_DOMAIN, lambda: _is_in_domain(name, fn, given))
            if name in _TOO_LARGE:
                raises_unless(_RANGE, lambda: _is_in_range(fn, given))
        return _weak(fn(*given))

    return function


_TOO_LARGE = ("exp", "exp2", "expm1", "sinh", "cosh", "pow", "gamma", "lgamma", "hypot")
_POLES = ("gamma", "lgamma", "pow")
_DOMAIN, _RANGE = ValueError("math domain error"), OverflowError("math range error")


def _is_in_domain(name: str, fn: Callable[..., Any], args: list[Any]) -> Any:
    """Numbers have a number; and finite ones a finite one, but where that is too large. It is computed for that alone: no derivative
    goes where there is none."""
    args = [table.fixed(a) for a in args]
    found = fn(*args)
    if not isinstance(found, Traced):
        return True
    numbers = functools.reduce(table.logical_and, (table.eq(a, a) for a in args))
    inside = table.logical_or(logical_not(numbers), table.eq(found, found))
    if name in _TOO_LARGE and name not in _POLES:
        return inside
    regular = _is_finite(found, args)
    if name in _POLES:
        regular = table.logical_or(regular, table.gt(args[0] if name != "pow" else table.absolute(args[0]), 0.0))
    return table.logical_and(inside, regular)


def _is_in_range(fn: Callable[..., Any], args: list[Any]) -> Any:
    args = [table.fixed(a) for a in args]
    return _is_finite(fn(*args), args)


def _is_finite(found: Any, args: list[Any]) -> Any:
    """Unless an argument is not."""
    return table.logical_or(table.isfinite(found), logical_not(functools.reduce(table.logical_and, (table.isfinite(a) for a in args))))


def _rounded(name: str, op: Callable[..., Any]) -> Callable[[Any], Any]:
    def fn(x: Any) -> Any:
        x = _number(name, x)
        return to_integer(op(x) if is_float(x.type) else x)

    return fn


# ---- floats
def _log(x: Any, *base: Any) -> Any:
    return table.log(x) if not base else table.div(table.log(x), table.log(base[0]) if is_traced(base[0]) else math.log(base[0]))


def _hypot(*xs: Any) -> Any:
    total = table.absolute(xs[0])
    for x in xs[1:]:
        total = table.hypot(total, x)
    return total


def _dist(p: Any, q: Any) -> Any:
    if isinstance(p, Arrayed) or isinstance(q, Arrayed):
        return _weak(to_float(function(np.linalg.norm)(arithmetic("sub", p, q))))
    p, q = list(p), list(q)
    if len(p) != len(q):
        raise ValueError(f"both points must have the same number of dimensions ({user_site()})")
    return _weak(_hypot(*(table.sub(_float("dist", a), _float("dist", b)) for a, b in zip(p, q, strict=True))))


def _modf(x: Any) -> Any:
    whole = table.trunc(x)
    rest = table.select(table.isinf(x), constant(0.0), table.sub(x, whole))
    return table.copysign(rest, x), whole


def _frexp(x: Any) -> Any:
    fraction, exponent = ufunc("frexp")(x)
    return fraction, to_integer(exponent)


def _ulp(x: Any) -> Any:
    x = table.absolute(x)
    return table.select(table.isinf(x), x, ufunc("spacing")(x))


def _remainder(x: Any, y: Any) -> Any:
    """x - n * y with n the integer nearest to x / y, the even one of two."""
    far, step = table.absolute(x), table.absolute(y)
    low = table.fmod(far, step)
    high = table.sub(step, low)
    even = table.sub(low, table.mul(constant(2.0), table.fmod(table.mul(constant(0.5), table.sub(far, low)), step)))
    near = table.select(table.lt(low, high), low, table.select(table.gt(low, high), table.sub(low, step), even))
    return table.mul(table.copysign(constant(1.0), x), near)


def _ldexp(x: Any, n: Any) -> Any:
    """x * 2**n, rounded once; powers beyond the exponents of floats in steps."""
    x, n = _float("ldexp", x), _int("ldexp", n)
    for _ in range(2):
        up, down = table.igt(n, 1023), table.ilt(n, -1022)
        x = table.mul(x, table.select(up, constant(2.0**1023), table.select(down, constant(2.0**-969), constant(1.0))))
        n = table.isub(n, table.select(up, constant(1023), table.select(down, constant(-969), constant(0))))
    n = table.select(table.igt(n, 1023), constant(1023), table.select(table.ilt(n, -1022), constant(-1022), n))
    return _weak(table.mul(x, table.exp2(to_float(n))))


def _isclose(a: Any, b: Any, *, rel_tol: Any = 1e-09, abs_tol: Any = 0.0) -> Any:
    a, b, rel_tol, abs_tol = (_float("isclose", x) for x in (a, b, rel_tol, abs_tol))
    apart = table.absolute(table.sub(a, b))
    either = table.logical_or
    near = either(table.le(apart, abs_tol), either(*(table.le(apart, table.absolute(table.mul(rel_tol, x))) for x in (a, b))))
    infinite = either(table.isinf(a), table.isinf(b))
    return _weak(either(table.eq(a, b), table.logical_and(near, table.logical_xor(infinite, constant(True)))))


def _sumprod(p: Iterable[Any], q: Iterable[Any]) -> Any:
    return folds.fsum([_number("sumprod", a * b) for a, b in zip(p, q, strict=True)])


# ---- ints
def _raise_unless(holds: Any, message: str) -> None:
    branches.if_(holds, lambda: None, lambda: raising.raise_(ValueError(message)))


def _gcd(*xs: Any) -> Any:
    total = constant(0)
    for x in xs:
        step = lambda s: (s[1], table.ifmod(s[0], s[1]))  # noqa: E731
        total, _ = for_loops.loop_value(lambda s: table.ine(s[1], 0), step, (total, x))
    return table.select(table.ilt(total, 0), table.isub(0, total), total)


def _lcm(*xs: Any) -> Any:
    total = constant(1)
    for x in xs:
        gcd = _gcd(total, x)
        total = table.exact_mul(total, table.ifloordiv(x, table.select(table.ieq(gcd, 0), constant(1), gcd)))
    return table.select(table.ilt(total, 0), table.isub(0, total), total)


def _isqrt(n: Any) -> Any:
    _raise_unless(table.ige(n, 0), "isqrt() argument must be nonnegative")
    root = to_integer(table.sqrt(to_float(n)))  # too large or too small by one at most
    top = constant(3037000499)  # whose square is the largest of 63 bits
    root = table.select(table.igt(root, top), top, root)
    root = table.select(table.igt(table.imul(root, root), n), table.isub(root, 1), root)
    more = table.iadd(root, 1)
    return table.select(table.logical_and(table.ilt(root, top), table.ile(table.imul(more, more), n)), more, root)


def _falling(n: Any, k: Any, divided: bool) -> Any:
    """n (n - 1) .. (n - k + 1), at each step divided by 1, 2 .. k; OverflowError beyond 64 bits."""

    def step(state: Any) -> Any:
        i, total = state
        total = table.exact_mul(total, table.isub(n, i))
        i = table.iadd(i, 1)
        return i, (table.ifloordiv(total, i) if divided else total)

    count = table.select(table.igt(k, n), constant(0), k)
    _, total = for_loops.loop_value(lambda s: table.ilt(s[0], count), step, (constant(0), constant(1)))
    return table.select(table.igt(k, n), constant(0), total)


def _factorial(n: Any) -> Any:
    _raise_unless(table.ige(n, 0), "factorial() not defined for negative values")
    return _falling(n, n, False)


def _choice(name: str, n: Any, k: Any) -> Any:
    _raise_unless(table.ige(n, 0), "n must be a non-negative integer")
    _raise_unless(table.ige(k, 0), "k must be a non-negative integer")
    if name == "comb":
        rest = table.isub(n, k)
        k = table.select(table.logical_and(table.ige(rest, 0), table.ilt(rest, k)), rest, k)
    return _falling(n, k, name == "comb")


_RENAMED = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
            "lgamma": "gammaln"}  # fmt: skip
_SAME = ("sqrt", "cbrt", "exp", "exp2", "expm1", "log2", "log10", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh", "copysign", "fabs", "isnan",
         "isinf", "isfinite", "degrees", "radians", "erf", "erfc", "gamma")  # fmt: skip
_OF_FLOATS: dict[str, Callable[..., Any]] = {"log": _log, "hypot": _hypot, "modf": _modf, "remainder": _remainder, "fmod": table.fmod,
                                             "pow": table.power, "frexp": _frexp, "ulp": _ulp,
                                             "nextafter": lambda x, y: ufunc("nextafter")(x, y)}  # fmt: skip
_OF_INTS: dict[str, Callable[..., Any]] = {"gcd": _gcd, "lcm": _lcm, "isqrt": _isqrt, "factorial": _factorial,
                                           "perm": lambda n, k=None: _factorial(n) if k is None else _choice("perm", n, k),
                                           "comb": functools.partial(_choice, "comb")}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: _of(_float, name, ufunc(_RENAMED.get(name, name))) for name in (*_SAME, *_RENAMED)},
    **{name: _of(_float, name, fn) for name, fn in _OF_FLOATS.items()},
    **{name: _of(_int, name, fn) for name, fn in _OF_INTS.items()},
    "floor": _rounded("floor", table.floor), "ceil": _rounded("ceil", table.ceil), "trunc": _rounded("trunc", table.trunc),
    "ldexp": _ldexp, "isclose": _isclose, "dist": _dist, "sumprod": _sumprod,
}  # fmt: skip
REFUSED = {"fma": "write x * y + z"}


def staged(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    """A function of `math`: Python's own where nothing is traced."""

    def fn(*args: Any, **kwargs: Any) -> Any:
        if name == "sumprod":
            args = tuple(list(x) for x in args)
        if not any_traced((args, kwargs)):
            return plain(*args, **kwargs)
        if name not in FUNCTIONS:
            unsupported(f"math.{name} of traced values", REFUSED.get(name, "compute it outside of the compiled function"))
        return FUNCTIONS[name](*args, **kwargs)

    return fn


# ---- complex numbers: cmath, and complex()
def _complex(name: str, x: Any) -> Complex:
    """An argument that is to be one number."""
    if isinstance(x, Arrayed) or (isinstance(x, np.ndarray) and x.ndim):
        raise errors.ArgumentTypeError(
            f"{name} at {user_site()} takes a number, not an array: use NumPy's function, or this on each element"
        )
    operand(name, x)  # or TypeError
    return to_complex(x, C128)  # type: ignore[no-any-return]


def _weakly(x: Any) -> Any:
    """A result, as Python's number."""
    return x.weakly(True) if isinstance(x, Traced) else x


def complex_(*args: Any, **kwargs: Any) -> Any:
    """complex(real, imag): real + 1j * imag of any two numbers."""
    if not any(map(is_traced, (*args, *kwargs.values()))):
        return complex(*args, **kwargs)
    real, imag = (*args, *kwargs.values(), 0.0)[:2] if "imag" not in kwargs or args else (0.0, kwargs["imag"])
    z, w = _complex("complex()", real), _complex("complex()", imag)
    if not any(map(complex_functions.is_any_complex, (real, imag))):
        return _weakly(complex_of(z.real, w.real))
    return _weakly(complex_of(table.sub(z.real, w.imag), table.add(z.imag, w.real)))


def _complex_log(z: Complex, base: Any = None) -> Complex:
    found = complex_functions.log(z)
    return found if base is None else complex_functions.div(found, complex_functions.log(_complex("cmath.log", base)))


def _rect(r: Any, phi: Any) -> Complex:
    r, phi = (to_float(x if isinstance(x, Traced) else constant(x)) for x in (r, phi))
    return complex_of(table.mul(r, table.cos(phi)), table.mul(r, table.sin(phi)))


def _complex_isclose(a: Any, b: Any, *, rel_tol: Any = 1e-09, abs_tol: Any = 0.0) -> Any:
    a, b = _complex("cmath.isclose", a), _complex("cmath.isclose", b)
    apart, far = (complex_functions.absolute(x) for x in (complex_functions.sub(a, b), a))
    near = complex_functions.absolute(b)
    most = table.mul(table.select(table.gt(far, near), far, near), rel_tol)
    return table.logical_or(table.le(apart, most), table.le(apart, abs_tol))


_RENAMED_COMPLEX = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh"}
_SAME_COMPLEX = ("exp", "log10", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "isnan", "isinf", "isfinite")
OF_COMPLEX: dict[str, Callable[..., Any]] = {
    **{name: complex_functions.FUNCTIONS[name] for name in _SAME_COMPLEX},
    **{name: complex_functions.FUNCTIONS[other] for name, other in _RENAMED_COMPLEX.items()},
    "log": _complex_log, "phase": complex_functions.angle, "polar": lambda z: (_weakly(complex_functions.absolute(z)), _weakly(complex_functions.angle(z))),
}  # fmt: skip
OF_NUMBERS: dict[str, Callable[..., Any]] = {"rect": _rect, "isclose": _complex_isclose}


def staged_complex(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    """A function of `cmath`: Python's own where nothing is traced."""

    def fn(*args: Any, **kwargs: Any) -> Any:
        if not any_traced((args, kwargs)):
            return plain(*args, **kwargs)
        if name in OF_NUMBERS:
            return _weakly(OF_NUMBERS[name](*args, **kwargs))
        if name not in OF_COMPLEX:
            unsupported(f"cmath.{name} of traced values", "compute it outside of the compiled function")
        return _weakly(OF_COMPLEX[name](_complex(f"cmath.{name}", args[0]), *args[1:], **kwargs))

    return fn


REPLACED = {
    **{
        fn: staged(name, fn) for name, fn in vars(math).items() if callable(fn) and not name.startswith("_")
    },  # but for those of sequences.py
    **{fn: staged_complex(name, fn) for name, fn in vars(cmath).items() if callable(fn) and not name.startswith("_")},
    complex: complex_,
}

"""NumPy's and SciPy's scalar functions on traced values: which operation each is.

`np.sin(x)` reaches `call_ufunc` through `__array_ufunc__`, `np.where` and `np.zeros` reach `call_function`
through `__array_function__` or staging. What is missing raises an error that names it.
"""

from __future__ import annotations

import operator
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import errors
from ..core.graph import Const
from ..core.op import TABLE, Op, literal
from ..core.sites import user_site
from ..core.types import BOOL, F64, I64, Scalar, is_float
from ..ops import table
from ..staging.growing import growing
from ..values import operators, values
from ..values.operators import arithmetic, bitwise, compare, has_array, power
from ..values.values import Arrayed, Traced, is_traced, logical_not, promote, to_type, truth


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
        z = where(first, x, y)
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
        return where(table.isnan(x), y, where(table.isnan(y), x, pick(x, y)))

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
    return where(compare("gt", x, 0), 1, where(compare("lt", x, 0), -1, 0))


def where(cond: Any, x: Any, y: Any) -> Any:
    """np.where(cond, x, y) on scalars."""
    if has_array(cond, x, y):
        return operators.each(where, cond, x, y, name="where")
    cond = truth(cond)
    t, weak = common(x, y)
    if not isinstance(cond, Traced):
        return x if cond else y
    z = table.select(cond, to_constant(x, t), to_constant(y, t), where=True)
    return Traced(z.atom, z.builder, weak)


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


def clip(x: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """np.clip; a NaN stays."""
    low, high = a_min if min is None else min, a_max if max is None else max
    if has_array(x, low, high):
        given = [v for v in (low, high) if v is not None]
        return operators.each(lambda v, *ends: clip(v, *_ends(ends, low, high)), x, *given, name="clip")
    if not is_traced(x):
        x = values.constant(x)
    if low is not None:
        x = _either("maximum")(x, low)
    return x if high is None else _either("minimum")(x, high)


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
    if is_float(values.operand("ldexp", n)[0]):
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
    safe = where(near, 1.0, t)
    return where(near, 1.0 + series, table.sin(safe) / safe)


_F = _floating
UFUNCS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: arithmetic("add", x, y), "subtract": lambda x, y: arithmetic("sub", x, y),
    "multiply": lambda x, y: arithmetic("mul", x, y), "divide": lambda x, y: arithmetic("div", x, y),
    "true_divide": lambda x, y: arithmetic("div", x, y), "floor_divide": lambda x, y: arithmetic("floordiv", x, y),
    "remainder": lambda x, y: arithmetic("mod", x, y), "mod": lambda x, y: arithmetic("mod", x, y),
    "fmod": lambda x, y: arithmetic("fmod", x, y), "power": power, "float_power": lambda x, y: table.power(to_constant(x, F64), to_constant(y, F64)), "negative": lambda x: -x, "positive": operator.pos,
    "absolute": abs, "fabs": lambda x: abs(to_type(x, F64) if not is_float(x.type) else x), "sign": sign,
    "square": lambda x: x * x if x.type != BOOL else to_type(x, I64), "reciprocal": reciprocal, "divmod": divmod,
    "greater": lambda x, y: compare("gt", x, y), "greater_equal": lambda x, y: compare("ge", x, y), "less": lambda x, y: compare("lt", x, y),
    "less_equal": lambda x, y: compare("le", x, y), "equal": lambda x, y: compare("eq", x, y), "not_equal": lambda x, y: compare("ne", x, y),
    "logical_and": _logical("and"), "logical_or": _logical("or"), "logical_xor": _logical("xor"), "logical_not": lambda x: logical_not(truth(x)),
    "bitwise_and": lambda x, y: bitwise("and", x, y), "bitwise_or": lambda x, y: bitwise("or", x, y), "bitwise_xor": lambda x, y: bitwise("xor", x, y),
    "invert": lambda x: ~x, "left_shift": lambda x, y: x << y, "right_shift": lambda x, y: x >> y,
    "maximum": _either("maximum"), "minimum": _either("minimum"), "fmax": _ignore_nan("maximum"), "fmin": _ignore_nan("minimum"),
    "clip": clip, "sqrt": _F(table.sqrt), "cbrt": _F(table.cbrt), "hypot": _F(table.hypot), "exp": _F(table.exp), "exp2": _F(table.exp2),
    "expm1": _F(table.expm1), "log": _F(table.log), "log2": _F(table.log2), "log10": _F(table.log10), "log1p": _F(table.log1p),
    "logaddexp": _F(table.logaddexp), "sin": _F(table.sin), "cos": _F(table.cos), "tan": _F(table.tan), "arcsin": _F(table.asin),
    "arccos": _F(table.acos), "arctan": _F(table.atan), "arctan2": _F(table.atan2), "sinh": _F(table.sinh), "cosh": _F(table.cosh),
    "tanh": _F(table.tanh), "arcsinh": _F(table.asinh), "arccosh": _F(table.acosh), "arctanh": _F(table.atanh),
    "floor": _rounding(table.floor), "ceil": _rounding(table.ceil), "trunc": _rounding(table.trunc), "rint": _F(table.rint),
    "copysign": _F(table.copysign), "signbit": _isfinite(table.signbit), "isnan": _isfinite(table.isnan), "isinf": _isfinite(table.isinf),
    "isfinite": _isfinite(table.isfinite), "deg2rad": lambda x: x * (np.pi / 180), "radians": lambda x: x * (np.pi / 180),
    "rad2deg": lambda x: x * (180 / np.pi), "degrees": lambda x: x * (180 / np.pi), "ldexp": ldexp,
    "erf": _F(table.erf), "erfc": _F(table.erfc), "expit": _F(table.expit), "gammaln": _F(table.gammaln), "psi": _F(table.digamma),
    "gamma": _F(table.gamma),
    "heaviside": lambda x, h: heaviside(x, h),
}  # fmt: skip


def call_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A NumPy or SciPy ufunc with a traced value among its inputs."""
    fn = UFUNCS.get(ufunc.__name__)
    if has_array(*inputs) or method != "__call__" or ufunc in (np.matmul, np.vecdot):
        from .registry import ufunc_of_arrays

        found = ufunc_of_arrays(ufunc, method, fn, inputs, kwargs)
        if found is not NotImplemented:
            return found
    inputs = tuple(x[()] if isinstance(x, np.ndarray) and x.ndim == 0 else x for x in inputs)
    if method != "__call__" or kwargs or fn is None:
        name = ufunc.__name__
        form = f"{'np' if hasattr(np, name) else 'scipy.special'}.{name}" + (f".{method}" if method != "__call__" else "")
        extra = f" with {', '.join(f'{k}=' for k in kwargs)}" if kwargs else ""
        remedy = errors.instead(name, UFUNCS) if fn is None else f"write it with np.{name}" if method != "__call__" else "leave them out"
        raise errors.UnsupportedOperationError(f"{form}{extra} of traced values at {user_site()} is not supported: {remedy}")
    return of_numpy(fn(*inputs))


def of_numpy(out: Any) -> Any:
    """The result of a NumPy function: its scalars are no Python numbers."""
    if isinstance(out, tuple):
        return tuple(map(of_numpy, out))
    return Traced(out.atom, out.builder) if isinstance(out, Traced) and out.weak else out


def call_function(func: Any, args: Any, kwargs: Any) -> Any:
    """A NumPy function that is no ufunc, with a traced value among its arguments."""
    from ..python.questions import QUESTIONS
    from .creation import CREATORS
    from .registry import FUNCTIONS as OF_ARRAYS
    from .registry import call

    fn = OF_ARRAYS.get(func) or FUNCTIONS.get(func) or CREATORS.get(func) or QUESTIONS.get(func)
    if fn is None:
        known = [*UFUNCS, *(f.__name__ for f in (*OF_ARRAYS, *FUNCTIONS, *CREATORS))]
        name = f"{func.__module__.replace('numpy', 'np')}.{func.__name__}"
        remedy = errors.instead(func.__name__, known)
        raise errors.UnsupportedOperationError(f"{name} of traced values at {user_site()} is not supported: {remedy}")
    out = call(func, fn, args, kwargs)
    return out if func in OF_PYTHON else values.zero_dimensional(out) if func is np.where else of_numpy(out)


OF_PYTHON = (np.shape, np.ndim, np.size, np.real, np.count_nonzero, np.allclose, np.array_equal)  # whose results are Python's


_DISPATCHED = type(np.mean)


AxisConcatenator: type = type(np.r_).__mro__[1]


def is_of_numpy(function: Any) -> bool:
    """Is this a function, a ufunc, a method of a ufunc or a scalar type of NumPy, whose array-likes may be lists of traced values?"""
    kind = type(function)
    if kind is np.ufunc or kind is _DISPATCHED:
        return True
    if kind is type:
        return issubclass(function, np.generic)
    return kind is types.BuiltinMethodType and isinstance(function.__self__, np.ufunc)


def mentions_traced(x: Any) -> bool:
    """Is there a traced value in nested lists, tuples and dicts?"""
    if isinstance(x, (list, tuple)):
        return growing(x) is not None or any(map(mentions_traced, x))
    if isinstance(x, slice):
        return any(map(is_traced, (x.start, x.stop, x.step)))
    return any(map(mentions_traced, x.values())) if isinstance(x, dict) else is_traced(x)


def index_joined(obj: Any, index: Any) -> Any:
    """np.r_[...] and np.c_[...]"""
    from .registry import INDEXED

    return INDEXED[id(obj)](index)


def call_numpy(function: Any, args: Any, kwargs: Any) -> Any:
    """A function of NumPy's (`is_of_numpy`) that rewritten code calls with a traced value somewhere in its arguments."""
    if isinstance(function, np.ufunc):
        return call_ufunc(function, "__call__", args, kwargs)
    if isinstance(function, type):
        from .creation import array

        return array(args[0], function) if args else function()
    if isinstance(function, types.BuiltinMethodType):
        return call_ufunc(function.__self__, function.__name__, args, kwargs)
    return call_function(function, args, kwargs)


def array_attribute(a: Arrayed, name: str) -> Any:
    """A method or property of a traced array."""
    from .registry import METHODS, PROPERTIES, method

    if name in PROPERTIES:
        return PROPERTIES[name](a)
    if name in METHODS:
        return method(name, a)
    if name.startswith("__") or not hasattr(np.ndarray, name):
        raise AttributeError(f"'numpy.ndarray' object has no attribute {name!r} ({user_site()})")
    raise errors.UnsupportedOperationError(f"ndarray.{name} at {user_site()} is not supported: {errors.instead(name, METHODS)}")


def scalar_attribute(x: Traced, name: str) -> Any:
    """A method or property of a traced scalar: what the array of this one element has, a scalar again where that has one element."""
    from ..python.questions import type_of
    from ..values.kernels import filled
    from .creation import array
    from .registry import METHODS, method

    plain = {"T": x, "mT": x, "imag": 0.0, "size": 1, "itemsize": x.dtype.itemsize, "nbytes": x.dtype.itemsize}
    if name in plain and hasattr(np.float64, name):
        return plain[name]
    if name in ("transpose", "squeeze", "copy", "conj") or (name in ("sum", "mean", "max", "min", "prod") and is_float(x.type)):
        return lambda *args, **kwargs: x
    if name in ("round", "clip", "dot"):
        return lambda *args, **kwargs: call_function(getattr(np, name), (x, *args), kwargs)
    if name == "is_integer" and is_float(x.type):
        return lambda: table.logical_and(table.eq(table.trunc(x), x), table.isfinite(x))
    if name == "astype":
        return lambda dtype, *args, **kwargs: array(x, dtype)
    if name in METHODS and name not in ("fill", "sort", "diagonal", "trace", "swapaxes", "tolist"):
        return method(name, filled(x, (1,)))
    cls = type_of(x)
    if hasattr(cls, name) and not name.startswith("__"):
        raise errors.UnsupportedOperationError(
            f"{cls.__name__}.{name} at {user_site()} is not supported in compiled code: compute it from the number"
        )
    raise AttributeError(f"{cls.__name__!r} object has no attribute {name!r} ({user_site()})")


def _reflected(fn: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, y: fn(y, x)


def _in_place(fn: Callable[..., Any], symbol: str) -> Callable[..., Any]:
    def update(x: Arrayed, y: Any) -> Any:
        from ..values.writes import update

        return update(x, fn, y, symbol)

    return update


def _matmul(x: Any, y: Any) -> Any:
    from .products import matmul

    return matmul(x, y)


def _operators() -> dict[str, Callable[..., Any]]:
    binary: dict[str, tuple[str, Callable[..., Any]]] = {
        "add": ("+", lambda x, y: arithmetic("add", x, y)), "sub": ("-", lambda x, y: arithmetic("sub", x, y)),
        "mul": ("*", lambda x, y: arithmetic("mul", x, y)), "truediv": ("/", lambda x, y: arithmetic("div", x, y)),
        "floordiv": ("//", lambda x, y: arithmetic("floordiv", x, y)), "mod": ("%", lambda x, y: arithmetic("mod", x, y)),
        "pow": ("**", power), "and": ("&", lambda x, y: bitwise("and", x, y)), "or": ("|", lambda x, y: bitwise("or", x, y)),
        "xor": ("^", lambda x, y: bitwise("xor", x, y)), "lshift": ("<<", lambda x, y: each_of(lambda a, b: a << b, x, y)),
        "rshift": (">>", lambda x, y: each_of(lambda a, b: a >> b, x, y)), "matmul": ("@", _matmul),
    }  # fmt: skip
    table_: dict[str, Callable[..., Any]] = {}
    for name, (symbol, fn) in binary.items():
        table_[name], table_["r" + name], table_["i" + name] = fn, _reflected(fn), _in_place(fn, symbol + "=")
    table_["imatmul"] = lambda x, y: x.__setitem__(Ellipsis, _matmul(x, y)) or x
    table_["divmod"] = lambda x, y: (arithmetic("floordiv", x, y), arithmetic("mod", x, y))
    table_["rdivmod"] = _reflected(table_["divmod"])
    for name in ("lt", "le", "gt", "ge", "eq", "ne"):
        table_[name] = lambda x, y, name=name: compare(name, x, y)
    table_["neg"] = lambda x: each_of(lambda v: -v, x)
    table_["pos"] = lambda x: each_of(operator.pos, x)
    table_["abs"] = lambda x: each_of(abs, x)
    table_["invert"] = lambda x: each_of(lambda v: ~v, x)
    return table_


def each_of(fn: Callable[..., Any], *operands: Any) -> Any:
    return operators.each(fn, *operands, name="map")


OPERATORS = _operators()


def _round(x: Any, decimals: int = 0) -> Any:
    return operators.round_numpy(x, decimals)


def _shape(a: Any) -> Any:
    from ..values.views import shape_of

    return tuple(shape_of(a))


def _size(a: Any, axis: Any = None) -> Any:
    from ..values.sizes import product
    from ..values.views import axes_of

    shape = _shape(a)
    return product([shape[q] for q in axes_of(axis, len(shape))])


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: where, np.clip: clip, np.round: _round, np.shape: _shape, np.sinc: sinc, np.real: lambda x: x, np.ndim: lambda a: len(_shape(a)),
    np.size: _size,
}  # fmt: skip


# ---- what traced values have of NumPy's
def _operator(name: str) -> Any:
    def method(self: Arrayed, *args: Any) -> Any:
        return OPERATORS[name](self, *args)

    return method


_BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift", "divmod")
for _name in (*_BINARY, "lt", "le", "gt", "ge", "eq", "ne", "neg", "pos", "abs", "invert"):
    setattr(Arrayed, f"__{_name}__", _operator(_name))
for _name in _BINARY:
    setattr(Arrayed, f"__r{_name}__", _operator("r" + _name))
    if _name != "divmod":
        setattr(Arrayed, f"__i{_name}__", _operator("i" + _name))
_kinds: tuple[tuple[Any, Any], ...] = ((Traced, scalar_attribute), (Arrayed, array_attribute))
for _kind, _attribute in _kinds:
    _kind.__array_ufunc__ = lambda self, ufunc, method, *inputs, **kwargs: call_ufunc(ufunc, method, inputs, kwargs)
    _kind.__array_function__ = lambda self, func, types, args, kwargs: call_function(func, args, kwargs)
    _kind.__getattr__ = lambda self, name, _attribute=_attribute: _attribute(self, name)

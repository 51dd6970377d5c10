"""What the functions of whole arrays share: what is refused, dtypes, counts, loops over an array's elements."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import atom_of, current_builder
from ..core.port import Port
from ..core.sites import unsupported, user_site
from ..core.types import BOOL, C128, F64, FROM_NUMPY, I64, NUMPY_DTYPES, PARTS, SCALARS, Scalar, is_complex, is_float, is_inexact
from ..ops import table
from ..staging.functions import invoke, invoke_staged
from ..values import sizes
from ..values.complexes.pairs import is_complex_array
from ..values.kernels import elementwise, filled
from ..values.operators import arithmetic
from ..values.values import Arrayed, Traced, is_traced, scalar_type, to_type
from ..values.views import as_array, axes_of, by_planes, plane, shape_of
from ..values.writes import stored

Axis = Any
jvp = Port("gives a function's value and its derivative along tangents")


def arrayed(x: Any) -> Arrayed:
    """An operand as an array: a scalar is one of one element."""
    a = as_array(x)
    return a if isinstance(a, Arrayed) else filled(a, (1,))


def items_of(x: Any) -> list[Any]:
    """What may be given as several things, or as one."""
    return list(x) if isinstance(x, (tuple, list)) else [x]


def axis_of(axis: Any, rank: int) -> int:
    return axes_of(axis, rank)[0]


def scalar_kind(x: Any) -> Scalar:
    return x.type.dtype if isinstance(x, Arrayed) else (scalar_type(x) or (F64, True))[0]


_WEAK = {F64: float, I64: int, BOOL: bool, C128: complex}


def class_of(x: Traced) -> Any:
    """The class of the scalar that Python would have in its place."""
    if x.given is not None:
        return x.given.kind
    return _WEAK[x.type] if x.weak and x.type in _WEAK else NUMPY_DTYPES[x.type].type


def dtype_of(dtype: Any) -> Scalar:
    if isinstance(dtype, Scalar):
        return dtype
    wider = getattr(dtype, "metadata", None) or {}  # of an argument's dtype (trace.Abstract): the one that its values have
    found = SCALARS[wider["lantern_jit"]] if "lantern_jit" in wider else FROM_NUMPY.get(np.dtype(dtype))
    if found is None:
        raise errors.ArgumentTypeError(
            f"arrays of dtype {np.dtype(dtype)} are not supported at {user_site()}: use float64, float32, complex128, complex64, int64, int32 or bool"
        )
    return found


def astype(a: Arrayed, dtype: Any) -> Arrayed:
    """A copy of another dtype. Floats become ints towards zero; what no int can hold raises."""
    t = dtype_of(dtype)
    if is_complex_array(a) and t != BOOL and not is_complex(t):
        what = "Casting complex values to real discards the imaginary part"
        warnings.warn(f"{what} ({user_site()})", np.exceptions.ComplexWarning, stacklevel=2)
        a = plane(a, 0)
    return elementwise(lambda x: stored(x, t), a, name="astype", dtype=t)  # type: ignore[no-any-return]


def float_array(x: Any, dtype: Any = None) -> Any:
    """As floats or complex numbers, of a dtype if one is given; else ints and bools become f64."""
    x = as_array(x)
    if dtype is not None:
        return astype(x, dtype)
    if is_inexact(scalar_kind(x)):
        return x
    return astype(x, F64) if isinstance(x, Arrayed) else arithmetic("div", x, 1) if isinstance(x, Traced) else float(x)


def fixed(x: Any) -> Any:
    """x, through which no derivative goes."""
    if not is_traced(x):
        return x
    if is_complex(scalar_kind(x)):
        return by_planes(fixed, x)
    return elementwise(lambda v: table.fixed(v) if is_float(v.type) else v, x, name="fixed") if isinstance(x, Arrayed) else table.fixed(x)


def common_dtype(parts: Sequence[Any]) -> Scalar:
    kinds = [scalar_kind(p) for p in parts]
    if all(k == kinds[0] for k in kinds):
        return kinds[0]
    return dtype_of(np.result_type(*(NUMPY_DTYPES[k] for k in kinds)))


def program(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function in plain Python, compiled as if it were the user's."""

    @functools.wraps(function)
    def run(*args: Any) -> Any:
        return invoke(function, args, {})

    return run


def shared(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same as a function of its own in the graph: what is long is there once, however often it is called."""

    @functools.wraps(function)
    def run(*args: Any) -> Any:
        return invoke_staged(function, args, {})

    return run


def count(a: Arrayed, axis: Axis) -> Any:
    shape = shape_of(a)
    return sizes.product([shape[q] for q in axes_of(axis, len(shape))])


def divided(total: Any, n: Any) -> Any:
    """total / n in total's dtype."""
    t = scalar_kind(total)
    t = PARTS.get(t, t)
    n = astype(n, t) if isinstance(n, Arrayed) else to_type(n, t) if isinstance(n, Traced) else float(n)
    if not isinstance(total, (Traced, Arrayed)):
        return float(np.float64(total) / n)
    return arithmetic("div", total, n)


def require(good: Any, exception: Exception) -> None:
    """Raise that, now or when the program runs, unless all of `good` is true."""
    if isinstance(good, Arrayed):
        good = np.all(good)
    if isinstance(good, Traced):
        builder = current_builder()
        builder.emit("holds", (atom_of(good, BOOL, builder),), (BOOL,), {}, user_site(str(exception), exception))
    elif not good:
        raise type(exception)(f"{exception} ({user_site()})")


def real_only(name: str, *xs: Any) -> None:
    """Refuse complex operands."""
    if any(is_complex(scalar_kind(as_array(x))) for x in xs if x is not None):
        unsupported(f"{name} of complex values", "take their real and imaginary parts")


def nonempty(a: Arrayed, axis: Axis, name: str) -> None:
    n, message = count(a, axis), f"zero-size array to reduction operation {name} which has no identity"
    if not sizes.is_known(n):
        sizes._check("equal_size", table.select(table.ieq(n, 0), n, sizes.lifted(1)[0]), 1, message)
    elif sizes.plain(n) == 0:
        raise errors.ArrayShapeError(f"{message} ({user_site()})")

"""New arrays: zeros, arange, array and so on. Inside a trace every new array is the program's own and can be written to."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from ..core.sites import unsupported, user_site
from ..core.types import BOOL, F32, F64, I64, NUMPY_DTYPES, PARTS, Scalar, element, is_complex, is_float
from ..ops import table
from ..values import arrays, operators, scalars, sizes, values, views
from ..values.kernels import copied, elementwise, from_index
from ..values.reshaping import expand
from ..values.scalars import promote
from ..values.values import Arrayed, Traced, is_traced, scalar_type, to_type
from ..values.views import as_array, renewed, shape_of
from ..values.writes import stored
from .axes import joined, moveaxis, together, transpose
from .common import astype, dtype_of, program, scalar_kind
from .registry import implements
from .ufuncs import pick, to_constant

creates = functools.partial(implements, creates=True, gives="array")


@creates(np.zeros)
def zeros(shape: Any, dtype: Any = None, order: Any = "C") -> Any:
    return arrays.allocate(dtype_of(dtype), shape, 0)


@creates(np.empty)
def empty(shape: Any, dtype: Any = None, order: Any = "C") -> Any:
    """np.empty: its elements are zeros here."""
    return arrays.allocate(dtype_of(dtype), shape, None)


@creates(np.ones)
def ones(shape: Any, dtype: Any = None) -> Any:
    return arrays.allocate(dtype_of(float if dtype is None else dtype), shape, 1)


@creates(np.full)
def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    fill_value = as_array(fill_value)
    if isinstance(fill_value, Arrayed):
        out = arrays.allocate(dtype_of(dtype) if dtype is not None else fill_value.type.dtype, shape, 0)
        out[...] = fill_value
        return out
    t = dtype_of(dtype) if dtype is not None else scalars.operand("np.full", fill_value)[0]
    return arrays.allocate(t, shape, stored(fill_value, t) if dtype is not None else fill_value)


@creates(np.full_like)
def full_like(a: Any, fill_value: Any, dtype: Any = None, shape: Any = None) -> Any:
    return full(_shape(a, shape), fill_value, _kind(a, dtype))


@creates(np.zeros_like)
def zeros_like(a: Any, dtype: Any = None, shape: Any = None) -> Any:
    return full_like(a, 0, dtype, shape)


@creates(np.ones_like)
def ones_like(a: Any, dtype: Any = None, shape: Any = None) -> Any:
    return full_like(a, 1, dtype, shape)


@creates(np.empty_like)
def empty_like(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *, device: Any = None) -> Any:
    return empty(_shape(a, shape), _kind(a, dtype))


def _shape(a: Any, shape: Any) -> Any:
    return tuple(shape_of(as_array(a))) if shape is None else shape


def _kind(a: Any, dtype: Any) -> Scalar:
    return scalar_kind(as_array(a)) if dtype is None else dtype_of(dtype)


@views.array_of_items.define
@creates(np.array)
def array(a: Any, dtype: Any = None, *, copy: Any = True, order: Any = "K", subok: bool = False, ndmin: int = 0, like: Any = None) -> Any:
    """np.array: a copy of an array, or a new one from nested lists of scalars and arrays."""
    out = a if not copy and isinstance(a, Arrayed) and dtype in (None, a.dtype) else _array(a, dtype)
    if isinstance(out, Arrayed) and out.ndim < ndmin:
        return expand(out, range(ndmin - out.ndim))
    return out


def _array(a: Any, dtype: Any) -> Any:
    own = getattr(type(a), "__lantern_array__", None)  # of what a staged `for` can run over
    a = np.arange(a.start, a.stop, a.step) if isinstance(a, range) else a if own is None else own(a)
    t = dtype_of(dtype) if dtype is not None else None
    if isinstance(a, np.ndarray) and a.ndim:
        return copied(arrays.lift_array(a if dtype is None else a.astype(dtype)))
    if isinstance(a, Arrayed):
        return copied(a) if t is None or t == a.type.dtype else astype(a, t)
    if not isinstance(a, (list, tuple)):
        t = scalars.operand("np.array", a)[0] if t is None else t
        return arrays.strong(stored(a, t), t)
    if any(is_traced(x) for x in _leaves(a)):
        return _from_list(list(a), t)
    plain = np.array(a, dtype)
    return copied(arrays.lift_array(plain)) if plain.size else arrays.allocate(dtype_of(plain.dtype), plain.shape, 0)


def _leaves(a: Any) -> list[Any]:
    return [y for x in a for y in _leaves(x)] if isinstance(a, (list, tuple)) else [a]


def _from_list(items: list[Any], t: Scalar | None) -> Arrayed:
    parts = [_array(x, None) if isinstance(x, (list, tuple)) else as_array(x) for x in items]
    if any(isinstance(x, Arrayed) for x in parts):
        shapes = [shape_of(x) for x in parts]
        if any(len(s) != len(shapes[0]) for s in shapes):
            raise ValueError(f"setting an array element with a sequence. The requested array has an inhomogeneous shape ({user_site()})")
        out = joined([expand(x, (0,)) for x in parts], 0)
        return out if t is None or t == out.type.dtype else astype(out, t)
    if t is None:
        kinds = {scalars.operand("np.array", x)[0] for x in parts}  # here a Python float is a float64
        if kinds & PARTS.keys():
            t = dtype_of(np.result_type(*(NUMPY_DTYPES[k] for k in kinds)))
        else:
            t = BOOL if kinds == {BOOL} else F64 if F64 in kinds or {F32, I64} <= kinds else F32 if F32 in kinds else I64
    out = arrays.allocate(t, len(parts), 0)
    for i, x in enumerate(parts):
        out[i] = stored(x, t)
    return out


@creates(np.asarray, np.asanyarray)
def asarray(a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: Any = None, like: Any = None) -> Any:
    """np.asarray: a traced array is itself."""
    same = isinstance(a, Arrayed) and not copy and (dtype is None or dtype_of(dtype) == a.type.dtype)
    if not same:
        return array(a, dtype)
    if order == "C" or (order == "F" and a.ndim < 2):
        return together(a)
    return transpose(together(transpose(a))) if order == "F" else a


creates(np.ascontiguousarray)(lambda a, dtype=None, *, like=None: asarray(a, dtype, "C"))
creates(np.copy)(lambda a: array(a))
implements(method="copy")(lambda a, order="C": copied(a))


@implements(method="astype")
def as_type(a: Arrayed, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True) -> Arrayed:
    if casting != "unsafe" and not np.can_cast(a.dtype, np.dtype(dtype), casting):  # type: ignore[arg-type]
        raise TypeError(f"Cannot cast array data from {a.dtype!r} to {np.dtype(dtype)!r} according to the rule {casting!r} ({user_site()})")
    return a if not copy and dtype_of(dtype) == a.type.dtype else astype(a, dtype)


@implements(method="view")
def view(a: Arrayed, dtype: Any = None) -> Arrayed:
    if dtype is not None and dtype is not np.ndarray and np.dtype(dtype) != a.dtype:
        unsupported(f"ndarray.view as {np.dtype(dtype)}, which takes the same bytes for other numbers,", "use astype")
    return renewed(a)


@implements(np.astype)
def _astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
    return as_type(x, dtype, copy=copy)


@creates(np.asarray_chkfinite)
def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Any:
    found = asarray(a, dtype)
    _require_finite(np.all(np.isfinite(found)))
    return found


@program
def _require_finite(good: Any) -> None:
    if not good:
        raise ValueError("array must not contain infs or NaNs")


creates(np.require)(lambda a, dtype=None, requirements=None, *, like=None: asarray(a, dtype))
creates(np.asfortranarray)(lambda a, dtype=None, *, like=None: asarray(a, dtype, "F"))


def _diagonals(name: str, keeps: Callable[[Any, Any], Any], N: Any, M: Any, k: int, dtype: Any) -> Arrayed:
    t = dtype_of(dtype)
    if is_complex(t):
        return astype(_diagonals(name, keeps, N, M, k, PARTS[t]), t)
    one, zero = (to_constant(x, element(t)) for x in (1, 0))
    return from_index(lambda i, j: table.select(keeps(i + int(k), j), one, zero), [N, N if M is None else M], name, t)


@creates(np.eye)
def eye(N: Any, M: Any = None, k: int = 0, dtype: Any = float) -> Arrayed:
    return _diagonals("eye", operator.eq, N, M, k, dtype)


@creates(np.tri)
def tri(N: Any, M: Any = None, k: int = 0, dtype: Any = float) -> Arrayed:
    return _diagonals("tri", operator.ge, N, M, k, dtype)


@creates(np.identity)
def identity(n: Any, dtype: Any = None) -> Arrayed:
    return eye(n, dtype=float if dtype is None else dtype)


@creates(np.arange)
def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    if stop is None:
        start, stop = 0, start
    dtype = dtype if dtype is None else NUMPY_DTYPES[dtype_of(dtype)]
    if not any(map(is_traced, (start, stop, step))):
        return array(np.arange(*(start, stop, step), dtype=dtype))
    kind = promote("np.arange", start, stop, step)[0]
    if kind == F32 and any(scalars.operand("np.arange", x)[0] != F32 for x in (start, stop, step)):
        kind = F64  # here a Python number is an int64 or a float64
    t = dtype_of(dtype) if dtype is not None else kind
    if kind == I64:
        n = _count_of_ints(start, stop, step)
    else:
        length = operators.arithmetic("div", operators.arithmetic("sub", stop, start), step)
        n = sizes.nonnegative(table.to_integer(table.ceil(length)) if isinstance(length, Traced) else int(np.ceil(length)))
    return from_index(lambda i, first, by: first + i * by, [n], "arange", t, [start, step])


def _count_of_ints(start: Any, stop: Any, step: Any) -> Any:
    length = sizes.sub(stop, start) if isinstance(stop, Traced) or isinstance(start, Traced) else stop - start
    if not isinstance(step, Traced):
        if step == 0:
            raise ZeroDivisionError("arange: step must not be zero")
        if step < 0:
            length, step = sizes.mul(length, -1), -step
        return sizes.nonnegative(sizes.floordiv(sizes.add(length, step - 1), step))
    length, step = cast(Any, length), cast(Any, step)
    up = (length + step - 1) // step
    down = (0 - length - step - 1) // (0 - step)
    return sizes.nonnegative(table.select(table.igt(step, 0), up, down))


def _is_weak(x: Any) -> bool:
    """Is it a Python number, which takes the type of the other one?"""
    return (scalar_type(x) or (None, False))[1]


@creates(np.linspace)
def linspace(start: Any, stop: Any, num: Any = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None, axis: int = 0) -> Any:
    if retstep:
        step = (as_array(stop) - as_array(start)) / ((num - 1 if endpoint else num) * 1.0)
        return linspace(start, stop, num, endpoint, False, dtype, axis), step
    if axis:
        return moveaxis(linspace(start, stop, num, endpoint, False, dtype), 0, axis)
    dtype = dtype if dtype is None else NUMPY_DTYPES[dtype_of(dtype)]
    if not any(map(is_traced, (start, stop, num))):
        return array(np.linspace(start, stop, num, endpoint, dtype=dtype))
    if any(is_complex(scalar_kind(as_array(x))) for x in (start, stop)):
        real, imag = (linspace(part(start), part(stop), num, endpoint) for part in (np.real, np.imag))
        return real + 1j * imag if dtype is None else astype(real + 1j * imag, dtype)
    n = num if isinstance(num, Traced) else values.constant(int(num))
    last = table.isub(n, 1) if endpoint else n
    start, stop, size = as_array(start), as_array(stop), num if isinstance(num, Traced) else int(num)
    rank = max(len(shape_of(x)) for x in (start, stop))
    t = dtype_of(dtype) if dtype is not None else F32 if {scalar_kind(x) for x in (start, stop) if not _is_weak(x)} == {F32} else F64
    made = t if is_float(t) else F64

    def one(i: Any, a: Any, b: Any, top: Any) -> Any:
        a, b = _float(a), _float(b)
        count = to_type(table.select(table.ieq(top, 0), table.iadd(top, 1), top), F64)
        i_, step = to_type(i, F64), (b - a) / count
        value = pick(step == 0.0, i_ / count * (b - a), i_ * step) + a  # in this order as NumPy: what lies on a point is found there
        return table.select(table.logical_and(table.ieq(i, top), table.igt(top, 0)), b, value) if endpoint else value

    if rank:
        index = expand(from_index(lambda i: i, [size], "index"), range(1, 1 + rank))
        out = elementwise(one, index, start, stop, last, name="linspace", dtype=made)
    else:
        out = from_index(one, [size], "linspace", made, [_float(start), _float(stop), last])
    if is_complex(t):
        return astype(out, t)
    return out if is_float(t) else elementwise(lambda x: stored(table.floor(x), t), out, name="linspace", dtype=t)


def _float(x: Any) -> Traced:
    return to_type(x if isinstance(x, Traced) else values.constant(float(x)), F64)  # type: ignore[no-any-return]

"""New arrays: zeros, arange, array and so on. Inside a trace every new array is the program's own and can be written to."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from ..core import errors
from ..core.builder import current_trace
from ..core.sites import user_site
from ..core.types import BOOL, F32, F64, FROM_NUMPY, I64, SCALARS, Scalar, element, is_float
from ..ops import table
from ..values import arrays, operators, sizes, values, views
from ..values.kernels import copied, elementwise, from_index
from ..values.reshaping import expand
from ..values.values import Arrayed, Traced, is_traced, promote, scalar_type, to_type
from ..values.views import as_array, shape_of
from ..values.writes import stored


def dtype_of(dtype: Any) -> Scalar:
    if isinstance(dtype, Scalar):
        return dtype
    wider = getattr(dtype, "metadata", None) or {}  # of an argument's dtype (trace.Abstract): the one that its values have
    found = SCALARS[wider["lantern_jit"]] if "lantern_jit" in wider else FROM_NUMPY.get(np.dtype(dtype))
    if found is None:
        raise errors.ArgumentTypeError(
            f"arrays of dtype {np.dtype(dtype)} are not supported at {user_site()}: use float64, float32, int64, int32 or bool"
        )
    return found


def zeros(shape: Any, dtype: Any = float, order: Any = "C") -> Any:
    return arrays.allocate(dtype_of(dtype), shape, 0)


def empty(shape: Any, dtype: Any = float, order: Any = "C") -> Any:
    """np.empty: its elements are zeros here."""
    from ..values.blanks import blank

    return blank(dtype_of(dtype), list(shape) if isinstance(shape, (tuple, list)) else [shape])


def ones(shape: Any, dtype: Any = None, order: Any = "C") -> Any:
    return arrays.allocate(dtype_of(float if dtype is None else dtype), shape, 1)


def full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C") -> Any:
    fill_value = as_array(fill_value)
    if isinstance(fill_value, Arrayed):
        out = arrays.allocate(dtype_of(dtype) if dtype is not None else fill_value.type.dtype, shape, 0)
        out[...] = fill_value
        return out
    t = dtype_of(dtype) if dtype is not None else values.operand("np.full", fill_value)[0]
    return arrays.allocate(t, shape, stored(fill_value, t) if dtype is not None else fill_value)


def like(fill: Any) -> Callable[..., Any]:
    """zeros_like and friends, with NumPy's arguments; `fill` is None for full_like, which is given it."""

    def fn(a: Any, *args: Any, fill_value: Any = fill, dtype: Any = None, shape: Any = None, order: Any = "K", subok: bool = True) -> Any:
        rest = list(args)
        if fill is None and rest:
            fill_value = rest.pop(0)
        if rest:
            dtype = rest.pop(0)
        a = as_array(a)
        if isinstance(a, Arrayed):
            found, size = a.type.dtype, shape_of(a)
        else:
            found, size = (scalar_type(a) or (F64,))[0], []
        wanted = tuple(size) if shape is None else shape
        if fill == "nothing":
            return empty(wanted, found if dtype is None else dtype_of(dtype))
        return full(wanted, fill_value, found if dtype is None else dtype_of(dtype))

    return fn


@views.array_of_items.define
def array(a: Any, dtype: Any = None, *, copy: Any = True, order: Any = "K", subok: bool = False, ndmin: int = 0, like: Any = None) -> Any:
    """np.array: a copy of an array, or a new one from nested lists of scalars and arrays."""
    out = _array(a, dtype)
    if isinstance(out, Arrayed) and out.ndim < ndmin:
        return expand(out, range(ndmin - out.ndim))
    return out


def _array(a: Any, dtype: Any) -> Any:
    own = getattr(type(a), "__lantern_array__", None)  # of what a staged `for` can run over
    a = a if own is None else own(a)
    t = dtype_of(dtype) if dtype is not None else None
    if isinstance(a, np.ndarray) and a.ndim:
        return copied(arrays.lift_array(a if dtype is None else a.astype(dtype)))
    if isinstance(a, Arrayed):
        return copied(a) if t is None or t == a.type.dtype else astype(a, t)
    if not isinstance(a, (list, tuple)):
        t = values.operand("np.array", a)[0] if t is None else t
        return arrays.strong(stored(a, t), t)
    if not any(is_traced(x) for x in _leaves(a)):
        plain = np.array(a, dtype)
        if not plain.size:
            return arrays.allocate(dtype_of(plain.dtype), plain.shape, 0)
        return copied(arrays.lift_array(plain))
    return _from_list(list(a), t)


def _leaves(a: Any) -> list[Any]:
    return [y for x in a for y in _leaves(x)] if isinstance(a, (list, tuple)) else [a]


def _from_list(items: list[Any], t: Scalar | None) -> Arrayed:
    parts = [_array(x, None) if isinstance(x, (list, tuple)) else as_array(x) for x in items]
    if any(isinstance(x, Arrayed) for x in parts):
        shapes = [shape_of(x) for x in parts]
        if any(len(s) != len(shapes[0]) for s in shapes):
            raise ValueError(f"setting an array element with a sequence. The requested array has an inhomogeneous shape ({user_site()})")
        from .shaping import stack

        out = stack(parts)
        return out if t is None or t == out.type.dtype else astype(out, t)
    if t is None:
        kinds = {values.operand("np.array", x)[0] for x in parts}  # here a Python float is a float64
        t = BOOL if kinds == {BOOL} else F64 if F64 in kinds or {F32, I64} <= kinds else F32 if F32 in kinds else I64
    out = arrays.allocate(t, len(parts), 0)
    for i, x in enumerate(parts):
        out[i] = stored(x, t)
    return out


def astype(a: Arrayed, dtype: Any, order: Any = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True) -> Arrayed:
    """A copy of another dtype. Floats become ints towards zero; what no int can hold raises."""
    t = dtype_of(dtype)
    return elementwise(lambda x: stored(x, t), a, name="astype", dtype=t)  # type: ignore[no-any-return]


def asarray(a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: Any = None, like: Any = None) -> Any:
    """np.asarray: a traced array is itself."""
    same = isinstance(a, Arrayed) and not copy and (dtype is None or dtype_of(dtype) == a.type.dtype)
    return a if same else array(a, dtype)


def copy(a: Any, order: Any = "K", subok: bool = False) -> Any:
    return array(a)


def eye(N: Any, M: Any = None, k: int = 0, dtype: Any = float, order: Any = "C", *, device: Any = None, like: Any = None) -> Arrayed:
    t = dtype_of(dtype)
    one, zero = _literals(t)
    return from_index(lambda i, j: table.select(table.ieq(table.iadd(i, int(k)), j), one, zero), [N, N if M is None else M], "eye", t)


def _literals(t: Scalar) -> tuple[Any, Any]:
    from ..core.graph import Const
    from ..core.op import literal

    e = element(t)
    return Traced(Const(literal(1, e), e), None), Traced(Const(literal(0, e), e), None)


def identity(n: Any, dtype: Any = None) -> Arrayed:
    return eye(n, dtype=float if dtype is None else dtype)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    if stop is None:
        start, stop = 0, start
    if not any(map(is_traced, (start, stop, step))):
        return array(np.arange(*(start, stop, step), dtype=dtype))
    kind = promote("np.arange", start, stop, step)[0]
    if kind == F32 and any(values.operand("np.arange", x)[0] != F32 for x in (start, stop, step)):
        kind = F64  # here a Python number is an int64 or a float64
    t = dtype_of(dtype) if dtype is not None else kind
    if kind == I64:
        n = _count_of_ints(start, stop, step)
    else:
        length = operators.arithmetic("div", operators.arithmetic("sub", stop, start), step)
        n = sizes.nonnegative(table.to_integer(table.ceil(length)) if isinstance(length, Traced) else int(np.ceil(length)))
    given = [x for x in (start, step) if isinstance(x, Traced)]

    def one(i: Any, *rest: Any) -> Any:
        it = iter(rest)
        first = next(it) if isinstance(start, Traced) else start
        by = next(it) if isinstance(step, Traced) else step
        return first + i * by

    return from_index(one, [n], "arange", t, given)


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


def linspace(start: Any, stop: Any, num: Any = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None, axis: int = 0) -> Any:
    if retstep:
        step = (as_array(stop) - as_array(start)) / ((num - 1 if endpoint else num) * 1.0)
        return linspace(start, stop, num, endpoint, False, dtype, axis), step
    if axis:
        from .shaping import moveaxis

        return moveaxis(linspace(start, stop, num, endpoint, False, dtype), 0, axis)
    if not any(map(is_traced, (start, stop, num))):
        return array(np.linspace(start, stop, num, endpoint, dtype=dtype))
    n = num if isinstance(num, Traced) else values.constant(int(num))
    last = table.isub(n, 1) if endpoint else n
    t = dtype_of(dtype) if dtype is not None else F64 if operators.has_array(start, stop) else promote("np.linspace", start, stop, 1.0)[0]
    if isinstance(start, Arrayed) or isinstance(stop, Arrayed):
        index = from_index(lambda i: i, [num], "index")
        shape = max(shape_of(as_array(start)), shape_of(as_array(stop)), key=len)
        index = expand(index, range(1, 1 + len(shape)))
        return start + (stop - start) * (cast(Any, index) / last)

    def one(i: Any, a: Any, b: Any, top: Any) -> Any:
        at = to_type(i, F64) / to_type(table.select(table.ieq(top, 0), table.iadd(top, 1), top), F64)
        value = a + (b - a) * at
        if endpoint:
            value = table.select(table.logical_and(table.ieq(i, top), table.igt(top, 0)), _float(b), value)
        return value

    size = num if isinstance(num, Traced) else int(num)
    out = from_index(one, [size], "linspace", t if is_float(t) else F64, [_float(start), _float(stop), last])
    return out if is_float(t) else elementwise(lambda x: stored(table.floor(x), t), out, name="linspace", dtype=t)


def _float(x: Any) -> Traced:
    return to_type(x if isinstance(x, Traced) else values.constant(float(x)), F64)  # type: ignore[no-any-return]


def tri(N: Any, M: Any = None, k: int = 0, dtype: Any = float) -> Arrayed:
    t = dtype_of(dtype)
    one, zero = _literals(t)
    return from_index(lambda i, j: table.select(table.ige(table.iadd(i, int(k)), j), one, zero), [N, N if M is None else M], "tri", t)


def in_trace(staged: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    """`staged` inside a trace, `plain` outside."""

    def fn(*args: Any, **kwargs: Any) -> Any:
        trace = current_trace()
        return staged(*args, **kwargs) if trace is not None and trace.builders else plain(*args, **kwargs)

    return fn


def _giving_arrays(fn: Callable[..., Any]) -> Callable[..., Any]:
    """What has no axes is a scalar here, and an array in NumPy."""

    @functools.wraps(fn)
    def made(*args: Any, **kwargs: Any) -> Any:
        return values.zero_dimensional(fn(*args, **kwargs))

    return made


def _called(func: Any, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    from .registry import call

    return call(func, fn, args, kwargs)


CREATORS: dict[Any, Callable[..., Any]] = {
    np.zeros: zeros, np.ones: ones, np.empty: empty, np.full: full, np.zeros_like: like(0), np.ones_like: like(1), np.empty_like: like("nothing"),
    np.full_like: like(None), np.array: array, np.asarray: asarray, np.asanyarray: asarray, np.ascontiguousarray: asarray, np.copy: copy, np.eye: eye,
    np.identity: identity, np.arange: arange, np.linspace: linspace, np.tri: tri,
}  # fmt: skip
CREATORS = {plain: _giving_arrays(fn) for plain, fn in CREATORS.items()}
CREATION = {plain: in_trace(functools.partial(_called, plain, staged), plain) for plain, staged in CREATORS.items()}

"""Reductions of whole arrays, running sums and products, and what is made of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from . import arrays, sizes, table, values
from .array_common import (
    UFUNCS_OF,
    Axis,
    along,
    atleast_1d,
    back_from_rows,
    count,
    divided,
    float_array,
    nonempty,
    plain_arguments,
    ravel,
    rows,
    scalar_kind,
    unsupported,
)
from .arrayops import cumsum as cumsum_rows
from .arrays import (
    as_array,
    axes_of,
    contiguous,
    copied,
    drop,
    elementwise,
    expand,
    filled,
    from_index,
    is_array,
    reduce,
    shape_of,
    spread,
    with_axes,
)
from .builder import user_site
from .choosing import gather_flat, isclose, sort, take, take_along
from .creation import astype, dtype_of
from .derivatives import each
from .numpy_api import to_constant
from .shaping import _zeros, concatenate, flip, moveaxis
from .types import BOOL, F64, I64, is_float
from .values import Arrayed, Traced, allocate, to_type, truth


def _reduction(fn: Callable[..., Any]) -> Callable[..., Any]:
    """With NumPy's arguments out= (refused), keepdims= and a scalar as the array of one element."""

    known = inspect.signature(fn).parameters

    def reduction(a: Any, axis: Axis = None, *args: Any, keepdims: Any = False, out: Any = None, **kwargs: Any) -> Any:
        plain_arguments(fn.__name__.rstrip("_"), out=out, **{k: v for k, v in kwargs.items() if k not in known})
        a = as_array(a)
        if not isinstance(a, Arrayed):
            axes_of(axis, 0)
            a = filled(a, (1,))
        return fn(a, axis, *args, keepdims=keepdims is True, **kwargs)

    reduction.__name__ = fn.__name__.rstrip("_")
    return reduction


@_reduction
def sum_(a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool, initial: Any = None, where: Any = None) -> Any:
    if dtype is not None and dtype_of(dtype) != a.type.dtype:
        a = astype(a, dtype)
    more = () if where is None or where is np._NoValue or where is True else (where,)
    widen = a.type.dtype == BOOL

    def one(x: Any, *w: Any) -> Any:
        x = to_type(x, I64) if widen else x
        return table.select(truth(w[0]), x, to_constant(0, x.type)) if w else x

    total = reduce("sum", a, axis, keepdims, one, None, *more)
    return total if initial is None or initial is np._NoValue else total + initial


@_reduction
def mean(a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool) -> Any:
    a = astype(a, dtype) if dtype is not None else float_array(a)
    return divided(reduce("sum", a, axis, keepdims), count(a, axis))


@_reduction
def var(a: Any, axis: Axis = None, dtype: Any = None, ddof: Any = 0, *, keepdims: bool, correction: Any = None) -> Any:
    a = float_array(a)
    middle = mean(a, axis, keepdims=True)
    total = reduce("sum", a, axis, keepdims, lambda x, m: (x - m) * (x - m), None, middle)
    n = count(a, axis)
    less = ddof if correction is None else correction
    if isinstance(n, Traced) or isinstance(less, Traced):
        rest = to_type(n if isinstance(n, Traced) else values.constant(int(n)), F64) - less
        rest = table.select(table.lt(rest, 0.0), to_constant(0.0, F64), rest)
        return divided(total, rest if scalar_kind(total) == F64 else to_type(rest, scalar_kind(total)))
    return divided(total, max(float(n) - less, 0.0))


def std(a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = False, **kwargs: Any) -> Any:
    plain_arguments("std", out=out)
    return UFUNCS_OF["sqrt"](var(a, axis, dtype, ddof, keepdims=keepdims, **kwargs))


def _positions(kind: str) -> Callable[..., Any]:
    def fn(a: Any, axis: Axis = None, *, keepdims: bool) -> Any:
        nonempty(a, axis, kind)
        if axis is not None and not isinstance(axis, (int, np.integer)):
            raise TypeError(f"{kind}: axis must be an int")
        return reduce(kind, a, axis, keepdims)

    fn.__name__ = kind
    return _reduction(fn)


argmax, argmin = _positions("argmax"), _positions("argmin")


def _extreme(kind: str) -> Callable[..., Any]:
    def fn(a: Any, axis: Axis = None, *, keepdims: bool, initial: Any = None, where: Any = None) -> Any:
        plain_arguments(kind, initial=initial, where=None if where is True else where)
        nonempty(a, axis, "maximum" if kind == "max" else "minimum")
        if not is_float(a.type.dtype):
            return reduce(kind, a, axis, keepdims, dtype=a.type.dtype)
        return chosen(a, "arg" + kind, axis, keepdims)

    fn.__name__ = kind
    return _reduction(fn)


def chosen(a: Arrayed, kind: str, axis: Axis, keepdims: bool) -> Any:
    """The first of the largest (or smallest) elements, read at its position: its derivative goes there."""
    rank = a.ndim
    gone = axes_of(axis, rank)
    kept = [q for q in range(rank) if q not in gone]
    a = contiguous(a)
    moved = contiguous(with_axes(a, [*kept, *gone])) if list(range(rank)) != [*kept, *gone] else a
    shape = shape_of(moved)
    flat = arrays.reshape(moved, [*shape[: len(kept)], sizes.product(shape[len(kept) :])])
    where = reduce(kind, flat, len(kept))
    if not kept:
        out: Any = arrays.read(flat, [where])
    else:
        out = take_along(flat, expand(where, [len(kept)]), len(kept))
        out = drop(out, [len(kept)])
    return arrays.keep(out, gone, rank) if keepdims else out


max_, min_ = _extreme("max"), _extreme("min")


def largest(a: Arrayed, axis: Axis, keepdims: bool = False) -> Any:
    """The maximum as a constant: it has no derivative."""
    return reduce("max", a, axis, keepdims)


@_reduction
def any_(a: Any, axis: Axis = None, *, keepdims: bool) -> Any:
    return reduce("max", a, axis, keepdims, truth, BOOL)


@_reduction
def all_(a: Any, axis: Axis = None, *, keepdims: bool) -> Any:
    return reduce("min", a, axis, keepdims, truth, BOOL)


@_reduction
def count_nonzero(a: Any, axis: Axis = None, *, keepdims: bool) -> Any:
    return reduce("sum", a, axis, keepdims, lambda x: to_type(truth(x), I64))


@_reduction
def ptp(a: Any, axis: Axis = None, *, keepdims: bool) -> Any:
    return max_(a, axis, keepdims=keepdims) - min_(a, axis, keepdims=keepdims)


def cumsum(a: Any, axis: Axis = None, dtype: Any = None, out: Any = None) -> Any:
    plain_arguments("cumsum", out=out)
    a, axis = along(a, axis)
    if dtype is not None:
        a = astype(a, dtype)
    elif not is_float(a.type.dtype):
        a = astype(a, I64)
    matrix, order, shape = rows(a, axis)
    return back_from_rows(cumsum_rows(matrix), order, shape)


def _running_product(matrix: Arrayed) -> Arrayed:
    """Products of the first elements of each row, by a loop: its derivative is right at zeros."""
    out = copied(matrix)
    m, n = shape_of(out)

    def row(i: Any) -> None:
        def one(j: Any) -> None:
            k = table.iadd(j, 1)
            out[i, k] = out[i, j] * matrix[i, k]

        each(sizes.nonnegative(sizes.add(n, -1)), one)

    each(m, row)
    return out


def cumprod(a: Any, axis: Axis = None, dtype: Any = None, out: Any = None) -> Any:
    plain_arguments("cumprod", out=out)
    a, axis = along(a, axis)
    a = astype(a, dtype) if dtype is not None else a if is_float(a.type.dtype) else astype(a, I64)
    matrix, order, shape = rows(a, axis)
    return back_from_rows(_running_product(contiguous(matrix)), order, shape)


@_reduction
def prod(a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool, initial: Any = None, where: Any = None) -> Any:
    plain_arguments("prod", initial=initial, where=where)
    a = astype(a, dtype) if dtype is not None else a if is_float(a.type.dtype) else astype(a, I64)
    gone = axes_of(axis, a.ndim)
    kept = [q for q in range(a.ndim) if q not in gone]
    shape = shape_of(a)
    m = sizes.product([shape[q] for q in kept])
    n = sizes.product([shape[q] for q in gone])
    matrix = contiguous(arrays.reshape(with_axes(a, [*kept, *gone]), [m, n]))
    out = allocate(a.type.dtype, (m,), 1)

    def row(i: Any) -> None:
        each(n, lambda j: out.__setitem__(i, out[i] * matrix[i, j]))

    each(m, row)
    if not kept:
        result: Any = arrays.read(out, [0])
    else:
        result = arrays.reshape(out, [shape[q] for q in kept])
    return arrays.keep(result, gone, len(shape)) if keepdims else result


def average(a: Any, axis: Axis = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False) -> Any:
    if returned:
        unsupported("np.average with returned=True", "compute np.sum of the weights")
    if weights is None:
        return mean(a, axis, keepdims=keepdims)
    a, w = as_array(a), as_array(weights)
    if w.ndim != a.ndim:
        w = expand(w, [q for q in range(a.ndim) if q != axes_of(axis, a.ndim)[0]])
    return sum_(a * w, axis, keepdims=keepdims) / sum_(spread(w, shape_of(a)), axis, keepdims=keepdims)


def median(a: Any, axis: Axis = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False) -> Any:
    plain_arguments("median", out=out)
    a = float_array(a)
    if axis is None:
        a, axis = ravel(a), 0
    ordered = sort(a, axis)
    n = shape_of(ordered)[axes_of(axis, a.ndim)[0]]
    n = n if isinstance(n, Traced) else values.constant(int(n))
    low = table.ifloordiv(table.isub(n, 1), 2)
    high = table.ifloordiv(n, 2)
    nonempty(ordered, axis, "median")
    result = (take(ordered, low, axis) + take(ordered, high, axis)) * 0.5
    last = take(ordered, table.isub(n, 1), axis)  # NaNs are sorted to the end
    result = elementwise(lambda m, top: table.select(table.isnan(top), top, m), result, last, name="median")
    return arrays.keep(result, axes_of(axis, a.ndim), a.ndim) if keepdims is True else result


def logsumexp(a: Any, axis: Axis = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """log(sum(b * exp(a))) along axes, without overflow: the largest element is taken out first. Its derivative is softmax."""
    if return_sign:
        unsupported("logsumexp with return_sign=True", "leave it out")
    a = float_array(a)
    if not isinstance(a, Arrayed):
        return a
    gone = axes_of(axis, a.ndim)
    if len(gone) == a.ndim and not keepdims and b is None:
        top = largest(a, None)
        top = table.select(table.isfinite(top), top, to_constant(0.0, top.type))
        total = reduce("sum", a, None, False, lambda x, m: table.exp(x - m), None, top)
        return table.log(total) + top
    top = largest(a, axis, True)
    top = elementwise(lambda m: table.select(table.isfinite(m), m, to_constant(0.0, m.type)), top, name="finite")
    more = () if b is None else (float_array(b),)
    total = reduce("sum", a, axis, True, lambda x, m, *w: table.exp(x - m) * w[0] if w else table.exp(x - m), None, top, *more)
    out = elementwise(lambda s, m: table.log(s) + m, total, top, name="logsumexp")
    if keepdims:
        return out
    return drop(out, gone)


def softmax(x: Any, axis: Axis = None) -> Any:
    x = float_array(x)
    e = elementwise(lambda v, m: table.exp(v - m), x, largest(x, axis, True), name="softmax")
    return e / reduce("sum", e, axis, True)


def log_softmax(x: Any, axis: Axis = None) -> Any:
    x = float_array(x)
    return x - logsumexp(x, axis, keepdims=True)


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    a = as_array(a)
    at = axes_of(axis, a.ndim)[0]
    plain_arguments("diff", prepend=prepend, append=append)
    head = (slice(None),) * at
    for _ in range(n):
        x, y = a[(*head, slice(1, None))], a[(*head, slice(None, -1))]
        a = UFUNCS_OF["not_equal"](x, y) if a.type.dtype == BOOL else x - y
    return a


def gradient(f: Any, *varargs: Any, **kwargs: Any) -> Any:
    f = as_array(f)
    if f.ndim != 1 or kwargs or len(varargs) > 1 or (varargs and is_array(varargs[0])):
        unsupported("np.gradient but of one axis with even steps", "write the differences")
    h = varargs[0] if varargs else 1.0
    if sizes.is_known(shape_of(f)[0]) and sizes.plain(shape_of(f)[0]) < 2:
        raise ValueError(f"Shape of array too small to calculate a numerical gradient, at least 2 elements are required. ({user_site()})")
    inside = (f[2:] - f[:-2]) / (2.0 * h)
    return concatenate([(f[1:2] - f[:1]) / h, inside, (f[-1:] - f[-2:-1]) / h])


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    y = moveaxis(y, axis, -1)
    d = diff(x) if x is not None else dx
    return sum_(d * (y[..., 1:] + y[..., :-1]) * 0.5, -1)


def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    a, v = atleast_1d(a), atleast_1d(v)
    n, m = shape_of(a)[0], shape_of(v)[0]
    full = sizes.add(sizes.add(n, m), -1)
    padded = concatenate([_zeros(sizes.add(m, -1), a), a, _zeros(sizes.add(m, -1), a)])
    base = contiguous(padded)
    index = from_index(lambda i, j: table.iadd(i, j), [full, m], "window")
    out = sum_(gather_flat(base, index) * flip(v)[None, :], 1)
    if mode == "full":
        return out
    if mode == "valid":
        short = sizes.smaller(n, m)
        return out[sizes.add(short, -1) : sizes.sub(sizes.add(n, m), short)]
    return unsupported(f"np.convolve with mode={mode!r}", "use mode='full' or 'valid'")


def allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    found = isclose(a, b, rtol, atol, equal_nan)
    return all_(found) if isinstance(found, Arrayed) else found


def array_equal(a: Any, b: Any, equal_nan: bool = False) -> Any:
    a, b = as_array(a), as_array(b)
    s, t = shape_of(a), shape_of(b)
    if len(s) != len(t) or any(
        sizes.is_known(m) and sizes.is_known(n) and sizes.plain(m) != sizes.plain(n) for m, n in zip(s, t, strict=True)
    ):
        return False
    for m, n in zip(s, t, strict=True):
        sizes.require_equal(m, n, "np.array_equal of traced arrays needs equal shapes")
    same = UFUNCS_OF["equal"](a, b)
    if equal_nan:
        same = UFUNCS_OF["logical_or"](same, UFUNCS_OF["logical_and"](UFUNCS_OF["isnan"](a), UFUNCS_OF["isnan"](b)))
    return all_(same) if isinstance(same, Arrayed) else same


def polyval(p: Any, x: Any) -> Any:
    p = as_array(p)
    y: Any = x * 0.0
    n = sizes.needed(shape_of(p)[0])
    if n is None:
        return unsupported("np.polyval of an unknown number of coefficients", "write the loop")
    for i in range(n):
        y = y * x + p[i]
    return y


def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    return unsupported("np.bincount, whose result's size depends on values,", "use np.add.at on an array of zeros")

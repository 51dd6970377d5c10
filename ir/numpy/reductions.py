"""Reductions of whole arrays, running sums and products, and what is made of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.sites import user_site
from ..core.types import BOOL, F64, I64, is_float
from ..ops import table
from ..ops.library import cumsum as cumsum_rows
from ..staging.loops import each
from ..values import kernels, reshaping, sizes, values
from ..values.arrays import allocate
from ..values.kernels import copied, elementwise, filled, from_index, reduce
from ..values.reshaping import drop, expand, spread
from ..values.values import Arrayed, Traced, to_type, truth
from ..values.views import as_array, axes_of, contiguous, shape_of, with_axes
from ..values.writes import assign
from .choosing import gather_flat, isclose, sort, take, take_along
from .common import (
    UFUNCS_OF,
    Axis,
    along,
    atleast_1d,
    back_from_rows,
    common_dtype,
    count,
    divided,
    float_array,
    nonempty,
    rows,
    scalar_kind,
    unsupported,
)
from .creation import astype, dtype_of
from .dispatch import to_constant
from .shaping import _zeros, concatenate, flip, moveaxis


def _reduction(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A scalar is reduced as the array of one element."""

    @functools.wraps(fn)
    def reduction(a: Any, axis: Axis = None, *args: Any, **kwargs: Any) -> Any:
        a = as_array(a)
        if not isinstance(a, Arrayed):
            axes_of(axis, 0)
            a = filled(a, (1,))
        return fn(a, axis, *args, **kwargs)

    reduction.__name__ = fn.__name__.rstrip("_")
    return reduction


def _masked(a: Arrayed, where: Any, instead: Any) -> Arrayed:
    """`a` with `instead` for the elements that `where=` leaves out."""
    if where is True:
        return a
    dtype = a.type.dtype
    return elementwise(  # type: ignore[no-any-return]
        lambda x, w, other: table.select(truth(w), x, to_constant(other, x.type)), a, where, instead, name="where", dtype=dtype
    )


def _number(a: Arrayed, axis: Axis, where: Any, keepdims: bool) -> Any:
    """How many elements each result is made of."""
    if where is True:
        return count(a, axis)
    chosen = spread(where, shape_of(a))
    return reduce("sum", chosen, axis, keepdims, lambda w: to_type(truth(w), I64))


@_reduction
def sum_(
    a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    if dtype is not None and dtype_of(dtype) != a.type.dtype:
        a = astype(a, dtype)
    more = () if where is True else (where,)
    widen = a.type.dtype == BOOL

    def one(x: Any, *w: Any) -> Any:
        x = to_type(x, I64) if widen else x
        return table.select(truth(w[0]), x, to_constant(0, x.type)) if w else x

    total = reduce("sum", a, axis, keepdims, one, None, *more)
    return total if initial is None else total + initial


@_reduction
def mean(a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = True) -> Any:
    a = astype(a, dtype) if dtype is not None else float_array(a)
    return divided(sum_(a, axis, keepdims=keepdims, where=where), _number(a, axis, where, keepdims))


@_reduction
def var(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    a = astype(a, dtype) if dtype is not None else float_array(a)
    n = _number(a, axis, where, keepdims)
    if mean is None:
        mean = divided(sum_(a, axis, keepdims=True, where=where), _number(a, axis, where, True))
    more = () if where is True else (where,)

    def one(x: Any, m: Any, *w: Any) -> Any:
        square = (x - m) * (x - m)
        return table.select(truth(w[0]), square, to_constant(0, square.type)) if w else square

    total = reduce("sum", a, axis, keepdims, one, None, mean, *more)
    less = ddof if correction is None else correction
    if isinstance(n, (Traced, Arrayed)) or isinstance(less, Traced):
        rest = (astype(n, F64) if isinstance(n, Arrayed) else to_type(n if isinstance(n, Traced) else values.constant(int(n)), F64)) - less
        return divided(total, elementwise(lambda r: table.select(table.lt(r, 0.0), to_constant(0.0, F64), r), rest, name="freedom"))
    return divided(total, max(float(n) - less, 0.0))


@_reduction
def std(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    found = var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction)
    return UFUNCS_OF["sqrt"](found)


def _positions(kind: str) -> Callable[..., Any]:
    def fn(a: Any, axis: Axis = None, out: Any = None, *, keepdims: bool = False) -> Any:
        nonempty(a, axis, kind)
        if axis is not None and not isinstance(axis, (int, np.integer)):
            raise TypeError(f"{kind}: axis must be an int")
        return reduce(kind, a, axis, keepdims)

    fn.__name__ = kind
    return _reduction(fn)


argmax, argmin = _positions("argmax"), _positions("argmin")


def _extreme(kind: str) -> Callable[..., Any]:
    ufunc = "maximum" if kind == "max" else "minimum"

    def fn(a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
        if where is not True and initial is None:
            raise ValueError(
                f"reduction operation '{ufunc}' does not have an identity, so to use a where mask one has to specify 'initial' ({user_site()})"
            )
        nonempty(a, axis, ufunc)
        a = _masked(a, where, initial)
        found = chosen(a, "arg" + kind, axis, keepdims) if is_float(a.type.dtype) else reduce(kind, a, axis, keepdims, dtype=a.type.dtype)
        return found if initial is None else UFUNCS_OF[ufunc](found, initial)

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
    flat = reshaping.reshape(moved, [*shape[: len(kept)], sizes.product(shape[len(kept) :])])
    where = reduce(kind, flat, len(kept))
    if not kept:
        out: Any = reshaping.read(flat, [where])
    else:
        out = take_along(flat, expand(where, [len(kept)]), len(kept))
        out = drop(out, [len(kept)])
    return kernels.put_back(out, gone, rank) if keepdims else out


max_, min_ = _extreme("max"), _extreme("min")


def largest(a: Arrayed, axis: Axis, keepdims: bool = False) -> Any:
    """The maximum as a constant: it has no derivative."""
    return reduce("max", a, axis, keepdims)


@_reduction
def any_(a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False, *, where: Any = True) -> Any:
    return reduce("max", _masked(a, where, False), axis, keepdims, truth, BOOL)


@_reduction
def all_(a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False, *, where: Any = True) -> Any:
    return reduce("min", _masked(a, where, True), axis, keepdims, truth, BOOL)


@_reduction
def count_nonzero(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    return reduce("sum", a, axis, keepdims, lambda x: to_type(truth(x), I64))


@_reduction
def ptp(a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False) -> Any:
    return max_(a, axis, keepdims=keepdims) - min_(a, axis, keepdims=keepdims)


def cumsum(a: Any, axis: Axis = None, dtype: Any = None, out: Any = None) -> Any:
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
    a, axis = along(a, axis)
    a = astype(a, dtype) if dtype is not None else a if is_float(a.type.dtype) else astype(a, I64)
    matrix, order, shape = rows(a, axis)
    return back_from_rows(_running_product(contiguous(matrix)), order, shape)


@_reduction
def prod(
    a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    a = _masked(a, where, 1)
    a = astype(a, dtype) if dtype is not None else a if is_float(a.type.dtype) else astype(a, I64)
    gone = axes_of(axis, a.ndim)
    kept = [q for q in range(a.ndim) if q not in gone]
    shape = shape_of(a)
    m = sizes.product([shape[q] for q in kept])
    n = sizes.product([shape[q] for q in gone])
    matrix = contiguous(reshaping.reshape(with_axes(a, [*kept, *gone]), [m, n]))
    out = allocate(a.type.dtype, (m,), 1)

    def row(i: Any) -> None:
        each(n, lambda j: out.__setitem__(i, out[i] * matrix[i, j]))

    each(m, row)
    if not kept:
        result: Any = reshaping.read(out, [0])
    else:
        result = reshaping.reshape(out, [shape[q] for q in kept])
    result = kernels.put_back(result, gone, len(shape)) if keepdims else result
    return result if initial is None else result * initial


def average(a: Any, axis: Axis = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False) -> Any:
    a = as_array(a)
    if weights is None:
        found = mean(a, axis, keepdims=keepdims)
        return (found, found * 0.0 + count(a, axis)) if returned else found
    w = as_array(weights)
    if w.ndim != a.ndim:
        w = expand(w, [q for q in range(a.ndim) if q != axes_of(axis, a.ndim)[0]])
    total = sum_(spread(w, shape_of(a)), axis, keepdims=keepdims)
    found = sum_(a * w, axis, keepdims=keepdims) / total
    return (found, total) if returned else found


def median(a: Any, axis: Axis = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    a = float_array(a)
    if not isinstance(a, Arrayed):
        return a
    gone, rank = axes_of(axis, a.ndim), a.ndim
    a = _last(a, gone)
    ordered = sort(a, -1)
    n = shape_of(ordered)[-1]
    n = n if isinstance(n, Traced) else values.constant(int(n))
    low = table.ifloordiv(table.isub(n, 1), 2)
    high = table.ifloordiv(n, 2)
    nonempty(ordered, -1, "median")
    result = (take(ordered, low, -1) + take(ordered, high, -1)) * 0.5
    last = take(ordered, table.isub(n, 1), -1)  # NaNs are sorted to the end
    result = elementwise(lambda m, top: table.select(table.isnan(top), top, m), result, last, name="median")
    return kernels.put_back(result, gone, rank) if keepdims else result


def _last(a: Arrayed, gone: Sequence[int]) -> Arrayed:
    """These axes as one, the last."""
    kept = [q for q in range(a.ndim) if q not in gone]
    moved = with_axes(a, [*kept, *gone])
    if len(gone) == 1:
        return moved
    shape = shape_of(moved)
    return reshaping.reshape(moved, [*shape[: len(kept)], sizes.product(shape[len(kept) :])])  # type: ignore[no-any-return]


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
    if prepend is not None or append is not None:
        a = concatenate([*_end(prepend, a, at), a, *_end(append, a, at)], at)
    head = (slice(None),) * at
    for _ in range(n):
        x, y = a[(*head, slice(1, None))], a[(*head, slice(None, -1))]
        a = UFUNCS_OF["not_equal"](x, y) if a.type.dtype == BOOL else x - y
    return a


def _end(value: Any, a: Arrayed, at: int) -> list[Arrayed]:
    """What is put before or behind an array: a scalar is one element for each row."""
    if value is None:
        return []
    value = as_array(value)
    return [value if isinstance(value, Arrayed) else spread(value, [1 if q == at else n for q, n in enumerate(shape_of(a))])]


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    f = as_array(f)
    if edge_order != 1:
        unsupported("np.gradient with edge_order=2", "leave it out, or write the differences")
    axes = list(range(f.ndim)) if axis is None else [axes_of(q, f.ndim)[0] for q in (axis if isinstance(axis, (tuple, list)) else (axis,))]
    steps = list(varargs) * (len(axes) if len(varargs) == 1 else 1) if varargs else [1.0] * len(axes)
    if len(steps) != len(axes):
        raise TypeError(f"invalid number of arguments: np.gradient takes one step, or one for each axis ({user_site()})")
    found = tuple(_slopes(f, as_array(h), q) for h, q in zip(steps, axes, strict=True))
    return found[0] if len(axes) == 1 else found


def _slopes(f: Arrayed, h: Any, axis: int) -> Arrayed:
    """Central differences along an axis, of evenly spaced points or of points at `h`."""
    n = shape_of(f)[axis]
    if sizes.is_known(n) and sizes.plain(n) < 2:
        raise ValueError(f"Shape of array too small to calculate a numerical gradient, at least 2 elements are required. ({user_site()})")
    f = moveaxis(float_array(f), axis, 0)
    if not isinstance(h, Arrayed):
        inside, first, last = (f[2:] - f[:-2]) / (2.0 * h), h, h
    else:
        gaps = expand(diff(h), range(1, f.ndim))
        x, y, first, last = gaps[:-1], gaps[1:], gaps[:1], gaps[-1:]
        inside = (f[2:] * x / y - f[:-2] * y / x + f[1:-1] * (y - x) * (x + y) / (x * y)) / (x + y)
    return moveaxis(concatenate([(f[1:2] - f[:1]) / first, inside, (f[-1:] - f[-2:-1]) / last]), 0, axis)  # type: ignore[no-any-return]


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    y = moveaxis(y, axis, -1)
    x = None if x is None else as_array(x)
    d = dx if x is None else diff(x) if x.ndim == 1 else diff(moveaxis(x, axis, -1))
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
    short = sizes.smaller(n, m)
    if mode == "valid":
        return out[sizes.add(short, -1) : sizes.sub(sizes.add(n, m), short)]
    if mode == "same":
        start = sizes.floordiv(sizes.add(short, -1), 2)
        return out[start : sizes.add(start, sizes.sub(sizes.add(n, m), short))]
    raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r}) ({user_site()})")


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
    p, x = atleast_1d(p), as_array(x)
    n = shape_of(p)[0]
    if sizes.is_known(n):
        y: Any = x * 0.0 if is_float(scalar_kind(p)) or is_float(scalar_kind(x)) else x * 0
        for i in range(int(sizes.plain(n))):
            y = y * x + p[i]
        return y
    t = common_dtype([p, x])
    out = filled(0, shape_of(x) or (1,), t)
    each(n, lambda i: assign(out, out * x + p[i]))
    return out if isinstance(x, Arrayed) else out[0]


def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    return unsupported("np.bincount, whose result's size depends on values,", "use np.add.at on an array of zeros")

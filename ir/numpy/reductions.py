"""Reductions of whole arrays, running sums and products, and what is made of them."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.sites import unsupported, user_site
from ..core.types import BOOL, I64, element, is_inexact
from ..ops import table
from ..ops.library import rules
from ..values import kernels, reshaping, sizes
from ..values.complexes.pairs import is_complex_array
from ..values.kernels import elementwise, filled, reduce
from ..values.library import bind
from ..values.reshaping import drop, expand, spread
from ..values.scalars import truth
from ..values.values import Arrayed, Traced, scalar_type, to_type
from ..values.views import as_array, axes_of, by_planes, contiguous, shape_of, with_axes
from ..values.writes import stored
from .axes import along, back_from_rows, joined, ravel, rows
from .choosing import isclose, take_along
from .common import Axis, astype, axis_of, count, divided, dtype_of, float_array, nonempty, program, scalar_kind
from .registry import implements
from .sorting import sort
from .ufuncs import pick, to_constant


def _reduction(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A scalar is reduced as the array of one element."""

    @functools.wraps(fn)
    def reduction(a: Any, axis: Axis = None, *args: Any, **kwargs: Any) -> Any:
        a = as_array(a)
        if not isinstance(a, Arrayed):
            axes_of(axis, 0)
            a = filled(a, (1,))
        return fn(a, axis, *args, **kwargs)

    return reduction


def _masked(a: Arrayed, where: Any, instead: Any) -> Arrayed:
    """`a` with `instead` for the elements that `where=` leaves out."""
    if where is True:
        return a
    choice = lambda x, w, other: pick(truth(w), x, to_constant(other, x.type))  # noqa: E731
    return elementwise(choice, a, where, instead, name="where", dtype=a.type.dtype)  # type: ignore[no-any-return]


def _number(a: Arrayed, axis: Axis, where: Any, keepdims: bool) -> Any:
    """How many elements each result is made of."""
    return count(a, axis) if where is True else count_nonzero(spread(where, shape_of(a)), axis, keepdims=keepdims)


def _widened(a: Arrayed, dtype: Any) -> Arrayed:
    """As what it is added up or multiplied in: ints and bools as int64."""
    return astype(a, I64 if dtype is None else dtype) if dtype is not None or not is_inexact(a.type.dtype) else a


@implements(np.sum, method="sum", reduce_of=np.add)
@_reduction
def sum_(a: Any, axis: Axis = None, dtype: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
    if dtype is not None and dtype_of(dtype) == BOOL:  # 1 + 1 is 1
        found = any_(a, axis, keepdims, where=where)
        return found if initial is None else np.logical_or(found, initial)
    a = _masked(a if dtype is None or dtype_of(dtype) == a.type.dtype else astype(a, dtype), where, 0)
    total = reduce("sum", a, axis, keepdims, (lambda x: to_type(x, I64)) if a.type.dtype == BOOL else lambda x: x)
    return _finished(total if initial is None else total + _start(initial, total), dtype)


def _start(initial: Any, result: Any) -> Any:
    """What a reduction begins with, in the dtype of its result, as NumPy takes it: 1.5 is 1 for ints."""
    return stored(initial, element(scalar_kind(result)))


def _finished(result: Any, dtype: Any) -> Any:
    """In the dtype that was asked for: sums of int32 have been int64 until here."""
    if dtype is None or scalar_kind(result) == dtype_of(dtype):
        return result
    return astype(result, dtype) if isinstance(result, Arrayed) else stored(result, dtype_of(dtype))


@implements(np.mean, method="mean")
@_reduction
def mean(a: Any, axis: Axis = None, dtype: Any = None, keepdims: bool = False, *, where: Any = True) -> Any:
    if dtype is not None and not is_inexact(dtype_of(dtype)):  # of whole numbers, cut to one
        found = divided(sum_(a, axis, dtype, keepdims, where=where) * 1.0, _number(a, axis, where, keepdims))
        return astype(found, dtype) if isinstance(found, Arrayed) else stored(found, dtype_of(dtype))
    a = float_array(a, dtype)
    return divided(sum_(a, axis, keepdims=keepdims, where=where), _number(a, axis, where, keepdims))


@implements(np.var, method="var")
@_reduction
def var(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    ddof: Any = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    if dtype is not None and not is_inexact(dtype_of(dtype)):
        unsupported(
            f"np.var or np.std with dtype={np.dtype(dtype)}, which cuts the mean to a whole number,", "use a dtype of floats, and astype"
        )
    a = float_array(a, dtype)
    n = _number(a, axis, where, keepdims)
    if mean is None:
        mean = divided(sum_(a, axis, keepdims=True, where=where), _number(a, axis, where, True))
    apart = a - mean
    square = apart.real * apart.real + apart.imag * apart.imag if is_complex_array(apart) else apart * apart
    total = _finished(sum_(square, axis, keepdims=keepdims, where=where), dtype)
    return divided(total, np.maximum(n - (ddof if correction is None else correction), 0))


@implements(np.std, method="std")
@functools.wraps(var)
@_reduction
def std(a: Any, axis: Axis = None, *args: Any, **kwargs: Any) -> Any:
    """Of one element it is 0 whatever that is, and has a derivative; the root of 0 has none."""
    found = var(a, axis, *args, **kwargs)
    n = count(a, axis)
    if not isinstance(n, Traced):
        return found if n == 1 else np.sqrt(found)
    return np.where(table.ieq(n, 1), found, np.sqrt(found))


def _positions(kind: str) -> Callable[..., Any]:
    def fn(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
        nonempty(a, axis, kind)
        if axis is not None and not isinstance(axis, (int, np.integer)):
            raise TypeError(f"{kind}: axis must be an int")
        return _place_of(kind, a, axis, keepdims)

    return _reduction(fn)


argmax = implements(np.argmax, method="argmax")(_positions("argmax"))
argmin = implements(np.argmin, method="argmin")(_positions("argmin"))


def _place_of(kind: str, a: Arrayed, axis: Axis, keepdims: bool = False) -> Any:
    """Where the first of the largest (or smallest) elements is, or the first NaN. Complex ones are compared by their real parts, then by
    their imaginary parts."""
    if not is_complex_array(a):
        return reduce(kind, a, axis, keepdims)
    unknown: Any = np.isnan(a)
    extreme, beyond = ("max", -np.inf) if kind == "argmax" else ("min", np.inf)
    real = a.real == reduce(extreme, _masked(a.real, ~unknown, np.nan), axis, True)
    imag = a.imag == reduce(extreme, _masked(a.imag, real, beyond), axis, True)
    return reduce("argmax", unknown | (real & imag), axis, keepdims)


def _extreme(kind: str, ufunc: np.ufunc) -> Callable[..., Any]:
    def fn(a: Any, axis: Axis = None, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
        if where is not True and initial is None:
            what = f"reduction operation '{ufunc.__name__}' does not have an identity"
            raise ValueError(f"{what}, so to use a where mask one has to specify 'initial' ({user_site()})")
        initial = None if initial is None else _start(initial, a)
        a = _masked(a, where, initial)
        gone, rank = axes_of(axis, a.ndim), a.ndim
        if initial is None:
            nonempty(a, axis, ufunc.__name__)
        elif not sizes.is_known(n := count(a, axis)) or sizes.plain(n) == 0:  # there may be no other element
            a = _last(a, gone)
            first = filled(to_constant(initial, element(a.type.dtype)), [*shape_of(a)[:-1], 1], a.type.dtype)
            found = of(joined([a, first], -1), -1, False)
            return ufunc(kernels.put_back(found, gone, rank) if keepdims else found, initial)
        found = of(a, axis, keepdims)
        return found if initial is None else ufunc(found, initial)

    def of(a: Arrayed, axis: Any, keepdims: bool) -> Any:
        return chosen(a, "arg" + kind, axis, keepdims) if is_inexact(a.type.dtype) else reduce(kind, a, axis, keepdims, dtype=a.type.dtype)

    return _reduction(fn)


def chosen(a: Arrayed, kind: str, axis: Axis, keepdims: bool) -> Any:
    """The first of the largest (or smallest) elements, read at its position: its derivative goes there."""
    gone = axes_of(axis, a.ndim)
    flat = contiguous(a)
    if len(gone) > 1:
        flat = contiguous(_last(flat, gone))
    at = gone[0] if len(gone) == 1 else flat.ndim - 1
    where = _place_of(kind, flat, at)
    out = drop(take_along(flat, expand(where, [at]), at), [at]) if flat.ndim > 1 else reshaping.read(flat, [where])
    return kernels.put_back(out, gone, a.ndim) if keepdims else out


max_ = implements(np.max, np.amax, method="max", reduce_of=np.maximum)(_extreme("max", np.maximum))
min_ = implements(np.min, np.amin, method="min", reduce_of=np.minimum)(_extreme("min", np.minimum))


def largest(a: Arrayed, axis: Axis, keepdims: bool = False) -> Any:
    """The maximum as a constant: it has no derivative."""
    return reduce("max", a, axis, keepdims)


@implements(np.any, method="any", reduce_of=np.logical_or)
@_reduction
def any_(a: Any, axis: Axis = None, keepdims: bool = False, *, where: Any = True) -> Any:
    return reduce("max", _masked(a, where, False), axis, keepdims, truth, BOOL)


@implements(np.all, method="all", reduce_of=np.logical_and)
@_reduction
def all_(a: Any, axis: Axis = None, keepdims: bool = False, *, where: Any = True) -> Any:
    return reduce("min", _masked(a, where, True), axis, keepdims, truth, BOOL)


@implements(np.count_nonzero, gives="python")
@_reduction
def count_nonzero(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    return reduce("sum", a, axis, keepdims, lambda x: to_type(truth(x), I64))


@implements(np.ptp)
def ptp(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return max_(a, axis, keepdims=keepdims) - min_(a, axis, keepdims=keepdims)


@implements(np.cumsum, method="cumsum", accumulate_of=np.add)
def cumsum(a: Any, axis: Axis = None, dtype: Any = None) -> Any:
    if dtype is not None and dtype_of(dtype) == BOOL:  # 1 + 1 is 1
        return np.greater(_running(_sums, astype(as_array(a), BOOL), axis, None), 0)
    return _running(_sums, a, axis, dtype)


@implements(np.cumprod, method="cumprod", accumulate_of=np.multiply)
def cumprod(a: Any, axis: Axis = None, dtype: Any = None) -> Any:
    return _running(lambda x: _running_products(contiguous(x)), a, axis, dtype)


def _running(of_rows: Callable[[Any], Any], a: Any, axis: Axis, dtype: Any) -> Any:
    a, axis = along(a, axis)
    if is_complex_array(a) and of_rows is _sums:
        return by_planes(lambda p: _running(of_rows, p, axis, None), a if dtype is None else astype(a, dtype))
    matrix, order, shape = rows(_widened(a, dtype), axis)
    return back_from_rows(of_rows(matrix), order, shape)


def _sums(x: Any, reverse: int = 0) -> Any:
    """Sums of the first elements of each row, or of the last ones."""
    return bind("cumsum", (x,), [(x.type.dtype, x.shape)], fails=False, reverse=reverse)[0]


rules(
    "cumsum",
    jvp=lambda attrs, args, outs, ts: (_sums(ts[0], attrs["reverse"]),),
    vjp=lambda attrs, args, outs, cs, wanted: (_sums(cs[0], 1 - attrs["reverse"]),),
)


@program
def _running_products(x: Any) -> Any:
    """Products of the first elements of each row, by a loop: its derivative is right at zeros."""
    out = x.copy()
    for i in range(x.shape[0]):
        for j in range(1, x.shape[1]):
            out[i, j] = out[i, j - 1] * x[i, j]
    return out


@program
def _products(x: Any) -> Any:
    """The product of each row."""
    out = np.ones(x.shape[0], x.dtype)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i] *= x[i, j]
    return out


@implements(np.prod, method="prod", reduce_of=np.multiply)
@_reduction
def prod(a: Any, axis: Axis = None, dtype: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
    a = _widened(_masked(a, where, 1), dtype)
    gone, rank = axes_of(axis, a.ndim), a.ndim
    matrix, _, shape = rows(_last(a, gone), rank - len(gone))
    result = reshaping.reshape(_products(contiguous(matrix)), shape[:-1])
    result = kernels.put_back(result, gone, rank) if keepdims else result
    return _finished(result if initial is None else result * _start(initial, result), dtype)


@implements(np.average)
def average(a: Any, axis: Axis = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False) -> Any:
    a = as_array(a)
    if weights is None:
        found = mean(a, axis, keepdims=keepdims)
        return (found, found * 0.0 + count(a, axis)) if returned else found
    w = as_array(weights)
    if w.ndim != a.ndim:
        w = expand(w, [q for q in range(a.ndim) if q != axis_of(axis, a.ndim)])
    total = sum_(spread(w, shape_of(a)), axis, keepdims=keepdims)
    found = sum_(a * w, axis, keepdims=keepdims) / total
    return (found, total) if returned else found


@implements(np.median)
def median(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    a = float_array(a)
    if not isinstance(a, Arrayed):
        return a
    gone, rank = axes_of(axis, a.ndim), a.ndim
    ordered = sort(_last(a, gone), -1)
    n = shape_of(ordered)[-1]
    nonempty(ordered, -1, "median")
    last = ordered[..., n - 1]  # NaNs are sorted to the end
    result = np.where(np.isnan(last), last, (ordered[..., (n - 1) // 2] + ordered[..., n // 2]) * 0.5)
    return kernels.put_back(result, gone, rank) if keepdims else result


def _last(a: Arrayed, gone: Sequence[int]) -> Arrayed:
    """These axes as one, the last."""
    kept = [q for q in range(a.ndim) if q not in gone]
    moved = a if list(range(a.ndim)) == [*kept, *gone] else with_axes(a, [*kept, *gone])
    if len(gone) == 1:
        return moved
    shape = shape_of(moved)
    return reshaping.reshape(moved, [*shape[: len(kept)], sizes.product(shape[len(kept) :])])  # type: ignore[no-any-return]


@implements("scipy.special.logsumexp", reduce_of=np.logaddexp)
@_reduction
def logsumexp(a: Any, axis: Axis = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """log(sum(b * exp(a))) along axes, without overflow: the largest element is taken out first. Its derivative is softmax."""
    a = float_array(a)
    gone = axes_of(axis, a.ndim)
    keep = keepdims or len(gone) < a.ndim
    top = largest(a, axis, keep)
    top = np.where(np.isfinite(top), top, 0.0)
    e = np.exp(a - top)
    total = sum_(e if b is None else e * float_array(b), axis, keepdims=keep)
    parts = (np.log(np.abs(total)) + top, np.sign(total)) if return_sign else (np.log(total) + top,)
    parts = tuple(drop(z, gone) for z in parts) if keep and not keepdims else parts
    return parts if return_sign else parts[0]


@implements("scipy.special.softmax")
def softmax(x: Any, axis: Axis = None) -> Any:
    x = float_array(x)
    e = np.exp(x - largest(x, axis, True))
    return e / sum_(e, axis, keepdims=True)


@implements("scipy.special.log_softmax")
def log_softmax(x: Any, axis: Axis = None) -> Any:
    x = float_array(x)
    return x - logsumexp(x, axis, keepdims=True)


@implements(np.allclose, gives="python")
def allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    found = isclose(a, b, rtol, atol, equal_nan)
    return all_(found) if isinstance(found, Arrayed) else found


@implements(np.array_equiv, gives="python")
def array_equiv(a1: Any, a2: Any) -> Any:
    a, b = as_array(a1), as_array(a2)
    pairs = itertools.zip_longest(*(reversed(shape_of(x)) for x in (a, b)), fillvalue=1)
    known = [(sizes.plain(m), sizes.plain(n)) for m, n in pairs if sizes.is_known(m) and sizes.is_known(n)]
    if any(m != n and 1 not in (m, n) for m, n in known):
        return False
    same = np.equal(a, b)
    return all_(same) if isinstance(same, Arrayed) else same


@implements(np.array_equal, gives="python")
def array_equal(a: Any, b: Any, equal_nan: bool = False) -> Any:
    a, b = as_array(a), as_array(b)
    if any(scalar_type(x) is None for x in (a, b) if not isinstance(x, Arrayed)):
        return False  # None, a text: it is equal to no array
    s, t = shape_of(a), shape_of(b)
    known = [(sizes.plain(m), sizes.plain(n)) for m, n in zip(s, t, strict=False) if sizes.is_known(m) and sizes.is_known(n)]
    if len(s) != len(t) or any(m != n for m, n in known):
        return False
    fit: list[Any] = [table.ieq(*sizes.lifted(m, n)) for m, n in zip(s, t, strict=True) if not sizes.same(m, n)]
    if fit:  # the elements that both have
        least = sizes.smaller(sizes.product(s), sizes.product(t))
        a, b = (ravel(x)[:least] for x in (a, b))
    same = np.equal(a, b)
    if equal_nan:
        same = np.logical_or(same, np.logical_and(np.isnan(a), np.isnan(b)))
    return functools.reduce(np.logical_and, fit, all_(same)) if isinstance(same, Arrayed) else same

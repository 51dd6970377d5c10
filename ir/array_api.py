"""NumPy's functions of whole arrays, for traced ones. FUNCTIONS and METHODS are the table that README shows.

Each is written by kernels, views and the operations of arrayops.py, so none has a derivative of its own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import arrays, errors, sizes, table, values
from .arrayops import bind, gemm
from .arrayops import cumsum as cumsum_rows
from .arrays import (
    View,
    access,
    as_array,
    assign,
    axes_of,
    base_of,
    contiguous,
    copied,
    drop,
    elementwise,
    elementwise_with_index,
    emit,
    expand,
    from_index,
    is_array,
    reduce,
    shape_of,
    spec_of,
    spread,
    with_axes,
    write,
)
from .builder import user_site
from .creation import astype, copy, dtype_of, eye, filled, identity
from .derivatives import each
from .kernel import Result
from .numpy_api import FUNCTIONS as OF_SCALARS
from .numpy_api import UFUNCS, to_constant
from .types import BOOL, F32, F64, I32, I64, Scalar, is_float
from .values import Arrayed, Traced, allocate, arithmetic, scalar_type, to_type, truth

Axis = Any


def unsupported(what: str, instead: str) -> Any:
    raise errors.UnsupportedOperationError(f"{what} at {user_site()} is not supported; {instead}")


def plain_arguments(name: str, **given: Any) -> None:
    """Refuse arguments of NumPy's that are not supported."""
    for argument, value in given.items():
        if value is not None and value is not np._NoValue:
            unsupported(f"np.{name} with {argument}=", "leave it out")


def scalar_kind(x: Any) -> Scalar:
    return x.type.dtype if isinstance(x, Arrayed) else (scalar_type(x) or (F64, True))[0]


def float_array(x: Any) -> Any:
    """As floats: ints and bools become f64."""
    x = as_array(x)
    if is_float(scalar_kind(x)):
        return x
    return astype(x, F64) if isinstance(x, Arrayed) else arithmetic("div", x, 1) if isinstance(x, Traced) else float(x)


# ---- reductions
def _reduction(fn: Callable[..., Any]) -> Callable[..., Any]:
    """With NumPy's arguments out= (refused), keepdims= and a scalar as the array of one element."""

    def reduction(a: Any, axis: Axis = None, *args: Any, keepdims: Any = False, out: Any = None, **kwargs: Any) -> Any:
        plain_arguments(fn.__name__.rstrip("_"), out=out)
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


def count(a: Arrayed, axis: Axis) -> Any:
    shape = shape_of(a)
    return sizes.product([shape[q] for q in axes_of(axis, len(shape))])


def divided(total: Any, n: Any) -> Any:
    """total / n in total's dtype."""
    t = scalar_kind(total)
    n = to_type(n, t) if isinstance(n, Traced) else float(n)
    if not isinstance(total, (Traced, Arrayed)):
        return float(np.float64(total) / n)
    return arithmetic("div", total, n)


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
        rest = table.select(table.lt(rest, 0.0), rest * 0.0, rest)
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


def nonempty(a: Arrayed, axis: Axis, name: str) -> None:
    n = count(a, axis)
    if sizes.is_known(n):
        if int(sizes.plain(n)) == 0:
            raise errors.ArrayShapeError(f"zero-size array to reduction operation {name} which has no identity ({user_site()})")
        return
    sizes._check(
        "equal_size",
        table.select(table.ieq(n, 0), n, arrays._lifted(1)[0]),
        1,
        f"zero-size array to reduction operation {name} which has no identity",
    )


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


def rows(a: Arrayed, axis: int) -> tuple[Arrayed, list[int], list[Any]]:
    """(a matrix whose rows run along `axis`, the order of axes that it comes from, the sizes in that order)"""
    order = [q for q in range(a.ndim) if q != axis] + [axis]
    moved = a if order == list(range(a.ndim)) else with_axes(a, order)
    shape = shape_of(moved)
    return arrays.reshape(moved, [sizes.product(shape[:-1]), shape[-1]]), order, shape


def back_from_rows(out: Arrayed, order: Sequence[int], shape: Sequence[Any]) -> Arrayed:
    out = arrays.reshape(out, list(shape))
    return out if list(order) == sorted(order) else with_axes(out, [list(order).index(q) for q in range(len(order))])


def along(a: Any, axis: Axis) -> tuple[Arrayed, int]:
    """(array, axis), flat where axis is None."""
    a = as_array(a)
    if not isinstance(a, Arrayed):
        a = filled(a, (1,))
    if axis is None:
        return (a if a.ndim == 1 else ravel(a)), 0
    return a, axes_of(axis, a.ndim)[0]


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


# ---- products
def as_operand(x: Any) -> Any:
    return as_array(x)


def contract(out: str, *operands: tuple[Any, str]) -> Any:
    """One kernel: the sum of products over the letters that are not in `out`."""
    space: dict[str, Any] = {}
    for a, letters in operands:
        for n, c in zip(shape_of(a), letters, strict=True):
            if c not in space or (sizes.is_known(space[c]) and sizes.plain(space[c]) == 1):
                space[c] = n
            elif not (sizes.is_known(n) and sizes.plain(n) == 1):
                space[c] = sizes.require_equal(space[c], n, "operands of a product do not fit together")
    letters = "".join(space)
    order = [*out, *(c for c in letters if c not in out)]
    order = loop_order(out, order, operands)
    shape = [space[c] for c in order]
    inputs = [access(a, [order.index(c) for c in ls], shape) if isinstance(a, Arrayed) else a for a, ls in operands]

    def one(*xs: Any) -> Any:
        total = xs[0]
        for x in xs[1:]:
            total = values._of_bools("mul", total, x) if values._bools(total, x) else arithmetic("mul", total, x)
        return total

    dtype = I32 if all(isinstance(a, Arrayed) and a.type.dtype == I32 for a, _ in operands) else None
    (result,) = emit("product", shape, inputs, one, [Result("sum", tuple(sorted(order.index(c) for c in out)))], [dtype] if out else [])
    now = [c for c in order if c in out]
    if isinstance(result, Arrayed) and now != list(out):
        result = with_axes(result, [now.index(c) for c in out])
    return result


def loop_order(out: str, order: list[str], operands: Any) -> list[str]:
    """The loops of a product: the innermost runs along the last axis of as many operands as can be."""
    if len(order) < 2:
        return order
    votes = {c: sum(letters[-1:] == c for _, letters in operands) + (out[-1:] == c) * 0.5 for c in order}
    last = max(order, key=lambda c: (votes[c], order.index(c)))
    rest = [c for c in order if c != last]
    return [*rest, last]


def matmul(x: Any, y: Any) -> Any:
    """`@`: of vectors, matrices, and stacks of them."""
    x, y = as_operand(x), as_operand(y)
    if not (isinstance(x, Arrayed) and isinstance(y, Arrayed)):
        raise ValueError(f"matmul: Input operand does not have enough dimensions ({user_site()})")
    names = "the inner sizes of `@` differ"
    sizes.require_equal(
        shape_of(x)[-1], shape_of(y)[-2 if y.ndim > 1 else 0], f"matmul: {names}, {sizes.show(shape_of(x))} and {sizes.show(shape_of(y))}"
    )
    if x.ndim == 1 and y.ndim == 1:
        return contract("", (x, "k"), (y, "k"))
    if x.ndim == 1 or y.ndim == 1:
        big = x if y.ndim == 1 else y
        stack = "abcdefg"[: big.ndim - 2]
        if y.ndim == 1:
            return contract(stack + "i", (x, stack + "ik"), (y, "k"))
        return contract(stack + "j", (x, "k"), (y, stack + "kj"))
    return stacked_product(x, y)


def stacked_product(x: Arrayed, y: Arrayed) -> Any:
    if not (is_float(x.type.dtype) and is_float(y.type.dtype)):
        rank = max(x.ndim, y.ndim) - 2
        letters = "abcdefgh"[:rank]
        return contract(letters + "ij", (x, letters[rank - x.ndim + 2 :] + "ik"), (y, letters[rank - y.ndim + 2 :] + "kj"))
    t = F64 if F64 in (x.type.dtype, y.type.dtype) else F32
    x, y = (a if a.type.dtype == t else astype(a, t) for a in (x, y))
    stack = sizes.broadcast([shape_of(x)[:-2], shape_of(y)[:-2]])
    (x, tx), (y, ty) = (_matrices(a, stack) for a in (x, y))
    return gemm(x, y, tx, ty)


def _matrices(a: Arrayed, stack: Sequence[Any]) -> tuple[Arrayed, int]:
    """A whole array of matrices, and whether each is transposed: a transposed view needs no copy."""
    if a.ndim - 2 != len(stack) or not all(map(sizes.same, shape_of(a)[:-2], stack)):
        a = spread(a, [*stack, *shape_of(a)[-2:]])
    if isinstance(a, View):
        n = a.ndim
        whole = [*range(n - 2), n - 1, n - 2]
        turned = [(v, s, t) for v, s, t in a.spec] == [(q, 0, 1) for q in whole] and len(a.spec) == n
        if turned and all(sizes.same(p, q) for p, q in zip([a.sizes[v] for v in whole], shape_of(a.base), strict=True)):
            return a.base, 1
        return contiguous(a), 0
    return a, 0


def dot(x: Any, y: Any, out: Any = None) -> Any:
    plain_arguments("dot", out=out)
    x, y = as_operand(x), as_operand(y)
    if not (isinstance(x, Arrayed) and isinstance(y, Arrayed)):
        return arithmetic("mul", *(np.float64(v) if isinstance(v, float) else v for v in (x, y)))
    if x.ndim <= 2 and y.ndim <= 2:
        return matmul(x, y)
    a, b = "abcdefgh"[: x.ndim - 1], "ijklmnop"[: y.ndim - 1]
    right = b + "z" if y.ndim == 1 else b[:-1] + "z" + b[-1]
    return einsum(f"{a}z,{right}->{a}{b}", x, y)


def inner(x: Any, y: Any) -> Any:
    x, y = as_operand(x), as_operand(y)
    if not (isinstance(x, Arrayed) and isinstance(y, Arrayed)):
        return arithmetic("mul", x, y)
    a, b = "abcdefgh"[: x.ndim - 1], "ijklmnop"[: y.ndim - 1]
    return einsum(f"{a}z,{b}z->{a}{b}", x, y)


def outer(x: Any, y: Any, out: Any = None) -> Any:
    plain_arguments("outer", out=out)
    x, y = ravel(x), ravel(y)
    return arithmetic("mul", expand(x, (1,)), expand(y, (0,)))


def vdot(x: Any, y: Any) -> Any:
    return matmul(ravel(x), ravel(y))


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    return sum_(diagonal(a, offset, axis1, axis2), -1, dtype)


def kron(x: Any, y: Any) -> Any:
    x, y = as_array(x), as_array(y)
    if not (isinstance(x, Arrayed) and isinstance(y, Arrayed)):
        return arithmetic("mul", x, y)
    rank = max(x.ndim, y.ndim)
    x, y = expand(x, range(rank - x.ndim)), expand(y, range(rank - y.ndim))
    z = arithmetic("mul", expand(x, range(1, 2 * rank, 2)), expand(y, range(0, 2 * rank, 2)))
    return arrays.reshape(z, [sizes.mul(m, n) for m, n in zip(shape_of(x), shape_of(y), strict=True)])


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    a, b = as_array(a), as_array(b)
    if isinstance(axes, (int, np.integer)):
        left, right = list(range(a.ndim - int(axes), a.ndim)), list(range(int(axes)))
    else:
        left, right = ([int(x)] if isinstance(x, (int, np.integer)) else list(x) for x in axes)
    left, right = [axes_of(x, a.ndim)[0] for x in left], [axes_of(x, b.ndim)[0] for x in right]
    if len(left) != len(right):
        raise errors.ArrayShapeError(f"shape-mismatch for sum ({user_site()})")
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    first = [next(letters) for _ in range(a.ndim)]
    second = [first[left[right.index(q)]] if q in right else next(letters) for q in range(b.ndim)]
    result = [c for q, c in enumerate(first) if q not in left] + [c for q, c in enumerate(second) if q not in right]
    return einsum(f"{''.join(first)},{''.join(second)}->{''.join(result)}", a, b)


def einsum(subscripts: Any, *operands: Any, **kwargs: Any) -> Any:
    """Einstein's sums. Two operands become a matrix product where they are one; more are taken two at a time."""
    if not isinstance(subscripts, str):
        unsupported("np.einsum with operands before subscripts", "give the subscripts as a string first")
    terms, result = _subscripts(subscripts.replace(" ", ""), [as_array(x) for x in operands])
    given = [_no_repeats(x, s) for x, s in zip(map(as_array, operands), terms, strict=True)]
    while len(given) > 1:
        (a, s), (b, t), *rest = given
        later = set(result).union(*(set(u) for _, u in rest))
        if rest and _one_loop(given, result):
            return contract(result, *given)
        keep = "".join(c for c in dict.fromkeys(s + t) if c in later)
        target = result if not rest else keep
        given = [(pair(a, s, b, t, target), target), *rest]
    a, s = given[0]
    return a if s == result else single(a, s, result)


def _one_loop(given: Any, result: str) -> bool:
    """Do all letters stand in one operand?"""
    every = {c for _, s in given for c in s}
    return any(set(s) == every for _, s in given)


def _subscripts(text: str, operands: list[Any]) -> tuple[list[str], str]:
    left, arrow, result = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ValueError(f"einsum: {len(terms)} subscripts for {len(operands)} operands ({user_site()})")
    spare = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in text]
    wide = max((len(shape_of(x)) - len(t.replace("...", "")) for x, t in zip(operands, terms, strict=True) if "..." in t), default=0)
    dots = "".join(spare[:wide])
    out = []
    for x, t in zip(operands, terms, strict=True):
        n = len(shape_of(x)) - len(t.replace("...", ""))
        t = t.replace("...", dots[wide - n :] if n else "")
        if len(t) != len(shape_of(x)):
            raise ValueError(f"einsum: operand has {len(shape_of(x))} axes but subscripts {t!r} ({user_site()})")
        out.append(t)
    if not arrow:
        every = "".join(out)
        result = dots + "".join(sorted(c for c in set(every) if every.count(c) == 1 and c not in dots))
    else:
        result = result.replace("...", dots)
        for c in result:
            if result.count(c) > 1:
                raise ValueError(f"einsum: output subscript {c!r} is there several times ({user_site()})")
            if not any(c in t for t in out):
                raise ValueError(f"einsum: output subscript {c!r} is in no operand ({user_site()})")
    return out, result


def _no_repeats(a: Any, s: str) -> tuple[Any, str]:
    """'ii' is the diagonal."""
    for c in dict.fromkeys(s):
        while s.count(c) > 1:
            i = s.index(c)
            j = s.index(c, i + 1)
            sizes.require_equal(shape_of(a)[i], shape_of(a)[j], f"dimensions in operand for collapsing index {c!r} don't match")
            a = diagonal(a, 0, i, j)
            s = s[:i] + s[i + 1 : j] + s[j + 1 :] + c
    return a, s


def single(a: Any, s: str, result: str) -> Any:
    if sorted(s) == sorted(result):
        return with_axes(a, [s.index(c) for c in result])
    return contract(result, (a, s))


def pair(a: Any, s: str, b: Any, t: str, result: str) -> Any:
    stack = [c for c in s if c in t and c in result]
    summed = [c for c in s if c in t and c not in result]
    left, right = [c for c in s if c not in t], [c for c in t if c not in s]
    alone = [c for c in (*left, *right) if c not in result]
    floats = is_float(scalar_kind(a)) and is_float(scalar_kind(b))
    if not summed or not left or not right or alone or not floats:
        return contract(result, (a, s), (b, t))
    x = with_axes(a, [s.index(c) for c in (*stack, *left, *summed)])
    y = with_axes(b, [t.index(c) for c in (*stack, *summed, *right)])
    sx, sy = shape_of(x), shape_of(y)
    n, m = len(stack), len(left)
    x = _grouped(x, [sx[:n], sx[n : n + m], sx[n + m :]])
    y = _grouped(y, [sy[:n], sy[n : n + len(summed)], sy[n + len(summed) :]])
    if n == 0:
        x, y = drop(x, [0]) if x.ndim == 3 else x, drop(y, [0]) if y.ndim == 3 else y
    z = matmul(x, y)
    z = arrays.reshape(z, [*sx[:n], *sx[n : n + m], *sy[n + len(summed) :]])
    now = [*stack, *left, *right]
    return z if now == list(result) else with_axes(z, [now.index(c) for c in result])


def _grouped(a: Arrayed, groups: Sequence[Sequence[Any]]) -> Arrayed:
    """Axes joined in groups; as it is where each group is one axis."""
    if all(len(g) == 1 for g in groups) or (not groups[0] and all(len(g) == 1 for g in groups[1:])):
        return a
    new = [sizes.product(g) for g in groups]
    return arrays.reshape(a, new if groups[0] else new[1:])  # type: ignore[no-any-return]


def cross(a: Any, b: Any, axis: int = -1, **kwargs: Any) -> Any:
    a, b = as_array(a), as_array(b)
    if kwargs:
        unsupported("np.cross with axisa=, axisb= or axisc=", "move the axes first")
    x, y = moveaxis(a, axis, 0), moveaxis(b, axis, 0)
    for v in (x, y):
        sizes.require_equal(shape_of(v)[0], 3, "np.cross: both arrays must be (arrays of) 3-dimensional vectors")
    parts = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]]
    return moveaxis(stack(parts), 0, axis)


# ---- diagonals and triangles
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """A copy of a diagonal, as the last axis."""
    a = as_array(a)
    if a.ndim < 2:
        raise errors.ArrayShapeError(f"diag requires an array of at least two dimensions ({user_site()})")
    i, j = axes_of(axis1, a.ndim)[0], axes_of(axis2, a.ndim)[0]
    if i == j:
        raise ValueError(f"axis1 and axis2 cannot be the same ({user_site()})")
    order = [q for q in range(a.ndim) if q not in (i, j)] + [i, j]
    a = with_axes(a, order)
    shape = shape_of(a)
    m, n, k = shape[-2], shape[-1], int(offset)
    first, second = (sizes.add(m, min(k, 0)), sizes.add(n, -max(k, 0)))
    length = sizes.nonnegative(sizes.smaller(sizes.nonnegative(first), sizes.nonnegative(second)))
    base, spec, rank = base_of(a), spec_of(a), a.ndim
    if len({v for v, _, _ in spec if v >= rank - 2}) < 2:
        a = copied(a)
        base, spec = a, spec_of(a)
    down, along_ = max(-k, 0), max(k, 0)
    new = [
        (rank - 2, sizes.add(s, sizes.mul(t, down)), t)
        if v == rank - 2
        else (rank - 2, sizes.add(s, sizes.mul(t, along_)), t)
        if v == rank - 1
        else (v, s, t)
        for v, s, t in spec
    ]
    return View(base, new, [*shape[:-2], length], a.owned)


def diag(v: Any, k: int = 0) -> Any:
    v = as_array(v)
    if v.ndim == 2:
        return copied(diagonal(v, k))
    if v.ndim != 1:
        raise errors.ArrayShapeError(f"Input must be 1- or 2-d. ({user_site()})")
    n = sizes.add(shape_of(v)[0], abs(int(k)))
    out = allocate(v.type.dtype, (n, n), 0)
    write(diagonal(out, k), lambda x: x, v, reads=False, fresh=False)
    return out


def _triangle(keeps: Callable[[Any, Any, int], Any]) -> Callable[..., Any]:
    def fn(m: Any, k: int = 0) -> Any:
        m = as_array(m)
        if m.ndim < 2:
            m = spread(m, [shape_of(m)[0], shape_of(m)[0]])

        def one(x: Any, *index: Any) -> Any:
            return table.select(keeps(index[-2], index[-1], int(k)), x, to_constant(0, x.type))

        return elementwise_with_index(one, m)

    return fn


tril = _triangle(lambda i, j, k: table.ige(table.iadd(i, k), j))
triu = _triangle(lambda i, j, k: table.ile(table.iadd(i, k), j))


# ---- shapes
def reshape(a: Any, *shape: Any, order: str = "C", copy: Any = None, newshape: Any = None) -> Any:
    a = as_array(a)
    if order not in ("C", "A"):
        unsupported(f"reshape with order={order!r}", "transpose first")
    new = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape if shape else newshape
    new = new if isinstance(new, (tuple, list)) else (new,)
    if not isinstance(a, Arrayed):
        a = filled(a, (1,))
    return arrays.reshape(a, list(new))


def ravel(a: Any, order: str = "C") -> Any:
    a = as_array(a)
    if not isinstance(a, Arrayed):
        return filled(a, (1,))
    if a.ndim == 1:
        return a
    return arrays.reshape(a, [sizes.product(shape_of(a))])


def transpose(a: Any, *axes: Any) -> Any:
    a = as_array(a)
    if not isinstance(a, Arrayed):
        return a
    order = axes[0] if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))) else axes
    order = list(range(a.ndim))[::-1] if not order else [axes_of(q, a.ndim)[0] for q in order]
    if sorted(order) != list(range(a.ndim)):
        raise errors.ArrayShapeError(f"axes don't match array ({user_site()})")
    return arrays.settle(with_axes(a, order))  # type: ignore[arg-type]


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    a = as_array(a)
    order = list(range(a.ndim))
    i, j = axes_of(axis1, a.ndim)[0], axes_of(axis2, a.ndim)[0]
    order[i], order[j] = j, i
    return transpose(a, order)


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    a = as_array(a)
    from_, to = ([x] if isinstance(x, (int, np.integer)) else list(x) for x in (source, destination))
    from_, to = [axes_of(x, a.ndim)[0] for x in from_], [axes_of(x, a.ndim)[0] for x in to]
    order = [q for q in range(a.ndim) if q not in from_]
    for d, s in sorted(zip(to, from_, strict=True)):
        order.insert(d, s)
    return transpose(a, order)


def expand_dims(a: Any, axis: Any) -> Any:
    a = as_array(a)
    n = len(axis) if isinstance(axis, (tuple, list)) else 1
    if not isinstance(a, Arrayed):
        return filled(a, (1,) * n)
    return expand(a, axes_of(axis, a.ndim + n))


def squeeze(a: Any, axis: Any = None) -> Any:
    a = as_array(a)
    if not isinstance(a, Arrayed):
        return a
    if axis is None:
        shape = shape_of(a)
        if not all(map(sizes.is_known, shape)):
            unsupported("squeeze() of an array whose sizes are not known while it is traced", "name the axis: squeeze(axis=...)")
        return drop(a, [q for q, n in enumerate(shape) if sizes.plain(n) == 1])
    return drop(a, axes_of(axis, a.ndim))


def broadcast_to(a: Any, shape: Any, subok: bool = False) -> Any:
    return spread(a, list(shape) if isinstance(shape, (tuple, list)) else [shape])


def broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    given = [as_array(a) for a in args]
    shape = sizes.broadcast([shape_of(a) for a in given])
    return tuple(spread(a, shape) for a in given)


def common_dtype(parts: Sequence[Any]) -> Scalar:
    kinds = [scalar_kind(p) for p in parts]
    if all(k == kinds[0] for k in kinds):
        return kinds[0]
    found = np.result_type(*(values_dtype(k) for k in kinds))
    return dtype_of(found)


def values_dtype(t: Scalar) -> Any:
    from .types import NUMPY_DTYPES

    return NUMPY_DTYPES[t]


def concatenate(parts: Any, axis: Any = 0, out: Any = None, dtype: Any = None, casting: str = "same_kind") -> Any:
    plain_arguments("concatenate", out=out)
    given = list(parts) if isinstance(parts, (list, tuple)) else [parts[i] for i in range(_known_length(parts))]
    pieces = [as_array(p) for p in given]
    if not pieces:
        raise ValueError(f"need at least one array to concatenate ({user_site()})")
    if any(not isinstance(p, Arrayed) for p in pieces):
        raise ValueError(f"zero-dimensional arrays cannot be concatenated ({user_site()})")
    if axis is None:
        pieces, axis = [ravel(p) for p in pieces], 0
    rank = pieces[0].ndim
    for p in pieces:
        if p.ndim != rank:
            raise errors.ArrayShapeError(
                f"all the input array dimensions except for the concatenation axis must match exactly: {rank} and {p.ndim} dimensions ({user_site()})"
            )
    at = axes_of(axis, rank)[0]
    shape = shape_of(pieces[0])
    total: Any = 0
    starts = []
    for p in pieces:
        own = shape_of(p)
        for q in range(rank):
            if q != at:
                shape[q] = sizes.require_equal(
                    shape[q], own[q], "all the input array dimensions except for the concatenation axis must match exactly"
                )
        starts.append(total)
        total = sizes.add(total, own[at])
    shape[at] = total
    result = arrays.blank(dtype_of(dtype) if dtype is not None else common_dtype(pieces), shape)
    for p, start in zip(pieces, starts, strict=True):
        own = shape_of(p)
        spec = [(q, start if q == at else 0, 1) for q in range(rank)]
        place = View(result, spec, [own[q] if q == at else shape[q] for q in range(rank)])
        write(place, lambda x: x, p, reads=False)
    return result


def _known_length(a: Any) -> int:
    n = shape_of(a)[0]
    if not sizes.is_known(n):
        unsupported("taking an array apart along an axis of unknown size", "use reshape")
    return int(sizes.plain(n))


def stack(parts: Any, axis: int = 0, out: Any = None, dtype: Any = None, casting: str = "same_kind") -> Any:
    plain_arguments("stack", out=out)
    pieces = [as_array(p) for p in parts]
    if not any(isinstance(p, Arrayed) for p in pieces):
        from .creation import array

        return array(list(pieces))
    rank = pieces[0].ndim + 1
    return concatenate([expand(p, axes_of(axis, rank)) for p in pieces], axis, dtype=dtype)


def _at_least(n: int) -> Callable[..., Any]:
    def one(a: Any) -> Any:
        a = as_array(a)
        if not isinstance(a, Arrayed):
            return filled(a, (1,) * n)
        if a.ndim >= n:
            return a
        if n == 3:
            return expand(a, (0, 2)) if a.ndim == 1 else expand(a, (2,))
        return expand(a, range(n - a.ndim))

    return lambda *args: one(args[0]) if len(args) == 1 else tuple(map(one, args))


atleast_1d, atleast_2d, atleast_3d = map(_at_least, (1, 2, 3))


def vstack(parts: Any, **kwargs: Any) -> Any:
    return concatenate([atleast_2d(p) for p in parts], 0, **kwargs)


def hstack(parts: Any, **kwargs: Any) -> Any:
    pieces = [atleast_1d(p) for p in parts]
    return concatenate(pieces, 0 if pieces[0].ndim == 1 else 1, **kwargs)


def dstack(parts: Any) -> Any:
    return concatenate([atleast_3d(p) for p in parts], 2)


def column_stack(parts: Any) -> Any:
    pieces = [as_array(p) for p in parts]
    return concatenate([expand(p, (1,)) if p.ndim == 1 else p for p in pieces], 1)


def append(a: Any, v: Any, axis: Any = None) -> Any:
    if axis is None:
        return concatenate([ravel(a), ravel(v)])
    return concatenate([a, v], axis)


def split(a: Any, parts: Any, axis: int = 0) -> Any:
    return _split(a, parts, axis, True)


def array_split(a: Any, parts: Any, axis: int = 0) -> Any:
    return _split(a, parts, axis, False)


def _split(a: Any, parts: Any, axis: int, even: bool) -> Any:
    a = as_array(a)
    at = axes_of(axis, a.ndim)[0]
    n = shape_of(a)[at]

    def piece(start: Any, stop: Any) -> Any:
        return a[(*[slice(None)] * at, slice(start, stop))]

    if isinstance(parts, (int, np.integer)):
        k = int(parts)
        if k <= 0:
            raise ValueError(f"number sections must be larger than 0. ({user_site()})")
        if not sizes.is_known(n):
            if not even:
                unsupported("np.array_split of an axis of unknown size", "use np.split where the sizes are even")
            size = table.ifloordiv(*arrays._lifted(n, k))
            sizes.require_equal(sizes.mul(size, k), n, "array split does not result in an equal division")
            return [View(base_of(p), spec_of(p), [size if q == at else m for q, m in enumerate(shape_of(p))], p.owned)
                    for i in range(k) for p in [a[(*[slice(None)] * at, slice(size * i, None))]]]  # fmt: skip
        total = int(sizes.plain(n))
        if even and total % k:
            raise errors.ArrayShapeError(f"array split does not result in an equal division ({user_site()})")
        ends = [total // k * (i + 1) + min(i + 1, total % k) for i in range(k)]
        return [piece(s, e) for s, e in zip([0, *ends[:-1]], ends, strict=True)]
    cuts = [None, *list(parts), None]
    return [piece(s, e) for s, e in itertools.pairwise(cuts)]


def flip(m: Any, axis: Any = None) -> Any:
    m = as_array(m)
    if not isinstance(m, Arrayed):
        return m
    gone = axes_of(axis, m.ndim)
    return m[tuple(slice(None, None, -1) if q in gone else slice(None) for q in range(m.ndim))]


def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    m = as_array(m)
    i, j = (axes_of(x, m.ndim)[0] for x in axes)
    k %= 4
    if k == 0:
        return copied(m)
    if k == 2:
        return flip(flip(m, i), j)
    return swapaxes(flip(m, j), i, j) if k == 1 else flip(swapaxes(m, i, j), j)


def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    a = as_array(a)
    if axis is None:
        flat = roll(ravel(a), shift, 0)
        return arrays.reshape(flat, shape_of(a))
    if isinstance(axis, (tuple, list)):
        for s, x in zip(shift if isinstance(shift, (tuple, list)) else [shift] * len(axis), axis, strict=True):
            a = roll(a, s, x)
        return a
    at = axes_of(axis, a.ndim)[0]
    n = shape_of(a)[at]
    head = (slice(None),) * at
    if sizes.is_known(n) and not isinstance(shift, Traced):
        n = int(sizes.plain(n))
        k = int(shift) % n if n else 0
        return concatenate([a[(*head, slice(n - k, None))], a[(*head, slice(0, n - k))]], at) if k else copied(a)
    top, s = arrays._lifted(n, shift)
    safe = table.select(table.ieq(top, 0), table.iadd(top, 1), top)
    k = table.imod(s, safe)
    cut = table.isub(top, k)
    return concatenate([a[(*head, slice(cut, None))], a[(*head, slice(None, cut))]], at)


def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    a, at = along(a, axis)
    if not isinstance(repeats, (int, np.integer)) and not (isinstance(repeats, Traced) and repeats.type == I64):
        if is_array(repeats) and isinstance(repeats, np.ndarray):
            return take(a, np.repeat(np.arange(len(repeats)), repeats), at)
        unsupported("np.repeat with an array of counts", "use np.take with indices")
    shape = shape_of(a)
    wide = spread(expand(a, (at + 1,)), [*shape[: at + 1], repeats, *shape[at + 1 :]])
    return arrays.reshape(wide, [*shape[:at], sizes.mul(shape[at], repeats), *shape[at + 1 :]])


def tile(a: Any, reps: Any) -> Any:
    a = as_array(a)
    if not isinstance(a, Arrayed):
        a = filled(a, (1,))
    reps = list(reps) if isinstance(reps, (tuple, list)) else [reps]
    rank = max(a.ndim, len(reps))
    a, reps = expand(a, range(rank - a.ndim)), [1] * (rank - len(reps)) + reps
    shape = shape_of(a)
    wide = spread(expand(a, range(0, 2 * rank, 2)), [x for r, n in zip(reps, shape, strict=True) for x in (r, n)])
    return arrays.reshape(wide, [sizes.mul(r, n) for r, n in zip(reps, shape, strict=True)])


def pad(a: Any, pad_width: Any, mode: str = "constant", **kwargs: Any) -> Any:
    a = as_array(a)
    if mode not in ("constant", "edge", "reflect", "wrap"):
        unsupported(f"np.pad with mode={mode!r}", "use mode='constant', 'edge', 'reflect' or 'wrap'")
    if not isinstance(a, Arrayed):
        return a
    widths = np.broadcast_to(np.asarray(pad_width), (a.ndim, 2)).tolist()
    if any(w < 0 for pair in widths for w in pair):
        raise ValueError(f"index can't contain negative values ({user_site()})")
    if mode == "constant":
        value = kwargs.get("constant_values", 0)
        if not isinstance(value, (int, float, np.generic, Traced)):
            unsupported("np.pad with several constant_values", "use one")
        shape = [sizes.add(n, lo + hi) for n, (lo, hi) in zip(shape_of(a), widths, strict=True)]
        out = allocate(a.type.dtype, tuple(shape), arrays.stored(value, a.type.dtype))
        place = View(out, [(q, lo, 1) for q, (lo, _) in enumerate(widths)], shape_of(a))
        write(place, lambda x: x, a, reads=False)
        return out
    for q, (lo, hi) in enumerate(widths):
        a = _padded(a, q, lo, hi, mode)
    return a


def _padded(a: Arrayed, q: int, lo: int, hi: int, mode: str) -> Arrayed:
    n = shape_of(a)[q]
    (top,) = arrays._lifted(n)

    def source(i: Any, n: Any) -> Any:
        j = table.isub(i, lo)
        last = table.isub(n, 1)
        if mode == "wrap":
            return table.imod(j, n)
        if mode == "reflect":
            period = table.imul(last, 2)
            r = table.imod(j, table.select(table.ieq(period, 0), table.iadd(period, 1), period))
            return table.select(table.igt(r, last), table.isub(period, r), r)
        return table.select(table.ilt(j, 0), table.isub(last, last), table.select(table.igt(j, last), last, j))

    index = from_index(source, [sizes.add(n, lo + hi)], "pad", I64, [top])
    return take(a, index, q)  # type: ignore[no-any-return]


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


def _zeros(n: Any, like: Arrayed) -> Arrayed:
    return allocate(like.type.dtype, (n,), 0)


# ---- choosing
def gather_flat(a: Arrayed, index: Arrayed) -> Arrayed:
    from .gather import gathered

    return gathered(a, contiguous(index), shape_of(index))


def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    plain_arguments("take", out=out)
    if mode != "raise":
        unsupported(f"np.take with mode={mode!r}", "clip the indices first")
    a, at = along(a, axis)
    indices = as_array(indices)
    return a[(*[slice(None)] * at, indices)]


def take_along(a: Arrayed, indices: Arrayed, axis: int) -> Arrayed:
    """np.take_along_axis"""
    shape, own = shape_of(a), shape_of(indices)
    parts: list[Any] = []
    for q in range(a.ndim):
        if q == axis:
            parts.append(indices)
        else:
            n = shape[q] if not (sizes.is_known(own[q]) and sizes.plain(own[q]) == 1 and not sizes.same(own[q], shape[q])) else own[q]
            index = from_index(lambda i: i, [n], "index")
            parts.append(expand(index, [j for j in range(a.ndim) if j != q]))
    from .gather import take_index

    return take_index(a, parts)  # type: ignore[no-any-return]


def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    a, at = along(arr, axis)
    indices = as_array(indices)
    if indices.ndim != a.ndim:
        raise errors.ArrayShapeError(f"`indices` and `arr` must have the same number of dimensions ({user_site()})")
    return take_along(a, indices, at)


def put_along_axis(arr: Any, indices: Any, v: Any, axis: int) -> None:
    a, at = as_array(arr), axes_of(axis, arr.ndim)[0]
    indices = as_array(indices)
    parts = [indices if q == at else expand(from_index(lambda i: i, [shape_of(a)[q]], "index"), [j for j in range(a.ndim) if j != q])
             for q in range(a.ndim)]  # fmt: skip
    from .gather import put_index

    put_index(a, parts, v)


def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    a, at = along(a, axis)
    return a[(*[slice(None)] * at, as_array(condition))]


def nonzero(a: Any) -> Any:
    from .gather import _from_mask

    a = atleast_1d(a)
    mask = a if a.type.dtype == BOOL else elementwise(truth, a, name="truth")
    return tuple(_from_mask(mask, mask, 0))


def flatnonzero(a: Any) -> Any:
    return nonzero(ravel(a))[0]


def argwhere(a: Any) -> Any:
    return stack(nonzero(a), 1)


def where(condition: Any, *rest: Any) -> Any:
    return nonzero(condition) if not rest else OF_SCALARS[np.where](condition, *rest)


def argsort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, **kwargs: Any) -> Any:
    a, at = along(a, axis)
    matrix, order_, shape = rows(a, at)
    out = bind("argsort", (matrix,), [(I64, shape_of(matrix))], fails=False)[0]
    return back_from_rows(out, order_, shape)


def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, **kwargs: Any) -> Any:
    a, at = along(a, axis)
    return take_along(a, argsort(a, at), at)


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Positions by binary search in a kernel: as many steps as the array's size has bits."""
    a, v = as_array(a), as_array(v)
    if not isinstance(a, Arrayed):
        raise ValueError(f"object of too small depth for desired array ({user_site()})")
    a = contiguous(a)
    if sorter is not None:
        a = a[sorter]
    right = side == "right"
    one_value = not isinstance(v, Arrayed)
    if one_value:
        v = filled(v, (1,))
    t = common_dtype([a, v])
    a, v = (x if x.type.dtype == t else astype(x, t) for x in (a, v))
    out = allocate(I64, tuple(shape_of(v)), 0)
    flat, given = ravel(out), contiguous(ravel(contiguous(v)))
    (n,) = arrays._lifted(shape_of(a)[0])
    each(shape_of(given)[0], lambda i: flat.__setitem__(i, _bisect(a, given[i], n, right)))
    return flat[0] if one_value else out


def _bisect(a: Arrayed, x: Any, n: Any, right: bool) -> Any:
    from .sorting import before
    from .staging import if_, while_
    from .state import Scope

    cells = {"low": values.constant(0), "high": n}
    scope = Scope(("low", "high"), lambda: (cells["low"], cells["high"]), lambda v: cells.update(low=v[0], high=v[1]))

    def step() -> None:
        middle = table.ifloordiv(table.iadd(cells["low"], cells["high"]), 2)
        y = arrays.read(a, [middle])
        up = table.logical_xor(before(x, y), True) if right else before(y, x)
        if_(up, lambda: cells.update(low=table.iadd(middle, 1)), lambda: cells.update(high=middle), scope)

    while_(lambda: table.ilt(cells["low"], cells["high"]), step, None, scope)
    return cells["low"]


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Piecewise linear interpolation; beyond the ends the end values."""
    plain_arguments("interp", period=period)
    x, xp, fp = (astype(v, F64) if isinstance(v, Arrayed) and v.type.dtype != F64 else v for v in map(float_array, (x, xp, fp)))
    n = shape_of(xp)[0]
    (top,) = arrays._lifted(n)
    i = searchsorted(xp, x, "right")
    low = elementwise(
        lambda k, n: table.select(table.ilt(k, 1), table.isub(k, k), table.select(table.ige(k, n), table.isub(n, 2), table.isub(k, 1))),
        i,
        top,
    )
    low = elementwise(lambda k: table.select(table.ilt(k, 0), table.isub(k, k), k), low)
    high = elementwise(lambda k, n: table.select(table.ilt(table.iadd(k, 1), n), table.iadd(k, 1), k), low, top)
    x0, x1, f0, f1 = xp[low], xp[high], fp[low], fp[high]
    first, last = fp[0], fp[-1]
    below, above = first if left is None else left, last if right is None else right

    def one(v: Any, a: Any, b: Any, p: Any, q: Any, lo: Any, hi: Any, start: Any, end: Any) -> Any:
        gap = b - a
        safe = table.select(table.eq(gap, 0.0), gap + 1.0, gap)
        inside = p + (q - p) * ((v - a) / safe)
        inside = table.select(table.eq(v, end), q, inside)
        lo, hi = to_constant(lo, inside.type), to_constant(hi, inside.type)
        return table.select(table.lt(v, start), lo, table.select(table.gt(v, end), hi, inside))

    return elementwise(one, x, x0, x1, f0, f1, below, above, xp[0], xp[-1], name="interp")


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    out = default
    for c, v in zip(reversed(list(condlist)), reversed(list(choicelist)), strict=True):
        out = where(c, v, out)
    return out


def round_(a: Any, decimals: int = 0, out: Any = None) -> Any:
    plain_arguments("round", out=out)
    a = as_array(a)
    return (
        elementwise(lambda x: OF_SCALARS[np.round](x, decimals), a, name="round")
        if isinstance(a, Arrayed)
        else OF_SCALARS[np.round](a, decimals)
    )


def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    info = np.finfo(values_dtype(scalar_kind(as_array(x))))
    top, low = float(info.max) if posinf is None else posinf, float(info.min) if neginf is None else neginf

    def one(v: Any) -> Any:
        v = table.select(table.isnan(v), to_constant(nan, v.type), v)
        v = table.select(table.gt(v, float(info.max)), to_constant(top, v.type), v)
        return table.select(table.lt(v, float(info.min)), to_constant(low, v.type), v)

    return elementwise(one, x, name="nan_to_num")


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    def one(x: Any, y: Any) -> Any:
        x, y = (to_type(v, F64) if isinstance(v, Traced) else values.constant(float(v)) for v in (x, y))
        close = table.le(table.absolute(x - y), atol + rtol * table.absolute(y))
        close = table.select(table.isfinite(y), close, table.eq(x, y))
        return table.logical_or(close, table.logical_and(table.isnan(x), table.isnan(y))) if equal_nan else close

    return elementwise(one, a, b, name="isclose")


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
    return all_(same) if isinstance(same, Arrayed) else same


def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    given = [ravel(x) for x in xi]
    n = len(given)
    out = [expand(x, [q for q in range(n) if q != i]) for i, x in enumerate(given)]
    if indexing == "xy" and n > 1:
        out = [swapaxes(x, 0, 1) for x in out]
    return tuple(out) if sparse else tuple(map(copied, broadcast_arrays(*out)))


def polyval(p: Any, x: Any) -> Any:
    p = as_array(p)
    y: Any = x * 0.0
    n = shape_of(p)[0]
    for i in range(_known_length(p)) if sizes.is_known(n) else ():
        y = y * x + p[i]
    if not sizes.is_known(n):
        unsupported("np.polyval of an unknown number of coefficients", "write the loop")
    return y


def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    return unsupported("np.bincount, whose result's size depends on values,", "use np.add.at on an array of zeros")


# ---- ufuncs of arrays
def ufunc_of_arrays(ufunc: Any, method: str, fn: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    out = kwargs.pop("out", None)
    if isinstance(out, tuple):
        out = out[0]
    result = _ufunc(ufunc, method, fn, inputs, kwargs)
    if out is None or result is NotImplemented:
        return result
    assign(as_array(out), result)
    return out


def _ufunc(ufunc: Any, method: str, fn: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if ufunc is np.matmul:
        return matmul(*inputs)
    if ufunc is np.vecdot:
        return sum_(inputs[0] * inputs[1], -1)
    if method == "__call__" and fn is not None:
        mask = kwargs.pop("where", True)
        dtype = kwargs.pop("dtype", None)
        if kwargs or mask is not True:
            return NotImplemented
        out = _call(ufunc.__name__, fn, inputs)
        return out if dtype is None else astype(out, dtype)
    if method == "at" and ufunc in (np.add, np.subtract):
        return add_at(inputs, -1 if ufunc is np.subtract else 1)
    if method == "outer":
        a, b = (as_array(x) for x in inputs)
        return UFUNCS_OF[ufunc.__name__](expand(a, range(a.ndim, a.ndim + b.ndim)), b)
    reductions = {np.add: sum_, np.multiply: prod, np.maximum: max_, np.minimum: min_, np.logical_and: all_, np.logical_or: any_}
    if method == "reduce" and ufunc in reductions:
        (a,), axis = inputs[:1], kwargs.pop("axis", inputs[1] if len(inputs) > 1 else 0)
        return reductions[ufunc](a, axis, **kwargs)
    if method == "reduce" and ufunc is np.logaddexp:
        return logsumexp(inputs[0], kwargs.pop("axis", 0), **kwargs)
    if method == "accumulate" and ufunc in (np.add, np.multiply):
        return (cumsum if ufunc is np.add else cumprod)(inputs[0], kwargs.pop("axis", 0))
    return NotImplemented


def _call(name: str, fn: Any, inputs: tuple[Any, ...]) -> Any:
    given = [as_array(x) for x in inputs]
    if name in _ARITHMETIC:
        return fn(*given)  # knows arrays
    return elementwise(_for_elements(fn), *given, name=name)


def _for_elements(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A scalar function for elements, some of which are plain numbers."""
    return lambda *xs: fn(*(values.constant(x) if not isinstance(x, Traced) and i == 0 else x for i, x in enumerate(xs)))


_ARITHMETIC = ("add", "subtract", "multiply", "divide", "true_divide", "floor_divide", "remainder", "mod", "power", "clip")


class _Ufuncs:
    """The functions by name, for arrays and scalars."""

    def __getitem__(self, name: str) -> Callable[..., Any]:
        def call(*xs: Any) -> Any:
            given = [as_array(x) for x in xs]
            return (
                _call(name, UFUNCS[name], tuple(given))
                if any(isinstance(x, Arrayed) for x in given)
                else _for_elements(UFUNCS[name])(*given)
            )

        return call


UFUNCS_OF = _Ufuncs()


def add_at(inputs: tuple[Any, ...], sign: int) -> None:
    from .gather import positions, scatter

    a, index, *rest = inputs
    value = as_array(rest[0])
    parts = arrays.split_index(a, index)
    arrays.check_owned(a)
    if not any(is_array(p) for p in parts):
        place = a[tuple(parts)]
        if isinstance(place, Arrayed):
            place += value * sign
        else:
            a[tuple(parts)] = place + value * sign
        return
    where_, shape = positions(a, parts)
    scatter(a, where_, shape, value if sign == 1 else -value, 1)


# ---- linear algebra
def batched(fn: Callable[..., Any], ranks: Sequence[int], name: str) -> Callable[..., Any]:
    """A function of matrices (or vectors) for stacks of them: a loop over the stack."""

    def apply(*args: Any) -> Any:
        given = [float_array(a) for a in args]
        for a, r in zip(given, ranks, strict=True):
            if not isinstance(a, Arrayed) or a.ndim < r:
                rank = a.ndim if isinstance(a, Arrayed) else 0
                raise errors.LinAlgError(f"{name}: {rank}-dimensional array given. Array must be at least {r}-dimensional ({user_site()})")
        t = common_dtype(given)
        given = [a if a.type.dtype == t else astype(a, t) for a in given]
        stack_ = sizes.broadcast([shape_of(a)[: a.ndim - r] for a, r in zip(given, ranks, strict=True)])
        if not stack_:
            return fn(*given)
        given = [spread(a, [*stack_, *shape_of(a)[a.ndim - r :]]) for a, r in zip(given, ranks, strict=True)]
        total = sizes.product(stack_)
        flat = [contiguous(arrays.reshape(a, [total, *shape_of(a)[a.ndim - r :]])) for a, r in zip(given, ranks, strict=True)]
        shapes = [[shape_of(a)[1:] for a in flat]]
        outs: list[Any] = []
        for shape, kind in OUT_SHAPES[name](*shapes[0]):
            outs.append(allocate(kind or t, (total, *shape), 0))

        def one(i: Any) -> None:
            result = fn(*(a[i] for a in flat))
            for out, x in zip(outs, result if isinstance(result, tuple) else (result,), strict=True):
                out[i] = x

        each(total, one)
        made = [arrays.reshape(o, [*stack_, *shape_of(o)[1:]]) for o in outs]
        return made[0] if len(made) == 1 else tuple(made)

    return apply


def _square(*shape: Any) -> None:
    sizes.require_equal(shape[-2], shape[-1], "Last 2 dimensions of the array must be square", "square")


OUT_SHAPES: dict[str, Callable[..., list[tuple[Any, Any]]]] = {
    "cholesky": lambda a: [(a, None)], "inv": lambda a: [(a, None)], "solve": lambda a, b: [(b, None)], "solve_vector": lambda a, b: [(b, None)],
    "slogdet": lambda a: [((), None), ((), None)], "eigh": lambda a: [((a[0],), None), (a, None)],
    "svd": lambda a: [((a[0], sizes.smaller(*a)), None), ((sizes.smaller(*a),), None), ((sizes.smaller(*a), a[1]), None)],
    "qr": lambda a: [((a[0], sizes.smaller(*a)), None), ((sizes.smaller(*a), a[1]), None)], "trsm": lambda a, b: [(b, None)],
}  # fmt: skip


def _one_cholesky(a: Any) -> Any:
    from .arrayops import cholesky

    _square(*shape_of(a))
    return cholesky(contiguous(a))


def cholesky(a: Any, upper: bool = False) -> Any:
    if upper:
        return swapaxes(cholesky(swapaxes(a, -1, -2)), -1, -2)
    return batched(_one_cholesky, [2], "cholesky")(a)


def _one_solve(a: Any, b: Any) -> Any:
    from .arrayops import lu_solve

    _square(*shape_of(a))
    sizes.require_equal(shape_of(a)[0], shape_of(b)[0], "solve: the sizes of the matrix and of the right hand side differ")
    x, trans = _matrices(a, [])
    if b.ndim == 1:
        return drop(lu_solve(x, contiguous(expand(b, (0,))), trans), [0])
    return with_axes(lu_solve(x, contiguous(with_axes(b, (1, 0))), trans), (1, 0))


def solve(a: Any, b: Any) -> Any:
    a, b = as_array(a), as_array(b)
    if b.ndim == 1:
        return batched(_one_solve, [2, 1], "solve_vector")(a, b)
    return batched(_one_solve, [2, 2], "solve")(a, b)


def _one_inverse(a: Any) -> Any:
    _square(*shape_of(a))
    return _one_solve(a, identity(shape_of(a)[0], a.type.dtype))


def inv(a: Any) -> Any:
    return batched(_one_inverse, [2], "inv")(a)


def _one_slogdet(a: Any) -> Any:
    _square(*shape_of(a))
    t = a.type.dtype
    return tuple(bind("slogdet", (contiguous(a),), [(t, ()), (t, ())], fails=False))


def slogdet(a: Any) -> Any:
    sign, log = batched(_one_slogdet, [2], "slogdet")(a)
    return np.linalg._linalg.SlogdetResult(sign, log)


def det(a: Any) -> Any:
    sign, log = batched(_one_slogdet, [2], "slogdet")(a)
    return sign * UFUNCS_OF["exp"](log)


def _one_eigh(a: Any) -> Any:
    from .arrayops import eigh

    _square(*shape_of(a))
    return tuple(eigh(contiguous(a)))


def eigh(a: Any, UPLO: str = "L") -> Any:
    w, v = batched(_one_eigh, [2], "eigh")(a if UPLO == "L" else swapaxes(a, -1, -2))
    return np.linalg._linalg.EighResult(w, v)


def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return eigh(a, UPLO)[0]


def _one_svd(a: Any) -> Any:
    from .arrayops import svd

    return tuple(svd(contiguous(a)))


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    if hermitian:
        unsupported("np.linalg.svd with hermitian=True", "use np.linalg.eigh")
    shape = shape_of(as_array(a))
    if compute_uv and full_matrices and not sizes.same(shape[-1], shape[-2]):
        unsupported("np.linalg.svd with full_matrices=True of a matrix that is not square", "write full_matrices=False")
    u, s, vt = batched(_one_svd, [2], "svd")(a)
    return np.linalg._linalg.SVDResult(u, s, vt) if compute_uv else s


def svdvals(a: Any) -> Any:
    return svd(a, compute_uv=False)


def _one_qr(a: Any) -> Any:
    from .arrayops import qr

    m, n = shape_of(a)
    if sizes.is_known(m) and sizes.is_known(n) and sizes.plain(m) < sizes.plain(n):
        unsupported("np.linalg.qr of a matrix with more columns than rows", "factor its first columns, or the transpose")
    return tuple(qr(contiguous(a)))


def qr(a: Any, mode: str = "reduced") -> Any:
    if mode not in ("reduced", "r"):
        unsupported(f"np.linalg.qr with mode={mode!r}", "use mode='reduced'")
    q, r = batched(_one_qr, [2], "qr")(a)
    return np.linalg._linalg.QRResult(q, r) if mode == "reduced" else r


def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """(x, residuals, rank, singular values) by the singular value decomposition, of a matrix of full rank or not."""
    a, b = float_array(a), float_array(b)
    if not isinstance(a, Arrayed) or a.ndim != 2 or not isinstance(b, Arrayed) or b.ndim > 2:
        raise errors.LinAlgError(f"lstsq: a matrix is needed, and a vector or a matrix ({user_site()})")
    u, s, vt = svd(a, full_matrices=False)
    m, n = shape_of(a)
    eps = float(np.finfo(values_dtype(a.type.dtype)).eps)
    larger = table.select(table.igt(*arrays._lifted(m, n)), *arrays._lifted(m, n))
    cut = largest(s, None) * (to_type(larger, a.type.dtype) * eps if rcond is None else float(rcond))

    def inverse(x: Any, c: Any) -> Any:
        good = table.gt(x, c)
        return table.select(good, 1.0 / table.select(good, x, x * 0.0 + 1.0), x * 0.0)

    d = elementwise(inverse, s, cut, name="reciprocal")
    rank = reduce("sum", s, None, False, lambda x, c: to_type(table.gt(x, c), I64), None, cut)
    bm = b if b.ndim == 2 else expand(b, (1,))
    x = matmul(swapaxes(vt, 0, 1), expand(d, (1,)) * matmul(swapaxes(u, 0, 1), bm))
    r = bm - matmul(a, x)
    return (x if b.ndim == 2 else drop(x, [1])), sum_(r * r, 0), rank, s


def pinv(a: Any, rcond: Any = None, hermitian: bool = False) -> Any:
    a = float_array(a)
    if not isinstance(a, Arrayed) or a.ndim != 2:
        unsupported("np.linalg.pinv but of one matrix", "write a loop over the stack")
    return lstsq(a, identity(shape_of(a)[0], a.type.dtype), 1e-15 if rcond is None else rcond)[0]


def matrix_power(a: Any, n: int) -> Any:
    if n < 0:
        return matrix_power(inv(a), -n)
    if n == 0:
        a = as_array(a)
        return spread(eye(shape_of(a)[-1], dtype=a.type.dtype), shape_of(a))
    half = matrix_power(a, n // 2) if n > 1 else None
    return a if n == 1 else matmul(half, half) if n % 2 == 0 else matmul(matmul(half, half), a)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    x = float_array(x)
    if axis is None and isinstance(x, Arrayed) and (ord is None or (ord == 2 and x.ndim == 1) or (ord == "fro" and x.ndim == 2)):
        return UFUNCS_OF["sqrt"](reduce("sum", x, None, keepdims, lambda v: v * v))
    if not isinstance(x, Arrayed):
        return UFUNCS["absolute"](x) if isinstance(x, Traced) else abs(x)
    if axis is None and x.ndim > 2:
        raise ValueError(f"Improper number of dimensions to norm. ({user_site()})")
    axis = tuple(range(x.ndim)) if axis is None else axis
    axes = axes_of(axis, x.ndim)
    if len(axes) == 2 and ord not in (None, "fro"):
        i, j = (q % x.ndim for q in axis)
        if ord in (1, -1, math.inf, -math.inf):
            column = ord in (1, -1)
            total = reduce("sum", x, i if column else j, True, UFUNCS["absolute"])
            pick = max_ if ord in (1, math.inf) else min_
            return pick(total, (i, j), keepdims=keepdims)
        moved = moveaxis(x, (i, j), (-2, -1))
        s = svdvals(moved)
        found = (
            max_(s, -1)
            if ord == 2
            else min_(s, -1)
            if ord == -2
            else sum_(s, -1)
            if ord == "nuc"
            else unsupported(f"norm with ord={ord!r}", "use 1, 2, inf or 'fro'")
        )
        return arrays.keep(found, axes, x.ndim) if keepdims else found
    if ord in (None, 2, "fro"):
        return UFUNCS_OF["sqrt"](reduce("sum", x, axis, keepdims, lambda v: v * v))
    if ord == 1:
        return reduce("sum", x, axis, keepdims, UFUNCS["absolute"])
    if ord in (math.inf, -math.inf):
        return (max_ if ord > 0 else min_)(UFUNCS_OF["absolute"](x), axis, keepdims=keepdims)
    if ord == 0:
        return reduce("sum", x, axis, keepdims, lambda v: to_type(truth(v), v.type))
    total = reduce("sum", x, axis, keepdims, lambda v: table.power(abs(v), float(ord)))
    return UFUNCS_OF["power"](total, 1.0 / ord)


def multi_dot(parts: Any, **kwargs: Any) -> Any:
    out = parts[0]
    for p in parts[1:]:
        out = dot(out, p)
    return out


# ---- scipy.linalg
def solve_triangular(a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False, **kwargs: Any) -> Any:
    from .arrayops import trsm

    code = {"N": 0, "T": 1, "C": 1}.get(trans, trans)

    def one(a: Any, b: Any) -> Any:
        _square(*shape_of(a))
        sizes.require_equal(shape_of(a)[0], shape_of(b)[0], "shapes of a and b are incompatible")
        x, turned = _matrices(a, [])
        flags = (1 - code if turned else code, int(unit_diagonal), int(bool(lower) != bool(turned)))
        if b.ndim == 1:
            return drop(trsm(x, contiguous(expand(b, (0,))), *flags), [0])
        return with_axes(trsm(x, contiguous(with_axes(b, (1, 0))), *flags), (1, 0))

    b = as_array(b)
    return batched(one, [2, b.ndim if b.ndim < 2 else 2], "trsm")(a, b)


def cho_factor(a: Any, lower: bool = False, **kwargs: Any) -> Any:
    c = cholesky(a) if lower else swapaxes(cholesky(swapaxes(a, -1, -2)), -1, -2)
    return c, lower


def cho_solve(c_and_lower: Any, b: Any, **kwargs: Any) -> Any:
    c, lower = c_and_lower
    first = solve_triangular(c, b, trans=0 if lower else 1, lower=lower)
    return solve_triangular(c, first, trans=1 if lower else 0, lower=lower)


def scipy_cholesky(a: Any, lower: bool = False, **kwargs: Any) -> Any:
    return cholesky(a) if lower else cho_factor(a, False)[0]


# ---- the tables
FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: sum_, np.prod: prod, np.mean: mean, np.var: var, np.std: std, np.max: max_, np.min: min_, np.amax: max_, np.amin: min_, np.argmax: argmax,
    np.argmin: argmin, np.any: any_, np.all: all_, np.count_nonzero: count_nonzero, np.ptp: ptp, np.cumsum: cumsum, np.cumprod: cumprod,
    np.average: average, np.median: median,
    np.dot: dot, np.inner: inner, np.outer: outer, np.vdot: vdot, np.einsum: einsum, np.tensordot: tensordot, np.trace: trace, np.kron: kron,
    np.cross: cross, np.diagonal: diagonal, np.diag: diag, np.tril: tril, np.triu: triu,
    np.reshape: reshape, np.ravel: ravel, np.transpose: transpose, np.swapaxes: swapaxes, np.moveaxis: moveaxis, np.expand_dims: expand_dims,
    np.squeeze: squeeze, np.broadcast_to: broadcast_to, np.broadcast_arrays: broadcast_arrays, np.atleast_1d: atleast_1d, np.atleast_2d: atleast_2d,
    np.atleast_3d: atleast_3d, np.concatenate: concatenate, np.stack: stack, np.vstack: vstack, np.hstack: hstack, np.dstack: dstack,
    np.column_stack: column_stack, np.append: append, np.split: split, np.array_split: array_split, np.flip: flip, np.fliplr: lambda m: flip(m, 1),
    np.flipud: lambda m: flip(m, 0), np.rot90: rot90, np.roll: roll, np.repeat: repeat, np.tile: tile, np.pad: pad, np.diff: diff, np.gradient: gradient,
    np.trapezoid: trapezoid, np.convolve: convolve, np.meshgrid: meshgrid,
    np.take: take, np.take_along_axis: take_along_axis, np.put_along_axis: put_along_axis, np.compress: compress, np.nonzero: nonzero,
    np.flatnonzero: flatnonzero, np.argwhere: argwhere, np.where: where, np.select: select, np.sort: sort, np.argsort: argsort,
    np.searchsorted: searchsorted, np.interp: interp, np.round: round_, np.around: round_, np.nan_to_num: nan_to_num, np.isclose: isclose,
    np.allclose: allclose, np.array_equal: array_equal, np.polyval: polyval, np.bincount: bincount, np.copy: copy,
    np.linalg.solve: solve, np.linalg.inv: inv, np.linalg.det: det, np.linalg.slogdet: slogdet, np.linalg.cholesky: cholesky, np.linalg.qr: qr,
    np.linalg.eigh: eigh, np.linalg.eigvalsh: eigvalsh, np.linalg.svd: svd, np.linalg.svdvals: svdvals, np.linalg.norm: norm, np.linalg.lstsq: lstsq,
    np.linalg.pinv: pinv, np.linalg.matrix_power: matrix_power, np.linalg.multi_dot: multi_dot,
}  # fmt: skip

SCIPY: dict[tuple[str, str], Callable[..., Any]] = {
    ("special", "logsumexp"): logsumexp, ("special", "softmax"): softmax, ("special", "log_softmax"): log_softmax,
    ("linalg", "solve_triangular"): solve_triangular, ("linalg", "cho_factor"): cho_factor, ("linalg", "cho_solve"): cho_solve,
    ("linalg", "cholesky"): scipy_cholesky, ("linalg", "solve"): lambda a, b, **k: solve(a, b), ("linalg", "inv"): lambda a, **k: inv(a),
    ("linalg", "det"): lambda a, **k: det(a), ("linalg", "eigh"): lambda a, **k: tuple(eigh(a)), ("linalg", "norm"): norm,
    ("linalg", "svd"): lambda a, full_matrices=True, compute_uv=True, **k: svd(a, full_matrices, compute_uv), ("linalg", "svdvals"): lambda a, **k: svdvals(a),
}  # fmt: skip

METHODS: dict[str, Callable[..., Any]] = {
    "sum": sum_, "prod": prod, "mean": mean, "var": var, "std": std, "max": max_, "min": min_, "argmax": argmax, "argmin": argmin, "any": any_,
    "all": all_, "cumsum": cumsum, "cumprod": cumprod, "dot": dot, "trace": trace, "diagonal": diagonal, "reshape": reshape, "ravel": ravel,
    "flatten": lambda a, order="C": copied(ravel(a)), "transpose": transpose, "swapaxes": swapaxes, "squeeze": squeeze, "repeat": repeat, "take": take,
    "argsort": argsort, "searchsorted": searchsorted, "clip": lambda a, *args, **kwargs: OF_SCALARS[np.clip](a, *args, **kwargs), "round": round_,
    "copy": lambda a, order="C": copied(a), "astype": astype, "fill": lambda a, v: assign(a, v), "nonzero": nonzero, "compress": lambda a, c, axis=None: compress(c, a, axis),
    "conj": lambda a: a, "conjugate": lambda a: a, "item": lambda a, *i: a[i] if i else ravel(a)[0], "ptp": ptp,
    "sort": lambda a, axis=-1, **k: assign(a, sort(a, axis)), "tolist": lambda a: [x.tolist() if isinstance(x, Arrayed) else x for x in a],
}  # fmt: skip

PROPERTIES: dict[str, Callable[..., Any]] = {
    "T": transpose, "mT": lambda a: swapaxes(a, -1, -2), "real": lambda a: a, "flat": ravel,
    "itemsize": lambda a: a.dtype.itemsize, "nbytes": lambda a: a.size * a.dtype.itemsize,
}  # fmt: skip

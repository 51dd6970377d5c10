"""Axes and shapes: what NumPy gives as views is read in place here, too."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import errors
from ..core.sites import user_site
from ..values import reshaping, sizes
from ..values.arrays import allocate
from ..values.kernels import copied, filled
from ..values.reshaping import drop, expand, spread
from ..values.values import Arrayed
from ..values.views import View, as_array, axes_of, base_of, shape_of, spec_of, with_axes
from ..values.writes import write
from .common import Axis, common_dtype, unsupported
from .registry import implements


def joined(pieces: Sequence[Arrayed], axis: int, dtype: Any = None) -> Arrayed:
    """Arrays one behind the other along an axis of theirs."""
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
    result = allocate(dtype or common_dtype(pieces), shape, None)
    for p, start in zip(pieces, starts, strict=True):
        own = shape_of(p)
        spec = [(q, start if q == at else 0, 1) for q in range(rank)]
        place = View(result, spec, [own[q] if q == at else shape[q] for q in range(rank)])
        write(place, lambda x: x, p, reads=False)
    return result


@implements(np.ravel, method="ravel")
@implements(attribute="flat")
def ravel(a: Any, order: str = "C") -> Any:
    if order not in ("C", "F"):
        unsupported(f"an array in one dimension with order={order!r}", "which asks how it lies in memory: use 'C' or 'F'")
    a = as_array(a)
    if order == "F" and isinstance(a, Arrayed):
        a = transpose(a)
    if not isinstance(a, Arrayed):
        return filled(a, (1,))
    if a.ndim == 1:
        return a
    return reshaping.reshape(a, [sizes.product(shape_of(a))])


@implements(method="flatten")
def flatten(a: Any, order: str = "C") -> Any:
    return copied(ravel(a, order))


def along(a: Any, axis: Axis) -> tuple[Arrayed, int]:
    """(array, axis), flat where axis is None."""
    a = as_array(a)
    if not isinstance(a, Arrayed):
        a = filled(a, (1,))
    if axis is None:
        return (a if a.ndim == 1 else ravel(a)), 0
    return a, axes_of(axis, a.ndim)[0]


def rows(a: Arrayed, axis: int) -> tuple[Arrayed, list[int], list[Any]]:
    """(a matrix whose rows run along `axis`, the order of axes that it comes from, the sizes in that order)"""
    order = [q for q in range(a.ndim) if q != axis] + [axis]
    moved = a if order == list(range(a.ndim)) else with_axes(a, order)
    shape = shape_of(moved)
    return reshaping.reshape(moved, [sizes.product(shape[:-1]), shape[-1]]), order, shape


def back_from_rows(out: Arrayed, order: Sequence[int], shape: Sequence[Any]) -> Arrayed:
    out = reshaping.reshape(out, list(shape))
    return out if list(order) == sorted(order) else with_axes(out, [list(order).index(q) for q in range(len(order))])


@implements(np.reshape)
def reshape(a: Any, shape: Any, order: str = "C", *, copy: Any = None) -> Any:
    a = as_array(a)
    if order not in ("C", "F"):
        unsupported(f"reshape with order={order!r}", "which asks how it lies in memory: use 'C' or 'F'")
    if not isinstance(a, Arrayed):
        a = filled(a, (1,))
    shape = list(shape) if isinstance(shape, (tuple, list)) else [shape]
    if order == "F":
        return transpose(reshaping.reshape(transpose(a), shape[::-1]))
    found = reshaping.reshape(a, shape)
    return copied(found) if copy else found


@implements(np.transpose)
@implements(attribute="T")
def transpose(a: Any, axes: Any = None) -> Any:
    a = as_array(a)
    if not isinstance(a, Arrayed):
        return a
    order = list(range(a.ndim))[::-1] if axes is None else [axes_of(q, a.ndim)[0] for q in axes]
    if sorted(order) != list(range(a.ndim)):
        raise errors.ArrayShapeError(f"axes don't match array ({user_site()})")
    return reshaping.settle(with_axes(a, order))  # type: ignore[arg-type]


def _of_items(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A method that takes a tuple's items, or the tuple: x.reshape(2, 3), x.transpose((1, 0))."""

    def call(a: Any, *items: Any, **kwargs: Any) -> Any:
        if not items:
            return fn(a, **kwargs)
        return fn(a, items[0] if len(items) == 1 and (items[0] is None or isinstance(items[0], (tuple, list))) else items, **kwargs)

    first, _, *rest = inspect.signature(fn).parameters.values()
    items = inspect.Parameter("items", inspect.Parameter.VAR_POSITIONAL)
    signature = inspect.Signature([first, items, *(p.replace(kind=p.KEYWORD_ONLY) for p in rest)])
    setattr(call, "__signature__", signature)  # noqa: B010  # which keywords there are
    return call


implements(method="reshape")(_of_items(reshape))
implements(method="transpose")(_of_items(transpose))


@implements(np.swapaxes, method="swapaxes")
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    a = as_array(a)
    order = list(range(a.ndim))
    i, j = axes_of(axis1, a.ndim)[0], axes_of(axis2, a.ndim)[0]
    order[i], order[j] = j, i
    return transpose(a, order)


@implements(attribute="mT")
def matrix_transpose(a: Any) -> Any:
    return swapaxes(a, -1, -2)


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    a = as_array(a)
    from_, to = ([x] if isinstance(x, (int, np.integer)) else list(x) for x in (source, destination))
    from_, to = [axes_of(x, a.ndim)[0] for x in from_], [axes_of(x, a.ndim)[0] for x in to]
    order = [q for q in range(a.ndim) if q not in from_]
    for d, s in sorted(zip(to, from_, strict=True)):
        order.insert(d, s)
    return transpose(a, order)


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    a = as_array(a)
    n = len(axis) if isinstance(axis, (tuple, list)) else 1
    if not isinstance(a, Arrayed):
        return filled(a, (1,) * n)
    return expand(a, axes_of(axis, a.ndim + n))


@implements(np.squeeze, method="squeeze")
def squeeze(a: Any, axis: Any = None) -> Any:
    a = as_array(a)
    if not isinstance(a, Arrayed):
        return a
    if axis is None:
        shape = list(map(sizes.needed, shape_of(a)))
        if None in shape:
            unsupported("squeeze() of an array whose sizes are not known while it is traced", "name the axis: squeeze(axis=...)")
        return drop(a, [q for q, n in enumerate(shape) if n == 1])
    return drop(a, axes_of(axis, a.ndim))


@implements(np.broadcast_to)
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    return spread(array, list(shape) if isinstance(shape, (tuple, list)) else [shape])


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    given = [as_array(a) for a in args]
    shape = sizes.broadcast([shape_of(a) for a in given])
    return tuple(spread(a, shape) for a in given)


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


atleast_1d = implements(np.atleast_1d)(_at_least(1))
atleast_2d = implements(np.atleast_2d)(_at_least(2))
atleast_3d = implements(np.atleast_3d)(_at_least(3))


@implements(np.flip)
def flip(m: Any, axis: Any = None) -> Any:
    m = as_array(m)
    if not isinstance(m, Arrayed):
        return m
    gone = axes_of(axis, m.ndim)
    return m[tuple(slice(None, None, -1) if q in gone else slice(None) for q in range(m.ndim))]


@implements(np.fliplr)
def fliplr(m: Any) -> Any:
    return flip(m, 1)


@implements(np.flipud)
def flipud(m: Any) -> Any:
    return flip(m, 0)


@implements(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    m = as_array(m)
    i, j = (axes_of(x, m.ndim)[0] for x in axes)
    k %= 4
    if k == 0:
        return copied(m)
    if k == 2:
        return flip(flip(m, i), j)
    return swapaxes(flip(m, j), i, j) if k == 1 else flip(swapaxes(m, i, j), j)


@implements(np.diagonal, method="diagonal")
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


@implements(np.real, attribute="real")
def real(val: Any) -> Any:
    return val


@implements(method="conj")
@implements(method="conjugate")
def conjugate(a: Any) -> Any:
    return a


@implements(np.shape, gives="python")
def shape(a: Any) -> Any:
    return tuple(shape_of(as_array(a)))


@implements(np.ndim, gives="python")
def ndim(a: Any) -> Any:
    return len(shape(a))


@implements(np.size, gives="python")
def size(a: Any, axis: Axis = None) -> Any:
    own = shape(a)
    return sizes.product([own[q] for q in axes_of(axis, len(own))])


@implements(attribute="itemsize")
def itemsize(a: Any) -> Any:
    return a.dtype.itemsize


@implements(attribute="nbytes")
def nbytes(a: Any) -> Any:
    return a.size * a.dtype.itemsize

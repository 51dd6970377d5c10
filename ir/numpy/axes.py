"""Axes and shapes: what NumPy gives as views is read in place here, too."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import errors
from ..core.sites import unsupported, user_site
from ..core.types import is_complex
from ..values import reshaping, sizes
from ..values.arrays import allocate
from ..values.complexes.pairs import is_complex_array
from ..values.kernels import copied, filled
from ..values.reshaping import drop, expand, spread
from ..values.values import Arrayed
from ..values.views import View, as_array, axes_of, base_of, part, plane, renewed, shape_of, spec_of, with_axes
from ..values.writes import assign, write
from .common import Axis, arrayed, axis_of, common_dtype, items_of, scalar_kind
from .registry import implements


def joined(pieces: Sequence[Arrayed], axis: int, dtype: Any = None, total: Any = None) -> Arrayed:
    """Arrays one behind the other along an axis of theirs; `total` is what their sizes are known to add up to."""
    rank, fit = pieces[0].ndim, "all the input array dimensions except for the concatenation axis must match exactly"
    for p in pieces:
        if p.ndim != rank:
            raise errors.ArrayShapeError(f"{fit}: {rank} and {p.ndim} dimensions ({user_site()})")
    at, shape = axis_of(axis, rank), shape_of(pieces[0])
    ends: list[Any] = [0]
    for p in pieces:
        own = shape_of(p)
        shape = [m if q == at else sizes.require_equal(m, own[q], fit) for q, m in enumerate(shape)]
        ends.append(sizes.add(ends[-1], own[at]))
    shape[at] = ends[-1] if total is None else total
    result = allocate(dtype or common_dtype(pieces), shape, None)
    for p, start in zip(pieces, ends, strict=False):
        spec = [(q, start if q == at else 0, 1) for q in range(rank)]
        there = View(result, spec, [*shape[:at], shape_of(p)[at], *shape[at + 1 :]])
        if is_complex_array(result):
            assign(there, p)
        else:
            write(there, lambda x: x, p, reads=False)
    return result


def _refuse_order(order: str, what: str) -> None:
    if order not in ("C", "F"):
        unsupported(f"{what} with order={order!r}", "which asks how it lies in memory: use 'C' or 'F'")


@implements(np.ravel, method="ravel")
def ravel(a: Any, order: str = "C") -> Any:
    _refuse_order(order, "an array in one dimension")
    a = together(transpose(arrayed(a)) if order == "F" else arrayed(a))
    if a.ndim == 1:
        return renewed(a)
    found = reshaping.reshape(a, [sizes.product(shape_of(a))])
    return found if a.owned else reshaping.unowned(found)


def together(a: Arrayed) -> Arrayed:
    """np.ascontiguousarray: itself if it lies together, or a copy; nobody may write to it where it is not known which."""
    lies = reshaping.lies_together(a)
    return a if lies else copied(a) if lies is False else reshaping.unowned(copied(a))


@implements(attribute="flat")
def flat(a: Any) -> Any:
    if a.ndim == 1 or not isinstance(a, View):
        return ravel(a)
    return reshaping.unowned(reshaping.reshape(a, [sizes.product(shape_of(a))]))


@implements(method="flatten")
def flatten(a: Any, order: str = "C") -> Any:
    return copied(ravel(a, order))


def along(a: Any, axis: Axis) -> tuple[Arrayed, int]:
    """(array, axis), flat where axis is None."""
    a = arrayed(a)
    return (ravel(a), 0) if axis is None else (a, axis_of(axis, a.ndim))


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
    _refuse_order(order, "reshape")
    a, shape = arrayed(a), items_of(shape)
    if order == "F":
        return transpose(reshape(transpose(a), shape[::-1], copy=copy))
    own = shape_of(a)
    same = len(shape) == len(own) and all(map(sizes.same, map(sizes.plain, shape), own))
    found = renewed(a) if same else reshaping.reshape(a, shape)
    return copied(found) if copy else found


@implements(np.transpose)
@implements(attribute="T")
def transpose(a: Any, axes: Any = None) -> Any:
    a = as_array(a)
    if not isinstance(a, Arrayed):
        return a
    order = list(range(a.ndim))[::-1] if axes is None else [axis_of(q, a.ndim) for q in axes]
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
    i, j = axis_of(axis1, a.ndim), axis_of(axis2, a.ndim)
    return transpose(a, [{i: j, j: i}.get(q, q) for q in range(a.ndim)])


matrix_transpose = implements(np.matrix_transpose, attribute="mT")(lambda x, /: swapaxes(x, -1, -2))


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    a = as_array(a)
    from_, to = ([axis_of(x, a.ndim) for x in items_of(axes)] for axes in (source, destination))
    order = [q for q in range(a.ndim) if q not in from_]
    for d, s in sorted(zip(to, from_, strict=True)):
        order.insert(d, s)
    return transpose(a, order)


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    a, n = as_array(a), len(items_of(axis))
    return expand(a, axes_of(axis, a.ndim + n)) if isinstance(a, Arrayed) else filled(a, (1,) * n)


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


implements(np.broadcast_to)(lambda array, shape: spread(array, items_of(shape)))


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any) -> Any:
    given = [as_array(a) for a in args]
    shape = sizes.broadcast([shape_of(a) for a in given])
    return tuple(
        a if isinstance(a, Arrayed) and a.ndim == len(shape) and all(map(sizes.same, shape_of(a), shape)) else spread(a, shape)
        for a in given
    )


def _at_least(n: int) -> Callable[..., Any]:
    def one(a: Any) -> Any:
        a = as_array(a)
        if not isinstance(a, Arrayed):
            return filled(a, (1,) * n)
        if n == 3 and a.ndim < n:
            return expand(a, (0, 2) if a.ndim == 1 else (2,))
        return expand(a, range(n - a.ndim)) if a.ndim < n else a

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
    return m[tuple(slice(None, None, -1 if q in gone else None) for q in range(m.ndim))]


implements(np.fliplr)(lambda m: flip(m, 1))
implements(np.flipud)(lambda m: flip(m, 0))


@implements(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    m = as_array(m)
    i, j = (axis_of(x, m.ndim) for x in axes)
    if k % 2 == 0:
        return flip(m, (i, j)) if k % 4 else copied(m)
    return swapaxes(flip(m, j), i, j) if k % 4 == 1 else flip(swapaxes(m, i, j), j)


@implements(np.diagonal, method="diagonal")
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """A view of a diagonal, as the last axis."""
    a = as_array(a)
    if a.ndim < 2:
        raise errors.ArrayShapeError(f"diag requires an array of at least two dimensions ({user_site()})")
    i, j, rank = axis_of(axis1, a.ndim), axis_of(axis2, a.ndim), a.ndim
    if i == j:
        raise ValueError(f"axis1 and axis2 cannot be the same ({user_site()})")
    a = with_axes(a, [q for q in range(rank) if q not in (i, j)] + [i, j])
    *others, m, n = shape_of(a)
    first, second = sizes.add(m, min(int(offset), 0)), sizes.add(n, -max(int(offset), 0))
    length = sizes.nonnegative(sizes.smaller(sizes.nonnegative(first), sizes.nonnegative(second)))
    if len({v for v, _, _ in spec_of(a) if v >= rank - 2}) < 2:
        a = copied(a)
    begin = {rank - 2: max(-int(offset), 0), rank - 1: max(int(offset), 0)}
    spec = [(rank - 2, sizes.add(s, sizes.mul(t, begin[v])), t) if v in begin else (v, s, t) for v, s, t in spec_of(a)]
    return View(base_of(a), spec, [*others, length], a.owned)


@implements(np.shape, gives="python")
def shape(a: Any) -> Any:
    return tuple(shape_of(as_array(a)))


@implements(np.size, gives="python")
def size(a: Any, axis: Axis = None) -> Any:
    own = shape(a)
    return sizes.product([own[q] for q in axes_of(axis, len(own))])


implements(np.ndim, gives="python")(lambda a: len(shape(a)))


def _part(val: Any, k: int) -> Any:
    """The real or the imaginary part: of a complex array as a view to write through, of real numbers they or zeros."""
    x = as_array(val)
    if isinstance(x, Arrayed):
        return plane(x, k) if is_complex_array(x) else x if not k else allocate(x.type.dtype, shape_of(x), 0)
    return part(x, k) if is_complex(scalar_kind(x)) else x if not k else allocate(scalar_kind(x), (), 0)


implements(np.real, attribute="real")(lambda val: _part(val, 0))


@implements(attribute="imag")
def imaginary(val: Any) -> Any:
    return _part(val, 1)


@implements("ndarray.conj", "ndarray.conjugate")
def conjugate(a: Any) -> Any:
    """An array of real numbers is itself."""
    a = as_array(a)
    return np.conjugate(a) if is_complex_array(a) else a


implements(attribute="itemsize")(lambda a: a.dtype.itemsize)
implements(attribute="nbytes")(lambda a: a.size * a.dtype.itemsize)

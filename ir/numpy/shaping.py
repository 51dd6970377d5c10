"""Whole-array functions that arrange elements: joining and splitting, repeating, padding, triangles."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import errors
from ..core.sites import unsupported, user_site
from ..core.types import BOOL, F64, I64, NUMPY_DTYPES, is_float
from ..ops import table
from ..values import reshaping, sizes
from ..values.arrays import allocate, strong
from ..values.kernels import copied, elementwise_with_index, filled
from ..values.reshaping import expand, spread
from ..values.scalars import operand
from ..values.values import Arrayed, Traced, is_traced
from ..values.views import View, as_array, axes_of, base_of, is_array, shape_of, spec_of
from ..values.writes import write
from .axes import along, broadcast_arrays, diagonal, joined, moveaxis, ravel, swapaxes
from .choosing import nonzero, take
from .common import arrayed, astype, axis_of, dtype_of, items_of, program
from .creation import arange, array, linspace
from .registry import implements
from .ufuncs import pick


@implements(np.concatenate)
def concatenate(arrays_: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None) -> Any:
    if isinstance(arrays_, Arrayed):
        return _joined(arrays_, axis, dtype)
    pieces = [as_array(p) for p in arrays_]
    if not pieces:
        raise ValueError(f"need at least one array to concatenate ({user_site()})")
    if any(not isinstance(p, Arrayed) for p in pieces):
        raise ValueError(f"zero-dimensional arrays cannot be concatenated ({user_site()})")
    if axis is None:
        pieces, axis = [ravel(p) for p in pieces], 0
    return joined(pieces, axis, None if dtype is None else dtype_of(dtype))


def _joined(a: Arrayed, axis: Any, dtype: Any = None) -> Arrayed:
    """The pieces along the first axis of one array, joined along an axis of theirs: whatever their number."""
    if a.ndim < 2:
        raise ValueError(f"zero-dimensional arrays cannot be concatenated ({user_site()})")
    if axis is None:
        found = copied(ravel(a))
    else:
        at = axis_of(axis, a.ndim - 1)
        shape = shape_of(a)[1:]
        found = copied(reshaping.reshape(moveaxis(a, 0, at), [*shape[:at], sizes.mul(shape_of(a)[0], shape[at]), *shape[at + 1 :]]))
    return found if dtype is None else astype(found, dtype)


def _raised(pieces: Any, added: dict[int, tuple[int, ...]]) -> tuple[Any, int]:
    """Arrays, in a list or along the first axis of one, with the axes that `added` names for their rank; the rank of the first."""
    if isinstance(pieces, Arrayed):
        new = added.get(pieces.ndim - 1, ())
        return expand(pieces, [q + 1 for q in new]), pieces.ndim - 1 + len(new)
    given = [as_array(p) for p in pieces]
    raised = [expand(p, added.get(p.ndim, ())) if isinstance(p, Arrayed) else filled(p, (1,) * len(added[0])) for p in given]
    return raised, raised[0].ndim if raised else 1


@implements(np.stack)
def stack(arrays_: Any, axis: int = 0, *, dtype: Any = None) -> Any:
    if isinstance(arrays_, Arrayed):
        found = copied(moveaxis(arrays_, 0, axis_of(axis, arrays_.ndim)))
        return found if dtype is None else astype(found, dtype)
    pieces = [as_array(p) for p in arrays_]
    if not any(isinstance(p, Arrayed) for p in pieces):
        return array(list(pieces), dtype)
    rank = pieces[0].ndim + 1
    return concatenate([expand(p, axes_of(axis, rank)) for p in pieces], axis, dtype=dtype)


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None) -> Any:
    pieces, rank = _raised(tup, {0: (0,)})
    return concatenate(pieces, 0 if rank == 1 else 1, dtype=dtype)


implements(np.vstack)(lambda tup, *, dtype=None: concatenate(_raised(tup, {0: (0, 1), 1: (0,)})[0], 0, dtype=dtype))
implements(np.dstack)(lambda tup: concatenate(_raised(tup, {0: (0, 1, 2), 1: (0, 2), 2: (2,)})[0], 2))
implements(np.column_stack)(lambda tup: concatenate(_raised(tup, {0: (0, 1), 1: (1,)})[0], 1))


@implements(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    return concatenate([ravel(arr), ravel(values)] if axis is None else [arr, values], axis or 0)


@implements(np.block)
def block(arrays_: Any) -> Any:
    """Nested lists of blocks: the innermost are joined along the last axis, the next along the one before it, and so on."""
    depth, rank = _depth(arrays_), _rank(arrays_)

    def joined(part: Any, level: int) -> Any:
        if not isinstance(part, list):
            part = as_array(part)
            missing = max(depth, rank) - (part.ndim if isinstance(part, Arrayed) else 0)
            return expand(part, range(missing)) if isinstance(part, Arrayed) else filled(part, (1,) * missing)
        return concatenate([joined(p, level - 1) for p in part], -level)

    return copied(as_array(arrays_)) if depth == 0 and is_array(arrays_) else joined(arrays_, depth)


def _depth(part: Any) -> int:
    return 1 + max(map(_depth, part), default=0) if isinstance(part, list) else 0


def _rank(part: Any) -> int:
    return max(map(_rank, part), default=0) if isinstance(part, list) else int(as_array(part).ndim) if is_array(part) else 0


# np.r_[...] joins scalars, arrays and ranges (slices) along the first axis, np.c_[...] along the last one, vectors as columns.
@implements("np.r_")
def _in_a_row(parts: Any) -> Any:
    if isinstance(parts, tuple) and parts and isinstance(parts[0], str):
        return _directed(parts[0], parts[1:])
    return concatenate(_pieces("np.r_", parts, {0: (0,)}))


implements("np.c_")(lambda parts: concatenate(_pieces("np.c_", parts, {0: (0, 1), 1: (1,)}), -1))


def _pieces(name: str, parts: Any, added: dict[int, tuple[int, ...]]) -> Any:
    given = [_piece(name, p) for p in (parts if isinstance(parts, tuple) else (parts,))]
    t = dtype_of(np.result_type(*map(_kind, given)))  # Python's numbers adapt here
    return _raised([p if isinstance(p, Arrayed) else strong(p, t) for p in given], added)[0]


def _directed(directive: str, parts: Any) -> Any:
    """np.r_ with "axis,rank,place": arrays of a lower rank have their axes at that place."""
    if directive in ("r", "c"):
        unsupported(f"np.r_ with the directive {directive!r}, which makes a matrix,", "use an array of two axes")
    numbers = list(map(int, directive.split(",")))
    axis, rank, place = [*numbers, *(0, 1, -1)[len(numbers) :]]
    raised = []
    for p in map(arrayed, _pieces("np.r_", parts, {0: (0,)})):
        missing = max(rank - p.ndim, 0)
        first = missing if place == -1 else place + missing + 1 if place < 0 else place
        raised.append(expand(p, [q for q in range(p.ndim + missing) if q < first or q >= first + p.ndim]) if missing else p)
    return concatenate(raised, axis)


def _kind(p: Any) -> Any:
    if isinstance(p, Arrayed):
        return NUMPY_DTYPES[p.type.dtype]
    t, weak = operand("np.r_", p)
    return {F64: 1.0, I64: 1, BOOL: True}[t] if weak else NUMPY_DTYPES[t]


def _piece(name: str, p: Any) -> Any:
    if isinstance(p, str):
        unsupported(f"{name} with the directive {p!r}", "use np.concatenate, np.stack or np.block")
    if not isinstance(p, slice):
        return as_array(p)
    start, step = 0 if p.start is None else p.start, 1 if p.step is None else p.step
    if isinstance(step, complex):
        return linspace(start, p.stop, int(abs(step)))
    return arange(start, p.stop, step)


implements(np.split)(lambda a, parts, axis=0: _split(a, parts, axis, True))
implements(np.array_split)(lambda a, parts, axis=0: _split(a, parts, axis, False))


def _split(a: Any, parts: Any, axis: int, even: bool) -> Any:
    a = as_array(a)
    at = axis_of(axis, a.ndim)
    n, message = shape_of(a)[at], "array split does not result in an equal division"
    if not isinstance(parts, (int, np.integer, Traced)):
        return _pieces_at(a, at, [None, *list(parts), None])
    k = int(parts)
    if k <= 0:
        raise ValueError(f"number sections must be larger than 0. ({user_site()})")
    if not sizes.is_known(n) and not even:
        n = sizes.needed(n)
        if n is None:
            unsupported("np.array_split of an axis of unknown size", "use np.split where the sizes are even")
    if not sizes.is_known(n):
        size = table.ifloordiv(*sizes.lifted(n, k))
        sizes.require_equal(sizes.mul(size, k), n, message)
        behind = [a[(*[slice(None)] * at, slice(size * i, None))] for i in range(k)]
        return [View(base_of(p), spec_of(p), [size if q == at else m for q, m in enumerate(shape_of(p))], p.owned) for p in behind]
    each, rest = divmod(int(sizes.plain(n)), k)
    if even and rest:
        raise errors.ArrayShapeError(f"{message} ({user_site()})")
    return _pieces_at(a, at, [each * i + min(i, rest) for i in range(k + 1)])


def _pieces_at(a: Arrayed, axis: int, cuts: Sequence[Any]) -> list[Any]:
    return [a[(*[slice(None)] * axis, slice(i, j))] for i, j in itertools.pairwise(cuts)]


@implements(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    v = as_array(v)
    if v.ndim == 2:
        return copied(diagonal(v, k))
    if v.ndim != 1:
        raise errors.ArrayShapeError(f"Input must be 1- or 2-d. ({user_site()})")
    n = sizes.add(shape_of(v)[0], abs(int(k)))
    out = allocate(v.type.dtype, (n, n), 0)
    write(diagonal(out, k), lambda x: x, v, reads=False)
    return out


def _triangle(keeps: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def fn(m: Any, k: int = 0) -> Any:
        m = as_array(m)
        if m.ndim < 2:
            m = spread(m, [shape_of(m)[0], shape_of(m)[0]])
        return elementwise_with_index(lambda x, *index: pick(keeps(index[-2] + int(k), index[-1]), x, 0), m)

    return fn


tril = implements(np.tril)(_triangle(operator.ge))
triu = implements(np.triu)(_triangle(operator.le))


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    a = as_array(a)
    if axis is None:
        shift = sum(shift) if isinstance(shift, (tuple, list)) else shift
        return reshaping.reshape(roll(ravel(a), shift, 0), shape_of(a))
    if isinstance(axis, (tuple, list)):
        for s, x in zip(shift if isinstance(shift, (tuple, list)) else [shift] * len(axis), axis, strict=True):
            a = roll(a, s, x)
        return a
    at = axis_of(axis, a.ndim)
    n = sizes.plain(shape_of(a)[at])
    k = shift % np.maximum(n, 1)
    return joined([a[(*[slice(None)] * at, part)] for part in (slice(n - k, None), slice(None, n - k))], at, total=n)


@implements(np.repeat, method="repeat")
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    a, at = along(a, axis)
    if isinstance(repeats, (list, tuple)) and not any(map(is_traced, repeats)):
        repeats = np.asarray(repeats)
    if not isinstance(repeats, (int, np.integer)) and not (isinstance(repeats, Traced) and repeats.type == I64):
        if isinstance(repeats, np.ndarray) and repeats.ndim:
            return take(a, np.repeat(np.arange(len(repeats)), repeats), at)
        counts = spread(as_array(repeats), [shape_of(a)[at]])
        if is_float(counts.type.dtype):
            raise TypeError(f"Cannot cast array data from {counts.dtype!r} to dtype('int64') according to the rule 'safe' ({user_site()})")
        return take(a, _as_often(counts), at)
    shape = shape_of(a)
    wide = spread(expand(a, (at + 1,)), [*shape[: at + 1], repeats, *shape[at + 1 :]])
    return reshaping.reshape(wide, [*shape[:at], sizes.mul(shape[at], repeats), *shape[at + 1 :]])


@program
def _as_often(counts: Any) -> Any:
    """The place of each element, as often as it is to be there."""
    if np.any(counts < 0):
        raise ValueError("repeats may not contain negative values.")
    out, k = np.zeros(np.sum(counts), int), 0
    for i in range(len(counts)):
        for _ in range(counts[i]):
            out[k] = i
            k += 1
    return out


@implements(np.tile)
def tile(a: Any, reps: Any) -> Any:
    a, reps = arrayed(a), items_of(reps)
    rank = max(a.ndim, len(reps))
    a, reps = expand(a, range(rank - a.ndim)), [1] * (rank - len(reps)) + reps
    shape = shape_of(a)
    wide = spread(expand(a, range(0, 2 * rank, 2)), [x for r, n in zip(reps, shape, strict=True) for x in (r, n)])
    return reshaping.reshape(wide, [sizes.mul(r, n) for r, n in zip(reps, shape, strict=True)])


implements(np.argwhere)(lambda a: stack(nonzero(a), 1))


@implements(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    given = [ravel(x) for x in xi]
    n = len(given)
    out = [expand(x, [q for q in range(n) if q != i]) for i, x in enumerate(given)]
    if indexing == "xy" and n > 1:
        out = [swapaxes(x, 0, 1) for x in out]
    return tuple(out) if sparse else tuple(map(copied, broadcast_arrays(*out)))

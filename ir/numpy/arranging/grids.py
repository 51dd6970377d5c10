"""Grids of indices and of points, and indices as one number."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.sites import user_site
from ...core.types import BOOL
from ...values import gather, sizes
from ...values.kernels import from_index
from ...values.reshaping import expand
from ...values.values import Arrayed, is_traced
from ...values.views import as_array, contiguous, shape_of
from ..axes import broadcast_arrays, ravel
from ..choosing import nonzero
from ..common import arrayed, dtype_of, items_of, require
from ..creation import arange, tri
from ..registry import implements
from ..shaping import stack


@implements(np.indices, creates=True, gives="array")
def indices(dimensions: Any, dtype: Any = int, sparse: bool = False) -> Any:
    shape = list(dimensions)
    t = dtype_of(dtype)
    if sparse:
        lines = [from_index(lambda i: i, [n], "index", t) for n in shape]
        return tuple(_alone(x, q, len(shape)) for q, x in enumerate(lines))
    return stack([from_index(lambda *index, q=q: index[q], shape, "index", t) for q in range(len(shape))])


def _alone(x: Arrayed, q: int, rank: int) -> Arrayed:
    """A vector along axis q of so many."""
    return expand(x, [p for p in range(rank) if p != q])


@implements(np.ix_)
def ix_(*args: Any) -> Any:
    out = []
    for q, x in enumerate(map(as_array, args)):
        if not isinstance(x, Arrayed) or x.ndim != 1:
            raise ValueError(f"Cross index must be 1 dimensional ({user_site()})")
        out.append(_alone(nonzero(x)[0] if x.type.dtype == BOOL else x, q, len(args)))
    return tuple(out)


# np.mgrid[...] and np.ogrid[...]
def _grid(key: Any, sparse: bool) -> Any:
    if not isinstance(key, tuple):
        return _line(key, None)
    integral = all(_is_whole(s) for s in key)
    lines = [_alone(_line(s, None if integral else float), q, len(key)) for q, s in enumerate(key)]
    return tuple(lines) if sparse else stack(list(broadcast_arrays(*lines)))


def _is_whole(s: slice) -> bool:
    parts = [x for x in (s.start, s.stop, s.step) if x is not None]
    return all(not isinstance(x, complex) and np.dtype(getattr(x, "dtype", type(x))).kind in "iub" for x in parts)


def _line(s: slice, dtype: Any) -> Arrayed:
    start, step = 0 if s.start is None else s.start, 1 if s.step is None else s.step
    if isinstance(step, complex):
        n = int(abs(step))
        return arange(n) * ((s.stop - start) / float(n - 1) if n > 1 else 1.0) + start * 1.0  # type: ignore[no-any-return]
    if all(_is_whole(slice(x)) for x in (start, s.stop, step)):
        line = arange(start, s.stop, step)
        return line if dtype is None else line.astype(dtype)  # type: ignore[no-any-return]
    n = np.ceil((s.stop - start) / (step * 1.0))
    n = n.astype(int) if is_traced(n) else int(n)
    return arange(np.maximum(n, 0)) * step + start * 1.0  # type: ignore[no-any-return]


implements("np.mgrid")(lambda key: _grid(key, False))
implements("np.ogrid")(lambda key: _grid(key, True))


# ---- of diagonals and triangles
@implements(np.diag_indices)
def diag_indices(n: Any, ndim: int = 2) -> Any:
    return (arange(n),) * ndim


@implements(np.diag_indices_from)
def diag_indices_from(arr: Any) -> Any:
    shape = shape_of(as_array(arr))
    if len(shape) < 2:
        raise ValueError(f"input array must be at least 2-d ({user_site()})")
    for n in shape[1:]:
        sizes.require_equal(shape[0], n, "All dimensions of input must be of equal length")
    return (arange(shape[0]),) * len(shape)


@implements(np.tril_indices)
def tril_indices(n: Any, k: int = 0, m: Any = None) -> Any:
    return nonzero(tri(n, m, k, bool))


@implements(np.triu_indices)
def triu_indices(n: Any, k: int = 0, m: Any = None) -> Any:
    return nonzero(np.logical_not(tri(n, m, k - 1, bool)))


implements(np.tril_indices_from)(lambda arr, k=0: tril_indices(*_sides(arr, k)))
implements(np.triu_indices_from)(lambda arr, k=0: triu_indices(*_sides(arr, k)))


def _sides(a: Any, k: int) -> tuple[Any, int, Any]:
    shape = shape_of(as_array(a))
    if len(shape) != 2:
        raise ValueError(f"input array must be 2-d ({user_site()})")
    return shape[0], k, shape[1]


# ---- one number for an index
@implements(np.unravel_index)
def unravel_index(indices: Any, shape: Any, order: str = "C") -> Any:
    shape, given = items_of(shape), as_array(indices)
    total = sizes.product(shape)
    inside = np.logical_and(np.greater_equal(given, 0), np.less(given, total))
    require(inside, ValueError(f"an index is out of bounds for array with shape {sizes.show(shape)}"))
    found = gather.unravel(_flat(given), shape if order == "C" else shape[::-1])
    found = found if order == "C" else found[::-1]
    return tuple(x.reshape(*shape_of(given)) if isinstance(given, Arrayed) else x[0] for x in found)


def _flat(x: Any) -> Arrayed:
    return contiguous(ravel(arrayed(x)))


@implements(np.ravel_multi_index)
def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Any:
    dims = items_of(dims)
    parts = list(multi_index) if isinstance(multi_index, (tuple, list)) else [multi_index[q] for q in range(len(dims))]
    modes = items_of(mode) * (1 if isinstance(mode, tuple) else len(dims))
    if len(parts) != len(dims):
        raise ValueError(f"parameter multi_index must be a sequence of length {len(dims)} ({user_site()})")
    places = [_placed(as_array(i), n, how) for i, n, how in zip(parts, dims, modes, strict=True)]
    ordered = list(zip(places, dims, strict=True))
    found: Any = 0
    for i, n in ordered if order == "C" else ordered[::-1]:
        found = found * n + i
    return found


def _placed(i: Any, n: Any, mode: str) -> Any:
    if mode == "wrap":
        return i % n
    if mode == "clip":
        return np.minimum(np.maximum(i, 0), n - 1)
    require(np.logical_and(np.greater_equal(i, 0), np.less(i, n)), ValueError("invalid entry in coordinates array"))
    return i

"""Windows that slide over an array, and arrays of other strides: for reading, in place where that can be."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.sites import unsupported, user_site
from ...values import gather, sizes
from ...values.kernels import from_index
from ...values.reshaping import expand
from ...values.values import Arrayed, is_traced
from ...values.views import as_array, base_of, shape_of, spec_of
from ..common import axis_of, items_of, require
from ..registry import implements


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(x: Any, window_shape: Any, axis: Any = None, *, writeable: bool = False) -> Any:
    a, window = as_array(x), items_of(window_shape)
    if writeable:
        unsupported("sliding_window_view with writeable=True", "write into the array itself")
    if axis is None:
        axes = list(range(a.ndim))
        if len(window) != a.ndim:
            raise ValueError(f"Since axis is None, must provide window_shape for all dimensions of `x`; got {len(window)} window_shape elements "
                             f"and `x.ndim` is {a.ndim}. ({user_site()})")  # fmt: skip
    else:
        axes = [axis_of(q, a.ndim) for q in items_of(axis)]
        if len(window) != len(axes):
            raise ValueError(f"Must provide matching length window_shape and axis; got {len(window)} window_shape elements and {len(axes)} axes "
                             f"elements. ({user_site()})")  # fmt: skip
    return _windows(a, list(zip(axes, window, strict=True)))


def _windows(a: Arrayed, parts: list[tuple[int, Any]]) -> Any:
    """Element i + j of an axis, for each i and each j of the window: through an array of the sums."""
    shape, rank = shape_of(a), a.ndim
    starts = list(shape)
    for q, w in parts:
        starts[q] = sizes.add(starts[q], sizes.add(1, sizes.mul(w, -1)))
        require(np.greater(starts[q], 0), ValueError("window shape cannot be larger than input array shape"))
    total = rank + len(parts)
    index = []
    for q in range(rank):
        along = [(p, w) for p, (v, w) in enumerate(parts) if v == q]
        places = [q, *(rank + p for p, _ in along)]
        lines = from_index(lambda *ij: sum(ij[1:], ij[0]), [starts[q], *(w for _, w in along)], "window")
        index.append(expand(lines, [v for v in range(total) if v not in places]))
    return a[tuple(index)]


@implements(np.lib.stride_tricks.as_strided)
def as_strided(x: Any, shape: Any = None, strides: Any = None, subok: bool = False, writeable: bool = True) -> Any:
    """A copy for reading, of the elements that NumPy's view would have: positions in the memory of a whole array."""
    a = as_array(x)
    shape = shape_of(a) if shape is None else items_of(shape)
    steps = strides_of(a) if strides is None else items_of(strides)
    if len(shape) != len(steps):
        raise ValueError(f"strides, if given, must be the same length as shape ({user_site()})")
    size = a.dtype.itemsize
    for s in steps:
        if not is_traced(s) and s % size:
            unsupported("as_strided with strides that are no multiple of an element's size", "give them in bytes: x.strides")
    steps, n = [s // size for s in steps], len(shape)
    first: Any = 0
    for (_, start, _), m in zip(spec_of(a), shape_of(base_of(a)), strict=True):
        first = sizes.add(sizes.mul(first, m), start)
    place = lambda *ij: sum((i * s for i, s in zip(ij[:n], ij[n + 1 :], strict=True)), ij[n])  # noqa: E731
    return gather.flat_of(a)[from_index(place, shape, "strided", None, [first, *steps])]


@implements(attribute="strides")
def strides_of(a: Arrayed) -> Any:
    """Of a whole array they are those of one that lies in its memory row by row."""
    steps: list[Any] = [0] * a.ndim
    step: Any = a.dtype.itemsize
    for (v, _, along), n in reversed(list(zip(spec_of(a), shape_of(base_of(a)), strict=True))):
        if v >= 0:
            steps[v] = sizes.add(steps[v], sizes.mul(step, along))
        step = sizes.mul(step, n)
    return tuple(steps)

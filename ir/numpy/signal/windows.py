"""What filters and convolutions share: arrays extended beyond their ends, and sums over the taps of a filter, each of them one product of whole arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core.sites import user_site
from ...ops import table
from ...staging.loops import each_index
from ...values import sizes
from ...values.arrays import allocate
from ...values.kernels import from_index
from ...values.values import Arrayed
from ...values.views import shape_of
from ...values.writes import assign
from ..choosing import take
from ..creation import full

Pads = Sequence[tuple[Any, Any]]  # how many elements are put before and behind each axis
ENDS = {"grid-constant": "constant", "grid-mirror": "reflect", "grid-wrap": "wrap"}  # of whole elements they are the same


def remainder(i: Any, n: Any) -> Any:
    """i modulo n, where n is 1 at least."""
    return table.imod(i, table.imax(n, 1))


def folded(mode: str, i: Any, n: Any) -> Any:
    """The element that stands for number i, outside of 0 .. n - 1 too."""
    if mode == "wrap":
        return remainder(i, n)
    if mode == "nearest":
        return table.imin(table.imax(i, 0), table.isub(n, 1))
    period, top = (2 * n, 2 * n - 1) if mode == "reflect" else (2 * n - 2, 2 * n - 2)
    j = remainder(i, period)
    return table.select(table.ilt(j, n), j, table.isub(top, j))


def extended(a: Arrayed, pads: Pads, mode: str, value: Any = 0.0) -> Arrayed:
    """`a` with so many elements before and behind: dcba|abcd|dcba reflect, dcb|abcd|cba mirror, aaa|abcd|ddd nearest, bcd|abcd|abc wrap."""
    mode = ENDS.get(mode, mode)
    if mode not in ("constant", "reflect", "mirror", "nearest", "wrap"):
        raise RuntimeError(f"boundary mode not supported: {mode!r} ({user_site()})")
    shape = shape_of(a)
    if all(isinstance(p, int) and p == 0 for pair in pads for p in pair):
        return a
    if mode == "constant":
        out = full([sizes.add(n, sizes.add(*p)) for n, p in zip(shape, pads, strict=True)], value, a.dtype)
        out[tuple(slice(p, sizes.add(p, n)) for n, (p, _) in zip(shape, pads, strict=True))] = a
        return out  # type: ignore[no-any-return]
    for q, (n, (before, after)) in enumerate(zip(shape, pads, strict=True)):
        if isinstance(before, int) and isinstance(after, int) and before == after == 0:
            continue
        count = sizes.add(n, sizes.add(before, after))
        index = from_index(lambda i, p, n: folded(mode, i - p, n), [count], "ends", None, sizes.lifted(before, n))
        a = take(a, index, q)
    return a


def over_taps(x: Arrayed, w: Any, shape: Sequence[Any], combine: Callable[[Any, Any, Any], Any], out: Any) -> Any:
    """`out`, of a shape, combined with x[k:k + shape] and w[k] for each index k of w, one after another; w may be a shape alone."""

    def step(k: tuple[Any, ...]) -> None:
        part = x[tuple(slice(i, sizes.add(i, n)) for i, n in zip(k, shape, strict=True))]
        assign(out, combine(out, part, w[k] if isinstance(w, Arrayed) else None))

    each_index(shape_of(w) if isinstance(w, Arrayed) else w, step)
    return out


def correlated(x: Arrayed, w: Arrayed) -> Any:
    """Sums of w[k] x[i + k], where all of them are in x."""
    shape = [sizes.add(sizes.sub(n, m), 1) for n, m in zip(shape_of(x), shape_of(w), strict=True)]
    return over_taps(x, w, shape, lambda out, part, v: out + part * v, allocate(x.type.dtype, shape, 0))


def along_axis(w: Any, axis: int, rank: int) -> Any:
    """A vector as an array of that rank, along an axis."""
    return np.reshape(w, [shape_of(w)[0] if q == axis else 1 for q in range(rank)])

"""Elements at places of an array: written, read and chosen."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.sites import unsupported, user_site
from ...values import gather, sizes
from ...values.values import Arrayed
from ...values.views import as_array, contiguous, shape_of
from ...values.writes import assign
from ..axes import diagonal, ravel
from ..choosing import nonzero, where
from ..common import require
from ..creation import arange, array
from ..registry import implements


def target(a: Any, what: str) -> Arrayed:
    """An array that is written into."""
    if not isinstance(a, Arrayed):
        raise TypeError(
            f"argument 1 must be numpy.ndarray, not {type(a).__name__}: {what} at {user_site()} writes into an array of the program"
        )
    return a


def _cycled(values: Any, n: Any) -> Any:
    """A value, or n of them: again from the first one when they end."""
    values = as_array(values)
    if not isinstance(values, Arrayed):
        return values
    values = ravel(values)
    return values[arange(n) % shape_of(values)[0]]


@implements(np.put, method="put")
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    a, ind = target(a, "np.put"), ravel(ind)
    n = sizes.product(shape_of(a))
    if mode == "wrap":
        ind = ind % n
    elif mode == "clip":
        ind = np.minimum(np.maximum(ind, 0), n - 1)
    elif mode != "raise":
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r}) ({user_site()})")
    gather.put_index(a, gather.unravel(contiguous(ind), shape_of(a)), _cycled(v, shape_of(ind)[0]))


def fill_flat(a: Any, values: Any) -> None:
    """a.flat = values"""
    n = sizes.product(shape_of(a))
    values = _cycled(values, n)
    assign(a, values.reshape(*shape_of(a)) if isinstance(values, Arrayed) else values)


@implements(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    at = nonzero(ravel(mask))[0]
    put(target(arr, "np.place"), at, vals)


@implements(np.putmask)
def putmask(a: Any, /, mask: Any, values: Any) -> None:
    a, values = target(a, "np.putmask"), as_array(values)
    if isinstance(values, Arrayed):
        values = _cycled(values, sizes.product(shape_of(a))).reshape(*shape_of(a))
    assign(a, where(mask, values, a))


def _require_cast(values: Any, a: Arrayed, casting: str) -> None:
    kind = array(values).dtype if not isinstance(values, (bool, int, float)) else type(values)
    weak = isinstance(values, (bool, int, float)) and np.result_type(a.dtype, values) == a.dtype
    if not weak and not np.can_cast(kind, a.dtype, casting):  # type: ignore[arg-type]
        raise TypeError(f"Cannot cast array data from {np.dtype(kind)!r} to {a.dtype!r} according to the rule {casting!r} ({user_site()})")


@implements(np.copyto)
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    a, src = target(dst, "np.copyto"), as_array(src)
    _require_cast(src, a, casting)
    assign(a, src if where is True else np.where(as_array(where), src, a))


@implements(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    a = target(a, "np.fill_diagonal")
    shape = shape_of(a)
    if a.ndim < 2:
        raise ValueError(f"array must be at least 2-d ({user_site()})")
    if a.ndim == 2 and not wrap:
        line = diagonal(a)
        assign(line, _cycled(val, shape_of(line)[0]))
        return
    step, total = shape[-1] + 1, sizes.product(shape)
    if a.ndim > 2:
        for n in shape[1:]:
            sizes.require_equal(shape[0], n, "All dimensions of input must be of equal length")
        step, stride = 1, 1
        for n in shape[:0:-1]:
            stride = sizes.mul(stride, n)
            step = sizes.add(step, stride)
    at = arange(0, total, step)
    put(a, at, _cycled(val, shape_of(at)[0]))


# ---- reading
@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    return ravel(arr)[nonzero(ravel(condition))[0]]


@implements(np.choose)
def choose(a: Any, choices: Any, mode: str = "raise") -> Any:
    a = as_array(a)
    if isinstance(choices, Arrayed):
        n = sizes.needed(shape_of(choices)[0])
        if n is None:
            unsupported("np.choose from so many arrays that their number depends on values", "use np.take_along_axis")
        choices = [choices[i] for i in range(int(n))]
    choices = [as_array(x) for x in choices]
    n = len(choices)
    if mode == "raise":
        require(np.logical_and(np.greater_equal(a, 0), np.less(a, n)), ValueError("invalid entry in choice array"))
    elif mode == "wrap":
        a = a % n
    elif mode != "clip":
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r}) ({user_site()})")
    found = choices[-1]
    for i in range(n - 2, -1, -1):
        found = where(a <= i, choices[i], found)
    return found


implements(method="choose")(lambda a, choices, out=None, mode="raise": choose(a, choices, mode))

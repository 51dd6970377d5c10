"""Differences, running sums and correlations of sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.sites import user_site
from ...core.types import is_float
from ...values import sizes
from ...values.views import axes_of, shape_of
from ..axes import atleast_1d, conjugate, moveaxis, ravel
from ..common import arrayed, scalar_kind
from ..creation import zeros
from ..differences import convolve
from ..reductions import cumprod, cumsum
from ..registry import implements, newer
from ..shaping import concatenate


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    a, v = atleast_1d(a), conjugate(atleast_1d(v))
    if mode != "same":
        return convolve(a, v[::-1], mode)
    n, m = shape_of(a)[0], shape_of(v)[0]
    long, short = np.maximum(n, m), np.minimum(n, m)  # the shorter one moves along the other; what is swapped is turned round
    start = np.where(np.less(n, m), short // 2, (short - 1) // 2)
    start, long = (int(x) if sizes.is_known(n) and sizes.is_known(m) else x for x in (start, long))
    return convolve(a, v[::-1])[start : sizes.add(start, long)]


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    x = ravel(ary)
    parts = [to_begin, x[1:] - x[:-1], to_end]
    return concatenate([ravel(p).astype(x.dtype, copy=False) for p in parts if p is not None])


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Any:
    p = arrayed(p)
    at = axes_of(axis, p.ndim)[0]
    x = moveaxis(p, at, 0)
    jump = x[1:] - x[:-1]
    whole = not is_float(scalar_kind(jump)) and isinstance(period, (int, np.integer))
    half = period // 2 if whole else period / 2
    inside = np.mod(jump + half, period) - half
    if not whole or period % 2 == 0:
        inside = np.where(np.logical_and(inside == -half, jump > 0), half, inside)
    change = np.where(np.abs(jump) < (half if discont is None else discont), 0, inside - jump)
    return moveaxis(concatenate([x[:1], x[1:] + np.cumsum(change, axis=0)]), 0, at)


def _running(of: Any, first: float) -> Any:
    def fn(x: Any, /, *, axis: Any = None, dtype: Any = None, include_initial: bool = False) -> Any:
        x = atleast_1d(x)
        if axis is None:
            if x.ndim > 1:
                raise ValueError(f"For arrays which have more than one dimension ``axis`` argument is required. ({user_site()})")
            axis = 0
        found = of(x, axis, dtype)
        if not include_initial:
            return found
        at = axes_of(axis, x.ndim)[0]
        shape = shape_of(found)
        return concatenate([zeros((*shape[:at], 1, *shape[at + 1 :]), found.dtype) + found.dtype.type(first), found], at)

    return fn


implements(newer("cumulative_sum"))(_running(cumsum, 0))
implements(newer("cumulative_prod"))(_running(cumprod, 1))

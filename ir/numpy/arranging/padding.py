"""np.pad, one axis after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core.sites import unsupported, user_site
from ...core.types import I64, is_inexact
from ...values import sizes
from ...values.arrays import allocate
from ...values.kernels import from_index
from ...values.reshaping import spread
from ...values.values import Arrayed
from ...values.views import View, as_array, shape_of
from ...values.writes import stored, write
from ..axes import moveaxis
from ..choosing import take
from ..common import astype
from ..creation import arange
from ..registry import implements
from ..shaping import concatenate
from ..ufuncs import pick


@implements(np.pad)
def pad(
    array: Any,
    pad_width: Any,
    mode: str = "constant",
    *,
    constant_values: Any = 0,
    end_values: Any = 0,
    reflect_type: str = "even",
    stat_length: Any = None,
) -> Any:
    a = as_array(array)
    if not isinstance(a, Arrayed):
        return a
    if not isinstance(mode, str):
        unsupported("np.pad with a function", "pad with zeros and write into the borders")
    if mode not in MODES:
        raise ValueError(f"mode '{mode}' is not supported ({user_site()})")
    widths = _widths(pad_width, a.ndim)
    if any(w < 0 for pair in widths for w in pair):
        raise ValueError(f"index can't contain negative values ({user_site()})")
    if mode == "constant" and not isinstance(constant_values, (list, tuple, np.ndarray, Arrayed)):
        return _framed(a, widths, constant_values)
    given = {"constant": constant_values, "linear_ramp": end_values, "reflect": reflect_type, "symmetric": reflect_type}
    extra = _pairs(given.get(mode, stat_length), a.ndim) if mode not in ("reflect", "symmetric") else [reflect_type] * a.ndim
    for q, (width, more) in enumerate(zip(widths, extra, strict=True)):
        if width != (0, 0):
            a = moveaxis(_padded(moveaxis(a, q, 0), mode, width, more), 0, q)
    return a


def _widths(given: Any, rank: int) -> list[tuple[int, int]]:
    if isinstance(given, dict):
        pairs = {q % rank: (w, w) if not isinstance(w, (tuple, list)) else w for q, w in given.items()}
        given = [pairs.get(q, (0, 0)) for q in range(rank)]
    return [(int(x), int(y)) for x, y in np.broadcast_to(np.asarray(given), (rank, 2)).tolist()]


def _pairs(given: Any, rank: int) -> list[Any]:
    """What is given for all axes, or for both ends of each, or for each axis."""
    if not isinstance(given, (list, tuple, np.ndarray)):
        return [(given, given)] * rank
    items = [tuple(x) if isinstance(x, (list, tuple, np.ndarray)) else (x,) for x in given]
    if all(len(x) == 1 for x in items) and not isinstance(given[0], (list, tuple, np.ndarray)):
        items = [tuple(x for (x,) in items)]
    items = items * rank if len(items) == 1 else items
    if len(items) != rank:
        raise ValueError(f"what is given for each axis of np.pad does not fit an array of {rank} axes ({user_site()})")
    return [x * 2 if len(x) == 1 else x for x in items]


def _framed(a: Arrayed, widths: Sequence[tuple[int, int]], value: Any) -> Arrayed:
    shape = [sizes.add(n, lo + hi) for n, (lo, hi) in zip(shape_of(a), widths, strict=True)]
    out = allocate(a.type.dtype, tuple(shape), stored(value, a.type.dtype))
    write(View(out, [(q, lo, 1) for q, (lo, _) in enumerate(widths)], shape_of(a)), lambda x: x, a, reads=False)
    return out


def _padded(a: Arrayed, mode: str, width: tuple[int, int], extra: Any) -> Any:
    """With so many elements more at both ends of the first axis."""
    if mode in ("edge", "wrap", "reflect", "symmetric"):
        found = take(a, _source(mode, shape_of(a)[0], *width), 0)
        return _turned(a, found, mode, *width) if extra == "odd" else found
    ends = MODES[mode]
    return concatenate([ends(a, width[0], extra[0], False), a, ends(a, width[1], extra[1], True)])


def _source(mode: str, n: Any, lo: int, hi: int) -> Arrayed:
    """Where each element comes from."""

    def one(i: Any, n: Any) -> Any:
        j, last = i - lo, n - 1
        if mode == "wrap":
            return j % n
        if mode == "edge":
            return pick(j < 0, 0, pick(j > last, last, j))
        if mode == "symmetric":
            r = j % (2 * n)
            return pick(r > last, 2 * n - 1 - r, r)
        r = j % pick(last == 0, 1, 2 * last)
        return pick(r > last, 2 * last - r, r)

    return from_index(one, [sizes.add(n, lo + hi)], "pad", I64, [sizes.lifted(n)[0]])


def _turned(a: Arrayed, found: Any, mode: str, lo: int, hi: int) -> Any:
    """Reflected in its end points too: each period begins where the one before it ends."""
    n = shape_of(a)[0]
    period = n if mode == "symmetric" else np.maximum(n - 1, 1)
    turn = ((arange(sizes.add(n, lo + hi)) - lo) // period).reshape(-1, *(1,) * (a.ndim - 1))
    shift = (turn // 2) * 2 * (a[-1:] - a[:1])
    return np.where(turn % 2 == 1, 2 * a[-1:] - found, found) + shift


# ---- the elements at one end: (a, how many, what is given, is it the last end)
def _constant(a: Arrayed, n: int, value: Any, last: bool) -> Any:
    return _repeated(astype(spread(value, [1] * a.ndim), a.type.dtype), a, n)


def _repeated(x: Any, a: Arrayed, n: int) -> Arrayed:
    return spread(x, [n, *shape_of(a)[1:]])


def _ramp(a: Arrayed, n: int, value: Any, last: bool) -> Any:
    edge = a[-1:] if last else a[:1]
    steps = arange(n).reshape(-1, *(1,) * (a.ndim - 1)) / max(n, 1)
    steps = steps[::-1] if last else steps
    found = value + (edge - value) * (steps.astype(a.dtype) if is_inexact(a.type.dtype) else steps)
    return found if is_inexact(a.type.dtype) else np.floor(found).astype(a.dtype)


def _statistic(of: Callable[..., Any]) -> Callable[..., Any]:
    def end(a: Arrayed, n: int, length: Any, last: bool) -> Any:
        if length is not None and length < 1:
            raise ValueError(f"stat_length of 0 yields no value for padding ({user_site()})")
        part = a if length is None else a[-length:] if last else a[:length]
        found = of(part, axis=0, keepdims=True)
        if found.dtype != a.dtype:
            found = astype(np.round(found) if not is_inexact(a.type.dtype) else found, a.type.dtype)
        return _repeated(found, a, n)

    return end


MODES: dict[str, Any] = {
    "constant": _constant, "empty": lambda a, n, value, last: _constant(a, n, 0, last), "linear_ramp": _ramp, "maximum": _statistic(np.max),
    "minimum": _statistic(np.min), "mean": _statistic(np.mean), "median": _statistic(np.median), "edge": None, "wrap": None, "reflect": None,
    "symmetric": None,
}  # fmt: skip

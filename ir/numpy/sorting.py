"""A stable merge sort, as a traced program: positions that sort each row of a matrix, NaNs last as NumPy's."""

from __future__ import annotations

from typing import Any

from ..core.types import I64, is_float
from ..ops import table
from ..staging.branches import if_
from ..staging.loops import each, while_
from ..staging.paths import Scope
from ..values.arrays import allocate
from ..values.values import Traced, constant


def _variables(*names: str) -> tuple[dict[str, Any], Scope]:
    """Loop variables that are all ints, 0 at first."""
    cells = {n: constant(0) for n in names}
    return cells, Scope(names, lambda: tuple(cells[n] for n in names), lambda vs: cells.update(zip(names, vs, strict=True)))


def before(x: Any, y: Any) -> Any:
    """Does x come strictly before y?"""
    if not isinstance(x, Traced) or not is_float(x.type):
        return table.ilt(x, y) if x.type == I64 else table.logical_and(y, table.logical_xor(x, True))
    return table.logical_or(table.lt(x, y), table.logical_and(table.isnan(y), table.eq(x, x)))


def argsort_rows(x: Any) -> Any:
    """Bottom-up: runs of 1, 2, 4, .. are merged between two buffers of positions."""
    rows, n = x.shape
    out = allocate(I64, (rows, n), 0)
    each(rows, lambda r: _one_row(x, out, r, n))
    return out


def _one_row(x: Any, out: Any, r: Any, n: Any) -> None:
    other = allocate(I64, (n,), 0)
    each(n, lambda i: out.__setitem__((r, i), i))
    v, scope = _variables("width")
    v["width"] = constant(1)

    def merge_all() -> None:
        w = v["width"]
        each(_up(n, w), lambda k: _merge(x, out, other, r, n, table.imul(table.imul(k, w), 2), w))
        each(n, lambda i: out.__setitem__((r, i), other[i]))
        v["width"] = table.imul(w, 2)

    while_(lambda: table.ilt(v["width"], n) if isinstance(n, Traced) else table.igt(constant(n), v["width"]), merge_all, None, scope)


def _up(n: Any, w: Any) -> Any:
    """How many pairs of runs of length w there are."""
    pair = table.imul(w, 2)
    n = n if isinstance(n, Traced) else constant(n)
    return table.ifloordiv(table.isub(table.iadd(n, pair), 1), pair)


def _least(a: Any, n: Any) -> Any:
    n = n if isinstance(n, Traced) else constant(n)
    return table.select(table.ilt(a, n), a, n)


def _merge(x: Any, out: Any, other: Any, r: Any, n: Any, start: Any, w: Any) -> None:
    middle, end = _least(table.iadd(start, w), n), _least(table.iadd(start, table.imul(w, 2)), n)
    v, scope = _variables("i", "j")
    v["i"], v["j"] = start, middle

    def one(k: Any) -> None:
        def left() -> None:
            other[k] = out[r, v["i"]]
            v["i"] = table.iadd(v["i"], 1)

        def right() -> None:
            other[k] = out[r, v["j"]]
            v["j"] = table.iadd(v["j"], 1)

        def compare() -> None:
            if_(before(x[r, out[r, v["j"]]], x[r, out[r, v["i"]]]), right, left, scope)

        def some() -> None:
            if_(table.igt(end, v["j"]), compare, left, scope)

        if_(table.ilt(v["i"], middle), some, right, scope)

    each(table.isub(end, start), lambda k: one(table.iadd(start, k)), scope)

"""reduce, accumulate, reduceat and at of any ufunc: loops that call it with elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.sites import unsupported, user_site
from ...core.types import is_float
from ...values import gather, indexing, kernels, sizes, writes
from ...values.reshaping import reshape, spread
from ...values.values import Arrayed
from ...values.views import as_array, axes_of, contiguous, is_array, shape_of
from ..axes import along, back_from_rows, moveaxis, ravel, rows
from ..common import arrayed, astype, axis_of, nonempty, program, scalar_kind
from ..creation import full
from ..reductions import _last

LOGICAL = (np.logical_and, np.logical_or, np.logical_xor)


def folded(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A method of a ufunc of two operands (at: or of one)."""
    if method == "at":
        return _at(ufunc, *inputs)
    names = ("indices", "axis", "dtype") if method == "reduceat" else ("axis", "dtype", "out", "keepdims", "initial", "where")
    given = dict(zip(names, inputs[1:], strict=False)) | kwargs
    a, axis, dtype = arrayed(inputs[0]), given.pop("axis", 0), given.pop("dtype", None)
    if dtype is not None or ufunc in LOGICAL:
        a = astype(a, bool if ufunc in LOGICAL else dtype)
    given = {k: v for k, v in given.items() if k != "out" and not (k == "where" and v is True) and v is not np._NoValue}
    if method == "reduce":
        return _reduced(ufunc, a, axis, **given)
    if method == "accumulate":
        a, at = along(a, axis)
        matrix, order, shape = rows(a, at)
        return back_from_rows(_running(ufunc, kernels.copied(matrix)), order, shape)
    moved = moveaxis(a, axis, 0)
    columns = shape_of(moved)[1:]
    matrix = contiguous(reshape(moved, [shape_of(moved)[0], sizes.product(columns)]))
    found = _parts(ufunc, matrix, as_array(given["indices"]))
    return moveaxis(reshape(found, [shape_of(found)[0], *columns]), 0, axis_of(axis, a.ndim))


def _reduced(ufunc: Any, a: Arrayed, axis: Any, keepdims: bool = False, initial: Any = None, **others: Any) -> Any:
    if others:
        unsupported(f"np.{ufunc.__name__}.reduce with {', '.join(f'{k}=' for k in others)}", "leave it out")
    gone = axes_of(axis, a.ndim)
    matrix = _last(a, gone)
    *lead, n = shape_of(matrix)
    matrix = contiguous(reshape(matrix, [sizes.product(lead), n]))
    first = ufunc.identity if initial is None else initial
    if first is None:
        nonempty(matrix, 1, ufunc.__name__)
        found = _folded(ufunc, matrix[:, 0].copy(), matrix[:, 1:])
    else:
        found = _folded(ufunc, full(shape_of(matrix)[0], first, matrix.dtype), matrix)
    found = reshape(found, lead)
    return kernels.put_back(found, gone, a.ndim) if keepdims else found


@program
def _folded(ufunc: Any, out: Any, m: Any) -> Any:
    for i in range(m.shape[0]):
        for j in range(m.shape[1]):
            out[i] = ufunc(out[i], m[i, j])
    return out


@program
def _running(ufunc: Any, m: Any) -> Any:
    for i in range(m.shape[0]):
        for j in range(1, m.shape[1]):
            m[i, j] = ufunc(m[i, j - 1], m[i, j])
    return m


@program
def _parts(ufunc: Any, m: Any, starts: Any) -> Any:
    """From each index to the next one, which is a single row where that does not come later."""
    out = np.zeros((len(starts), m.shape[1]), m.dtype)
    for s in range(len(starts)):
        stop = starts[s + 1] if s + 1 < len(starts) else len(m)
        out[s] = m[starts[s]]
        for r in range(starts[s] + 1, stop):
            for c in range(m.shape[1]):
                out[s, c] = ufunc(out[s, c], m[r, c])
    return out


def _at(ufunc: Any, a: Arrayed, indices: Any, b: Any = None) -> None:
    b, parts = None if b is None else as_array(b), indexing.split_index(a, indices)
    writes.check_owned(a)
    if b is not None and is_float(scalar_kind(b)) and not is_float(a.type.dtype):
        raise TypeError(
            f"Cannot cast ufunc {ufunc.__name__!r} output from {b.dtype} to {a.dtype} with casting rule 'same_kind' ({user_site()})"
        )
    if not any(is_array(p) for p in parts):
        a[tuple(parts)] = ufunc(a[tuple(parts)], *(() if b is None else (b,)))
        return
    where, shape = gather.positions(a, parts)
    values = None if b is None else spread(b, shape)
    into, (where, values) = gather.flat_of(a), (_kept(x, a) for x in (where, values))
    _changed(ufunc, into, ravel(where), None if values is None else ravel(values))


def _kept(x: Any, a: Arrayed) -> Any:
    """x as it is before `a` is written."""
    return kernels.copied(x) if isinstance(x, Arrayed) and writes.may_alias(x, a) else x


@program
def _changed(ufunc: Any, x: Any, where: Any, values: Any) -> None:
    for i in range(len(where)):
        if values is None:
            x[where[i]] = ufunc(x[where[i]])
        else:
            x[where[i]] = ufunc(x[where[i]], values[i])

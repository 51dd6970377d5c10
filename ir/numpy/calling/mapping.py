"""Functions of the user's, which are called with rows, with elements, or with what a condition chooses."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.sites import unsupported, user_site
from ...values import sizes
from ...values.reshaping import reshape, spread
from ...values.values import Arrayed, call
from ...values.views import as_array, axes_of, shape_of
from ..arranging.grids import indices
from ..axes import moveaxis
from ..common import arrayed, astype, axis_of, program
from ..creation import zeros_like
from ..registry import implements


@implements(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    a = as_array(arr)
    at = axis_of(axis, a.ndim)
    rows = moveaxis(a, at, -1)
    *lead, n = shape_of(rows)
    if not lead:
        return _as_array(call(func1d, rows, *args, **kwargs))
    matrix = reshape(rows, [sizes.product(lead), n])
    found = _rows(lambda row: _as_array(call(func1d, row, *args, **kwargs)), matrix)
    found = reshape(found, [*lead, *shape_of(found)[1:]])
    own = found.ndim - len(lead)
    return moveaxis(found, list(range(len(lead), found.ndim)), list(range(at, at + own))) if own else found


def _as_array(x: Any) -> Any:
    return as_array(x) if isinstance(x, (list, tuple)) else x


@program
def _rows(f: Any, rows: Any) -> Any:
    return np.array([f(row) for row in rows])


@implements(np.apply_over_axes)
def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    found = as_array(a)
    for axis in axes_of(axes, found.ndim) if isinstance(axes, (tuple, list)) else (axis_of(axes, found.ndim),):
        less = call(func, found, axis)
        found = less if less.ndim == found.ndim else np.expand_dims(less, axis)
    return found


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    given = as_array(x)
    a = arrayed(given)
    several = isinstance(condlist, (list, tuple)) or (
        isinstance(condlist, Arrayed) and condlist.ndim > a.ndim and isinstance(given, Arrayed)
    )
    conditions = [as_array(c) for c in (list(condlist) if several else [condlist])]
    functions = list(funclist)
    if len(functions) == len(conditions) + 1:
        conditions.append(np.logical_not(_any_of(conditions)))
    elif len(functions) != len(conditions):
        raise ValueError(
            f"with {len(conditions)} condition(s), either {len(conditions)} or {len(conditions) + 1} functions are expected ({user_site()})"
        )
    out = zeros_like(a)
    for c, f in zip(conditions, functions, strict=True):
        c = c if isinstance(c, Arrayed) else arrayed(c)
        if callable(f):
            out[c] = call(f, a[c], *args, **kw)
        else:
            out[c] = f
    return out if isinstance(given, Arrayed) else out[0]


def _any_of(conditions: list[Any]) -> Any:
    found: Any = False
    for c in conditions:
        found = np.logical_or(found, c)
    return found


@implements(np.fromfunction, creates=True, gives="array")
def fromfunction(function: Any, shape: Any, *, dtype: Any = float, like: Any = None, **kwargs: Any) -> Any:
    grid = indices(shape, dtype)
    return call(function, *(grid[q] for q in range(len(shape))), **kwargs)


@implements(np.fromiter, creates=True, gives="array")
def fromiter(iter: Any, dtype: Any, count: int = -1, *, like: Any = None) -> Any:  # NumPy's
    found = _listed(iter)
    found = astype(found, dtype)
    return found if count < 0 else found[:count]


@program
def _listed(items: Any) -> Any:
    return np.array([x for x in items])  # rewritten code makes a list of what is staged


# ---- np.vectorize
def vectorized(v: Any, args: Any, kwargs: Any) -> Any:
    """A call of an object that np.vectorize has made: its function is called for each element, or with arrays of the axes that its
    signature names. Of results of several types it takes the wider one, where NumPy takes the first."""
    if kwargs or v.excluded:
        unsupported(
            "np.vectorize with keywords or excluded arguments", "give the arguments by position, or close over what is not an array"
        )
    core = _cores(v.signature) if v.signature is not None else [0] * len(args)
    given = [as_array(x) for x in args]
    leads = [shape_of(x)[: len(shape_of(x)) - r] for x, r in zip(given, core, strict=True)]
    lead = sizes.broadcast([s for s in leads if s])
    if not lead:
        return call(v.pyfunc, *given)
    flat = []
    for x, r in zip(given, core, strict=True):
        shape = shape_of(x)
        wide = spread(x, [*lead, *shape[len(shape) - r :]])
        flat.append(reshape(wide, [sizes.product(lead), *shape[len(shape) - r :]]))
    found: Any = _numbers(lambda *xs: _one_value(call(v.pyfunc, *xs)), flat)
    found = reshape(found, [*lead, *shape_of(found)[1:]])
    return astype(found, np.dtype(v.otypes[0])) if v.otypes else found


def _one_value(x: Any) -> Any:
    if isinstance(x, tuple):
        unsupported("np.vectorize of a function that gives several values", "call it for the elements in a loop")
    return _as_array(x)


def _cores(signature: str) -> list[int]:
    """How many axes of each argument a function takes."""
    parts = signature.replace(" ", "").partition("->")[0]
    return [0 if not p else p.count(",") + 1 for p in parts.strip("()").split("),(")]


@program
def _numbers(f: Any, columns: Any) -> Any:
    return np.array([f(*xs) for xs in zip(*columns)])  # noqa: B905  # they are equally long

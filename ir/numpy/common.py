"""What the whole-array functions share: arguments that are refused, dtypes, rows along an axis, ufuncs by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import errors
from ..core.sites import user_site
from ..core.types import F64, Scalar, is_float
from ..ops import table
from ..values import reshaping, sizes, values
from ..values.kernels import elementwise, filled
from ..values.operators import arithmetic
from ..values.reshaping import expand
from ..values.values import Arrayed, Traced, scalar_type, to_type
from ..values.views import as_array, axes_of, shape_of, with_axes
from .creation import astype, dtype_of
from .dispatch import UFUNCS

Axis = Any


def unsupported(what: str, instead: str) -> Any:
    raise errors.UnsupportedOperationError(f"{what} at {user_site()} is not supported; {instead}")


def plain_arguments(name: str, **given: Any) -> None:
    """Refuse arguments of NumPy's that are not supported."""
    for argument, value in given.items():
        if value is not None and value is not np._NoValue:
            unsupported(f"np.{name} with {argument}=", "leave it out")


def scalar_kind(x: Any) -> Scalar:
    return x.type.dtype if isinstance(x, Arrayed) else (scalar_type(x) or (F64, True))[0]


def float_array(x: Any) -> Any:
    """As floats: ints and bools become f64."""
    x = as_array(x)
    if is_float(scalar_kind(x)):
        return x
    return astype(x, F64) if isinstance(x, Arrayed) else arithmetic("div", x, 1) if isinstance(x, Traced) else float(x)


def count(a: Arrayed, axis: Axis) -> Any:
    shape = shape_of(a)
    return sizes.product([shape[q] for q in axes_of(axis, len(shape))])


def divided(total: Any, n: Any) -> Any:
    """total / n in total's dtype."""
    t = scalar_kind(total)
    n = astype(n, t) if isinstance(n, Arrayed) else to_type(n, t) if isinstance(n, Traced) else float(n)
    if not isinstance(total, (Traced, Arrayed)):
        return float(np.float64(total) / n)
    return arithmetic("div", total, n)


def nonempty(a: Arrayed, axis: Axis, name: str) -> None:
    n = count(a, axis)
    if sizes.is_known(n):
        if int(sizes.plain(n)) == 0:
            raise errors.ArrayShapeError(f"zero-size array to reduction operation {name} which has no identity ({user_site()})")
        return
    sizes._check(
        "equal_size",
        table.select(table.ieq(n, 0), n, sizes.lifted(1)[0]),
        1,
        f"zero-size array to reduction operation {name} which has no identity",
    )


def rows(a: Arrayed, axis: int) -> tuple[Arrayed, list[int], list[Any]]:
    """(a matrix whose rows run along `axis`, the order of axes that it comes from, the sizes in that order)"""
    order = [q for q in range(a.ndim) if q != axis] + [axis]
    moved = a if order == list(range(a.ndim)) else with_axes(a, order)
    shape = shape_of(moved)
    return reshaping.reshape(moved, [sizes.product(shape[:-1]), shape[-1]]), order, shape


def back_from_rows(out: Arrayed, order: Sequence[int], shape: Sequence[Any]) -> Arrayed:
    out = reshaping.reshape(out, list(shape))
    return out if list(order) == sorted(order) else with_axes(out, [list(order).index(q) for q in range(len(order))])


def along(a: Any, axis: Axis) -> tuple[Arrayed, int]:
    """(array, axis), flat where axis is None."""
    a = as_array(a)
    if not isinstance(a, Arrayed):
        a = filled(a, (1,))
    if axis is None:
        return (a if a.ndim == 1 else ravel(a)), 0
    return a, axes_of(axis, a.ndim)[0]


def common_dtype(parts: Sequence[Any]) -> Scalar:
    kinds = [scalar_kind(p) for p in parts]
    if all(k == kinds[0] for k in kinds):
        return kinds[0]
    found = np.result_type(*(values_dtype(k) for k in kinds))
    return dtype_of(found)


def values_dtype(t: Scalar) -> Any:
    from ..core.types import NUMPY_DTYPES

    return NUMPY_DTYPES[t]


def _call(name: str, fn: Any, inputs: tuple[Any, ...]) -> Any:
    given = [as_array(x) for x in inputs]
    if name in _ARITHMETIC:
        return fn(*given)  # knows arrays
    return elementwise(_for_elements(fn), *given, name=name)


def _for_elements(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A scalar function for elements, some of which are plain numbers."""
    return lambda *xs: fn(*(values.constant(x) if not isinstance(x, Traced) and i == 0 else x for i, x in enumerate(xs)))


_ARITHMETIC = ("add", "subtract", "multiply", "divide", "true_divide", "floor_divide", "remainder", "mod", "power", "clip")


class _Ufuncs:
    """The functions by name, for arrays and scalars."""

    def __getitem__(self, name: str) -> Callable[..., Any]:
        def call(*xs: Any) -> Any:
            given = [as_array(x) for x in xs]
            return (
                _call(name, UFUNCS[name], tuple(given))
                if any(isinstance(x, Arrayed) for x in given)
                else _for_elements(UFUNCS[name])(*given)
            )

        return call


UFUNCS_OF = _Ufuncs()


def ravel(a: Any, order: str = "C") -> Any:
    if order != "C":
        unsupported(f"an array in one dimension with order={order!r}", "arrays are in C order; turn the axes with a.T first")
    a = as_array(a)
    if not isinstance(a, Arrayed):
        return filled(a, (1,))
    if a.ndim == 1:
        return a
    return reshaping.reshape(a, [sizes.product(shape_of(a))])


def _at_least(n: int) -> Callable[..., Any]:
    def one(a: Any) -> Any:
        a = as_array(a)
        if not isinstance(a, Arrayed):
            return filled(a, (1,) * n)
        if a.ndim >= n:
            return a
        if n == 3:
            return expand(a, (0, 2)) if a.ndim == 1 else expand(a, (2,))
        return expand(a, range(n - a.ndim))

    return lambda *args: one(args[0]) if len(args) == 1 else tuple(map(one, args))


atleast_1d, atleast_2d, atleast_3d = map(_at_least, (1, 2, 3))

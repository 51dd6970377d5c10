"""Functions of floats as functions of numbers and arrays: what scipy.special's ufuncs do with their operands."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ...core.graph import Const
from ...core.op import literal
from ...core.types import F64, Scalar, is_float
from ...ops.special.rows import special
from ...values.kernels import elementwise
from ...values.scalars import promote
from ...values.values import Traced, to_type
from ...values.views import as_array
from ..registry import implements

Function = Callable[..., Any]


class _Named:
    """S.jv(v, x): a special function of traced numbers, by its name."""

    def __getattr__(self, name: str) -> Function:
        return special(name)


S: Any = _Named()


def strong(x: Any, t: Scalar) -> Traced:
    """A number as a traced one of this type."""
    if isinstance(x, Traced):
        x = to_type(x, t)
        return Traced(x.atom, x.builder)
    return Traced(Const(literal(x, t), t), None)


def floats(name: str, function: Function, wide: bool = False) -> Function:
    """A function of numbers of one float type, on any numbers. `wide`: float32 has too few digits for what it does inside."""

    @functools.wraps(function)
    def element(*args: Any) -> Any:
        t, weak = promote(name, *args)
        t = t if is_float(t) else F64
        z = strong(function(*(strong(a, F64 if wide else t) for a in args)), t)
        return Traced(z.atom, z.builder, weak and t == F64)

    return element


def each(name: str, function: Function, wide: bool = False) -> Function:
    """The same of arrays, element by element."""
    element = floats(name, function, wide)

    def run(*args: Any) -> Any:
        return elementwise(element, *map(as_array, args), name=name)

    return run


def ufunc(*names: str, wide: bool = False) -> Callable[[Function], Function]:
    """The decorated function of floats is scipy.special's ufunc of its name, or of these."""

    def add(function: Function) -> Function:
        for name in names or (function.__name__.rstrip("_"),):
            implements(f"scipy.special.{name}")(floats(name, function, wide))
        return function

    return add


def several(name: str, count: int) -> None:
    """scipy.special's ufunc of that name, with so many results."""
    parts = [floats(name, special(f"{name}.{i}")) for i in range(count)]
    implements(f"scipy.special.{name}")(lambda *args: tuple(part(*args) for part in parts))

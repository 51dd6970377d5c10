"""Leaves of arguments and results, between Python and a program."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .backends.base import Shape
from .ir.core.types import BOOL, F32, F64, I64, Array
from .ir.trace.program import Traceable


def python_value(x: Any, t: Any) -> Any:
    """A result: Python scalars for f64, i64 and bool, np.float32 for f32, arrays as they are."""
    return x if isinstance(t, Array) else CONVERTERS[t](x)


CONVERTERS: dict[Any, Callable[[Any], Any]] = {F64: float, I64: int, BOOL: bool, F32: np.float32}


@dataclass(frozen=True)
class _Place:
    """Stands for a leaf while the structure around it is looked at."""

    index: int


_BUILT_NATIVELY: dict[type, str] = {tuple: "Tuple", list: "List", dict: "Dict"}


def built(traced: Traceable, finish: Callable[[tuple[Any, ...]], Any]) -> Shape:
    """How compiled code is to put the result together."""
    numbers = itertools.count()
    fixed: list[Any] = []

    def keep(x: Any) -> int:
        fixed.append(x)
        return len(fixed) - 1

    places = [next(numbers) if t is not None else ("static", keep(s)) for t, s in zip(traced.results, traced.static, strict=True)]

    def node(x: Any) -> Any:
        if isinstance(x, _Place):
            return places[x.index]
        kind = _BUILT_NATIVELY[type(x)]
        children = tuple(map(node, x.values() if kind == "Dict" else x))
        return (kind, children, tuple(map(keep, x))) if kind == "Dict" else (kind, children)

    try:
        whole = node(finish(tuple(map(_Place, range(len(places))))))
    except KeyError:
        whole = "leaves"
    return Shape(whole, tuple(places), tuple(fixed))


def misfit(f: Callable[..., Any], args: Sequence[Any]) -> tuple[inspect.Signature, TypeError] | None:
    """The signature of a function that does not take so many arguments, and what Python says of it."""
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):  # some builtins have none
        return None
    try:
        signature.bind(*args)
    except TypeError as error:
        return signature, error
    return None

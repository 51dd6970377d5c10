"""One of several lists, dicts, deques or sets: what writes into it writes into the one that it is; what reads it as a whole reads a copy."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ...objects.choice import Choice, state_of
from ...objects.heap import MUTATORS
from ...values.values import call
from ..stores import in_place, subscripted, subscripts_written
from .pick import each, pick, plain

_ITEMS = {"__setitem__", "__delitem__", "__contains__", "__len__", "__eq__", "__ne__", "__lantern_truth__", "__bool__"}
_IN_PLACE = {"add__", "or__", "and__", "sub__", "xor__", "mul__"}


def attribute_of(x: Choice, name: str) -> Callable[..., Any]:
    """x.name, a method."""

    def method(*args: Any, **kwargs: Any) -> Any:
        if name in MUTATORS or name == "get":
            return each(x, lambda c: call(getattr(c, name), *args, **kwargs))
        return call(getattr(plain(x), name), *args, **kwargs)

    return method


def operation(x: Choice, name: str, args: Any) -> Any:
    """What a method with two underscores does."""
    if name == "__getitem__":
        (i,) = args
        index, objects = state_of(x)
        if isinstance(i, (int, str)) and all(isinstance(c, dict) and i in c for c in objects):
            return pick(index, [subscripted(c, i) for c in objects])
        return each(x, lambda c: subscripted(c, i))
    if name == "__setitem__":
        return each(x, lambda c: subscripts_written(args[1], c, args[0]))
    if name.startswith("__i") and name.removeprefix("__i") in _IN_PLACE:

        def change(c: Any) -> None:
            in_place(getattr(operator, name), c, *args)

        each(x, change)
        return x
    if name in _ITEMS:
        return each(x, lambda c: getattr(c, name)(*args))
    return getattr(plain(x), name)(*args)

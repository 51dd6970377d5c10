"""`copy.copy` and `copy.deepcopy` of values of a trace."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import current_trace
from ..core.sites import user_site
from ..values import pytree, values
from ..values.views import as_array, is_array
from .held import CONTAINERS
from .structure import closed, is_object, opened


def shallow(x: Any) -> Any:
    """A new object with the parts of x; what cannot be written is itself."""
    return _copied(x, copy.copy, "__copy__", (), lambda part: shallow(part) if _is_contents(part) else part)


def _is_contents(x: Any) -> bool:
    """Is it all that one container holds, of which only the program knows what that is?"""
    return hasattr(type(x), "__lantern_queue__") and not isinstance(x, CONTAINERS)


def deep(x: Any, memo: Any = None) -> Any:
    """A new object with copies of the parts of x: one for each, however often it is there."""
    memo = {} if memo is None else memo
    if id(x) not in memo:
        memo[id(x)] = (
            _copied(x, copy.deepcopy, "__deepcopy__", (memo,), lambda part: deep(part, memo)),
            x,
        )  # x lives as long as its id counts
    return memo[id(x)][0]


def _copied(x: Any, plain: Callable[..., Any], method: str, more: tuple[Any, ...], each: Callable[[Any], Any]) -> Any:
    trace = current_trace()
    if trace is None or not trace.builders:
        return plain(x, *more)
    if isinstance(x, np.random.Generator):
        raise errors.UnsupportedOperationError(
            f"a copy of a random Generator at {user_site()} would draw what the first one draws: give the function two of them (rng.spawn(2))"
        )
    if is_array(x):
        return as_array(x).copy()
    if is_object(x) and hasattr(type(x), method):
        return values.call(getattr(x, method), *more)
    if isinstance(x, set):
        return trace.heap.made(type(x)(map(each, x)))
    if hasattr(type(x), "__lantern_queue__"):
        lists, known = pytree.one_level(x)
        copied = pytree.of_parts(type(x), known, [_copied(y, plain, method, more, each) for y in lists])
        return copied if _is_contents(x) else trace.heap.made(copied)
    found = opened(x) if not pytree.is_node(type(x)) else None
    if found is None:
        return x
    shape, parts = found
    if shape.more == "growing":
        return x.copy()
    new = [each(part) for part in parts]
    unchanged = isinstance(x, tuple) and all(a is b for a, b in zip(new, parts, strict=True))
    return x if unchanged else closed(shape, new, trace.heap)


REPLACED: dict[Any, Callable[..., Any]] = {copy.copy: shallow, copy.deepcopy: deep}

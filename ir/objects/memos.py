"""What a function with functools.cache or lru_cache remembers while it is traced.

A result is a value of the program: it is there on the paths that lead on from where it was computed, and on no others. Python's own cache
would give it to all, and would keep it when the trace has ended.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

from ..core.builder import Builder, Frame, current_trace, keep
from ..values.values import Arrayed
from .choice import is_choice
from .held import CONTAINERS


class Memo:
    """A result, and under which conditions it was computed."""

    __slots__ = ("builder", "of", "under", "value")

    def __init__(self, value: Any, builder: Builder, of: Any) -> None:
        self.value, self.builder, self.under = value, builder, _conditions(builder)
        self.of = of  # alive as long as their ids are keys

    def holds(self, builder: Builder) -> bool:
        """Is every path to here one on which it was computed?"""
        return builder.inside(self.builder) and all(any(f is g for g in self.builder.frames) for f in self.under)


keep(
    "memos",
    lambda trace: {},  # by function and arguments
    mark=dict,
    undo=lambda memos, was: (memos.clear(), memos.update(was)),
)


def _conditions(builder: Builder) -> list[Frame]:
    """Constructs that some paths leave without coming by here."""
    return [f for f in builder.frames if f.kind == "condition" or f.staged or f.kind == "staged" or any(f.ends.values())]


def cached(function: Any) -> tuple[Any, tuple[Any, ...]] | None:
    """(the function that a cache is around, what comes before its arguments); None for other functions."""
    owner: tuple[Any, ...] = ()
    if isinstance(function, types.MethodType):
        function, owner = function.__func__, (function.__self__,)
    return (function.__wrapped__, owner) if isinstance(function, functools._lru_cache_wrapper) else None


def remembered(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], compute: Callable[[], Any]) -> Any:
    """compute(), once on each path for equal arguments."""
    trace = current_trace()
    if trace is None or not trace.builders or any(map(is_choice, (*args, *kwargs.values()))):
        return compute()
    key = (id(function), *(_key(a) for a in args), *((n, _key(a)) for n, a in sorted(kwargs.items())))
    builder = trace.builders[-1]
    found = trace.memos.get(key)
    if found is not None and found.holds(builder):
        return found.value
    value = compute()
    trace.memos[key] = Memo(value, trace.builders[-1], (function, args, kwargs))
    return value


def _key(x: Any) -> Any:
    if isinstance(x, (Arrayed, *CONTAINERS)):
        hash(x)  # as Python says
    return (
        (type(x), x)
        if isinstance(x, (int, float, complex, str, bytes, type(None)))
        else (tuple, *map(_key, x))
        if type(x) is tuple
        else id(x)
    )

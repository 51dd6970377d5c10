"""Writes to the user's objects, announced before they happen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.builder import current_trace
from ..objects.heap import CONTAINERS
from ..values.values import Arrayed
from .paths import heap_of


def seen(x: Any) -> Any:
    """x, all of whose items Python is about to go through."""
    trace = current_trace()
    if trace is not None and trace.builders:
        trace.reads.contents(x)
        trace.reads.arrays((x,))
    return x


def delitem(obj: Any, index: Any) -> None:
    """del obj[index]"""
    if current_trace() is not None and isinstance(obj, CONTAINERS):
        heap_of().note(obj)
    del obj[index]


def setattr_(value: Any, obj: Any, name: str) -> None:
    """obj.name = value"""
    if isinstance(obj, Arrayed) and name in ("real", "imag"):
        getattr(obj, name)[...] = value
        return
    if current_trace() is not None and not isinstance(obj, Arrayed):
        heap_of().note(obj, name)
    setattr(obj, name, value)


def delattr_(obj: Any, name: str) -> None:
    """del obj.name"""
    if current_trace() is not None:
        heap_of().note(obj, name)
    delattr(obj, name)


def in_place(fn: Callable[[Any, Any], Any], old: Any, value: Any) -> Any:
    """old (op)= value, which may write into a container."""
    if isinstance(old, CONTAINERS) and current_trace() is not None:
        heap_of().note(old)
    return fn(old, value)

"""Transforms of one function share what has been traced and compiled: `lj.grad(loss)(w)` in a loop makes a new one each time.

Two functions are one if they have the same code, globals, cells and defaults, as the lambdas have that one line makes again
and again in one call. Of the functions with the same code the latest is kept, and no more than MOST of all.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

MOST = 64
_LATEST: dict[Any, tuple[Any, Any]] = {}  # by code: the identity of a function, and what is shared by those that are the same


def shared(kind: str, f: Callable[..., Any], options: Any, make: Callable[[], Any]) -> Any:
    """What `make()` has given for this kind of transform of this function. It must keep `f` alive."""
    this = identity(f)
    place = kind, options, this[0]
    found = _LATEST.get(place)
    if found is not None and found[0] == this:
        return found[1]
    made = make()
    _LATEST.pop(place, None)
    _LATEST[place] = this, made
    for old in list(_LATEST)[:-MOST]:
        _LATEST.pop(old, None)
    return made


def identity(f: Any) -> tuple[Any, ...]:
    """(code, what else there is of a function), equal for functions that do the same for ever."""
    if isinstance(f, types.FunctionType) and not f.__dict__:
        named = f.__kwdefaults__ or {}
        parts = (f.__globals__, *(f.__closure__ or ()), *(f.__defaults__ or ()), *named.values())
        return f.__code__, tuple(map(id, parts)), tuple(named)
    if isinstance(f, types.MethodType):
        return *identity(f.__func__), id(f.__self__)
    if type(f) is functools.partial and not f.__dict__:
        return *identity(f.func), tuple(map(id, f.args)), tuple((k, id(v)) for k, v in f.keywords.items())
    inner = getattr(f, "__lantern_identity__", None)
    return (id(f),) if inner is None else inner

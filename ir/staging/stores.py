"""Writes to the user's objects, announced before they happen."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from ..core.builder import building, current_trace
from ..core.port import Port
from ..core.sites import is_library, unsupported, user_site
from ..objects.choice import Choice
from ..objects.held import CONTAINERS, held_by
from ..objects.structure import is_object
from ..syntax.rewrite import NOT_USER_CODE, convert
from ..values.arrays import lift_array
from ..values.values import Arrayed, Traced, call
from ..values.writes import check_owned
from .paths import heap_of

attribute = Port("reads an attribute of an object, as rewritten code does")
subscripted = Port("gives x[i], as rewritten code does")
subscripts_written = Port("writes x[i], as rewritten code does")


def seen(x: Any) -> Any:
    """x, all of whose items Python is about to go through."""
    trace = current_trace()
    if trace is not None and trace.builders:
        trace.reads.contents(x)
        trace.reads.arrays((x,))
        if (own := method_of(x, "__iter__")) is not None:
            trace.reads.function(own)
    return x


def method_of(obj: Any, name: str) -> Any:
    """A method of an object's class that is written in Python, by a user: it is to be called by `call`. None while nothing is traced."""
    found = getattr(type(obj), name, None) if building() else None
    return types.MethodType(found, obj) if isinstance(found, types.FunctionType) and not is_library(found.__code__.co_filename) else None


def _there(x: Any) -> Any:
    """What may be None, where it is needed."""
    needed = getattr(type(x), "__lantern_needed__", None)
    return x if needed is None else needed(x)


def gone_through(x: Any, in_turn: bool = False) -> Any:
    """What Python goes through where it goes through x: for an object of a user's class what its `__iter__` gives, which is rewritten like other
    code. `in_turn`: others are gone through by turns with it, so that a generator function has to wait: Python runs it, unless it may look at
    what is there on some paths only."""
    x = _there(x)
    own = method_of(x, "__iter__") if not isinstance(x, type) and type(x).__module__.split(".")[0] not in NOT_USER_CODE else None
    if own is None or (in_turn and getattr(convert(own.__func__), "__lantern_yields__", False) and not _holds_open(x)):
        return x
    return call(own)


def _holds_open(x: Any) -> bool:
    """Is something that may be None, or is one of several, in that object, or in those in it?"""
    work, known = [x], set()
    while work:
        holder = work.pop()
        if hasattr(type(holder), "__lantern_among__"):
            return True
        if id(holder) not in known and (isinstance(holder, (tuple, *CONTAINERS)) or is_object(holder)):
            known.add(id(holder))
            work += held_by(holder) if not isinstance(holder, tuple) else holder
    return False


def constants_written(x: Any) -> None:
    """Python is about to write into an array of constants. Compiled code would not do so again: one that others may see is not written, and one that
    the trace has made is the program's own the next time, unless nothing traced has come between."""
    trace = current_trace()
    if isinstance(x, np.ndarray) and x.ndim and x.dtype.kind in "biufc" and building() and not trace.reads.made_here(x):  # type: ignore[union-attr]
        check_owned(lift_array(x))


_METHODS_THAT_WRITE = {"sort", "fill", "partition", "put", "itemset", "resize", "byteswap", "setfield"}  # of arrays
_WRITERS = {"copyto", "put", "place", "putmask", "fill_diagonal", "put_along_axis", "shuffle"}


def called(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    """Code that is not rewritten is about to run: does it write into an array, its own, its first one, or `out`?"""
    owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
    for x in (owner if name in _METHODS_THAT_WRITE else None, args[0] if args and name in _WRITERS else None, kwargs.get("out")):
        constants_written(x)


def delitem(obj: Any, index: Any) -> None:
    """del obj[index]"""
    obj = _there(obj)
    if (own := method_of(obj, "__delitem__")) is not None:
        call(own, index)
        return
    if current_trace() is not None and isinstance(obj, CONTAINERS):
        heap_of().note(obj)
    del obj[index]


def setattr_(value: Any, obj: Any, name: str) -> None:
    """obj.name = value; setters are rewritten like other code."""
    if type(obj) is Choice:
        setattr(obj, name, value)
        return
    if isinstance(obj, Arrayed) and name in ("real", "imag"):
        if name == "imag" and np.dtype(obj.dtype).kind != "c":
            raise TypeError("array does not have imaginary part to set")
        getattr(obj, name)[...] = value
        return
    if building():
        of_class = inspect.getattr_static(type(obj), name, None)
        if isinstance(of_class, property) and of_class.fset is not None:
            call(of_class.fset, obj, value)
            return
        if (own := method_of(of_class, "__set__")) is not None:
            call(own, obj, value)
            return
        if (own := method_of(obj, "__setattr__")) is not None:
            heap_of().note(obj, name)
            call(own, name, value)
            return
    announced(obj, name)
    setattr(obj, name, value)


def announced(obj: Any, name: str) -> None:
    """An attribute is about to be written."""
    if isinstance(obj, (Arrayed, Traced)):
        _no_attribute(obj, name)
    if current_trace() is not None:
        heap_of().note(obj, name)


INSTEAD = {"shape": "x = x.reshape(..)", "dtype": "x = x.astype(..)", "flat": "x[...] = value"}


def _no_attribute(obj: Any, name: str) -> NoReturn:
    """What a traced value has is not the user's to set."""
    if name in INSTEAD and isinstance(obj, Arrayed):
        unsupported(f"a new .{name} of an array", f"write {INSTEAD[name]}")
    kind = "numpy.ndarray" if isinstance(obj, Arrayed) else str(obj.dtype)
    raise AttributeError(f"'{kind}' object has no attribute '{name}' to write ({user_site()})")


def delattr_(obj: Any, name: str) -> None:
    """del obj.name"""
    announced(obj, name)
    delattr(obj, name)


def _plainly(obj: Any, name: str, value: Any) -> None:
    announced(obj, name)
    object.__setattr__(obj, name, value)


REPLACED: dict[Any, Callable[..., Any]] = {
    setattr: lambda obj, name, value: setattr_(value, obj, name),
    delattr: delattr_,
    object.__setattr__: _plainly,  # of dataclasses that are frozen
}


def in_place(fn: Callable[[Any, Any], Any], old: Any, value: Any) -> Any:
    """old (op)= value, which may write into a container."""
    if isinstance(old, CONTAINERS) and current_trace() is not None:
        heap_of().note(old)
    constants_written(old)
    return fn(old, value)

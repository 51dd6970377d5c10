"""A call in rewritten code."""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import math
import operator
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.builder import building, current_trace
from ..core.sites import is_library
from ..numpy import dispatch as numpy_api
from ..objects import memos
from ..objects.choice import Choice, as_number, resolved
from ..objects.heap import MUTATORS, Heap
from ..objects.held import CONTAINERS, MISSING, among
from ..python import guarded, host, random, strings
from ..python.containers import mappings, sets, steps
from ..python.containers.given import with_containers
from ..python.questions import dispatched
from ..python.subscripts import GETTERS, gets, got, is_open, member
from ..staging import stores
from ..staging.chosen.pick import each, plain
from ..staging.functions import invoke
from ..staging.lists import List, made
from ..staging.optional import Maybe, holder, needed
from ..staging.paths import heap_of
from ..staging.stores import announced
from ..syntax.rewrite import NOT_USER_CODE, raw_of
from ..values import arrays, values
from ..values.complexes.pairs import Complex, ComplexArray
from ..values.values import Arrayed, Traced
from ..values.views import any_traced
from .callback import callback, drawing
from .progress import of_tqdm, shows

REPLACED: dict[Any, Callable[..., Any]] = {}  # what is called in place of functions that do not know traced values

# What builtins ask of a user's class.
_ASKS: dict[Any, str] = {
    abs: "__abs__", len: "__len__", float: "__float__", int: "__int__", complex: "__complex__", bool: "__bool__", round: "__round__",
    divmod: "__divmod__", math.floor: "__floor__", math.ceil: "__ceil__", math.trunc: "__trunc__",
}  # fmt: skip
_LOOK_UP = ("get", "pop", "setdefault", "discard", "__getitem__", "__contains__")

# Modules with functions written in Python that host.py or random.py must see.
_WITH_EFFECTS = ("uuid", "secrets", "logging", "warnings", "tqdm.std")


@stores.attribute.define
def attribute(obj: Any, name: str) -> Any:
    """obj.name. What it says is looked at again before later calls; properties are rewritten like other code."""
    trace = current_trace()
    if type(obj) in _PLAIN_TYPES or trace is None or not trace.builders:
        return getattr(obj, name)
    found = trace.reads.attribute(obj := holder(obj, name), name)
    if isinstance(found, property) and isinstance(found.fget, types.FunctionType) and _is_user_code(found.fget):
        return call(found.fget, obj)
    if found is not MISSING and not isinstance(obj, type):
        has_own = name in getattr(obj, "__dict__", ())
        if isinstance(found, functools.cached_property) and not has_own and _is_made_here(obj, found.func):
            return _kept(obj, name, call(found.func, obj))
        if (getter := own_method(found, "__get__")) is not None and (hasattr(type(found), "__set__") or not has_own):
            return call(types.MethodType(getter, found), obj, type(obj))
    try:
        return getattr(obj, name) if found is not MISSING or not _looks_up(type(obj)) else object.__getattribute__(obj, name)
    except AttributeError:
        if not _looks_up(type(obj)):
            raise
    return call(types.MethodType(type(obj).__getattr__, obj), name)


def _is_made_here(obj: Any, function: Any) -> bool:
    """Is it an object of this trace, or of its values, that a user's function looks at? Others are as Python leaves them."""
    mine = heap_of().birth(obj) or any_traced(tuple(obj.__dict__.values()))
    return bool(mine) and isinstance(function, types.FunctionType) and _is_user_code(function)


def _kept(obj: Any, name: str, value: Any) -> Any:
    """What a functools.cached_property gives stays in the object, if that is of this trace."""
    if heap_of().birth(obj):
        announced(obj, name)
        obj.__dict__[name] = value
    return value


def _looks_up(cls: Any) -> bool:
    """Does a user's class say in Python what its instances have under a name that is not there?"""
    found = getattr(cls, "__getattr__", None)
    plain = cls.__getattribute__ in (object.__getattribute__, dict.__getattribute__, list.__getattribute__)
    return plain and isinstance(found, types.FunctionType) and _is_user_code(found)


def own_method(x: Any, name: str) -> Any:
    """A method of a user's class, in Python."""
    if type(x) in _PLAIN_TYPES:
        return None
    found = getattr(type(x), name, None)
    return found if isinstance(found, types.FunctionType) and _is_user_code(found) else None


_NOT_THERE = object()


def _of_library(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a function that is not the user's does in traced code: one with effects, of texts, or one that draws."""
    if type(function) is types.BuiltinMethodType and isinstance(function.__self__, str):
        return strings.method(function, args, kwargs)
    if isinstance(function, enum.EnumMeta) and len(args) == 1 and isinstance(args[0], Traced):
        return member(function, args[0])
    if isinstance(function, GETTERS):
        return gets(function, *args)
    if shows(function):
        return of_tqdm(function, args, dict(kwargs))
    if random.is_maker(function):
        return random.begun(*args, **kwargs)
    if (draws := drawing(function)) is not None:
        return draws(*args, **kwargs)
    random.check_source(function)
    if host.is_effect(function):
        return host.later(function, args, kwargs)
    if guarded.is_exception(function) and any_traced((args, kwargs)):
        return guarded.Deferred(function, args, kwargs)
    return _NOT_THERE


@values.call.define
def call(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    """A call in rewritten code: a staged builtin, a user's function, or anything else as it is."""
    if any(type(a) is Choice for a in args) and not _takes_optionals(function) and not _puts_in(function):
        args = tuple(map(as_number, args))
    if any(type(a) is Choice for a in (*args, *kwargs.values())) and not _keeps(function):
        return _of_each(function, tuple(map(plain, args)), {k: plain(v) for k, v in kwargs.items()})
    if any(type(a) is Maybe for a in args) and not _takes_optionals(function):
        args = tuple(map(needed, args))
    if kwargs and any(hasattr(type(v), "as_result") for v in kwargs.values()):
        mappings.operated("**", kwargs, None)
    if args and building():
        done, args = with_containers(function, args, REPLACED)
        if done:
            return args
    if type(function := needed(function)) is Choice:
        return function(*args, **kwargs)
    if (own := mappings.method(function, args) or sets.method(function, args)) is not None:
        return own(*args, **kwargs)
    try:
        replacement, asks = REPLACED.get(function), _ASKS.get(function)
    except TypeError:  # not hashable: a user's callable object
        replacement = asks = None
    if asks is not None and args and building() and (own := own_method(args[0], asks)) is not None:
        return call(types.MethodType(own, args[0]), *args[1:], **kwargs)
    if replacement is not None:
        if building():
            _looks_at(function, args)
        return _new(replacement(*args, **kwargs))
    if building() and not (type(function) is types.FunctionType and function.__module__ not in _WITH_EFFECTS):
        found = _of_library(function, args, kwargs)
        if found is not _NOT_THERE:
            return found
    if isinstance(function, type) and building() and _is_made_by_init(function):
        return instance(function, args, kwargs)
    if hasattr(function, "__lantern_transform__"):
        return function(*args, **kwargs)
    if numpy_api.is_of_numpy(function) and numpy_api.mentions_traced((args, kwargs)):
        return _new(numpy_api.call_numpy(function, args, kwargs))
    if (getattr(function, "__module__", None) or "").startswith(("scipy.", "numpy.fft")) and (
        any_traced((args, kwargs)) or (building() and numpy_api.runs_functions(function))
    ):
        return _new(numpy_api.call_scipy(function, args, kwargs))
    if isinstance(function, types.FunctionType):
        implementation = dispatched(function, args)
        if implementation is not None:
            return call(implementation, *args, **kwargs)
        if _is_user_code(function):
            return invoke(function, args, kwargs)
        if building():
            _looks_at(function, args)
        return _new(function(*args, **kwargs))
    if isinstance(function, types.MethodType) and isinstance(function.__func__, types.FunctionType) and _is_user_code(function.__func__):
        return invoke(function, args, kwargs)
    if isinstance(function, functools.partial):
        return call(function.func, *function.args, *args, **{**function.keywords, **kwargs})
    method = getattr(type(function), "__call__", None)  # noqa: B004  # the method itself is needed
    if not isinstance(function, type) and isinstance(method, types.FunctionType) and _is_user_code(method):
        return invoke(types.MethodType(method, function), args, kwargs)
    return _call_as_it_is(function, args, kwargs)


def _of_each(function: Any, args: Any, kwargs: Any) -> Any:
    """A call of code that is not rewritten: where an argument is one of several objects, it is given the object itself."""
    place = next((i for i, a in enumerate(args) if type(a) is Choice), None)
    if place is not None and not hasattr(function, "__lantern_transform__"):
        return each(args[place], lambda c: call(function, *args[:place], c, *args[place + 1 :], **kwargs))
    if place is None and not any(type(a) is Choice for a in kwargs.values()):
        return call(function, *args, **kwargs)
    one = {k: resolved(v) if type(v) is Choice else v for k, v in kwargs.items()}
    return call(function, *(resolved(a) if type(a) is Choice else a for a in args), **one)


def _call_as_it_is(function: Any, args: Any, kwargs: Any) -> Any:
    """A call of code that is not rewritten, which may write into containers and look at them."""
    if (found := memos.cached(function)) is not None and building():
        wrapped, owner = found
        if any_traced((args, kwargs)):
            return call(wrapped, *owner, *args, **kwargs)  # what it has computed is of other values
        if owner or raw_of(wrapped) is not None:
            return memos.remembered(wrapped, (*owner, *args), kwargs, lambda: call(wrapped, *owner, *args, **kwargs))
    if _is_method_of_array(function) and building() and (function.__name__ == "copy" or any_traced((args, kwargs))):
        return getattr(arrays.lift_array(function.__self__), function.__name__)(*args, **kwargs)  # of a captured one, as of an argument
    if (
        isinstance(function, (types.BuiltinMethodType, types.MethodWrapperType))
        and isinstance(function.__self__, CONTAINERS)
        and function.__name__ in MUTATORS
        and building()
    ):
        heap_of().note(function.__self__)
    if isinstance(function, types.MethodWrapperType) and function.__name__ in ("__setattr__", "__delattr__"):
        announced(function.__self__, args[0])
    if isinstance(function, types.BuiltinMethodType) and function.__name__ in _LOOK_UP and isinstance(function.__self__, (dict, set)):
        if function.__name__ == "get" and isinstance(function.__self__, dict) and args and is_open(args[0]) and building():
            return got(function.__self__, *args)
        args = tuple(x.as_key() if i == 0 and isinstance(x, Traced) else x for i, x in enumerate(args))
    if not building():
        return function(*args, **kwargs)
    _looks_at(function, args)
    raw = getattr(function, "__func__", None)
    if isinstance(raw, types.FunctionType) and not is_library(raw.__code__.co_filename):
        heap_of().note_within(function.__self__)
    stores.called(function, args, kwargs)
    for x in args:
        if isinstance(x, CONTAINERS) and not _reads_only(function):
            heap_of().note(x)  # heapq.heappush, random.shuffle, list.sort ...: it may be written
    return _new(function(*args, **kwargs))


def _looks_at(function: Any, args: Sequence[Any]) -> None:
    """Code that is not rewritten sees what the containers that it is given hold."""
    reads = current_trace().reads  # type: ignore[union-attr]
    owner = getattr(function, "__self__", None)
    if isinstance(owner, dict) and getattr(function, "__name__", "") in ("get", "__getitem__") and args and isinstance(args[0], str):
        reads.item(owner, args[0])
    elif isinstance(owner, CONTAINERS) and function.__name__ not in MUTATORS:
        reads.contents(owner)
    reads.every(args)
    if not any_traced(args):
        reads.arrays((owner, *args))


def _keeps(function: Any) -> bool:
    """Does a function take a list or a dict for what it is, and not for what is in it?"""
    raw = getattr(function, "__func__", function)
    return (
        _puts_in(function)
        or (isinstance(raw, types.FunctionType) and _is_user_code(raw))
        or isinstance(function, type)
        or _asks_of_it(function)
    )


def _puts_in(function: Any) -> bool:
    """Is it a method that puts something into a container?"""
    return isinstance(getattr(function, "__self__", None), CONTAINERS) and getattr(function, "__name__", "") in MUTATORS


def _asks_of_it(function: Any) -> bool:
    """Is it a function that knows what may be one of several objects?"""
    if (getattr(function, "__module__", None) or "").startswith(__name__.removesuffix("trace.calls")):
        return True
    known = (isinstance, hasattr, getattr, setattr, delattr, callable, print, min, max, functools.reduce)
    return (
        any(function is f for f in known)
        or function is callback
        or host.is_effect(function)
        or any(function is f for f in strings.REPLACED)
    )


def _takes_optionals(function: Any) -> bool:
    """Is it a user's function, which may ask whether its argument is None?"""
    while isinstance(function, functools.partial):
        function = function.func
    if hasattr(function, "__lantern_transform__"):
        return getattr(function, "__lantern_optionals__", function is callback)
    if isinstance(function, type):
        return _is_made_by_init(function)
    asks = own_method(function, "__call__") is not None or memos.cached(function) is not None or host.is_effect(function)
    raw = getattr(function, "__func__", function)
    user = isinstance(raw, types.FunctionType) and (_is_user_code(raw) or isinstance(getattr(function, "__self__", None), List))
    return asks or user or among(function, (isinstance, hasattr, print, operator.eq, operator.ne, *strings.REPLACED))


def _reads_only(function: Any) -> bool:
    """Is it known that a function does not write into its arguments?"""
    return (
        isinstance(function, (type, np.ufunc))
        or getattr(function, "__module__", "") in _READERS
        or among(function, (len, repr, id, hash, iter, next, print))
    )


_READERS = ("numpy", "numpy.linalg", "math", "scipy.special", "functools", "copy", "json")

_VALUES = {int, float, complex, bool, str, type(None), Traced, Arrayed, Complex, ComplexArray, np.ndarray, np.float64, np.int64}


def _new(x: Any) -> Any:
    """The result of code that is not rewritten."""
    trace = current_trace()
    if trace is None or not trace.builders:
        return x
    if isinstance(x, np.ndarray):
        return trace.reads.made_array(x, 1)
    if isinstance(x, tuple):
        parts = [trace.reads.made_array(part, 2) for part in x]
        if not all(a is b for a, b in zip(parts, x, strict=True)):
            return x._make(parts) if hasattr(x, "_make") else tuple(parts)
        del parts
    if type(x) in _VALUES:
        return x
    steps.made(x)
    trace.heap.returned(x, 3)
    return made(x) if type(x) is list and trace.heap.birth(x) else x


def _is_made_by_init(cls: type) -> bool:
    """Is it a user's class whose instances are what `__init__` makes of a blank object?"""
    new: Any = cls.__new__
    if new is not object.__new__ or type(cls).__call__ is not type.__call__ or (cls.__module__ or "").split(".")[0] in NOT_USER_CODE:
        return False
    init: Any = cls.__init__  # type: ignore[misc]
    return dataclasses.is_dataclass(cls) or (isinstance(init, types.FunctionType) and _is_user_code(init))


def instance(cls: Any, args: Any, kwargs: Any) -> Any:
    """cls(*args, **kwargs), with `__init__` rewritten like other code."""
    heap = heap_of()
    obj = heap.made(cls.__new__(cls))
    with heap.holders.being_made(obj):
        _initialised(obj, cls, args, kwargs, heap)
    return obj


def _initialised(obj: Any, cls: Any, args: Any, kwargs: Any, heap: Heap) -> None:
    init = cls.__init__
    if (dataclasses.is_dataclass(cls) and init.__qualname__ == "__create_fn__.<locals>.__init__") or (
        getattr(init, "__code__", None) is not None and init.__code__.co_filename == "<string>"
    ):
        _fields(obj, cls, args, kwargs)
    else:
        before, heap.blank = heap.blank, obj
        try:
            invoke(types.MethodType(init, obj), args, kwargs)
        finally:
            heap.blank = before


def _fields(obj: Any, cls: Any, args: Any, kwargs: Any) -> None:
    """What the `__init__` of a dataclass does."""
    given = inspect.signature(cls).bind(*args, **kwargs).arguments
    later = []
    for name, f in cls.__dataclass_fields__.items():
        kind = f._field_type.name if hasattr(f._field_type, "name") else str(f._field_type)
        if "CLASSVAR" in kind:
            continue
        if name in given:
            value = given[name]
        elif f.default_factory is not dataclasses.MISSING:
            value = call(f.default_factory)
        elif f.default is not dataclasses.MISSING:
            value = f.default
        else:
            continue
        if "INITVAR" in kind:
            later.append(value)
        else:
            object.__setattr__(obj, name, value)
    if hasattr(cls, "__post_init__"):
        call(obj.__post_init__, *later)


_PLAIN_TYPES = {int, float, complex, bool, str, Traced, Arrayed, Complex, ComplexArray, np.ndarray, np.float64, np.int64, tuple, list,
                type(None)}  # fmt: skip


def _is_method_of_array(function: Any) -> bool:
    return isinstance(function, types.BuiltinMethodType) and isinstance(function.__self__, np.ndarray)


def _is_user_code(function: types.FunctionType) -> bool:
    if raw_of(function) is not None:
        return True
    module = (function.__module__ or "").split(".")[0]
    return module not in NOT_USER_CODE and not is_library(function.__code__.co_filename)

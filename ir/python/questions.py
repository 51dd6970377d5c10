"""Questions about the type of a value, answered as for the value that Python would have in its place.

A traced scalar is a Python number where it is weak, NumPy's otherwise; an argument may be of a type of its own (`Given`): an
array without axes, a float16. isinstance, type(), hasattr and so on ask `type_of`, which knows the class; what is asked of a
class is then Python's own business. What the patterns of a `match` ask is here, too.
"""

from __future__ import annotations

import builtins
import collections.abc
import dis
import functools
import types
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import building, current_trace
from ..core.sites import user_site
from ..numpy.common import class_of
from ..numpy.registry import implements
from ..objects.choice import Choice
from ..staging import functions
from ..staging.branches import and_
from ..staging.chosen.pick import each
from ..staging.chosen.use import answer
from ..staging.items.queue import Queue
from ..staging.leaves import Undefined
from ..staging.lists import List
from ..staging.optional import Maybe, is_, needed
from ..values.scalars import logical_not
from ..values.values import Arrayed, Traced, is_traced
from .iterables import Staged

_ITERABLES = {"range": range, "enumerate": enumerate, "zip": zip, "reversed": reversed}


def type_of(x: Any) -> Any:
    """The class that x has in plain Python."""
    if isinstance(x, Traced):
        return class_of(x)
    if isinstance(x, Arrayed):
        return np.ndarray
    if isinstance(x, Staged) and x.frozen:
        return tuple
    if isinstance(x, Staged):
        return _ITERABLES.get(x.what, np.ndarray)
    if isinstance(x, Undefined):
        x._raise()
    if isinstance(x, (List, Queue)):
        return list if isinstance(x, List) else deque
    if type(x) is Choice:
        return each(x, type)
    return type(x)


def _of_optional(x: Maybe, ask: Callable[[Any], bool]) -> Any:
    """The answer for what is a value or None."""
    there, value, name = object.__getattribute__(x, "_state")
    if name is not None or not isinstance(there, Traced):
        return ask(needed(x) if name is not None else value if there else None)
    some, none = ask(value), ask(None)
    return some if some == none else there if some else logical_not(there)


def isinstance_(x: Any, kinds: Any) -> Any:
    if type(x) is Maybe:
        return _of_optional(x, lambda v: isinstance_(v, kinds))
    if type(x) is Choice:
        return answer(x, lambda c: isinstance(c, kinds))
    cls = type_of(x)
    if cls is type(x) and building():
        current_trace().reads.kind(x)  # type: ignore[union-attr]
    return isinstance(x, kinds) if cls is type(x) else issubclass(cls, kinds)


def type_(x: Any, *rest: Any, **more: Any) -> Any:
    if not rest and building():
        current_trace().reads.kind(x)  # type: ignore[union-attr]
    return type(x, *rest, **more) if rest else type_of(needed(x))


def _has(cls: type, name: str) -> bool:
    """Do the instances of a class without an instance dict have an attribute?"""
    return any(name in vars(c) for c in cls.__mro__)


def hasattr_(x: Any, name: str) -> Any:
    if type(x) is Maybe:
        return _of_optional(x, lambda v: hasattr_(v, name))
    if type(x) is Choice:
        return answer(x, lambda c: hasattr(c, name))
    cls = type_of(x)
    if cls is type(x) and building():
        current_trace().reads.attribute(x, name)  # type: ignore[union-attr]
    return hasattr(x, name) if cls is type(x) else _has(cls, name)


def callable_(x: Any) -> Any:
    if type(x) is Maybe:
        return _of_optional(x, callable_)
    if type(x) is Choice:
        return answer(x, callable)
    return type_of(x) is type(x) and callable(x)


def getattr_(x: Any, name: str, *default: Any) -> Any:
    cls = type_of(x)
    if cls is type(x) or _has(cls, name):
        return getattr(x, name) if cls is not type(x) else getattr(x, name, *default)
    if default:
        return default[0]
    raise AttributeError(f"{cls.__name__!r} object has no attribute {name!r} ({user_site()})")


def isscalar(x: Any) -> bool:
    return not issubclass(type_of(x), np.ndarray) if is_traced(x) else np.isscalar(x)


def iterable(x: Any) -> bool:
    return isinstance(x, (Arrayed, Staged)) or (not isinstance(x, Traced) and np.iterable(x))


def example(x: Any) -> Any:
    """A plain value of the same NumPy type, for functions that ask for nothing else."""
    if isinstance(x, Traced):
        cls = type_of(x)
        return np.zeros((), x.dtype) if cls is np.ndarray else cls(0)
    return np.zeros((0,) * x.ndim, x.dtype) if isinstance(x, Arrayed) else x


def _of_examples(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: function(*map(example, args), **{k: example(v) for k, v in kwargs.items()})


def dispatched(function: types.FunctionType, args: tuple[Any, ...]) -> Any:
    """The implementation that a generic function (functools.singledispatch) has for these arguments; None for other functions."""
    if function.__code__.co_filename != functools.__file__ or not args or type_of(args[0]) is type(args[0]):
        return None
    if hasattr(function, "registry"):
        return function.dispatch(type_of(args[0]))  # type: ignore[attr-defined]
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    if {"self", "obj", "cls"} <= cells.keys() and isinstance(cells["self"].cell_contents, functools.singledispatchmethod):
        generic = cells["self"].cell_contents
        return generic.dispatcher.dispatch(type_of(args[0])).__get__(cells["obj"].cell_contents, cells["cls"].cell_contents)
    if "singledispatch" in function.__code__.co_qualname if hasattr(function.__code__, "co_qualname") else False:
        raise errors.UnsupportedOperationError(f"functools.singledispatchmethod at {user_site()} is not supported here: use isinstance")
    return None


# ---- in code whose source is not available
class _Asking(type):
    """`type` for code that is not rewritten: called, it answers; for everything else it is Python's."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return type_(*args, **kwargs)

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, type)

    def __subclasscheck__(cls, c: Any) -> bool:
        return issubclass(c, type)


class _Type(metaclass=_Asking):
    pass


_BUILTINS: dict[str, Any] = {"isinstance": isinstance_, "hasattr": hasattr_, "getattr": getattr_, "callable": callable_, "type": _Type}


def _names(code: types.CodeType) -> set[str]:
    return set(code.co_names).union(*(_names(c) for c in code.co_consts if isinstance(c, types.CodeType)))


def _stores_globals(code: types.CodeType) -> bool:
    own = any(i.opname in ("STORE_GLOBAL", "DELETE_GLOBAL") for i in dis.get_instructions(code))
    return own or any(_stores_globals(c) for c in code.co_consts if isinstance(c, types.CodeType))


@functions.asking.define
def asking(function: Any) -> Any:
    """`function`, which cannot be rewritten, with builtins that answer for traced values."""
    if (
        not isinstance(function, types.FunctionType)
        or not _names(function.__code__) & _BUILTINS.keys()
        or _stores_globals(function.__code__)
    ):
        return function
    own = function.__globals__.get("__builtins__", builtins)
    answering = {**(own if isinstance(own, dict) else vars(own)), **_BUILTINS}
    made = types.FunctionType(
        function.__code__,
        {**function.__globals__, "__builtins__": answering},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made


QUESTIONS: dict[Any, Callable[..., Any]] = {
    isinstance: isinstance_, type: type_, hasattr: hasattr_, getattr: getattr_, callable: callable_, np.isscalar: isscalar, np.iterable: iterable,
    **{f: _of_examples(f) for f in (np.result_type, np.can_cast, np.isrealobj, np.iscomplexobj, np.common_type)},
}  # fmt: skip

for _function in (np.isscalar, np.iterable, np.result_type, np.can_cast, np.isrealobj, np.iscomplexobj, np.common_type):
    implements(_function, gives="python")(QUESTIONS[_function])


# ---- match
match_bool = is_  # is x the constant True or False?


def match_sequence(x: Any, n: int, more: bool) -> bool:
    cls = type_of(needed(x))
    if not issubclass(cls, collections.abc.Sequence) or issubclass(cls, (str, bytes, bytearray)):
        return False
    return len(x) >= n if more else len(x) == n


def match_rest(x: Any, start: int, behind: int) -> list[Any]:
    return list(x[start : len(x) - behind])


def match_mapping(x: Any, *keys: Any) -> bool:
    return issubclass(type_of(needed(x)), collections.abc.Mapping) and all(k in x for k in keys)


def match_others(x: Any, *keys: Any) -> dict[Any, Any]:
    return {k: v for k, v in x.items() if k not in keys}


_THEMSELVES = (bool, bytearray, bytes, dict, float, frozenset, int, list, set, str, tuple)


def _has_argument(x: Any, cls: Any, i: int) -> bool:
    names = getattr(cls, "__match_args__", ())
    if issubclass(cls, _THEMSELVES) and not names and i == 0:
        return True
    if i >= len(names):
        raise TypeError(f"{cls.__name__}() accepts {len(names)} positional sub-patterns ({i + 1} given)")
    return bool(hasattr_(x, names[i]))


def match_class(x: Any, cls: Any, places: int, *names: str) -> Any:
    found = isinstance_(x, cls)
    if isinstance(found, Traced):  # of what may be None
        return found if not places and not names else and_(found, lambda: match_class(needed(x), cls, places, *names))
    if not found:
        return False
    return all(_has_argument(x, cls, i) for i in range(places)) and all(hasattr_(x, name) for name in names)


def match_argument(x: Any, cls: Any, i: int) -> Any:
    x = needed(x)
    names = getattr(cls, "__match_args__", ())
    return getattr(x, names[i]) if names else x

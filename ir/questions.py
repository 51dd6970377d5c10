"""Questions about the type of a value, answered as for the value that Python would have in its place.

A traced scalar is a Python number where it is weak, NumPy's otherwise; an argument may be of a type of its own (`Given`): an
array without axes, a float16. isinstance, type(), hasattr and so on ask `type_of`, which knows the class; what is asked of a
class is then Python's own business.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from . import errors
from .builder import user_site
from .iterables import Staged
from .state import Undefined
from .types import BOOL, F64, I64, NUMPY_DTYPES
from .values import Arrayed, Traced, is_traced

_WEAK = {F64: float, I64: int, BOOL: bool}
_ITERABLES = {"range": range, "enumerate": enumerate, "zip": zip, "reversed": reversed}


def type_of(x: Any) -> Any:
    """The class that x has in plain Python."""
    if isinstance(x, Traced):
        if x.given is not None:
            return x.given.kind
        return _WEAK[x.type] if x.weak and x.type in _WEAK else NUMPY_DTYPES[x.type].type
    if isinstance(x, Arrayed):
        return np.ndarray
    if isinstance(x, Staged):
        return _ITERABLES.get(x.what, np.ndarray)
    if isinstance(x, Undefined):
        x._raise()
    return np.ndarray if type(x).__name__ == "Complexed" else type(x)


def isinstance_(x: Any, kinds: Any) -> bool:
    cls = type_of(x)
    return isinstance(x, kinds) if cls is type(x) else issubclass(cls, kinds)


def type_(x: Any, *rest: Any, **more: Any) -> Any:
    return type(x, *rest, **more) if rest else type_of(x)


def _has(cls: type, name: str) -> bool:
    """Do the instances of a class without an instance dict have an attribute?"""
    return any(name in vars(c) for c in cls.__mro__)


def hasattr_(x: Any, name: str) -> bool:
    cls = type_of(x)
    return hasattr(x, name) if cls is type(x) else _has(cls, name)


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


QUESTIONS: dict[Any, Callable[..., Any]] = {
    isinstance: isinstance_, type: type_, hasattr: hasattr_, getattr: getattr_, np.isscalar: isscalar, np.iterable: iterable,
    **{f: _of_examples(f) for f in (np.result_type, np.can_cast, np.isrealobj, np.iscomplexobj, np.common_type)},
}  # fmt: skip

__all__ = ["QUESTIONS", "dispatched", "example", "type_", "type_of"]

"""Arguments that are configuration: what is neither a number nor an array is part of the signature.

Each value has a specialisation of its own. Equal strings, enum members, dtypes and the like are one value; functions, classes and
instances of users' classes without an `__eq__` of their own are told apart by identity, and kept alive by nothing here: a method compiled for an object
goes with the object.
"""

from __future__ import annotations

import enum
import functools
import types
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from ..syntax.rewrite import NOT_USER_CODE

VALUES = (str, bytes, type(None), type(Ellipsis), type(NotImplemented), enum.Enum, np.dtype, range, slice, frozenset)
OBJECTS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.MethodDescriptorType, types.WrapperDescriptorType,
           types.MethodWrapperType, types.ModuleType, type, functools.partial, np.ufunc)  # fmt: skip
NUMERIC = (
    "__array__",
    "__array_interface__",
    "__dlpack__",
    "__complex__",
    "__float__",
    "__index__",
)  # methods of what is a number or an array
_HEAP_TYPE = 1 << 9  # a bit of cls.__flags__
_KINDS: weakref.WeakKeyDictionary[type, bool] = weakref.WeakKeyDictionary()


def is_static(x: Any) -> bool:
    """Is this leaf of an argument static by nature?"""
    cls = type(x)
    found = _KINDS.get(cls)
    if found is None:
        found = _KINDS[cls] = issubclass(cls, VALUES + OBJECTS) or hasattr(cls, "__lantern_transform__") or _is_users(cls)
    return found


def _is_users(cls: type) -> bool:
    """A class that is written in Python, as all of its bases are, belongs to no library whose code is not rewritten, and
    whose objects are neither numbers nor arrays."""
    heap = all(c.__flags__ & _HEAP_TYPE for c in cls.__mro__[:-1])
    return (
        cls is not object and heap and cls.__module__.split(".")[0] not in NOT_USER_CODE and not any(hasattr(cls, name) for name in NUMERIC)
    )


def key(x: Any) -> Any:
    """A static value as a key: 1, 1.0 and True are equal but not the same, also inside of tuples."""
    if isinstance(x, (float, complex)):
        return type(x), repr(x)
    if isinstance(x, tuple):
        return type(x), tuple(map(key, x))
    if isinstance(x, frozenset):
        return type(x), frozenset(map(key, x))
    if isinstance(x, slice):
        return slice, key((x.start, x.stop, x.step))
    if isinstance(x, types.MethodType):
        return type(x), Identity(x.__func__), key(x.__self__)
    if type(x) is functools.partial:
        parts = type(x), key(x.func), key(x.args), tuple((n, key(v)) for n, v in x.keywords.items())
        return parts if _hashable(parts) else Identity(x)
    if isinstance(x, VALUES) or not is_static(x) or ("__eq__" in _names(type(x)) and _hashable(x)):
        return type(x), x
    return Identity(x)


def _names(cls: type) -> set[str]:
    """What a class and its bases define, besides what every object has."""
    return {name for c in cls.__mro__[:-1] for name in vars(c)}


def _hashable(x: Any) -> bool:
    try:
        hash(x)
    except TypeError:
        return False
    return True


class Identity:
    """An object as a key, by identity. It is not kept alive where that is possible; a key of a dead object equals no other."""

    __slots__ = ("_get", "_hash")

    def __init__(self, value: Any) -> None:
        self._get, self._hash = _reference(value), id(value)

    def __eq__(self, other: Any) -> bool:
        return self is other or (isinstance(other, Identity) and not self.is_dead() and self._get() is other._get())

    def __hash__(self) -> int:
        return self._hash

    def is_of(self, x: Any) -> bool:
        return x is not None and self._get() is x

    def is_dead(self) -> bool:
        return self._get() is None


def _reference(value: Any) -> Callable[[], Any]:
    try:
        return weakref.ref(value)
    except TypeError:
        return lambda: value


def is_dead(k: Any) -> bool:
    """Does a key name an object that is gone?"""
    return k.is_dead() if isinstance(k, Identity) else isinstance(k, tuple) and any(map(is_dead, k))


def holder(x: Any) -> Callable[[], Any]:
    """A function that gives x again, and does not keep an object alive that is told apart by identity."""
    if isinstance(x, types.MethodType):
        function, instance = x.__func__, holder(x.__self__)
        return lambda: types.MethodType(function, instance())
    return _reference(x) if isinstance(key(x), Identity) else lambda: x

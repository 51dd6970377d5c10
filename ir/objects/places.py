"""The places outside that a trace reads: what each held, and whether it holds it still.

A `Read` is one place and what the trace found in it: a global, a variable of an enclosing function, a function's code or
defaults, an attribute of an object or of its class, an item of a dict, what a container holds, the elements of an array.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from .held import MISSING, attribute_of

_NUMBERS = (bool, int, float, complex, str, bytes, type(None))


class Read:
    """`name` of `holder` was `value`."""

    __slots__ = ("_holder", "name", "value")

    def __init__(self, holder: Any, name: Any) -> None:
        self._holder, self.name = self.reference(holder), name
        self.value = self.now()

    @staticmethod
    def reference(holder: Any) -> Callable[[], Any]:
        return lambda: holder

    @property
    def holder(self) -> Any:
        return self._holder()

    def kept(self, end: Callable[[Any], None]) -> Any:
        """What keeps the holder's memory; of an instance, which nothing here keeps, a reference that calls `end` before its memory goes."""
        holder = self.holder
        return weakref.ref(holder, end) if isinstance(self._holder, weakref.ref) and holder is not None else holder

    def now(self) -> Any:
        raise NotImplementedError

    def holds(self) -> bool:
        new = self.now()
        if new is self.value:
            return True
        if same(new, self.value):
            self.value = new  # the same once more, and now this object is what compiled code compares
            return True
        return False

    def __repr__(self) -> str:
        return f"{type(self).__name__.lower()} {self.name!r}"


class Item(Read):
    """An item of a dict: a global, an attribute of a module, or a user's own."""

    __slots__ = ()

    def now(self) -> Any:
        return dict.get(self.holder, self.name, MISSING)


class Cell(Read):
    """A variable of an enclosing function."""

    __slots__ = ()

    def now(self) -> Any:
        return attribute_of(self.holder, "")


class Field(Read):
    """A function's code, defaults or defaults of keywords."""

    __slots__ = ()

    def now(self) -> Any:
        return getattr(self.holder, self.name)


def weakly(holder: Any) -> Callable[[], Any]:
    """An instance, which may be an argument: a program that was compiled for it goes with it."""
    try:
        return weakref.ref(holder)
    except TypeError:
        return lambda: holder


class Attribute(Read):
    """What an object itself holds under a name, in its dict or a slot."""

    __slots__ = ()
    reference = staticmethod(weakly)

    def now(self) -> Any:
        return attribute_of(self.holder, self.name)


class Inherited(Read):
    """What a class has under a name, by itself or by its bases."""

    __slots__ = ()

    def now(self) -> Any:
        return inherited(self.holder, self.name)


class Kind(Read):
    """An object's class."""

    __slots__ = ()
    reference = staticmethod(weakly)

    def now(self) -> Any:
        return type(self.holder)


class Contents(Read):
    """All that a list, a dict, a set or a deque holds."""

    __slots__ = ()

    def now(self) -> Any:
        x = self.holder
        return (*dict.keys(x), *dict.values(x)) if isinstance(x, dict) else tuple((list if isinstance(x, list) else type(x)).__iter__(x))

    def holds(self) -> bool:
        new, old = self.now(), self.value
        if len(new) == len(old) and all(a is b or same(a, b) for a, b in zip(new, old, strict=True)):
            self.value = new
            return True
        return False


class Elements(Read):
    """The elements of an array, or of a part of one, that NumPy has worked with while tracing."""

    __slots__ = ()

    def now(self) -> Any:
        return self.holder.copy()

    def holds(self) -> bool:
        a, was = self.holder, self.value
        if a.shape != was.shape or a.dtype != was.dtype:
            return False
        if a.dtype.hasobject:
            return all(x is y or same(x, y) for x, y in zip(a.flat, was.flat, strict=True))
        return bool(a.tobytes() == was.tobytes())


def same(a: Any, b: Any) -> bool:
    """Are these plain values that no program can tell apart? 1, 1.0 and True are not."""
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(x is y or same(x, y) for x, y in zip(a, b, strict=True))
    return isinstance(a, (*_NUMBERS, np.generic)) and repr(a) == repr(b)


def inherited(cls: type, name: str) -> Any:
    """What instances of a class find under a name, as it stands in the class."""
    for base in cls.__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return MISSING

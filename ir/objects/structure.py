"""What values are made of: the containers and objects that control flow carries by their parts.

`opened` takes one level off a value: its shape and its parts. Tuples, lists, dicts, deques, dataclasses and instances of users'
classes are opened; so are the library's own nodes (views, complex arrays, lists that grow). All else is a leaf.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import types
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.builder import current_trace
from ..values import pytree
from ..values.arrays import opened_constant, opened_constants
from ..values.values import Arrayed, Traced
from .heap import Heap, State
from .held import CONTAINERS, attributes


@dataclass(frozen=True)
class Shape:
    """Values of equal shapes have the same parts. `more`: length, keys, or what a node of the library's knows."""

    kind: type
    more: Any

    @property
    def mutable(self) -> bool:
        return not issubclass(self.kind, tuple) and (not pytree.is_node(self.kind) or hasattr(self.kind, "__lantern_queue__"))


_LEAVES = (
    Traced, np.ndarray, np.generic, type, types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.ModuleType, BaseException, enum.Enum,
    str, bytes, int, float, complex, bool, type(None), range, slice,
)  # fmt: skip


_COMPLEX = (complex, np.complexfloating)


def is_object(x: Any) -> bool:
    """Is it an instance of a user's class, whose attributes are all that it is?"""
    cls = type(x)
    if isinstance(x, (*_LEAVES, *CONTAINERS, tuple, Arrayed)) or hasattr(cls, "__lantern_transform__") or hasattr(cls, "__lantern_leaf__"):
        return False
    new: Any = cls.__new__
    if new is not object.__new__ or cls.__module__ in ("builtins", "functools", "itertools"):
        return False
    return hasattr(x, "__dict__") or any("__slots__" in vars(c) for c in cls.__mro__[:-1])


def opened(x: Any, heap: Heap | None = None, state: State | None = None) -> tuple[Shape, list[Any]] | None:
    """(shape, parts) of a value as it was in that state; None for a leaf."""
    cls = type(x)
    if issubclass(cls, _COMPLEX) or (cls is np.ndarray and x.dtype.kind == "c"):
        trace = current_trace()
        x = opened_constant(x) if trace is not None and trace.builders else x
        cls = type(x)
    if pytree.is_node(cls):
        children, known = pytree.one_level(x)
        return Shape(cls, known), children
    if isinstance(x, _LEAVES):
        return None
    if isinstance(x, tuple):
        return Shape(cls, len(x)), list(x)
    if isinstance(x, (list, dict, collections.deque)):
        held = (
            heap.holds(x, state)
            if heap is not None and state is not None
            else dict(x)
            if isinstance(x, dict)
            else tuple(list.__iter__(x) if isinstance(x, list) else x)
        )
        return shape_of_contents(list if isinstance(x, list) else cls, held, x), list(held.values()) if isinstance(held, dict) else list(
            held
        )
    if is_object(x):
        named = heap.holds(x, state) if heap is not None and state is not None else attributes(x)
        names = sorted(named)
        return Shape(cls, tuple(names)), [named[n] for n in names]
    return None


def shape_of_contents(cls: type, held: Any, x: Any) -> Shape:
    """The shape of a container of class `cls` with these contents."""
    if isinstance(held, tuple) and len(held) == 1 and hasattr(type(held[0]), "__lantern_grows__"):
        return Shape(cls, "growing")
    if isinstance(held, dict):
        return Shape(cls, (tuple(held), x.default_factory if isinstance(x, collections.defaultdict) else None))
    return Shape(cls, (len(held), x.maxlen) if issubclass(cls, collections.deque) else len(held))


def closed(shape: Shape, parts: Sequence[Any], heap: Heap | None) -> Any:
    """A new value of that shape."""
    cls: Any = shape.kind
    if pytree.is_node(cls):
        return pytree.of_parts(cls, shape.more, parts)
    made: Any
    if issubclass(cls, tuple):
        return tuple(parts) if cls is tuple else cls._make(parts) if hasattr(cls, "_make") else tuple.__new__(cls, parts)
    if issubclass(cls, list):
        made = heap.new_list() if heap is not None else []
        list.__setitem__(made, slice(None), parts)
    elif issubclass(cls, dict):
        keys, factory = shape.more
        made = cls(factory) if issubclass(cls, collections.defaultdict) else cls()
        for k, v in zip(keys, parts, strict=True):
            dict.__setitem__(made, k, v)
    elif issubclass(cls, collections.deque):
        made = cls(parts, shape.more[1])
    else:
        made = object.__new__(cls)
        for k, v in zip(shape.more, parts, strict=True):
            object.__setattr__(made, k, v)
    return heap.made(made) if heap is not None else made


def leaves_of(x: Any) -> list[Any]:
    """All leaves of a value; what contains itself is walked once."""
    out: list[Any] = []
    seen: set[int] = set()
    work = [x]
    while work:
        y = work.pop()
        found = opened(y)
        if found is None:
            out.append(y)
        elif id(y) not in seen:
            seen.add(id(y))
            work += reversed(found[1])
    return out


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """(leaves, structure), where the instances of users' classes that the trace has made are opened."""
    trace = current_trace()
    heap = trace.heap if trace is not None else None
    tree = opened_constants(tree) if heap is not None else tree
    return pytree.flatten_results(tree, lambda x: heap is not None and heap.birth(x) > 0 and is_object(x), attributes)


def adopted(tree: Any, heap: Heap, leaves: Collection[int] = ()) -> Any:
    """A structure that has been put together anew: its objects are the trace's own, but for those with these ids."""
    found = opened(tree) if not pytree.is_node(type(tree)) and id(tree) not in leaves else None
    if found is None:
        return tree
    shape, parts = found
    new = [adopted(x, heap, leaves) for x in parts]
    if isinstance(tree, list) or (isinstance(tree, tuple) and any(a is not b for a, b in zip(new, parts, strict=True))):
        return closed(shape, new, heap)
    if isinstance(tree, dict):
        tree.update(zip(tree, new, strict=True))
    elif not isinstance(tree, tuple):
        for name, x in zip(shape.more, new, strict=True):
            object.__setattr__(tree, name, x)
    return tree if isinstance(tree, tuple) else heap.made(tree)


def compared_fields(cls: type, name: str) -> list[str] | None:
    """The fields of which a dataclass says by itself how two of its instances compare; None where the user, or another class, says that."""
    for owner in cls.__mro__:
        if (method := vars(owner).get(f"__{'eq' if name == 'ne' else name}__")) is not None:
            generated = isinstance(method, types.FunctionType) and method.__code__.co_filename == "<string>"
            otherwise = name == "ne" and any("__ne__" in vars(c) for c in cls.__mro__[:-1])
            if "__dataclass_params__" not in vars(owner) or not generated or otherwise:
                return None
            return [f.name for f in dataclasses.fields(owner) if f.compare]
    return None

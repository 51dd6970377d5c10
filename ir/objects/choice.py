"""One of several objects or functions, where a traced number says which.

    best = min(servers, key=lambda s: s.free)        a Choice among the servers
    best.free += work                                each server's `free` is what it was, or the new one where it is `best`

A `Choice` is a number and the objects that it counts, which are what they are: nothing is copied, so that a write through the
choice is seen through every other name of the object. Control flow carries the number; it is made where paths meet with different
objects that were there before, and where a Python container is indexed with a traced number. What can be done with one is
written in staging/chosen.
"""

from __future__ import annotations

import enum
import functools
import math
import types
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.builder import current_trace, keep
from ..core.port import Port
from ..core.sites import unsupported
from ..ops import table
from ..syntax.rewrite import FRONTS, raw_of
from ..values import pytree
from ..values.values import Arrayed, Traced, constant
from .heap import Heap
from .held import attributes
from .structure import is_object

ANY = 0  # a number that only says that there is one

_WHOLE = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, functools.partial, np.ufunc, type, enum.Enum)

pick = Port("gives that of several values which a traced number says")
_LIBRARY = __name__.removesuffix("objects.choice")
attribute_of_chosen = Port("reads an attribute of a Choice")
is_chosen = Port("asks whether two values are one object, where one of them is a Choice")
resolved = Port("makes one object of those that a Choice is among")
operation_of_chosen = Port("does with a Choice what a method with two underscores does")


text_of = Port("makes a text of a number and the plain strings that it counts")


class Candidates:
    """Objects, by identity, or plain strings. Called with a number it gives the one that has it."""

    __slots__ = ("objects",)

    def __init__(self, objects: Sequence[Any]) -> None:
        self.objects = tuple(objects)

    def __eq__(self, other: Any) -> bool:
        return (
            isinstance(other, Candidates)
            and len(self.objects) == len(other.objects)
            and all(identity(a) == identity(b) for a, b in zip(self.objects, other.objects, strict=True))
        )

    def __hash__(self) -> int:
        return hash(tuple(map(identity, self.objects)))

    def __call__(self, i: Any) -> Any:
        return self.objects[int(i)]

    def __repr__(self) -> str:
        return " or ".join(dict.fromkeys(repr(x) if isinstance(x, (str, enum.Enum)) else type(x).__name__ for x in self.objects))


class Choice:
    """The candidate number `index`, an int64 in 0 .. len - 1."""

    __lantern_leaf__ = True
    __slots__ = ("_state",)

    def __init__(self, index: Any, candidates: Candidates) -> None:
        object.__setattr__(self, "_state", (index, candidates))

    def __repr__(self) -> str:
        return repr(state_of(self)[1])

    def __lantern_among__(self) -> tuple[Any, ...]:
        return state_of(self)[1]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__lantern"):
            raise AttributeError(name)
        return attribute_of_chosen(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        operation_of_chosen(self, "__setattr__", name, value)

    def __hash__(self) -> int:
        unsupported("the hash of one of several objects that the program chooses", "look it up with d[x], or compare it with each of them")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return operation_of_chosen(self, "__call__", *args, **kwargs)


def _forward(name: str) -> Any:
    return lambda self, *args: operation_of_chosen(self, name, *args)


for _name in (
    *("eq", "ne", "lt", "le", "gt", "ge", "neg", "pos", "abs", "invert", "len", "iter", "contains", "getitem", "setitem", "delitem"),
    *(f"i{op}" for op in ("add", "or", "and", "sub", "xor", "mul")),
    *("float", "int", "index", "complex", "bool", "next", "enter", "exit", "lantern_truth"),
    *(side + op for side in ("", "r") for op in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor")),
):
    setattr(Choice, f"__{_name}__", _forward(f"__{_name}__"))


def identity(x: Any) -> Any:
    """What tells it from others: plain strings are their text, and a function that traced code defines is its code and what it captures, for it
    is defined anew where a loop is traced again."""
    if type(x) is types.FunctionType and x.__code__ in FRONTS and not any(not name.startswith("__") for name in vars(x)):
        raw = raw_of(x, "body") or x
        held = (raw.__closure__ or (), raw.__defaults__ or (), (raw.__kwdefaults__ or {}).values())
        return raw.__code__, *(tuple(map(id, part)) for part in held)
    return x if type(x) is str else id(x)


def one_of(index: Any, candidates: Candidates) -> Any:
    """The one of that number: a Choice, or a text where all of them are."""
    return text_of(index, candidates) if all(type(x) is str for x in candidates.objects) else Choice(index, candidates)


def is_choice(x: Any) -> bool:
    """Is it one of several objects or of several plain strings?"""
    return type(x) is Choice or (isinstance(x, str) and type(getattr(x, "make", None)) is Candidates)


def state_of(x: Any) -> tuple[Any, tuple[Any, ...]]:
    """(number, objects)"""
    index, candidates = object.__getattribute__(x, "_state") if type(x) is Choice else (x.children[0], x.make)
    return index, candidates.objects


def as_number(x: Any) -> Any:
    """One of several members of an IntEnum as the number that it is; anything else as it is."""
    if type(x) is not Choice or not all(isinstance(c, int) for c in state_of(x)[1]):
        return x
    index, objects = state_of(x)
    return pick(index, [int(c) for c in objects])


keep("makers", lambda trace: {})  # of functions that traced code has defined: the call that did, and when


def is_whole(x: Any) -> bool:
    """Is it an object that can be one of several: an instance of a user's class, what can be called, a plain string, a member of an Enum?"""
    return isinstance(x, _WHOLE) or type(x) is str or (is_object(x) and not type(x).__module__.startswith(_LIBRARY))


def birth(x: Any, heap: Heap) -> float:
    """When the trace made it, or what it is made of. A function belongs to the call that makes it as long as that goes on: its variables are
    joined like others there."""
    if isinstance(x, types.FunctionType):
        raw = raw_of(x, "body") or x
        if any(isinstance(v, (Traced, Arrayed)) for v in (*(raw.__defaults__ or ()), *(raw.__kwdefaults__ or {}).values())):
            return math.inf
        trace = current_trace()
        maker, since = (None, 0) if trace is None else trace.makers.get(x, (None, 0))
        goes_on = trace is None or any(f is maker for b in trace.builders for f in b.frames)
        return 0 if goes_on else since
    if isinstance(x, types.MethodType):
        return max(birth(x.__self__, heap), birth(x.__func__, heap))
    if isinstance(x, functools.partial):
        held = (*x.args, *x.keywords.values())
        return math.inf if any(isinstance(v, (Traced, Arrayed)) for v in held) else max(birth(v, heap) for v in (x.func, *held))
    found = heap.birth(x)
    if found or not is_object(x):
        return found
    written = heap.keys.get(id(x), ())  # what code that is not rewritten has made is made of what the trace has computed
    return math.inf if any(isinstance(v, (Traced, Arrayed)) and name not in written for name, v in attributes(x).items()) else 0


def candidates_of(x: Any) -> tuple[Any, ...]:
    return state_of(x)[1] if is_choice(x) else (x,)


def union(values: Sequence[Any]) -> Candidates:
    """All that one of these values may be, each once."""
    return Candidates({identity(x): x for v in values for x in candidates_of(v)}.values())  # type: ignore[arg-type]


def among(x: Any, candidates: Candidates) -> Any:
    """An object, or one of some of the candidates, as one of them all."""
    place = {identity(c): i for i, c in reversed(list(enumerate(candidates.objects)))}
    if not is_choice(x):
        return one_of(place[identity(x)], candidates)
    index, objects = state_of(x)
    return one_of(renumbered(index, [place[identity(c)] for c in objects]), candidates)


def renumbered(index: Any, numbers: Sequence[int]) -> Any:
    """numbers[index]"""
    if not isinstance(index, Traced):
        return numbers[index]
    if list(numbers) == list(range(len(numbers))):
        return index
    if all(n == numbers[0] for n in numbers):
        return numbers[0]
    found = constant(numbers[-1])
    for i, n in enumerate(numbers[:-1]):
        found = table.select(table.ieq(index, i), constant(n), found)
    return found


def _flatten(x: Choice) -> Any:
    index, candidates = object.__getattribute__(x, "_state")
    return (index,), candidates


def _unflatten(candidates: Candidates, parts: Any) -> Any:
    (index,) = parts
    return candidates(index) if isinstance(index, (int, np.integer)) else Choice(index, candidates)


pytree.register(Choice, _flatten, _unflatten)

"""What objects hold: attributes, items; and which of a trace's objects hold which others."""

from __future__ import annotations

import collections
import functools
import inspect
import sys
import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

MISSING: Any = type("Missing", (), {"__repr__": lambda self: "nothing"})()
CONTAINERS = (list, dict, set, collections.deque)


def among(x: Any, those: Iterable[Any]) -> bool:
    """Is it one of those? (Not by `==`, which is the user's where x is an object of theirs.)"""
    return any(x is y for y in those)


def attribute_of(x: Any, name: str) -> Any:
    """What the object itself holds under that name, whatever its class says; MISSING if nothing."""
    if isinstance(x, types.CellType):
        try:
            return x.cell_contents
        except ValueError:
            return MISSING
    if type(x) is dict:  # a module's variables
        return x.get(name, MISSING)
    own = getattr(x, "__dict__", None)
    if own is not None and name in own:
        return own[name]
    slot = getattr(type(x), name, None)
    return slot.__get__(x) if isinstance(slot, types.MemberDescriptorType) and _filled(slot, x) else MISSING


def of_the_class(x: Any, name: str) -> Any:
    """What is read of an object that holds nothing under that name: a plain value of its class; MISSING if there is none."""
    found = MISSING if isinstance(x, (types.CellType, dict)) else inspect.getattr_static(type(x), name, MISSING)
    return MISSING if hasattr(type(found), "__get__") else found


def _filled(slot: Any, x: Any) -> bool:
    try:
        slot.__get__(x)
    except AttributeError:
        return False
    return True


def set_attribute(x: Any, name: str, value: Any) -> None:
    if isinstance(x, types.CellType):
        x.cell_contents = value
    elif type(x) is dict:
        x[name] = value
    else:
        (type if isinstance(x, type) else object).__setattr__(x, name, value)


def attributes(x: Any) -> dict[str, Any]:
    """All that an object holds under names: its dict, and its slots."""
    out = dict(getattr(x, "__dict__", ()))
    for name, slot in _slots(type(x)):  # type: ignore[arg-type]
        if _filled(slot, x):
            out[name] = slot.__get__(x)
    return out


@functools.lru_cache(maxsize=4096)
def _slots(cls: Any) -> list[tuple[str, Any]]:
    return [(name, slot) for c in cls.__mro__ for name, slot in vars(c).items() if isinstance(slot, types.MemberDescriptorType)]


def held_by(x: Any) -> list[Any]:
    if isinstance(x, list):
        return list(list.__iter__(x))
    if hasattr(type(x), "__lantern_queue__"):
        return [x.items]
    return list(x.values()) if isinstance(x, dict) else list(x) if isinstance(x, CONTAINERS) else list(attributes(x).values())


def _objects_in(holder: Any) -> Iterator[Any]:
    """What an object of the trace holds, also in tuples and as one of several."""
    if not isinstance(holder, types.CellType):
        yield from objects_among(held_by(holder))


def objects_among(parts: Iterable[Any]) -> Iterator[Any]:
    """These values, and what is in tuples of them, or is one of several."""
    work = list(parts)
    while work:
        part = work.pop()
        among = getattr(type(part), "__lantern_among__", None)
        if isinstance(part, tuple) or among is not None:
            work += part if among is None else among(part)
        else:
            yield part


def mentions(value: Any, x: Any) -> bool:
    """Is it the object, a tuple of it, or a choice among objects of which it is one?"""
    if value is x:
        return True
    among = getattr(type(value), "__lantern_among__", None)
    return (isinstance(value, tuple) or among is not None) and any(mentions(v, x) for v in (value if among is None else among(value)))


class Holders:
    """Which of the objects that a trace has made hold which others.

    What an object holds is looked at once, and again whenever it is asked for if it has ever been written or is being made."""

    def __init__(self) -> None:
        self.alive: dict[int, Any] = {}  # objects that somebody may still have
        self.new_ones: list[Any] = []  # since it was last asked for
        self.open: dict[int, Any] = {}  # those that have been written, or are being made
        self.inside: dict[int, list[int]] = {}  # by id, what each holds
        self.holding: dict[int, dict[int, int]] = {}  # by id, what holds each, and how often

    def new(self, x: Any) -> None:
        self.alive[id(x)] = x
        self.new_ones.append(x)

    def written(self, x: Any) -> None:
        if id(x) in self.alive:
            self.open[id(x)] = x

    @contextmanager
    def being_made(self, x: Any) -> Iterator[None]:
        self.open[id(x)] = x
        yield
        self.open.pop(id(x), None)
        self.new_ones.append(x)

    def of(self, x: Any) -> list[tuple[int, int]]:
        """The ids of the objects that hold this one, and how often."""
        for y in self.new_ones:
            self._look(y)
        self.new_ones.clear()
        for y in self.open.values():
            self._look(y)
        found = self.holding.get(id(x), {})
        dead = [number for number in found if number in self.alive and sys.getrefcount(self.alive[number]) <= 3 + (number in self.open)]
        for number in dead:  # it is here, and in Heap.born: nobody else has it any more, or ever will
            del self.alive[number]
            self.open.pop(number, None)
        return [(number, times) for number, times in found.items() if number in self.alive]

    def _look(self, x: Any) -> None:
        now = list(map(id, _objects_in(x)))
        if now != (was := self.inside.get(id(x), [])):
            for part in was:
                self.holding[part].pop(id(x), None)
            for part in now:
                mine = self.holding.setdefault(part, {})
                mine[id(x)] = mine.get(id(x), 0) + 1
            self.inside[id(x)] = now

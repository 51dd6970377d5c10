"""The user's objects while a function is traced: a log of what has been written, and how to take it back.

Rewritten code announces each write before it happens (`Heap.note`). A *place* is one attribute of an object, or all that a
list, dict, set or deque holds. The log keeps what each place held at first; so the state of all objects is a small dict of
the places written so far, and what no path writes is never looked at. When a trace ends, for whatever reason, `undo` puts
every place back, by identity.

An object that the trace itself has made is *born* at a time of the trace's clock. A construct (a branch, a loop) ignores the
places of objects younger than its own beginning: the other path, the next iteration cannot see them.
"""

from __future__ import annotations

import dataclasses
import sys
import types
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from ..core import errors
from ..core.builder import keep
from ..core.sites import is_library
from .held import CONTAINERS, MISSING, Holders, attribute_of, attributes, held_by, mentions, objects_among, set_attribute

MUTATORS = {
    "append", "extend", "pop", "insert", "remove", "clear", "update", "setdefault", "sort", "reverse", "popitem", "add", "discard",
    "appendleft", "popleft", "extendleft", "rotate", "__setitem__", "__delitem__", "__iadd__", "__imul__", "__ior__", "__iand__", "__isub__",
    "__ixor__", "difference_update", "intersection_update", "symmetric_difference_update", "move_to_end",
}  # fmt: skip
At = tuple[int, Any]  # a place as a key: id of the object, name of the attribute or None


class Place:
    """Attribute `key` of `holder`, or (key None) what the container `holder` holds."""

    __slots__ = ("birth", "holder", "key", "original")

    def __init__(self, holder: Any, key: str | None, birth: int) -> None:
        self.holder, self.key, self.birth = holder, key, birth
        self.original = self.now()

    def now(self) -> Any:
        """What it holds: an attribute's value, or a copy of a container."""
        x = self.holder
        if self.key is not None:
            return attribute_of(x, self.key)
        if isinstance(x, list):
            return tuple(list.__iter__(x))
        return dict(x) if isinstance(x, dict) else frozenset(x) if isinstance(x, set) else tuple(x)

    def put(self, value: Any) -> None:
        x = self.holder
        if self.key is not None:
            if value is not MISSING:
                set_attribute(x, self.key, value)
            elif type(x) is dict:
                x.pop(self.key, None)
            elif isinstance(x, types.CellType):
                del x.cell_contents
            elif attribute_of(x, self.key) is not MISSING:
                (type if isinstance(x, type) else object).__delattr__(x, self.key)
        elif isinstance(x, list):
            list.__setitem__(x, slice(None), value)
        elif isinstance(x, dict):
            cls: Any = OrderedDict if isinstance(x, OrderedDict) else dict
            cls.clear(x)
            for k, v in value.items():
                cls.__setitem__(x, k, v)
        elif isinstance(x, set):
            set.clear(x)
            set.update(x, value)
        else:
            x.clear()
            x.extend(value)

    def __str__(self) -> str:
        x = self.holder
        if self.key is None:
            return f"a {type(x).__name__}"
        if isinstance(x, types.CellType):
            return "a variable of an enclosing function"
        if type(x) is dict:
            return f"global variable `{self.key}`"
        return f"attribute `{self.key}` of {f'class {x.__name__}' if isinstance(x, type) else f'a {type(x).__name__}'}"


def identical(a: Any, b: Any) -> bool:
    """Do two states of one place hold the same objects?"""
    if a is b:
        return True
    if isinstance(a, tuple) and type(a) is type(b):
        return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and type(a) is type(b):
        return list(a) == list(b) and all(x is y for x, y in zip(a.values(), b.values(), strict=True))
    return isinstance(a, frozenset) and a == b


class State:
    """What the places written so far hold, at one time."""

    __slots__ = ("clock", "gone", "held", "sealed")

    def __init__(self, clock: int, held: dict[At, Any], sealed: dict[int, tuple[Any, str]], gone: set[int]) -> None:
        self.clock, self.held, self.sealed, self.gone = clock, held, sealed, gone


class Heap:
    """The log of one trace."""

    new_list: Any = list  # makes the trace's own lists (growing.List)

    def __init__(self) -> None:
        self.clock = 1
        self.saved = 0  # when a state was last saved: writes to what was made after that need no log
        self.places: dict[At, Place] = {}
        self.keys: dict[int, list[Any]] = {}  # of each object, its written places
        self.born: dict[int, tuple[Any, int]] = {}
        self.holders = Holders()
        self.sealed: dict[int, tuple[Any, str]] = {}  # objects that stand for several: a write could not reach the right one
        self.gone: set[int] = set()  # objects that nobody can see any more, for others stand for them
        self.closures: list[types.CellType] = []  # of functions that the trace has made
        self.given: set[int] = set()  # dicts of arguments, which have the keys that they have
        self.inner: dict[
            int, Any
        ] = {}  # lists that are all that one container holds: of two of those, it is that which is one or the other
        self.blank: Any = None  # the object whose `__init__` is about to run
        self.cached: list[Place] = []  # keep what they hold now when the trace has ended

    # ---- what is announced
    def note(self, holder: Any, key: str | None = None) -> None:
        """`holder` is about to be written."""
        if hasattr(type(holder), "__lantern_queue__"):
            holder = holder.items
        at = id(holder), key
        self.holders.written(holder)
        if id(holder) in self.sealed:
            raise errors.UnsupportedOperationError(self.sealed[id(holder)][1])
        if at not in self.places and (birth := self.birth(holder)) <= self.saved:
            self.places[at] = Place(holder, key, birth)
            self.keys.setdefault(id(holder), []).append(key)

    def note_within(self, x: Any) -> None:
        """Code that is not rewritten may write into this object, and into all that it holds, if they are of the trace."""
        work, seen = [x], set()
        while work:
            y = work.pop()
            if id(y) not in seen and self.birth(y):
                seen.add(id(y))
                for name in (None,) if isinstance(y, CONTAINERS) else attributes(y):
                    self.note(y, name)
                work += held_by(y)

    def enter(self, function: Any) -> None:
        """A function of the user's begins: it may assign these variables of the scopes around it."""
        for name in function.__lantern_outer__:
            self.note(function.__closure__[function.__code__.co_freevars.index(name)], name)
        for name in function.__lantern_globals__:
            self.note(function.__globals__, name)

    def made(self, x: Any) -> Any:
        """The trace has made this object."""
        self.clock += 1
        self.born[id(x)] = x, self.clock
        self.holders.new(x)
        return x

    def adopt(self, made: Any, tree: Any) -> Any:
        """The containers of a transform's arguments are copies: the trace's own."""
        if type(tree) is list:
            return made([self.adopt(made, x) for x in tree])
        if type(tree) is tuple:
            return tuple(self.adopt(made, x) for x in tree)
        if isinstance(tree, dict):
            for k, v in tree.items():
                dict.__setitem__(tree, k, self.adopt(made, v))
            self.given.add(id(tree))
            return self.made(tree)
        if isinstance(tree, tuple) and hasattr(tree, "_make"):
            return type(tree)._make(self.adopt(made, x) for x in tree)
        if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
            for name, value in attributes(tree).items():
                object.__setattr__(tree, name, self.adopt(made, value))
            return self.made(tree)
        return tree

    def returned(self, x: Any, references: int) -> Any:
        """What code that is not rewritten gives back is new if nobody else refers to it, and so are its parts. `references`: those
        that the callers hold."""
        if id(x) in self.born or isinstance(x, (type, types.FunctionType, types.ModuleType)) or hasattr(type(x), "__lantern_leaf__"):
            return x
        if isinstance(x, (*CONTAINERS, tuple)) or hasattr(x, "__dict__") or hasattr(type(x), "__slots__"):
            if sys.getrefcount(x) > references + 2:
                return x
            if not isinstance(x, tuple):
                self.made(x)
            parts = (
                list(x.values())
                if isinstance(x, dict)
                else list(x)
                if isinstance(x, (list, tuple))
                else list(attributes(x).values())
                if hasattr(x, "__dict__")
                else []
            )
            for part in parts:
                self.returned(part, 4)
        return x

    def inside(self, *lists: Any) -> None:
        """These lists are all that one container holds."""
        self.inner.update((id(x), x) for x in lists)

    def seal(self, x: Any, why: str) -> None:
        """From now on a write to this object is refused: another object stands for it too, or it stands for others."""
        self.sealed[id(x)] = x, why

    def is_shared(
        self,
        x: Any,
        names: Collection[str],
        cells: Collection[int],
        parents: Collection[int],
        elsewhere: Sequence[dict[int, Counter[int]]] = (),
    ) -> bool:
        """May somebody see this object besides the variables `names` of the function at hand, which are in `cells`, and the objects
        with the ids `parents`, each of which has it in one place? `elsewhere`: what `others` gives for states that may be so, too."""
        if not self.birth(x):
            return True
        now = self.holders.of(x)
        for held in ({}, *elsewhere):
            times = dict(now) | {number: those[id(x)] for number, those in held.items()}
            if any(n > (number in parents) for number, n in times.items() if number != id(x) and number not in self.gone):
                return True
        if any(id(cell) not in cells and attribute_of(cell, "") is x for cell in self.closures):
            return True
        frame: Any = sys._getframe(1)
        mine = set(names)
        while frame is not None:
            if not is_library(frame.f_code.co_filename):
                for name, value in frame.f_locals.items():
                    if name not in mine and not name.startswith("_ln_") and mentions(value, x):
                        return True
                mine -= set(frame.f_code.co_cellvars)  # that function's own: further out the name is another variable
            frame = frame.f_back
        return False

    def others(self, state: State) -> dict[int, Counter[int]]:
        """Of the objects that hold other things in that state than they do now: how often each holds which, by ids."""
        changed = {
            at[0]: p.holder
            for at, p in self.older(state.clock)
            if not isinstance(p.holder, types.CellType) and not identical(self.of(state, at), p.now())
        }
        return {number: Counter(map(id, objects_among(self.contents(x, state)))) for number, x in changed.items()}

    def contents(self, x: Any, state: State) -> list[Any]:
        """What an object held in that state, without names."""
        held = self.holds(x, state)
        return list(held.values()) if isinstance(held, dict) else list(held)

    def columns(self, states: Sequence[State]) -> Iterator[Sequence[Any]]:
        """What each place of an object that is another one in one of the states holds in each of them; of a container with another length what
        it holds in one of them."""
        changed = {
            at[0]: p.holder
            for at, p in self.older(min(s.clock for s in states))
            if not isinstance(p.holder, types.CellType) and not all(identical(self.of(s, at), self.of(states[0], at)) for s in states[1:])
        }
        for x in changed.values():
            held = [None if id(x) in s.gone else self.holds(x, s) for s in states]
            seen = [h for h in held if h is not None]
            if all(isinstance(h, dict) for h in seen):
                yield from (
                    [MISSING if h is None else h.get(key, MISSING) for h in held] for key in dict.fromkeys(key for h in seen for key in h)
                )
            elif len(seen) == len(held) and all(len(h) == len(seen[0]) for h in seen):
                yield from zip(*seen, strict=True)
            else:
                yield from (
                    [part if i == j else MISSING for j in range(len(held))] for i, h in enumerate(held) if h is not None for part in h
                )

    def birth(self, x: Any) -> int:
        """When the trace made this object; 0 if it was there before."""
        found = self.born.get(id(x))
        return found[1] if found is not None else 0

    # ---- states
    def save(self) -> State:
        self.saved = self.clock
        return State(self.clock, {at: p.now() for at, p in self.places.items()}, dict(self.sealed), set(self.gone))

    def of(self, state: State, at: At) -> Any:
        """What a place held in that state. Of objects younger than the state it is what they hold now."""
        if at in state.held:
            return state.held[at]
        place = self.places[at]
        return place.original if place.birth <= state.clock else place.now()

    def holds(self, x: Any, state: State) -> Any:
        """What an object held in that state: a container's items, an object's attributes."""
        if isinstance(x, CONTAINERS):
            at = id(x), None
            return self.of(state, at) if at in self.places else Place(x, None, 0).original
        out = attributes(x)
        for key in self.keys.get(id(x), ()):
            value = self.of(state, (id(x), key))
            if value is MISSING:
                out.pop(key, None)
            else:
                out[key] = value
        return out

    def restore(self, state: State) -> None:
        """Every object as it was then. Those made since are left alone: nobody there can see them."""
        self.sealed, self.gone = dict(state.sealed), set(state.gone)
        for at, p in self.places.items():
            if p.birth <= state.clock and not identical(p.now(), wanted := self.of(state, at)):
                p.put(wanted)

    def within(self, state: State, make: Callable[[], Any]) -> Any:
        """make(), with every object as it was then. What it seals stays sealed."""
        now = self.save()
        self.restore(state)
        try:
            return make()
        finally:
            sealed = self.sealed
            self.restore(now)
            self.sealed.update(sealed)

    def older(self, clock: int, besides: Collection[int] = ()) -> Iterator[tuple[At, Place]]:
        """The written places of objects that were there at that time, but for those of the objects with these ids."""
        return ((at, p) for at, p in list(self.places.items()) if p.birth <= clock and at[0] not in besides)

    def changed(self, before: State, after: State, clock: int) -> bool:
        return any(not identical(self.of(before, at), self.of(after, at)) for at, _ in self.older(clock))

    # ---- the end
    def undo(self) -> None:
        """Everything as it was before the trace, by identity."""
        for p in reversed(self.places.values()):
            if p not in self.cached and not identical(p.now(), p.original):
                p.put(p.original)


keep("heap", lambda trace: Heap(), end=Heap.undo)  # what has been written into the user's objects

"""Where paths meet: the variables and the objects of several open blocks become one.

Where paths meet, a variable that differs becomes a block parameter of the paths' common type. A variable that
some path leaves unassigned, or in another type, is poisoned: using it raises an error that says so.
"""

from __future__ import annotations

import functools
import types
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import current_builder
from ..core.graph import Atom, Block
from ..core.sites import user_site
from ..objects.choice import Candidates, Choice, among, as_number, birth, candidates_of, is_choice, is_whole, one_of, state_of, union
from ..objects.heap import Place, State, identical
from ..objects.held import MISSING, held_by, of_the_class
from ..objects.structure import Shape, closed, is_object, leaves_of, opened, shape_of_contents
from ..values import pytree
from ..values.arrays import lift_array
from ..values.concrete import may_stage
from ..values.reshaping import by_memory
from ..values.values import Arrayed
from .chosen.references import referred, with_numbers
from .chosen.sharing import Sharing
from .growing import Growing, described, grown, is_growing
from .items.entries import have_other_keys
from .items.room import Longer
from .items.together import Together
from .kinds import all_candidates, refuse_items
from .leaves import (
    Undefined,
    as_complex,
    bare,
    coerce,
    describe_value,
    differs,
    is_unassigned,
    is_view,
    leaf_type,
    merge_types,
    one_is_complex,
    parameter,
    same_leaf,
    show,
)
from .lists import List
from .optional import Maybe, form_of, is_there, maybe, numbered, seeded, unassigned, value_of
from .paths import Saved, Scope, at_the_end, heap_of


class Meeting(Together):
    """Where several open blocks meet. `values` and `places` say what their values are from then on; parameters are made on the way.

    Two objects on two paths become a new one of the joined parts. It stands for both, so that a write to it would have to reach
    one of them: such a write is refused (Heap.sealed) where one of them can be seen by others.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        states: Sequence[State],
        since: int,
        name: str = "join",
        names: Collection[str] = (),
        cells: Collection[int] = (),
        later: Collection[str] = (),
    ) -> None:
        self.later = later
        self.cells, self.sharing = cells, Sharing(names, cells, heap_of())
        self.builder, self.heap = current_builder(), heap_of()
        self.blocks, self.states, self.since = list(blocks), list(states), since
        self.target = self.builder.new_block(name)
        self.args: list[list[Atom]] = [[] for _ in blocks]
        self.known: dict[tuple[int, ...], Any] = {}  # objects that have met, by their ids
        self.kept: list[Any] = []
        self.same: dict[int, Any] = {}  # objects that are on all paths, and younger than the construct

    def value(self, name: str, values: Sequence[Any]) -> Any:
        """One value where paths meet, or an Undefined that says why there is none."""
        first = values[0]
        if all(v is first for v in values):
            self._also(first)
            return first
        if any(isinstance(v, Undefined) for v in values):
            return first if all(isinstance(v, Undefined) for v in values) else self._unassigned(name, values)
        if all(same_leaf(v, first) for v in values):
            return first
        ids = tuple(map(id, values))
        if ids in self.known:
            return self.known[ids]
        self.kept += values
        found = self.known[ids] = self._new(name, values)
        return found

    def _new(self, name: str, values: Sequence[Any]) -> Any:
        if one_is_complex(values):
            return self._unowned(name, self._in_blocks(values, as_complex))
        if all(is_whole(v) or is_choice(v) for v in values):
            candidates = self.sharing.candidates(values, self.since)
            if candidates is not None:
                return self._one_of(name, values, candidates)
            found = self._of_new_ones(name, values)
            if found is not None:
                return found
            values = [self._resolved(i, v) if is_choice(v) else v for i, v in enumerate(values)]
        if (several := self.sharing.containers(values, self.since)) is not None:
            return self._one_of(name, values, several)
        if all(isinstance(v, set) for v in values) or have_other_keys(values):
            return self._together(values)
        if all(type(v) is Growing for v in values):
            form = described([values])
            known = [x for c in all_candidates(form[0]) for x in c.objects]
            if any(v.bones != form[0] for v in values) and any(birth(x, self.heap) > self.since for x in known):
                refuse_items("be objects that were there before")
            values = self._in_blocks(values, lambda v: v.cast(*form))
        parts = [opened(v, self.heap, s) for v, s in zip(values, self.states, strict=True)]
        if all(p is not None and p[0] == parts[0][0] for p in parts):  # type: ignore[index]
            return self._parts(name, values, [p for p in parts if p is not None])
        if all(isinstance(v, list) for v in values):
            contents = [p[1] for p in parts if p is not None]
            shared = self.sharing.of(values, contents)
            made = closed(Shape(list, "growing"), self._growing(name, contents), self.heap)
            self.sharing.seal(made, shared)
            return made
        if any(is_view(v) for v in values) and all(isinstance(v, (Arrayed, np.ndarray)) for v in values):
            return self.value(name, self._in_blocks(values, lambda v: self._referred(name, v) if isinstance(v, Arrayed) else lift_array(v)))
        if any(v is None or type(v) is Maybe for v in values):
            return self._optional(name, values)
        if any(map(is_choice, values)):
            values = self._in_blocks(values, as_number)
        merged = merge_types(values)
        if merged is None:
            return Undefined(name, differs(values), errors.TypeMismatchError)
        t, weak = merged
        for arg, value, block in zip(self.args, values, self.blocks, strict=True):
            arg.append(coerce(value, t, block))
        made = parameter(self.target, t, weak, values, self.builder, name)
        if len({getattr(v, "given", None) for v in values}) == 1:
            made.given = getattr(values[0], "given", None)
        return made

    def _one_of(self, name: str, values: Sequence[Any], candidates: Candidates) -> Any:
        index = self.value(name, self._in_blocks(values, lambda v: state_of(among(v, candidates))[0]))
        return one_of(index, candidates)

    def _of_new_ones(self, name: str, values: Sequence[Any]) -> Any:
        """Objects that some paths have made, of several structures or beside older ones that others see. Those of one structure become
        one, which has parts that nobody sees where another path has been taken; a number says which one of them all it is."""
        slots: dict[Any, dict[int, Any]] = {}  # structure, how many of it one path has before: which object it is on each path
        for i, v in enumerate(values):
            count: dict[Any, int] = {}
            for c in candidates_of(v):
                parts = opened(c, self.heap, self.states[i]) if self._is_nobodys(c) else None
                if parts is not None:
                    count[parts[0]] = count.get(parts[0], 0) + 1
                    slots.setdefault((parts[0], count[parts[0]]), {})[i] = c
        if not slots or (len(slots) == 1 and not any(map(is_choice, values)) and len(next(iter(slots.values()))) == len(values)):
            return None
        instead: dict[tuple[int, int], Any] = {}
        for mine in slots.values():
            try:
                form = described([[next(iter(mine.values()))]])
            except errors.TypeMismatchError:
                return None
            column = [mine.get(i) for i in range(len(values))]
            made = self.value(name, self._in_blocks(column, lambda v: seeded(*form) if v is None else v))  # noqa: B023
            instead.update({(i, id(c)): made for i, c in mine.items()})
        out = []
        for i, v in enumerate(values):
            held = [instead.get((i, id(c)), c) for c in candidates_of(v)]
            out.append(Choice(state_of(v)[0], Candidates(held)) if is_choice(v) else held[0])
        candidates = union(out)
        young = any(birth(c, self.heap) > self.since and not any(c is m for m in instead.values()) for c in candidates.objects)
        return None if young else self._one_of(name, out, candidates)

    def _is_nobodys(self, x: Any) -> bool:
        """Has one path made this object, or does nobody else see it any more?"""
        return is_object(x) and is_whole(x) and (birth(x, self.heap) > self.since or not self.sharing.sees(x))

    def _resolved(self, i: int, x: Any) -> Any:
        """The object of path i that it is, at the end of that path."""
        made, self.blocks[i] = at_the_end(self.blocks[i], lambda: self.sharing.resolved(x, self.states[i]))
        return made

    def _parts(self, name: str, values: Sequence[Any], parts: Sequence[tuple[Shape, list[Any]]]) -> Any:
        shape = parts[0][0]
        shared = self.sharing.of(values, [p for _, p in parts]) if shape.mutable else []
        joined = [self.value(name, column) for column in zip(*(p for _, p in parts), strict=True)]
        if pytree.is_node(shape.kind) and any(isinstance(j, Undefined) for j in joined):
            return next(j for j in joined if isinstance(j, Undefined))
        made = closed(shape, joined, self.heap)
        if shape.mutable:
            self.sharing.seal(made, shared)
        return made

    def _growing(self, name: str, contents: Sequence[Any]) -> Any:
        """The items of a list whose length is another one on each path."""
        if self.builder.trace.no_growth and not any(is_growing(held) for held in contents):
            kind = Longer if may_stage(self.builder.trace) else errors.TypeMismatchError
            raise kind(
                f"a list has {' items on one path and '.join(str(len(h)) for h in contents)} on another at {user_site()}: give it one length on all paths"
            )
        candidates = referred(contents, self.heap, self.since)
        contents = self._in_blocks(contents, lambda held: with_numbers(held, candidates))
        form = described(contents)
        pairs = list(zip(contents, self.states, strict=True))  # items that are objects are what they are on their path
        return (self.value(name, self._in_blocks(pairs, lambda p: self.heap.within(p[1], lambda: grown(p[0], *form)))),)

    def _in_blocks(self, values: Sequence[Any], make: Callable[[Any], Any]) -> list[Any]:
        """make(value) for each path's value, computed at its end."""
        ends = [at_the_end(block, functools.partial(make, v)) for block, v in zip(self.blocks, values, strict=True)]
        self.blocks = [block for _, block in ends]
        return [made for made, _ in ends]

    def _unassigned(self, name: str, values: Sequence[Any]) -> Any:
        """A number, an array or a tuple of them on some paths, and nothing on others: reading it raises where there is none."""
        found = [v for v in values if not isinstance(v, Undefined)]
        if name in self.later and all(map(_is_simple, found)) and all(is_unassigned(v) for v in values if isinstance(v, Undefined)):
            with suppress(errors.TypeMismatchError):
                form = form_of(values, name)
                return self.value(name, self._in_blocks(values, lambda v: maybe(v, form)))
        return Undefined(name, UNASSIGNED)

    def _optional(self, name: str, values: Sequence[Any]) -> Any:
        """A value on some paths and None on others."""
        candidates = self.sharing.candidates(values, self.since)
        if candidates is not None:
            values = self._in_blocks(values, lambda v: numbered(v, candidates))
        try:
            form = form_of(values, next((unassigned(v) for v in values if type(v) is Maybe), None))
        except errors.TypeMismatchError:
            found = self._optional_object(name, values)
            return Undefined(name, differs(values), errors.TypeMismatchError) if found is None else found
        return self.value(name, self._in_blocks(values, lambda v: maybe(v, form)))

    def _optional_object(self, name: str, values: Sequence[Any]) -> Any:
        """None, or one of several objects."""
        held = [value_of(v) for v in values]
        first = next(x for x in held if x is not None)
        if any(x is not None and not is_whole(x) and not is_choice(x) for x in held):
            return None
        try:
            form = described([[first]])
        except errors.TypeMismatchError:
            return None
        there = self.value(name, [is_there(v) for v in values])
        value = self.value(name, self._in_blocks(held, lambda x: seeded(*form) if x is None else x))
        return value if isinstance(value, Undefined) else Maybe(there, value, None)

    def _unowned(self, name: str, values: Sequence[Any]) -> Any:
        """A real array and a complex one meet as copies, which nobody may write to."""
        joined = self.value(name, values)
        if isinstance(joined, Arrayed):
            joined.owned = False
        return joined

    def _referred(self, name: str, v: Arrayed) -> Arrayed:
        memory: list[Any] = []
        found = by_memory(v, memory)
        self.builder.trace.copied.update(dict.fromkeys(memory, f"`{name}`, which paths that meet at {user_site()} give"))
        return found  # type: ignore[no-any-return]

    def places(self) -> State:
        """What the objects hold that are older than the construct, but for the cells of variables that meet themselves."""
        held: dict[Any, Any] = {}
        for at, place in self._written():
            states = [self.heap.of(s, at) for s in self.states]
            if all(identical(x, states[0]) for x in states):
                held[at] = states[0]
                self._also(tuple(states[0].values()) if isinstance(states[0], dict) else states[0])
            else:
                held[at] = self._place(place, states)
        sealed = dict(self.heap.sealed)
        for s in self.states:
            sealed.update(s.sealed)
        gone = set(self.heap.gone).intersection(*(s.gone for s in self.states)) | self.sharing.gone
        return State(self.heap.clock, held, sealed, gone)

    def _also(self, x: Any) -> None:
        """This is on all paths. Objects in it that are younger than the construct have been written on some of them, too."""
        parts = candidates_of(x) if is_choice(x) else x if isinstance(x, tuple) else None
        if (parts is not None or self.heap.birth(x) > self.since) and id(x) not in self.same:
            self.same[id(x)] = x
            for held in held_by(x) if parts is None else parts:
                self._also(held)

    def _written(self) -> Iterator[tuple[Any, Place]]:
        """The places to meet, of older objects and of those that are on all paths, more of which come up meanwhile."""
        yield from self.heap.older(self.since, self.cells)
        done: set[int] = set()
        while more := self.same.keys() - done:
            for x in more:
                yield from ((at, self.heap.places[at]) for at in [(x, key) for key in self.heap.keys.get(x, ())])
            done |= more

    def _place(self, place: Place, states: list[Any]) -> Any:
        self.sharing.parents.add(id(place.holder))
        if place.key is not None:
            states = [of_the_class(place.holder, place.key) if s is MISSING else s for s in states]
            return Undefined(place.key, UNASSIGNED) if any(s is MISSING for s in states) else self.value(place.key, states)
        x = place.holder
        shapes = [shape_of_contents(type(x), s, x) for s in states]
        if isinstance(x, List) and any(s != shapes[0] for s in shapes):
            return self._growing("items", states)
        if isinstance(x, set):
            return self._members(states)
        if isinstance(x, dict) and not isinstance(x, OrderedDict) and any(s != shapes[0] for s in shapes):
            return self._some_keys(states)
        if any(s != shapes[0] for s in shapes):
            raise errors.TypeMismatchError(
                f"{place} at {user_site()} is changed to {' on one path and '.join(repr(bare(s)) for s in states)} on another: a container must keep its "
                "structure under a traced condition"
            )
        columns = zip(*(s.values() if isinstance(s, dict) else s for s in states), strict=True)
        items = [self.value("item", column) for column in columns]
        return dict(zip(states[0], items, strict=True)) if isinstance(x, dict) else tuple(items)

    def go_on(self) -> None:
        """End the blocks with jumps here, and continue here."""
        for block, arg in zip(self.blocks, self.args, strict=True):
            self.builder.jump(self.target, tuple(arg), block)
        self.builder.enter(self.target)


UNASSIGNED = "it is not assigned on every path that leads here; assign it before the branch or loop"


def _is_simple(value: Any) -> bool:
    """Is it a number, an array or a tuple of such, or a variable that holds one on some paths?"""
    if type(value) is tuple or (type(value) is Maybe and unassigned(value)):
        return all(map(_is_simple, opened(value)[1]))  # type: ignore[index]
    return leaf_type(value) is not None or isinstance(value, np.ndarray)


def join(ends: list[tuple[Block, Saved]], scope: Scope, name: str = "join", since: int | None = None) -> None:
    """Continue where several open blocks meet, each with its own state of `scope`. Objects made after `since` belong to one path."""
    if len(ends) == 1:
        current_builder().enter(ends[0][0])
        scope.restore(ends[0][1])
        return
    states = [state for _, state in ends]
    meeting = Meeting(
        [block for block, _ in ends],
        [s.heap for s in states],
        heap_of().clock if since is None else since,
        name,
        scope.names,
        scope.cells,
        scope.later,
    )
    columns = list(zip(*(s.values for s in states), strict=True))
    meeting.sharing.meet(columns, [s.heap for s in states])
    values = tuple(meeting.value(n, column) for n, column in zip(scope.names, columns, strict=True))
    heap = meeting.places()
    meeting.go_on()
    scope.restore(Saved(values, heap))


def join_values(ends: list[tuple[Block, Saved]], what: str, since: int) -> Any:
    """The value of an expression where several open blocks meet; disagreement is an error that prints both."""
    found: list[Any] = []
    scope = Scope((what,), tuple, found.extend)
    join(ends, scope, since=since)
    value = found[0]
    for leaf in leaves_of(value):
        if isinstance(leaf, Undefined):
            values = [s.values[0] for _, s in ends]
            if len(values) > 1 and not any(v is value for v in values):
                if all(isinstance(v, types.FunctionType) for v in values):
                    raise errors.TypeMismatchError(f"{what} at {user_site()}: {differs(values)}")
                shown = list(dict.fromkeys(describe_value(v) if opened(v) is None else show(v) for v in values))
                raise errors.TypeMismatchError(
                    f"{what} at {user_site()} is {shown[0]} on one path and {shown[-1]} on another: both must have one type"
                )
    return value

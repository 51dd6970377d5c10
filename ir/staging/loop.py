"""A loop while it is traced."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import Frame, current_builder
from ..core.graph import Atom, Block
from ..core.sites import user_site
from ..core.types import I64, Array, Scalar, same_type
from ..objects.choice import ANY, Candidates, among, as_number, is_choice, is_whole, one_of
from ..objects.heap import Place, State, identical
from ..objects.held import CONTAINERS
from ..objects.structure import Shape, closed, is_object, opened, shape_of_contents
from ..values.pytree import has_some_keys
from ..values.reshaping import by_memory
from ..values.values import Arrayed, Traced, dims_of, new_dim, scalar_type
from ..values.views import settled
from ..values.writes import begun, met, refuse_overtaken
from .chosen.carried import Chosen
from .chosen.references import referred
from .chosen.sharing import Sharing
from .growing import counts_known, described, grown, is_growing, length_of
from .items.contents import PAIRS, Contents
from .items.entries import entries, forms_of
from .items.keyed import keyed
from .items.members import members_of
from .items.room import Reserving, Widen, refusal
from .leaves import (
    Undefined,
    as_complex,
    bare,
    coerce,
    describe_value,
    endless_chain,
    in_words,
    is_view,
    leaf_type,
    merge_types,
    one_is_complex,
    parameter,
    same_leaf,
    show,
)  # fmt: skip
from .lists import List
from .optional import Maybe, form_of, maybe, seeded, unassigned
from .paths import Saved, Scope, at_the_end, heap_of, open_block

KEYS, ITEM = object(), object()  # of a dict, in forms: all that it may have; an item
DEEPEST = 16  # parts of parts of a variable that a loop changes


@dataclass
class Loop(Reserving, Contents, Chosen):
    """A loop while it is traced. A *variable* is a name of the scope or a place that the loop writes; `forms` says, for a part of
    a variable, what it is inside of the loop where that is not what it entered as: a Type, Candidates of which it is one, or one of the words
    `parts` (an object is carried by its parts), `settled` (a view is carried as an array) and `complex` (a real number or array is
    carried as a complex one). Under ("seed", part) stands as what a part enters that the body assigns first, before it has any form."""

    scope: Scope
    before: Saved
    later: Sequence[str]  # names that are read after the loop
    surely: bool  # it is known to run at least once
    forms: dict[Any, Any]
    viewed: list[Any]  # memory of which copies are carried instead of views
    trips: Any = None  # how often it runs at most, where that is known when it begins

    def __post_init__(self) -> None:
        self.builder, self.heap, self.since = current_builder(), heap_of(), self.before.heap.clock
        self.heads: dict[Any, Any] = {}  # the parameters
        self.block: Block = self.builder.current or open_block()
        self.args: list[Atom] = []
        self.reserved: list[Any] = []  # buffers with room for all that the loop appends
        self.appended, self.begun = len(self.builder.trace.appends), begun(self.builder.trace)
        self.inside: dict[Any, Any] = {}  # each variable, at the loop's head
        self.parts: dict[Any, tuple[Shape, list[Any]]] = {}  # of what is carried by its parts, those at the loop's head
        self.sharing = Sharing(self.scope.names, self.scope.cells, self.heap)
        self.returned: list[Any] = []  # memory of views that come back to the head
        self.aliases: dict[int, int] = {}  # names that enter with the object of another name

    def _at_the_end(self, make: Callable[[], Any]) -> Any:
        """make(), computed at the end of the block that comes to the head."""
        value, self.block = at_the_end(self.block, make)
        return value

    # ---- the head
    def enter(self) -> Block:
        """Make the loop head; every number and array that the loop may assign becomes its parameter."""
        self.block = open_block()
        self.head = self.builder.new_block("loop")
        seen: dict[int, int] = {}
        for i, (name, value) in enumerate(zip(self.scope.names, self.before.values, strict=True)):
            first = seen.setdefault(id(value), i) if isinstance(value, CONTAINERS) and ("own", i) not in self.forms else i
            if first != i:
                self.aliases[i], self.inside[i] = first, self.inside[first]
            else:
                self.inside[i] = self._inside((i,), name, value, True)
        held = dict(self.before.heap.held)
        for at in dict.fromkeys(key[0] for key in self.forms if isinstance(key[0], tuple)):
            place = self.heap.places[at]
            self.sharing.parents.add(id(place.holder))
            now = self.heap.of(self.before.heap, at)
            if place.key is not None:
                held[at] = self._inside((at,), place.key, now, False)
            elif (at, "grow") in self.forms:
                held[at] = (self._items(at, now),)
            elif isinstance(now, frozenset) or (at, PAIRS) in self.forms:
                held[at] = self._contents(at, now)
            elif isinstance(now, dict):
                if (known := self.forms.get((at, KEYS))) is not None:
                    now = self._at_the_end(lambda: entries(now, dict(known), seeded))  # noqa: B023
                held[at] = {k: self._inside((at, ITEM, k), "item", v, False) for k, v in now.items()}
            else:
                held[at] = tuple(self._inside((at, k), "item", v, False) for k, v in enumerate(now))
            self.inside[at] = held[at]
        self.builder.jump(self.head, tuple(self.args), self.block)
        self.builder.enter(self.head)
        self.heap.restore(State(self.since, held, self.heap.sealed, self.heap.gone | self.sharing.gone))
        self.scope.put(tuple(self.inside[i] for i in range(len(self.scope.names))))
        self.at_head = self.heap.save()
        return self.head

    def _inside(self, key: Any, name: str, value: Any, assigned: bool) -> Any:
        """A part of a variable as it is at the head of the loop."""
        form, seed = self.forms.get(key), self.forms.get(("seed", key))
        if seed is not None:
            value = self._at_the_end(lambda: seeded(*seed))
        if isinstance(form, tuple):
            value = self._at_the_end(lambda: maybe(value, form))
        if isinstance(form, Candidates):
            value = self._at_the_end(lambda: among(value, form))
        if form in ("settled", "complex"):
            value = self._at_the_end(
                lambda: as_complex(settled(value, self.viewed)) if form == "complex" else by_memory(value, self.viewed)
            )
        parts = opened(value, self.heap, self.before.heap)
        if parts is not None and (*key, "grow") in self.forms:
            items = self._at_the_end(lambda: grown(parts[1], *self.forms[(*key, "grow")]))
            self.parts[key] = Shape(list, "growing"), [self._inside((*key, 0), name, items, True)]
            made = closed(*self.parts[key], self.heap)
            self.sharing.seal(made, self.sharing.of([value], [parts[1]]))
            return made
        if parts is not None:
            shape, children = parts
            if not (
                isinstance(form, Candidates)
                or form in ("parts", "complex")
                or (assigned and not shape.mutable)
                or any(k[: len(key)] == key and len(k) > len(key) for k in self.forms)
            ):
                return value
            shared, assigned = self.sharing.of([value], [children]) if shape.mutable else [], assigned or isinstance(form, Candidates)
            last = len(children) - counts_known(value)
            new = [self._inside((*key, k), name, child, assigned and k < last) for k, child in enumerate(children)]
            if all(a is b for a, b in zip(new, children, strict=True)) and not shape.mutable:
                return value
            self.parts[key] = shape, new
            made = closed(shape, new, self.heap)
            if shape.mutable:
                self.sharing.seal(made, [*shared, *self._shared_with(key)])
            return made
        carried = assigned or form == "settled"
        t = form if isinstance(form, (Scalar, Array)) else leaf_type(value) if carried and not isinstance(value, np.ndarray) else None
        if t is None:
            return value
        leaf: Any = 0 if isinstance(value, Undefined) else value  # never read
        self.args.append(coerce(leaf, t, self.block))
        if isinstance(t, Array):
            free = self.forms.get(("sizes", key), frozenset())
            t = Array(t.dtype, tuple(new_dim() if axis in free else d for axis, d in enumerate(dims_of(leaf))))
        weak = (scalar_type(leaf) or (None, False))[1] and ("strong", key) not in self.forms
        made = self.heads[key] = parameter(self.head, t, weak, [leaf], self.builder, name)
        if isinstance(made, Arrayed) and ("unowned", key) in self.forms:
            made.owned = False  # a write would have to reach what it was a view of
        return made

    # ---- the latch
    def close(self, latches: Sequence[tuple[Block, Saved]], frame: Frame) -> None:
        """Jump back from every latch; a changed form traces the loop again, or is an error that names the variable."""
        known = self.known = dict(self.forms)
        jumps = []
        for self.block, state in latches:
            args: dict[Any, Atom] = {}
            self.sharing.meet(zip(map(self.inside.get, range(len(state.values))), state.values, strict=True), [self.at_head, state.heap])
            for i, name in enumerate(self.scope.names):
                if i in self.aliases:
                    if state.values[i] is not state.values[self.aliases[i]]:
                        self.forms["own", i] = True
                    continue
                self._latch((i,), name, self.inside[i], self.before.values[i], state.values[i], state.heap, args)
            for at, place in self.heap.older(self.since, self.scope.cells):
                self._latch_place(at, place, state, args)
            jumps.append((self.block, args))
        self._seed(latches)
        self._reserve(frame)
        if self.forms != known:
            raise Widen
        self.viewed += self.returned
        refuse_overtaken(self.builder, self.begun, self.head, self.heads.values(), self.viewed)
        self.builder.trace.copied.update(dict.fromkeys(self.returned, f"a variable, which the loop at {user_site()} carries"))
        for block, args in jumps:
            self.builder.jump(self.head, tuple(args[key] for key in self.heads), block)

    def _latch_place(self, at: Any, place: Place, state: Saved, args: dict[Any, Atom]) -> None:
        before, new = self.heap.of(self.before.heap, at), self.heap.of(state.heap, at)
        old = self.inside.get(at, before)
        if place.key is not None:
            self._latch((at,), place.key, old, before, new, state.heap, args)
            return
        if identical(old, new) and at not in self.inside:
            return
        x = place.holder
        if isinstance(x, List) and (len(old) != len(new) or is_growing(old) or is_growing(new)):
            self._latch_growth((at,), "items", old, before, new, state.heap, args)
            return
        if self._latch_contents(at, x, old, new, state, args):
            return
        if (
            isinstance(x, dict)
            and not isinstance(x, OrderedDict)
            and (list(old) != list(new) or (new and has_some_keys(new) != has_some_keys(old)))
        ):
            self.forms[at, KEYS] = tuple(forms_of([old, new]).items())
            return
        if shape_of_contents(type(x), old, x) != shape_of_contents(type(x), new, x):
            raise errors.TypeMismatchError(
                f"{place} at {user_site()} changes in a staged loop from {bare(before)!r} to {bare(new)!r}: its structure must stay the same"
            )
        for k in old if isinstance(old, dict) else range(len(old)):
            item = (at, ITEM, k) if isinstance(old, dict) else (at, k)
            self._latch(
                item, "item", old[k], before[k] if not isinstance(before, dict) or k in before else old[k], new[k], state.heap, args
            )

    def _latch_growth(self, key: Any, name: str, old: Any, before: Any, new: Any, state: State, args: dict[Any, Atom]) -> None:
        """A list that comes back with another length than it had at the head."""
        known = referred(states := [before, old, new], self.heap, self.since)
        form = described(states if known is None else [[one_of(ANY, known)]])
        if self.builder.trace.no_growth:
            kind = refusal(old, new, form, self.builder.trace)
            raise kind(f"a list grows in the loop at {user_site()}: give it its length before")
        if self.forms.get((*key, "grow")) != form or not is_growing(old):
            if self.forms.get((*key, "grow"), form)[0] != form[0]:  # other buffers
                self._forget((*key, 0))
            self.forms[(*key, "grow")] = form
            if len({*map(length_of, (before, old, new))}) > 1:
                self.forms.setdefault((*key, 0, sum(k.dtype is not None for k in form[1])), I64)
            return
        items = self._at_the_end(lambda: self.heap.within(state, lambda: grown(new, *form)))
        self._latch((*key, 0), name, old[0], old[0], items, state, args)

    def _latch(self, key: Any, name: str, old: Any, before: Any, new: Any, state: State, args: dict[Any, Atom]) -> None:
        """One part of a variable comes back to the head, where it is `old`."""
        if len(key) > DEEPEST:
            raise endless_chain()
        if one_is_complex([old, new]):
            if self.forms.get(key) != "complex":
                self.forms[key] = "complex"
                return
            new = self._at_the_end(lambda: as_complex(settled(new, self.returned)))
        if self._latch_chosen(key, old, before, new):
            return
        given = new
        form = self.forms.get(key)
        if isinstance(form, Candidates) and (is_whole(new) or is_choice(new) or isinstance(new, CONTAINERS)):
            new = self._at_the_end(lambda: among(new, form))  # type: ignore[arg-type]
        elif is_choice(new) and key in self.heads:
            new = self._at_the_end(lambda: as_number(new))
        elif is_choice(new) and is_object(old):
            new = self._at_the_end(lambda: self.sharing.resolved(new, state))
        if key in self.heads and (new is None or type(new) is Maybe):
            self.forms[key] = form_of([self.heads[key], new], unassigned(new) if new is not None else None)
            return
        if key in self.heads:
            if (atom := self._atom(key, name, before, new)) is not None:
                args[key] = atom
            return
        form, begun = self.forms.get(key), ("seed", key) in self.forms
        if begun and isinstance(new, Undefined):
            new._raise()
        if isinstance(form, tuple):
            new = self._at_the_end(lambda: maybe(new, form))
        elif (old is new and key not in self.parts) or (isinstance(before, Undefined) and not begun):
            return
        elif (
            any(x is None or type(x) is Maybe for x in (old, new))
            and not isinstance(new, Undefined)
            and not (type(old) is type(new) is Maybe)
        ):
            candidates = self.sharing.candidates([old, new], self.since)
            try:
                found = [x if x is None or candidates is None else one_of(0, candidates) for x in (old, new)]
                self.forms[key] = form_of(found, next((unassigned(x) for x in (old, new) if type(x) is Maybe), None))
                return
            except errors.TypeMismatchError:
                raise self._differs(name, before, new) from None
        if (view := is_view(old) or is_view(new)) and self.forms.get(key) == "settled":
            new = self._at_the_end(lambda: by_memory(new, self.returned))
        a, b = self.parts.get(key) or opened(old, self.heap, self.before.heap), opened(new, self.heap, state)
        if isinstance(old, list) and isinstance(new, list) and a and b and (a[0].more != b[0].more or a[0].more == "growing"):
            was = opened(before, self.heap, self.before.heap)
            self._latch_growth(key, name, a[1], was[1] if was is not None else (), b[1], state, args)
            return
        if a is not None and b is not None and a[0] == b[0]:
            if a[0].mutable and old is not given:
                self._notice_shared(key, given)
            self._latch_parts(key, name, a, before, b, state, args)
        elif not (a is None and b is None and same_leaf(old, new)) and not self._takes_form(key, old, new, view, a is None and b is None):
            raise self._differs(name, before, new)

    def _latch_parts(self, key: Any, name: str, a: Any, before: Any, b: Any, state: State, args: dict[Any, Atom]) -> None:
        """An object of the same structure comes back, part by part."""
        was = opened(before, self.heap, self.before.heap)
        originals = was[1] if was is not None and was[0] == a[0] else a[1]
        if a[0].mutable and key not in self.parts:
            self.forms[key] = "parts"
            return
        for k, (x, y, z) in enumerate(zip(a[1], originals, b[1], strict=True)):
            self._latch((*key, k), name, x, y, z, state, args)

    def _takes_form(self, key: Any, old: Any, new: Any, view: bool, leaves: bool) -> bool:
        """Is there another form that holds both? The loop is traced again with it."""
        form: Any = None
        if key in self.forms and key not in self.known:  # another latch has found one
            return True
        if (view or isinstance(old, np.ndarray)) and all(isinstance(v, (Arrayed, np.ndarray)) for v in (old, new)):
            form = "settled" if view and self.forms.get(key) != "settled" else None if view else (merge_types([old, new]) or (None,))[0]
        if form is None and leaves and leaf_type(old) is not None and key not in self.forms:
            form = (merge_types([old, new]) or (None,))[0]
        if form is None:
            return False
        self.forms[key] = form
        if isinstance(old, Arrayed) and isinstance(new, Arrayed):
            if changed := {axis for axis, (d, e) in enumerate(zip(dims_of(old), dims_of(new), strict=False)) if d != e}:
                self.forms["sizes", key] = self.forms.get(("sizes", key), frozenset()) | changed
        elif isinstance(form, Scalar) and not (scalar_type(new) or (None, True))[1]:
            self.forms["strong", key] = True
        return True

    def _differs(self, name: str, old: Any, new: Any) -> Exception:
        why = ("its structure must stay the same", "only numbers, arrays and containers of them can change in a staged loop")
        what = f"changes from {show(old)} to {show(new)}: {why[type(old) is type(new)]}"
        if (keyed(new) or members_of(new)) is not None:  # what it holds is known by itself, and not by a structure
            what = f"becomes another {type(new).__name__} that the program fills: choose it where it is used: (a if i % 2 == 0 else b)"
        elif isinstance(new, str) and type(new) is not str:
            what = "becomes a text that the program makes or chooses: keep a number (of the text in a list), and take the text where it is used"
        return errors.TypeMismatchError(f"loop {in_words(name)} at {user_site()} {what}")

    def _atom(self, key: Any, name: str, before: Any, new: Any) -> Atom | None:
        """What the latch passes for a parameter; None where the parameter must be of another form."""
        head = self.heads[key]
        if isinstance(new, Undefined):
            new._raise()
        if is_view(new):
            new = self._at_the_end(lambda: by_memory(new, self.returned))
            self.forms[key] = "settled"
        met(head, [new])
        merged = merge_types([head, new])
        if merged is None and leaf_type(new) is None:
            raise self._differs(name, before, new)
        if merged is None:
            raise errors.TypeMismatchError(
                f"loop {in_words(name)} at {user_site()} changes its type from {describe_value(head)} to {describe_value(new)}; give it its final type before the loop"
            )
        if isinstance(head, Arrayed):
            free = self.forms.get(("sizes", key), frozenset())  # axes along which its size changes
            changed = {axis for axis, (d, e) in enumerate(zip(head.type.dims, dims_of(new), strict=True)) if d != e}
            if not same_type(merged[0], head.type) or not changed <= free:
                self.forms[key], self.forms["sizes", key] = merged[0], free | changed
                return None
            if head.owned and not getattr(new, "owned", False):  # nor may it be written that comes back
                self.forms["unowned", key] = True
                return None
        if isinstance(head, Traced) and (merged[0] != head.type or (head.weak and not (scalar_type(new) or (None, True))[1])):
            self.forms[key], self.forms["strong", key] = merged[0], True
            return None
        return coerce(new, merged[0], self.block)

    def _seed(self, latches: Sequence[tuple[Block, Saved]]) -> None:
        """A variable that the body assigns before it reads it (else the trace had failed) may be read after the loop: trace again
        with parameters for it. In a loop that is sure to run nobody sees its first value; in others it may not be there."""
        for i, name in enumerate(self.scope.names):
            if name not in self.later or not isinstance(self.before.values[i], Undefined) or self.forms.keys() & {(i,), ("seed", (i,))}:
                continue
            if not (found := [state.values[i] for _, state in latches if not isinstance(state.values[i], Undefined)]):
                continue
            with suppress(errors.TypeMismatchError):
                form = form_of(found, None if self.surely else name)
                if self.surely and len(found) == len(latches):
                    self.forms["seed", (i,)] = form[1:]
                else:
                    self.forms[i,] = (name, *form[1:])

"""Sets and dicts in a loop, of which only the program knows what is in them."""

from __future__ import annotations

from typing import Any

from ...core.graph import Atom
from ..paths import Saved
from .keyed import KEY, Keyed, as_keyed, form_of, keyed, pairs_of
from .members import Members, as_members, members_of

PAIRS = object()  # of a dict, in a loop's forms: the form of its pairs


class Contents:
    """That part of a Loop."""

    forms: dict[Any, Any]
    before: Saved
    heap: Any
    _at_the_end: Any
    _inside: Any
    _latch: Any

    def _contents(self, at: Any, now: Any) -> Any:
        """What is in a set, or in a dict, at the head."""
        if isinstance(now, dict):
            found = self._at_the_end(lambda: as_keyed(now, self.forms[at, PAIRS]))
            return {KEY: Keyed(self._inside((at, 0), "items", found.items, False), self._inside((at, 1), "places", found.table, False))}
        items = self._at_the_end(lambda: as_members(now).items)
        return frozenset([Members(self._inside((at, 0), "items", items, False))])

    def _latch_contents(self, at: Any, x: Any, old: Any, new: Any, state: Saved, args: dict[Any, Atom]) -> bool:
        """Does a set come back to the head, or a dict whose keys the program computes?"""
        if isinstance(x, dict):
            was, found = keyed(old), keyed(new)
            if was is None and found is None:
                return False
            if was is None or (at, PAIRS) not in self.forms:
                states = (self.before.heap, old), (state.heap, new)
                self.forms[at, PAIRS] = form_of([pairs_of(held, lambda y: self.heap.holds(y, s)) for s, held in states])  # noqa: B023
                self.forms[at, 0] = self.forms[at, 1] = "parts"
                return True
            back = self._at_the_end(lambda: as_keyed(new, self.forms[at, PAIRS]))
            self._latch((at, 0), "items", was.items, was.items, back.items, state.heap, args)
            self._latch((at, 1), "places", was.table, was.table, back.table, state.heap, args)
            return True
        if not isinstance(x, set):
            return False
        if (members := members_of(old)) is None:
            self.forms[at, 0] = "parts"
            return True
        items = self._at_the_end(lambda: as_members(new).items)
        self._latch((at, 0), "items", members.items, members.items, items, state.heap, args)
        return True

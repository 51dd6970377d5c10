"""Sets and dicts where paths meet that leave others in them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from ...objects.structure import Shape, closed
from ..optional import seeded
from .entries import entries, forms_of
from .keyed import KEY, Keyed, as_keyed, form_of, keyed, pairs_of
from .members import Members, as_members


class Together:
    """That part of a Meeting."""

    heap: Any
    sharing: Any
    states: Any
    value: Any
    _growing: Any
    _in_blocks: Any

    def _together(self, values: Sequence[Any]) -> Any:
        """A set or a dict that is another one on each path."""
        held = [self.heap.holds(v, s) for v, s in zip(values, self.states, strict=True)]
        shared = self.sharing.of(values, [list(h.values()) if isinstance(h, dict) else [] for h in held])
        made = self.heap.made(copy.copy(values[0]))
        made.clear()
        made.update(self._some_keys(held) if isinstance(made, dict) else self._members(held))
        self.sharing.seal(made, shared)
        return made

    def _members(self, states: Sequence[Any]) -> frozenset[Any]:
        """What is in a set that has others on each path."""
        lists = self._in_blocks(states, lambda s: as_members(s).items)
        return frozenset([Members(self._lists("items", lists))])

    def _some_keys(self, states: Sequence[dict[Any, Any]]) -> dict[Any, Any]:
        """What a dict holds that has other keys, or has them in another order, on each path."""
        if any(keyed(s) is not None for s in states):
            return self._keyed(states)
        forms = forms_of(states)
        opened_up = self._in_blocks(states, lambda s: entries(s, forms, seeded))
        return {k: self.value("item", [s[k] for s in opened_up]) for k in forms}

    def _keyed(self, states: Sequence[dict[Any, Any]]) -> dict[Any, Any]:
        """What a dict holds whose keys the program computes on some of the paths."""
        form = form_of([pairs_of(held, lambda x: self.heap.holds(x, s)) for held, s in zip(states, self.states, strict=True)])  # noqa: B023
        found = self._in_blocks(states, lambda s: as_keyed(s, form))
        return {KEY: Keyed(self._lists("items", [k.items for k in found]), self._lists("places", [k.table for k in found]))}

    def _lists(self, name: str, lists: Sequence[Any]) -> Any:
        """One list of those that grow on each path."""
        contents = [self.heap.holds(x, s) for x, s in zip(lists, self.states, strict=True)]
        return closed(Shape(list, "growing"), self._growing(name, contents), self.heap)

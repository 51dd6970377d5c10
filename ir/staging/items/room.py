"""Room for all that a loop appends to a list, made before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core import errors
from ...core.builder import Builder, Frame, Trace
from ...core.types import I64
from ...values.concrete import may_stage
from ...values.sizes import add, mul
from ..growing import Grows, Room, grown, is_growing, known_before, started
from ..kinds import LEAF
from ..lists import List


class Widen(Exception):
    """A loop variable turned out to need another form than it entered with: the loop is traced again."""


class Longer(Grows):
    """A list has more items after an iteration; not only items that are chosen by a number."""


class Reserving:
    """That part of a Loop."""

    forms: dict[Any, Any]
    reserved: list[Any]
    builder: Builder
    heap: Any
    trips: Any
    since: int
    appended: int
    _at_the_end: Any
    _inside: Any

    def _items(self, at: Any, now: Any) -> Any:
        """The items of a list that grows in the loop, at its head."""
        form, room = self.forms[at, "grow"], self.forms.get(("reserve", at))
        if not room:
            return self._inside((at, 0), "items", self._at_the_end(lambda: grown(now, *form)), True)
        more = mul(self.trips, room.appends)
        if is_growing(now):
            reserved = self._at_the_end(lambda: grown(now, *form).reserved(add(now[0].n, more), room.shapes))
        else:
            reserved = self._at_the_end(lambda: started(now, form[0], form[1], add(more, len(now)), room.shapes))
        self.forms.setdefault((at, 0, len(reserved.buffers)), I64)
        self.reserved += reserved.buffers
        return self._inside((at, 0), "items", reserved, False)

    def _reserve(self, frame: Frame) -> None:
        """A loop whose count is known when it begins, and that is not left early, makes room for all that is appended in it: then the
        buffers do not change in it. A list may have begun to grow in the middle of what was traced: once more is seen, there is more room."""
        trace = self.builder.trace
        if self.trips is None or any(frame.ends["break"]):
            return
        for at, place in self.heap.older(self.since):
            events = [e for e in trace.appends[self.appended :] if e.items == at[0]]
            if not events or (at, "grow") not in self.forms or not isinstance(place.holder, List):
                continue
            known = self.forms.get(("reserve", at), Room(0, []))
            shapes = known_before(events[0].shapes) if events[0].shapes is not None else None
            mine = all(e.frame is frame and e.shapes is not None for e in events)
            room = Room(len(events), shapes) if mine and shapes is not None else None
            if known is None or (room is not None and room.appends <= known.appends):
                continue
            self.forms["reserve", at] = room
            if room is not None or known.appends:
                for key in [k for k in self.forms if k[:2] == (at, 0) or (k[0] == "sizes" and k[1][:2] == (at, 0))]:
                    del self.forms[key]  # of buffers that change


def refusal(old: Sequence[Any], new: Sequence[Any], form: Any, trace: Trace) -> type[errors.TypeMismatchError]:
    """What is raised where a list of this form, which held `old`, holds `new` after an iteration of a loop that is unrolled rather."""
    n = getattr(new[0].n, "atom", new[0].n) if is_growing(new) else len(new)
    longer = is_growing(old) or getattr(n, "value", n) != len(old)
    return Longer if longer and may_stage(trace) else Grows if form[0] == LEAF else errors.TypeMismatchError

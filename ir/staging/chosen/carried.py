"""What a loop carries of objects between which it chooses."""

from __future__ import annotations

from typing import Any

from ...objects.choice import Candidates, birth, candidates_of, is_choice, union
from ..leaves import Undefined
from .sharing import Sharing

SHARED = "shared"  # in forms, with a key: the objects that others can see, one of which may come back in its place

YOUNG: Any = type("Young", (), {"__repr__": lambda self: "an object of the iteration"})()


class Chosen:
    """That part of a Loop."""

    forms: dict[Any, Any]
    sharing: Sharing
    since: int

    def _forget(self, part: Any) -> None:
        """The forms of a part that is another one from now on."""
        for k in [k for k in self.forms if part in (k[: len(part)], k[1][: len(part)] if k[0] in ("sizes", "strong", "unowned") else ())]:
            del self.forms[k]

    def _latch_chosen(self, key: Any, old: Any, before: Any, new: Any) -> bool:
        """Does another object than that of the head come back, so that from then on a number says which of them it is?"""
        found = None if old is new or isinstance(before, Undefined) else self.sharing.wider(self.forms.get(key), old, new, self.since)
        if found is not None:
            self._forget(key)
            self.forms[key] = found
        return found is not None

    def _notice_shared(self, key: Any, new: Any) -> None:
        """An object that the loop has made, or one that others can see, comes back: at the head it stands for both, and neither may be written."""
        shared = [c for c in candidates_of(new) if self.sharing.is_in_two(c) or (is_choice(new) and self.sharing.sees(c))]
        if shared:  # those of the iteration are others where the loop is traced again
            self.forms[SHARED, key] = union(
                [*self._shared_with(key), *(c if birth(c, self.sharing.heap) <= self.since else YOUNG for c in shared)]
            )

    def _shared_with(self, key: Any) -> tuple[Any, ...]:
        found = self.forms.get((SHARED, key))
        return found.objects if isinstance(found, Candidates) else ()

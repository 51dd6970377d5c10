"""Lists that grow and hold objects which were there before: they hold their numbers, so that a write to an item is one to the object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...objects.choice import ANY, Candidates, among, birth, identity, is_choice, is_whole, one_of, union
from ...objects.heap import Heap
from ...values.arrays import lift_array
from ..kinds import candidates_in


def referred(contents: Sequence[Sequence[Any]], heap: Heap, since: int) -> Candidates | None:
    """All objects, or texts, in several states of a list; None where they are something else, or one path has made some of them."""
    found = []
    for held in contents:
        for item in held:
            if hasattr(type(item), "__lantern_grows__"):
                mine = candidates_in(item.bones)
                item = None if mine is None else one_of(ANY, mine)
            if not (is_whole(item) or is_choice(item)):
                return None
            found.append(item)
    found.sort(key=lambda x: not is_choice(x))  # so that numbers that are in memory stay as they are
    all_of_them = union(found) if found else Candidates(())
    alike = all(type(x) is str for x in all_of_them.objects) and len(all_of_them.objects) < 2
    return None if alike or any(birth(x, heap) > since for x in all_of_them.objects) else all_of_them


def with_numbers(held: Sequence[Any], candidates: Candidates | None) -> Sequence[Any]:
    """What a list holds, with numbers of these objects."""
    if candidates is None:
        return held
    return [x if hasattr(type(x), "__lantern_grows__") else among(x, candidates) for x in held]


def renumbered_in(buffer: Any, old: Candidates, new: Candidates) -> Any:
    """The numbers in memory, of other candidates."""
    places = [next(i for i, y in enumerate(new.objects) if identity(y) == identity(x)) for x in old.objects]
    return buffer if places == list(range(len(places))) else lift_array(np.array(places))[buffer]

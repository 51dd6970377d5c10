"""Which objects others can see, where paths meet or a loop begins: with those it has to be known which one is meant."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from ...core.sites import user_site
from ...objects.choice import Candidates, birth, candidates_of, is_choice, is_whole, resolved, union
from ...objects.heap import Heap, State
from ...objects.held import CONTAINERS, objects_among
from ...objects.structure import is_object
from ..leaves import Undefined
from ..optional import value_of


class Sharing:
    """Which of the objects that meet can be seen by others than the variables `names` that meet, which are in `cells`."""

    def __init__(self, names: Collection[str], cells: Collection[int], heap: Heap) -> None:
        self.names, self.cells, self.heap = names, cells, heap
        self.meet((), ())
        self.parents: set[int] = set()  # objects that meet themselves: what they hold is not shared for that
        self.gone: set[int] = set()  # objects that nobody sees from here on
        self.below: set[int] = set()  # parts of shared objects
        self.kept: list[Any] = []

    def meet(self, variables: Iterable[Sequence[Any]], states: Sequence[State]) -> None:
        """What meets: for each variable its values, and the states of the heap."""
        self.states = states
        self.columns = [c for c in variables if not any(isinstance(v, Undefined) for v in c)]
        self.elsewhere: list[Any] | None = None
        self.places: list[dict[int, set[Any]]] = [
            {} for _ in states
        ]  # in each state, of an object in variables or places that meet: in which

    def sees(self, x: Any) -> bool:
        """Can others see this object, in one of the states?"""
        return (
            id(x) in self.below or self.is_in_two(x) or self.heap.is_shared(x, self.names, self.cells, self.parents, self.elsewhere or ())
        )

    def is_in_two(self, x: Any) -> bool:
        """Do two of the variables and places that meet hold this object, in one of the states?"""
        if self.elsewhere is None:
            self.elsewhere = [held for s in self.states if (held := self.heap.others(s))]
            if self.states:
                self._look(self.heap.columns(self.states))
        return any(len(where[id(x)]) > 1 for where in self.places if id(x) in where)

    def _look(self, columns: Iterable[Sequence[Any]]) -> None:
        """Which objects the variables and places hold in each state. Two that hold the same in all of them are one."""
        for column in (*self.columns, *columns):
            for where, v in zip(self.places, column, strict=True):
                for i, held in enumerate(objects_among([v])):
                    where.setdefault(id(held), set()).add((*map(id, column), i if held is not v else -1))

    def candidates(self, values: Sequence[Any], since: int) -> Candidates | None:
        """Objects, or None beside objects, between which it has to be known which one it is: they were there by that time, and others can
        see one of them, or they are of several classes."""
        held = [value_of(v) for v in values if v is not None and not isinstance(v, Undefined)]
        if not held or not all(is_whole(v) or is_choice(v) for v in held):
            return None
        found = union(held)
        if any(birth(c, self.heap) > since for c in found.objects):
            return None
        one = held[0]
        alike = is_object(one) and all(type(v) is type(one) for v in held)
        return found if not alike or any(map(self.sees, held)) else None

    def containers(self, values: Sequence[Any], since: int) -> Candidates | None:
        """Lists, dicts and deques between which it has to be known which one it is: others can see one of them."""
        if not all(isinstance(c, CONTAINERS) and not isinstance(c, set) for v in values for c in candidates_of(v)):
            return None
        found = union(values)
        if len(found.objects) < 2 or any(
            id(c) in self.heap.inner or not 0 < self.heap.birth(c) <= since or id(c) in self.heap.sealed for c in found.objects
        ):
            return None
        return found if any(map(self.sees, found.objects)) else None

    def wider(self, form: Any, old: Any, new: Any, since: int) -> Any:
        """What a loop carries of an object that comes back as another one: a number among Candidates, or its `parts`. None: as it does."""
        if form == "parts":
            return None
        if (found := self.containers([old, new], since)) is None and not all(is_whole(x) or is_choice(x) for x in (old, new)):
            return "parts" if isinstance(form, Candidates) and isinstance(new, CONTAINERS) else None
        found = self.candidates([old, new], since) if found is None else found
        if found is None:
            return "parts" if isinstance(form, Candidates) else None  # of an object that the loop has made
        return None if found == form or (is_choice(old) and is_choice(new) and found == union([old]) == union([new])) else found

    def resolved(self, x: Any, state: State) -> Any:
        """An object with the parts that the one that it is has in that state."""
        now = self.heap.save()
        self.heap.restore(state)
        made = resolved(x)
        self.heap.restore(now)
        self.seal(made, [c for c in candidates_of(x) if self.sees(c)])
        return made

    def of(self, values: Sequence[Any], parts: Sequence[Sequence[Any]]) -> list[Any]:
        """Those of the values that are shared. Asked before their parts meet."""
        shared = [v for v in values if self.sees(v) or id(v) in self.heap.sealed]
        self.kept += values
        self.parents |= set(map(id, values))
        for v, held in zip(values, parts, strict=True):
            if not any(v is x for x in shared):
                self.gone.add(id(v))
            else:
                self.below |= set(map(id, held))
        return shared

    def seal(self, made: Any, shared: Sequence[Any]) -> None:
        """`made` stands for several objects. Where some are shared a write to the one would have to show in the other: it is refused."""
        if shared:
            why = (
                f"{user_site()} makes one {'list' if isinstance(made, list) else type(made).__name__} stand for several objects, which a traced condition or a loop has chosen, and one of them is "
                "written: it is one of several objects, and compiled code cannot tell which of them to change. Write to a copy of it"
                + (", or choose it by its place: [a, b][i]" if isinstance(made, CONTAINERS) else "")
            )
            for v in (made, *shared):
                self.heap.seal(v, why)

"""What is known of a program's values where its inputs are not: numbers that do not depend on them, else sets of columns.

A number of the program is a number here where it is known, UNKNOWN if it is an int or a bool, and a set if it is a float. Of many points
at once it is an array, UNKNOWN, or sets for all points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .sets import NONE, Sets, count


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()
FEW = 10_000  # points at which floats are computed, where they are known


def is_known(x: Any) -> bool:
    return isinstance(x, (bool, int, float, np.generic, np.ndarray))


def sets_of(x: Any) -> Any:
    """What a float depends on."""
    return NONE if is_known(x) else x


class Cells:
    """Memory: of each element a set, and the values where all of them are known."""

    def __init__(self, sets: Sets, size: int, found: Any = NONE, values: Any = None) -> None:
        self.sets, self.size, self.found, self.values = sets, size, found, values
        self.single: dict[int, frozenset[int]] = {}  # elements that were written since

    def table(self) -> Any:
        """The sets of all elements."""
        if self.single:
            places = np.fromiter(self.single, np.int64, len(self.single))
            self.found = self.sets.replaced(self.found, self.size, places, self.sets.listed(list(self.single.values())))
            self.single = {}
        return self.found

    def get(self, i: int) -> frozenset[int]:
        if i in self.single:
            return self.single[i]
        if isinstance(self.found, frozenset):
            return self.found
        return frozenset(self.found.indices[self.found.indptr[i] : self.found.indptr[i + 1]].tolist())

    def put(self, places: Any, new: Any, values: Any, surely: bool) -> bool:
        """Write elements: those at `places`, or some that are not known if that is None. Where it is not sure that these are written
        they may still be what they were. Has anything changed?"""
        if places is not None and surely:
            self._values(places, values)
            if isinstance(places, int):
                self.single[places] = new
            else:
                self.found = self.sets.replaced(self.table(), self.size, places, new)
            return True
        changed = self._may_be(places, values)
        if isinstance(places, int):
            old = self.get(places)
            self.single[places] = old | new
            return changed or len(self.single[places]) > len(old)
        old = self.table()
        if places is None:
            self.found = self.sets.union(old, self.sets.everything(new))
        elif count(new):
            self.found = self.sets.union(old, self.sets.grouped(new, places, self.size))
        return changed or count(self.found) != count(old)

    def _values(self, places: Any, values: Any) -> None:
        if self.values is not None:
            if is_known(values):
                self.values[places] = values
            else:
                self.values = None

    def _may_be(self, places: Any, values: Any) -> bool:
        if self.values is None or (places is not None and is_known(values) and np.all(self.values[places] == values)):
            return False
        self.values = None
        return True


@dataclass
class Ref:
    """An array: its shape, and the memory that it may be."""

    cells: tuple[Cells, ...]
    shape: tuple[Any, ...]
    held: Any = None  # what is in it, if it is a record

    @property
    def one(self) -> Cells | None:
        return self.cells[0] if len(self.cells) == 1 else None


def joined(sets: Sets, a: Any, b: Any) -> Any:
    """What is known of a value that is one of two."""
    if a is b:
        return a
    if isinstance(a, Ref) and isinstance(b, Ref):
        cells = (*a.cells, *(c for c in b.cells if all(c is not x for x in a.cells)))
        shape = tuple(m if is_known(m) and is_known(n) and m == n else UNKNOWN for m, n in zip(a.shape, b.shape, strict=True))
        held = None if a.held is None else [joined(sets, x, y) for x, y in zip(a.held, b.held, strict=True)]
        return Ref(cells, shape, held)
    if isinstance(a, frozenset) or isinstance(b, frozenset):
        return sets_of(a) | sets_of(b)
    if is_known(a) and is_known(b) and a == b:
        return a
    return NONE if isinstance(a, (float, np.floating)) else UNKNOWN


def same(a: Any, b: Any) -> bool:
    """Is as much known of both?"""
    if isinstance(a, Ref) and isinstance(b, Ref):
        held = (a.held is None and b.held is None) or all(map(same, a.held, b.held))
        return {*map(id, a.cells)} == {*map(id, b.cells)} and a.shape == b.shape and held
    return a is b or (type(a) is type(b) and bool(a == b))

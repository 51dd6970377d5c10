"""Sets of columns: which numbers of an input something depends on.

A set for each of many points is a frozenset where it is the same for all of them, else a sparse matrix of bools with a row for each point.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..ir.core.errors import ArrayMemoryError

MOST = 300_000_000  # entries that are still called sparse
NONE: frozenset[int] = frozenset()


class Sets:
    """Sets of so many columns."""

    def __init__(self, columns: int) -> None:
        self.columns = columns

    def table(self, found: Any, points: int) -> Any:
        """The matrix with so many rows."""
        if not isinstance(found, frozenset):
            return found
        refuse(len(found) * points)
        row = np.fromiter(found, np.int64, len(found))
        row.sort()
        indptr = np.arange(points + 1, dtype=np.int64) * len(row)
        return sp.csr_array((np.ones(len(row) * points, bool), np.tile(row, points), indptr), shape=(points, self.columns))

    def listed(self, each: Sequence[frozenset[int]]) -> Any:
        """The matrix with these rows."""
        rows = np.repeat(np.arange(len(each)), [len(s) for s in each])
        columns = np.fromiter(itertools.chain.from_iterable(each), np.int64, len(rows))
        return sp.csr_array((np.ones(len(rows), bool), (rows, columns)), shape=(len(each), self.columns))

    def union(self, *sets: Any) -> Any:
        """Of sets for the same points."""
        same = NONE.union(*(s for s in sets if isinstance(s, frozenset)))
        tables = [s for s in sets if not isinstance(s, frozenset)]
        if not tables:
            return same
        found = functools.reduce(operator.add, tables)
        return found + self.table(same, found.shape[0]) if same else found

    def everything(self, found: Any) -> frozenset[int]:
        """The union over all points."""
        return found if isinstance(found, frozenset) else frozenset(np.unique(found.indices).tolist())

    def take(self, found: Any, places: Any) -> Any:
        """Those of these points."""
        return found if isinstance(found, frozenset) else found[places]

    def where(self, found: Any, mask: Any) -> Any:
        """Those of the points where the mask is true, and nothing elsewhere."""
        if isinstance(found, frozenset) and not found:
            return found
        return sp.diags_array(np.asarray(mask, bool), format="csr", dtype=bool) @ self.table(found, len(mask))

    def grouped(self, found: Any, groups: Any, count: int) -> Any:
        """For each of `count` groups the union over the points that are in it."""
        if isinstance(found, frozenset) and not found:
            return found
        found = self.table(found, len(groups))
        chooses = sp.csr_array((np.ones(len(groups), bool), (groups, np.arange(len(groups)))), shape=(count, len(groups)))
        return chooses @ found

    def replaced(self, old: Any, size: int, places: Any, new: Any) -> Any:
        """`old` with the rows of `new` at these places; of several at one place the last."""
        if isinstance(old, frozenset) and old == new:
            return old
        source = np.arange(size)
        source[places] = size + np.arange(len(places))
        return sp.vstack([self.table(old, size), self.table(new, len(places))], format="csr")[source]


def refuse(entries: int) -> None:
    if entries > MOST:
        raise ArrayMemoryError(
            f"a pattern has {entries:,} entries on the way, which is not sparse: take jacfwd or jacrev, or split the function"
        )


def count(found: Any) -> int:
    return len(found) if isinstance(found, frozenset) else found.nnz


class Pairs:
    """Pairs of columns that interact: the second derivative with respect to both may be other than zero."""

    def __init__(self, sets: Sets) -> None:
        self.sets, self.seen = sets, set()  # type: ignore[var-annotated]
        self.found: list[Any] = []

    def add(self, a: Any, b: Any) -> None:
        """At each point all of a with all of b, and b with a."""
        if count(a) == 0 or count(b) == 0:
            return
        if isinstance(a, frozenset) or isinstance(b, frozenset):
            a, b = self.sets.everything(a), self.sets.everything(b)
            if (a, b) in self.seen:
                return
            self.seen.add((a, b))
            refuse(len(a) * len(b))
            a, b = self.sets.table(a, 1), self.sets.table(b, 1)
        self.found.append(a.T @ b)
        if len(self.found) > 64:
            self.found = [self._total()]

    def _total(self) -> Any:
        return functools.reduce(operator.add, (x.tocsr() for x in self.found))

    def matrix(self) -> Any:
        n = self.sets.columns
        total = self._total() if self.found else sp.csr_array((n, n), dtype=bool)
        return sp.csr_array(total + total.T)


def stacked(sets: Sets, parts: Iterable[tuple[Any, int]]) -> Any:
    """All of these below each other."""
    return sp.vstack([sets.table(found, points) for found, points in parts], format="csr")

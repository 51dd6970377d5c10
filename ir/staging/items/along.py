"""Lists of the program that somebody goes through: Python's iterator takes what a list holds when its turn comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...core import errors
from ...core.sites import user_site
from ...values.values import Traced
from ..growing import growing


class Moved(errors.UnsupportedOperationError):
    """A list becomes longer or shorter under traced control flow while it is gone through. A loop over it that is `followed` looks for its
    length before each element: `source` is what it goes through, if that is known."""

    def __init__(self, x: Any, source: Any = None) -> None:
        kind, why = ("deque", ", where Python raises RuntimeError") if hasattr(type(x), "__lantern_queue__") else ("list", "")
        super().__init__(
            f"a {kind} becomes longer or shorter under traced control flow while it is gone through at {user_site()}{why}: go through a copy of it, "
            "list(x), or write while i < len(x)"
        )
        self.source = source


def length(x: Any) -> Any:
    """How many items a list has now: a number of the program's where that decides."""
    g = growing(x)
    return list.__len__(x) if g is None else g.n if g.known is None else g.known


def is_as_long(x: Any, began: Any) -> bool:
    """Is it known that a list is as long as it was?"""
    now = length(x)
    if isinstance(now, Traced) and isinstance(began, Traced):
        return now.atom is began.atom
    return not isinstance(now, Traced) and not isinstance(began, Traced) and now == began


def along(x: Any) -> Iterator[Any]:
    """iter(x)"""
    began, i = length(x), 0
    number = growing(x).number() if isinstance(began, Traced) else None  # type: ignore[union-attr]
    while True:
        g = growing(x)
        n = number if number is not None and is_as_long(x, began) else length(x)
        if isinstance(n, Traced):
            raise Moved(x)
        if i >= n:
            return
        yield list.__getitem__(x, i) if g is None else g.item(i, checked=False)
        i += 1


class Backwards:
    """reversed(x), of a list of known length"""

    def __init__(self, x: Any) -> None:
        self.x, self.i = x, length(x)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        g, n, self.i = growing(self.x), length(self.x), self.i - 1
        if isinstance(n, Traced):
            raise Moved(self.x)
        if not 0 <= self.i < n:
            self.i = 0
            raise StopIteration
        return list.__getitem__(self.x, self.i) if g is None else g.item(self.i, checked=False)

"""What an object shows of itself: the documented names."""

from __future__ import annotations

from collections.abc import Iterable


class Public:
    """An object whose `dir` has the names in `_public` alone, and Python's own. What else it has is for the library."""

    __slots__ = ()
    _public: tuple[str, ...] = ()

    def __dir__(self) -> Iterable[str]:
        return sorted({n for n in super().__dir__() if n.startswith("__")} | set(self._public))

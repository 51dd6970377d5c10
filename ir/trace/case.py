"""What is particular about the arrays that a function is called with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """What is particular about the arrays of a call: some cannot be written, and some are parts of one array. The program for it
    has for each group that array in the place of the group's first leaf, and for each of its leaves two more arguments, the
    start and the size of its part along `axis`."""

    read_only: tuple[int, ...] = ()
    groups: tuple[tuple[int, tuple[int, ...]], ...] = ()  # (axis, leaves)

    @property
    def numbers(self) -> int:
        """How many arguments come after the leaves."""
        return 2 * sum(len(leaves) for _, leaves in self.groups)

    def names(self, names: Sequence[str]) -> list[str]:
        """Names for those."""
        return [f"{what} of {names[i] if i < len(names) else i}" for _, leaves in self.groups for i in leaves for what in ("start", "size")]


USUAL = Case()

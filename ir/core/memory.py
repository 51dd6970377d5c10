"""Types of memory: what stands at an address."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .types import Scalar, Type


@dataclass(frozen=True)
class Struct:
    """Fields by name, each a scalar, an array (its address and sizes) or a Struct."""

    name: str
    fields: tuple[tuple[str, Any], ...]

    def __str__(self) -> str:
        return self.name

    @property
    def is_pair(self) -> bool:
        """A value and its adjoint, which has no name of its own."""
        return self.name.endswith("'")

    @functools.cached_property
    def numbers(self) -> dict[str, int]:
        return {n: i for i, (n, _) in enumerate(self.fields)}

    def at(self, path: Sequence[str]) -> Any:
        """The type of a field."""
        t: Any = self
        for name in path:
            t = t.fields[t.numbers[name]][1]
        return t

    def __hash__(self) -> int:
        return hash(self.name)


@functools.cache
def pair(t: Type) -> Struct:
    """A value and its adjoint."""
    assert isinstance(t, Scalar)
    return Struct(f"{t}'", (("v", t), ("d", t)))

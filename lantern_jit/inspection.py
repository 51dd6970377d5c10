"""`f.inspect(*args)`: what the compiler has made of a function."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Memory:
    """Bytes that one call has touched, in whole pages: of its native stack, and of arrays in it. Results are not counted."""

    stack: int
    arrays: int


@dataclass
class Inspection:
    """Each stage of one specialisation as text. `after(NAME)` traces it once more, and gives the graph as that pass leaves it;
    `timings` are seconds by stage and pass (`simplify` with the passes in it); `memory` runs it once more, and measures."""

    graph: str
    cps: str
    llvm: str
    llvm_optimized: str
    asm: str
    policies: dict[str, str]
    timings: dict[str, float]
    after: Callable[[str], str]
    measure: Callable[[], Memory]

    @functools.cached_property
    def memory(self) -> Memory:
        """The peak memory of one call. Other threads should rest meanwhile."""
        return self.measure()

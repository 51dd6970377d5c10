"""`f.inspect(*args)`: what the compiler has made of a function."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .ir.core.errors import CompilationError


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
    texts: Mapping[str, str]  # the stages after it
    policies: dict[str, str]
    timings: dict[str, float]
    after: Callable[[str], str]
    measure: Callable[[], Memory]

    def text(self, stage: str) -> str:
        """A stage after the graph. CompilationError if what runs the function makes none of that name."""
        if stage not in self.texts:
            raise CompilationError(f"there is no stage {stage!r} here, where there are {', '.join(['graph', *self.texts])}")
        return self.texts[stage]

    cps = property(lambda self: self.text("cps"), doc="Each function as closures.")
    llvm = property(lambda self: self.text("llvm"), doc="LLVM text as it is emitted.")
    llvm_optimized = property(lambda self: self.text("llvm_optimized"), doc="LLVM text after its passes.")
    asm = property(lambda self: self.text("asm"), doc="Assembly.")

    @functools.cached_property
    def memory(self) -> Memory:
        """The peak memory of one call. Other threads should rest meanwhile."""
        return self.measure()

"""What `jit(f).inspect(*args)` and `jit(f).explain(*args)` give."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..ir.core import errors
from ..ir.core.graph import Site
from .public import Public


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes that one call has touched, in whole pages: of its native stack, and of arrays in it. Results are not counted."""

    stack: int
    arrays: int


@dataclasses.dataclass(repr=False)
class Inspection(Public):
    """Each stage of one specialisation as text: `graph`, and those that `text(STAGE)` gives. `after(NAME)` traces it once more, and gives the graph as that pass leaves it;
    `parallel` says of each kernel, with several threads, which axis is shared
    among them, or why none is; `timings` are seconds by stage and pass (`simplify` with the passes in it); `memory` runs it once more, and measures.
    `policies` say how differentiated loops keep their values. `save(FILE)` writes all of it as one page of HTML, which a notebook shows by itself."""

    _public = (
        "after",
        "asm",
        "cps",
        "graph",
        "html",
        "llvm",
        "llvm_optimized",
        "lowered",
        "memory",
        "parallel",
        "policies",
        "save",
        "text",
        "timings",
    )

    graph: str
    texts: Mapping[str, str]  # the stages after it
    policies: dict[str, str]
    parallel: dict[str, str]
    timings: dict[str, float]
    after: Callable[[str], str]
    measure: Callable[[], Memory]
    name: str = ""
    specialisation: Any = None

    def __repr__(self) -> str:
        return f"<stages of `{self.name}`: {', '.join(['graph', *self.texts])}; .save('page.html') shows them side by side>"

    def text(self, stage: str) -> str:
        """A stage after the graph. CompilationError if what runs the function makes none of that name."""
        if stage not in self.texts:
            raise errors.CompilationError(f"there is no stage {stage!r} here, where there are {', '.join(['graph', *self.texts])}")
        return self.texts[stage]

    cps = property(lambda self: self.text("cps"), doc="Each function as closures.")
    lowered = property(lambda self: self.text("lowered"), doc="All functions with reverse mode as functions that run forward.")
    llvm = property(lambda self: self.text("llvm"), doc="LLVM text as it is emitted.")
    llvm_optimized = property(lambda self: self.text("llvm_optimized"), doc="LLVM text after its passes.")
    asm = property(lambda self: self.text("asm"), doc="Assembly.")

    @functools.cached_property
    def memory(self) -> Memory:
        """The peak memory of one call. Other threads should rest meanwhile."""
        return self.measure()

    @functools.cached_property
    def html(self) -> str:
        """One page: source, graph, closures, LLVM and assembly side by side; loops, kernels, and the calls and returns of a gradient.
        Pointing at a line lights what it came from and what became of it. The function is traced and compiled once more for it."""
        from .page import page

        return page(self.name, self.specialisation, self.policies, self.timings)

    def save(self, file: str | Path) -> Path:
        """Write that page into a file, which needs no network."""
        path = Path(file)
        path.write_text(self.html, encoding="utf-8")
        return path

    def _repr_html_(self) -> str:
        from .page import frame

        return frame(self.html)


@dataclasses.dataclass(frozen=True)
class Finding:
    """`kind` is a word for programs, `site` the place, `text` what is so, `remedy` what to do about it."""

    kind: str
    site: Site | None
    text: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.site}: " if self.site is not None and self.site.filename else ""
        return f"{where}{self.text}. {self.remedy}."


class Explanation(Sequence[Finding]):
    """Findings about the function `name`, those that cost most first. Prints as a text, which begins with `head`."""

    def __init__(self, name: str, findings: Sequence[Finding], head: str) -> None:
        self.name, self._findings, self.head = name, tuple(findings), head

    def __getitem__(self, i: Any) -> Any:
        return self._findings[i]

    def __len__(self) -> int:
        return len(self._findings)

    def __repr__(self) -> str:
        return f"<explanation of `{self.name}`: {len(self)} finding{'s' * (len(self) != 1)}; print it>"

    def __str__(self) -> str:
        found = [f"{i}. {x}" for i, x in enumerate(self._findings, 1)] or ["Nothing to change has been found."]
        return "\n".join([self.head, *found])

"""What a pass is: a named change of the graph, made in place, that says whether it did anything.

    Local    changes one function, and looks at no other
    Whole    changes a program
    Repeat   local passes one after another, and again, until none of them changes the function
    Then     more passes, where the first one has changed something

A `Watch` stands around each of them: the pipeline measures, verifies and prints there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Union

from ..core.graph import Function, Program

Watch = Callable[[str, Callable[[], bool]], bool]
MOST_ROUNDS = 20


def unwatched(name: str, change: Callable[[], bool]) -> bool:
    return change()


@dataclass(frozen=True)
class Local:
    name: str
    change: Callable[[Function], bool]

    def run(self, program: Program, watch: Watch = unwatched) -> bool:
        return watch(self.name, lambda: bool(self.changed(program.functions.values())))

    def changed(self, functions: Iterable[Function]) -> list[Function]:
        """Change these functions; those that it did anything to."""
        return [f for f in functions if self.change(f)]

    def parts(self) -> Iterator[Named]:
        yield self


@dataclass(frozen=True)
class Whole:
    name: str
    change: Callable[[Program], bool]

    def run(self, program: Program, watch: Watch = unwatched) -> bool:
        return watch(self.name, lambda: self.change(program))

    def parts(self) -> Iterator[Named]:
        yield self


@dataclass(frozen=True)
class Repeat:
    """`last` are done once, at the end."""

    name: str
    passes: tuple[Local, ...]
    last: tuple[Local, ...] = ()

    def run(self, program: Program, watch: Watch = unwatched) -> bool:
        return watch(self.name, lambda: self.on(program.functions.values(), watch))

    def on(self, functions: Iterable[Function], watch: Watch = unwatched) -> bool:
        whole = list(functions)
        left, anything = whole, False
        for _ in range(MOST_ROUNDS):
            changed: set[Function] = set()
            for one in self.passes:
                watch(one.name, lambda one=one, left=left: _noted(one.changed(left), changed))  # type: ignore[misc]  # noqa: B023
            left = [f for f in left if f in changed]
            if not left:
                break
            anything = True
        for one in self.last:
            anything |= watch(one.name, lambda one=one: bool(one.changed(whole)))  # type: ignore[misc]
        return anything

    def parts(self) -> Iterator[Named]:
        """Itself, and the passes in it."""
        yield self
        yield from (*self.passes, *self.last)


def _noted(found: list[Function], changed: set[Function]) -> bool:
    changed.update(found)
    return bool(found)


@dataclass(frozen=True)
class Then:
    first: Whole
    rest: tuple[Step, ...]

    def run(self, program: Program, watch: Watch = unwatched) -> bool:
        if not self.first.run(program, watch):
            return False
        for step in self.rest:
            step.run(program, watch)
        return True

    def parts(self) -> Iterator[Named]:
        yield self.first
        yield from (part for step in self.rest for part in step.parts())


Named = Union[Local, Whole, Repeat]
Step = Union[Named, Then]

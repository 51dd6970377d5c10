"""Generators whose elements are made all at once, where Python makes each of them when it is taken: what they see may not be written meanwhile."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator, Sequence
from typing import Any

from ...core.builder import Builder, Mark, current_builder, current_trace
from ...core.graph import Call, Let, Var
from ...core.op import TABLE, arrays, written
from ...core.sites import unsupported
from ...core.types import Array
from ...objects.heap import identical
from ...objects.held import CONTAINERS, attribute_of, held_by
from ...objects.structure import is_object
from ...staging.items.region import added
from ...values import pytree
from ...values.values import Arrayed
from ...values.views import base_of


class Seen:
    """Objects and arrays that something can come to from `roots`, and how they are now."""

    def __init__(self, roots: Sequence[Any]) -> None:
        trace = current_trace()
        assert trace is not None
        self.heap, self.builder = trace.heap, current_builder()
        self.state, self.mark = trace.heap.save(), self.builder.mark()
        self.objects: dict[int, Any] = {}
        self.memory: set[Any] = set()
        self.variables: list[tuple[types.CellType, Any]] = []  # of enclosing functions, with their values
        work = list(roots)
        while work:
            work += self._within(work.pop())

    def _within(self, x: Any) -> list[Any]:
        if id(x) in self.objects:
            return []
        self.objects[id(x)] = x
        if isinstance(x, Arrayed):
            self.memory.add(_root(self.builder, base_of(x).memory))
            return []
        if isinstance(x, types.FunctionType):
            return [*(x.__closure__ or ()), *(x.__defaults__ or ()), *(x.__kwdefaults__ or {}).values()]
        if isinstance(x, types.CellType):
            self.variables.append((x, attribute_of(x, "")))
            return [self.variables[-1][1]]
        if isinstance(x, types.MethodType):
            return [x.__self__, x.__func__]
        if isinstance(x, functools.partial):
            return [x.func, *x.args, *x.keywords.values()]
        if (among := getattr(type(x), "__lantern_among__", None)) is not None:
            return list(among(x))
        if isinstance(x, (tuple, *CONTAINERS)) or hasattr(type(x), "__lantern_queue__"):
            return list(x) if isinstance(x, tuple) else held_by(x)
        if pytree.is_node(type(x)):
            return list(pytree.one_level(x)[0])
        return held_by(x) if is_object(x) else []

    def changed(self) -> bool:
        """Has any of it been written since?"""
        if any(attribute_of(cell, "") is not value for cell, value in self.variables):
            return True
        now = self.heap.save()
        for at, _ in self.heap.older(self.state.clock):
            if at[0] in self.objects and not identical(self.heap.of(self.state, at), self.heap.of(now, at)):
                return True
        if current_builder() is not self.builder:
            return bool(self.memory)
        return any(v in self.memory or v is None for v in written_since(self.builder, self.mark)) if self.memory else False


def written_since(builder: Builder, mark: Mark) -> Iterator[Any]:
    """The memory that has been written since: the variables that it was made with; None where that is not known."""
    lets = added(builder, mark)
    params = {p for b in builder.blocks[mark.blocks :] for p in b.params}
    new = {o for let in lets for o in let.outs}
    blocks = [*builder.blocks[mark.blocks :], *([mark.block] if mark.block is not None else ())]
    passed = [a for b in blocks if isinstance(b.terminator, Call) for a in b.terminator.args if isinstance(a.type, Array)]
    for v in [*(v for let in lets for v in _may_write(let)), *passed]:
        root = _root(builder, v)
        if root not in new:
            yield None if root in params else root


def _may_write(let: Let) -> list[Any]:
    return arrays(let) if TABLE[let.op].calls else written(let)


def _root(builder: Builder, v: Any) -> Any:
    """What memory was made with, of which it is a part."""
    while isinstance(v, Var) and (let := builder.made.get(v)) is not None:
        of = next((arg for out, arg in TABLE[let.op].aliases if let.outs[out] is v), None)
        if of is None:
            break
        v = let.args[of]
    return v


def has_effects(builder: Builder, mark: Mark) -> bool:
    """Does what has been added since write to memory that was there, draw, or call Python?"""
    return any(TABLE[let.op].effect for let in added(builder, mark)) or any(True for _ in written_since(builder, mark))


def while_unchanged(elements: Sequence[Any], seen: Seen, what: str) -> Iterator[Any]:
    """The elements, of which each but the first is taken while nothing is another one than when all were made."""
    for i, x in enumerate(elements):
        if i and seen.changed():
            unsupported(
                f"an element of {what} after something has been written that it may read",
                "make a list of it first, or go through it by a `for` statement",
            )
        yield x

"""Sizes that are known when the program is compiled: through jumps, calls and returns, where all ways bring the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Union

from ...core.analysis import named
from ...core.graph import Atom, Call, Const, Function, Let, Program, Return, Var, edges, passed
from ...core.kernel import Access, Kernel, kernel_of
from ...core.machine import number
from ...core.op import PLAIN, TABLE, Size
from ...core.types import I64, Array

Shape = tuple[int, ...]
Place = Union[Var, tuple[str, int]]  # a variable, or a result of a function
NEVER = object()  # it is not the same each time


class Known:
    """Integers that are the same number each time, and arrays that have the same sizes. A parameter is what all edges and calls give;
    so each is taken for what the first one gives until another gives something else."""

    def __init__(self, program: Program, functions: Sequence[Function]) -> None:
        self.program = program
        self.found: dict[Place, Any] = {}  # what is not there is open still
        self.lets = [let for f in functions for b in f.blocks.values() for let in b.lets if _matters(let)]
        self.ways = [(p, a) for f in functions for p, a in self._ways(f)]
        others = {
            name
            for f in functions
            for b in f.blocks.values()
            for let in b.lets
            if TABLE[let.op].calls and not _passes(let)
            for name in named(let)
        }
        for name in (program.entry, *others):  # who calls them gives what it likes
            for p in program.functions[name].params:
                self._learn(p, NEVER)
        while self._round():
            pass

    def shape(self, v: Atom) -> Shape | None:
        """The sizes of an array."""
        found = self._of(v)
        return found if isinstance(found, tuple) else None

    def result(self, function: str, i: int) -> Shape | None:
        """The sizes of what a function returns."""
        found = self.found.get((function, i))
        return found if isinstance(found, tuple) else None

    def integer(self, a: Atom) -> int | None:
        found = self._of(a)
        return found if isinstance(found, int) else None

    def kernel(self, let: Let) -> Kernel:
        """A kernel, with numbers where they are known."""

        def constant(a: Atom) -> Atom:
            n = self.integer(a)
            return a if n is None else Const(n, I64)

        def access(x: Any) -> Any:
            return replace(x, starts=tuple(map(constant, x.starts)), steps=tuple(map(constant, x.steps))) if isinstance(x, Access) else x

        k = kernel_of(let)
        results = [replace(r, into=access(r.into), start=access(r.start)) for r in k.results]
        return replace(k, sizes=list(map(constant, k.sizes)), inputs=list(map(access, k.inputs)), results=results)

    def _of(self, a: Any) -> Any:
        if isinstance(a, Const):
            return int(a.value) if a.type == I64 else NEVER
        if isinstance(a, Var) and isinstance(a.type, Array) and all(isinstance(d, int) for d in a.type.dims):
            return a.type.dims
        return self.found.get(a)

    def _learn(self, place: Any, what: Any) -> bool:
        """Is that something new?"""
        old = self.found.get(place)
        if what is None or old is NEVER or old == what:
            return False
        self.found[place] = what if old is None else NEVER
        return True

    # ---- from where values come
    def _ways(self, f: Function) -> Iterator[tuple[Any, Any]]:
        """Pairs of a place and what is put there."""
        for b in f.blocks.values():
            t = b.terminator
            for e in edges(t):
                yield from passed(t, e, f.blocks[e.block])
            if isinstance(t, Call):
                callee = self.program.functions[t.function]
                yield from zip(callee.params, t.args, strict=True)
                yield from ((p, (t.function, i)) for i, p in enumerate(f.blocks[t.then.block].params[: len(callee.results)]))
            elif isinstance(t, Return):
                yield from (((f.name, i), a) for i, a in enumerate(t.args))
            for let in b.lets:
                if _passes(let):
                    callee = self.program.functions[let.attrs["f"]]
                    yield from zip(callee.params, let.args, strict=False)
                    yield from ((o, (callee.name, i)) for i, o in enumerate(let.outs[: len(callee.results)]))

    def _round(self) -> bool:
        changed = False
        for place, a in self.ways:
            changed |= self._learn(place, self._of(a))
        for let in self.lets:
            for o, what in zip(let.outs, self._results(let), strict=True):
                changed |= self._learn(o, what)
        return changed

    def _results(self, let: Let) -> list[Any]:
        op = TABLE[let.op]
        if op.measures:
            shape = self._of(let.args[0])
            return [shape[let.attrs["axis"]] if isinstance(shape, tuple) else shape] * len(let.outs)
        if not op.scalar:
            called = self.program.functions[let.attrs["f"]].results if _passes(let) else ()
            return [self._shape(t) if t is not None else None if i < len(called) else NEVER for i, t in enumerate(op.shape(let))]
        values = [self._of(a) for a in let.args]
        if op.equates:
            return [values[0] if values[0] is not NEVER else values[1]]
        if NEVER in values or not op.ring:
            return [NEVER]
        return [None if None in values else int(op.body(op.machine, *(number(v, I64) for v in values)))]

    def _shape(self, rule: Any) -> Any:
        """The sizes that a shape rule says."""
        if not rule[1]:
            return NEVER
        sizes: list[Any] = []
        for n in rule[1]:
            if isinstance(n, Size):
                shape = self._of(n.array)
                sizes.append(shape[n.axis] if isinstance(shape, tuple) else shape)
            else:
                sizes.append(NEVER if n is None else self._of(n))
        return NEVER if NEVER in sizes else None if None in sizes else tuple(sizes)


def _passes(let: Let) -> bool:
    """Does it give its first arguments to a function of the program, whose results are its first ones?"""
    return TABLE[let.op].derivative or TABLE[let.op].calls == PLAIN


def _matters(let: Let) -> bool:
    """Does it give an array, or an integer?"""
    return any(isinstance(o.type, Array) or o.type == I64 for o in let.outs)

"""Which values of a loop's body, or of a function that it uses, differ between iterations that run side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ...core.analysis import Aliases, Loop
from ...core.graph import Atom, Block, Branch, Call, Function, Let, Return, Var, edges, passed
from ...core.kernel import kernel_of
from ...core.op import REVERSE, TABLE, written
from ...core.types import Array
from ...ops.effects import has_effects

Flags = Callable[[str, tuple[bool, ...]], tuple[bool, ...]]  # which results of a function differ where these arguments do


class MixedError(Exception):
    """The iterations do not go the same way, or do what cannot be done for several of them at once."""


class Varied:
    """`values` are numbers that differ, `roots` arrays (by the root of their alias class) whose elements do. An array that is `apart`
    has places of its own for each iteration."""

    def __init__(
        self,
        aliases: Aliases,
        f: Function,
        blocks: Sequence[Block],
        given: Iterable[Var],
        apart: set[Var],
        flags: Flags,
        harmless: Any = None,
    ) -> None:
        """`harmless`: loops that may go on where a lane has left them, by their heads."""
        self.aliases, self.f, self.apart, self.flags = aliases, f, apart, flags
        self.harmless: dict[str, Loop] = harmless or {}
        self.values: set[Var] = set()
        self.roots: set[Var] = set()
        for v in given:
            self.mark(v)
        known = -1
        while known < len(self.values) + len(self.roots):
            known = len(self.values) + len(self.roots)
            for b in blocks:
                for let in b.lets:
                    self.let(let)
                self.end(b)

    def has(self, a: Atom) -> bool:
        return isinstance(a, Var) and (a in self.values or (isinstance(a.type, Array) and self.aliases.root(a) in self.roots))

    def any(self, atoms: Iterable[Atom]) -> bool:
        return any(map(self.has, atoms))

    def is_apart(self, array: Atom) -> bool:
        return self.aliases.root(array) in self.apart

    def mark(self, v: Var) -> None:
        if not isinstance(v.type, Array):
            self.values.add(v)
        elif not self.is_apart(v):
            self.roots.add(self.aliases.root(v))

    def mask(self, let: Let) -> tuple[bool, ...]:
        """Which parameters of a differentiated function differ: also those that the derivative is taken for, one in each lane."""
        own = let.args[: len(let.args) - let.attrs.get("cotangents", 0)]
        return tuple(self.has(a) or i in let.attrs["wrt"] for i, a in enumerate(own))

    def let(self, let: Let) -> None:
        op = TABLE[let.op]
        if op.effect or (op.calls and has_effects(self.aliases.program, let.attrs["f"])):
            raise MixedError
        if op.measures:
            return
        if op.indexed and op.writes:
            if self.any(let.args[1:]):
                self.mark(let.args[0])  # type: ignore[arg-type]
        elif op.nest:
            self.kernel(let)
        elif self.any(let.args):
            if op.calls and op.calls != REVERSE:
                raise MixedError
            for o in (*let.outs, *written(let)):
                self.mark(o)

    def kernel(self, let: Let) -> None:
        """Where one input differs, all results do."""
        if not self.any(let.args):
            return
        for r in kernel_of(let).results:
            if r.written is not None:
                self.mark(r.written)
            elif r.out is not None:
                self.mark(r.out)

    def end(self, b: Block) -> None:
        t = b.terminator
        if isinstance(t, Branch) and self.has(t.cond):
            if b.name not in self.harmless:
                raise MixedError
            for p in b.params:  # each lane keeps what it has left the loop with
                self.mark(p)
        if isinstance(t, Call) and has_effects(self.aliases.program, t.function):
            raise MixedError
        if isinstance(t, Call) and self.any(t.args):
            results = self.flags(t.function, tuple(map(self.has, t.args)))
            for p, differs in zip(self.f.blocks[t.then.block].params, results, strict=False):
                if differs:
                    self.mark(p)
        for e in edges(t):
            for p, a in passed(t, e, self.f.blocks[e.block]):
                if self.has(a):
                    self.mark(p)

    def waits(self, head: str) -> bool:
        """Is it a loop that a lane may leave before others?"""
        t = self.f.blocks[head].terminator
        return head in self.harmless and isinstance(t, Branch) and self.has(t.cond)

    def results(self) -> tuple[bool, ...]:
        """Which results of the function differ."""
        ends = [b.terminator.args for b in self.f.blocks.values() if isinstance(b.terminator, Return)]
        return tuple(self.any(column) for column in zip(*ends, strict=True))

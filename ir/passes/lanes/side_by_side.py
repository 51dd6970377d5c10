"""Loops whose iterations do not depend on each other, side by side."""

from __future__ import annotations

from typing import Any

from ...core.analysis import Aliases, Loop
from ...core.graph import Atom, Block, Branch, Const, Edge, Function, Jump, Let, Program, Var, defined_vars, edges, terminator_atoms
from ...core.kernel import Access, kernel_of
from ...core.op import TABLE, written
from ...core.types import I64, SIDE, Array
from ...ops.table import iadd, ilt, imax, imul, ishr, isub
from ..simplify.bounds import Facts, counted, preheader
from .varied import MixedError, Varied
from .widen import Clones, Widen, order

SHIFT = SIDE.bit_length() - 1


def side_by_side(program: Program) -> bool:
    """A counted loop around loops, or around a reverse pass, whose iterations go one way, and touch in arrays from outside of it only places of their
    own where they write: sixteen of them run at once, in vector registers; what is left of them runs as before."""
    changed = False
    for f in list(program.functions.values()):
        done: set[str] = set()
        while True:
            facts = Facts(f)
            name = next((n for n in facts.loops if n not in done), None)
            if name is None:
                break
            done.add(name)
            try:
                loop = Outer(program, f, facts, facts.loops[name])
            except MixedError:
                continue
            done.update(loop.put())
            changed = True
    return changed


class Outer:
    """One loop: what it carries, what it writes, and its body for all lanes."""

    def __init__(self, program: Program, f: Function, facts: Facts, loop: Loop) -> None:
        self.program, self.f, self.facts, self.loop = program, f, facts, loop
        found, self.head = counted(f, loop, facts), f.blocks[loop.head]
        outside = [n for n in facts.pred[loop.head] if n not in loop.blocks]
        if found is None or len(self.head.params) != 1 or len(self.head.lets) != 1 or len(outside) != 1 or not self.pays():
            raise MixedError
        (self.counter, self.limit), self.outside = found, outside[0]
        (self.first,) = facts.incoming(self.counter)[0]
        self.blocks = [f.blocks[n] for n in order(f) if n in loop.blocks and n != loop.head]
        self.aliases = Aliases(program)
        self.clones = Clones(program, self.aliases)
        self.varied = Varied(self.aliases, f, self.blocks, [self.counter], self.apart(), self.clones.flags)
        if self.shared & self.varied.roots:
            raise MixedError
        self.made = self.widen()

    def pays(self) -> bool:
        """Is there a loop in it, or a derivative of one?"""
        inner = any(n in self.loop.blocks for n in self.facts.loops if n != self.loop.head)
        lets = [let for n in self.loop.blocks for let in self.f.blocks[n].lets]
        return inner or any(TABLE[let.op].derivative for let in lets)

    # ---- arrays from outside
    def apart(self) -> set[Var]:
        """Those that are written: each iteration has places of its own, by its number."""
        inside = {v for b in self.blocks for v in defined_vars(b)}
        used = [a for b in self.blocks for let in b.lets for a in let.args] + [
            a for b in self.blocks for a in terminator_atoms(b.terminator)
        ]
        self.shared = {self.aliases.root(a) for a in used if isinstance(a, Var) and isinstance(a.type, Array) and a not in inside}
        writes = {self.aliases.root(v) for b in self.blocks for let in b.lets for v in written(let)} & self.shared
        axes: dict[Var, set[int]] = {}
        for b in self.blocks:
            if any(isinstance(a.type, Array) and self.aliases.root(a) in writes for a in terminator_atoms(b.terminator)):
                raise MixedError
            for let in b.lets:
                for root, found in self.places(let, writes):
                    axes[root] = axes.get(root, found) & found
        if not all(axes.get(r) for r in writes):
            raise MixedError
        return writes

    def places(self, let: Let, writes: set[Var]) -> list[tuple[Var, set[int]]]:
        """For each access to such an array the axes along which it is at the number of the iteration."""
        op = TABLE[let.op]
        if op.measures:
            return []
        if op.indexed:
            root = self.aliases.root(let.args[0])
            return [(root, {k for k, a in enumerate(let.args[1:]) if a is self.counter})] if root in writes else []
        found = []
        if op.nest:
            k = kernel_of(let)
            for x in (*k.inputs, *(r.into for r in k.results), *(r.start for r in k.results)):
                if isinstance(x, Access) and self.aliases.root(x.base) in writes:
                    found.append((self.aliases.root(x.base), {j for j, a in enumerate(x.starts) if a is self.counter and x.axes[j] < 0}))
        names = [a for a in let.args if isinstance(a, Var) and isinstance(a.type, Array) and self.aliases.root(a) in writes]
        return found if len(found) == len(names) else [(self.aliases.root(a), set()) for a in names]

    # ---- the body
    def widen(self) -> dict[str, Block]:
        names = {v.name for b in self.f.blocks.values() for v in defined_vars(b)} | {p.name for p in self.f.params}
        copy = Widen(self.clones, self.varied, names, {})
        self.copy = copy
        taken = set(self.f.blocks)

        def label(name: str) -> str:
            n = 1
            while (new := f"{name}.side{n}") in taken:
                n += 1
            taken.add(new)
            return new

        renamed = {n: label(n) for n in self.loop.blocks}
        made = {renamed[b.name]: Block(renamed[b.name]) for b in self.blocks}
        self.turn = copy.var(self.counter.name, I64)
        self.more, self.next = copy.var("more", self.head.lets[0].out.type), copy.var("next", I64)
        start = Block(label("start"))
        copy.lets = start.lets
        base = copy.emit(imul.name, [self.turn, Const(SIDE, I64)], I64)
        here = copy.emit(iadd.name, [self.first, base], I64)
        copy.env[self.counter] = tuple(copy.emit(iadd.name, [here, Const(i, I64)], I64) if i else here for i in range(SIDE))
        for b in self.blocks:
            made[renamed[b.name]].params = [copy.copy_of(p) for p in b.params]
        t = self.head.terminator
        assert isinstance(t, Branch)
        start.terminator = Jump(copy.edge(t, t.then, renamed, self.f))
        latch = Block(label("latch"), [], [Let((self.next,), iadd.name, (self.turn, Const(1, I64)))])
        self.label, self.after = renamed[self.loop.head], label("after")
        latch.terminator = Jump(Edge(self.label, (self.next,)))
        for b in self.blocks:
            self.fill(copy, b, made[renamed[b.name]], {**renamed, self.loop.head: latch.name})
        self.start = start
        return {start.name: start, **made, latch.name: latch}

    def fill(self, copy: Widen, old: Block, new: Block, renamed: dict[str, str]) -> None:
        """A block; the edges back to the head bring nothing."""
        t = old.terminator
        back = [e for e in _edges(t) if e.block == self.loop.head]
        if not back:
            copy.block(old, new, renamed, self.f)
            return
        if not isinstance(t, Jump):
            raise MixedError
        copy.lets = new.lets
        for let in old.lets:
            copy.let(let)
        new.terminator = Jump(Edge(renamed[self.loop.head]))

    def put(self) -> list[str]:
        """Put the new loop before the old one, which does what is left; the names of all loops that are done with."""
        f, block = self.f, preheader(self.f, self.f.blocks[self.outside], self.loop.head)
        copy = self.copy
        copy.lets = block.lets
        span = copy.emit(isub.name, [self.limit, self.first], I64)
        turns = copy.emit(ishr.name, [copy.emit(imax.name, [span, Const(0, I64)], I64), Const(SHIFT, I64)], I64)
        rest: Atom = copy.emit(iadd.name, [self.first, copy.emit(imul.name, [turns, Const(SIDE, I64)], I64)], I64)
        block.terminator = Jump(Edge(self.label, (Const(0, I64),)))
        head = Block(self.label, [self.turn], [Let((self.more,), ilt.name, (self.turn, turns))])
        head.terminator = Branch(self.more, Edge(self.start.name), Edge(self.after))
        new = {head.name: head, **self.made, self.after: Block(self.after, [], [], Jump(Edge(self.loop.head, (rest,))))}
        f.blocks.update(new)
        self.program.functions.update(self.clones.made)
        return [*self.loop.blocks, *new]


def _edges(t: Any) -> list[Edge]:
    return edges(t)

"""The body of a loop without branches: what one of two ways gives is chosen, and both are computed."""

from __future__ import annotations

from ...core.graph import Atom, Block, Branch, Edge, Function, Jump, Let, Var, same_atom
from ...core.op import TABLE, can_fail, written
from ...core.types import Array
from ...ops.table import select
from ..simplify.bounds import Facts


class BranchesError(Exception):
    """They do something that cannot be done on the way not taken."""


class Straight:
    """The operations of one iteration of the loop at `head`, in a line, and what it passes back to the head."""

    def __init__(self, f: Function, head: str, start: Edge, facts: Facts) -> None:
        self.f, self.head, self.facts = f, head, facts
        self.lets: list[Let] = []
        self.blocks = {head}
        self.known: dict[Var, Atom] = {}
        self.back = self.run(start)

    def run(self, edge: Edge) -> tuple[Atom, ...]:
        while edge.block != self.head:
            block = self.block(edge)
            t = block.terminator
            if isinstance(t, Jump):
                edge = t.edge
            elif isinstance(t, Branch):
                edge = self.joined(t, block.name)
            else:
                raise BranchesError
        return tuple(map(self.look, edge.args))

    def look(self, a: Atom) -> Atom:
        return self.known.get(a, a) if isinstance(a, Var) else a

    def block(self, edge: Edge) -> Block:
        block = self.f.blocks[edge.block]
        if block.name in self.blocks:
            raise BranchesError  # a loop
        self.blocks.add(block.name)
        self.known.update(zip(block.params, map(self.look, edge.args), strict=True))
        for let in block.lets:
            self.lets.append(Let(let.outs, let.op, tuple(map(self.look, let.args)), let.attrs, let.site))
        return block

    def joined(self, t: Branch, name: str) -> Edge:
        """Where both ways of a branch meet, with what is chosen of what they bring."""
        ends = [self.end(e) for e in (t.then, t.orelse)]
        meeting = [n for n in (t.then.block, ends[0]) if n in (t.orelse.block, ends[1])]
        if not meeting or meeting[0] is None:
            raise BranchesError
        join = meeting[0]
        condition = self.look(t.cond)
        brought = [self.way(e, join) for e in (t.then, t.orelse)]
        args = []
        for i, (a, b) in enumerate(zip(*brought, strict=True)):
            if not same_atom(a, b):
                if isinstance(a.type, Array):
                    raise BranchesError
                out = Var(f"{name}.way{i}", a.type)
                self.lets.append(Let((out,), select.name, (condition, a, b), {"where": True}))
                a = out
            args.append(a)
        return Edge(join, tuple(args))

    def end(self, e: Edge) -> str | None:
        """The block that an arm of its own leads to."""
        t = self.f.blocks[e.block].terminator
        return t.edge.block if isinstance(t, Jump) and len(self.facts.pred[e.block]) == 1 and e.block != self.head else None

    def way(self, e: Edge, join: str) -> tuple[Atom, ...]:
        if e.block == join:
            return tuple(map(self.look, e.args))
        block = self.block(e)
        assert isinstance(block.terminator, Jump)
        if not all(self.is_harmless(let, e.block) for let in block.lets):
            raise BranchesError
        return tuple(map(self.look, block.terminator.edge.args))

    def is_harmless(self, let: Let, block: str) -> bool:
        """May it run where it is not asked to? An element may not be there then, if it is not the counters alone that say so."""
        op = TABLE[let.op]
        if op.cost == "heavy" or written(let) or can_fail(let):
            return False
        if op.indexed:
            return all(self.facts.is_inside(i, self.facts.sizes.dim(let.args[0], axis), block) for axis, i in enumerate(let.args[1:]))
        return op.scalar

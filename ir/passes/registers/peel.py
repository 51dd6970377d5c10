"""The first iteration apart, where a loop begins with an array whose size nobody knows and goes on with small ones.

loop(%p: f64[k]):  .. %y: f64[3] = ..; jump loop(%y)      ->      one iteration, then a loop whose %p has three elements
"""

from __future__ import annotations

import math
from typing import Any

from ...core.analysis import Aliases, Loop, find_loops
from ...core.graph import (
    Atom,
    Block,
    Branch,
    Edge,
    Function,
    Jump,
    Let,
    Program,
    Terminator,
    Var,
    defined_vars,
    edges,
    map_terminator,
    substitute,
    used_vars,
)
from ...core.types import Array, Type

LONGEST = 200  # operations of a loop


def peel(program: Program, most: int) -> bool:
    """Do so with all loops that are left at their heads alone, and do not write to the array."""
    changed = False
    aliases: Aliases | None = None
    for f in program.functions.values():
        for head in find_loops(f):
            loop = find_loops(f)[head]
            starts = _begin_otherwise(f, loop, most)
            if starts:
                aliases = aliases or Aliases(program)
                if not any(map(aliases.is_written, starts)):
                    _Peel(f, loop).run()
                    changed = True
    return changed


def _begin_otherwise(f: Function, loop: Loop, most: int) -> list[Var]:
    """The parameters of its head that do so."""
    head = f.blocks[loop.head]
    t = head.terminator
    leaving = [e for name in loop.blocks for e in edges(f.blocks[name].terminator) if e.block not in loop.blocks]
    if not isinstance(t, Branch) or len(leaving) != 1 or leaving[0] not in (t.then, t.orelse):
        return []
    if sum(len(f.blocks[name].lets) for name in loop.blocks) > LONGEST:
        return []
    found = []
    for i, p in enumerate(head.params):
        if isinstance(p.type, Array) and not _is_known(p.type, most):
            given = [(name in loop.blocks, e.args[i]) for name, b in f.blocks.items() for e in edges(b.terminator) if e.block == head.name]
            if all(_is_known(a.type, most) == inside for inside, a in given):
                found.append(p)
    return found


def _is_known(t: Type, most: int) -> bool:
    """A few elements, as its type says?"""
    return isinstance(t, Array) and all(isinstance(d, int) for d in t.dims) and 0 < math.prod(t.dims) <= most  # type: ignore[arg-type]


class _Peel:
    def __init__(self, f: Function, loop: Loop) -> None:
        self.f, self.loop = f, loop
        self.names = {v.name for v in (*f.params, *(v for b in f.blocks.values() for v in defined_vars(b)))}
        self.blocks = {name: self.block_name(f"{name}.first") for name in loop.blocks}
        self.copies: dict[Any, Var] = {}

    def run(self) -> None:
        f, loop = self.f, self.loop
        inside = [v for name in loop.blocks for v in defined_vars(f.blocks[name])]
        self.copies = {v: self.fresh(v, "first") for v in inside}
        outside = [b for name, b in f.blocks.items() if name not in loop.blocks]
        out = self.leave(outside, set(inside))
        for b in outside:
            for e in edges(b.terminator):
                if e.block == loop.head:
                    e.block = self.blocks[loop.head]
        first = [self.copy(f.blocks[name]) for name in loop.blocks]
        f.blocks.update({b.name: b for b in [*first, out]})

    def leave(self, outside: list[Block], inside: set[Var]) -> Block:
        """The block that both ways out of the loop lead to: what is used behind it are its parameters."""
        head = self.f.blocks[self.loop.head]
        edge = next(e for e in edges(head.terminator) if e.block not in self.loop.blocks)
        live = dict.fromkeys(v for v in (*edge.args, *(v for b in outside for v in used_vars(b))) if v in inside)
        new = {v: self.fresh(v, "last") for v in live}
        substitute(outside, dict(new))
        block = Block(
            self.block_name(f"{edge.block}.last"),
            list(new.values()),
            [],
            Jump(Edge(edge.block, tuple(new.get(a, a) for a in edge.args))),  # type: ignore[arg-type]
        )
        edge.block, edge.args = block.name, tuple(live)
        return block

    def copy(self, b: Block) -> Block:
        def look(a: Atom) -> Atom:
            return self.copies.get(a, a)

        lets = [
            Let(tuple(self.copies[o] for o in let.outs), let.op, tuple(map(look, let.args)), dict(let.attrs), let.site, let.contract)
            for let in b.lets
        ]
        t: Terminator | None = map_terminator(b.terminator, look)
        for e in edges(t):
            e.block = self.blocks.get(e.block, e.block) if e.block != self.loop.head else e.block
        return Block(self.blocks[b.name], [self.copies[p] for p in b.params], lets, t)

    def fresh(self, v: Var, stem: str) -> Var:
        name = f"{v.name}.{stem}"
        while name in self.names:
            name += "_"
        self.names.add(name)
        return Var(name, v.type)

    def block_name(self, name: str) -> str:
        while name in self.f.blocks:
            name += "_"
        return name


__all__ = ["peel"]

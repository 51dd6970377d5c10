"""What a loop carries from one iteration to the next, and whether all of that can be copied: may the loop be cut into pieces?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...core.analysis import Aliases, Loop, live_in
from ...core.graph import Atom, Block, Call, Const, Edge, Fail, Function, Let, Program, Var, defined_vars, edges, map_terminator, used_vars
from ...core.op import written
from ...core.types import BOOL, F64, I64, Array, Type
from ...ops import table
from ...ops.memory import DIM
from ...passes.apart import Apart
from ...passes.explicit import Fresh
from .policies import Plan, counter_of

LEAF = 4  # iterations that are not halved any more
SHORT = 16  # at the least, of pieces whose length is found
ELEMENT = 8  # bytes, about
HALVINGS = 32  # at the most
ZERO, ONE = Const(0, I64), Const(1, I64)


def writes(f: Function, aliases: Aliases) -> set[Var]:
    """The classes of the arrays that a function writes into, but for those that it makes."""
    apart = Apart(f, aliases)
    return {aliases.root(v) for b in f.blocks.values() for let in b.lets for v in written(let) if not apart.is_new(v, f.blocks)}


@dataclass(eq=False)
class State:
    """A loop, what it carries, and the arrays that it writes into."""

    program: Program
    f: Function
    loop: Loop
    aliases: Aliases
    elsewhere: set[Var | None]  # classes of arrays that other functions write into, not having made them
    plan: Plan | None  # of its replay
    exits: list[tuple[str, Edge]] = field(default_factory=list)
    fails: dict[str, None] = field(default_factory=dict)  # blocks behind exits that end in an error: they are part of the loop

    def __post_init__(self) -> None:
        f, loop = self.f, self.loop
        self.head = f.blocks[loop.head]
        self.params = list(self.head.params)
        for name in loop.blocks:
            for e in edges(f.blocks[name].terminator):
                if e.block not in loop.blocks and isinstance(f.blocks[e.block].terminator, Fail):
                    self.fails[e.block] = None
                elif e.block not in loop.blocks:
                    self.exits.append((name, e))
        blocks = [f.blocks[name] for name in (*loop.blocks, *self.fails)]
        self.inner = {v: b.name for b in blocks for v in defined_vars(b)}
        self.outer = [v for v in dict.fromkeys(v for b in blocks for v in used_vars(b)) if v not in self.inner]
        after = [v for name, b in f.blocks.items() if name not in loop.blocks and name not in self.fails for v in used_vars(b)]
        after += [a for _, e in self.exits for a in e.args if isinstance(a, Var)]
        self.left = [v for v in dict.fromkeys(after) if v in self.inner and v not in self.params]  # what the exits need
        self.counter = counter_of(f, loop) if len(loop.latches) == 1 else None
        self.apart = Apart(f, self.aliases)
        written_here = self.written_here()
        self.changed = [v for v in self.outer if self.root(v) in written_here]
        self.copied = {p for p in self.params if self.root(p) in written_here}
        self.is_counted = self.counter is not None and [name for name, _ in self.exits] == [self.head.name]
        self.turn = self.head.name if self.is_counted else f"{self.head.name}.turn"  # the head of a piece's loop

    def root(self, v: Var) -> Var | None:
        return self.aliases.root(v) if isinstance(v.type, Array) else None

    def written_here(self) -> set[Var | None]:
        """The classes of the arrays that an iteration writes into, but for those that it makes."""
        inside = self.loop.blocks.keys() - {self.head.name}
        arrays = [v for name in self.loop.blocks for let in self.f.blocks[name].lets for v in written(let)]
        for name in self.loop.blocks:
            t = self.f.blocks[name].terminator
            arrays += [a for a in t.args if self.root(a) in self.elsewhere] if isinstance(t, Call) else []  # type: ignore[arg-type]
        return {self.aliases.root(v) for v in arrays if not self.apart.is_new(v, inside)}

    # ---- may it be cut?
    def fits(self) -> bool:
        f, how = self.f, self.program.pieces
        called = any(isinstance(f.blocks[name].terminator, Call) for name, _ in self.exits)
        if called or not self.exits or any(isinstance(b.terminator, Call) for b in self.entering()):
            return False
        if self.is_short(how if isinstance(how, int) else LEAF):
            return False
        arrays = [v for v in (*self.params, *self.outer) if isinstance(v.type, Array)]
        for v in (*self.copied, *self.changed):
            if any(a is not v and not self.apart(v, a) for a in arrays):
                return False
        matters = self.elsewhere | {self.root(v) for v in self.copied} | self.written_after()
        return not any(self.root(v) in matters and self.is_seen(v) for v in (*self.params, *self.left) if isinstance(v.type, Array))

    def written_after(self) -> set[Var | None]:
        """The classes of the arrays that the function may write into when the loop has ended."""
        after: dict[str, None] = {}
        work = [e.block for _, e in self.exits]
        while work:
            name = work.pop()
            if name not in after:
                after[name] = None
                work += [e.block for e in edges(self.f.blocks[name].terminator)]
        return {
            self.aliases.root(v) for name in after if name not in self.loop.blocks for let in self.f.blocks[name].lets for v in written(let)
        }

    def is_short(self, most: int) -> bool:
        """Is it sure to be one piece?"""
        if self.counter is None or not isinstance(self.counter[1], Const):
            return False
        at = self.params.index(self.counter[0])
        starts = [e.args[at] for b in self.entering() for e in edges(b.terminator) if e.block == self.head.name]
        return all(isinstance(a, Const) and self.counter[1].value - a.value <= most for a in starts)

    def is_seen(self, v: Var) -> bool:
        """A carried array that somebody writes into: does anybody know it by another name? What goes on is a copy."""
        root = self.aliases.root(v)
        if v in self.left or any(self.root(p) is root for p in (*self.f.params, *self.changed)):
            return True
        live = live_in(self.f)
        after = {a for _, e in self.exits for a in (*e.args, *live[e.block]) if isinstance(a, Var)}
        return any(self.root(a) is root and a not in self.params for a in after)

    def entering(self) -> list[Block]:
        return [b for name, b in self.f.blocks.items() if name not in self.loop.blocks and any(e.block == self.head.name for e in edges(b.terminator))]  # fmt: skip

    # ---- its blocks elsewhere
    def failing(self, name: str, fresh: Fresh) -> Block:
        """A block of an error, which others may come to as well."""
        old = self.f.blocks[name]
        new = {v: fresh(v.name, v.type) for v in defined_vars(old)}

        def look(a: Any) -> Any:
            return new.get(a, a)

        lets = [Let(tuple(map(look, let.outs)), let.op, tuple(map(look, let.args)), let.attrs, let.site) for let in old.lets]
        return Block(name, [new[p] for p in old.params], lets, map_terminator(old.terminator, look))

    # ---- how much of it?
    def length(self, fresh: Fresh, state: list[Var], grows: Var | None, lets: list[Let]) -> tuple[Atom, Atom, Atom | None]:
        """(iterations of the next piece, those of all that are left, whether these are the last): where nobody knows how many are left,
        pieces grow, and none is the last. A loop that could be replayed stays whole where its tape is less than the copies of what it writes."""
        how = self.program.pieces

        def made(op: Any, *args: Atom, t: Type = I64, **attrs: Any) -> Var:
            out = fresh(op.name, t)
            lets.append(Let((out,), op.name, args, attrs))
            return out

        most: Atom = Const(how, I64) if isinstance(how, int) else grows or ZERO
        if self.counter is None:
            return most, most, None
        counter, limit = self.counter
        rest = made(table.imax, made(table.isub, limit, state[self.params.index(counter)]), ZERO)
        whole = rest if self.is_counted else made(table.iadd, rest, ONE)  # one that may end before finds out that it has
        count: Atom = ONE  # so many copies of what is written are made, where the tape would be of `covered` iterations
        covered: Atom = most if isinstance(how, int) else rest
        if how == "sqrt":
            root = made(table.sqrt, made(table.convert, rest, t=F64, to=F64), t=F64)
            most = count = made(table.imax, made(table.convert, root, to=I64), Const(SHORT, I64))
        elif how == "log":
            most, count = whole, Const(HALVINGS, I64)
        is_last = Const(True, BOOL) if how == "log" else made(table.ile, rest, most, t=BOOL)
        if self.plan is None:
            return most, whole, is_last
        copies: Atom = ZERO
        for x in self.changed:
            n: Atom = Const(4 * ELEMENT, I64)  # the array and its adjoint, twice for "sqrt"
            for axis in range(x.type.rank):  # type: ignore[union-attr]
                n = made(table.imul, n, made(DIM, x, axis=axis))
            copies = made(table.iadd, copies, n)
        tape = made(table.imul, covered, Const(ELEMENT * len(self.plan.fields), I64))
        small = made(table.ile, tape, made(table.imul, copies, count), t=BOOL)
        return most, whole, small if how == "log" else made(table.logical_or, is_last, small, t=BOOL)

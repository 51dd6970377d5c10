"""What a loop carries from one iteration to the next, and whether all of that can be copied: may the loop be cut into pieces?"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.analysis import Aliases, Loop, live_in
from ..core.graph import Block, Call, Const, Edge, Fail, Function, Program, Var, defined_vars, edges, used_vars
from ..core.op import written
from ..core.types import Array
from ..passes.apart import Apart
from .policies import counter_of

LEAF = 4  # iterations that are not halved any more


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
        self.turn = f"{self.head.name}.turn"

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

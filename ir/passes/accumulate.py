"""What a loop adds to an array, again and again, is added in place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..core.analysis import Aliases, Loop, find_loops
from ..core.graph import Block, Edge, Function, Jump, Let, Program, Var, defined_vars, edges, terminator_atoms
from ..core.kernel import ONE, ZERO, Access, Kernel, Result, kernel_of
from ..core.op import TABLE
from ..core.types import Array


def accumulate(program: Program, f: Function, aliases: Aliases) -> bool:
    """Put a function in its place where a loop carries a sum of arrays, which nobody but the loop knows: then backwards the adjoint of the
    sum is one array, and not one of each iteration; and the sums before the last are not kept. Only where derivatives do not
    read the sum.

    loop(%i: i64, %y: f64[n]):                                   loop(%i: i64, %y: f64[n]):
      ..                                                           ..
      %z: f64[n] = kernel(%n, %y, .., %x, ..) {..'map'..}    ->    kernel(%n, %y, .., %x, .., %y, ..) {..'into'..}
      jump loop(%j, %z)                                            jump loop(%j, %y)
    """
    loops = find_loops(f)
    if not any(isinstance(p.type, Array) for head in loops for p in f.blocks[head].params):
        return False
    new = replace(f, blocks={name: replace(b, lets=[*b.lets]) for name, b in f.blocks.items()})
    sums = _Sums(program, new, list(loops.values()), aliases)
    found = [sums.carried(loop, i) for loop in loops.values() for i in range(len(f.blocks[loop.head].params))]
    if any(found):
        program.functions[f.name] = new
    return any(found)


class _Sums:
    def __init__(self, program: Program, f: Function, loops: list[Loop], aliases: Aliases) -> None:
        self.program, self.f, self.loops = program, f, loops
        self.home = {v: b.name for b in f.blocks.values() for v in defined_vars(b)}
        self.made = {o: let for b in f.blocks.values() for let in b.lets for o in let.outs}
        self.names: dict[Var, set[Var]] = {}
        self.users: dict[Var, list[tuple[str, Let | None]]] = {}
        for v in (*f.params, *self.home):
            if isinstance(v.type, Array):
                self.names.setdefault(aliases.root(v), set()).add(v)
        for name, b in f.blocks.items():
            for let in b.lets:
                if not TABLE[let.op].measures:
                    self.use(let.args, name, let)
            self.use(terminator_atoms(b.terminator), name, None)
        self.root = aliases.root

    def use(self, atoms: Iterable[object], name: str, let: Let | None) -> None:
        for a in atoms:
            if isinstance(a, Var) and isinstance(a.type, Array):
                self.users.setdefault(a, []).append((name, let))

    def carried(self, loop: Loop, i: int) -> bool:
        """Change what the loop carries in a parameter, if that is such a sum."""
        p = self.f.blocks[loop.head].params[i]
        into = [(b, e) for b in self.f.blocks.values() for e in edges(b.terminator) if e.block == loop.head]
        inside = [(b, e) for b, e in into if b.name in loop.blocks]
        outside = [(b, e) for b, e in into if b.name not in loop.blocks]
        if not isinstance(p.type, Array) or len(inside) != 1 or len(outside) != 1:
            return False
        (latch, back), (door, start) = inside[0], outside[0]
        z, first = back.args[i], start.args[i]
        if not isinstance(z, Var) or not isinstance(first, Var) or not isinstance(latch.terminator, Jump) or z not in self.made:
            return False
        let, name = self.made[z], self.home[z]
        if {z.type, first.type} != {p.type} or not self.is_alone(p, z, first, let, loop, door):
            return False
        k = self.sum(let, p, z) if TABLE[let.op].nest and self.is_innermost(name, loop) else None
        if k is None:
            return False
        lets, new = self.f.blocks[name].lets, k.let()
        lets[lets.index(let)] = new
        self.made.update(dict.fromkeys(new.outs, new))
        self.users = {v: [(n, new if user is let else user) for n, user in users] for v, users in self.users.items()}
        latch.terminator = Jump(Edge(back.block, tuple(p if j == i else a for j, a in enumerate(back.args))))
        return True

    def is_innermost(self, name: str, loop: Loop) -> bool:
        return name in loop.blocks and not any(name in x.blocks and len(x.blocks) < len(loop.blocks) for x in self.loops)

    def is_alone(self, p: Var, z: Var, first: Var, let: Let, loop: Loop, door: Block) -> bool:
        """Is the sum known by these names only, and read by nobody while the loop runs, and what it begins with by nobody after?"""
        new = first in self.made and TABLE[self.made[first].op].allocates and self.home[first] == door.name
        within = [(name, user) for name, user in self.users.get(p, []) if name in loop.blocks]
        before = self.users[first]
        return (
            new
            and self.names[self.root(p)] == {p, z, first}
            and [user for _, user in self.users[z]] == [None]
            and [user for _, user in within] == [let]
            and all(name == door.name for name, _ in before)
            and [user for _, user in before].count(None) == 1
        )

    def sum(self, let: Let, p: Var, z: Var) -> Kernel | None:
        """The kernel that adds to p in place, if it gives z as p and something that p is no part of."""
        k = kernel_of(let)
        body = self.program.functions[k.f]
        read = [i for i, x in enumerate(k.inputs) if getattr(x, "base", None) is p]
        at = next(j for j, r in enumerate(k.results) if r.out is z)
        axes = tuple(range(len(k.sizes)))
        whole = Access(p, (ZERO,) * len(axes), (ONE,) * len(axes), axes)
        if len(read) != 1 or k.inputs[read[0]] != whole or k.results[at].kind != "map":
            return None
        x = body.params[read[0]]
        uses = [one for one in body.entry.lets if x in one.args]
        if len(uses) != 1 or uses[0].out is not body.returned[at] or [*uses[0].args, *body.returned].count(x) != 1:
            return None
        op = TABLE[uses[0].op]
        if op.sums != "+" and not (op.sums and uses[0].args[0] is x):
            return None
        results = [Result("into", axes, whole) if j == at else r for j, r in enumerate(k.results)]
        return replace(k, results=results)

"""The branch not taken stays out of every derivative: what only one arm of a choice needs is fed through gates.

    %v1 = gt(%x, 0.0)                          %v1 = gt(%x, 0.0)
    %v2 = sqrt(%x)                     ->      %g = gate(%v1, %x) {when=True}
    %v3 = select(%v1, %v2, 0.0)                %v2 = sqrt(%g)
                                               %v3 = select(%v1, %v2, 0.0)

`gate` is its argument; backwards it lets an adjoint through only where the condition says that the arm was chosen. So an
infinite or undefined derivative inside an arm that was not chosen, times the zero that `select` gives it, is a NaN that
ends at the gate; and where the arm was chosen nothing is changed: 0 * inf is NaN there. The tangent of a gate is a
`select`, so that the derivatives of a guarded function are guarded too, at every order and in every mode.

What an arm alone needs is a *region*: operations of one block whose every use that a derivative flows through lies in the
region or is an arm of a choice by the same condition. Operations that stand before their condition are moved behind it;
an original that the condition itself reads stays, without a derivative. A pure operation that only one side of a
branch uses is moved there first, which is the same for control flow.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any

from .analysis import find_loops, predecessors
from .graph import Atom, Block, Branch, Function, Let, Program, Var, edges, terminator_atoms
from .ops import TABLE
from .types import carries_gradient

Side = tuple[Atom, bool]  # a condition and what it must be


def guard(program: Program) -> None:
    """Guard every function of the program in place."""
    for f in program.functions.values():
        guard_function(f)


def guard_function(f: Function) -> None:
    sink(f)
    outside = _used_elsewhere(f)
    for block in f.blocks.values():
        if any(let.attrs.get("where") for let in block.lets):
            _Guarding(block, outside.get(block.name, set())).run()


def smooth(let: Let) -> bool:
    """A pure scalar operation that a derivative flows through."""
    op = TABLE[let.op]
    return op.signature != "*:*" and callable(op.rule) and not op.may_fail and carries_gradient(let.out.type)


def _used_elsewhere(f: Function) -> dict[str, set[Var]]:
    """By block the variables that other blocks or its end mention."""
    home = {o: name for name, b in f.blocks.items() for let in b.lets for o in let.outs}
    found: dict[str, set[Var]] = {}

    def use(atoms: Iterable[Atom], name: str, end: bool) -> None:
        for a in atoms:
            if isinstance(a, Var) and a in home and (end or home[a] != name):
                found.setdefault(home[a], set()).add(a)

    for name, b in f.blocks.items():
        for let in b.lets:
            use(let.args, name, False)
        use(terminator_atoms(b.terminator), name, True)
    return found


# ---- choices
class _Guarding:
    """The choices of one block."""

    def __init__(self, block: Block, outside: set[Var]) -> None:
        self.block, self.outside = block, outside
        self.counter = 0

    def run(self) -> None:
        sides = dict.fromkeys(
            (let.args[0], when)
            for let in self.block.lets
            if let.attrs.get("where") and isinstance(let.args[0], Var) and carries_gradient(let.out.type)
            for when in (True, False)
        )
        for side in sides:
            self.look()
            region = self.region(side)
            if any(not TABLE[let.op].steady for let in region):
                self.separate(side, region)

    def look(self) -> None:
        """Where each variable of the block is made and used."""
        self.at = {o: i for i, let in enumerate(self.block.lets) for o in let.outs}
        self.uses: dict[Var, list[Let]] = {}
        for let in self.block.lets:
            for a in let.args:
                if isinstance(a, Var):
                    self.uses.setdefault(a, []).append(let)

    def region(self, side: Side) -> list[Let]:
        """What only the arms of `side` need, in order."""
        c, when = side
        lets, arm = self.block.lets, 1 if when else 2
        found: set[Let] = set()
        work: list[int] = []

        def want(atoms: Iterable[Atom]) -> None:
            for a in atoms:
                if isinstance(a, Var) and a in self.at:
                    heapq.heappush(work, -self.at[a])

        def inside(let: Let, v: Var) -> bool:
            """Does all that flows back through this use come from the region?"""
            if let in found or not _flows(let, v):
                return True
            chooses = let.attrs.get("where") and let.args[0] == c
            return bool(chooses) and let.args[arm] is v and let.args[3 - arm] is not v

        want(let.args[arm] for let in lets if let.attrs.get("where") and let.args[0] == c)
        last = None
        while work:
            i = -heapq.heappop(work)
            let = lets[i]
            if i == last or let in found:
                continue
            last = i
            shut = let.op == GATE and let.args[0] == c and let.attrs["when"] == when
            if not shut and smooth(let) and let.out not in self.outside and all(inside(u, let.out) for u in self.uses.get(let.out, ())):
                found.add(let)
                want(let.args)
        return sorted(found, key=lambda let: self.at[let.out])

    def separate(self, side: Side, region: list[Let]) -> None:
        """Put gates between the region and the rest, and the region behind its condition."""
        c, when = side
        assert isinstance(c, Var)
        made = self.at.get(c, -1)
        mine = {let.out for let in region}
        gates: dict[Var, Var] = {}
        moved: dict[Var, Var] = {}
        behind: list[Let] = []
        before: dict[Let, list[Let]] = {}
        for let in region:
            late = self.at[let.out] < made
            new: list[Let] = []
            args = []
            for a in let.args:
                if isinstance(a, Var) and a not in mine and carries_gradient(a.type):
                    if a not in gates:
                        gates[a] = self.variable(a)
                        new.append(Let((gates[a],), GATE, (c, a), {"when": when}))
                    a = gates[a]
                args.append(moved.get(a, a) if isinstance(a, Var) else a)
            if late:
                moved[let.out] = self.variable(let.out)
                behind += [*new, Let((moved[let.out],), let.op, tuple(args), dict(let.attrs), let.site)]
            else:
                before[let] = new
                let.args = tuple(args)
        self.rewrite(c, made, behind, before, moved)

    def rewrite(self, c: Var, made: int, behind: list[Let], before: dict[Let, list[Let]], moved: dict[Var, Var]) -> None:
        """Uses of what was moved that a derivative flows through become uses of the new place."""
        out = behind if made < 0 else []
        for i, let in enumerate(self.block.lets):
            if moved and i > made:
                let.args = tuple(moved[a] if isinstance(a, Var) and a in moved and _flows(let, a) else a for a in let.args)
            out += [*before.get(let, ()), let]
            if i == made:
                out += behind
        self.block.lets = out

    def variable(self, v: Var) -> Var:
        self.counter += 1
        return Var(f"{v.name}.g{self.counter}.{self.block.name}", v.type)


GATE = "gate"


def _flows(let: Let, v: Var) -> bool:
    """Does a derivative flow from this operation to `v`?"""
    op = TABLE[let.op]
    return op.signature == "*:*" or (op.differentiable and any(carries_gradient(o.type) for o in let.outs))


# ---- branches
def sink(f: Function) -> None:
    """Move an operation with an unsteady derivative to the only side of a branch that uses it.

    %y = sqrt(%x); branch %c ? then() : else()   ->   branch %c ? then: %y = sqrt(%x); .. : else()
    """
    pred, loops = predecessors(f), find_loops(f)
    inside = {name: frozenset(head for head, loop in loops.items() if name in loop.blocks) for name in f.blocks}
    users: dict[Var, set[str]] = {}
    for name, b in f.blocks.items():
        for a in (*(a for let in b.lets for a in let.args), *terminator_atoms(b.terminator)):
            if isinstance(a, Var):
                users.setdefault(a, set()).add(name)
    for name in reversed(list(f.blocks)):
        block = f.blocks[name]
        if not isinstance(block.terminator, Branch):
            continue
        targets = [e.block for e in edges(block.terminator) if pred[e.block] == [name] and inside[e.block] == inside[name]]
        for let in reversed(block.lets):
            if smooth(let) and not TABLE[let.op].steady:
                for target in targets:
                    if users.get(let.out) == {target}:
                        _move(let, block, f.blocks[target], users)


def _move(let: Let, source: Block, target: Block, users: dict[Var, set[str]]) -> None:
    source.lets.remove(let)
    target.lets.insert(0, let)
    for a in let.args:
        if isinstance(a, Var):
            users[a].add(target.name)
            if not any(a in other.args for other in source.lets) and a not in set(terminator_atoms(source.terminator)):
                users[a].discard(source.name)


__all__: list[Any] = ["guard", "guard_function"]

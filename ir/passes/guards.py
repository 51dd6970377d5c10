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
region or is an arm of a choice by the same condition (of several, where arms of several choices use it). Operations that stand before their condition are moved behind it;
an original that the condition itself reads stays, without a derivative. A pure operation that only one side of a
branch uses is moved there first, which is the same for control flow; so is a kernel that only makes something.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from ..core.analysis import Aliases, find_loops, predecessors
from ..core.graph import Atom, Block, Branch, Const, Function, Let, Program, Var, edges, terminator_atoms
from ..core.op import TABLE, written
from ..core.types import BOOL, Array, carries_gradient
from ..ops.table import gate
from .behind import gate_what_is_constant

Side = tuple[Atom, bool]  # a condition and what it must be


def guard(program: Program) -> bool:
    """What only one arm of a choice needs is fed through gates. (`where` marks the choices that a branch or np.where has made.)

    fn f(%x: f64) -> (f64) {
    entry:
      %c: bool = gt(%x, 0.0:f64)
      %r: f64 = sqrt(%x)
      %y: f64 = select(%c, %r, 0.0:f64) {where=True}
      return %y
    }
    ->
    fn f(%x: f64) -> (f64) {
    entry:
      %c: bool = gt(%x, 0.0:f64)
      %x.g2.entry: f64 = gate(%c, %x) {when=True}
      %r: f64 = sqrt(%x.g2.entry)
      %y: f64 = select(%c, %r, 0.0:f64) {where=True}
      return %y
    }
    """
    aliases = Aliases(program)
    return any([_guard_function(f, program, aliases) for f in program.functions.values()])


def _guard_function(f: Function, program: Program, aliases: Aliases) -> bool:
    changed = sink(f, program, aliases)
    outside = _used_elsewhere(f)
    for block in f.blocks.values():
        if any(let.attrs.get("where") for let in block.lets):
            changed |= gate_what_is_constant(block)
            before = block.lets
            hoist(block)
            guarding = _Guarding(block, outside.get(block.name, set()))
            guarding.run()
            changed |= guarding.counter > 0 or before != block.lets
    return changed


def hoist(block: Block) -> None:
    """Conditions are computed as soon as what they need is there."""
    made = {o: i for i, let in enumerate(block.lets) for o in let.outs}
    order: list[tuple[int, int]] = []
    for i, let in enumerate(block.lets):
        op = TABLE[let.op]
        early = op.speculate and op.scalar and let.out.type == BOOL
        place = max((order[made[a]][0] for a in let.args if isinstance(a, Var) and a in made), default=-1) if early else i
        order.append((place, i))
    block.lets = [block.lets[i] for _, i in sorted(order)]


def smooth(let: Let) -> bool:
    """A pure scalar operation that a derivative flows through."""
    op = TABLE[let.op]
    return op.scalar and callable(op.rule) and not op.may_fail and carries_gradient(let.out.type)


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
    """The choices of one block. Its operations are ordered by keys, so that one can be put between any two of them."""

    def __init__(self, block: Block, outside: set[Var]) -> None:
        self.block, self.outside = block, outside
        self.counter = 0
        self.guarded: set[Let] = set()
        self.idle: set[Let] = set()  # what no derivative flows through: only conditions read it
        self.keys: dict[Let, tuple[float, ...]] = {}
        self.maker: dict[Var, Let] = {}
        self.uses: dict[Var, dict[Let, None]] = {}
        self.arms: dict[Side, dict[Var, Let]] = {}
        for i, let in enumerate(block.lets):
            self.enter(let, (float(i),))
        for let in reversed(block.lets):
            if TABLE[let.op].scalar and self.is_idle(let):
                self.idle.add(let)

    def is_idle(self, let: Let) -> bool:
        return not any(o in self.outside or self.flowing(o) for o in let.outs)

    def enter(self, let: Let, key: tuple[float, ...]) -> None:
        self.keys[let] = key
        self.maker.update(dict.fromkeys(let.outs, let))
        self.use(let)

    def use(self, let: Let) -> None:
        for a in let.args:
            if isinstance(a, Var):
                self.uses.setdefault(a, {})[let] = None
                side = arm(let, a)
                if side is not None:
                    self.arms.setdefault(side, {})[a] = let

    def change(self, let: Let, args: tuple[Atom, ...]) -> None:
        """Give an operation other arguments."""
        for a in let.args:
            if isinstance(a, Var):
                side = arm(let, a)
                self.uses[a].pop(let, None)
                if side is not None and self.arms[side].get(a) is let:
                    del self.arms[side][a]
        let.args = args
        self.use(let)

    def flowing(self, v: Var) -> list[Let]:
        return [let for let in self.uses.get(v, ()) if _flows(let, v) and let not in self.idle]

    def run(self) -> None:
        for side in list(self.arms):
            self.isolate((side,))
        for let, sides in self.several():  # what several arms need is needed where one of them is chosen
            if let not in self.guarded:
                self.isolate(sides)
        self.block.lets = sorted(self.keys, key=self.keys.__getitem__)

    def several(self) -> list[tuple[Let, tuple[Side, ...]]]:
        """The unsteady operations that arms of several choices need and nothing else, last first, and those arms."""
        known: dict[Var, dict[Side, None] | None] = {}
        found = []
        for let in sorted(self.keys, key=self.keys.__getitem__, reverse=True):
            if smooth(let):
                sides = known[let.out] = self.sides(let.out, known)
                if sides is not None and len(sides) > 1 and not TABLE[let.op].steady:
                    found.append((let, tuple(sides)))
        return found

    def sides(self, v: Var, known: dict[Var, dict[Side, None] | None]) -> dict[Side, None] | None:
        """The arms that a derivative comes to `v` from; None if it comes from elsewhere. Both arms of a choice are what
        the choice itself is."""
        found: dict[Side, None] = {}
        work: list[Any] = [None] if v in self.outside else [*self.flowing(v)]
        chosen: dict[Side, Let] = {}
        for let in work:
            side = arm(let, v) if let is not None else None
            if side is not None and (side[0], not side[1]) in chosen:
                found.pop((side[0], not side[1]), None)
                side = None
            if side is not None:
                chosen[side], found[side] = let, None
                continue
            more = known.get(let.outs[0]) if let is not None and let.outs else None
            if more is None or len(found) + len(more) > MOST_SIDES:
                return None
            found |= more
        return found

    def isolate(self, sides: tuple[Side, ...]) -> None:
        region = self.region(sides)
        if not any(not TABLE[let.op].steady for let in region):
            return
        self.counter += 1  # behind the conditions and all that has been put there before
        last = (*max((self.keys[self.maker[c]] for c, _ in sides if c in self.maker), default=(-1.0,)), float(self.counter))
        mine = set(region)
        used = (use for let in region for use in self.flowing(let.out) if use not in mine)
        if all(self.keys[use] > last for use in used):
            self.separate(sides, region, last)

    def region(self, sides: tuple[Side, ...]) -> list[Let]:
        """What only the arms of these sides need, in order."""
        found: list[Let] = []
        inside: dict[Var, set[Let]] = {}  # the uses that have been found to be arms or in the region; a choice in it is both
        work = [(v, use) for side in sides for v in self.arms.get(side, ()) for use in self.flowing(v) if arm(use, v) in sides]
        while work:
            v, use = work.pop()
            let = self.maker.get(v)
            if let is None or not smooth(let) or v in self.outside or (side_of(let, 1) in sides and TABLE[let.op].gates):
                continue
            uses = inside.setdefault(v, set())
            if use not in uses:
                uses.add(use)
                if len(uses) == len(self.flowing(v)):
                    found.append(let)
                    work += [(a, let) for a in dict.fromkeys(let.args) if isinstance(a, Var)]
        return sorted(found, key=self.keys.__getitem__)

    def condition(self, sides: tuple[Side, ...]) -> tuple[list[Let], Side]:
        """The condition that one of the sides is chosen, and what computes it."""
        if len(sides) == 1:
            return [], sides[0]
        made: list[Let] = []

        def compute(op: str, *args: Atom) -> Atom:
            made.append(Let((self.variable("any", BOOL),), op, args))
            return made[-1].out

        each = [c if when else compute("xor", c, Const(True, BOOL)) for c, when in sides]
        return made, (functools.reduce(lambda x, y: compute("or", x, y), each), True)

    def separate(self, sides: tuple[Side, ...], region: list[Let], last: tuple[float, ...]) -> None:
        """Put gates between the region and the rest, and the region at `last`, behind its conditions, or where it stands later."""
        mine = {let.out for let in region}
        gates: dict[Var, Var] = {}
        moved: dict[Var, Var] = {}

        def put(let: Let, key: tuple[float, ...]) -> None:
            self.counter += 1
            self.enter(let, (*key, float(self.counter)))

        lets, (c, when) = self.condition(sides)
        for let in lets:
            put(let, last)
        for let in region:
            late = self.keys[let] < last
            key = last if late else (*self.keys[let][:-1], self.keys[let][-1] - 0.5)
            args = []
            for a in let.args:
                if isinstance(a, Var) and a not in mine and carries_gradient(a.type):
                    if a not in gates:
                        gates[a] = self.variable(a.name, a.type)
                        put(Let((gates[a],), gate.name, (c, a), {"when": when}), key)
                    a = gates[a]
                args.append(moved.get(a, a) if isinstance(a, Var) else a)
            if late:
                new = Let((self.variable(let.out.name, let.out.type),), let.op, tuple(args), dict(let.attrs), let.site)
                moved[let.out] = new.out
                put(new, last)
                self.guarded.add(new)
            else:
                self.change(let, tuple(args))
            self.guarded.add(let)
        fresh = set(moved.values())
        for v, here in moved.items():
            for use in self.flowing(v):
                if self.keys[use] > last and use.outs and use.out not in mine and use.out not in fresh:
                    self.change(use, tuple(here if a is v else a for a in use.args))
        for let in reversed(region):
            if let.out in moved and self.is_idle(let):
                self.idle.add(let)
                if not self.uses.get(let.out):
                    self.change(let, ())
                    del self.keys[let]

    def variable(self, name: str, type: Any) -> Var:
        self.counter += 1
        return Var(f"{name}.g{self.counter}.{self.block.name}", type)


MOST_SIDES = 8  # arms of different choices that one operation may be guarded for


def side_of(let: Let, place: int) -> Side | None:
    """The condition under which a choice or a gate lets a derivative through to an argument."""
    if TABLE[let.op].gates:
        return (let.args[0], let.attrs["when"]) if place == 1 else None
    if let.attrs.get("where") and place and isinstance(let.args[0], Var) and carries_gradient(let.out.type):
        return let.args[0], place == 1
    return None


def arm(let: Let, a: Atom) -> Side | None:
    """The same for an argument that stands in one place only."""
    places = [i for i, x in enumerate(let.args) if x is a]
    return side_of(let, places[0]) if len(places) == 1 and isinstance(a, Var) else None


def _flows(let: Let, v: Var) -> bool:
    """Does a derivative flow from this operation to `v`?"""
    op = TABLE[let.op]
    return not op.scalar or (op.differentiable and any(carries_gradient(o.type) for o in let.outs))


# ---- branches
def sink(f: Function, program: Program, aliases: Aliases) -> bool:
    """Move an operation or a kernel with an unsteady derivative to the only side of a branch that uses it.

    %y = sqrt(%x); branch %c ? then() : else()   ->   branch %c ? then: %y = sqrt(%x); .. : else()
    """
    pred, loops = predecessors(f), find_loops(f)
    inside = {name: frozenset(head for head, loop in loops.items() if name in loop.blocks) for name in f.blocks}
    users: dict[Var, set[str]] = {}
    for name, b in f.blocks.items():
        for a in (*(a for let in b.lets for a in let.args), *terminator_atoms(b.terminator)):
            if isinstance(a, Var):
                users.setdefault(a, set()).add(name)
    changed = False
    for name in reversed(list(f.blocks)):
        block = f.blocks[name]
        if not isinstance(block.terminator, Branch):
            continue
        targets = [e.block for e in edges(block.terminator) if pred[e.block] == [name] and inside[e.block] == inside[name]]
        overwritten: set[Var] = set()  # by what stands later in the block
        for let in reversed(block.lets):
            if (smooth(let) and not TABLE[let.op].steady) or _can_sink(let, program, aliases, overwritten):
                for target in targets:
                    if all(users.get(o) == {target} for o in let.outs):
                        _move(let, block, f.blocks[target], users)
                        changed = True
            overwritten |= {aliases.root(v) for v in written(let)}
    return changed


def _can_sink(let: Let, program: Program, aliases: Aliases, overwritten: set[Var]) -> bool:
    """Is it a kernel with an unsteady derivative, that only makes new arrays and numbers and that nothing after it disturbs?"""
    if not TABLE[let.op].nest or let.attrs.get("fails") or written(let) or not let.outs:
        return False
    unsteady = any(smooth(inner) and not TABLE[inner.op].steady for inner in program.functions[let.attrs["f"]].entry.lets)
    return unsteady and not any(isinstance(a.type, Array) and aliases.root(a) in overwritten for a in let.args)


def _move(let: Let, source: Block, target: Block, users: dict[Var, set[str]]) -> None:
    source.lets.remove(let)
    target.lets.insert(0, let)
    for a in let.args:
        if isinstance(a, Var):
            users[a].add(target.name)
            if not any(a in other.args for other in source.lets) and a not in set(terminator_atoms(source.terminator)):
                users[a].discard(source.name)

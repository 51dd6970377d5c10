"""Branches that cost more than both their arms."""

from __future__ import annotations

import functools
from collections.abc import Callable

from ...core.analysis import Loop, dominators, drop_unreachable, find_loops, predecessors
from ...core.graph import Atom, Branch, Edge, Function, Jump, Let, Var, defined_vars, same_atom
from ...core.op import TABLE
from ...core.types import Array, element
from ...ops.memory import LOAD, codes, quiet

SELECT_LIMIT = 8  # operations in an arm that may run on both paths


def selects(f: Function) -> bool:
    """A branch whose arms are short, pure and end at the same block computes both and chooses.

    Only operations marked `speculate` may run on the path not taken: they are cheap and cannot fail. (Lorenz-like loops with four
    joins: 1.63 -> 1.14 of C.) An element of a new array that moves with a loop, and has been read, is written on both paths: with what it
    was on the other one. So a loop can be replayed, whose way back it would be a call for each iteration (shortest paths between 120 places: 87 -> 6 ms).

    fn f(%x: f64, %c: bool) -> (f64) {
    entry:
      branch %c ? then() : join(%x)
    then:
      %a: f64 = neg(%x)
      jump join(%a)
    join(%p: f64):
      return %p
    }
    ->
    fn f(%x: f64, %c: bool) -> (f64) {
    entry:
      %a: f64 = neg(%x)
      %p.s.entry: f64 = select(%c, %a, %x) {where=True}
      jump join(%p.s.entry)
    join(%p: f64):
      return %p
    }
    """
    pred, elements = predecessors(f), _Elements(f)
    changed = False
    for name in list(f.blocks):
        block = f.blocks.get(name)
        t = block.terminator if block else None
        if not isinstance(t, Branch):
            continue
        then, orelse = (_arm(f, e, pred, functools.partial(elements.letters, name)) for e in (t.then, t.orelse))
        if then is None or orelse is None or then[1].block != orelse[1].block or then[1].block == name:
            continue
        join = f.blocks[then[1].block]
        if any(
            isinstance(p.type, Array) and not same_atom(a, b) for p, a, b in zip(join.params, then[1].args, orelse[1].args, strict=True)
        ):
            continue
        assert block is not None
        for arm, (lets, _) in ((t.then.block, then), (t.orelse.block, orelse)):
            for i, let in enumerate(lets):
                letters = None if TABLE[let.op].speculate else elements.letters(name, let)
                block.lets += [let] if letters is None else _on_both(let, t.cond, arm == t.then.block, letters, f"{arm}.{i}")
        args = []
        for p, a, b in zip(join.params, then[1].args, orelse[1].args, strict=True):
            if not same_atom(a, b):
                out = Var(f"{p.name}.s.{name}", p.type)
                block.lets.append(Let((out,), "select", (t.cond, a, b), {"where": True}))
                a = out
            args.append(a)
        block.terminator = Jump(Edge(join.name, tuple(args)))
        pred, elements = predecessors(f), _Elements(f)
        changed = True
    if changed:
        drop_unreachable(f)
    return changed


def _arm(f: Function, e: Edge, pred: dict[str, list[str]], letters: Callable[[Let], str | None]) -> tuple[list[Let], Edge] | None:
    """(operations, edge to the join) of a branch's arm, where it may run unconditionally."""
    block = f.blocks[e.block]
    t = block.terminator
    if len(pred[e.block]) == 1 and isinstance(t, Jump) and not block.params:
        if len(block.lets) <= SELECT_LIMIT and all(TABLE[let.op].speculate or letters(let) is not None for let in block.lets):
            return block.lets, t.edge
        return None
    return [], e


def _on_both(let: Let, cond: Atom, when: bool, letters: str, name: str) -> list[Let]:
    """A store that changes nothing unless the condition is so."""
    *place, v = let.args
    array = place[0].type
    assert isinstance(array, Array)
    old, new = (Var(f"{name}.{x}", element(array.dtype)) for x in ("old", "new"))
    return [
        Let((old,), LOAD.name, tuple(place), {"index": letters}, let.site),
        Let((new,), "select", (cond, v, old) if when else (cond, old, v), {"where": True}, let.site),
        Let((), let.op, (*place, new), {**let.attrs, "index": letters}, let.site),
    ]


class _Elements:
    """Which elements may be written on a path that does not: nobody else has the array, and they are there."""

    def __init__(self, f: Function) -> None:
        self.f = f

    @functools.cached_property
    def new(self) -> set[Var]:
        lets = (let for b in self.f.blocks.values() for let in b.lets)
        return {o for let in lets if TABLE[let.op].allocates or TABLE[let.op].fills or TABLE[let.op].nest for o in let.outs}

    @functools.cached_property
    def loops(self) -> list[Loop]:
        """The smallest first."""
        return sorted(find_loops(self.f).values(), key=lambda loop: len(loop.blocks))

    @functools.cached_property
    def above(self) -> dict[str, set[str]]:
        return dominators(self.f)

    def letters(self, name: str, let: Let) -> str | None:
        """Of the indices of a store in an arm behind this block, if it may run whatever happens."""
        op = TABLE[let.op]
        if not (op.indexed and op.writes) or let.args[0] not in self.new:
            return None
        loop = next((x for x in self.loops if name in x.blocks), None)
        if loop is None:
            return None
        made = {v for b in loop.blocks for v in defined_vars(self.f.blocks[b])}
        if not any(a in made for a in let.args[1:-1]):
            return None  # it would wait for the one that the last iteration has written
        n = len(let.args) - 1
        for x in (x for b in self.above[name] if b in loop.blocks for x in self.f.blocks[b].lets if TABLE[x.op].indexed):
            if x.args[0] is let.args[0] and all(map(same_atom, x.args[1:n], let.args[1:n])):
                return quiet(codes(x))
        return None

"""Branches that cost more than both their arms."""

from __future__ import annotations

from ...core.analysis import drop_unreachable, predecessors
from ...core.graph import Branch, Edge, Function, Jump, Let, Var, same_atom
from ...core.op import TABLE
from ...core.types import Array

SELECT_LIMIT = 8  # operations in an arm that may run on both paths


def selects(f: Function) -> bool:
    """A branch whose arms are short, pure and end at the same block computes both and chooses.

    Only operations marked `speculate` may run on the path not taken: they are cheap and cannot fail. (Lorenz-like loops with four
    joins: 1.63 -> 1.14 of C.)

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
    pred = predecessors(f)
    changed = False
    for name in list(f.blocks):
        block = f.blocks.get(name)
        t = block.terminator if block else None
        if not isinstance(t, Branch):
            continue
        then, orelse = _arm(f, t.then, pred), _arm(f, t.orelse, pred)
        if then is None or orelse is None or then[1].block != orelse[1].block or then[1].block == name:
            continue
        join = f.blocks[then[1].block]
        if any(
            isinstance(p.type, Array) and not same_atom(a, b) for p, a, b in zip(join.params, then[1].args, orelse[1].args, strict=True)
        ):
            continue
        assert block is not None
        block.lets += [*then[0], *orelse[0]]
        args = []
        for p, a, b in zip(join.params, then[1].args, orelse[1].args, strict=True):
            if not same_atom(a, b):
                out = Var(f"{p.name}.s.{name}", p.type)
                block.lets.append(Let((out,), "select", (t.cond, a, b), {"where": True}))
                a = out
            args.append(a)
        block.terminator = Jump(Edge(join.name, tuple(args)))
        pred = predecessors(f)
        changed = True
    if changed:
        drop_unreachable(f)
    return changed


def _arm(f: Function, e: Edge, pred: dict[str, list[str]]) -> tuple[list[Let], Edge] | None:
    """(operations, edge to the join) of a branch's arm, where it may run unconditionally."""
    block = f.blocks[e.block]
    t = block.terminator
    if len(pred[e.block]) == 1 and isinstance(t, Jump) and not block.params:
        if len(block.lets) <= SELECT_LIMIT and all(TABLE[let.op].speculate for let in block.lets):
            return block.lets, t.edge
        return None
    return [], e

"""What nobody needs: operations, and parameters of blocks."""

from __future__ import annotations

from typing import Any

from ...core.graph import Atom, Branch, Call, Edge, Function, Var, edges
from ...core.op import can_fail, written


def needed(f: Function) -> set[Var]:
    """Variables that an effect, a branch or a return depends on."""
    found: set[Var] = set()
    work: list[Var] = []

    def want(atoms: Any) -> None:
        for a in atoms:
            if isinstance(a, Var) and a not in found:
                found.add(a)
                work.append(a)

    made = {o: let for b in f.blocks.values() for let in b.lets for o in let.outs}
    gives: dict[Var, list[Atom]] = {}
    for b in f.blocks.values():
        for let in b.lets:
            if written(let) or can_fail(let):
                want(let.args)
        t = b.terminator
        if isinstance(t, Branch):
            want([t.cond])
        elif t is not None and hasattr(t, "args"):
            want(t.args)
        for e in edges(t):
            params = f.blocks[e.block].params
            for p, a in zip(params[len(params) - len(e.args) :], e.args, strict=True):
                gives.setdefault(p, []).append(a)
    while work:
        v = work.pop()
        if v in made:
            want(made[v].args)
        want(gives.get(v, ()))
    return found


def incoming(f: Function) -> dict[str, list[Edge]]:
    """The edges that lead to each block: of those whose parameters may go. The results of a call are all passed on."""
    found: dict[str, list[Edge]] = {}
    results: set[str] = set()
    for b in f.blocks.values():
        for e in edges(b.terminator):
            found.setdefault(e.block, []).append(e)
            if isinstance(b.terminator, Call):
                results.add(e.block)
    return {name: found[name] for name in f.blocks if name in found and name not in results}


def drop_params(f: Function, drop: dict[str, set[int]], given: dict[str, list[Edge]]) -> None:
    """Remove the parameters at these places of blocks, and what edges pass to them."""
    for name, places in drop.items():
        block = f.blocks[name]
        block.params = [p for i, p in enumerate(block.params) if i not in places]
        for e in given[name]:
            e.args = tuple(a for i, a in enumerate(e.args) if i not in places)


def dead(f: Function) -> bool:
    """Operations whose results nobody needs go, unless they may fail; so do parameters of blocks.

    fn f(%x: f64, %n: i64) -> (f64) {
    entry:
      %a: f64 = sin(%x)
      %b: f64 = cos(%a)
      %q: i64 = ifloordiv(%n, %n)
      jump next(%b)
    next(%p: f64):
      return %x
    }
    ->
    fn f(%x: f64, %n: i64) -> (f64) {
    entry:
      %q: i64 = ifloordiv(%n, %n)
      jump next()
    next:
      return %x
    }
    """
    wanted, given = needed(f), incoming(f)
    unread = {name: {i for i, p in enumerate(f.blocks[name].params) if p not in wanted} for name in given}
    drop = {name: places for name, places in unread.items() if places}
    drop_params(f, drop, given)
    changed = bool(drop)
    for b in f.blocks.values():
        kept = [let for let in b.lets if written(let) or can_fail(let) or any(o in wanted for o in let.outs)]
        changed |= len(kept) != len(b.lets)
        b.lets = kept
    return changed

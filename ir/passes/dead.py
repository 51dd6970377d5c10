"""What nobody needs."""

from __future__ import annotations

from typing import Any

from ..core.graph import Atom, Branch, Function, Var, edges
from ..core.op import can_fail, written


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


def dead(f: Function) -> bool:
    """Operations whose results nobody needs go, unless they may fail.

    fn f(%x: f64, %n: i64) -> (f64) {
    entry:
      %a: f64 = sin(%x)
      %b: f64 = cos(%a)
      %q: i64 = floordiv(%n, %n)
      return %x
    }
    ->
    fn f(%x: f64, %n: i64) -> (f64) {
    entry:
      %q: i64 = floordiv(%n, %n)
      return %x
    }
    """
    wanted = needed(f)
    changed = False
    for b in f.blocks.values():
        kept = [let for let in b.lets if written(let) or can_fail(let) or any(o in wanted for o in let.outs)]
        changed |= len(kept) != len(b.lets)
        b.lets = kept
    return changed

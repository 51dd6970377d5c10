"""Blocks that do nothing of their own: ways past them, blocks that belong together, parameters that are no choice."""

from __future__ import annotations

from collections import Counter

from ...core.analysis import drop_unreachable, predecessors, reverse_postorder
from ...core.graph import (
    Atom,
    Block,
    Branch,
    Call,
    Edge,
    Function,
    Jump,
    Var,
    map_terminator,
    same_atom,
    substitute,
    terminator_atoms,
    used_vars,
)
from .dead import drop_params, incoming
from .fold import look


def blocks(f: Function) -> bool:
    """Jumps go past blocks that only jump or return; a block that only one jump leads to is the end of the one before; a parameter
    that is always given the same value is that value.

    fn f(%x: f64, %c: bool) -> (f64) {
    entry:
      branch %c ? then(%x) : join(%x)
    then(%a: f64):
      jump join(%a)
    join(%p: f64):
      jump last()
    last:
      %y: f64 = sin(%p)
      return %y
    }
    ->
    fn f(%x: f64, %c: bool) -> (f64) {
    entry:
      branch %c ? join() : join()
    join:
      %y: f64 = sin(%x)
      return %y
    }
    """
    threaded = _thread_jumps(f)
    merged = _merge_blocks(f)
    return _drop_params(f) or merged or threaded


def _thread_jumps(f: Function) -> bool:
    """Jump past a block that only jumps or returns: e(x) with e(p): jump k(p)  ->  k(x)"""
    uses = Counter(v for b in f.blocks.values() for v in used_vars(b))
    changed = False
    for block in f.blocks.values():
        t = block.terminator
        if isinstance(t, Jump):
            target = f.blocks[t.edge.block]
            if target is not block and not target.lets and _own_params_only(target, uses):
                mapping = dict(zip(target.params, t.edge.args, strict=True))
                new = map_terminator(target.terminator, lambda a, m=mapping: m.get(a, a))
                if not (isinstance(new, Jump) and new.edge.block == t.edge.block) and not isinstance(new, Call):
                    block.terminator = new
                    changed = True
        elif isinstance(t, Branch):
            then, orelse = (_threaded(f, e, uses) for e in (t.then, t.orelse))
            if then is not t.then or orelse is not t.orelse:
                block.terminator = Branch(t.cond, then, orelse)
                changed = True
    if changed:
        drop_unreachable(f)
    return changed


def _own_params_only(block: Block, uses: Counter[Var]) -> bool:
    """No other block uses this block's parameters."""
    own = Counter(a for a in terminator_atoms(block.terminator) if isinstance(a, Var))
    return all(uses[p] == own[p] for p in block.params)


def _threaded(f: Function, e: Edge, uses: Counter[Var]) -> Edge:
    target = f.blocks[e.block]
    t = target.terminator
    if target.lets or not isinstance(t, Jump) or t.edge.block == e.block or not _own_params_only(target, uses):
        return e
    mapping = dict(zip(target.params, e.args, strict=True))
    return Edge(t.edge.block, tuple(mapping.get(a, a) if isinstance(a, Var) else a for a in t.edge.args))


def _merge_blocks(f: Function) -> bool:
    """A block with one predecessor that jumps to it is that block's end."""
    pred = predecessors(f)
    mapping: dict[Var, Atom] = {}
    changed = False
    for name in reverse_postorder(f):
        block = f.blocks.get(name)
        while block is not None and isinstance(block.terminator, Jump):
            edge = block.terminator.edge
            target = f.blocks[edge.block]
            if len(pred[target.name]) != 1 or target is block or target is f.entry:
                break
            mapping.update(zip(target.params, edge.args, strict=True))
            block.lets.extend(target.lets)
            block.terminator = target.terminator
            del f.blocks[target.name]
            changed = True
    if mapping:
        substitute(f.blocks.values(), mapping)
    return changed


def _drop_params(f: Function) -> bool:
    """A parameter that is always given the same value, or itself, is that value."""
    mapping: dict[Var, Atom] = {}
    drop: dict[str, set[int]] = {}
    given = incoming(f)
    for name, found in given.items():
        for i, p in enumerate(f.blocks[name].params):
            values = [look(mapping, e.args[i]) for e in found]
            others = [v for v in values if v is not p]
            if others and all(same_atom(v, others[0]) for v in others):
                drop.setdefault(name, set()).add(i)
                mapping[p] = others[0]
    drop_params(f, drop, given)
    if mapping:
        substitute(f.blocks.values(), mapping)
    return bool(drop)

"""Graph clean-up before the back ends: what tracing leaves behind, and branches that cost more than both their arms.

Each pass is a function of one graph function that says whether it changed anything; `simplify` runs them to a
fixpoint. They keep results, errors and gradients bit for bit (x + 0.0 is not x when x is -0.0, so it stays).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ..core.analysis import predecessors, reverse_postorder
from ..core.graph import (
    Atom,
    Block,
    Branch,
    Call,
    Const,
    Edge,
    Function,
    Jump,
    Let,
    Program,
    Var,
    edges,
    map_terminator,
    same_atom,
    substitute,
    terminator_atoms,
    used_vars,
)
from ..core.op import TABLE, can_fail, written
from ..core.types import BOOL, Array, is_float
from .bounds import simplify_checks

SELECT_LIMIT = 8  # operations in an arm that may run on both paths


def simplify(program: Program) -> None:
    """Simplify every function of the program in place."""
    for f in program.functions.values():
        simplify_function(f)


def simplify_function(f: Function) -> None:
    for _ in range(20):
        changed = False
        for one in (fold, share, squares, thread_jumps, merge_blocks, drop_params, branches_to_selects, drop_dead, simplify_checks):
            changed |= one(f)
        if not changed:
            break
    sink_updated(f)


# ---- constants and identities
def fold(f: Function) -> bool:
    """mul(x, 1.0) -> x;  iadd(2, 3) -> 5;  branch true ? a : b -> jump a"""
    mapping: dict[Var, Atom] = {}
    changed = False
    for name in reverse_postorder(f):
        block = f.blocks[name]
        kept = []
        for let in block.lets:
            if mapping and any(a in mapping for a in let.args if isinstance(a, Var)):
                let.args = tuple(_look(mapping, a) for a in let.args)
            found = folded(let)
            if found is None:
                kept.append(let)
            else:
                mapping[let.out] = found
                changed = True
        block.lets = kept
        t = block.terminator
        if isinstance(t, Branch):
            cond = _look(mapping, t.cond)
            if isinstance(cond, Const):
                block.terminator = Jump(t.then if cond.value else t.orelse)
                changed = True
    if mapping:
        substitute(f.blocks.values(), mapping)
    if changed:
        _drop_unreachable(f)
    return changed


def _look(mapping: dict[Var, Atom], a: Atom) -> Atom:
    while isinstance(a, Var) and a in mapping:
        a = mapping[a]
    return a


def folded(let: Let) -> Atom | None:
    """What an operation's result is known to be."""
    op = TABLE[let.op]
    if not op.scalar:
        return None
    if not op.may_fail and not op.expensive and all(isinstance(a, Const) for a in let.args):
        return _compute(let)
    args = let.args
    if op.folds is not None:
        return op.folds(let)  # type: ignore[no-any-return]
    if op.neutral is not None:
        if isinstance(args[1], Const) and args[1].value == op.neutral:
            return args[0]
        if op.commutes and isinstance(args[0], Const) and args[0].value == op.neutral:
            return args[1]
    return None


def _compute(let: Let) -> Atom:
    from ..core.types import NUMPY_DTYPES

    values = [a.value if a.type == BOOL else NUMPY_DTYPES[a.type].type(a.value) for a in let.args]  # type: ignore[union-attr, index]
    with np.errstate(all="ignore"):
        z = TABLE[let.op].body(TABLE[let.op].machine, *values, **let.attrs)
    t = let.out.type
    return Const(bool(z) if t == BOOL else float(z) if is_float(t) else int(z), t)


def share(f: Function) -> bool:
    """One operation for equal ones in a block and in those that only it leads to: x[i] * x[i] loads once. Stores and calls
    end what loads know."""
    mapping: dict[Var, Atom] = {}
    changed = False
    pred = predecessors(f)
    at_end: dict[str, dict[Any, Let]] = {}
    for name in reverse_postorder(f):
        block = f.blocks[name]
        before = pred[name]
        known = dict(at_end[before[0]]) if len(before) == 1 else {}
        kept = []
        for let in block.lets:
            if mapping and any(a in mapping for a in let.args if isinstance(a, Var)):
                let.args = tuple(_look(mapping, a) for a in let.args)
            if written(let):
                known = _unread(known)
            elif not TABLE[let.op].whole:
                key = (let.op, tuple(a if isinstance(a, Var) else (a.type, repr(a.value)) for a in let.args), repr(let.attrs))
                first = known.setdefault(key, let)
                if first is not let:
                    mapping.update(zip(let.outs, first.outs, strict=True))
                    changed = True
                    continue
            kept.append(let)
        block.lets = kept
        if isinstance(block.terminator, Call):
            known = _unread(known)
        at_end[name] = known
    if mapping:
        substitute(f.blocks.values(), mapping)
    return changed


def _unread(known: dict[Any, Let]) -> dict[Any, Let]:
    """What is known after memory has been written to."""
    return {k: v for k, v in known.items() if not TABLE[k[0]].reads}


def squares(f: Function) -> bool:
    """%z = sqrt(%x); mul(%z, %z)  ->  root_squared(%x): the same value, and a derivative where the root has none"""
    made = {let.out: let for b in f.blocks.values() for let in b.lets if len(let.outs) == 1 and TABLE[let.op].squared}
    changed = False
    for b in f.blocks.values() if made else ():
        for let in b.lets:
            x = let.args[0] if let.args else None
            is_square = TABLE[let.op].square
            if x in made and is_square is not None and is_square(let):
                maker = made[x]
                let.op, let.args, let.attrs = TABLE[maker.op].squared.name, maker.args, {}
                changed = True
    return changed


def sink_updated(f: Function) -> None:
    """In `x[i] = x[i] - a * y[j]` read x[i] last: backwards, what the store takes from its adjoint and what the load
    adds to it are then next to each other, and the loop can be vectorised. (Elimination, 64 x 64: 2.5 -> 1.4 of C.)"""
    for block in f.blocks.values():
        updates = {(let.args[0], *map(_name, let.args[1:-1])) for let in block.lets if TABLE[let.op].indexed and TABLE[let.op].writes}
        if not updates:
            continue
        lets = list(block.lets)
        for let in [
            x
            for x in lets
            if TABLE[x.op].indexed and TABLE[x.op].reads and (x.args[0], *map(_name, x.args[1:])) in updates and not can_fail(x)
        ]:
            at = lets.index(let)
            end = at + 1
            while end < len(lets) and let.out not in lets[end].args and not written(lets[end]) and not can_fail(lets[end]):
                end += 1
            lets[at : end - 1], lets[end - 1] = lets[at + 1 : end], let
        block.lets = lets


def _name(a: Atom) -> Any:
    return a if isinstance(a, Var) else repr(a.value)


# ---- blocks
def thread_jumps(f: Function) -> bool:
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
        _drop_unreachable(f)
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


def merge_blocks(f: Function) -> bool:
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


def _drop_unreachable(f: Function) -> None:
    reachable = set(reverse_postorder(f))
    f.blocks = {n: b for n, b in f.blocks.items() if n in reachable}


def drop_params(f: Function) -> bool:
    """A parameter that is always given the same value (or itself) is that value; one that nobody reads goes."""
    incoming: dict[str, list[Any]] = {name: [] for name in f.blocks}
    results: set[str] = set()
    for b in f.blocks.values():
        for e in edges(b.terminator):
            incoming[e.block].append((b, e))
            if isinstance(b.terminator, Call):
                results.add(e.block)
    needed = _needed_params(f)
    mapping: dict[Var, Atom] = {}
    drop: dict[str, list[int]] = {}
    for name, block in f.blocks.items():
        if name in results or not incoming[name]:
            continue
        for i, p in enumerate(block.params):
            values = [_look(mapping, e.args[i]) for _, e in incoming[name]]
            others = [v for v in values if v is not p]
            if p not in needed or (others and all(same_atom(v, others[0]) for v in others)):
                drop.setdefault(name, []).append(i)
                if p in needed:
                    mapping[p] = others[0]
    for name, positions in drop.items():
        block = f.blocks[name]
        block.params = [p for i, p in enumerate(block.params) if i not in positions]
        for _, e in incoming[name]:
            e.args = tuple(a for i, a in enumerate(e.args) if i not in positions)
    if mapping:
        substitute(f.blocks.values(), mapping)
    return bool(drop)


def _needed_params(f: Function) -> set[Var]:
    """Variables that an effect, a branch or a return depends on."""
    needed: set[Var] = set()
    work: list[Var] = []

    def want(atoms: Any) -> None:
        for a in atoms:
            if isinstance(a, Var) and a not in needed:
                needed.add(a)
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
    return needed


def drop_dead(f: Function) -> bool:
    """Operations whose results nobody needs, and that cannot fail."""
    needed = _needed_params(f)
    changed = False
    for b in f.blocks.values():
        kept = [let for let in b.lets if written(let) or can_fail(let) or any(o in needed for o in let.outs)]
        changed |= len(kept) != len(b.lets)
        b.lets = kept
    return changed


# ---- branches to selects
def branches_to_selects(f: Function) -> bool:
    """branch c ? t() : e(), both arms short, pure and ending at j  ->  %x = select(c, ..); jump j(%x)

    Only operations marked `speculate` may run on the path not taken: they are cheap and cannot fail. (Lorenz-like loops with four joins: 1.63 -> 1.14 of C.)
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
        _drop_unreachable(f)
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


__all__ = ["simplify", "simplify_function"]

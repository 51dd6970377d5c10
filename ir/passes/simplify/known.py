"""What is known of conditions and indices: comparisons of integers that sizes and counters decide, what a branch has asked before."""

from __future__ import annotations

from typing import Any

from ...core.analysis import dominators, predecessors
from ...core.graph import Atom, Block, Branch, Const, Function, Let, Var, edges, substitute, terminator_atoms
from ...core.op import TABLE
from ...core.types import BOOL
from ...ops.memory import codes


def comparisons(f: Function) -> list[tuple[Block, Let]]:
    """Those that may be decided: not what a loop goes on by."""
    return [
        (b, let)
        for b in f.blocks.values()
        for let in b.lets
        if TABLE[let.op].less and not (isinstance(b.terminator, Branch) and b.terminator.cond is let.out)
    ]


def compared(f: Function, found: list[tuple[Block, Let]], facts: Any) -> bool:
    """i < n is true of an index in bounds, i < 0 is false of a natural number."""
    known: dict[Var, Atom] = {}
    for block, let in found:
        i, n = let.args
        if isinstance(n, Const) and n.value <= 0 and facts.is_natural(i, block.name):
            known[let.out] = Const(False, BOOL)
        elif facts.is_inside(i, facts.sizes.of(n), block.name):
            known[let.out] = Const(True, BOOL)
    substitute(f.blocks.values(), known)
    return bool(known)


def taken(f: Function) -> bool:
    """A condition is known in the blocks that only one side of a branch on it leads to."""
    uses: dict[Atom, int] = {}
    for b in f.blocks.values():
        for a in (*(a for let in b.lets for a in let.args), *terminator_atoms(b.terminator)):
            uses[a] = uses.get(a, 0) + 1
    asked = [
        b
        for b in f.blocks.values()
        if isinstance(b.terminator, Branch) and isinstance(b.terminator.cond, Var) and uses[b.terminator.cond] > 1
    ]
    if not asked:
        return False
    dominated, pred, changed = dominators(f), predecessors(f), False
    for b in asked:
        assert isinstance(b.terminator, Branch)
        cond, sides = b.terminator.cond, [e.block for e in edges(b.terminator)]
        for side, value in zip(sides, (True, False), strict=True):
            if pred[side] == [b.name]:
                inside = [f.blocks[name] for name, above in dominated.items() if side in above]
                changed |= any(cond in let.args for x in inside for let in x.lets) or any(
                    cond in terminator_atoms(x.terminator) for x in inside
                )
                substitute(inside, {cond: Const(value, BOOL)})  # type: ignore[dict-item]
    return changed


def letter_of(facts: Any, was: str, a: Atom, let: Let, axis: int, block: str) -> str:
    """The letter of an index, with what is known of it."""
    if was == "u":
        return was
    if facts.is_natural(a, block):
        was = was.replace("c", "p").replace("w", "u")
    return "u" if was == "p" and facts.is_inside(a, facts.sizes.dim(let.args[0], axis), block) else was


def set_letters(let: Let, letters: str) -> bool:
    if letters == codes(let):
        return False
    let.attrs = {**let.attrs, "index": letters}
    return True

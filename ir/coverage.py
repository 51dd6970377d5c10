"""Adjoint arrays that need no zeros: a loop that reads every element once writes each adjoint element first.

Where the reverse pass of `for i in range(a, n): ... x[i] ...` is the first thing that touches the adjoint of x, it may
store instead of add, and only the elements outside of a..n have to be zero before. (Sum of squares over 1e6 elements:
1.9 -> 1.0 of C, which writes its gradient once.)
"""

from __future__ import annotations

from dataclasses import dataclass

from .activity import Activity, Aliases
from .analysis import dominators, reverse_postorder
from .bounds import codes
from .graph import Atom, Const, Function, Let, Return, Var, defined_vars, edges, terminator_atoms
from .policies import Plan
from .reverse import Reverse
from .types import I64, Array


@dataclass(frozen=True)
class Cover:
    """`load` is the first to add to the adjoint of the parameter `array`, of the elements offset + i for start <= i < limit."""

    array: Var
    load: Let
    head: str
    start: Atom
    limit: Atom
    offset: Atom


def covers(rev: Reverse, aliases: Aliases, plans: dict[str, Plan]) -> dict[Let, Cover]:
    """The covering loads of a reverse function, for the loops in `plans`, which are replayed. Each array has one at most."""
    f = rev.function
    found: dict[Let, Cover] = {}
    above = dominators(f)
    ends = [n for n, b in f.blocks.items() if isinstance(b.terminator, Return)]
    for p, active in zip(f.params, rev.mask, strict=True):
        if active and isinstance(p.type, Array) and p.type.rank == 1 and _is_alone(f, p, aliases):
            for plan in plans.values():
                cover = _cover(f, p, rev.activity, plan, above, ends)
                if cover is not None:
                    found[cover.load] = cover
                    break
    return found


def _is_alone(f: Function, p: Var, aliases: Aliases) -> bool:
    """Is the array known by this name only, and is it only read?"""
    root = aliases.root(p)
    for b in f.blocks.values():
        if any(a is p for a in terminator_atoms(b.terminator)):
            return False
        for let in b.lets:
            arrays = (a for a in (*let.args, *let.outs) if isinstance(a, Var) and isinstance(a.type, Array))
            reads = let.op in ("load", "dim", "check_range") and let.args[0] is p
            if not reads and any(aliases.root(a) is root for a in arrays):
                return False
    return True


def _cover(f: Function, p: Var, activity: Activity, plan: Plan, above: dict[str, set[str]], ends: list[str]) -> Cover | None:
    if plan.counter is None or not all(plan.head in above[e] for e in ends):
        return None
    counter, limit = plan.counter
    start = _start(f, plan, counter)
    if start is None:
        return None
    inner = {v for name in plan.loop.blocks for v in defined_vars(f.blocks[name])}
    made = {o: let for b in f.blocks.values() for let in b.lets for o in let.outs}
    inside: list[tuple[str, Let]] = []
    after = _after(f, plan)
    for name in reverse_postorder(f):
        reads = [let for let in f.blocks[name].lets if let.op == "load" and let.args[0] is p and let.out in activity]
        if name in after and reads:
            return None
        if name in plan.loop.blocks:
            inside += [(name, let) for let in reads]
    offsets = {_offset(let, counter, made, inner) for _, let in inside}
    if len(offsets) != 1 or None in offsets:
        return None
    (offset,) = offsets
    assert offset is not None
    last_block, last = inside[-1]
    every_time = last_block != plan.head and all(last_block in above[latch] for latch in plan.loop.latches)
    if not every_time or not all(name in above[last_block] for name, _ in inside):
        return None
    return Cover(p, last, plan.head, start, limit, offset)


def _offset(load: Let, counter: Var, made: dict[Var, Let], inner: set[Var]) -> Atom | None:
    """What is added to the counter for the index of a load: a value from outside the loop, and the sum is in bounds as it
    stands; None if it is not of that form."""
    index = load.args[1]
    if index is counter:
        return Const(0, I64)
    let = made.get(index) if isinstance(index, Var) else None
    if let is None or let.op != "iadd" or counter not in let.args or codes(load) != "u":
        return None
    other = let.args[1] if let.args[0] is counter else let.args[0]
    return None if other in inner else other


def _start(f: Function, plan: Plan, counter: Var) -> Const | None:
    """What the counter starts from, if that is a constant that counts from the front."""
    i = f.blocks[plan.head].params.index(counter)
    entering = [e for n, b in f.blocks.items() if n not in plan.loop.blocks for e in edges(b.terminator) if e.block == plan.head]
    values = {e.args[i] for e in entering}
    if len(values) == 1:
        (value,) = values
        if isinstance(value, Const) and value.value >= 0:
            return value
    return None


def _after(f: Function, plan: Plan) -> set[str]:
    """The blocks that run after the loop; all of its own if it is inside another one."""
    seen: set[str] = set()
    work = [plan.exit.block]
    while work:
        name = work.pop()
        if name not in seen:
            seen.add(name)
            work += [e.block for e in edges(f.blocks[name].terminator)]
    return seen

"""About how much it is to run code: in units of some 0.3 ns."""

from __future__ import annotations

import math

from ..core.analysis import Loop, find_loops
from ..core.graph import Atom, Block, Branch, Call, Const, Function, Let, Program, edges
from ..core.kernel import kernel_of
from ..core.op import COSTS, PLAIN, TABLE

UNITS = dict(zip(COSTS, (1, 12, 40), strict=True))  # of an operation on numbers
WHOLE_ARRAY = 400  # of one on whole arrays that is no kernel
TURNS = 64  # of a loop, and points of a kernel, where nobody knows
MOST = 1 << 40


def units(program: Program, blocks: dict[str, Block], loops: dict[str, Loop], f: Function, known: dict[str, int] | None = None) -> int:
    """About how much it is to run these blocks of a function once, these loops in them as often as is known."""
    total, known = 0, {} if known is None else known
    for name, block in blocks.items():
        turns = math.prod(turns_of(f, loop) for loop in loops.values() if name in loop.blocks)
        here = sum(of_operation(program, let, known) for let in block.lets)
        if isinstance(block.terminator, Call):
            here += of_call(program, block.terminator.function, known)
        total += turns * here
    return min(total, MOST)


def turns_of(f: Function, loop: Loop) -> int:
    """How often a loop runs, where its counter begins and ends at constants."""
    head = f.blocks[loop.head]
    for let in head.lets:
        tests = isinstance(head.terminator, Branch) and let.out is head.terminator.cond and TABLE[let.op].less
        if tests and let.args[0] in head.params:
            at = [p is let.args[0] for p in head.params].index(True)
            entering = [e for n, b in f.blocks.items() if n not in loop.blocks for e in edges(b.terminator) if e.block == loop.head]
            ends: list[Atom] = [let.args[1], *(e.args[at] for e in entering)]
            numbers = [int(a.value) for a in ends if isinstance(a, Const)]
            if len(numbers) == len(ends) > 1:
                return max(numbers[0] - min(numbers[1:]), 1)
    return TURNS


def of_call(program: Program, name: str, known: dict[str, int]) -> int:
    if name not in known:
        known[name], g = TURNS, program.functions[name]  # where it calls itself
        known[name] = units(program, g.blocks, find_loops(g), g, known)
    return known[name]


def of_operation(program: Program, let: Let, known: dict[str, int]) -> int:
    op = TABLE[let.op]
    if op.nest:
        k = kernel_of(let)
        points = math.prod(int(n.value) if isinstance(n, Const) else TURNS for n in k.sizes)
        return points * (1 + sum(of_operation(program, x, known) for x in program.functions[k.f].entry.lets))
    if op.calls:
        return (1 if op.calls == PLAIN else 4) * of_call(program, let.attrs["f"], known)
    return UNITS[op.cost] if op.scalar or op.indexed or op.measures else WHOLE_ARRAY

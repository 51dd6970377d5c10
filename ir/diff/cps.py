"""Graph to closures: a reverse function as operations and their continuations.

    body6:                                      body6(x', i) =
      %v7 = mul(%x, %x)                           mul(x, x, k1)
      %v8 = iadd(%i, 1)              ->         k1(v7') =
      jump loop4(%v7, %v8)                        v8 = iadd(i, 1)
                                                  loop4(v7, v8)

Each operation through which a derivative flows is a call that takes its continuation: the rest of its block. The
continuations of one block share its frame. A block is itself a continuation; what it needs from outside comes by
value, and adjoints of that go back by value. A loop's head gets by value only what the loop uses; what only the code
after the loop uses waits in a record that the loop's blocks are given by pointer. So does what a recursion passes on
unchanged to every call of itself: one record for the whole recursion, with one cell for each adjoint.

A long block is cut into pieces, each the continuation of the one before and a real call: compilers take more than linear
time for one function, but not for many. What later pieces need of a piece waits in a record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..core.analysis import Loop, find_loops, live_in, predecessors, reverse_postorder, unchanging_params
from ..core.graph import Call, Edge, Jump, Let, Site, Terminator, Var, edges, terminator_atoms, used_vars
from ..core.op import written
from ..core.text import show_let, show_terminator
from .activity import Activity
from .reverse import Reverse

PIECE = 500  # operations of a block that stay together
WHOLE = "whole"  # the record of a recursion, around all loops


@dataclass
class Closure:
    """A run of straight Lets, then an operation and its continuation `then`, or the block's end."""

    name: str
    params: list[Var]
    straight: list[Let] = field(default_factory=list)
    operation: Let | None = None
    then: str | None = None
    end: Terminator | None = None


@dataclass
class Continuation:
    """A block: its chain of closures, what it is given, and the loops around it, outermost first."""

    name: str
    params: list[Var]
    by_value: list[Var]
    nest: list[str]
    chain: list[Closure]
    inline: bool
    is_head: bool
    is_piece: bool = False  # the rest of a long block

    @property
    def inputs(self) -> list[Var]:
        return [*self.params, *self.by_value]

    @property
    def lets(self) -> list[Let]:
        return [let for c in self.chain for let in [*c.straight, *([c.operation] if c.operation else [])]]


@dataclass
class Closures:
    """A whole reverse function. `records[h]` is what waits while the loop at h runs, `records[WHOLE]` what a recursion
    never changes, and those in `kept` what a piece of a long block leaves to later pieces."""

    reverse: Reverse
    blocks: dict[str, Continuation]
    records: dict[str, list[Var]]
    loops: dict[str, Loop]
    kept: set[str] = field(default_factory=set)

    @property
    def activity(self) -> Activity:
        return self.reverse.activity


def has_adjoint(let: Let, activity: Activity) -> bool:
    """Does a derivative flow through this operation?"""
    return any(o in activity for o in let.outs) or any(a in activity for a in written(let))


def to_closures(rev: Reverse) -> Closures:
    f = rev.function
    live, loops, pred = live_in(f), find_loops(f), predecessors(f)
    order = reverse_postorder(f)
    nest = {b: sorted((h for h in loops if b in loops[h].blocks), key=lambda h: -len(loops[h].blocks)) for b in order}
    used = {h: {v for b in loop.blocks for v in used_vars(f.blocks[b])} for h, loop in loops.items()}
    records: dict[str, list[Var]] = {}
    unchanging = [v for v in unchanging_params(f) if v in {x for vs in live.values() for x in vs}]
    if unchanging:
        records[WHOLE] = unchanging
        nest = {b: [WHOLE, *heads] for b, heads in nest.items()}
    for h in sorted(loops, key=lambda h: -len(loops[h].blocks)):
        outer = {v for o in nest[h] if o != h for v in records[o]}
        records[h] = [v for v in live[h] if v not in used[h] and v not in outer]
    after_call = {b.terminator.then.block for b in f.blocks.values() if isinstance(b.terminator, Call)}
    blocks = {}
    for name in order:
        block = f.blocks[name]
        waiting = {v for h in nest[name] for v in records[h]}
        by_value = [v for v in live[name] if v not in waiting]
        inline = name not in loops and (len(pred[name]) <= 1 or name in after_call)
        chain = _chain(name, block.params, block.lets, block.terminator, rev.activity)
        blocks[name] = Continuation(name, list(block.params), by_value, nest[name], chain, inline, name in loops)
    return Closures(rev, blocks, records, loops)


def _chain(name: str, params: list[Var], lets: list[Let], end: Terminator | None, activity: Activity) -> list[Closure]:
    chain = [Closure(name, list(params))]
    for let in lets:
        if has_adjoint(let, activity):
            then = f"{name}.k{len(chain)}"
            chain[-1].operation, chain[-1].then = let, then
            chain.append(Closure(then, list(let.outs)))
        else:
            chain[-1].straight.append(let)
    chain[-1].end = end
    return chain


# ---- long blocks
def cut_block(c: Closures, name: str) -> None:
    """Replace a block of more than PIECE operations by pieces of about equal lengths."""
    block = c.blocks[name]
    lets = c.reverse.function.blocks[name].lets
    n = -(-len(lets) // PIECE)
    if n < 2:
        return
    runs = [lets[len(lets) * i // n : len(lets) * (i + 1) // n] for i in range(n)]
    names = [name, *(f"{name}.s{i}" for i in range(1, n))]
    end, last = block.chain[-1].end, _last_uses(c, block, runs)
    nest, found = list(block.nest), {}
    for i, (own, run) in enumerate(zip(names, runs, strict=True)):
        is_first, goes_on = i == 0, i + 1 < n
        chain = _chain(own, block.params if is_first else [], run, Jump(Edge(names[i + 1])) if goes_on else end, c.activity)
        given = (block.params, block.by_value) if is_first else ([], [])
        found[own] = Continuation(own, *given, list(nest), chain, block.inline and is_first, block.is_head and is_first, not is_first)
        defined = [*(block.inputs if is_first else []), *(o for let in run for o in let.outs)]
        waiting = [v for v in defined if last.get(v, i) > i]
        if waiting:
            record = f"{own}.kept"
            c.records[record] = waiting
            c.kept.add(record)
            nest.append(record)
    c.blocks = {k: b for key, old in c.blocks.items() for k, b in (found if key == name else {key: old}).items()}


def _last_uses(c: Closures, block: Continuation, runs: list[list[Let]]) -> dict[Var, int]:
    """The last run that needs a variable; what comes after the block is part of the last."""
    last = {a: i for i, run in enumerate(runs) for let in run for a in let.args if isinstance(a, Var)}
    end = block.chain[-1].end
    after = [a for a in terminator_atoms(end) if isinstance(a, Var)]
    for e in edges(end):
        target = c.blocks[e.block]
        after += [*target.by_value, *(v for h in target.nest if h not in block.nest for v in c.records[h])]
    return last | dict.fromkeys(after, len(runs) - 1)


# ---- as text
def show_closures(c: Closures) -> str:
    """A variable with an adjoint has a prime."""
    return "\n".join(line for line, _ in closure_lines(c)) + "\n"


def closure_lines(c: Closures) -> Iterator[tuple[str, Site | None]]:
    """The same line by line, with the place of each operation."""

    def mark(v: Var) -> str:
        return f"{v.name}'" if v in c.activity else v.name

    rev = c.reverse
    yield f"reverse {rev.name}({', '.join(map(mark, rev.function.params))}, k)", None
    if WHOLE in c.records:
        yield f"  -- unchanged by recursion: {', '.join(map(mark, c.records[WHOLE]))}", None
    for b in c.blocks.values():
        kind = "loop head" if b.is_head else "inlined" if b.inline else "piece" if b.is_piece else "join"
        record = f"; record: {', '.join(map(mark, c.records[b.name]))}" if b.is_head and c.records[b.name] else ""
        yield f"  -- {b.name}: {kind}; by value: {', '.join(map(mark, b.by_value)) or 'nothing'}{record}", None
        for closure in b.chain:
            yield f"  {closure.name}({', '.join(map(mark, closure.params))}) =", None
            for let in closure.straight:
                yield f"    {show_let(let)}", let.site
            if closure.operation is not None:
                let = closure.operation
                shown = show_let(Let((), let.op, let.args, let.attrs))
                yield f"    {shown[: shown.index('(') + 1]}{shown[shown.index('(') + 1 :].replace(')', f', {closure.then})', 1)}", let.site
            else:
                yield f"    {show_terminator(closure.end)}", None

"""Which functions run backwards from a tape, and what their tape holds.

A recursion in continuation-passing style keeps the frames of every finished call until the way back. Where the function is made of numbers
alone, reads arrays but writes none, and leaves its loops at their heads, two functions do the same with less memory: one that runs forward
and writes to a tape what the way back reads, and one that runs backwards and reads it (lower/taped.py).

What is written belongs to a block: results of calls and of expensive operations (or their derivatives) to the block in which they are
made, a carried value of a loop to the block that all its readers come after, a loop's trip count and last values to the block from which the
loop is entered. What can be computed again is: from the parameters, which the caller gives once more, and from elements of arrays.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ...core.analysis import Loop, find_loops, immediate_dominators, predecessors
from ...core.graph import Atom, Block, Branch, Call, Edge, Function, Jump, Let, Var, edges
from ...core.op import TABLE
from ...core.types import BOOL, I64, Array, Scalar, Type
from ..cps import has_adjoint
from ..reverse import Reverse, Reverses
from .policies import Kept, counter_of, inductions_of, way_back_reads

FUNCTION = ""  # the region outside of all loops


@dataclass(frozen=True)
class Site:
    """Where something is read: in a block, or where a loop is left, at which its head runs once more."""

    block: str
    last: bool = False


@dataclass
class TapedLoop:
    """A loop, entered from one block alone and left at its head alone."""

    loop: Loop
    parent: str
    before: str
    body: Edge
    exit: Edge
    start: dict[Var, Atom]
    inductions: dict[Var, int]
    counter: tuple[Var, Atom] | None


@dataclass
class Taped:
    """A function on a tape. `fields` of each block: (key, type), where a key is a variable, (Let, "result"), (Let, argument number),
    ("count", head) or ("last", head parameter)."""

    rev: Reverse
    loops: dict[str, TapedLoop]
    region: dict[str, str]
    kept: dict[Let, Kept] = field(default_factory=dict)
    needed: set[tuple[Var, bool]] = field(default_factory=set)  # with: as it is where the loop of the head that defines it is left?
    fields: dict[str, list[tuple[Any, Type]]] = field(default_factory=dict)

    @property
    def wanted(self) -> frozenset[int]:
        """The parameters that the way back reads."""
        return frozenset(i for i, p in enumerate(self.rev.function.params) if (p, False) in self.needed)


def pays(f: Function, chunked: set[str]) -> bool:
    """Has it a loop with calls in it, or with loops that frames would be kept of? A loop in one other that runs `chunked` needs no tape as
    long as itself."""
    loops = find_loops(f)
    if any(isinstance(f.blocks[name].terminator, Call) for loop in loops.values() for name in loop.blocks):
        return True
    depth = {head: sum(head in loop.blocks for loop in loops.values()) for head in loops}
    return any(n > 1 and (n > 2 or head not in chunked) for head, n in depth.items())


def calls_of(f: Function) -> list[Call]:
    return [b.terminator for b in f.blocks.values() if isinstance(b.terminator, Call)]


def plan_tape(reverses: Reverses, start: Reverse) -> dict[str, Taped] | None:
    """Plans of a function in reverse and of all that it calls, by name; None if one of them cannot be."""
    found: dict[str, Taped] = {}
    work = [start]
    while work:
        rev = work.pop()
        if rev.name not in found:
            taped = _shape(rev)
            if taped is None:
                return None
            found[rev.name] = taped
            work += [reverses.of_call(rev, t) for t in calls_of(rev.function)]
    wanted: dict[str, frozenset[int]] = dict.fromkeys(found, frozenset())
    while True:  # what a callee reads of its arguments, its callers must give again
        for taped in found.values():
            _Needs(taped, {id(t): wanted[reverses.of_call(taped.rev, t).name] for t in calls_of(taped.rev.function)}).run()
        if wanted == (wanted := {name: taped.wanted for name, taped in found.items()}):
            return found


def _shape(rev: Reverse) -> Taped | None:
    f = rev.function
    if not may_be_taped(f):
        return None
    found = find_loops(f)
    nest = {name: sorted((h for h in found if name in found[h].blocks), key=lambda h: len(found[h].blocks)) for name in f.blocks}
    region = {name: heads[0] if heads else FUNCTION for name, heads in nest.items()}
    above, loops = predecessors(f), {}
    for head, loop in found.items():
        parent = next((h for h in nest[head] if h != head), FUNCTION)
        made = _loop(f, loop, parent, above[head])
        if made is None:
            return None
        loops[head] = made
    return Taped(rev, loops, region)


def may_be_taped(f: Function) -> bool:
    """Is it made of numbers alone, and of arrays that it reads?"""
    types = [*f.results, *(p.type for b in f.blocks.values() for p in b.params)]
    return not any(isinstance(t, Array) for t in types) and all(_is_small(let) for b in f.blocks.values() for let in b.lets)


def _is_small(let: Let) -> bool:
    op = TABLE[let.op]
    return not (
        op.whole or op.writes or op.effect or (op.calls and op.adjoint != "rule") or any(not isinstance(o.type, Scalar) for o in let.outs)
    )


def _loop(f: Function, loop: Loop, parent: str, above: list[str]) -> TapedLoop | None:
    head = f.blocks[loop.head]
    outside = [n for n in above if n not in loop.blocks]
    if len(loop.latches) != 1 or len(outside) != 1 or loop.latches[0] == loop.head or not isinstance(head.terminator, Branch):
        return None
    inside = [e for e in edges(head.terminator) if e.block in loop.blocks]
    leaving = [e for n in loop.blocks for e in edges(f.blocks[n].terminator) if e.block not in loop.blocks]
    if len(inside) != 1 or len(leaving) != 1 or leaving[0] not in edges(head.terminator) or inside[0].block == loop.head:
        return None
    if any(TABLE[let.op].expensive for let in head.lets):
        return None  # the head runs once more where the loop is left
    entering = [e for e in edges(f.blocks[outside[0]].terminator) if e.block == loop.head]
    if len(entering) != 1 or any(isinstance(f.blocks[n].terminator, Call) for n in above):
        return None
    start = dict(zip(head.params, entering[0].args, strict=True))
    counter = counter_of(f, loop)
    inductions = inductions_of(f, loop)
    return TapedLoop(loop, parent, outside[0], inside[0], leaving[0], start, inductions, counter)


def part_loops(f: Function) -> bool:
    """Between two loops that follow one another is a block: what is kept of the second one stands there, and not in an iteration of the first.
    Was there none?"""
    loops, before = find_loops(f), len(f.blocks)
    for head, loop in loops.items():
        for e in edges(f.blocks[head].terminator):
            if e.block in loops and e.block not in loop.blocks and head not in loops[e.block].blocks:
                name = next(n for n in (f"{head}.left{i}" for i in itertools.count(1)) if n not in f.blocks)
                f.blocks[name] = Block(name, [], [], Jump(Edge(e.block, e.args)))
                e.block, e.args = name, ()
    return len(f.blocks) > before


class _Needs:
    """What the way back of one function reads."""

    def __init__(self, taped: Taped, callees: dict[int, frozenset[int]]) -> None:
        self.taped, self.callees = taped, callees
        self.f, self.activity = taped.rev.function, taped.rev.activity
        self.idom = immediate_dominators(self.f)
        self.home = {v: b.name for b in self.f.blocks.values() for v in [*b.params, *(o for let in b.lets for o in let.outs)]}
        self.made = {o: let for b in self.f.blocks.values() for let in b.lets for o in let.outs}
        self.arrives: dict[str, list[tuple[Site, Edge]]] = {}
        for name, b in self.f.blocks.items():
            for e in edges(b.terminator):
                self.arrives.setdefault(e.block, []).append((Site(name, self.leaves(name, e)), e))
        self.readers: dict[Var, list[Site]] = {}  # of carried values
        self.lasts: dict[Var, str] = {}
        self.results: dict[Var, None] = {}
        taped.kept, taped.needed, taped.fields = {}, set(), {}
        self.work: list[tuple[Var, bool]] = []

    def leaves(self, name: str, e: Edge) -> bool:
        return name in self.taped.loops and e is self.taped.loops[name].exit

    def want(self, site: Site, atoms: Iterable[Atom]) -> None:
        for a in atoms:
            if not isinstance(a, Var) or isinstance(a.type, Array):
                continue
            head = self.home.get(a, "")
            last = head in self.taped.loops and (site.block not in self.taped.loops[head].loop.blocks or site == Site(head, True))
            if head in self.taped.loops and not last and a not in self.made:
                self.readers.setdefault(a, []).append(site)
            if (a, last) not in self.taped.needed:
                self.taped.needed.add((a, last))
                self.work.append((a, last))

    def run(self) -> None:
        for head, loop in self.taped.loops.items():
            if loop.counter is not None:
                counter, limit = loop.counter
                self.want(Site(loop.before), [loop.start[counter], limit])
            for let in self.f.blocks[head].lets:
                self.seed(Site(head, True), let)
        for name, b in self.f.blocks.items():
            for let in b.lets:
                self.seed(Site(name), let)
            if isinstance(b.terminator, Branch) and name not in self.taped.loops:
                self.want(Site(name), [b.terminator.cond])
            elif isinstance(b.terminator, Call):
                wanted = self.callees[id(b.terminator)]
                self.want(Site(name), (a for i, a in enumerate(b.terminator.args) if i in wanted))
        while self.work:
            self.follow(*self.work.pop())
        self.keep()

    def seed(self, site: Site, let: Let) -> None:
        if not has_adjoint(let, self.activity):
            return
        kept, read = way_back_reads(let, self.activity)
        if kept is not None:
            self.taped.kept.setdefault(let, kept)
        self.want(site, read)

    def follow(self, v: Var, last: bool) -> None:
        home, let = self.home.get(v), self.made.get(v)
        if home is None:
            return  # a parameter
        if let is not None:
            if TABLE[let.op].expensive:
                self.taped.kept.setdefault(let, Kept(True, ())).result = True
            else:
                self.want(Site(home, last), let.args)
            return
        if home in self.taped.loops:
            loop = self.taped.loops[home]
            if v in loop.inductions:
                self.want(Site(loop.before), [loop.start[v]])
            elif last:
                self.lasts[v] = loop.before
            return
        params = self.f.blocks[home].params
        for site, e in self.arrives.get(home, ()):
            skip = len(params) - len(e.args)  # results of a call
            at = params.index(v)
            if at < skip:
                self.results[v] = None
            else:
                self.want(site, [e.args[at - skip]])

    def keep(self) -> None:
        """The fields of each block's entry."""
        fields = self.taped.fields
        for head, loop in self.taped.loops.items():
            if loop.counter is None:
                fields.setdefault(loop.before, []).append((("count", head), I64))
        for p, before in self.lasts.items():
            fields.setdefault(before, []).append((("last", p), p.type))
        for p, sites in self.readers.items():
            if p not in self.taped.loops[self.home[p]].inductions:
                fields.setdefault(self.common(self.home[p], sites), []).append((p, p.type))
        for p in self.results:
            fields.setdefault(self.home[p], []).append((p, p.type))
        for let, kept in self.taped.kept.items():
            own = fields.setdefault(self.home[let.out], [])
            own += [((let, "result"), let.out.type)] if kept.result else []
            own += [((let, i), let.args[i].type) for i in kept.partials]
        for name in list(fields):
            fields[name].sort(key=lambda kv: kv[1] == BOOL)
            if not fields[name]:
                del fields[name]

    def common(self, head: str, sites: list[Site]) -> str:
        """The last block of an iteration that all sites come after."""

        def path(name: str) -> list[str]:
            found = [name]
            while found[-1] != head:
                found.append(self.idom[found[-1]])
            return [n for n in reversed(found) if self.taped.region[n] == head]

        paths = [path(s.block) for s in sites]
        same = 0
        while all(same < len(p) for p in paths) and len({p[same] for p in paths}) == 1:
            same += 1
        return paths[0][same - 1]

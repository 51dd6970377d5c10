"""Long loops in pieces, each of which is a checkpoint: of a loop's state only that between the pieces is kept.

    head(s):  ..  branch more ? body : exit             head(s):  s', where = checkpoint(s, m) {f='f.head'}     m iterations
    body:     ..  jump head(s')                  ->               branch where == 0 ? head(s') : exit

The loop's blocks move to a function, which takes what it carries, the arrays that it writes (as copies) and how many iterations it
is to do at most. It gives these back, with the exit that it has left by, 0 for none, and what its exits need. How many, `Program.pieces` says:

    an int   so many
    "sqrt"   about the square root of those that are left
    "log"    the half of them: recursively, down to LEAF. n iterations keep log2(n) states, and are run log2(n) / 2 times more

Where it is known how many are left, the last piece is a plain call. A loop of scalars that runs in chunks or is replayed (policies.py)
is left alone, and so is one which writes into arrays that may be the same, or which somebody else sees by other names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...core.analysis import Aliases, dominators, drop_unreachable, find_loops, references
from ...core.dims import UNKNOWN
from ...core.graph import (
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
    Return,
    Var,
    edges,
    substitute,
)
from ...core.op import REVERSE, TABLE
from ...core.types import BOOL, I32, I64, Array, Type, element
from ...ops import table
from ...ops.derivative import CHECKPOINT
from ...ops.memory import ALLOC, COPY, DIM
from ...passes.apart import Apart
from ...passes.explicit import Fresh, unused, write_back
from ...passes.sizes import Sizes
from ..reverse import Reverses
from .carried import LEAF, ONE, SHORT, ZERO, State, writes
from .policies import plan_loops


def pieces(program: Program) -> bool:
    """Cut the outermost loops of all that is differentiated, and those inside of them.

    the entry has its loops cut into pieces of 10
    fn f(%x: f64[n], %b: bool[m], %d: f64[n]) -> (f64[n]) {
    entry:
      %y: f64[n], %g: f64[n] = pullback(%x, %b, %d) {f='g', wrt=(0,), ct=(0,), cotangents=1}
      return %g
    }
    fn g(%a: f64[n], %b: bool[m]) -> (f64[n]) {
    entry:
      jump loop(%a)
    loop(%s: f64[n]):
      %t: f64[n] = cumsum(%s) {reverse=0}
      %more: bool = load(%b, 0:i64)
      branch %more ? loop(%t) : exit()
    exit:
      return %s
    }
    ->
    fn f(%x: f64[n], %b: bool[m], %d: f64[n]) -> (f64[n]) {
    entry:
      %y: f64[n], %g: f64[n] = pullback(%x, %b, %d) {f='g', wrt=(0,), ct=(0,), cotangents=1}
      return %g
    }
    fn g(%a: f64[n], %b: bool[m]) -> (f64[n]) {
    entry:
      jump loop(%a)
    exit:
      return %after.0
    loop(%s.at: f64[n]):
      %go.0: f64[n], %go.1: i64 = checkpoint(%s.at, 10:i64, %b) {f='g.loop', apart=True}
      %more_: bool = ieq(%go.1, 0:i64)
      branch %more_ ? loop(%go.0) : loop.after(%go.0, %go.1)
    loop.after(%after.0: f64[n], %after.1: i64):
      jump exit()
    }
    fn g.loop(%s.in: f64[n], %most: i64, %b.in: bool[m]) -> (f64[n], i64) {
    entry:
      jump loop.turn(%s.in, 0:i64)
    loop.turn(%s: f64[n], %count: i64):
      %more_: bool = ilt(%count, %most)
      branch %more_ ? loop() : stop()
    stop:
      %s.copy: f64[n] = copy(%s)
      return %s.copy, 0:i64
    leave1:
      %s.copy_: f64[n] = copy(%s)
      return %s.copy_, 1:i64
    loop:
      %t: f64[n] = cumsum(%s) {reverse=0}
      %more: bool = load(%b.in, 0:i64)
      %count.next: i64 = iadd(%count, 1:i64)
      branch %more ? loop.turn(%t, %count.next) : leave1()
    }
    """
    if program.pieces is not None:
        _cut_all(program)
    program.pieces, changed = None, program.pieces is not None
    return changed


def _cut_all(program: Program) -> None:
    work: list[tuple[str, set[str], bool]] = [(name, set(), False) for name in _differentiated(program)]
    while work:
        name, done, inside = work.pop()
        while (cut := next(_candidates(program, program.functions[name], done, inside), None)) is not None:
            done.add(cut.loop.head)
            work.append((cut.run(), {cut.turn}, True))


def may_be_cut(program: Program) -> bool:
    """Are there loops to cut?"""
    return any(next(_candidates(program, program.functions[name], set(), False), None) is not None for name in _differentiated(program))


def _differentiated(program: Program) -> list[str]:
    """What runs backwards."""
    work = [
        let.attrs["f"] for f in program.functions.values() for b in f.blocks.values() for let in b.lets if TABLE[let.op].calls == REVERSE
    ]
    seen = dict.fromkeys(work)
    while work:
        for name in references(program.functions[work.pop()]):
            if name not in seen:
                seen[name] = None
                work.append(name)
    return list(seen)


def _candidates(program: Program, f: Function, done: set[str], inside: bool) -> Iterator[_Cut]:
    """The loops of a function that are to be cut, outermost first. `inside` of one that is, those that only write into arrays are not:
    each of their pieces would copy what they write. One that carries arrays as well keeps some for each iteration."""
    loops = find_loops(f)
    if not loops.keys() - done:
        return
    aliases = Aliases(program)
    elsewhere: set[Var | None] = {root for g in program.functions.values() if g is not f for root in writes(g, aliases)}
    plans = plan_loops(f, Reverses(program).get(f.name, [True] * len(f.params)).activity)
    for head, loop in sorted(loops.items(), key=lambda item: -len(item[1].blocks)):
        plan = plans.get(head)
        if head not in done and (plan is None or (plan.counter is not None and plan.stores and not plan.effects and not inside)):
            cut = _Cut(program, f, loop, aliases, elsewhere, plan)
            if cut.fits() and not (inside and cut.changed and not any(isinstance(p.type, Array) for p in cut.params)):
                yield cut


class _Cut(State):
    """The loop that is to be cut."""

    def run(self) -> str:
        """The name of the function of a piece."""
        self.above = dominators(self.f)
        targets = [(e.block, e.args) for _, e in self.exits]
        self.given = [*self.params, *self.changed]
        self.types = (*(v.type for v in self.given), I64, *(_open(v.type) for v in self.left))
        self.moved = {n: b for n, b in self.f.blocks.items() if n in self.loop.blocks}
        before = self.entering()
        sizes = Sizes(self.f)
        piece = self.piece(sizes)
        self.outer_loop(before, targets, piece, self.halves(piece) if self.program.pieces == "log" else piece)
        drop_unreachable(self.f)
        self.new_results(self.program.functions[piece])
        return piece

    def piece(self, sizes: Sizes) -> str:
        """fn piece(carried, changed, most, other): the loop for `most` iterations."""
        name = unused(self.program, f"{self.f.name}.{self.head.name}")
        fresh = Fresh(Function(name, [], {**self.moved, **{n: self.f.blocks[n] for n in self.fails}}))
        most = fresh("most", I64)
        inside = {v: fresh(f"{v.name}.in", v.type) for v in (*self.params, *self.outer)}
        measured = self.measured(sizes)
        self.passed = [v for v in self.outer if v not in self.changed and v not in measured]
        entry = Block("entry")
        entry.lets += [Let((inside[v],), DIM.name, (inside[a],), {"axis": axis}) for v, (a, axis) in measured.items()]
        copies = {v: fresh(f"{v.name}.own", v.type) for v in (*self.changed, *(p for p in self.params if p in self.copied))}
        entry.lets += [Let((c,), COPY.name, (inside[v],)) for v, c in copies.items()]
        start = tuple(copies.get(p, inside[p]) for p in self.params)
        blocks = [entry, *(self.counted if self.is_counted else self.free)(entry, start, inside, most, fresh)]
        blocks += [*self.moved.values(), *(self.failing(n, fresh) for n in self.fails)]
        g = Function(
            name, [*(inside[v] for v in self.given), most, *(inside[v] for v in self.passed)], {b.name: b for b in blocks}, self.types
        )
        substitute(blocks[1:], {v: copies.get(v, inside[v]) for v in self.outer})
        self.program.functions[name] = g
        return name

    def counted(self, entry: Block, start: tuple[Atom, ...], inside: dict[Var, Var], most: Var, fresh: Fresh) -> list[Block]:
        """A loop with another limit: a piece is a loop of the same kind."""
        assert self.counter is not None
        counter, limit = self.counter
        end, last, ended, where = fresh("end", I64), fresh("last", I64), fresh("ended", BOOL), fresh("where", I64)
        old = inside[limit] if isinstance(limit, Var) else limit
        entry.lets += [Let((end,), table.iadd.name, (inside[counter], most)), Let((last,), table.imin.name, (end, old))]
        entry.terminator = Jump(Edge(self.turn, start))
        test = next(let for let in self.head.lets if let.out is self.head.terminator.cond)  # type: ignore[union-attr]
        test.args = (counter, last)
        ((_, e),) = self.exits
        e.block, e.args = "stop", ()
        lets = [Let((ended,), table.ile.name, (old, end)), Let((where,), table.select.name, (ended, ONE, ZERO))]
        return [Block("stop", [], lets, Return((*self.given, where, *self.left)))]

    def free(self, entry: Block, start: tuple[Atom, ...], inside: dict[Var, Var], most: Var, fresh: Fresh) -> list[Block]:
        """A loop that counts its turns besides."""
        count, more = fresh("count", I64), fresh("more", BOOL)
        entry.terminator = Jump(Edge(self.turn, (*start, ZERO)))
        test = Let((more,), table.ilt.name, (count, most))
        turn = Block(self.turn, [*self.params, count], [test], Branch(more, Edge(self.head.name), Edge("stop")))
        self.head.params = []
        for n in self.loop.latches:
            following = fresh("count.next", I64)
            self.moved[n].lets.append(Let((following,), table.iadd.name, (count, ONE)))
            for e in edges(self.moved[n].terminator):
                if e.block == self.head.name:
                    e.block, e.args = self.turn, (*e.args, following)
        blocks = [turn, self.leaving("stop", 0, None, fresh)]
        for k, (n, e) in enumerate(self.exits, 1):
            blocks.append(self.leaving(f"leave{k}", k, n, fresh))
            e.block, e.args = f"leave{k}", ()
        return blocks

    def measured(self, sizes: Sizes) -> dict[Var, tuple[Var, int]]:
        """The integers that are sizes of arrays which are passed: they are measured there, and known to be sizes."""
        found = {}
        known = {
            sizes.dim(v, axis): (v, axis) for v in (*self.params, *self.outer) if isinstance(v.type, Array) for axis in range(v.type.rank)
        }
        for v in self.outer:
            if v.type == I64 and sizes.of(v) in known:
                found[v] = known[sizes.of(v)]
        return found

    def leaving(self, name: str, k: int, source: str | None, fresh: Fresh) -> Block:
        """Return the state, how the loop has been left, and what there is of that which the exits need."""
        block = Block(name)
        rest: list[Atom] = []
        for v in self.left:
            if source is not None and self.inner[v] in self.above[source]:
                rest.append(v)
            elif isinstance(v.type, Array):
                out = fresh(f"{v.name}.none", Array(v.type.dtype, (0,) * v.type.rank))
                block.lets.append(Let((out,), ALLOC.name, (*(ZERO,) * v.type.rank, _zero(element(v.type.dtype)))))
                rest.append(out)
            else:
                rest.append(_zero(v.type))
        block.terminator = Return((*self.given, Const(k, I64), *rest))
        return block

    def new_results(self, g: Function) -> None:
        """Arrays that are returned are new, and no two of them are one."""
        aliases, fresh = Aliases(self.program), Fresh(g)
        apart, params = Apart(g, aliases), [p for p in g.params if isinstance(p.type, Array)]
        for b in g.blocks.values():
            if not isinstance(b.terminator, Return):
                continue
            out: list[Atom] = []
            for a in b.terminator.args:
                if isinstance(a.type, Array) and not all(apart(a, x) for x in (*params, *out) if isinstance(x.type, Array)):
                    assert isinstance(a, Var)
                    copy = fresh(f"{a.name}.copy", a.type)
                    b.lets.append(Let((copy,), COPY.name, (a,)))
                    a = copy
                out.append(a)
            b.terminator = Return(tuple(out))

    def halves(self, piece: str) -> str:
        """fn halves(carried, changed, most, other): two halves, of which the first is a checkpoint."""
        g = self.program.functions[piece]
        name = unused(self.program, f"{piece}.halves")
        fresh = Fresh(g)
        params = [fresh(p.name, p.type) for p in g.params]
        n = len(self.given)
        most, other = params[n], params[n + 1 :]
        small, half, rest, more = fresh("small", BOOL), fresh("half", I64), fresh("rest", I64), fresh("more", BOOL)
        first, second, last = ([fresh("r", t) for t in g.results] for _ in range(3))
        go = Block("first", [], [Let((half,), table.ishr.name, (most, ONE)), Let(tuple(first), CHECKPOINT.name, (*params[:n], half, *other), {"f": name, "apart": True}),
                                 Let((more,), table.ieq.name, (first[n], ZERO))], Branch(more, Edge("second"), Edge("done")))  # fmt: skip
        blocks = [
            Block("entry", [], [Let((small,), table.ile.name, (most, Const(LEAF, I64)))], Branch(small, Edge("leaf"), Edge("first"))),
            Block("leaf", [], [], Call(piece, tuple(params), Edge("ended"))),
            Block("ended", last, [], Return(tuple(last))),
            go,
            Block("done", [], [], Return(tuple(first))),
            Block("second", [], [Let((rest,), table.isub.name, (most, half))], Call(name, (*first[:n], rest, *other), Edge("both"))),
            Block("both", second, [], Return(tuple(second))),
        ]
        self.program.functions[name] = Function(name, params, {b.name: b for b in blocks}, g.results)
        return name

    # ---- what stays
    def outer_loop(self, before: list[Block], targets: list[tuple[str, tuple[Atom, ...]]], piece: str, callee: str) -> None:
        f, how, head = self.f, self.program.pieces, self.head.name
        rest = {name: b for name, b in f.blocks.items() if name not in self.loop.blocks}
        fresh = Fresh(f)
        state = [fresh(f"{v.name}.at", v.type) for v in self.given]
        outs, results, after = ([fresh(f"{n}.{i}", t) for i, t in enumerate(self.types)] for n in ("go", "end", "after"))
        n = len(self.given)
        grows = fresh("most", I64) if self.counter is None and not isinstance(how, int) else None
        for b in before:
            for e in edges(b.terminator):
                if e.block == head:
                    e.args = (*e.args, *self.changed, *([Const(SHORT, I64)] if grows is not None else []))
        go_name, last_name, ended, after_name = (f"{head}.{x}" for x in ("piece", "last", "ended", "after"))
        first = Block(head, [*state, *([grows] if grows is not None else [])])
        most, whole, is_last = self.length(fresh, state, grows, first.lets)
        go = Block(go_name) if is_last is not None else first
        go.lets.append(Let(tuple(outs), CHECKPOINT.name, (*state, most, *self.passed), {"f": callee, "apart": True}))
        following: tuple[Atom, ...] = tuple(outs[:n])
        if grows is not None:
            larger = fresh("most.next", I64)
            go.lets.append(Let((larger,), table.iadd.name, (grows, grows if how == "log" else ONE)))
            following += (larger,)
        more = fresh("more", BOOL)
        go.lets.append(Let((more,), table.ieq.name, (outs[n], ZERO)))
        go.terminator = Branch(more, Edge(head, following), Edge(after_name, tuple(outs)))
        last = Block(last_name, [], [], Call(callee if self.plan is None else piece, (*state, whole, *self.passed), Edge(ended)))
        blocks = [first]
        if is_last is not None:
            first.terminator = Branch(is_last, Edge(last_name), Edge(go_name))
            blocks += [go, last, Block(ended, results, [], Jump(Edge(after_name, tuple(results))))]
        blocks.append(Block(after_name, after))
        mapping: dict[Any, Atom] = dict(zip((*self.params, *self.left), (*after[: len(self.params)], *after[n + 1 :]), strict=True))
        substitute(rest.values(), mapping)
        for x, new in zip(self.changed, after[len(self.params) : n], strict=True):
            blocks[-1].lets += write_back(self.program, fresh, x, new, None)
        for k, (target, args) in enumerate(targets, 1):
            to = Edge(target, tuple(mapping.get(a, a) for a in args))
            if k == len(targets):
                blocks[-1].terminator = Jump(to)
            else:
                here = fresh("here", BOOL)
                blocks[-1].lets.append(Let((here,), table.ieq.name, (after[n], Const(k, I64))))
                blocks[-1].terminator = Branch(here, to, Edge(f"{after_name}{k}"))
                blocks.append(Block(f"{after_name}{k}"))
        f.blocks = {**rest, **{b.name: b for b in blocks}}


def _open(t: Type) -> Type:
    """Of an array that may be none at all."""
    return Array(t.dtype, (UNKNOWN,) * t.rank) if isinstance(t, Array) else t


def _zero(t: Type) -> Const:
    return Const(0 if t in (I64, I32) else False if t == BOOL else 0.0, t)

"""Loops whose iterations need nothing of each other, with calls, branches and loops in them: functions of some of the iterations.

    loop(i):  branch i < n ? body : exit         loop(i):  call f.loop.part(i, n, x.., y..) then after         after:  jump exit
    body:     ..  jump loop(i + 1)        ->
                                                 fn f.loop.part(from, to, x.., y..) parts=..                   the loop from there to there

A back end may call such a function for parts of the range, in any order and at the same time (`Function.parts`). Two iterations touch
no element that one of them writes: every access to an array that is written has one index in common, which moves with the counter. Arrays
that iterations only read are touched by one each in the same way, or are shared: then parts have adjoints of their own, which are added
up. A sum that the loop carries is what such a function gives: those of parts are added up, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...core.analysis import Aliases, Loop, call_graph_cycles, called, drop_unreachable, find_loops, references
from ...core.graph import Atom, Block, Call, Const, Edge, Function, Jump, Let, Program, Return, Var, edges, substitute, used_vars
from ...core.kernel import Access, Gather, kernel_of
from ...core.op import TABLE, read, written
from ...core.types import I64, Array, is_float
from ...ops.memory import codes
from ...ops.table import imax
from ...passes.explicit import Fresh, unused
from ...passes.work import units
from .carried import State

Place = tuple[int, int, tuple[tuple[Var, int], ...]]  # an index: how often the counter, a number, how often what comes from outside
LEAST = 64  # units of an iteration


def parts(program: Program) -> bool:
    """Make functions of the outermost of such loops.

    the entry has its loops run by threads: 2
    fn f(%x: f64[n], %y: f64[n]) -> () {
    entry:
      %n: i64 = dim(%x) {axis=0}
      jump loop(0:i64)
    loop(%i: i64):
      %more: bool = ilt(%i, %n)
      branch %more ? body() : exit()
    body:
      %v: f64 = load(%x, %i) {index='u'}
      %w: f64 = gammaln(%v)
      %u: f64 = gammaln(%w)
      store(%y, %i, %u) {index='p'}
      %j: i64 = iadd(%i, 1:i64)
      jump loop(%j)
    exit:
      return
    }
    ->
    the entry has its loops run by threads: 2
    fn f(%x: f64[n], %y: f64[n]) -> () {
    entry:
      %n: i64 = dim(%x) {axis=0}
      jump loop(0:i64)
    exit:
      return
    loop(%i.at: i64):
      call f.loop.part(%i.at, %n, %x, %y) then loop.after()
    loop.after:
      jump exit()
    }
    fn f.loop.part(%from: i64, %to: i64, %x.in: f64[n], %y.in: f64[n]) -> () parts=(84,) {
    entry:
      jump loop(%from)
    loop(%i: i64):
      %more: bool = ilt(%i, %to)
      branch %more ? body() : stop()
    body:
      %v: f64 = load(%x.in, %i) {index='u'}
      %w: f64 = gammaln(%v)
      %u: f64 = gammaln(%w)
      store(%y.in, %i, %u) {index='p'}
      %j: i64 = iadd(%i, 1:i64)
      jump loop(%j)
    stop:
      return
    }
    """
    if program.threads < 2:
        return False
    cycles, changed = call_graph_cycles({n: {*called(f)} for n, f in program.functions.items()}), False
    for f in list(program.functions.values()):
        done: set[str] = set()
        while (loop := _next(f, done)) is not None:
            done.add(loop.head)
            changed |= _one(program, f, loop, cycles)
    return changed


def _next(f: Function, done: set[str]) -> Loop | None:
    """The largest loop that nobody has looked at."""
    return max((loop for head, loop in find_loops(f).items() if head not in done), key=lambda loop: len(loop.blocks), default=None)


def _one(program: Program, f: Function, loop: Loop, cycles: set[str]) -> bool:
    try:
        if f.name in cycles:
            raise WholeError("its function calls itself")
        found = _Parts(program, f, loop, Aliases(program), set(), None)
        found.check()
    except WholeError as e:
        lets = [let for name in loop.blocks for let in f.blocks[name].lets]
        program.whole[f"{f.name}.{loop.head}"] = str(e), next((let.site for let in lets if let.site is not None), None)
        return False
    found.run()
    return True


class WholeError(Exception):
    """Why a loop stays whole."""


@dataclass(eq=False)
class _Parts(State):
    """One loop."""

    sums: dict[Var, tuple[str, Let, Atom]] = field(default_factory=dict)  # what is carried: the block and the operation that adds, the term

    def check(self) -> None:
        """WholeError if iterations may need something of each other, or do too little."""
        if self.counter is None or not self.is_counted or len(self.head.lets) != 1:
            raise WholeError("it does not count from one number to another")
        if self.head.terminator.then.block not in self.loop.blocks:  # type: ignore[union-attr]
            raise WholeError("it does not count from one number to another")
        self.made = {o: let for name in (*self.loop.blocks, *self.fails) for let in self.f.blocks[name].lets for o in let.outs}
        self.start = [
            e.args[self.params.index(self.counter[0])] for b in self.entering() for e in edges(b.terminator) if e.block == self.loop.head
        ]
        for p in self.params:
            if p is not self.counter[0]:
                self.sums[p] = self.sum(p)
        if self.left:
            raise WholeError("what an iteration has computed is used behind it")
        self.effects()
        self.shared = self.touched()
        self.cost = units(self.program, {name: self.f.blocks[name] for name in self.loop.blocks}, self.inside(), self.f)
        if self.cost < LEAST:
            raise WholeError("its iterations do little")

    # ---- sums
    def sum(self, p: Var) -> tuple[str, Let, Atom]:
        """p = p + term, once in each iteration, and nothing else sees it."""
        blocks = [self.f.blocks[name] for name in (*self.loop.blocks, *self.fails)]
        at = self.params.index(p)
        (following,) = (e.args[at] for e in edges(self.f.blocks[self.loop.latches[0]].terminator) if e.block == self.loop.head)
        uses = [v for b in blocks for v in used_vars(b)]
        let = self.made.get(following) if isinstance(following, Var) else None
        if let is None or TABLE[let.op].sums != "+" or uses.count(p) != 1 or uses.count(let.out) != 1 or p not in let.args:
            raise WholeError("an iteration needs what the one before it has computed")
        name = self.inner[let.out]
        once = name in self.apart.above[self.loop.latches[0]] and not any(name in x.blocks for x in self.inside().values())
        if isinstance(p.type, Array) or not once:
            raise WholeError("an iteration needs what the one before it has computed")
        return name, let, let.args[1] if let.args[0] is p else let.args[0]

    def inside(self) -> dict[str, Loop]:
        """The loops in it."""
        return {h: x for h, x in find_loops(self.f).items() if h in self.loop.blocks and h != self.loop.head}

    # ---- effects
    def effects(self) -> None:
        """No iteration calls Python, draws or takes part in a continuation, nor does a function that it calls."""
        here = Function("", [], {name: self.f.blocks[name] for name in (*self.loop.blocks, *self.fails)})
        outer = {self.root(v) for v in self.outer if isinstance(v.type, Array)}
        seen: dict[str, None] = {}
        work = references(here)
        while work:
            name = work.pop()
            if name not in seen:
                seen[name] = None
                work += references(self.program.functions[name])
        for g in (here, *(self.program.functions[name] for name in seen)):
            for let in (let for b in g.blocks.values() for let in b.lets):
                if TABLE[let.op].effect or TABLE[let.op].record:
                    raise WholeError("an iteration calls Python, draws or prints")
                if g is not here and any(self.root(v) in outer for v in written(let)):
                    raise WholeError("a function that it calls writes into an array from outside of it")

    # ---- memory
    def touched(self) -> list[Var]:
        """The arrays that many iterations may read. WholeError if one is written that others touch."""
        outer = {self.root(v) for v in self.outer if isinstance(v.type, Array)}
        found: dict[Var | None, list[tuple[Var, tuple[Place | None, ...], bool]]] = {}
        for name in (*self.loop.blocks, *self.fails):
            block = self.f.blocks[name]
            accesses = [x for let in block.lets for x in self.accesses(let)]
            if isinstance(block.terminator, Call):
                accesses += [(a, (), False) for a in block.terminator.args if isinstance(a, Var) and isinstance(a.type, Array)]
            for v, places, writes in accesses:
                if self.root(v) in outer:
                    found.setdefault(self.root(v), []).append((v, places, writes))
        shared: dict[Var, None] = {}
        for uses in found.values():
            own = len({v for v, *_ in uses}) == 1 and uses[0][0] not in self.inner and self.is_own([places for _, places, _ in uses])
            if not own and any(writes for *_, writes in uses):
                raise WholeError(f"iterations may touch elements of `{uses[0][0].name}` that others write")
            if not own:
                shared.update((v, None) for v in self.outer if self.root(v) is self.root(uses[0][0]))
        return list(shared)

    @staticmethod
    def is_own(uses: list[tuple[Place | None, ...]]) -> bool:
        """Has each access one and the same index that moves with the counter?"""
        return (
            any(all(p is not None and p[0] and p == column[0] for p in column) for column in zip(*uses, strict=True))
            if all(uses)
            else False
        )

    def accesses(self, let: Let) -> list[tuple[Var, tuple[Place | None, ...], bool]]:
        """The arrays that an operation touches: where, and whether it writes."""
        op = TABLE[let.op]
        if op.indexed:
            array, n = let.args[0], len(codes(let))
            places = tuple(self.index(a, letter) for a, letter in zip(let.args[1 : 1 + n], codes(let), strict=True))
            return [(array, places, bool(op.writes))]  # type: ignore[list-item]
        if op.nest:
            k = kernel_of(let)
            inputs = [*k.inputs, *(r.start for r in k.results)]
            found = [(x.base, self.row(x), False) for x in inputs if isinstance(x, (Access, Gather))]
            return found + [(x.base, self.row(x), True) for r in k.results for x in (r.into, r.at) if x is not None]
        if op.measures or op.aliases:
            return []
        touched = dict.fromkeys((*read(let), *(a for a in let.args if op.calls and isinstance(a.type, Array))), False) | dict.fromkeys(
            written(let), True
        )
        return [(v, (), writes) for v, writes in touched.items()]

    def row(self, x: Access | Gather) -> tuple[Place | None, ...]:
        if isinstance(x, Gather):
            return ()
        return tuple(self.place(s) if q < 0 or _is_zero(t) else None for s, t, q in zip(x.starts, x.steps, x.axes, strict=True))

    def index(self, a: Atom, letter: str) -> Place | None:
        """Of an element. One that may count from the end could be that of another iteration."""
        found = self.place(a)
        if found is None or letter in "up":
            return found
        counts_up = all(isinstance(s, Const) and found[0] * s.value + found[1] >= 0 for s in self.start)
        return found if not found[2] and ((found[0] > 0 and counts_up) or (found[0] == 0 and found[1] >= 0)) else None

    def place(self, a: Atom) -> Place | None:
        """An integer as a sum."""
        if isinstance(a, Const):
            return 0, int(a.value), ()
        if self.counter is not None and a is self.counter[0]:
            return 1, 0, ()
        if a not in self.inner:
            return 0, 0, ((a, 1),)
        let = self.made.get(a)
        if let is None or not (TABLE[let.op].ring or TABLE[let.op].bounded):
            return None
        x, y = self.place(let.args[0]), (0, 0, ()) if TABLE[let.op].bounded else self.place(let.args[1])
        if x is None or y is None:
            return None
        ring = TABLE[let.op].ring or "+"
        if ring in "+-":
            return _plus(x, y, 1 if ring == "+" else -1)
        for number, other in ((x, y), (y, x)):
            if number[0] == 0 and not number[2]:
                return _plus((0, 0, ()), other, number[1])
        return None

    # ---- the function of a part
    def run(self) -> None:
        assert self.counter is not None
        (counter, limit), f, head = self.counter, self.f, self.head
        name = unused(self.program, f"{f.name}.{head.name}.part")
        moved = {n: b for n, b in f.blocks.items() if n in self.loop.blocks}
        fresh = Fresh(Function(name, [], {**moved, **{n: f.blocks[n] for n in self.fails}}))
        start, end = fresh("from", I64), fresh("to", I64)
        head.lets[0].args = (counter, end)
        outer = [v for v in self.outer if any(v in set(used_vars(f.blocks[n])) for n in (*moved, *self.fails))]
        inside = {v: fresh(f"{v.name}.in", v.type) for v in outer}
        zeros = [Const(-0.0 if is_float(p.type) else 0, p.type) for p in self.sums]
        at = [self.params.index(p) for p in (counter, *self.sums)]
        entry = Block("entry", [], [], Jump(Edge(head.name, (start, *zeros))))
        blocks = {b.name: b for b in (entry, *moved.values(), *(self.failing(n, fresh) for n in self.fails))}
        for e in edges(f.blocks[self.loop.latches[0]].terminator):
            if e.block == head.name:
                e.args = tuple(e.args[i] for i in at)
        exit = self.exits[0][1]
        left, to = exit.args, exit.block
        exit.block, exit.args, head.params = "stop", (), [counter, *self.sums]
        blocks["stop"] = Block("stop", [], [], Return(tuple(self.sums)))
        substitute(blocks.values(), dict(inside))
        places = tuple(2 + outer.index(v) for v in self.shared if v in inside)
        results = tuple(p.type for p in self.sums)
        self.program.functions[name] = Function(name, [start, end, *inside.values()], blocks, results, parts=(self.cost, *places))
        self.outer_part(name, outer, limit, to, left)

    def outer_part(self, name: str, given: list[Var], limit: Atom, to: str, left: tuple[Atom, ...]) -> None:
        """What stays: the call, and what sums have started from."""
        assert self.counter is not None
        f, head = self.f, self.head.name
        f.blocks = {n: b for n, b in f.blocks.items() if n not in self.loop.blocks}
        fresh = Fresh(f)
        new = {p: fresh(f"{p.name}.at", p.type) for p in self.params}
        here, totals = new[self.counter[0]], {p: fresh(f"{p.name}.sum", p.type) for p in self.sums}
        first, after = Block(head, list(new.values())), Block(unused_block(f, f"{head}.after"), list(totals.values()))
        first.terminator = Call(name, (here, limit, *given), Edge(after.name))
        mapping: dict[Var, Atom] = {}
        for p, (_, let, _) in self.sums.items():
            mapping[p] = out = fresh(f"{p.name}.from", p.type)
            after.lets.append(Let((out,), let.op, (new[p], totals[p]), dict(let.attrs)))
        rest = [b for n, b in f.blocks.items() if n not in self.fails]
        if self.counter[0] in (*left, *(v for b in rest for v in used_vars(b))):
            mapping[self.counter[0]] = last = fresh(f"{self.counter[0].name}.last", I64)
            after.lets.append(Let((last,), imax.name, (limit, here)))
        after.terminator = Jump(Edge(to, tuple(mapping.get(a, a) for a in left)))  # type: ignore[arg-type]
        substitute(rest, mapping)
        f.blocks |= {first.name: first, after.name: after}
        drop_unreachable(f)


def unused_block(f: Function, name: str) -> str:
    while name in f.blocks:
        name += "_"
    return name


def _is_zero(t: Atom) -> bool:
    return isinstance(t, Const) and t.value == 0


def _plus(x: Place, y: Place, factor: int) -> Place:
    terms = dict(x[2])
    for v, n in y[2]:
        terms[v] = terms.get(v, 0) + factor * n
    return x[0] + factor * y[0], x[1] + factor * y[1], tuple(sorted(((v, n) for v, n in terms.items() if n), key=lambda pair: pair[0].name))

"""Loops whose iterations do not depend on each other, side by side."""

from __future__ import annotations

from collections import Counter

from ...core.analysis import Aliases, Loop, references
from ...core.graph import Atom, Block, Branch, Call, Const, Edge, Function, Jump, Let, Program, Var, defined_vars, edges, terminator_atoms
from ...core.kernel import Access, kernel_of
from ...core.op import PLAIN, TABLE, can_fail, written
from ...core.types import I64, SIDE, Array
from ...ops.table import iadd, ilt, imax, imul, ishr, isub
from ..simplify.bounds import Facts, counted, preheader
from .clones import Clones, order
from .varied import MixedError, Varied
from .widen import Widen

SHIFT = SIDE.bit_length() - 1


def side_by_side(program: Program) -> bool:
    """See below."""
    changed = False
    for f in [f for f in program.functions.values() if len(f.blocks) > 1]:
        done: set[str] = set()
        facts = Facts(f)
        while (name := next((n for n in facts.loops if n not in done), None)) is not None:
            done.add(name)
            try:
                loop = Outer(program, f, facts, facts.loops[name])
            except MixedError:
                continue
            done.update(loop.put())
            facts, changed = Facts(f), True
    return changed


class Outer:
    """One loop: what it carries, what it writes, and its body for all lanes."""

    def __init__(self, program: Program, f: Function, facts: Facts, loop: Loop) -> None:
        self.program, self.f, self.facts, self.loop = program, f, facts, loop
        found, self.head = counted(f, loop, facts), f.blocks[loop.head]
        outside = [n for n in facts.pred[loop.head] if n not in loop.blocks]
        if found is None or len(self.head.params) != 1 or len(self.head.lets) != 1 or len(outside) != 1 or not self.pays():
            raise MixedError
        (self.counter, self.limit), self.outside = found, outside[0]
        (self.first,) = facts.incoming(self.counter)[0]
        self.blocks = [f.blocks[n] for n in order(f) if n in loop.blocks and n != loop.head]
        self.aliases = Aliases(program)
        self.clones = Clones(program, self.aliases)
        self.varied = Varied(self.aliases, f, self.blocks, [self.counter], self.apart(), self.clones.flags, self.harmless())
        if self.shared & self.varied.roots:
            raise MixedError
        self.made = self.widen()

    def pays(self) -> bool:
        """Is there a loop in it, a derivative or a call?"""
        inner = any(n in self.loop.blocks for n in self.facts.loops if n != self.loop.head)
        lets = [let for n in self.loop.blocks for let in self.f.blocks[n].lets]
        calls = any(isinstance(self.f.blocks[n].terminator, Call) for n in self.loop.blocks)
        return inner or calls or any(TABLE[let.op].derivative for let in lets)

    def harmless(self) -> dict[str, Loop]:
        """Loops in it that compute numbers alone: a lane that has left one keeps its own, while others go on. (A derivative would
        go through what they compute for it meanwhile.)"""
        named = [
            let.attrs["f"] for g in self.program.functions.values() for b in g.blocks.values() for let in b.lets if TABLE[let.op].derivative
        ]
        if any(self.f in reachable(self.program, name) for name in dict.fromkeys(named)):
            return {}
        inner = {n: loop for n, loop in self.facts.loops.items() if n in self.loop.blocks and n != self.loop.head}
        return {n: loop for n, loop in inner.items() if self.is_harmless(loop, inner)}

    def is_harmless(self, loop: Loop, inner: dict[str, Loop]) -> bool:
        blocks = [self.f.blocks[n] for n in loop.blocks]
        t = self.f.blocks[loop.head].terminator
        leaves = [e.block for b in blocks for e in edges(b.terminator) if e.block not in loop.blocks]
        alone = isinstance(t, Branch) and leaves == [t.orelse.block] and not any(n in loop.blocks for n in inner if n != loop.head)
        return alone and not any(not TABLE[let.op].scalar or can_fail(let) for b in blocks for let in b.lets)

    # ---- arrays from outside
    def apart(self) -> set[Var]:
        """Those that are written: each iteration has places of its own, by its number."""
        inside = {v for b in self.blocks for v in defined_vars(b)}
        used = [a for b in self.blocks for a in _used(b)]
        self.shared = {self.aliases.root(a) for a in used if isinstance(a, Var) and isinstance(a.type, Array) and a not in inside}
        writes = {self.aliases.root(v) for b in self.blocks for let in b.lets for v in written(let)} & self.shared
        axes: dict[Var, set[int]] = {}
        for b in self.blocks:
            given = [a for a in terminator_atoms(b.terminator) if isinstance(a.type, Array) and self.aliases.root(a) in self.shared]
            given += [a for let in b.lets for a in let.args if TABLE[let.op].calls == PLAIN and isinstance(a.type, Array)]
            if any(self.aliases.is_written(a) for a in given):
                raise MixedError
            for let in b.lets:
                for root, found in self.places(let, writes):
                    axes[root] = axes.get(root, found) & found
        if not all(axes.get(r) for r in writes):
            raise MixedError
        return writes

    def places(self, let: Let, writes: set[Var]) -> list[tuple[Var, set[int]]]:
        """For each access to such an array the axes along which it is at the number of the iteration."""
        op = TABLE[let.op]
        if op.measures:
            return []
        if op.indexed:
            root = self.aliases.root(let.args[0])
            return [(root, {k for k, a in enumerate(let.args[1:]) if a is self.counter})] if root in writes else []
        found = []
        if op.nest:
            k = kernel_of(let)
            for x in (*k.inputs, *(r.into for r in k.results), *(r.start for r in k.results)):
                if isinstance(x, Access) and self.aliases.root(x.base) in writes:
                    found.append((self.aliases.root(x.base), {j for j, a in enumerate(x.starts) if a is self.counter and x.axes[j] < 0}))
        names = [a for a in let.args if isinstance(a, Var) and isinstance(a.type, Array) and self.aliases.root(a) in writes]
        return found if len(found) == len(names) else [(self.aliases.root(a), set()) for a in names]

    # ---- the body
    def widen(self) -> dict[str, Block]:
        names = {v.name for b in self.f.blocks.values() for v in defined_vars(b)} | {p.name for p in self.f.params}
        copy = Widen(self.clones, self.varied, names, {})
        self.copy = copy
        taken = set(self.f.blocks)

        def label(name: str) -> str:
            n = 1
            while (new := f"{name}.side{n}") in taken:
                n += 1
            taken.add(new)
            return new

        renamed = {n: label(n) for n in self.loop.blocks}
        made = {renamed[b.name]: Block(renamed[b.name]) for b in self.blocks}
        self.turn = copy.var(self.counter.name, I64)
        self.more, self.next = copy.var("more", self.head.lets[0].out.type), copy.var("next", I64)
        start = Block(label("start"))
        copy.lets = start.lets
        base = copy.emit(imul.name, [self.turn, Const(SIDE, I64)], I64)
        here = copy.emit(iadd.name, [self.first, base], I64)
        copy.env[self.counter] = tuple(copy.emit(iadd.name, [here, Const(i, I64)], I64) if i else here for i in range(SIDE))
        for b in self.blocks:
            made[renamed[b.name]].params = [copy.copy_of(p) for p in b.params]
        t = self.head.terminator
        assert isinstance(t, Branch)
        start.terminator = Jump(copy.edge(t, t.then, renamed, self.f))
        latch = Block(label("latch"), [], [Let((self.next,), iadd.name, (self.turn, Const(1, I64)))])
        self.label, self.after = renamed[self.loop.head], label("after")
        latch.terminator = Jump(Edge(self.label, (self.next,)))
        for b in self.blocks:
            self.fill(copy, b, made[renamed[b.name]], {**renamed, self.loop.head: latch.name})
        self.start = start
        return {start.name: start, **made, latch.name: latch}

    def fill(self, copy: Widen, old: Block, new: Block, renamed: dict[str, str]) -> None:
        """A block; the edges back to the head bring nothing."""
        t = old.terminator
        back = [e for e in edges(t) if e.block == self.loop.head]
        if not back:
            copy.block(old, new, renamed, self.f)
            return
        if not isinstance(t, Jump):
            raise MixedError
        copy.lets = new.lets
        used = Counter(a for b in self.blocks for a in _used(b))
        for let in old.lets:
            if let.outs != t.edge.args or used[let.out] > 1:  # not the old counter's next value
                copy.let(let)
        new.terminator = Jump(Edge(renamed[self.loop.head]))

    def put(self) -> list[str]:
        """Put the new loop before the old one, which does what is left; the names of all loops that are done with."""
        f, block = self.f, preheader(self.f, self.f.blocks[self.outside], self.loop.head)
        copy = self.copy
        copy.lets = block.lets
        span = copy.emit(isub.name, [self.limit, self.first], I64)
        turns = copy.emit(ishr.name, [copy.emit(imax.name, [span, Const(0, I64)], I64), Const(SHIFT, I64)], I64)
        rest: Atom = copy.emit(iadd.name, [self.first, copy.emit(imul.name, [turns, Const(SIDE, I64)], I64)], I64)
        block.terminator = Jump(Edge(self.label, (Const(0, I64),)))
        head = Block(self.label, [self.turn], [Let((self.more,), ilt.name, (self.turn, turns))])
        head.terminator = Branch(self.more, Edge(self.start.name), Edge(self.after))
        new = {head.name: head, **self.made, self.after: Block(self.after, [], [], Jump(Edge(self.loop.head, (rest,))))}
        f.blocks.update(new)
        self.program.functions.update(self.clones.made)
        return [*self.loop.blocks, *new]


def reachable(program: Program, name: str) -> list[Function]:
    """A function and all that it calls."""
    found, work = {name: program.functions[name]}, [name]
    while work:
        new = [n for n in references(found[work.pop()]) if n not in found and n in program.functions]
        found.update((n, program.functions[n]) for n in new)
        work += dict.fromkeys(new)
    return list(found.values())


def _used(b: Block) -> list[Atom]:
    return [*(a for let in b.lets for a in let.args), *terminator_atoms(b.terminator)]


side_by_side.__doc__ = """A counted loop around loops, calls or derivatives, whose iterations go one way and touch, in arrays from outside of it
that they write, only places of their own: sixteen of them at once, in vector registers. What is left of them runs as before. Here nothing differs
between iterations but where they write; a float that does is a block of lanes (f64x16), an int is one for each lane.

fn f(%x: f64, %y: f64[?], %n: i64) -> () {
entry:
  jump loop(0:i64)
loop(%i: i64):
  %more: bool = ilt(%i, %n)
  branch %more ? body() : exit()
body:
  jump inner(0:i64, %x)
inner(%j: i64, %s: f64):
  %on: bool = ilt(%j, 9:i64)
  branch %on ? turn() : end()
turn:
  %t: f64 = sin(%s)
  %k: i64 = iadd(%j, 1:i64)
  jump inner(%k, %t)
end:
  store(%y, %i, %s) {index='u'}
  %next: i64 = iadd(%i, 1:i64)
  jump loop(%next)
exit:
  return
}
->
fn f(%x: f64, %y: f64[?], %n: i64) -> () {
entry:
  %w.17: i64 = isub(%n, 0:i64)
  %w.18: i64 = imax(%w.17, 0:i64)
  %w.19: i64 = ishr(%w.18, 4:i64)
  %w.20: i64 = imul(%w.19, 16:i64)
  %w.21: i64 = iadd(0:i64, %w.20)
  jump loop.side1(0:i64)
loop(%i: i64):
  %more: bool = ilt(%i, %n)
  branch %more ? body() : exit()
body:
  jump inner(0:i64, %x)
inner(%j: i64, %s: f64):
  %on: bool = ilt(%j, 9:i64)
  branch %on ? turn() : end()
turn:
  %t: f64 = sin(%s)
  %k: i64 = iadd(%j, 1:i64)
  jump inner(%k, %t)
end:
  store(%y, %i, %s) {index='u'}
  %next: i64 = iadd(%i, 1:i64)
  jump loop(%next)
exit:
  return
loop.side1(%i.1: i64):
  %more.1: bool = ilt(%i.1, %w.19)
  branch %more.1 ? start.side1() : after.side1()
start.side1:
  %w: i64 = imul(%i.1, 16:i64)
  %w.1: i64 = iadd(0:i64, %w)
  %w.2: i64 = iadd(%w.1, 1:i64)
  %w.3: i64 = iadd(%w.1, 2:i64)
  %w.4: i64 = iadd(%w.1, 3:i64)
  %w.5: i64 = iadd(%w.1, 4:i64)
  %w.6: i64 = iadd(%w.1, 5:i64)
  %w.7: i64 = iadd(%w.1, 6:i64)
  %w.8: i64 = iadd(%w.1, 7:i64)
  %w.9: i64 = iadd(%w.1, 8:i64)
  %w.10: i64 = iadd(%w.1, 9:i64)
  %w.11: i64 = iadd(%w.1, 10:i64)
  %w.12: i64 = iadd(%w.1, 11:i64)
  %w.13: i64 = iadd(%w.1, 12:i64)
  %w.14: i64 = iadd(%w.1, 13:i64)
  %w.15: i64 = iadd(%w.1, 14:i64)
  %w.16: i64 = iadd(%w.1, 15:i64)
  jump body.side1()
body.side1:
  jump inner.side1(0:i64, %x)
inner.side1(%j.1: i64, %s.1: f64):
  %on.1: bool = ilt(%j.1, 9:i64)
  branch %on.1 ? turn.side1() : end.side1()
turn.side1:
  %t.1: f64 = sin(%s.1)
  %k.1: i64 = iadd(%j.1, 1:i64)
  jump inner.side1(%k.1, %t.1)
end.side1:
  store(%y, %w.1, %s.1) {index='u'}
  store(%y, %w.2, %s.1) {index='u'}
  store(%y, %w.3, %s.1) {index='u'}
  store(%y, %w.4, %s.1) {index='u'}
  store(%y, %w.5, %s.1) {index='u'}
  store(%y, %w.6, %s.1) {index='u'}
  store(%y, %w.7, %s.1) {index='u'}
  store(%y, %w.8, %s.1) {index='u'}
  store(%y, %w.9, %s.1) {index='u'}
  store(%y, %w.10, %s.1) {index='u'}
  store(%y, %w.11, %s.1) {index='u'}
  store(%y, %w.12, %s.1) {index='u'}
  store(%y, %w.13, %s.1) {index='u'}
  store(%y, %w.14, %s.1) {index='u'}
  store(%y, %w.15, %s.1) {index='u'}
  store(%y, %w.16, %s.1) {index='u'}
  jump latch.side1()
latch.side1:
  %next.1: i64 = iadd(%i.1, 1:i64)
  jump loop.side1(%next.1)
after.side1:
  jump loop(%w.21)
}
"""

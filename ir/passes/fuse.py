"""Fusion: a kernel whose array only other kernels read becomes part of them.

    %y = kernel(%n, %x ..) {f='each_sin'}             %s = kernel(%n, %x ..) {f='each_sin_sum', results=(('sum',),)}
    %s = kernel(%n, %y ..) {f='each_sum', sum}   ->

The reader's access to the array is composed with the maker's accesses: x read at s + t * p, where p = start + step * i,
is x read at (s + t * start) + (t * step) * i. What is computed again for several readers must be cheap; an expensive
array with several readers is made by its first one on the way, so that it is read once less. A kernel of several results
goes the same way; equal operations of the two bodies become one. (Bodies are simplified by the next pass, once each.)
"""

from __future__ import annotations

import functools
import itertools
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from ..core.analysis import Aliases, references
from ..core.graph import Atom, Block, Function, Let, Program, Var, terminator_atoms
from ..core.kernel import ZERO, Access, Gather, Index, Kernel, Result, expensive, is_idle, kernel_of, same_element
from ..core.op import TABLE, Op, written
from ..core.types import I64
from ..ops.table import iadd, imul
from .apart import Apart
from .bodies import Body, is_one, is_zero, known_integer, name_of

CHEAP = 4  # operations that may be computed again for each reader
REPEATED = 2  # for each element of a reader that goes over the array many times
LARGEST = 200  # operations of a kernel


def fuse(program: Program) -> bool:
    """Kernels that read what others make become one with them, and the arrays between them are not made.

    fn f(%n: i64, %x: f64[?]) -> (f64) {
    entry:
      %y: f64[?] = kernel(%n, %x, 0:i64, 1:i64) {f='each', rank=1, inputs=(('a', 0),), results=(('map',),)}
      %s: f64 = kernel(%n, %y, 0:i64, 1:i64) {f='same', rank=1, inputs=(('a', 0),), results=(('sum',),)}
      return %s
    }

    fn each(%a: f64) -> (f64) {
    entry:
      %b: f64 = sin(%a)
      return %b
    }

    fn same(%a: f64) -> (f64) {
    entry:
      return %a
    }
    ->
    fn f(%n: i64, %x: f64[?]) -> (f64) {
    entry:
      %s: f64 = kernel(%n, %x, 0:i64, 1:i64) {f='same.each', rank=1, inputs=(('a', 0),), results=(('sum',),), fails=False}
      return %s
    }

    fn same.each(%v1: f64) -> (f64) {
    entry:
      %v2: f64 = sin(%v1)
      return %v2
    }
    """
    kernels = any(TABLE[let.op].nest for f in program.functions.values() for b in f.blocks.values() for let in b.lets)
    if not kernels:
        return False
    aliases = Aliases(program)
    changed = [_Fusion(program, f, aliases).run() for f in list(program.functions.values())]
    return drop_unused(program) or any(changed)


def fuse_function(program: Program, f: Function, aliases: Aliases) -> list[Function]:
    """Fuse the kernels of one function of the program; the scalar functions that this has made."""
    fusion = _Fusion(program, f, aliases)
    fusion.run()
    return list(fusion.made.values())


def drop_unused(program: Program) -> bool:
    """Functions that nothing refers to any more."""
    seen: set[str] = set()
    work = [program.entry]
    while work:
        name = work.pop()
        if name not in seen:
            seen.add(name)
            work += references(program.functions[name])
    unused = [n for n in program.functions if n not in seen]
    for name in unused:
        del program.functions[name]
    return bool(unused)


@dataclass(eq=False)
class _Slot:
    """A place in a block: its operation (None: it has gone into others), and the integer arithmetic that this needs."""

    number: int
    let: Let | None
    kernel: Kernel | None
    before: list[Let] = field(default_factory=list)


class _Fusion:
    """A worklist of kernels: who reads what is kept up to date, so that a join costs what it changes."""

    def __init__(self, program: Program, f: Function, aliases: Aliases) -> None:
        self.program, self.f, self.aliases = program, f, aliases
        names = [v.name for b in f.blocks.values() for let in b.lets for v in let.outs]
        self.counter = max([int(name[3:]) for name in names if name.startswith("at.") and name[3:].isdigit()], default=0)
        self.made: dict[str, Function] = {}  # scalar functions of joined kernels
        self.bodies: dict[str, Body] = {}  # of these
        self.names: Counter[str] = Counter()
        self.facts: dict[str, tuple[int, bool]] = {}
        self.joins = 0

    @functools.cached_property
    def apart(self) -> Apart:
        return Apart(self.f, self.aliases)

    def run(self) -> bool:
        self.uses = Counter(v for b in self.f.blocks.values() for let in b.lets for v in _variables(let.args))
        self.uses.update(v for b in self.f.blocks.values() for v in _variables(terminator_atoms(b.terminator)))
        for block in self.f.blocks.values():
            self.block(block)
        return self.drop_results() or self.joins > 0

    def block(self, block: Block) -> None:
        self.slots = [_Slot(i, let, kernel_of(let) if TABLE[let.op].nest else None) for i, let in enumerate(block.lets)]
        self.home = {o: s for s in self.slots if s.kernel is not None for o in s.let.outs}  # type: ignore[union-attr]
        self.readers: dict[Var, set[int]] = {}
        self.writers: dict[Var, list[tuple[int, Var]]] = {}
        for s in self.slots:
            assert s.let is not None
            for v in _variables(s.let.args) & self.home.keys():
                self.readers.setdefault(v, set()).add(s.number)
            for v in dict.fromkeys(written(s.let)):
                self.writers.setdefault(self.aliases.root(v), []).append((s.number, v))
        work = [s.number for s in self.slots if s.kernel is not None]
        waiting = set(work)
        while work:
            number = heappop(work)
            waiting.discard(number)
            for again in self.one(self.slots[number]):
                if again not in waiting:
                    waiting.add(again)
                    heappush(work, again)
        block.lets = [let for s in self.slots for let in (*s.before, s.let) if let is not None]
        idle = [let for let in block.lets if TABLE[let.op].nest and is_idle(let, self.program.functions)]
        block.lets = [let for let in block.lets if let not in idle]
        self.joins += len(idle)

    def one(self, slot: _Slot) -> list[int]:
        """Let a kernel become part of its readers, if it may. The kernels to look at again."""
        maker = slot.let
        if maker is None or not self.can_be_part(maker):
            return []
        here = sorted({i for o in maker.outs for i in self.readers.get(o, ())})
        if not here:
            return []
        readers = [self.slots[i] for i in here]
        cost, dear = self.fact(maker.attrs["f"])
        all_here = all(self.uses[o] == len(self.readers.get(o, ())) for o in maker.outs)
        plain = all(self.is_plain_reader(r, maker) for r in readers)
        if all_here and plain and (len(here) == 1 or (not dear and cost <= CHEAP)):
            return self.join(slot, readers, False) if all(self.allowed(slot, r, dear, cost) for r in readers) else []
        first = readers[0]
        if self.is_plain_reader(first, maker) and self.same_space(slot, first) and self.allowed(slot, first, dear, cost):
            return self.join(slot, [first], True)
        return []

    def can_be_part(self, let: Let) -> bool:
        kinds = let.attrs["results"]
        return bool(let.outs) and not let.attrs.get("fails") and all(kind in (("map",), ("drop",)) for kind in kinds)

    def fact(self, name: str) -> tuple[int, bool]:
        """(operations, is one of them expensive) of a scalar function."""
        if name not in self.facts:
            f = self.program.functions[name]
            self.facts[name] = len(f.entry.lets), expensive(f)
        return self.facts[name]

    def is_plain_reader(self, reader: _Slot, maker: Let) -> bool:
        """Is it a kernel that reads what `maker` makes at places of its space, and neither writes nor starts sums there?"""
        k = reader.kernel
        return k is not None and not any(
            _gathers(k, o) or any(isinstance(x, Access) and x.base is o for r in k.results for x in (r.into, r.start)) for o in maker.outs
        )

    def same_space(self, maker: _Slot, reader: _Slot) -> bool:
        """Does the reader read exactly the element that the maker makes, at each point?"""
        k, m = _kernel(reader), _kernel(maker)
        if [name_of(n) for n in k.sizes] != [name_of(n) for n in m.sizes]:
            return False
        whole = tuple(range(len(m.sizes)))
        return all(x.axes == whole and all(map(is_zero, x.starts)) and all(map(is_one, x.steps)) for x in _accesses(k, m))

    def allowed(self, maker: _Slot, reader: _Slot, dear: bool, cost: int) -> bool:
        """May the maker's work move into the reader?"""
        m, k = _kernel(maker), _kernel(reader)
        size, reader_dear = self.fact(k.f)
        if cost + size > LARGEST:
            return False
        if dear != reader_dear and any(isinstance(x, Gather) for x in (m if reader_dear else k).inputs):
            return False  # backwards a gather adds to scattered elements one by one: no SIMD mathematics beside it
        read = {x.base for x in m.inputs if isinstance(x, (Access, Gather))}
        if any(self.is_written_between(v, maker.number, reader.number) for v in read):
            return False
        into = [r.into for r in k.results if r.into is not None and any(self.may_be_one(r.into.base, v) for v in read)]
        if into and any(isinstance(y, Gather) for y in m.inputs):
            return False
        for x in _accesses(k, m):
            repeated = set(range(len(k.sizes))) - set(x.axes)
            if repeated and not all(is_one(k.sizes[q]) for q in repeated) and (dear or cost > REPEATED):
                return False
            for y in [self.compose(y, x, []) for y in m.inputs if into and isinstance(y, Access)]:
                for d in into:
                    if self.may_be_one(d.base, y.base) and not same_element(y, d, name_of):
                        return False
        return not dear or not any(r.kind.startswith("arg") for r in k.results)

    def is_written_between(self, v: Var, first: int, last: int) -> bool:
        """May an operation between these places write into an array?"""
        found = self.writers.get(self.aliases.root(v), [])
        there = itertools.takewhile(lambda w: w[0] < last, found[bisect_right(found, first, key=lambda w: w[0]) :])
        return any(self.may_be_one(v, x) for _, x in there)

    def may_be_one(self, a: Var, b: Var) -> bool:
        """May two arrays be the same memory?"""
        return self.aliases.root(a) is self.aliases.root(b) and not self.apart(a, b)

    # ---- putting two kernels together
    def join(self, slot: _Slot, readers: list[_Slot], keep: bool) -> list[int]:
        """Make the kernel part of these readers; the first one makes the arrays that others still read, if `keep`."""
        maker = slot.let
        assert maker is not None
        self.joins += 1
        gone = [maker.attrs["f"]]
        self.forget(slot)
        for r in readers:
            assert r.let is not None
            gone.append(r.let.attrs["f"])
            self.forget(r)
            kept = [o for o in maker.outs if keep and self.uses[o] > 0]
            goes_on = len(readers) == 1 and self.same_space(slot, r)
            lets, r.kernel = self.extended(slot, r, kept) if goes_on and maker.attrs["f"] in self.bodies else self.joined(slot, r, kept)
            r.before += lets
            r.let = r.kernel.let()
            self.home.update((o, r) for o in kept)
            for let in (*lets, r.let):
                self.uses.update(_variables(let.args))
            for v in _variables(r.let.args) & self.home.keys():
                self.readers.setdefault(v, set()).add(r.number)
        slot.let = slot.kernel = None
        for name in gone:
            if self.made.pop(name, None) is not None:
                del self.program.functions[name]
                self.bodies.pop(name, None)
        return [*(self.home[v].number for v in _variables(maker.args) & self.home.keys()), *(r.number for r in readers)]

    def forget(self, slot: _Slot) -> None:
        assert slot.let is not None
        for v in _variables(slot.let.args):
            self.uses[v] -= 1
            if v in self.readers:
                self.readers[v].discard(slot.number)

    def drop_results(self) -> bool:
        """What a kernel makes beside other things and nobody reads is not written."""
        dropped = False
        for b in self.f.blocks.values():
            for i, let in enumerate(b.lets):
                if TABLE[let.op].nest and any(self.uses[o] == 0 for o in let.outs) and any(self.uses[o] > 0 for o in let.outs):
                    k = kernel_of(let)
                    k.results = [Result("drop") if r.out is not None and not self.uses[r.out] else r for r in k.results]
                    b.lets[i] = k.let()
                    dropped = True
        return dropped

    def named(self, k: Kernel, m: Kernel) -> str:
        base = re.sub(r"(\.\d+)+$", "", f"{k.f}.{m.f}" if len(k.f) < 40 else k.f)
        while True:
            self.names[base] += 1
            name = base if self.names[base] == 1 else f"{base}.{self.names[base]}"
            if name not in self.program.functions:
                return name

    def joined(self, maker: _Slot, reader: _Slot, kept: list[Var]) -> tuple[list[Let], Kernel]:
        """What both did: integer arithmetic for places, and one kernel, which also makes the arrays `kept`."""
        m, k = _kernel(maker), _kernel(reader)
        outs = [r.out for r in m.results]
        inner, outer = self.program.functions[m.f], self.program.functions[k.f]
        lets: list[Let] = []
        build = Body(self.named(k, m))
        subst: dict[Var, Atom] = {}
        produced: dict[Any, list[Atom]] = {}
        for x, p in zip(k.inputs, outer.params, strict=True):
            if isinstance(x, Access) and x.base in outs:
                key = (tuple(map(name_of, x.starts)), tuple(map(name_of, x.steps)), x.axes)
                if key not in produced:
                    produced[key] = self.inline(m, inner, x, build, lets)
                subst[p] = produced[key][outs.index(x.base)]
            else:
                subst[p] = build.input(build.moved(x, outer, subst), p)
        values = build.copy(outer, subst)
        return lets, self.finished(build, m, k, values, {o: next(iter(produced.values()))[outs.index(o)] for o in kept})

    def extended(self, maker: _Slot, reader: _Slot, kept: list[Var]) -> tuple[list[Let], Kernel]:
        """The same where the maker is a joined kernel and its only reader reads just what is made at each point: the reader's operations go
        behind those that are there, so that a long chain costs what it is long."""
        m, k = _kernel(maker), _kernel(reader)
        build, outer = self.bodies[m.f], self.program.functions[k.f]
        made = {r.out: a for r, a in zip(m.results, build.f.returned, strict=True)}
        build.f.name = self.named(k, m)
        subst: dict[Var, Atom] = {}
        for x, p in zip(k.inputs, outer.params, strict=True):
            there = made.get(x.base) if isinstance(x, Access) and isinstance(x.base, Var) else None
            subst[p] = build.input(build.moved(x, outer, subst), p) if there is None else there
        return [], self.finished(build, m, k, build.copy(outer, subst), {o: made[o] for o in kept})

    def finished(self, build: Body, m: Kernel, k: Kernel, values: list[Atom], kept: dict[Var, Atom]) -> Kernel:
        """The kernel of a body that gives k's values, and of m's arrays those that are kept."""
        f = self.made[build.f.name] = self.program.functions[build.f.name] = build.finish([*values, *kept.values()])
        self.bodies[f.name] = build
        extra = {**k.extra, "fails": bool(k.extra.get("fails"))}
        results = [*k.results, *(Result("map", (), None, o) for o in kept)]
        return Kernel(f.name, k.sizes, build.inputs, results, k.site or m.site, extra)

    def inline(self, m: Kernel, inner: Function, x: Access, build: Body, lets: list[Let]) -> list[Atom]:
        """The maker's values where the reader reads them."""
        subst: dict[Var, Atom] = {}
        for y, p in zip(m.inputs, inner.params, strict=True):
            if isinstance(y, Access):
                subst[p] = build.input(self.compose(y, x, lets), p)
            elif isinstance(y, Index):
                q, start, step = x.axes[y.axis], x.starts[y.axis], x.steps[y.axis]
                value = build.input(Index(q), p) if q >= 0 else ZERO
                value = build.integer(imul, value, build.constant(step, p))
                subst[p] = build.integer(iadd, value, build.constant(start, p))
            else:
                subst[p] = build.input(build.moved(y, inner, subst), p)
        return build.copy(inner, subst)

    def compose(self, y: Access, x: Access, lets: list[Let]) -> Access:
        starts, steps, axes = [], [], []
        for s, t, p in zip(y.starts, y.steps, y.axes, strict=True):
            if p < 0:
                starts.append(s)
                steps.append(t)
                axes.append(-1)
                continue
            starts.append(self.integer(lets, iadd, s, self.integer(lets, imul, t, x.starts[p])))
            axes.append(x.axes[p])
            steps.append(self.integer(lets, imul, t, x.steps[p]) if x.axes[p] >= 0 else ZERO)
        return Access(y.base, tuple(starts), tuple(steps), tuple(axes))

    def integer(self, lets: list[Let], op: Op, a: Atom, b: Atom) -> Atom:
        found = known_integer(op, a, b)
        if found is not None:
            return found
        for let in lets:
            if TABLE[let.op] is op and let.args == (a, b):
                return let.out
        self.counter += 1
        out = Var(f"at.{self.counter}", I64)
        lets.append(Let((out,), op.name, (a, b)))
        return out


def _variables(atoms: Iterable[Atom]) -> set[Var]:
    return {a for a in atoms if isinstance(a, Var)}


def _kernel(slot: _Slot) -> Kernel:
    assert slot.kernel is not None
    return slot.kernel


def _accesses(k: Kernel, maker: Kernel) -> list[Access]:
    """Where a kernel reads what another one makes."""
    outs = [r.out for r in maker.results]
    return [x for x in k.inputs if isinstance(x, Access) and x.base in outs]


def _gathers(k: Kernel, v: Var) -> bool:
    """Does a kernel gather from `v`, or by positions that stand in it?"""
    places = {x.place for x in k.inputs if isinstance(x, Gather)}
    return any((isinstance(x, Gather) and x.base is v) or (i in places and getattr(x, "base", None) is v) for i, x in enumerate(k.inputs))

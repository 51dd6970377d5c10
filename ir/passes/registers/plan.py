"""Which arrays are taken apart: those of a few elements, whose number is known, that are used in ways that one can write out."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from ...core.analysis import Aliases, call_graph_cycles, called, find_loops, named, predecessors, references
from ...core.graph import Block, Call, Function, Let, Program, Return, Var, defined_vars, edges, passed
from ...core.kernel import Access
from ...core.op import NEST, PLAIN, TABLE, Stage, can_fail, read, written
from ...core.types import BOOL, F32, F64, I64, Array
from .kernels import extent, growth, is_short
from .known import Known, Shape

MOST = 12  # elements of an array: a gradient of 16 that are carried is slower by half in registers
BUDGET = 4000  # operations that a program may grow by
DEEPER = 8  # times that a loop is thought to run

Place = tuple[Function, Block]


class Plan:
    """The alias classes of arrays, by their roots, that become scalars. `still` are never written once the block that made them has
    ended: such an array is its elements. Others are `moving`: each is an object, which names share, with elements of its own. Of a still
    class some arrays may stay in memory, because nobody knows their sizes."""

    def __init__(self, program: Program) -> None:
        self.program, self.functions = program, reachable(program)
        self.known, self.aliases = Known(program, self.functions), Aliases(program)
        entry = program.functions[program.entry]
        self.constants = dict(zip(entry.params[len(entry.params) - len(program.constants) :], program.constants, strict=True))
        self.open = {
            program.entry,
            *(name for _, _, let in self.lets() if _is_derived(let) for name in named(let)),
        }  # called with arrays as they are
        self.plain: set[int] = set()  # the operations that can be written out, by id
        self.moving: set[Var] = set()
        self.bad: set[Var] = set()
        self.kept: set[Var] = set()  # by more than their names, or not made here
        self.whole: set[Var] = set()  # used by what wants them in memory
        self.worth: defaultdict[Var, float] = defaultdict(float)
        self.growth: defaultdict[Var, int] = defaultdict(int)
        self.reads: set[Var] = set()
        self.returning = {f.name for f in self.functions if any(isinstance(b.terminator, Return) for b in f.blocks.values())}
        self.variables: set[Var] = set()  # that may be scalars
        self.partial: set[Var] = set()  # classes that have others
        self.small = self._small()
        if self.small:
            self._look()
        self.small -= self.bad
        self.moving &= self.small

    def lets(self) -> Iterator[tuple[Function, Block, Let]]:
        return ((f, b, let) for f in self.functions for b in f.blocks.values() for let in b.lets)

    def root(self, a: Any) -> Var | None:
        """The class of an array that may be taken apart."""
        if a not in self.variables:
            return None
        root = self.aliases.root(a)
        return root if root in self.small else None

    def length(self, v: Var) -> int:
        shape = self.known.shape(v)
        assert shape is not None
        return math.prod(shape)

    def choose(self) -> None:
        """Those that are worth it, the best first, as long as the program does not grow too long."""
        self.small &= self.reads
        left, chosen = BUDGET, set()
        for root in sorted((r for r in self.small if self.worth[r] > 0), key=lambda r: -self.worth[r]):
            if self.growth[root] <= left:
                left -= self.growth[root]
                chosen.add(root)
        self.small = chosen
        self.moving &= chosen

    # ---- what is found
    def _small(self) -> set[Var]:
        found: set[Var] = set()
        for f in self.functions:
            for v in (*f.params, *(v for b in f.blocks.values() for v in defined_vars(b))):
                if isinstance(v.type, Array):
                    small = self._is_small(v)
                    (found if small else self.partial).add(self.aliases.root(v))
                    self.variables.update([v] if small else [])
        return {root for root in found if not self.aliases.is_record(root)}

    def _is_small(self, v: Var) -> bool:
        return _is_short(self.known.shape(v)) and v.type.dtype in (F64, F32, I64, BOOL)  # type: ignore[union-attr]

    def _look(self) -> None:
        cycles = call_graph_cycles({f.name: set(called(f)) for f in self.functions})
        for f in self.functions:
            if f.name in self.open:
                self.kept.update(root for p in f.params if (root := self.root(p)) is not None)
            depth = dict.fromkeys(f.blocks, int(f.name in cycles))
            for loop in find_loops(f).values():
                for name in loop.blocks:
                    depth[name] += 1
            pred = predecessors(f)
            for b in f.blocks.values():
                times = DEEPER ** depth[b.name]
                made: dict[Var, Let] = {}
                for let in b.lets:
                    self._let(let, made, times)
                    made.update(dict.fromkeys(let.outs, let))
                self._end(f, b, pred, depth)
        self.bad |= ((self.whole | self.partial) & self.moving) | (self.kept & {self.aliases.root(v) for v in self.aliases.written})

    def _let(self, let: Let, made: dict[Var, Let], times: int) -> None:
        roots = [root for a in (*let.args, *let.outs) if (root := self.root(a)) is not None]
        self.bad.update(self.aliases.root(a) for a in written(let) if a not in self.variables)
        if not roots:
            return
        if self._fits(let):
            self.plain.add(id(let))
            more = self._growth(let)
            for root in dict.fromkeys(roots):
                self.worth[root] += times * 3
                self.growth[root] += more
            self.reads.update(root for a in read(let) if (root := self.root(a)) is not None)
            self.moving.update(root for a in written(let) if (root := self.root(a)) is not None and not _is_home(a, made))
            return
        op = TABLE[let.op]
        self.bad.update(root for a in written(let) if (root := self.root(a)) is not None)
        self.kept.update(root for o in let.outs if (root := self.root(o)) is not None)
        if op.record or op.aliases or op.calls == PLAIN:
            self.kept.update(roots)
        self._whole((*let.args, *let.outs), times)

    def _whole(self, arrays: Iterable[Any], times: int) -> None:
        """Something uses whole arrays: it is given one that is made for it, or its own is read."""
        for a in arrays:
            root = self.root(a)
            if root is not None:
                self.worth[root] -= times * self.length(a)
                self.growth[root] += self.length(a)
                self.whole.add(root)

    def _end(self, f: Function, b: Block, pred: dict[str, list[str]], depth: dict[str, int]) -> None:
        t = b.terminator
        times = DEEPER ** depth[b.name]
        if isinstance(t, Return):
            for i, a in enumerate(t.args):
                if (root := self.root(a)) is not None and f.name in self.open:
                    self.growth[root] += self.length(a)  # type: ignore[arg-type]
                elif root is not None and not self.gives(f.name, i):
                    self._whole([a], times)
        for e in edges(t):
            self._passed(passed(t, e, f.blocks[e.block]), DEEPER ** min(depth[b.name], depth[e.block]))
        if isinstance(t, Call):
            callee = self.program.functions[t.function]
            results = f.blocks[t.then.block].params[: len(callee.results)]
            roots = [root for a in (*t.args, *results) if (root := self.root(a)) is not None]
            if len(pred[t.then.block]) > 1 or t.function not in self.returning:
                self.bad.update(roots)
            if t.function in self.open:
                self.kept.update(roots)
                self._whole((*t.args, *results), times)
            else:
                self._passed(zip(callee.params, t.args, strict=True), times)
                odd = [self.aliases.root(p) for i, p in enumerate(results) if (p in self.variables) != self.gives(t.function, i)]
                self.bad.update(odd)

    def gives(self, function: str, i: int) -> bool:
        """Is a result an array of a few elements, whatever the function returns?"""
        return _is_short(self.known.result(function, i))

    def _passed(self, pairs: Iterable[tuple[Any, Any]], times: int) -> None:
        """From memory to scalars elements are read; for the other way an array is made."""
        for p, a in pairs:
            if p in self.variables and a not in self.variables:
                self.kept.add(self.aliases.root(p))
            elif a in self.variables and p not in self.variables:
                self._whole([a], times)

    # ---- single operations
    def _fits(self, let: Let) -> bool:
        return let.op in FITS and not can_fail_within(let) and bool(FITS[let.op](self, let))

    def _growth(self, let: Let) -> int:
        if not TABLE[let.op].nest:
            return 0
        k = self.known.kernel(let)
        return growth(k, self.program.functions[k.f])


def reachable(program: Program) -> list[Function]:
    """The functions that run, or are differentiated; the entry first."""
    found: dict[str, None] = {}
    work = [program.entry]
    while work:
        name = work.pop()
        if name not in found:
            found[name] = None
            work += references(program.functions[name])
    return [program.functions[name] for name in found]


FITS = Stage("arrays as scalars", lambda op: False)


def can_fail_within(let: Let) -> bool:
    return TABLE[let.op].nest and can_fail(let)


@FITS.of("alloc", "copy", "reshape", "dim")
def _always(plan: Plan, let: Let) -> bool:
    arrays = [a for a in (*let.args, *let.outs) if isinstance(a.type, Array)]
    if TABLE[let.op].aliases:  # one of them in memory is no other one's elements
        return all(a in plan.variables for a in arrays)
    return all(plan.known.shape(a) is not None for a in arrays)


@FITS.of("load", "store")
def _element(plan: Plan, let: Let) -> bool:
    shape = plan.known.shape(let.args[0])
    if shape is None or let.args[0] not in plan.variables:
        return False
    at = [plan.known.integer(i) for i in let.args[1 : 1 + len(shape)]]
    return all(i is not None and -n <= i < n for i, n in zip(at, shape, strict=True))


@FITS.of("kernel")
def _kernel(plan: Plan, let: Let) -> bool:
    k = plan.known.kernel(let)
    if not is_short(k, plan.program.functions[k.f]):
        return False
    places = [x for x in (*k.inputs, *(y for r in k.results for y in (r.into, r.start))) if isinstance(x, Access)]
    for x in places:
        if plan.root(x.base) is None:
            continue
        ends = extent(x, k)
        shape = plan.known.shape(x.base)
        if ends is None or any(low < 0 or high >= n for (low, high), n in zip(ends, shape, strict=True)):  # type: ignore[arg-type]
            return False
    return True


def _is_short(shape: Shape | None) -> bool:
    return shape is not None and 0 < math.prod(shape) <= MOST


def _is_home(a: Any, made: dict[Var, Let]) -> bool:
    """Has the block made the array that it writes to?"""
    while a in made and TABLE[made[a].op].aliases:
        a = made[a].args[0]
    return a in made


def _is_derived(let: Let) -> bool:
    """Does it run a function of the program in a way of its own?"""
    return TABLE[let.op].calls not in ("", NEST)


__all__ = ["MOST", "Plan"]

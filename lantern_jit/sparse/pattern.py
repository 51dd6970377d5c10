"""The pattern of a Jacobian or a Hessian: a program run on sets of columns in place of numbers.

Sizes, loop counters and whatever else does not depend on floats are numbers; so loops take their steps, and kernels all of their points at
once. Where a condition depends on floats both ways are gone, again and again until nothing new is found, up to where they meet; a write
there adds to what an element may be. What is read at a place that is not known may be any element. So the pattern holds for all values of
the floats.

A second derivative may be other than zero where two columns meet in an operation that is not linear in both (interactions.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..ir.core.analysis import postdominators
from ..ir.core.errors import UnsupportedOperationError
from ..ir.core.graph import Atom, Branch, Call, Const, Edge, Fail, Function, Jump, Let, Program, Return, Var
from ..ir.core.machine import Fault, number
from ..ir.core.op import PLAIN, RING, TABLE, written
from ..ir.core.types import Array, Type, carries_gradient, is_float
from . import library
from .interactions import interactions
from .sets import NONE, Pairs, Sets
from .values import FEW, UNKNOWN, Cells, Ref, is_known, joined, same, sets_of

Env = dict[Var, Any]


@dataclass
class Summary:
    """What the arguments of a function may be, and its results, as far as is known."""

    args: list[Any]
    results: list[Any] | None = None
    changed: bool = False


@dataclass
class Ways:
    """The blocks between a condition that depends on floats and where its ways meet: what their parameters may be, and the results."""

    f: Function
    meet: str
    params: dict[str, list[Any]] = field(default_factory=dict)
    results: list[Any] | None = None
    changed: bool = False


class Run:
    """One run of a program. `unsure` counts conditions under way that depend on floats."""

    def __init__(self, program: Program, sets: Sets, pairs: Pairs | None) -> None:
        self.program, self.sets, self.pairs = program, sets, pairs
        self.unsure, self.changed = 0, False
        self.made: dict[int, Any] = {}  # while unsure, by Let: the arrays that it has made
        self.summaries: dict[str, Summary] = {}  # while unsure, of functions under way
        self.meets: dict[str, dict[str, str]] = {}

    # ---- functions
    def call(self, name: str, args: Sequence[Any]) -> list[Any] | None:
        """The results; None if there are none, as far as is known."""
        if not self.unsure:
            return self.body(self.program.functions[name], args)
        known = self.summaries.get(name)
        if known is not None:  # it is under way: what it gives is found by going on
            known.changed |= self.merge(known.args, args)
            return known.results
        self.summaries[name] = summary = Summary(list(args))

        def again() -> bool:
            summary.changed = False
            found = self.body(self.program.functions[name], summary.args)
            if found is not None:
                summary.changed |= summary.results is None
                summary.results = summary.results or list(found)
                summary.changed |= self.merge(summary.results, found)
            return summary.changed

        self.settle(again)
        del self.summaries[name]
        return summary.results

    def settle(self, again: Callable[[], bool]) -> None:
        """Do something until it says that nothing has changed, and nothing has in memory."""
        any_change = self.changed
        while True:
            self.changed = False
            more = again() or self.changed
            any_change |= self.changed
            if not more:
                break
        self.changed = any_change

    def merge(self, into: list[Any], new: Sequence[Any]) -> bool:
        """What may be one or the other; is there anything new?"""
        changed = False
        for i, x in enumerate(new):
            found = joined(self.sets, into[i], x)
            changed |= not same(found, into[i])
            into[i] = found
        return changed

    def body(self, f: Function, args: Sequence[Any]) -> list[Any] | None:
        env: Env = dict(zip(f.params, args, strict=True))
        block = f.entry
        values: list[Any] = []
        while True:
            env.update(zip(block.params, values, strict=True))
            for let in block.lets:
                self.let(let, env)
            t = block.terminator
            if isinstance(t, Branch) and self.read(env, t.cond) is UNKNOWN:
                meet = self.meet(f, block.name)
                found = self.both(f, block.name, meet, env)
                if not meet or found is None:
                    return found
                block, values = f.blocks[meet], found
                continue
            if isinstance(t, Return):
                return [self.read(env, a) for a in t.args]
            step = self.step(t, env)
            if step is None:
                return None
            block, values = f.blocks[step[0]], step[1]

    def step(self, t: Any, env: Env) -> tuple[str, list[Any]] | None:
        """Where a terminator goes, and with what. None: nowhere."""
        if isinstance(t, Fail):
            return None
        results: list[Any] = []
        if isinstance(t, Call):
            found = self.call(t.function, [self.read(env, a) for a in t.args])
            if found is None:
                return None
            results = found
        edge: Edge = t.edge if isinstance(t, Jump) else t.then if isinstance(t, Call) or self.read(env, t.cond) else t.orelse
        return edge.block, [*results, *(self.read(env, a) for a in edge.args)]

    # ---- conditions that depend on floats
    def meet(self, f: Function, name: str) -> str:
        """Where all ways from a block meet that do not fail; "" if it is where the function ends."""
        if f.name not in self.meets:
            self.meets[f.name] = postdominators(f)
        return self.meets[f.name].get(name, "")

    def both(self, f: Function, name: str, meet: str, env: Env) -> list[Any] | None:
        """What the parameters of the block `meet` may be, or the results of f, after the branch that ends a block."""
        outside = self.made
        self.made = self.made if self.unsure else {}
        self.unsure += 1
        ways = Ways(f, meet)

        def again() -> bool:
            ways.changed = False
            self.arrive(ways, f.blocks[name].terminator, env)
            done: set[str] = set()
            while waiting := [b for b in f.blocks if b in ways.params and b not in done and b != meet]:
                done.add(waiting[0])
                self.visit(ways, waiting[0], env)
            return ways.changed

        self.settle(again)
        self.unsure -= 1
        self.made = outside
        return ways.params.get(meet) if meet else ways.results

    def visit(self, ways: Ways, name: str, env: Env) -> None:
        block = ways.f.blocks[name]
        env.update(zip(block.params, ways.params[name], strict=True))
        for let in block.lets:
            self.let(let, env)
        t = block.terminator
        if isinstance(t, Return):
            ways.results = self.met(ways, ways.results, [self.read(env, a) for a in t.args])
        elif isinstance(t, Branch) and self.read(env, t.cond) is UNKNOWN:
            self.arrive(ways, t, env)
        else:
            step = self.step(t, env)
            if step is not None:
                ways.params[step[0]] = self.met(ways, ways.params.get(step[0]), step[1])

    def arrive(self, ways: Ways, t: Any, env: Env) -> None:
        """Both ways of a branch."""
        for edge in (t.then, t.orelse):
            ways.params[edge.block] = self.met(ways, ways.params.get(edge.block), [self.read(env, a) for a in edge.args])

    def met(self, ways: Ways, known: list[Any] | None, values: list[Any]) -> list[Any]:
        if known is None:
            ways.changed = True
            return values
        ways.changed |= self.merge(known, values)
        return known

    # ---- operations
    def let(self, let: Let, env: Env) -> None:
        op, xs = TABLE[let.op], [self.read(env, a) for a in let.args]
        outs: Sequence[Any]
        if op.scalar:
            outs = [self.scalar(let, xs)]
        elif op.calls == PLAIN:
            found = self.call(let.attrs["f"], xs)
            outs = found if found is not None else [self.nothing(o.type) for o in let.outs]
        elif op.nest:
            outs = library.kernel(self, let, env)
        elif let.op in library.HOW:
            outs = library.HOW[let.op](self, let, xs)
        else:
            outs = self.anything(let, xs)
        env.update(zip(let.outs, outs, strict=True))

    @staticmethod
    def read(env: Env, a: Atom) -> Any:
        return env[a] if isinstance(a, Var) else literal(a)

    def scalar(self, let: Let, xs: Sequence[Any], points: int = 0) -> Any:
        """The result of a scalar operation, at so many points at once if there are any."""
        op = TABLE[let.op]
        floats = is_float(let.out.type)
        if op.equates:
            return xs[0]
        if op.chooses and not (is_known(xs[0]) and not np.ndim(xs[0])):
            return self.chosen(xs, points, floats)
        if all(map(is_known, xs)) and not (floats and points > FEW):
            return self.computed(let, xs, points)
        if op.chooses:
            return xs[1] if xs[0] else xs[2]
        if not floats:
            return UNKNOWN
        if not op.differentiable:
            return NONE
        if op.gates:
            return sets_of(xs[1])
        sets = [sets_of(x) if carries_gradient(a.type) else NONE for a, x in zip(let.args, xs, strict=True)]
        if op.commutes and op.neutral == 1.0:  # a product: times a zero that is known it is none
            sets = [self.kept(s, y, points) for s, y in zip(sets, reversed(xs), strict=True)]
        if self.pairs is not None:
            found = interactions(op, let.attrs) if "*" not in op.signature else itertools.product(range(len(sets)), repeat=2)
            for i, j in found:
                self.pairs.add(sets[i], sets[j])
        return self.sets.union(*sets)

    def kept(self, found: Any, factor: Any, points: int) -> Any:
        """Sets where a factor may be other than zero."""
        if not is_known(factor):
            return found
        if not np.ndim(factor):
            return found if factor != 0 else NONE
        return self.sets.where(found, np.broadcast_to(factor != 0, points))

    def chosen(self, xs: Sequence[Any], points: int, floats: bool) -> Any:
        c, x, y = xs
        if not floats:
            return np.where(c, x, y) if all(map(is_known, xs)) else joined(self.sets, x, y) if not (np.ndim(x) or np.ndim(y)) else UNKNOWN
        x, y = sets_of(x), sets_of(y)
        if is_known(c):
            mask = np.broadcast_to(c, points)
            return self.sets.union(self.sets.where(x, mask), self.sets.where(y, ~mask))
        return self.sets.union(x, y)

    def computed(self, let: Let, xs: Sequence[Any], points: int) -> Any:
        """The value of an operation on numbers."""
        op = TABLE[let.op]
        try:
            if not any(np.ndim(x) for x in xs):
                return op.body(op.machine, *xs, **let.attrs)
            if op.ring:
                return RING[op.ring](*xs)
            return np.array([op.body(op.machine, *at, **let.attrs) for at in zip(*(np.broadcast_to(x, points) for x in xs), strict=True)])
        except Fault:  # the program raises here, unless it never comes here
            return NONE if is_float(let.out.type) else UNKNOWN

    # ---- arrays
    def size(self, n: Any) -> int:
        """A size; an error if it depends on floats."""
        if not is_known(n):
            raise UnsupportedOperationError(
                "the size of an array depends on the values of floats here: there is no pattern that holds for all of them"
            )
        return int(n)

    def array(self, let: Let, shape: Sequence[Any], found: Any = NONE, values: Any = None, out: int = 0) -> Ref:
        """A new array. Where it is not sure how often a Let runs, all that it makes are one."""
        sizes = tuple(map(self.size, shape))
        n = int(np.prod(sizes))
        key = id(let) * 8 + out
        old = self.made.get(key) if self.unsure else None
        if old is None or old.one.size != n:
            new = Ref((Cells(self.sets, n, found, values),), sizes)
            if self.unsure:
                self.made[key] = new
                self.changed = True
            return new
        self.changed |= old.one.put(None if isinstance(found, frozenset) else np.arange(n), found, values, False)
        return Ref(old.cells, sizes)

    def write(self, ref: Ref, places: Any, found: Any, values: Any) -> None:
        """Write elements of an array; see `Cells.put`."""
        surely = not self.unsure and ref.one is not None
        for cells in ref.cells:
            changed = cells.put(places, found, values, surely)
            self.changed |= changed and self.unsure > 0

    def at(self, ref: Ref, places: Any) -> tuple[Any, Any]:
        """(sets, values) of elements; of all of them where the places are not known."""
        if isinstance(places, int):
            sets = [c.get(places) for c in ref.cells]
        elif places is None:
            sets = [self.sets.everything(c.table()) for c in ref.cells]
        else:
            sets = [self.sets.take(c.table(), places) for c in ref.cells]
        values = ref.one.values[places] if places is not None and ref.one is not None and ref.one.values is not None else UNKNOWN
        return self.sets.union(*sets), values

    def element(self, t: Type, sets: Any, values: Any) -> Any:
        """An element that has been read."""
        return values if is_known(values) else sets if is_float(t) else UNKNOWN

    def nothing(self, t: Type) -> Any:
        if isinstance(t, Array):
            raise UnsupportedOperationError("a function that never returns gives an array here: there is no pattern")
        return NONE if is_float(t) else UNKNOWN

    def anything(self, let: Let, xs: Sequence[Any]) -> list[Any]:
        """The results of an operation that is not looked into: all depend on all, and interact."""
        sets = self.sets.union(*(self.sets.everything(self.at(x, None)[0]) if isinstance(x, Ref) else sets_of(x)
                                 for a, x in zip(let.args, xs, strict=True) if carries_gradient(a.type)))  # fmt: skip
        zero = TABLE[let.op].adjoint == "zero"
        if self.pairs is not None and not zero:
            self.pairs.add(sets, sets)
        for a in written(let):
            self.write(xs[let.args.index(a)], None, sets, UNKNOWN)
        return [self.result(let, xs, i, NONE if zero or not carries_gradient(o.type) else sets) for i, o in enumerate(let.outs)]

    def result(self, let: Let, xs: Sequence[Any], i: int, found: Any) -> Any:
        """The i-th result of an operation on whole arrays, whose shape its row says."""
        t = let.outs[i].type
        if not isinstance(t, Array):
            return found if is_float(t) else UNKNOWN
        return self.array(let, library.shape_of(let, xs, i), found, None, i)


def literal(c: Const) -> Any:
    return number(c.value, c.type)  # type: ignore[arg-type]

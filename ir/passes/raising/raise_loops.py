"""Loops that are operations on whole arrays: kernels for them.

loop(%i): .. %v = load(%x, %i) .. store(%y, %i, %w)      ->      kernel(%n, %x .., %y ..) {f='f.loop', results=(('into', 0),)}
loop(%i, %s): .. %v = load(%x, %i) .. %t = add(%s, %v)   ->      %s = kernel(%n, %x .., %start) {.., results=(('ordered', ('s',)),)}

Here is what a loop carries; straight.py has its body without branches, places.py where it touches memory, iterations.py the kernels.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ...core import dims
from ...core.analysis import Aliases
from ...core.graph import Atom, Block, Const, Edge, Function, Jump, Let, Program, Var, defined_vars, same_atom, substitute, terminator_atoms
from ...core.kernel import Same, kernel_of
from ...core.op import TABLE, read, written
from ...core.types import I32, I64, Array, is_float
from ...ops.memory import codes
from ...ops.table import imax, neg, select
from ..fuse import drop_unused
from ..simplify.blocks import blocks
from ..simplify.bounds import Facts, bounds, counted, preheader
from ..simplify.dead import dead
from ..simplify.fresh import fresh
from ..simplify.share import share
from .iterations import Iterations
from .places import Counted, SequentialError, Sum
from .straight import BranchesError, Straight


def raise_loops(program: Program) -> bool:
    """A counted loop that carries nothing from one iteration to the next but sums and extremes, and touches in each only elements that
    no other one writes, is a kernel; so is one around kernels, with one more axis. It is fused with others, its derivative is a kernel,
    and nothing is kept. A sum is Python's, in its order.

    fn f(%x: f64[n], %y: f64[n]) -> () {
    entry:
      %n: i64 = dim(%x) {axis=0}
      jump loop(0:i64)
    loop(%i: i64):
      %more: bool = ilt(%i, %n)
      branch %more ? body() : exit()
    body:
      %v: f64 = load(%x, %i) {index='u'}
      %w: f64 = sin(%v)
      store(%y, %i, %w) {index='u'}
      %j: i64 = iadd(%i, 1:i64)
      jump loop(%j)
    exit:
      return
    }
    ->
    fn f(%x: f64[n], %y: f64[n]) -> () {
    entry:
      %n: i64 = dim(%x) {axis=0}
      kernel(%n, %x, 0:i64, 1:i64, %y, 0:i64, 1:i64) {f='f.loop', rank=1, inputs=(('a', 0),), results=(('into', 0),), fails=False}
      return
    }

    fn f.loop(%v1: f64) -> (f64) {
    entry:
      %v2: f64 = sin(%v1)
      return %v2
    }
    """
    changed = False
    aliases: Aliases | None = None
    for f in list(program.functions.values()):
        while True:
            facts = Facts(f)
            if not facts.loops:
                break
            aliases = aliases or Aliases(program)
            found = next((r for name in facts.loops if (r := _raised(program, f, name, facts, aliases)) is not None), None)
            if found is None:
                break
            found.put()
            for clear in (blocks, share, dead, bounds, fresh):
                clear(f)
            changed = True
    if changed:
        drop_unused(program)
    return changed


def _raised(program: Program, f: Function, name: str, facts: Facts, aliases: Aliases) -> _Raise | None:
    try:
        return _Raise(program, f, name, facts, aliases)
    except (SequentialError, BranchesError):
        return None


@dataclass(eq=False)
class _Raise:
    """One loop: its shape, the sums that it carries, and what takes its place."""

    program: Program
    f: Function
    name: str
    facts: Facts
    aliases: Aliases

    def __post_init__(self) -> None:
        loop = self.facts.loops[self.name]
        found = counted(self.f, loop, self.facts)
        head = self.f.blocks[self.name]
        outside = [n for n in self.facts.pred[self.name] if n not in loop.blocks]
        arrays = any(isinstance(p.type, Array) for p in head.params)
        if found is None or arrays or len(outside) != 1 or len(head.lets) != 1:
            raise SequentialError
        self.counter, limit = found
        self.blocks = loop.blocks
        body = Straight(self.f, self.name, head.terminator.then, self.facts)  # type: ignore[union-attr]
        self.outside, self.exit = outside[0], head.terminator.orelse  # type: ignore[union-attr]
        self.limit, (self.first,) = limit, self.facts.incoming(self.counter)[0]
        inside: set[Atom] = {v for n in loop.blocks for v in defined_vars(self.f.blocks[n])}
        if body.blocks != set(loop.blocks) or any(a in inside and a not in head.params for a in self.exit.args):
            raise SequentialError
        self.lets = body.lets
        self.before: list[Let] = []
        self.behind: list[Let] = []
        self.uses = Counter(a for let in self.lets for a in let.args)
        self.uses.update(body.back)
        carried = zip(head.params, body.back, strict=True)
        sums = [self.sum(p, self.facts.incoming(p)[0][0], back) for p, back in carried if p is not self.counter]
        sums += self.elements(inside)
        if sums and self.is_corner() and not any(TABLE[let.op].expensive for let in self.lets):
            raise SequentialError
        inside.update(o for let in self.lets for o in let.outs)
        around = Counted(self.name, self.counter, self.first, limit, inside, self.lets, sums)
        self.made = Iterations(self.program, self.f, self.facts, self.aliases, around)

    def is_corner(self) -> bool:
        """Does its range change with an outer loop? Then this stays, and a kernel in it, of a few cheap terms, is no faster than a loop.
        (Cholesky's algorithm, 60 x 60, gradient: 57 against 67 us.)"""
        ends = [self.facts.sizes.of(a) for a in (self.first, self.limit)]
        return any(s in self.facts.counters for d in ends for s in dims.symbols(d))

    # ---- sums
    def sum(self, p: Var, entering: Atom, latch: Atom) -> Sum:
        """What the loop carries: p = p + term, with nothing else that sees it."""
        choice = self.taken(latch, 1)
        if choice is not None and TABLE[choice.op].chooses:
            kind = self.extreme(p, choice)
            if kind is not None:
                self.lets.remove(choice)
                return Sum(p, entering, choice.args[1], None, kind)
            return Sum(p, entering, self.chosen(choice, p))
        if choice is not None and TABLE[choice.op].continues:
            inner = self.taken(choice.args[0], 1)
            if inner is None or self.uses[p] != 2 or choice.args[1] is not p or not _starts(inner, choice.args[0], p):
                raise SequentialError
            self.lets.remove(choice)
            return Sum(p, entering, None, choice.args[0])  # type: ignore[arg-type]
        return Sum(p, entering, self.term(p, choice, 1))

    def elements(self, inside: set[Atom]) -> list[Sum]:
        """Sums in elements of arrays that the loop does not move along and touches in no other way: they are read before, and stored
        behind it."""
        sums = []
        arrays = [(self.aliases.root(v), let) for let in self.lets for v in (*read(let), *written(let))]
        for store in [let for let in self.lets if TABLE[let.op].indexed and TABLE[let.op].writes]:
            place, root = store.args[:-1], self.aliases.root(store.args[0])
            load = next((let for let in self.lets if TABLE[let.op].indexed and let.args == place and not set(codes(let)) - {"u"}), None)
            users = [let for other, let in arrays if other is root]
            if load is None or users != [load, store] or any(a in inside for a in place) or not self.is_there(store):
                continue
            start = Var(f"{load.out.name}.before", load.out.type)
            self.before.append(Let((start,), load.op, place, dict(load.attrs), load.site))
            self.lets.remove(load)
            self.lets.remove(store)
            sums.append(self.sum(load.out, start, store.args[-1]))
            self.behind.append(Let((), store.op, (*place, load.out), dict(store.attrs), store.site))
        return sums

    def is_there(self, store: Let) -> bool:
        """Is an element in bounds where the loop does not run?"""
        array, *indices = store.args[:-1]
        assert isinstance(array.type, Array)
        size = self.facts.sizes.dim
        return array.type.dtype != I32 and all(self.facts.is_inside(i, size(array, axis), self.name) for axis, i in enumerate(indices))

    def extreme(self, p: Var, choice: Let) -> str | None:
        """Is it x where x is greater than p, or less, and else p?"""
        test = self.taken(choice.args[0], 1)
        x = choice.args[1]
        if test is None or x is p or self.uses[p] != 2 or not is_float(p.type):
            return None
        order = TABLE[test.op].orders
        if not order or p not in test.args or not all(a is p or same_atom(a, x) for a in test.args):
            return None
        return "argmost" if (order == ">") == (test.args[1] is p) else "argleast"

    def taken(self, a: Atom, uses: int) -> Let | None:
        """The operation that gives `a`, which so many operations use."""
        return next((let for let in self.lets if a in let.outs and self.uses[a] == uses), None)

    def term(self, p: Var, let: Let | None, uses: int) -> Atom:
        """What an operation adds to p."""
        if let is None or self.uses[p] != uses or not TABLE[let.op].sums:
            raise SequentialError
        x, y = let.args
        if x is not p and (y is not p or TABLE[let.op].sums == "-"):
            raise SequentialError
        term = y if x is p else x
        if TABLE[let.op].sums == "+":
            self.lets.remove(let)
            return term
        if p.type == I64:
            raise SequentialError
        return self.instead(let, neg.name, (term,), {})

    def chosen(self, choice: Let, p: Var) -> Atom:
        """The term of the way that is taken. Where there is none: s + (-0.0) is s whatever s is."""
        none = Const(0 if p.type == I64 else -0.0, p.type)
        terms = [none if a is p else self.term(p, self.taken(a, 1), 2) for a in choice.args[1:]]
        return self.instead(choice, select.name, (choice.args[0], *terms), dict(choice.attrs))

    def instead(self, let: Let, op: str, args: tuple[Atom, ...], attrs: dict[str, object]) -> Var:
        out = Var(f"{let.out.name}.term", let.out.type)
        self.lets[self.lets.index(let)] = Let((out,), op, args, attrs, let.site)
        return out

    # ---- the kernels instead of the loop
    def put(self) -> None:
        block = preheader(self.f, self.f.blocks[self.outside], self.name)
        block.lets += [*self.before, *self.made.before, *self.made.kernels, *self.behind]
        block.terminator = Jump(Edge(self.exit.block, self.exit.args))
        for name in self.blocks:
            del self.f.blocks[name]
        left = self.f.blocks.values()
        if any(a is self.counter for b in left for a in _used(b)):
            last = Var(f"{self.name}.last", I64)
            block.lets.append(Let((last,), imax.name, (self.limit, self.first)))
            substitute(left, {self.counter: last})
        substitute(left, self.made.totals)
        self.program.functions.update((f.name, f) for f in self.made.functions)


def _used(b: Block) -> list[Atom]:
    return [*(a for let in b.lets for a in let.args), *terminator_atoms(b.terminator)]


def _starts(let: Let, total: Atom, p: Var) -> bool:
    """Is `total` a sum over all of a kernel's space that begins with p?"""
    if not TABLE[let.op].nest:
        return False
    found = next(r for r in kernel_of(let).results if r.out is total)
    return isinstance(found.start, Same) and found.start.atom is p and not found.axes

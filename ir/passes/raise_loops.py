"""Loops that are operations on whole arrays: a kernel for each.

loop(%i): .. %v = load(%x, %i) .. store(%y, %i, %w)      ->      kernel(%n, %x .., %y ..) {f='f.loop', results=(('into', 0),)}
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core import dims
from ..core.analysis import Aliases
from ..core.graph import Atom, Const, Edge, Function, Jump, Let, Program, Var, substitute, terminator_atoms
from ..core.kernel import ONE, ZERO, Access, Gather, Index, Kernel, Result, Same, kernel_of
from ..core.op import RING, TABLE, can_fail
from ..core.types import I32, I64, Array
from ..ops.memory import codes
from ..ops.table import iadd, imax, imul, isub
from .bodies import Body, name_of
from .fuse import drop_unused
from .simplify.blocks import blocks
from .simplify.bounds import Facts, counted, preheader
from .simplify.dead import dead
from .simplify.share import share

LEAST = 16  # iterations, where their number is known: fewer are unrolled, and stay in registers


def raise_loops(program: Program) -> bool:
    """A counted loop that carries nothing from one iteration to the next, and touches in each only elements that no other one writes,
    is a kernel; so is one around a kernel, with one more axis. It is fused with others, its derivative is a kernel, and nothing is kept.

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
            blocks(f)
            share(f)
            dead(f)
            changed = True
    if changed:
        drop_unused(program)
    return changed


class _No(Exception):
    """This loop is none."""


def _raised(program: Program, f: Function, name: str, facts: Facts, aliases: Aliases) -> _Raise | None:
    try:
        return _Raise(program, f, name, facts, aliases)
    except _No:
        return None


@dataclass(eq=False)
class _Raise:
    """One loop: what is computed before it, and the kernel."""

    program: Program
    f: Function
    name: str
    facts: Facts
    aliases: Aliases
    before: list[Let] = field(default_factory=list)

    def __post_init__(self) -> None:
        loop = self.facts.loops[self.name]
        found = counted(self.f, loop, self.facts)
        head = self.f.blocks[self.name]
        outside = [n for n in self.facts.pred[self.name] if n not in loop.blocks]
        if found is None or len(loop.blocks) != 2 or len(outside) != 1 or len(head.params) != 1 or len(head.lets) != 1:
            raise _No
        self.counter, self.limit = found
        (self.body,) = [self.f.blocks[n] for n in loop.blocks if n != self.name]
        (self.first,) = self.facts.incoming(self.counter)[0]
        self.outside, self.exit = outside[0], head.terminator.orelse  # type: ignore[union-attr]
        self.inside = {self.counter, *(o for let in (*head.lets, *self.body.lets) for o in let.outs)}
        if self.body.params or any(a in self.inside and a is not self.counter for a in self.exit.args):
            raise _No
        self.build = Body(self.unused(f"{self.f.name}.{self.name}"))
        self.values: dict[Var, Atom] = {}
        self.places: dict[Var, tuple[Atom, Atom]] = {self.counter: (self.first, ONE)}
        self.nest: Kernel | None = None  # the loop's own, which gets one more axis
        self.written: dict[object, tuple[Access, Atom, Let]] = {}
        self.touched: dict[Var, set[object]] = {}  # by alias class
        self.stores = 0
        needed = self.needed()
        for let in self.body.lets:
            self.let(let, needed)
        roots = {self.aliases.root(x.base) for x, _, _ in self.written.values()}
        if not roots or any(len(self.touched[root]) > 1 for root in roots) or (self.nest is not None and self.stores):
            raise _No  # an iteration may touch what another one writes
        self.kernel = self.made()

    # ---- the loop's operations
    def needed(self) -> set[Atom]:
        """What the elements that are written are computed from."""
        found: set[Atom] = set()
        for let in reversed(self.body.lets):
            op = TABLE[let.op]
            if op.indexed and op.writes:
                found.add(let.args[-1])
            elif op.nest or (not op.indexed and any(o in found for o in let.outs)):
                found.update(let.args)
        return found

    def let(self, let: Let, needed: set[Atom]) -> None:
        op = TABLE[let.op]
        if op.indexed and not set(codes(let)) - {"u"}:
            base, indices = let.args[0], let.args[1 : 1 + len(codes(let))]
            assert isinstance(base, Var)
            x = self.access(Access(base, indices, (ZERO,) * len(indices), (-1,) * len(indices)))
            if op.writes:
                self.stores += 1
                self.write(x, self.value(let.args[-1]), let)
            elif let.out in needed:
                written = self.written.get(_key(x))
                self.values[let.out] = self.build.input(x, let.out) if written is None else written[1]
        elif op.nest and self.nest is None:
            self.one_more_axis(kernel_of(let), let)
        elif ((op.measures and let.outs) or (op.scalar and not can_fail(let))) and not any(a in self.inside for a in let.args):
            self.before.append(let)
            self.inside.difference_update(let.outs)
        elif op.scalar and not can_fail(let):
            if op.ring:
                self.follow(let)
            if any(o in needed for o in let.outs):
                args = tuple(map(self.value, let.args))
                outs = tuple(self.build.fresh(o.type) for o in let.outs)
                self.build.f.entry.lets.append(Let(outs, let.op, args, dict(let.attrs), let.site))
                self.values.update(zip(let.outs, outs, strict=True))
        else:
            raise _No

    def value(self, a: Atom) -> Atom:
        """In the kernel's function."""
        if isinstance(a, Const):
            return a
        if a is self.counter and a not in self.values:
            index = self.build.input(Index(0), a)
            self.values[a] = index if _is(self.first, 0) else self.sum(index, self.build.constant(self.first, a))
        if a not in self.inside:
            return self.build.input(Same(a), a)
        if a not in self.values:
            raise _No
        return self.values[a]

    def sum(self, a: Atom, b: Atom) -> Atom:
        out = self.build.fresh(I64)
        self.build.f.entry.lets.append(Let((out,), iadd.name, (a, b)))
        return out

    # ---- places
    def follow(self, let: Let) -> None:
        """An index that is computed from the counter."""
        x, y = (self.places.get(a) if a in self.inside else (a, ZERO) for a in let.args)
        if x is None or y is None:
            return
        ring = TABLE[let.op].ring
        if ring in "+-":
            self.places[let.out] = self.integer(ring, x[0], y[0]), self.integer(ring, x[1], y[1])
        elif _is(x[1], 0) or _is(y[1], 0):
            still, moves = (x, y) if _is(x[1], 0) else (y, x)
            self.places[let.out] = self.integer("*", moves[0], still[0]), self.integer("*", moves[1], still[0])

    def integer(self, ring: str, a: Atom, b: Atom) -> Atom:
        """Computed before the loop."""
        if isinstance(a, Const) and isinstance(b, Const):
            return Const(RING[ring](a.value, b.value), I64)
        if (ring in "+-" and _is(b, 0)) or (ring == "*" and _is(b, 1)):
            return a
        if (ring == "+" and _is(a, 0)) or (ring == "*" and _is(a, 1)):
            return b
        if ring == "*" and (_is(a, 0) or _is(b, 0)):
            return ZERO
        key = _BY_RING[ring].name, name_of(a), name_of(b)
        known = next((let.out for let in self.before if (let.op, *map(name_of, let.args)) == key), None)
        if known is None:
            known = Var(f"{self.name}.at{len(self.before)}", I64)
            self.before.append(Let((known,), _BY_RING[ring].name, (a, b)))
        return known

    def access(self, x: Access) -> Access:
        """With the loop's axis in front: what does not move with the axes so far may move with it."""
        found = [self.places.get(a) if a in self.inside else (a, ZERO) for a in x.starts]
        assert isinstance(x.base.type, Array)
        if x.base in self.inside or x.base.type.dtype == I32 or any(t in self.inside for t in x.steps):
            raise _No
        starts, steps, axes = [], [], []
        for place, t, q in zip(found, x.steps, x.axes, strict=True):
            if place is None or (q >= 0 and not _is(place[1], 0)):
                raise _No
            starts.append(place[0])
            steps.append(t if q >= 0 else place[1])
            axes.append(q + 1 if q >= 0 else -1 if _is(place[1], 0) else 0)
        new = Access(x.base, tuple(starts), tuple(steps), tuple(axes))
        self.touched.setdefault(self.aliases.root(x.base), set()).add(_key(new))
        return new

    def write(self, x: Access, value: Atom, let: Let) -> None:
        if not any(q == 0 and isinstance(t, Const) and t.value for q, t in zip(x.axes, x.steps, strict=True)):
            raise _No  # it may be the same element each time
        self.written[_key(x)] = x, value, let

    def one_more_axis(self, k: Kernel, let: Let) -> None:
        """A kernel in the loop's body."""
        if let.outs or k.extra.get("fails") or any(n in self.inside for n in k.sizes) or any(r.into is None for r in k.results):
            raise _No
        self.nest, inner = k, self.program.functions[k.f]
        subst: dict[Var, Atom] = {}
        for x, p in zip(k.inputs, inner.params, strict=True):
            if isinstance(x, Same):
                subst[p] = self.value(x.atom)
            elif isinstance(x, Gather):
                raise _No
            else:
                subst[p] = self.build.input(self.access(x) if isinstance(x, Access) else Index(x.axis + 1), p)
        for r, value in zip(k.results, self.build.copy(inner, subst), strict=True):
            assert r.into is not None
            self.write(self.access(r.into), value, let)

    # ---- the kernel
    def made(self) -> Kernel:
        n = self.integer("-", self.limit, self.first)
        least = dims.least(dims.sub(self.facts.sizes.of(self.limit), self.facts.sizes.of(self.first)))
        if isinstance(n, Const):
            n = Const(max(n.value, 0), I64)
            if n.value < LEAST and self.nest is None:
                raise _No
        elif least is None or least < 0:
            out = Var(f"{self.name}.count", I64)
            self.before.append(Let((out,), imax.name, (n, ZERO)))
            n = out
        results, values = [], []
        for x, value, _ in self.written.values():
            results.append(Result("into", (), x))
            values.append(value)
        site = next(reversed(self.written.values()))[2].site
        f = self.build.finish(values)
        return Kernel(f.name, [n, *(self.nest.sizes if self.nest is not None else ())], self.build.inputs, results, site, {"fails": False})

    def unused(self, name: str) -> str:
        while name in self.program.functions:
            name += "_"
        return name

    def put(self) -> None:
        """The kernel instead of the loop."""
        block = preheader(self.f, self.f.blocks[self.outside], self.name)
        block.lets += [*self.before, self.kernel.let()]
        block.terminator = Jump(Edge(self.exit.block, self.exit.args))
        del self.f.blocks[self.name], self.f.blocks[self.body.name]
        left = self.f.blocks.values()
        if any(a is self.counter for b in left for a in (*(a for let in b.lets for a in let.args), *terminator_atoms(b.terminator))):
            last = Var(f"{self.name}.last", I64)
            block.lets.append(Let((last,), imax.name, (self.limit, self.first)))
            substitute(left, {self.counter: last})
        self.program.functions[self.build.f.name] = self.build.f


_BY_RING = {"+": iadd, "-": isub, "*": imul}


def _key(x: Access) -> object:
    return x.base, tuple(map(name_of, x.starts)), tuple(map(name_of, x.steps)), x.axes


def _is(a: Atom, n: int) -> bool:
    return isinstance(a, Const) and a.value == n

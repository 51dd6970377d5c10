"""The operations of a loop's body for all of its iterations at once: kernels over one more axis.

A kernel in the body becomes one with the loop's axis in front, and what it makes in an iteration, a number or an array, is an element or
a row of what it makes now. The numbers between two kernels are computed where they are read, in the next kernel's function; dear ones
are computed once, into an array. What is left at the end, stores and sums, is the last kernel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ...core import dims
from ...core.analysis import dominators
from ...core.dims import Dim
from ...core.graph import Atom, Const, Function, Let, Var
from ...core.kernel import ONE, ZERO, Access, Gather, Index, Kernel, Result, Same, kernel_of
from ...core.op import TABLE, can_fail, written
from ...core.types import BOOL, I64, Array, Scalar, Type
from ...ops.memory import DIM, RESHAPE, codes
from ...ops.table import carried, iadd, ilt, imax, imin, imul, select
from ..bodies import Body, is_one, is_zero, name_of
from .gathered import gathered
from .places import LAST, Places, SequentialError, Sum, Touch, key

FEW = 64  # elements of a matrix
LEAST = 16  # iterations, where their number is known: fewer are unrolled, and stay in registers


@dataclass(eq=False)
class Iterations(Places):
    """What takes a loop's place: integers that are computed before, kernels, their functions, and what its sums have come to."""

    kernels: list[Let] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    totals: dict[Var, Atom] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.made: dict[Atom, tuple[int, Let]] = {}
        self.loads: dict[Atom, Access | Atom] = {}  # where an element is, or the number that has been stored there
        self.names: set[str] = set()  # of functions
        for at, let in enumerate(self.loop.lets):
            self.made.update((o, (at, let)) for o in let.outs)
            self.let(at, let)
        self.nested = any(TABLE[let.op].nest for let in self.loop.lets)
        if not self.nested and isinstance(self.size, Const) and self.size.value < LEAST:
            raise SequentialError
        self.apart()
        self.last()

    # ---- one operation
    def let(self, at: int, let: Let) -> None:
        op = TABLE[let.op]
        if op.indexed and not set(codes(let)) - {"u"}:
            base, indices = let.args[0], let.args[1 : 1 + len(codes(let))]
            assert isinstance(base, Var)
            x = self.access(Access(base, indices, (ZERO,) * len(indices), (-1,) * len(indices)), LAST if op.writes else at)
            if op.writes:
                self.write(x, let.args[-1], let, LAST)
            else:
                known = self.written.get(key(x))
                self.loads[let.out] = x if known is None else known[1]
        elif op.nest:
            self.around(kernel_of(let), at, let)
        elif op.matrices:
            self.rows(at, let)
        elif op.measures and let.outs and let.args[0] in self.arrays:
            raise SequentialError
        elif ((op.measures and let.outs) or (op.scalar and not can_fail(let))) and not any(a in self.inside for a in let.args):
            self.before.append(let)
            self.inside.difference_update(let.outs)
        elif op.scalar and not can_fail(let):
            if op.ring:
                self.follow(let)
        else:
            raise SequentialError

    # ---- numbers
    def needed(self, wanted: Iterable[Atom]) -> list[Let]:
        """The operations of an iteration that these numbers are computed by, in order."""
        found: dict[int, Let] = {}
        work = list(wanted)
        while work:
            a = work.pop()
            if a not in self.made or a not in self.inside or a in self.arrays:
                continue
            at, let = self.made[a]
            if at not in found:
                found[at] = let
                where = self.loads.get(a)
                work += let.args if where is None else [] if isinstance(where, Access) else [where]
        return [found[at] for at in sorted(found)]

    def values(self, build: Body, wanted: list[Atom]) -> list[Atom]:
        """Numbers of an iteration in a kernel's function."""
        known: dict[Atom, Atom] = {}

        def look(a: Atom) -> Atom:
            if isinstance(a, Const):
                return a
            if a in known:
                return known[a]
            if a is self.loop.counter:
                index = build.input(Index(0), a)
                known[a] = index if is_zero(self.loop.first) else build.integer(iadd, index, build.constant(self.loop.first, a))
                return known[a]
            return build.input(self.element(a), a)

        for let in self.needed(wanted):
            where = self.loads.get(let.out)
            if where is None:
                outs = build.add(let, tuple(map(look, let.args)))
                known.update(zip(let.outs, outs, strict=True))
            else:
                known[let.out] = build.input(where, let.out) if isinstance(where, Access) else look(where)
        return [look(a) for a in wanted]

    def element(self, a: Var) -> Access | Same:
        """A number from outside, or one that there is an array of."""
        if a in self.arrays:
            return Access(self.arrays[a], (ZERO,), (ONE,), (0,))
        if a in self.inside:
            raise SequentialError
        return Same(a)

    def kept(self, a: Atom) -> Access | Same:
        """A number of an iteration as an input: where it is to be found, or has been put."""
        if not isinstance(a, Var) or a in self.arrays or a not in self.inside:
            return Same(a) if not isinstance(a, Var) else self.element(a)
        where = self.loads.get(a)
        if isinstance(where, Access):
            return where
        if where is not None:
            return self.kept(where)
        self.keep(a)
        return self.element(a)

    def keep(self, a: Atom) -> Var:
        """An array of a number, from a kernel of its own."""
        build = self.body()
        value = self.values(build, [a])
        array = self.all(a if isinstance(a, Var) else Var("number", a.type))
        self.kernel(build, value, [self.size], [Result("map", (), None, array)], self.made[a][1] if a in self.made else None)
        return array

    # ---- kernels
    def body(self) -> Body:
        name = f"{self.f.name}.{self.loop.name}"
        while name in self.program.functions or name in self.names:
            name += "_"
        self.names.add(name)
        return Body(name)

    def kernel(self, build: Body, values: list[Atom], sizes: list[Atom], results: list[Result], let: Let | None) -> None:
        f = build.finish(values)
        self.functions.append(f)
        self.kernels.append(Kernel(f.name, sizes, build.inputs, results, let.site if let is not None else None, {"fails": False}).let())

    def all(self, v: Var, sizes: Sequence[Atom] = ()) -> Var:
        """The array of what `v` is in each iteration. None of a square, unless it writes one: a loop over all pairs needs no memory for them."""
        t = v.type
        if (
            isinstance(t, Array)
            and any(dims.symbols(self.dim) & dims.symbols(n) for n in t.dims if n != dims.UNKNOWN)
            and not self.is_there(t)
        ):
            raise SequentialError
        self.lengths[v] = sizes
        self.arrays[v] = Var(
            f"{self.loop.name}.all{len(self.arrays)}", self.array(*((t.dtype, t.dims) if isinstance(t, Array) else (t, ())))
        )
        return self.arrays[v]

    def is_there(self, t: Array) -> bool:
        """Does the loop write an array that has the sizes of one of `t` for each iteration, and maybe more?"""
        arrays = {v for let in self.loop.lets for v in written(let)}
        wanted = Counter([self.dim, *t.dims])
        return any(wanted <= Counter(self.facts.sizes.dim(v, j) for j in range(v.type.rank)) for v in arrays)

    def array(self, dtype: Type, more: tuple[Dim, ...]) -> Array:
        assert isinstance(dtype, Scalar)
        return Array(dtype, (self.dim if dims.is_short(self.dim) else dims.UNKNOWN, *more))

    def around(self, k: Kernel, at: int, let: Let) -> None:
        """A kernel in the loop's body."""
        if k.extra.get("fails") or any(n in self.inside for n in k.sizes):
            raise SequentialError
        sums = gathered(self, k)
        k = k if sums is None else sums.kernel
        build, inner = self.body(), self.program.functions[k.f] if sums is None else sums.function
        subst: dict[Var, Atom] = {}
        gathers = [x for x in k.inputs if isinstance(x, Gather)]
        for i, (x, p) in enumerate(zip(k.inputs, inner.params, strict=True)):
            if isinstance(x, Same) and any(y.place == i for y in gathers):
                subst[p] = build.input(self.place(x.atom, [y.base for y in gathers if y.place == i], inner, p), p)
            elif isinstance(x, Same):
                subst[p] = self.same(build, x.atom, p)
            elif isinstance(x, Gather):
                base = self.flat(x.base) if x.base in self.arrays else x.base
                if base in self.inside or (base is not x.base and not isinstance(k.inputs[x.place], Same)):
                    raise SequentialError
                self.touch(Touch(self.arrays.get(base, base), at, at))
                subst[p] = build.input(build.moved(Gather(base, x.place), inner, subst), p)
            else:
                subst[p] = build.input(self.access(x, at) if isinstance(x, Access) else Index(x.axis + 1), p)
        values = build.copy(inner, subst)
        if sums is not None:
            sums.put(self, values, build, at, let)
            return
        results = [self.result(r, value, at, let, k) for r, value in zip(k.results, values, strict=True)]
        product = self.product(build, values, [self.size, *k.sizes], results)
        if product is not None:
            self.kernels.append(product)
            return
        self.kernel(build, values, [self.size, *k.sizes], results, let)

    def product(self, build: Body, values: list[Atom], sizes: list[Atom], results: list[Result]) -> Let | None:
        """A matrix times a vector in each iteration is one product of matrices. (With a matrix of few elements it stays a kernel, which is fused.)"""
        lets = build.f.entry.lets
        if len(lets) != 1 or not TABLE[lets[0].op].multiplies or values != [lets[0].out] or len(build.inputs) != 2 or len(sizes) != 3:
            return None
        (r,), known = results, [self.facts.sizes.of(n) for n in sizes]
        if (
            r.kind != "sum"
            or r.out is None
            or len(r.axes) != 2
            or not all(isinstance(x, Access) and self.is_whole(x, known) for x in build.inputs)
        ):
            return None
        kept = r.axes[1]
        rest = dims.mul(known[1], known[2])
        ours, theirs = sorted(build.inputs, key=lambda x: 0 not in x.axes)
        if 0 in theirs.axes or kept in ours.axes or set(theirs.axes) != {1, 2} or (isinstance(rest, int) and rest < FEW):
            return None
        attrs = {"ta": int(ours.axes[0] != 0), "tb": int(theirs.axes[0] == kept), "fails": False}
        return Let((r.out,), "gemm", (ours.base, theirs.base), attrs)

    def rows(self, at: int, let: Let) -> None:
        """A matrix of each iteration times one of all: the rows of all matrices are those of one."""
        a, b = let.args
        assert isinstance(b, Var)
        assert isinstance(b.type, Array)
        if let.attrs["ta"] or b.type.rank != 2 or b in self.inside or len(self.lengths.get(a, ())) != 2:
            raise SequentialError
        (m, k), last = self.lengths[a], Var(f"{self.loop.name}.columns{len(self.before)}", I64)
        self.before.append(Let((last,), DIM.name, (b,), {"axis": 0 if let.attrs["tb"] else 1}))
        self.touch(Touch(b, at, at))
        n = self.integer("*", self.size, m)
        dtype, name = b.type.dtype, f"{self.loop.name}.rows{len(self.kernels)}"
        flat, product = (Var(name + end, Array(dtype, (dims.UNKNOWN, dims.UNKNOWN))) for end in ("", "p"))
        self.kernels.append(Let((flat,), RESHAPE.name, (self.arrays[a], n, k), {"fails": False}))
        self.kernels.append(Let((product,), let.op, (flat, b), dict(let.attrs), let.site))
        self.kernels.append(Let((self.all(let.out, [m, last]),), RESHAPE.name, (product, self.size, m, last), {"fails": False}))

    def is_whole(self, x: Access, known: list[Dim]) -> bool:
        """Does it read all of a matrix, each element where it is?"""
        of = self.facts.sizes.dim
        moves = all(is_zero(s) and is_one(t) and q >= 0 for s, t, q in zip(x.starts, x.steps, x.axes, strict=True))
        return moves and len(x.axes) == 2 and all(self.is_equal(of(x.base, j), known[q]) for j, q in enumerate(x.axes))

    def is_equal(self, a: Dim, b: Dim) -> bool:
        """Are two sizes one, or found to be before the loop?"""
        of, above = self.facts.sizes.of, dominators(self.f)[self.loop.name] - {self.loop.name}
        lets = (let for name in above for let in self.f.blocks[name].lets if TABLE[let.op].equates)
        return a == b or any({of(let.args[0]), of(let.args[1])} == {a, b} for let in lets)

    def place(self, at: Atom, bases: list[Var], inner: Function, p: Var) -> Access | Same:
        """Where a kernel gathers from arrays: in all rows of those that are made in the body."""
        own = [b in self.arrays for b in bases]
        if not any(own):
            return self.kept(at)
        used = any(p in let.args for let in inner.entry.lets) or p in inner.entry.terminator.args  # type: ignore[union-attr]
        lengths = {name_of(self.lengths[b][-1]) for b in bases if b in self.arrays}
        if used or not all(own) or len(lengths) > 1 or any(len(self.lengths[b]) != 1 for b in bases):
            raise SequentialError
        build = self.body()
        (value,) = self.values(build, [at])
        first = build.integer(imul, build.input(Index(0), p), build.constant(self.lengths[bases[0]][0], p))
        places = Var(f"{self.loop.name}.places{len(self.kernels)}", self.array(I64, ()))
        self.kernel(build, [build.integer(iadd, first, value)], [self.size], [Result("map", (), None, places)], None)
        return Access(places, (ZERO,), (ONE,), (0,))

    def flat(self, v: Var) -> Var:
        """All rows of an array that is made in the body, one after another."""
        (length,), row = self.lengths[v], self.arrays[v]
        n = self.integer("*", self.size, length)
        assert isinstance(v.type, Array)
        d = dims.mul(self.dim, self.facts.sizes.of(length))
        out = Var(f"{row.name}.flat{len(self.kernels)}", Array(v.type.dtype, (d if dims.is_short(d) else dims.UNKNOWN,)))
        self.kernels.append(Let((out,), RESHAPE.name, (row, n), {"fails": False}))
        return out

    def same(self, build: Body, a: Atom, p: Var) -> Atom:
        """A number that is the same everywhere in a kernel in the body."""
        if any(TABLE[let.op].expensive for let in self.needed([a])):
            return build.input(self.kept(a), p)
        return self.values(build, [a])[0]

    def result(self, r: Result, value: Atom, at: int, let: Let, k: Kernel) -> Result:
        if r.into is not None:
            x = self.access(r.into, at)
            self.write(x, value, let, at)
            return Result("into", (), x)
        if r.out is None:
            return r
        lengths = k.sizes if r.kind == "map" else [k.sizes[q] for q in r.axes]
        if r.start is None:
            return Result(r.kind, () if r.kind == "map" else (0, *(q + 1 for q in r.axes)), None, self.all(r.out, lengths))
        through = next((s for s in self.loop.sums if s.total is r.out), None)
        if through is not None:
            return Result(r.kind, (), None, self.sum(through), Same(through.start))
        start = self.access(r.start, at) if isinstance(r.start, Access) else self.kept(r.start.atom)
        return Result(r.kind, (0, *(q + 1 for q in r.axes)), None, self.all(r.out, lengths), start)

    def sum(self, s: Sum) -> Var:
        """What a sum has come to."""
        out = Var(f"{s.param.name}.sum", s.param.type if s.kind == "ordered" else I64)
        self.totals[s.param] = out
        return out

    def row(self, term: Atom) -> Var:
        """The array of what a number is in all iterations."""
        where = self.loads.get(term)
        if isinstance(where, Access) and where.axes == (0,) and is_zero(where.starts[0]) and is_one(where.steps[0]):
            root = self.aliases.root(where.base)
            if not any(self.aliases.root(x.base) is root for x, *_ in self.written.values()):
                return where.base
        return self.arrays[term] if term in self.arrays else self.keep(term)

    def taken(self, s: Sum, row: Var) -> Atom:
        """The best of a start and the elements of an array, known its position: a derivative goes to the element."""
        at, name = self.totals[s.param], s.param.name
        place, none = Var(f"{name}.place", I64), Var(f"{name}.none", BOOL)
        best, out = Var(f"{name}.best", s.param.type), Var(f"{name}.from", s.param.type)
        self.kernels.append(Let((place,), imax.name, (at, ZERO)))
        build = self.body()
        build.input(Same(place), place)
        some = self.computed_before(imin.name, self.size, ONE, "some") if not isinstance(self.size, Const) else ONE
        nothing = Same(Const(-0.0, s.param.type))
        self.kernel(build, [build.input(Gather(row, 0), best)], [some], [Result("ordered", (), None, best, nothing)], None)
        self.kernels.append(Let((none,), ilt.name, (at, ZERO)))
        self.kernels.append(Let((out,), select.name, (none, s.start, best), {"where": True}))
        return out

    def last(self) -> None:
        """The kernel of stores and sums, and what sums pass on to their starts."""
        stores = [(x, value, let) for x, value, let, stage in self.written.values() if stage == LAST]
        sums = [s for s in self.loop.sums if s.term is not None]
        rows = {s.param: self.row(s.term) for s in sums if s.term is not None and s.kind != "ordered"}
        if not self.written and not self.loop.sums and not self.added:
            raise SequentialError
        if stores or sums:
            build = self.body()
            values = self.values(build, [value for _, value, _ in stores] + [s.term for s in sums if s.term is not None])
            results = [Result("into", (), x) for x, _, _ in stores]
            results += [Result(s.kind, (), None, self.sum(s), Same(s.start)) for s in sums]
            self.kernel(build, values, [self.size], results, stores[-1][2] if stores else None)
        for s in self.loop.sums:
            if s.param in rows:
                self.totals[s.param] = self.taken(s, rows[s.param])
            elif isinstance(s.start, Var) and s.param.type != I64:
                out = Var(f"{s.param.name}.from", s.param.type)
                self.kernels.append(Let((out,), carried.name, (self.totals[s.param], s.start)))
                self.totals[s.param] = out

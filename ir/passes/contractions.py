"""Sums of products that loops take are products of matrices.

    for i: for j: for k: s += x[i, k] * y[k, j]      is first       kernel(%n, %m, %k, ..) {f='mul', results=(('ordered', 0.0, 0, 1),)}
    and now                                                         gemm(%x, %y) {ordered=1}

The value is the loop's, whose terms come in their order (which a vector of such sums does as well); the derivative is that of a product.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..core import dims
from ..core.dims import Dim
from ..core.graph import Atom, Block, Const, Function, Let, Program, Var
from ..core.kernel import ONE, ZERO, Access, Gather, Index, Kernel, Result, Same, kernel_of
from ..core.op import TABLE, can_fail, written
from ..core.types import F32, F64, I64, Array, Scalar
from ..ops.memory import RESHAPE
from ..ops.table import imul
from .bodies import Body, is_one, is_zero
from .fuse import drop_unused
from .sizes import Sizes

FEW = 64  # terms in all, where their number is known: such a sum is no call's worth


def contractions(program: Program) -> bool:
    """A kernel that sums up products, from 0.0 where it does so in order, is a product of two matrices, or of stacks of them. A
    factor that is no array, or only a part of one, is computed into one before, if it has not more elements than an array that there is.
    With threads it stays a kernel, of which each of them has a part.

    fn f(%x: f64[n, k], %y: f64[k, m]) -> (f64[n, m]) {
    entry:
      %n: i64 = dim(%x) {axis=0}
      %k: i64 = dim(%x) {axis=1}
      %m: i64 = dim(%y) {axis=1}
      %z: f64[n, m] = kernel(%n, %m, %k, %x, 0:i64, 1:i64, 0:i64, 1:i64, %y, 0:i64, 1:i64, 0:i64, 1:i64, 0.0:f64) {f='times', rank=3, inputs=(('a', 0, 2), ('a', 2, 1)), results=(('ordered', ('s',), 0, 1),), fails=False}
      return %z
    }

    fn times(%a: f64, %b: f64) -> (f64) {
    entry:
      %c: f64 = mul(%a, %b)
      return %c
    }
    ->
    fn f(%x: f64[n, k], %y: f64[k, m]) -> (f64[n, m]) {
    entry:
      %n: i64 = dim(%x) {axis=0}
      %k: i64 = dim(%x) {axis=1}
      %m: i64 = dim(%y) {axis=1}
      %z: f64[n, m] = gemm(%x, %y) {ta=0, tb=0, ordered=1, fails=False}
      return %z
    }
    """
    if program.threads > 1:
        return False
    changed = False
    for f in list(program.functions.values()):
        if any(TABLE[let.op].nest for b in f.blocks.values() for let in b.lets):
            sizes = Sizes(f)
            for b in f.blocks.values():
                changed |= _zeros(b)
                changed |= _block(program, f, b, sizes)
    if changed:
        drop_unused(program)
    return changed


def _block(program: Program, f: Function, block: Block, sizes: Sizes) -> bool:
    lets: list[Let] = []
    for let in block.lets:
        found = _Contraction.of(program, f, let, sizes) if TABLE[let.op].nest else None
        lets += [let] if found is None else found
    changed = len(lets) != len(block.lets) or any(a is not b for a, b in zip(lets, block.lets, strict=True))
    block.lets = lets
    return changed


# ---- zeros
def _zeros(block: Block) -> bool:
    """What a kernel reads of a new array, before the first one writes there, is what this was filled with."""
    new: dict[Var, Const] = {}
    changed, into = False, {v for let in block.lets if TABLE[let.op].nest for v in written(let)}
    for at, let in enumerate(block.lets):
        op = TABLE[let.op]
        if op.fills:
            if let.out in into and isinstance(let.args[-1], Const) and let.attrs.get("fill", True):
                new[let.out] = let.args[-1]
        elif new and op.nest:
            k = kernel_of(let)
            known = [x for x in (*k.inputs, *(r.start for r in k.results)) if isinstance(x, Access) and x.base in new]
            if known:
                inputs = [Same(new[x.base]) if isinstance(x, Access) and x.base in new else x for x in k.inputs]
                for r in k.results:
                    if isinstance(r.start, Access) and r.start.base in new:
                        r.start = Same(new[r.start.base])
                block.lets[at] = Kernel(k.f, k.sizes, inputs, k.results, k.site, k.extra).let()
                changed = True
        if new and not op.measures and not op.fills:
            for a in let.args if not op.nest else written(let):
                new.pop(a, None)  # type: ignore[arg-type]
    return changed


# ---- products
@dataclass(eq=False)
class _Factor:
    """One of the two values that are multiplied, and the axes of the space that it depends on."""

    value: Atom
    axes: frozenset[int]


@dataclass(eq=False)
class _Contraction:
    """One kernel that sums up products: what it multiplies, and which axes are of both factors (`stack`), of one (`rows`, `columns`), and summed."""

    program: Program
    f: Function
    sizes: Sizes
    k: Kernel
    body: Function
    stack: list[int]
    rows: list[int]
    columns: list[int]
    summed: list[int]
    count: int = 0  # of new variables

    @staticmethod
    def of(program: Program, f: Function, let: Let, sizes: Sizes) -> list[Let] | None:
        """What takes the place of a kernel; None if it is no such sum."""
        if len(let.outs) != 1 or can_fail(let) or not isinstance(let.out.type, Array) or let.out.type.dtype not in (F64, F32):
            return None
        k, body = kernel_of(let), program.functions[let.attrs["f"]]
        factors = _factors(k, body)
        if factors is None:
            return None
        (r,) = k.results
        left, right = factors
        summed = [q for q in range(len(k.sizes)) if q not in r.axes]
        both = left.axes & right.axes
        stack, rows, columns = ([q for q in r.axes if q in axes] for axes in (both, left.axes - both, right.axes - both))
        if not summed or not set(summed) <= both or not rows or not columns or len(stack) + len(rows) + len(columns) != len(r.axes):
            return None
        known = [n.value for n in k.sizes if isinstance(n, Const)]
        if len(known) == len(k.sizes) and math.prod(known) < FEW:
            return None
        return _Contraction(program, f, sizes, k, body, stack, rows, columns, summed).product(left, right)

    # ---- the product
    def product(self, left: _Factor, right: _Factor) -> list[Let] | None:
        (r,) = self.k.results
        assert r.out is not None
        if r.axes[-1] in self.rows:  # what lies side by side stays so
            left, right, self.rows, self.columns = right, left, self.columns, self.rows
        lets: list[Let] = []
        a, b = self.matrix(left, self.rows, lets), self.matrix(right, self.columns, lets)
        if a is None or b is None:
            return None
        order = [*self.stack, *self.rows, *self.columns]
        attrs = {"ta": int(a[1]), "tb": int(not b[1]), **({"ordered": 1} if r.kind == "ordered" else {}), "fails": False}
        groups = [*([q] for q in self.stack), self.rows, self.columns]
        turned = tuple(order) != r.axes
        whole = self.new("product", order) if turned else r.out
        flat = whole if len(groups) == len(order) else self.new("flat", groups)
        lets.append(Let((flat,), "gemm", (a[0], b[0]), attrs, self.k.site))
        if flat is not whole:
            lets.append(Let((whole,), RESHAPE.name, (flat, *(self.k.sizes[q] for q in order)), {"fails": False}, self.k.site))
        return [*lets, self.turned(whole, order)] if turned else lets

    def turned(self, whole: Var, order: list[int]) -> Let:
        """A kernel that puts axes into the order of the result."""
        (r,) = self.k.results
        assert r.out is not None
        n, body = len(order), Body(self.name("turned"))
        access = Access(whole, (ZERO,) * n, (ONE,) * n, tuple(r.axes.index(q) for q in order))
        f = body.finish([body.input(access, Var("x", self.dtype))])
        self.program.functions[f.name] = f
        return Kernel(
            f.name, [self.k.sizes[q] for q in r.axes], body.inputs, [Result("map", (), None, r.out)], self.k.site, {"fails": False}
        ).let()

    def new(self, stem: str, groups: Sequence[int | list[int]]) -> Var:
        """A variable for an array over these axes, some of which are one."""
        dim = [self.sizes.of(n) for n in self.k.sizes]
        shape = [dims.product(dim[q] for q in g) if isinstance(g, list) else dim[g] for g in groups]
        self.count += 1
        name = f"{self.k.results[0].out}.{stem}{self.count}".lstrip("%")
        return Var(name, Array(self.dtype, tuple(d if dims.is_short(d) else dims.UNKNOWN for d in shape)))

    # ---- its factors
    def matrix(self, x: _Factor, own: list[int], lets: list[Let]) -> tuple[Var, bool] | None:
        """The matrices that a factor is, and whether the summed axes come before its own."""
        found, ours = self.array(x, own), [*self.stack, *own, *self.summed]
        if found is None and not self.is_small(x, ours):
            return None
        array, turned = found or (self.computed(x, ours, lets), False)
        if len(own) == len(self.summed) == 1:
            return array, turned
        groups = [*([q] for q in self.stack), *((self.summed, own) if turned else (own, self.summed))]
        flat = self.new("matrix", groups)
        sizes = [self.size(g, lets) for g in groups]
        lets.append(Let((flat,), RESHAPE.name, (array, *sizes), {"fails": False}, self.k.site))
        return flat, turned

    def size(self, axes: list[int], lets: list[Let]) -> Atom:
        """How many elements there are along some axes."""
        n, *more = (self.k.sizes[q] for q in axes)
        for m in more:
            if isinstance(n, Const) and isinstance(m, Const):
                n = Const(n.value * m.value, I64)
                continue
            self.count += 1
            product = Var(f"{self.k.results[0].out}.size{self.count}".lstrip("%"), I64)
            lets.append(Let((product,), imul.name, (n, m)))
            n = product
        return n

    def array(self, x: _Factor, own: list[int]) -> tuple[Var, bool] | None:
        for last, turned in (([*own, *self.summed], False), ([*self.summed, *own], True)):
            found = self.whole(x, [*self.stack, *last])
            if found is not None:
                return found, turned
        return None

    def whole(self, x: _Factor, axes: list[int]) -> Var | None:
        """The array whose elements it is, each where it is."""
        place = next((y for y, p in zip(self.k.inputs, self.body.params, strict=True) if p is x.value), None)
        if not isinstance(place, Access) or place.axes != tuple(axes) or place.base.type.dtype != self.dtype:  # type: ignore[union-attr]
            return None
        moves = all(is_zero(s) and is_one(t) for s, t in zip(place.starts, place.steps, strict=True))
        fits = all(self.sizes.dim(place.base, j) == self.sizes.of(self.k.sizes[q]) for j, q in enumerate(axes))
        return place.base if moves and fits else None

    @property
    def dtype(self) -> Scalar:
        return self.k.results[0].out.type.dtype  # type: ignore[union-attr]

    def is_small(self, x: _Factor, axes: list[int]) -> bool:
        """Has it not more elements than the result, or an array that it is computed from?"""

        def of(qs: Iterable[int]) -> Dim:
            return dims.product(self.sizes.of(self.k.sizes[q]) for q in qs)

        there = [y for y, p in zip(self.k.inputs, self.body.params, strict=True) if isinstance(y, Access) and p in self.needed(x.value)]
        return of(axes) == of(self.k.results[0].axes) or any(set(axes) <= set(y.axes) for y in there)

    def needed(self, value: Atom) -> set[Atom]:
        """What a value is computed from, and itself."""
        made = {let.out: let for let in self.body.entry.lets}
        found: set[Atom] = set()
        work = [value]
        while work:
            a = work.pop()
            if a not in found:
                found.add(a)
                work += made[a].args if isinstance(a, Var) and a in made else ()
                at = self.body.params.index(a) if a in self.body.params else -1
                x = self.k.inputs[at] if at >= 0 else None
                work += [self.body.params[x.place]] if isinstance(x, Gather) else ()
        return found

    def computed(self, x: _Factor, axes: list[int], before: list[Let]) -> Var:
        """An array of a factor over these axes of the space, from a kernel of its own."""
        needed, build = self.needed(x.value), Body(self.name("factor"))
        values: dict[Var, Atom] = {}
        for y, p in zip(self.k.inputs, self.body.params, strict=True):
            if p in needed:
                values[p] = build.input(self.moved(build, y, axes, values), p)
        for let in self.body.entry.lets:
            if let.out in needed:
                values[let.out] = build.add(let, tuple(values[a] if isinstance(a, Var) else a for a in let.args))[0]
        function = build.finish([values[x.value] if isinstance(x.value, Var) else x.value])
        self.program.functions[function.name] = function
        out = self.new("factor", axes)
        let = Kernel(
            function.name, [self.k.sizes[q] for q in axes], build.inputs, [Result("map", (), None, out)], self.k.site, {"fails": False}
        ).let()
        before.append(let)
        return out

    def moved(
        self, build: Body, x: Access | Same | Index | Gather, axes: list[int], values: dict[Var, Atom]
    ) -> Access | Same | Index | Gather:
        """An input in a space of these axes."""
        if isinstance(x, Access):
            return Access(x.base, x.starts, x.steps, tuple(axes.index(q) if q >= 0 else -1 for q in x.axes))
        if isinstance(x, Index):
            return Index(axes.index(x.axis))
        return build.moved(x, self.body, values)  # type: ignore[no-any-return]

    def name(self, stem: str) -> str:
        base = name = f"{self.k.f}.{stem}"
        while name in self.program.functions:
            name += "_"
        assert base
        return name


def _factors(k: Kernel, body: Function) -> tuple[_Factor, _Factor] | None:
    """What a kernel multiplies, if it sums up products of floats; in order, from 0.0."""
    (r,) = k.results if len(k.results) == 1 else (None,)
    start = r.start.atom if r is not None and isinstance(r.start, Same) else None
    if r is None or not (r.kind == "sum" or (r.kind == "ordered" and isinstance(start, Const) and repr(start.value) == "0.0")):
        return None
    top = next((let for let in body.entry.lets if let.out is body.returned[0]), None)
    if top is None or not TABLE[top.op].multiplies or top.out.type != r.out.type.dtype or any(can_fail(let) for let in body.entry.lets):  # type: ignore[union-attr]
        return None
    axes: dict[Atom, frozenset[int]] = {}
    for x, p in zip(k.inputs, body.params, strict=True):
        axes[p] = _axes(x, body, axes)
    for let in body.entry.lets:
        axes.update(dict.fromkeys(let.outs, frozenset().union(*(axes.get(a, frozenset()) for a in let.args))))
    left, right = (_Factor(a, axes.get(a, frozenset())) for a in top.args)
    return left, right


def _axes(x: Access | Same | Index | Gather, body: Function, known: dict[Atom, frozenset[int]]) -> frozenset[int]:
    if isinstance(x, Access):
        return frozenset(q for q in x.axes if q >= 0)
    if isinstance(x, Index):
        return frozenset([x.axis])
    return known[body.params[x.place]] if isinstance(x, Gather) else frozenset()

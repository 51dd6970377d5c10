"""Gradients of weights: what the steps of a loop add to the adjoint of one matrix is gathered, and made by one product.

    head(%h: f64[1, n]):                         %p, %q, %n = gathering(%w)
      ..                                         %w.head = weight(%w, %p, %q, %n)
      %y = gemm(%h, %w) {ta=0, tb=0}      ->   head(%h: f64[1, n]):
      ..                                         %y = gemm_weight(%h, %w.head, %p, %q, %n) {ta=0, tb=0, w=1}

Step t adds dW += h_t^T dy_t, a few rows: little work for so many loads and stores as W has elements. On the way back of `gemm_weight` h_t
and dy_t become rows of p and q, n[0] of them so far (`gemm_later`), which are multiplied when there is no more room, and on the way back of
`weight` (`gemm_rest`). Nobody reads the adjoint of W before: W comes from outside of the loop, and is written nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..core.analysis import Aliases, Loop, find_loops, predecessors
from ..core.graph import Atom, Block, Function, Let, Program, Site, Var, defined_vars
from ..core.kernel import ONE, ZERO, Access, Kernel, Result, kernel_of
from ..core.op import TABLE
from ..core.types import I64, Array
from ..passes.sizes import Sizes
from .activity import Activity
from .loops.coverage import reads_all, shape_of
from .ways import BACK, WholeAdjoint, dtype_of, last, product_adjoint


def gather_weights(program: Program, f: Function, activities: Sequence[Activity], aliases: Aliases) -> bool:
    """Put a function in place of one that runs backwards, whose loops have such products; is there one?"""
    loops = find_loops(f)
    if not loops:
        return False
    new = replace(f, blocks={name: replace(b, lets=[*b.lets]) for name, b in f.blocks.items()})
    gathering = _Gathering(program, new, list(loops.values()), activities, aliases)
    for name in new.blocks:
        gathering.block(name)
    if gathering.made:
        program.functions[f.name] = new
    return bool(gathering.made)


def _multiplies(let: Let) -> bool:
    op = TABLE[let.op]
    return op.commutes and op.neutral == 1


class Products:
    """The products of matrices of one function, some of which are kernels."""

    def __init__(self, program: Program, f: Function) -> None:
        self.program, self.f, self.sizes = program, f, Sizes(f)

    def weighted(self, let: Let, name: str, rows: Callable[[Any], Sequence[Atom] | None]) -> list[Let]:
        """A product one of whose factors is a weight, for which `rows` gives (the matrix, p, q, n), as one that leaves its part for later."""
        found = self.product(let, name)
        if found is None:
            return [let]
        beside, product = found
        for i in (1, 0):
            gathered = rows(product.args[i])
            if gathered is not None:
                w, *more = gathered
                factors = (product.args[0], w) if i else (w, product.args[1])
                attrs = {**product.attrs, "w": i}
                return [*beside, Let(let.outs, TABLE[product.op].weighted, (*factors, *more), attrs, let.site)]
        return [let]

    def product(self, let: Let, name: str) -> tuple[list[Let], Let] | None:
        """A product of two matrices, or of a row and a matrix, which is a kernel; and what is to be done before it."""
        if TABLE[let.op].weighted:
            return ([], let) if all(a.type.rank == 2 for a in let.args) else None  # type: ignore[union-attr]
        return self.row_by_matrix(let, name) if TABLE[let.op].nest else None

    def row_by_matrix(self, let: Let, name: str) -> tuple[list[Let], Let] | None:
        k = kernel_of(let)
        body = self.program.functions[k.f]
        if len(k.sizes) != 2 or [(r.kind, len(r.axes)) for r in k.results] != [("sum", 1)] or len(k.inputs) != 2:
            return None
        lets = body.entry.lets
        if len(lets) != 1 or not _multiplies(lets[0]) or set(lets[0].args) != set(body.params) or body.returned != (lets[0].out,):
            return None
        (kept,) = k.results[0].axes
        for x, w in (k.inputs, reversed(k.inputs)):
            if not isinstance(x, Access) or not isinstance(w, Access) or dtype_of(x.base) != dtype_of(w.base):
                continue
            if [q for q in x.axes if q >= 0] == [1 - kept] and sorted(w.axes) == [0, 1] and self.is_whole(let, w, name):
                beside, row = self.row(let, x, k, name, 1 - kept)
                attrs = {"ta": 0, "tb": int(w.axes[0] == kept), "fails": False}
                return beside, Let(let.outs, "gemm", (row, w.base), attrs, let.site)
        return None

    def is_whole(self, let: Let, x: Access, name: str) -> bool:
        plain = all(a == ZERO for a in x.starts) and all(a == ONE for a in x.steps)
        return plain and reads_all(let, x.base, shape_of(x.base, self.sizes), self.sizes, {self.f.entry.name, name})

    def row(self, let: Let, x: Access, k: Kernel, name: str, axis: int) -> tuple[list[Let], Var]:
        """The row as an array of its own, if it is a part of another."""
        if len(x.axes) == 1 and self.is_whole(let, x, name):
            return [], x.base
        t = x.base.type
        assert isinstance(t, Array)
        out = Var(f"{let.out.name}.row", Array(t.dtype, (self.program.symbols.size(),)))
        moved = Access(x.base, x.starts, x.steps, tuple(0 if q >= 0 else q for q in x.axes))
        f = last(self.program, 1, self.program.functions[k.f].params[0].type)  # type: ignore[arg-type]
        return [Kernel(f, [k.sizes[axis]], [moved], [Result("map", (), None, out)], let.site, {"fails": False}).let()], out


class _Gathering(Products):
    def __init__(self, program: Program, f: Function, loops: list[Loop], activities: Sequence[Activity], aliases: Aliases) -> None:
        super().__init__(program, f)
        self.activities, self.aliases = activities, aliases
        self.loops = sorted(loops, key=lambda loop: -len(loop.blocks))
        self.before = predecessors(f)
        self.home = {v: name for name, b in f.blocks.items() for v in defined_vars(b)}
        self.made: dict[tuple[Var, str], tuple[Atom, ...]] = {}

    def block(self, name: str) -> None:
        around = [loop for loop in self.loops if name in loop.blocks]
        if around:
            lets = self.f.blocks[name].lets
            self.f.blocks[name].lets = [new for let in lets for new in self.let(let, name, around)]

    def let(self, let: Let, name: str, around: list[Loop]) -> list[Let]:
        """Inside of a loop there would be room for rows in each of its iterations."""
        return self.weighted(let, name, lambda w: self.gathered(w, around[0], let) if self.is_weight(w, around[0]) else None)

    def is_weight(self, w: Any, loop: Loop) -> bool:
        """Does it come from outside of the loop as it is, through one door?"""
        if self.home.get(w) in loop.blocks or self.aliases.is_written(w) or not any(w in a for a in self.activities):
            return False
        return w.type.rank == 2 and len([b for b in self.before[loop.head] if b not in loop.blocks]) == 1

    def gathered(self, w: Var, loop: Loop, let: Let) -> tuple[Atom, ...]:
        """The matrix, and where rows are gathered: made before the loop."""
        if (w, loop.head) not in self.made:
            (door,) = (b for b in self.before[loop.head] if b not in loop.blocks)
            self.made[w, loop.head] = prepare(self.program, w, f"{w.name}.{loop.head}", self.f.blocks[door], let.site)
        return self.made[w, loop.head]


def room(program: Program, w: Var, name: str) -> tuple[Var, Var, Var]:
    """Variables for rows of a matrix: p, q, n."""
    t = w.type
    assert isinstance(t, Array)
    size = program.symbols.size()
    p, q = (Var(f"{name}.{x}", Array(t.dtype, (size, d))) for x, d in zip("pq", t.dims, strict=True))
    return p, q, Var(f"{name}.n", Array(I64, (1,)))


def prepare(program: Program, w: Var, name: str, block: Block, site: Site | None) -> tuple[Var, ...]:
    """The matrix, and where its rows are gathered, made at the end of a block."""
    p, q, n = room(program, w, name)
    out = Var(name, w.type)
    block.lets.append(Let((p, q, n), "gathering", (w,), {"fails": False}, site))
    block.lets.append(Let((out,), "weight", (w, p, q, n), {}, site))
    return out, p, q, n


# ---- the ways back
@BACK.of("weight")
def weight(way: WholeAdjoint, let: Let) -> None:
    if let.args[0] in way.activity:
        way.emit("gemm_rest", [*map(way.value, let.args[1:]), way.adjoint(let.args[0])], [], fails=False)


@BACK.of("gemm_weight")
def gemm_weight(way: WholeAdjoint, let: Let) -> None:
    """The adjoint of the matrix later."""
    for i in range(2):
        if let.args[i] in way.activity:
            product_adjoint(way, let, i, [way.value(x) for x in let.args[2:]] if i == let.attrs["w"] else ())

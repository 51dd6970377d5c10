"""A kernel forward."""

from __future__ import annotations

from collections.abc import Callable

from .....ir.core.graph import Const, Let, Var, same_atom
from .....ir.core.kernel import SUMS, Access, Result, Same
from .....ir.core.op import TABLE
from .....ir.core.types import BOOL, F64, Array, Scalar, element, is_float
from ..code import LLVM_TYPES, literal
from ..lets import Operands, count, read_element, write_element
from ..products.ordered import sums_in_order
from .nest import is_prefix, times
from .searching import Searching, extreme


def identity(kind: str, t: Scalar) -> str:
    """What a reduction starts from."""
    if kind == "sum":
        return literal(0.0, t) if is_float(t) else "false" if t == BOOL else "0"
    return extreme(kind, t)


class Forward(Searching):
    """The kernel itself."""

    def run(self, new: Callable[[Var, str], str]) -> list[Operands]:
        """The operands of the outs; new(variable, count) allocates."""
        self.made: dict[int, list[str]] = {}  # result number: data and sizes, outside
        for i, r in enumerate(self.k.results):
            if r.out is not None and isinstance(r.out.type, Array):
                axes = list(range(self.rank)) if r.kind == "map" else list(r.axes)
                dims = [self.read(self.k.sizes[q])[0] for q in axes]
                n = count(self.outer, dims, self.site) if r.out not in self.context.tiny else ""
                self.made[i] = [new(r.out, n), *dims]
        self.cells: dict[int, list[str]] = {}
        code, product = self.code, self.product()
        if product is not None:
            self.multiply(*product)
        else:
            self.start()
            self.loops(0, self.open, self.point, self.close)
        scalars = [(i, r) for i, r in enumerate(self.k.results) if r.out is not None and i not in self.made]
        returned = []
        for i, r in scalars:
            t = LLVM_TYPES[r.out.type]  # type: ignore[union-attr]
            returned.append((t, code.load(t, self.cells[i][-1])))
        back = self.function(f"@kernel.{self.context.unique()}.{self.k.f}", returned)
        found = dict(zip((i for i, _ in scalars), back, strict=True))
        return [self.made[i] if i in self.made else [found[i]] for i, r in enumerate(self.k.results) if r.out is not None]

    def start(self) -> None:
        """Memory that loops accumulate in, filled before them."""
        for i, r in enumerate(self.k.results):
            if r.out is None or r.kind == "map":
                continue
            if is_prefix(self.order, r.axes):
                t = LLVM_TYPES[self.result_type(i)]
                self.cells[i] = [
                    self.code.alloca(t),
                    *([self.code.alloca("i64"), self.code.alloca("i64")] if r.kind.startswith("arg") else []),
                ]
            elif isinstance(r.start, Access) or self.split is not None:
                self.prepare()
                self.fill(i, r, list(r.axes))
            else:
                n = "1"
                for q in r.axes:
                    n = times(self.code, n, self.sizes[q])
                p, dtype = self.target(i), r.out.type.dtype  # type: ignore[union-attr]
                first = self.first(r, dtype)
                self.repeat(n, lambda j, p=p, d=dtype, v=first: write_element(self.code, self.element(p, j, d), v, d))  # type: ignore[misc]

    def fill(self, i: int, r: Result, axes: list[int]) -> None:
        """A result's array with what its elements start from."""
        if axes:

            def one(j: str) -> None:
                self.index[axes[0]] = j
                self.fill(i, r, axes[1:])

            self.along(axes[0], one)
            self.index[axes[0]] = "0"
        else:
            self.write(i, self.first(r, r.out.type.dtype))  # type: ignore[union-attr]

    def first(self, r: Result, t: Scalar) -> str:
        """What a result starts from, at the indices of its axes."""
        if r.start is None:
            return identity(r.kind, t)
        start = self.scalar(r.start.atom) if isinstance(r.start, Same) else self.read_input(r.start)
        if self.split is None or r.axes:
            return start
        ty, nothing = LLVM_TYPES[t], literal(-0.0, t) if is_float(t) else identity("sum", t)
        return self.code.let(f"select i1 {self.code.let('icmp eq i64 %first, 0')}, {ty} {start}, {ty} {nothing}")

    def joins(self) -> list[Callable[[str, str], str]]:
        def join(i: int, r: Result) -> Callable[[str, str], str]:
            return lambda a, x: self.combine(r.kind, self.result_type(i), a, x)

        return [join(i, r) for i, r in enumerate(self.k.results) if r.out is not None and i not in self.made]

    def target(self, i: int) -> str:
        return self.pointer(self.made[i][0], ("new", i))

    def open(self, depth: int) -> None:
        for i, r in enumerate(self.k.results):
            if i in self.cells and depth == len(r.axes):
                t = self.result_type(i)
                self.code.store(LLVM_TYPES[t], self.first(r, t), self.cells[i][0])
                for cell, v in zip(self.cells[i][1:], ("0", "0" if r.start is None else "-1"), strict=False):
                    self.code.store("i64", v, cell)

    def close(self, depth: int) -> None:
        for i, r in enumerate(self.k.results):
            if i in self.cells and i in self.made and depth == len(r.axes):
                t = LLVM_TYPES[element(r.out.type.dtype)]  # type: ignore[union-attr]
                self.write(i, self.code.load(t, self.cells[i][-1]))

    def write(self, i: int, v: str) -> None:
        r = self.k.results[i]
        dtype = r.out.type.dtype  # type: ignore[union-attr]
        axes = range(self.rank) if r.kind == "map" else r.axes
        write_element(self.code, self.element(self.target(i), self.linear(axes), dtype), v, dtype)

    def put(self, i: int, r: Result, v: str, env: dict[Var, str]) -> None:
        """A result goes into an array that exists."""
        assert r.into is not None
        dtype = r.into.base.type.dtype  # type: ignore[union-attr]
        write_element(self.code, self.element(self.data(r.into), self.offset(r.into), dtype), v, dtype)

    # ---- sums of products, each in its order
    def product(self) -> tuple[Access, int, Access] | None:
        """The two factors, and the axis of the result that the first moves along, if that is what it is. The other moves along the other, if any."""
        (r, *others), lets = self.k.results, self.body.entry.lets
        if others or r.kind != "ordered" or not r.axes or len(r.axes) + 1 != self.rank or self.unrolled or self.context.threads > 1:
            return None
        found = [x for x in self.k.inputs if isinstance(x, Access) and x.base.type.dtype == self.result_type(0)]  # type: ignore[union-attr]
        if self.rank > 3 or len(found) != 2 or not self.multiplies(lets):
            return None
        self.prepare()
        (summed,) = set(range(self.rank)) - set(r.axes)
        if not all(self.moves(x, summed) for x in found):
            return None
        for q in reversed(r.axes):
            for x, y in (found, found[::-1]):
                rest = [p for p in r.axes if p != q]
                apart = self.moves(x, q) and not self.moves(y, q) and all(self.moves(y, p) and not self.moves(x, p) for p in rest)
                if apart and [self.place(x)[1][p] for p in (q, summed)].count("1") == 1:
                    return x, q, y
        return None

    def multiplies(self, lets: list[Let]) -> bool:
        """Is an element the product of the two numbers that are read?"""
        is_one = len(lets) == 1 and TABLE[lets[0].op].multiplies and self.body.returned == (lets[0].out,)
        return is_one and set(lets[0].args) == set(self.body.params) and len(self.body.params) == 2

    def multiply(self, x: Access, q: int, y: Access) -> None:
        (r,), t = self.k.results, self.result_type(0)
        (summed,) = set(range(self.rank)) - set(r.axes)
        fresh = isinstance(r.start, Same) and same_atom(r.start.atom, Const(0.0, t))
        if not fresh:
            self.fill(0, r, list(r.axes))
        other = next((p for p in r.axes if p != q), None)
        factors = []
        for access, p in ((x, q), (y, other)):
            start, strides = self.place(access)
            along, n = ("0", "1") if p is None else (strides[p], self.sizes[p])
            factors.append((self.element(self.data(access), start, t), along, strides[summed], n))
        last = r.axes[-1] == q
        next_row = "0" if other is None else self.sizes[r.axes[-1]] if last else "1"
        to = (self.target(0), "1" if last else self.sizes[r.axes[-1]], next_row)
        sums_in_order(self.code, t, factors[0], factors[1], to, self.sizes[summed], fresh)

    # ---- one point
    def point(self) -> None:
        code = self.code
        env = self.inputs()
        for i, (r, v) in enumerate(zip(self.k.results, self.run_body(env), strict=True)):
            if r.written is not None:
                self.put(i, r, v, env)
            elif r.kind == "map":
                self.write(i, v)
            elif r.kind.startswith("arg"):
                self.position(i, r, v)
            elif r.kind != "drop":
                t = self.result_type(i)
                if i in self.cells:
                    p = self.cells[i][0]
                    code.store(LLVM_TYPES[t], self.combine(r.kind, t, code.load(LLVM_TYPES[t], p), v), p)
                else:
                    dtype = r.out.type.dtype  # type: ignore[union-attr]
                    p = self.element(self.target(i), self.linear(r.axes), dtype)
                    write_element(code, p, self.combine(r.kind, t, read_element(code, p, dtype), v), dtype)

    def combine(self, kind: str, t: Scalar, a: str, x: str) -> str:
        code, ty = self.code, LLVM_TYPES[t]
        if t == BOOL:
            return code.let(f"{'and' if kind == 'min' else 'or'} i1 {a}, {x}")
        if kind in SUMS:
            return code.let(f"fadd{' reassoc contract' if kind == 'sum' else ''} {ty} {a}, {x}" if is_float(t) else f"add {ty} {a}, {x}")
        if is_float(t):
            name = f"llvm.{'maximum' if kind == 'max' else 'minimum'}.{'f64' if t == F64 else 'f32'}"
            code.module.declare(name, f"declare {ty} @{name}({ty}, {ty})")
            return code.let(f"call {ty} @{name}({ty} {a}, {ty} {x})")
        better = self.better(kind, t, x, a)
        return code.let(f"select i1 {better}, {ty} {x}, {ty} {a}")

    def position(self, i: int, r: Result, v: str) -> None:
        """The first of the best, or of the NaNs; of those that are better than a start. Cells: best value, how many were seen, position."""
        code, t = self.code, self.result_type(i)
        ty = LLVM_TYPES[t]
        best_cell, count_cell, at_cell = self.cells[i]
        best, n = code.load(ty, best_cell), code.load("i64", count_cell)
        wins = self.or_first_nan(r, t, self.better(r.kind, t, v, best), v, best)
        code.store(ty, code.let(f"select i1 {wins}, {ty} {v}, {ty} {best}"), best_cell)
        code.store("i64", code.let(f"select i1 {wins}, i64 {n}, i64 {code.load('i64', at_cell)}"), at_cell)
        code.store("i64", code.let(f"add i64 {n}, 1"), count_cell)

"""Kernels in parts, which several threads run (`jit(f, threads=n)`): a kernel's function is then three.

    @kernel.N.f.part(.., i64 first, i64 length)    the loops, with these indices of one axis alone; what it gives is the part's share of sums
    @kernel.N.f.task(ptr environment, i64 part)    calls it with what the environment has, and leaves there what it gives
    @kernel.N.f(..)                                is called: decides by the work in how many parts, and joins their sums in their order

How many parts there are depends on sizes alone, so results are the same with any number of threads; with little work it is one, and
the results are those of serial code. Along the axis, no two points touch an element that one of them writes; what is summed up over all
points comes together in the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .....ir.core.graph import Atom, Const
from .....ir.core.kernel import ADDS, Access, Gather, Result, Same, may_fail, same_element
from .....ir.core.op import TABLE
from .....ir.core.types import Array, Scalar
from .....ir.passes.work import UNITS
from ..code import MEMORY_TYPES, SIZES, Code, struct_of
from ..jobs import GRAIN, LEAST, MOST, Environment, add_rows, least, named, rounded_up, run, zero_row
from ..lets import loop, product

PRICE = 8  # units of an element of an array that a part has for itself: zero, read and added
LINE = 64  # elements: parts begin at multiples, where the axis is the innermost


def work(k: Any, body: Any) -> int:
    """Units of one point."""
    arrays = sum(not isinstance(x, Same) for x in k.inputs) + len(k.results)
    return arrays + sum(UNITS[TABLE[let.op].cost] for let in body.entry.lets)


def axis(nest: Any) -> tuple[int | None, str, list[Result]]:
    """The axis that parts are of, the outermost that can be; or None, and why there are none. The results that parts add to arrays of their
    own, since they meet."""
    k, cost = nest.k, work(nest.k, nest.body)
    if nest.unrolled or not k.sizes:
        return None, "a few points", []
    if all(isinstance(n, Const) for n in k.sizes) and math.prod(n.value for n in k.sizes) * cost >> GRAIN < LEAST:
        return None, "too little work", []
    found = [(q, *_obstacle(nest, q)) for q in nest.order]
    free = [(q, why, met) for q, why, met in found if not why]
    return next((x for x in free if not _is_short(k.sizes[x[0]])), free[0]) if free else (None, found[0][1], [])


def _is_short(n: Atom) -> bool:
    return isinstance(n, Const) and n.value < 2 * LEAST


def _obstacle(nest: Any, q: int) -> tuple[str, list[Result]]:
    """Why a kernel cannot be cut along an axis, "" if it can; and the results that meet."""
    met = []
    for r in nest.k.results:
        if r.at is not None:
            return "it adds at places that it reads from an array", []
        if r.into is not None:
            if r.kind in ADDS and not any(_moves(r.into, p) for p in nest.order):
                continue
            alone = all(nest.root(x.base) != nest.root(r.into.base) for x in _places(nest, r))
            if not _steps(r.into, q) and not (r.kind == "add" and alone):
                return "its parts would write the same elements", []
            if any(not _apart(nest, r.into, x) for x in _places(nest, r)):
                return "its parts would touch elements that others write", []
            met += [] if _steps(r.into, q) else [r]
        elif r.axes and q not in r.axes:
            return "its parts would add to the same elements", []
        elif not r.axes and r.kind.startswith("arg"):
            return "it looks for the position of the best", []
    return "", met


def _moves(x: Access, q: int) -> bool:
    return any(p == q and not (isinstance(t, Const) and t.value == 0) for p, t in zip(x.axes, x.steps, strict=True))


def _steps(x: Access, q: int) -> bool:
    """Has it another element at each index of the axis, for sure?"""
    return any(p == q and isinstance(t, Const) and t.value for p, t in zip(x.axes, x.steps, strict=True))


def _places(nest: Any, r: Result) -> list[Access | Gather]:
    """What else the kernel touches, but for sums that are added in the end."""
    others = [x for other in nest.k.results if other is not r for x in (other.into, other.start, other.at)]
    found = [x for x in (*nest.k.inputs, *others) if isinstance(x, (Access, Gather))]
    ends = [o.into for o in nest.k.results if o.kind in ADDS and o.into is not None and not any(_moves(o.into, p) for p in nest.order)]
    return [x for x in found if not any(x is end for end in ends)]


def _apart(nest: Any, x: Access, y: Access | Gather) -> bool:
    """Do points touch either the same element of two, or different arrays?"""
    if nest.root(x.base) != nest.root(y.base):
        return True
    return isinstance(y, Access) and same_element(x, y, lambda a: a.value if isinstance(a, Const) else a)


class Parts:
    """The three functions of one kernel. `values` are what its code gives (type, operand), `joins` say how two of them are one."""

    def __init__(self, nest: Any, name: str, values: Sequence[tuple[str, str]], joins: Sequence[Callable[[str, str], str]]) -> None:
        self.nest, self.name, self.values, self.joins = nest, name, values, joins
        types = [t for t, _ in values]
        self.t, self.typed = struct_of(types), nest.context.module.typed(types)
        self.names = [(t, own) for (t, _), own in nest.outside.names.items()]
        self.rows = [self.row(r, i) for i, r in enumerate(nest.met)]

    def row(self, r: Result, i: int) -> tuple[str, list[str], Scalar, str, str]:
        """Of a result that each part has an array of its own for: the array of all, its sizes and type; those of parts, how large one is."""
        nest = self.nest
        assert r.into is not None
        t = r.into.base.type
        assert isinstance(t, Array)
        dims = [nest.outside.use("i64", d) for d in nest.read(r.into.base)[1 : 1 + t.rank]]
        return nest.data(r.into), dims, t.dtype, f"%own{i}", f"%size{i}"

    def emit(self, finish: Callable[[list[str]], list[tuple[str, str]]]) -> list[str]:
        """Emit them; the types that the kernel returns. `finish` gives that, of the joined values."""
        nest = self.nest
        functions, params = nest.context.module.functions, nest.outside.params()
        nest.code.emit(f"ret {self.t} {nest.code.pack(self.t, list(self.values))}" if self.values else "ret void")
        head = ", ".join(x for x in (params, "i64 %first, i64 %length") if x)
        part = nest.code.text(f"define internal {self.typed} {self.name}.part({head}) nounwind")
        nest.code = code = Code(nest.context.module)
        cells = self.decide(code)
        returned = finish([code.load(t, cell) for (t, _), cell in zip(self.values, cells, strict=True)])
        types = [t for t, _ in returned]
        t = struct_of(types)
        code.emit(f"ret {t} {code.pack(t, returned)}" if returned else "ret void")
        quiet = " willreturn memory(read)" if self.is_quiet() else ""
        head = f"define internal {code.module.typed(types)} {self.name}({params}) noinline nounwind{quiet}"
        functions += [code.text(head), self.task(), part]
        return types

    def is_quiet(self) -> bool:
        """Does it nothing but give numbers, so that LLVM may leave it out where nobody needs them? (The value, beside a gradient.)"""
        return not may_fail(self.nest.body) and all(
            r.written is None and not isinstance(r.out and r.out.type, Array) for r in self.nest.k.results
        )

    def decide(self, code: Code) -> list[str]:
        """In one part or in several, by the work; where the joined values are."""
        nest = self.nest
        units = str(work(nest.k, nest.body))
        for n in nest.sizes:
            units = code.let(f"mul i64 {units}, {n}")
        cells = [code.alloca(t) for t, _ in self.values]
        grains, all_of_it = code.let(f"ashr i64 {units}, {GRAIN}"), nest.sizes[nest.split]
        wanted = self.bounded(code, units, least(code, grains, str(MOST)))
        alone, several, joined = (code.new_label(x) for x in ("alone", "several", "joined"))
        small = code.let(f"icmp slt i64 {grains}, {LEAST}")
        if self.rows:
            small = code.let(f"or i1 {small}, {code.let(f'icmp slt i64 {wanted}, 2')}")
        code.emit(f"br i1 {small}, label %{alone}, label %{several}")
        code.place(alone)
        self.keep(code, self.call(code, "0", all_of_it), cells)
        code.emit(f"br label %{joined}")
        code.place(several)
        self.several(code, wanted, cells)
        code.emit(f"br label %{joined}")
        code.place(joined)
        return cells

    def bounded(self, code: Code, units: str, wanted: str) -> str:
        """No more parts than pay for arrays of their own: each element of these costs as much as PRICE units."""
        total = "1"
        for _, dims, _, _, size in self.rows:
            total = code.let(f"add i64 {total}, {named(code, size, product(code, dims))}")
        return least(code, wanted, code.let(f"sdiv i64 {units}, {code.let(f'mul i64 {total}, {PRICE}')}")) if self.rows else wanted

    def keep(self, code: Code, value: str, cells: list[str]) -> None:
        for (t, _), cell, v in zip(self.values, cells, code.unpack(self.t, value, len(self.values)), strict=True):
            code.store(t, v, cell)

    def call(self, code: Code, first: str, length: str, instead: dict[str, str] | None = None) -> str:
        given = instead or {}
        args = ", ".join([*(f"{t} {given.get(own, own)}" for t, own in self.names), f"i64 {first}", f"i64 {length}"])
        text = f"call {self.typed} {self.name}.part({args})"
        if self.values:
            return code.let(text)
        code.emit(text)
        return ""

    def several(self, code: Code, wanted: str, cells: list[str]) -> None:
        nest = self.nest
        n = nest.sizes[nest.split]
        step = rounded_up(code, n, wanted)
        if nest.split == nest.order[-1]:
            step = code.let(f"mul i64 {rounded_up(code, step, str(LINE))}, {LINE}")
        parts, self.step = rounded_up(code, n, step), named(code, "%step", step)
        mark = code.let("call ptr @lantern.mark()") if self.rows else ""
        for _, _, dtype, own, size in self.rows:
            code.emit(f"{own} = call ptr @lantern.alloc(i64 {code.let(f'mul i64 {size}, {parts}')}, i64 {SIZES[dtype]}, i64 0)")
        rows = [x for _, _, _, own, size in self.rows for x in (("ptr", own), ("i64", size))]
        self.environment = Environment([*self.names, ("i64", self.step), *rows], [self.t] if self.values else [])
        environment = self.environment.make(code)
        run(nest.context, code, f"{self.name}.task", environment, parts)
        for array, _, dtype, own, size in self.rows:
            add_rows(code, MEMORY_TYPES[dtype], array, own, size, parts)
        if mark:
            code.emit(f"call void @lantern.release(ptr {mark})")
        if not self.values:
            return

        def left(part: str) -> str:
            return code.load(self.t, self.environment.place(code, environment, 0, part))

        def join(i: str) -> None:
            found = code.unpack(self.t, left(code.let(f"add i64 {i}, 1")), len(self.values))
            for (t, _), cell, v, one in zip(self.values, cells, found, self.joins, strict=True):
                code.store(t, one(code.load(t, cell), v), cell)

        self.keep(code, left("0"), cells)
        loop(code, code.let(f"sub i64 {parts}, 1"), join)

    def task(self) -> str:
        code, nest = Code(self.nest.context.module), self.nest
        self.environment.take(code, "%environment")
        first = code.let(f"mul i64 %part, {self.step}")
        rest = code.let(f"sub i64 {nest.sizes[nest.split]}, {first}")
        instead = {}
        for array, _, dtype, own, size in self.rows:
            instead[array] = zero_row(code, MEMORY_TYPES[dtype], own, size, dtype)
        value = self.call(code, first, least(code, rest, self.step), instead)
        if self.values:
            code.store(self.t, value, self.environment.place(code, "%environment", 0, "%part"))
        code.emit("ret void")
        return code.text(f"define internal void {self.name}.task(ptr %environment, i64 %part) nounwind")

"""Operations on small arrays as operations on their elements."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from ...core.analysis import dominators, find_loops
from ...core.graph import Atom, Const, Function, Let, Site, Var, defined_vars
from ...core.kernel import Access
from ...core.op import TABLE, Op, Stage
from ...core.types import BOOL, I64, Array, Type, element, is_float
from ...ops.memory import ALLOC, LOAD, RESHAPE, STORE
from .kernels import WriteOut, index
from .known import Shape
from .objects import Objects
from .plan import Plan


@dataclass(eq=False)
class Cell:
    """An array's elements as they are now. `wholes`: arrays in memory that hold them, each with its block."""

    elements: list[Atom]
    wholes: list[tuple[str, Var]] = field(default_factory=list)
    site: Site | None = None


class Elements:
    """One function, block by block. `cells` are those of still arrays, `state` those of moving ones where the block is now."""

    def __init__(self, plan: Plan, objects: Objects, f: Function) -> None:
        self.plan, self.objects, self.known, self.f = plan, objects, plan.known, f
        self.names = {v.name for v in (*f.params, *(v for b in f.blocks.values() for v in defined_vars(b)))}
        self.numbers: defaultdict[str, Iterator[int]] = defaultdict(itertools.count)
        self.home = {v: b.name for b in f.blocks.values() for v in defined_vars(b)}
        self.above = dominators(f)
        self.around: dict[str, set[str]] = {name: set() for name in f.blocks}
        for loop in find_loops(f).values():
            for name in loop.blocks:
                self.around[name].add(loop.head)
        self.cells: dict[Var, Cell] = {}
        self.state: dict[Var, Cell] = {}
        self.atoms: dict[Var, Atom] = {}  # scalars that are elements
        self.lets: list[Let] = []
        self.name = f.entry.name

    # ---- arrays
    def is_small(self, a: Any) -> TypeGuard[Var]:
        return self.plan.root(a) is not None

    def cell(self, v: Any) -> Cell:
        return self.state[v] if self.objects.is_moving(v) else self.cells[v]

    def bind(self, v: Var, cell: Cell) -> None:
        (self.state if self.objects.is_moving(v) else self.cells)[v] = cell

    def shape(self, v: Any) -> Shape:
        found = self.known.shape(v)
        assert found is not None
        return found

    def elements(self, v: Any, shape: Shape, site: Site | None = None) -> list[Atom]:
        """All elements of an array, of one in memory too."""
        if self.is_small(v):
            return list(self.cell(v).elements)
        return [self.load(v, [Const(i, I64) for i in at], site) for at in itertools.product(*map(range, shape))]

    def load(self, v: Any, at: Sequence[Atom], site: Site | None) -> Var:
        """An element of an array in memory."""
        return self.emit(LOAD, (v, *at), element(v.type.dtype), {"index": "u" * len(at)}, site)

    def store(self, v: Any, at: Sequence[Atom], value: Atom, site: Site | None) -> None:
        self.lets.append(Let((), STORE.name, (v, *at, value), {"index": "u" * len(at)}, site))

    def fill(self, out: Var, elements: Sequence[Atom], shape: Shape, site: Site | None) -> None:
        """Make an array of these elements in memory."""
        t = element(out.type.dtype)  # type: ignore[union-attr]
        zero = Const(0.0 if is_float(t) else t != BOOL and 0, t)
        self.lets.append(Let((out,), ALLOC.name, (*(Const(n, I64) for n in shape), zero), {"fill": False}, site))
        for at, x in zip(itertools.product(*map(range, shape)), elements, strict=True):
            self.store(out, [Const(i, I64) for i in at], x, site)

    def whole(self, v: Any) -> Var:
        """The array in memory: one that there is at this place, or a new one."""
        cell, shape = self.cell(v), self.shape(v)
        found = next((w for name, w in cell.wholes if name in self.above[self.name]), None)
        if found is None:
            found = self.fresh(v.name, v.type if self.is_exact(v) else Array(v.type.dtype, shape))
            self.fill(found, cell.elements, shape, cell.site)
            cell.wholes.append((self.name, found))
        if self.shape(found) == shape:
            return found
        sizes = tuple(Const(n, I64) for n in shape)
        return self.emit(RESHAPE, (found, *sizes), Array(v.type.dtype, shape), {"fails": False}, cell.site)

    def is_exact(self, v: Var) -> bool:
        return isinstance(v.type, Array) and v.type.dims == self.shape(v)

    # ---- operations
    def fresh(self, stem: str, t: Type) -> Var:
        name = f"{stem}.{next(self.numbers[stem])}"
        while name in self.names:
            name = f"{stem}.{next(self.numbers[stem])}"
        return Var(name, t)

    def scalars(self, v: Any) -> list[Var]:
        """New variables for the elements of an array."""
        return [self.fresh(v.name, element(v.type.dtype)) for _ in range(math.prod(self.shape(v)))]

    def emit(self, op: Op, args: Sequence[Atom], t: Type, attrs: dict[str, Any] | None = None, site: Site | None = None) -> Var:
        out = self.fresh("e", t)
        self.lets.append(Let((out,), op.name, tuple(args), attrs or {}, site))
        return out

    def let(self, let: Let) -> None:
        if TABLE[let.op].equates and self.known.integer(let.args[0]) == self.known.integer(let.args[1]) is not None:
            self.atoms[let.out] = let.args[0]
        elif not any(map(self.is_small, (*let.args, *let.outs))):
            self.lets.append(let)
        elif id(let) in self.plan.plain:
            TAKEN[let.op](self, let)
        else:
            let.args = tuple(self.whole(a) if self.is_small(a) else a for a in let.args)
            self.lets.append(let)
            for o in filter(self.is_small, let.outs):
                self.read_in(o, let.site)

    def read_in(self, v: Var, site: Site | None = None) -> None:
        """The elements of an array that is made elsewhere, and is not written."""
        found = [self.load(v, [Const(i, I64) for i in at], site) for at in itertools.product(*map(range, self.shape(v)))]
        self.cells[v] = Cell(list(found), [(self.name, v)], site)

    def position(self, v: Any, at: Sequence[Atom]) -> int:
        """The number of an element, whose index is known and may count from the end."""
        n = 0
        for i, size in zip(at, self.shape(v), strict=True):
            known = self.known.integer(i)
            assert known is not None
            n = n * size + known % size
        return n

    def put(self, v: Any, at: Sequence[Atom], value: Atom) -> None:
        cell = self.cell(v)
        cell.elements[self.position(v, at)] = value
        cell.wholes.clear()


TAKEN = Stage("arrays as scalars: their elements", lambda op: False)


@TAKEN.of("alloc")
def _alloc(e: Elements, let: Let) -> None:
    e.bind(let.out, Cell([let.args[-1]] * math.prod(e.shape(let.out)), [], let.site))


@TAKEN.of("copy")
def _copy(e: Elements, let: Let) -> None:
    _made(e, let.out, e.elements(let.args[0], e.shape(let.args[0]), let.site), let.site)


def _made(e: Elements, out: Var, elements: list[Atom], site: Site | None) -> None:
    """A new array of these elements."""
    if e.is_small(out):
        e.bind(out, Cell(elements, [], site))
    else:
        e.fill(out, elements, e.shape(out), site)


@TAKEN.of("reshape")
def _reshape(e: Elements, let: Let) -> None:
    e.bind(let.out, e.cell(let.args[0]))


@TAKEN.of("dim")
def _dim(e: Elements, let: Let) -> None:
    e.atoms[let.out] = Const(e.shape(let.args[0])[let.attrs["axis"]], I64)


@TAKEN.of("load")
def _load(e: Elements, let: Let) -> None:
    e.atoms[let.out] = e.cell(let.args[0]).elements[e.position(let.args[0], let.args[1:])]


@TAKEN.of("store")
def _store(e: Elements, let: Let) -> None:
    e.put(let.args[0], let.args[1:-1], let.args[-1])


@TAKEN.of("kernel")
def _kernel(e: Elements, let: Let) -> None:
    k = e.known.kernel(let)

    def emit(op: Op, args: tuple[Atom, ...], t: Type) -> Atom:
        return e.emit(op, args, t)

    def load(x: Access, point: tuple[int, ...], t: Type) -> Atom:
        at = index(x, point, emit)
        return e.cell(x.base).elements[e.position(x.base, at)] if e.is_small(x.base) else e.load(x.base, at, k.site)

    def copy(inner: Let, args: tuple[Atom, ...], site: Site | None) -> tuple[Atom, ...]:
        outs = tuple(e.fresh("e", o.type) for o in inner.outs)
        e.lets.append(Let(outs, inner.op, args, inner.attrs, site if TABLE[inner.op].may_fail else inner.site, inner.contract))
        return outs

    found = WriteOut(k, e.plan.program.functions[k.f], load, emit, copy).run()
    for x, point, value in found.stores:
        at = index(x, point, emit)
        if e.is_small(x.base):
            e.put(x.base, at, value)
        else:
            e.store(x.base, at, value, k.site)
    for out, elements in found.outs.items():
        if isinstance(out.type, Array):
            _made(e, out, elements, k.site)
        else:
            e.atoms[out] = elements[0]


__all__ = ["Cell", "Elements"]

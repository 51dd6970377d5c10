"""Kernels of a known small space, written out point by point."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...core.graph import Atom, Const, Function, Let, Site, Var
from ...core.kernel import SUMS, Access, Gather, Kernel, Result, Same, expensive
from ...core.op import Op
from ...core.types import BOOL, I32, I64, Array, Type, is_float
from ...ops.table import add, eq, gt, iadd, igt, ilt, imul, logical_and, logical_or, lt, ne, select
from ..bodies import known_integer

POINTS, OPERATIONS = 64, 192  # of a kernel that is written out
DEAR = 4  # points of one with mathematical functions, which a loop computes side by side
WRITTEN_OUT = ("map", *SUMS, "into", "fresh", "argmax", "argmin", "argmost", "argleast", "drop")
GREATEST = ("argmax", "argmost")

Emit = Callable[[Op, tuple[Atom, ...], Type], Atom]


def points(k: Kernel) -> int | None:
    """How many points it has, if that is known."""
    return math.prod(n.value for n in k.sizes) if all(isinstance(n, Const) for n in k.sizes) else None  # type: ignore[union-attr]


def growth(k: Kernel, body: Function) -> int:
    """How many operations it is, written out."""
    return (points(k) or 0) * (len(body.entry.lets) + sum(r.kind not in ("map", "drop") for r in k.results))


def is_short(k: Kernel, body: Function) -> bool:
    """Is it worth writing out, and can it be?"""
    n = points(k)
    if n is None or n > (DEAR if expensive(body) else POINTS) or growth(k, body) > OPERATIONS:
        return False
    if any(r.kind not in WRITTEN_OUT for r in k.results) or any(isinstance(x, Gather) for x in k.inputs):
        return False
    outs = [r.out or r.written for r in k.results]
    types = [v.type.dtype if isinstance(v.type, Array) else v.type for v in outs if v is not None]
    reduced = [t for r, t in zip(k.results, body.results, strict=True) if r.kind not in ("map", "into", "fresh", "drop")]
    return I32 not in types and all(is_float(t) or t == I64 for t in reduced) and (n > 0 or all(r.into is not None for r in k.results))


@dataclass
class Written:
    """What is left of a kernel: the elements of its results, and what is written into arrays that exist."""

    outs: dict[Var, list[Atom]]
    stores: list[tuple[Access, tuple[int, ...], Atom]]


@dataclass
class WriteOut:
    """`load` reads an element through an access, at a point; `emit` adds an operation, `copy` one of the kernel's function."""

    k: Kernel
    body: Function
    load: Callable[[Access, tuple[int, ...], Type], Atom]
    emit: Emit
    copy: Callable[[Let, tuple[Atom, ...], Site | None], tuple[Atom, ...]]

    def run(self) -> Written:
        self.sizes = [n.value for n in self.k.sizes]  # type: ignore[union-attr]
        self.sums: list[dict[int, Atom]] = [{} for _ in self.k.results]
        self.places: list[dict[int, Atom]] = [{} for _ in self.k.results]
        stores = []
        for point in itertools.product(*map(range, self.sizes)):
            for i, (r, v) in enumerate(zip(self.k.results, self.values(point), strict=True)):
                if r.into is not None:
                    stores.append((r.into, point, v))
                elif r.kind == "map":
                    self.sums[i][len(self.sums[i])] = v
                elif r.out is not None:
                    self.collect(i, r, point, v)
        outs = {}
        for i, r in enumerate(self.k.results):
            if r.out is not None:
                found = (self.places if r.kind.startswith("arg") else self.sums)[i]
                outs[r.out] = [found[at] for at in sorted(found)]
        return Written(outs, stores)

    def values(self, point: tuple[int, ...]) -> list[Atom]:
        """What the function gives at a point."""
        known: dict[Var, Atom] = {}
        for x, p in zip(self.k.inputs, self.body.params, strict=True):
            if isinstance(x, Access):
                known[p] = self.load(x, point, p.type)
            else:
                known[p] = x.atom if isinstance(x, Same) else Const(point[x.axis], I64)  # type: ignore[union-attr]
        for let in self.body.entry.lets:
            args = tuple(known[a] if isinstance(a, Var) else a for a in let.args)
            known.update(zip(let.outs, self.copy(let, args, let.site or self.k.site), strict=True))
        return [known[a] if isinstance(a, Var) else a for a in self.body.returned]

    def collect(self, i: int, r: Result, point: tuple[int, ...], v: Atom) -> None:
        """One more term of a sum, or candidate of an extreme; each begins where `at` is new."""
        at = self.number(point, r.axes)
        place = self.number(point, [q for q in range(len(point)) if q not in r.axes])
        sums, places = self.sums[i], self.places[i]
        old = sums.get(at)
        if old is None and r.start is not None:
            old = r.start.atom if isinstance(r.start, Same) else self.load(r.start, point, v.type)
            places[at] = Const(-1, I64)
        if r.kind in SUMS:
            old = Const(0.0 if is_float(v.type) else 0, v.type) if old is None else old  # of zeros alone it is 0.0, as NumPy's
            sums[at] = self.emit(add if is_float(v.type) else iadd, (old, v), v.type)
        elif old is None:
            sums[at], places[at] = v, Const(0, I64)
        else:
            wins = self.wins(r, old, v)
            sums[at] = self.emit(select, (wins, v, old), v.type)
            places[at] = self.emit(select, (wins, Const(place, I64), places[at]), I64)

    def number(self, point: tuple[int, ...], axes: Sequence[int]) -> int:
        """Of a point among those of some axes, in their order."""
        at = 0
        for q in axes:
            at = at * self.sizes[q] + point[q]
        return at

    def wins(self, r: Result, old: Atom, v: Atom) -> Atom:
        """Is it the greatest so far, or the least? The first NaN is, where there is no start."""
        if not is_float(v.type):
            return self.emit(igt if r.kind in GREATEST else ilt, (v, old), BOOL)
        better = self.emit(gt if r.kind in GREATEST else lt, (v, old), BOOL)
        if r.start is not None:
            return better
        better = self.emit(logical_or, (better, self.emit(ne, (v, v), BOOL)), BOOL)
        return self.emit(logical_and, (better, self.emit(eq, (old, old), BOOL)), BOOL)


def index(x: Access, point: tuple[int, ...], emit: Emit) -> list[Atom]:
    """Where an access reads at a point."""
    found = []
    for start, step, q in zip(x.starts, x.steps, x.axes, strict=True):
        moved = integer(emit, imul, step, Const(point[q], I64)) if q >= 0 else Const(0, I64)
        found.append(integer(emit, iadd, start, moved))
    return found


def integer(emit: Emit, op: Op, a: Atom, b: Atom) -> Atom:
    found = known_integer(op, a, b)
    return emit(op, (a, b), I64) if found is None else found


def extent(x: Access, k: Kernel) -> list[tuple[int, int]] | None:
    """The least and the greatest index on each axis, if they are known."""
    found = []
    for start, step, q in zip(x.starts, x.steps, x.axes, strict=True):
        if not isinstance(start, Const) or (q >= 0 and not isinstance(step, Const)):
            return None
        ends = (start.value, start.value + (step.value * (k.sizes[q].value - 1) if q >= 0 else 0))  # type: ignore[union-attr]
        found.append((min(ends), max(ends)))
    return found


__all__ = ["OPERATIONS", "WriteOut", "Written", "extent", "growth", "index", "is_short"]

"""Operations in memory and on whole arrays, on sets of columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..ir.core.graph import Let
from ..ir.core.kernel import SUMS, Access, Gather, Kernel, Result, Same, kernel_of
from ..ir.core.op import TABLE, Size, Stage
from ..ir.core.types import Array, is_float
from .sets import NONE, refuse
from .values import FEW, UNKNOWN, Cells, Ref, is_known, sets_of

HOW = Stage("patterns", lambda op: False)  # (run, let, values) -> results; the others are looked at as a whole


# ---- memory
def place(run: Any, ref: Ref, index: Sequence[Any]) -> Any:
    """The flat position of an element; where some of the index is not known, all positions that it may be."""
    if all(map(is_known, index)) and all(map(is_known, ref.shape)):
        flat = 0
        for i, n in zip(index, ref.shape, strict=True):
            flat = flat * int(n) + (int(i) + int(n) if i < 0 else int(i))
        return flat
    if not all(map(is_known, ref.shape)):
        return None
    axes = [np.arange(int(n)) if not is_known(i) else np.array([int(i) % max(int(n), 1)]) for i, n in zip(index, ref.shape, strict=True)]
    return np.ravel_multi_index(np.ix_(*axes), tuple(map(int, ref.shape))).ravel()


@HOW.of("load")
def load(run: Any, let: Let, xs: Sequence[Any]) -> list[Any]:
    at = place(run, xs[0], xs[1:])
    sets, values = run.at(xs[0], at)
    return [
        run.element(let.out.type, sets if isinstance(at, int) else run.sets.everything(sets), values if isinstance(at, int) else UNKNOWN)
    ]


@HOW.of("store")
def store(run: Any, let: Let, xs: Sequence[Any]) -> list[Any]:
    at, x = place(run, xs[0], xs[1:-1]), xs[-1]
    sets = sets_of(x) if is_float(let.args[-1].type) else NONE
    if isinstance(at, int):
        run.write(xs[0], at, sets, x)
    else:
        may_write(run, xs[0], at, sets)
    return []


def may_write(run: Any, ref: Ref, places: Any, sets: Any) -> None:
    """One of these elements is written, or some of them."""
    for cells in ref.cells:
        run.changed |= cells.put(places, sets, UNKNOWN, False) and run.unsure > 0


@HOW.of("dim")
def dim(run: Any, let: Let, xs: Sequence[Any]) -> list[Any]:
    n = xs[0].shape[let.attrs["axis"]]
    return [np.int64(n) if is_known(n) else UNKNOWN]


@HOW.of("check_range")
def check_range(run: Any, let: Let, xs: Sequence[Any]) -> list[Any]:
    return []


@HOW.of("alloc")
def alloc(run: Any, let: Let, xs: Sequence[Any]) -> list[Any]:
    *shape, fill = xs
    n = int(np.prod([run.size(m) for m in shape]))
    return [run.array(let, shape, sets_of(fill) if is_float(let.args[-1].type) else NONE, np.full(n, fill) if is_known(fill) else None)]


@HOW.of("copy")
def copy(run: Any, let: Let, xs: Sequence[Any]) -> list[Any]:
    n = int(np.prod([run.size(m) for m in xs[0].shape]))
    sets, values = run.at(xs[0], np.arange(n))
    return [run.array(let, xs[0].shape, sets, values.copy() if is_known(values) else None)]


@HOW.of("reshape")
def reshape(run: Any, let: Let, xs: Sequence[Any]) -> list[Any]:
    return [Ref(xs[0].cells, tuple(int(n) if is_known(n) else UNKNOWN for n in xs[1:]))]


@HOW.of("hold")
def hold(run: Any, let: Let, xs: Sequence[Any]) -> list[Any]:
    return [Ref((Cells(run.sets, 0),), (), list(xs))]


@HOW.of("held")
def held(run: Any, let: Let, xs: Sequence[Any]) -> list[Any]:
    return list(xs[0].held[: len(let.outs)])


@HOW.of("host")
def host(run: Any, let: Let, xs: Sequence[Any]) -> list[Any]:
    return [UNKNOWN for _ in let.outs]


def shape_of(let: Let, xs: Sequence[Any], i: int) -> list[Any]:
    """The sizes of a result, as the row of its operation says them."""
    found = TABLE[let.op].shape(let)[i]
    numbers = {a: x for a, x in zip(let.args, xs, strict=True)}

    def one(n: Any) -> Any:
        if isinstance(n, Size):
            return numbers[n.array].shape[n.axis]
        return UNKNOWN if n is None else numbers.get(n, getattr(n, "value", UNKNOWN))

    known = [UNKNOWN] * let.outs[i].type.rank if found is None else [one(n) for n in found[1]]  # type: ignore[union-attr]
    return [d if isinstance(d, int) else n for n, d in zip(known, let.outs[i].type.dims, strict=True)]  # type: ignore[union-attr]


# ---- libraries
@HOW.of("gemm")
def gemm(run: Any, let: Let, xs: Sequence[Any]) -> list[Any]:
    """Element (i, j) depends on row i of the first and column j of the second; where a factor is known its zeros count."""
    (a, b), (ta, tb) = xs, (let.attrs["ta"], let.attrs["tb"])
    if len(a.shape) != 2:
        return run.anything(let, xs)  # type: ignore[no-any-return]
    sa, sb = ([run.size(n) for n in x.shape] for x in (a, b))
    where_a = np.arange(sa[0] * sa[1]).reshape(sa)
    where_b = np.arange(sb[0] * sb[1]).reshape(sb)
    where_a, where_b = where_a.T if ta else where_a, where_b.T if tb else where_b
    (m, k), n = where_a.shape, where_b.shape[1]
    left, right = matrix(run, a, where_a), matrix(run, b, where_b)
    found = run.sets.union(_products(run, left[0], right[1], m, k, n, True), _products(run, right[0], left[1], m, k, n, False))
    if run.pairs is not None:
        for q in range(k):
            row, column = run.sets.take(right[0], q * n + np.arange(n)), run.sets.take(left[0], np.arange(m) * k + q)
            run.pairs.add(run.sets.everything(column), run.sets.everything(row))
    return [run.array(let, (m, n), found)]


def matrix(run: Any, ref: Ref, where: Any) -> tuple[Any, Any]:
    """(sets of the elements at these places, which of them may be other than zero if they are known)"""
    sets, values = run.at(ref, where.ravel())
    return sets, (values.reshape(where.shape) != 0 if is_known(values) else None)


def _products(run: Any, sets: Any, other: Any, m: int, k: int, n: int, first: bool) -> Any:
    """What an (m x n) product depends on through one of its factors: `other` says where the other one may be other than zero."""
    if isinstance(sets, frozenset) and not sets:
        return NONE
    i, j = np.divmod(np.arange(m * n), max(n, 1))
    if other is None:  # on all of a row, or of a column
        lines = np.repeat(np.arange(m), k) if first else np.tile(np.arange(n), k)
        return run.sets.take(run.sets.grouped(sets, lines, m if first else n), i if first else j)
    if first:
        q, column = other.nonzero()
        refuse(m * len(q))
        out, source = np.add.outer(np.arange(m) * n, column), np.add.outer(np.arange(m) * k, q)
    else:
        line, q = other.nonzero()
        refuse(n * len(q))
        out, source = np.add.outer(line * n, np.arange(n)), np.add.outer(q * n, np.arange(n))
    table = run.sets.table(sets, m * k if first else k * n)
    return sp.csr_array((np.ones(out.size, bool), (out.ravel(), source.ravel())), shape=(m * n, table.shape[0])) @ table


@HOW.of("scatter")
def scatter(run: Any, let: Let, xs: Sequence[Any]) -> list[Any]:
    x, index, v = xs
    n = int(np.prod([run.size(m) for m in index.shape]))
    _, at = run.at(index, np.arange(n))
    sets = run.at(v, np.arange(n) if _count(run, v) == n else np.zeros(n, int))[0] if isinstance(v, Ref) else sets_of(v)
    if not is_known(at):
        may_write(run, x, None, sets)
        return []
    at = np.where(at < 0, at + run.size(x.shape[0]), at)
    if let.attrs["add"]:
        may_write(run, x, at, run.sets.table(sets, n))
    else:
        run.write(x, at, run.sets.table(sets, n), UNKNOWN)
    return []


def _count(run: Any, ref: Ref) -> int:
    return int(np.prod([run.size(m) for m in ref.shape]))


@HOW.of("cumsum")
def cumsum(run: Any, let: Let, xs: Sequence[Any]) -> list[Any]:
    """Each element depends on those before it."""
    shape = [run.size(n) for n in xs[0].shape]
    rows, n = int(np.prod(shape[:-1])), shape[-1]
    sets, _ = run.at(xs[0], np.arange(rows * n))
    until = sp.triu(np.ones((n, n), bool), format="csr") if let.attrs["reverse"] else sp.tril(np.ones((n, n), bool), format="csr")
    found = sets if isinstance(sets, frozenset) else sp.csr_array(sp.kron(sp.eye_array(rows, dtype=bool), until, format="csr")) @ sets
    return [run.array(let, shape, found)]


# ---- kernels
def kernel(run: Any, let: Let, env: Any) -> list[Any]:
    """All points at once."""
    return _Kernel(run, let, env).results()


class _Kernel:
    def __init__(self, run: Any, let: Let, env: Any) -> None:
        self.run, self.let, self.env = run, let, env
        self.k: Kernel = kernel_of(let)
        self.shape = tuple(run.size(self.read(n)) for n in self.k.sizes)
        self.points = int(np.prod(self.shape))
        self.coords = [c.ravel() for c in np.indices(self.shape)] if self.points else [np.arange(0) for _ in self.shape]

    def read(self, a: Any) -> Any:
        return self.run.read(self.env, a)

    def results(self) -> list[Any]:
        f = self.run.program.functions[self.k.f]
        env: dict[Any, Any] = {}
        for x, p in zip(self.k.inputs, f.params, strict=True):
            env[p] = self.input(x, p, env, f.params)
        for let in f.entry.lets:
            env[let.out] = self.run.scalar(let, [self.run.read(env, a) for a in let.args], self.points or 1)
        outs = []
        for i, (r, a) in enumerate(zip(self.k.results, f.returned, strict=True)):
            v = self.run.read(env, a)
            if r.written is not None:
                self.write(r, v, env, f.params, is_float(a.type))
            elif r.out is not None:
                outs.append(self.collected(r, v, i))
        return outs

    def places(self, x: Access) -> Any:
        """Flat positions at all points; None where they are not known."""
        shape = self.read(x.base).shape
        numbers = [self.read(a) for a in (*x.starts, *x.steps)]
        if not all(map(is_known, (*numbers, *shape))):
            return None
        flat = np.zeros(self.points, np.int64)
        for start, step, axis, n in zip(numbers, numbers[len(x.axes) :], x.axes, shape, strict=False):
            flat = flat * int(n) + int(start) + (int(step) * self.coords[axis] if axis >= 0 else 0)
        return flat

    def input(self, x: Any, p: Any, env: Any, params: Any) -> Any:
        if isinstance(x, Same):
            return self.read(x.atom)
        if isinstance(x, (Access, Gather)):
            ref = self.read(x.base)
            places = self.places(x) if isinstance(x, Access) else self.at(env[params[x.place]])
            sets, values = self.run.at(ref, places)
            return self.run.element(p.type, sets, values if self.points <= FEW or not is_float(p.type) else UNKNOWN)
        return self.coords[x.axis]

    def at(self, index: Any) -> Any:
        return np.broadcast_to(index, self.points).astype(np.int64) if is_known(index) else None

    def write(self, r: Result, v: Any, env: Any, params: Any, floats: bool) -> None:
        ref = self.read(r.written)
        places = self.places(r.into) if r.into is not None else self.at(env[params[r.at.place]])  # type: ignore[union-attr]
        sets, values = (sets_of(v) if floats else NONE), v
        if r.kind in ("into", "fresh", "first") and places is not None:
            self.run.write(ref, places, sets, values)
        else:
            may_write(self.run, ref, places, sets if places is None else self.run.sets.table(sets, self.points))

    def collected(self, r: Result, v: Any, i: int) -> Any:
        t = r.out.type  # type: ignore[union-attr]
        dtype = t.dtype if isinstance(t, Array) else t
        kept = self.shape if r.kind == "map" else tuple(self.shape[q] for q in r.axes)
        if not is_float(dtype):
            values = np.broadcast_to(v, self.points).copy() if r.kind == "map" and is_known(v) else None
            return self.run.array(self.let, kept, NONE, values, i) if isinstance(t, Array) else UNKNOWN
        found = sets_of(v) if r.kind == "map" else self.total(r, sets_of(v), kept) if r.kind in SUMS else NONE
        if isinstance(t, Array):
            values = np.broadcast_to(v, self.points).copy() if r.kind == "map" and is_known(v) else None
            return self.run.array(self.let, kept, found, values, i)
        return self.run.sets.everything(found)

    def total(self, r: Result, v: Any, kept: tuple[int, ...]) -> Any:
        """The union over the axes that are not kept, and what the sum starts from."""
        groups = np.zeros(self.points, np.int64)
        for q in r.axes:
            groups = groups * self.shape[q] + self.coords[q]
        sets = self.run.sets
        found = sets.grouped(v, groups, int(np.prod(kept))) if r.axes else sets.everything(v) if self.points else NONE
        if isinstance(r.start, Same):
            return sets.union(found, sets_of(self.read(r.start.atom)))
        return found if r.start is None else sets.union(found, self.start(r, kept))

    def start(self, r: Result, kept: tuple[int, ...]) -> Any:
        """The sets of the elements that sums start from, in an array with the axes that are kept."""
        ref = self.read(r.start.base)  # type: ignore[union-attr]
        if self.points == 0 or not r.axes:
            return self.run.sets.everything(self.run.at(ref, None)[0])
        first = np.zeros(int(np.prod(kept)), np.int64)
        groups = np.zeros(self.points, np.int64)
        for q in r.axes:
            groups = groups * self.shape[q] + self.coords[q]
        first[groups] = np.arange(self.points)
        places = self.places(r.start)  # type: ignore[arg-type]
        return self.run.at(ref, None if places is None else places[first])[0]

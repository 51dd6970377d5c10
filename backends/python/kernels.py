"""Kernels on the reference interpreter: one call of the scalar function for each point of the space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ir.core.graph import Const, Let
from ...ir.core.kernel import ADDS, SMOOTH, SUMS, Access, Gather, Kernel, Result, Same, kernel_of
from ...ir.core.types import NUMPY_DTYPES, Array

_FIRST = {"sum": lambda a, x: a + x, "max": lambda a, x: x if x > a or x != x else a, "min": lambda a, x: x if x < a or x != x else a}


class Run:
    """One kernel at work. `read` gives an atom's value; arrays are Refs."""

    def __init__(self, let: Let, read: Any) -> None:
        self.k: Kernel = kernel_of(let)
        self.read = read
        self.sizes = tuple(int(read(n)) for n in self.k.sizes)

    def points(self) -> Any:
        return np.ndindex(*self.sizes)

    def at(self, x: Access, point: Sequence[int]) -> tuple[int, ...]:
        """The index of an array's element."""
        pairs = zip(x.starts, x.steps, x.axes, strict=True)
        return tuple(int(self.read(s)) + (int(self.read(t)) * point[q] if q >= 0 else 0) for s, t, q in pairs)

    def inputs(self, point: Sequence[int]) -> list[Any]:
        out = []
        for x in self.k.inputs:
            if isinstance(x, Access):
                out.append(scalar(self.read(x.base).value[self.at(x, point)]))
            elif isinstance(x, Same):
                out.append(self.read(x.atom))
            elif isinstance(x, Gather):
                out.append(scalar(self.read(x.base).value[int(out[x.place])]))
            else:
                out.append(np.int64(point[x.axis]))
        return out

    def forward(self, call: Any, new: Any) -> list[Any]:
        """Run it. `call(args)` calls the scalar function, `new(array)` wraps a new array. The values of the outs."""
        kept = [self.shape(r) if r.out is not None else () for r in self.k.results]
        outs: list[Any] = [None] * len(kept)
        best: list[Any] = [None] * len(kept)
        for i, (r, shape) in enumerate(zip(self.k.results, kept, strict=True)):
            if r.out is not None:
                t = r.out.type
                dtype = NUMPY_DTYPES[t.dtype if isinstance(t, Array) else t]
                outs[i] = np.zeros(shape, dtype)
                if r.kind == "ordered":
                    self.begin(r, outs[i])
                elif r.start is not None:
                    best[i], outs[i][...] = np.empty(shape, object), -1
                    self.begin(r, best[i])
                elif r.kind != "map" and r.kind != "sum":
                    best[i] = np.empty(shape, object)
        writes = []
        for n, point in enumerate(self.points()):
            inputs = self.inputs(point)
            for i, (r, v) in enumerate(zip(self.k.results, call(inputs), strict=True)):
                if r.into is not None:
                    writes.append((r, self.at(r.into, point), v))
                elif r.at is not None:
                    writes.append((r, (int(inputs[r.at.place]),), v))
                elif r.out is not None:
                    self.collect(r, outs[i], best[i], point, v, n)
        self.write(writes)
        for i, (r, b) in enumerate(zip(self.k.results, best, strict=True)):
            if b is not None and r.kind in ("max", "min"):
                for at in np.ndindex(*b.shape):
                    outs[i][at] = b[at] if b[at] is not None else _empty(r.kind, outs[i].dtype)
        done = [(r, o) for r, o in zip(self.k.results, outs, strict=True) if r.out is not None]
        return [new(o) if isinstance(r.out.type, Array) else scalar(o[()]) for r, o in done]  # type: ignore[union-attr]

    def write(self, writes: list[tuple[Result, tuple[int, ...], Any]]) -> None:
        """What goes into arrays that exist."""
        for r in self.k.results:
            if r.kind == "first":
                assert r.into is not None
                for point in np.ndindex(*(n if q in r.into.axes else 1 for q, n in enumerate(self.sizes))):
                    self.read(r.into.base).value[self.at(r.into, point)] = 0.0
        begun: set[tuple[int, tuple[int, ...]]] = set()
        for r, at, v in writes:
            there = self.read(r.written).value
            if r.kind == "first" and (id(r), at) not in begun:  # whatever others have added by now
                begun.add((id(r), at))
                there[at] = 0.0
            there[at] = there[at] + v if r.kind in ADDS else plain(v)

    def begin(self, r: Result, out: Any) -> None:
        """Fill in what a result starts from."""
        for at in np.ndindex(*out.shape):
            point = [at[r.axes.index(q)] if q in r.axes else 0 for q in range(len(self.sizes))]
            assert r.start is not None
            out[at] = (
                self.read(r.start.atom) if isinstance(r.start, Same) else scalar(self.read(r.start.base).value[self.at(r.start, point)])
            )

    def shape(self, r: Result) -> tuple[int, ...]:
        return self.sizes if r.kind == "map" else tuple(self.sizes[q] for q in r.axes)

    def collect(self, r: Result, out: Any, best: Any, point: Any, v: Any, n: int) -> None:
        at = point if r.kind == "map" else tuple(point[q] for q in r.axes)
        if r.kind == "map":
            out[at] = plain(v)
        elif r.kind in SUMS:
            out[at] += v
        elif r.kind in ("max", "min"):
            best[at] = v if best[at] is None else _FIRST[r.kind](best[at], v)
        else:
            place = 0
            for q in range(len(point)):
                if q not in r.axes:
                    place = place * self.sizes[q] + point[q]
            old = best[at]
            better = old is not None and (v > old if r.kind in ("argmax", "argmost") else v < old)
            wins = better if r.start is not None else old is None or (old == old and (v != v or better))
            if wins:
                best[at], out[at] = v, place

    # ---- the way back
    def saved(self) -> list[Any]:
        """Copies of the arrays that are about to be written, but for what nobody is to see again."""
        found = []
        for r in self.k.results:
            if r.into is not None:
                ref = self.read(r.into.base)
                found.append((ref, ref.value.copy()))
                for point in self.points() if r.kind == "fresh" else ():
                    found[-1][1][self.at(r.into, point)] = nothing(ref.value.dtype)
        return found

    def backward(self, pull: Any, active: Any, adjoints: dict[Any, Any], add: Any, old: Any) -> None:
        """pull(args, cotangents) gives the adjoints of the scalar function's parameters. `adjoints` are the outs', `old` the
        arrays before they were written; add(input, index, d) collects."""
        cotangents = []
        for point in self.points():
            cs = []
            for r in self.k.results:
                if r.kind not in SMOOTH:
                    cs.append(0.0)
                elif r.into is not None:
                    ref, at = self.read(r.into.base), self.at(r.into, point)
                    cs.append(scalar(ref.adjoint[at]) if active(r.into.base) else 0.0)
                else:
                    d = adjoints.get(r.out, 0.0)
                    at = point if r.kind == "map" else tuple(point[q] for q in r.axes)
                    cs.append(scalar(d[at]) if isinstance(d, np.ndarray) else d)
            cotangents.append((point, cs))
        for r in self.k.results:
            if r.into is not None and active(r.into.base):
                for point in self.points():
                    self.read(r.into.base).adjoint[self.at(r.into, point)] = 0.0
        for ref, before in old:
            ref.value[...] = before
        for point, cs in cotangents:
            values = self.inputs(point)
            for x, d in zip(self.k.inputs, pull(values, cs), strict=True):
                if isinstance(x, Access) and active(x.base):
                    self.read(x.base).adjoint[self.at(x, point)] += d
                elif isinstance(x, Gather) and active(x.base):
                    self.read(x.base).adjoint[int(values[x.place])] += d
                elif isinstance(x, Same) and not isinstance(x.atom, Const) and active(x.atom):
                    add(x.atom, d)


def nothing(dtype: Any) -> Any:
    """The element of an array that nobody is to read: one that shows."""
    kind = dtype.base.kind
    return np.nan if kind == "f" else True if kind == "b" else np.iinfo(dtype).min // 3


def _empty(kind: str, dtype: Any) -> Any:
    """The maximum or minimum of nothing."""
    if dtype.kind == "b":
        return kind == "min"
    if dtype.kind == "i":
        info = np.iinfo(dtype)
        return info.min if kind == "max" else info.max
    return -np.inf if kind == "max" else np.inf


def plain(v: Any) -> Any:
    """A scalar as NumPy's assignment takes it: an integer of 64 bits wraps in an array of 32."""
    return np.array(v) if isinstance(v, np.int64) else v


def scalar(x: Any) -> Any:
    """An element as the scalar machine takes it."""
    if isinstance(x, np.bool_):
        return bool(x)
    if isinstance(x, np.ndarray):
        return x.copy()
    return np.int64(x) if isinstance(x, np.integer) else x

"""Kernels: whole-array operations as one loop nest around a scalar function.

    %z = kernel(%n, %x, 0, 1, %y, 0, 1, %a) {f='mul_add', rank=1, inputs=(('a', 0), ('a', 0), ('s',)), results=(('map',),)}

        for i in range(n):  z[i] = mul_add(x[0 + 1 * i], y[0 + 1 * i], a)

`f` is a function of the program: one block of scalar operations. Each of its parameters is an input:
  ('a', q0, q1, ..)  an array's element; axis j is read at start_j + step_j * i_(qj), or at start_j where qj is -1
  ('s',)             a scalar that is the same everywhere
  ('i', q)           the index of axis q itself
  ('g', j)           a one-dimensional array's element at the position that parameter j gives, which is in bounds
Each of its results goes somewhere:
  ('map',)           a new array over the whole space, contiguous
  ('sum', q0, ..)    a new array over the axes q, or a scalar where there are none; so do 'max', 'min', 'argmax', 'argmin'
  ('ordered', start, q0, ..)  the same sum as a loop takes it: from a start, the terms one after another in the order of the space
  ('argmost', start, q0, ..)  the position of the last one, in that order, that is greater than a start and all before it; -1 if none
                     is. ('argleast', start, q0, ..) of the last that is less
  ('into', q0, ..)   the elements of an array that exists, at start_j + step_j * i_(qj): a write, undone on the way back
  ('fresh', q0, ..)  the same where nobody has seen the elements before: nothing to undo
  ('add', q0, ..)    is added to the elements of an array that exists; so is the sum over the axes that do not move it
  ('first', q0, ..)  the same where the elements are to be taken for zeros: they are written, and not read
  ('at', j)          is added to a one-dimensional array's element at the position that parameter j gives
  ('drop',)          nowhere
A kernel's arguments stand in the order: sizes of the space, inputs, destinations and starts. A start is an ('s',) or an ('a', q0, ..);
no derivative goes to it: `carried` (ops/table.py) passes it on.

The derivative of a kernel is a kernel around the derivative of `f`: nothing is stored for the way back, the loop
backwards computes again what it needs. 'max', 'min' and the positions have a zero derivative: what differentiates
them reads the element at the position instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .graph import Atom, Const, Function, Let, Var
from .op import TABLE
from .types import I64, Array, carries_gradient

ONE, ZERO = Const(1, I64), Const(0, I64)
SUMS = ("sum", "ordered")
STARTED = ("ordered", "argmost", "argleast")
SMOOTH = ("map", *SUMS, "into", "fresh")  # what a derivative flows through
ADDS = ("add", "first", "at")  # what adjoints are made of: such kernels are not differentiated
WRITES = ("into", "fresh", "add", "first")


@dataclass
class Access:
    """Elements of an array: axis j at starts[j] + steps[j] * (index of axis axes[j])."""

    base: Var
    starts: tuple[Atom, ...]
    steps: tuple[Atom, ...]
    axes: tuple[int, ...]

    def atoms(self) -> tuple[Atom, ...]:
        return (self.base, *(a for pair in zip(self.starts, self.steps, strict=True) for a in pair))


def same_element(a: Access, b: Access, key: Callable[[Atom], Any]) -> bool:
    """Do two accesses of one kernel name the same element at every point? Then a read through one is not disturbed by a write
    through the other. A view's extent is in its access, since an axis that broadcasts does not move. `key` is equal for equal numbers."""
    numbers = zip((*a.starts, *a.steps), (*b.starts, *b.steps), strict=True)
    return a.base is b.base and a.axes == b.axes and all(key(x) == key(y) for x, y in numbers)


@dataclass
class Same:
    """A scalar."""

    atom: Atom


@dataclass
class Index:
    """The index of an axis."""

    axis: int


@dataclass
class Gather:
    """An element of a one-dimensional array, at the value of an earlier parameter."""

    base: Var
    place: int


@dataclass
class Result:
    kind: str
    axes: tuple[int, ...] = ()
    into: Access | None = None
    out: Var | None = None
    start: Access | Same | None = None  # of what is STARTED
    at: Gather | None = None

    @property
    def written(self) -> Var | None:
        """The array that exists and is written."""
        return self.into.base if self.into is not None else self.at.base if self.at is not None else None

    def atoms(self) -> tuple[Atom, ...]:
        given = self.into or self.start or self.at
        return _atoms(given) if given is not None else ()

    def described(self) -> tuple[Any, ...]:
        if self.start is not None:
            return (self.kind, _described(self.start), *self.axes)
        return (self.kind, *(self.into.axes if self.into is not None else self.axes))


@dataclass
class Kernel:
    """A kernel Let, taken apart."""

    f: str
    sizes: list[Atom]
    inputs: list[Access | Same | Index | Gather]
    results: list[Result]
    site: Any = None
    extra: dict[str, Any] = field(default_factory=dict)

    def let(self) -> Let:
        return Let(tuple(r.out for r in self.results if r.out is not None), "kernel", self.args(), self.attrs(), self.site)

    def args(self) -> tuple[Atom, ...]:
        args: list[Atom] = list(self.sizes)
        for x in self.inputs:
            args += _atoms(x)
        for r in self.results:
            args += r.atoms()
        return tuple(args)

    def reads(self) -> list[Var]:
        """The arrays whose elements it reads."""
        places = (*self.inputs, *(r.start for r in self.results))
        adds = [r.written for r in self.results if r.kind in ADDS and r.written is not None]
        return [x.base for x in places if isinstance(x, (Access, Gather))] + adds

    def attrs(self) -> dict[str, Any]:
        inputs = tuple(map(_described, self.inputs))
        results = tuple(r.described() for r in self.results)
        return {"f": self.f, "rank": len(self.sizes), "inputs": inputs, "results": results, **self.extra}


def _atoms(x: Access | Same | Index | Gather) -> tuple[Atom, ...]:
    if isinstance(x, Access):
        return x.atoms()
    return (x.atom,) if isinstance(x, Same) else (x.base,) if isinstance(x, Gather) else ()


def _described(x: Access | Same | Index | Gather) -> tuple[Any, ...]:
    if isinstance(x, Access):
        return ("a", *x.axes)
    return ("s",) if isinstance(x, Same) else ("g", x.place) if isinstance(x, Gather) else ("i", x.axis)


def kernel_of(let: Let) -> Kernel:
    """A kernel Let, taken apart."""
    args, attrs = let.args, let.attrs
    at = rank = attrs["rank"]
    inputs: list[Any] = []
    for described in attrs["inputs"]:
        x, at = _place(described, args, at)
        inputs.append(x)
    outs, results = iter(let.outs), []
    for kind, *axes in attrs["results"]:
        if kind in STARTED:
            start, at = _place(axes[0], args, at)
            results.append(Result(kind, tuple(axes[1:]), None, next(outs), start))
        elif kind in WRITES:
            into, at = _place(("a", *axes), args, at)
            results.append(Result(kind, tuple(axes), into))
        elif kind == "at":
            gather, at = _place(("g", axes[0]), args, at)
            results.append(Result(kind, tuple(axes), at=gather))
        else:
            results.append(Result(kind, tuple(axes), None, None if kind == "drop" else next(outs)))
    extra = {k: v for k, v in attrs.items() if k not in OF_THE_KERNEL} if len(attrs) > len(OF_THE_KERNEL) else {}
    return Kernel(attrs["f"], list(args[:rank]), inputs, results, let.site, extra)


def _place(described: tuple[Any, ...], args: tuple[Atom, ...], at: int) -> tuple[Any, int]:
    """What a description says of the arguments from `at` on, and where the next one begins."""
    kind = described[0]
    if kind == "a":
        axes = described[1:]
        end = at + 1 + 2 * len(axes)
        return Access(args[at], args[at + 1 : end : 2], args[at + 2 : end : 2], axes), end  # type: ignore[arg-type]
    if kind == "s":
        return Same(args[at]), at + 1
    return (Gather(args[at], described[1]), at + 1) if kind == "g" else (Index(described[1]), at)  # type: ignore[arg-type]


OF_THE_KERNEL = ("f", "rank", "inputs", "results")


def written_by(let: Let) -> list[Var]:
    """The arrays that a kernel Let writes, most of which write none."""
    writes = any(r[0] in WRITES or r[0] == "at" for r in let.attrs["results"])
    return [r.written for r in kernel_of(let).results if r.written is not None] if writes else []


def made_by(let: Let) -> list[tuple[Atom, ...]]:
    """The sizes of the results of a kernel Let."""
    sizes, found = let.args[: let.attrs["rank"]], []
    for kind, *axes in let.attrs["results"]:
        if kind == "map":
            found.append(sizes)
        elif kind not in WRITES and kind not in ("at", "drop"):
            found.append(tuple(sizes[q] for q in (axes[1:] if kind in STARTED else axes)))
    return found


def flows(let: Let, has: Any, functions: dict[str, Function]) -> tuple[list[Var], list[Var]]:
    """For a kernel some of whose inputs vary: (outs, written arrays) that a derivative flows to. `has` says of an atom
    whether it varies."""
    k = kernel_of(let)
    active = varied_results(functions[k.f], [varies(x, has) for x in k.inputs])
    outs, writes = [], []
    for r, a in zip(k.results, active, strict=True):
        if a and r.kind in SMOOTH:
            if r.into is not None:
                writes.append(r.into.base)
            elif r.out is not None:
                outs.append(r.out)
    return outs, writes


def varies(x: Access | Same | Index | Gather, has: Any) -> bool:
    return bool(has(x.base)) if isinstance(x, (Access, Gather)) else bool(has(x.atom)) if isinstance(x, Same) else False


def varied_results(f: Function, mask: Sequence[bool]) -> list[bool]:
    """Which results of a scalar function depend on the parameters in `mask` through operations with a derivative."""
    active = {p for p, m in zip(f.params, mask, strict=True) if m and carries_gradient(p.type)}
    for let in f.entry.lets:
        if TABLE[let.op].differentiable and any(a in active for a in let.args):
            active.update(o for o in let.outs if carries_gradient(o.type))
    return [a in active for a in f.returned]


def may_fail(f: Function) -> bool:
    """Can the scalar function raise?"""
    return any(TABLE[let.op].may_fail for let in f.entry.lets)


def is_idle(let: Let, functions: dict[str, Function]) -> bool:
    """Does a kernel Let only write what it has read there? (`x[i] += y` of a row stores the row, which has changed in place.)"""
    k, f = kernel_of(let), functions[let.attrs["f"]]
    given: dict[Atom, Any] = dict(zip(f.params, k.inputs, strict=True))
    kept = (r.kind == "into" and a in given and given[a] == r.into for r, a in zip(k.results, f.returned, strict=True))
    return not f.entry.lets and all(kept)


def expensive(f: Function) -> bool:
    return any(TABLE[let.op].expensive for let in f.entry.lets)


def made_with(let: Let) -> list[tuple[Var, tuple[Atom, ...]]]:
    """The arrays that an operation makes with sizes that are atoms, and these."""
    found = []
    for o, t in zip(let.outs, TABLE[let.op].shape(let), strict=True):
        if t is not None and isinstance(o.type, Array) and all(isinstance(n, (Var, Const)) for n in t[1]):
            found.append((o, tuple(t[1])))
    return found

"""Whole arrays while tracing: views, indexing, elementwise operations, reductions and writes, each as one kernel.

An `Arrayed` (values.py) is a contiguous array in the program's memory. A `View` names some of another array's elements:
where axis j of the array is read at start_j + step_j * i, for i along one of the view's axes. Slices, integer indices,
new axes, transpositions and broadcasts make views; nothing is computed or copied. Every operation on views becomes a
kernel (kernel.py) that reads the elements in place.

What a trace makes here is one kernel for each operation the user wrote; fuse.py joins them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import errors, kernel
from ..core.graph import Const, Let, Var
from ..core.graph import Return as GraphReturn
from ..core.kernel import Access, Gather, Index, Kernel, Result, Same, same_element
from ..core.op import TABLE, literal
from ..core.types import BOOL, F64, I32, I64, Array, Scalar, array_of, element, is_float, widened
from ..ops import table
from . import pytree, sizes
from .builder import current_builder, user_site
from .sizes import Size
from .values import Arrayed, Traced, atom_of, constant, is_traced, lift_array, scalar_type, to_integer, to_type, truth


class View(Arrayed):
    """Some elements of a whole array. For each axis of the array `spec` has (axis of the view or -1, start, step)."""

    __slots__ = ("base", "spec")

    def __init__(self, base: Arrayed, spec: Sequence[tuple[int, Size, Size]], shape: Sequence[Size], owned: bool | None = None) -> None:
        self.base, self.spec = base, tuple(spec)
        self.sizes: list[Any] = list(shape)
        self.given = None
        self.builder = base.builder
        self.owned = base.owned if owned is None else owned
        self.serial = base.serial

    @property
    def atom(self) -> Var:
        """As an array of its own: a copy."""
        return contiguous(self).atom

    @property
    def type(self) -> Array:
        return array_of(self.base.type.dtype, len(self.sizes))


def _flatten_view(v: View) -> Any:
    """A view is carried by what it is made of, so that it stays a view of the array that it is a part of."""
    numbers = [x for _, start, _ in v.spec for x in (start,)] + [t for _, _, t in v.spec if isinstance(t, Traced)] + list(v.sizes)
    steps = tuple((axis, None if isinstance(t, Traced) else t) for axis, _, t in v.spec)
    return (v.base, *numbers), (steps, len(v.sizes), v.owned)


def _unflatten_view(known: Any, children: Any) -> View:
    steps, rank, owned = known
    base, *numbers = children
    starts, rest = numbers[: len(steps)], numbers[len(steps) :]
    moving = iter(rest[: len(rest) - rank])
    spec = [(axis, start, next(moving) if t is None else t) for (axis, t), start in zip(steps, starts, strict=True)]
    if not isinstance(base, Arrayed):  # looked at without its values
        base = _Nobody()
    return View(base, spec, rest[len(rest) - rank :], owned)


class _Nobody(Arrayed):
    def __init__(self) -> None:
        self.builder, self.owned, self.serial = None, False, 0  # type: ignore[assignment]


pytree.register(View, _flatten_view, _unflatten_view)


def settled(tree: Any) -> Any:
    """A structure of values with every view in it as an array of its own."""
    return pytree.map_nodes(View, copied, tree)


class Blank:
    """A new array that nobody has read yet: a write to it overwrites nothing that matters, and if all of it has been written
    before the first read it need not be filled. Writes are followed along the first axis, in the array's own block."""

    def __init__(self, let: Let, block: Any, n: Size) -> None:
        self.let, self.block, self.n = let, block, n
        self.written: list[tuple[Size, Size, Let]] = []  # (start, size, by)
        self.used: list[Let] = []
        current_builder().trace.blanks.append(self)

    @property
    def is_here(self) -> bool:
        return current_builder().current is self.block

    def wrote(self, target: Arrayed, base: Arrayed) -> None:
        """The last operation has written `target`, a view of `base` or all of it."""
        spec, shape = spec_of(target), shape_of(base)
        rest = all(
            _is(start, 0) and v >= 0 and sizes.same(shape_of(target)[v], n) for (v, start, _), n in zip(spec[1:], shape[1:], strict=True)
        )
        v, start, step = spec[0]
        rest = rest and len({axis for axis, _, _ in spec}) == len(spec)  # a diagonal is less than it looks
        if rest and (v < 0 or _is(step, 1)):
            self.written.append((start, 1 if v < 0 else shape_of(target)[v], self.block.lets[-1]))

    def close(self, base: Arrayed) -> None:
        base.blank = None
        if self.is_full():
            self.let.attrs = {**self.let.attrs, "fill": False}

    def is_full(self) -> bool:
        """Do the writes follow one another from the start to the end?"""
        end: Size = 0
        left = [w for w in self.written if w[2] in self.block.lets]
        least = max(
            [int(sizes.plain(start)) + 1 for start, size, let in left if TABLE[let.op].indexed and sizes.is_known(start)], default=0
        )
        while not sizes.same(end, self.n):
            following = next((w for w in left if sizes.same(w[0], end)), None)
            if following is None:
                return False
            left = [w for w in left if w is not following]
            self.used.append(following[2])
            start, size, _ = following
            end = sizes.add(start, size)
            known = sizes.is_known(start) and int(sizes.plain(start)) <= least
            if known and sizes.same(size, sizes.nonnegative(sizes.sub(self.n, start))):
                end = self.n
        return True

    def check(self) -> None:
        """At the end of the trace: what has been taken back was not written."""
        if not self.let.attrs.get("fill", True) and any(let not in self.block.lets for let in self.used):
            self.let.attrs = {k: v for k, v in self.let.attrs.items() if k != "fill"}


def blank(dtype: Scalar, shape: Sequence[Size]) -> Arrayed:
    """np.empty: an array whose elements are zeros, if they are read before they are written."""
    from .values import allocate

    out = allocate(dtype, tuple(shape), None)
    block = current_builder().current
    assert block is not None
    if isinstance(out, Arrayed):
        out.blank = Blank(block.lets[-1], block, shape_of(out)[0])
    return out


# ---- what an array is made of
def base_of(a: Arrayed) -> Arrayed:
    return a.base if isinstance(a, View) else a


def spec_of(a: Arrayed) -> tuple[tuple[int, Size, Size], ...]:
    return a.spec if isinstance(a, View) else tuple((j, 0, 1) for j in range(a.ndim))


def shape_of(a: Any) -> list[Size]:
    return list(a.shape) if isinstance(a, (Arrayed, np.ndarray)) else []


def is_array(x: Any) -> bool:
    return isinstance(x, Arrayed) or (isinstance(x, np.ndarray) and x.ndim > 0)


def as_array(x: Any) -> Any:
    """An operand: an array or a scalar. Lists and tuples become arrays."""
    if isinstance(x, np.ndarray):
        return lift_array(x) if x.ndim else x[()]
    if isinstance(x, (list, tuple)):
        from ..numpy.creation import array

        return array(x)
    return x


def contiguous(a: Any) -> Arrayed:
    """`a` as a whole array: itself, or a copy."""
    return copied(a) if isinstance(a, View) else a


def copied(a: Arrayed) -> Arrayed:
    return elementwise(lambda x: x, a, name="copy", dtype=a.type.dtype)  # type: ignore[no-any-return]


def whole(out: Var, shape: Sequence[Size]) -> Arrayed:
    """A new array of the current function."""
    made = Arrayed(out, current_builder())
    made.sizes = list(shape)
    made.fresh = True
    return made


# ---- kernels
def access(a: Arrayed, places: Sequence[int], space: Sequence[Size]) -> Access:
    """How a kernel over `space` reads `a`, whose axis v runs along axis places[v] of the space (-1: it is 1 long)."""
    builder = current_builder()
    base, shape = base_of(a), shape_of(a)
    moves = [0 if q < 0 else sizes.follows(n, space[q]) for q, n in zip(places, shape, strict=True)]
    starts, steps, axes = [], [], []
    for v, start, step in spec_of(a):
        move = moves[v] if v >= 0 else 0
        still = v < 0 or (sizes.is_known(move) and sizes.plain(move) == 0)
        starts.append(sizes.atom(start))
        steps.append(sizes.atom(0 if still else sizes.mul(step, move)))
        axes.append(-1 if still else places[v])
    var = builder.use(base.atom, base.builder)
    assert isinstance(var, Var)
    return Access(var, tuple(starts), tuple(steps), tuple(axes))


def emit(
    name: str, space: Sequence[Size], inputs: Sequence[Any], fn: Callable[..., Any], results: Sequence[Result], dtypes: Sequence[Any] = ()
) -> list[Any]:
    """A kernel over `space`. `inputs` are Access, Index, traced scalars or plain numbers, and fn(*elements) gives a scalar
    for each of `results`. The values of those that are new: arrays and scalars."""
    builder = current_builder()
    trace = builder.trace
    given: list[Any] = []
    with trace.building(f"each.{name}") as inner:
        elements = []
        for x in inputs:
            if isinstance(x, (Access, Gather)):
                base = x.base.type
                assert isinstance(base, Array)
                elements.append(Traced(inner.parameter(element(base.dtype)), inner))
            elif isinstance(x, Index):
                elements.append(Traced(inner.parameter(I64), inner))
            elif isinstance(x, Traced) and isinstance(x.atom, Var):
                elements.append(Traced(inner.parameter(x.type), inner, x.weak))
            else:
                elements.append(x)
                continue
            given.append(x)
        out = fn(*elements)
        out = list(out) if isinstance(out, tuple) else [out]
        values = [v if isinstance(v, Traced) else constant(v) for v in out]
        kinds = [element(d) if d is not None else v.type for v, d in zip(values, [*dtypes, *[None] * len(values)], strict=False)]
        atoms = tuple(atom_of(convert(v, t), t, inner) for v, t in zip(values, kinds, strict=True))
        inner.terminate(GraphReturn(atoms))
        function = trace.functions[inner.name] = inner.finish(tuple(kinds))
    if inner.captures:
        raise errors.VerifyError(f"the elements of {name} use a value of the function around it")
    decoded: list[Any] = [Same(builder.use(x.atom, x.builder)) if isinstance(x, Traced) else x for x in given]
    outs: list[Any] = []
    for i, (r, t) in enumerate(zip(results, kinds, strict=True)):
        if r.into is None:
            dtype = dtypes[i] if i < len(dtypes) and dtypes[i] is not None else I64 if r.kind.startswith("arg") else t
            kept = list(range(len(space))) if r.kind == "map" else list(r.axes)
            r.out = builder.fresh(array_of(dtype, len(kept)) if kept else t if not r.kind.startswith("arg") else I64)
            outs.append(whole(r.out, [space[q] for q in kept]) if kept else Traced(r.out, builder))
    k = Kernel(function.name, [sizes.atom(n) for n in space], decoded, list(results), user_site(), {"fails": kernel.may_fail(function)})
    append(k.let())
    return outs


def append(let: Let) -> None:
    builder = current_builder()
    if builder.current is None:
        builder.current = builder.new_block("dead")
    builder.trace.count()
    builder.current.lets.append(let)


def convert(v: Traced, t: Scalar) -> Any:
    """A scalar as NumPy's assignment converts it."""
    if v.type == t:
        return v
    if t == BOOL:
        return truth(v)
    return table.convert(v, to=t)


def places(a: Any, rank: int) -> list[int]:
    """Trailing axes belong together."""
    return [rank - len(shape_of(a)) + v for v in range(len(shape_of(a)))]


def elementwise(fn: Callable[..., Any], *args: Any, name: str = "map", dtype: Scalar | None = None) -> Any:
    """fn(*args) for each element, with NumPy's broadcasting. A tuple from fn gives a tuple of arrays."""
    operands = [as_array(a) for a in args]
    if not any(isinstance(a, Arrayed) for a in operands):
        return fn(*operands)
    if name not in COMPARISONS and _are_int32(operands):
        operands = [_as_int32(a) for a in operands]
    shape = sizes.broadcast([shape_of(a) for a in operands if isinstance(a, Arrayed)])
    inputs = [access(a, places(a, len(shape)), shape) if isinstance(a, Arrayed) else a for a in operands]
    count: list[Any] = []
    dtypes: list[Any] = []

    def body(*elements: Any) -> Any:
        out = fn(*elements)
        results = out if isinstance(out, tuple) else (out,)
        count.extend(Result("map") for _ in results)
        dtypes.extend(dtype or narrow(operands, v) for v in results)
        wrapped = tuple(table.wrap32(v) if t == I32 and dtype is None else v for v, t in zip(results, dtypes, strict=True))
        return wrapped if isinstance(out, tuple) else wrapped[0]

    outs = emit(name, shape, inputs, body, count, dtypes)
    return outs[0] if len(outs) == 1 else tuple(outs)


def elementwise_with_index(fn: Callable[..., Any], a: Any) -> Any:
    """fn(element, *index) for each element."""
    shape = shape_of(a)
    inputs = [access(a, list(range(len(shape))), shape), *(Index(q) for q in range(len(shape)))]
    (out,) = emit("indexed", shape, inputs, fn, [Result("map")], [a.type.dtype])
    return out


COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


def narrow(operands: Sequence[Any], value: Any) -> Scalar | None:
    """i32 where NumPy's result is."""
    return I32 if isinstance(value, Traced) and value.type == I64 and _are_int32(operands) else None


def _are_int32(operands: Sequence[Any]) -> bool:
    """Are these integers and bools whose common dtype is int32, with Python's ints adapting to it?"""
    dtypes = {a.type.dtype for a in operands if isinstance(a, Arrayed)}
    return I32 in dtypes and dtypes <= {I32, BOOL} and all(isinstance(a, Arrayed) or _adapts(a) for a in operands)


def _adapts(a: Any) -> bool:
    if isinstance(a, np.integer):
        return widened(a.dtype) == I32
    found = scalar_type(a)
    return found is not None and (found[0] == BOOL or found == (I64, True))


def _as_int32(a: Any) -> Any:
    """A Python int that is to be one of 32 bits; OverflowError, as NumPy's, where it has more."""
    if isinstance(a, Traced):
        return Traced(table.fits32(a).atom, a.builder, True) if a.weak and a.type == I64 else a
    if isinstance(a, int) and not isinstance(a, bool) and not -(2**31) <= a < 2**31:
        raise errors.IntegerOverflowError(f"Python integer {a} out of bounds for int32 ({user_site()})")
    return a


# ---- reductions
def axes_of(axis: Any, rank: int) -> tuple[int, ...]:
    """The axes that an `axis=` argument names, in order."""
    if axis is None:
        return tuple(range(rank))
    out = []
    for a in axis if isinstance(axis, (tuple, list)) else (axis,):
        if isinstance(a, Traced) and sizes.needed(a) is None:
            raise errors.TracedConditionError(f"axis= at {user_site()} must be a plain int")
        a = int(a)
        if not -rank <= a < rank:
            raise errors.AxisError(f"axis {a} is out of bounds for array of dimension {rank} ({user_site()})")
        out.append(a % rank)
    if len(set(out)) != len(out):
        raise ValueError(f"duplicate value in 'axis' ({user_site()})")
    return tuple(sorted(out))


def reduce(
    kind: str, a: Arrayed, axis: Any = None, keepdims: bool = False, fn: Callable[..., Any] = lambda x: x, dtype: Any = None, *more: Any
) -> Any:
    """Reduce fn(element) along axes; `kind` is 'sum', 'max', 'min', 'argmax' or 'argmin'. `more` are further arrays and
    scalars that fn takes an element of."""
    operands = [a, *map(as_array, more)]
    shape = sizes.broadcast([shape_of(x) for x in operands if isinstance(x, Arrayed)])
    gone = axes_of(axis, len(shape))
    kept = [q for q in range(len(shape)) if q not in gone]
    inputs = [access(x, places(x, len(shape)), shape) if isinstance(x, Arrayed) else x for x in operands]
    (out,) = emit(kind, shape, inputs, fn, [Result(kind, tuple(kept))], [dtype])
    return keep(out, gone, len(shape), dtype) if keepdims else out


def keep(out: Any, gone: Sequence[int], rank: int, dtype: Scalar | None = None) -> Any:
    """A reduced array with its reduced axes as axes of size 1."""
    if not isinstance(out, Arrayed):
        return filled(out, (1,) * rank, dtype)
    kept = [q for q in range(rank) if q not in gone]
    spec = [(kept[v] if v >= 0 else -1, s, t) for v, s, t in spec_of(out)]
    shape: list[Size] = [1] * rank
    for v, n in enumerate(shape_of(out)):
        shape[kept[v]] = n
    return View(base_of(out), spec, shape, out.owned)


def filled(value: Any, shape: Sequence[Size], dtype: Scalar | None = None) -> Arrayed:
    """A new array of one scalar."""
    from .values import allocate

    t = dtype or (scalar_type(value) or (F64,))[0]
    return allocate(t, tuple(shape), convert(value, element(t)) if isinstance(value, Traced) else value)


def from_index(
    fn: Callable[..., Any], shape: Sequence[Size], name: str = "index", dtype: Scalar | None = None, extra: Sequence[Any] = ()
) -> Arrayed:
    """A new array of fn(*index, *extra)."""
    inputs = [*(Index(q) for q in range(len(shape))), *extra]
    (out,) = emit(name, list(shape), inputs, fn, [Result("map")], [dtype])
    return out  # type: ignore[no-any-return]


# ---- views
def with_axes(a: Arrayed, order: Sequence[int]) -> Arrayed:
    """The view whose axis v is axis order[v] of `a`."""
    shape = shape_of(a)
    at = {old: new for new, old in enumerate(order)}
    return View(base_of(a), [(at[v] if v >= 0 else -1, s, t) for v, s, t in spec_of(a)], [shape[i] for i in order], a.owned)


def expand(a: Arrayed, axes: Sequence[int]) -> Arrayed:
    """With new axes of size 1 at these places of the result."""
    return keep(a, axes, a.ndim + len(axes))  # type: ignore[no-any-return]


def drop(a: Arrayed, axes: Sequence[int]) -> Any:
    """Without these axes, which are 1 long."""
    shape = shape_of(a)
    for v in axes:
        sizes.require_equal(shape[v], 1, "cannot select an axis to squeeze out which has size not equal to one")
    kept = [v for v in range(len(shape)) if v not in axes]
    spec = [(kept.index(v), s, t) if v in kept else (-1, s, t) for v, s, t in spec_of(a)]
    return settle(View(base_of(a), spec, [shape[v] for v in kept], a.owned))


def spread(a: Any, shape: Sequence[Size]) -> Arrayed:
    """np.broadcast_to: a view that repeats."""
    a = as_array(a)
    if not isinstance(a, Arrayed):
        return filled(a, shape)
    rank, own = len(shape), shape_of(a)
    if len(own) > rank:
        raise errors.ArrayShapeError(
            f"input operand has more dimensions than allowed by the axis remapping at {user_site()}: give it axes of size 1"
        )
    moves = []
    for v, n in enumerate(own):
        target = shape[rank - len(own) + v]
        fit(n, target, own, shape)
        moves.append(sizes.follows(n, target))
    spec = []
    for v, start, step in spec_of(a):
        still = v < 0 or (sizes.is_known(moves[v]) and sizes.plain(moves[v]) == 0)
        spec.append((-1, start, 0) if still else (rank - len(own) + v, start, sizes.mul(step, moves[v])))
    return View(base_of(a), spec, shape, False)


def fit(n: Size, target: Size, own: Sequence[Size], shape: Sequence[Size]) -> None:
    """Check that an axis of size n broadcasts to the target's."""
    if sizes.same(n, target) or (sizes.is_known(n) and sizes.plain(n) == 1):
        return
    if sizes.is_known(n) and sizes.is_known(target):
        raise errors.ArrayShapeError(
            f"could not broadcast input array from shape {sizes.show(own)} into shape {sizes.show(shape)} ({user_site()})"
        )
    if current_builder().trace.optimistic:
        sizes._check("same_size", n, target, "")
    else:
        x, y = sizes._both(n, target)
        sizes._check("equal_size", table.select(table.ieq(x, 1), y, x), y, "could not broadcast input array into the shape of its target")


def settle(a: View) -> Any:
    """A view without axes is a scalar; one of everything is the array."""
    if not a.sizes:
        return read(a.base, [start for _, start, _ in a.spec])
    plain = all(v == j and _is(start, 0) and _is(step, 1) for j, (v, start, step) in enumerate(a.spec))
    if plain and len(a.spec) == len(a.sizes) and all(map(sizes.same, a.sizes, shape_of(a.base))):
        return a.base
    return a


def _is(n: Size, value: int) -> bool:
    return sizes.is_known(n) and sizes.plain(n) == value


def read(base: Arrayed, index: Sequence[Size], letters: str = "") -> Traced:
    """One element at an index that is in bounds."""
    builder = current_builder()
    var = builder.use(base.atom, base.builder)
    attrs = {"index": letters or "u" * len(index)}
    (out,) = builder.emit("load", (var, *map(sizes.atom, index)), (element(base.type.dtype),), attrs, user_site())
    return Traced(out, builder)


# ---- indexing
def split_index(a: Arrayed, index: Any) -> list[Any]:
    """One part for each axis, and None for new ones; an Ellipsis is written out."""
    parts = list(index) if isinstance(index, tuple) else [index]
    parts = [
        np.asarray(p) if isinstance(p, list) and not any(map(is_traced, p)) else as_array(p) if isinstance(p, list) else p for p in parts
    ]
    used = sum(_consumes(p) for p in parts)
    if used > a.ndim:
        raise errors.ArrayIndexError(f"too many indices for array: array is {a.ndim}-dimensional, but {used} were indexed ({user_site()})")
    ellipses = [i for i, p in enumerate(parts) if p is Ellipsis]
    if len(ellipses) > 1:
        raise errors.ArrayIndexError(f"an index can only have a single ellipsis ('...') ({user_site()})")
    at = ellipses[0] if ellipses else len(parts)
    parts[at : at + 1] = [slice(None)] * (a.ndim - used)
    return parts


def _consumes(p: Any) -> int:
    if p is None or p is Ellipsis:
        return 0
    return p.ndim if is_mask(p) else 1


def is_mask(p: Any) -> bool:
    return (isinstance(p, Arrayed) and p.type.dtype == BOOL) or (isinstance(p, np.ndarray) and p.dtype == bool and p.ndim > 0)


def getitem(a: Arrayed, index: Any, checked: bool = True) -> Any:
    parts = split_index(a, index)
    if any(is_array(p) for p in parts):
        from .gather import take_index

        return take_index(a, parts)
    if not isinstance(a, View) and len(parts) == a.ndim and all(_is_int(p) for p in parts):
        letters = "".join("c" if checked else "u" for _ in parts)
        return read(a, [_int(p) for p in parts], letters) if not checked else _load(a, parts)
    return settle(basic(a, parts, checked))


def _load(a: Arrayed, parts: Sequence[Any]) -> Traced:
    builder = current_builder()
    var = builder.use(a.atom, a.builder)
    atoms = tuple(atom_of(to_type(_int(i), I64), I64, builder) for i in parts)
    (out,) = builder.emit("load", (var, *atoms), (element(a.type.dtype),), {}, user_site())
    return Traced(out, builder)


def _is_int(p: Any) -> bool:
    return p is not None and not isinstance(p, slice) and p is not Ellipsis


def _int(p: Any) -> Any:
    found = scalar_type(p)
    if found is None or found[0] != I64:
        raise errors.ArrayIndexError(f"array indices must be ints, not {p!r} ({user_site()})")
    return p


def basic(a: Arrayed, parts: Sequence[Any], checked: bool = True) -> View:
    """The view that ints, slices and new axes choose."""
    shape, old = shape_of(a), spec_of(a)
    chosen: list[tuple[str, Size, Size]] = []  # for each axis of a: what start and step become, in its own terms
    at: list[int] = []
    new_shape: list[Size] = []
    v = 0
    for p in parts:
        if p is None:
            new_shape.append(1)
            continue
        n = shape[v]
        if isinstance(p, slice):
            start, step, size = slice_of(p, n)
            at.append(len(new_shape))
            chosen.append(("slice", start, step))
            new_shape.append(size)
        else:
            i = _int(p)
            chosen.append(("int", index_in(i, n, v) if checked else i, 0))
            at.append(-1)
        v += 1
    spec = []
    for axis, start, step in old:
        if axis < 0:
            spec.append((-1, start, 0))
            continue
        kind, s, t = chosen[axis]
        first = sizes.add(start, sizes.mul(step, s))
        spec.append((at[axis], first, sizes.mul(step, t) if kind == "slice" else 0))
    return View(base_of(a), spec, new_shape, a.owned)


def index_in(i: Any, n: Size, axis: int) -> Size:
    """An index as one that counts from the front, checked now or when the program runs."""
    if not isinstance(i, Traced) and sizes.is_known(n):
        size = int(sizes.plain(n))
        if not -size <= int(i) < size:
            raise errors.ArrayIndexError(f"index {int(i)} is out of bounds for axis {axis} with size {size} ({user_site()})")
        return int(i) % size
    return table.check_index(*_lifted(i, n), axis=axis)


def _lifted(*values: Any) -> list[Traced]:
    return [v if isinstance(v, Traced) else Traced(Const(literal(v, I64), I64), None) for v in values]


def slice_of(s: slice, n: Size) -> tuple[Size, Size, Size]:
    """(start, step, size) of a slice of an axis of size n."""
    step = 1 if s.step is None else s.step
    if isinstance(step, Traced):
        step = sizes.needed(step)
        if step is None:
            raise errors.TracedConditionError(f"the step of a slice at {user_site()} must be a plain int")
    if step == 0:
        raise ValueError(f"slice step cannot be zero ({user_site()})")
    for x in (s.start, s.stop):
        found = scalar_type(x) if x is not None else (I64, True)
        if found is None or found[0] != I64:
            raise TypeError(f"slice indices must be integers or None ({user_site()})")
    n = sizes.plain(n)
    if sizes.is_known(n) and not isinstance(s.start, Traced) and not isinstance(s.stop, Traced):
        r = range(*slice(s.start, s.stop, step).indices(n))
        return (r.start if len(r) else 0), step, len(r)
    if step > 0:
        return _forward(s.start, s.stop, int(step), n)
    first = sizes.add(n, -1) if s.start is None else _clamped(s.start, n, -1)
    last: Size = -1 if s.stop is None else _clamped(s.stop, n, -1)
    size = sizes.nonnegative(sizes.floordiv(sizes.add(sizes.sub(first, last), -step - 1), -step))
    return first, step, size


def _forward(start: Any, stop: Any, step: int, n: Size) -> tuple[Size, Size, Size]:
    if (start is None or (isinstance(start, (int, np.integer)) and start >= 0)) and (
        stop is None or (isinstance(stop, (int, np.integer)) and stop < 0)
    ):
        first: Size = int(start or 0)  # may lie beyond the end: then there are no elements
        length = sizes.nonnegative(sizes.add(n, int(stop or 0) - first))
    else:
        first = 0 if start is None else _clamped(start, n, 0)
        last = n if stop is None else _clamped(stop, n, 0)
        length = last if _is(first, 0) else sizes.nonnegative(sizes.sub(last, first))
    if step == 1:
        return first, 1, length
    return first, step, sizes.floordiv(sizes.add(length, step - 1), step)


def _clamped(i: Any, n: Size, low: int) -> Size:
    """A slice's end as an index between low and n (n - 1 where low is -1)."""
    if not isinstance(i, Traced):
        i = int(i)
        if i >= 0:
            return sizes.smaller(n, i) if low == 0 else sizes.smaller(sizes.add(n, -1), i)
        return sizes.nonnegative(sizes.add(n, i)) if low == 0 else sizes.add(sizes.nonnegative(sizes.add(n, i + 1)), -1)
    top = n if low == 0 else sizes.add(n, -1)
    wrapped = table.select(table.ilt(i, 0), table.iadd(*_lifted(i, n)), i)
    floor, ceiling = _lifted(low, top)
    wrapped = table.select(table.ilt(wrapped, low), floor, wrapped)
    return table.select(table.igt(*_lifted(wrapped, top)), ceiling, wrapped)


# ---- writes
def check_owned(a: Arrayed) -> None:
    if not a.owned or not base_of(a).owned:
        raise errors.UnsupportedOperationError(
            f"{user_site()} writes to a captured array, which compiled code never changes (or to a reshaped or repeated view): pass it as an argument, "
            "or copy it first (x = x.copy())"
        )


def setitem(a: Arrayed, index: Any, value: Any) -> None:
    """a[index] = value, converted to the array's dtype as NumPy does."""
    parts = split_index(a, index)
    check_owned(a)
    if any(is_array(p) for p in parts):
        from .gather import put_index

        put_index(a, parts, value)
        return
    value = as_array(value)
    if len(parts) == a.ndim and all(_is_int(p) for p in parts):
        if isinstance(value, Arrayed):
            raise ValueError(f"setting an array element with a sequence ({user_site()})")
        store(a, parts, value)
        return
    assign(basic(a, parts), value)


def store(a: Arrayed, parts: Sequence[Any], value: Any) -> None:
    """One element."""
    builder = current_builder()
    base = base_of(a)
    attrs: dict[str, Any] = {}
    if not isinstance(a, View):
        index = [_int(p) for p in parts]
    else:
        index, attrs = [start for _, start, _ in basic(a, parts).spec], {"index": "u" * len(a.spec)}
    unread = base.blank
    if unread is not None and unread.is_here:
        base.blank = None  # a write is no use
    var = builder.use(base.atom, base.builder)
    v = stored(value, base.type.dtype)
    t = element(base.type.dtype)
    if base.type.dtype == I32:  # NumPy takes the element's number, of whatever dtype
        v = table.fits32(v) if isinstance(v, Traced) else _as_int32(int(v))
    atoms = [atom_of(to_type(i, I64), I64, builder) for i in index]
    builder.emit("store", (var, *atoms, atom_of(v, t, builder)), (), attrs, user_site())
    if unread is not None and unread.is_here:
        base.blank = unread
        if len(index) == 1 and (isinstance(index[0], Traced) or int(index[0]) >= 0):
            unread.written.append((index[0], 1, unread.block.lets[-1]))


def stored(value: Any, dtype: Scalar) -> Any:
    """A scalar as an element of that dtype; a float that no integer can hold raises."""
    found = scalar_type(value)
    if found is None:
        raise TypeError(f"unsupported operand for item assignment at {user_site()}: {type(value).__name__}")
    if dtype == BOOL:
        return truth(value)
    if is_float(found[0]) and not is_float(dtype):
        value = to_integer(value) if isinstance(value, Traced) else int(value)
        value = table.fits32(value) if dtype == I32 and isinstance(value, Traced) else value
    if dtype == I32:
        value = _as_int32(value)
    return to_type(value, element(dtype))


def may_alias(a: Arrayed, b: Arrayed) -> bool:
    """Could two arrays be one? Arrays that were just made are only known by their own names."""
    x, y = base_of(a), base_of(b)
    if x.memory is y.memory:
        return True
    if x.fresh and y.fresh:
        return False
    if x.fresh or y.fresh:
        new, old = (x, y) if x.fresh else (y, x)
        return new.serial < old.serial and old.joined
    return x.joined or y.joined


def assign(target: Arrayed, value: Any) -> None:
    """target[...] = value"""
    value = as_array(value)
    shape, own = shape_of(target), shape_of(value)
    if isinstance(value, Arrayed) and len(own) > len(shape):
        value = drop(value, range(len(own) - len(shape)))
        own = shape_of(value)
    for n, m in zip(own[::-1], shape[::-1], strict=False):
        fit(n, m, own, shape)
    dtype = target.type.dtype
    if dtype == I32 and not isinstance(value, Arrayed):  # NumPy takes the number of a scalar, of whatever dtype
        value = (
            Traced(value.atom, value.builder, True)
            if isinstance(value, Traced)
            else _as_int32(value.item() if isinstance(value, np.generic) else value)
        )
    write(target, lambda v: stored(v, dtype), value, reads=False)


def write(target: Arrayed, fn: Callable[..., Any], *operands: Any, reads: bool = True, fresh: bool = False) -> None:
    """target[...] = fn(*operands) for each element, with the old element before them if `reads`; operands that may overlap
    with the target are copied first. `fresh`: nobody has seen the old elements."""
    check_owned(target)
    shape, base = shape_of(target), base_of(target)
    blank, base.blank = base.blank, None  # a write is no use
    into = access(target, list(range(len(shape))), shape)
    base.blank = blank
    given = [_read_apart(x, target, into, shape) if isinstance(x, Arrayed) else x for x in operands]
    unread = base.blank if base.blank is not None and not reads and base.blank.is_here else None
    if unread is not None:
        base.blank, fresh = None, True
    elif base.blank is not None:
        base.blank.close(base)
    inputs = [into, *given] if reads else given
    emit("write", shape, inputs, fn, [Result("fresh" if fresh else "into", (), into)], [target.type.dtype])
    if unread is not None:
        base.blank = unread
        unread.wrote(target, base)


def _read_apart(x: Arrayed, target: Arrayed, into: Access, shape: Sequence[Size]) -> Access:
    """How a write to `into` over `shape` reads the operand `x`: in place where that is another array, or where each point reads
    the very element that it writes (same_element); everything else may have been written before it is read, and is copied first."""
    read = access(x, places(x, len(shape)), shape)
    if not may_alias(x, target) or same_element(read, into, _known):
        return read
    return access(copied(x), places(x, len(shape)), shape)


def _known(a: Any) -> Any:
    """Equal for atoms of a place that are known to be equal."""
    return sizes.key(Traced(a, None))


def update(target: Arrayed, fn: Callable[..., Any], value: Any, symbol: str) -> Arrayed:
    """target (op)= value"""
    value = as_array(value)
    own = shape_of(value)
    shape = shape_of(target)
    if len(own) > len(shape):
        raise errors.ArrayShapeError(
            f"non-broadcastable output operand with shape {sizes.show(shape)} doesn't match the broadcast shape {sizes.show(own)} ({user_site()})"
        )
    for n, m in zip(own[::-1], shape[::-1], strict=False):
        fit(n, m, own, shape)
    dtype = target.type.dtype
    if dtype == I32 and not isinstance(value, Arrayed):
        value = _as_int32(value)

    def one(x: Any, v: Any) -> Any:
        z = fn(x, v)
        if (is_float(z.type) and not is_float(dtype)) or (dtype == BOOL and z.type != BOOL):
            raise TypeError(
                f"Cannot cast the result of `{symbol}` from {z.dtype} to {target.dtype} with casting rule 'same_kind' ({user_site()})"
            )
        return z

    write(target, one, value)
    return target


# ---- shapes
def reshape(a: Arrayed, shape: Sequence[Size]) -> Any:
    """The same elements in row-major order; a view of the array where it is whole, else of a copy."""
    own = shape_of(a)
    new = [sizes.plain(n) for n in shape]
    unknown = [i for i, n in enumerate(new) if _is(n, -1)]
    if len(unknown) > 1:
        raise errors.ArrayShapeError(f"can only specify one unknown dimension ({user_site()})")
    total = sizes.product(own)
    if unknown:
        rest = sizes.product([n for i, n in enumerate(new) if i not in unknown])
        new[unknown[0]] = _quotient(total, rest, own, new)
    what = f"cannot reshape array of size {sizes.plain(total) if sizes.is_known(total) else '?'} into shape {sizes.show(shape)}"
    sizes.require_equal(total, sizes.product(new), what)
    if not new:
        return read(contiguous(a), [0] * len(own))
    base = contiguous(a)
    if len(new) == len(own) and all(map(sizes.same, new, own)):
        return base
    builder = current_builder()
    var = builder.use(base.atom, base.builder)
    (out,) = builder.emit("reshape", (var, *map(sizes.atom, new)), (array_of(a.type.dtype, len(new)),), {"fails": False}, user_site())
    made = whole(out, new)
    made.owned, made.fresh, made.serial, made.joined = base.owned and is_copy(a), base.fresh, base.serial, base.joined
    made.memory = base.memory
    return made


def is_copy(a: Arrayed) -> bool:
    """Does NumPy copy this array for another shape too, or is it whole? Else NumPy's result may be a view, and ours is not."""
    if not isinstance(a, View):
        return True
    order = [v for v, _, _ in a.spec if v >= 0]
    return order != sorted(order) or any(sizes.is_known(t) and sizes.plain(t) != 1 for v, _, t in a.spec if v >= 0)


def _quotient(total: Size, rest: Size, own: Sequence[Size], new: Sequence[Size]) -> Size:
    if sizes.is_known(total) and sizes.is_known(rest):
        if rest == 0 or total % rest:
            raise errors.ArrayShapeError(f"cannot reshape array of size {total} into shape {sizes.show(new)} ({user_site()})")
        return total // rest
    if _is(rest, 1):
        return total
    for i, n in enumerate(own):  # x.reshape(x.shape[0], -1): the other sizes
        if sizes.same(n, rest):
            return sizes.product([m for j, m in enumerate(own) if j != i])
    return table.ifloordiv(*_lifted(total, rest))

"""The same elements in another shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..core import errors
from ..core.builder import current_builder
from ..core.graph import Var
from ..core.sites import user_site
from ..core.types import Array, element
from ..ops import table
from . import pytree, sizes
from .complexes.pairs import Complex, is_complex_array
from .kernels import copied, filled, put_back, whole
from .sizes import Size, is_just, lifted
from .values import Arrayed, Traced, dim_of, load
from .views import View, as_array, base_of, by_planes, contiguous, floats_in, of_floats, plane, renewed, shape_of, spec_of


def expand(a: Any, axes: Sequence[int]) -> Arrayed:
    """With new axes of size 1 at these places of the result."""
    return put_back(a, axes, a.ndim + len(axes))  # type: ignore[no-any-return]


def drop(a: Arrayed, axes: Sequence[int]) -> Any:
    """Without these axes, which are 1 long."""
    shape = shape_of(a)
    if not axes:
        return a
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
    plain = all(v == j and is_just(start, 0) and is_just(step, 1) for j, (v, start, step) in enumerate(a.spec))
    if plain and len(a.spec) == len(a.sizes) and all(map(sizes.same, a.sizes, shape_of(a.base))):
        return renewed(a.base)
    return a


def read(base: Arrayed, index: Sequence[Size], letters: str = "") -> Traced:
    """One element at an index that is in bounds."""
    if is_complex_array(base):
        return Complex(*(load(plane(base, k), tuple(index), False) for k in (0, 1)))
    builder = current_builder()
    var = builder.use(base.atom, base.builder)
    attrs = {"index": letters or "u" * len(index)}
    (out,) = builder.emit("load", (var, *map(sizes.atom, index)), (element(base.type.dtype),), attrs, user_site())
    return Traced(out, builder)


def reshape(a: Arrayed, shape: Sequence[Size]) -> Any:
    """The same elements in row-major order; a view of the array where it is whole, else of a copy."""
    if is_complex_array(a):
        floats = floats_in(a)
        return of_floats(reshape(floats, [*shape, 2])) if floats is not None and len(shape) else by_planes(lambda p: reshape(p, shape), a)
    own = shape_of(a)
    new = [sizes.plain(n) for n in shape]
    unknown = [i for i, n in enumerate(new) if is_just(n, -1)]
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
        return renewed(base) if base is a else unowned(base)
    builder = current_builder()
    var = builder.use(base.atom, base.builder)
    (out,) = builder.emit(
        "reshape", (var, *map(sizes.atom, new)), (Array(a.type.dtype, tuple(map(dim_of, new))),), {"fails": False}, user_site()
    )
    made = whole(out, new)
    made.owned, made.fresh, made.serial, made.joined = base.owned and is_copy(a, new), base.fresh, base.serial, base.joined
    made.memory = base.memory
    return made


def in_place(a: Arrayed) -> Arrayed:
    """An array that is read where it stands: rows of a whole array in its own memory, or a copy."""
    rows = rows_of(a) if isinstance(a, View) else None
    if rows is None:
        return contiguous(a)
    axes, start, count = rows
    base, shape = base_of(a), shape_of(base_of(a))
    if axes == 0:  # all of it
        return reshape(base, shape_of(a))  # type: ignore[no-any-return]
    flat = reshape(base, [sizes.product(shape[:axes]), *shape[axes:]]) if axes > 1 else base
    builder = current_builder()
    t = Array(a.type.dtype, tuple(map(dim_of, (count, *shape[axes:]))))
    (out,) = builder.emit("part", (builder.use(flat.atom, flat.builder), sizes.atom(start), sizes.atom(count)), (t,), {}, user_site())
    made = whole(out, [count, *shape[axes:]])
    made.owned, made.fresh, made.serial, made.joined, made.memory = a.owned, base.fresh, base.serial, base.joined, base.memory
    return reshape(made, shape_of(a))  # type: ignore[no-any-return]


def by_memory(tree: Any, memory: list[Var]) -> Any:
    """A structure of values with every view in it as an array: what it views itself, where its elements lie together; else a copy, which nobody may
    write to, since the write would have to reach what is viewed. `memory` takes the memory of which there are copies."""

    def one(v: View) -> Arrayed:
        if not is_complex_array(v) and rows_of(v) is not None:
            return in_place(v)
        memory.append(v.base.memory)
        return unowned(copied(v))

    return pytree.map_nodes(View, one, tree)


def rows_of(a: View) -> tuple[int, Size, Size] | None:
    """Of a view whose elements lie together, in order: so many first axes of its array joined are one axis, along which they start
    somewhere, and are so many; or None."""
    shape, fixed = shape_of(a.base), 0
    while fixed < len(a.spec) and a.spec[fixed][0] < 0:
        fixed += 1
    rest = a.spec[fixed:]
    if [v for v, _, _ in rest] != list(range(len(a.sizes))) or not rest or not all(is_just(step, 1) for _, _, step in rest):
        return None
    if not all(is_just(s, 0) and sizes.same(n, m) for (_, s, _), n, m in zip(rest[1:], a.sizes[1:], shape[fixed + 1 :], strict=True)):
        return None
    cut = not (is_just(rest[0][1], 0) and sizes.same(a.sizes[0], shape[fixed]))
    start: Size = 0
    for (_, s, _), n in zip(a.spec[: fixed + cut], shape, strict=False):
        start = sizes.add(sizes.mul(start, n), s)
    return fixed + cut, start, a.sizes[0] if cut else 1


def unowned(a: Arrayed) -> Arrayed:
    """A copy where NumPy has, or may have, a view: nobody may write to it."""
    a.owned = False
    return a


def is_copy(a: Arrayed, shape: Sequence[Size]) -> bool:
    """Is it known that NumPy copies this array for another shape, or is it whole? Else NumPy's result may be a view, and ours is not."""
    if not isinstance(a, View):
        return True
    lengths, strides = strides_of(a)
    if lengths is None or strides is None or not all(map(sizes.is_known, shape)):
        return False
    old, new = [(n, s) for n, s in zip(lengths, strides, strict=True) if n != 1], [int(sizes.plain(n)) for n in shape]
    while old and all(lengths):  # as many first axes as are the first ones of the shape together: they must follow one another
        (n, s), *old = old
        m = new.pop(0)
        while m != n:
            if m < n:
                m *= new.pop(0)
                continue
            (k, t), *old = old
            if s != k * t:
                return True
            n, s = n * k, t
    return False


def lies_together(a: Arrayed) -> bool | None:
    """Do its elements lie in their order, without a gap? None where that is not known."""
    if not isinstance(a, View) or rows_of(a) is not None:
        return True  # of a copy in the place of a view: nobody may write to it
    lengths, strides = strides_of(a)
    if lengths is None or strides is None:
        return None
    step = 1
    for n, s in reversed([*zip(lengths, strides, strict=True)]):
        if n > 1 and s != step:
            return not all(lengths)
        step *= n
    return True


def strides_of(a: View) -> tuple[list[int], list[int]] | tuple[None, None]:
    """The sizes of a view, and how many elements apart two are that are neighbours along each axis, where that is known: not of a view of what
    may be a copy in the place of another one."""
    if a.base.joined and not a.base.owned:
        return None, None
    shape, steps = shape_of(a.base), {v: (j, step) for j, (v, _, step) in enumerate(a.spec) if v >= 0}
    if not all(map(sizes.is_known, (*shape, *a.sizes, *(step for _, step in steps.values())))):
        return None, None
    strides = [0] * len(a.sizes)  # of what is repeated
    for v, (j, step) in steps.items():
        strides[v] = int(sizes.plain(step)) * math.prod(int(sizes.plain(n)) for n in shape[j + 1 :])
    return [int(sizes.plain(n)) for n in a.sizes], strides


def _quotient(total: Size, rest: Size, own: Sequence[Size], new: Sequence[Size]) -> Size:
    if sizes.is_known(total) and sizes.is_known(rest):
        if rest == 0 or total % rest:
            raise errors.ArrayShapeError(f"cannot reshape array of size {total} into shape {sizes.show(new)} ({user_site()})")
        return total // rest
    if is_just(rest, 1):
        return total
    for i, n in enumerate(own):  # x.reshape(x.shape[0], -1): the other sizes
        if sizes.same(n, rest):
            return sizes.product([m for j, m in enumerate(own) if j != i])
    return table.ifloordiv(*lifted(total, rest))

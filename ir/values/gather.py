"""Indexing by arrays: gathers that a kernel reads through, scatters for writes, and boolean masks.

An index array becomes one array of positions in the flat memory of the array, checked when it is made. Reading is then
an input of a kernel; the adjoint of an element that was read is added to where it came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core import errors
from ..core.builder import current_builder, raises_unless
from ..core.kernel import Gather, Index, Result
from ..core.sites import user_site
from ..core.types import BOOL, I64, element, is_float
from ..ops import table
from ..ops.library import rules
from ..ops.memory import within
from . import sizes
from .arrays import allocate
from .complexes.pairs import is_complex_array
from .indexing import basic, is_mask
from .kernels import convert, elementwise, emit
from .library import bind
from .reshaping import fit, in_place, reshape, rows_of
from .scalars import truth
from .sizes import Size, lifted
from .values import Arrayed, Traced, constant, to_type
from .views import View, access, as_array, base_of, by_planes, contiguous, is_array, part, places, plane, shape_of
from .writes import stored, write


def take_index(a: Arrayed, parts: Sequence[Any]) -> Any:
    """a[parts], at least one of which is an array."""
    if is_complex_array(a):
        return by_planes(lambda p: take_index(p, parts), a)
    if _are_rows(a, parts):
        return _rows(a, as_array(parts[0]))
    where, shape = positions(a, parts)
    return gathered(a, where, shape)


def _are_rows(a: Arrayed, parts: Sequence[Any]) -> bool:
    """Is it whole rows of an array, or of rows of one, that an array of ints chooses?"""
    first, *rest = parts
    whole = all(isinstance(p, slice) and p.start is None and p.stop is None and p.step is None for p in rest)
    return a.ndim > 1 and is_array(first) and not is_mask(first) and whole and (not isinstance(a, View) or rows_of(a) is not None)


def _rows(a: Arrayed, index: Arrayed) -> Arrayed:
    """Each row is read and added to as a whole: no positions of elements, and no part of a loop over elements."""
    _require_ints(index)
    shape = shape_of(index)
    inputs: list[Any] = [access(index, list(range(len(shape))), shape), _scalar(shape_of(a)[0])]
    checked = _checking(index, shape_of(a)[0], 0)
    (where,) = emit("rows", shape, inputs, lambda i, n: checked(*lifted(_int(i), n)), [Result("map")], [I64])
    (out,) = bind("take", (in_place(a), where), [(a.type.dtype, (*shape, *shape_of(a)[1:]))], fails=False)
    return out  # type: ignore[no-any-return]


def _checking(index: Any, n: Size, axis: int) -> Any:
    """A function (i, n) of indices that counts from the front. It raises where one is out of bounds; in a `try` that is known before."""
    if current_builder().catcher(IndexError) is None:
        return lambda i, n: table.check_index(i, n, axis=axis)
    shape = shape_of(index) if isinstance(index, Arrayed) else []
    inputs = [access(index, list(range(len(shape))), shape) if shape else index, _scalar(n)]

    def is_outside(i: Any, n: Any) -> Any:
        return table.select(within(_int(i), _int(n)), constant(0), constant(1))

    def are_inside() -> Any:
        outside = emit("outside", shape, inputs, is_outside, [Result("sum")], [I64])[0] if shape else is_outside(*lifted(*inputs))
        return table.ieq(outside, 0)

    raises_unless(IndexError(f"index is out of bounds for axis {axis}"), are_inside)
    return lambda i, n: table.select(table.ilt(i, 0), table.iadd(i, n), i)


def _require_ints(index: Arrayed) -> None:
    if index.type.dtype.name not in ("i64", "i32"):
        raise errors.ArrayIndexError(f"arrays used as indices must be of integer (or boolean) type ({user_site()})")


def gathered(a: Arrayed, where: Arrayed, shape: Sequence[Size]) -> Arrayed:
    """The elements of a's memory at these positions."""
    builder = current_builder()
    flat = flat_of(a)
    var = builder.use(flat.atom, flat.builder)
    index = access(where, list(range(len(shape))), shape)
    (out,) = emit("take", shape, [index, Gather(var, 0)], lambda i, x: x, [Result("map")], [a.type.dtype])  # type: ignore[arg-type]
    return out  # type: ignore[no-any-return]


def flat_of(a: Arrayed) -> Arrayed:
    """The memory of a's whole array as one row."""
    base = base_of(a)
    return reshape(base, [sizes.product(shape_of(base))]) if base.ndim != 1 else base


def positions(a: Arrayed, parts: Sequence[Any]) -> tuple[Arrayed, list[Size]]:
    """(positions in the memory of a's whole array, their shape) for an index with arrays in it."""
    full: list[Any] = []  # masks as the positions that they choose
    for p in parts:
        full += _from_mask(p, a, len([q for q in full if q is not None])) if is_mask(as_array(p) if is_array(p) else p) else [p]
    arrays = [i for i, p in enumerate(full) if is_array(p)]
    fancy = [i for i, p in enumerate(full) if is_array(p) or (p is not None and not isinstance(p, slice))]
    adjacent = fancy == list(range(fancy[0], fancy[-1] + 1))
    indices = {i: as_array(full[i]) for i in arrays}
    for i in arrays:
        _require_ints(indices[i])
    common = sizes.broadcast([shape_of(x) for x in indices.values()])
    rest: list[Any] = []  # what is left is a basic index of a view, whose axes are then chosen
    at: dict[int, int] = {}
    for i, p in enumerate(full):
        if i in fancy:
            at[i] = len(rest)
            rest.append(slice(None))
        else:
            rest.append(p)
    view = basic(a, rest)
    own = shape_of(view)
    kept = [v for v in range(len(own)) if v not in at.values()]
    first = min(at.values()) if adjacent else 0
    before = [v for v in kept if v < first] if adjacent else []
    after = [v for v in kept if v not in before]
    shape = [*(own[v] for v in before), *common, *(own[v] for v in after)]
    return _flat_positions(view, own, full, at, indices, before, after, common, shape), shape


def _flat_positions(view: View, own: Any, full: Any, at: Any, indices: Any, before: Any, after: Any, common: Any, shape: Any) -> Arrayed:
    axis_of = {v: q for q, v in enumerate(before)} | {v: len(before) + len(common) + q for q, v in enumerate(after)}
    inputs: list[Any] = []

    def use(x: Any) -> int:
        """The place of an input among the elements."""
        inputs.append(x)
        return len(inputs) - 1

    natural: list[Size] = [1]
    base_shape = shape_of(view.base)
    for n in reversed(base_shape[1:]):
        natural.insert(0, sizes.mul(natural[0], n))
    plan: list[Any] = []
    fancy_at = {v: i for i, v in at.items()}
    checked = {v: _checking(indices.get(i, full[i]), own[v], v) for i, v in at.items()}
    for (v, start, step), stride in zip(view.spec, natural, strict=True):
        stride_in = use(_scalar(stride))
        start_in = use(_scalar(start))
        if v < 0:
            plan.append(("fixed", stride_in, start_in, None, None, None, v))
            continue
        step_in = use(_scalar(step))
        if v in fancy_at:
            i = fancy_at[v]
            size_in = use(_scalar(own[v]))
            if i in indices:
                x = indices[i]
                q = [len(before) + len(common) - x.ndim + j for j in range(x.ndim)]
                index_in = use(access(x, q, shape))
            else:
                index_in = use(_scalar(full[i]))
            plan.append(("index", stride_in, start_in, step_in, size_in, index_in, v))
        else:
            plan.append(("axis", stride_in, start_in, step_in, None, use(Index(axis_of[v])), v))

    def one(*xs: Any) -> Any:
        total: Any = 0
        for kind, stride, start, step, size, index, v in plan:
            i: Any = xs[start]
            if kind != "fixed":
                j = xs[index]
                if kind == "index":
                    j = checked[v](_int(j), _int(xs[size]))
                i = i + j * xs[step]
            total = total + i * xs[stride]
        return _int(total)

    (where,) = emit("positions", shape, inputs, one, [Result("map")], [I64])
    return where  # type: ignore[no-any-return]


def _scalar(n: Any) -> Any:
    return n if isinstance(n, Traced) else int(n)


def _int(x: Any) -> Any:
    return x if isinstance(x, Traced) else constant(int(x))


def _from_mask(p: Any, a: Arrayed, axis: int) -> list[Any]:
    """The index arrays that a boolean array stands for."""
    mask = as_array(p)
    shape = shape_of(mask)
    own = shape_of(a)[axis : axis + len(shape)]
    for v, (n, m) in enumerate(zip(shape, own, strict=True)):
        sizes.require_equal(m, n, f"boolean index did not match indexed array along axis {axis + v}", "mask")
    flat = reshape(contiguous(mask), [sizes.product(shape)]) if mask.ndim != 1 else contiguous(mask)
    (where,) = bind("nonzero", (flat,), [(I64, (None,))], fails=False)
    return unravel(where, own)


def unravel(where: Arrayed, shape: Sequence[Size]) -> list[Arrayed]:
    """Index arrays from flat positions in an array of that shape."""
    out: list[Any] = []
    stride: Size = 1
    for v in reversed(range(len(shape))):
        n = shape[v]
        divisor, modulus = _scalar(stride), _scalar(n)
        if v == 0 and len(shape) == 1:
            return [where]
        out.insert(0, elementwise(lambda i, s, m, v=v: i // s % m if v else i // s, where, divisor, modulus, name="unravel"))
        stride = sizes.mul(stride, n)
    return out


# ---- writes
def put_index(a: Arrayed, parts: Sequence[Any], value: Any) -> None:
    """a[parts] = value"""
    value = as_array(value)
    if is_complex_array(a):
        for k in (0, 1):
            put_index(plane(a, k), parts, part(value, k))
        return
    whole_mask = len([p for p in parts if p is not None]) == 1 and is_mask(parts[0]) and not isinstance(value, Arrayed)
    if whole_mask and as_array(parts[0]).ndim == a.ndim:
        _put_mask(a, as_array(parts[0]), value)
        return
    where, shape = positions(a, parts)
    scatter(a, where, shape, value, 0)


def _put_mask(a: Arrayed, mask: Arrayed, value: Any) -> None:
    for v, (n, m) in enumerate(zip(shape_of(mask), shape_of(a), strict=True)):
        sizes.require_equal(m, n, f"boolean index did not match indexed array along axis {v}", "mask")
    dtype = a.type.dtype
    value = stored(value, dtype)
    write(a, lambda old, m, v: table.select(truth(m), _like(v, old), old), mask, value)


def _like(v: Any, old: Traced) -> Any:
    x = v if isinstance(v, Traced) else constant(v)
    return v if x is v else Traced(x.atom, None) if x.type == old.type else to_type(x, old.type)


def scatter(a: Arrayed, where: Arrayed, shape: Sequence[Size], value: Any, add: int) -> None:
    """Write (or add) values at positions of a's memory, one after another."""
    dtype = a.type.dtype
    value = as_array(value)
    if isinstance(value, Arrayed):
        own = shape_of(value)
        if len(own) > len(shape):
            wrong = f"value array of shape {sizes.show(own)} could not be broadcast to indexing result of shape {sizes.show(shape)}"
            raise errors.ArrayShapeError(f"shape mismatch: {wrong}")
        for n, m in zip(own[::-1], list(shape)[::-1], strict=False):
            fit(n, m, own, shape)
        inputs: list[Any] = [access(value, places(value, len(shape)), shape)]
    else:
        inputs = [value if isinstance(value, Traced) else constant(value)]

    def one(v: Any) -> Any:
        if add and is_float(getattr(v, "type", I64)) and not is_float(dtype):
            raise TypeError(f"Cannot cast ufunc 'add' output from {v.dtype} to {a.dtype} with casting rule 'same_kind' ({user_site()})")
        return convert(v, element(dtype)) if add else stored(v, dtype)

    (values,) = emit("given", shape, inputs, one, [Result("map")], [dtype if dtype != BOOL else BOOL])
    bind("scatter", (flat_of(a), where, values), [], fails=False, add=add)


def _scatter_jvp(attrs: Any, args: Sequence[Any], outs: Sequence[Any], tangents: Sequence[Any]) -> tuple[()]:
    (_, where, v), (tx, _, tv) = args, tangents
    if tx is not None:
        bind("scatter", (tx, where, allocate(v.type.dtype, v.shape, 0) if tv is None else tv), [], fails=False, add=attrs["add"])
    return ()


rules("scatter", jvp=_scatter_jvp)

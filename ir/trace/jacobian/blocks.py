"""Many tangents, or many cotangents, beside one value.

In the n directions of a block a function moves at once. Its rows come from the same code: a block of its jvp is linear in the tangents S,
lane by lane, so the pullback of jvp[f](x, S) at a block of cotangents gives a row of the Jacobian in each lane, by one reverse pass in
which x is a constant:

    fn rows(%x: f64[n], %s: f64x8[n])           %y, %ty, %ds = pullback[rows](%x, 0, block of unit cotangents)
      %y, %ty = pushforward[f](%x, %s)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.builder import current_builder
from ...core.graph import Const
from ...core.graph import Return as GraphReturn
from ...core.types import NUMPY_DTYPES, WIDTHS, Array, Scalar, carries_gradient, lane_type, wide
from ...numpy.common import astype
from ...ops import table
from ...values import sizes
from ...values.arrays import allocate
from ...values.values import Arrayed, Traced, constant, dim_of
from .. import derivatives
from ..derivatives import Sub


def width_for(n: int) -> int:
    """Of the narrowest block with n lanes, or of the widest."""
    return 1 if n <= 1 else next((w for w in WIDTHS if n <= w), WIDTHS[-1])


def columns(sub: Sub, moving: dict[int, Any], lanes: int) -> tuple[list[Any], list[Any]]:
    """(results, their tangents along these blocks of tangents, by parameters); None for what has none."""
    floats = [t for t in sub.types if carries_gradient(t)]
    types = [*sub.types, *(wide(t, lanes) for t in floats)]
    extra = [_atom(t) for t in moving.values()]
    outs = derivatives.emit("pushforward", sub, extra, types, {"wrt": tuple(moving)})
    moved = iter(outs[len(sub.types) :])
    return outs[: len(sub.types)], [next(moved) if carries_gradient(t) else None for t in sub.types]


def apart(sub: Sub, parameter: int, tangents: Sequence[Any]) -> list[list[Any]]:
    """For each of these tangents of one parameter those of the results, which are floats: one evaluation, with arrays of their own for each."""
    types = [*sub.types, *(t for _ in tangents for t in sub.types)]
    attrs = {"wrt": (parameter,), "apart": len(tangents)}
    outs, n = derivatives.emit("pushforward", sub, [_atom(t) for t in tangents], types, attrs), len(sub.types)
    return [outs[n * (i + 1) : n * (i + 2)] for i in range(len(tangents))]


def transposed(sub: Sub, lanes: int) -> Sub:
    """A function of which `rows` takes pullbacks."""
    trace = current_builder().trace
    own, floats = [x.type for x in sub.leaves], [t for t in sub.types if carries_gradient(t)]
    wrt = [p for p in sub.where if p >= 0]
    with trace.building("rows") as b:
        params = [b.parameter(t) for t in own] + [b.parameter(wide(own[p], lanes), "t") for p in wrt]
        types = (*sub.types, *(wide(t, lanes) for t in floats))
        attrs = {"f": sub.name, "wrt": tuple(wrt), "cotangents": len(wrt), "own": len(own)}
        outs = b.emit("pushforward", tuple(params), types, attrs)
        assert b.current is not None
        trace.record(b, b.current.lets[-1], sub.name)
        b.terminate(GraphReturn(outs))
        trace.functions[b.name] = b.finish(types)
        trace.register(b.name, b)
    still = [_nowhere(sub.leaves[p], lanes) for p in wrt]
    return Sub(b.name, [*sub.leaves, *still], [*range(len(own) + len(wrt))], None, types, [])


def rows(sub: Sub, cotangents: dict[int, Any], lanes: int) -> tuple[list[Any], list[Any]]:
    """(results, blocks of adjoints of the arguments) for blocks of cotangents, by results."""
    if lanes == 1:
        wrt = tuple(p for p in sub.where if p >= 0)
        types = [*sub.types, *(sub.leaves[p].type for p in wrt)]
        outs = derivatives.emit("pullback", sub, list(map(_atom, cotangents.values())), types, {"wrt": wrt, "ct": tuple(cotangents)})
        return outs[: len(sub.types)], outs[len(sub.types) :]
    moved = transposed(sub, lanes)
    own, floats = len(sub.leaves), [i for i, t in enumerate(sub.types) if carries_gradient(t)]
    wrt = tuple(range(own, len(moved.leaves)))
    types = [*moved.types, *(moved.leaves[p].type for p in wrt)]
    ct = tuple(len(sub.types) + floats.index(i) for i in cotangents)
    extra = [_atom(c) for c in cotangents.values()]
    outs = derivatives.emit("pullback", moved, extra, types, {"wrt": wrt, "ct": ct})
    return outs[: len(sub.types)], outs[len(moved.types) :]


def units(x: Any, at: Sequence[Any], lanes: int, first: int = 0) -> Any:
    """Tangents of x: in lane first + k the element at flat position at[k] moves."""
    if isinstance(x, Traced):
        one = constant(NUMPY_DTYPES[x.type].type(1))
        return one if lanes == 1 else table.in_lane(one, i=first, to=wide(x.type, lanes))
    t = wide(x.type.dtype, lanes)
    flat = allocate(t, (x.size,), 0)
    for k, j in enumerate(at):
        one = constant(NUMPY_DTYPES[x.type.dtype].type(1))
        flat[j] = table.add(flat[j], table.in_lane(one, i=first + k, to=t)) if lanes > 1 else one
    return flat.reshape(x.shape)


def numbers(block: Any, lanes: int) -> Arrayed:
    """The lanes of an array of blocks, or of one, as the columns of a matrix: the same memory."""
    if not isinstance(block, Arrayed):
        alone = allocate(block.type, (1,), 0)
        alone[0] = block
        block = alone
    flat = block.reshape((block.size,))
    if lanes == 1:
        return flat.reshape((flat.size, 1))  # type: ignore[no-any-return]
    return as_numbers(flat.reshape((flat.size, 1)), lanes)


def as_numbers(blocks: Arrayed, lanes: int) -> Arrayed:
    """The lanes of a matrix of blocks as its columns: the same memory."""
    if lanes == 1:
        return blocks
    m, n = blocks.shape
    return _reshaped(blocks, lane_type(blocks.type.dtype), (m, sizes.mul(n, lanes)))


def as_blocks(matrix: Arrayed, lanes: int, shape: Sequence[Any]) -> Arrayed:
    """The rows of a matrix with so many columns as blocks, in an array of that shape: the same memory."""
    return _reshaped(matrix, wide(matrix.type.dtype, lanes), tuple(shape))


def _reshaped(x: Arrayed, dtype: Scalar, shape: Sequence[Any]) -> Arrayed:
    builder = current_builder()
    t = Array(dtype, tuple(map(dim_of, shape)))
    (out,) = builder.emit("reshape", (builder.use(x.atom, x.builder), *map(sizes.atom, shape)), (t,))
    return Arrayed(out, builder)


def _nowhere(x: Any, lanes: int) -> Any:
    """A tangent of zero."""
    if isinstance(x, Arrayed):
        return allocate(wide(x.type.dtype, lanes), x.shape, 0)
    t = wide(x.type, lanes)
    return Traced(Const(0.0, t), None)


def _atom(x: Any) -> Any:
    return current_builder().use(x.atom, x.builder)


def dtype_of(x: Any) -> Any:
    return x.type.dtype if isinstance(x, Arrayed) else x.type


def as_dtype(x: Any, t: Scalar) -> Any:
    """A number or an array of numbers in the float type `t`."""
    return astype(x, t) if isinstance(x, Arrayed) else table.convert(x, to=t)

"""Jacobians and Hessians, by loops of products with them: rows by reverse passes, columns by forward mode, eight for each evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core import errors
from ..core.builder import current_builder
from ..core.sites import user_site
from ..core.types import NUMPY_DTYPES, WIDTHS, Array, carries_gradient, lane_type, wide
from ..numpy.common import astype
from ..ops import table
from ..python import host
from ..staging.leaves import show
from ..staging.loops import each
from ..staging.paths import open_block
from ..values import concrete, sizes
from ..values.arrays import allocate
from ..values.values import Arrayed, Traced, constant, dim_of, is_traced
from ..values.views import settled
from . import derivatives


def jacobian(f: Callable[..., Any], x: Any, forward: bool) -> Any:
    """J[i..., j...] = d f_i / d x_j for f from a float or float array to a float or float array."""
    x = settled(x)
    x = derivatives.differentiable(x, "argument 0 of a Jacobian") if not isinstance(x, (tuple, list, dict)) else x
    if not isinstance(x, (Traced, Arrayed)):
        raise errors.UnsupportedOperationError(
            f"Jacobians and Hessians take one float or float array, not {show(x)} ({user_site()}): use jvp and vjp for containers"
        )
    if isinstance(x, Traced):
        return derivatives.jvp(f, (x,), (1.0,))[1]
    if forward and is_traced(x.size) and not current_builder().trace.differentiated:
        concrete.small(x.size, WIDTHS[-1])
    open_block()
    before = current_builder().mark()
    y, pull, moment = derivatives.vjp(f, (x,))
    if not isinstance(y, (Traced, Arrayed)):
        raise errors.UnsupportedOperationError(
            f"Jacobians and Hessians take a function whose result is one float or float array, not {show(y)} ({user_site()}): use jvp and vjp"
        )
    known = all(isinstance(n, int) for n in y.shape)
    if forward and moment is None and known:
        current_builder().rollback(before)  # its sizes were all that was to be found
    few = isinstance(x.size, int) and x.size <= WIDTHS[-1]
    if isinstance(y, Traced) and not (forward and few):
        with host.repeating(moment):
            return derivatives.value_and_grad(f, 0, False, (x,), {})[1]
    m = y.size if isinstance(y, Arrayed) else 1
    out = _columns(f, x, m, moment) if forward else _rows(pull, x, y)
    return astype(out, x.type.dtype).reshape((*y.shape, *x.shape))


def _rows(pull: Callable[[Any], Any], x: Arrayed, y: Any) -> Arrayed:
    """A reverse pass for each."""
    out = allocate(x.type.dtype, (y.size, x.size), 0)

    def row(i: Any) -> None:
        e = allocate(y.type.dtype, (y.size,), 0)
        e[i] = 1.0
        (g,) = pull(e.reshape(y.shape))
        flat = g.reshape((x.size,))
        each(x.size, lambda j: out.__setitem__((i, j), flat[j]))

    each(y.size, row)
    return out


def _columns(f: Callable[..., Any], x: Arrayed, m: Any, moment: Any) -> Any:
    """A block of them for each evaluation of f; the last block may go on with the last column. Where this is differentiated itself a
    block is one column: there are no blocks of blocks."""
    n = x.size
    lanes = 1 if current_builder().trace.differentiated else next((w for w in WIDTHS if isinstance(n, int) and n <= w), WIDTHS[-1])
    blocks = sizes.floordiv(sizes.add(n, lanes - 1), lanes)
    sub = derivatives.trace_sub(f, (x,), {})
    t = sub.types[0]
    if not carries_gradient(t):
        return allocate(x.type.dtype, (m, n), 0)
    out = allocate(wide(t.dtype if isinstance(t, Array) else t, lanes), (m, blocks), 0)

    def block(b: Any) -> None:
        at = [sizes.smaller(sizes.add(sizes.mul(b, lanes), i), sizes.sub(n, 1)) for i in range(lanes)]
        with host.repeating(moment):
            attrs = {"wrt": tuple(p for p in sub.where if p >= 0)}
            (_, moved) = derivatives.emit("pushforward", sub, [_units(x, at, lanes).atom], (t, wide(t, lanes)), attrs)
        flat = moved.reshape((m,)) if isinstance(moved, Arrayed) else None
        each(m, lambda i: out.__setitem__((i, b), moved if flat is None else flat[i]))

    each(blocks, block)
    return _as_numbers(out, lanes)[:, :n]


def _as_numbers(blocks: Arrayed, lanes: int) -> Arrayed:
    """The lanes of a matrix of blocks as its columns: the same memory."""
    if lanes == 1:
        return blocks
    builder, (m, n) = current_builder(), blocks.shape
    shape = (m, sizes.mul(n, lanes))
    t = Array(lane_type(blocks.type.dtype), tuple(map(dim_of, shape)))
    (out,) = builder.emit("reshape", (builder.use(blocks.atom, blocks.builder), *map(sizes.atom, shape)), (t,))
    return Arrayed(out, builder)


def _units(x: Arrayed, at: Sequence[Any], lanes: int) -> Any:
    """Tangents of x: in direction k the element at flat position at[k] moves."""
    t = wide(x.type.dtype, lanes)
    flat = allocate(t, (x.size,), 0)
    for k, j in enumerate(at):
        one = constant(NUMPY_DTYPES[x.type.dtype].type(1))
        flat[j] = table.add(flat[j], table.in_lane(one, i=k, to=t)) if lanes > 1 else one
    return flat.reshape(x.shape)

"""Groups of columns of a Jacobian, or of a Hessian, added up: a tangent for each, and then the entries of a sparse matrix from the sums.

Where f has no loops but kernels the tangents of each group are arrays of their own, which are computed beside one value, in vectors of
points; else, and backwards, they are blocks of lanes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...core.types import WIDTHS
from ...values import sizes
from ...values.arrays import allocate
from ...values.gather import gathered
from ...values.values import Arrayed
from ...values.views import settled
from .. import derivatives
from ..arguments import Chosen
from ..calls import call
from . import blocks

MOST = WIDTHS[-1]  # groups in one evaluation


def at_once(count: int, apart: bool) -> int:
    """How many of `count` groups one evaluation takes."""
    return min(max(count, 1), MOST) if apart else blocks.width_for(count)


def evaluated(
    f: Callable[..., Any], argnums: int | str, second: bool, apart: bool, count: int, m: Any, take: Any, /, *given: Any, **kwargs: Any
) -> Any:
    """The numbers at the positions `take` among all sums of derivatives of m results. Before the arguments stand `count` seeds. The sums
    are in the order (group, result), where these are tangents; else (block of groups, result, lane), where they are matrices with a column
    for each lane."""
    seeds = given[:count]
    args, kwargs = settled((given[count:], kwargs))
    places = Chosen.of(f, argnums, args, kwargs, "a sparse matrix")
    (x,) = (derivatives.all_differentiable(v, "the argument of a sparse matrix") for v in places.taken(args, kwargs))

    def g(v: Any) -> Any:
        new, named = places.put(args, kwargs, [v])
        return derivatives.value_and_grad(f, argnums, False, new, named)[1] if second else call(f, *new, **named)

    sub = derivatives.trace_sub(g, (x,), {})
    sums = _apart(sub, x, seeds, m) if apart else _lanes(sub, x, seeds, m)
    return gathered(sums.reshape((sums.size,)), take, (take.size,))


def _apart(sub: Any, x: Any, seeds: Sequence[Any], m: Any) -> Arrayed:
    out = allocate(blocks.dtype_of(x), (len(seeds), m), 0)
    for first in range(0, len(seeds), MOST):
        tangents = [s if isinstance(x, Arrayed) else s[0] for s in seeds[first : first + MOST]]
        for k, (moved,) in enumerate(blocks.apart(sub, sub.where[0], tangents)):
            out[first + k] = moved.reshape((m,)) if isinstance(moved, Arrayed) else moved
    return out


def _lanes(sub: Any, x: Any, seeds: Sequence[Any], m: Any) -> Arrayed:
    lanes = seeds[0].shape[1]
    shape = x.shape if isinstance(x, Arrayed) else (1,)
    out = allocate(blocks.dtype_of(x), (len(seeds), sizes.mul(m, lanes)), 0)
    for b, matrix in enumerate(seeds):
        tangent = blocks.as_blocks(matrix, lanes, shape) if lanes > 1 else matrix.reshape(shape)
        moved = blocks.columns(sub, {sub.where[0]: tangent if isinstance(x, Arrayed) else tangent[0]}, lanes)[1][0]
        out[b] = blocks.numbers(moved, lanes).reshape((sizes.mul(m, lanes),))
    return out

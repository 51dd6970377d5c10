"""Loops over a rectangular space as one operation: see core/kernel.py."""

from __future__ import annotations

from typing import Any

from ..core.kernel import kernel_of, made_by, written_by
from ..core.op import NEST, Elsewhere, Op, Result, as_marked, register
from ..core.types import Array


def _reads(let: Any) -> list[Any]:
    return kernel_of(let).reads()


def _shape(let: Any) -> tuple[Result, ...]:
    """A map has the sizes of the space, what is reduced those of the axes that stay. The scalar function says the dtype."""
    return tuple((o.type.dtype if isinstance(o.type, Array) else o.type, n) for o, n in zip(let.outs, made_by(let), strict=True))


KERNEL = register(Op("kernel", "*:*", None, Elsewhere("a kernel around the derivative of its function"), reads=_reads, writes=written_by,
                     aliases=(), allocates=True, fails=as_marked, cost="heavy", shape=_shape, adjoint="function", effect="", calls=NEST, late=True,
                     registers=True))  # fmt: skip

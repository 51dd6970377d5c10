"""Records that wait for a call further in (ir/ops/records.py): a record has an adjoint as large, where the adjoint of a number waits at the
number's place, and the address of an array's at that of its data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.graph import Atom, Const, Let
from ..core.types import F64, I64, PTR, Array, Scalar
from ..ops.records import places
from .function import zeros_like
from .low import Place, minus_zero
from .steps import STEPS, BlockSteps


def _word(block: BlockSteps, record: Atom, at: int, t: Any) -> Place:
    return Place(block.body.let("at", [record, Const(at, I64)], PTR, of=F64), t)


def _active(block: BlockSteps, values: Sequence[Any], kind: type) -> list[tuple[Any, int]]:
    """The active ones of a kind, and their places."""
    return [(v, at) for v, at in zip(values, places(values), strict=False) if v in block.activity and isinstance(v.type, kind)]


@STEPS.of("hold")
def hold(block: BlockSteps, let: Let, k: str) -> None:
    def forward() -> None:
        (x,) = block.straight_let(let)
        adjoint = zeros_like(block.body, x, words=True)
        block.write(let.out, [x, adjoint])
        for a, at in _active(block, let.args, Array):
            block.body.put(block.adjoint_data(a), _word(block, adjoint, at, PTR))

    def backward() -> None:
        adjoint = block.adjoint_data(let.out)
        for a, at in _active(block, let.args, Scalar):
            block.add(a, block.body.get(_word(block, adjoint, at, a.type)))

    block.on_the_way("hold", forward, backward, k)


@STEPS.of("held")
def held(block: BlockSteps, let: Let, k: str) -> None:
    def forward() -> None:
        adjoint = block.adjoint_data(let.args[0])  # type: ignore[arg-type]
        arrays = {o: block.body.get(_word(block, adjoint, at, PTR)) for o, at in _active(block, let.outs, Array)}
        for o, x in zip(let.outs, block.straight_let(let), strict=True):
            block.write(o, [x, arrays[o]] if o in arrays else [x])
        for o, _ in _active(block, let.outs, Scalar):
            block.body.put(minus_zero(o.type), block.adjoint_place(o))

    def backward() -> None:
        adjoint = block.adjoint_data(let.args[0])  # type: ignore[arg-type]
        for o, at in _active(block, let.outs, Scalar):
            block.body.accumulate(_word(block, adjoint, at, o.type), block.body.get(block.adjoint_place(o)))

    block.on_the_way("held", forward, backward, k)

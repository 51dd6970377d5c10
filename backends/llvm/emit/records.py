"""Records: values that wait in memory, a word each; an array is its data and its sizes. In reverse mode a record has an adjoint as large,
where the adjoint of a number waits at the number's place, and the address of an array's at that of its data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....ir.core.graph import Let
from ....ir.core.types import BOOL, F64, Array, Scalar
from ....ir.ops.records import places
from .code import LLVM_TYPES, NEGATIVE_ZERO, Code, flat_types
from .lets import EMIT, Operands, Read, allocate
from .operations import accumulate
from .reverse.operations import WAYS, BlockOperations


def word(code: Code, record: str, at: int) -> str:
    return code.let(f"getelementptr inbounds i64, ptr {record}, i64 {at}")


@EMIT.of("hold")
def emit_hold(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    size = str(places(let.args)[-1])
    record = allocate(code, size, F64, site)
    for a, at in zip(let.args, places(let.args), strict=False):
        for j, (t, x) in enumerate(zip(flat_types(a.type), read(a), strict=False)):
            if a.type == BOOL:
                t, x = "i64", code.let(f"zext i1 {x} to i64")
            code.store(t, x, word(code, record, at + j))
    return [[record, size]]


@EMIT.of("held")
def emit_held(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    record = read(let.args[0])[0]
    return [_taken(code, record, o, at) for o, at in zip(let.outs, places(let.outs), strict=False)]


def _taken(code: Code, record: str, o: Any, at: int) -> Operands:
    if o.type == BOOL:
        return [code.let(f"trunc i64 {code.load('i64', word(code, record, at))} to i1")]
    return [code.load(t, word(code, record, at + j)) for j, t in enumerate(flat_types(o.type))]


def _active(block: BlockOperations, values: Sequence[Any], kind: type) -> list[tuple[Any, int]]:
    """The active ones of a kind, and their places."""
    return [(v, at) for v, at in zip(values, places(values), strict=False) if v in block.activity and isinstance(v.type, kind)]


@WAYS.of("hold")
def op_hold(block: BlockOperations, let: Let, k: str) -> None:
    def forward() -> None:
        block.bind_outs(let)
        adjoint = block.read(let.out)[-1]
        for a, at in _active(block, let.args, Array):
            block.code.store("ptr", block.read(a)[-1], word(block.code, adjoint, at))

    def backward() -> None:
        adjoint = block.read(let.out)[-1]
        for a, at in _active(block, let.args, Scalar):
            block.add(a, block.code.load(LLVM_TYPES[a.type], word(block.code, adjoint, at)))

    block.on_the_way(f"@op.hold.{block.context.unique()}", forward, backward, k)


@WAYS.of("held")
def op_held(block: BlockOperations, let: Let, k: str) -> None:
    def forward() -> None:
        adjoint = block.read(let.args[0])[-1]
        for o, operands in zip(let.outs, emit_held(block.code, let, block.read, 0), strict=True):
            block.write(o, operands)
        for o, at in _active(block, let.outs, Array):
            block.write(o, [*block.read(o)[:-1], block.code.load("ptr", word(block.code, adjoint, at))])
        for o, _ in _active(block, let.outs, Scalar):
            block.code.store(LLVM_TYPES[o.type], NEGATIVE_ZERO, block.adjoint_cell(o))

    def backward() -> None:
        adjoint = block.read(let.args[0])[-1]
        for o, at in _active(block, let.outs, Scalar):
            t = LLVM_TYPES[o.type]
            accumulate(block.code, t, word(block.code, adjoint, at), block.code.load(t, block.adjoint_cell(o)))

    block.on_the_way(f"@op.held.{block.context.unique()}", forward, backward, k)

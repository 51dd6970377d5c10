"""Records: values that wait in memory, a word each; an array is its data and its sizes."""

from __future__ import annotations

from typing import Any

from ....ir.core.graph import Let
from ....ir.core.types import BOOL, F64
from ....ir.ops.records import places
from .code import Code, flat_types
from .lets import EMIT, Operands, Read, allocate


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

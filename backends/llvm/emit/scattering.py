"""Writing and adding at many places, and the way back."""

from __future__ import annotations

from ....ir.core.graph import Let
from ....ir.core.types import I64
from .code import LLVM_TYPES, Code
from .lets import Operands, loop, product, read_element, write_element
from .library import Routines, element_at, emits


@emits("scatter")
def emit_scatter(lib: Routines) -> list[Operands]:
    code = lib.code
    data, dims = lib.read(lib.let.args[0])[0], lib.read(lib.let.args[1])[1:]
    index, v = lib.read(lib.let.args[1])[0], lib.read(lib.let.args[2])[0]
    _scatter(code, lib.let, [data, index, v, product(code, dims[: lib.let.args[1].type.rank])])  # type: ignore[union-attr]
    return []


def _scatter(code: Code, let: Let, operands: list[str]) -> None:
    data, index, v, n = operands
    t, source = let.args[0].type.dtype, let.args[2].type.dtype  # type: ignore[union-attr]

    def one(i: str) -> None:
        at = code.load("i64", element_at(code, index, i, I64))
        p = element_at(code, data, at, t)
        x = read_element(code, element_at(code, v, i, source), source)
        if let.attrs["add"]:
            old = read_element(code, p, t)
            kind = LLVM_TYPES.get(t, "i64")
            x = code.let(f"{'fadd' if t.name.startswith('f') else 'or' if kind == 'i1' else 'add'} {kind} {old}, {x}")
        write_element(code, p, x, t)

    loop(code, n, one)

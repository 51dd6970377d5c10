"""Writing and adding at many places, and the way back."""

from __future__ import annotations

from typing import Any

from ....ir.core.graph import Let
from ....ir.core.types import I64
from .code import LLVM_TYPES, MEMORY_TYPES, NEGATIVE_ZERO, Code
from .lets import Operands, allocate, loop, product, read_element, write_element
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


def scatter_save(code: Code, let: Let, read: Any) -> tuple[str, str]:
    """What a scatter is about to overwrite, in order: the value before each single write."""
    data, index = read(let.args[0])[0], read(let.args[1])
    t = let.args[0].type.dtype  # type: ignore[union-attr]
    n = product(code, index[1 : 1 + let.args[1].type.rank])  # type: ignore[union-attr]
    old = allocate(code, n, t, 0)

    def one(i: str) -> None:
        p = element_at(code, data, code.load("i64", element_at(code, index[0], i, I64)), t)
        code.store(MEMORY_TYPES[t], code.load(MEMORY_TYPES[t], p), element_at(code, old, i, t))

    loop(code, n, one)
    return old, n


def scatter_back(code: Code, let: Let, read: Any, saved: tuple[str, str], active: Any) -> None:
    """Undo the writes, last first, and move adjoints: dv += dx[i]; dx[i] = 0 where x[i] was replaced. Of positions that
    are written more than once only the last write took effect; all were saved before the first."""
    old, n = saved
    x, index, v = (read(a) for a in let.args)
    t = let.args[0].type.dtype  # type: ignore[union-attr]
    flows = let.args[0] in active
    ty = LLVM_TYPES.get(t, "i64")

    def one(j: str) -> None:
        i = code.let(f"sub i64 {code.let(f'sub i64 {n}, 1')}, {j}")
        at = code.load("i64", element_at(code, index[0], i, I64))
        code.store(MEMORY_TYPES[t], code.load(MEMORY_TYPES[t], element_at(code, old, i, t)), element_at(code, x[0], at, t))
        if not flows:
            return
        cell = element_at(code, x[-1], at, t)
        d = code.load(ty, cell)
        if let.args[2] in active:
            place = element_at(code, v[-1], i, t)
            code.store(ty, code.let(f"fadd {ty} {code.load(ty, place)}, {d}"), place)
        if not let.attrs["add"]:
            code.store(ty, NEGATIVE_ZERO, cell)

    loop(code, n, one)

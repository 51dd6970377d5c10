"""Writing and adding at many places, and the way back."""

from __future__ import annotations

from typing import Any

from ....ir.core.graph import Let
from ....ir.core.types import I64, Scalar
from .code import LLVM_TYPES, Code
from .lets import Operands, copy_data, loop, product, read_element, write_element
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


@emits("take")
def emit_take(lib: Routines) -> list[Operands]:
    code, let = lib.code, lib.let
    (data, _, *rest), (index, *outer) = lib.read(let.args[0]), lib.read(let.args[1])
    n, row = product(code, outer), product(code, rest)
    out = lib.new(let.out, code.let(f"mul nsw i64 {n}, {row}"))

    def one(i: str) -> None:
        at = code.load("i64", element_at(code, index, i, I64))
        source = element_at(code, data, code.let(f"mul nsw i64 {at}, {row}"), lib.t)
        copy_data(code, element_at(code, out, code.let(f"mul nsw i64 {i}, {row}"), lib.t), source, row, lib.t)

    loop(code, n, one)
    return [[out, *outer, *rest]]


@emits("take_add")
def emit_take_add(lib: Routines) -> list[Operands]:
    """By a function of the module: what is added is no part of what it is added to."""
    module, name = lib.code.module, f"@lantern_take_add.{lib.t}"
    if name not in module.made:
        module.made[name] = True
        module.functions.append(_take_add_text(module, name, lib.t))
    d, (index, *outer), (x, _, *rest) = (lib.read(a) for a in lib.let.args)
    n, row = product(lib.code, outer), product(lib.code, rest)
    lib.code.emit(f"call void {name}(ptr {d[0]}, ptr {index}, ptr {x}, i64 {n}, i64 {row})")
    return []


def _take_add_text(module: Any, name: str, t: Scalar) -> str:
    code, ty = Code(module), LLVM_TYPES[t]

    def one(i: str) -> None:
        at = code.load("i64", element_at(code, "%index", i, I64))
        first, start = code.let(f"mul nsw i64 {at}, %row"), code.let(f"mul nsw i64 {i}, %row")

        def add(j: str) -> None:
            p = element_at(code, "%x", code.let(f"add nsw i64 {first}, {j}"), t)
            d = code.load(ty, element_at(code, "%d", code.let(f"add nsw i64 {start}, {j}"), t))
            code.store(ty, code.let(f"fadd {ty} {code.load(ty, p)}, {d}"), p)

        loop(code, "%row", add)

    loop(code, "%n", one)
    code.emit("ret void")
    return code.text(f"define internal void {name}(ptr noalias %d, ptr noalias %index, ptr noalias %x, i64 %n, i64 %row) noinline nounwind")

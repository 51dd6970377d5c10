"""Products of matrices: by BLAS, and by loops where they are small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .....ir.core.graph import Let
from .....ir.core.types import F64, I64, Scalar
from .....ir.ops.library import MANY, ROOM, ROWS
from ..code import LLVM_TYPES, Code, literal
from ..lets import EMIT, Operands, allocate, copy_data, count, fill_zero, loop, product
from ..library import Routines, call_library, element_at, emits
from .ordered import multiply_in_order

SMALL = 4096  # multiplications: below, loops are faster than a call of BLAS (measured: 16 x 16 x 16)


@EMIT.of("gemm_weight")
@emits("gemm")
def emit_gemm(lib: Routines) -> list[Operands]:
    return [gemm(lib.code, lib.let, lib.read, lambda n: lib.new(lib.let.out, n))]


def gemm(code: Code, let: Let, read: Any, new: Callable[[str], str]) -> Operands:
    (a, b), ta, tb = let.args[:2], let.attrs["ta"], let.attrs["tb"]
    x, y = read(a), read(b)
    rank = b.type.rank  # type: ignore[union-attr]
    row = a.type.rank < rank  # type: ignore[union-attr]
    if row:
        x = [x[0], "1", x[1]]
    stack = x[1 : rank - 1]
    m, k = (x[rank], x[rank - 1]) if ta else (x[rank - 1], x[rank])
    n = y[rank - 1] if tb else y[rank]
    total, ordered = count(code, [*stack, m, n], code.module.site(let.site)), let.attrs.get("ordered", 0)
    out = new(total)
    if not ordered:
        fill_zero(code, out, total, let.out.type.dtype)  # type: ignore[union-attr]
    multiply(code, let.out.type.dtype, (x[0], y[0], out), (m, n, k), ta, tb, product(code, stack), multiply_in_order if ordered else added)  # type: ignore[union-attr]
    return [out, *([] if row else [*stack, m]), n]


@emits("gathering")
def emit_gathering(lib: Routines) -> list[Operands]:
    """Room for rows of two matrices, where that is not too much beside a third."""
    code = lib.code
    _, k, m = lib.read(lib.let.args[0])
    elements = code.let(f"mul i64 {code.let(f'add i64 {k}, {m}')}, {ROWS}")
    four = code.let(f"mul i64 {code.let(f'mul i64 {k}, {m}')}, 4")
    fits = code.let(f"icmp sle i64 {elements}, {code.let(f'call i64 @llvm.smax.i64(i64 {four}, i64 {ROOM})')}")
    rows = code.let(f"select i1 {fits}, i64 {ROWS}, i64 0")
    p, q = (allocate(code, code.let(f"mul i64 {rows}, {n}"), lib.t, lib.site) for n in (k, m))
    filled = allocate(code, "1", I64, lib.site)
    code.store("i64", "0", filled)
    return [[p, rows, k], [q, rows, m], [filled, "1"]]


@emits("gemm_add")
def emit_gemm_add(lib: Routines) -> list[Operands]:
    """C += op(A) op(B)"""
    code, ta, tb = lib.code, lib.let.attrs["ta"], lib.let.attrs["tb"]
    x, y, z = (
        lib.read(a)[: 1 + a.type.rank]  # type: ignore[union-attr]
        for a in lib.let.args
    )
    k = x[-2 if ta else -1]
    multiply(code, lib.t, (x[0], y[0], z[0]), (*z[-2:], k), ta, tb, product(code, z[1:-2]))
    return []


@emits("gemm_rest")
def emit_gemm_rest(lib: Routines) -> list[Operands]:
    """C += P^T Q of so many rows; then there are none."""
    code, (p, q, n, c) = lib.code, (lib.read(a) for a in lib.let.args)
    multiply(code, lib.t, (p[0], q[0], c[0]), (*c[1:3], code.load("i64", n[0])), 1, 0, "1")
    code.store("i64", "0", n[0])
    return []


@emits("gemm_later")
def emit_gemm_later(lib: Routines) -> list[Operands]:
    """C += op(A) op(B) now or later, by a function of the module."""
    module, t, ta, tb = lib.code.module, lib.t, lib.let.attrs["ta"], lib.let.attrs["tb"]
    name = f"@lantern_gemm_later.{t}.{'t' if ta else 'n'}{'t' if tb else 'n'}"
    if name not in module.made:
        module.made[name] = True
        module.functions.append(_later_text(module, name, t, ta, tb))
    a, b, p, q, n, c = (lib.read(x) for x in lib.let.args)
    pointers = ", ".join(f"ptr {x[0]}" for x in (a, b, p, q, n, c))
    lib.code.emit(f"call void {name}({pointers}, i64 {c[1]}, i64 {c[2]}, i64 {a[1] if ta else a[2]}, i64 {p[1]})")
    return []


def _later_text(module: Any, name: str, t: Scalar, ta: int, tb: int) -> str:
    """Few rows are put behind those that are there; these are multiplied before if there is no room."""
    code = Code(module)
    most = code.let(f"call i64 @llvm.smin.i64(i64 {MANY}, i64 %room)")
    code.emit(f"br i1 {code.let(f'icmp sge i64 %k, {most}')}, label %now, label %later")
    code.place("now")
    multiply(code, t, ("%a", "%b", "%c"), ("%m", "%n", "%k"), ta, tb, "1")
    code.emit("ret void")
    code.place("later")
    filled = code.load("i64", "%filled")
    after = code.let(f"add i64 {filled}, %k")
    code.emit(f"br i1 {code.let(f'icmp sgt i64 {after}, %room')}, label %full, label %put")
    code.place("full")
    multiply(code, t, ("%p", "%q", "%c"), ("%m", "%n", filled), 1, 0, "1")
    code.store("i64", "0", "%filled")
    code.emit("br label %put")
    code.place("put")
    first = code.load("i64", "%filled")
    for source, to, columns, turned in (("%a", "%p", "%m", not ta), ("%b", "%q", "%n", tb)):
        rows = element_at(code, to, code.let(f"mul i64 {first}, {columns}"), t)
        if turned:
            _turn(code, rows, source, columns, t)
        else:
            copy_data(code, rows, source, code.let(f"mul i64 %k, {columns}"), t)
    code.store("i64", code.let(f"add i64 {first}, %k"), "%filled")
    code.emit("ret void")
    pointers = ", ".join(f"ptr noalias %{x}" for x in ("a", "b", "p", "q", "filled", "c"))
    return code.text(f"define internal void {name}({pointers}, i64 %m, i64 %n, i64 %k, i64 %room) noinline nounwind")


def _turn(code: Code, to: str, source: str, columns: str, t: Scalar) -> None:
    """%k rows from the columns of a matrix."""
    ty = LLVM_TYPES[t]

    def row(i: str) -> None:
        start = code.let(f"mul i64 {i}, {columns}")

        def one(j: str) -> None:
            x = code.load(ty, element_at(code, source, code.let(f"add i64 {code.let(f'mul i64 {j}, %k')}, {i}"), t))
            code.store(ty, x, element_at(code, to, code.let(f"add i64 {start}, {j}"), t))

        loop(code, columns, one)

    loop(code, "%k", row)


def multiply(code: Code, t: Scalar, pointers: Any, sizes: Any, ta: int, tb: int, stack: str, one: Any = None) -> None:
    """C += op(A) op(B) for each matrix of a stack, or what `one` does of each."""
    (a, b, c), (m, n, k), one = pointers, sizes, one or added

    def each(s: str) -> None:
        places = []
        for p, (rows, columns) in ((a, (m, k)), (b, (k, n)), (c, (m, n))):
            offset = code.let(f"mul i64 {s}, {code.let(f'mul i64 {rows}, {columns}')}")
            places.append(element_at(code, p, offset, t))
        one(code, t, places, sizes, ta, tb)

    if stack == "1":
        one(code, t, pointers, sizes, ta, tb)
    else:
        loop(code, stack, each)


def added(code: Code, t: Scalar, pointers: Any, sizes: Any, ta: int, tb: int) -> None:
    """C += op(A) op(B), by a function of the module."""
    name = f"@lantern_gemm.{t}.{'t' if ta else 'n'}{'t' if tb else 'n'}"
    if name not in code.module.made:
        code.module.made[name] = True
        code.module.functions.append(_multiply_text(code.module, name, t, ta, tb))
    code.emit(f"call void {name}({', '.join(f'ptr {p}' for p in pointers)}, {', '.join(f'i64 {n}' for n in sizes)})")


def _multiply_text(module: Any, name: str, t: Scalar, ta: int, tb: int) -> str:
    """C (m x n) += op(A) op(B), with k in between: loops where it is small, or a row by a matrix; BLAS where not."""
    code, ty = Code(module), LLVM_TYPES[t]
    work = code.let(f"mul i64 %m, {code.let('mul i64 %n, %k')}")
    small = code.let(f"or i1 {code.let(f'icmp sle i64 {work}, {SMALL}')}, {code.let('icmp eq i64 %m, 1')}")
    code.emit(f"br i1 {small}, label %small, label %large")
    code.place("small")

    def row(i: str) -> None:
        def a_at(p: str) -> str:
            offset = f"mul i64 {p}, %m" if ta else f"mul i64 {i}, %k"
            return code.load(ty, element_at(code, "%a", code.let(f"add i64 {code.let(offset)}, {i if ta else p}"), t))

        first = code.let(f"mul i64 {i}, %n")
        if tb:

            def dot(j: str) -> None:
                cell, start = element_at(code, "%c", code.let(f"add i64 {first}, {j}"), t), code.let(f"mul i64 {j}, %k")
                code.store(ty, literal(0.0, t), "%sum")

                def term(p: str) -> None:
                    v = code.load(ty, element_at(code, "%b", code.let(f"add i64 {start}, {p}"), t))
                    x = code.let(f"fmul contract {ty} {a_at(p)}, {v}")
                    code.store(ty, code.let(f"fadd reassoc contract {ty} {code.load(ty, '%sum')}, {x}"), "%sum")

                loop(code, "%k", term)
                code.store(ty, code.let(f"fadd {ty} {code.load(ty, cell)}, {code.load(ty, '%sum')}"), cell)

            loop(code, "%n", dot)
            return

        def axpy(p: str) -> None:
            v, start = a_at(p), code.let(f"mul i64 {p}, %n")

            def add(j: str) -> None:
                cell = element_at(code, "%c", code.let(f"add i64 {first}, {j}"), t)
                x = code.let(f"fmul contract {ty} {v}, {code.load(ty, element_at(code, '%b', code.let(f'add i64 {start}, {j}'), t))}")
                code.store(ty, code.let(f"fadd contract {ty} {code.load(ty, cell)}, {x}"), cell)

            loop(code, "%n", add)

        loop(code, "%k", axpy)

    code.allocas.append(f" %sum = alloca {ty}")
    loop(code, "%m", row)
    code.emit("ret void")
    code.place("large")
    cells = []
    for kind, value in (("i8", str(ord("T" if tb else "N"))), ("i8", str(ord("T" if ta else "N"))), ("i32", "%n"), ("i32", "%m"), ("i32", "%k"),
                        (ty, literal(1.0, t)), ("i32", "%k" if tb else "%n"), ("i32", "%m" if ta else "%k"), (ty, literal(1.0, t)), ("i32", "%n")):  # fmt: skip
        cell = code.alloca(kind)
        code.store(kind, code.let(f"trunc i64 {value} to i32") if kind == "i32" else value, cell)
        cells.append(cell)
    transb, transa, n, m, k, alpha, ldb, lda, beta, ldc = cells
    call_library(code, f"{'d' if t == F64 else 's'}gemm", [transb, transa, n, m, k, alpha, "%b", ldb, "%a", lda, beta, "%c", ldc])
    code.emit("ret void")
    return code.text(
        f"define internal void {name}(ptr noalias %a, ptr noalias %b, ptr noalias %c, i64 %m, i64 %n, i64 %k) noinline nounwind"
    )

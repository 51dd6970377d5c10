"""BLAS and LAPACK for the operations of ir/ops/library.py, through SciPy's pointers, and small matrix products as loops.

Matrices are row-major here and column-major there: a matrix of ours is its transpose to LAPACK. A Ctrl-C waits until a
library call has returned (`lantern.busy`), because libraries hold locks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ....ir.core.dims import UNKNOWN
from ....ir.core.graph import Let, Var
from ....ir.core.op import TABLE
from ....ir.core.types import F64, I64, Array, Scalar
from ....ir.diff.rules import library_function
from ..build.special import symbol
from .code import LLVM_TYPES, MEMORY_TYPES, Code, flat_types, literal, struct_of
from .lets import EMIT, Operands, allocate, copy_data, fill_zero, loop, product, read_element, write_element
from .machine import LLVMMachine, Value


def emit_program(code: Code, let: Let, read: Any) -> list[Operands]:
    """The value of an operation that is a traced program."""
    context = code.module.context
    return call_primal(context, code, library_function(context.program, let), [read(a) for a in let.args])


def call_primal(context: Any, code: Code, name: str, args: Sequence[Operands]) -> list[Operands]:
    """Call a function of the program."""
    f = context.program.functions[name]
    flat = [f"{t} {x}" for p, operands in zip(f.params, args, strict=True) for t, x in zip(flat_types(p.type), operands, strict=False)]
    types = [flat_types(r) for r in f.results]
    rt = struct_of([t for ts in types for t in ts])
    call = f"call {code.module.typed([t for ts in types for t in ts])} {context.primal(name)}({', '.join(flat)})"
    if rt == "void":
        code.emit(call)
        return []
    values = iter(code.unpack(rt, code.let(call), sum(map(len, types))))
    return [[next(values) for _ in ts] for ts in types]


def emits(name: str) -> Callable[[Callable[[Routines], list[Operands]]], Any]:
    """The decorated function emits the value of an operation."""
    return lambda function: EMIT.of(name)(lambda code, let, read, site: function(Routines(code, let, read)))


class Routines:
    """One operation to be emitted: its matrices, and calls of a library."""

    def __init__(self, code: Code, let: Let, read: Any) -> None:
        self.code, self.let, self.read = code, let, read
        self.site = code.module.site(let.site)
        t = let.args[0].type
        assert isinstance(t, Array)
        self.t: Scalar = t.dtype
        self.ty = LLVM_TYPES.get(t.dtype, "i64")
        self.letter = "d" if t.dtype == F64 else "s"

    def new(self, v: Var | None, n: str, t: Any = None) -> str:
        self.code.allocator = "lantern.alloc_result" if v in self.code.escaping else "lantern.alloc"
        return allocate(self.code, n, t or self.t, self.site)

    def matrix(self, i: int) -> tuple[str, str, str]:
        data, rows, columns = self.read(self.let.args[i])[:3]
        return data, rows, columns

    def copy_of(self, i: int, v: Var | None) -> str:
        """A copy of a matrix argument, to be overwritten."""
        data, rows, columns = self.matrix(i)
        n = product(self.code, [rows, columns])
        p = self.new(v, n)
        copy_data(self.code, p, data, n, self.t)
        return p

    def column_major(self, i: int) -> str:
        """A copy of a matrix argument as LAPACK has it, to be overwritten."""
        data, rows, columns = self.matrix(i)
        out = allocate(self.code, product(self.code, [rows, columns]), self.t, self.site)
        _transpose(self.code, data, out, rows, columns, self.t)
        return out

    def ints_of_svd(self, k: str) -> str:
        """Room for integers, for k singular values."""
        return allocate(self.code, self.code.let(f"add i64 {product(self.code, ['8', k])}, 1"), I64, self.site)

    # ---- calls
    def library(self, name: str, *args: Any) -> None:
        """Call a routine: ('c', letter), ('i', i64), ('f', float literal) or a pointer."""
        code, pointers = self.code, []
        for a in args:
            if isinstance(a, str):
                pointers.append(a)
                continue
            kind, value = a
            cell = code.alloca({"c": "i8", "i": "i32", "f": self.ty}[kind])
            if kind == "c":
                code.store("i8", str(ord(value)), cell)
            elif kind == "i":
                code.store("i32", code.let(f"trunc i64 {value} to i32"), cell)
            else:
                code.store(self.ty, literal(value, self.t), cell)
            pointers.append(cell)
        call_library(code, self.letter + name, pointers)

    def info(self) -> str:
        cell = self.code.alloca("i32")
        self.code.store("i32", "0", cell)
        return cell

    def check(self, info: str) -> None:
        """Raise if a routine has failed."""
        bad = self.code.let(f"icmp eq i32 {self.code.load('i32', info)}, 0")
        self.code.check(bad, "linalg", self.site)

    def work(self, routine: Callable[[str, Any], None]) -> None:
        """Ask a routine how much room it needs, give it that, and run it: routine(room, length)."""
        code = self.code
        cell = code.alloca(self.ty)
        routine(cell, ("i", "-1"))
        n = code.let(f"fptosi {self.ty} {code.load(self.ty, cell)} to i64")
        n = code.let(f"call i64 @llvm.smax.i64(i64 {n}, i64 1)")
        routine(allocate(code, n, self.t, self.site), ("i", n))

    def nonempty(self, n: str, body: Callable[[], None]) -> None:
        """Libraries refuse empty matrices."""
        code = self.code
        some, done = code.new_label("some"), code.new_label("empty")
        code.emit(f"br i1 {code.let(f'icmp sgt i64 {n}, 0')}, label %{some}, label %{done}")
        code.place(some)
        body()
        code.emit(f"br label %{done}")
        code.place(done)

    def square(self, rows: str, columns: str) -> None:
        self.code.check(self.code.let(f"icmp eq i64 {rows}, {columns}"), "linalg", self.site)


# ---- operations


@emits("cumsum")
def emit_cumsum(lib: Routines) -> list[Operands]:
    code, (data, rows, n) = lib.code, lib.matrix(0)
    out = lib.new(lib.let.out, product(code, [rows, n]))
    t, reverse = lib.t, lib.let.attrs["reverse"]
    ty = "i64" if t.name.startswith("i") else lib.ty
    total = code.alloca(ty)
    add = "fadd" if t.name.startswith("f") else "add"

    def row(r: str) -> None:
        first = code.let(f"mul nsw i64 {r}, {n}")
        code.store(ty, literal(0, t) if t.name.startswith("f") else "0", total)

        def one(i: str) -> None:
            if reverse:
                i = code.let(f"sub nsw i64 {code.let(f'sub nsw i64 {n}, 1')}, {i}")
            at = code.let(f"add nsw i64 {first}, {i}")
            v = read_element(code, element_at(code, data, at, t), t)
            s = code.let(f"{add} {ty} {code.load(ty, total)}, {v}")
            code.store(ty, s, total)
            write_element(code, element_at(code, out, at, t), s, t)

        loop(code, n, one)

    loop(code, rows, row)
    return [[out, rows, n]]


@emits("cholesky")
def emit_cholesky(lib: Routines) -> list[Operands]:
    code, (_, n, m) = lib.code, lib.matrix(0)
    lib.square(n, m)
    out = lib.copy_of(0, lib.let.out)
    info = lib.info()
    lib.nonempty(n, lambda: lib.library("potrf", ("c", "U"), ("i", n), out, ("i", n), info))
    lib.check(info)

    def row(i: str) -> None:
        start = code.let(f"mul nsw i64 {i}, {n}")
        begin = code.let(f"add nsw i64 {i}, 1")
        rest = code.let(f"sub nsw i64 {n}, {begin}")
        p = element_at(code, out, code.let(f"add nsw i64 {start}, {begin}"), lib.t)
        fill_zero(code, p, rest, lib.t)

    loop(code, n, row)
    return [[out, n, n]]


@emits("trsm")
def emit_trsm(lib: Routines) -> list[Operands]:
    """X_c op(A_c) = B_c with A_c = A^T, B_c = B: B^T is given, so its rows are the columns of B."""
    code, (a, n, n2) = lib.code, lib.matrix(0)
    bt, k, m = lib.matrix(1)
    lib.square(n, n2)
    lib.code.check(code.let(f"icmp eq i64 {n}, {m}"), "linalg", lib.site)
    attrs = lib.let.attrs
    if not attrs["unit"]:

        def regular(i: str) -> None:
            d = code.load(lib.ty, element_at(code, a, code.let(f"mul nsw i64 {i}, {code.let(f'add nsw i64 {n}, 1')}"), lib.t))
            code.check(code.let(f"fcmp une {lib.ty} {d}, 0.0"), "linalg", lib.site)

        loop(code, n, regular)
    out = lib.new(lib.let.out, product(code, [k, n]))
    copy_data(code, out, bt, product(code, [k, n]), lib.t)
    uplo, trans = "U" if attrs["lower"] else "L", "N" if attrs["trans"] else "T"
    lib.nonempty(product(code, [k, n]), lambda: lib.library(
        "trsm", ("c", "L"), ("c", uplo), ("c", trans), ("c", "U" if attrs["unit"] else "N"), ("i", n), ("i", k), ("f", 1.0), a, ("i", n),
        out, ("i", n)))  # fmt: skip
    return [[out, k, n]]


@emits("trmm")
def emit_trmm(lib: Routines) -> list[Operands]:
    """B_c := B_c L for the transpose of L^T B."""
    a, n, _ = lib.matrix(0)
    out = lib.copy_of(1, lib.let.out)
    lib.nonempty(n, lambda: lib.library(
        "trmm", ("c", "R"), ("c", "U"), ("c", "T"), ("c", "N"), ("i", n), ("i", n), ("f", 1.0), a, ("i", n), out, ("i", n)))  # fmt: skip
    return [[out, n, n]]


@emits("slogdet")
def emit_slogdet(lib: Routines) -> list[Operands]:
    code, (_, n, n2) = lib.code, lib.matrix(0)
    lib.square(n, n2)
    lu, info = lib.copy_of(0, None), lib.info()
    pivots = allocate(code, n, I64, lib.site)
    lib.nonempty(n, lambda: lib.library("getrf", ("i", n), ("i", n), lu, ("i", n), pivots, info))
    sign, total = code.alloca(lib.ty), code.alloca(lib.ty)
    code.store(lib.ty, literal(1.0, lib.t), sign)
    code.store(lib.ty, literal(0.0, lib.t), total)
    machine = LLVMMachine(code, lib.site)

    def one(i: str) -> None:
        d = code.load(lib.ty, element_at(code, lu, code.let(f"mul nsw i64 {i}, {code.let(f'add nsw i64 {n}, 1')}"), lib.t))
        size = machine.instruction("fabs", Value(machine, d, lib.t))
        log = machine.libm("log", size)
        code.store(lib.ty, code.let(f"fadd {lib.ty} {code.load(lib.ty, total)}, {log.name}"), total)
        pivot = code.load("i32", code.let(f"getelementptr i32, ptr {pivots}, i64 {i}"))
        here = code.let(f"trunc i64 {code.let(f'add nsw i64 {i}, 1')} to i32")
        swapped = code.let(f"icmp ne i32 {pivot}, {here}")
        negative = code.let(f"fcmp olt {lib.ty} {d}, 0.0")
        flip = code.let(f"xor i1 {swapped}, {negative}")
        zero = code.let(f"fcmp oeq {lib.ty} {d}, 0.0")
        s = code.load(lib.ty, sign)
        s = code.let(f"select i1 {flip}, {lib.ty} {code.let(f'fneg {lib.ty} {s}')}, {lib.ty} {s}")
        code.store(lib.ty, code.let(f"select i1 {zero}, {lib.ty} 0.0, {lib.ty} {s}"), sign)

    loop(code, n, one)
    return [[code.load(lib.ty, sign)], [code.load(lib.ty, total)]]


@emits("eigh")
def emit_eigh(lib: Routines) -> list[Operands]:
    """By NumPy's routine, given what NumPy gives it: the signs of eigenvectors are its own. The lower triangle of A is the upper one of A^T."""
    code, (_, n, n2) = lib.code, lib.matrix(0)
    lib.square(n, n2)
    upper = lib.let.attrs["upper"]
    v, info = lib.copy_of(0, None) if upper else lib.column_major(0), lib.info()
    w, out = lib.new(lib.let.outs[0], n), lib.new(lib.let.outs[1], product(code, [n, n]))
    most = code.let(f"add i64 {product(code, ['5', n])}, 3")
    ints = allocate(code, most, I64, lib.site)

    def run() -> None:
        def routine(room: str, length: Any) -> None:
            lib.library("syevd", ("c", "V"), ("c", "U" if upper else "L"), ("i", n), v, ("i", n), w, room, length, ints, ("i", most), info)

        lib.work(routine)
        lib.check(info)

    lib.nonempty(n, run)
    _transpose(code, v, out, n, n, lib.t)
    return [[w, n], [out, n, n]]


@emits("svd")
def emit_svd(lib: Routines) -> list[Operands]:
    """As NumPy: of A, and not of its transpose, whose singular vectors may have other signs."""
    code, (_, m, n) = lib.code, lib.matrix(0)
    k = code.let(f"call i64 @llvm.smin.i64(i64 {m}, i64 {n})")
    a, info = lib.column_major(0), lib.info()
    s = lib.new(lib.let.outs[1], k)
    (mk, kn), ints = (product(code, [x, y]) for x, y in ((m, k), (k, n))), lib.ints_of_svd(k)
    u, vt = (allocate(code, x, lib.t, lib.site) for x in (mk, kn))
    u_out, vt_out = lib.new(lib.let.outs[0], mk), lib.new(lib.let.outs[2], kn)

    def run() -> None:
        def routine(room: str, length: Any) -> None:
            lib.library("gesdd", ("c", "S"), ("i", m), ("i", n), a, ("i", m), s, u, ("i", m), vt, ("i", k), room, length, ints, info)

        lib.work(routine)
        lib.check(info)

    lib.nonempty(k, run)
    _transpose(code, u, u_out, k, m, lib.t)
    _transpose(code, vt, vt_out, n, k, lib.t)
    return [[u_out, m, k], [s, k], [vt_out, k, n]]


@emits("qr")
def emit_qr(lib: Routines) -> list[Operands]:
    code, (data, m, n) = lib.code, lib.matrix(0)
    code.check(code.let(f"icmp sge i64 {m}, {n}"), "linalg", lib.site)
    size = product(code, [m, n])
    a = allocate(code, size, lib.t, lib.site)
    _transpose(code, data, a, m, n, lib.t)  # column-major now
    tau, info = allocate(code, n, lib.t, lib.site), lib.info()
    q, r = lib.new(lib.let.outs[0], size), lib.new(lib.let.outs[1], product(code, [n, n]))

    def run() -> None:
        lib.work(lambda room, length: lib.library("geqrf", ("i", m), ("i", n), a, ("i", m), tau, room, length, info))
        lib.check(info)

        def column(i: str) -> None:
            def one(j: str) -> None:
                inside = code.let(f"icmp sge i64 {j}, {i}")
                v = code.load(lib.ty, element_at(code, a, code.let(f"add i64 {code.let(f'mul i64 {j}, {m}')}, {i}"), lib.t))
                v = code.let(f"select i1 {inside}, {lib.ty} {v}, {lib.ty} 0.0")
                code.store(lib.ty, v, element_at(code, r, code.let(f"add i64 {code.let(f'mul i64 {i}, {n}')}, {j}"), lib.t))

            loop(code, n, one)

        loop(code, n, column)
        lib.work(lambda room, length: lib.library("orgqr", ("i", m), ("i", n), ("i", n), a, ("i", m), tau, room, length, info))
        lib.check(info)
        _transpose(code, a, q, n, m, lib.t)

    lib.nonempty(n, run)
    return [[q, m, n], [r, n, n]]


def call_library(code: Code, name: str, pointers: Sequence[str]) -> None:
    s = symbol(name)
    code.module.declare(s, f"declare void @{s}({', '.join('ptr' for _ in pointers)})")
    code.emit("call void @lantern.busy()")
    code.emit(f"call void @{s}({', '.join(f'ptr {p}' for p in pointers)})")
    code.emit("call void @lantern.ready()")


def element_at(code: Code, p: str, i: str, t: Any) -> str:
    return code.let(f"getelementptr inbounds {MEMORY_TYPES[t]}, ptr {p}, i64 {i}")


def _transpose(code: Code, source: str, target: str, rows: str, columns: str, t: Scalar) -> None:
    """target[j, i] = source[i, j]"""
    ty = LLVM_TYPES[t]

    def row(i: str) -> None:
        def one(j: str) -> None:
            v = code.load(ty, element_at(code, source, code.let(f"add i64 {code.let(f'mul i64 {i}, {columns}')}, {j}"), t))
            code.store(ty, v, element_at(code, target, code.let(f"add i64 {code.let(f'mul i64 {j}, {rows}')}, {i}"), t))

        loop(code, columns, one)

    loop(code, rows, row)


@EMIT.of("succeeds")
def emit_succeeds(code: Code, let: Let, read: Any, site: int) -> list[Operands]:
    """Do what the operation does, for nothing but its word."""
    attrs = dict(let.attrs)
    name = attrs.pop("op")
    found, failed, done = code.alloca("i1"), code.new_label("failed"), code.new_label("known")
    code.store("i1", "false", found)
    trial = Let((), name, let.args, attrs, let.site)
    trial.outs = tuple(
        Var(f"trial{i}", Array(t, (UNKNOWN,) * len(shape)) if shape else t) for i, (t, shape) in enumerate(TABLE[name].shape(trial))
    )
    code.waiting = {"linalg": failed}
    EMIT[name](code, trial, read, site)
    code.waiting = {}
    code.store("i1", "true", found)
    code.emit(f"br label %{done}")
    code.place(failed)
    code.emit(f"br label %{done}")
    code.place(done)
    return [[code.load("i1", found)]]

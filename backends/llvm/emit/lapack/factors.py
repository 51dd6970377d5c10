"""The operations of ir/ops/lapack.py by LAPACK. A matrix of ours is its transpose there."""

from __future__ import annotations

from .....ir.core.types import I64
from ..lets import Operands, allocate, copy_data, loop, product
from ..library import Routines, _transpose, element_at, emits


def _int32(lib: Routines, p: str, i: str) -> str:
    """Element i of LAPACK's integers, as i64."""
    code = lib.code
    return code.let(f"sext i32 {code.load('i32', code.let(f'getelementptr i32, ptr {p}, i64 {i}'))} to i64")


def _store(lib: Routines, value: str, p: str, i: str) -> None:
    lib.code.store("i64", value, element_at(lib.code, p, i, I64))


@emits("lu")
def emit_lu(lib: Routines) -> list[Operands]:
    code, (_, m, n) = lib.code, lib.matrix(0)
    k = code.let(f"call i64 @llvm.smin.i64(i64 {m}, i64 {n})")
    a, info, ints = lib.column_major(0), lib.info(), allocate(code, k, I64, lib.site)
    out, swaps, p, inverse = (lib.new(v, s, t) for v, s, t in zip(
        lib.let.outs, (product(code, [m, n]), k, m, m), (lib.t, I64, I64, I64), strict=True))  # fmt: skip
    lib.nonempty(k, lambda: lib.library("getrf", ("i", m), ("i", n), a, ("i", m), ints, info))
    _transpose(code, a, out, n, m, lib.t)
    loop(code, m, lambda i: _store(lib, i, p, i))

    def swap(i: str) -> None:
        j = code.let(f"sub i64 {_int32(lib, ints, i)}, 1")
        _store(lib, j, swaps, i)
        x, y = (code.load("i64", element_at(code, p, at, I64)) for at in (i, j))
        _store(lib, y, p, i)
        _store(lib, x, p, j)

    loop(code, k, swap)
    loop(code, m, lambda i: _store(lib, i, inverse, code.load("i64", element_at(code, p, i, I64))))
    return [[out, m, n], [swaps, k], [p, m], [inverse, m]]


@emits("lu_factors")
def emit_lu_factors(lib: Routines) -> list[Operands]:
    """LAPACK's, of the transpose; its integers lie as they are in the memory of ours."""
    _, n, n2 = lib.matrix(0)
    lib.square(n, n2)
    factors, info = lib.copy_of(0, lib.let.outs[0]), lib.info()
    pivots = lib.new(lib.let.outs[1], n, I64)

    def factorise() -> None:
        lib.library("getrf", ("i", n), ("i", n), factors, ("i", n), pivots, info)
        lib.check(info)

    lib.nonempty(n, factorise)
    return [[factors, n, n], [pivots, n]]


@emits("lu_again")
def emit_lu_again(lib: Routines) -> list[Operands]:
    code, (_, n, _), (factors, _, _) = lib.code, lib.matrix(0), lib.matrix(1)
    (bt, k, m), pivots = lib.matrix(3), lib.read(lib.let.args[2])[0]
    code.check(code.let(f"icmp eq i64 {n}, {m}"), "linalg", lib.site)
    out, info = lib.new(lib.let.out, product(code, [k, n])), lib.info()
    copy_data(code, out, bt, product(code, [k, n]), lib.t)
    trans = "N" if lib.let.attrs["trans"] else "T"
    lib.nonempty(n, lambda: lib.library(
        "getrs", ("c", trans), ("i", n), ("i", k), factors, ("i", n), pivots, out, ("i", n), info))  # fmt: skip
    return [[out, k, n]]


@emits("sytrf")
def emit_sytrf(lib: Routines) -> list[Operands]:
    """Of the lower triangle, whose columns are to be ours: the matrix is turned, and turned back."""
    code, (_, n, n2) = lib.code, lib.matrix(0)
    lib.square(n, n2)
    a, info, ints = lib.column_major(0), lib.info(), allocate(code, n, I64, lib.site)
    out, pivots = lib.new(lib.let.outs[0], product(code, [n, n])), lib.new(lib.let.outs[1], n, I64)
    lib.nonempty(
        n, lambda: lib.work(lambda room, length: lib.library("sytrf", ("c", "L"), ("i", n), a, ("i", n), ints, room, length, info))
    )
    _transpose(code, a, out, n, n, lib.t)
    loop(code, n, lambda i: _store(lib, _int32(lib, ints, i), pivots, i))
    return [[out, n, n], [pivots, n]]


@emits("schur")
def emit_schur(lib: Routines) -> list[Operands]:
    code, (_, n, n2) = lib.code, lib.matrix(0)
    lib.square(n, n2)
    a, info, size = lib.column_major(0), lib.info(), product(code, [n, n])
    z, w = allocate(code, size, lib.t, lib.site), allocate(code, code.let(f"mul i64 2, {n}"), lib.t, lib.site)
    t, v = (lib.new(out, size) for out in lib.let.outs)

    def run() -> None:
        count, imaginary = code.alloca("i32"), element_at(code, w, n, lib.t)
        lib.work(lambda room, length: lib.library(
            "gees", ("c", "V"), ("c", "N"), "null", ("i", n), a, ("i", n), count, w, imaginary, z, ("i", n), room, length, "null", info))  # fmt: skip
        lib.check(info)

    lib.nonempty(n, run)
    _transpose(code, a, t, n, n, lib.t)
    _transpose(code, z, v, n, n, lib.t)
    return [[t, n, n], [v, n, n]]


@emits("trsyl")
def emit_trsyl(lib: Routines) -> list[Operands]:
    code, (_, m, _), (_, n, _) = lib.code, lib.matrix(0), lib.matrix(1)
    r, s, q = (lib.column_major(i) for i in range(3))
    size, info, scale = product(code, [m, n]), lib.info(), code.alloca(lib.ty)
    code.store(lib.ty, "1.0", scale)
    out = lib.new(lib.let.out, size)
    ta, tb = ("T" if lib.let.attrs[name] else "N" for name in ("ta", "tb"))
    lib.nonempty(size, lambda: lib.library(
        "trsyl", ("c", ta), ("c", tb), ("i", 1), ("i", m), ("i", n), r, ("i", m), s, ("i", n), q, ("i", m), scale, info))  # fmt: skip
    _transpose(code, q, out, n, m, lib.t)
    factor = code.load(lib.ty, scale)

    def one(i: str) -> None:
        at = element_at(code, out, i, lib.t)
        code.store(lib.ty, code.let(f"fmul {lib.ty} {code.load(lib.ty, at)}, {factor}"), at)

    loop(code, size, one)
    return [[out, m, n]]


@emits("gbsv")
def emit_gbsv(lib: Routines) -> list[Operands]:
    """The rows of the first argument are the columns of LAPACK's banded storage, and those of the second of the right hand side."""
    code, (_, n, wide), (_, k, m) = lib.code, lib.matrix(0), lib.matrix(1)
    lib.square(n, m)
    a, out, info, ints = lib.copy_of(0, None), lib.copy_of(1, lib.let.out), lib.info(), allocate(code, n, I64, lib.site)
    below, above = (("i", str(lib.let.attrs[name])) for name in ("below", "above"))
    lib.nonempty(product(code, [k, n]), lambda: lib.library(
        "gbsv", ("i", n), below, above, ("i", k), a, ("i", wide), ints, out, ("i", n), info))  # fmt: skip
    lib.check(info)
    return [[out, k, n]]


@emits("eig")
def emit_eig(lib: Routines) -> list[Operands]:
    code, (_, n, n2) = lib.code, lib.matrix(0)
    lib.square(n, n2)
    a, info, size = lib.column_major(0), lib.info(), product(code, [n, n])
    z, imaginary = allocate(code, size, lib.t, lib.site), allocate(code, n, lib.t, lib.site)
    w, v = lib.new(lib.let.outs[0], n), lib.new(lib.let.outs[1], size)

    def run() -> None:
        lib.work(lambda room, length: lib.library(
            "geev", ("c", "N"), ("c", "V"), ("i", n), a, ("i", n), w, imaginary, "null", ("i", 1), z, ("i", n), room, length, info))  # fmt: skip
        lib.check(info)

    lib.nonempty(n, run)

    def real(i: str) -> None:
        x = code.load(lib.ty, element_at(code, imaginary, i, lib.t))
        code.check(code.let(f"fcmp oeq {lib.ty} {x}, 0.0"), "linalg", lib.site)

    loop(code, n, real)
    _transpose(code, z, v, n, n, lib.t)
    return [[w, n], [v, n, n]]


@emits("svd_beside")
def emit_svd_beside(lib: Routines) -> list[Operands]:
    """The columns of U behind the first n; of a wide matrix the rows of V^T behind the first m, as columns."""
    code, (_, m, n), wide = lib.code, lib.matrix(0), lib.let.attrs["wide"]
    small, large = (m, n) if wide else (n, m)
    a, info, ints = lib.column_major(0), lib.info(), lib.ints_of_svd(small)
    rest = code.let(f"sub i64 {large}, {small}")
    for n_ok in (rest, code.let(f"sub i64 {small}, 1")):
        code.check(code.let(f"icmp sge i64 {n_ok}, 0"), "linalg", lib.site)
    u, s, vt = (allocate(code, x, lib.t, lib.site) for x in (product(code, [m, m]), small, product(code, [n, n])))
    out = lib.new(lib.let.out, product(code, [large, rest]))

    def run() -> None:
        lib.work(lambda room, length: lib.library(
            "gesdd", ("c", "A"), ("i", m), ("i", n), a, ("i", m), s, u, ("i", m), vt, ("i", n), room, length, ints, info))  # fmt: skip
        lib.check(info)

    lib.nonempty(small, run)
    if not wide:
        _transpose(code, element_at(code, u, product(code, [m, n]), lib.t), out, rest, m, lib.t)
        return [[out, m, rest]]

    def row(i: str) -> None:
        source, target = (element_at(code, p, product(code, [i, x]), lib.t) for p, x in ((vt, n), (out, rest)))
        copy_data(code, target, element_at(code, source, m, lib.t), rest, lib.t)

    loop(code, n, row)
    return [[out, n, rest]]

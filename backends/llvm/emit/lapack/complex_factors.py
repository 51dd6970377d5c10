"""Factors of complex matrices by LAPACK, whose numbers are pairs of floats in memory; ours are two matrices."""

from __future__ import annotations

from typing import Any

from .....ir.core.types import I64
from ..lets import Operands, allocate, loop, product
from ..library import Routines, element_at, emits

LETTERS = {"d": "z", "s": "c"}


class ComplexRoutines(Routines):
    """The same of matrices in two parts: arguments 0 and 1."""

    def __init__(self, lib: Routines) -> None:
        super().__init__(lib.code, lib.let, lib.read)
        self.letter = LETTERS[self.letter]

    def room(self, n: str, of: int = 2) -> str:
        """Memory for n complex numbers, or for n floats."""
        return allocate(self.code, product(self.code, [str(of), n]), self.t, self.site)

    def given(self, turned: bool = True) -> str:
        """A copy of the matrix as LAPACK has it; not `turned`, of its conjugate transpose."""
        (x, m, n), (y, _, _) = self.matrix(0), self.matrix(1)
        out = self.room(product(self.code, [m, n]))
        for k, source in enumerate((x, y)):
            if turned:
                self.move(source, (n, "1"), out, ("2", product(self.code, ["2", m])), (m, n), k)
            else:
                self.move(source, (n, "1"), out, (product(self.code, ["2", n]), "2"), (m, n), k, negated=bool(k))
        return out

    def results(self, source: str, first: int, m: str, n: str) -> list[Operands]:
        """An m x n matrix of LAPACK's as the results `first` and the one behind it."""
        found = []
        for k in (0, 1):
            out = self.new(self.let.outs[first + k], product(self.code, [m, n]))
            source_k = element_at(self.code, source, str(k), self.t)
            self.move(source_k, ("2", product(self.code, ["2", m])), out, (n, "1"), (m, n), 0)
            found.append([out, m, n])
        return found

    def vector(self, source: str, first: int, n: str) -> list[Operands]:
        return [[x, n] for x, _, _ in self.results(source, first, n, "1")]

    def move(self, source: str, steps: Any, target: str, strides: Any, sizes: Any, at: int, negated: bool = False) -> None:
        """target[at + i strides[0] + j strides[1]] = source[i steps[0] + j steps[1]]"""
        code, (m, n) = self.code, sizes

        def place(p: str, i: str, j: str, by: Any, start: int) -> str:
            ij = code.let(f"add i64 {product(code, [i, by[0]])}, {product(code, [j, by[1]])}")
            return element_at(code, p, code.let(f"add i64 {ij}, {start}"), self.t)

        def row(i: str) -> None:
            def one(j: str) -> None:
                v = code.load(self.ty, place(source, i, j, steps, 0))
                v = code.let(f"fneg {self.ty} {v}") if negated else v
                code.store(self.ty, v, place(target, i, j, strides, at))

            loop(code, n, one)

        loop(code, m, row)

    def asked(self, routine: Any) -> None:
        """Ask how much room a routine needs, give it that, and run it."""
        cell = self.room("1")
        routine(cell, ("i", "-1"))
        n = self.code.let(f"fptosi {self.ty} {self.code.load(self.ty, cell)} to i64")
        n = self.code.let(f"call i64 @llvm.smax.i64(i64 {n}, i64 1)")
        routine(self.room(n), ("i", n))

    def squares(self, *factors: tuple[int, str, str]) -> str:
        """1 + the sum of k x y"""
        code, total = self.code, "1"
        for k, x, y in factors:
            total = code.let(f"add i64 {total}, {product(code, [str(k), x, y])}")
        return total


@emits("eigh_z")
def emit_eigh(plain: Routines) -> list[Operands]:
    """With upper=1 the upper triangle of the conjugate transpose is given, as NumPy does."""
    lib = ComplexRoutines(plain)
    code, (_, n, n2), upper = lib.code, lib.matrix(0), lib.let.attrs["upper"]
    lib.square(n, n2)
    v, info, w = lib.given(not upper), lib.info(), lib.new(lib.let.outs[0], n)
    floats, ints = lib.squares((5, n, "1"), (2, n, n)), lib.squares((5, n, "1"), (2, "1", "1"))
    room, whole = lib.room(floats, 1), allocate(code, ints, I64, lib.site)

    def run() -> None:
        lib.asked(lambda work, length: lib.library(
            "heevd", ("c", "V"), ("c", "U" if upper else "L"), ("i", n), v, ("i", n), w, work, length, room, ("i", floats), whole, ("i", ints), info))  # fmt: skip
        lib.check(info)

    lib.nonempty(n, run)
    return [[w, n], *lib.results(v, 1, n, n)]


@emits("svd_z")
def emit_svd(plain: Routines) -> list[Operands]:
    lib = ComplexRoutines(plain)
    code, (_, m, n) = lib.code, lib.matrix(0)
    k, most = (code.let(f"call i64 @llvm.s{which}.i64(i64 {m}, i64 {n})") for which in ("min", "max"))
    a, info, s = lib.given(), lib.info(), lib.new(lib.let.outs[2], k)
    u, vt = lib.room(product(code, [m, k])), lib.room(product(code, [k, n]))
    room, ints = lib.room(lib.squares((7, k, k), (7, k, "1"), (2, most, k)), 1), lib.ints_of_svd(k)

    def run() -> None:
        lib.asked(lambda work, length: lib.library(
            "gesdd", ("c", "S"), ("i", m), ("i", n), a, ("i", m), s, u, ("i", m), vt, ("i", k), work, length, room, ints, info))  # fmt: skip
        lib.check(info)

    lib.nonempty(k, run)
    return [*lib.results(u, 0, m, k), [s, k], *lib.results(vt, 3, k, n)]


@emits("qr_z")
def emit_qr(plain: Routines) -> list[Operands]:
    lib = ComplexRoutines(plain)
    code, (_, m, n) = lib.code, lib.matrix(0)
    code.check(code.let(f"icmp sge i64 {m}, {n}"), "linalg", lib.site)
    a, tau, info = lib.given(), lib.room(n), lib.info()
    r = lib.room(product(code, [n, n]))

    def run() -> None:
        lib.asked(lambda work, length: lib.library("geqrf", ("i", m), ("i", n), a, ("i", m), tau, work, length, info))
        lib.check(info)

        def column(j: str) -> None:
            def one(i: str) -> None:
                inside = code.let(f"icmp sle i64 {i}, {j}")
                for k in ("0", "1"):
                    source, target = (
                        element_at(code, p, code.let(f"add i64 {product(code, ['2', code.let(f'add i64 {i}, {product(code, [j, x])}')])}, {k}"), lib.t)
                        for p, x in ((a, m), (r, n))
                    )  # fmt: skip
                    v = code.load(lib.ty, source)
                    code.store(lib.ty, code.let(f"select i1 {inside}, {lib.ty} {v}, {lib.ty} 0.0"), target)

            loop(code, n, one)

        loop(code, n, column)
        lib.asked(lambda work, length: lib.library("ungqr", ("i", m), ("i", n), ("i", n), a, ("i", m), tau, work, length, info))
        lib.check(info)

    lib.nonempty(n, run)
    return [*lib.results(a, 0, m, n), *lib.results(r, 2, n, n)]


@emits("eig_z")
def emit_eig(plain: Routines) -> list[Operands]:
    lib = ComplexRoutines(plain)
    code, (_, n, n2) = lib.code, lib.matrix(0)
    lib.square(n, n2)
    a, info, w, v = lib.given(), lib.info(), lib.room(n), lib.room(product(code, [n, n]))
    room = lib.room(lib.squares((2, n, "1")), 1)

    def run() -> None:
        lib.asked(lambda work, length: lib.library(
            "geev", ("c", "N"), ("c", "V"), ("i", n), a, ("i", n), w, "null", ("i", 1), v, ("i", n), work, length, room, info))  # fmt: skip
        lib.check(info)

    lib.nonempty(n, run)
    return [*lib.vector(w, 0, n), *lib.results(v, 2, n, n)]

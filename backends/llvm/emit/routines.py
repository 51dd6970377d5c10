"""BLAS and LAPACK in an exported library, where SciPy's are out of reach: the system's if the linker finds one, and loops of
our own for matrix products where it does not."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable

from ....ir.core.types import F32, F64, Scalar
from ...targets.target import Cpu
from ..build.special import PREFIX
from .code import LLVM_TYPES, SIZES, Code, Module, literal
from .lets import loop

CANDIDATES = ("-lopenblas", "-llapack -lblas", "-lmkl_rt")  # with 32-bit integers, as SciPy's
PRODUCTS = {"dgemm": F64, "sgemm": F32}
ADVICE = (
    "install one for C compilers (Debian and Ubuntu: libopenblas-dev, Fedora: openblas-devel, Arch: openblas, conda: libopenblas), or name "
    'another in LANTERN_BLAS as for the linker, say LANTERN_BLAS="-L/opt/blas/lib -lblas -llapack"'
)


def routines(declared: Iterable[str]) -> tuple[list[str], list[str]]:
    """(BLAS and LAPACK routines, functions of scipy.special) among the symbols that code refers to."""
    names = sorted(n.removeprefix(PREFIX) for n in declared if n.startswith(PREFIX))
    if not names:
        return [], []
    from scipy.linalg import cython_blas, cython_lapack

    known = {*cython_blas.__pyx_capi__, *cython_lapack.__pyx_capi__}
    return [n for n in names if n in known], [n for n in names if n not in known]


def choices() -> list[list[str]]:
    """What to try to link with, as arguments of the compiler."""
    chosen = os.environ.get("LANTERN_BLAS", "")
    return [shlex.split(x) for x in ([chosen] if chosen.strip() else CANDIDATES)]


def of_the_system(text: str, names: Iterable[str]) -> str:
    """The module with these routines under the names that Fortran gives them."""
    return re.sub(rf"@{PREFIX}({'|'.join(names)})\b", r"@\1_", text)


def own_products(cpu: Cpu, names: Iterable[str]) -> str:
    """A module with these routines as loops."""
    return "\n".join(_product(cpu, f"{PREFIX}{name}", PRODUCTS[name]) for name in names)


def _product(cpu: Cpu, name: str, t: Scalar) -> str:
    """C (m x n) += op(A) op(B), column by column as in BLAS. Of A as it is, four columns at a time are added to one of C; of
    a transposed one, dot products are taken."""
    code, ty = Code(Module(cpu)), LLVM_TYPES[t]
    flags = "reassoc contract"
    m, n, k, lda, ldb, ldc = (code.let(f"sext i32 {code.load('i32', f'%{p}')} to i64") for p in ("m", "n", "k", "lda", "ldb", "ldc"))
    ta, tb = (code.let(f"icmp eq i8 {code.load('i8', f'%{p}')}, {ord('T')}") for p in ("transa", "transb"))
    row_of_b, column_of_b = code.let(f"select i1 {tb}, i64 {ldb}, i64 1"), code.let(f"select i1 {tb}, i64 1, i64 {ldb}")

    def at(p: str, *offsets: str) -> str:
        for x in offsets:
            p = code.let(f"getelementptr inbounds {ty}, ptr {p}, i64 {x}")
        return p

    def column(j: str, added: bool) -> None:
        c, b = at("%c", code.let(f"mul i64 {j}, {ldc}")), at("%b", code.let(f"mul i64 {j}, {column_of_b}"))

        def b_at(p: str) -> str:
            return code.load(ty, at(b, code.let(f"mul i64 {p}, {row_of_b}")))

        def columns(first: str, count: int) -> None:
            places = [first, *(code.let(f"add i64 {first}, {q}") for q in range(1, count))]
            parts = [(at("%a", code.let(f"mul i64 {p}, {lda}")), b_at(p)) for p in places]

            def add(i: str) -> None:
                cell = at(c, i)
                total = code.load(ty, cell)
                for start, v in parts:
                    x = code.let(f"fmul contract {ty} {code.load(ty, at(start, i))}, {v}")
                    total = code.let(f"fadd contract {ty} {total}, {x}")
                code.store(ty, total, cell)

            loop(code, m, add)

        def dot(i: str) -> None:
            a = at("%a", code.let(f"mul i64 {i}, {lda}"))
            code.store(ty, literal(0.0, t), "%sum")

            def term(p: str) -> None:
                x = code.let(f"fmul {flags} {ty} {code.load(ty, at(a, p))}, {b_at(p)}")
                code.store(ty, code.let(f"fadd {flags} {ty} {code.load(ty, '%sum')}, {x}"), "%sum")

            loop(code, k, term)
            code.store(ty, code.let(f"fadd {ty} {code.load(ty, at(c, i))}, {code.load(ty, '%sum')}"), at(c, i))

        if not added:
            loop(code, m, dot)
            return
        fours = code.let(f"lshr i64 {k}, 2")
        loop(code, fours, lambda q: columns(code.let(f"shl i64 {q}, 2"), 4))
        done = code.let(f"shl i64 {fours}, 2")
        loop(code, code.let(f"sub i64 {k}, {done}"), lambda q: columns(code.let(f"add i64 {q}, {done}"), 1))

    code.allocas.append(f" %sum = alloca {ty}, align {SIZES[t]}")
    code.emit(f"br i1 {ta}, label %dots, label %sums")
    for label in ("dots", "sums"):
        code.place(label)
        loop(code, n, lambda j, label=label: column(j, label == "sums"))  # type: ignore[misc]
        code.emit("ret void")
    return code.text(_head(name))


def _head(name: str) -> str:
    """Of a product, with the parameters that BLAS has."""
    params = ("transa", "transb", "m", "n", "k", "alpha", "a", "lda", "b", "ldb", "beta", "c", "ldc")
    pointers = ", ".join(f"ptr noalias %{p}" if p in "abc" else f"ptr %{p}" for p in params)
    return f"define hidden void @{name}({pointers}) noinline nounwind"

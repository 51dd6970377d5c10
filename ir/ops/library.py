"""Operations on whole arrays that are no kernels: matrix products, factorisations, scattering, sorting. One row each.


    gemm(A, B) {ta, tb}            a matrix product, for stacks of matrices too; where `ordered`, each sum is a loop's, in its order
    gemm_weight(A, B, p, q, n) {ta, tb, w}      one that leaves what it adds to the adjoint of argument w for later, as rows of p and q
    p, q, n = gathering(w)         room for such rows, none so far
    gemm_later(A, B, p, q, n, C) {ta, tb}       C += op(A) op(B), or else op(A)^T and op(B) become rows, which are added before it is too late
    gemm_rest(p, q, n, C)          C += P^T Q of the rows so far
    succeeds(..) {op, ..}          does the operation of that name, of these arguments, find what it looks for? (LAPACK's word)
    cholesky(A)  trsm  lu_factors  lu_again  slogdet  qr  eigh  svd         LAPACK, one matrix at a time
    take(x, i)                     the rows x[i] of an array, i in bounds; take_add(d, i, x) adds to them, one row after another
    scatter(x, i, v) {add}         x[i] = v or x[i] += v, one element after another
    cumsum  argsort  nonzero
    sliding(x, w, like)            sums of x[i + k] w[k], as many as `like` has elements

A row gives the value by NumPy (for the interpreter), its shape rule, its derivative in both modes as traced code on whole arrays (`jvp`,
`vjp`), and where no library has it a traced program of its own (`program`); such code is written in ir/numpy and given by `rules`. The LLVM backend adds the calls of BLAS and LAPACK
(backends/llvm/emit/library.py). Rules have no control flow.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..core.graph import Const
from ..core.op import TABLE, Elsewhere, Op, Size, Stage, Zero, arrays, as_marked, nothing, register, sizes
from ..core.types import BOOL, F32, F64, I64, NUMPY_DTYPES, Scalar


def row(
    name: str,
    python: Any,
    jvp: Any = None,
    vjp: Any = None,
    program: Any = None,
    *,
    shape: Any,
    writes: Any = (),
    zero: str = "",
    **facts: Any,
) -> Op:
    """Add a row: `python(*args, **attrs)` gives a tuple. jvp(attrs, args, outs, tangents) gives a tangent (or None) for each out,
    where tangents of inactive args are None; vjp(attrs, args, outs, cotangents, wanted) one for each wanted arg, None elsewhere.

    An operation that writes has no outs for it: its jvp adds to the program what writes the tangents, after the operation itself. Its vjp
    finds what it wrote as it was before, gets the adjoints of that behind the cotangents of the outs, and gives those of before."""
    rule = Zero(zero) if zero else Elsewhere("traced code")
    common: dict[str, Any] = {"reads": arrays, "writes": writes, "aliases": (), "allocates": True, "fails": as_marked, "cost": "heavy",
                              "adjoint": "zero" if zero else "pullback", "effect": "", "late": True, "raises": _failure}  # fmt: skip
    return register(Op(name, "*:*", python, rule, shape=shape, jvp=jvp, vjp=vjp, program=program, **{**common, **facts}))


def _failure(let: Any) -> Any:
    """What LAPACK tells; a program of several of them has no one who could be asked before."""
    if let.op not in FAILURES or not let.attrs.get("fails", True):
        return ()
    return [(np.linalg.LinAlgError(FAILURES[let.op]), None if TABLE[let.op].program is not None else lambda at: at.succeeds())]


class _Awaited(Stage):
    """Rows that still wait for their code, by name. No row may when all are sealed."""

    def check(self) -> None:
        if self:
            raise ValueError(f"operation {min(self)!r} has no derivative and does not say why")


AWAITED = _Awaited("rules", lambda op: False)


def awaited(name: str, python: Any, **facts: Any) -> None:
    """A row whose traced code is written in an upper room, which gives it by `rules`."""
    AWAITED[name] = functools.partial(row, name, python, **facts)


def rules(name: str, jvp: Any = None, vjp: Any = None, program: Any = None) -> None:
    """The traced code of a row: it goes into the table."""
    AWAITED.pop(name)(jvp, vjp, program)


def _like(*places: int) -> Any:
    return lambda let: tuple((let.args[i].type.dtype, sizes(let.args[i])) for i in places)


def _product(let: Any) -> Any:
    """Of matrices, or of a row and a matrix."""
    (a, b), ta, tb = let.args[:2], let.attrs["ta"], let.attrs["tb"]
    x, y = sizes(a), sizes(b)
    return ((a.type.dtype, (*x[:-2], *((x[-1 if ta else -2],) if len(x) > 1 else ()), y[-2 if tb else -1])),)


def _factors(*axes: Any) -> Any:
    """Of one matrix: results with its sizes along these axes, None where the smaller one is meant."""
    return lambda let: tuple((let.args[0].type.dtype, tuple(None if i is None else Size(let.args[0], i) for i in kept)) for kept in axes)


def _gemm(a: Any, b: Any, ta: int, tb: int, ordered: int = 0) -> tuple[Any]:
    x, y = np.swapaxes(a, -1, -2) if ta else a, np.swapaxes(b, -1, -2) if tb else b
    return (_in_order(x, y) if ordered else np.matmul(x, y),)


def _in_order(x: Any, y: Any) -> Any:
    """The product whose sums begin with 0.0 and take one term after another."""
    total = np.zeros_like(np.matmul(x, y))
    for p in range(x.shape[-1]):
        total = total + (x[..., p, None] * y[..., p, None, :] if x.ndim > 1 else x[p] * y[p])
    return total


awaited("gemm", _gemm, shape=_product, adjoint="function", linear=(0, 1), weighted="gemm_weight", matrices=True)


MANY = 16  # rows at once are multiplied at once
ROWS = 128  # are gathered at most (measured: with more of them a product is no faster)
ROOM = 1 << 20  # elements of them at most, or four times as many as the matrix has; where that is too little, none are


def _gathering(w: Any) -> tuple[Any, ...]:
    rows = ROWS if ROWS * sum(w.shape) <= max(ROOM, 4 * w.size) else 0
    return np.empty((rows, w.shape[0]), w.dtype), np.empty((rows, w.shape[1]), w.dtype), np.zeros(1, np.int64)


def _rows(let: Any) -> Any:
    (w,) = let.args
    return (w.type.dtype, (None, Size(w, 0))), (w.type.dtype, (None, Size(w, 1))), (I64, (Const(1, I64),))


row("gathering", _gathering, shape=_rows, zero="it is room for what is not there yet")


def _gemm_weight(a: Any, b: Any, p: Any, q: Any, n: Any, ta: int, tb: int, w: int, ordered: int = 0) -> tuple[Any]:
    return _gemm(a, b, ta, tb, ordered)


row("gemm_weight", _gemm_weight, shape=_product, adjoint="function", closing=True)


def _gemm_add(a: Any, b: Any, c: Any, ta: int, tb: int) -> tuple[()]:
    c += _gemm(a, b, ta, tb)[0]
    return ()


ADJOINTS = "it is used in adjoints alone, which are not differentiated"
row("gemm_add", _gemm_add, shape=nothing, writes=(2,), zero=ADJOINTS)


def _gemm_rest(p: Any, q: Any, n: Any, c: Any) -> tuple[()]:
    c += p[: n[0]].T @ q[: n[0]]
    n[0] = 0
    return ()


row("gemm_rest", _gemm_rest, shape=nothing, writes=(2, 3), zero=ADJOINTS)


def _gemm_later(a: Any, b: Any, p: Any, q: Any, n: Any, c: Any, ta: int, tb: int) -> tuple[()]:
    x, y = a if ta else a.T, b.T if tb else b
    if len(x) >= min(MANY, len(p)):
        return _gemm_add(a, b, c, ta, tb)
    if n[0] + len(x) > len(p):
        _gemm_rest(p, q, n, c)
    i = n[0]
    n[0] += len(x)
    p[i : n[0]], q[i : n[0]] = x, y
    return ()


row("gemm_later", _gemm_later, shape=nothing, writes=(2, 3, 4, 5), zero=ADJOINTS)


def _taken(let: Any) -> Any:
    x, i = let.args
    return ((x.type.dtype, (*sizes(i), *sizes(x)[1:])),)


row("take", lambda x, i: (x[i],), shape=_taken, adjoint="function", rereads=(1,), linear=(0,))


def _take_add(d: Any, i: Any, x: Any) -> tuple[()]:
    np.add.at(x, i, d)
    return ()


row("take_add", _take_add, shape=nothing, writes=(2,), zero=ADJOINTS)


def _scatter(x: Any, index: Any, v: Any, add: int) -> tuple[()]:
    for i, value in zip(index.ravel(), np.broadcast_to(v, index.shape).ravel(), strict=True):
        x[i] = x[i] + value if add else value
    return ()


awaited("scatter", _scatter, shape=nothing, writes=(0,), adjoint="function")


def _cumsum(x: Any, reverse: int) -> tuple[Any]:
    return (np.flip(np.cumsum(np.flip(x, -1), -1, dtype=x.dtype), -1) if reverse else np.cumsum(x, -1, dtype=x.dtype),)


awaited("cumsum", _cumsum, shape=_like(0), linear=(0,))


def _sliding(x: Any, w: Any, like: Any) -> tuple[Any]:
    n = len(like)
    given = np.concatenate([x, np.zeros(max(n + len(w) - 1 - len(x), 0), x.dtype)])
    return (np.correlate(given, w)[:n] if n and len(w) else np.zeros(n, x.dtype),)


awaited("sliding", _sliding, shape=lambda let: ((let.args[0].type.dtype, sizes(let.args[2])),), linear=(0, 1))


POSITIONS = "the result is an integer"
awaited("nonzero", lambda mask: np.nonzero(mask), shape=lambda let: ((I64, (None,)),) * len(let.outs), zero=POSITIONS)
awaited("argsort", lambda x: (np.argsort(x, -1, kind="stable"),), shape=lambda let: ((I64, sizes(let.args[0])),), zero=POSITIONS)


def _trsm(a: Any, bt: Any, trans: int, unit: int, lower: int) -> tuple[Any]:
    import scipy.linalg

    if a.shape[0] and not unit and np.any(np.diagonal(a) == 0):
        raise np.linalg.LinAlgError("singular matrix")
    if not bt.size:
        return (bt.copy(),)
    return (scipy.linalg.solve_triangular(a, bt.T, trans=trans, lower=bool(lower), unit_diagonal=bool(unit), check_finite=False).T,)


awaited("trsm", _trsm, shape=_like(1), linear=(1,))


def _trmm(a: Any, b: Any) -> tuple[Any]:
    return (np.tril(a).T @ b,)


row("trmm", _trmm, shape=_like(1), zero="it is used in rules alone, which are not differentiated")


def _lu_factors(a: Any) -> tuple[Any, Any]:
    np.linalg.solve(a, np.zeros(len(a), a.dtype))  # does it have any?
    return a.copy(), np.zeros(len(a), np.int64)


def _lu_again(a: Any, factors: Any, pivots: Any, bt: Any, trans: int) -> tuple[Any]:
    return (np.linalg.solve(factors.T if trans else factors, bt.T).T,)


row("lu_factors", _lu_factors, shape=lambda let: ((let.args[0].type.dtype, sizes(let.args[0])), (I64, sizes(let.args[0])[:1])),
    zero="what is solved with them has the derivative")  # fmt: skip
awaited("lu_again", _lu_again, shape=_like(3), linear=(3,))


awaited("slogdet", lambda a: tuple(np.linalg.slogdet(a)), shape=_factors((), ()))
awaited("cholesky", lambda a: (np.linalg.cholesky(a),), shape=_like(0))


def _eigh(a: Any, order: int, upper: int) -> tuple[Any, ...]:
    return tuple(np.linalg.eigh(a.T, "U") if upper else np.linalg.eigh(a))


awaited("eigh", _eigh, shape=_factors((0,), (0, 0)), unread=True)
awaited("svd", lambda a, order: tuple(np.linalg.svd(a, full_matrices=False)), shape=_factors((0, None), (None,), (None, 1)), unread=True)
awaited("qr", lambda a: tuple(np.linalg.qr(a)), shape=_factors((0, 1), (1, 1)))


def eps(t: Scalar) -> float:
    return float(np.finfo(NUMPY_DTYPES[t]).eps)


def tolerance(t: Scalar) -> float:
    """The relative error that a derivative may have: 1.3e-6 in float64, 2.5e-3 in float32."""
    return float(eps(t) ** 0.375)


def closest(t: Scalar, order: int = 1) -> float:
    """Values nearer than this, relative to the largest, are taken for equal at derivatives of an order: 1.7e-10, 4.7e-5 in float32."""
    return float((eps(t) / tolerance(t)) ** (1 / order))


def _pinv(a: Any, rcond: float, order: int) -> tuple[Any, ...]:
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    cut = s.max(initial=0.0) * (max(a.shape) * np.finfo(a.dtype).eps if rcond < 0 else rcond)
    d = np.where(s > cut, 1 / np.where(s > cut, s, 1), 0).astype(a.dtype)
    return u, s, vt, vt.T @ (d[:, None] * u.T)


awaited("pinv", _pinv, shape=_factors((0, None), (None,), (None, 1), (1, 0)), unread=True)


def _nuclear(a: Any) -> tuple[Any, ...]:
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    bad = s <= s.max(initial=0.0) * closest(F32 if a.dtype == np.float32 else F64)
    return s.sum(), (u + np.where(bad, np.nan, 0).astype(a.dtype)) @ vt


awaited("nuclear", _nuclear, shape=_factors((), (0, 1)), unread=True)


def _dft(re: Any, im: Any, sign: int) -> tuple[Any, Any]:
    z = re + 1j * im
    out = np.fft.fft(z, axis=-1) if sign < 0 else np.fft.ifft(z, axis=-1) * max(z.shape[-1], 1)
    return out.real, out.imag


awaited("dft", _dft, shape=_like(0, 1))


FAILURES = {"cholesky": "Matrix is not positive definite", "lu_factors": "Singular matrix", "lu_again": "Singular matrix", "trsm": "singular matrix", "eigh": "Eigenvalues did not converge",
          "svd": "SVD did not converge", "pinv": "SVD did not converge", "nuclear": "SVD did not converge", "qr": "Incorrect argument found in performing QR factorization"}  # fmt: skip


def _succeeds(*args: Any, op: str, **attrs: Any) -> tuple[bool]:
    try:
        TABLE[op].body(*args, **attrs)
    except np.linalg.LinAlgError:
        return (False,)
    return (True,)


row("succeeds", _succeeds, shape=lambda let: ((BOOL, ()),), zero="it is a question", rereads=False)

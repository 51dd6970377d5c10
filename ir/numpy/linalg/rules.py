"""LU, LDL^T, square roots, Sylvester's and banded equations, real eigenvalues: the operations, and their derivatives as code on traced arrays.

Formulas: M. B. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation" (2008); the factors of LU
and LDL^T as L^-1 dA U^-1 in its triangles, with the exchanges of rows as they are. Square roots: N. J. Higham, "Functions of Matrices" (2008), 6.3
(the scaled product form of Denman and Beavers' iteration); Sylvester's equation: R. H. Bartels and G. W. Stewart (1972).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core import errors
from ...core.types import I64
from ...ops import (
    lapack,  # noqa: F401  # the rows
    table,
)
from ...ops.library import rules
from ...values import sizes
from ...values.kernels import elementwise
from ...values.library import bind
from ...values.reshaping import expand
from ..axes import diagonal
from ..common import program
from ..creation import eye, zeros
from ..products import add_up, matmul
from ..shaping import diag, tril, triu
from .solving import lower_only, lu_solve, trsm
from .spectral import _gaps, _mixed, _split

Values = Sequence[Any]


# ---- triangles
def left(l: Any, b: Any, trans: int = 0, unit: int = 1, lower: int = 1) -> Any:  # noqa: E741  # the usual name
    """op(L)^-1 B"""
    return trsm(l, b.T, trans, unit, lower).T


def right(b: Any, u: Any, trans: int = 0, unit: int = 0, lower: int = 0) -> Any:
    """B op(U)^-1"""
    return trsm(u, b, 1 - trans, unit, lower)


# ---- LU
def lu(a: Any) -> list[Any]:
    """Packed factors, LAPACK's exchanges, p of A[p] = L U and its inverse."""
    m, n = a.shape
    k = sizes.smaller(m, n)
    return bind("lu", (a,), [(a.type.dtype, (m, n)), (I64, (k,)), (I64, (m,)), (I64, (m,))], fails=False)


def _parts(a: Any, k: Any) -> tuple[Any, Any, Any]:
    """The square part of the first k rows and columns, what is below it, what is beside it."""
    return a[:k, :k], a[k:, :k], a[:k, k:]


def _whole(square: Any, below: Any, beside: Any, like: Any, k: Any) -> Any:
    out = np.zeros_like(like)
    out[:k, :k], out[k:, :k], out[:k, k:] = square, below, beside
    return out


def _lu_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    (f, swaps, p, _), (ta,) = outs, tangents
    k = swaps.shape[0]
    (s, low, wide), (ds, dlow, dwide) = _parts(f, k), _parts(ta[p], k)
    m = right(left(s, ds), s)
    dl, du = matmul(tril(s, -1) + eye(k, dtype=f.dtype), tril(m, -1)), matmul(triu(m), triu(s))
    return _whole(dl + du, right(dlow - matmul(low, du), s), left(s, dwide - matmul(dl, wide)), f, k), None, None, None


def _lu_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    (f, swaps, _, inverse), (d, *_) = outs, cotangents
    k = swaps.shape[0]
    (s, low, wide), (ds, dlow, dwide) = _parts(f, k), _parts(d, k)
    dlow, dwide = right(dlow, s, 1), left(s, dwide, 1)
    gl, gu = tril(ds, -1) - tril(matmul(dwide, wide.T), -1), triu(ds) - triu(matmul(low.T, dlow))
    m = tril(matmul((tril(s, -1) + eye(k, dtype=f.dtype)).T, gl), -1) + triu(matmul(gu, triu(s).T))
    return (_whole(right(left(s, m, 1), s, 1), dlow, dwide, f, k)[inverse],)


rules("lu", jvp=_lu_jvp, vjp=_lu_vjp)


# ---- LDL^T
def ldl(a: Any) -> list[Any]:
    """L, D and p of the lower triangle."""
    n, t = a.shape[0], a.type.dtype
    return bind("ldl", (a,), [(t, (n, n)), (t, (n, n)), (I64, (n,))], fails=False)


def _ldl_program(a: Any) -> Any:
    n, t = a.shape[0], a.type.dtype
    return unpacked(*bind("sytrf", (a,), [(t, (n, n)), (I64, (n,))]))


@program
def unpacked(f: Any, pivots: Any) -> Any:
    """LAPACK's form of the factors, in which column k of L is not exchanged by the pivots after k."""
    n = len(pivots)
    l, d, p = np.eye(n, dtype=f.dtype), np.zeros_like(f), np.arange(n)  # noqa: E741
    k = 0
    while k < n:
        d[k, k] = f[k, k]
        wide = pivots[k] < 0
        last = k
        if wide:
            last = k + 1
            d[last, last], d[last, k], d[k, last] = f[last, last], f[last, k], f[last, k]
        other = abs(pivots[k]) - 1
        p[last], p[other] = p[other], p[last]
        for j in range(k):
            l[last, j], l[other, j] = l[other, j], l[last, j]
        for i in range(last + 1, n):
            l[i, k] = f[i, k]
            if wide:
                l[i, last] = f[i, last]
        k = last + 1
    return l, d, p


def _same_block(d: Any) -> Any:
    """1 on the diagonal of D and beside it where there is a block of two."""
    beside = elementwise(lambda x: table.select(table.eq(x, 0.0), x * 0.0, x * 0.0 + 1.0), diagonal(d, -1), name="block")
    return eye(d.shape[0], dtype=d.dtype) + diag(beside, -1) + diag(beside, 1)


def _ldl_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    (l, d, p), (ta,) = outs, tangents  # noqa: E741
    same, full = _same_block(d), (tril(ta) + tril(ta, -1).T)[p][:, p]
    m = right(left(l, full), l, 1, 1, 1)
    return matmul(l, lu_solve(d, tril(m) * (1.0 - same), 1)), m * same, None


def _ldl_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    (l, d, p), (dl, dd, _) = outs, cotangents  # noqa: E741
    same = _same_block(d)
    inner = lu_solve(d, tril(matmul(l.T, dl)) * (1.0 - same), 1) if dl is not None else None
    m = add_up(inner * (1.0 - same) if inner is not None else None, dd * same if dd is not None else None)
    s = right(left(l, m, 1), l, 0, 1, 1)
    inverse = np.argsort(p)
    full = s[inverse][:, inverse]
    return (lower_only((full + full.T) * 0.5),)


rules("ldl", jvp=_ldl_jvp, vjp=_ldl_vjp, program=_ldl_program)


# ---- Sylvester's equation
def sylvester(a: Any, b: Any, q: Any) -> Any:
    """X of A X + X B = Q."""
    return bind("sylvester", (a, b, q), [(q.type.dtype, tuple(q.shape))])[0]


def _sylvester_program(a: Any, b: Any, q: Any) -> Any:
    t = q.type.dtype
    (r, u), (s, v) = (bind("schur", (x,), [(t, tuple(x.shape))] * 2) for x in (a, b))
    (y,) = bind("trsyl", (r, s, matmul(matmul(u.T, q), v)), [(t, tuple(q.shape))], fails=False, ta=0, tb=0)
    return (matmul(matmul(u, y), v.T),)


def _sylvester_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    (a, b, _), (x,), (ta, tb, tq) = args, outs, tangents
    return (sylvester(a, b, add_up(tq, -matmul(ta, x) if ta is not None else None, -matmul(x, tb) if tb is not None else None)),)


def _sylvester_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    (a, b, _), (x,), (d,) = args, outs, cotangents
    dq = sylvester(a.T, b.T, d)
    return -matmul(dq, x.T) if wanted[0] else None, -matmul(x.T, dq) if wanted[1] else None, dq


rules("sylvester", jvp=_sylvester_jvp, vjp=_sylvester_vjp, program=_sylvester_program)


# ---- square roots
def sqrtm(a: Any) -> Any:
    return bind("sqrtm", (a,), [(a.type.dtype, tuple(a.shape))])[0]


@program
def _sqrtm_program(a: Any) -> Any:
    """Of a symmetric matrix by its eigenvalues; else M = X X^-T.. by iteration: X to A^1/2 as M to 1."""
    n = len(a)
    if np.all(a == a.T):
        w, v = np.linalg.eigh(a)
        floor = -10 * n * np.finfo(a.dtype).eps * np.max(np.abs(w))
        if np.any(w < floor):
            raise errors.LinAlgError("The principal square root of the matrix is not real")
        return ((v * np.sqrt(np.maximum(w, 0.0))) @ v.T,)
    x, m, one = a.copy(), a.copy(), np.eye(n, dtype=a.dtype)
    change, rounds = 1.0, 0
    while change > n * np.finfo(a.dtype).eps and rounds < 50:
        log = np.linalg.slogdet(m)[1]
        scale = np.exp(log * (-0.5 / n)) if change > 1e-2 else 1.0
        inverse = np.linalg.inv(m)
        x = 0.5 * scale * (x + (x @ inverse) / (scale * scale))
        m = 0.5 * (one + 0.5 * (scale * scale * m + inverse / (scale * scale)))
        change = np.max(np.abs(m - one))
        rounds += 1
    if not change <= 1e3 * n * np.finfo(a.dtype).eps:
        raise errors.LinAlgError("The principal square root of the matrix is not real")
    return (x,)


rules(
    "sqrtm",
    jvp=lambda attrs, args, outs, ts: (sylvester(outs[0], outs[0], ts[0]),),
    vjp=lambda attrs, args, outs, cs, wanted: (sylvester(outs[0].T, outs[0].T, cs[0]),),
    program=_sqrtm_program,
)


# ---- banded systems
def banded(a: Any, bt: Any, below: int, above: int) -> Any:
    """X^T of a banded A: row j of `a` is column j of A from its diagonal `above` up to `below` down, behind `below` elements of room."""
    return bind("gbsv", (a, bt), [(bt.type.dtype, tuple(bt.shape))], below=below, above=above)[0]


def _diagonals(a: Any, below: int, above: int) -> list[tuple[int, Any]]:
    """(offset, a[:, c] where it is in the matrix) of each diagonal."""
    return [(above - c, a[:, below + c]) for c in range(below + above + 1)]


def _shifted(x: Any, offset: int) -> Any:
    """x[.., i + offset] for each i, 0 beyond the ends."""
    out = np.zeros_like(x)
    if offset == 0:
        out[...] = x
    elif offset > 0:
        out[..., :-offset] = x[..., offset:]
    else:
        out[..., -offset:] = x[..., :offset]
    return out


def _turned(a: Any, below: int, above: int) -> Any:
    """The same for A^T."""
    out = zeros((a.shape[0], 2 * above + below + 1), a.dtype)
    for offset, d in _diagonals(a, below, above):  # d[j] is A[j - offset, j]
        out[:, above + below + offset] = _shifted(d, offset)
    return out


def _times(a: Any, xt: Any, below: int, above: int) -> Any:
    """(A X)^T"""
    return add_up(*(_shifted(xt * d, offset) for offset, d in _diagonals(a, below, above)))


def _gbsv_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    (a, _), (xt,), (ta, tb), bands = args, outs, tangents, (attrs["below"], attrs["above"])
    return (banded(a, add_up(tb, -_times(ta, xt, *bands) if ta is not None else None), *bands),)


def _gbsv_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    (a, _), (xt,), (d,), below, above = args, outs, cotangents, attrs["below"], attrs["above"]
    dbt = banded(_turned(a, below, above), d, above, below)
    if not wanted[0]:
        return None, dbt
    da = np.zeros_like(a)
    for c in range(below + above + 1):  # element (j - offset, j) of A
        da[:, below + c] = -(_shifted(dbt, c - above) * xt).sum(0)
    return da, dbt


rules("gbsv", jvp=_gbsv_jvp, vjp=_gbsv_vjp)


# ---- real eigenvalues
def eig(a: Any) -> list[Any]:
    n = a.shape[0]
    return bind("eig", (a,), [(a.type.dtype, (n,)), (a.type.dtype, (n, n))])


def _eig_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    """V^-1 dA V has the tangents of the eigenvalues on its diagonal; columns of V keep the length 1."""
    (w, v), (ta,) = outs, tangents
    m = lu_solve(v, matmul(ta, v).T).T
    c = _gaps(w, 1, np.nan) * m
    dv = matmul(v, c)
    return _mixed(w, m), dv - v * expand((v * dv).sum(0), (0,))


def _eig_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    (w, v), (dw, dv) = outs, cotangents
    inner: Any = diag(_split(w, dw)) if dw is not None else None
    if dv is not None:
        across = dv - v * expand((v * dv).sum(0), (0,))
        inner = add_up(inner, _gaps(w, 1, np.nan) * matmul(v.T, across))
    return (lu_solve(v, matmul(v, inner.T), 1).T,)


rules("eig", jvp=_eig_jvp, vjp=_eig_vjp)

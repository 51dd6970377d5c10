"""Triangular and general systems, determinants, Cholesky and QR: the operations, and their derivatives as code on traced arrays.

Formulas: M. B. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation" (2008) for solve and
determinants; I. Murray, "Differentiation of the Cholesky decomposition" (2016); S. F. Walter and L. Lehmann, "Algorithmic differentiation of
linear algebra functions" (2010) for qr.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...core.types import I64
from ...ops import table
from ...ops.library import rules
from ...values.kernels import elementwise_with_index
from ...values.library import bind
from ..creation import identity
from ..products import matmul
from ..shaping import tril, triu

Values = Sequence[Any]


def _half(a: Any) -> Any:
    """The lower triangle with half of the diagonal."""
    return elementwise_with_index(lambda v, i, j: table.select(table.igt(i, j), v, table.select(table.ieq(i, j), v * 0.5, v * 0.0)), a)


def trsm(a: Any, bt: Any, trans: int = 0, unit: int = 0, lower: int = 1) -> Any:
    """X^T for op(A) X = B, from B^T: A n x n triangular, B^T k x n."""
    return bind("trsm", (a, bt), [(a.type.dtype, tuple(bt.shape))], trans=trans, unit=unit, lower=lower)[0]


def _triangle(a: Any, attrs: Any) -> Any:
    if attrs["unit"]:
        return tril(a, -1) if attrs["lower"] else triu(a, 1)
    return tril(a) if attrs["lower"] else triu(a)


def lu_solve(a: Any, bt: Any, trans: int = 0) -> Any:
    """X^T for op(A) X = B, from B^T. The way back takes the factors of the way there."""
    n = a.shape[0]
    factors, pivots = bind("lu_factors", (a,), [(a.type.dtype, tuple(a.shape)), (I64, (n,))])
    return _lu_again(a, factors, pivots, bt, trans)


def _lu_again(a: Any, factors: Any, pivots: Any, bt: Any, trans: int) -> Any:
    return bind("lu_again", (a, factors, pivots, bt), [(a.type.dtype, tuple(bt.shape))], trans=trans)[0]


def _rules_of(name: str, solve: Callable[..., Any], part: Callable[[Any, Any], Any]) -> None:
    """The rules of X = op(A)^-1 B, where the operation reads a `part` of A, and perhaps more that it knows of A; B^T comes last."""

    def again(attrs: Any, args: Values, bt: Any, trans: int) -> Any:
        return solve(*args[:-1], bt, **{k: v for k, v in attrs.items() if k in ("unit", "lower")}, trans=trans)

    def jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
        (xt,), ta, tb = outs, tangents[0], tangents[-1]
        if ta is not None:
            ta = part(ta, attrs)
            product = matmul(xt, ta if attrs["trans"] else ta.T)
            tb = -product if tb is None else tb - product
        return (again(attrs, args, tb, attrs["trans"]),)

    def vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
        (xt,), (d,) = outs, cotangents
        dbt = again(attrs, args, d, 1 - attrs["trans"])
        da = part(-(matmul(xt.T, dbt) if attrs["trans"] else matmul(dbt.T, xt)), attrs) if wanted[0] else None
        return da, *[None] * (len(args) - 2), dbt

    rules(name, jvp=jvp, vjp=vjp)


_rules_of("trsm", trsm, _triangle)
_rules_of("lu_again", _lu_again, lambda a, attrs: a)


def _inverse_transposed(a: Any) -> Any:
    return lu_solve(a, identity(a.shape[0], a.type.dtype))


rules(
    "slogdet",
    jvp=lambda attrs, args, outs, ts: (None, (_inverse_transposed(args[0]) * ts[0]).sum()),
    vjp=lambda attrs, args, outs, cs, wanted: (_inverse_transposed(args[0]) * cs[1],),
)


def cholesky(a: Any) -> Any:
    return bind("cholesky", (a,), [(a.type.dtype, tuple(a.shape))])[0]


def _inner(l: Any, m: Any) -> Any:  # noqa: E741  # the usual name
    """L^-1 M L^-T for a symmetric M."""
    half = trsm(l, m.T).T  # L^-1 M
    return trsm(l, half)  # (L^-1 (L^-1 M)^T)^T


def _cholesky_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    (l,), (ta,) = outs, tangents  # noqa: E741
    symmetric = tril(ta) + tril(ta, -1).T
    return (matmul(l, _half(_inner(l, symmetric))),)


def _cholesky_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    (l,), (d,) = outs, cotangents  # noqa: E741
    p = _half(bind("trmm", (l, tril(d)), [(l.type.dtype, tuple(l.shape))], fails=False)[0])
    # S = L^-T P L^-1; numpy.linalg.cholesky reads the lower triangle alone
    s = trsm(l, trsm(l, p.T, 1).T, 1)
    return (lower_only(s),)


def lower_only(s: Any) -> Any:
    """The cotangent of a symmetric matrix of which only the lower triangle is read."""
    total = s + s.T
    return tril(total) - diagonal_matrix(s)


def diagonal_matrix(s: Any) -> Any:
    return elementwise_with_index(lambda v, i, j: table.select(table.ieq(i, j), v, v * 0.0), s)


rules("cholesky", jvp=_cholesky_jvp, vjp=_cholesky_vjp)


def qr(a: Any) -> Any:
    """Q, R of a matrix with at least as many rows as columns."""
    m, n = a.shape
    t = a.type.dtype
    return bind("qr", (a,), [(t, (m, n)), (t, (n, n))])


def _qr_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    (q, r), (ta,) = outs, tangents
    x = trsm(r, ta, 1, 0, 0)  # dA R^-1
    qtx = matmul(q.T, x)
    lower = tril(qtx, -1)
    omega = lower - lower.T
    return matmul(q, omega - qtx) + x, matmul(qtx - omega, r)


def _qr_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    (q, r), (dq, dr) = outs, cotangents
    m = matmul(r, dr.T) - matmul(dq.T, q)
    sym = tril(m) + tril(m, -1).T
    return (trsm(r, dq + matmul(q, sym), 0, 0, 0),)


rules("qr", jvp=_qr_jvp, vjp=_qr_vjp)

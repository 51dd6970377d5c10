"""Eigenvalues and singular values: the operations, and their derivatives as code on traced arrays.

A derivative divides by gaps between eigenvalues (singular values). What it divides is a difference that cancels with the gap where the
whole function is smooth, so that the quotient has an error of eps / gap, and one of order k an error of eps / gap^k. No rule knows the
function around it: where that error may exceed `tolerance` the derivative is NaN, never a number.

Formulas: M. B. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation" (2008) for eigh;
J. Townsend, "Differentiating the singular value decomposition" (2016); G. H. Golub and V. Pereyra, "The differentiation of pseudo-inverses
and nonlinear least squares problems whose variables separate" (1973).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...ops import table
from ...ops.library import closest, eps, rules, tolerance
from ...values import sizes
from ...values.complexes.pairs import is_complex_array
from ...values.kernels import elementwise, reduce
from ...values.library import bind
from ...values.reshaping import expand
from ...values.values import Arrayed, to_type
from ..axes import conjugate, diagonal
from ..creation import identity
from ..products import add_up, matmul
from ..shaping import diag, tril
from .solving import lower_only

Values = Sequence[Any]


def _greatest(*arrays_: Any) -> Any:
    """The largest magnitude, which has no derivative."""
    out, *rest = (reduce("max", a, None, False, abs) for a in arrays_)
    for x in rest:
        out = _larger(x, out)
    return out


def _larger(x: Any, y: Any) -> Any:
    return table.select(table.gt(x, y), x, y)


def _pairs(fn: Callable[..., Any], w: Any, *more: Any) -> Any:
    """The matrix of fn(w_i, w_j, is i == j, *more); `more` are scalars, or vectors, of which fn gets the elements i and j."""
    given: list[Any] = [expand(w, (1,)), expand(w, (0,)), identity(w.shape[0], w.type.dtype)]
    for x in more:
        given += [expand(x, (1,)), expand(x, (0,))] if isinstance(x, Arrayed) else [x]
    return elementwise(lambda x, y, one, *xs: fn(x, y, table.eq(one, 1.0), *xs), *given, name="pairs")


def _quotient(x: Any, none: Any, instead: float) -> Any:
    """1 / x, or `instead` where there is none."""
    return table.select(none, x * 0.0 + instead, 1.0 / table.select(none, x * 0.0 + 1.0, x))


def _gaps(w: Any, order: int, instead: float, sign: float = -1.0, whole: bool = False) -> Any:
    """F[i, j] = 1 / (w_j - w_i), or 1 / (w_j + w_i): 0 on the diagonal, if not `whole`, and `instead` where the two are equal to working
    precision."""

    def one(x: Any, y: Any, same: Any, cut: Any) -> Any:
        gap = y + x * sign
        found = _quotient(gap, table.le(abs(gap), cut), instead)
        return found if whole else table.select(same, found * 0.0 if instead == 0.0 else x * 0.0, found)

    return _pairs(one, w, _greatest(w) * closest(w.type.dtype, order))


def _reciprocal(s: Any, order: int) -> Any:
    """1 / s, NaN where s is 0 to working precision."""
    return elementwise(lambda x, c: _quotient(x, table.le(x, c), np.nan), s, _greatest(s) * closest(s.type.dtype, order), name="reciprocal")


def _unless(good: Any, x: Any) -> Any:
    """0 where good, else NaN, in x's type."""
    return table.select(good, x * 0.0, x * 0.0 + np.nan)


def _split(w: Any, c: Any) -> Any:
    """Cotangents (or tangents) c of eigenvalues w: NaN where they differ for equal values, because the sum of equal values has a
    derivative and none of them alone does."""
    t = w.type.dtype

    def one(x: Any, y: Any, same: Any, cut: Any, p: Any, q: Any, most: Any) -> Any:
        return table.select(table.le(abs(y - x), cut), _unless(table.le(abs(p - q), most), x), x * 0.0)

    wrong = _pairs(one, w, _greatest(w) * closest(t), c, _greatest(c) * tolerance(t))
    return c + reduce("sum", wrong, 1)


def _mixed(w: Any, m: Any) -> Any:
    """The tangents m_ii of eigenvalues w, NaN where equal values part: where the Hermitian m is no multiple of 1 among them."""
    t, d = w.type.dtype, diagonal(m).real
    one: Any = identity(w.shape[0], t)

    def parts(x: Any, y: Any, p: Any, q: Any, r: Any, other: Any, cut: Any, most: Any) -> Any:
        return table.select(table.le(abs(y - x), cut), _unless(table.le(abs(p - q) + abs(r) * other, most), x), x * 0.0)

    given = expand(w, (1,)), expand(w, (0,)), expand(d, (1,)), expand(d, (0,)), m, 1.0 - one
    wrong = elementwise(parts, *given, _greatest(w) * closest(t), _greatest(m) * (eps(t) * 1000), name="pairs")
    return d + reduce("sum", wrong, 1)


def _trusted(inner: Any, f: Any, largest: Any, order: int, size: Any, total: Any) -> Any:
    """`inner`, NaN where the error of dividing terms of a size by a gap may exceed the tolerance: relative to the derivative, whose
    size is `total`, or to what it would be were the gap as large as the values."""
    t = inner.type.dtype
    total = _larger(total * largest, size) * tolerance(t)

    def one(x: Any, f: Any, w: Any, size: Any, total: Any) -> Any:
        error = size * (4 * eps(t))
        for _ in range(order):
            error = error * (abs(f) * w)
        return x + _unless(table.le(error, total), f)

    return elementwise(one, inner, f, largest, size, total, name="trusted")


def eigh(a: Any, upper: int = 0) -> Any:
    """Of the lower triangle of A, or of the upper one of A^T, which is the same but for the signs of vectors."""
    n = a.shape[0]
    return bind("eigh", (a,), [(a.type.dtype, (n,)), (a.type.dtype, (n, n))], order=1, upper=upper)


def adjoint(a: Any) -> Any:
    """A^H"""
    return conjugate(a).T


def tangents_of_eigh(w: Any, v: Any, ta: Any, order: int) -> tuple[Any, Any]:
    """Along a Hermitian dA."""
    m = matmul(matmul(adjoint(v), ta), v)
    return _mixed(w, m), matmul(v, _gaps(w, order, np.nan) * m)


def cotangent_of_eigh(w: Any, v: Any, dw: Any, dv: Any, order: int) -> Any:
    """Of a Hermitian A, of which every element counts."""
    if dv is None:
        inner = diag(_split(w, dw))
    else:
        k, f = matmul(adjoint(v), dv), _gaps(w, 1, 0.0)
        inner = add_up(f * (k - adjoint(k)) * 0.5, diag(dw) if dw is not None else None)
        inner = _trusted(inner, f, _greatest(w), order, _greatest(k), _greatest(inner)) + _gaps(w, 1, np.nan) * 0.0
    full = matmul(matmul(v, inner), adjoint(v))
    return (full + adjoint(full)) * 0.5


def _eigh_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    (w, v), (ta,) = outs, tangents
    return tangents_of_eigh(w, v, tril(ta) + tril(ta, -1).T, attrs["order"])


def _eigh_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    (w, v), (dw, dv) = outs, cotangents
    return (lower_only(cotangent_of_eigh(w, v, dw, dv, attrs["order"])),)


rules("eigh", jvp=_eigh_jvp, vjp=_eigh_vjp)


def _svd_outs(a: Any) -> list[Any]:
    m, n = a.shape
    k, t = sizes.smaller(m, n), a.type.dtype
    return [(t, (m, k)), (t, (k,)), (t, (k, n))]


def svd(a: Any, fails: bool = True) -> Any:
    """U, s, V^T with min(m, n) columns and rows. One that `fails` stays in the program even if nobody reads it."""
    return bind("svd", (a,), _svd_outs(a), fails, order=1)


def _beside(a: Any, n: Any, k: Any, s: Any, order: int) -> Any:
    """a_j / s_j for columns beside the k singular vectors, of which there are n - k: none of a square matrix."""
    if sizes.same(n, k):
        return None
    none = table.ieq(*sizes._both(n, k))
    return elementwise(lambda x, r, none: x * table.select(none, r * 0.0, r), a, expand(_reciprocal(s, order), (0,)), none, name="beside")


def tangents_of_svd(u: Any, s: Any, vt: Any, ta: Any, order: int) -> tuple[Any, Any, Any]:
    """Of U, s and V. The parts of U^H dA V that are Hermitian and antihermitian divide by differences and by sums of singular values."""
    (m, n), k, v, ut, phases = ta.shape, s.shape[0], adjoint(vt), adjoint(u), is_complex_array(u)
    p = matmul(matmul(ut, ta), v)
    h, a = (p + adjoint(p)) * 0.5, (p - adjoint(p)) * 0.5
    even, odd = _gaps(s, order, np.nan) * h, _gaps(s, order, np.nan, 1.0, phases) * a
    tv, tav = matmul(adjoint(ta), u), matmul(ta, v)
    du = add_up(matmul(u, even + odd), _beside(tav - matmul(u, matmul(ut, tav)), m, k, s, order))
    dv = add_up(matmul(v, even - odd), _beside(tv - matmul(v, matmul(vt, tv)), n, k, s, order))
    return du, _mixed(s, h) + _reciprocal(s, 1) * 0.0, dv


def cotangent_of_svd(shape: Any, u: Any, s: Any, vt: Any, du: Any, ds: Any, dv: Any, order: int) -> Any:
    """From those of U, s and V."""
    if du is None and dv is None:
        return matmul(matmul(u, diag(_of_zero(s, _split(s, ds)))), vt)
    (m, n), k, v, phases = shape, s.shape[0], adjoint(vt), is_complex_array(u)
    none = np.zeros_like(matmul(vt, v))
    ku, kv = none if du is None else matmul(adjoint(u), du), none if dv is None else matmul(vt, dv)
    nu, nv = ku - adjoint(ku), kv - adjoint(kv)
    f, g = _gaps(s, 1, 0.0), _gaps(s, 1, 0.0, 1.0, phases)
    inner = add_up(f * (nu + nv) * 0.5 + g * (nu - nv) * 0.5, diag(ds) if ds is not None else None)
    left = _beside(du - matmul(u, ku), m, k, s, 1) if du is not None else None
    right = _beside(dv - matmul(v, kv), n, k, s, 1) if dv is not None else None
    size, total, largest = _greatest(ku, kv), _greatest(*(x for x in (inner, left, right) if x is not None)), _greatest(s)
    inner = _trusted(_trusted(inner, f, largest, order, size, total), g, largest, order, size, total)
    inner = inner + _gaps(s, 1, np.nan) * 0.0 + _gaps(s, 1, np.nan, 1.0, phases) * 0.0
    parts = [
        matmul(matmul(u, inner), vt),
        matmul(left, vt) if left is not None else None,
        matmul(u, adjoint(right)) if right is not None else None,
    ]
    return add_up(*parts)


def _svd_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    u, s, vt = outs
    du, ds, dv = tangents_of_svd(u, s, vt, tangents[0], attrs["order"])
    return du, ds, dv.T


def _svd_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    (u, s, vt), (du, ds, dvt) = outs, cotangents
    return (cotangent_of_svd(args[0].shape, u, s, vt, du, ds, dvt.T if dvt is not None else None, attrs["order"]),)


def _of_zero(s: Any, c: Any) -> Any:
    """Cotangents of singular values: NaN where one that is 0 has one, because s is then no smoother than a norm at 0."""
    t = s.type.dtype

    def one(x: Any, c: Any, cut: Any, most: Any) -> Any:
        return c + table.select(table.le(x, cut), _unless(table.le(abs(c), most), x), x * 0.0)

    return elementwise(one, s, c, _greatest(s) * closest(t), _greatest(c) * tolerance(t), name="of_zero")


rules("svd", jvp=_svd_jvp, vjp=_svd_vjp)


# ---- functions of the singular value decomposition that divide by no gap


def pinv(a: Any, rcond: float) -> Any:
    """U, s, V^T and the pseudo-inverse, of the singular values above rcond times the largest (rcond < 0: max(m, n) eps)."""
    m, n = a.shape
    return bind("pinv", (a,), [*_svd_outs(a), (a.type.dtype, (n, m))], rcond=rcond, order=1)


def cut(a: Any, s: Any, rcond: float) -> Any:
    m, n = sizes.lifted(*a.shape)
    t = a.type.dtype
    return _greatest(s) * (to_type(table.select(table.igt(m, n), m, n), t) * eps(t) if rcond < 0 else rcond)


def _pinv_program(a: Any, rcond: float, order: int) -> Any:
    u, s, vt = svd(a)
    d = elementwise(lambda x, c: _quotient(x, table.le(x, c), 0.0), s, cut(a, s, rcond), name="reciprocal")
    return u, s, vt, matmul(vt.T, expand(d, (1,)) * u.T)


def _pinv_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    """Golub and Pereyra's, for a matrix that keeps its rank."""
    (a,), (*parts, p), (ta,) = args, outs, tangents
    tt, pt = ta.T, p.T
    left, right = matmul(matmul(p, pt), tt), matmul(tt, matmul(pt, p))
    total = left - matmul(matmul(left, a), p) + right - matmul(p, matmul(a, right)) - matmul(matmul(p, ta), p)
    return *_svd_jvp(attrs, args, parts, tangents), total


def _pinv_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    (a,), (*parts, p), (*of_parts, d) = args, outs, cotangents
    total = _svd_vjp(attrs, args, parts, of_parts, wanted)[0] if any(c is not None for c in of_parts) else None
    if d is not None:
        dt, pt = d.T, p.T
        left, right = matmul(dt, matmul(p, pt)), matmul(matmul(pt, p), dt)
        total = add_up(total, left - matmul(a, matmul(p, left)), right - matmul(matmul(right, p), a), -matmul(matmul(pt, d), pt))
    return (total,)


rules("pinv", jvp=_pinv_jvp, vjp=_pinv_vjp, program=_pinv_program)


def nuclear(a: Any) -> Any:
    """The sum of the singular values and its gradient, the polar factor U V^T: NaN without full rank."""
    return bind("nuclear", (a,), [(a.type.dtype, ()), (a.type.dtype, tuple(a.shape))])


def _nuclear_program(a: Any) -> Any:
    u, s, vt = svd(a)
    return s.sum(), matmul(u + expand(_reciprocal(s, 1) * 0.0, (0,)), vt)


def _polar(a: Any, d: Any) -> Any:
    """The derivative of U V^T along d, a self-adjoint map: sums of singular values stand below, and no gaps."""
    u, s, vt = svd(a, False)
    (m, n), k = a.shape, s.shape[0]
    v, ut = vt.T, u.T
    p, dv, du = matmul(matmul(ut, d), v), matmul(d, v), matmul(d.T, u)
    left = _beside(dv - matmul(u, matmul(ut, dv)), m, k, s, 1)
    right = _beside(du - matmul(v, matmul(vt, du)), n, k, s, 1)
    inner = matmul(u, _gaps(s, 1, np.nan, 1.0) * (p - p.T))
    return add_up(matmul(add_up(inner, left), vt), matmul(u, right.T) if right is not None else None)


def _nuclear_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    return (outs[1] * tangents[0]).sum(), _polar(args[0], tangents[0])


def _nuclear_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    d, dq = cotangents
    return (add_up(outs[1] * d if d is not None else None, _polar(args[0], dq) if dq is not None else None),)


rules("nuclear", jvp=_nuclear_jvp, vjp=_nuclear_vjp, program=_nuclear_program)

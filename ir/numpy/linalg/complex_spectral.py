"""Eigenvalues, singular values and QR of complex matrices: the operations, and their derivatives as code on traced arrays.

A vector may be turned by a phase; LAPACK chooses one, and a derivative is that of what it gives. One number of each vector is real: of eigh's
the first, or the last if the upper triangle is read; of svd's the first of V, or of U if there are more columns than rows; of eig's, whose length
is 1, the largest; of qr, the diagonal of R. Where this number is 0, and the phase is not for nothing, there is no derivative, and it is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core.types import I64, PARTS
from ...ops import (
    lapack,  # noqa: F401  # the rows
    table,
)
from ...ops.library import closest, eps, rules
from ...values import sizes
from ...values.complexes.pairs import ComplexArray, is_complex_array
from ...values.kernels import elementwise, from_index
from ...values.library import bind
from ...values.reshaping import expand
from ...values.views import part
from ..axes import diagonal
from ..creation import identity
from ..products import add_up, matmul
from ..reductions import argmax, sum_
from ..shaping import concatenate, diag, tril
from .complex_matrices import as_real
from .solving import lower_only, lu_solve
from .spectral import _greatest, _unless, adjoint, cotangent_of_eigh, cotangent_of_svd, tangents_of_eigh, tangents_of_svd

Values = Sequence[Any]


def _bound(name: str, a: Any, outs: Sequence[Any], **attrs: Any) -> list[Any]:
    """The operation of a complex matrix, and its results: `outs` are (is it complex?, sizes)."""
    t = PARTS[a.type.dtype]
    found = iter(bind(name, (part(a, 0), part(a, 1)), [(t, shape) for whole, shape in outs for _ in range(1 + whole)], **attrs))
    return [ComplexArray(next(found), next(found)) if whole else next(found) for whole, _ in outs]


def _joined(parts: Sequence[Any], like: Any) -> Any:
    """Two tangents (cotangents) as one of a complex array, None if there is none."""
    if all(p is None for p in parts):
        return None
    return ComplexArray(*(np.zeros_like(like) if p is None else p for p in parts))


def _parts(*xs: Any) -> tuple[Any, ...]:
    return tuple(p for x in xs for p in ((part(x, 0), part(x, 1)) if is_complex_array(x) else (x,)))


def _solved(a: Any, b: Any) -> Any:
    """A^-1 B"""
    both = lu_solve(as_real(a), concatenate([part(b, 0), part(b, 1)], 0).T).T
    n = a.shape[0]
    return ComplexArray(both[:n], both[n:])


# ---- phases
def _rate(y: Any, x: Any, most: Any, order: int) -> Any:
    """y / x, of phases: NaN where x is 0 to working precision, and y is more than its error."""
    cut = closest(x.type.dtype, order)

    def one(y: Any, x: Any, most: Any) -> Any:
        none = table.le(abs(x), cut)
        return table.select(none, _unless(table.le(abs(y), most), x), y / table.select(none, x * 0.0 + 1.0, x))

    return elementwise(one, y, x, most * (1000 * eps(x.type.dtype)), name="phase")


def _turning(dv: Any, v: Any, mask: Any, order: int) -> Any:
    """The rates of phases that keep the elements of a mask real."""
    return -_rate(sum_(dv.imag * mask, 0), sum_(v.real * mask, 0), _greatest(dv), order)


def _unturned(g: Any, v: Any, mask: Any, rates: Any, order: int) -> Any:
    """The cotangent of V before it is turned, from that after it: `rates` are those of the whole function by phases."""
    return g - 1j * (mask * _rate(rates, sum_(v.real * mask, 0), _greatest(g), order))


def _by_phase(g: Any, v: Any) -> Any:
    """The derivative of a function by the phases of V's columns."""
    return sum_(g.imag * v.real - g.real * v.imag, 0)


def _row(v: Any, last: bool) -> Any:
    """A mask: the first row, or the last one."""
    return expand(identity(v.shape[0], PARTS[v.type.dtype])[-1 if last else 0], (1,))


# ---- Hermitian matrices
def eigh(a: Any, upper: int = 0) -> list[Any]:
    """Of the lower triangle of A, or of the upper one of A^H, which is the same but for phases."""
    n = a.shape[0]
    return _bound("eigh_z", a, [(False, (n,)), (True, (n, n))], order=1, upper=upper)


def _eigh_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    (w, *v_parts), order = outs, attrs["order"]
    v, t = ComplexArray(*v_parts), _joined(tangents, args[0])
    x, y = tril(t.real), tril(t.imag, -1)
    dw, dv = tangents_of_eigh(w, v, ComplexArray(x + tril(x, -1).T, y - y.T), order)
    return dw, *_parts(dv + v * (1j * _turning(dv, v, _row(v, attrs["upper"]), order)))


def _eigh_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    (w, *v_parts), (dw, *d_parts), order = outs, cotangents, attrs["order"]
    v, dv = ComplexArray(*v_parts), _joined(d_parts, args[0])
    if dv is not None:
        dv = _unturned(dv, v, _row(v, attrs["upper"]), _by_phase(dv, v), order)
    x, y = _parts(cotangent_of_eigh(w, v, dw, dv, order))
    return lower_only(x), tril(y * 2.0, -1)


rules("eigh_z", jvp=_eigh_jvp, vjp=_eigh_vjp)


# ---- singular values
def svd(a: Any, wide: bool) -> list[Any]:
    """U, s, V^H; `wide` if there are more columns than rows."""
    (m, n), k = a.shape, sizes.smaller(*a.shape)
    return _bound("svd_z", a, [(True, (m, k)), (False, (k,)), (True, (k, n))], order=1, wide=int(wide))


def _svd_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    u, s, vt, order = ComplexArray(*outs[:2]), outs[2], ComplexArray(*outs[3:]), attrs["order"]
    du, ds, dv = tangents_of_svd(u, s, vt, _joined(tangents, args[0]), order)
    v = adjoint(vt)
    real, d = (u, du) if attrs["wide"] else (v, dv)
    phase = 1j * _turning(d, real, _row(real, False), order)
    return *_parts(du + u * phase), ds, *_parts(adjoint(dv + v * phase))


def _svd_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    u, s, vt, order = ComplexArray(*outs[:2]), outs[2], ComplexArray(*outs[3:]), attrs["order"]
    du, ds, dvt = _joined(cotangents[:2], outs[0]), cotangents[2], _joined(cotangents[3:], outs[3])
    v, dv = adjoint(vt), None if dvt is None else adjoint(dvt)
    if du is not None or dv is not None:
        rates = add_up(*(_by_phase(d, x) for d, x in ((du, u), (dv, v)) if d is not None))
        if attrs["wide"]:
            du = _unturned(np.zeros_like(u) if du is None else du, u, _row(u, False), rates, order)
        else:
            dv = _unturned(np.zeros_like(v) if dv is None else dv, v, _row(v, False), rates, order)
    return _parts(cotangent_of_svd(args[0].shape, u, s, vt, du, ds, dv, order))


rules("svd_z", jvp=_svd_jvp, vjp=_svd_vjp)


# ---- QR
def qr(a: Any) -> list[Any]:
    """Q, R of a matrix with at least as many rows as columns."""
    m, n = a.shape
    return _bound("qr_z", a, [(True, (m, n)), (True, (n, n))])


def _over(x: Any, r: Any) -> Any:
    """X R^-1"""
    return _solved(r.T, x.T).T


def _qr_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    q, r = ComplexArray(*outs[:2]), ComplexArray(*outs[2:])
    x = _over(_joined(tangents, args[0]), r)
    m = matmul(adjoint(q), x)
    lower = tril(m, -1)
    omega = lower - adjoint(lower) + diag(1j * diagonal(m).imag)
    return *_parts(matmul(q, omega - m) + x), *_parts(matmul(m - omega, r))


def _qr_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    q, r = ComplexArray(*outs[:2]), ComplexArray(*outs[2:])
    dq, dr = _joined(cotangents[:2], outs[0]), _joined(cotangents[2:], outs[2])
    m = add_up(matmul(r, adjoint(dr)) if dr is not None else None, -matmul(adjoint(dq), q) if dq is not None else None)
    lower = tril(m, -1)
    inner = matmul(q, lower + adjoint(lower) + diag(diagonal(m).real))
    return _parts(_over(inner if dq is None else dq + inner, adjoint(r)))


rules("qr_z", jvp=_qr_jvp, vjp=_qr_vjp)


# ---- eigenvalues of any matrix
def eig(a: Any) -> list[Any]:
    n = a.shape[0]
    return _bound("eig_z", a, [(True, (n,)), (True, (n, n))], order=1)


def _quotients(w: Any, order: int) -> Any:
    """F[i, j] = 1 / (w_j - w_i): 0 on the diagonal, NaN where the two are equal to working precision."""
    one: Any = identity(w.shape[0], part(w, 0).dtype)
    rows: Any = expand(w, (1,))
    gaps = expand(w, (0,)) - rows + one
    squares = gaps.real * gaps.real + gaps.imag * gaps.imag
    cut = _greatest(w) * closest(part(w, 0).type.dtype, order)

    def over(x: Any, square: Any, one: Any, cut: Any) -> Any:
        good = table.gt(square, cut * cut)
        return table.select(table.eq(one, 1.0), x * 0.0, x / table.select(good, square, square * 0.0 + 1.0) + _unless(good, x))

    x, y = (elementwise(over, p, squares, one, cut, name="quotient") for p in (gaps.real, gaps.imag))
    return ComplexArray(x, -y)


def _largest(v: Any) -> Any:
    """A mask of the numbers that are real: the largest of each column."""
    n, real = v.shape[0], np.equal(v.imag, 0.0) * (v.real * v.real)
    rows = from_index(lambda i, j: i, (n, n), "rows", I64)
    return np.equal(rows, expand(argmax(real, 0), (0,))) * np.ones_like(real)


def _eig_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    w, v, order = ComplexArray(*outs[:2]), ComplexArray(*outs[2:]), attrs["order"]
    m = _solved(v, matmul(_joined(tangents, args[0]), v))
    dv = matmul(v, _quotients(w, order) * m)
    dv = dv - v * sum_(v.real * dv.real + v.imag * dv.imag, 0)
    return *_parts(diagonal(m)), *_parts(dv + v * (1j * _turning(dv, v, _largest(v), order)))


def _eig_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    w, v, order = ComplexArray(*outs[:2]), ComplexArray(*outs[2:]), attrs["order"]
    dw, dv = _joined(cotangents[:2], outs[0]), _joined(cotangents[2:], outs[2])
    inner = diag(dw) if dw is not None else None
    if dv is not None:
        free = _unturned(dv, v, _largest(v), _by_phase(dv, v), order)
        free = free - v * sum_(v.real * free.real + v.imag * free.imag, 0)
        inner = add_up(inner, np.conjugate(_quotients(w, order)) * matmul(adjoint(v), free))
    return _parts(_solved(adjoint(v), matmul(inner, adjoint(v))))


rules("eig_z", jvp=_eig_jvp, vjp=_eig_vjp)

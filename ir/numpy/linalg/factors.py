"""Factors of matrices, and what is solved by them, beyond functions.py: LU, LDL^T, whole QR and SVD, ranks, real eigenvalues."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...core.sites import unsupported, user_site
from ...core.types import I32, I64
from ...values import sizes
from ...values.library import bind
from ...values.reshaping import expand
from ...values.values import Arrayed
from ...values.views import as_array, contiguous, shape_of
from ..common import astype, fixed, float_array, program
from ..creation import eye
from ..products import matmul
from ..reductions import sum_
from ..registry import implements
from ..shaping import concatenate, tril, triu
from . import complex_spectral, rules, solving, spectral
from .complex_matrices import are_complex
from .functions import batched, inv, norm, svdvals
from .spectral import adjoint


def matrix(a: Any, name: str) -> Any:
    a = float_array(a)
    if not isinstance(a, Arrayed) or a.ndim != 2:
        raise ValueError(f"{name}: expected a matrix ({user_site()})")
    return contiguous(a)


def square(a: Any, name: str) -> Any:
    a = matrix(a, name)
    m, n = shape_of(a)
    sizes.require_equal(m, n, f"{name}: expected a square matrix", "square")
    return a


# ---- LU
def _unpacked(f: Any, k: Any) -> tuple[Any, Any]:
    low = tril(f[:, :k], -1) + eye(f.shape[0], k, dtype=f.dtype)
    return low, triu(f[:k])


@implements("scipy.linalg.lu")
def lu(a: Any, permute_l: bool = False, p_indices: bool = False) -> Any:
    a = float_array(a)

    def one(a: Any) -> Any:
        f, swaps, _, inverse = rules.lu(contiguous(a))
        low, up = _unpacked(f, shape_of(swaps)[0])
        return (low[inverse], up) if permute_l else (eye(f.shape[0], dtype=f.dtype)[inverse], low, up)

    if p_indices and not permute_l:
        f, swaps, _, inverse = rules.lu(matrix(a, "lu"))
        return astype(inverse, I32), *_unpacked(f, shape_of(swaps)[0])
    k = sizes.smaller(*shape_of(a)[-2:])
    return batched("lu", one, lambda a: ([] if permute_l else [(a[0], a[0])]) + [(a[0], k), (k, a[1])])(a)


@implements("scipy.linalg.lu_factor")
def lu_factor(a: Any) -> Any:
    f, swaps, *_ = rules.lu(matrix(a, "lu_factor"))
    return f, astype(swaps, I32)


@implements("scipy.linalg.lu_solve")
def lu_solve(lu_and_piv: Any, b: Any, trans: int = 0) -> Any:
    f, swaps = lu_and_piv
    f, b = square(f, "lu_solve"), float_array(b)
    sizes.require_equal(shape_of(f)[0], shape_of(b)[0], "Shapes of lu and b are incompatible")
    p = _exchanged(astype(as_array(swaps), I64))
    columns = b if b.ndim == 2 else expand(b, (1,))
    if trans:
        x = rules.left(f, rules.left(f, columns, 1, 0, 0), 1, 1, 1)[np.argsort(p)]
    else:
        x = rules.left(f, rules.left(f, columns[p], 0, 1, 1), 0, 0, 0)
    return x if b.ndim == 2 else x[:, 0]


@program
def _exchanged(swaps: Any) -> Any:
    p = np.arange(len(swaps))
    for i in range(len(swaps)):
        p[i], p[swaps[i]] = p[swaps[i]], p[i]
    return p


# ---- LDL^T
@implements("scipy.linalg.ldl")
def ldl(A: Any, lower: bool = True, hermitian: bool = True) -> Any:
    a = square(A, "ldl")
    if not lower:
        unsupported("scipy.linalg.ldl with lower=False", "give the transpose, with lower=True")
    low, d, p = rules.ldl(a)
    return low[np.argsort(p)], d, p


# ---- QR
def _one_qr(a: Any, qr: Any = solving.qr) -> Any:
    """Of a matrix with more columns than rows the first ones have the factor Q."""
    m, n = shape_of(a)
    k = sizes.smaller(m, n)
    if sizes.same(k, n):
        return tuple(qr(contiguous(a)))
    q, r = qr(contiguous(a[:, :k]))
    return q, concatenate([r, matmul(adjoint(q), a[:, k:])], 1)


_reduced_qr = batched("qr", _one_qr, lambda a: [(a[0], k := sizes.smaller(*a)), (k, a[1])])


_reduced_complex_qr = batched(
    "qr of complex matrices", functools.partial(_one_qr, qr=complex_spectral.qr), lambda a: [(a[0], k := sizes.smaller(*a)), (k, a[1])]
)


def _complete_qr(a: Any) -> Any:
    """Q with all its columns. Those beside the range of A come from the same reflections, and have their derivatives."""
    m, n = shape_of(float_array(a))[-2:]
    if sizes.same(sizes.smaller(m, n), m):
        return _reduced_qr(a)
    return batched("qr", lambda a: reflected(contiguous(a)), lambda a: [(a[0], a[0]), a])(a)


def _factors(a: Any, complete: bool) -> Any:
    if not are_complex(a):
        return _complete_qr(a) if complete else _reduced_qr(a)
    m, n = map(sizes.needed, shape_of(as_array(a))[-2:])
    if complete and (m is None or n is None or m > n):
        unsupported("a complete QR of complex matrices", "write mode='reduced' for numpy, mode='economic' for scipy")
    return _reduced_complex_qr(a)


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    if mode not in ("reduced", "complete", "r"):
        unsupported(f"np.linalg.qr with mode={mode!r}", "use mode='reduced'")
    q, r = _factors(a, mode == "complete")
    return r if mode == "r" else np.linalg._linalg.QRResult(q, r)


@implements("scipy.linalg.qr")
def scipy_qr(a: Any, mode: str = "full", pivoting: bool = False) -> Any:
    if pivoting or mode not in ("full", "economic", "r"):
        what = "pivoting=True" if pivoting else f"mode={mode!r}"
        unsupported(f"scipy.linalg.qr with {what}", "leave it out, or write mode='economic'")
    q, r = _factors(a, mode != "economic")
    return (r,) if mode == "r" else (q, r)


@program
def reflected(a: Any) -> Any:
    """Householder's reflections with LAPACK's signs (G. H. Golub, C. F. Van Loan, "Matrix Computations" (2013), 5.2)."""
    m, n = a.shape
    r, q = a.copy(), np.eye(m, dtype=a.dtype)
    for k in range(min(m - 1, n)):
        x = r[k:, k]
        rest = np.sum(x[1:] * x[1:])
        if rest > 0:
            size = np.sqrt(x[0] * x[0] + rest)
            beta = -size if x[0] >= 0 else size
            v = x / (x[0] - beta)
            v[0] = 1.0
            tau = (beta - x[0]) / beta
            r[k:] = r[k:] - np.outer(tau * v, v @ r[k:])
            q[:, k:] = q[:, k:] - np.outer(q[:, k:] @ v, tau * v)
    return q, np.triu(r)


# ---- SVD
_svd = batched("svd", lambda a: spectral.svd(contiguous(a)), lambda a: [(a[0], k := sizes.smaller(*a)), (k,), (k, a[1])])


def _complete_svd(a: Any) -> Any:
    """U and V^T with all their columns and rows. The further ones are any basis: a result may depend on what they span."""
    shape = shape_of(float_array(a))[-2:]
    m, n = map(sizes.needed, shape)
    if sizes.same(*shape) or m == n is not None:
        return _svd(a)
    if m is None or n is None:
        unsupported("np.linalg.svd with full_matrices=True of a matrix of unknown sizes", "write full_matrices=False")

    def one(a: Any) -> Any:
        a = contiguous(a)
        u, s, vt = spectral.svd(a)
        if m < n:
            return u, s, concatenate([vt, beside(vt.T, a, True).T], 0)
        return concatenate([u, beside(u, a)], 1), s, vt

    return batched("svd", one, lambda a: [(a[0], a[0]), (sizes.smaller(*a),), (a[1], a[1])])(a)


def _wide(a: Any) -> bool:
    """Are there more columns than rows? LAPACK's phases depend on it."""
    m, n = (sizes.needed(x) for x in shape_of(as_array(a))[-2:])
    if m is None or n is None:
        unsupported("an SVD of complex matrices of unknown sizes", "take a matrix whose sizes do not depend on values")
    return bool(m < n)


_complex_svd = {
    wide: batched("svd of complex matrices", functools.partial(complex_spectral.svd, wide=wide), lambda a: [(a[0], k := sizes.smaller(*a)), (k,), (k, a[1])], real=(1,))
    for wide in (False, True)
}  # fmt: skip


@implements(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    if hermitian:
        unsupported("np.linalg.svd with hermitian=True", "use np.linalg.eigh")
    if not compute_uv:
        return svdvals(a)
    if are_complex(a):
        m, n = map(sizes.needed, shape_of(as_array(a))[-2:])
        if full_matrices and m != n:
            unsupported("an SVD of complex matrices with full_matrices=True", "write full_matrices=False")
        return np.linalg._linalg.SVDResult(*_complex_svd[_wide(a)](a))
    return np.linalg._linalg.SVDResult(*(_complete_svd if full_matrices else _svd)(a))


@implements("scipy.linalg.svd")
def scipy_svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    found = svd(a, full_matrices, compute_uv)
    return tuple(found) if compute_uv else found


def beside(u: Any, a: Any, wide: bool = False) -> Any:
    """Orthonormal columns beside U (of a wide matrix beside V) that move as little as they can: the polar factor of what is left of those
    found, without U, whose derivatives are right to the third order."""
    t = a.type.dtype
    (n,) = bind(
        "svd_beside", (fixed(a),), [(t, (a.shape[1 if wide else 0], sizes.sub(*(reversed(a.shape) if wide else a.shape))))], wide=int(wide)
    )
    rest = n - matmul(u, matmul(u.T, n))
    one: Any = eye(rest.shape[1], dtype=a.dtype)
    return matmul(rest, 1.5 * one - 0.5 * matmul(rest.T, rest))


# ---- numbers of a matrix
@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    x = float_array(x)
    if p in (None, 2, -2):
        s = svdvals(x)
        return s[..., 0] / s[..., -1] if p != -2 else s[..., -1] / s[..., 0]
    return norm(x, p, (-2, -1)) * norm(inv(x), p, (-2, -1))


@implements(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    a = float_array(A)
    if not isinstance(a, Arrayed) or a.ndim < 2:
        return np.any(np.not_equal(a, 0)) * 1
    s = svdvals(a)
    if tol is None:
        m, n = shape_of(a)[-2:]
        part = np.maximum(m, n) * float(np.finfo(a.dtype).eps) if rtol is None else rtol
        tol = np.max(s, -1, keepdims=True) * part
    else:
        tol = as_array(tol)
        tol = expand(tol, (tol.ndim,)) if isinstance(tol, Arrayed) else tol
    return sum_(np.greater(s, tol), -1)


# ---- eigenvalues of any matrix
_eig = batched("eig", lambda a: rules.eig(contiguous(a)), lambda a: [a[:1], a], square=True)
_complex_eig = batched("eig of complex matrices", complex_spectral.eig, lambda a: [a[:1], a], square=True)
_eigvals = batched("eigvals", lambda a: rules.eig(contiguous(a))[0], lambda a: [a[:1]], square=True)
_complex_eigvals = batched("eigvals of complex matrices", lambda a: complex_spectral.eig(a)[0], lambda a: [a[:1]], square=True)


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    return np.linalg._linalg.EigResult(*(_complex_eig if are_complex(a) else _eig)(a))


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    return (_complex_eigvals if are_complex(a) else _eigvals)(a)


# ---- tensors
@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    a = as_array(a)
    if ind <= 0:
        raise ValueError(f"Invalid ind argument. ({user_site()})")
    old = tuple(shape_of(a))
    return np.reshape(inv(np.reshape(a, (sizes.product(old[:ind]), sizes.product(old[ind:])))), (*old[ind:], *old[:ind]))


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    a, b = as_array(a), as_array(b)
    if axes is not None:
        moved = [q % a.ndim for q in axes]
        a = np.transpose(a, [q for q in range(a.ndim) if q not in moved] + moved)
    rest = tuple(shape_of(a))[b.ndim :]
    n = sizes.product(rest)
    return np.reshape(np.linalg.solve(np.reshape(a, (n, n)), np.ravel(b)), rest)

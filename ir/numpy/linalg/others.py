"""The rest of numpy.linalg and scipy.linalg that is a line or two of what is there."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.sites import unsupported, user_site
from ...values import sizes
from ...values.views import as_array, shape_of
from ..axes import conjugate, diagonal, moveaxis, swapaxes
from ..common import float_array
from ..products import cross, matmul, tensordot
from ..products import trace as trace_of
from ..reductions import sum_
from ..registry import implements
from ..shaping import tril, triu
from . import functions
from .factors import matrix, svd
from .functions import lstsq, norm, pinv, solve

implements(np.linalg.outer)(lambda x1, x2: np.multiply.outer(as_array(x1), as_array(x2)))
implements(np.linalg.matmul)(lambda x1, x2: matmul(x1, x2))
implements(np.linalg.matrix_transpose)(lambda x: swapaxes(x, -1, -2))
implements(np.linalg.tensordot)(lambda a, b, *, axes=2: tensordot(a, b, axes))
implements(np.linalg.diagonal)(lambda x, *, offset=0: diagonal(x, offset, -2, -1))
implements(np.linalg.trace)(lambda x, *, offset=0, dtype=None: trace_of(x, offset, -2, -1, dtype))


@implements(np.linalg.cross)
def cross_of(x1: Any, x2: Any, *, axis: int = -1) -> Any:
    for x in (x1, x2):
        sizes.require_equal(
            shape_of(as_array(x))[axis], 3, "Both input arrays must be (arrays of) 3-dimensional vectors, but they are not this size"
        )
    return cross(x1, x2, axis=axis)


@implements(np.linalg.vecdot)
def vecdot(x1: Any, x2: Any, *, axis: int = -1) -> Any:
    return sum_(conjugate(moveaxis(x1, axis, -1)) * moveaxis(x2, axis, -1), -1)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return norm(x, ord, (-2, -1), keepdims)


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    x = as_array(x)
    if axis is None or isinstance(axis, tuple):
        axes = list(range(x.ndim)) if axis is None else [q % x.ndim for q in axis]
        kept = [q for q in range(x.ndim) if q not in axes]
        shape = shape_of(x)
        flat = np.transpose(x, [*axes, *kept]).reshape(-1, *(shape[q] for q in kept))
        found = norm(flat, ord, 0)
        return np.reshape(found, [1 if q in axes else n for q, n in enumerate(shape)]) if keepdims else found
    return norm(x, ord, axis, keepdims)


# ---- scipy.linalg
SYMMETRIC, TRIANGULAR = {"sym", "symmetric", "her", "hermitian"}, {"lower triangular": True, "upper triangular": False}
GENERAL = {None, "gen", "general", "diagonal", "tridiagonal", "banded"}
POSITIVE = {"pos", "positive definite"}


@implements("scipy.linalg.solve")
def scipy_solve(a: Any, b: Any, lower: bool = False, assume_a: Any = None, transposed: bool = False) -> Any:
    """Of a matrix that is said to be symmetric one triangle is read."""
    a = float_array(a)
    if assume_a in SYMMETRIC | POSITIVE:
        a = tril(a) + swapaxes(tril(a, -1), -1, -2) if lower else triu(a) + swapaxes(triu(a, 1), -1, -2)
    elif assume_a in TRIANGULAR:
        return functions.solve_triangular(a, b, int(transposed), TRIANGULAR[assume_a])
    elif assume_a not in GENERAL:
        raise ValueError(f"{assume_a} is not a recognized matrix structure ({user_site()})")
    if assume_a in POSITIVE:
        return functions.cho_solve((functions.cholesky(a), True), b)
    return solve(swapaxes(a, -1, -2) if transposed else a, b)


@implements("scipy.linalg.lstsq")
def scipy_lstsq(a: Any, b: Any, cond: Any = None) -> Any:
    """(x, residuals, rank, singular values)"""
    return lstsq(a, b, float(np.finfo(float).eps) if cond is None else cond)


@implements("scipy.linalg.pinv")
def scipy_pinv(a: Any, *, atol: Any = None, rtol: Any = None, return_rank: bool = False) -> Any:
    if return_rank or atol is not None:
        unsupported("scipy.linalg.pinv with return_rank or atol", "give rtol=, and use np.linalg.matrix_rank")
    a = float_array(a)
    m, n = map(sizes.needed, shape_of(a)[-2:])
    if rtol is None:
        if m is None or n is None:
            unsupported("scipy.linalg.pinv of a matrix of unknown sizes", "give rtol=")
        rtol = max(m, n) * float(np.finfo(a.dtype).eps)
    return pinv(a, rtol)


@implements("scipy.linalg.eigvalsh")
def eigvalsh(a: Any, *, lower: bool = True) -> Any:
    return functions.eigvalsh(a, "L" if lower else "U")


@implements("scipy.linalg.polar")
def polar(a: Any, side: str = "right") -> Any:
    a = matrix(a, "polar")
    u, s, vt = svd(a, full_matrices=False)
    if side not in ("left", "right"):
        raise ValueError(f"`side` must be either 'right' or 'left' ({user_site()})")
    p = matmul(vt.T * s, vt) if side == "right" else matmul(u * s, u.T)
    return matmul(u, vt), p


@implements("scipy.linalg.orthogonal_procrustes")
def orthogonal_procrustes(A: Any, B: Any) -> Any:
    u, s, vt = svd(matmul(matrix(B, "orthogonal_procrustes").T, matrix(A, "orthogonal_procrustes")).T)
    return matmul(u, vt), sum_(s)


@implements("scipy.linalg.khatri_rao")
def khatri_rao(a: Any, b: Any) -> Any:
    a, b = as_array(a), as_array(b)
    (m, k), n = shape_of(a), shape_of(b)[0]
    return (a[:, None, :] * b[None, :, :]).reshape(sizes.mul(m, n), k)

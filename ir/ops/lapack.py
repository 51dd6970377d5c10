"""More of LAPACK: factorisations by row exchanges, Schur forms, and what is solved by them. One row each, as in library.py.

lu(A)                    packed factors of a matrix of any shape, LAPACK's row exchanges, and A[p] = L U as p and its inverse
sytrf(A)                 packed Bunch-Kaufman factors of the lower triangle, and LAPACK's pivots
ldl(A)                   L, D, p of A[p][:, p] = L D L^T, from sytrf
schur(A)                 T, Z of A = Z T Z^T, T upper triangular but for blocks of two on its diagonal
trsyl(R, S, Q) {ta, tb}       X of op(R) X + X op(S) = Q, for such triangles
sylvester(A, B, Q)       the same of any matrices, by the three of them
gbsv(A, B) {below, above}     X^T for a banded A in LAPACK's storage, row by row its columns, and B^T
sqrtm(A)                 the principal square root, where it is real
eig(A)                   eigenvalues and eigenvectors, all real; raises where they are not
eigh_z(X, Y) {upper}     w, and V in two parts, of the Hermitian X + iY; svd_z, qr_z, eig_z likewise of any matrix
svd_beside(A) {wide}     orthonormal columns beside the left singular vectors of a matrix with more rows than columns; of a wide one beside the right ones
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

import numpy as np

from ..core.op import Size
from ..core.types import I64
from .library import FAILURES, _factors, _like, awaited, row

INSIDE = "it is used where nothing is differentiated"
FAILURES |= {
    "schur": "Schur form not found",
    "gbsv": "singular matrix",
    "eig": "Eigenvalues did not converge, or are complex",
    "eigh_z": "Eigenvalues did not converge",
    "svd_z": "SVD did not converge",
    "qr_z": "QR: an argument is wrong",
    "eig_z": "Eigenvalues did not converge",
    "svd_beside": "SVD did not converge",
    "sytrf": "LDL^T: an argument is wrong",
    "sqrtm": "The principal square root of the matrix is not real",
}


@functools.cache
def linalg() -> Any:
    """scipy.linalg, which is loaded by programs that call it."""
    return importlib.import_module("scipy.linalg")


def _lu(a: Any) -> tuple[Any, ...]:
    m = a.shape[0]
    if not a.size:
        return a.copy(), np.zeros(0, np.int64), np.arange(m), np.arange(m)
    (getrf,) = linalg().get_lapack_funcs(("getrf",), (a,))
    packed, swaps, _ = getrf(a)
    p = np.arange(m)
    for i, j in enumerate(swaps):
        p[[i, j]] = p[[j, i]]
    return packed, swaps.astype(np.int64), p, np.argsort(p)


def _of_lu(let: Any) -> Any:
    a = let.args[0]
    m, n = Size(a, 0), Size(a, 1)
    return (a.type.dtype, (m, n)), (I64, (None,)), (I64, (m,)), (I64, (m,))


awaited("lu", _lu, shape=_of_lu, unread=True)


def _sytrf(a: Any) -> tuple[Any, Any]:
    if not a.size:
        return a.copy(), np.zeros(0, np.int64)
    (sytrf,) = linalg().get_lapack_funcs(("sytrf",), (a,))
    packed, pivots, _ = sytrf(a, lower=1)
    return packed, pivots.astype(np.int64)


row("sytrf", _sytrf, shape=lambda let: ((let.args[0].type.dtype, (Size(let.args[0], 0),) * 2), (I64, (Size(let.args[0], 0),))), zero=INSIDE)


def _ldl(a: Any) -> tuple[Any, ...]:
    if not a.size:
        return a.copy(), a.copy(), np.zeros(0, np.int64)
    outer, d, p = linalg().ldl(a)
    return outer[p], d, p


def _of_ldl(let: Any) -> Any:
    a = let.args[0]
    n = Size(a, 0)
    return (a.type.dtype, (n, n)), (a.type.dtype, (n, n)), (I64, (n,))


awaited("ldl", _ldl, shape=_of_ldl, unread=True)


def _sqrtm(a: Any) -> tuple[Any]:
    x = linalg().sqrtm(a) if a.size else a.copy()
    if np.iscomplexobj(x):
        raise np.linalg.LinAlgError("complex square root")
    return (x,)


awaited("sqrtm", _sqrtm, shape=_like(0))


def _schur(a: Any) -> tuple[Any, Any]:
    return linalg().schur(a) if a.size else (a.copy(), a.copy())


row("schur", _schur, shape=_factors((0, 0), (0, 0)), zero=INSIDE)


def _trsyl(r: Any, s: Any, q: Any, ta: int, tb: int) -> tuple[Any]:
    if not q.size:
        return (q.copy(),)
    (trsyl,) = linalg().get_lapack_funcs(("trsyl",), (r, s, q))
    x, scale, _ = trsyl(r, s, q, trana="T" if ta else "N", tranb="T" if tb else "N")
    return (x * scale,)


row("trsyl", _trsyl, shape=_like(2), zero=INSIDE)


def _sylvester(a: Any, b: Any, q: Any) -> tuple[Any]:
    return (linalg().solve_sylvester(a, b, q) if q.size else q.copy(),)


awaited("sylvester", _sylvester, shape=_like(2), linear=(2,))


def _gbsv(a: Any, bt: Any, below: int, above: int) -> tuple[Any]:
    if not bt.size:
        return (bt.copy(),)
    return (linalg().solve_banded((below, above), a.T[below:], bt.T).T,)


awaited("gbsv", _gbsv, shape=_like(1), linear=(1,))


def _eig(a: Any) -> tuple[Any, Any]:
    w, v = np.linalg.eig(a)
    if np.iscomplexobj(w):
        raise np.linalg.LinAlgError("complex eigenvalues")
    return w, v


awaited("eig", _eig, shape=_factors((0,), (0, 0)), unread=True)


def _beside(a: Any, wide: int) -> tuple[Any]:
    u, _, vt = np.linalg.svd(a, full_matrices=True)
    return (vt[a.shape[0] :].T if wide else u[:, a.shape[1] :],)


def _of_beside(let: Any) -> Any:
    return ((let.args[0].type.dtype, (Size(let.args[0], let.attrs["wide"]), None)),)


row("svd_beside", _beside, shape=_of_beside, zero=INSIDE)


# ---- complex matrices X + iY; complex results are two
def _parts(*xs: Any) -> tuple[Any, ...]:
    return tuple(p for x in xs for p in ((x.real.copy(), x.imag.copy()) if np.iscomplexobj(x) else (x,)))


def _eigh_z(x: Any, y: Any, order: int, upper: int) -> tuple[Any, ...]:
    return _parts(*(np.linalg.eigh(x.T - 1j * y.T, "U") if upper else np.linalg.eigh(x + 1j * y)))


awaited("eigh_z", _eigh_z, shape=_factors((0,), (0, 0), (0, 0)), unread=True)


def _svd_z(x: Any, y: Any, order: int, wide: int) -> tuple[Any, ...]:
    return _parts(*np.linalg.svd(x + 1j * y, full_matrices=False))


awaited("svd_z", _svd_z, shape=_factors((0, None), (0, None), (None,), (None, 1), (None, 1)), unread=True)
awaited("qr_z", lambda x, y: _parts(*np.linalg.qr(x + 1j * y)), shape=_factors((0, 1), (0, 1), (1, 1), (1, 1)))
awaited("eig_z", lambda x, y, order: _parts(*np.linalg.eig(x + 1j * y)), shape=_factors((0,), (0,), (0, 0), (0, 0)), unread=True)

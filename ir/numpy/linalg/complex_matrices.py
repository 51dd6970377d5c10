"""Linear algebra of complex matrices: systems by real matrices of twice the size, the rest by elimination in traced code.

    (A + iB) (x + iy) = c + id     is     | A -B | | x |   | c |
                                          | B  A | | y | = | d |

The pseudo-inverse of that matrix is the matrix of the pseudo-inverse, and it has the same singular values, each of them twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.sites import unsupported
from ...values import sizes
from ...values.complexes.pairs import ComplexArray, is_complex_array
from ...values.views import as_array, part, shape_of
from ..common import astype, common_dtype, program
from ..shaping import block, concatenate


def are_complex(*xs: Any) -> bool:
    return any(is_complex_array(as_array(x)) for x in xs)


def as_real(a: Any) -> Any:
    """The real matrix, twice as large, of a complex one."""
    x, y = part(a, 0), part(a, 1)
    return block([[x, -y], [y, x]])


def solve(solve_real: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """The solution of a system, of one right hand side (a vector) or of more."""
    a, b = (as_array(v) for v in (a, b))
    t = common_dtype([a, b])
    a, b = (v if v.type.dtype == t else astype(v, t) for v in (a, b))
    axis, n = -1 if b.ndim == 1 else -2, shape_of(a)[-1]
    both = solve_real(as_real(a), concatenate([part(b, 0), part(b, 1)], axis))
    top, rest = slice(None, n), slice(n, None)
    return ComplexArray(both[..., top], both[..., rest]) if axis == -1 else ComplexArray(both[..., top, :], both[..., rest, :])


def of_real(a: Any) -> Any:
    """The complex matrix that a real one, twice as large, stands for."""
    m, n = (sizes.floordiv(x, 2) for x in shape_of(a)[-2:])
    return ComplexArray(a[..., :m, :n], a[..., m:, :n])


@program
def determinant(a: Any) -> Any:
    """By elimination, whose pivots are the largest of their columns."""
    u, n, found = a.copy(), a.shape[0], a[0, 0] * 0 + 1
    for k in range(n):
        p = k
        for i in range(k + 1, n):
            if abs(u[i, k]) > abs(u[p, k]):
                p = i
        if p != k:
            found = -found
            for j in range(n):
                u[k, j], u[p, j] = u[p, j], u[k, j]
        found = found * u[k, k]
        if u[k, k] != 0:
            for i in range(k + 1, n):
                factor = u[i, k] / u[k, k]
                for j in range(k, n):
                    u[i, j] = u[i, j] - factor * u[k, j]
    return found


@program
def cholesky(a: Any) -> Any:
    """L with L L^H = A, of the lower triangle of A."""
    n = a.shape[0]
    out = np.zeros(a.shape, a.dtype)
    for j in range(n):
        total = a[j, j].real
        for k in range(j):
            total = total - abs(out[j, k]) ** 2
        if not total > 0:
            raise np.linalg.LinAlgError("Matrix is not positive definite")
        pivot = np.sqrt(total)
        out[j, j] = pivot
        for i in range(j + 1, n):
            rest = a[i, j]
            for k in range(j):
                rest = rest - out[i, k] * np.conjugate(out[j, k])
            out[i, j] = rest / pivot
    return out


def refuse(name: str, *xs: Any) -> None:
    if are_complex(*xs):
        unsupported(f"{name} of complex matrices", "take real ones: (A + iB)(x + iy) = c + id is a real system of twice the size")

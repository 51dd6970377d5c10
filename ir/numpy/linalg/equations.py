"""Linear equations of a given structure: banded, Toeplitz, Sylvester's and Lyapunov's."""

from __future__ import annotations

from typing import Any

from ...core.sites import unsupported, user_site
from ...values import sizes
from ...values.reshaping import expand
from ...values.views import as_array, contiguous, shape_of
from ..common import astype, common_dtype, float_array
from ..creation import eye, zeros
from ..products import kron, matmul
from ..registry import implements
from . import rules
from .factors import matrix, square
from .functions import inv, solve
from .matrices import circulant, toeplitz

DIRECT = 10  # rows: below, as SciPy does, the discrete Lyapunov equation is one system of n^2 unknowns


# ---- banded
def _by_columns(fn: Any, b: Any, n: Any) -> Any:
    """fn(B^T) as X; B may be a vector."""
    columns = b if b.ndim == 2 else expand(b, (1,))
    sizes.require_equal(n, shape_of(columns)[0], "shapes of ab and b are not compatible.")
    x = fn(contiguous(columns.T)).T
    return x if b.ndim == 2 else x[:, 0]


@implements("scipy.linalg.solve_banded")
def solve_banded(l_and_u: Any, ab: Any, b: Any) -> Any:
    below, above = map(int, l_and_u)
    ab, b = matrix(ab, "solve_banded"), float_array(b)
    sizes.require_equal(shape_of(ab)[0], below + above + 1, f"invalid values for the number of lower and upper diagonals: l+u+1 ({below + above + 1})"
                        " does not equal ab.shape[0]")  # fmt: skip
    t, n = common_dtype([ab, b]), shape_of(ab)[1]
    ab, b = (x if x.type.dtype == t else astype(x, t) for x in (ab, b))
    room = zeros((n, 2 * below + above + 1), t)
    room[:, below:] = ab.T
    return _by_columns(lambda bt: rules.banded(room, bt, below, above), b, n)


@implements("scipy.linalg.solveh_banded")
def solveh_banded(ab: Any, b: Any, lower: bool = False) -> Any:
    """Of a symmetric matrix, by the general routine."""
    ab = matrix(ab, "solveh_banded")
    wide = sizes.needed(shape_of(ab)[0])
    if wide is None:
        unsupported("solveh_banded of a number of diagonals that is not known", "give the diagonals one by one")
    k, n = int(wide) - 1, shape_of(ab)[1]
    full = zeros((2 * k + 1, n), ab.type.dtype)
    for d in range(k + 1):  # the diagonal d beside the main one: in the row of ab, and in both rows of all
        values = ab[d, : sizes.add(n, -d)] if lower else ab[k - d, d:]
        full[k + d, : sizes.add(n, -d)] = values
        full[k - d, d:] = values
    return solve_banded((k, k), full, b)


# ---- Toeplitz
def _toeplitz(c_or_cr: Any) -> Any:
    return toeplitz(*c_or_cr) if isinstance(c_or_cr, tuple) else toeplitz(c_or_cr)


@implements("scipy.linalg.solve_toeplitz")
def solve_toeplitz(c_or_cr: Any, b: Any) -> Any:
    """By the whole matrix: n^3 operations, not Levinson's n^2."""
    b = as_array(b)
    return solve(_toeplitz(c_or_cr), b if b.ndim <= 2 else b.reshape(shape_of(b)[0], -1)).reshape(*shape_of(b))


implements("scipy.linalg.matmul_toeplitz")(lambda c_or_cr, x: matmul(float_array(_toeplitz(c_or_cr)), float_array(x)))
implements("scipy.linalg.solve_circulant")(lambda c, b: solve(circulant(c), b))


# ---- matrix equations
@implements("scipy.linalg.solve_sylvester")
def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    a, b, q = square(a, "solve_sylvester"), square(b, "solve_sylvester"), matrix(q, "solve_sylvester")
    t = common_dtype([a, b, q])
    return rules.sylvester(*(x if x.type.dtype == t else astype(x, t) for x in (a, b, q)))


@implements("scipy.linalg.solve_continuous_lyapunov")
def solve_continuous_lyapunov(a: Any, q: Any) -> Any:
    """A X + X A^T = Q"""
    a = square(a, "solve_continuous_lyapunov")
    return solve_sylvester(a, a.T, square(q, "solve_continuous_lyapunov"))


@implements("scipy.linalg.solve_discrete_lyapunov")
def solve_discrete_lyapunov(a: Any, q: Any, method: Any = None) -> Any:
    """A X A^T - X + Q = 0, as one linear system, or through the bilinear transformation to a continuous one."""
    a, q = square(a, "solve_discrete_lyapunov"), square(q, "solve_discrete_lyapunov")
    n = sizes.needed(shape_of(a)[0])
    if method is None:
        method = "direct" if n is not None and n < DIRECT else "bilinear"
    if method not in ("direct", "bilinear"):
        raise ValueError(f"Unknown solver {method} ({user_site()})")
    one = eye(shape_of(a)[0])
    if method == "direct":
        system = kron(one, one) - kron(a, a)
        return solve(system, q.reshape(-1)).reshape(*shape_of(q))
    at = a.T
    turned = inv(at + one)
    b = matmul(at - one, turned)
    return solve_continuous_lyapunov(b.T, -2.0 * matmul(matmul(inv(a + one), q), turned))

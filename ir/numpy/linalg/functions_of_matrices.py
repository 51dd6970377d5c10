"""Exponentials, logarithms, roots and their relatives of square matrices.

N. J. Higham, "The scaling and squaring method for the matrix exponential revisited" (2005) for expm; N. J. Higham, "Functions of Matrices: Theory
and Computation" (2008), 11.5 for logm by inverse scaling and squaring (Gauss-Legendre quadrature is its Pade approximant), 3.2 for the derivative
by the exponential of a block matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...values.reshaping import reshape
from ...values.views import contiguous, shape_of
from ..common import fixed, shared
from ..registry import implements
from . import rules
from .factors import square
from .functions import _of, norm

PADE = (64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0, 10559470521600.0, 670442572800.0,
        33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0)  # fmt: skip
REACH = 5.371920351148152  # of that approximant in double precision, in the 1-norm
NODES, WEIGHTS = (tuple(map(float, v)) for v in np.polynomial.legendre.leggauss(8))


def _alike(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The result of a function of the graph, of which its caller sees no sizes, is as large as the argument."""
    return lambda a: reshape(function(a), shape_of(a))


@_alike
@shared
def exponential(a: Any) -> Any:
    one = np.eye(a.shape[0], dtype=a.dtype)
    size = fixed(norm(a, 1))
    times = 0
    if size > REACH and np.isfinite(size):
        times = int(np.ceil(np.log2(size / REACH)))
    a = a * 0.5**times
    b = PADE
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a2 @ a4
    odd = a @ (a6 @ (b[13] * a6 + b[11] * a4 + b[9] * a2) + b[7] * a6 + b[5] * a4 + b[3] * a2 + b[1] * one)
    even = a6 @ (b[12] * a6 + b[10] * a4 + b[8] * a2) + b[6] * a6 + b[4] * a4 + b[2] * a2 + b[0] * one
    x = np.linalg.solve(even - odd, even + odd)
    for _ in range(times):
        x = x @ x
    return x


expm = implements("scipy.linalg.expm")(_of("expm", exponential, lambda a: [a]))


def _blocks(*rows: Any) -> Any:
    """expm of a matrix of two by two square blocks: its first two blocks."""
    n = rows[0][0].shape[0]
    found = expm(np.block([list(row) for row in rows]))
    return found[:n, :n], found[:n, n:]


@implements("scipy.linalg.expm_frechet")
def expm_frechet(A: Any, E: Any, method: Any = None, compute_expm: bool = True) -> Any:
    a, e = square(A, "expm_frechet"), square(E, "expm_frechet")
    found, along = _blocks((a, e), (np.zeros_like(a), a))
    return (found, along) if compute_expm else along


@implements("scipy.linalg.sqrtm")
def sqrtm(A: Any) -> Any:
    return _of("sqrtm", lambda a: rules.sqrtm(contiguous(a)), lambda a: [a])(A)


@_alike
@shared
def logarithm(a: Any) -> Any:
    one = np.eye(a.shape[0], dtype=a.dtype)
    times = 0
    while fixed(norm(a - one, 1)) > 0.25 and times < 60:
        a = rules.sqrtm(a)
        times += 1
    y = a - one
    out = np.zeros_like(y)
    for x, w in zip(NODES, WEIGHTS, strict=True):
        out = out + np.linalg.solve(one + (0.5 + 0.5 * x) * y, (0.5 * w) * y)
    return out * 2.0**times


@implements("scipy.linalg.logm")
def logm(A: Any) -> Any:
    return logarithm(square(A, "logm"))


@implements("scipy.linalg.fractional_matrix_power")
def fractional_matrix_power(A: Any, t: Any) -> Any:
    a = square(A, "fractional_matrix_power")
    if isinstance(t, int) or (isinstance(t, float) and t.is_integer()):
        return np.linalg.matrix_power(a, int(t))
    return expm(logarithm(a) * t)


def _rotation(a: Any, name: str) -> Any:
    a = square(a, name)
    return _blocks((np.zeros_like(a), a), (-a, np.zeros_like(a)))


def _hyperbolic(a: Any, name: str) -> tuple[Any, Any]:
    a = square(a, name)
    up, down = expm(a), expm(-a)
    return (up + down) * 0.5, (up - down) * 0.5


implements("scipy.linalg.cosm")(lambda A: _rotation(A, "cosm")[0])
implements("scipy.linalg.sinm")(lambda A: _rotation(A, "sinm")[1])
implements("scipy.linalg.coshm")(lambda A: _hyperbolic(A, "coshm")[0])
implements("scipy.linalg.sinhm")(lambda A: _hyperbolic(A, "sinhm")[1])


@implements("scipy.linalg.tanm")
def tanm(A: Any) -> Any:
    cos, sin = _rotation(A, "tanm")
    return np.linalg.solve(cos, sin)


@implements("scipy.linalg.tanhm")
def tanhm(A: Any) -> Any:
    cosh, sinh = _hyperbolic(A, "tanhm")
    return np.linalg.solve(cosh, sinh)

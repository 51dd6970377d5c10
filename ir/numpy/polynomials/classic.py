"""Polynomials as arrays of coefficients, highest first: np.polyfit and its relatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.sites import unsupported, user_site
from ...core.types import is_float
from ...values import sizes
from ...values.values import Arrayed
from ...values.views import as_array, shape_of
from ..axes import atleast_1d, ravel
from ..common import float_array, program, real_only, require, scalar_kind
from ..creation import arange, array, ones, zeros
from ..linalg.functions import lstsq
from ..registry import implements
from ..shaping import concatenate


def degree(p: Any, what: str) -> int:
    """The number of coefficients, which is part of the program."""
    n = sizes.needed(shape_of(p)[0])
    if n is None:
        unsupported(f"{what} of a polynomial whose number of coefficients depends on values", "give it a known one")
    return int(n)


@implements(np.vander)
def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    x = as_array(x)
    if not isinstance(x, Arrayed) or x.ndim != 1:
        raise ValueError(f"x must be a one-dimensional array or sequence. ({user_site()})")
    n = sizes.needed(shape_of(x)[0] if N is None else N)
    if n is None:
        unsupported("np.vander of so many columns that their number depends on values", "give N")
    columns = [ones(shape_of(x)[0], x.dtype)]
    for _ in range(int(n) - 1):
        columns.append(columns[-1] * x)
    return np.stack(columns if increasing else columns[::-1], axis=1) if n else zeros((shape_of(x)[0], 0), x.dtype)


@implements(np.polyfit)
def polyfit(x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False) -> Any:
    real_only("np.polyfit", x, y)
    x, y = float_array(x), float_array(y)
    for v, rank, name in ((x, (1,), "1D vector for x"), (y, (1, 2), "1D or 2D array for y")):
        if not isinstance(v, Arrayed) or v.ndim not in rank:
            raise TypeError(f"expected {name} ({user_site()})")
    sizes.require_equal(shape_of(x)[0], shape_of(y)[0], "expected x and y to have same length")
    columns, found, rest, rank_, singular, rcond, scale = fitted(vander(x, int(deg) + 1), y, w, rcond)
    if full:
        return found, rest, rank_, singular, rcond
    if not cov:
        return found
    inverse = np.linalg.inv(columns.T @ columns) / np.outer(scale, scale)
    if cov != "unscaled":
        spread = rest / (shape_of(x)[0] - (int(deg) + 1))
        inverse = inverse * spread if y.ndim == 1 else inverse[:, :, None] * spread
    elif y.ndim > 1:
        inverse = inverse
    return found, inverse


def fitted(columns: Any, y: Any, w: Any, rcond: Any) -> Any:
    """Least squares of columns of equal length: (those, coefficients, residuals, rank, singular values, rcond, what they were divided by)."""
    if rcond is None:
        rcond = shape_of(columns)[0] * float(np.finfo(columns.dtype).eps)
    if w is not None:
        w = float_array(w)
        columns = columns * w[:, None]
        y = y * (w[:, None] if y.ndim > 1 else w)
    scale = np.sqrt(np.sum(columns * columns, axis=0))
    scale = np.where(scale == 0.0, 1.0, scale)
    columns = columns / scale
    found, rest, rank, singular = lstsq(columns, y, rcond)
    return columns, found / (scale[:, None] if y.ndim > 1 else scale), rest, rank, singular, rcond, scale


# ---- arithmetic
def _wide(p: Any, n: Any) -> Any:
    """With zeros before it, n coefficients in all."""
    return concatenate([zeros(sizes.sub(n, shape_of(p)[0]), p.dtype), p])


def _added(name: str, fn: Any) -> Any:
    def add(a1: Any, a2: Any) -> Any:
        p, q = atleast_1d(a1), atleast_1d(a2)
        n, m = shape_of(p)[0], shape_of(q)[0]
        if sizes.same(n, m):
            return fn(p, q)
        longer = np.maximum(n, m)
        longer = int(longer) if sizes.is_known(n) and sizes.is_known(m) else longer
        return fn(_wide(p, longer), _wide(q, longer))

    return add


polyadd: Any = implements(np.polyadd)(_added("polyadd", np.add))
polysub: Any = implements(np.polysub)(_added("polysub", np.subtract))
polymul: Any = implements(np.polymul)(lambda a1, a2: np.convolve(atleast_1d(a1), atleast_1d(a2)))


@implements(np.polydiv)
def polydiv(u: Any, v: Any) -> Any:
    """Long division. The remainder has as many coefficients as its degree asks for: leading zeros are left out."""
    u, v = (atleast_1d(x) + 0.0 for x in (u, v))
    n, m = degree(u, "np.polydiv"), degree(v, "np.polydiv")
    if n < m:
        return zeros(1, u.dtype), u
    quotient, rest = [], u
    for k in range(n - m + 1):
        d = rest[k] / v[0]
        quotient.append(d)
        rest = concatenate([rest[:k], rest[k : k + m] - d * v, rest[k + m :]])
    return array(quotient), _without_zeros(rest)


@program
def _without_zeros(p: Any) -> Any:
    """Beginning with the first coefficient that is not nearly 0."""
    first = 0
    while first < len(p) - 1 and np.isclose(p[first], 0.0, rtol=1e-14):
        first += 1
    return p[first:].copy()


@implements(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    if m < 0:
        raise ValueError(f"Order of derivative must be positive (see polyint) ({user_site()})")
    p = atleast_1d(p)
    for _ in range(m):
        n = shape_of(p)[0]
        p = p[:-1] * arange(sizes.sub(n, 1), 0, -1)
    return p


@implements(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    if m < 0:
        raise ValueError(f"Order of integral must be positive (see polyder) ({user_site()})")
    k = ravel(0.0 if k is None else k)
    p = atleast_1d(p)
    for i in range(m):
        n = shape_of(p)[0]
        p = concatenate([p / arange(n, 0, -1), k[min(i, degree(k, "np.polyint") - 1)][None]])
    return p


@implements(np.roots)
def roots(p: Any) -> Any:
    """The eigenvalues of the companion matrix, where all are real; the first coefficient is not 0."""
    p = atleast_1d(p) * 1.0
    real_only("np.roots", p)
    n = degree(p, "np.roots")
    if n < 2:
        return zeros(0)
    require(p[0] != 0.0, ValueError("np.roots in compiled code needs a first coefficient that is not 0"))
    matrix = concatenate([-(p[1:] / p[0])[None], array(np.eye(n - 2, n - 1))])
    return np.linalg.eigvals(matrix)


@implements(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    zs = atleast_1d(seq_of_zeros)
    if zs.ndim == 2:
        zs = np.linalg.eigvals(zs)
    elif zs.ndim != 1:
        raise ValueError(f"input must be 1d or non-empty square 2d array. ({user_site()})")
    found = ones(1, zs.dtype if is_float(scalar_kind(zs)) else np.float64)
    n = degree(zs, "np.poly")
    for i in range(n):
        found = concatenate([found, zeros(1, found.dtype)]) - concatenate([zeros(1, found.dtype), found * zs[i]])
    return found if n else found[0]

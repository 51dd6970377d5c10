"""Matrices of a given structure: `scipy.linalg.block_diag`, `toeplitz` and their relatives. They are made of the elements of their arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.sites import unsupported, user_site
from ...values import sizes
from ...values.kernels import from_index
from ...values.values import Arrayed
from ...values.views import as_array, shape_of
from ..axes import atleast_1d, atleast_2d, ravel
from ..choosing import gather_flat
from ..common import common_dtype
from ..creation import eye, zeros
from ..registry import implements
from ..shaping import concatenate


@implements("scipy.linalg.block_diag")
def block_diag(*arrs: Any) -> Any:
    blocks = [atleast_2d(a) for a in arrs]
    if any(b.ndim != 2 for b in blocks):
        raise ValueError(f"arguments of block_diag must have at most 2 dimensions ({user_site()})")
    rows, columns = ([shape_of(b)[q] for b in blocks] for q in (0, 1))
    out = zeros((_sum(rows), _sum(columns)), common_dtype(blocks))
    i: Any = 0
    j: Any = 0
    for b in blocks:
        m, n = shape_of(b)
        out[i : sizes.add(i, m), j : sizes.add(j, n)] = b
        i, j = sizes.add(i, m), sizes.add(j, n)
    return out


def _sum(parts: list[Any]) -> Any:
    total: Any = 0
    for n in parts:
        total = sizes.add(total, n)
    return total


def _vector(name: str, given: Any) -> Arrayed:
    x: Arrayed = atleast_1d(as_array(given))
    if x.ndim > 1:
        unsupported(f"scipy.linalg.{name} of an array with several axes, whose rows are one vector in some versions of SciPy and many in others,",
                    "give it x.ravel(), or use lantern_jit.vmap")  # fmt: skip
    return x


@implements("scipy.linalg.toeplitz")
def toeplitz(c: Any, r: Any = None) -> Any:
    """Element (i, j) is number i - j of r backwards and c."""
    c = _vector("toeplitz", c)
    r = c if r is None else _vector("toeplitz", r)
    m, n = shape_of(c)[0], shape_of(r)[0]
    line = concatenate([r[:0:-1], c])
    return gather_flat(line, from_index(lambda i, j, last: i - j + last, [m, n], "toeplitz", None, [sizes.lifted(sizes.add(n, -1))[0]]))


@implements("scipy.linalg.hankel")
def hankel(c: Any, r: Any = None) -> Any:
    c = ravel(atleast_1d(as_array(c)))
    r = np.zeros_like(c) if r is None else ravel(atleast_1d(as_array(r)))
    return gather_flat(concatenate([c, r[1:]]), from_index(lambda i, j: i + j, [shape_of(c)[0], shape_of(r)[0]], "hankel"))


@implements("scipy.linalg.circulant")
def circulant(c: Any) -> Any:
    c = _vector("circulant", c)
    n = shape_of(c)[0]
    return gather_flat(
        concatenate([c[1:], c]), from_index(lambda i, j, last: i - j + last, [n, n], "circulant", None, [sizes.lifted(sizes.add(n, -1))[0]])
    )


@implements("scipy.linalg.companion")
def companion(a: Any) -> Any:
    a = _vector("companion", a)
    n = sizes.add(shape_of(a)[0], -1)
    first = -a[1:] / (a[0] * 1.0)
    out = zeros((n, n), first.type.dtype)
    out[0] = first
    out[1:, :-1] = eye(n - 1 if isinstance(n, int) else sizes.add(n, -1))
    return out


@implements("scipy.linalg.leslie")
def leslie(f: Any, s: Any) -> Any:
    f, s = _vector("leslie", f), _vector("leslie", s)
    n = shape_of(f)[0]
    out = zeros((n, n), common_dtype([f, s]))
    out[0] = f
    out[1:, :-1] = np.diag(s)
    return out


@implements("scipy.linalg.fiedler")
def fiedler(a: Any) -> Any:
    a = _vector("fiedler", a)
    return np.abs(np.subtract.outer(a, a))


@implements("scipy.linalg.convolution_matrix")
def convolution_matrix(a: Any, n: Any, mode: str = "full") -> Any:
    a = _vector("convolution_matrix", a)
    m = shape_of(a)[0]
    full = toeplitz(concatenate([a, zeros(sizes.add(n, -1), a.type.dtype)]), concatenate([a[:1], zeros(sizes.add(n, -1), a.type.dtype)]))
    if mode == "full":
        return full
    short, long = sizes.smaller(m, n), sizes.sub(sizes.add(m, n), sizes.smaller(m, n))
    start = sizes.floordiv(sizes.add(short, -1), 2) if mode == "same" else sizes.add(short, -1)
    count = long if mode == "same" else sizes.add(sizes.sub(long, short), 1)
    return full[start : sizes.add(start, count)]

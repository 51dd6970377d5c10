"""numpy.linalg and scipy.linalg on traced arrays: one matrix by an operation of library.py, stacks by a loop over it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core import errors
from ...core.sites import user_site
from ...core.types import I64
from ...ops import table
from ...staging.loops import each
from ...values import kernels, reshaping, sizes
from ...values.arrays import allocate
from ...values.kernels import reduce
from ...values.library import bind
from ...values.reshaping import drop, expand, spread
from ...values.scalars import truth
from ...values.values import Arrayed, to_type
from ...values.views import as_array, axes_of, contiguous, shape_of, with_axes
from ..axes import moveaxis, swapaxes
from ..common import astype, common_dtype, float_array, unsupported
from ..creation import eye, identity
from ..products import _matrices, dot, matmul
from ..reductions import max_, min_, sum_
from ..registry import implements
from . import solving, spectral


def batched(fn: Callable[..., Any], ranks: Sequence[int], name: str) -> Callable[..., Any]:
    """A function of matrices (or vectors) for stacks of them: a loop over the stack."""

    def apply(*args: Any) -> Any:
        given = [float_array(a) for a in args]
        for a, r in zip(given, ranks, strict=True):
            if not isinstance(a, Arrayed) or a.ndim < r:
                rank = a.ndim if isinstance(a, Arrayed) else 0
                raise errors.LinAlgError(f"{name}: {rank}-dimensional array given. Array must be at least {r}-dimensional ({user_site()})")
        t = common_dtype(given)
        given = [a if a.type.dtype == t else astype(a, t) for a in given]
        stack_ = sizes.broadcast([shape_of(a)[: a.ndim - r] for a, r in zip(given, ranks, strict=True)])
        if not stack_:
            return fn(*given)
        given = [spread(a, [*stack_, *shape_of(a)[a.ndim - r :]]) for a, r in zip(given, ranks, strict=True)]
        total = sizes.product(stack_)
        flat = [contiguous(reshaping.reshape(a, [total, *shape_of(a)[a.ndim - r :]])) for a, r in zip(given, ranks, strict=True)]
        shapes = [[shape_of(a)[1:] for a in flat]]
        outs: list[Any] = []
        for shape, kind in OUT_SHAPES[name](*shapes[0]):
            outs.append(allocate(kind or t, (total, *shape), 0))

        def one(i: Any) -> None:
            result = fn(*(a[i] for a in flat))
            for out, x in zip(outs, result if isinstance(result, tuple) else (result,), strict=True):
                out[i] = x

        each(total, one)
        made = [reshaping.reshape(o, [*stack_, *shape_of(o)[1:]]) for o in outs]
        return made[0] if len(made) == 1 else tuple(made)

    return apply


def _square(*shape: Any) -> None:
    sizes.require_equal(shape[-2], shape[-1], "Last 2 dimensions of the array must be square", "square")


OUT_SHAPES: dict[str, Callable[..., list[tuple[Any, Any]]]] = {
    "cholesky": lambda a: [(a, None)], "inv": lambda a: [(a, None)], "solve": lambda a, b: [(b, None)], "solve_vector": lambda a, b: [(b, None)],
    "slogdet": lambda a: [((), None), ((), None)], "eigvalsh": lambda a: [((a[0],), None)],
    "svdvals": lambda a: [((sizes.smaller(*a),), None)], "nuclear": lambda a: [((), None)], "pinv": lambda a: [((a[1], a[0]), None)], "eigh": lambda a: [((a[0],), None), (a, None)],
    "svd": lambda a: [((a[0], sizes.smaller(*a)), None), ((sizes.smaller(*a),), None), ((sizes.smaller(*a), a[1]), None)],
    "qr": lambda a: [((a[0], sizes.smaller(*a)), None), ((sizes.smaller(*a), a[1]), None)], "trsm": lambda a, b: [(b, None)],
}  # fmt: skip


def _one_cholesky(a: Any) -> Any:
    _square(*shape_of(a))
    return solving.cholesky(contiguous(a))


@implements(np.linalg.cholesky)
def cholesky(a: Any, *, upper: bool = False) -> Any:
    if upper:
        return swapaxes(cholesky(swapaxes(a, -1, -2)), -1, -2)
    return batched(_one_cholesky, [2], "cholesky")(a)


def _one_solve(a: Any, b: Any) -> Any:
    _square(*shape_of(a))
    sizes.require_equal(shape_of(a)[0], shape_of(b)[0], "solve: the sizes of the matrix and of the right hand side differ")
    x, trans = _matrices(a, [])
    if b.ndim == 1:
        return drop(solving.lu_solve(x, contiguous(expand(b, (0,))), trans), [0])
    return with_axes(solving.lu_solve(x, contiguous(with_axes(b, (1, 0))), trans), (1, 0))


@implements(np.linalg.solve, "scipy.linalg.solve")
def solve(a: Any, b: Any) -> Any:
    a, b = as_array(a), as_array(b)
    if b.ndim == 1:
        return batched(_one_solve, [2, 1], "solve_vector")(a, b)
    return batched(_one_solve, [2, 2], "solve")(a, b)


def _one_inverse(a: Any) -> Any:
    _square(*shape_of(a))
    return _one_solve(a, identity(shape_of(a)[0], a.type.dtype))


@implements(np.linalg.inv, "scipy.linalg.inv")
def inv(a: Any) -> Any:
    return batched(_one_inverse, [2], "inv")(a)


def _one_slogdet(a: Any) -> Any:
    _square(*shape_of(a))
    t = a.type.dtype
    return tuple(bind("slogdet", (contiguous(a),), [(t, ()), (t, ())], fails=False))


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    sign, log = batched(_one_slogdet, [2], "slogdet")(a)
    return np.linalg._linalg.SlogdetResult(sign, log)


@implements(np.linalg.det, "scipy.linalg.det")
def det(a: Any) -> Any:
    sign, log = batched(_one_slogdet, [2], "slogdet")(a)
    return sign * np.exp(log)


def _one_eigh(a: Any) -> Any:
    _square(*shape_of(a))
    return tuple(spectral.eigh(contiguous(a)))


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    w, v = batched(_one_eigh, [2], "eigh")(a if UPLO.upper() == "L" else swapaxes(a, -1, -2))
    return np.linalg._linalg.EighResult(w, v)


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return batched(lambda a: _one_eigh(a)[0], [2], "eigvalsh")(a if UPLO.upper() == "L" else swapaxes(a, -1, -2))


def _one_svd(a: Any) -> Any:
    return tuple(spectral.svd(contiguous(a)))


@implements(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    if hermitian:
        unsupported("np.linalg.svd with hermitian=True", "use np.linalg.eigh")
    if not compute_uv:
        return batched(lambda a: _one_svd(a)[1], [2], "svdvals")(a)
    shape = shape_of(as_array(a))
    if full_matrices and not sizes.same(shape[-1], shape[-2]) and not _are_equal(*shape[-2:]):
        unsupported("np.linalg.svd with full_matrices=True of a matrix that is not square", "write full_matrices=False")
    u, s, vt = batched(_one_svd, [2], "svd")(a)
    return np.linalg._linalg.SVDResult(u, s, vt)


@implements("scipy.linalg.svd")
def scipy_svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    found = svd(a, full_matrices, compute_uv)
    return tuple(found) if compute_uv else found


def _are_equal(m: Any, n: Any) -> bool:
    rows, columns = sizes.needed(m), sizes.needed(n)
    return rows is not None and rows == columns


@implements(np.linalg.svdvals, "scipy.linalg.svdvals")
def svdvals(a: Any) -> Any:
    return svd(a, compute_uv=False)


def _one_qr(a: Any) -> Any:
    m, n = shape_of(a)
    if sizes.is_known(m) and sizes.is_known(n) and sizes.plain(m) < sizes.plain(n):
        unsupported("np.linalg.qr of a matrix with more columns than rows", "use its first columns, or the transpose")
    return tuple(solving.qr(contiguous(a)))


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    if mode not in ("reduced", "r"):
        unsupported(f"np.linalg.qr with mode={mode!r}", "use mode='reduced'")
    q, r = batched(_one_qr, [2], "qr")(a)
    return np.linalg._linalg.QRResult(q, r) if mode == "reduced" else r


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """(x, residuals, rank, singular values) by the singular value decomposition, of a matrix of full rank or not."""
    a, b = float_array(a), float_array(b)
    if not isinstance(a, Arrayed) or a.ndim != 2 or not isinstance(b, Arrayed) or b.ndim > 2:
        raise errors.LinAlgError(f"lstsq: a matrix is needed, and a vector or a matrix ({user_site()})")
    cut = -1.0 if rcond is None else float(rcond)
    a = contiguous(a)
    _, s, _, p = spectral.pinv(a, cut)
    rank = reduce("sum", s, None, False, lambda x, c: to_type(table.gt(x, c), I64), None, spectral.cut(a, s, cut))
    bm = b if b.ndim == 2 else expand(b, (1,))
    x = matmul(p, bm)
    r = bm - matmul(a, x)
    return (x if b.ndim == 2 else drop(x, [1])), sum_(r * r, 0), rank, s


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    rcond = rcond if rtol is None else rtol
    cut = 1e-15 if rcond is None else float(rcond)
    return batched(lambda a: spectral.pinv(contiguous(a), cut)[3], [2], "pinv")(a)


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    if n < 0:
        return matrix_power(inv(a), -n)
    if n == 0:
        a = as_array(a)
        return spread(eye(shape_of(a)[-1], dtype=a.type.dtype), shape_of(a))
    half = matrix_power(a, n // 2) if n > 1 else None
    return a if n == 1 else matmul(half, half) if n % 2 == 0 else matmul(matmul(half, half), a)


@implements(np.linalg.norm, "scipy.linalg.norm")
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    x = float_array(x)
    if axis is None and isinstance(x, Arrayed) and (ord is None or (ord == 2 and x.ndim == 1) or (ord == "fro" and x.ndim == 2)):
        return np.sqrt(reduce("sum", x, None, keepdims, lambda v: v * v))
    if not isinstance(x, Arrayed):
        return abs(x)
    if axis is None and x.ndim > 2:
        raise ValueError(f"Improper number of dimensions to norm. ({user_site()})")
    axis = tuple(range(x.ndim)) if axis is None else axis
    axes = axes_of(axis, x.ndim)
    if len(axes) == 2 and ord not in (None, "fro"):
        i, j = (q % x.ndim for q in axis)
        if ord in (1, -1, math.inf, -math.inf):
            column = ord in (1, -1)
            total = reduce("sum", x, i if column else j, True, abs)
            pick = max_ if ord in (1, math.inf) else min_
            return pick(total, (i, j), keepdims=keepdims)
        moved = moveaxis(x, (i, j), (-2, -1))
        if ord == "nuc":
            total = batched(lambda a: spectral.nuclear(contiguous(a))[0], [2], "nuclear")(moved)
            return kernels.put_back(total, axes, x.ndim) if keepdims else total
        s = svdvals(moved)
        found = max_(s, -1) if ord == 2 else min_(s, -1) if ord == -2 else unsupported(f"norm with ord={ord!r}", "use 1, 2, inf or 'fro'")
        return kernels.put_back(found, axes, x.ndim) if keepdims else found
    if ord in (None, 2, "fro"):
        return np.sqrt(reduce("sum", x, axis, keepdims, lambda v: v * v))
    if ord == 1:
        return reduce("sum", x, axis, keepdims, abs)
    if ord in (math.inf, -math.inf):
        return (max_ if ord > 0 else min_)(abs(x), axis, keepdims=keepdims)
    if ord == 0:
        return reduce("sum", x, axis, keepdims, lambda v: to_type(truth(v), v.type))
    total = reduce("sum", x, axis, keepdims, lambda v: table.power(abs(v), float(ord)))
    return total ** (1.0 / ord)


@implements(np.linalg.multi_dot)
def multi_dot(arrays_: Any) -> Any:
    out = as_array(arrays_[0])
    for p in arrays_[1:]:
        out = dot(out, p)
    return out


@implements("scipy.linalg.solve_triangular")
def solve_triangular(a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False) -> Any:
    code = {"N": 0, "T": 1, "C": 1}.get(trans, trans)

    def one(a: Any, b: Any) -> Any:
        _square(*shape_of(a))
        sizes.require_equal(shape_of(a)[0], shape_of(b)[0], "shapes of a and b are incompatible")
        x, turned = _matrices(a, [])
        flags = (1 - code if turned else code, int(unit_diagonal), int(bool(lower) != bool(turned)))
        if b.ndim == 1:
            return drop(solving.trsm(x, contiguous(expand(b, (0,))), *flags), [0])
        return with_axes(solving.trsm(x, contiguous(with_axes(b, (1, 0))), *flags), (1, 0))

    b = as_array(b)
    return batched(one, [2, b.ndim if b.ndim < 2 else 2], "trsm")(a, b)


@implements("scipy.linalg.cho_factor")
def cho_factor(a: Any, lower: bool = False) -> Any:
    c = cholesky(a) if lower else swapaxes(cholesky(swapaxes(a, -1, -2)), -1, -2)
    return c, lower


@implements("scipy.linalg.cho_solve")
def cho_solve(c_and_lower: Any, b: Any) -> Any:
    c, lower = c_and_lower
    first = solve_triangular(c, b, trans=0 if lower else 1, lower=lower)
    return solve_triangular(c, first, trans=1 if lower else 0, lower=lower)


@implements("scipy.linalg.cholesky")
def scipy_cholesky(a: Any, lower: bool = False) -> Any:
    return cholesky(a) if lower else cho_factor(a, False)[0]


@implements("scipy.linalg.eigh")
def scipy_eigh(a: Any, *, lower: bool = True) -> Any:
    return tuple(eigh(a, "L" if lower else "U"))

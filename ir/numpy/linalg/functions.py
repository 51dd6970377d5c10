"""numpy.linalg and scipy.linalg on traced arrays: one matrix by an operation of library.py, stacks by a loop over it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core import errors
from ...core.sites import unsupported, user_site
from ...core.types import I64, PARTS
from ...ops import table
from ...staging.loops import each
from ...values import kernels, reshaping, sizes
from ...values.arrays import allocate
from ...values.complexes.pairs import Complex
from ...values.kernels import reduce
from ...values.library import bind
from ...values.reshaping import drop, expand, spread
from ...values.scalars import truth
from ...values.values import Arrayed, to_type
from ...values.views import as_array, axes_of, contiguous, shape_of, with_axes
from ..axes import conjugate, moveaxis, swapaxes
from ..common import astype, common_dtype, float_array
from ..creation import eye, identity
from ..products import _matrices, dot, matmul
from ..reductions import max_, min_, sum_
from ..registry import implements
from . import complex_matrices, complex_spectral, rules, solving, spectral  # noqa: F401


def batched(
    name: str,
    fn: Callable[..., Any],
    outs: Callable[..., list[Any]],
    ranks: Sequence[int] = (2,),
    square: bool = False,
    real: Sequence[int] = (),
) -> Callable[..., Any]:
    """A function of contiguous matrices (or vectors) for stacks of them: a loop over the stack. `outs` gives the shapes of the results for
    those of the arguments; `square` matrices come first. The results have the dtype of these; the `real` ones, by number, that of its real part."""

    def one(*args: Any) -> Any:
        if square:
            m, n = shape_of(args[0])
            sizes.require_equal(m, n, "Last 2 dimensions of the array must be square", "square")
        found = fn(*args)
        return tuple(found) if isinstance(found, list) else found

    def apply(*args: Any) -> Any:
        given = [float_array(a) for a in args]
        complex_matrices.refuse(name, *(() if name.endswith(" of complex matrices") else given))
        for a, r in zip(given, ranks, strict=True):
            if not isinstance(a, Arrayed) or a.ndim < r:
                rank = len(shape_of(a))
                raise errors.LinAlgError(f"{name}: {rank}-dimensional array given. Array must be at least {r}-dimensional ({user_site()})")
        t = common_dtype(given)
        given = [a if a.type.dtype == t else astype(a, t) for a in given]
        kept = [shape_of(a)[a.ndim - r :] for a, r in zip(given, ranks, strict=True)]
        stack = sizes.broadcast([shape_of(a)[: a.ndim - r] for a, r in zip(given, ranks, strict=True)])
        if not stack:
            return one(*given)
        given = [spread(a, [*stack, *s]) for a, s in zip(given, kept, strict=True)]
        total = sizes.product(stack)
        flat = [contiguous(reshaping.reshape(a, [total, *s])) for a, s in zip(given, kept, strict=True)]
        shapes = outs(*(shape_of(a)[1:] for a in flat))
        made = [allocate(PARTS.get(t, t) if i in real else t, (total, *shape), 0) for i, shape in enumerate(shapes)]

        def step(i: Any) -> None:
            result = one(*(a[i] for a in flat))
            for out, x in zip(made, result if isinstance(result, tuple) else (result,), strict=True):
                out[i] = x

        each(total, step)
        found = tuple(reshaping.reshape(o, [*stack, *shape_of(o)[1:]]) for o in made)
        return found[0] if len(found) == 1 else found

    return apply


def _of(name: str, operation: Callable[[Any], Any], outs: Callable[..., list[Any]], square: bool = True) -> Callable[..., Any]:
    """The same of one contiguous matrix."""
    return batched(name, lambda a: operation(contiguous(a)), outs, square=square)


def _by_rows(solve: Callable[[Any], Any], b: Any) -> Any:
    """op(A)^-1 B for an operation that takes B^T and gives X^T; B may be a vector."""
    if b.ndim == 1:
        return drop(solve(contiguous(expand(b, (0,)))), [0])
    return with_axes(solve(contiguous(with_axes(b, (1, 0)))), (1, 0))


_cholesky = _of("cholesky", solving.cholesky, lambda a: [a])
_slogdet = _of("slogdet", lambda a: bind("slogdet", (a,), [(a.type.dtype, ()), (a.type.dtype, ())], fails=False), lambda a: [(), ()])
_eigh = {k: _of("eigh", functools.partial(spectral.eigh, upper=k), lambda a: [a[:1], a]) for k in (0, 1)}
_eigvalsh = _of("eigvalsh", lambda a: spectral.eigh(a)[0], lambda a: [a[:1]])
_svdvals = _of("svdvals", lambda a: spectral.svd(a)[1], lambda a: [(sizes.smaller(*a),)], False)
_complex_det = batched("det of complex matrices", complex_matrices.determinant, lambda a: [()], square=True)
_complex_cholesky = batched("cholesky of complex matrices", complex_matrices.cholesky, lambda a: [a], square=True)
_complex_eigh = {
    k: batched("eigh of complex matrices", functools.partial(complex_spectral.eigh, upper=k), lambda a: [a[:1], a], square=True, real=(0,))
    for k in (0, 1)
}
_complex_eigvalsh = batched(
    "eigvalsh of complex matrices", lambda a: complex_spectral.eigh(a)[0], lambda a: [a[:1]], square=True, real=(0,)
)
_complex_svdvals = batched(
    "svdvals of complex matrices", lambda a: complex_spectral.svd(a, False)[1], lambda a: [(sizes.smaller(*a),)], real=(0,)
)
_nuclear = _of("nuclear", lambda a: spectral.nuclear(a)[0], lambda a: [()], False)


@implements(np.linalg.cholesky)
def cholesky(a: Any, *, upper: bool = False) -> Any:
    if complex_matrices.are_complex(a):
        return np.conjugate(_turned(_complex_cholesky, np.conjugate(as_array(a)), False)) if upper else _complex_cholesky(a)
    return _turned(_cholesky, a, not upper)


def _turned(fn: Callable[[Any], Any], a: Any, lower: bool) -> Any:
    """A factor of the lower triangle, or the upper one of the upper."""
    return fn(a) if lower else swapaxes(fn(swapaxes(a, -1, -2)), -1, -2)


@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    if complex_matrices.are_complex(a, b):
        return complex_matrices.solve(solve, a, b)

    def one(a: Any, b: Any) -> Any:
        sizes.require_equal(shape_of(a)[0], shape_of(b)[0], "solve: the sizes of the matrix and of the right hand side differ")
        return _solved(a, b)

    a, b = as_array(a), as_array(b)
    vector = b.ndim == 1
    return batched("solve_vector" if vector else "solve", one, lambda a, b: [b], (2, 1 if vector else 2), True)(a, b)


def _solved(a: Any, b: Any) -> Any:
    x, trans = _matrices(a, [])
    return _by_rows(lambda bt: solving.lu_solve(x, bt, trans), b)


_inv = batched("inv", lambda a: _solved(a, identity(shape_of(a)[0], a.type.dtype)), lambda a: [a], square=True)


@implements(np.linalg.inv, "scipy.linalg.inv")
def inv(a: Any) -> Any:
    if not complex_matrices.are_complex(a):
        return _inv(a)
    return complex_matrices.of_real(_inv(complex_matrices.as_real(as_array(a))))


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    if complex_matrices.are_complex(a):
        found = _complex_det(a)
        return np.linalg._linalg.SlogdetResult(np.sign(found), np.log(abs(found)))
    return np.linalg._linalg.SlogdetResult(*_slogdet(a))


@implements(np.linalg.det, "scipy.linalg.det")
def det(a: Any) -> Any:
    if complex_matrices.are_complex(a):
        return _complex_det(a)
    sign, log = _slogdet(a)
    return sign * np.exp(log)


def _triangle(a: Any, upper: bool) -> Any:
    """A matrix whose lower triangle is the one that is read."""
    return conjugate(swapaxes(a, -1, -2)) if upper else a


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    upper = UPLO.upper() == "U"
    of = _complex_eigh if complex_matrices.are_complex(a) else _eigh
    return np.linalg._linalg.EighResult(*of[upper](_triangle(a, upper)))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return (_complex_eigvalsh if complex_matrices.are_complex(a) else _eigvalsh)(_triangle(a, UPLO.upper() == "U"))


@implements(np.linalg.svdvals, "scipy.linalg.svdvals")
def svdvals(a: Any) -> Any:
    return (_complex_svdvals if complex_matrices.are_complex(a) else _svdvals)(a)


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
    m, n = shape_of(a)
    none = sizes.is_known(m) and sizes.is_known(n) and sizes.plain(m) <= sizes.plain(n)
    return (x if b.ndim == 2 else drop(x, [1])), sum_(r * r, 0)[: 0 if none else None], rank, s


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, *, rtol: Any = None) -> Any:
    given = rcond if rtol is None else rtol
    cut = 1e-15 if given is None else float(given)
    if complex_matrices.are_complex(a):
        return complex_matrices.of_real(pinv(complex_matrices.as_real(as_array(a)), cut))
    return _of("pinv", lambda a: spectral.pinv(a, cut)[3], lambda a: [(a[1], a[0])], False)(a)


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    if n < 0:
        return matrix_power(inv(a), -n)
    if n == 0:
        a = as_array(a)
        return spread(eye(shape_of(a)[-1], dtype=a.type.dtype), shape_of(a))
    half = matrix_power(a, n // 2) if n > 1 else None
    return a if n == 1 else matmul(half, half) if n % 2 == 0 else matmul(matmul(half, half), a)


def _squared(v: Any) -> Any:
    """|v|^2"""
    return v.real * v.real + v.imag * v.imag if isinstance(v, Complex) else v * v


@implements(np.linalg.norm, "scipy.linalg.norm")
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    x = float_array(x)
    if axis is None and isinstance(x, Arrayed) and (ord is None or (ord == 2 and x.ndim == 1) or (ord == "fro" and x.ndim == 2)):
        return np.sqrt(reduce("sum", x, None, keepdims, _squared))
    if not isinstance(x, Arrayed):
        return abs(x)
    if axis is None and x.ndim > 2:
        raise ValueError(f"Improper number of dimensions to norm. ({user_site()})")
    axis = tuple(range(x.ndim)) if axis is None else axis
    axes = axes_of(axis, x.ndim)
    if len(axes) == 2 and ord not in (None, "fro"):
        i, j = (q % x.ndim for q in axis)
        found = _of_matrices(x, ord, i, j)
        return kernels.put_back(found, axes, x.ndim) if keepdims else found
    if len(axes) == 1 and isinstance(ord, str):
        raise ValueError(f"Invalid norm order '{ord}' for vectors ({user_site()})")
    if ord in (None, 2, "fro"):
        return np.sqrt(reduce("sum", x, axis, keepdims, _squared))
    if ord == 1:
        return reduce("sum", x, axis, keepdims, abs)
    if ord in (math.inf, -math.inf):
        return (max_ if ord > 0 else min_)(abs(x), axis, keepdims=keepdims)
    if ord == 0:
        return reduce("sum", x, axis, keepdims, lambda v: to_type(truth(v), PARTS.get(v.type, v.type)))
    return reduce("sum", x, axis, keepdims, lambda v: table.power(abs(v), float(ord))) ** (1.0 / ord)


def _of_matrices(x: Any, ord: Any, rows: int, columns: int) -> Any:
    if ord in (1, -1, math.inf, -math.inf):
        total = reduce("sum", x, rows if ord in (1, -1) else columns, True, abs)
        return (max_ if ord > 0 else min_)(total, (rows, columns))
    if ord not in (2, -2, "nuc"):
        unsupported(f"norm with ord={ord!r}", "use 1, 2, inf or 'fro'")
    moved = moveaxis(x, (rows, columns), (-2, -1))
    if ord == "nuc":
        return _nuclear(complex_matrices.as_real(moved)) * 0.5 if complex_matrices.are_complex(moved) else _nuclear(moved)
    return (max_ if ord == 2 else min_)(svdvals(moved), -1)


@implements(np.linalg.multi_dot)
def multi_dot(arrays_: Any) -> Any:
    return functools.reduce(dot, arrays_[1:], as_array(arrays_[0]))


@implements("scipy.linalg.solve_triangular")
def solve_triangular(a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False) -> Any:
    code = {"N": 0, "T": 1, "C": 1}.get(trans, trans)

    def one(a: Any, b: Any) -> Any:
        sizes.require_equal(shape_of(a)[0], shape_of(b)[0], "shapes of a and b are incompatible")
        x, turned = _matrices(a, [])
        flags = (1 - code if turned else code, int(unit_diagonal), int(bool(lower) != bool(turned)))
        return _by_rows(lambda bt: solving.trsm(x, bt, *flags), b)

    b = as_array(b)
    return batched("trsm", one, lambda a, b: [b], (2, min(b.ndim, 2)), True)(a, b)


@implements("scipy.linalg.cho_factor")
def cho_factor(a: Any, lower: bool = False) -> Any:
    return _turned(_cholesky, a, lower), lower


@implements("scipy.linalg.cho_solve")
def cho_solve(c_and_lower: Any, b: Any) -> Any:
    c, lower = c_and_lower
    first = solve_triangular(c, b, trans=0 if lower else 1, lower=lower)
    return solve_triangular(c, first, trans=1 if lower else 0, lower=lower)


implements("scipy.linalg.cholesky")(lambda a, lower=False: _turned(_cholesky, a, lower))
implements("scipy.linalg.eigh")(lambda a, *, lower=True: tuple(eigh(a, "L" if lower else "U")))

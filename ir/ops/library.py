"""Operations on whole arrays that are no kernels: matrix products, factorisations, scattering, sorting. One row each.

    gemm(A, B) {ta, tb}            a matrix product, for stacks of matrices too
    cholesky(A)  solve_triangular  solve  slogdet  qr  eigh  svd            LAPACK, one matrix at a time
    scatter(x, i, v) {add}         x[i] = v or x[i] += v, one element after another
    cumsum  argsort  nonzero

A row gives the value by NumPy (for the interpreter), its derivative in both modes as traced code on whole arrays (`jvp`, `vjp`), its
shape rule, and where no library has it a traced program of its own (`program`). The LLVM backend adds the calls of BLAS and LAPACK
(backends/llvm/emit/library.py). Rules have no control flow.

Formulas: M. B. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation" (2008) for solve,
determinants and eigh; I. Murray, "Differentiation of the Cholesky decomposition" (2016); J. Townsend, "Differentiating the singular
value decomposition" (2016); S. F. Walter and L. Lehmann, "Algorithmic differentiation of linear algebra functions" (2010) for qr;
G. H. Golub and V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose variables separate" (1973).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.builder import current_builder
from ..core.op import Elsewhere, Op, Size, Zero, arrays, as_marked, nothing, register, sizes
from ..core.operand import atom_of
from ..core.sites import user_site
from ..core.types import F32, F64, I64, Scalar, Type, array_of
from ..values.values import Arrayed, Traced

Values = Sequence[Any]


def row(
    name: str,
    python: Any,
    jvp: Any = None,
    vjp: Any = None,
    program: Any = None,
    *,
    shape: Any,
    writes: Any = (),
    zero: str = "",
    **facts: Any,
) -> Op:
    """Add a row: `python(*args, **attrs)` gives a tuple. jvp(attrs, args, outs, tangents) gives a tangent (or None) for each out,
    where tangents of inactive args are None; vjp(attrs, args, outs, cotangents, wanted) one for each wanted arg, None elsewhere.

    An operation that writes has no outs for it: its jvp adds to the program what writes the tangents, after the operation itself. Its vjp
    finds what it wrote as it was before, gets the adjoints of that behind the cotangents of the outs, and gives those of before."""
    rule = Zero(zero) if zero else Elsewhere("traced code")
    common: dict[str, Any] = {"reads": arrays, "writes": writes, "aliases": (), "allocates": True, "fails": as_marked, "cost": "heavy",
                              "adjoint": "zero" if zero else "pullback", "effect": "", "late": True}  # fmt: skip
    return register(Op(name, "*:*", python, rule, shape=shape, jvp=jvp, vjp=vjp, program=program, **{**common, **facts}))


# ---- shape rules
def _like(*places: int) -> Any:
    return lambda let: tuple((let.args[i].type.dtype, sizes(let.args[i])) for i in places)


def _product(let: Any) -> Any:
    (a, b), ta, tb = let.args, let.attrs["ta"], let.attrs["tb"]
    x, y = sizes(a), sizes(b)
    return ((a.type.dtype, (*x[:-2], x[-1 if ta else -2], y[-2 if tb else -1])),)


def _factors(*axes: Any) -> Any:
    """Of one matrix: results with its sizes along these axes, None where the smaller one is meant."""
    return lambda let: tuple((let.args[0].type.dtype, tuple(None if i is None else Size(let.args[0], i) for i in kept)) for kept in axes)


def bind(name: str, args: Sequence[Any], outs: Sequence[tuple[Scalar, Sequence[Any]]], fails: bool = True, **attrs: Any) -> list[Any]:
    """The operation in the graph. `outs` are (dtype, sizes), sizes None where the operation finds them; () is a scalar."""
    from ..values.kernels import whole
    from ..values.views import contiguous

    builder = current_builder()
    atoms = []
    for a in args:
        a = contiguous(a) if isinstance(a, Arrayed) else a
        atoms.append(builder.use(a.atom, a.builder) if isinstance(a, (Arrayed, Traced)) else atom_of(a, TABLE_TYPES[type(a)], builder))
    types: list[Type] = [t if shape == () else array_of(t, len(shape)) for t, shape in outs]
    made = builder.emit(name, tuple(atoms), tuple(types), {**attrs, "fails": fails}, user_site(LINALG.get(name, "")))
    results: list[Any] = []
    for v, (_, shape) in zip(made, outs, strict=True):
        if isinstance(v.type, Scalar):
            results.append(Traced(v, builder))
        elif any(n is None for n in shape):
            array = Arrayed(v, builder)
            array.fresh = True
            results.append(array)
        else:
            results.append(whole(v, list(shape)))
    return results


# ---- matrix products
def _gemm(a: Any, b: Any, ta: int, tb: int) -> tuple[Any]:
    return (np.matmul(np.swapaxes(a, -1, -2) if ta else a, np.swapaxes(b, -1, -2) if tb else b),)


def gemm(a: Any, b: Any, ta: int = 0, tb: int = 0) -> Any:
    """op(a) @ op(b) for whole arrays of the same rank and the same stack sizes."""
    from ..values.sizes import require_equal

    x, y = list(a.shape), list(b.shape)
    m, k = (x[-1], x[-2]) if ta else (x[-2], x[-1])
    k2, n = (y[-1], y[-2]) if tb else (y[-2], y[-1])
    require_equal(k, k2, "matmul: the inner sizes of the matrices differ")
    (out,) = bind("gemm", (a, b), [(a.type.dtype, (*x[:-2], m, n))], fails=False, ta=int(ta), tb=int(tb))
    return out


def _add(*terms: Any) -> Any:
    found = [t for t in terms if t is not None]
    out = found[0]
    for t in found[1:]:
        out = out + t
    return out


def _gemm_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    (a, b), (ta, tb) = args, tangents
    flags = attrs["ta"], attrs["tb"]
    return (_add(gemm(ta, b, *flags) if ta is not None else None, gemm(a, tb, *flags) if tb is not None else None),)


row("gemm", _gemm, _gemm_jvp, shape=_product, adjoint="own")


# ---- scattering
def _scatter(x: Any, index: Any, v: Any, add: int) -> tuple[()]:
    for i, value in zip(index.ravel(), np.broadcast_to(v, index.shape).ravel(), strict=True):
        x[i] = x[i] + value if add else value
    return ()


def _scatter_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    _x, index, v = args
    tx, _, tv = tangents
    if tx is not None:
        bind("scatter", (tx, index, tv if tv is not None else _zeros_like(v)), [], fails=False, add=attrs["add"])
    return ()


def _zeros_like(a: Any) -> Any:
    from ..values.arrays import allocate

    return allocate(a.type.dtype, a.shape, 0)


row("scatter", _scatter, _scatter_jvp, shape=nothing, writes=(0,), adjoint="own")


# ---- running sums, along the last axis of a matrix
def _cumsum(x: Any, reverse: int) -> tuple[Any]:
    return (np.flip(np.cumsum(np.flip(x, -1), -1, dtype=x.dtype), -1) if reverse else np.cumsum(x, -1, dtype=x.dtype),)


def cumsum(x: Any, reverse: int = 0) -> Any:
    return bind("cumsum", (x,), [(x.type.dtype, x.shape)], fails=False, reverse=reverse)[0]


row("cumsum", _cumsum, lambda attrs, args, outs, ts: (cumsum(ts[0], attrs["reverse"]),),
    lambda attrs, args, outs, cs, wanted: (cumsum(cs[0], 1 - attrs["reverse"]),), shape=_like(0))  # fmt: skip


# ---- positions: integers, and no derivative
POSITIONS = "the result is an integer"


def _nonzero_program(mask: Any) -> Any:
    from ..values.arrays import allocate
    from ..values.kernels import reduce
    from . import table

    n = reduce("sum", mask, fn=lambda x: table.convert(x, to=I64))
    out = allocate(I64, (n,), 0)
    _fill_positions(mask, out)
    return out


def _fill_positions(mask: Any, out: Any) -> None:
    from ..staging.branches import if_
    from ..staging.loops import each
    from ..staging.paths import Scope
    from . import table

    cell = [constant_int(0)]
    scope = Scope(("count",), lambda: (cell[0],), lambda v: cell.__setitem__(0, v[0]))

    def one(i: Any) -> None:
        def yes() -> None:
            out[cell[0]] = i
            cell[0] = table.iadd(cell[0], 1)

        if_(mask[i], yes, lambda: None, scope)

    each(mask.shape[0], one, scope)


def constant_int(n: int) -> Any:
    from ..values.values import constant

    return constant(n)


row("nonzero", lambda mask: np.nonzero(mask), program=_nonzero_program, shape=lambda let: ((I64, (None,)),) * len(let.outs), zero=POSITIONS)


def _argsort_program(x: Any) -> Any:
    from ..numpy.sorting import argsort_rows

    return argsort_rows(x)


row(
    "argsort",
    lambda x: (np.argsort(x, -1, kind="stable"),),
    program=_argsort_program,
    shape=lambda let: ((I64, sizes(let.args[0])),),
    zero=POSITIONS,
)


# ---- triangular and general systems
def _t(a: Any) -> Any:
    from ..values.views import with_axes

    return with_axes(a, (1, 0))


def mm(a: Any, b: Any) -> Any:
    from ..numpy.products import matmul

    return matmul(a, b)


def _low(a: Any, k: int = 0) -> Any:
    from ..numpy.shaping import tril

    return tril(a, k)


def _half(a: Any) -> Any:
    """The lower triangle with half of the diagonal."""
    from ..values.kernels import elementwise_with_index
    from . import table

    return elementwise_with_index(lambda v, i, j: table.select(table.igt(i, j), v, table.select(table.ieq(i, j), v * 0.5, v * 0.0)), a)


def trsm(a: Any, bt: Any, trans: int = 0, unit: int = 0, lower: int = 1) -> Any:
    """X^T for op(A) X = B, from B^T: A n x n triangular, B^T k x n."""
    return bind("trsm", (a, bt), [(a.type.dtype, tuple(bt.shape))], trans=trans, unit=unit, lower=lower)[0]


def _trsm(a: Any, bt: Any, trans: int, unit: int, lower: int) -> tuple[Any]:
    import scipy.linalg

    if a.shape[0] and not unit and np.any(np.diagonal(a) == 0):
        raise np.linalg.LinAlgError("singular matrix")
    if not bt.size:
        return (bt.copy(),)
    return (scipy.linalg.solve_triangular(a, bt.T, trans=trans, lower=bool(lower), unit_diagonal=bool(unit), check_finite=False).T,)


def _triangle(a: Any, attrs: Any) -> Any:
    from ..numpy.shaping import tril, triu

    if attrs["unit"]:
        return tril(a, -1) if attrs["lower"] else triu(a, 1)
    return tril(a) if attrs["lower"] else triu(a)


def _flags(attrs: Any) -> dict[str, int]:
    return {k: attrs[k] for k in ("trans", "unit", "lower")}


def _trsm_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    (a, _), (xt,), (ta, tb) = args, outs, tangents
    if ta is not None:
        ta = _triangle(ta, attrs)
        product = mm(xt, ta) if attrs["trans"] else mm(xt, _t(ta))
        tb = -product if tb is None else tb - product
    return (trsm(a, tb, **_flags(attrs)),)


def _trsm_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    (a, _), (xt,), (d,) = args, outs, cotangents
    dbt = trsm(a, d, 1 - attrs["trans"], attrs["unit"], attrs["lower"])
    da = None
    if wanted[0]:
        da = _triangle(-(mm(_t(xt), dbt) if attrs["trans"] else mm(_t(dbt), xt)), attrs)
    return da, dbt


row("trsm", _trsm, _trsm_jvp, _trsm_vjp, shape=_like(1))


def _trmm(a: Any, b: Any) -> tuple[Any]:
    return (np.tril(a).T @ b,)


row("trmm", _trmm, shape=_like(1), zero="it is used in rules alone, which are not differentiated")  # L^T B for a lower triangular L


def lu_solve(a: Any, bt: Any, trans: int = 0) -> Any:
    """X^T for op(A) X = B, from B^T."""
    return bind("lu_solve", (a, bt), [(a.type.dtype, tuple(bt.shape))], trans=trans)[0]


def _lu_solve(a: Any, bt: Any, trans: int) -> tuple[Any]:
    return (np.linalg.solve(a.T if trans else a, bt.T).T,)


def _lu_solve_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    (a, _), (xt,), (ta, tb) = args, outs, tangents
    if ta is not None:
        product = mm(xt, ta) if attrs["trans"] else mm(xt, _t(ta))
        tb = -product if tb is None else tb - product
    return (lu_solve(a, tb, attrs["trans"]),)


def _lu_solve_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    (a, _), (xt,), (d,) = args, outs, cotangents
    dbt = lu_solve(a, d, 1 - attrs["trans"])
    da = None
    if wanted[0]:
        da = -(mm(_t(xt), dbt) if attrs["trans"] else mm(_t(dbt), xt))
    return da, dbt


row("lu_solve", _lu_solve, _lu_solve_jvp, _lu_solve_vjp, shape=_like(1))


def _inverse_transposed(a: Any) -> Any:
    from ..numpy.creation import identity

    return lu_solve(a, identity(a.shape[0], a.type.dtype))


row(
    "slogdet",
    lambda a: tuple(np.linalg.slogdet(a)),
    lambda attrs, args, outs, ts: (None, (_inverse_transposed(args[0]) * ts[0]).sum()),
    lambda attrs, args, outs, cs, wanted: (_inverse_transposed(args[0]) * cs[1],),
    shape=_factors((), ()),
)


# ---- factorisations
def cholesky(a: Any) -> Any:
    return bind("cholesky", (a,), [(a.type.dtype, tuple(a.shape))])[0]


def _inner(l: Any, m: Any) -> Any:  # noqa: E741  # the usual name
    """L^-1 M L^-T for a symmetric M."""
    half = _t(trsm(l, _t(m)))  # L^-1 M
    return trsm(l, half)  # (L^-1 (L^-1 M)^T)^T


def _cholesky_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    (l,), (ta,) = outs, tangents  # noqa: E741
    symmetric = _low(ta) + _t(_low(ta, -1))
    return (mm(l, _half(_inner(l, symmetric))),)


def _cholesky_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    (l,), (d,) = outs, cotangents  # noqa: E741
    p = _half(bind("trmm", (l, _low(d)), [(l.type.dtype, tuple(l.shape))], fails=False)[0])
    # S = L^-T P L^-1; numpy.linalg.cholesky reads the lower triangle alone
    s = trsm(l, _t(trsm(l, _t(p), 1)), 1)
    return (_lower_only(s),)


def _lower_only(s: Any) -> Any:
    """The cotangent of a symmetric matrix of which only the lower triangle is read."""
    total = s + _t(s)
    return _low(total) - _diagonal_matrix(s)


def _diagonal_matrix(s: Any) -> Any:
    from ..values.kernels import elementwise_with_index
    from . import table

    return elementwise_with_index(lambda v, i, j: table.select(table.ieq(i, j), v, v * 0.0), s)


row("cholesky", lambda a: (np.linalg.cholesky(a),), _cholesky_jvp, _cholesky_vjp, shape=_like(0))


# ---- equal and nearly equal values
# A derivative divides by gaps between eigenvalues (singular values). What it divides is a difference that cancels with the gap
# where the whole function is smooth, so that the quotient has an error of eps / gap, and one of order k an error of eps / gap^k.
# No rule knows the function around it: where that error may exceed `_tolerance` the derivative is NaN, never a number.
def _eps(t: Scalar) -> float:
    from ..core.types import NUMPY_DTYPES

    return float(np.finfo(NUMPY_DTYPES[t]).eps)


def _tolerance(t: Scalar) -> float:
    """The relative error that a derivative may have: 1.3e-6 in float64, 2.5e-3 in float32."""
    return float(_eps(t) ** 0.375)


def _closest(t: Scalar, order: int = 1) -> float:
    """Values nearer than this, relative to the largest, are taken for equal at derivatives of an order: 1.7e-10, 4.7e-5 in float32."""
    return float((_eps(t) / _tolerance(t)) ** (1 / order))


def _greatest(*arrays_: Any) -> Any:
    """The largest magnitude, which has no derivative."""
    from ..values.kernels import reduce

    out, *rest = (reduce("max", a, None, False, abs) for a in arrays_)
    for x in rest:
        out = _larger(x, out)
    return out


def _larger(x: Any, y: Any) -> Any:
    from . import table

    return table.select(table.gt(x, y), x, y)


def _pairs(fn: Callable[..., Any], w: Any, *more: Any) -> Any:
    """The matrix of fn(w_i, w_j, is i == j, *more); `more` are scalars, or vectors, of which fn gets the elements i and j."""
    from ..numpy.creation import identity
    from ..values.kernels import elementwise
    from ..values.reshaping import expand
    from . import table

    given: list[Any] = [expand(w, (1,)), expand(w, (0,)), identity(w.shape[0], w.type.dtype)]
    for x in more:
        given += [expand(x, (1,)), expand(x, (0,))] if isinstance(x, Arrayed) else [x]
    return elementwise(lambda x, y, one, *xs: fn(x, y, table.eq(one, 1.0), *xs), *given, name="pairs")


def _quotient(x: Any, none: Any, instead: float) -> Any:
    """1 / x, or `instead` where there is none."""
    from . import table

    return table.select(none, x * 0.0 + instead, 1.0 / table.select(none, x * 0.0 + 1.0, x))


def _gaps(w: Any, order: int, instead: float, sign: float = -1.0) -> Any:
    """F[i, j] = 1 / (w_j - w_i), or 1 / (w_j + w_i): 0 on the diagonal, `instead` where the two are equal to working precision."""
    from . import table

    def one(x: Any, y: Any, same: Any, cut: Any) -> Any:
        gap = y + x * sign
        found = _quotient(gap, table.le(abs(gap), cut), instead)
        return table.select(same, found * 0.0 if instead == 0.0 else x * 0.0, found)

    return _pairs(one, w, _greatest(w) * _closest(w.type.dtype, order))


def _reciprocal(s: Any, order: int) -> Any:
    """1 / s, NaN where s is 0 to working precision."""
    from ..values.kernels import elementwise
    from . import table

    return elementwise(
        lambda x, c: _quotient(x, table.le(x, c), np.nan), s, _greatest(s) * _closest(s.type.dtype, order), name="reciprocal"
    )


def _unless(good: Any, x: Any) -> Any:
    """0 where good, else NaN, in x's type."""
    from . import table

    return table.select(good, x * 0.0, x * 0.0 + np.nan)


def _split(w: Any, c: Any) -> Any:
    """Cotangents (or tangents) c of eigenvalues w: NaN where they differ for equal values, because the sum of equal values has a
    derivative and none of them alone does."""
    from ..values.kernels import reduce
    from . import table

    t = w.type.dtype

    def one(x: Any, y: Any, same: Any, cut: Any, p: Any, q: Any, most: Any) -> Any:
        return table.select(table.le(abs(y - x), cut), _unless(table.le(abs(p - q), most), x), x * 0.0)

    wrong = _pairs(one, w, _greatest(w) * _closest(t), c, _greatest(c) * _tolerance(t))
    return c + reduce("sum", wrong, 1)


def _mixed(w: Any, m: Any) -> Any:
    """The tangents m_ii of eigenvalues w, NaN where equal values part: where the symmetric m is no multiple of 1 among them."""
    from ..numpy.axes import diagonal
    from ..values.kernels import elementwise, reduce
    from ..values.reshaping import expand
    from . import table

    t, d = w.type.dtype, diagonal(m)

    def one(x: Any, y: Any, p: Any, q: Any, r: Any, cut: Any, most: Any) -> Any:
        return table.select(table.le(abs(y - x), cut), _unless(table.le(abs(p - q) + abs(r), most), x), x * 0.0)

    given = expand(w, (1,)), expand(w, (0,)), expand(d, (1,)), expand(d, (0,)), m - _diagonal_matrix(m)
    wrong = elementwise(one, *given, _greatest(w) * _closest(t), _greatest(m) * (_eps(t) * 1000), name="pairs")
    return d + reduce("sum", wrong, 1)


def _trusted(inner: Any, f: Any, largest: Any, order: int, size: Any, total: Any) -> Any:
    """`inner`, NaN where the error of dividing terms of a size by a gap may exceed the tolerance: relative to the derivative, whose
    size is `total`, or to what it would be were the gap as large as the values."""
    from ..values.kernels import elementwise
    from . import table

    t = inner.type.dtype
    total = _larger(total * largest, size) * _tolerance(t)

    def one(x: Any, f: Any, w: Any, size: Any, total: Any) -> Any:
        error = size * (4 * _eps(t))
        for _ in range(order):
            error = error * (abs(f) * w)
        return x + _unless(table.le(error, total), x)

    return elementwise(one, inner, f, largest, size, total, name="trusted")


def _eigh_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    (w, v), (ta,) = outs, tangents
    m = mm(mm(_t(v), _low(ta) + _t(_low(ta, -1))), v)
    return _mixed(w, m), mm(v, _gaps(w, attrs["order"], np.nan) * m)


def _eigh_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    from ..numpy.shaping import diag

    (w, v), (dw, dv) = outs, cotangents
    if dw is None and dv is None:
        return (_zeros_like(v),)
    if dv is None:
        inner = diag(_split(w, dw))
    else:
        k, f = mm(_t(v), dv), _gaps(w, 1, 0.0)
        inner = _add(f * (k - _t(k)) * 0.5, diag(dw) if dw is not None else None)
        inner = _trusted(inner, f, _greatest(w), attrs["order"], _greatest(k), _greatest(inner)) + _gaps(w, 1, np.nan) * 0.0
    full = mm(mm(v, inner), _t(v))
    return (_lower_only((full + _t(full)) * 0.5),)


def eigh(a: Any) -> Any:
    n = a.shape[0]
    return bind("eigh", (a,), [(a.type.dtype, (n,)), (a.type.dtype, (n, n))], order=1)


row("eigh", lambda a, order: tuple(np.linalg.eigh(a)), _eigh_jvp, _eigh_vjp, shape=_factors((0,), (0, 0)), unread=True)


def _svd_outs(a: Any) -> list[Any]:
    from ..values.sizes import smaller

    m, n = a.shape
    k, t = smaller(m, n), a.type.dtype
    return [(t, (m, k)), (t, (k,)), (t, (k, n))]


def svd(a: Any, fails: bool = True) -> Any:
    """U, s, V^T with min(m, n) columns and rows. One that `fails` stays in the program even if nobody reads it."""
    return bind("svd", (a,), _svd_outs(a), fails, order=1)


def _beside(a: Any, n: Any, k: Any, s: Any, order: int) -> Any:
    """a_j / s_j for columns beside the k singular vectors, of which there are n - k: none of a square matrix."""
    from ..values import sizes
    from ..values.kernels import elementwise
    from ..values.reshaping import expand
    from . import table

    if sizes.same(n, k):
        return None
    none = table.ieq(*sizes._both(n, k))
    return elementwise(lambda x, r, none: table.select(none, x * 0.0, x * table.select(none, r * 0.0, r)), a, expand(_reciprocal(s, order), (0,)), none,
                       name="beside")  # fmt: skip


def _svd_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    """The parts of U^T dA V that are symmetric and antisymmetric divide by differences and by sums of singular values."""
    (u, s, vt), (ta,), order = outs, tangents, attrs["order"]
    (m, n), k = args[0].shape, s.shape[0]
    v, ut = _t(vt), _t(u)
    p = mm(mm(ut, ta), v)
    even = _gaps(s, order, np.nan) * (p + _t(p)) * 0.5
    odd = _gaps(s, order, np.nan, 1.0) * (p - _t(p)) * 0.5
    tv, tav = mm(_t(ta), u), mm(ta, v)
    du = _add(mm(u, even + odd), _beside(tav - mm(u, mm(ut, tav)), m, k, s, order))
    dv = _add(mm(v, even - odd), _beside(tv - mm(v, mm(vt, tv)), n, k, s, order))
    return du, _mixed(s, (p + _t(p)) * 0.5) + _reciprocal(s, 1) * 0.0, _t(dv)


def _svd_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    from ..numpy.shaping import diag

    (u, s, vt), (du, ds, dvt), order = outs, cotangents, attrs["order"]
    if du is None and ds is None and dvt is None:
        return (_zeros_like(args[0]),)
    if du is None and dvt is None:
        return (mm(mm(u, diag(_of_zero(s, _split(s, ds)))), vt),)
    (m, n), k = args[0].shape, s.shape[0]
    none = _zeros_like(mm(vt, _t(vt)))
    ku, kv = none if du is None else mm(_t(u), du), none if dvt is None else mm(vt, _t(dvt))
    nu, nv = ku - _t(ku), kv - _t(kv)
    f, g = _gaps(s, 1, 0.0), _gaps(s, 1, 0.0, 1.0)
    inner = _add(f * (nu + nv) * 0.5 + g * (nu - nv) * 0.5, diag(ds) if ds is not None else None)
    left = _beside(du - mm(u, ku), m, k, s, 1) if du is not None else None
    right = _beside(_t(dvt) - mm(_t(vt), kv), n, k, s, 1) if dvt is not None else None
    size, total, largest = _greatest(ku, kv), _greatest(*(x for x in (inner, left, right) if x is not None)), _greatest(s)
    inner = _trusted(_trusted(inner, f, largest, order, size, total), g, largest, order, size, total)
    inner = inner + _gaps(s, 1, np.nan) * 0.0 + _gaps(s, 1, np.nan, 1.0) * 0.0
    parts = [mm(mm(u, inner), vt), mm(left, vt) if left is not None else None, mm(u, _t(right)) if right is not None else None]
    return (_add(*parts),)


def _of_zero(s: Any, c: Any) -> Any:
    """Cotangents of singular values: NaN where one that is 0 has one, because s is then no smoother than a norm at 0."""
    from ..values.kernels import elementwise
    from . import table

    t = s.type.dtype

    def one(x: Any, c: Any, cut: Any, most: Any) -> Any:
        return c + table.select(table.le(x, cut), _unless(table.le(abs(c), most), x), x * 0.0)

    return elementwise(one, s, c, _greatest(s) * _closest(t), _greatest(c) * _tolerance(t), name="of_zero")


row(
    "svd",
    lambda a, order: tuple(np.linalg.svd(a, full_matrices=False)),
    _svd_jvp,
    _svd_vjp,
    shape=_factors((0, None), (None,), (None, 1)),
    unread=True,
)


# ---- functions of the singular value decomposition that divide by no gap
def pinv(a: Any, rcond: float) -> Any:
    """U, s, V^T and the pseudo-inverse, of the singular values above rcond times the largest (rcond < 0: max(m, n) eps)."""
    m, n = a.shape
    return bind("pinv", (a,), [*_svd_outs(a), (a.type.dtype, (n, m))], rcond=rcond, order=1)


def _cut(a: Any, s: Any, rcond: float) -> Any:
    from ..values.sizes import lifted
    from ..values.values import to_type
    from . import table

    m, n = lifted(*a.shape)
    t = a.type.dtype
    return _greatest(s) * (to_type(table.select(table.igt(m, n), m, n), t) * _eps(t) if rcond < 0 else rcond)


def _pinv_program(a: Any, rcond: float, order: int) -> Any:
    from ..values.kernels import elementwise
    from ..values.reshaping import expand
    from . import table

    u, s, vt = svd(a)
    d = elementwise(lambda x, c: _quotient(x, table.le(x, c), 0.0), s, _cut(a, s, rcond), name="reciprocal")
    return u, s, vt, mm(_t(vt), expand(d, (1,)) * _t(u))


def _pinv(a: Any, rcond: float, order: int) -> tuple[Any, ...]:
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    cut = s.max(initial=0.0) * (max(a.shape) * np.finfo(a.dtype).eps if rcond < 0 else rcond)
    d = np.where(s > cut, 1 / np.where(s > cut, s, 1), 0).astype(a.dtype)
    return u, s, vt, vt.T @ (d[:, None] * u.T)


def _pinv_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    """Golub and Pereyra's, for a matrix that keeps its rank."""
    (a,), (*parts, p), (ta,) = args, outs, tangents
    tt, pt = _t(ta), _t(p)
    left, right = mm(mm(p, pt), tt), mm(tt, mm(pt, p))
    total = left - mm(mm(left, a), p) + right - mm(p, mm(a, right)) - mm(mm(p, ta), p)
    return *_svd_jvp(attrs, args, parts, tangents), total


def _pinv_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    (a,), (*parts, p), (*of_parts, d) = args, outs, cotangents
    total = _svd_vjp(attrs, args, parts, of_parts, wanted)[0] if any(c is not None for c in of_parts) else None
    if d is not None:
        dt, pt = _t(d), _t(p)
        left, right = mm(dt, mm(p, pt)), mm(mm(pt, p), dt)
        total = _add(total, left - mm(a, mm(p, left)), right - mm(mm(right, p), a), -mm(mm(pt, d), pt))
    return (total,)


row("pinv", _pinv, _pinv_jvp, _pinv_vjp, _pinv_program, shape=_factors((0, None), (None,), (None, 1), (1, 0)), unread=True)


def nuclear(a: Any) -> Any:
    """The sum of the singular values and its gradient, the polar factor U V^T: NaN without full rank."""
    return bind("nuclear", (a,), [(a.type.dtype, ()), (a.type.dtype, tuple(a.shape))])


def _nuclear_program(a: Any) -> Any:
    from ..values.reshaping import expand

    u, s, vt = svd(a)
    return s.sum(), mm(u + expand(_reciprocal(s, 1) * 0.0, (0,)), vt)


def _nuclear(a: Any) -> tuple[Any, ...]:
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    bad = s <= s.max(initial=0.0) * _closest(F32 if a.dtype == np.float32 else F64)
    return s.sum(), (u + np.where(bad, np.nan, 0).astype(a.dtype)) @ vt


def _polar(a: Any, d: Any) -> Any:
    """The derivative of U V^T along d, a self-adjoint map: sums of singular values stand below, and no gaps."""
    u, s, vt = svd(a, False)
    (m, n), k = a.shape, s.shape[0]
    v, ut = _t(vt), _t(u)
    p, dv, du = mm(mm(ut, d), v), mm(d, v), mm(_t(d), u)
    left = _beside(dv - mm(u, mm(ut, dv)), m, k, s, 1)
    right = _beside(du - mm(v, mm(vt, du)), n, k, s, 1)
    inner = mm(u, _gaps(s, 1, np.nan, 1.0) * (p - _t(p)))
    return _add(mm(_add(inner, left), vt), mm(u, _t(right)) if right is not None else None)


def _nuclear_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    return (outs[1] * tangents[0]).sum(), _polar(args[0], tangents[0])


def _nuclear_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    d, dq = cotangents
    return (_add(outs[1] * d if d is not None else None, _polar(args[0], dq) if dq is not None else None),)


row("nuclear", _nuclear, _nuclear_jvp, _nuclear_vjp, _nuclear_program, shape=_factors((), (0, 1)), unread=True)


def qr(a: Any) -> Any:
    """Q, R of a matrix with at least as many rows as columns."""
    m, n = a.shape
    t = a.type.dtype
    return bind("qr", (a,), [(t, (m, n)), (t, (n, n))])


def _qr_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    (q, r), (ta,) = outs, tangents
    x = trsm(r, ta, 1, 0, 0)  # dA R^-1
    qtx = mm(_t(q), x)
    lower = _low(qtx, -1)
    omega = lower - _t(lower)
    return mm(q, omega - qtx) + x, mm(qtx - omega, r)


def _qr_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    (q, r), (dq, dr) = outs, cotangents
    m = mm(r, _t(dr)) - mm(_t(dq), q)
    sym = _low(m) + _t(_low(m, -1))
    return (trsm(r, dq + mm(q, sym), 0, 0, 0),)


row("qr", lambda a: tuple(np.linalg.qr(a)), _qr_jvp, _qr_vjp, shape=_factors((0, 1), (1, 1)))

LINALG = {"cholesky": "Matrix is not positive definite", "lu_solve": "Singular matrix", "trsm": "singular matrix", "eigh": "Eigenvalues did not converge",
          "svd": "SVD did not converge", "qr": "Incorrect argument found in performing QR factorization"}  # fmt: skip
TABLE_TYPES: dict[type, Any] = {}

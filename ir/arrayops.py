"""Operations on whole arrays that are no kernels: matrix products, factorisations, scattering, sorting. One row each.

    gemm(A, B) {ta, tb}            a matrix product, for stacks of matrices too
    cholesky(A)  solve_triangular  solve  slogdet  qr  eigh  svd            LAPACK, one matrix at a time
    scatter(x, i, v) {add}         x[i] = v or x[i] += v, one element after another
    cumsum  argsort  nonzero  search

A row gives the value by NumPy (`python`, for the interpreter), its derivative in both modes as traced code on whole arrays
(`jvp`, `vjp`), and where no library has it a traced program of its own (`program`). The LLVM backend adds the calls of BLAS
and LAPACK (backends/llvm/arrayops.py). Rules have no control flow.

Formulas: M. B. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation" (2008) for solve,
determinants and eigh; I. Murray, "Differentiation of the Cholesky decomposition" (2016); J. Townsend, "Differentiating the singular
value decomposition" (2016); S. F. Walter and L. Lehmann, "Algorithmic differentiation of linear algebra functions" (2010) for qr.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .builder import current_builder, derived_from, tracing, user_site
from .graph import Const, Let, Program, Var
from .graph import Return as GraphReturn
from .kernel import WRITING
from .ops import Elsewhere, Op, Zero, register
from .types import Array, Scalar, Type, array_of, carries_gradient
from .values import Arrayed, Traced, atom_of

Values = Sequence[Any]


@dataclass(frozen=True)
class ArrayOp:
    """One operation. `python(*args, **attrs)` gives a tuple. jvp(attrs, args, outs, tangents) gives a tangent (or None) for
    each out, where tangents of inactive args are None; vjp(attrs, args, outs, cotangents, wanted) one for each wanted arg,
    None elsewhere."""

    name: str
    python: Callable[..., tuple[Any, ...]]
    jvp: Callable[..., tuple[Any, ...]] | None = None
    vjp: Callable[..., tuple[Any, ...]] | None = None
    program: Callable[..., Any] | None = None
    writes: bool = False


ARRAY_OPS: dict[str, ArrayOp] = {}


def row(name: str, python: Any, jvp: Any = None, vjp: Any = None, program: Any = None, writes: bool = False, zero: str = "") -> ArrayOp:
    """Add a row. One without derivatives must say why they are zero."""
    if (jvp is None or vjp is None) and not zero:
        raise ValueError(f"array operation {name!r} has no derivative and does not say why")
    rule = Zero(zero) if zero else Elsewhere("arrayops.py")
    register(Op(name, "*:*", lambda m, *xs: None, rule, may_fail=True))
    op = ARRAY_OPS[name] = ArrayOp(name, python, jvp, vjp, program, writes)
    if writes:
        WRITING[name] = lambda let: True
    return op


def bind(name: str, args: Sequence[Any], outs: Sequence[tuple[Scalar, Sequence[Any]]], fails: bool = True, **attrs: Any) -> list[Any]:
    """The operation in the graph. `outs` are (dtype, sizes), sizes None where the operation finds them; () is a scalar."""
    from .arrays import contiguous, whole

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


# ---- rules in the graph
def lifted(builder: Any, v: Any) -> Any:
    if isinstance(v, Var):
        return Arrayed(v, builder) if isinstance(v.type, Array) else Traced(v, builder)
    return Traced(v, None)


def array_tangents(forward: Any, let: Let) -> None:
    """Tangents of an array operation's outs (jvp.py)."""
    op, builder = ARRAY_OPS[let.op], forward.builder
    args = [lifted(builder, forward.atom(a)) for a in let.args]
    outs = [lifted(builder, forward.values[o]) for o in let.outs]
    tangents = [lifted(builder, forward.tangent(a)) if a in forward.activity else None for a in let.args]
    assert op.jvp is not None
    with derived_from(let.site):
        for o, t in zip(let.outs, op.jvp(dict(let.attrs), args, outs, tangents), strict=True):
            if o not in forward.activity:
                continue
            if t is None:
                forward.tangents[o] = forward.zeros(forward.values[o]) if isinstance(o.type, Array) else Const(0.0, o.type)
            else:
                forward.tangents[o] = builder.use(t.atom, t.builder)


def pull_function(program: Program, let: Let, wanted: Sequence[bool]) -> str:
    """The name of a function (args, outs, cotangents of the float outs) -> cotangents of the wanted args."""
    op = ARRAY_OPS[let.op]
    attrs = ".".join(f"{k}_{v}".replace("-", "m") for k, v in let.attrs.items() if k != "fails")
    kinds = "_".join(str(a.type).replace("[", "").replace("]", "").replace(", ", "").replace("?", "x") for a in let.args)
    marks = "".join("x" if w else "o" for w in wanted)
    name = f"pull.{let.op}.{attrs}.{kinds}.{marks}".replace("..", ".")
    if name in program.functions:
        return name
    with tracing(program) as trace, trace.building("pull") as builder, derived_from(let.site):
        builder.name = name
        args = [lifted(builder, builder.parameter(a.type)) for a in let.args]
        outs = [lifted(builder, builder.parameter(o.type)) for o in let.outs]
        cotangents = [lifted(builder, builder.parameter(o.type)) if carries_gradient(o.type) else None for o in let.outs]
        assert op.vjp is not None
        found = op.vjp(dict(let.attrs), args, outs, cotangents, list(wanted))
        results = [d for d, w in zip(found, wanted, strict=True) if w]
        atoms = tuple(builder.use(d.atom, d.builder) for d in results)
        builder.terminate(GraphReturn(atoms))
        program.functions[name] = builder.finish(tuple(a.type for a in atoms))
    _clean(program, name)
    return name


def library_function(program: Program, let: Let) -> str:
    """The name of the traced program of an operation that no library has."""
    op = ARRAY_OPS[let.op]
    kinds = "_".join(str(a.type).replace("[", "").replace("]", "").replace(", ", "").replace("?", "x") for a in let.args)
    attrs = "".join(f".{k}_{v}".replace("-", "m") for k, v in let.attrs.items() if k != "fails")
    name = f"library.{let.op}.{kinds}{attrs}"
    if name not in program.functions:
        with tracing(program) as trace, trace.building("library") as builder, derived_from(let.site):
            builder.name = name
            args = [lifted(builder, builder.parameter(a.type)) for a in let.args]
            assert op.program is not None
            result = op.program(*args, **{k: v for k, v in let.attrs.items() if k != "fails"})
            results = result if isinstance(result, tuple) else (result,)
            atoms = tuple(builder.use(r.atom, r.builder) for r in results)
            builder.terminate(GraphReturn(atoms))
            program.functions[name] = builder.finish(tuple(a.type for a in atoms))
        _clean(program, name)
    return name


def _clean(program: Program, name: str) -> None:
    from .activity import Aliases
    from .fuse import _Fusion
    from .simplify import simplify_function

    simplify_function(program.functions[name])
    _Fusion(program, program.functions[name], Aliases(program)).run()
    simplify_function(program.functions[name])


# ---- matrix products
def _gemm(a: Any, b: Any, ta: int, tb: int, fails: bool = False) -> tuple[Any]:
    return (np.matmul(np.swapaxes(a, -1, -2) if ta else a, np.swapaxes(b, -1, -2) if tb else b),)


def gemm(a: Any, b: Any, ta: int = 0, tb: int = 0) -> Any:
    """op(a) @ op(b) for whole arrays of the same rank and the same stack sizes."""
    from .sizes import require_equal

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


def _gemm_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    (a, b), (d,), ta, tb = args, cotangents, attrs["ta"], attrs["tb"]
    da = (gemm(b, d, tb, 1) if ta else gemm(d, b, 0, 1 - tb)) if wanted[0] else None
    db = (gemm(d, a, 1, ta) if tb else gemm(a, d, 1 - ta, 0)) if wanted[1] else None
    return da, db


row("gemm", _gemm, _gemm_jvp, _gemm_vjp)


# ---- scattering
def _scatter(x: Any, index: Any, v: Any, add: int, fails: bool = False) -> tuple[()]:
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
    from .values import allocate

    return allocate(a.type.dtype, a.shape, 0)


row("scatter", _scatter, _scatter_jvp, lambda *a: (), writes=True)


# ---- running sums, along the last axis of a matrix
def _cumsum(x: Any, reverse: int, fails: bool = False) -> tuple[Any]:
    return (np.flip(np.cumsum(np.flip(x, -1), -1, dtype=x.dtype), -1) if reverse else np.cumsum(x, -1, dtype=x.dtype),)


def cumsum(x: Any, reverse: int = 0) -> Any:
    return bind("cumsum", (x,), [(x.type.dtype, x.shape)], fails=False, reverse=reverse)[0]


row("cumsum", _cumsum, lambda attrs, args, outs, ts: (cumsum(ts[0], attrs["reverse"]),),
    lambda attrs, args, outs, cs, wanted: (cumsum(cs[0], 1 - attrs["reverse"]),))  # fmt: skip


# ---- positions: integers, and no derivative
def _search(sorted_: Any, v: Any, right: bool, fails: bool = False) -> tuple[Any]:
    return (np.searchsorted(sorted_, v, "right" if right else "left"),)


POSITIONS = "the result is an integer"


def _nonzero_program(mask: Any) -> Any:
    from . import table
    from .arrays import reduce
    from .types import I64
    from .values import allocate

    n = reduce("sum", mask, fn=lambda x: table.convert(x, to=I64))
    out = allocate(I64, (n,), 0)
    _fill_positions(mask, out)
    return out


def _fill_positions(mask: Any, out: Any) -> None:
    from . import table
    from .derivatives import each
    from .staging import if_
    from .state import Scope

    cell = [constant_int(0)]
    scope = Scope(("count",), lambda: (cell[0],), lambda v: cell.__setitem__(0, v[0]))

    def one(i: Any) -> None:
        def yes() -> None:
            out[cell[0]] = i
            cell[0] = table.iadd(cell[0], 1)

        if_(mask[i], yes, lambda: None, scope)

    each(mask.shape[0], one, scope)


def constant_int(n: int) -> Any:
    from .values import constant

    return constant(n)


row("nonzero", lambda mask, fails=False: np.nonzero(mask), program=_nonzero_program, zero=POSITIONS)


def _argsort_program(x: Any) -> Any:
    from .sorting import argsort_rows

    return argsort_rows(x)


row("argsort", lambda x, fails=False: (np.argsort(x, -1, kind="stable"),), program=_argsort_program, zero=POSITIONS)


# ---- triangular and general systems
def _t(a: Any) -> Any:
    from .arrays import with_axes

    return with_axes(a, (1, 0))


def mm(a: Any, b: Any) -> Any:
    from .products import matmul

    return matmul(a, b)


def _low(a: Any, k: int = 0) -> Any:
    from .shaping import tril

    return tril(a, k)


def _half(a: Any) -> Any:
    """The lower triangle with half of the diagonal."""
    from . import table
    from .arrays import elementwise_with_index

    return elementwise_with_index(lambda v, i, j: table.select(table.igt(i, j), v, table.select(table.ieq(i, j), v * 0.5, v * 0.0)), a)


def trsm(a: Any, bt: Any, trans: int = 0, unit: int = 0, lower: int = 1) -> Any:
    """X^T for op(A) X = B, from B^T: A n x n triangular, B^T k x n."""
    return bind("trsm", (a, bt), [(a.type.dtype, tuple(bt.shape))], trans=trans, unit=unit, lower=lower)[0]


def _trsm(a: Any, bt: Any, trans: int, unit: int, lower: int, fails: bool = False) -> tuple[Any]:
    import scipy.linalg

    if a.shape[0] and not unit and np.any(np.diagonal(a) == 0):
        raise np.linalg.LinAlgError("singular matrix")
    if not bt.size:
        return (bt.copy(),)
    return (scipy.linalg.solve_triangular(a, bt.T, trans=trans, lower=bool(lower), unit_diagonal=bool(unit), check_finite=False).T,)


def _triangle(a: Any, attrs: Any) -> Any:
    from .shaping import tril, triu

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


row("trsm", _trsm, _trsm_jvp, _trsm_vjp)


def _trmm(a: Any, b: Any, fails: bool = False) -> tuple[Any]:
    return (np.tril(a).T @ b,)


row("trmm", _trmm, zero="it is used in rules alone, which are not differentiated")  # L^T B for a lower triangular L


def lu_solve(a: Any, bt: Any, trans: int = 0) -> Any:
    """X^T for op(A) X = B, from B^T."""
    return bind("lu_solve", (a, bt), [(a.type.dtype, tuple(bt.shape))], trans=trans)[0]


def _lu_solve(a: Any, bt: Any, trans: int, fails: bool = False) -> tuple[Any]:
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


row("lu_solve", _lu_solve, _lu_solve_jvp, _lu_solve_vjp)


def _inverse_transposed(a: Any) -> Any:
    from .creation import identity

    return lu_solve(a, identity(a.shape[0], a.type.dtype))


row(
    "slogdet",
    lambda a, fails=False: tuple(np.linalg.slogdet(a)),
    lambda attrs, args, outs, ts: (None, (_inverse_transposed(args[0]) * ts[0]).sum()),
    lambda attrs, args, outs, cs, wanted: (_inverse_transposed(args[0]) * cs[1],),
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
    from . import table
    from .arrays import elementwise_with_index

    return elementwise_with_index(lambda v, i, j: table.select(table.ieq(i, j), v, v * 0.0), s)


row("cholesky", lambda a, fails=False: (np.linalg.cholesky(a),), _cholesky_jvp, _cholesky_vjp)


def _gaps(w: Any, sign: float = 1.0) -> Any:
    """F[i, j] = 1 / (w_j - w_i), 0 where they are equal."""
    from . import table
    from .arrays import elementwise, expand

    def one(x: Any, y: Any) -> Any:
        gap = y - x
        none = table.eq(gap, 0.0)
        return table.select(none, gap * 0.0, 1.0 / table.select(none, gap + 1.0, gap))

    return elementwise(one, expand(w, (1,)), expand(w, (0,)), name="gaps")


def _eigh_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    from .shaping import diagonal

    (w, v), (ta,) = outs, tangents
    m = mm(mm(_t(v), _low(ta) + _t(_low(ta, -1))), v)
    return diagonal(m), mm(v, _gaps(w) * m)


def _eigh_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    from .shaping import diag

    (w, v), (dw, dv) = outs, cotangents
    inner = diag(dw) + _gaps(w) * mm(_t(v), dv)
    full = mm(mm(v, inner), _t(v))
    return (_lower_only((full + _t(full)) * 0.5),)


def eigh(a: Any) -> Any:
    n = a.shape[0]
    return bind("eigh", (a,), [(a.type.dtype, (n,)), (a.type.dtype, (n, n))])


row("eigh", lambda a, fails=False: tuple(np.linalg.eigh(a)), _eigh_jvp, _eigh_vjp)


def svd(a: Any) -> Any:
    """U, s, V^T with min(m, n) columns and rows."""
    from .sizes import smaller

    m, n = a.shape
    k, t = smaller(m, n), a.type.dtype
    return bind("svd", (a,), [(t, (m, k)), (t, (k,)), (t, (k, n))])


def _recip(s: Any) -> Any:
    from . import table
    from .arrays import elementwise

    return elementwise(
        lambda x: table.select(table.eq(x, 0.0), x * 0.0, 1.0 / table.select(table.eq(x, 0.0), x + 1.0, x)), s, name="reciprocal"
    )


def _svd_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    from .arrays import expand
    from .shaping import diagonal

    (u, s, vt), (ta,) = outs, tangents
    v, ut = _t(vt), _t(u)
    p = mm(mm(ut, ta), v)
    f = _gaps(s * s)
    col, row_ = expand(s, (0,)), expand(s, (1,))
    ru, rv = f * (p * col + row_ * _t(p)), f * (row_ * p + _t(p) * col)
    inverse = expand(_recip(s), (0,))
    tv, tav = mm(_t(ta), u), mm(ta, v)
    du = mm(u, ru) + (tav - mm(u, mm(ut, tav))) * inverse
    dv = mm(v, rv) + (tv - mm(v, mm(vt, tv))) * inverse
    return du, diagonal(p), _t(dv)


def _svd_vjp(attrs: Any, args: Values, outs: Values, cotangents: Values, wanted: Sequence[bool]) -> tuple[Any, ...]:
    from .arrays import expand
    from .shaping import diag

    (u, s, vt), (du, ds, dvt) = outs, cotangents
    v, ut, dv = _t(vt), _t(u), _t(dvt)
    f = _gaps(s * s)
    col, row_, inverse = expand(s, (0,)), expand(s, (1,)), expand(_recip(s), (0,))
    utdu, vtdv = mm(ut, du), mm(vt, dv)
    inner = (f * (utdu - _t(utdu))) * col + row_ * (f * (vtdv - _t(vtdv))) + diag(ds)
    total = mm(mm(u, inner), vt)
    total = total + mm((du - mm(u, utdu)) * inverse, vt)
    return (total + mm(u, _t((dv - mm(v, vtdv)) * inverse)),)


row("svd", lambda a, fails=False: tuple(np.linalg.svd(a, full_matrices=False)), _svd_jvp, _svd_vjp)


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


row("qr", lambda a, fails=False: tuple(np.linalg.qr(a)), _qr_jvp, _qr_vjp)

LINALG = {"cholesky": "Matrix is not positive definite", "lu_solve": "Singular matrix", "trsm": "singular matrix", "eigh": "Eigenvalues did not converge",
          "svd": "SVD did not converge", "qr": "Incorrect argument found in performing QR factorization"}  # fmt: skip
TABLE_TYPES: dict[type, Any] = {}

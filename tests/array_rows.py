"""Every whole-array function, as a small program for NumPy and for lantern_jit: what test_array_api.py walks through.

A row names the functions that it covers, as in lantern_jit.ir.numpy.registry, and makes its arguments from a random generator.
Float array arguments are differentiated unless the row says that the result has no derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.special


@dataclass
class Row:
    covers: str
    f: Callable[..., Any]
    args: Callable[[np.random.Generator], tuple[Any, ...]]
    smooth: bool = True
    rtol: float = 1e-11
    singles: bool = True  # tried in float32 too

    @property
    def name(self) -> str:
        return self.covers


ROWS: list[Row] = []


def row(
    covers: str, f: Callable[..., Any], *shapes: Any, smooth: bool = True, make: Any = None, rtol: float = 1e-11, singles: bool = True
) -> None:
    def args(g: np.random.Generator) -> tuple[Any, ...]:
        if make is not None:
            return tuple(make(g))
        return tuple(g.normal(size=s) if isinstance(s, tuple) else s for s in shapes)

    ROWS.append(Row(covers, f, args, smooth, rtol, singles))


def ints(g: np.random.Generator, high: int, *size: int) -> Any:
    return g.integers(0, high, size=size)


def spd(g: np.random.Generator, n: int, *stack: int) -> Any:
    a = g.normal(size=(*stack, n, n))
    return a @ np.swapaxes(a, -1, -2) + n * np.eye(n)


# ---- elementwise, with broadcasting
BINARY = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide, "true_divide": np.true_divide, "power": None, "float_power": None,
          "maximum": np.maximum, "minimum": np.minimum, "fmax": np.fmax, "fmin": np.fmin, "hypot": np.hypot, "arctan2": np.arctan2,
          "logaddexp": np.logaddexp, "copysign": np.copysign, "remainder": np.remainder, "mod": np.mod, "fmod": np.fmod}  # fmt: skip
for _name, _fn in BINARY.items():
    if _fn is None:
        _fn = getattr(np, _name)
        row(f"ufunc:{_name}", lambda x, y, fn=_fn: fn(x, y), make=lambda g: (g.uniform(0.5, 2, (3, 4)), g.uniform(0.5, 2, (4,))))
    else:
        row(f"ufunc:{_name}", lambda x, y, fn=_fn: fn(x, y), (3, 4), (3, 1))
UNARY = ["negative", "positive", "absolute", "fabs", "square", "exp", "exp2", "expm1", "sin", "cos", "tan", "arctan", "sinh", "cosh", "tanh", "arcsinh",
         "cbrt", "reciprocal", "deg2rad", "radians", "rad2deg", "degrees"]  # fmt: skip
for _name in UNARY:
    row(f"ufunc:{_name}", lambda x, name=_name: getattr(np, name)(x), (2, 3))
for _name in ("sqrt", "log", "log2", "log10", "log1p", "arccosh"):
    row(f"ufunc:{_name}", lambda x, name=_name: getattr(np, name)(x), make=lambda g: (g.uniform(1.2, 3, (2, 3)),))
for _name in ("arcsin", "arccos", "arctanh"):
    row(f"ufunc:{_name}", lambda x, name=_name: getattr(np, name)(x), make=lambda g: (g.uniform(-0.7, 0.7, (5,)),))
for _name in ("erf", "erfc", "expit"):
    row(f"ufunc:{_name}", lambda x, name=_name: getattr(scipy.special, name)(x), (4,), rtol=1e-9)
for _name in ("gammaln", "psi", "gamma"):
    row(f"ufunc:{_name}", lambda x, name=_name: getattr(scipy.special, name)(x), make=lambda g: (g.uniform(1.2, 3, (4,)),), rtol=1e-9)
for _name in ("floor", "ceil", "trunc", "rint", "sign", "isnan", "isinf", "isfinite", "signbit"):
    row(f"ufunc:{_name}", lambda x, name=_name: getattr(np, name)(x), (2, 5), smooth=False)
for _name in ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "floor_divide"):
    row(f"ufunc:{_name}", lambda x, y, name=_name: getattr(np, name)(x, y), (2, 5), (5,), smooth=False)
for _name in ("logical_and", "logical_or", "logical_xor"):
    row(f"ufunc:{_name}", lambda x, y, name=_name: getattr(np, name)(x > 0, y > 0), (2, 5), (5,), smooth=False)
row("ufunc:logical_not", lambda x: np.logical_not(x > 0), (3,), smooth=False)
for _name in ("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift"):
    row(f"ufunc:{_name}", lambda x, y, name=_name: getattr(np, name)(x, y), make=lambda g: (ints(g, 9, 2, 3), ints(g, 5, 3)), smooth=False)
row("ufunc:invert", lambda x: (~x, ~(x > 2)), make=lambda g: (ints(g, 9, 4),), smooth=False)
row("ufunc:divmod", lambda x, y: divmod(x, y), make=lambda g: (ints(g, 9, 4), 1 + ints(g, 5, 4)), smooth=False)
row("ufunc:heaviside", lambda x: np.heaviside(x, 0.5), (4,), smooth=False)
row("ufunc:ldexp", lambda x, n: np.ldexp(x, n), make=lambda g: (g.normal(size=4), ints(g, 4, 4)))
row("ufunc:clip clip", lambda x: (np.clip(x, -0.3, 0.4), x.clip(0.0), np.clip(x, None, 0.2)), (3, 4))
row("where select", lambda x, y: (np.where(x > 0, x * y, y), np.select([x > 1, x > 0], [x, y * y], 0.5)), (3, 4), (4,))
row(
    "where nonzero flatnonzero argwhere",
    lambda x: (np.where(x > 0), np.nonzero(x > 0), np.flatnonzero(x), np.argwhere(x > 0), (x > 0).nonzero()),
    (3, 4),
    smooth=False,
)
row("nan_to_num", lambda x: np.nan_to_num(np.log(x), nan=1.0), make=lambda g: (g.uniform(0.1, 2, 4),))
row(
    "isclose allclose array_equal",
    lambda x, y: (np.isclose(x, y), np.allclose(x, x + 1e-9), np.array_equal(x, x)),
    (3,),
    (3,),
    smooth=False,
)
row("round around", lambda x: (np.round(x), np.round(x, 2), np.around(x, 1), x.round(1)), (5,), smooth=False)
row("operators", lambda x, y: (x + y, 2.0 - x, x * y / (3.0 + y * y), -x, +x, abs(x), x**2, (x * x + 1.0) ** y, 2.0**x), (3, 4), (4,))
row("in place", lambda x, y: _in_place(x.copy(), y), (3, 4), (4,))
row(
    "comparisons",
    lambda x, y: (x < y, x <= y, x > y, x >= y, x == x, x != y, (x < y) & (x > 0), (x < y) | (x > 0), (x < y) ^ (y > 0)),
    (3, 4),
    (4,),
    smooth=False,
)
row(
    "sinc real ndim size shape",
    lambda x: (np.sinc(x), np.real(x), np.ndim(x) * x, np.size(x) * x, np.shape(x)[0] * x, x.real, x.size * x, len(x) * x),
    (3, 2),
)


def _in_place(x: Any, y: Any) -> Any:
    x += y
    x *= 1.5
    x -= y * x
    x /= 2.0 + y * y
    x **= 2
    x[1] += x[0]
    return x


# ---- reductions
for _name in ("sum", "mean", "var", "std", "max", "min", "prod", "ptp"):
    _fn = getattr(np, _name)
    row(
        f"{_name} .{_name}" if _name != "ptp" else "ptp",
        lambda x, fn=_fn: (fn(x), fn(x, axis=0), fn(x, axis=-1), fn(x, axis=(0, 2)), fn(x, axis=1, keepdims=True)),
        (2, 3, 4),
    )
for _name in ("sum", "mean", "var", "std", "max", "min", "prod"):
    row(f".{_name}", lambda x, name=_name: (getattr(x, name)(), getattr(x, name)(0), getattr(x, name)(axis=1)), (3, 4))
row("amax amin var std", lambda x: (np.amax(x, 1), np.amin(x), np.var(x, ddof=1), np.std(x, axis=0, ddof=1)), (3, 4))
row(
    "sum of ints",
    lambda x: (np.sum(x), np.sum(x, axis=0), np.prod(x), x.max(), x.min(axis=0), np.mean(x), np.sum(x > 2), np.cumsum(x)),
    make=lambda g: (ints(g, 9, 2, 3),),
    smooth=False,
)
row(
    "argmax argmin",
    lambda x: (np.argmax(x), np.argmin(x), np.argmax(x, axis=0), np.argmin(x, axis=1), x.argmax(), x.argmin(0)),
    (3, 4),
    smooth=False,
)
row(
    "any all count_nonzero",
    lambda x: (np.any(x > 1), np.all(x > -9, axis=0), np.count_nonzero(x > 0), (x > 0).any(1), (x > 0).all(), np.count_nonzero(x, axis=0)),
    (3, 4),
    smooth=False,
)
row("cumsum cumprod", lambda x: (np.cumsum(x), np.cumsum(x, axis=0), np.cumprod(x, axis=1), x.cumsum(1), x.cumprod()), (3, 4))
row("average median", lambda x, w: (np.average(x), np.average(x, axis=1, weights=w * w), np.median(x), np.median(x, axis=1)), (3, 4), (4,))
row("special.logsumexp special.softmax special.log_softmax", lambda x: (scipy.special.logsumexp(x), scipy.special.logsumexp(x, axis=1), scipy.special.logsumexp(x, axis=0, keepdims=True),
    scipy.special.softmax(x, axis=1), scipy.special.log_softmax(x, axis=0)), (3, 4))  # fmt: skip
row("logaddexp.reduce", lambda x: np.logaddexp.reduce(x, axis=0), (3, 4))
row(
    "add.reduce maximum.reduce multiply.reduce add.accumulate",
    lambda x: (np.add.reduce(x), np.maximum.reduce(x, axis=1), np.multiply.reduce(x), np.add.accumulate(x), np.multiply.outer(x, x)),
    (3, 4),
)
row("builtins", lambda x: (sum(x), max(x), min(x)), (5,))

# ---- products
row("@", lambda a, b, v, w: (a @ b, v @ a, a @ w, v @ v, b.T @ a.T), (3, 4), (4, 2), (3,), (4,))
row("@ stacked", lambda a, b, v: (a @ b, a @ v, a @ a[0].T, v @ b), (5, 3, 4), (5, 4, 2), (4,))
row("copy", lambda x: np.copy(x), (2, 3))
row("@ large", lambda a, b: a @ b, (20, 30), (30, 25))
row(
    "dot .dot",
    lambda a, b, v: (np.dot(a, b), np.dot(v, b), a.dot(v), np.dot(v, v), np.dot(2.0, v), np.dot(np.stack([a, a]), b)),
    (3, 4),
    (4, 2),
    (4,),
)
row("inner outer vdot", lambda a, b, v: (np.inner(a, b), np.outer(v, a), np.vdot(a, b), np.inner(v, v)), (3, 4), (3, 4), (4,))
row("einsum", lambda a, b, v: (np.einsum("ij,jk->ik", a, b), np.einsum("ij->ji", a), np.einsum("ij,j->i", a, v), np.einsum("i,ij,j", v[:3], a, v),
    np.einsum("...j,jk", a, b), np.einsum("ij->", a), np.einsum("ii->i", a[:3, :3]), np.einsum("ij,kj->ik", a, a), np.einsum("ij,jk,kl->il", a, b, b.T)), (3, 4), (4, 2), (4,))  # fmt: skip
row("einsum batched", lambda a, b: np.einsum("bij,bkj->bik", a, b), (2, 3, 4), (2, 5, 4))
row(
    "tensordot kron",
    lambda a, b, c: (np.tensordot(a, b, 1), np.tensordot(a, c, axes=([0, 1], [1, 0])), np.kron(a, b), np.tensordot(a, c, 0)),
    (3, 4),
    (4, 2),
    (4, 3),
)
row("cross", lambda a, b: (np.cross(a, b), np.cross(a[0], b[0])), (4, 3), (4, 3))
row(
    "trace diagonal diag .trace .diagonal",
    lambda a, v: (
        np.trace(a),
        np.trace(a, 1),
        np.diagonal(a),
        np.diagonal(a, -1),
        np.diag(a),
        np.diag(v),
        np.diag(v, 1),
        a.trace(),
        a.diagonal(1),
    ),
    (3, 4),
    (3,),
)
row("tril triu", lambda a: (np.tril(a), np.triu(a), np.tril(a, 1), np.triu(a, -1)), (4, 3))
row("matmul", lambda a, b: (np.matmul(a, b), np.vecdot(a, a)), (3, 4), (4, 2))
row("linalg.multi_dot linalg.matrix_power", lambda a, b: (np.linalg.multi_dot([a, b, a]), np.linalg.matrix_power(a @ b, 3)), (3, 4), (4, 3))
row("int products", lambda a, b: (a @ b, np.dot(a, b), a[0] @ b), make=lambda g: (ints(g, 5, 2, 3), ints(g, 5, 3, 2)), smooth=False)

# ---- shapes
row(
    "reshape ravel .reshape .ravel .flatten",
    lambda x: (
        np.reshape(x, (4, 6)),
        x.reshape(3, -1, order="F"),
        np.reshape(x, (4, 6), order="F"),
        x.ravel(order="F"),
        x[::2].flatten("F"),
        x.reshape(-1, 3),
        x.reshape(24),
        np.ravel(x),
        x.ravel(),
        x.flatten(),
        x.T.reshape(-1),
        x[:, 1:].reshape(2, -1),
    ),
    (2, 3, 4),
)
row(
    "transpose swapaxes moveaxis .transpose .swapaxes .T",
    lambda x: (
        np.transpose(x),
        np.transpose(x, (1, 0, 2)),
        np.swapaxes(x, 0, 2),
        np.moveaxis(x, 0, -1),
        x.T,
        x.transpose(2, 0, 1),
        x.swapaxes(0, 1),
        x.mT,
    ),
    (2, 3, 4),
)
row(
    "expand_dims squeeze .squeeze",
    lambda x: (
        np.expand_dims(x, 0),
        np.expand_dims(x, (1, 2)),
        np.squeeze(x[:, None], axis=1),
        x[None].squeeze(0),
        np.squeeze(x[:, :1], 1),
    ),
    (3, 4),
)
row(
    "concatenate",
    lambda x, y: (
        np.concatenate([x, y]),
        np.concatenate([x, x], axis=1),
        np.concatenate([x, y], axis=None),
        np.append(x, y),
        np.append(x, y, 0),
    ),
    (2, 3),
    (4, 3),
)
row(
    "stack vstack hstack dstack column_stack append block",
    lambda x, y: (
        np.stack([x, y]),
        np.stack([x, y], axis=-1),
        np.vstack([x, y]),
        np.hstack([x, y]),
        np.dstack([x, y]),
        np.column_stack([x, y]),
        np.block([[x, y], [y, x]]),
    ),
    (3, 2),
    (3, 2),
)
row("split array_split", lambda x: (np.split(x, 2), np.split(x, [1, 3], axis=1), np.split(x, 2, axis=1)), (4, 6))
row(
    "flip fliplr flipud rot90 roll",
    lambda x: (
        np.flip(x),
        np.flip(x, 0),
        np.fliplr(x),
        np.flipud(x),
        np.rot90(x),
        np.roll(x, 2),
        np.roll(x, -1, axis=1),
        np.roll(x, (1, 2), axis=(0, 1)),
    ),
    (3, 4),
)
row(
    "repeat tile .repeat",
    lambda x: (np.repeat(x, 2), np.repeat(x, 3, axis=0), x.repeat(2, axis=1), np.tile(x, 2), np.tile(x, (2, 3))),
    (2, 3),
)
row(
    "pad",
    lambda x: (
        np.pad(x, 1),
        np.pad(x, ((1, 2), (0, 1)), constant_values=2.0),
        np.pad(x, 2, mode="edge"),
        np.pad(x, 1, mode="reflect"),
        np.pad(x, 1, mode="wrap"),
    ),
    (3, 4),
)
row(
    "diff gradient trapezoid convolve",
    lambda x, y: (
        np.diff(x),
        np.diff(x, 2),
        np.diff(x[None], axis=0),
        np.gradient(x),
        np.gradient(x, 0.5),
        np.trapezoid(x),
        np.trapezoid(x, np.cumsum(y * y)),
        np.convolve(x, y[:3]),
        np.convolve(x, y[:3], "valid"),
    ),
    (6,),
    (6,),
)
row(
    "broadcast_to broadcast_arrays atleast_1d atleast_2d atleast_3d meshgrid",
    lambda x, y: (
        np.broadcast_to(x, (3, 4)),
        np.broadcast_arrays(x, y),
        np.atleast_1d(x),
        np.atleast_2d(x),
        np.atleast_3d(x),
        np.meshgrid(x, x[:3]),
    ),
    (4,),
    (3, 1),
)
row("polyval", lambda x: np.polyval(np.array([1.0, -2.0, 0.5]), x), (4,))
row(
    ".copy .astype .fill .conj .conjugate .item .tolist",
    lambda x: (x.copy(), x.astype(np.float64), x.conj(), x.conjugate(), x.item(2), x[:1].item(), np.copy(x)),
    (4,),
)

# ---- choosing
row("indices", lambda x: (x[0], x[-1, 1], x[1:, ::2], x[..., 0], x[:, None], x[::-1], x[1:-1], x[-2:], x[5:], x[:, -1:0:-2]), (4, 5))
row(
    "indices by arrays",
    lambda x, i: (x[i], x[:, i], x[i, i], x[i[:, None], i], x[i, 1:3], x[i, None], x[1, i]),
    make=lambda g: (g.normal(size=(4, 5)), ints(g, 4, 3)),
)
row("indices by masks", lambda x: (x[x > 0], x[x[:, 0] > 0], x[np.array([True, False, True])]), (3, 4))
row("take .take take_along_axis compress .compress", lambda x, i: (np.take(x, i), np.take(x, i, axis=1), x.take(i, axis=0), np.take_along_axis(x, np.argsort(x, 1), 1), np.take_along_axis(x, i[None, :3], 0),
    np.compress(np.array([True, False, True]), x, axis=0), x.compress(np.array([False, True, True]), axis=0)), make=lambda g: (g.normal(size=(3, 3)), ints(g, 3, 4)))  # fmt: skip
row(
    "sort sort_complex argsort .argsort .sort",
    lambda x: (np.sort(x), np.sort(x, axis=0), np.sort(x, axis=None), np.sort_complex(x[0]).real),
    (5, 7),
)
row("argsort", lambda x: (np.argsort(x), np.argsort(x, axis=0), x.argsort()), (5, 7), smooth=False)
row(
    "searchsorted .searchsorted",
    lambda x, v: (np.searchsorted(np.sort(x), v), np.searchsorted(np.sort(x), v, side="right"), np.sort(x).searchsorted(v[0])),
    (9,),
    (4,),
    smooth=False,
)
row(
    "interp",
    lambda x, xp, fp: (np.interp(x, np.cumsum(xp * xp + 0.1), fp), np.interp(x, np.cumsum(xp * xp + 0.1), fp, left=-1.0, right=2.0)),
    (6,),
    (5,),
    (5,),
)
row("put_along_axis", lambda x: _writes(x.copy()), (4, 5))
row("add.at", lambda x, v, i: _add_at(x.copy(), v, i), make=lambda g: (g.normal(size=6), g.normal(size=5), ints(g, 6, 5)))
row("setitem", lambda x, y: _setitems(x.copy(), y), (4, 5), (5,))


def _writes(x: Any) -> Any:
    np.put_along_axis(x, np.argmax(x, axis=1)[:, None], 9.0, axis=1)
    x.sort()
    return x


def _add_at(x: Any, v: Any, i: Any) -> Any:
    np.add.at(x, i, v)
    np.subtract.at(x, i[:2], 0.5)
    np.add.at(x, slice(1, 3), 1.0)
    return x


def _setitems(x: Any, y: Any) -> Any:
    x[0] = y
    x[1:3, 1:] = 2.0 * y[1:]
    x[x > 1.0] = 0.5
    x[[0, 3], 2] = y[:2]
    x[:, 3] *= 2.0
    x[2:, ::2] = x[:2, ::2]
    x[1:, 0] = x[:-1, 0]
    v = x[3]
    v[1:4] += 1.0
    x[:, 4] = x[:, 4] * x[:, 0]
    return x


# ---- linear algebra
row("linalg.solve linalg.inv linalg.solve", lambda a, b, v: (np.linalg.solve(a, b), np.linalg.solve(a, v), np.linalg.inv(a), scipy.linalg.solve(a, v), scipy.linalg.inv(a)),
    make=lambda g: (g.normal(size=(4, 4)) + 4 * np.eye(4), g.normal(size=(4, 3)), g.normal(size=4)), rtol=1e-9)  # fmt: skip
row(
    "linalg.solve stacked",
    lambda a, b: (np.linalg.solve(a, b), np.linalg.inv(a)),
    make=lambda g: (g.normal(size=(3, 4, 4)) + 4 * np.eye(4), g.normal(size=(3, 4, 2))),
    rtol=1e-9,
)
row(
    "linalg.det linalg.slogdet",
    lambda a: (np.linalg.det(a), np.linalg.slogdet(a)[1], scipy.linalg.det(a)),
    make=lambda g: (g.normal(size=(4, 4)) + 2 * np.eye(4),),
    rtol=1e-9,
)
row("linalg.cholesky linalg.cho_factor linalg.cho_solve", lambda x, b: _choleskys(x @ x.T + 3.0 * np.eye(3), b), (3, 5), (3,), rtol=1e-9)
row("linalg.cholesky stacked", lambda x: np.linalg.cholesky(x @ np.swapaxes(x, -1, -2) + np.eye(3)), (2, 3, 5), rtol=1e-9)
row("linalg.cholesky lower", lambda a: np.linalg.cholesky(a), make=lambda g: (spd(g, 4),), rtol=1e-9)
row("linalg.solve_triangular", lambda a, b, v: (scipy.linalg.solve_triangular(a, b), scipy.linalg.solve_triangular(a, v, lower=True), scipy.linalg.solve_triangular(a, b, trans=1, lower=True),
    scipy.linalg.solve_triangular(a, v, trans="T"), scipy.linalg.solve_triangular(a.T, v, lower=True), scipy.linalg.solve_triangular(a, v, unit_diagonal=True, lower=True)),
    make=lambda g: (0.3 * g.normal(size=(4, 4)) + 3 * np.eye(4), g.normal(size=(4, 2)), g.normal(size=4)), rtol=1e-9)  # fmt: skip
row("linalg.qr", lambda a: _signed_qr(a), (5, 3), rtol=1e-8)
row("linalg.eigh linalg.eigvalsh", lambda x: _eigh_parts(x + x.T), (4, 4), rtol=1e-7)
row("linalg.svd linalg.svdvals", lambda x: _svd_parts(x), (5, 3), rtol=1e-7)
row("linalg.svd wide", lambda x: _svd_parts(x), (3, 5), rtol=1e-7)
row("linalg.norm", lambda x, v: (np.linalg.norm(v), np.linalg.norm(x), np.linalg.norm(v, 1), np.linalg.norm(v, np.inf), np.linalg.norm(v, 3), np.linalg.norm(x, axis=1), np.linalg.norm(x, "fro"),
    np.linalg.norm(x, 1), np.linalg.norm(x, np.inf), np.linalg.norm(x, 2), np.linalg.norm(x, axis=0, keepdims=True), scipy.linalg.norm(v)), (3, 4), (5,), rtol=1e-8)  # fmt: skip
row("linalg.lstsq linalg.pinv", lambda a, b: (np.linalg.lstsq(a, b, rcond=None)[0], np.linalg.pinv(a)), (6, 3), (6,), rtol=1e-7)


def _choleskys(k: Any, b: Any) -> Any:
    low = np.linalg.cholesky(k)
    c = scipy.linalg.cho_factor(k, lower=True)
    c2 = scipy.linalg.cho_factor(k)
    return low, scipy.linalg.cho_solve(c, b), scipy.linalg.cho_solve(c2, b), scipy.linalg.cholesky(k), scipy.linalg.cholesky(k, lower=True)


def _signed_qr(a: Any) -> Any:
    q, r = np.linalg.qr(a)
    return q @ np.tril(r.T), q * q, r * r, np.linalg.qr(a, mode="r") ** 2


def _eigh_parts(a: Any) -> Any:
    w, v = np.linalg.eigh(a)
    return w, v * v, np.linalg.eigvalsh(a), v @ (np.exp(0.1 * w)[:, None] * v.T), scipy.linalg.eigh(a)[0]


def _svd_parts(a: Any) -> Any:
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    return (
        s,
        u * u,
        vt * vt,
        u @ (np.sqrt(s)[:, None] * vt),
        np.linalg.svdvals(a),
        scipy.linalg.svdvals(a),
        np.linalg.svd(a, compute_uv=False),
        scipy.linalg.svd(a, full_matrices=False)[1],
    )


# ---- Fourier transforms
row(
    "fft.fft fft.ifft fft.rfft fft.irfft fft.hfft fft.ihfft fft.fftshift fft.ifftshift fft.fftfreq fft.rfftfreq angle conjugate isreal iscomplex",
    lambda x, y: _spectra(x, y),
    (8,),
    (3, 6),
    singles=False,
    rtol=1e-10,
)
row(
    "fft lengths",
    lambda x: [(np.fft.fft(x[:n]).real, np.fft.rfft(x[:n]).imag) for n in (1, 2, 3, 5, 7, 12)],
    (12,),
    singles=False,
    rtol=1e-10,
)


row(
    "fft.fft2 fft.ifft2 fft.rfft2 fft.irfft2 fft.fftn fft.ifftn fft.rfftn fft.irfftn",
    lambda x: (
        np.fft.fft2(x, norm="ortho").imag,
        np.fft.ifft2(x * 1j).imag,
        np.abs(np.fft.rfft2(x)),
        np.fft.irfft2(x + 0.5j),
        np.fft.fftn(x, s=(2, 5), axes=(0, 1)).real,
        np.fft.ifftn(x, axes=(0,)).imag,
        np.fft.irfftn(np.fft.rfftn(x) ** 2, s=(3, 4), axes=(0, 1)),
    ),
    (3, 4),
    singles=False,
    rtol=1e-10,
)


def _spectra(x: Any, y: Any) -> Any:
    f, g = np.fft.fft(x), np.fft.rfft(y, axis=1)
    power = np.abs(f + 0.5) ** 2
    return (
        f.real,
        f.imag,
        power,
        g.real,
        np.imag(g),
        np.fft.irfft(np.fft.rfft(x) * np.fft.rfft(x[::-1])),
        np.fft.ifft(f * f).real,
        np.fft.fft(y, axis=0, norm="ortho").imag,
        np.fft.rfft(x, 6).real,
        np.fft.irfft(g, 6, axis=1),
        np.angle(f[1:3] / (2.0 + f.conj()[1:3])),
        np.sum(f * 1j).real,
        np.fft.hfft(g, 5, axis=1),
        np.fft.ihfft(x, norm="ortho").imag,
        np.fft.fftshift(np.fft.fftfreq(x.shape[0], 0.5)) * x,
        np.fft.ifftshift(np.fft.rfftfreq(x.shape[0])),
        np.conjugate(f).imag,
        np.isreal(f).sum() + np.iscomplex(f).sum(),
    )


# ---- creation
row(
    "create:zeros create:ones create:full create:empty",
    lambda x: (
        np.zeros((2, 3)) + x[0],
        np.ones(4) * x,
        np.full((2, 2), x[1]),
        np.full(4, x),
        np.zeros(3, dtype=int),
        np.ones((2,), np.float32),
    ),
    (4,),
    singles=False,
)
row(
    "create:zeros_like create:ones_like create:full_like create:empty_like",
    lambda x: (np.zeros_like(x) + x, np.ones_like(x), np.full_like(x, 2.5), np.empty_like(x) * 0.0),
    (2, 3),
)
row("create:array create:asarray create:copy create:asanyarray create:ascontiguousarray", lambda x: (np.array([x[0], 2.0, x[1] * x[2]]), np.array([[x[0], 1.0], [x[1], x[2]]]), np.array([x, 2.0 * x]), np.asarray(x), np.copy(x), np.array([1.0, 2.0]) * x[0],
    np.asanyarray(x), np.ascontiguousarray(x)), (3,))  # fmt: skip
row(
    "create:eye create:identity create:tri",
    lambda x: (np.eye(3) * x, np.eye(2, 3, 1), np.identity(3) @ x, np.tri(3), np.eye(3, dtype=int)),
    (3,),
    singles=False,
)
row(
    "create:arange create:linspace",
    lambda x: (
        np.arange(5) * x[0],
        np.arange(1.0, 3.0, 0.5),
        np.arange(10, 0, -3),
        np.linspace(0.0, 1.0, 5),
        np.linspace(x[0], x[1], 4),
        np.linspace(0, 1, 4, endpoint=False),
        np.arange(len(x)) * x,
    ),
    (3,),
    singles=False,
)
row(
    "minimum.reduce logical_or.reduce logical_and.reduce multiply.accumulate",
    lambda x: (np.minimum.reduce(x), np.logical_or.reduce(x > 0), np.logical_and.reduce(x > 0, axis=1), np.multiply.accumulate(x, axis=1)),
    (3, 4),
)
row("vecdot r_ c_", lambda x, y: (np.vecdot(x, y), np.r_[x, y], np.c_[x[0], y[0]]), (3, 4), (3, 4))
row(
    "subtract.at", lambda x, v, i: _subtract_at(x.copy(), v, i), make=lambda g: (g.normal(size=6), g.normal(size=5), ints(g, 6, 5))
)  # fmt: skip
row(".flat .mT .imag .itemsize .nbytes", lambda x: (x.flat[3] * x.mT, x.imag, x.itemsize, x.nbytes), (2, 3), singles=False)


def _subtract_at(x: Any, v: Any, i: Any) -> Any:
    np.subtract.at(x, i, v)
    np.subtract.at(x, slice(1, 3), 1.0)
    return x

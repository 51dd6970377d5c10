"""NumPy's functions of whole arrays, for traced ones. FUNCTIONS and METHODS are the table that README shows.

The functions themselves are in reductions.py, products.py, shaping.py, choosing.py and linear_algebra.py. Each is written by
kernels, views and the operations of arrayops.py, so none has a derivative of its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from . import arrays
from .array_common import UFUNCS_OF, _call, atleast_1d, atleast_2d, atleast_3d, ravel, unsupported
from .arrays import as_array, assign, copied, expand, is_array
from .choosing import (
    argsort,
    compress,
    flatnonzero,
    interp,
    isclose,
    nan_to_num,
    nonzero,
    put_along_axis,
    round_,
    searchsorted,
    select,
    sort,
    take,
    take_along_axis,
    where,
)
from .creation import astype, copy
from .fourier import FUNCTIONS as FOURIER
from .linear_algebra import (
    cho_factor,
    cho_solve,
    cholesky,
    det,
    eigh,
    eigvalsh,
    inv,
    lstsq,
    matrix_power,
    multi_dot,
    norm,
    pinv,
    qr,
    scipy_cholesky,
    slogdet,
    solve,
    solve_triangular,
    svd,
    svdvals,
)
from .numpy_api import FUNCTIONS as OF_SCALARS
from .products import cross, dot, einsum, inner, kron, matmul, outer, tensordot, trace, vdot
from .reductions import (
    all_,
    allclose,
    any_,
    argmax,
    argmin,
    array_equal,
    average,
    bincount,
    convolve,
    count_nonzero,
    cumprod,
    cumsum,
    diff,
    gradient,
    log_softmax,
    logsumexp,
    max_,
    mean,
    median,
    min_,
    polyval,
    prod,
    ptp,
    softmax,
    std,
    sum_,
    trapezoid,
    var,
)
from .shaping import (
    append,
    argwhere,
    array_split,
    broadcast_arrays,
    broadcast_to,
    column_stack,
    concatenate,
    diag,
    diagonal,
    dstack,
    expand_dims,
    flip,
    hstack,
    meshgrid,
    moveaxis,
    pad,
    repeat,
    reshape,
    roll,
    rot90,
    split,
    squeeze,
    stack,
    swapaxes,
    tile,
    transpose,
    tril,
    triu,
    vstack,
)
from .values import Arrayed


def ufunc_of_arrays(ufunc: Any, method: str, fn: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    out = kwargs.pop("out", None)
    if isinstance(out, tuple):
        out = out[0]
    result = _ufunc(ufunc, method, fn, inputs, kwargs)
    if out is None or result is NotImplemented:
        return result
    assign(as_array(out), result)
    return out


def _ufunc(ufunc: Any, method: str, fn: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if ufunc is np.matmul:
        return matmul(*inputs)
    if ufunc is np.vecdot:
        return sum_(inputs[0] * inputs[1], -1)
    if method == "__call__" and fn is not None:
        mask = kwargs.pop("where", True)
        dtype = kwargs.pop("dtype", None)
        if kwargs or mask is not True:
            return NotImplemented
        out = _call(ufunc.__name__, fn, inputs)
        return out if dtype is None else astype(out, dtype)
    if method == "at" and ufunc in (np.add, np.subtract):
        return add_at(inputs, -1 if ufunc is np.subtract else 1)
    if method == "outer":
        a, b = (as_array(x) for x in inputs)
        return UFUNCS_OF[ufunc.__name__](expand(a, range(a.ndim, a.ndim + b.ndim)), b)
    reductions = {np.add: sum_, np.multiply: prod, np.maximum: max_, np.minimum: min_, np.logical_and: all_, np.logical_or: any_}
    if method == "reduce" and ufunc in reductions:
        (a,), axis = inputs[:1], kwargs.pop("axis", inputs[1] if len(inputs) > 1 else 0)
        return reductions[ufunc](a, axis, **kwargs)
    if method == "reduce" and ufunc is np.logaddexp:
        return logsumexp(inputs[0], kwargs.pop("axis", 0), **kwargs)
    if method == "accumulate" and ufunc in (np.add, np.multiply):
        return (cumsum if ufunc is np.add else cumprod)(inputs[0], kwargs.pop("axis", 0))
    return NotImplemented


def add_at(inputs: tuple[Any, ...], sign: int) -> None:
    from .gather import positions, scatter

    a, index, *rest = inputs
    value = as_array(rest[0])
    parts = arrays.split_index(a, index)
    arrays.check_owned(a)
    if not any(is_array(p) for p in parts):
        place = a[tuple(parts)]
        if isinstance(place, Arrayed):
            place += value * sign
        else:
            a[tuple(parts)] = place + value * sign
        return
    where_, shape = positions(a, parts)
    scatter(a, where_, shape, value if sign == 1 else -value, 1)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **FOURIER,
    np.sum: sum_, np.prod: prod, np.mean: mean, np.var: var, np.std: std, np.max: max_, np.min: min_, np.amax: max_, np.amin: min_, np.argmax: argmax,
    np.argmin: argmin, np.any: any_, np.all: all_, np.count_nonzero: count_nonzero, np.ptp: ptp, np.cumsum: cumsum, np.cumprod: cumprod,
    np.average: average, np.median: median,
    np.dot: dot, np.inner: inner, np.outer: outer, np.vdot: vdot, np.einsum: einsum, np.tensordot: tensordot, np.trace: trace, np.kron: kron,
    np.cross: cross, np.diagonal: diagonal, np.diag: diag, np.tril: tril, np.triu: triu,
    np.reshape: reshape, np.ravel: ravel, np.transpose: transpose, np.swapaxes: swapaxes, np.moveaxis: moveaxis, np.expand_dims: expand_dims,
    np.squeeze: squeeze, np.broadcast_to: broadcast_to, np.broadcast_arrays: broadcast_arrays, np.atleast_1d: atleast_1d, np.atleast_2d: atleast_2d,
    np.atleast_3d: atleast_3d, np.concatenate: concatenate, np.stack: stack, np.vstack: vstack, np.hstack: hstack, np.dstack: dstack,
    np.column_stack: column_stack, np.append: append, np.split: split, np.array_split: array_split, np.flip: flip, np.fliplr: lambda m: flip(m, 1),
    np.flipud: lambda m: flip(m, 0), np.rot90: rot90, np.roll: roll, np.repeat: repeat, np.tile: tile, np.pad: pad, np.diff: diff, np.gradient: gradient,
    np.trapezoid: trapezoid, np.convolve: convolve, np.meshgrid: meshgrid,
    np.take: take, np.take_along_axis: take_along_axis, np.put_along_axis: put_along_axis, np.compress: compress, np.nonzero: nonzero,
    np.flatnonzero: flatnonzero, np.argwhere: argwhere, np.where: where, np.select: select, np.sort: sort, np.argsort: argsort,
    np.searchsorted: searchsorted, np.interp: interp, np.round: round_, np.around: round_, np.nan_to_num: nan_to_num, np.isclose: isclose,
    np.allclose: allclose, np.array_equal: array_equal, np.polyval: polyval, np.bincount: bincount, np.copy: copy,
    np.linalg.solve: solve, np.linalg.inv: inv, np.linalg.det: det, np.linalg.slogdet: slogdet, np.linalg.cholesky: cholesky, np.linalg.qr: qr,
    np.linalg.eigh: eigh, np.linalg.eigvalsh: eigvalsh, np.linalg.svd: svd, np.linalg.svdvals: svdvals, np.linalg.norm: norm, np.linalg.lstsq: lstsq,
    np.linalg.pinv: pinv, np.linalg.matrix_power: matrix_power, np.linalg.multi_dot: multi_dot,
}  # fmt: skip


def _of_scipy(name: str, fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn`, without SciPy's arguments that change no value (check_finite=, overwrite_a=); others that it has not are refused."""
    known = inspect.signature(fn).parameters

    def call(*args: Any, **given: Any) -> Any:
        given = {k: v for k, v in given.items() if k != "check_finite" and not k.startswith("overwrite_")}
        for argument in given:
            if argument not in known:
                unsupported(f"scipy.linalg.{name} with {argument}=", "leave it out")
        return fn(*args, **given)

    return call


LINALG: dict[str, Callable[..., Any]] = {
    "solve_triangular": solve_triangular, "cho_factor": cho_factor, "cho_solve": cho_solve, "cholesky": scipy_cholesky,
    "solve": lambda a, b: solve(a, b), "inv": lambda a: inv(a), "det": lambda a: det(a),
    "eigh": lambda a, *, lower=True: tuple(eigh(a, "L" if lower else "U")), "norm": norm,
    "svd": lambda a, full_matrices=True, compute_uv=True: svd(a, full_matrices, compute_uv), "svdvals": lambda a: svdvals(a),
}  # fmt: skip


SCIPY: dict[tuple[str, str], Callable[..., Any]] = {
    ("special", "logsumexp"): logsumexp,
    ("special", "softmax"): softmax,
    ("special", "log_softmax"): log_softmax,
    **{("linalg", name): _of_scipy(name, fn) for name, fn in LINALG.items()},
}


METHODS: dict[str, Callable[..., Any]] = {
    "sum": sum_, "prod": prod, "mean": mean, "var": var, "std": std, "max": max_, "min": min_, "argmax": argmax, "argmin": argmin, "any": any_,
    "all": all_, "cumsum": cumsum, "cumprod": cumprod, "dot": dot, "trace": trace, "diagonal": diagonal, "reshape": reshape, "ravel": ravel,
    "flatten": lambda a, order="C": copied(ravel(a, order)), "transpose": transpose, "swapaxes": swapaxes, "squeeze": squeeze, "repeat": repeat, "take": take,
    "argsort": argsort, "searchsorted": searchsorted, "clip": lambda a, *args, **kwargs: OF_SCALARS[np.clip](a, *args, **kwargs), "round": round_,
    "copy": lambda a, order="C": copied(a), "astype": astype, "fill": lambda a, v: assign(a, v), "nonzero": nonzero, "compress": lambda a, c, axis=None: compress(c, a, axis),
    "conj": lambda a: a, "conjugate": lambda a: a, "item": lambda a, *i: (a[i] if i else ravel(a)[0]).item(), "ptp": ptp,
    "sort": lambda a, axis=-1, **k: assign(a, sort(a, axis)), "tolist": lambda a: [x.tolist() if isinstance(x, Arrayed) else x.item() for x in a],
}  # fmt: skip


PROPERTIES: dict[str, Callable[..., Any]] = {
    "T": transpose, "mT": lambda a: swapaxes(a, -1, -2), "real": lambda a: a, "flat": ravel,
    "itemsize": lambda a: a.dtype.itemsize, "nbytes": lambda a: a.size * a.dtype.itemsize,
}  # fmt: skip

"""NumPy's functions of whole arrays, for traced ones. FUNCTIONS and METHODS are the table that README shows.

The functions themselves are in reductions.py, products.py, shaping.py, choosing.py and linear_algebra.py. Each is written by
kernels, views and the operations of library.py, so none has a derivative of its own.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.sites import user_site
from ..core.types import NUMPY_DTYPES
from ..staging.growing import growing
from ..values import indexing, writes
from ..values.kernels import copied
from ..values.reshaping import expand
from ..values.values import Arrayed, Traced
from ..values.views import as_array, is_array
from ..values.writes import assign
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
from .common import UFUNCS_OF, _call, atleast_1d, atleast_2d, atleast_3d, ravel, scalar_kind, unsupported
from .creation import astype, copy, zeros
from .dispatch import FUNCTIONS as OF_SCALARS
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
    block,
    broadcast_arrays,
    broadcast_to,
    column_joined,
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
    row_joined,
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

# ---- what NumPy's functions take
# NumPy calls what it takes for an array by these names, in all of its functions; these may be whatever np.asarray takes.
ARRAY_LIKES = {
    "a", "a1", "a2", "A", "arr", "array", "ary", "b", "condition", "f", "fill_value", "fp", "h", "indices", "m", "mean", "p", "prototype", "v", "values",
    "weights", "where", "x", "x1", "x2", "xp", "y",
}  # fmt: skip
SEQUENCES = {"args", "arrays", "arrays_", "arys", "choicelist", "condlist", "tup", "xi"}  # a list of them, or one array for its rows
WITHOUT_EFFECT = {
    "casting", "check_finite", "copy", "device", "kind", "like", "optimize", "order", "overwrite_a", "overwrite_b", "overwrite_input", "subok", "stable",
}  # fmt: skip


def call(func: Any, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """`fn` for NumPy's `func`, whose own signature says what the arguments are."""
    module = (func.__module__ or "numpy").replace("numpy", "np", 1)
    return _called(f"{module}.{func.__name__}", _signature(func) or inspect.signature(fn), fn, args, kwargs)


def call_as_written(name: str, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """The same where `fn` has the signature: a method, or a function of SciPy's."""
    signature = _own_signature(fn)
    given = {k: v for k, v in kwargs.items() if k in signature.parameters or k not in WITHOUT_EFFECT}
    for k in given:
        if k not in signature.parameters and name.startswith("scipy."):
            unsupported(f"{name} with {k}=", "leave it out")
    return _called(name, signature, fn, args, given)


def method(name: str, a: Arrayed) -> Callable[..., Any]:
    """A bound method of a traced array."""
    return lambda *args, **kwargs: call_as_written(f"ndarray.{name}", METHODS[name], (a, *args), kwargs)


@functools.cache
def _signature(func: Any) -> inspect.Signature | None:
    try:
        return inspect.signature(func)
    except ValueError:  # of a function in C, of an older NumPy
        return None


@functools.cache
def _own_signature(fn: Any) -> inspect.Signature:
    return inspect.signature(fn)


def _called(name: str, signature: inspect.Signature, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    args, kwargs = map(_stacked, (args, kwargs))
    try:
        bound = signature.bind(*args, **kwargs).arguments
    except TypeError as e:
        raise TypeError(f"{name}() at {user_site()}: {e}") from None
    ours = _own_signature(fn).parameters
    positional: list[Any] = []
    named: dict[str, Any] = {}
    out = bound.pop("out", None)
    for p in signature.parameters.values():
        if p.name not in bound:
            continue
        value = bound[p.name]
        if p.kind is p.VAR_KEYWORD:
            for k, v in value.items():
                if k in ours:
                    named[k] = v
                elif k not in WITHOUT_EFFECT:
                    unsupported(f"{name} with {k}=", "leave it out")
        elif p.kind is p.VAR_POSITIONAL:
            positional += _array_likes(p.name, value)
        elif p.default is p.empty and p.kind is not p.KEYWORD_ONLY:
            positional.append(_array_likes(p.name, value))
        elif value is np._NoValue or _is_default(value, p.default):
            continue
        elif p.name in ours:
            named[p.name] = _array_likes(p.name, value)
        elif p.name not in WITHOUT_EFFECT:
            unsupported(f"{name} with {p.name}=", "leave it out")
    result = fn(*positional, **named)
    return result if out is None else into(out, result)


def _stacked(x: Any) -> Any:
    """With the array of its items for each list that has grown under traced control flow."""
    if isinstance(x, dict):
        return {k: _stacked(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        found = growing(x)
        if found is not None:
            return found.stacked()
        items = list(map(_stacked, x))
        return x if all(a is b for a, b in zip(items, x, strict=True)) else items
    return x


def _is_default(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and isinstance(value, (int, float, str, tuple)) and value == default)


def _array_likes(name: str, value: Any) -> Any:
    if name in ARRAY_LIKES and isinstance(value, (list, tuple, np.ndarray)):
        return as_array(value)
    if name in SEQUENCES:  # each function takes its items for arrays: np.block has more than one level of them
        return as_array(value) if isinstance(value, np.ndarray) else value
    return value


def into(out: Any, result: Any) -> Any:
    """`result` written into the array that out= names."""
    out = out[0] if isinstance(out, tuple) and len(out) == 1 else out
    if isinstance(out, np.ndarray) and out.ndim:
        out = as_array(out)
    if not isinstance(out, Arrayed) or isinstance(result, tuple):
        unsupported("out= but of one array with axes", "use the result")
    if not np.can_cast(NUMPY_DTYPES[scalar_kind(result)], NUMPY_DTYPES[out.type.dtype], "same_kind"):
        raise TypeError(f"Cannot cast output from {scalar_kind(result)} to {out.type.dtype} with casting rule 'same_kind' ({user_site()})")
    assign(out, result)
    return out


# ---- ufuncs
def ufunc_of_arrays(ufunc: Any, method: str, fn: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    kwargs = {k: v for k, v in kwargs.items() if k not in ("casting", "order", "subok")}
    out, mask = kwargs.pop("out", None), True
    if method == "__call__":
        mask = kwargs.pop("where", True)
    if mask is not True and out is None:
        unsupported(f"np.{ufunc.__name__} with where= and without out=, whose other elements have no value,", "give out=, or use np.where")
    result = _ufunc(ufunc, method, fn, inputs, kwargs)
    if out is None or result is NotImplemented:
        return result
    if mask is not True:
        result = where(as_array(mask), result, out[0] if isinstance(out, tuple) else out)
    return into(out, result)


def _ufunc(ufunc: Any, method: str, fn: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if ufunc is np.matmul:
        return matmul(*inputs)
    if ufunc is np.vecdot:
        return sum_(as_array(inputs[0]) * as_array(inputs[1]), -1)
    if method == "__call__" and fn is not None:
        dtype = kwargs.pop("dtype", None)
        if kwargs:
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
        return call_as_written(f"np.{ufunc.__name__}.reduce", reductions[ufunc], (a, axis), kwargs)
    if method == "reduce" and ufunc is np.logaddexp:
        return logsumexp(inputs[0], kwargs.pop("axis", 0), **kwargs)
    if method == "accumulate" and ufunc in (np.add, np.multiply):
        return (cumsum if ufunc is np.add else cumprod)(inputs[0], kwargs.pop("axis", 0))
    return NotImplemented


def add_at(inputs: tuple[Any, ...], sign: int) -> None:
    from ..values.gather import positions, scatter

    a, index, *rest = inputs
    value = as_array(rest[0])
    parts = indexing.split_index(a, index)
    writes.check_owned(a)
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
    np.atleast_3d: atleast_3d, np.concatenate: concatenate, np.stack: stack, np.vstack: vstack, np.hstack: hstack, np.dstack: dstack, np.block: block,
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
    **{("linalg", name): fn for name, fn in LINALG.items()},
}


def _of_items(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A method that takes a tuple's items, or the tuple: x.reshape(2, 3), x.transpose((1, 0))."""

    def call(a: Any, *items: Any, **kwargs: Any) -> Any:
        if not items:
            return fn(a, **kwargs)
        return fn(a, items[0] if len(items) == 1 and (items[0] is None or isinstance(items[0], (tuple, list))) else items, **kwargs)

    return call


def _item(a: Any, *args: Any) -> Any:
    """x.item(), x.item(flat index), x.item(i, j)"""
    index = args[0] if len(args) == 1 and isinstance(args[0], tuple) else args
    found = a[tuple(index)] if len(index) == a.ndim else ravel(a)[index[0] if index else 0]
    return found.item() if isinstance(found, Traced) else found


def _clip(a: Any, min: Any = None, max: Any = None, out: Any = None) -> Any:
    return OF_SCALARS[np.clip](a, min, max)


def _tolist(a: Any) -> list[Any]:
    return [x.tolist() if isinstance(x, Arrayed) else x.item() for x in a]


METHODS: dict[str, Callable[..., Any]] = {
    "sum": sum_, "prod": prod, "mean": mean, "var": var, "std": std, "max": max_, "min": min_, "argmax": argmax, "argmin": argmin, "any": any_,
    "all": all_, "cumsum": cumsum, "cumprod": cumprod, "dot": dot, "trace": trace, "diagonal": diagonal, "reshape": _of_items(reshape), "ravel": ravel,
    "flatten": lambda a, order="C": copied(ravel(a, order)), "transpose": _of_items(transpose), "swapaxes": swapaxes, "squeeze": squeeze, "repeat": repeat,
    "take": take, "argsort": argsort, "searchsorted": searchsorted, "clip": _clip, "round": round_, "copy": lambda a, order="C": copied(a),
    "astype": astype, "fill": lambda a, value: assign(a, value), "nonzero": nonzero,
    "compress": lambda a, condition, axis=None, out=None: compress(condition, a, axis), "conj": lambda a: a, "conjugate": lambda a: a, "item": _item,
    "ptp": ptp, "sort": lambda a, axis=-1, kind=None, order=None, *, stable=None: assign(a, sort(a, axis)), "tolist": _tolist,
}  # fmt: skip


INDEXED: dict[int, Callable[..., Any]] = {id(np.r_): row_joined, id(np.c_): column_joined}  # what is called with brackets


PROPERTIES: dict[str, Callable[..., Any]] = {
    "T": transpose, "mT": lambda a: swapaxes(a, -1, -2), "real": lambda a: a, "imag": lambda a: zeros(tuple(a.shape), a.dtype), "flat": ravel,
    "itemsize": lambda a: a.dtype.itemsize, "nbytes": lambda a: a.size * a.dtype.itemsize,
}  # fmt: skip

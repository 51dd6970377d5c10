"""The arguments of NumPy's functions: bound as their own signatures say, lists taken for arrays, what is not supported refused."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..core.sites import unsupported, user_site
from ..core.types import NUMPY_DTYPES
from ..staging.growing import growing
from ..values.values import Arrayed, is_sequence
from ..values.views import as_array
from ..values.writes import assign
from .common import scalar_kind
from .registry import Entry, name_of

# NumPy calls what it takes for an array by these names, in all of its functions; these may be whatever np.asarray takes.
ARRAY_LIKES = {
    "a", "a1", "a2", "A", "arr", "array", "ary", "b", "condition", "f", "fp", "h", "indices", "m", "mean", "p", "prototype", "v", "values",
    "weights", "where", "x", "x1", "x2", "xp", "y",
}  # fmt: skip
SEQUENCES = {"args", "arrays", "arrays_", "arys", "choicelist", "condlist", "tup", "xi"}  # a list of them, or one array for its rows
WITHOUT_EFFECT = {
    "casting", "check_finite", "device", "kind", "like", "optimize", "order", "overwrite_a", "overwrite_b", "overwrite_input", "subok", "stable",
}  # fmt: skip


def has_no_effect(name: str, value: Any) -> bool:
    """Does this argument leave the result as it is? A casting that NumPy might refuse is asked for to be told so."""
    return name in WITHOUT_EFFECT and (name != "casting" or value in ("same_kind", "unsafe"))


def call(func: Any, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """`fn` for NumPy's or SciPy's `func`, whose own signature says what the arguments are."""
    return _called(name_of(func), _signature(func, fn), fn, args, kwargs)


def call_method(entry: Entry, args: Any, kwargs: Any) -> Any:
    """A method, which takes what NumPy's function of its name does; else `fn` says what that is."""
    signature = _signature(entry.what or entry.fn, entry.fn)
    kwargs = {k: v for k, v in kwargs.items() if k in signature.parameters or not has_no_effect(k, v)}
    return _called(entry.name, signature, entry.fn, args, kwargs)


@functools.cache
def _signature(func: Any, fn: Any) -> inspect.Signature:
    try:
        return inspect.signature(func)
    except ValueError:  # of a function in C, of an older NumPy
        return inspect.signature(fn)


def _called(name: str, signature: inspect.Signature, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    args, kwargs = map(_stacked, (args, kwargs))
    try:
        bound = signature.bind(*args, **kwargs).arguments
    except TypeError as e:
        raise TypeError(f"{name}() at {user_site()}: {e}") from None
    ours = _signature(fn, fn).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in ours.values())
    positional: list[Any] = []
    named: dict[str, Any] = {}
    out = bound.pop("out", None)
    for p in signature.parameters.values():
        if p.name not in bound:
            continue
        value = bound[p.name]
        if p.kind is p.VAR_KEYWORD:
            for k, v in value.items():
                if takes_all or k in ours:
                    named[k] = v
                elif not has_no_effect(k, v):
                    _refuse(name, k, ours)
        elif p.kind is p.VAR_POSITIONAL:
            positional += _array_likes(p.name, value)
        elif p.default is p.empty and p.kind is not p.KEYWORD_ONLY:
            positional.append(_array_likes(p.name, value))
        elif value is np._NoValue or _is_default(value, p.default):
            continue
        elif takes_all or p.name in ours:
            named[p.name] = _array_likes(p.name, value)
        elif not has_no_effect(p.name, value):
            _refuse(name, p.name, ours)
    result = fn(*positional, **named)
    return result if out is None else into(out, result)


def _refuse(name: str, keyword: str, ours: Mapping[str, inspect.Parameter]) -> None:
    known = ", ".join(f"{p.name}=" for p in ours.values() if p.default is not p.empty and p.name not in WITHOUT_EFFECT)
    unsupported(f"{name} with {keyword}=", "leave it out" + (f"; it takes {known} here" if known else ""))


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
    if name in ARRAY_LIKES and (isinstance(value, np.ndarray) or is_sequence(value)):
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

"""The names that rewritten code uses, as `_ln`: staging, and calls."""

from __future__ import annotations

import builtins
import functools
import math
import numbers
import operator
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from . import creation, errors, iterables, numpy_api, pytree, sequences, values
from .builder import current_builder, current_trace, is_library, user_site
from .functions import invoke
from .staging import (
    BREAK,
    CONTINUE,
    DEAD,
    Return,
    and_,
    assert_,
    chain,
    for_,
    getitem,
    if_,
    ifexp,
    not_,
    or_,
    raise_,
    setitem,
    while_,
)
from .state import NO_SCOPE, Scope, Undefined
from .syntax import Comparisons
from .types import BOOL, I64, is_float
from .values import Arrayed, Traced, is_traced

comparisons, generator, slice = Comparisons, iterables.generator, builtins.slice


def local(raw: Callable[..., Any]) -> Callable[..., Any]:
    """A function defined inside rewritten code: callable as usual, and already rewritten."""
    if raw.__name__ == "<lambda>":
        body = raw

        def raw_lambda(*args: Any, **kwargs: Any) -> Return:
            return Return(body(*args, **kwargs))

        raw = raw_lambda

        @functools.wraps(body)
        def function(*args: Any, **kwargs: Any) -> Any:
            return body(*args, **kwargs)

    else:

        @functools.wraps(raw)
        def function(*args: Any, **kwargs: Any) -> Any:
            return invoke(function, args, kwargs)

    function.__lantern_raw__ = raw  # type: ignore[attr-defined]
    if _building():
        builder = current_builder()
        function.__lantern_depth__ = builder, len(builder.frames)  # type: ignore[attr-defined]
    return function


def contains(x: Any, items: Any) -> Any:
    """x in items: element by element where something is traced (no hash of a traced value is its number's)."""
    if isinstance(items, Arrayed) or (isinstance(items, np.ndarray) and is_traced(x)):
        return np.any(np.equal(values.lift_array(items) if isinstance(items, np.ndarray) else items, x))
    if isinstance(items, (tuple, list, dict, set, frozenset)) and (is_traced(x) or any(map(is_traced, items))):
        found: Any = False
        for item in items:
            found = or_(found, lambda item=item: x == item)  # type: ignore[misc]
        return found
    return x in items


_NOT_USER_CODE = ("numpy", "scipy", "math", "operator", "functools", "itertools", "builtins", "typing", "collections", "optree", "dataclasses",
                  "inspect", "warnings", "copy", "cmath", "random", "abc")  # fmt: skip


_LOOK_UP = ("get", "pop", "setdefault", "discard", "__getitem__", "__contains__")


def call(function: Any, *args: Any, **kwargs: Any) -> Any:
    """A call in rewritten code: a staged builtin, a user's function, or anything else as it is."""
    try:
        replacement = REPLACED.get(function)
    except TypeError:  # not hashable: a user's callable object
        replacement = None
    if replacement is not None:
        return replacement(*args, **kwargs)
    if hasattr(function, "__lantern_transform__"):
        return function(*args, **kwargs)
    if (getattr(function, "__module__", None) or "").startswith("scipy.") and _any_traced((args, kwargs)):
        return _of_scipy(function, args, kwargs)
    if isinstance(function, types.FunctionType):
        return invoke(function, args, kwargs) if _is_user_code(function) else function(*args, **kwargs)
    if isinstance(function, types.MethodType) and isinstance(function.__func__, types.FunctionType) and _is_user_code(function.__func__):
        return invoke(function, args, kwargs)
    if _is_method_of_array(function) and _building() and (function.__name__ == "copy" or _any_traced((args, kwargs))):
        return getattr(values.lift_array(function.__self__), function.__name__)(*args, **kwargs)  # of a captured one, as of an argument
    if isinstance(function, types.BuiltinMethodType) and function.__name__ in _LOOK_UP and isinstance(function.__self__, (dict, set)):
        for key in args[:1]:
            if isinstance(key, Traced):
                key.__index__()  # refused: it would not be found
    if isinstance(function, functools.partial):
        return call(function.func, *function.args, *args, **{**function.keywords, **kwargs})
    method = getattr(type(function), "__call__", None)  # noqa: B004  # the method itself is needed
    if not isinstance(function, type) and isinstance(method, types.FunctionType) and _is_user_code(method):
        return invoke(types.MethodType(method, function), args, kwargs)
    return function(*args, **kwargs)


def _is_method_of_array(function: Any) -> bool:
    return isinstance(function, types.BuiltinMethodType) and isinstance(function.__self__, np.ndarray)


def _any_traced(tree: Any) -> bool:
    return any(map(is_traced, pytree.flatten(tree)[0]))


def _of_scipy(function: Any, args: Any, kwargs: Any) -> Any:
    """A function of SciPy that is no ufunc and does not ask its arguments what to do."""
    from .array_api import SCIPY

    part, name = function.__module__.split(".")[1], getattr(function, "__name__", "")
    found = SCIPY.get((part, name))
    if found is not None:
        return found(*args, **kwargs)
    if isinstance(function, np.ufunc):
        return function(*args, **kwargs)
    raise errors.UnsupportedOperationError(
        f"scipy.{part}.{name} of traced values at {user_site()} is not supported; of SciPy there are {', '.join(sorted(f'{p}.{n}' for p, n in SCIPY))}"
    )


def _building() -> bool:
    trace = current_trace()
    return trace is not None and bool(trace.builders)


def _is_user_code(function: types.FunctionType) -> bool:
    if hasattr(function, "__lantern_raw__"):
        return True
    module = (function.__module__ or "").split(".")[0]
    return module not in _NOT_USER_CODE and not is_library(function.__code__.co_filename)


# ---- builtins and math on traced values
def _float(x: Any = 0.0) -> Any:
    if isinstance(x, Traced):
        return x if is_float(x.type) else values.arithmetic("div", x, 1)
    return float(x)


def _int(x: Any = 0, *base: Any) -> Any:
    return values.to_integer(x) if isinstance(x, Traced) else int(x, *base)


def _bool(x: Any = False) -> Any:
    return values.truth(x)


def _isinstance(x: Any, kinds: Any) -> bool:
    if not isinstance(x, Traced):
        return isinstance(x, kinds)
    wanted = kinds if isinstance(kinds, tuple) else (kinds,)
    python = float if is_float(x.type) else int if x.type == I64 else bool
    abstract = (numbers.Number, numbers.Real) if x.type != BOOL else ()
    return any(k in (python, object, Traced, *abstract) for k in wanted)


def _pow(x: Any, y: Any, *mod: Any) -> Any:
    return pow(x, y, *mod) if mod else x**y


def _where(*args: Any) -> Any:
    from .choosing import where

    return where(*args)


def _math(python: Callable[..., Any], numpy: Any) -> Callable[..., Any]:
    def fn(*args: Any) -> Any:
        return numpy(*args) if any(map(is_traced, args)) else python(*args)

    return fn


REPLACED: dict[Any, Callable[..., Any]] = {
    **iterables.REPLACED, **sequences.REPLACED, float: _float, int: _int, bool: _bool, isinstance: _isinstance, pow: _pow,
    math.floor: lambda x: x.__floor__() if is_traced(x) else math.floor(x),
    math.ceil: lambda x: x.__ceil__() if is_traced(x) else math.ceil(x),
    math.trunc: lambda x: x.__trunc__() if is_traced(x) else math.trunc(x),
}  # fmt: skip
REPLACED.update(creation.CREATION)
REPLACED[np.where] = lambda *a: _where(*a) if any(map(is_traced, a)) else np.where(*a)[()] if len(a) == 3 else np.where(*a)
for _name, _function in vars(math).items():
    _target = numpy_api.FROM_MATH.get(_name)
    if callable(_function) and _target is not None and _function not in REPLACED:
        REPLACED[_function] = _math(_function, _target)


__all__ = ["BREAK", "CONTINUE", "DEAD", "NO_SCOPE", "Return", "Scope", "Undefined", "and_", "assert_", "call", "chain", "comparisons",
           "current_trace", "for_", "generator", "getitem", "if_", "ifexp", "local", "not_", "operator", "or_", "raise_", "setitem", "slice", "while_"]  # fmt: skip

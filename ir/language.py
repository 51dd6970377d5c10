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

from . import creation, errors, iterables, numpy_api, pytree, values
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

comparisons = Comparisons


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
    if numpy_api.is_of_numpy(function) and numpy_api.mentions_traced((args, kwargs)):
        return numpy_api.call_numpy(function, args, kwargs)
    if (getattr(function, "__module__", None) or "").startswith("scipy.") and _any_traced((args, kwargs)):
        return _of_scipy(function, args, kwargs)
    if isinstance(function, types.FunctionType):
        return invoke(function, args, kwargs) if _is_user_code(function) else function(*args, **kwargs)
    if isinstance(function, types.MethodType) and isinstance(function.__func__, types.FunctionType) and _is_user_code(function.__func__):
        return invoke(function, args, kwargs)
    if (
        isinstance(function, types.BuiltinMethodType)
        and isinstance(function.__self__, np.ndarray)
        and function.__name__ == "copy"
        and _building()
    ):
        return values.lift_array(function.__self__).copy()
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


def _any_traced(tree: Any) -> bool:
    return any(map(is_traced, pytree.flatten(tree)[0]))


def _of_scipy(function: Any, args: Any, kwargs: Any) -> Any:
    """A function of SciPy that is no ufunc and does not ask its arguments what to do."""
    from .array_api import SCIPY, call_as_written

    part, name = function.__module__.split(".")[1], getattr(function, "__name__", "")
    found = SCIPY.get((part, name))
    if found is not None:
        return call_as_written(f"scipy.{part}.{name}", found, args, kwargs)
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


def _extreme(better: Callable[[Any, Any], Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    """Python's min and max: the first of equals wins."""

    def fn(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and isinstance(args[0], iterables.Staged):
            values.whole_array(f"{plain.__name__}()")
        if len(args) == 1 and isinstance(args[0], Arrayed) and args[0].ndim == 1:
            from .reductions import max_, min_

            return (max_ if plain is max else min_)(args[0])
        if len(args) == 1 and isinstance(args[0], Traced):
            raise TypeError(f"{args[0]!r} is not iterable")
        items = list(args[0]) if len(args) == 1 else list(args)
        if not any(map(is_traced, items)) or kwargs:
            return plain(*args, **kwargs)
        best = items[0]
        for x in items[1:]:
            best = numpy_api.where(better(x, best), x, best)
        return best

    return fn


def _sum(items: Any, start: Any = 0) -> Any:
    if isinstance(items, iterables.Staged):
        values.whole_array("sum()")
    if isinstance(items, Arrayed):
        from .reductions import sum_

        return sum_(items, 0) + start
    total = start
    for x in items:
        total = total + x
    return total


def _isinstance(x: Any, kinds: Any) -> bool:
    if not isinstance(x, Traced):
        return isinstance(x, kinds)
    wanted = kinds if isinstance(kinds, tuple) else (kinds,)
    python = float if is_float(x.type) else int if x.type == I64 else bool
    abstract = (numbers.Number, numbers.Real) if x.type != BOOL else ()
    return any(k in (python, object, Traced, *abstract) for k in wanted)


def _any(items: Any) -> Any:
    found: Any = False
    for x in items:
        found = or_(_bool(found), lambda x=x: _bool(x))  # type: ignore[misc]
    return found


def _all(items: Any) -> Any:
    good: Any = True
    for x in items:
        good = and_(_bool(good), lambda x=x: _bool(x))  # type: ignore[misc]
    return good


def _pow(x: Any, y: Any, *mod: Any) -> Any:
    return pow(x, y, *mod) if mod else x**y


def _where(*args: Any) -> Any:
    return numpy_api.call_function(np.where, args, {})


def _fsum(items: Any) -> Any:
    items = list(items)
    return _sum(items) if any(map(is_traced, items)) else math.fsum(items)


def _math(python: Callable[..., Any], numpy: Any) -> Callable[..., Any]:
    def fn(*args: Any) -> Any:
        return numpy(*args) if any(map(is_traced, args)) else python(*args)

    return fn


REPLACED: dict[Any, Callable[..., Any]] = {
    range: iterables.staged_range, enumerate: iterables.staged_enumerate, zip: iterables.staged_zip, len: iterables.staged_length,
    reversed: iterables.staged_reversed, float: _float, int: _int, bool: _bool, builtins.sum: _sum, isinstance: _isinstance, pow: _pow,
    builtins.max: _extreme(operator.gt, max), builtins.min: _extreme(operator.lt, min), math.fsum: _fsum,
    builtins.any: _any,
    builtins.all: _all,
    math.floor: lambda x: x.__floor__() if is_traced(x) else math.floor(x),
    math.ceil: lambda x: x.__ceil__() if is_traced(x) else math.ceil(x),
    math.trunc: lambda x: x.__trunc__() if is_traced(x) else math.trunc(x),
}  # fmt: skip
REPLACED.update(creation.CREATION)
REPLACED[np.where] = lambda *a: _where(*a) if numpy_api.mentions_traced(a) else np.where(*a)[()] if len(a) == 3 else np.where(*a)
for _name, _function in vars(math).items():
    _target = numpy_api.FROM_MATH.get(_name)
    if callable(_function) and _target is not None and _function not in REPLACED:
        REPLACED[_function] = _math(_function, _target)


__all__ = ["BREAK", "CONTINUE", "DEAD", "NO_SCOPE", "Return", "Scope", "Undefined", "and_", "assert_", "call", "chain", "comparisons",
           "current_trace", "for_", "getitem", "if_", "ifexp", "local", "not_", "or_", "raise_", "setitem", "while_"]  # fmt: skip

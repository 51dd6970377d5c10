"""The names that rewritten code uses, as `_ln`: staging, and calls."""

from __future__ import annotations

import builtins
import dataclasses
import functools
import inspect
import operator
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import current_builder, current_trace
from ..core.sites import is_library, user_site
from ..numpy import creation
from ..numpy import dispatch as numpy_api
from ..numpy.registry import SCIPY, call_as_written
from ..python import host, iterators, python_math, random, sequences, strings
from ..python.for_loops import for_
from ..python.guarded import (
    Guarding,
    context,
    handled,
    match_argument,
    match_bool,
    match_class,
    match_mapping,
    match_others,
    match_rest,
    match_sequence,
)
from ..python.questions import QUESTIONS, dispatched, getattr_, type_
from ..python.raising import assert_, raise_
from ..python.strings import fstring, remainder
from ..python.subscripts import getitem, plain_key, setitem
from ..staging.branches import and_, chain, if_, ifexp, not_, or_
from ..staging.functions import invoke
from ..staging.growing import growing
from ..staging.leaves import Undefined
from ..staging.lists import List, made, spread
from ..staging.loops import while_
from ..staging.optional import Maybe, is_, needed
from ..staging.paths import BREAK, CONTINUE, DEAD, NO_SCOPE, Return, Scope, heap_of
from ..staging.stores import delattr_, delitem, in_place, seen, setattr_
from ..syntax.rewrite import LANGUAGE, NOT_USER_CODE, assigned_outside
from ..values import pytree, values
from ..values.heap import CONTAINERS, MISSING, MUTATORS
from ..values.values import Arrayed, Traced, is_traced, truth


class Comparisons:
    """The comparison functions of a chain."""

    lt, le, gt, ge, eq, ne = operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne

    @staticmethod
    def is_(x: Any, y: Any) -> Any:
        return is_(x, y)

    @staticmethod
    def is_not(x: Any, y: Any) -> Any:
        return not_(is_(x, y))

    @staticmethod
    def in_(x: Any, y: Any) -> bool:
        return x in y

    @staticmethod
    def not_in(x: Any, y: Any) -> bool:
        return x not in y


comparisons, generator, listed, slice = Comparisons, iterators.generator, sequences.listed, builtins.slice
BaseException = builtins.BaseException


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
        heap_of().closures += raw.__closure__ or ()
        assigned = assigned_outside(raw.__code__)
        raw.__lantern_outer__, raw.__lantern_globals__ = assigned, ()  # type: ignore[attr-defined]
        heap = heap_of()
        for name in assigned:
            cell = raw.__closure__[raw.__code__.co_freevars.index(name)]  # type: ignore[index]
            if (id(cell), name) not in heap.places and not heap.birth(cell):
                heap.made(cell)  # of a function that runs in this trace
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


_LOOK_UP = ("get", "pop", "setdefault", "discard", "__getitem__", "__contains__")


_WITH_EFFECTS = ("uuid", "secrets", "logging", "warnings")  # modules with functions written in Python that host.py or random.py must see


def attribute(obj: Any, name: str) -> Any:
    """obj.name. What it says is looked at again before later calls; properties are rewritten like other code."""
    trace = current_trace()
    if type(obj) in _PLAIN_TYPES or trace is None or not trace.builders:
        return getattr(obj, name)
    found = trace.reads.attribute(obj, name)
    if isinstance(found, property) and isinstance(found.fget, types.FunctionType) and _is_user_code(found.fget):
        return call(found.fget, obj)
    try:
        return getattr(obj, name) if found is not MISSING or not _looks_up(type(obj)) else object.__getattribute__(obj, name)
    except AttributeError:
        if not _looks_up(type(obj)):
            raise
    return call(types.MethodType(type(obj).__getattr__, obj), name)


def _looks_up(cls: Any) -> bool:
    """Does a user's class say in Python what its instances have under a name that is not there?"""
    found = getattr(cls, "__getattr__", None)
    plain = cls.__getattribute__ in (object.__getattribute__, dict.__getattribute__, list.__getattribute__)
    return plain and isinstance(found, types.FunctionType) and _is_user_code(found)


def _getattr(obj: Any, name: str, *default: Any) -> Any:
    if is_traced(obj):
        return getattr_(obj, name, *default)
    try:
        return attribute(obj, name)
    except AttributeError:
        if not default:
            raise
    return default[0]


@values.call.define
def call(function: Any, *args: Any, **kwargs: Any) -> Any:
    """A call in rewritten code: a staged builtin, a user's function, or anything else as it is."""
    for a in args:
        if type(a) is Maybe and not _takes_optionals(function):
            args = tuple(map(needed, args))
            break
    for a in args:
        if type(a) is List and growing(a) is not None:
            done, args = _of_growing(function, args)
            if done:
                return args
            break
    try:
        replacement = REPLACED.get(function)
    except TypeError:  # not hashable: a user's callable object
        replacement = None
    if replacement is not None:
        if _building():
            _looks_at(function, args)
        return _new(replacement(*args, **kwargs))
    if _building() and not (type(function) is types.FunctionType and function.__module__ not in _WITH_EFFECTS):
        if type(function) is types.BuiltinMethodType and isinstance(function.__self__, str):
            return strings.method(function, args, kwargs)
        random.check_source(function)
        if host.is_effect(function):
            return host.later(function, args, kwargs)
        if host.is_exception(function) and host.mentions_traced((args, kwargs)):
            return host.Deferred(function, args, kwargs)
    if isinstance(function, type) and _building() and _is_made_by_init(function):
        return instance(function, args, kwargs)
    if hasattr(function, "__lantern_transform__"):
        return function(*args, **kwargs)
    if numpy_api.is_of_numpy(function) and numpy_api.mentions_traced((args, kwargs)):
        return _new(numpy_api.call_numpy(function, args, kwargs))
    if (getattr(function, "__module__", None) or "").startswith("scipy.") and _any_traced((args, kwargs)):
        return _of_scipy(function, args, kwargs)
    if isinstance(function, types.FunctionType):
        implementation = dispatched(function, args)
        if implementation is not None:
            return call(implementation, *args, **kwargs)
        if _is_user_code(function):
            return invoke(function, args, kwargs)
        if _building():
            _looks_at(function, args)
        return function(*args, **kwargs)
    if isinstance(function, types.MethodType) and isinstance(function.__func__, types.FunctionType) and _is_user_code(function.__func__):
        return invoke(function, args, kwargs)
    if _is_method_of_array(function) and _building() and (function.__name__ == "copy" or _any_traced((args, kwargs))):
        return getattr(values.lift_array(function.__self__), function.__name__)(*args, **kwargs)  # of a captured one, as of an argument
    if (
        isinstance(function, (types.BuiltinMethodType, types.MethodWrapperType))
        and isinstance(function.__self__, CONTAINERS)
        and function.__name__ in MUTATORS
        and _building()
    ):
        heap_of().note(function.__self__)
    if isinstance(function, types.BuiltinMethodType) and function.__name__ in _LOOK_UP and isinstance(function.__self__, (dict, set)):
        args = tuple(plain_key(x) if i == 0 and isinstance(x, Traced) else x for i, x in enumerate(args))
    if isinstance(function, functools.partial):
        return call(function.func, *function.args, *args, **{**function.keywords, **kwargs})
    method = getattr(type(function), "__call__", None)  # noqa: B004  # the method itself is needed
    if not isinstance(function, type) and isinstance(method, types.FunctionType) and _is_user_code(method):
        return invoke(types.MethodType(method, function), args, kwargs)
    if not _building():
        return function(*args, **kwargs)
    _looks_at(function, args)
    for x in args:
        if isinstance(x, CONTAINERS) and not _reads_only(function):
            heap_of().note(x)  # heapq.heappush, random.shuffle, list.sort ...: it may be written
    return _new(function(*args, **kwargs))


def _looks_at(function: Any, args: Sequence[Any]) -> None:
    """Code that is not rewritten sees what the containers that it is given hold."""
    reads = current_trace().reads  # type: ignore[union-attr]
    owner = getattr(function, "__self__", None)
    if isinstance(owner, dict) and getattr(function, "__name__", "") in ("get", "__getitem__") and args and isinstance(args[0], str):
        reads.item(owner, args[0])
    elif isinstance(owner, (list, dict)) and function.__name__ not in MUTATORS:
        reads.contents(owner)
    reads.every(args)
    if not _any_traced(args):
        reads.arrays((owner, *args))


def _takes_optionals(function: Any) -> bool:
    """Is it a user's function, which may ask whether its argument is None?"""
    if function is isinstance or function is hasattr:
        return True
    raw = getattr(function, "__func__", function)
    if function is print or function in strings.REPLACED or host.is_effect(function):
        return True
    return (isinstance(raw, types.FunctionType) and _is_user_code(raw)) or (isinstance(function, type) and _is_made_by_init(function))


def _of_growing(function: Any, args: Any) -> tuple[bool, Any]:
    """(True, result) of a function of lists that grow; (False, arguments) with arrays in their place where NumPy takes them."""
    g = growing(args[0]) if args else None
    if g is not None and len(args) == 1 and function in (list, tuple, builtins.set):
        if function is list:
            return True, args[0].copy()
        g.refuse()
    if isinstance(function, np.ufunc) or (getattr(function, "__module__", None) or "").startswith(("numpy", "scipy")):
        return False, tuple(growing(a).stacked() if growing(a) is not None else a for a in args)  # type: ignore[union-attr]
    return False, args


def _reads_only(function: Any) -> bool:
    """Is it known that a function does not write into its arguments?"""
    return (
        isinstance(function, (type, np.ufunc))
        or getattr(function, "__module__", "") in _READERS
        or function in (len, repr, id, hash, iter, next, print)
    )


_READERS = ("numpy", "numpy.linalg", "math", "scipy.special", "functools", "copy", "json")


_VALUES = {int, float, bool, str, type(None), Traced, Arrayed, np.ndarray, np.float64, np.int64}


def _new(x: Any) -> Any:
    """The result of code that is not rewritten."""
    trace = current_trace()
    if type(x) in _VALUES or trace is None or not trace.builders:
        return x
    trace.heap.returned(x, 3)
    trace.reads.made_array(x, 3)
    return made(x) if type(x) is list and trace.heap.birth(x) else x


def _is_made_by_init(cls: type) -> bool:
    """Is it a user's class whose instances are what `__init__` makes of a blank object?"""
    new: Any = cls.__new__
    if new is not object.__new__ or type(cls).__call__ is not type.__call__ or (cls.__module__ or "").split(".")[0] in NOT_USER_CODE:
        return False
    init: Any = cls.__init__  # type: ignore[misc]
    return dataclasses.is_dataclass(cls) or (isinstance(init, types.FunctionType) and _is_user_code(init))


def instance(cls: Any, args: Any, kwargs: Any) -> Any:
    """cls(*args, **kwargs), with `__init__` rewritten like other code."""
    heap = heap_of()
    obj = heap.made(cls.__new__(cls))
    init = cls.__init__
    if (dataclasses.is_dataclass(cls) and init.__qualname__ == "__create_fn__.<locals>.__init__") or (
        getattr(init, "__code__", None) is not None and init.__code__.co_filename == "<string>"
    ):
        _fields(obj, cls, args, kwargs)
    else:
        before, heap.blank = heap.blank, obj
        try:
            invoke(types.MethodType(init, obj), args, kwargs)
        finally:
            heap.blank = before
    return obj


def _fields(obj: Any, cls: Any, args: Any, kwargs: Any) -> None:
    """What the `__init__` of a dataclass does."""
    given = inspect.signature(cls).bind(*args, **kwargs).arguments
    later = []
    for name, f in cls.__dataclass_fields__.items():
        kind = f._field_type.name if hasattr(f._field_type, "name") else str(f._field_type)
        if "CLASSVAR" in kind:
            continue
        if name in given:
            value = given[name]
        elif f.default_factory is not dataclasses.MISSING:
            value = call(f.default_factory)
        elif f.default is not dataclasses.MISSING:
            value = f.default
        else:
            continue
        if "INITVAR" in kind:
            later.append(value)
        else:
            object.__setattr__(obj, name, value)
    if hasattr(cls, "__post_init__"):
        call(obj.__post_init__, *later)


_PLAIN_TYPES = {int, float, bool, str, Traced, Arrayed, np.ndarray, np.float64, np.int64, tuple, list, type(None)}


def binary(fn: Any, name: str, x: Any, y: Any) -> Any:
    """x (op) y; what a user's class says about it is rewritten like other code."""
    if type(x) in _PLAIN_TYPES and type(y) in _PLAIN_TYPES:
        if (type(x) is np.ndarray or type(y) is np.ndarray) and not is_traced(x) and not is_traced(y) and _building():
            return _computed(fn, x, y)
        return fn(x, y)
    forward, back = _own(x, f"__{name}__"), _own(y, REFLECTED.get(name, f"__r{name}__"))
    if (forward is None and back is None) or not _building():
        return fn(x, y)
    pairs = [(x, f"__{name}__", y), (y, REFLECTED.get(name, f"__r{name}__"), x)]
    if type(x) is type(y) and name not in REFLECTED:
        pairs = pairs[:1]
    elif type(x) is not type(y) and issubclass(type(y), type(x)):
        pairs.reverse()
    for obj, method, other in pairs:
        found = getattr(type(obj), method, None)
        if found is None:
            continue
        result = call(types.MethodType(found, obj), other) if isinstance(found, types.FunctionType) else found(obj, other)
        if result is not NotImplemented:
            return result
    return fn(x, y)


REFLECTED = {"lt": "__gt__", "gt": "__lt__", "le": "__ge__", "ge": "__le__", "eq": "__eq__", "ne": "__ne__"}


def _computed(fn: Any, *operands: Any) -> Any:
    """What NumPy makes of captured arrays while tracing: a constant, as long as they hold what they hold."""
    reads = current_trace().reads  # type: ignore[union-attr]
    reads.arrays(operands)
    return reads.made_array(fn(*operands), 1)


def unary(fn: Any, name: str, x: Any) -> Any:
    """(op) x"""
    if type(x) is np.ndarray and _building():
        return _computed(fn, x)
    own = _own(x, f"__{name}__")
    return fn(x) if own is None or not _building() else call(types.MethodType(own, x))


def _own(x: Any, name: str) -> Any:
    """A method of a user's class, in Python."""
    if type(x) in _PLAIN_TYPES:
        return None
    found = getattr(type(x), name, None)
    return found if isinstance(found, types.FunctionType) and _is_user_code(found) else None


def _is_method_of_array(function: Any) -> bool:
    return isinstance(function, types.BuiltinMethodType) and isinstance(function.__self__, np.ndarray)


def _any_traced(tree: Any) -> bool:
    return any(map(is_traced, pytree.flatten(tree)[0]))


def _of_scipy(function: Any, args: Any, kwargs: Any) -> Any:
    """A function of SciPy that is no ufunc and does not ask its arguments what to do."""
    part, name = function.__module__.split(".")[1], getattr(function, "__name__", "")
    found = SCIPY.get((part, name))
    if found is not None:
        return call_as_written(f"scipy.{part}.{name}", found, args, kwargs)
    if isinstance(function, np.ufunc):
        return function(*args, **kwargs)
    raise errors.UnsupportedOperationError(
        f"scipy.{part}.{name} of traced values at {user_site()} is not supported: "
        + errors.instead(f"{part}.{name}", [f"{p}.{n}" for p, n in SCIPY])
    )


def _building() -> bool:
    trace = current_trace()
    return trace is not None and bool(trace.builders)


def _is_user_code(function: types.FunctionType) -> bool:
    if hasattr(function, "__lantern_raw__"):
        return True
    module = (function.__module__ or "").split(".")[0]
    return module not in NOT_USER_CODE and not is_library(function.__code__.co_filename)


# ---- builtins and math on traced values
def _float(x: Any = 0.0) -> Any:
    return values.to_float(x) if isinstance(x, Traced) else float(x)


def _int(x: Any = 0, *base: Any) -> Any:
    return values.to_integer(x) if isinstance(x, Traced) else int(x, *base)


def _number(kind: Any) -> Callable[..., Any]:
    """NumPy's classes of scalars, as functions."""

    def fn(*args: Any) -> Any:
        if not any(map(is_traced, args)):
            return kind(*args)
        out = creation.array(args[0], kind)
        return numpy_api.of_numpy(Traced(out.atom, out.builder, True)) if isinstance(out, Traced) else out

    return fn


def _bool(x: Any = False) -> Any:
    return values.truth(x)


def _pow(x: Any, y: Any, *mod: Any) -> Any:
    return pow(x, y, *mod) if mod else x**y


def _where(*args: Any) -> Any:
    return numpy_api.call_function(np.where, args, {})


REPLACED: dict[Any, Callable[..., Any]] = {
    **iterators.REPLACED, **sequences.REPLACED, float: _float, int: _int, bool: _bool, pow: _pow,
}  # fmt: skip
REPLACED.update(creation.CREATION)
REPLACED.update(host.REPLACED)
REPLACED.update(strings.REPLACED)
REPLACED.update(QUESTIONS)
REPLACED[builtins.getattr] = _getattr
REPLACED.update({kind: _number(kind) for kind in (np.float64, np.float32, np.int64, np.bool_)})
REPLACED[np.where] = lambda *a: (
    values.zero_dimensional(_where(*a)) if numpy_api.mentions_traced(a) else np.where(*a)[()] if len(a) == 3 else np.where(*a)
)
REPLACED.update(python_math.REPLACED)


__all__ = [
    "BREAK", "CONTINUE", "DEAD", "NO_SCOPE", "Guarding", "Return", "Scope", "Undefined", "and_", "assert_", "attribute", "binary", "call", "chain",
    "comparisons", "context", "current_trace", "delattr_", "delitem", "for_", "fstring", "generator", "getitem", "handled", "if_", "ifexp",
    "in_place", "is_", "listed", "local", "made", "match_argument", "match_bool", "match_class", "match_mapping", "match_others", "match_rest",
    "match_sequence", "not_", "operator", "or_", "plain_key", "raise_", "remainder", "seen", "setattr_", "setitem", "slice", "spread", "truth", "type_",
    "unary", "while_",
]  # fmt: skip

LANGUAGE.append(sys.modules[__name__])

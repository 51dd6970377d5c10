"""The names that rewritten code uses, as `_ln`: staging, and calls."""

from __future__ import annotations

import builtins
import functools
import operator
import re
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import building, current_builder, current_trace
from ..core.sites import unsupported, user_site
from ..numpy import creation
from ..numpy import dispatch as numpy_api
from ..numpy.linalg import sparse
from ..objects import copies
from ..objects.choice import Choice, identity, is_choice, state_of
from ..objects.structure import compared_fields
from ..python import generators, host, iterators, python_math, sequences, strings
from ..python.containers import heaps, keyed, mappings, ordered, sets
from ..python.containers.mappings import deleted as delitem
from ..python.containers.mappings import dict_of
from ..python.containers.rows import looped
from ..python.containers.unpacking import spread_out, unpacked
from ..python.folds import pythons_bool
from ..python.for_loops import for_
from ..python.guarded import Finally, try_
from ..python.questions import (
    QUESTIONS,
    getattr_,
    match_argument,
    match_bool,
    match_class,
    match_mapping,
    match_others,
    match_rest,
    match_sequence,
    type_,
    type_of,
)
from ..python.raising import assert_, raise_, with_
from ..python.strings import fstring, remainder
from ..python.subscripts import getitem, setitem
from ..staging import stores
from ..staging.branches import and_, chain, if_, ifexp, not_, or_
from ..staging.chosen.pick import each, plain
from ..staging.functions import invoke
from ..staging.growing import growing
from ..staging.items import queue
from ..staging.items.equal import equal_to
from ..staging.items.members import members_of
from ..staging.kinds import LEAF, candidates_in
from ..staging.leaves import Undefined
from ..staging.lists import List, made, spread
from ..staging.loops import while_
from ..staging.optional import Maybe, is_, needed, told_apart
from ..staging.paths import BREAK, CONTINUE, DEAD, NO_SCOPE, Return, Scope, heap_of
from ..staging.stores import delattr_, seen, setattr_
from ..syntax.rewrite import FRONTS, LANGUAGE, assigned_outside
from ..values import arrays, scalars
from ..values.scalars import truth
from ..values.values import Arrayed, Traced, is_traced
from ..values.views import any_traced
from .calls import _PLAIN_TYPES, REPLACED, attribute, call, own_method


class Comparisons:
    """The comparisons of a chain, each what it is by itself."""

    lt, le, gt, ge, eq, ne = (
        staticmethod(lambda x, y, name=name: binary(_operation(name), name, x, y)) for name in ("lt", "le", "gt", "ge", "eq", "ne")
    )
    is_, is_not = staticmethod(is_), staticmethod(lambda x, y: not_(is_(x, y)))
    in_, not_in = staticmethod(lambda x, y: contains(x, y)), staticmethod(lambda x, y: not_(contains(x, y)))


comparisons, generator, listed, slice = Comparisons, generators.generator, sequences.listed, builtins.slice
set_of, set_display = sets.set_, sets.display
yield_, yielding = generators.yield_, generators.yielding
BaseException = builtins.BaseException


def local(raw: Callable[..., Any]) -> Callable[..., Any]:
    """A function defined inside rewritten code: callable as usual, and already rewritten."""
    body = raw
    if raw.__name__ == "<lambda>":

        def raw_lambda(*args: Any, **kwargs: Any) -> Return:
            return Return(body(*args, **kwargs))

        raw = raw_lambda

    @functools.wraps(body)
    def function(*args: Any, **kwargs: Any) -> Any:
        return invoke(function, args, kwargs) if raw is body else body(*args, **kwargs)

    function.__qualname__ = re.sub(r"\b_ln_\w+\.<locals>\.", "", function.__qualname__.rpartition("_ln_rewritten.<locals>.")[2])
    FRONTS.add(function.__code__)  # type: ignore[attr-defined]
    if building():
        heap = heap_of()
        heap.closures += raw.__closure__ or ()
        heap.clock += 1
        maker = next((f for f in reversed(current_builder().frames) if f.kind == "function"), None)
        assigned = assigned_outside(raw.__code__)
        raw.__lantern_outer__, raw.__lantern_globals__ = assigned, ()  # type: ignore[attr-defined]
        for name in assigned:
            cell = raw.__closure__[raw.__code__.co_freevars.index(name)]  # type: ignore[index]
            if (id(cell), name) not in heap.places and not heap.birth(cell):
                heap.made(cell)  # of a function that runs in this trace
        builder = current_builder()
        builder.trace.depths[function] = builder, len(builder.frames)
        builder.trace.makers[function] = maker, heap.clock
    return function


def decorating(decorator: Any) -> Callable[[Any], Any]:
    """A decorator of a function that is defined inside of rewritten code: a call like others."""
    return lambda function: call(decorator, function)


def contains(x: Any, items: Any) -> Any:
    """x in items: element by element where something is traced (no hash of a traced value is its number's)."""
    items = plain(needed(items))
    if isinstance(items, queue.Queue):
        items = items.items
    if building() and isinstance(items, (dict, set, frozenset)):
        sets.hashable(x)
    if sets.is_of_program(items):
        return sets.has(members_of(items).items, x)  # type: ignore[union-attr]
    if isinstance(items, dict) and mappings.is_of_some_keys(items, None):
        return mappings.has(items, x)
    if isinstance(items, keyed.View) and items.of is not None:
        if items.of[1] == 0:
            return keyed.has(items.of[0], x)
        items = call(list, items)
    if (g := growing(items)) is not None and g.bones == LEAF:
        items = g.stacked()
    elif g is not None and (known := candidates_in(g.bones)) is not None and not is_choice(x):
        items, x = g.buffers[0][: g.n], next((i for i, c in enumerate(known.objects) if identity(c) == identity(x)), -1)
    elif g is not None:
        return pythons_bool(np.any(equal_to(g, x)))
    if x is None and isinstance(items, Arrayed):
        return False
    if isinstance(items, Arrayed) or (isinstance(items, np.ndarray) and is_traced(x)):
        return np.any(np.equal(arrays.lift_array(items) if isinstance(items, np.ndarray) else items, x))
    if isinstance(items, (tuple, list, dict, set, frozenset)) and (is_choice(x) or any(map(is_choice, items)) or any_traced((x, *items))):
        found: Any = False
        for item in items:
            found = or_(found, lambda item=item: binary(operator.eq, "eq", x, item))  # type: ignore[misc]
        return found
    if type(x).__eq__ is _BY_IDENTITY and isinstance(items, (tuple, list, dict, set, frozenset)):
        told_apart(x, *items)
    if type(items) is Choice:
        return truth(items.__contains__(x))
    own = stores.method_of(items, "__contains__")
    seen(items)
    return x in items if own is None else truth(call(own, x))


def known(test: Any) -> bool:
    """A condition of a comprehension that Python goes through, for it assigns."""
    found = truth(test)
    if isinstance(found, Traced):
        raise errors.TracedConditionError(
            f"`:=` in a comprehension whose `if` depends on traced values, at {user_site()}, is not supported: write a `for` statement"
        )
    return bool(found)


def _getattr(obj: Any, name: str, *default: Any) -> Any:
    if is_traced(obj):
        return getattr_(obj, name, *default)
    try:
        return attribute(obj, name)
    except AttributeError:
        if not default:
            raise
    return default[0]


def binary(fn: Any, name: str, x: Any, y: Any) -> Any:
    """x (op) y; what a user's class says about it is rewritten like other code."""
    if type(x) is Choice or type(y) is Choice:
        x, y = plain(x), plain(y)
    if type(x) is Maybe or type(y) is Maybe:
        if name in ("eq", "ne"):
            return _in_words(fn, *((x, y) if type(x) is Maybe else (y, x)))
        x, y = needed(x), needed(y)
    if name in _COMPARED and building() and _of_parts(x) and _of_parts(y) and any_traced((x, y)):
        return _compared(fn, name, x, y) if isinstance(x, tuple) is isinstance(y, tuple) else fn((), [])
    if building():
        current_trace().reads.every((x, y))  # type: ignore[union-attr]
    if type(x) in _PLAIN_TYPES and type(y) in _PLAIN_TYPES:
        if (type(x) is np.ndarray or type(y) is np.ndarray) and not is_traced(x) and not is_traced(y) and building():
            return _computed(fn, x, y)
        return _in_words(fn, x, y)
    if (of_sets := sets.operated(name, x, y)) is not NotImplemented:
        return of_sets
    if (of_dicts := mappings.operated(name, x, y)) is not NotImplemented:
        return of_dicts
    if (of_sparse := sparse.operated(name, x, y)) is not NotImplemented:
        return of_sparse
    if name in _COMPARED and building() and (of_fields := _compared_by_fields(fn, name, x, y)) is not NotImplemented:
        return of_fields
    forward, back = own_method(x, f"__{name}__"), own_method(y, REFLECTED.get(name, f"__r{name}__"))
    if (forward is None and back is None) or not building():
        if name == "ne" and building() and (own_method(x, "__eq__") or own_method(y, "__eq__")):  # of which Python makes it
            return not_(binary(operator.eq, "eq", x, y))
        if name in ("eq", "ne") and type(x).__eq__ is _BY_IDENTITY:
            told_apart(x, y)
        return _in_words(fn, x, y)
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


_COMPARED = ("eq", "ne", "lt", "le", "gt", "ge")
_ARITHMETIC = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift")


def _of_parts(x: Any) -> bool:
    """Is it a tuple or list, which Python compares part by part?"""
    own = tuple.__eq__ if isinstance(x, tuple) else list.__eq__
    return (type(x) is List and growing(x) is None) or (isinstance(x, (tuple, list)) and type(x) is not List and type(x).__eq__ is own)


def _compared(fn: Any, name: str, x: Any, y: Any) -> Any:
    """x (op) y of tuples or lists: what their first parts that differ say, or else their lengths."""
    if name in ("eq", "ne"):
        same: Any = len(x) == len(y)
        for a, b in zip(x, y, strict=False):
            same = and_(same, lambda a=a, b=b: pythons_bool(a is b or binary(operator.eq, "eq", a, b)))  # type: ignore[misc]
        return same if name == "eq" else not_(same)
    if not x or not y:
        return fn(len(x), len(y))
    same = x[0] is y[0] or binary(operator.eq, "eq", x[0], y[0])
    return ifexp(same, lambda: _compared(fn, name, x[1:], y[1:]), lambda: pythons_bool(binary(fn, name, x[0], y[0])))


def _compared_by_fields(fn: Any, name: str, x: Any, y: Any) -> Any:
    """x (op) y of instances of dataclasses, whose own methods have no source, or of what is chosen of such; NotImplemented of others."""
    classes = {type(c) for of in (x, y) for c in (state_of(of)[1] if type(of) is Choice else (of,))}
    found = [compared_fields(c, name) for c in classes]
    if len(found) == 1 and found[0] is not None:
        return _compared(fn, name, *(tuple(attribute(of, field) for field in found[0]) for of in (x, y)))
    chosen = next((of for of in (x, y) if type(of) is Choice), None)
    if chosen is None or not any(fields is not None for fields in found):
        return NotImplemented
    return each(chosen, lambda c: binary(fn, name, *(c if of is chosen else of for of in (x, y))))


def _in_words(fn: Any, *operands: Any) -> Any:
    """fn(*operands); where Python has no such operation, in Python's words."""
    try:
        return fn(*operands)
    except TypeError as e:
        text = str(e)
        for x in operands:
            text = text.replace(f"'{type(x).__name__}'", f"'{type_of(x).__name__}'")
        if text == str(e):
            raise
        raise TypeError(text) from None


def in_place(fn: Any, old: Any, value: Any) -> Any:
    """old (op)= value"""
    old = needed(old)
    if building():
        current_trace().reads.every((value,))  # type: ignore[union-attr]
    if building() and (type(old) not in _PLAIN_TYPES or type(value) not in _PLAIN_TYPES):
        name = fn.__name__.removeprefix("i")
        if name == "or" and sets.operated("or", old, value) is not NotImplemented:
            sets.update(old, value)
            return old
        if name == "or" and mappings.is_joined(old, value):
            mappings.updated(old, value)
            return old
        mappings.operated(name, old, value)
        if (own := own_method(old, f"__i{name}__")) is not None:
            found = call(types.MethodType(own, old), value)
            return found if found is not NotImplemented else binary(_operation(name), name, old, value)
        if not hasattr(type(old), f"__i{name}__") and (own_method(old, f"__{name}__") or own_method(value, f"__r{name}__")):
            return binary(_operation(name), name, old, value)
    return _in_words(functools.partial(stores.in_place, fn), old, value)


def _operation(name: str) -> Any:
    return getattr(operator, name, None) or getattr(operator, f"{name}_")


_BY_IDENTITY: Any = object.__eq__
REFLECTED = {"lt": "__gt__", "gt": "__lt__", "le": "__ge__", "ge": "__le__", "eq": "__eq__", "ne": "__ne__"}


def _computed(fn: Any, *operands: Any) -> Any:
    """What NumPy makes of captured arrays while tracing: a constant, as long as they hold what they hold."""
    reads = current_trace().reads  # type: ignore[union-attr]
    reads.arrays(operands)
    return reads.made_array(fn(*operands))


def unary(fn: Any, name: str, x: Any) -> Any:
    """(op) x"""
    x = needed(x)
    if type(x) is np.ndarray and building():
        return _computed(fn, x)
    own = own_method(x, f"__{name}__")
    return fn(x) if own is None or not building() else call(types.MethodType(own, x))


# ---- builtins and math on traced values
_BUILTINS: dict[Any, Callable[..., Any]] = {
    float: lambda x=0.0: scalars.to_float(x) if isinstance(x, Traced) else each(x, float) if is_choice(x) else float(x),
    int: lambda x=0, *base: scalars.to_integer(x) if isinstance(x, Traced) else each(x, int) if is_choice(x) else int(x, *base),
    bool: lambda x=False: scalars.truth(x),
    pow: lambda x, y, *mod: _modular(x, y, *mod) if mod else binary(operator.pow, "pow", x, y),
    getattr: _getattr,
}


def _modular(x: Any, y: Any, m: Any) -> Any:
    if any(map(is_traced, (x, y, m))):
        unsupported("pow() with three arguments", "multiply and take the remainder in a loop")
    return pow(x, y, m)


def _number(kind: Any) -> Callable[..., Any]:
    """NumPy's classes of scalars, as functions."""

    def fn(*args: Any) -> Any:
        if not any(map(is_traced, args)):
            return kind(*args)
        out = creation.array(args[0], kind)
        return out.weakly(False) if isinstance(out, Traced) else out

    return fn


def _where(*args: Any) -> Any:
    return numpy_api.call_function(np.where, args, {})


for _replaced in (python_math, iterators, generators, sequences, heaps, mappings, ordered, sets, queue, host, strings, copies, stores):
    REPLACED.update(_replaced.REPLACED)
REPLACED.update({**numpy_api.CREATION, **QUESTIONS, **_BUILTINS})
REPLACED.update({kind: _number(kind) for kind in (np.float64, np.float32, np.complex128, np.complex64, np.int64, np.bool_)})
REPLACED.update({_operation(name): functools.partial(binary, _operation(name), name) for name in (*_COMPARED, *_ARITHMETIC)})
REPLACED.update({_operation(name): functools.partial(unary, _operation(name), name) for name in ("neg", "pos", "invert")})
REPLACED[np.where] = lambda *a: (
    scalars.zero_dimensional(_where(*a)) if numpy_api.mentions_traced(a) else np.where(*a)[()] if len(a) == 3 else np.where(*a)
)


__all__ = [
    "BREAK", "CONTINUE", "DEAD", "NO_SCOPE", "Finally", "Return", "Scope", "Undefined", "and_", "assert_", "attribute", "binary", "call", "chain",
    "comparisons", "current_trace", "decorating", "delattr_", "delitem", "dict_of", "for_", "fstring", "generator", "getitem", "if_", "ifexp",
    "in_place", "is_", "known", "listed", "local", "looped", "made", "match_argument", "match_bool", "match_class", "match_mapping", "match_others", "match_rest",
    "match_sequence", "not_", "operator", "or_", "raise_", "remainder", "seen", "set_display", "set_of", "setattr_", "setitem", "slice", "spread", "spread_out", "truth", "try_",
    "type_", "unary", "unpacked", "while_", "with_", "yield_", "yielding",
]  # fmt: skip

LANGUAGE.append(sys.modules[__name__])

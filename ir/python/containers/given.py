"""Functions that are given lists that grow, deques of the program, or dicts with keys that they have on some paths only."""

from __future__ import annotations

import functools
import itertools
import types
from collections.abc import Container
from typing import Any

import numpy as np

from ...core.sites import unsupported
from ...objects.held import CONTAINERS, among
from ...staging.growing import growing
from ...staging.items.members import members_of, refused
from ...staging.items.queue import Queue
from ...staging.lists import List
from ...staging.optional import returned
from ...staging.stores import gone_through, method_of
from ...values.pytree import has_some_keys
from ...values.values import call
from . import mappings
from .keyed import View
from .sets import set_
from .unpacking import column

_INSIDE_LISTS = ("_heapq", "_bisect", "_random", "_statistics", "array")  # they take the memory of a list for its items
_GO_THROUGH = (list, tuple, set, sorted, sum, max, min, enumerate, zip, iter, any, all, map, filter, reversed)
_OF_FIRST = (list, tuple, set, frozenset, dict, sorted, sum, any, all, max, min)
_IN_TURN = (
    *(
        enumerate,
        zip,
        iter,
        map,
        filter,
        functools.reduce,
        itertools.accumulate,
        itertools.chain,
        itertools.chain.from_iterable,
        itertools.islice,
    ),
    *(itertools.product, itertools.pairwise, itertools.zip_longest, itertools.combinations, itertools.permutations, itertools.cycle),
)


def with_containers(function: Any, args: Any, replaced: Container[Any]) -> tuple[bool, Any]:
    """(True, result) of a function of such; (False, arguments) where it takes others in their place. `replaced`: the functions that
    know lists that grow."""
    done, of_numpy = False, isinstance(function, np.ufunc) or (getattr(function, "__module__", None) or "").startswith(("numpy", "scipy"))
    args = _gone_through(function, args)
    if any(type(a) is Queue for a in args) and (of_numpy or among(function, (list, tuple, set))):
        args = tuple(a.items if type(a) is Queue else a for a in args)
    if any(type(a) is List and growing(a) is not None for a in args):
        done, args = _of_growing(function, args, of_numpy, replaced)
    if not done and any(map(has_some_keys, args)):
        done, args = _of_some_keys(function, args)
    if not done and among(function, (tuple, iter)) and isinstance(args[0], View):  # as it is now
        return with_containers(function, (call(list, args[0]), *args[1:]), replaced)
    return done, args


def _gone_through(function: Any, args: Any) -> Any:
    """What such a function goes through of the objects that it is given."""
    if among(function, _OF_FIRST):
        return (gone_through(args[0]), *args[1:]) if len(args) == 1 or not among(function, (max, min)) else args
    if getattr(function, "__name__", "") == "extend" and type(getattr(function, "__self__", None)) is List:
        return tuple(map(gone_through, args))
    if function is reversed and (own := method_of(args[0], "__reversed__")) is not None:
        return (call(list, call(own))[::-1],)
    return tuple(gone_through(a, in_turn=True) for a in args) if among(function, _IN_TURN) else args


def _of_growing(function: Any, args: Any, of_numpy: bool, replaced: Container[Any]) -> tuple[bool, Any]:
    g = growing(args[0])
    if g is not None and len(args) == 1 and among(function, (list, tuple, set)):
        if function is list:
            return True, args[0].copy()
        if function is tuple:
            return True, column(g)
        return True, set_(args[0])
    if isinstance(function, types.BuiltinFunctionType) and function.__module__ in _INSIDE_LISTS and function not in replaced:
        next(filter(None, map(growing, args))).refuse()
    if of_numpy:
        return False, tuple(growing(a).stacked() if growing(a) is not None else a for a in args)  # type: ignore[union-attr]
    return False, args


def _of_some_keys(function: Any, args: Any) -> tuple[bool, Any]:
    """The same with the keys of a dict, where a function goes through these."""
    if any(isinstance(a, (set, frozenset)) and has_some_keys(a) for a in args):
        return _of_sets(function, args)
    if function is dict and len(args) == 1:
        return True, mappings.copied(args[0], dict)
    raw = getattr(function, "__func__", function)
    if function is bool:
        return True, call(len, args[0]) > 0
    if function is print:
        return False, tuple(returned(a) if has_some_keys(a) else a for a in args)
    made_by_user = isinstance(function, type) and isinstance(function.__init__, types.FunctionType)  # type: ignore[misc]
    if isinstance(raw, types.FunctionType) or made_by_user or any(function is f for f in (isinstance, len, type)):
        return False, args
    if any(function is f for f in _GO_THROUGH):
        return False, tuple(map(mappings.seen_as_a_whole, args))
    if isinstance(getattr(function, "__self__", None), CONTAINERS):
        return False, args
    name = getattr(function, "__name__", "the function")
    unsupported(
        f"{name}() of a dict with keys that it has on some paths only", "give the dict all of its keys before, or go through d.items()"
    )


_OF_ALL = (sorted, len, min, max, any, all, bool)


def _of_sets(function: Any, args: Any) -> tuple[bool, Any]:
    """The same with a list of what is in a set, where its order makes no difference."""
    raw = getattr(function, "__func__", function)
    own = isinstance(getattr(function, "__self__", None), CONTAINERS)
    if among(function, (set, isinstance, print)) or isinstance(raw, types.FunctionType) or own:
        return False, args
    if among(function, _OF_ALL):
        return False, tuple(a if (found := members_of(a)) is None else found.items for a in args)
    return refused(f"{getattr(function, '__name__', 'the function')}()")  # type: ignore[no-any-return]

"""x[i], and writes there."""

from __future__ import annotations

import collections
import functools
import operator
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import building, current_trace
from ..core.sites import user_site
from ..core.types import BOOL, I64
from ..numpy.dispatch import INDEXED, index_joined, mentions_traced
from ..objects.choice import Candidates, as_number, is_choice, one_of
from ..objects.held import CONTAINERS
from ..ops import table
from ..staging.branches import and_, ifexp
from ..staging.chosen.pick import halves, is_one_of, pick, plain, written
from ..staging.growing import growing
from ..staging.lists import List
from ..staging.optional import Maybe, needed
from ..staging.paths import heap_of, require
from ..staging.stores import attribute, constants_written, method_of, subscripted, subscripts_written
from ..values.arrays import lift_array
from ..values.values import Traced, call, constant, is_traced, store, to_type, write_to_scalar
from .containers import mappings
from .containers.keyed import require_key
from .iterables import as_array
from .strings import Text

_MAKERS = set(map(type, INDEXED))


@subscripted.define
def getitem(obj: Any, index: Any) -> Any:
    """obj[index], where a captured NumPy array becomes a constant of the program."""
    obj = needed(obj)
    index = _there(obj, index) if type(index) is Maybe else index
    index = index if isinstance(obj, dict) else as_number(index)
    index = _counted(obj, index) if isinstance(obj, (*CONTAINERS, tuple, str)) else _plain_lists(index)
    if isinstance(obj, np.ndarray) and mentions_traced(index):
        return lift_array(obj)[index]
    if type(obj) in _MAKERS and (mentions_traced(index) or current_trace() is not None):
        return index_joined(obj, index)
    if (own := method_of(obj, "__getitem__")) is not None:
        return call(own, index)
    trace = current_trace()
    if isinstance(obj, (dict, list, tuple, str)) and type(obj) is not List and is_open(index):
        index = mappings.known(obj, index)
    if isinstance(obj, dict) and mappings.is_of_some_keys(obj, index):
        return mappings.item(obj, index)
    if trace is not None and isinstance(obj, dict) and is_open(index):
        trace.reads.contents(obj)
        return pick(place_of(obj, index), list(obj.values()))
    if isinstance(obj, dict) and (own := method_of(obj, "__missing__")) is not None and index not in obj:
        return call(own, index)
    if isinstance(obj, collections.defaultdict) and building() and index not in obj and obj.default_factory is not None:
        made = call(obj.default_factory)
        heap_of().note(obj)
        dict.__setitem__(obj, index, made)
    if trace is not None and isinstance(obj, CONTAINERS):
        trace.reads.item(obj, index)
    elif trace is not None and isinstance(obj, np.ndarray):
        trace.reads.element(obj, index)
        return trace.reads.made_array(obj[index])
    if isinstance(index, Traced) and isinstance(obj, (list, tuple, str)) and type(obj) is not List and building() and _are_few(obj):
        return pick(table.check_index(index, constant(len(obj)), axis=0), list(obj))
    return obj[index]


def _there(obj: Any, index: Any, written: bool = False) -> Any:
    """An index or a key that may be None; where it is, the program fails as Python does, or since something else would come of it."""
    if isinstance(obj, dict) and None not in obj and not written:
        return needed(index, KeyError(None))
    kind = next((k for k in (list, tuple, str) if isinstance(obj, k)), None)
    if kind is not None:
        return needed(index, TypeError(f"{kind.__name__} indices must be integers or slices, not NoneType"))
    what = f"an index, or a key, at {user_site()} may be None, and is: begin with one that is there"
    return needed(index, errors.UnsupportedOperationError(what))


def _counted(obj: Any, index: Any) -> Any:
    """An index of a sequence: a bool is 0 or 1."""
    return to_type(index, I64) if isinstance(index, Traced) and index.type == BOOL and not isinstance(obj, dict) else index


def _plain_lists(index: Any) -> Any:
    """An index of an array, with arrays for lists that grow and for ranges."""
    if isinstance(index, tuple):
        return tuple(map(_plain_lists, index))
    index = as_array(plain(index))
    if type(index) is range:
        return np.array(index, np.int64)
    g = growing(index)
    return index if g is None else g.stacked()


@subscripts_written.define
def setitem(value: Any, obj: Any, index: Any) -> None:
    """obj[index] = value, evaluated in Python's order; compiled code never writes into an array it captured."""
    obj = needed(obj)
    index = _there(obj, index, written=True) if type(index) is Maybe else index
    if current_trace() is not None:
        if (own := method_of(obj, "__setitem__")) is not None:
            call(own, index, value)
            return
        index = index if isinstance(obj, dict) else as_number(index)
        index = _counted(obj, index) if isinstance(obj, CONTAINERS) else _plain_lists(index)
        if isinstance(obj, CONTAINERS):
            heap_of().note(obj)
        if isinstance(obj, dict) and is_open(index):
            index = mappings.known(obj, index)
        if isinstance(obj, dict) and mappings.is_of_some_keys(obj, index, written=True):
            mappings.put(obj, index, value)
            return
        if isinstance(obj, dict) and is_open(index):
            _put(obj, _place_to_write(obj, index), value)
            return
        constants_written(obj)
        if isinstance(obj, np.ndarray) and (mentions_traced(index) or is_traced(value)):
            store(lift_array(obj), index, value)
        elif isinstance(obj, np.generic):
            write_to_scalar()
        elif isinstance(index, Traced) and type(obj) is List and growing(obj) is None and any(map(is_choice, (value, *obj))):
            at = table.check_index(index, constant(len(obj)), axis=0)
            halves(at, range(len(obj)), lambda i: setitem(value, obj, i))
            return
    obj[index] = value


MOST = 256  # items of which the program picks one by a branch for each


def _are_few(obj: Any) -> bool:
    return len(obj) > 0 and (len(obj) <= MOST or all(type(x) in (int, float, np.ndarray) for x in obj))


# ---- dicts and keys that only the program knows
def is_open(key: Any) -> bool:
    """Is it a key whose hash only the program knows?"""
    return isinstance(key, (Traced, Text)) or is_choice(key) or (type(key) is tuple and any(map(is_open, key)))


def place_of(obj: dict[Any, Any], key: Any, default: bool = False) -> Any:
    """The number of the dict's item with that key; the program raises KeyError where there is none. With `default` it is -1 there."""
    if isinstance(obj, (collections.defaultdict, collections.Counter)):
        key = key.as_key() if isinstance(key, Traced) else hash(key)  # a new key for what is not there is refused
    if len(obj) > MOST:
        key = key.as_key() if isinstance(key, Traced) else hash(key)
    same = [(i, _is_key(key, k)) for i, k in enumerate(obj)]
    found: Any = -1
    for i, s in same:
        if isinstance(s, Traced):
            found = table.select(s, constant(i), found if isinstance(found, Traced) else constant(found))
        elif s:
            found = i
    if not default:
        require_key(table.ige(found, 0) if isinstance(found, Traced) else found >= 0, key)
    return found


def member(cls: Any, value: Any) -> Any:
    """cls(value), where the program decides which member of an Enum it is."""
    members = {m.value: m for m in cls}
    at = place_of(members, value, default=True)
    require(
        table.ige(at, 0) if isinstance(at, Traced) else at >= 0,
        ValueError(f"a value that the program computes is not a valid {cls.__qualname__}"),
    )
    return one_of(at, Candidates(list(members.values()))) if isinstance(at, Traced) else list(members.values())[at]


GETTERS = (operator.attrgetter, operator.itemgetter, operator.methodcaller)


def gets(function: Any, x: Any) -> Any:
    """What operator.attrgetter("a.b"), itemgetter(i) or methodcaller("f", ..) gives for x; a tuple where it is asked for several."""
    made: Any = function.__reduce__()  # what it is made by, and its arguments
    if isinstance(function, operator.methodcaller):
        args = [*getattr(made[0], "args", ()), *made[1]]  # a partial, if there are keywords
        return call(attribute(x, args[0]), *args[1:], **getattr(made[0], "keywords", {}))
    one = getitem if isinstance(function, operator.itemgetter) else lambda x, path: functools.reduce(attribute, path.split("."), x)
    found = tuple(one(x, what) for what in made[1])
    return found if len(found) > 1 else found[0]


def got(obj: dict[Any, Any], key: Any, default: Any = None) -> Any:
    """obj.get(key, default)"""
    current_trace().reads.contents(obj)  # type: ignore[union-attr]
    key = mappings.known(obj, key)
    if mappings.is_of_some_keys(obj, key):
        return mappings.got(obj, key, default)
    if not is_open(key):
        return dict.get(obj, key, default)
    at = place_of(obj, key, default=True)
    if not isinstance(at, Traced):
        return default if at < 0 else list(obj.values())[at]
    return ifexp(table.ige(at, 0), lambda: pick(at, list(obj.values())), lambda: default)


def _is_key(key: Any, k: Any) -> Any:
    """key == k, where k is known."""
    if isinstance(key, tuple):
        if not isinstance(k, tuple) or len(k) != len(key):
            return False
        same: Any = True
        for a, b in zip(key, k, strict=True):
            same = and_(same, lambda a=a, b=b: _is_key(a, b))  # type: ignore[misc]
        return same
    if isinstance(key, Text):
        return key.is_(k)
    if is_choice(key):
        return is_one_of(key, lambda c: bool(c == k))
    return key == k if isinstance(k, (int, float, np.number)) or not isinstance(key, Traced) else False


def _place_to_write(obj: dict[Any, Any], key: Any) -> Any:
    at = place_of(obj, key, default=True)
    if not isinstance(at, Traced) and at < 0:
        return key.as_key() if isinstance(key, Traced) else hash(key)  # which is refused
    new = KeyError("a key that the program decides is written to a dict that does not have it: give the dict all of its keys before")
    require(table.ige(at, 0) if isinstance(at, Traced) else True, new)
    return at


def _put(obj: dict[Any, Any], i: Any, value: Any) -> None:
    """The item number i of a dict becomes that; the others are what they are."""
    keys, new = list(obj), written(i, list(obj.values()), value)
    if new is None:
        halves(i, keys, lambda k: setitem(value, obj, k))
        return
    for k, v in zip(keys, new, strict=True):
        dict.__setitem__(obj, k, v)

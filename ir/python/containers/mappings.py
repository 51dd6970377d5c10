"""Dicts with keys that they have on some paths only, and keys that the program chooses among known ones (staging/items/entries.py); those
whose keys it computes are for keyed.py."""

from __future__ import annotations

import collections
import operator
from collections.abc import Callable
from typing import Any

from ...core.builder import building
from ...core.sites import unsupported
from ...objects.choice import Candidates, Choice, is_choice, state_of
from ...ops import table
from ...staging.branches import and_, if_, ifexp
from ...staging.chosen.pick import each, pick
from ...staging.growing import growing
from ...staging.items.entries import Entry, next_rank
from ...staging.items.keyed import keyed as of_computed_keys
from ...staging.items.keyed import may_open
from ...staging.items.members import refused
from ...staging.lists import List, for_over, made
from ...staging.paths import NO_SCOPE, heap_of, require
from ...staging.stores import delitem, subscripted, subscripts_written
from ...values import concrete
from ...values.pytree import has_some_keys
from ...values.values import Traced, call, constant
from ...values.views import any_traced
from .. import iterables
from ..iterables import Staged, length_of_open
from ..sequences import sorted_
from . import keyed

ABSENT: Any = object()


def is_of_some_keys(d: Any, key: Any, written: bool = False) -> bool:
    """Is it for what stands here to read or write d[key]?"""
    if not isinstance(d, dict) or not building():
        return False
    if has_some_keys(d):
        return True
    if is_number(key) and may_open(d):
        return written or isinstance(d, (collections.defaultdict, collections.Counter))
    return is_choice(key) and (isinstance(d, (collections.defaultdict, collections.Counter)) or not all(c in d for c in state_of(key)[1]))


def is_number(key: Any) -> bool:
    """Is it a number that the program computes, or a tuple with what it computes in it?"""
    return isinstance(key, Traced) or (isinstance(key, tuple) and any(is_number(k) or is_choice(k) for k in key))


def known(d: Any, key: Any) -> Any:
    """A key, or an index, with the numbers that follow from the arguments at hand; and those of a short loop's counter, which is unrolled."""
    if type(key) is tuple:
        return tuple(known(d, k) for k in key)
    if not isinstance(key, Traced) or of_computed_keys(d) is not None:
        return key
    number = concrete.number(key)
    return key if number is None and not concrete.of_short_loops(key) else key.as_key() if number is None else number


def _numbered(d: dict[Any, Any], key: Any) -> tuple[Any, Any]:
    """A key that the program computes as one of those that the dict may have, and whether it is one of them."""
    if is_choice(key) or not any_traced(key):
        return key, True
    at: Any = constant(-1)
    for i, k in enumerate(d):
        same = call(operator.eq, key, k)
        at = table.select(same, constant(i), at) if isinstance(same, Traced) else constant(i) if same else at
    there = table.ige(at, 0)
    return Choice(table.select(there, at, constant(0)), Candidates(list(d))), there.weakly(True)


def item(d: dict[Any, Any], key: Any) -> Any:
    """d[key]"""
    if is_computed(d, key):
        return keyed.item(d, key)
    asked = key
    key, there = _numbered(d, key)
    keyed.require_key(there, asked)
    if is_choice(key):
        return _chosen(d, key)
    if isinstance(d, collections.Counter):
        return got(d, key, 0)
    factory = d.default_factory if isinstance(d, collections.defaultdict) else None
    if factory is not None:
        return added(d, key, lambda: call(factory))
    there = has(d, key)
    require(there, KeyError(key))
    return _value(d, key)


def _chosen(d: dict[Any, Any], key: Any) -> Any:
    """d[key] of one of several keys."""
    index, keys = state_of(key)
    if isinstance(d, collections.defaultdict) and d.default_factory is not None:
        factory = d.default_factory
        at_each(key, lambda k: added(d, k, lambda: call(factory)))
    elif not isinstance(d, collections.Counter):
        require(pick(index, [has(d, k) for k in keys]), KeyError("the dict has no such key"))
    missing = 0 if isinstance(d, collections.Counter) else next((_value(d, k) for k in keys if k in d), None)
    return pick(index, [got(d, k, 0) if isinstance(d, collections.Counter) else _value(d, k) if k in d else missing for k in keys])


def at_each(key: Any, action: Callable[[Any], Any]) -> None:
    """action(k) of the key that it is, for what it does."""

    def one(k: Any) -> None:
        action(k)

    each(key, one)


def _value(d: dict[Any, Any], key: Any) -> Any:
    found = dict.__getitem__(d, key)
    return found.value if type(found) is Entry else found


def has(d: dict[Any, Any], key: Any) -> Any:
    """key in d"""
    if of_computed_keys(d) is not None:
        return keyed.has(d, key)
    if not is_choice(key) and any_traced(key):
        key, there = _numbered(d, key)
        return and_(there, lambda: has(d, key))
    if is_choice(key):
        index, keys = state_of(key)
        return pick(index, [has(d, k) for k in keys])
    found = dict.get(d, key, ABSENT)
    return found is not ABSENT if type(found) is not Entry else found.there


def got(d: dict[Any, Any], key: Any, default: Any = None) -> Any:
    """d.get(key, default)"""
    if of_computed_keys(d) is not None:
        return keyed.got(d, key, default)
    if not is_choice(key) and any_traced(key):
        key, there = _numbered(d, key)
        return ifexp(there, lambda: got(d, key, default), lambda: default)
    if is_choice(key):
        index, keys = state_of(key)
        return pick(index, [got(d, k, default) for k in keys])
    return ifexp(has(d, key), lambda: _value(d, key), lambda: default)


def added(d: dict[Any, Any], key: Any, make: Callable[[], Any]) -> Any:
    """d.setdefault(key, make())"""
    if is_choice(key):
        at_each(key, lambda k: added(d, k, make))
        return pick(state_of(key)[0], [_value(d, k) for k in state_of(key)[1]])
    if_(has(d, key), lambda: None, lambda: put(d, key, make()), NO_SCOPE)
    return _value(d, key)


def put(d: dict[Any, Any], key: Any, value: Any) -> None:
    """d[key] = value"""
    if is_computed(d, key, written=True):
        keyed.put(d, key, value)
        return
    key, there = _numbered(d, key)
    require(
        there, KeyError("a key that the program computes is written to a dict that does not have it: give the dict all of its keys before")
    )
    if is_choice(key):
        at_each(key, lambda k: put(d, k, value))
        return
    heap_of().note(d)
    if not has_some_keys(d):
        dict.__setitem__(d, key, value)
        return
    old, rank = dict.get(d, key), next_rank(d)
    if old is not None:
        was = old.rank if isinstance(old.rank, Traced) else constant(old.rank)
        rank = table.select(table.ige(was, 0), was, rank)
    dict.__setitem__(d, key, Entry(rank, value))


def removed(d: dict[Any, Any], key: Any, *default: Any) -> Any:
    """d.pop(key, default)"""
    if is_choice(key):
        unsupported("the removal of a key that the program chooses from a dict", "keep a list of flags beside it")
    there = has(d, key)
    if there is False:
        if default:
            return default[0]
        raise KeyError(key)
    if not default:
        require(there, KeyError(key))
    value = _value(d, key)
    out = value if not default else ifexp(there, lambda: value, lambda: default[0])
    heap_of().note(d)
    dict.__setitem__(d, key, Entry(constant(-1), value))
    return out


@length_of_open.define
def length(d: dict[Any, Any]) -> Any:
    if of_computed_keys(d) is not None:
        return keyed.length(d)
    found: Any = constant(0)
    for e in dict.values(d):
        there = e.there
        found = table.iadd(found, table.select(there, constant(1), constant(0)) if isinstance(there, Traced) else constant(int(there)))
    return found.weakly(True)


def _in_order(d: dict[Any, Any], of: Callable[[Any], Any]) -> Any:
    """of(number of the item) for the items that the dict has, in its order."""
    rows = made([])
    for i, e in enumerate(dict.values(d)):
        rank = e.rank if isinstance(e.rank, Traced) else constant(e.rank)
        rows.append((table.select(table.ige(rank, 0), rank, constant(2**62)), constant(i)))
    found = sorted_(rows)
    found = found if type(found) is List else made(found)
    out = made([])
    for_over(found[: length(d)], lambda row: out.append(of(row[1])))
    return out


def keys(d: dict[Any, Any]) -> Any:
    return _in_order(d, lambda i: pick(i, list(d)))


def values(d: dict[Any, Any]) -> Any:
    return _in_order(d, lambda i: pick(i, [e.value for e in dict.values(d)]))


def pairs(d: dict[Any, Any]) -> Any:
    return _in_order(d, lambda i: (pick(i, list(d)), pick(i, [e.value for e in dict.values(d)])))


def most_common(d: dict[Any, Any], n: Any = None) -> Any:
    found = sorted_(pairs(d), key=operator.itemgetter(1), reverse=True)
    return found if n is None else found[:n]


def copied(d: dict[Any, Any], cls: Any = None) -> dict[Any, Any]:
    """d.copy(), or dict(d)"""
    if of_computed_keys(d) is not None:
        return keyed.copied(d, cls)
    factory = d.default_factory if isinstance(d, collections.defaultdict) and cls is None else None
    out = (cls or d.__class__)(*([] if factory is None else [factory]))
    for k, e in dict.items(d):
        dict.__setitem__(out, k, e)
    return heap_of().made(out)  # type: ignore[no-any-return]


def updated(d: dict[Any, Any], other: Any = (), **more: Any) -> None:
    if of_computed_keys(other) is not None or of_computed_keys(d) is not None:
        keyed.updated(d, other, **more)
        return
    for given in (other, more):
        if has_some_keys(given):
            unsupported("update() by a dict with keys that it has on some paths only", "write them one by one, where they are there")
        for k in given:
            pair: Any = (k, subscripted(given, k)) if isinstance(given, dict) else k
            subscripts_written(pair[1], d, pair[0])


def dict_of(items: Any) -> dict[Any, Any]:
    """A dict display or comprehension, of whose items it is made; dict(items)."""
    if isinstance(items, Staged) and items.short and items.indexed:
        items = list(items)
    if isinstance(items, (list, tuple)) and growing(items) is None:
        items = [(known({}, k), v) for k, v in items]
        if not building() or not any(is_number(k) or is_choice(k) for k, _ in items):
            return made(dict(items))  # type: ignore[no-any-return]
    out: dict[Any, Any] = made({})
    for_over(items, lambda pair: subscripts_written(pair[1], out, pair[0]))
    return out


def _dict(*args: Any, **more: Any) -> Any:
    """dict()"""
    if not building() or len(args) != 1 or not (isinstance(args[0], (Staged, list, tuple))):
        return dict(*args, **more)
    out = dict_of(args[0])
    updated(out, more)
    return out


def cleared(d: dict[Any, Any]) -> None:
    heap_of().note(d)
    dict.clear(d)


def deleted(d: Any, key: Any) -> None:
    """del d[key]"""
    key = known(d, key) if isinstance(d, dict) and building() else key
    if isinstance(d, dict) and building() and is_computed(d, key, written=True):
        keyed.removed(d, key)
    elif has_some_keys(d):
        removed(d, key)
    else:
        delitem(d, key)


def operated(name: str, x: Any, y: Any) -> Any:
    """x | y of dicts, where the program computes the keys of one; what else is done with such dicts is refused. NotImplemented for others."""
    if not building() or not (has_some_keys(x) or has_some_keys(y)):
        return NotImplemented
    if name == "or" and is_joined(x, y):
        return keyed.joined(x, y)
    which = (
        "whose keys the program computes" if is_computed(x, None) or is_computed(y, None) else "with keys that it has on some paths only"
    )
    unsupported(f"{name}() of a dict {which}", "compare or change its items one by one")


def is_joined(x: Any, y: Any) -> bool:
    """Are these dicts, of one of which the program computes the keys?"""
    computed = any(of_computed_keys(d) is not None for d in (x, y))
    known_classes = (dict, collections.defaultdict)
    return computed and all(type(d) in known_classes and (of_computed_keys(d) is not None or not has_some_keys(d)) for d in (x, y))


METHODS: dict[str, Callable[..., Any]] = {
    "get": got, "pop": removed, "setdefault": lambda d, k, v=None: added(d, k, lambda: v), "keys": keys, "values": values, "items": pairs,
    "copy": copied, "most_common": most_common, "update": updated, "clear": cleared, "total": lambda d: call(sum, values(d)),
    "__contains__": has, "__getitem__": item, "__len__": length,
}  # fmt: skip


def method(function: Any, args: Any) -> Callable[..., Any] | None:
    """What a method of such a dict does; None for other functions."""
    owner = getattr(function, "__self__", None)
    if not isinstance(owner, dict) or not building():
        return None
    name = function.__name__
    if args and name in ("setdefault", "pop") and not has_some_keys(owner):
        args = (known(owner, args[0]), *args[1:])
    if not has_some_keys(owner) and not (
        name in ("get", "setdefault", "pop") and args and is_of_some_keys(owner, args[0], written=name != "get")
    ):
        return None
    if is_computed(owner, args[0] if args and name in ("setdefault", "pop") else None, written=True):
        return keyed.method(owner, name)
    if name not in METHODS:
        unsupported(f"{name}() of a dict with keys that it has on some paths only", "give the dict all of its keys before")
    return lambda *args, **kwargs: METHODS[name](owner, *args, **kwargs)


def counted(iterable: Any = (), /, **counts: Any) -> Any:
    """collections.Counter()"""
    if (isinstance(iterable, dict) and not has_some_keys(iterable)) or counts or not building():
        return collections.Counter(iterable, **counts)
    out = made(collections.Counter())

    def one(x: Any) -> None:
        subscripts_written(subscripted(out, x) + 1, out, x)

    for_over(iterable, one)
    return out


def is_computed(d: dict[Any, Any], key: Any, written: bool = False) -> bool:
    """Does the program compute the dict's keys, or is it to from here on, where it computes this one?"""
    if of_computed_keys(d) is not None:
        return True
    return (written or not has_some_keys(d)) and is_number(key) and may_open(d)


@iterables.seen_as_a_whole.define
def seen_as_a_whole(x: Any) -> Any:
    """The keys of such a dict, for who goes through it; other values as they are."""
    if not building() or not has_some_keys(x):
        return x
    if of_computed_keys(x) is not None:
        return keyed.keys(x)
    return keys(x) if isinstance(x, dict) else refused("the order")


REPLACED: dict[Any, Callable[..., Any]] = {collections.Counter: counted, dict: _dict}

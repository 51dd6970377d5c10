"""What is done with dicts whose keys the program computes (staging/items/keyed.py)."""

from __future__ import annotations

import collections
import operator
from collections.abc import Callable
from typing import Any

from ...core.builder import current_builder
from ...core.sites import unsupported
from ...ops import table
from ...staging.branches import if_, ifexp
from ...staging.growing import Growing, constant_if_plain, growing
from ...staging.items.keyed import Keyed, copied_into, form_of, keyed, none, opened_up
from ...staging.lists import List, for_over, new_list
from ...staging.paths import NO_SCOPE, heap_of, require
from ...values import pytree
from ...values.values import Traced, call, constant
from ...values.views import any_traced
from ..guarded import Deferred
from ..iterables import Staged
from ..sequences import sorted_
from .index import GONE, built, probed


# ---- where a key is
def place(d: dict[Any, Any], key: Any) -> Any:
    """Where among the pairs of the dict the one with that key is, -1 if there is none."""
    return _places(d, key)[0]


def _places(d: dict[Any, Any], key: Any) -> tuple[Any, Any]:
    """The same, and where that is noted or may be."""
    return probed(_pairs(d), _table(d), key)


def _table(d: dict[Any, Any]) -> Growing:
    g = growing(_keyed(d).table)
    assert g is not None
    return g


def _append(d: dict[Any, Any], key: Any, value: Any, free: Any) -> None:
    """A pair more, whose place is noted there; where that is full, or nobody knows where, it is made anew."""
    last = constant_if_plain(_pairs(d).n)
    _items(d).append((key, value))
    size = constant_if_plain(_table(d).n)
    full = table.igt(table.imul(last, 2), table.isub(size, 4))

    def anew() -> None:
        _keyed(d).table[:] = new_list(built(_pairs(d), table.select(full, table.imul(size, 4), size)))

    def noted() -> None:
        heap_of().note(_keyed(d).table)
        _table(d).put(free, last)

    if_(table.logical_or(full, table.ilt(free, 0)), anew, noted, NO_SCOPE)


def _take(d: dict[Any, Any], at: Any, noted: Any) -> Any:
    """The pair there, which goes."""
    out = _items(d).pop(at)
    last = table.logical_and(table.ieq(at, constant_if_plain(_pairs(d).n)), table.ige(noted, 0))

    def unnoted() -> None:
        heap_of().note(_keyed(d).table)
        _table(d).put(noted, GONE)

    if_(last, unnoted, lambda: _rebuild(d), NO_SCOPE)
    return out


def _rebuild(d: dict[Any, Any]) -> None:
    _keyed(d).table[:] = new_list(built(_pairs(d), _table(d).n))


def _keyed(d: dict[Any, Any]) -> Keyed:
    found = keyed(d)
    assert found is not None
    return found


def _pairs(d: dict[Any, Any]) -> Growing:
    g = growing(_items(d))
    assert g is not None
    return g


def _items(d: dict[Any, Any]) -> List:
    return _keyed(d).items


def _there(at: Any) -> Any:
    return table.ige(at, 0).weakly(True)


def require_key(there: Any, key: Any) -> None:
    """The program raises KeyError here where there is no such key."""
    text = "the dict has no such key"
    seen = not any_traced(key) or current_builder().catcher(KeyError) is not None
    if isinstance(there, Traced):
        require(there, KeyError(text) if not seen else Deferred(KeyError, (key,), {}) if any_traced(key) else KeyError(key))
    elif not there:
        raise KeyError(key if seen else text)


# ---- what a dict does
def has(d: dict[Any, Any], key: Any) -> Any:
    """key in d"""
    return _there(place(d, key))


def item(d: dict[Any, Any], key: Any) -> Any:
    """d[key]"""
    if isinstance(d, collections.Counter):
        opened_up(d, *([] if d else [(key, 0)]))
        return got(d, key, 0)
    if isinstance(d, collections.defaultdict) and d.default_factory is not None:
        factory = d.default_factory
        return added(d, key, lambda: call(factory))
    at = place(d, key)
    require_key(_there(at), key)
    return _value(d, at)


def _value(d: dict[Any, Any], at: Any) -> Any:
    return _pairs(d).item(at, checked=False)[1]


def got(d: dict[Any, Any], key: Any, default: Any = None) -> Any:
    """d.get(key, default)"""
    at = place(d, key)
    return ifexp(_there(at), lambda: _value(d, at), lambda: default)


def added(d: dict[Any, Any], key: Any, make: Callable[[], Any]) -> Any:
    """d.setdefault(key, make())"""
    if not d:
        put(d, key, make())
        return _value(d, constant(0))
    opened_up(d)
    heap_of().note(d)
    (at, free), n = _places(d, key), constant_if_plain(_pairs(d).n)
    if_(_there(at), lambda: None, lambda: _append(d, key, make(), free), NO_SCOPE)
    return _value(d, table.select(table.ige(at, 0), at, n))


def put(d: dict[Any, Any], key: Any, value: Any) -> None:
    """d[key] = value"""
    items = opened_up(d, (key, value))
    heap_of().note(d)
    form_of([[(key, value)], [_pairs(d)]])
    at, free = _places(d, key)

    def replace() -> None:
        items[at] = _pairs(d).item(at, checked=False)[0], value  # the key stays that which was there first

    if_(_there(at), replace, lambda: _append(d, key, value, free), NO_SCOPE)


def removed(d: dict[Any, Any], key: Any, *default: Any) -> Any:
    """d.pop(key, default)"""
    if keyed(d) is None and not d:
        if default:
            return default[0]
        require_key(False, key)
    opened_up(d)
    heap_of().note(d)
    at, noted = _places(d, key)
    if not default:
        require_key(_there(at), key)
        return _take(d, at, noted)[1]
    return ifexp(_there(at), lambda: _take(d, at, noted)[1], lambda: default[0])


def last_removed(d: dict[Any, Any]) -> Any:
    """d.popitem()"""
    heap_of().note(d)
    require(length(d) > 0, KeyError("popitem(): dictionary is empty"))
    last = table.isub(constant_if_plain(_pairs(d).n), 1)
    return _take(d, last, _places(d, _pairs(d).item(last, checked=False)[0])[1])


def length(d: dict[Any, Any]) -> Any:
    return _pairs(d).n


class View(Staged):
    """d.keys(), d.values() or d.items(): what the dict holds whenever somebody looks."""

    of = None  # (dict, part), no field either


def _view(d: dict[Any, Any], part: int | None) -> View:
    began: list[Any] = []

    def count() -> Any:
        began[:] = [constant_if_plain(length(d))]
        return began[0]

    def unchanged() -> None:
        n = constant_if_plain(length(d))
        if began and n.atom is not began[0].atom:
            require(table.ieq(n, began[0]), RuntimeError("dictionary changed size during iteration"))

    def element(i: Any) -> Any:
        unchanged()
        found = _pairs(d).item(i, checked=False)
        return found if part is None else found[part]

    name = "items" if part is None else ("keys", "values")[part]
    out = View(count, element, what=f"{name}() of a dict", ended=unchanged)
    out.anew, out.of = lambda: _view(d, part), (d, part)  # type: ignore[assignment]
    return out


def pairs(d: dict[Any, Any]) -> Any:
    return _view(d, None)


def keys(d: dict[Any, Any]) -> Any:
    return _view(d, 0)


def values(d: dict[Any, Any]) -> Any:
    return _view(d, 1)


def most_common(d: dict[Any, Any], n: Any = None) -> Any:
    found = sorted_(pairs(d), key=operator.itemgetter(1), reverse=True)
    return found if n is None else found[:n]


def copied(d: dict[Any, Any], cls: Any = None) -> dict[Any, Any]:
    """d.copy(), or dict(d)"""
    factory = d.default_factory if isinstance(d, collections.defaultdict) and cls is None else None
    out = (cls or d.__class__)(*([] if factory is None else [factory]))
    copied_into(out, _keyed(d))
    return heap_of().made(out)  # type: ignore[no-any-return]


def updated(d: dict[Any, Any], other: Any = (), **more: Any) -> None:
    if isinstance(d, collections.Counter):
        unsupported("update() of a Counter with keys that the program computes", "write counts[key] += n for each of them")
    for given in (other, more):
        found = keyed(given)
        if found is None and pytree.has_some_keys(given):
            unsupported("update() by a dict with keys that it has on some paths only", "write them one by one, where they are there")
        many = found.items.copy() if found is not None else list(given.items()) if isinstance(given, dict) else given
        for_over(many, lambda pair: put(d, pair[0], pair[1]))


def joined(d: dict[Any, Any], other: Any) -> dict[Any, Any]:
    """d | other"""
    out = copied(d) if keyed(d) is not None else heap_of().made(d.copy())
    updated(out, other)
    return out


def cleared(d: dict[Any, Any]) -> None:
    heap_of().note(d)
    _items(d).clear()
    _keyed(d).table[:] = new_list(none())


METHODS: dict[str, Callable[..., Any]] = {
    "get": got, "pop": removed, "popitem": last_removed, "setdefault": lambda d, k, v=None: added(d, k, lambda: v), "keys": keys,
    "values": values, "items": pairs, "copy": copied, "most_common": most_common, "update": updated, "clear": cleared,
    "total": lambda d: call(sum, values(d)), "__contains__": has, "__getitem__": item, "__len__": length,
}  # fmt: skip


def method(d: dict[Any, Any], name: str) -> Callable[..., Any]:
    if name not in METHODS:
        unsupported(f"{name}() of a dict whose keys the program computes", "go through d.items() in a `for`")
    return lambda *args, **kwargs: METHODS[name](d, *args, **kwargs)

"""Dicts with keys that they have on some paths only.

Each value of such a dict is an `Entry`: a rank, which says where in the dict the key stands, -1 where the dict does not have it, and the
value. A dict has entries for all of its keys or for none.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core.sites import unsupported
from ...ops import table
from ...values import pytree
from ...values.values import Traced, constant
from ..growing import described
from ..lists import List, made

SEEDED = Any  # how a value is made that nobody looks at: a form, or list


class Entry:
    """A value of a dict, where its rank is 0 or more."""

    __lantern_leaf__ = True
    __slots__ = ("rank", "value")

    def __init__(self, rank: Any, value: Any) -> None:
        self.rank, self.value = rank, value

    def __repr__(self) -> str:
        return f"perhaps {self.value!r}"

    @staticmethod
    def as_result(d: dict[Any, Any], value: Callable[[Any], Any]) -> Any:
        """A dict of entries as who looks at it from outside of the program has it."""
        return Items.of(d, value)

    @property
    def there(self) -> Any:
        """Does the dict have it?"""
        return table.ige(self.rank, 0).weakly(True) if isinstance(self.rank, Traced) else self.rank >= 0


pytree.register(Entry, lambda e: ((e.rank, e.value), None), lambda _, parts: Entry(*parts))


def have_other_keys(values: Sequence[Any]) -> bool:
    """Are these dicts of one class, which differ in their keys?"""
    kinds = {type(v) for v in values}
    known = kinds <= {dict, collections.defaultdict, collections.Counter}
    return known and len(kinds) == 1 and any(list(v) != list(values[0]) for v in values)


def all_keys(states: Sequence[dict[Any, Any]]) -> list[Any]:
    return list(dict.fromkeys(k for s in states for k in s))


def forms_of(states: Sequence[dict[Any, Any]]) -> dict[Any, SEEDED]:
    """For each key, how a value is made for a path where it is not there."""
    found: dict[Any, SEEDED] = {}
    for k in all_keys(states):
        value = next(_value(s[k]) for s in states if k in s)
        if isinstance(value, set):
            unsupported("a key, of a value that is a set, which a dict gets on one path only,", "give the dict all of its keys before")
        found[k] = list if type(value) is List else described([[value]])
    return found


def _value(x: Any) -> Any:
    return x.value if type(x) is Entry else x


def entries(state: dict[Any, Any], forms: dict[Any, SEEDED], seeded: Callable[..., Any]) -> dict[Any, Entry]:
    """The same dict with entries for these keys, and in their order."""
    plain = {k: v if type(v) is Entry else Entry(constant(i), v) for i, (k, v) in enumerate(state.items())}
    return {k: plain[k] if k in plain else Entry(constant(-1), made([]) if form is list else seeded(*form)) for k, form in forms.items()}


def next_rank(d: dict[Any, Any]) -> Any:
    """The rank of a new key."""
    found: Any = constant(-1)
    for e in dict.values(d):
        found = table.imax(found, e.rank if isinstance(e.rank, Traced) else constant(e.rank))
    return table.iadd(found, 1)


class Items:
    """What such a dict is as a result: children are ranks and values."""

    __lantern_leaf__ = True

    def __init__(self, like: Any, keys: tuple[Any, ...], ranks: Sequence[Any], values: Sequence[Any]) -> None:
        self.like, self.keys, self.ranks, self.values = like, keys, tuple(ranks), tuple(values)

    @classmethod
    def of(cls, d: dict[Any, Any], value: Callable[[Any], Any]) -> Items:
        like = type(d), d.default_factory if isinstance(d, collections.defaultdict) else None
        return cls(like, tuple(d), [e.rank for e in d.values()], [value(e.value) for e in d.values()])


def _unflatten(known: Any, children: Any) -> Any:
    (cls, factory), keys = known
    ranks, values = children[: len(keys)], children[len(keys) :]
    if not all(isinstance(r, (int, np.integer)) for r in ranks):
        return Items((cls, factory), keys, ranks, values)
    out = cls(factory) if factory is not None else cls()
    for rank, key, value in sorted(zip(ranks, keys, values, strict=True), key=lambda x: int(x[0])):
        if int(rank) >= 0:
            dict.__setitem__(out, key, value)
    return out


pytree.register(Items, lambda x: ((*x.ranks, *x.values), (x.like, x.keys)), _unflatten)

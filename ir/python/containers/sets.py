"""Sets of which only the program knows what is in them (staging/items/members.py)."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.builder import building
from ...objects.choice import is_choice
from ...objects.held import CONTAINERS
from ...staging.branches import if_, not_, or_
from ...staging.growing import growing
from ...staging.items.equal import equal_to
from ...staging.items.members import Members, members_of, opened_up, refused
from ...staging.lists import List, for_over, made
from ...staging.paths import NO_SCOPE, heap_of, require
from ...values.values import Arrayed, call
from ...values.views import any_traced
from ..folds import pythons_bool
from ..iterables import Staged, staged_length
from .mappings import known


def is_of_program(x: Any, given: Any = ()) -> bool:
    """Is it for what stands here to do something with a set?"""
    return building() and isinstance(x, (set, frozenset)) and (members_of(x) is not None or any_traced(given) or any(map(is_choice, given)))


def hashable(x: Any) -> None:
    """Arrays and containers are in no set, and no keys."""
    for part in x if type(x) is tuple else ():
        hashable(part)
    if isinstance(x, (Arrayed, *CONTAINERS)):
        hash(x)


def has(items: List, x: Any) -> Any:
    """Is it in the list of what is in a set?"""
    hashable(x)
    if (g := growing(items)) is not None:
        return pythons_bool(np.any(equal_to(g, x)))
    found: Any = False
    for y in list.__iter__(items):
        found = or_(found, lambda y=y: y is x or call(operator.eq, y, x))  # type: ignore[misc]
    return pythons_bool(found)


def add(s: set[Any], x: Any) -> None:
    items = opened_up(s)
    if_(has(items, x), lambda: None, lambda: items.append(x), NO_SCOPE)


def discard(s: set[Any], x: Any) -> None:
    items = opened_up(s)
    if_(has(items, x), lambda: items.remove(x), lambda: None, NO_SCOPE)


def remove(s: set[Any], x: Any) -> None:
    items = opened_up(s)
    require(has(items, x), KeyError("the set does not have it"))
    items.remove(x)


def update(s: set[Any], *others: Any) -> None:
    for other in others:
        found = members_of(other)
        for_over(other if found is None else found.items.copy(), lambda x: add(s, x))


def copied(s: Any) -> set[Any]:
    return made({Members(opened_up(s).copy())})  # type: ignore[no-any-return]


def union(s: set[Any], *others: Any) -> set[Any]:
    out = copied(s)
    update(out, *others)
    return out


def _kept(s: set[Any], keep: Callable[[Any], Any]) -> set[Any]:
    out: set[Any] = made(set())
    for_over(opened_up(s), lambda x: if_(keep(x), lambda: add(out, x), lambda: None, NO_SCOPE))
    return out


def intersection(s: set[Any], other: Any) -> set[Any]:
    return _kept(s, lambda x: has(opened_up(other), x))


def difference(s: set[Any], other: Any) -> set[Any]:
    return _kept(s, lambda x: not_(has(opened_up(other), x)))


METHODS: dict[str, Callable[..., Any]] = {
    "add": add, "discard": discard, "remove": remove, "update": update, "copy": copied, "union": union, "intersection": intersection,
    "difference": difference, "clear": lambda s: opened_up(s).clear(), "__contains__": lambda s, x: has(opened_up(s), x),
    "__len__": lambda s: staged_length(opened_up(s)),
}  # fmt: skip
_OPERATORS = {"or": union, "and": intersection, "sub": difference}


def method(function: Any, args: Any) -> Callable[..., Any] | None:
    """What a method of such a set does; None for other functions."""
    owner = getattr(function, "__self__", None)
    if not isinstance(owner, set) or not is_of_program(owner, args):
        return None
    name = function.__name__
    return (lambda *given: METHODS[name](owner, *given)) if name in METHODS else refused(f"{name}()")


def operated(name: str, x: Any, y: Any) -> Any:
    """x (op) y of sets, one of which is such a one; NotImplemented for others."""
    if not (isinstance(x, set) and isinstance(y, set)) or not (is_of_program(x) or is_of_program(y)):
        return NotImplemented
    return _OPERATORS[name](x, y) if name in _OPERATORS else refused(f"{name}()")


def set_(iterable: Any = (), /) -> Any:
    """set(), and a set comprehension, of whose items it is made."""
    if not building():
        return set(iterable)
    if members_of(iterable) is not None:
        return copied(iterable)
    if not isinstance(iterable, Staged) and growing(iterable) is None:
        items = list(iterable)
        if not any_traced(items) and not any(map(is_choice, items)):
            return set(items)
        iterable = items
    out: set[Any] = made(set())

    def one(x: Any) -> None:
        if is_of_program(out, (x,)):
            add(out, x)
        else:
            heap_of().note(out)
            set.add(out, x)

    for_over(iterable, one)
    return out


def display(*items: Any) -> Any:
    """{a, b, ..}"""
    return set_([known({}, x) for x in items])


REPLACED: dict[Any, Callable[..., Any]] = {set: set_}

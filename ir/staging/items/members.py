"""Sets of which only the program knows what is in them.

Such a set holds one object, its `Members`, and that a list of the program's without equal items. A set of plain values, which all paths
leave alike, is Python's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.builder import building, current_trace
from ...core.sites import unsupported
from ...values import pytree
from ..lists import List, made


class Members:
    """What is in a set: `items`, a list. It is known by itself, as what is in a set has to be."""

    __lantern_leaf__ = True
    __lantern_queue__ = True  # its list is what is written
    __slots__ = ("items",)

    def __init__(self, items: List) -> None:
        trace = current_trace()
        self.items = items
        if trace is not None:
            trace.heap.inside(items)

    def __repr__(self) -> str:
        return "members"

    def as_result(self, _: Any, value: Any) -> Any:
        """The set as who looks at it from outside of the program has it."""
        return Set(value(self.items))


def members_of(x: Any) -> Members | None:
    """What such a set holds, or what it held in a state of the heap."""
    if isinstance(x, (set, frozenset)) and len(x) == 1:
        (found,) = x
        return found if type(found) is Members else None
    return None


def as_members(held: Any) -> Members:
    """The contents of a set in one state."""
    found = members_of(held)
    return found if found is not None else Members(made(list(held)))


def opened_up(x: set[Any]) -> List:
    """The list of what is in a set, which becomes such a one."""
    found = members_of(x)
    if found is None:
        trace = current_trace()
        assert trace is not None
        trace.heap.note(x)
        found = Members(made(list(x)))
        set.clear(x)
        set.add(x, found)
    return found.items


def plain_result(x: set[Any], value: Any) -> Any:
    """A set of plain values as a result."""
    return Set([value(y) for y in x])


class Set:
    """Such a set as a result."""

    __lantern_leaf__ = True

    def __init__(self, items: Any) -> None:
        self.items = items


def _unflatten(_: Any, parts: Sequence[Any]) -> Any:
    (items,) = parts
    return set(items) if not building() and type(items) is list and all(map(is_known, items)) else Set(items)


def is_known(x: Any) -> bool:
    return (
        all(map(is_known, x))
        if isinstance(x, tuple)
        else isinstance(x, (int, float, str, type(None))) or not type(x).__module__.startswith("lantern_jit")
    )


pytree.register(Members, lambda m: ((m.items,), None), lambda _, parts: Members(*parts))
pytree.register(Set, lambda s: ((s.items,), None), _unflatten)


def refused(name: str) -> Any:
    unsupported(
        f"{name} of a set of which the program knows what is in it",
        "use sorted(s), len(s), `x in s`, add() and discard(), or keep a list",
    )

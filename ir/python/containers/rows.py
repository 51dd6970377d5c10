"""A `for` over what Python's containers hold, which is staged where unrolling it would be too large a program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ...core.builder import current_trace
from ...staging.chosen.rows import rows_of
from ...staging.growing import growing
from ...staging.items.along import Backwards, Moved
from ...staging.lists import List
from ...staging.paths import Scope, Thunk, open_block, way_back
from ...values import concrete
from ...values.pytree import has_some_keys
from ...values.values import call
from ..iterables import Staged, of_list

_ITERATORS: tuple[Any, ...] = (enumerate, zip, reversed, type(reversed([])), Backwards)


class Looped:
    """An iterator that is made in the head of a `for`, and what makes another one of the same containers: of Python's, or one that follows
    lists that become longer or shorter."""

    def __init__(self, items: Any, again: Callable[[], Iterable[Any]], follow: Callable[[], Any]) -> None:
        self.items, self.again, self.follow = items, again, follow


def looped(function: Any, *args: Any, **kwargs: Any) -> Any:
    """enumerate, zip or reversed of containers in the head of a `for`; any other call as it is."""
    items = call(function, *(a.items if type(a) is Looped else a for a in args), **kwargs)
    if type(items) not in _ITERATORS:
        return items
    start = args[1:] if type(items) is enumerate else ()
    sources = args[: len(args) - len(start)]
    if not all(type(a) is Looped or isinstance(a, _HELD) for a in sources):
        return items
    return Looped(
        items,
        lambda: function(*(a.again() if type(a) is Looped else a for a in sources), *start, **kwargs),
        lambda: call(function, *(_following(a) for a in sources), *start, **kwargs),
    )


def _following(items: Any) -> Any:
    if type(items) is Looped:
        return items.follow()
    return of_list(items, live=True) if type(items) is List else items


def following(items: Any) -> Staged | None:
    """What a `for` goes through, as it is before each element; None where Python alone knows that."""
    found = _following(items)
    return found if isinstance(found, Staged) else None


def followed(loop: Thunk, again: Callable[[], Staged | None], one_by_one: Callable[[Staged], Any], scope: Scope) -> Any:
    """A loop; where it goes through a list that becomes longer or shorter meanwhile, one that asks for its length before each element."""
    open_block()
    go_back = way_back(scope)
    try:
        return loop()
    except Moved as reason:
        moved = reason
    if (staged := again()) is None or not staged.follows:
        raise moved
    while True:
        go_back()
        if moved.source is not None:
            moved.source.live = True
        try:
            return one_by_one(staged)
        except Moved as reason:
            if reason.source is None or reason.source.live:
                raise
            moved = reason


_VIEWS: tuple[Any, ...] = (type({}.items()), type({}.values()))
_HELD = (list, tuple, range, *_VIEWS)


def taken(items: Any) -> tuple[Any, Staged | None]:
    """(what Python iterates, the elements as a staged iterable if they are many of a container)."""
    trace = current_trace()
    if type(items) is Looped:
        items, again = items.items, items.again
    elif isinstance(items, (list, tuple, *_VIEWS)):
        again = lambda: items  # noqa: E731
    else:
        return items, None
    if trace is None or growing(items) is not None or has_some_keys(items):
        return items, None
    found = _elements(again)
    return items, staged_container(again, found) if len(found) > concrete.LONG and may_be(trace) else None


def _elements(again: Callable[[], Iterable[Any]]) -> tuple[Any, ...]:
    found = again()
    return tuple(list.__iter__(found) if isinstance(found, list) else found)


def may_be(trace: Any) -> bool:
    """May the loop here be staged for its size?"""
    return concrete.may_stage(trace) and concrete.place() not in trace.unlike


def staged_container(again: Callable[[], Iterable[Any]], elements: Sequence[Any]) -> Staged:
    """What Python iterates, given anew at each call, with its elements: they have no place that the program computes unless they are many
    and alike."""
    n, rows = len(elements), None

    def count() -> int:
        nonlocal rows
        trace = current_trace()
        assert trace is not None
        rows = rows_of(elements) if n > concrete.LONG and concrete.may_stage(trace) else None
        return n

    def element(i: Any) -> Any:
        return elements[i] if rows is None else rows.item(i)  # a traced place is refused by Python's

    return Staged(count, element, n, again, "a container", held=lambda: _same(_elements(again), elements))


def _same(x: Any, y: Any) -> bool:
    """Are they one object, or made of the same ones by an iterator?"""
    if x is y or (type(x) is type(y) is int and x == y):
        return True
    return type(x) is type(y) is tuple and len(x) == len(y) and all(map(_same, x, y))

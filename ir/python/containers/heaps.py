"""heapq and bisect on lists of the traced program: the comparisons and moves of Python's own, as loops of the graph."""

from __future__ import annotations

import bisect
import heapq
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core import errors
from ...core.builder import building
from ...core.sites import unsupported
from ...staging.branches import and_, if_, ifexp, not_
from ...staging.growing import growing
from ...staging.kinds import LEAF
from ...staging.lists import List
from ...staging.loops import while_
from ...staging.paths import BREAK, NO_SCOPE, heap_of
from ...values.values import Arrayed, call
from ...values.views import any_traced
from ..extremes import _before
from ..for_loops import _key_of, _variables, for_
from ..iterables import staged_range
from ..sequences import sorted_
from .ordered import says_which_is_less

less = _before(operator.lt)


def _length(heap: List) -> Any:
    g = growing(heap)
    return list.__len__(heap) if g is None else g.n


def _is_plain(function: Callable[..., Any], items: Any, *given: Any) -> bool:
    """Does Python do it? In the program it is done with a list of the program's."""
    of_users = growing(items) is None and any(map(says_which_is_less, (*items, *given)))
    if not building() or not (any_traced((items, given)) or growing(items) is not None or of_users):
        return True
    if type(items) is not List:
        unsupported(f"{function.__name__}() of a list that the function has not made", "write items = list(items) first")
    return False


def _heapq(function: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """One of heapq's, that may write into its first argument."""

    def decorate(staged: Callable[..., Any]) -> Callable[..., Any]:
        def replaced(heap: Any, *args: Any) -> Any:
            if _is_plain(function, heap, *args):
                if building():
                    heap_of().note(heap)
                return function(heap, *args)
            try:
                return staged(heap, *args)
            except errors.TypeMismatchError:
                if not any(map(says_which_is_less, (*list.__iter__(heap), *args))):
                    raise
            unsupported(
                f"{function.__name__}() of objects whose order the program decides",
                "keep tuples of numbers in the heap, (time, i), where i is the place of the object in a list of your own",
            )

        REPLACED[function] = replaced
        return staged

    return decorate


def _up(heap: List, start: Any, at: Any) -> None:
    """Item `at` moves towards the root, where its place is."""
    item = heap[at]
    cells, scope = _variables(at=at)

    def step() -> Any:
        here = cells["at"]
        above = (here - 1) >> 1
        parent = heap[above]

        def move() -> None:
            heap[here] = parent
            cells.update(at=above)

        return if_(less(item, parent), move, lambda: BREAK, scope)

    while_(lambda: cells["at"] > start, step, None, scope)
    heap[cells["at"]] = item


def _down(heap: List, start: Any) -> None:
    """Item `start` changes places with the lesser child until it is a leaf, and from there goes to its place."""
    n, item = _length(heap), heap[start]
    cells, scope = _variables(at=start)

    def step() -> None:
        left = 2 * cells["at"] + 1
        right = left + 1
        rather = and_(right < n, lambda: not_(less(heap[left], heap[right])))
        child = ifexp(rather, lambda: right, lambda: left)
        heap[cells["at"]] = heap[child]
        cells.update(at=child)

    while_(lambda: 2 * cells["at"] + 1 < n, step, None, scope)
    heap[cells["at"]] = item
    _up(heap, start, cells["at"])


REPLACED: dict[Any, Callable[..., Any]] = {}


@_heapq(heapq.heappush)
def push(heap: List, item: Any) -> None:
    heap.append(item)
    _up(heap, 0, _length(heap) - 1)


@_heapq(heapq.heappop)
def pop(heap: List) -> Any:
    last = heap.pop()
    return if_any(heap, lambda: _exchanged(heap, last), lambda: last)


def if_any(heap: List, then: Callable[[], Any], orelse: Callable[[], Any]) -> Any:
    return ifexp(_length(heap) > 0, then, orelse)


def _exchanged(heap: List, item: Any) -> Any:
    first = heap[0]
    heap[0] = item
    _down(heap, 0)
    return first


@_heapq(heapq.heapreplace)
def replace(heap: List, item: Any) -> Any:
    return _exchanged(heap, item)


@_heapq(heapq.heappushpop)
def push_and_pop(heap: List, item: Any) -> Any:
    smaller = and_(_length(heap) > 0, lambda: less(heap[0], item))
    return ifexp(smaller, lambda: _exchanged(heap, item), lambda: item)


@_heapq(heapq.heapify)
def heapify(heap: List) -> None:
    for_(staged_range(_length(heap) // 2 - 1, -1, -1), lambda i: _down(heap, i), None, NO_SCOPE)


def _best(function: Callable[..., Any], reverse: bool) -> Callable[..., Any]:
    def replaced(n: Any, iterable: Any, key: Any = None) -> Any:
        if not building() or not (
            any_traced((n, iterable)) or growing(iterable) is not None or hasattr(iterable, "element") or key is not None
        ):
            return function(n, iterable, key)
        found = sorted_(iterable, key=key, reverse=reverse)
        return found[: call(max, n, 0)]

    return replaced


# ---- bisect
def _place(a: Any, x: Any, lo: Any, hi: Any, key: Any, right: bool) -> Any:
    """Where x belongs among the sorted items: behind those that are equal to it, or before them."""
    cells, scope = _variables(lo=lo, hi=(_length(a) if isinstance(a, List) else call(len, a)) if hi is None else hi)

    def step() -> Any:
        middle = (cells["lo"] + cells["hi"]) // 2
        found = _key_of(key, call(operator.getitem, a, middle))
        before = less(x, found) if right else not_(less(found, x))
        return if_(before, lambda: cells.update(hi=middle), lambda: cells.update(lo=middle + 1), scope)

    while_(lambda: cells["lo"] < cells["hi"], step, None, scope)
    return cells["lo"]


def _bisected(function: Callable[..., int], right: bool) -> Callable[..., Any]:
    def replaced(a: Any, x: Any, lo: Any = 0, hi: Any = None, *, key: Any = None) -> Any:
        if not building() or not (any_traced((a, x, lo, hi)) or growing(a) is not None):
            return function(a, x, lo, hi, key=key)
        if isinstance(lo, int) and lo == 0 and hi is None and key is None and _are_numbers(a):
            return call(np.searchsorted, call(np.asarray, a), x, "right" if right else "left")
        return _place(a, x, lo, hi, key, right)

    return replaced


def _are_numbers(a: Any) -> bool:
    if isinstance(a, (Arrayed, np.ndarray)):
        return True
    g = growing(a)
    return not any(isinstance(x, (tuple, list, str)) for x in a) if g is None else g.bones == LEAF and g.kinds[0].dtype is not None


def _inserted(function: Callable[..., None], right: bool) -> Callable[..., Any]:
    place = _bisected(bisect.bisect_right if right else bisect.bisect_left, right)

    def replaced(a: Any, x: Any, lo: Any = 0, hi: Any = None, *, key: Any = None) -> None:
        if _is_plain(function, a, x, lo, hi):
            if building():
                heap_of().note(a)
            function(a, x, lo, hi, key=key)
        elif growing(a) is None and not list.__len__(a):
            a.append(x)
        else:
            a.insert(place(a, _key_of(key, x), lo, hi, key=key), x)

    return replaced


REPLACED.update({
    heapq.nsmallest: _best(heapq.nsmallest, False), heapq.nlargest: _best(heapq.nlargest, True),
    bisect.bisect_left: _bisected(bisect.bisect_left, False), bisect.bisect_right: _bisected(bisect.bisect_right, True),
    bisect.insort_left: _inserted(bisect.insort_left, False), bisect.insort_right: _inserted(bisect.insort_right, True),
})  # fmt: skip

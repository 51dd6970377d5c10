"""filter() and generator expressions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..core.builder import current_trace
from ..staging.branches import and_
from ..values.scalars import truth
from ..values.values import call
from .iterables import Staged, staged_iterable


def staged_filter(function: Any, items: Any) -> Any:
    def keep(x: Any) -> Any:
        return truth(x if function is None else call(function, x))

    source = staged_source(items)
    return filter(keep, items) if source is None else _chosen(source, keep, None, "filter()")


def staged_source(items: Any) -> Staged | None:
    """`items` for a filter or a generator, which need no i-th element: Python containers too."""
    trace = current_trace()
    if trace is None or not trace.builders:
        return None
    found = staged_iterable(items)
    if found is None and isinstance(items, (list, tuple, dict, set, frozenset)):
        n = len(items)
        found = Staged(lambda: n, lambda i: _of_container(items, i), n, lambda: items, f"a {type(items).__name__}")
    return None if found is not None and found.flat else found


def _of_container(items: Any, i: Any) -> Any:
    return list(items)[i]  # a traced place is refused there


def _chosen(source: Staged, keep: Any, item: Any, what: str, flat: bool = False) -> Staged:
    source.begin()
    if source.item is not None:
        given, then, of_given = source.item, item, keep
        item = given if then is None else lambda x: then(given(x))
        keep = None if of_given is None else lambda x: of_given(given(x))
    if source.keep is not None:
        first, second = source.keep, keep
        keep = first if second is None else lambda x: _both(first(x), lambda: second(x))
    return dataclasses.replace(
        source, what=what, plain=False, of_plain=source.plain, once=True, keep=keep, item=item, flat=flat, spent=False
    )


def each_of(source: Staged, item: Callable[[Any], Any], what: str) -> Staged:
    """item(x) for the elements of a filter or a generator."""
    return _chosen(source, None, item, what)


def _both(first: Any, second: Callable[[], Any]) -> Any:
    return and_(first, second)


def generator(items: Any, item: Callable[[Any], Any], keep: Callable[[Any], Any] | None, flat: bool) -> Any:
    """A generator expression: item(x) for x in items if keep(x); `flat` where item(x) is a generator expression itself."""
    source = staged_source(items)
    trace = current_trace()
    if trace is not None and (source is None or source.plain):
        trace.reads.contents(items)
        if isinstance(items, np.ndarray) and len(items) <= 64:  # it may be unrolled
            trace.reads.array(items)
    if source is None:
        return _python_generator(items, item, keep, flat)
    if keep is None and not flat and source.indexed:
        source.begin()
        return Staged(
            source.count,
            lambda i: item(source.element(i)),
            source.known,
            lambda: (item(x) for x in source.python()),
            "a generator",
            of_plain=source.plain or source.of_plain,
            once=True,
            ended=source.ended,
            shown=source.shown,
        )
    return _chosen(source, keep, item, "a generator", flat)


def _python_generator(items: Any, item: Callable[[Any], Any], keep: Callable[[Any], Any] | None, flat: bool) -> Iterator[Any]:
    for x in items:
        if keep is None or keep(x):
            if flat:
                yield from item(x)
            else:
                yield item(x)

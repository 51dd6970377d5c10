"""Going through elements: staged where the graph can, by Python where it must."""

from __future__ import annotations

import dataclasses
import itertools
import operator
from collections.abc import Callable
from typing import Any

from ..core import errors
from ..core.builder import current_builder, current_trace
from ..ops import table
from ..staging.branches import if_
from ..staging.paths import BREAK, DEAD, NO_SCOPE, Bottom, Scope, open_block
from ..values import concrete, pytree
from ..values.values import Arrayed, Traced, call, is_traced
from .for_loops import for_
from .iterables import Staged, staged_iterable
from .raising import raise_


def _building() -> bool:
    trace = current_trace()
    return trace is not None and bool(trace.builders)


def _source(items: Any, key: Any = None) -> tuple[Staged | None, Any]:
    """(the loop in the graph that goes over `items`, or None where Python does, items). What a generator computes of plain numbers
    alone, and a key of them, is found out now: it may be the size of an array."""
    staged = staged_iterable(items) if _building() else None
    if staged is None:
        return None, items
    if staged.of_plain or (staged.plain and key is not None):
        found = _plain_elements(staged, key)
        return (staged, items) if found is None else (None, found)
    return (None, items) if staged.plain else (staged, items)


def _plain_elements(staged: Staged, key: Any) -> list[Any] | None:
    """The elements, where neither they nor their keys are traced; else nothing has happened."""
    builder = current_builder()
    open_block()
    mark, before = builder.mark(), NO_SCOPE.save()
    out: list[Any] = []
    try:
        for x in itertools.islice(staged.elements(), concrete.MOST_UNROLLED + 1):
            if _any_traced(x) or (key is not None and _any_traced(_key_of(key, x))):
                break
            out.append(x)
        else:
            if len(out) <= concrete.MOST_UNROLLED:
                staged.begin()
                return out
    except errors.TracedConditionError:
        pass
    builder.rollback(mark)
    NO_SCOPE.restore(before)
    return None


def _any_traced(tree: Any) -> bool:
    return is_traced(tree) or (isinstance(tree, (tuple, list, dict)) and any(map(is_traced, pytree.flatten(tree)[0])))


def _variables(**values: Any) -> tuple[dict[str, Any], Scope]:
    return values, Scope(tuple(values), lambda: tuple(values.values()), lambda new: values.update(zip(tuple(values), new, strict=True)))


def _each(items: Any, body: Callable[[Any], None], scope: Scope, stop: Callable[[], Any] | None = None) -> None:
    """body(x) for each element, until `stop()`."""

    def one(x: Any) -> Any:
        body(x)
        return None if stop is None else if_(stop(), lambda: BREAK, lambda: None, scope)

    staged = staged_iterable(items)
    if staged is None:
        for_(items, one, None, scope)
    elif staged.flat:
        keep, item = staged.keep, staged.item or (lambda x: x)

        def inner(raw: Any) -> Any:
            _each(item(raw), body, scope, stop)
            return None if stop is None else if_(stop(), lambda: BREAK, lambda: None, scope)

        outer = dataclasses.replace(staged, flat=False, item=None, keep=None)
        outer = _python_only(outer) if staged.short else outer
        for_(outer, inner if keep is None else lambda raw: if_(keep(raw), lambda: inner(raw), lambda: None, scope), None, scope)
        staged.begin()
    elif staged.short and not isinstance(items, Arrayed):
        staged.begin()
        for_(staged.elements() if staged.keep is None else _python_only(staged), one, None, scope)
    else:
        for_(staged, one, None, scope)


def _python_only(staged: Staged) -> Staged:
    """The same, whose place no loop can be traced for: it is unrolled, and elements are left out under traced conditions."""

    def refuse(i: Any) -> Any:
        return operator.index(i)

    return dataclasses.replace(staged, element=refuse, spent=False)


def _look(make: Callable[[], Any]) -> Any:
    """What make() gives, with nothing of it left in the graph."""
    builder = current_builder()
    open_block()
    mark, before = builder.mark(), NO_SCOPE.save()
    value = make()
    builder.rollback(mark)
    NO_SCOPE.restore(before)
    return value


def _rest(staged: Staged) -> Staged:
    """All but the first element, where there is one."""
    n = staged.count()
    less = table.isub(n, 1) if isinstance(n, Traced) else n - 1

    def element(i: Any) -> Any:
        return staged.element(table.iadd(i, 1) if isinstance(i, Traced) else i + 1)

    known = None if staged.known is None else staged.known - 1
    return dataclasses.replace(
        staged, count=lambda: less, element=element, known=known, python=lambda: itertools.islice(staged.python(), 1, None), spent=False
    )


def _is_empty(staged: Staged) -> Any:
    n = staged.count()
    return table.ieq(n, 0) if isinstance(n, Traced) else n == 0


def _require_one(staged: Staged, exception: Exception) -> None:
    _require_not(_is_empty(staged), exception)


def _require_not(wrong: Any, exception: Exception) -> None:
    """In an expression: where it is sure to fail, it has no value."""
    if if_(wrong, lambda: raise_(exception), lambda: None, NO_SCOPE) is DEAD:
        raise Bottom


def _key_of(key: Any, x: Any) -> Any:
    return x if key is None else call(key, x)

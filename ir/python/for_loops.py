"""The `for` statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core.builder import current_builder, current_trace
from ..core.sites import user_site
from ..staging import lists
from ..staging.branches import if_
from ..staging.loops import CANNOT_BE_STAGED, UNROLL_ALWAYS, counted_loop, python_loop, while_
from ..staging.paths import NO_SCOPE, Scope, open_block
from ..values.values import Arrayed, Traced
from .iterables import Staged, staged_iterable


def for_(items: Any, body: Callable[[Any], Any], orelse: Callable[[], Any] | None, scope: Scope, later: Sequence[str] = ()) -> Any:
    """for target in items. `later`: variables that the code after the loop reads."""
    trace = current_trace()
    if trace is None:
        return python_loop(items, body, orelse, scope)
    staged = staged_iterable(items)
    trace.reads.contents(items)
    if staged is None or staged.flat:
        return python_loop(_limited(items), body, orelse, scope)
    staged.begin()
    body, orelse = _chosen(staged, body, scope), _ended(staged, orelse)
    if staged.known is not None and staged.known <= UNROLL_ALWAYS:
        return python_loop(staged.python(), body, orelse, scope)
    surely = bool(staged.known) and staged.keep is None
    builder = current_builder()
    open_block()
    mark, before = builder.mark(), scope.save()
    builder.trace.no_growth += staged.short
    try:
        return counted_loop(staged.count(), staged.element, body, orelse, scope, later, surely)
    except CANNOT_BE_STAGED as reason:
        builder.rollback(mark)
        scope.restore(before)
        items, why = staged.for_python(), str(reason)
        if items is None:
            raise
    finally:
        builder.trace.no_growth -= staged.short
    return python_loop(items, body, orelse, scope, why=why)


def _chosen(staged: Staged, body: Callable[[Any], Any], scope: Scope) -> Callable[[Any], Any]:
    """The body for elements as they come from `staged`, some of which may be left out."""
    keep, item = staged.keep, staged.item

    def on_item(x: Any) -> Any:
        return body(x if item is None else item(x))

    if keep is None:
        return body if item is None else on_item
    return lambda x: if_(keep(x), lambda: on_item(x), lambda: None, scope)


def _ended(staged: Staged, orelse: Callable[[], Any] | None) -> Callable[[], Any] | None:
    """What happens when there is no further element: the end of zip(strict=True), then the loop's own `else`."""
    ended = staged.ended
    if ended is None:
        return orelse

    def both() -> Any:
        signal = ended()
        return orelse() if signal is None and orelse is not None else signal

    return both


@lists.for_over.define
def for_over(items: Any, body: Callable[[Any], Any]) -> None:
    """for x in items: body(x)"""
    for_(items, lambda x: body(x), None, NO_SCOPE)


def _limited(items: Any) -> Any:
    if isinstance(items, (Traced, Arrayed)):
        raise TypeError(f"{items!r} cannot be looped over at {user_site()}")
    return items


def loop_value(test: Callable[[Any], Any], body: Callable[..., Any], init: Any, counted: Any = None) -> Any:
    """while test(state): state = body(state), for a state of any structure."""
    cell = [init]
    scope = Scope(("state",), lambda: (cell[0],), lambda v: cell.__setitem__(0, v[0]))

    def step(*args: Any) -> None:
        cell[0] = body(*args, cell[0])

    if counted is not None:
        for_(counted, step, None, scope)
    else:
        while_(lambda: test(cell[0]), step, None, scope)
    return cell[0]

"""Functions that may change nothing: those that are given to combinators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core import errors
from ..core.builder import current_trace
from ..core.sites import user_site
from ..syntax.rewrite import raw_of
from .leaves import same_leaf


def without_effects(functions: Sequence[Any], run: Callable[[], Any]) -> Any:
    """run(), where `functions` are traced as the body of a combinator: they may return values, and change nothing."""
    trace = current_trace()
    if trace is None:
        return run()
    cells = [(cell, _content(cell)) for f in functions for cell in getattr(raw_of(f) or f, "__closure__", None) or ()]
    before = trace.heap.save()
    out = run()
    if trace.heap.changed(before, trace.heap.save(), before.clock) or not all(same_leaf(old, _content(cell)) for cell, old in cells):
        raise errors.UnsupportedOperationError(
            f"a function given to a combinator at {user_site()} changes a list, a dict, an attribute or a variable of an enclosing function: make it "
            "part of the state that the function returns"
        )
    return out


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None

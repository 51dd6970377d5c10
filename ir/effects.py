"""Effects on Python objects: what a function can change besides its result.

A trace runs each path of a function once. A change of a list, a dict, an attribute or a variable of an enclosing function
is carried by the construct that sees the object (state.py); where none does, the change must be the same on every path, or
the trace would answer for the wrong one. `snapshot` is what there is to compare.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import errors, pytree
from .builder import current_trace, user_site
from .state import contents, same_leaf


def snapshot(function: Any, arguments: Any = (), seen: set[int] | None = None) -> list[Any]:
    """Leaves of everything that `function` can reach and change: what it captures, global containers, its arguments."""
    seen = set() if seen is None else seen
    raw = getattr(function, "__lantern_raw__", function)
    raw = getattr(raw, "func", raw)
    if id(raw) in seen or not hasattr(raw, "__code__"):
        return []
    seen.add(id(raw))
    out: list[Any] = []
    for cell in raw.__closure__ or ():
        try:
            value = cell.cell_contents
        except ValueError:
            out.append(None)
            continue
        out.append(value)
        out += _inside(value)
        if hasattr(value, "__lantern_raw__"):
            out += snapshot(value, (), seen)
    out += global_state(raw)
    for value in arguments:
        out += _inside(value)
    return out


def global_state(raw: Any) -> list[Any]:
    """Leaves of the global lists and dicts that a function names."""
    raw = getattr(raw, "func", raw)
    found = [raw.__globals__.get(name) for name in raw.__code__.co_names] if hasattr(raw, "__code__") else []
    return [leaf for value in found if isinstance(value, (list, dict)) and value is not raw.__globals__ for leaf in _inside(value)]


def without_effects(functions: Sequence[Any], run: Callable[[], Any]) -> Any:
    """run(), where `functions` are traced as the body of a combinator: they may return values, and change nothing."""
    if current_trace() is None:
        return run()
    before = [snapshot(f) for f in functions]
    out = run()
    if not all(same(b, snapshot(f)) for b, f in zip(before, functions, strict=True)):
        raise errors.UnsupportedOperationError(
            f"a function given to a combinator at {user_site()} changes a list, a dict, an attribute or a variable of an enclosing function: make it "
            "part of the state that the function returns"
        )
    return out


def _inside(value: Any) -> list[Any]:
    inner = contents(value)
    if inner is None:
        return []
    leaves, tree = pytree.flatten(inner)
    return [str(tree), *leaves]


def same(a: list[Any], b: list[Any]) -> bool:
    return len(a) == len(b) and all(same_leaf(x, y) for x, y in zip(a, b, strict=True))


__all__ = ["global_state", "same", "snapshot", "without_effects"]

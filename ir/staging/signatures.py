"""What a call is given, as a key: calls of one key are calls of one staged function."""

from __future__ import annotations

import functools
import types
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import Builder, Trace, current_trace, keep
from ..core.sites import is_library, user_site
from ..objects.choice import candidates_of, is_choice
from ..objects.structure import flatten, is_object, opened
from ..syntax.rewrite import raw_of
from ..values import pytree
from ..values.values import Arrayed, Traced, dims_of, is_traced

keep("depths", lambda trace: {})  # of functions that traced code has defined: the builder, and how deep in it


def signature(tree: Any, shaped: bool = False) -> Any:
    """What must agree for two calls to be one staged function: types of traced leaves, values of the rest, and known sizes of
    arrays where Python needs them (`shaped`)."""
    leaves, treedef = flatten(tree)
    sizes = tuple(_known_sizes(leaf) for leaf in leaves) if shaped else ()
    return treedef, tuple(_leaf_key(leaf) for leaf in leaves), sizes


def _known_sizes(leaf: Any) -> Any:
    return tuple(d if isinstance(d, int) else None for d in dims_of(leaf)) if isinstance(leaf, Arrayed) else None


def _is_shaped(trace: Trace, raw: Any) -> bool:
    """Does Python need sizes of this function's arrays?"""
    return trace.numbers is not None and _code(raw) in trace.numbers.shaped


def _code(raw: Any) -> Any:
    return getattr(raw, "func", raw).__code__


def _leaf_key(leaf: Any) -> Any:
    if isinstance(leaf, Traced):
        return "traced", leaf.type, leaf.weak, leaf.given
    if isinstance(leaf, Arrayed):
        return "array", leaf.type.dtype, leaf.type.rank, leaf.owned, leaf.given
    if isinstance(leaf, (bool, int, float, str, np.generic)):
        return type(leaf), str(leaf)
    return "object", Same(leaf)


class Same:
    """An object as a key, by identity; keeps it alive, so that no later object has its id."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def _contents(raw: Any) -> list[tuple[Any, Any]]:
    """The cells that a function captures, and what is in them."""
    return [(c, c.cell_contents if _filled(c) else None) for c in _closure(raw)]


def _check_effects(function: Any, raw: Any, before: list[tuple[Any, Any]], builder: Builder) -> None:
    """A function that assigns a variable of an enclosing function may do so under a traced condition only where that
    condition's construct knows the variable: else the other path would see the assignment too."""
    changed = [
        (c, name) for (c, old), name in zip(before, _names(raw), strict=False) if (c.cell_contents if _filled(c) else None) is not old
    ]
    changed = [(c, name) for c, name in changed if (id(c), name) not in builder.trace.heap.places]  # those are carried like other objects
    if not changed:
        return
    owner, depth = builder.trace.depths.get(getattr(function, "__func__", function), (builder, 0))
    for frame in builder.frames[depth if owner is builder else 0 :]:
        if frame.kind not in ("condition", "loop"):
            continue
        for c, name in changed:
            if frame.kind == "condition" and (frame.scope is None or id(c) not in frame.scope.cells):
                raise errors.UnsupportedOperationError(
                    f"`{function.__qualname__}` at {user_site()} assigns `{name}` of an enclosing function under a traced condition or in an "
                    "expression: return the value instead, and assign it in an `if` statement"
                )
            if frame.kind == "loop" and frame.staged and (frame.scope is None or id(c) not in frame.scope.cells):
                raise errors.UnsupportedOperationError(
                    f"`{function.__qualname__}` at {user_site()} assigns `{name}` of an enclosing function in a staged loop: return the value instead"
                )


def _names(raw: Any) -> tuple[str, ...]:
    return getattr(raw, "func", raw).__code__.co_freevars  # type: ignore[no-any-return]


def _closure(function: Any) -> tuple[Any, ...]:
    """The cells of a function, or of the method that a partial binds."""
    return getattr(getattr(function, "func", function), "__closure__", None) or ()


def objects_in(tree: Any, functions: set[int] | None = None) -> tuple[Any, ...]:
    """What the objects hold that a function comes by in other ways than by their parts: those it captures, its own, chosen ones. Of
    the functions among them what they capture, but for those that have been seen."""
    out: list[Any] = []
    functions = set() if functions is None else functions
    seen: set[int] = set()
    work = [tree]
    while work:
        x = work.pop()
        if is_choice(x):
            work += candidates_of(x)
        found = opened(x)
        if found is None:
            out.append(_word(x, functions))
        elif id(x) not in seen:
            seen.add(id(x))
            work += found[1]
    return tuple(out)


def outside_of(owner: Any, args: Any, kwargs: Any) -> tuple[Any, ...]:
    """What the object holds whose method is called, those among the arguments that are not taken apart, and functions among them."""
    trace = current_trace()
    found = [] if owner is None else [owner]
    work = [args, kwargs]
    while work:
        x = work.pop()
        if is_choice(x) or (is_object(x) and trace is not None and not trace.heap.birth(x)):
            found.append(x)
        elif isinstance(x, (tuple, list)):
            work += x if isinstance(x, tuple) else list.__iter__(x)
        elif isinstance(x, dict):
            work += x.values()
        elif callable(x):
            found.append(x)
    return objects_in(tuple(found))


def captured_by(function: Any, raw: Any) -> Any:
    """What the variables of a function are now, whose rewritten form is `raw`."""
    return captured(raw_of(function, "body") or raw, set())


def captured(function: Any, seen: set[int]) -> Any:
    """What the variables that a function captures are now."""
    if id(function) in seen:
        return None
    seen.add(id(function))
    out: list[Any] = []
    for cell in _closure(function):
        try:
            value = cell.cell_contents
        except ValueError:
            out.append(None)
            continue
        leaves, tree = pytree.flatten(value)
        out.append((tree, objects_in(value, seen), tuple(_word(x, seen) for x in leaves)))
    return tuple(out)


def _word(x: Any, seen: set[int]) -> Any:
    """What a leaf is now: equal for the same value, or the same function of the same variables. Only functions that the traced code has
    defined capture what changes while it is traced."""
    if is_traced(x):
        return Same(x.atom) if hasattr(x.atom, "name") else x.atom
    if (body := raw_of(x, "body")) is not None:
        return Same(x), captured(body, seen)
    if isinstance(x, functools.partial):
        return "partial", _word(x.func, seen), tuple(_word(y, seen) for y in (*x.args, *x.keywords.values()))
    trace = current_trace()
    if isinstance(x, types.MethodType) and trace is not None and trace.heap.birth(x.__self__):
        again = id(x.__self__) in seen
        seen.add(id(x.__self__))
        return "method", Same(x.__self__), () if again else objects_in((x.__self__,), seen)
    wrapped = x.__dict__.get("__wrapped__", x) if _is_wrapper(x) else x
    return _leaf_key(x) if wrapped is x else (Same(x), _word(wrapped, seen))


def _is_wrapper(x: Any) -> bool:
    """Is it what this library makes of a function?"""
    if isinstance(x, types.FunctionType):
        return is_library(x.__code__.co_filename)
    return type(x).__module__.split(".")[0] == __name__.split(".")[0] and isinstance(getattr(x, "__dict__", None), dict)


def _filled(cell: Any) -> bool:
    try:
        return bool(cell.cell_contents is not None)
    except ValueError:
        return False

"""A value that a traced number picks, and what is done for each object that it may stand for."""

from __future__ import annotations

import enum
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from ...core import errors
from ...core.sites import user_site
from ...core.types import NUMPY_DTYPES, Scalar, is_complex
from ...objects import choice, tables
from ...objects.choice import Candidates, Choice, identity, is_whole, one_of, renumbered, state_of, union
from ...objects.held import CONTAINERS, MISSING
from ...objects.structure import closed, is_object, opened
from ...ops import table
from ...values.arrays import lift_array
from ...values.values import Traced, call, constant, load, to_type
from ..branches import ifexp
from ..growing import _heap
from ..leaves import merge_types, same_leaf
from ..optional import Maybe

LONG = 8  # numbers: so many, and more, are looked up in an array


@choice.pick.define
def pick(index: Any, values: Sequence[Any]) -> Any:
    """values[index], where the index is one of 0 .. len - 1."""
    if not isinstance(index, Traced):
        return values[index]
    if all(same_leaf(v, values[0]) for v in values):
        return values[0]
    apart = any(v is None or type(v) is Maybe for v in values) or all(isinstance(v, enum.Enum) for v in values)
    merged = None if apart else merge_types(values)
    if merged is not None and isinstance(merged[0], Scalar) and not is_complex(merged[0]):
        return _number(index, values, merged[0], merged[1])
    if all(type(v) is np.ndarray and v.ndim and v.shape == values[0].shape and v.dtype == values[0].dtype for v in values):
        return lift_array(np.stack(values))[index]
    if all(is_whole(v) or isinstance(v, CONTAINERS) for v in values):
        every = union(values)  # an object may be there twice
        places = [next(i for i, y in enumerate(every.objects) if identity(y) == identity(x)) for x in values]
        return one_of(renumbered(index, places), every)
    return halves(index, values, lambda v: v)


def _number(index: Traced, values: Sequence[Any], t: Scalar, weak: bool) -> Traced:
    if len(values) >= LONG and not any(isinstance(v, Traced) for v in values):
        found = load(lift_array(np.array([to_type(v, t) for v in values], NUMPY_DTYPES[t])), index, checked=False)
        return found.weakly(weak)  # type: ignore[no-any-return]
    there = tables.column(values, t)
    if there is not None:
        return load(there, index, checked=False).weakly(weak)  # type: ignore[no-any-return]
    typed = [_typed(v, t) for v in values]
    out = typed[-1]
    for i, v in enumerate(typed[:-1]):
        out = table.select(table.ieq(index, i), v, out)
    return out.weakly(weak)  # type: ignore[no-any-return]


def halves(index: Traced, values: Sequence[Any], action: Callable[[Any], Any], first: int = 0) -> Any:
    """action(values[index - first]), where the paths of the others do nothing."""
    if len(values) == 1:
        return action(values[0])
    half = len(values) // 2
    return ifexp(
        table.ilt(index, first + half),
        lambda: halves(index, values[:half], action, first),
        lambda: halves(index, values[half:], action, first + half),
    )


def written(index: Traced, old: Sequence[Any], value: Any) -> list[Any] | None:
    """The numbers `old` with the value in the place of number `index`; None where they are no numbers of one type."""
    if any(v is None or v is MISSING for v in (*old, value)):
        return None
    merged = merge_types([*old, value])
    if merged is None or not isinstance(merged[0], Scalar) or is_complex(merged[0]):
        return None
    t, new = merged[0], _typed(value, merged[0])
    return [table.select(table.ieq(index, i), new, _typed(v, t)).weakly(merged[1]) for i, v in enumerate(old)]


def _typed(x: Any, t: Scalar) -> Any:
    return to_type(x if isinstance(x, Traced) else constant(x), t)


def each(x: Choice, action: Callable[[Any], Any]) -> Any:
    """action(object) for the object that it is."""
    index, objects = state_of(x)
    return action(objects[index]) if not isinstance(index, Traced) else halves(index, objects, action)


def each_kind(x: Choice, kind: Callable[[Any], Hashable], action: Callable[[Any], Any]) -> Any:
    """The same, where objects of one kind are acted upon together, as a Choice among them."""
    index, objects = state_of(x)
    groups: dict[Hashable, list[int]] = {}
    for i, c in enumerate(objects):
        groups.setdefault(kind(c), []).append(i)
    if len(groups) == 1:
        return action(x)
    number = {i: k for k, group in enumerate(groups.values()) for i in group}
    parts = []
    for group in groups.values():
        found = renumbered(index, [group.index(i) if i in group else 0 for i in range(len(objects))])
        parts.append(objects[group[0]] if len(group) == 1 else Choice(found, Candidates([objects[i] for i in group])))
    return halves(renumbered(index, [number[i] for i in range(len(objects))]), parts, action)


def is_one_of(x: Choice, wanted: Callable[[Any], bool]) -> Any:
    """Is the object one for which `wanted` holds?"""
    index, objects = state_of(x)
    answers = [wanted(c) for c in objects]
    if all(a == answers[0] for a in answers):
        return answers[0]
    return pick(index, answers)


def is_container(x: Any) -> bool:
    """Is it one of several containers?"""
    return type(x) is Choice and any(isinstance(c, CONTAINERS) for c in state_of(x)[1])


def plain(x: Any) -> Any:
    """A copy of the container that it is; other values as they are."""
    if not is_container(x):
        return x
    index, objects = state_of(x)
    return objects[index] if not isinstance(index, Traced) else halves(index, objects, lambda c: call(c.copy))


@choice.resolved.define
def resolved(x: Any) -> Any:
    """An object with the parts of the one that it is, for who looks at it from outside of the program."""
    if is_container(x):
        return plain(x)
    index, objects = state_of(x)
    if not isinstance(index, Traced):
        return objects[index]
    found = [opened(c) if is_object(c) else None for c in objects]
    first = found[0]
    if first is None or any(f is None or f[0] != first[0] for f in found):
        raise errors.TypeMismatchError(
            f"which of {Candidates(objects)!r} is meant at {user_site()} is known only when the program runs, and they differ in class or attributes: use their "
            "attributes there, which are numbers and arrays, instead of the objects"
        )
    parts = [pick(index, column) for column in zip(*(f[1] for f in found if f is not None), strict=True)]
    return closed(first[0], [resolved(p) if type(p) is Choice else p for p in parts], _heap())

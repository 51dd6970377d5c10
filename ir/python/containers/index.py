"""Where the keys of a dict stand among its pairs, by the ints in them: a table of places, a power of two and at least twice as many, in which
a key is looked for from its hash on until there is an empty one."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ...core.builder import current_builder, current_trace, keep
from ...core.types import BOOL, I64
from ...numpy.common import shared
from ...objects import choice
from ...objects.choice import ANY, is_choice, is_whole, one_of, state_of, union
from ...staging.growing import Growing, constant_if_plain
from ...staging.items.keyed import EMPTY, indexed, places
from ...staging.kinds import LEAF, Kind, Skeleton, candidates_in, taken
from ...values.reshaping import read
from ...values.values import Traced, constant, scalar_type
from ...values.writes import store

GONE = -2  # where a key was
keep("searches", lambda trace: {})


def _of_its_own(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the graph, one for each function that is traced: one that is differentiated is not to share with those around it what
    takes arrays that they write."""

    @functools.wraps(function)
    def run(*args: Any) -> Any:
        found, key = current_trace().searches, (id(current_builder()), function)  # type: ignore[union-attr]
        if key not in found:
            found[key] = shared(types.FunctionType(function.__code__, function.__globals__, function.__name__)), current_builder()
        return found[key][0](*args)

    return run


def _hash(ints: Sequence[Any]) -> Any:
    """A number of all bits of these."""
    out: Any = 0
    for k in ints:
        out = (out ^ k) * 0x9E3779B97F4A7C1
        out = out ^ ((out >> 31) & 0x1FFFFFFFF)
    return out


@_of_its_own
def _built(columns: tuple[Any, ...], n: Any, size: Any) -> Any:
    """The table of n keys, which are rows of these columns."""
    out: Any = np.full(size, EMPTY)
    for i in range(n):
        at = _hash([int(read(c, (i,))) for c in columns]) & (size - 1)
        held: Any = read(out, (at,))
        while held != EMPTY:
            at = (at + 1) & (size - 1)
            held = read(out, (at,))
        store(out, (at,), i, checked=False)
    return out


@_of_its_own
def _probed(table: Any, ints: tuple[Any, ...], key: tuple[Any, ...], columns: tuple[Any, ...]) -> Any:
    """(place of the key or -1, where in the table it stands or may stand)"""
    size = len(table)
    at, free = _hash([int(k) for k in ints]) & (size - 1), -1
    for _ in range(size):
        i: Any = read(table, (at,))
        if i == EMPTY:
            return -1, at if free < 0 else free
        if i == GONE:
            free = at if free < 0 else free
        else:
            same = True
            for j in range(len(key)):
                same = same and read(columns[j], (i,)) == key[j]
            if same:
                return i, at
        at = (at + 1) & (size - 1)
    return -1, free


@_of_its_own
def _found(n: Any, key: tuple[Any, ...], columns: tuple[Any, ...]) -> Any:
    """The same by looking at all of them: (place of the key or -1, -1)"""
    for i in range(n):
        same = True
        for j in range(len(key)):
            same = same and read(columns[j], (i,)) == key[j]
        if same:
            return i, -1
    return -1, -1


@indexed.define
def built(g: Growing, size: Any) -> Growing:
    """The table of that size for pairs."""
    columns = [b for b, is_int in zip(g.buffers, _ints(g), strict=False) if is_int]
    return places(_built(tuple(columns), constant_if_plain(g.n), constant_if_plain(size)), size)


def probed(g: Growing, table: Growing, key: Any) -> tuple[Any, Any]:
    """Where among the pairs the one with that key is, -1 if there is none; and where it stands in the table, or may stand, -1 where nobody knows."""
    found: list[tuple[Any, Any]] = []
    bones = g.bones[1][0]
    if not _beside(key, bones, iter(taken(bones, iter(g.kinds))), iter(g.buffers), found):
        return constant(-1), constant(-1)
    leaves, columns = tuple(x for x, _ in found), tuple(b for _, b in found)
    ints = tuple(x for x, is_int in zip(leaves, _ints(g), strict=True) if is_int)
    if any(x.type not in (I64, BOOL) for x in ints):
        return _found(constant_if_plain(g.n), leaves, columns)  # type: ignore[no-any-return]
    return _probed(table.buffers[0], ints, leaves, columns)  # type: ignore[no-any-return]


def _ints(g: Growing) -> list[bool]:
    """Of each column that keys are in, whether its ints are hashed. The numbers of words are others when there are more words."""
    bones = g.bones[1][0]
    return list(_hashed(bones, iter(taken(bones, iter(g.kinds)))))


def _hashed(bones: Skeleton, kinds: Iterator[Kind]) -> Iterator[bool]:
    if bones == LEAF or candidates_in(bones) is not None:
        yield from (bones == LEAF and k.dtype in (I64, BOOL) for k in taken(bones, kinds) if k.dtype is not None)
    else:
        for part in bones[1]:
            yield from _hashed(part, kinds)


def _beside(x: Any, bones: Skeleton, kinds: Iterator[Kind], columns: Iterator[Any], found: list[tuple[Any, Any]]) -> bool:
    """May a key of that structure be equal to this one? Its numbers, and the columns of theirs, are added."""
    if bones == LEAF:
        k = next(kinds)
        if k.dtype is None:
            return bool(x == k.value)
        found.append((x if isinstance(x, Traced) else constant(x), next(columns)) if scalar_type(x) is not None else (None, None))
        return found[-1][0] is not None
    if (known := candidates_in(bones)) is not None:
        next(kinds)
        if not (is_whole(x) or is_choice(x)):
            return False
        index = state_of(choice.among(x, union([one_of(ANY, known), x])))[0]
        found.append((constant_if_plain(index), next(columns)))
        return True
    if not isinstance(x, tuple) or len(x) != len(bones[1]):
        return False
    return all(_beside(part, of_part, kinds, columns, found) for part, of_part in zip(x, bones[1], strict=True))

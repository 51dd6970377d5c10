"""Dicts whose keys the program computes.

Such a dict holds one item, its `Keyed`, and that two lists of the program's: pairs (key, value) without equal keys, in the order in which
they were inserted, and the table in which a key's place among them is looked up (python/containers/index.py).
"""

from __future__ import annotations

import collections
import enum
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from ...core import errors
from ...core.builder import building, current_trace
from ...core.port import Port
from ...core.sites import unsupported, user_site
from ...core.types import I64, is_float
from ...ops import table
from ...values import pytree
from ...values.arrays import allocate
from ...values.scalars import logical_not
from ...values.values import Traced, constant, scalar_type
from ..growing import Growing, constant_if_plain, described, started
from ..kinds import LEAF, Kind, Skeleton, candidates_in, taken
from ..lists import List, new_list
from .entries import Entry
from .members import is_known

KEY = "what the program knows"  # under which such a dict holds all that is in it
Form = tuple[Skeleton, tuple[Kind, ...]]  # of the pairs


class Keyed:
    """What is in a dict: `items`, a list, and their `table`."""

    __lantern_leaf__ = True
    __lantern_queue__ = True  # its list is what is written
    __slots__ = ("items", "table")

    def __init__(self, items: List, table: List) -> None:
        trace = current_trace()
        self.items, self.table = items, table
        if trace is not None:
            trace.heap.inside(items, table)

    def __repr__(self) -> str:
        return "pairs"

    def as_result(self, d: dict[Any, Any], value: Any) -> Any:
        """The dict as who looks at it from outside of the program has it."""
        return Pairs((type(d), d.default_factory if isinstance(d, collections.defaultdict) else None), value(self.items))


def keyed(d: Any) -> Keyed | None:
    """What such a dict holds, or what it held in a state of the heap."""
    found = dict.get(d, KEY) if isinstance(d, dict) and len(d) == 1 else None
    return found if type(found) is Keyed else None


def pairs_of(held: dict[Any, Any], holds: Callable[[Any], Any]) -> Sequence[Any]:
    """What is in a dict, of which `holds` says what its list holds; in any order."""
    found = keyed(held)
    return holds(found.items) if found is not None else [(k, v.value if type(v) is Entry else v) for k, v in held.items()]


def form_of(contents: Sequence[Sequence[Any]]) -> Form:
    """The form of these pairs."""
    try:
        form = described(contents)
    except errors.TypeMismatchError as e:
        raise errors.TypeMismatchError(
            f"the keys of a dict that the program computes, at {user_site()}, must have one type and structure, and so must their values: use one dict for each ({e})"
        ) from None
    bones, kinds = form
    of_keys = taken(bones[1][0], iter(kinds))
    _refuse_parts(bones[1][0], of_keys)
    for held in contents:
        if held and any(map(_differ, kinds_of_keys(*described([held])), of_keys)):
            refuse_other_keys()
    return form


def kinds_of_keys(bones: Skeleton, kinds: Sequence[Kind]) -> list[Kind]:
    return taken(bones[1][0], iter(kinds))


def _differ(a: Kind, b: Kind) -> bool:
    """Are these ints and floats, which would become floats?"""
    return a.dtype is not None is not b.dtype and is_float(a.dtype) != is_float(b.dtype)


def refuse_other_keys() -> NoReturn:
    raise errors.TypeMismatchError(
        f"the keys of a dict that the program computes must be ints, or all of them floats, at {user_site()}: write d[float(k)]"
    )


def _refuse_parts(bones: Skeleton, kinds: Sequence[Kind]) -> None:
    if any(k.rank for k in kinds):
        raise TypeError(f"unhashable type: 'numpy.ndarray', as the key of a dict at {user_site()}")
    work = [bones]
    while work:
        part = work.pop()
        if part == LEAF:
            continue
        words = candidates_in(part)
        by_identity = words is not None and all(isinstance(x, (str, enum.Enum)) or _is_itself(x) for x in words.objects)
        if not issubclass(part[0].kind, tuple) and not by_identity:
            unsupported("a key that the program computes, of another kind,", "make the keys ints, floats, words, and tuples of them")
        work += part[1] if words is None else ()


def _is_itself(x: Any) -> bool:
    """Is an object equal to itself alone?"""
    return getattr(type(x), "__eq__", None) is object.__eq__


def as_keyed(held: dict[Any, Any], form: Form) -> Keyed:
    """The contents of a dict in one state, as pairs of this form."""
    found = keyed(held)
    if found is not None:
        return found
    some = any(type(v) is Entry for v in held.values())
    g = _in_order(held, form) if some else started(list(held.items()), *form)
    size = LEAST
    while size < 2 * len(held):
        size *= 2
    return Keyed(new_list(g), new_list(indexed(g, size) if held else none(size)))


LEAST = 8  # entries of a table
EMPTY = -1
indexed = Port("gives the table of pairs")


def none(size: int = LEAST) -> Growing:
    """A table of no keys."""
    return places(allocate(I64, (size,), EMPTY), size)


def places(table: Any, size: Any) -> Growing:
    return Growing([table], constant_if_plain(size), LEAF, (Kind(I64, 0, True),))


def _in_order(held: dict[Any, Entry], form: Form) -> Growing:
    """The pairs of a dict with keys that it has on some paths only, in its order. Those that it does not have stand behind the last one."""
    if any(k.rank for k in form[1]):
        unsupported(
            "a dict of arrays that has keys on some paths only, and others that the program computes,", "keep the two in dicts of their own"
        )
    g = started([], *form, capacity=len(held) + 4)
    ranks = [e.rank if isinstance(e.rank, Traced) else constant(int(e.rank)) for e in held.values()]
    there = [table.ige(r, 0) for r in ranks]
    n = _sum(there)
    for i, (k, e) in enumerate(held.items()):
        before = _sum([table.logical_and(t, table.ilt(r, ranks[i])) for t, r in zip(there, ranks, strict=True)])
        behind = table.iadd(n, _sum([logical_not(t) for t in there[:i]]))
        g.put(table.select(there[i], before, behind), (k, e.value))
    return Growing(g.buffers, n, *form)


def _sum(flags: Sequence[Any]) -> Any:
    out = constant(0)
    for flag in flags:
        out = table.iadd(out, table.select(flag, constant(1), constant(0)))
    return out


def opened_up(d: dict[Any, Any], *pairs: tuple[Any, Any]) -> List:
    """The list of what is in a dict, which becomes such a one, and is to hold these pairs too."""
    found = keyed(d)
    if found is None:
        trace = current_trace()
        assert trace is not None
        trace.heap.note(d)
        found = as_keyed(d, form_of([pairs_of(d, tuple), pairs]))
        dict.clear(d)
        dict.__setitem__(d, KEY, found)
    return found.items


def may_open(d: dict[Any, Any]) -> bool:
    """Does a dict become such a one where a key is written, or removed, that the program computes? The program has made it, and what it
    holds so far are numbers and tuples of numbers: of arrays, lists and objects it is known which one each is."""
    trace = current_trace()
    if trace is None or not trace.heap.birth(d) or id(d) in trace.heap.given or isinstance(d, collections.OrderedDict):
        return False
    return all(map(_is_simple, d.values()))


def _is_simple(x: Any) -> bool:
    x = x.value if type(x) is Entry else x
    return all(map(_is_simple, x)) if type(x) is tuple else scalar_type(x) is not None


def copied_into(out: dict[Any, Any], found: Keyed) -> None:
    """The new dict holds what that one does."""
    dict.__setitem__(out, KEY, Keyed(found.items.copy(), found.table.copy()))


class Pairs:
    """Such a dict as a result."""

    __lantern_leaf__ = True

    def __init__(self, like: Any, items: Any) -> None:
        self.like, self.items = like, items


def _unflatten(like: Any, parts: Sequence[Any]) -> Any:
    (items,), (cls, factory) = parts, like
    if building() or type(items) is not list or not all(type(p) is tuple and is_known(p[0]) for p in items):
        return Pairs(like, items)
    out = cls(factory) if factory is not None else cls()
    for k, v in items:
        dict.__setitem__(out, k, v)
    return out


pytree.register(Keyed, lambda k: ((k.items, k.table), None), lambda _, parts: Keyed(*parts))
pytree.register(Pairs, lambda p: ((p.items,), p.like), _unflatten)

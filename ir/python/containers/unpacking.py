"""`a, *b = x` and `f(*x)` where x is a list that grows, whose length the program decides."""

from __future__ import annotations

import builtins
import itertools
from collections.abc import Iterator
from typing import Any

from ...core.builder import building
from ...core.sites import unsupported
from ...objects.held import among
from ...ops import table
from ...staging.chosen.pick import plain
from ...staging.growing import Growing, constant_if_plain, growing
from ...staging.kinds import LEAF, candidates_in, taken
from ...staging.lists import made, new_list
from ...staging.paths import require
from ...staging.stores import gone_through, seen
from ...values.sizes import add, sub
from ...values.values import call, constant
from ..iterables import Staged, seen_as_a_whole
from ..iterators import chain_from_iterable


def unpacked(value: Any, before: int, after: int | None) -> Any:
    """What is assigned to the names of `a, *b, c = value`: `before` items, and, unless `after` is None, a list and so many behind it."""
    value = seen_as_a_whole(gone_through(value))
    if isinstance(value, Staged) and (value.anew is not None or value.drive is not None):
        value = call(list, value)
    g = growing(plain(value)) if building() else None
    if g is None:
        return value if after is None else _starred(value, before, after)
    n, expected = constant_if_plain(g.n), before + (after or 0)
    least = "" if after is None else "at least "
    require(table.ige(n, expected), ValueError(f"not enough values to unpack (expected {least}{expected})"))
    if after is None:
        require(table.ieq(n, expected), ValueError(f"too many values to unpack (expected {expected})"))
    first = [g.item(constant(i), checked=False) for i in range(before)]
    if after is None:
        return tuple(first)
    end = sub(g.n, after)
    return (*first, new_list(g.part(before, end)), *(g.item(add(end, j), checked=False) for j in range(after)))


def _starred(value: Any, before: int, after: int) -> Any:
    seen(value)
    (*items,) = value
    if len(items) < before + after:
        raise ValueError(f"not enough values to unpack (expected at least {before + after}, got {len(items)})")
    end = len(items) - after
    return (*items[:before], made(items[before:end]), *items[end:])


def spread_out(function: Any, items: Any, **kwargs: Any) -> Any:
    """function(*items)"""
    items = seen_as_a_whole(gone_through(seen(items)))
    if isinstance(items, Staged) and items.drive is not None:
        items = call(list, items)
    g = growing(plain(items)) if building() else None
    if g is None and not (isinstance(items, Staged) and items.known is None and items.drive is None):
        return call(function, *items, **kwargs)
    if function is zip and g is not None:  # its columns are of one length
        return _columns(g)
    if among(function, (builtins.max, builtins.min)):
        return call(function, items, **kwargs)
    if function is itertools.chain:
        return chain_from_iterable(items)
    name = getattr(function, "__name__", "the function")
    unsupported(
        f"{name}(*items) with a list that grows under traced control flow, whose length the program decides,",
        "give the function the list itself, and let it go through that",
    )


def _columns(g: Growing) -> Iterator[Any]:
    """zip(*rows): the columns, which are as long as the list."""
    if g.bones == LEAF or candidates_in(g.bones) is not None or not issubclass(g.bones[0].kind, (tuple, list)):
        unsupported("zip(*items) with items that are no tuples,", "write a list comprehension for each column")
    require(table.igt(constant_if_plain(g.n), 0), ValueError("not enough values to unpack: zip(*rows) has no columns where rows are empty"))
    kinds, buffers = iter(g.kinds), iter(g.buffers)
    out = []
    for part in g.bones[1]:
        mine = tuple(taken(part, kinds))
        out.append(column(Growing([next(buffers) for k in mine if k.dtype is not None], g.n, part, mine)))
    return iter(out)


def column(g: Growing) -> Staged:
    """A tuple of these items."""
    what = "a tuple whose length the program decides"
    return Staged(lambda: g.n, lambda i: g.item(i, checked=False), None, tuple, what, frozen=True)

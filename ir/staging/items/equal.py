"""Which items of a list that grows are equal to a value: index(), count(), remove(), `in` and `==`, over the buffers of their leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...core import errors
from ...core.sites import unsupported
from ...core.types import BOOL, I64
from ...objects.choice import ANY, among, is_choice, is_whole, one_of, union
from ...ops import table
from ...values.arrays import allocate
from ...values.sizes import add
from ...values.values import call
from ..growing import Growing, constant_if_plain, described
from ..kinds import LEAF, Kind, Skeleton, candidates_in, common, laid_out, optional, taken


def equal_to(g: Growing, item: Any) -> Any:
    """Whether each of the items is equal to that one: a bool array of length n."""
    if (known := candidates_in(g.bones)) is not None and (is_whole(item) or is_choice(item)):
        item = among(item, union([one_of(ANY, known), item]))
    form = _form_of_both(g, item)
    if form is None:  # a value of another type or structure
        return allocate(BOOL, (g.n,), False)
    leaves = [x for x, k in zip(laid_out(item, *form), form[1], strict=True) if k.dtype is not None]
    return _all(_same(*form, _columns(g.cast(*form), g.n), iter(leaves)), g.n)


def same_items(a: Growing, b: Growing) -> Any:
    """a == b"""
    form = _form_of_both(a, b)
    if form is None:
        return table.logical_and(*(table.ieq(constant_if_plain(g.n), 0) for g in (a, b)))
    n, m = constant_if_plain(a.n), constant_if_plain(b.n)
    less = table.select(table.ilt(n, m), n, m)
    same = _all(_same(*form, _columns(a.cast(*form), less), _columns(b.cast(*form), less)), less)
    return table.logical_and(table.ieq(n, m), call(np.all, same)).weakly(True)


def _form_of_both(a: Any, b: Any) -> tuple[Skeleton, tuple[Kind, ...]] | None:
    """The form of items that are compared, if they have one: bools are numbers then."""
    try:
        return described([[a], [b]])
    except errors.TypeMismatchError:
        pass
    (x, of_x), (y, of_y) = described([[a]]), described([[b]])
    try:
        return common((x, tuple(_numbers(x, iter(of_x)))), (y, tuple(_numbers(y, iter(of_y)))))
    except errors.TypeMismatchError:
        return None


def _numbers(bones: Skeleton, kinds: Iterator[Kind]) -> Iterator[Kind]:
    if bones == LEAF:
        k = next(kinds)
        yield Kind(I64, k.rank, k.weak) if k.dtype == BOOL else k
        return
    if bones[0].kind is optional():
        yield next(kinds)  # is it there?
    for part in bones[1][bones[0].kind is optional() :]:
        yield from _numbers(part, kinds)


def _columns(g: Growing, n: Any) -> Iterator[Any]:
    return iter([b[:n] for b in g.buffers])


def _all(found: Any, n: Any) -> Any:
    return allocate(BOOL, (n,), found) if isinstance(found, bool) else found


def _same(bones: Skeleton, kinds: Sequence[Kind], one: Iterator[Any], other: Iterator[Any]) -> Any:
    """Whether leaves of two items, or of columns of them, are equal: True where they are constants."""
    if bones == LEAF:
        (k,) = kinds
        if k.rank:
            unsupported("the question whether items that are arrays are equal,", "compare numbers of them")
        return True if k.dtype is None else call(np.equal, next(one), next(other))
    it = iter(kinds)
    parts = [(part, taken(part, it)) for part in bones[1]]
    if bones[0].kind is optional():
        (a, b), rest = (next(one), next(other)), _same(*parts[1], one, other)
        there = a == b
        return there if rest is True else there & (~a | rest)
    known = candidates_in(bones)
    if known is not None and any(not isinstance(x, str) and getattr(type(x), "__eq__", None) is not object.__eq__ for x in known.objects):
        unsupported("the question whether items are equal, whose class says what that is,", "compare numbers of them")
    if known is None and not issubclass(bones[0].kind, (tuple, list, dict)):
        unsupported(f"the question whether items that are {bones[0].kind.__name__} are equal,", "compare numbers of them")
    out: Any = True
    for part in parts:
        found = _same(*part, one, other)
        out = found if out is True else out if found is True else out & found
    return out


def first_place(same: Any, error: Exception, require: Any) -> Any:
    """The place of the first True; the program raises `error` where there is none."""
    require(call(np.any, same), error)
    return call(np.argmax, same)


def how_many(same: Any) -> Any:
    return call(np.sum, same)


def part_of(g: Growing, s: slice, bounds: tuple[Any, Any, Any]) -> Growing:
    """Items of a slice, of which `bounds` are (start, step, how many)."""
    start, step, n = bounds
    if step == 1:
        return g.part(start, add(start, n))
    return Growing([b[: g.n][s].copy() for b in g.buffers], constant_if_plain(n), g.bones, g.kinds)

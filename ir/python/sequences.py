"""Python's functions of sequences on traced values: sum, max, any, sorted, reduce, accumulate and the like.

Each is the loop that Python runs, in Python's order: over arrays, ranges and generators of any length it is one loop in the graph,
over Python's own containers it is unrolled. What is made of plain numbers alone is left to Python.
"""

from __future__ import annotations

import builtins
import dataclasses
import enum
import functools
import itertools
import math
import operator
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import optree

from ..core import errors
from ..core.builder import building, current_builder
from ..core.sites import unsupported, user_site
from ..core.types import I32
from ..numpy.sorting import argsort
from ..objects.choice import Candidates, is_choice, is_whole
from ..objects.structure import Shape
from ..staging.branches import if_
from ..staging.chosen.pick import pick
from ..staging.growing import Growing, constant_if_plain, described, growing, shape_of, started
from ..staging.items.region import Region
from ..staging.kinds import LEAF, Kind, candidates_in, kind_of, skeleton
from ..staging.leaves import leaf_type
from ..staging.lists import in_order, made, new_list
from ..staging.loops import CANNOT_BE_STAGED
from ..staging.optional import needed, value_of
from ..staging.paths import NO_SCOPE, Thunk, open_block, way_back
from ..values import sizes
from ..values.arrays import allocate
from ..values.values import _SERIAL, Arrayed, call, dimension, load
from ..values.views import any_traced, base_of, settled
from . import iterables
from .containers import ordered
from .extremes import _before, _extreme, _hold, _is_vector
from .folds import ABSENT, SPREADS, all_, any_, fsum, mean, prod, reduce, sum_
from .for_loops import _each, _key_of, _look, _rest, _source, _variables
from .iterables import FEW, Staged, staged_iterable, staged_range
from .iterators import staged_map

# ---- loops


# ---- sum, prod, reduce


# ---- max, min, any, all


# ---- sequences that are kept: lists, sorted, accumulate
def _room(make: Thunk, n: Any) -> Growing | None:
    """Room for n elements like the one that is made; None where it is the elements' computation that says how large they are."""
    open_block()
    builder = current_builder()
    mark, go_back = builder.mark(), way_back(NO_SCOPE)
    leaves: list[Any] = []
    bones = skeleton(make(), leaves)
    kinds = tuple(map(kind_of, leaves))
    inside = Region(builder, mark)
    found = [[m if isinstance(m, int) else inside.found(m) for m in map(sizes.plain, shape_of(x))] for x in leaves]
    go_back()
    shapes = [[m if isinstance(m, int) else m() for m in shape if m is not None] for shape in found]
    if any(len(known) < len(needed) for known, needed in zip(shapes, found, strict=True)):
        return None
    buffers = [allocate(k.dtype, (n, *shape), None) for k, shape in zip(kinds, shapes, strict=True) if k.dtype is not None]
    return Growing(buffers, constant_if_plain(n), bones, kinds)


def collected(items: Any) -> Growing:
    """The elements of a traced sequence, or of a list, in memory."""
    if _is_vector(items):
        x = items.copy() if items.type.dtype != I32 else items.astype(np.int64)
        return Growing([x], constant_if_plain(dimension(x, 0)), LEAF, (Kind(x.type.dtype, 0, False),))
    staged = staged_iterable(items)
    found = items if staged is None else _gathered(staged)
    return found if type(found) is Growing else growing(found) or started(found, *described([found]))


def _gathered(staged: Staged) -> Any:
    """The elements in memory; a list of them where Python went through them and they are not alike."""
    staged.begin()
    open_block()
    go_back = way_back(NO_SCOPE)
    out = _room(lambda: staged.element(0), staged.count())
    if out is not None:
        try:
            _each(_numbered(staged), lambda pair: out.put(pair[0], pair[1], alike=True), NO_SCOPE)
            return out
        except errors.TypeMismatchError:  # the first one does not show the form of all
            go_back()
    appended = made([])
    _each(dataclasses.replace(staged, once=False), appended.append, NO_SCOPE)
    return appended


def _numbered(staged: Staged) -> Staged:
    return dataclasses.replace(
        staged, element=lambda i: (i, staged.element(i)), python=lambda: enumerate(staged.python()), plain=False, once=False
    )


@iterables.stacked.define
def stacked(staged: Staged) -> Any:
    """A sequence as an array."""
    if staged.indexed:
        return collected(staged).stacked()
    raise errors.TracedConditionError(f"{staged.what} at {user_site()} is an iterator: make a list of it, of which NumPy makes an array")


def listed(items: Any) -> Any:
    """A list comprehension, whose elements a generator gives."""
    found = list_(items)
    return made(found) if type(found) is list else found


def list_(items: Any = (), /) -> Any:
    """list(): of the elements of a long traced sequence one that grows, in whose place none is traced for each."""
    if isinstance(items, Staged) and items.drive is not None:
        out = made([])
        _each(items, out.append, NO_SCOPE)
        return out
    staged, found = _source(items)
    if staged is None or (staged.short and staged.indexed):
        return list(found)
    out = made([])
    if not staged.indexed or staged.held is not None:
        _each(staged, out.append, NO_SCOPE)
        return out
    open_block()
    go_back = way_back(NO_SCOPE)
    try:
        since = next(_SERIAL)
        if _is_value(_look(lambda: staged.element(0)), since):
            found = collected(items) if _is_vector(items) else _gathered(staged)
            return new_list(found) if type(found) is Growing else found
    except CANNOT_BE_STAGED:
        go_back()
    staged.spent = False
    return list(staged)


def _is_value(x: Any, since: int) -> bool:
    """Is it a number, an array of its own that was made since, or a tuple of such? Lists, objects, and arrays that others may write
    to, have an identity, which a list that grows does not keep."""
    if isinstance(x, Arrayed):
        return not x.owned or (base_of(x).fresh and x.serial > since)
    if isinstance(x, tuple):
        return all(_is_value(y, since) for y in x)
    x = value_of(x)
    return leaf_type(x) is not None or x is None or isinstance(x, (str, enum.Enum)) or is_choice(x)


@in_order.define
def sorted_(iterable: Any, /, *, key: Any = None, reverse: Any = False) -> Any:
    """A stable sort, with NaNs last."""
    staged, items = _source(iterable, key)
    if staged is None or staged.short:
        items = list(items)
        keys = [_key_of(key, x) for x in items]
        by_users = any(map(ordered.says_which_is_less, keys))
        if by_users:
            order = ordered.decided(keys, bool(reverse))
            if order is not None:
                return [items[i] for i in order]
            keys = ordered.ranks(keys)
        if not any(map(any_traced, keys)):
            order = sorted(range(len(keys)), key=keys.__getitem__, reverse=bool(reverse))
            return [items[i] for i in order]
        if _decided(keys):
            order = sorted(range(len(keys)), key=lambda i: keys[i][0], reverse=bool(reverse))
            return [items[i] for i in order]
        if by_users or any(is_whole(x) or is_choice(x) for x in items):
            by, n = collected(keys), len(items)
            places = _places(by, n, reverse)
            return [pick(load(places, i, checked=False), items) for i in range(n)]
    elif not staged.indexed:
        items = list_(items)
    if isinstance(items, Staged):
        _hold(_look(lambda: items.element(0)))
    elif growing(items) is None and not _is_vector(items):  # the elements of a vector are copies in Python too
        _hold(items)
    found = collected(items)
    by = (
        found if key is None else collected(staged_map(lambda i: needed(_key_of(key, found.item(i, checked=False))), staged_range(found.n)))
    )
    n = sizes.plain(found.n)
    places = _places(by, n, reverse)
    out = Growing([b[:n][places] for b in found.buffers], found.n, found.bones, found.kinds)
    if isinstance(n, int) and n <= FEW:
        return [out.item(i, checked=False) for i in range(n)]
    return new_list(out)


def _places(by: Growing, n: Any, reverse: Any) -> Arrayed:
    """The places of the n keys in their order."""
    by = by.cast(_by_rank(by.bones), by.kinds)
    if not by.buffers or any(k.rank for k in by.kinds) or not _is_in_line(by.bones):
        raise errors.UnsupportedOperationError(
            f"sorted() at {user_site()} compares numbers, and tuples of them: give it a key= that is such"
        )
    *more, last = [b[:n] for b in by.buffers]
    places = _order(last, n, bool(reverse))
    for keys in reversed(more):  # equal ones stay as what comes behind says
        places = places[_order(keys[places], n, bool(reverse))]
    return places


def _by_rank(bones: Any) -> Any:
    """The structure of keys, where texts among them have the numbers of their order."""
    if bones == LEAF:
        return bones
    known = candidates_in(bones)
    if known is not None and all(type(x) is str for x in known.objects):
        return Shape(bones[0].kind, Candidates(sorted(known.objects))), bones[1]
    return bones[0], tuple(map(_by_rank, bones[1]))


def _decided(keys: list[Any]) -> bool:
    """Are they tuples, such as a dict's items, of which Python compares the first parts alone?"""
    firsts = [x[0] if isinstance(x, tuple) and x else None for x in keys]
    return all(isinstance(x, (str, int)) for x in firsts) and len(set(firsts)) == len(firsts)


def _is_in_line(bones: Any) -> bool:
    """Is it one number or text, or a tuple or list of such, which Python compares from the first to the last?"""
    return bones == LEAF or (issubclass(bones[0].kind, (tuple, list, str)) and all(map(_is_in_line, bones[1])))


def _order(keys: Arrayed, n: Any, reverse: bool) -> Arrayed:
    """The places of the elements in their order; equal ones stay in theirs."""
    if not reverse:
        return argsort(keys)  # type: ignore[no-any-return]
    return ((n - 1) - argsort(keys[::-1]))[::-1]  # type: ignore[no-any-return]


def accumulate(iterable: Any, func: Any = operator.add, *, initial: Any = None) -> Any:
    """itertools.accumulate; the running totals of a long sequence are kept in an array."""
    func = operator.add if func is None else func
    staged = staged_iterable(iterable) if building() else None
    if staged is None or staged.short or not staged.indexed:
        return _running(iterable, lambda x, y: call(func, x, y), initial)
    staged.begin()
    if initial is None:
        rest, n = _rest(staged), staged.count()
    else:
        rest, n = dataclasses.replace(staged, spent=False), sizes.add(staged.count(), 1)

    def start() -> Any:
        return staged.element(0) if initial is None else initial

    out = _room(lambda: call(func, start(), staged.element(0)), n)
    if out is None:
        unsupported("itertools.accumulate() of arrays whose sizes only its function knows", "write a loop that appends to a list")

    def fill() -> None:
        total = settled(start())
        out.put(0, total)
        cells, scope = _variables(total=total)

        def one(pair: Any) -> None:
            i, x = pair
            total = settled(call(func, cells["total"], x))
            cells.update(total=total)
            out.put(i + 1, total)

        _each(_numbered(rest), one, scope)

    if_(n > 0, fill, lambda: None, NO_SCOPE)
    known = n if isinstance(n, int) else None
    python = lambda: (out.item(i, checked=False) for i in range(known or 0))  # noqa: E731
    return Staged(lambda: n, lambda i: out.item(i, checked=False), known, python, "itertools.accumulate()", once=True)


def _running(items: Any, step: Callable[[Any, Any], Any], initial: Any) -> Iterator[Any]:
    totals = iter(items)
    total = next(totals, ABSENT) if initial is None else initial
    if total is ABSENT:
        return
    yield total
    for x in totals:
        total = step(total, x)
        yield total


# ---- trees of containers
def _plain_lists(tree: Any) -> Any:
    """A tree whose lists are Python's, as optree knows them; what grows stays as it is."""
    if isinstance(tree, list) and growing(tree) is None:
        return [_plain_lists(x) for x in tree]
    if type(tree) is dict:
        return {k: _plain_lists(x) for k, x in tree.items()}
    if isinstance(tree, tuple):
        items = [_plain_lists(x) for x in tree]
        return tree._make(items) if hasattr(tree, "_make") else tuple(items)
    return tree


def _of_trees(function: Callable[..., Any]) -> Callable[..., Any]:
    """One of optree's, of trees with lists of the program in them."""

    def replaced(*args: Any, **kwargs: Any) -> Any:
        return function(*map(_plain_lists, args), **kwargs)

    return replaced


_TREES = {f: _of_trees(f) for f in (optree.tree_map, optree.tree_leaves, optree.tree_flatten, optree.tree_reduce, optree.tree_structure)}

REPLACED: dict[Any, Callable[..., Any]] = {
    **_TREES,
    builtins.sum: sum_, builtins.max: _extreme(_before(operator.gt), max), builtins.min: _extreme(_before(operator.lt), min), builtins.any: any_, builtins.all: all_,
    builtins.sorted: sorted_, builtins.list: list_, math.prod: prod, math.fsum: fsum, functools.reduce: reduce, itertools.accumulate: accumulate, statistics.mean: mean,
    statistics.fmean: mean, **SPREADS,
}  # fmt: skip

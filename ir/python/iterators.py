"""What enumerate, zip, reversed, map, filter, itertools and generator expressions make of what can be iterated."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import building
from ..core.sites import unsupported, user_site
from ..core.types import I64
from ..ops import table
from ..staging.branches import if_, ifexp
from ..staging.paths import NO_SCOPE, Body, Thunk
from ..values.values import Arrayed, Traced, call, is_traced, scalar_type
from .generators import counting, each_of, staged_filter
from .iterables import (
    ENDLESS,
    OfList,
    Staged,
    _affine,
    _count,
    _ints,
    begun_at_the_end,
    on_ints,
    staged_iterable,
    staged_length,
    staged_range,
)
from .raising import raise_


def _parts(what: str, items: Sequence[Any], begin: bool = True) -> list[Staged] | None:
    """All of `items` as staged iterables with an i-th element, taken over; None where Python goes through them."""
    if not building() or not items:
        return None
    parts = [staged_iterable(x) for x in items]
    if any(p is not None and p.shown is not None for p in parts):
        unsupported(f"a bar inside of {what}", f"put it around: tqdm({what.rstrip('()')}(..)) or progress(..)")
    found = [p for p in parts if p is not None and p.indexed]
    if len(found) < len(parts):
        for p in found:
            if p.known is None and p.for_python() is None:
                raise errors.TracedConditionError(
                    f"{what} at {user_site()} mixes a traced length with Python containers, or with elements that are chosen: make arrays of them"
                )
        return None
    if begin:
        for p in found:
            p.begin()
    return found


def _known(parts: Sequence[Staged], of: Callable[[list[int]], int]) -> int | None:
    """A length that follows from the parts', where they are known."""
    sizes = [p.known for p in parts if p.known is not None]
    return of(sizes) if len(sizes) == len(parts) else None


def _staged(function: Callable[..., Any], parts: Sequence[Staged], count: Thunk, element: Body, length: Any, **facts: Any) -> Staged:
    """What Python's `function` makes of iterables: `count()` elements, of known sizes length(sizes)."""
    facts = {"known": _known(parts, length), "plain": all(p.plain for p in parts)} | facts
    return Staged(count, element, python=lambda: function(*(p.python() for p in parts)), once=True, **facts)


def _follow(parts: Sequence[Staged]) -> bool:
    return all(p.follows for p in parts)


_smaller = functools.partial(on_ints, lambda n, m: table.select(table.ilt(m, n), m, n), min)
_larger = functools.partial(on_ints, lambda n, m: table.select(table.igt(m, n), m, n), max)
_times = functools.partial(on_ints, table.imul, operator.mul)


def _lengths(parts: Sequence[Staged], of: Callable[[Any, Any], Any]) -> Any:
    return functools.reduce(of, [p.count() for p in parts])


def staged_enumerate(iterable: Any, start: Any = 0) -> Any:
    if isinstance(iterable, Staged) and iterable.shown is not None:
        return dataclasses.replace(staged_enumerate(dataclasses.replace(iterable, shown=None), start), shown=iterable.shown)
    if isinstance(iterable, Staged) and iterable.drive is not None:
        return each_of(iterable, counting(start), "enumerate()")
    parts = _parts("enumerate()", [iterable])
    if parts is None:
        return enumerate(iterable, start)
    (inner,) = parts
    facts = {"what": "enumerate()", "plain": inner.plain and not isinstance(start, Traced), "ended": inner.ended, "follows": inner.follows}
    return _staged(
        lambda items: _numbered(items, start), parts, inner.count, lambda i: (_affine(start, i, 1), inner.element(i)), min, **facts
    )


def _numbered(items: Iterable[Any], start: Any) -> Iterator[Any]:
    return enumerate(items, start) if not isinstance(start, Traced) else ((table.iadd(start, i), x) for i, x in enumerate(items))


def staged_zip(*items: Any, strict: bool = False) -> Any:
    parts = _parts("zip()", items)
    if parts is None:
        return zip(*items, strict=strict)
    ended = (lambda: _same_lengths([p.count() for p in parts])) if strict else None
    element = lambda i: tuple(p.element(i) for p in parts)  # noqa: E731
    return _staged(
        zip, parts, lambda: _lengths(parts, _smaller), element, min, what="zip()", ended=ended, follows=_follow(parts) and not strict
    )


def _same_lengths(counts: list[Any]) -> Any:
    """What zip(strict=True) does when one of its arguments has ended, in Python's words."""
    least = functools.reduce(_smaller, counts)

    def check(j: int, word: str, wrong: Any) -> Any:
        others = "argument 1" if j == 1 else f"arguments 1-{j}"
        return if_(wrong, lambda: raise_(ValueError(f"zip() argument {j + 1} is {word} than {others}")), lambda: None, NO_SCOPE)

    for j in range(1, len(counts)):
        longer = functools.partial(check, j, "longer", counts[j] != least)
        shorter = functools.partial(check, j, "shorter", counts[j] == least)
        signal = if_(counts[0] == least, longer, shorter, NO_SCOPE)
        if signal is not None:
            return signal
    return None


def staged_reversed(sequence: Any) -> Any:
    inner = staged_iterable(sequence)
    if isinstance(sequence, Staged) and sequence.once:
        raise TypeError(f"'{sequence.what.rstrip('()')}' object is not reversible ({user_site()})")
    parts = None if inner is None else _parts("reversed()", [inner])
    if parts is None:
        return reversed(sequence)
    (inner,) = parts
    count = begun_at_the_end(inner) if isinstance(inner, OfList) else inner.count

    def element(i: Any) -> Any:
        return inner.element(on_ints(table.isub, operator.sub, _affine(count(), -1, 1), i))

    def backwards(items: Any) -> Iterable[Any]:
        """Each element when it is asked for: it may have been written by then."""
        if isinstance(items, (range, np.ndarray)):
            return reversed(items)
        return list(items)[::-1] if inner.plain else (inner.element(i) for i in reversed(range(inner.known or 0)))

    return _staged(backwards, parts, count, element, min, what="reversed()")


def staged_map(function: Any, *items: Any) -> Any:
    """map(), which calls the function where an element is taken."""

    def plain(*given: Any) -> Iterator[Any]:
        return (call(function, *xs) for xs in zip(*given, strict=False))

    chosen = staged_iterable(items[0]) if building() and len(items) == 1 else None
    if chosen is not None and not chosen.indexed and not chosen.flat:
        return each_of(chosen, lambda x: call(function, x), "map()")
    parts = _parts("map()", items)
    if parts is None:
        return plain(*items)
    facts = {"what": "map()", "plain": False, "of_plain": all(p.plain for p in parts), "follows": _follow(parts)}
    return _staged(plain, parts, lambda: _lengths(parts, _smaller), lambda i: call(function, *(p.element(i) for p in parts)), min, **facts)


def staged_chain(*items: Any) -> Any:
    parts = _parts("itertools.chain()", items)
    if parts is None:
        return itertools.chain(*items)

    def count() -> Any:
        counts = [p.count() for p in parts]
        if known is not None or ENDLESS in [n for n in counts if isinstance(n, int)]:
            return ENDLESS if known is None else known
        return functools.reduce(lambda n, m: table.iadd(*_ints(n, m)), counts)

    def length(sizes: list[int]) -> int:
        return min(sum(sizes), ENDLESS)

    known = _known(parts, length)
    return _staged(itertools.chain, parts, count, lambda i: _of_first(parts, i), length, what="itertools.chain()")


def _of_first(parts: Sequence[Staged], i: Any) -> Any:
    """Element i of iterables that follow one another."""
    first, *rest = parts
    if not rest:
        return first.element(i)
    n = first.count()
    back = table.isub(0, n) if isinstance(n, Traced) else -n
    return ifexp(i < n, lambda: first.element(i), lambda: _of_first(rest, _affine(i, back, 1)))


def chain_from_iterable(items: Any) -> Any:
    if isinstance(items, Arrayed) and items.ndim == 2:
        return staged_chain(items.reshape(-1))
    return staged_chain(*items) if building() and isinstance(items, (list, tuple)) else itertools.chain.from_iterable(items)


def staged_product(*items: Any, repeat: int = 1) -> Any:
    parts = _parts("itertools.product()", items)
    if parts is None:
        return itertools.product(*items, repeat=repeat)
    parts = parts * repeat

    def element(i: Any) -> Any:
        out: list[Any] = []
        for p in reversed(parts):  # the last one moves fastest
            n = p.count()
            out.insert(0, p.element(i % n))
            i = i // n
        return tuple(out)

    plain = lambda *given: itertools.product(*map(tuple, given))  # noqa: E731
    length = lambda sizes: min(math.prod(sizes), ENDLESS)  # noqa: E731
    return _staged(plain, parts, lambda: _lengths(parts, _times), element, length, what="itertools.product()")


# ---- NumPy's iterators
def staged_ndindex(*shape: Any) -> Any:
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    return staged_product(*map(staged_range, sizes)) if sizes else iter([()])


def staged_ndenumerate(arr: Any) -> Any:
    a = np.asarray(arr) if not isinstance(arr, Arrayed) else arr
    return staged_zip(staged_ndindex(*a.shape), a.reshape(-1)) if a.ndim else iter([((), a[()])])


def staged_nditer(op: Any, *args: Any, **kwargs: Any) -> Any:
    if not isinstance(op, Arrayed):
        return np.nditer(op, *args, **kwargs)
    if args or kwargs:
        unsupported("np.nditer of a traced array with flags", "run over its elements, for i in np.ndindex(a.shape)")
    return op.reshape(-1)


def staged_pairwise(items: Any) -> Any:
    parts = _parts("itertools.pairwise()", [items])
    if parts is None:
        return itertools.pairwise(items)
    (inner,) = parts

    def count() -> Any:
        n = _affine(inner.count(), -1, 1)
        return table.select(table.igt(n, 0), n, 0) if isinstance(n, Traced) else max(n, 0)

    pair = lambda i: (inner.element(i), inner.element(_affine(i, 1, 1)))  # noqa: E731
    return _staged(itertools.pairwise, parts, count, pair, lambda sizes: max(sizes[0] - 1, 0), what="itertools.pairwise()")


def staged_islice(items: Any, *bounds: Any) -> Any:
    parts = _parts("itertools.islice()", [items])
    given = slice(*bounds)
    if parts is None or any(isinstance(b, Traced) for b in (given.start, given.step)):
        return itertools.islice(items, *bounds)
    itertools.islice((), *(0 if isinstance(b, Traced) else b for b in bounds))  # Python's opinion of the bounds
    (inner,) = parts
    start, step = given.start or 0, 1 if given.step is None else given.step

    def count() -> Any:
        n = inner.count()
        return _count(start, n if given.stop is None else _smaller(n, given.stop), step)

    facts = {"what": "itertools.islice()"} | ({"known": None} if isinstance(given.stop, Traced) else {})
    length = lambda sizes: 0 if isinstance(given.stop, Traced) else len(range(sizes[0])[given])  # noqa: E731
    return _staged(
        lambda xs: itertools.islice(xs, *bounds), parts, count, lambda i: inner.element(_affine(start, i, step)), length, **facts
    )


def staged_repeat(value: Any, *times: Any) -> Any:
    if not building():
        return itertools.repeat(value, *times)
    (n,) = times or (ENDLESS,)
    known = None if isinstance(n, Traced) else max(int(n), 0)
    python = lambda: itertools.repeat(value, *times)  # noqa: E731
    return Staged(lambda: n, lambda i: value, known, python, "itertools.repeat()", not is_traced(value), once=True)


def staged_count(start: Any = 0, step: Any = 1) -> Any:
    if not building() or any((scalar_type(x) or (None,))[0] != I64 for x in (start, step)):
        return itertools.count(start, step)
    python = lambda: (_affine(start, i, step) for i in itertools.count())  # noqa: E731
    plain = not isinstance(start, Traced) and not isinstance(step, Traced)
    return Staged(lambda: ENDLESS, lambda i: _affine(start, i, step), ENDLESS, python, "itertools.count()", plain, once=True)


def staged_starmap(function: Any, items: Any) -> Any:
    return staged_map(lambda xs: call(function, *xs), items)


def staged_zip_longest(*items: Any, fillvalue: Any = None) -> Any:
    plain = functools.partial(itertools.zip_longest, fillvalue=fillvalue)
    parts = _parts("itertools.zip_longest()", items)
    if parts is None:
        return plain(*items)

    def one(p: Staged, i: Any) -> Any:
        return ifexp(i < p.count(), lambda: p.element(i), lambda: fillvalue)

    facts = {"what": "itertools.zip_longest()", "plain": all(p.plain for p in parts) and not is_traced(fillvalue)}
    return _staged(plain, parts, lambda: _lengths(parts, _larger), lambda i: tuple(one(p, i) for p in parts), max, **facts)


REPLACED: dict[Any, Callable[..., Any]] = {
    range: staged_range, enumerate: staged_enumerate, zip: staged_zip, len: staged_length, reversed: staged_reversed, map: staged_map,
    filter: staged_filter, itertools.chain: staged_chain, itertools.chain.from_iterable: chain_from_iterable, itertools.product: staged_product,
    itertools.pairwise: staged_pairwise, itertools.islice: staged_islice, itertools.repeat: staged_repeat, itertools.count: staged_count,
    np.ndindex: staged_ndindex, np.ndenumerate: staged_ndenumerate, np.nditer: staged_nditer, itertools.starmap: staged_starmap, itertools.zip_longest: staged_zip_longest,
}  # fmt: skip

"""What enumerate, zip, reversed, map, filter, itertools and generator expressions make of what can be iterated."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..core import errors
from ..core.builder import current_trace
from ..core.sites import user_site
from ..core.types import I64
from ..ops import table
from ..staging.branches import if_, ifexp
from ..staging.paths import NO_SCOPE
from ..values.values import Arrayed, Traced, call, is_traced, scalar_type
from .generators import staged_filter
from .iterables import ENDLESS, Staged, _affine, _count, _ints, staged_iterable, staged_length, staged_range
from .raising import raise_


def _parts(what: str, items: Sequence[Any], begin: bool = True) -> list[Staged] | None:
    """All of `items` as staged iterables with an i-th element, taken over; None where Python goes through them."""
    trace = current_trace()
    if trace is None or not trace.builders or not items:
        return None
    parts = [staged_iterable(x) for x in items]
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


def _plain(parts: Sequence[Staged]) -> bool:
    return all(p.plain for p in parts)


def _known(parts: Sequence[Staged], of: Callable[[list[int]], int]) -> int | None:
    """A length that follows from the parts', where they are known."""
    sizes = [p.known for p in parts if p.known is not None]
    return of(sizes) if len(sizes) == len(parts) else None


def staged_enumerate(iterable: Any, start: Any = 0) -> Any:
    parts = _parts("enumerate()", [iterable])
    if parts is None:
        return enumerate(iterable, start)
    (inner,) = parts
    return Staged(
        inner.count,
        lambda i: (_affine(start, i, 1), inner.element(i)),
        inner.known,
        lambda: _numbered(inner.python(), start),
        "enumerate()",
        inner.plain and not isinstance(start, Traced),
        once=True,
        ended=inner.ended,
    )


def _numbered(items: Iterable[Any], start: Any) -> Iterator[Any]:
    return enumerate(items, start) if not isinstance(start, Traced) else ((table.iadd(start, i), x) for i, x in enumerate(items))


def staged_zip(*items: Any, strict: bool = False) -> Any:
    parts = _parts("zip()", items)
    if parts is None:
        return zip(*items, strict=strict)
    return Staged(
        lambda: _shortest([p.count() for p in parts]),
        lambda i: tuple(p.element(i) for p in parts),
        _known(parts, min),
        lambda: zip(*(p.python() for p in parts), strict=False),
        "zip()",
        _plain(parts),
        once=True,
        ended=(lambda: _same_lengths([p.count() for p in parts])) if strict else None,
    )


def _shortest(counts: Sequence[Any]) -> Any:
    n = counts[0]
    for m in counts[1:]:
        n = _smaller(n, m)
    return n


def _smaller(n: Any, m: Any) -> Any:
    return table.select(table.ilt(*_ints(m, n)), *_ints(m, n)) if isinstance(n, Traced) or isinstance(m, Traced) else min(n, m)


def _same_lengths(counts: list[Any]) -> Any:
    """What zip(strict=True) does when one of its arguments has ended, in Python's words."""
    least = _shortest(counts)

    def check(j: int, word: str, wrong: Any) -> Any:
        others = "argument 1" if j == 1 else f"arguments 1-{j}"
        return if_(wrong, lambda: raise_(ValueError(f"zip() argument {j + 1} is {word} than {others}")), lambda: None, NO_SCOPE)

    for j in range(1, len(counts)):
        longer, shorter = (
            functools.partial(check, j, "longer", counts[j] != least),
            functools.partial(check, j, "shorter", counts[j] == least),
        )
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

    def element(i: Any) -> Any:
        last = _affine(inner.count(), -1, 1)
        return inner.element(table.isub(*_ints(last, i)) if isinstance(last, Traced) or isinstance(i, Traced) else last - i)

    return Staged(inner.count, element, inner.known, lambda: list(inner.python())[::-1], "reversed()", inner.plain, once=True)


def staged_map(function: Any, *items: Any) -> Any:
    """map(), which calls the function where an element is taken."""
    parts = _parts("map()", items)
    if parts is None:
        return (call(function, *xs) for xs in zip(*items, strict=False))
    return Staged(
        lambda: _shortest([p.count() for p in parts]),
        lambda i: call(function, *(p.element(i) for p in parts)),
        _known(parts, min),
        lambda: (call(function, *xs) for xs in zip(*(p.python() for p in parts), strict=False)),
        "map()",
        of_plain=_plain(parts),
        once=True,
    )


def staged_chain(*items: Any) -> Any:
    parts = _parts("itertools.chain()", items)
    if parts is None:
        return itertools.chain(*items)

    def element(i: Any) -> Any:
        return _of_first(parts, i)

    def count() -> Any:
        counts = [p.count() for p in parts]
        if known is not None or ENDLESS in [n for n in counts if isinstance(n, int)]:
            return ENDLESS if known is None else known
        n = counts[0]
        for m in counts[1:]:
            n = table.iadd(*_ints(n, m))
        return n

    known = _known(parts, lambda sizes: min(sum(sizes), ENDLESS))
    python = lambda: itertools.chain(*(p.python() for p in parts))  # noqa: E731
    return Staged(count, element, known, python, "itertools.chain()", _plain(parts), once=True)


def _of_first(parts: Sequence[Staged], i: Any) -> Any:
    """Element i of iterables that follow one another."""
    first, *rest = parts
    if not rest:
        return first.element(i)
    n = first.count()
    return ifexp(i < n, lambda: first.element(i), lambda: _of_first(rest, _affine(i, _negative(n), 1)))


def _negative(n: Any) -> Any:
    return table.isub(0, n) if isinstance(n, Traced) else -n


def chain_from_iterable(items: Any) -> Any:
    if isinstance(items, Arrayed) and items.ndim == 2:
        return staged_chain(items.reshape(-1))
    trace = current_trace()
    if trace is not None and trace.builders and isinstance(items, (list, tuple)):
        return staged_chain(*items)
    return itertools.chain.from_iterable(items)


def staged_product(*items: Any, repeat: int = 1) -> Any:
    parts = _parts("itertools.product()", items)
    if parts is None:
        return itertools.product(*items, repeat=repeat)
    parts = parts * repeat

    def count() -> Any:
        n: Any = 1
        for p in parts:
            n = _times(n, p.count())
        return n

    def element(i: Any) -> Any:
        out: list[Any] = []
        for p in reversed(parts):  # the last one moves fastest
            n = p.count()
            out.insert(0, p.element(i % n))
            i = i // n
        return tuple(out)

    known = _known(parts, lambda sizes: min(math.prod(sizes), ENDLESS))
    python = lambda: itertools.product(*(tuple(p.python()) for p in parts))  # noqa: E731
    return Staged(count, element, known, python, "itertools.product()", _plain(parts), once=True)


def _times(n: Any, m: Any) -> Any:
    return table.imul(*_ints(n, m)) if isinstance(n, Traced) or isinstance(m, Traced) else n * m


def staged_pairwise(items: Any) -> Any:
    parts = _parts("itertools.pairwise()", [items])
    if parts is None:
        return itertools.pairwise(items)
    (inner,) = parts

    def count() -> Any:
        n = _affine(inner.count(), -1, 1)
        return table.select(table.igt(n, 0), n, 0) if isinstance(n, Traced) else max(n, 0)

    return Staged(
        count,
        lambda i: (inner.element(i), inner.element(_affine(i, 1, 1))),
        None if inner.known is None else max(inner.known - 1, 0),
        lambda: itertools.pairwise(inner.python()),
        "itertools.pairwise()",
        inner.plain,
        once=True,
    )


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

    return Staged(
        count,
        lambda i: inner.element(_affine(start, i, step)),
        None if inner.known is None or isinstance(given.stop, Traced) else len(range(inner.known)[given]),
        lambda: itertools.islice(inner.python(), *bounds),
        "itertools.islice()",
        inner.plain,
        once=True,
    )


def staged_repeat(value: Any, *times: Any) -> Any:
    trace = current_trace()
    if trace is None or not trace.builders:
        return itertools.repeat(value, *times)
    (n,) = times or (ENDLESS,)
    known = None if isinstance(n, Traced) else max(int(n), 0)
    python = lambda: itertools.repeat(value, *times)  # noqa: E731
    return Staged(lambda: n, lambda i: value, known, python, "itertools.repeat()", not is_traced(value), once=True)


def staged_count(start: Any = 0, step: Any = 1) -> Any:
    trace = current_trace()
    if trace is None or not trace.builders or any((scalar_type(x) or (None,))[0] != I64 for x in (start, step)):
        return itertools.count(start, step)
    python = lambda: (_affine(start, i, step) for i in itertools.count())  # noqa: E731
    plain = not isinstance(start, Traced) and not isinstance(step, Traced)
    return Staged(lambda: ENDLESS, lambda i: _affine(start, i, step), ENDLESS, python, "itertools.count()", plain, once=True)


def staged_starmap(function: Any, items: Any) -> Any:
    return staged_map(lambda xs: call(function, *xs), items)


def staged_zip_longest(*items: Any, fillvalue: Any = None) -> Any:
    parts = _parts("itertools.zip_longest()", items)
    if parts is None:
        return itertools.zip_longest(*items, fillvalue=fillvalue)

    def one(p: Staged, i: Any) -> Any:
        return ifexp(i < p.count(), lambda: p.element(i), lambda: fillvalue)

    def count() -> Any:
        n = parts[0].count()
        for p in parts[1:]:
            m = p.count()
            n = table.select(table.igt(*_ints(m, n)), *_ints(m, n)) if isinstance(n, Traced) or isinstance(m, Traced) else max(n, m)
        return n

    return Staged(
        count,
        lambda i: tuple(one(p, i) for p in parts),
        _known(parts, max),
        lambda: itertools.zip_longest(*(p.python() for p in parts), fillvalue=fillvalue),
        "itertools.zip_longest()",
        _plain(parts) and not is_traced(fillvalue),
        once=True,
    )


REPLACED: dict[Any, Callable[..., Any]] = {
    range: staged_range, enumerate: staged_enumerate, zip: staged_zip, len: staged_length, reversed: staged_reversed, map: staged_map,
    filter: staged_filter, itertools.chain: staged_chain, itertools.chain.from_iterable: chain_from_iterable, itertools.product: staged_product,
    itertools.pairwise: staged_pairwise, itertools.islice: staged_islice, itertools.repeat: staged_repeat, itertools.count: staged_count,
    itertools.starmap: staged_starmap, itertools.zip_longest: staged_zip_longest,
}  # fmt: skip

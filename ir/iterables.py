"""What a staged `for` can run over: ranges, arrays, enumerate, zip and reversed of them.

A `Staged` iterable knows its length (maybe traced) and its i-th element. Outside `for` it is not iterable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from . import concrete, errors, table
from .builder import current_builder, user_site
from .growing import growing
from .types import I64
from .values import Arrayed, Traced, constant, dimension, lift_array, load, scalar_type, to_type


@dataclass
class Staged:
    """`count()` is the length, `element(i)` the i-th element; `known` the length where it is a Python int."""

    count: Callable[[], Any]
    element: Callable[[Any], Any]
    known: int | None = None
    python: Callable[[], Any] = tuple
    what: str = "range"

    def __iter__(self) -> Iterator[Any]:
        n = self.count() if self.known is None else self.known
        n = concrete.number(n, concrete.MOST_UNROLLED) if isinstance(n, Traced) else n
        if n is None:
            self._refuse()
        return iter([self.element(i) for i in range(int(n))])

    def is_countable(self) -> bool:
        """Is the length a number that Python may need? (It does.)"""
        n = self.count()
        return not isinstance(n, Traced) or concrete.number(n, concrete.MOST_UNROLLED) is not None

    def _refuse(self) -> NoReturn:
        raise errors.TracedConditionError(
            f"{self.what} of a traced length at {user_site()} can only be used in a `for` statement, not in a comprehension, list() or sum()"
        )


def staged_range(*args: Any) -> Any:
    """range() of possibly traced bounds; a Python range where all are plain."""
    if not any(isinstance(a, Traced) for a in args):
        return range(*args)
    for a in args:
        if (scalar_type(a) or (None,))[0] != I64:
            raise TypeError(f"range() at {user_site()} needs ints, not {a!r}")
    start, stop, step = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]

    if not isinstance(step, Traced) and step == 0:
        raise ValueError("range() arg 3 must not be zero")
    return Staged(lambda: _count(start, stop, step), lambda i: _affine(start, i, step))


ENDLESS = 2**63 - 1  # as long as no program runs


def _count(start: Any, stop: Any, step: Any) -> Any:
    """How many elements range(start, stop, step) has, ENDLESS at most. Spans up to 2**64 - 1 are right as numbers without a sign."""
    if isinstance(step, Traced):
        step = table.nonzero_step(step)
        up = table.igt(step, 0)
        low, high = table.select(up, *_ints(start, stop)), table.select(up, *_ints(stop, start))
        by = table.select(up, step, table.isub(0, step))
    else:
        low, high = (start, stop) if step > 0 else (stop, start)
        by = constant(abs(int(step))) if step != -(2**63) else constant(step)
        if step in (1, -1) and not isinstance(low, Traced) and int(low) == 0:
            return high  # fewer than none are none
    low, high = _ints(low, high)
    n = table.isub(high, low)
    if isinstance(step, Traced) or abs(step) > 1:
        n = table.iadd(table.unsigned_div(table.isub(n, 1), by), 1)
    if isinstance(step, Traced) or abs(step) < 3:  # with longer steps it has 63 bits
        n = table.select(table.ilt(n, 0), constant(ENDLESS), n)
    return table.select(table.igt(high, low), n, constant(0))


def _ints(*xs: Any) -> list[Any]:
    return [x if isinstance(x, Traced) else constant(int(x)) for x in xs]


def _affine(start: Any, i: Any, step: Any) -> Any:
    """start + i * step, which is an int64 for each i of a range, whatever the product is."""
    scaled = (
        i
        if isinstance(step, int) and step == 1
        else table.imul(*_ints(i, step))
        if isinstance(i, Traced) or isinstance(step, Traced)
        else i * step
    )
    if isinstance(start, int) and start == 0:
        return scaled
    return table.iadd(*_ints(start, scaled)) if isinstance(start, Traced) or isinstance(scaled, Traced) else start + scaled


def staged_enumerate(items: Any, start: Any = 0) -> Any:
    inner = staged_iterable(items)
    if inner is None or inner.known is not None:
        return enumerate(items, start)
    return Staged(inner.count, lambda i: (_affine(start, i, 1), inner.element(i)), None, tuple, "enumerate")


def staged_zip(*items: Any, strict: bool = False) -> Any:
    parts = [staged_iterable(x) for x in items]
    if all(p is None or p.known is not None for p in parts) or any(p is None for p in parts):
        if any(p is not None and p.known is None and not p.is_countable() for p in parts):
            raise errors.TracedConditionError(f"zip() at {user_site()} mixes a traced length with Python containers: make arrays of them")
        return zip(*items, strict=strict)
    known: list[Staged] = [p for p in parts if p is not None]

    def count() -> Any:
        n = known[0].count()
        for p in known[1:]:
            m = p.count()
            n = table.select(table.ilt(m, n), m, n) if isinstance(n, Traced) or isinstance(m, Traced) else min(n, m)
        return n

    return Staged(count, lambda i: tuple(p.element(i) for p in known), None, tuple, "zip")


def staged_reversed(items: Any) -> Any:
    inner = staged_iterable(items)
    if inner is None or inner.known is not None:
        return reversed(items)

    def element(i: Any) -> Any:
        return inner.element(inner.count() - 1 - i)

    return Staged(inner.count, element, None, tuple, "reversed")


def staged_length(x: Any) -> Any:
    g = growing(x)
    return dimension(x, 0) if isinstance(x, Arrayed) else len(x) if g is None else g.n


def _range_element(r: range, i: Any) -> Any:
    return _affine(r.start, i, r.step)


def staged_iterable(items: Any) -> Staged | None:
    """`items` as a staged iterable, or None where Python should iterate."""
    if isinstance(items, Staged):
        return items
    if (g := growing(items)) is not None:
        return Staged(lambda: g.n, lambda i: g.item(i, checked=False), None, tuple, "a list that grows under traced control flow")
    if isinstance(items, range):
        return Staged(lambda: len(items), lambda i: _range_element(items, i), len(items), lambda: items)
    if isinstance(items, np.ndarray) and items.ndim == 1 and items.dtype.kind in "fiub" and len(items) > 64:
        items = lift_array(items)
    if isinstance(items, Arrayed):
        n = dimension(items, 0)
        known = n if isinstance(n, int) else None
        return Staged(
            lambda: n, lambda i: load(items, i, checked=False), known, lambda: [items[i] for i in range(known or 0)], "a traced array"
        )
    return None


__all__ = [
    "Staged",
    "current_builder",
    "staged_enumerate",
    "staged_iterable",
    "staged_length",
    "staged_range",
    "staged_reversed",
    "staged_zip",
    "to_type",
]

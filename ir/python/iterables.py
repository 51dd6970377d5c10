"""What a staged `for` can run over: ranges, arrays of the program and captured ones, and what enumerate, zip, reversed, map, filter,
itertools and generator expressions make of them.

A `Staged` iterable knows its length (maybe traced) and its i-th element. Where Python iterates it, its length must be known.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from ..core import dims, errors
from ..core.port import Port
from ..core.sites import unsupported, user_site
from ..core.types import BOOL, I64, behaves_as_array, widened
from ..numpy.common import class_of
from ..objects.choice import is_choice
from ..ops import table
from ..staging import lists
from ..staging.chosen.pick import each, plain
from ..staging.growing import constant_if_plain, growing
from ..staging.items.along import Moved, along, is_as_long, length
from ..staging.paths import require
from ..values import concrete, sizes
from ..values.arrays import lift_array
from ..values.indexing import index_in, slice_of
from ..values.pytree import has_some_keys
from ..values.values import Arrayed, Traced, constant, dim_of, dimension, load, scalar_type, to_type

FEW = concrete.LONG  # so many elements, known while tracing, may be unrolled without a word

stacked = Port("makes an array of the elements of a staged iterable")


def as_array(x: Any) -> Any:
    """A staged sequence as an array; anything else as it is."""
    return stacked(x) if isinstance(x, Staged) else x


length_of_open = Port("gives how many keys such a dict has")
seen_as_a_whole = Port("gives the keys of a dict with keys that it has on some paths only; other values as they are")
numbers_of = Port(
    "gives the elements of a generator at once, before `keep` and `item`: if they are numbers, and nobody can tell when they are made"
)


@dataclass
class Staged:
    """`count()` is the length, `element(i)` the i-th element; `known` the length where it is a Python int, and then `python()` the
    elements for Python, which are numbers as they are where the source has such."""

    count: Callable[[], Any]
    element: Callable[[Any], Any]
    known: int | None = None
    python: Callable[[], Iterable[Any]] = tuple
    what: str = "range"
    plain: bool = False  # made of numbers alone that are known while tracing
    of_plain: bool = False  # computed of such numbers: by map(), a generator
    once: bool = False  # an iterator: it is gone through a single time
    keep: Callable[[Any], Any] | None = None  # which elements there are: filter(), and the `if` of a generator
    item: Callable[[Any], Any] | None = None  # what an element becomes, after `keep` has looked at it
    flat: bool = False  # `item` gives further elements to iterate: a generator with a `for` inside
    ended: Callable[[], Any] | None = None  # what happens when Python finds no further element: zip(strict=True) compares
    spent: bool = False
    shown: Any = None  # the bar that says how far the loop is (trace/progress.py)
    drive: Callable[..., Any] | None = None  # a generator function's call goes through itself: see generators.py
    sees: Sequence[Any] = ()  # what that call was given
    frozen: bool = False  # a tuple
    held: Callable[[], bool] | None = None  # the elements are those of a container of Python's: does it still hold them?
    begun: Iterator[Any] | None = None  # where Python has taken elements by next()
    follows: bool = False  # count() and element(i) are of what it goes through as it is then

    anew = None  # no field, as it is of this one alone: gives one for each time that somebody goes through it

    def begin(self) -> None:
        """Somebody goes through it from here on."""
        if self.once and self.spent:
            raise errors.UnsupportedOperationError(
                f"{self.what} at {user_site()} has been gone through before, and an iterator is empty then: make a list of it first, or write it again"
            )
        self.spent = True

    @property
    def indexed(self) -> bool:
        """Is element(i) the i-th element that Python finds?"""
        return self.keep is None and self.item is None and self.drive is None

    @property
    def short(self) -> bool:
        """Is it known to have so few elements that they may be unrolled without a word?"""
        return self.known is not None and self.known <= FEW

    def __getitem__(self, index: Any) -> Any:
        if self.once or not self.indexed:
            raise TypeError(f"'{self.what.rstrip('()')}' object is not subscriptable ({user_site()})")
        if not isinstance(index, slice):
            return self.element(index_in(index, self.count(), 0))
        start, step, n = slice_of(index, self.count())
        known = n if isinstance(n, int) else None

        def element(i: Any) -> Any:
            return self.element(_affine(start, i, step))

        return Staged(lambda: n, element, known, lambda: (element(i) for i in range(known or 0)), self.what)

    def __lantern_array__(self) -> Any:
        return stacked(self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return getattr(ufunc, method)(*map(as_array, inputs), **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return func(*map(as_array, args), **{k: as_array(v) for k, v in kwargs.items()})

    def __iter__(self) -> Iterator[Any]:
        if self.begun is not None:
            return self.begun
        self.begin()
        return self.elements()

    def for_python(self) -> Iterable[Any] | None:
        """The elements (before `keep` and `item`) where Python goes through them: their number is one that it needs. None where
        that depends on what the program computes, or is too much."""
        n = self.count() if self.known is None else self.known
        if isinstance(n, Traced):
            n = concrete.number(n, concrete.MOST_UNROLLED)
            return None if n is None else (self.element(i) for i in range(int(n)))
        return self.python() if n <= concrete.MOST_UNROLLED else None

    def elements(self) -> Iterator[Any]:
        """The elements for Python, one by one."""
        if self.drive is not None:
            found: Any = numbers_of(self)
        else:
            found = self.python() if self.plain or self.short else self.for_python()
        return self._refuse() if found is None else self._each(found)

    def _each(self, found: Iterable[Any]) -> Iterator[Any]:
        for x in found:
            if self.keep is not None and not self._kept(self.keep(x)):
                continue
            y = x if self.item is None else self.item(x)
            if self.flat:
                yield from y
            else:
                yield y
        if self.ended is not None:
            self.ended()

    def _kept(self, chosen: Any) -> bool:
        if isinstance(chosen, Traced):
            raise errors.TracedConditionError(
                f"how many elements {self.what} at {user_site()} has depends on traced values: use it in a `for` statement, sum(), max(), any() and "
                "the like, or choose elements of an array with a mask"
            )
        return bool(chosen)

    def __next__(self) -> Any:
        """As the iterator that Python's enumerate, zip and map are."""
        if self.begun is None:
            self.begun = iter(self)
        return next(self.begun)

    def __lantern_returned__(self) -> None:
        """It is to leave the program."""
        if self.drive is not None:
            raise errors.UnsupportedSyntaxError(
                f"{self.what} at {user_site()} is a result, of which compiled code makes nothing: compile the function that goes through it, or return a list of it"
            )
        if self.frozen:
            unsupported(f"{self.what} as a result,", "return the list: list(x)")

    def _refuse(self) -> NoReturn:
        if self.drive is not None:
            raise errors.UnsupportedOperationError(
                f"{self.what} at {user_site()} gives more than numbers, or changes something, and so can be gone through by a `for` statement, enumerate(), list(), tuple(), sum() "
                "and the like alone, where nobody needs one element before the next: make a list of it"
            )
        raise errors.TracedConditionError(
            f"{self.what} of a traced length at {user_site()} can only be used in a `for` statement, list(), sum() and the like: only Python can "
            "do anything else with it, and it does not know the number of elements"
        )


def staged_range(*args: Any) -> Any:
    """range() of possibly traced bounds; a Python range where all are plain."""
    if not any(isinstance(a, Traced) for a in args):
        return range(*args)
    args = tuple(to_type(a, I64) if scalar_type(a) == (BOOL, True) else a for a in args)  # a bool of Python's is an int
    for a in args:
        if (scalar_type(a) or (None,))[0] != I64:
            raise TypeError(f"range() at {user_site()} needs ints, not {a!r}")
    start, stop, step = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]

    if not isinstance(step, Traced) and step == 0:
        raise ValueError("range() arg 3 must not be zero")
    return Staged(lambda: _count(start, stop, step), lambda i: _affine(start, i, step))


lists.times.define(staged_range)

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
        if step in (1, -1) and dims.least(dims.sub(dim_of(high), dim_of(low))) is not None:
            return sizes.nonnegative(sizes.sub(high, low))  # made of sizes, whose spans are no 64 bits long
    low, high = _ints(low, high)
    n = table.isub(high, low)
    if isinstance(step, Traced) or abs(step) > 1:
        n = table.iadd(table.unsigned_div(table.isub(n, 1), by), 1)
    if isinstance(step, Traced) or abs(step) < 3:  # with longer steps it has 63 bits
        n = table.select(table.ilt(n, 0), constant(ENDLESS), n)
    return table.select(table.igt(high, low), n, constant(0))


def _ints(*xs: Any) -> list[Any]:
    return [x if isinstance(x, Traced) else constant(int(x)) for x in xs]


def on_ints(op: Callable[[Any, Any], Any], plain: Callable[[Any, Any], Any], n: Any, m: Any) -> Any:
    """An operation on two ints, in the program where one of them is traced."""
    return op(*_ints(n, m)) if isinstance(n, Traced) or isinstance(m, Traced) else plain(n, m)


def _affine(start: Any, i: Any, step: Any) -> Any:
    """start + i * step, which is an int64 for each i of a range, whatever the product is."""
    scaled = i if isinstance(step, int) and step == 1 else on_ints(table.imul, operator.mul, i, step)
    return scaled if isinstance(start, int) and start == 0 else on_ints(table.iadd, operator.add, start, scaled)


def staged_length(x: Any) -> Any:
    if isinstance(x, Staged):
        if x.once:
            raise TypeError(f"object of type '{x.what.rstrip('()')}' has no len() ({user_site()})")
        return x.count()
    if isinstance(x, Traced):
        raise TypeError(f"object of type '{class_of(x).__name__}' has no len()")
    if is_choice(x):
        return each(x, staged_length)
    if has_some_keys(x):
        return length_of_open(x) if isinstance(x, dict) else staged_length(next(iter(x)).items)
    g = growing(x)
    return dimension(x, 0) if isinstance(x, Arrayed) else len(x) if g is None else g.n


# ---- what can be iterated in the graph
def staged_iterable(items: Any) -> Staged | None:
    """`items` as a staged iterable, or None where Python should iterate."""
    items = plain(items)
    items = seen_as_a_whole(items)
    if isinstance(items, Staged):
        return items.anew() if items.anew is not None else items if items.begun is None else None
    if growing(items) is not None:
        return of_list(items)
    if isinstance(items, range):
        return Staged(
            lambda: len(items), lambda i: _affine(items.start, i, items.step), len(items), lambda: items, plain=True, follows=True
        )
    if isinstance(items, np.ndarray) and items.ndim and widened(items.dtype) is not None and behaves_as_array(type(items)):
        return Staged(
            lambda: len(items),
            lambda i: load(lift_array(items), i, checked=False),
            len(items),
            lambda: items,
            "an array",
            True,
            follows=True,
        )
    if isinstance(items, Arrayed):
        n = dimension(items, 0)
        known = n if isinstance(n, int) else None
        return Staged(
            lambda: n, lambda i: load(items, i, checked=False), known, lambda: (items[i] for i in range(known or 0)), "a traced array",
            follows=True,
        )  # fmt: skip
    return None


class OfList(Staged):
    """A list of the program. `live`: its length is asked for before each element; else it must stay as long as it is."""

    live = False
    shortened: str | None = None  # what is raised where it has no such element any more


def begun_at_the_end(of: OfList) -> Callable[[], Any]:
    """The length of a list that is gone through from its end on: what is added behind is not seen."""
    n, of.live, of.shortened = of.count(), True, "a list that reversed() goes through has become shorter: go through a copy of it"
    return lambda: n


def of_list(x: Any, live: bool = False) -> OfList:
    """The items of a list, or deque, each as it is when its turn comes."""
    items = x.items if hasattr(type(x), "__lantern_queue__") else x
    began = length(items)

    def element(i: Any) -> Any:
        if not is_as_long(items, began):
            if not out.live:
                raise Moved(x, out)
            if out.shortened is not None:
                require(table.ilt(*_ints(i, length(items))), RuntimeError(out.shortened))
        g = growing(items)
        return items[i] if g is None else g.item(i, checked=False)

    def count() -> Any:
        return constant_if_plain(length(items) if out.live else began)

    known = began if isinstance(began, int) else None
    out = OfList(count, element, known, lambda: along(items), "a list that grows under traced control flow", follows=items is x)
    out.live = live
    return out


# ---- itertools

"""None"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import numpy as np
import optree

from ..core import errors
from ..core.builder import current_trace
from ..core.port import Port
from ..core.sites import unsupported, user_site
from ..objects.choice import is_choice, is_whole, pick
from ..objects.heap import Heap
from ..objects.held import CONTAINERS
from ..ops import table
from ..values import concrete, pytree
from ..values.indexing import slice_of
from ..values.scalars import logical_not
from ..values.sizes import add
from ..values.values import Arrayed, call, constant, is_traced
from .growing import (
    Append,
    Growing,
    Grows,
    _clipped,
    _heap,
    _loop,
    _traced,
    described,
    growing,
    is_growing,
    plain_items,
    shape_of,
    started,
)
from .items.along import Backwards, along
from .items.equal import equal_to, first_place, how_many, part_of, same_items
from .kinds import laid_out
from .paths import Bottom, require


def made(x: Any) -> Any:
    """A list, dict or set that the program has just made."""
    trace = current_trace()
    if trace is None or not trace.builders:
        return x
    if isinstance(x, dict) and any(hasattr(type(v), "as_result") for v in x.values()):
        unsupported("`{**d}` of a dict with keys that it has on some paths only", "write new = d.copy(), and new.update(..)")
    return trace.heap.made(List(x) if type(x) is list else x)


def spread(*parts: tuple[Any, bool]) -> Any:
    """[a, *b, ...]: (value, whether it is starred) for each."""
    out = made([])
    for value, starred in parts:
        call(out.extend if starred else out.append, value)
    return out


def _remember(items: List, item: Any) -> None:
    trace = current_trace()
    assert trace is not None
    g = growing(items)
    assert g is not None
    shapes = [shape_of(x) for x, k in zip(laid_out(item, g.bones, g.kinds), g.kinds, strict=True) if k.dtype is not None]
    trace.appends.append(Append(id(items), _loop(), shapes))


def _remade(items: List) -> None:
    """From here on the list has other buffers."""
    trace = current_trace()
    if trace is not None:
        trace.appends.append(Append(id(items), _loop(), None))


MANY = 16  # lists in a list: of more, those at traced places are copies, which nobody may write to
in_order = Port("gives the items of a list in their order")
for_over = Port("goes through what a traced program can iterate")
times = Port("gives the range of a traced number")


class List(list):  # type: ignore[type-arg]
    """A list that the traced program has made. What it does while it grows is written here, in the order of Python's manual."""

    __slots__ = ()

    def _set(self, held: Growing | Iterable[Any]) -> None:
        list.__setitem__(self, slice(None), [held] if isinstance(held, Growing) else list(held))

    def _note(self) -> Growing | None:
        heap = _heap()
        if heap is not None:
            heap.note(self)
        return growing(self)

    def append(self, item: Any) -> None:
        g = self._note()
        if g is None:
            list.append(self, item)
        else:
            self._set(g.appended(item))
            _remember(self, item)

    def extend(self, items: Any) -> None:
        g = self._note()
        if (
            g is None
            and growing(items) is None
            and not pytree.has_some_keys(items)
            and not is_traced(items)
            and not hasattr(items, "element")
        ):
            return list.extend(self, items)
        for_over(items.copy() if items is self else items, self.append)
        return None

    def insert(self, i: Any, item: Any) -> None:
        g = self._note()
        if g is None and not is_traced(i):
            return list.insert(self, i, item)
        self._set(_of(self).inserted(i, item))
        return _remember(self, item)

    def pop(self, i: Any = -1) -> Any:
        g = self._note()
        if g is None and not is_traced(i):
            return list.pop(self, i) if list.__len__(self) else _nothing(self)
        out, rest = _of(self).popped(i)
        self._set(rest)
        return out

    def clear(self) -> None:
        g = self._note()
        list.clear(self) if g is None else self._set(Growing(g.buffers, constant(0), g.bones, g.kinds))

    def reverse(self) -> None:
        g = self._note()
        _remade(self)
        list.reverse(self) if g is None else self._set(g.backwards())

    def copy(self) -> List:
        g = growing(self)
        return new_list(list.__iter__(self) if g is None else g.part(0, g.n))

    def remove(self, item: Any) -> None:
        g = self._note()
        if g is not None:
            self.pop(first_place(equal_to(g, item), ValueError("list.remove(x): x not in list"), require))
            return
        at, held = self._place("remove", item), list(list.__iter__(self))
        if not is_traced(at):
            list.__delitem__(self, at)
            return
        later = [table.select(table.ilt(at, j + 1), constant(1), constant(0)) for j in range(len(held) - 1)]
        self._set([pick(i, pair) for i, pair in zip(later, itertools.pairwise(held), strict=True)])

    def index(self, item: Any, *bounds: Any) -> Any:
        if (g := growing(self)) is not None and not bounds:
            return first_place(equal_to(g, item), ValueError("the item is not in the list"), require).weakly(True)
        if bounds:
            return list.index(self, item, *bounds) if g is None else g.refuse()
        return self._place("index", item)

    def count(self, item: Any) -> Any:
        if (g := growing(self)) is not None:
            return how_many(equal_to(g, item)).weakly(True)
        found: Any = 0
        for same in self._equal(item):
            found = table.iadd(*_traced(found, table.select(same, constant(1), constant(0)))) if is_traced(same) else found + bool(same)
        return found.weakly(True) if is_traced(found) else found

    def _equal(self, item: Any) -> list[Any]:
        """Of each item, whether it is that one."""
        return [x is item or call(operator.eq, x, item) for x in list.__iter__(self)]

    def _place(self, name: str, item: Any) -> Any:
        """Where the first item is that is that one."""
        found: Any = -1
        for i, same in reversed(list(enumerate(self._equal(item)))):
            found = table.select(same, *_traced(i, found)) if is_traced(same) else i if same else found
        error = ValueError("list.remove(x): x not in list" if name == "remove" else "the item is not in the list")
        require(table.ige(found, 0) if is_traced(found) else found >= 0, error)
        return found.weakly(True) if is_traced(found) else found

    def sort(self, *, key: Any = None, reverse: Any = False) -> None:
        self._note()
        _remade(self)
        found = in_order(self, key=key, reverse=reverse)
        g = growing(found)
        self._set(list(list.__iter__(found)) if g is None else g)

    def __getitem__(self, i: Any) -> Any:
        g = growing(self)
        if g is None and not is_traced(i):
            if isinstance(i, slice):
                i = _with_numbers(i)
                known = not len(self) or not any(map(is_traced, (i.start, i.stop, i.step)))
                return new_list(list.__getitem__(self, i) if len(self) and known else [] if known else _sliced(_of(self), i))
            n = list.__len__(self)
            return _nothing(self) if isinstance(i, int) and not -n <= i < n else list.__getitem__(self, i)
        if isinstance(i, slice):
            return new_list(_sliced(_of(self), i))
        return g.item(i) if g is not None else _choose(self, i)

    def __setitem__(self, i: Any, value: Any) -> None:
        g = self._note()
        if g is None and not is_traced(i):
            list.__setitem__(self, i, value)
        elif isinstance(i, slice) and i == slice(None):
            _remade(self)
            self._set(Growing(*_parts(value)) if growing(value) is not None else list(value))
        elif isinstance(i, slice):
            self._replace(i, value)
        else:
            self._set(_of(self).replaced(i, value))

    def __delitem__(self, i: Any) -> None:
        g = self._note()
        if g is None and not is_traced(i):
            list.__delitem__(self, i)
        elif isinstance(i, slice):
            self._replace(i, [])
        else:
            self.pop(i)

    def _replace(self, s: slice, items: Any) -> None:
        """Other items in the place of a slice."""
        _remade(self)
        g = _of(self)
        _, step, n = slice_of(s, g.n)
        start = 0 if s.start is None else _clipped(s.start, g.n)
        if step != 1:
            unsupported("a write to every n-th item of a list that grows under traced control flow,", "write them one by one in a loop")
        new, rest = new_list(g.part(0, start)), new_list(g.part(add(start, n), g.n))
        for more in (items, rest):
            new.extend(more)
        self._set(_of(new))

    def __add__(self, other: Any) -> Any:
        if isinstance(other, Arrayed):  # which takes the list for an array
            return NotImplemented
        if growing(self) is None and growing(other) is None:
            return new_list(list.__add__(self, other)) if isinstance(other, list) else NotImplemented
        out = self.copy()
        out.extend(other)
        return out

    def __radd__(self, other: Any) -> Any:
        return new_list(other).__add__(self) if type(other) is list else NotImplemented

    def __iadd__(self, other: Any) -> List:
        self.extend(other)
        return self

    def __mul__(self, n: Any) -> Any:
        if isinstance(n, Arrayed):
            return NotImplemented
        number = concrete.number(n) if is_traced(n) else n
        n = n if number is None else number
        if growing(self) is None and not is_traced(n):
            return new_list(list.__mul__(self, n))
        out = self.copy()
        out.clear()
        for_over(range(n) if not is_traced(n) else times(n), lambda _: out.extend(self))
        return out

    __rmul__ = __mul__

    def __eq__(self, other: Any) -> Any:
        if (growing(self) is None and growing(other) is None) or not isinstance(other, list):
            return list.__eq__(self, other)
        a, b = (tuple(list.__iter__(x)) for x in (self, other))
        if not a or not b:
            return table.ieq(*_traced(*(x[0].n if is_growing(x) else len(x) for x in (a, b)))).weakly(True)
        return same_items(*(x[0] if is_growing(x) else started(x, *described([x])) for x in (a, b)))

    def __ne__(self, other: Any) -> Any:
        same = self == other
        return logical_not(same) if is_traced(same) else not same if same is not NotImplemented else same

    __hash__ = None
    __iter__ = along

    def __reversed__(self) -> Any:
        return Backwards(self)

    def __lantern_truth__(self) -> Any:
        g = growing(self)
        return bool(list.__len__(self)) if g is None else table.ine(*_traced(g.n, 0))

    def __bool__(self) -> bool:
        g = growing(self)
        return bool(list.__len__(self)) if g is None else g.refuse()

    def __reduce__(self) -> Any:
        return list, (list(self),)


def _unless_grown(name: str, grown: Callable[..., Any]) -> Callable[..., Any]:
    plain = getattr(list, name)

    def method(self: List, *args: Any) -> Any:
        g = growing(self)
        return plain(self, *args) if g is None else grown(g, *args)

    return method


for _name, _grown in {"__len__": Growing.number, "__contains__": Growing.refuse}.items():
    setattr(List, _name, _unless_grown(_name, _grown))


def new_list(held: Any) -> List:
    """A list of the traced program."""
    out = List()
    out._set(held)
    heap = _heap()
    return out if heap is None else heap.made(out)


def _of(x: List) -> Growing:
    """A list as one that grows."""
    g = growing(x)
    if g is not None:
        return g
    held = tuple(list.__iter__(x))
    if not held:
        raise errors.ArrayIndexError(f"index out of range of an empty list ({user_site()})")
    return started(held, *described([held]))


def _nothing(x: List) -> NoReturn:
    """An item that a list does not have. In a loop where the list comes to grow it may: that is known when the loop is traced again."""
    trace = current_trace()
    if trace is not None:
        born = trace.heap.birth(x)
        if not trace.none_later and any(f.kind == "loop" and f.staged and born <= f.since for f in trace.builders[-1].frames):
            if trace.no_growth:
                raise Grows(f"an item of a list is read at {user_site()} that it may have after some iterations")
            trace.postponed += 1
            raise Bottom
    raise IndexError("list index out of range")


def _parts(x: Any) -> Any:
    g = growing(x)
    assert g is not None
    return [b.copy() for b in g.buffers], g.n, g.bones, g.kinds


def _choose(x: List, i: Any) -> Any:
    """An item of a list of known length at a traced place: one of its objects or lists, or a copy of an item of numbers, arrays and tuples of them."""
    held = tuple(list.__iter__(x))
    if not any(is_whole(v) or is_choice(v) or (isinstance(v, CONTAINERS) and len(held) <= MANY) for v in held):
        try:
            described([held])
            return _of(x).item(i)
        except errors.TypeMismatchError:
            pass
    number = concrete.number(i)
    if number is not None or concrete.of_short_loops(i):
        return list.__getitem__(x, i if number is None else number)  # which needs the number
    return pick(table.check_index(*_traced(i, len(held)), axis=0), held)


def _with_numbers(s: slice) -> slice:
    """A slice with the numbers that follow from the arguments at hand."""
    numbers = [concrete.number(x) if is_traced(x) else x for x in (s.start, s.stop, s.step)]
    return slice(*(x if n is None else n for x, n in zip((s.start, s.stop, s.step), numbers, strict=True)))


def _sliced(g: Growing, s: slice) -> Growing:
    return g.backwards() if s == slice(None, None, -1) else part_of(g, s, slice_of(s, g.n))


def _flatten(x: List) -> Any:
    g = growing(x)
    return (tuple(list.__iter__(x)), None) if g is None else ((*g.buffers, g.n), (g.bones, g.kinds))


def _unflatten(known: Any, children: Any) -> Any:
    children = list(children)
    if known is None:
        return children
    *buffers, n = children
    if all(isinstance(b, np.ndarray) for b in buffers) and isinstance(n, (int, np.integer)):
        return plain_items(Growing(buffers, int(n), *known))
    return new_list(Growing(buffers, n, *known))


for _namespace in pytree.NAMESPACES:
    optree.register_pytree_node(List, _flatten, _unflatten, namespace=_namespace)  # type: ignore[arg-type]
Heap.new_list = List

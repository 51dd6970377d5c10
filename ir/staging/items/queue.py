"""Deques that the traced program makes: one list of the program's in a shell that Python takes for a deque."""

from __future__ import annotations

import collections
import operator
from collections.abc import Callable, Iterator
from typing import Any

from ...core.builder import building
from ...ops import table
from ...values import pytree
from ...values.sizes import sub
from ...values.values import call, constant, is_traced
from ..branches import if_
from ..growing import growing
from ..lists import List, for_over, made
from ..paths import NO_SCOPE


class Queue(collections.deque):  # type: ignore[type-arg]
    """A deque: all that it holds is a List, which keeps its items."""

    __lantern_queue__ = True

    @classmethod
    def around(cls, items: Any, maxlen: int | None) -> Queue:
        return cls((items,), maxlen)

    @property
    def items(self) -> List:
        return collections.deque.__getitem__(self, 0)  # type: ignore[no-any-return]

    def append(self, item: Any) -> None:
        self.items.append(item)
        self._drop(lambda: self.items.pop(0))

    def appendleft(self, item: Any) -> None:
        self.items.insert(0, item)
        self._drop(lambda: self.items.pop())

    def _drop(self, drop: Callable[[], Any]) -> None:
        if self.maxlen is None:
            return
        too_many = _length(self.items) > self.maxlen

        def one() -> None:
            drop()

        if_(too_many, one, lambda: None, NO_SCOPE)

    def extend(self, items: Any) -> None:
        for_over(_apart(items), self.append)

    def extendleft(self, items: Any) -> None:
        for_over(_apart(items), self.appendleft)

    def pop(self) -> Any:  # type: ignore[override]
        return self.items.pop()

    def popleft(self) -> Any:
        return self.items.pop(0)

    def clear(self) -> None:
        self.items.clear()

    def copy(self) -> Queue:
        return Queue.around(self.items.copy(), self.maxlen)

    __copy__ = copy

    def rotate(self, n: Any = 1) -> None:
        items, k = self.items, _length(self.items)
        if growing(items) is None and not is_traced(n):
            k = n % k if k else 0
        else:
            one = table.select(*[x if is_traced(x) else constant(x) for x in (k > 0, k, 1)]) if is_traced(k) else max(k, 1)
            k = n % one
        at = sub(_length(items), k)
        front, back = items[at:], items[:at]
        front.extend(back)
        items[:] = front

    def insert(self, i: Any, item: Any) -> None:
        self.items.insert(i, item)

    def remove(self, item: Any) -> None:
        self.items.remove(item)

    def reverse(self) -> None:
        self.items.reverse()

    def index(self, item: Any, *bounds: Any) -> Any:
        return self.items.index(item, *bounds)

    def count(self, item: Any) -> Any:
        return self.items.count(item)

    def __iadd__(self, items: Any) -> Queue:
        self.extend(items)
        return self

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, collections.deque):
            return NotImplemented
        out = self.copy()
        out.extend(other)
        return out

    def __mul__(self, n: Any) -> Queue:
        return Queue.around(self.items * n, self.maxlen)

    __rmul__ = __mul__

    def __eq__(self, other: Any) -> Any:
        if not isinstance(other, collections.deque):
            return False
        return call(operator.eq, self.items, other.items if isinstance(other, Queue) else made(list(other)))

    __hash__ = None

    def __repr__(self) -> str:
        return "a deque"


def _length(items: List) -> Any:
    g = growing(items)
    return list.__len__(items) if g is None else g.n


def _apart(items: Any) -> Any:
    """What is gone through, which may be the queue itself."""
    return items.items.copy() if isinstance(items, Queue) else items


def _forwarded(name: str) -> Callable[..., Any]:
    return lambda self, *args: getattr(self.items, name)(*args)


for _name in ("len", "iter", "contains", "getitem", "setitem", "delitem", "reversed", "lantern_truth", "bool"):
    setattr(Queue, f"__{_name}__", _forwarded(f"__{_name}__"))


def queue(iterable: Any = (), maxlen: Any = None) -> Any:
    """collections.deque(): a Queue while a function is traced."""
    if not building() or maxlen == 0:
        return collections.deque(iterable, maxlen)
    out = Queue.around(made([]), maxlen)
    out.extend(iterable)
    return made(out)


def _unflatten(maxlen: Any, children: Any) -> Any:
    (items,) = children
    if type(items) is List:
        return Queue.around(items, maxlen)
    return Queue.around(made(items), maxlen) if building() else collections.deque(items, maxlen)


def _flatten(x: Queue) -> tuple[Iterator[Any], Any]:
    return (x.items,), x.maxlen  # type: ignore[return-value]


pytree.register(Queue, _flatten, _unflatten)

REPLACED: dict[Any, Callable[..., Any]] = {collections.deque: queue}

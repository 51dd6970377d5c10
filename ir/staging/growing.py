"""Lists that grow under traced control flow.

A list that the traced program makes is a `List`. Where its length comes to depend on the program's control flow, what it holds
is one `Growing`: for each leaf of its items a buffer (capacity, *shape of the item), and a count. Both are ordinary values of
the graph: branches join them, loops carry them, and reverse mode goes back through them, for the adjoint of an append takes
the adjoint of the last element. A full buffer is copied into one twice as large.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np
import optree

from ..core import errors
from ..core.builder import current_builder, current_trace, keep
from ..core.graph import Fail
from ..core.sites import user_site
from ..core.types import BOOL, F64, I64, NUMPY_DTYPES, Scalar, element, is_float
from ..ops import table
from ..values import concrete, pytree, sizes
from ..values.heap import Heap
from ..values.values import Arrayed, Traced, allocate, constant, dimension, is_traced, lift_array, scalar_type, to_type
from .structure import Shape, closed, opened

keep("no_growth", lambda trace: 0)  # loops that are unrolled rather than that a list grows in them
keep("appends", lambda trace: [])  # to lists that grow (Append)
keep("roomy", lambda trace: {})  # buffers that have room for all that a loop appends, and that loop's frame
keep("postponed", lambda trace: 0)  # reads of lists that are still empty

LEAF = "leaf"
Skeleton = Any  # of an item: LEAF, or (Shape, skeletons of its parts)


class Kind:
    """What a leaf of all items is: dtype, number of axes, and whether it is a Python number; or one constant."""

    def __init__(self, dtype: Any, rank: int, weak: bool, value: Any = None) -> None:
        self.key = dtype, rank, weak, type(value), value
        self.dtype, self.rank, self.weak, self.value = dtype, rank, weak, value

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Kind) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key[:4])

    def __str__(self) -> str:
        name = repr(self.value) if self.dtype is None else NUMPY_DTYPES[self.dtype].name
        return name if not self.rank else f"{self.rank}-d array of {name}"


def kind_of(x: Any) -> Kind:
    if isinstance(x, np.ndarray) and x.ndim:
        x = lift_array(x)
    if isinstance(x, Arrayed):
        return Kind(x.type.dtype, x.ndim, False)
    found = scalar_type(x)
    if found is not None:
        return Kind(found[0], 0, found[1])
    if x is None or isinstance(x, str):
        return Kind(None, 0, False, x)
    raise errors.TypeMismatchError(
        f"a list that grows under traced control flow at {user_site()} must hold numbers, arrays and containers of them, not {type(x).__name__}"
    )


def meet(a: Kind, b: Kind) -> Kind:
    """The kind of leaves of both kinds."""
    if a == b:
        return a
    if a.dtype is None or b.dtype is None or a.rank != b.rank or (BOOL in (a.dtype, b.dtype) and a.dtype != b.dtype):
        raise errors.TypeMismatchError(
            f"the items of a list that grows under traced control flow must have one type: {a} and {b} at {user_site()}"
        )
    dtype = a.dtype
    if a.dtype != b.dtype:
        strong = {k.dtype for k in (a, b) if not k.weak}
        dtype = (
            strong.pop() if len(strong) == 1 and is_float(next(iter(strong))) else F64 if any(is_float(k.dtype) for k in (a, b)) else I64
        )
    return Kind(dtype, a.rank, a.weak and b.weak)


def skeleton(x: Any, leaves: list[Any]) -> Skeleton:
    """The structure of an item; its leaves are appended to `leaves`."""
    found = opened(x)
    if found is None or isinstance(x, Arrayed):
        leaves.append(x)
        return LEAF
    shape, parts = found
    return shape, tuple(skeleton(p, leaves) for p in parts)


def filled(bones: Skeleton, leaves: Any, heap: Heap | None) -> Any:
    """An item of that structure; `leaves` is an iterator."""
    if bones == LEAF:
        return next(leaves)
    shape, parts = bones
    return closed(shape, [filled(p, leaves, heap) for p in parts], heap)


class Growing:
    """The items of a list: `buffers` of the leaves that are no constants, how many there are, and their structure."""

    __lantern_grows__ = True

    def __init__(self, buffers: Sequence[Any], n: Any, bones: Skeleton, kinds: tuple[Kind, ...]) -> None:
        self.buffers, self.n, self.bones, self.kinds = list(buffers), n, bones, kinds

    def __repr__(self) -> str:
        return "items"

    def refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise errors.UnsupportedOperationError(
            f"this use of a list that grows under traced control flow, at {user_site()}, is not supported: make an array of it first, np.array(items)"
        )

    __array__ = __array_ufunc__ = __array_function__ = __bool__ = __float__ = __int__ = __index__ = __len__ = __iter__ = __getitem__ = (
        __call__
    ) = refuse
    __add__ = __radd__ = __mul__ = __rmul__ = __sub__ = __rsub__ = __truediv__ = __rtruediv__ = __lt__ = __gt__ = __le__ = __ge__ = refuse

    def number(self) -> int:
        """How many there are, where Python needs to know it."""
        n = concrete.number(self.n, concrete.MOST_UNROLLED)
        return self.refuse() if n is None else int(n)

    @property
    def varying(self) -> list[Kind]:
        return [k for k in self.kinds if k.dtype is not None]

    # ---- each gives a new state
    def appended(self, item: Any) -> Growing:
        g, leaves = self._fit(item)
        return g._stored(g.n, leaves, grow=True)

    def _fit(self, item: Any) -> tuple[Growing, list[Any]]:
        """This list with kinds that hold the item too, and the leaves of the item."""
        leaves: list[Any] = []
        bones = skeleton(item, leaves)
        if bones != self.bones:
            raise errors.TypeMismatchError(
                f"the items of a list that grows under traced control flow must have one structure: {item!r} at {user_site()} differs from those before it"
            )
        _copied(item)
        kinds = tuple(meet(k, kind_of(x)) for k, x in zip(self.kinds, leaves, strict=True))
        return self.cast(kinds), [x for x, k in zip(leaves, kinds, strict=True) if k.dtype is not None]

    def _stored(self, at: Any, leaves: Sequence[Any], grow: bool) -> Growing:
        out = []
        for b, x, k in zip(self.buffers, leaves, self.varying, strict=True):
            to = _room(b, self.n, shape_of(x), k) if grow and not _is_roomy(b) else b
            _same_shape(to, x, k)
            to[at] = x if k.rank else to_type(x, element(k.dtype)) if isinstance(x, Traced) else x
            out.append(to)
        return Growing(out, sizes.add(self.n, 1) if grow else self.n, self.bones, self.kinds)

    def reserved(self, capacity: Any, shapes: Sequence[list[Any]]) -> Growing:
        """The same items in buffers for that many, of items of these shapes."""
        out = []
        for b, k, shape in zip(self.buffers, self.varying, shapes, strict=True):
            new = allocate(k.dtype, (capacity, *shape), 0)
            new[: self.n] = b[: self.n] if not shape else _of_shape(b, self.n, shape)
            out.append(new)
        return Growing(out, self.n, self.bones, self.kinds)

    def cast(self, kinds: tuple[Kind, ...]) -> Growing:
        """The same items as items of these kinds."""
        if kinds == self.kinds:
            return self
        wanted = [k for k in kinds if k.dtype is not None]
        buffers = [
            b if k.dtype == old.dtype else b.astype(NUMPY_DTYPES[k.dtype])
            for b, k, old in zip(self.buffers, wanted, self.varying, strict=True)
        ]
        return Growing(buffers, self.n, self.bones, kinds)

    def index(self, i: Any) -> Any:
        """A Python index as one from the start, checked."""
        return table.check_index(*_traced(i, self.n), axis=0)

    def item(self, i: Any, checked: bool = True) -> Any:
        at = self.index(i) if checked else i
        found = iter(self.buffers)
        out = filled(self.bones, iter([k.value if k.dtype is None else _element(next(found), at, k) for k in self.kinds]), _heap())
        _copied(out)
        return out

    def put(self, i: Any, item: Any) -> None:
        """Element i of a list that has room for it, and all of whose elements are alike."""
        leaves: list[Any] = []
        if skeleton(item, leaves) != self.bones:
            self._fit(item)  # refused there
        self._stored(i, [x for x, k in zip(leaves, self.kinds, strict=True) if k.dtype is not None], grow=False)

    def replaced(self, i: Any, item: Any) -> Growing:
        g, leaves = self._fit(item)
        return g._stored(g.index(i), leaves, grow=False)

    def part(self, start: Any, stop: Any) -> Growing:
        """Items start to stop, where 0 <= start <= stop <= n."""
        n = sizes.sub(stop, start)
        return Growing([b[start:stop].copy() for b in self.buffers], constant_if_plain(n), self.bones, self.kinds)

    def popped(self, i: Any = -1) -> tuple[Any, Growing]:
        at = self.index(i)
        out = self.item(at, checked=False)
        rest = self
        if not (isinstance(i, int) and i == -1):
            for b in self.buffers:
                b[at : self.n - 1] = b[at + 1 : self.n].copy()
        return out, Growing(rest.buffers, sizes.sub(self.n, 1), self.bones, self.kinds)

    def inserted(self, i: Any, item: Any) -> Growing:
        at = _clipped(i, self.n)
        g = self.appended(item)
        for b in g.buffers:
            last = b[g.n - 1]
            last = last.copy() if isinstance(last, Arrayed) else last
            b[at + 1 : g.n] = b[at : g.n - 1].copy()
            b[at] = last
        return g

    def backwards(self) -> Growing:
        return Growing([b[: self.n][::-1].copy() for b in self.buffers], self.n, self.bones, self.kinds)

    def stacked(self) -> Any:
        """np.array(items)"""
        if not self.buffers or any(k.dtype is None for k in self.kinds):
            self.refuse()
        if len(self.buffers) == 1:
            return self.buffers[0][: self.n].copy()
        return np.stack([b[: self.n] for b in self.buffers], axis=1)


class Room(NamedTuple):
    """What a loop reserves for a list: how many appends an iteration makes at most, and the shapes of the items' leaves."""

    appends: int
    shapes: list[list[Any]]


class Append(NamedTuple):
    """An append that has been traced: to the list of this id, in this loop, of leaves of these shapes."""

    items: int
    frame: Any
    shapes: list[list[Any]]


def _loop() -> Any:
    """The innermost staged loop under way."""
    return next((f for f in reversed(current_builder().frames) if f.kind == "loop" and f.staged), None)


def _is_roomy(b: Any) -> bool:
    trace = current_trace()
    assert trace is not None
    found = trace.roomy.get(b.variable)
    return found is not None and found is _loop()


def _remember(items: List, item: Any) -> None:
    trace = current_trace()
    assert trace is not None
    leaves: list[Any] = []
    skeleton(item, leaves)
    g = growing(items)
    assert g is not None
    shapes = [shape_of(x) for x, k in zip(leaves, g.kinds, strict=True) if k.dtype is not None]
    trace.appends.append(Append(id(items), _loop(), shapes))


def known_before(shapes: Sequence[list[Any]]) -> list[list[Any]] | None:
    """The shapes, where all their numbers are plain: those that the loop computes are not known when it begins."""
    return [[int(n) for n in shape] for shape in shapes] if not any(isinstance(n, Traced) for shape in shapes for n in shape) else None


def _of_shape(b: Any, n: Any, shape: list[Any]) -> Any:
    """The first n elements of a buffer, whose items have this shape if there are any."""
    from .staging import ifexp

    some = _unsized(ifexp(table.igt(*_traced(n, 0)), lambda: b, lambda: _unsized(allocate(b.type.dtype, (0, *shape), 0))))
    part = some[:n]
    part.sizes[1:] = shape
    return part


def _copied(item: Any) -> None:
    """A list that grows holds a copy of an item: a write to the item or to its parts would have to show in the list, and is refused."""
    heap = _heap()
    work = [item]
    while work:
        x = work.pop()
        if isinstance(x, Arrayed):
            x.owned = False
            if pytree.is_node(type(x)):
                x.base.owned = False
            continue
        found = opened(x)
        if found is not None:
            work += found[1]
            if found[0].mutable and heap is not None:
                heap.seal(
                    x,
                    f"{user_site()} writes to a {type(x).__name__} that is or was an item of a list that grows under traced control flow, which holds a copy "
                    "of it: put a copy into the list, or a new one in the item's place",
                )


def constant_if_plain(n: Any) -> Any:
    return n if isinstance(n, Traced) else constant(int(n))


def _traced(*values: Any) -> list[Any]:
    return [v if isinstance(v, Traced) else constant(int(v)) for v in values]


def _clipped(i: Any, n: Any) -> Any:
    i, n = _traced(i, n)
    i = table.select(table.ilt(i, 0), table.iadd(i, n), i)
    i = table.select(table.ilt(i, 0), constant(0), i)
    return table.select(table.igt(i, n), n, i)


def _heap() -> Heap | None:
    trace = current_trace()
    return trace.heap if trace is not None else None


def shape_of(x: Any) -> list[Any]:
    return list(x.shape) if isinstance(x, (Arrayed, np.ndarray)) else []


def _element(b: Any, at: Any, k: Kind) -> Any:
    x = b[at]
    if isinstance(x, Traced):
        return Traced(x.atom, x.builder, k.weak)
    x = x.copy()  # a later pop and append would write over it
    x.owned = False  # and a write to it would have to show in the list
    return x


def _room(b: Any, n: Any, shape: list[Any], k: Kind) -> Any:
    """The buffer, or a larger one with the same first n elements if it is full. The first item says how large items are."""
    from .staging import ifexp

    def larger() -> Any:
        new = allocate(k.dtype, (sizes.add(sizes.mul(dimension(b, 0), 2), 4), *shape), 0)

        def moved() -> Any:
            new[:n] = b[:n]
            return new

        return _unsized(ifexp(table.igt(*_traced(n, 0)), moved, lambda: new)) if shape else moved()

    old = Arrayed(b.variable, b.builder, True)
    old.joined = True
    return _unsized(ifexp(table.ige(*_traced(n, dimension(b, 0))), lambda: _unsized(larger()), lambda: old))


def _unsized(a: Any) -> Any:
    a.sizes, a.owned = None, True
    return a


def _same_shape(b: Any, x: Any, k: Kind) -> None:
    """All items have one shape, or the program fails here."""
    for axis, n in enumerate(shape_of(x)):
        m = dimension(b, axis + 1)
        if sizes.same(n, m):
            continue
        from .staging import branch

        ok, bad = branch(table.ieq(*_traced(n, m)), "fits", "differs")
        text = "the items of a list that grows under traced control flow must have one shape"
        current_builder().terminate(Fail("assertion", text, user_site(text)), bad)
        current_builder().enter(ok)


def started(items: Sequence[Any], bones: Skeleton, kinds: tuple[Kind, ...], capacity: Any = None, shapes: Any = None) -> Growing:
    """These items as a list that grows from now on; with room for `capacity` items of these shapes."""
    rows = []
    for item in items:
        _copied(item)
        leaves: list[Any] = []
        if skeleton(item, leaves) != bones:
            raise errors.TypeMismatchError(
                f"the items of a list that grows under traced control flow must have one structure ({user_site()})"
            )
        rows.append([x for x, k in zip(leaves, kinds, strict=True) if k.dtype is not None])
    buffers = []
    for j, k in enumerate(k for k in kinds if k.dtype is not None):
        shape = shapes[j] if shapes is not None else shape_of(rows[0][j]) if rows else [0] * k.rank
        b = allocate(k.dtype, (capacity if capacity is not None else len(items) + 4 if rows or not k.rank else 0, *shape), 0)
        b = b if capacity is not None else _unsized(b)
        for i, row in enumerate(rows):
            _same_shape(b, row[j], k)
            b[i] = row[j]
        buffers.append(b)
    return Growing(buffers, constant(len(items)), bones, kinds)


def described(contents: Sequence[Sequence[Any]]) -> tuple[Skeleton, tuple[Kind, ...]]:
    """The structure and the kinds of the items of several states of a list."""
    bones: Any = None
    kinds: tuple[Kind, ...] | None = None
    for held in contents:
        for item in held:
            if isinstance(item, Growing):
                found, mine = item.bones, item.kinds
            else:
                leaves: list[Any] = []
                found = skeleton(item, leaves)
                mine = tuple(map(kind_of, leaves))
            if kinds is None:
                bones, kinds = found, mine
            elif found != bones:
                raise errors.TypeMismatchError(
                    f"the items of a list that grows under traced control flow must have one structure, and at {user_site()} they have not"
                )
            else:
                kinds = tuple(map(meet, kinds, mine))
    assert kinds is not None
    return bones, kinds


def grown(held: Sequence[Any], bones: Skeleton, kinds: tuple[Kind, ...]) -> Growing:
    """The contents of a list as a Growing of these kinds."""
    return held[0].cast(kinds) if is_growing(held) else started(held, bones, kinds)


def is_growing(held: Any) -> bool:
    return len(held) == 1 and type(held[0]) is Growing


def growing(x: Any) -> Growing | None:
    """What a list that grows holds, or None."""
    if isinstance(x, list) and list.__len__(x) == 1:
        (held,) = list.__iter__(x)
        return held if type(held) is Growing else None
    return None


pytree.register(Growing, lambda g: ((*g.buffers, g.n), (g.bones, g.kinds)), lambda known, c: Growing(c[:-1], c[-1], *known))


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
        if g is None and growing(items) is None and not is_traced(items) and not hasattr(items, "element"):
            return list.extend(self, items)
        from .staging import for_over

        return for_over(items, self.append)

    def insert(self, i: Any, item: Any) -> None:
        g = self._note()
        list.insert(self, i, item) if g is None and not is_traced(i) else self._set(_of(self).inserted(i, item))

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
        list.reverse(self) if g is None else self._set(g.backwards())

    def copy(self) -> List:
        g = growing(self)
        return new_list(list.__iter__(self) if g is None else g.part(0, g.n))

    def remove(self, item: Any) -> None:
        self._plain("remove")(item)

    def sort(self, **kwargs: Any) -> None:
        g = self._note()
        if g is None and not any(map(is_traced, list.__iter__(self))):
            return list.sort(self, **kwargs)
        if g is None or len(g.buffers) != 1 or g.kinds[0].rank or kwargs.get("key") is not None:
            raise errors.UnsupportedOperationError(
                f"sort() of this list at {user_site()} is not supported: use np.sort(np.array(items)), which gives a sorted array"
            )
        up = np.sort(g.stacked())
        self._set(Growing([up[::-1].copy() if kwargs.get("reverse") else up], g.n, g.bones, g.kinds))
        return None

    def count(self, item: Any) -> Any:
        return self._plain("count")(item)

    def index(self, *args: Any) -> Any:
        return self._plain("index")(*args)

    def _plain(self, name: str) -> Callable[..., Any]:
        g = self._note()
        if g is not None:
            raise errors.UnsupportedOperationError(
                f"{name}() of a list that grows under traced control flow, at {user_site()}, is not supported: make an array of it first, np.array(items)"
            )
        return getattr(super(), name)  # type: ignore[no-any-return]

    def __getitem__(self, i: Any) -> Any:
        g = growing(self)
        if g is None and not is_traced(i):
            found = list.__getitem__(self, i) if isinstance(i, slice) or list.__len__(self) else _nothing(self)
            return new_list(found) if isinstance(i, slice) else found
        if isinstance(i, slice):
            return new_list(_sliced(_of(self), i))
        return g.item(i) if g is not None else _choose(self, i)

    def __setitem__(self, i: Any, value: Any) -> None:
        g = self._note()
        if g is None and not is_traced(i):
            list.__setitem__(self, i, value)
        elif isinstance(i, slice):
            if (i.start, i.stop, i.step) != (None, None, None):
                _of(self).refuse()
            self._set(Growing(*_parts(value)) if growing(value) is not None else list(value))
        else:
            self._set(_of(self).replaced(i, value))

    def __delitem__(self, i: Any) -> None:
        g = self._note()
        if g is None and not is_traced(i):
            list.__delitem__(self, i)
        elif isinstance(i, slice):
            if (i.start, i.step) != (None, None) or i.stop is not None:
                _of(self).refuse()
            self.clear()
        else:
            self.pop(i)

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
        if growing(self) is not None:
            self[0:0].refuse()
        return new_list(list.__mul__(self, n))

    __rmul__ = __mul__

    def __eq__(self, other: Any) -> Any:
        grows = growing(self) or growing(other)
        return list.__eq__(self, other) if grows is None else grows.refuse()

    __hash__ = None

    def __lantern_truth__(self) -> Any:
        g = growing(self)
        return bool(list.__len__(self)) if g is None else table.ine(*_traced(g.n, 0))

    def __len__(self) -> int:
        g = growing(self)
        return list.__len__(self) if g is None else g.number()

    def __bool__(self) -> bool:
        g = growing(self)
        return bool(list.__len__(self)) if g is None else g.refuse()

    def __iter__(self) -> Any:
        g = growing(self)
        return list.__iter__(self) if g is None else iter([g.item(i, checked=False) for i in range(g.number())])

    def __contains__(self, x: Any) -> Any:
        g = growing(self)
        return list.__contains__(self, x) if g is None else g.refuse()

    def __reversed__(self) -> Any:
        g = growing(self)
        return list.__reversed__(self) if g is None else g.refuse()

    def __reduce__(self) -> Any:
        return list, (list(self),)


def new_list(held: Any) -> List:
    """A list of the traced program."""
    out = List()
    out._set(held)
    heap = _heap()
    return out if heap is None else heap.made(out)


Heap.new_list = List


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
    """An item of an empty list. In a loop where the list comes to grow there is one: that is known when the loop is traced again."""
    trace = current_trace()
    if trace is not None and not trace.no_growth:
        born = trace.heap.birth(x)
        if any(f.kind == "loop" and f.staged and born <= f.since for f in trace.builders[-1].frames):
            from .staging import Bottom

            trace.postponed += 1
            raise Bottom
    raise IndexError("list index out of range")


def _parts(x: Any) -> Any:
    g = growing(x)
    assert g is not None
    return [b.copy() for b in g.buffers], g.n, g.bones, g.kinds


def _choose(x: List, i: Any) -> Any:
    """An item of a list of known length at a traced place."""
    try:
        described([tuple(list.__iter__(x))])
    except errors.TypeMismatchError:
        return list.__getitem__(x, i)  # which needs the number
    return _of(x).item(i)


def _sliced(g: Growing, s: slice) -> Growing:
    if s.step is not None and not (isinstance(s.step, int) and s.step == 1):
        if isinstance(s.step, int) and s.step == -1 and s.start is None and s.stop is None:
            return g.backwards()
        g.refuse()
    start = constant(0) if s.start is None else _clipped(s.start, g.n)
    stop = constant_if_plain(g.n) if s.stop is None else _clipped(s.stop, g.n)
    return g.part(start, table.select(table.ilt(stop, start), start, stop))


def _flatten(x: List) -> Any:
    g = growing(x)
    return (tuple(list.__iter__(x)), None) if g is None else ((*g.buffers, g.n), (g.bones, g.kinds))


def _unflatten(known: Any, children: Any) -> Any:
    children = list(children)
    if known is None:
        return children
    *buffers, n = children
    if all(isinstance(b, np.ndarray) for b in buffers) and not is_traced(n):
        return plain_items(Growing(buffers, int(n), *known))
    return new_list(Growing(buffers, n, *known))


for _namespace in pytree.NAMESPACES:
    optree.register_pytree_node(List, _flatten, _unflatten, namespace=_namespace)  # type: ignore[arg-type]


def plain_items(g: Growing) -> list[Any]:
    """After the call: the items, from buffers that are NumPy arrays."""
    columns: list[list[Any]] = []
    for b, k in zip(g.buffers, g.varying, strict=True):
        rows = b[: g.n]
        columns.append(rows.tolist() if not k.rank and k.weak else [row.copy() if k.rank else row for row in rows])
    out = []
    for i in range(g.n):
        found = iter(columns)
        out.append(filled(g.bones, iter([k.value if k.dtype is None else next(found)[i] for k in g.kinds]), None))
    return out


__all__ = ["Growing", "List", "Scalar", "Shape", "described", "growing", "grown", "is_growing", "plain_items"]

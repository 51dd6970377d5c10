"""Lists that grow under traced control flow.

A list that the traced program makes is a `List`. Where its length comes to depend on the program's control flow, what it holds
is one `Growing`: for each leaf of its items a buffer (capacity, *shape of the item), and a count. Both are ordinary values of
the graph: branches join them, loops carry them, and reverse mode goes back through them, for the adjoint of an append takes
the adjoint of the last element. A full buffer is copied into one twice as large.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np

from ..core import errors
from ..core.builder import current_builder, current_trace, keep
from ..core.graph import Const, Fail
from ..core.sites import unsupported, user_site
from ..core.types import BOOL, I64, element
from ..objects.choice import ANY, among, is_choice, is_whole, one_of, union
from ..objects.heap import Heap
from ..objects.structure import opened
from ..ops import table
from ..values import concrete, pytree, sizes
from ..values.arrays import allocate
from ..values.complexes.pairs import Complex, ComplexArray
from ..values.values import Arrayed, Traced, constant, dimension, to_type
from ..values.views import base_of
from .items.forms import recast
from .kinds import LEAF, Kind, Skeleton, candidates_in, common, filled, kind_of, laid_out, meet, refuse_items, skeleton
from .leaves import either
from .paths import branch

keep("no_growth", lambda trace: 0)  # loops that are unrolled rather than that a list grows in them
keep("appends", lambda trace: [])  # to lists that grow (Append)
keep("roomy", lambda trace: {})  # buffers that have room for all that a loop appends, and that loop's frame
keep("postponed", lambda trace: 0)  # reads of lists that are still too short
keep("none_later", lambda trace: False)  # is a read of a list that is too short an error?


class Grows(errors.TypeMismatchError):
    """A list of numbers or arrays would grow in a loop of few iterations, which is unrolled rather."""


class Growing:
    """The items of a list: `buffers` of the leaves that are no constants, how many there are, and their structure."""

    __lantern_grows__ = True

    def __init__(self, buffers: Sequence[Any], n: Any, bones: Skeleton, kinds: tuple[Kind, ...]) -> None:
        self.buffers, self.n, self.bones, self.kinds = list(buffers), n, bones, kinds

    def __repr__(self) -> str:
        return "items"

    def refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        unsupported(
            "this use of a list that grows under traced control flow,",
            "go through it in a `for`, or make an array of it first, np.array(items)",
        )

    __array__ = __array_ufunc__ = __array_function__ = __bool__ = __float__ = __int__ = __index__ = __len__ = __iter__ = __getitem__ = (
        __call__
    ) = refuse
    __add__ = __radd__ = __mul__ = __rmul__ = __sub__ = __rsub__ = __truediv__ = __rtruediv__ = __lt__ = __gt__ = __le__ = __ge__ = refuse

    def number(self) -> int:
        """How many there are, where Python needs to know it."""
        if (known := length_of((self,))) is not None:
            return known
        n = concrete.number(self.n, concrete.MOST_UNROLLED)
        return self.refuse() if n is None else int(n)

    @property
    def known(self) -> int | None:
        """How many there are, where that is known while tracing."""
        return length_of((self,))

    @property
    def varying(self) -> list[Kind]:
        return [k for k in self.kinds if k.dtype is not None]

    # ---- each gives a new state
    def appended(self, item: Any) -> Growing:
        g, leaves = self._fit(item)
        return g._stored(g.n, leaves, grow=True)

    def _fit(self, item: Any) -> tuple[Growing, list[Any]]:
        """This list with a form that holds the item too, and the leaves of the item."""
        mine = candidates_in(self.bones)
        if mine is not None and (is_whole(item) or is_choice(item)):
            item = among(item, union([one_of(ANY, mine), item]))
        leaves: list[Any] = []
        bones = skeleton(item, leaves)
        form = common((self.bones, self.kinds), (bones, tuple(map(kind_of, leaves))))
        _copied(item)
        return self.cast(*form), [x for x, k in zip(laid_out(item, *form), form[1], strict=True) if k.dtype is not None]

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

    def cast(self, bones: Skeleton, kinds: tuple[Kind, ...]) -> Growing:
        """The same items as items of this form."""
        if bones == self.bones and kinds == self.kinds:
            return self
        capacity = dimension(self.buffers[0], 0) if self.buffers else sizes.add(self.n, 4)
        return Growing(recast((self.bones, self.kinds), iter(self.buffers), (bones, kinds), capacity), self.n, bones, kinds)

    def index(self, i: Any) -> Any:
        """A Python index as one from the start, checked."""
        return table.check_index(*_traced(i, self.n), axis=0)

    def item(self, i: Any, checked: bool = True) -> Any:
        at = self.index(i) if checked else i
        found = iter(self.buffers)
        out = filled(self.bones, iter([k.value if k.dtype is None else _element(next(found), at, k) for k in self.kinds]), _heap())
        _copied(out)
        return out

    def put(self, i: Any, item: Any, alike: bool = False) -> None:
        """Element i of a list that has room for it, and of whose form it is: or one that takes it without a loss, unless all must be `alike`."""
        leaves = laid_out(item, self.bones, self.kinds)
        for x, k in zip(leaves, self.kinds, strict=True):
            mine = kind_of(x)
            if mine != k and (alike or k.dtype is None or meet(mine, k).dtype != k.dtype):
                refuse_items(f"have one type, not {k} and {mine}")
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
        if not (isinstance(i, int) and i == -1):
            for b in self.buffers:
                b[at : self.n - 1] = b[at + 1 : self.n].copy()
        return out, Growing(self.buffers, sizes.sub(self.n, 1), self.bones, self.kinds)

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
        found = _stacked(self.bones, iter([b[: self.n] for b in self.buffers]))
        return found.copy() if self.bones == LEAF or isinstance(found, ComplexArray) else found


def _stacked(bones: Skeleton, columns: Any) -> Any:
    """The array of the items of that structure, a column for each leaf: the parts of an item are along the second axis."""
    if bones == LEAF:
        return next(columns)
    shape, parts = bones
    found = [_stacked(p, columns) for p in parts]
    return ComplexArray(*found) if shape.kind in (Complex, ComplexArray) else np.stack(found, axis=1)


class Room(NamedTuple):
    """What a loop reserves for a list: how many appends an iteration makes at most, and the shapes of the items' leaves."""

    appends: int
    shapes: list[list[Any]]


class Append(NamedTuple):
    """An append that has been traced: to the list of this id, in this loop, of leaves of these shapes; None: a change that makes its buffers
    anew, which have no more room than they need."""

    items: int
    frame: Any
    shapes: list[list[Any]] | None


def _loop() -> Any:
    """The innermost staged loop under way."""
    return next((f for f in reversed(current_builder().frames) if f.kind == "loop" and f.staged), None)


def _is_roomy(b: Any) -> bool:
    trace = current_trace()
    assert trace is not None
    found = trace.roomy.get(b.atom)
    return found is not None and found is _loop()


def known_before(shapes: Sequence[list[Any]]) -> list[list[Any]] | None:
    """The shapes, where all their numbers are plain: those that the loop computes are not known when it begins."""
    return [[int(n) for n in shape] for shape in shapes] if not any(isinstance(n, Traced) for shape in shapes for n in shape) else None


def _of_shape(b: Any, n: Any, shape: list[Any]) -> Any:
    """The first n elements of a buffer, whose items have this shape if there are any."""
    some = _unsized(either(table.igt(*_traced(n, 0)), lambda: b, lambda: allocate(b.type.dtype, (0, *shape), 0)))
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
            x.owned = base_of(x).owned = False
            continue
        found = opened(x)
        if found is not None:
            work += found[1]
            if found[0].mutable and heap is not None:
                heap.seal(
                    x,
                    f"{user_site()} writes to a {'list' if isinstance(x, list) else type(x).__name__} that is or was an item of a list that grows under traced control flow, which holds a copy "
                    "of it: put a copy into the list, or a new one in the item's place",
                )


def constant_if_plain(n: Any) -> Any:
    return n if isinstance(n, Traced) else constant(int(n))


def _traced(*values: Any) -> list[Any]:
    return [(to_type(v, I64) if v.type == BOOL else v) if isinstance(v, Traced) else constant(int(v)) for v in values]


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

    def larger() -> Any:
        new = allocate(k.dtype, (sizes.add(sizes.mul(dimension(b, 0), 2), 4), *shape), 0)

        def moved() -> Any:
            new[:n] = b[:n]
            return new

        return _unsized(either(table.igt(*_traced(n, 0)), moved, lambda: new)) if shape else moved()

    old = Arrayed(b.atom, b.builder, True)
    old.joined = True
    return _unsized(either(table.ige(*_traced(n, dimension(b, 0))), lambda: _unsized(larger()), lambda: old))


def _unsized(a: Any) -> Any:
    a.sizes, a.owned = None, True
    return a


def _same_shape(b: Any, x: Any, k: Kind) -> None:
    """All items have one shape, or the program fails here."""
    for axis, n in enumerate(shape_of(x)):
        m = dimension(b, axis + 1)
        if sizes.same(n, m):
            continue
        ok, bad = branch(table.ieq(*_traced(n, m)), "fits", "differs")
        must = "the items of a list that grows under traced control flow must have one shape"
        text = f"{must}: keep numbers, and how many there are of each, np.repeat(values, counts)"
        current_builder().terminate(Fail("assertion", text, user_site(text)), bad)
        current_builder().enter(ok)


def started(items: Sequence[Any], bones: Skeleton, kinds: tuple[Kind, ...], capacity: Any = None, shapes: Any = None) -> Growing:
    """These items as a list that grows from now on; with room for `capacity` items of these shapes."""
    rows = []
    for item in items:
        _copied(item)
        rows.append([x for x, k in zip(laid_out(item, bones, kinds), kinds, strict=True) if k.dtype is not None])
    buffers = []
    for j, k in enumerate(k for k in kinds if k.dtype is not None):
        shape = shapes[j] if shapes is not None else shape_of(rows[0][j]) if rows else [0] * k.rank
        room = capacity if capacity is not None else len(items) + 4 if rows or not k.rank else 0
        b = allocate(k.dtype, (room, *shape), 0, sized=capacity is not None)
        for i, row in enumerate(rows):
            _same_shape(b, row[j], k)
            b[i] = row[j]
        buffers.append(b)
    return Growing(buffers, constant(len(items)), bones, kinds)


def described(contents: Sequence[Sequence[Any]]) -> tuple[Skeleton, tuple[Kind, ...]]:
    """The structure and the kinds of the items of several states of a list."""
    form: Any = None
    for held in contents:
        for item in held:
            if isinstance(item, Growing):
                found = item.bones, item.kinds
            else:
                leaves: list[Any] = []
                bones = skeleton(item, leaves)
                found = bones, tuple(map(kind_of, leaves))
            form = found if form is None else common(form, found)
    return form  # type: ignore[no-any-return]


def grown(held: Sequence[Any], bones: Skeleton, kinds: tuple[Kind, ...]) -> Growing:
    """The contents of a list as a Growing of this form."""
    return held[0].cast(bones, kinds) if is_growing(held) else started(held, bones, kinds)


def length_of(held: Sequence[Any]) -> int | None:
    """How many items there are, where that is known: of a list that grows that is one whose items alone the program decides."""
    if not is_growing(held):
        return len(held)
    n = held[0].n
    return int(n) if not isinstance(n, Traced) else n.atom.value if isinstance(n.atom, Const) else None


def counts_known(x: Any) -> bool:
    """Is it what a list that grows holds, of which it is known how much that is?"""
    return type(x) is Growing and length_of((x,)) is not None


def is_growing(held: Any) -> bool:
    return len(held) == 1 and type(held[0]) is Growing


def growing(x: Any) -> Growing | None:
    """What a list, or deque, that grows holds, or None."""
    if hasattr(type(x), "__lantern_queue__"):
        x = x.items
    if isinstance(x, list) and list.__len__(x) == 1:
        (held,) = list.__iter__(x)
        return held if type(held) is Growing else None
    return None


pytree.register(Growing, lambda g: ((*g.buffers, g.n), (g.bones, g.kinds)), lambda known, c: Growing(c[:-1], c[-1], *known))


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

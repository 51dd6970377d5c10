"""What a control-flow construct carries: the variables it may assign, saved, restored and joined.

Where paths meet, a variable that differs becomes a block parameter of the paths' common type. A variable that
some path leaves unassigned, or in another type, is poisoned: using it raises an error that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from ..core import errors
from ..core.builder import Builder, current_builder, current_trace
from ..core.graph import Atom, Block
from ..core.operand import atom_of
from ..core.sites import user_site
from ..core.types import BOOL, F32, F64, I64, NUMPY_DTYPES, Array, Scalar, Type, array_of, describe, is_float, same_type
from ..values import pytree
from ..values.heap import MISSING, Heap, Place, State, identical
from ..values.values import Arrayed, Traced, lift_array, scalar_type, to_type
from .growing import List, described, grown, is_growing
from .optional import Maybe, form_of, maybe, unassigned
from .structure import Shape, closed, leaves_of, opened, shape_of_contents


class Undefined:
    """The value of a variable that is not assigned on every path that leads here."""

    __lantern_leaf__ = True

    def __init__(
        self,
        name: str,
        why: str = "it is used before it is assigned",
        error: type[errors.LanternError] = errors.UndefinedVariableError,
    ) -> None:
        object.__setattr__(self, "_why", (name, why, error))

    def _raise(self, *args: Any, **kwargs: Any) -> NoReturn:
        name, why, error = object.__getattribute__(self, "_why")
        raise error(f"variable `{name}` at {user_site()}: {why}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        self._raise()

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __pow__ = __rpow__ = _raise
    __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = __lt__ = __le__ = __gt__ = __ge__ = __neg__ = __abs__ = __bool__ = _raise
    __float__ = __int__ = __index__ = __len__ = __iter__ = __getitem__ = __setitem__ = __call__ = __array__ = __array_ufunc__ = _raise


@dataclass
class Saved:
    """The variables of a scope at one point, and what the user's objects hold there."""

    values: tuple[Any, ...]
    heap: State


def heap_of() -> Heap:
    """The log of the trace under way."""
    trace = current_trace()
    assert trace is not None
    return trace.heap  # type: ignore[no-any-return]


class Scope:
    """Access to the variables `names` of the function that is being traced: those that a construct may assign."""

    def __init__(self, names: Sequence[str], get: Callable[[], tuple[Any, ...]], put: Callable[[Any], None]) -> None:
        self.names, self.get, self.put = tuple(names), get, put
        self.cells = frozenset(id(c) for c in getattr(put, "__closure__", None) or ())

    def save(self) -> Saved:
        return Saved(self.get(), heap_of().save())

    def restore(self, saved: Saved) -> None:
        heap_of().restore(saved.heap)
        self.put(saved.values)


NO_SCOPE = Scope((), lambda: (), lambda _: None)


def common_type(kinds: Sequence[tuple[Scalar, bool]]) -> tuple[Scalar, bool] | None:
    """The one type that scalars of (type, weak) can share, or None: as wide as one of them. Weak numbers adapt."""
    types = {t for t, _ in kinds}
    weak = all(w for _, w in kinds)
    if len(types) == 1:
        return types.pop(), weak
    if BOOL in types:
        return None
    strong = {t for t, w in kinds if not w}
    target = F64 if len(strong) != 1 else strong.pop()
    if target == I64:  # and a Python float
        target = F64
    return (target, weak) if target in (F64, F32) else None


def leaf_type(value: Any) -> Type | None:
    """The type of a leaf that can be a block parameter."""
    if isinstance(value, Arrayed):
        return value.type
    found = scalar_type(value)
    return found[0] if found else None


def same_leaf(a: Any, b: Any) -> bool:
    """Are two leaves one value, so that no parameter is needed?"""
    if a is b:
        return True
    if is_view(a) or is_view(b):
        return False
    if isinstance(a, (Traced, Arrayed)) and type(a) is type(b):
        return a.atom is b.atom or (isinstance(a, Traced) and not hasattr(a.atom, "name") and a.atom == b.atom)
    plain = (bool, int, float, str, np.generic)
    return isinstance(a, plain) and type(a) is type(b) and (a == b or (a != a and b != b)) and str(a) == str(b)


def merge_types(values: Sequence[Any]) -> tuple[Type, bool] | None:
    """The common type of leaves that meet, or None."""
    if all(isinstance(v, Arrayed) or (isinstance(v, np.ndarray) and v.ndim) for v in values):
        lifted = [v if isinstance(v, Arrayed) else lift_array(v) for v in values]
        if all(same_type(v.type, lifted[0].type) for v in lifted):
            return lifted[0].type, False
        dtypes = {v.type.dtype for v in lifted}
        if len({v.ndim for v in lifted}) > 1 or BOOL in dtypes:
            return None
        wide = I64 if not any(is_float(t) for t in dtypes) else F64  # float32 and an int are float64, as NumPy says
        return array_of(wide, lifted[0].ndim), False
    kinds = [scalar_type(v) for v in values]
    if any(k is None for k in kinds):
        return None
    return common_type(kinds)  # type: ignore[arg-type]


def coerce(value: Any, t: Type, block: Block) -> Atom:
    """`value` as an atom of type `t`, computed at the end of `block`."""
    builder = current_builder()
    before, builder.current = builder.current, block
    try:
        if isinstance(value, np.ndarray):
            value = lift_array(value) if value.ndim else value[()]
        if isinstance(value, Arrayed) and isinstance(t, Array) and not same_type(value.type, t):
            value = value.astype(NUMPY_DTYPES[t.dtype])
        if isinstance(t, Scalar):
            value = to_type(value, t)
        return atom_of(value, t, builder)
    finally:
        builder.current = before


def parameter(block: Block, t: Type, weak: bool, sources: Sequence[Any], builder: Builder, name: str = "p") -> Any:
    """A new parameter of `block`, as a traced value."""
    clean = "".join(c if c.isalnum() or c == "_" else "_" for c in name)
    var = builder.fresh(t, f"{clean}." if clean and clean[-1].isdigit() else clean or "p")
    block.params.append(var)
    if isinstance(t, Scalar):
        return Traced(var, builder, weak)
    made = Arrayed(var, builder, all(isinstance(s, Arrayed) and s.owned and same_type(s.type, t) for s in sources))
    made.joined = True
    return made


def common_sizes(values: Sequence[Any]) -> list[Any] | None:
    """The sizes of arrays that meet, where they are the same values."""
    shapes = [v.sizes if isinstance(v, Arrayed) else list(v.shape) for v in values]
    if any(s is None for s in shapes):
        return None
    return shapes[0] if all(_same_size(n, s[i]) for s in shapes for i, n in enumerate(shapes[0])) else None  # type: ignore[arg-type, index]


def _same_size(n: Any, m: Any) -> bool:
    return (n.atom is m.atom) if isinstance(n, Traced) and isinstance(m, Traced) else type(n) is type(m) and bool(n == m)


def describe_value(value: Any) -> str:
    """A value's type in a user's words."""
    if isinstance(value, (Traced, Arrayed)):
        return describe(value.type)
    found = scalar_type(value)
    return describe(found[0]) if found else ("None" if value is None else type(value).__name__)


def show(value: Any) -> str:
    """A value for a message: its type, and what it is where that is known."""
    if isinstance(value, (Traced, Arrayed)) or value is None:
        return repr(value)
    return f"{describe_value(value)} {value!r:.60}"


class Meeting:
    """Where several open blocks meet. `values` and `places` say what their values are from then on; parameters are made on the way.

    Two objects on two paths become a new one of the joined parts. It stands for both, so that a write to it would have to reach
    one of them: such a write is refused (Heap.sealed) where one of them can be seen by others.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        states: Sequence[State],
        since: int,
        name: str = "join",
        names: Collection[str] = (),
        cells: Collection[int] = (),
    ) -> None:
        self.cells, self.sharing = cells, Sharing(names, cells, heap_of())
        self.builder, self.heap = current_builder(), heap_of()
        self.blocks, self.states, self.since = list(blocks), list(states), since
        self.target = self.builder.new_block(name)
        self.args: list[list[Atom]] = [[] for _ in blocks]
        self.known: dict[tuple[int, ...], Any] = {}  # objects that have met, by their ids
        self.kept: list[Any] = []

    def value(self, name: str, values: Sequence[Any]) -> Any:
        """One value where paths meet, or an Undefined that says why there is none."""
        first = values[0]
        if all(v is first for v in values):
            return first
        if any(isinstance(v, Undefined) for v in values):
            return first if all(isinstance(v, Undefined) for v in values) else Undefined(name, UNASSIGNED)
        if all(same_leaf(v, first) for v in values):
            return first
        ids = tuple(map(id, values))
        if ids in self.known:
            return self.known[ids]
        self.kept += values
        found = self.known[ids] = self._new(name, values)
        return found

    def _new(self, name: str, values: Sequence[Any]) -> Any:
        parts = [opened(v, self.heap, s) for v, s in zip(values, self.states, strict=True)]
        if all(p is not None and p[0] == parts[0][0] for p in parts):  # type: ignore[index]
            return self._parts(name, values, [p for p in parts if p is not None])
        if all(isinstance(v, list) for v in values):
            contents = [p[1] for p in parts if p is not None]
            shared = self.sharing.of(values, contents)
            made = closed(Shape(list, "growing"), self._growing(name, contents), self.heap)
            self.sharing.seal(made, shared)
            return made
        if any(is_view(v) for v in values) and all(isinstance(v, (Arrayed, np.ndarray)) for v in values):
            return self._unowned(name, _settled_in_blocks(list(zip(self.blocks, values, strict=True))))
        if any(v is None or type(v) is Maybe for v in values):
            return self._optional(name, values)
        merged = merge_types(values)
        if merged is None:
            return Undefined(name, differs(values), errors.TypeMismatchError)
        t, weak = merged
        for arg, value, block in zip(self.args, values, self.blocks, strict=True):
            arg.append(coerce(value, t, block))
        made = parameter(self.target, t, weak, values, self.builder, name)
        if len({getattr(v, "given", None) for v in values}) == 1:
            made.given = getattr(values[0], "given", None)
        if isinstance(made, Arrayed):
            made.sizes = common_sizes(values)
        return made

    def _parts(self, name: str, values: Sequence[Any], parts: Sequence[tuple[Shape, list[Any]]]) -> Any:
        shape = parts[0][0]
        shared = self.sharing.of(values, [p for _, p in parts]) if shape.mutable else []
        joined = [self.value(name, column) for column in zip(*(p for _, p in parts), strict=True)]
        if pytree.is_node(shape.kind) and any(isinstance(j, Undefined) for j in joined):
            return next(j for j in joined if isinstance(j, Undefined))
        made = closed(shape, joined, self.heap)
        if shape.mutable:
            self.sharing.seal(made, shared)
        return made

    def _growing(self, name: str, contents: Sequence[Any]) -> Any:
        """The items of a list whose length is another one on each path."""
        if self.builder.trace.no_growth and not any(is_growing(held) for held in contents):
            raise errors.TypeMismatchError(
                f"a list has {' items on one path and '.join(str(len(h)) for h in contents)} on another at {user_site()}: give it one length on all paths"
            )
        form = described(contents)
        items = []
        for i, held in enumerate(contents):
            made, self.blocks[i] = at_the_end(self.blocks[i], lambda held=held: grown(held, *form))  # type: ignore[misc]
            items.append(made)
        return (self.value(name, items),)

    def _optional(self, name: str, values: Sequence[Any]) -> Any:
        """A value on some paths and None on others."""
        try:
            form = form_of(values, next((unassigned(v) for v in values if type(v) is Maybe), None))
        except errors.TypeMismatchError:
            return Undefined(name, differs(values), errors.TypeMismatchError)
        found = []
        for i, value in enumerate(values):
            made, self.blocks[i] = at_the_end(self.blocks[i], lambda value=value: maybe(value, form))  # type: ignore[misc]
            found.append(made)
        return self.value(name, found)

    def _unowned(self, name: str, values: Sequence[Any]) -> Any:
        """Views and arrays meet as copies, which nobody may write to: a write would have to reach what is viewed."""
        joined = self.value(name, values)
        if isinstance(joined, Arrayed):
            joined.owned = False
        return joined

    def places(self) -> State:
        """What the objects hold that are older than the construct, but for the cells of variables that meet themselves."""
        held: dict[Any, Any] = {}
        for at, place in self.heap.older(self.since, self.cells):
            states = [self.heap.of(s, at) for s in self.states]
            held[at] = states[0] if all(identical(x, states[0]) for x in states) else self._place(place, states)
        sealed = dict(self.heap.sealed)
        for s in self.states:
            sealed.update(s.sealed)
        gone = set(self.heap.gone).intersection(*(s.gone for s in self.states)) | self.sharing.gone
        return State(self.heap.clock, held, sealed, gone)

    def _place(self, place: Place, states: list[Any]) -> Any:
        self.sharing.parents.add(id(place.holder))
        if place.key is not None:
            unset = [s is MISSING for s in states]
            return Undefined(place.key, UNASSIGNED) if any(unset) else self.value(place.key, states)
        x = place.holder
        shapes = [shape_of_contents(type(x), s, x) for s in states]
        if isinstance(x, List) and any(s != shapes[0] for s in shapes):
            return self._growing("items", states)
        if isinstance(x, (set, frozenset)) or any(s != shapes[0] for s in shapes):
            raise errors.TypeMismatchError(
                f"{place} at {user_site()} is changed to {' on one path and '.join(repr(_bare(s)) for s in states)} on another: a container must keep its "
                "structure under a traced condition"
            )
        columns = zip(*(s.values() if isinstance(s, dict) else s for s in states), strict=True)
        items = [self.value("item", column) for column in columns]
        return dict(zip(states[0], items, strict=True)) if isinstance(x, dict) else tuple(items)

    def go_on(self) -> None:
        """End the blocks with jumps here, and continue here."""
        for block, arg in zip(self.blocks, self.args, strict=True):
            self.builder.jump(self.target, tuple(arg), block)
        self.builder.enter(self.target)


def at_the_end(block: Block, make: Callable[[], Any]) -> tuple[Any, Block]:
    """make(), computed at the end of that block, and the block where that ends."""
    builder = current_builder()
    before, builder.current = builder.current, block
    try:
        value = make()
        assert builder.current is not None
        return value, builder.current
    finally:
        builder.current = before


UNASSIGNED = "it is not assigned on every path that leads here; assign it before the branch or loop"


def _bare(held: Any) -> Any:
    return list(held) if isinstance(held, tuple) else held


def differs(values: Sequence[Any]) -> str:
    kinds = list(dict.fromkeys(describe_value(v) for v in values))
    if len(kinds) == 1:
        return f"it is {kinds[0]} of one structure on one path and of another structure on another"
    return f"it is {' on one path and '.join(kinds)} on another"


class Sharing:
    """Which of the objects that meet can be seen by others than the variables `names` that meet, which are in `cells`."""

    def __init__(self, names: Collection[str], cells: Collection[int], heap: Heap) -> None:
        self.names, self.cells, self.heap = names, cells, heap
        self.parents: set[int] = set()  # objects that meet themselves: what they hold is not shared for that
        self.gone: set[int] = set()  # objects that nobody sees from here on
        self.below: set[int] = set()  # parts of shared objects
        self.kept: list[Any] = []

    def of(self, values: Sequence[Any], parts: Sequence[Sequence[Any]]) -> list[Any]:
        """Those of the values that are shared. Asked before their parts meet."""
        shared = [v for v in values if id(v) in self.below or self.heap.is_shared(v, self.names, self.cells, self.parents)]
        self.kept += values
        self.parents |= set(map(id, values))
        for v, held in zip(values, parts, strict=True):
            if not any(v is x for x in shared):
                self.gone.add(id(v))
            else:
                self.below |= set(map(id, held))
        return shared

    def seal(self, made: Any, shared: Sequence[Any]) -> None:
        """`made` stands for several objects. Where some are shared a write to the one would have to show in the other: it is refused."""
        if shared:
            why = (
                f"{user_site()} makes one {type(made).__name__} stand for several objects, which a traced condition or a loop has chosen, and one of them is "
                "written: it is one of several objects, and compiled code cannot tell which of them to change. Write to a copy of it"
            )
            for v in (made, *shared):
                self.heap.seal(v, why)


def join(ends: list[tuple[Block, Saved]], scope: Scope, name: str = "join", since: int | None = None) -> None:
    """Continue where several open blocks meet, each with its own state of `scope`. Objects made after `since` belong to one path."""
    if len(ends) == 1:
        current_builder().enter(ends[0][0])
        scope.restore(ends[0][1])
        return
    states = [state for _, state in ends]
    meeting = Meeting(
        [block for block, _ in ends], [s.heap for s in states], heap_of().clock if since is None else since, name, scope.names, scope.cells
    )
    values = tuple(meeting.value(n, column) for n, column in zip(scope.names, zip(*(s.values for s in states), strict=True), strict=True))
    heap = meeting.places()
    meeting.go_on()
    scope.restore(Saved(values, heap))


def _settled_in_blocks(ends: list[tuple[Block, Any]]) -> list[Any]:
    """Values with their views as arrays of their own, each made where it comes from."""
    from ..values.views import settled

    builder = current_builder()
    before, out = builder.current, []
    for block, value in ends:
        builder.current = block
        out.append(settled(value) if isinstance(value, Arrayed) else lift_array(value))
    builder.current = before
    return out


def is_view(value: Any) -> bool:
    return isinstance(value, Arrayed) and pytree.is_node(type(value))


def join_values(ends: list[tuple[Block, Saved]], what: str, since: int) -> Any:
    """The value of an expression where several open blocks meet; disagreement is an error that prints both."""
    found: list[Any] = []
    scope = Scope((what,), tuple, found.extend)
    join(ends, scope, since=since)
    value = found[0]
    for leaf in leaves_of(value):
        if isinstance(leaf, Undefined):
            values = [s.values[0] for _, s in ends]
            if len(values) > 1 and not any(v is value for v in values):
                shown = list(dict.fromkeys(describe_value(v) if opened(v) is None else show(v) for v in values))
                raise errors.TypeMismatchError(
                    f"{what} at {user_site()} is {shown[0]} on one path and {shown[-1]} on another: both must have one type"
                )
    return value

"""Long lists and tuples of alike numbers, as arrays.

A number that a function is given is a parameter of its own, in Python's calling sequence as in the program's. Of a thousand of them the code alone takes
seconds to compile. So a long list of arguments comes in as a Table: an array for each number that its items have. What the program sees is
the list, whose items are read of these arrays (`opened`); whoever wants the numbers in memory again finds them there (`column`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.builder import keep
from ..core.types import NUMPY_DTYPES
from ..values import pytree
from ..values.arrays import lift_array
from ..values.indexing import basic
from ..values.reshaping import in_place, read
from ..values.values import Arrayed, Traced, load

LONG = 64  # items of a list that becomes arrays
MANY = 256  # leaves of arguments in which such lists are looked for
_DTYPES: dict[type, Any] = {float: np.float64, int: np.int64, bool: np.bool_}


def _forget(now: dict[Any, Any], was: int) -> None:
    while len(now) > was:
        now.popitem()


keep(
    "elements", lambda trace: {}, mark=len, undo=_forget
)  # numbers that have been read of an array that nobody writes: which, and which element
keep("elements_read", lambda trace: {}, mark=len, undo=_forget)  # the same by array and element: the numbers


class Table:
    """`columns[j][i]` is leaf j of item i, of which there are n; `item` is the items' structure, `kind` that of the whole: list or tuple."""

    def __init__(self, columns: Sequence[Any], kind: type[Any], n: int, item: Any) -> None:
        self.columns, self.kind, self.n, self.item = columns, kind, n, item

    def opened(self) -> Any:
        """The list or tuple, in the program."""
        return self.of([[element(c, i) for i in range(self.n)] for c in self.columns])

    def of(self, columns: Sequence[Sequence[Any]]) -> Any:
        """The list or tuple of these numbers."""
        if self.item.num_nodes == 1:
            return self.kind(columns[0])
        rows = zip(*columns, strict=True)
        is_flat = self.item.type is tuple and self.item.num_children == len(columns) and self.item.num_nodes == len(columns) + 1
        return self.kind(rows if is_flat else (pytree.unflatten(self.item, row) for row in rows))


def _unflatten(known: Any, columns: Any) -> Any:
    """After the call a list or tuple, of NumPy's arrays."""
    t = Table(columns, *known)
    return t.of([c.tolist() for c in columns]) if all(isinstance(c, np.ndarray) for c in columns) else t


pytree.register(Table, lambda t: (tuple(t.columns), (t.kind, t.n, t.item)), _unflatten)


def packed(leaves: Sequence[Any], tree: Any) -> Any:
    """A structure with Tables for its long lists; None where it has none."""
    found = False

    def build(tree: Any, at: int) -> Any:
        nonlocal found
        children = tree.children()
        if tree.kind.name == "LEAF" or not children:
            return pytree.unflatten(tree, leaves[at : at + tree.num_leaves])
        columns = _columns(leaves, tree, children, at) if tree.type in (list, tuple) and len(children) >= LONG else None
        if columns is not None:
            found = True
            return Table(columns, tree.type, len(children), children[0])
        parts = []
        for child in children:
            parts.append(build(child, at))
            at += child.num_leaves
        return pytree.unflatten(tree.one_level(), parts)

    whole = build(tree, 0)
    return whole if found else None


def _columns(leaves: Sequence[Any], tree: Any, children: Sequence[Any], at: int) -> list[Any] | None:
    m = children[0].num_leaves
    if not m or any(child != children[0] for child in children):
        return None
    if children[0].num_nodes > m and len(set(map(pytree.types_of_keys, children))) > 1:
        return None
    out = []
    for j in range(m):
        found = array(leaves[at + j : at + tree.num_leaves : m], type(leaves[at + j]))
        if found is None:
            return None
        out.append(found)
    return out


def array(numbers: Sequence[Any], kind: type[Any]) -> Any:
    """NumPy's array of Python's numbers, all of this kind; None of others, and of ints of more than 64 bits."""
    dtype = _DTYPES.get(kind)
    if dtype is None or set(map(type, numbers)) != {kind}:
        return None
    try:
        return np.array(numbers, dtype)
    except OverflowError:
        return None


def opened(tree: Any) -> Any:
    """A structure with lists and tuples in the place of Tables."""
    return pytree.map_nodes(Table, Table.opened, tree)


def element(array: Arrayed, i: int) -> Traced:
    """One of Python's numbers, which stands in an array."""
    trace = array.builder.trace
    x = trace.elements_read.get((array.atom, i))
    if x is None:
        found = read(array, [i])
        x = trace.elements_read[array.atom, i] = Traced(found.atom, found.builder, True)
        trace.elements[x.atom] = array, i
    return x  # type: ignore[no-any-return]


def gathered(tree: Any) -> Any:
    """A result with Tables for long lists of numbers that stand in arrays."""
    if type(tree) is dict:
        return {k: gathered(x) for k, x in tree.items()}
    if type(tree) not in (list, tuple):
        return tree
    table = _gathered(tree) if len(tree) >= LONG else None
    return type(tree)(map(gathered, tree)) if table is None else table


def _gathered(items: Any) -> Table | None:
    leaves, tree = pytree.flatten(items)
    first, *others = tree.children()
    if not first.num_leaves or _place(leaves[0]) is None or any(other != first for other in others):
        return None
    columns = [column(leaves[j :: first.num_leaves], x.type) for j, x in enumerate(leaves[: first.num_leaves]) if type(x) is Traced]
    whole = len(columns) == first.num_leaves and all(c is not None for c in columns)
    return Table(columns, type(items), len(items), first) if whole else None


def column(items: Sequence[Any], dtype: Any) -> Arrayed | None:
    """An array of this dtype with these numbers, to be read, if they stand in one: it itself where they do so one behind the other."""
    places = [_place(x) for x in items] if len(items) >= LONG and _place(items[0]) is not None else [None]
    if None in places or any(place[0] is not places[0][0] for place in places):  # type: ignore[index]
        return None
    array, start = places[0]  # type: ignore[misc]
    if NUMPY_DTYPES[array.type.dtype] != NUMPY_DTYPES[dtype]:
        return None
    at = [place[1] for place in places]  # type: ignore[index]
    if at != [*range(start, start + len(at))]:
        return load(array, lift_array(np.array(at)))  # type: ignore[no-any-return]
    return in_place(basic(array, [slice(start, start + len(at))]))


def standing(leaves: Sequence[Any], owners: Sequence[Any]) -> list[tuple[Arrayed, dict[int, int]]]:
    """Of leaves that go into a function: the arrays in which many of one owner stand, and by their numbers the elements that they are. Of a leaf that is
    there twice each has a derivative of its own."""
    found: dict[Any, tuple[Arrayed, dict[int, int]]] = {}
    for i, (x, owner) in enumerate(zip(leaves, owners, strict=True)):
        if (place := _place(x)) is not None:
            found.setdefault((id(place[0]), owner), (place[0], {}))[1][i] = place[1]
    return [(array, at) for array, at in found.values() if len(set(at.values())) == len(at) >= LONG]


def _place(x: Any) -> tuple[Arrayed, int] | None:
    return x.builder.trace.elements.get(x.atom) if type(x) is Traced and x.builder is not None else None

"""Values that functions of the graph are given and give, in which several calls agree."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import Builder
from ..core.dims import UNKNOWN
from ..core.graph import Atom, Block
from ..core.sites import user_site
from ..core.types import Array, Scalar, Type, describe
from ..objects.heap import Heap
from ..objects.structure import Shape, adopted, closed, flatten, opened
from ..staging.growing import Growing, growing, grown, is_growing
from ..staging.growing import described as growing_form
from ..staging.leaves import Undefined, coerce, common_type, describe_value, leaf_type, show
from ..staging.lists import List
from ..staging.paths import open_block
from ..staging.signatures import Same
from ..values import pytree
from ..values.arrays import lift_array
from ..values.values import Arrayed, Traced, dims_of, resized, scalar_type


@dataclass(frozen=True)
class Kind:
    """Of a leaf: its type, or the object that it is in every call. A `weak` number takes another's type; who has an array that is
    not `owned` may not write to it."""

    type: Type | None
    weak: bool = False
    owned: bool = True
    same: Same | None = None

    def __str__(self) -> str:
        return describe(self.type) if self.type is not None else describe_value(self.same.value) if self.same is not None else ""


@dataclass(frozen=True)
class Spec:
    """A structure and its leaves. `shared`: others may see an object in it."""

    tree: Any
    kinds: tuple[Kind, ...]
    shared: bool

    @property
    def types(self) -> tuple[Type, ...]:
        return tuple(k.type for k in self.kinds if k.type is not None)

    def __str__(self) -> str:
        words = ", ".join(map(str, self.kinds))
        return words if len(self.kinds) == 1 else f"({words})"


def described(value: Any, heap: Heap, since: int = -1) -> tuple[list[Any], Spec]:
    """The leaves of a value, and what they are. Objects that are older than `since` are shared."""
    leaves, tree = flatten(value)
    leaves = [lift_array(x) if isinstance(x, np.ndarray) and x.ndim else x for x in leaves]
    kinds = []
    for leaf in leaves:
        if isinstance(leaf, Undefined):
            leaf._raise()
        t = leaf_type(leaf)
        if t is None:
            kinds.append(Kind(None, same=Same(sys.intern(leaf) if type(leaf) is str else leaf)))
            continue
        found = scalar_type(leaf)
        if isinstance(t, Array):  # what is known of it in every call
            t = Array(t.dtype, tuple(d if isinstance(d, int) else UNKNOWN for d in dims_of(leaf)))
        kinds.append(Kind(t, found is not None and found[1], not isinstance(leaf, Arrayed) or leaf.owned))
    return leaves, Spec(tree, tuple(kinds), any(heap.birth(x) <= since for x in _objects(value)))


def meet(a: Spec | None, b: Spec, what: str) -> Spec:
    """What both are."""
    if a is None or a == b:
        return b
    kinds = [_met(x, y) for x, y in zip(a.kinds, b.kinds, strict=False)]
    if a.tree != b.tree or None in kinds:
        raise errors.TypeMismatchError(
            f"{what} at {user_site()} is {a} in one place and {b} in another{': of another structure' if a.tree != b.tree else ''}: it must have one type"
        )
    return Spec(a.tree, tuple(k for k in kinds if k is not None), a.shared or b.shared)


def _met(a: Kind, b: Kind) -> Kind | None:
    if a == b:
        return a
    owned = a.owned and b.owned
    if isinstance(a.type, Scalar) and isinstance(b.type, Scalar):
        found = common_type([(a.type, a.weak), (b.type, b.weak)])
        return found and Kind(*found, owned)
    if isinstance(a.type, Array) and isinstance(b.type, Array) and (a.type.dtype, a.type.rank) == (b.type.dtype, b.type.rank):
        dims = tuple(m if m == n else UNKNOWN for m, n in zip(a.type.dims, b.type.dims, strict=True))
        return Kind(Array(a.type.dtype, dims), False, owned)
    return None


def atoms_of(leaves: Sequence[Any], spec: Spec) -> tuple[Atom, ...]:
    """Leaves as atoms of the types that they have in every call."""
    return tuple(coerce(x, k.type, open_block()) for x, k in zip(leaves, spec.kinds, strict=True) if k.type is not None)


def parameters(builder: Builder, block: Block, spec: Spec, why: str = "") -> Any:
    """A value whose leaves are new parameters of the block. `why`: others may see objects in it, which are not to be written then."""
    values: list[Any] = []
    for k in spec.kinds:
        if k.type is None:
            assert k.same is not None
            values.append(k.same.value)
            continue
        t = k.type
        if isinstance(t, Array):
            t = resized(t, {axis: d for axis, d in enumerate(t.dims) if isinstance(d, int)})
        var = builder.fresh(t, "r")
        block.params.append(var)
        if isinstance(t, Scalar):
            values.append(Traced(var, builder, k.weak))
        else:
            values.append(Arrayed(var, builder, k.owned))
            values[-1].joined = True
    heap = builder.trace.heap
    made = adopted(pytree.unflatten(spec.tree, values), heap)
    if why or spec.shared:
        for x in _objects(made):
            heap.seal(x, f"{show(x)} is written, and {why or 'others have it too'}. Write to a copy of it")
    return made


def _objects(value: Any) -> list[Any]:
    """The objects in a value that can be written."""
    found = opened(value) if not pytree.is_node(type(value)) else None
    if found is None:
        return []
    return [*([value] if found[0].mutable else []), *(x for part in found[1] for x in _objects(part))]


def own_buffers(builder: Builder) -> None:
    """From here on the function's lists that grow have buffers of their own: what is done again and again appends to each anew."""
    for x, _ in list(builder.trace.heap.born.values()):
        g = growing(x) if isinstance(x, List) else None
        if g is not None and any(b.builder is builder for b in g.buffers):
            x._set(Growing([b.copy() for b in g.buffers], g.n, g.bones, g.kinds))


# ---- lists of several lengths
def list_form(contents: Sequence[tuple[Any, ...]]) -> Any:
    """The items of lists that are to be one: what a list that grows needs to know of them, None where all have one length."""
    if len({len(c) for c in contents}) < 2 and not any(map(is_growing, contents)):
        return None
    return growing_form(contents)


def grown_list(content: tuple[Any, ...], form: Any, heap: Heap) -> Any:
    return closed(Shape(list, "growing"), (grown(content, *form),), heap)

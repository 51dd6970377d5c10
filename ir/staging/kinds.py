"""What the items of a list that grows have in common."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from ..core import errors
from ..core.sites import user_site
from ..core.types import BOOL, F64, I64, NUMPY_DTYPES, is_float
from ..objects.heap import Heap
from ..objects.structure import Shape, closed, opened
from ..values.arrays import lift_array
from ..values.complexes.pairs import ComplexArray, is_complex_array
from ..values.values import Arrayed, scalar_type
from ..values.views import plane

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


def refuse_items(must: str) -> NoReturn:
    raise errors.TypeMismatchError(f"the items of a list that grows under traced control flow must {must} ({user_site()})")


def meet(a: Kind, b: Kind) -> Kind:
    """The kind of leaves of both kinds."""
    if a == b:
        return a
    if a.dtype is None or b.dtype is None or a.rank != b.rank or (BOOL in (a.dtype, b.dtype) and a.dtype != b.dtype):
        refuse_items(f"have one type, not {a} and {b}")
    dtype = a.dtype
    if a.dtype != b.dtype:
        strong = {k.dtype for k in (a, b) if not k.weak}
        one_float = len(strong) == 1 and is_float(next(iter(strong)))
        dtype = strong.pop() if one_float else F64 if any(is_float(k.dtype) for k in (a, b)) else I64
    return Kind(dtype, a.rank, a.weak and b.weak)


def skeleton(x: Any, leaves: list[Any]) -> Skeleton:
    """The structure of an item; its leaves are appended to `leaves`."""
    found = opened(x)
    if is_complex_array(x):
        found = Shape(ComplexArray, None), [plane(x, 0), plane(x, 1)]
    elif isinstance(x, Arrayed):
        found = None
    if found is None:
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

"""What the items of a list that grows have in common."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from ..core import errors
from ..core.port import Port
from ..core.sites import user_site
from ..core.types import BOOL, F64, I64, NUMPY_DTYPES, is_float
from ..objects.choice import ANY, Candidates, among, is_choice, is_whole, one_of, union
from ..objects.heap import Heap
from ..objects.structure import Shape, closed, opened
from ..values.arrays import lift_array
from ..values.complexes.pairs import ComplexArray, is_complex_array
from ..values.values import Arrayed, scalar_type
from ..values.views import plane

LEAF = "leaf"

Skeleton = Any  # of an item: LEAF, or (Shape, skeletons of its parts)
optional = Port("gives the class of values that are None on some paths")
blank = Port("gives a number, or an array, of a kind, which nobody looks at")


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
    found = scalar_type(x) if not isinstance(x, enum.Enum) else None
    if found is not None:
        return Kind(found[0], 0, found[1])
    if x is None or isinstance(x, (str, enum.Enum)):
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


def candidates_in(bones: Skeleton) -> Candidates | None:
    """The objects, or texts, among which the items are that have this structure."""
    known = bones[0].more if isinstance(bones, tuple) else None
    return known if isinstance(known, Candidates) else None


def all_candidates(bones: Skeleton) -> Iterator[Candidates]:
    """The same of an item and all of its parts."""
    if (known := candidates_in(bones)) is not None:
        yield known
    for part in bones[1] if bones != LEAF else ():
        yield from all_candidates(part)


def skeleton(x: Any, leaves: list[Any]) -> Skeleton:
    """The structure of an item; its leaves are appended to `leaves`."""
    found = _opened(x)
    if found is None:
        leaves.append(x)
        return LEAF
    shape, parts = found
    return shape, tuple(skeleton(p, leaves) for p in parts)


def _opened(x: Any) -> tuple[Shape, list[Any]] | None:
    if is_complex_array(x):
        return Shape(ComplexArray, None), [plane(x, 0), plane(x, 1)]
    return None if isinstance(x, Arrayed) else opened(x)


# ---- the form, (structure, kinds), of items that differ
def common(a: tuple[Skeleton, Sequence[Kind]], b: tuple[Skeleton, Sequence[Kind]]) -> tuple[Skeleton, tuple[Kind, ...]]:
    """The form of items of both forms. Texts, or members of an Enum, that differ are a number of one of them; what is None in one of them
    may be there."""
    kinds: list[Kind] = []
    return _common(a[0], iter(a[1]), b[0], iter(b[1]), kinds), tuple(kinds)


def _common(a: Skeleton, of_a: Iterator[Kind], b: Skeleton, of_b: Iterator[Kind], kinds: list[Kind]) -> Skeleton:
    if a == b and a != LEAF and candidates_in(a) is None:
        return a[0], tuple(_common(x, of_a, y, of_b, kinds) for x, y in zip(a[1], b[1], strict=True))
    mine, its = taken(a, of_a), taken(b, of_b)
    if a == b == LEAF and (mine[0] == its[0] or mine[0].dtype is not None is not its[0].dtype):
        kinds.append(meet(mine[0], its[0]))
        return LEAF
    found = [_options(x, ks) for x, ks in ((a, mine), (b, its))]
    if None not in found:
        known = union([x for options in found for x in options.objects])  # type: ignore[union-attr]
        numbered = [k for x, ks in ((a, mine), (b, its)) if x != LEAF for k in ks]
        kinds.append(meet(*numbered) if len(numbered) == 2 else numbered[0] if numbered else Kind(I64, 0, True))
        leaves: list[Any] = []
        return skeleton(one_of(ANY, known), leaves)
    none = [x == LEAF and ks[0].value is None and ks[0].dtype is None for x, ks in ((a, mine), (b, its))]
    if any(none) or optional() in (_class(a), _class(b)):
        return _optional((a, mine), (b, its), none, kinds)
    if a == LEAF == b:
        refuse_items(f"have one type, not {mine[0]} and {its[0]}")
    if all(issubclass(_class(x) or type(ks[0].value), str) for x, ks in ((a, mine), (b, its))):
        refuse_items("be texts that are made in one way: keep what they are made of in it, and make text of that afterwards")
    if a == LEAF or b == LEAF or a[0] != b[0]:
        refuse_items(f"have one structure, not {_in_words(a, mine)} and {_in_words(b, its)}")
    of_a, of_b = iter(mine), iter(its)
    return a[0], tuple(_common(x, of_a, y, of_b, kinds) for x, y in zip(a[1], b[1], strict=True))


def _optional(a: Any, b: Any, none: Sequence[bool], kinds: list[Kind]) -> Skeleton:
    """Of two items, of which at least one may be None."""
    weak = [ks[0].weak for x, ks in (a, b) if _class(x) is optional()]
    parts = [
        (x[1][1], ks[1:]) if _class(x) is optional() else (x, ks) for (x, ks), nothing in zip((a, b), none, strict=True) if not nothing
    ]
    bones, found = parts[0] if len(parts) == 1 else common(*parts)
    if any(k.rank for k in found):
        refuse_items("be there: an array or None has no shape")
    kinds += [Kind(BOOL, 0, all(weak)), *found]
    return Shape(optional(), None), (LEAF, bones)


def _class(bones: Skeleton) -> Any:
    return None if bones == LEAF else bones[0].kind


def taken(bones: Skeleton, kinds: Iterator[Kind]) -> list[Kind]:
    """The kinds of the leaves of that structure."""
    return [next(kinds)] if bones == LEAF else [k for part in bones[1] for k in taken(part, kinds)]


def _options(bones: Skeleton, kinds: Sequence[Kind]) -> Candidates | None:
    """What the items may be, if they are constants that can be one of several."""
    if bones != LEAF:
        return candidates_in(bones)
    return Candidates([kinds[0].value]) if kinds[0].dtype is None and is_whole(kinds[0].value) else None


def _in_words(bones: Skeleton, kinds: Sequence[Kind]) -> str:
    if bones == LEAF:
        return str(kinds[0])
    cls = bones[0].kind.__name__
    return f"a {cls} of {len(bones[1])} parts" if issubclass(bones[0].kind, (tuple, list)) else f"a {cls}"


def laid_out(x: Any, bones: Skeleton, kinds: Sequence[Kind]) -> list[Any]:
    """The leaves of an item that has that form, or one that is in it."""
    leaves: list[Any] = []
    _lay_out(x, bones, iter(kinds), leaves)
    return leaves


def _lay_out(x: Any, bones: Skeleton, kinds: Iterator[Kind], leaves: list[Any]) -> None:
    if bones == LEAF:
        k = next(kinds)
        if (_opened(x) is not None) if k.dtype is not None else kind_of(x) != k:
            refuse_items(f"be {k}, as those before it are")
        leaves.append(x)
        return
    if (known := candidates_in(bones)) is not None and (is_whole(x) or is_choice(x)):
        x = among(x, known)
    if _class(bones) is optional() and type(x) is not optional():
        next(kinds)
        leaves.append(x is not None)
        if x is None:
            leaves += map(blank, taken(bones[1][1], kinds))
        else:
            _lay_out(x, bones[1][1], kinds, leaves)
        return
    found = _opened(x)
    if found is None or found[0] != bones[0]:
        refuse_items("have one structure")
    for part, of_part in zip(found[1], bones[1], strict=True):
        _lay_out(part, of_part, kinds, leaves)


def filled(bones: Skeleton, leaves: Any, heap: Heap | None) -> Any:
    """An item of that structure; `leaves` is an iterator."""
    if bones == LEAF:
        return next(leaves)
    shape, parts = bones
    return closed(shape, [filled(p, leaves, heap) for p in parts], heap)

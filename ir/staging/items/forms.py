"""Buffers of items, where the list comes to hold items of another form."""

from __future__ import annotations

from typing import Any

from ...core.builder import current_builder
from ...core.graph import Fail
from ...core.sites import user_site
from ...core.types import BOOL, I64, NUMPY_DTYPES
from ...objects.choice import among, state_of
from ...ops import table
from ...values import sizes
from ...values.arrays import allocate
from ...values.sizes import lifted
from ...values.values import dimension
from ...values.views import shape_of
from ..chosen.references import renumbered_in
from ..kinds import LEAF, candidates_in, optional, taken
from ..paths import branch


def _full(capacity: Any, dtype: Any, value: Any) -> Any:
    return allocate(dtype, (capacity,), value)


def recast(old: Any, buffers: Any, new: Any, capacity: Any) -> list[Any]:
    """Buffers for items of the form `new`, of those of items of the form `old`."""
    (a, was), (b, kinds) = old, new
    if b == LEAF:
        (k,) = kinds
        if k.dtype is None:
            return []
        found = next(buffers)
        return [found if k.dtype == was[0].dtype else found.astype(NUMPY_DTYPES[k.dtype])]
    if (known := candidates_in(b)) is not None:
        mine = candidates_in(a)
        return [
            _full(capacity, I64, state_of(among(was[0].value, known))[0]) if mine is None else renumbered_in(next(buffers), mine, known)
        ]
    if b[0].kind is optional() and (a == LEAF or a[0] != b[0]):
        there = not (a == LEAF and was[0].value is None and was[0].dtype is None)
        rest = b[1][1], kinds[1:]
        return [
            _full(capacity, BOOL, there),
            *(recast(old, buffers, rest, capacity) if there else [_full(capacity, k.dtype, 0) for k in rest[1] if k.dtype is not None]),
        ]
    of_a, of_b = iter(was), iter(kinds)
    parts = [((x, taken(x, of_a)), (y, taken(y, of_b))) for x, y in zip(a[1], b[1], strict=True)]
    return [made for x, y in parts for made in recast(x, buffers, y, capacity)]


def same_shape(b: Any, x: Any) -> None:
    """All items have one shape, or the program fails here."""
    for axis, n in enumerate(shape_of(x)):
        m = dimension(b, axis + 1)
        if sizes.same(n, m):
            continue
        ok, bad = branch(table.ieq(*lifted(n, m)), "fits", "differs")
        must = "the items of a list that grows under traced control flow must have one shape"
        text = f"{must}: keep numbers, and how many there are of each, np.repeat(values, counts)"
        current_builder().terminate(Fail("assertion", text, user_site(text)), bad)
        current_builder().enter(ok)

"""Operations of libraries on traced arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.builder import current_builder
from ..core.sites import user_site
from ..core.types import Array, Scalar, Type
from ..ops.library import FAILURES
from .kernels import whole
from .values import Arrayed, Traced, dim_of, new_dim
from .views import contiguous


def bind(name: str, args: Sequence[Any], outs: Sequence[tuple[Scalar, Sequence[Any]]], fails: bool = True, **attrs: Any) -> list[Any]:
    """The operation in the graph. `outs` are (dtype, sizes), sizes None where the operation finds them; () is a scalar."""
    builder = current_builder()
    given = [contiguous(a) if isinstance(a, Arrayed) else a for a in args]
    atoms = tuple(builder.use(a.atom, a.builder) for a in given)
    types: list[Type] = [t if shape == () else Array(t, tuple(new_dim() if n is None else dim_of(n) for n in shape)) for t, shape in outs]
    made = builder.emit(name, atoms, tuple(types), {**attrs, "fails": fails}, user_site(FAILURES.get(name, "")))
    results: list[Any] = []
    for v, (_, shape) in zip(made, outs, strict=True):
        if isinstance(v.type, Scalar):
            results.append(Traced(v, builder))
        elif any(n is None for n in shape):
            array = Arrayed(v, builder)
            array.fresh = True
            results.append(array)
        else:
            results.append(whole(v, list(shape)))
    return results

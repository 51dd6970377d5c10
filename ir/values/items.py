"""Reading and writing an array at an index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.builder import atom_of, current_builder
from ..core.sites import user_site
from ..core.types import I64, element
from . import values
from .complexes.pairs import ComplexArray, is_complex_array
from .gather import put_index, take_index
from .indexing import _int, _is_int, basic, split_index
from .reshaping import read, settle
from .values import Arrayed, Traced, to_type
from .views import View, as_array, is_array, part, plane
from .writes import assign, check_owned, store, stored


@values.getitem.define
def getitem(a: Arrayed, index: Any, checked: bool = True) -> Any:
    parts = split_index(a, index)
    if any(is_array(p) for p in parts):
        return take_index(a, parts)
    if not isinstance(a, (View, ComplexArray)) and len(parts) == a.ndim and all(_is_int(p) for p in parts):
        letters = "".join("c" if checked else "u" for _ in parts)
        return read(a, [_int(p) for p in parts], letters) if not checked else _load(a, parts)
    return settle(basic(a, parts, checked))


def _load(a: Arrayed, parts: Sequence[Any]) -> Traced:
    builder = current_builder()
    var = builder.use(a.atom, a.builder)
    atoms = tuple(atom_of(to_type(_int(i), I64), I64, builder) for i in parts)
    (out,) = builder.emit("load", (var, *atoms), (element(a.type.dtype),), {}, user_site())
    return Traced(out, builder)


@values.setitem.define
def setitem(a: Arrayed, index: Any, value: Any) -> None:
    """a[index] = value, converted to the array's dtype as NumPy does."""
    parts = split_index(a, index)
    check_owned(a)
    value = as_array(value)
    if any(is_array(p) for p in parts):
        put_index(a, parts, value)
        return
    if len(parts) == a.ndim and all(_is_int(p) for p in parts):
        if isinstance(value, Arrayed):
            raise ValueError(f"setting an array element with a sequence ({user_site()})")
        if is_complex_array(a):
            value = stored(value, a.type.dtype)
            for k in (0, 1):
                store(plane(a, k), parts, part(value, k))
            return
        store(a, parts, value)
        return
    assign(basic(a, parts), value)

"""Items of a long list at places that the program computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core import errors
from ...core.types import NUMPY_DTYPES
from ...objects import tables
from ...objects.choice import is_whole
from ...objects.structure import is_object
from ...values import pytree, sizes
from ...values.arrays import lift_array
from ...values.values import constant, is_traced
from ...values.views import any_traced
from ..growing import Growing, shape_of, started
from ..kinds import Kind, Skeleton, kind_of, laid_out, skeleton
from .pick import pick


class Rows:
    """A list of which nobody changes anything: `item(i)` reads of tables that are made here, once, where the items are alike and hold
    numbers and arrays; or it is one of the objects."""

    def __init__(self, held: Sequence[Any], columns: Growing | None) -> None:
        self.held, self.columns = held, columns

    def item(self, i: Any) -> Any:
        return pick(i, self.held) if self.columns is None else self.columns.item(i, checked=False)


def rows_of(held: Sequence[Any]) -> Rows | None:
    """The items as Rows; None where they are of several forms, or texts."""
    first = held[0]
    if is_whole(first) or is_object(first):
        plain = all(is_object(x) and type(x) is type(first) and not pytree.is_node(type(x)) for x in held)
        return Rows(held, None) if plain and not any_traced(list(held)) else None
    found = form_of(held)
    return None if found is None else Rows(held, columns_of(held, *found))


def form_of(held: Sequence[Any]) -> tuple[Skeleton, tuple[Kind, ...]] | None:
    """The structure and the kinds of items that are alike in both; None where they are not, or hold no numbers."""
    form: Any = None
    for x in held:
        leaves: list[Any] = []
        try:
            mine = skeleton(x, leaves), tuple(map(kind_of, leaves))
        except errors.TypeMismatchError:
            return None
        sized = [n for leaf in leaves for n in shape_of(leaf)]
        if form is None:
            form, known = mine, sized
        if mine != form or not all(map(sizes.same, sized, known)):
            return None
    return form if any(k.dtype is not None for k in form[1]) else None


def columns_of(held: Sequence[Any], bones: Skeleton, kinds: tuple[Kind, ...]) -> Growing:
    """Their numbers in arrays, which are constants where the numbers are."""
    columns = zip(*(laid_out(x, bones, kinds) for x in held), strict=True)
    buffers = []
    for column, k in zip(columns, kinds, strict=True):
        if k.dtype is None:
            continue
        if not any(map(is_traced, column)):
            buffers.append(lift_array(np.array(column, NUMPY_DTYPES[k.dtype])))
        else:
            there = tables.column(column, k.dtype)
            buffers += [there] if there is not None else started(column, skeleton(column[0], []), (k,)).buffers
    return Growing(buffers, constant(len(held)), bones, kinds)

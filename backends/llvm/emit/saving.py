"""Arrays that an operation is about to write, kept for the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....ir.core.graph import Let, Var
from ....ir.core.op import written
from ....ir.core.types import Array, Scalar
from .code import Code
from .lets import allocate, copy_data, product


def save_written(code: Code, let: Let, read: Any) -> Callable[[Code], None]:
    """Save the arrays that an operation is about to write; gives what puts them back."""
    copies = [_copied(code, v, read) for v in written(let)]

    def restore(code: Code) -> None:
        for data, copy, n, t in copies:
            copy_data(code, data, copy, n, t)

    return restore


def _copied(code: Code, v: Var, read: Any) -> tuple[str, str, str, Scalar]:
    """(an array's data, a copy, the number of its elements, their type)"""
    assert isinstance(v.type, Array)
    data, *dims = read(v)[: 1 + v.type.rank]
    n = product(code, dims)
    copy = allocate(code, n, v.type.dtype, 0)
    copy_data(code, copy, data, n, v.type.dtype)
    return data, copy, n, v.type.dtype

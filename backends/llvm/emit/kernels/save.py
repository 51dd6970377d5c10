"""What a kernel is about to write, kept for the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .....ir.core.graph import Let, Var
from .....ir.core.kernel import kernel_of
from .....ir.core.op import TABLE, written
from .....ir.core.types import Array, Scalar
from ..code import MEMORY_TYPES, Code
from ..lets import allocate, copy_data, product
from .nest import Nest


def save_elements(context: Any, code: Code, let: Let, read: Any, needed: Any) -> dict[int, str]:
    """Copies of the elements that a kernel is about to write, by result, of arrays whose values the way back needs."""
    k = kernel_of(let)
    saved = {}
    for i, r in enumerate(k.results):
        if r.kind == "into" and r.into is not None and (needed is None or context.aliases.root(r.into.base) in needed):
            n = product(code, [read(s)[0] for s in k.sizes])
            saved[i] = allocate(code, n, r.into.base.type.dtype, 0)  # type: ignore[union-attr]
    if saved:
        Saver(context, let, read, code, 0).run(saved, False)
    return saved


def save_written(context: Any, code: Code, let: Let, read: Any, needed: Any) -> Callable[[Code], None]:
    """Save what an operation is about to write; gives what puts it back."""
    if TABLE[let.op].nest:
        saved = save_elements(context, code, let, read, needed)
        return lambda code: Saver(context, let, read, code, 0).run(saved, True) if saved else None
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


class Saver(Nest):
    """Copies the elements that a kernel writes to buffers, or back."""

    def run(self, buffers: dict[int, str], back: bool) -> None:
        def point() -> None:
            for i, buffer in buffers.items():
                x = self.k.results[i].into
                assert x is not None
                t = x.base.type.dtype  # type: ignore[union-attr]
                here = self.element(self.data(x), self.offset(x), t)
                there = self.element(self.pointer(buffer, ("old", i)), self.linear(range(self.rank)), t)
                source, target = (there, here) if back else (here, there)
                self.code.store(MEMORY_TYPES[t], self.code.load(MEMORY_TYPES[t], source), target)

        self.loops(0, lambda d: None, point, lambda d: None)
        self.function(f"@kernel.{self.context.unique()}.{'restore' if back else 'save'}", [])

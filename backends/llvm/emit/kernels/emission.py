"""Kernels as the emitters of functions call them."""

from __future__ import annotations

from typing import Any

from .....ir.core.graph import Let, Var
from .....ir.core.kernel import ADDS, kernel_of
from ..code import Code
from ..lets import EMIT, Operands, Read, allocate, tiny_array
from .adding import Adding
from .forward import Forward


@EMIT.of("kernel")
def emit_kernel(code: Code, let: Let, read: Read, _: int) -> list[Operands]:
    context, site = code.module.context, code.module.site(let.site)

    def new(v: Var, n: str) -> str:
        if v in context.tiny:
            return tiny_array(context, code, v)
        code.allocator = "lantern.alloc_result" if v in code.escaping else "lantern.alloc"
        return allocate(code, n, v.type.dtype, site)  # type: ignore[union-attr]

    run: Any = Adding if any(r.kind in ADDS for r in kernel_of(let).results) else Forward
    return run(context, let, read, code, site).run(new)  # type: ignore[no-any-return]

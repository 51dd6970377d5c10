"""Kernels as the emitters of functions call them."""

from __future__ import annotations

from typing import Any

from .....ir.core.graph import Let, Var
from .....ir.core.kernel import kernel_of, varies
from .....ir.core.op import TABLE
from ..code import Code
from ..lets import EMIT, Operands, allocate, product, tiny_array
from .backward import ForwardWithPartials
from .forward import Forward


def heavy_values(context: Any, code: Code, let: Let, read: Any, activity: Any) -> dict[Var, str]:
    """Buffers for the values of a kernel's scalar function that are kept for the way back."""
    k = kernel_of(let)
    body = context.program.functions[k.f]
    varied = {p for x, p in zip(k.inputs, body.params, strict=True) if varies(x, activity.__contains__)}
    for x in body.entry.lets:
        if any(a in varied for a in x.args):
            varied.add(x.out)
    beside = {a for x in body.entry.lets if x.out in varied for a in (*x.args, x.out)}
    found = [x.out for x in body.entry.lets if TABLE[x.op].cost == "heavy" and x.out in beside]
    n = product(code, [read(s)[0] for s in k.sizes]) if found else ""
    return {v: allocate(code, n, v.type, 0) for v in found}


def emit_kernel(code: Code, let: Let, read: Any, partials: Any = None, kept: Any = None) -> list[Operands]:
    """A kernel; `partials` is the activity if it is to write derivatives where adjoints will be."""
    context, site = code.module.context, code.module.site(let.site)

    def new(v: Var, n: str) -> str:
        if v in context.tiny:
            return tiny_array(context, code, v)
        code.allocator = "lantern.alloc_result" if v in code.escaping else "lantern.alloc"
        return allocate(code, n, v.type.dtype, site)  # type: ignore[union-attr]

    if partials is not None:
        return ForwardWithPartials(context, let, read, code, site, partials).run(new)
    run = Forward(context, let, read, code, site)
    run.kept = kept or {}
    return run.run(new)


EMIT["kernel"] = lambda code, let, read, site: emit_kernel(code, let, read)

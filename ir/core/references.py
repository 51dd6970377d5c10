"""Which functions of a program need which others."""

from __future__ import annotations

from .graph import Call, Function
from .op import TABLE


def references(f: Function) -> list[str]:
    """The functions that `f` calls, differentiates or runs in kernels."""
    out = [b.terminator.function for b in f.blocks.values() if isinstance(b.terminator, Call)]
    return out + [let.attrs["f"] for b in f.blocks.values() for let in b.lets if TABLE[let.op].calls]

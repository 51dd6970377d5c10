"""Which functions of a program need which others."""

from __future__ import annotations

from .graph import Call, Function, Program
from .op import TABLE


def references(f: Function) -> list[str]:
    """The functions that `f` calls, differentiates or runs in kernels."""
    out = [b.terminator.function for b in f.blocks.values() if isinstance(b.terminator, Call)]
    return out + [let.attrs["f"] for b in f.blocks.values() for let in b.lets if TABLE[let.op].calls]


def reachable(program: Program) -> list[str]:
    """The functions that the entry needs, itself first, in the order in which they are met."""
    found = {program.entry: None}
    work = [program.entry]
    while work:
        for name in references(program.functions[work.pop()]):
            if name not in found:
                found[name] = None
                work.append(name)
    return list(found)

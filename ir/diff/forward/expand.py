"""Forward mode where a program asks for it: `pushforward` becomes a call of a jvp."""

from __future__ import annotations

from collections.abc import Callable

from ...core.graph import Block, Call, Edge, Program
from ...core.op import FORWARD, TABLE
from ...core.types import width


def expand(program: Program, name: str, jvp_name: Callable[..., str]) -> bool:
    """Replace every `pushforward` in `name` by a call of the jvp.

    %y, %ty = pushforward(%x, %tx) {f='g'}; rest   ->   call jvp.x.g(%x, %tx) then k();   k(%y, %ty): rest
    """
    f = program.functions[name]
    expanded = False
    work = list(f.blocks.values())
    while work:
        block = work.pop()
        for i, let in enumerate(block.lets):
            if TABLE[let.op].calls != FORWARD:
                continue
            n = let.attrs["cotangents"]
            own = len(let.args) - n
            mask = [j in let.attrs["wrt"] for j in range(own)]
            apart = let.attrs.get("apart", 1)
            callee = jvp_name(program, let.attrs["f"], mask, width(let.args[-1].type) if n else 1, apart=apart)
            k = 1
            while f"{block.name}.then{k}" in f.blocks:
                k += 1
            rest = Block(f"{block.name}.then{k}", list(let.outs), block.lets[i + 1 :], block.terminator)
            f.blocks[rest.name] = rest
            each = len(let.attrs["wrt"])
            order = sorted(range(n), key=lambda j: (j // each, let.attrs["wrt"][j % each]))
            args = (*let.args[:own], *(let.args[own + j] for j in order))
            del block.lets[i:]
            block.terminator = Call(callee, args, Edge(rest.name))
            work.append(rest)
            expanded = True
            break
    return expanded

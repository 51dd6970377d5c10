"""The calls and returns of a gradient: each operation calls the rest of the program, and adds to adjoints when that has returned.

sin(x, k1)
 └─ k1: mul(v, y, k2)
     └─ k2: return v2            the deepest call: the result, and its adjoint
     ┌─ dv += d * y, dy += d * v
 ┌─ dx += d * cos(x)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..ir.core.graph import Atom, Const, Function, Let, Var
from ..ir.core.op import TABLE, Op
from ..ir.core.text import show_terminator
from ..ir.diff.cps import Closures, Continuation
from ..ir.diff.rules import rule_terms
from .words import number, spelled

MOST = 24  # operations of a block that are drawn


class Text:
    """A value whose operations are written down."""

    __slots__ = ("algebra", "text", "type")

    def __init__(self, text: str, t: Any) -> None:
        self.text, self.type, self.algebra = text, t, Writing

    def constant(self, c: Const) -> Text:
        return Text(number(c.value), c.type)


class Writing:
    @staticmethod
    def bind(op: Op, args: tuple[Any, ...], attrs: Mapping[str, Any]) -> Text:
        texts = [a.text if isinstance(a, Text) else number(a) for a in args]
        given = next(a.type for a in args if isinstance(a, Text))
        return Text(spelled(op.name, texts, attrs), attrs.get("to", given))


def picture(closures: Closures, functions: Mapping[str, Function], known: Mapping[Var, str]) -> list[list[tuple[str, Any]]]:
    """Each block of a function in reverse: lines, with the places that they come from. `known` are the user's names."""
    drawn = _Picture(closures, functions, known)
    return [drawn.block(block) for block in closures.blocks.values()]


class _Picture:
    def __init__(self, c: Closures, functions: Mapping[str, Function], known: Mapping[Var, str]) -> None:
        self.c, self.functions, self.known = c, functions, known

    def block(self, block: Continuation) -> list[tuple[str, Any]]:
        head = f"{block.name}({', '.join(v.name for v in block.params)})" if block.params else block.name
        down: list[tuple[str, Any]] = [(head, None)]
        up: list[tuple[str, Any]] = []
        depth = 0
        steps = [x for x in block.chain if x.operation is not None]
        for closure in steps[:MOST]:
            let = closure.operation
            assert let is not None
            indent = " " + "    " * depth
            args = ", ".join(self.name(a) for a in let.args[:6]) + (", .." if len(let.args) > 6 else "")
            called = f"{let.attrs['f']}" if "f" in let.attrs else let.op
            down.append((f"{indent}└─ {called}({args}, k{depth + 1})" if depth else f" {called}({args}, k1)", let.site))
            up.append((f"{indent}┌─ {self.way_back(let)}", let.site))
            depth += 1
        if len(steps) > MOST:
            down.append((" " + "    " * depth + f".. {len(steps) - MOST} more", None))
        down.append((" " + "    " * depth + f"└─ {show_terminator(block.chain[-1].end, sites=False)}", None))
        return [*down, *reversed(up), ("", None)]

    def name(self, a: Atom) -> str:
        return number(a.value) if isinstance(a, Const) else self.known.get(a, a.name)

    def way_back(self, let: Let) -> str:
        """What is added to which adjoints."""
        op = TABLE[let.op]
        active = [a for a in let.args if a in self.c.activity]
        if op.adjoint != "rule":
            elements = f"[{', '.join(self.name(a) for a in let.args[1 : 1 + let.args[0].type.rank])}]" if op.indexed else ""  # type: ignore[union-attr]
            if op.indexed and not op.writes:
                return f"d{self.name(let.args[0])}{elements} += d{let.out.name}"
            if op.indexed:
                back = f"d{self.name(let.args[-1])} += d{self.name(let.args[0])}{elements}; " if let.args[-1] in self.c.activity else ""
                return f"{back}d{self.name(let.args[0])}{elements} = 0; {self.name(let.args[0])}{elements} = what it was"
            outs = ", ".join(f"d{o.name}" for o in let.outs if o in self.c.activity)
            return f"{', '.join(f'd{self.name(a)}' for a in dict.fromkeys(active))} += the way back of `{let.attrs.get('f', let.op)}` from {outs or 'what it wrote'}"
        d, z = Text(f"d{let.out.name}", let.out.type), Text(let.out.name, let.out.type)
        wanted = [a in self.c.activity for a in let.args]
        terms = rule_terms(self.functions, let, wanted, d, z, *(Text(self.name(a), a.type) for a in let.args))
        added = [f"d{self.name(a)} += {t.text}" for a, t in zip(let.args, terms, strict=True) if a in self.c.activity and t is not None]
        return "; ".join(added) or "nothing"

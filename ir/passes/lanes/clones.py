"""Functions for several iterations at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.analysis import Aliases, reverse_postorder
from ...core.graph import Block, Function, Let, Program, Return, Var
from ...core.op import TABLE
from ...ops.table import convert
from .varied import MixedError, Varied
from .widen import Widen, widened


class Clones:
    """Functions for all lanes at once, by function and parameters that differ."""

    def __init__(self, program: Program, aliases: Aliases) -> None:
        self.program, self.aliases = program, aliases
        self.known: dict[Any, str] = {}
        self.found: dict[Any, tuple[bool, ...]] = {}
        self.made: dict[str, Function] = {}  # not yet in the program

    def name(self, old: str) -> str:
        n = 1
        while (new := f"{old}.side{n}") in self.program.functions or new in self.made:
            n += 1
        return new

    def spreading(self, t: Any) -> str:
        name = f"spread.{t}"
        out, x = Var("w", widened(t)), Var("x", t)
        entry = Block("entry", [], [Let((out,), convert.name, (x,), {"to": out.type})], Return((out,)))
        if name not in self.program.functions:
            self.made[name] = Function(name, [x], {"entry": entry}, (out.type,))
        return name

    def varied(self, name: str, mask: Sequence[bool]) -> Varied:
        f = self.program.functions[name]
        given = [p for p, m in zip(f.params, mask, strict=True) if m]
        found = Varied(self.aliases, f, list(f.blocks.values()), given, set(), self.flags)
        if any(found.has(p) and not m for p, m in zip(f.params, mask, strict=True)):
            raise MixedError  # it writes what differs into what does not
        return found

    def flags(self, name: str, mask: tuple[bool, ...]) -> tuple[bool, ...]:
        key = name, mask
        if key not in self.found:
            found: tuple[bool, ...] | None = None
            self.found[key] = (False,) * len(self.program.functions[name].results)
            while found != self.found[key]:  # a recursion asks for it, too
                found = self.found[key]
                self.found[key] = self.varied(name, mask).results()
        return self.found[key]

    def called(self, name: str, mask: tuple[bool, ...]) -> str:
        return self.clone(name, mask, False)

    def differentiated(self, name: str, mask: tuple[bool, ...]) -> str:
        """All of its results are wide."""
        return self.clone(name, mask, True)

    def clone(self, name: str, mask: tuple[bool, ...], whole: bool) -> str:
        key = name, mask, whole
        if key in self.known:
            return self.known[key]
        f, varied = self.program.functions[name], self.varied(name, mask)
        flags = self.flags(name, mask)
        if f.tag:
            raise MixedError
        new = self.known[key] = self.name(name)
        self.made[new] = made = Function(new, [], {})
        copy = Widen(self, varied, set(), {})
        made.params = [copy.copy_of(p) for p in f.params]
        made.results = tuple(widened(t) if whole or d else t for t, d in zip(f.results, flags, strict=True))
        for b in f.blocks.values():
            made.blocks[b.name] = Block(b.name, [copy.copy_of(p) for p in b.params])
            for let in b.lets:
                if TABLE[let.op].effect:
                    raise MixedError
        names = {n: n for n in f.blocks}
        for n in order(f):
            b = f.blocks[n]
            if isinstance(b.terminator, Return):
                copy.lets = made.blocks[n].lets
                for let in b.lets:
                    copy.let(let)
                args = [copy.wide(a) if whole or d else copy.plain(a) for a, d in zip(b.terminator.args, flags, strict=True)]
                made.blocks[n].terminator = Return(tuple(args))
            else:
                copy.block(b, made.blocks[n], names, f)
        return new


def order(f: Function, blocks: Sequence[str] = ()) -> list[str]:
    """The names of blocks, each behind those that dominate it."""
    return [n for n in reverse_postorder(f) if not blocks or n in blocks]

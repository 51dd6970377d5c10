"""Which arrays of one function are different memory, and which are new."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator

from ..core.analysis import Aliases, dominators
from ..core.graph import Atom, Block, Function, Let, defined_vars, edges, passed
from ..core.op import PLAIN, TABLE


class Apart:
    """Which arrays of a function are sure to be different memory wherever both are known. Those that a loop swaps are if they were
    before it."""

    def __init__(self, f: Function, aliases: Aliases) -> None:
        self.f, self.aliases, self.above = f, aliases, dominators(f)
        lets = [let for b in f.blocks.values() for let in b.lets if TABLE[let.op].calls != PLAIN or let.attrs.get("apart")]
        self.made: dict[Atom, Let] = {o: let for let in lets for o in let.outs}
        self.place: dict[Atom, tuple[str, int]] = {v: (b.name, i) for b in f.blocks.values() for i, v in enumerate(defined_vars(b))}
        self.params: dict[Atom, Block] = {p: b for b in f.blocks.values() for p in b.params}
        self.known: set[frozenset[Atom]] = set()

    def __call__(self, a: Atom, b: Atom) -> bool:
        a, b = self.own(a), self.own(b)
        if a is b:
            return False
        pair = frozenset((a, b))
        if self.aliases.root(a) is not self.aliases.root(b) or pair in self.known:
            return True
        self.known.add(pair)  # so it is, if it is at every way to here
        found = self.found(b, a) if self.is_before(a, b) else self.found(a, b)
        if not found:
            self.known.discard(pair)
        return found

    def own(self, a: Atom) -> Atom:
        """What it is another shape of."""
        while a in self.made and TABLE[self.made[a].op].aliases:
            let = self.made[a]
            a = let.args[next(place for _, place in TABLE[let.op].aliases)]
        return a

    def is_new(self, a: Atom, among: Container[str], seen: set[Atom] | None = None) -> bool:
        """Is it sure to have been made in these blocks?"""
        seen, a = set() if seen is None else seen, self.own(a)
        if a in seen or a in self.made:
            return a in seen or self.place[a][0] in among
        seen.add(a)
        block = self.params.get(a)
        return (
            block is not None and block.name in among and all(b is not None and self.is_new(b, among, seen) for b in self.given(a, block))
        )

    def given(self, a: Atom, block: Block) -> Iterator[Atom | None]:
        """What is passed for a block's parameter; None for what a call gives."""
        for name in self.above:
            t = self.f.blocks[name].terminator
            for e in edges(t):
                if e.block == block.name:
                    yield next((x for p, x in passed(t, e, block) if p is a), None)

    def is_before(self, a: Atom, b: Atom) -> bool:
        """Those of two variables that one place knows are bound one before the other."""
        if a not in self.place or b not in self.place:
            return a not in self.place
        (x, i), (y, j) = self.place[a], self.place[b]
        return i < j if x == y else x in self.above[y]

    def found(self, a: Atom, b: Atom) -> bool:
        """`a` comes after `b`."""
        if a in self.made:
            return True  # it is new
        block = self.params.get(a)
        if block is None:
            return False
        others = self.given(b, block) if b in block.params else itertools.repeat(b)
        return all(x is not None and y is not None and self(x, y) for x, y in zip(self.given(a, block), others, strict=False))

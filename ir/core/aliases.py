"""Array variables that may be the same memory."""

from __future__ import annotations

from collections.abc import Iterable

from .graph import Atom, Call, Function, Program, Return, Var, edges
from .op import TABLE, written
from .types import Array


class Aliases:
    """Array variables of a whole program that may share memory (union-find), and which classes are written."""

    def __init__(self, program: Program, only: Function | None = None) -> None:
        """`only`: look at this function alone, one that handles no arrays and calls nothing."""
        self.program = program
        self.parent: dict[Var, Var] = {}
        self.written: set[Var] = set()
        functions = program.functions.values() if only is None else [only]
        for f in functions:
            for block in f.blocks.values():
                for e in edges(block.terminator):
                    params = f.blocks[e.block].params
                    self._join_all(params[len(params) - len(e.args) :], e.args)
                if isinstance(block.terminator, Call):
                    callee = program.functions[block.terminator.function]
                    self._join_all(callee.params, block.terminator.args)
                    results = f.blocks[block.terminator.then.block].params
                    for inner in callee.blocks.values():
                        if isinstance(inner.terminator, Return):
                            self._join_all(results, inner.terminator.args)
        for f in functions:
            for block in f.blocks.values():
                for let in block.lets:
                    for out, arg in TABLE[let.op].aliases:
                        self._join_all(let.outs[out : out + 1], let.args[arg : arg + 1])
        for f in functions:
            for block in f.blocks.values():
                for let in block.lets:
                    self.written.update(self.root(a) for a in written(let))

    def root(self, v: Atom) -> Var:
        assert isinstance(v, Var)
        while self.parent.get(v, v) is not v:
            v = self.parent[v]
        return v

    def _join_all(self, xs: Iterable[Atom], ys: Iterable[Atom]) -> None:
        for x, y in zip(xs, ys, strict=False):
            if isinstance(x.type, Array):
                a, b = self.root(x), self.root(y)
                if a is not b:
                    self.parent[a] = b

    def is_written(self, v: Atom) -> bool:
        return self.root(v) in {self.root(w) for w in self.written}

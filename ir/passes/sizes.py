"""Which integers of a function are sizes, and of which dimension."""

from __future__ import annotations

from ..core.analysis import reverse_postorder
from ..core.dims import UNKNOWN, Dim, is_short, symbol
from ..core.graph import Atom, Const, Function, Let, Var
from ..core.kernel import made_with
from ..core.op import TABLE
from ..core.types import Array


class Sizes:
    """The dimension of each integer of a function: of those that arrays have been made with, or measured to have, as the arrays'
    types say; of sums and products of these. An integer that nothing is known of is a symbol of its own."""

    def __init__(self, f: Function) -> None:
        self.found: dict[Var, Dim] = {}
        self.equal: dict[str, list[tuple[Dim, Dim]]] = {}  # what a block checks
        lets = [(name, let) for name in reverse_postorder(f) for let in f.blocks[name].lets]
        for _, let in lets:
            if TABLE[let.op].measures and let.outs:
                self.found[let.out] = self.dim(let.args[0], let.attrs["axis"])
            for v, atoms in made_with(let):
                for axis, n in enumerate(atoms):
                    if isinstance(n, Var):
                        self.found.setdefault(n, self.dim(v, axis))
        for name, let in lets:
            op = TABLE[let.op]
            if op.equates:
                self.equal.setdefault(name, []).append((self.of(let.args[0]), self.of(let.args[1])))
            if op.dim is not None and let.out not in self.found:
                d = op.dim(*map(self.of, let.args))
                if d is not None and is_short(d):
                    self.found[let.out] = d

    def dim(self, v: Atom, axis: int) -> Dim:
        """Of an array, whose type may leave it open."""
        assert isinstance(v, Var)
        assert isinstance(v.type, Array)
        d = v.type.dims[axis]
        return symbol(f"{v}.{axis}") if d == UNKNOWN else d

    def of(self, a: Atom) -> Dim:
        if isinstance(a, Const):
            return int(a.value)
        if a not in self.found:
            self.found[a] = symbol(str(a))
        return self.found[a]

    def of_size(self, let: Let) -> Dim | None:
        """The dimension of the result, if it is a size of an array or computed from such alone."""
        op = TABLE[let.op]
        if op.measures:
            return self.of(let.out)
        d = self.found.get(let.out) if op.dim is not None and not op.may_fail else None
        return None if d is None or "%" in str(d) else d

    def same(self, a: Dim, b: Dim, blocks: set[str]) -> bool:
        """Are they equal once these blocks have run, whose checks have held?"""
        seen, work = {a}, [a]
        pairs = [pair for name in blocks for pair in self.equal.get(name, ())]
        while work and b not in seen:
            d = work.pop()
            new = {y if x == d else x for x, y in pairs if d in (x, y)} - seen
            seen |= new
            work += new
        return b in seen

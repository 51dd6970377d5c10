"""Which atoms are known to be the sizes of arrays."""

from __future__ import annotations

from ..core.dims import UNKNOWN
from ..core.graph import Atom, Function, Var
from ..core.kernel import made_with
from ..core.op import TABLE
from ..core.types import Array
from .activity import all_vars


class _Shapes:
    """Which atoms are known to be the sizes of arrays: made with them, read from them, or checked to be equal."""

    def __init__(self, f: Function, block: str) -> None:
        self.parent: dict[object, object] = {}
        for name in {f.entry.name, block}:
            for let in f.blocks[name].lets:
                if TABLE[let.op].measures and let.outs:
                    self.join(let.out, (let.args[0], let.attrs["axis"]))
                elif TABLE[let.op].equates:
                    self.join(_key(let.args[0]), _key(let.args[1]))
                    self.join(let.out, _key(let.args[0]))
                for v, dims in made_with(let):
                    for j, n in enumerate(dims):
                        self.join((v, j), _key(n))
        for v in all_vars(f):  # and sizes of one dimension are equal
            for j, d in enumerate(v.type.dims if isinstance(v.type, Array) else ()):
                if d != UNKNOWN:
                    self.join((v, j), ("const", d) if isinstance(d, int) else d)

    def root(self, x: object) -> object:
        while self.parent.get(x, x) != x:
            x = self.parent[x]
        return x

    def join(self, x: object, y: object) -> None:
        a, b = self.root(x), self.root(y)
        if a != b:
            self.parent[a] = b

    def of(self, v: Var, sizes: object) -> _Shapes:
        """With the sizes of one more array."""
        assert isinstance(sizes, list)
        for j, n in enumerate(sizes):
            self.join((v, j), n)
        return self

    def same(self, n: Atom, v: Var, axis: int) -> bool:
        return bool(self.root(_key(n)) == self.root((v, axis)))


def _key(a: Atom) -> object:
    return a if isinstance(a, Var) else ("const", a.value)

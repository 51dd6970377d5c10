"""What a part of a program has added to a function, and what sizes are made of there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...core import errors
from ...core.builder import Builder, Mark, current_builder
from ...core.graph import Atom, Let, Var
from ...core.op import TABLE, Size
from ...core.sites import user_site
from ...core.types import I64
from ...values.values import Traced, dim_of, named


def added(builder: Builder, mark: Mark) -> list[Let]:
    return [*(mark.block.lets[mark.lets :] if mark.block else ()), *(let for b in builder.blocks[mark.blocks :] for let in b.lets)]


class Region:
    """What has been added to a function since a mark."""

    def __init__(self, builder: Builder, mark: Any, what: str = "") -> None:
        self.builder, self.what = builder, what
        self.made = {o: let for let in added(builder, mark) for o in let.outs}
        self.params = {p for b in builder.blocks[mark.blocks :] for p in b.params}

    def outside(self, n: Traced) -> Callable[[], Any]:
        """What computes a size again that was computed here of what was there before."""
        make = self.found(n)
        if make is None:
            raise errors.UnsupportedOperationError(
                f"{self.what} at {user_site()} is an array whose size is computed by the function itself: all of them are kept in one array, whose size "
                "is needed before. Make them of a size that is known outside, or store into an array of your own"
            )
        return make

    def found(self, n: Traced) -> Callable[[], Any] | None:
        """The same, or None where it depends on more."""
        d, make = dim_of(n), self._again(n.atom)
        return None if make is None else lambda: named(Traced(make(), current_builder(), True), d)

    def _again(self, a: Atom) -> Callable[[], Atom] | None:
        let = self.made.get(a) if isinstance(a, Var) else None
        if let is None and a not in self.params:
            return lambda: a
        if let is None or not (TABLE[let.op].measures or TABLE[let.op].scalar) or TABLE[let.op].can_fail(let):
            return None
        if TABLE[let.op].measures and let.args[0] in self.made:
            return self._length(let.args[0], let.attrs["axis"])
        args = [self._again(x) for x in let.args]
        known = [make for make in args if make is not None]
        if len(known) < len(args):
            return None
        return lambda: self.builder.emit(let.op, tuple(make() for make in known), (I64,), dict(let.attrs), let.site)[0]

    def _length(self, array: Any, axis: int) -> Callable[[], Atom] | None:
        """The size of an array that was made here, as its operation says it."""
        let = self.made[array]
        shape = TABLE[let.op].shape(let)[let.outs.index(array)]
        n = shape[1][axis] if shape is not None else None
        if not isinstance(n, Size):
            return self._again(n) if n is not None else None
        if n.array in self.made:
            return self._length(n.array, n.axis)
        return None if n.array in self.params else lambda: self.builder.emit("dim", (n.array,), (I64,), {"axis": n.axis})[0]

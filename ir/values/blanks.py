"""New arrays that are written before they are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.builder import current_builder, keep
from ..core.graph import Let
from ..core.op import TABLE
from ..core.types import Scalar
from . import sizes
from .arrays import allocate
from .sizes import Size, is_just
from .values import Arrayed
from .views import shape_of, spec_of


class Blank:
    """A new array that nobody has read yet: a write to it overwrites nothing that matters, and if all of it has been written
    before the first read it need not be filled. Writes are followed along the first axis, in the array's own block."""

    def __init__(self, let: Let, block: Any, n: Size) -> None:
        self.let, self.block, self.n = let, block, n
        self.written: list[tuple[Size, Size, Let]] = []  # (start, size, by)
        self.used: list[Let] = []
        current_builder().trace.blanks.append(self)

    @property
    def is_here(self) -> bool:
        return current_builder().current is self.block

    def wrote(self, target: Arrayed, base: Arrayed) -> None:
        """The last operation has written `target`, a view of `base` or all of it."""
        spec, shape = spec_of(target), shape_of(base)
        rest = all(
            is_just(start, 0) and v >= 0 and sizes.same(shape_of(target)[v], n)
            for (v, start, _), n in zip(spec[1:], shape[1:], strict=True)
        )
        v, start, step = spec[0]
        rest = rest and len({axis for axis, _, _ in spec}) == len(spec)  # a diagonal is less than it looks
        if rest and (v < 0 or is_just(step, 1)):
            self.written.append((start, 1 if v < 0 else shape_of(target)[v], self.block.lets[-1]))

    def close(self, base: Arrayed) -> None:
        base.blank = None
        if self.is_full():
            self.let.attrs = {**self.let.attrs, "fill": False}

    def is_full(self) -> bool:
        """Do the writes follow one another from the start to the end?"""
        end: Size = 0
        left = [w for w in self.written if w[2] in self.block.lets]
        least = max(
            [int(sizes.plain(start)) + 1 for start, size, let in left if TABLE[let.op].indexed and sizes.is_known(start)], default=0
        )
        while not sizes.same(end, self.n):
            following = next((w for w in left if sizes.same(w[0], end)), None)
            if following is None:
                return False
            left = [w for w in left if w is not following]
            self.used.append(following[2])
            start, size, _ = following
            end = sizes.add(start, size)
            known = sizes.is_known(start) and int(sizes.plain(start)) <= least
            if known and sizes.same(size, sizes.nonnegative(sizes.sub(self.n, start))):
                end = self.n
        return True

    def check(self) -> None:
        """At the end of the trace: what has been taken back was not written."""
        if not self.let.attrs.get("fill", True) and any(let not in self.block.lets for let in self.used):
            self.let.attrs = {k: v for k, v in self.let.attrs.items() if k != "fill"}


def _check(blanks: list[Blank]) -> None:
    for b in blanks:
        b.check()


def blank(dtype: Scalar, shape: Sequence[Size]) -> Arrayed:
    """np.empty: an array whose elements are zeros, if they are read before they are written."""
    out = allocate(dtype, tuple(shape), None)
    block = current_builder().current
    assert block is not None
    if isinstance(out, Arrayed):
        out.blank = Blank(block.lets[-1], block, shape_of(out)[0])
    return out


keep("blanks", lambda trace: [], check=_check)  # new arrays that are written before they are read

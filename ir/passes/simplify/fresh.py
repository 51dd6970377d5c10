"""New arrays that are written before anybody reads them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ...core import dims
from ...core.dims import Dim
from ...core.graph import Block, Const, Function, Let, Var
from ...core.kernel import Kernel, Result, kernel_of
from ...core.op import TABLE
from ..sizes import Sizes


def fresh(f: Function) -> bool:
    """A kernel that writes into a new array that nobody has read overwrites nothing that matters: there is nothing to undo. If all of
    it is written before the first read, it need not be filled; if one kernel does that, it makes the array. Writes are followed along
    one axis, in the array's own block.

    fn f(%x: f64[n]) -> (f64[n + 1]) {
    entry:
      %n: i64 = dim(%x) {axis=0}
      %m: i64 = iadd(%n, 1:i64)
      %y: f64[n + 1] = alloc(%m, 0.0:f64)
      kernel(%n, %x, 0:i64, 1:i64, %y, 1:i64, 1:i64) {f='same', rank=1, inputs=(('a', 0),), results=(('into', 0),)}
      store(%y, 0:i64, 1.0:f64) {index='u'}
      return %y
    }

    fn same(%a: f64) -> (f64) {
    entry:
      return %a
    }
    ->
    fn f(%x: f64[n]) -> (f64[n + 1]) {
    entry:
      %n: i64 = dim(%x) {axis=0}
      %m: i64 = iadd(%n, 1:i64)
      %y: f64[n + 1] = alloc(%m, 0.0:f64) {fill=False}
      kernel(%n, %x, 0:i64, 1:i64, %y, 1:i64, 1:i64) {f='same', rank=1, inputs=(('a', 0),), results=(('fresh', 0),)}
      store(%y, 0:i64, 1.0:f64) {index='u'}
      return %y
    }

    fn same(%a: f64) -> (f64) {
    entry:
      return %a
    }
    """
    new = {let.out for b in f.blocks.values() for let in b.lets if TABLE[let.op].fills}
    if not any(a in new for b in f.blocks.values() for let in b.lets if TABLE[let.op].writes for a in let.args):
        return False
    sizes = Sizes(f)
    return any([_block(b, sizes) for b in f.blocks.values()])


@dataclass(eq=False)
class _Unread:
    """An array that nobody has read yet, and what has been written of it: (start, size) along each axis."""

    made: Let
    boxes: list[list[tuple[Dim, Dim]]] = field(default_factory=list)
    stores: list[list[Dim]] = field(default_factory=list)  # of one element: the array has as many

    def is_full(self, sizes: Sizes) -> bool:
        shape = [sizes.dim(self.made.out, axis) for axis in range(len(self.made.args) - 1)]
        return any(self._is_full_along(axis, shape) for axis in range(len(shape)))

    def _is_full_along(self, axis: int, shape: list[Dim]) -> bool:
        """Do writes of all of the other axes follow one another from the start to the end?"""
        left = [b[axis] for b in self.boxes if all(b[j] == (0, n) for j, n in enumerate(shape) if j != axis)]
        least = 1 + max((s[axis] for s in self.stores if isinstance(s[axis], int)), default=-1)  # type: ignore[type-var, operator]
        n: Dim = shape[axis]
        end: Dim = 0
        while end != n:
            following = next((w for w in left if w[0] == end), None)
            if following is None:
                return False
            left.remove(following)
            start, size = following
            rest = isinstance(start, int) and start <= least and size == dims.nonnegative(dims.sub(n, start))
            end = n if rest else dims.add(start, size)
        return True


def _block(block: Block, sizes: Sizes) -> bool:
    unread: dict[Var, _Unread] = {}
    changed = False
    gone: list[Let] = []

    def read(v: object) -> None:
        nonlocal changed
        array = unread.pop(v, None)  # type: ignore[call-overload]
        if array is not None and array.made.attrs.get("fill", True) and array.is_full(sizes):
            array.made.attrs = {**array.made.attrs, "fill": False}
            changed = True

    for at, let in enumerate(block.lets):
        op = TABLE[let.op]
        if op.fills:
            unread[let.out] = _Unread(let)
        elif op.measures or not any(a in unread for a in let.args):
            continue
        elif op.nest:
            k = kernel_of(let)
            for base in k.reads():
                read(base)
            new = replace(k, results=[_written(r, k, unread, sizes) for r in k.results])
            if new.results != k.results:
                block.lets[at], changed = new.let(), True
            for array in [x for x in unread.values() if _makes(new, x, sizes) and not _is_known(x, block.lets[:at])]:
                made = array.made.out
                results = [Result("map", (), None, made) if r.into is not None and r.into.base is made else r for r in new.results]
                new = replace(new, results=results)
                block.lets[at] = new.let()
                gone.append(unread.pop(made).made)
        elif op.indexed and op.writes:
            array = unread[let.args[0]]  # type: ignore[index]
            array.stores.append([sizes.of(i) for i in let.args[1:-1]])
            array.boxes.append([(i, 1) for i in array.stores[-1]])
        else:
            for a in let.args:
                read(a)
    for v in list(unread):
        read(v)
    block.lets = [let for let in block.lets if let not in gone]
    return changed


def _makes(k: Kernel, array: _Unread, sizes: Sizes) -> bool:
    """Does it write the whole of an array, in its order?"""
    found = [r.into for r in k.results if r.into is not None and r.into.base is array.made.out]
    space = [sizes.of(n) for n in k.sizes]
    if len(found) != 1 or found[0].axes != tuple(range(len(space))) or array.boxes != [[(0, n) for n in space]]:
        return False
    return all(sizes.dim(array.made.out, q) == n and dims.is_natural(n) for q, n in enumerate(space))


def _is_known(array: _Unread, before: list[Let]) -> bool:
    """Is it mentioned before it is written?"""
    return any(array.made.out in let.args for let in before)


def _written(r: Result, k: Kernel, unread: dict[Var, _Unread], sizes: Sizes) -> Result:
    """A result of a kernel, knowing that what it overwrites does not matter if that is so."""
    if r.into is None or r.into.base not in unread:
        return r
    x, space = r.into, [sizes.of(n) for n in k.sizes]
    moving = [q for q in x.axes if q >= 0]
    ones = all(isinstance(t, Const) and t.value == 1 for q, t in zip(x.axes, x.steps, strict=True) if q >= 0)
    if ones and len(set(moving)) == len(moving) and all(n == 1 for q, n in enumerate(space) if q not in moving):
        ends = [(sizes.of(s), space[q] if q >= 0 else 1) for s, q in zip(x.starts, x.axes, strict=True)]
        unread[x.base].boxes.append(ends)
    return replace(r, kind="fresh")

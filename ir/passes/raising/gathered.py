"""What the iterations of a loop add to the same elements of an array, each to all of them, is summed up and put there behind the loop.

for k: for j: y[j] += w[k] * x[k, j]      ->      %s = kernel(%m, %n, ..) {results=(('ordered', ('a', 1), 1),)}, from %y on
                                                  kernel(%n, %s, .., %y, ..) {results=(('into', 0),)}
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ...core import dims
from ...core.graph import Const, Function, Let, Return, Var
from ...core.kernel import ONE, ZERO, Access, Gather, Kernel, Result, Same
from ...core.op import TABLE
from ...core.types import I32, Array, is_float
from ...ops.table import carried, neg
from ..bodies import is_one, is_zero
from .places import SequentialError


@dataclass
class Gathered:
    """A kernel in a loop's body that gives the terms of one iteration, its function, and the elements that they are added to."""

    kernel: Kernel
    function: Function
    to: Access

    def put(self, loop: Any, values: list[Any], build: Any, at: int, let: Let) -> None:
        """The sums of all iterations, and their place."""
        k, n = self.kernel, len(self.kernel.sizes)
        where = loop.access(self.to, at)
        if any(q == 0 for q in where.axes):
            raise SequentialError
        loop.added[loop.aliases.root(where.base)] = at
        shape = tuple(d if dims.is_short(d) else dims.UNKNOWN for d in map(loop.facts.sizes.of, k.sizes))
        sums = Var(f"{loop.loop.name}.added{len(loop.kernels)}", Array(where.base.type.dtype, shape))
        loop.kernel(build, values, [loop.size, *k.sizes], [Result("ordered", tuple(range(1, n + 1)), None, sums, where)], let)
        x = Access(where.base, where.starts, where.steps, tuple(q - 1 if q >= 0 else -1 for q in where.axes))
        build = loop.body()
        like = self.function.entry.lets[-1].out if self.function.entry.lets else self.function.params[0]
        like = Var("x", sums.type.dtype) if like.type != sums.type.dtype else like  # type: ignore[union-attr]
        total = build.input(Access(sums, (ZERO,) * n, (ONE,) * n, tuple(range(n))), like)
        (value,) = build.add(Let((like,), carried.name, (total, build.input(x, like))), (total, build.input(x, like)))
        loop.kernel(build, [value], list(k.sizes), [Result("into", x.axes, x)], let)


def gathered(loop: Any, k: Kernel) -> Gathered | None:
    """The terms of a kernel that adds to elements which the loop does not move along; None if it does something else."""
    (r,) = k.results if len(k.results) == 1 else (None,)
    x = r.into if r is not None else None
    if r is None or x is None or r.kind != "into" or not _stays(loop, x, k):
        return None
    f = loop.program.functions[k.f]
    top = next((let for let in f.entry.lets if let.out is f.returned[0]), None)
    root = loop.aliases.root
    olds = [i for i, y in enumerate(k.inputs) if isinstance(y, (Access, Gather)) and root(y.base) is root(x.base)]
    if top is None or not TABLE[top.op].sums or not is_float(top.out.type) or len(olds) != 1 or k.inputs[olds[0]] != x:
        return None
    old, takes = f.params[olds[0]], TABLE[top.op].sums == "-"
    used = [a for let in f.entry.lets for a in let.args].count(old)
    if used != 1 or (top.args[0] is not old and (takes or top.args[1] is not old)):
        return None
    term = top.args[1] if top.args[0] is old else top.args[0]
    lets = [let for let in f.entry.lets if let is not top]
    if takes:
        lets.append(Let((top.out,), neg.name, (term,), {}, top.site))
        term = top.out
    entry = replace(f.entry, lets=lets, terminator=Return((term,)))
    inputs = [Same(Const(0.0, old.type)) if i == olds[0] else y for i, y in enumerate(k.inputs)]
    return Gathered(replace(k, inputs=inputs), replace(f, blocks={f.entry.name: entry}), x)


def _stays(loop: Any, x: Access, k: Kernel) -> bool:
    """Are they the same in each iteration, one for each point of the kernel's space, and there even if the loop does not run?"""
    t = x.base.type
    assert isinstance(t, Array)
    if t.dtype == I32 or x.base in loop.inside or x.base in loop.arrays or sorted(q for q in x.axes if q >= 0) != list(range(len(k.sizes))):
        return False
    size = loop.facts.sizes.dim
    for j, (start, step, q) in enumerate(zip(x.starts, x.steps, x.axes, strict=True)):
        place = loop.places.get(start) if start in loop.inside else (start, ZERO)
        if place is None or not is_zero(place[1]):
            return False
        if q < 0 and not loop.facts.is_inside(place[0], size(x.base, j), loop.loop.name):
            return False
        if q >= 0 and not (is_zero(place[0]) and is_one(step) and size(x.base, j) == loop.facts.sizes.of(k.sizes[q])):
            return False
    return True

"""Is a function linear in some of its parameters? A walk over the graph, which says no where it does not know.

A scalar operation is linear in arguments if the terms of its rule read neither these nor its result, and if it is 0 where they are. Of
operations on whole arrays the row says in which arguments they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from ...core.graph import Atom, Branch, Call, Const, Function, Let, Program, Return, Var, edges, passed
from ...core.kernel import SMOOTH, Access, Gather, Index, Kernel, Same, kernel_of
from ...core.op import FORWARD, PLAIN, REVERSE, TABLE, written
from ...core.types import BOOL, I64, carries_gradient
from ...ops.custom import kept, own, values
from ..rules import rule_uses

NOTHING, ZERO, LINEAR, FIXED, OTHER = 0, 1, 2, 4, 7  # not known yet, 0, linear, independent of the parameters, neither
TRIED = 0.71875  # a number of which no function is 0 by chance


def linear_in(program: Program, f: Function, params: Sequence[Var]) -> bool:
    """Is every result a linear function of these parameters, taken together?"""
    found = results(program, f, [LINEAR if p in params else FIXED for p in f.params], ())
    return all(kind in (ZERO, LINEAR) for kind in found)


def is_linear(program: Program, let: Let) -> bool:
    """Is the way back of an operation of the user's linear in what comes back?"""
    back = program.functions[let.attrs["f"]]
    return linear_in(program, back, back.params[len(back.params) - len(let.outs) :])


def has_tangents(program: Program, let: Let, dual: bool) -> Iterable[Atom]:
    """The arguments whose tangents those of an operation's results are made of; `dual` as in jvp_name."""
    if TABLE[let.op].flows is None:
        return let.args
    if "covers" not in let.attrs and is_linear(program, let) and not dual:
        return own(let)  # type: ignore[no-any-return]
    covered = let.attrs["covers"][1] if "covers" in let.attrs else len(let.outs) if is_linear(program, let) else 0
    return (*own(let), *kept(let), *values(let)[covered:])


def joined(kinds: Iterable[int]) -> int:
    """What values are of which each may be the one."""
    known = set(kinds) - {NOTHING}
    if len(known) < 2:
        return known.pop() if known else NOTHING
    return LINEAR if known == {ZERO, LINEAR} else FIXED if known == {ZERO, FIXED} else OTHER


def results(program: Program, f: Function, given: Sequence[int], under_way: tuple[str, ...]) -> list[int]:
    """What a function gives for such parameters."""
    if f.name in under_way:
        return [OTHER] * len(f.results)
    return _Walk(program, f, given, (*under_way, f.name)).run()


class _Walk:
    def __init__(self, program: Program, f: Function, given: Sequence[int], under_way: tuple[str, ...]) -> None:
        self.program, self.f, self.under_way = program, f, under_way
        self.kinds: dict[Var, int] = dict(zip(f.params, given, strict=True))
        self.memory: dict[Var, Var] = {}  # of an array that is another one in another shape, that
        self.changed, self.fits = True, True

    def run(self) -> list[int]:
        while self.changed:
            self.changed = False
            for block in self.f.blocks.values():
                for let in block.lets:
                    self.let(let)
                self.end(block)
        ends = [b.terminator.args for b in self.f.blocks.values() if isinstance(b.terminator, Return)]
        return [joined(map(self.of, atoms)) if self.fits else OTHER for atoms in zip(*ends, strict=True)]

    def of(self, a: Atom) -> int:
        if isinstance(a, Const):
            return ZERO if a.value == 0 and carries_gradient(a.type) else FIXED
        while a in self.memory:
            a = self.memory[a]
        return self.kinds.get(a, NOTHING)

    def put(self, v: Atom, kind: int) -> None:
        while v in self.memory:
            v = self.memory[v]
        new = joined((self.kinds.get(v, NOTHING), kind))  # type: ignore[arg-type]
        if new != self.kinds.get(v, NOTHING):  # type: ignore[arg-type]
            self.kinds[v], self.changed = new, True  # type: ignore[index]

    # ---- operations
    def let(self, let: Let) -> None:
        op, kinds = TABLE[let.op], list(map(self.of, let.args))
        for out, place in op.aliases:
            self.memory[let.outs[out]] = let.args[place]
        if op.aliases:
            return
        if op.nest:
            self.kernel(kernel_of(let))
            return
        for o, kind in zip(let.outs, self.outs(let, kinds), strict=True):
            self.put(o, kind)
        for a in written(let):
            value = let.args[-1] if op.indexed else None
            self.put(a, self.of(value) if value is not None and all(k == FIXED for k in kinds[1:-1]) else self.unless(kinds))

    def unless(self, kinds: Iterable[int]) -> int:
        """FIXED if nothing comes from the parameters."""
        return FIXED if all(k in (FIXED, ZERO) for k in kinds) else NOTHING if NOTHING in kinds else OTHER

    def outs(self, let: Let, kinds: list[int]) -> list[int]:
        op, n = TABLE[let.op], len(let.outs)
        if op.measures:
            return [FIXED] * n
        if op.fills:
            return [(kinds[-1] if let.attrs.get("fill", True) else ZERO) if self.unless(kinds[:-1]) == FIXED else OTHER] * n
        if self.unless(kinds) == FIXED or NOTHING in kinds:
            return [self.unless(kinds)] * n
        if op.scalar:
            return [self.scalar(let, kinds)]
        if op.indexed:
            return [kinds[0] if self.unless(kinds[1:]) == FIXED else OTHER] * n
        if op.calls in (REVERSE, FORWARD):
            own = len(kinds) - let.attrs["cotangents"]
            values = len(self.program.functions[let.attrs["f"]].results)
            fits = self.unless(kinds[:own]) == FIXED and joined(kinds[own:]) in (ZERO, LINEAR)
            return [FIXED if i < values else LINEAR for i in range(n)] if fits else [OTHER] * n
        if op.calls == PLAIN and let.attrs.get("apart"):
            return results(self.program, self.program.functions[let.attrs["f"]], kinds, self.under_way)
        moving = [i for i, k in enumerate(kinds) if k == LINEAR]
        return [LINEAR if len(moving) == 1 and moving[0] in op.linear and OTHER not in kinds else OTHER] * n

    def scalar(self, let: Let, kinds: list[int]) -> int:
        op, moving = TABLE[let.op], {i for i, k in enumerate(kinds) if k == LINEAR}
        if OTHER in kinds or not callable(op.rule) or not carries_gradient(let.out.type):
            return OTHER
        terms = rule_uses(let.op, tuple(let.attrs.items()))
        if any(terms[i] & (moving | {-1}) for i in moving):
            return OTHER
        return LINEAR if all(op(*args, **let.attrs) == 0 for args in _tried(let, moving)) else OTHER

    def kernel(self, k: Kernel) -> None:
        given = [FIXED if isinstance(x, Index) else self.of(x.atom if isinstance(x, Same) else x.base) for x in k.inputs]
        places = [p for x in k.inputs if isinstance(x, Gather) for p in [given[x.place]]]
        found = results(self.program, self.program.functions[k.f], given, self.under_way)
        for r, kind in zip(k.results, found, strict=True):
            to = r.out if r.out is not None else r.written
            if to is None:
                continue
            if kind in (LINEAR, OTHER) and (r.kind not in SMOOTH or any(p != FIXED for p in places)):
                kind = OTHER
            start = r.start.base if isinstance(r.start, Access) else r.start.atom if r.start is not None else None
            self.put(to, kind if start is None or NOTHING in (kind, self.of(start)) else joined((kind, self.of(start))))

    # ---- ends of blocks
    def end(self, block: Any) -> None:
        t = block.terminator
        if isinstance(t, Branch) and self.of(t.cond) not in (FIXED, NOTHING):
            self.fits = False
        if isinstance(t, Call):
            callee, target = self.program.functions[t.function], self.f.blocks[t.then.block]
            writes = any(written(let) for b in callee.blocks.values() for let in b.lets)
            kinds = list(map(self.of, t.args))
            found = results(self.program, callee, kinds, self.under_way) if not writes else [self.unless(kinds)] * len(callee.results)
            for p, kind in zip(target.params, found, strict=False):
                self.put(p, kind)
        for e in edges(t):
            for p, a in passed(t, e, self.f.blocks[e.block]):
                self.put(p, self.of(a))


def _tried(let: Let, moving: set[int]) -> Iterable[tuple[Any, ...]]:
    """Arguments that are 0 where they move."""

    def each(i: int, a: Atom) -> tuple[Any, ...]:
        if i in moving:
            return (0.0,)
        if isinstance(a, Const):
            return (a.value,)
        return (True, False) if a.type == BOOL else (3,) if a.type == I64 else (TRIED,)

    return itertools.product(*(each(i, a) for i, a in enumerate(let.args)))

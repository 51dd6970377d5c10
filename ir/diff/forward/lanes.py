"""Forward mode in several directions at once: the tangents of a number stand side by side in a block of lanes.

What is linear in tangents is the same operation on blocks. A rule that is traced code on whole arrays is written for one direction:
the blocks are taken apart, it is applied in each direction beside the one value, and what it gives is put together.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ...core.analysis import references
from ...core.builder import Builder, Operand, tracing
from ...core.dims import UNKNOWN
from ...core.graph import Atom, Block, Call, Const, Edge, Function, Let, Program, Return, Var
from ...core.kernel import ONE, ZERO, Access, Kernel, Result
from ...core.op import TABLE, Stage, written
from ...core.types import I64, LANE, LANES, Array, Scalar, carries_gradient, lane_type, wide, width
from ...ops.effects import AGAIN, DONE, MARK, has_effects
from ..activity import all_vars
from ..rules import dims, traced_tangents, zeros


class _Direction:
    """Forward mode as a rule for one direction sees it."""

    def __init__(self, forward: Any, tangents: dict[Atom, Atom]) -> None:
        self.forward, self.tangents = forward, tangents
        self.program, self.builder, self.activity, self.values = forward.program, forward.builder, forward.activity, forward.values
        self.atom, self.lanes, self.dual = forward.atom, 1, forward.dual

    def tangent(self, a: Atom) -> Atom:
        if a in self.tangents:
            return self.tangents[a]
        return Const(0.0, a.type) if isinstance(a.type, Scalar) else self.zeros(self.atom(a))

    def zeros(self, array: Atom) -> Var:
        return zeros(self.builder, array, array.type)


def each_lane(forward: Any, let: Let, rule: Callable[[Any, Let], None]) -> None:
    """The tangents of an operation by a rule for one direction."""
    parts = {a: apart(forward, forward.tangents[a]) for a in let.args if a in forward.activity}
    directions = [_Direction(forward, {a: ts[i] for a, ts in parts.items()}) for i in range(forward.lanes)]
    for i, direction in enumerate(directions):
        if i and forward.moment:  # what is evaluated again is so from the same moment on
            forward.builder.emit("host", (), (), {"recipe": DONE})
            forward.builder.emit("host", forward.moment, (), {"recipe": AGAIN})
        rule(direction, let)
    for o in let.outs:
        if o in forward.activity:
            forward.tangents[o] = together(forward, [d.tangents[o] for d in directions])
    for a in written(let):
        if a in forward.activity:
            together(forward, list(parts[a]), forward.tangents[a])


def whole_tangents(forward: Any, let: Let) -> None:
    """Tangents of an operation whose rule is traced code."""
    if forward.lanes == 1:
        traced_tangents(forward, let)
    else:
        BLOCKS.get(let.op, one_direction)(forward, let)


def one_direction(forward: Any, let: Let) -> None:
    each_lane(forward, let, traced_tangents)


BLOCKS = Stage("blocks of tangents", lambda op: False)  # what is better done at once than direction by direction


@BLOCKS.of("gemm")
def product(forward: Any, let: Let) -> None:
    """A matrix times a block of matrices is one product with more columns; a block of matrices times a column is a sum of blocks."""
    (a, b), t = let.args, let.out.type
    assert isinstance(t, Array)
    assert isinstance(b.type, Array)
    first, second = (x in forward.activity for x in let.args)
    if t.rank != 2 or let.attrs["tb"] or (first and (let.attrs["ta"] or b.type.dims[-1] != 1)):
        one_direction(forward, let)
        return
    parts = [_of_columns(forward, let)] if second else []
    if first:
        m, n = dims(forward.builder, forward.values[let.out])
        k = dims(forward.builder, forward.atom(b))[0]
        column = Access(forward.atom(b), (ZERO, ZERO), (ONE, ZERO), (1, -1))
        found = _kernel(forward, "times", forward.of(t).dtype, [_all(forward.tangents[a]), column], [m, k], "sum", (0,))
        parts += forward.builder.emit("reshape", (found, m, n), (forward.of(t),))
    forward.tangents[let.out] = parts[0] if len(parts) == 1 else _kernel(forward, "plus", forward.of(t).dtype, list(map(_all, parts)))


def _of_columns(forward: Any, let: Let) -> Atom:
    """The tangent of a matrix product for one of its second factor, whose lanes are columns."""
    (a, b), t, builder = let.args, let.out.type, forward.builder
    assert isinstance(t, Array)
    (m, n), k = dims(builder, forward.values[let.out]), dims(builder, forward.atom(b))[0]
    (wider,) = builder.emit("imul", (n, Const(forward.lanes, I64)), (I64,))
    (flat,) = builder.emit("reshape", (forward.tangents[b], k, wider), (Array(t.dtype, (b.type.dims[0], UNKNOWN)),))  # type: ignore[union-attr]
    (found,) = builder.emit("gemm", (forward.atom(a), flat), (Array(t.dtype, (t.dims[0], UNKNOWN)),), let.attrs, let.site)
    return builder.emit("reshape", (found, m, n), (forward.of(t),))[0]  # type: ignore[no-any-return]


def apart(forward: Any, block: Atom) -> list[Atom]:
    """The tangents in a block."""
    n, builder = width(block.type), forward.builder
    if not isinstance(block.type, Array):
        return [TABLE["lane"](Operand(block, builder), i=i, to=lane_type(block.type)).atom for i in range(n)]
    t = Array(lane_type(block.type.dtype), block.type.dims)
    outs = [builder.fresh(t) for _ in range(n)]
    _kernel(forward, "apart", block.type.dtype, [_all(block)], results=[Result("map", (), None, out) for out in outs])
    return list(outs)


def together(forward: Any, parts: list[Atom], into: Var | None = None) -> Atom:
    """The block of these tangents: a new one, or written into one that there is."""
    n, t, builder = len(parts), parts[0].type, forward.builder
    if not isinstance(t, Array):
        terms = [TABLE["in_lane"](Operand(x, builder), i=i, to=wide(t, n)) for i, x in enumerate(parts)]
        return functools.reduce(TABLE["add"], terms).atom  # type: ignore[no-any-return]
    results = None if into is None else [Result("into", (), _all(into))]
    return _kernel(forward, "together", LANES[t.dtype, n], list(map(_all, parts)), results=results)


def spread(forward: Any, x: Atom, n: int) -> Atom:
    """A value in all lanes of a block."""
    if not isinstance(x.type, Array):
        return TABLE["convert"](Operand(x, forward.builder), to=wide(x.type, n)).atom  # type: ignore[no-any-return]
    return _kernel(forward, "spread", LANES[x.type.dtype, n], [_all(x)])


def _all(array: Any) -> Access:
    n = array.type.rank
    return Access(array, (ZERO,) * n, (ONE,) * n, tuple(range(n)))


def _kernel(forward: Any, what: str, block: Scalar, inputs: list[Any], space: Sequence[Atom] = (), kind: str = "map",
            axes: tuple[int, ...] = (), results: list[Result] | None = None) -> Atom:  # fmt: skip
    """A kernel that has to do with blocks, over the elements of its first input if nothing else is said; its result."""
    program, builder = forward.program, forward.builder
    name = f"lanes.{what}.{block}"
    if name not in program.functions:
        program.functions[name] = _function(name, what, block)
    known = inputs[0].base.type.dims[: len(axes) or None]
    out = builder.fresh(Array(block, known))
    made = Kernel(name, list(space) or dims(builder, inputs[0].base), inputs, results or [Result(kind, axes, None, out)])
    builder.current.lets.append(made.let())
    return out  # type: ignore[no-any-return]


def _function(name: str, what: str, block: Scalar) -> Function:
    """The scalar function of such a kernel."""
    t, n = LANE[block]
    lets: list[Let] = []

    def emit(op: str, args: tuple[Atom, ...], out: Scalar, **attrs: Any) -> Var:
        lets.append(Let((Var(f"v{len(lets)}", out),), op, args, attrs))
        return lets[-1].out

    types = {"spread": [t], "apart": [block], "together": [t] * n, "plus": [block] * 2, "times": [block, t]}[what]
    x, *rest = params = [Var(f"x{i}", p) for i, p in enumerate(types)]
    if what == "apart":
        results = [emit("lane", (x,), t, i=i, to=t) for i in range(n)]
    elif what == "together":
        terms = [emit("in_lane", (p,), block, i=i, to=block) for i, p in enumerate(params)]
        results = [functools.reduce(lambda a, b: emit("add", (a, b), block), terms)]
    elif what == "plus":
        results = [emit("add", (x, rest[0]), block)]
    else:
        everywhere = emit("convert", (params[-1],), block, to=block)
        results = [emit("mul", (x, everywhere), block) if rest else everywhere]
    return Function(name, params, {"entry": Block("entry", [], lets, Return(tuple(results)))}, tuple(r.type for r in results))


# ---- functions that have blocks themselves
def reachable(program: Program, name: str) -> list[Function]:
    """A function and all that it calls."""
    found, work = {name: program.functions[name]}, [name]
    while work:
        new = [n for n in references(found[work.pop()]) if n not in found]
        found.update((n, program.functions[n]) for n in new)
        work += dict.fromkeys(new)
    return list(found.values())


def has_blocks(program: Program, name: str) -> bool:
    """Does a function handle blocks or records, or what it calls? In a record a tangent has the place of one number."""
    functions = reachable(program, name)
    records = any(TABLE[let.op].record for f in functions for b in f.blocks.values() for let in b.lets)
    return records or any(width(v.type) > 1 for f in functions for v in all_vars(f))


class _Here(NamedTuple):
    program: Program
    builder: Builder


def one_by_one(program: Program, name: str, single: str, mask: Sequence[bool], n: int, new: str) -> None:
    """The jvp in n directions of such a function, by its jvp in one direction: there are no blocks of blocks. Its effects are had once."""
    f = program.functions[name]
    with tracing(program) as trace, trace.building("directions") as b:
        b.name = new
        own = [b.parameter(p.type, p.name + ".") for p in f.params]
        blocks = [b.parameter(wide(p.type, n), "t." + p.name + ".") for p, m in zip(f.params, mask, strict=True) if m]
        here = _Here(program, b)
        parts = [apart(here, t) for t in blocks]
        moment = b.emit("host", (), (I64,), {"recipe": MARK}) if has_effects(program, name) else ()
        moved: list[tuple[Var, ...]] = []
        for i in range(n):
            if moment and moved:
                b.emit("host", moment, (), {"recipe": AGAIN})
            outs = [b.fresh(t) for t in (*f.results, *(t for t in f.results if carries_gradient(t)))]
            then = Block(f"then{i}", outs)
            b.terminate(Call(single, (*own, *(ts[i] for ts in parts)), Edge(then.name)))
            b.blocks.append(then)
            b.enter(then)
            if moment and moved:
                b.emit("host", (), (), {"recipe": DONE})
            moved.append(tuple(outs[len(f.results) :]))
        tangents = [together(here, list(ts)) for ts in zip(*moved, strict=True)]
        b.terminate(Return((*outs[: len(f.results)], *tangents)))
        program.functions[new] = b.finish((*f.results, *(t.type for t in tangents)))

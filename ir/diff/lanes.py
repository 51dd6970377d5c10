"""Forward mode in several directions at once: the tangents of a number stand side by side in a block of lanes.

What is linear in tangents is the same operation on blocks. A rule that is traced code on whole arrays is written for one direction:
the blocks are taken apart, it is applied in each direction beside the one value, and what it gives is put together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core.analysis import references
from ..core.builder import Builder, Operand, tracing
from ..core.graph import Atom, Block, Call, Const, Edge, Function, Let, Program, Return, Var
from ..core.kernel import ONE, ZERO, Access, Kernel, Result
from ..core.op import TABLE, written
from ..core.types import I64, LANE, LANES, Array, Scalar, Type, carries_gradient, lane_type, wide, width
from ..ops.effects import AGAIN, DONE, MARK, has_effects
from .activity import all_vars


class _Direction:
    """Forward mode as a rule for one direction sees it."""

    def __init__(self, forward: Any, tangents: dict[Atom, Atom]) -> None:
        self.forward, self.tangents = forward, tangents
        self.program, self.builder, self.activity, self.values = forward.program, forward.builder, forward.activity, forward.values
        self.atom, self.lanes = forward.atom, 1

    def tangent(self, a: Atom) -> Atom:
        if a in self.tangents:
            return self.tangents[a]
        return Const(0.0, a.type) if isinstance(a.type, Scalar) else self.zeros(self.atom(a))

    def zeros(self, array: Atom) -> Var:
        return zeros(self.builder, array, array.type)


def zeros(builder: Any, array: Atom, t: Type) -> Var:
    """An array of zeros of a type, with the sizes of another one."""
    assert isinstance(t, Array)
    return builder.emit("alloc", (*dims(builder, array), Const(0.0, t.dtype)), (t,))[0]  # type: ignore[no-any-return]


def dims(builder: Any, array: Atom) -> list[Atom]:
    return [builder.emit("dim", (array,), (I64,), {"axis": i})[0] for i in range(array.type.rank)]  # type: ignore[union-attr]


def each_lane(forward: Any, let: Let, rule: Callable[[Any, Let], None]) -> None:
    """The tangents of an operation by a rule for one direction."""
    program, builder = forward.program, forward.builder
    parts = {a: apart(program, builder, forward.tangents[a]) for a in let.args if a in forward.activity}
    directions = [_Direction(forward, {a: ts[i] for a, ts in parts.items()}) for i in range(forward.lanes)]
    for direction in directions:
        rule(direction, let)
    for o in let.outs:
        if o in forward.activity:
            forward.tangents[o] = together(program, builder, [d.tangents[o] for d in directions])
    for a in written(let):
        if a in forward.activity:
            together(program, builder, list(parts[a]), forward.tangents[a])


def apart(program: Program, builder: Builder, block: Atom) -> list[Atom]:
    """The tangents in a block."""
    n = width(block.type)
    if not isinstance(block.type, Array):
        return [TABLE["lane"](Operand(block, builder), i=i, to=lane_type(block.type)).atom for i in range(n)]
    t = lane_type(block.type.dtype)
    outs = [builder.fresh(Array(t, block.type.dims)) for _ in range(n)]
    _kernel(program, builder, "apart", LANES[t, n], [block], [Result("map", (), None, out) for out in outs])
    return list(outs)


def together(program: Program, builder: Builder, parts: list[Atom], into: Var | None = None) -> Atom:
    """The block of these tangents: a new one, or written into one that there is."""
    n, t = len(parts), parts[0].type
    if not isinstance(t, Array):
        total = None
        for i, x in enumerate(parts):
            term = TABLE["in_lane"](Operand(x, builder), i=i, to=wide(t, n))
            total = term if total is None else TABLE["add"](total, term)
        return total.atom  # type: ignore[union-attr, no-any-return]
    out = builder.fresh(wide(t, n)) if into is None else into
    result = Result("map", (), None, out) if into is None else Result("into", (), _all(out))
    _kernel(program, builder, "together", LANES[t.dtype, n], parts, [result])
    return out


def spread(program: Program, builder: Builder, x: Atom, n: int) -> Atom:
    """A value in all lanes of a block."""
    if not isinstance(x.type, Array):
        return TABLE["convert"](Operand(x, builder), to=wide(x.type, n)).atom  # type: ignore[no-any-return]
    out = builder.fresh(wide(x.type, n))
    _kernel(program, builder, "spread", out.type.dtype, [x], [Result("map", (), None, out)])  # type: ignore[union-attr]
    return out


def _all(array: Any) -> Access:
    n = array.type.rank
    return Access(array, (ZERO,) * n, (ONE,) * n, tuple(range(n)))


def _kernel(program: Program, builder: Builder, what: str, block: Scalar, inputs: Sequence[Any], results: list[Result]) -> None:
    name = f"lanes.{what}.{block}"
    if name not in program.functions:
        program.functions[name] = _function(name, what, block)
    assert builder.current is not None
    builder.current.lets.append(Kernel(name, dims(builder, inputs[0]), [_all(x) for x in inputs], results).let())


def _function(name: str, what: str, block: Scalar) -> Function:
    """A block from numbers, or numbers from a block."""
    t, n = LANE[block]
    lets: list[Let] = []

    def emit(op: str, args: tuple[Atom, ...], out: Scalar, **attrs: Any) -> Var:
        lets.append(Let((Var(f"v{len(lets)}", out),), op, args, attrs))
        return lets[-1].out

    if what == "spread":
        params = [Var("x", t)]
        results: list[Atom] = [emit("convert", (params[0],), block, to=block)]
    elif what == "apart":
        params = [Var("x", block)]
        results = [emit("lane", (params[0],), t, i=i, to=t) for i in range(n)]
    else:
        params = [Var(f"x{i}", t) for i in range(n)]
        total = emit("in_lane", (params[0],), block, i=0, to=block)
        for i, p in enumerate(params[1:], 1):
            total = emit("add", (total, emit("in_lane", (p,), block, i=i, to=block)), block)
        results = [total]
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
    """Does a function handle blocks, or what it calls?"""
    return any(width(v.type) > 1 for f in reachable(program, name) for v in all_vars(f))


def one_by_one(program: Program, name: str, single: str, mask: Sequence[bool], n: int, new: str) -> None:
    """The jvp in n directions of such a function, by its jvp in one direction: there are no blocks of blocks. Its effects are had once."""
    f = program.functions[name]
    with tracing(program) as trace, trace.building("directions") as b:
        b.name = new
        own = [b.parameter(p.type, p.name + ".") for p in f.params]
        blocks = [b.parameter(wide(p.type, n), "t." + p.name + ".") for p, m in zip(f.params, mask, strict=True) if m]
        parts = [apart(program, b, t) for t in blocks]
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
        tangents = [together(program, b, list(ts)) for ts in zip(*moved, strict=True)]
        b.terminate(Return((*outs[: len(f.results)], *tangents)))
        program.functions[new] = b.finish((*f.results, *(t.type for t in tangents)))

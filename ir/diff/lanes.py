"""Forward mode in several directions at once: the tangents of a number stand side by side in a block of lanes.

What is linear in tangents is the same operation on blocks. A rule that is traced code on whole arrays is written for one direction:
the blocks are taken apart, it is applied in each direction beside the one value, and what it gives is put together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.builder import Operand
from ..core.graph import Atom, Block, Const, Function, Let, Return, Var
from ..core.kernel import ONE, ZERO, Access, Kernel, Result
from ..core.op import TABLE, written
from ..core.types import I64, LANES, Array, Scalar, Type, wide


class _Direction:
    """Forward mode as a rule for one direction sees it."""

    def __init__(self, forward: Any, tangents: dict[Atom, Atom]) -> None:
        self.forward, self.tangents = forward, tangents
        self.program, self.builder, self.activity, self.values = forward.program, forward.builder, forward.activity, forward.values
        self.atom = forward.atom

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
    parts = {a: apart(forward, forward.tangents[a], a.type) for a in let.args if a in forward.activity}
    directions = [_Direction(forward, {a: ts[i] for a, ts in parts.items()}) for i in range(forward.lanes)]
    for direction in directions:
        rule(direction, let)
    for o in let.outs:
        if o in forward.activity:
            forward.tangents[o] = together(forward, [d.tangents[o] for d in directions])
    for a in written(let):
        if a in forward.activity:
            together(forward, list(parts[a]), forward.tangents[a])


def apart(forward: Any, block: Atom, t: Type) -> list[Atom]:
    """The tangents in a block, each of type `t`."""
    n, builder = forward.lanes, forward.builder
    if not isinstance(t, Array):
        return [TABLE["lane"](Operand(block, builder), i=i, to=t).atom for i in range(n)]
    outs = [builder.fresh(t) for _ in range(n)]
    results = [Result("map", (), None, out) for out in outs]
    _kernel(forward, "apart", t.dtype, [block], dims(builder, block), results)
    return list(outs)


def together(forward: Any, parts: list[Atom], into: Atom | None = None) -> Atom:
    """The block of these tangents: a new one, or written into one that there is."""
    builder, t = forward.builder, parts[0].type
    if not isinstance(t, Array):
        terms = [TABLE["in_lane"](Operand(x, builder), i=i, to=wide(t, len(parts))) for i, x in enumerate(parts)]
        return _sum(terms).atom  # type: ignore[no-any-return]
    out = builder.fresh(wide(t, len(parts))) if into is None else into
    result = Result("map", (), None, out) if into is None else Result("into", (), _all(out))
    _kernel(forward, "together", t.dtype, parts, dims(builder, parts[0]), [result])
    return out  # type: ignore[no-any-return]


def _all(array: Any) -> Access:
    n = array.type.rank
    return Access(array, (ZERO,) * n, (ONE,) * n, tuple(range(n)))


def _kernel(forward: Any, what: str, t: Scalar, inputs: list[Any], sizes: list[Atom], results: list[Result]) -> None:
    name = f"lanes.{what}.{LANES[t, forward.lanes]}"
    if name not in forward.program.functions:
        forward.program.functions[name] = _function(name, what, t, forward.lanes)
    forward.builder.current.lets.append(Kernel(name, sizes, [_all(x) for x in inputs], results).let())


def _function(name: str, what: str, t: Scalar, n: int) -> Function:
    """A block from numbers, or numbers from a block."""
    block = LANES[t, n]
    lets: list[Let] = []

    def emit(op: str, args: tuple[Atom, ...], out: Scalar, **attrs: Any) -> Var:
        lets.append(Let((Var(f"v{len(lets)}", out),), op, args, attrs))
        return lets[-1].out

    if what == "apart":
        params = [Var("x", block)]
        results: list[Atom] = [emit("lane", (params[0],), t, i=i, to=t) for i in range(n)]
    else:
        params = [Var(f"x{i}", t) for i in range(n)]
        total = emit("in_lane", (params[0],), block, i=0, to=block)
        for i, p in enumerate(params[1:], 1):
            total = emit("add", (total, emit("in_lane", (p,), block, i=i, to=block)), block)
        results = [total]
    return Function(name, params, {"entry": Block("entry", [], lets, Return(tuple(results)))}, tuple(r.type for r in results))


def _sum(terms: list[Any]) -> Any:
    total = terms[0]
    for term in terms[1:]:
        total = TABLE["add"](total, term)
    return total

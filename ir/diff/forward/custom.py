"""The derivative of an operation of the user's is the operation of the two derivatives:

    z = custom(x, y, r) {f}        ->        z, tz = custom(x, tx, y, ty, r, tr) {f'}

    f'(x, tx, z, tz, r, tr, dz, dtz) = dx, dtx    with    (dtx, dx) = jvp f at dtz along (tx, tz, tr; dz)

because the cotangent of a tangent is what a plain reverse pass calls dz, and the cotangent of a value is its tangent. So the next order is
this once more. The value of tz is the transpose of f where that is linear in dz, as the derivative of a linear map is its transpose;
else the tangent of y. Where no pullback of that is to be the derivative of a pullback, the transpose is all: it is code like other code,
and a pullback of it the exact transpose. A rule of the user's for forward mode, a function of x and tx, comes before both; what it gives is differentiated as it stands.
"""

from __future__ import annotations

import itertools
from typing import Any

from ...core import errors
from ...core.graph import Atom, Block, Call, Const, Edge, Function, Let, Program, Return, Var
from ...core.types import Array, carries_gradient
from ...ops.custom import CUSTOM, around, kept, own, values
from ...passes.delimited.outline import clone
from .jvp import TANGENTS, jvp_name
from .lanes import each_lane
from .linear import is_linear


@TANGENTS.of("custom")
def custom(forward: Any, let: Let) -> None:
    if forward.lanes == 1:
        custom_tangents(forward, let)
    else:
        each_lane(forward, let, custom_tangents)


def custom_tangents(forward: Any, let: Let) -> None:
    """One `custom` for values and tangents."""
    ys, rs = values(let), kept(let)
    xs_move, rs_move = [a in forward.activity for a in own(let)], [a in forward.activity for a in rs]
    txs = [forward.tangent(a) for a, m in zip(own(let), xs_move, strict=True) if m]
    trs = [forward.tangent(a) for a, m in zip(rs, rs_move, strict=True) if m]
    xs, zs, atoms = [forward.atom(a) for a in own(let)], [forward.values[o] for o in let.outs], [forward.atom(a) for a in rs]
    back, n = forward.program.functions[let.attrs["f"]], len(let.outs)
    attrs: dict[str, Any] = {name: let.attrs[name] for name in ("forward", "covers") if name in let.attrs}
    linear = not attrs and is_linear(forward.program, let)
    if attrs:
        n0, m0 = attrs["covers"]
        given = [*xs[:n0], *(forward.tangent(a) for a in own(let)[:n0] if carries_gradient(a.type))]
        tys = [*_called(forward, attrs["forward"], given), *(forward.tangent(y) for y in ys[m0:])]
    elif linear:
        tys = _transposed(
            forward, back, [*xs, *zs, *atoms], zs, [m for m, a in zip(xs_move, own(let), strict=True) if carries_gradient(a.type)], txs
        )
    else:
        tys = [forward.tangent(y) for y in ys]
    if linear and not forward.dual:
        forward.tangents.update(zip(let.outs, tys, strict=True))
        return
    name = derived(forward.program, back, xs_move, n, rs_move)
    args = (*map(forward.atom, ys), *tys, *xs, *txs, *atoms, *trs, *map(forward.atom, around(let)))
    attrs |= {"f": name, "own": len(xs) + len(txs), "kept": len(atoms) + len(trs)}
    outs = forward.builder.emit(CUSTOM.name, args, (*(o.type for o in let.outs),) * 2, attrs, let.site)
    forward.values.update(zip(let.outs, outs[:n], strict=True))
    forward.tangents.update(zip(let.outs, outs[n:], strict=True))


def _called(forward: Any, name: str, args: list[Atom]) -> list[Var]:
    """The results of a function, in the block that comes next."""
    builder, taken = forward.builder, {b.name for b in forward.builder.blocks}
    after = Block(next(n for n in (f"{name}.then{i}" for i in itertools.count()) if n not in taken))
    after.params = [builder.fresh(t) for t in forward.program.functions[name].results]
    builder.terminate(Call(name, tuple(args), Edge(after.name)))
    builder.blocks.append(after)
    builder.enter(after)
    return after.params


def _transposed(forward: Any, back: Function, given: list[Atom], zs: list[Var], moved: list[bool], txs: list[Atom]) -> list[Atom]:
    """The tangents tz of which tx are the cotangents: <dx, tx> = <dz, tz>."""
    nowhere = [forward.zeros(z) if isinstance(z.type, Array) else Const(0.0, z.type) for z in zs]
    first = len(back.params) - len(zs)
    wrt, ct = tuple(range(first, len(back.params))), tuple(i for i, m in enumerate(moved) if m)
    attrs = {"f": back.name, "wrt": wrt, "ct": ct, "cotangents": len(ct)}
    types = (*back.results, *(z.type for z in zs))
    outs = forward.builder.emit("pullback", (*given, *nowhere, *txs), types, attrs)
    return list(outs[len(back.results) :])


def derived(program: Program, back: Function, xs_move: list[bool], n: int, rs_move: list[bool]) -> str:
    """The function f' of f."""
    moved = [*xs_move, *[True] * n, *rs_move, *[True] * n]
    inner = program.functions[jvp_name(program, back.name, moved)]
    name = f"custom.{inner.name}"
    if name in program.functions:
        return name
    if not inner.blocks:
        raise errors.UnsupportedOperationError(
            f"the second half of the operation `{back.name.split('.')[0]}` calls a recursion that uses the operation: it has no derivative of a further order"
        )
    f = clone(inner, {inner.name: name})
    ps, ts = f.params[: len(moved)], iter(f.params[len(moved) :])
    pairs = [(p, next(ts) if m else None) for p, m in zip(ps, moved, strict=True)]
    parts = pairs[: len(xs_move)], pairs[len(xs_move) : len(xs_move) + n], pairs[len(xs_move) + n : -n], pairs[-n:]
    f.params = [v for part in parts[:3] for side in (0, 1) for v in (pair[side] for pair in part) if v is not None]
    f.params += [t for _, t in parts[3] if t is not None]  # dz is the tangent of what was dz, and dtz is at its place
    f.params += [p for p, _ in parts[3]]
    floats = [m for p, m in zip(back.params, xs_move, strict=False) if carries_gradient(p.type)]
    for block in f.blocks.values():
        t = block.terminator
        if isinstance(t, Return):
            half = len(t.args) // 2
            block.terminator = Return((*t.args[half:], *(a for a, m in zip(t.args, floats, strict=False) if m)))
    f.results = (*back.results, *(r for r, m in zip(back.results, floats, strict=True) if m))
    program.functions[name] = f
    return name

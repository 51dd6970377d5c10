"""The derivative of `pullback`: with F(x, t) = (f(x), J t),

    jvp of  dx = pullback[f](x, c)  along (tx, tc)  is  (tdx, dx) = pullback[F](x, tx; cotangents tc of y, c of ty)

because Hessians are symmetric (Pearlmutter, "Fast Exact Multiplication by the Hessian", 1994). So every order
is one reverse pass over a graph that jvp made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.graph import Atom, Let, Program, Var
from ...core.op import TABLE
from ...core.types import carries_gradient
from .jvp import TANGENTS, jvp_name
from .lanes import each_lane, has_blocks, reachable, spread


def differentiated(program: Program, let: Let, active: Sequence[bool], dual: bool) -> tuple[str, tuple[bool, ...], int]:
    """For a pullback of g: (name of F = jvp g, its mask, number of own arguments). F has tangents where an
    argument is active or a derivative is taken."""
    own = len(let.args) - let.attrs["cotangents"]
    mask = tuple(bool(active[i]) or i in let.attrs["wrt"] for i in range(own))
    return jvp_name(program, let.attrs["f"], mask, dual=dual), mask, own


@TANGENTS.of("pullback")
def pullback(forward: Any, let: Let) -> None:
    if forward.lanes == 1:
        forward.tangents.update(pullback_tangents(forward, let))
    elif by_blocks(forward.program, let.attrs["f"]):
        forward.tangents.update(block_tangents(forward, let))
    else:
        each_lane(forward, let, pullback)


def pullback_tangents(forward: Any, let: Let) -> dict[Var, Atom]:
    """Tangents of y and dx for `y, dx = pullback[g](x, c)`: one pullback of F = jvp g."""
    g = forward.program.functions[let.attrs["f"]]
    is_active = [a in forward.activity for a in let.args]
    name, mask, own = differentiated(forward.program, let, is_active, dual=True)
    wrt, ct = let.attrs["wrt"], let.attrs["ct"]
    xs, cs = let.args[:own], let.args[own:]
    floats = [i for i, t in enumerate(g.results) if carries_gradient(t)]
    args = [forward.atom(a) for a in xs] + [forward.tangent(a) for a, m in zip(xs, mask, strict=True) if m]
    new_ct, cotangents = [], []
    for r, c in zip(ct, cs, strict=True):  # of y: tc
        if c in forward.activity:
            new_ct.append(r)
            cotangents.append(forward.tangent(c))
    for r, c in zip(ct, cs, strict=True):  # of ty: c
        new_ct.append(len(g.results) + floats.index(r))
        cotangents.append(forward.atom(c))
    slot = {p: own + sum(mask[:p]) for p in wrt}
    new_wrt = (*wrt, *(slot[p] for p in wrt))
    types = [*g.results, *(g.results[i] for i in floats), *(g.params[p].type for p in wrt), *(g.params[p].type for p in wrt)]
    attrs = {"f": name, "wrt": new_wrt, "ct": tuple(new_ct), "cotangents": len(cotangents)}
    outs = forward.builder.emit("pullback", (*args, *cotangents), tuple(types), attrs)
    tangents = dict(zip((let.outs[i] for i in floats), outs[len(g.results) :], strict=False))
    tangents.update(zip(let.outs[len(g.results) :], outs[len(g.results) + len(floats) :], strict=False))
    return tangents


def block_tangents(forward: Any, let: Let) -> dict[Var, Atom]:
    """The same in several directions, for a g that knows blocks. Of F(x, T) = (f(x), J T) the derivative along S of x and W of T, lane
    by lane, is linear in both: (J S, J W + H T S). Backwards, with cotangents Tc and c, S gets J^T Tc + H T c, which is Tdx, and W gets
    dx: one reverse pass in which x and T are constants."""
    program, builder = forward.program, forward.builder
    g, own, lanes = program.functions[let.attrs["f"]], len(let.args) - let.attrs["cotangents"], forward.lanes
    wrt, xs, cs = let.attrs["wrt"], let.args[:own], let.args[own:]
    mask = [a in forward.activity or i in wrt for i, a in enumerate(xs)]
    first = jvp_name(program, g.name, mask, lanes, dual=True)
    moves = [*(i in wrt for i in range(own)), *(i in wrt for i, m in enumerate(mask) if m)]
    name = jvp_name(program, first, moves, lanes, paired=True)
    floats = [i for i, t in enumerate(g.results) if carries_gradient(t)]
    values, tangents = [forward.atom(a) for a in xs], [forward.tangent(a) for a, m in zip(xs, mask, strict=True) if m]
    still = [forward.nowhere(xs[i]) for i in (*sorted(wrt), *sorted(wrt))]
    n = len(g.results) + len(floats)  # behind the results of F: first those of y along S, then those of its tangents along W
    moved = [(n + floats.index(r), forward.tangent(c)) for r, c in zip(let.attrs["ct"], cs, strict=True) if c in forward.activity]
    fixed = [(n + len(floats) + floats.index(r), spread(forward, forward.atom(c), lanes)) for r, c in zip(let.attrs["ct"], cs, strict=True)]
    ct, cotangents = zip(*moved, *fixed, strict=True)
    place = {p: len(values) + len(tangents) + i for i, p in enumerate(sorted(wrt))}
    new_wrt = (*(place[p] for p in wrt), *(place[p] + len(wrt) for p in wrt))
    f = program.functions[name]
    attrs = {"f": name, "wrt": new_wrt, "ct": ct, "cotangents": len(ct)}
    outs = builder.emit("pullback", (*values, *tangents, *still, *cotangents), (*f.results, *(f.params[p].type for p in new_wrt)), attrs)
    found = dict(zip((let.outs[i] for i in floats), outs[len(g.results) :], strict=False))
    found.update(zip(let.outs[len(g.results) :], outs[len(f.results) : len(f.results) + len(wrt)], strict=True))
    return found


def by_blocks(program: Program, name: str) -> bool:
    """Is there nothing in a function, or in what it calls, that goes direction by direction?"""

    def each(let: Let) -> bool:
        op = TABLE[let.op]
        return (op.scalar and not op.calls) or op.nest or op.adjoint == "zero" or (TANGENTS.get(let.op) is not None and not op.calls)

    functions = reachable(program, name)
    return all(each(let) for f in functions for b in f.blocks.values() for let in b.lets) and not has_blocks(program, name)

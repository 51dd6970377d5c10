"""What is computed of a constant that a choice has given has no derivative: sqrt(max(x, 0)) where x is negative.

    %v1 = select(%c, %x, 0.0)                  %v1 = select(%c, %x, 0.0)
    %v2 = sqrt(%v1)                    ->      %g = sqrt(%v1)
                                               %v2 = gate(%c, %g) {when=True}

In reverse mode the infinite slope, times what comes back, ends at the choice; a tangent is zero there, and times the infinite slope it
would be NaN. The gate makes it the zero that it is.
"""

from __future__ import annotations

import math

from ..core.graph import Block, Const, Let, Var
from ..core.op import TABLE
from ..core.types import carries_gradient, is_float
from ..ops.table import gate
from .simplify.fold import computed

Side = tuple[Var, bool]  # a condition, and what it is where the value varies
Constants = dict[Side, Const | None]  # what the value is elsewhere, if that is known


def gate_what_is_constant(block: Block) -> bool:
    """Put gates behind the operations of a block whose slope is infinite at a constant that a choice may give."""
    held: dict[Var, Constants] = {}
    lets: list[Let] = []
    for let in block.lets:
        lets.append(let)
        if not TABLE[let.op].scalar or not let.outs or not is_float(let.out.type):
            continue
        found = _given(let, held)
        if not found:
            continue
        held[let.out] = found
        if TABLE[let.op].steady or let.attrs.get("where"):
            continue
        (v,), out = {a for a in let.args if isinstance(a, Var)}, let.out
        for number, (side, known) in enumerate(held[v].items()):
            if known is None or is_steep(let, v, known):
                inner = Var(f"{out.name}.b{number}", out.type)
                lets.append(Let((out,), gate.name, (side[0], inner), {"when": side[1]}, let.site))
                lets[-2].outs = (inner,)
    changed = len(lets) > len(block.lets)
    block.lets = lets
    return changed


def _given(let: Let, held: dict[Var, Constants]) -> Constants:
    """By the conditions under which the result does not vary what it is then."""
    if let.attrs.get("where"):
        c, *arms = let.args
        if not isinstance(c, Var):
            return {}
        found = {} if all(isinstance(a, Var) for a in arms) else next((dict(held[a]) for a in arms if isinstance(a, Var) and a in held), {})
        a, b = arms
        if isinstance(a, Var) and isinstance(b, Const):
            found[c, True] = b
        if isinstance(b, Var) and isinstance(a, Const):
            found[c, False] = a
        return found
    variables = {a for a in let.args if isinstance(a, Var)}
    if len(variables) != 1 or not callable(TABLE[let.op].rule) or TABLE[let.op].may_fail or not variables <= held.keys():
        return {}
    (v,) = variables
    return {side: _at(let, v, known) for side, known in held[v].items()} if carries_gradient(v.type) else {}


def _at(let: Let, v: Var, known: Const | None) -> Const | None:
    if known is None:
        return None
    found = computed(Let(let.outs, let.op, tuple(known if a is v else a for a in let.args), let.attrs))
    return found if isinstance(found, Const) else None


def is_steep(let: Let, v: Var, at: Const) -> bool:
    """Is the slope at this value infinite, as far as differences over 1e-6 and 1e-9 show?"""
    here = _at(let, v, at)
    if here is None or not math.isfinite(here.value):
        return True
    scale, slopes = max(1.0, abs(at.value)), []
    for h in (1e-6, 1e-9, -1e-6, -1e-9):
        there = _at(let, v, Const(at.value + h * scale, at.type))
        slopes.append(math.inf if there is None else abs(there.value - here.value) / abs(h * scale))
    return any(not b <= 1.5 * a + 1e-3 for a, b in (slopes[:2], slopes[2:]))

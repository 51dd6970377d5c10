"""What is known when the program is compiled: results of constants, neutral elements, branches on a constant."""

from __future__ import annotations

import numpy as np

from ...core.analysis import drop_unreachable, reverse_postorder
from ...core.graph import Atom, Branch, Const, Function, Jump, Let, Var, substitute
from ...core.machine import number
from ...core.op import TABLE
from ...core.types import BOOL, LANE, is_float


def fold(f: Function) -> bool:
    """An operation of constants is a constant, one with its neutral element is its other argument, a branch on a constant is a
    jump. Bit for bit: x + 0.0 is not x where x is -0.0, and x * 0.0 is no zero where x is infinite, so they stay.

    fn f(%x: f64) -> (f64) {
    entry:
      %two: f64 = add(1.0:f64, 1.0:f64)
      %more: bool = gt(%two, 1.0:f64)
      branch %more ? yes() : no()
    yes:
      %y: f64 = mul(%x, %two)
      %z: f64 = mul(%y, 1.0:f64)
      return %z
    no:
      return %x
    }
    ->
    fn f(%x: f64) -> (f64) {
    entry:
      jump yes()
    yes:
      %y: f64 = mul(%x, 2.0:f64)
      return %y
    }
    """
    mapping: dict[Var, Atom] = {}
    changed = False
    for name in reverse_postorder(f):
        block = f.blocks[name]
        kept = []
        for let in block.lets:
            if mapping and any(a in mapping for a in let.args if isinstance(a, Var)):
                let.args = tuple(look(mapping, a) for a in let.args)
            found = folded(let)
            if found is None:
                kept.append(let)
            else:
                mapping[let.out] = found
                changed = True
        block.lets = kept
        t = block.terminator
        if isinstance(t, Branch):
            cond = look(mapping, t.cond)
            if isinstance(cond, Const):
                block.terminator = Jump(t.then if cond.value else t.orelse)
                changed = True
    if mapping:
        substitute(f.blocks.values(), mapping)
    if changed:
        drop_unreachable(f)
    return changed


def look(mapping: dict[Var, Atom], a: Atom) -> Atom:
    while isinstance(a, Var) and a in mapping:
        a = mapping[a]
    return a


def folded(let: Let) -> Atom | None:
    """What an operation's result is known to be."""
    op = TABLE[let.op]
    if not op.scalar:
        return None if op.folds is None else op.folds(let)
    if not op.may_fail and not op.expensive and all(isinstance(a, Const) for a in let.args):
        return computed(let)
    args = let.args
    if op.folds is not None:
        return op.folds(let)  # type: ignore[no-any-return]
    if op.neutral is not None:
        if isinstance(args[1], Const) and args[1].value == op.neutral:
            return args[0]
        if op.commutes and isinstance(args[0], Const) and args[0].value == op.neutral:
            return args[1]
    return None


def computed(let: Let) -> Atom | None:
    """The result of an operation of constants; None where it differs between the lanes."""
    values = [number(a.value, a.type) for a in let.args]  # type: ignore[union-attr, arg-type]
    with np.errstate(all="ignore"):
        z = TABLE[let.op].body(TABLE[let.op].machine, *values, **let.attrs)
    t = let.out.type
    if t in LANE:  # a constant has one number in all of them
        return Const(float(z[0]), t) if len({repr(float(x)) for x in z}) == 1 else None
    return Const(bool(z) if t == BOOL else float(z) if is_float(t) else int(z), t)

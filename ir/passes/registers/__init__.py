"""Small arrays of known size are scalars: a loop carries them in registers, a call passes them as arguments, and so do their adjoints.

peel.py parts a loop's first iteration from those whose arrays have a known size, known.py finds the sizes, plan.py chooses, objects.py follows arrays that are written to where they go, rewrite.py writes functions anew,
elements.py their operations, kernels.py their kernels.
"""

from __future__ import annotations

from ...core.analysis import drop_unused
from ...core.graph import Const, Program, defined_vars
from ...core.types import Array
from .objects import Objects
from .peel import peel
from .plan import MOST, Plan
from .rewrite import Rewrite, signatures


def registers(program: Program) -> bool:
    """Take the small arrays of a program apart.

    fn f(%a: f64, %n: i64) -> (f64) {
    entry:
      %x: f64[2] = alloc(2:i64, %a)
      jump loop(0:i64, %x)
    loop(%i: i64, %p: f64[2]):
      %more: bool = ilt(%i, %n)
      branch %more ? body() : exit()
    body:
      %y: f64[2] = kernel(2:i64, %p, 0:i64, 1:i64) {f='each', rank=1, inputs=(('a', 0),), results=(('map',),), fails=False}
      %j: i64 = iadd(%i, 1:i64)
      jump loop(%j, %y)
    exit:
      %v: f64 = load(%p, 1:i64)
      return %v
    }

    fn each(%a: f64) -> (f64) {
    entry:
      %b: f64 = sin(%a)
      return %b
    }
    ->
    fn f(%a: f64, %n: i64) -> (f64) {
    entry:
      jump loop(0:i64, %a, %a)
    loop(%i: i64, %p.0: f64, %p.1: f64):
      %more: bool = ilt(%i, %n)
      branch %more ? body() : exit()
    body:
      %e.0: f64 = sin(%p.0)
      %e.1: f64 = sin(%p.1)
      %j: i64 = iadd(%i, 1:i64)
      jump loop(%j, %e.0, %e.1)
    exit:
      return %p.1
    }
    """
    if not _any_small(program):
        return False
    peeled = peel(program, MOST)
    plan = Plan(program)
    plan.choose()
    while plan.small:
        objects = Objects(plan)
        if not objects.bad:
            break
        plan.small -= objects.bad
        plan.moving -= objects.bad
    if not plan.small:
        return peeled
    signed = signatures(plan, objects)
    for f in plan.functions:
        if any(map(plan.root, (*f.params, *(v for b in f.blocks.values() for v in defined_vars(b))))):
            Rewrite(plan, objects, signed, f).run()
    drop_unused(program)
    return True


def _any_small(program: Program) -> bool:
    """Does it make an array of a few elements at all?"""
    return any(
        isinstance(o.type, Array) and all(isinstance(a, Const) and a.value <= MOST for a in let.args[: o.type.rank])
        for f in program.functions.values()
        for b in f.blocks.values()
        for let in b.lets
        for o in let.outs
    )


__all__ = ["registers"]

"""Calls through which no derivative flows: a binary search, a hash, a comparison of two strings.

In continuation-passing style the frames of a function wait for the way back. A function that gives no float and writes nothing but what
it has made itself has no way back: it is called as it would be without a derivative.
"""

from __future__ import annotations

from ..core.analysis import Aliases, called, references
from ..core.graph import Block, Call, Function, Jump, Let, Program, Return
from ..core.op import PLAIN, REVERSE, TABLE
from ..core.types import Array, carries_gradient
from ..ops.derivative import CHECKPOINT
from ..ops.effects import has_effects
from .loops.taped import may_be_taped


def inactive(program: Program) -> bool:
    """Such calls become operations, in functions that run backwards and keep their frames.

    fn start(%x: f64[n], %i: i64) -> (f64[n]) {
    entry:
      %y: f64, %dx: f64[n] = pullback(%x, %i, 1.0:f64) {f='f', wrt=(0,), ct=(0,), cotangents=1, own=2}
      return %dx
    }

    fn f(%x: f64[n], %i: i64) -> (f64) {
    entry:
      %c: f64[n] = copy(%x)
      store(%c, 0:i64, 2.0:f64)
      call search(%i) then found()
    found(%j: i64):
      %y: f64 = load(%c, %j)
      return %y
    }

    fn search(%i: i64) -> (i64) {
    entry:
      %k: i64 = iand(%i, 1:i64)
      return %k
    }
    ->
    fn start(%x: f64[n], %i: i64) -> (f64[n]) {
    entry:
      %y: f64, %dx: f64[n] = pullback(%x, %i, 1.0:f64) {f='f', wrt=(0,), ct=(0,), cotangents=1, own=2}
      return %dx
    }

    fn f(%x: f64[n], %i: i64) -> (f64) {
    entry:
      %c: f64[n] = copy(%x)
      store(%c, 0:i64, 2.0:f64)
      %j.found: i64 = checkpoint(%i) {f='search', apart=True}
      jump found(%j.found)
    found(%j: i64):
      %y: f64 = load(%c, %j)
      return %y
    }

    fn search(%i: i64) -> (i64) {
    entry:
      %k: i64 = iand(%i, 1:i64)
      return %k
    }
    """
    backwards = _reachable(program, {let.attrs["f"] for let in _lets(program.functions.values()) if TABLE[let.op].calls == REVERSE}, True)
    known: dict[str, bool] = {}
    changed = False
    for name in backwards:
        f = program.functions[name]
        if any(isinstance(b.terminator, Call) for b in f.blocks.values()) and not may_be_taped(f):
            for block in list(f.blocks.values()):
                t = block.terminator
                if type(t) is Call and _has_no_way_back(program, t.function, name, known):
                    _as_operation(f, block, t)
                    changed = True
    return changed


def _as_operation(f: Function, block: Block, t: Call) -> None:
    params = f.blocks[t.then.block].params
    outs = [type(p)(f"{p.name}.found", p.type) for p in params[: len(params) - len(t.then.args)]]
    block.lets.append(Let(tuple(outs), CHECKPOINT.name, t.args, {"f": t.function, "apart": True}))
    t.then.args = (*outs, *t.then.args)
    block.terminator = Jump(t.then)


def _has_no_way_back(program: Program, name: str, caller: str, known: dict[str, bool]) -> bool:
    if name not in known:
        known[name] = _gives_no_float(program, name)
    return known[name] and caller not in _reachable(program, {name})


def _gives_no_float(program: Program, name: str) -> bool:
    f = program.functions.get(name)
    if f is None or any(map(carries_gradient, f.results)) or has_effects(program, name):
        return False
    inside = {g: program.functions[g] for g in _reachable(program, {name})}
    ops = [TABLE[let.op] for let in _lets(inside.values())]
    if any(op.record or (op.calls and op.calls != PLAIN and op.adjoint == "own") for op in ops) or any(g.tag for g in inside.values()):
        return False
    aliases = Aliases(Program(inside, name))
    given = {aliases.root(p) for p in f.params if isinstance(p.type, Array)}
    if any(aliases.is_written(p) for p in given):
        return False
    for t in (b.terminator for b in f.blocks.values() if isinstance(b.terminator, Return)):
        roots = [aliases.root(a) for a in t.args if isinstance(a.type, Array)]
        if given.intersection(roots) or len(set(roots)) < len(roots):
            return False
    return True


def _lets(functions: object) -> list[Let]:
    return [let for f in functions for b in f.blocks.values() for let in b.lets]  # type: ignore[attr-defined]


def _reachable(program: Program, names: set[str], derivatives: bool = False) -> list[str]:
    """What these functions call, and with `derivatives` differentiate; they themselves first."""
    found = dict.fromkeys(n for n in names if n in program.functions)
    work = list(found)
    while work:
        f = program.functions[work.pop()]
        for g in references(f) if derivatives else called(f):
            if g in program.functions and g not in found:
                found[g] = None
                work.append(g)
    return list(found)

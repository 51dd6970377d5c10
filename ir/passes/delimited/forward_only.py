"""An operation of the user's that nobody differentiates is its value: what stands behind k is for the way back alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ...core.analysis import drop_unused, references
from ...core.graph import Atom, Function, Let, Program, Var, substitute, terminator_atoms
from ...core.op import BACKWARDS, FORWARD, REVERSE, TABLE
from ...core.types import Array
from ...ops.custom import values
from ...ops.memory import COPY


def forward_only(program: Program) -> bool:
    """Replace `custom` where no derivative is taken. An array that it gives is memory of its own.

    fn f(%x: f64) -> (f64) {
    entry:
      %y: f64 = sin(%x)
      %z: f64 = custom(%y, %x) {f='twice', own=1, kept=0}
      return %z
    }

    fn twice(%a: f64, %s: f64, %d: f64) -> (f64) {
    entry:
      %da: f64 = mul(%d, 2.0:f64)
      return %da
    }
    ->
    fn f(%x: f64) -> (f64) {
    entry:
      %y: f64 = sin(%x)
      return %y
    }
    """
    there = [let for f in program.functions.values() for b in f.blocks.values() for let in b.lets]
    if not any(TABLE[let.op].calls == BACKWARDS for let in there):
        return False
    back = _reached(program, (let.attrs["f"] for let in there if TABLE[let.op].calls in (REVERSE, FORWARD)))
    changed = any([_replace(f) for name, f in program.functions.items() if name not in back])
    drop_unused(program)
    return changed


def _reached(program: Program, names: Iterable[str]) -> set[str]:
    """Those functions, and all that they call, run in kernels, or differentiate."""
    found, work = set[str](), list(names)
    while work:
        name = work.pop()
        if name not in found:
            found.add(name)
            work += references(program.functions[name])
    return found


def _replace(f: Function) -> bool:
    uses: Counter[Atom] = Counter()
    for b in f.blocks.values():
        uses.update(a for let in b.lets for a in let.args)
        uses.update(terminator_atoms(b.terminator))
    known: dict[Var, Atom] = {}
    changed = False
    for b in f.blocks.values():
        lets = list[Let]()
        for let in b.lets:
            if TABLE[let.op].calls != BACKWARDS:
                lets.append(let)
                continue
            changed = True
            for o, y in zip(let.outs, values(let), strict=True):
                here = any(y in x.outs for x in lets if TABLE[x.op].allocates)  # each time anew, if in a loop
                if isinstance(o.type, Array) and (uses[y] > 1 or not here):
                    lets.append(Let((o,), COPY.name, (y,), {}, let.site))
                else:
                    known[o] = y
        b.lets = lets
    substitute(f.blocks.values(), known)
    return changed

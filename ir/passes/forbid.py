"""Arrays that cannot be written."""

from __future__ import annotations

from ..core.analysis import Aliases, drop_unreachable
from ..core.graph import Fail, Function, Program, Site, Var
from ..core.op import TABLE, written
from ..core.types import Array

READ_ONLY = "assignment destination is read-only"


def forbid(program: Program) -> bool:
    """Where the program writes into one of the entry's read-only arrays, it ends with NumPy's error.

    the entry cannot write to 0
    fn f(%a: f64[?], %i: i64) -> (f64) {
    entry:
      %y: f64 = load(%a, %i)
      store(%a, %i, 1.0:f64) @ "model.py":2 "f"
      return %y
    }
    ->
    fn f(%a: f64[?], %i: i64) -> (f64) {
    entry:
      %y: f64 = load(%a, %i)
      fail raise "assignment destination is read-only" @ "model.py":2 "f"
    }
    """
    if not program.read_only:
        return False
    f = program.functions[program.entry]
    aliases = Aliases(program)
    for i in program.read_only:
        root = aliases.root(f.params[i])
        for g in program.functions.values():
            for block in g.blocks.values():
                at = next((k for k, let in enumerate(block.lets) if any(aliases.root(v) is root for v in written(let))), None)
                if at is None:
                    continue
                if _sources(program, aliases, root) > 1:  # which of them it is, is known when it is too late
                    raise ValueError(READ_ONLY)
                site = block.lets[at].site or Site("", 0, g.name)
                block.terminator = Fail(
                    "raise", READ_ONLY, Site(site.filename, site.line, site.function, site.detail, ValueError(READ_ONLY))
                )
                del block.lets[at:]
    for g in program.functions.values():
        drop_unreachable(g)
    program.read_only = ()
    return True


def _sources(program: Program, aliases: Aliases, root: Var) -> int:
    """How many arrays are in an alias class: parameters from outside, and what operations make."""

    def made(f: Function) -> list[Var]:
        own = [o for b in f.blocks.values() for let in b.lets if not TABLE[let.op].aliases for o in let.outs]
        return [*f.params, *own] if f.name == program.entry else own

    return sum(isinstance(v.type, Array) and aliases.root(v) is root for f in program.functions.values() for v in made(f))

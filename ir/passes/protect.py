"""Whose arrays a program may write into. Compiled code writes into its caller's arrays where the function does; what is
differentiated is evaluated at a point, and keeps it: there each parameter that is written is first copied.

Only entries from outside count: functions that `pullback` or `pushforward` name, and the program's entry where it is a
transform's (`Program.keeps`).
"""

from __future__ import annotations

from ..core import errors
from ..core.analysis import Aliases
from ..core.graph import Let, Program, Var, substitute
from ..core.op import TABLE
from ..core.types import Array
from ..ops.memory import COPY


def protect(program: Program) -> bool:
    """Insert the copies. Writing into a captured array of an enclosing function is an error.

    the entry keeps its arguments
    fn f(%a: f64[?], %i: i64) -> (f64) {
    entry:
      store(%a, %i, 1.0:f64)
      %y: f64 = load(%a, 0:i64)
      return %y
    }
    ->
    fn f(%a: f64[?], %i: i64) -> (f64) {
    entry:
      %a.copy: f64[?] = copy(%a)
      store(%a.copy, %i, 1.0:f64)
      %y: f64 = load(%a.copy, 0:i64)
      return %y
    }
    """
    own = {program.entry: len(program.functions[program.entry].params)} if program.keeps else {}
    program.keeps, changed = False, program.keeps  # from here on the program itself sees to it
    for f in program.functions.values():
        for block in f.blocks.values():
            for let in block.lets:
                if TABLE[let.op].derivative:
                    own[let.attrs["f"]] = let.attrs.get("own", len(program.functions[let.attrs["f"]].params))
    aliases = Aliases(program)
    for name, n in own.items():
        f = program.functions[name]
        mapping = {}
        lets = []
        for i, p in enumerate(f.params):
            if not isinstance(p.type, Array) or not aliases.is_written(p):
                continue
            if i >= n:
                raise errors.UnsupportedOperationError(
                    f"the differentiated function `{name}` writes into an array of the function around it: pass the array as an argument and return it"
                )
            new = Var(f"{p.name}.copy", p.type)
            mapping[p] = new
            lets.append(Let((new,), COPY.name, (p,)))
        if mapping:
            changed = True
            substitute(f.blocks.values(), dict(mapping))
            f.entry.lets[:0] = lets
    return changed


def written_arguments(program: Program) -> list[int]:
    """The parameters of the program's entry that it may write into: arrays of the caller."""
    params = program.functions[program.entry].params
    arrays = [i for i, p in enumerate(params[: len(params) - len(program.constants)]) if isinstance(p.type, Array)]
    if not arrays:
        return []
    aliases = Aliases(program)
    return [i for i in arrays if aliases.is_written(params[i])]

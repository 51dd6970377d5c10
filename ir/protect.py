"""Whose arrays a program may write into. Compiled code writes into its caller's arrays where the function does; what is
differentiated is evaluated at a point, and keeps it: there each parameter that is written is first copied.

    fn f(%a: f64[?]) { store(%a, ..) }   ->   fn f(%a: f64[?]) { %b = copy(%a); store(%b, ..) }

Only entries from outside count: functions that `pullback` or `pushforward` name, and the program's entry where it is a
transform's.
"""

from __future__ import annotations

from . import errors
from .activity import Aliases
from .graph import Let, Program, Var, substitute
from .types import Array


def protect(program: Program, in_place: bool = False) -> None:
    """Insert the copies, but for the program's own parameters if `in_place`. Writing into a captured array of an enclosing
    function is an error."""
    own: dict[str, int] = {} if in_place else {program.entry: len(program.functions[program.entry].params)}
    for f in program.functions.values():
        for block in f.blocks.values():
            for let in block.lets:
                if let.op in ("pullback", "pushforward"):
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
            lets.append(Let((new,), "copy", (p,)))
        if mapping:
            substitute(f.blocks.values(), dict(mapping))
            f.entry.lets[:0] = lets


def written_arguments(program: Program) -> list[int]:
    """The parameters of the program's entry that it may write into: arrays of the caller."""
    params = program.functions[program.entry].params
    arrays = [i for i, p in enumerate(params[: len(params) - len(program.constants)]) if isinstance(p.type, Array)]
    if not arrays:
        return []
    aliases = Aliases(program)
    return [i for i in arrays if aliases.is_written(params[i])]

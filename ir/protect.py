"""A function never changes its caller's arrays: where compiled or differentiated code writes into a parameter,
the function first copies it.

    fn f(%a: f64[?]) { store(%a, ..) }   ->   fn f(%a: f64[?]) { %b = copy(%a); store(%b, ..) }

Only entries from outside count: the program's entry, and functions that `pullback` or `pushforward` name.
"""

from __future__ import annotations

from . import errors
from .activity import Aliases
from .graph import Let, Program, Var, substitute
from .types import Array


def protect(program: Program) -> None:
    """Insert the copies. Writing into a captured array of an enclosing function is an error."""
    own: dict[str, int] = {program.entry: len(program.functions[program.entry].params)}
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

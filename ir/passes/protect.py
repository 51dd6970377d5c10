"""Whose arrays a program may write into. Compiled code writes into its caller's arrays where the function does; what is
differentiated is evaluated at a point, and keeps it: there each parameter that is written is first copied.

    fn f(%a: f64[?]) { store(%a, ..) }   ->   fn f(%a: f64[?]) { %b = copy(%a); store(%b, ..) }

Only entries from outside count: functions that `pullback` or `pushforward` name, and the program's entry where it is a
transform's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core import errors
from ..core.aliases import Aliases
from ..core.builder import drop_unreachable
from ..core.graph import Fail, Function, Let, Program, Site, Var, substitute
from ..core.kernel import written
from ..core.types import Array


@dataclass(frozen=True)
class Case:
    """What is particular about the arrays of a call: some cannot be written, and some are parts of one array. The program for it
    has for each group that array in the place of the group's first leaf, and for each of its leaves two more arguments, the
    start and the size of its part along `axis`."""

    read_only: tuple[int, ...] = ()
    groups: tuple[tuple[int, tuple[int, ...]], ...] = ()  # (axis, leaves)

    @property
    def numbers(self) -> int:
        """How many arguments come after the leaves."""
        return 2 * sum(len(leaves) for _, leaves in self.groups)

    def names(self, names: Sequence[str]) -> list[str]:
        """Names for those."""
        return [f"{what} of {names[i] if i < len(names) else i}" for _, leaves in self.groups for i in leaves for what in ("start", "size")]


USUAL = Case()


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


def forbid(program: Program, read_only: tuple[int, ...]) -> None:
    """Where the program writes into one of these arrays, which cannot be written, it ends with NumPy's error."""
    f = program.functions[program.entry]
    aliases = Aliases(program)
    for i in read_only:
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


READ_ONLY = "assignment destination is read-only"


def _sources(program: Program, aliases: Aliases, root: Var) -> int:
    """How many arrays are in an alias class: parameters from outside, and what operations make."""

    def made(f: Function) -> list[Var]:
        own = [o for b in f.blocks.values() for let in b.lets if let.op != "reshape" for o in let.outs]
        return [*f.params, *own] if f.name == program.entry else own

    return sum(isinstance(v.type, Array) and aliases.root(v) is root for f in program.functions.values() for v in made(f))


def written_arguments(program: Program) -> list[int]:
    """The parameters of the program's entry that it may write into: arrays of the caller."""
    params = program.functions[program.entry].params
    arrays = [i for i, p in enumerate(params[: len(params) - len(program.constants)]) if isinstance(p.type, Array)]
    if not arrays:
        return []
    aliases = Aliases(program)
    return [i for i in arrays if aliases.is_written(params[i])]

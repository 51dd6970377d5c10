"""The nodes of the graph: a closed set.

A `Program` is a dict of functions. A `Function` has parameters and blocks (continuations with parameters);
the first block is its entry and takes none. A `Block` is a run of `Let`s and ends in a terminator that passes
values on. A block may use the variables of every block that dominates it (Kennedy, "Compiling with
Continuations, Continued", ICFP 2007), so `if`, `while`, `for`, `break` and `return` are all jumps.

Arrays are references: `store` writes memory, `load` reads it, and Lets run in the order they stand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Union

from .dims import Names
from .errors import LanternError
from .types import Type


class Var:
    """A variable, bound once. Equality is identity; `name` is for people and is unique in its function."""

    __slots__ = ("name", "type")

    def __init__(self, name: str, type: Type) -> None:
        self.name, self.type = name, type

    def __repr__(self) -> str:
        return f"%{self.name}"


@dataclass(frozen=True)
class Const:
    """A scalar literal; `value` is a Python float, int or bool according to `type`."""

    value: Any
    type: Type


Atom = Union[Var, Const]


def same_atom(a: Atom, b: Atom) -> bool:
    """Are they the same variable, or the same number to the last bit?"""
    return a is b or (isinstance(a, Const) and isinstance(b, Const) and a.type == b.type and repr(a.value) == repr(b.value))


def cell_of(filename: str) -> str:
    """What IPython calls the cell that is compiled under that name; "" if it is a file."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    found = getattr(getattr(shell, "compile", None), "format_code_name", lambda name: None)(filename)
    return " ".join(found or ())


def line_of(filename: str, line: int) -> str:
    """A line of a file or of a cell, in words."""
    cell = cell_of(filename)
    return f"{cell}, line {line}" if cell else f"{filename}:{line}"


@dataclass(frozen=True)
class Site:
    """Where in the user's source an operation stands that may fail at run time."""

    filename: str
    line: int
    function: str
    detail: str = ""
    exception: Any = None  # the user's own exception, for a staged `raise`
    origin: Site | None = field(default=None, compare=False, repr=False)  # of the operation that this one's was derived from
    span: tuple[int, ...] | None = field(default=None, compare=False, repr=False)  # of the expression: lines and columns (sites.located)
    asked: bool = field(default=False, compare=False, repr=False)  # it is there because places were asked for, and not for errors

    def __str__(self) -> str:
        return f"{line_of(self.filename, self.line)} in {self.function}"


@dataclass(eq=False)
class Let:
    """`outs = op(args) {attrs}`: one operation of the table (op.py), or `pullback` / `pushforward`. One that may `contract` is a term of
    an adjoint: a multiplication and an addition may be rounded once."""

    outs: tuple[Var, ...]
    op: str
    args: tuple[Atom, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    site: Site | None = None
    contract: bool = False

    @property
    def out(self) -> Var:
        return self.outs[0]


@dataclass(eq=False)
class Edge:
    """A jump's target and the values it passes to the target's parameters."""

    block: str
    args: tuple[Atom, ...] = ()


@dataclass(eq=False)
class Jump:
    edge: Edge


@dataclass(eq=False)
class Branch:
    """`rare`: it seldom goes to `then`."""

    cond: Atom
    then: Edge
    orelse: Edge
    rare: bool = False


@dataclass(eq=False)
class Call:
    """Call `function`, then continue at `then`, whose first parameters are the results."""

    function: str
    args: tuple[Atom, ...]
    then: Edge


@dataclass(eq=False)
class Shift(Call):
    """Call `function`, which may call the rest of what the nearest function of prompt `tag` does, from `then` on, as `k`; what it
    returns that function returns. The results of `then` are what k is given. Until passes/delimited/continuations.py has made functions of it."""

    tag: str = ""
    k: str = ""
    site: Site | None = None


@dataclass(eq=False)
class Return:
    args: tuple[Atom, ...]


@dataclass(eq=False)
class Fail:
    """Raise the error `kind` (a key of lantern_jit.ir.core.faults.KINDS) with `message` at `site`."""

    kind: str
    message: str
    site: Site | None = None


Terminator = Union[Jump, Branch, Call, Return, Fail]


@dataclass(eq=False)
class Block:
    name: str
    params: list[Var] = field(default_factory=list)
    lets: list[Let] = field(default_factory=list)
    terminator: Terminator | None = None


@dataclass(eq=False)
class Function:
    """`results` are the types of what `Return` passes on; `tag` is the prompt whose shifts end here, if there is one. `inline`: "always",
    "never", or "" where that is left to the back end. `parts`: it is a loop from its first parameter to before its second, any parts
    of which may run at the same time, and whose results are sums (diff/loops/parts.py): units of work of an iteration, and the parameters whose
    elements many iterations read."""

    name: str
    params: list[Var]
    blocks: dict[str, Block]
    results: tuple[Type, ...] = ()
    tag: str = ""
    inline: str = ""
    parts: tuple[int, ...] = ()

    @property
    def entry(self) -> Block:
        return next(iter(self.blocks.values()))

    @property
    def returned(self) -> tuple[Atom, ...]:
        """What a function of one block returns."""
        t = self.entry.terminator
        assert isinstance(t, Return)
        return t.args


class Closed(dict[str, Function]):
    """The functions of a closed program: whoever runs or emits it needs no other, and may change none."""

    def __setitem__(self, name: str, f: Function) -> None:
        raise LanternError(f"internal error: the program is closed, and `{name}` is none of its functions")

    def __delitem__(self, name: str) -> None:
        raise LanternError(f"internal error: the program is closed, and `{name}` belongs to it")


@dataclass(eq=False)
class Program:
    """Functions by name; `entry` is called from outside. Its last parameters are the arrays in `constants`. `recipes` are
    what `host` operations have Python do (host.py). `keeps`: the entry is to leave its arguments as they are (protect.py sees to it);
    `read_only`: those of its parameters that cannot be written (forbid.py). `reverses`: how its functions run backwards, from when it
    is closed (diff/close.py). `pieces`: how long loops that are differentiated are cut, None if they are not (diff/loops/pieces.py).
    `threads`: how many may run parts of loops; `whole`: loops that have none: why, and where (diff/loops/parts.py). `nans`: it is to
    raise where one appears (passes/nans.py)."""

    functions: dict[str, Function]
    entry: str
    constants: list[Any] = field(default_factory=list)
    recipes: list[Any] = field(default_factory=list)
    keeps: bool = False
    read_only: tuple[int, ...] = ()
    reverses: Any = None
    pieces: Any = None
    threads: int = 1
    whole: dict[str, tuple[str, Site | None]] = field(default_factory=dict, compare=False)
    nans: bool = False
    unrolled: list[tuple[Site, int, str]] = field(
        default_factory=list, compare=False
    )  # loops that ran while tracing, if places are asked for
    symbols: Names = field(default_factory=Names, compare=False)  # of the dimensions in its types


def edges(terminator: Terminator | None) -> list[Edge]:
    """The edges that leave a block through `terminator`."""
    if isinstance(terminator, Jump):
        return [terminator.edge]
    if isinstance(terminator, Branch):
        return [terminator.then, terminator.orelse]
    if isinstance(terminator, Call):
        return [terminator.then]
    return []


def passed(terminator: Terminator | None, edge: Edge, target: Block) -> list[tuple[Var, Atom]]:
    """Pairs (parameter, value) that `edge` passes; the results of a `Call` come first and have no value here."""
    skip = len(target.params) - len(edge.args)
    return list(zip(target.params[skip:], edge.args, strict=True))


def terminator_atoms(terminator: Terminator | None) -> Iterator[Atom]:
    """Every atom that `terminator` mentions."""
    if isinstance(terminator, Branch):
        yield terminator.cond
    if isinstance(terminator, (Call, Return)):
        yield from terminator.args
    for edge in edges(terminator):
        yield from edge.args


def used_vars(block: Block) -> Iterator[Var]:
    """The variables that `block` mentions, in order, with repeats."""
    for let in block.lets:
        yield from (a for a in let.args if isinstance(a, Var))
    yield from (a for a in terminator_atoms(block.terminator) if isinstance(a, Var))


def defined_vars(block: Block) -> Iterator[Var]:
    """The variables that `block` binds."""
    yield from block.params
    for let in block.lets:
        yield from let.outs


def substitute(blocks: Iterable[Block], mapping: dict[Var, Atom]) -> None:
    """Replace variables by atoms in place, following chains in `mapping`."""

    def look(a: Atom) -> Atom:
        while isinstance(a, Var) and a in mapping:
            a = mapping[a]
        return a

    for block in blocks:
        for let in block.lets:
            if any(a in mapping for a in let.args if isinstance(a, Var)):
                let.args = tuple(look(a) for a in let.args)
        block.terminator = map_terminator(block.terminator, look)


def map_terminator(t: Terminator | None, look: Any) -> Terminator | None:
    """A copy of `t` with every atom `a` replaced by `look(a)`."""

    def edge(e: Edge) -> Edge:
        return Edge(e.block, tuple(look(a) for a in e.args))

    if isinstance(t, Jump):
        return Jump(edge(t.edge))
    if isinstance(t, Branch):
        return Branch(look(t.cond), edge(t.then), edge(t.orelse), t.rare)
    if isinstance(t, Shift):
        return Shift(t.function, tuple(look(a) for a in t.args), edge(t.then), t.tag, t.k, t.site)
    if isinstance(t, Call):
        return Call(t.function, tuple(look(a) for a in t.args), edge(t.then))
    if isinstance(t, Return):
        return Return(tuple(look(a) for a in t.args))
    return t

"""What is known of the arrays of a reverse function before it is emitted: which adjoints need no zeros, which are made late, which
elements are put back; and with it the functions of its kernels."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace

from ..core.analysis import call_graph_cycles, called, find_loops
from ..core.graph import Let, Program, Return, Var
from ..core.op import TABLE, written
from ..core.types import Array
from .activity import Activity
from .adjoint import KernelAdjoint
from .cps import has_adjoint
from .loops.coverage import ReadBack, carried_covers, covering_kernels, local_arrays, tiny_arrays
from .loops.turns import Turns, adjoints_in_turns, elements_in_turns
from .reverse import Reverse, Reverses
from .ways import Adjoint, Given, Places, WholeAdjoint


@dataclass
class Memory:
    """`firsts` are kernels that are the first to touch an adjoint, which they write, each with its array: is it known that they write all
    of it? `covered` the arrays whose
    adjoints need no zeros; `late` those whose adjoints are made when the way back begins; `tiny` small arrays in registers, with their sizes; `turns` the new arrays of loops
    whose adjoints take turns, `shared` those whose elements do."""

    firsts: dict[tuple[Let, Var], bool] = field(default_factory=dict)
    covered: set[Var] = field(default_factory=set)
    late: list[Var] = field(default_factory=list)
    tiny: dict[Var, int] = field(default_factory=dict)
    turns: dict[Var, Turns] = field(default_factory=dict)
    shared: dict[Var, Turns] = field(default_factory=dict)
    adjoints: dict[Let, Adjoint] = field(default_factory=dict)


def remember(program: Program, rev: Reverse, reverses: Reverses) -> Memory:
    """All of it for one reverse function; the functions of its kernels go into the program."""
    f, activity, aliases = rev.function, rev.activity, reverses.aliases
    lets = [let for b in f.blocks.values() for let in b.lets]
    memory = Memory(tiny=tiny_arrays(f, aliases))
    ways = [let for let in lets if _has_way(let, activity)]
    if not ways and not any(TABLE[let.op].nest for let in lets):
        return memory
    own = [o for let in lets if not TABLE[let.op].aliases for o in let.outs if isinstance(o.type, Array)]
    firsts = covering_kernels(f, own, activity, aliases) | rev.firsts
    carried, passed = carried_covers(f, activity, aliases)
    memory.firsts, memory.covered = firsts | dict.fromkeys(carried, True), {v for _, v in firsts} | passed
    memory.late = [v for v in local_arrays(f, own, activity, aliases) if v not in memory.tiny]
    memory.turns = {x.made: x for x in adjoints_in_turns(f, activity, aliases) if x.made not in memory.tiny}
    names = {let: f"{rev.name}.{i}" for i, let in enumerate(ways)}
    kernels = {let: KernelAdjoint(program, let, activity, name) for let, name in names.items() if TABLE[let.op].nest}
    back = ReadBack(f, aliases, lambda let: kernels[let].reads() if let in kernels else ())
    memory.shared = {x.made: x for x in elements_in_turns(f, aliases, back.within) if x.made not in memory.tiny}
    for let, name in names.items():
        mine = {v for x, v in firsts if x is let}
        carries = {v for x, v in carried if x is let}
        places = Places(mine | carries, functools.partial(back.before, let), aliases.root, _Known(reverses, let).as_, aliases.join)
        if let in kernels:
            whole = {v for v in mine if firsts[let, v]}
            memory.adjoints[let] = kernels[let].make(places, kernels[let].keeps_partials(whole - set(memory.late)))
        else:
            memory.adjoints[let] = WholeAdjoint(program, let, activity, places).make(name)
    return memory


def _has_way(let: Let, activity: Activity) -> bool:
    """Does a function of its own run it backwards? What writes whole arrays is undone in any case."""
    op = TABLE[let.op]
    return bool(written(let) and not op.indexed) or (op.adjoint in ("function", "pullback") and has_adjoint(let, activity))


def remember_all(program: Program, reverses: Reverses, called: dict[str, Reverse], started: dict[str, Reverse]) -> None:
    """For all functions that are called in reverse, and those that reverse passes start with."""
    for rev in started.values():
        first = from_the_start(program, rev, reverses)
        if first is rev:
            called = {**called, rev.name: rev}
        else:
            reverses.starts[rev.name] = first
            first.memory = remember(program, first, reverses)
    for rev in called.values():
        rev.memory = remember(program, rev, reverses)


class _Known:
    """Enters the arrays of a kernel's functions into what is known of arrays: a parameter is the array it stands for, and adjoints are
    one class for each class of arrays. What the kernel itself makes is new."""

    def __init__(self, reverses: Reverses, let: Let) -> None:
        self.reverses, self.let = reverses, let

    def as_(self, given: Given, parameter: Var) -> None:
        what, v = given
        if what == "kept" or v in self.let.outs:
            return
        self.reverses.aliases.join(parameter, v if what == "value" else self.reverses.adjoint_class(v))


def from_the_start(program: Program, rev: Reverse, reverses: Reverses) -> Reverse:
    """The reverse function that a reverse pass starts with: one of its own where kernels are the first to touch an adjoint of a parameter,
    and run whenever it returns."""
    f = rev.function
    ends = [n for n, b in f.blocks.items() if isinstance(b.terminator, Return)]
    inside = {b for loop in find_loops(f).values() for b in loop.blocks}
    if len(ends) != 1 or ends[0] in inside or f.name in recursive(program):
        return rev
    params = [p for p, m in zip(f.params, rev.mask, strict=True) if m and isinstance(p.type, Array)]
    here = set(f.blocks[ends[0]].lets)
    found = {first: whole for first, whole in covering_kernels(f, params, rev.activity, reverses.aliases).items() if first[0] in here}
    return replace(rev, name=f"{rev.name}.fresh", firsts=found) if found else rev


def recursive(program: Program) -> set[str]:
    """The functions that may call themselves."""
    return call_graph_cycles({n: {*called(f)} for n, f in program.functions.items()})

"""Arrays that take turns: what each iteration of a loop makes anew, and what is of no use to those after it, has one memory.

    loop(%y: f64[n]):  ..  %next: f64[n] = kernel(%y) ..  jump loop(%next)

On the way back an iteration reads the adjoint of %next and adds to that of %y. The one before it, whose %next that is, has no use for the first
any more: it is the memory of what that iteration adds to. So two adjoints are enough for all iterations, and one more for each other name by
which the loop carries the array on (`u_before, u = u, next`). The same is true of the elements themselves on the way there, where the way back
does not read them; then what lives in its iteration alone needs one memory.

They are made where the loop is entered, and an iteration takes the first that none of the head's parameters has. Adjoints that nobody has are
zero, but for those that a kernel writes first (coverage.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ...core.analysis import Aliases, Loop, find_loops
from ...core.dims import UNKNOWN
from ...core.graph import Atom, Call, Const, Edge, Function, Let, Var, defined_vars, edges, terminator_atoms
from ...core.kernel import made_with
from ...core.op import TABLE
from ...core.types import Array
from ..activity import Activity


@dataclass(frozen=True)
class Turns:
    """`made` is the new array of each iteration of the loop at `head`, `holders` are the head's parameters that are such arrays of the
    iterations before, the last one's first. `like` is an array as large that the head is given. `what` has turns: "elements" or "adjoint"."""

    what: str
    head: str
    made: Var
    holders: tuple[Var, ...]
    like: Var

    @property
    def pointer(self) -> str:
        """Where frames have the memory of this iteration."""
        return f"{self.what}.{self.made.name}"

    @property
    def fields(self) -> list[str]:
        """All of them, in the loop's record."""
        return [f"{self.pointer}.{i}" for i in range(len(self.holders) + 1)]

    @property
    def sizes(self) -> str:
        """There, an array as large."""
        return f"{self.pointer}.like"


def adjoints_in_turns(f: Function, activity: Activity, aliases: Aliases) -> Iterator[Turns]:
    """The adjoints of what loops carry."""
    loops = find_loops(f)
    for head, loop in loops.items():
        edge = _back(f, loop)
        for v in _made(f, loop, loops) if edge is not None else ():
            holders = _holders(f, loop, edge, v, aliases, activity) if edge is not None and v in activity else ()
            if holders:
                yield Turns("adjoint", head, v, holders, holders[0])


def elements_in_turns(f: Function, aliases: Aliases, is_read: Callable[[Var, Loop, list[str]], bool]) -> Iterator[Turns]:
    """The elements of what loops carry, and of what lives in an iteration. `is_read` says of an array whether the way back of the loop
    reads it, some of whose blocks run once in an iteration."""
    loops = find_loops(f)
    for head, loop in loops.items():
        edge = _back(f, loop)
        given = [p for p in f.blocks[head].params if isinstance(p.type, Array)]
        if edge is None or not given:
            continue
        for v, let in _made(f, loop, loops).items():
            like = next((p for p in given if p.type == v.type), None)
            if like is None or not _is_simple(let) or is_read(v, loop, _once(loop, loops)):
                continue
            holders = _holders(f, loop, edge, v, aliases)
            if holders or (v not in edge.args and _are_apart(f, loop, (v,), aliases)):
                yield Turns("elements", head, v, holders, like)


def _made(f: Function, loop: Loop, loops: dict[str, Loop]) -> dict[Var, Let]:
    """The new arrays of known sizes of an iteration, and what makes them."""
    lets = [let for n in _once(loop, loops) for let in f.blocks[n].lets if TABLE[let.op].allocates and not TABLE[let.op].record]
    found = {o: let for let in lets for i, o in enumerate(let.outs) if i not in dict(TABLE[let.op].aliases)}
    return {v: let for v, let in found.items() if isinstance(v.type, Array) and UNKNOWN not in v.type.dims}


def _once(loop: Loop, loops: dict[str, Loop]) -> list[str]:
    """The blocks that are in no loop further in."""
    inner = {n for head in loop.blocks if head != loop.head and head in loops for n in loops[head].blocks}
    return [n for n in loop.blocks if n not in inner]


def _is_simple(let: Let) -> bool:
    """Can its arrays be given to it: those of a kernel that are whole, and zeros?"""
    op = TABLE[let.op]
    if op.nest:
        return all(kind[0] in ("map", "into", "fresh", "drop") for kind in let.attrs["results"])
    return (
        op.fills
        and (let.attrs.get("fill") is False or (isinstance(let.args[-1], Const) and let.args[-1].value == 0))
        and bool(made_with(let))
    )


def _back(f: Function, loop: Loop) -> Edge | None:
    """The way to the next iteration, if there is one alone, and no call on it."""
    if len(loop.latches) != 1 or isinstance(f.blocks[loop.head].terminator, Call):
        return None
    t = f.blocks[loop.latches[0]].terminator
    back = [e for e in edges(t) if e.block == loop.head]
    return back[0] if len(back) == 1 and not isinstance(t, Call) else None


def _holders(f: Function, loop: Loop, edge: Edge, v: Var, aliases: Aliases, activity: Activity | None = None) -> tuple[Var, ...]:
    """The parameters of a head that have an array of the iterations before, the last one's first; none if it has other names."""
    holder = dict(zip(edge.args, f.blocks[loop.head].params, strict=True))
    found: list[Var] = []
    at: Atom = v
    while at in holder and (activity is None or holder[at] in activity) and holder[at] not in found:
        at = holder[at]
        found.append(at)
    own = (v, *found)
    if any(p.type != v.type for p in found) or any(edge.args.count(a) > 1 for a in own):
        return ()
    return tuple(found) if found and _are_apart(f, loop, own, aliases) else ()


def _are_apart(f: Function, loop: Loop, own: tuple[Var, ...], aliases: Aliases) -> bool:
    """Has nothing else in the loop a name for these arrays that goes from block to block, or into a record?"""
    root = aliases.root(own[0])
    for n in loop.blocks:
        b = f.blocks[n]
        names = [v for v in defined_vars(b) if isinstance(v.type, Array) and v not in own and aliases.root(v) is root]
        far = {*b.params, *terminator_atoms(b.terminator)}
        if any(v in far for v in names):
            return False
        if any(a in own or a in names for let in b.lets if TABLE[let.op].record for a in let.args):
            return False
    return True

"""Adjoint arrays that need no zeros: a loop that reads every element once writes each adjoint element first.

Where the reverse pass of `for i in range(a, n): ... x[i] ...` is the first thing that touches the adjoint of x, it may
store instead of add, and only the elements outside of a..n have to be zero before. (Sum of squares over 1e6 elements:
1.9 -> 1.0 of C, which writes its gradient once.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass

from ...core.analysis import Aliases, Loop, dominators, find_loops, predecessors, reverse_postorder
from ...core.dims import Dim
from ...core.graph import Atom, Call, Const, Function, Jump, Let, Return, Var, defined_vars, edges, terminator_atoms
from ...core.kernel import Access, Gather, kernel_of, made_with
from ...core.op import TABLE, written
from ...core.types import I64, Array
from ...ops.memory import codes
from ...passes.sizes import Sizes
from ..activity import Activity, all_vars
from ..cps import has_adjoint
from ..reverse import Reverse
from .policies import Plan


@dataclass(frozen=True)
class Cover:
    """`load` is the first to add to the adjoint of the parameter `array`, of the elements offset + i for start <= i < limit."""

    array: Var
    load: Let
    head: str
    start: Atom
    limit: Atom
    offset: Atom


def covers(rev: Reverse, aliases: Aliases, plans: dict[str, Plan]) -> dict[Let, Cover]:
    """The covering loads of a reverse function, for the loops in `plans`, which are replayed. Each array has one at most."""
    f = rev.function
    found: dict[Let, Cover] = {}
    above = dominators(f)
    ends = [n for n, b in f.blocks.items() if isinstance(b.terminator, Return)]
    for p, active in zip(f.params, rev.mask, strict=True):
        if active and isinstance(p.type, Array) and p.type.rank == 1 and _is_alone(f, p, aliases):
            for plan in plans.values():
                cover = _cover(f, p, rev.activity, plan, above, ends)
                if cover is not None:
                    found[cover.load] = cover
                    break
    return found


def covering_kernels(f: Function, variables: Iterable[Var], activity: Activity, aliases: Aliases) -> dict[tuple[Let, Var], bool]:
    """Kernels that are the last to use an array, each element of it exactly once: backwards they are the first to touch its
    adjoint, and write it. Only arrays that one block alone uses, under this one name, are looked at. Of each: is it known that there
    are no more elements? (`for i in range(len(x)): .. x[i] * y[i]`: y may be longer.)"""
    found: dict[tuple[Let, Var], bool] = {}
    named: dict[Var, set[Var]] = {}
    users: dict[Var, list[tuple[str, int, Let | None]]] = {}
    for name, b in f.blocks.items():
        for v in [*b.params, *(o for let in b.lets for o in let.outs)]:
            if isinstance(v.type, Array):
                named.setdefault(aliases.root(v), set()).add(v)
        for i, let in enumerate(b.lets):
            for a in dict.fromkeys(let.args):
                if isinstance(a, Var) and isinstance(a.type, Array) and not TABLE[let.op].measures:
                    users.setdefault(a, []).append((name, i, let))
        for a in terminator_atoms(b.terminator):
            if isinstance(a, Var) and isinstance(a.type, Array):
                users.setdefault(a, []).append((name, -1, None))
    home = {o: name for name, b in f.blocks.items() for let in b.lets for o in let.outs}
    sizes = Sizes(f)
    for p in f.params:
        if isinstance(p.type, Array):
            named.setdefault(aliases.root(p), set()).add(p)
    for v in variables:
        uses = users.get(v, [])
        if not uses or v not in activity or named.get(aliases.root(v)) != {v} or (v not in home and aliases.is_written(v)):
            continue  # (a new array that is written before its last use: the ways back of the writes come after that of this)
        name, _, last = uses[-1]
        if home.get(v, name) != name or last is None or not has_adjoint(last, activity):
            continue  # it may run many times, or not at all, or not on the way back
        if TABLE[last.op].nest and all(u[0] == name for u in uses) and reads_once(last, v):
            found[last, v] = reads_all(last, v, shape_of(v, sizes), sizes, {f.entry.name, name})
    return found


def local_arrays(f: Function, own: Iterable[Var], activity: Activity, aliases: Aliases) -> list[Var]:
    """New arrays that only their own block uses, and only by operations that touch adjoints on the way back alone."""
    count: dict[Var, int] = {}
    for v in all_vars(f):
        if isinstance(v.type, Array):
            root = aliases.root(v)
            count[root] = count.get(root, 0) + 1
    home = {o: name for name, b in f.blocks.items() for let in b.lets for o in let.outs}
    far: set[Var] = set()
    for name, b in f.blocks.items():
        for let in b.lets:
            late = TABLE[let.op].late
            far.update(a for a in let.args if isinstance(a, Var) and (not late or home.get(a) != name))
        far.update(a for a in terminator_atoms(b.terminator) if isinstance(a, Var))
    made = {o for b in f.blocks.values() for let in b.lets if TABLE[let.op].late and TABLE[let.op].allocates for o in let.outs}
    return [v for v in own if v in activity and v in made and v not in far and count[aliases.root(v)] == 1]


class ReadBack:
    """Where the way back may read the values of each class of arrays; `reads` says so of a kernel. A write that no such place comes before
    need not be undone: nobody asks any more what was there."""

    def __init__(self, f: Function, aliases: Aliases, reads: Callable[[Let], Iterable[Var]]) -> None:
        self.f, self.aliases = f, aliases
        self.always = {aliases.root(p) for p in f.params if isinstance(p.type, Array)}  # by the caller
        self.places: dict[Var, list[tuple[str, int]]] = {}
        self.home = {let: (name, i) for name, b in f.blocks.items() for i, let in enumerate(b.lets) if written(let)}
        self.after: dict[str, set[str]] = {}
        for name, b in f.blocks.items():
            for i, let in enumerate(b.lets):
                op = TABLE[let.op]
                self.read(reads(let) if op.nest else _reread(let) if op.rereads else (), name, i)
            if isinstance(b.terminator, Call):  # what a call gives, its own way back may read
                self.always |= {aliases.root(p) for p in f.blocks[b.terminator.then.block].params if isinstance(p.type, Array)}
                self.read(b.terminator.args, name, len(b.lets))

    def read(self, atoms: Iterable[Atom], name: str, i: int) -> None:
        for root in {self.aliases.root(a) for a in atoms if isinstance(a, Var) and isinstance(a.type, Array)}:
            self.places.setdefault(root, []).append((name, i))

    def before(self, let: Let, v: Var) -> bool:
        """May what `let` overwrites of an array be read on the way back?"""
        root, (name, i) = self.aliases.root(v), self.home[let]
        places = self.places.get(root, [])
        return root in self.always or any((b == name and j <= i) or name in self.reached(b) for b, j in places)

    def within(self, v: Var, loop: Loop, once: Container[str]) -> bool:
        """May the way back of a loop that carries arrays read elements of an array? A store puts back what was there, whatever it was, and
        what is loaded in the blocks that run `once` in an iteration stays in their frames."""
        return any(b in loop.blocks and not self.is_element(b, i, b in once) for b, i in self.places.get(self.aliases.root(v), []))

    def is_element(self, name: str, i: int, kept: bool) -> bool:
        op = next((TABLE[let.op] for let in self.f.blocks[name].lets[i : i + 1]), None)
        return op is not None and op.indexed and (kept or bool(op.writes))

    def reached(self, name: str) -> set[str]:
        """The blocks that may run after the end of one."""
        if name not in self.after:
            self.after[name], work = set(), [name]
            while work:
                new = {e.block for e in edges(self.f.blocks[work.pop()].terminator)} - self.after[name]
                self.after[name] |= new
                work += new
        return self.after[name]


def _reread(let: Let) -> Iterable[Atom]:
    some = TABLE[let.op].rereads
    return [let.args[i] for i in some] if isinstance(some, tuple) else (*let.args, *let.outs)


def carried_covers(f: Function, activity: Activity, aliases: Aliases) -> tuple[set[tuple[Let, Var]], set[Var]]:
    """The same for arrays that a loop carries: (kernels, each with the loop's parameter whose adjoint it writes first; the
    arrays that are passed for such parameters, whose adjoints need no zeros).

    Whichever way the loop's head goes on, the block that follows must read every element of the parameter last in a kernel,
    and nobody else may know the arrays that are passed for it."""
    uses: dict[Var, list[tuple[str, Let | None]]] = {}
    for name, b in f.blocks.items():
        for let in b.lets:
            for a in dict.fromkeys(let.args):
                if isinstance(a, Var) and isinstance(a.type, Array) and not TABLE[let.op].measures:
                    uses.setdefault(a, []).append((name, let))
        for a in terminator_atoms(b.terminator):
            if isinstance(a, Var) and isinstance(a.type, Array):
                uses.setdefault(a, []).append((name, None))
    home = {o: name for name, b in f.blocks.items() for let in b.lets if TABLE[let.op].allocates for o, _ in made_with(let)}
    pairs: set[tuple[Let, Var]] = set()
    passed: set[Var] = set()
    sizes = Sizes(f)
    before = predecessors(f)
    for head in find_loops(f):
        params = [p for p in f.blocks[head].params if isinstance(p.type, Array)]
        roots = [aliases.root(p) for p in params]
        following = {e.block for e in edges(f.blocks[head].terminator)}
        if any(before[name] != [head] for name in following):
            continue  # such a block may run more often than the head, or after another user
        for p, root in zip(params, roots, strict=True):
            if p not in activity or roots.count(root) > 1 or aliases.is_written(p) or isinstance(f.blocks[head].terminator, Call):
                continue
            arguments = _passed(f, head, p)
            mine = [v for v in arguments if v in home or v in f.params]
            alone = len(mine) == len(arguments) and all(
                [u for u in uses[v] if u[1] is None] == [(home.get(v, f.entry.name), None)]
                and all(u[0] == home.get(v, f.entry.name) for u in uses[v])
                for v in arguments
            )
            last: dict[str, Let | None] = dict(uses.get(p, []))
            if not alone or set(last) != following:
                continue
            shapes = [shape_of(v, sizes) for v in arguments]
            if not shapes or any(n != shapes[0] for n in shapes):
                continue
            if not all(
                let is not None
                and TABLE[let.op].nest
                and has_adjoint(let, activity)
                and reads_once(let, p)
                and reads_all(let, p, shapes[0], sizes, {f.entry.name, name})
                for name, let in last.items()
            ):
                continue
            pairs |= {(let, p) for let in last.values() if let is not None}
            passed |= {v for v in arguments if v in home}
    return pairs, passed


def _passed(f: Function, head: str, p: Var) -> list[Var]:
    """What is passed for a parameter, by jumps alone; something that is no variable of its own where it is not."""
    i = f.blocks[head].params.index(p)
    out: list[Var] = []
    for b in f.blocks.values():
        for e in edges(b.terminator):
            if e.block == head:
                a = e.args[i]
                out.append(a if isinstance(a, Var) and isinstance(b.terminator, Jump) else p)
    return out


TINY = 16  # elements of an array that is kept in registers


def tiny_arrays(f: Function, aliases: Aliases) -> dict[Var, int]:
    """Arrays of known size, at most TINY elements, that only kernels, loads and stores of their own block use."""
    homes = {o: (name, let) for name, b in f.blocks.items() for let in b.lets for o in let.outs if isinstance(o.type, Array)}
    count: dict[Var, int] = {}
    for v in all_vars(f):
        if isinstance(v.type, Array):
            count[aliases.root(v)] = count.get(aliases.root(v), 0) + 1
    far = {a for b in f.blocks.values() for a in terminator_atoms(b.terminator) if isinstance(a, Var)}
    for name, b in f.blocks.items():
        for let in b.lets:
            op = TABLE[let.op]
            near = op.nest or op.indexed or op.measures
            far.update(a for a in let.args if isinstance(a, Var) and (not near or (a in homes and homes[a][0] != name)))
            if op.nest:
                far.update(x.base for x in kernel_of(let).inputs if isinstance(x, Gather))
    found = {}
    lets = dict.fromkeys(let for _, let in homes.values() if TABLE[let.op].registers)
    for v, dims in ((v, dims) for let in lets for v, dims in made_with(let)):
        if v not in far and count[aliases.root(v)] == 1 and all(isinstance(n, Const) and 0 <= n.value <= TINY for n in dims):
            n = math.prod(d.value for d in dims)  # type: ignore[union-attr]
            if 0 < n <= TINY:
                found[v] = n
    return found


def shape_of(v: Var, sizes: Sizes) -> list[Dim]:
    assert isinstance(v.type, Array)
    return [sizes.dim(v, axis) for axis in range(v.type.rank)]


def reads_once(let: Let, v: Var) -> bool:
    """Does a kernel read elements of an array that lie together, each of them once or in loops one inside of the others?"""
    k = kernel_of(let)
    reads = [x for x in k.inputs if isinstance(x, (Access, Gather)) and x.base is v]
    x = reads[0] if reads else None
    if not isinstance(x, Access) or any(not isinstance(y, Access) or not _same_place(x, y) for y in reads):
        return False
    if any(r.kind.startswith("arg") or (r.into is not None and r.into.base is v) for r in k.results):
        return False
    together = all(isinstance(t, Const) and t.value == 1 for t in x.steps) and (len(x.axes) == 1 or _from_first(x))
    return together and sorted(x.axes) == list(range(len(x.axes)))


def _from_first(x: Access) -> bool:
    return all(isinstance(s, Const) and s.value == 0 for s in x.starts)


def reads_all(let: Let, v: Var, shape: list[Dim], sizes: Sizes, checked: set[str]) -> bool:
    """Does such a kernel read all elements of an array of this shape? `checked` blocks have run."""
    starts, counts = part_read(let, v)
    return all(isinstance(s, Const) and s.value == 0 for s in starts) and all(
        sizes.same(sizes.of(a), n, checked) for a, n in zip(counts, shape, strict=True)
    )


def part_read(let: Let, v: Var) -> tuple[list[Atom], list[Atom]]:
    """Where such a kernel starts along each axis of an array, and how many indices it goes over."""
    k = kernel_of(let)
    x = next(x for x in k.inputs if isinstance(x, Access) and x.base is v)
    return list(x.starts), [k.sizes[q] for q in x.axes]


def _same_place(x: Access, y: Access) -> bool:
    return x.axes == y.axes and _atoms(x.starts) == _atoms(y.starts) and _atoms(x.steps) == _atoms(y.steps)


def _atoms(atoms: Iterable[Atom]) -> list[object]:
    return [a.value if isinstance(a, Const) else a for a in atoms]


def _is_alone(f: Function, p: Var, aliases: Aliases) -> bool:
    """Is the array known by this name only, and is it only read: element by element, or by kernels?"""
    root = aliases.root(p)
    for b in f.blocks.values():
        if any(a is p for a in terminator_atoms(b.terminator)):
            return False
        for let in b.lets:
            arrays = (a for a in (*let.args, *let.outs) if isinstance(a, Var) and isinstance(a.type, Array))
            op = TABLE[let.op]
            reads = (op.indexed or op.measures) and not op.writes and let.args[0] is p
            if op.nest:
                reads = all(r.into is None or aliases.root(r.into.base) is not root for r in kernel_of(let).results) and p in let.args
            if not reads and any(aliases.root(a) is root for a in arrays):
                return False
    return True


def _cover(f: Function, p: Var, activity: Activity, plan: Plan, above: dict[str, set[str]], ends: list[str]) -> Cover | None:
    if plan.counter is None or not all(plan.head in above[e] for e in ends):
        return None
    counter, limit = plan.counter
    start = _start(f, plan, counter)
    if start is None:
        return None
    inner = {v for name in plan.loop.blocks for v in defined_vars(f.blocks[name])}
    made = {o: let for b in f.blocks.values() for let in b.lets for o in let.outs}
    inside: list[tuple[str, Let]] = []
    after = _after(f, plan)
    for name in reverse_postorder(f):
        reads = [let for let in f.blocks[name].lets if TABLE[let.op].indexed and let.args[0] is p and let.out in activity]
        whole = any(TABLE[let.op].nest and p in let.args for let in f.blocks[name].lets)
        if (name in after and (reads or whole)) or (whole and name in plan.loop.blocks):
            return None
        if name in plan.loop.blocks:
            inside += [(name, let) for let in reads]
    offsets = {_offset(let, counter, made, inner) for _, let in inside}
    if len(offsets) != 1 or None in offsets:
        return None
    (offset,) = offsets
    assert offset is not None
    last_block, last = inside[-1]
    every_time = last_block != plan.head and all(last_block in above[latch] for latch in plan.loop.latches)
    if not every_time or not all(name in above[last_block] for name, _ in inside):
        return None
    return Cover(p, last, plan.head, start, limit, offset)


def _offset(load: Let, counter: Var, made: dict[Var, Let], inner: set[Var]) -> Atom | None:
    """What is added to the counter for the index of a load: a value from outside the loop, and the sum is in bounds as it
    stands; None if it is not of that form."""
    index = load.args[1]
    if index is counter:
        return Const(0, I64)
    let = made.get(index) if isinstance(index, Var) else None
    if let is None or TABLE[let.op].ring != "+" or counter not in let.args or codes(load) != "u":
        return None
    other = let.args[1] if let.args[0] is counter else let.args[0]
    return None if other in inner else other


def _start(f: Function, plan: Plan, counter: Var) -> Const | None:
    """What the counter starts from, if that is a constant that counts from the front."""
    i = f.blocks[plan.head].params.index(counter)
    entering = [e for n, b in f.blocks.items() if n not in plan.loop.blocks for e in edges(b.terminator) if e.block == plan.head]
    values = {e.args[i] for e in entering}
    if len(values) == 1:
        (value,) = values
        if isinstance(value, Const) and value.value >= 0:
            return value
    return None


def _after(f: Function, plan: Plan) -> set[str]:
    """The blocks that run after the loop; all of its own if it is inside another one."""
    seen: set[str] = set()
    work = [plan.exit.block]
    while work:
        name = work.pop()
        if name not in seen:
            seen.add(name)
            work += [e.block for e in edges(f.blocks[name].terminator)]
    return seen

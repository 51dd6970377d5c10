"""Facts about a function's blocks: order, predecessors, dominators, loops, live variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .graph import Atom, Block, Call, Fail, Function, Let, Program, Return, Shift, Var, defined_vars, edges, used_vars
from .op import PLAIN, TABLE, written
from .types import Array


def reverse_postorder(f: Function) -> list[str]:
    """Reachable blocks, each before its successors except along loops' back edges."""
    if len(f.blocks) == 1:
        return list(f.blocks)
    order: list[str] = []
    seen: set[str] = set()
    stack: list[tuple[str, list[str]]] = [(f.entry.name, [e.block for e in edges(f.entry.terminator)])]
    seen.add(f.entry.name)
    while stack:
        name, rest = stack[-1]
        if rest:
            target = rest.pop()
            if target not in seen:
                seen.add(target)
                stack.append((target, [e.block for e in edges(f.blocks[target].terminator)]))
        else:
            order.append(name)
            stack.pop()
    return order[::-1]


def drop_unreachable(f: Function) -> None:
    """Remove the blocks that no path from the entry reaches."""
    reachable = set(reverse_postorder(f))
    f.blocks = {n: b for n, b in f.blocks.items() if n in reachable}


def predecessors(f: Function) -> dict[str, list[str]]:
    """For each reachable block the blocks that jump to it, once for each edge."""
    out: dict[str, list[str]] = {name: [] for name in f.blocks}
    for name in reverse_postorder(f):
        for e in edges(f.blocks[name].terminator):
            out[e.block].append(name)
    return out


def immediate_dominators(f: Function) -> dict[str, str]:
    """Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm" (2001)."""
    order = reverse_postorder(f)
    index = {name: i for i, name in enumerate(order)}
    pred = predecessors(f)
    idom: dict[str, str] = {order[0]: order[0]}
    changed = True
    while changed:
        changed = False
        for name in order[1:]:
            known = [p for p in pred[name] if p in idom]
            new = known[0]
            for p in known[1:]:
                while new != p:
                    while index[new] > index[p]:
                        new = idom[new]
                    while index[p] > index[new]:
                        p = idom[p]
            if idom.get(name) != new:
                idom[name] = new
                changed = True
    return idom


def dominators(f: Function) -> dict[str, set[str]]:
    """For each reachable block the blocks that dominate it, itself included."""
    idom = immediate_dominators(f)
    out: dict[str, set[str]] = {}
    for name in reverse_postorder(f):
        out[name] = {name} | (out[idom[name]] if idom[name] != name else set())
    return out


def postdominators(f: Function) -> dict[str, str]:
    """For each block the nearest other one that every way from it to a return goes through, or "" where there is none: blocks from which
    no way leads to a return have none, and count for nothing."""
    pred = predecessors(f)
    returns = [name for name in pred if isinstance(f.blocks[name].terminator, Return)]
    after: dict[str, set[str] | None] = dict.fromkeys(f.blocks)  # None: all, as far as is known
    after.update((name, {name}) for name in returns)
    work = [p for name in returns for p in pred[name]]
    while work:
        name = work.pop()
        known = [s for e in edges(f.blocks[name].terminator) if (s := after[e.block]) is not None]
        new = {name}.union(set.intersection(*known)) if known else {name}
        if new != after[name]:
            after[name] = new
            work += pred[name]
    depth = {name: len(found or ()) for name, found in after.items()}
    return {name: max((found or set()) - {name}, key=depth.__getitem__, default="") for name, found in after.items()}


@dataclass
class Loop:
    """A natural loop: its head, all its blocks in the order in which they stand, and the blocks that jump back."""

    head: str
    blocks: dict[str, None] = field(default_factory=dict)
    latches: list[str] = field(default_factory=list)


def find_loops(f: Function) -> dict[str, Loop]:
    """Natural loops by head. Traced programs are reducible: every cycle has one."""
    if len(f.blocks) == 1:
        return {}
    above = dominators(f)
    pred = predecessors(f)
    loops: dict[str, Loop] = {}
    for name in reverse_postorder(f):
        for e in edges(f.blocks[name].terminator):
            if e.block in above[name]:
                loop = loops.setdefault(e.block, Loop(e.block, {e.block: None}))
                loop.latches.append(name)
                work = [name]
                while work:
                    b = work.pop()
                    if b not in loop.blocks:
                        loop.blocks[b] = None
                        work.extend(pred[b])
    for loop in loops.values():
        loop.blocks = {name: None for name in f.blocks if name in loop.blocks}
    return loops


def live_in(f: Function) -> dict[str, list[Var]]:
    """Variables that each block and its successors need from outside, its own parameters left out."""
    order = reverse_postorder(f)
    uses = {name: list(dict.fromkeys(used_vars(f.blocks[name]))) for name in order}
    defs = {name: set(defined_vars(f.blocks[name])) for name in order}
    live: dict[str, dict[Var, None]] = {name: {} for name in order}
    changed = True
    while changed:
        changed = False
        for name in reversed(order):
            want = dict.fromkeys(uses[name])
            for e in edges(f.blocks[name].terminator):
                want.update(live[e.block])
            new = {v: None for v in want if v not in defs[name]}
            if len(new) != len(live[name]):
                live[name] = new
                changed = True
    return {name: list(vs) for name, vs in live.items()}


def unchanging_params(f: Function) -> list[Var]:
    """Parameters that every call of f to itself passes on as they are; none if f does not call itself."""
    calls = [b.terminator for b in f.blocks.values() if isinstance(b.terminator, Call) and b.terminator.function == f.name]
    return [p for i, p in enumerate(f.params) if all(c.args[i] is p for c in calls)] if calls else []


def call_graph_cycles(calls: dict[str, set[str]]) -> set[str]:
    """Functions that can reach themselves."""
    reach: dict[str, set[str]] = {}
    for name in calls:
        seen: set[str] = set()
        work = list(calls[name])
        while work:
            g = work.pop()
            if g not in seen:
                seen.add(g)
                work.extend(calls.get(g, ()))
        reach[name] = seen
    return {name for name in calls if name in reach[name]}


def shifts(f: Function) -> list[Shift]:
    return [b.terminator for b in f.blocks.values() if isinstance(b.terminator, Shift)]


def named(let: Let) -> list[str]:
    """The functions that an operation names."""
    return [name for name in (let.attrs["f"], let.attrs.get("forward")) if name]


def called(f: Function) -> list[str]:
    """The functions that `f` calls."""
    out = [b.terminator.function for b in f.blocks.values() if isinstance(b.terminator, Call)]
    return out + [let.attrs["f"] for b in f.blocks.values() for let in b.lets if TABLE[let.op].calls == PLAIN]


def references(f: Function) -> list[str]:
    """The functions that `f` calls, differentiates or runs in kernels."""
    lets = [let for b in f.blocks.values() for let in b.lets if TABLE[let.op].calls not in ("", PLAIN)]
    return called(f) + [name for let in lets for name in named(let)]


def raises(blocks: Iterable[Block], functions: Mapping[str, Function]) -> bool:
    """Does a path of these blocks, or of a function that they refer to, end in an exception?"""
    work, seen = [Function("", [], {b.name: b for b in blocks})], set[str]()
    while work:
        f = work.pop()
        if any(isinstance(b.terminator, Fail) for b in f.blocks.values()):
            return True
        new = {n for n in references(f) if n in functions} - seen
        seen |= new
        work += [functions[n] for n in new]
    return False


def drop_unused(program: Program) -> None:
    """Remove the functions that nobody refers to. A trace that has been taken back leaves some behind."""
    used: dict[str, None] = {}
    work = [program.entry]
    while work:
        name = work.pop()
        if name not in used and name in program.functions:
            used[name] = None
            work += references(program.functions[name])
    for name in [n for n in program.functions if n not in used]:
        del program.functions[name]


class Aliases:
    """Array variables of a whole program that may share memory (union-find), and which classes are written."""

    def __init__(self, program: Program, only: Function | None = None) -> None:
        """`only`: look at this function alone, one that handles no arrays and calls nothing."""
        self.program = program
        self.parent: dict[Var, Var] = {}
        self.written: set[Var] = set()
        self.records: set[Var] = set()  # arrays that hold others
        functions = program.functions.values() if only is None else [only]
        for f in functions:
            for block in f.blocks.values():
                for e in edges(block.terminator):
                    params = f.blocks[e.block].params
                    self._join_all(params[len(params) - len(e.args) :], e.args)
                if isinstance(block.terminator, Call):
                    shift = isinstance(block.terminator, Shift)
                    self._call(
                        block.terminator.function, block.terminator.args, () if shift else f.blocks[block.terminator.then.block].params
                    )
        opened: list[Let] = []
        for f in functions:
            for block in f.blocks.values():
                for let in block.lets:
                    op = TABLE[let.op]
                    for out, arg in op.aliases:
                        self._join_all(let.outs[out : out + 1], let.args[arg : arg + 1])
                    if TABLE[let.op].calls == PLAIN:
                        self._call(let.attrs["f"], let.args, () if let.attrs.get("apart") else let.outs)
                    if op.record:
                        opened.append(let)
        if opened:
            self._records(opened)
        for f in functions:
            for block in f.blocks.values():
                for let in block.lets:
                    self.written.update(self.root(a) for a in written(let))

    def _call(self, name: str, args: Iterable[Atom], results: Sequence[Var]) -> None:
        callee = self.program.functions.get(name)
        if callee is None:  # a continuation
            holder, t = next((g, t) for g in self.program.functions.values() for t in shifts(g) if t.k == name)
            params, tag = holder.blocks[t.then.block].params, t.tag
        else:
            params, tag = callee.params, callee.tag
        self._join_all(params, args)
        for g in (self.program.functions.values() if tag else (callee,)) if results else ():
            for inner in g.blocks.values() if g is callee or g.tag == tag else ():  # type: ignore[union-attr]
                if isinstance(inner.terminator, Return):
                    self._join_all(results, inner.terminator.args)

    def _records(self, lets: list[Let]) -> None:
        """What is taken out of a record is what has been put into one of its site."""
        made = {let.attrs["site"]: let for let in lets if TABLE[let.op].record == "made"}
        for let in lets:
            if let.attrs["site"] in made:
                first = made[let.attrs["site"]]
                self._join_all(first.args, let.outs if TABLE[let.op].record == "opened" else let.args)
        self.records.update(let.out for let in lets if TABLE[let.op].record == "made")

    def root(self, v: Atom) -> Var:
        assert isinstance(v, Var)
        while self.parent.get(v, v) is not v:
            v = self.parent[v]
        return v

    def _join_all(self, xs: Iterable[Atom], ys: Iterable[Atom]) -> None:
        for x, y in zip(xs, ys, strict=False):
            if isinstance(x.type, Array):
                self.join(x, y)

    def join(self, x: Atom, y: Atom) -> None:
        """They may be the same memory."""
        a, b = self.root(x), self.root(y)
        if a is not b:
            self.parent[a] = b

    def is_written(self, v: Atom) -> bool:
        return self.root(v) in {self.root(w) for w in self.written}

    def is_record(self, v: Atom) -> bool:
        return bool(self.records) and self.root(v) in {self.root(w) for w in self.records}

"""Functions cut out of functions, put into functions, and copied."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...core import dims
from ...core.analysis import predecessors
from ...core.dims import UNKNOWN, Dim
from ...core.graph import Atom, Block, Call, Edge, Function, Jump, Let, Return, Shift, Terminator, Var, defined_vars, edges, map_terminator
from ...core.op import TABLE
from ...core.types import Array, Type

MARK = re.compile(r"\.k\d+$")  # of what a copy has named
Retype = Callable[[Type], Type]


class Names:
    """New names, one after another: none of them is used twice in a program."""

    def __init__(self) -> None:
        self.last = 0

    def new(self, old: str) -> str:
        self.last += 1
        return f"{MARK.sub('', old)}.k{self.last}"

    def var(self, v: Var, retype: Retype = lambda t: t) -> Var:
        return Var(self.new(v.name), retype(v.type))


def _copied(block: Block, env: dict[Var, Atom], fresh: Callable[[Var], Var]) -> tuple[list[Let], Terminator | None]:
    """What a block does, with what its variables are in the copy."""
    lets = []
    for let in block.lets:
        args = tuple(env[a] if isinstance(a, Var) else a for a in let.args)
        outs = tuple(fresh(o) for o in let.outs)
        env.update(zip(let.outs, outs, strict=True))
        lets.append(Let(outs, let.op, args, dict(let.attrs), let.site))
    return lets, map_terminator(block.terminator, lambda a: env[a] if isinstance(a, Var) else a)


# ---- cut out
@dataclass(frozen=True)
class Rest:
    """What a function does from a block on: what that needs from outside, and the types of its variables in a copy."""

    start: str
    captured: Sequence[Var]
    retype: Retype


def rest_of(f: Function, start: str, captured: Sequence[Var]) -> Rest:
    return Rest(start, captured, _varying(f, start))


def outline(f: Function, rest: Rest, live: Mapping[str, Sequence[Var]], name: str, names: Names) -> Function:
    """A rest as a function of the parameters of its first block, and of what it needs from outside.

    f(%n):  ..; jump loop(%i)                        name(%v, %i', %n'):  %i2 = iadd(%i', 1); jump loop(%i2)
    loop(%i):  ..; jump start(%x)              ->    loop(%i):            ..; jump start(%x)
    start(%v): %i2 = iadd(%i, 1); jump loop(%i2)     start(%v):           ..

    A variable may have another value in the copy than it came with, as %i above. So a block that several edges lead to takes all
    that it needs as parameters; what is the same on all edges `blocks` finds."""
    start, captured = rest.start, rest.captured
    order = _order(f, start)
    arrivals = Counter(e.block for n in order for e in edges(f.blocks[n].terminator))
    seen: set[str] = set()

    def fresh(v: Var) -> Var:
        new = Var(v.name if v.name not in seen else names.new(v.name), rest.retype(v.type))
        seen.add(new.name)
        return new

    given: dict[Var, Atom] = {v: fresh(v) for v in (*f.blocks[start].params, *captured)}
    params: list[Var] = list(given.values())  # type: ignore[arg-type]
    made: dict[str, Block] = {"entry": Block("entry")}
    envs: dict[str, dict[Var, Atom]] = {}  # of each block; blocks that one edge leads to share that of the block before
    before = {e.block: n for n in order for e in edges(f.blocks[n].terminator)}
    joins = {n for n in order if arrivals[n] + (n == start) > 1}
    for n in order:
        old = f.blocks[n]
        first = n == start and n not in joins
        env = given if first else {} if n in joins else envs[before[n]]
        if any(v in env for v in defined_vars(old) if not first):  # its own are not those that the copy came with
            env = dict(env)
        envs[n] = env
        taken = [] if first else [*old.params, *(live[n] if n in joins else ())]
        env.update((v, fresh(v)) for v in taken)
        new = made["entry"] if first else made.setdefault(n, Block(n))
        new.params = [env[v] for v in taken]  # type: ignore[misc]
        new.lets, new.terminator = _copied(old, env, fresh)
        for e in edges(new.terminator):
            e.args = (*e.args, *(env[v] for v in live[e.block] if e.block in joins))
    if start in joins:
        wanted = (*f.blocks[start].params, *live[start])
        made["entry"].terminator = Jump(Edge(start, tuple(given[v] for v in wanted)))
    return Function(name, params, made, f.results, f.tag)


def _order(f: Function, start: str) -> list[str]:
    """The blocks that can be reached from one, each before its successors except along loops' back edges."""
    order: list[str] = []
    seen = {start}
    stack = [(start, [e.block for e in edges(f.blocks[start].terminator)])]
    while stack:
        name, rest = stack[-1]
        if not rest:
            order.append(name)
            stack.pop()
        elif (target := rest.pop()) not in seen:
            seen.add(target)
            stack.append((target, [e.block for e in edges(f.blocks[target].terminator)]))
    return order[::-1]


def _varying(f: Function, start: str) -> Retype:
    """Types without the symbols of the loop that `start` is in: in the copy two of its iterations meet."""
    order = _order(f, start)
    if not any(e.block == start for n in order for e in edges(f.blocks[n].terminator)):
        return lambda t: t
    pred, before, work = predecessors(f), {start}, [start]  # blocks from which it can be reached
    while work:
        more = set(pred[work.pop()]) - before
        before |= more
        work += more
    cycle = before.intersection(order)
    inside = _symbols(v for n in cycle for v in defined_vars(f.blocks[n]))
    outside = _symbols([*f.params, *(v for n in before - cycle for v in defined_vars(f.blocks[n]))])
    return _retyped({s: UNKNOWN for s in inside - outside})


def _symbols(variables: Iterable[Var]) -> set[str]:
    text = " ".join(str(d) for v in variables if isinstance(v.type, Array) for d in v.type.dims)
    return set(re.findall(r"(?<![\w%.])[A-Za-z_]\w*(?!\()\b", text))


def _retyped(symbols: Mapping[str, str]) -> Retype:
    """Types with these texts for symbols; a dimension that is not known then is unknown as a whole."""

    def dim(d: Dim) -> Dim:
        text = re.sub(r"(?<![\w%.])[A-Za-z_]\w*\b", lambda m: symbols.get(m.group(), m.group()), str(d))
        return UNKNOWN if UNKNOWN in text else dims.parse(text)

    def retype(t: Type) -> Type:
        return Array(t.dtype, tuple(d if isinstance(d, int) else dim(d) for d in t.dims)) if isinstance(t, Array) else t

    return retype if symbols else lambda t: t


# ---- put in
def inline(f: Function, block: Block, callee: Function, names: Names, once: bool) -> list[Block]:
    """Put the blocks of `callee` in the place of the call that ends `block`; those blocks. `once`: it is put nowhere else, so that
    its symbols can stay what they are."""
    call = block.terminator
    assert isinstance(call, Call)
    env: dict[Var, Atom] = dict(zip(callee.params, call.args, strict=True))
    own = set() if once else _symbols(v for b in callee.blocks.values() for v in defined_vars(b))
    retype = _retyped({s: UNKNOWN for s in own - _symbols(a for a in call.args if isinstance(a, Var))})

    def fresh(v: Var) -> Var:
        return names.var(v, retype)

    made = {n: block if old is callee.entry else Block(names.new(n)) for n, old in callee.blocks.items()}
    for n, old in callee.blocks.items():
        env.update((p, fresh(p)) for p in old.params)
        if made[n] is not block:
            made[n].params = [env[p] for p in old.params]  # type: ignore[misc]
    for n in _order(callee, callee.entry.name):
        new = made[n]
        lets, t = _copied(callee.blocks[n], env, fresh)
        new.lets += lets
        if isinstance(t, Return):
            t = Jump(Edge(call.then.block, (*t.args, *call.then.args)))
        else:
            for e in edges(t):
                e.block = made[e.block].name
        new.terminator = t
        f.blocks[new.name] = new
    return list(made.values())


# ---- copied
def clone(f: Function, renamed: Mapping[str, str]) -> Function:
    """A copy under another name, which calls and differentiates functions and continuations under their new names."""
    env: dict[Var, Atom] = {}

    def fresh(v: Var) -> Var:
        return Var(v.name, v.type)

    env.update((p, fresh(p)) for p in f.params)
    for old in f.blocks.values():
        env.update((p, fresh(p)) for p in old.params)
    blocks = {}
    for n in _order(f, f.entry.name):
        old = f.blocks[n]
        lets, t = _copied(old, env, fresh)
        for let in lets:
            if TABLE[let.op].calls:
                let.attrs["f"] = renamed.get(let.attrs["f"], let.attrs["f"])
        if isinstance(t, Call):
            t.function = renamed.get(t.function, t.function)
        if isinstance(t, Shift):
            t.k = renamed.get(t.k, t.k)
        blocks[n] = Block(n, [env[p] for p in old.params], lets, t)  # type: ignore[misc]
    return Function(renamed[f.name], [env[p] for p in f.params], blocks, f.results, f.tag)  # type: ignore[misc]

"""How a differentiated loop keeps its intermediate values.

recursion   each iteration is a call; its frame keeps everything. Any loop.
replay      the loop runs forward as a real loop and writes to a tape what the way back reads: carried values, results
            of expensive operations or their derivatives, and elements that stores overwrite. Then a real loop backwards
            takes one iteration at a time through the reverse code of the body, whose continuation is the adjoint at hand.
            For innermost loops that leave only at their head.
chunks      replay of a long counted loop in pieces: only the state at the start of each piece is kept, and a piece is
            run forward again before its way back. Memory is one piece's tape and n / length states.
tape        a function with a nest of loops, or a recursion, that is two functions (taped.py).

What is written to the tape follows from the derivative rules: `rule_uses` traces a rule and looks at what it reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...core.analysis import Loop, find_loops
from ...core.graph import Atom, Branch, Call, Const, Edge, Function, Jump, Let, Return, Var, defined_vars, edges
from ...core.op import TABLE
from ...core.types import I64, Array, Scalar, Type, lane_type, width
from ..activity import Activity
from ..cps import has_adjoint
from ..rules import rule_uses

CHUNK = 4096  # iterations
TAPE_LIMIT = 8 << 20  # bytes: a longer tape is cut into chunks


@dataclass
class Kept:
    """What is kept of one operation: its result, and its derivative by each of some arguments."""

    result: bool
    partials: tuple[int, ...]


@dataclass
class Plan:
    """A loop that can be replayed. `fields` is one iteration's entry on the tape: (key, type), where a key is a head
    parameter, a store's Let (the element before it), (Let, "result") or (Let, argument number)."""

    head: str
    loop: Loop
    body: Edge
    exit: Edge
    inductions: dict[Var, int]
    counter: tuple[Var, Atom] | None
    kept: dict[Let, Kept]
    stores: list[Let]
    fields: list[tuple[Any, Type]] = field(default_factory=list)
    expensive: bool = False
    silent: set[Let] = field(default_factory=set)  # stores that nothing in the same iteration reads: no need to write again
    effects: bool = False  # which run on the way forward, and only then: what they have given is on the tape

    @property
    def chunkable(self) -> bool:
        return self.counter is not None and not self.stores and not self.effects


def plan_loops(f: Function, activity: Activity) -> dict[str, Plan]:
    """The loops of `f` that can be replayed, by head."""
    loops = find_loops(f)
    plans = {}
    for head, loop in loops.items():
        if not any(other != head and other in loop.blocks for other in loops):
            plan = _plan(f, loop, activity)
            if plan is not None:
                plans[head] = plan
    return plans


def _plan(f: Function, loop: Loop, activity: Activity) -> Plan | None:
    head = f.blocks[loop.head]
    t = head.terminator
    if not isinstance(t, Branch) or len(loop.latches) != 1:
        return None
    inside = [e for e in edges(t) if e.block in loop.blocks]
    outside = [e for e in edges(t) if e.block not in loop.blocks]
    if len(inside) != 1 or len(outside) != 1 or inside[0].block == loop.head:
        return None
    for name in loop.blocks:
        block = f.blocks[name]
        if isinstance(block.terminator, (Call, Return)) or any(is_special(let) and not is_small_effect(let) for let in block.lets):
            return None
        if name == loop.head and any(TABLE[let.op].effect for let in block.lets):
            return None  # the head runs once more where the loop is left
        if name != loop.head and any(e.block not in loop.blocks for e in edges(block.terminator)):
            return None
        if any(isinstance(p.type, Array) for p in block.params):
            return None
    inductions = inductions_of(f, loop)
    stores = _stores(f, loop)
    if stores is None:
        return None
    plan = Plan(loop.head, loop, inside[0], outside[0], inductions, _counter(f, loop, inductions), {}, stores)
    plan.effects = any(TABLE[let.op].effect for name in loop.blocks for let in f.blocks[name].lets)
    _Needs(f, plan, activity).run()
    order = [let for name in _straight(f, loop) for let in f.blocks[name].lets]
    if len(order) == sum(len(f.blocks[name].lets) for name in loop.blocks):
        last_load = max([i for i, let in enumerate(order) if _loads_element(let)], default=-1)
        plan.silent = {let for let in stores if order.index(let) > last_load and len(stores) == 1}
    return plan


def is_special(let: Let) -> bool:
    """An operation on whole arrays, or a derivative."""
    return TABLE[let.op].whole


def _loads_element(let: Let) -> bool:
    return TABLE[let.op].indexed and bool(TABLE[let.op].reads)


def _stores_element(let: Let) -> bool:
    return TABLE[let.op].indexed and bool(TABLE[let.op].writes)


def is_small_effect(let: Let) -> bool:
    """An effect that gives one number or none."""
    return bool(TABLE[let.op].effect) and not any(isinstance(o.type, Array) for o in let.outs)


def latch_edge(f: Function, loop: Loop) -> Edge:
    return next(e for e in edges(f.blocks[loop.latches[0]].terminator) if e.block == loop.head)


def inductions_of(f: Function, loop: Loop) -> dict[Var, int]:
    """Head parameters that grow by a constant in each iteration."""
    made = {o: let for name in loop.blocks for let in f.blocks[name].lets for o in let.outs}
    found = {}
    for p, a in zip(f.blocks[loop.head].params, latch_edge(f, loop).args, strict=True):
        let = made.get(a) if isinstance(a, Var) else None
        if let is not None and TABLE[let.op].ring == "+" and let.args[0] is p and isinstance(let.args[1], Const):
            found[p] = let.args[1].value
    return found


def _counter(f: Function, loop: Loop, inductions: dict[Var, int]) -> tuple[Var, Atom] | None:
    """(counter, limit) of a loop `while counter < limit` with a limit from outside and step 1."""
    head = f.blocks[loop.head]
    t = head.terminator
    assert isinstance(t, Branch)
    inner = {v for name in loop.blocks for v in defined_vars(f.blocks[name])}
    for let in head.lets:
        tests = TABLE[let.op].less and let.out is t.cond and t.then.block in loop.blocks
        if tests and let.args[0] in inductions and let.args[1] not in inner and inductions[let.args[0]] == 1:
            return let.args[0], let.args[1]
    return None


def counter_of(f: Function, loop: Loop) -> tuple[Var, Atom] | None:
    """(counter, limit) of a loop that does not go on from there; it may end before."""
    return _counter(f, loop, inductions_of(f, loop)) if isinstance(f.blocks[loop.head].terminator, Branch) else None


def _stores(f: Function, loop: Loop) -> list[Let] | None:
    """The stores of a loop, in order, if each runs once in an iteration at an address that integers alone decide."""
    straight = _straight(f, loop)
    stores = [let for name in straight for let in f.blocks[name].lets if _stores_element(let)]
    if len(stores) != sum(_stores_element(let) for name in loop.blocks for let in f.blocks[name].lets):
        return None
    fixed = {v for name in loop.blocks for v in defined_vars(f.blocks[name])}
    known = {p for p in f.blocks[loop.head].params if p.type == I64}
    for name in straight:
        for let in f.blocks[name].lets:
            if is_address(let) and all(a in known or a not in fixed for a in let.args):
                known.update(let.outs)
    if any(a in fixed and a not in known for let in stores for a in let.args[:-1]):
        return None
    return stores


def is_address(let: Let) -> bool:
    """Is this integer arithmetic that cannot fail?"""
    return bool(let.outs) and let.out.type == I64 and not TABLE[let.op].may_fail


def _straight(f: Function, loop: Loop) -> list[str]:
    """The blocks that every iteration runs, in order: a walk over jumps (and the head's branch)."""
    t = f.blocks[loop.head].terminator
    assert isinstance(t, Branch)
    names = [loop.head]
    following = t.then.block if t.then.block in loop.blocks else t.orelse.block
    while following not in names and following in loop.blocks:
        names.append(following)
        end = f.blocks[following].terminator
        if not isinstance(end, Jump):
            break
        following = end.edge.block
    return names


def way_back_reads(let: Let, activity: Activity) -> tuple[Kept | None, list[Atom]]:
    """What is kept of an operation, if it is expensive, and the values that its way back reads. It runs once more if it is cheap, so what may
    fail then needs its arguments."""
    op = TABLE[let.op]
    if op.indexed:
        return None, list(let.args[1 : 1 + let.args[0].type.rank])  # type: ignore[union-attr]
    if op.may_fail and not op.effect:
        return None, list(let.args)
    terms = rule_uses(let.op, tuple(let.attrs.items()))
    uses = {i: terms[i] for i, a in enumerate(let.args) if a in activity and isinstance(a.type, Scalar)}
    if not op.expensive:
        return None, [let.out if i < 0 else let.args[i] for u in uses.values() for i in u]
    kept = Kept(False, tuple(i for i, u in uses.items() if u - {-1}))
    return kept, [let.out] if any(-1 in u for u in uses.values() if not u - {-1}) else []


class _Needs:
    """Which values the way back reads, and so what an iteration writes to the tape."""

    def __init__(self, f: Function, plan: Plan, activity: Activity) -> None:
        self.f, self.plan, self.activity = f, plan, activity
        self.needed: set[Var] = set()
        self.work: list[Var] = []
        blocks = [f.blocks[name] for name in plan.loop.blocks]
        self.lets = [let for b in blocks for let in b.lets]
        self.made = {o: let for let in self.lets for o in let.outs}
        self.gives: dict[Var, list[Atom]] = {}
        for b in blocks:
            for e in edges(b.terminator):
                if e.block in plan.loop.blocks and e.block != plan.head:
                    for p, a in zip(f.blocks[e.block].params, e.args, strict=True):
                        self.gives.setdefault(p, []).append(a)

    def want(self, *atoms: Atom) -> None:
        for a in atoms:
            if isinstance(a, Var) and a not in self.needed:
                self.needed.add(a)
                self.work.append(a)

    def run(self) -> None:
        for name in self.plan.loop.blocks:
            t = self.f.blocks[name].terminator
            if isinstance(t, Branch) and name != self.plan.head:
                self.want(t.cond)
        for let in self.lets:
            self.seed(let)
        self.follow()
        if any(_loads_element(let) and let.out in self.needed for let in self.lets):
            self.want(*(let.args[-1] for let in self.plan.stores))
            self.follow()
        self.keep()

    def seed(self, let: Let) -> None:
        op = TABLE[let.op]
        if op.indexed or (op.may_fail and not op.effect) or has_adjoint(let, self.activity):
            kept, read = way_back_reads(let, self.activity)
            if kept is not None:
                self.plan.expensive = True
                self.plan.kept[let] = kept
            self.want(*read)

    def follow(self) -> None:
        while self.work:
            v = self.work.pop()
            let = self.made.get(v)
            if let is None:
                self.want(*self.gives.get(v, ()))
            elif TABLE[let.op].expensive or TABLE[let.op].effect:
                self.plan.kept.setdefault(let, Kept(True, ())).result = True
            elif not TABLE[let.op].reads:
                self.want(*let.args)

    def keep(self) -> None:
        """The fields of an entry."""
        plan = self.plan
        for p in self.f.blocks[plan.head].params:
            if p in self.needed and p not in plan.inductions:
                plan.fields.append((p, p.type))
        for let in self.lets:
            kept = plan.kept.get(let)
            if kept is not None:
                if kept.result:
                    plan.fields.append(((let, "result"), let.out.type))
                plan.fields += [((let, i), let.args[i].type) for i in kept.partials]
        plan.fields += [(let, let.args[-1].type) for let in plan.stores]
        sizes = {"f64": 8, "i64": 8, "f32": 4, "bool": 1, "boolx16": 2}
        plan.fields.sort(key=lambda kv: -sizes[str(lane_type(kv[1]))] * width(kv[1]))  # type: ignore[arg-type]


def choose(plan: Plan | None, checkpoint: Any) -> str:
    """The policy for a loop: "recursion", "replay" or "chunks"."""
    if plan is None or checkpoint == "recursion":
        return "recursion"
    if checkpoint is None and plan.expensive and plan.counter is None:
        return "recursion"  # short searches: a frame is cheaper than a tape (Newton's method: 1.0 against 1.3 of C)
    if plan.chunkable and checkpoint != "replay":
        return "chunks"
    return "replay"

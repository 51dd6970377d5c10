"""A function on a tape (diff/loops/taped.py): t.f runs forward and writes, b.f reads and runs backwards.

    t.f(x, ..) -> (results)                          taped_forward.py
    b.f(x, .., cotangents, top) -> (adjoints, top)   the blocks in reverse form: each pops its entry on the way there; a call runs
                                                   the callee's b.g on the way back, a loop takes one iteration after the other

So what runs last on the way there is popped first, and the tape is a stack.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.graph import Atom, Call, Const, Edge, Jump, Let, Return, Var
from ..core.types import I64, PTR, Struct, carries_gradient
from ..diff.cps import WHOLE, Closures, Continuation
from ..diff.loops.taped import Taped, TapedLoop
from . import operations
from .blocks import BlockFunction, call_back
from .function import RECURSION, Parts, ReverseFunction
from .iteration import at_hand_type
from .low import ZERO, Body, Place, minus_zero
from .taped_forward import Entries

ENV = "kenv"  # points to the cotangents and the tape's end


class Back(ReverseFunction):
    """b.f"""

    def __init__(self, context: Any, taped: Taped, entries: Entries, closures: Closures) -> None:
        super().__init__(context, closures)
        self.taped, self.entries = taped, entries
        self.name = f"b.{self.rev.name}"
        floats = [(f"c{r}", t) for r, t in enumerate(self.rev.function.results) if carries_gradient(t)]
        self.env_type = Struct(f"env.{self.name}", (*floats, ("top", PTR)))

    def run(self) -> None:
        whole = self.closures.records.get(WHOLE, [])
        if whole:
            self.outermost_back(whole)
        f, names = self.rev.function, self.given()
        first = self.closures.blocks[f.entry.name]
        cotangents = self.cotangents()
        active = [p for p in self.active_params() if p not in whole]
        pointers = [Var(f"e.{WHOLE}", PTR)] if whole else []
        params = [*(x for p in f.params if p not in whole for x in names[p]), *cotangents, *pointers]
        if f.parts:
            shared = self.shared(names, params)
            self.low.parts[self.name] = f, shared
            numbers = {x: i for i, p in enumerate(f.params) for x in names[p][:1]}
            self.low.parts[f"t{self.name[1:]}"] = f, [(numbers[params[i]], -1, t) for i, _, t in shared]
        body = Body(self.low, self.name + (RECURSION if whole else ""), params, [*(p.type for p in active), PTR])
        env = body.cell(self.env_type, "env")
        if f.name in self.context.recursive:
            body.emit("check_stack", [], name=f.name)
        for v in cotangents:
            body.put(v, Place(env, self.env_type, (v.name,)))
        args = [x for v in first.inputs for x in self.passed(body, v, names[v])]
        vs = self.returned(first)
        found = dict(zip(vs, body.call(self.block_name(first.name), [*args, env, *pointers], [v.type for v in vs]), strict=True))
        body.ret(*(found.get(p, minus_zero(p.type)) for p in active), body.get(self.top(env)))
        self.blocks()

    def cotangents(self) -> list[Var]:
        """Those of the results, and the tape's end."""
        return [Var(name, t) for name, t in self.env_type.fields]

    def outermost_back(self, whole: Sequence[Var]) -> None:
        """b.f of a recursion makes the record of what never changes, with its adjoints; b.f.recursion does the rest."""
        names, t, cotangents = self.given(), self.record_type(WHOLE), self.cotangents()
        params = self.rev.function.params
        active = self.active_params()
        body = Body(self.low, self.name, [*(x for p in params for x in names[p]), *cotangents], [*(p.type for p in active), PTR])
        record = body.cell(t, "record")
        for v in whole:
            self.store_parts(body, record, t, v, self.passed(body, v, names[v]))
        rest = [p for p in active if p not in whole]
        args = [x for p in params if p not in whole for x in names[p]]
        *found, end = body.call(self.name + RECURSION, [*args, *cotangents, record], [*(p.type for p in rest), PTR])
        back: dict[Var, Atom] = dict(zip(rest, found, strict=True))
        back |= {p: body.get(Place(record, t, (p.name, "d"))) for p in active if p in whole and p in self.activity}
        body.ret(*(back.get(p, minus_zero(p.type)) for p in active), end)

    def blocks(self) -> None:
        for name, block in self.closures.blocks.items():
            loop = self.taped.loops.get(name)
            if loop is not None:
                LoopBack(self, block, loop).run()
                TapedBlock(self, block, last=True).run()
            TapedBlock(self, block).run()

    def top(self, env: Atom) -> Place:
        return Place(env, self.env_type, ("top",))

    def given(self) -> dict[Var, list[Var]]:
        return {
            p: [Var(x.name if x.name not in self.env_names() else f"{x.name}_", x.type) for x in xs] for p, xs in super().given().items()
        }

    def env_names(self) -> set[str]:
        return {name for name, _ in self.env_type.fields}


def hand_name(head: str) -> str:
    return f"at_hand.{head}"


def hands(block: Continuation, without: str = "") -> list[Var]:
    return [Var(hand_name(h), PTR) for h in block.nest if h not in (without, WHOLE)]


class TapedBlock(BlockFunction):
    """A block in reverse form, for one iteration of the loop that it is in; `last`: a head where its loop is left."""

    parent: Back

    def __init__(self, parent: Back, block: Continuation, last: bool = False) -> None:
        self.taped, self.entries, self.last = parent.taped, parent.entries, last
        self.loop: TapedLoop | None = parent.taped.loops.get(block.name)
        super().__init__(parent, block, ".last" if last else ".iter" if self.loop is not None else "")

    def ways_on(self) -> list[Var]:
        return [Var(ENV, PTR)]

    def extra_pointers(self) -> list[Var]:
        return hands(self.block, self.block.name if self.last else "")

    def own_pointers(self) -> list[Var]:
        return [Var("step", PTR)] if self.has_entry else []

    @property
    def has_entry(self) -> bool:
        return self.block.name in self.entries.types and not self.last

    def checked(self) -> bool:
        return False

    def checks_stack(self) -> bool:
        return False

    def inline(self) -> bool:
        return self.block.inline or self.block.is_head

    def is_needed(self, v: Var) -> bool:
        return (v, self.last) in self.taped.needed

    def open(self) -> None:
        super().open()
        if not self.has_entry:
            return
        body, top = self.body, self.parent.top(self.pointer(ENV))
        entry = body.let("pop", [body.get(top)], PTR, "entry", of=self.entries.types[self.block.name])
        body.put(entry, top)
        body.put(entry, Place(self.frame, self.frame_type, ("ptr.step",)))
        for key, _ in self.taped.fields[self.block.name]:
            if isinstance(key, Var) and key in self.kept:
                self.write(key, [body.get(self.entries.place(self.block.name, entry, key))])

    def held(self, key: Any) -> Atom:
        return self.body.get(self.entries.place(self.block.name, self.pointer("step"), key))

    # ---- operations
    def straight_let(self, let: Let) -> list[Atom]:
        kept = self.taped.kept.get(let)
        if kept is not None and kept.result:
            return [self.held((let, "result"))]
        if not any(map(self.is_needed, let.outs)):  # nothing on the way back reads it
            return [operations.zero_of(o.type) for o in let.outs]
        return super().straight_let(let)

    def step(self, let: Let, k: str) -> None:
        kept = self.taped.kept.get(let)
        if kept is None:
            super().step(let, k)
            return
        self.kept_step(let, k, kept, self.held)

    # ---- ends
    def terminator(self, t: Any) -> None:
        if self.loop is not None:
            t = Jump(self.loop.exit if self.last else self.loop.body)
        super().terminator(t)

    def jump(self, edge: Edge, results: Sequence[Parts] | None = None) -> list[Atom]:
        loop = self.taped.loops.get(edge.block)
        if loop is None or self.block.name not in loop.loop.blocks:
            return super().jump(edge, results)
        of = at_hand_type(self.parent, self.parent.closures.blocks[edge.block])
        for p, a in zip(self.parent.closures.blocks[edge.block].params, edge.args, strict=True):
            if self.parent.is_active_scalar(p) and self.parent.is_active_scalar(a):
                self.add(a, self.body.get(Place(self.pointer(hand_name(edge.block)), of, (p.name,))))
        return []

    def pointers_of(self, target: Continuation) -> list[Atom]:
        loop = self.taped.loops.get(target.name)
        found = [self.pointer(x.name) for x in hands(target, target.name if loop is not None else "")]
        if loop is not None and self.block.name in self.entries.types:
            found.append(self.pointer("step"))
        return found

    def return_(self, t: Return) -> None:
        env = self.pointer(ENV)
        for r, a in enumerate(t.args):
            if self.parent.is_active_scalar(a):
                self.add(a, self.body.get(Place(env, self.parent.env_type, (f"c{r}",))))

    def call(self, t: Call) -> None:
        """The results are on the tape, if anybody needs them; on the way back the callee runs backwards."""
        callee = self.context.reverses.of_call(self.parent.rev, t)
        back = self.jump(t.then, [[operations.zero_of(ty)] for ty in callee.function.results])
        top = self.parent.top(self.pointer(ENV))
        whole = self.parent.closures.records.get(WHOLE, []) if callee.name == self.parent.rev.name else []
        record = [self.pointer(f"e.{WHOLE}")] if whole else []
        self.body.put(call_back(self, t, callee, [*back, self.body.get(top), *record], whole), top)


class LoopBack:
    """b.f.loop: leave the loop with its last state; the rest of the function comes back; then one iteration after the other, last first."""

    def __init__(self, parent: Back, block: Continuation, loop: TapedLoop) -> None:
        self.parent, self.block, self.loop = parent, block, loop
        self.active = [p for p in block.params if parent.is_active_scalar(p)]
        self.invariant = [v for v in block.by_value if parent.is_active_scalar(v)]
        self.hand_type = at_hand_type(parent, block)

    def run(self) -> None:
        parent, block = self.parent, self.block
        names = parent.parameters(block.inputs)
        records = [Var(f"e.{h}", PTR) for h in block.nest]
        outer = hands(block, block.name)
        entry = [Var("step", PTR)] if self.loop.before in parent.entries.types else []
        self.pointers: list[Atom] = [Var(ENV, PTR), *records]
        self.outer = outer
        self.entry = entry[0] if entry else None
        params = [*(x for v in block.inputs for x in names[v]), *self.pointers, *outer, *entry]
        vs = parent.returned(block)
        body = self.body = Body(parent.low, parent.block_name(block.name), params, [v.type for v in vs])  # type: ignore[arg-type]
        self.inputs: dict[Var, Parts] = {v: list(names[v]) for v in block.inputs}
        for x in (x for x in records if x.name == f"e.{WHOLE}"):
            t = parent.record_type(WHOLE)
            self.inputs |= {v: parent.load_parts(body, x, t, v) for v in parent.closures.records[WHOLE]}
        self.hand = body.cell(self.hand_type, "hand")
        self.sums = {v: Place(body.cell(v.type, "sum"), v.type) for v in self.invariant}
        n = self.count()
        returned = self.call(".last", [self.last_state(p, n) for p in block.params], self.outer)
        for p in self.active:
            body.put(returned[p], self.at_hand(p))
        for v in self.invariant:
            body.put(returned[v], self.sums[v])
        self.backward(n)
        body.ret(*(body.get(self.at_hand(v) if v in self.active else self.sums[v]) for v in vs))

    def at_hand(self, p: Var) -> Place:
        return Place(self.hand, self.hand_type, (p.name,))

    def held(self, key: Any) -> Atom | None:
        before = self.loop.before
        if not self.parent.entries.has(before, key):
            return None
        assert self.entry is not None
        return self.body.get(self.parent.entries.place(before, self.entry, key))

    def given(self, a: Atom) -> Atom:
        return self.inputs[a][0] if isinstance(a, Var) else a

    def count(self) -> Atom:
        kept = self.held(("count", self.block.name))
        if kept is not None:
            return kept
        assert self.loop.counter is not None
        a, b = map(self.given, self.loop.counter)
        return self.body.let("select", [self.body.test("igt", b, a), self.body.integer("isub", b, a), ZERO], I64, "n")

    def state_value(self, p: Var, m: Atom) -> Atom:
        """A carried value as integers alone decide it, or nothing that anybody reads."""
        if p not in self.loop.inductions:
            return operations.zero_of(p.type)
        step = self.loop.inductions[p]
        by = m if step == 1 else self.body.integer("imul", m, Const(step, I64))
        return self.body.integer("iadd", self.inputs[p][0], by)

    def last_state(self, p: Var, n: Atom) -> Atom:
        kept = self.held(("last", p))
        return kept if kept is not None else self.state_value(p, n)

    def call(self, variant: str, state: Sequence[Atom], more: Sequence[Atom]) -> dict[Var, Atom]:
        args = [*state, *(x for v in self.block.by_value for x in self.inputs[v]), *self.pointers, *more]
        vs = self.parent.returned(self.block)
        name = self.parent.block_name(self.block.name) + variant
        return dict(zip(vs, self.body.call(name, args, [v.type for v in vs]), strict=True))

    def backward(self, n: Atom) -> None:
        body = self.body
        head, inside, done = body.block("back", [I64]), body.block("iteration"), body.block("done")
        body.jump(head, n)
        body.current = head
        body.branch(body.test("igt", head.params[0], ZERO), inside, done)
        body.current = inside
        m = body.integer("iadd", head.params[0], Const(-1, I64))
        known = {x.name: x for x in self.outer}
        mine = [known.get(x.name, self.hand) for x in hands(self.block)]
        returned = self.call(".iter", [self.state_value(p, m) for p in self.block.params], mine)
        for p in self.active:
            body.put(returned[p], self.at_hand(p))
        for v in self.invariant:
            body.put(body.let("sum", [body.get(self.sums[v]), returned[v]], v.type), self.sums[v])
        body.jump(head, m)
        body.current = done

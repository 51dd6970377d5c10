"""Replay and chunks: a differentiated loop as two real loops.

    r.f.loop4(inputs, k, kenv, records)
      forward    the primal loop; each iteration writes an entry to the tape
      last       r.f.loop4.last: the head once more, in reverse form, leaving the loop: the rest of the program
      backward   for each entry, last first: undo the stores, then r.f.loop4.iter, the body in reverse form

The body's reverse code is the same as under recursion, but where it would go on to the next iteration it reads the
adjoint at hand from `at_hand`. For chunks (diff/loops/policies.py) the pieces before the last one run forward without a use of their tape, and
again with it when their turn comes. Everything below is inlined into one function; both loops may become vector loops. What
the program itself computes keeps its order; the adjoint of a value from outside the loop is a sum over iterations whose
order nobody has written down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core.graph import Atom, Const, Let, Var
from ..core.types import BOOL, I64, LANE, PTR, Struct
from ..diff.cps import WHOLE, Continuation
from ..diff.loops.coverage import Cover
from ..diff.loops.policies import CHUNK, TAPE_LIMIT, Plan, is_address
from ..ops.memory import codes, quiet
from .function import Parts, ReverseFunction
from .iteration import Iteration, Last, at_hand_type
from .low import NOWHERE, ONE, ZERO, Body, Place, clear_outside
from .operations import zero_of
from .tape import Forward, Tape

ENTRIES = 1024  # by which a tape grows
SIZES = {"f64": 8, "i64": 8, "f32": 4, "bool": 1, "boolx16": 2}


class Replay:
    """Lowers a loop's head under the policies replay and chunks."""

    def __init__(self, parent: ReverseFunction, block: Continuation, plan: Plan, chunks: bool, checkpoint: Any) -> None:
        self.parent, self.block, self.plan, self.context = parent, block, plan, parent.context
        self.f = parent.rev.function
        self.name = parent.block_name(block.name)
        self.tape = Tape(f"entry.{self.name}", plan)
        self.chunks = chunks and bool(plan.fields)
        self.length = checkpoint if isinstance(checkpoint, int) else None
        self.active = [p for p in block.params if parent.is_active_scalar(p)]
        self.invariant = [v for v in block.by_value if parent.is_active_scalar(v)]
        self.hand_type = at_hand_type(parent, block)
        self.inputs: dict[Var, Parts] = {}
        self.body: Body

    def run(self) -> None:
        parent, block = self.parent, self.block
        last = Last(parent, block, self.plan)
        names = parent.parameters(block.inputs)
        self.pointers = last.pointers
        vs = parent.returned(block)
        params = [*(x for v in block.inputs for x in names[v]), *self.pointers]
        body = self.body = Body(parent.low, self.name, params, [v.type for v in vs])
        self.inputs = {v: list(names[v]) for v in block.inputs}
        if WHOLE in block.nest:
            record = next(x for x in self.pointers if x.name == f"e.{WHOLE}")
            for v in parent.closures.records[WHOLE]:
                self.inputs[v] = parent.load_parts(body, record, parent.record_type(WHOLE), v)
        self.hand = body.cell(self.hand_type, "hand")
        self.sums = {v: body.cell(v.type, "sum") for v in self.invariant}
        body.emit("check_stack", [], name=self.f.name)
        mark = body.let("mark", [], PTR) if self.plan.fields else None
        for cover in parent.rev.covers.values():
            if cover.head == self.plan.head:
                self.zero_outside(cover)
        self.loops()
        if mark is not None:
            body.emit("release", [mark])
        body.ret(*(body.get(self.at_hand(v) if v in self.active else Place(self.sums[v], v.type)) for v in vs))
        last.run()
        for name, b in parent.closures.blocks.items():
            if name in self.plan.loop.blocks:
                Iteration(parent, b, self.plan, self.tape).run()

    def at_hand(self, p: Var) -> Place:
        return Place(self.hand, self.hand_type, (p.name,))

    def given(self, a: Atom) -> Atom:
        return self.inputs[a][0] if isinstance(a, Var) else a

    def zero_outside(self, cover: Cover) -> None:
        """Zeros for the adjoint elements that the loop does not write."""
        body, t = self.body, cover.array.type.dtype  # type: ignore[union-attr]
        x, adjoint = self.inputs[cover.array]
        start, limit, shift = map(self.given, (cover.start, cover.limit, cover.offset))
        n = body.let("dim", [x], I64, axis=0)
        clear_outside(body, adjoint, n, body.integer("iadd", start, shift), body.integer("iadd", limit, shift), t)

    # ---- the loops
    def start(self) -> list[Atom]:
        return [self.inputs[p][0] for p in self.block.params]

    def loops(self) -> None:
        if self.chunks:
            self.pieces()
            return
        tape = self.make_tape() if self.plan.fields else None
        there = (lambda n: tape(n, True)) if tape is not None else None
        state, n = Forward(self.f, self.plan, self.inputs, self.body, self.tape).run(self.start(), there, None)
        self.last(state)
        self.backward(n, (lambda m: tape(m, False)) if tape is not None else lambda m: NOWHERE, self.start())

    def iterations(self) -> Atom:
        """The number of iterations of a counted loop, from its inputs."""
        assert self.plan.counter is not None
        counter, limit = self.plan.counter
        a, b = self.given(counter), self.given(limit)
        return self.body.let("select", [self.body.test("igt", b, a), self.body.integer("isub", b, a), ZERO], I64, "n")

    def make_tape(self) -> Callable[[Atom, bool], Atom]:
        """A tape for all iterations: allocated at once where their number is known, else it grows."""
        body, of = self.body, self.tape.type

        def at(base: Atom, n: Atom) -> Atom:
            return body.let("at", [base, n], PTR, "entry", of=of)

        if self.plan.counter is not None:
            whole = body.let("room", [self.iterations()], PTR, "tape", of=of)
            return lambda n, there: at(whole, n)
        base = body.let("mark", [], PTR, "tape")

        def pointer(n: Atom, there: bool) -> Atom:
            if there:
                more, go = body.block("more"), body.block("go")
                full = body.test("ieq", body.integer("iand", n, Const(ENTRIES - 1, I64)), ZERO)
                body.branch(full, more, go)
                body.current.terminator.rare = True  # type: ignore[union-attr]
                body.current = more
                body.let("room", [Const(ENTRIES, I64)], PTR, of=of)
                body.jump(go)
                body.current = go
            return at(base, n)

        return pointer

    def last(self, state: Sequence[Atom]) -> None:
        """Leave the loop with its final state: the rest of the program runs, and the adjoints come back."""
        returned = self.call(".last", state, [])
        for p in self.active:
            self.body.put(returned[p], self.at_hand(p))
        for v in self.invariant:
            self.body.put(returned[v], Place(self.sums[v], v.type))

    def call(self, variant: str, state: Sequence[Atom], extra: Sequence[Atom]) -> dict[Var, Atom]:
        args = [*state, *(x for v in self.block.by_value for x in self.inputs[v]), *self.pointers, *extra]
        vs = self.parent.returned(self.block)
        return dict(zip(vs, self.body.call(self.name + variant, args, [v.type for v in vs]), strict=True))

    def backward(self, n: Atom, tape: Callable[[Atom], Atom], start: Sequence[Atom]) -> None:
        """for m in n-1 .. 0: one iteration in reverse."""
        body = self.body
        head, inside, done = body.block("back", [I64]), body.block("iteration"), body.block("done")
        body.jump(head, n)
        body.current = head
        body.branch(body.test("igt", head.params[0], ZERO), inside, done)
        body.current = inside
        m = body.integer("iadd", head.params[0], Const(-1, I64))
        entry = tape(m)
        state = [self.state_value(p, m, entry, x) for p, x in zip(self.block.params, start, strict=True)]
        self.undo(state, entry)
        returned = self.call(".iter", state, [self.hand, entry])
        for p in self.active:
            body.put(returned[p], self.at_hand(p))
        for v in self.invariant:
            place = Place(self.sums[v], v.type)
            body.put(body.let("sum", [body.get(place), returned[v]], v.type), place)
        body.jump(head, m)
        body.current = done

    def state_value(self, p: Var, m: Atom, entry: Atom, start: Atom) -> Atom:
        """A head parameter in iteration m: from the tape, computed, or nothing that anybody reads."""
        if p in self.plan.inductions:
            step = self.plan.inductions[p]
            by = m if step == 1 else self.body.integer("imul", m, Const(step, I64))
            return by if start == ZERO else self.body.integer("iadd", start, by)
        return self.tape.load(self.body, entry, p) if self.tape.has(p) else zero_of(p.type)

    def undo(self, state: Sequence[Atom], entry: Atom) -> None:
        """Put back what the iteration's stores overwrote, last first."""
        body = self.body
        env: dict[Var, Atom] = {**{v: parts[0] for v, parts in self.inputs.items()}, **dict(zip(self.block.params, state, strict=True))}

        def read(a: Atom) -> Atom:
            return env[a] if isinstance(a, Var) else a

        places: list[tuple[Let, Place]] = []
        for name in self.parent.closures.blocks if self.plan.stores else ():
            for let in self.f.blocks[name].lets if name in self.plan.loop.blocks else ():
                if is_address(let) and all(not isinstance(a, Var) or a in env for a in let.args):
                    outs = body.again(let, list(map(read, let.args)))
                    env.update(zip(let.outs, outs, strict=True))
                elif let in self.plan.stores:
                    t = let.args[0].type.dtype  # type: ignore[union-attr]
                    args = list(map(read, let.args[:-1]))
                    n = body.let("offset", args, I64, index=quiet(codes(let)))
                    places.append((let, Place(body.let("at", [body.let("data", args[:1], PTR), n], PTR, of=t), t)))
        for let, place in reversed(places):
            body.put(self.tape.load(body, entry, let), place)

    # ---- chunks
    def size(self) -> int:
        """Bytes of an entry."""
        sizes: list[int] = [SIZES[lane.name] * n for lane, n in (LANE.get(t, (t, 1)) for _, t in self.tape.type.fields)]
        widest = max(sizes, default=1)
        return (sum(sizes) + widest - 1) // widest * widest

    def pieces(self) -> None:
        """All pieces but the last without a tape; then last piece, rest of the program, and back piece by piece."""
        body, n = self.body, self.iterations()
        length: Atom
        if self.length is None:
            short = body.test("ile", n, Const(TAPE_LIMIT // self.size(), I64))
            length = body.let("select", [short, body.integer("iadd", n, ONE), Const(CHUNK, I64)], I64)
        else:
            length = Const(self.length, I64)
        whole = body.integer("over", n, length)
        exact = body.test("ieq", body.integer("imul", whole, length), n)
        less = body.test("and", exact, body.test("igt", whole, ZERO))
        pieces = body.integer("isub", whole, body.let("select", [less, ONE, ZERO], I64))  # before the last one
        states = Struct(f"state.{self.name}", tuple((p.name, p.type) for p in self.block.params))
        kept = body.let("room", [pieces], PTR, "states", of=states)
        most = body.let("select", [body.test("ilt", n, length), n, length], I64)
        base = body.let("room", [most], PTR, "tape", of=self.tape.type)
        rest = body.integer("isub", n, body.integer("imul", pieces, length))
        self.segments(kept, states, pieces, length, rest, base)

    def segments(self, kept: Atom, states: Struct, pieces: Atom, length: Atom, rest: Atom, base: Atom) -> None:
        """One loop over pieces. On the way there each piece's state is kept, and its tape is not used; the last piece goes
        on to the rest of the program; then the pieces run again, last first, and back."""
        body = self.body

        def entry(m: Atom) -> Atom:
            return body.let("at", [base, m], PTR, "entry", of=self.tape.type)

        ahead0 = body.test("igt", pieces, ZERO)
        count0 = body.let("select", [ahead0, length, rest], I64)
        head = body.block("segment", [I64, I64, BOOL, *(p.type for p in self.block.params)])
        body.jump(head, ZERO, count0, ahead0, *self.start())
        c, count, ahead, *begin = head.params
        body.current = head
        end, _ = Forward(self.f, self.plan, self.inputs, body, self.tape).run(begin, entry, count)
        there, here, leave, back, on, finish = (body.block(x) for x in ("ahead", "arrived", "leave", "way_back", "on", "finish"))
        body.branch(ahead, there, here)
        body.current = there
        place = body.let("at", [kept, c], PTR, of=states)
        for p, x in zip(self.block.params, begin, strict=True):
            body.put(x, Place(place, states, (p.name,)))
        up = body.integer("iadd", c, ONE)
        more = body.test("ilt", up, pieces)
        body.jump(head, up, body.let("select", [more, length, rest], I64), more, *end)
        body.current = here
        body.branch(body.test("ieq", c, pieces), leave, back)
        body.current = leave
        self.last(end)
        body.jump(back)
        body.current = back
        self.backward(count, entry, begin)
        body.branch(body.test("ieq", c, ZERO), finish, on)
        body.current = on
        down = body.integer("iadd", c, Const(-1, I64))
        place = body.let("at", [kept, down], PTR, of=states)
        body.jump(head, down, length, Const(False, BOOL), *(body.get(Place(place, states, (p.name,))) for p in self.block.params))
        body.current = finish

"""The tape of a loop that is replayed, and the loop forward that writes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core.analysis import reverse_postorder
from ..core.graph import Atom, Block, Branch, Const, Edge, Fail, Function, Jump, Let, Var
from ..core.op import TABLE
from ..core.types import I64, PTR, Struct
from ..diff.loops.policies import Plan
from ..diff.rules import rule_terms
from ..ops.memory import codes
from .function import Parts
from .low import ONE, ZERO, Body, Place, Value


class Tape:
    """The layout of one iteration's entry."""

    def __init__(self, name: str, plan: Plan) -> None:
        self.names = {key_of(k): f"e{i}" for i, (k, _) in enumerate(plan.fields)}
        self.type = Struct(name, tuple((f"e{i}", t) for i, (_, t) in enumerate(plan.fields)))

    def has(self, key: Any) -> bool:
        return key_of(key) in self.names

    def save(self, body: Body, entry: Atom, key: Any, v: Atom) -> None:
        body.put(v, Place(entry, self.type, (self.names[key_of(key)],)))

    def load(self, body: Body, entry: Atom, key: Any) -> Atom:
        return body.get(Place(entry, self.type, (self.names[key_of(key)],)))


def key_of(key: Any) -> Any:
    return (id(key[0]), key[1]) if isinstance(key, tuple) else id(key)


class Forward:
    """The primal loop, from given values of the head's parameters, in a function under construction; it writes the tape."""

    def __init__(self, f: Function, plan: Plan, inputs: dict[Var, Parts], body: Body, tape: Tape) -> None:
        self.body, self.tape = body, tape
        self.f, self.plan = f, plan
        self.env: dict[Var, Atom] = {v: parts[0] for v, parts in inputs.items()}
        self.blocks: dict[str, Block] = {}
        self.entry: Atom = ZERO
        self.next: Atom = ZERO

    def run(self, start: Sequence[Atom], entry_pointer: Callable[[Atom], Atom] | None, stop: Atom | None) -> tuple[list[Atom], Atom]:
        """`entry_pointer(n)` gives the entry of iteration n; `stop` is a number of iterations after which to leave. Gives the head's
        parameters and the count at the end, which is where the code goes on."""
        body, head = self.body, self.f.blocks[self.plan.head]
        order = [n for n in reverse_postorder(self.f) if n in self.plan.loop.blocks]
        for name in order:
            params = self.f.blocks[name].params
            self.blocks[name] = body.block(f"forward.{name}", [p.type for p in params])
            self.env.update(zip(params, self.blocks[name].params, strict=True))
        n, after = body.var(I64, "n"), body.block("turn")
        self.blocks[head.name].params.append(n)
        body.jump(self.blocks[head.name], *start, ZERO)
        for name in order:
            block = self.f.blocks[name]
            body.current = self.blocks[name]
            for let in block.lets:
                self.let(let)
            if name == head.name:
                self.leave_or_go_on(block, n, entry_pointer, stop, after)
            else:
                self.terminator(block)
        body.current = after
        return [self.env[p] for p in head.params], n

    def leave_or_go_on(self, head: Block, n: Atom, entry_pointer: Any, stop: Atom | None, after: Block) -> None:
        body, t = self.body, head.terminator
        assert isinstance(t, Branch)
        into = body.block("into")
        if stop is not None:
            body.branch(body.test("ilt", n, stop), into, after)
        elif t.then is not self.plan.body and t.then.block != self.plan.body.block:
            body.branch(self.read(t.cond), after, into)
        else:
            body.branch(self.read(t.cond), into, after)
        body.current = into
        self.next = body.integer("iadd", n, ONE)
        if self.plan.fields:
            self.entry = entry_pointer(n)
            for p in head.params:
                if self.tape.has(p):
                    self.tape.save(body, self.entry, p, self.env[p])
            for let in head.lets:
                if let in self.plan.kept:
                    self.save_kept(let)
        self.jump(self.plan.body)

    def let(self, let: Let) -> None:
        body = self.body
        args = [self.read(a) for a in let.args]
        if TABLE[let.op].writes:
            dtype = let.args[0].type.dtype  # type: ignore[union-attr]
            (n,) = body.emit("offset", args[:-1], [I64], "n", let.site, index=codes(let))
            place = Place(body.let("at", [body.let("data", [args[0]], PTR), n], PTR, "p", of=dtype), dtype)
            self.tape.save(body, self.entry, let, body.get(place))
            body.put(args[-1], place)
            return
        outs = body.again(let, args)
        self.env.update(zip(let.outs, outs, strict=True))
        if let in self.plan.kept and let not in self.f.blocks[self.plan.head].lets:
            self.save_kept(let)

    def save_kept(self, let: Let) -> None:
        """Write an expensive operation's result and derivatives to the tape."""
        kept, body = self.plan.kept[let], self.body
        z = self.env[let.out]
        if kept.result:
            self.tape.save(body, self.entry, (let, "result"), z)
        if kept.partials:
            xs = [Value(body, self.read(a)) for a in let.args]
            wanted = [i in kept.partials for i in range(len(xs))]
            terms = rule_terms(body.program.sources, let, wanted, Value(body, Const(1.0, let.out.type)), Value(body, z), *xs)
            for i in kept.partials:
                self.tape.save(body, self.entry, (let, i), terms[i].atom)

    def read(self, a: Atom) -> Atom:
        return self.env[a] if isinstance(a, Var) else a

    def terminator(self, block: Block) -> None:
        body, t = self.body, block.terminator
        if isinstance(t, Jump):
            self.jump(t.edge)
        elif isinstance(t, Branch):
            yes, no = body.block("yes"), body.block("no")
            body.branch(self.read(t.cond), yes, no)
            for one, edge in ((yes, t.then), (no, t.orelse)):
                body.current = one
                self.jump(edge)
        elif isinstance(t, Fail):
            body.end(t)

    def jump(self, edge: Edge) -> None:
        more = [self.next] if edge.block == self.plan.head else []
        self.body.jump(self.blocks[edge.block], *map(self.read, edge.args), *more)

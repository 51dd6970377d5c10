"""One iteration of a loop that is replayed, in reverse form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core.graph import Atom, Edge, Jump, Let, Var
from ..core.op import TABLE
from ..core.types import PTR, Struct
from ..diff.cps import Continuation
from ..diff.loops.policies import Plan
from . import operations
from .blocks import BlockFunction
from .function import Parts, ReverseFunction
from .low import Place
from .tape import Tape


def at_hand_type(parent: ReverseFunction, head: Continuation) -> Struct:
    """The adjoints that the way on from an iteration gives."""
    return Struct(f"hand.{parent.name}.{head.name}", tuple((p.name, p.type) for p in head.params if parent.is_active_scalar(p)))


class Iteration(BlockFunction):
    """A block of the body in reverse form, for one iteration: the way on to the head is the adjoint at hand."""

    def __init__(self, parent: ReverseFunction, block: Continuation, plan: Plan, tape: Tape) -> None:
        self.plan, self.tape = plan, tape
        super().__init__(parent, block, ".iter")

    def extra_pointers(self) -> list[Var]:
        return [*super().extra_pointers(), Var("at_hand", PTR), Var("step", PTR)]

    def pointers_of(self, target: Continuation) -> list[Atom]:
        return [*super().pointers_of(target), self.pointer("at_hand"), self.pointer("step")]

    def checked(self) -> bool:
        return False  # the loop forward has checked

    def checks_stack(self) -> bool:
        return False

    def inline(self) -> bool:
        return self.block.inline or self.block.is_head

    def target_name(self, target: Continuation) -> str:
        return super().target_name(target) + ".iter"

    def jump(self, edge: Edge, results: Sequence[Parts] | None = None) -> list[Atom]:
        if edge.block != self.plan.head:
            return super().jump(edge, results)
        head = self.parent.closures.blocks[edge.block]
        of = at_hand_type(self.parent, head)
        for p, a in zip(head.params, edge.args, strict=True):
            if self.parent.is_active_scalar(p) and self.parent.is_active_scalar(a):
                self.add(a, self.body.get(Place(self.pointer("at_hand"), of, (p.name,))))
        return []

    def terminator(self, t: Any) -> None:
        super().terminator(Jump(self.plan.body) if self.block.is_head else t)

    def straight_let(self, let: Let) -> list[Atom]:
        kept = self.plan.kept.get(let)
        if kept is not None:
            return [self.tape.load(self.body, self.pointer("step"), (let, "result"))]
        if TABLE[let.op].expensive or TABLE[let.op].effect:  # nothing on the way back reads it, and no effect runs again
            return [operations.zero_of(o.type) for o in let.outs]
        return super().straight_let(let)

    def plain_store(self, let: Let) -> Callable[[], None] | None:
        return None if let in self.plan.silent else super().plain_store(let)

    def silent_store(self, let: Let, k: str) -> None:
        v = let.args[-1]
        name = operations.silent_store(self.low, v.type, self.parent.is_active_scalar(v))
        self.call_operation(name, [self.adjoint_element(let, self.offset(let)), self.operand(v)], k)

    def first_load(self, let: Let, k: str) -> None:
        n = self.offset(let)
        args = [self.element(let, n), self.adjoint_element(let, n), self.body.address(self.place(let.out))]
        self.call_operation(operations.load(self.low, let.out.type, first=True), args, k)

    def step(self, let: Let, k: str) -> None:
        kept = self.plan.kept.get(let)
        if kept is None:
            silent, first = let in self.plan.silent, let in self.parent.rev.covers
            (self.silent_store if silent else self.first_load if first else super().step)(let, k)
            return
        self.kept_step(let, k, kept, lambda key: self.tape.load(self.body, self.pointer("step"), key))


class Last(BlockFunction):
    """The head in reverse form, leaving the loop."""

    def __init__(self, parent: ReverseFunction, block: Continuation, plan: Plan) -> None:
        self.plan = plan
        super().__init__(parent, block, ".last")

    def checks_stack(self) -> bool:
        return False

    def inline(self) -> bool:
        return True

    def terminator(self, t: Any) -> None:
        super().terminator(Jump(self.plan.exit))

"""One iteration of a loop that is replayed, in reverse form."""

from __future__ import annotations

from typing import Any

from .....ir.core.graph import Edge, Jump, Let
from .....ir.core.op import TABLE
from .....ir.core.types import Scalar
from .....ir.diff.cps import Continuation
from .....ir.diff.policies import Plan
from ..code import LLVM_TYPES, literal, struct_of
from ..lets import Operands
from ..operations import kept_function, load_function, silent_store_function
from .block import BlockFunction
from .function import ReverseFunction
from .tape import Tape


def at_hand_type(parent: ReverseFunction, head: Continuation) -> str:
    return struct_of([LLVM_TYPES[p.type] for p in head.params if parent.is_active_scalar(p)] or ["i64"])


class Iteration(BlockFunction):
    """A block of the body in reverse form, for one iteration: the way on to the head is the adjoint at hand."""

    def __init__(self, parent: ReverseFunction, block: Continuation, plan: Plan, tape: Tape) -> None:
        self.plan, self.tape = plan, tape
        super().__init__(parent, block, ".iter")

    def extra_pointers(self) -> list[str]:
        return ["at_hand", "step"]

    def checked(self) -> bool:
        return False  # the loop forward has checked

    def checks_stack(self) -> bool:
        return False

    def inline(self) -> bool:
        return self.block.inline or self.block.is_head

    def target_name(self, target: Continuation) -> str:
        return super().target_name(target) + ".iter"

    def jump(self, edge: Edge, results: Any = None, block: Any = None) -> list[str]:
        if edge.block != self.plan.head:
            return super().jump(edge, results)
        head = self.parent.closures.blocks[edge.block]
        active = [p for p in head.params if self.parent.is_active_scalar(p)]
        for p, a in zip(head.params, edge.args, strict=True):
            if p in active and self.parent.is_active_scalar(a):
                i = active.index(p)
                t = LLVM_TYPES[p.type]
                self.add(a, self.code.load(t, self.code.field(at_hand_type(self.parent, head), self.pointer("at_hand"), i)))
        return []

    def terminator(self, t: Any) -> None:
        super().terminator(Jump(self.plan.body) if self.block.is_head else t)

    def straight_let(self, let: Let) -> list[Operands]:
        kept = self.plan.kept.get(let)
        if kept is not None:
            return [[self.tape.load(self.code, self.pointer("step"), (let, "result"), let.out.type)]]
        if TABLE[let.op].expensive or TABLE[let.op].effect:  # nothing on the way back reads it, and no effect runs again
            return [[literal(0, o.type)] for o in let.outs]
        return super().straight_let(let)

    def plain_store(self, let: Let) -> tuple[str, str, str] | None:
        return None if let in self.plan.silent else super().plain_store(let)

    def silent_store(self, let: Let, k: str) -> None:
        _, dp = self.element(let)
        v = let.args[-1]
        name = silent_store_function(self.module, v.type, self.parent.is_active_scalar(v))
        self.code.emit(f"call void {name}(ptr {dp}, {self.operand(v)}, ptr {k}, ptr %frame)")

    def first_load(self, let: Let, k: str) -> None:
        p, dp = self.element(let)
        name = load_function(self.module, let.out.type, first=True)
        self.code.emit(f"call void {name}(ptr {p}, ptr {dp}, ptr {self.cell(let.out)}, ptr {k}, ptr %frame)")

    def operation(self, let: Let, k: str) -> None:
        kept = self.plan.kept.get(let)
        if kept is None:
            silent, first = let in self.plan.silent, let in self.parent.rev.covers
            (self.silent_store if silent else self.first_load if first else super().operation)(let, k)
            return
        active = [self.parent.is_active_scalar(a) for a in let.args]
        entry = self.pointer("step")
        t = let.out.type
        assert isinstance(t, Scalar)
        z = self.tape.load(self.code, entry, (let, "result"), t) if kept.result else literal(0.0, t)
        partials = [f"{LLVM_TYPES[let.args[i].type]} {self.tape.load(self.code, entry, (let, i), let.args[i].type)}" for i in kept.partials]
        name = kept_function(self.module, let, active, kept.partials)
        args = [f"ptr {self.place(a)}" for a, is_active in zip(let.args, active, strict=True) if is_active]
        args += [f"{LLVM_TYPES[t]} {z}", *partials, f"ptr {self.cell(let.out)}", f"ptr {k}", "ptr %frame"]
        self.code.emit(f"call void {name}({', '.join(args)})")


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

"""The frame of a block: its variables with their adjoints, and the records of loops around it."""

from __future__ import annotations

from typing import Any

from .....ir.core.graph import Atom, Let, Var
from .....ir.core.op import TABLE
from .....ir.core.types import Scalar
from .....ir.diff.cps import Continuation
from .....ir.ops.memory import codes, quiet
from ..code import LLVM_TYPES, NEGATIVE_ZERO, Code, literal, struct_of
from ..lets import Operands, emit_let
from ..operations import accumulate
from .function import ReverseFunction


class BlockFrame:
    """What is kept while a block and what comes after it run."""

    def __init__(self, parent: ReverseFunction, block: Continuation, variant: str = "") -> None:
        self.parent, self.block, self.context = parent, block, parent.context
        self.module = parent.context.module
        self.activity = parent.activity
        self.name = parent.block_name(block.name) + variant
        self.variant = variant
        self.fields: dict[Any, int] = {}
        self.types: list[str] = []
        for v in block.inputs:
            self.add_field(v, self.cell_type(v))
        own = dict.fromkeys(o for let in block.lets for o in let.outs)
        for o in own:
            self.add_field(o, self.cell_type(o))
        self.locals = [o for o in parent.locals if o in own]  # arrays whose adjoints are made when the way back begins
        self.gives_back = any(TABLE[let.op].whole for let in block.lets)
        self.mark = ""
        self.pointers = ["k", "kenv", *(f"e.{h}" for h in block.nest), *self.extra_pointers()]
        for x in self.pointers:
            self.add_field(x, "ptr")
        self.frame_type = self.module.named_type(f"frame{self.context.unique()}", struct_of(self.types))
        self.code = Code(self.module)

    # ---- what replay.py changes for one iteration
    def extra_pointers(self) -> list[str]:
        """Pointers that this block and its successors are given besides the usual ones."""
        return []

    def checked(self) -> bool:
        """Are indices to be checked here?"""
        return True

    def checks_stack(self) -> bool:
        return self.block.is_head

    def straight_let(self, let: Let) -> list[Operands]:
        """Emit an operation without an adjoint."""
        return emit_let(self.code, self.quiet(let), self.read)

    def quiet(self, let: Let) -> Let:
        """`let` without the checks that have been made before."""
        if self.checked() or not TABLE[let.op].indexed:
            return let
        return Let(let.outs, let.op, let.args, {**let.attrs, "index": quiet(codes(let))}, let.site)

    def add_field(self, key: Any, t: str) -> None:
        self.fields[key] = len(self.types)
        self.types.append(t)

    def cell_type(self, v: Var) -> str:
        return self.parent.cell_type(v)

    # ---- reading and writing the frame
    def cell(self, key: Any) -> str:
        return self.code.field(self.frame_type, "%frame", self.fields[key])

    def read(self, a: Atom) -> Operands:
        """The operands of a variable of this block, or of one that waits in a loop's record."""
        if not isinstance(a, Var):
            return [literal(a.value, a.type)]
        if a not in self.fields:
            return self.read_record(a)
        if isinstance(a.type, Scalar):
            return [self.code.load(LLVM_TYPES[a.type], self.cell(a))]
        t = self.cell_type(a)
        return [self.code.load(part, self.code.field(t, self.cell(a), j)) for j, part in enumerate(self.parent.flat(a))]

    def write(self, v: Var, operands: Operands) -> None:
        if isinstance(v.type, Scalar):
            self.code.store(LLVM_TYPES[v.type], operands[0], self.cell(v))
            return
        t = self.cell_type(v)
        for j, (part, x) in enumerate(zip(self.parent.flat(v), operands, strict=False)):
            self.code.store(part, x, self.code.field(t, self.cell(v), j))

    def pointer(self, name: str) -> str:
        return self.code.load("ptr", self.cell(name))

    def place(self, v: Any, *field: int) -> str:
        """The address of a variable's cell: in the frame, or in the record where it waits."""
        if v in self.fields:
            return self.code.field(self.frame_type, "%frame", self.fields[v], *field)
        head = self.record_of(v)
        t, index = self.record_type(head), self.parent.positions(head)[v]
        return self.code.field(t, self.pointer(f"e.{head}"), index, *field)

    def adjoint_cell(self, v: Var) -> str:
        """The address of an active scalar's adjoint."""
        return self.place(v, 1)

    def add(self, a: Atom, term: str) -> None:
        """da += term"""
        if self.parent.is_active_scalar(a):
            accumulate(self.code, LLVM_TYPES[a.type], self.adjoint_cell(a), term)  # type: ignore[arg-type]

    # ---- records of loops
    def record_of(self, v: Var) -> str:
        return next(h for h in self.block.nest if v in self.parent.positions(h))

    def record_type(self, head: str) -> str:
        known = self.parent.record_types
        if head not in known:
            t = struct_of([self.cell_type(v) for v in self.parent.closures.records[head]] or ["i64"])
            named = head in self.parent.closures.kept  # a long one, mentioned often
            known[head] = self.module.named_type(f"record{self.context.unique()}", t) if named else t
        return known[head]

    def read_record(self, v: Var) -> Operands:
        head = self.record_of(v)
        t, index = self.record_type(head), self.parent.positions(head)[v]
        p = self.code.field(t, self.pointer(f"e.{head}"), index)
        if isinstance(v.type, Scalar):
            return [self.code.load(LLVM_TYPES[v.type], p)]
        return [self.code.load(part, self.code.field(self.cell_type(v), p, j)) for j, part in enumerate(self.parent.flat(v))]

    def make_record(self, head: str) -> str:
        """The record of a loop that is entered here: what only the code after it needs."""
        code, t = self.code, self.record_type(head)
        record = code.alloca(t)
        for i, v in enumerate(self.parent.closures.records[head]):
            p = code.field(t, record, i)
            if isinstance(v.type, Scalar):
                code.store(LLVM_TYPES[v.type], self.read(v)[0], p)
                if v in self.activity:
                    code.store(LLVM_TYPES[v.type], NEGATIVE_ZERO, code.field(t, record, i, 1))
            else:
                for j, (part, x) in enumerate(zip(self.parent.flat(v), self.read(v), strict=True)):
                    code.store(part, x, code.field(self.cell_type(v), p, j))
        return record

    def empty_record(self, head: str, record: str) -> None:
        """The loop has returned: take the adjoints out of its record."""
        t = self.record_type(head)
        for i, v in enumerate(self.parent.closures.records[head]):
            if self.parent.is_active_scalar(v):
                self.add(v, self.code.load(LLVM_TYPES[v.type], self.code.field(t, record, i, 1)))

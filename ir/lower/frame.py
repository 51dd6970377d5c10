"""The frame of a block: its variables with their adjoints, and the records of loops around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.graph import Atom, Let, Var
from ..core.op import REVERSE, TABLE
from ..core.types import CODE, PTR, Array, Struct
from ..diff.cps import Continuation
from ..ops.memory import codes, quiet
from .function import Parts, ReverseFunction, fields_of
from .low import Body, Place
from .pullback import lower_pullback


class BlockFrame:
    """What is kept while a block and what comes after it run."""

    def __init__(self, parent: ReverseFunction, block: Continuation, variant: str = "") -> None:
        self.parent, self.block, self.context, self.low = parent, block, parent.context, parent.low
        self.activity = parent.activity
        self.name = parent.block_name(block.name) + variant
        self.variant = variant
        own = dict.fromkeys(o for let in block.lets for o in let.outs)
        self.kept: dict[Var, None] = dict.fromkeys([*block.inputs, *own])
        self.late = [o for o in parent.late if o in own]  # arrays whose adjoints are made when the way back begins
        self.gives_back = any(TABLE[let.op].whole for let in block.lets)
        self.mark: Atom | None = None
        self.pointers = [*self.ways_on(), *(Var(f"e.{h}", PTR) for h in block.nest), *self.extra_pointers()]
        fields = [f for v in self.kept for f in fields_of(v, v in self.activity)]
        fields += [(f"ptr.{x.name}", x.type) for x in [*self.pointers, *self.own_pointers()]]
        self.frame_type = Struct(f"frame.{self.low.unique()}", tuple(fields))
        self.body: Body
        self.frame: Atom

    # ---- what replay.py and taped.py change
    def ways_on(self) -> list[Var]:
        """Where the function goes on when it returns."""
        return [Var("k", CODE), Var("kenv", PTR)]

    def own_pointers(self) -> list[Var]:
        """Pointers that this block alone keeps."""
        return []

    def extra_pointers(self) -> list[Var]:
        """Pointers that this block and its successors are given besides the usual ones."""
        return []

    def checked(self) -> bool:
        """Are indices to be checked here?"""
        return True

    def checks_stack(self) -> bool:
        return self.block.is_head

    def straight_let(self, let: Let) -> list[Atom]:
        """An operation without an adjoint."""
        let = self.quiet(let)
        args = {a: self.value(a) for a in let.args}
        outs = self.operation(let, [args[a] for a in let.args])
        self.made(let.outs, outs)
        return outs

    def operation(self, let: Let, args: Sequence[Atom]) -> list[Atom]:
        """An operation of these values, here; a derivative is a reverse pass of its own."""
        if TABLE[let.op].calls == REVERSE:
            return lower_pullback(self.context, self.body, let, args)
        return list(self.body.again(let, args))

    def made(self, outs: Sequence[Var], new: Sequence[Atom]) -> None:
        """New names of arrays."""
        for o, x in zip(outs, new, strict=False):
            if isinstance(o.type, Array) and isinstance(x, Var):
                self.context.aliases.join(x, o)
                if o in self.parent.memory.tiny:
                    self.low.tiny[x] = self.parent.memory.tiny[o]

    def quiet(self, let: Let) -> Let:
        """`let` without the checks that have been made before."""
        if self.checked() or not TABLE[let.op].indexed:
            return let
        return Let(let.outs, let.op, let.args, {**let.attrs, "index": quiet(codes(let))}, let.site)

    # ---- reading and writing the frame
    def place(self, v: Var, *rest: str) -> Place:
        """Where a variable is kept: in the frame, or in the record where it waits."""
        if v in self.kept:
            return Place(self.frame, self.frame_type, (v.name, *rest))
        head = next(h for h in self.block.nest if v in self.parent.closures.records[h])
        return Place(self.pointer(f"e.{head}"), self.parent.record_type(head), (v.name, *rest))

    def read(self, a: Atom) -> Parts:
        """The parts of a variable of this block, or of one that waits in a loop's record."""
        if not isinstance(a, Var):
            return [a]
        p = self.place(a)
        return self.parent.load_parts(self.body, p.p, p.of, a)

    def value(self, a: Atom) -> Atom:
        """A value without its adjoint."""
        if not isinstance(a, Var):
            return a
        x = self.body.get(self.place(a, "v") if self.parent.is_active_scalar(a) else self.place(a))
        if isinstance(a.type, Array):
            self.context.aliases.join(x, a)
        return x

    def write(self, v: Var, parts: Parts) -> None:
        active = self.parent.is_active_scalar(v)
        if active:
            self.body.put(parts[0], self.place(v, "v"))
            return
        p = self.place(v)
        for (name, _), x in zip(fields_of(v, v in self.activity), parts, strict=False):
            self.body.put(x, Place(p.p, p.of, (name,)))

    def pointer(self, name: str) -> Atom:
        return self.body.get(Place(self.frame, self.frame_type, (f"ptr.{name}",)))

    def adjoint_place(self, v: Any) -> Place:
        """Of an active scalar's adjoint."""
        return self.place(v, "d")

    def adjoint_data(self, v: Var) -> Atom:
        """Where the adjoint of an active array is."""
        p = self.place(v)
        return self.body.get(Place(p.p, p.of, (f"{v.name}.d",)))

    def add(self, a: Atom, term: Atom) -> None:
        """da += term"""
        if self.parent.is_active_scalar(a):
            self.body.accumulate(self.adjoint_place(a), term)

    # ---- records of loops
    def make_record(self, head: str) -> Atom:
        """The record of a loop that is entered here: what only the code after it needs."""
        t = self.parent.record_type(head)
        record = self.body.cell(t, "record")
        for v in self.parent.closures.records[head]:
            self.parent.store_parts(self.body, record, t, v, self.read(v))
        return record

    def empty_record(self, head: str, record: Atom) -> None:
        """The loop has returned: take the adjoints out of its record."""
        t = self.parent.record_type(head)
        for v in self.parent.closures.records[head]:
            if self.parent.is_active_scalar(v):
                self.add(v, self.body.get(Place(record, t, (v.name, "d"))))

"""The frame of a block: its variables with their adjoints, and the records of loops around it."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.graph import Atom, Let, Var
from ..core.kernel import Access, Result, kernel_of
from ..core.op import REVERSE, TABLE
from ..core.types import CODE, I64, PTR, Array, Struct
from ..diff.cps import Continuation
from ..ops.memory import codes, quiet
from .function import Parts, ReverseFunction, fields_of, zeros_like
from .low import NOWHERE, ONE, ZERO, Body, Place
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
        return [Var(x.pointer, PTR) for x in self.parent.turns.get(self.block.name, ())]

    def extra_pointers(self) -> list[Var]:
        """Pointers that this block is given besides the usual ones."""
        return self.pointers_into(self.block)

    def pointers_into(self, block: Continuation) -> list[Var]:
        """To adjoints that take turns; the head of their loop chooses them itself."""
        return [Var(x.pointer, PTR) for h in block.nest if h != block.name for x in self.parent.turns.get(h, ())]

    def checked(self) -> bool:
        """Are indices to be checked here?"""
        return True

    def checks_stack(self) -> bool:
        return self.block.is_head

    def straight_let(self, let: Let) -> list[Atom]:
        """An operation without an adjoint."""
        let = self.quiet(let)
        args = {a: self.value(a) for a in let.args}
        shared = [o for o in let.outs if o in self.parent.memory.shared]
        outs = self.into(let, args, shared) if shared else self.operation(let, [args[a] for a in let.args])
        self.made(let.outs, outs)
        return outs

    def into(self, let: Let, args: Mapping[Atom, Atom], shared: Sequence[Var]) -> list[Atom]:
        """An operation some of whose new arrays take turns: it writes into memory that there is. To itself that is new."""
        given, found = {}, {}
        for o in shared:
            turns = self.parent.memory.shared[o]
            sizes = Place(self.pointer(f"e.{turns.head}"), self.parent.record_type(turns.head), (turns.sizes,))
            address, like = self.pointer(turns.pointer), self.body.get(sizes)
            given[o], found[o] = (self.body.let("like", [address, like], o.type) for _ in range(2))
        if not TABLE[let.op].nest:
            ((o, x),) = given.items()
            if let.attrs.get("fill", True):
                self.body.emit("clear", [self.body.let("data", [x], PTR), self.count(x)], of=o.type.dtype)  # type: ignore[union-attr]
            return [found[o]]
        k = kernel_of(Let(let.outs, let.op, tuple(args[a] for a in let.args), let.attrs, let.site))
        whole = tuple(range(len(k.sizes)))
        zeros, ones = (ZERO,) * len(whole), (ONE,) * len(whole)
        k.results = [Result("into", whole, Access(given[r.out], zeros, ones, whole)) if r.out in given else r for r in k.results]
        new = k.let()
        outs = dict(zip(new.outs, self.body.again(new, new.args), strict=True))
        return [found[o] if o in found else outs[o] for o in let.outs]

    def count(self, x: Var) -> Atom:
        """The number of its elements."""
        sizes = [self.body.let("dim", [x], I64, axis=i) for i in range(x.type.rank)]  # type: ignore[union-attr]
        return functools.reduce(lambda a, b: self.body.integer("imul", a, b), sizes)

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

    def data(self, v: Var) -> Atom:
        """Where its elements are."""
        return self.body.let("data", [self.value(v)], PTR)

    def add(self, a: Atom, term: Atom) -> None:
        """da += term"""
        if self.parent.is_active_scalar(a):
            self.body.accumulate(self.adjoint_place(a), term)

    # ---- records of loops
    def make_record(self, head: str, given: Mapping[Var, Parts]) -> Atom:
        """The record of a loop that is entered here with these arrays: what only the code after it needs, and adjoints that take turns."""
        t = self.parent.record_type(head)
        record = self.body.cell(t, "record")
        for v in self.parent.closures.records[head]:
            self.parent.store_parts(self.body, record, t, v, self.read(v))
        for turns in self.parent.turns.get(head, ()):
            like, fill = given[turns.like][0], turns.what == "adjoint" and turns.made not in self.parent.memory.covered
            for name in turns.fields:
                self.body.put(zeros_like(self.body, like, fill), Place(record, t, (name,)))
            if turns.what == "elements":
                self.body.put(like, Place(record, t, (turns.sizes,)))
        return record

    def take_turns(self, head: str) -> None:
        """Choose the memory of what this iteration makes: the first that no array of an iteration before has."""
        mine, t = self.parent.turns.get(head, ()), self.parent.record_type(head)
        record = self.pointer(f"e.{head}") if mine else NOWHERE
        for turns in mine:
            free = [self.body.get(Place(record, t, (name,))) for name in turns.fields]
            taken = [self.adjoint_data(p) if turns.what == "adjoint" else self.data(p) for p in turns.holders]
            chosen = self.body.let("spare", [*free, *taken], PTR, count=len(free)) if taken else free[0]
            self.body.put(chosen, Place(self.frame, self.frame_type, (f"ptr.{turns.pointer}",)))

    def give_turns(self) -> None:
        """Nobody needs the adjoints of what this iteration has made any more. They are zero again for an iteration before it."""
        for v in self.kept:
            if v in self.parent.memory.turns and v not in self.parent.memory.covered and v not in self.block.inputs:
                self.body.emit("clear", [self.adjoint_data(v), self.count(self.value(v))], of=v.type.dtype)  # type: ignore[union-attr, arg-type]

    def empty_record(self, head: str, record: Atom) -> None:
        """The loop has returned: take the adjoints out of its record."""
        t = self.parent.record_type(head)
        for v in self.parent.closures.records[head]:
            if self.parent.is_active_scalar(v):
                self.add(v, self.body.get(Place(record, t, (v.name, "d"))))

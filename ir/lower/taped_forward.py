"""A function on a tape, forward: t.f(x, ..) -> (results).

Every block is as it was; at the end of an iteration, and of the function, the entries of the blocks that have run are pushed, the last block's
first, so that the way back, which meets the blocks in their order, pops them in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.analysis import dominators, predecessors, reverse_postorder
from ..core.graph import Atom, Block, Branch, Call, Const, Edge, Fail, Jump, Let, Return, Var, edges
from ..core.types import BOOL, I64, PTR, Array, Struct
from ..diff.cps import WHOLE
from ..diff.loops.taped import FUNCTION, Taped
from ..diff.reverse import Reverse
from ..diff.rules import rule_terms
from .function import RECURSION
from .low import ONE, ZERO, Body, Place, Value
from .operations import zero_of
from .tape import key_of


class Entries:
    """The layout of what each block of a function has on the tape."""

    def __init__(self, taped: Taped) -> None:
        self.names = {b: {key_of(k): f"e{i}" for i, (k, _) in enumerate(fields)} for b, fields in taped.fields.items()}
        self.types = {
            b: Struct(f"entry.{taped.rev.name}.{b}", tuple((f"e{i}", t) for i, (_, t) in enumerate(fs))) for b, fs in taped.fields.items()
        }

    def has(self, block: str, key: Any) -> bool:
        return key_of(key) in self.names.get(block, {})

    def place(self, block: str, entry: Atom, key: Any) -> Place:
        return Place(entry, self.types[block], (self.names[block][key_of(key)],))


class Forward:
    """t.f; what a recursion never changes is in the record `whole`, from which it is read where it is used."""

    def __init__(self, context: Any, taped: Taped, entries: Entries, whole: Sequence[Var]) -> None:
        self.context, self.taped, self.entries = context, taped, entries
        self.f, self.whole = taped.rev.function, list(whole)
        self.name = f"t.{taped.rev.name}"
        self.record = Struct(f"record.{self.name}", tuple((v.name, v.type) for v in whole))
        if whole:
            self.outermost()
        params = {p: Var(p.name, p.type) for p in self.f.params if p not in whole}
        self.pointer = Var(f"e.{WHOLE}", PTR)
        name, pointers = (self.name + RECURSION, [self.pointer]) if whole else (self.name, [])
        self.body = Body(context.low, name, [*params.values(), *pointers], self.f.results)
        self.env: dict[Var, Atom] = dict(params)
        self.blocks: dict[str, Block] = {}
        self.counts: dict[str, Var] = {}
        self.cells: dict[tuple[str, Any], tuple[Place, Any]] = {}
        self.ran: dict[str, Place] = {}
        self.above, self.pred = dominators(self.f), predecessors(self.f)
        self.order = reverse_postorder(self.f)

    def outermost(self) -> None:
        """t.f makes the record, t.f.recursion does the rest."""
        params = {p: Var(p.name, p.type) for p in self.f.params}
        body = Body(self.context.low, self.name, list(params.values()), self.f.results)
        record = body.cell(self.record, "record")
        for v in self.whole:
            body.put(params[v], Place(record, self.record, (v.name,)))
        body.ret(*body.call(self.name + RECURSION, [*(x for p, x in params.items() if p not in self.whole), record], self.f.results))

    def run(self) -> None:
        body, taped = self.body, self.taped
        for name, fields in taped.fields.items():
            for key, t in fields:
                self.cells[name, key_of(key)] = Place(body.cell(t), t), key
            self.ran[name] = Place(body.cell(BOOL), BOOL)
        for name in self.order:
            block = self.f.blocks[name]
            self.blocks[name] = body.block(f"forward.{name}", [p.type for p in block.params]) if name != self.f.entry.name else body.top
            self.env.update(zip(block.params, self.blocks[name].params, strict=True))
            if name in taped.loops and taped.loops[name].counter is None:
                self.counts[name] = body.var(I64, "n")
                self.blocks[name].params.append(self.counts[name])
        body.current = body.top
        if self.f.name in self.context.recursive:
            body.emit("check_stack", [], name=self.f.name)
        self.begin(FUNCTION)
        for name in self.order:
            self.block(name)

    def begin(self, region: str) -> None:
        """None of a region's blocks has run."""
        for name, place in self.ran.items():
            if self.taped.region[name] == region:
                self.body.put(Const(False, BOOL), place)

    def block(self, name: str) -> None:
        block = self.f.blocks[name]
        self.body.current = self.blocks[name]
        if name in self.taped.loops:
            self.begin(name)
        if name in self.ran:
            self.body.put(Const(True, BOOL), self.ran[name])
        for key, t in self.taped.fields.get(name, ()):
            if isinstance(key, Var):
                self.keep(name, key, self.env[key])
            elif isinstance(key[0], str):
                self.keep(name, key, zero_of(t))  # of a loop that may not be entered from here
        for let in block.lets:
            outs = self.body.again(let, [self.read(a) for a in let.args])
            self.env.update(zip(let.outs, outs, strict=True))
            if let in self.taped.kept:
                self.keep_let(name, let)
        self.terminator(name, block.terminator)

    def keep(self, block: str, key: Any, v: Atom) -> None:
        if (block, key_of(key)) in self.cells:
            self.body.put(v, self.cells[block, key_of(key)][0])

    def keep_let(self, name: str, let: Let) -> None:
        kept, body, z = self.taped.kept[let], self.body, self.env[let.out]
        self.keep(name, (let, "result"), z)
        if kept.partials:
            xs = [Value(body, self.read(a)) for a in let.args]
            wanted = [i in kept.partials for i in range(len(xs))]
            terms = rule_terms(body.program.sources, let, wanted, Value(body, Const(1.0, let.out.type)), Value(body, z), *xs)
            for i in kept.partials:
                self.keep(name, (let, i), terms[i].atom)

    def read(self, a: Atom) -> Atom:
        if a in self.whole:
            x = self.body.get(Place(self.pointer, self.record, (a.name,)))
            if isinstance(x.type, Array):
                self.context.aliases.join(x, a)
            return x
        return self.env[a] if isinstance(a, Var) else a

    def terminator(self, name: str, t: Any) -> None:
        body = self.body
        if isinstance(t, Jump):
            self.jump(name, t.edge)
        elif isinstance(t, Branch):
            yes, no = body.block("yes"), body.block("no")
            body.branch(self.read(t.cond), yes, no)
            for one, edge in ((yes, t.then), (no, t.orelse)):
                body.current = one
                self.jump(name, edge)
        elif isinstance(t, Call):
            callee = self.context.reverses.of_call(self.taped.rev, t)
            self.jump(name, t.then, self.call(callee, t.args))
        elif isinstance(t, Return):
            self.push(FUNCTION, name)
            body.ret(*map(self.read, t.args))
        elif isinstance(t, Fail):
            body.end(t)

    def call(self, callee: Reverse, args: Sequence[Atom]) -> list[Var]:
        results = callee.function.results
        if callee.name != self.taped.rev.name or not self.whole:
            return self.body.call(f"t.{callee.name}", list(map(self.read, args)), results)
        rest = [self.read(a) for p, a in zip(self.f.params, args, strict=True) if p not in self.whole]
        return self.body.call(self.name + RECURSION, [*rest, self.pointer], results)

    def jump(self, name: str, edge: Edge, results: Sequence[Atom] = ()) -> None:
        more: list[Atom] = []
        left = self.taped.loops.get(name)
        if left is not None and edge is left.exit:
            if name in self.counts:
                self.keep(left.before, ("count", name), self.counts[name])
            for p in self.f.blocks[name].params:
                self.keep(left.before, ("last", p), self.env[p])
        entered = self.taped.loops.get(edge.block)
        if entered is not None:
            inside = name in entered.loop.blocks
            if inside:
                self.push(edge.block, name)
            if edge.block in self.counts:
                more = [self.body.integer("iadd", self.counts[edge.block], ONE) if inside else ZERO]
        self.body.jump(self.blocks[edge.block], *results, *map(self.read, edge.args), *more)

    def push(self, region: str, end: str) -> None:
        """The entries of a region's blocks, the last one's first."""
        body = self.body
        for names in reversed(self.runs([n for n in self.order if n in self.entries.types and self.taped.region[n] == region])):
            after = None
            if names[0] not in self.above[end]:
                one, after = body.block("push"), body.block("pushed")
                body.branch(body.get(self.ran[names[0]]), one, after)
                body.current = one
            self.push_entries(names[::-1])
            if after is not None:
                body.jump(after)
                body.current = after

    def push_entries(self, names: list[str]) -> None:
        body, types = self.body, [self.entries.types[n] for n in names]
        whole = Struct(f"entries.{body.program.unique()}", tuple(zip(names, types, strict=True)))
        entry = body.let("push", [], PTR, "entry", of=whole)
        for name, before in zip(names, [None, *types], strict=False):
            if before is not None:
                entry = body.let("next", [entry], PTR, "entry", of=before)
            for (block, _), (place, key) in self.cells.items():
                if block == name:
                    body.put(body.get(place), self.entries.place(name, entry, key))

    def runs(self, names: list[str]) -> list[list[str]]:
        """Blocks that run one after the other, if at all, are pushed together."""
        found: list[list[str]] = []
        for name in names:
            mine = found[-1][-1] if found else ""
            if mine and self.only_after(name, mine):
                found[-1].append(name)
            else:
                found.append([name])
        return found

    def only_after(self, name: str, before: str) -> bool:
        """Does this block come after that one alone, and always?"""
        while name != before:
            above = self.pred[name]
            if (
                len(above) != 1
                or len(edges(self.f.blocks[above[0]].terminator)) != 1
                or self.taped.region[above[0]] != self.taped.region[name]
            ):
                return False
            name = above[0]
        return True

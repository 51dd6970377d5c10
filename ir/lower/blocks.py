"""A block in reverse mode: its function, those of its further closures, and its ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..core.graph import Atom, Branch, Call, Edge, Fail, Jump, Let, Return, Var
from ..core.op import TABLE, written
from ..core.types import PTR, Array, Scalar, Struct, carries_gradient
from ..diff.cps import WHOLE, Closure, Continuation
from ..diff.reverse import Reverse
from .function import RECURSION, Parts, fields_of, zeros_like
from .low import Body, Place, code, minus_zero
from .pullback import active_scalars, result_types
from .steps import BlockSteps


class BlockFunction(BlockSteps):
    """Lowers one block: its own function, and one function for each further closure of its chain."""

    # ---- the functions
    def run(self) -> None:
        for i, closure in enumerate(self.block.chain):
            if i == 0:
                self.open()
                self.closure(closure)
                self.close()
            else:
                frame = Var("frame", PTR)
                self.body, self.frame = Body(self.low, self.chain_name(closure), [frame], (), "always"), frame
                self.closure(closure)
                self.body.ret()

    def open(self) -> None:
        """The frame, filled with the inputs."""
        names = self.parent.parameters(self.block.inputs)
        params = [*(x for v in self.block.inputs for x in names[v]), *self.pointers]
        inline = "always" if self.inline() else "never" if self.block.is_head or self.block.is_piece else ""
        self.body = Body(self.low, self.name, params, [v.type for v in self.parent.returned(self.block)], inline)
        self.frame = self.body.cell(self.frame_type, name="frame")
        if self.checks_stack():
            self.body.emit("check_stack", [], name=self.parent.rev.function.name)
        for v in self.block.inputs:
            self.write(v, list(names[v]))
            if self.parent.is_active_scalar(v):
                self.body.put(minus_zero(v.type), self.adjoint_place(v))
        for x in self.pointers:
            self.body.put(x, Place(self.frame, self.frame_type, (f"ptr.{x.name}",)))
        if self.block.is_head:
            self.take_turns(self.block.name)
        if self.gives_back:
            self.mark = self.body.let("mark", [], PTR)

    def close(self) -> None:
        """Return the adjoints of the inputs."""
        found = [self.body.get(self.adjoint_place(v)) for v in self.parent.returned(self.block)]
        self.give_turns()
        if self.mark is not None:
            self.body.emit("release", [self.mark])
        self.body.ret(*found)

    def inline(self) -> bool:
        return self.block.inline

    def chain_name(self, closure: Closure) -> str:
        return self.name + closure.name[len(self.block.name) :]

    def closure(self, closure: Closure) -> None:
        undo: list[Callable[[], None] | None] = []
        for let in closure.straight:
            self.at(let)
            if TABLE[let.op].indexed and TABLE[let.op].writes:
                undo.append(self.plain_store(let))
            elif written(let):
                undo.append(self.plain_write(let))
            else:
                for o, x in zip(let.outs, self.straight_let(let), strict=True):
                    self.write(o, [x])
        self.at(closure.operation)
        if closure.operation is not None:
            self.step(closure.operation, self.name + (closure.then or "")[len(self.block.name) :])
        else:
            self.terminator(closure.end)
            self.begin_way_back()
        for undone in reversed(undo):
            if undone is not None:
                undone()

    def at(self, let: Let | None) -> None:
        """What is made now is made for this operation."""
        if self.low.located:
            self.low.site = replace(let.site, asked=True) if let is not None and let.site is not None else None

    # ---- the ends of blocks
    def terminator(self, t: Any) -> None:
        body = self.body
        if isinstance(t, Jump):
            self.jump(t.edge)
        elif isinstance(t, Branch):
            yes, no, end = (body.block(x) for x in ("yes", "no", "end"))
            body.branch(self.value(t.cond), yes, no)
            for block, edge in ((yes, t.then), (no, t.orelse)):
                body.current = block
                self.jump(edge)
                body.jump(end)
            body.current = end
        elif isinstance(t, Return):
            self.return_(t)
        elif isinstance(t, Call):
            self.call(t)
        elif isinstance(t, Fail):
            body.end(t)
            body.current = body.block("never")

    def jump(self, edge: Edge, results: Sequence[Parts] | None = None) -> list[Atom]:
        """Call the target with values, and add the adjoints that it returns to where the values came from. Gives the
        adjoints of `results`, the values that a call has just returned."""
        target = self.parent.closures.blocks[edge.block]
        skip = len(target.params) - len(edge.args)
        sources: list[Any] = [*(results or [])[:skip], *edge.args, *target.by_value]
        given = [
            (x if isinstance(x, list) else self.adapt(x, v))[: len(self.parent.types(v))]
            for v, x in zip(target.inputs, sources, strict=True)
        ]
        args: list[Atom] = [x for parts in given for x in parts]
        found = dict(zip(target.inputs, given, strict=True))
        records = {h: self.make_record(h, found) for h in target.nest if h not in self.block.nest}
        args += [self.pointer(x.name) for x in self.ways_on()]
        args += [records[h] if h in records else self.pointer(f"e.{h}") for h in target.nest]
        args += self.pointers_of(target)
        vs = self.parent.returned(target)
        adjoints = dict(zip(vs, self.body.call(self.target_name(target), args, [v.type for v in vs]), strict=True))
        back: list[Atom] = []
        for v, source in zip(target.inputs, sources, strict=True):
            if isinstance(source, list):
                if isinstance(v.type, Scalar) and carries_gradient(v.type):
                    back.append(adjoints.get(v, minus_zero(v.type)))
            elif v in adjoints:
                self.add(source, adjoints[v])
        for h, record in records.items():
            self.empty_record(h, record)
        return back

    def pointers_of(self, target: Continuation) -> list[Atom]:
        """What it is given besides."""
        return [self.pointer(x.name) for x in self.pointers_into(target)]

    def target_name(self, target: Continuation) -> str:
        return self.parent.block_name(target.name)

    def adapt(self, source: Atom, v: Var) -> Parts:
        """The parts of `source` for the input `v`; where v has an adjoint and source has none, a zero one."""
        if isinstance(v.type, Scalar):
            return [self.value(source)]
        parts = self.read(source)
        want = len(self.parent.types(v))
        return [*parts, zeros_like(self.body, parts[0])] if len(parts) < want else parts[:want]

    def return_(self, t: Return) -> None:
        """Call the caller's continuation with the results."""
        types = list(self.parent.rev.function.results)
        args = [self.pointer("kenv")]
        for a, ty in zip(t.args, types, strict=True):
            args += self.result_parts(a, ty)
        scalars = [a for a, ty in zip(t.args, types, strict=True) if isinstance(ty, Scalar) and carries_gradient(ty)]
        found = self.body.emit("callk", [self.pointer("k"), *args], [a.type for a in scalars])
        for a, d in zip(scalars, found, strict=True):
            self.add(a, d)

    def result_parts(self, a: Atom, t: Any) -> Parts:
        """A result as the continuation takes it: an array has an adjoint, made here if it had none."""
        if isinstance(t, Array) and carries_gradient(t) and a not in self.activity:
            x = self.value(a)
            return [x, zeros_like(self.body, x)]
        return [self.value(a)] if isinstance(t, Scalar) else self.read(a)

    def call(self, t: Call) -> None:
        """Call a function in reverse mode. Its continuation's environment is a record of what the code after the call
        needs; the frame itself stays at home, where it can become registers."""
        body, parent = self.body, self.parent
        callee = self.context.reverses.of_call(parent.rev, t)
        if self.context.on_tape(callee):
            self.call_on_tape(t, callee)
            return
        target = parent.closures.blocks[t.then.block]
        kept = [v for v in dict.fromkeys([*target.by_value, *t.then.args]) if isinstance(v, Var) and v in self.kept]
        fields = [f for v in kept for f in fields_of(v, v in self.activity)] + [(f"ptr.{x.name}", x.type) for x in self.pointers]
        record_type = Struct(f"record.{self.low.unique()}", tuple(fields))
        record = body.cell(record_type, "record")
        for v in kept:
            parent.store_parts(body, record, record_type, v, self.read(v))
        for x in self.pointers:
            body.put(self.pointer(x.name), Place(record, record_type, (f"ptr.{x.name}",)))
        k = code(f"k.{self.low.unique()}.{self.name[2:]}")
        args = [x for a, p, m in zip(t.args, callee.function.params, callee.mask, strict=True) for x in self.argument(a, p, m)]
        active = active_scalars(callee)
        if callee.name == parent.rev.name and WHOLE in parent.closures.records:
            returned = self.call_itself(t, callee, active, k, record)
        else:
            found = body.call(self.context.reverse(callee), [*args, k, record], [callee.function.params[i].type for i in active])
            returned = dict(zip(active, found, strict=True))
        for i, d in returned.items():
            self.add(t.args[i], d)
        for v in kept:
            if parent.is_active_scalar(v):
                self.add(v, body.get(Place(record, record_type, (v.name, "d"))))
        self.continuation_of_call(t, callee, k.value, record_type, kept)

    def call_on_tape(self, t: Call, callee: Reverse) -> None:
        """Run a function forward, then the rest, then the function backwards; the tape is gone then."""
        body = self.body
        start = body.let("mark", [], PTR)
        args = [self.value(a) for a in t.args]
        results = body.call(f"t.{callee.name}", args, callee.function.results)
        top = body.let("top", [], PTR)
        back = self.jump(t.then, [[x] for x in results])
        call_back(self, t, callee, [*back, top])
        body.emit("release", [start])

    def call_itself(self, t: Call, callee: Reverse, active: list[int], k: Atom, record: Atom) -> dict[int, Atom]:
        """A call of the recursion to itself; the adjoints of its active scalar parameters by position."""
        params, whole = callee.function.params, self.parent.closures.records[WHOLE]
        args = [x for a, p, m in zip(t.args, params, callee.mask, strict=True) if p not in whole for x in self.argument(a, p, m)]
        mine = [i for i in active if params[i] not in whole]
        name = self.parent.name + RECURSION
        found = self.body.call(name, [*args, k, record, self.pointer(f"e.{WHOLE}")], [params[i].type for i in mine])
        return dict(zip(mine, found, strict=True))

    def continuation_of_call(self, t: Call, callee: Reverse, name: str, record_type: Struct, kept: list[Var]) -> None:
        """k.N(frame, results): go on at the block after the call. Its frame is the record."""
        outer = self.body, self.frame, self.frame_type, self.kept
        types = list(callee.function.results)
        frame = Var("frame", PTR)
        results = [[Var(f"r{r}" + (".d" if j else ""), ty) for j, ty in enumerate(result_types(t_))] for r, t_ in enumerate(types)]
        back_types = [ty for ty in types if isinstance(ty, Scalar) and carries_gradient(ty)]
        self.body = Body(self.low, name, [frame, *(x for r in results for x in r)], back_types)
        self.frame, self.frame_type, self.kept = frame, record_type, dict.fromkeys(kept)
        self.body.ret(*self.jump(t.then, [list(r) for r in results]))
        self.body, self.frame, self.frame_type, self.kept = outer


def call_back(block: BlockFunction, t: Call, callee: Reverse, more: Sequence[Atom], whole: Sequence[Var] = ()) -> Atom:
    """Run a callee backwards from the adjoints of its results that are floats and the tape's end, and add to those of its arguments. Gives
    the tape's end. A recursion that calls itself has in its record what it never changes."""
    params = callee.function.params
    args = [x for a, p, m in zip(t.args, params, callee.mask, strict=True) if p not in whole for x in block.argument(a, p, m)]
    active = [i for i in active_scalars(callee) if params[i] not in whole]
    name = f"b.{callee.name}{RECURSION if whole else ''}"
    *found, end = block.body.call(name, [*args, *more], [*(params[i].type for i in active), PTR])
    for i, d in zip(active, found, strict=True):
        block.add(t.args[i], d)
    return end

"""What each operation of a block does on the way there and on the way back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ..core.graph import Atom, Branch, Call, Const, Fail, Function, Let, Return, Var
from ..core.op import TABLE, Stage
from ..core.types import CODE, I64, PTR, Array, Scalar, carries_gradient
from ..diff.loops.coverage import part_read
from ..diff.loops.policies import Kept
from ..diff.reverse import adjoint_of_pullback
from ..diff.ways import Given
from ..ops.effects import AGAIN, DONE, MARK, has_effects
from ..ops.memory import codes
from . import operations
from .frame import BlockFrame
from .function import Parts, zeros_like
from .low import NOWHERE, ZERO, Body, Place, clear_outside, code, minus_zero
from .pullback import add_arrays, lower_pullback, once_more

STEPS = Stage("reverse mode", lambda op: op.adjoint == "own" and not op.early)


class BlockSteps(BlockFrame):
    """The operations of a block."""

    # ---- what has no adjoint and writes
    def plain_store(self, let: Let) -> Callable[[], None] | None:
        """A store without an adjoint; what it overwrites is put back when this closure's continuation has returned."""
        t = let.args[0].type.dtype  # type: ignore[union-attr]
        p = self.element(let, self.offset(let))
        old = self.body.get(Place(p, t))
        self.body.put(self.value(let.args[-1]), Place(p, t))
        return lambda: self.body.put(old, Place(p, t))

    def plain_write(self, let: Let) -> Callable[[], None]:
        """The same for an operation that writes whole arrays."""
        outs, kept = self.go(let)
        for o, x in zip(let.outs, outs, strict=True):
            self.write(o, [x])
        return lambda: self.come_back(let, kept)

    def offset(self, let: Let) -> Atom:
        """Which element is loaded or stored."""
        let = self.quiet(let)
        array = let.args[0].type
        assert isinstance(array, Array)
        args = [self.value(a) for a in let.args[: 1 + array.rank]]
        return self.body.emit("offset", args, [I64], "n", let.site, index=codes(let))[0]

    def element(self, let: Let, offset: Atom) -> Atom:
        """Its address."""
        data = self.body.let("data", [self.value(let.args[0])], PTR)
        return self.body.let("at", [data, offset], PTR, "p", of=let.args[0].type.dtype)  # type: ignore[union-attr]

    def adjoint_element(self, let: Let, offset: Atom) -> Atom:
        """The address of its adjoint."""
        return self.body.let("at", [self.adjoint_data(let.args[0]), offset], PTR, "dp", of=let.args[0].type.dtype)  # type: ignore[union-attr, arg-type]

    # ---- operations
    def operand(self, a: Atom) -> Atom:
        """An argument of an op function: the address of {value, adjoint}, or a value."""
        return self.body.address(self.place(a)) if self.parent.is_active_scalar(a) else self.value(a)  # type: ignore[arg-type]

    def call_operation(self, name: str, args: Sequence[Atom], k: str) -> None:
        self.body.emit("call", [*args, code(k), self.frame], f=name)

    def step(self, let: Let, k: str) -> None:
        """Call the op function with the continuation `k`."""
        adjoint = TABLE[let.op].adjoint
        if adjoint == "own":
            STEPS[let.op](self, let, k)
        elif adjoint == "rule":
            active = [self.parent.is_active_scalar(a) for a in let.args]
            name = operations.by_rule(self.low, let, active)
            self.call_operation(name, [*map(self.operand, let.args), self.body.address(self.place(let.out))], k)
        elif adjoint == "zero":
            self.on_the_way(let.op, lambda: self.bind_outs(let), lambda: None, k)
        else:
            self.by_function(let, k)

    def kept_step(self, let: Let, k: str, kept: Kept, read: Callable[[Any], Atom]) -> None:
        """An operation that has run before: `read` gives what a tape has of it."""
        active = [self.parent.is_active_scalar(a) for a in let.args]
        z = read((let, "result")) if kept.result else operations.zero_of(let.out.type)
        partials = [read((let, i)) for i in kept.partials]
        name = operations.kept(self.low, let, active, kept.partials)
        args = [self.operand(a) for a, is_active in zip(let.args, active, strict=True) if is_active]
        self.call_operation(name, [*args, z, *partials, self.body.address(self.place(let.out))], k)

    @STEPS.of("load")
    def load(self, let: Let, k: str) -> None:
        n = self.offset(let)
        args = [self.element(let, n), self.adjoint_element(let, n), self.body.address(self.place(let.out))]
        self.call_operation(operations.load(self.low, let.out.type), args, k)

    @STEPS.of("store")
    def store(self, let: Let, k: str) -> None:
        if let.args[0] in self.late:
            self.late_store(let, k)
            return
        v, n = let.args[-1], self.offset(let)
        name = operations.store(self.low, v.type, self.parent.is_active_scalar(v))
        self.call_operation(name, [self.element(let, n), self.adjoint_element(let, n), self.operand(v)], k)

    def late_store(self, let: Let, k: str) -> None:
        """A store to an array whose adjoint is made when the way back begins."""
        t = let.args[-1].type
        found: dict[str, Atom] = {}

        def forward() -> None:
            found["n"] = self.offset(let)
            found["p"] = self.element(let, found["n"])
            found["old"] = self.body.get(Place(found["p"], t))
            self.body.put(self.value(let.args[-1]), Place(found["p"], t))

        def backward() -> None:
            dp = Place(self.adjoint_element(let, found["n"]), t)
            self.add(let.args[-1], self.body.get(dp))
            self.body.put(minus_zero(t), dp)
            self.body.put(found["old"], Place(found["p"], t))

        self.on_the_way("store", forward, backward, k)

    def bind_outs(self, let: Let) -> None:
        for o, x in zip(let.outs, self.straight_let(let), strict=True):
            self.out_with_adjoint(o, x)

    @STEPS.of("reshape")
    def reshape(self, let: Let, k: str) -> None:
        x, d = self.read(let.args[0])
        (new,) = self.body.again(let, [x, *map(self.value, let.args[1:])])
        self.write(let.out, [new, d])
        self.body.emit("callk", [code(k), self.frame])

    @STEPS.of("part")
    def part(self, let: Let, k: str) -> None:
        """Rows of the adjoint are the adjoint of rows."""
        x, d = self.read(let.args[0])
        rows = [self.value(a) for a in let.args[1:]]
        (new,) = self.body.again(let, [x, *rows])
        (mine,) = self.body.again(let, [self.body.let("like", [d, x], let.args[0].type), *rows])
        self.write(let.out, [new, self.body.let("data", [mine], PTR)])
        self.body.emit("callk", [code(k), self.frame])

    def on_the_way(self, what: str, forward: Callable[[], Any], backward: Callable[[], Any], k: str, gives_back: bool = True) -> None:
        """An op function of its own for each place: forward(), the continuation, backward(). The block gives arrays back."""
        name = f"op.{what}.{self.low.unique()}"
        self.body.emit("call", [self.frame, code(k)], f=name)
        outer = self.body, self.frame
        params = [Var("frame", PTR), Var("k", CODE)]
        self.body, self.frame = Body(self.low, name, params, (), "always", True), params[0]
        forward()  # 1, 2
        self.body.emit("callk", [params[1], self.frame])  # 3
        mark = self.body.let("mark", [], PTR) if gives_back else None
        backward()  # 4, 5
        if mark is not None:
            self.body.emit("release", [mark])
        self.body.ret()
        self.body, self.frame = outer

    def out_with_adjoint(self, o: Var, x: Atom) -> None:
        """Bind an out, with a zero adjoint."""
        parts = [x]
        if o in self.activity and isinstance(o.type, Array):
            parts.append(NOWHERE if o in self.late else self.adjoint_array(o, x))
        self.write(o, parts)
        if self.parent.is_active_scalar(o):
            self.body.put(minus_zero(o.type), self.adjoint_place(o))

    def adjoint_array(self, o: Var, x: Atom) -> Atom:
        memory = self.parent.memory
        if o in memory.turns:
            return self.pointer(memory.turns[o].pointer)
        return zeros_like(self.body, x, o not in memory.covered, memory.tiny.get(o, 0))

    def begin_way_back(self) -> None:
        """The rest of the program has returned: now the adjoints of this block's own arrays are needed."""
        for o in self.late:
            x = self.value(o)
            self.write(o, [x, self.adjoint_array(o, x)])

    # ---- operations whose way back is a function of the program
    def by_function(self, let: Let, k: str) -> None:
        kept: list[Atom] = []

        def forward() -> None:
            outs, found = self.go(let)
            kept.extend(found)
            shared = dict(TABLE[let.op].aliases)
            for i, (o, x) in enumerate(zip(let.outs, outs, strict=True)):
                if i in shared:
                    self.write(o, [x, *self.read(let.args[shared[i]])[1:]])
                else:
                    self.out_with_adjoint(o, x)

        self.on_the_way(let.op, forward, lambda: self.come_back(let, kept), k)

    def go(self, let: Let) -> tuple[list[Atom], list[Atom]]:
        """The outs, and what is kept for the way back."""
        adjoint = self.parent.memory.adjoints[let]
        if adjoint.there is None:
            return self.straight_let(let), []
        outs = self.run_function(adjoint.there, adjoint.there_given, [])
        self.made(let.outs, outs)
        return outs[: len(let.outs)], outs[len(let.outs) :]

    def come_back(self, let: Let, kept: list[Atom]) -> None:
        memory = self.parent.memory
        adjoint = memory.adjoints[let]
        for v in (v for (x, v), whole in memory.firsts.items() if x is let and not whole and v not in memory.tiny):
            self.zero_what_is_left(let, v)
        for a, d in zip(adjoint.returned, self.run_function(adjoint.back, adjoint.given, kept), strict=True):
            self.add(a, d)

    def zero_what_is_left(self, let: Let, v: Var) -> None:
        """Zeros for the elements of an adjoint that a kernel does not go over, which is to write the others first. Of rows, for all."""
        body, x, adjoint = self.body, self.value(v), self.adjoint_data(v)
        assert isinstance(v.type, Array)
        sizes = [body.let("dim", [x], I64, axis=i) for i in range(v.type.rank)]
        starts, counts = ([self.value(a) for a in atoms] for atoms in part_read(let, v))
        if len(sizes) == 1:
            clear_outside(body, adjoint, sizes[0], starts[0], body.integer("iadd", starts[0], counts[0]), v.type.dtype)
            return
        missing = [body.test("ine", n, a) for n, a in zip(sizes, counts, strict=True)]
        some = functools.reduce(lambda a, b: body.test("or", a, b), missing)
        whole = functools.reduce(lambda a, b: body.integer("imul", a, b), sizes)
        body.emit("clear", [adjoint, body.let("select", [some, whole, ZERO], I64)], of=v.type.dtype)

    def run_function(self, name: str, given: Sequence[Given], kept: Sequence[Atom]) -> list[Atom]:
        """In place, if it runs straight through; else a call."""

        def one(what: str, x: Any) -> Atom:
            return kept[x] if what == "kept" else self.adjoint_value(x) if what == "adjoint" else self.value(x)

        f, args = self.context.program.functions[name], [one(*each) for each in given]
        if any(isinstance(b.terminator, (Branch, Fail)) for b in f.blocks.values()):
            return list(self.body.call(name, args, f.results))
        for p, x in zip(f.params, args, strict=True):
            if isinstance(p.type, Array):
                self.context.aliases.join(x, p)
        return self.in_place(f, dict(zip(f.params, args, strict=True)))

    def in_place(self, f: Function, env: dict[Var, Atom]) -> list[Atom]:
        def look(a: Atom) -> Atom:
            return env[a] if isinstance(a, Var) else a

        block = f.entry
        while True:
            for let in block.lets:
                outs = self.operation(let, [look(a) for a in let.args])
                for o, x in zip(let.outs, outs, strict=True):
                    env[o] = x
                    if isinstance(o.type, Array):
                        self.context.aliases.join(x, o)
            t = block.terminator
            if isinstance(t, Return):
                return [look(a) for a in t.args]
            assert isinstance(t, Call)
            block = f.blocks[t.then.block]
            results = self.body.call(t.function, [look(a) for a in t.args], self.context.program.functions[t.function].results)
            env.update(zip(block.params, [*results, *map(look, t.then.args)], strict=True))

    # ---- derivatives of derivatives
    @STEPS.of("pullback")
    def pullback(self, let: Let, k: str) -> None:
        """It runs a reverse pass forward, and one of a jvp on the way back."""
        repeats = has_effects(self.context.program, let.attrs["f"])
        moment: list[Atom] = []

        def forward() -> None:
            if repeats:
                moment.append(self.host(MARK))
            args = [self.value(a) for a in let.args]
            for o, x in zip(let.outs, lower_pullback(self.context, self.body, let, args), strict=True):
                self.out_with_adjoint(o, x)

        def backward() -> None:
            if repeats:
                self.host(AGAIN, *moment)
            self.pull_back(let)
            if repeats:
                self.host(DONE)

        self.on_the_way("pullback", forward, backward, k, False)

    @STEPS.of("checkpoint")
    def checkpoint(self, let: Let, k: str) -> None:
        """A call, of which nothing but the results stays in memory; on the way back its function in reverse."""
        rev = self.context.reverses.of_checkpoint(self.parent.rev, let)
        repeats = has_effects(self.context.program, let.attrs["f"])
        moment: list[Atom] = []

        def forward() -> None:
            moment.extend([self.host(MARK)] if repeats else [])
            alone = Let(let.outs, let.op, let.args, {**let.attrs, "compact": True}, let.site)
            for o, x in zip(let.outs, self.straight_let(alone), strict=True):
                self.out_with_adjoint(o, x)

        def backward() -> None:
            if repeats:
                self.host(AGAIN, *moment)
            cotangents = {r: self.adjoint_value(o) for r, o in enumerate(let.outs) if o in self.activity}
            args = [x for a, p, m in zip(let.args, rev.function.params, rev.mask, strict=True) for x in self.argument(a, p, m)]
            for i, d in once_more(self.context, self.body, rev, args, cotangents).items():
                self.add(let.args[i], d)
            if repeats:
                self.host(DONE)

        self.on_the_way("checkpoint", forward, backward, k)

    def argument(self, a: Atom, p: Var, active: bool) -> Parts:
        """What a function in reverse is given for a parameter."""
        if isinstance(p.type, Scalar):
            return [self.value(a)]
        return self.read(a)[: 2 if active else 1]

    def host(self, recipe: int, *args: Atom) -> Atom:
        """Call Python by one of the recipes that every program has."""
        return self.body.let("host", args, I64, recipe=recipe)

    def pull_back(self, let: Let) -> None:
        adjoint, floats, given = adjoint_of_pullback(self.context.program, let, self.activity)
        own = len(let.args) - let.attrs["cotangents"]
        results = len(let.outs) - len(let.attrs["wrt"])
        cotangent = [self.adjoint_value(o) for o in let.outs]
        v = dict(zip(let.attrs["wrt"], cotangent[results:], strict=True))
        args = [
            *map(self.value, let.args[:own]),
            *(v[i] for i in sorted(v)),
            *(cotangent[i] for i in given),
            *map(self.value, let.args[own:]),
        ]
        outs = lower_pullback(self.context, self.body, Let(adjoint.outs, "pullback", tuple(args), adjoint.attrs), args)
        total = len(outs) - len(adjoint.attrs["wrt"])
        for i, d in zip(adjoint.attrs["wrt"], outs[total:], strict=True):
            self.add_value(let.args[i], d)
        for a, r in zip(let.args[own:], let.attrs["ct"], strict=True):
            self.add_value(a, outs[results + floats.index(r)])

    def adjoint_value(self, o: Var) -> Atom:
        """The adjoint of a variable as a value: a scalar, or an array of its size."""
        if not carries_gradient(o.type):
            return Const(0, I64)  # nobody reads it
        if isinstance(o.type, Scalar):
            return self.body.get(self.adjoint_place(o)) if o in self.activity else Const(0.0, o.type)
        return self.body.let("like", [self.adjoint_data(o), self.value(o)], o.type)

    def add_value(self, a: Atom, d: Atom) -> None:
        if a not in self.activity:
            return
        if isinstance(a.type, Array):
            add_arrays(self.context, self.body, self.adjoint_data(a), d)  # type: ignore[arg-type]
        else:
            self.add(a, d)

"""What each operation does on the way there and on the way back."""

from __future__ import annotations

from typing import Any

from .....ir.core.graph import Atom, Call, Edge, Let, Var
from .....ir.core.op import FORWARD, TABLE, Stage, written
from .....ir.core.types import F64, I64, Array, Scalar, carries_gradient
from .....ir.diff.reverse import Reverse, adjoint_of_pullback
from .....ir.ops.effects import AGAIN, DONE, MARK, has_effects
from ..code import LLVM_TYPES, NEGATIVE_ZERO, Code, flat_types, literal
from ..kernels.backward import Backward, Scaling, keeps_partials
from ..kernels.emission import emit_kernel, heavy_values
from ..kernels.save import save_elements, save_written
from ..lets import Operands, allocate, copy_data, element_pointer, emit_let, emit_whole, fill_zero, in_memory, loop, product, tiny_array
from ..library import backward as array_backward
from ..matrix_products import gemm_back
from ..operations import accumulate, elementwise_function, load_function, store_function
from ..primal import call_function, moved
from ..pullback import add_arrays, emit_pullback, environment, last_continuation
from ..scattering import scatter_back, scatter_save
from .frame import BlockFrame

WAYS = Stage("reverse mode in LLVM", lambda op: op.adjoint == "own" and op.calls != FORWARD)


class BlockOperations(BlockFrame):
    """The operations of a block."""

    def plain_store(self, let: Let) -> tuple[str, str, str] | None:
        """A store without an adjoint; what it overwrites is put back when this closure's continuation has returned."""
        p, _, t = element_pointer(self.code, self.quiet(let), self.read, self.module.site(let.site))
        old = self.code.load(t, p)
        v = in_memory(self.code, self.read(let.args[-1])[0], let.args[0].type.dtype)  # type: ignore[union-attr]
        self.code.store(t, v, p)
        return p, old, t

    def plain_write(self, let: Let) -> Any:
        """The same for an operation that writes whole arrays; gives what puts the old elements back."""
        restore = save_written(self.context, self.code, let, self.read, self.parent.read_back)
        for o, x in zip(let.outs, self.straight_let(let), strict=True):
            self.write(o, x)
        return lambda: restore(self.code)

    # ---- operations
    def operand(self, a: Atom) -> str:
        """An argument of an op function: a pointer to {value, adjoint}, or a value."""
        if self.parent.is_active_scalar(a):
            return f"ptr {self.place(a)}"
        return f"{LLVM_TYPES[a.type]} {self.read(a)[0]}"

    def operation(self, let: Let, k: str) -> None:
        """Call the op function with the continuation `k`."""
        adjoint = TABLE[let.op].adjoint
        if adjoint != "rule":
            (WAYS[let.op] if adjoint == "own" else BY_ADJOINT[adjoint])(self, let, k)
            return
        active = [self.parent.is_active_scalar(a) for a in let.args]
        name = elementwise_function(self.module, let, active)
        args = [*map(self.operand, let.args), f"ptr {self.cell(let.out)}", f"ptr {k}", "ptr %frame"]
        self.code.emit(f"call void {name}({', '.join(args)})")

    def element(self, let: Let) -> tuple[str, str]:
        """Pointers to an element and to its adjoint."""
        p, offset, t = element_pointer(self.code, self.quiet(let), self.read, self.module.site(let.site))
        adjoint = self.read(let.args[0])[-1]
        return p, self.code.let(f"getelementptr inbounds {t}, ptr {adjoint}, i64 {offset}")

    @WAYS.of("load")
    def op_load(self, let: Let, k: str) -> None:
        p, dp = self.element(let)
        name = load_function(self.module, let.out.type)
        self.code.emit(f"call void {name}(ptr {p}, ptr {dp}, ptr {self.cell(let.out)}, ptr {k}, ptr %frame)")

    @WAYS.of("store")
    def op_store(self, let: Let, k: str) -> None:
        if let.args[0] in self.locals:
            self.late_store(let, k)
            return
        p, dp = self.element(let)
        v = let.args[-1]
        name = store_function(self.module, v.type, self.parent.is_active_scalar(v))
        self.code.emit(f"call void {name}(ptr {p}, ptr {dp}, {self.operand(v)}, ptr {k}, ptr %frame)")

    def late_store(self, let: Let, k: str) -> None:
        """A store to an array whose adjoint is made when the way back begins."""
        t = let.args[-1].type
        ty = LLVM_TYPES[t]
        found: dict[str, str] = {}

        def forward() -> None:
            p, offset, _ = element_pointer(self.code, self.quiet(let), self.read, self.module.site(let.site))
            found.update(p=p, offset=offset, old=self.code.load(ty, p))
            self.code.store(ty, self.read(let.args[-1])[0], p)

        def backward() -> None:
            dp = self.code.let(f"getelementptr inbounds {ty}, ptr {self.read(let.args[0])[-1]}, i64 {found['offset']}")
            self.add(let.args[-1], self.code.load(ty, dp))
            self.code.store(ty, NEGATIVE_ZERO, dp)
            self.code.store(ty, found["old"], found["p"])

        self.on_the_way(f"@op.store.{self.context.unique()}", forward, backward, k)

    @WAYS.of("alloc")
    def op_alloc(self, let: Let, k: str) -> None:
        v = let.args[-1]

        def backward() -> None:
            if self.parent.is_active_scalar(v):
                ty, (_, *dims, adjoint) = LLVM_TYPES[v.type], self.read(let.out)
                cell = self.adjoint_cell(v)  # type: ignore[arg-type]

                def one(i: str) -> None:
                    accumulate(self.code, ty, cell, self.code.load(ty, self.code.let(f"getelementptr {ty}, ptr {adjoint}, i64 {i}")))

                loop(self.code, product(self.code, dims), one)

        self.on_the_way(f"@op.alloc.{self.context.unique()}", lambda: self.bind_outs(let), backward, k)

    @WAYS.of("copy")
    def op_copy(self, let: Let, k: str) -> None:
        def backward() -> None:
            if let.args[0] in self.activity:
                out = self.read(let.out)
                self.add_operands(let.args[0], [out[-1], *out[1:-1]])

        self.on_the_way(f"@op.copy.{self.context.unique()}", lambda: self.bind_outs(let), backward, k)

    def bind_outs(self, let: Let) -> None:
        for o, x in zip(let.outs, emit_let(self.code, let, self.read), strict=True):
            self.out_with_adjoint(o, x)

    @WAYS.of("reshape")
    def op_reshape(self, let: Let, k: str) -> None:
        source = self.read(let.args[0])
        self.write(let.out, [source[0], *(self.read(a)[0] for a in let.args[1:]), source[-1]])
        self.code.emit(f"call void {k}(ptr %frame)")

    def on_the_way(self, name: str, forward: Any, backward: Any, k: str) -> None:
        """An op function of its own for each place: forward(), the continuation, backward(). The block gives arrays back."""
        outer = self.code
        outer.emit(f"call void {name}(ptr %frame, ptr {k})")
        self.code = Code(self.module)
        forward()  # 1, 2
        self.code.emit("call void %k(ptr %frame)")  # 3
        mark = self.code.let("call ptr @lantern.mark()")
        backward()  # 4, 5
        self.code.emit(f"call void @lantern.release(ptr {mark})")
        self.code.emit("ret void")
        self.module.functions.append(self.code.text(f"define internal void {name}(ptr %frame, ptr %k) alwaysinline nounwind"))
        self.code = outer

    def out_with_adjoint(self, o: Var, operands: Operands) -> None:
        """Bind an out, with a zero adjoint."""
        if o in self.activity and isinstance(o.type, Array):
            operands = [*operands, "null" if o in self.locals else self.adjoint_array(o, operands[1:])]
        self.write(o, operands)
        if self.parent.is_active_scalar(o):
            self.code.store(LLVM_TYPES[o.type], NEGATIVE_ZERO, self.adjoint_cell(o))

    def adjoint_array(self, o: Var, dims: Operands) -> str:
        t = o.type.dtype  # type: ignore[union-attr]
        if o in self.context.tiny:
            d = tiny_array(self.context, self.code, o)
            for i in range(self.context.tiny[o]):
                self.code.store(LLVM_TYPES[t], NEGATIVE_ZERO, self.code.let(f"getelementptr {LLVM_TYPES[t]}, ptr {d}, i64 {i}"))
            return d
        n = product(self.code, dims)
        d = allocate(self.code, n, t, 0)
        if o not in self.parent.covered:
            fill_zero(self.code, d, n, t)
        return d

    def begin_way_back(self) -> None:
        """The rest of the program has returned: now the adjoints of this block's own arrays are needed."""
        for o in self.locals:
            operands = self.read(o)
            self.write(o, [*operands[:-1], self.adjoint_array(o, operands[1:-1])])

    @WAYS.of("kernel")
    def op_kernel(self, let: Let, k: str) -> None:
        restore: dict[int, str] = {}
        kept: dict[Var, str] = {}
        firsts = {v for x, v in self.parent.firsts if x is let}
        carried = {v for x, v in self.parent.carried_firsts if x is let}
        keeps = keeps_partials(self.context, let, self.activity, firsts - set(self.locals))

        def forward() -> None:
            restore.update(save_elements(self.context, self.code, let, self.read, self.parent.read_back))
            partials = self.activity if keeps else None
            kept.update(heavy_values(self.context, self.code, let, self.read, self.activity) if not keeps else {})
            for o, x in zip(let.outs, emit_kernel(self.code, let, self.read, partials, kept), strict=True):
                self.out_with_adjoint(o, x)

        def backward() -> None:
            site = self.module.site(let.site)
            outs = {o: self.read(o) for o in let.outs if isinstance(o.type, Array)}
            given = {o: self.code.load(LLVM_TYPES[o.type], self.adjoint_cell(o)) for o in let.outs if self.parent.is_active_scalar(o)}
            if keeps:
                Scaling(self.context, let, self.read, self.code, site, self.activity).run(outs, given)
                return
            run = Backward(self.context, let, self.read, self.code, site, self.activity, firsts | carried)
            run.kept = kept
            for a, d in run.run(outs, given, restore).items():
                self.add(a, d)

        self.on_the_way(f"@op.kernel.{self.context.unique()}", forward, backward, k)

    @WAYS.of("gemm")
    def op_gemm(self, let: Let, k: str) -> None:
        def forward() -> None:
            self.out_with_adjoint(let.out, emit_whole(self.code, let, self.read)[0])

        self.on_the_way(
            f"@op.gemm.{self.context.unique()}",
            forward,
            lambda: gemm_back(self.code, let, self.read, self.activity, self.adjoint_operands(let.out)),
            k,
        )

    @WAYS.of("scatter")
    def op_scatter(self, let: Let, k: str) -> None:
        saved: list[Any] = []

        def forward() -> None:
            saved.append(scatter_save(self.code, let, self.read))
            emit_whole(self.code, let, self.read)

        self.on_the_way(
            f"@op.scatter.{self.context.unique()}", forward, lambda: scatter_back(self.code, let, self.read, saved[0], self.activity), k
        )

    def op_traced(self, let: Let, k: str) -> None:
        """An operation whose rule is traced code. What it writes is put back first, and gets the adjoints of before in place."""
        targets = written(let)
        restore: list[Any] = []

        def forward() -> None:
            if targets:
                restore.append(save_written(self.context, self.code, let, self.read, None))
            for o, x in zip(let.outs, emit_whole(self.code, let, self.read), strict=True):
                self.out_with_adjoint(o, x)

        def back() -> None:
            for put_back in restore:
                put_back(self.code)
            outs = {o: self.read(o) for o in let.outs}
            adjoints = {o: self.adjoint_operands(o) for o in (*let.outs, *targets)}
            for a, d in zip(let.args, array_backward(self.context, self.code, let, self.read, self.activity, outs, adjoints), strict=True):
                if d is not None and a in targets:
                    self.replace_adjoint(a, d)
                elif d is not None:
                    self.add_operands(a, d)

        self.on_the_way(f"@op.{let.op}.{self.context.unique()}", forward, back, k)

    def replace_adjoint(self, a: Atom, d: Operands) -> None:
        assert isinstance(a.type, Array)
        there = self.read(a)
        copy_data(self.code, there[-1], d[0], product(self.code, there[1 : 1 + a.type.rank]), a.type.dtype)

    def op_zero(self, let: Let, k: str) -> None:
        """It runs on the way forward; nothing flows back through it."""
        self.on_the_way(f"@op.{let.op}.{self.context.unique()}", lambda: self.bind_outs(let), lambda: None, k)

    @WAYS.of("pullback")
    def op_pullback(self, let: Let, k: str) -> None:
        """An op function of its own for each place: it runs a reverse pass forward, and one of a jvp on the way back."""
        name = f"@op.pullback.{self.context.unique()}"
        outer = self.code
        outer.emit(f"call void {name}(ptr %frame, ptr {k})")
        self.code = Code(self.module)
        repeats = has_effects(self.context.program, let.attrs["f"])
        moment = self.host(MARK) if repeats else ""
        outs = emit_pullback(self.code, let, self.read)  # 1
        for o, x in zip(let.outs, outs, strict=True):
            if o in self.activity and isinstance(o.type, Array):
                n = product(self.code, x[1:])
                d = allocate(self.code, n, o.type.dtype, 0)
                fill_zero(self.code, d, n, o.type.dtype)
                x = [*x, d]
            self.write(o, x)
            if self.parent.is_active_scalar(o):
                self.code.store(LLVM_TYPES[o.type], NEGATIVE_ZERO, self.adjoint_cell(o))  # 2
        self.code.emit("call void %k(ptr %frame)")  # 3
        if repeats:
            self.host(AGAIN, moment)
        self.pull_back(let)  # 4, 5
        if repeats:
            self.host(DONE)
        self.code.emit("ret void")
        self.module.functions.append(self.code.text(f"define internal void {name}(ptr %frame, ptr %k) alwaysinline nounwind"))
        self.code = outer

    @WAYS.of("checkpoint")
    def op_checkpoint(self, let: Let, k: str) -> None:
        """A call, of which nothing but the results stays in memory; on the way back its function in reverse."""
        rev = self.context.reverses.of_checkpoint(self.parent.rev, let)
        repeats = has_effects(self.context.program, let.attrs["f"])
        moment: list[str] = []

        def forward() -> None:
            moment.extend([self.host(MARK)] if repeats else [])
            mark = self.code.let("call ptr @lantern.mark()")
            found = call_function(self.context, self.code, Call(let.attrs["f"], let.args, Edge("")), self.read)
            for o, x in zip(let.outs, moved(self.code, mark, let, found), strict=True):
                self.out_with_adjoint(o, x)

        def backward() -> None:
            if repeats:
                self.host(AGAIN, *moment)
            self.once_more(let, rev)
            if repeats:
                self.host(DONE)

        self.on_the_way(f"@op.checkpoint.{self.context.unique()}", forward, backward, k)

    def once_more(self, let: Let, rev: Reverse) -> None:
        """A call of a function in reverse whose continuation is the adjoints of its results. It adds to those of the arguments."""
        code, f = self.code, rev.function
        cotangents = {r: self.adjoint_operands(o) for r, o in enumerate(let.outs) if o in self.activity}
        env_type, slots, env = environment(code, f, cotangents, keeps=False)
        args = [self.read(a)[: len(flat_types(p.type, m))] for a, p, m in zip(let.args, f.params, rev.mask, strict=True)]
        k = last_continuation(self.context, f, env_type, slots)
        for i, d in self.context.call_reverse(code, rev, args, k, env).items():
            self.add(let.args[i], d)

    def host(self, recipe: int, *args: str) -> str:
        """Call Python by one of the recipes that every program has."""
        xs = tuple(Var(f"x{i}", I64) for i in range(len(args)))
        (out,) = emit_let(self.code, Let((Var("out", I64),), "host", xs, {"recipe": recipe}), lambda a: [args[xs.index(a)]])
        return out[0]

    def pull_back(self, let: Let) -> None:
        adjoint, floats, given = adjoint_of_pullback(self.context.program, let, self.activity)
        own = len(let.args) - let.attrs["cotangents"]
        results = len(let.outs) - len(let.attrs["wrt"])
        cotangent = [self.adjoint_operands(o) for o in let.outs]
        v = dict(zip(let.attrs["wrt"], cotangent[results:], strict=True))
        operands = [*(self.read(a) for a in let.args[:own]), *(v[i] for i in sorted(v)), *(cotangent[i] for i in given),
                    *(self.read(a) for a in let.args[own:])]  # fmt: skip
        call = Let(adjoint.outs, "pullback", tuple(Var(f"x{i}", F64) for i in range(len(operands))), adjoint.attrs)
        table = dict(zip(call.args, operands, strict=True))
        outs = emit_pullback(self.code, call, lambda a: table[a])
        total = len(outs) - len(adjoint.attrs["wrt"])
        for i, d in zip(adjoint.attrs["wrt"], outs[total:], strict=True):
            self.add_operands(let.args[i], d)
        for a, r in zip(let.args[own:], let.attrs["ct"], strict=True):
            self.add_operands(a, outs[results + floats.index(r)])

    def adjoint_operands(self, o: Var) -> Operands:
        """The adjoint of an out as a value: a scalar, or an array of its size."""
        if not carries_gradient(o.type):
            return ["poison"]
        if isinstance(o.type, Scalar):
            return [self.code.load(LLVM_TYPES[o.type], self.adjoint_cell(o))] if o in self.activity else [literal(0.0, o.type)]
        values = self.read(o)
        return [values[-1], *values[1 : 1 + o.type.rank]]

    def add_operands(self, a: Atom, d: Operands) -> None:
        if a not in self.activity:
            return
        if isinstance(a.type, Array):
            values = self.read(a)
            add_arrays(self.code, values[-1], d[0], product(self.code, values[1 : 1 + a.type.rank]), LLVM_TYPES[a.type.dtype])
        else:
            self.add(a, d[0])


BY_ADJOINT = {"pullback": BlockOperations.op_traced, "zero": BlockOperations.op_zero}

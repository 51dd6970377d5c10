"""A block in reverse mode: its function, those of its further closures, and its ends."""

from __future__ import annotations

from typing import Any

from .....ir.core.graph import Atom, Branch, Call, Edge, Fail, Jump, Return, Var
from .....ir.core.op import TABLE, written
from .....ir.core.types import Array, Scalar, Type, carries_gradient
from .....ir.diff.cps import WHOLE, Closure, Continuation
from .....ir.diff.reverse import Reverse
from ..code import LLVM_TYPES, NEGATIVE_ZERO, Code, flat_types, struct_of
from ..lets import Operands, allocate, fill_zero, product
from ..pullback import adjoint_struct, continuation_params
from .operations import BlockOperations


class BlockFunction(BlockOperations):
    """Emits one block: its own function, and one function for each further closure of its chain."""

    # ---- the functions
    def run(self) -> None:
        closures = self.block.chain
        texts = []
        for i, closure in enumerate(closures):
            self.code = Code(self.module)
            if i == 0:
                self.open()
            self.closure(closure)
            texts.append(self.close() if i == 0 else self.code_end(closure))
        self.module.functions.extend(texts)

    def signature(self) -> tuple[list[str], dict[Var, list[str]]]:
        params, names = [], {}
        for i, v in enumerate(self.block.inputs):
            types = self.parent.flat(v)
            names[v] = [f"%i{i}.{j}" for j in range(len(types))]
            params += [f"{t} {n}" for t, n in zip(types, names[v], strict=True)]
        return [*params, *(f"ptr %{x}" for x in self.pointers)], names

    def open(self) -> None:
        """The frame, filled with the inputs."""
        self.code.allocas.append(f" %frame = alloca {self.frame_type}")
        if self.checks_stack():
            self.code.emit(f"call void @lantern.check_stack(i64 {self.context.function_site(self.parent.rev.function.name)})")
        _, names = self.signature()
        for v in self.block.inputs:
            self.write(v, names[v])
            if self.parent.is_active_scalar(v):
                self.code.store(LLVM_TYPES[v.type], NEGATIVE_ZERO, self.adjoint_cell(v))
        for x in self.pointers:
            self.code.store("ptr", f"%{x}", self.cell(x))
        if self.gives_back:
            self.mark = self.code.let("call ptr @lantern.mark()")

    def close(self) -> str:
        """Return the adjoints of the inputs."""
        params, _ = self.signature()
        vs, rt = self.parent.returned(self.block)
        parts = [(LLVM_TYPES[v.type], self.code.load(LLVM_TYPES[v.type], self.adjoint_cell(v))) for v in vs]
        if self.mark:
            self.code.emit(f"call void @lantern.release(ptr {self.mark})")
        self.code.emit(f"ret {rt} {self.code.pack(rt, parts)}" if parts else "ret void")
        attributes = "alwaysinline" if self.inline() else "noinline" if self.block.is_head or self.block.is_piece else ""
        return self.code.text(
            f"define internal {self.module.convention(len(vs))} {rt} {self.name}({', '.join(params)}) {attributes} nounwind"
        )

    def inline(self) -> bool:
        return self.block.inline

    def code_end(self, closure: Closure) -> str:
        self.code.emit("ret void")
        return self.code.text(f"define internal void {self.chain_name(closure)}(ptr %frame) alwaysinline nounwind")

    def chain_name(self, closure: Closure) -> str:
        return self.name + closure.name[len(self.block.name) :]

    def closure(self, closure: Closure) -> None:
        undo: list[Any] = []
        for let in closure.straight:
            if TABLE[let.op].indexed and TABLE[let.op].writes:
                undone = self.plain_store(let)
                if undone is not None:
                    undo.append(undone)
            elif written(let):
                undo.append(self.plain_write(let))
            else:
                for o, x in zip(let.outs, self.straight_let(let), strict=True):
                    self.write(o, x)
        if closure.operation is not None:
            self.operation(closure.operation, self.name + (closure.then or "")[len(self.block.name) :])
        else:
            self.terminator(closure.end)
            self.begin_way_back()
        for undone in reversed(undo):
            if callable(undone):
                undone()
            else:
                p, old, t = undone
                self.code.store(t, old, p)

    # ---- the ends of blocks
    def terminator(self, t: Any) -> None:
        code = self.code
        if isinstance(t, Jump):
            self.jump(t.edge)
        elif isinstance(t, Branch):
            yes, no, end = code.new_label("yes"), code.new_label("no"), code.new_label("end")
            code.emit(f"br i1 {self.read(t.cond)[0]}, label %{yes}, label %{no}")
            for label, edge in ((yes, t.then), (no, t.orelse)):
                code.place(label)
                self.jump(edge)
                code.emit(f"br label %{end}")
            code.place(end)
        elif isinstance(t, Return):
            self.return_(t)
        elif isinstance(t, Call):
            self.call(t)
        elif isinstance(t, Fail):
            code.fail(t.kind, self.module.site(t.site or self.context.message_site(t)))
            code.place(code.new_label("never"))

    def jump(self, edge: Edge, results: list[Operands] | None = None, block: Continuation | None = None) -> list[str]:
        """Call the target with values, and add the adjoints that it returns to where the values came from. Gives the
        adjoints of `results`, the values that a call has just returned."""
        code, target = self.code, self.parent.closures.blocks[edge.block]
        skip = len(target.params) - len(edge.args)
        sources: list[Any] = [*(results or [])[:skip], *edge.args, *target.by_value]
        args = []
        for v, source in zip(target.inputs, sources, strict=True):
            operands = source if isinstance(source, list) else self.adapt(source, v)
            args += [f"{t} {x}" for t, x in zip(self.parent.flat(v), operands, strict=False)]
        records = {h: self.make_record(h) for h in target.nest if h not in self.block.nest}
        pointers = ["k", "kenv"]
        args += [f"ptr {self.pointer(x)}" for x in pointers]
        args += [f"ptr {records[h] if h in records else self.pointer(f'e.{h}')}" for h in target.nest]
        args += [f"ptr {self.pointer(x)}" for x in self.extra_pointers()]
        vs, rt = self.parent.returned(target)
        call = f"call {self.module.convention(len(vs))} {rt} {self.target_name(target)}({', '.join(args)})"
        back: list[str] = []
        if not vs:
            code.emit(call)
        else:
            adjoints = dict(zip(vs, code.unpack(rt, code.let(call), len(vs)), strict=True))
            for v, source in zip(target.inputs, sources, strict=True):
                if isinstance(source, list):
                    if isinstance(v.type, Scalar) and carries_gradient(v.type):
                        back.append(adjoints.get(v, NEGATIVE_ZERO))
                elif v in adjoints:
                    self.add(source, adjoints[v])
        if not vs and results:
            back = [
                NEGATIVE_ZERO
                for v, s in zip(target.inputs, sources, strict=True)
                if isinstance(s, list) and isinstance(v.type, Scalar) and carries_gradient(v.type)
            ]
        for h, record in records.items():
            self.empty_record(h, record)
        return back

    def target_name(self, target: Continuation) -> str:
        return self.parent.block_name(target.name)

    def adapt(self, source: Atom, v: Var) -> Operands:
        """The operands of `source` for the input `v`; where v has an adjoint and source has none, a zero one."""
        operands = self.read(source)
        want = self.parent.flat(v)
        if len(operands) < len(want):
            n = product(self.code, operands[1:])
            d = allocate(self.code, n, v.type.dtype, 0)  # type: ignore[union-attr]
            fill_zero(self.code, d, n, v.type.dtype)  # type: ignore[union-attr]
            operands = [*operands, d]
        return operands[: len(want)]

    def return_(self, t: Return) -> None:
        """Call the caller's continuation with the results."""
        code, types = self.code, list(self.parent.rev.function.results)
        args = ["ptr " + self.pointer("kenv")]
        for a, ty in zip(t.args, types, strict=True):
            args += [f"{p} {x}" for p, x in zip(continuation_params([ty]), self.result_operands(a, ty), strict=True)]
        rt, n = adjoint_struct(types)
        k = self.pointer("k")
        if not n:
            code.emit(f"call {self.module.convention(n)} {rt} {k}({', '.join(args)})")
            return
        values = code.unpack(rt, code.let(f"call {self.module.convention(n)} {rt} {k}({', '.join(args)})"), n)
        scalars = [a for a, ty in zip(t.args, types, strict=True) if isinstance(ty, Scalar) and carries_gradient(ty)]
        for a, d in zip(scalars, values, strict=True):
            self.add(a, d)

    def result_operands(self, a: Atom, t: Type) -> Operands:
        """A result as the continuation takes it: an array has an adjoint, made here if it had none."""
        operands = self.read(a)
        if isinstance(t, Array) and carries_gradient(t) and a not in self.activity:
            n = product(self.code, operands[1:])
            d = allocate(self.code, n, t.dtype, 0)
            fill_zero(self.code, d, n, t.dtype)
            return [*operands, d]
        return operands

    def call(self, t: Call) -> None:
        """Call a function in reverse mode. Its continuation's environment is a record of what the code after the call
        needs; the frame itself stays at home, where LLVM can turn it into registers."""
        code = self.code
        callee = self.context.reverses.of_call(self.parent.rev, t)
        target = self.parent.closures.blocks[t.then.block]
        kept = [v for v in dict.fromkeys([*target.by_value, *t.then.args]) if isinstance(v, Var) and v in self.fields]
        fields = {key: i for i, key in enumerate([*kept, *self.pointers])}
        record_type = self.module.named_type(
            f"record{self.context.unique()}", struct_of([*(self.cell_type(v) for v in kept), *("ptr" for _ in self.pointers)])
        )
        record = code.alloca(record_type)
        self.fill_record(record, record_type, fields)
        k = self.continuation_of_call(t, callee, record_type, fields)
        args = []
        for i, (a, p) in enumerate(zip(t.args, callee.function.params, strict=True)):
            operands = self.read(a)
            args.append(operands[: len(flat_types(p.type, callee.mask[i]))] if isinstance(p.type, Array) else operands)
        if callee.name == self.parent.rev.name and WHOLE in self.parent.closures.records:
            returned = self.parent.call_itself(code, args, k, record, self.pointer(f"e.{WHOLE}"))
        else:
            returned = self.context.call_reverse(code, callee, args, k, record)
        for i, d in returned.items():
            self.add(t.args[i], d)
        for v in kept:
            if self.parent.is_active_scalar(v):
                self.add(v, code.load(LLVM_TYPES[v.type], code.field(record_type, record, fields[v], 1)))

    def fill_record(self, record: str, record_type: str, fields: dict[Any, int]) -> None:
        code = self.code
        for v, i in fields.items():
            p = code.field(record_type, record, i)
            if isinstance(v, str):
                code.store("ptr", self.pointer(v), p)
            elif isinstance(v.type, Scalar):
                code.store(LLVM_TYPES[v.type], self.read(v)[0], p)
                if v in self.activity:
                    code.store(LLVM_TYPES[v.type], NEGATIVE_ZERO, code.field(record_type, record, i, 1))
            else:
                for j, (part, x) in enumerate(zip(self.parent.flat(v), self.read(v), strict=True)):
                    code.store(part, x, code.field(record_type, record, i, j))

    def continuation_of_call(self, t: Call, callee: Reverse, record_type: str, fields: dict[Any, int]) -> str:
        """S @kN(ptr frame, results): go on at the block after the call. Its frame is the record."""
        name = f"@k.{self.context.unique()}{self.name[2:]}"
        outer = self.code, self.frame_type, self.fields
        self.code, self.frame_type, self.fields = Code(self.module), record_type, fields
        types = list(callee.function.results)
        rt, n = adjoint_struct(types)
        params, results = ["ptr %frame"], []
        for r, ty in enumerate(types):
            parts = continuation_params([ty])
            names = [f"%r{r}.{j}" for j in range(len(parts))]
            params += [f"{p} {x}" for p, x in zip(parts, names, strict=True)]
            results.append(names)
        back = self.jump(t.then, results)
        parts_back = [LLVM_TYPES[ty] for ty in types if isinstance(ty, Scalar) and carries_gradient(ty)]
        pairs = list(zip(parts_back, back, strict=True))
        self.code.emit(f"ret {rt} {self.code.pack(rt, pairs)}" if pairs else "ret void")
        self.module.functions.append(
            self.code.text(f"define internal {self.module.convention(n)} {rt} {name}({', '.join(params)}) nounwind")
        )
        self.code, self.frame_type, self.fields = outer
        return name

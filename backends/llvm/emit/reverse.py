"""Reverse mode: closures to LLVM functions that return adjoints.

    S @r.f(params, ptr k, ptr kenv)          calls f's entry block; k is the caller's continuation
    S @r.f.block(inputs, k, kenv, records)   a block: values in, adjoints of its active scalars out
    void @r.f.block.kN(ptr frame)            the continuation after the N-th operation of a block

A block keeps its variables in a frame: {value, adjoint} for an active scalar. Frames do not escape their inlined
chain, so LLVM's SROA turns them into registers; what lives across a call that is not inlined is what LLVM spills:
that is all the memory a step needs.
"""

from __future__ import annotations

from typing import Any

from ....ir.core.graph import Atom, Branch, Call, Edge, Fail, Jump, Let, Return, Var
from ....ir.core.op import FORWARD, TABLE, Stage, written
from ....ir.core.types import F64, I64, Array, Scalar, Type, carries_gradient
from ....ir.diff.coverage import carried_covers, covering_kernels, local_arrays, read_back
from ....ir.diff.cps import WHOLE, Closure, Closures, Continuation
from ....ir.diff.reverse import Reverse, adjoint_of_pullback
from ....ir.ops.memory import codes, quiet
from ....ir.python.host import AGAIN, DONE, MARK, has_effects
from .code import LLVM_TYPES, MEMORY_TYPES, NEGATIVE_ZERO, Code, flat_types, literal, struct_of
from .kernels import Backward, Scaling, emit_kernel, heavy_values, keeps_partials, save_elements, save_written
from .lets import Operands, allocate, copy_data, element_pointer, emit_let, emit_whole, fill_zero, in_memory, loop, product, tiny_array
from .library import backward as array_backward
from .library import gemm_back, scatter_back, scatter_save
from .operations import accumulate, elementwise_function, load_function, pair, store_function  # fmt: skip
from .primal import RECURSION
from .pullback import add_arrays, adjoint_struct, continuation_params, emit_pullback


class ReverseFunction:
    """Emits one reverse function."""

    def __init__(self, context: Any, closures: Closures) -> None:
        self.context, self.closures, self.rev = context, closures, closures.reverse
        self.name = f"@r.{self.rev.name}"
        self.activity = closures.activity
        self.record_types: dict[str, str] = {}
        self.orders: dict[str, dict[Var, int]] = {}
        f = self.rev.function
        own = [o for b in f.blocks.values() for let in b.lets if not TABLE[let.op].aliases for o in let.outs if isinstance(o.type, Array)]
        kernels = any(TABLE[let.op].nest for b in f.blocks.values() for let in b.lets)
        self.firsts = covering_kernels(f, own, self.activity, context.aliases) | self.rev.firsts if kernels else set()
        self.read_back = read_back(f, self.activity, context.aliases, context.program) if kernels else None
        self.locals = [v for v in local_arrays(f, own, self.activity, context.aliases) if v not in context.tiny] if kernels else []
        self.covered = {v for _, v in self.firsts}  # arrays whose adjoints need no zeros
        pairs, passed = carried_covers(f, self.activity, context.aliases) if kernels else (set(), set())
        self.carried_firsts = pairs
        self.covered |= passed

    def positions(self, head: str) -> dict[Var, int]:
        """Where the variables of a record are in it."""
        if head not in self.orders:
            self.orders[head] = {v: i for i, v in enumerate(self.closures.records[head])}
        return self.orders[head]

    def is_active_scalar(self, v: Atom) -> bool:
        return v in self.activity and isinstance(v.type, Scalar)

    def flat(self, v: Var) -> list[str]:
        """The LLVM types of a variable passed by value."""
        return flat_types(v.type, v in self.activity)

    def returned(self, block: Continuation) -> tuple[list[Var], str]:
        """The inputs whose adjoints a block returns, and the struct of them."""
        vs = [v for v in block.inputs if self.is_active_scalar(v)]
        return vs, struct_of([LLVM_TYPES[v.type] for v in vs])

    def block_name(self, name: str) -> str:
        return f"{self.name}.{name}"

    def entry(self) -> list[str]:
        """@r.f: pass the parameters to the entry block, and return the adjoints of the active ones. A recursion is two
        functions: @r.f makes the record of what never changes, @r.f.recursion does the rest."""
        code, f = Code(self.context.module), self.rev.function
        first = self.closures.blocks[f.entry.name]
        whole = self.closures.records.get(WHOLE, [])
        names = {p: [f"%a{i}.{j}" for j in range(len(self.param_types(p, self.rev.mask[i])))] for i, p in enumerate(f.params)}
        site = self.context.function_site(f.name)
        if f.name in self.context.recursive:
            code.emit(f"call void @lantern.check_stack(i64 {site})")
        args = [f"{t} {n}" for v in first.inputs for t, n in zip(self.flat(v), self.input_operands(code, v, names), strict=True)]
        vs, rt = self.returned(first)
        pointers = ["ptr %k", "ptr %kenv", *(["ptr %e.whole"] if whole else [])]
        call = f"call {code.module.convention(len(vs))} {rt} {self.block_name(first.name)}({', '.join([*args, *pointers])})"
        found = dict(zip(vs, code.unpack(rt, code.let(call), len(vs)), strict=True)) if vs else {}
        if not vs:
            code.emit(call)
        given = [p for p in f.params if p not in whole]
        returned = [p for p in self.active_params() if p not in whole]
        parts = [(LLVM_TYPES[p.type], found.get(p, NEGATIVE_ZERO)) for p in returned]
        name = self.name + (RECURSION if whole else "")
        text = self.function_text(code, name, given, names, parts, pointers)
        return [self.outermost(names, given, returned), text] if whole else [text]

    def active_params(self) -> list[Var]:
        return [p for p, m in zip(self.rev.function.params, self.rev.mask, strict=True) if m and isinstance(p.type, Scalar)]

    def function_text(
        self, code: Code, name: str, given: list[Var], names: dict[Var, list[str]], parts: list[tuple[str, str]], pointers: list[str]
    ) -> str:
        out = struct_of([t for t, _ in parts])
        code.emit(f"ret {out} {code.pack(out, parts)}" if parts else "ret void")
        mask = dict(zip(self.rev.function.params, self.rev.mask, strict=True))
        params = [f"{t} {n}" for p in given for t, n in zip(self.param_types(p, mask[p]), names[p], strict=True)]
        return code.text(f"define internal {code.module.convention(len(parts))} {out} {name}({', '.join([*params, *pointers])}) nounwind")

    def outermost(self, names: dict[Var, list[str]], given: list[Var], returned: list[Var]) -> str:
        """@r.f of a recursion."""
        code, whole = Code(self.context.module), self.closures.records[WHOLE]
        t = self.whole_type()
        record = code.alloca(t)
        for i, v in enumerate(whole):
            if isinstance(v.type, Scalar):
                path = [i, 0] if v in self.activity else [i]
                code.store(LLVM_TYPES[v.type], names[v][0], code.field(t, record, *path))
                if v in self.activity:
                    code.store(LLVM_TYPES[v.type], NEGATIVE_ZERO, code.field(t, record, i, 1))
            else:
                for j, (part, x) in enumerate(zip(self.flat(v), self.input_operands(code, v, names), strict=True)):
                    code.store(part, x, code.field(t, record, i, j))
        mask = dict(zip(self.rev.function.params, self.rev.mask, strict=True))
        args = [f"{ty} {n}" for p in given for ty, n in zip(self.param_types(p, mask[p]), names[p], strict=True)]
        rt = struct_of([LLVM_TYPES[p.type] for p in returned])
        call = f"call {code.module.convention(len(returned))} {rt} {self.name}{RECURSION}({', '.join([*args, 'ptr %k', 'ptr %kenv', f'ptr {record}'])})"
        back = dict(zip(returned, code.unpack(rt, code.let(call), len(returned)), strict=True)) if returned else {}
        if not returned:
            code.emit(call)
        parts = []
        for p in self.active_params():
            if p in whole and p in self.activity:
                back[p] = code.load(LLVM_TYPES[p.type], code.field(t, record, whole.index(p), 1))
            parts.append((LLVM_TYPES[p.type], back.get(p, NEGATIVE_ZERO)))
        return self.function_text(code, self.name, list(self.rev.function.params), names, parts, ["ptr %k", "ptr %kenv"])

    def whole_type(self) -> str:
        return struct_of([self.cell_type(v) for v in self.closures.records[WHOLE]])

    def cell_type(self, v: Var) -> str:
        if isinstance(v.type, Scalar):
            return pair(v.type) if v in self.activity else LLVM_TYPES[v.type]
        return struct_of(self.flat(v))

    def call_itself(self, code: Code, args: list[Operands], k: str, env: str, record: str) -> dict[int, str]:
        """A call of the recursion to itself; the adjoints of its active scalar parameters by position."""
        whole, f = self.closures.records[WHOLE], self.rev.function
        flat = []
        for p, m, operands in zip(f.params, self.rev.mask, args, strict=True):
            if p not in whole:
                flat += [f"{t} {x}" for t, x in zip(self.param_types(p, m), operands, strict=True)]
        active = [i for i, p in enumerate(f.params) if p in self.active_params() and p not in whole]
        rt = struct_of([LLVM_TYPES[f.params[i].type] for i in active])
        pointers = [f"ptr {k}", f"ptr {env}", f"ptr {record}"]
        call = f"call {code.module.convention(len(active))} {rt} {self.name}{RECURSION}({', '.join([*flat, *pointers])})"
        if not active:
            code.emit(call)
            return {}
        return dict(zip(active, code.unpack(rt, code.let(call), len(active)), strict=True))

    @staticmethod
    def param_types(p: Var, active: bool) -> list[str]:
        return flat_types(p.type, active and isinstance(p.type, Array))

    def input_operands(self, code: Code, v: Var, names: dict[Var, list[str]]) -> list[str]:
        """A parameter as its entry block takes it: an array that is written gets an adjoint even where its caller has none."""
        have = names[v]
        want = self.flat(v)
        if len(want) > len(have):
            n = product(code, have[1:])
            d = allocate(code, n, v.type.dtype, 0)  # type: ignore[union-attr]
            fill_zero(code, d, n, v.type.dtype)  # type: ignore[union-attr]
            return [*have, d]
        return have[: len(want)]


WAYS = Stage("reverse mode in LLVM", lambda op: op.adjoint == "own" and op.calls != FORWARD)


class BlockFunction:
    """Emits one block: its own function, and one function for each further closure of its chain."""

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


BY_ADJOINT = {"pullback": BlockFunction.op_traced, "zero": BlockFunction.op_zero}
__all__ = ["MEMORY_TYPES", "BlockFunction", "ReverseFunction"]

"""A function in reverse mode: how it is entered, and what its blocks have in common."""

from __future__ import annotations

from typing import Any

from .....ir.core.graph import Atom, Var
from .....ir.core.op import TABLE
from .....ir.core.types import Array, Scalar
from .....ir.diff.coverage import carried_covers, covering_kernels, local_arrays, read_back
from .....ir.diff.cps import WHOLE, Closures, Continuation
from ..code import LLVM_TYPES, NEGATIVE_ZERO, Code, flat_types, struct_of
from ..lets import Operands, allocate, fill_zero, product
from ..operations import pair
from ..primal import RECURSION


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
        self.firsts = covering_kernels(f, own, self.activity, context.aliases) | self.rev.firsts if kernels else {}
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

"""The tape of a loop that is replayed, and the loop forward that writes it."""

from __future__ import annotations

from typing import Any

from .....ir.core.analysis import reverse_postorder
from .....ir.core.graph import Atom, Block, Branch, Edge, Fail, Function, Jump, Let, Var
from .....ir.core.op import TABLE
from .....ir.core.types import Type
from .....ir.diff.policies import Plan
from ..code import LLVM_TYPES, MEMORY_TYPES, SIZES, Code, literal, struct_of
from ..lets import Operands, element_pointer, emit_let, read_element, write_element
from ..machine import LLVMMachine, Value


class Tape:
    """The layout of one iteration's entry."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.type = struct_of([MEMORY_TYPES[t] for _, t in plan.fields])
        size = sum(SIZES[t] for _, t in plan.fields)
        self.index = {key_of(k): i for i, (k, _) in enumerate(plan.fields)}
        widest = max([SIZES[t] for _, t in plan.fields], default=1)
        self.size = (size + widest - 1) // widest * widest

    def save(self, code: Code, entry: str, key: Any, v: str, t: Type) -> None:
        write_element(code, code.field(self.type, entry, self.index[key_of(key)]), v, t)

    def load(self, code: Code, entry: str, key: Any, t: Type) -> str:
        return read_element(code, code.field(self.type, entry, self.index[key_of(key)]), t)


def key_of(key: Any) -> Any:
    return (id(key[0]), key[1]) if isinstance(key, tuple) else id(key)


class Forward:
    """The primal loop, from given operands of the head's parameters; with or without a tape."""

    def __init__(self, f: Function, plan: Plan, inputs: dict[Var, Operands], code: Code, tape: Tape | None, label: str) -> None:
        self.code, self.tape, self.label = code, tape, label
        self.f, self.plan = f, plan
        self.env: dict[Var, Operands] = dict(inputs)
        self.incoming: dict[str, list[tuple[str, list[Operands]]]] = {name: [] for name in self.plan.loop.blocks}
        self.phi_at: dict[str, int] = {}
        self.entry = ""

    def run(self, start: list[Operands], entry_pointer: Any, stop: str | None, after: str) -> tuple[list[Operands], str]:
        """Emit the loop. `entry_pointer(n)` gives the entry of iteration n; `stop` is a number of iterations after which
        to leave. Gives the head's parameters and the count at the end; the code goes on at label `after`."""
        code, head = self.code, self.f.blocks[self.plan.head]
        order = [n for n in reverse_postorder(self.f) if n in self.plan.loop.blocks]
        n, n_next = f"%{self.label}.n", f"%{self.label}.n.next"
        for name in order:
            for j, p in enumerate(self.f.blocks[name].params):
                self.env[p] = [f"%{self.label}.{name}.p{j}"]
        self.incoming[head.name].append((code.label, [*start, ["0"]]))
        code.emit(f"br label %{self.block_label(head.name)}")
        for name in order:
            block = self.f.blocks[name]
            code.place(self.block_label(name))
            self.phi_at[name] = len(code.lines)
            for let in block.lets if name != head.name else self.head_lets(block):
                self.let(let)
            if name == head.name:
                self.leave_or_go_on(block, n, n_next, entry_pointer, stop, after)
            else:
                self.terminator(block)
        self.insert_phis(order, n)
        code.place(after)
        return [self.env[p] for p in head.params], n

    def head_lets(self, block: Block) -> list[Let]:
        return block.lets

    def block_label(self, name: str) -> str:
        return f"{self.label}.{name}"

    def leave_or_go_on(self, head: Block, n: str, n_next: str, entry_pointer: Any, stop: str | None, after: str) -> None:
        code, t = self.code, head.terminator
        assert isinstance(t, Branch)
        into = code.new_label("into")
        cond = self.read(t.cond)[0]
        if t.then is not self.plan.body and t.then.block != self.plan.body.block:
            cond = code.let(f"xor i1 {cond}, true")
        if stop is not None:
            cond = code.let(f"icmp slt i64 {n}, {stop}")
        code.emit(f"br i1 {cond}, label %{into}, label %{after}")
        code.place(into)
        code.emit(f"{n_next} = add nsw i64 {n}, 1")
        if self.tape is not None and self.plan.fields:
            self.entry = entry_pointer(n)
            for p in head.params:
                if key_of(p) in self.tape.index:
                    self.tape.save(code, self.entry, p, self.env[p][0], p.type)
            self.save_results(head.lets)
        self.jump(self.plan.body)

    def save_results(self, lets: list[Let]) -> None:
        for let in lets:
            if let in self.plan.kept:
                self.save_kept(let)

    def let(self, let: Let) -> None:
        code = self.code
        if TABLE[let.op].writes and self.tape is not None:
            p, _, _ = element_pointer(code, let, self.read, code.module.site(let.site))
            dtype = let.args[-1].type
            self.tape.save(code, self.entry, let, read_element(code, p, dtype), dtype)
            write_element(code, p, self.read(let.args[-1])[0], dtype)
            return
        self.env.update(zip(let.outs, emit_let(code, let, self.read), strict=True))
        in_head = let in self.f.blocks[self.plan.head].lets
        if self.tape is not None and let in self.plan.kept and not in_head:
            self.save_kept(let)

    def save_kept(self, let: Let) -> None:
        """Write an expensive operation's result and derivatives to the tape."""
        assert self.tape is not None
        kept, code = self.plan.kept[let], self.code
        z = self.env[let.out][0]
        if kept.result:
            self.tape.save(code, self.entry, (let, "result"), z, let.out.type)
        if kept.partials:
            machine = LLVMMachine(code, contract=True)
            xs = [Value(machine, self.read(a)[0], a.type) for a in let.args]
            one = machine.literal(1.0, let.out.type)
            terms = TABLE[let.op].rule(one, Value(machine, z, let.out.type), *xs, **let.attrs)
            for i in kept.partials:
                self.tape.save(code, self.entry, (let, i), terms[i].name, let.args[i].type)

    def read(self, a: Atom) -> Operands:
        return self.env[a] if isinstance(a, Var) else [literal(a.value, a.type)]

    def terminator(self, block: Block) -> None:
        code, t = self.code, block.terminator
        if isinstance(t, Jump):
            self.jump(t.edge)
        elif isinstance(t, Branch):
            yes, no = code.new_label("yes"), code.new_label("no")
            code.emit(f"br i1 {self.read(t.cond)[0]}, label %{yes}, label %{no}")
            for label, edge in ((yes, t.then), (no, t.orelse)):
                code.place(label)
                self.jump(edge)
        elif isinstance(t, Fail):
            code.fail(t.kind, code.module.site(t.site or code.module.context.message_site(t)))

    def jump(self, edge: Edge) -> None:
        values = [self.read(a) for a in edge.args]
        if edge.block == self.plan.head:
            values.append([f"%{self.label}.n.next"])
        self.incoming[edge.block].append((self.code.label, values))
        self.code.emit(f"br label %{self.block_label(edge.block)}")

    def insert_phis(self, order: list[str], n: str) -> None:
        for name in reversed(order):
            params = [(self.env[p][0], LLVM_TYPES[p.type]) for p in self.f.blocks[name].params]
            if name == self.plan.head:
                params.append((n, "i64"))
            phis = []
            for j, (v, t) in enumerate(params):
                arms = ", ".join(f"[{values[j][0]}, %{label}]" for label, values in self.incoming[name])
                phis.append(f" {v} = phi {t} {arms}")
            self.code.lines[self.phi_at[name] : self.phi_at[name]] = phis

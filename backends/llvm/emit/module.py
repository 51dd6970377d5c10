"""From a program to one LLVM module: which functions are needed, in which form, and the entry that Python calls.

void @entry(ptr slots)       slots: 8 bytes for each scalar argument, 8 for an array's data and each of its sizes;
                             results follow in the same form
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ....ir.core.analysis import Aliases, call_graph_cycles, called, find_loops
from ....ir.core.graph import Fail, Let, Program, Return, Site
from ....ir.core.types import Array, Scalar
from ....ir.diff.close import closed
from ....ir.diff.coverage import covering_kernels, covers, tiny_arrays
from ....ir.diff.cps import Closures, cut_block, to_closures
from ....ir.diff.policies import Plan, choose, plan_loops
from ....ir.diff.reverse import Reverse, Reverses
from ...targets.target import Cpu
from ..maths.vector_maths import is_variant
from ..runtime.modules import helpers
from . import host, library, matrix_products, pullback, scattering  # noqa: F401  # they enter their operations into EMIT
from .code import LLVM_TYPES, Code, Module, flat_types, struct_of
from .kernels import emission  # noqa: F401
from .lets import EMIT
from .primal import Primal
from .reverse.block import BlockFunction
from .reverse.function import ReverseFunction
from .reverse.operations import WAYS
from .reverse.replay import Replay


class Emission:
    """One module under construction. Functions are emitted when first asked for, callers first."""

    def __init__(self, program: Program, cpu: Cpu, checkpoint: Any, mask: int, python: bool = True) -> None:
        """`python`: is there a process with Python around it, which effects may call?"""
        self.program, self.checkpoint, self.mask, self.python = closed(program), checkpoint, mask, python
        self.module = Module(cpu)
        self.module.context = self
        self.reverses: Reverses = self.program.reverses
        self.aliases: Aliases = self.reverses.aliases
        self.names: dict[str, str] = {}
        self.queue: list[Callable[[], None]] = []
        self.closures: list[Closures] = []
        self.counter = 0
        self.tiny: dict[Any, int] = {}  # small arrays that one block alone sees: their elements
        functions = self.program.functions.items()
        self.recursive = call_graph_cycles({n: {*called(f)} for n, f in functions})
        self.planned: dict[Any, dict[str, Plan]] = {}
        self.fresh: dict[str, Reverse] = {}

    def run(self) -> str:
        entry = self.program.functions[self.program.entry]
        text = self.entry(entry)
        while self.queue:
            self.queue.pop(0)()
        m = self.module
        own = "\n".join([*m.types, *m.declared.values(), text, *m.operations, *m.functions])
        return "\n".join([own, helpers(self.module.target, own, self.mask), self.keep_variants()])

    def keep_variants(self) -> str:
        """SIMD variants are called only after vectorisation: keep their declarations until then."""
        names = [n for n in self.module.declared if is_variant(n)]
        if not names:
            return ""
        pointers = ", ".join(f"ptr @{n}" for n in names)
        return f'@llvm.compiler.used = appending global [{len(names)} x ptr] [{pointers}], section "llvm.metadata"'

    # ---- what other emitters ask for
    def unique(self) -> int:
        self.counter += 1
        return self.counter

    def returns_arrays(self, name: str) -> bool:
        return any(isinstance(t, Array) for t in self.program.functions[name].results)

    def function_site(self, name: str) -> int:
        key = f"site.{name}"
        if key not in self.module.made:
            shown = [part for part in name.split(".") if not part.isdigit()][-1]
            self.module.made[key] = self.module.site(Site("", 0, shown, shown))
        return self.module.made[key]  # type: ignore[no-any-return]

    @staticmethod
    def message_site(t: Fail) -> Site:
        return Site("", 0, "", t.message)

    def primal(self, name: str) -> str:
        """@p.name, emitted once."""
        symbol = f"@p.{name}"
        if symbol not in self.names:
            self.names[symbol] = symbol
            self.queue.append(lambda: self.emit_primal(name))
        return symbol

    emit_program = staticmethod(library.emit_program)

    def emit_primal(self, name: str) -> None:
        self.tiny.update(tiny_arrays(self.program.functions[name], self.aliases))
        Primal(self, self.program.functions[name]).run()

    def reverse(self, rev: Reverse) -> str:
        """@r.name, emitted once."""
        symbol = f"@r.{rev.name}"
        if symbol not in self.names:
            self.names[symbol] = symbol
            self.queue.append(lambda: self.emit_reverse(rev))
        return symbol

    def emit_reverse(self, rev: Reverse) -> None:
        self.tiny.update(tiny_arrays(rev.function, self.aliases))
        closures = to_closures(rev)
        self.closures.append(closures)
        plans = self.plans(rev)
        policies = {head: choose(plans.get(head), self.checkpoint) for head in closures.loops}
        replayed = {b for head, policy in policies.items() if policy != "recursion" for b in plans[head].loop.blocks}
        parent = ReverseFunction(self, closures)
        late = set(parent.locals)  # their adjoints are made when the whole block begins its way back
        for name, block in list(closures.blocks.items()):
            if name not in replayed and not any(o in late for let in block.lets for o in let.outs):
                cut_block(closures, name)
        self.module.functions += parent.entry()
        for name, block in closures.blocks.items():
            if name in policies:
                self.module.policies[f"{rev.name}.{name}"] = policies[name]
            if policies.get(name, "recursion") != "recursion":
                Replay(parent, block, plans[name], policies[name] == "chunks", self.checkpoint).run()
            elif name not in replayed:
                BlockFunction(parent, block).run()

    def plans(self, rev: Reverse) -> dict[str, Plan]:
        """How the loops of a function could be replayed."""
        key = rev.function.name, rev.mask, rev.results
        if key not in self.planned:
            self.planned[key] = plan_loops(rev.function, rev.activity)
        return self.planned[key]

    def of_pullback(self, let: Let) -> Reverse:
        """The reverse function that starts a reverse pass: one of its own where it writes an adjoint array first."""
        rev = self.reverses.of_pullback(let)
        replayed = {head: plan for head, plan in self.plans(rev).items() if choose(plan, self.checkpoint) != "recursion"}
        found = covers(rev, self.aliases, replayed) if replayed else {}
        firsts = self.first_kernels(rev)
        if not found and not firsts:
            return rev
        name = f"{rev.name}.fresh"
        return self.fresh.setdefault(name, replace(rev, name=name, covers=found, firsts=firsts))

    def first_kernels(self, rev: Reverse) -> set[Any]:
        """The kernels of a function that write the adjoint of a parameter first, if they run whenever it returns."""
        f = rev.function
        ends = [n for n, b in f.blocks.items() if isinstance(b.terminator, Return)]
        inside = {b for loop in find_loops(f).values() for b in loop.blocks}
        if len(ends) != 1 or ends[0] in inside or self.recursive & {f.name}:
            return set()
        params = [p for p, m in zip(f.params, rev.mask, strict=True) if m and isinstance(p.type, Array)]
        found = covering_kernels(f, params, rev.activity, self.aliases)
        here = set(map(id, f.blocks[ends[0]].lets))
        return {(let, p) for let, p in found if id(let) in here}

    def call_reverse(self, code: Code, rev: Reverse, args: list[list[str]], k: str, env: str) -> dict[int, str]:
        """Call a reverse function; the adjoints of its active scalar parameters by position."""
        symbol = self.reverse(rev)
        flat = []
        for p, m, operands in zip(rev.function.params, rev.mask, args, strict=True):
            types = flat_types(p.type, m and isinstance(p.type, Array))
            flat += [f"{t} {x}" for t, x in zip(types, operands, strict=True)]
        active = [i for i, (p, m) in enumerate(zip(rev.function.params, rev.mask, strict=True)) if m and isinstance(p.type, Scalar)]
        rt = struct_of([LLVM_TYPES[rev.function.params[i].type] for i in active])
        call = f"call {self.module.convention(len(active))} {rt} {symbol}({', '.join([*flat, f'ptr {k}', f'ptr {env}'])})"
        if not active:
            code.emit(call)
            return {}
        return dict(zip(active, code.unpack(rt, code.let(call), len(active)), strict=True))

    # ---- the entry
    def entry(self, f: Any) -> str:
        code, slot = Code(self.module), 0

        def address() -> str:
            nonlocal slot
            slot += 1
            return code.let(f"getelementptr i64, ptr %slots, i64 {slot - 1}")

        code.emit("call void @lantern.begin()")
        args = []
        for p in f.params:
            for t in flat_types(p.type):
                args.append(_load_bool(code, address()) if t == "i1" else f"{t} {code.load(t, address())}")
        types = [t for r in f.results for t in flat_types(r)]
        rt = struct_of(types)
        call = f"call {rt} {self.primal(f.name)}({', '.join(args)})"
        if types:
            for t, v in zip(types, code.unpack(rt, code.let(call), len(types)), strict=True):
                if t == "i1":
                    t, v = "i64", code.let(f"zext i1 {v} to i64")
                code.store(t, v, address())
        else:
            code.emit(call)
        code.emit("ret void")
        return code.text("define void @entry(ptr %slots)")


def _load_bool(code: Code, p: str) -> str:
    v = code.load("i64", p)
    return "i1 " + code.let(f"icmp ne i64 {v}, 0")


for stage in (EMIT, WAYS):
    stage.check()
__all__ = ["Emission"]

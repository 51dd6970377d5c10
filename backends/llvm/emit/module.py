"""From a program to one LLVM module: which functions are needed, in which form, and the entry that Python calls.

void @entry(ptr slots)       slots: 8 bytes for each scalar argument, 8 for an array's data and each of its sizes;
                             results follow in the same form
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....ir.core.analysis import Aliases
from ....ir.core.graph import Fail, Program, Site
from ....ir.core.types import Array
from ....ir.diff.close import closed
from ....ir.diff.loops.coverage import tiny_arrays
from ....ir.diff.memory import recursive
from ....ir.lower.lower import Lowering
from ...targets.target import Cpu
from ..build.places import Places
from ..maths.vector_maths import is_variant
from ..runtime.modules import helpers
from . import host, library, loop_parts, records, reverse_parts, scattering  # noqa: F401  # they enter their operations into EMIT
from .code import Code, Module, flat_types, struct_of
from .kernels import emission  # noqa: F401
from .kernels.nest import apart
from .lapack import complex_factors, factors  # noqa: F401
from .lets import EMIT
from .low import Low
from .primal import Primal
from .products import images, matrices  # noqa: F401


class Emission:
    """One module under construction. Functions are emitted when first asked for, callers first."""

    def __init__(
        self, program: Program, cpu: Cpu, checkpoint: Any, mask: int, python: bool = True, threads: int = 1, places: Places | None = None
    ) -> None:
        """`python`: is there a process with Python around it, which effects may call? `threads` of it run parts of loops. `places`: of
        instructions, where they are asked for."""
        self.threads = threads
        self.parallel: dict[str, tuple[str, int]] = {}  # kernels: the axis that parts are of, or why there are none, and their places
        self.program, self.checkpoint, self.mask, self.python = closed(program), checkpoint, mask, python
        self.module = Module(cpu)
        self.module.context = self
        self.module.places = places
        self.aliases: Aliases = self.program.reverses.aliases
        self.lowering = Lowering(self.program, checkpoint, places is not None)
        self.low = self.lowering.run()
        self.names: dict[str, str] = {}
        self.queue: list[Callable[[], None]] = []
        self.counter = 0
        self.tiny: dict[Any, int] = dict(self.low.tiny)  # small arrays that one block alone sees: their elements
        self.recursive = recursive(self.program)

    def run(self) -> str:
        entry = self.program.functions[self.program.entry]
        text = self.entry(entry)
        while self.queue:
            self.queue.pop(0)()
        m = self.module
        for low in self.low.functions.values():
            Low(self, low).run()
        functions, m.functions = m.functions, []
        for low in self.low.operations.values():
            Low(self, low).run()
        m.operations, m.functions = m.functions, functions
        while self.queue:
            self.queue.pop(0)()
        own = "\n".join([*m.types, *m.declared.values(), text, *apart([*m.operations, *m.functions], m.uses)])
        return "\n".join([own, helpers(self.module.target, own, self.mask, alone=not self.python), self.keep_variants()])

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
        """@p.name, emitted once; or what calls it for parts of a range."""
        symbol = f"@p.{name}"
        if symbol not in self.names:
            self.names[symbol] = symbol
            self.queue.append(lambda: self.emit_primal(name))
            f = self.program.functions[name]
            if f.parts and self.threads > 1:
                self.names[symbol] = f"@parts.{name}"
                self.queue.append(loop_parts.Forward(self, f, self.names[symbol]).emit)
        return self.names[symbol]

    def low_function(self, name: str) -> str:
        """The same of a function that reverse mode was lowered to."""
        symbol = f"@{name}"
        if name not in self.low.parts or self.threads < 2:
            return symbol
        if symbol not in self.names:
            self.names[symbol] = f"@parts.{name}"
            self.queue.append(lambda: reverse_parts.emitter(self, name, self.names[symbol]).emit())
        return self.names[symbol]

    emit_program = staticmethod(library.emit_program)

    def emit_primal(self, name: str) -> None:
        f = self.low.primals.get(name) or self.program.functions[name]
        self.tiny.update(tiny_arrays(f, self.aliases))
        Primal(self, f).run()

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
            known = ["", *p.type.dims] if isinstance(p.type, Array) else [""]
            for t, size in zip(flat_types(p.type), known, strict=True):
                at = address()
                if isinstance(size, int):  # what the program is for
                    args.append(f"{t} {size}")
                else:
                    args.append(_load_bool(code, at) if t == "i1" else f"{t} {code.load(t, at)}")
        types = [t for r in f.results for t in flat_types(r)]
        rt = struct_of(types)
        call = f"call {self.module.typed(types)} {self.primal(f.name)}({', '.join(args)})"
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


EMIT.check()
__all__ = ["Emission"]

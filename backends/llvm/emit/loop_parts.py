"""Functions of some iterations of a loop (ir/diff/loops/parts.py), which several threads run.

    @parts.f(from, to, ..)                    forward: calls @p.f for parts of the range
    @parts.r.f(from, to, .., k, kenv)         in reverse mode (reverse_parts.py)
    @parts.t.f(from, to, ..)                  the same on a tape: there ..
    @parts.b.f(from, to, .., cotangents, top) .. and back

Here is the range, how it is cut, and what parts give: sums, which are added up in the order of the parts.
"""

from __future__ import annotations

from typing import Any

from ....ir.core.types import SIDE, is_float
from .code import LLVM_TYPES, NEGATIVE_ZERO, Code, flat_types, struct_of
from .jobs import GRAIN, LEAST, MOST, Environment, least, named, rounded_up, run
from .lets import loop

DEAREST = 1 << 24  # units of an iteration
Names = list[tuple[str, str]]  # types and operands


class Parts:
    """The range of a function, and how it is cut. `params` are its operands, by parameter."""

    most, factor = MOST, 1  # how many parts, and how dear an iteration is against the way there

    def __init__(self, context: Any, f: Any, name: str, called: str, params: list[Names], results: list[Any]) -> None:
        self.context, self.f, self.name, self.called, self.params = context, f, name, called, params
        self.flat = [x for own in params for x in own]
        self.start, self.limit = params[0][0][1], params[1][0][1]
        self.types, self.results = results, [LLVM_TYPES[t] for t in results]
        self.t, self.typed = struct_of(self.results), context.module.typed(self.results)

    def code(self) -> Code:
        return Code(self.context.module)

    def add(self, *texts: str) -> None:
        self.context.module.functions.extend(texts)

    # ---- the range
    def is_alone(self, code: Code) -> tuple[str, str, str]:
        """Is it too little for several; how many iterations, and how many parts they make."""
        n = code.let(f"call i64 @llvm.smax.i64(i64 {code.let(f'sub i64 {self.limit}, {self.start}')}, i64 0)")
        units = code.let(f"mul i64 {n}, {min(self.f.parts[0] * self.factor, DEAREST)}")
        grains = code.let(f"ashr i64 {units}, {GRAIN}")
        return code.let(f"icmp slt i64 {grains}, {LEAST}"), n, least(code, least(code, grains, str(self.most)), n)

    def cut(self, code: Code, n: str, wanted: str) -> str:
        """%step is how long parts are, in whole blocks of iterations that run side by side if there are that many; how many."""
        step = rounded_up(code, n, wanted)
        blocks = code.let(f"and i64 {code.let(f'add i64 {step}, {SIDE - 1}')}, -{SIDE}")
        step = code.let(f"select i1 {code.let(f'icmp slt i64 {step}, {SIDE}')}, i64 {step}, i64 {blocks}")
        return rounded_up(code, n, named(code, "%step", step))

    def range(self, code: Code) -> dict[str, str]:
        """From where to where the part %part goes: instead of the whole."""
        first = code.let(f"add i64 {self.start}, {code.let('mul i64 %part, %step')}")
        return {self.start: first, self.limit: least(code, code.let(f"add i64 {first}, %step"), self.limit)}

    # ---- calls
    def call(self, code: Code, instead: dict[str, str] | None = None) -> str:
        """Call the function, with other operands for some."""
        given = instead or {}
        args = ", ".join(f"{t} {given.get(own, own)}" for t, own in self.flat)
        text = f"call {self.typed} {self.called}({args})"
        if self.results:
            return code.let(text)
        code.emit(text)
        return ""

    def back(self, code: Code, value: str) -> None:
        code.emit(f"ret {self.t} {value}" if self.results else "ret void")

    def text(self, code: Code) -> str:
        head = ", ".join(f"{t} {own}" for t, own in self.flat)
        return code.text(f"define internal {self.typed} {self.name}({head}) noinline nounwind")

    def task(self, code: Code, name: str) -> str:
        code.emit("ret void")
        return code.text(f"define internal void {self.name}.{name}(ptr %environment, i64 %part) nounwind")

    # ---- sums
    def joined(self, code: Code, types: list[Any], environment: Environment, at: str, k: int, parts: str) -> list[str]:
        """The sums of what parts have left in their k-th places, each in a struct."""
        if not types:
            return []
        names = [LLVM_TYPES[t] for t in types]
        cells = [code.alloca(t) for t in names]
        for t, name, cell in zip(types, names, cells, strict=True):
            code.store(name, NEGATIVE_ZERO if is_float(t) else "0", cell)

        def each(part: str) -> None:
            value = code.load(struct_of(names), environment.place(code, at, k, part))
            for t, name, cell, x in zip(types, names, cells, code.unpack(struct_of(names), value, len(cells)), strict=True):
                code.store(name, code.let(f"{'fadd' if is_float(t) else 'add'} {name} {code.load(name, cell)}, {x}"), cell)

        loop(code, parts, each)
        return [code.load(name, cell) for name, cell in zip(names, cells, strict=True)]

    def pack(self, code: Code, found: list[str]) -> str:
        return code.pack(self.t, list(zip(self.results, found, strict=True))) if found else ""


class Forward(Parts):
    """Of a function that runs forward."""

    def __init__(self, context: Any, f: Any, name: str) -> None:
        params = [[(t, f"%a{i}.{j}") for j, t in enumerate(flat_types(p.type))] for i, p in enumerate(f.params)]
        super().__init__(context, f, name, f"@p.{f.name}", params, list(f.results))

    def emit(self) -> None:
        code = self.code()
        small, n, wanted = self.is_alone(code)
        alone, several = code.new_label("alone"), code.new_label("several")
        code.emit(f"br i1 {small}, label %{alone}, label %{several}")
        code.place(alone)
        self.back(code, self.call(code))
        code.place(several)
        parts = self.cut(code, n, wanted)
        environment = Environment([*self.flat, ("i64", "%step")], [self.t] if self.results else [])
        at = environment.make(code)
        run(self.context, code, f"{self.name}.task", at, parts)
        self.back(code, self.pack(code, self.joined(code, self.types, environment, at, 0, parts)))
        task = self.code()
        environment.take(task, "%environment")
        value = self.call(task, self.range(task))
        if self.results:
            task.store(self.t, value, environment.place(task, "%environment", 0, "%part"))
        self.add(self.text(code), self.task(task, "task"))


__all__ = ["MOST", "Forward", "Names", "Parts"]

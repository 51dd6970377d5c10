"""Functions of some iterations of a loop (ir/diff/parts.py), which several threads run.

    @parts.f(from, to, ..)                   forward: calls @p.f for parts of the range
    @parts.r.f(from, to, .., k, kenv)        in reverse mode: lets each part come to its end on a region of its own, where it pauses as if its
                                             continuation had not yet returned; calls k; and lets them go on, which is their way back

What many iterations read has an adjoint for each part; those are added up in the order of the parts, as adjoints of numbers are.
"""

from __future__ import annotations

import functools
from typing import Any

from ....ir.core.types import Array
from ..runtime.layout import CONTEXT
from .code import LLVM_TYPES, MEMORY_TYPES, NEGATIVE_ZERO, SIZES, Code, flat_types, struct_of
from .jobs import GRAIN, LEAST, MOST, Environment, least, named, region, rounded_up, run
from .lets import fill_zero, loop, product

MOST_PAUSED = 16  # parts that pause: each has a region
MOST_BYTES = 1 << 28  # of all adjoints of parts
DEAREST = 1 << 24  # units


class Parts:
    """What both have in common: the range, and how it is cut."""

    most, factor = MOST, 1  # how many parts, and how dear an iteration is against the way there

    def __init__(self, context: Any, f: Any, name: str, params: list[list[tuple[str, str]]]) -> None:
        self.context, self.f, self.name, self.params = context, f, name, params
        self.flat = [x for own in params for x in own]
        self.start, self.limit = params[0][0][1], params[1][0][1]

    def is_alone(self, code: Code) -> tuple[str, str, str]:
        """Is it too little for several; how many iterations, and how many parts they make."""
        n = code.let(f"call i64 @llvm.smax.i64(i64 {code.let(f'sub i64 {self.limit}, {self.start}')}, i64 0)")
        units = code.let(f"mul i64 {n}, {min(self.f.parts[0] * self.factor, DEAREST)}")
        grains = code.let(f"ashr i64 {units}, {GRAIN}")
        return code.let(f"icmp slt i64 {grains}, {LEAST}"), n, least(code, least(code, grains, str(self.most)), n)

    def range(self, code: Code, step: str) -> tuple[str, str]:
        """From where to where the part %part goes."""
        first = code.let(f"add i64 {self.start}, {code.let(f'mul i64 %part, {step}')}")
        return first, least(code, code.let(f"add i64 {first}, {step}"), self.limit)

    def args(self, first: str, end: str, instead: dict[str, str] | None = None) -> str:
        given = {self.start: first, self.limit: end, **(instead or {})}
        return ", ".join(f"{t} {given.get(own, own)}" for t, own in self.flat)

    def head(self) -> str:
        return ", ".join(f"{t} {own}" for t, own in self.flat)


class Forward(Parts):
    """Of a function that runs forward."""

    def emit(self) -> None:
        code = Code(self.context.module)
        small, n, wanted = self.is_alone(code)
        alone, several = code.new_label("alone"), code.new_label("several")
        code.emit(f"br i1 {small}, label %{alone}, label %{several}")
        code.place(alone)
        code.emit(f"call void @p.{self.f.name}({self.args(self.start, self.limit)})")
        code.emit("ret void")
        code.place(several)
        step = named(code, "%step", rounded_up(code, n, wanted))
        self.environment = Environment([*self.flat, ("i64", step)], [])
        run(self.context, code, f"{self.name}.task", self.environment.make(code), rounded_up(code, n, step))
        code.emit("ret void")
        task = Code(self.context.module)
        self.environment.take(task, "%environment")
        task.emit(f"call void @p.{self.f.name}({self.args(*self.range(task, step))})")
        task.emit("ret void")
        self.context.module.functions += [
            code.text(f"define internal void {self.name}({self.head()}) noinline nounwind"),
            task.text(f"define internal void {self.name}.task(ptr %environment, i64 %part) nounwind"),
        ]


class Backwards(Parts):
    """Of a function in reverse mode. `adjoints` are those that each part has for itself: the number of the array among the parameters of the
    lowered function, that of the adjoint, and the type."""

    most, factor = MOST_PAUSED, 3
    SLOT, RECORD, GIVEN = 0, 1, 2  # places of a part

    def __init__(self, context: Any, f: Any, low: Any, name: str, adjoints: list[tuple[int, int, Array]]) -> None:
        params = [[(t, f"%b{i}.{j}") for j, t in enumerate(flat_types(p.type))] for i, p in enumerate(low.params)]
        super().__init__(context, f, name, params)
        self.low, self.adjoints = low, adjoints
        self.results = [LLVM_TYPES[t] for t in low.results]
        self.t = struct_of(self.results)
        self.convention = context.module.convention(len(self.results))
        self.own = [(f"%own{q}", f"%size{q}") for q in range(len(adjoints))]  # of each adjoint: those of all parts, and how large one is

    def called(self, code: Code, args: str) -> str:
        text = " ".join(x for x in ("call", self.convention, self.t, f"@{self.low.name}({args})") if x)
        if self.results:
            return code.let(text)
        code.emit(text)
        return ""

    def back(self, code: Code, value: str) -> None:
        code.emit(f"ret {self.t} {value}" if self.results else "ret void")

    def emit(self) -> None:
        code = Code(self.context.module)
        small, n, wanted = self.is_alone(code)
        here = region(code)
        job = self.word(code, here, "JOB")
        wanted = self.bounded(code, wanted)
        inside = code.let(f"or i1 {code.let(f'icmp ne ptr {job}, null')}, {small}")
        whole = code.let(f"or i1 {inside}, {code.let(f'icmp slt i64 {wanted}, 2')}")
        alone, several = code.new_label("alone"), code.new_label("several")
        code.emit(f"br i1 {whole}, label %{alone}, label %{several}")
        code.place(alone)
        self.back(code, self.called(code, self.args(self.start, self.limit)))
        code.place(several)
        self.several(code, here, n, wanted)
        head = " ".join(x for x in ("define internal", self.convention, self.t, f"{self.name}({self.head()})", "noinline nounwind") if x)
        self.context.module.functions += [code.text(head), self.begin(), self.go_on(), self.part(), self.paused()]

    def bounded(self, code: Code, wanted: str) -> str:
        """No more parts than what their adjoints leave room for; how large these are."""
        total = "0"
        for (array, _, t), (_, size) in zip(self.adjoints, self.own, strict=True):
            dims = [own for _, own in self.params[array][1 : 1 + t.rank]]
            named(code, size, product(code, dims))
            total = code.let(f"add i64 {total}, {code.let(f'mul i64 {size}, {SIZES[t.dtype]}')}")
        return least(code, wanted, code.let(f"sdiv i64 {MOST_BYTES}, {code.let(f'add i64 {total}, 1')}"))

    @staticmethod
    def word(code: Code, here: str, name: str) -> str:
        """A pointer of the context."""
        return code.load("ptr", code.let(f"getelementptr i8, ptr {here}, i64 {CONTEXT[name]}"))

    def several(self, code: Code, here: str, n: str, wanted: str) -> None:
        self.step = named(code, "%step", rounded_up(code, n, wanted))
        parts = rounded_up(code, n, self.step)
        mark = code.let("call ptr @lantern.mark()")
        for (_, _, t), (own, size) in zip(self.adjoints, self.own, strict=True):
            code.emit(f"{own} = call ptr @lantern.alloc(i64 {code.let(f'mul i64 {size}, {parts}')}, i64 {SIZES[t.dtype]}, i64 0)")
        rows = [x for own, size in self.own for x in (("ptr", own), ("i64", size))]
        self.environment = Environment([*self.flat, ("i64", self.step), *rows], ["ptr", "{ptr, i64}", *([self.t] if self.results else [])])
        environment = self.environment.make(code)
        before = self.word(code, here, "LENT")
        run(self.context, code, f"{self.name}.begin", environment, parts)
        code.emit(f"call void {self.params[-2][0][1]}(ptr {self.params[-1][0][1]})")
        run(self.context, code, f"{self.name}.go_on", environment, parts)
        ended = self.context.module.declare("lantern_ended", "declare void @lantern_ended(ptr, ptr)")
        code.emit(f"call void {ended}(ptr {here}, ptr {before})")
        self.sum_arrays(code, parts)
        found = self.sum_numbers(code, environment, parts)
        code.emit(f"call void @lantern.release(ptr {mark})")
        self.back(code, code.pack(self.t, list(zip(self.results, found, strict=True))) if found else "")

    def sum_arrays(self, code: Code, parts: str) -> None:
        for (_, adjoint, t), (own, size) in zip(self.adjoints, self.own, strict=True):
            total = self.params[adjoint][0][1]
            loop(code, parts, functools.partial(self.add_array, code, MEMORY_TYPES[t.dtype], total, own, size))

    @staticmethod
    def add_array(code: Code, ty: str, total: str, own: str, size: str, part: str) -> None:
        row = code.let(f"getelementptr {ty}, ptr {own}, i64 {code.let(f'mul i64 {part}, {size}')}")

        def one(j: str) -> None:
            p, q = (code.let(f"getelementptr {ty}, ptr {x}, i64 {j}") for x in (total, row))
            code.store(ty, code.let(f"fadd {ty} {code.load(ty, p)}, {code.load(ty, q)}"), p)

        loop(code, size, one)

    def sum_numbers(self, code: Code, environment: str, parts: str) -> list[str]:
        if not self.results:
            return []
        cells = [code.alloca(t) for t in self.results]
        for t, cell in zip(self.results, cells, strict=True):
            code.store(t, NEGATIVE_ZERO, cell)

        def each(part: str) -> None:
            value = code.load(self.t, self.environment.place(code, environment, self.GIVEN, part))
            for t, cell, x in zip(self.results, cells, code.unpack(self.t, value, len(cells)), strict=True):
                code.store(t, code.let(f"fadd {t} {code.load(t, cell)}, {x}"), cell)

        loop(code, parts, each)
        return [code.load(t, cell) for t, cell in zip(self.results, cells, strict=True)]

    # ---- tasks
    def begin(self) -> str:
        code = Code(self.context.module)
        record = self.environment.place(code, "%environment", self.RECORD, "%part")
        code.store("ptr", "%environment", record)
        code.store("i64", "%part", code.field("{ptr, i64}", record, 1))
        slot = self.environment.place(code, "%environment", self.SLOT, "%part")
        start = self.context.module.declare("lantern_start", "declare void @lantern_start(ptr, ptr, ptr, ptr)")
        code.emit(f"call void {start}(ptr {region(code)}, ptr {slot}, ptr {self.name}.part, ptr {record})")
        code.emit("ret void")
        return code.text(f"define internal void {self.name}.begin(ptr %environment, i64 %part) nounwind")

    def go_on(self) -> str:
        code = Code(self.context.module)
        slot = self.environment.place(code, "%environment", self.SLOT, "%part")
        resume = self.context.module.declare("lantern_go_on", "declare void @lantern_go_on(ptr, ptr)")
        code.emit(f"call void {resume}(ptr {region(code)}, ptr {slot})")
        code.emit("ret void")
        return code.text(f"define internal void {self.name}.go_on(ptr %environment, i64 %part) nounwind")

    def part(self) -> str:
        """On the part's own region: there and back."""
        code = Code(self.context.module)
        code.emit("%environment = load ptr, ptr %record")
        code.emit(f"%part = load i64, ptr {code.field('{ptr, i64}', '%record', 1)}")
        self.environment.take(code, "%environment")
        instead = {self.params[-2][0][1]: f"{self.name}.paused"}
        for (_, adjoint, t), (own, size) in zip(self.adjoints, self.own, strict=True):
            p = code.let(f"getelementptr {MEMORY_TYPES[t.dtype]}, ptr {own}, i64 {code.let(f'mul i64 %part, {size}')}")
            fill_zero(code, p, size, t.dtype)
            instead[self.params[adjoint][0][1]] = p
        value = self.called(code, self.args(*self.range(code, self.step), instead))
        if self.results:
            code.store(self.t, value, self.environment.place(code, "%environment", self.GIVEN, "%part"))
        code.emit("ret void")
        return code.text(f"define internal void {self.name}.part(ptr %record) nounwind")

    def paused(self) -> str:
        """The continuation of a part."""
        code = Code(self.context.module)
        pause = self.context.module.declare("lantern_pause", "declare void @lantern_pause(ptr)")
        code.emit(f"call void {pause}(ptr {region(code)})")
        code.emit("ret void")
        return code.text(f"define internal void {self.name}.paused(ptr %kenv) nounwind")

"""Parts of loops in reverse mode: each runs on a region of its own, which keeps what the way back needs.

With continuations, @parts.r.f(from, to, .., k, kenv): a part comes to its end and pauses there, as if its continuation had not yet returned;
then k is called; then parts go on, which is their way back. With a tape, @parts.t.f runs the parts, whose tapes stay in their regions;
@parts.b.f runs them backwards. What the one leaves to the other is an entry of the tape around them, which the other one pops.

What many iterations read has an adjoint for each part; those are added up in the order of the parts, as adjoints of numbers are.
"""

from __future__ import annotations

from typing import Any

from ....ir.core.types import Array, carries_gradient
from ..runtime.layout import CONTEXT
from .code import LLVM_TYPES, MEMORY_TYPES, SIZES, Code, flat_types, struct_of
from .jobs import Environment, add_rows, least, named, region, run, zero_row
from .lets import product
from .loop_parts import Names, Parts

MOST_REGIONS = 16  # parts that wait for their way back
MOST_BYTES = 1 << 28  # of all adjoints of parts
RECORD = "{ptr, i64}"  # what a function on a new region is given: the environment and the number of the part


class Back(Parts):
    """What all have in common. `arrays` are those whose adjoints each part has for itself: the number of the array among the parameters, that
    of the adjoint, the type."""

    most, factor = MOST_REGIONS, 3

    def __init__(self, context: Any, f: Any, low: Any, name: str, arrays: list[tuple[int, int, Array]]) -> None:
        params = [[(t, f"%b{i}.{j}") for j, t in enumerate(flat_types(p.type))] for i, p in enumerate(low.params)]
        super().__init__(context, f, name, f"@{low.name}", params, list(low.results))
        self.arrays = arrays
        self.rows = [(f"%own{q}", f"%size{q}") for q in range(len(arrays))]  # of each adjoint: those of all parts, and how large one is

    def service(self, name: str, params: str) -> str:
        return self.context.module.declare(name, f"declare void @{name}({params})")  # type: ignore[no-any-return]

    @staticmethod
    def word(code: Code, here: str, name: str) -> str:
        """A pointer of the context."""
        return code.load("ptr", code.let(f"getelementptr i8, ptr {here}, i64 {CONTEXT[name]}"))

    def whole(self, code: Code, here: str) -> tuple[str, str, str]:
        """Is it to run as it is, since there is too little of it, or in a part of another loop; iterations, parts."""
        small, n, wanted = self.is_alone(code)
        total = "0"
        for (array, _, t), (_, size) in zip(self.arrays, self.rows, strict=True):
            named(code, size, product(code, [own for _, own in self.params[array][1 : 1 + t.rank]]))
            total = code.let(f"add i64 {total}, {code.let(f'mul i64 {size}, {SIZES[t.dtype]}')}")
        wanted = least(code, wanted, code.let(f"sdiv i64 {MOST_BYTES}, {code.let(f'add i64 {total}, 1')}"))
        job = self.word(code, here, "JOB")
        inside = code.let(f"or i1 {code.let(f'icmp ne ptr {job}, null')}, {small}")
        return code.let(f"or i1 {inside}, {code.let(f'icmp slt i64 {wanted}, 2')}"), n, wanted

    # ---- adjoints of arrays
    def values(self) -> Names:
        return [x for own, size in self.rows for x in (("ptr", own), ("i64", size))]

    def make_rows(self, code: Code, parts: str) -> None:
        for (_, _, t), (own, size) in zip(self.arrays, self.rows, strict=True):
            code.emit(f"{own} = call ptr @lantern.alloc(i64 {code.let(f'mul i64 {size}, {parts}')}, i64 {SIZES[t.dtype]}, i64 0)")

    def own_rows(self, code: Code) -> dict[str, str]:
        """The zero adjoints of the part %part: instead of those for all."""
        instead = {}
        for (_, adjoint, t), (own, size) in zip(self.arrays, self.rows, strict=True):
            instead[self.params[adjoint][0][1]] = zero_row(code, MEMORY_TYPES[t.dtype], own, size, t.dtype)
        return instead

    def sum_rows(self, code: Code, parts: str) -> None:
        for (_, adjoint, t), (own, size) in zip(self.arrays, self.rows, strict=True):
            add_rows(code, MEMORY_TYPES[t.dtype], self.params[adjoint][0][1], own, size, parts)

    def ended(self, code: Code, here: str, before: str) -> None:
        code.emit(f"call void {self.service('lantern_ended', 'ptr, ptr')}(ptr {here}, ptr {before})")

    # ---- tasks
    def begin(self, service: str, environment: Environment, record: int, slots: Environment, slot: tuple[str, int]) -> str:
        """Run the function `part` on a region: what it finds is in the environment, the region in a slot of `slots`."""
        code = self.code()
        place = environment.place(code, "%environment", record, "%part")
        code.store("ptr", "%environment", place)
        code.store("i64", "%part", code.field(RECORD, place, 1))
        environment.take(code, "%environment")
        where = slots.place(code, *slot, "%part")
        called = self.service(service, "ptr, ptr, ptr, ptr")
        code.emit(f"call void {called}(ptr {region(code)}, ptr {where}, ptr {self.name}.part, ptr {place})")
        return self.task(code, "begin")

    def opened(self, environment: Environment) -> Code:
        """The beginning of the function `part`."""
        code = self.code()
        code.emit("%environment = load ptr, ptr %record")
        code.emit(f"%part = load i64, ptr {code.field(RECORD, '%record', 1)}")
        environment.take(code, "%environment")
        return code

    def part(self, code: Code) -> str:
        code.emit("ret void")
        return code.text(f"define internal void {self.name}.part(ptr %record) nounwind")

    def gives(self, code: Code, value: str, environment: Environment, k: int) -> None:
        if self.results:
            code.store(self.t, value, environment.place(code, "%environment", k, "%part"))


class Continued(Back):
    """@parts.r.f"""

    def __init__(self, context: Any, f: Any, low: Any, name: str, arrays: list[tuple[int, int, Array]]) -> None:
        super().__init__(context, f, low, name, arrays)
        self.sums = list(f.results)
        self.floats = [t for t in f.results if carries_gradient(t)]
        self.s, self.c = (struct_of([LLVM_TYPES[t] for t in ts]) for ts in (self.sums, self.floats))
        self.continuing = context.module.typed([LLVM_TYPES[t] for t in self.floats])

    def emit(self) -> None:
        code = self.code()
        here = region(code)
        whole, n, wanted = self.whole(code, here)
        alone, several = code.new_label("alone"), code.new_label("several")
        code.emit(f"br i1 {whole}, label %{alone}, label %{several}")
        code.place(alone)
        self.back(code, self.call(code))
        code.place(several)
        parts = self.cut(code, n, wanted)
        mark = code.let("call ptr @lantern.mark()")
        self.make_rows(code, parts)
        places = ["ptr", RECORD, self.t if self.results else "i64", self.s if self.sums else "i64", self.c if self.floats else "i64"]
        self.environment = Environment([*self.flat, ("i64", "%step"), *self.values()], places)
        at, before = self.environment.make(code), self.word(code, here, "LENT")
        run(self.context, code, f"{self.name}.begin", at, parts)
        self.go_through(code, at, self.joined(code, self.sums, self.environment, at, 3, parts))
        run(self.context, code, f"{self.name}.go_on", at, parts)
        self.ended(code, here, before)
        self.sum_rows(code, parts)
        found = self.joined(code, self.types, self.environment, at, 2, parts)
        code.emit(f"call void @lantern.release(ptr {mark})")
        self.back(code, self.pack(code, found))
        inside = self.opened(self.environment)
        instead = {self.params[-2][0][1]: f"{self.name}.paused", self.params[-1][0][1]: "%record"}
        self.gives(inside, self.call(inside, {**self.range(inside), **self.own_rows(inside), **instead}), self.environment, 2)
        start = self.begin("lantern_start", self.environment, 1, self.environment, ("%environment", 0))
        self.add(self.text(code), start, self.go_on(), self.part(inside), self.paused())

    def go_through(self, code: Code, at: str, sums: list[str]) -> None:
        """Call the continuation; what it returns is for all parts."""
        args = ", ".join([f"ptr {self.params[-1][0][1]}", *(f"{LLVM_TYPES[t]} {x}" for t, x in zip(self.sums, sums, strict=True))])
        text = f"call {self.continuing} {self.params[-2][0][1]}({args})"
        if self.floats:
            code.store(self.c, code.let(text), self.environment.place(code, at, 4, "0"))
        else:
            code.emit(text)

    def go_on(self) -> str:
        code = self.code()
        slot = self.environment.place(code, "%environment", 0, "%part")
        code.emit(f"call void {self.service('lantern_go_on', 'ptr, ptr')}(ptr {region(code)}, ptr {slot})")
        return self.task(code, "go_on")

    def paused(self) -> str:
        """The continuation of a part."""
        code = self.code()
        code.emit("%environment = load ptr, ptr %record")
        code.emit(f"%part = load i64, ptr {code.field(RECORD, '%record', 1)}")
        given = [(LLVM_TYPES[t], f"%r{i}") for i, t in enumerate(self.sums)]
        if given:
            code.store(self.s, code.pack(self.s, given), self.environment.place(code, "%environment", 3, "%part"))
        code.emit(f"call void {self.service('lantern_pause', 'ptr')}(ptr {region(code)})")
        if self.floats:
            code.emit(f"ret {self.c} {code.load(self.c, self.environment.place(code, '%environment', 4, '0'))}")
        else:
            code.emit("ret void")
        params = ", ".join(["ptr %record", *(f"{t} {x}" for t, x in given)])
        return code.text(f"define internal {self.continuing} {self.name}.paused({params}) nounwind")


class There(Back):
    """@parts.t.f"""

    def emit(self) -> None:
        code = self.code()
        here = region(code)
        whole, n, wanted = self.whole(code, here)
        self.environment = left_behind(self)
        alone, several = code.new_label("alone"), code.new_label("several")
        code.emit(f"br i1 {whole}, label %{alone}, label %{several}")
        code.place(alone)
        value = self.call(code)
        entry = self.push(code)
        code.store("i64", "0", code.field(self.environment.type, entry, 0))
        self.back(code, value)
        code.place(several)
        named(code, "%parts", self.cut(code, n, wanted))
        code.emit(f"%before = getelementptr i8, ptr {self.word(code, here, 'LENT')}, i64 0")
        at = self.push(code)
        self.environment.fill(code, at)
        run(self.context, code, f"{self.name}.begin", at, "%parts")
        self.back(code, self.pack(code, self.joined(code, self.types, self.environment, at, 2, "%parts")))
        inside = self.opened(self.environment)
        self.gives(inside, self.call(inside, self.range(inside)), self.environment, 2)
        inside.store("ptr", inside.let("call ptr @lantern.mark()"), self.environment.place(inside, "%environment", 3, "%part"))
        start = self.begin("lantern_start", self.environment, 1, self.environment, ("%environment", 0))
        self.add(self.text(code), start, self.part(inside))

    def push(self, code: Code) -> str:
        return code.let(f"call ptr @lantern.push(i64 {self.environment.size})")


class BackOnTape(Back):
    """@parts.b.f. `there`: the part before."""

    def __init__(self, context: Any, f: Any, low: Any, name: str, arrays: list[tuple[int, int, Array]], there: There) -> None:
        super().__init__(context, f, low, name, arrays)
        self.there, self.top = left_behind(there), self.params[-1][0][1]

    def emit(self) -> None:
        code, there = self.code(), self.there
        here = region(code)
        code.emit(f"%entry.tape = getelementptr i8, ptr {self.top}, i64 sub (i64 0, i64 {there.size})")
        parts = named(code, "%parts", code.load("i64", code.field(there.type, "%entry.tape", 0)))
        alone, several = code.new_label("alone"), code.new_label("several")
        code.emit(f"br i1 {code.let(f'icmp eq i64 {parts}, 0')}, label %{alone}, label %{several}")
        code.place(alone)
        self.back(code, self.call(code, {self.top: "%entry.tape"}))
        code.place(several)
        for i, (ty, own) in enumerate((("i64", "%step"), ("ptr", "%before")), 1):
            code.emit(f"{own} = load {ty}, ptr {code.field(there.type, '%entry.tape', i)}")
        for (array, _, t), (_, size) in zip(self.arrays, self.rows, strict=True):
            named(code, size, product(code, [own for _, own in self.params[array][1 : 1 + t.rank]]))
        mark = code.let("call ptr @lantern.mark()")
        self.make_rows(code, parts)
        numbers = struct_of(self.results[:-1]) if len(self.results) > 1 else "i64"
        values = [*self.flat, ("i64", "%step"), ("ptr", "%entry.tape"), *self.values()]
        environment = Environment(values, [RECORD, numbers])
        at = environment.make(code)
        run(self.context, code, f"{self.name}.begin", at, parts)
        self.ended(code, here, "%before")
        self.sum_rows(code, parts)
        found = self.joined(code, self.types[:-1], environment, at, 1, parts)
        code.emit(f"call void @lantern.release(ptr {mark})")
        self.back(code, self.pack(code, [*found, "%entry.tape"]))
        inside = self.opened(environment)
        end = inside.load("ptr", there.place(inside, "%entry.tape", 3, "%part"))
        value = self.call(inside, {**self.range(inside), **self.own_rows(inside), self.top: end})
        given = inside.unpack(self.t, value, len(self.results))[:-1]
        if given:
            packed = inside.pack(numbers, list(zip(self.results, given, strict=False)))
            inside.store(numbers, packed, environment.place(inside, "%environment", 1, "%part"))
        start = self.begin("lantern_again", environment, 0, there, ("%entry.tape", 0))
        self.add(self.text(code), start, self.part(inside))


def left_behind(there: Any) -> Environment:
    """The entry of the tape around parts: how many they are (0: it has run as it is), how long, which region had been lent before them, what
    they were given; each one's region, record, results, and the end of its tape."""
    values = [("i64", "%parts"), ("i64", "%step"), ("ptr", "%before"), *there.flat]
    return Environment(values, ["ptr", RECORD, there.t if there.results else "i64", "ptr"])


def emitter(context: Any, name: str, symbol: str) -> Any:
    """What emits the parts of a function that reverse mode was lowered to."""
    f, arrays = context.low.parts[name]
    low = context.low.functions
    kinds = {"r": Continued, "t": There}
    if name[0] in kinds:
        return kinds[name[0]](context, f, low[name], symbol, arrays)
    before = f"t{name[1:]}"
    return BackOnTape(
        context, f, low[name], symbol, arrays, There(context, f, low[before], f"@parts.{before}", context.low.parts[before][1])
    )

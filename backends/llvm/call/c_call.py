"""A program as a C function: for ctypes, SciPy's LowLevelCallable, Numba and foreign threads, and for export.

    double f(double x, const double *a, int64_t a_n0)          one scalar result: it is returned
    int32_t f(double x, double *result0, int64_t result0_n0)   else: results go to the caller's buffers; 0 is success

An array is a pointer and its sizes, row by row, const unless the program writes into it; then it may not overlap with another
one. Neither form touches Python. In a process, a fault returns NaN (0 for
integers), or its code, and is kept in the module's record, where Python finds it. An exported function always returns
a status, and writes a message.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ....ir.core.faults import BY_CODE, KINDS
from ....ir.core.graph import Program, Site
from ....ir.core.types import BOOL, F32, F64, I32, I64, Array, Scalar, Type
from ...targets.target import Cpu
from ..emit.code import LLVM_TYPES, SIZES, Code, Module
from ..emit.lets import disjoint, product
from ..runtime.layout import CODE, SITE, VALUES

C_TYPES: dict[Type, str] = {F64: "double", F32: "float", I64: "int64_t", BOOL: "bool", I32: "int32_t"}
ENTRY, FAULT_CODE, FAULT_SITE, FAULT_VALUES, CONSTANTS = 0, 1, 2, 3, 6  # places in the record
WRONG_SIZE, NO_REGION, OVERLAP = 101, 102, 103  # statuses besides those of faults.py
OVERLAPPING = "arguments %lld and %lld overlap in memory, and one of them is written into"
_SERVICES = """declare ptr @lantern_take()
declare void @lantern_give(ptr)
declare i32 @lantern_enter(ptr, ptr, ptr)
declare void @lantern_free_blocks(ptr)
declare void @lantern_trim(ptr)
declare i32 @snprintf(ptr, i64, ptr, ...)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""


def returns_value(results: Sequence[Type]) -> bool:
    """Does the C function return its result itself?"""
    return len(results) == 1 and isinstance(results[0], Scalar)


class CCall:
    """Emits the C function `name` of a program, which writes into the arguments `written`. With `sites` it is for export: it
    calls @entry of its own module, has `constants` inside, and gives messages."""

    def __init__(
        self,
        program: Program,
        cpu: Cpu,
        name: str,
        written: Sequence[int] = (),
        sites: Sequence[Site | None] | None = None,
        constants: Sequence[Any] = (),
    ) -> None:
        f = program.functions[program.entry]
        n = len(f.params) - len(program.constants)
        self.params, self.constant_types = [p.type for p in f.params[:n]], [p.type for p in f.params[n:]]
        self.results, self.name, self.written = list(f.results), name, list(written)
        self.sites, self.constants = sites, constants
        self.status = sites is not None or not returns_value(self.results)
        self.code = Code(Module(cpu))
        self.globals: list[str] = []
        self.record_size = CONSTANTS + sum(1 + t.rank for t in self.constant_types if isinstance(t, Array))

    # ---- the function
    def text(self) -> str:
        code = self.code
        params, slots = self.signature()
        total = len(slots) + sum(map(_slots, [*self.constant_types, *self.results]))
        base = code.alloca(f"[{max(total, 1)} x i64]")
        at = 0
        for t, v in [*slots, *self.constant_slots()]:
            if t == "i1":
                t, v = "i64", code.let(f"zext i1 {v} to i64")
            code.store(t, v, self.slot(base, at))
            at += 1
        if self.sites is None:
            code.store("i64", "0", code.let(f"getelementptr i64, ptr @lantern.c_record, i64 {FAULT_CODE}"))
        self.apart()
        region = code.let("call ptr @lantern_take()")
        none = code.let(f"icmp eq ptr {region}, null")
        self.leave_if(none, lambda: self.failure(NO_REGION, None))
        entry = "@entry" if self.sites is not None else self.record("ptr", ENTRY)
        status = code.let(f"call i32 @lantern_enter(ptr {region}, ptr {entry}, ptr {base})")
        self.leave_if(code.let(f"icmp ne i32 {status}, 0"), lambda: self.fault(region))
        value = self.give_results(base, at, region)
        self.release(region)
        code.emit(f"ret {value}")
        head = f"define {self.returned()} @{self.name}({', '.join(params)}) nounwind"
        record = f"@lantern.c_record = global [{self.record_size} x i64] zeroinitializer\n"
        body = code.text(head)
        if self.sites is not None:
            record = "declare void @entry(ptr)\n@lantern_bits = external global i64\n"
        return "\n".join([_SERVICES, record, *self.globals, body])

    def returned(self) -> str:
        return "i32" if self.status else LLVM_TYPES[self.results[0]]

    def signature(self) -> tuple[list[str], list[tuple[str, str]]]:
        """LLVM parameters, and what goes into the program's slots."""
        params, slots = [], []
        for i, t in enumerate(self.params):
            parts = ["ptr", *["i64"] * t.rank] if isinstance(t, Array) else [LLVM_TYPES[t]]
            for j, part in enumerate(parts):
                params.append(f"{part} {self.code.module.target.bool_extension if part == 'i1' else ''}%a{i}.{j}")
                slots.append((part, f"%a{i}.{j}"))
        if self.status:
            for r, t in enumerate(self.results):
                params.append(f"ptr %r{r}")
                params += [f"i64 %r{r}.{d}" for d in range(t.rank if isinstance(t, Array) else 0)]
        if self.sites is not None:
            params += ["ptr %message", "i64 %size"]
        return params, slots

    def apart(self) -> None:
        """An array that is written shares no memory with another argument."""
        code = self.code
        arrays = [i for i, t in enumerate(self.params) if isinstance(t, Array)]

        def span(i: int) -> tuple[str, str]:
            t = self.params[i]
            assert isinstance(t, Array)
            data = code.let(f"ptrtoint ptr %a{i}.0 to i64")
            n = code.let(f"mul i64 {product(code, [f'%a{i}.{1 + d}' for d in range(t.rank)])}, {SIZES[t.dtype]}")
            return data, code.let(f"add i64 {data}, {n}")

        for i in self.written:
            for j in arrays:
                if j != i and (j not in self.written or j > i):
                    together = code.let(f"xor i1 {disjoint(code, span(i), span(j))}, true")
                    values = [f"i64 {min(i, j)}", f"i64 {max(i, j)}"]
                    self.leave_if(together, lambda values=values: self.failure(OVERLAP, OVERLAPPING, *values))

    def slot(self, base: str, i: int) -> str:
        return self.code.let(f"getelementptr i64, ptr {base}, i64 {i}")

    def record(self, t: str, i: int) -> str:
        return self.code.load(t, self.code.let(f"getelementptr i64, ptr @lantern.c_record, i64 {i}"))

    def constant_slots(self) -> list[tuple[str, str]]:
        if self.sites is None:
            n = self.record_size - CONSTANTS
            return [("i64", self.record("i64", CONSTANTS + i)) for i in range(n)]
        out = []
        for i, c in enumerate(self.constants):
            data = c.tobytes() or b"\0"
            self.globals.append(f'@constant.{i} = private constant [{len(data)} x i8] c"{_bytes(data)}", align 64')
            out += [("ptr", f"@constant.{i}"), *(("i64", str(n)) for n in c.shape)]
        return out

    def leave_if(self, condition: str, body: Any) -> None:
        yes, no = self.code.new_label("leave"), self.code.new_label("go")
        self.code.emit(f"br i1 {condition}, label %{yes}, label %{no}")
        self.code.place(yes)
        self.code.emit(f"ret {body()}")
        self.code.place(no)

    def release(self, region: str) -> None:
        self.code.emit(f"call void @lantern_free_blocks(ptr {region})")
        if self.sites is not None:
            self.code.emit(f"call void @lantern_trim(ptr {region})")
        self.code.emit(f"call void @lantern_give(ptr {region})")

    # ---- results
    def give_results(self, base: str, at: int, region: str) -> str:
        code = self.code
        if not self.status:
            t = self.results[0]
            if t == BOOL:
                word = code.load("i64", self.slot(base, at))
                return f"i1 {code.let(f'trunc i64 {word} to i1')}"
            return f"{LLVM_TYPES[t]} {code.load(LLVM_TYPES[t], self.slot(base, at))}"
        places = []
        for r, t in enumerate(self.results):
            places.append(at)
            at += _slots(t)
            if isinstance(t, Array):
                for d in range(t.rank):
                    have = code.load("i64", self.slot(base, places[r] + 1 + d))
                    wrong = code.let(f"icmp ne i64 {have}, %r{r}.{d}")
                    self.leave_if(wrong, lambda have=have, r=r, d=d: self.wrong_size(region, r, d, have))
        for r, t in enumerate(self.results):
            if isinstance(t, Array):
                assert isinstance(t.dtype, Scalar)
                n = product(code, [f"%r{r}.{d}" for d in range(t.rank)])
                size = code.let(f"mul i64 {n}, {SIZES[t.dtype]}")
                data = code.load("ptr", self.slot(base, places[r]))
                code.emit(f"call void @llvm.memcpy.p0.p0.i64(ptr %r{r}, ptr {data}, i64 {size}, i1 false)")
            elif t == BOOL:
                code.store("i8", code.let(f"trunc i64 {code.load('i64', self.slot(base, places[r]))} to i8"), f"%r{r}")
            else:
                code.store(LLVM_TYPES[t], code.load(LLVM_TYPES[t], self.slot(base, places[r])), f"%r{r}")
        return "i32 0"

    def wrong_size(self, region: str, r: int, d: int, have: str) -> str:
        self.release(region)
        text = f"result {r} has size %lld on axis {d}, and its buffer %lld"
        return self.failure(WRONG_SIZE, text, f"i64 {have}", f"i64 %r{r}.{d}")

    # ---- faults
    def failure(self, status: int, text: str | None, *values: str) -> str:
        """The value to return for a failure of the call itself."""
        if self.sites is None:
            self.code.store("i64", str(status), self.code.let(f"getelementptr i64, ptr @lantern.c_record, i64 {FAULT_CODE}"))
            for i, v in enumerate(values):
                self.code.store("i64", v.split()[1], self.code.let(f"getelementptr i64, ptr @lantern.c_record, i64 {FAULT_VALUES + i}"))
        else:
            self.print(text or "no address space for the native stack", list(values))
        return f"i32 {status}" if self.status else self.nothing()

    def nothing(self) -> str:
        t = self.results[0]
        return f"{LLVM_TYPES[t]} {'0x7FF8000000000000' if t in (F64, F32) else '0' if t == I64 else 'false'}"

    def fault(self, region: str) -> str:
        code = self.code

        def of_region(offset: int) -> str:
            return code.load("i64", code.let(f"getelementptr i8, ptr {region}, i64 {offset}"))

        kind, site = of_region(CODE), of_region(SITE)
        values = [of_region(VALUES + 8 * i) for i in range(3)]
        if self.sites is None:
            for i, v in enumerate([kind, site, *values]):
                code.store("i64", v, code.let(f"getelementptr i64, ptr @lantern.c_record, i64 {FAULT_CODE + i}"))
        else:
            self.explain(region, kind, site, values)
        self.release(region)
        return f"i32 {code.let(f'trunc i64 {kind} to i32')}" if self.status else self.nothing()

    def explain(self, region: str, kind: str, site: str, values: list[str]) -> None:
        """Write the message of a fault: its kind's text with the values, and where it was."""
        code, sites = self.code, self.sites or []
        details = [self.string(_detail(s)) for s in sites]
        wheres = [self.string(f"  [{s}]" if s and s.filename else "") for s in sites]
        self.globals.append(f"@site.details = private constant [{len(sites)} x ptr] [{', '.join(f'ptr {x}' for x in details)}]")
        self.globals.append(f"@site.places = private constant [{len(sites)} x ptr] [{', '.join(f'ptr {x}' for x in wheres)}]")
        detail, where = (
            code.load("ptr", code.let(f"getelementptr ptr, ptr {table}, i64 {site}")) for table in ("@site.details", "@site.places")
        )
        bits = code.load("i64", "@lantern_bits")
        after = code.new_label("explained")
        labels = {c: code.new_label("kind") for c in BY_CODE}
        code.emit(f"switch i64 {kind}, label %{after} [{' '.join(f'i64 {c}, label %{x}' for c, x in labels.items())}]")
        for c, label in labels.items():
            code.place(label)
            given = list(values)
            if BY_CODE[c] is KINDS["stack"]:
                size = code.let(f"shl i64 1, {bits}")
                end = code.let(f"add i64 {code.let(f'ptrtoint ptr {region} to i64')}, {size}")
                depth = code.let(f"udiv i64 {code.let(f'sub i64 {end}, {values[1]}')}, {code.let(f'add i64 {values[0]}, 1')}")
                given = [code.let(f"lshr i64 {size}, 20"), depth, values[0]]
            elif BY_CODE[c] is KINDS["memory"]:
                given = [code.let(f"lshr i64 {code.let(f'shl i64 1, {bits}')}, 20"), *values[1:]]
            text, args = _printf(BY_CODE[c].message, [*(f"i64 {v}" for v in given), f"ptr {detail}"])
            self.print(text + "%s", [*args, f"ptr {where}"])
            code.emit(f"br label %{after}")
        code.place(after)

    def print(self, text: str, args: list[str]) -> None:
        """snprintf into the caller's buffer; without one nothing."""
        yes, after = self.code.new_label("print"), self.code.new_label("after")
        self.code.emit(f"br i1 {self.code.let('icmp ne ptr %message, null')}, label %{yes}, label %{after}")
        self.code.place(yes)
        self.code.let(
            f"call i32 (ptr, i64, ptr, ...) @snprintf({', '.join(['ptr %message', 'i64 %size', f'ptr {self.string(text)}', *args])})"
        )
        self.code.emit(f"br label %{after}")
        self.code.place(after)

    def string(self, text: str) -> str:
        data = text.encode() + b"\0"
        name = f"@text.{len(self.globals)}"
        self.globals.append(f'{name} = private constant [{len(data)} x i8] c"{_bytes(data)}"')
        return name

    # ---- for people
    def prototype(self) -> str:
        """The declaration in C."""
        parts = []
        for i, t in enumerate(self.params):
            if isinstance(t, Array):
                const = "" if i in self.written else "const "
                parts += [f"{const}{C_TYPES[t.dtype]} *x{i}", *(f"int64_t x{i}_n{d}" for d in range(t.rank))]
            else:
                parts.append(f"{C_TYPES[t]} x{i}")
        if self.status:
            for r, t in enumerate(self.results):
                if isinstance(t, Array):
                    parts += [f"{C_TYPES[t.dtype]} *result{r}", *(f"int64_t result{r}_n{d}" for d in range(t.rank))]
                else:
                    parts.append(f"{C_TYPES[t]} *result{r}")
        if self.sites is not None:
            parts += ["char *message", "int64_t message_size"]
        return f"{'int32_t' if self.status else C_TYPES[self.results[0]]} {self.name}({', '.join(parts) or 'void'})"


def _printf(message: str, values: list[str]) -> tuple[str, list[str]]:
    """A message of faults.py as printf's format, and its arguments in order."""
    parts = re.split(r"\{(0|1|2|detail)\}", message.replace("%", "%%"))
    text = "".join(x if i % 2 == 0 else "%s" if x == "detail" else "%lld" for i, x in enumerate(parts))
    return text, [values[3 if x == "detail" else int(x)] for x in parts[1::2]]


def _bytes(data: bytes) -> str:
    return "".join(f"\\{b:02x}" for b in data)


def _detail(site: Site | None) -> str:
    if site is None:
        return ""
    return site.detail if site.exception is None else f"{getattr(site.exception, 'cls', type(site.exception)).__name__}: {site.exception}"


def _slots(t: Type) -> int:
    return 1 + t.rank if isinstance(t, Array) else 1

"""Work that several threads share (runtime/threads.ll): how it is cut into parts, and what their tasks find in memory.

    call void @lantern_parallel(ptr region, ptr task, ptr environment, i64 parts, i64 threads)          task(environment, part)

How many parts there are follows from sizes alone: what comes of them is the same with any number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....ir.core.types import Scalar
from .code import Code
from .lets import fill_zero, loop

GRAIN = 16  # log2 of the units of a part (about 0.3 ns each): some 20 microseconds, a few times what it takes to wake a thread
LEAST = 4  # parts: with fewer, one thread does all
MOST = 64  # parts


def rounded_up(code: Code, n: str, by: str) -> str:
    """n / by, or the next integer."""
    more = code.let(f"add i64 {n}, {by}")
    return code.let(f"sdiv i64 {code.let(f'sub i64 {more}, 1')}, {by}")


def least(code: Code, x: str, y: str) -> str:
    return code.let(f"call i64 @llvm.smin.i64(i64 {x}, i64 {y})")


def named(code: Code, name: str, x: str) -> str:
    """A number under a name that tasks find it by."""
    code.emit(f"{name} = add i64 {x}, 0")
    return name


def region(code: Code) -> str:
    return code.let("call ptr @lantern.context()")


def run(context: Any, code: Code, task: str, environment: str, parts: str) -> None:
    """Run all parts of a task."""
    declared = context.module.declare("lantern_parallel", "declare void @lantern_parallel(ptr, ptr, ptr, i64, i64)")
    code.emit(f"call void {declared}(ptr {region(code)}, ptr {task}, ptr {environment}, i64 {parts}, i64 {context.threads})")


def zero_row(code: Code, ty: str, rows: str, size: str, dtype: Scalar) -> str:
    """The array of the part %part, one of several that stand one after another: zeros."""
    p = code.let(f"getelementptr {ty}, ptr {rows}, i64 {code.let(f'mul i64 %part, {size}')}")
    fill_zero(code, p, size, dtype)
    return p


def add_rows(code: Code, ty: str, total: str, rows: str, size: str, parts: str) -> None:
    """The arrays of all parts, in their order, are added to one."""

    def each(part: str) -> None:
        row = code.let(f"getelementptr {ty}, ptr {rows}, i64 {code.let(f'mul i64 {part}, {size}')}")

        def one(j: str) -> None:
            p, q = (code.let(f"getelementptr {ty}, ptr {x}, i64 {j}") for x in (total, row))
            code.store(ty, code.let(f"fadd {ty} {code.load(ty, p)}, {code.load(ty, q)}"), p)

        loop(code, size, one)

    loop(code, parts, each)


class Environment:
    """What a job's tasks find: values, under the names that they have where it is made, and places for each part."""

    def __init__(self, values: Sequence[tuple[str, str]], places: Sequence[str]) -> None:
        self.values, self.count = list(values), len(values)
        self.type = "{" + ", ".join([*(t for t, _ in values), *(f"[{MOST} x {t}]" for t in places)]) + "}"

    @property
    def size(self) -> str:
        """Bytes, as a constant."""
        return f"ptrtoint (ptr getelementptr ({self.type}, ptr null, i32 1) to i64)"

    def make(self, code: Code) -> str:
        p = code.alloca(self.type)
        self.fill(code, p)
        return p

    def fill(self, code: Code, p: str) -> None:
        for i, (t, own) in enumerate(self.values):
            code.store(t, own, code.field(self.type, p, i))

    def take(self, code: Code, p: str) -> None:
        for i, (t, own) in enumerate(self.values):
            if own.startswith("%"):
                code.emit(f"{own} = load {t}, ptr {code.field(self.type, p, i)}")

    def place(self, code: Code, p: str, k: int, part: str) -> str:
        """The k-th place of a part."""
        return code.let(f"getelementptr inbounds {self.type}, ptr {p}, i32 0, i32 {self.count + k}, i64 {part}")

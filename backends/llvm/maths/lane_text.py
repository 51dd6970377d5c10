"""The text of a mathematical function, and the table of numbers that a module's functions read (lanes.py)."""

from __future__ import annotations

import math


class Constants:
    """Numbers that the functions of a module read from memory, by types and texts. Who else sees the table may have changed them, for
    all that LLVM knows; functions that are inlined side by side read a number once, since it stands in one place."""

    def __init__(self, name: str) -> None:
        self.name, self.bytes = name, 0
        self.fields: list[tuple[str, str]] = []
        self.places: dict[tuple[str, str], int] = {}

    def place(self, t: str, text: str, size: int) -> int:
        """The offset in bytes of a number of that size, or of a vector of equal ones."""
        if (t, text) not in self.places:
            gap = -self.bytes % size
            self.fields += [(f"[{gap} x i8]", "zeroinitializer")] * bool(gap) + [(t, text)]
            self.places[t, text] = self.bytes + gap
            self.bytes += gap + size
        return self.places[t, text]

    def text(self) -> str:
        types, fields = ", ".join(t for t, _ in self.fields), ", ".join(map(" ".join, self.fields))
        return f"@{self.name} = hidden global <{{{types}}}> <{{{fields}}}>, align 64" if fields else ""


class LaneText:
    """The text of one function under construction, and the declarations that it needs. With a table its constants stand there."""

    def __init__(self, table: Constants | None = None) -> None:
        self.lines: list[str] = []
        self.declared: dict[str, str] = {}
        self.table = table
        self.loads: dict[int, str] = {}  # of the table's constants, by offset
        self.counter = 0
        self.label = "entry"

    def fresh(self) -> str:
        self.counter += 1
        return f"v{self.counter}"

    def let(self, text: str) -> str:
        name = f"%{self.fresh()}"
        self.lines.append(f" {name} = {text}")
        return name

    def declare(self, name: str, text: str) -> None:
        self.declared[name] = text

    def constant(self, t: str, text: str, x: float, size: int) -> str:
        """A float, or a vector of equal ones, as an operand. Short ones are part of an instruction, on every CPU that has no table."""
        fraction, exponent = math.frexp(x)
        if self.table is None or not math.isfinite(x) or ((fraction * 32).is_integer() and -2 <= exponent <= 5):
            return text
        place = self.table.place(t, text, size)
        self.loads[place] = f" %c{place} = load {t}, ptr getelementptr (i8, ptr @{self.table.name}, i64 {place}), !invariant.load !2"
        return f"%c{place}"

    def place(self, label: str) -> None:
        self.lines.append(f"{label}:")
        self.label = label

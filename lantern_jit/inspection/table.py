"""`f.specialisations`: what a function has been compiled for, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, overload


@dataclass(frozen=True)
class Row:
    """One specialisation. `arguments`: the types by name, and static arguments as they are; `numbers`: sizes and arguments that Python has needed while tracing, as
    `x.shape[0]`, with the values that this one is for; `seconds` of tracing and compiling; `calls` from Python so far."""

    arguments: dict[str, str]
    numbers: dict[str, Any]
    seconds: float
    calls: int

    def cells(self) -> tuple[str, ...]:
        """Its line of the table."""
        pairs = [", ".join(f"{k}: {v}" for k, v in self.arguments.items()), ", ".join(f"{k} = {v}" for k, v in self.numbers.items())]
        return (*pairs, f"{self.seconds:.3f}", str(self.calls))


class Table(Sequence[Row]):
    """Rows in the order in which their argument types came up. Prints as a table."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = tuple(rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __repr__(self) -> str:
        lines = [tuple(f.name for f in fields(Row)), *(row.cells() for row in self._rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)

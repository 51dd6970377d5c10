"""What reverse mode is lowered to (ir/lower), run by Python: real memory, in which reading what was never written is an error.

An address is a `Fields` (of a struct, or a part of one), or a place among `Elements`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ir.core.graph import Let, Program
from ...ir.core.types import NUMPY_DTYPES, Array, Struct
from ...ir.lower.lower import as_program, lower
from ...ir.ops.memory import codes
from .forward import VALUES, Primal, Ref, element
from .kernels import plain, scalar


class Fields:
    """Fields of a struct, or one variable."""

    def __init__(self, held: dict[tuple[str, ...], Any], path: tuple[str, ...] = ()) -> None:
        self.held, self.path = held, path

    def get(self, path: tuple[str, ...]) -> Any:
        return self.held[(*self.path, *path)]

    def put(self, path: tuple[str, ...], value: Any) -> None:
        self.held[(*self.path, *path)] = value


class Elements:
    """An element of a row: of an array, or of structs."""

    def __init__(self, row: Any, at: int = 0) -> None:
        self.row, self.at = row, at

    def get(self, path: tuple[str, ...]) -> Any:
        return self.row[self.at][path] if path else scalar(self.row[self.at])

    def put(self, path: tuple[str, ...], value: Any) -> None:
        if path:
            self.row[self.at][path] = value
        else:
            self.row[self.at] = plain(value)


class Lowered(Primal):
    """Runs a program as a back end does: there are no derivatives in it."""

    def __init__(self, program: Program, left: float = math.inf, checkpoint: Any = None) -> None:
        super().__init__(as_program(program, lower(program, checkpoint)), left)


@VALUES.of("cell")
def cell(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    return [Fields({})]


@VALUES.of("field")
def field(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    p, path = xs[0], let.attrs["path"]
    return [Fields(p.held, (*p.path, *path)) if isinstance(p, Fields) else Fields(p.row[p.at], path)]


@VALUES.of("at")
def at(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    row = xs[0].row
    if isinstance(row, np.ndarray) and row.dtype != object:
        row = row.reshape(-1, *NUMPY_DTYPES[let.attrs["of"]].shape)  # blocks of lanes may have come apart or together
    return [Elements(row, xs[0].at + int(xs[1]))]


@VALUES.of("get")
def get(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    return [xs[0].get(let.attrs["path"])]


@VALUES.of("put")
def put(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    xs[1].put(let.attrs["path"], xs[0])
    return []


@VALUES.of("call")
def call(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    return primal.call(let.attrs["f"], xs)


@VALUES.of("callk")
def callk(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    return primal.call(xs[0], xs[1:])


class Row:
    """Structs of a tape, made when they are first written."""

    def __init__(self, n: float) -> None:
        self.n, self.made = n, dict[int, dict[Any, Any]]()

    def __getitem__(self, i: int) -> dict[Any, Any]:
        assert 0 <= i < self.n, f"entry {i} of {self.n}"
        return self.made.setdefault(i, {})


@VALUES.of("room")
def room(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    assert isinstance(let.attrs["of"], Struct)
    return [Elements(Row(int(xs[0])))]


@VALUES.of("push")
def push(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    first = len(primal.tape)
    primal.tape += [{} for _ in let.attrs["of"].fields]
    return [Elements(primal.tape, first)]


@VALUES.of("next")
def following(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    return [Elements(xs[0].row, xs[0].at + 1)]


@VALUES.of("top")
def top(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    return [Elements(primal.tape, len(primal.tape))]


@VALUES.of("pop")
def pop(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    return [Elements(xs[0].row, xs[0].at - 1)]


@VALUES.of("mark")
def mark(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    return [Elements(Row(math.inf))]


@VALUES.of("release", "check_stack")
def nothing(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    return []


@VALUES.of("clear")
def clear(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    xs[0].row[xs[0].at : xs[0].at + int(xs[1])] = 0.0
    return []


@VALUES.of("data")
def data(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    return [Elements(_row(let, xs[0]))]


def _row(let: Let, x: Any) -> Any:
    """An array as a row of elements."""
    t = let.args[0].type
    assert isinstance(t, Array)
    return x.value.reshape(-1, *NUMPY_DTYPES[t.dtype].shape)


@VALUES.of("like")
def like(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    return [Ref(xs[0].row.reshape(xs[1].value.shape))]


@VALUES.of("offset")
def offset(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    as_load = Let(let.outs, let.op, let.args, {"index": codes(let)}, let.site)
    index = element(as_load, xs[0], xs[1:])
    return [np.int64(np.ravel_multi_index(index, xs[0].value.shape[: len(index)]))]


@VALUES.of("zeros")
def zeros(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    if let.attrs["words"]:
        return [Elements(np.full(xs[0].value.size, 0.0, object))]
    return [Elements(np.full_like(_row(let, xs[0]), 0.0 if let.attrs["fill"] or let.attrs["tiny"] else np.nan))]


@VALUES.of("accumulate")
def accumulate(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    xs[0].row += xs[1].value.reshape(xs[0].row.shape)
    return []


@VALUES.of("keep", "bring_back")
def keep(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    return [Ref(xs[0].value.copy())]


@VALUES.of("spare")
def spare(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    n = let.attrs["count"]
    free, *taken = xs[:n], *(x.row.__array_interface__["data"][0] for x in xs[n:])
    return [next((x for x in free if x.row.__array_interface__["data"][0] not in taken), free[-1])]


@VALUES.of("sum")
def total(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    return [xs[0] + xs[1]]


@VALUES.of("over")
def over(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    return [xs[0] // xs[1]]


__all__: Sequence[str] = ["Lowered"]

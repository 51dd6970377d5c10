"""Calls of programs that take and give plain values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..ir.core import errors
from ..ir.trace.case import USUAL
from .arguments import machine_value, of_case, writable, written_back
from .base import Direct, Interface
from .targets.target import Cpu

Run = Callable[[list[Any]], Sequence[Any]]


class ByValues:
    """An executable from a function on values: NumPy scalars, bools, generators and contiguous arrays, those that the program writes
    into writeable. It writes into them, and gives the values of the program's results."""

    direct: Direct | None = None
    c_function: Any = None

    def __init__(self, interface: Interface, run: Run, texts: dict[str, str] | None = None) -> None:
        self.interface, self.run = interface, run
        self.calls = 0
        self.timings: dict[str, float] = {"all": 0.0}
        self.policies: dict[str, str] = {}
        self.parallel: dict[str, str] = {}
        self._texts = texts or {}

    def call(self, leaves: Sequence[Any], run: Run | None = None) -> Any:
        interface, written = self.interface, self.interface.written
        try:
            case = written.case(leaves)
            if case is not USUAL:
                return interface.other(case, of_case(case, leaves))
            values = [
                writable(machine_value(x, t), i in written.leaves) for i, (x, t) in enumerate(zip(leaves, interface.types, strict=True))
            ]
            with written_back(leaves, values, written):
                found = interface.result((run or self.run)(values))
        except errors.BroadcastError as e:
            again = interface.again
            if again is None or 1 not in e.sizes:
                raise
        else:
            self.calls += 1
            return found
        return again(leaves)

    @property
    def stages(self) -> Sequence[str]:
        return tuple(self._texts)

    def text(self, stage: str) -> str:
        return self._texts[stage]

    def made_for(self, cpu: Cpu) -> dict[str, str]:
        raise errors.CompilationError("there is code for other targets of native code alone: use a function that is compiled to it")

    def peak(self, call: Callable[[], Any]) -> tuple[int, int]:
        raise errors.CompilationError("memory is measured of native code alone: use a function that is compiled to it")

"""The reference interpreter as a back end: nothing is compiled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...ir.core.graph import Program
from ..base import Interface, Options
from ..targets.target import Target
from ..values import ByValues


class Interpreted(ByValues):
    """A program, run by the interpreter."""

    def __init__(self, program: Program, interface: Interface) -> None:
        from . import interpreter  # here, where whoever makes a program holds the lock that forks wait for

        super().__init__(interface, lambda values: interpreter.run(program, values)[0])
        self.program, self.interpreter = program, interpreter

    def call_within(self, leaves: Sequence[Any], allowance: float) -> tuple[Any, float]:
        """The result, and how much is left of so many operations. Raises Exhausted if they do not suffice."""
        left = allowance

        def run(values: list[Any]) -> list[Any]:
            nonlocal left
            results: list[Any]
            results, left = self.interpreter.run(self.program, values, allowance)
            return results

        return self.call(leaves, run), left


class Interpreter:
    name = "python"

    def compile(self, program: Program, target: Target | None, interface: Interface, options: Options) -> Interpreted:
        return Interpreted(program, interface)

"""The reference interpreter, which runs a program as it is lowered for a back end: cells, calls by address and tapes instead of callbacks.
Memory that is to be written before it is read begins as NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lantern_jit.backends.python import interpreter
from lantern_jit.backends.python.interpreter import Lowered


class _Counted(Lowered):
    ran = 0  # functions that are there for derivatives

    def call(self, name: str, args: Any) -> list[Any]:
        _Counted.ran += name.startswith(("r.", "b."))
        return super().call(name, args)


def lowered(interpret: Callable[[], Any]) -> Any:
    """What this gives on that interpreter; None where it runs nothing backwards."""
    before, _Counted.ran = interpreter.Primal, 0
    interpreter.Primal = _Counted  # type: ignore[misc]
    try:
        found = interpret()
    finally:
        interpreter.Primal = before  # type: ignore[misc]
    return found if _Counted.ran else None

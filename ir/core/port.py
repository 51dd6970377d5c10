"""Functions that a lower room calls and an upper one defines.

The rooms of the house import only those below them. Where a lower one needs an upper one all the same (an `if` asks an object of
the user's for its `__bool__`, which is the user's code), it declares a port and calls it; the upper room defines it when it is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
PORTS: list[Port] = []


class Port:
    """One such function. `what` says what it does."""

    __slots__ = ("function", "what")

    def __init__(self, what: str) -> None:
        self.what = what
        self.function: Callable[..., Any] | None = None
        PORTS.append(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        assert self.function is not None, f"nobody has defined the function that {self.what}"
        return self.function(*args, **kwargs)

    def define(self, function: F) -> F:
        """`@port.define` above the function that it is."""
        if self.function is not None:
            raise ValueError(f"the function that {self.what} is defined twice")
        self.function = function
        return function

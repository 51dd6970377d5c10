"""The back ends that there are, and the one to use where nobody has chosen."""

from __future__ import annotations

from .base import Backend, find, register
from .llvm.backend import LLVM
from .llvm.build.platforms import TARGET
from .python.backend import Interpreter

INTERPRETER = Interpreter()
register(LLVM())
register(INTERPRETER)
BEST = "python" if TARGET is None else "llvm"


def chosen(name: str | None) -> Backend:
    """The back end of that name, or the best that there is here."""
    return find(BEST if name is None else name)

"""PyTorch, eager, float64, on one CPU thread: the plain programs on 0-d tensors, or whole-array calls."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.cases import Arguments, Case
from benchmarks.peers.base import Call, Peer, Thunk, copy_of_programs

torch: Any = importlib.import_module("torch")  # optional, and untyped

WHOLE_ARRAY: dict[str, Callable[..., Any]] = {
    "squares": lambda x: (x * x).sum(),
    "dot": torch.dot,
    "logsumexp": lambda x: torch.logsumexp(x, 0),
    "logdet": lambda a: torch.linalg.slogdet(a)[1],
}
PLAIN = frozenset({"lorenz", "kepler", "chain4", "chain8", "chain16", "tree"})


class Torch:
    """PyTorch as a peer."""

    name = "PyTorch"
    version = str(torch.__version__)
    small_only = PLAIN

    def __init__(self) -> None:
        self.programs: Any = copy_of_programs("torch")
        self.programs.math = torch

    def primal(self, case: Case, arguments: Arguments) -> Thunk | None:
        """The program without recording."""
        function = self._function(case)
        if function is None:
            return None
        moved = [tensor(argument) for argument in arguments]

        def run() -> Any:
            with torch.no_grad():
                return function(*moved)

        return run

    def gradient(self, case: Case, arguments: Arguments) -> Thunk | None:
        """The program recorded, and its backward pass."""
        function = self._function(case)
        if function is None:
            return None
        moved = [tensor(argument) for argument in arguments]
        leaves = [moved[i].requires_grad_() for i in case.argnums]
        return lambda: torch.autograd.grad(function(*moved), leaves)

    def call(self, symbol: str) -> Call | None:
        """Left out: run eagerly, it has no compiled call to compare."""
        return None

    def _function(self, case: Case) -> Callable[..., Any] | None:
        if case.symbol in PLAIN:
            plain: Callable[..., Any] = getattr(self.programs, case.symbol)
            return plain
        return WHOLE_ARRAY.get(case.symbol)


def tensor(argument: Any) -> Any:
    """Floats and float arrays as tensors; steps and index arrays as they are."""
    if isinstance(argument, np.ndarray) and argument.dtype == np.float64:
        return torch.from_numpy(argument)
    return torch.tensor(argument, dtype=torch.float64) if isinstance(argument, float) else argument


def connect() -> Peer:
    """PyTorch on one thread, as everything else here."""
    torch.set_num_threads(1)
    return Torch()

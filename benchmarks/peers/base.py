"""The peer interface, and which peers are installed."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from typing import Any, Protocol

from benchmarks import programs
from benchmarks.cases import Arguments, Case

# Takes no arguments, runs the program once to completion and returns its numbers.
Thunk = Callable[[], Any]

# Takes the program's argument as a Python user has it, and returns the finished derivative as the peer has it.
Call = Callable[[Any], Any]


class Peer(Protocol):
    """One peer. A method returns None for a program that the peer cannot do reasonably."""

    name: str
    version: str
    small_only: frozenset[str]  # symbols of the cases that it runs at the small size only, being too slow

    def primal(self, case: Case, arguments: Arguments) -> Thunk | None:
        """The program itself, compiled and ready."""

    def gradient(self, case: Case, arguments: Arguments) -> Thunk | None:
        """Its gradient, compiled and ready."""

    def call(self, symbol: str) -> Call | None:
        """For the table of calls (calls.py): that derivative of the program of this name, of one float or array."""


# Package to import, module with a `connect() -> Peer`.
PEERS = {
    "numba": "benchmarks.peers.numba_peer",
    "jax": "benchmarks.peers.jax_peer",
    "torch": "benchmarks.peers.torch_peer",
}


def available() -> tuple[list[Peer], list[str]]:
    """The peers that are installed, and a line for each that is not."""
    peers: list[Peer] = []
    notes: list[str] = []
    for package, module in PEERS.items():
        if importlib.util.find_spec(package) is None:
            notes.append(f"{package} is not installed: its columns are skipped (pip install {package})")
            continue
        try:
            peers.append(importlib.import_module(module).connect())
        except Exception as error:  # a broken installation of a peer is not this run's failure
            notes.append(f"{package} does not load: its columns are skipped ({error})")
    return peers, notes


def copy_of_programs(name: str) -> Any:
    """A second copy of programs.py, in which a peer may put its own `math` or its own compiled functions."""
    spec = importlib.util.spec_from_file_location(f"benchmarks.programs_{name}", programs.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # Numba looks a recursive function's module up by name
    spec.loader.exec_module(module)
    return module

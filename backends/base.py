"""What a back end is: a closed program and a target in, something that can be called out.

    register(backend)      from now on jit(f, backend=backend.name) compiles by it

`Interface` says how a call is to look from outside. A back end that wants plain values in and out gives a function on them to
`ByValues` (values.py), which does the rest: `python` does so; `llvm` has machine code that reads Python's objects itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..ir.core.graph import Program
from ..ir.core.types import Type
from ..ir.trace.case import Case
from ..ir.values.concrete import Need
from .arguments import Written
from .targets.target import Cpu, Target


@dataclass(frozen=True)
class Options:
    """How to compile and call, see `jit`: `checkpoint` overrides the loop policy, `nogil` the lock's; `in_place`: write into the
    caller's arrays where the function does, as a transform never may; `backend` is its name, None for the best that there is; `memory`
    the bytes that a call may use, `threads` how many run its loops. `nans`: "raise" where the first one appears."""

    checkpoint: Any = None
    nogil: bool | None = None
    in_place: bool = False
    backend: str | None = None
    memory: int | None = None
    threads: int = 1
    nans: str | None = None

    @property
    def pieces(self) -> Any:
        """How long loops are cut, see diff/loops/pieces.py."""
        return self.checkpoint if isinstance(self.checkpoint, int) or self.checkpoint in ("sqrt", "log") else None


@dataclass(frozen=True)
class Shape:
    """How a result is put together: `node` is an index into the program's results, ("static", i), ("Tuple", children),
    ("List", children) or ("Dict", children, keys); or "leaves" if Python makes it from a tuple of its leaves. Statics and
    keys are indices into `fixed`."""

    node: Any
    leaves: tuple[Any, ...]  # for each leaf of the result its result number, or ("static", i)
    fixed: tuple[Any, ...]


@dataclass(frozen=True)
class Interface:
    """How a program is called. `types` are those of the argument leaves, and of each `weak` says whether it is a Python number;
    `written` what is to know of the arguments that it writes into; `numbers` the sizes and arguments that it is for."""

    types: Sequence[Type]
    weak: Sequence[bool]
    written: Written
    numbers: Mapping[Need, Any]
    shape: Shape
    finish: Callable[[tuple[Any, ...]], Any]  # the user's result from all of its leaves
    result: Callable[[Sequence[Any]], Any]  # the user's result from the values of the program's results
    other: Callable[[Case, Sequence[Any]], Any]  # call the program for a case of its arguments, by the same back end
    again: Callable[[Sequence[Any]], Any] | None  # call the program that broadcasts, by the same back end; None if this is it
    smaller: Callable[
        [], Callable[[Sequence[Any]], Any] | None
    ]  # a call has run out of memory: what calls one that needs less, if there is any


Direct = tuple[int, int]  # the address of machine code that takes Python's objects, and of what it needs to know of its program


class Exhausted(Exception):
    """A run has done as many operations as it was allowed."""


class Executable(Protocol):
    """A program made ready to be called. `timings` are the seconds of each step of making it, `policies` how differentiated loops
    keep their values."""

    @property
    def calls(self) -> int:
        """How many it has taken."""

    @property
    def timings(self) -> Mapping[str, float]: ...

    @property
    def policies(self) -> Mapping[str, str]: ...

    @property
    def parallel(self) -> Mapping[str, str]:
        """With several threads: each loop, what its parts are, or why it has none."""

    @property
    def direct(self) -> Direct | None:
        """Machine code that takes Python's objects and may be called without asking, if there is any."""

    @property
    def c_function(self) -> Any:
        """The program for callers in C, an object with `ctypes`, `address` and `prototype`; None if this back end makes none."""

    def call(self, leaves: Sequence[Any]) -> Any:
        """The user's result for these argument leaves, which are of the interface's types in any form."""

    @property
    def stages(self) -> Sequence[str]:
        """What there is of it as text, after the graph."""

    def text(self, stage: str) -> str: ...

    def made_for(self, cpu: Cpu) -> Mapping[str, str]:
        """The texts of all stages as they are for another CPU, which may be of another target."""

    def peak(self, call: Callable[[], Any]) -> tuple[int, int]:
        """Run `call`; the bytes of native stack and of arrays that it has touched."""


class Backend(Protocol):
    @property
    def name(self) -> str: ...

    def compile(self, program: Program, target: Target | None, interface: Interface, options: Options) -> Executable:
        """Make a program ready. `target` is None where the machine is none of those that are known."""


BACKENDS: dict[str, Backend] = {}


def register(backend: Backend) -> None:
    """Let `jit` find it by name; one of the same name goes."""
    BACKENDS[backend.name] = backend


def find(name: str) -> Backend:
    if name not in BACKENDS:
        raise ValueError(f"backend={name!r}: there is no such back end, use one of {', '.join(BACKENDS)}")
    return BACKENDS[name]

"""What one call from Python costs: small derivatives by lantern, C through ctypes, Numba and JAX, called in turns."""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks import programs
from benchmarks.agreement import DisagreementError, central_differences, flat, require_close
from benchmarks.cases import Program
from benchmarks.floor import Floor
from benchmarks.harness import first_line
from benchmarks.peers import Peer
from benchmarks.programs import Floats
from benchmarks.timing import Effort, call_batch, race

LANTERN, C = "lantern", "C"
TOLERANCE = 1e-10


@dataclass(frozen=True)
class CallCase:
    """A derivative of the program `symbol`, made by the function `transform` of lantern_jit, at one argument.

    A call is asked to take at most `asked` seconds, and no longer than one of the peers `beside`.
    """

    name: str
    symbol: str
    transform: str
    argument: float | Floats
    asked: float
    beside: tuple[str, ...] = ()

    @property
    def program(self) -> Program:
        """The plain Python function."""
        function: Program = getattr(programs, self.symbol)
        return function


CALL_CASES: tuple[CallCase, ...] = (
    CallCase("sin(x) * x: gradient, float to float", "wave", "grad", 0.7, 100e-9),
    CallCase(
        "Rosenbrock: value and gradient, 10 elements",
        "rosenbrock", "value_and_grad", np.linspace(-1.0, 1.0, 10), 500e-9, ("Numba",),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Contestant:
    """A function, the arguments of a call of it, and where it writes the gradient if it does not return it."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    gradient: Floats | None = None

    def numbers(self) -> Floats:
        """The numbers of one call."""
        result = self.function(*self.arguments)
        return flat(result if self.gradient is None else (result, self.gradient))


@dataclass
class CallRow:
    """Seconds a call of each contestant, by name; what is asked of lantern; whether lantern's and C's numbers are right."""

    name: str
    asked: float | None
    beside: tuple[str, ...]
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    agrees: bool = False

    @property
    def ratios(self) -> dict[str, float]:
        """Lantern's time over each other's: below 1, lantern is faster."""
        others = {name: seconds for name, seconds in self.seconds.items() if name != LANTERN}
        return {name: self.seconds[LANTERN] / seconds for name, seconds in others.items()}

    @property
    def passed(self) -> bool | None:
        """Whether lantern kept the asked time and no peer asked about is faster; None where nothing is asked."""
        if self.asked is None or LANTERN not in self.seconds:
            return None
        return self.seconds[LANTERN] <= self.asked and all(self.ratios.get(name, 0.0) <= 1.0 for name in self.beside)

    def as_json(self) -> dict[str, Any]:
        """Plain data, with ratios and the verdict beside the times."""
        return vars(self) | {"ratios": self.ratios, "passed": self.passed}


def lantern_contestant(case: CallCase, lj: Any) -> Contestant:
    """Lantern's derivative, after a check against plain Python.

    Raises:
        DisagreementError: the value is off by more than 1e-10, or the gradient by more than 1e-6 from central differences.
    """
    lantern = Contestant(lj.jit(getattr(lj, case.transform)(case.program)), (case.argument,))
    *value, gradient = np.split(lantern.numbers(), [1]) if case.transform == "value_and_grad" else [lantern.numbers()]
    if value:
        require_close(f"{case.name}: lantern and plain Python", value, case.program(case.argument), TOLERANCE)
    slopes = central_differences(case.program, (case.argument,), (0,))
    require_close(f"{case.name}: lantern and central differences", gradient, slopes, 1e-6)
    return lantern


def c_contestant(case: CallCase, floor: Floor) -> Contestant:
    """C through ctypes, which knows the types; an array and room for its gradient are given by pointers made once."""
    if isinstance(case.argument, float):
        function = floor.library[f"{case.symbol}_gradient"]
        function.argtypes, function.restype = (ctypes.c_double,), ctypes.c_double
        return Contestant(function, (case.argument,))
    function = floor.library[f"{case.symbol}_value_and_gradient"]
    function.argtypes, function.restype = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p), ctypes.c_double
    x, gradient = case.argument, np.empty_like(case.argument)
    return Contestant(function, (ctypes.c_void_p(x.ctypes.data), ctypes.c_int64(x.size), ctypes.c_void_p(gradient.ctypes.data)), gradient)


def measure_calls(lj: Any, floor: Floor | None, peers: list[Peer], quick: bool, effort: Effort) -> list[CallRow]:
    """One row a case. Only who gives lantern's numbers is timed. Short batches are not asked to be fast."""
    return [measure_call(case, lj, floor, peers, None if quick else case.asked, effort) for case in CALL_CASES]


def measure_call(case: CallCase, lj: Any, floor: Floor | None, peers: list[Peer], asked: float | None, effort: Effort) -> CallRow:
    """Check and time one case. What goes wrong becomes a note, not an exception."""
    row = CallRow(case.name, asked, case.beside)
    sides: dict[str, Contestant] = {}
    try:
        lantern = lantern_contestant(case, lj)
        if floor is not None:
            sides[C] = c_contestant(case, floor)
            require_close(f"{case.name}: C and lantern", sides[C].numbers(), lantern.numbers(), TOLERANCE)
        row.agrees = True
    except DisagreementError as error:
        row.notes.append(str(error))
        return row
    except Exception as error:  # the other case must go on
        row.notes.append(f"lantern_jit: {first_line(error)}")
        return row
    for peer in peers:
        try:
            function = peer.call(case.symbol)
            if function is not None:
                side = Contestant(function, (case.argument,))
                require_close(f"{peer.name} and lantern", side.numbers(), lantern.numbers(), TOLERANCE)
                sides[peer.name] = side
        except Exception as error:  # a peer's failure is a fact for the table, not ours
            row.notes.append(f"{peer.name}: {first_line(error)}")
    sides[LANTERN] = lantern
    times = race([call_batch(side.function, side.arguments) for side in sides.values()], effort)
    row.seconds = dict(zip(sides, times, strict=True))
    return row

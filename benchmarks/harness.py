"""Measures one case: first that the numbers agree, then the C floor and lantern side by side, then the peers."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.agreement import (
    DisagreementError,
    check_floor,
    check_lantern,
    check_lantern_without_floor,
    flat,
    gradient_size,
    require_close,
)
from benchmarks.cases import ASKED_PRIMAL, Arguments, Case
from benchmarks.floor import Floor, inputs_of
from benchmarks.peers import Peer
from benchmarks.timing import PEER, Batch, Effort, python_batch, race


@dataclass
class Pair:
    """Seconds a call of the C floor and of lantern, measured in turns, and the ratio asked of them."""

    c: float | None
    lantern: float
    asked: float | None

    @property
    def ratio(self) -> float | None:
        """Lantern's time over C's: below 1 is faster than C. None where there is no C."""
        return None if self.c is None else self.lantern / self.c

    @property
    def passed(self) -> bool | None:
        """Whether the asked ratio was kept; None where none is asked or there is no C."""
        return None if self.asked is None or self.ratio is None else self.ratio <= self.asked


@dataclass
class Row:
    """The results of one case. `peers` maps "Numba gradient" and the like to its time over C's at the same size."""

    name: str
    size: str
    gradient: Pair | None = None
    primal: Pair | None = None
    peers: dict[str, float] = field(default_factory=dict)
    small_peers: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    agrees: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain data, with ratios and verdicts beside the times."""
        data = dataclasses.asdict(self)
        for name, pair in (("gradient", self.gradient), ("primal", self.primal)):
            if pair is not None:
                data[name] |= {"ratio": pair.ratio, "passed": pair.passed}
        return data


def measure(case: Case, lj: Any, floor: Floor | None, peers: list[Peer], quick: bool, effort: Effort) -> Row:
    """Check and time one case. What goes wrong becomes a note, not an exception, so that the other cases go on.

    Small sizes are not asked to be fast. Without the C floor only lantern is timed; peers, whose times are given as
    ratios to C, are left out.
    """
    row = Row(case.name, "small" if quick else case.size)
    arguments = case.arguments(quick)
    try:
        primal = lj.jit(case.program)
        gradient = lj.jit(lj.grad(case.program, argnums=case.argnums))
        if floor is None:
            check_lantern_without_floor(case, primal, gradient)
        else:
            check_floor(case, floor)
            check_lantern(case, floor, primal, gradient, case.small())
            check_lantern(case, floor, primal, gradient, arguments)
        row.agrees = True
        c_side = None if floor is None else c_gradient(case, floor, arguments)
        row.gradient = pair(c_side, python_batch(gradient, arguments), effort, None if quick else case.asked)
        c_side = None if floor is None else c_primal(case, floor, arguments)
        row.primal = pair(c_side, python_batch(primal, arguments), effort, None if quick else ASKED_PRIMAL)
    except DisagreementError as error:
        row.notes.append(str(error))
    except Exception as error:  # one program that lantern cannot do yet must not hide the others
        row.notes.append(f"lantern_jit: {first_line(error)}")
    if floor is not None:
        for peer in peers:
            measure_peer(case, peer, floor, row, quick)
    return row


def first_line(error: Exception) -> str:
    """The kind of an error and the first line of what it says."""
    return f"{type(error).__name__}: {(str(error).splitlines() or ['no message'])[0]}"


def pair(c_side: Batch | None, lantern_side: Batch, effort: Effort, asked: float | None) -> Pair:
    """C, where there is one, and lantern racing."""
    if c_side is None:
        return Pair(None, race([lantern_side], effort)[0], asked)
    c, lantern = race([c_side, lantern_side], effort)
    return Pair(c, lantern, asked)


def c_gradient(case: Case, floor: Floor, arguments: Arguments) -> Batch:
    """A batch of C gradients."""
    inputs, size = inputs_of(arguments), gradient_size(case, arguments)
    return lambda calls: floor.gradient_seconds(case.symbol, inputs, size, calls)


def c_primal(case: Case, floor: Floor, arguments: Arguments) -> Batch:
    """A batch of C programs."""
    inputs = inputs_of(arguments)
    return lambda calls: floor.primal_seconds(case.symbol, inputs, calls)


def measure_peer(case: Case, peer: Peer, floor: Floor, row: Row, quick: bool) -> None:
    """Add the peer's ratios to the row, at the small size where the peer is slow, after a check of its numbers."""
    small = quick or case.symbol in peer.small_only
    arguments = case.arguments(small)
    inputs = inputs_of(arguments)
    kinds: tuple[tuple[str, Callable[..., Any], Batch, Callable[[], Any]], ...] = (
        ("primal", peer.primal, c_primal(case, floor, arguments), lambda: floor.primal(case.symbol, inputs)),
        ("gradient", peer.gradient, c_gradient(case, floor, arguments),
         lambda: floor.gradient(case.symbol, inputs, gradient_size(case, arguments))),
    )  # fmt: skip
    for kind, make, c_batch, expected in kinds:
        label = f"{peer.name} {kind}"
        try:
            thunk = make(case, arguments)
            if thunk is None:
                continue
            require_close(f"{case.name}: {label} and C", numbers(thunk()), expected(), max(case.rtol, 1e-8))
            c, theirs = race([c_batch, python_batch(thunk, ())], PEER)
            row.peers[label] = theirs / c
            if small and not quick:
                row.small_peers.append(label)
        except Exception as error:  # a peer's failure is a fact for the table, not ours
            row.notes.append(f"{label}: {first_line(error)}")


def numbers(result: Any) -> Any:
    """A peer's result as floats: PyTorch needs its tensors detached."""
    parts = result if isinstance(result, tuple | list) else (result,)
    return flat([part.detach() if hasattr(part, "detach") else part for part in parts])

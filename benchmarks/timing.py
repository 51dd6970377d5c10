"""Times that other processes disturb little: the least of many short batches, the sides taking turns."""

import time
import timeit
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

# Runs so many calls and returns the seconds they took.
Batch = Callable[[int], float]


@dataclass(frozen=True)
class Effort:
    """How long to measure. A batch lasts `batch` seconds or one call; rounds go on for `budget` seconds."""

    batch: float
    budget: float
    least_rounds: int
    most_rounds: int


FULL = Effort(batch=0.005, budget=2.0, least_rounds=7, most_rounds=200)
QUICK = Effort(batch=0.0005, budget=0.1, least_rounds=3, most_rounds=50)
PEER = Effort(batch=0.005, budget=1.0, least_rounds=2, most_rounds=50)


def python_batch(function: Callable[..., Any], arguments: Sequence[Any]) -> Batch:
    """A batch of calls from Python; the loop around them costs about 20 ns a call."""

    def run(calls: int) -> float:
        repeats = range(calls)
        start = time.perf_counter()
        for _ in repeats:
            function(*arguments)
        return time.perf_counter() - start

    return run


def call_batch(function: Callable[..., Any], arguments: Sequence[Any]) -> Batch:
    """A batch of calls written out as `f(x0, x1)` on local variables; the loop around them costs about 10 ns a call."""
    names = [f"x{i}" for i in range(len(arguments))]
    given = {"function": function, "arguments": arguments}
    setup = "\n".join(["f = function", *(f"{name} = arguments[{i}]" for i, name in enumerate(names))])
    return timeit.Timer(f"f({', '.join(names)})", setup, globals=given).timeit


def calls_per_batch(side: Batch, effort: Effort) -> int:
    """How many calls of this side make a batch."""
    return max(1, int(effort.batch / max(min(side(1) for _ in range(2)), 1e-9)))


def race(sides: Sequence[Batch], effort: Effort) -> list[float]:
    """Seconds a call of each side: the least over rounds in which every side runs one batch, in turn."""
    calls = [calls_per_batch(side, effort) for side in sides]
    best = [float("inf")] * len(sides)
    start = time.perf_counter()
    for done in range(effort.most_rounds):
        if done >= effort.least_rounds and time.perf_counter() - start > effort.budget:
            break
        for i, side in enumerate(sides):
            best[i] = min(best[i], side(calls[i]) / calls[i])
    return best

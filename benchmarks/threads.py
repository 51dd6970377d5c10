"""Programs on one thread and on several: `python -m benchmarks.threads [THREADS]`, two by default.

A row is a program: the least time on one thread, the same on several, how many times quicker that is, the processor time of a call on
several over that on one (1: nothing is lost), and the share of parts that were run by other threads than the caller's in all calls. On a
machine that does something else the first ratio says little; the second still says what the parts cost.
"""

import math
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import lantern_jit as lj
from benchmarks.timing import FULL, Effort, python_batch, race
from lantern_jit.backends.llvm.call.process import runtime

Floats = Any
ASKED = 1.7  # on two cores


def waves(x: Floats) -> Any:
    return np.sum(np.sin(x) * np.exp(-x * x))


def waves_by_a_loop(x: Floats) -> Any:
    total = 0.0
    for i in range(len(x)):
        total += math.sin(x[i]) * math.exp(-x[i] * x[i])
    return total


def mapped(x: Floats) -> Any:
    return np.sin(x) * np.exp(-x * x)


def pairs(x: Floats, y: Floats) -> Any:
    """A kernel matrix: adjoints of both are sums over the other."""
    return np.sum(np.exp(-((x[:, None] - y[None, :]) ** 2)))


def differences(x: Floats) -> Any:
    """Each element is in two terms."""
    return np.sum((x[1:] - x[:-1] ** 2) ** 2 * np.exp(x[1:]))


def lorenz(start: Any, rates: Floats) -> Any:
    x, y, z = start, 1.0, 1.05
    for _ in range(500):
        dx, dy, dz = rates[0] * (y - x), x * (rates[1] - z) - y, x * y - rates[2] * z
        x, y, z = x + 0.005 * dx, y + 0.005 * dy, z + 0.005 * dz
    return x


def solves(starts: Floats, rates: Floats) -> Any:
    """Independent ODE solves."""
    out = np.zeros(len(starts))
    for i in range(len(starts)):
        out[i] = lorenz(starts[i], rates)
    return np.sum(out * out)


def roots(x: Floats) -> Any:
    """As many steps as each needs."""
    total = 0.0
    for i in range(len(x)):
        r = 10.0 * x[i]
        while abs(r * r - x[i]) > 1e-13 * x[i]:
            r = 0.5 * (r + x[i] / r)
        total += r
    return total


def slope(f: Callable[..., Any], count: int = 1) -> Callable[..., Any]:
    return lj.value_and_grad(f, argnums=tuple(range(count)))  # type: ignore[no-any-return]


MANY, SOME = np.random.default_rng(1).uniform(0.1, 1.5, 1_000_000), np.random.default_rng(2).uniform(0.1, 1.5, 1000)
RATES = np.array([10.0, 28.0, 8.0 / 3.0])
PROGRAMS: list[tuple[str, Callable[..., Any], tuple[Any, ...]]] = [
    ("sum of 1e6, value", waves, (MANY,)),
    ("sum of 1e6, gradient", slope(waves), (MANY,)),
    ("the same by a loop, value", waves_by_a_loop, (MANY,)),
    ("the same by a loop, gradient", slope(waves_by_a_loop), (MANY,)),
    ("map of 1e6", mapped, (MANY,)),
    ("1,000 x 1,000 pairs, gradient", slope(pairs, 2), (SOME, SOME[::-1].copy())),
    ("differences of 1e6, gradient", slope(differences), (MANY,)),
    ("1,000 ODE solves, value", solves, (SOME, RATES)),
    ("1,000 ODE solves, gradient", slope(solves, 2), (SOME, RATES)),
    ("1e6 roots, value", roots, (MANY,)),
    ("1e6 roots, gradient", slope(roots), (MANY,)),
]


def processor_seconds(f: Callable[..., Any], args: tuple[Any, ...], calls: int = 5) -> float:
    best = math.inf
    for _ in range(calls):
        start = time.process_time()
        f(*args)
        best = min(best, time.process_time() - start)
    return best


def helped() -> tuple[int, int]:
    """(parts that workers have run, all jobs) so far."""
    word = runtime().loaded.word
    return int(word("lantern_helped").value), int(word("lantern_posted").value)


def measure(f: Callable[..., Any], args: tuple[Any, ...], threads: int, effort: Effort = FULL) -> dict[str, float]:
    one, several = lj.jit(f), lj.jit(f, threads=threads)
    one(*args)
    several(*args)
    before = helped()
    alone, shared = race([python_batch(one, args), python_batch(several, args)], effort)
    after = helped()
    spent = processor_seconds(several, args) / processor_seconds(one, args)
    return {"one": alone, "several": shared, "spent": spent, "helped": (after[0] - before[0]) / max(after[1] - before[1], 1)}


def main(threads: int) -> None:
    print(f"{threads} threads; asked of two: {ASKED}\n")
    print(f"{'program':<34}{'one, ms':>10}{'several':>10}{'quicker':>10}{'processor':>11}{'parts a job by others':>24}")
    for name, f, args in PROGRAMS:
        row = measure(f, args, threads)
        ratio = row["one"] / row["several"]
        print(
            f"{name:<34}{1e3 * row['one']:>10.3f}{1e3 * row['several']:>10.3f}{ratio:>10.2f}{row['spent']:>11.2f}{row['helped']:>24.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)

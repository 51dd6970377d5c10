"""The measured cases: which program, differentiated in what, at which sizes, asked to be how fast.

`ASKED_GRADIENT` and `ASKED_PRIMAL` are ratios to the C floor (1.0 is as fast as C, 2.0 takes twice as long).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks import programs
from benchmarks.programs import Floats, Indices

Argument = float | int | Floats | Indices
Arguments = tuple[Argument, ...]
Program = Callable[..., float]

ASKED_PRIMAL = 1.1
ASKED_GRADIENT: dict[str, float | None] = {
    "lorenz-1e5": 1.0,
    "lorenz-1e7": 1.5,
    "kepler": 0.9,
    "chain-4": 0.9,
    "chain-8": 0.9,
    "chain-16": 0.9,
    "tree": 1.1,
    "determinant": 2.0,
    "squares": 1.3,
    "dot": 1.3,
    "logsumexp": 0.5,
    "softdtw": 1.5,
    "logdet": 1.5,
}


@dataclass(frozen=True)
class Case:
    """One program at two sizes. `symbol` names it in programs.py, in the C library and among the peers."""

    name: str
    symbol: str
    argnums: tuple[int, ...]
    full: Callable[[], Arguments]
    small: Callable[[], Arguments]
    size: str
    rtol: float = 1e-9

    @property
    def program(self) -> Program:
        """The plain Python function."""
        function: Program = getattr(programs, self.symbol)
        return function

    @property
    def asked(self) -> float | None:
        """The asked ratio of gradient times, lantern to C; None where none is set."""
        return ASKED_GRADIENT[self.name]

    def arguments(self, quick: bool) -> Arguments:
        """Fresh arguments, small ones if quick."""
        return self.small() if quick else self.full()


def lorenz_arguments(steps: int, rho: float) -> Callable[[], Arguments]:
    """Start (1, 2, 3), sigma 10, beta 8/3. At rho = 28 the flow is chaotic; at 20 it settles on a fixed point."""
    return lambda: (1.0, 2.0, 3.0, 10.0, rho, 8.0 / 3.0, steps)


def tree_arguments(depth: int) -> Callable[[], Arguments]:
    """A complete binary tree of 2 ** (depth + 1) - 1 nodes in preorder, values sin(node + 1), four weights."""

    def make() -> Arguments:
        left: list[int] = []
        right: list[int] = []

        def grow(levels: int) -> int:
            node = len(left)
            left.append(-1)
            right.append(-1)
            if levels > 0:
                left[node] = grow(levels - 1)
                right[node] = grow(levels - 1)
            return node

        grow(depth)
        value = np.array([math.sin(node + 1.0) for node in range(len(left))])
        return 0, np.array(left, dtype=np.int64), np.array(right, dtype=np.int64), value, 0.5, -0.4, 0.1, 0.9

    return make


def normals(length: int, count: int) -> Callable[[], Arguments]:
    """So many arrays of independent standard normals, the same in every run."""
    return lambda: tuple(np.random.default_rng(seed).normal(size=length) for seed in range(count))


def signals(length: int) -> Callable[[], Arguments]:
    """Two noisy sine waves, one delayed, and gamma = 0.1."""

    def make() -> Arguments:
        noise = np.random.default_rng(0).normal(scale=0.1, size=(2, length))
        time = np.linspace(0.0, 6.0 * math.pi, length)
        return np.sin(time) + noise[0], np.sin(time - 0.7) + noise[1], 0.1

    return make


def dominant_matrix(n: int) -> Callable[[], Arguments]:
    """A dense matrix of normals with n added to its diagonal."""
    return lambda: (np.random.default_rng(0).normal(size=(n, n)) + n * np.eye(n),)


def chain_case(masses: int) -> Case:
    """A chain of so many masses: k = 3, c = 0.1, p2 = 0.2, 1,000 steps."""
    return Case(
        f"chain-{masses}", f"chain{masses}", (0, 1, 2),
        lambda: (3.0, 0.1, 0.2, 1000), lambda: (3.0, 0.1, 0.2, 50),
        f"{2 * masses} carried floats, 1,000 steps",
    )  # fmt: skip


LORENZ = (0, 1, 2, 3, 4, 5)

# lorenz-1e7 runs at rho = 20: over 1,000 time units of chaos the gradient would overflow and no two roundings agree.
CASES: tuple[Case, ...] = (
    Case("lorenz-1e5", "lorenz", LORENZ, lorenz_arguments(100_000, 28.0), lorenz_arguments(1000, 28.0), "1e5 steps"),
    Case("lorenz-1e7", "lorenz", LORENZ, lorenz_arguments(10_000_000, 20.0), lorenz_arguments(2000, 20.0), "1e7 steps"),
    Case("kepler", "kepler", (0, 1), lambda: (0.8, 1.2, 1000), lambda: (0.8, 1.2, 20), "1,000 Newton solves"),
    chain_case(4),
    chain_case(8),
    chain_case(16),
    Case("tree", "tree", (4, 5, 6, 7), tree_arguments(7), tree_arguments(4), "255 nodes"),
    Case("determinant", "determinant", (0,), dominant_matrix(9), dominant_matrix(5), "9 x 9 by minors"),
    Case("squares", "squares", (0,), normals(1_000_000, 1), normals(500, 1), "1e6 elements"),
    Case("dot", "dot", (0, 1), normals(1_000_000, 2), normals(500, 2), "1e6 elements"),
    Case("logsumexp", "logsumexp", (0,), normals(1_000_000, 1), normals(500, 1), "1e6 elements", 1e-8),
    Case("softdtw", "softdtw", (0, 1), signals(500), signals(20), "501 x 501 table"),
    Case("logdet", "logdet", (0,), dominant_matrix(64), dominant_matrix(12), "64 x 64"),
)

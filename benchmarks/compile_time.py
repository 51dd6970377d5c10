"""The time from a Python function to its native gradient: trace, transform, emit, optimise, compile; not run.

Every measurement compiles a program that differs in one constant from every earlier one, written to a file of its own,
so that no cache, in memory or on disk, can answer for the compiler.
"""

import importlib.util
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.agreement import DisagreementError, central_differences, require_close
from benchmarks.cases import Arguments

ROSENBROCK = """
import math

def program(x):
    total = 0.0
    for i in range(len(x) - 1):
        u = x[i + 1] - x[i] * x[i]
        v = 1.0 - x[i]
        total = total + {hundred} * u * u + v * v
    return total
"""

LORENZ = """
import math

def program(x, y, z, sigma, rho, beta, n):
    for _ in range(n):
        dx = sigma * (y - x)
        dy = x * (rho - z) - y
        dz = x * y - beta * z
        x, y, z = x + {tick} * dx, y + {tick} * dy, z + {tick} * dz
    return x
"""

Source = Callable[[float], str]


@dataclass(frozen=True)
class CompileCase:
    """A program text, given a number near 1 to scale one constant by. `asked` is in seconds, None if relative."""

    name: str
    source: Source
    arguments: Arguments
    argnums: tuple[int, ...]
    asked: float | None
    repeats: int
    operations: int = 0


@dataclass
class CompileRow:
    """Seconds to compile the gradient, least of the repeats; the peer's, where it can; a note where lantern failed."""

    name: str
    lantern: float | None
    asked: float | None
    jax: float | None = None
    note: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the asked time was kept; None where there is nothing to compare."""
        if self.lantern is None or self.asked is None:
            return None
        return self.lantern <= self.asked


def straight_line(operations: int) -> Source:
    """The text of a function of so many operations, one a line: a fifth sines, the others products and sums."""

    def source(scale: float) -> str:
        lines = ["import math", "", "def program(x):", f"    y = x * {scale!r}"]
        kinds = itertools.cycle(range(5))
        for i, kind in zip(range(operations - 1), kinds, strict=False):
            lines.append(
                "    "
                + (
                    "s = math.sin(y)",
                    "y = s * 1.01",
                    f"a = y * {0.999 - 1e-8 * i!r}",
                    f"e = x * {0.001 + 1e-8 * i!r}",
                    "y = a + e",
                )[kind]
            )
        return "\n".join([*lines, "    return y", ""])

    return source


def compile_cases(quick: bool) -> list[CompileCase]:
    """Rosenbrock in 10 dimensions, a 1,000-step loop, and straight lines of 2,000, 5,000 and 10,000 operations."""
    x = np.linspace(-1.0, 1.0, 10)
    start: Arguments = (1.0, 2.0, 3.0, 10.0, 28.0, 8.0 / 3.0, 1000)
    cases = [
        CompileCase("rosenbrock-10", lambda s: ROSENBROCK.format(hundred=100.0 * s), (x,), (0,), 0.035, 5),
        CompileCase("lorenz loop", lambda s: LORENZ.format(tick=1e-4 * s), start, (0, 1, 2, 3, 4, 5), 0.045, 5),
    ]
    for operations, asked, repeats in ((2000, 0.8, 3), (5000, None, 2), (10_000, None, 1)):
        count = operations // 10 if quick else operations
        name = f"straight line, {count:,} ops"
        cases.append(CompileCase(name, straight_line(count), (0.7,), (0,), asked, repeats, count))
    return cases


class Loader:
    """Makes functions from program texts, each in a file of its own in the given folder and never twice the same."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = time.time_ns() % 1_000_000

    def load(self, case: CompileCase, library: str = "math") -> Callable[..., Any]:
        """The case's function with a new constant; its `math` is the library named."""
        self.count += 1
        text = case.source(1.0 + 1e-9 * self.count).replace("import math", f"import {library} as math")
        path = self.folder / f"program_{self.count}.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        function: Callable[..., Any] = module.program
        return function


@contextmanager
def loader() -> Iterator[Loader]:
    """A loader whose files vanish at the end."""
    with tempfile.TemporaryDirectory() as folder, uncached():
        yield Loader(Path(folder))


@contextmanager
def uncached() -> Iterator[None]:
    """Nothing compiled is taken from disk."""
    before = os.environ.get("LANTERN_CACHE_DIR")
    os.environ["LANTERN_CACHE_DIR"] = ""
    try:
        yield
    finally:
        if before is None:
            del os.environ["LANTERN_CACHE_DIR"]
        else:
            os.environ["LANTERN_CACHE_DIR"] = before


def lantern_seconds(lj: Any, case: CompileCase, loader: Loader) -> float:
    """The least time of the repeats; the last gradient is then held against central differences of plain Python.

    Raises:
        DisagreementError: the compiled gradient is off by more than 1e-5, relatively.
    """
    best = float("inf")
    for _ in range(case.repeats):
        function = loader.load(case)
        start = time.perf_counter()
        native = compile_gradient(lj, function, case)
        best = min(best, time.perf_counter() - start)
    slopes = central_differences(function, case.arguments, case.argnums)
    require_close(f"{case.name}: compiled gradient", native(*case.arguments), slopes, 1e-5)
    return best


def compile_gradient(lj: Any, function: Callable[..., Any], case: CompileCase) -> Callable[..., Any]:
    """The native gradient, compiled for the case's arguments and not yet run."""
    native = lj.jit(lj.grad(function, argnums=case.argnums))
    native.lower(*case.arguments)
    compiled: Callable[..., Any] = native
    return compiled


def jax_seconds(case: CompileCase, loader: Loader) -> float:
    """JAX's time for the same; straight lines over 2,000 operations are left out by the caller, as too slow."""
    from benchmarks.peers import jax_peer

    best = float("inf")
    for _ in range(2):
        function = jax_peer.lorenz if case.name == "lorenz loop" else loader.load(case, "jax.numpy")
        start = time.perf_counter()
        jax_peer.compile_gradient(function, case.arguments, case.argnums)
        best = min(best, time.perf_counter() - start)
    return best


def measure_compile_times(lj: Any, quick: bool, with_jax: bool) -> list[CompileRow]:
    """One row a case. A straight line longer than the first is asked to be linear in it, within 20%."""
    rows: list[CompileRow] = []
    per_operation: float | None = None
    with loader() as files:
        warm_up = CompileCase("warm-up", straight_line(10), (0.7,), (0,), None, 1)
        lantern_seconds(lj, warm_up, files)
        for case in compile_cases(quick):
            row = CompileRow(case.name, None, case.asked)
            rows.append(row)
            try:
                row.lantern = lantern_seconds(lj, case, files)
            except DisagreementError as error:
                row.note = str(error)
            except Exception as error:  # one program that does not compile must not hide the others
                row.note = f"{type(error).__name__}: {error}"
            if case.operations and row.lantern is not None:
                if per_operation is None:
                    per_operation = row.lantern / case.operations
                elif case.asked is None:
                    row.asked = 1.2 * per_operation * case.operations
            if with_jax and case.operations <= 2000:
                row.jax = jax_seconds(case, files)
    return rows

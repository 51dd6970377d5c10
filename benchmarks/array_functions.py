"""Functions of whole arrays: lantern beside NumPy, and where there is a derivative the gradient of a weighted sum of squares beside JAX.

`python -m benchmarks.array_functions [NAME ...]` prints a row for each, in microseconds.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import arrays
from benchmarks.agreement import require_close
from benchmarks.timing import FULL, python_batch, race


@dataclass(frozen=True)
class Case:
    """`program` takes the namespace of NumPy, or of JAX; a gradient is by its first `by` arguments, if there are any."""

    name: str
    program: Callable[..., Any]
    arguments: tuple[Any, ...]
    by: int = 1


def cases() -> list[Case]:
    g = np.random.default_rng(0)
    v, w, s = g.normal(size=100_000), g.normal(size=100_000), g.normal(size=1000)
    m, a, z = g.normal(size=(1000, 100)), g.normal(size=(300, 300)), g.normal(size=65_536)
    i, grid = g.integers(0, 1000, 100_000), np.sort(g.normal(size=1000))
    return [
        Case("sum", lambda np, x: np.sum(x), (v,)),
        Case("max", lambda np, x: np.max(x), (v,)),
        Case("max of rows", lambda np, x: np.max(x, axis=1), (m,)),
        Case("max of columns", lambda np, x: np.max(x, axis=0), (m,)),
        Case("argmin", lambda np, x: np.argmin(x), (v,), 0),
        Case("any", lambda np, x: np.any(x > 9.0), (v,), 0),
        Case("nonzero", lambda np, x: np.nonzero(x > 0.0)[0], (v,), 0),
        Case("x[x > 0]", lambda np, x: x[x > 0.0], (v,), 0),
        Case("x[i]", lambda np, x, i: x[i], (s, i)),
        Case("cumsum", lambda np, x: np.cumsum(x), (v,)),
        Case("cumsum of rows", lambda np, x: np.cumsum(x, axis=1), (m,)),
        Case("sort", lambda np, x: np.sort(x), (v,)),
        Case("argsort", lambda np, x: np.argsort(x), (v,), 0),
        Case("sort of rows", lambda np, x: np.sort(x, axis=1), (m,)),
        Case("median", lambda np, x: np.median(x), (v,)),
        Case("searchsorted", lambda np, a, x: np.searchsorted(a, x), (grid, v), 0),
        Case("interp", lambda np, x, a, y: np.interp(x, a, y), (v, grid, s)),
        Case("histogram", lambda np, x: np.histogram(x, 50)[0], (v,), 0),
        Case("unique", lambda np, i: np.unique(i), (i,), 0),
        Case("convolve, 30 taps", lambda np, x, y: np.convolve(x, y), (v, s[:30]), 2),
        Case("fft, 65,536", lambda np, x: np.abs(np.fft.fft(x)), (z,)),
        Case("rfft, 100,000", lambda np, x: np.abs(np.fft.rfft(x)), (v,)),
        Case("fft2, 256 x 256", lambda np, x: np.abs(np.fft.fft2(x)), (z.reshape(256, 256),)),
        Case("where", lambda np, x, y: np.where(x > y, x, y * y), (v, w), 2),
        Case("concatenate", lambda np, x, y: np.concatenate([x, y]), (v, w), 2),
        Case("distances", lambda np, x: np.sum((x[:, None] - x) ** 2, axis=2), (m[:200],)),
        Case("matmul", lambda np, x, y: x @ y, (a, a[::-1].copy()), 2),
        Case("solve", lambda np, x, y: np.linalg.solve(x, y), (a, s[:300]), 2),
        Case("inv", lambda np, x: np.linalg.inv(x), (a,)),
        Case("eigh", lambda np, x: np.linalg.eigh(x + x.T)[0], (a,)),
        Case("svd", lambda np, x: np.linalg.svd(x, compute_uv=False), (a[:150, :150],)),
    ]


def measure(case: Case, jax: Any) -> str:
    import lantern_jit as lj

    def of(namespace: Any) -> Callable[..., Any]:
        return lambda *args: case.program(namespace, *args)

    native, plain, args = lj.jit(of(np)), of(np), case.arguments
    expected = plain(*args)
    require_close(f"{case.name}: NumPy", arrays.flat(native(*args)), arrays.flat(expected), 1e-9)
    thunks = [lambda: native(*args), lambda: plain(*args)]
    if case.by and jax is not None:
        weights, nums = np.cos(np.arange(np.size(expected))).reshape(np.shape(expected)), tuple(range(case.by))

        def loss(namespace: Any) -> Callable[..., Any]:
            return lambda *args: namespace.sum(case.program(namespace, *args[:-1]) ** 2 * args[-1])

        ours, its = lj.jit(lj.grad(loss(np), nums)), jax.jit(jax.grad(loss(jax.numpy), nums))
        given = [jax.numpy.asarray(x) for x in (*args, weights)]
        for x, y in zip(ours(*args, weights), its(*given), strict=True):
            require_close(f"{case.name}: JAX", arrays.flat(x), arrays.flat(y), 1e-6)
        thunks += [lambda: ours(*args, weights), lambda: jax.block_until_ready(its(*given))]
    value, numpy, *gradients = (1e6 * t for t in race([python_batch(t, ()) for t in thunks], FULL))
    beside = f"{gradients[0]:12.1f} {gradients[1]:9.1f} {gradients[0] / gradients[1]:6.2f}" if gradients else ""
    return f"{case.name:20} {value:9.1f} {numpy:9.1f} {value / numpy:6.2f} {beside}"


def measure_all(names: list[str]) -> None:
    try:
        import jax

        jax.config.update("jax_enable_x64", True)
    except ImportError:
        jax = None
    print(f"{'microseconds':20} {'value':>9} {'NumPy':>9} {'ratio':>6} {'gradient':>12} {'JAX':>9} {'ratio':>6}")
    for case in cases():
        if not names or any(case.name.startswith(n) for n in names):
            print(measure(case, jax), flush=True)


def main() -> None:
    """In a process of its own on one core, where BLAS has one thread."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), arrays.on_one_core) as pool:
        pool.submit(measure_all, sys.argv[1:]).result()


if __name__ == "__main__":
    main()

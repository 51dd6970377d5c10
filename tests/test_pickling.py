"""Jitted and transformed functions go to other processes: pickle, cloudpickle, executors, joblib, Dask."""

from __future__ import annotations

import math
import multiprocessing
import pickle
import subprocess
import sys
import textwrap
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.examples import sharded_likelihood


def wave(x: float) -> float:
    return math.sin(x) * x


def slope_of_wave(x: float) -> float:
    return math.sin(x) + x * math.cos(x)


slope = lj.jit(lj.grad(wave))


@lj.jit
def factorial(n: int) -> int:
    return 1 if n <= 1 else n * factorial(n - 1)


@pytest.mark.parametrize("module", [pickle, cloudpickle])
def test_there_and_back(module: Any) -> None:
    again = module.loads(module.dumps(slope))
    assert again(1.0) == pytest.approx(slope_of_wave(1.0), rel=1e-15)
    assert again.__name__ == slope.__name__
    assert module.loads(module.dumps(factorial)) is factorial


@pytest.mark.parametrize("module", [pickle, cloudpickle])
def test_lambdas_and_closures(module: Any) -> None:
    k = 3.0
    f = lj.jit(lambda x: k * x)
    assert module.loads(module.dumps(f))(2.0) == 6.0

    @lj.jit
    def count(n: int) -> int:
        return 0 if n <= 0 else 1 + count(n - 1)

    assert module.loads(module.dumps(count))(5) == 5


def test_options_go_along() -> None:
    f = lj.jit(wave, static_argnums=(), checkpoint=7, nogil=True)
    again = pickle.loads(pickle.dumps(f))
    assert (again._dispatcher.options.checkpoint, again._dispatcher.options.nogil) == (7, True)


@pytest.mark.parametrize("transform", [lj.grad, lj.value_and_grad, lj.jacfwd, lj.jacrev, lj.hessian])
def test_transforms(transform: Any) -> None:
    f = transform(wave)
    again = pickle.loads(pickle.dumps(f))
    assert again(0.7) == f(0.7)


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_executors(method: str) -> None:
    xs = [0.5, 1.0, 2.0]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        assert list(pool.map(slope, xs)) == pytest.approx([slope_of_wave(x) for x in xs], rel=1e-15)  # the C library may round otherwise
        assert list(pool.map(factorial, [3, 5])) == [6, 120]


def test_functions_of_main(tmp_path: Path) -> None:
    """A script's own functions, decorated and recursive, on spawned workers, and through cloudpickle."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        import cloudpickle
        import lantern_jit as lj

        @lj.jit
        def factorial(n):
            return 1 if n <= 1 else n * factorial(n - 1)

        cube = lj.jit(lj.grad(lambda x: x * x * x))

        if __name__ == "__main__":
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                print(*pool.map(factorial, [3, 4]), *pool.map(cube, [1.0, 2.0]))
            print(cloudpickle.loads(cloudpickle.dumps(factorial))(5))
        """)
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["6", "24", "3.0", "12.0", "120"], done.stderr


def test_dask_with_two_workers() -> None:
    distributed = pytest.importorskip("distributed")
    w = np.array([1.0, -2.0])
    shards = sharded_likelihood.make_shards(4, 500, w)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        fitted = sharded_likelihood.fit(client, shards, 2)
        workers = {v for v in client.run(lambda: __import__("os").getpid()).values()}
    x, y = (np.concatenate(parts) for parts in zip(*shards, strict=True))
    _, left = sharded_likelihood.loss_and_slope(fitted, x, y)
    assert len(workers) == 2
    np.testing.assert_allclose(left, 0.0, atol=1e-3 * len(y))
    np.testing.assert_allclose(fitted, w, atol=0.3)

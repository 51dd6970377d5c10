"""Jitted and transformed functions go to other processes: pickle, cloudpickle, executors, joblib, Dask."""

from __future__ import annotations

import linecache
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


SENDER = """
import functools, pickle, sys
import cloudpickle
import numpy as np
import lantern_jit as lj
\x0c
def steps(x, n):
    out = x
    while out < 100.0 and n > 0:
        out, n = out * 1.5 if out > 2.0 else out + 1.0, n - 1
    return out

def make(k):
    def inner(x):
        return x * k if x > 0.0 else -x
    def outer(x, n):
        for _ in range(n):
            x = inner(x) + steps(x, 2)
        return x
    return outer

class Model:
    def __init__(self, k):
        self.k = k
    def __call__(self, x, n):
        return self.k * steps(x, n)
    def method(self, x, n):
        return self.k - steps(x, n) if n > 1 else x

@lj.jit
def decorated(x, n):
    return x if n <= 0 else steps(decorated(x, n - 1), 1)

@lj.jit
def element(a, i):
    return a[i]

two = lambda x, n: x if n > 5 else x * 2.0; three = lambda x, n: x if n > 5 else x * 3.0
functions = {
    "plain": lj.jit(steps), "gradient": lj.jit(lj.grad(steps)), "alone": lj.grad(steps), "twice": lj.grad(lj.grad(make(2.0))),
    "closure": lj.jit(make(3.0)), "lambda": lj.jit(two), "another": lj.jit(three), "decorated": decorated, "nested": lj.jit(lambda x, n: decorated(x, n)),
    "object": lj.jit(Model(2.0)), "method": lj.jit(Model(2.0).method), "partial": lj.jit(functools.partial(make(2.0), n=3)),
    "made there": lj.jit(lambda x, n: make(n + 0.5)(x, n)), "in a list": lj.jit(lambda x, n, fs=[steps, two]: fs[1](fs[0](x, n), n)),
}

class Box:  # its pickle has another inside
    def __init__(self, f): self.f = f
    def __reduce__(self): return open_box, (pickle.dumps(self.f),)

def open_box(data): return pickle.loads(data)

def results(functions):
    return {k: repr(f(1.25) if k == "partial" else f(1.25, 3)) for k, f in functions.items()}

if __name__ == "__main__":
    module = {"pickle": pickle, "cloudpickle": cloudpickle}[sys.argv[1]]
    if sys.argv[1] == "cloudpickle":
        functions["boxed"] = lj.jit(lambda x, n, b=Box(lj.jit(make(1.5))): b(x, n))
    shown = {k: f for k, f in functions.items() if k != "boxed"}
    with open("sent", "wb") as out:
        out.write((cloudpickle if module is pickle else module).dumps((results(shown), {k: module.dumps(f) for k, f in functions.items()}, element)))
"""

RECEIVER = """
import pickle, sys
import cloudpickle
import numpy as np
with open("sent", "rb") as file:
    wanted, sent, element = pickle.load(file)
by_name = ("plain", "gradient", "alone", "object", "method") if sys.argv[1] == "pickle" else ()  # these need the script
functions = {k: pickle.loads(data) for k, data in sent.items() if k not in by_name}
def results(functions):
    return {k: repr(f(1.25) if k == "partial" else f(1.25, 3)) for k, f in functions.items()}
def check(functions):
    for k, found in results(functions).items():
        assert k == "boxed" or found == wanted[k], (k, found, wanted[k])
check(functions)
check({k: pickle.loads(cloudpickle.dumps(f)) for k, f in functions.items()})  # and on to the next process
try:
    element(np.ones(2), 5)
except IndexError as e:
    print(len(functions), e)
"""


@pytest.mark.parametrize(("module", "count"), [("cloudpickle", 15), ("pickle", 9)])
def test_the_source_goes_along(tmp_path: Path, module: str, count: int) -> None:
    """Loops and branches of functions by value work where nobody has the file, and their errors name it."""
    for name, text in (("sender.py", SENDER), ("receiver.py", RECEIVER)):
        (tmp_path / name).write_text(text)
        command = [sys.executable, name, module]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        (tmp_path / name).unlink()
    line = SENDER.split("\n").index("    return a[i]") + 1
    assert done.stdout == f"{count} index 5 is out of bounds for axis 0 with size 2  [{tmp_path}/sender.py:{line} in element]\n"


def test_a_changed_file_does_not_change_a_pickled_function(tmp_path: Path) -> None:
    """Another file of the same name, with a function of the same name on the same line."""
    path = tmp_path / "changing.py"
    text = "def f(x, n):\n    while n > {0}:\n        x, n = x + {0}, n - {0}\n    return x\n"
    scope: dict[str, Any] = {"__name__": "__main__"}
    path.write_text(text.format(1))
    exec(compile(text.format(1), str(path), "exec"), scope)
    sent = cloudpickle.dumps(lj.jit(scope["f"]))
    path.write_text(text.format(2))
    linecache.checkcache()
    assert pickle.loads(sent)(0.0, 4) == 3.0


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

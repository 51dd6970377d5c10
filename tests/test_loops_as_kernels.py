"""Loops over arrays: how a program is spelled does not decide what it becomes. Kernels, loops, arrays and checks are counted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import check, close

X, Y = np.linspace(0.1, 0.9, 20), np.linspace(-1.0, 1.0, 30)
A = np.outer(X, Y)


def each(x: Any) -> Any:
    y = np.zeros(len(x))
    for i in range(len(x)):
        y[i] = np.sin(x[i]) * x[i]
    return np.sum(y * y)


def pairs(x: Any, y: Any) -> Any:
    d = np.empty((len(x), len(y)))
    for i in range(len(x)):
        for j in range(len(y)):
            d[i, j] = np.exp(-((x[i] - y[j]) ** 2))
    return np.sum(d * d)


def backwards(x: Any) -> Any:
    n = len(x)
    y = np.zeros(n)
    for i in range(n):
        y[n - 1 - i] = x[i] ** 3
    return np.sum(y * x)


def neighbours(x: Any) -> Any:
    y = np.zeros(len(x))
    for i in range(1, len(x) - 1):
        y[i] = x[i] + 0.1 * (x[i - 1] - 2.0 * x[i] + x[i + 1])
    return np.sum(y * y * y)


def in_place(x: Any) -> Any:
    y = x * 2.0
    for i in range(len(y)):
        y[i] = y[i] * np.sin(y[i])
    return np.sum(y * x)


def columns(a: Any) -> Any:
    n, m = a.shape
    b = np.zeros((m, n))
    for i in range(n):
        for j in range(m):
            b[j, i] = a[i, j] * a[i, j] * (j + 1)
    return np.sum(b * b)


def clipped(x: Any) -> Any:
    y = np.zeros(len(x))
    for i in range(len(x)):
        y[i] = x[i] + 1.0 if x[i] > 0.5 else -x[i]
    return np.sum(y)


def a_step(x: Any) -> Any:
    y = np.zeros(2 * len(x))
    for i in range(len(x)):
        y[2 * i + 1] = x[i] * i
    return np.sum(y * y)


def rows(a: Any) -> Any:
    b = np.zeros(a.shape)
    for i in range(len(a)):
        b[i] = np.cos(a[i]) * i
    return np.sum(b * a)


SPELLED: list[tuple[Callable[..., Any], tuple[Any, ...], Callable[..., Any]]] = [
    (each, (X,), lambda x: np.sum((np.sin(x) * x) * (np.sin(x) * x))),
    (pairs, (X, Y), lambda x, y: np.sum(np.exp(-((x[:, None] - y) ** 2)) ** 2)),
    (backwards, (X,), lambda x: np.sum((x**3)[::-1] * x)),
    (neighbours, (X,), lambda x: np.sum((x[1:-1] + 0.1 * (x[:-2] - 2.0 * x[1:-1] + x[2:])) ** 3)),
    (in_place, (X,), lambda x: np.sum(x * 2.0 * np.sin(x * 2.0) * x)),
    (columns, (A,), lambda a: np.sum((a * a * np.arange(1, a.shape[1] + 1)) ** 2)),
    (clipped, (X,), lambda x: np.sum(np.where(x > 0.5, x + 1.0, -x))),
    (a_step, (X,), lambda x: np.sum((x * np.arange(len(x))) ** 2)),
    (rows, (A,), lambda a: np.sum(np.cos(a) * np.arange(len(a))[:, None] * a)),
]


@pytest.mark.parametrize(("f", "args", "arrays"), SPELLED, ids=lambda x: getattr(x, "__name__", ""))
def test_the_loop_is_a_kernel(f: Any, args: Any, arrays: Any) -> None:
    graph = lj.jit(f).inspect(*args).graph
    assert not re.search(r"^loop", graph, re.M)
    nums = tuple(range(len(args)))
    close(f(*args), arrays(*args))
    close(lj.jit(f)(*args), f(*args), rtol=1e-13)
    close(lj.jit(lj.grad(f, nums))(*args), lj.grad(arrays, nums)(*args), rtol=1e-12)
    check(f, args, argnums=nums)
    small = [x.astype(np.float32) for x in args]
    for g in lj.jit(lj.grad(f, nums))(*small):
        assert g.dtype == np.float32
    close(lj.jit(lj.grad(f, nums))(*small), lj.grad(f, nums)(*args), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("f", [each, pairs, clipped])
def test_loops_fuse_with_what_reads_their_arrays(f: Any) -> None:
    args = (X, Y) if f is pairs else (X,)
    found = lj.jit(f).inspect(*args)
    assert found.graph.count(" kernel(") == 1
    assert found.memory.arrays == 0


@pytest.mark.parametrize("n", [0, 1, 2, 15, 16, 17])
def test_of_any_length(n: int) -> None:
    x = np.linspace(0.1, 0.9, n)
    for f in (each, backwards, neighbours, in_place, clipped, a_step):
        close(lj.jit(f)(x), f(x), rtol=1e-13)
        close(lj.jit(lj.grad(f))(x), lj.grad(f)(x), rtol=1e-12)


def test_the_counter_behind_the_loop() -> None:
    def f(x: Any, n: int) -> Any:
        i = -1
        y = np.zeros(len(x))
        for i in range(3, n):
            y[i] = x[i]
        return i, np.sum(y)

    for n in (0, 3, 4, 20):
        assert lj.jit(f)(X, n) == pytest.approx(f(X, n))


@pytest.mark.parametrize(
    "at", ["y[i] = x[i] + y[i - 1]", "y[0] = x[i]", "y[i] = x[i]; y[i - 1] = 2 * x[i]", "y[i] = x[i] // 1 if i else y[2]"]
)
def test_iterations_that_meet_stay_in_order(at: str, tmp_path: Any) -> None:
    path = tmp_path / "loop.py"
    path.write_text(
        f"import numpy as np\ndef f(x):\n    y = np.zeros(len(x))\n    for i in range(1, len(x)):\n        {at}\n    return np.sum(y * x)\n"
    )
    space: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), space)
    f = space["f"]
    assert re.search(r"^loop", lj.jit(f).inspect(X).graph, re.M)
    close(lj.jit(f)(X), f(X))


def test_an_index_that_leaves_the_array_is_told_as_before() -> None:
    def f(x: Any) -> Any:
        y = np.zeros(len(x))
        for i in range(len(x) + 1):
            y[i] = x[i]
        return y

    with pytest.raises(IndexError, match="index 20 is out of bounds for axis 0 with size 20"):
        lj.jit(f)(X)


def test_a_written_argument() -> None:
    def f(x: Any, y: Any) -> None:
        for i in range(len(x)):
            y[i] = x[i] * 2.0

    x, y = X.copy(), np.zeros(20)
    lj.jit(f)(x, y)
    close(y, 2 * X)
    z = np.arange(21.0)
    lj.jit(f)(z[:-1], z[1:])  # one array: each iteration reads what the one before has written
    expected = np.arange(21.0)
    f(expected[:-1], expected[1:])
    close(z, expected)


def test_indices_that_sizes_keep_in_bounds_are_not_checked() -> None:
    def f(x: Any, a: Any) -> Any:
        s = 0.0
        n, m = a.shape
        for i in range(n):
            for j in range(m):
                if a[i, j] > 0.0:
                    s += x[i * m + j] * a[n - 1 - i, m - 1 - j]
        return s

    def g(x: Any) -> Any:
        s = 0.0
        for i in range(len(x) - 1):
            if x[i] > x[i + 1]:
                s += x[i + 1]
        return s

    graph = lj.jit(g).inspect(X).graph
    assert "check_range" not in graph
    assert set(re.findall(r"index='(\w+)'", graph)) <= {"u"}
    close(lj.jit(f)(A.ravel(), A), f(A.ravel(), A))
    found = lj.jit(lambda a: f(a.ravel(), a)).inspect(A).graph
    assert set(re.findall(r"index='(\w+)'", found)) <= {"u", "uu"}
    assert "check_range" not in found


def columns(x: Any, v: Any) -> Any:
    """Three columns of one array, of which each is computed from the others."""
    y = np.zeros((len(x), 3))
    for i in range(len(x)):
        y[i, 0] = x[i, 1] * v[i, 2] - x[i, 2] * v[i, 1]
        y[i, 1] = x[i, 2] * v[i, 0] - x[i, 0] * v[i, 2]
        y[i, 2] = x[i, 0] * v[i, 1] - x[i, 1] * v[i, 0]
    return np.sum(np.sin(y))


def swapped(x: Any, v: Any) -> Any:
    """Two arrays that change places."""
    a, b = x[:, 0].copy(), v[:, 0].copy()
    for _ in range(3):
        for i in range(1, len(a) - 1):
            b[i] = a[i] + 0.2 * np.sin(a[i + 1] - a[i - 1])
        a, b = b, a
    return np.sum(a * a) + np.sum(b)


@pytest.mark.parametrize("f", [columns, swapped])
def test_several_places_and_several_arrays(f: Any) -> None:
    g = np.random.default_rng(4)
    x, v = g.normal(size=(9, 3)), g.normal(size=(9, 3))
    check(f, (x, v), argnums=(0, 1), rtol=1e-6)
    assert f.__name__ + ".loop" in lj.jit(lj.grad(f)).inspect(x, v).graph

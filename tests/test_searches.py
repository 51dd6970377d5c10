"""Positions of the best, of arrays and by loops: the first of equals and of NaNs, along any axis, short and long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import check

SIZES = (1, 2, 7, 23, 24, 25, 64, 255, 256, 257, 513, 1000)  # one loop up to 23, strips of 256
FINDERS: dict[str, Callable[..., Any]] = {"argmin": np.argmin, "argmax": np.argmax, "min": np.min, "max": np.max}


def values(n: int, dtype: Any, seed: int) -> Any:
    """Numbers of which many are equal; of floats some are infinite or zeros of both signs."""
    g = np.random.default_rng(seed)
    x = g.integers(-20, 20, n)
    if dtype == np.bool_:
        return g.random(n) < 0.02 * (seed % 3)
    if np.issubdtype(dtype, np.integer):
        return (x * 1000).astype(dtype)
    x = x.astype(dtype)
    x[x == 0] = np.where(g.random((x == 0).sum()) < 0.5, -0.0, 0.0)
    x[np.abs(x) == 20] *= np.inf
    return x


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int32, np.bool_])
@pytest.mark.parametrize("name", FINDERS)
def test_of_one_axis(name: str, dtype: Any) -> None:
    f = FINDERS[name]
    native = lj.jit(lambda x: f(x))
    for seed, n in enumerate(SIZES):
        x = values(n, dtype, seed)
        assert native(x) == f(x), n
        assert native(np.full(n, x[0])) == f(np.full(n, x[0])), n


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ["argmin", "argmax"])
def test_the_first_nan_is_the_best(name: str, dtype: Any) -> None:
    f = FINDERS[name]
    native = lj.jit(lambda x: f(x))
    g = np.random.default_rng(0)
    for n in SIZES:
        for places in [(0,), (n - 1,), (n // 2, n - 1), tuple(g.integers(0, n, 3))]:
            x = values(n, dtype, n)
            x[list(places)] = np.nan
            assert native(x) == min(places), (n, places)
        assert native(np.full(n, np.nan, dtype)) == 0
        for worst in (np.inf, -np.inf):
            assert native(np.full(n, worst, dtype)) == 0


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("axis", [0, 1, 2, None, (0, 2), (0, 1)])
def test_of_each_axis(axis: Any, dtype: Any) -> None:
    """What lies side by side in memory may be compared, or belong to different positions."""
    finders = FINDERS if not isinstance(axis, tuple) else {n: FINDERS[n] for n in ("min", "max")}
    for shape in [(3, 5, 2), (30, 1, 40), (2, 300, 3), (1, 7, 600)]:
        x = values(int(np.prod(shape)), dtype, 5).reshape(shape)
        y = x.copy()
        if dtype != np.int64:
            y[0, 0, 0] = y[-1, -1, -1] = y[1 % shape[0], 0, 1] = np.nan
        for name, f in finders.items():
            for data in (x, y):
                assert np.array_equal(lj.jit(lambda x, f=f: f(x, axis=axis))(data), f(data, axis=axis), equal_nan=dtype != np.int64), name
                turned = data.transpose(2, 0, 1)[::-1]
                assert np.array_equal(lj.jit(lambda x, f=f: f(x, axis=axis))(turned), f(turned, axis=axis), equal_nan=dtype != np.int64), (
                    name
                )


@pytest.mark.parametrize("axis", [0, 1, None, (0, 1)])
def test_derivatives_go_to_the_best(axis: Any) -> None:
    x = np.random.default_rng(1).permutation(900).reshape(30, 30) / 100
    check(lambda x: np.sum(np.sin(np.max(x, axis=axis)) * np.min(x + x * x, axis=axis)), (x,))
    ties = np.ones((3, 40))
    first = np.zeros((3, 40))
    first[:, 0] = 1
    assert np.array_equal(lj.jit(lj.grad(lambda x: np.sum(np.max(x, axis=1))))(ties), first)


@pytest.mark.parametrize("n", SIZES)
def test_of_computed_elements(n: int) -> None:
    """They are computed once, and kept for the second look."""
    x = np.random.default_rng(n).normal(size=n)

    def nearest(x: Any, y: Any) -> Any:
        return np.argmin(np.abs(x - y) + np.exp(-x))

    x[n // 2 :: 7] = np.nan
    for data in (x, np.nan_to_num(x)):
        assert lj.jit(nearest)(data, 0.3) == nearest(data, 0.3)


def greatest(x: Any, low: Any) -> Any:
    best, at = low, -1
    for i in range(len(x)):
        if x[i] > best:
            best, at = x[i], i
    return at, best


def least_of_rows(x: Any, low: Any) -> Any:
    found = np.zeros(len(x), int)
    for i in range(len(x)):
        best, at = low, -1
        for j in range(x.shape[1]):
            if x[i, j] < best:
                best, at = x[i, j], j
        found[i] = at
    return found


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", SIZES)
def test_by_loops(n: int, dtype: Any) -> None:
    """Where a loop compares, a NaN is never better; nor is anything than a start that is NaN."""
    x = values(n, dtype, n)
    y = x.copy()
    y[:: max(2, n // 5)] = np.nan
    native, rows = lj.jit(greatest), lj.jit(least_of_rows)
    for data in (x, y, np.full(n, -np.inf, dtype), np.full(n, np.nan, dtype)):
        for low in (-np.inf, -1.0, 100.0, np.nan):
            low = dtype(low)
            at, best = native(data, low)
            expected, value = greatest(data, low)
            assert at == expected
            assert np.array_equal(best, value, equal_nan=True)
            pair = np.stack([data, data[::-1]])
            assert np.array_equal(rows(pair, dtype(-low)), least_of_rows(pair, dtype(-low)))


def test_by_threads() -> None:
    """Rows and columns are searched in parts, each of which knows where it begins."""
    x = values(400_000, np.float64, 3).reshape(4000, 100)
    for axis in (0, 1):
        f = lambda x, axis=axis: (np.argmin(x, axis=axis), np.max(x * 2, axis=axis), np.nanmin(x, axis=axis))  # noqa: E731
        native = lj.jit(f, threads=3)
        for data in (x, np.ascontiguousarray(x[::-1])):
            for found, expected in zip(native(data), f(data), strict=True):
                assert np.array_equal(found, expected)
        assert any("parts of axis" in how for how in native.inspect(x).parallel.values())


@pytest.mark.parametrize(
    ("cpu", "kind", "lanes"),
    [
        ("znver4", "v8", "8"),
        ("x86-64-v4", "v4", "4"),
        ("x86-64-v3", "v4", "4"),
        ("x86-64", "v2", "2"),
        ("neoverse-v1", "nxv2", "vscale x 2"),
    ],
)
def test_vectors_of_each_cpu(cpu: str, kind: str, lanes: str) -> None:
    """Rows are compared by vectors, and columns side by side: no comparison waits for the one before it."""
    x = np.zeros((50, 60))
    rows = lj.jit(lambda x: np.argmin(x, axis=1)).inspect(x, target=cpu).llvm_optimized
    assert f"@llvm.minnum.{kind}f64" in rows
    assert f"@llvm.vector.reduce.smin.{kind}i64" in rows
    columns = lj.jit(lambda x: np.argmin(x, axis=0)).inspect(x, target=cpu).llvm_optimized
    assert f"fcmp olt <{lanes} x double>" in columns


# ---- sorts
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int32, np.bool_])
def test_sorts(dtype: Any) -> None:
    """Few elements are counted and merged, many go through buckets; equals keep their order."""
    native, values_of = lj.jit(lambda x: (np.argsort(x), np.sort(x))), lj.jit(lambda x: np.sort(x, axis=0))
    for n in (0, 1, 2, 15, 16, 17, 31, 33, 100, 255, 599, 600, 601, 2000):
        x = values(n, dtype, n)
        if np.issubdtype(dtype, np.floating) and n > 20:
            x[[1, n // 2, n - 1]] = np.nan
        elif dtype == np.int64 and n > 20:
            x[::5] *= 2**40
            x[[0, n - 1]] = 2**63 - 1, -(2**63)
        order, ordered = native(x)
        assert np.array_equal(order, np.argsort(x, kind="stable")), n
        assert np.array_equal(ordered, np.sort(x), equal_nan=np.issubdtype(dtype, np.floating)), n
        assert np.array_equal(np.signbit(ordered), np.signbit(x[np.argsort(x, kind="stable")])), n
        rows = np.stack([x, x[::-1], np.roll(x, 3)])
        assert np.array_equal(native(rows)[0], np.argsort(rows, kind="stable"))
        assert np.array_equal(values_of(rows), np.sort(rows, axis=0), equal_nan=np.issubdtype(dtype, np.floating))


@pytest.mark.parametrize("place", range(8))
def test_one_that_differs(place: int) -> None:
    """All of the others have the same digit there."""
    for n in (20, 700):
        for at in (0, n // 2, n - 1):
            x = np.zeros(n, int)
            x[at] = 1 << (8 * place)
            assert np.array_equal(lj.jit(lambda x: np.argsort(x))(x), np.argsort(x, kind="stable"))
            assert np.array_equal(lj.jit(lambda x: np.argsort(x))(-x), np.argsort(-x, kind="stable"))


@pytest.mark.parametrize("n", [40, 700])
def test_derivatives_of_sorts(n: int) -> None:
    x = np.random.default_rng(n).permutation(n) / 10.0
    check(lambda x: np.sum(np.sort(x) * np.cos(np.arange(len(x)) * 1.0)) * np.median(x), (x,), order=1 if n > 100 else 2)


def test_binary_search() -> None:
    """Of arrays of any length, also one that is known and one without elements; among equals before or behind them."""
    g = np.random.default_rng(2)
    for dtype in (np.float64, np.float32, np.int64):
        v = values(300, dtype, 1)
        left, right = (lj.jit(lambda a, v, side=side: np.searchsorted(a, v, side)) for side in ("left", "right"))
        for n in (0, 1, 2, 3, 7, 8, 50, 1000):
            a = np.sort(values(n, dtype, n))
            if dtype != np.int64:
                v[:3] = np.nan
                a[n - n // 10 :] = np.nan
            assert np.array_equal(left(a, v), np.searchsorted(a, v)), n
            assert np.array_equal(right(a, v), np.searchsorted(a, v, "right")), n
    edges = np.sort(g.normal(size=5))
    known = lj.jit(lambda v: (np.searchsorted(np.array([-1.0, 0.0, 0.0, 2.0]), v), np.digitize(v, [0.0, 1.0, 5.0]), np.histogram(v, 7)[0]))
    x = g.integers(-3, 6, 200) * 1.0
    for found, expected in zip(
        known(x), (np.searchsorted([-1.0, 0.0, 0.0, 2.0], x), np.digitize(x, [0.0, 1.0, 5.0]), np.histogram(x, 7)[0]), strict=True
    ):
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)
    assert lj.jit(lambda v: np.searchsorted(edges, v))(edges[2]) == 2


@pytest.mark.parametrize("n", [2, 3, 15, 17, 20, 33])
def test_sorts_of_numbers(n: int) -> None:
    """So many, as is known while the code is made."""
    x = np.random.default_rng(n).integers(0, 9, n) * 1.0
    order, ordered = lj.jit(lambda *xs: (np.argsort(np.stack(xs)), np.sort(np.array(xs))))(*x)
    assert np.array_equal(order, np.argsort(x, kind="stable"))
    assert np.array_equal(ordered, np.sort(x))

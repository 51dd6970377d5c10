"""Elements that a loop writes under a condition: written on both paths where that is safe, so that the loop can be replayed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import check


def shortest(d: Any) -> Any:
    d = d.copy()
    n = d.shape[0]
    for k in range(n):
        for i in range(n):
            for j in range(n):
                if d[i, k] + d[k, j] < d[i, j]:
                    d[i, j] = d[i, k] + d[k, j]
    return np.sum(np.sin(d))


def knapsack(values: Any, weights: Any, capacity: int) -> Any:
    best = np.zeros(capacity + 1)
    for i in range(len(weights)):
        for k in range(capacity, weights[i] - 1, -1):
            if best[k - weights[i]] + values[i] > best[k]:
                best[k] = best[k - weights[i]] + values[i]
    return np.sum(best * best)


def bubbles(x: Any) -> Any:
    y = x.copy()
    for i in range(len(y)):
        for j in range(len(y) - 1 - i):
            if y[j] > y[j + 1]:
                y[j], y[j + 1] = y[j + 1], y[j]
    return np.sum(y * np.arange(len(y)))


def same_place_twice(x: Any, a: Any, b: Any) -> Any:
    """The places of the two writes may be one."""
    y = x.copy()
    for i in range(len(a)):
        p, q = a[i], b[i]
        if y[p] > y[q]:
            y[p] = 0.5 * y[q]
            y[q] = y[p] + 1.0
        else:
            y[q] = y[q] * y[p]
    return np.sum(y**2)


def clipped(x: Any, low: Any) -> Any:
    y = x * x
    for i in range(len(y)):
        if y[i] < low:
            y[i] = low * x[i]
    return np.sum(y * y)


def overflowing(x: Any) -> Any:
    """On the path that is not taken the value is infinite, and must stay out of derivatives."""
    y = x * 1e200
    for i in range(len(y)):
        if y[i] < 1e100:
            y[i] = y[i] * y[i] * 1e-250
    return np.sum(y) * 1e-200


G = np.random.default_rng(5)
D = G.permutation(49).reshape(7, 7) / 7 + 0.1
PLACES = (np.array([0, 1, 2, 3, 1, 0]), np.array([1, 1, 0, 3, 2, 2]))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values(dtype: Any) -> None:
    x = (G.permutation(9) / 4 + 0.3).astype(dtype)
    for f, args in (
        (shortest, (D.astype(dtype),)),
        (knapsack, (x, np.array([3, 1, 4, 2, 5, 1, 2, 6, 3]), 12)),
        (bubbles, (x,)),
        (same_place_twice, (x, *PLACES)),
        (clipped, (x, dtype(1.1))),
    ):
        assert np.allclose(lj.jit(f)(*args), f(*args), rtol=1e-5 if dtype == np.float32 else 1e-12), f.__name__


def test_derivatives() -> None:
    x = G.permutation(9) / 4 + 0.3
    check(shortest, (D,), rtol=1e-6)
    check(knapsack, (x, np.array([3, 1, 4, 2, 5, 1, 2, 6, 3]), 12), rtol=1e-6)
    check(bubbles, (x,), rtol=1e-6)
    check(same_place_twice, (x, *PLACES), rtol=1e-6)
    check(clipped, (x, 1.13), argnums=(0, 1), rtol=1e-6)


def test_nothing_infinite_comes_from_the_other_path() -> None:
    gradient = lj.jit(lj.grad(overflowing))(np.array([1.0, 2.0, 1e-150, 3.0]))
    assert np.isfinite(gradient).all()
    assert np.allclose(gradient[[0, 1, 3]], 1.0)


@pytest.mark.parametrize(("f", "args"), [(shortest, (D,)), (bubbles, (D[0],))])
def test_the_loop_is_replayed(f: Any, args: Any) -> None:
    """It keeps what it writes over, and no frame for each iteration."""
    policies = lj.jit(lj.grad(f)).inspect(*args).policies
    assert list(policies.values())[-1] == "replay"


def test_arguments_are_written_only_where_the_condition_holds() -> None:
    def f(x: Any, low: Any) -> Any:
        for i in range(len(x)):
            if x[i] < low:
                x[i] = low
        return np.sum(x)

    x = np.arange(6.0)
    x.flags.writeable = False
    assert lj.jit(f)(x, -1.0) == 15.0
    with pytest.raises(ValueError, match="read-only"):
        lj.jit(f)(x, 1.0)
    y = np.arange(6.0)
    assert lj.jit(f)(y, 2.0) == 18.0
    assert list(y) == [2, 2, 2, 3, 4, 5]

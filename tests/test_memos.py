"""functools.cache and lru_cache: what they remember while a function is traced is what every path to the next call has computed."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import both, check, close


def matrix_chain(dims: list[float]) -> Any:
    @functools.cache
    def best(i: int, j: int) -> Any:
        if i == j:
            return 0.0
        return min(best(i, k) + best(k + 1, j) + dims[i] * dims[k + 1] * dims[j + 1] for k in range(i, j))

    return best(0, len(dims) - 2)


def under_conditions(x: float) -> Any:
    @functools.cache
    def fib(n: int) -> Any:
        if n < 2:
            return x * n
        r = fib(n - 1) + fib(n - 2)
        if r > 50.0:
            return r * 0.5
        return r

    s = 0.0
    if x > 1:
        s = fib(7)
    for i in range(3):
        s += fib(i + 6)
    while s < 2000:
        s += fib(8) + 10
    return s + fib(9)


class Tree:
    def __init__(self, w: Any) -> None:
        self.w = w

    @functools.cache  # noqa: B019
    def value(self, i: int, j: int) -> Any:
        if i > j:
            return 0.0
        return max(self.value(i, k - 1) * 0.5 + self.value(k + 1, j) + self.w[k] for k in range(i, j + 1))


def method(w: Any) -> Any:
    return Tree(w).value(0, 3)


@functools.lru_cache
def binomial(n: int, k: int) -> int:
    return 1 if k in (0, n) else binomial(n - 1, k - 1) + binomial(n - 1, k)


def of_plain_numbers(x: float) -> Any:
    return sum(binomial(6, k) * x**k * (1 - x) ** (6 - k) * math.sin(k) for k in range(7))


@pytest.mark.parametrize("x", [1.3, 0.7])
@pytest.mark.parametrize("f", [under_conditions, of_plain_numbers])
def test_scalars(f: Any, x: float) -> None:
    check(f, (x,))
    for value in both(f, x).values():
        close(value, f(x))


def test_lists_and_arrays() -> None:
    dims = [10.0, 30.0, 5.0, 60.0, 8.0]
    w = np.array([1.0, 3.0, 2.0, 0.5])
    for f, x in ((matrix_chain, dims), (matrix_chain, np.array(dims)), (method, w)):
        for value, gradient in both(lambda x, f=f: (f(x), lj.grad(f)(x)), x).values():
            close(value, f(x))
            for i in range(len(x)):
                up, down = np.array(x), np.array(x)
                up[i] += 1e-5
                down[i] -= 1e-5
                close(gradient[i], (f(up) - f(down)) / 2e-5, rtol=1e-6, atol=1e-6)


def test_a_result_is_computed_once_and_python_remembers_nothing_of_it() -> None:
    def f(x: float) -> Any:
        @functools.cache
        def paths(i: int, j: int) -> Any:
            return x if i == 0 or j == 0 else paths(i - 1, j) + paths(i, j - 1)

        return paths(8, 8)

    close(lj.jit(f)(1.5), 1.5 * math.comb(16, 8))
    assert lj.jit(f).inspect(1.5).graph.count("add(") <= 64
    tree = Tree(np.array([1.0, 2.0]))
    close(lj.jit(lambda x: Tree(x).value(0, 1))(np.array([3.0, 4.0])), 7.0)
    close(lj.jit(lambda x: tree.value(0, 1) * x)(2.0), 2.0 * tree.value(0, 1))


def test_caches_that_are_made_anew_remember_nothing_of_one_another() -> None:
    def f(x: float) -> float:
        out = 0.0
        for c in (1.0, 2.0, 3.0, 4.0):

            @functools.cache
            def g(n: int) -> float:
                return c * n if n < 2 else g(n - 1) + g(n - 2)  # noqa: B023

            out += g(4) * x
        return out

    assert lj.jit(f)(1.5) == f(1.5)

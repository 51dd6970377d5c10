"""Loops whose reverse pass writes adjoint arrays first: only where that is right, and then without zeros before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import both, close


def squares(x: Any) -> Any:
    s = 0.0
    for i in range(len(x)):
        s += x[i] * x[i]
    return s


def inner(x: Any) -> Any:
    s = 0.0
    for i in range(1, len(x) - 1):
        s += np.sin(x[i]) * x[i]
    return s


def two_passes(x: Any) -> Any:
    largest = x[0]
    for i in range(len(x)):
        if x[i] > largest:
            largest = x[i]
    s = 0.0
    for i in range(len(x)):
        s += np.exp(x[i] - largest)
    return largest + np.log(s)


def both_arrays(x: Any) -> Any:
    y = np.zeros(len(x))
    for i in range(len(x)):
        y[i] = 2.0 * x[i]
    s = 0.0
    for i in range(len(x)):
        s += x[i] * y[i]
    return s


def sometimes(x: Any) -> Any:
    s = 0.0
    for i in range(len(x)):
        if i % 2 == 0:
            s += x[i] ** 3
    return s


def under_a_branch(x: Any) -> Any:
    s = 0.0
    if x[0] > 100.0:
        for i in range(len(x)):
            s += x[i] * x[i]
    return s


def again_and_again(x: Any) -> Any:
    s = 0.0
    for _ in range(len(x)):
        for i in range(len(x)):
            s += x[i] * x[i]
    return s


def used_afterwards(x: Any) -> Any:
    s = 0.0
    for i in range(len(x)):
        s += x[i] * x[i]
    return s * x[1]


def neighbours(x: Any) -> Any:
    s = 0.0
    for i in range(len(x) - 1):
        s += x[i] * x[i + 1]
    return s


def from_the_end(x: Any) -> Any:
    s = 0.0
    for i in range(-3, 0):
        s += x[i] * x[i] * (i + 5)
    return s


def leaves_early(x: Any) -> Any:
    s = 0.0
    for i in range(len(x)):
        s += x[i] * x[i]
        if s > 1.0:
            break
    return s


def other_limit(x: Any, n: int) -> Any:
    s = 0.0
    for i in range(n):
        s += x[i] * x[i]
    return s


def middle(x: Any) -> Any:
    s = 0.0
    for i in range(len(x) // 3, len(x)):
        s += x[i] * x[i]
    return s


def counts_large(x: Any) -> Any:
    """The last read of an element has no derivative."""
    y = np.zeros(len(x))
    c = 0.0
    for i in range(len(x)):
        y[i] = x[i] * x[i]
        if x[i] > 0.35:
            c += 1.0
    s = 0.0
    for i in range(len(x)):
        s += y[i]
    return s * c


def only_compares(x: Any) -> Any:
    c = 0.0
    for i in range(len(x)):
        if x[i] > 0.0:
            c += 1.0
    return c


def kernel_in_the_loop(x: Any) -> Any:
    s = 0.0
    for i in range(len(x)):
        s += x[i] * np.sum(x * x)
    return s


def kernel_afterwards(x: Any) -> Any:
    s = 0.0
    for i in range(len(x)):
        s += x[i] * x[i]
    return s * np.sum(x * x * x)


def product(x: Any) -> Any:
    """A loop that stays one."""
    p = 1.0
    for i in range(1, len(x)):
        p *= x[i]
    return p


FIRST = [squares, inner, two_passes, both_arrays, counts_large, middle, kernel_in_the_loop, kernel_afterwards, product]
NOT_FIRST = [
    only_compares,
    sometimes,
    under_a_branch,
    again_and_again,
    used_afterwards,
    neighbours,
    from_the_end,
    leaves_early,
]
X = np.array([0.3, -0.7, 1.1, 0.4, -0.2])


@pytest.mark.parametrize("checkpoint", [None, 2, "replay", "recursion"], ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("f", [*FIRST, *NOT_FIRST])
def test_gradients(f: Any, dtype: Any, checkpoint: Any) -> None:
    x = X.astype(dtype)
    native = lj.jit(lj.grad(f), checkpoint=checkpoint)
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    expected = lj.grad(f)(x)
    for _ in range(3):  # memory of earlier calls is used again, and is not zero
        found = native(x)
        close(found, expected, rtol=tolerance, atol=tolerance)
        found[:] = np.nan
        del found


@pytest.mark.parametrize("f", [*FIRST, *NOT_FIRST])
def test_against_differences(f: Any) -> None:
    lj.check_grads(f, (X,), order=2)


@pytest.mark.parametrize(("f", "first"), [*((f, True) for f in FIRST), *((f, False) for f in NOT_FIRST)])
def test_where_it_is_done(f: Any, first: bool) -> None:
    llvm = lj.jit(lj.grad(f)).inspect(X).llvm
    assert (".fresh(" in llvm or ".covered(" in llvm) == first


def test_a_replayed_loop_does_it() -> None:
    assert "@op.load.f64.first" in lj.jit(lj.grad(product)).inspect(X).llvm


@pytest.mark.parametrize("n", [0, 1, 3, 5])
def test_what_the_loop_does_not_reach_is_zero(n: int) -> None:
    native = lj.jit(lj.grad(other_limit))
    big = np.full(20_000, 0.5)
    for x in (X, big, X, big):
        expected = np.zeros_like(x)
        expected[:n] = 2 * x[:n]
        close(native(x, n), expected)
    with pytest.raises(IndexError):
        native(X, 6)


def test_zero_length_and_short_arrays() -> None:
    for f in (squares, inner):
        for n in range(4):
            x = np.arange(1.0, n + 1)
            close(lj.jit(lj.grad(f))(x), lj.grad(f)(x))


def test_one_array_twice() -> None:
    def dot(x: Any, y: Any) -> Any:
        s = 0.0
        for i in range(len(x)):
            s += x[i] * y[i]
        return s

    close(both(lj.grad(dot, (0, 1)), X, X)["native"], (X, X))
    close(both(lj.grad(lambda x: dot(x, x)), X)["native"], 2 * X)
    close(lj.jit(lj.hvp, static_argnums=0)(lambda x: dot(x, x), (X,), (np.ones(5),)), np.full(5, 2.0))


# ---- updates
def eliminate(a: Any) -> Any:
    n = len(a)
    u = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            u[i, j] = a[i, j]
    s = 0.0
    for k in range(n):
        s += np.log(abs(u[k, k]))
        for i in range(k + 1, n):
            factor = u[i, k] / u[k, k]
            for j in range(k, n):
                u[i, j] = u[i, j] - factor * u[k, j]
    return s


def test_an_update_reads_its_element_last() -> None:
    a = np.array([[4.0, 1.0, 0.5], [1.0, 5.0, -1.0], [0.3, 0.2, 3.0]])
    native = lj.jit(lj.grad(eliminate))
    close(native(a), np.linalg.inv(a).T)
    lj.check_grads(eliminate, (a,), order=2)
    graph = native.inspect(a).graph
    update = graph[graph.index("store(", graph.index(" sub(") - 400) - 400 :]
    lines = [line for line in graph.splitlines() if "= sub(" in line]
    assert lines
    assert "load(" in graph.splitlines()[graph.splitlines().index(lines[-1]) - 1], update


def test_equal_operations_are_done_once() -> None:
    graph = lj.jit(lambda x, i: x[i] * x[i] + np.sin(x[i]) * np.sin(x[i])).inspect(X, 1).graph
    assert graph.count(" load(") == 1
    assert graph.count(" sin(") == 1


def test_a_store_between_two_loads() -> None:
    def f(x: Any) -> Any:
        y = np.zeros(2)
        y[0] = x
        a = y[0]
        y[0] = a * x
        return a + y[0] * x

    close(both(f, 3.0)["native"], 3.0 + 27.0)
    close(both(lj.grad(f), 3.0)["native"], 1.0 + 27.0)


def test_a_branch_uses_what_was_read_before_it() -> None:
    """The arm of the search for a maximum is then empty, and the loop has no branch: it is a kernel."""
    graph = lj.jit(two_passes).inspect(X).graph
    assert "argmost" in graph
    assert graph.count(" load(") == 1


def test_a_call_ends_what_loads_know() -> None:
    def fill(n: int, a: Any, v: Any) -> Any:
        if n <= 0:
            return 0.0
        a[n - 1] = v
        return fill(n - 1, a, v)

    def f(v: Any) -> Any:
        a = np.zeros(3)
        first = a[0]
        fill(3, a, v)
        return first + a[0] * a[0]

    close(both(f, 3.0)["native"], 9.0)
    close(both(lj.grad(f), 3.0)["native"], 6.0)

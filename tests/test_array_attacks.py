"""Whole-array programs that were once wrong, or that attack what the compiler leaves out: zeros of adjoints, fills, copies.

Each runs twice natively, so that memory is not fresh, and must agree with the interpreter and with finite differences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import both

X = np.array([0.5, 1.0, 1.5])


def read_in_a_loop(x: Any, k: int) -> Any:
    y = np.exp(x)
    s = 0.0
    for _ in range(k):
        s += np.sum(y * y)
    return s


def read_in_a_branch(x: Any, k: int) -> Any:
    y = np.exp(x)
    s = x[0]
    if k > 2:
        s = np.sum(y * y)
    return s


def added_in_a_loop(x: Any, k: int) -> Any:
    y, z = np.exp(x), np.zeros(3)
    for i in range(k):
        z += y * i
    return np.sum(z * z)


def last_used_without_a_derivative(x: Any, k: int) -> Any:
    y = np.exp(x)
    return np.sum(y[1:] * y[:-1]) * np.sum(y > 2) + np.sum(np.floor(y))


def overlapping_first_writes(x: Any, k: int) -> Any:
    e = np.empty(3)
    e[:] = 2 * x
    e[:2] = x[:2]
    return np.sum(e * e)


def edges_that_share_corners(x: Any, k: int) -> Any:
    v = np.empty((3, 3))
    v[1:-1] = 0
    v[0] = x
    v[-1] = x
    v[:, 0] = x[2]
    return np.sum(v * v)


def rows_by_traced_indices(x: Any, k: int) -> Any:
    e = np.empty((4, 3))
    e[k - 1] = x
    e[k - 1 :] = 2 * x
    e[: k - 1] = x
    return np.sum(e * e)


def written_between_maker_and_reader(x: Any, k: int) -> Any:
    a = x * 1.0
    y = np.sin(a)
    a[0] = 7.0
    z = y + a
    a += z
    return np.sum(y * a) + np.sum(z * z)


def read_after_being_summed(x: Any, k: int) -> Any:
    e = np.exp(x)
    s = np.sum(e)
    p = e / s
    return np.sum(p * p) * s + np.max(e) * np.min(p)


def in_place_where_old_values_matter(x: Any, k: int) -> Any:
    p, y = np.ones(3), np.zeros(3)
    for _ in range(k):
        y += p * x
        p *= x
    return np.sum(y * y) + np.sum(p)


def carried_and_swapped(x: Any, k: int) -> Any:
    a, b = x * 1.0, np.cos(x)
    for _ in range(k):
        a, b = b, a * b
    return np.sum(a * b)


def grows(x: Any, k: int) -> Any:
    y = x
    for _ in range(k):
        y = np.concatenate([y, y[:1] * 0.5])
    return np.sum(y * y)


def leaves_early(x: Any, k: int) -> Any:
    y = x * 1.0
    for i in range(10):
        y = np.sin(y) + x
        if i == k:
            return np.sum(y)
        if np.sum(y) > 5.0:
            break
    return np.prod(y)


def recursion(x: Any, k: int) -> Any:
    def down(y: Any, n: int) -> Any:
        if n == 0:
            return y
        return down(np.tanh(y) * x, n - 1) + y

    return np.sum(down(x, k))


def carried_into_an_inner_loop(x: Any, k: int) -> Any:
    y = np.cos(x)
    s = 0.0
    for _ in range(k):
        for _ in range(2):
            s += np.sum(y * y)
        y = np.sin(y) * x
    return s + np.sum(y)


def carried_and_read_in_an_inner_test(x: Any, k: int) -> Any:
    y = np.exp(x)
    s, t = 0.0, 1.0
    for _ in range(k):
        while (r := np.sum(y * y) * t) > 1.0:
            s += r
            t *= 0.5
        y = x * t + 1.0
        t += 1.0
    return s + np.sum(y)


def carried_and_left_by_break(x: Any, k: int) -> Any:
    y = z = x * 0.5
    for i in range(10):
        z = np.sin(y) + x
        if i == k:
            break
        y = z * 0.9
    return np.sum(y * z)


def carried_and_its_start_used_again(x: Any, k: int) -> Any:
    y = start = np.exp(x)
    for _ in range(k):
        y = y * x + 1.0
    return np.sum(y * start)


def two_carried(x: Any, k: int) -> Any:
    y, p = np.zeros_like(x), np.ones_like(x)
    for i in range(k):
        y = y + p * (i + 1.0)
        p = p * x
    return np.sum(y * y) + np.sum(np.exp(p))


def carried_and_maybe_read(x: Any, k: int) -> Any:
    y = np.tanh(x)
    s = 0.0
    for i in range(k):
        if i % 2 == 0:
            s += np.sum(y * y)
        y = y + x
    return s * y[0]


def written_by_a_callee(x: Any, k: int) -> Any:
    def down(y: Any, n: int) -> Any:
        if n == 0:
            return y[0]
        y += 1.0
        return down(y, n - 1) + y[1]

    z = x * 1.0
    s = np.sum(z * z * z)
    return s + down(z, k) + np.sum(z)


def given_by_a_callee_and_written(x: Any, k: int) -> Any:
    def up(y: Any, n: int) -> Any:
        if n == 0:
            return y * 2.0, 0.0
        z, s = up(y, n - 1)
        return z, s + np.sum(z * z)

    z, s = up(x, k)
    z += 1.0
    return s + np.sum(z)


PROGRAMS: list[Callable[..., Any]] = [
    read_in_a_loop, read_in_a_branch, added_in_a_loop, last_used_without_a_derivative, overlapping_first_writes, edges_that_share_corners,
    rows_by_traced_indices, written_between_maker_and_reader, read_after_being_summed, in_place_where_old_values_matter, carried_and_swapped, grows,
    leaves_early, recursion, carried_into_an_inner_loop, carried_and_left_by_break, carried_and_read_in_an_inner_test, carried_and_its_start_used_again, two_carried, carried_and_maybe_read, written_by_a_callee, given_by_a_callee_and_written,
]  # fmt: skip


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_values_and_gradients(f: Callable[..., Any]) -> None:
    value, gradient = lj.jit(f), lj.jit(lj.grad(f))
    second = lj.jit(lj.grad(lambda x, k: np.sum(lj.grad(f)(x, k) ** 2)))
    d, h = np.array([0.3, -0.7, 0.2]), 1e-6
    for k in (4, 1, 3, 1, 4):
        assert value(X, k) == pytest.approx(f(X, k), rel=1e-13)
        slow = lj.grad(f)(X, k)
        np.testing.assert_allclose(gradient(X, k), slow, rtol=1e-12)
        np.testing.assert_allclose(slow @ d, (f(X + h * d, k) - f(X - h * d, k)) / (2 * h), rtol=1e-7)
        up, down = (np.sum(gradient(X + s * h * d, k) ** 2) for s in (1.0, -1.0))
        np.testing.assert_allclose(second(X, k) @ d, (up - down) / (2 * h), rtol=1e-6, atol=1e-6)


def test_reductions_of_narrow_integers_stay_in_their_memory() -> None:
    n = np.arange(400, dtype=np.int32).reshape(20, 20)
    for f in (lambda n: n.max(0), lambda n: n.min(0), lambda n: n @ n, lambda n: np.sum(n, axis=0)):
        for out in both(f, n).values():
            np.testing.assert_array_equal(out, f(n))
            assert out.dtype == f(n).dtype


def test_a_written_diagonal_is_not_the_whole_array() -> None:
    def f(x: Any) -> Any:
        e = np.empty((3, 3))
        np.einsum("ii->i", e)[:] = x
        return e

    lj.jit(lambda x: np.outer(x, x) + 7)(X)
    np.testing.assert_array_equal(lj.jit(f)(X), np.diag(X))


def test_arrays_of_rank_zero_are_scalars() -> None:
    c = np.array(3.0)
    assert lj.jit(lambda x: x[0] * c)(X) == 1.5
    assert lj.jit(lambda a: a[()] * a.sum())(np.array(2.5)) == 6.25


AGAIN = np.array([-1, 2, -1, 3])


def products_at(a: Any, i: Any) -> Any:
    np.multiply.at(a, i, a)
    np.minimum.at(a, [0, 1], a[1:3])
    np.add.at(a, i, a[::-1] * a)
    return a * np.arange(4.0)


def quotients_at(a: Any, i: Any) -> Any:
    np.divide.at(a, i, a[::-1])
    np.maximum.at(a[1:], i % 3, a[:4])
    return a


@pytest.mark.parametrize("f", [products_at, quotients_at])
def test_what_is_written_at_places_was_read_before(f: Callable[..., Any]) -> None:
    """The values that ufunc.at takes from the array itself are those that it had before."""
    x = np.array([1.5, 2.0, 3.0, 4.0])
    expected = f(x.copy(), AGAIN)
    for found in both(lambda x: f(x.copy(), AGAIN), x).values():
        np.testing.assert_allclose(found, expected, 1e-14)

    def g(x: Any) -> Any:
        return np.sum(f(x * 1.0, AGAIN) ** 2)

    by_differences = [(g(x + e) - g(x - e)) / 2e-6 for e in np.eye(4) * 1e-6]
    np.testing.assert_allclose(lj.jit(lj.grad(g))(x), by_differences, 1e-6)


def test_indices_that_are_written_themselves() -> None:
    def f(i: Any) -> Any:
        np.multiply.at(i, i, 2)
        np.maximum.at(i, i % 4, i)
        np.negative.at(i, i % 4)
        return i

    i = np.array([1, 2, 3, 0])
    for found in both(lambda i: f(i.copy()), i).values():
        np.testing.assert_array_equal(found, f(i.copy()))

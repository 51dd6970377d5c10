"""Arrays of constants, which compiled code never writes: what a program captures, under whatever name it comes to be written. What it
computes of constants is its own, and written like other arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import roots_legendre

import lantern_jit as lj

from .support import Function, close

TABLE = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
X = np.array([0.31, 0.52, -0.23, 0.71, 0.14])
N = 6


# ---- refused
def an_element(x: Any, n: int) -> Any:
    c = TABLE
    c[0] = c[0] + 1.0
    return np.sum(c) * x[0]


def an_element_in_a_loop(x: Any, n: int) -> Any:
    c = TABLE
    for _ in range(n):
        c[0] = c[0] + 1.0
    return np.sum(c) * x[0]


def what_a_loop_comes_back_with(x: Any, n: int) -> Any:
    c = x.copy()
    for _ in range(n):
        c[0] = c[0] + 1.0
        c = TABLE
    return np.sum(c) * x[0]


def all_of_it(x: Any, n: int) -> Any:
    c = TABLE
    c += 1.0
    return np.sum(c) * x[0]


def sorted_in_place(x: Any, n: int) -> Any:
    TABLE.sort()
    return TABLE[0] * x[0]


def filled(x: Any, n: int) -> Any:
    TABLE.fill(2.0)
    return TABLE[0] * x[0]


def out(x: Any, n: int) -> Any:
    np.multiply(TABLE, 2.0, out=TABLE)
    return TABLE[0] * x[0]


def copied_to(x: Any, n: int) -> Any:
    np.copyto(TABLE, 2.0)
    return TABLE[0] * x[0]


REFUSED = [an_element, an_element_in_a_loop, what_a_loop_comes_back_with, all_of_it, sorted_in_place, filled, out, copied_to]  # fmt: skip


@pytest.mark.parametrize("f", REFUSED, ids=lambda f: f.__name__)
def test_compiled_code_does_not_write_constants(f: Function) -> None:
    before = TABLE.copy()
    with pytest.raises(lj.errors.UnsupportedOperationError, match=r"writes to a captured array.*copy it first"):
        lj.jit(f)(X, N)
    assert np.array_equal(TABLE, before)


# ---- what the trace has made itself
def computed(x: Any, n: int) -> Any:
    c = TABLE * 2.0
    c[0] = 3.0
    c[1:] += c[0]
    c *= 2.0
    return np.sum(c) * x[0]


def computed_in_the_loop(x: Any, n: int) -> Any:
    total = 0.0
    for i in range(n):
        c = np.where(TABLE > 0.2, TABLE, 0.0)
        c[0] = 3.0
        total += np.sum(c) * x[0] * i
    return total


def a_row_of_what_is_computed(x: Any, n: int) -> Any:
    c = np.sort(TABLE)[::-1]
    c[0] = 3.0
    return np.sum(c * x)


def given_by_a_library(x: Any, n: int) -> Any:
    r, w = roots_legendre(5)
    r[0] = 0.5
    return np.sum(r * w) * x[0]


def computed_before_a_loop(x: Any, n: int) -> Any:
    c = TABLE * 2.0
    for _ in range(n):
        c[0] = c[0] + 1.0
    return np.sum(c) * x[0]


def computed_before_a_condition(x: Any, n: int) -> Any:
    c = TABLE * 2.0
    if x[0] > 5.0:
        c[0] = 100.0
    return np.sum(c) * x[0]


def computed_before_a_loop_that_adds(x: Any, n: int) -> Any:
    c = TABLE * 2.0
    for _ in range(n):
        c += 1.0
    return np.sum(c) * x[0]


def a_value_of_the_program(x: Any, n: int) -> Any:
    c = TABLE[1:] * 2.0
    c[0], c[n - 4] = x[0], x[1]
    return np.sum(c * c)


def on_lines_of_their_own(x: Any, n: int) -> Any:
    q, r = np.linalg.qr(np.outer(TABLE, TABLE) + np.eye(5))
    d, e = TABLE - 1.0, np.cumsum(TABLE)
    q[0, n - 4] = x[0]
    r += x
    d.fill(x[1])
    np.multiply(e, x[2], out=e)
    return np.sum(q @ r) * np.sum(d * e)


def written_after_it_is_read(x: Any, n: int) -> Any:
    c = TABLE * 2.0
    y = c * x
    c[0] = 5.0
    return np.sum(y) + c[0] * x[1]


def an_element_written_after_it_is_read(x: Any, n: int) -> Any:
    c = TABLE * 2.0
    y = c[n - 4] * x[0]
    c += 1.0
    return y * c[n - 4]


def by_another_name(x: Any, n: int) -> Any:
    c = TABLE * 2.0
    v = c[::-1]
    if x[0] > 0.0:
        v[0] = x[1]
    return np.sum(c * x)


def names_that_swap(x: Any, n: int) -> Any:
    a, b = TABLE * 2.0, TABLE * 3.0
    for i in range(n - 1):
        a, b = b, a
        a[i] += x[i]
    return np.sum(a * a * b)


def copies(x: Any, n: int) -> Any:
    c, d = TABLE.copy(), (TABLE * 2.0).copy()
    for _ in range(n):
        c[0] = c[0] + 1.0
        d += c
    return np.sum(d) * x[0]


OWN = [computed, computed_in_the_loop, a_row_of_what_is_computed, given_by_a_library, computed_before_a_loop, computed_before_a_condition,
       computed_before_a_loop_that_adds, a_value_of_the_program, on_lines_of_their_own, written_after_it_is_read,
       an_element_written_after_it_is_read, by_another_name, names_that_swap, copies]  # fmt: skip


@pytest.mark.parametrize("f", OWN, ids=lambda f: f.__name__)
def test_its_own_arrays_are_written(f: Function) -> None:
    expected = f(X, N)
    g = lj.jit(f)
    for _ in range(2):
        close(g(X, N), expected)
    close(lj.jit(lj.grad(f))(X, N), np.array([(f(X + e, N) - f(X - e, N)) / 2e-6 for e in np.eye(5) * 1e-6]), 1e-7)


RESULTS = [
    lambda x: TABLE * 2.0,
    lambda x: np.sort(TABLE)[::-1],
    lambda x: TABLE > 0.2,
    lambda x: TABLE[[0, 2]],
    lambda x: lj.grad(lambda x: (x * x, TABLE * 2.0), has_aux=True)(x)[1],
]


@pytest.mark.parametrize("f", RESULTS)
def test_a_result_is_another_array_in_each_call(f: Function) -> None:
    """It was one array for all calls: what a caller wrote into it came back from the next."""
    g = lj.jit(f)
    for _ in range(2):
        found = g(1.0)
        close(found, f(1.0))
        found.fill(9.0)


# ---- views that come back to the head of a loop by another name
def a_view_by_another_name(x: Any, n: int) -> Any:
    b, c, a = 0.5 * x, x.copy(), x.copy()
    for _ in range(7):
        for _ in range(n):
            a = b[::-1]
        c[1] = 3.0
        c = a
    return np.sum(b * x)


def a_view_on_one_path(x: Any, n: int) -> Any:
    b, c = 0.5 * x, x.copy()
    for _ in range(7):
        a = b[::-1] if x[0] > 0.1 else 2.0 * x
        c[1] = 3.0
        c = a
    return np.sum(b * x)


def a_column(x: Any, n: int) -> Any:
    b, c, a = np.outer(x, x), x.copy(), x.copy()
    for _ in range(n):
        a = b[:, 1]
    for _ in range(n):
        c[1] = 3.0
        c = a
    return np.sum(b)


@pytest.mark.parametrize("f", [a_view_by_another_name, a_view_on_one_path, a_column], ids=lambda f: f.__name__)
def test_a_copy_of_a_view_is_not_written(f: Function) -> None:
    """It gave the value without the write."""
    with pytest.raises(lj.errors.UnsupportedOperationError, match="copy it where it is made"):
        lj.jit(f)(X, N)

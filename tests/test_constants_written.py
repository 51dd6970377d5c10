"""Arrays of constants, which compiled code never writes: what a program captures, under whatever name it comes to be written, and what it
computes of constants, outside of the loop or the condition that writes."""

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


REFUSED = [an_element, an_element_in_a_loop, what_a_loop_comes_back_with, all_of_it, sorted_in_place, filled, out, copied_to,
           computed_before_a_loop, computed_before_a_condition, computed_before_a_loop_that_adds]  # fmt: skip


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


def copies(x: Any, n: int) -> Any:
    c, d = TABLE.copy(), (TABLE * 2.0).copy()
    for _ in range(n):
        c[0] = c[0] + 1.0
        d += c
    return np.sum(d) * x[0]


@pytest.mark.parametrize(
    "f", [computed, computed_in_the_loop, a_row_of_what_is_computed, given_by_a_library, copies], ids=lambda f: f.__name__
)
def test_its_own_arrays_are_written(f: Function) -> None:
    expected = f(X, N)
    g = lj.jit(f)
    for _ in range(2):
        close(g(X, N), expected)
    close(lj.jit(lj.grad(f))(X, N), np.array([(f(X + e, N) - f(X - e, N)) / 2e-6 for e in np.eye(5) * 1e-6]), 1e-7)


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
    with pytest.raises(lj.errors.UnsupportedOperationError, match="copy it first"):
        lj.jit(f)(X, N)

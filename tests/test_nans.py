"""jit(f, nans="raise") names the line, the expression and the variable where the first NaN appears, in values and in derivatives."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.errors import NotANumberError

from .lowered import lowered
from .support import close, first

KNOWS_EXPRESSIONS = sys.version_info >= (3, 11)


# ---- programs, whose NaN appears in the line that ends in a comment
def in_a_loop(x, n):
    total = 0.0
    for i in range(n):
        y = np.sqrt(x[i % len(x)] - 2.0 * i)  # here
        total += y * n
    return total


def in_a_kernel(x, n):
    shifted = x - 2.0
    return np.sum(np.log(shifted) * n)  # here


def written(x, n):
    out = np.zeros(len(x))
    for i in range(len(x)):
        out[i] = np.arcsin(x[i] + 0.7)  # here
    return out[0] + n


def helper(a):
    quotient = (a - a) / (a - a)  # here
    return quotient


def in_a_call(x, n):
    return x[0] + helper(x[1]) * n


def recursion(x, n):
    if n <= 0:
        return x[0]
    return np.log(-recursion(x, n - 1))  # here


def of_a_library(x, n):
    product = np.diag(x) @ np.full((3, 3), np.inf)  # here
    return np.sum(product) + n


def of_a_sum(x, n):
    return np.sum(np.where(x > 1.0, np.inf, -np.inf)) + n  # here


def of_a_slope(x, n):
    r = np.sqrt((x[0] - 1.0) ** 4)  # here
    return r * (x[0] - 1.0) + n


def of_the_slope_in_a_loop(x, n):
    total = 0.0
    for i in range(n):
        r = np.sqrt((x[i] - 1.0) ** 4)  # here
        total += r * (x[i] - 1.0)
    return total


def of_the_slope_of_a_kernel(x, n):
    r = np.sqrt((x - 1.0) ** 4)  # here
    return np.sum(r * (x - 1.0)) * n


def of_the_slope_of_a_library(x, n):
    values, vectors = np.linalg.eigh(np.eye(3) * x[0])  # here
    return np.sum(vectors[0] * values) * n


def opposite(x, n):
    y = x[0] * 2.0  # here
    return np.sqrt(y - 2.0) - np.sqrt(3.0 * y - 6.0) + n


def of_a_small_array(x, n):
    r = np.sqrt((x - 1.0) ** 2)  # here
    return np.sum(r * (x - 1.0)) * n


def grad(f: Any) -> Any:
    return lj.grad(f)


def columns(f: Any) -> Any:
    return lj.jacfwd(lambda x, n: f(np.array([x[0], x[1], x[2]]), n))


def tangent(f: Any) -> Any:
    return lambda x, n: lj.jvp(lambda x: f(x, n), (x,), (np.ones(len(x)),))[1]


VALUE = [in_a_loop, in_a_kernel, written, in_a_call, recursion, of_a_library, of_a_sum]
SLOPE = [of_a_slope, of_the_slope_in_a_loop, of_the_slope_of_a_kernel, of_the_slope_of_a_library]
CASES = [
    *((f, lambda f: f) for f in VALUE),
    *((f, grad) for f in (*SLOPE, opposite)),
    (of_a_small_array, columns),
    *((f, grad) for f in VALUE),
    *((f, tangent) for f in SLOPE),
]


def line(f: Callable[..., Any]) -> int:
    """The one that is marked, in the function or in the one that it calls."""
    code = (helper if f is in_a_call else f).__code__
    lines = Path(__file__).read_text().splitlines()
    return next(n for n in range(code.co_firstlineno, len(lines)) if lines[n - 1].endswith("  # here"))


@pytest.mark.parametrize("case", first(14, CASES), ids=lambda case: f"{case[0].__name__}-{case[1].__name__}")
def test_the_first_one_is_named(case: Any) -> None:
    f, way = case
    x, n = np.array([1.0, 2.0, 3.0]), 3
    jitted = lj.jit(way(f), nans="raise")
    specialisation, leaves = jitted._dispatcher.lookup((x, n), {})
    for run in (specialisation.run, specialisation.interpret, lambda given: lowered(lambda: specialisation.interpret(given))):
        with pytest.raises(NotANumberError) as caught:
            run(leaves)
        assert f"test_nans.py:{line(f)} in " in str(caught.value), str(caught.value)
        of_a_derivative = "derivative" in str(caught.value) or "adjoint" in str(caught.value)
        assert of_a_derivative if f not in VALUE else way is grad or not of_a_derivative


@pytest.mark.skipif(not KNOWS_EXPRESSIONS, reason="Python 3.10 does not know which expression an instruction is of")
def test_the_expression_the_variable_and_the_numbers() -> None:
    with pytest.raises(NotANumberError, match=r"^NaN in `np\.log\(b\)`, for `c`: log\(-1\)  \[.*test_nans\.py:\d+ in inner\]$"):
        lj.jit(inner, nans="raise")(1.0)
    with pytest.raises(NotANumberError, match=r"^NaN in the derivative of `np\.sqrt\(b\)`, for `c`  \["):
        lj.jit(lj.grad(outer()), nans="raise")(0.0)


def inner(a):
    b = a - 2.0
    c = 1.0 + np.log(b)
    return c


def outer():
    def f(b):
        c = {"of": 3.0 * np.sqrt(b)}
        return c["of"] * b

    return f


def kept(x, y):
    """What no result comes from is no NaN: an arm that is not chosen, one that comes with the arguments."""
    total = np.sum(np.where(x > 0.0, x * np.log(x), 0.0))
    for i in range(len(y)):
        if not np.isnan(y[i]):
            total += y[i] * y[i]
        root = np.sqrt(x[0]) if x[0] > 0.0 else 0.0
        total += root
    return total


def test_what_is_no_nan() -> None:
    x, y = np.array([0.0, 1.5, -2.0]), np.array([1.0, np.nan])

    def all_of_it(x, y):
        return kept(x, y), lj.grad(kept, argnums=(0, 1))(x, y), lj.jvp(lambda x: kept(x, y), (x,), (x,))

    for found, plain in zip(lj.jit(all_of_it, nans="raise")(x, y), lj.jit(all_of_it)(x, y), strict=True):
        close(found, plain)
    close(lj.jit(lambda x: np.sum(np.nan_to_num(np.sqrt(x))), nans="raise")(x), 1.5**0.5)


def test_one_that_came_with_the_arguments_is_said_at_the_end() -> None:
    with pytest.raises(NotANumberError, match="is there a NaN among the arguments"):
        lj.jit(lambda x: x * 2.0, nans="raise")(np.nan)


def test_it_is_an_error_of_python_and_an_option_that_is_checked() -> None:
    assert issubclass(NotANumberError, FloatingPointError)
    with pytest.raises(ValueError, match='nans=True: give "raise", or None'):
        lj.jit(lambda x: x, nans=True)
    assert np.isnan(lj.jit(lambda x: np.log(x))(-1.0))

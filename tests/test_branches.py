"""Branches as Python syntax: plain Python, interpreter and native code agree, to second order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from .support import Function, Runner, check, close


def if_elif_else(x: float) -> float:
    if x > 2.0:
        y = x * x
    elif x > 0.0:
        y = math.sin(x)
    elif x > -1.0:
        y = 3.0
    else:
        y = x**3
    return y * x


def conditional_expressions(x: float) -> float:
    return (x * x if x > 0 else -x) + (1.0 if x > 1 else (x if x > -1 else x**3))


def and_or_not(x: float, n: int) -> float:
    y = 0.0
    if x > 0 and n > 2:
        y += x
    if x < 0 or n % 2 == 0:
        y += x * x
    if not (x > 1 or n == 3):
        y += math.exp(x)
    if (x > 0 and n > 1 and x * n < 3) or not n:
        y += x**3
    return y


def values_of_and_or(x: float, n: int) -> float:
    a = x and 2.0 * x
    b = x or 5.0
    c = n and n + 1
    return a + 10 * b + 100 * (c or 7) * x


def chained_comparisons(x: float) -> float:
    y = x if 0 < x < 1 else 2 * x
    if -1 <= x <= 1 < x + 2:
        y = y * x
    if 0 != x != 1:
        y = y + math.cos(x)
    return y


def early_returns(x: float) -> float:
    if x > 2:
        return x * x
    if x > 1:
        if x > 1.5:
            return math.sin(x)
        x = x + 1
    elif x < -1:
        return -x
    return x**3


def assigned_in_both(x: float) -> float:
    if x > 0:
        a, b = x, 2.0
    else:
        b, a = x * x, 1.0
    return a * b


def swap(x: float, y: float) -> float:
    if x > y:
        x, y = y, x
    return x - 2 * y * x


def nested_ifs(x: float, y: float) -> float:
    r = 0.0
    if x > 0:
        r = r + x
        if y > 0:
            r = r * y
        else:
            if x > 1:
                r = r - y
            r = r * 2
    return r + x * y


PROGRAMS: list[tuple[Function, list[tuple[Any, ...]]]] = [
    (if_elif_else, [(3.0,), (1.0,), (-0.5,), (-2.0,)]),
    (conditional_expressions, [(2.0,), (0.5,), (-0.5,), (-2.0,)]),
    (and_or_not, [(0.5, 2), (0.5, 3), (-0.5, 4), (2.0, 0), (-1.0, 3)]),
    (values_of_and_or, [(0.5, 2), (2.0, 0)]),
    (chained_comparisons, [(0.5,), (1.5,), (-0.5,), (-3.0,)]),
    (early_returns, [(3.0,), (1.7,), (1.2,), (0.5,), (-2.0,)]),
    (assigned_in_both, [(1.5,), (-1.5,)]),
    (swap, [(1.0, 2.0), (2.0, 1.0)]),
    (nested_ifs, [(0.5, 1.0), (0.5, -1.0), (2.0, -1.0), (-1.0, 1.0)]),
]


@pytest.mark.parametrize(("f", "points"), PROGRAMS, ids=[f.__name__ for f, _ in PROGRAMS])
def test_program(f: Function, points: list[tuple[Any, ...]]) -> None:
    floats = [i for i, a in enumerate(points[0]) if isinstance(a, float)]
    check(f, *points, argnums=floats)


def nan_conditions(x: float) -> Any:
    n = 0
    while x < 10:
        x = x + 1
        n += 1
    return n, x > 1, not x > 1, x != x, 1.0 if x == x else 2.0, np.isnan(x) or x > 2, 0 < x < 1


def test_conditions_on_nan() -> None:
    run = Runner(nan_conditions)
    for x in (math.nan, 0.5, math.inf):
        for mode, out in run(x).items():
            close(out, nan_conditions(x), what=mode)

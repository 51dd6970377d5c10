"""Loops as Python syntax: plain Python, interpreter and native code agree, to second order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import Function, Runner, check, close


# ---- while
def newton(e: float) -> float:
    x = 1.0
    while abs(x - e * math.sin(x) - 0.7) > 1e-13:
        x = x - (x - e * math.sin(x) - 0.7) / (1 - e * math.cos(x))
    return x


def while_break_continue(x: float, n: int) -> float:
    i = 0
    s = x
    while i < n:
        i += 1
        if i % 3 == 0:
            continue
        s = s + math.sin(s) / i
        if s > 10:
            break
    return s * s


def while_else(x: float, n: int) -> float:
    i = 0
    while i < n:
        x = x * 1.5
        if x > 4:
            break
        i += 1
    else:
        x = -x
    return x * x


def while_true(x: float) -> float:
    n = 0
    while True:
        if x > 10:
            return x * n
        x = x * x + 1
        n = n + 1


def while_true_break(x: float) -> float:
    while True:
        x = x * 1.7
        if x > 50:
            break
        if x < -50:
            x = -x
            break
    return x * x


def while_condition_with_side(x: float) -> float:
    k = 0
    while (x > 1 and k < 20) or k == 0:
        x = x / 2
        k += 1
    return x * x * k


def collatz(n: int, x: float) -> float:
    while n != 1:
        if n % 2 == 0:
            n = n // 2
            x = x * 1.01
        else:
            n = 3 * n + 1
            x = x + 0.1 * x * x / (1 + x * x)
    return x


# ---- for
def for_range(x: float, n: int) -> float:
    s = 0.0
    for i in range(n):
        s = s + x**i / (i + 1)
    return s


def for_steps(x: float, a: int, b: int, c: int) -> float:
    s = 0.0
    for i in range(a, b, c):
        s = s * x + i
    return s * x


def for_continue_break_else(x: float, n: int) -> float:
    s = x
    for i in range(n):
        if i == 2:
            continue
        if s > 6:
            break
        s = s + x * i
    else:
        s = s * 3
    return s * s


def return_from_nested_loops(x: float, n: int) -> float:
    for i in range(n):
        for j in range(i):
            x = x + 0.1 * i * j * math.sin(x)
            if x > 3:
                return x * x
    return -x


def break_inner_only(x: float, n: int) -> float:
    s = 0.0
    for i in range(n):
        t = x
        for j in range(n):
            if j > i:
                break
            t = t * x
        s += t
    return s


def loop_else_return(x: float, n: int) -> float:
    for i in range(n):
        if x * i > 4:
            break
    else:
        return x * x
    return x**3 + i


def triple_nest(x: float, n: int) -> float:
    s = 0.0
    for i in range(n):
        for j in range(i + 1):
            k = 0
            while k < j:
                s = s + math.sin(x * (i + j + k))
                k += 1
            if s > 2:
                continue
            s = s + x * 0.1
    return s


def variable_of_loop_after(x: float, n: int) -> float:
    i = 0
    for i in range(n):  # noqa: B007
        x = x * 1.1
    return x * i


def assign_loop_variable(x: float, n: int) -> float:
    s = x
    for i in range(n):
        i = i * 2
        s = s + i * x
    return s * s


def static_unroll(x: float) -> float:
    s = 0.0
    for c in (1.0, 2.0, 3.0):
        s = s * x + c
    for name, k in {"a": 1, "b": 2}.items():
        s = s + (x if name == "a" else x * x) * k
    return s + sum([x**k for k in range(4)])


def unrolled_with_traced_break(x: float) -> float:
    for c in [1.0, 2.0, 3.0, 4.0]:
        x = x + c
        if x > 5:
            break
        if x < 2:
            continue
        x = x * 2
    else:
        x = -x
    return x * x


def unrolled_with_traced_return(x: float) -> float:
    for k in range(3):
        if x > k + 0.5:
            x = x * x
        else:
            return x + k
    return x


def carries_cross(x: float, n: int) -> float:
    a, b = x, 1.0
    for _ in range(n):
        a, b = b + x, a * 0.5
    return a * b


def logistic_chaos(x: float, n: int) -> float:
    for _ in range(n):
        x = 3.3 * x * (1 - x)
    return x


def sum_of_primes(x: float, n: int) -> float:
    s = 0.0
    for p in range(2, n):
        for d in range(2, p):
            if p % d == 0:
                break
        else:
            s += math.log(x * p)
    return s * x


PROGRAMS: list[tuple[Function, list[tuple[Any, ...]]]] = [
    (newton, [(0.3,), (0.9,)]),
    (while_break_continue, [(0.5, 10), (0.5, 0), (9.5, 5)]),
    (while_else, [(1.0, 3), (1.0, 9), (1.0, 0)]),
    (while_true, [(0.5,), (11.0,)]),
    (while_true_break, [(0.5,), (-0.5,)]),
    (while_condition_with_side, [(100.0,), (0.5,)]),
    (for_range, [(0.5, 6), (0.5, 0), (0.5, -3)]),
    (for_steps, [(0.5, 1, 10, 3), (0.5, 10, 1, -2), (0.5, 3, 3, 1), (0.5, 0, -5, 1), (0.5, 0, 5, -1), (0.5, 0, 9, 4)]),
    (for_continue_break_else, [(0.5, 5), (2.0, 9), (1.0, 0)]),
    (return_from_nested_loops, [(1.0, 8), (0.3, 3)]),
    (break_inner_only, [(0.7, 4)]),
    (loop_else_return, [(1.5, 8), (1.5, 2)]),
    (triple_nest, [(0.4, 4)]),
    (variable_of_loop_after, [(0.5, 5), (0.5, 0)]),
    (assign_loop_variable, [(0.5, 4)]),
    (static_unroll, [(0.7,)]),
    (unrolled_with_traced_break, [(0.2,), (-1.2,), (-20.0,), (4.5,)]),
    (unrolled_with_traced_return, [(0.2,), (1.1,), (2.0,), (3.0,)]),
    (carries_cross, [(0.7, 5), (0.7, 0)]),
    (logistic_chaos, [(0.3, 6)]),
    (sum_of_primes, [(1.3, 14)]),
]


@pytest.mark.parametrize(("f", "points"), PROGRAMS, ids=[f.__name__ for f, _ in PROGRAMS])
def test_program(f: Function, points: list[tuple[Any, ...]]) -> None:
    floats = [i for i, a in enumerate(points[0]) if isinstance(a, float)]
    check(f, *points, argnums=floats)


def test_integer_loop_of_collatz() -> None:
    check(collatz, (27, 0.5), argnums=(1,), rtol=1e-5)


def both_kinds_of_range(n: int, a: int, b: int, c: int) -> Any:
    first, second, third = 0, 0, 0
    for i in range(n):
        first += i * i
    for i in range(a, b):
        second = 3 * second + i
    for i in range(a, b, c):
        third = 3 * third + i
    return first, second, third


def test_ranges_of_every_sign() -> None:
    run = Runner(both_kinds_of_range)
    for a in (-3, 0, 2):
        for b in (-4, 0, 1, 7):
            for c in (-7, -2, -1, 1, 2, 3, 9):
                for mode, out in run(b, a, b, c).items():
                    close(out, both_kinds_of_range(b, a, b, c), what=f"{mode} {a, b, c}")


# ---- arrays that the body of a loop that surely runs assigns first, and that are read after it
def first_assigned(x: Any) -> Any:
    d = x * 1.0
    for _ in range(6):
        t = d.copy()
        d = d * 0.9
    t = t * 2.0
    return np.sum(t * d)


def first_assigned_and_written(x: Any) -> Any:
    d = x * 1.0
    for _ in range(6):
        t = 0.5 * d
        t[1:-1] = 0.3 * d[2:]
        d = d + t
    return np.sum(t * d)


def first_assigned_and_made_anew(x: Any) -> Any:
    b, d = 0.5 * x, x * 1.0
    for _ in range(8):
        t = b.copy()
        d = t
        b *= 0.7
        d = b
    t = np.zeros_like(x)
    t[1:-1] = d[2:]
    return np.sum(t * d)


@pytest.mark.parametrize("f", [first_assigned, first_assigned_and_written, first_assigned_and_made_anew], ids=lambda f: f.__name__)
def test_an_array_that_a_loop_assigns_first(f: Function) -> None:
    x = np.array([0.3, 0.5, -0.2, 0.7, 0.1])
    close(lj.jit(f)(x), f(x))
    close(lj.jit(lj.grad(f))(x), np.array([(f(x + e) - f(x - e)) / 2e-6 for e in np.eye(5) * 1e-6]), 1e-7)

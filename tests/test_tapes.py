"""Recursions and nests of loops that run backwards from a tape (ir/diff/loops/taped.py, ir/lower/taped.py)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import Function, both, check, close


def minors(a: Any, row: int, used: int) -> float:
    """A determinant by expansion; the columns in `used` are gone."""
    if row == len(a):
        return 1.0
    s, sign = 0.0, 1.0
    for j in range(len(a)):
        if not used & (1 << j):
            s += sign * a[row, j] * minors(a, row + 1, used | (1 << j))
            sign = -sign
    return s


def determinant(a: Any) -> float:
    return minors(a, 0, 0)


def ackermann_like(x: float, m: int, n: int) -> float:
    """Calls in arguments of calls, values needed in one branch only."""
    if m == 0:
        return math.sin(x) + n
    if n == 0:
        return ackermann_like(x * 0.9, m - 1, 1)
    return ackermann_like(0.1 * ackermann_like(x, m, n - 1), m - 1, 1) * x


def even(n: int, x: float, k: float) -> float:
    return k if n <= 0 else odd(n - 1, x, k * x)


def odd(n: int, x: float, k: float) -> float:
    return x * k if n <= 0 else even(n - 1, x, math.exp(-k))


def newton_in_loop(a: float, n: int) -> float:
    total = 0.0
    for i in range(n):
        x, step = a, 1.0
        while abs(step) > 1e-13:
            step = (x * x - a - i) / (2.0 * x)
            x = x - step
        total = total + x * a
    return total


def three_deep(x: float, n: int) -> float:
    s, t = x, 1.0
    for i in range(n):
        for j in range(i, n):
            k = 0
            while k * k < j:
                s = s + math.sin(t) * x
                k += 1
            t = t * 0.9 + s * 0.01 * k
        if i % 2 == 0:
            s = s * t
    return s + t


def branches_in_loops(x: float, y: float, n: int) -> float:
    s = x
    for i in range(n):
        for j in range(n):
            if (i + j) % 3 == 0:
                s = s + math.exp(-s) * y
            elif (i + j) % 3 == 1:
                z = math.sin(s)
                s = s * 0.5 + z * z if z > 0 else s - z * y
            else:
                s = s + 0.1
    return s


def two_results(x: float, n: int) -> tuple[float, int, float]:
    if n == 0:
        return x, 1, x * x
    a, k, b = two_results(x * 0.7, n - 1)
    return a * b + k, k + n, math.sin(a) * x


def of_two(x: float, n: int) -> float:
    a, k, b = two_results(x, n)
    return a + k * b


def recursion_in_nest(x: float, n: int) -> float:
    s = 0.0
    for i in range(n):
        for j in range(2):
            s = s + even(i + j, x, s)
    return s


def reads_rows(w: Any, x: Any, n: int) -> float:
    s = 0.0
    for _ in range(n):
        for i in range(len(x)):
            s = math.tanh(s * w[i, 0] + x[i] * w[i, 1])
    return s


def a_loop_on_one_path(x: float, n: int) -> float:
    if n == 0:
        y = x
        while y * y * y + y - x > 1e-13:
            y = y - (y * y * y + y - x) / (3.0 * y * y + 1.0)
        return y * x
    return a_loop_on_one_path(x * 0.9, n - 1) + x * a_loop_on_one_path(x * 0.5, n - 1)


def what_a_head_computes(a: float, n: int) -> float:
    """The condition's value is read behind the loop, where it is of the last state."""
    s = 0.0
    for i in range(n):
        x = a + i
        while (z := x * x * a) > 1.0:
            x = x * 0.7 + 0.01 * z
        s = s + z * z
    return s


def factors_without_derivative(x: float, t: float, n: int) -> float:
    """Dear to compute, of carried values that nobody else needs."""
    s = 1.0
    for i in range(n):
        u, k = t + i, 0
        while k < n:
            s = s * x * math.exp(-0.1 * u * u)
            u, k = u * 0.8, k + 1
    return s


def weighted(a: Any, i: int) -> float:
    return 1.0 if i == len(a) else math.sin(a[i]) * a[i] * weighted(a, i + 1) + a[i]


def written_after_a_call(x: Any) -> float:
    """The way back of a call reads elements that the caller has overwritten since."""
    a = np.zeros(len(x))
    for i in range(len(x)):
        a[i] = x[i] * x[i]
    s = weighted(a, 0)
    a[0] = 5.0 * x[1]
    a[1] = a[0] * x[2]
    return s * a[0] + a[1]


def written_between_calls(x: Any) -> float:
    a, s = x * 2.0, 0.0
    for k in range(len(x)):
        s = math.sin(s + weighted(a, 0)) + weighted(a, 1)
        a[k] = a[k] * math.sin(s)
    return s + np.sum(a)


def final_values(x: float, n: int) -> float:
    """What a loop carries is read behind it, nonlinearly, and its counter too."""
    s = 0.0
    for i in range(n):
        y, k = x + i, 0
        while y > 0.3:
            y, k = y * 0.5, k + 1
        s = s + y * y * k
    return s


W, V = np.linspace(-0.7, 0.8, 8).reshape(4, 2), np.array([0.3, -0.4, 0.5, 0.9])
PROGRAMS: list[tuple[Function, tuple[Any, ...], Any]] = [
    (determinant, (np.array([[1.5, 0.3, -0.2], [0.4, 2.0, 0.7], [-0.6, 0.1, 1.2]]),), 0),
    (ackermann_like, (0.7, 2, 2), 0),
    (even, (5, 0.8, 0.3), (1, 2)),
    (newton_in_loop, (1.7, 4), 0),
    (three_deep, (0.4, 4), 0),
    (branches_in_loops, (0.6, -0.3, 4), (0, 1)),
    (of_two, (0.9, 4), 0),
    (recursion_in_nest, (0.6, 3), 0),
    (reads_rows, (W, V, 3), (0, 1)),
    (final_values, (0.9, 4), 0),
    (a_loop_on_one_path, (0.8, 3), 0),
    (what_a_head_computes, (0.9, 4), 0),
    (factors_without_derivative, (0.9, 0.7, 3), 0),
    (written_after_a_call, (np.array([0.3, 0.7, 1.1]),), 0),
    (written_between_calls, (np.array([0.3, 0.7, 1.1]),), 0),
]
IDS = [f.__name__ for f, _, _ in PROGRAMS]


@pytest.mark.parametrize(("f", "args", "argnums"), PROGRAMS, ids=IDS)
def test_three_ways(f: Function, args: tuple[Any, ...], argnums: Any) -> None:
    found = both(lj.value_and_grad(f, argnums), *args)
    close(found["native"], found["interpreter"], 1e-12, 1e-12)
    close(found["lowered"], found["interpreter"], 1e-12, 1e-12)
    assert "tape" in lj.jit(lj.grad(f, argnums), checkpoint="replay").inspect(*args).policies.values()
    close(lj.jit(lj.grad(f, argnums), checkpoint="replay")(*args), found["native"][1], 1e-12, 1e-12)
    close(lj.jit(lj.grad(f, argnums), checkpoint="recursion")(*args), found["native"][1], 1e-12, 1e-12)
    assert "tape" not in lj.jit(lj.grad(f, argnums), checkpoint="recursion").inspect(*args).policies.values()


@pytest.mark.parametrize(("f", "args", "argnums"), PROGRAMS, ids=IDS)
def test_against_differences_of_two_orders(f: Function, args: tuple[Any, ...], argnums: Any) -> None:
    where = argnums if isinstance(argnums, tuple) else (argnums,)

    def of_floats(*floats: Any) -> Any:
        given = list(args)
        for i, x in zip(where, floats, strict=True):
            given[i] = x
        return f(*given)

    lj.check_grads(of_floats, tuple(args[i] for i in where), order=2)


def test_a_loop_in_chunks_needs_no_tape_as_long() -> None:
    def some(x: float, k: int, n: int) -> float:
        t = 0.0
        for i in range(k):
            y = x + i
            for _ in range(n):
                y = 3.1 * y * (1.0 - y)
            t = t + y
        return t

    gradient = lj.jit(lj.grad(some))
    assert list(gradient.inspect(0.1, 3, 1).policies.values()) == ["recursion", "chunks"]
    assert gradient.inspect(0.001, 3, 4_000_000).memory.arrays < 3_000_000


def test_float32() -> None:
    a = np.array([[1.5, 0.3], [0.4, 2.0]], np.float32)
    gradient = lj.jit(lj.grad(determinant))(a)
    assert gradient.dtype == np.float32
    close(gradient, np.linalg.det(a) * np.linalg.inv(a).T, 1e-5, 1e-5)


def test_a_call_keeps_a_result_and_a_sign() -> None:
    """16 bytes for each of 109,601 calls, where frames would take 360; nothing of them stays on the stack."""
    a = np.random.default_rng(0).normal(size=(8, 8))
    memory = lj.jit(lj.grad(determinant)).inspect(a).memory
    calls = sum(math.factorial(8) // math.factorial(k) for k in range(9))
    assert 16 * (calls - 1) <= memory.arrays <= 16 * calls + 4096
    assert memory.stack <= 16384
    close(lj.jit(lj.grad(determinant))(a), np.linalg.det(a) * np.linalg.inv(a).T, 1e-9, 1e-9)


def test_one_recursion_after_another_takes_the_memory_of_one() -> None:
    def many(a: Any, n: int) -> float:
        s = 0.0
        b = a + 1.0
        for _ in range(n):
            s = s + determinant(b)
            b = b * 0.5
        return s

    a = np.random.default_rng(1).normal(size=(5, 5))
    close(lj.jit(lj.grad(many))(a, 3), lj.jit(lj.grad(many), checkpoint="recursion")(a, 3), 1e-10, 1e-10)


def test_a_gradient_in_a_loop_takes_the_memory_of_one() -> None:
    def descend(x: float, n: int, deep: int) -> float:
        for _ in range(n):
            x = x - 1e-7 * lj.grad(newton_in_loop)(x, deep)
        return x

    compiled = lj.jit(descend)
    close(compiled(0.8, 3, 40), descend(0.8, 3, 40), 1e-10)
    assert compiled.inspect(0.8, 3000, 40).memory.arrays == compiled.inspect(0.8, 1, 40).memory.arrays


def test_a_fault_is_raised_on_the_way_there() -> None:
    def reads(a: Any, n: int) -> float:
        return a[n] if n > 5 else a[n] * reads(a, n + 1)

    gradient = lj.jit(lj.grad(reads))
    close(gradient(np.arange(1.0, 8.0), 4), lj.grad(reads)(np.arange(1.0, 8.0), 4))
    with pytest.raises(IndexError):
        gradient(np.arange(1.0, 5.0), 0)
    close(gradient(np.arange(1.0, 8.0), 4), lj.grad(reads)(np.arange(1.0, 8.0), 4))


def test_division_that_is_not_reached_backwards_is_not_done() -> None:
    def f(x: float, n: int, d: int) -> float:
        if n == 0:
            return x
        k = 7 // d if d > 0 else 1
        return f(x, n - 1, d - 1) * x + k

    for d in (0, 2, 5):
        found = both(lj.grad(f), 1.3, 4, d)
        close(found["native"], found["interpreter"])


def test_a_deep_recursion() -> None:
    def chain(x: float, n: int) -> float:
        return x if n == 0 else chain(x, n - 1) * 0.999 + math.sin(x)

    n, x = 300_000, 0.3
    power = 0.999**n
    close(lj.jit(lj.grad(chain))(x, n), power + math.cos(x) * (1 - power) / 0.001, 1e-9)


def test_what_has_no_tape_has_frames() -> None:
    """A loop that is left in its middle, a recursion that writes."""

    def left(x: float, n: int) -> float:
        s = x
        for i in range(n):
            for j in range(n):
                if s > 2.0:
                    return s * j
                s = s + x * i
        return s

    def writes(a: Any, i: int) -> float:
        if i == len(a):
            return 1.0
        a[i] = a[i] * 2.0
        return a[i] * writes(a, i + 1)

    for f, args in ((left, (0.5, 4)), (writes, (np.array([0.5, 1.5, 2.0]), 0))):
        gradient = lj.jit(lj.grad(f))
        assert "tape" not in gradient.inspect(*args).policies.values()
        close(gradient(*args), lj.grad(f)(*args))


@lj.op
def squash(x: float, k: Any) -> float:
    y = math.tanh(x)
    return 0.5 * k(y) * (1.0 - y * y)


def test_an_operation_of_ones_own() -> None:
    def chain(x: float, n: int) -> float:
        return x if n == 0 else squash(chain(x, n - 1) * 0.8) + x

    found = both(lj.value_and_grad(chain), 0.7, 5)
    close(found["native"], found["interpreter"], 1e-12, 1e-12)
    close(found["lowered"], found["interpreter"], 1e-12, 1e-12)
    value, slope = 0.7, 1.0
    for _ in range(5):
        z = math.tanh(value * 0.8)
        value, slope = z + 0.7, 0.5 * (1.0 - z * z) * 0.8 * slope + 1.0
    close(found["native"], (value, slope), 1e-12, 1e-12)
    assert "tape" in lj.jit(lj.grad(chain)).inspect(0.7, 5).policies.values()


def falling(x: float, n: int) -> float:
    v, w, t = x, 2.3 * x, 0.0
    for _ in range(n):
        while v > 0.1:
            v = math.sin(v) * 0.8
            t = t + v * w
        while w > 0.2:  # what is kept of this loop is no part of the other's iterations
            w = math.sin(w) * 0.7
            t = t + v * w * w
        while t > 3.0:
            t = 0.5 * t * math.cos(0.1 * v)
        v, w = v + 0.1 * t, w + 0.05 * t
    return v * w + t


def test_loops_that_follow_one_another_in_a_loop() -> None:
    check(falling, (0.7, 4), order=2)
    for policy in ("recursion", "replay", "sqrt"):
        assert math.isclose(lj.jit(lj.grad(falling), checkpoint=policy)(0.7, 4), lj.jit(lj.grad(falling))(0.7, 4), rel_tol=1e-12)

"""Arrays of a few elements are scalars: programs that carry, pass, write and return them compute what Python does, and have no arrays."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from benchmarks import small_arrays
from lantern_jit.ir.passes.registers.plan import BUDGET

from .fuzz import small, vectors
from .support import both, check, close

A, N = 0.7, 4


def graph(f: Callable[..., Any], *args: Any) -> str:
    return lj.jit(f).inspect(*args).after("registers")


def arrays(f: Callable[..., Any], *args: Any) -> int:
    """How many arrays the program makes, or passes on, but for what it has captured."""
    lines = [line for line in graph(f, *args).splitlines()[1:] if not line.startswith("constant ")]
    return sum(re.search(r"(f64|f32|i64|bool)\[", line) is not None for line in lines)


def carried(a: float, n: int) -> Any:
    x, v = np.array([a, 1.0]), np.array([0.3, a * a])
    for i in range(n):
        v = v - 0.1 * x * i
        x = x + 0.1 * v
    return x[0] * x[1]


def until(a: float, n: int) -> Any:
    x = np.array([a, 0.2])
    while x[0] * x[0] < n:
        x = x + np.array([0.5 * a, math.sin(x[0])])
    return np.sum(x * x)


def in_place(a: float, n: int) -> Any:
    x, g = np.array([a, 1.0]), np.zeros(2)
    for _ in range(n):
        g[0] = x[1] * a
        g[1] = math.cos(x[0])
        x -= 0.1 * g
        x[1] *= 1.5
    return x[0] + 2.0 * g[1] * x[1]


def in_a_branch(a: float, n: int) -> Any:
    x = np.array([a, 2.0, 3.0])
    for i in range(n):
        if x[0] > 1.0:
            x[1] = x[0] * 0.5
        elif i > 1:
            x = x[::-1] * a
        else:
            x[0] += x[2] * a
    return x[0] * x[1] + x[2]


def swapped(a: float, n: int) -> Any:
    x, y = np.array([a, 1.0]), np.array([2.0, a])
    for _ in range(n):
        x[0] = y[1] * a
        x, y = y, x
    return x[0] - 2.0 * y[0] + 3.0 * x[1]


def two_names(a: float, n: int) -> Any:
    x = np.array([a, 1.0])
    y = x
    for i in range(n):
        y[0] = x[1] * a
        x[1] += y[0] * i
    return x[0] * y[1]


def one_or_two_names(a: float, n: int) -> Any:
    x = np.array([a, 1.0])
    y = x
    if n > 3:
        y = x.copy()
    y[0] = 2.5 * a
    return x[0] * a + y[0]


def scaled(x: Any, a: Any) -> Any:
    """In place, and back."""
    x *= a
    return x


def a_call(a: float, n: int) -> Any:
    x, y = np.array([a, 1.0]), np.array([a, 2.0])
    for _ in range(n):
        scaled(x, a)
        y = scaled(y, x[1])
    return x[0] + y[0] * y[1]


def a_recursion(a: float, n: int) -> Any:
    x = np.array([a, 1.0])

    def down(x: Any, k: Any) -> Any:
        if k == 0:
            return x[0]
        x[0] = x[0] * a + x[1]
        y = x * 0.5
        return down(x, k - 1) + y[0]

    return down(x, n) * x[0]


def gives_arrays(a: float, n: int) -> Any:
    def down(x: Any, k: Any) -> Any:
        if k == 0:
            return np.array([x[1], x[0] * a])
        return down(x, k - 1) * a + x

    y = down(np.array([a, 1.0]), n)
    return y[0] * y[1]


def matrices(a: float, n: int) -> Any:
    m, v = np.eye(3), np.array([1.0, a, 0.5])
    for i in range(n):
        c, s = math.cos(a + i), math.sin(a)
        m = m @ np.array([[c, -s, 0.0], [s, c, 0.1], [0.0, 0.0, 1.0]])
        v = m.T @ v
    return v[0] + m[0, 1] * np.sum(m)


def views(a: float, n: int) -> Any:
    m = np.zeros((2, 2))
    for _ in range(n):
        m[0] = np.array([a, 1.0]) + m[1]
        m[:, 1] += m[0, ::-1] * a
        r = m.reshape(4)
        r[3] = r[0] * r[1]
    return np.sum(m * m)


def extremes(a: float, n: int) -> Any:
    x = np.array([a, 0.5, 0.9])
    for _ in range(n):
        x = np.where(x > 0.6, x * x, x + a) * np.max(x) - np.min(x) * 0.1
        x[np.argmax(x)] = 0.2
    return np.sum(x)


def nested(a: float, n: int) -> Any:
    x = np.array([a, 1.0])
    for i in range(n):
        y = np.zeros(2)
        for j in range(i):
            y[0] += x[1] * a
            y = y[::-1] + j
        x = x + 0.1 * y
    return x[0] * x[1]


def captured(a: float, n: int) -> Any:
    x = np.zeros(3)
    for _ in range(n):
        x = x * CAPTURED + a
    return x[0] + x[1] * x[2]


CAPTURED = np.array([0.5, 0.25, 0.125])
PROGRAMS = (carried, until, in_place, in_a_branch, swapped, two_names, one_or_two_names, a_call, a_recursion, gives_arrays, matrices, views,
            extremes, nested, captured)  # fmt: skip
IN_MEMORY = (one_or_two_names, extremes)  # the second writes where nobody knows


@pytest.mark.parametrize("f", PROGRAMS)
def test_values_and_derivatives(f: Callable[..., Any]) -> None:
    check(f, (A, N), (1.3, 2), (-0.4, 0) if f is not until else (0.9, 3), argnums=(0,))


@pytest.mark.parametrize("f", [f for f in PROGRAMS if f not in IN_MEMORY])
def test_no_array_is_left(f: Callable[..., Any]) -> None:
    assert arrays(f, A, N) == 0, graph(f, A, N)
    assert " alloc" not in graph(lj.grad(f), A, N)


def test_float32() -> None:
    def f(a: Any, n: Any) -> Any:
        x = np.array([1.0, 2.0], np.float32) * a
        for _ in range(n):
            x = x * np.float32(0.3) + a
        return x[0] * x[1]

    a = np.float32(0.7)
    assert arrays(f, a, N) == 0
    for way in (f, lj.grad(f)):
        for found in both(way, a, N).values():
            assert isinstance(found, np.float32)
            close(found, f(a, N) if way is f else lj.grad(f)(float(a), N), rtol=1e-5)


def test_integers_and_bools() -> None:
    def f(n: int) -> Any:
        x, seen = np.array([1, 1]), np.zeros(2, bool)
        for i in range(n):
            x[0], x[1] = x[1], x[0] + x[1]
            seen[0] = seen[1] or x[0] % 2 == 0
            seen[1] = i > 2
        return x[0], x.sum(), seen[0], np.argmax(x)

    assert arrays(f, 9) == 0
    for found in both(f, 9).values():
        close(found, f(9))


def test_results_are_arrays() -> None:
    def f(a: float, n: int) -> Any:
        x = np.array([a, 1.0])
        for _ in range(n):
            x = x * a + 1.0
        return x, {"same": x, "half": 0.5 * x}

    for found in both(f, A, N).values():
        close(found, f(A, N))
    x, others = lj.jit(f)(A, N)
    x[0] = 5.0
    assert others["half"][0] != 2.5


def test_the_callers_arrays_are_written() -> None:
    def f(x: Any, n: int) -> Any:
        y = np.zeros(2)
        for i in range(n):
            x[i % 2] += y[1]
            y[1] = x[0] * 0.5
            y[0] += y[1]
        return y[0]

    expected, x = np.array([1.0, 2.0]), np.array([1.0, 2.0])
    close(lj.jit(f)(x, N), f(expected, N))
    close(x, expected)


def test_errors_are_what_they_are() -> None:
    def f(a: float, i: int) -> Any:
        x = np.array([a, 1.0, 2.0])
        for _ in range(3):
            x = x * a
            x[i] = 0.5
        return x[0]

    close(lj.jit(f)(A, -1), f(A, -1))
    with pytest.raises(IndexError, match="index 3 is out of bounds for axis 0 with size 3"):
        lj.jit(f)(A, 3)
    with pytest.raises(IndexError, match="index -4 is out of bounds for axis 0 with size 3"):
        lj.jit(f)(A, -4)


def test_what_is_wanted_whole_is_made_where_it_is_wanted() -> None:
    def f(points: Any, a: float, n: int) -> Any:
        w = np.array([a, 0.5])
        for _ in range(n):
            w = w - 0.1 * w * w[0]
        return np.sum(points @ w)

    points = np.arange(10.0).reshape(5, 2)
    check(f, (points, A, N), argnums=(0, 1))
    before, behind = graph(f, points, A, N).split("exit", 1)
    assert "f64[2]" not in before.split("{", 1)[1]
    assert behind.count("alloc(2:i64") == 1


def test_size_one_is_a_number() -> None:
    def f(a: float, n: int) -> Any:
        total = np.zeros(1)

        def add(k: Any) -> None:
            total[0] += a * k

        for k in range(n):
            add(k)
        return total[0]

    assert arrays(f, A, N) == 0
    check(f, (A, N))


def test_a_program_does_not_grow_without_end() -> None:
    """Many arrays: some of them stay, and there are no more operations than the budget says."""

    def f(a: float) -> Any:
        total = 0.0
        for i in range(100):
            x = np.full(16, a + i)
            for _ in range(4):
                x = np.sin(x) * x + a * x
                x[3] = 0.5
            total += x[3] + np.sum(x)
        return total

    def operations(text: str) -> int:
        return sum(" = " in line for line in text.splitlines())

    found = lj.jit(f).inspect(A)
    assert operations(found.after("registers")) <= operations(found.after("raise_loops")) + BUDGET + 1000


def test_nothing_is_looked_for_where_there_is_nothing() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.sin(x) * x)

    found = lj.jit(f).inspect(np.ones(5))
    assert found.after("registers") == found.after("raise_loops")


@pytest.mark.parametrize(
    ("f", "floats", "args"), [pair[1:] for pair in small_arrays.PAIRS if pair[1] is not small_arrays.rk4_of_an_argument]
)
def test_as_many_instructions_as_in_floats(f: Callable[..., Any], floats: Callable[..., Any], args: Any) -> None:
    """And values and gradients are the same."""
    close(lj.jit(f)(*args), f(*args), rtol=1e-9)
    for way in (lambda g: g, lj.grad):
        close(lj.jit(way(f))(*args), lj.jit(way(floats))(*args), rtol=1e-9)
    texts = [lj.jit(lj.grad(g)).inspect(*args).llvm_optimized for g in (f, floats)]
    assert texts[0].count("\n") <= 1.2 * texts[1].count("\n")
    assert "@region" not in texts[0].split("define", 1)[1] or "@region" in texts[1]


def test_reverse_mode_of_a_user() -> None:
    x, n = 0.5, 12
    close(lj.jit(small_arrays.own_reverse_mode)(x, n), lj.jit(lj.grad(small_arrays.of_powers))(x, n))
    assert arrays(small_arrays.own_reverse_mode, x, n) == 0


@pytest.mark.parametrize("group", range(3))
def test_random_graphs(group: int) -> None:
    counts: Counter[str] = Counter()
    for seed in range(20 * group, 20 * group + 20):
        found = small.check(seed)
        assert not isinstance(found, str), f"{seed}: {found}"
        counts += found
    assert counts["registers"] > 10


@pytest.mark.parametrize("seed", range(12))
def test_random_programs(seed: int) -> None:
    found = vectors.check(seed)
    assert not isinstance(found, str), found

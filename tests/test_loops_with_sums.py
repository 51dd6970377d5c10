"""Loops that add up, and those that look for the greatest or the least: kernels whose values are Python's to the last bit."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import check, close


def dot(x: Any, y: Any) -> Any:
    s = 0.0
    for i in range(len(x)):
        s += x[i] * y[i]
    return s


def taken_away(x: Any, y: Any) -> Any:
    s = y[0]
    for i in range(1, len(x)):
        s = s - x[i] * y[i]
    return s


def from_behind(x: Any, y: Any) -> Any:
    n = len(x)
    s = -0.0
    for i in range(n):
        s = x[n - 1 - i] / y[i] + s
    return s


def two_sums(x: Any, y: Any) -> Any:
    s, t = 0.0, 1.0
    for i in range(len(x)):
        s += x[i]
        t -= x[i] * y[i]
    return s * t


def sometimes(x: Any, y: Any) -> Any:
    s = w = y[0]
    for i in range(len(x)):
        if x[i] > 0.0:
            s += x[i] * w
        else:
            s -= 1.0 / x[i]
    return s


def with_a_map(x: Any, y: Any) -> Any:
    z = np.zeros(len(x))
    s = 0.0
    for i in range(len(x)):
        z[i] = x[i] * y[i]
        s += z[i] * x[i]
    return s + np.sum(z * z) * 0.0


def largest(x: Any, y: Any) -> Any:
    m = y[0]
    for i in range(len(x)):
        if x[i] > m:
            m = x[i]
    return m


def least(x: Any, y: Any) -> Any:
    m = y[0]
    for i in range(len(x)):
        m = min(m, x[i] * x[i])
    return m


def all_of_it(x: Any, y: Any) -> Any:
    s = y[0]
    for i in range(len(x)):
        for j in range(len(y)):
            s += x[i] * y[j]
    return s


def rows(x: Any, y: Any) -> Any:
    s = 0.0
    for i in range(len(x)):
        t = x[i]
        for j in range(len(y)):
            t -= x[i] * y[j]
        s += t * t
    return s


def elements(x: Any, y: Any) -> Any:
    z = np.zeros(len(x))
    for i in range(len(x)):
        for j in range(len(y)):
            z[i] += x[i] * y[j] * (j - i)
    s = 0.0
    for i in range(len(x)):
        s += z[i] * z[i]
    return s


def nearest(x: Any, y: Any) -> Any:
    s = 0.0
    for i in range(len(x)):
        best = np.inf
        for j in range(len(y)):
            d = x[i] - y[j]
            if d * d < best:
                best = d * d
        s += best
    return s


def normalised(x: Any, y: Any) -> Any:
    s = 0.0
    for i in range(len(x)):
        e = np.zeros(len(y))
        for j in range(len(y)):
            e[j] = x[i] * y[j]
        m = e[0]
        for j in range(len(y)):
            if e[j] > m:
                m = e[j]
        t = 0.0
        for j in range(len(y)):
            t += e[j] - m
        s += m + t
    return s


SUMS = [
    dot, taken_away, from_behind, two_sums, sometimes, with_a_map, largest, least, all_of_it, rows, elements, nearest, normalised
]  # fmt: skip
SPECIAL = [0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.0, 1e300, -1e300, 5e-324]


def bits(x: Any) -> Any:
    """A number, and its sign where it is 0; all NaNs are one."""
    return x.dtype, ("nan",) if np.isnan(x) else x.tobytes()


@pytest.mark.parametrize("f", SUMS)
def test_no_loop_is_left(f: Callable[..., Any]) -> None:
    assert not re.search(r"^loop\w*\(", lj.jit(f).inspect(np.ones(20), np.ones(30)).graph, re.M)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("f", SUMS)
def test_the_value_is_pythons_to_the_last_bit(f: Callable[..., Any], dtype: Any) -> None:
    rng, native = np.random.default_rng(0), lj.jit(f)
    with np.errstate(all="ignore"):
        for n in (1, 2, 3, 7, 16, 31, 256, 257, 600):
            m = min(n, 40) if f in (all_of_it, rows, elements, nearest, normalised) else n
            apart = rng.normal(size=n) * 10.0 ** rng.integers(-8, 8, n), rng.normal(size=m) * 10.0 ** rng.integers(-8, 8, m)
            special = rng.choice(SPECIAL, n), rng.choice(SPECIAL, m)
            for x, y in (apart, special, (np.full(n, -0.0), np.ones(m)), (np.sort(apart[0]), apart[1])):
                x, y = x.astype(dtype), y.astype(dtype)
                expected = dtype(f(x.copy(), y.copy()))
                assert bits(dtype(native(x, y))) == bits(expected), (n, x, y)


@pytest.mark.parametrize("f", [dot, from_behind, two_sums, with_a_map, all_of_it, rows, elements, nearest])
def test_of_nothing(f: Callable[..., Any]) -> None:
    none = np.zeros(0)
    y = np.ones(3) if f in (all_of_it,) else none
    assert bits(np.float64(lj.jit(f)(none, y))) == bits(np.float64(f(none, y)))
    for d in lj.jit(lj.grad(f, (0, 1)))(none, y):
        close(d, np.eye(1, len(d))[0] if f is all_of_it and len(d) else np.zeros(len(d)))


def test_rows_of_nothing() -> None:
    """Where an inner loop does not run its sum is its start, and nothing is checked."""
    x, none = np.linspace(0.5, 1.5, 20), np.zeros(0)
    for f in (rows, nearest):
        close(lj.jit(f)(x, none), f(x, none))
        close(lj.jit(lj.grad(f))(x, none), lj.grad(f)(x, none))
    with pytest.raises(IndexError, match="index 0 is out of bounds for axis 0 with size 0"):
        lj.jit(normalised)(x, none)
    assert lj.jit(normalised)(none, none) == 0.0


@pytest.mark.parametrize("f", SUMS)
def test_gradients(f: Callable[..., Any]) -> None:
    x, y = np.linspace(0.3, 1.7, 20), 5.0 * np.cos(4.33 * np.arange(20.0)) + 5.1  # no two are as near
    check(f, (x, y), argnums=(0, 1))
    lj.check_grads(f, (x[:4], y[:4]), order=2)
    small = [a.astype(np.float32) for a in (x, y)]
    for a, b in zip(lj.jit(lj.grad(f, (0, 1)))(*small), lj.grad(f, (0, 1))(x, y), strict=True):
        assert a.dtype == np.float32
        close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("f", SUMS)
def test_adjoints_where_memory_was_used_before(f: Callable[..., Any]) -> None:
    """y may be longer than what is read of it: the rest of its gradient is zero."""
    native = lj.jit(lj.grad(f, (0, 1)))
    for n, m in ((20, 23), (3, 3), (20, 20), (5, 40)):
        x, y = np.linspace(0.3, 1.7, n), np.cos(np.arange(float(m))) + 1.1
        expected = lj.grad(f, (0, 1))(x, y)
        for _ in range(2):
            found = native(x, y)
            close(found, expected, rtol=1e-11, atol=1e-11)
            for d in found:
                d[:] = np.nan
            del found, d


STAYS = {
    "each_total_is_seen": "s += x[i]; y[i] = s",
    "a_term_needs_the_sum": "s += x[i] * s",
    "the_condition_needs_the_sum": "s = s + x[i] if s < 3.0 else s",
    "a_product": "s = s * x[i]",
    "the_difference_the_other_way": "s = x[i] - s",
    "an_element_that_moves": "y[i] += y[i - 1]",
    "not_less": "s = x[i] if x[i] >= s else s",
}


@pytest.mark.parametrize("body", STAYS.values(), ids=STAYS)
def test_what_needs_the_iteration_before_stays_a_loop(body: str, tmp_path: Any) -> None:
    path = tmp_path / "loop.py"
    path.write_text(f"def f(x, y):\n    s = 1.0\n    y = y * 1.0\n    for i in range(len(x)):\n        {body}\n    return s, y\n")
    space: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), space)
    f, x = space["f"], np.linspace(0.1, 0.9, 20)
    assert re.search(r"^loop", lj.jit(f).inspect(x, x).graph, re.M)
    close(lj.jit(f)(x, x), f(x, x))


def test_ties_go_to_the_first() -> None:
    x = np.array([1.0, 3.0, 2.0, 3.0] * 5)
    close(lj.jit(lj.grad(largest))(x, np.zeros(1)), np.eye(20)[1])
    close(lj.jit(lj.grad(largest, 1))(x, np.full(1, 3.0)), np.ones(1))  # the start is the first


def test_a_sum_that_goes_on() -> None:
    """Backwards a start has the adjoint of its sum."""

    def f(x: Any, s: Any) -> Any:
        s = s * s
        for i in range(len(x)):
            s += x[i]
        return s * s

    x = np.linspace(0.1, 0.9, 20)
    assert "carried(" in lj.jit(f).inspect(x, 2.0).graph
    check(f, (x, 2.0), argnums=(0, 1))
    lj.check_grads(f, (x, 2.0), order=2)


def test_an_index_that_leaves_an_array_is_told() -> None:
    def f(a: Any, x: Any) -> Any:
        s = 0.0
        for i in range(len(a)):
            for j in range(a.shape[1]):
                s += a[i, j] * x[j]
        return s

    a = np.ones((3, 5))
    assert lj.jit(f)(a, np.ones(5)) == 15.0
    assert lj.jit(f)(np.ones((0, 5)), np.ones(2)) == 0.0
    with pytest.raises(IndexError, match="index 4 is out of bounds for axis 0 with size 4"):
        lj.jit(f)(a, np.ones(4))


LANES = {"x86-64-v3": 4, "znver4": 8, "apple-m1": 2}


@pytest.mark.parametrize("cpu", LANES)
def test_vectors_compute_the_terms(cpu: str) -> None:
    def f(x: Any, y: Any) -> Any:
        s = 0.0
        for i in range(len(x)):
            s += np.exp(x[i] * y[i])
        return s

    x = np.ones(20)
    for g in (f, lj.grad(f, (0, 1))):
        assert re.search(rf"maths\.exp\.f64\.v{LANES[cpu]}\b", lj.jit(g).inspect(x, x, target=cpu).asm)
    value = lj.jit(f).inspect(x, x, target=cpu).asm
    assert len(re.findall(r"vaddsd|fadd\td", value)) >= 4  # one after another

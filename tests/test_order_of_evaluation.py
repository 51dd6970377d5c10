"""What is evaluated when, and how often: loop tests with effects, augmented assignment, indices; targets after a loop."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import both, check, close


def walrus_in_test(n: int) -> Any:
    i, s = 0, 0
    while (i := i + 1) < n:
        s += i
    return s, i


def walrus_of_new_name(x: float) -> float:
    while (y := x * x + 1) < 5:
        x = x + y * 0.3
    return x * y


def calls_a_step(x: float, n: int) -> float:
    calls = 0

    def step() -> bool:
        nonlocal x, calls
        x = x * 1.1 + calls
        calls += 1
        return calls < n

    while step():
        pass
    return x


def test_a_loop_test_that_assigns() -> None:
    for out in both(walrus_in_test, 5).values():
        assert out == walrus_in_test(5)


def test_a_loop_test_that_assigns_a_new_name() -> None:
    check(walrus_of_new_name, (0.5,))


def test_a_loop_test_that_calls_a_function_with_state() -> None:
    check(calls_a_step, (0.5, 4))


def target_after_loop(x: float) -> float:
    for i in range(5):
        if i > x:
            break
    return i * x


def test_the_target_after_a_loop_that_surely_runs() -> None:
    check(target_after_loop, (2.5,), (9.0,))


# ---- assignment to elements
def overwrites(a: Any) -> float:
    a[0] = 10.0
    return 1.0


def augmented(a: Any) -> float:
    a[0] += overwrites(a)
    return a[0]


def test_augmented_assignment_reads_the_element_first() -> None:
    for out in both(augmented, np.ones(2)).values():
        close(out, augmented(np.ones(2)))


def counted(a: Any, n: int) -> Any:
    count = 0

    def following() -> int:
        nonlocal count
        count += 1
        return count

    a[following()] = following() * n
    a[following()] += following() * n
    return a


def test_assignment_evaluates_the_value_first() -> None:
    for out in both(counted, np.zeros(6), 10).values():
        close(out, counted(np.zeros(6), 10))


def operands_from_left_to_right(x: float) -> Any:
    order = []

    def note(k: int, v: float) -> float:
        order.append(k)
        return v

    y = note(1, x) + note(2, x) * note(3, x) if note(0, x) > 0 else note(4, x)
    z = note(5, x) < note(6, 1.0) < note(7, 2.0) * x
    w = max(note(8, x), note(9, x))
    return y, z, w, order[0], order[-1]


def test_operands_are_evaluated_from_left_to_right() -> None:
    for out in both(lambda x: operands_from_left_to_right(x)[:3], 0.7).values():
        close(out, operands_from_left_to_right(0.7)[:3])


# ---- assigned by the body of a loop that surely runs, and read after it
class Held:
    def __init__(self, value: Any) -> None:
        self.value = value


M = np.array([[2.0, 0.5], [0.3, 1.5]])
MADE: dict[str, Callable[[Any, Any], Any]] = {
    "a solution": lambda x, p: np.linalg.solve(M * x, p),
    "a view": lambda x, p: (x * p)[::2].T,
    "a tuple": lambda x, p: (x * p, [x, 2.0 * x]),
    "a dict": lambda x, p: {"a": x * p[0], "b": x},
    "an object": lambda x, p: Held(x * p),
    "a list": lambda x, p: [x, x * p[0, 0]],
    "complex": lambda x, p: np.exp(1j * x * p),
}


def total(v: Any) -> Any:
    if isinstance(v, Held):
        return total(v.value)
    if isinstance(v, (dict, list, tuple)):
        return sum(total(k) for k in (v.values() if isinstance(v, dict) else v))
    return np.sum(np.abs(v))


@pytest.mark.parametrize("what", MADE)
def test_what_only_the_body_assigns(what: str) -> None:
    def left(x: Any, limit: Any) -> Any:
        p = M
        for _ in range(20):
            k = MADE[what](x, p)
            p = 0.9 * p
            if np.sum(p) < limit:
                break
        return total(k) + p[0, 0]

    def branched(x: Any, limit: Any) -> Any:
        p = M
        for _ in range(20):
            k = MADE[what](x, p) if p[0, 0] > limit else MADE[what](2.0 * x, p)
            p = 0.9 * p
        return total(k)

    for f in (left, branched):
        check(f, (0.7, 1.1))


class Cell:
    """Something with a value."""

    def __init__(self, value: Any) -> None:
        self.value = value


def index_and_then_its_name(x: Any, n: int) -> Any:
    a, i = np.zeros(n + 1), 0
    for k in range(n):
        a[i], i = x * k, i + 1
    return np.sum(a * np.arange(n + 1.0)) * x


def index_in_a_while(x: Any, n: int) -> Any:
    a, i = np.zeros(n + 1), n
    while i > 0:
        (a[i], i), s = (x * i, i - 1), x
    return np.sum(a**3) * s


def object_and_then_its_name(x: Any, n: int) -> Any:
    a, b = Cell(x), Cell(x * x)
    c = a
    a.value, a = 3.0 * x, b
    items, others = [x, x], [2.0 * x, x]
    both = items
    items[0], items = x**3, others
    return a.value + c.value * both[0] + items[0]


def several_targets(x: Any, n: int) -> Any:
    a, i = np.zeros(4), 0
    i = a[i] = 2
    a[i] = i = 3
    a[i], *rest, i = x, 1, x, 0
    return a[3] * a[0] + a[2] * rest[1] + i


def a_dict_and_its_key(x: Any, n: int) -> Any:
    d, k = {"a": 0.0, "b": 0.0}, "a"
    d[k], k = x, "b"
    d[k], k = x * x, "a"
    return d["a"] * 2.0 + d["b"] * 3.0


def the_target_of_a_loop(x: Any, n: int) -> Any:
    a, i = np.zeros(4), 0
    s = 0
    for a[i], i in [(x, 1), (x * x, 2)]:
        s += i
    return a[0] * 2.0 + a[1] * 3.0 + a[2] * 100.0 + s


@pytest.mark.parametrize(
    "f",
    [index_and_then_its_name, index_in_a_while, object_and_then_its_name, several_targets, a_dict_and_its_key, the_target_of_a_loop],
    ids=lambda f: f.__name__,
)
def test_targets_are_assigned_from_left_to_right(f: Callable[..., Any]) -> None:
    """A name was assigned before an element or an attribute that stood before it, whose index or object it names."""
    check(f, (0.7, 3))


WAYS: dict[str, Callable[[Any], Any]] = {
    "iter": iter,
    "reversed": reversed,
    "iter of reversed": lambda a: iter(reversed(a)),
    "enumerate of reversed": lambda a: (v * k for k, v in enumerate(reversed(a))),
    "zip": lambda a: (p * q for p, q in zip(a, reversed(a), strict=True)),
    "map": lambda a: map(lambda p, q: p + q, a, reversed(a)),
    "cycle": lambda a: itertools.islice(itertools.cycle(a), 5),
    "compress": lambda a: itertools.compress(a, [1, 0, 1]),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_elements_are_read_when_it_is_their_turn(way: Callable[[Any], Any]) -> None:
    """Those of arrays of known size were read before the loop began, and what it wrote was not seen."""

    def f(x: Any) -> Any:
        a = np.array([x, 1.0, 2.0])
        for v in way(a):
            a[2] += 0.5 * v
            a[0] += 0.25 * v * v * x
        return a[0] + 2.0 * a[2]

    def g(a: Any) -> Any:
        a = a * 1.0
        for v in way(a):
            a[2] += 0.5 * v
            a[0] += 0.25 * v * v
        return a[0] + 2.0 * a[2]

    check(f, (0.3,))
    a, e = np.array([0.3, 1.0, 2.0]), 1e-6 * np.eye(3)
    by_differences = [(g(a + d) - g(a - d)) / 2e-6 for d in e]
    for derivative in (lj.grad(g), lj.jacfwd(g)):
        np.testing.assert_allclose(lj.jit(derivative)(a), by_differences, 1e-6)


def test_any_and_all_ask_for_no_more_than_they_need() -> None:
    """Elements behind the one that decides were computed, with all that this does."""

    def f(x: Any, a: Any, k: int) -> Any:
        seen = []

        def look(v: Any) -> Any:
            seen.append(v)
            return v

        found = any(look(v) > 0 for v in [x, 1.0, -x]), all(look(v) > 0 for v in [x, 1.0, x])
        return found, any(a[i] > 5.0 for i in [0, k]), len(seen)

    for x, a, k in ((2.0, [9.0, 1.0], 7), (-2.0, [9.0, 1.0], 7), (-2.0, [1.0, 6.0], 1), (2.0, [1.0, 2.0], 1)):
        for found in both(f, x, np.array(a), k).values():
            assert found == f(x, np.array(a), k)
    with pytest.raises(IndexError):
        lj.jit(f)(2.0, np.array([1.0, 2.0]), 7)

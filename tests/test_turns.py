"""Arrays that loops make anew in each iteration, and that have one memory, or one for each other iteration: their adjoints, and their elements
where the way back does not read them. The memory that gradients take, and that they are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import close

Function = Callable[..., Any]
STEPS, SIZE = 40, 20_000


def heat(u: Any, steps: int = 7) -> Any:
    """Linear: nothing is kept."""
    for _ in range(steps):
        new = u.copy()
        new[1:-1] = u[1:-1] + 0.1 * (u[2:] - 2.0 * u[1:-1] + u[:-2])
        u = new
    return np.sum(u * u)


def two_before(u: Any, steps: int = 7) -> Any:
    """What the loop carries on has three names."""
    v, w = 0.9 * u, 0.8 * u
    for _ in range(steps):
        u, v, w = 0.5 * u + v[::-1] - 0.3 * w, u, v
    return np.sum(u * v * w)


def with_parts(u: Any, steps: int = 7) -> Any:
    """An array of zeros in each iteration, of which only a part is written."""
    for _ in range(steps):
        bend = np.zeros_like(u)
        bend[1:-1] = u[2:] - 2.0 * u[1:-1] + u[:-2]
        u = u + 0.1 * bend
    return np.sum(u * u * u)


def empty(u: Any, steps: int = 7) -> Any:
    for _ in range(steps):
        turned = np.empty_like(u)
        turned[0] = u[-1]
        turned[1:] = u[:-1]
        u = 0.7 * u + 0.3 * turned
    return np.sum(np.sin(u))


def nonlinear(u: Any, steps: int = 7) -> Any:
    """The elements are read on the way back, the adjoints take turns."""
    for _ in range(steps):
        u = u + 0.1 * np.sin(u) * u
    return np.sum(u)


def kept_of_one(u: Any, steps: int = 7) -> Any:
    """One array is read on the way back, another is not."""
    for _ in range(steps):
        a = u * u
        u = u - 0.1 * (a - np.roll(a, 1))
    return np.sum(u * u)


KEPT = {heat: 0, two_before: 0, with_parts: 0, empty: 0, nonlinear: 1, kept_of_one: 1}  # arrays that are kept of an iteration


@pytest.mark.parametrize("f", KEPT, ids=lambda f: f.__name__)
def test_memory(f: Function) -> None:
    x = np.linspace(0.1, 0.9, SIZE)
    memory = lj.jit(lj.grad(f)).inspect(x, STEPS).memory
    assert memory.stack + memory.arrays < (KEPT[f] * STEPS + 12) * x.nbytes + (1 << 16)


# ---- other names, other ends
def loops_in_the_loop(u: Any, steps: int = 5) -> Any:
    w = u
    for _ in range(steps):
        for _ in range(3):
            u = 0.9 * u + 0.1 * w[::-1]
        w = 0.5 * u + w
        if w[0] > 3.0:
            break
    return np.sum(u * w)


def a_break_after(u: Any, steps: int = 20) -> Any:
    new = u
    for i in range(steps):
        new = 1.1 * u[::-1] + 0.1
        if new[0] > 2.0 + 0.01 * i:
            break
        u = new
    return np.sum(new * u)


def chosen(u: Any, steps: int = 7) -> Any:
    total = 0.0
    for _ in range(steps):
        a = u * 1.1 + 0.1
        if a[0] > 0.5:
            u = np.sin(a)
        else:
            u = 0.5 * a
            total += u[0]
        total += u[1] * u[2]
    return total + np.sum(u)


def passed_on_as_a_row(u: Any, steps: int = 7) -> Any:
    """Another name goes on to the next iteration: a view."""
    first = u[:2]
    for _ in range(steps):
        u = 0.8 * u + 0.1 * first[1] * u[::-1]
        first = u[:2]
    return np.sum(u) + first[0]


def two_names(u: Any, steps: int = 7) -> Any:
    """The same array goes on under two names, of which one is written."""
    v = u
    for _ in range(steps):
        w = 0.5 * u + 0.25 * v
        w[0] = u[1] * v[2]
        u = w
        v = w
    return np.sum(u * v)


def swapped(u: Any, steps: int = 7) -> Any:
    v = 2.0 * u
    for _ in range(steps):
        u, v = v, 0.5 * u + 0.1 * v
    return np.sum(u * np.cos(v))


def element_by_element(u: Any, steps: int = 7) -> Any:
    """Loops that are replayed read elements again."""
    total = 0.0
    for _ in range(steps):
        new = np.zeros(len(u))
        for j in range(1, len(u) - 1):
            new[j] = 0.5 * u[j] + 0.25 * (u[j - 1] + u[j + 1])
        for j in range(len(u)):
            total += new[j] * np.sin(u[j])
        u = new
    return total + np.sum(u)


def of_known_size(u: Any) -> Any:
    a = u[0] * np.array([1.0, 2.0, 3.0])
    for _ in range(9):
        a = 0.5 * a + 0.1 * a[::-1] + u[1]
    return np.sum(a * a)


def rows(u: Any, steps: int = 4) -> Any:
    a = np.outer(u, u)
    for _ in range(steps):
        b = np.zeros_like(a)
        b[1:, :] = a[:-1, :] * 0.5
        a, c = b + 0.3 * a.T, a @ u
        u = u + 0.01 * c
    return np.sum(a) + np.sum(u * u)


def until(u: Any) -> Any:
    total, i = 0.0, 0
    while total < 4.0 and i < 20:
        u = 1.1 * np.exp(-u)
        total = total + np.sum(u * u) * 0.3
        i += 1
    return total


def helped(u: Any, steps: int = 5) -> Any:
    def step(a: Any, b: Any) -> Any:
        out = np.empty_like(a)
        out[:-1] = 0.5 * a[1:] + 0.1 * b[:-1]
        out[-1] = a[0]
        return out

    before = u
    for _ in range(steps):
        u, before = step(u, before), u
    return np.sum(u * before)


PROGRAMS = [*KEPT, loops_in_the_loop, a_break_after, chosen, passed_on_as_a_row, two_names, swapped, element_by_element, of_known_size,
            rows, until, helped]  # fmt: skip
X = np.array([0.3, 0.5, -0.2, 0.7, 0.1])


def difference(f: Function, x: Any, h: float = 1e-6) -> Any:
    return np.array([(f(x + e) - f(x - e)) / (2 * h) for e in np.eye(len(x)) * h])


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_gradients(f: Function) -> None:
    found = lj.jit(lj.grad(f))(X)
    close(found, difference(f, X), 1e-7)
    with lj.interpreted():
        close(found, lj.jit(lj.grad(f))(X), 1e-12)
    close(lj.jit(lj.grad(f))(X.astype(np.float32)), found, 1e-4)


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_second_derivatives(f: Function) -> None:
    gradient, v = lj.jit(lj.grad(f)), np.cos(X)
    expected = difference(lambda x: gradient(x) @ v, X)
    close(lj.jit(lambda x: lj.hvp(f, (x,), (v,)))(X), expected, 1e-6)
    twice = lj.jit(lj.grad(lambda x: np.sum(lj.grad(f)(x) * v)))
    close(twice(X), expected, 1e-6)


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_rows_of_jacobians(f: Function) -> None:
    """Blocks of cotangents, and a pullback that is asked more than once."""
    both = lj.jit(lj.jacrev(lambda x: np.array([f(x), f(0.5 * x)])))
    close(both(X), np.stack([difference(f, X), 0.5 * difference(f, 0.5 * X)]), 1e-7)
    y, pull = lj.vjp(lj.jit(f), X)
    close(pull(2.0)[0], 2.0 * difference(f, X), 1e-7)
    close(pull(1.0)[0], difference(f, X), 1e-7)
    close(y, f(X), 1e-12)


def test_they_are_zero_for_each_call() -> None:
    gradient = lj.jit(lj.grad(with_parts))
    first = gradient(X)
    assert np.array_equal(gradient(2.0 * X), lj.jit(lj.grad(with_parts))(2.0 * X))
    assert np.array_equal(gradient(X), first)


def test_arrays_that_are_returned() -> None:
    """The last array outlives the loop, and the call."""

    def last(u: Any) -> Any:
        for _ in range(6):
            u = 0.5 * u + 0.1 * u[::-1]
        return u

    both = lj.jit(lj.value_and_grad(lambda u: np.sum(last(u) * last(2.0 * u))))
    value, g = both(X)
    close(value, np.sum(last(X) * last(2.0 * X)), 1e-12)
    close(g, difference(lambda u: np.sum(last(u) * last(2.0 * u)), X), 1e-7)
    y, pull = lj.vjp(last, X)
    assert np.array_equal(y, last(X))
    close(pull(np.ones(5))[0], difference(lambda u: np.sum(last(u)), X), 1e-7)

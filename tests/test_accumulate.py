"""Sums of arrays that a loop carries are added in place where nobody can tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import check


def polynomial(c: Any, t: Any) -> Any:
    y, power = np.zeros_like(t), np.ones_like(t)
    for j in range(len(c)):
        y = y + c[j] * power
        power = power * t
    return np.sum(y * y)


def behind(c: Any, t: Any) -> Any:
    y = np.zeros_like(t)
    for j in range(len(c)):
        y = np.sin(c[j] * t) + y
    return np.sum(y * y)


def taken_away(c: Any, t: Any) -> Any:
    y, z = t * 2.0, t * 1.0
    for j in range(len(c)):
        y = y - c[j] * t
        z = c[j] * t - z
    return np.sum(y * y) + np.sum(z**3)


def begun_with_an_argument(c: Any, t: Any) -> Any:
    y = t
    for j in range(len(c)):
        y = y + c[j] * t
    return np.sum(y * t)


def its_beginning_is_used_afterwards(c: Any, t: Any) -> Any:
    first = t * 3.0
    y = first
    for j in range(len(c)):
        y = y + c[j] * t
    return np.sum(y * first)


def read_in_every_step(c: Any, t: Any) -> Any:
    y, total = np.zeros_like(t), 0.0
    for j in range(len(c)):
        y = y + c[j] * t
        total += np.sum(y**3)
    return total + np.sum(y)


def read_before_it_is_added_to(c: Any, t: Any) -> Any:
    y, z = np.zeros_like(t), np.zeros_like(t)
    for j in range(len(c)):
        z = z + np.sin(y)
        y = y + c[j] * t
    return np.sum(y * z)


def in_an_inner_loop(c: Any, t: Any) -> Any:
    """The sum of the outer loop is made of the last of the inner one."""
    y = np.zeros_like(t)
    for j in range(len(c)):
        z = y * 1.0
        for i in range(j + 1):
            z = y + c[i] * t
        y = z
    return np.sum(y * y)


def swapped(c: Any, t: Any) -> Any:
    a, b = np.zeros_like(t), np.ones_like(t)
    for j in range(len(c)):
        a, b = b + c[j] * t, a + t
    return np.sum(a * b * b)


def sometimes(c: Any, t: Any) -> Any:
    y = np.zeros_like(t)
    for j in range(len(c)):
        if c[j] > 0.0:
            y = y + c[j] * t
    return np.sum(y * y)


def until(c: Any, t: Any) -> Any:
    y = np.zeros_like(t)
    for j in range(len(c)):
        y = y + c[j] * t
        if np.sum(y * y) > 0.5:
            break
    return np.sum(y * y)


def in_two_loops(c: Any, t: Any) -> Any:
    """Made anew in each step of an outer loop."""
    total = 0.0
    for _ in range(2):
        y = np.zeros_like(t)
        for j in range(len(c)):
            y = y + c[j] * np.cos(0.1 * t * total)
        total += np.sum(y * y)
    return total


def of_matrices(c: Any, t: Any) -> Any:
    y = np.zeros((len(t), len(t)))
    for j in range(len(c)):
        y = y + c[j] * (t[:, None] * np.sin(t))
    return np.sum((y @ t) ** 2)


def with_itself_turned(c: Any, t: Any) -> Any:
    y = t[:, None] * np.cos(t)
    for j in range(len(c)):
        y = y + c[j] * y.T
    return np.sum(y * y)


PROGRAMS = [polynomial, behind, taken_away, begun_with_an_argument, its_beginning_is_used_afterwards, read_in_every_step,
            read_before_it_is_added_to, in_an_inner_loop, swapped, sometimes, until, in_two_loops, of_matrices, with_itself_turned]  # fmt: skip
C, T = np.array([0.5, -0.3, 0.8]), np.array([0.7, -0.2, 1.1, 0.4])


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_values_and_derivatives(f: Any) -> None:
    check(f, (C, T), (C[:0], T), argnums=(0, 1))


@pytest.mark.parametrize("f", [polynomial, behind, of_matrices])
def test_added_in_place(f: Any) -> None:
    text = lj.jit(lj.grad(f)).inspect(C, T).graph
    assert "('into'," in text
    assert ".there(" not in text


def test_a_step_of_a_sum_keeps_one_array() -> None:
    found = lj.jit(lj.grad(polynomial))
    g = np.random.default_rng(0)
    few, many = (found.inspect(g.normal(size=n), g.normal(size=1024)).memory.arrays for n in (100, 200))
    assert many - few < 1.5 * 100 * 1024 * 8

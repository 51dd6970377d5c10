"""Gradients of programs that read and write arrays, in loops, branches and recursion, to second order."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pytest

from .support import Function, check

Array = np.ndarray[Any, Any]


def sample(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).uniform(0.3, 1.7, shape)


def dot(a: Array, b: Array) -> float:
    s = 0.0
    for i in range(len(a)):
        s += a[i] * b[i]
    return s


def by_elements(a: Array) -> float:
    s = 0.0
    for x in a:
        s += math.sin(x) * x
    for i, x in enumerate(a):
        s += i * x * a[0]
    for x, y in zip(a, reversed(a)):  # noqa: B905
        s += x * y * y
    return s


def prefix_products(a: Array) -> float:
    for i in range(1, len(a)):
        a[i] = a[i] * a[i - 1]
    return dot(a, a)


def write_in_branches(a: Array, x: float) -> float:
    for i in range(len(a)):
        if a[i] > x:
            a[i] = math.log(a[i])
        elif i % 2:
            a[i] -= x
        else:
            continue
        a[0] += a[i] * x
    return a[0] * a[-1] + dot(a, a)


def break_between_writes(a: Array, x: float) -> float:
    i = 0
    while True:
        a[i] = a[i] * x + a[i - 1]
        if a[i] > 2.5:
            break
        a[i] = a[i] ** 2
        i += 1
        if i == len(a):
            return a[-1] * x
    return a[i] * a[0]


def overwritten(a: Array, x: float) -> float:
    a[1] = x
    y = a[1] * a[0]
    a[1] = 7.0
    a[0] = a[1] * x
    return y * a[0] + a[1]


def swap_arrays(a: Array, b: Array, n: int) -> float:
    for i in range(n):
        a[i % len(a)] = a[0] * b[-1]
        a, b = b, a
    return a[0] * b[1] + dot(a, b)


def chosen_array(a: Array, b: Array, x: float) -> float:
    c = a if x > 1 else b
    c[0] = c[0] * x
    return a[0] + 2 * b[0] * c[1]


def local_in_loop(a: Array, n: int) -> float:
    s = 0.0
    for i in range(n):
        w = np.zeros(i + 1)
        for j in range(i + 1):
            w[j] = a[j % len(a)] * (j + 1)
        s += dot(w, w) * w[-1]
    return s


def replaced_in_loop(a: Array, n: int) -> float:
    w = a.copy()
    for _ in range(n):
        new = np.zeros(len(w))
        for j in range(len(w)):
            new[j] = 0.5 * w[j] + 0.3 * w[j - 1] * w[j - 2]
        w = new
    return dot(w, w)


def recursion_writes(a: Array, i: int) -> float:
    if i == len(a):
        return a[0] * a[-1]
    a[i] = a[i] * a[i - 1]
    r = recursion_writes(a, i + 1)
    a[0] = a[0] + r
    return r * a[i] + a[0]


def quicksort(a: Array, low: int, high: int) -> None:
    if low >= high:
        return
    pivot, i = a[high], low
    for j in range(low, high):
        if a[j] < pivot:
            a[i], a[j] = a[j], a[i]
            i += 1
    a[i], a[high] = a[high], a[i]
    quicksort(a, low, i - 1)
    quicksort(a, i + 1, high)


def sorted_weights(a: Array) -> float:
    quicksort(a, 0, len(a) - 1)
    s = 0.0
    for i in range(len(a)):
        s += a[i] * a[i] * (i + 1)
    return s


def aliases(a: Array, b: Array, n: int) -> float:
    if n == 0:
        return a[0] * b[1]
    a[0] = a[0] * b[0]
    b[1] += a[0] * a[1]
    return aliases(a, b, n - 1) + a[1]


def same_array_twice(a: Array, n: int) -> float:
    return aliases(a, a, n) + aliases(a, a.copy(), n)


def matrix_product(a: Array, b: Array) -> float:
    n, m, k = a.shape[0], b.shape[1], a.shape[1]
    c = np.zeros((n, m))
    for i in range(n):
        for j in range(m):
            for l in range(k):  # noqa: E741
                c[i, j] += a[i, l] * b[l, j]
    s = 0.0
    for i in range(n):
        s += c[i, -1] ** 2 * c[0, i % m]
    return s


def log_determinant(m: Array) -> float:
    a = m.copy()
    n = len(a)
    s = 0.0
    for k in range(n):
        p = k
        for i in range(k + 1, n):
            if abs(a[i, k]) > abs(a[p, k]):
                p = i
        for j in range(n):
            a[k, j], a[p, j] = a[p, j], a[k, j]
        s += math.log(abs(a[k, k]))
        for i in range(k + 1, n):
            f = a[i, k] / a[k, k]
            for j in range(k, n):
                a[i, j] -= f * a[k, j]
    return s


def soft_edit_distance(a: Array, b: Array) -> float:
    n, m = len(a), len(b)
    d = np.zeros((n + 1, m + 1))
    for i in range(n + 1):
        for j in range(m + 1):
            if i == 0 or j == 0:
                d[i, j] = i + j
            else:
                c = (a[i - 1] - b[j - 1]) ** 2
                low = -np.logaddexp(np.logaddexp(-d[i - 1, j] - 1, -d[i, j - 1] - 1), -d[i - 1, j - 1] - c)
                d[i, j] = low
    return d[n, m]


def cube(a: Array, x: float) -> float:
    s = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            for k in range(a.shape[2]):
                if (i + j + k) % 2:
                    a[i, j, k] = a[i, j, k] * a[k % a.shape[0], j, 0] * x
                s += a[i, j, -1] * a[0, 0, k]
    return s


def tree(left: Array, right: Array, w: Array, node: int) -> float:
    if left[node] < 0:
        return w[node]
    return math.tanh(tree(left, right, w, left[node]) + w[node] * tree(left, right, w, right[node]))


def tree_loss(w: Array) -> float:
    left, right = np.array([1, 3, -1, -1, -1]), np.array([2, 4, -1, -1, -1])
    return tree(left, right, w, 0)


class Model(NamedTuple):
    weights: Array
    bias: float


def container(p: dict[str, Any]) -> float:
    m: Model = p["model"]
    s = m.bias
    for i in range(len(m.weights)):
        m.weights[i] = m.weights[i] * m.bias
        s = s + m.weights[i] * p["x"][i] * p["x"][0]
    return s * s


def filled(x: float, n: int) -> float:
    a = np.full((n, n), x)
    b = np.full_like(a, x * x)
    c = np.array([x, 2.0, x * x])
    for i in range(n):
        a[i, i] = a[i, 0] * b[0, i]
    return a[0, -1] * a[n - 1, n - 1] + b[0, 0] * c[0] * c[-1]


A, B = sample(5), sample(4) + 0.2
PROGRAMS: list[tuple[Function, list[tuple[Any, ...]], tuple[int, ...]]] = [
    (dot, [(sample(4), sample(5)), (sample(1), sample(2)), (np.array([]), np.array([]))], (0, 1)),
    (by_elements, [(sample(5),)], (0,)),
    (prefix_products, [(sample(5),), (sample(1),)], (0,)),
    (write_in_branches, [(sample(6), 0.9)], (0, 1)),
    (break_between_writes, [(sample(6), 0.9), (sample(6), 1.6), (sample(3), 0.2)], (0, 1)),
    (overwritten, [(sample(3), 0.7)], (0, 1)),
    (swap_arrays, [(sample(3), sample(3) + 0.1, 5), (sample(3), sample(3) + 0.1, 4)], (0, 1)),
    (chosen_array, [(sample(3), sample(2), 1.5), (sample(3), sample(2), 0.5)], (0, 1, 2)),
    (local_in_loop, [(sample(3), 4)], (0,)),
    (replaced_in_loop, [(sample(4), 3), (sample(4), 0)], (0,)),
    (recursion_writes, [(sample(4), 1)], (0,)),
    (same_array_twice, [(sample(3), 3)], (0,)),
    (matrix_product, [(sample(2, 3), sample(3, 4))], (0, 1)),
    (log_determinant, [(sample(4, 4),)], (0,)),
    (soft_edit_distance, [(A, B)], (0, 1)),
    (cube, [(sample(2, 2, 3), 0.8)], (0, 1)),
    (tree_loss, [(sample(5),)], (0,)),
    (container, [({"model": Model(sample(3), 0.7), "x": sample(3)},)], (0,)),
    (filled, [(0.7, 3), (0.7, 1)], (0,)),
]


@pytest.mark.parametrize(("f", "points", "nums"), PROGRAMS, ids=[f.__name__ for f, _, _ in PROGRAMS])
def test_program(f: Function, points: list[tuple[Any, ...]], nums: tuple[int, ...]) -> None:
    check(f, *points, argnums=nums, rtol=1e-6)


def test_recursion_without_a_result() -> None:
    check(sorted_weights, (sample(7),))

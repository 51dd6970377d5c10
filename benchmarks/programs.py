"""The programs that are measured, as plain Python.

Each one runs as ordinary Python on floats and NumPy arrays, and is what `lantern_jit.jit` and `lantern_jit.grad`
are given, unchanged. Peers run a second copy of this file in which `math` is their own (see peers/base.py).
floor.c, floor_arrays.c and floor_calls.c are the same programs in C, under the same names.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def lorenz(x: float, y: float, z: float, sigma: float, rho: float, beta: float, n: int) -> float:
    """The final x of n explicit Euler steps of 1e-4 time units of the Lorenz system."""
    for _ in range(n):
        dx = sigma * (y - x)
        dy = x * (rho - z) - y
        dz = x * y - beta * z
        x, y, z = x + 1e-4 * dx, y + 1e-4 * dy, z + 1e-4 * dz
    return x


def kepler(e: float, mean: float, n: int) -> float:
    """The sum of n solutions x of Kepler's equation x - e sin x = mean + 1e-4 i, in radians, by Newton's method."""
    total = 0.0
    for i in range(n):
        m = mean + 1e-4 * i
        x = m
        step = 1.0
        while abs(step) > 1e-12:
            step = (x - e * math.sin(x) - m) / (1.0 - e * math.cos(x))
            x = x - step
        total = total + x
    return total


def spring_chain(masses: int) -> Callable[[float, float, float, int], float]:
    """The program that moves a chain of so many masses on springs, which has 2 * masses loop-carried floats."""

    def chain(k: float, c: float, p2: float, n: int) -> float:
        """The first mass's position after n Euler steps of 1e-3; k is stiffness, c drag, p2 the first start."""
        q = tuple(p2 + 0.1 * i for i in range(masses))
        v = tuple(0.0 for i in range(masses))
        for _ in range(n):
            wall = (0.0, *q, 0.0)
            a = tuple(k * (wall[i] - 2.0 * q[i] + wall[i + 2]) - c * v[i] - math.sin(q[i]) for i in range(masses))
            q, v = tuple(q[i] + 1e-3 * v[i] for i in range(masses)), tuple(v[i] + 1e-3 * a[i] for i in range(masses))
        return q[0]

    return chain


chain4 = spring_chain(4)
chain8 = spring_chain(8)
chain16 = spring_chain(16)


def tree(node: int, left: Indices, right: Indices, value: Floats, w0: float, w1: float, w2: float, w3: float) -> float:
    """A recursive network on a binary tree given by child indices; a leaf has left[node] = -1."""
    if left[node] < 0:
        return math.tanh(value[node] * w3)
    a = tree(left[node], left, right, value, w0, w1, w2, w3)
    b = tree(right[node], left, right, value, w0, w1, w2, w3)
    return math.tanh(w0 * a + w1 * b + w2)


def minors(a: Floats, row: int, used: int) -> float:
    """The minor of a matrix's rows from this one on, without the columns in the set `used`, by expansion along its first row."""
    if row == len(a):
        return 1.0
    total, sign = 0.0, 1.0
    for j in range(len(a)):
        if not used & (1 << j):
            total = total + sign * a[row, j] * minors(a, row + 1, used | (1 << j))
            sign = -sign
    return total


def determinant(a: Floats) -> float:
    """A determinant by minors: a recursion as wide as it is deep."""
    return minors(a, 0, 0)


def squares(x: Floats) -> float:
    """The sum of x[i] ** 2."""
    total = 0.0
    for i in range(len(x)):
        total = total + x[i] * x[i]
    return total


def dot(x: Floats, y: Floats) -> float:
    """The sum of x[i] * y[i]."""
    total = 0.0
    for i in range(len(x)):
        total = total + x[i] * y[i]
    return total


def logsumexp(x: Floats) -> float:
    """log(sum(exp(x))), safe from overflow by taking out the largest element first."""
    largest: float = x[0]
    for i in range(len(x)):
        if x[i] > largest:
            largest = x[i]
    total = 0.0
    for i in range(len(x)):
        total = total + math.exp(x[i] - largest)
    return largest + math.log(total)


def wave(x: float) -> float:
    """A function of two operations: what its call costs is the call."""
    return math.sin(x) * x


def rosenbrock(x: Floats) -> float:
    """Rosenbrock's function."""
    total = 0.0
    for i in range(len(x) - 1):
        u = x[i + 1] - x[i] * x[i]
        v = 1.0 - x[i]
        total = total + 100.0 * u * u + v * v
    return total


def softmin(x: float, y: float, z: float, gamma: float) -> float:
    """A smooth minimum of three; gamma, in their unit, is how smooth."""
    m = x
    if y < m:
        m = y
    if z < m:
        m = z
    total = math.exp(-(x - m) / gamma) + math.exp(-(y - m) / gamma) + math.exp(-(z - m) / gamma)
    return m - gamma * math.log(total)


def softdtw(a: Floats, b: Floats, gamma: float) -> float:
    """The soft-min alignment cost of two signals (Cuturi and Blondel, "Soft-DTW", ICML 2017), by a full table."""
    rows = len(a)
    columns = len(b)
    table = np.zeros((rows + 1, columns + 1))
    for i in range(rows):
        table[i + 1, 0] = 1e6
    for j in range(columns):
        table[0, j + 1] = 1e6
    for i in range(1, rows + 1):
        for j in range(1, columns + 1):
            gap = a[i - 1] - b[j - 1]
            table[i, j] = gap * gap + softmin(table[i - 1, j - 1], table[i - 1, j], table[i, j - 1], gamma)
    distance: float = table[rows, columns]
    return distance


def logdet(a: Floats) -> float:
    """log(abs(det(a))) of a square matrix by Gaussian elimination without pivoting, on a local copy."""
    n = len(a)
    u = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            u[i, j] = a[i, j]
    total = 0.0
    for k in range(n):
        pivot = u[k, k]
        total = total + math.log(abs(pivot))
        for i in range(k + 1, n):
            factor = u[i, k] / pivot
            for j in range(k + 1, n):
                u[i, j] = u[i, j] - factor * u[k, j]
    return total

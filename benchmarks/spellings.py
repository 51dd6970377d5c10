"""Programs spelled by loops, whose gradients are timed beside those of the same programs spelled by whole arrays."""

import math
from typing import Any

import numpy as np

Floats = Any


def dot(x: Floats, y: Floats) -> Any:
    total = 0.0
    for i in range(len(x)):
        total += x[i] * y[i]
    return total


def dot_by_arrays(x: Floats, y: Floats) -> Any:
    return np.sum(x * y)


def mapped(x: Floats) -> Any:
    """A map, then a sum of squares."""
    y = np.zeros(len(x))
    for i in range(len(x)):
        y[i] = np.sin(x[i]) * x[i]
    total = 0.0
    for i in range(len(x)):
        total += y[i] * y[i]
    return total


def mapped_by_arrays(x: Floats) -> Any:
    y = np.sin(x) * x
    return np.sum(y * y)


def product(x: Floats, y: Floats) -> Any:
    """The sum of the squares of a matrix product."""
    z = np.zeros((len(x), y.shape[1]))
    for i in range(len(x)):
        for j in range(y.shape[1]):
            for k in range(len(y)):
                z[i, j] += x[i, k] * y[k, j]
    return np.sum(z * z)


def product_by_arrays(x: Floats, y: Floats) -> Any:
    z = x @ y
    return np.sum(z * z)


def matrix_by_vector(x: Floats, y: Floats) -> Any:
    total = 0.0
    for i in range(len(x)):
        s = 0.0
        for j in range(len(y)):
            s += x[i, j] * y[j]
        total += s * s
    return total


def matrix_by_vector_by_arrays(x: Floats, y: Floats) -> Any:
    z = x @ y
    return np.sum(z * z)


def k_means(points: Floats, centres: Floats) -> Any:
    """The sum of the squares of the distances to the nearest centre."""
    total = 0.0
    for i in range(len(points)):
        best = math.inf
        for k in range(len(centres)):
            distance = 0.0
            for j in range(points.shape[1]):
                d = points[i, j] - centres[k, j]
                distance += d * d
            if distance < best:
                best = distance
        total += best
    return total


def k_means_by_arrays(points: Floats, centres: Floats) -> Any:
    d = points[:, None, :] - centres
    return np.sum(np.min(np.sum(d * d, axis=2), axis=1))


def log_sum_exp(v: Floats) -> Any:
    largest = v[0]
    for i in range(len(v)):
        if v[i] > largest:
            largest = v[i]
    total = 0.0
    for i in range(len(v)):
        total += math.exp(v[i] - largest)
    return largest + math.log(total)


def mixture(alphas: Floats, means: Floats, icf: Floats, x: Floats) -> Any:
    """The log posterior of a Gaussian mixture, up to constants."""
    count, d = means.shape
    q = np.zeros((count, d, d))
    logs = np.zeros(count)
    prior = 0.0
    for k in range(count):
        at = d
        for i in range(d):
            q[k, i, i] = math.exp(icf[k, i])
            prior += 0.5 * q[k, i, i] ** 2 - icf[k, i]
            logs[k] += icf[k, i]
            for j in range(i):
                q[k, i, j] = icf[k, at]
                prior += 0.5 * icf[k, at] ** 2
                at += 1
    total = 0.0
    for n in range(len(x)):
        main = np.zeros(count)
        for k in range(count):
            squares = 0.0
            for i in range(d):
                z = 0.0
                for j in range(d):
                    z += q[k, i, j] * (x[n, j] - means[k, j])
                squares += z * z
            main[k] = alphas[k] + logs[k] - 0.5 * squares
        total += log_sum_exp(main)
    return total - len(x) * log_sum_exp(alphas) + prior

"""A Gaussian process whose kernels are added and multiplied."""

from abc import ABC, abstractmethod

import numpy as np


class Kernel(ABC):
    @abstractmethod
    def __call__(self, a, b): ...

    def __add__(self, other):
        return Sum(self, other)

    def __mul__(self, other):
        if isinstance(other, (int, float)):
            return Scaled(other, self)
        return Product(self, other)

    def __rmul__(self, other):
        return Scaled(other, self)


class Pair(Kernel):
    def __init__(self, left, right):
        self.left, self.right = left, right


class Sum(Pair):
    def __call__(self, a, b):
        return self.left(a, b) + self.right(a, b)


class Product(Pair):
    def __call__(self, a, b):
        return self.left(a, b) * self.right(a, b)


class Scaled(Kernel):
    def __init__(self, factor, inner):
        self.factor, self.inner = factor, inner

    def __call__(self, a, b):
        return self.factor * self.inner(a, b)


class RBF(Kernel):
    def __init__(self, length=1.0):
        self.length = length

    def __call__(self, a, b):
        d = a[:, None] - b[None, :]
        return np.exp(-0.5 * (d / self.length) ** 2)


class Periodic(Kernel):
    def __init__(self, period, length=1.0):
        super().__init__()
        self.period = period
        self.length = length

    def __call__(self, a, b):
        d = np.abs(a[:, np.newaxis] - b)
        return np.exp(-2.0 * (np.sin(np.pi * d / self.period) / self.length) ** 2)


class White(Kernel):
    def __init__(self, variance):
        self.variance = variance

    def __call__(self, a, b):
        if a is b:
            return self.variance * np.eye(len(a))
        return np.zeros((len(a), len(b)))


class GP:
    def __init__(self, kernel, mean=None, jitter=1e-8):
        self.kernel = kernel
        self.mean = mean or (lambda x: np.zeros(len(x)))
        self.jitter = jitter
        self._fitted = False

    def fit(self, x, y):
        if len(x) != len(y):
            raise ValueError(f"{len(x)} places and {len(y)} values")
        self.x = x
        k = self.kernel(x, x)
        k[np.diag_indices(len(x))] += self.jitter
        self.chol = np.linalg.cholesky(k)
        self.residual = y - self.mean(x)
        self.weights = np.linalg.solve(self.chol.T, np.linalg.solve(self.chol, self.residual))
        self._fitted = True
        return self

    @property
    def log_likelihood(self):
        if not self._fitted:
            raise RuntimeError("fit first")
        n = len(self.x)
        logdet = 2.0 * np.log(np.diag(self.chol)).sum()
        return -0.5 * (self.residual @ self.weights + logdet + n * np.log(2 * np.pi))

    def predict(self, x_new):
        ks = self.kernel(x_new, self.x)
        mean = self.mean(x_new) + ks @ self.weights
        v = np.linalg.solve(self.chol, ks.T)
        variance = np.diag(self.kernel(x_new, x_new)) - (v**2).sum(axis=0)
        return mean, np.sqrt(np.maximum(variance, 0.0))


def build(theta):
    length, period, amplitude, noise = np.exp(theta)
    kernel = amplitude * RBF(length) * Periodic(period) + 0.5 * RBF(2.0) + White(noise)
    return GP(kernel, mean=lambda x: 0.1 * x)


def negative_log_likelihood(theta, x, y):
    return -build(theta).fit(x, y).log_likelihood


def forecast(theta, x, y, x_new):
    mean, sd = build(theta).fit(x, y).predict(x_new)
    return mean, mean - 2 * sd, mean + 2 * sd

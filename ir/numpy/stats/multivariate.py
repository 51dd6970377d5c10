"""Distributions of vectors and matrices of scipy.stats: their densities, one number for each point."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.sites import unsupported
from ...ops import table
from ...values.values import Arrayed
from ..common import float_array
from ..creation import arange
from ..linalg.functions import solve_triangular
from ..special.elements import S, each
from .continuous import LOG_2PI
from .objects import register

gammaln, digamma, xlogy = each("gammaln", table.gammaln), each("digamma", table.digamma), each("xlogy", S.xlogy)


class Several:
    """Its methods, by name, with SciPy's arguments; what a frozen one of SciPy's holds of its parameters."""

    def __init__(self, name: str, holds: str, **methods: Callable[..., Any]) -> None:
        self.name, self.holds, self.methods = name, holds.split(), methods
        density, log_density = ("pmf", "logpmf") if "logpmf" in methods else ("pdf", "logpdf")
        self.methods[density] = lambda *args, **kwargs: np.exp(self.methods[log_density](*args, **kwargs))
        register(name, self)

    def method(self, name: str) -> Callable[..., Any]:
        if name not in self.methods:
            unsupported(f"scipy.stats.{self.name}.{name}", f"{self.name} has {', '.join(self.methods)}")
        return self.methods[name]

    def thawed(self, frozen: Any) -> dict[str, Any]:
        return {name: getattr(frozen, name) for name in self.holds}


def vector(x: Any) -> Any:
    return float_array(x, np.float64) if isinstance(x, Arrayed) else x if np.ndim(x) == 0 else float_array(np.asarray(x, float))


def rank(x: Any) -> int:
    return x.ndim if isinstance(x, Arrayed) else np.ndim(x)


def _centred(x: Any, mean: Any, scale: Any) -> tuple[Any, Any]:
    """Points less their mean, as vectors along the last axis, and how many numbers each has; numbers are points where nothing has axes."""
    x, mean = vector(x), vector(0.0 if mean is None else mean)
    if rank(mean) == 0 and rank(scale) == 0:
        return (x - mean)[..., None] if rank(x) else x - mean, 1.0
    z = x - mean
    return z, z.shape[-1]


def _distance(z: Any, n: Any, scale: Any, singular: Any) -> tuple[Any, Any]:
    """z' scale^-1 z of each vector, and the logarithm of the determinant."""
    if singular is not False:
        unsupported("allow_singular=True", "leave it out")
    if rank(scale) == 0:
        return (np.sum(z * z, -1) if rank(z) else z * z) / scale, n * np.log(scale)
    if rank(scale) == 1:
        return np.sum(z * z / scale, -1), np.sum(np.log(scale))
    factor = np.linalg.cholesky(scale)
    rows = z if rank(z) == 1 else z.reshape(-1, z.shape[-1])
    u = solve_triangular(factor, rows.T, lower=True)
    square = np.sum(u * u, 0)
    return square if rank(z) < 3 else square.reshape(z.shape[:-1]), 2.0 * np.sum(np.log(np.diagonal(factor)))


def normal(x: Any, mean: Any = None, cov: Any = 1.0, allow_singular: Any = False) -> Any:
    cov = vector(cov)
    z, n = _centred(x, mean, cov)
    square, log_det = _distance(z, n, cov, allow_singular)
    return -0.5 * (n * LOG_2PI + log_det + square)


def _normal_entropy(mean: Any = None, cov: Any = 1.0) -> Any:
    z, n = _centred(0.0 if mean is None else mean, None, cov := vector(cov))
    if rank(cov) == 2:
        n = cov.shape[0]
    return 0.5 * (n * (LOG_2PI + 1.0) + _distance(z if rank(cov) < 2 else cov[0], n, cov, False)[1])


def student(x: Any, loc: Any = None, shape: Any = 1.0, df: Any = 1.0) -> Any:
    shape = vector(shape)
    z, n = _centred(x, loc, shape)
    square, log_det = _distance(z, n, shape, False)
    front = gammaln(0.5 * (df + n)) - gammaln(0.5 * df + np.float64(0.0)) - 0.5 * n * np.log(math.pi * df) - 0.5 * log_det
    return front - 0.5 * (df + n) * np.log1p(square / df)


def dirichlet(x: Any, alpha: Any) -> Any:
    x, alpha = vector(x), vector(alpha)
    return gammaln(np.sum(alpha)) - np.sum(gammaln(alpha)) + np.sum(xlogy(alpha - 1.0, x.T), -1)


def _dirichlet_var(alpha: Any) -> Any:
    alpha = vector(alpha)
    total = np.sum(alpha)
    return alpha * (total - alpha) / (total * total * (total + 1.0))


def _dirichlet_entropy(alpha: Any) -> Any:
    alpha = vector(alpha)
    total, n = np.sum(alpha), alpha.shape[0]
    return np.sum(gammaln(alpha)) - gammaln(total) + (total - n) * digamma(total) - np.sum((alpha - 1.0) * digamma(alpha))


def multinomial(x: Any, n: Any, p: Any) -> Any:
    x, p = vector(x), vector(p)
    p = (
        np.concatenate([p[..., :-1], (1.0 - np.sum(p[..., :-1], -1))[..., None]], -1)
        if rank(p) > 1
        else np.append(p[:-1], 1.0 - np.sum(p[:-1]))
    )
    z = gammaln(n + 1.0) + np.sum(xlogy(x, p) - gammaln(x + 1.0), -1)
    return np.where((np.sum(x, -1) == n) & (np.min(x, -1) >= 0.0) & (np.sum(np.abs(x - np.floor(x)), -1) == 0.0), z, -math.inf)


def _log_gamma_of(a: Any, n: Any) -> Any:
    """The logarithm of the gamma function of n dimensions."""
    return 0.25 * n * (n - 1) * math.log(math.pi) + np.sum(gammaln(a - 0.5 * arange(n)))


def _matrices(x: Any) -> Any:
    """SciPy has stacks of matrices along the last axis."""
    x = vector(x)
    return np.moveaxis(x, -1, 0) if rank(x) == 3 else x


def _trace(a: Any, b: Any) -> Any:
    return np.sum(np.swapaxes(a, -1, -2) * b, (-2, -1))


def _log_det(x: Any) -> Any:
    return np.linalg.slogdet(x)[1]


def wishart(x: Any, df: Any, scale: Any) -> Any:
    x, scale = _matrices(x), vector(scale)
    n = scale.shape[0]
    front = 0.5 * df * n * math.log(2) + 0.5 * df * _log_det(scale) + _log_gamma_of(0.5 * df, n)
    return 0.5 * (df - n - 1.0) * _log_det(x) - 0.5 * _trace(np.linalg.inv(scale), x) - front


def inverse_wishart(x: Any, df: Any, scale: Any) -> Any:
    x, scale = _matrices(x), vector(scale)
    n = scale.shape[0]
    front = 0.5 * df * n * math.log(2) - 0.5 * df * _log_det(scale) + _log_gamma_of(0.5 * df, n)
    return -0.5 * (df + n + 1.0) * _log_det(x) - 0.5 * _trace(scale, np.linalg.inv(x)) - front


def matrix_normal(X: Any, mean: Any = None, rowcov: Any = 1.0, colcov: Any = 1.0) -> Any:
    z = vector(X) - vector(0.0 if mean is None else mean)
    m, n = z.shape[-2:]
    rows, columns = (np.eye(1) * c if rank(c) == 0 else vector(c) for c in (rowcov, colcov))
    if rank(rowcov) == 0 or rank(colcov) == 0:
        unsupported("scipy.stats.matrix_normal without both covariances", "give rowcov= and colcov= as matrices")
    inside = _trace(np.linalg.solve(columns, np.swapaxes(z, -1, -2)), np.linalg.solve(rows, z))
    return -0.5 * (m * n * LOG_2PI + n * _log_det(rows) + m * _log_det(columns) + inside)


Several("multivariate_normal", "mean cov allow_singular", logpdf=normal, entropy=_normal_entropy)
Several("multivariate_t", "loc shape df", logpdf=student)
Several(
    "dirichlet",
    "alpha",
    logpdf=dirichlet,
    mean=lambda alpha: vector(alpha) / np.sum(vector(alpha)),
    var=_dirichlet_var,
    entropy=_dirichlet_entropy,
)
Several("multinomial", "n p", logpmf=multinomial)
Several("wishart", "df scale", logpdf=wishart, mean=lambda df, scale: df * vector(scale))
Several("invwishart", "df scale", logpdf=inverse_wishart)
Several("matrix_normal", "mean rowcov colcov", logpdf=matrix_normal)

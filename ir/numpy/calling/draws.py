"""What numpy.random.Generator draws, made of uniform, normal and exponential draws (ir/python/random.py) as NumPy makes it: the same numbers, but for
the last bits of exp and log, and the generator moves on as NumPy's. `g` is the generator of the program."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.sites import unsupported, user_site
from ...core.types import is_float
from ...values.kernels import copied
from ...values.values import Arrayed
from ...values.views import as_array, shape_of
from ..axes import moveaxis
from ..choosing import take
from ..common import program, require, scalar_kind
from ..creation import arange
from ..sorting import searchsorted


def choice(g: Any, a: Any, size: Any = None, replace: bool = True, p: Any = None, axis: int = 0, shuffle: bool = True) -> Any:
    if not replace:
        unsupported("choice() without replacement", "take the first of a permutation: rng.permutation(a)[:n]")
    items = as_array(a)
    n = shape_of(items)[axis] if isinstance(items, Arrayed) else items
    if not isinstance(items, Arrayed) and is_float(scalar_kind(items)):
        raise ValueError(f"a must be a sequence or an integer, not {type(a)} ({user_site()})")
    require(np.greater(n, 0), ValueError("a must be a positive integer unless no samples are taken"))
    if p is None:
        places = g.integers(0, n, size)
    else:
        p = as_array(p)
        require(np.equal(n, shape_of(p)[0]), ValueError("a and p must have same size"))
        require(p >= 0.0, ValueError("Probabilities are not non-negative"))
        require(np.abs(np.sum(p) - 1.0) < 1e-8, ValueError("Probabilities do not sum to 1."))
        below = np.cumsum(p)
        places = searchsorted(below / below[-1], g.random(size), "right")
    return take(items, places, axis) if isinstance(items, Arrayed) else places


def permutation(g: Any, x: Any, axis: int = 0) -> Any:
    items = as_array(x)
    if not isinstance(items, Arrayed):
        return shuffled(g, arange(items))
    if items.ndim == 1:
        return shuffled(g, copied(items))
    return take(items, shuffled(g, arange(shape_of(items)[axis])), axis)


def shuffle(g: Any, x: Any, axis: int = 0) -> None:
    if not isinstance(x, Arrayed):
        unsupported("shuffle() of what is no array of the program", "shuffle an array, or take rng.permutation of one")
    shuffled(g, moveaxis(x, axis, 0))


@program
def shuffled(g: Any, x: Any) -> Any:
    """Each element from the last one on changes places with one of those before it, or stays: NumPy draws 32 bits, of which it looks at
    so many as there are in the place, until they are no larger than that."""
    for i in range(len(x) - 1, 0, -1):
        mask = i
        for k in (1, 2, 4, 8, 16):
            mask = mask | (mask >> k)
        j = g.integers(0, 4294967295, endpoint=True) & mask
        while j > i:
            j = g.integers(0, 4294967295, endpoint=True) & mask
        last = x[i] + 0 if x.ndim == 1 else x[i].copy()
        x[i] = x[j]
        x[j] = last
    return x


# ---- of one uniform, normal or exponential draw each
def _scaled(g: Any, kind: str, size: Any, *parameters: Any) -> tuple[Any, ...]:
    """The parameters as floats, and a draw of their size."""
    given = tuple(g.parameter(x) for x in parameters)
    return *given, g.standard(kind, size, *given)


def _positive(name: str, x: Any) -> None:
    require(x > 0.0, ValueError(f"{name} <= 0"))


def _not_negative(name: str, x: Any) -> None:
    require(np.logical_not(np.signbit(x)), ValueError(f"{name} < 0"))


def laplace(g: Any, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
    loc, scale, u = _scaled(g, "uniform", size, loc, scale)
    _not_negative("scale", scale)
    upper = u >= 0.5
    logarithm = np.log(np.where(upper, 2.0 - u - u, u + u))
    return np.where(upper, loc - scale * logarithm, loc + scale * logarithm)


def gumbel(g: Any, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
    loc, scale, u = _scaled(g, "uniform", size, loc, scale)
    _not_negative("scale", scale)
    return loc - scale * np.log(-np.log(1.0 - u))


def logistic(g: Any, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
    loc, scale, u = _scaled(g, "uniform", size, loc, scale)
    _not_negative("scale", scale)
    return loc + scale * np.log(u / (1.0 - u))


def triangular(g: Any, left: Any, mode: Any, right: Any, size: Any = None) -> Any:
    left, mode, right, u = _scaled(g, "uniform", size, left, mode, right)
    require(left <= mode, ValueError("left > mode"))
    require(mode <= right, ValueError("mode > right"))
    require(left < right, ValueError("left == right"))
    base, low = right - left, mode - left
    return np.where(u <= low / base, left + np.sqrt(u * (low * base)), right - np.sqrt((1.0 - u) * ((right - mode) * base)))


def lognormal(g: Any, mean: Any = 0.0, sigma: Any = 1.0, size: Any = None) -> Any:
    mean, sigma, z = _scaled(g, "normal", size, mean, sigma)
    _not_negative("sigma", sigma)
    return np.exp(mean + sigma * z)


def rayleigh(g: Any, scale: Any = 1.0, size: Any = None) -> Any:
    scale, e = _scaled(g, "exponential", size, scale)
    _not_negative("scale", scale)
    return scale * np.sqrt(2.0 * e)


def weibull(g: Any, a: Any, size: Any = None) -> Any:
    a, e = _scaled(g, "exponential", size, a)
    _positive("a", a)
    return np.power(e, 1.0 / a)


def pareto(g: Any, a: Any, size: Any = None) -> Any:
    a, e = _scaled(g, "exponential", size, a)
    _positive("a", a)
    return np.expm1(e / a)


def power(g: Any, a: Any, size: Any = None) -> Any:
    a, e = _scaled(g, "exponential", size, a)
    _positive("a", a)
    return np.power(-np.expm1(-e), 1.0 / a)


def multivariate_normal(
    g: Any, mean: Any, cov: Any, size: Any = None, check_valid: str = "warn", tol: float = 1e-8, *, method: str = "svd"
) -> Any:
    if method != "cholesky":
        unsupported(f"multivariate_normal(method={method!r})", "give method='cholesky'")
    mean, cov = as_array(mean), as_array(cov)
    lead = () if size is None else tuple(size) if isinstance(size, (tuple, list)) else (size,)
    z = g.standard_normal((*lead, shape_of(mean)[0]))
    return mean + z @ np.linalg.cholesky(cov).T


METHODS = {f.__name__: f for f in (choice, permutation, shuffle, laplace, gumbel, logistic, triangular, lognormal, rayleigh, weibull, pareto, power,
                                   multivariate_normal)}  # fmt: skip

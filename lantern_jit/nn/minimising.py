"""Minimisation by L-BFGS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.values.pytree import flatten_in_order, unflatten
from ..transforms import value_and_grad


def _pieces(x: Any, leaves: Any) -> list[Any]:
    """A row of numbers as arrays of these shapes."""
    found, start = [], 0
    for leaf in leaves:
        n = np.size(leaf)
        found.append(x[start : start + n].reshape(np.shape(leaf)))
        start = start + n
    return found


def _row(leaves: Any) -> Any:
    return np.concatenate([np.reshape(x, (-1,)) for x in leaves])


def _direction(g: Any, s: Any, y: Any, count: Any) -> Any:
    """-H g by the two loops over the last pairs of steps and of differences of gradients (Nocedal, 1980). Pair i is in row i % rows."""
    rows = len(s)
    first = max(count - rows, 0)
    q, alphas = g.copy(), np.zeros(rows)
    for back in range(count - first):
        i = (count - 1 - back) % rows
        a = (s[i] @ q) / (s[i] @ y[i])
        alphas[i] = a
        q = q - a * y[i]
    if count > 0:
        last = (count - 1) % rows
        q = q * ((s[last] @ y[last]) / (y[last] @ y[last]))
    for k in range(first, count):
        i = k % rows
        q = q + (alphas[i] - (y[i] @ q) / (s[i] @ y[i])) * s[i]
    return -q


def lbfgs(
    f: Callable[..., Any], params: Any, *args: Any, steps: int = 100, history: int = 10, tolerance: float = 1e-8, trials: int = 30
) -> Any:
    """A minimum of `f(params, *args)` near params, by limited-memory BFGS (Liu and Nocedal, 1989) with a backtracking line search (Armijo, 1966).

    Parameters
    ----------
    f : function
        Gives a float; its gradient is taken here.
    params : an array, or a container of arrays of one float dtype
    steps : int
        At most.
    history : int
        Pairs of steps and gradients that the matrix is made of.
    tolerance : float
        It ends where no element of the gradient is greater.
    trials : int
        Points of a line search at most; where none is lower, it ends.

    Returns
    -------
    (params, value): new arrays in the same containers, and f there

    Examples
    --------
    >>> import numpy as np, lantern_jit as lj
    >>> def rosenbrock(x):
    ...     return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)
    >>> x, value = lj.jit(lambda x: lbfgs(rosenbrock, x))(np.zeros(4))
    >>> np.round(x, 6)
    array([1., 1., 1., 1.])
    """
    leaves, structure = flatten_in_order(params)

    def slope(x: Any) -> Any:
        value, slopes = value_and_grad(f)(unflatten(structure, _pieces(x, leaves)), *args)
        return value, _row(flatten_in_order(slopes)[0])

    x, value = _minimum(slope, _row(leaves), steps, history, tolerance, trials)
    return unflatten(structure, _pieces(x, leaves)), value


def _minimum(slope: Callable[[Any], Any], x: Any, steps: int, history: int, tolerance: float, trials: int) -> Any:
    s, y = np.zeros((history, len(x)), x.dtype), np.zeros((history, len(x)), x.dtype)
    value, g = slope(x)
    count = 0
    for _ in range(steps):
        if np.max(np.abs(g)) <= tolerance:
            break
        d = _direction(g, s, y, count)
        slant = g @ d
        size = 1.0 if count > 0 else 1.0 / (1.0 + float(np.sqrt(g @ g)))
        found, below, there = x, value, g
        for _ in range(trials):
            found = x + size * d
            below, there = slope(found)
            if below <= value + 1e-4 * size * slant:
                break
            size = 0.5 * size
        else:
            break
        if (found - x) @ (there - g) > 1e-10 * (there - g) @ (there - g):  # the matrix stays positive definite
            s[count % history], y[count % history] = found - x, there - g
            count = count + 1
        x, value, g = found, below, there
    return x, value

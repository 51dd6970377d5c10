"""Optimisers: `name(params)` is the state to begin with, `name_step(params, slopes, state, ..)` updates both in place.

Parameters are arrays in dicts, lists and tuples, slopes their gradient as `grad` gives it, states dicts of arrays. A step is NumPy code: in
`lj.jit` it is one loop over each array, which is written where it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.values.pytree import flatten_in_order, unflatten
from ..ir.values.views import is_array

Tree = Any


def _arrays(tree: Tree) -> list[Any]:
    """The arrays of a tree, in its own order."""
    leaves = flatten_in_order(tree)[0]
    for x in leaves:
        if not is_array(x):
            raise TypeError(f"a parameter is a {type(x).__name__}, which cannot be updated in place: make it an array, as np.array([x])")
    return leaves


def _together(params: Tree, slopes: Tree, *more: Tree) -> Any:
    """The arrays of several trees that are made alike."""
    lists = [_arrays(t) for t in (params, slopes, *more)]
    if len({len(x) for x in lists}) != 1:
        raise ValueError(
            f"parameters, slopes and state have {', '.join(str(len(x)) for x in lists)} arrays: give those of the same parameters"
        )
    return list(zip(*lists))  # noqa: B905  # rewritten code, of equal lengths


def zeros_like(params: Tree) -> Tree:
    """Zeros of the same structure, shapes and dtypes."""
    leaves, structure = flatten_in_order(params)
    return unflatten(structure, [np.zeros(x.shape, x.dtype) for x in leaves])


def sgd_step(params: Tree, slopes: Tree, rate: float) -> None:
    """p -= rate * slope

    >>> import numpy as np
    >>> params = {"w": np.ones(2)}
    >>> sgd_step(params, {"w": np.array([1.0, 2.0])}, 0.1)
    >>> params["w"]
    array([0.9, 0.8])
    """
    for p, g in _together(params, slopes):
        p -= rate * g


def momentum(params: Tree) -> dict[str, Tree]:
    """The state of `momentum_step`: {"velocity": zeros}.

    >>> import numpy as np
    >>> momentum({"w": np.ones(2)})
    {'velocity': {'w': array([0., 0.])}}
    """
    return {"velocity": zeros_like(params)}


def momentum_step(params: Tree, slopes: Tree, state: dict[str, Tree], rate: float, decay: float = 0.9, nesterov: bool = False) -> None:
    """v = decay * v + slope; p -= rate * v (Polyak, 1964), or rate * (slope + decay * v) (Nesterov; Sutskever and others, 2013).

    >>> import numpy as np
    >>> params = {"w": np.ones(2)}
    >>> state = momentum(params)
    >>> for _ in range(2):
    ...     momentum_step(params, {"w": np.array([1.0, 2.0])}, state, 0.1)
    >>> params["w"]
    array([0.71, 0.42])
    """
    for p, g, v in _together(params, slopes, state["velocity"]):
        v[...] = decay * v + g
        p -= rate * ((g + decay * v) if nesterov else v)


def adagrad(params: Tree) -> dict[str, Tree]:
    """The state of `adagrad_step`: {"square": zeros}."""
    return {"square": zeros_like(params)}


def adagrad_step(params: Tree, slopes: Tree, state: dict[str, Tree], rate: float = 0.01, eps: float = 1e-8) -> None:
    """s += slope**2; p -= rate * slope / (sqrt(s) + eps) (Duchi, Hazan and Singer, 2011).

    >>> import numpy as np
    >>> params = {"w": np.ones(2)}
    >>> adagrad_step(params, {"w": np.array([1.0, 2.0])}, adagrad(params), 0.1)
    >>> np.round(params["w"], 6)
    array([0.9, 0.9])
    """
    for p, g, s in _together(params, slopes, state["square"]):
        s += g * g
        p -= rate * g / (np.sqrt(s) + eps)


def rmsprop(params: Tree) -> dict[str, Tree]:
    """The state of `rmsprop_step`: {"square": zeros}."""
    return {"square": zeros_like(params)}


def rmsprop_step(params: Tree, slopes: Tree, state: dict[str, Tree], rate: float = 0.01, decay: float = 0.99, eps: float = 1e-8) -> None:
    """s = decay * s + (1 - decay) * slope**2; p -= rate * slope / (sqrt(s) + eps) (Tieleman and Hinton, 2012).

    >>> import numpy as np
    >>> params = {"w": np.ones(2)}
    >>> rmsprop_step(params, {"w": np.array([1.0, 2.0])}, rmsprop(params), 0.1)
    >>> np.round(params["w"], 6)
    array([0., 0.])
    """
    for p, g, s in _together(params, slopes, state["square"]):
        s[...] = decay * s + (1 - decay) * g * g
        p -= rate * g / (np.sqrt(s) + eps)


def adam(params: Tree) -> dict[str, Tree]:
    """The state of `adam_step` and `adamw_step`: {"mean": zeros, "square": zeros, "steps": array([0.])}."""
    return {"mean": zeros_like(params), "square": zeros_like(params), "steps": np.zeros(1)}


def adam_step(
    params: Tree, slopes: Tree, state: dict[str, Tree], rate: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
) -> None:
    """Means m of slopes and s of their squares, without their bias to zero; p -= rate * m / (sqrt(s) + eps) (Kingma and Ba, 2015).

    >>> import numpy as np
    >>> params = {"w": np.ones(2)}
    >>> adam_step(params, {"w": np.array([1.0, 2.0])}, adam(params), 0.1)
    >>> np.round(params["w"], 6)
    array([0.9, 0.9])
    """
    adamw_step(params, slopes, state, rate, 0.0, beta1, beta2, eps)


def adamw_step(
    params: Tree, slopes: Tree, state: dict[str, Tree], rate: float = 1e-3, decay: float = 0.01,
    beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
) -> None:  # fmt: skip
    """The same, with p -= rate * decay * p beside it (Loshchilov and Hutter, 2019). Its state is that of `adam`.

    >>> import numpy as np
    >>> params = {"w": np.ones(2)}
    >>> adamw_step(params, {"w": np.array([1.0, 2.0])}, adam(params), 0.1, decay=0.5)
    >>> np.round(params["w"], 6)
    array([0.85, 0.85])
    """
    state["steps"] += 1
    t = float(state["steps"][0])
    long, short = 1 / (1 - beta1**t), 1 / (1 - beta2**t)
    for p, g, m, s in _together(params, slopes, state["mean"], state["square"]):
        m[...] = beta1 * m + (1 - beta1) * g
        s[...] = beta2 * s + (1 - beta2) * g * g
        p -= rate * (long * m / (np.sqrt(short * s) + eps) + decay * p)


def clip_by_norm(slopes: Tree, most: float) -> tuple[Tree, Any]:
    """(slopes, their norm over all arrays): where the norm is above `most`, slopes times most / norm (Pascanu, Mikolov and Bengio, 2013).

    >>> import numpy as np
    >>> clip_by_norm({"w": np.array([3.0, 4.0])}, 1.0)
    ({'w': array([0.6, 0.8])}, np.float64(5.0))
    """
    leaves, structure = flatten_in_order(slopes)
    norm = np.sqrt(sum(np.sum(g * g) for g in leaves))
    factor = most / np.maximum(norm, most)
    return unflatten(structure, [g * factor for g in leaves]), norm

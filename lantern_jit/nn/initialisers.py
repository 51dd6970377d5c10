"""Initial weights, drawn by a `numpy.random.Generator`. A shape is (fan in, fan out), or a convolution's (out, in, ..)."""

from __future__ import annotations

from typing import Any

import numpy as np


def _fans(shape: Any) -> tuple[int, int]:
    """How many numbers each result is made of, and how many each argument goes to."""
    if len(shape) < 2:
        raise ValueError(f"weights of shape {tuple(shape)} have no fan: give a shape of at least two axes, and zeros for a bias")
    if len(shape) == 2:
        return shape[0], shape[1]
    seen = 1
    for n in shape[2:]:
        seen *= n
    return shape[1] * seen, shape[0] * seen


def glorot_uniform(rng: np.random.Generator, shape: Any, dtype: Any = np.float64) -> Any:
    """Uniform within sqrt(6 / (fan in + fan out)) (Glorot and Bengio, 2010).

    >>> import numpy as np
    >>> bool(np.max(np.abs(glorot_uniform(np.random.default_rng(0), (3, 3)))) <= 1.0)
    True
    """
    most = (6.0 / sum(_fans(shape))) ** 0.5
    return rng.uniform(-most, most, shape).astype(dtype)


def glorot_normal(rng: np.random.Generator, shape: Any, dtype: Any = np.float64) -> Any:
    """Normal of variance 2 / (fan in + fan out) (Glorot and Bengio, 2010).

    >>> import numpy as np
    >>> glorot_normal(np.random.default_rng(0), (2, 3), np.float32).dtype
    dtype('float32')
    """
    return ((2.0 / sum(_fans(shape))) ** 0.5 * rng.standard_normal(shape)).astype(dtype)


def he_uniform(rng: np.random.Generator, shape: Any, dtype: Any = np.float64) -> Any:
    """Uniform within sqrt(6 / fan in), for what goes into relu (He, Zhang, Ren and Sun, 2015).

    >>> import numpy as np
    >>> he_uniform(np.random.default_rng(0), (20, 1, 5, 5)).shape
    (20, 1, 5, 5)
    """
    most = (6.0 / _fans(shape)[0]) ** 0.5
    return rng.uniform(-most, most, shape).astype(dtype)


def he_normal(rng: np.random.Generator, shape: Any, dtype: Any = np.float64) -> Any:
    """Normal of variance 2 / fan in, for what goes into relu (He, Zhang, Ren and Sun, 2015).

    >>> import numpy as np
    >>> he_normal(np.random.default_rng(0), (2, 3)).shape
    (2, 3)
    """
    return ((2.0 / _fans(shape)[0]) ** 0.5 * rng.standard_normal(shape)).astype(dtype)


def orthogonal(rng: np.random.Generator, shape: Any, dtype: Any = np.float64) -> Any:
    """A matrix of orthonormal rows or columns, whichever are fewer (Saxe, McClelland and Ganguli, 2014).

    >>> import numpy as np
    >>> q = orthogonal(np.random.default_rng(0), (3, 2))
    >>> bool(np.allclose(q.T @ q, np.eye(2)))
    True
    """
    rows, columns = shape
    tall = rows >= columns
    q, r = np.linalg.qr(rng.standard_normal((rows, columns) if tall else (columns, rows)))
    q = q * np.sign(np.diagonal(r))
    return (q if tall else q.T).astype(dtype)

"""What is applied to each element, and the softmax family."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special

Array = Any  # of float32 or float64; the result has the argument's dtype


def relu(x: Array) -> Array:
    """max(x, 0), whose derivative at 0 is that of x: 1.

    >>> import numpy as np
    >>> relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return np.maximum(x, 0)


def leaky_relu(x: Array, slope: float = 0.01) -> Array:
    """x where it is positive, slope * x elsewhere (Maas, Hannun and Ng, 2013).

    >>> import numpy as np
    >>> leaky_relu(np.array([-1.0, 2.0]), 0.5)
    array([-0.5,  2. ])
    """
    return np.where(x >= 0, x, slope * x)


def elu(x: Array, alpha: float = 1.0) -> Array:
    """x where it is positive, alpha * (exp(x) - 1) elsewhere (Clevert, Unterthiner and Hochreiter, 2016).

    >>> import numpy as np
    >>> elu(np.array([0.0, 2.0]))
    array([0., 2.])
    """
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def gelu(x: Array, approximate: bool = False) -> Array:
    """x * Phi(x) with the normal distribution's Phi, or its approximation by tanh (Hendrycks and Gimpel, 2016).

    >>> import numpy as np
    >>> gelu(np.array([0.0, 10.0]))
    array([ 0., 10.])
    """
    if approximate:
        return 0.5 * x * (1 + np.tanh(0.7978845608028654 * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + scipy.special.erf(x * 0.7071067811865476))


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))

    >>> import numpy as np
    >>> sigmoid(np.array([0.0]))
    array([0.5])
    """
    return 1 / (1 + np.exp(-x))


def silu(x: Array) -> Array:
    """x * sigmoid(x), also known as swish.

    >>> import numpy as np
    >>> silu(np.array([0.0]))
    array([0.])
    """
    return x / (1 + np.exp(-x))


def softplus(x: Array) -> Array:
    """log(1 + exp(x)), without overflow.

    >>> import numpy as np
    >>> softplus(np.array([1000.0]))
    array([1000.])
    """
    return np.logaddexp(x, 0)


def softmax(x: Array, axis: int = -1) -> Array:
    """exp(x) as parts of its sum along an axis.

    >>> import numpy as np
    >>> softmax(np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    return scipy.special.softmax(x, axis=axis)


def log_softmax(x: Array, axis: int = -1) -> Array:
    """The logarithm of `softmax(x, axis)`, also where that is 0 in floating point.

    >>> import numpy as np
    >>> log_softmax(np.array([0.0, 1000.0]))
    array([-1000.,     0.])
    """
    return scipy.special.log_softmax(x, axis=axis)

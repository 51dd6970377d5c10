"""Convolutions, pooling, normalisation, dropout, embeddings. Images are (n, c, h, w): examples, channels, rows, columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.numpy.images import convolve, windows

Array = Any


def _two(x: Any, what: str) -> tuple[int, int]:
    """For rows and for columns."""
    pair = tuple(x) if isinstance(x, (tuple, list)) else (x, x)
    if len(pair) != 2 or not all(isinstance(k, (int, np.integer)) and k > 0 for k in pair):
        raise ValueError(f"{what} is {x!r}: give a positive int, or one for the rows and one for the columns")
    return int(pair[0]), int(pair[1])


def _around(padding: Any, shape: Any, window: Any, strides: Any, dilation: Any) -> Any:
    """How much is put before and after, along rows and columns."""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        found = []
        for n, k, s, d in zip(shape, window, strides, dilation):  # noqa: B905  # rewritten code, of lengths that are two
            span = (k - 1) * d + 1
            lack = span - 1 if s == 1 else max((-(-n // s) - 1) * s + span - n, 0)
            found.append((lack // 2, lack - lack // 2))
        return tuple(found)
    if isinstance(padding, str):
        raise ValueError(f'padding is {padding!r}: give "same", "valid", an int, one for rows and one for columns, or two pairs')
    pair = padding if isinstance(padding, (tuple, list)) else (padding, padding)
    return tuple((p[0], p[1]) if isinstance(p, (tuple, list)) else (p, p) for p in pair)


def _padded(x: Array, around: Any, value: float = 0.0) -> Array:
    if all(isinstance(p, int) and p == 0 for pair in around for p in pair):
        return x
    return np.pad(x, ((0, 0), (0, 0), *around), constant_values=value)


def conv(
    x: Array, w: Array, bias: Array | None = None, strides: Any = 1, padding: Any = "valid", dilation: Any = 1, groups: int = 1
) -> Array:
    """The cross-correlation of images with kernels: y[n, o, i, j] = bias[o] + sum of w[o, c, p, q] * x[n, c, i s + p d, j s + q d].

    Parameters
    ----------
    x : (n, c, h, w), float32 or float64
    w : (o, c / groups, p, q), of the same dtype
    bias : (o,), optional
    strides, dilation : int, or one for rows and one for columns; plain numbers
    padding : "valid", "same" (y is ceil(h / s) by ceil(w / s)), an int, (rows, columns), or ((above, below), (left, right)), of zeros
    groups : int
        Channels and kernels are cut into so many groups, each of which sees its own.

    Returns
    -------
    (n, o, i, j)

    Raises
    ------
    ValueError
        Channels, kernels and groups do not fit together, or a kernel is larger than the padded image.

    Notes
    -----
    A product of matrices for each image (Chellapilla, Puri and Simard, 2006): what the kernel sees is made for one image at a time, and
    kept for none.

    Examples
    --------
    >>> import numpy as np
    >>> conv(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)))
    array([[[[4., 4.],
             [4., 4.]]]])
    """
    strides, dilation = _two(strides, "strides"), _two(dilation, "dilation")
    if np.ndim(x) != 4 or np.ndim(w) != 4:
        raise ValueError(f"conv takes images (n, c, h, w) and kernels (o, c, p, q), not arrays of {np.ndim(x)} and {np.ndim(w)} axes")
    if x.dtype != w.dtype:
        raise TypeError(f"conv takes images and kernels of one dtype, not {x.dtype} and {w.dtype}: convert one of them")
    x = _padded(x, _around(padding, x.shape[2:], w.shape[2:], strides, dilation))
    y = convolve(x, w, strides, dilation, groups)
    return y if bias is None else y + bias[:, None, None]


def conv1d(
    x: Array, w: Array, bias: Array | None = None, stride: int = 1, padding: Any = "valid", dilation: int = 1, groups: int = 1
) -> Array:
    """The same along one axis: x is (n, c, length), w (o, c / groups, p); padding "valid", "same", an int or (before, after).

    Examples
    --------
    >>> import numpy as np
    >>> conv1d(np.ones((1, 1, 4)), np.ones((1, 1, 2)), padding="same")
    array([[[2., 2., 2., 1.]]])
    """
    pad = padding if isinstance(padding, str) else ((0, 0), padding)
    y = conv(x[:, :, None, :], w[:, :, None, :], bias, (1, stride), pad, (1, dilation), groups)
    return y[:, :, 0, :]


def _windows(x: Array, window: Any, strides: Any, padding: Any, value: float) -> list[Array]:
    """Each element of the windows, as a view of all places."""
    window = _two(window, "window")
    strides = window if strides is None else _two(strides, "strides")
    return windows(_padded(x, _around(padding, x.shape[2:], window, strides, (1, 1)), value), window, strides)


def max_pool(x: Array, window: Any = 2, strides: Any = None, padding: Any = "valid") -> Array:
    """The greatest of each window of images (n, c, h, w). At a tie the first has the derivative.

    Parameters
    ----------
    window, strides : int, or one for rows and one for columns; plain numbers. Strides are the window if not given.
    padding : as of `conv`, of -inf

    Raises
    ------
    ValueError
        The window is larger than the image.

    Examples
    --------
    >>> import numpy as np
    >>> max_pool(np.arange(16.0).reshape(1, 1, 4, 4))
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    views = _windows(x, window, strides, padding, -np.inf)
    y = views[0]
    for v in views[1:]:
        y = np.maximum(y, v)
    return y


def avg_pool(x: Array, window: Any = 2, strides: Any = None, padding: Any = "valid") -> Array:
    """The mean of each window of images (n, c, h, w), zeros of the padding among them. Parameters are those of `max_pool`.

    Examples
    --------
    >>> import numpy as np
    >>> avg_pool(np.arange(16.0).reshape(1, 1, 4, 4))
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    views = _windows(x, window, strides, padding, 0.0)
    y = views[0]
    for v in views[1:]:
        y = y + v
    return y / len(views)


def batch_norm(
    x: Array, scale: Array, shift: Array, mean: Array, variance: Array, training: Any, momentum: float = 0.1, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """Each channel with mean 0 and variance 1, times scale, plus shift (Ioffe and Szegedy, 2015).

    Parameters
    ----------
    x : (n, c, ...), float32 or float64
    scale, shift, mean, variance : (c,)
    training : bool
        Whether the statistics are those of x, or the running `mean` and `variance`.
    momentum : float
        The part of new statistics in the running ones, whose variance is the unbiased one.

    Returns
    -------
    (y, mean, variance): y as x, and the running statistics, as they were where it is not training

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(8.0).reshape(4, 2)
    >>> y, mean, variance = batch_norm(x, np.ones(2), np.zeros(2), np.zeros(2), np.ones(2), training=True)
    >>> np.round(y.mean(axis=0), 6), mean
    (array([0., 0.]), array([0.3, 0.4]))
    """
    axes = (0, *range(2, x.ndim))
    wide = (slice(None), *(None for _ in range(x.ndim - 2)))
    if not training:
        return (x - mean[wide]) * (scale / np.sqrt(variance + eps))[wide] + shift[wide], mean, variance
    n = x.size // x.shape[1]
    own = np.mean(x, axis=axes)
    d = x - own[wide]
    spread = np.mean(d * d, axis=axes)
    y = d * (scale / np.sqrt(spread + eps))[wide] + shift[wide]
    later = spread * (n / (n - 1.0)) if n > 1 else spread
    return y, (1 - momentum) * mean + momentum * own, (1 - momentum) * variance + momentum * later


def layer_norm(x: Array, scale: Array | None = None, shift: Array | None = None, axes: Any = -1, eps: float = 1e-5) -> Array:
    """Each example with mean 0 and variance 1 along axes, times scale, plus shift (Ba, Kiros and Hinton, 2016).

    Examples
    --------
    >>> import numpy as np
    >>> np.round(layer_norm(np.array([1.0, 2.0, 3.0])), 3)
    array([-1.225,  0.   ,  1.225])
    """
    d = x - np.mean(x, axis=axes, keepdims=True)
    y = d / np.sqrt(np.mean(d * d, axis=axes, keepdims=True) + eps)
    if scale is not None:
        y = y * scale
    return y if shift is None else y + shift


def dropout(x: Array, rate: float, rng: np.random.Generator, training: Any = True) -> Array:
    """Each element is 0 with this probability, and else divided by what is left of 1 (Srivastava and others, 2014).

    Parameters
    ----------
    rate : float, from 0 to less than 1
    rng : numpy.random.Generator
        An argument of the compiled function; it is moved on, also by a derivative, as in plain NumPy.
    training : bool
        If not, x as it is.

    Examples
    --------
    >>> import numpy as np
    >>> sorted(set(dropout(np.ones(100), 0.5, np.random.default_rng(0)).tolist()))
    [0.0, 2.0]
    """
    if not training:
        return x
    return np.where(rng.random(x.shape) < rate, 0.0, x / (1 - rate))


def embedding(table: Array, index: Array) -> Array:
    """The rows table[index] of (vocabulary, n): (..., n) for ints (...). IndexError if one is no row.

    Examples
    --------
    >>> import numpy as np
    >>> embedding(np.eye(3), np.array([2]))
    array([[0., 0., 1.]])
    """
    return table[index]

"""Recurrent cells, and their loops over sequences. Parameters are a dict: "w" for what comes in, "u" for the state, "b" the bias.

A loop multiplies all that comes in by "w" at once, before it begins.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .activations import sigmoid

Array = Any


def rnn_cell(x: Array, h: Array, params: Any) -> Array:
    """tanh(x @ w + h @ u + b): the next state (Elman, 1990).

    x is (..., m), h (..., n), w (m, n), u (n, n), b (n,).

    >>> import numpy as np
    >>> rnn_cell(np.ones(2), np.zeros(3), {"w": np.zeros((2, 3)), "u": np.eye(3), "b": np.zeros(3)})
    array([0., 0., 0.])
    """
    return np.tanh(x @ params["w"] + h @ params["u"] + params["b"])


def _lstm(gates: Array, c: Array) -> tuple[Array, Array]:
    n = c.shape[-1]
    i, f, g, o = (gates[..., k * n : (k + 1) * n] for k in range(4))
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def lstm_cell(x: Array, h: Array, c: Array, params: Any) -> tuple[Array, Array]:
    """(h, c) after one step (Hochreiter and Schmidhuber, 1997, with the forget gate of Gers, 2000).

    x is (..., m), h and c (..., n), w (m, 4 n), u (n, 4 n), b (4 n,): input gate, forget gate, candidate, output gate.

    >>> import numpy as np
    >>> h, c = lstm_cell(np.ones(2), np.zeros(3), np.ones(3), {"w": np.zeros((2, 12)), "u": np.zeros((3, 12)), "b": np.zeros(12)})
    >>> c
    array([0.5, 0.5, 0.5])
    """
    return _lstm(x @ params["w"] + h @ params["u"] + params["b"], c)


def _gru(x: Array, s: Array, h: Array) -> Array:
    n = h.shape[-1]
    r, z = sigmoid(x[..., :n] + s[..., :n]), sigmoid(x[..., n : 2 * n] + s[..., n : 2 * n])
    return (1 - z) * np.tanh(x[..., 2 * n :] + r * s[..., 2 * n :]) + z * h


def gru_cell(x: Array, h: Array, params: Any) -> Array:
    """The next state (Cho and others, 2014; the reset gate is applied to h @ u, as cuDNN does).

    x is (..., m), h (..., n), w (m, 3 n), u (n, 3 n), b and c (3 n,), biases of x @ w and h @ u: reset gate, update gate, candidate.

    >>> import numpy as np
    >>> zeros = {"w": np.zeros((2, 9)), "u": np.zeros((3, 9)), "b": np.zeros(9), "c": np.zeros(9)}
    >>> gru_cell(np.ones(2), np.ones(3), zeros)
    array([0.5, 0.5, 0.5])
    """
    return _gru(x @ params["w"] + params["b"], h @ params["u"] + params["c"], h)


def _inputs(xs: Array, params: Any) -> Array:
    """All that comes in by its weights, as one product."""
    w = params["w"]
    flat = xs.reshape(-1, xs.shape[-1]) @ w + params["b"]
    return flat.reshape((*xs.shape[:-1], w.shape[1]))


def rnn(xs: Array, h: Array, params: Any) -> tuple[Array, Array]:
    """The states after each step (steps, ..., n), and the last: `rnn_cell` over the first axis of xs (steps, ..., m).

    >>> import numpy as np
    >>> hs, h = rnn(np.zeros((4, 2)), np.zeros(3), {"w": np.zeros((2, 3)), "u": np.eye(3), "b": np.zeros(3)})
    >>> hs.shape
    (4, 3)
    """
    inputs = _inputs(xs, params)
    hs = np.zeros((len(xs), *h.shape), h.dtype)
    for t in range(len(xs)):
        h = np.tanh(inputs[t] + h @ params["u"])
        hs[t] = h
    return hs, h


def lstm(xs: Array, h: Array, c: Array, params: Any) -> tuple[Array, Array, Array]:
    """The states h after each step (steps, ..., n), and the last h and c: `lstm_cell` over the first axis of xs (steps, ..., m).

    >>> import numpy as np
    >>> weights = {"w": np.zeros((2, 12)), "u": np.zeros((3, 12)), "b": np.zeros(12)}
    >>> hs, h, c = lstm(np.zeros((4, 5, 2)), np.zeros((5, 3)), np.zeros((5, 3)), weights)
    >>> hs.shape
    (4, 5, 3)
    """
    inputs = _inputs(xs, params)
    hs = np.zeros((len(xs), *h.shape), h.dtype)
    for t in range(len(xs)):
        h, c = _lstm(inputs[t] + h @ params["u"], c)
        hs[t] = h
    return hs, h, c


def gru(xs: Array, h: Array, params: Any) -> tuple[Array, Array]:
    """The states after each step (steps, ..., n), and the last: `gru_cell` over the first axis of xs (steps, ..., m).

    >>> import numpy as np
    >>> zeros = {"w": np.zeros((2, 9)), "u": np.zeros((3, 9)), "b": np.zeros(9), "c": np.zeros(9)}
    >>> gru(np.zeros((4, 2)), np.ones(3), zeros)[1]
    array([0.0625, 0.0625, 0.0625])
    """
    inputs = _inputs(xs, params)
    hs = np.zeros((len(xs), *h.shape), h.dtype)
    for t in range(len(xs)):
        h = _gru(inputs[t], h @ params["u"] + params["c"], h)
        hs[t] = h
    return hs, h

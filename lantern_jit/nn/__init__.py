"""Networks as functions: layers, losses, cells, initial weights and optimisers, on arrays and on dicts of arrays.

There is nothing to inherit from and nothing to register: a network is a function of its parameters, which stand in dicts (of dicts, lists,
tuples) of NumPy arrays. Every function works inside `lj.jit` and its transforms, and as plain NumPy without; float32 and float64, and
derivatives of both orders. Loaded when it is imported: `from lantern_jit import nn`, or as `lj.nn`.

>>> import numpy as np, lantern_jit as lj
>>> from lantern_jit import nn
>>> rng = np.random.default_rng(0)
>>> params = {"w": nn.glorot_uniform(rng, (2, 8)), "b": np.zeros(8), "v": nn.glorot_uniform(rng, (8, 2))}
>>> def loss(params, x, labels):
...     return np.mean(nn.cross_entropy(nn.relu(x @ params["w"] + params["b"]) @ params["v"], labels))
>>> @lj.jit
... def step(params, state, x, labels):
...     value, slopes = lj.value_and_grad(loss)(params, x, labels)
...     nn.adam_step(params, slopes, state, rate=0.05)
...     return value
>>> x = rng.normal(size=(64, 2))
>>> labels, state = (x[:, 0] * x[:, 1] > 0).astype(int), nn.adam(params)
>>> losses = [step(params, state, x, labels) for _ in range(200)]
>>> losses[-1] < 0.1
True
"""

from .activations import elu, gelu, leaky_relu, log_softmax, relu, sigmoid, silu, softmax, softplus
from .cells import gru, gru_cell, lstm, lstm_cell, rnn, rnn_cell
from .initialisers import glorot_normal, glorot_uniform, he_normal, he_uniform, orthogonal
from .layers import avg_pool, batch_norm, conv, conv1d, dropout, embedding, layer_norm, max_pool
from .losses import binary_cross_entropy, cross_entropy, ctc_loss
from .minimising import lbfgs
from .optimisers import (
    adagrad,
    adagrad_step,
    adam,
    adam_step,
    adamw_step,
    clip_by_norm,
    momentum,
    momentum_step,
    rmsprop,
    rmsprop_step,
    sgd_step,
)


def __dir__() -> list[str]:
    """The public names, without the modules that they are in."""
    return sorted([*__all__, "__all__", "__doc__", "__name__"])


__all__ = [
    "adagrad", "adagrad_step", "adam", "adam_step", "adamw_step", "avg_pool", "batch_norm", "binary_cross_entropy", "clip_by_norm", "conv",
    "conv1d", "cross_entropy", "ctc_loss", "dropout", "elu", "embedding", "gelu", "glorot_normal", "glorot_uniform", "gru", "gru_cell",
    "he_normal", "he_uniform", "layer_norm", "lbfgs", "leaky_relu", "log_softmax", "lstm", "lstm_cell", "max_pool", "momentum",
    "momentum_step", "orthogonal", "relu", "rmsprop", "rmsprop_step", "rnn", "rnn_cell", "sgd_step", "sigmoid", "silu", "softmax", "softplus",
]  # fmt: skip

"""Losses, one number for each example: take the mean or the sum of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special

from .activations import log_softmax

Array = Any
NEVER = -1e30  # the logarithm of a probability of none, finite so that differences of such are numbers


def cross_entropy(logits: Array, labels: Array) -> Array:
    """-log softmax(logits)[label], or -sum(labels * log softmax(logits)), along the last axis.

    Parameters
    ----------
    logits : (..., classes), float32 or float64
    labels : (...) ints from 0 to classes - 1, or (..., classes) probabilities

    Returns
    -------
    (...), the logits' dtype

    Raises
    ------
    ValueError
        The labels have neither shape.
    IndexError
        A label is no class.

    Examples
    --------
    >>> import numpy as np
    >>> cross_entropy(np.zeros((2, 4)), np.array([0, 3])) / np.log(4.0)
    array([1., 1.])
    """
    if np.ndim(labels) == np.ndim(logits) and np.ndim(logits) > 0:
        return -np.sum(labels * log_softmax(logits), axis=-1)
    if np.ndim(labels) != np.ndim(logits) - 1:
        raise ValueError(
            f"cross_entropy: logits of {np.ndim(logits)} axes take labels of one axis less (ints), or of as many (probabilities), not {np.ndim(labels)}"
        )
    total = scipy.special.logsumexp(logits, axis=-1)
    if np.ndim(labels) == 0:
        return total - logits[labels]
    classes, n = logits.shape[-1], np.size(labels)
    chosen = logits.reshape(n, classes)[np.arange(n), np.reshape(labels, (n,))]
    return total - chosen.reshape(labels.shape)


def binary_cross_entropy(logits: Array, labels: Array) -> Array:
    """-log of the probability sigmoid(logits) of what is true: labels are 0, 1 or between. Of the logits' shape.

    Examples
    --------
    >>> import numpy as np
    >>> binary_cross_entropy(np.array([0.0, 1000.0]), np.array([1.0, 1.0]))
    array([0.69314718, 0.        ])
    """
    return np.logaddexp(logits, 0) - logits * labels


def ctc_loss(log_probs: Array, labels: Array, blank: int = 0) -> Any:
    """-log of the probability of a sequence of labels, over all its alignments with the steps (Graves, Fernandez, Gomez and Schmidhuber,
    "Connectionist Temporal Classification", ICML 2006; the forward recursion in logarithms).

    Parameters
    ----------
    log_probs : (steps, classes), float32 or float64
        Logarithms of probabilities, as `log_softmax` gives them. Of several sequences of their own lengths: a loop over them.
    labels : (length,) ints
        None of them `blank`.

    Returns
    -------
    a number of the dtype of log_probs; about 1e30 if there are too few steps for the labels

    Examples
    --------
    >>> import numpy as np
    >>> probs = np.array([[0.6, 0.4], [0.6, 0.4]])  # "1" as (1, 1), (1, blank) or (blank, 1)
    >>> np.round(np.exp(-ctc_loss(np.log(probs), np.array([1]))), 12)
    np.float64(0.64)
    """
    n = 2 * len(labels) + 1
    places = np.arange(n)
    padded = np.concatenate((labels, np.zeros(1, labels.dtype)))
    letters = np.where(places % 2 == 1, padded[places // 2], blank)
    before, second = np.maximum(places - 1, 0), np.maximum(places - 2, 0)
    skips = (places % 2 == 1) & (places > 1) & (letters != letters[second])
    rows = log_probs[:, letters]
    alpha = np.where(places < 2, rows[0], NEVER)
    for t in range(1, len(log_probs)):
        one = np.where(places >= 1, alpha[before], NEVER)
        two = np.where(skips, alpha[second], NEVER)
        alpha = np.logaddexp(np.logaddexp(alpha, one), two) + rows[t]
    return -np.logaddexp(alpha[-1], alpha[-2]) if n > 1 else -alpha[-1]

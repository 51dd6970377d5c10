"""
Connectionist temporal classification
=====================================

Which sounds were spoken is known, not when. The loss of Graves and others (2006) sums over all ways to stretch the symbols over the frames, with
blanks between: a table, filled by two loops. Its gradient is what their paper derives on four pages; here the loops are differentiated.
"""

import itertools
import sys
import time

import numpy as np
from scipy.special import log_softmax

import lantern_jit as lj


def ctc_loss(logits, labels):
    """Minus the log probability of the labels, 1, 2, ..; logits: (frames, symbols), of which the first is the blank."""
    scores = log_softmax(logits, axis=1)
    frames, n = len(scores), 2 * len(labels) + 1
    alpha = np.full(n, -np.inf)
    alpha[0] = scores[0, 0]
    alpha[1] = scores[0, labels[0]]
    for t in range(1, frames):
        before = alpha.copy()
        for s in range(n):
            symbol = labels[s // 2] if s % 2 == 1 else 0
            total = before[s]
            if s > 0:
                total = np.logaddexp(total, before[s - 1])
            if s % 2 == 1 and s > 1 and symbol != labels[s // 2 - 1]:
                total = np.logaddexp(total, before[s - 2])
            alpha[s] = total + scores[t, symbol]
    return -np.logaddexp(alpha[n - 1], alpha[n - 2])


def enumerated(logits, labels):
    """A peer for small tables: the sum over all ways."""
    frames, symbols = logits.shape
    p, total = np.exp(log_softmax(logits, axis=1)), 0.0
    for path in itertools.product(range(symbols), repeat=frames):
        read = [a for a, b in zip(path, (-1, *path[:-1]), strict=True) if a != b and a != 0]
        if read == list(labels):
            total += np.prod(p[range(frames), path])
    return -np.log(total)


# %%
# A recogniser: each frame with its neighbours goes through a layer of hidden units. The sentences are drawn from patterns of five sounds, of
# lengths of their own, in noise.


def recognise(weights, x):
    wide = np.concatenate([x[:-2], x[1:-1], x[2:]], axis=1)
    return np.tanh(wide @ weights["in"] + weights["hidden"]) @ weights["out"] + weights["bias"]


def loss(weights, sentences):
    return sum(ctc_loss(recognise(weights, x), labels) for x, labels in sentences) / len(sentences)


def speak(rng, patterns, n):
    labels = rng.integers(1, len(patterns), n)
    frames = np.concatenate([np.repeat([0, label], rng.integers(2, 5, 2)) for label in labels])
    return patterns[frames] + 0.3 * rng.normal(size=(len(frames), patterns.shape[1])), labels


@lj.jit
def best(weights, x):
    return np.argmax(recognise(weights, x), axis=1)


def read(path):
    return [int(a) for a, b in zip(path, (-1, *path[:-1]), strict=True) if a != b and a != 0]


def main(count=20, length=6, rounds=120, hidden=20, seed=0):
    rng = np.random.default_rng(seed)
    small, small_labels = rng.normal(size=(5, 4)), np.array([1, 1])
    exact = enumerated(small, small_labels)
    print(f"a small table: {lj.jit(ctc_loss)(small, small_labels):.12f}, all ways summed {exact:.12f}")
    patterns = rng.normal(size=(6, 8))
    sentences, test = ([speak(rng, patterns, length) for _ in range(count)] for _ in range(2))
    weights = {
        "in": 0.2 * rng.normal(size=(24, hidden)),
        "hidden": np.zeros(hidden),
        "out": 0.2 * rng.normal(size=(hidden, 6)),
        "bias": np.zeros(6),
    }
    step, history, squares = lj.jit(lj.value_and_grad(ctc_of)), [], {name: np.full_like(w, 1e-8) for name, w in weights.items()}
    start = time.perf_counter()
    for _ in range(rounds):
        total = 0.0
        for x, labels in sentences:
            value, slopes = step(weights, x, labels)
            total += value / count
            for name, slope in slopes.items():  # Adagrad
                squares[name] += slope**2
                weights[name] -= 0.1 * slope / np.sqrt(squares[name])
        history.append(total)
    right = np.mean([read(best(weights, x)) == list(labels) for x, labels in test])
    print(
        f"loss {history[0]:.2f} -> {history[-1]:.4f} in {time.perf_counter() - start:.2f} s; {100 * right:.0f} % of other sentences are read right"
    )
    return {"history": history, "right": right, "weights": weights, "test": test, "small": (small, small_labels, exact)}


def ctc_of(weights, x, labels):
    return ctc_loss(recognise(weights, x), labels)


def picture(found):
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.semilogy(found["history"])
    left.set(xlabel="pass over the sentences", ylabel="loss")
    x, labels = found["test"][0]
    right.imshow(np.exp(log_softmax(recognise(found["weights"], x), axis=1)).T, aspect="auto", cmap="Blues")
    right.set(xlabel="frame", ylabel="symbol", title=f"spoken: {labels}")
    return figure


if __name__ == "__main__":
    figure = picture(main())
    if sys.argv[1:]:
        figure.savefig(sys.argv[1], dpi=120)

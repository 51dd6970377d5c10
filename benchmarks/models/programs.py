"""The networks as users write them for lantern_jit, their parameters, and data that is made here. All numbers are float32.

rnn, lstm      characters: 26 letters, 50 hidden units, 20 steps; Adagrad 0.1, gradients clipped at 5
tree           a TreeLSTM over binary trees, a loss at every node; Adagrad 0.05
images         5 x 5 x 10, pool, 5 x 5 x 20, pool, 320-50-10 with dropout; momentum
"""

from __future__ import annotations

from typing import Any

import numpy as np

import lantern_jit as lj
from lantern_jit import nn

Arrays = Any
LETTERS, HIDDEN, STEPS, CLIP = 26, 50, 20, 5.0
TREES, EMBEDDING, WIDE, CLASSES, WORDS = 1101, 300, 150, 5, 2000
F32 = np.float32


# ---- characters
def rnn(params: Arrays, letters: Any, following: Any) -> Any:
    """The loss of predicting the letters that follow (steps, batch), summed."""
    steps, batch = letters.shape
    hidden = params["u"].shape[0]
    inputs = params["in"][letters] + params["b"]
    hs = np.empty((steps, batch, hidden), inputs.dtype)
    h = np.zeros((batch, hidden), inputs.dtype)
    for t in range(steps):
        h = np.tanh(inputs[t] + h @ params["u"])
        hs[t] = h
    return predicted(params, hs, following)


def lstm(params: Arrays, letters: Any, following: Any) -> Any:
    steps, batch = letters.shape
    n = params["u"].shape[0]
    inputs = params["in"][letters] + params["b"]
    hs = np.empty((steps, batch, n), inputs.dtype)
    h = c = np.zeros((batch, n), inputs.dtype)
    for t in range(steps):
        gates = inputs[t] + h @ params["u"]
        i, f, o = (nn.sigmoid(gates[:, k * n : (k + 1) * n]) for k in range(3))
        c = f * c + i * np.tanh(gates[:, 3 * n :])
        h = o * np.tanh(c)
        hs[t] = h
    return predicted(params, hs, following)


def predicted(params: Arrays, hs: Any, following: Any) -> Any:
    steps, batch, n = hs.shape
    logits = hs.reshape(steps * batch, n) @ params["out"] + params["c"]
    return np.sum(nn.cross_entropy(logits, following.reshape(steps * batch)))


# ---- trees
def tree(params: Arrays, embeddings: Any, words: Any, left: Any, right: Any, labels: Any, root: Any) -> Any:
    """The loss at all nodes of a tree below its root. Node i is the word words[i] if left[i] < 0, else left[i] and right[i] joined."""

    def node(i: Any) -> Any:
        if left[i] < 0:
            n = params["leaf_b"].shape[0] // 3
            gates = embeddings[words[i]] @ params["leaf"] + params["leaf_b"]
            c = nn.sigmoid(gates[:n]) * np.tanh(gates[2 * n :])
            h = nn.sigmoid(gates[n : 2 * n]) * np.tanh(c)
            below = np.float32(0)
        else:
            n = params["inner_b"].shape[0] // 5
            hl, cl, ll = node(left[i])
            hr, cr, lr = node(right[i])
            gates = hl @ params["left"] + hr @ params["right"] + params["inner_b"]
            c = (
                nn.sigmoid(gates[:n]) * np.tanh(gates[4 * n :])
                + nn.sigmoid(gates[2 * n : 3 * n]) * cl
                + nn.sigmoid(gates[3 * n : 4 * n]) * cr
            )
            h = nn.sigmoid(gates[n : 2 * n]) * np.tanh(c)
            below = ll + lr
        return h, c, below + nn.cross_entropy(h @ params["out"] + params["c"], labels[i])

    return node(root)[2]


# ---- images
def images(params: Arrays, x: Any, labels: Any, rng: Any, rate: float) -> Any:
    """The mean loss of images (batch, 1, 28, 28)."""
    y = nn.relu(nn.max_pool(nn.conv(x, params["k1"], params["b1"])))
    y = nn.relu(nn.max_pool(nn.conv(y, params["k2"], params["b2"])))
    y = nn.relu(y.reshape(len(x), 320) @ params["w1"] + params["c1"])
    return np.mean(nn.cross_entropy(nn.dropout(y, rate, rng) @ params["w2"] + params["c2"], labels))


# ---- steps that update in place
def _clipped_step(loss: Any) -> Any:
    def step(params: Arrays, state: Arrays, *data: Any) -> Any:
        value, slopes = lj.value_and_grad(loss)(params, *data)
        nn.adagrad_step(params, {k: np.clip(g, -CLIP, CLIP) for k, g in slopes.items()}, state, 0.1, 1e-8)
        return value

    return step


rnn_step, lstm_step = _clipped_step(rnn), _clipped_step(lstm)


def tree_step(params: Arrays, state: Arrays, *data: Any) -> Any:
    value, slopes = lj.value_and_grad(tree)(params, *data)
    nn.adagrad_step(params, slopes, state, 0.05, 1e-8)
    return value


def images_step(params: Arrays, state: Arrays, *data: Any) -> Any:
    value, slopes = lj.value_and_grad(images)(params, *data)
    nn.momentum_step(params, slopes, state, 0.01, 0.5)
    return value


# ---- parameters
def _uniform(g: Any, *shape: int) -> Any:
    most = 1 / np.sqrt(shape[0] if len(shape) < 3 else np.prod(shape[1:]))
    return g.uniform(-most, most, shape).astype(F32)


def character_parameters(gates: int) -> Arrays:
    g, n = np.random.default_rng(1), HIDDEN
    return {"in": _uniform(g, LETTERS, gates * n), "u": _uniform(g, n, gates * n), "b": np.zeros(gates * n, F32), "out": _uniform(g, n, LETTERS),
            "c": np.zeros(LETTERS, F32)}  # fmt: skip


def tree_parameters(n: int = WIDE, words: int = EMBEDDING, classes: int = CLASSES) -> Arrays:
    g = np.random.default_rng(2)
    return {"leaf": _uniform(g, words, 3 * n), "leaf_b": np.zeros(3 * n, F32), "left": _uniform(g, n, 5 * n), "right": _uniform(g, n, 5 * n),
            "inner_b": np.zeros(5 * n, F32), "out": _uniform(g, n, classes), "c": np.zeros(classes, F32)}  # fmt: skip


def image_parameters() -> Arrays:
    g = np.random.default_rng(3)
    return {"k1": _uniform(g, 10, 1, 5, 5), "b1": np.zeros(10, F32), "k2": _uniform(g, 20, 10, 5, 5), "b2": np.zeros(20, F32),
            "w1": _uniform(g, 320, 50), "c1": np.zeros(50, F32), "w2": _uniform(g, 50, 10), "c2": np.zeros(10, F32)}  # fmt: skip


# ---- data
def text(batch: int) -> tuple[Any, Any]:
    """Letters (steps, batch), and those that follow: each is likely to be one of few after the one before."""
    g = np.random.default_rng(4)
    likely, found = g.integers(0, LETTERS, (LETTERS, 3)), g.integers(0, LETTERS, (STEPS + 1, batch))
    for t in range(STEPS):
        found[t + 1] = np.where(g.random(batch) < 0.9, likely[found[t], g.integers(0, 3, batch)], found[t + 1])
    return np.ascontiguousarray(found[:-1]), np.ascontiguousarray(found[1:])


def make_tree(g: Any, leaves: int, moods: Any) -> tuple[Any, ...]:
    """(words, left, right, labels, root), children before parents; a label says how the words below it feel on average."""
    words, left, right, mood = [], [], [], []

    def node(k: int) -> int:
        if k > 1:
            first = int(g.integers(1, k))
            a, b = node(first), node(k - first)
        word = int(g.integers(len(moods))) if k == 1 else -1
        words.append(word)
        left.append(a if k > 1 else -1)
        right.append(b if k > 1 else -1)
        mood.append(moods[word] if k == 1 else (mood[a] * first + mood[b] * (k - first)) / k)
        return len(words) - 1

    root = node(leaves)
    labels = np.clip(np.array(mood) * 2 + CLASSES / 2, 0, CLASSES - 1).astype(int)
    return np.array(words), np.array(left), np.array(right), labels, np.int64(root)


def forest(trees: int = TREES) -> tuple[Any, list[tuple[Any, ...]]]:
    """(embeddings, trees of 2 to 37 leaves, 38 nodes on average); the first few numbers of a word's embedding say how it feels."""
    g = np.random.default_rng(5)
    moods = g.normal(size=WORDS)
    embeddings = (0.3 * g.normal(size=(WORDS, EMBEDDING))).astype(F32)
    embeddings[:, :10] += moods[:, None].astype(F32)
    return embeddings, [make_tree(g, int(g.integers(2, 38)), moods) for _ in range(trees)]


def pictures(batch: int) -> tuple[Any, Any]:
    """Images of ten kinds of strokes, with noise."""
    g = np.random.default_rng(6)
    kinds = np.zeros((10, 1, 28, 28), F32)
    for k in kinds:
        for _ in range(3):
            row, column, long = g.integers(4, 20, 3)
            k[0, row : row + 3, column : column + long] = 1.0
            k[0, row : row + long, column : column + 3] += 0.5
    labels = g.integers(0, 10, batch)
    return kinds[labels] + (0.3 * g.normal(size=(batch, 1, 28, 28))).astype(F32), labels

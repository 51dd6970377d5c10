"""
A network along trees
=====================

The sentiment of a sentence follows its grammar: a recursion that calls itself for both parts of a sentence, with gates that decide what to keep of them
(Tai, Socher and Manning, 2015). Trees have all shapes, so here they are arrays of indices, and the recursion is a recursion: one function is
compiled, for all of them. The sizes are those of "Demystifying Differentiable Programming" (Wang and others, 2019): 150 hidden units, embeddings of
300, five classes, a loss at each node, Adagrad with a rate of 0.05. The sentences are drawn, with a grammar that turns sentiments round.
"""

import sys
import time

import numpy as np

import lantern_jit as lj

NOT, VERY, WORDS = 30, 31, 32  # words 0 to 9 are bad, 10 to 19 nothing, 20 to 29 good


def draw(rng, n):
    """A sentence of n words: (label, word), or (label, part, part). Labels are 0 (very bad) to 4."""
    how = rng.random()
    if n == 1:
        label = int(rng.integers(1, 4))
        return label, 10 * (label - 1) + int(rng.integers(10))
    if how < 0.4:  # "not" turns what follows round, "very" doubles it
        word, factor = (NOT, -1) if how < 0.2 else (VERY, 2)
        rest = draw(rng, n - 1)
        return min(4, max(0, 2 + factor * (rest[0] - 2))), (2, word), rest
    cut = int(rng.integers(1, n))
    left, right = draw(rng, cut), draw(rng, n - cut)
    return min(4, max(0, left[0] + right[0] - 2)), left, right


def flatten(tree):
    """Both parts, the word and the label of each node, parts before the whole; -1 for what it has not."""
    rows = []

    def add(node):
        label, *parts = node
        rows.append((*map(add, parts), -1, label) if len(parts) == 2 else (-1, -1, parts[0], label))
        return len(rows) - 1

    add(tree)
    return tuple(np.array(column) for column in zip(*rows, strict=True))


# %%
# The recursion: the hidden vector and the memory of a node, and the loss of all nodes below it.


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def of_word(w, word):
    write, show, new = np.split(w["leaf"] @ w["embedding"][word] + w["leaf bias"], 3)
    c = sigmoid(write) * np.tanh(new)
    return sigmoid(show) * np.tanh(c), c


def of_parts(w, left, right):
    write, keep_left, keep_right, show, new = np.split(w["left"] @ left[0] + w["right"] @ right[0] + w["bias"], 5)
    c = sigmoid(write) * np.tanh(new) + sigmoid(keep_left) * left[1] + sigmoid(keep_right) * right[1]
    return sigmoid(show) * np.tanh(c), c


def node_loss(w, h, label):
    logits = w["out"] @ h + w["out bias"]
    return np.logaddexp.reduce(logits) - logits[label]


def read(w, tree, at):
    left, right, word, label = tree
    if left[at] < 0:
        state, total = of_word(w, word[at]), 0.0
    else:
        one, below_one = read(w, tree, left[at])
        two, below_two = read(w, tree, right[at])
        state, total = of_parts(w, one, two), below_one + below_two
    return state, total + node_loss(w, state[0], label[at])


def loss(w, tree):
    return read(w, tree, len(tree[0]) - 1)[1]


def step(w, squares, tree):
    """One step of Adagrad, in place, and the loss."""
    value, slopes = lj.value_and_grad(loss)(w, tree)
    for name in w:
        squares[name] += slopes[name] ** 2
        w[name] -= 0.05 * slopes[name] / np.sqrt(squares[name] + 1e-8)
    return value


# %%
# The same over Python's objects. The shape of the tree is part of the type then: each has a program of its own, without a choice left.


def read_objects(w, node):
    label, *parts = node
    if len(parts) == 1:
        state, total = of_word(w, parts[0]), 0.0
    else:
        (one, below_one), (two, below_two) = (read_objects(w, part) for part in parts)
        state, total = of_parts(w, one, two), below_one + below_two
    return state, total + node_loss(w, state[0], label)


def weights(n, m, seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"embedding": (WORDS, m), "leaf": (3 * n, m), "left": (5 * n, n), "right": (5 * n, n), "out": (5, n)}
    w = {name: rng.normal(size=shape) / np.sqrt(shape[1]) for name, shape in shapes.items()}
    return w | {"leaf bias": np.zeros(3 * n), "bias": np.zeros(5 * n), "out bias": np.zeros(5)}


def main(count=200, words=20, epochs=5, hidden=150, embedding=300, seed=0):
    rng = np.random.default_rng(seed)
    trees, test = ([draw(rng, int(rng.integers(2, words))) for _ in range(count)] for _ in range(2))
    arrays, history, w, train, reader = [flatten(tree) for tree in trees], [], weights(hidden, embedding), lj.jit(step), lj.jit(read)
    squares = {name: np.zeros_like(x) for name, x in w.items()}
    for _ in range(epochs):
        start = time.perf_counter()
        history.append(sum(train(w, squares, tree) for tree in arrays) / sum(len(tree[0]) for tree in arrays))
        print(f"loss {history[-1]:.3f} a node, {1e3 * (time.perf_counter() - start) / count:.2f} ms a tree")
    tops = [reader(w, tree, len(tree[0]) - 1)[0][0] for tree in map(flatten, test)]
    right = np.mean([np.argmax(w["out"] @ h + w["out bias"]) == tree[0] for h, tree in zip(tops, test, strict=True)])
    print(f"{100 * right:.0f} % of {count} other sentences are read right")
    small = min(trees, key=lambda tree: abs(len(flatten(tree)[0]) - 7))
    difference = read(w, flatten(small), len(flatten(small)[0]) - 1)[1] - lj.jit(read_objects)(w, small)[1]
    print(f"losses over arrays and over objects differ by {difference:.1e}")
    return {"history": history, "right": right, "weights": w, "trees": trees, "difference": difference}


def picture(found):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    axes.plot(found["history"], "o-")
    axes.set(xlabel="epoch", ylabel="loss of a node")
    return figure


if __name__ == "__main__":
    figure = picture(main())
    if sys.argv[1:]:
        figure.savefig(sys.argv[1], dpi=120)

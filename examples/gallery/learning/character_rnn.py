"""
Recurrent networks that read characters
=======================================

A network reads a text and says, after each character, which comes next. The two models are those of "Demystifying Differentiable
Programming" (Wang and others, 2019): hidden state of 50, 26 letters, 20 steps, Adagrad with a rate of 0.1, gradients clipped at 5. They are
written as one would for one character at a time, and the time is a loop. The text is drawn from a Markov chain of the second order.
"""

import sys
import time

import numpy as np

import lantern_jit as lj

LETTERS = 26


def markov_text(n, seed=0):
    """Letters, each of which follows the two before it by one of four rules; and the average of their entropies, in nats."""
    rng = np.random.default_rng(seed)
    follows = rng.integers(0, LETTERS, (LETTERS, LETTERS, 4))
    odds = np.array([0.6, 0.25, 0.1, 0.05])
    text = [0, 1]
    for choice in rng.choice(4, n, p=odds):
        text.append(int(follows[text[-2] % 4, text[-1], choice]))
    return np.array(text[2:]), float(-np.sum(odds * np.log(odds)))


# %%
# Both models take one letter and the state, and give the new state; its first part is the hidden vector that the letters are predicted from.


def rnn(w, state, letter):
    (h,) = state
    return (np.tanh(w["in"][letter] + w["hidden"] @ h + w["bias"]),)


def lstm(w, state, letter):
    h, c = state
    n = len(h)
    z = w["in"][letter] + w["hidden"] @ h + w["bias"]
    keep, write, show = (1 / (1 + np.exp(-z[i * n : (i + 1) * n])) for i in range(3))
    c = keep * c + write * np.tanh(z[3 * n :])
    return show * np.tanh(c), c


def loss(w, state, text, cell):
    """The average cost of each letter of `text` but the first, in nats, and the state at the end."""
    total = 0.0
    for t in range(len(text) - 1):
        state = cell(w, state, text[t])
        logits = w["out"] @ state[0] + w["out bias"]
        top = np.max(logits)
        total += top + np.log(np.sum(np.exp(logits - top))) - logits[text[t + 1]]
    return total / (len(text) - 1), state


@lj.jit
def step(w, squares, state, text, cell):
    """One step of Adagrad, in place; the loss, and the state for the next piece of the text."""
    (value, state), slopes = lj.value_and_grad(loss, has_aux=True)(w, state, text, cell)
    for name in w:
        slope = np.clip(slopes[name], -5.0, 5.0)
        squares[name] += slope**2
        w[name] -= 0.1 * slope / np.sqrt(squares[name] + 1e-8)
    return value, state


def weights(hidden, gates, seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"in": (LETTERS, gates * hidden), "hidden": (gates * hidden, hidden), "out": (LETTERS, hidden)}
    w = {name: 0.1 * rng.normal(size=shape) for name, shape in shapes.items()}
    return w | {"bias": np.zeros(gates * hidden), "out bias": np.zeros(LETTERS)}


def train(cell, text, gates, hidden, unroll):
    w = weights(hidden, gates)
    squares, history = {name: np.zeros_like(x) for name, x in w.items()}, []
    state = fresh = tuple([np.zeros(hidden)] * (1 if cell is rnn else 2))
    for start in range(0, len(text) - unroll - 1, unroll):
        value, state = step(w, squares, state, text[start : start + unroll + 1], cell)
        history.append(value)
    return w, np.array(history), fresh


def main(n=200_000, hidden=50, unroll=20):
    text, entropy = markov_text(n)
    found = {"entropy": entropy}
    for name, cell, gates in (("RNN", rnn, 1), ("LSTM", lstm, 4)):
        start = time.perf_counter()
        _, history, _ = train(cell, text, gates, hidden, unroll)
        seconds = time.perf_counter() - start
        tenth = max(1, len(history) // 10)
        print(
            f"{name}: loss {history[:tenth].mean():.3f} -> {history[-tenth:].mean():.3f} nats, {1e6 * seconds / len(history):.0f} us a step"
        )
        found[name] = history
    print(f"a perfect reader would lose {entropy:.3f}; guessing loses {np.log(LETTERS):.3f}")
    return found


def picture(found):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name in ("RNN", "LSTM"):
        window = max(1, len(found[name]) // 50)
        axes.plot(np.convolve(found[name], np.full(window, 1 / window), mode="valid"), label=name)
    axes.axhline(found["entropy"], color="k", linestyle=":", label="entropy of the text")
    axes.set(xlabel="step", ylabel="loss (nats a letter)")
    axes.legend()
    return figure


if __name__ == "__main__":
    figure = picture(main())
    if sys.argv[1:]:
        figure.savefig(sys.argv[1], dpi=120)

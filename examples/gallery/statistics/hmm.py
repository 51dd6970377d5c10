"""
A hidden Markov model, and Baum-Welch by gradient
=================================================

A die is sometimes exchanged for a loaded one. The forward algorithm sums over all ways in which that may have happened. The gradient of its
logarithm by the logarithm of a transition probability is the expected number of such transitions: so the expectation step of Baum and
Welch needs no backward recursion of its own, and neither do the probabilities of the hidden states.
"""

import sys

import numpy as np
from scipy.special import logsumexp

import lantern_jit as lj

MOVE = np.array([[0.95, 0.05], [0.10, 0.90]])
EMIT = np.array([[1 / 6] * 6, [0.1, 0.1, 0.1, 0.1, 0.1, 0.5]])


def simulate(n, seed=0):
    rng = np.random.default_rng(seed)
    hidden, rolls = np.zeros(n, dtype=int), np.zeros(n, dtype=int)
    for t in range(n):
        hidden[t] = rng.choice(2, p=MOVE[hidden[t - 1]]) if t else 0
        rolls[t] = rng.choice(6, p=EMIT[hidden[t]])
    return hidden, rolls


# %%
# The forward algorithm. `evidence` is the log probability of each roll in each state: a separate argument, since the gradient by it has
# the probabilities of the hidden states.


def log_likelihood(log_start, log_move, evidence):
    alpha = log_start + evidence[0]
    for t in range(1, len(evidence)):
        alpha = evidence[t] + logsumexp(alpha[:, None] + log_move, axis=0)
    return logsumexp(alpha)


def likelihood_of_rolls(log_start, log_move, log_emit, rolls):
    return log_likelihood(log_start, log_move, log_emit[:, rolls].T)


counts = lj.value_and_grad(likelihood_of_rolls, argnums=(0, 1, 2))


def normalised(x):
    return x / np.sum(x, axis=-1, keepdims=True)


@lj.jit
def baum_welch(start, move, emit, rolls, steps):
    """Maximum likelihood by expectation and maximisation: the probabilities, and the log likelihood before each step."""
    history = np.zeros(steps)
    for i in range(steps):
        history[i], (starts, moves, emits) = counts(np.log(start), np.log(move), np.log(emit), rolls)
        start, move, emit = normalised(starts), normalised(moves), normalised(emits)
    return start, move, emit, history


@lj.jit
def hidden_states(start, move, emit, rolls):
    return lj.grad(log_likelihood, argnums=2)(np.log(start), np.log(move), np.log(emit)[:, rolls].T)


# %%
# A peer: the classical recursions, in probabilities, scaled.


def forward_backward(start, move, emit, rolls):
    n = len(rolls)
    forward, backward, scale = np.zeros((n, 2)), np.ones((n, 2)), np.zeros(n)
    for t in range(n):
        forward[t] = (start if t == 0 else forward[t - 1] @ move) * emit[:, rolls[t]]
        scale[t] = forward[t].sum()
        forward[t] /= scale[t]
    for t in range(n - 2, -1, -1):
        backward[t] = move @ (emit[:, rolls[t + 1]] * backward[t + 1]) / scale[t + 1]
    return forward * backward, np.log(scale).sum()


def main(n=5000, steps=200, seed=0):
    hidden, rolls = simulate(n, seed)
    guess = np.array([0.5, 0.5]), np.array([[0.8, 0.2], [0.2, 0.8]]), normalised(np.ones((2, 6)) + 0.3 * np.eye(2, 6, 4))
    start, move, emit, history = baum_welch(*guess, rolls, steps)
    states = hidden_states(start, move, emit, rolls)
    peer, _ = forward_backward(start, move, emit, rolls)
    print(f"log likelihood {history[0]:.1f} -> {history[-1]:.1f}; it never fell: {np.all(np.diff(history) > -1e-9)}")
    print(f"probabilities of the hidden states: at most {np.max(np.abs(states - peer)):.1e} from forward-backward's")
    print("a six by the loaded die (0.5):", emit[:, 5].round(3), "stays (0.95, 0.90):", np.diag(move).round(3))
    return {"hidden": hidden, "states": states, "peer": peer, "history": history, "move": move, "emit": emit}


def picture(found):
    import matplotlib.pyplot as plt

    figure, (top, below) = plt.subplots(2, 1, figsize=(8, 5), layout="constrained")
    loaded, some = int(np.argmax(found["emit"][:, 5])), slice(0, 300)
    top.fill_between(range(len(found["hidden"][some])), found["hidden"][some], alpha=0.3, step="mid", label="loaded die")
    top.plot(found["states"][some, loaded], label="probability of it")
    top.set(xlabel="roll")
    top.legend(loc="center right")
    below.plot(found["history"])
    below.set(xlabel="step of Baum-Welch", ylabel="log likelihood")
    return figure


if __name__ == "__main__":
    figure = picture(main())
    if sys.argv[1:]:
        figure.savefig(sys.argv[1], dpi=120)

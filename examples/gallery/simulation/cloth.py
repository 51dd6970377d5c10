"""
A cloth that is thrown over a ball
==================================

Points, springs between neighbours, gravity, a ball and a floor that push back. With which velocity must the cloth be thrown to lie on
the ball when the time is over? The gradient of where it ends by its initial velocity goes through every step and every contact.
"""

import sys
import time

import numpy as np

import lantern_jit as lj

BALL, RADIUS, STEP = np.array([0.0, 0.0, 0.5]), 0.4, 0.004


def spring(a, b, rest, stiff):
    """The force on a from springs to b."""
    d = b - a
    length = np.sqrt(np.sum(d * d, axis=-1, keepdims=True))
    return stiff * (length - rest) / length * d


def forces(x, v, rest):
    """Of springs along the threads and across the meshes, gravity, drag and contacts. x, v: (n, n, 3)."""
    f = -0.3 * v
    f[:, :, 2] -= 9.81
    for (a, b), length in (
        ((np.s_[:-1, :], np.s_[1:, :]), rest),
        ((np.s_[:, :-1], np.s_[:, 1:]), rest),
        ((np.s_[:-1, :-1], np.s_[1:, 1:]), rest * 2**0.5),
        ((np.s_[:-1, 1:], np.s_[1:, :-1]), rest * 2**0.5),
    ):
        pull = spring(x[a], x[b], length, 800.0) - 2.0 * (v[a] - v[b])
        f[a] += pull
        f[b] -= pull
    out = x - BALL
    distance = np.sqrt(np.sum(out * out, axis=-1, keepdims=True))
    inside = np.maximum(RADIUS - distance, 0.0)
    f += 5000.0 * inside * out / distance - np.where(inside > 0.0, 4.0 * v, 0.0)
    f[:, :, 2] += 5000.0 * np.maximum(-x[:, :, 2], 0.0)
    return f


def fly(throw, x, rest, steps):
    v = np.zeros_like(x) + throw
    for _ in range(steps):
        v = v + STEP * forces(x, v, rest)
        x = x + STEP * v
    return x


def loss(throw, x, rest, steps):
    """How far the middle of the cloth ends from the top of the ball."""
    end = fly(throw, x, rest, steps)
    miss = np.mean(end, axis=(0, 1)) - (BALL + np.array([0.0, 0.0, 0.2]))
    return np.sum(miss**2)


# %%
# Descent.


def main(n=12, steps=200, rounds=40):
    side = np.linspace(-0.4, 0.4, n)
    x = np.stack([*np.meshgrid(side - 1.5, side, indexing="ij"), np.full((n, n), 1.5)], axis=-1)
    rest = side[1] - side[0]
    objective = lj.jit(lj.value_and_grad(loss))
    throw, history = np.array([1.2, 0.4, 2.0]), []
    start = time.perf_counter()
    for i in range(rounds):
        value, slope = objective(throw, x, rest, steps)
        history.append(value)
        throw = throw - 0.3 * 0.95**i * slope / np.sqrt(np.sum(slope**2))
    seconds = time.perf_counter() - start
    print(f"miss {history[0] ** 0.5:.3f} m -> {history[-1] ** 0.5:.3f} m in {rounds} gradients, {seconds:.2f} s with compilation")
    print("thrown with", throw.round(3), "m/s")
    return {"throw": throw, "history": history, "start": x, "ends": [lj.jit(fly)(throw, x, rest, k) for k in (0, steps // 2, steps)]}


def picture(found):
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.add_subplot(1, 2, 1, projection="3d")
    u, w = np.meshgrid(np.linspace(0, np.pi, 13), np.linspace(0, 2 * np.pi, 25))
    ball = np.stack([np.sin(u) * np.cos(w), np.sin(u) * np.sin(w), np.cos(u)]) * RADIUS + BALL[:, None, None]
    axes.plot_surface(*ball, alpha=0.3)
    for cloth, colour in zip(found["ends"], ("C1", "C2", "C3"), strict=True):
        axes.plot_wireframe(*np.moveaxis(cloth, -1, 0), color=colour, linewidth=0.7)
    axes.set(xlim=(-2, 1), ylim=(-1.5, 1.5), zlim=(0, 2.5))
    figure.add_subplot(1, 2, 2, xlabel="gradient step", ylabel="miss (m)").plot(np.sqrt(found["history"]))
    return figure


if __name__ == "__main__":
    figure = picture(main())
    if sys.argv[1:]:
        figure.savefig(sys.argv[1], dpi=120)

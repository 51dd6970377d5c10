"""
Expectation-maximisation, differentiated through
================================================

A mixture of Gaussians with more components than the data deserve fits noise. A prior keeps it from doing so, but how strong is it to be?
All of EM, every step of it, is a function of the prior: the gradient of the likelihood of *held-out* points by the prior's numbers leads to a prior.
"""

import sys

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

import lantern_jit as lj


def simulate(n, seed=0):
    """Points of three clusters in the plane."""
    rng = np.random.default_rng(seed)
    centre = np.array([[0.0, 0.0], [3.0, 1.0], [0.5, 3.0]])[rng.integers(0, 3, n)]
    return centre + rng.normal(size=(n, 2)) * np.array([1.0, 0.6])


def log_densities(x, weight, mean, var):
    """Of each point in each component, times the component's weight: (points, components)."""
    misses = x[:, None, :] - mean
    return np.log(weight) - 0.5 * np.sum(np.log(2 * np.pi * var) + misses**2 / var, axis=2)


# %%
# The maximisation step has three strengths, in points: that pull the weights to each other, the means to the middle of all points, and the
# variances to 1.


def em(strength, x, mean, steps):
    alike, middle, round_ = np.exp(strength)
    weight, var = np.full(len(mean), 1.0 / len(mean)), np.ones_like(mean)
    for _ in range(steps):
        logs = log_densities(x, weight, mean, var)
        share = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
        count = share.sum(axis=0)
        weight = (count + alike) / np.sum(count + alike)
        mean = (share.T @ x + middle * x.mean(axis=0)) / (count + middle)[:, None]
        square = np.einsum("nk,nkd->kd", share, (x[:, None, :] - mean) ** 2)
        var = (square + round_) / (count + round_)[:, None]
    return weight, mean, var


def held_out(strength, x, new, mean, steps):
    """Minus the average log density of the new points after EM on the others."""
    return -np.mean(logsumexp(log_densities(new, *em(strength, x, mean, steps)), axis=1))


def main(n=60, components=8, steps=60, seed=0):
    x, new, test = simulate(n, seed), simulate(n, seed + 1), simulate(20 * n, seed + 2)
    mean = x[np.random.default_rng(seed).choice(n, components, replace=False)]
    objective = lj.jit(lj.value_and_grad(held_out))
    start = np.log([1e-2, 1e-2, 1e-1])
    fit = minimize(objective, start, args=(x, new, mean, steps), jac=True, method="L-BFGS-B", bounds=[(-8, 4)] * 3)
    before, after = (held_out(s, x, test, mean, steps) for s in (start, fit.x))
    print(
        f"loss of held-out points {objective(start, x, new, mean, steps)[0]:.3f} -> {fit.fun:.3f} in {fit.nfev} runs of EM and their gradients"
    )
    print(f"of {len(test)} further points {before:.3f} -> {after:.3f}; strengths {np.exp(fit.x).round(3)}")
    return {
        "x": x,
        "fits": [em(s, x, mean, steps) for s in (start, fit.x)],
        "before": before,
        "after": after,
        "strength": fit.x,
        "mean": mean,
    }


def picture(found):
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(9, 4), sharex=True, sharey=True, layout="constrained")
    axis = np.linspace(-4, 6, 120)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    for axes, fitted, title in zip(panels, found["fits"], ("hardly a prior", "the prior that was found"), strict=True):
        density = logsumexp(log_densities(grid, *fitted), axis=1).reshape(120, 120)
        axes.contour(axis, axis, density, levels=np.linspace(-10, -1, 10), linewidths=0.7)
        axes.plot(*found["x"].T, "k.", markersize=3)
        axes.set(title=title)
    return figure


if __name__ == "__main__":
    figure = picture(main())
    if sys.argv[1:]:
        figure.savefig(sys.argv[1], dpi=120)

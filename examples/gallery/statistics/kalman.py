"""
A Kalman filter with missing data
=================================

A level that drifts, with a slope that drifts, too, is seen through noise, and on four days of ten it is not seen at all. How fast
do they drift? The filter gives the likelihood of what was seen; its gradient, through every step of the filter, leads to the answer, and its
Hessian says how sure that is. What is missing is a NaN, and an `if` leaves it out: a NaN that no path takes does not get into a gradient.
"""

import sys
import time

import numpy as np
from scipy.optimize import minimize

import lantern_jit as lj

NAMES = ("level", "slope", "noise")
TRUE = np.array([0.5, 0.05, 2.0])  # standard deviations: of the drifts a day, and of what is seen
MOVE = np.array([[1.0, 1.0], [0.0, 1.0]])


def simulate(days, seed=0):
    """What is seen each day, NaN for nothing, and the level itself."""
    rng = np.random.default_rng(seed)
    state, levels = np.array([0.0, 0.1]), np.zeros(days)
    for t in range(days):
        state = MOVE @ state + TRUE[:2] * rng.normal(size=2)
        levels[t] = state[0]
    seen = levels + TRUE[2] * rng.normal(size=days)
    return np.where(rng.random(days) < 0.4, np.nan, seen), levels


# %%
# One day of the filter is a prediction and, if something was seen, a correction.


def predict(mean, cov, drift):
    return MOVE @ mean, MOVE @ cov @ MOVE.T + np.diag(drift)


def correct(mean, cov, seen, noise):
    """The corrected state, and the log likelihood of what was seen."""
    miss, variance = seen - mean[0], cov[0, 0] + noise
    gain = cov[:, 0] / variance
    mean = mean + gain * miss
    cov = cov - np.outer(gain, cov[0])
    return mean, cov, -0.5 * (np.log(2 * np.pi * variance) + miss**2 / variance)


def loss(theta, seen):
    """Minus the log likelihood of `seen`. theta: the logarithms of the three standard deviations."""
    variances = np.exp(2 * theta)
    mean, cov, total = np.zeros(2), 100.0 * np.eye(2), 0.0
    for y in seen:
        mean, cov = predict(mean, cov, variances[:2])
        if not np.isnan(y):
            mean, cov, likely = correct(mean, cov, y, variances[2])
            total -= likely
    return total


# %%
# For the picture: what the filter knew of the level each day.


def levels(theta, seen):
    variances = np.exp(2 * theta)
    mean, cov, found = np.zeros(2), 100.0 * np.eye(2), []
    for y in seen:
        mean, cov = predict(mean, cov, variances[:2])
        if not np.isnan(y):
            mean, cov, _ = correct(mean, cov, y, variances[2])
        found.append((mean[0], np.sqrt(cov[0, 0])))
    return np.array(found)


def main(days=400, seed=0):
    seen, level = simulate(days, seed)
    objective = lj.jit(lj.value_and_grad(loss))
    fit = minimize(objective, np.zeros(3), args=(seen,), jac=True, method="BFGS")
    error = np.sqrt(np.diag(np.linalg.inv(lj.jit(lj.hessian(loss))(fit.x, seen))))
    for name, x, e, true in zip(NAMES, fit.x, error, TRUE, strict=True):
        print(f"{name}: {np.exp(x):.3f}, within {np.exp(x - 2 * e):.3f} .. {np.exp(x + 2 * e):.3f}; in truth {true}")
    start = time.perf_counter()
    loss(fit.x, seen)
    plain = time.perf_counter() - start
    start = time.perf_counter()
    objective(fit.x, seen)
    print(f"value in NumPy {1e3 * plain:.1f} ms; value and gradient compiled {1e3 * (time.perf_counter() - start):.3f} ms")
    return {"theta": fit.x, "error": error, "seen": seen, "level": level, "filtered": lj.jit(levels)(fit.x, seen)}


def picture(found):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    some = slice(0, 80)
    days, (mean, error) = np.arange(len(found["seen"]))[some], found["filtered"][some].T
    axes.fill_between(days, mean - 2 * error, mean + 2 * error, alpha=0.3, label="filter, two standard deviations")
    axes.plot(days, found["level"][some], "k", linewidth=1, label="level")
    axes.plot(days, found["seen"][some], "o", markersize=4, label="seen")
    axes.set(xlabel="day")
    axes.legend()
    return figure


if __name__ == "__main__":
    figure = picture(main())
    if sys.argv[1:]:
        figure.savefig(sys.argv[1], dpi=120)

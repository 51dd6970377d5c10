"""
The No-U-Turn sampler in one jit
================================

Hamiltonian Monte Carlo follows the slope of a log density. The No-U-Turn sampler of Hoffman and Gelman (2014) chooses how far:
it doubles a trajectory, forwards or backwards in time, until its ends approach each other. The doubling is a recursion whose depth
the numbers decide; here all of it, gradients, recursion, random numbers and the adaption of the step, is one compiled function.

The posterior is that of the eight schools (Rubin, 1981): effects of coaching in eight schools, which share a mean and a spread.
"""

import sys
import time
from collections import namedtuple

import numpy as np

import lantern_jit as lj

EFFECT = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
ERROR = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])


def log_density(q):
    """Of the mean, the logarithm of the spread, and each school's deviation in units of the spread, up to a constant."""
    mean, spread, deviation = q[0], np.exp(q[1]), q[2:]
    misses = (EFFECT - mean - spread * deviation) / ERROR
    prior = -0.5 * (mean / 5.0) ** 2 - np.log1p((spread / 5.0) ** 2) + q[1]  # Cauchy's for the spread, with its Jacobian
    return prior - 0.5 * np.sum(deviation**2) - 0.5 * np.sum(misses**2)


density_and_slope = lj.value_and_grad(log_density)

# %%
# One leapfrog step, and a tree of 2**depth of them. A tree is known by its two ends, a point drawn from those of its points that
# are in the slice, how many these are, whether to go on, and how well energy was kept.


State = namedtuple("State", "q p slope")


def leapfrog(at, step):
    p = at.p + 0.5 * step * at.slope
    q = at.q + step * p
    density, slope = density_and_slope(q)
    p = p + 0.5 * step * slope
    return State(q, p, slope), density - 0.5 * np.sum(p**2)


def still_parting(left, right):
    span = right.q - left.q
    return np.sum(span * left.p) >= 0.0 and np.sum(span * right.p) >= 0.0


def tree(rng, at, log_slice, way, depth, step, energy):
    if depth == 0:
        new, found = leapfrog(at, way * step)
        return new, new, new.q, float(log_slice <= found), log_slice < found + 1000.0, min(1.0, np.exp(found - energy)), 1.0
    left, right, q, count, going, kept, tried = tree(rng, at, log_slice, way, depth - 1, step, energy)
    if going:
        if way < 0:
            left, _, q2, count2, going, kept2, tried2 = tree(rng, left, log_slice, way, depth - 1, step, energy)
        else:
            _, right, q2, count2, going, kept2, tried2 = tree(rng, right, log_slice, way, depth - 1, step, energy)
        if rng.random() * (count + count2) < count2:
            q = q2
        going = going and still_parting(left, right)
        count, kept, tried = count + count2, kept + kept2, tried + tried2
    return left, right, q, count, going, kept, tried


def draw(rng, q, step):
    """The next point of the chain, and the average probability of acceptance on the way."""
    density, slope = density_and_slope(q)
    start = State(q, rng.standard_normal(len(q)), slope)
    energy = density - 0.5 * np.sum(start.p**2)
    log_slice = energy - rng.exponential()
    left, right, count, depth, going, kept, tried = start, start, 1.0, 0, True, 0.0, 1.0
    while going and depth < 10:
        way = 1.0 if rng.random() < 0.5 else -1.0
        if way < 0.0:
            left, _, q2, count2, going, kept, tried = tree(rng, left, log_slice, way, depth, step, energy)
        else:
            _, right, q2, count2, going, kept, tried = tree(rng, right, log_slice, way, depth, step, energy)
        if going and rng.random() * count < count2:
            q = q2
        going = going and still_parting(left, right)
        count += count2
        depth += 1
    return q, kept / tried


# %%
# The chain. While it warms up the step is adapted by dual averaging.


def chain(rng, q, warm, draws):
    found = np.zeros((draws, len(q)))
    step, log_average, error = 0.1, 0.0, 0.0
    for i in range(warm + draws):
        q, accepted = draw(rng, q, step)
        if i < warm:
            error += (0.8 - accepted - error) / (i + 11.0)
            log_step = -np.sqrt(i + 1.0) / 0.05 * error
            log_average += (i + 1.0) ** -0.75 * (log_step - log_average)
            step = np.exp(log_step) if i < warm - 1 else np.exp(log_average)
        else:
            found[i - warm] = q
    return found, step


# %%
# A peer: given the spread everything is Gaussian, so that the posterior means of the mean effect and of the spread are sums.


def exact():
    spread = np.exp(np.linspace(-9.0, 6.0, 4000))
    variance = ERROR**2 + spread[:, None] ** 2
    precision = np.sum(1 / variance, axis=1) + 1 / 25
    mean = np.sum(EFFECT / variance, axis=1) / precision
    fit = -0.5 * np.sum(np.log(variance) + EFFECT**2 / variance, axis=1) + 0.5 * precision * mean**2 - 0.5 * np.log(precision)
    weight = spread / (1 + (spread / 5) ** 2) * np.exp(fit - fit.max())
    return np.sum(weight * mean) / np.sum(weight), np.sum(weight * spread) / np.sum(weight)


def main(warm=1000, draws=10000, seed=0):
    start = time.perf_counter()
    found, step = lj.jit(chain)(np.random.default_rng(seed), np.zeros(10), warm, draws)
    mean, spread = found[:, 0], np.exp(found[:, 1])
    print(f"{draws} draws in {time.perf_counter() - start:.2f} s, compilation included; step {step:.3f}")
    print(f"mean effect {mean.mean():.2f} +- {mean.std():.2f}, spread {spread.mean():.2f} +- {spread.std():.2f}")
    print("exact       {:.2f}          spread {:.2f}".format(*exact()))
    return {"draws": found, "step": step}


def picture(found):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    axes.boxplot(found["draws"][:, :1] + np.exp(found["draws"][:, 1:2]) * found["draws"][:, 2:], showfliers=False)
    axes.plot(range(1, 9), EFFECT, "o", label="measured")
    axes.set(xlabel="school", ylabel="effect")
    axes.legend()
    return figure


if __name__ == "__main__":
    figure = picture(main())
    if sys.argv[1:]:
        figure.savefig(sys.argv[1], dpi=120)

"""
An epidemic, with adaptive steps
================================

Susceptible, infected, recovered: rates are fitted to the cases of each week. The integrator is written here, a pair of Runge-Kutta formulas
(Dormand and Prince, 1980) whose difference decides the step: a `while` loop that accepts, rejects, and ends when it is there. The
derivative goes through all of it, and is that of what the loop computes.
"""

import sys

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

import lantern_jit as lj

C = [0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1]
A = [
    [],
    [1 / 5],
    [3 / 40, 9 / 40],
    [44 / 45, -56 / 15, 32 / 9],
    [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
    [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
    [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
]
E = [71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40]


def integrate(rates, y, t, end, theta, tol):
    """y at `end`, and the number of steps that were tried."""
    h, tried = 0.1 * (end - t), 0
    while t < end:
        h = min(h, end - t)
        k = []
        for c, row in zip(C, A, strict=True):
            k.append(rates(t + c * h, y + h * sum(a * slope for a, slope in zip(row, k, strict=True)), theta))
        new = y + h * sum(a * slope for a, slope in zip(A[-1], k, strict=False))
        error = h * sum(e * slope for e, slope in zip(E, k, strict=True))
        size = np.sqrt(np.mean((error / (tol + tol * np.maximum(abs(y), abs(new)))) ** 2))
        if size <= 1.0:
            t, y = t + h, new
        h *= min(5.0, max(0.2, 0.9 * size**-0.2))
        tried += 1
    return y, tried


# %%
# The model, in shares of the population: contacts fall when a lockdown begins in week 6.


def rates(t, y, theta):
    susceptible, infected, _ = y
    contacts, lockdown, recovery = theta[0], theta[1], theta[2]
    new = contacts * susceptible * infected * (1.0 - lockdown / (1.0 + np.exp(-4.0 * (t - 6.0))))
    return np.array([-new, new - recovery * infected, recovery * infected])


def cases(log_theta, weeks, tol):
    """The share of people that fell ill in each week."""
    theta = np.exp(log_theta)
    y = np.array([1.0 - theta[3], theta[3], 0.0])
    found = np.zeros(weeks)
    for week in range(weeks):
        before = y[0]
        y, _ = integrate(rates, y, float(week), week + 1.0, theta, tol)
        found[week] = before - y[0]
    return found


def log_cases(log_theta, weeks, tol):
    return np.log(cases(log_theta, weeks, tol))


def main(weeks=16, tol=1e-7, seed=0):
    true = np.array([1.6, 0.6, 0.7, 1e-3])  # contacts, what the lockdown takes of them, recovery, infected at first
    model, slopes = lj.jit(log_cases), lj.jit(lj.jacfwd(log_cases))
    seen = model(np.log(true), weeks, tol) + 0.05 * np.random.default_rng(seed).normal(size=weeks)
    fit = least_squares(
        lambda x: model(x, weeks, tol) - seen,
        np.log([1.0, 0.3, 0.4, 1e-2]),
        jac=lambda x: slopes(x, weeks, tol),
    )
    theta = np.exp(fit.x)
    print("fitted", theta.round(4), "in truth", true, f"after {fit.nfev} evaluations")
    start = np.array([0.999, 1e-3, 0.0])
    y, tried = integrate(rates, start, 0.0, 10.0, theta, tol)
    peer = solve_ivp(rates, (0, 10), start, args=(theta,), rtol=1e-10, atol=1e-10).y[:, -1]
    error = np.max(np.abs(y - peer))
    print(f"ten weeks in {tried} steps, {error:.1e} from SciPy's solve_ivp at 1e-10")
    return {"theta": theta, "true": true, "counted": np.exp(seen), "fitted": np.exp(model(fit.x, weeks, tol)), "error": error}


def picture(found):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.bar(range(len(found["counted"])), 1e5 * found["counted"], alpha=0.4, label="counted")
    axes.plot(1e5 * found["fitted"], "o-", label="fitted")
    axes.axvline(6.0, color="k", linestyle=":", label="lockdown")
    axes.set(xlabel="week", ylabel="new cases of 100,000")
    axes.legend()
    return figure


if __name__ == "__main__":
    figure = picture(main())
    if sys.argv[1:]:
        figure.savefig(sys.argv[1], dpi=120)

"""Fit a predator-prey model to an old ledger: `python examples/lotka_volterra.py [PICTURE.png]`.

The Hudson's Bay Company counted the pelts it took in each year. With u hares and v lynxes (thousands of pelts),
Lotka and Volterra say  du/dt = (alpha - beta v) u  and  dv/dt = (delta u - gamma) v.  We look for the rates, the
populations in 1900 and the noise under which the ledger is most likely. The model is ordinary Python.
"""

import math
import sys

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

import lantern_jit as lj
from lantern_jit.data import hudson_bay

Array = NDArray[np.float64]
NAMES = ("alpha", "beta", "gamma", "delta", "hares in 1900", "lynxes in 1900", "noise, hares", "noise, lynxes")
STEPS = 20  # Runge-Kutta steps a year; more of them do not move the estimates in the first five digits


def rates(u: float, v: float, alpha: float, beta: float, gamma: float, delta: float) -> tuple[float, float]:
    """How fast both populations change, in thousands a year."""
    return (alpha - beta * v) * u, (delta * u - gamma) * v


def step(u: float, v: float, alpha: float, beta: float, gamma: float, delta: float) -> tuple[float, float]:
    """Both populations 1/STEPS years later: one step of the classical Runge-Kutta method of fourth order."""
    h = 1.0 / STEPS
    u1, v1 = rates(u, v, alpha, beta, gamma, delta)
    u2, v2 = rates(u + h / 2 * u1, v + h / 2 * v1, alpha, beta, gamma, delta)
    u3, v3 = rates(u + h / 2 * u2, v + h / 2 * v2, alpha, beta, gamma, delta)
    u4, v4 = rates(u + h * u3, v + h * v3, alpha, beta, gamma, delta)
    return u + h / 6 * (u1 + 2 * u2 + 2 * u3 + u4), v + h / 6 * (v1 + 2 * v2 + 2 * v3 + v4)


def loss(theta: Array, hare: Array, lynx: Array) -> float:
    """Minus the log-likelihood of the ledger, up to a constant. theta: the logarithms of NAMES, shape (8,)."""
    alpha, beta = math.exp(theta[0]), math.exp(theta[1])  # logarithms keep every parameter positive
    gamma, delta = math.exp(theta[2]), math.exp(theta[3])
    u, v, total = math.exp(theta[4]), math.exp(theta[5]), 0.0
    for year in range(len(hare)):
        if year > 0:
            for _ in range(STEPS):
                u, v = step(u, v, alpha, beta, gamma, delta)
        miss_u = (math.log(hare[year]) - math.log(u)) / math.exp(theta[6])  # log-normal noise: errors are relative
        miss_v = (math.log(lynx[year]) - math.log(v)) / math.exp(theta[7])
        total += theta[6] + theta[7] + 0.5 * (miss_u * miss_u + miss_v * miss_v)
    return total


def populations(theta: Array, years: int) -> tuple[Array, Array]:
    """The model's u and v at the start and after every step of `years` years: shape (years * STEPS + 1,) each."""
    alpha, beta, gamma, delta = math.exp(theta[0]), math.exp(theta[1]), math.exp(theta[2]), math.exp(theta[3])
    us, vs = np.zeros(years * STEPS + 1), np.zeros(years * STEPS + 1)
    us[0], vs[0] = math.exp(theta[4]), math.exp(theta[5])
    for i in range(years * STEPS):
        us[i + 1], vs[i + 1] = step(us[i], vs[i], alpha, beta, gamma, delta)
    return us, vs


def fit(hare: Array, lynx: Array) -> tuple[Array, Array]:
    """The most likely theta, and the covariance of that estimate: the inverse of the loss's Hessian, shape (8, 8)."""
    turn = 2 * math.pi / 10  # a cycle takes about 10 years, and the averages are gamma/delta and alpha/beta
    guess = np.log([turn, turn / lynx.mean(), turn, turn / hare.mean(), hare[0], lynx[0], 0.5, 0.5])
    objective = lj.jit(lj.value_and_grad(loss))  # one native function gives the loss and its 8 slopes
    found = minimize(objective, guess, args=(hare, lynx), method="L-BFGS-B", jac=True)
    return found.x, np.linalg.inv(lj.jit(lj.hessian(loss))(found.x, hare, lynx))


def table(theta: Array, covariance: Array) -> str:
    """Every parameter and its standard error; the delta method: exp(theta) moves exp(theta) times as far as theta."""
    errors = np.exp(theta) * np.sqrt(np.diag(covariance))
    rows = zip(NAMES, np.exp(theta), errors, strict=True)
    return "\n".join(f"{name:15} {value:9.4f} +- {error:.4f}" for name, value, error in rows)


def picture(path: str, theta: Array, years: Array, hare: Array, lynx: Array) -> None:
    """Write the ledger (dots) and the fit (lines) as a picture."""
    from matplotlib.figure import Figure  # here, so that everything else runs without matplotlib

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot(xlabel="year", ylabel="pelts (thousands)", xticks=years[::5])
    times = np.linspace(years[0], years[-1], (len(years) - 1) * STEPS + 1)
    fitted = lj.jit(populations)(theta, len(years) - 1)
    for name, colour, curve, counts in zip(("hare", "lynx"), ("C0", "C1"), fitted, (hare, lynx), strict=True):
        axes.plot(times, curve, colour, label=f"{name}, fitted")
        axes.plot(years, counts, colour + "o", label=f"{name}, counted")
    axes.legend()
    figure.savefig(path, dpi=120, format="png")


if __name__ == "__main__":
    ledger = hudson_bay()
    estimate = fit(*ledger[1:])
    print(table(*estimate))
    if len(sys.argv) > 1:
        picture(sys.argv[1], estimate[0], *ledger)

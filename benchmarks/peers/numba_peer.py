"""Numba: the plain programs under njit, and gradients written by hand, since Numba has none of its own."""

import importlib
import inspect
import math
from typing import Any

import numpy as np

from benchmarks.cases import Arguments, Case
from benchmarks.peers.base import Call, Peer, Thunk, copy_of_programs

numba: Any = importlib.import_module("numba")  # optional, and untyped


def lorenz_gradient(x: Any, y: Any, z: Any, sigma: Any, rho: Any, beta: Any, n: Any) -> Any:
    """The adjoint of lorenz with a tape of states, as in floor.c."""
    states = np.empty((n, 3))
    for i in range(n):
        states[i, 0], states[i, 1], states[i, 2] = x, y, z
        dx = sigma * (y - x)
        dy = x * (rho - z) - y
        dz = x * y - beta * z
        x, y, z = x + 1e-4 * dx, y + 1e-4 * dy, z + 1e-4 * dz
    dx, dy, dz, dsigma, drho, dbeta = 1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n - 1, -1, -1):
        x, y, z = states[i, 0], states[i, 1], states[i, 2]
        hx, hy, hz = 1e-4 * dx, 1e-4 * dy, 1e-4 * dz
        dsigma += hx * (y - x)
        drho += hy * x
        dbeta -= hz * z
        dx += hy * (rho - z) + hz * y - hx * sigma
        dy += hx * sigma + hz * x - hy
        dz -= hy * x + hz * beta
    return dx, dy, dz, dsigma, drho, dbeta


def kepler_gradient(e: Any, mean: Any, n: Any) -> Any:
    """The adjoint of kepler with a tape of Newton steps, as in floor.c."""
    tape = np.empty((1000, 4))
    de, dmean = 0.0, 0.0
    for i in range(n):
        m = mean + 1e-4 * i
        x, step, k = m, 1.0, 0
        while abs(step) > 1e-12:
            sine, cosine = math.sin(x), math.cos(x)
            slope = 1.0 - e * cosine
            step = (x - e * sine - m) / slope
            tape[k, 0], tape[k, 1], tape[k, 2], tape[k, 3] = sine, cosine, step, slope
            x -= step
            k += 1
        dx = 1.0
        for j in range(k - 1, -1, -1):
            sine, cosine, step, slope = tape[j, 0], tape[j, 1], tape[j, 2], tape[j, 3]
            dtop = -dx / slope
            dslope = -dtop * step
            de -= dtop * sine + dslope * cosine
            dmean -= dtop
            dx += dtop * slope + dslope * e * sine
        dmean += dx
    return de, dmean


def squares_gradient(x: Any) -> Any:
    """The gradient of squares."""
    dx = np.empty_like(x)
    for i in range(len(x)):
        dx[i] = 2.0 * x[i]
    return dx


def dot_gradient(x: Any, y: Any) -> Any:
    """The gradient of dot."""
    return y.copy(), x.copy()


def logsumexp_gradient(x: Any) -> Any:
    """The gradient of logsumexp."""
    largest = x[0]
    for i in range(len(x)):
        if x[i] > largest:
            largest = x[i]
    dx = np.empty_like(x)
    total = 0.0
    for i in range(len(x)):
        dx[i] = math.exp(x[i] - largest)
        total += dx[i]
    for i in range(len(x)):
        dx[i] /= total
    return dx


def wave_gradient(x: Any) -> Any:
    """The gradient of wave."""
    return math.sin(x) + x * math.cos(x)


def rosenbrock_value_and_gradient(x: Any) -> Any:
    """The result of rosenbrock and its gradient, as in floor_calls.c, in a new array."""
    dx = np.empty_like(x)
    total, from_left = 0.0, 0.0
    for i in range(len(x) - 1):
        u = x[i + 1] - x[i] * x[i]
        v = 1.0 - x[i]
        total += 100.0 * u * u + v * v
        dx[i] = from_left - 400.0 * u * x[i] - 2.0 * v
        from_left = 200.0 * u
    dx[len(x) - 1] = from_left
    return total, dx


GRADIENTS = {
    "lorenz": lorenz_gradient,
    "kepler": kepler_gradient,
    "squares": squares_gradient,
    "dot": dot_gradient,
    "logsumexp": logsumexp_gradient,
}
CALLS = {"wave": wave_gradient, "rosenbrock": rosenbrock_value_and_gradient}
NO_PRIMAL = frozenset({"chain4", "chain8", "chain16"})  # tuples built by generator expressions do not compile


class Numba:
    """Numba as a peer."""

    name = "Numba"
    version = numba.__version__
    small_only: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.programs = copy_of_programs("numba")
        for name, function in inspect.getmembers(self.programs, inspect.isfunction):
            if function.__module__ == self.programs.__name__:
                setattr(self.programs, name, numba.njit(function))

    def primal(self, case: Case, arguments: Arguments) -> Thunk | None:
        """The plain program under njit."""
        if case.symbol in NO_PRIMAL:
            return None
        function = getattr(self.programs, case.symbol)
        return lambda: function(*arguments)

    def gradient(self, case: Case, arguments: Arguments) -> Thunk | None:
        """The gradient written by hand above, under njit."""
        if case.symbol not in GRADIENTS:
            return None
        function: Any = numba.njit(GRADIENTS[case.symbol])
        return lambda: function(*arguments)

    def call(self, symbol: str) -> Call | None:
        """The derivative written by hand above, under njit, as it is called from Python."""
        function: Call = numba.njit(CALLS[symbol])
        return function


def connect() -> Peer:
    """Numba, ready to compile."""
    return Numba()

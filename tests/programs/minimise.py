"""L-BFGS with a history and a line search."""

from collections import deque

import numpy as np


class LineSearchError(RuntimeError):
    pass


class Quadratic:
    """A badly scaled bowl with a ripple."""

    def __init__(self, scales, centre, ripple=0.1):
        self.scales = np.asarray(scales)
        self.centre = centre
        self.ripple = ripple
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        d = x - self.centre
        value = 0.5 * np.sum(self.scales * d**2) + self.ripple * np.sum(1 - np.cos(d))
        return value, self.scales * d + self.ripple * np.sin(d)


def two_loop(g, history):
    """The direction from pairs (s, y) of steps and changes of the gradient."""
    q = g.copy()
    alphas = []
    for s, y, rho in reversed(history):
        alpha = rho * s.dot(q)
        q -= alpha * y
        alphas.append(alpha)
    if history:
        s, y, _ = history[-1]
        q *= s.dot(y) / y.dot(y)
    for (s, y, rho), alpha in zip(history, reversed(alphas)):
        beta = rho * y.dot(q)
        q += s * (alpha - beta)
    return -q


def backtrack(f, x, fx, g, direction, c=1e-4, shrink=0.5):
    slope = g @ direction
    if slope >= 0:
        raise LineSearchError(f"not a way down: slope {slope:.3g}")
    t = 1.0
    for _ in range(30):
        candidate = x + t * direction
        value, gradient = f(candidate)
        if value <= fx + c * t * slope:
            return candidate, value, gradient
        t *= shrink
    raise LineSearchError("the step became too small")


def minimise(f, x0, memory=3, tol=1e-8, max_iterations=12, callback=None):
    x = x0
    fx, g = f(x)
    history = deque(maxlen=memory)
    trail = [fx]
    for iteration in range(max_iterations):
        if np.max(np.abs(g)) < tol:
            break
        direction = two_loop(g, history)
        new, value, gradient = backtrack(f, x, fx, g, direction)
        s, y = new - x, gradient - g
        if s @ y > 1e-12:
            history.append((s, y, 1.0 / (s @ y)))
        x, fx, g = new, value, gradient
        trail.append(fx)
        if callback is not None:
            callback(iteration, x)
    return {"x": x, "value": fx, "iterations": len(trail) - 1, "trail": trail}


def fit(centre, ripple, scales=(1.0, 10.0, 30.0)):
    problem = Quadratic(scales, centre, ripple)
    result = minimise(problem, np.zeros(3))
    return result["value"] + np.sum(result["x"] ** 2), result

"""An adaptive Runge-Kutta solver with events, and an orbit integrated by it."""

from collections import namedtuple

import numpy as np

Solution = namedtuple("Solution", ["t", "y", "accepted", "rejected"])

A = [
    [],
    [1 / 5],
    [3 / 40, 9 / 40],
    [44 / 45, -56 / 15, 32 / 9],
    [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
    [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
    [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
]
B4 = [5179 / 57600, 0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40]
C = [0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1]


def rk_step(f, t, y, h):
    k = []
    for a, c in zip(A, C):
        yi = y
        for aij, kj in zip(a, k):
            if aij != 0:
                yi = yi + h * aij * kj
        k.append(f(t + c * h, yi))
    y5 = y + h * sum(a * kj for a, kj in zip(A[-1], k))
    y4 = y + h * sum(b * kj for b, kj in zip(B4, k))
    return y5, y5 - y4


def solve(f, t0, t1, y0, rtol=1e-6, atol=1e-9, h=0.1, max_steps=1000, event=None):
    ts, ys = [t0], [y0]
    t, y = t0, y0
    accepted = rejected = 0
    while t < t1:
        if accepted + rejected >= max_steps:
            raise RuntimeError(f"no end after {max_steps} steps: t = {t}, h = {h}")
        h = min(h, t1 - t)
        new, error = rk_step(f, t, y, h)
        scale = atol + rtol * np.maximum(np.abs(y), np.abs(new))
        norm = np.sqrt(np.mean((error / scale) ** 2))
        if norm <= 1.0:
            t = t + h
            y = new
            ts.append(t)
            ys.append(y)
            accepted += 1
            if event is not None and event(t, y):
                break
        else:
            rejected += 1
        factor = 5.0 if norm == 0 else 0.9 * norm**-0.2
        h *= min(5.0, max(0.2, factor))
    return Solution(np.array(ts), np.array(ys), accepted, rejected)


class TwoBody:
    def __init__(self, mu=1.0, drag=0.0):
        self.mu = mu
        self.drag = drag
        self.evaluations = 0

    def __call__(self, t, s):
        r, v = s[:2], s[2:]
        d = np.linalg.norm(r)
        return np.concatenate([v, -self.mu * r / d**3 - self.drag * v])


def final_radius(p, t_end=3.0):
    """Of a satellite that starts at radius 1 with the given speed; it stops on the ground."""
    speed, drag = p
    planet = TwoBody(drag=drag)

    def on_ground(t, s, ground=0.2):
        return np.hypot(s[0], s[1]) < ground

    out = solve(planet, 0.0, t_end, np.array([1.0, 0.0, 0.0, speed]), event=on_ground)
    return np.linalg.norm(out.y[-1, :2]), out

"""An extended Kalman filter: a car seen by radars, some of which miss it."""

import math

import numpy as np

from . import geometry
from .geometry import symmetrise, wrap


def motion(x, dt=0.5):
    """px, py, heading, speed, turn rate"""
    px, py, heading, speed, turn = x
    return np.array(
        [
            px + speed * math.cos(heading) * dt,
            py + speed * math.sin(heading) * dt,
            heading + turn * dt,
            speed,
            turn,
        ]
    )


def motion_jacobian(x, dt=0.5):
    f = np.eye(5)
    heading, speed = x[2], x[3]
    f[0, 2] = -speed * math.sin(heading) * dt
    f[0, 3] = math.cos(heading) * dt
    f[1, 2] = speed * math.cos(heading) * dt
    f[1, 3] = math.sin(heading) * dt
    f[2, 4] = dt
    return f


class Radar:
    def __init__(self, position, noise=(0.5, 0.05)):
        self.position = position
        self.noise = noise

    def predict(self, x):
        r, phi = geometry.polar(x[0], x[1], origin=self.position)
        return np.array([r, phi])

    def jacobian(self, x):
        dx, dy = x[0] - self.position[0], x[1] - self.position[1]
        r2 = dx * dx + dy * dy
        r = math.sqrt(r2)
        return np.array([[dx / r, dy / r, 0.0, 0.0, 0.0], [-dy / r2, dx / r2, 0.0, 0.0, 0.0]])


def predict(state, q):
    f = motion_jacobian(state["x"])
    state["x"] = motion(state["x"])
    state["P"] = f @ state["P"] @ f.T + q


def update(state, radar, z, scale):
    h = radar.jacobian(state["x"])
    r = np.diag([s**2 * scale for s in radar.noise])
    innovation = z - radar.predict(state["x"])
    innovation[1] = wrap(innovation[1])
    s = h @ state["P"] @ h.T + r
    gain = np.linalg.solve(s, h @ state["P"]).T
    state["x"] = state["x"] + gain @ innovation
    state["P"] = symmetrise((np.eye(5) - gain @ h) @ state["P"])
    _, logdet = np.linalg.slogdet(2 * np.pi * s)
    state["loglik"] += -0.5 * (innovation @ np.linalg.solve(s, innovation) + logdet)
    state["used"] += 1


def track(params, measurements, radars, keep=False):
    """measurements: for each time, a row for each radar; NaN where it saw nothing."""
    state = {
        "x": np.array([0.0, 0.0, 0.3, 2.0, 0.0]),
        "P": np.eye(5),
        "loglik": 0.0,
        "used": 0,
    }
    q = np.diag([1e-4, 1e-4, 1e-4, params["speed_noise"], params["turn_noise"]])
    estimates = []
    for rows in measurements:
        predict(state, q)
        for radar, z in zip(radars, rows):
            if np.isnan(z).any():
                continue
            update(state, radar, z, scale=params.get("scale", 1.0))
        if keep:
            estimates.append(state["x"][:2])
    if state["used"] == 0:
        raise ValueError(f"no radar saw anything in {len(measurements)} scans")
    if keep:
        return state["loglik"], np.array(estimates), state["used"]
    return state["loglik"]

"""Angles and distances, for tracking.py."""

import math

import numpy as np

TWO_PI = 2 * math.pi


def wrap(angle):
    """Into (-pi, pi]."""
    while angle > math.pi:
        angle -= TWO_PI
    while angle <= -math.pi:
        angle += TWO_PI
    return angle


def polar(x, y, origin=(0.0, 0.0)):
    dx, dy = x - origin[0], y - origin[1]
    return math.hypot(dx, dy), math.atan2(dy, dx)


def jacobian(f, x, eps=1e-6):
    """Central differences, one column a coordinate."""
    columns = []
    for i in range(len(x)):
        step = np.zeros(len(x))
        step[i] = eps
        columns.append((f(x + step) - f(x - step)) / (2 * eps))
    return np.stack(columns, axis=1)


def symmetrise(p):
    return 0.5 * (p + p.T)

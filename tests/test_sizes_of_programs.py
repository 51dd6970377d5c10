"""How large ordinary programs with objects and lists become: what is long is counted in lines of the graph, never in seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import Runner, check, close


def lines(f: Callable[..., Any], *args: Any) -> int:
    """Lines of the graph as the passes leave it."""
    return int(lj.jit(f).inspect(*args).graph.count("\n"))


# ---- views that objects hold when a loop begins
class Particle:
    def __init__(self, pos: Any, vel: Any, mass: float) -> None:
        self.pos, self.vel, self.mass = pos, vel, mass

    def kick(self, force: Any, dt: float) -> None:
        self.vel = self.vel + dt / self.mass * force

    def drift(self, dt: float) -> None:
        self.pos = self.pos + dt * self.vel


def particles(starts: Any, k: float, steps: int = 50) -> Any:
    all_ = [Particle(starts[i], np.zeros(2), 1.0 + i) for i in range(3)]
    for _ in range(steps):
        for a in all_:
            force = np.zeros(2)
            for b in all_:
                if a is not b:
                    d = b.pos - a.pos
                    force = force + k * d / (np.dot(d, d) + 0.1)
            a.kick(force, 0.01)
        for a in all_:
            a.drift(0.01)
    return sum(np.sum(p.pos**2) for p in all_)


STARTS = np.sin(np.arange(6.0)).reshape(3, 2)


def test_a_loop_stays_a_loop_where_objects_hold_views_at_first() -> None:
    check(lambda s, k: particles(s, k, 7), (STARTS, 0.3), argnums=(0, 1))
    short, long = (lines(lambda s, k, n=n: particles(s, k, n), STARTS, 0.3) for n in (20, 200))
    assert short == long


def written_through(x: Any, k: float, n: int) -> Any:
    """A variable that is a view of x until it gets an array of its own."""
    row = x[0]
    for _ in range(n):
        row += k * row
        row = row * 0.9
    return np.sum(row**2) + np.sum(x)


def written_below(x: Any, k: float, n: int) -> Any:
    row, total = x[0], 0.0
    for _ in range(n):
        x[0] = x[0] * (1.0 + k)
        total += np.sum(row)
        row = row * 0.9
    return np.sum(row**2) + np.sum(x) + total


def written_below_a_part(x: Any, k: float, n: int) -> Any:
    p, total = Particle(x[0], [x[1]], 1.0), 0.0
    for i in range(n):
        x[i % 2] = x[i % 2] * (1.0 + k)
        total += np.sum(p.pos) + np.sum(p.vel[0])
        p.pos, p.vel[0] = p.pos * 0.9, p.vel[0] * 0.8
    return np.sum(p.pos**2) + np.sum(p.vel[0]) + np.sum(x) + total


def written_after(x: Any, k: float, n: int) -> Any:
    """The last row is a view, through which the write shows."""
    row = x[0]
    for i in range(n):
        row = x[i] if i > 1 else x[i] * k
        x[i] = row * 3.0
    return np.sum(x) + np.sum(row)


@pytest.mark.parametrize("f", [written_through, written_below, written_below_a_part, written_after])
def test_writes_to_what_is_viewed_show_in_the_view(f: Any) -> None:
    x = np.sin(1.0 + np.arange(8.0)).reshape(4, 2)
    for n in (3, 4) if f is written_after else (3, 40):
        run = Runner(lambda x, k, n=n: f(x, k, n))
        for name, found in run(x.copy(), 0.3).items():
            close(found, f(x.copy(), 0.3, n), what=f"{name}, {n} iterations")
        gradient = lj.jit(lj.grad(lambda k, x=x, n=n: f(x + k, k, n)))
        close(gradient(0.3), lj.grad(lambda k, x=x, n=n: f(x + k, k, n))(0.3), 1e-9)
        h = 1e-6
        slope = (f(x + 0.3 + h, 0.3 + h, n) - f(x + 0.3 - h, 0.3 - h, n)) / (2 * h)
        close(gradient(0.3), slope, 1e-5)

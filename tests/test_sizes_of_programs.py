"""How large ordinary programs with objects and lists become: what is long is counted in lines of the graph, never in seconds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.ir.staging.loop import Loop

from .support import Runner, both, check, close, interpret


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


# ---- loops that could be unrolled
@dataclass
class State:
    t: float
    pos: Any
    vel: Any
    energy: float
    hits: int = 0


def after(s: State, k: float, dt: float) -> State:
    vel = s.vel - dt * (k * s.pos + 0.1 * s.pos**3)
    pos = s.pos + dt * vel
    hits = s.hits
    if pos[0] < 0.0:
        hits = hits + 1
    return State(s.t + dt, pos, vel, 0.5 * np.sum(vel * vel) + 0.5 * k * np.sum(pos * pos), hits)


def history(x: Any, k: float, n: int) -> Any:
    """A list of numbers, one of objects and one that has an item after some iterations alone."""
    s, energies, states, early = State(0.0, x, np.zeros_like(x), 0.0), [], [], []
    for _ in range(n):
        s = after(after(s, k, 0.1), k, 0.2)
        energies.append(s.energy)
        states.append(s)
        if s.pos[0] > 0.0:
            early.append(s.t * k)
    return sum(energies) / len(energies) + sum(q.energy * q.t for q in states) + states[-1].hits + sum(early)


def stages(y: Any, w: Any, n: int) -> Any:
    """A loop of few iterations around a large body."""
    for k in range(n):
        a, c = np.zeros(6), np.zeros(6)
        for i in range(6):
            for j in range(6):
                a[i] += w[k, i, j] * y[j]
            a[i] = np.tanh(a[i])
        b = np.cumsum(a) / np.sqrt(1 + a * a) if a[0] > 0 else a[::-1] * 2.0
        for i in range(1, 5):
            c[i] = 0.5 * (b[i - 1] - 2 * b[i] + b[i + 1])
            if c[i] > 0.1:
                c[i] = 0.1 + np.log1p(c[i] - 0.1)
        z = np.outer(c, b) @ a + np.exp(-a) * np.sin(b)
        y = y + 0.1 * np.where(z > 0, z, 0.1 * z) / (1e-3 + np.sqrt(np.sum(z * z))) - np.mean(np.cos(z) * a)
        for i in range(5):
            y[i] = y[i] + math.sqrt(1.0 + a[i] * c[i + 1] ** 2) * math.exp(-z[i]) - math.atan(b[i] * z[i + 1])
            y[i + 1] += math.cos(a[i] * y[i]) - math.tanh(z[i] * c[i]) + math.log1p(b[i] ** 2)
    return np.sum(y**2)


X, W = np.linspace(-1.0, 1.5, 5), np.sin(np.arange(144.0)).reshape(4, 6, 6)


def test_lists_grow_in_a_loop_whose_iterations_would_be_a_large_program() -> None:
    check(lambda x, k: history(x, k, 12), (X, 2.0), argnums=(0, 1), rtol=1e-6)
    few, many = (lines(lambda x, k, n=n: history(x, k, n), X, 2.0) for n in (12, 40))
    assert few == many


def as_unrolled(f: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, *args: Any) -> None:
    """Value and gradient are those of the program without loops, in native code and interpreted."""
    gradient = lj.value_and_grad(f, argnums=tuple(range(len(args))))
    found = both(gradient, *args)
    for limit in ("MOST_LETS", "MOST_LETS_OF_FEW"):
        monkeypatch.setattr(f"lantern_jit.ir.python.for_loops.{limit}", math.inf)
    expected = interpret(gradient, *args)
    monkeypatch.undo()
    for name, (value, slopes) in found.items():
        close(value, f(*args), 1e-9, 1e-9, name)
        close(slopes, expected[1], 1e-8, 1e-8, name)


def test_a_loop_of_few_iterations_around_much_is_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    as_unrolled(lambda y, w: stages(y, w, 4), monkeypatch, np.linspace(-1.0, 1.0, 6), W)
    once, four = (lines(lambda y, w, n=n: stages(y, w, n), np.linspace(-1.0, 1.0, 6), W) for n in (1, 4))
    assert four < 2 * once


def chain(x: float, k: float, n: int) -> Any:
    """Lists of known lengths, whose items are numbers of a short loop's: no memory is needed."""
    places, speeds = [x * (i + 1) for i in range(n)], [0.0] * n
    for _ in range(200):
        forces = [0.0] * n
        for i in range(n):
            if i > 0:
                forces[i] += k * (places[i - 1] - places[i])
            if i < n - 1:
                forces[i] += k * (places[i + 1] - places[i])
        for i in range(n):
            speeds[i] += 0.01 * forces[i]
            places[i] += 0.01 * speeds[i]
    return sum(a * a for a in places)


def test_lists_of_known_lengths_are_numbers() -> None:
    assert "alloc(" not in lj.jit(chain).inspect(0.3, 0.2, 8).graph
    check(lambda x, k: chain(x, k, 8), (0.3, 0.2), argnums=(0, 1), rtol=1e-6)


def written_later(x: Any, k: float, n: int) -> Any:
    """What comes after the loop needs the objects themselves, which Python alone has: one by one."""
    states, s = [], State(0.0, x, np.zeros_like(x), 0.0)
    for _ in range(n):
        s = after(after(s, k, 0.1), k, 0.2)
        states.append(s)
    first, *others = states
    first.energy = 10.0 * first.energy
    others[1].pos[0] = k
    first.vel = others[1].pos
    return sum(q.energy * q.t + np.sum(q.pos * q.vel) for q in states)


def unlike(x: Any, k: float) -> Any:
    """Iterations of which each one gives something of another kind."""
    found: Any = 0
    for i in range(4):
        y = x * (i + k)
        for j in range(40):
            y = 0.9 * y + 0.1 * (np.sin(y) * j if j % 2 else np.cos(y) - x[j % 5] * np.tanh(y + j))
        found = (found, y) if i % 2 else {"y": y, "before": found}
    return np.sum(found[1]) * np.sum(found[0]["y"]) + np.sum(found[0]["before"][1])


def test_where_that_does_not_do_the_loop_is_unrolled(monkeypatch: pytest.MonkeyPatch) -> None:
    as_unrolled(lambda x, k: written_later(x, k, 12), monkeypatch, X, 2.0)
    as_unrolled(unlike, monkeypatch, X, 0.3)


# ---- how often a loop is traced
def rounds(monkeypatch: pytest.MonkeyPatch, f: Callable[..., Any], *args: Any) -> int:
    """How many times loops are traced, until what they carry is of a form that stays."""
    count, enter = 0, Loop.enter

    def counted(self: Loop) -> Any:
        nonlocal count
        count += 1
        return enter(self)

    with monkeypatch.context() as patched:
        patched.setattr(Loop, "enter", counted)
        specialisation, _ = lj.jit(f)._dispatcher.lookup(args, {})
    assert specialisation is not None
    return count


def energies(x: float, n: int) -> Any:
    """Attributes that are Python's numbers at first, a list that grows, and a variable that is read behind the loop."""
    s, found = State(0.0, x, 1.0, 2.0), []
    for _ in range(n):
        s.pos, s.vel, last = s.pos + 0.1 * s.vel, s.vel - 0.1 * s.pos, s.energy
        s.energy = 0.5 * s.vel**2 + last * 0.5
        found.append(s.energy)
    return sum(found) + last


def test_a_round_finds_all_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rounds(monkeypatch, lambda s, k: particles(s, k, 50), STARTS, 0.3) == 2
    assert rounds(monkeypatch, lambda x: energies(x, 100), 0.3) == 4  # with that of the sum
    check(lambda x: energies(x, 70), (0.3,), rtol=1e-6)

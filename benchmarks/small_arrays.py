"""Programs on arrays of a few elements, and the same in floats: `python -m benchmarks.small_arrays` prints how they compare."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import lantern_jit as lj

from .timing import FULL, call_batch, race

Floats = Any


def ball(v: float, h: float) -> Any:
    """A ball with drag, until its time is up."""
    x = np.array([0.0, 8.0])
    u = np.array([v, -0.5 * v])
    t = 0.0 * h
    while t < 100.0:
        a = -0.1 * u - np.array([0.0, 0.2])
        u = u + 0.1 * a
        x = x + 0.1 * u
        t = t + h
    return np.sum(x * x)


def ball_in_floats(v: float, h: float) -> Any:
    x0, x1 = 0.0, 8.0
    v0, v1 = v, -0.5 * v
    t = 0.0 * h
    while t < 100.0:
        a0, a1 = -0.1 * v0, -0.1 * v1 - 0.2
        v0, v1 = v0 + 0.1 * a0, v1 + 0.1 * a1
        x0, x1 = x0 + 0.1 * v0, x1 + 0.1 * v1
        t = t + h
    return x0 * x0 + x1 * x1


def in_place(a: float, n: int) -> Any:
    """The gradient of a saddle, written into one array."""
    x, g = np.array([a, 1.0]), np.zeros(2)
    for _ in range(n):
        g[0] = 2.0 * x[0] + x[1]
        g[1] = x[0] - math.sin(x[1])
        x -= 0.01 * g
    return np.sum(x * x)


def in_place_in_floats(a: float, n: int) -> Any:
    x0, x1 = a, 1.0
    for _ in range(n):
        g0, g1 = 2.0 * x0 + x1, x0 - math.sin(x1)
        x0, x1 = x0 - 0.01 * g0, x1 - 0.01 * g1
    return x0 * x0 + x1 * x1


def force(y: Floats) -> Any:
    return np.array([y[1], -y[0] * y[2], 0.1 * y[0]])


def runge_kutta(y: Floats, n: int) -> Any:
    h = 0.01
    for _ in range(n):
        k1 = force(y)
        k2 = force(y + h / 2 * k1)
        k3 = force(y + h / 2 * k2)
        k4 = force(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return np.sum(y)


def rk4(a: float, n: int) -> Any:
    return runge_kutta(np.array([a, 0.5, 1.0]), n)


def rk4_of_an_argument(y: Floats, n: int) -> Any:
    return runge_kutta(y, n)


def force_in_floats(y0: Any, y1: Any, y2: Any) -> Any:
    return y1, -y0 * y2, 0.1 * y0


def rk4_in_floats(a: float, n: int) -> Any:
    h, y0, y1, y2 = 0.01, a, 0.5, 1.0
    for _ in range(n):
        k10, k11, k12 = force_in_floats(y0, y1, y2)
        k20, k21, k22 = force_in_floats(y0 + h / 2 * k10, y1 + h / 2 * k11, y2 + h / 2 * k12)
        k30, k31, k32 = force_in_floats(y0 + h / 2 * k20, y1 + h / 2 * k21, y2 + h / 2 * k22)
        k40, k41, k42 = force_in_floats(y0 + h * k30, y1 + h * k31, y2 + h * k32)
        y0 = y0 + h / 6 * (k10 + 2 * k20 + 2 * k30 + k40)
        y1 = y1 + h / 6 * (k11 + 2 * k21 + 2 * k31 + k41)
        y2 = y2 + h / 6 * (k12 + 2 * k22 + 2 * k32 + k42)
    return y0 + y1 + y2


def chain(a: float, n: int) -> Any:
    """A product of rotations."""
    m = np.eye(3)
    for i in range(n):
        c, s = math.cos(a + i), math.sin(a + i)
        m = m @ np.array([[c, -s, 0.1], [s, c, a], [0.2, 0.1, 0.5]])
    return m[0, 1] + m[2, 0]


def chain_in_floats(a: float, n: int) -> Any:
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0
    for i in range(n):
        c, s = math.cos(a + i), math.sin(a + i)
        m00, m01, m02 = m00 * c + m01 * s + m02 * 0.2, -m00 * s + m01 * c + m02 * 0.1, m00 * 0.1 + m01 * a + m02 * 0.5
        m10, m11, m12 = m10 * c + m11 * s + m12 * 0.2, -m10 * s + m11 * c + m12 * 0.1, m10 * 0.1 + m11 * a + m12 * 0.5
        m20, m21, m22 = m20 * c + m21 * s + m22 * 0.2, -m20 * s + m21 * c + m22 * 0.1, m20 * 0.1 + m21 * a + m22 * 0.5
    return m01 + m20


class Num:
    """A number, and the cell that its adjoint is added to: reverse mode, written by a user."""

    def __init__(self, x: Any, d: Any) -> None:
        self.x, self.d = x, d

    def __add__(self, that: Num) -> Any:
        def back(k: Any) -> None:
            y = Num(self.x + that.x, np.zeros(1))
            k(y)
            self.d[0] += y.d[0]
            that.d[0] += y.d[0]

        return lj.shift(back)

    def __mul__(self, that: Num) -> Any:
        def back(k: Any) -> None:
            y = Num(self.x * that.x, np.zeros(1))
            k(y)
            self.d[0] += y.d[0] * that.x
            that.d[0] += y.d[0] * self.x

        return lj.shift(back)


def powers(x: Any, y: Any, n: int) -> Any:
    for _ in range(n):
        y = y * x + x
    return y


def own_reverse_mode(x: float, n: int) -> Any:
    z = Num(x, np.zeros(1))

    def forward() -> None:
        powers(z, Num(1.0, np.zeros(1)), n).d[0] = 1.0

    lj.reset(forward)
    return z.d[0]


def of_powers(x: float, n: int) -> Any:
    return powers(x, 1.0, n)


PAIRS: tuple[tuple[str, Callable[..., Any], Callable[..., Any], tuple[Any, ...]], ...] = (
    ("a ball with drag", ball, ball_in_floats, (1.5, 0.1)),
    ("written in place", in_place, in_place_in_floats, (0.7, 500)),
    ("Runge-Kutta, 3 elements", rk4, rk4_in_floats, (0.7, 500)),
    ("the same from an argument", rk4_of_an_argument, rk4_in_floats, (0.7, 500)),
    ("3 x 3 products", chain, chain_in_floats, (0.3, 200)),
)


def compared(one: Any, given: Any, other: Any, args: Any) -> str:
    a, b = race([call_batch(one, given), call_batch(other, args)], FULL)
    return f"{1e6 * a:10.2f}{1e6 * b:11.2f}{a / b:7.2f}"


def main() -> None:
    print(f"{'us':27}{'value':>10}{'in floats':>11}{'ratio':>7}{'gradient':>10}{'in floats':>11}{'ratio':>7}")
    for name, arrays, floats, args in PAIRS:
        given = (np.array([args[0], 0.5, 1.0]), *args[1:]) if arrays is rk4_of_an_argument else args
        sides = [compared(lj.jit(way(arrays)), given, lj.jit(way(floats)), args) for way in (lambda f: f, lj.grad)]
        print(f"{name:27}{''.join(sides)}", flush=True)
    args = (0.5, 500)
    print(f"{'own reverse mode / lj.grad':27}{'':28}{compared(lj.jit(own_reverse_mode), args, lj.jit(lj.grad(of_powers)), args)}")


if __name__ == "__main__":
    main()

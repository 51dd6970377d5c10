"""Functions that become functions of their own in the graph (checkpoints, recursions), and are called again when what they capture has
changed: variables of the program, also in functions that they come by in containers, as arguments, as methods, by partial."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import Function, check, close

again = lj.checkpoint


def a_lambda(a: float, b: float) -> Any:
    h = lambda q: math.sin(a * q) + b  # noqa: E731
    a = math.sin(again(h)(b))
    b = math.cos(again(h)(a))
    return a + b


def in_a_loop(a: float, b: float) -> Any:
    for _ in range(5):
        h = lambda q: math.sin(a * q) + b  # noqa: B023, E731
        a = math.sin(again(h)(b))
        b = math.cos(again(h)(a))
    return a + b


def an_argument(a: float, b: float) -> Any:
    h, twice = (lambda q: math.sin(a * q) + b), (lambda g, x: g(x) * 2.0)
    a = math.sin(again(twice)(h, b))
    b = math.cos(again(twice)(h, a))
    return a + b


def a_partial(a: float, b: float) -> Any:
    g = functools.partial(lambda r, q: math.sin(a * q) + b * r, 2.0)
    a = math.sin(again(g)(b))
    b = math.cos(again(g)(a))
    a = a * 0.3
    return a + again(g)(b)


class Turned:
    def __init__(self, a: float) -> None:
        self.a = a
        self.other = lambda q: self.a * q

    def turn(self, q: float) -> Any:
        return math.sin(self.a * q)


def methods(a: float, b: float) -> Any:
    k = Turned(a)
    turn = k.turn
    x = again(turn)(b)
    k.a = b * 0.5
    y, z = again(turn)(b), again(k.other)(x)
    k.a = x
    return x * y + z + again(k.other)(x)


def in_a_list(a: float, b: float) -> Any:
    parts = [lambda q: math.sin(a * q), lambda q: b * q]

    def h(q: Any) -> Any:
        return parts[0](q) + parts[1](q)

    x = again(h)(b)
    a = a * 2.0
    y = again(h)(b)
    b = x
    return x * y * again(h)(0.3 * b)


def jitted(a: float, b: float) -> Any:
    h = lj.jit(lambda q: math.sin(a * q))
    g = lambda q: h(q) * b  # noqa: E731
    x = again(g)(b)
    a = a * 2.0
    return x * again(g)(b) + again(h)(b)


def recursion(a: float, b: float) -> Any:
    def h(n: Any, g: Any, q: Any) -> Any:
        return g(q) if n <= 0.0 else h(n - 1.0, g, q * 0.9)

    k = lambda q: a * q + b  # noqa: E731
    x = h(b * 3.0, k, a)
    a = a * 2.0
    return x * h(b * 3.0, k, a)


def refers_to_itself(a: float, b: float) -> Any:
    table: list[Any] = []

    def h(n: Any, q: Any) -> Any:
        return a * q if n <= 0.0 else table[0](n - 1.0, q * 0.9) + b

    table.append(h)
    x = h(b * 3.0, a)
    a = a * 2.0
    return x * h(b * 3.0, a)


PROGRAMS = [a_lambda, in_a_loop, an_argument, a_partial, methods, in_a_list, jitted, recursion, refers_to_itself]


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_what_is_captured_is_that_of_the_call(f: Function) -> None:
    x, h = np.array([0.3, 0.7]), 1e-6
    close(lj.jit(f)(*x), f(*x), 1e-12)
    expected = [(f(*(x + e)) - f(*(x - e))) / (2 * h) for e in np.eye(2) * h]
    close(list(lj.jit(lj.grad(f, (0, 1)))(*x)), expected, 1e-6)
    with lj.interpreted():
        close(list(lj.jit(lj.grad(f, (0, 1)))(*x)), expected, 1e-6)
    gradient = lj.jit(lambda a, b: lj.grad(f, (0, 1))(a, b)[0])
    second = [(gradient(*(x + e)) - gradient(*(x - e))) / (2 * h) for e in np.eye(2) * h]
    close(list(lj.jit(lj.grad(gradient, (0, 1)))(*x)), second, 1e-6)


class Layer:
    """Something with a weight."""

    def __init__(self, weight: Any) -> None:
        self.weight = weight

    def step(self, x: Any) -> Any:
        return math.sin(x) * self.weight


def test_a_method_is_traced_once_for_what_its_object_holds() -> None:
    """It was traced again each time: what its object holds was compared with nothing."""

    def f(x: float, change: float) -> float:
        layer, y = Layer(2.0 * x), x
        for i in (1, 2, 3, 4):
            y = lj.checkpoint(layer.step)(y)
            if i == 2:
                layer.weight = layer.weight * change
        return y

    check(f, (0.7, 1.3))
    graph = lj.jit(f).inspect(0.7, 1.3).graph
    assert graph.count("\nfn step") == 2

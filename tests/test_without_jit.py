"""Transforms without jit: interpreted at first, compiled when that has cost as much as compiling; one for all that are the same."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import specialisation
from lantern_jit.backends.python import kernels

from .support import close

SCALE = 2.0


def wave(x: Any, y: Any = 1.0) -> Any:
    return np.sin(x) * y + SCALE * x * x


def squares(x: Any) -> Any:
    return np.sum(np.tanh(x) ** 2)


@pytest.fixture
def allowance(monkeypatch: pytest.MonkeyPatch) -> int:
    """Five short calls."""
    monkeypatch.setattr(specialisation, "ALLOWANCE", 5 * specialisation.OPERATIONS_OF_A_CALL)
    return 5


def the_one(g: Any) -> Any:
    (found,) = g._dispatcher.all()
    return found


def test_is_compiled_after_some_calls(allowance: int) -> None:
    g = lj.grad(lambda x: np.sin(x) * x)
    for i in range(2 * allowance):
        close(g(0.1 * i), np.cos(0.1 * i) * 0.1 * i + np.sin(0.1 * i))
    assert 0 < the_one(g).interpreted < allowance
    assert the_one(g)._executable is not None


def test_a_long_call_is_not_interpreted_to_its_end(allowance: int) -> None:
    x = np.linspace(-1.0, 1.0, 100_000)
    g = lj.grad(squares)
    close(g(x), 2 * np.tanh(x) / np.cosh(x) ** 2)
    assert the_one(g).interpreted == 0


def test_a_long_copy_is_not_interpreted_to_its_end(allowance: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel whose function does nothing costs something for each point."""
    points: list[Any] = []
    inputs = kernels.Run.inputs
    monkeypatch.setattr(kernels.Run, "inputs", lambda run, point: (points.append(point), inputs(run, point))[1])
    x, v = np.random.default_rng(0).normal(size=(200, 300)), np.linspace(0.0, 1.0, 60_000)
    g = lj.grad(lambda x: x.T.copy().ravel() @ v)
    np.testing.assert_array_equal(g(x), v.reshape(300, 200).T)
    assert the_one(g).interpreted == 0
    assert len(points) < x.size


def test_an_effect_happens_once(allowance: int, capsys: pytest.CaptureFixture[str]) -> None:
    def noisy(x: Any) -> Any:
        print("here")
        return np.sum(x * x)

    lj.grad(noisy)(np.ones(2000))
    assert capsys.readouterr().out == "here\n"


def test_an_argument_stays_as_it_is_when_interpreting_stops(allowance: int) -> None:
    def writes(x: Any) -> Any:
        for i in range(len(x)):
            x[i] = x[i] * x[i]
        return np.sum(x)

    x = np.full(500, 3.0)
    close(lj.grad(writes)(x), np.full(500, 6.0))
    assert np.all(x == 3.0)


def test_transforms_of_one_function_are_one() -> None:
    assert lj.grad(wave)._dispatcher is lj.grad(wave)._dispatcher
    assert lj.grad(wave)._dispatcher is not lj.grad(wave, 1)._dispatcher
    assert lj.grad(wave)._dispatcher is not lj.value_and_grad(wave)._dispatcher
    assert lj.grad(lj.grad(wave))._dispatcher is lj.grad(lj.grad(wave))._dispatcher
    assert lj.grad(functools.partial(wave, y=SCALE))._dispatcher is lj.grad(functools.partial(wave, y=SCALE))._dispatcher


def test_a_lambda_that_a_loop_makes_again_is_one() -> None:
    data = np.arange(3.0)
    made = [lj.grad(lambda w: np.sum((w - data) ** 2)) for _ in range(3)]
    assert len({id(g._dispatcher) for g in made}) == 1
    close(made[2](np.ones(3)), 2 * (1 - data))


def test_functions_that_differ_are_not_one() -> None:
    made = [lj.grad(lambda w, k=k: k * w * w) for k in (1.0, 2.0)]
    assert [g(1.0) for g in made] == [2.0, 4.0]

    def maker(k: float) -> Any:
        return lambda w: k * w * w

    assert [lj.grad(maker(k))(1.0) for k in (1.0, 2.0, 1.0)] == [2.0, 4.0, 2.0]


def test_methods_are_one_for_each_object() -> None:
    class Model:
        def __init__(self, k: float) -> None:
            self.k = k

        def loss(self, w: Any) -> Any:
            return self.k * w * w

    a, b = Model(1.0), Model(2.0)
    assert lj.grad(a.loss)._dispatcher is lj.grad(a.loss)._dispatcher
    assert [lj.grad(m.loss)(1.0) for m in (a, b, a)] == [2.0, 4.0, 2.0]


def test_directional_derivatives() -> None:
    for x in (1.0, 2.0, 3.0):
        _, pull = lj.vjp(squares, np.full(2, x))
        close(pull(1.0)[0], 2 * np.tanh(x) / np.cosh(x) ** 2 * np.ones(2))
        close(lj.hvp(lambda v: np.sum(v**3), (np.full(2, x),), (np.ones(2),)), 6 * x * np.ones(2))
        close(lj.jvp(wave, (x,), (1.0,))[1], np.cos(x) + 2 * SCALE * x)

"""What `vjp` and `linearize` give outside of compiled code stays the derivative at the point where they evaluated the function, whatever happens outside."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import specialisation

from .support import close

X = np.random.default_rng(11).standard_normal(20)
ONES = np.ones(20)


@pytest.fixture(autouse=True, params=[0, 10_000], ids=["compiled", "interpreted"])
def compiled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specialisation, "ALLOWANCE", request.param)


def pulled(f: Callable[..., Any]) -> Callable[[Any], Any]:
    pull = lj.vjp(f, X)[1]
    return lambda c: pull(c)[0]


def pushed(f: Callable[..., Any]) -> Callable[[Any], Any]:
    return lj.linearize(f, X)[1]  # type: ignore[no-any-return]


BOTH = pytest.mark.parametrize("derivative", [pulled, pushed])


@BOTH
def test_numbers_outside_may_change(derivative: Any) -> None:
    found = []
    for k in (1.0, 2.0, 3.0):
        found.append(derivative(lambda x: np.sin(np.sin(x) * k)))  # noqa: B023  # the variable goes on
    for _ in range(3):
        for k, d in zip((1.0, 2.0, 3.0), found, strict=True):
            close(d(ONES), np.cos(np.sin(X) * k) * k * np.cos(X), 1e-12, 1e-12)


@BOTH
def test_an_array_may_be_replaced(derivative: Any) -> None:
    weights = np.full(20, 2.0)
    d = derivative(lambda x: np.sin(x) * weights)
    for k in range(4):
        close(d(ONES), 2.0 * np.cos(X), 1e-12, 1e-12)
        weights = np.full(20, float(k))


def test_evaluations_that_are_interpreted_no_more() -> None:
    k = 2.0

    def f(x: Any) -> Any:
        for _ in range(20):
            x = np.sin(x) * k
        return x

    expected = lj.jit(lambda x: lj.vjp(f, x)[1](ONES)[0])(X)
    pull = lj.vjp(f, X)[1]
    k = 3.0
    close([pull(ONES)[0] for _ in range(30)], [expected] * 30, 1e-12, 1e-12)


@BOTH
def test_an_array_that_is_written_into_is_refused(derivative: Any) -> None:
    weights = np.full(20, 2.0)
    d = derivative(lambda x: np.exp(np.sin(x * weights) * weights))
    expected = np.exp(np.sin(X * 2.0) * 2.0) * 4.0 * np.cos(X * 2.0)
    close(d(ONES), expected, 1e-12, 1e-12)
    weights[3] = 3.0
    for _ in range(2):
        with pytest.raises(
            lj.errors.NotDifferentiableError, match=r"an array of shape \(20,\) that `<lambda>` reads from outside .*: pass it"
        ):
            d(ONES)
    weights[3] = 2.0
    close(d(ONES), expected, 1e-12, 1e-12)


def test_what_would_have_to_be_traced_again_is_refused() -> None:
    k = 2.0
    _, pull = lj.vjp(lambda x: (np.sin(x) * k, x[0]), X)
    k = 3.0
    close(pull((ONES, 0.0))[0], 2.0 * np.cos(X), 1e-12, 1e-12)
    with pytest.raises(
        lj.errors.NotDifferentiableError, match=r"what `<lambda>` reads from outside has changed .* a cotangent that is not like"
    ):
        pull((ONES.astype(int), 0.0))
    with pytest.raises(lj.errors.NotDifferentiableError, match=r"has changed since vjp evaluated it, and at .* in <lambda> it would be"):
        lj.jit(lambda c: pull((c, 0.0)))(ONES)


@BOTH
@pytest.mark.parametrize("draw", [lambda: np.random.normal(size=20), lambda: np.random.default_rng().normal(size=20)])
def test_draws_are_those_of_the_value(derivative: Any, draw: Any) -> None:
    drawn = []

    def f(x: Any) -> Any:
        z = draw()
        lj.callback(lambda v: drawn.append(v), None, z)
        return x * x * z

    d = derivative(f)
    for _ in range(3):
        close(d(ONES), 2.0 * X * drawn[0], 1e-12, 1e-12)
    assert len(drawn) == 1


@BOTH
def test_callbacks_are_asked_once(derivative: Any) -> None:
    asked = []

    def number() -> float:
        asked.append(None)
        return float(len(asked))

    def f(x: Any) -> Any:
        total = 0.0 * x
        for _ in range(3):
            total = total + lj.callback(number, float) * np.sin(x)
        return total

    d = derivative(f)
    for _ in range(3):
        close(d(ONES), 6.0 * np.cos(X), 1e-12, 1e-12)
    assert len(asked) == 3
    with pytest.raises(lj.errors.UnsupportedOperationError, match="with random draws or callbacks that its derivative at"):
        lj.jit(lambda c: d(c))(ONES)


@pytest.mark.parametrize(
    "f",
    [lambda x: {"a": np.exp(1j * x)}, lambda x: (np.sin(x), np.exp(2j * x)), lambda x: (1j * x[0], np.sin(x)), lambda x: (1j, np.sin(x))],
)
def test_complex_results_of_real_arguments(f: Any) -> None:
    y, pull = lj.vjp(f, X)
    at_once = lj.jit(lambda x, c: lj.vjp(f, x)[1](c)[0])
    for _ in range(3):
        close(pull(y)[0], at_once(X, y), 1e-12, 1e-12)


def test_in_traced_code() -> None:
    _, pull = lj.vjp(lambda x: np.sin(x) * x[0], X)
    jacobian = np.diag(np.cos(X)) * X[0]
    jacobian[:, 0] += np.sin(X)
    close(pull(ONES)[0], jacobian.sum(axis=0), 1e-12, 1e-12)
    for found in (
        lj.vmap(lambda c: pull(c)[0]),
        lambda c: lj.jacrev(lambda v: pull(v)[0])(ONES).T,
        lj.jit(lambda c: np.stack([pull(v)[0] for v in c])),
    ):
        close(found(np.eye(20)), jacobian, 1e-12, 1e-12)


def test_copies_and_pickles() -> None:
    _, pull = lj.vjp(lambda x: np.sin(x), X)
    with pytest.raises(pickle.PicklingError, match="a pullback of vjp cannot be pickled"):
        pickle.dumps(pull)
    for other in (copy.copy(pull), copy.deepcopy(pull), pull):
        for p in (other, pull):
            close(p(ONES)[0], np.cos(X), 1e-12, 1e-12)


def test_in_a_block_that_is_interpreted() -> None:
    with lj.interpreted():
        _, first = lj.vjp(lambda x: np.sin(x), X)
        close([first(ONES)[0], first(ONES)[0]], [np.cos(X)] * 2, 1e-12, 1e-12)
    _, second = lj.vjp(lambda x: np.sin(x), X)
    for pull in (first, second):
        close(pull(ONES)[0], np.cos(X), 1e-12, 1e-12)
        with lj.interpreted():
            close([pull(ONES)[0], pull(ONES)[0]], [np.cos(X)] * 2, 1e-12, 1e-12)
        close([pull(ONES)[0], pull(ONES)[0]], [np.cos(X)] * 2, 1e-12, 1e-12)

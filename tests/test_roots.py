"""scipy.optimize's solvers of one equation, in compiled code: roots, and their derivatives by what the equation depends on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import bisect, brenth, brentq, newton, ridder

import lantern_jit as lj

from .support import Function, both, close


def by_brent(m: float, e: float) -> Any:
    return brentq(lambda x: x - e * np.sin(x) - m, 0, 2 * np.pi)


def by_halves(m: float, e: float) -> Any:
    return bisect(lambda x, e: x - e * np.sin(x) - m, 7.0, 0.0, args=(e,), xtol=1e-14)


def by_secants(m: float, e: float) -> Any:
    return newton(lambda x: x - e * np.sin(x) - m, m, tol=1e-12)


def by_newton(m: float, e: float) -> Any:
    return newton(lambda x: x - e * np.sin(x) - m, m, fprime=lambda x: 1.0 - e * np.cos(x))


@pytest.mark.parametrize("f", [by_brent, by_halves, by_secants, by_newton])
def test_keplers_equation(f: Function) -> None:
    for m, e in ((0.7, 0.3), (2.5, 0.6)):
        x = by_newton(m, e)
        by_m = 1.0 / (1.0 - e * np.cos(x))
        twice = -e * np.sin(x) * by_m**3
        for value, (dm, de), second in both(
            lambda m, e: (f(m, e), lj.grad(f, argnums=(0, 1))(m, e), lj.grad(lj.grad(f))(m, e)), m, e
        ).values():
            close((value, dm, de, second), (x, by_m, np.sin(x) * by_m, twice), rtol=1e-11)
    lj.check_grads(f, (0.7, 0.3), order=2)


def test_in_a_loop_and_in_lanes() -> None:
    def f(a: Any) -> Any:
        return sum(
            brenth(lambda x, k=k: x**3 + k * x - a[k - 1], 0.0, 3.0) * ridder(lambda x, v=v: x * x - v, 0.0, 5.0)
            for k, v in enumerate(a, 1)
        )

    a = np.array([0.5, 2.0, 3.5])
    close(lj.jit(f)(a), f(a), rtol=1e-10)
    lj.check_grads(f, (a,))
    many = np.array([0.2, 1.0, 4.0])
    close(lj.jit(lj.vmap(lj.grad(lambda v: ridder(lambda x: x * x - v, 0.0, 5.0))))(many), 0.5 / np.sqrt(many), rtol=1e-12)


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda a: brentq(lambda x: x * x + a, 0.0, 1.0), ValueError, "must have different signs"),
        (lambda a: brentq(lambda x: np.sqrt(x - a), 0.0, 5.0), ValueError, "is NaN"),
        (lambda a: newton(lambda x: x * x + a, 1.0), RuntimeError, "failed to converge|level"),
        (lambda a: newton(lambda x: x * x + a, 0.0, fprime=lambda x: 2.0 * x), RuntimeError, "Derivative was zero"),
        (lambda a: newton(lambda x: x - a, np.ones(2))[0], lj.errors.UnsupportedOperationError, "find one root of a number"),
        (lambda a: brentq(lambda x: x - a, 0.0, 5.0, full_output=True)[0], lj.errors.UnsupportedOperationError, "full_output="),
    ],
)
def test_what_has_no_root(f: Function, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message), np.errstate(invalid="ignore"):
        lj.jit(f)(2.0)

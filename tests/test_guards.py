"""What a choice does not take stays out of every derivative, of any order and mode; elsewhere 0 * inf is NaN.

Smooth functions written with ties (abs, max, norms, logaddexp) have their true derivatives at the tie.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special

import lantern_jit as lj

from .support import both, close

NAN = math.nan
Row = tuple[Callable[..., Any], list[tuple[float, float, float]]]  # f, [(x, f'(x), f''(x))]


def condition_by_another_function(x: Any) -> Any:
    ratio = 1 / x
    return np.where(np.log(np.abs(ratio)) < 2.0, np.abs(ratio) * ratio, x)


def cosine_by_helper(x: Any) -> Any:
    inner = np.where(x > 0, np.sqrt(x), 0.0)
    return np.where(x == 0, 1.0 - x / 2, np.cos(inner))


def by_branch(x: Any) -> Any:
    root = np.sqrt(x)
    return root * x if x > 0 else 3.0 * x


def in_loop(x: Any) -> Any:
    total = 0.0
    for i in range(7):
        y = x - i * 0.0
        total += np.where(y != 0.0, np.sin(y) / y, 1.0 - y * y / 6)
    return total


GUARDED: dict[str, Row] = {
    "sinc": (lambda y: np.where(y == 0, 1 - y * y / 6, np.sin(y) / y), [(0.0, 0.0, -1 / 3)]),
    "sinc, condition last": (lambda y: (lambda s: np.where(y == 0, 1 - y * y / 6, s))(np.sin(y) / y), [(0.0, 0.0, -1 / 3)]),
    "entropy": (lambda p: np.where(p > 0, p * np.log(p), 0.0), [(0.0, 0.0, 0.0), (0.5, math.log(0.5) + 1, 2.0), (-1.0, 0.0, 0.0)]),
    "expm1 ratio": (lambda y: np.where(np.abs(y) < 1e-8, 1 + y / 2 + y * y / 6, np.expm1(y) / y), [(0.0, 0.5, 1 / 3)]),
    "1/y": (lambda y: np.where(y != 0, 1 / y, 7.0 * y), [(0.0, 7.0, 0.0), (2.0, -0.25, 0.25)]),
    "condition from the arm": (lambda x: (lambda r: np.where(r > 0, r, 0.0))(np.sqrt(x)), [(0.0, 0.0, 0.0), (4.0, 0.25, -1 / 32)]),
    "condition from the arm by a function": (condition_by_another_function, [(0.0, 1.0, 0.0), (2.0, -0.25, 0.375)]),
    "arm with another use": (lambda x: (lambda r: np.where(x > 0, r, 0.0) + np.where(x > 1, 2 * r, 0.0))(np.sqrt(x)), [
        (0.0, 0.0, 0.0), (4.0, 0.75, -3 / 32)]),
    "nested": (lambda x: np.where(x > 0, np.where(x > 1, np.log(x - 1), np.sqrt(x)), x * x), [
        (0.0, 0.0, 2.0), (1.0, 0.5, -0.25), (3.0, 0.5, -0.25)]),
    "chained": (cosine_by_helper, [(0.0, -0.5, 0.0)]),
    "power": (lambda x: np.where(x > 0, x**0.5, x * x), [(0.0, 0.0, 2.0), (4.0, 0.25, -1 / 32)]),
    "maximum": (lambda x: np.maximum(np.sqrt(x), 1.0), [(0.0, 0.0, 0.0)]),
    "max": (lambda x: max(np.sqrt(x), 1.0), [(0.0, 0.0, 0.0)]),
    "select": (lambda x: np.select([x < 0, x == 0], [x, 5.0 * x], np.log(np.abs(x))), [(0.0, 5.0, 0.0), (-1.0, 1.0, 0.0)]),
    "if": (by_branch, [(0.0, 3.0, 0.0), (4.0, 3.0, 0.375)]),
    "loop": (in_loop, [(0.0, 0.0, -7 / 3)]),
    "clip": (lambda x: np.clip(1 / x, -1.0, 1.0) + x * x, [(0.0, 0.0, 2.0)]),
    "logaddexp": (lambda x: np.logaddexp(0.0, x), [(0.0, 0.5, 0.25), (1.0, 1 / (1 + math.exp(-1)), math.exp(-1) / (1 + math.exp(-1)) ** 2)]),
    "softplus": (lambda x: np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))), [(0.0, 0.5, 0.25)]),
    "abs squared": (lambda x: np.abs(x) ** 2, [(0.0, 0.0, 2.0), (-3.0, -6.0, 2.0)]),
    "abs times itself": (lambda x: abs(x) * abs(x), [(0.0, 0.0, 2.0)]),
    "max of both signs": (lambda x: np.maximum(x, -x) ** 2 + np.minimum(x, -x) ** 2, [(0.0, 0.0, 4.0)]),
    "Python's": (lambda x: max(x, -x) ** 2, [(0.0, 0.0, 2.0)]),
    "root squared": (lambda x: np.sqrt(x) * np.sqrt(x), [(0.0, 1.0, 0.0), (2.0, 1.0, 0.0)]),
    "hypot squared": (lambda x: np.hypot(x, 2 * x) ** 2, [(0.0, 0.0, 10.0)]),
    "square at infinity": (lambda x: x * x, [(math.inf, math.inf, 2.0)]),
}  # fmt: skip

# Derivatives that are not known to exist are NaN, never a plausible number; the second is not stated.
NEVER_A_NUMBER: dict[str, tuple[Callable[..., Any], float]] = {
    "overflow": (lambda x: np.log1p(np.exp(x)), 1000.0),
    "log of zero": (lambda x: np.exp(np.log(x)), 0.0),
    "taken": (lambda x: np.where(x >= 0, np.sqrt(x), 0.0) ** 3, 0.0),
    "root of a square": (lambda x: np.sqrt(x * x), 0.0),
    "hypot": (lambda x: np.hypot(x, 0.0), 0.0),
    "std": (lambda x: np.std(np.array([x, 2.0])), 2.0),
    "norm": (lambda x: np.linalg.norm(np.array([x, 0.0])), 0.0),
}


@pytest.mark.parametrize("name", GUARDED)
def test_derivatives_of_orders_one_and_two(name: str) -> None:
    f, points = GUARDED[name]
    grad = lj.grad(f)

    def every(x: float) -> Any:
        forward = lj.jvp(f, (x,), (1.0,))[1]
        return grad(x), forward, lj.grad(grad)(x), lj.jvp(grad, (x,), (1.0,))[1], lj.grad(lambda x: lj.jvp(f, (x,), (1.0,))[1])(x)

    for x, first, second in points:
        for mode, found in both(every, x).items():
            np.testing.assert_allclose(found, (first, first, second, second, second), 1e-9, 1e-12, err_msg=f"{mode} at {x}")


@pytest.mark.parametrize("name", GUARDED)
def test_derivatives_over_arrays(name: str) -> None:
    f, points = GUARDED[name]
    if name in ("if", "Python's", "max"):
        pytest.skip("a choice between numbers")
    xs, first, second = (np.array(column) for column in zip(*points, strict=True))

    def every(x: Any) -> Any:
        gradient = lj.grad(lambda x: np.sum(f(x)))
        return gradient(x), lj.jvp(f, (x,), (np.ones(len(points)),))[1], lj.jvp(gradient, (x,), (np.ones(len(points)),))[1]

    for mode, found in both(every, xs).items():
        np.testing.assert_allclose(found, (first, first, second), 1e-9, 1e-12, err_msg=mode)


@pytest.mark.parametrize("name", NEVER_A_NUMBER)
def test_what_is_not_known_is_nan(name: str) -> None:
    f, x = NEVER_A_NUMBER[name]
    for mode, found in both(lambda x: (lj.grad(f)(x), lj.jvp(f, (x,), (1.0,))[1]), x).items():
        assert np.isnan(found).all(), f"{mode}: {found}"


def test_squares_of_norms_at_zero() -> None:
    for f in (lambda x: np.linalg.norm(x) ** 2, lambda x: np.sqrt(np.sum(x * x)) ** 2):
        for found in both(lj.hessian(f), np.zeros(3)).values():
            np.testing.assert_allclose(found, 2 * np.eye(3))


def test_hessian_of_a_sum_over_a_choice() -> None:
    def entropy(p: Any) -> Any:
        return np.sum(np.where(p > 0, p * np.log(p), 0.0))

    for found in both(lj.hessian(entropy), np.array([0.0, 0.5])).values():
        np.testing.assert_allclose(found, [[0, 0], [0, 2]])


def test_a_gate_stands_only_where_a_derivative_may_be_infinite() -> None:
    def gates(f: Callable[..., Any]) -> int:
        return str(lj.jit(f).inspect(1.0).graph).count("gate(")

    assert gates(lambda x: np.where(x > 0, 2 + x, -x)) == 0
    assert gates(lambda x: np.where(x > 0, np.sqrt(x), -x)) == 1
    assert gates(lambda x: np.where(x > 0, np.sqrt(x) / x + np.log(x), -x)) == 1


def test_extremes_of_equal_elements_go_to_the_first() -> None:
    x = np.array([1.0, 3.0, 3.0])
    for f in (lambda x: np.max(x), lambda x: np.maximum(np.maximum(x[0], x[1]), x[2]), lambda x: max(x[0], x[1], x[2])):
        for found in both(lj.grad(f), x).values():
            np.testing.assert_array_equal(found, [0.0, 1.0, 0.0])


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("x", [-0.3, -1.7, -5.2, 2.5])
def test_polygamma_at_negative_arguments(n: int, x: float) -> None:
    f: Callable[..., Any] = scipy.special.psi
    for _ in range(n):
        f = lj.grad(f)
    h = 1e-3
    k = {1: (lambda t: scipy.special.psi(t)), 2: (lambda t: lower(t, 1)), 3: (lambda t: lower(t, 2))}[n]

    def lower(t: float, m: int) -> float:
        g: Callable[..., Any] = scipy.special.psi
        for _ in range(m):
            g = lj.grad(g)
        return float(lj.jit(g)(t))

    slope = (8 * (k(x + h) - k(x - h)) - (k(x + 2 * h) - k(x - 2 * h))) / (12 * h)
    for found in both(f, x).values():
        assert found == pytest.approx(slope, rel=1e-6)


def nested_by_one_condition(x: Any) -> Any:
    square = x * x / 2
    low = np.minimum(square, 0.0)
    chosen = x != 0.0
    return np.where(chosen, np.where(chosen, square, low), np.exp(low))


def arms_behind_one_condition(x: Any) -> Any:
    """Regions of several choices that all go behind the condition, which is computed from what they need."""
    inverse, root = 1 / x, np.sqrt(x)
    below = root < 0
    scaled = np.where(below, 0.0, np.cbrt(inverse))
    return np.where(below, root + x + root, np.log(scaled) + root)


def test_choices_by_one_condition() -> None:
    grad = lj.grad(nested_by_one_condition)
    for found in both(lambda x: (grad(x), lj.grad(grad)(x), lj.jvp(grad, (x,), (1.0,))[1]), 0.0).values():
        np.testing.assert_array_equal(found, (0.0, 1.0, 1.0))
    grad = lj.grad(arms_behind_one_condition)
    for found in both(lambda x: (grad(x), lj.grad(grad)(x)), 4.0).values():
        np.testing.assert_allclose(found, (-1 / 12 + 1 / 4, 1 / 48 - 1 / 32), 1e-12)


def test_an_array_that_one_side_uses_is_made_there() -> None:
    def early(x: Any) -> Any:
        root = np.sqrt(x)
        return np.sum(root) if x[0] > 0 else np.sum(x * x)

    for found in both(lambda x: (lj.grad(early)(x), lj.hessian(early)(x)), np.array([0.0, 3.0])).values():
        np.testing.assert_array_equal(found[0], [0.0, 6.0])
        np.testing.assert_array_equal(found[1], 2 * np.eye(2))


def test_an_array_that_is_overwritten_is_made_before() -> None:
    def early(x: Any) -> Any:
        y = x * 1.0
        root = np.sqrt(y)
        y[0] = 7.0
        return np.sum(root) + y[0] if x[0] > 0 else np.sum(y)

    for found in both(lambda x: (early(x), lj.grad(early)(x)), np.array([4.0, 9.0])).values():
        assert found[0] == 12.0
        np.testing.assert_allclose(found[1], [1 / 4, 1 / 6])


# ---- steep functions of what a choice may make a constant
def path_of_a_variance(v: Any) -> Any:
    s = 1.0
    for _ in range(3):
        kept = np.maximum(v, 0.0)
        s = s * np.exp(-0.05 * kept + 0.3 * np.sqrt(kept * 0.1))
        v = v + 0.2 * (0.1 - kept) - 0.3 * np.sqrt(kept)
    return np.sum(s)


BEHIND: dict[str, Any] = {
    "root of a maximum": lambda v: np.sum(np.sqrt(np.maximum(v, 0.0) * 0.5) * np.exp(v)),
    "root of a number's": lambda v: sum(max(a, 0.0) ** 0.5 * a for a in v),
    "power of a where": lambda v: np.sum(np.where(v > 0, v, 0.0) ** 0.3 * v),
    "between two bounds": lambda v: np.sum(np.arcsin(np.clip(v, -1.0, 1.0)) * v),
    "cube root of a minimum": lambda v: np.sum(np.cbrt(np.minimum(v, 0.0)) * v),
    "arccosh": lambda v: np.sum(np.arccosh(np.maximum(v, 1.0)) * v),
    "a reciprocal": lambda v: np.sum(np.exp(-1.0 / np.maximum(v, 0.0)) * v),
    "a path": path_of_a_variance,
}


@pytest.mark.parametrize("name", BEHIND)
def test_what_is_computed_of_a_constant_has_no_tangent(name: str) -> None:
    f, x, h = BEHIND[name], np.array([0.5, -0.3, 2.0, -1.4]), 1e-6
    steps = h * np.eye(4)

    def program(x: Any) -> Any:
        return lj.grad(f)(x), lj.jacfwd(f)(x), lj.hessian(f)(x), lj.jacfwd(lj.jacfwd(f))(x)

    for run in (lj.jit(program), lj.jit(program, backend="python")):
        with np.errstate(all="ignore"):
            backward, forward, mixed, twice = run(x)
            close(backward, np.array([(f(x + e) - f(x - e)) / (2 * h) for e in steps]), 1e-6, 1e-6)
            close(forward, backward, 1e-12, 1e-12)
            slopes = lj.jit(lj.grad(f))
            close(mixed, np.array([(slopes(x + e) - slopes(x - e)) / (2 * h) for e in steps]), 1e-5, 1e-5)
            close(twice, mixed, 1e-9, 1e-9)

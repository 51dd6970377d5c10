"""Derivatives by arrays: dtypes, array results, products with Jacobians, gradients of functions that take gradients."""

from __future__ import annotations

import numpy as np
import pytest

import lantern_jit as lj

from .support import both, close
from .test_array_gradients import Array, by_elements, dot, prefix_products, sample


# ---- single precision, integers, and gradients of what is not touched
def test_float32_arrays_have_float32_gradients() -> None:
    a = sample(5).astype(np.float32)
    for out in both(lj.value_and_grad(prefix_products), a).values():
        assert isinstance(out[0], np.float32)
        assert out[1].dtype == np.float32
        close(out[1], lj.grad(prefix_products)(a.astype(np.float64)).astype(np.float32), 1e-5, 1e-5)


def test_integer_arrays_are_promoted() -> None:
    for out in both(lj.grad(by_elements), np.array([1, 2, 3])).values():
        close(out, lj.grad(by_elements)(np.array([1.0, 2.0, 3.0])))


def test_an_untouched_array_has_a_zero_gradient() -> None:
    for out in both(lj.grad(lambda a, x: x * len(a), (0, 1)), sample(3), 2.0).values():
        close(out, (np.zeros(3), 3.0))


def through_integers(a: Array, x: float) -> float:
    n = np.zeros(3, dtype=np.int64)
    f = np.zeros(2, dtype=np.float32)
    n[0], f[0] = 10 * x, x
    return n[0] * x + f[0] * a[n[0] % 3]


def test_a_store_into_an_integer_array_carries_no_gradient() -> None:
    for out in both(lj.grad(through_integers, 1), sample(3), 0.7).values():
        close(out, 7 + sample(3)[1], 1e-6)


# ---- results that are arrays, and functions of arrays inside
def cumulative(a: Array, x: float) -> Array:
    out = np.zeros(len(a))
    s = 0.0
    for i in range(len(a)):
        s = s * x + a[i]
        out[i] = s * a[i]
    return out


def test_vjp_and_jvp_of_an_array_result() -> None:
    a, x, c = sample(4), 0.6, sample(4) + 1
    jacobian = lj.jacfwd(cumulative)(a, x)
    close(jacobian, lj.jacrev(cumulative)(a, x))
    y, pull = lj.vjp(cumulative, a, x)
    close(y, cumulative(a, x))
    close(pull(c)[0], c @ jacobian)
    close(lj.jvp(cumulative, (a, x), (c, 0.0))[1], jacobian @ c)
    for out in both(lambda a, x, c: (lj.vjp(cumulative, a, x)[1](c), lj.jvp(cumulative, (a, x), (c, 1.0))), a, x, c).values():
        close(out[0], pull(c))
        close(out[1], lj.jvp(cumulative, (a, x), (c, 1.0)))


def inner_gradients(a: Array, n: int) -> float:
    """Gradient descent on a loss with captured arrays; differentiated through."""
    w = np.zeros(len(a))
    for _ in range(n):
        g = lj.grad(lambda v: dot(v, v) * 0.5 - dot(v, a) + v[0] ** 3)(w)
        for i in range(len(w)):
            w[i] -= 0.1 * g[i]
    return dot(w, a)


def test_gradient_of_gradient_descent() -> None:
    a = sample(3)
    run = both(lambda a, n: (inner_gradients(a, n), lj.grad(inner_gradients)(a, n)), a, 5)
    h = 1e-5
    for value, gradient in run.values():
        for i in range(3):
            e = np.eye(3)[i] * h
            numeric = (lj.jit(inner_gradients)(a + e, 5) - lj.jit(inner_gradients)(a - e, 5)) / (2 * h)
            close(gradient[i], numeric, 1e-6, 1e-6)
        close(value, lj.jit(inner_gradients)(a, 5))


def test_a_write_into_a_captured_array_of_the_program_is_refused() -> None:
    def f(a: Array, x: float) -> float:
        def g(y: float) -> float:
            a[0] = y
            return a[0] * y

        return lj.grad(g)(x)

    with pytest.raises(lj.errors.UnsupportedOperationError, match="writes into an array of the function around it"):
        lj.jit(f)(sample(2), 1.0)


def test_covariances_of_arrays_whose_sizes_the_program_decides() -> None:
    def f(a: Array, b: Array) -> float:
        rows = a[a[:, 0] > 0]
        c = np.cov(rows, b)
        return float(c[0, -1] + np.sum(np.corrcoef(rows, b)[0]))

    a, b = np.array([[1.0, 2.0, 4.0], [-1.0, 0.5, 0.2], [2.0, 1.0, 0.0]]), np.array([[0.3, 1.0, 2.0]])
    for found in both(f, a, b).values():
        close(found, f(a, b))
    lj.check_grads(f, (a, b), order=2)


def test_the_gap_to_the_next_number_is_constant_between_powers_of_two() -> None:
    x = np.array([1.5, -3.0, 0.0, 700.0])
    for found in both(lambda x: lj.grad(lambda x: np.sum(np.spacing(x) * x))(x), x).values():
        np.testing.assert_array_equal(found, np.spacing(x))

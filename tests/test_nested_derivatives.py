"""Derivatives of derivatives: to order 4, in every mixture, in loops, branches and recursion; and Jacobians."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import both, close

Scalar = Callable[..., Any]


def agree(f: Callable[..., Any], *args: Any, expected: Any, rtol: float = 1e-9) -> None:
    """f(*args) is `expected` on the interpreter and in native code."""
    for mode, out in both(f, *args).items():
        close(out, expected, rtol, rtol, mode)


def forward(f: Scalar) -> Scalar:
    return lambda x: lj.jvp(f, (x,), (1.0,))[1]


def reverse(f: Scalar) -> Scalar:
    return lambda x: lj.vjp(f, x)[1](1.0)[0]


# ---- nesting to order 4
def wave(x: float) -> float:
    return math.sin(2 * x)


def by_loop(x: float) -> float:  # x ** 7
    y = 1.0
    for _ in range(7):
        y = y * x
    return y


def by_recursion(x: float, n: int = 7) -> float:
    return x if n == 1 else x * by_recursion(x, n - 1)


def by_while(x: float) -> float:
    y, n = 1.0, 0
    while n < 7:
        y, n = y * x, n + 1
    return y


def by_array(x: float) -> float:
    a = np.zeros(8)
    a[0] = 1.0
    for i in range(7):
        a[i + 1] = a[i] * x
    return a[7]


def by_branches(x: float) -> float:
    return x**7 if x > 0 else -(x**7)


SEVENTH = [7 * 0.9**6, 42 * 0.9**5, 210 * 0.9**4, 840 * 0.9**3]
WAVE = [2 * math.cos(1.8), -4 * math.sin(1.8), -8 * math.cos(1.8), 16 * math.sin(1.8)]
POWERS = [by_loop, by_while, by_array, by_branches]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", [lj.grad, forward, reverse], ids=["grad", "jvp", "vjp"])
def test_orders(order: int, kind: Callable[[Scalar], Scalar]) -> None:
    f: Scalar = wave
    for _ in range(order):
        f = kind(f)
    agree(f, 0.9, expected=WAVE[order - 1])


@pytest.mark.parametrize("f", POWERS)
def test_orders_of_control_flow(f: Scalar) -> None:
    grads: list[Scalar] = [f]
    for _ in range(3):
        grads.append(lj.grad(grads[-1]))
    agree(lambda x: tuple([g(x) for g in grads[1:]]), 0.9, expected=tuple(SEVENTH[:3]))


def test_order_four_of_a_loop_and_a_recursion() -> None:
    for f in (by_loop, lambda x: by_recursion(x, 7)):
        agree(lj.grad(lj.grad(lj.grad(lj.grad(f)))), 0.9, expected=SEVENTH[3])


@pytest.mark.parametrize("inner", [lj.grad, forward, reverse], ids=["grad", "jvp", "vjp"])
@pytest.mark.parametrize("outer", [lj.grad, forward, reverse], ids=["of_grad", "of_jvp", "of_vjp"])
def test_mixtures(inner: Callable[[Scalar], Scalar], outer: Callable[[Scalar], Scalar]) -> None:
    agree(lambda x: (outer(inner(wave))(x), outer(inner(by_loop))(x)), 0.9, expected=(WAVE[1], SEVENTH[1]))


def test_order_three_mixtures() -> None:
    kinds = [lj.grad, forward, reverse]
    for rotation in range(3):
        a, b, c = (kinds[(rotation + i) % 3] for i in range(3))
        agree(a(b(c(by_while))), 0.9, expected=SEVENTH[2])


# ---- captured values and perturbation confusion
def test_perturbations_are_not_confused() -> None:
    for outer in (lj.grad, forward, reverse):
        for inner in (lj.grad, forward, reverse):
            agree(outer(lambda x, inner=inner: x * inner(lambda y: x + y)(1.0)), 3.0, expected=1.0)
            agree(outer(lambda x, inner=inner: x * inner(lambda y: x * y)(2.0)), 3.0, expected=6.0)


def test_captured_variables_at_three_depths() -> None:
    def f(x: float) -> float:
        def g(y: float) -> float:
            def h(z: float) -> float:
                return x * y * z * z + z

            return y * y * lj.grad(h)(y)  # y^2 (2 x y^2 + 1)

        return lj.grad(g)(x)  # 8 x y^3 + 2 y at y = x

    agree(f, 1.1, expected=8 * 1.1**4 + 2 * 1.1)
    agree(lj.grad(f), 1.1, expected=32 * 1.1**3 + 2)


def test_captured_arrays_and_loop_variables() -> None:
    def f(a: Any) -> float:
        s = 0.0
        for i in range(len(a)):
            s = s + lj.grad(lambda t, i=i: t * t * a[i])(a[i])  # 2 a[i]^2
        return s

    a = np.array([1.0, 2.0, -3.0])
    agree(lj.value_and_grad(f), a, expected=(28.0, 4 * a))


def test_a_constant_of_the_outer_variable_has_no_gradient() -> None:
    agree(lj.grad(lambda x: lj.grad(lambda y: x)(x)), 2.0, expected=0.0)
    agree(lj.grad(lambda x: lj.jvp(lambda y: x * y, (x,), (x,))[1]), 2.0, expected=4.0)


# ---- derivatives inside control flow
def descend(x: float, n: int) -> float:
    for _ in range(n):
        x = x - 0.1 * lj.grad(lambda v: v**4 / 4)(x)
    return x


def descend_recursively(x: float, n: int) -> float:
    if n == 0:
        return x
    return descend_recursively(x - 0.1 * lj.grad(lambda v: v**4 / 4)(x), n - 1)


def descend_while(x: float, n: int) -> float:
    i = 0
    while True:
        if i >= n:
            return x
        x = x - 0.1 * lj.jvp(lambda v: v**4 / 4, (x,), (1.0,))[1]
        i += 1


@pytest.mark.parametrize("f", [descend, descend_recursively, descend_while])
def test_derivatives_in_loops(f: Scalar) -> None:
    x, dx, ddx = 1.2, 1.0, 0.0
    for _ in range(9):
        x, dx, ddx = x - 0.1 * x**3, dx - 0.3 * x**2 * dx, ddx - 0.3 * x**2 * ddx - 0.6 * x * dx * dx
    run = lambda x, n: (f(x, n), lj.grad(f)(x, n), lj.grad(lj.grad(f))(x, n))  # noqa: E731
    agree(run, 1.2, 9, expected=(x, dx, ddx))


def test_grad_in_a_branch() -> None:
    def f(x: float) -> float:
        if x > 1:
            return lj.grad(wave)(x)
        return forward(by_loop)(x)

    agree(lj.value_and_grad(f), 0.9, expected=(SEVENTH[0], SEVENTH[1]))
    agree(lj.grad(f), 1.5, expected=-4 * math.sin(3.0))


def test_grad_of_a_function_that_calls_jitted_functions() -> None:
    inner = lj.jit(lambda x: x**3)
    agree(lj.grad(lambda x: inner(x) * lj.jit(lj.grad(inner))(x)), 2.0, expected=15 * 16.0)


def test_a_write_inside_is_undone_outside() -> None:
    def f(x: Any) -> float:
        x[0] = x[0] * x[0]
        return x[0] * x[1]

    def g(x: Any) -> Any:
        d = lj.grad(f)(x)
        return d[0], d[1], x[0]

    agree(g, np.array([3.0, 2.0]), expected=(12.0, 9.0, 3.0))


# ---- Jacobians and Hessians
def field(x: Any, c: float = 2.0) -> Any:
    out = np.zeros(2)
    out[0] = c * x[0] * x[1]
    out[1] = x[2] ** 2
    return out


X = np.array([3.0, 5.0, 7.0])
JACOBIAN = np.array([[10.0, 6.0, 0.0], [0.0, 0.0, 14.0]])


@pytest.mark.parametrize("kind", [lj.jacfwd, lj.jacrev])
def test_jacobians(kind: Any) -> None:
    agree(kind(field), X, expected=JACOBIAN)
    agree(lambda x, c: kind(field)(x, c), X, 4.0, expected=JACOBIAN * np.array([[2.0], [1.0]]))
    agree(kind(lambda x: x**3), 2.0, expected=12.0)
    agree(kind(lambda x: x[0] * x[1]), X, expected=np.array([5.0, 3.0, 0.0]))
    agree(kind(lambda x: np.array([x, x * x])), 3.0, expected=np.array([1.0, 6.0]))
    agree(kind(lambda x: x[0] * x[1]), np.array([3, 4]), expected=np.array([4.0, 3.0]))
    agree(kind(field), np.zeros(3), expected=np.zeros((2, 3)))


@pytest.mark.parametrize("kind", [lj.jacfwd, lj.jacrev])
def test_jacobian_of_a_matrix_function(kind: Any) -> None:
    def f(m: Any) -> Any:
        out = np.zeros((2, 3))
        for i in range(2):
            for j in range(3):
                out[i, j] = m[j, i] ** 2
        return out

    m = np.arange(1.0, 7.0).reshape(3, 2)
    expected = np.zeros((2, 3, 3, 2))
    for i in range(2):
        for j in range(3):
            expected[i, j, j, i] = 2 * m[j, i]
    agree(kind(f), m, expected=expected)


def test_hessian() -> None:
    def f(w: Any, c: float) -> float:
        return np.sin(w[0]) * w[1] ** 2 * c

    s, c = math.sin(0.3), math.cos(0.3)
    expected = 2 * np.array([[-s * 4.0, c * 4.0], [c * 4.0, 2 * s]])
    agree(lj.hessian(f), np.array([0.3, 2.0]), 2.0, expected=expected)
    agree(lj.hessian(wave), 0.9, expected=WAVE[1])
    agree(lambda w: lj.jacfwd(lj.jacrev(f))(w, 2.0), np.array([0.3, 2.0]), expected=expected)
    agree(lambda w: lj.jacrev(lj.jacrev(f))(w, 2.0), np.array([0.3, 2.0]), expected=expected)


def test_gradient_through_a_hessian() -> None:
    def trace(w: Any) -> float:
        h = lj.hessian(lambda v: v[0] ** 3 * v[1] ** 2)(w)
        return h[0, 0] + h[1, 1]  # 6 x y^2 + 2 x^3

    agree(lj.grad(trace), np.array([2.0, 3.0]), expected=np.array([6 * 9.0 + 6 * 4.0, 12 * 2.0 * 3]))


def writes(x: Any) -> Any:
    x[0] = x[0] * x[0]
    return x[0] * x[1]


@pytest.mark.parametrize("kind", [lj.jacfwd, lj.jacrev, lambda f: lambda x: lj.vjp(f, x)[1](1.0)[0]], ids=["jacfwd", "jacrev", "vjp"])
def test_functions_that_write_into_their_argument(kind: Any) -> None:
    agree(kind(writes), np.array([3.0, 2.0]), expected=np.array([12.0, 9.0]))


def test_memory_that_is_used_again_is_not_taken_for_another_array() -> None:
    """The arrays of one reverse pass lie where those of the pass before it lay: LLVM may not move a read past the other's write."""

    def g(y: Any, b: Any) -> Any:
        b[1] = y * b[0]
        b[0] = math.sin(b[0] * b[1]) + y
        return b[0]

    def f(x: Any) -> Any:
        b = np.zeros(2)
        b[0] = x
        b[1] = x * x
        return lj.grad(g)(x, lj.grad(g, 1)(x, b))

    found = both(lambda x: lj.grad(lambda x: lj.jvp(f, (x,), (1.0,))[1])(x), 0.7)
    assert found["native"] == pytest.approx(found["interpreter"], rel=1e-12)

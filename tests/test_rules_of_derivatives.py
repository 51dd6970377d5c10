"""custom_vjp, custom_jvp, stop_gradient, clip_gradient, implicit and fixed_point."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .test_user_operations import V, X, agree

rng = np.random.default_rng(2)


def test_custom_vjp() -> None:
    @lj.custom_vjp
    def wave(x: Any, y: Any) -> Any:
        return math.sin(x) * y

    def forward(x: Any, y: Any) -> Any:
        return wave(x, y), (math.cos(x), math.sin(x), y)

    wave.defvjp(forward, lambda r, d: (r[0] * r[2] * d, r[1] * d))
    s, c = math.sin(0.4), math.cos(0.4)
    assert wave(0.4, y=3.0) == 3.0 * s
    agree(wave, 3.0 * s, 0.4, 3.0)
    agree(lj.grad(wave, argnums=(0, 1)), (3.0 * c, s), 0.4, 3.0)
    agree(lj.grad(lj.grad(wave)), -3.0 * s, 0.4, 3.0)
    agree(lambda x, y: lj.hessian(lambda w: wave(w[0], w[1]))(np.array([x, y])), np.array([[-3.0 * s, c], [c, 0.0]]), 0.4, 3.0)
    agree(lambda x, y: lj.jvp(wave, (x, y), (1.0, 2.0))[1], 3.0 * c + 2.0 * s, 0.4, 3.0)
    scaled = lj.custom_vjp(lambda x: x * x, lambda x: (x * x, x), lambda r, d: (20.0 * r * d,))
    agree(lj.grad(scaled), 20.0 * X[:1].item(), X[0].item())
    agree(lj.grad(lambda x: np.sum(scaled(x))), 20.0 * X, X)


def test_custom_vjp_of_arguments_without_derivatives() -> None:
    def power(n: int, x: Any, f: Any) -> Any:
        return f(x) ** n

    made = lj.custom_vjp(power, nondiff_argnums=(0, 2))
    made.defvjp(lambda n, x, f: (f(x) ** n, x), lambda n, f, x, d: (n * f(x) ** (n - 1) * d * 100.0,))
    agree(lj.grad(lambda x: made(3, x, abs)), 100 * 3 * 4.0, 2.0)
    agree(lj.grad(lambda x, n: made(n, x, abs)), 100 * 3 * 4.0, 2.0, 3)
    with pytest.raises(lj.LanternError, match=r"`power` has no rule yet: write f.defvjp\(fwd, bwd\)"):
        lj.jit(lambda x: lj.custom_vjp(power)(2, x, abs))(1.0)


def test_custom_jvp() -> None:
    @lj.custom_jvp
    def grow(x: Any, y: Any) -> Any:
        return np.exp(x) * y

    @grow.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (x, y), (tx, ty) = primals, tangents
        value = grow(x, y)
        return value, value * tx + np.exp(x) * ty

    e = math.exp(0.3)
    assert math.isclose(grow(0.3, 2.0), 2.0 * e)
    agree(lambda x, y: lj.jvp(grow, (x, y), (1.0, 3.0)), (2.0 * e, 5.0 * e), 0.3, 2.0)
    agree(lj.grad(grow, argnums=(0, 1)), (2.0 * e, e), 0.3, 2.0)
    for f in (lj.grad(lj.grad(grow)), lambda x, y: lj.jvp(lj.grad(grow), (x, y), (1.0, 0.0))[1], lj.grad(lj.grad(lj.grad(grow)))):
        agree(f, 2.0 * e, 0.3, 2.0)
    agree(lj.grad(lambda x, y: np.sum(grow(x, y))), np.exp(X) * V, X, V)
    agree(lambda x, y, t: lj.hvp(lambda x: np.sum(grow(x, y)), (x,), (t,)), np.exp(X) * V * V, X, V, V)
    fixed = lj.custom_jvp(lambda n, x: x**n, nondiff_argnums=(0,))
    fixed.defjvp(lambda n, primals, tangents: (primals[0] ** n, 7.0 * tangents[0]))
    agree(lj.grad(lambda x: fixed(2, x)), 7.0, 3.0)


def test_custom_jvp_by_arguments() -> None:
    product = lj.custom_jvp(lambda x, y, n: (np.sum(x * y) * n, x))
    product.defjvps(lambda t, value, x, y, n: (3.0 * np.sum(t * y), t), lambda t, value, x, y, n: (value[0] * np.sum(t), 0.0 * x), None)
    both = lambda x, y, n: product(x, y, n)[0] + np.sum(product(x, y, n)[1])  # noqa: E731
    agree(lj.grad(both, argnums=(0, 1, 2)), (3.0 * V + 1.0, np.full(X.shape, 2.0 * np.sum(X * V)), 0.0), X, V, 2.0)
    agree(lambda x, y: lj.jvp(both, (x, y, 2.0), (y, x, 1.0))[1], 3.0 * np.sum(V * V) + np.sum(V) + 2.0 * np.sum(X * V) * np.sum(X), X, V)
    pair = lj.custom_jvp(lambda x, y: x * y)
    pair.defjvps(None, None, None)
    with pytest.raises(TypeError, match="has 3 rules, which is called with 2 arguments"):
        lj.jit(lj.grad(lambda x: pair(x, x)))(1.0)


def test_stop_gradient() -> None:
    f = lambda x: lj.stop_gradient(x) * x  # noqa: E731
    assert lj.stop_gradient(2.0) == 2.0
    agree(lj.grad(f), 3.0, 3.0)
    agree(lj.grad(lj.grad(f)), 0.0, 3.0)
    agree(lambda x: lj.jvp(f, (x,), (1.0,)), (9.0, 3.0), 3.0)
    agree(lj.grad(lambda x: np.sum(lj.stop_gradient(x) * x * x)), 2 * X * X, X)

    def of_parts(p: Any) -> Any:
        q = lj.stop_gradient(p)
        return np.sum(q["a"] * p["b"]) * q["n"] + np.sum(q["b"] * p["a"])

    agree(lj.grad(lambda a, b: of_parts({"a": a, "b": b, "n": 2}), argnums=(0, 1)), (V, 2 * X), X, V)
    stages = lj.jit(lj.grad(lambda x: np.sum(lj.stop_gradient(np.sin(x)) * x))).inspect(X)
    assert "cos" not in stages.llvm, "nothing of it runs backwards"


def test_clip_gradient() -> None:
    agree(lj.grad(lambda x: lj.clip_gradient(x, -1.0, 1.0) ** 2), 1.0, 3.0)
    agree(lj.grad(lambda x: lj.clip_gradient(x, -1.0, 1.0) ** 2), 0.4, 0.2)
    agree(lj.grad(lambda x, b: np.sum(lj.clip_gradient(x, -b, b) ** 2)), np.clip(2 * X, -0.5, 0.5), X, 0.5)
    agree(
        lambda x, v: lj.hvp(lambda x: np.sum(lj.clip_gradient(x, -0.5, 0.5) ** 2), (x,), (v,)), np.where(abs(2 * X) < 0.5, 2 * V, 0.0), X, V
    )
    f = lambda x, y: (lambda p: p[0] * p[1] ** 2)(lj.clip_gradient((x, y), -1.0, 1.5))  # noqa: E731
    agree(lj.grad(f, argnums=(0, 1)), (0.25, 1.0), 1.0, 0.5)
    agree(lj.grad(f, argnums=(0, 1)), (1.5, 1.5), 1.0, 2.0)


def test_implicit() -> None:
    def newton(a: Any) -> Any:
        y = lj.stop_gradient(a)  # an iteration whose own derivative is another
        while abs(y**3 + y - a) > 1e-13:
            y = y - (y**3 + y - lj.stop_gradient(a)) / (3.0 * y * y + 1.0)
        return y

    root = lj.implicit(newton, lambda y, a: y**3 + y - a)
    y = root(3.0)
    d = 1.0 / (3 * y * y + 1)
    agree(lj.grad(root), d, 3.0)
    agree(lj.grad(lj.grad(root)), -6 * y * d**3, 3.0)
    agree(lambda a: lj.jvp(root, (a,), (1.0,)), (y, d), 3.0)
    agree(lambda a: lj.jvp(lj.grad(root), (a,), (1.0,)), (d, -6 * y * d**3), 3.0)

    def steps(m: Any, b: Any, n: Any) -> Any:  # m y + y**3 = b
        y = np.zeros_like(b)
        for _ in range(n):
            y = y - np.linalg.solve(m + np.diag(3.0 * y * y), m @ y + y**3 - b)
        return y

    curve = lj.implicit(steps, lambda y, m, b, n: m @ y + y**3 - b)
    m, b, t = rng.normal(size=(4, 4)) + 5.0 * np.eye(4), rng.normal(size=4), rng.normal(size=4)
    loss = lambda f: lambda m, b: np.sum(f(m, b, 12) ** 2)  # noqa: E731
    agree(lj.grad(loss(curve), argnums=(0, 1)), lj.grad(loss(steps), argnums=(0, 1))(m, b), m, b, tol=1e-9)
    wanted = lj.jit(lambda m, b, t: lj.hvp(lambda b: loss(steps)(m, b), (b,), (t,)))(m, b, t)
    agree(lambda m, b, t: lj.hvp(lambda b: loss(curve)(m, b), (b,), (t,)), wanted, m, b, t, tol=1e-8)


def test_fixed_point() -> None:
    point = lambda a: lj.fixed_point(lambda x, a: math.cos(a * x), 0.5, a)  # noqa: E731
    x = point(1.0)
    assert abs(x - math.cos(x)) < 1e-11
    d = -x * math.sin(x) / (1 + math.sin(x))
    agree(point, x, 1.0)
    agree(lj.grad(point), d, 1.0, tol=1e-9)
    h = 1e-5
    agree(lj.grad(lj.grad(point)), (lj.grad(point)(1.0 + h) - lj.grad(point)(1.0 - h)) / (2 * h), 1.0, tol=1e-6)
    w, b = 0.3 * rng.normal(size=(3, 3)), rng.normal(size=3)
    layer = lambda w, b: np.sum(lj.fixed_point(lambda x, w, b: np.tanh(w @ x + b), np.zeros(3), w, b) ** 2)  # noqa: E731

    def unrolled(w: Any, b: Any) -> Any:
        x = np.zeros(3)
        for _ in range(200):
            x = np.tanh(w @ x + b)
        return np.sum(x**2)

    agree(lj.grad(layer, argnums=(0, 1)), lj.jit(lj.grad(unrolled, argnums=(0, 1)))(w, b), w, b, tol=1e-9)

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


# ---- rules that are the gradient of nothing
def shear(x: Any, y: Any) -> Any:
    return 2.0 * np.sin(x)


by_argument = lj.custom_vjp(shear, lambda x, y: (shear(x, y), y), lambda y, d: (2.0 * np.cos(y) * d, None))
by_arrays = lj.custom_vjp(
    lambda x, y: np.sin(x) * x, lambda x, y: (np.sin(x) * x, (x, y)), lambda r, d: (r[1] * r[1] * r[0] * d, np.exp(r[0]) * d)
)


def by_capture(x: Any, y: Any) -> Any:
    f = lj.custom_vjp(lambda x: shear(x, y), lambda x: (shear(x, y), None), lambda _, d: (2.0 * np.cos(y) * d,))
    return f(x)


@lj.custom_jvp
def by_tangents(x: Any, y: Any) -> Any:
    return shear(x, y)


by_tangents.defjvp(lambda p, t: (by_tangents(*p), 2.0 * np.cos(p[1]) * t[0]))


@pytest.mark.parametrize("f", [by_argument, by_capture, by_tangents], ids=lambda f: getattr(f, "__name__", ""))
def test_grad_of_grad_transposes_what_the_rule_says(f: Any) -> None:
    """The rule says (2 cos y, 0): its Jacobian has -2 sin y in one corner alone."""
    c, s = 2.0 * math.cos(0.4), 2.0 * math.sin(0.4)
    agree(lambda y: lj.grad(f)(1.0, y), c, 0.4)
    agree(lj.grad(lambda y: lj.grad(f)(1.0, y)), -s, 0.4)
    agree(lambda x, y: lj.grad(lambda x, y: lj.grad(f)(x, y) ** 2, argnums=(0, 1))(x, y), (0.0, -2.0 * c * s), 0.3, 0.4)
    agree(lambda y: lj.jvp(lambda y: lj.grad(f)(1.0, y), (y,), (3.0,))[1], -3.0 * s, 0.4)
    agree(lambda y: lj.hessian(lambda v: f(v[0], v[1]))(np.array([1.0, y])), np.array([[0.0, -s], [0.0, 0.0]]), 0.4)
    agree(lambda y: lj.jacrev(lj.grad(lambda v: f(v[0], v[1])))(np.array([1.0, y])), np.array([[0.0, -s], [0.0, 0.0]]), 0.4)
    agree(lj.grad(lj.grad(lambda y: lj.grad(f)(1.0, y))), -c, 0.4)


def test_the_same_of_arrays_and_in_loops() -> None:
    y, u = rng.normal(size=3), rng.normal(size=3)
    rows = lambda x, y: lj.grad(lambda x, y: np.sum(by_arrays(x, y)), argnums=(0, 1))(x, y)  # noqa: E731
    agree(rows, (y * y * X[:3], np.exp(X[:3])), X[:3], y)
    transposed = (y * y * u + np.exp(X[:3]) * u, 2.0 * y * X[:3] * u)
    agree(lj.grad(lambda x, y, u: np.sum((rows(x, y)[0] + rows(x, y)[1]) * u), argnums=(0, 1)), transposed, X[:3], y, u)
    agree(lambda x, y, u: lj.vjp(rows, x, y)[1]((u, u)), transposed, X[:3], y, u)
    agree(lambda x, y, u: lj.jvp(rows, (x, y), (u, u))[1], (y * y * u + 2.0 * y * X[:3] * u, np.exp(X[:3]) * u), X[:3], y, u)

    def looped(y: Any) -> Any:
        total = 0.0
        for i in range(4):
            total = total + lj.grad(by_argument)(1.0, i * y)
        return total

    agree(looped, 2.0 * sum(math.cos(i * 0.4) for i in range(4)), 0.4)
    agree(lj.grad(looped), -2.0 * sum(i * math.sin(i * 0.4) for i in range(4)), 0.4)


def test_what_only_the_way_back_uses_may_be_captured() -> None:
    @lj.op
    def clipped(x: Any, k: Any, *, most: Any) -> Any:
        return np.clip(k(x), -most, most)

    agree(lj.grad(lambda x: 5.0 * clipped(x, most=x + 1.0)), 3.0, 2.0)

    def kept(x: Any, y: Any) -> Any:  # the value is made of y
        return lj.custom_vjp(lambda x: x * y, lambda x: (x * y, None), lambda _, d: (d,))(x)

    agree(lj.grad(kept), 1.0, 2.0, 3.0)
    with pytest.raises(lj.errors.NotDifferentiableError, match="would get no adjoint: make it an argument of the operation"):
        lj.jit(lj.grad(kept, 1))(2.0, 3.0)


def test_a_rule_may_call_python() -> None:
    sine, slope = (lambda v: float(np.sin(v))), (lambda v: float(np.cos(v)))
    by_jvp = lj.custom_jvp(lambda x: lj.callback(sine, float, x))
    by_jvp.defjvp(lambda p, t: (by_jvp(*p), lj.callback(slope, float, p[0]) * t[0]))
    by_vjp = lj.custom_vjp(lambda x: lj.callback(sine, float, x))
    by_vjp.defvjp(lambda x: (by_vjp(x), lj.callback(slope, float, x)), lambda r, d: (r * d,))
    for f in (by_jvp, by_vjp):
        agree(f, math.sin(0.5), 0.5)
        agree(lj.grad(f), math.cos(0.5), 0.5)
        agree(lambda x, f=f: lj.jvp(f, (x,), (2.0,)), (math.sin(0.5), 2.0 * math.cos(0.5)), 0.5)
        with pytest.raises(lj.errors.NotDifferentiableError, match=r"callback\(\) of `.*` at .* has no derivative"):
            lj.jit(lj.grad(lj.grad(f)))(0.5)


def test_names_of_arguments_without_derivatives() -> None:
    app = lj.custom_vjp(lambda f, g, x: f(x) + g(x), nondiff_argnums=0, nondiff_argnames="g")
    app.defvjp(lambda f, g, x: (f(x) + g(x), x), lambda f, g, x, d: (10.0 * x * d,))
    agree(lj.grad(lambda x: app(abs, g=math.exp, x=x)), 20.0, 2.0)
    scaled = lj.custom_jvp(lambda k, x: k * x, nondiff_argnames=("k",))
    scaled.defjvp(lambda k, p, t: (scaled(k, *p), 7.0 * k * t[0]))
    agree(lj.grad(lambda x: scaled(3, x)), 21.0, 2.0)
    with pytest.raises(TypeError, match="nondiff_argnames='z' names no parameter of `<lambda>`, which has k, x"):
        lj.custom_jvp(lambda k, x: k * x, nondiff_argnames="z")


def test_rules_that_do_not_return_what_they_should() -> None:
    def jvp_of(rule: Any) -> Any:
        f = lj.custom_jvp(lambda x: x * x)
        f.defjvp(rule)
        return lj.jit(lambda x: lj.jvp(f, (x,), (1.0,)))

    error = lj.errors.TypeMismatchError
    with pytest.raises(error, match=r"the rule of `<lambda>` gives a float: it returns a pair, \(value, tangent\)"):
        jvp_of(lambda p, t: t[0])(1.0)
    with pytest.raises(error, match=r"gives a tangent that is list \[a float, a float\], for a value that is a float: return one like"):
        jvp_of(lambda p, t: (p[0] ** 2, [t[0], t[0]]))(1.0)
    with pytest.raises(error, match="gives a tangent that is a 1-d array of float64, for a value that is a float"):
        jvp_of(lambda p, t: (p[0] ** 2, t[0] * np.ones(1)))(1.0)
    with pytest.raises(error, match=r"the fwd of `<lambda>` gives a float: it returns a pair, \(value, residuals\)"):
        lj.jit(lj.grad(lj.custom_vjp(lambda x: x, lambda x: x, lambda r, d: (d,))))(1.0)

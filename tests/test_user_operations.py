"""Operations in callback form: a value, the rest of the program as k, and what the adjoint of the value becomes."""

from __future__ import annotations

import ctypes
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import both, close

RNG = np.random.default_rng(5)
X, V = RNG.normal(size=6), RNG.normal(size=6)


def agree(f: Callable[..., Any], wanted: Any, *args: Any, tol: float = 1e-10) -> None:
    """f(*args) is that on the interpreter, lowered, and native."""
    for name, found in both(f, *args).items():
        close(found, wanted, tol, tol, name)


def sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


# ---- operations
@lj.op
def softplus(x: Any, k: Any) -> Any:
    dy = k(math.log1p(math.exp(-abs(x))) + max(x, 0.0))
    return dy / (1.0 + math.exp(-x))


@lj.op
def logistic(x: Any, k: Any) -> Any:  # its way back reads its value
    y = 1.0 / (1.0 + math.exp(-x))
    dy = k(y)
    return dy * y * (1.0 - y)


@lj.op
def forked(x: Any, k: Any) -> Any:  # k on two paths, with something kept on each
    if x > 0.0:
        e = math.exp(-x)
        dy = k(x + math.log1p(e))
        return dy / (1.0 + e)
    e = math.exp(x)
    dy = k(math.log1p(e))
    return dy * e / (1.0 + e)


@lj.op
def behind(x: Any, k: Any) -> Any:  # control flow behind k alone
    dy = k(abs(x) * x)
    return 2.0 * x * dy if x > 0.0 else -2.0 * x * dy


@lj.op
def clipped(x: Any, k: Any) -> Any:  # not linear
    return min(max(k(x), -1.0), 1.0)


@lj.op
def straight_through(x: Any, k: Any) -> Any:
    return k(float(round(x)))


@lj.op
def root(a: Any, k: Any) -> Any:  # y**3 + y = a; the implicit function theorem
    y = a
    while abs(y**3 + y - a) > 1e-13:
        y = y - (y**3 + y - a) / (3.0 * y * y + 1.0)
    dy = k(y)
    return dy / (3.0 * y * y + 1.0)


@lj.op
def product(x: Any, y: Any, k: Any) -> Any:
    dz = k(x * y)
    return dz * y, dz * x


@lj.op
def waves(x: Any, k: Any) -> Any:
    s, c = math.sin(x), math.cos(x)
    ds, dc = k(s, c)
    return ds * c - dc * s


@lj.op
def tilted(x: Any, y: Any, k: Any) -> Any:  # a rule that is no gradient
    dz = k(x * y)
    return y * dz, 3.0 * x * dz


ORDERS = {
    softplus: lambda x: (math.log1p(math.exp(x)), sigmoid(x), sigmoid(x) * (1 - sigmoid(x)), sigmoid(x) * (1 - sigmoid(x)) * (1 - 2 * sigmoid(x))),
    forked: lambda x: (math.log1p(math.exp(x)), sigmoid(x), sigmoid(x) * (1 - sigmoid(x)), sigmoid(x) * (1 - sigmoid(x)) * (1 - 2 * sigmoid(x))),
    logistic: lambda x: (
        sigmoid(x),
        sigmoid(x) * (1 - sigmoid(x)),
        sigmoid(x) * (1 - sigmoid(x)) * (1 - 2 * sigmoid(x)),
        sigmoid(x) * (1 - sigmoid(x)) * (1 - 6 * sigmoid(x) + 6 * sigmoid(x) ** 2),
    ),
    behind: lambda x: (abs(x) * x, 2 * abs(x), math.copysign(2.0, x), 0.0),
}  # fmt: skip


@pytest.mark.parametrize("f", ORDERS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("x", [0.7, -1.3])
def test_orders_of_scalars(f: Any, x: float) -> None:
    """Three orders, in reverse and forward mode and mixed; float32, too."""
    y, d1, d2, d3 = ORDERS[f](x)
    g = lj.grad(f)
    assert math.isclose(f(x), y, rel_tol=1e-14), "plain Python"
    agree(f, y, x)
    agree(g, d1, x)
    agree(lj.grad(g), d2, x)
    agree(lj.grad(lj.grad(g)), d3, x)
    agree(lambda x: lj.jvp(f, (x,), (2.0,)), (y, 2 * d1), x)
    agree(lambda x: lj.jvp(g, (x,), (1.0,)), (d1, d2), x)
    agree(lambda x: lj.grad(lambda x: lj.jvp(f, (x,), (1.0,))[1])(x), d2, x)
    agree(lambda x: lj.jvp(lambda x: lj.jvp(g, (x,), (1.0,))[1], (x,), (1.0,)), (d2, d3), x)
    agree(g, np.float32(d1), np.float32(x), tol=1e-5)
    agree(lj.grad(g), np.float32(d2), np.float32(x), tol=1e-5)
    assert type(lj.jit(g)(np.float32(x))) is np.float32


def test_what_is_not_linear_has_the_tangent_of_the_first_half() -> None:
    """The gradient of 0.2 clipped(x)**3 is that of 0.6 x * x, clipped."""
    f = lambda x: 0.2 * clipped(x) ** 3  # noqa: E731
    for x, d1, d2 in ((1.0, 0.6, 1.2), (2.0, 1.0, 0.0)):
        agree(lj.grad(f), d1, x)
        agree(lj.grad(lj.grad(f)), d2, x)
        agree(lambda x: lj.jvp(lj.grad(f), (x,), (1.0,))[1], d2, x)
        agree(lambda x: lj.jvp(f, (x,), (1.0,))[1], 0.6 * x * x, x)


def test_what_is_linear_has_the_transpose_as_its_tangent() -> None:
    """The first half is not differentiated: round() has no derivative, and Newton's iteration has another."""
    agree(lambda x: lj.jvp(lambda x: straight_through(x) ** 3, (x,), (1.0,)), (8.0, 12.0), 2.3)
    agree(lj.grad(lj.grad(lambda x: straight_through(x) ** 3)), 12.0, 2.3)
    agree(lj.grad(lj.grad(lj.grad(lambda x: straight_through(x) ** 4))), 48.0, 2.3)
    y = lj.jit(root)(3.0)
    d = 1.0 / (3 * y * y + 1)
    agree(lj.grad(root), d, 3.0)
    agree(lambda a: lj.jvp(root, (a,), (1.0,)), (y, d), 3.0)
    agree(lj.grad(lj.grad(root)), -6 * y * d**3, 3.0)
    agree(lj.grad(lj.grad(lj.grad(root))), (-6 * d**3 + 108 * y * y * d**4) * d, 3.0)


def test_arguments_and_results() -> None:
    agree(lj.grad(lambda x, y: product(x, y) * x, argnums=(0, 1)), (12.0, 4.0), 2.0, 3.0)
    agree(lj.hessian(lambda w: product(w[0], w[1]) * w[0]), [[6.0, 4.0], [4.0, 0.0]] @ np.eye(2), np.array([2.0, 3.0]))
    agree(lj.grad(lambda x: product(x, 5.0)), 5.0, 2.0)
    agree(lj.grad(lambda x: product(x, x)), 4.0, 2.0)
    f = lambda x: 3.0 * waves(x)[0] + waves(x)[1] ** 2  # noqa: E731
    agree(lj.grad(f), 3 * math.cos(0.4) - math.sin(0.8), 0.4)
    agree(lj.grad(lj.grad(f)), -3 * math.sin(0.4) - 2 * math.cos(0.8), 0.4)
    agree(lj.jacfwd(lambda x: np.array([waves(x)[0], waves(x)[1]])), np.array([math.cos(0.4), -math.sin(0.4)]), 0.4)


def test_a_rule_that_is_no_gradient_is_followed() -> None:
    """The derivative of the user's field (y, 3 x)."""
    field = lj.grad(lambda x, y: tilted(x, y), argnums=(0, 1))
    agree(field, (5.0, 6.0), 2.0, 5.0)
    agree(lambda x, y: lj.jvp(field, (x, y), (1.0, 0.0))[1], (0.0, 3.0), 2.0, 5.0)
    agree(lambda x, y: lj.jvp(field, (x, y), (0.0, 1.0))[1], (1.0, 0.0), 2.0, 5.0)


# ---- arrays and containers
@lj.op
def soft(x: Any, k: Any) -> Any:
    dy = k(np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0.0))
    return dy / (1.0 + np.exp(-x))


@lj.op
def log_sum_exp(x: Any, k: Any) -> Any:
    m = np.max(x)
    e = np.exp(x - m)
    s = np.sum(e)
    return k(m + np.log(s)) * e / s


@lj.op
def unit_gradient(x: Any, k: Any) -> Any:
    d = k(x)
    return d / np.sqrt(np.sum(d * d))


@lj.op
def solved(a: Any, b: Any, k: Any) -> Any:
    x = np.linalg.solve(a, b)
    db = np.linalg.solve(a.T, k(x))
    return -np.outer(db, x), db


@lj.op
def affine(p: Any, x: Any, k: Any) -> Any:
    dy = k({"y": p["w"] * x + p["b"], "n": len(x)})["y"]
    return {"w": np.sum(dy * x), "b": np.sum(dy)}, dy * p["w"]


def test_arrays() -> None:
    s, y = sigmoid(X), np.log1p(np.exp(X))
    agree(soft, y, X)
    close(soft(X), y)
    loss = lambda x: np.sum(soft(x) ** 2)  # noqa: E731
    agree(lj.grad(loss), 2 * y * s, X)
    agree(lambda x, v: lj.hvp(loss, (x,), (v,)), (2 * s * s + 2 * y * s * (1 - s)) * V, X, V)
    agree(lambda x, v: lj.jvp(soft, (x,), (v,))[1], s * V, X, V)
    agree(lj.grad(loss), np.float32(2 * y * s), X.astype(np.float32), tol=1e-5)
    p = np.exp(X) / np.sum(np.exp(X))
    agree(lj.grad(log_sum_exp), p, X)
    agree(lj.hessian(log_sum_exp), np.diag(p) - np.outer(p, p), X)
    agree(lambda x, v: lj.jvp(log_sum_exp, (x,), (v,))[1], p @ V, X, V)
    u = X / np.linalg.norm(X)
    agree(lj.grad(lambda x: np.sum(unit_gradient(x) ** 2)), u, X)
    agree(lambda x, v: lj.hvp(lambda x: np.sum(unit_gradient(x) ** 2), (x,), (v,)), (V - u * (u @ V)) / np.linalg.norm(X), X, V)


def test_arrays_straight_through() -> None:
    """Nothing but the rule says that there is a derivative, in kernels and out of them."""
    rounded = lj.op(lambda x, k: k(np.round(x)))
    halved = lj.op(lambda x, k: k(lj.stop_gradient(np.sum(x * x))) * x)
    r = np.round(3.0 * X)
    f = lambda x: np.sum(rounded(3.0 * x) ** 3)  # noqa: E731
    agree(lj.grad(f), 9.0 * r * r, X)
    agree(lambda x, v: lj.jvp(f, (x,), (v,)), (np.sum(r**3), np.sum(9.0 * r * r * V)), X, V)
    agree(lambda x, v: lj.hvp(f, (x,), (v,)), 54.0 * r * V, X, V)
    agree(lj.hessian(f), np.diag(54.0 * r), X)
    s = X @ X
    agree(lambda x, v: lj.hvp(lambda x: halved(x) ** 2, (x,), (v,)), 2.0 * s * V + 2.0 * X * (X @ V), X, V)
    agree(
        lambda x, v: lj.jvp(lambda x: lj.jvp(lambda x: halved(x) ** 2, (x,), (v,))[1], (x,), (v,))[1],
        2.0 * s * (V @ V) + 2.0 * (X @ V) ** 2,
        X,
        V,
    )


def test_beside_operations_with_several_arrays() -> None:
    """Of which only some are read."""
    a = RNG.normal(size=(6, 4))
    f = lambda a, f: np.sum(f(np.linalg.qr(a)[1][0])) + np.sum(np.linalg.svd(a, full_matrices=False)[1] * f(a[0]))  # noqa: E731
    agree(lj.grad(lambda a: f(a, soft)), lj.grad(lambda a: f(a, soft_plain))(a), a)

    two = lj.op(lambda x, k: (lambda d: d[0] * 2.0 * x + d[1])(k(x * x, x * 1.0)))
    agree(lj.grad(lambda x: np.sum(two(x)[0])), 2.0 * X, X)
    agree(lj.grad(lambda x: np.sum(two(x)[1] * x)), 2.0 * X, X)


def test_an_array_and_a_number() -> None:
    @lj.op
    def both_of(x: Any, a: Any, k: Any) -> Any:
        d, e = k(lj.stop_gradient(np.sin(x) * a), lj.stop_gradient(a * 2.0))
        return d * np.cos(x) * a, np.sum(d * np.sin(x)) + 2.0 * e

    f = lambda x, a, op: np.sum(op(x, a)[0] ** 2) * op(x, a)[1]  # noqa: E731
    plain = lambda x, a: (np.sin(x) * a, a * 2.0)  # noqa: E731
    wanted = lj.grad(lambda x, a: f(x, a, plain), argnums=(0, 1))(X, 0.7)
    agree(lj.grad(lambda x, a: f(x, a, both_of), argnums=(0, 1)), wanted, X, 0.7)
    second = lambda op: lambda x, a, v: lj.hvp(lambda x, a: f(x, a, op), (x, a), (v, 0.3))  # noqa: E731
    agree(second(both_of), lj.jit(second(plain))(X, 0.7, V), X, 0.7, V)


def test_a_solver_of_ones_own() -> None:
    a, b = RNG.normal(size=(4, 4)) + 4.0 * np.eye(4), RNG.normal(size=4)
    va, vb = RNG.normal(size=(4, 4)), RNG.normal(size=4)
    mine, other = (lambda a, b, f=f: np.sum(f(a, b) ** 2) for f in (solved, np.linalg.solve))
    agree(lj.grad(mine, argnums=(0, 1)), lj.grad(other, argnums=(0, 1))(a, b), a, b)
    wanted = lj.hvp(other, (a, b), (va, vb))
    agree(lambda a, b, va, vb: lj.hvp(mine, (a, b), (va, vb)), wanted, a, b, va, vb)
    agree(lambda a, b, va, vb: lj.jvp(mine, (a, b), (va, vb)), lj.jvp(other, (a, b), (va, vb)), a, b, va, vb)


def test_containers() -> None:
    loss = lambda p, x: np.sum(affine(p, x)["y"] ** 2) + affine(p, x)["n"]  # noqa: E731
    plain = lambda p, x: np.sum((p["w"] * x + p["b"]) ** 2) + len(x)  # noqa: E731
    p = {"w": 0.7, "b": -0.2}
    agree(loss, plain(p, X), p, X)
    agree(lj.grad(loss, argnums=(0, 1)), lj.grad(plain, argnums=(0, 1))(p, X), p, X)
    agree(lambda p, x, v: lj.hvp(lambda x: loss(p, x), (x,), (v,)), 2 * 0.49 * V, p, X, V)


def test_none_is_no_adjoint() -> None:
    @lj.op
    def power(x: Any, n: Any, scale: Any, k: Any) -> Any:
        dy = k(scale * x**n)
        return scale * n * x ** (n - 1) * dy, None, None

    agree(lj.grad(lambda x, s: power(x, 3, s) * s, argnums=(0, 1)), (3 * 2 * 4.0 * 2, 2 * 8.0), 2.0, 2.0)


# ---- where operations stand
def repeated(x: Any, n: Any) -> Any:
    for i in range(n):
        x = softplus(x) * 0.5 + logistic(x) if i % 2 == 0 else product(x, 0.9)
    return x


def repeated_plain(x: Any, n: Any) -> Any:
    for i in range(n):
        x = math.log1p(math.exp(x)) * 0.5 + 1.0 / (1.0 + math.exp(-x)) if i % 2 == 0 else x * 0.9
    return x


def written(x: Any, n: Any) -> Any:
    y = np.zeros(4)
    for i in range(n):
        y[i % 4] = softplus(x[i % 6]) + forked(y[i % 4])
    return np.sum(y * y)


def written_plain(x: Any, n: Any) -> Any:
    y = np.zeros(4)
    for i in range(n):
        y[i % 4] = math.log1p(math.exp(x[i % 6])) + math.log1p(math.exp(y[i % 4]))
    return np.sum(y * y)


def descended(x: Any, n: Any) -> Any:
    if n == 0:
        return root(x)
    return descended(softplus(x), n - 1) + logistic(x) * descended(x * 0.5, n - 1)


def descended_plain(x: Any, n: Any) -> Any:
    if n == 0:
        y = x
        for _ in range(30):
            y = y - (y**3 + y - x) / (3.0 * y * y + 1.0)
        return y
    return descended_plain(math.log1p(math.exp(x)), n - 1) + 1.0 / (1.0 + math.exp(-x)) * descended_plain(x * 0.5, n - 1)


def test_loops_writes_and_recursions() -> None:
    for mine, plain, x, n in ((repeated, repeated_plain, 0.3, 9), (written, written_plain, X, 11), (descended, descended_plain, 0.8, 3)):
        agree(mine, plain(x, n), x, n)
        agree(lj.grad(mine), lj.jit(lj.grad(plain))(x, n), x, n)
        v = V if isinstance(x, np.ndarray) else 1.5
        wanted = lj.jit(lambda x, v, n, f=plain: lj.jvp(lj.grad(lambda x: f(x, n)), (x,), (v,)))(x, v, n)
        agree(lambda x, v, n, f=mine: lj.jvp(lj.grad(lambda x: f(x, n)), (x,), (v,)), wanted, x, v, n, tol=1e-8)
    agree(lj.grad(lj.checkpoint(lambda x: repeated(x, 5))), lj.grad(lambda x: repeated_plain(x, 5))(0.3), 0.3)
    for how in (3, "sqrt", "log", "recursion", "replay"):
        found = lj.jit(lj.grad(repeated), checkpoint=how)(0.3, 40)
        close(found, lj.grad(repeated_plain)(0.3, 40), 1e-11, 1e-11, str(how))


def test_captured_values() -> None:
    def scaled(a: Any, x: Any, n: Any) -> Any:
        @lj.op
        def scale(x: Any, k: Any) -> Any:
            dy = k(a * x + n)
            return a * dy

        return scale(x) * a

    agree(lj.grad(scaled, argnums=1), 4.0, 2.0, 3.0, 1)
    with pytest.raises(
        lj.errors.NotDifferentiableError, match=r"uses a number or an array of the function around it .*: make it an argument"
    ):
        lj.jit(lj.grad(scaled))(2.0, 3.0, 1)
    with pytest.raises(lj.errors.NotDifferentiableError, match="make it an argument"):
        lj.jit(lambda a: lj.jvp(lambda a: scaled(a, 3.0, 1), (a,), (1.0,)))(2.0)


def test_methods_and_keywords() -> None:
    class Spring:
        def __init__(self, stiff: float) -> None:
            self.stiff = stiff

        @lj.op
        def force(self, x: Any, k: Any, sign: float = -1.0) -> Any:
            dy = k(sign * self.stiff * x)
            return None, 10.0 * dy

    spring = Spring(2.0)
    assert spring.force(3.0) == -6.0
    agree(lambda x: (spring.force(x), lj.grad(lambda x: spring.force(x, sign=1.0))(x)), (-6.0, 10.0), 3.0)


def test_results_are_memory_of_their_own() -> None:
    @lj.op
    def same(x: Any, k: Any) -> Any:
        return 10.0 * k(x)

    def f(x: Any) -> Any:
        y = same(x)
        y[0] = 3.0
        return np.sum(y * x) + x[0]

    agree(f, 3.0 * 2.0 + 1.0 + 2.0, np.array([2.0, 1.0]))

    def of_integers(n: Any) -> Any:
        m = lj.stop_gradient(n)
        m[0] = 7
        return n[0] + 10 * m[0]

    agree(of_integers, 71, np.array([1, 2]))
    agree(lj.grad(f), np.array([3.0 + 1.0, 1.0 + 10.0]), np.array([2.0, 1.0]))


def test_the_adjoint_may_be_written_to() -> None:
    @lj.op
    def doubled(x: Any, k: Any) -> Any:
        dy = k(x * 1.0)
        dy *= 2.0
        return dy

    agree(lj.grad(lambda x: np.sum(doubled(x) * x)), 3.0 * X, X)


def test_what_comes_behind_k_is_dead_without_a_derivative() -> None:
    @lj.op
    def slow(x: Any, k: Any) -> Any:
        dy = k(x * x)
        return dy * math.gamma(math.sinh(x))

    stages = lj.jit(lambda x: slow(x) + 1.0).inspect(0.5)
    assert "sinh" not in stages.after("simplify")
    assert "custom" not in stages.after("simplify")
    assert "sinh" not in stages.llvm


# ---- errors
def refused(error: Any, match: str, f: Callable[..., Any], *args: Any) -> None:
    with pytest.raises(error, match=match):
        lj.jit(lj.grad(lj.op(f)))(*args)


def test_errors_of_k() -> None:
    def never(x: Any, k: Any) -> Any:
        return x

    def twice(x: Any, k: Any) -> Any:
        k(x)
        return k(x)

    def often(x: Any, k: Any) -> Any:
        d = 0.0
        for _ in range(int(x)):
            d += k(x)
        return d

    def sometimes(x: Any, k: Any) -> Any:
        if x > 0.0:
            return k(x)
        return x

    def elsewhere(x: Any, k: Any) -> Any:
        return lj.fun(lambda v: k(v))(x)

    def given_back(x: Any, k: Any) -> Any:
        k(x)
        return k

    wrong = lj.errors.ContinuationError
    refused(wrong, r"`never` never calls k: write dy = k\(y\)", never, 2.0)
    refused(wrong, r"`twice` calls k again at .* in twice, after .* in twice", twice, 2.0)
    refused(wrong, r"`often` calls k again at .* in a loop|`often` returns without a call of k", often, 2.0)
    refused(
        wrong,
        r"`sometimes` returns without a call of k, on the path where the condition at .*test_user_operations.* in sometimes is false",
        sometimes,
        2.0,
    )
    refused(wrong, r"k of the operation `elsewhere` is called at .* in a function of its own", elsewhere, 2.0)
    refused(lj.errors.TypeMismatchError, r"adjoint of argument 0 of the operation `given_back`", given_back, 2.0)
    with pytest.raises(wrong, match="`never` returns without a call of k"):
        lj.op(never)(2.0)
    with pytest.raises(TypeError, match=r"op\(\) takes a function of one argument or more and k"):
        lj.op(lambda k: k(1.0))


def test_errors_of_the_adjoint() -> None:
    wrong = lj.errors.TypeMismatchError
    pair = lambda x, y, k: k(x * y) * y  # noqa: E731
    with pytest.raises(wrong, match=r"has 2 arguments and returns .*: expected one adjoint for each argument.*: write return d0, d1"):
        lj.jit(lj.grad(lj.op(pair)))(2.0, 3.0)
    with pytest.raises(wrong, match=r"expected a float array of rank 1|expected an? .*array.*, got .*: return an array of its shape"):
        lj.jit(lj.grad(lambda x: np.sum(lj.op(lambda x, k: np.sum(k(x)))(x))))(X)
    with pytest.raises(wrong, match=r"expected a float.*, got .*: sum it over the elements"):
        lj.jit(lj.grad(lambda a: np.sum(lj.op(lambda a, k: k(a * X))(a))))(2.0)
    with pytest.raises(wrong, match=r"another structure than the argument: expected \(\*, \*\), got \*"):
        lj.jit(lj.grad(lambda x: lj.op(lambda p, k: k(p[0] * p[1]))((x, x))))(2.0)
    with pytest.raises(lj.errors.ArrayShapeError, match="differs from it in shape: return an array of its shape"):
        lj.jit(lj.grad(lambda x: lj.op(lambda x, k: k(np.sum(x)) * np.ones(5))(x)))(X)


def test_errors_of_writes() -> None:
    out = np.zeros(6)

    def before(x: Any, k: Any) -> Any:
        x[0] = 1.0
        return k(x * x)

    def after(x: Any, k: Any) -> Any:
        kept = x * 2.0
        dy = k(kept * 1.0)
        kept[0] = 1.0
        return dy * kept

    def outside(x: Any, k: Any) -> Any:
        dy = k(x * x)
        out[0] = dy[0]
        return dy

    for f in (before, after, outside):
        with pytest.raises(lj.errors.UnsupportedOperationError, match="copy"):
            lj.jit(lj.grad(lambda x, f=f: np.sum(lj.op(f)(x))))(X)


# ---- what they cost
def softplus_plain(x: Any) -> Any:
    return math.log1p(math.exp(-abs(x))) + max(x, 0.0)


def soft_plain(x: Any) -> Any:
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0.0)


def iterated(f: Callable[..., Any]) -> Callable[..., Any]:
    def g(x: Any, n: Any) -> Any:
        for _ in range(n):
            x = f(x) * 0.5
        return x

    return g


def filled(f: Callable[..., Any]) -> Callable[..., Any]:
    def g(x: Any) -> Any:
        y = np.zeros(len(x))
        for i in range(len(x)):
            y[i] = f(x[i]) * 2.0
        return np.sum(y * y)

    return g


@pytest.mark.parametrize(
    ("mine", "plain", "args"),
    [
        (softplus, softplus_plain, (0.3,)),
        (iterated(softplus), iterated(softplus_plain), (0.3, 9000)),
        (filled(softplus), filled(softplus_plain), (X,)),
        (lambda x: np.sum(soft(x) ** 2), lambda x: np.sum(soft_plain(x) ** 2), (X,)),
    ],
    ids=["scalar", "loop", "loop that is a kernel", "arrays"],
)
def test_they_cost_what_the_table_s_own_do(mine: Any, plain: Any, args: Any) -> None:
    """No call more, the same loops, no more memory, and nothing left that is not a rule."""
    for of in (lambda f: f, lj.grad):
        a, b = (lj.jit(of(f)).inspect(*args) for f in (mine, plain))
        for function in ("define", "call void @op.", "call {double} @r.", "softplus.", "soft."):
            assert a.llvm_optimized.count(function) <= b.llvm_optimized.count(function), function
        assert a.policies == {k.replace("plain", ""): v for k, v in b.policies.items()}
        assert a.memory.arrays <= b.memory.arrays
        assert "custom(" not in a.graph
        kernels = [text.lowered.count("= kernel(") + text.lowered.count("  kernel(") for text in (a, b)]
        assert kernels[0] <= kernels[1]


# ---- among other things
def test_with_other_constructs() -> None:
    s = lambda x: math.log1p(math.exp(x))  # noqa: E731
    agree(
        lj.grad(lambda x: lj.reset(lambda: softplus(lj.shift(lambda k: k(x) * k(2 * x))))),
        sigmoid(0.3) * s(0.6) + 2 * s(0.3) * sigmoid(0.6),
        0.3,
    )
    agree(lj.grad(lambda x: lj.cond(x > 0, softplus, logistic, x)), sigmoid(0.3), 0.3)
    agree(lj.grad(lambda x: lj.fun(softplus)(x)), sigmoid(0.3), 0.3)
    agree(lj.grad(lambda x: lj.checkpoint(softplus)(x)), sigmoid(0.3), 0.3)
    of_scan = [lj.grad(lambda x, f=f: lj.scan(lambda c, v: (f(c * v), c), x, X)[0]) for f in (softplus, softplus_plain)]
    agree(of_scan[0], of_scan[1](0.3), 0.3)
    of_while = [
        lj.grad(lambda x, f=f: lj.while_loop(lambda v: v < 9.0, lambda v: f(v) + v * v + 1.0, x)) for f in (softplus, softplus_plain)
    ]
    agree(of_while[0], of_while[1](0.3), 0.3)
    lj.check_grads(lambda x: softplus(x) * logistic(x), (0.4,), order=2)
    agree(lj.jacrev(lambda x: soft(x) * x), np.diag(sigmoid(X) * X + np.log1p(np.exp(X))), X)
    assert pickle.loads(pickle.dumps(softplus)) is softplus


def test_lists_and_two_widths() -> None:
    @lj.op
    def listed(p: Any, k: Any) -> Any:
        d = k([p[0] * p[1], p[0]])
        return [d[0] * p[1] + d[1], d[0] * p[0]]

    agree(lj.grad(lambda x: sum(listed([x, 2.0 * x]))), 13.0, 3.0)

    @lj.op
    def wider(x: Any, k: Any) -> Any:
        return k(np.float64(x) * 2.0) * 2.0

    agree(lj.grad(lambda x: wider(x) ** 2), np.float32(12.0), np.float32(1.5))
    agree(lj.grad(lj.grad(lambda x: wider(x) ** 2)), np.float32(8.0), np.float32(1.5))


def test_effects_and_exceptions(capsys: pytest.CaptureFixture[str]) -> None:
    @lj.op
    def root_of(x: Any, k: Any) -> Any:
        print("value of", x)
        if x < 0.0:
            raise ValueError("negative")
        dy = k(math.sqrt(x))
        print("adjoint", dy)
        return dy * 0.5 / math.sqrt(x)

    assert lj.jit(lj.grad(lambda x: 3.0 * root_of(x)))(4.0) == 0.75
    assert capsys.readouterr().out == "value of 4.0\nadjoint 3.0\n"
    with pytest.raises(ValueError, match="negative"):
        lj.jit(lj.grad(root_of))(-4.0)


def test_captured_in_a_loop_that_is_a_kernel() -> None:
    def f(a: Any, x: Any) -> Any:
        scale = lj.op(lambda v, k: k(a * v) * a)
        y = np.zeros(len(x))
        for i in range(len(x)):
            y[i] = scale(x[i])
        return np.sum(y * y)

    agree(lj.grad(f, argnums=1), 8.0 * X, 2.0, X)
    for d in (lj.grad(f), lambda a, x: lj.jvp(lambda a: f(a, x), (a,), (1.0,))):
        with pytest.raises(lj.errors.NotDifferentiableError, match="make it an argument"):
            lj.jit(d)(2.0, X)


def test_exported(tmp_path: Any) -> None:
    lj.export(lj.value_and_grad(filled(softplus)), ["f64[:]"], "filled", str(tmp_path))
    library = ctypes.CDLL(str(tmp_path / "libfilled.so"))
    assert library.filled is not None
    address = lj.jit(lj.grad(softplus))
    address(0.3)
    assert math.isclose(address.ctypes(0.3), sigmoid(0.3))


# ---- a rule for forward mode
def test_a_rule_for_forward_mode() -> None:
    """It comes first, and tells so by being another than the second half's. Of higher orders it is differentiated as it stands."""

    @lj.op
    def square(x: Any, k: Any) -> Any:
        return 2.0 * x * k(x * x)

    square.jvp(lambda x, t: 7.0 * x * t)
    agree(lambda x: lj.jvp(square, (x,), (1.0,)), (9.0, 21.0), 3.0)
    agree(lj.grad(square), 6.0, 3.0)
    agree(lambda x: lj.jvp(lambda x: lj.jvp(square, (x,), (1.0,))[1], (x,), (1.0,)), (21.0, 7.0), 3.0)
    agree(lj.grad(lj.grad(lambda x: square(x) ** 2)), 2.0 * 2.0 * 9.0 + 2.0 * 2.0 * 3.0 * 21.0, 3.0)

    @lj.op
    def pair(x: Any, y: Any, k: Any) -> Any:
        d, e = k(x * y, x + y)
        return d * y + e, None

    @pair.jvp
    def rule(x: Any, y: Any, tx: Any, ty: Any) -> Any:
        return tx * y + x * ty, 5.0 * (tx + ty)

    agree(lambda x, y: lj.jvp(pair, (x, y), (y, x))[1], (X * X + V * V, 5.0 * (X + V)), X, V)
    agree(lj.jacfwd(lambda x, y: pair(x, y)[1]), 5.0 * np.eye(6), X, V)
    agree(lj.grad(lambda x, y: np.sum(pair(x, y)[0]), argnums=(0, 1)), (V, 0.0 * X), X, V)
    pair.jvp(lambda x, y, tx, ty: tx)
    with pytest.raises(lj.errors.TypeMismatchError, match="gives 1 tangents, and the operation 2 values: return one for each"):
        lj.jit(lambda x: lj.jvp(lambda x: pair(x, x), (x,), (1.0,)))(1.0)

    def around(a: Any, x: Any) -> Any:
        made = lj.op(lambda x, k: 2.0 * x * k(x * x))
        made.jvp(lambda x, t: a * t)
        return lj.jvp(made, (x,), (1.0,))

    with pytest.raises(
        lj.errors.UnsupportedOperationError,
        match=r"the rule for forward mode of the operation at .* uses a value of the function around it",
    ):
        lj.jit(around)(1.0, 2.0)

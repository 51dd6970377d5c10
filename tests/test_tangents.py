"""Several tangents beside one value: Jacobians and Hessians by blocks are those by single directions, and the value is computed once."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.ir.core.op import TABLE
from lantern_jit.ir.core.parse import parse
from lantern_jit.ir.core.text import show
from lantern_jit.ir.core.types import F64, LANES, NUMPY_DTYPES
from lantern_jit.ir.ops import table

from .samples import DIFFERENTIABLE
from .support import Runner, both, but, close, interpret, specialisations

Function = Callable[..., Any]
SIZES = (1, 2, 3, 5, 9)  # the last one is in more than one block


# ---- programs of all forms
def whole(x: Any) -> Any:
    return np.sin(x) * np.sum(x * x)


def loop(x: Any) -> Any:
    y = np.zeros(3, x.dtype)
    for i in range(len(x)):
        y[i % 3] = y[i % 3] * 0.5 + math.sin(x[i]) * y[(i + 1) % 3] + x[i]
    return y


def search(x: Any) -> Any:
    s, v = x[0], np.array([x[0], x[0] * 2])
    while s < 3.0:
        s, v = s * 1.3 + 0.1, np.array([v[1], v[0] * s])
    return v


def descend(n: int, a: Any, b: Any) -> Any:
    if n <= 0:
        return a
    return descend(n - 1, b, a * b + 1.0)


def recursion(x: Any) -> Any:
    return np.array([descend(4, x[0], x[len(x) - 1]), x[0]])


def choice(x: Any) -> Any:
    if x[0] > 0:
        return np.tanh(x)
    return x * x


def stores(x: Any) -> Any:
    y = x.copy()
    y[1:] = y[1:] * y[:-1]
    y[0] = np.prod(x)
    return y


def positions(x: Any) -> Any:
    i = np.argsort(x)
    y = np.zeros(len(x), x.dtype)
    y[i] = x * x[0]
    return x[i] * np.cumsum(y)


def extremes(x: Any) -> Any:
    return np.array([np.max(x), np.min(x), x[np.argmax(x)], np.mean(x), np.linalg.norm(x)])


def growing(x: Any) -> Any:
    out = []
    for i in range(len(x)):
        if x[i] > -9.0:
            out.append(x[i] * x[0])
    return np.array(out)


def matrix(x: Any) -> Any:
    return (np.outer(x, x) + 1.0) @ np.exp(x)


def products(x: Any) -> Any:
    a = np.outer(x, np.cos(x))
    return np.array([[1.0, 2.0], [3.0, 4.0]]).astype(x.dtype) @ a[:1, :].T.repeat(2, 0)[:2] @ a[:1, :1] + a.T[:1, :1] @ a[:1, :1]


def stack(x: Any) -> Any:
    a = np.stack([np.outer(x, x), np.outer(x, x) + 1.0])
    return a @ a


def solved(x: Any) -> Any:
    return np.linalg.solve(np.outer(x, x) + np.diag(x * x + 2.0), np.cos(x))


def factors(x: Any) -> Any:
    a = np.outer(x, x) + np.diag(x * x + 2.0)
    return np.linalg.cholesky(a) @ x + np.linalg.slogdet(a)[1] + np.linalg.inv(a) @ x


def spectrum(x: Any) -> Any:
    a = np.outer(x, x) + np.diag(np.arange(len(x)) + 2.0).astype(x.dtype)
    return np.linalg.eigvalsh(a) + np.linalg.svd(a, compute_uv=False)


def number(x: Any) -> Any:
    return np.sum(np.exp(x) * x)


def scalars(x: Any) -> Any:
    return np.array([x[0] if x[0] > 0.3 else -x[0], math.hypot(x[0], 2.0), np.where(x[-1] > 0.2, np.log(x[-1]), 1.0)])


def constants(x: Any) -> Any:
    return np.array([1.0, 2.0])


def derived(x: Any) -> Any:
    return lj.grad(number)(x) * x


def derived_rows(x: Any) -> Any:
    return lj.jacrev(whole)(x) @ x


def derived_columns(x: Any) -> Any:
    return lj.jacfwd(whole)(x) @ x


def curved(x: Any) -> Any:
    return lj.hessian(lambda y: np.sum(np.sin(y) * y) * np.sum(y))(x) @ x


PROGRAMS = [whole, loop, search, recursion, choice, stores, positions, extremes, growing, matrix, products, stack, solved, factors, spectrum,
            number, scalars, constants, derived, derived_rows, derived_columns, curved]  # fmt: skip


def point(n: int, dtype: Any = np.float64) -> Any:
    return (np.random.default_rng(n).permutation(n) * 0.3 + np.linspace(0.25, 0.4, n)).astype(dtype)


def one_by_one(f: Function) -> Function:
    """The Jacobian by a jvp for each column."""
    column = lj.jit(lambda x, t: lj.jvp(f, (x,), (t,))[1])
    return lambda x: np.stack([np.asarray(column(x, t)) for t in np.eye(x.size, dtype=x.dtype)], -1)


@pytest.mark.parametrize("f", but(map(PROGRAMS.index, (whole, spectrum, factors)), PROGRAMS))
def test_a_jacobian_is_its_columns(f: Function) -> None:
    columns, run = one_by_one(f), Runner(lj.jacfwd(f))
    for n in SIZES:
        x = point(n)
        want = columns(x)
        for mode, found in run(x).items():
            close(found, want, 1e-10, 1e-10, f"{mode} {f.__name__} of {n}")
        h = 1e-5
        slopes = [(np.asarray(f(x + h * e)) - np.asarray(f(x - h * e))) / (2 * h) for e in np.eye(n)]
        close(want, np.stack(slopes, -1), 1e-5, 1e-6, f"finite differences of {f.__name__} of {n}")


@pytest.mark.parametrize("f", [f for f in PROGRAMS if f not in (constants, curved, spectrum, products, choice)])
def test_float32(f: Function) -> None:
    x = point(5, np.float32)
    want = one_by_one(f)(x)
    for mode, found in both(lj.jacfwd(f), x).items():
        assert found.dtype == np.float32
        close(found, want, 1e-3, 1e-4, f"{mode} {f.__name__}")


def test_shapes_of_more_axes_and_of_none() -> None:
    x = point(6).reshape(2, 3)
    want = np.einsum("ij,kl->ijkl", np.ones((2, 3)), 2 * x) * 1.0
    for found in both(lj.jacfwd(lambda x: np.full((2, 3), np.sum(x * x))), x).values():
        close(found, want)
    for found in both(lj.jacfwd(whole), np.zeros(0)).values():
        assert found.shape == (0, 0)
    for found in both(lj.jacfwd(lambda x: np.array([x, x * x])), 3.0).values():
        close(found, np.array([1.0, 6.0]))


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_each_rows_rule_takes_blocks(name: str) -> None:
    sample, op = DIFFERENTIABLE[name], TABLE[name]
    nums = tuple(range(op.arity))

    def at(*xs: Any) -> Any:
        return op(*xs, **sample.attrs)

    def moved(x: Any, weights: Any, v: Any) -> Any:
        return np.array([at(*(x[i] + np.sum(weights[i] * v) for i in nums)), x[0]])

    gradient = lj.jit(lambda x: np.array(lj.grad(at, nums)(*(x[i] for i in nums))))
    run = Runner(lambda x, weights, v: lj.jacfwd(lambda v: moved(x, weights, v))(v))
    x = np.array(sample.points(name, 1)[0])
    for n in (1, 2, 3, 5):
        weights = np.random.default_rng(n).normal(size=(op.arity, n))
        for mode, found in run(x, weights, np.zeros(n)).items():
            close(found[0], gradient(x) @ weights, 1e-12, 1e-13, f"{mode} {name}{x} in {n} directions")


# ---- Hessians
def rosenbrock(x: Any) -> Any:
    total = 0.0
    for i in range(len(x) - 1):
        total = total + 100.0 * (x[i + 1] - x[i] * x[i]) ** 2 + (1.0 - x[i]) ** 2
    return total + x[0] ** 3


def rosenbrock_arrays(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2) + x[0] ** 3


def carried(x: Any) -> Any:
    a, b = x[0], x[-1]
    for _ in range(20):
        a, b = a + 0.1 * math.sin(b) * x[0], b - 0.1 * a
    return a * b


def newton(x: Any) -> Any:
    y, step = 1.0, 1.0
    while abs(step) > 1e-13:
        step = (y**3 - x[0] * y - x[-1] - 1.0) / (3 * y * y - x[0])
        y = y - step
    return y


def written(x: Any) -> Any:
    y = np.zeros(4)
    for i in range(8):
        y[i % 4] = y[(i + 1) % 4] * x[i % len(x)] + math.cos(x[i % len(x)] * i)
    return np.sum(y * y)


SMOOTH = [rosenbrock, rosenbrock_arrays, carried, newton, written, number, lambda x: descend(3, x[0], x[len(x) - 1]) ** 2,
          lambda x: np.sum(factors(x)), lambda x: np.sum(matrix(x) ** 2), lambda x: choice(x)[0] * x[-1],
          lambda x: lj.grad(rosenbrock)(x)[0] * x[-1], lambda x: np.sum(lj.jacfwd(whole)(x) ** 2)]  # fmt: skip


@pytest.mark.parametrize("f", but((7, 10, 11), SMOOTH))
def test_a_hessian_is_its_columns(f: Function) -> None:
    column, run = lj.jit(lambda x, t: lj.hvp(f, (x,), (t,))), Runner(lj.hessian(f))
    for n in SIZES:
        x = point(n)
        want = np.stack([column(x, t) for t in np.eye(n)], -1)
        for mode, found in run(x).items():
            close(found, want, 1e-9, 1e-9, f"{mode} of {n}")
        close(want, want.T, 1e-9, 1e-9)


def test_a_hessian_in_float32_and_of_other_arguments() -> None:
    for found in both(lambda x, y: lj.hessian(lambda x: np.sum(np.sin(x) * y))(x), point(3, np.float32), np.float32(2.0)).values():
        assert found.dtype == np.float32
        close(found, np.diag(-2.0 * np.sin(point(3, np.float32))), 1e-5, 1e-6)


# ---- nesting
def test_derivatives_of_jacobians() -> None:
    x = point(3)

    def cube(x: Any) -> Any:
        return x**3 * np.sum(x)

    third = lj.jit(lambda x: lj.jacfwd(lj.jacrev(lj.jacrev(cube)))(x))(x)
    for f in (lj.jacfwd(lj.jacfwd(lj.jacfwd(cube))), lj.jacfwd(lj.jacfwd(lj.jacrev(cube))), lj.jacrev(lj.jacfwd(lj.jacfwd(cube)))):
        for found in both(f, x).values():
            close(found, third, 1e-11, 1e-11)
    want = 2 * np.einsum("ij,ijk->k", lj.jacrev(cube)(x), lj.jacrev(lj.jacrev(cube))(x))
    for found in both(lj.grad(lambda x: np.sum(lj.jit(lj.jacfwd(cube))(x) ** 2)), x).values():
        close(found, want, 1e-11, 1e-11)


def test_a_function_with_blocks_that_is_differentiated_later() -> None:
    """A recursion is one function of the program, wherever it is called: in its first call its Jacobian is made of blocks."""

    def inner(x: Any) -> Any:
        return np.array([x[0] * x[1] ** 2, math.sin(x[0])])

    def deep(n: int, x: Any) -> Any:
        if n <= 0:
            return np.sum(lj.jacfwd(inner)(x) * 2.0)
        return deep(n - 1, x * 1.1)

    def f(x: Any, n: int) -> Any:
        g = lambda z: deep(n, z)  # noqa: E731
        return g(x), lj.grad(g)(x), lj.jacfwd(lambda z: g(z) * z)(x), lj.hessian(g)(x)

    x, n = np.array([0.3, 0.7]), 2
    s = 1.1**n
    u, v = s * x
    value = 2 * (v * v + 2 * u * v + math.cos(u))
    gradient = 2 * s * np.array([2 * v - math.sin(u), 2 * v + 2 * u])
    hessian = 2 * s * s * np.array([[-math.cos(u), 2.0], [2.0, 2.0]])
    for found in both(f, x, n).values():
        close(found, (value, gradient, np.outer(x, gradient) + value * np.eye(2), hessian), 1e-12, 1e-12)


def test_containers_and_captured_values_inside() -> None:
    def f(x: Any, scale: Any) -> Any:
        parts = {"a": x * scale, "b": [x[0], np.sum(x)]}
        return parts["a"] * parts["b"][0] + parts["b"][1]

    x = point(3)
    for found in both(lambda x, s: lj.jacfwd(lambda y: f(y, s))(x), x, 2.0).values():
        close(found, 2 * (np.outer(x, [1.0, 0, 0]) + x[0] * np.eye(3)) + 1.0)


def test_effects_are_had_once(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        print("here", x[0])
        return x * x

    close(lj.jit(lj.jacfwd(f))(point(3)), np.diag(2 * point(3)))
    assert capsys.readouterr().out.count("here") == 1


def test_numbers_are_drawn_once_for_all_directions() -> None:
    """Where a Hessian goes column by column, each evaluates what draws again, from the same state of the generator."""

    def noisy(g: Any, x: Any) -> Any:
        return np.sum(factors(x * g.standard_normal(3)))

    def f(g: Any, x: Any) -> Any:
        return lj.hessian(lambda x: noisy(g, x))(x), g.random()

    plain = np.random.default_rng(4)
    drawn = plain.standard_normal(3)
    want = lj.jit(lj.hessian(lambda x: np.sum(factors(x * drawn))))(point(3)), plain.random()
    for run in (interpret, lambda f, *args: lj.jit(f)(*args)):
        close(run(f, np.random.default_rng(4), point(3)), want, 1e-9, 1e-9)


# ---- how much work it is
def calls(text: str, op: str) -> int:
    return text.count(f" = {op}(")


@pytest.mark.parametrize("transform", [lj.jacfwd, lj.hessian])
def test_functions_are_called_once_for_all_directions(transform: Function) -> None:
    def f(x: Any) -> Any:
        y = np.sin(np.sum(x)) * np.exp(x[0])
        return np.array([y, y * y]) if transform is lj.jacfwd else y

    graphs = [lj.jit(transform(f)).inspect(np.ones(n)).graph for n in (2, 4, 8)]
    for op in ("sin", "cos", "exp"):
        assert len({calls(text, op) for text in graphs}) == 1, op


def test_small_sizes_have_programs_of_their_own() -> None:
    jitted = lj.jit(lj.jacfwd(whole))
    for n in (2, 3, 2, 20, 30):
        close(jitted(point(n)), one_by_one(whole)(point(n)), 1e-11, 1e-11)
    assert specialisations(jitted) == 3  # of 2, of 3, and of more than a block


# ---- blocks as values of the graph
@pytest.mark.parametrize(("t", "n"), LANES)
def test_blocks_are_put_together_and_taken_apart(t: Any, n: int) -> None:
    wide = LANES[t, n]

    def f(x: Any) -> Any:
        block = functools.reduce(table.add, [table.in_lane(x[i], i=i, to=wide) for i in range(n)], table.convert(x[0], to=wide))
        lanes = [table.lane(block, i=i, to=t) for i in range(n)]
        return np.array([*lanes, table.lane_sum(table.mul(block, block), to=t)])

    x = point(n, NUMPY_DTYPES[t])
    want = np.array([*(x[0] + x), np.sum((x[0] + x) ** 2)])
    slopes = np.vstack([np.eye(n) + np.eye(n)[0], 2 * (x[0] + x) + np.eye(n)[0] * 2 * np.sum(x[0] + x)])
    exact = 1e-12 if t == F64 else 1e-5
    for found in both(f, x).values():
        close(found, want, exact, exact)
    for transform in (lj.jacrev, lj.jacfwd):  # their rules, both ways
        for found in both(transform(f), x).values():
            close(found, slopes, exact, exact)


def test_blocks_are_spelled() -> None:
    text = "fn f(%x: f32x4[n], %y: f64x2) -> (f32x4[n], f64x2) {\nentry:\n  %z: f64x2 = add(%y, 1.0:f64x2)\n  return %x, %z\n}\n"
    assert show(parse(text)) == text


def one_of_two(x: Any, k: int, a: Any, b: Any) -> Any:
    if k > 1:
        b = a
    return np.sum(b * b) * x + a[k] * a[0] + b[k]


def one_of_two_in_a_loop(x: Any, k: int, a: Any, b: Any) -> Any:
    c = b
    for i in range(k):
        if a[i] > 0.5:
            c = a
        x = x * c[i] + a[0]
    return np.sum(c * a) * x


def one_of_two_that_is_written(x: Any, k: int, a: Any, b: Any) -> Any:
    c, d = a * 1.0, b * 1.0
    if k > 1:
        d = c
    d[0] = x * x
    d[k] *= d[0]
    return np.sum(d * d) + c[0] * x + c[k]


@pytest.mark.parametrize("f", [one_of_two, one_of_two_in_a_loop, one_of_two_that_is_written], ids=lambda f: f.__name__)
@pytest.mark.parametrize("k", [1, 2])
def test_an_array_without_a_tangent_that_may_be_one_with_one(f: Callable[..., Any], k: int) -> None:
    """Forward mode in one of several arguments ended in a KeyError where another one was read by itself."""
    point = (0.7, k, np.array([0.3, -0.2, 0.9, 0.5]), np.array([1.0, 0.4, -0.6, 0.1]))
    for i in (0, 2, 3):
        np.testing.assert_allclose(lj.jit(lj.jacfwd(f, argnums=i))(*point), lj.jit(lj.grad(f, argnums=i))(*point), 1e-12, 1e-12)
    lj.check_grads(f, point, order=2)

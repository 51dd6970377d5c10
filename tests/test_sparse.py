"""Sparse Jacobians and Hessians: patterns that hold for all values, and are no larger than they need be; derivatives that are the dense ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.special
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares
from scipy.sparse.linalg import spsolve

import lantern_jit as lj
from lantern_jit import errors
from lantern_jit.sparse.interactions import interactions

from .samples import DIFFERENTIABLE
from .support import TABLE, close

Function = Callable[..., Any]


# ---- programs of all forms
def bratu(u: Any) -> Any:
    """u'' + exp(u) = 0 with zeros at both ends, by an explicit loop."""
    n = len(u)
    h = 1.0 / (n + 1)
    r = np.zeros(n)
    r[0] = u[1] - 2 * u[0] + h * h * np.exp(u[0])
    for i in range(1, n - 1):
        r[i] = u[i - 1] - 2 * u[i] + u[i + 1] + h * h * np.exp(u[i])
    r[n - 1] = u[n - 2] - 2 * u[n - 1] + h * h * np.exp(u[n - 1])
    return r


def bratu_arrays(u: Any) -> Any:
    r = np.exp(u) / (len(u) + 1) ** 2 - 2 * u
    r[1:] += u[:-1]
    r[:-1] += u[1:]
    return r


def plane(u: Any) -> Any:
    """Five points, in a loop of loops."""
    n = 4
    v, r = u[: n * n].reshape(n, n), np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            r[i, j] = -4 * v[i, j] ** 3
            if i > 0:
                r[i, j] += v[i - 1, j]
            if j + 1 < n:
                r[i, j] += v[i, j + 1]
    return r


def steps(u: Any) -> Any:
    """Each step reads what the last one wrote: three steps reach three further."""
    for _ in range(3):
        u = u + 0.1 * np.concatenate([u[1:], u[:1]]) * u
    return u


def backwards(u: Any) -> Any:
    r = u * u
    for i in range(len(u) - 2, -1, -1):
        r[i] = r[i] + 0.5 * r[i + 1]
    return r


def choices(u: Any) -> Any:
    r = np.zeros(len(u))
    for i in range(1, len(u)):
        if u[i] > 0.3:
            r[i] = u[i - 1] * u[i]
        elif u[i] < -0.3:
            r[i] = math.sin(u[0])
    return r


def newton(u: Any) -> Any:
    r = np.zeros(len(u))
    for i in range(len(u)):
        y, step = 1.0, 1.0
        while abs(step) > 1e-13:
            step = (y**3 + y - u[i]) / (3 * y * y + 1)
            y = y - step
        r[i] = y
    return r


def halve(u: Any, first: int, last: int) -> Any:
    if last - first == 1:
        return u[first] ** 2
    middle = (first + last) // 2
    return halve(u, first, middle) * 0.5 + halve(u, middle, last)


def recursion(u: Any) -> Any:
    return np.array([halve(u, 0, 4), halve(u, 4, 8)])


def until(x: Any, y: Any) -> Any:
    return y if x > 1.0 else until(x * 1.5 + 0.5, y + x)


def deep(u: Any) -> Any:
    return np.array([until(u[0], u[1]), until(u[2] * u[2], u[3])])


def places(u: Any) -> Any:
    i = np.array([0, 0, 3, 5])
    r = np.zeros(8)
    r[i + 2] = u[i] * u[1]
    np.add.at(r, i, u[4:8])
    return r


def products(u: Any) -> Any:
    a = np.diag([1.0, 2.0, 3.0, 4.0])
    a[0, 3] = 5.0
    return a @ u[:4] * u[4:8]


def matrices(u: Any) -> Any:
    return (u[:6].reshape(2, 3) @ u[6:12].reshape(3, 2)).ravel()


def sorted_(u: Any) -> Any:
    return np.sort(u) * u


def chosen(u: Any) -> Any:
    return np.where(u > 0, np.roll(u, 1), np.maximum(u, 0.5)) + np.abs(u) + np.floor(u[0])


def wide(u: Any) -> Any:
    return u * np.sum(u[:2]) + np.cumsum(u)


def masked(u: Any) -> Any:
    r = u.copy()
    r[r < 0.0] = u[0]
    return r


def solved(u: Any) -> Any:
    return np.linalg.solve(np.diag(u[:3] ** 2 + 1.0), u[3:6])


def called(u: Any) -> Any:
    return lj.checkpoint(lambda v: v[1:] * v[:-1])(u) + lj.grad(lambda v: np.sum(v**3))(u[:2])[0]


PROGRAMS = [bratu, bratu_arrays, plane, steps, backwards, choices, newton, recursion, deep, places, products, matrices, sorted_, chosen, wide, masked,
            solved, called, lambda u: np.sum(u * u), lambda u: u[2], lambda u: np.ones(3), lambda u: np.outer(u[:3], u)]  # fmt: skip
EXACT = [bratu, bratu_arrays, plane, steps, backwards, newton, recursion, places, products, matrices]


def point(seed: int, n: int = 16) -> Any:
    return np.random.default_rng(seed).normal(size=n) + 0.1


def dense(f: Function, *args: Any) -> Any:
    found = np.asarray(lj.jit(lj.jacfwd(f))(*args))
    return found.reshape(-1, np.size(args[0]))


@pytest.mark.parametrize("f", PROGRAMS)
def test_a_pattern_holds_everywhere_and_a_jacobian_is_the_dense_one(f: Function) -> None:
    jacobian, all_there_is = lj.sparse_jacobian(f), np.zeros(1)
    pattern = lj.sparsity(f)(point(0))
    for seed in range(6):
        want = dense(f, point(seed))
        found = jacobian(point(seed))
        assert isinstance(found, sp.csr_array)
        assert found.has_sorted_indices
        close(found.toarray(), want, 1e-11, 1e-12)
        assert not np.any(want[~pattern.toarray()])
        all_there_is = all_there_is + np.abs(want)
    if f in EXACT:
        assert pattern.nnz == np.count_nonzero(all_there_is)


@pytest.mark.parametrize("f", [bratu, steps, backwards, wide])
def test_float32(f: Function) -> None:
    x = point(1).astype(np.float32)
    found = lj.sparse_jacobian(f)(x)
    assert found.dtype == np.float32
    close(found.toarray(), dense(f, x), 1e-4, 1e-4)


def test_other_arguments() -> None:
    """Ints are followed, floats are not; an argument has a position or a name."""

    def f(t: float, y: Any, rate: float, order: int, index: Any) -> Any:
        return t * y[order:] * rate + y[index] if rate > 0 else y[: len(y) - order]

    y, index = point(2, 6), np.array([0, 0, 5, 5])
    for argnums in (1, "y", -4):
        jacobian = lj.sparse_jacobian(f, argnums)
        for order in (2, 2):
            want = lj.jacfwd(f, 1)(0.5, y, 2.0, order, index)
            close(jacobian(0.5, y, 2.0, order, index).toarray(), want)
            close(jacobian(0.5, y, -2.0, order, index).toarray(), lj.jacfwd(f, 1)(0.5, y, -2.0, order, index))
    by_keyword = lj.sparse_jacobian(f, "y")(0.5, rate=2.0, order=2, index=index[::-1].copy(), y=y)
    close(by_keyword.toarray(), lj.jacfwd(f, 1)(0.5, y, 2.0, 2, index[::-1].copy()))
    assert lj.sparsity(lambda x: x**2)(2.0).toarray().tolist() == [[True]]
    close(lj.sparse_jacobian(lambda x: np.array([x, x * x]))(3.0).toarray(), np.array([[1.0], [6.0]]))
    close(lj.sparse_jacobian(lambda x: x * x)(np.array([1, 2])).toarray(), np.diag([2.0, 4.0]))


def test_arguments_of_more_axes() -> None:
    x = point(0, 12).reshape(3, 4)
    for f in (lambda u: u[1:] * u[:-1], lambda u: np.sum(u, axis=0), lambda u: u[0, 0] * u, newton_of_all):
        close(lj.sparse_jacobian(f)(x).toarray(), dense(f, x))
    close(lj.sparse_hessian(lambda u: np.sum(u[1:] * u[:-1]))(x).toarray(), lj.hessian(lambda u: np.sum(u[1:] * u[:-1]))(x).reshape(12, 12))


def newton_of_all(u: Any) -> Any:
    return newton(u.reshape(u.size))


def test_sizes_have_patterns_of_their_own() -> None:
    jacobian = lj.sparse_jacobian(bratu)
    for n in (5, 12, 5, 40):
        close(jacobian(point(n, n)).toarray(), dense(bratu, point(n, n)), 1e-12)
    assert lj.sparsity(bratu)(np.zeros(1000)).nnz == 3 * 1000 - 2


def test_more_groups_than_a_block() -> None:
    def banded(u: Any) -> Any:
        r = np.zeros(len(u))
        for i in range(len(u)):
            for j in range(max(0, i - 6), min(len(u), i + 7)):
                r[i] += u[i] * u[j] * (1.0 + i)
        return r

    for f in (banded, wide, lambda u: np.convolve(u, u[:3])):
        close(lj.sparse_jacobian(f)(point(3, 30)).toarray(), dense(f, point(3, 30)), 1e-12)


def test_results_are_not_changed_by_each_other() -> None:
    jacobian = lj.sparse_jacobian(bratu)
    first = jacobian(point(0))
    kept = first.copy()
    first *= 3.0
    first.data[:] = 0.0
    close(jacobian(point(0)).toarray(), kept.toarray())
    with pytest.raises(ValueError, match="read-only"):
        first.eliminate_zeros()  # the indices are of all results
    kept.eliminate_zeros()


# ---- Hessians
def rosenbrock(x: Any) -> Any:
    total = 0.0
    for i in range(len(x) - 1):
        total += 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2
    return total


def rosenbrock_arrays(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def arrow(x: Any) -> Any:
    return np.sum(x[0] * x * np.sin(x)) + np.sum(x**3) + x[1] * np.sum(x * x)


def quadratic(x: Any) -> Any:
    return x[:4] @ (np.diag([1.0, 2.0, 3.0, 4.0]) @ x[:4]) + 3.0 * x[5] - np.exp(x[6] * x[7])


def energy(x: Any) -> Any:
    total = 0.0
    for i in range(len(x)):
        y = x[i]
        while y > 1.0:
            y = y * 0.5
        total = total + y * x[(i + 1) % len(x)]
    return total


SMOOTH = [rosenbrock, rosenbrock_arrays, arrow, quadratic, energy, lambda x: np.sum(x), lambda x: np.sum(bratu(x) ** 2), lambda x: np.sum(solved(x) ** 2),
          lambda x: np.sum(matrices(x)), lambda x: lj.grad(rosenbrock)(x)[1] * x[9], lambda x: np.sum(np.where(x > 0, x**2, x)) / (1.0 + x[0] ** 2)]  # fmt: skip


@pytest.mark.parametrize("f", SMOOTH)
def test_a_hessian_is_the_dense_one(f: Function) -> None:
    hessian, run = lj.sparse_hessian(f), lj.jit(lj.hessian(f))
    for seed in range(3):
        want = run(point(seed))
        found = hessian(point(seed))
        close(found.toarray(), want, 1e-9, 1e-9)
        close(found.toarray(), found.toarray().T, 1e-12, 1e-12)
    if f in (rosenbrock, rosenbrock_arrays, arrow, quadratic):
        assert found.nnz == np.count_nonzero(want)


def test_an_arrow_needs_few_directions() -> None:
    """Its dense columns have groups of their own, and give their rows."""
    hessian = lj.sparse_hessian(arrow)
    close(hessian(point(0, 60)).toarray(), lj.jit(lj.hessian(arrow))(point(0, 60)), 1e-10)
    assert [plan.groups for plan in hessian._plans.values()] == [3]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_interactions_are_those_of_the_second_derivative(name: str) -> None:
    """What the rule of an operation says against central differences of its terms."""
    sample, op = DIFFERENTIABLE[name], TABLE[name]
    found = interactions(op, sample.attrs)
    xs = np.array(sample.points(name, 1)[0])
    gradient = lj.jit(
        lambda x: np.array(lj.grad(lambda *v: op(*v, **sample.attrs), tuple(range(op.arity)))(*(x[i] for i in range(op.arity))))
    )
    for j in range(op.arity):
        e = np.eye(op.arity)[j] * 1e-4 * max(1.0, abs(xs[j]))
        for i in np.flatnonzero(np.abs(gradient(xs + e) - gradient(xs - e)) > 1e-9):
            assert (int(i), j) in found, name
    for linear in ("add", "sub", "neg", "convert"):
        assert not interactions(TABLE[linear], {"to": None} if linear == "convert" else {})


# ---- SciPy takes them
def test_least_squares_takes_patterns_and_jacobians() -> None:
    u = np.zeros(30)
    f = lj.jit(bratu)
    by_pattern = least_squares(f, u, jac_sparsity=lj.sparsity(bratu)(u), method="trf", gtol=1e-15)
    exact = least_squares(f, u, jac=lj.sparse_jacobian(bratu), method="trf", gtol=1e-15)
    assert np.max(np.abs(exact.fun)) < 1e-10
    close(by_pattern.x, exact.x, 1e-4, 1e-5)


def test_solve_ivp_takes_patterns_and_jacobians() -> None:
    def heat(t: float, u: Any) -> Any:
        r = np.zeros(len(u))
        for i in range(1, len(u) - 1):
            r[i] = 400.0 * (u[i - 1] - 2 * u[i] + u[i + 1]) - u[i] ** 3
        return r

    u, f = np.sin(np.linspace(0, np.pi, 21)), lj.jit(heat)
    jacobian = lj.sparse_jacobian(heat, "u")
    runs = [
        solve_ivp(f, (0.0, 0.05), u, method="BDF", rtol=1e-7, atol=1e-9, **how).y[:, -1]
        for how in ({"jac_sparsity": lj.sparsity(heat, "u")(0.0, u)}, {"jac": jacobian}, {"jac": lambda t, y: jacobian(t, y).toarray()})
    ]
    close(runs[1], runs[2], 1e-9, 1e-9)
    close(runs[0], runs[1], 1e-5, 1e-6)


def test_newton_on_a_large_problem() -> None:
    n = 20_000
    u, jacobian, f = np.zeros(n), lj.sparse_jacobian(bratu), lj.jit(bratu)
    for _ in range(5):
        u = u - spsolve(jacobian(u).tocsc(), f(u))
    assert np.max(np.abs(f(u))) < 1e-12
    assert abs(np.max(u) - 0.1405392) < 1e-5  # the lower solution


# ---- what is refused
def test_refusals() -> None:
    x = point(0, 4)
    with pytest.raises(errors.UnsupportedOperationError, match="depends on the values of floats"):
        lj.sparsity(lambda u: u[u > 0])(x)
    with pytest.raises(errors.UnsupportedOperationError, match="takes one float or float array, not a tuple"):
        lj.sparse_jacobian(lambda p: p[0])((x, x))
    with pytest.raises(errors.NotDifferentiableError, match="is to return one float or float array"):
        lj.sparsity(lambda u: (u, u))(x)
    with pytest.raises(errors.NotDifferentiableError, match="is to return one float, not an array"):
        lj.sparse_hessian(lambda u: u * u)(x)
    with pytest.raises(errors.NotDifferentiableError, match="not bools"):
        lj.sparsity(lambda u: u)(np.array([True]))
    with pytest.raises(errors.UnsupportedOperationError, match="call it outside, or take jacfwd"):
        lj.jit(lambda u: lj.sparse_jacobian(bratu)(u))(x)
    with pytest.raises(errors.ArrayMemoryError, match="which is not sparse: take jacfwd or jacrev"):
        lj.sparsity(lambda u: u * np.sum(u))(np.zeros(100_000))
    with pytest.raises(TypeError, match="takes one argument"):
        lj.sparsity(bratu, (0, 1))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="takes a function, not int 3"):
        lj.sparse_hessian(3)  # type: ignore[arg-type]


def test_functions_of_scipy_have_a_second_derivative() -> None:
    f = lambda x: np.sum(scipy.special.jv(1.0, x[1:] * x[:-1])) + np.sum(scipy.special.gammainc(2.0, x**2))  # noqa: E731
    x = np.linspace(0.3, 1.1, 6)
    close(lj.sparse_hessian(f)(x).toarray(), lj.jit(lj.hessian(f))(x), 1e-9, 1e-9)

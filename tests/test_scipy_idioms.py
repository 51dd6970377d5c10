"""Compiled functions and derivatives where SciPy's documentation passes `fun`, `jac`, `hess`, `fprime`: solutions are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy
from scipy import integrate, optimize, sparse

import lantern_jit as lj
from lantern_jit import errors

from .support import check

Function = Callable[..., Any]


# ---- minimise
def rosen(x: Any) -> float:
    total = 0.0
    for i in range(len(x) - 1):
        total += 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2
    return total


def rosen_with(x: Any, a: float, b: float) -> float:
    total = 0.0
    for i in range(len(x) - 1):
        total += a * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2
    return total + b


START = np.array([1.3, 0.7, 0.8, 1.9, 1.2])


@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B", "CG", "SLSQP"])
def test_minimize_with_value_and_gradient_in_one(method: str) -> None:
    fun = lj.jit(lj.value_and_grad(rosen))
    found = optimize.minimize(fun, START, jac=True, method=method, tol=1e-10, options={"maxiter": 1000})
    assert found.success, found.message
    np.testing.assert_allclose(found.x, np.ones(5), atol=1e-6)


@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B"])
def test_minimize_with_a_function_and_its_gradient(method: str) -> None:
    found = optimize.minimize(lj.jit(rosen), START, jac=lj.jit(lj.grad(rosen)), method=method, tol=1e-10)
    np.testing.assert_allclose(found.x, np.ones(5), atol=1e-6)


@pytest.mark.parametrize("method", ["Newton-CG", "trust-ncg", "trust-exact", "dogleg", "trust-krylov"])
def test_minimize_with_a_hessian(method: str) -> None:
    start = START if method != "dogleg" else np.full(5, 1.01)  # dogleg needs a positive definite Hessian
    jac, hess = lj.jit(lj.grad(rosen)), lj.jit(lj.hessian(rosen))
    found = optimize.minimize(lj.jit(rosen), start, jac=jac, hess=hess, method=method, tol=1e-9)
    assert found.success, found.message
    np.testing.assert_allclose(found.x, np.ones(5), atol=1e-6)
    np.testing.assert_allclose(hess(found.x), optimize.rosen_hess(found.x), rtol=1e-9)


@pytest.mark.parametrize("method", ["Newton-CG", "trust-ncg", "trust-krylov"])
def test_minimize_with_a_hessian_product(method: str) -> None:
    hessp = lj.jit(lambda x, p: lj.hvp(rosen, (x,), (p,)))
    p = np.arange(5.0)
    np.testing.assert_allclose(hessp(START, p), optimize.rosen_hess_prod(START, p), rtol=1e-12)
    found = optimize.minimize(lj.jit(rosen), START, jac=lj.jit(lj.grad(rosen)), hessp=hessp, method=method, tol=1e-9)
    np.testing.assert_allclose(found.x, np.ones(5), atol=1e-6)


def test_minimize_with_args() -> None:
    fun, jac, hess = lj.jit(rosen_with), lj.jit(lj.grad(rosen_with)), lj.jit(lj.hessian(rosen_with))
    for args in ((0.5, 1.0), (0.5, 1), (2, 1.0)):
        found = optimize.minimize(fun, START, args=args, jac=jac, hess=hess, method="trust-ncg", tol=1e-9)
        np.testing.assert_allclose(found.x, np.ones(5), atol=1e-6)
        assert abs(found.fun - 1.0) < 1e-12


def test_minimize_with_bounds_and_constraints() -> None:
    """SciPy's SLSQP example: (x0 - 1)^2 + (x1 - 2.5)^2 under three lines, with the minimum at (1.4, 1.7)."""
    fun = lj.jit(lj.value_and_grad(lambda x: (x[0] - 1) ** 2 + (x[1] - 2.5) ** 2))
    lines: list[Function] = [lambda x: x[0] - 2 * x[1] + 2, lambda x: -x[0] - 2 * x[1] + 6, lambda x: -x[0] + 2 * x[1] + 2]
    constraints = [{"type": "ineq", "fun": lj.jit(g), "jac": lj.jit(lj.grad(g))} for g in lines]
    found = optimize.minimize(fun, (2, 0), jac=True, method="SLSQP", bounds=((0, None), (0, None)), constraints=constraints)
    np.testing.assert_allclose(found.x, [1.4, 1.7], atol=1e-7)


def disk(x: Any) -> Any:
    out = np.zeros(1)
    out[0] = x[0] ** 2 + x[1] ** 2
    return out


def test_trust_constr_with_a_nonlinear_constraint() -> None:
    jac = lj.jit(lj.jacrev(disk))
    hess = lj.jit(lj.hessian(lambda x, v: v[0] * disk(x)[0]))
    constraint = optimize.NonlinearConstraint(lj.jit(disk), -np.inf, 2.0, jac=jac, hess=hess)
    fun = lj.jit(lambda x: x[0] + x[1])
    found = optimize.minimize(
        fun,
        np.array([0.5, -0.2]),
        jac=lj.jit(lj.grad(lambda x: x[0] + x[1])),
        hess=lj.jit(lj.hessian(lambda x: x[0] + x[1])),
        method="trust-constr",
        constraints=[constraint],
        tol=1e-10,
    )
    np.testing.assert_allclose(found.x, [-1.0, -1.0], atol=1e-4)


def test_check_grad_and_approx_fprime() -> None:
    f, g = lj.jit(rosen), lj.jit(lj.grad(rosen))
    assert optimize.check_grad(f, g, START) < 1e-4
    np.testing.assert_allclose(optimize.approx_fprime(START, f), g(START), rtol=1e-4)


@pytest.mark.skipif(np.lib.NumpyVersion(scipy.__version__) < "1.15.0", reason="its generators have another name in older versions of SciPy")
def test_basinhopping_and_differential_evolution() -> None:
    hills = lj.jit(lj.value_and_grad(lambda x: math.cos(14.5 * x[0] - 0.3) + (x[0] + 0.2) * x[0]))
    found = optimize.basinhopping(hills, [1.0], minimizer_kwargs={"jac": True}, niter=100, rng=1)
    assert abs(found.x[0] + 0.195067) < 1e-4
    found = optimize.differential_evolution(lj.jit(rosen), [(0, 2)] * 3, rng=1)
    np.testing.assert_allclose(found.x, np.ones(3), atol=1e-4)


def test_minimize_scalar_and_brent() -> None:
    f = lj.jit(lambda x: (x - 2) * x * (x + 2) ** 2)
    assert abs(optimize.minimize_scalar(f).x - 1.28077640) < 1e-6
    assert abs(optimize.brentq(lj.jit(lambda x: x**2 - 1), 0, 2) - 1.0) < 1e-12


# ---- roots
def test_newton() -> None:
    f: Function = lambda x: x**3 - 1  # noqa: E731
    first, second = lj.grad(f), lj.grad(lj.grad(f))
    assert optimize.newton(lj.jit(f), 1.5, fprime=lj.jit(first)) == pytest.approx(1.0, abs=1e-12)
    assert optimize.newton(lj.jit(f), 1.5, fprime=lj.jit(first), fprime2=lj.jit(second)) == pytest.approx(1.0, abs=1e-12)
    g: Function = lambda x, a, b: math.exp(a * x) - b  # noqa: E731
    root = optimize.newton(lj.jit(g), 0.5, fprime=lj.jit(lj.grad(g)), fprime2=lj.jit(lj.grad(lj.grad(g))), args=(2.0, 3.0))
    assert root == pytest.approx(math.log(3.0) / 2, abs=1e-12)


@pytest.mark.parametrize("method", ["newton", "halley"])
def test_root_scalar_with_derivatives_in_one(method: str) -> None:
    def f(x: float) -> float:
        return x**3 - 1

    order = 2 if method == "halley" else 1
    program = (lambda x: (f(x), lj.grad(f)(x), lj.grad(lj.grad(f))(x))) if order == 2 else lj.value_and_grad(f)
    found = optimize.root_scalar(lj.jit(program), x0=0.2, fprime=True, fprime2=order == 2 or None, method=method)
    assert found.converged
    assert found.root == pytest.approx(1.0, abs=1e-10)


def fun_root(x: Any) -> Any:
    out = np.zeros(2)
    out[0] = x[0] + 0.5 * (x[0] - x[1]) ** 3 - 1.0
    out[1] = 0.5 * (x[1] - x[0]) ** 3 + x[1]
    return out


@pytest.mark.parametrize("jacobian", [lj.jacfwd, lj.jacrev])
@pytest.mark.parametrize("method", ["hybr", "lm"])
def test_root(method: str, jacobian: Function) -> None:
    found = optimize.root(lj.jit(fun_root), [0, 0], jac=lj.jit(jacobian(fun_root)), method=method)
    assert found.success
    np.testing.assert_allclose(found.x, [0.8411639, 0.1588361], atol=1e-7)


def test_root_with_the_jacobian_in_one() -> None:
    found = optimize.root(lj.jit(lambda x: (fun_root(x), lj.jacfwd(fun_root)(x))), [0.0, 0.0], jac=True)
    np.testing.assert_allclose(found.x, [0.8411639, 0.1588361], atol=1e-7)


def test_fsolve() -> None:
    found = optimize.fsolve(lj.jit(fun_root), np.zeros(2), fprime=lj.jit(lj.jacfwd(fun_root)))
    np.testing.assert_allclose(found, [0.8411639, 0.1588361], atol=1e-7)


# ---- least squares
U = np.array([4.0, 2.0, 1.0, 5.0e-1, 2.5e-1, 1.67e-1, 1.25e-1, 1.0e-1, 8.33e-2, 7.14e-2, 6.25e-2])
Y = np.array([1.957e-1, 1.947e-1, 1.735e-1, 1.6e-1, 8.44e-2, 6.27e-2, 4.56e-2, 3.42e-2, 3.23e-2, 2.35e-2, 2.46e-2])


def enzyme(x: Any, u: Any, y: Any) -> Any:
    """The residuals of the analysis of an enzymatic reaction in SciPy's tutorial."""
    out = np.zeros(len(u))
    for i in range(len(u)):
        out[i] = x[0] * (u[i] ** 2 + x[1] * u[i]) / (u[i] ** 2 + x[2] * u[i] + x[3]) - y[i]
    return out


@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
def test_least_squares(method: str) -> None:
    start = np.array([2.5, 3.9, 4.15, 3.9]) if method != "lm" else np.full(4, 0.15)  # from there, without bounds, lm gets lost
    bounds = (0, 100) if method != "lm" else (-np.inf, np.inf)
    found = optimize.least_squares(lj.jit(enzyme), start, jac=lj.jit(lj.jacfwd(enzyme)), args=(U, Y), bounds=bounds, method=method)
    np.testing.assert_allclose(found.x, [0.19280596, 0.19130423, 0.12306063, 0.13607247], rtol=1e-3)


def rosenbrock_residuals(x: Any) -> Any:
    out = np.zeros(2)
    out[0] = 10 * (x[1] - x[0] ** 2)
    out[1] = 1 - x[0]
    return out


def test_least_squares_of_rosenbrock() -> None:
    found = optimize.least_squares(lj.jit(rosenbrock_residuals), np.array([2, 2]), jac=lj.jit(lj.jacrev(rosenbrock_residuals)))
    np.testing.assert_allclose(found.x, [1.0, 1.0], atol=1e-8)


def damped(x: Any, a: float, b: float, c: float) -> Any:
    out = np.zeros(len(x))
    for i in range(len(x)):
        out[i] = a * math.exp(-b * x[i]) + c
    return out


def damped_packed(p: Any, x: Any) -> Any:
    return damped(x, p[0], p[1], p[2])


def test_curve_fit() -> None:
    xs = np.linspace(0, 4, 50)
    ys = 2.5 * np.exp(-1.3 * xs) + 0.5
    packed = lj.jit(lj.jacfwd(damped_packed))
    found, covariance = optimize.curve_fit(lj.jit(damped), xs, ys, jac=lambda x, *p: packed(np.array(p), x), p0=(1.0, 1.0, 1.0))
    np.testing.assert_allclose(found, [2.5, 1.3, 0.5], rtol=1e-8)
    assert covariance.shape == (3, 3)
    found, _ = optimize.curve_fit(lj.jit(damped), xs, ys)  # without p0 curve_fit reads the signature
    np.testing.assert_allclose(found, [2.5, 1.3, 0.5], rtol=1e-6)


def test_curve_fit_with_bounds() -> None:
    xs = np.linspace(0, 4, 50)
    ys = 2.5 * np.exp(-1.3 * xs) + 0.5
    found, _ = optimize.curve_fit(lj.jit(damped), xs, ys, bounds=(0, [3.0, 1.0, 0.5]))
    assert found[1] == pytest.approx(1.0, abs=1e-6)


# ---- differential equations
def robertson(t: float, y: Any) -> Any:
    out = np.zeros(3)
    out[0] = -0.04 * y[0] + 1e4 * y[1] * y[2]
    out[2] = 3e7 * y[1] ** 2
    out[1] = -out[0] - out[2]
    return out


def jacobian_in_y(f: Function) -> Function:
    return lambda t, y: lj.jacfwd(lambda v: f(t, v))(y)


@pytest.mark.parametrize("method", ["Radau", "BDF", "LSODA"])
def test_a_stiff_equation(method: str) -> None:
    found = integrate.solve_ivp(
        lj.jit(robertson), (0, 40), [1.0, 0.0, 0.0], method=method, jac=lj.jit(jacobian_in_y(robertson)), rtol=1e-8, atol=1e-10
    )
    assert found.success
    np.testing.assert_allclose(found.y[:, -1], [0.7158270688, 9.185534764e-6, 0.2841637457], rtol=1e-5)


@pytest.mark.parametrize("method", ["Radau", "BDF"])
def test_a_linear_equation(method: str) -> None:
    """x' = -50 x + 49 y, y' = 49 x - 50 y: eigenvalues -1 and -99."""

    def f(t: float, y: Any) -> Any:
        out = np.zeros(2)
        out[0] = -50 * y[0] + 49 * y[1]
        out[1] = 49 * y[0] - 50 * y[1]
        return out

    jac = lj.jit(jacobian_in_y(f))
    found = integrate.solve_ivp(lj.jit(f), (0.0, 2.0), np.array([2.0, 0.0]), method=method, jac=jac, rtol=1e-9, atol=1e-12)
    exact = [math.exp(-2.0) + math.exp(-198.0), math.exp(-2.0) - math.exp(-198.0)]
    np.testing.assert_allclose(found.y[:, -1], exact, rtol=1e-6)


def test_an_equation_with_args_and_an_event() -> None:
    def pendulum(t: float, y: Any, g: float) -> Any:
        out = np.zeros(2)
        out[0] = y[1]
        out[1] = -g * math.sin(y[0])
        return out

    def lowest(t: float, y: Any, g: float) -> float:
        return y[0]

    found = integrate.solve_ivp(lj.jit(pendulum), (0, 2), [1e-4, 0.0], args=(4.0,), events=lj.jit(lowest), rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(found.t_events[0], [math.pi / 4], rtol=1e-5)


def test_quadrature() -> None:
    assert integrate.quad(lj.jit(lambda x: math.exp(-(x**2))), -np.inf, np.inf)[0] == pytest.approx(math.sqrt(math.pi), rel=1e-9)
    assert integrate.quad(lj.jit(lambda x, a, b: a * x**2 + b), 0, 1, args=(2, 1))[0] == pytest.approx(5 / 3, rel=1e-12)
    assert integrate.dblquad(lj.jit(lambda y, x: x * y**2), 0, 2, 0, 1)[0] == pytest.approx(2 / 3, rel=1e-12)


def test_odeint_in_both_orders_of_arguments() -> None:
    f = lj.jit(lambda y, t: -2.0 * y[0])
    out = integrate.odeint(f, [1.0], np.array([0.0, 1.0]))
    assert out[-1, 0] == pytest.approx(math.exp(-2.0), rel=1e-6)


# ---- constants that are sparse
MESH = sparse.csr_array(np.array([[2.0, -1.0, 0.0, 0.0], [0.0, 3.0, 0.0, 0.5], [-1.0, 0.0, 0.0, 1.5]]))


def smoothed(x: Any, y: Any) -> Any:
    r = MESH @ x
    return (
        np.sum((MESH.T @ r) ** 2) + y @ MESH @ x + np.sum((MESH @ np.outer(x, y)) ** 2 * 0.1) + np.sum((sparse.csr_matrix(MESH) * x) ** 3)
    )


def test_products_of_sparse_matrices() -> None:
    check(smoothed, (np.array([0.3, -0.4, 0.9, 0.5]), np.array([1.0, 0.2, -0.6])), argnums=(0, 1))
    f, x = lj.jit(lambda x: MESH @ x), np.arange(4.0)
    assert np.array_equal(f(x), MESH @ x)
    MESH.data[0] += 1.0
    assert np.array_equal(f(x + 1.0), MESH @ (x + 1.0))
    with pytest.raises(
        lj.LanternError, match=r"`mul` of a scipy.sparse matrix and a traced value at .*: take its product with an array, A @ x"
    ):
        lj.jit(lambda k: (k * MESH) @ x)(2.0)
    with pytest.raises(ValueError, match="dimension mismatch"):
        lj.jit(lambda x: MESH @ x)(np.ones(3))


@pytest.mark.parametrize("name", ["toeplitz", "circulant", "companion", "leslie", "fiedler", "convolution_matrix"])
def test_matrices_of_many_vectors_are_refused(name: str) -> None:
    """Some versions of SciPy make one matrix of all rows, others one of each."""
    more: tuple[Any, ...] = {"leslie": (np.ones(2),), "convolution_matrix": (2,)}.get(name, ())
    with pytest.raises(
        errors.UnsupportedOperationError, match=rf"scipy\.linalg\.{name} of an array with several axes.* use lantern_jit\.vmap"
    ):
        lj.jit(lambda x: getattr(scipy.linalg, name)(x, *more))(np.ones((3, 3)))
    rows = np.random.default_rng(1).uniform(0.5, 2.0, (4, 3))
    wanted = np.stack([getattr(scipy.linalg, name)(x, *more) for x in rows])
    np.testing.assert_allclose(lj.jit(lj.vmap(lambda x: getattr(scipy.linalg, name)(x, *more)))(rows), wanted, rtol=1e-12)

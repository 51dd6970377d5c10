"""The cases of science.py against NumPy and SciPy: values, dtypes, shapes; derivatives of order 1 and 2 against central differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.ndimage

import lantern_jit as lj

from .science import CASES, Case
from .support import first, interpret
from .test_array_api import flat

NATIVE, COMPOSED = [c for c in CASES if c.native], [c for c in CASES if not c.native]


def named(case: Case) -> str:
    return case.name


def agree(actual: Any, case: Case) -> None:
    got, expected = flat(actual), flat(case.f(*case.args))
    assert len(got) == len(expected)
    for i, (x, y) in enumerate(zip(got, expected, strict=True)):
        assert np.shape(x) == np.shape(y), i
        if np.ndim(y):
            assert np.asarray(x).dtype == np.asarray(y).dtype, i
        np.testing.assert_allclose(np.asarray(x, float), np.asarray(y, float), rtol=1e-9, atol=1e-9, err_msg=f"result {i}")


@pytest.mark.parametrize("case", first(len(COMPOSED), COMPOSED + NATIVE), ids=named)
def test_values(case: Case) -> None:
    agree(interpret(case.f, *case.args), case)


@pytest.mark.parametrize("case", first(len(NATIVE), NATIVE + COMPOSED), ids=named)
def test_native_values(case: Case) -> None:
    agree(lj.jit(case.f)(*case.args), case)


def along(case: Case) -> tuple[Any, Any, tuple[Any, ...], tuple[int, ...]]:
    """(a weighted sum of the case's float results, its gradient along a direction, the direction, the arguments that move)"""
    rng = np.random.default_rng(5)
    weights = [rng.normal(size=np.shape(x)) if np.asarray(x).dtype.kind == "f" else None for x in flat(case.f(*case.args))]
    moving = tuple(i for i in range(len(case.args)) if i not in case.fixed)
    d = tuple(rng.normal(size=x.shape) if i in moving else 0.0 for i, x in enumerate(case.args))
    if case.symmetric:
        d = tuple(np.tril(x) + np.tril(x, -1).T for x in d)

    def f(*args: Any) -> Any:
        total = 0.0
        for w, x in zip(weights, flat(case.f(*args)), strict=True):
            if w is not None:
                total = total + np.sum(w * x)
        return total

    def slope(*args: Any) -> Any:
        return sum(np.sum(g * d[i]) for g, i in zip(lj.grad(f, moving)(*args), moving, strict=True))

    return f, slope, d, moving


def difference(f: Any, args: tuple[Any, ...], d: tuple[Any, ...], h: float = 1e-5) -> Any:
    up, down = (f(*(x + s * h * t for x, t in zip(args, d, strict=True))) for s in (1, -1))
    return (up - down) / (2 * h)


@pytest.mark.parametrize("case", first(len(NATIVE) - 1, NATIVE + COMPOSED), ids=named)
def test_gradients(case: Case) -> None:
    f, slope, d, _ = along(case)
    expected = difference(f, case.args, d)
    np.testing.assert_allclose(lj.jit(slope)(*case.args), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.more
@pytest.mark.parametrize("case", CASES, ids=named)
def test_second_derivatives_and_forward_mode(case: Case) -> None:
    f, slope, d, moving = along(case)
    tangents = tuple(d[i] for i in moving)

    def push(g: Any) -> Any:
        def pushed(*args: Any) -> Any:
            def of_moving(*xs: Any) -> Any:
                found = dict(zip(moving, xs, strict=True))
                return g(*(found.get(i, x) for i, x in enumerate(args)))

            return lj.jvp(of_moving, tuple(args[i] for i in moving), tangents)[1]

        return pushed

    np.testing.assert_allclose(lj.jit(push(f))(*case.args), difference(f, case.args, d), rtol=1e-5, atol=1e-5)
    native = lj.jit(slope)
    np.testing.assert_allclose(lj.jit(push(slope))(*case.args), difference(native, case.args, d), rtol=1e-4, atol=1e-4)


@pytest.mark.more
def test_second_derivatives_of_factors() -> None:
    """log det by LU, LDL^T and square roots are one function."""
    rng = np.random.default_rng(3)
    a, v = rng.normal(size=(4, 4)), rng.normal(size=(4, 4))
    s, v = a @ a.T + 4 * np.eye(4), v + v.T

    def by_lu(a: Any) -> Any:
        return np.sum(np.log(np.abs(np.diag(scipy.linalg.lu_factor(a)[0]))))

    def by_ldl(a: Any) -> Any:
        return np.sum(np.log(np.diag(scipy.linalg.ldl(a)[1])))

    def by_root(a: Any) -> Any:
        return 2.0 * np.sum(np.log(np.abs(np.diag(scipy.linalg.lu_factor(scipy.linalg.sqrtm(a))[0]))))

    def twice(a: Any, v: Any) -> Any:
        return [np.sum(v * lj.hvp(f, (a,), (v,))) for f in (by_lu, by_ldl, by_root)]

    x = np.linalg.inv(s)
    np.testing.assert_allclose(lj.jit(twice)(s, v), -np.trace(x @ v @ x @ v), rtol=1e-9)


def test_what_has_no_real_result_raises() -> None:
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    with pytest.raises(lj.errors.LinAlgError, match="complex"):
        lj.jit(np.linalg.eigvals)(turn)
    with pytest.raises(lj.errors.LinAlgError, match="The principal square root of the matrix is not real"):
        lj.jit(lambda a: scipy.linalg.sqrtm(a))(np.diag([1.0, -1.0]))
    with pytest.raises(ValueError, match="Invalid norm order 'fro' for vectors"):
        lj.jit(lambda a: np.linalg.norm(a[0], "fro"))(turn)


def test_columns_beside_the_range_are_differentiated_by_what_they_span() -> None:
    a, v = (np.random.default_rng(i).normal(size=(5, 2)) for i in (1, 2))

    def rest(a: Any) -> Any:
        u = np.linalg.svd(a, full_matrices=True).U
        return np.sum((u[:, 2:] @ u[:, 2:].T) ** 2 * np.arange(25.0).reshape(5, 5))

    def other(a: Any) -> Any:
        q = np.linalg.qr(a, "complete").Q
        return np.sum((q[:, 2:] @ q[:, 2:].T) ** 2 * np.arange(25.0).reshape(5, 5))

    def both(a: Any, v: Any) -> Any:
        return [(lj.grad(f)(a), lj.hvp(f, (a,), (v,))) for f in (rest, other)]

    (g, h), (k, l) = lj.jit(both)(a, v)  # noqa: E741
    np.testing.assert_allclose(g, k, atol=1e-9)
    np.testing.assert_allclose(h, l, atol=1e-8)
    np.testing.assert_allclose(np.sum(g * v), difference(lambda a: lj.jit(rest)(a), (a,), (v,)), rtol=1e-6)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: scipy.ndimage.map_coordinates(x, x[:, :2]), "map_coordinates with order=3 at .* is not supported: write order=1"),
        (lambda x: scipy.ndimage.convolve(x.astype(int), x), "of integers, whose result would be cut to integers, .*give floats"),
        (lambda x: scipy.linalg.qr(x, pivoting=True), "scipy.linalg.qr with pivoting=True"),
        (lambda x: scipy.linalg.schur(x), "scipy.linalg.schur of traced values"),
    ],
)
def test_refusals_say_what_to_write(f: Any, message: str) -> None:
    with pytest.raises(lj.errors.UnsupportedOperationError, match=message):
        lj.jit(f)(np.eye(2))

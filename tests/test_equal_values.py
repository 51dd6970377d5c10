"""Derivatives at equal and nearly equal eigenvalues and singular values: the true one, or NaN; never another number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
C = np.random.default_rng(1).normal(size=(3, 3))
Function = Callable[[Any], Any]


def spectrum(gap: float) -> Any:
    return TURN @ np.diag([1.0, 1.0 + gap, 2.0]) @ TURN.T


def modes(f: Function) -> list[Function]:
    return [lj.grad(f), lj.jacfwd(f), lj.hessian(f), lj.grad(lambda a: np.sum(lj.grad(f)(a) * C))]


def polar(a: Any) -> Any:
    """Newton's iteration for the polar factor."""
    for _ in range(12):
        a = (a + np.linalg.inv(a).T) * 0.5
    return a


SMOOTH: list[tuple[Function, Function]] = [
    (lambda a: np.sum(np.linalg.pinv(a) * C), lambda a: np.sum(np.linalg.inv(a) * C)),
    (lambda a: np.sum(np.linalg.lstsq(a, C)[0] * C), lambda a: np.sum(np.linalg.solve(a, C) * C)),
    (lambda a: np.linalg.norm(a, "nuc"), lambda a: np.sum(polar(a) * a)),
]


@pytest.mark.parametrize("i", range(len(SMOOTH)))
@pytest.mark.parametrize("gap", [0.0, 1e-12, 1e-6, 1.0])
def test_functions_without_gaps(i: int, gap: float) -> None:
    for f, g in zip(*map(modes, SMOOTH[i]), strict=True):
        np.testing.assert_allclose(lj.jit(f)(spectrum(gap)), lj.jit(g)(spectrum(gap)), atol=1e-9, rtol=1e-9)


def by_eigh(a: Any) -> Any:
    w, v = np.linalg.eigh((a + a.T) / 2)
    return np.sum(((v * w**2) @ v.T) * C)


def by_svd(a: Any) -> Any:
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    return np.sum(((u * s**3) @ vt) * C)


GAPS: list[tuple[Function, Function]] = [
    (by_eigh, lambda a: np.sum(((a + a.T) @ (a + a.T)) * C) / 4),
    (by_svd, lambda a: np.sum((a @ a.T @ a) * C)),
    (lambda a: np.sum(np.linalg.eigvalsh((a + a.T) / 2) ** 2), lambda a: np.sum((a + a.T) ** 2) / 4),
]


@pytest.mark.parametrize("i", range(len(GAPS)))
def test_a_number_is_right_or_no_number(i: int) -> None:
    for f, g in zip(*map(modes, GAPS[i]), strict=True):
        fast, true = lj.jit(f), lj.jit(g)
        for a in [np.eye(3), np.zeros((3, 3)), *(spectrum(gap) for gap in (0.0, 1e-14, 1e-11, 1e-9, 1e-7, 1e-5))]:
            found, expected = fast(a), true(a)
            assert np.isnan(found).any() or np.allclose(found, expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(fast(spectrum(0.5)), true(spectrum(0.5)), rtol=1e-9, atol=1e-9)


def test_one_of_equal_values_has_no_derivative() -> None:
    for f in (lambda a: np.linalg.eigvalsh(a)[0], lambda a: np.linalg.norm(a, 2)):
        assert all(np.isnan(lj.jit(d)(np.eye(3))).any() for d in modes(f)[:2])

"""Eigenvectors and singular vectors: NumPy's own, with its signs and phases, and their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

RNG = np.random.default_rng(5)
START = RNG.bit_generator.state


def same(f: Callable[..., Any], *args: Any) -> None:
    """Native code gives what NumPy gives."""
    for got, want in zip(lj.jit(f)(*args), f(*args), strict=True):
        assert np.asarray(got).dtype == np.asarray(want).dtype
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("uplo", ["L", "U"])
def test_signs_of_eigenvectors(uplo: str) -> None:
    for n in (1, 2, 5, 12, 30):
        a = RNG.normal(size=(n, n))
        same(lambda a: np.linalg.eigh(a, uplo), a)
        same(lambda a: np.linalg.eigh(a, uplo), np.stack([a, a.T]))


@pytest.mark.parametrize("full", [False, True])
def test_signs_of_singular_vectors(full: bool) -> None:
    for shape in ((1, 1), (4, 4), (3, 5), (5, 3), (2, 30), (30, 2), (20, 21), (2, 4, 3)):
        same(lambda a: np.linalg.svd(a, full_matrices=full), RNG.normal(size=shape))


@pytest.fixture(autouse=True)
def again() -> None:
    """Each test has the same numbers, whichever run."""
    RNG.bit_generator.state = START


def complexes(*shape: int) -> Any:
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


def weighted(x: Any) -> Any:
    """A number that depends on the phases."""
    return np.sum(np.real(x) * np.cos(np.arange(x.size)).reshape(x.shape) + np.imag(x) * np.sin(np.arange(x.size)).reshape(x.shape))


Parts = Callable[[Any], Any]
OF_COMPLEX: dict[str, tuple[Parts, tuple[int, ...]]] = {
    "eigh": (lambda a: tuple(np.linalg.eigh(a)), (4, 4)),
    "eigh of the upper triangle": (lambda a: tuple(np.linalg.eigh(a, "U")), (4, 4)),
    "eigvalsh": (lambda a: (np.linalg.eigvalsh(a), np.linalg.eigvalsh(a, "U")), (4, 4)),
    "svd": (lambda a: tuple(np.linalg.svd(a)), (4, 4)),
    "svd, tall": (lambda a: tuple(np.linalg.svd(a, full_matrices=False)), (5, 3)),
    "svd, wide": (lambda a: tuple(np.linalg.svd(a, full_matrices=False)), (3, 5)),
    "singular values": (lambda a: (np.linalg.svdvals(a), np.linalg.norm(a, 2), np.linalg.norm(a, "nuc"), np.linalg.cond(a)), (3, 5)),
    "qr": (lambda a: tuple(np.linalg.qr(a)), (5, 3)),
    "qr, wide": (lambda a: (*np.linalg.qr(a), np.linalg.qr(a, mode="r")), (3, 5)),
    "eig": (lambda a: tuple(np.linalg.eig(a)), (4, 4)),
    "eigvals": (lambda a: (np.linalg.eigvals(a),), (4, 4)),
    "pinv": (lambda a: (np.linalg.pinv(a),), (5, 3)),
}


@pytest.mark.parametrize("name", OF_COMPLEX)
def test_of_complex_matrices(name: str) -> None:
    """With NumPy's phases, in stacks, in single precision; derivatives of what depends on phases are those of NumPy's vectors."""
    f, shape = OF_COMPLEX[name]
    a = complexes(*shape)
    same(f, a)
    if name not in ("singular values", "pinv"):
        same(f, complexes(2, *shape))
    for got, want in zip(lj.jit(f)(a.astype(np.complex64)), f(a.astype(np.complex64)), strict=True):
        assert np.asarray(got).dtype == np.asarray(want).dtype
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-3)
    lj.check_grads(lambda a: [weighted(x) for x in f(a)], (a,), order=1)


@pytest.mark.parametrize("name", ["eigh", "svd, wide", "qr", "eig"])
def test_second_derivatives_of_complex_matrices(name: str) -> None:
    f, shape = OF_COMPLEX[name]
    lj.check_grads(lambda a: sum(weighted(x) for x in f(a)), (complexes(*shape),), order=2, modes="rev" if name != "eig" else "fwd")


def test_large_complex_matrices() -> None:
    for shape in ((30, 2), (2, 30), (24, 24)):
        same(lambda a: tuple(np.linalg.svd(a, full_matrices=False)), complexes(*shape))
    same(lambda a: (*np.linalg.eigh(a), *np.linalg.eig(a)), complexes(30, 30))


def test_functions_without_phases() -> None:
    """Closed forms: the square of a Hermitian matrix, and A A^H A, by their spectra."""
    a, weights = complexes(3, 3), complexes(3, 3)

    def by_eigh(a: Any) -> Any:
        w, v = np.linalg.eigh(a + a.conj().T)
        return np.sum(np.real((v * w**2) @ v.conj().T * weights))

    def by_svd(a: Any) -> Any:
        u, s, vh = np.linalg.svd(a)
        return np.sum(np.real((u * s**3) @ vh * weights))

    def by_eig(a: Any) -> Any:
        w, v = np.linalg.eig(a)
        return np.sum(np.real((v * w**2) @ np.linalg.inv(v) * weights))

    def squared(a: Any) -> Any:
        return np.sum(np.real((a + a.conj().T) @ (a + a.conj().T) * weights))

    for f, g in (
        (by_eigh, squared),
        (by_svd, lambda a: np.sum(np.real(a @ a.conj().T @ a * weights))),
        (by_eig, lambda a: np.sum(np.real(a @ a * weights))),
    ):
        np.testing.assert_allclose(lj.jit(lj.grad(f))(a), lj.jit(lj.grad(g))(a), rtol=1e-9, atol=1e-9)


def test_phases_that_have_no_derivative() -> None:
    """The first number of an eigenvector of a diagonal matrix is 0: its phase is anything, and the squares of its numbers do not care."""
    a, t = np.diag([1.0, 2.0, 3.0]) + 0j, complexes(3, 3)
    found = lj.jit(lj.grad(lambda a: weighted(np.linalg.eigh(a)[1])))(a)
    assert np.isnan(found).any()
    smooth = lj.jit(lj.grad(lambda a: np.sum(np.linalg.eigh(a)[0] ** 2) + np.sum(np.abs(np.linalg.eigh(a)[1][1:]) ** 2)))(a)
    np.testing.assert_allclose(np.diag(smooth), [2.0, 4.0, 6.0], atol=1e-9)
    assert np.isnan(lj.jit(lambda a, t: lj.jvp(lambda a: np.linalg.eigh(a)[1], (a,), (t,))[1])(a, t)).any()
    equal = lj.jit(lj.grad(lambda a: np.sum(np.abs(np.linalg.eigh(a)[1][0]) ** 4)))(np.eye(3) + 0j)
    assert np.isnan(equal).any()


@pytest.mark.parametrize("name", ["eigh", "svd"])
def test_derivatives_with_signs(name: str) -> None:
    f = {"eigh": lambda a: [np.linalg.eigh(a, uplo)[1] for uplo in "LU"], "svd": lambda a: np.linalg.svd(a)[::2]}[name]
    lj.check_grads(lambda a: sum(weighted(x) for x in f(a)), (RNG.normal(size=(3, 3 if name == "eigh" else 2)),), order=2, modes="rev")


def test_a_stack_backwards_twice() -> None:
    """Cotangents of results that nobody reads are zeros, whatever the operation."""
    a = RNG.normal(size=(2, 3, 2))
    for f in (np.linalg.pinv, lambda a: np.linalg.norm(a, "nuc", axis=(1, 2))):
        lj.check_grads(f, (a,), order=2, modes="rev")

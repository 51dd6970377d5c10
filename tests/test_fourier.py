"""Fourier transforms of lengths with small factors and without, beside NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import check

LENGTHS = (*range(1, 34), 48, 49, 60, 64, 77, 81, 97, 100, 121, 125, 128, 143, 169, 210, 221, 256, 289, 360, 1000, 1009, 1024)


def test_every_length() -> None:
    """The error of a length is that of rounding: a few units in the last place, for all the lengths."""
    g = np.random.default_rng(0)
    there, back, real = lj.jit(np.fft.fft), lj.jit(np.fft.ifft), lj.jit(lambda x: np.fft.irfft(np.fft.rfft(x), len(x)))
    for n in LENGTHS:
        z = g.normal(size=n) + 1j * g.normal(size=n)
        scale = np.sqrt(n) * np.abs(z).max()
        assert np.abs(there(z) - np.fft.fft(z)).max() < 1e-14 * scale, n
        assert np.abs(back(z) - np.fft.ifft(z)).max() < 1e-14 * scale, n
        assert np.abs(real(z.real) - z.real).max() < 1e-14 * scale, n


def test_rows_and_planes() -> None:
    g = np.random.default_rng(1)
    for shape in [(3, 12), (5, 7), (4, 16), (2, 3, 17)]:
        z = g.normal(size=shape) + 1j * g.normal(size=shape)
        for axis in range(-1, len(shape)):
            assert np.allclose(lj.jit(lambda z, axis=axis: np.fft.fft(z, axis=axis))(z), np.fft.fft(z, axis=axis), atol=1e-12)
        assert np.allclose(lj.jit(np.fft.fftn)(z), np.fft.fftn(z), atol=1e-12)
    for n in (3, 8, 15):
        z = g.normal(size=10) + 1j * g.normal(size=10)
        assert np.allclose(lj.jit(lambda z, n=n: np.fft.fft(z, n))(z), np.fft.fft(z, n), atol=1e-12)


@pytest.mark.parametrize("n", [8, 12, 15, 17])
def test_derivatives(n: int) -> None:
    def f(x: Any) -> Any:
        spectrum = np.fft.fft(np.sin(x))
        weights = np.arange(len(x)) * 0.3
        return np.sum((spectrum.real**2 + np.cos(spectrum.imag)) * weights) + np.sum(np.fft.irfft(np.fft.rfft(x * x)) ** 3)

    check(f, (np.random.default_rng(n).normal(size=n),), rtol=1e-6)


def test_no_elements() -> None:
    """NumPy's error where there is nothing to transform; rows of which there are none are none."""
    for x in (np.zeros(0), np.zeros((3, 0))):
        with pytest.raises(ValueError, match=r"Invalid number of FFT data points \(0\) specified"):
            lj.jit(np.fft.fft)(x)
    assert lj.jit(np.fft.fft)(np.zeros((0, 4))).shape == (0, 4)

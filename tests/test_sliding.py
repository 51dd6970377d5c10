"""np.convolve and np.correlate: values, and derivatives by both arrays, which are sums of the same kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import check

SIZES = [(1, 1), (2, 1), (1, 4), (5, 3), (3, 5), (40, 7), (7, 40), (600, 5), (511, 4), (513, 33), (2100, 1100), (3, 3000)]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128, np.int64])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_values(mode: Any, dtype: Any) -> None:
    g = np.random.default_rng(0)
    convolve, correlate = lj.jit(lambda a, v: np.convolve(a, v, mode)), lj.jit(lambda a, v: np.correlate(a, v, mode))
    for n, m in SIZES[:-2] if dtype == np.int64 else SIZES:
        a, v = (g.integers(-9, 9, k).astype(dtype) * dtype(0.5 if dtype != np.int64 else 1) for k in (n, m))
        if dtype == np.complex128:
            a = a * (1 + 0.3j)
        for native, f in ((convolve, np.convolve), (correlate, np.correlate)):
            found, expected = native(a, v), f(a, v, mode)
            assert found.dtype == expected.dtype
            assert np.allclose(found, expected, rtol=1e-4 if dtype == np.float32 else 1e-12), (n, m)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (4, 3), (3, 6), (30, 5), (20, 20)])
def test_derivatives(n: int, m: int) -> None:
    g = np.random.default_rng(n)
    a, v = g.normal(size=n), g.normal(size=m)
    check(lambda a, v: np.sum(np.sin(np.convolve(a, v)) * np.arange(len(a) + len(v) - 1)), (a, v), argnums=(0, 1), rtol=1e-6)
    check(lambda a, v: np.sum(np.correlate(a, v, "same") ** 3), (a, v), argnums=(0, 1), rtol=1e-6)


def test_derivatives_of_many() -> None:
    """Against the sums themselves, written down."""
    g = np.random.default_rng(3)
    for n, m in ((1000, 30), (700, 600)):
        a, v, w = g.normal(size=n), g.normal(size=m), g.normal(size=n + m - 1)
        by_a, by_v = lj.jit(lj.grad(lambda a, v, w=w: np.sum(np.convolve(a, v) * w), (0, 1)))(a, v)
        assert np.allclose(by_a, np.correlate(w, v, "valid"))
        assert np.allclose(by_v, [w[k : k + n] @ a for k in range(m)])
        assert np.allclose(
            lj.jit(lambda a, v: lj.jvp(np.convolve, (a, v), (v[:1] * a, v)))(a, v)[1], np.convolve(v[0] * a, v) + np.convolve(a, v)
        )

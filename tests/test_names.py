"""NumPy's names that are seldom used, against NumPy: values, dtypes and shapes; derivatives of order 1 and 2 against differences."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .name_calls import SMOOTH, VALUES, given


def leaves(x: Any) -> list[Any]:
    return [y for part in x for y in leaves(part)] if isinstance(x, (list, tuple)) else [x]


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str) -> None:
    def f(arrays: Any) -> Any:
        d = SimpleNamespace(**arrays)
        return [call(d) for call in VALUES[name]]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = f(given())
    for i, (found, expected) in enumerate(zip(lj.jit(f)(given()), wanted, strict=True)):
        pairs = list(zip(leaves(found), leaves(expected), strict=True))
        for j, (x, y) in enumerate(pairs):
            where = f"call {i}, result {j}"
            assert np.shape(x) == np.shape(y), where
            assert np.ndim(y) == 0 or x.dtype == y.dtype, where
            close = 1e-6 if getattr(y, "dtype", None) == np.float32 else 1e-10
            np.testing.assert_allclose(np.asarray(x, float), np.asarray(y, float), rtol=close, atol=close, err_msg=where)


FLOATS = ("x", "y", "v", "w", "t", "sq", "c", "s")


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives(name: str) -> None:
    arrays = given()
    weights = [
        np.random.default_rng(i).normal(size=np.shape(y))
        for i, y in enumerate(leaves([call(SimpleNamespace(**arrays)) for call in SMOOTH[name]]))
    ]
    rng = np.random.default_rng(7)
    moves = {k: rng.normal(size=np.shape(arrays[k])) for k in FLOATS}

    def total(floats: Any) -> Any:
        found = leaves([call(SimpleNamespace(**{**arrays, **floats})) for call in SMOOTH[name]])
        return sum(np.sum(w * y) for w, y in zip(weights, found, strict=True))

    def slope(floats: Any) -> Any:
        return lj.jvp(total, (floats,), (moves,))[1]

    def moved(h: float) -> Any:
        return {k: arrays[k] + h * m for k, m in moves.items()}

    point, h = moved(0.0), 1e-6
    first = lj.jit(lj.grad(total))
    slopes = first(point)
    expected = (total(moved(h)) - total(moved(-h))) / (2 * h)
    np.testing.assert_allclose(sum(np.sum(moves[k] * slopes[k]) for k in FLOATS), expected, rtol=1e-6)
    second, up, down = lj.jit(lj.grad(slope))(point), first(moved(h)), first(moved(-h))
    for k in FLOATS:
        np.testing.assert_allclose(second[k], (up[k] - down[k]) / (2 * h), rtol=2e-5, atol=2e-4, err_msg=k)

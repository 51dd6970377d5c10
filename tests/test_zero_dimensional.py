"""Arrays without axes are scalars inside of compiled functions, with NumPy's values, dtypes and shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors

from .support import both

C = np.array(2.0)
ROWS: dict[str, Callable[[Any], Any]] = {
    "ones_like": lambda x: np.ones_like(x) + x,
    "zeros_like": lambda x: np.zeros_like(x) * 2 + x,
    "full_like": lambda x: np.full_like(x, 3.0) * x,
    "empty_like": lambda x: np.empty_like(x) * 0 + x,
    "zeros": lambda x: np.zeros(()) + np.zeros(np.shape(x)) + x,
    "empty": lambda x: np.empty(()) * 0 + x,
    "full": lambda x: np.full((), 2) * np.full((), x),
    "dtypes": lambda x: (np.zeros((), int) + 1, np.zeros((), bool) | (x > 0), np.zeros((), np.float32), np.ones_like(x, int), np.zeros_like(x, shape=(2,))),
    "array": lambda x: np.array(x) * np.asarray(x) * np.copy(x),
    "strong": lambda x: (np.array(2.0) * np.ones(2, np.float32), np.array(x) * np.ones(2, np.float32)),
    "reshape": lambda x: (np.asarray(x).reshape(()) * x, np.array([x]).reshape(()), np.asarray(x).reshape(1), np.reshape(x, (1, 1))),
    "squeeze": lambda x: np.squeeze(np.array([x])) * np.array([[x]]).squeeze(),
    "index": lambda x: (np.asarray(x)[()], np.asarray(x)[...], np.asarray(x)[None] * x, np.asarray(x)[..., None]),
    "flat": lambda x: (np.ravel(x), np.asarray(x).ravel(), np.asarray(x).flatten(), np.atleast_1d(x), np.expand_dims(x, 0)),
    "reductions": lambda x: (np.asarray(x).sum(), np.sum(x > 0), np.asarray(x).mean(), np.var(x), np.max(x), np.prod(x), np.any(x > 0), np.cumsum(x)),
    "methods": lambda x: (np.asarray(x).round(1), np.asarray(x).astype(np.float32), np.asarray(x).astype(int), np.asarray(x).item(), np.asarray(x).T),
    "ufuncs": lambda x: np.exp(np.zeros_like(x)) * np.maximum(np.zeros(()), x) * np.sin(C),
    "where": lambda x: np.where(x > 0, x, np.zeros_like(x)) + np.where(C > 1, x, C),
    "choose": lambda x: (np.select([x > 0], [x], np.zeros_like(x)), np.clip(x, np.zeros_like(x), 1.0), np.where(True, x, 0.0), np.nan_to_num(x)),
    "spread": lambda x: np.broadcast_to(np.zeros_like(x), (3,)) + x,
    "joined": lambda x: (np.stack([np.zeros_like(x), x]), np.array([np.array(x), np.ones(())]), np.hstack([x, np.ones(2)])),
    "positions": lambda x: ((np.arange(4.0) * x)[np.array(2)], np.take(np.arange(4.0) * x, np.array(2)), np.searchsorted(np.arange(4.0), x)),
    "captured": lambda x: C**x + x**C,
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("x", [2.5, np.array(2.5), np.float32(2.5), np.array(2)], ids=["float", "array", "float32", "ints"])
def test_values(name: str, x: Any) -> None:
    wanted = ROWS[name](x)
    for mode, found in both(ROWS[name], x).items():
        for a, b in zip(found, wanted, strict=True) if isinstance(wanted, tuple) else [(found, wanted)]:
            assert np.asarray(a).dtype == np.asarray(b).dtype, (mode, a, b)
            assert np.shape(a) == np.shape(b), (mode, a, b)
            np.testing.assert_allclose(a, b, 1e-14, err_msg=mode)


@pytest.mark.parametrize("name", [n for n, f in ROWS.items() if not isinstance(f(2.5), tuple) and np.shape(f(2.5)) == ()])
def test_gradients(name: str) -> None:
    f, x, h = ROWS[name], 2.5, 1e-5
    for found in (
        lj.jit(lj.grad(f))(x),
        lj.grad(f)(x),
        lj.jit(lj.grad(f))(np.array(x)),
        lj.jit(lambda x: lj.jvp(f, (x,), (np.ones_like(x),))[1])(x),
    ):
        assert found == pytest.approx(float(f(x + h) - f(x - h)) / (2 * h), rel=1e-8)


def test_tangents_and_cotangents() -> None:
    one = np.ones(())
    assert lj.jit(lambda x: lj.jvp(np.sin, (x,), (np.ones_like(x),))[1])(0.3) == np.cos(0.3)
    assert lj.jit(lambda x: lj.hvp(lambda y: y**3, (x,), (np.ones(()),)))(0.5) == pytest.approx(3.0)
    assert lj.jvp(np.sin, (0.3,), (one,))[1] == np.cos(0.3) == lj.vjp(np.sin, np.array(0.3))[1](one)[0]


def test_carried_by_loops_and_branches() -> None:
    def f(x: Any, n: int) -> Any:
        s, t = C, np.zeros(())
        for i in range(n):
            s = s * x
            t += x * i
        if x > 1.0:
            s = np.array(3.0) * s
        return s + t

    for mode, found in both(f, 1.5, 4).items():
        assert found == f(1.5, 4), mode
    assert lj.jit(lj.grad(f))(1.5, 4) == pytest.approx(6.0 * 4 * 1.5**3 + 6)


@pytest.mark.parametrize("index", [(), ...])
def test_writes_are_refused(index: Any) -> None:
    def computed(x: Any) -> Any:
        z = np.array(x)
        z[index] = 1.0
        return z

    def fresh(x: Any) -> Any:
        z = np.zeros(())
        z[index] = x
        return z

    for f in (computed, fresh):
        with pytest.raises(errors.UnsupportedOperationError, match=r"without axes.* is a scalar"):
            lj.jit(f)(1.5)

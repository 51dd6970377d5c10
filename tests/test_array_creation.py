"""New arrays in compiled code: zeros, ones, full, empty, like, copies; sizes may be traced."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from .support import Function, Runner, both, close

DTYPES = [np.float64, np.float32, np.int64, np.bool_]
Array = np.ndarray[Any, Any]


def sample(shape: tuple[int, ...], dtype: Any = np.float64, seed: int = 3) -> Array:
    x = np.random.default_rng(seed).uniform(-2, 3, shape)
    return x > 0 if dtype == np.bool_ else x.astype(dtype)


def creations(n: int, m: int, x: float, a: Array) -> Any:
    z, o, f = np.zeros(n), np.ones((n, m)), np.full((m,), x)
    e, g = np.empty((m, n)), np.full(n, 7)
    zl, ol, el, fl = np.zeros_like(a), np.ones_like(a), np.empty_like(a), np.full_like(a, x)
    c, d, l = a.copy(), np.copy(a), np.array([x, 2.0 * x, 1.0])  # noqa: E741
    for i in range(m):
        for j in range(n):
            e[i, j] = i * x + j
    for i in range(len(el)):
        el[i] = -1.0
    z[-1] = x
    return z, o, f, e, g, zl, ol, el, fl, c, d, l


def test_creation_at_traced_sizes() -> None:
    run = Runner(creations)
    for n, m in ((1, 2), (4, 3), (3, 0)):
        a = sample((n + 1,))
        for mode, out in run(n, m, 0.5, a).items():
            expected = creations(n, m, 0.5, a)
            close(out, expected, what=mode)
            assert [x.dtype for x in out] == [x.dtype for x in expected]


@pytest.mark.parametrize(("dtype", "fill"), [(np.float32, 1.5), (np.int64, 3), (np.bool_, True), ("f8", 2), (int, 1), (float, 1)])
def test_creation_with_a_dtype(dtype: Any, fill: Any) -> None:
    def f(n: int) -> Any:
        return (
            np.zeros(n, dtype),
            np.ones((n, 2), dtype=dtype),
            np.full(n, fill, dtype=dtype),
            np.empty(n, dtype=dtype).shape,
        )

    for out in both(f, 3).values():
        for x, y in zip(out, f(3), strict=True):
            close(x, y)
            assert getattr(x, "dtype", None) == getattr(y, "dtype", None)


SPELLINGS: dict[str, Function] = {
    "positional dtype": (lambda a: np.zeros_like(a, np.int64)),
    "keyword fill": (lambda a: np.full_like(a, fill_value=3.0)),
    "shape": (lambda a: np.zeros_like(a, shape=3)),
    "keywords": (lambda a: np.zeros(shape=len(a), dtype=int)),
    "full keywords": (lambda a: np.full(shape=(len(a),), fill_value=a[0])),
    "list": (lambda a: np.array([1, 2, 3], dtype=np.float64)),
    "rows": (lambda a: np.array([[1.0, 2.0], [3.0, 4.0]])),
    "asarray": (lambda a: np.asarray(a)),
    "arange": (lambda a: np.arange(4)),
}


def named(table: dict[str, Function]) -> list[Any]:
    return [pytest.param(f, id=name) for name, f in table.items()]


@pytest.mark.parametrize("f", named(SPELLINGS))
def test_creation_spellings(f: Function) -> None:
    a = sample((4,))
    for out in both(f, a).values():
        close(out, f(a))
        assert out.dtype == f(a).dtype


COPIES: dict[str, Function] = {
    "method": (lambda k: k.copy()), "np.copy": (np.copy), "np.array": (np.array),
    "np.zeros_like": (np.zeros_like), "np.full_like": (lambda k: np.full_like(k, 2.0)),
}  # fmt: skip


@pytest.mark.parametrize("copy", named(COPIES))
def test_copies_of_captured_arrays_can_be_written(copy: Function) -> None:
    k = np.array([1.0, 2.0, 4.0])

    def f(x: float, i: int) -> Any:
        mine = copy(k)
        mine[i] = mine[i] + x
        return mine

    for out in both(f, 0.5, 1).values():
        close(out, f(0.5, 1))
    close(k, np.array([1.0, 2.0, 4.0]), 0, 0)


def test_array_of_a_scalar_is_a_scalar() -> None:
    for out in both(lambda x: np.array(2.0) * x + np.array(x), 3.0).values():
        assert out == 9.0


def test_an_array_with_more_axes_is_a_view_unless_a_copy_is_asked_for() -> None:
    def f(b: Any) -> Any:
        c = np.array(b, ndmin=2, copy=None)
        c[0, 1] = 7.0
        d = np.array(b, ndmin=2)
        d[0, 0] = 9.0
        return b.copy(), c.shape, d.sum()

    wanted = f(np.arange(3.0))
    for found in both(lambda b: f(b * 1.0), np.arange(3.0)).values():
        close(found, wanted)

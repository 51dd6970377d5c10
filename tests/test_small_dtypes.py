"""Arguments and captured values of NumPy's other real dtypes are widened exactly; what cannot be is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors

from .support import both

WIDER = {
    "i1": "i4",
    "i2": "i4",
    "u1": "i4",
    "u2": "i4",
    "u4": "i8",
    "f2": "f4",
    ">i2": "i4",
    ">u4": "i8",
    ">f2": "f4",
    ">f8": "f8",
    ">i4": "i4",
}


def values(dtype: str) -> np.ndarray[Any, Any]:
    """The ends of the dtype, and some between."""
    d = np.dtype(dtype)
    ends = np.finfo("f2") if d.kind == "f" else np.iinfo(d)
    return np.array([ends.min, ends.max, 0, 1, 100, 3], d)


@pytest.mark.parametrize("dtype", WIDER)
def test_arguments(dtype: str) -> None:
    x = values(dtype)
    for view in (x, x[::2], x[::-1], x.reshape(2, 3).T):
        for found in both(lambda x: x.copy(), view).values():
            assert found.dtype == np.dtype(WIDER[dtype])
            np.testing.assert_array_equal(found, view)
        for found in both(lambda x: (np.sum(x * 0.5), x[0] * 0.5, np.max(x), x > 1), view).values():
            np.testing.assert_array_equal(found[0], np.sum(view.astype(WIDER[dtype]) * 0.5))
            np.testing.assert_array_equal(found[1], view[0].astype(np.dtype(WIDER[dtype])) * 0.5)
            np.testing.assert_array_equal(found[2], np.max(view))
            np.testing.assert_array_equal(found[3], view > 1)


@pytest.mark.parametrize("dtype", WIDER)
def test_scalars_and_arrays_without_axes(dtype: str) -> None:
    for x in values(dtype):
        for given in (x, np.array(x, dtype)):
            for found in both(lambda x: x + 1.0, given).values():
                assert found == x.astype(np.dtype(WIDER[dtype])) + 1.0


@pytest.mark.parametrize("dtype", WIDER)
def test_captured(dtype: str) -> None:
    c = values(dtype)
    scalar, long = c[1], np.resize(c, 100)

    def f(x: Any) -> Any:
        total = 0.0
        for v in long:
            total += v * x * 1e-3
        return c * x, c[1] * x, scalar * x, np.array(c), total

    for found in both(f, 0.5).values():
        wide = c.astype(np.dtype(WIDER[dtype]))
        np.testing.assert_array_equal(found[0], wide * 0.5)
        assert found[1] == found[2] == wide[1] * 0.5
        np.testing.assert_array_equal(found[3], wide)
        assert found[4] == pytest.approx(float(np.sum(np.resize(wide, 100) * 0.5e-3)), rel=1e-3)


def test_each_dtype_has_a_specialisation_of_its_own() -> None:
    """A program may ask which one it is."""
    f = lj.jit(lambda x: x + (1 if x.dtype == np.int8 else 2))
    for _ in range(2):
        for dtype in ("i1", "u2", ">i2", "i4"):
            assert f(np.array([1, 2], dtype)).tolist() == ([2, 3] if dtype == "i1" else [3, 4])
    assert len(f._dispatcher.made) == 4


def test_gradients() -> None:
    x = np.array([0.5, 1.5], np.float16)
    for g in (lj.jit(lj.grad(lambda x: np.sum(x * x * x))), lj.grad(lambda x: np.sum(x * x * x))):
        assert g(x).dtype == np.float32
        np.testing.assert_array_equal(g(x), 3 * x.astype("f4") ** 2)
    assert lj.jit(lj.grad(lambda w, x: np.sum(x * w)))(2.0, np.array([1, 200], np.uint8)) == 201.0


@pytest.mark.parametrize("x", [np.longdouble(1), *(np.ones(2, t) for t in ("u8", "g", "O", "U3", "M8[s]"))])
def test_refused(x: Any) -> None:
    for call in (lambda: lj.jit(lambda x: x)(x), lambda: lj.grad(lambda x: np.sum(x))(x)):
        with pytest.raises(
            errors.ArgumentTypeError, match=r"dtype .*convert it to float64, float32, complex128, complex64, int64, int32 or bool"
        ):
            call()
    if x.ndim:
        with pytest.raises(
            errors.ArgumentTypeError, match=r"dtype .*convert it to float64, float32, complex128, complex64, int64, int32 or bool"
        ):
            lj.jit(lambda y: y * x)(1.0)

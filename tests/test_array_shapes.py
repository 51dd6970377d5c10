"""Shapes of whole arrays: broadcasting that is decided at the call, errors in NumPy's words, sizes of 0 and 1, views."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import scipy.linalg
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

import lantern_jit as lj
from lantern_jit import errors

from .support import both, close, interpret, specialisations

HERE = "test_array_shapes.py:"


def g(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# ---- broadcasting
def blend(x: Any, y: Any) -> Any:
    return np.sum(np.exp(x) * y + x)


PAIRS = [
    ((3, 4), (3, 4)),
    ((3, 4), (1, 4)),
    ((3, 1), (3, 4)),
    ((1, 1), (3, 4)),
    ((2, 5), (2, 5)),
    ((1, 4), (3, 1)),
    ((0, 4), (1, 4)),
    ((1, 1), (1, 1)),
]


def test_one_function_broadcasts_what_the_call_says() -> None:
    value, gradient = lj.jit(blend), lj.jit(lj.grad(blend, (0, 1)))
    for s, t in PAIRS:
        x, y = g(1).normal(size=s), g(2).normal(size=t)
        np.testing.assert_allclose(value(x, y), blend(x, y))
        dx, dy = gradient(x, y)
        full = np.broadcast_shapes(s, t)
        ex = np.broadcast_to(np.exp(x) * y + 1, full)
        ey = np.broadcast_to(np.exp(x), full)
        np.testing.assert_allclose(dx, collapse(ex, s), atol=1e-12)
        np.testing.assert_allclose(dy, collapse(ey, t), atol=1e-12)
    assert specialisations(value) == 1


def collapse(a: Any, shape: tuple[int, ...]) -> Any:
    """The sum over the axes that broadcasting has stretched."""
    axes = tuple(i for i, n in enumerate(shape) if n == 1)
    return a.sum(axis=axes, keepdims=True) if axes else a


def test_sizes_that_differ() -> None:
    x, y = np.ones((3, 4)), np.ones((2, 4))
    for run in (lj.jit(blend), lambda *a: interpret(blend, *a)):
        with pytest.raises(ValueError, match=r"operands could not be broadcast together: sizes 3 and 2 .*" + HERE):
            run(x, y)
    f = lj.jit(blend)
    f(np.ones((3, 1)), np.ones((3, 4)))  # now in the form that broadcasts
    with pytest.raises(errors.ArrayShapeError, match="operands could not be broadcast together: sizes 3 and 2"):
        f(x, y)
    assert f(x, x) == pytest.approx(12 * (np.e + 1))


def test_an_inner_size_that_turns_out_to_be_one() -> None:
    f = lj.jit(lambda x, y: np.sum(x[1:] * y))
    assert f(np.ones(5), np.ones(4)) == 4
    assert f(np.ones(2), np.ones(4)) == 4
    with pytest.raises(errors.ArrayShapeError, match="could not be broadcast"):
        f(np.ones(4), np.ones(4))


def test_c_callers_get_the_form_that_broadcasts() -> None:
    f = lj.jit(lambda x, y: np.sum(x * y)).lower(np.ones(3), np.ones(3)).ctypes
    x, y = np.arange(3.0), np.ones(1)
    assert f(x, 3, y, 1) == 3.0
    assert f(x, 3, x, 3) == 5.0


# ---- errors
def writes_too_much(a: Any, b: Any) -> Any:
    c = a.copy()
    c[:] = b
    return c


def adds_floats_to_ints(a: Any) -> Any:
    c = a.copy()
    c += 0.5
    return c


M, V = np.ones((3, 4)), np.ones(3)
ERRORS: list[tuple[Callable[..., Any], tuple[Any, ...], type[Exception], str]] = [
    (lambda a: a @ a, (M,), ValueError, r"matmul: the inner sizes of `@` differ, \(\?, \?\) and \(\?, \?\): sizes 4 and 3"),
    (lambda a, b: a @ b, (M, V), ValueError, "inner sizes of `@` differ"),
    (lambda x: np.zeros((2, 3)) + np.zeros((2, 4)), (1.0,), ValueError, r"operands could not be broadcast together with shapes \(2, 3\) \(2, 4\)"),
    (lambda x: np.zeros(6).reshape(4, 2), (1.0,), ValueError, r"cannot reshape array of size 6 into shape \(4, 2\)"),
    (lambda a: a.reshape(5, -1), (M,), ValueError, "cannot reshape array of size"),
    (lambda a: a.reshape(-1, -1), (M,), ValueError, "can only specify one unknown dimension"),
    (lambda a: np.sum(a, axis=2), (M,), ValueError, "axis 2 is out of bounds for array of dimension 2"),
    (lambda a: np.sum(a, axis=(0, 0)), (M,), ValueError, "duplicate value in 'axis'"),
    (lambda a, b: np.concatenate([a, b]), (M, V), ValueError, "all the input array dimensions except for the concatenation axis must match exactly"),
    (lambda a, b: np.concatenate([a, b]), (M, np.ones((3, 5))), ValueError, "must match exactly: sizes 4 and 5"),
    (lambda a: a[3], (M,), IndexError, "index 3 is out of bounds for axis 0 with size 3"),
    (lambda a: a[:, -5], (M,), IndexError, "index -5 is out of bounds for axis 1 with size 4"),
    (lambda a, i: a[i], (V, np.array([0, 3])), IndexError, "index 3 is out of bounds for axis 0 with size 3"),
    (lambda a: a[0, 0, 0], (M,), IndexError, "too many indices for array: array is 2-dimensional, but 3 were indexed"),
    (lambda a, m: a[m], (V, np.array([True, False])), IndexError, "boolean index did not match indexed array along axis 0: sizes 3 and 2"),
    (lambda a: a[1.5], (V,), IndexError, "array indices must be ints"),
    (lambda a: a[np.array([0.5])], (V,), IndexError, "arrays used as indices must be of integer"),
    (writes_too_much, (V, np.ones(2)), ValueError, "could not be broadcast"),
    (lambda a: np.squeeze(a, 0), (M,), ValueError, "cannot select an axis to squeeze out which has size not equal to one"),
    (lambda a: np.split(a, 2), (M,), ValueError, "array split does not result in an equal division"),
    (lambda a: np.linalg.solve(a, a), (M,), np.linalg.LinAlgError, "Last 2 dimensions of the array must be square"),
    (lambda a: np.linalg.inv(a), (V,), np.linalg.LinAlgError, "1-dimensional array given. Array must be at least 2-dimensional"),
    (lambda a: np.linalg.inv(a), (np.ones((2, 2)),), np.linalg.LinAlgError, "Singular matrix"),
    (lambda a: np.linalg.cholesky(a), (-np.eye(2),), np.linalg.LinAlgError, "Matrix is not positive definite"),
    (lambda a: scipy.linalg.solve_triangular(a, a), (np.zeros((2, 2)),), np.linalg.LinAlgError, "singular matrix"),
    (lambda a: np.einsum("ij,jk->iz", a, a), (M,), ValueError, "output subscript 'z' is in no operand"),
    (lambda a: np.einsum("ijk->i", a), (M,), ValueError, "operand has 2 axes but subscripts 'ijk'"),
    (lambda a: np.max(a[:, :0]), (M,), ValueError, "zero-size array to reduction operation maximum which has no identity"),
    (lambda a, n: np.max(a[:n]), (V, 0), ValueError, "zero-size array to reduction operation maximum which has no identity"),
    (lambda a: np.stack([a, a[:2]]), (V,), ValueError, "must match exactly"),
    (lambda a: a.transpose(0, 0), (M,), ValueError, "axes don't match array"),
    (lambda a: (a > 0) - (a > 1), (V,), TypeError, "numpy boolean subtract"),
    (adds_floats_to_ints, (np.arange(3),), TypeError, "Cannot cast the result of `\\+=` from float64 to int64"),
    (lambda a: np.zeros((2, -1)), (V,), ValueError, "an array size is negative"),
    (lambda a: bool(a > 0), (V,), TypeError, "truth value of an array is ambiguous"),
]  # fmt: skip


@pytest.mark.parametrize(("f", "args", "kind", "text"), ERRORS, ids=[e[3][:40] for e in ERRORS])
def test_errors_in_numpys_words(f: Callable[..., Any], args: tuple[Any, ...], kind: type[Exception], text: str) -> None:
    for run in (lj.jit(f), lambda *a: interpret(f, *a)):
        with pytest.raises(kind, match=text) as caught:
            run(*args)
        assert HERE in str(caught.value)


def test_the_library_works_after_an_error() -> None:
    f = lj.jit(lambda a: np.linalg.inv(a))
    for _ in range(20):
        with pytest.raises(errors.LinAlgError):
            f(np.ones((3, 3)))
        np.testing.assert_allclose(f(2 * np.eye(3)), 0.5 * np.eye(3))


# ---- sizes of zero
EMPTY: list[Callable[[Any], Any]] = [
    lambda x: x + 1.0, np.sum, lambda x: np.sum(x, axis=0), lambda x: np.prod(x), lambda x: np.cumsum(x, axis=0), lambda x: x.T @ x, lambda x: x @ x.T,
    lambda x: np.sort(x, axis=0), lambda x: x[x > 0], lambda x: np.concatenate([x, x]), lambda x: np.any(x > 0), lambda x: np.all(x > 0),
    lambda x: np.linalg.norm(x), lambda x: x.reshape(-1), lambda x: np.diff(x, axis=1), lambda x: np.linalg.inv(x[:, :0].T @ x[:, :0]),
    lambda x: np.linalg.cholesky(x[:, :0].T @ x[:, :0]), lambda x: np.linalg.det(x[:, :0].T @ x[:, :0]),
    lambda x: scipy.special.logsumexp(np.concatenate([x, np.ones((1, 3))])), lambda x: np.argsort(x, axis=0),
]  # fmt: skip


@pytest.mark.parametrize("i", range(len(EMPTY)))
def test_arrays_without_elements(i: int) -> None:
    f, x = EMPTY[i], np.zeros((0, 3))
    expected = f(x)
    for out in both(f, x).values():
        assert np.shape(out) == np.shape(expected)
        np.testing.assert_allclose(out, expected)
    assert lj.jit(lj.grad(lambda x: np.sum(x * x) + np.sum(np.cumsum(x, axis=0))))(x).shape == (0, 3)


# ---- degenerate matrices
def test_repeated_eigenvalues_of_an_invariant_function() -> None:
    """Where eigenvalues meet, eigenvectors have no derivative; a symmetric function of the eigenvalues does."""
    f = lj.jit(lj.grad(lambda a: np.sum(np.linalg.eigvalsh(a) ** 3)))
    for a in (np.eye(3), np.diag([1.0, 1.0, 2.0])):
        np.testing.assert_allclose(f(a), np.tril(3 * a @ a), atol=1e-12)


def test_lstsq_of_a_matrix_without_full_rank() -> None:
    a, b = np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]), np.array([1.0, 2.0, 4.0])
    x, _, rank, s = lj.jit(lambda a, b: np.linalg.lstsq(a, b))(a, b)
    expected = np.linalg.lstsq(a, b)
    np.testing.assert_allclose(x, expected[0])
    assert rank == 1
    np.testing.assert_allclose(s, expected[3], atol=1e-12)


def test_the_determinant_of_a_singular_matrix() -> None:
    a = np.array([[1.0, 2.0], [2.0, 4.0]])
    assert lj.jit(np.linalg.det)(a) == 0.0
    assert np.isneginf(lj.jit(lambda a: np.linalg.slogdet(a)[1])(a))
    with pytest.raises(errors.LinAlgError, match="Singular matrix"):
        lj.jit(lj.grad(np.linalg.det))(a)


# ---- views and writes
def through_views(a: Any) -> Any:
    row = a[1]
    row[0] = 5.0
    a.T[2] = row[:3]
    tail = a[1:]
    tail[:, ::-1][:, 1] += 1.0
    a[::2] *= 2.0
    a[1:] = a[:-1]
    return a, row, tail[0], a.T


def swaps(a: Any) -> Any:
    a[0], a[1] = a[1].copy(), a[0].copy()
    a += a.T
    return a


def carried(a: Any, n: int) -> Any:
    row = a[0]
    for i in range(n):
        row[1] += 1.0
        row = a[i]
        row[0] = row[1] * 2.0
    return a, row


def chosen(a: Any, x: float) -> Any:
    v = a[0] if x > 0 else a[1]
    v[0] = x
    return a, v


@pytest.mark.parametrize(("f", "rest"), [(through_views, ()), (swaps, ()), (carried, (3,)), (chosen, (2.0,)), (chosen, (-2.0,))])
def test_views_name_the_elements_of_their_array(f: Callable[..., Any], rest: tuple[Any, ...]) -> None:
    a = g().normal(size=(3, 3))
    expected = f(a.copy(), *rest)
    for out in both(f, a, *rest).values():
        for x, y in zip(out if isinstance(out, tuple) else (out,), expected if isinstance(expected, tuple) else (expected,), strict=True):
            np.testing.assert_allclose(x, y)
    written, native = a.copy(), a.copy()
    f(written, *rest)
    lj.jit(f)(native, *rest)
    np.testing.assert_allclose(native, written)


def test_gradients_through_views_and_writes() -> None:
    def f(a: Any, n: int) -> Any:
        b = a * 1.0
        for i in range(n):
            row = b[i]
            row *= b[0] + 1.0
            b[1:, 0] += row[1] * b[:-1, 0]
        return np.sum(through_views(b)[0] ** 2)

    a = 0.5 * g(3).normal(size=(3, 3))
    d = g(4).normal(size=(3, 3))
    h = 1e-6
    expected = (f(a + h * d, 3) - f(a - h * d, 3)) / (2 * h)
    for out in both(lj.grad(f), a, 3).values():
        np.testing.assert_allclose(np.sum(out * d), expected, rtol=1e-7)


def test_an_empty_array_is_zeros_until_it_is_written() -> None:
    def f(n: int, x: float) -> Any:
        a, b, c = np.empty(n), np.empty(n), np.empty((n, 2))
        a[0] = x
        if x > 0:
            a[1:] = 1.0
        b[: n - 1] = x
        c[:, 0] = x
        return a, b, c

    lj.jit(lambda n: np.full(n, 7.0) * 1.0)(1000)  # leaves something in the memory
    for x in (1.0, -1.0):
        a, b, c = lj.jit(f)(5, x)
        assert a.tolist() == ([1.0] * 5 if x > 0 else [x, 0, 0, 0, 0])
        assert b.tolist() == [x] * 4 + [0.0]
        assert c[:, 1].tolist() == [0.0] * 5


# ---- any shapes, strides, dtypes and indices
SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)
DTYPES = st.sampled_from([np.float64, np.float32, np.int64, np.int32, np.bool_])


def made(shape: tuple[int, ...], dtype: Any, seed: int) -> Any:
    a = g(seed).normal(size=shape) * 3
    return (a > 0) if dtype is np.bool_ else a.astype(dtype)


@st.composite
def arrays(draw: Any, shapes: Any = SHAPES) -> Any:
    """An array of any shape and dtype: contiguous, transposed, reversed or with steps."""
    shape, dtype = draw(shapes), draw(DTYPES)
    kind = draw(st.sampled_from(["plain", "transposed", "reversed", "strided"]))
    if kind == "strided":
        return made(tuple(2 * n for n in shape), dtype, 1)[tuple(slice(None, None, 2) for _ in shape)]
    a = made(shape[::-1] if kind == "transposed" else shape, dtype, 1)
    return a.T if kind == "transposed" else a[::-1] if kind == "reversed" else a


def compare(f: Callable[..., Any], *args: Any) -> None:
    """Native code and the interpreter give what NumPy gives, or all three refuse."""
    try:
        with np.errstate(all="ignore"):
            expected: Any = f(*args)
    except (ValueError, IndexError, TypeError) as e:
        expected = e
    for run in (lj.jit(f), lambda *a: interpret(f, *a)):
        if isinstance(expected, Exception):
            with pytest.raises((ValueError, IndexError, TypeError)):
                run(*args)
            continue
        out = run(*args)
        assert np.shape(out) == np.shape(expected)
        if np.ndim(expected):
            assert out.dtype == expected.dtype
        np.testing.assert_allclose(
            np.asarray(out, float), np.asarray(expected, float), rtol=1e-5 if np.asarray(expected).dtype == np.float32 else 1e-12
        )


FUNCTIONS: list[Callable[[Any, Any], Any]] = [
    lambda x, y: x + y,
    lambda x, y: x * y - x,
    lambda x, y: np.maximum(x, y),
    lambda x, y: x < y,
    lambda x, y: np.where(x > y, x, y),
]


@settings(max_examples=60, deadline=None)
@given(
    hnp.mutually_broadcastable_shapes(num_shapes=2, min_dims=1, max_dims=3, max_side=3),
    DTYPES,
    DTYPES,
    st.sampled_from(range(len(FUNCTIONS))),
)
def test_elementwise_of_any_shapes_and_dtypes(shapes: Any, d1: Any, d2: Any, which: int) -> None:
    (s, t), _ = shapes
    if which == 1 and d1 is np.bool_:
        return
    compare(FUNCTIONS[which], made(s, d1, 1), made(t, d2, 2))


REDUCTIONS = ["sum", "mean", "max", "min", "prod", "argmax", "argmin", "any", "all", "std", "cumsum"]


@settings(max_examples=60, deadline=None)
@given(arrays(), st.sampled_from(REDUCTIONS), st.sampled_from([None, 0, -1, 1]), st.booleans())
def test_reductions_of_any_arrays(a: Any, name: str, axis: Any, keep: bool) -> None:
    if name == "cumsum":
        return compare(lambda x: np.cumsum(x, axis=axis), a)
    with np.errstate(all="ignore"):
        if a.size == 0 and name in ("mean", "std"):
            return None
        return compare(lambda x: getattr(np, name)(x, axis=axis, keepdims=keep), a)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_basic_and_fancy_indices(data: Any) -> None:
    a = data.draw(arrays(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)))
    index = data.draw(hnp.basic_indices(a.shape, allow_newaxis=True, max_dims=5) | hnp.integer_array_indices(a.shape) | st.just(a > 0))
    compare(lambda x: x[index] * 1 if not isinstance(x[index], (bool, np.bool_)) else x[index], a)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_writes_by_any_index(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    a = made(shape, np.float64, 1)
    index = data.draw(hnp.basic_indices(shape) | hnp.integer_array_indices(shape) | st.just(a > 0))
    v = g(2).normal(size=np.shape(a[index]))

    def f(x: Any, v: Any) -> Any:
        y = x * 1.0
        y[index] = v
        return y

    compare(f, a, v)
    w = g(3).normal(size=shape)
    da, dv = lj.jit(lj.grad(lambda x, v: np.sum(f(x, v) * w), (0, 1)))(a, v) if v.ndim else (None, None)
    if da is not None:
        d, e = g(4).normal(size=shape), g(5).normal(size=v.shape)
        expected = np.sum(f(a + d, v + e) * w) - np.sum(f(a, v) * w)  # it is linear
        np.testing.assert_allclose(np.sum(da * d) + np.sum(dv * e), expected, atol=1e-9)


# ---- sizes beyond all memory, and functions' own refusals
def test_absurd_sizes_are_refused() -> None:
    for f, n in (
        (lambda n: np.eye(n), 2**32),
        (lambda n: np.tile(np.ones((3, 4)), n), 2**62),
        (lambda n: np.broadcast_to(np.ones(4), (n, 4)), 2**62),
        (lambda n: np.repeat(np.ones(4), n), -1),
        (lambda n: np.linspace(0.0, 1.0, n), -3),
    ):
        with pytest.raises(errors.ArrayShapeError, match="an array size is negative or too large"):
            lj.jit(f)(n)
    with pytest.raises(MemoryError, match="do not fit in the"):
        lj.jit(lambda n: np.zeros(n))(10**15)
    assert lj.jit(lambda n: np.eye(n))(2).tolist() == [[1, 0], [0, 1]]


REFUSED: list[tuple[Callable[..., Any], type[Exception], str]] = [
    (lambda a: np.transpose(a, (2, 3)), ValueError, "axis 2 is out of bounds"),
    (lambda a: np.diagonal(a, 0, 1, 1), ValueError, "axis1 and axis2 cannot be the same"),
    (lambda a: np.cross(a, a), ValueError, "dimension must be 2 or 3"),
    (lambda a: np.pad(a, -1), ValueError, "can't contain negative values"),
    (lambda a: np.split(a, -1), ValueError, "number sections must be larger than 0"),
    (lambda a: np.einsum("i->ii", a[0]), ValueError, "output subscript 'i' is there several times"),
    (lambda a: np.einsum("ii->i", a), ValueError, "don't match"),
    (lambda a: np.linalg.inv(a[0, 0]), np.linalg.LinAlgError, "0-dimensional array given"),
    (lambda a: a.astype(int) ** -1, ValueError, "Integers to negative integer powers"),
]


@pytest.mark.parametrize(("f", "kind", "text"), REFUSED, ids=[r[2][:30] for r in REFUSED])
def test_functions_refuse_what_numpy_refuses(f: Callable[..., Any], kind: type[Exception], text: str) -> None:
    for run in (lj.jit(f), lambda a: interpret(f, a)):
        with pytest.raises(kind, match=text) as caught:
            run(M)
        assert HERE in str(caught.value)


def test_results_at_the_edges_are_numpys() -> None:
    for f, x in (
        (np.median, np.array([1.0, np.nan, 3.0])), (lambda x: np.std(x, ddof=4), np.arange(3.0)), (lambda x: np.array_equal(x, x[:2]), np.zeros(2)),
        (lambda x: np.diag(x, 9), np.ones((2, 3))), (lambda x: np.convolve(x[:2], x, "valid"), np.arange(5.0)),
    ):  # fmt: skip
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = f(x)
        for out in both(f, x).values():
            np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize(
    ("named", "f"),
    [
        ("order='K'", lambda a: np.ravel(a, "K")),
        ("order='A'", lambda a: a.reshape(-1, order="A")),
        ("scipy.linalg.eigh with eigvals_only=", lambda a: scipy.linalg.eigh(a, eigvals_only=True)),
    ],
)
def test_arguments_that_would_change_the_result_are_refused_and_never_left_out(named: str, f: Callable[..., Any]) -> None:
    with pytest.raises(errors.UnsupportedOperationError, match=re.escape(named)):
        lj.jit(f)(np.array([[3.0, 1.0], [2.0, 4.0]]))


def test_arguments_that_choose_a_triangle_or_how_nan_compares_are_followed() -> None:
    a = np.array([[3.0, 1.0], [2.0, 4.0]])  # not symmetric: the triangles differ
    for lower in (True, False):
        np.testing.assert_allclose(
            lj.jit(lambda a, lower=lower: scipy.linalg.eigh(a, lower=lower)[0])(a), scipy.linalg.eigh(a, lower=lower)[0]
        )
    for uplo in "lLuU":
        np.testing.assert_allclose(lj.jit(lambda a, uplo=uplo: np.linalg.eigvalsh(a, uplo))(a), np.linalg.eigvalsh(a, uplo))
    np.testing.assert_allclose(lj.jit(lambda a: scipy.linalg.solve(a, a[0], check_finite=False))(a), scipy.linalg.solve(a, a[0]))
    nan = np.array([1.0, np.nan])
    assert lj.jit(lambda a, b: np.array_equal(a, b, equal_nan=True))(nan, nan)
    assert not lj.jit(lambda a, b: np.array_equal(a, b))(nan, nan)
    assert not lj.jit(lambda a, b: np.array_equal(a, b, equal_nan=True))(nan, np.array([2.0, np.nan]))


OTHER_SHAPES: list[tuple[str, Callable[[Any], Any]]] = [
    ("ravel of what goes backwards", lambda b: b[::-1].ravel()),
    ("ravel of every second", lambda b: np.ravel(b[::2])),
    ("ravel of some", lambda b: b[2:5].ravel()),
    ("contiguous, backwards", lambda b: np.ascontiguousarray(b[::-1])),
    ("contiguous", lambda b: np.ascontiguousarray(b[2:])),
    ("by columns", lambda b: np.asfortranarray(b.reshape(3, 4))),
    ("by columns, of columns", lambda b: np.asfortranarray(b.reshape(3, 4).T)),
    ("asarray by columns", lambda b: np.asarray(b.reshape(3, 4), order="F")),
    ("asarray", lambda b: np.asarray(b[::-1])),
    ("the same shape", lambda b: b[::-1].reshape(-1)),
    ("the same shape by columns", lambda b: b.reshape(3, 4).reshape((3, 4), order="F")),
    ("backwards in rows", lambda b: b[::-1].reshape(3, 4)),
    ("some rows in parts", lambda b: b.reshape(3, 4)[::2].reshape(2, 2, 2)),
    ("columns in parts", lambda b: b.reshape(3, 4).T.reshape(2, 2, 3)),
    ("columns in a row", lambda b: b.reshape(3, 4).T.reshape(-1)),
    ("columns ravelled", lambda b: b.reshape(3, 4).T.ravel()),
    ("some columns ravelled", lambda b: b.reshape(3, 4)[:, 1:3].ravel()),
    ("some columns in a row", lambda b: b.reshape(3, 4)[:, 1:3].reshape(-1)),
    ("a row each", lambda b: b.reshape(3, 4)[:, :2].reshape(3, 2, 1)),
    ("ravel by columns", lambda b: b.reshape(3, 4).ravel(order="F")),
]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("change", [f for _, f in OTHER_SHAPES], ids=[name for name, _ in OTHER_SHAPES])
def test_a_write_to_another_shape_is_one_to_the_array_where_it_is_in_numpy(change: Callable[[Any], Any], known: bool) -> None:
    def f(x: Any) -> Any:
        b = np.arange(12.0) * x[0] if known else x * 2.0
        a = change(b)
        a[...] = 5.0
        return b, a * 1.0

    x = np.arange(1.0, 13.0)
    try:
        found, refused = lj.jit(f)(x), False
    except lj.errors.UnsupportedOperationError as error:
        found, refused = None, "reshaped or repeated view" in str(error)
    if refused:  # what NumPy copies can be written, if its size is known
        assert np.shares_memory(change(x), x) or not known
    else:
        close(found, f(x))


SAME_SHAPE: dict[str, Callable[[Any], Any]] = {
    "[:]": lambda a: a[:],
    "[...]": lambda a: a[...],
    "T": lambda a: a.T,
    "transpose": np.transpose,
    "ravel": lambda a: a.ravel(),
    "np.ravel": np.ravel,
    "reshape": lambda a: a.reshape(a.shape),
    "reshape(-1)": lambda a: a.reshape(-1),
    "view": lambda a: a.view(),
    "moveaxis": lambda a: np.moveaxis(a, 0, 0),
    "swapaxes": lambda a: a.swapaxes(0, 0),
    "broadcast_to": lambda a: np.broadcast_to(a, a.shape),
    "expand_dims": lambda a: np.expand_dims(a, 0)[0],
    "squeeze": np.squeeze,
    "asarray": np.asarray,
    "ascontiguousarray": np.ascontiguousarray,
    "asfortranarray": np.asfortranarray,
    "atleast_1d": np.atleast_1d,
    "broadcast_arrays": lambda a: np.broadcast_arrays(a, a)[0],
    "astype": lambda a: a.astype(a.dtype, copy=False),
    "copy": lambda a: a.copy(),
}


@pytest.mark.parametrize("dtype", [float, np.float32, int, complex])
@pytest.mark.parametrize("shape", [(6,), (2, 3)])
@pytest.mark.parametrize("change", SAME_SHAPE.values(), ids=SAME_SHAPE)
def test_a_view_of_all_of_an_array_is_not_the_array(change: Callable[[Any], Any], shape: tuple[int, ...], dtype: Any) -> None:
    a = np.arange(6).reshape(shape).astype(dtype)
    assert lj.jit(lambda a: change(a) is a)(a) is (change(a) is a)

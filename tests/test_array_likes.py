"""NumPy's functions take lists, tuples and nested lists of traced numbers and arrays, one array for a sequence of arrays, and
NumPy's keywords; results are NumPy's in value, shape and dtype."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special

import lantern_jit as lj
from lantern_jit.ir.numpy import arguments
from lantern_jit.ir.numpy.arguments import WITHOUT_EFFECT
from lantern_jit.ir.numpy.registry import Entry, every
from lantern_jit.ir.values import pytree

from .support import both, interpret

OF_NUMBERS: list[Callable[[Any], Any]] = [
    lambda x: (np.mean([x, x + 2]), np.sum((x, 2 * x)), np.max([x, 1.0]), np.prod([x, x, 2.0]), np.std([x, 1.0, 3.0], ddof=1), np.median([x, 1.0, 7.0])),
    lambda x: (np.any([x > 1, x > 5]), np.all([x > 1, x > 5]), np.argmax([x, 4.0, 1.0]), np.count_nonzero([x > 1, x > 5]), np.ptp([x, 1.0])),
    lambda x: (np.array([[x, 1.0], [x * x, 2.0]]), np.array([np.array([x, 1.0]), (2.0, x)]), np.asarray([x, 1.0], dtype=np.float32)),
    lambda x: (np.mean([np.array([x, 1.0]), [2.0, x]], axis=0), np.sum([[x, 1], [2, x]], axis=0), np.sum([[[x, 1.0]], [[2.0, x]]])),
    lambda x: (np.stack([[x, 1.0], [2.0, x]]), np.stack((x, 2 * x)), np.hstack([x, [x, 2.0], np.arange(3)]), np.vstack([[x, 1.0], [2.0, x]])),
    lambda x: (np.column_stack([[x, 1.0], [2.0, x]]), np.dstack([[x, 1.0], [2.0, x]]), np.concatenate(([x], np.ones(2))), np.append([x, 2 * x], 4.0)),
    lambda x: (np.r_[x, x, 1.0], np.r_[np.array([x, 2.0]), 3.0, 0:3], np.c_[np.array([x, 2.0]), [1.0, x]], np.r_[0 : x - x + 2 : 4j]),
    lambda x: np.block([[np.eye(2) * x, np.ones((2, 1))], [np.zeros((1, 2)), x]]),
    lambda x: (np.dot([x, x], [1.0, x]), np.linalg.norm([x, 2 * x]), np.outer([x, 1.0], [2.0, x]), np.matmul([[x, 1.0], [2.0, x]], [x, 1.0])),
    lambda x: (np.inner([x, 1.0], [2.0, x]), np.vdot([x, 1.0], [2.0, x]), np.kron([x, 1.0], [1.0, 2.0]), np.cross([x, 0.0, 1.0], [0.0, x, 2.0])),
    lambda x: (np.einsum("i,i->", [x, 1.0], [2.0, x]), np.tensordot([x, 1.0], [2.0, x], 1), np.trace([[x, 1.0], [2.0, x]]), np.diag([x, 2.0])),
    lambda x: (np.linalg.solve([[x, 1.0], [0.0, x]], [1.0, x]), np.linalg.det([[x, 1.0], [0.5, x]]), np.linalg.inv([[x, 1.0], [0.5, x]])),
    lambda x: (np.where(x > 1, [x, 2 * x], 0), np.where([x > 1, x > 5], [x, 2 * x], [0, 1]), np.select([x > 5, x > 1], [x, 2 * x], 0.0)),
    lambda x: (np.sin([x, 1.0]), np.add([x, 1.0], 2.0), np.hypot([x, 1.0], 2.0), np.maximum([x, 1.0], [2.0, 2.0]), np.logaddexp.reduce([x, 1.0])),
    lambda x: (np.add.reduce([x, 1.0, x]), np.maximum.reduce([np.array([x, 1.0]), np.array([2.0, 2.0])]), np.multiply.outer([x, 1.0], [x, 2.0])),
    lambda x: (np.interp(x, [0.0, 2.0, 4.0], [0.0, x, 2 * x]), np.polyval([x, 1.0, 2.0], 2.0), np.polyval([1.0, x], [1.0, 2.0])),
    lambda x: (np.cumsum([x, 1.0, 2]), np.sort([x, 4.0, 1.0]), np.diff([x, 1.0, 2.0], prepend=0.0), np.trapezoid([x, 1.0, 2.0], dx=0.5)),
    lambda x: (np.take([x, 1.0, 2.0], [0, 2]), np.tile([x, 1.0], 2), np.roll([x, 1.0, 2.0], 1), np.pad([x, 1.0], 1), np.reshape([x, 1.0, 2.0, x], (2, 2))),
    lambda x: (np.average([x, 1.0], weights=[1.0, 3.0]), np.clip([x, 4.0, -1.0], 0, 2), np.full((2, 2), [x, 1.0]), np.meshgrid([x, 1.0], [2.0, x])),
    lambda x: (np.array_equal([x, 1.0], [x, 1.0]), np.allclose([x, 1.0], [x, 1.0]), np.shape([x, 1.0]), np.ndim([x, 1.0]), np.size([[x, 1.0]], 1)),
    lambda x: (np.float64(x) * 2, np.float32(x), np.int64(x), np.bool_(x), np.array([x, -x]) @ [1.0, 2.0], [x, 1.0] * np.ones(2) + (1.0, x), scipy.special.logsumexp([x, 1.0])),
    lambda x: (x, np.arange(3), 3, True, np.array([1, 2], np.int32), [np.ones(2)], {"a": np.eye(2)}),
]  # fmt: skip

OF_AN_ARRAY: list[Callable[[Any], Any]] = [
    lambda a: (np.vstack(a), np.hstack(a), np.stack(a), np.stack(a, axis=1), np.stack(a, -1), np.column_stack(a), np.dstack(a), np.concatenate(a)),
    lambda a: (np.r_[a, a], np.c_[a, a], np.append(a, a, axis=0), np.append(a, 1.0), np.block([[a, a], [a, a]]), np.vstack((a, np.ones_like(a[0])))),
    lambda a: (np.transpose(a, axes=(1, 0)), np.reshape(a, shape=(3, -1)), a.reshape(3, -1), a.transpose(1, 0), np.squeeze(a[:1], axis=0)),
    lambda a: (np.mean(a, axis=1, keepdims=True), np.mean(a, dtype=np.float32), a.sum(axis=0, dtype=np.float32), a.std(axis=0, ddof=1), np.var(a, correction=1)),
    lambda a: (a.sum(where=a > 2), np.prod(a, where=a > 2, initial=2.0), np.mean(a, axis=1, where=a > 1), np.std(a, axis=1, where=a > 0.6)),
    lambda a: (a.max(axis=0, initial=3.0), np.min(a, initial=9.0, where=a > 2), np.any(a > 2, where=a < 3), np.all(a > 2, axis=0, where=a > 2)),
    lambda a: (np.sum(a, axis=0, out=np.empty(3)), np.exp(a, out=np.empty((2, 3))), np.exp(a, where=a > 2, out=np.zeros((2, 3))), a.mean(0, None, np.empty(3))),
    lambda a: (np.average(a, axis=0, weights=[1.0, 3.0], returned=True), np.median(a, axis=(0, 1)), np.median(a, axis=0, keepdims=True)),
    lambda a: (np.gradient(a), np.gradient(a, axis=1), np.gradient(a[0], [1.0, 2.0, 4.0]), np.convolve(a[0], a[1], mode="same")),
    lambda a: (np.take(a, [0, 5], axis=1, mode="clip"), np.take(a, [0, 4], axis=1, mode="wrap"), np.cross(a, a[::-1], axis=1), np.linspace(a[0], a[1], 3, axis=1)),
    lambda a: (a.item(0, 1), a.item(4), a[0, 0].item(), a.clip(min=1, max=3), a.round(decimals=1), a.copy(order="C"), a.astype(dtype=np.float32), a.imag),
    lambda a: (np.prod(a.shape), np.size(a, 0), np.var(a, axis=0, mean=np.mean(a, axis=0, keepdims=True)), a.argmax(axis=1), a.compress([True, False, True], axis=1)),
    lambda a: (np.add.reduce(a, 0, None, None, True), np.add.reduce(a, 1, np.float32), np.maximum.reduce(a, axis=None), np.multiply.outer(a[0], a[1])),
    lambda a: (np.add(a, 1.0, dtype=np.float32), np.less(a.astype(np.int32), 2**40), np.divmod(a, 2.0), divmod(a, 2.0), np.matmul(a, a.T, out=np.empty((2, 2)))),
    lambda a: (np.linspace(a[0], a[1], 1), np.linspace(a[0], 3.0, 4, dtype=np.float32), np.linspace(a[0].astype(np.float32), np.float32(2), 3)),
    lambda a: (np.interp(a, [1.0, 2.0, 9.0], a[0], period=4.0), np.interp(a[0], [2.0], [7.0]), np.prod(a, axis=0), np.median(a.T, axis=1), np.roll(a, 3, axis=1)),
    lambda a: (np.polyval(a[0], 2.0), np.polyval(a[0], a[1]), np.trapezoid(a, [0.0, 1.0], axis=0), np.sort(a, axis=0, kind="stable"), np.eye(2, M=3) * a),
]  # fmt: skip


def agree(got: Any, wanted: Any) -> None:
    """Values, shapes and dtypes of arrays."""
    actual, expected = pytree.flatten(got)[0], pytree.flatten(wanted)[0]
    assert len(actual) == len(expected)
    for x, y in zip(actual, expected, strict=True):
        assert np.shape(x) == np.shape(y)
        assert np.ndim(y) == 0 or np.asarray(x).dtype == np.asarray(y).dtype
        np.testing.assert_allclose(np.asarray(x, float), np.asarray(y, float), rtol=1e-6)


@pytest.mark.parametrize("i", range(len(OF_NUMBERS)))
def test_lists_of_numbers(i: int) -> None:
    f = OF_NUMBERS[i]
    for found in both(f, 3.0).values():
        agree(found, f(3.0))


@pytest.mark.parametrize("i", range(len(OF_AN_ARRAY)))
def test_arrays_and_keywords(i: int) -> None:
    f, a = OF_AN_ARRAY[i], np.arange(6.0).reshape(2, 3) + 0.5
    agree(lj.jit(f)(a), f(a))
    agree(interpret(f, a), f(a))


@pytest.mark.parametrize("shape", [(3,), (4, 3, 2), (2, 3, 2, 2)])
def test_one_array_for_a_sequence_of_arrays(shape: tuple[int, ...]) -> None:
    a = np.arange(float(np.prod(shape))).reshape(shape)
    for f in (np.vstack, np.hstack, np.stack, np.column_stack, np.dstack, *([np.concatenate] if a.ndim > 1 else [])):
        jitted = lj.jit(lambda a, f=f: f(a))
        agree(jitted(a), f(a))
        agree(jitted(a[:1]), f(a[:1]))  # of any length
        assert len(jitted._dispatcher.all()) == 1


def test_gradients_pass_through_lists() -> None:
    def f(x: Any) -> Any:
        m = np.array([[x, 1.0], [0.5, x]])
        return np.linalg.det(m) + np.mean([x, np.sum(np.r_[x, m[0]])]) + np.max([x, x * x])

    x, h = 1.7, 1e-6
    for g in (lj.grad(f), lj.jit(lj.grad(f))):
        np.testing.assert_allclose(g(x), (f(x + h) - f(x - h)) / (2 * h), rtol=1e-7)


def test_constants_are_results_and_aux() -> None:
    table = np.arange(4.0)
    (value, aux), slope = lj.jit(lj.value_and_grad(lambda x: (x * x, (table, 3, np.arange(2))), has_aux=True))(3.0)
    assert (value, slope, aux[1]) == (9.0, 6.0, 3)
    agree(aux, (table, 3, np.arange(2)))


def numpys(entry: Entry) -> Any:
    """What an entry stands for, if its arguments are bound by name."""
    package, _, name = entry.name.rpartition(".")
    if package.startswith("scipy."):
        top, _, cls = package.removeprefix("scipy.").partition(".")
        found = importlib.import_module(f"scipy.{top}")
        return getattr(getattr(found, cls) if cls else found, name)
    return getattr(np.ndarray, name) if package == "ndarray" and not entry.attribute else entry.what


def parameters(function: Any) -> list[inspect.Parameter]:
    return [p for p in inspect.signature(function).parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


CALLED = [  # distributions of scipy.stats are objects
    e for e in every().values() if numpys(e) is not None and not isinstance(numpys(e), np.ufunc) and not e.refused and callable(e.fn)
]


@pytest.mark.parametrize("entry", CALLED, ids=[e.name for e in CALLED])
def test_parameters_are_numpys(entry: Entry) -> None:
    """In its order and with its defaults; what is not taken is refused by name."""
    try:
        theirs = parameters(numpys(entry))
    except ValueError:
        pytest.skip("this NumPy does not tell the signatures of its C functions")
    ours, more = parameters(entry.fn), any(p.kind is p.VAR_KEYWORD for p in inspect.signature(numpys(entry)).parameters.values())
    first = [p for p in theirs if p.default is p.empty and p.kind is not p.KEYWORD_ONLY]
    optional, names = ours[len(first) :], [p.name for p in theirs]
    assert [p.name for p in optional if p.name in names] == [n for n in names if n in {p.name for p in optional}]
    for p in optional:
        assert p.name in names or more
        assert not [q for q in theirs if q.name == p.name and q.default not in (p.default, np._NoValue)]
    given = {p.name for p in optional} | WITHOUT_EFFECT | {"out"}
    for name in [p.name for p in theirs[len(first) :] if p.name not in given]:
        with pytest.raises(lj.errors.UnsupportedOperationError, match=rf" with {name}= at .* is not supported: leave it out"):
            arguments.call(numpys(entry), entry.fn, [1.0] * len(first), {name: object()})


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.add(x, 1.5, casting="no"),
        lambda x: np.concatenate([x, x], dtype=np.float32, casting="no"),
        lambda x: np.clip(x, 0, 1, casting="safe"),
    ],
)
def test_a_casting_that_might_be_refused_is_refused(f: Any) -> None:
    with pytest.raises(lj.errors.UnsupportedOperationError, match=r"with casting= at .* is not supported: leave it out"):
        lj.jit(f)(np.ones(3))


def test_the_casting_of_astype() -> None:
    with pytest.raises(TypeError, match=r"Cannot cast array data from dtype..float64.. to dtype..int64.. according to the rule 'safe'"):
        lj.jit(lambda x: x.astype(int, casting="safe"))(np.ones(3))
    assert lj.jit(lambda x: x.astype(np.float32, casting="same_kind"))(np.ones(3)).dtype == np.float32


def test_a_copy_that_is_none() -> None:
    """copy=False gives the array itself, and a write to that is one to the array."""

    def f(x: Any) -> Any:
        for y in (x.astype(float, copy=False), np.array(x, copy=False), np.nan_to_num(x, copy=False), np.asarray(x)):
            y[0] += 1.0
        return np.nan_to_num(x, copy=True), x

    def given() -> Any:
        return np.array([1.0, np.nan, np.inf])

    agree(lj.jit(f)(given()), f(given()))


def test_what_is_not_taken_is_named() -> None:
    def f(a: Any) -> Any:
        return np.linalg.pinv(a, hermitian=True)

    message = r"np\.linalg\.pinv with hermitian= at .*test_array_likes.py:\d+ in .*f is not supported: leave it out; it takes rcond=.* here"
    with pytest.raises(lj.errors.UnsupportedOperationError, match=message):
        lj.jit(f)(np.ones((3, 3)))
    with pytest.raises(lj.errors.UnsupportedOperationError, match=r"np\.vecdot with axis= at .* is not supported"):
        lj.jit(lambda a: np.vecdot(a, a, axis=0))(np.ones((2, 3)))
    with pytest.raises(
        lj.errors.UnsupportedOperationError, match=r"np\.einsum_path of traced values at .* is not supported: use np\.einsum"
    ):
        lj.jit(lambda a: np.einsum_path("ij->i", a))(np.ones((2, 3)))
    with pytest.raises(TypeError, match=r"np\.mean\(\) at .*: got an unexpected keyword argument 'axes'"):
        lj.jit(lambda a: np.mean(a, axes=0))(np.ones(3))
    with pytest.raises(
        lj.errors.UnsupportedOperationError, match=r"np\.r_ with the directive 'c', which makes a matrix, at .*use an array of two axes"
    ):
        lj.jit(lambda a: np.r_["c", a])(np.ones(3))
    with pytest.raises(lj.errors.UnsupportedOperationError, match=r"np\.exp with where= and without out="):
        lj.jit(lambda a: np.exp(a, where=a > 0))(np.ones(3))
    with pytest.raises(TypeError, match="Cannot cast output"):
        lj.jit(lambda a: np.sum(a, axis=0, out=np.zeros(3, int)))(np.ones((2, 3)))


def test_out_without_its_name() -> None:
    def f(x: Any) -> Any:
        out = np.zeros_like(x)
        np.sin(x, out)
        np.exp(x, x)
        x.sum(0, None, out[0])
        return out, np.add(x, 1.0, np.empty_like(x)), x, np.sin(x, None)

    x = np.arange(6.0).reshape(2, 3)
    for found, wanted in zip(lj.jit(f)(x.copy()), f(x.copy()), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-14)
    with pytest.raises(TypeError, match="multiple values for keyword argument 'out'"):
        lj.jit(lambda x: np.sin(x, x, out=x))(x)


@pytest.mark.parametrize("shape", [(2, 2), (3,), (0,)])
def test_item_of_one_element_alone(shape: tuple[int, ...]) -> None:
    def f(x: Any) -> Any:
        return x.item()

    for run in (lj.jit(f), lambda x: interpret(f, x)):
        assert run(np.full((1,) * len(shape), 2.5)) == 2.5
        with pytest.raises(ValueError, match="can only convert an array of size 1 to a Python scalar"):
            run(np.ones(shape))
    with pytest.raises(ValueError, match="incorrect number of indices for array"):
        lj.jit(lambda x: x.item(0, 0, 0))(np.ones(shape))

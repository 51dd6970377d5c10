"""Updates in place whose operands are views of the array that is written: each sees the old elements, as in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lantern_jit as lj

from .support import both, check, close, numeric_gradient

X = np.array([3.0, 5.0, 7.0, 4.0])
M = np.array([[2.0, 4.0, 6.0], [3.0, 6.0, 12.0], [5.0, 1.0, 7.0]])


def first(x: Any, k: int) -> Any:
    y = x.copy()
    y -= y[:1]
    return y


def last(x: Any, k: int) -> Any:
    y = x.copy()
    y *= y[-1:]
    return y


def traced_element(x: Any, k: int) -> Any:
    y = x.copy()
    y *= y[k : k + 1]
    return y


def shifted(x: Any, k: int) -> Any:
    y = x.copy()
    y[1:] += y[:-1]
    y[:-1] -= y[1:]
    return y


def shifted_by_a_traced_int(x: Any, k: int) -> Any:
    y = x.copy()
    y[k:] *= y[: len(y) - k]
    return y


def reversed_(x: Any, k: int) -> Any:
    y = x.copy()
    y[:] = y[::-1]
    y[::2] -= y[::-2]
    return y


def out(x: Any, k: int) -> Any:
    y = x.copy()
    np.add(y, y[:1], out=y)
    np.multiply(y[::-1], y, out=y)
    np.subtract(y[1:], y[:-1], out=y[1:])
    return y


def assigned(x: Any, k: int) -> Any:
    y = x.copy()
    y[...] = y[1:2] * y + y[:1]
    y[1:] = y[0]
    return y


def in_a_loop(x: Any, k: int) -> Any:
    y = x.copy()
    for i in range(3):
        y -= 0.5 * y[i : i + 1]
        y[1:] *= y[:-1]
    return y


def carried(x: Any, k: int) -> Any:
    y, z = x.copy(), np.ones_like(x)
    for _ in range(k):
        y, z = z, y * z
        y += z[:1]
        z -= z[1:2]
    return y + z


def through_another_name(x: Any, k: int) -> Any:
    y = x.copy()
    _subtract(y, y[:1])
    _subtract(y[1:], y)
    return y


def _subtract(a: Any, b: Any) -> None:
    a -= b[: len(a)]
    a /= 1.0 + b[:1] * b[:1]


def an_alias_from_a_loop(x: Any, k: int) -> Any:
    y = x.copy()
    z = y
    for _ in range(k):
        z = y
        z *= y[:1]
    z -= y[::-1]
    return y


def recursive(x: Any, k: int) -> Any:
    y = x.copy()
    _down(y, y, k)
    return y


def _down(a: Any, b: Any, k: int) -> Any:
    if k == 0:
        return 0.0
    a -= 0.5 * b[::-1]
    return _down(b, a, k - 1)


def gathered(x: Any, k: int) -> Any:
    y = x.copy()
    i = np.array([2, 0, 0, 1])
    y -= y[i]
    y[i] = y[::-1]
    y[i[:2]] += y[i[2:]]
    y[np.array([1, 2])] = y[:2]
    return y


def masked(x: Any, k: int) -> Any:
    y = x.copy()
    y[y > y[:1]] = y[0]
    y[y[::-1] > 3.0] -= 1.0
    m = x > 4.5
    m[:] = m[::-1] & m
    m[m] = m[::-1][m]
    y[m] *= 2.0
    return y


def of_reductions(x: Any, k: int) -> Any:
    y = x.copy()
    y -= np.max(y, keepdims=True)
    y /= np.sum(y * y) + y[2:3]
    y += np.cumsum(y)
    return y


@pytest.mark.parametrize("f", [first, last, traced_element, shifted, shifted_by_a_traced_int, reversed_, out, assigned, in_a_loop, carried,
                               through_another_name, an_alias_from_a_loop, recursive, gathered, masked, of_reductions])  # fmt: skip
def test_vectors(f: Callable[..., Any]) -> None:
    for mode, found in both(f, X, 2).items():
        close(found, f(X, 2), what=mode)
    weights = np.array([0.3, -0.7, 1.1, 0.9])
    check(lambda x: np.sum(np.sin(f(0.3 * x, 2)) * weights), (X,), rtol=1e-6)


def column(x: Any) -> Any:
    y = x.copy()
    y /= y[:, :1]
    y -= y[-1]
    y *= y[1:2]
    return y


def transposed(x: Any) -> Any:
    y = x.copy()
    y += y.T
    y.T[1:] -= y[:, 1:].T
    y.T[0] *= y[0]
    y[...] = y.T[::-1]
    return y


def diagonal(x: Any) -> Any:
    y = x.copy()
    y -= np.diagonal(y)
    y[1] /= 2.0 + y[:, 1] ** 2
    y[:, 2] -= y[2]
    y[np.arange(3), np.arange(3)] = y[0]
    return y


def new_axes(x: Any) -> Any:
    y = x.copy()
    y -= y[0][:, None]
    y[:, None, :2] += y[None, :, 1:].transpose(1, 0, 2)
    y += y.sum(axis=1, keepdims=True) * y[:1]
    return y


def rows(x: Any) -> Any:
    y = x.copy()
    for r in range(1, 3):
        y[r] -= y[r, :1] * y[r - 1]
        y[r:] -= y[r - 1]
        y[:r] *= y[r:, r : r + 1][:1]
    return y


@pytest.mark.parametrize("f", [column, transposed, diagonal, new_axes, rows])
def test_matrices(f: Callable[..., Any]) -> None:
    for mode, found in both(f, M).items():
        close(found, f(M), what=mode)
    check(lambda x: np.sum(np.sin(f(0.2 * x)) * M), (M,), rtol=1e-6)


def test_sizes_of_one() -> None:
    """What broadcasts only because a size is 1 is decided when the program runs."""

    def f(x: Any, y: Any) -> Any:
        z = x.copy()
        z -= z[: len(y)]
        z[: len(y)] *= z
        return z

    jitted = lj.jit(f)
    for n in (3, 1):
        x = np.arange(1.0, 1.0 + n)
        close(jitted(x, x), f(x, x))

    def g(x: Any, y: Any) -> Any:
        z = x.copy()
        z -= z[: len(y)]
        return z

    jitted = lj.jit(g)
    for m in (3, 1):
        close(jitted(np.array([3.0, 5.0, 7.0]), np.ones(m)), g(np.array([3.0, 5.0, 7.0]), np.ones(m)))


# ---- random views and forms of update
def _view(draw: Any, shape: tuple[int, ...]) -> tuple[Callable[[Any], Any], tuple[int, ...]]:
    """A random view of an array of that shape: what makes it, and its shape."""
    index: list[Any] = []
    for n in shape:
        kind = draw(st.integers(0, 3))
        if kind == 0:
            index.append(draw(st.integers(-n, n - 1)))
        elif kind == 1:
            index.append(slice(None))
        else:
            start, size, step = draw(st.integers(0, n - 1)), draw(st.integers(1, n)), draw(st.sampled_from((1, 1, -1, 2)))
            index.append(slice(start, None, step) if kind == 2 else slice(min(start, n - size), min(start, n - size) + size))
    if not any(isinstance(i, slice) for i in index):
        index[-1] = slice(None)
    turned = draw(st.booleans())
    chosen = tuple(index)

    def of(a: Any) -> Any:
        v = a[chosen]
        return v.T if turned else v

    return of, of(np.zeros(shape)).shape


_FORMS: list[Callable[[Any, Any], Any]] = [
    lambda a, b: a.__isub__(b),
    lambda a, b: a.__imul__(0.5 + b),
    lambda a, b: a.__itruediv__(2.0 + b * b),
    lambda a, b: a.__setitem__(Ellipsis, b),
    lambda a, b: np.subtract(b, a, out=a),
    lambda a, b: a.__setitem__(Ellipsis, np.sin(b) + 0.5 * a),
    lambda a, b: a.__setitem__(a > b, 0.25),
]


def _fits(own: tuple[int, ...], target: tuple[int, ...]) -> bool:
    return len(own) <= len(target) and all(n in (1, m) for n, m in zip(own[::-1], target[::-1], strict=False))


@st.composite
def programs(draw: Any, forms: Any) -> tuple[Any, np.ndarray[Any, Any]]:
    shape = draw(st.sampled_from(((4,), (3, 3), (2, 3), (1, 3), (2, 2, 3))))
    steps = []
    while len(steps) < 3:
        target, to = _view(draw, shape)
        for _ in range(6):
            source, own = _view(draw, shape)
            if _fits(own, to):
                break
        else:
            source, own = (lambda a: a[(slice(None, 1),) * a.ndim].reshape(-1)), (1,)
        steps.append((target, source, draw(st.sampled_from(forms))))
    looped = draw(st.booleans())

    def f(x: Any) -> Any:
        y = x.copy()
        if looped:
            for _ in range(5):
                for target, source, update in steps:
                    update(target(y), source(y))
        else:
            for target, source, update in steps:
                update(target(y), source(y))
        return y

    return f, np.linspace(0.3, 1.4, int(np.prod(shape))).reshape(shape)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(programs(_FORMS))
def test_random_views(program: Any) -> None:
    f, x = program
    for mode, found in both(f, x).items():
        close(found, f(x), 1e-9, 1e-9, what=mode)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(programs(_FORMS[:-1]))  # a mask jumps
def test_random_gradients(program: Any) -> None:
    f, x = program
    weights = np.cos(np.arange(x.size)).reshape(x.shape)

    def total(x: Any) -> Any:
        return np.sum(np.tanh(0.1 * f(x)) * weights)

    close(lj.jit(lj.grad(total))(x), numeric_gradient(total, (x,), (0,))[0], 1e-6, 1e-6)


def test_an_update_reads_what_nobody_has_written() -> None:
    def f(x: Any) -> Any:
        y = np.empty_like(x)
        y *= 0.0
        y[0] = x[0]
        y[1:] = x[1:]
        return y

    assert "fill=False" not in lj.jit(f).inspect(X).graph
    close(lj.jit(f)(X), X)


# ---- sizes that are taken for equal
def descent(x: Any, y: Any, z: Any) -> Any:
    """Whether y broadcasts is asked before anything is written, where it stands."""
    x += 1.0
    z -= x * y

    def loss(x: Any, y: Any) -> Any:
        return np.sum((x - y) ** 2)

    value, slope = lj.value_and_grad(loss)(x, y)
    x -= 0.1 * slope
    return value


def test_sizes_of_arguments_are_compared_before_anything_is_written() -> None:
    jitted = lj.jit(descent)
    assert "broadcast_size" not in jitted.inspect(np.zeros(3), np.zeros(3), np.zeros(3)).graph
    for m in (3, 1):
        given = np.arange(3.0), np.arange(1.0, m + 1), np.zeros(3)
        plain = [a.copy() for a in given]
        assert np.isclose(jitted(*given), descent(*plain))
        for a, b in zip(given, plain, strict=True):
            np.testing.assert_allclose(a, b)
    x = np.zeros(3)
    with pytest.raises(ValueError, match="could not be broadcast together: sizes 3 and 2"):
        jitted(x, np.zeros(2), np.zeros(3))
    assert x[0] == 1.0  # as in NumPy


def test_sizes_that_are_known_later_are_not_taken_for_equal_after_a_write() -> None:
    def f(x: Any, mask: Any) -> Any:
        x += 1.0
        return np.sum(x[mask] * x[~mask])

    jitted = lj.jit(f)
    for mask in ([True, False], [True, False, False], [False, False, True, True]):
        x, y = (np.arange(float(len(mask))) for _ in range(2))
        assert jitted(x, np.array(mask)) == f(y, np.array(mask))
        np.testing.assert_array_equal(x, y)


def test_a_print_is_not_repeated_where_sizes_broadcast(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any, y: Any) -> Any:
        print("once")
        return x * y

    for y in (np.ones(3), np.ones(1)):
        lj.jit(f)(np.ones(3), y)
        assert capsys.readouterr().out == "once\n"

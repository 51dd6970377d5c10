"""Rows of arrays: read in place, or whole at an array of indices; their adjoints are added row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import both, check, close


def looked_up(x: Any, w: Any, index: Any) -> Any:
    """Embeddings."""
    return np.sum(np.tanh(x[index] @ w) ** 2)


def looked_up_in_a_loop(x: Any, w: Any, index: Any) -> Any:
    h = np.zeros((index.shape[1], w.shape[1]))
    for t in range(len(index)):
        h = np.tanh(x[index[t]] @ w + h)
    return np.sum(h * h)


def of_a_layer(x: Any, w: Any, index: Any) -> Any:
    """Rows of a part of an array of more axes."""
    total = 0.0
    layers = x.reshape(-1, 2, x.shape[1])
    for i in range(layers.shape[0]):
        total += np.sum((layers[i][index % 2] @ w) ** 2)
    return total


def one_row_at_a_time(x: Any, w: Any, index: Any) -> Any:
    h = np.zeros(x.shape[1])
    for i in index.ravel():
        h = np.tanh(x[i] * h + x[i % 3 - len(x)])
    return np.sum(h @ w)


def blocks(x: Any, w: Any, index: Any) -> Any:
    """Operands of products are rows in place: one matrix of several, and rows from one to another."""
    stacked = x.reshape(-1, 2, x.shape[1])
    h = np.zeros((2, w.shape[1]))
    for t in range(stacked.shape[0]):
        h = np.tanh(stacked[t] @ w + h + x[t : t + 2] @ w)
    for m in stacked:
        h = h * (m @ w) + stacked[-1, :1] @ w
    return np.sum(h)


def written_after(x: Any, w: Any, index: Any) -> Any:
    """What has been read is what was there then, also on the way back."""
    y = x.copy()
    rows = y[index.ravel()]
    total = 0.0
    for t in range(y.shape[0] - 1):
        h = y[t : t + 2] @ w
        total += np.sum(h * h)
        y[t] = np.tanh(h[1] @ w.T)
        y[t + 1, 0] = total * 0.01
    return total + np.sum(rows * rows) + np.sum(y[index.ravel()])


def written_before(x: Any, w: Any, index: Any) -> Any:
    """New memory, whose rows are written one after another and read."""
    y = np.zeros((x.shape[0], w.shape[1]))
    for t in range(x.shape[0]):
        y[t] = np.sin(x[t] @ w)
    z = np.empty((2, w.shape[1]))
    z[0] = y[0]
    z[1:] = y[1:2] @ w[: w.shape[1]] if w.shape[0] >= w.shape[1] else y[1:2]
    return np.sum(y[index.ravel()] ** 2) + np.sum(z[0:1] @ w.T) + np.sum(z[1:2] @ w.T)


def added_at(x: Any, w: Any, index: Any) -> Any:
    """Rows are taken, and written at the same places."""
    y = x * 1.0
    flat = index.ravel()
    taken = y[flat]
    y[flat] = 2.0 * taken
    return np.sum((y @ w) ** 2) + np.sum(taken[0] * y[flat[-1]])


PROGRAMS = [looked_up, looked_up_in_a_loop, of_a_layer, one_row_at_a_time, blocks, written_after, written_before, added_at]


def arguments(dtype: Any = np.float64) -> tuple[Any, ...]:
    g = np.random.default_rng(5)
    x, w = g.normal(size=(4, 3)).astype(dtype), (0.5 * g.normal(size=(3, 2))).astype(dtype)
    return x, w, np.array([[1, -1, 1], [0, 3, -4]])  # again, from the end, and one not at all


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_values_and_derivatives(f: Any) -> None:
    check(f, arguments(), argnums=(0, 1))


@pytest.mark.parametrize("f", [looked_up, looked_up_in_a_loop, blocks, added_at], ids=lambda f: f.__name__)
def test_float32(f: Any) -> None:
    exact = lj.jit(lj.grad(f, argnums=(0, 1)))(*arguments())
    for name, slopes in both(lj.grad(f, argnums=(0, 1)), *arguments(np.float32)).items():
        assert all(s.dtype == np.float32 for s in slopes)
        close(slopes, exact, 1e-4, 1e-5, name)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int32, np.bool_])
def test_rows_of_every_dtype(dtype: Any) -> None:
    x = np.arange(24).reshape(4, 3, 2).astype(dtype)
    for index in (np.array([0, -1, 2]), np.array([[1], [-4]], np.int32), np.zeros(0, np.int64)):
        for found in both(lambda x, i: (x[i], x[i, :], x[i, :, :], x[1][i % 3]), x, index).values():
            for y, z in zip(found, (x[index], x[index], x[index], x[1][index % 3]), strict=True):
                assert y.dtype == z.dtype
                np.testing.assert_array_equal(y, z)


@pytest.mark.parametrize("at", [4, -5])
def test_an_index_out_of_bounds(at: int) -> None:
    x, _, _ = arguments()
    for run in (lj.jit(lambda x, i: x[i]), lj.jit(lj.grad(lambda x, i: np.sum(x[i])))):
        with pytest.raises(IndexError, match=f"index {at} is out of bounds for axis 0 with size 4"):
            run(x, np.array([0, at]))


def test_a_gradient_of_rows_clears_nothing_in_the_loop() -> None:
    """One adjoint of x, and none of its size in a step; and no copies of operands."""
    g = np.random.default_rng(0)
    w = g.normal(size=(3, 3))

    def f(x: Any, w: Any) -> Any:
        h = np.zeros((2, 3))
        for t in range(x.shape[0]):
            h = np.tanh(x[t] @ w + h)
        return np.sum(h)

    found = lj.jit(lj.grad(f))
    few, many = (found.inspect(g.normal(size=(n, 2, 3)), w).memory.arrays for n in (100, 200))
    assert many - few < 100 * 6 * 8 * 8  # bytes: no more than eight small arrays a step
    text = found.inspect(g.normal(size=(9, 2, 3)), w).graph
    assert "part(" in text
    assert "each_copy" not in text


def test_rows_are_no_part_of_a_loop_over_elements() -> None:
    x, w, index = arguments()
    text = lj.jit(looked_up_in_a_loop).inspect(x, w, index).graph
    assert text.count("= take(") == 1
    assert "('g'," not in text


def filled(x: Any, w: Any, index: Any) -> Any:
    y = np.zeros((x.shape[0], w.shape[1]))
    for t in range(x.shape[0]):
        y[t] = np.tanh(x[t] @ w)
    return np.sum(y * y)


def read_as_it_is_filled(x: Any, w: Any, index: Any) -> Any:
    y = np.zeros((x.shape[0], w.shape[1]))
    total = 0.0
    for t in range(x.shape[0]):
        total += np.sum(np.sin(y) * np.cos(y + x[t, 0]))
        y[t] = np.tanh(x[t] @ w) + y[t - 1]
    return total + np.sum(y * y)


def filled_again(x: Any, w: Any, index: Any) -> Any:
    y = np.zeros((x.shape[0], w.shape[1]))
    for t in range(x.shape[0]):
        y[t] = np.tanh(x[t] @ w)
    between = np.sum(y**3)
    for t in range(x.shape[0]):
        y[t] = y[t] * x[t, 0]
    return between + np.sum(y * y)


@pytest.mark.parametrize("f", [filled, read_as_it_is_filled, filled_again], ids=lambda f: f.__name__)
def test_what_is_read_before_it_is_overwritten_is_put_back(f: Any) -> None:
    check(f, arguments(), argnums=(0, 1))


def test_what_nobody_has_read_is_not_saved() -> None:
    assert ".there(" not in lj.jit(lj.grad(filled)).inspect(*arguments()).graph
    assert ".there(" in lj.jit(lj.grad(read_as_it_is_filled)).inspect(*arguments()).graph


def test_the_interpreter_knows_a_place_from_an_axis() -> None:
    """The way back adds where the second of two inputs says, in a kernel of one axis."""

    def f(x: Any) -> Any:
        rows = np.log(np.sum(x * x, axis=-1, keepdims=True)) - x
        return np.sum(np.array([0.5, 2.0]) * -rows[np.arange(2), np.array([1, 0])])

    check(f, (np.array([[1.0, 2.0], [3.0, 0.5]]),), order=1)


# ---- a view on one path, an array of its own on the other
def row_or_new(a: Any, c: float) -> Any:
    if c > 0:  # noqa: SIM108
        v = a[0]
    else:
        v = a[1] * 1.0
    before = np.sum(v * v)
    a[0] = 5.0 * a[2]
    a[2] *= 2.0
    return np.sum(v * v * v) + before


def rows_or_new(a: Any, c: float) -> Any:
    if c > 0:  # noqa: SIM108
        v = a[1:3]
    else:
        v = a[:2] * 1.0
    a[2] += a[0]
    a[1:3] = v + 1
    return np.sum(v * v)


def in_a_loop(a: Any, c: float) -> Any:
    s, v = 0.0, a[0] * 1.0
    for i in range(3):
        if c > i:  # noqa: SIM108
            v = a[i]
        else:
            v = a[i + 1] * v
        s += np.sum(v)
        a[i] = v * 2 + a[i]
        s += np.sum(v * v)
    return s


@pytest.mark.parametrize("c", [1.5, 0.3, -0.3])
@pytest.mark.parametrize("f", [row_or_new, rows_or_new, in_a_loop])
def test_a_write_to_what_may_be_viewed_is_seen(f: Any, c: float) -> None:
    x = np.sin(np.arange(8.0)).reshape(4, 2)
    slope = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = 1e-6
        slope[i] = (f(x + step, c) - f(x - step, c)) / 2e-6
    for options in ({}, {"backend": "python"}):
        assert lj.jit(f, **options)(x.copy(), c) == pytest.approx(f(x.copy(), c), rel=1e-12)
        assert lj.jit(lj.grad(f), **options)(x.copy(), c) == pytest.approx(slope, rel=1e-5, abs=1e-6)


def test_a_column_that_may_be_a_view() -> None:
    def f(a: Any, c: float, writes: bool) -> Any:
        if c > 0:  # noqa: SIM108
            v = a[:, 1]
        else:
            v = a[:, 0] * 1.0
        if writes:
            a[2] += a[0]
        return np.sum(v * v)

    x = np.sin(np.arange(8.0)).reshape(4, 2)
    g = lj.jit(f, static_argnums=2)
    assert g(x, 1.0, False) == pytest.approx(f(x, 1.0, False), rel=1e-12)
    with pytest.raises(
        lj.errors.UnsupportedOperationError, match=r"that `v`, .* may be a view of, and that was copied there: copy the view"
    ):
        g(x, 1.0, True)


def through_a_name_of_two(x: Any, c: float) -> Any:
    b, a = x * c, np.ones(len(x))
    if c > 0.0:
        a = b[::-1]
    z = b if x[0] > 0.0 else x * 2.0
    z[-1] += 1.0
    return a[0]


def before_in_a_loop(x: Any, c: float) -> Any:
    a, b, s, i = np.ones(len(x)), x * c, 0.0, 0
    while i < len(x):
        b[-1] += c
        s = s * 0.5 + a[0]
        if s < 5.0:
            a = b[::-1]
        i += 1
    return s


def of_two_that_take_turns(x: Any, c: float) -> Any:
    a, b, d, s = np.ones(len(x)), x * c, x * 2.0, 0.0
    for _ in range(len(x)):
        d[-1] += c
        s = s * 0.5 + a[0]
        if s < 5.0:
            a = b[::-1]
        b, d = d, b
    return s


def in_a_loop_of_its_own(x: Any, c: float) -> Any:
    a, b, s = np.ones(len(x)), x * c, 0.0
    for _ in range(len(x)):
        for _ in range(len(x)):
            b[-1] += c
        s = s * 0.5 + a[0]
        for _ in range(len(x)):
            if s < 5.0:
                a = b[::-1]
    return s


def what_a_loop_turned_round(x: Any, c: float) -> Any:
    b = a = x * c
    i = 0
    while a[0] < 1e6 and i < len(x):
        a = a[::-1]
        i += 1
    b[0] = 5.0
    return a[0]


def in_an_outer_loop(x: Any, c: float) -> Any:
    b = a = x * c
    i = 0
    while b[1] < 1e6 and i < len(x):
        i += 1
        if i % 2 == 0:
            for _ in range(i):
                a = a[::-1]
        b[0] = c * i
    return a[0]


@pytest.mark.parametrize(
    "f", [through_a_name_of_two, before_in_a_loop, of_two_that_take_turns, in_a_loop_of_its_own, what_a_loop_turned_round, in_an_outer_loop]
)
def test_what_a_copy_is_a_view_of_is_not_written(f: Any) -> None:
    with pytest.raises(lj.errors.UnsupportedOperationError, match=r"copy the view where it is made \(v = v.copy\(\)\)"):
        lj.jit(f)(np.array([0.5, 1.0, 2.0, 3.0, 4.0, 5.0]), 0.7)


def anew_each_time(x: Any, c: float) -> Any:
    a, s = np.ones(len(x)), 0.0
    for i in range(len(x)):
        b = x * x[i]
        b[-1] += c
        s = s * 0.5 + a[0]
        if s < 5.0:
            a = b[::-1]
    return s


def test_an_array_that_is_anew_each_time_may_be_written_before_a_view_of_it_is_copied() -> None:
    check(anew_each_time, (np.array([0.5, 1.0, 2.0, 0.3, 0.4, 0.5]), 0.7), (np.ones(6), 1.0), order=1)


@pytest.mark.parametrize("change", [lambda a: a[::-1].ravel(), lambda a: a[::-1].reshape(2, -1), lambda a: np.ascontiguousarray(a[::-1])])
def test_how_a_copy_in_the_place_of_a_view_lies_is_not_known(change: Any) -> None:
    def f(x: Any, c: float) -> Any:
        a = b = x * c
        if c > 0.0:
            a = a[::-1]
        d = change(a)  # goes forward where `a` goes backwards: then it is no copy in NumPy
        d[0] = 7.0
        return b[0]

    with pytest.raises(lj.errors.UnsupportedOperationError, match=r"reshaped or repeated view"):
        lj.jit(f)(np.arange(6.0), 0.7)

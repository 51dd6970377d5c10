"""Gradients of matrices that loops multiply by: gathered as rows, and made by one product."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.backends.python import interpreter
from lantern_jit.backends.python.interpreter import Lowered

from .support import both, check, close, interpret


def rows(w: Any, xs: Any, h: Any) -> Any:
    for t in range(len(xs)):
        h = np.tanh(xs[t] + h @ w)
    return np.sum(h * h)


def columns(w: Any, xs: Any, h: Any) -> Any:
    for t in range(len(xs)):
        h = np.tanh(xs[t].T + w @ h.T).T
    return np.sum(h * h)


def turned(w: Any, xs: Any, h: Any) -> Any:
    for t in range(len(xs)):
        h = np.tanh(xs[t] + h @ w.T)
    return np.sum(h * h)


def turned_columns(w: Any, xs: Any, h: Any) -> Any:
    for t in range(len(xs)):
        h = np.tanh(xs[t].T + w.T @ h.T).T
    return np.sum(h * h)


def two_places(w: Any, xs: Any, h: Any) -> Any:
    """One matrix in both ways, in a loop and an inner one, and after them."""
    for t in range(len(xs)):
        h = np.tanh(xs[t] @ w + w @ h.T if h.ndim == 1 else xs[t] @ w + (w @ h.T).T)
        for _ in range(2):
            h = np.sin(h @ w)
    return np.sum((h @ w) ** 2)


def under_a_branch(w: Any, xs: Any, h: Any) -> Any:
    for t in range(len(xs)):
        if np.sum(h) > 0.0:
            y = h @ w
            h = np.tanh(xs[t] + y)
        else:
            h = np.cos(xs[t] - h @ w)
    return np.sum(h * h)


def made_before(w: Any, xs: Any, h: Any) -> Any:
    """The matrix is computed, and used otherwise, too."""
    v = 0.5 * w + 0.1
    for t in range(len(xs)):
        h = np.tanh(xs[t] + h @ v) * v[0, 0]
    return np.sum(h * h) + np.sum(v**3)


def written_after(w: Any, xs: Any, h: Any) -> Any:
    """What is written is not gathered: products read what was there then."""
    v = w.copy()
    for t in range(len(xs)):
        h = np.tanh(xs[t] + h @ v)
        v[0] = v[0] * 0.9
        v[-1, 0] = v[0, 1] + 0.1 * h.sum()
    return np.sum(h * h)


def carried(w: Any, xs: Any, h: Any) -> Any:
    for t in range(len(xs)):
        h = np.tanh(xs[t] + h @ w)
        w = 0.9 * w
    return np.sum(h * h)


def outer_products(w: Any, xs: Any, h: Any) -> Any:
    """A quadratic form: the matrix's gradient is a sum of outer products."""
    total = 0.0
    for t in range(len(xs)):
        total += np.sum((xs[t] @ w) * xs[t])
    return total + np.sum(h)


PROGRAMS = [rows, columns, turned, turned_columns, two_places, under_a_branch, made_before, written_after, carried, outer_products]


def arguments(steps: int, batch: tuple[int, ...], dtype: Any = np.float64, n: int = 3) -> tuple[Any, ...]:
    g = np.random.default_rng(steps)
    shapes = (n, n), (steps, *batch, n), (*batch, n)
    return tuple((0.5 * g.normal(size=s)).astype(dtype) for s in shapes)


@pytest.mark.parametrize("batch", [(), (1,), (3,)])
@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_gradients_of_both_orders(f: Any, batch: tuple[int, ...]) -> None:
    check(f, *(arguments(steps, batch) for steps in (0, 1, 4)), argnums=(0, 1, 2))


@pytest.mark.parametrize("batch", [(), (20,)])
@pytest.mark.parametrize("f", [rows, columns, turned, turned_columns, two_places], ids=lambda f: f.__name__)
def test_more_rows_than_there_is_room_for(f: Any, batch: tuple[int, ...]) -> None:
    check(f, arguments(150 if not batch else 12, batch, n=2), argnums=(0, 2), order=1)


@pytest.mark.parametrize("f", [rows, columns, turned, outer_products], ids=lambda f: f.__name__)
def test_float32(f: Any) -> None:
    for batch in ((), (3,)):
        args = arguments(6, batch, np.float32)
        exact = lj.jit(lj.grad(f, argnums=(0, 1, 2)))(*(a.astype(np.float64) for a in args))
        for name, slopes in both(lj.grad(f, argnums=(0, 1, 2)), *args).items():
            assert all(s.dtype == np.float32 for s in slopes)
            close(slopes, exact, 1e-4, 1e-5, name)


class Counting(Lowered):
    ran: ClassVar[Counter[str]] = Counter()

    def let(self, let: Any, env: Any) -> None:
        Counting.ran[let.op] += 1
        super().let(let, env)


@pytest.mark.parametrize("batch", [(), (2,)])
def test_the_number_of_products_for_a_weight_does_not_depend_on_the_steps(batch: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "Primal", Counting)
    found = []
    for steps in (3, 40):
        Counting.ran.clear()
        interpret(lj.grad(rows), *arguments(steps, batch))
        found.append((Counting.ran["gemm_rest"], Counting.ran["gemm_add"] - steps))
        assert Counting.ran["gemm_later"] == steps
    assert found == [(1, 0), (1, 0)]


def test_many_rows_at_once_are_not_gathered() -> None:
    text = lj.jit(lj.grad(rows)).inspect(*arguments(4, (20,))).llvm
    assert "@lantern_gemm_later.f64.tn" in text
    few, many = (lj.jit(lj.grad(rows)).inspect(*arguments(40, (b,))).memory.arrays for b in (2, 20))
    assert few < many


def test_a_matrix_of_one_long_column_has_no_room_beside_it() -> None:
    """Rows of a matrix that is long and narrow would be more than the matrix."""
    g = np.random.default_rng(0)
    w, xs = g.normal(size=(40_000, 1)), g.normal(size=(3, 40_000))

    def f(w: Any) -> Any:
        s = np.zeros(1)
        for t in range(len(xs)):
            s = s + xs[t] @ w
        return np.sum(s * s)

    found = lj.jit(lj.grad(f))
    close(found(w), 2 * xs.sum(axis=0)[:, None] * np.sum(xs @ w), 1e-9, 1e-9)
    assert found.inspect(w).memory.arrays < 16 * w.nbytes


def test_calls_that_wait_have_one_room_for_rows() -> None:
    """Each call of a recursion would have some of its own: who calls it from outside has it."""
    w, xs, h = arguments(3, ())

    def f(w: Any, h: Any, depth: int) -> Any:
        for t in range(2):
            h = np.tanh(xs[t] + h @ w)
        if depth == 0:
            return np.sum(h * h)
        return f(w, h, depth - 1) + h[0]

    args = w, h, 4
    check(f, args, argnums=(0, 1), order=1)
    inside = [text for text in lj.jit(lj.grad(f)).inspect(*args).graph.split("\nfn ") if "gathering(" in text]
    assert [text.count("gathering(") for text in inside] == [1]
    assert "rows" not in inside[0].split(")")[0]  # it is given none


# ---- recursions
def tree(w: Any, u: Any, x: Any, left: Any, i: Any) -> Any:
    """Node i of a binary tree whose nodes are numbered so that the right child follows the left one; an inner matrix product and an outer one."""

    def leaf(i: Any) -> Any:
        return np.tanh(x[i] @ w)

    def node(i: Any) -> Any:
        if left[i] < 0:
            return leaf(i)
        return np.tanh(node(left[i]) @ w + u @ node(left[i] + 1))

    return np.sum(node(i) ** 2) + np.sum(w[0])


def forest(w: Any, u: Any, x: Any, left: Any, i: Any) -> Any:
    """Trees in a loop, with one matrix for all, and another made in the loop, for which there is no room."""
    total = 0.0
    for k in range(3):
        v = (k + 1.0) * u
        total += tree(w, v, x, left, i - k)
    return total


def both_ways(w: Any, u: Any, x: Any, left: Any, i: Any) -> Any:
    """Functions that call each other, one of which changes the second matrix."""

    def odd(w: Any, u: Any, i: Any) -> Any:
        return np.sin(even(w, 0.5 * u, left[i]) @ w) if left[i] >= 0 else x[i] @ u

    def even(w: Any, u: Any, i: Any) -> Any:
        return np.cos(odd(w, u, left[i]) @ w) if left[i] >= 0 else x[i] @ w

    return np.sum(odd(w, u, i))


def nodes(n: int) -> tuple[Any, ...]:
    """n leaves, the rest above them."""
    left = np.full(2 * n - 1, -1)
    left[n:] = 2 * np.arange(n - 1)
    g = np.random.default_rng(n)
    return 0.5 * g.normal(size=(3, 3)), 0.5 * g.normal(size=(3, 3)), g.normal(size=(2 * n - 1, 3)), left, np.int64(2 * n - 2)


@pytest.mark.parametrize("f", [tree, forest, both_ways], ids=lambda f: f.__name__)
def test_gradients_of_recursions(f: Any) -> None:
    check(f, nodes(5), nodes(3), argnums=(0, 1, 2), order=1)


def test_the_rows_of_a_recursion_are_multiplied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "Primal", Counting)
    found = []
    for leaves in (4, 40):
        Counting.ran.clear()
        interpret(lj.grad(tree, argnums=(0, 1)), *nodes(leaves))
        assert Counting.ran["gemm_later"] >= 2 * leaves - 1
        found.append(Counting.ran["gemm_rest"])
    assert found == [2, 2]
    close(
        *(lj.jit(lj.grad(tree, argnums=(0, 1)))(*(a.astype(t) if a.dtype == float else a for a in nodes(90))) for t in (np.float32, float)),
        1e-4,
        1e-4,
    )


def test_where_a_recursion_is_differentiated_inside_of_another_call() -> None:
    """The matrix is the same in all calls of the function that differentiates."""

    def f(w: Any, u: Any, x: Any, left: Any, i: Any) -> Any:
        slope = lj.grad(tree)(w, u, x, left, i)
        return np.sum(slope**2)

    check(f, nodes(3), argnums=(0, 1), order=1)

"""What reset and shift are for: exact expectations, search, solving the rest of a program, leaving loops, and reverse mode by a user."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import both, close


# ---- exact expectations over choices
def choose(p: Any) -> Any:
    """True with probability p, in all that comes after it."""
    return lj.shift(lambda k: p * k(True) + (1.0 - p) * k(False))


STAY, SEEN = (0.7, 0.4), np.array([[0.9, 0.1], [0.2, 0.8]])
OBSERVED = np.array([0, 1, 1, 0, 1])


def by_enumeration(stay: Any, seen: Any, observed: Any) -> Any:
    """The likelihood of a hidden Markov model: the probability of what is seen, over all that the states may be."""

    def run() -> Any:
        state, p = 0, 1.0
        for o in observed:
            state = (1 if choose(1.0 - stay[0]) else 0) if state == 0 else (1 if choose(stay[1]) else 0)
            p = p * seen[state, o]
        return p

    return lj.reset(run)


def by_forward_algorithm(stay: Any, seen: Any, observed: Any) -> Any:
    a, b = 1.0, 0.0
    for o in observed:
        a, b = (
            (a * stay[0] + b * (1.0 - stay[1])) * seen[0, o],
            (a * (1.0 - stay[0]) + b * stay[1]) * seen[1, o],
        )
    return a + b


def test_a_hidden_markov_model_by_enumeration() -> None:
    args = np.array(STAY), SEEN, OBSERVED
    for found in both(by_enumeration, *args).values():
        assert found == pytest.approx(by_forward_algorithm(*args), rel=1e-14)
    for found in both(lj.grad(by_enumeration, (0, 1)), *args).values():
        for got, want in zip(found, lj.grad(by_forward_algorithm, (0, 1))(*args), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-13)
    curves = [lj.jit(lj.hessian(lambda s, f=f: f(s, SEEN, OBSERVED)))(args[0]) for f in (by_enumeration, by_forward_algorithm)]  # type: ignore[misc]
    np.testing.assert_allclose(*curves, rtol=1e-12)


# ---- backtracking search
def queens(n: Any) -> Any:
    """In how many ways n queens stand on a board; a row is tried column by column, and what does not fit is given up."""
    columns = np.zeros(n, dtype=np.int64)

    def search() -> Any:
        for row in range(n):
            columns[row] = lj.shift(lambda k: each(k, n))
            for i in range(row):
                apart = columns[row] - columns[i]
                if apart == 0 or abs(apart) == row - i:
                    return lj.shift(lambda k: 0)
        return 1

    return lj.reset(search)


def each(k: Any, n: Any) -> Any:
    total = 0
    for i in range(n):
        total += k(i)
    return total


def queens_by_recursion(n: Any) -> Any:
    columns = np.zeros(n, dtype=np.int64)

    def place(row: Any) -> Any:
        if row == n:
            return 1
        columns[row] = lj.shift(lambda k: each(k, n))
        for i in range(row):
            apart = columns[row] - columns[i]
            if apart == 0 or abs(apart) == row - i:
                return lj.shift(lambda k: 0)
        return place(row + 1)

    return lj.reset(lambda: place(0))


def test_queens_are_counted() -> None:
    count = lj.jit(queens)
    assert [count(n) for n in range(1, 8)] == [1, 0, 0, 2, 10, 4, 40]
    assert queens(5) == 10  # outside of compiled code
    assert [lj.jit(queens_by_recursion)(n) for n in (4, 6)] == [2, 4]


# ---- Newton's method on the rest of the program
def solve(guess: Any) -> Any:
    """The number for which the rest of the program is 0; the rest is differentiated."""

    def newton(k: Any) -> Any:
        x = guess
        for _ in range(20):
            x = x - k(x) / lj.grad(k)(x)
        return x

    return lj.shift(newton)


def root(a: Any) -> Any:
    def rest() -> Any:
        y = solve(2.0)
        while abs(y) > 1e3:  # the rest may be any program
            y = 0.5 * y
        return y * y * y - a * y - 5.0

    return lj.reset(rest)


def test_newton_on_the_rest() -> None:
    x = 2.0945514815423265
    for found in both(root, 2.0).values():
        assert found == pytest.approx(x, rel=1e-15)
    for found in both(lj.grad(root), 2.0).values():
        assert found == pytest.approx(x / (3 * x * x - 2.0), rel=1e-12)  # of the implicit function


# ---- leaving loops
def first_above(table: Any, limit: Any) -> Any:
    """The first element above the limit, in rows; it leaves both loops."""

    def search() -> Any:
        for i in range(table.shape[0]):
            for j in range(table.shape[1]):
                if table[i, j] > limit:
                    lj.shift(lambda k: table[i, j])  # noqa: B023  # it is called here
        return -1.0

    return lj.reset(search)


def test_an_exit_from_nested_loops() -> None:
    table = np.array([[1.0, 2.0], [5.0, 3.0], [7.0, 9.0]])
    for limit, want in ((2.5, 5.0), (5.0, 7.0), (10.0, -1.0)):
        assert set(both(first_above, table, limit).values()) == {want}
    slopes = np.zeros((3, 2))
    slopes[1, 0] = 1.0
    np.testing.assert_array_equal(lj.jit(lj.grad(first_above))(table, 2.5), slopes)


# ---- reverse mode, by a user: what the continuation returns into adds what it has found
@dataclass
class Num:
    """A number, and the cell that its adjoint is added to."""

    x: Any
    d: Any

    def __add__(self, other: Any) -> Any:
        that = lift(other)

        def back(k: Any) -> None:
            y = Num(self.x + that.x, np.zeros(1))
            k(y)
            self.d[0] += y.d[0]
            that.d[0] += y.d[0]

        return lj.shift(back)

    def __mul__(self, other: Any) -> Any:
        that = lift(other)

        def back(k: Any) -> None:
            y = Num(self.x * that.x, np.zeros(1))
            k(y)
            self.d[0] += y.d[0] * that.x
            that.d[0] += y.d[0] * self.x

        return lj.shift(back)

    __radd__, __rmul__ = __add__, __mul__


def lift(v: Any) -> Any:
    return v if isinstance(v, Num) else Num(v, np.zeros(1))


def value(v: Any) -> Any:
    return v.x if isinstance(v, Num) else v


def gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    def run(x: Any, *rest: Any) -> Any:
        z = Num(x, np.zeros(1))

        def forward() -> None:
            f(z, *rest).d[0] = 1.0

        lj.reset(forward)
        return z.d[0]

    return run


def polynomial(x: Any) -> Any:
    return 3.0 * x * x * x + 2.0 * x + 1.0


def loop(x: Any, n: Any) -> Any:
    y = x * 1.0
    for _ in range(n):
        y = y * x + 0.5
    return y


def until(x: Any) -> Any:
    y = x * 1.0
    while value(y) < 100.0:
        y = y * y + x
    return y


def branch(x: Any) -> Any:
    y = x * x
    z = y * x if value(y) > 4.0 else y + 3.0 * x
    return z * y


def branch_in_a_loop(x: Any, n: Any) -> Any:
    y = x * 1.0
    for _ in range(n):
        if value(y) > 1.0:
            y = y * 0.5
        elif value(y) > -1.0:
            y = y * x + 0.3
        else:
            y = y + x
        if value(y) > 50.0:
            return y * 2.0
    return y + x


TREE = (1.5, (0.5, 2.0, (3.0, 0.25)), (1.0, 2.0))


def over_a_tree(x: Any, tree: Any = TREE) -> Any:
    """The product of a node's children, each plus x."""
    if isinstance(tree, float):
        return x * tree + 1.0
    product = x * 0.5
    for child in tree:
        product = product * over_a_tree(x, child)
    return product


LEFT, RIGHT = np.array([1, 3, 5, 0, 0, 0, 0]), np.array([2, 4, 6, 0, 0, 0, 0])
WEIGHTS = np.array([0.0, 0.0, 0.0, 1.5, 0.5, 2.0, 3.0])


def over_a_tree_in_arrays(x: Any, weights: Any, i: Any = 0) -> Any:
    """The same of a tree that the program sees only when it runs."""
    if LEFT[i] == 0:
        return x * weights[i] + 1.0
    return over_a_tree_in_arrays(x, weights, LEFT[i]) * over_a_tree_in_arrays(x, weights, RIGHT[i]) + x


def power(x: Any, n: Any) -> Any:
    return x * 0.0 + 1.0 if n == 0 else x * power(x, n - 1)


CASES = [
    (polynomial, (2.0,)), (loop, (1.1, 7)), (loop, (1.1, 0)), (until, (1.5,)), (branch, (3.0,)), (branch, (1.0,)), (branch_in_a_loop, (1.3, 9)),
    (branch_in_a_loop, (7.0, 40)), (over_a_tree, (0.7,)), (power, (1.3, 5)), (over_a_tree_in_arrays, (0.7, WEIGHTS)),
]  # fmt: skip


@pytest.mark.parametrize(("f", "args"), CASES)
def test_reverse_mode_by_a_user(f: Callable[..., Any], args: tuple[Any, ...]) -> None:
    want = lj.jit(lj.grad(f))(*args)
    for found in both(gradient(f), *args).values():
        assert found == pytest.approx(want, rel=1e-12)


def test_it_is_exported(tmp_path: Any) -> None:
    """A library for C has it, too: a recursion that is given its continuation, differentiated."""
    f = lj.grad(gradient(lambda x: over_a_tree_in_arrays(x, WEIGHTS)))
    made = lj.export(f, (0.7,), name="slope", folder=tmp_path)
    found, message = ctypes.c_double(), ctypes.create_string_buffer(200)
    slope = ctypes.CDLL(str(made.library)).slope
    assert slope(ctypes.c_double(0.7), ctypes.byref(found), message, ctypes.c_int64(200)) == 0
    close(found.value, lj.jit(f)(0.7), 1e-14, 0)  # a library for any CPU of the target adds in another order


@pytest.mark.parametrize(("f", "args"), [CASES[i] for i in (0, 1, 3, 4, 6, 9, 10)])
def test_reverse_mode_of_reverse_mode_by_a_user(f: Callable[..., Any], args: tuple[Any, ...]) -> None:
    want = lj.jit(lj.grad(lj.grad(f)))(*args)
    assert lj.jit(lj.grad(gradient(f)))(*args) == pytest.approx(want, rel=1e-11)
    assert math.isclose(lj.jit(lambda *a: lj.jvp(lambda x: gradient(f)(x, *a[1:]), a[:1], (1.0,))[1])(*args), want, rel_tol=1e-11)

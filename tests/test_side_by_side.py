"""Iterations side by side: every row of the table on blocks of sixteen, loops that qualify, and those that must not."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.ir.core.op import TABLE
from lantern_jit.ir.core.text import show
from lantern_jit.ir.core.types import F32, F64, LANES, NUMPY_DTYPES, SIDE
from lantern_jit.ir.ops import table

from .samples import DIFFERENTIABLE, FLAT
from .support import both, close, first, interpret, same

Function = Callable[..., Any]
N = 2 * SIDE + 3
X = np.random.default_rng(0).normal(size=N)
ROWS = np.random.default_rng(1).normal(size=(N, 3))
W = np.array([0.5, -1.25, 2.0])


def goes(f: Function, *args: Any) -> bool:
    """Does it have a loop whose iterations go side by side?"""
    return ".side" in show(lj.jit(f)._dispatcher.lookup(args, {})[0].program)


# ---- operations on blocks
SAMPLES = {name: s for name, s in {**DIFFERENTIABLE, **FLAT}.items() if not TABLE[name].may_fail and TABLE[name].signature[-1] in "FB"}


@pytest.mark.parametrize("t", first(1, [F64, F32]))
@pytest.mark.parametrize("name", SAMPLES)
def test_operations_on_blocks(name: str, t: Any) -> None:
    """An element's value does not depend on its lane, nor on there being others."""
    sample, op, wide = SAMPLES[name], TABLE[name], LANES[t, SIDE]
    if sample.double and t == F32:
        return
    rng, attrs = np.random.default_rng(7), sample.attrs or {}
    columns = [rng.uniform(low, high, SIDE).astype(NUMPY_DTYPES[t]) for low, high in sample.box]

    def blocks(*xs: Any) -> Any:
        z = op(*[table.block(*[x[i] for i in range(SIDE)], to=wide) for x in xs], **attrs)
        if op.signature[-1] == "B":
            z = table.select(z, table.convert(xs[0][0] * 0 + 1, to=wide), table.convert(xs[0][0] * 0, to=wide))
        return np.array([table.lane(z, i=i, to=t) for i in range(SIDE)])

    def numbers(*xs: Any) -> Any:
        found = [op(*[x[i] for x in xs], **attrs) for i in range(SIDE)]
        return np.array([np.where(z, 1.0, 0.0) for z in found] if op.signature[-1] == "B" else found).astype(NUMPY_DTYPES[t])

    np.testing.assert_array_equal(lj.jit(blocks)(*columns), lj.jit(numbers)(*columns))
    exact = 1e-12 if t == F64 else 1e-5
    close(interpret(blocks, *columns), interpret(numbers, *columns), exact, exact)
    if name in DIFFERENTIABLE:
        of = [lj.jit(lj.grad(lambda *xs, f=f: np.sum(f(*xs)), tuple(range(len(columns)))))(*columns) for f in (blocks, numbers)]
        close(of[0], of[1], 10 * exact, 10 * exact)


# ---- loops
def chain(x: Any) -> Any:
    for i in range(5):
        x = np.sin(x) * x + i
    return x


def newton(a: Any) -> Any:
    a = a * a + 0.1
    x = a
    while abs(x * x - a) > 1e-12 * a:
        x = 0.5 * (x + a / x)
    return x


def clipped(x: Any) -> Any:
    for i in range(6):
        x = max(min(x * 1.5, 1.0), -1.0) if i % 2 else abs(x) - 0.25
    return x


def of_row(r: Any) -> Any:
    y, s = np.zeros(3), r[0]
    for i in range(7):
        y[i % 3] = y[(i + 1) % 3] + s * r[i % 3]
        s = np.dot(r, W) * np.tanh(s)
    return np.sum(y * r) + s


def recursion(r: Any) -> Any:
    def down(n: Any, a: Any) -> Any:
        return a if n <= 0 else down(n - 1, np.sin(a)) * 0.5 + a

    return down(len(r), r[0])


@pytest.mark.parametrize(("f", "x"), [(chain, X), (newton, X), (clipped, X), (of_row, ROWS), (recursion, ROWS)])
def test_lanes(f: Function, x: Any) -> None:
    one = lj.jit(f)
    wanted = np.array([one(r) for r in x])
    assert goes(lj.vmap(f), x)
    for found in both(lj.vmap(f), x).values():
        close(found, wanted, 1e-13, 1e-13)
    slope = lj.jit(lj.grad(f))
    slopes = np.array([slope(r) for r in x])
    for g in (lj.vmap(lj.grad(f)), lj.grad(lambda x: np.sum(lj.vmap(f)(x)))):
        for found in both(g, x).values():
            close(found, slopes, 1e-10, 1e-10)


def test_values_are_those_of_one_lane_to_the_last_bit() -> None:
    for f in (chain, newton, clipped):
        same(list(lj.jit(lj.vmap(f))(X)), [np.float64(lj.jit(f)(x)) for x in X])


def test_shared_weights_get_the_sum_of_what_lanes_give() -> None:
    def f(w: Any, x: Any) -> Any:
        for i in range(6):
            x = np.tanh(w[i % 3] * x + 0.5)
        return x

    one = [interpret(lj.grad(f), W, x) for x in X]
    g = lj.grad(lambda w: np.sum(lj.vmap(f, in_axes=(None, 0))(w, X)))
    assert goes(g, W)
    for found in both(g, W).values():
        close(found, np.sum(one, axis=0), 1e-10)
    for found in both(lj.vmap(lj.grad(f), in_axes=(None, 0)), W, X).values():
        close(found, np.array(one), 1e-10)


def test_a_loop_of_the_users() -> None:
    def f(x: Any, out: Any) -> Any:
        for i in range(len(x)):
            v = x[i]
            for _ in range(9):
                v = v * np.cos(v)
            out[i] += v
        return out

    def want(x: Any) -> Any:
        out = np.ones(len(x))
        for _ in range(9):
            x = x * np.cos(x)
        return out + x

    assert goes(f, X, np.ones(N))
    for found in both(f, X, np.ones(N)).values():
        close(found, want(X))


# ---- what has to go one by one
def around(body: Function) -> Function:
    """A loop around a loop, and what `body` does."""

    def f(x: Any, y: Any) -> Any:
        for i in range(1, len(x)):
            v = x[i]
            for _ in range(9):
                v = v * np.cos(v)
            body(i, v, y)
        return y

    return f


def all_one(i: Any, v: Any, y: Any) -> None:
    y[0] = y[0] * v


def the_next(i: Any, v: Any, y: Any) -> None:
    y[i] = y[i - 1] + v


def elsewhere(i: Any, v: Any, y: Any) -> None:
    y[len(y) - i] = v + y[i]


def counting(n: Any, y: Any) -> Any:
    if n > 0:
        y[0] += 1.0
        return counting(n - 1, y)
    return 0.0


def counts_in_a_call(i: Any, v: Any, y: Any) -> None:
    y[i] = v + counting(len(y) % 3 + 1, y)


def prints(i: Any, v: Any, y: Any) -> None:
    y[i] = v + said(len(y) % 3)


def said(n: Any) -> Any:
    if n > 0:
        print("once more")
        return said(n - 1)
    return 0.0


@pytest.mark.parametrize("body", [all_one, the_next, elsewhere, counts_in_a_call, prints])
def test_iterations_that_depend_on_each_other(body: Function, capfd: pytest.CaptureFixture[str]) -> None:
    f = around(body)
    want = f(X, np.ones(N))
    said = capfd.readouterr().out
    assert not goes(f, X, np.ones(N))
    close(lj.jit(f)(X, np.ones(N)), want)
    assert capfd.readouterr().out == said


def test_a_branch_that_lanes_take_each_for_itself() -> None:
    def f(x: Any) -> Any:
        y = np.zeros(2)
        for i in range(4):
            if x > 0.3:
                y[i % 2] += x
            x = x * 0.7
        return y

    assert not goes(lj.vmap(f), X)
    for found in both(lj.vmap(f), X).values():
        close(found, np.array([f(x) for x in X]))


def test_a_loop_that_writes_is_left_by_each_lane_for_itself() -> None:
    def f(x: Any) -> Any:
        y, x = np.zeros(3), abs(x)
        while x > 0.2:
            y[0] = y[0] + x
            x = x * 0.5
        return y

    for found in both(lj.vmap(f), X).values():
        close(found, np.array([f(x) for x in X]))


def test_lanes_that_have_left_a_loop_are_not_in_its_derivative() -> None:
    """What the loop would compute for them further on is infinite."""

    def f(x: Any) -> Any:
        x = abs(x) + 0.1
        while x > 0.05:
            x = x - 0.3 / x * 0.1 if x > 0.4 else x * 0.5
        return 1.0 / x

    one = lj.jit(lj.grad(f))
    for g in (lj.vmap(lj.grad(f)), lj.grad(lambda x: np.sum(lj.vmap(f)(x)))):
        close(lj.jit(g)(X), np.array([one(x) for x in X]), 1e-9)
    assert math.isfinite(functools.reduce(max, lj.jit(lj.vmap(f))(X)))


@pytest.mark.parametrize("checkpoint", [None, "recursion", "replay", 3])
def test_masks_that_the_way_back_needs(checkpoint: Any) -> None:
    def f(r: Any) -> Any:
        s = r[0]
        for i in range(12):
            s = np.where(s > r[1], np.sin(s) * r[2], s * s * 0.5 + r[0])
            s = max(s, r[1] * 0.5) * (1.5 if i % 2 else 0.5)
        return s

    one = lj.jit(lj.grad(f))
    assert goes(lj.vmap(lj.grad(f)), ROWS)
    for g in (lj.vmap(lj.grad(f)), lj.grad(lambda x: np.sum(lj.vmap(f)(x)))):
        close(lj.jit(g, checkpoint=checkpoint)(ROWS), np.array([one(r) for r in ROWS]), 1e-10, 1e-10)


def test_arrays_of_bools_go_one_by_one() -> None:
    def f(r: Any) -> Any:
        s = r[0]
        for _ in range(7):
            above = r > s
            s = s * 0.5 + np.sum(np.where(above, r, 0.1)) * 0.1
        return s

    close(lj.jit(lj.vmap(f))(ROWS), np.array([f(r) for r in ROWS]), 1e-13)

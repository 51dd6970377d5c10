"""vmap: lanes side by side are a Python loop over them, with np.stack."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.ir.values import pytree

from .fuzz import lanes
from .support import both, close, first, interpret

Function = Callable[..., Any]


def stacked(f: Function, *args: Any, axes: Any = None) -> Any:
    """f of each lane, one after another. `axes`: of each argument, 0 if nothing else is said."""
    axes = axes or (0,) * len(args)
    n = next(x.shape[a] for x, a in zip(args, axes, strict=True) if a is not None)
    lanes = []
    for i in range(n):
        lanes.append(f(*(x if a is None else np.take(x, i, a) for x, a in zip(args, axes, strict=True))))
    trees = [pytree.flatten(x) for x in lanes]
    return pytree.unflatten(trees[0][1], [np.stack(column) for column in zip(*(leaves for leaves, _ in trees), strict=True)])


def everywhere(f: Function, *args: Any, rtol: float = 1e-10, axes: Any = None) -> None:
    """vmap(f) is the loop: on the interpreter, lowered, in native code."""
    want = stacked(f, *args, axes=axes)
    for name, found in both(lj.vmap(f, in_axes=axes or 0), *args).items():
        close(found, want, rtol, rtol, name)
        assert [x.dtype for x in pytree.flatten(found)[0]] == [x.dtype for x in pytree.flatten(want)[0]], name


# ---- programs of all forms, of a row
def whole(x: Any) -> Any:
    return np.sum(np.sin(x) * x) * 0.5


def loop(x: Any) -> Any:
    s = x[0] * 0
    for i in range(len(x)):
        s = s * x[i] + np.cos(x[i])
    return s


def search(x: Any) -> Any:
    s = x[0] * x[0]
    while s < 3.0:
        s = s * 1.3 + 0.2 * (1 + x[1] * x[1])
    return s * x[1]


def choice(x: Any) -> Any:
    if x[0] > 0:
        return np.tanh(x[1]) * x[0]
    for i in range(3):
        if x[1] < -0.5:
            return x[i] * x[0]
    return x[0] * x[0]


def descend(n: int, a: Any, b: Any) -> Any:
    if n <= 0:
        return a
    return descend(n - 1, b, a * b + 1.0)


def recursion(x: Any) -> Any:
    return descend(3, x[0], x[1])


def tree(x: Any, low: int, high: int) -> Any:
    if high - low == 1:
        return np.sin(x[low])
    middle = (low + high) // 2
    return tree(x, low, middle) * tree(x, middle, high) + x[low]


def branching(x: Any) -> Any:
    return tree(x, 0, len(x))


def updates(x: Any) -> Any:
    y = np.zeros(len(x), x.dtype)
    for i in range(len(x)):
        y[i] = x[i] * x[i]
        y[0] = y[0] + y[i] * 0.5
    y[1:] *= x[0]
    return np.sum(y)


def solves(x: Any) -> Any:
    a = np.array([[2.0 + x[0] * x[0], x[1]], [x[1], 3.0 + x[0]]])
    return np.linalg.solve(a @ a.T + np.eye(2), x[:2])[0] + np.linalg.det(a)


def growing(x: Any) -> Any:
    ys = []
    for i in range(len(x)):
        if x[i] > 0:
            ys.append(x[i] * x[0])
    s = x[0] * 0
    for y in ys:
        s = s + y * y
    return s


def captures(x: Any) -> Any:
    def k_times(k: Any) -> Any:
        return 0.25 * k(x[0]) + 0.75 * k(x[1])

    return lj.reset(lambda: lj.shift(k_times) * x[0] + 1.0)


PROGRAMS = [whole, loop, search, choice, recursion, branching, updates, solves, growing]
ROWS = np.random.default_rng(3).normal(size=(7, 3))


@pytest.mark.parametrize("f", PROGRAMS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values_and_gradients(f: Function, dtype: Any) -> None:
    rows, rtol = ROWS.astype(dtype), 1e-9 if dtype == np.float64 else 2e-3
    if f is not solves:
        everywhere(f, rows, rtol=rtol)
    gradients = np.stack([interpret(lj.grad(f), x) for x in rows])
    for name, found in both(lj.vmap(lj.grad(f)), rows).items():
        close(found, gradients, rtol, rtol, f"gradients of lanes, {name}")
    for name, found in both(lj.grad(lambda x: np.sum(lj.vmap(f)(x))), rows).items():
        close(found, gradients, rtol, rtol, f"the gradient of all, {name}")
    _, moved = interpret(lambda x: lj.jvp(lj.vmap(f), (x,), (x,)), rows)
    close(moved, np.sum(gradients * rows, axis=1), rtol, rtol, "a jvp")


@pytest.mark.parametrize("f", first(6, PROGRAMS))
def test_second_order(f: Function) -> None:
    hessians = np.stack([interpret(lj.hessian(f), x) for x in ROWS])
    for name, found in both(lj.vmap(lj.hessian(f)), ROWS).items():
        close(found, hessians, 1e-8, 1e-8, f"Hessians of lanes, {name}")
    products = np.einsum("nij,nj->ni", hessians, ROWS)
    for name, found in both(lambda x: lj.hvp(lambda x: np.sum(lj.vmap(f)(x)), (x,), (x,)), ROWS).items():
        close(found, products, 1e-8, 1e-8, f"hvp of all, {name}")
    for name, found in both(lj.vmap(lambda x: lj.hvp(f, (x,), (x,))), ROWS).items():
        close(found, products, 1e-8, 1e-8, f"hvp of lanes, {name}")


def test_shift_in_a_lane() -> None:
    want = [0.25 * (x[0] * x[0] + 1) + 0.75 * (x[1] * x[0] + 1) for x in ROWS]
    for found in both(lj.vmap(captures), ROWS).values():
        close(found, np.array(want))
    slopes = [[0.5 * x[0] + 0.75 * x[1], 0.75 * x[0], 0.0] for x in ROWS]
    for found in both(lj.grad(lambda x: np.sum(lj.vmap(captures)(x))), ROWS).values():
        close(found, np.array(slopes))


# ---- axes and structures
def test_axes() -> None:
    a, b, c = ROWS, ROWS.T.copy(), np.random.default_rng(1).normal(size=(2, 7, 3))
    for axes in [(0, 1, 1), (-2, -1, -2), (0, 1, None), (None, 1, 1)]:
        given = (a, b, c if axes[2] is not None else c[:, 0])
        given = given if axes[0] is not None else (a[0], *given[1:])
        everywhere(lambda x, y, z: np.sum(z * x) - y, *given, axes=axes)


@pytest.mark.parametrize("out", [0, 1, 2, -1, -2, -3])
def test_the_axis_of_a_result(out: int) -> None:
    want = np.moveaxis(stacked(lambda x: np.outer(x, x), ROWS), 0, out)
    for found in both(lj.vmap(lambda x: np.outer(x, x), out_axes=out), ROWS).values():
        close(found, want)


def test_axes_of_several_results() -> None:
    f = lj.vmap(lambda x: (x * 2.0, {"sum": np.sum(x), "row": x}), out_axes=(1, {"sum": 0, "row": -1}))
    for found in both(f, ROWS).values():
        close(found, (ROWS.T * 2, {"sum": ROWS.sum(1), "row": ROWS.T}))


def test_a_result_that_is_the_same_for_all() -> None:
    f = lj.vmap(lambda w, x: (w, np.dot(w, x)), in_axes=(None, 0), out_axes=(None, 0))
    for found in both(f, ROWS[0], ROWS).values():
        close(found, (ROWS[0], ROWS @ ROWS[0]))


@dataclasses.dataclass
class Point:
    x: Any
    y: Any


def test_containers() -> None:
    def f(p: Any, rest: Any, scale: Any) -> Any:
        return Point(p.x * rest["a"] * scale, p.y + rest["b"][0]), [rest["b"][1] * 2.0]

    p, rest = Point(ROWS[:, 0], ROWS), {"a": ROWS[:, 1], "b": (ROWS[0], ROWS.T.copy())}
    axes = (0, {"a": 0, "b": (None, 1)}, None)
    for found in both(lj.vmap(f, in_axes=axes), p, rest, 3.0).values():
        close(found, (Point(p.x * rest["a"] * 3.0, ROWS + ROWS[0]), [ROWS * 2.0]))


def test_keyword_arguments_go_by_axis_0() -> None:
    for found in both(lj.vmap(lambda a, *, x, y=1.0: a * x + y, in_axes=None), 2.0, x=ROWS).values():
        close(found, 2.0 * ROWS + 1.0)


def test_configuration_is_the_same_in_all_lanes() -> None:
    f = lj.vmap(lambda x, how, fn, nothing: (fn(x) if how == "fn" else x, how))
    values, how = lj.jit(f)(ROWS[:, 0], "fn", math.sin, None)
    close(values, np.sin(ROWS[:, 0]))
    assert how == "fn"


def test_types_of_results() -> None:
    found = lj.jit(lj.vmap(lambda x: (x > 0, len(x), 1, np.float32(2.0), True)))(ROWS)
    assert [x.dtype.name for x in found] == ["bool", "int64", "int64", "float32", "bool"]
    close(found[1:], (np.full(7, 3), np.ones(7, int), np.full(7, 2, np.float32), np.full(7, True)))


@pytest.mark.parametrize("n", [0, 1, 2, 33])
def test_any_number_of_lanes(n: int) -> None:
    x = np.linspace(-1, 1, 3 * n).reshape(n, 3)
    f = lj.vmap(lambda x: (x * 2.0, np.sum(x)))
    for found in both(f, x).values():
        close(found, (x * 2, x.sum(1)))
    for found in both(lj.grad(lambda x: np.sum(f(x)[1] ** 2)), x).values():
        close(found, np.repeat(2 * x.sum(1)[:, None], 3, 1))


# ---- where it stands
class Model:
    def __init__(self, w: Any) -> None:
        self.w = w

    def loss(self, x: Any) -> Any:
        return np.dot(self.w, x) ** 2

    @lj.vmap
    def doubled(self, x: Any) -> Any:
        return 2.0 * x


def test_methods() -> None:
    m = Model(ROWS[0])
    close(lj.vmap(m.loss)(ROWS), (ROWS @ ROWS[0]) ** 2)
    close(lj.jit(lj.vmap(lj.grad(m.loss)))(ROWS), 2 * (ROWS @ ROWS[0])[:, None] * ROWS[0])
    close(m.doubled(ROWS), 2 * ROWS)


def test_nesting() -> None:
    for found in both(lambda a, b: lj.vmap(lambda x: lj.vmap(lambda y: np.dot(x, y))(b))(a), ROWS, ROWS).values():
        close(found, ROWS @ ROWS.T)
    cube = np.random.default_rng(2).normal(size=(3, 4, 5))
    f = lj.vmap(lj.vmap(lambda x, y: x * y, in_axes=(0, None)), in_axes=(2, 0), out_axes=1)
    for found in both(f, cube[:, :, 0][..., None] * np.ones(2), np.array([2.0, 3.0])).values():
        close(found, np.stack([2 * cube[:, :, 0], 3 * cube[:, :, 0]], 1))
    deep = lj.vmap(lj.vmap(lj.vmap(lj.grad(lambda x: np.sin(x) * x))))
    for found in both(deep, cube).values():
        close(found, np.cos(cube) * cube + np.sin(cube))


def test_in_a_recursion() -> None:
    def sums(n: int, x: Any) -> Any:
        if n == 0:
            return np.sum(x)
        return np.sum(lj.vmap(lambda v: v * 0.5)(x)) + sums(n - 1, x * 2.0)

    for found in both(sums, 3, ROWS[0]).values():
        close(found, sum(0.5 * 2**k for k in range(3)) * ROWS[0].sum() + 8 * ROWS[0].sum())


def test_in_loops_and_branches() -> None:
    def f(x: Any, n: int) -> Any:
        for _ in range(n):
            if x[0, 0] > 0:
                x = lj.vmap(lambda r: r / np.sum(r * r))(x)
            else:
                y = x * 1.0
                x = lj.vmap(lambda r: r + 1.0, in_axes=1, out_axes=1)(y)
        return np.sum(x * x)

    def plain(x: Any, n: int) -> Any:
        for _ in range(n):
            x = x / np.sum(x * x, axis=1, keepdims=True) if x[0, 0] > 0 else x + 1.0
        return np.sum(x * x)

    for found in both(lj.value_and_grad(f), ROWS, 5).values():
        close(found, interpret(lj.value_and_grad(plain), ROWS, 5), 1e-10)


def test_jacobians_of_lanes_and_of_vmap() -> None:
    def f(x: Any) -> Any:
        return np.array([x[0] * x[1], np.sin(x[2]), x[0]])

    want = np.stack([[[x[1], x[0], 0], [0, 0, np.cos(x[2])], [1, 0, 0]] for x in ROWS])
    for transform in (lj.jacfwd, lj.jacrev):
        for found in both(lj.vmap(transform(f)), ROWS).values():
            close(found, want)
        whole = both(transform(lj.vmap(f)), ROWS)
        for found in whole.values():
            close(np.einsum("ikil->ikl", found), want)
            assert np.count_nonzero(found) == np.count_nonzero(want)


def test_per_example_gradients_of_weights() -> None:
    def loss(w: Any, x: Any, y: Any) -> Any:
        return np.log1p(np.exp(-y * np.dot(w, x)))

    y = np.sign(ROWS[:, 0])
    want = -(y / (1 + np.exp(y * (ROWS @ ROWS[0]))))[:, None] * ROWS
    for found in both(lj.vmap(lj.grad(loss), in_axes=(None, 0, 0)), ROWS[0], ROWS, y).values():
        close(found, want)
    for found in both(lj.grad(lambda w: np.sum(lj.vmap(loss, in_axes=(None, 0, 0))(w, ROWS, y))), ROWS[0]).values():
        close(found, want.sum(0))


def test_values_from_around_a_lane() -> None:
    def f(w: Any, x: Any) -> Any:
        scaled = w * 2.0
        return np.sum(lj.vmap(lambda r: np.dot(scaled, r) * scaled[0])(x))

    want = interpret(lj.grad(lambda w: np.sum((ROWS @ (w * 2.0)) * w[0] * 2.0)), ROWS[0])
    for found in both(lj.grad(f), ROWS[0], ROWS).values():
        close(found, want)


def test_sizes_that_a_lane_computes_from_what_is_known() -> None:
    def f(x: Any, k: int) -> Any:
        return np.concatenate([x, np.zeros(2 * len(x) + k)])[1:], x[::2], np.ones((k, 2)) * x[0]

    for found in both(lj.vmap(f, in_axes=(0, None)), ROWS, 2).values():
        assert [x.shape for x in found] == [(7, 10), (7, 2), (7, 2, 2)]
        close(found[1], ROWS[:, ::2])


# ---- effects
def test_rows_are_the_lanes_own() -> None:
    def f(x: Any) -> Any:
        x[0] = 3.0
        x *= 2.0
        return x

    before = ROWS.copy()
    for found in both(lj.vmap(f), before).values():
        close(found, np.concatenate([np.full((7, 1), 6.0), 2 * ROWS[:, 1:]], 1))
    lj.vmap(f)(before)
    np.testing.assert_array_equal(before, ROWS)


def test_a_recursion_may_write_into_its_row() -> None:
    def sort(x: Any, n: Any) -> None:
        if n <= 1:
            return
        for i in range(n - 1):
            if x[i] > x[i + 1]:
                x[i], x[i + 1] = x[i + 1], x[i]
        sort(x, n - 1)

    def f(x: Any) -> Any:
        sort(x, len(x))
        return x

    for found in both(lj.vmap(f), ROWS).values():
        close(found, np.sort(ROWS, axis=1))


def test_one_generator_for_all_lanes_draws_in_their_order() -> None:
    f = lj.vmap(lambda x, rng: x * rng.normal() + rng.random(), in_axes=(0, None))
    rng = np.random.default_rng(5)
    want = [x * rng.normal() + rng.random() for x in ROWS[:, 0]]
    close(lj.jit(f)(ROWS[:, 0], np.random.default_rng(5)), np.array(want))
    close(interpret(f, ROWS[:, 0], np.random.default_rng(5)), np.array(want))


def test_a_list_of_generators_is_one_for_each_lane() -> None:
    f = lj.vmap(lambda x, rng: x * rng.normal() + np.sum(rng.random(3)))
    want = [x * rng.normal() + np.sum(rng.random(3)) for x, rng in zip(ROWS[:, 0], np.random.default_rng(5).spawn(7), strict=True)]
    close(lj.jit(f)(ROWS[:, 0], np.random.default_rng(5).spawn(7)), np.array(want))
    close(interpret(f, ROWS[:, 0], tuple(np.random.default_rng(5).spawn(7))), np.array(want))
    slopes = [rng.normal() for rng in np.random.default_rng(5).spawn(7)]
    close(lj.jit(lambda x, rngs: lj.grad(lambda x: np.sum(f(x, rngs)))(x))(ROWS[:, 0], np.random.default_rng(5).spawn(7)), np.array(slopes))


def test_prints_in_the_order_of_lanes(capfd: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        print("lane", x)
        return x

    lj.jit(lj.vmap(f))(np.array([1.0, 2.5]))
    assert capfd.readouterr().out == "lane 1.0\nlane 2.5\n"


def test_an_exception_of_a_lane() -> None:
    def f(x: Any) -> Any:
        if x > 2.0:
            raise ValueError("too large")
        return x

    with pytest.raises(ValueError, match="too large"):
        lj.jit(lj.vmap(f))(np.array([1.0, 2.5]))
    close(lj.jit(lj.vmap(f))(np.array([1.0, 1.5])), np.array([1.0, 1.5]))


# ---- what is refused
LANES = np.ones((4, 3))


def shared_write(w: Any, x: Any) -> Any:
    w[0] += np.sum(x)
    return w[0]


def by_recursion(w: Any, n: Any) -> Any:
    if n > 0:
        w[0] = 1.0
        by_recursion(w, n - 1)


def calls(w: Any, x: Any) -> Any:
    by_recursion(w, 2)
    return x


KEPT: dict[str, Any] = {"n": 0.0}


def keeps(x: Any) -> Any:
    KEPT["n"] = x
    return x


REFUSED = [
    (lambda: lj.vmap(shared_write, (None, 0))(np.ones(2), LANES), lj.errors.UnsupportedOperationError, "into an array that all lanes share: copy it"),
    (lambda: lj.vmap(calls, (None, 0))(np.ones(2), LANES), lj.errors.UnsupportedOperationError, "into an array that all lanes share: copy it"),
    (lambda: lj.vmap(keeps)(LANES[:, 0]), lj.errors.UnsupportedOperationError, "changes a list, a dict, an attribute"),
    (lambda: lj.vmap(lambda x: x)(2.0), lj.errors.ArgumentTypeError, "argument 0 of vmap .* is a float, which has no axis 0: give in_axes=None"),
    (lambda: lj.vmap(lambda x: x)({"a": [1.0]}), lj.errors.ArgumentTypeError, re.escape("argument 0.a[0] of vmap")),
    (lambda: lj.vmap(lambda x, y: x)(LANES, LANES.T), lj.errors.ArrayShapeError, "different sizes, that of argument 1 .* sizes 4 and 3"),
    (lambda: lj.vmap(lambda x: x[: int(x[0])])(LANES), lj.errors.UnsupportedOperationError, "size of a result .* may be another one in each"),
    (lambda: lj.vmap(lambda x: x[x > 0])(LANES), lj.errors.UnsupportedOperationError, "size of a result"),
    (lambda: lj.vmap(lambda x: x, 2)(LANES), lj.errors.AxisError, "goes over axis 2 of argument 0, which has 2"),
    (lambda: lj.vmap(lambda x: x, 0, 3)(LANES), lj.errors.AxisError, "has 3 for a result that has 2 axes"),
    (lambda: lj.vmap(lambda x: x, 0, (0, 1))(LANES), lj.errors.ArgumentTypeError, "out_axes=.* does not have the structure"),
    (lambda: lj.vmap(lambda x: x, 0, None)(LANES), lj.errors.UnsupportedOperationError, "None for a result that each lane computes"),
    (lambda: lj.vmap(lambda x: x, (0, 0))(LANES), lj.errors.ArgumentTypeError, "names 2 arguments, and the call .* has 1"),
    (lambda: lj.vmap(lambda x: x, ((0, 0),))((LANES,)), lj.errors.ArgumentTypeError, "in_axes=.* has more parts"),
    (lambda: lj.vmap(lambda x: x, (None,))(LANES), lj.errors.ArgumentTypeError, "goes over no axis"),
    (lambda: lj.vmap(lambda x: x, ("a",))(LANES), lj.errors.ArgumentTypeError, "an axis is an int, or None"),
    (lambda: lj.vmap(lambda x, g: x)(LANES, np.random.default_rng(0)), lj.errors.ArgumentTypeError, "a random Generator, which has no axis"),
    (lambda: lj.vmap(3), TypeError, "takes a function"),
]  # fmt: skip


@pytest.mark.parametrize(("run", "error", "message"), REFUSED)
def test_refused(run: Function, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        run()
    assert KEPT == {"n": 0.0}


# ---- products of matrices
@pytest.mark.parametrize(
    ("f", "whole", "shapes"),
    [
        (lambda w, x: np.tanh(w @ x), lambda w, x: np.tanh(x @ w.T), ((9, 8), (20, 8))),
        (lambda w, x: np.sin((x * 0.5) @ w), lambda w, x: np.sin((x * 0.5) @ w), ((9, 8), (20, 4, 9))),
        (lambda w, x: np.sum(np.sin((x + 1) @ w.T), axis=0), lambda w, x: np.sum(np.sin((x + 1) @ w.T), axis=1), ((8, 9), (20, 4, 9))),
    ],
)
def test_products_with_a_shared_matrix_are_one(f: Function, whole: Function, shapes: Any) -> None:
    rng = np.random.default_rng(4)
    args = tuple(rng.normal(size=s) for s in shapes)
    mapped = lj.vmap(f, in_axes=(None, 0))
    text = lj.jit(mapped).inspect(*args).graph
    assert text.count("gemm(") == 1
    assert "branch" not in text
    for found in both(mapped, *args).values():
        close(found, whole(*args))
    one, other = (lj.grad(lambda w, x, g=g: np.sum(g(w, x) ** 2), (0, 1)) for g in (mapped, whole))
    for found in both(one, *args).values():
        close(found, lj.jit(other)(*args), 1e-10, 1e-10)


def test_a_product_with_what_the_loop_writes_is_made_in_each_iteration() -> None:
    def f(w: Any, x: Any) -> Any:
        for i in range(len(x)):
            w[i] = w[i] + np.tanh(x[i] @ w)
        return w

    def steps(w: Any, x: Any) -> Any:
        w = w.copy()
        for i in range(len(x)):
            w[i] = w[i] + np.tanh(x[i] @ w)
        return w

    w, x = np.random.default_rng(5).normal(size=(2, 9, 9))
    close(lj.jit(f)(w.copy(), x), steps(w, x))


def test_sizes_are_compared_once_for_all_lanes() -> None:
    f = lj.vmap(lambda w, x: np.sum(w * np.sin(x)), in_axes=(None, 0))
    text = lj.jit(f).inspect(ROWS[0], ROWS).graph
    assert "branch" not in text  # it is a kernel
    with pytest.raises(lj.errors.ArrayShapeError):
        lj.jit(f)(np.ones(4), ROWS)


@pytest.mark.parametrize("seed", first(1, [1001, 1002, 1003, 1005]))
def test_random_programs_in_lanes(seed: int) -> None:
    found = lanes.check(seed)
    assert not isinstance(found, str), f"{found}\n{lanes.text(seed)}"


def test_rows_of_one_element_broadcast_in_a_lane() -> None:
    f = lj.vmap(lambda x, y: x + 2.0 * y)
    for n, m in [(1, 3), (3, 1), (3, 3), (1, 1)]:
        x, y = np.arange(4.0 * n).reshape(4, n), np.arange(4.0 * m).reshape(4, m)
        for out in both(f, x, y).values():
            close(out, x + 2.0 * y)
        slopes = lj.jit(lj.grad(lambda x, y: np.sum(f(x, y) ** 2)))(x, y)
        close(slopes, (2.0 * (x + 2.0 * y)).sum(axis=1, keepdims=True) if n < m else 2.0 * (x + 2.0 * y))
    with pytest.raises(lj.errors.BroadcastError):
        lj.jit(f)(np.ones((4, 2)), np.ones((4, 3)))


def test_the_size_of_what_an_operation_gives_is_known_before_the_lanes() -> None:
    @lj.op
    def project(x: Any, k: Any) -> Any:
        y = np.maximum(x - np.sort(x)[-2], 0.0)
        return k(y) * (y > 0)

    x = np.array([[3.0, 1.0, 2.0], [0.0, 5.0, 1.0]])
    for out in both(lj.vmap(project), x).values():
        close(out, np.array([[1.0, 0.0, 0.0], [0.0, 4.0, 0.0]]))
    for out in both(lj.grad(lambda x: np.sum(lj.vmap(project)(x) ** 2)), x).values():
        close(out, np.array([[2.0, 0.0, 0.0], [0.0, 8.0, 0.0]]))


def test_axes_are_ints() -> None:
    for name in ("in_axes", "out_axes"):
        with pytest.raises(lj.errors.ArgumentTypeError, match=rf"vmap's {name} has array\(\[1., 2.\]\): an axis is an int, or None"):
            lj.vmap(lambda x: x, **{name: (np.array([1.0, 2.0]),)})


HALVES: dict[str, Callable[[Any], Any]] = {
    "the first half": lambda x: x[: len(x) // 2],
    "a third of more": lambda x: np.concatenate([x, x])[: (2 * len(x) + 1) // 3],
    "np.fft.rfft": lambda x: np.abs(np.fft.rfft(x)),
    "np.correlate": lambda x: np.correlate(x, x[:3], "same"),
    "np.trapezoid of halves": lambda x: np.convolve(x[: len(x) // 2], x[len(x) // 2 :]),
}


@pytest.mark.parametrize("name", HALVES)
def test_sizes_that_are_parts_of_sizes(name: str) -> None:
    f = HALVES[name]
    for n in (6, 7):
        x = np.sin(np.arange(4.0 * n)).reshape(4, n) + 0.1
        wanted = np.stack([f(row) for row in x])
        for out in both(lj.vmap(f), x).values():
            close(out, wanted)
        assert lj.jit(lj.vmap(f))(x[:0]).shape == (0, *wanted.shape[1:])


@pytest.mark.parametrize("name", ["expm", "logm", "cosm", "tanhm"])
def test_functions_of_the_matrices_of_lanes(name: str) -> None:
    linalg = pytest.importorskip("scipy.linalg")
    f = getattr(linalg, name)
    x = np.eye(3) + 0.1 * np.sin(np.arange(36.0)).reshape(4, 3, 3)
    for out in both(lj.vmap(f), x).values():
        close(out, np.stack([f(a) for a in x]))
    slopes = lj.jit(lj.grad(lambda x: np.sum(lj.vmap(f)(x) * x)))(x)
    one = lj.jit(lj.grad(lambda a: np.sum(f(a) * a)))
    close(slopes, np.stack([one(a) for a in x]))

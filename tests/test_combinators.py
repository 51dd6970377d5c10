"""cond, switch, while_loop, fori_loop, scan and fun, with and without source; gradients to order 2."""

from __future__ import annotations

import itertools
import math
import re
from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors
from lantern_jit.ir.values import pytree

from .support import both, check, close


def by_cond(x: float, y: float) -> float:
    return lj.cond(x > y, lambda a, b: (a * b, {"k": a}), lambda a, b: (b - a, {"k": b * b}), x, y)[1]["k"] * x


def by_switch(i: int, x: float) -> float:
    return lj.switch(i, [math.sin, lambda v: v * v, lambda v: -v * x], x)


def by_while_loop(x: float) -> float:
    return lj.while_loop(lambda s: s[0] < 100.0, lambda s: (s[0] * 2 + x, s[1] * x), (x, 1.0))[1]


def by_fori_loop(x: float, n: int) -> float:
    return lj.fori_loop(1, n, lambda i, s: {"a": s["a"] * x + i, "b": s["a"]}, {"a": x, "b": 0.0})["b"]


def by_scan(xs: Any) -> float:
    total, ys = lj.scan(lambda c, x: (c * 0.5 + x, c * x), 1.0, xs)
    for i in range(len(ys)):
        total = total + ys[i] * ys[i]
    return total


def test_combinators() -> None:
    check(by_cond, (2.0, 1.0), (1.0, 2.0), argnums=(0, 1))
    check(by_while_loop, (1.5,))
    check(by_fori_loop, (0.7, 5), (0.7, 0))


def test_switch_clamps_its_index() -> None:
    check(by_switch, (0, 0.5), (1, 0.5), (2, 0.5), (9, 0.5), (-3, 0.5), argnums=(1,))


def test_scan() -> None:
    xs = np.array([0.5, 0.2, 0.9])
    check(by_scan, (xs,), (np.array([]),))
    for out in both(lambda v: lj.scan(lambda c, x: (c + x, c * x), 0.0, v), xs).values():
        close(out, (1.6, np.array([0.0, 0.1, 0.63])))


def test_fun_recurses() -> None:
    @lj.fun
    def staged(x: float, n: int) -> float:
        return lj.cond(n == 0, lambda: 1.0 * x, lambda: x * staged(x, n - 1))

    for out in both(lambda x, n: (staged(x, n), lj.grad(staged)(x, n), lj.grad(lj.grad(staged))(x, n)), 0.5, 4).values():
        close(out, (0.5**5, 5 * 0.5**4, 20 * 0.5**3))


def test_fun_is_staged_once() -> None:
    square = lj.fun(lambda x: x * x)
    graph = lj.jit(lambda x: square(x) + square(x + 1)).inspect(2.0).graph
    assert graph.count("fn ") == 2, graph


def test_combinators_in_plain_python() -> None:
    assert lj.cond(True, lambda v: v + 1, lambda v: v, 1) == 2
    assert lj.switch(5, [lambda: 1, lambda: 2]) == 2
    assert lj.while_loop(lambda v: v < 10, lambda v: v * 2, 3) == 12
    assert lj.fori_loop(0, 4, lambda i, s: s + i, 0) == 6
    with pytest.raises(ValueError, match="at least one branch"):
        lj.switch(0, [])


def exec_combinators() -> dict[str, Any]:
    """Functions without source."""
    text = """
f = lambda x: lj.cond(x > 0, lambda v: lj.while_loop(lambda s: s < 50.0, lambda s: s * v + 1, v), lambda v: v * v, x)
g = lambda x, n: lj.fori_loop(0, n, lambda i, s: s * x + i, x)
"""
    namespace: dict[str, Any] = {"lj": lj}
    exec(text, namespace)
    return namespace


def test_combinators_where_there_is_no_source() -> None:
    made = exec_combinators()
    check(made["f"], (2.0,), (-2.0,))
    check(made["g"], (0.7, 5))


def test_fun_where_there_is_no_source() -> None:
    made: dict[str, Any] = {"lj": lj}
    exec("h = lj.fun(lambda x, n: lj.cond(n == 0, lambda: x * x, lambda: h(x, n - 1) * x))", made)
    for out in both(lambda x, n: (made["h"](x, n), lj.grad(made["h"])(x, n)), 0.5, 3).values():
        close(out, (0.5**5, 5 * 0.5**4))


# ---- scan, map, associative_scan: structures
Pair = namedtuple("Pair", "a b")
MATS = np.array([[[0.5, 0.2], [0.1, -0.3]], [[1.0, 0.4], [0.3, 0.2]], [[-0.2, 0.5], [0.7, 0.1]]])
VECTOR = np.array([0.3, -0.8, 1.2, 0.5, 0.9])


def plain_scan(f: Any, init: Any, xs: Any, length: int | None = None, reverse: bool = False) -> Any:
    """lj.scan as plain Python."""
    leaves, tree = pytree.flatten(xs)
    n = next((len(x) for x in leaves if x is not None), length)
    assert n is not None
    ys: list[Any] = [None] * n
    for i in reversed(range(n)) if reverse else range(n):
        init, ys[i] = f(init, pytree.unflatten(tree, [None if x is None else x[i] for x in leaves]))
    columns = list(zip(*(pytree.flatten(y)[0] for y in ys), strict=True))
    return init, pytree.unflatten(pytree.flatten(ys[0])[1], [None if c[0] is None else np.array(c) for c in columns])


def mixed_step(c: Any, x: Any) -> Any:
    new = {"h": c["h"] * x[0]["u"] + c["p"].b, "p": Pair(c["p"].a + 1, c["p"].b * 0.9), "none": None}
    return new, Pair([x[0]["u"] * c["p"].b, x[1]], (c["h"].sum(), None, c["p"].a))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("unroll", [1, 2, 7])
def test_scan_over_containers(reverse: bool, unroll: int) -> None:
    init = {"h": np.array([1.0, 2.0]), "p": Pair(0, 0.5), "none": None}
    xs = ({"u": np.arange(10.0).reshape(5, 2) / 10}, np.arange(5), None)
    want = plain_scan(mixed_step, init, xs, reverse=reverse)

    def f(init: Any, xs: Any) -> Any:
        return lj.scan(mixed_step, init, xs, reverse=reverse, unroll=unroll)

    for out in [*both(f, init, xs).values(), lj.scan(mixed_step, init, xs, None, reverse, unroll)]:
        close(out, want)
        assert type(out[1]) is Pair
        assert type(out[1].a) is list
        assert out[0]["none"] is out[1].b[1] is None
        assert out[1].b[2].dtype == out[1].a[1].dtype == np.int64


def test_scan_without_xs_and_of_every_length() -> None:
    def f(x: float, n: int) -> Any:
        return lj.scan(lambda c, _: (c * x, c), 1.0, None, n), lj.scan(lambda c, _: (c + 1, None), 0, length=n, unroll=3)

    for n in (0, 1, 2, 3, 7):
        for out in both(f, 2.0, n).values():
            close(out, ((2.0**n, 2.0 ** np.arange(n)), (n, None)))
    unrolled = lj.jit(lambda x: lj.scan(lambda c, _: (c * x, c), 1.0, length=9, unroll=True)).inspect(2.0).graph
    assert "loop" not in unrolled
    with pytest.raises(errors.TracedConditionError, match=r"unroll=True at .* needs a length that is known"):
        lj.jit(lambda xs: lj.scan(lambda c, x: (c, x), 0.0, xs, unroll=True))(np.ones(9))
    with pytest.raises(ValueError, match=r"unroll=0 at .* give 1 or more"):
        lj.scan(lambda c, x: (c, x), 0.0, np.ones(9), unroll=0)


def test_empty_results_have_their_shapes() -> None:
    def f(xs: Any) -> Any:
        return lj.map(lambda r: (r.sum(), r, r > 0), xs), lj.associative_scan(lambda a, b: a + b, xs)

    for out in both(f, np.zeros((0, 3), np.float32)).values():
        (a, b, c), d = out
        assert (a.shape, b.shape, c.shape, d.shape) == ((0,), (0, 3), (0, 3), (0, 3))
        assert (a.dtype, b.dtype, c.dtype, d.dtype) == (np.float32, np.float32, bool, np.float32)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int32, bool])
def test_dtypes_of_ys(dtype: Any) -> None:
    xs = np.arange(6).reshape(3, 2).astype(dtype)
    for out in both(lambda xs: lj.map(lambda r: (r, r[0]), xs), xs).values():
        assert np.array_equal(out[0], xs)
        assert out[0].dtype == dtype
        assert out[1].dtype == (np.int64 if dtype is np.int32 else dtype)


def test_a_python_number_is_carried_as_what_comes_back() -> None:
    for run in (
        lj.scan,
        lambda *a: lj.jit(lambda c, xs: lj.scan(a[0], c, xs))(*a[1:]),
        lambda *a: lj.jit(lambda xs: lj.scan(a[0], a[1], xs))(a[2]),
    ):
        total, ys = run(lambda c, x: (c + x, c), 0, np.array([1.5, 2.0]))
        assert (total, ys.tolist()) == (3.5, [0.0, 1.5])
        total, ys = run(lambda c, x: (c + x, c), 0.0, np.array([1.5, 2.0], np.float32))
        assert (type(total), ys.dtype) == (np.float32, np.float32)


ASSOCIATIVE: dict[str, tuple[Any, Any]] = {
    "sum": (lambda a, b: a + b, VECTOR),
    "largest": (np.maximum, np.array([[1.0, 3.0, 2.0], [5.0, 4.0, 6.0]])),
    "branches": (lambda a, b: a if a > b else b, VECTOR),
    "products": (lambda a, b: a @ b, MATS),
    "linear": (lambda a, b: (b[0] * a[0], b[0] * a[1] + b[1]), (VECTOR, VECTOR * VECTOR)),
    "dict": (lambda a, b: {"m": b["m"] @ a["m"], "v": b["m"] @ a["v"] + b["v"], "none": None}, {"m": MATS, "v": MATS[:, 0], "none": None}),
}


@pytest.mark.parametrize("name", ASSOCIATIVE)
@pytest.mark.parametrize("reverse", [False, True])
def test_associative_scan(name: str, reverse: bool) -> None:
    fn, xs = ASSOCIATIVE[name]
    leaves, tree = pytree.flatten(xs)
    n = len(next(x for x in leaves if x is not None))
    elements = [pytree.unflatten(tree, [None if x is None else x[i] for x in leaves]) for i in (range(n)[::-1] if reverse else range(n))]
    want = list(itertools.accumulate(elements, fn))[:: -1 if reverse else 1]
    columns = zip(*(pytree.flatten(w)[0] for w in want), strict=True)
    stacked = pytree.unflatten(tree, [None if c[0] is None else np.array(c) for c in columns])
    for out in [*both(lambda xs: lj.associative_scan(fn, xs, reverse=reverse), xs).values(), lj.associative_scan(fn, xs, reverse)]:
        close(out, stacked)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_associative_scan_along_an_axis(axis: int) -> None:
    for out in both(lambda xs: lj.associative_scan(np.add, xs, axis=axis), MATS).values():
        close(out, np.cumsum(MATS, axis))


# ---- derivatives, as of the loops that they are
def of_structures(x: Any, c: float) -> Any:
    def step(h: Any, r: Any) -> Any:
        return {"a": np.tanh(h["a"] * r[0] + h["b"]), "b": h["b"] * 0.9}, (h["a"] * r[1], np.sin(h["b"]))

    h, (u, v) = lj.scan(step, {"a": x[:2] * c, "b": 0.3 * c}, (np.array([0.4, 1.1, 0.7, -0.3, 0.2, 0.8]), x), reverse=True)
    return np.sum(h["a"]) * np.sum(u * u) + np.sum(v) * h["b"]


def of_states(w: Any, h: Any) -> Any:
    h, hs = lj.scan(lambda h, _: (np.tanh(w @ h), w @ h), h, length=4)
    return np.sum(hs * hs) * h[0]


def nested_scans(x: float) -> Any:
    def outer(c: Any, i: Any) -> Any:
        d, ys = lj.scan(lambda d, j: (d * x + j, d * c), c, np.arange(3.0))
        return d * 0.1 + i, ys

    c, ys = lj.scan(outer, x, np.arange(5))
    return c * np.sum(ys)


def in_recursion(x: float, n: int) -> Any:
    return x if n == 0 else lj.scan(lambda c, y: (c * y + in_recursion(y, n - 1), c), x, np.array([x, 2.0, x * x]))[0]


def mixture(x: Any) -> Any:
    def body(i: Any, s: Any) -> Any:
        mapped = lj.map(lambda v: lj.cond(v > 0.5, np.sin, lambda t: t * t * s, v), x)
        return s + mapped.sum() + lj.switch(i, [lambda v: v, lambda v: v * v, np.cos], s)

    return lj.fori_loop(0, 3, body, 1.0)


def running(x: Any) -> Any:
    products = lj.associative_scan(lambda a, b: (a[0] * b[0], b[0] * a[1] + b[1]), (x, x * x), reverse=True)
    return np.sum(products[0] * products[1])


def test_derivatives() -> None:
    check(of_structures, (np.append(VECTOR, 0.4), 0.7), argnums=(0, 1))
    check(of_states, (MATS[0], np.array([1.0, 2.0])), argnums=(0, 1))
    check(nested_scans, (0.5,))
    check(in_recursion, (0.4, 2))
    check(mixture, (np.array([0.2, 0.7, 0.9]),))
    check(running, (VECTOR,), (VECTOR[:1],))


def test_derivatives_in_float32() -> None:
    def f(x: Any) -> Any:
        return lj.scan(lambda c, v: (c * np.float32(0.5) + np.sin(v) * c, c * v), np.float32(1.0), x)[1].sum()

    x = VECTOR.astype(np.float32)
    for order in (lj.grad, lambda g: lambda x: lj.hvp(g, (x,), (x,))):
        found = both(order(f), x)
        want = order(lambda x: lj.scan(lambda c, v: (c * 0.5 + np.sin(v) * c, c * v), 1.0, x)[1].sum())(VECTOR)
        for out in found.values():
            assert out.dtype == np.float32
            close(out, want, 1e-5, 1e-6)


# ---- a scan is the loop written by hand
def by_hand(xs: Any) -> Any:
    c, ys = 0.0, np.empty(len(xs))
    for i in range(len(xs)):
        x = xs[i]
        ys[i] = c * x
        c = 0.5 * c + np.sin(x)
    return c, ys


def rnn(w: Any, u: Any, h: Any, xs: Any) -> Any:
    return lj.scan(lambda h, x: (np.tanh(w @ h + u @ x),) * 2, h, xs)


def rnn_by_hand(w: Any, u: Any, h: Any, xs: Any) -> Any:
    hs = np.empty((len(xs), len(h)))
    for i in range(len(xs)):
        h = np.tanh(w @ h + u @ xs[i])
        hs[i] = h
    return h, hs


def mapped_by_hand(xs: Any) -> Any:
    ys = np.empty(len(xs))
    for i in range(len(xs)):
        ys[i] = np.exp(xs[i]) * xs[i]
    return ys


RNN = (np.eye(3) * 0.5, np.ones((3, 2)), np.zeros(3), np.ones((5, 2)))
SPELLINGS: list[tuple[Any, Any, Any]] = [
    (lambda xs: lj.scan(lambda c, x: (0.5 * c + np.sin(x), c * x), 0.0, xs), by_hand, (VECTOR,)),
    (lambda xs: lj.map(lambda x: np.exp(x) * x, xs), mapped_by_hand, (VECTOR,)),
    (rnn, rnn_by_hand, RNN),
]


def cost(f: Any, args: Any) -> tuple[int, int]:
    """Instructions, and arrays that are made."""
    stages = lj.jit(f).inspect(*args)
    return len(re.findall(r"^  \S", stages.llvm_optimized, re.MULTILINE)), stages.lowered.count("alloc(")


@pytest.mark.parametrize("i", range(len(SPELLINGS)))
def test_a_scan_costs_what_the_loop_costs(i: int) -> None:
    spelled, by_hand, args = SPELLINGS[i]

    def total(f: Any) -> Any:
        return lambda *a: sum(np.sum(x) for x in pytree.flatten(f(*a))[0])

    close(lj.jit(spelled)(*args), by_hand(*args))
    for of in (lambda f: f, lambda f: lj.grad(total(f))):
        (mine, arrays), (theirs, their_arrays) = cost(of(spelled), args), cost(of(by_hand), args)
        assert mine <= theirs
        assert arrays <= their_arrays


# ---- what is refused
REFUSED: list[tuple[Any, Any, str]] = [
    (lambda x: lj.scan(lambda c, v: (np.ones(3), v), np.ones(2), VECTOR), errors.TypeMismatchError,
     r"scan\(\) at .*: carry goes in as float64 of shape \(2,\) and comes out as float64 of shape \(3,\)"),
    (lambda x: lj.scan(lambda c, v: ({"h": [c["h"][0].astype(np.float64)]}, v), {"h": [np.zeros(2, np.float32)]}, VECTOR), errors.TypeMismatchError,
     r"carry\['h'\]\[0\] goes in as float32 of shape \(2,\) and comes out as float64 .* write \.astype\(np\.float32\)"),
    (lambda x: lj.fori_loop(0, 3, lambda i, s: Pair(s.a, s.b + np.float64(1.0)), Pair(1, np.float32(0))), errors.TypeMismatchError,
     r"fori_loop\(\) at .*: the state\.b goes in as float32 and comes out as float.* write np\.float32\(\.\.\)"),
    (lambda x: lj.while_loop(lambda s: s > x, lambda s: (s - 1,), 3.0), errors.TypeMismatchError, r"comes out as tuple of float: keep its structure"),
    (lambda x: lj.scan(lambda c, v: (None, v), 1.0, VECTOR), errors.TypeMismatchError, "goes in as float and comes out as None"),
    (lambda x: lj.scan(lambda c, v: c, 1.0, VECTOR), TypeError, r"gives \(carry, y\), not float: write `return carry, None`"),
    (lambda x: lj.scan(lambda c, v: (c, v), 1.0), TypeError, r"does not know how often: give xs arrays, or length="),
    (lambda x: lj.scan(lambda c, v: (c, v), 1.0, [1, 2, 3]), TypeError, r"xs\[0\] is int: give an array"),
    (lambda x: lj.scan(lambda c, v: (c, v), 1.0, (VECTOR, VECTOR[1:])), errors.ArrayShapeError, r"xs\[0\] and xs\[1\] are not of one length: sizes 5 and 4"),
    (lambda x: lj.scan(lambda c, v: (c, v), 1.0, VECTOR, 4), errors.ArrayShapeError, "length and xs are not of one length"),
    (lambda x: lj.scan(lambda c, v: (c, "text"), 1.0, VECTOR), errors.TypeMismatchError, "a y of scan.* is a str"),
    (lambda x: lj.scan(lambda c, v: (c, np.flatnonzero(v < VECTOR)), 1.0, VECTOR), errors.UnsupportedOperationError, "whose size is computed by the function itself"),
    (lambda x: lj.while_loop(lambda s: s, lambda s: s - 1, 3), TypeError, r"its condition at .* needs one bool, not int: compare it"),
    (lambda x: lj.cond(x < VECTOR, lambda: 1, lambda: 2), TypeError, r"cond\(\) at .* needs one bool, not bool of shape \(5,\): write any\(\) or all\(\)"),
    (lambda x: lj.cond(lambda: True, lambda: 1, lambda: 2), TypeError, "needs one bool, not function"),
    (lambda x: lj.cond(None, lambda: 1, lambda: 2), TypeError, "needs one bool, not None"),
    (lambda x: lj.cond("yes", lambda: 1, lambda: 2), TypeError, "needs one bool, not str"),
    (lambda x: lj.switch(x, [lambda: 1, lambda: 2]), TypeError, r"switch\(\) at .* needs an int for the index, not float"),
    (lambda x: lj.switch(x > 0, [lambda: 1, lambda: 2]), TypeError, "needs an int for the index, not bool"),
    (lambda x: lj.fori_loop(0, x, lambda i, s: s, 1.0), TypeError, "needs an int for upper, not float"),
    (lambda x: lj.associative_scan(lambda a, b: (a, b), VECTOR), errors.TypeMismatchError, "elems goes in as float.* comes out as tuple"),
    (lambda x: lj.map(lambda v: v, 3.0), TypeError, "xs is float: give an array"),
]  # fmt: skip


@pytest.mark.parametrize("i", range(len(REFUSED)))
def test_what_is_refused(i: int) -> None:
    f, error, text = REFUSED[i]
    with pytest.raises(error, match=text):
        lj.jit(f)(2.0)


def test_plain_loops_carry_arrays() -> None:
    def below(a: Any, n: int) -> Any:
        def body(s: Any) -> Any:
            out = s[1].copy()
            out[s[0]] = 2.0 * a[s[0]]
            return s[0] + 1, out

        return lj.while_loop(lambda s: s[0] < n, body, (0, np.zeros(a.shape)))[1]

    close(below(VECTOR, 3), 2.0 * VECTOR * (np.arange(5) < 3))
    close(lj.jit(below)(VECTOR, 3), 2.0 * VECTOR * (np.arange(5) < 3))
    close(lj.fori_loop(0, 3, lambda i, s: {"a": s["a"] + i, "b": s["b"]}, {"a": VECTOR, "b": ()})["a"], VECTOR + 3.0)
    for f, a, b in [(lambda s: np.ones(3), "shape (2,)", "shape (3,)"), (lambda s: s.astype(np.float32), "float64 of", "float32 of")]:
        with pytest.raises(errors.TypeMismatchError, match=re.escape(f"{a}").join([".*", ".*"]) + re.escape(b)):
            lj.while_loop(lambda s: True, f, np.ones(2))
    with pytest.raises(
        errors.TypeMismatchError, match=r"goes in as tuple of int, \(tuple of int, int\) and comes out as tuple of int, int, int"
    ):
        lj.fori_loop(0, 2, lambda i, s: (1, 2, 3), (1, (2, 3)))


def test_the_ys_of_a_scan_are_gradients() -> None:
    loss = lambda x: np.sum(np.sin(x) * x[0, 0])  # noqa: E731
    x = np.arange(1.0, 7.0).reshape(2, 3)
    for step in (lambda c: lj.grad(loss)(c), lambda c: lj.jvp(loss, (c,), (c,))[1] * c, lambda c: lj.vjp(np.sin, c)[1](c)[0]):
        for out in both(lambda x, step=step: lj.scan(lambda c, _: (c * 0.5, step(c)), x, length=3)[1], x).values():
            close(out, np.stack([lj.jit(step)(x * 0.5**i) for i in range(3)]))


def test_a_shape_that_only_the_program_knows_is_compared_then() -> None:
    f = lj.jit(lambda w, h, n: lj.scan(lambda h, _: (w @ h, h), h, length=n))
    close(f(np.eye(2), np.ones(2), 6), (np.ones(2), np.ones((6, 2))))
    with pytest.raises(errors.ArrayShapeError, match=r"scan\(\): carry changes its shape, which what is carried keeps: sizes 2 and 3"):
        f(np.ones((3, 2)), np.ones(2), 6)


def test_numbers_are_conditions_of_cond_and_many_branches_are_halved() -> None:
    for out in both(lambda n: lj.cond(n, lambda: 1.0, lambda: 2.0), 0).values():
        assert out == 2.0
    f = lj.jit(lambda i: lj.switch(i, [lambda k=k: k * k for k in range(100)]))
    assert [f(i) for i in (-(2**63), -1, 0, 1, 49, 50, 98, 99, 100, 2**63 - 1)] == [0, 0, 0, 1, 49**2, 50**2, 98**2, 99**2, 99**2, 99**2]


def test_names_of_arguments_are_those_of_jax() -> None:
    assert lj.cond(pred=True, true_fun=lambda: 1, false_fun=lambda: 2) == 1
    assert lj.while_loop(cond_fun=lambda s: s < 3, body_fun=lambda s: s + 1, init_val=0) == 3
    assert lj.fori_loop(lower=0, upper=3, body_fun=lambda i, s: s + i, init_val=0) == 3
    close(lj.scan(f=lambda c, x: (c + x, c), init=0.0, xs=VECTOR, length=5, reverse=False, unroll=1)[0], VECTOR.sum())
    close(lj.map(f=lambda x: 2 * x, xs=VECTOR, batch_size=2), 2 * VECTOR)
    close(lj.map(f=lambda x: 2 * x, xs=VECTOR), 2 * VECTOR)
    close(lj.associative_scan(fn=np.add, elems=VECTOR, reverse=False, axis=0), np.cumsum(VECTOR))


def test_map_in_batches() -> None:
    def f(xs: Any, size: Any) -> Any:
        return lj.map(lambda p: (np.sin(p["a"]) * p["b"].sum(), p["b"] * 2), {"a": xs, "b": np.outer(xs, xs)}, batch_size=size)

    one, rows = f(VECTOR, None)
    for size in (1, 3, 100):
        for out in both(lambda xs: f(xs, size), VECTOR).values():  # noqa: B023
            close(out[0], one)
            close(out[1], rows)
    g = lj.jit(lj.grad(lambda xs: np.sum(f(xs, 4)[0])))(VECTOR)
    close(g, lj.jit(lj.grad(lambda xs: np.sum(f(xs, None)[0])))(VECTOR))
    for bad in (0, -2, True):
        with pytest.raises(ValueError, match="give an int of 1 or more"):
            lj.map(np.sin, VECTOR, batch_size=bad)
    with pytest.raises(TypeError):
        lj.map(np.sin, VECTOR, batch_size=2.5)

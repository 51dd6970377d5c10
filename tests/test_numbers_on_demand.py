"""Sizes and int arguments are symbols until Python needs the number: then it joins the signature."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.ir.core import errors

from .support import both, check, close, numeric_gradient, specialisations

X, Y, M = np.array([2.0, 3.0, 5.0]), np.array([0.5, -1.0, 2.0]), np.array([[1.0, 2.0, 4.0], [3.0, 5.0, 1.0], [0.5, 1.0, 3.0]])


# ---- what Python does with a sequence
def unpacked(t: Any) -> Any:
    a, b, c = t
    return a * b - c * c


def starred(t: Any) -> Any:
    first, *rest = t
    return first * rest[-1] + len(rest)


def nested(m: Any) -> Any:
    (a, b, _), *_, (c, *d) = m
    return a * d[0] - b * c


def star_arguments(t: Any) -> Any:
    return max(*t) * min(*t)


def comprehension(t: Any) -> Any:
    return sum([v * v for v in tuple(t)])


def filtered(t: Any) -> Any:
    return sum([t[i] * i for i in range(len(t)) if i != 1])


def generator(t: Any) -> Any:
    return sum(v * w for v, w in zip(t, reversed(t), strict=True))


def of_dict(t: Any) -> Any:
    table = {i: v for i, v in enumerate(t)}
    return table[0] * table[len(t) - 1]


def rows(m: Any) -> Any:
    return sum(r @ r for r in m)


def slices(t: Any) -> Any:
    a, b = t[1:]
    c, _ = t[:-1] * a
    return a * b + c


def of_matrix_product(m: Any) -> Any:
    a, b, c = m @ m[0]
    return a * b * c


def beside_a_list(t: Any) -> Any:
    return sum(w * v for w, v in zip([1.0, 2.0, 4.0], t, strict=False))


def indexes_a_list(t: Any) -> Any:
    weights, total = [3.0, 1.0, 0.5, 9.0], 0.0
    for i in range(len(t)):
        total += weights[i] * t[i] ** 2
    return total


def sized_list(t: Any) -> Any:
    out = [0.0] * len(t)
    for i in range(len(t)):
        out[i] = t[i] * t[i - 1]
    return out[0] + 2 * out[-1]


SEQUENCES = [(f, X) for f in (unpacked, starred, star_arguments, comprehension, filtered, generator, of_dict, slices, beside_a_list,
                              indexes_a_list, sized_list)] + [(f, M) for f in (nested, rows, of_matrix_product)]  # fmt: skip


@pytest.mark.parametrize(("f", "x"), SEQUENCES, ids=[f.__name__ for f, _ in SEQUENCES])
def test_sequences(f: Callable[[Any], Any], x: Any) -> None:
    check(f, (x,))


def test_the_wrong_count_raises_as_in_python() -> None:
    f = lj.jit(unpacked)
    assert f(X) == unpacked(X)
    for wrong, message in ((np.ones(4), "too many values to unpack"), (np.ones(2), "not enough values to unpack")):
        for _ in range(2):
            with pytest.raises(ValueError, match=message):
                f(wrong)
    assert f(2 * X) == unpacked(2 * X)
    assert specialisations(f) == 1


# ---- numbers that go to Python and to NumPy
FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "list of a size": (lambda x: np.array([1.0] * len(x)) + x, (X,)),
    "np.prod of a shape": (lambda m: m.sum() / np.prod(m.shape), (M,)),
    "math.comb": (lambda x, n: x * math.comb(n, 2), (1.5, 5)),
    "squeeze": (lambda m: m[:1].squeeze() * 2, (M,)),
    "array_split": (lambda x: [p.sum() for p in np.array_split(x, 2)], (X,)),
    "split by an argument": (lambda x, k: [p.sum() for p in np.split(x, k)], (X, 3)),
    "tril_indices": (lambda x: x[np.tril_indices(len(x))[0]], (X,)),
    "svd": (lambda m: np.linalg.svd(m)[1], (M,)),
    "pad": (lambda x, p: np.pad(x, p), (X, 2)),
    "step": (lambda x, k: x[::k], (X, -2)),
    "axis": (lambda m, k: m.sum(axis=k), (M, 1)),
    "digits": (lambda x, n: round(x, n), (1.2345, 2)),
    "item of a list": (lambda x, n: [10.0, 20.0, 30.0][n] * x, (1.5, -1)),
    "item of a dict": (lambda x, n: {3: x, 4: -x}[n], (1.5, 4)),
    "quadrature": (lambda n: np.sum(np.polynomial.legendre.leggauss(n)[1]), (4,)),
    "half of a size": (lambda x: [v * 2 for v in x[: len(x) // 2 + 1]], (X,)),
    "polyval": (lambda p, x: np.polyval(p, x), (X, 0.5)),
    "a strong int": (lambda x, n: [x] * n, (1.5, np.int64(2))),
    "a size of a size": (lambda x: [i for i in range(np.zeros((len(x), 2)).size)], (X,)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numbers_for_python_and_numpy(name: str) -> None:
    f, args = FUNCTIONS[name]
    for found in both(f, *args).values():
        close(found, f(*args), 1e-10, 1e-12, name)


SYMBOLS: dict[str, tuple[Callable[..., Any], list[tuple[Any, ...]]]] = {
    "zeros": (lambda n, m: np.zeros((n, m)) + n, [(2, 3), (4, 1)]),
    "reshape": (lambda x, n: x.reshape(n, -1), [(np.arange(6.0), 2), (np.arange(8.0), 4)]),
    "linspace": (lambda n: np.linspace(0, 1, n), [(3,), (5,)]),
    "loop over a size": (lambda x: np.sum(x * np.arange(len(x))), [(X,), (M[0],), (np.ones(9),)]),
    "slices": (lambda x, i, j: x[i:j], [(X, 0, 2), (X, 1, 3)]),
    "index": (lambda x, i: x[i] + len(x), [(X, 0), (X, 2), (np.ones(7), 6)]),
    "condition": (lambda x, n: x if n > 3 else -x, [(1.0, 2), (1.0, 5)]),
    "power": (lambda x, n: x**n, [(2.0, 3), (2.0, 4)]),
}


@pytest.mark.parametrize("name", SYMBOLS)
def test_what_needs_no_number_is_compiled_once(name: str) -> None:
    f, points = SYMBOLS[name]
    g = lj.jit(f)
    for args in points:
        close(g(*args), f(*args))
    assert specialisations(g) == 1
    assert g.specialisations[0].numbers == {}


def test_each_number_has_its_program_and_keeps_it() -> None:
    f = lj.jit(lambda x, p: np.sum(np.pad(x, p) * x.size))
    for p in (1, 2, 1, 2, 3, 1):
        for n in (2, 5, 9):
            assert f(np.ones(n), p) == n * n
    assert [row.numbers for row in f.specialisations] == [{"p": 1}, {"p": 2}, {"p": 3}]


def test_only_the_sizes_that_are_needed_are_fixed() -> None:
    def f(points: Any) -> Any:
        xs, ys = points.T
        return np.sum(xs**2) + np.sum(ys**2)

    g = lj.jit(f)
    for n in (1, 4, 30):
        close(g(np.ones((n, 2))), 2.0 * n)
    assert [row.numbers for row in g.specialisations] == [{"points.shape[1]": 2}]


def test_all_inputs_of_a_number_are_fixed() -> None:
    f = lj.jit(lambda x, k, y: [y * v for v in tuple(x[: len(x) - k])])
    assert f(X, 1, 2.0) == [4.0, 6.0]
    assert f(X, 2, 2.0) == [4.0]
    assert [row.numbers for row in f.specialisations] == [{"x.shape[0]": 3, "k": 1}, {"x.shape[0]": 3, "k": 2}]


def test_sizes_that_broadcast_against_a_fixed_one() -> None:
    def f(a: Any, b: Any) -> Any:
        p, q = a + b
        return p * q

    for g in (lj.jit(f), lj.jit(lj.grad(f)), lj.grad(f)):
        plain = (
            f if g.__name__ == "f" else lambda a, b: (np.ones(len(a)) * f(a, b) / (a + b)) if len(a) == 2 else (a + b).sum(keepdims=True)
        )
        for a, b in ((X[:2], Y[:2]), (X[:2], Y[:1]), (X[:1], Y[:2]), (X[:2], Y[1:])):
            close(g(a, b), plain(a, b), what=f"{g}")
        assert len(g.specialisations) == 3


def test_what_is_tried_and_given_up_needs_nothing() -> None:
    def f(x: Any, m: int) -> Any:
        weights, total = (1.0, 2.0, 3.0), 0.0
        for i in range(3 + len(x) - len(x)):  # cannot be staged: unrolled; the loop inside of it can be
            for j in range(m):
                total += weights[i:][0] * x[j]
        return total

    g = lj.jit(f)
    for m in (1, 2, 3):
        close(g(X, m), f(X, m))
    assert [row.numbers for row in g.specialisations] == [{"x.shape[0]": 3}]


# ---- structures that arguments decide
def test_results_of_other_structure() -> None:
    def f(x: Any, more: bool) -> Any:
        total = np.sum(x)
        if more:
            return total, x * 2
        return total

    g = lj.jit(f)
    for more in (True, False, True):
        for n in (2, 3):
            close(g(X[:n], more), f(X[:n], more))
    assert [row.numbers for row in g.specialisations] == [{"more": True}, {"more": False}]


def test_a_size_decides_the_structure() -> None:
    def f(x: Any) -> Any:
        return x[0] if len(x) == 1 else x * 2

    for x in (X[:1], X[:2]):
        for found in both(f, x).values():
            close(found, f(x))


def test_the_argument_that_decides_is_fixed_and_others_are_not() -> None:
    def f(x: float, n: int, more: bool) -> Any:
        y = x if n > 3 else -x
        return (y, y) if more else y

    g = lj.jit(f)
    for n in (1, 2, 5):
        assert g(1.5, n, True) == f(1.5, n, True)
    assert [row.numbers for row in g.specialisations] == [{"more": True}]


def test_paths_that_no_argument_decides_are_refused_as_before() -> None:
    def f(x: float, more: bool) -> Any:
        scale = 2.0 if more else 1.0
        return (x, x) if x * scale > 0 else x

    with pytest.raises(errors.TypeMismatchError, match="on one path and"):
        lj.jit(f)(1.0, True)


def test_a_computed_number_is_refused() -> None:
    for f in (lambda x: tuple(x[x > 2]), lambda x: (0.0,) * int(x[0]), lambda x: np.zeros((2,) * int(np.sum(x > 0)))):
        with pytest.raises(errors.TracedConditionError):
            lj.jit(f)(X)


def test_lists_of_a_computed_length() -> None:
    x = np.array([3.0, 1.0, 4.0])
    assert lj.jit(lambda x: [0.0] * int(x[0]))(x) == [0.0, 0.0, 0.0]
    assert [row.tolist() for row in lj.jit(lambda x: [x] * int(np.sum(x > 2)))(x)] == [x.tolist()] * 2
    assert lj.jit(lambda x: {i for i in range(int(x[0]))})(x) == {0, 1, 2}


# ---- where the values come from
@pytest.mark.parametrize("transform", [lj.jit, lambda f: f], ids=["jit", "interpreter"])
def test_under_transforms(transform: Callable[..., Any]) -> None:
    (slope,) = numeric_gradient(unpacked, (X,), (0,))
    hessian = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -2.0]])
    close(transform(lj.grad(unpacked))(X), slope, 1e-8, 1e-8)
    close(transform(lj.hessian(unpacked))(X), hessian)
    close(transform(lj.jacfwd(lj.grad(unpacked)))(X), hessian)
    close(transform(lambda x: lj.jvp(unpacked, (x,), (Y,)))(X) if transform is lj.jit else lj.jvp(unpacked, (X,), (Y,)),
          (unpacked(X), slope @ Y), 1e-8, 1e-8)  # fmt: skip
    close(transform(lj.jacrev(lambda x: np.array([v * x[0] for v in x])))(X)[0], np.array([4.0, 0.0, 0.0]))


def test_a_gradient_is_a_sequence() -> None:
    def f(x: Any) -> Any:
        a, b, c = lj.grad(unpacked)(x)
        return a + 2 * b + 3 * c

    check(f, (X,))


def test_captured_by_inner_functions() -> None:
    def f(x: Any, n: int) -> Any:
        def inner(y: Any) -> Any:
            return sum([y * v for v in x]) * [1.0, 2.0, 3.0][n]

        return lj.grad(inner)(2.0)

    for found in both(f, X, 1).values():
        assert found == 20.0


def test_numbers_in_containers_and_keywords() -> None:
    def f(p: Any, *, times: int) -> Any:
        a, b = p["w"]
        return [a * b] * times

    g = lj.jit(f)
    assert g({"w": X[:2]}, times=2) == [6.0, 6.0]
    assert g.specialisations[0].numbers == {"p.w.shape[0]": 2, "times": 2}


def test_without_a_call_there_are_no_numbers(tmp_path: Any) -> None:
    with pytest.raises(errors.TracedConditionError, match="cannot be staged here"):
        lj.export(unpacked, ["f64[:]"], "unpacked", tmp_path)


def test_a_function_for_c_takes_every_size() -> None:
    f = lj.jit(comprehension)
    f(X)
    with pytest.raises(
        errors.ArgumentTypeError, match=r"compiled for t.shape\[0\] = 3 alone, which Python needs at .*: a function for C takes every"
    ):
        _ = f.ctypes
    g = lj.jit(lambda x: x * len(X))
    assert g.ctypes(2.0) == 6.0


# ---- limits, the log, the table
def test_too_many_iterations_of_python() -> None:
    for f in (lambda x: tuple(x), lambda x: tuple(range(len(x)))):
        with pytest.raises(
            errors.EndlessTraceError, match=r"100,000 iterations of Python's own at .*test_numbers_on_demand.*4,096 are the most"
        ):
            lj.jit(f)(np.ones(100_000))


def test_the_log_says_why(caplog: pytest.LogCaptureFixture) -> None:
    f = lj.jit(comprehension)
    with caplog.at_level(logging.DEBUG, "lantern_jit"):
        f(X)
        assert [r.getMessage() for r in caplog.records if r.levelno == logging.DEBUG] == [
            f"`comprehension` is traced again: Python needs t.shape[0] = 3 at {__file__}:{comprehension.__code__.co_firstlineno + 1} in comprehension"
        ]
        caplog.clear()
        for n in (*range(4, 12), *range(4, 12)):
            f(np.ones(n))
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    for words in (
        "`comprehension` has been compiled for 8 values of numbers",
        "Python needs t.shape[0] at",
        "each further value compiles again",
    ):
        assert words in warnings[0]


def test_the_table_of_specialisations() -> None:
    f = lj.jit(lambda x, n: [x] * n)
    assert len(f.specialisations) == 0
    for n in (2, 3, 2, 2):
        assert f(1.5, n) == [1.5] * n
    f(np.float32(1.5), 2)
    assert [(r.arguments, r.numbers, r.calls) for r in f.specialisations] == [
        ({"x": "float", "n": "int"}, {"n": 2}, 3),
        ({"x": "float", "n": "int"}, {"n": 3}, 1),
        ({"x": "float32", "n": "int"}, {"n": 2}, 1),
    ]
    assert all(r.seconds > 0 for r in f.specialisations)
    lines = repr(f.specialisations).splitlines()
    assert lines[0].split() == ["arguments", "numbers", "seconds", "calls"]
    assert len(lines) == 4
    assert "x: float32, n: int" in lines[3]
    g = lj.grad(comprehension)
    g(X), g(X)
    assert [(r.numbers, r.calls) for r in g.specialisations] == [({"t.shape[0]": 3}, 2)]


def test_a_compiled_program_takes_its_numbers_only() -> None:
    program = lj.jit(comprehension).lower(X)
    assert program.run([X]) == comprehension(X)
    with pytest.raises(errors.ArgumentTypeError, match="is for size 0 of argument leaf 0 = 3, not 2"):
        program.run([X[:2]])


# ---- functions that are staged on their own
def test_staged_functions_know_the_sizes_that_they_are_given() -> None:
    norm = lj.fun(lambda t: sum([v * v for v in tuple(t)]))

    def f(x: Any) -> Any:
        return norm(x) + 3 * norm(x[1:]) * norm(x[::2] * 2.0)

    check(f, (X,))
    g = lj.jit(f)
    for n in (3, 4):
        close(g(np.arange(float(n))), f(np.arange(float(n))))
    assert [row.numbers for row in g.specialisations] == [{"x.shape[0]": 3}, {"x.shape[0]": 4}]


def test_a_recursion_over_pairs() -> None:
    def swapped(t: Any, n: int) -> Any:
        a, b = t
        return a if n <= 0 else b * swapped(np.array([b, a + 1.0]), n - 1)

    g = lj.jit(swapped)
    for n in (0, 1, 4):
        close(g(X[:2], n), swapped(X[:2], n))
    assert [row.numbers for row in g.specialisations] == [{"t.shape[0]": 2}]
    check(swapped, (X[:2], 3))


def test_a_number_that_changes_from_call_to_call_is_no_constant() -> None:
    def f(w: float, n: int, k: int) -> float:
        return w if n <= 0 else f(w * [1.0, 2.0, 3.0, 4.0][k], n - 1, (k + 1) % 4)

    g = lj.jit(f)
    for n, k in ((0, 1), (5, 2), (3, 2), (5, 3)):
        assert g(1.5, n, k) == f(1.5, n, k)


# ---- static arguments by name
def test_a_recursion_that_an_int_argument_ends() -> None:
    def race(p: float, target: int) -> Any:
        memo: dict[Any, Any] = {}

        def win(a: int, b: int) -> Any:
            if a >= target:
                return 1.0
            if b >= target:
                return 0.0
            if (a, b) not in memo:
                memo[a, b] = p * win(a + 1, b) + (1 - p) * win(a, b + 1)
            return memo[a, b]

        return win(0, 0)

    for target in (2, 4):
        slope = (race(0.55 + 1e-6, target) - race(0.55 - 1e-6, target)) / 2e-6
        for value, gradient in both(lambda p, n: (race(p, n), lj.grad(race)(p, n)), 0.55, target).values():
            close(value, race(0.55, target))
            close(gradient, slope, rtol=1e-6)


def test_static_argnames() -> None:
    def f(x: float, period: int = 4, *, deep: bool = False) -> Any:
        return (x * period, [1.0] * period) if deep else x * period

    g = lj.jit(f, static_argnames=("period", "deep"))
    for args, kwargs in (((2.0,), {}), ((2.0, 3), {}), ((2.0,), {"period": 3}), ((2.0, 2), {"deep": True}), ((2.0,), {"deep": False})):
        assert g(*args, **kwargs) == f(*args, **kwargs)
    assert [row.arguments for row in g.specialisations] == [
        {"x": "float"},
        {"x": "float", "period": "3"},
        {"x": "float", "period": "3"},
        {"x": "float", "period": "2", "deep": "True"},
        {"x": "float", "deep": "False"},
    ]
    assert lj.jit(static_argnames="period")(f)(2.0, period=5) == 10.0
    with pytest.raises(TypeError, match="static_argnames='perod' names no parameter of `f`, which has x, period, deep"):
        lj.jit(f, static_argnames="perod")
    with pytest.raises(TypeError, match="cannot be hashed"):
        g(2.0, period=[1])

"""Long lists and tuples of numbers as arguments: they come in as arrays, and are lists in the program."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors
from lantern_jit.ir.objects import tables

from .support import Function, close, copied, interpret, numeric_gradient, same, specialisations

N = 300
DATA = [0.5 + 0.01 * i + (i % 7) * 0.3 for i in range(N)]
EDGES = [(i % 20, (7 * i + 3) % 20, 0.5 + 0.01 * i) for i in range(N)]
X = np.linspace(-1.0, 1.0, 20)


def variance(data: Any, m: Any) -> Any:
    s = 0.0
    for v in data:
        s += (v - m) ** 2
    return s / len(data)


def springs(edges: Any, x: Any) -> Any:
    s = 0.0
    for i, j, w in edges:
        s += w * (x[i] - x[j]) ** 2
    return s


def pairs(data: Any, m: Any) -> Any:
    return sum(a * b for a, b in itertools.pairwise(data)) + m * data[3] - max(data)


def as_array(data: Any, m: Any) -> Any:
    a = np.array(data)
    return np.sum(np.sin(a) * m) + a[5]


def by_numbers(data: Any, m: Any) -> Any:
    s, k = 0.0, 0
    while k < len(data) and s < 40.0:
        s += data[k] * m
        k += 1
    return s


def reversed_and_chosen(data: Any, m: Any) -> Any:
    s = 0.0
    for i, v in enumerate(data[::-1]):
        s = s + v * m if v > m else s * 0.99 - 0.1 * i
    return s


def nested(data: Any, m: Any) -> Any:
    weights, rows = data["w"], data["rows"]
    s = 0.0
    for w, (x, label) in zip(weights, rows, strict=True):
        p = 1 / (1 + np.exp(-w * x * m))
        s += np.log(p) if label else np.log(1 - p)
    return s


def recursive(data: Any, m: Any) -> Any:
    def power(x: Any, n: Any) -> Any:
        return 1.0 if n == 0 else x * power(x, n - 1)

    return power(data[0], 3) * m + np.mean(data)


NESTED = {"w": DATA, "rows": [(0.1 * (i % 9) - 0.3, i % 3 == 0) for i in range(N)]}
PROGRAMS: list[tuple[Function, Any, Any]] = [
    (variance, DATA, 1.5), (variance, tuple(DATA), 1.5), (springs, EDGES, X), (springs, [list(e) for e in EDGES[:100]], X),
    (pairs, DATA, 1.5), (as_array, DATA, 1.5), (by_numbers, DATA, 0.7), (reversed_and_chosen, DATA, 2.1037), (nested, NESTED, 0.5), (recursive, DATA, 0.4),
]  # fmt: skip
NAMED = pytest.mark.parametrize(("f", "data", "m"), PROGRAMS, ids=[f"{f.__name__}-{type(d).__name__}" for f, d, _ in PROGRAMS])


@NAMED
def test_values_and_gradients(f: Function, data: Any, m: Any) -> None:
    close(lj.jit(f)(data, m), f(data, m), 1e-10)
    close(interpret(f, data, m), f(data, m), 1e-10)
    (wanted,) = numeric_gradient(f, (data, m), (1,))
    for g in (lj.jit(lj.grad(f, 1)), lj.grad(f, 1), lambda *args: interpret(lj.grad(f, 1), *args)):
        close(g(data, m), wanted, 1e-6, 1e-7)
    close(lj.jit(lambda data, m: lj.jvp(lambda m: f(data, m), (m,), (np.ones_like(m),))[1])(data, m), np.sum(wanted), 1e-6, 1e-7)


@pytest.mark.parametrize(("f", "data", "m"), [p for p in PROGRAMS if p[0] not in (springs, nested)])
def test_gradients_by_the_list_itself(f: Function, data: Any, m: Any) -> None:
    (wanted,) = numeric_gradient(lambda a, m: f(a.tolist(), m), (np.array(data), m), (0,))
    for g in (lj.jit(lj.grad(f)), lambda *args: interpret(lj.grad(f), *args)):
        found = g(data, m)
        assert type(found) is type(data)
        assert {*map(type, found)} == {float}
        close(np.array(found), wanted, 1e-6, 1e-7)


def test_second_order() -> None:
    g = lj.grad(lambda data, m: sum(lj.grad(variance, 1)(data, m) * v for v in data))
    found = lj.jit(g)(DATA, 1.5)
    n, total = len(DATA), sum(DATA)  # the gradient by m is 2 (m - mean)
    close(np.array(found), 2 * (1.5 - total / n) - 2 * total / n * np.ones(n), 1e-10)
    h = lj.jit(lj.grad(lj.grad(lambda m, data: variance(data, m) ** 2)))(1.5, DATA)
    close(h, numeric_gradient(lambda m: lj.grad(lambda m, data: variance(data, m) ** 2)(m, DATA), (1.5,), (0,))[0], 1e-6)


def test_each_argument_has_a_derivative_of_its_own() -> None:
    def f(a: Any, b: Any) -> Any:
        return sum(x * y * y for x, y in zip(a, b, strict=True))

    d = np.array(DATA)
    both = lj.jit(lambda data: lj.grad(f, (0, 1))(data, data))(DATA)
    close([np.array(g) for g in both], [d**2, 2 * d**2])
    close(np.array(lj.jit(lambda data: lj.grad(f)(data, data))(DATA)), d**2)
    close(np.array(lj.jit(lambda data: lj.grad(f, 1)(data, data))(DATA)), 2 * d**2)
    close(np.array(lj.jit(lj.grad(lambda data: f(data, data)))(DATA)), 3 * d**2)
    twice = lj.jit(lambda data: lj.grad(lambda xs: sum(x * (1 + i % 2) for i, x in enumerate(xs)))([*data, *data]))(DATA)
    assert twice == [1.0, 2.0] * N
    one = lj.jit(lambda data: lj.grad(lambda x, xs: x * sum(xs))(data[2], data))(DATA)
    close(one, sum(DATA))
    back = lj.jit(lambda data: lj.grad(lambda xs: sum(x * x * i for i, x in enumerate(xs)))(data[::-1]))(DATA)
    close(np.array(back), 2 * d[::-1] * np.arange(N))


def test_functions_that_derivatives_are() -> None:
    y, pull = lj.vjp(variance, DATA, 1.5)
    close(y, variance(DATA, 1.5))
    wanted, by_m = 2 * (np.array(DATA) - 1.5) / N, 2 * (1.5 - sum(DATA) / N)
    for scale in (1.0, 3.0):
        of_data, of_m = pull(scale)
        close(np.array(of_data), scale * wanted)
        close(of_m, scale * by_m)
    y, push = lj.linearize(variance, DATA, 1.5)
    for scale in (1.0, 3.0):
        close(push([scale] * N, 0.0), scale * wanted.sum())
        close(push([0.0] * N, scale), scale * by_m)


def test_lists_come_back() -> None:
    f = lj.jit(lambda data, edges: (data, edges[:70], [w for _, _, w in edges], (data[0], data[:80][::-1]), data[10:]))
    wanted = (DATA, EDGES[:70], [w for _, _, w in EDGES], (DATA[0], DATA[:80][::-1]), DATA[10:])
    same(f(DATA, EDGES), wanted)
    assert f(DATA, EDGES)[0] is not DATA
    gradient = lj.jit(lj.grad(lambda p: sum(w * x for w, (x, _) in zip(p["w"], p["r"], strict=True))))(
        {"w": DATA, "r": [(v, [1.0]) for v in DATA]}
    )
    same(gradient, {"w": DATA, "r": [(v, [0.0]) for v in DATA]})


def write(data: Any, x: Any) -> Any:
    data[3] = x
    for i in range(5, 9):
        data[i] += 1.0
    return sum(data)


def test_lists_are_written_as_by_python() -> None:
    mine, theirs, f = list(DATA), list(DATA), lj.jit(write)
    for k in range(3):
        close(f(mine, 1.0 + k), write(theirs, 1.0 + k), 1e-12)
        same(mine, theirs)
    untouched = list(DATA)
    lj.jit(variance)(untouched, 1.0)
    assert all(a is b for a, b in zip(untouched, DATA, strict=True))


def test_where_a_number_is_needed_it_is_one() -> None:
    """They are parameters then, as in short lists."""

    def f(sizes: Any, x: Any) -> Any:
        return [x] * sizes[2] + [float(len(sizes))]

    sizes = [i % 5 for i in range(N)]
    jitted = lj.jit(f)
    for x in (1.0, 2.0):
        assert jitted(sizes, x) == f(sizes, x)
    sizes[2] = 4
    assert jitted(sizes, 3.0) == [3.0] * 4 + [300.0]
    g = lj.grad(lambda sizes, x: sum([x] * sizes[2]), 1)
    value = lj.value_and_grad(lambda x, sizes: x * x * sizes[3] + sum(sizes))
    for k in (2, 2, 3, 2):
        sizes[2] = k
        assert g(sizes, 2.0) == k
        assert value(2.0, sizes) == (12.0 + sum(sizes), 12.0)


@pytest.mark.parametrize("known", [True, False], ids=["the form is known", "looked up"])
@pytest.mark.parametrize("order", ["aabbaabab", "bbaab"])
def test_a_number_may_be_needed_later(order: str, known: bool) -> None:
    """What was compiled before takes arrays, what comes then numbers."""
    mode = {"now": ""}

    def f(sizes: Any, x: Any) -> Any:
        return sum((x * sizes[0],) * (sizes[2] if mode["now"] == "b" else 2))

    sizes, jitted, gradient = [3 + i % 5 for i in range(N)], lj.jit(f), lj.grad(f, 1)
    for mode["now"] in order:
        wanted = f(sizes, 1.0)
        assert jitted(sizes, 2.0) == 2 * wanted
        assert gradient(sizes, 2.0) == wanted
        if not known:
            jitted._nested = ()


def test_keys_in_items_are_told_apart() -> None:
    items = [{1: 0.5 * i} for i in range(N)]
    f = lj.jit(lambda d: [v * (2.0 if type(k) is bool else 1.0) for row in d for k, v in row.items()])
    for _ in range(2):
        assert f(items) == [0.5 * i for i in range(N)]
        assert f([*items, {True: 3.0}])[-1] == 6.0


OTHERS: dict[str, Any] = {
    "ints": [*range(N)],
    "bools": [i % 2 == 0 for i in range(N)],
    "one int": [*DATA[:-1], 3],
    "NumPy's": [np.float64(v) for v in DATA],
    "of 32 bits": [np.float32(v) for v in DATA],
    "shorter": DATA[:100],
    "longer": [*DATA, *DATA],
    "a tuple": tuple(DATA),
    "complex": [v + 1j for v in DATA],
    "arrays": [np.array([v, 1.0]) for v in DATA],
    "nothing": [],
}


def test_lists_of_other_kinds_are_told_apart() -> None:
    def f(data: Any) -> Any:
        s = 0.0
        for v in data:
            s = s + np.sum(v) * 2
        return s, len(data)

    jitted = lj.jit(f)
    for _ in range(2):
        close(jitted(DATA), f(DATA))
        for other in OTHERS.values():
            close(jitted(copied(other)), f(other), 1e-6)
    assert specialisations(jitted) == len(OTHERS) + 1


def test_ints_that_are_too_long_are_refused() -> None:
    with pytest.raises((errors.LanternError, OverflowError), match="64 bits"):
        lj.jit(lambda data: data[0] * 2)([2**70 if i == 7 else i for i in range(N)])


def test_programs_have_few_parameters() -> None:
    own = lj.grad(lambda a, b: sum(x * y for x, y in zip(a, b, strict=True)))
    twice: Function = lambda data: own(data, data)  # noqa: E731  # one moves, and is another parameter than the other
    for g, args in ((lj.grad(variance), (DATA, 1.0)), (lj.grad(springs, 1), (EDGES, X)), (variance, (DATA, 1.0)), (twice, (DATA,))):
        text = lj.jit(g).inspect(*args).graph
        assert max(line.count(":") for line in text.splitlines() if line.startswith("fn ")) < 10
        assert text.count("store(") < N


def test_short_lists_among_many() -> None:
    """What is no long list keeps its parameters."""
    many: dict[str, Callable[[], Any]] = {
        "short": lambda: [[float(i), 2.0] for i in range(10)] * 20,
        "of lists": lambda: [[0.1 * i + j for j in range(5)] for i in range(70)],
        "uneven": lambda: [[0.1 * i] * (1 + i % 3) for i in range(200)],
        "with words": lambda: [(f"k{i % 2}", 0.1 * i) for i in range(300)],
        "in a dict": lambda: {i: 0.5 * i for i in range(300)},
        "None": lambda: [None if i == 5 else 1.5 * i for i in range(300)],
    }

    def total(x: Any) -> Any:
        if isinstance(x, dict):
            return sum(x.values())
        if isinstance(x, (list, tuple)):
            return sum([total(v) for v in x])
        return 0.0 if x is None or isinstance(x, str) else x * 1.5

    jitted = lj.jit(total)
    for _ in range(2):
        for make in many.values():
            close(jitted(make()), total(make()), 1e-12)


def test_an_array_of_a_part_of_a_list() -> None:
    found = lj.jit(lambda data: (np.array(data[10:200]), np.array(data, np.float32), np.array([*data[5:100], *data[:70]])))(DATA)
    wanted = np.array(DATA[10:200]), np.array(DATA, np.float32), np.array([*DATA[5:100], *DATA[:70]])
    for x, y in zip(found, wanted, strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)


def test_tables_hold_what_they_are_given() -> None:
    from lantern_jit.ir.values import pytree

    leaves, tree = pytree.flatten_in_order({"e": EDGES, "x": 1.0})
    table = tables.packed(leaves, tree)["e"]
    assert [c.dtype for c in table.columns] == [np.int64, np.int64, np.float64]
    assert table.of([c.tolist() for c in table.columns]) == EDGES
    assert tables.packed(*pytree.flatten_in_order([1.0, 2.0])) is None

"""Loops over long lists, tuples and dicts of Python's, of which each element is like the others: staged, with the values of plain Python."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import lantern_jit as lj

from .support import check, close

Function = Callable[..., Any]

RNG = np.random.default_rng(3)
X = RNG.normal(size=(40, 2))
N = 130


class Edge(NamedTuple):
    i: int
    j: int
    length: float


class Spring:
    def __init__(self, i: int, j: int, length: float) -> None:
        self.i, self.j, self.length = i, j, length

    def energy(self, x: Any) -> Any:
        return spring(x, self.i, self.j, self.length)


def spring(x: Any, i: Any, j: Any, length: Any) -> Any:
    d = x[i] - x[j]
    return (np.sqrt(d @ d + 0.01) - length) ** 2 * np.exp(-0.1 * d[0] * d[1])


EDGES = [Edge(int(i), int(j), float(r)) for i, j, r in zip(*RNG.integers(0, 40, size=(2, N)), RNG.random(N), strict=True)]
LISTS = [list(e) for e in EDGES]
WEIGHTS = {(e.i, e.j): e.length for e in EDGES}
SPRINGS = tuple(Spring(*e) for e in EDGES)
POINTS = [np.array([np.sin(n), np.cos(2.0 * n)]) for n in range(100)]


def rows(x: Any) -> Any:
    total = 0.0
    for e in EDGES:
        total += spring(x, e.i, e.j, e.length)
    return total


def lists(x: Any) -> Any:
    total = 0.0
    for i, j, length in LISTS:
        total += spring(x, i, j, length)
    return total


def exits(x: Any) -> Any:
    total = 0.0
    for n, ((i, j, _), length) in enumerate(zip(EDGES, reversed([e.length for e in EDGES]), strict=True), 1):
        if x[i, 0] < -1.0:
            continue
        total += n * spring(x, i, j, length)
        if total > 300.0:
            return total * 2.0
    return total


def no_exit(x: Any) -> Any:
    for i, j, length in EDGES:
        x = x + 0.01 * spring(x, i, j, length)
        if x[0, 0] > 1e6:
            break
    else:
        x = -x
    return np.sum(x * x)


def items(x: Any) -> Any:
    total = 0.0
    for (i, j), w in WEIGHTS.items():
        total += w * spring(x, i, j, 1.0)
    for w in WEIGHTS.values():
        total += np.sin(w * x[0, 0]) * x[1, 1] ** 2 + np.cos(w * x[2, 0]) * np.exp(-w * x[3, 0])
    return total


def objects(x: Any) -> Any:
    total = 0.0
    for s in SPRINGS:
        total = total + s.energy(x)
    return total


def generator(x: Any) -> Any:
    return sum(s.energy(x) for s in SPRINGS) + sum(spring(x, i, j, w) for i, j, w in EDGES if w > 0.3)


def comprehension(x: Any) -> Any:
    found = [spring(x, i, j, w) for i, j, w in EDGES]
    appended = []
    for e, r in zip(EDGES, found, strict=True):
        appended.append(r * e.length)
    return sum(appended) + found[-1] * appended[2]


def arrays(x: Any) -> Any:
    total = 0.0
    for n, p in enumerate(POINTS):
        d = x[n % 40] - p
        total += np.sqrt(d @ d + 0.1) * np.exp(-n / 20)
    return total


STAGED = {f.__name__: f for f in (rows, lists, exits, no_exit, items, objects, generator, arrays)}


@pytest.mark.parametrize("f", [*STAGED.values(), comprehension], ids=[*STAGED, "comprehension"])
def test_it_is_as_in_python(f: Function) -> None:
    check(f, (X,), (X * 0.8 + 0.1,), order=2 if f is rows else 1)


@pytest.mark.parametrize("f", STAGED.values(), ids=STAGED)
def test_the_program_is_short(f: Function) -> None:
    assert len(lj.jit(f).inspect(X).graph.splitlines()) < 300


def test_changes_are_seen() -> None:
    edges, springs = [list(e) for e in EDGES], [Spring(*e) for e in EDGES]
    points = [p.copy() for p in POINTS]

    def f(x: Any) -> Any:
        total = sum(s.energy(x) for s in springs)
        for i, j, length in edges:
            total += spring(x, i, j, length)
        for n, p in enumerate(points):
            total += spring(x - p, n % 40, n % 7, p[0]) * np.exp(x[n % 5, 0])
        return total

    jitted = lj.jit(f)
    for change in (
        lambda: None,
        lambda: edges[100].__setitem__(2, 5.0),
        lambda: edges.append([0, 1, 0.5]),
        lambda: setattr(springs[70], "length", 4.0),
        lambda: points[90].__setitem__(0, 2.0),
    ):
        change()
        close(jitted(X), f(X))


def test_a_body_that_changes_what_it_goes_through() -> None:
    def f(x: Any) -> Any:
        work, total = list(range(80)), 0.0
        for i in work:
            total += np.sin(x[i % 30, 0]) * x[i % 20, 1] * np.cos(x[i % 10, 0] + i) * np.exp(-(x[i % 10, 0] ** 2))
            if i < 40:
                work.append(i + 1000)
        return total + len(work)

    def g(x: Any) -> Any:
        values = [0.1 * i for i in range(80)]
        for i, v in enumerate(values):
            values[(i + 3) % 80] += 0.01 * v * np.sin(x[0, 0] * v) * np.tanh(-v * x[1, 1]) * np.cos(x[1, 0] * v + x[0, 1] * 0.05 * i)
        return sum(values)

    for h in (f, g):
        check(h, (X,), order=1)


def test_the_iterator_of_a_loop_that_was_left() -> None:
    def f(x: Any) -> Any:
        it, total = iter(EDGES), 0.0
        for n, (i, j, length) in zip(range(1000), it, strict=False):
            total += spring(x, i, j, length)
            if n == 100:
                break
        rest = list(it)
        pairs = zip(EDGES, EDGES[1:], strict=False)  # noqa: RUF007
        for a, b in pairs:
            total += spring(x, a.i, b.j, a.length)
            if a is EDGES[90]:
                break
        return total * len(rest) + sum(a.length for a, _ in pairs)

    check(f, (X,), order=1)


def test_elements_that_differ() -> None:
    mixed = [*EDGES, ("a", 1, 2.0)]
    kinds = [(n % 40, 1 if n % 2 else 0.5) for n in range(N)]

    def f(x: Any) -> Any:
        total = 0.0
        for i, j, length in mixed:
            total += spring(x, 3 if i == "a" else i, j, length)
        for n, w in kinds:
            total += spring(x, n, 0, w) * (2.0 if isinstance(w, int) else 3.0)
        return total

    check(f, (X,), order=1)


def test_arguments() -> None:
    def f(x: Any, edges: Any, weights: Any) -> Any:
        total = 0.0
        for n, ((i, j, length), w) in enumerate(zip(edges, weights, strict=True)):
            total += w * spring(x, i, j, length) / (n + 1)
        return total

    weights = [0.1 * n for n in range(N)]
    check(f, (X, [tuple(e) for e in EDGES], weights), argnums=(0, 2), order=1)
    jitted = lj.jit(f)
    for n in (N, 90, 3):
        edges = [tuple(e) for e in EDGES[:n]]
        close(jitted(X, edges, weights[:n]), f(X, edges, weights[:n]))


# ---- lists of many elements that differ
@pytest.mark.parametrize(
    "items",
    [
        [3, 2.25],
        [2.25, 3],
        [True, 2.25, 7],
        [np.float32(0.1), 0.1],
        [0.1, np.float32(0.1)],
        [np.ones(2, int), np.full(2, 0.75)],
        [np.full(2, 0.75), np.ones(3), np.ones((2, 2))],
        [(1, 2.0), (1.5, 2)],
    ],
    ids=repr,
)
def test_a_comprehension_keeps_what_each_element_is(items: list[Any]) -> None:
    def one(x: Any) -> Any:
        return (x[0] * 2, x[1]) if isinstance(x, tuple) else x * 2

    def given(items: Any) -> Any:
        return [one(x) for x in items], list(map(one, items))

    def captured(scale: float) -> Any:
        kept = [one(many[n]) for n in range(len(many))]
        return [(x[0] if isinstance(x, tuple) else x) * scale for x in kept]

    many = items * 40
    for found, wanted in ((lj.jit(given)(many), given(many)), (lj.jit(captured)(1.5), captured(1.5))):
        assert repr(found) == repr(wanted)


def test_an_accumulation_that_begins_with_an_int() -> None:
    def f(n: Any, x: Any) -> Any:
        return list(itertools.accumulate([n, *(v for v in x)])), list(itertools.accumulate(x, initial=n))

    x = np.linspace(0.25, 20.0, 90)
    close(lj.jit(f)(1, x), f(1, x))


# ---- many arguments and results in native code
def test_many_arguments_of_all_kinds() -> None:
    def f(args: Any) -> Any:
        return [a * 2 if not isinstance(a, bool) else not a for a in args]

    args = [
        2.5,
        3,
        True,
        np.float32(1.5),
        np.arange(3.0),
        np.ones((2, 2), np.float32),
        np.array([True, False]),
        np.arange(4),
    ] * 9
    jitted = lj.jit(f)
    for _ in range(2):
        found = jitted(args)
        for a, b in zip(found, f(args), strict=True):
            assert type(a) is type(b)
            np.testing.assert_array_equal(a, b)
            assert getattr(a, "dtype", None) == getattr(b, "dtype", None)
    other = [*args[:-1], 1.5]  # a program of its own
    assert jitted(other)[-1] == 3.0
    assert jitted(args)[-1].dtype == np.int64
    with pytest.raises(OverflowError):
        jitted([2**70 if type(a) is int else a for a in args])


def test_many_arguments_that_are_written() -> None:
    def f(arrays: Any) -> Any:
        for i, a in enumerate(arrays):
            a *= i
        return arrays[3][0]

    arrays = [np.ones(2) for _ in range(50)]
    assert lj.jit(f)(arrays) == 3.0
    assert [a[1] for a in arrays] == list(map(float, range(50)))


def test_a_list_of_many_numbers_is_no_row_of_branches() -> None:
    def f(x: Any, steps: Any) -> Any:
        total = 0.0
        for n in range(len(steps)):
            i, h = steps[n]
            total += h * x[i, 0]
        return total

    steps = [(i % 40, 0.5 * i) for i in range(300)]
    jitted = lj.jit(f)
    close(jitted(X, steps), f(X, steps))
    text = jitted.inspect(X, steps).llvm
    assert text.count("label %bad") < 50

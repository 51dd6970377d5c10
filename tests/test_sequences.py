"""Sequences: captured arrays as argument arrays, what enumerate, zip and itertools make of them, Python's reductions over them."""

from __future__ import annotations

import functools
import itertools
import logging
import math
import operator
import statistics
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import Function, Runner, both, check, close

Array = Any
Y, Z = np.linspace(0.1, 1.0, 150), np.cos(np.arange(200.0))
K, M = np.arange(150) % 7, np.sin(np.arange(450.0)).reshape(150, 3)
SHORT, B = np.array([0.5, -1.5, 2.0, 0.25, 3.0, -0.75]), np.arange(150) % 3 == 0


def size(f: Function, *args: Any) -> int:
    """How many lines the graph has."""
    return len(lj.jit(f).inspect(*args).graph.splitlines())


# ---- for over captured arrays
def over(a: float) -> float:
    s = 0.0
    for y in Y:
        s = s * 0.9 + a * y
    return s


def numbered(a: float) -> float:
    s = 0.0
    for i, y in enumerate(Y, 2):
        s += a * y * i
    return s


def paired(a: float) -> float:
    s = 0.0
    for y, z in zip(Y, Z[::-1]):  # noqa: B905
        s += math.sin(a * y) * z
    return s


def backwards(a: float) -> float:
    s = 0.0
    for y in reversed(Y):
        s = s * a + y
    return s


def nested(a: float) -> float:
    s = 0.0
    for i, (y, (j, z)) in enumerate(zip(Y, enumerate(Z, 1), strict=False)):
        s += a * y * z * (i - j)
    return s


def all_kinds(a: float) -> float:
    s = 0.0
    for k, row, yes, i in zip(K, M, B, range(10, 500, 2), strict=False):
        if yes:
            continue
        s += a * k * row[1] / i
        if s > 20.0:
            break
    else:
        s = -s
    return s


def missing(a: float) -> float:
    """As a filter that leaves observations out does."""
    level, total = 0.0, 0.0
    for t, y in enumerate(np.where(B, np.nan, Y)):
        if np.isnan(y):
            level = level * a
            continue
        total += (y - level) ** 2 / (t + 1)
        level = a * level + 0.3 * y
    return total


LOOPS = [over, numbered, paired, backwards, nested, all_kinds, missing]


@pytest.mark.parametrize("f", LOOPS, ids=[f.__name__ for f in LOOPS])
def test_loops_over_captured_arrays(f: Function) -> None:
    check(f, (0.7,), (0.4,))


@pytest.mark.parametrize("f", LOOPS, ids=[f.__name__ for f in LOOPS])
def test_their_graphs_do_not_grow_with_the_arrays(f: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    before = size(f, 0.7)
    for name in ("Y", "Z", "K", "M", "B"):
        monkeypatch.setitem(globals(), name, np.concatenate([globals()[name]] * 20))
    assert size(f, 0.7) == before < 70


def mixed(x: Array, n: int) -> float:
    s = 0.0
    for i, (y, v, k) in enumerate(zip(Y, x, range(3, n), strict=False)):
        s += y * v * v * (k + i)
    return s


def test_captured_and_argument_arrays_and_ranges_together() -> None:
    x = np.linspace(-1.0, 1.0, 12)
    check(mixed, (x, 20), (x, 7), (x[:5], 50))
    run = lj.jit(mixed)
    assert all(run(x[:k], 40) == mixed(x[:k], 40) for k in range(12))
    assert size(mixed, x, 20) < 40


def test_a_short_captured_array_is_staged_too() -> None:
    def f(a: float) -> float:
        s = a
        for v in SHORT:
            s = math.sin(s) * v
        return s

    assert size(f, 0.5) < 20
    check(f, (0.5,))


def test_a_short_one_is_unrolled_where_its_numbers_must_be_plain() -> None:
    weights, table = [0.1 * i for i in range(7)], {int(k): 0.5 * k for k in K}

    def f(a: float) -> float:
        s = 0.0
        for i, k in enumerate(K[:20]):
            s += a * weights[k] * table[int(k)] + weights[i % 7]
        return s

    check(f, (0.5,))


def test_a_long_one_that_must_be_unrolled_says_so_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    weights = [0.1 * i for i in range(7)]

    def f(a: float) -> float:
        s = 0.0
        for k in K:
            s += a * weights[k:][0]
        return s

    with caplog.at_level(logging.INFO, logger="lantern_jit"):
        assert lj.jit(over)(0.5) == over(0.5)
        assert "unrolled" not in caplog.text
        assert lj.jit(f)(0.5) == f(0.5)
    assert "is unrolled, for more than 64 iterations" in caplog.text
    assert "index" in caplog.text


def test_a_list_of_many_items_is_unrolled_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    items = [float(y) for y in Y]

    def f(a: float) -> float:
        s = 0.0
        for y in items:
            s = s * a + y
        return s

    with caplog.at_level(logging.INFO, logger="lantern_jit"):
        assert lj.jit(f)(0.5) == f(0.5)
    assert "what it runs over, or its condition, is plain Python" in caplog.text


def test_what_is_far_too_long_to_unroll_is_refused() -> None:
    table = (1.0,)

    def f(a: float) -> float:
        for k in range(100_000):
            a += table[k % 1 :][0]
        return a

    with pytest.raises(lj.errors.TracedConditionError, match="an index"):
        lj.jit(f)(1.0)


def test_an_array_that_is_not_one_is_refused() -> None:
    masked = np.ma.masked_array([1.0, 2.0], [True, False])
    with pytest.raises(lj.errors.ArgumentTypeError, match=r"MaskedArray .* not those of a NumPy array"):
        lj.jit(lambda i: masked[i])(1)


def decayed(a: float, n: int) -> float:
    m, first = M, Y[:3]
    for _ in range(n):
        m, first = m * a, m[1] * 1.0
    return np.sum(m) + first[1] * a


def halved(a: float) -> float:
    m = Y
    while np.sum(m) > 0.1:
        m = m * a
    return np.sum(m)


def test_a_loop_that_starts_with_a_captured_array() -> None:
    check(decayed, (0.5, 10), (0.5, 0))
    check(halved, (0.5,))


def smoothed(noise: Array, keep: bool = False) -> Any:
    """A filter of two states over captured observations, some of them missing, that collects what it believes."""
    step, seen = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([1.0, 0.0])
    state, spread, total = np.zeros(2), np.eye(2) * 10.0, 0.0
    states = []
    for t, y in enumerate(np.where(B, np.nan, Y)):
        state, spread = step @ state, step @ spread @ step.T + np.diag(np.exp(noise[:2]))
        if np.isnan(y):
            continue
        off, size = y - seen @ state, seen @ spread @ seen + np.exp(noise[2])
        gain = spread @ seen / size
        state, spread = state + gain * off, spread - np.outer(gain, gain) * size
        total += 0.5 * (np.log(size) + off * off / size) + 0.001 * t
        states.append(state)
    return (total, np.array(states)) if keep else total


def test_a_filter_over_captured_observations(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.array([-2.0, -3.0, -1.0])
    check(smoothed, (noise,), order=1)
    for mode, out in both(lambda noise: smoothed(noise, True), noise).items():
        close(out, smoothed(noise, True), what=mode)
    before = size(smoothed, noise)
    for name in ("Y", "B"):
        monkeypatch.setitem(globals(), name, np.concatenate([globals()[name]] * 10))
    assert size(smoothed, noise) == before


# ---- captured arrays at traced places
def places(w: Array, i: int, mask: Array) -> Any:
    m = M[: len(w), :]
    return (
        M[i, 1] * w[0],
        M[i, :] @ w,
        M[i : i + 3] @ w,
        M[..., i].sum() * w[1],
        M[[0, i]] @ w,
        Y[:3][mask].sum() * w[2],
        M[i][1:] @ w[1:],
        m @ w,
        M[i : i + 3, [0, i]].sum() * w[0],
        Y.dot(np.ones(150) * w[0]),
        M.take(i, axis=1)[0] * w[0],
        Y.searchsorted(w[0]),
    )


def test_captured_arrays_at_traced_places() -> None:
    w, mask = np.array([0.3, -0.2, 0.9]), np.array([True, False, True])
    run = Runner(places)
    for i in (0, 1, 2):
        for mode, out in run(w, i, mask).items():
            close(out, places(w, i, mask), what=mode)
    check(lambda w, i: float(0) + np.sum(M[i : i + 2] @ w) * M[i, 0], (w, 1), (w, 2))


def test_an_index_out_of_bounds_of_a_captured_array() -> None:
    with pytest.raises(IndexError):
        lj.jit(lambda i: Y[i])(150)


def test_membership_in_an_array() -> None:
    def f(x: float, v: Array) -> Any:
        return x in Y, x in v, 2.0 in v, (1.0 if x in v else 2.0)

    for x in (float(Y[3]), 2.0, -1.0):
        for mode, out in both(f, x, np.array([x, 5.0])).items():
            assert out == f(x, np.array([x, 5.0])), mode


# ---- zip(strict=True)
def strict(x: Array, y: Array) -> float:
    s = 0.0
    for a, b in zip(x, y, strict=True):
        s += a * b
        if s > 100.0:
            break
    return s


def test_strict_zip() -> None:
    x, y = np.linspace(1.0, 2.0, 5), np.linspace(0.0, 1.0, 5)
    check(strict, (x, y), argnums=(0, 1))
    run = Runner(strict)
    for a, b in ((x, y[:4]), (x[:4], y)):
        word = "shorter" if len(b) < len(a) else "longer"
        for call in (strict, run):
            with pytest.raises(ValueError, match=rf"zip\(\) argument 2 is {word} than argument 1"):
                call(a, b)
    assert run(x * 100, y[:4])["native"] == strict(x * 100, y[:4])  # left before the end

    def captured(a: float) -> float:
        return strict(Y * a, Z)

    with pytest.raises(ValueError, match=r"zip\(\) argument 2 is longer than argument 1"):
        lj.jit(captured)(0.1)
    with pytest.raises(ValueError, match=r"zip\(\) argument 3 is shorter than arguments 1-2"):
        lj.jit(lambda x: sum(a * b * c for a, b, c in zip(x, x, Y, strict=True)))(np.ones(151))


def test_an_iterator_is_gone_through_once() -> None:
    def f(x: Array) -> float:
        pairs = zip(x, x, strict=False)
        s = 0.0
        for a, b in pairs:
            s += a * b
        for a, b in pairs:
            s += a * b
        return s

    with pytest.raises(lj.errors.UnsupportedOperationError, match="has been gone through before"):
        lj.jit(f)(np.ones(3))


def test_what_cannot_be_turned_round_or_counted_as_in_python() -> None:
    for f, message in (
        (lambda x: [*reversed(zip(x, x, strict=False))], "'zip' object is not reversible"),  # type: ignore[call-overload]
        (lambda x: len(enumerate(x)), r"object of type 'enumerate' has no len\(\)"),  # type: ignore[arg-type]
        (lambda x: zip(x, x, strict=False)[0], "'zip' object is not subscriptable"),  # type: ignore[index]
    ):
        with pytest.raises(TypeError, match=message):
            lj.jit(f)(np.ones(3))


# ---- Python's reductions
def generators(x: Array) -> float:
    total = sum(v * v for v in x)
    total += sum(math.sin(a) * b for a, b in zip(x, Y, strict=False))
    total += sum(v for v in x if v > 0.0)
    total += sum(a * b * (i - j) for i, a in enumerate(x) for j, b in enumerate(x) if i != j if a > b)
    return total + sum((v * 2.0 for v in x), 0.5) + math.prod(1.0 + 0.1 * v for v in x)


def reductions(x: Array) -> float:
    best = max(x) * 2.0 + min(x) + max(x, key=abs) + min(x, key=lambda v: (v - 0.4) ** 2)
    best += max(v * v for v in x) + max((v for v in x if v < 0.7), default=-1.0)
    best += math.fsum(x) + statistics.fmean(x) + functools.reduce(lambda a, b: a * 0.5 + b, x)
    best += functools.reduce(operator.add, x, 1.5) + functools.reduce(max, x)
    return best + sum(x, 2.0) + math.prod(x, start=3.0)


def ordered(x: Array) -> float:
    down, by = sorted(x, reverse=True), sorted(x, key=lambda v: (v - 0.3) ** 2)
    total = down[0] * 2.0 + down[-1] + by[0] * 3.0 + by[1]
    for i, v in enumerate(sorted(x)):
        total += i * v
    for a, b in sorted(zip(x, x[::-1], strict=False), key=lambda pair: pair[0]):
        total = total * 0.9 + a * b
    return total + np.sum(np.array(down) * np.arange(len(x))) + np.mean(np.array(sorted(x)[1:3]))


def iterators(x: Array) -> float:
    s = 0.0
    for v in itertools.accumulate(x):
        s += v * v
    for v in itertools.accumulate(x, lambda a, b: 0.5 * a + b * b, initial=1.0):
        s = s * 0.9 + v
    for i, v in enumerate(itertools.chain(x, Y[:5], x[::-1])):
        s += i * v
    for a, b in itertools.product(x, x):
        s += a * b * b
    for a, b in itertools.pairwise(x):
        s += (a - b) ** 2
    for v in itertools.islice(x, 1, None, 2):
        s += v * 3.0
    for a, b in zip(x, itertools.repeat(x[0]), strict=False):
        s += a * b
    for k, v in zip(itertools.count(1), x, strict=False):
        s += v / k
    for a, b in itertools.zip_longest(x, x[1:], fillvalue=0.5):
        s += a * b
    for v in map(lambda a, b: a * b + 1.0, x, reversed(x)):
        s += v
    for v in filter(lambda a: a > 0.3, x):
        s += v * v
    for v in itertools.starmap(lambda a, b: a - b * b, zip(x, Y, strict=False)):
        s += v
    return s


REDUCTIONS = [generators, reductions, ordered, iterators]
X = np.array([0.6, -0.4, 0.9, 0.35, -0.8, 0.1])


@pytest.mark.parametrize("f", REDUCTIONS, ids=[f.__name__ for f in REDUCTIONS])
def test_reductions_of_arguments(f: Function) -> None:
    check(f, (X,), (X[::-1].copy(),), (X[:3],), order=2 if f is generators else 1)


@pytest.mark.parametrize("f", REDUCTIONS, ids=[f.__name__ for f in REDUCTIONS])
def test_reductions_of_arrays_that_the_program_makes(f: Function) -> None:
    def g(a: float) -> float:
        return f(X * a)

    check(g, (0.9,), order=1)


@pytest.mark.parametrize("f", REDUCTIONS, ids=[f.__name__ for f in REDUCTIONS])
def test_one_function_serves_every_length(f: Function) -> None:
    run = lj.jit(f)
    for k in (3, 4, 6):
        close(run(X[:k]), f(X[:k]))
    x = np.sin(np.arange(90.0))
    close(run(x), f(x))
    assert len({id(s) for s in run._dispatcher.made.values()}) == 1


def test_sums_are_in_pythons_order() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=1000) * 10.0 ** rng.integers(-8, 8, 1000)
    for f in (sum, lambda x: sum(v * 1.5 for v in x), lambda x: functools.reduce(operator.add, x), math.prod):
        for mode, out in both(lambda x, f=f: f(x), x).items():
            assert out == f(x), mode
    assert math.copysign(1.0, lj.jit(lambda x: sum(x))(np.array([-0.0]))) == 1.0


def test_fsum_is_exact() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=500) * 10.0 ** rng.integers(-9, 9, 500)
    for v in (x, np.array([1e100, 1.0, -1e100, 1e-5]), np.array([1e16, 1.0, -1e16]), np.array([math.inf, 1.0]), np.zeros(0)):
        for mode, out in both(lambda v: (math.fsum(v), math.fsum([v[i] * 1.0 for i in (0, 0)]) if v is None else 0.0), v).items():
            assert out[0] == math.fsum(v), mode


@pytest.mark.parametrize("f", [max, min])
def test_extremes_with_ties_and_nans_are_pythons(f: Any) -> None:
    nan = math.nan
    runs = [Runner(lambda x: f(x)), Runner(lambda x: f(x[i] for i in range(len(x)))), Runner(lambda x: f(x, key=lambda v: v))]
    for values in ([1.0, nan, 2.0], [nan, 1.0, 2.0], [0.0, -0.0], [-0.0, 0.0], [3.0], [2.0, 1.0, nan]):
        x = np.array(values)
        for run in runs:
            for mode, out in run(x).items():
                np.testing.assert_array_equal(out, f(x), mode)
                assert np.signbit(out) == np.signbit(f(x)), (mode, values)
    tied = np.array([1.0, 2.0, 2.0, 1.0])
    for out in both(lj.grad(lambda x: f(x)), tied).values():
        assert list(out) == ([0.0, 1.0, 0.0, 0.0] if f is max else [1.0, 0.0, 0.0, 0.0])
    assert lj.jit(lambda x: f(range(len(SHORT)), key=lambda i: SHORT[i] * x))(1.0) == f(range(6), key=lambda i: SHORT[i])
    assert lj.jit(lambda x: f(range(150), key=lambda i: Z[i] * x))(1.0) == f(range(150), key=lambda i: Z[i])


def test_what_is_empty() -> None:
    run = Runner(lambda x: (sum(x), max(x, default=-1.0), min((v for v in x if v > 5.0), default=7.0), any(x), all(x), math.prod(x)))
    for x in (np.zeros(0), np.array([2.0, 6.0])):
        for mode, out in run(x).items():
            assert out == run.f(x), mode
    for f, error, message in (
        (lambda x: max(x), ValueError, "empty"),
        (lambda x: min(v for v in x if v > 5.0), ValueError, "empty"),
        (lambda x: functools.reduce(lambda a, b: a + b, x), TypeError, "empty iterable with no initial value"),
        (lambda x: sorted(x)[0], IndexError, "out of bounds"),
    ):
        with pytest.raises(error, match=message):
            lj.jit(f)(np.zeros(0))


def test_any_and_all() -> None:
    def f(x: Array, n: int) -> Any:
        first = any(v > 0.5 for v in x)
        return (
            first,
            first + first,  # of Python's bools
            all(v > -0.9 for v in x),
            any(x),
            all(abs(a) > 0.2 for a in x if a > 0.0),
            any(a == -b for a in x for b in x),
            all(x[i] < 2.0 for i in range(n)),
            any(10 // (i - 3) > 4 for i in range(n)) if n < 4 else True,
        )

    run = Runner(f)
    for x in (X, -X, np.array([0.0, 0.5]), np.array([np.nan])):
        for n in (0, 1):
            for mode, out in run(x, n).items():
                assert out == f(x, n), mode
                assert [type(v) for v in out] == [type(v) for v in f(x, n)], mode


def test_a_search_ends_where_pythons_does() -> None:
    def f(n: int, bad: int) -> bool:
        return any(10 // (i - bad) == 10 for i in range(n))

    run = Runner(f)
    for n, bad in ((9, 20), (3, 5)):
        assert run(n, bad)["native"] == f(n, bad)
    with pytest.raises(ZeroDivisionError):
        run(9, 4)
    assert lj.jit(lambda x: any(x[i] == 2.0 for i in range(100)))(np.array([1.0, 2.0])) is True


def test_sums_of_arrays() -> None:
    def f(m: Array) -> float:
        total = sum(m) @ m[0] + sum(np.outer(r, r) for r in m)[0, 1] + sum(r @ r for r in m)
        return total + functools.reduce(lambda a, r: a * 0.5 + r, m)[1] + sum(m[i] for i in range(len(m)))[0]

    check(f, (M[:5].copy(),), (M[:2].copy(),))
    assert size(f, M) < 200


def test_types_of_what_comes_back() -> None:
    def f(x: Array, h: Array, k: Array, b: Array, n: int) -> Any:
        counted = sum(1 for v in x if v > 0.0)
        return sum(x), sum(h), sum(k), sum(b), counted, sum(0.5 * i for i in range(n)), max(k), sorted(k)[0], sum(i for i in range(n))

    args = X, X.astype(np.float32), np.arange(5), np.array([True, True, False]), 9
    for mode, out in both(f, *args).items():
        for got, want in zip(out, f(*args), strict=True):
            assert got == want, mode
            assert np.asarray(got).dtype == np.asarray(want).dtype, mode


def test_what_plain_numbers_make_stays_plain() -> None:
    """Sizes and conditions that do not depend on arguments are decided while tracing."""

    def f(a: float) -> Any:
        n = sum(1 for y in Y if y > 0.5)
        top = max(K, key=lambda k: -k)
        return np.ones(n) * a, [a] * int(max(K)), (a if all(y > 0 for y in Y) else "never"), sorted(K)[-1] * a, int(top)

    out = lj.jit(f)(0.5)
    close(out, f(0.5))


def test_python_containers_of_traced_numbers() -> None:
    def f(a: float, b: float, c: float) -> Any:
        items = [a, b, c]
        return (
            sorted(items),
            sorted(items, reverse=True)[0],
            sorted([("x", a), ("y", b)], key=lambda p: len(p[0]))[1][1],
            max(items, key=lambda v: -v),
            sum(v for v in items if v > 0.0),
            max((v for v in items if v < 1.0), default=9.0),
            list(map(lambda v: v * 2.0 if v > 0.0 else v, items)),
            functools.reduce(lambda p, q: p * q if p > q else q, items),
            list(itertools.accumulate(items)),
            dict(zip("abc", items, strict=True)),
            sum(v * k for k, v in {1: a, 2: b}.items()),
        )

    run = Runner(f)
    for args in itertools.permutations((0.3, -2.0, 1.7)):
        for mode, out in run(*args).items():
            close(out, f(*args), what=mode)


def test_the_number_of_elements_that_a_filter_leaves_is_refused_where_it_must_be_plain() -> None:
    with pytest.raises(lj.errors.TracedConditionError, match=r"how many elements filter\(\) at .* has depends on traced values"):
        lj.jit(lambda a: tuple(filter(lambda v: v > a, [1.0, 2.0])))(0.5)


def lists(x: Array) -> float:
    squares, positive = [v * v for v in x], [v for v in x if v > 0.0]
    total = sum(squares) + sum([v * w for v, w in zip(x, squares, strict=True)])
    for i, (a, b) in enumerate(reversed(list(zip(x, squares, strict=True)))):
        total = total * 0.9 + a * b * i
    squares.append(total)
    total += squares[-1] * squares[0] + len(positive) + sum(list(filter(lambda v: v > 0.0, x)))
    total += sum(a * b for a in x for b in positive)
    return total + max([v - 1.0 for v in list(x)]) + sum(list(map(lambda a, b: a * b, x, squares)))


def test_lists_of_sequences() -> None:
    check(lists, (X,), (X[:3],), order=1)
    run = lj.jit(lists)
    for k in (2, 4, 6):
        close(run(X[:k]), lists(X[:k]))
    x = np.sin(np.arange(90.0))
    close(run(x), lists(x))


def test_a_list_of_a_long_sequence_is_a_small_program() -> None:
    x = np.linspace(0.0, 1.0, 5_000)

    def f(x: Array, a: float) -> Any:
        values = [math.sin(a * v) for v in x]
        return sum(values), values[-1], [(v, w) for v, w in zip(x, values, strict=True)][7], sum([v * a for v in Y])

    assert size(f, x, 0.5) < 160
    for mode, out in both(f, x, 0.5).items():
        close(out, f(x, 0.5), what=mode)


def test_a_list_of_objects_keeps_them() -> None:
    def f(x: Array, a: float) -> float:
        rows = [[v, a] for v in x]
        rows[1].append(a)
        rows[0][1] = 3.0
        return sum(sum(r) for r in rows) + len(rows[1])

    check(f, (X, 0.5), argnums=(0, 1), order=1)


# ---- what people write
def halving(x: Array) -> float:
    n = 0
    while any(v > 1e-3 for v in x) and n < 20:
        x = x * 0.5
        n += 1
    return np.sum(x) * n


def ranks(x: Array) -> float:
    order = sorted(range(len(x)), key=lambda i: x[i])
    return sum(x[i] * k for k, i in enumerate(order))


def nearest(x: Array) -> float:
    i = min(range(len(x)), key=x.__getitem__)
    return x[i] ** 2 + max((v * v, v) for v in x)[1]


def rows_and_columns(x: Array) -> float:
    s = 0.0
    for i, row in enumerate(M):
        for j, v in enumerate(row):
            if v < 0:
                continue
            s += v * x[j] * i
            if s > 50:
                break
    for a, b in zip(*x.reshape(2, -1), strict=True):
        s = s * 0.9 + a * b
    return s


def best_so_far(x: Array) -> float:
    best, at = None, 0
    for i, v in enumerate(x):
        if best is None or v > best:
            best, at = v, i
    return best * at


def spread_out(x: Array) -> float:
    seen: list[Any] = []
    for v in x:
        if v > 0 and all(abs(v - u) > 0.05 for u in seen):
            seen.append(v)
    return sum(seen)


def folded(x: Array) -> float:
    return functools.reduce(lambda acc, p: (acc[0] + p, acc[1] * 0.5 + p * acc[0]), x, (0.0, 1.0))[1]


def chunks(x: Array) -> float:
    total = 0.0
    for chunk in (x[i : i + 2] for i in range(0, len(x), 2)):
        total += chunk[0] * chunk[1]
    return total + sum(x[i] for i, _ in filter(lambda p: p[1] > 0, enumerate(x)))


def triangle(x: Array) -> float:
    pairs = [x[i] * x[j] for i in range(len(x)) for j in range(i)]
    return sum(pairs) + len(pairs) + sum(a * b for a, b in itertools.combinations(x[:4], 2))


def middle(x: Array) -> float:
    y = sorted(x)
    n = len(y)
    return y[n // 2] if n % 2 else 0.5 * (y[n // 2 - 1] + y[n // 2])


def by_name(x: Array) -> float:
    found = dict(zip(["a", "b", "c"], x, strict=False))
    first, *rest = (v * 2.0 for v in x)
    return found["a"] * found["b"] + found["c"] + first * rest[-1] + math.hypot(*x[:2])


IDIOMS = [halving, ranks, nearest, rows_and_columns, best_so_far, spread_out, folded, chunks, triangle, middle, by_name]


@pytest.mark.parametrize("f", IDIOMS, ids=[f.__name__ for f in IDIOMS])
def test_idioms(f: Function) -> None:
    check(f, (X,), order=1)
    for n in (10, 90):
        x = np.sin(np.arange(float(n)) * 1.3) + 0.01
        value, slope = lj.jit(lj.value_and_grad(lambda a, x=x: f(x * a)))(0.7)
        h = 1e-6
        close(value, f(x * 0.7), 1e-10)
        close(slope, (f(x * (0.7 + h)) - f(x * (0.7 - h))) / (2 * h), 1e-5, 1e-5)


class Running:
    def __init__(self) -> None:
        self.n = 0.0

    def add(self, v: float) -> float:
        self.n += v
        return self.n


def test_what_an_element_does_happens_once() -> None:
    def f(x: Array) -> Any:
        log: list[float] = []
        total = sum(log.append(v) or v * v for v in x)  # type: ignore[func-returns-value]
        running = Running()
        sums = max(running.add(v) for v in x), [running.add(v) for v in x]
        rest = (v for v in x)
        return total, len(log), log, sums, running.n, next(rest) * sum(rest)

    for mode, out in both(f, X).items():
        close(out, f(X), what=mode)


def test_lists_of_views_stay_views() -> None:
    def f(m: Array, a: float) -> float:
        m = m * a
        rows = list(m)
        pairs = [(r, i) for i, r in enumerate(m)]
        m[0, 0] = 100.0
        return rows[0][0] * rows[1][1] + pairs[0][0][0] + len(rows)

    check(f, (M[:4].copy(), 0.5), argnums=(1,), order=1)
    for chosen in (lambda m: sorted(m, key=lambda r: r[0])[0], lambda m: max(m, key=lambda r: r[0])):

        def g(m: Array, chosen: Any = chosen) -> float:
            m = m * 2.0
            row = chosen(m)
            m[0, 0] = 100.0
            return row[0]

        with pytest.raises(lj.errors.UnsupportedOperationError, match="writes to"):
            lj.jit(g)(M[:4].copy())


def test_arrays_whose_sizes_follow_from_the_arguments_are_elements() -> None:
    def recorded(x: Array, shot: Any, steps: int) -> Array:
        heard = np.zeros((2 * steps, x.shape[1]))
        for t in range(steps):
            heard[t] = x[1] * shot + t
        return heard

    def f(x: Array, shots: Array, steps: int) -> Any:
        stacked = np.stack([x * s for s in shots]), np.array([recorded(x, s, steps) for s in shots])
        others = [np.concatenate([x[1:], x * s])[::-1].copy() for s in shots], [np.outer(x[0], x[:, 0] * i) for i in range(steps)]
        return stacked, np.sum(others[0][1]), np.array(others[1]), np.stack([x + s for s in sorted(shots)])

    x, shots = np.arange(12.0).reshape(3, 4) ** 1.5, np.array([2, 1, 3])
    for mode, out in both(f, x, shots, 5).items():
        close(out, f(x, shots, 5), what=mode)
    lj.check_grads(lambda x: sum(np.sum(np.sin(r)) for r in f(x, shots, 5)[0]), (0.01 * x,))


def test_arrays_whose_sizes_are_computed_are_elements() -> None:
    def f(x: Array, shots: Array) -> Any:
        return np.stack([x[x > 1.0] * s for s in shots]), np.stack([np.convolve(x * s, x[:3], mode="same") for s in shots])

    x, shots = np.arange(5.0), np.array([2, 1, 3])
    for mode, out in both(f, x, shots).items():
        close(out, f(x, shots), what=mode)


def test_the_items_of_a_dict_are_sorted_by_their_keys() -> None:
    def f(x: float) -> float:
        found = {"b": x, "a": 2.0 * x, "c": x * x}
        return sum(i * v for i, (_, v) in enumerate(sorted(found.items()))) + sorted(found.items(), reverse=True)[0][1]

    check(f, (0.7,))


def test_draws_in_generators_are_numpys() -> None:
    def f(g: Any, n: int) -> Any:
        return [g.normal() for _ in range(n)], max(g.random() for _ in range(n)), sum(g.random() for _ in range(n))

    assert lj.jit(f)(np.random.default_rng(3), 5) == f(np.random.default_rng(3), 5)


def test_generators_are_lazy_as_pythons() -> None:
    def f(x: Array, k: float) -> float:
        values = (v * k for v in x)
        k = 3.0  # a generator looks when it runs
        return sum(values) * k

    check(f, (X, 2.0))


def test_long_sums_are_small_programs() -> None:
    x = np.linspace(0.0, 1.0, 100_000)

    def f(x: Array) -> float:
        return sum(v * v for v in x) + max(x) + sum(math.sin(a * b) for a, b in zip(x, reversed(x), strict=True))

    assert size(f, x) < 80
    g = lj.jit(lj.grad(f))(x)
    np.testing.assert_allclose(g[:-1], (2 * x + 2 * x[::-1] * np.cos(x * x[::-1]))[:-1])


def test_ranges_are_indices_of_arrays() -> None:
    def f(x: Any, m: Any) -> Any:
        n = len(x)
        y = m.copy()
        y[range(n), range(n)] = x * 2.0
        y[range(1, n), 0] += x[range(n - 1)]
        both = range(n - 1, -1, -1)
        return np.sum(y[both, both] * x[both]) + np.sum(y[:, range(0, n, 2)] ** 2) + y[[1, 2], range(2)] @ y[1, range(2)]

    check(f, (X[:4], np.outer(X[:4], X[1:5])), argnums=(0, 1))

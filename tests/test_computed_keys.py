"""Dicts whose keys are numbers that the program computes: histograms, sparse matrices, tables of what has been seen."""

# ruff: noqa: B905  (as it is mostly written)
from __future__ import annotations

import copy
import math
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import Function, both, check
from .test_bookkeeping import equal

X = 3 * np.sin(np.arange(9.0) + 0.3)


def made(x: Any) -> dict[int, Any]:
    d = {}
    for v in x:
        d[int(v)] = v
    return d


# ---- what Python's dict does
def kinds_of_keys(x: Any) -> Any:
    ints, pairs, flags, floats, words, squares = {}, {}, {}, {}, {}, {0: 0}
    for i, v in enumerate(x):
        ints[int(v)] = v
        for j in range(2):
            k = (int(v), j)
            if k in pairs:
                pairs[k] += v
            else:
                pairs[k] = v * j
        flags[v > 0.5] = flags.get(v > 0.5, 0) + 1
        floats[round(v, 0)] = i
        words["hi" if v > 0 else "lo", int(v)] = v
        squares[int(v * v)] = squares.get(int(v * v), 0) + 1
    asked = (0, 1) in pairs, (7, 7) not in pairs, flags.get(True), flags.get(False, -1), words.get(("hi", 2)), ("lo", 0) in words
    return ints, pairs, flags, floats, sorted(floats), words, squares, asked, len(ints), bool(ints), not ints, 1 in ints


def ways_through(x: Any) -> Any:
    d = made(x)
    a, *rest = d
    first, *_ = d.values()
    shown = [k for k in d], list(d), list(d.items()), list(enumerate(d)), list(zip(d, d.values())), [*d.values()], list(reversed(list(d)))
    ordered = sorted(d), sorted(d, key=d.get), sorted(d.items(), key=lambda kv: -kv[1]), max(d, key=d.get), min(d.items())  # type: ignore[arg-type]
    found = sum(d), max(d.values()), np.array(list(d.values())), {k: v + 1 for k, v in d.items() if v > 0.0}, sorted(set(d)), any(d)
    return a, rest, first, shown, ordered, found, d[2] in d.values(), (2, d[2]) in d.items(), len(d.items()), isinstance(d, dict)


def what_is_taken_out(x: Any) -> Any:
    d, e, out = made(x), made(2 * x), []
    gone = d.pop(0, None), d.pop(57, 5.0)
    if 2 in d:
        del d[2]
    d[2] = 9.0  # it is the last one now
    while len(e) > 1:
        k, v = e.popitem()
        out.append(k * v)
    for k in list(d):
        if d[k] < 0:
            d[k * 10] = d.pop(k)
    f = d.copy()
    f.clear()
    f[5] = 2.0
    return gone, d, e, out, f, list(d.values())


def one_and_another(x: Any) -> Any:
    d, e = made(x), made(2 * x)
    copies = copy.copy(d), copy.deepcopy(d), dict(d), d.copy(), d | e, dict(d.items())
    for i, c in enumerate(copies):
        c[70 + i] = 1.0
    e |= {50: 1.0}
    d.update(e)
    d.update({int(x[0]) + 60: 1.0})
    pairs = [(int(v), v) for v in x if v > 0.0]
    alias, again = d, dict(zip([int(v) for v in x], x))
    alias[99] = 1.0
    return copies, d, e, d is alias, dict(pairs), again, {int(x[0]): 1.0, int(x[1]): 2.0, 5: x[0]}


def counts(x: Any) -> Any:
    c, d, e, s = Counter(), defaultdict(float), defaultdict(lambda: 10.0, {1: 5.0}), 0.0
    for v in x:
        c[int(v)] += 1
        d[int(v)] += v
        e[int(v)] -= v
        s += {}.setdefault(int(v), v)
    other = Counter(int(v) for v in x)
    missing = c[99], 99 in c, d[77], len(d), e.get(98)
    return c, other, c.most_common(), c.most_common(2), sum(c.values()), c.total(), d, dict(e), missing, s


def looked_at_while_written(x: Any) -> Any:
    d, s = made(x), 0.0
    keys, both_ways = d.keys(), []
    for k, v in d.items():
        d[2] = 2 * d[2]  # a later item, or the one at hand
        s += k * v
    for a in keys:
        for b in keys:
            both_ways.append(a * b)
    d[1000] = 1.0
    return d, s, both_ways, list(keys)


def on_its_path(x: Any) -> Any:
    d, e, n = {}, {0: 1.0, 5: 2.0}, 0
    if x[0] > 0.5:
        d[int(x[0])] = 1.0
    elif x[1] > 0.5:
        d[int(x[1])] = 2.0
        d[int(x[2])] = 3.0
    for v in x:
        if v < 0:
            continue
        if len(e) > 4:
            break
        e[int(v * 3)] = e.get(int(v * 3), 10.0) + v
    else:
        n = 1
    for v in x:
        if v > 2.5:
            d = {}
        d[int(v)] = v
    where = {"a": {}, "b": {}}
    for v in x:
        where["a" if v > 0 else "b"][int(v)] = v
    longer = d if len(d) > len(e) else e
    return d, e, n, where, sorted(longer), [made(x), {}][n]


def with_handlers(x: Any) -> Any:
    d, log, s = {}, 0, 0.0
    for v in x:
        try:
            d[int(v)] += 1.0
        except KeyError as e:
            log += e.args[0]
            d[int(v)] = 0.0
    try:
        s += d[57]
    except KeyError as e:
        log += e.args[0]
    return d, log, s


class Grid:
    def __init__(self) -> None:
        self.cells: dict[Any, Any] = {}
        self.weights: Any = defaultdict(float)

    def __getitem__(self, k: Any) -> Any:
        return self.cells[k]

    def __contains__(self, k: Any) -> bool:
        return k in self.cells

    def add(self, k: Any, v: Any) -> None:
        self.cells[k] = 0.5 * (v + self.cells[k]) if k in self.cells else v
        self.weights[k] += v * v


def in_objects(x: Any) -> Any:
    g, at, steps, q, dist = Grid(), int(x[0]), 0, deque([0]), {0: 0.0}

    def put(k: Any, v: Any) -> None:
        g.add((k, int(2 * v)), v)

    for v in x:
        put(int(v), v)
    seen: dict[int, float] = {}
    while at not in seen and steps < 20:
        seen[at] = steps * 1.0
        at = (at * at + int(abs(x[steps % 3]))) % 7
        steps += 1
    while q:
        u = q.popleft()
        for w in (u + 1, u + 2):
            if w < len(x) and (w not in dist or dist[u] + abs(x[w]) < dist[w]):
                dist[w] = dist[u] + abs(x[w])
                q.append(w)
    return g.cells, g.weights, (2, 5) in g, seen, at, dist


def many(x: Any) -> Any:
    """More keys than a first table has room for, far apart; of which some go, in the middle and at the end."""
    d, far, words, table = {}, {}, {}, {(0, 0): 1.0}
    for i in range(60):
        v = x[i % len(x)] * (i % 13)
        k = int(3 * v)
        if k in d and i % 3 == 0:
            d.pop(k)
        elif i % 7 == 0 and d:
            d.popitem()
        else:
            d[k] = d.get(k, 0.0) + v
        far[k * 1000003 - 2**40] = i
        a, b = "p" if v > 1 else "q" if v > 0 else "r", "q" if v > 2 else "p"
        words[a, b, k % 3] = words.get((a, b, k % 3), 0) + 1
    for v in x:
        for k, j in list(table):
            if k < 3:
                table[k + 1, int(v) % 3] = table[k, j] + v
    words["s", "t", 0] = words["p", "p", 1] = -1
    other = d.get(2.0), d.get(2.5), 1.0 in d, d.get(True), d.get((1, 2)), d.get("a"), d.pop(-2.0, 0.0), d.pop(0.0, 1.0), d.get(0)  # type: ignore[call-overload]
    for key in range(-(2**40) - 9 * 1000003, -(2**40), 1000003):
        far.pop(key, None)
    return d, far, words, table, other, len(d), ("s", "t", 0) in words, ("t", "s", 0) in words


PROGRAMS = [kinds_of_keys, ways_through, what_is_taken_out, counts, looked_at_while_written, on_its_path, with_handlers, in_objects, many]


@pytest.mark.every
@pytest.mark.parametrize("f", [*PROGRAMS, one_and_another])
def test_they_are_pythons(f: Any) -> None:
    def items(found: Any) -> Any:
        """A dict's items in their order, numbers as floats."""
        if isinstance(found, dict):
            return type(found), [(items(k), items(v)) for k, v in found.items()]
        if isinstance(found, (list, tuple)):
            return [items(y) for y in found]
        return found if found is None or isinstance(found, str) else np.asarray(found, float).tolist()

    for x in (X, X[4:]):
        for mode, found in both(f, x).items():
            assert items(found) == items(f(x)), mode


# ---- derivatives
def histogram(x: Any) -> Any:
    d, t = {}, {}
    for v in x:
        k = int(v)
        d[k] = d.get(k, 0.0) + v**2
        n, s, p = t.get(k, (0, 0.0, 1.0))
        t[k] = n + 1, s + v, p * v
    best = max(d, key=d.get)  # type: ignore[arg-type]
    out = d[best] ** 2
    for k, v in d.items():
        out += math.sin(v) * (k + 1)
    for n, s, p in t.values():
        out += s / n + p
    return out + sum(i * v for i, (_, v) in enumerate(sorted(d.items(), key=lambda kv: kv[1])))


def sparse(x: Any) -> Any:
    m, y = {}, 0.0
    for i in range(len(x)):
        for j in range(len(x)):
            if abs(x[i] - x[j]) < 1.0:
                m[i, j] = x[i] * x[j]
    for (i, j), v in m.items():
        y += v * x[j] ** 2 + i
    return y + len(m)


def recurrence(x: Any) -> Any:
    memo = {0: x[0], 1: x[1] * x[2]}
    n, steps = int(abs(x[0]) * 3) + 1, 0
    while n != 1 and steps < 50:
        memo[n] = memo.get(n, 0.1) + x[steps % 5] * 0.1
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    for i in range(2, 12):
        memo[i] = 0.3 * memo[i - 1] + 0.2 * math.sin(memo[i - 2]) + x[i % 5]
    return memo[11] * memo[3] + sum(v * v for v in memo.values())


def taken_out(x: Any) -> Any:
    d, s = {}, 0.0
    for v in x:
        try:
            s += d.pop(int(v)) * v
        except KeyError:
            d[int(v)] = v * v
    return s + sum(d.values())


def arrays(x: Any) -> Any:
    d, s = {}, 0.0
    for v in x:
        d[int(v)] = d[int(v)] + np.array([v, v * v]) if int(v) in d else np.array([v, 1.0])
    for k, a in d.items():
        s += a[0] * a[1] + k
    return s + sum(k * v for k, v in {v * v: v for v in x}.items())


def left_early(x: Any) -> Any:
    total, d = 0.0, {}
    for r in range(3):
        e = defaultdict(float)
        for v in x:
            e[int(v) + r] += v * r
        for k, v in e.items():
            if k > 1:
                continue
            total += v * v
    for v in x:
        if int(v) in d:
            return total + d[int(v)] * v
        d[int(v)] = v * v
    return total


@pytest.mark.every
@pytest.mark.parametrize("f", [histogram, sparse, recurrence, taken_out, arrays, left_early])
def test_derivatives(f: Any) -> None:
    check(f, (0.5 * X,), (X[3:8],))


def test_of_float32_and_in_lanes() -> None:
    x = X.astype(np.float32)
    value, gradient = lj.jit(lj.value_and_grad(histogram))(x)
    assert value.dtype == gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, lj.jit(lj.grad(histogram))(X), 1e-3)
    np.testing.assert_allclose(lj.jit(lj.vmap(lj.grad(taken_out)))(np.stack([X, -X])), [lj.grad(taken_out)(X), lj.grad(taken_out)(-X)])


def test_one_of_the_function_around() -> None:
    def f(x: Any) -> Any:
        d = made(x[:4])

        def inner(y: Any) -> Any:
            s = 0.0
            for v in y:
                if int(v) in d:
                    s += d[int(v)] * v
            return s + sum(d.get(k, 0.5) for k in range(9)) * y[0] ** 2

        return lj.grad(inner)(x)

    expected = [made(X[:4]).get(int(v), 0.0) for v in X]
    expected[0] += 2 * X[0] * sum(made(X[:4]).get(k, 0.5) for k in range(9))
    for found in both(f, X).values():
        np.testing.assert_allclose(found, expected)


# ---- what Python raises, and what is refused
def test_what_python_raises() -> None:
    def grown(d: Any) -> None:
        for k in d:
            d[k + 100] = 1.0

    def shrunk(d: Any) -> None:
        for k in d:
            d.pop(k)

    def shortened(d: Any) -> None:
        del d[57]

    for error, use in (
        (KeyError, lambda d: d[57]),
        (KeyError, lambda d: d.pop(57)),
        (KeyError, shortened),
        (RuntimeError, grown),
        (RuntimeError, shrunk),
    ):
        with pytest.raises(error):
            lj.jit(lambda x: use(made(x)))(X)  # noqa: B023

    def emptied(x: Any) -> Any:
        d = made(x)
        d.clear()
        return d.popitem()

    with pytest.raises(KeyError, match="dictionary is empty"):
        lj.jit(emptied)(X)


def test_what_is_refused() -> None:
    def ints_and_floats(x: Any) -> Any:
        d = made(x)
        d[x[0]] = 1.0
        return d

    def words_and_ints(x: Any) -> Any:
        d: dict[Any, Any] = made(x)
        d["n"] = 1.0
        return d

    def arrays_as_keys(x: Any) -> Any:
        d = {}
        d[x[0], x] = 1.0
        return d

    def values_that_grow(x: Any) -> Any:
        d = defaultdict(list)
        for v in x:
            d[int(v)].append(v)
        return d

    def ordered(x: Any) -> Any:
        d = OrderedDict()
        d[int(x[0])] = 1.0
        return d

    def of_the_caller(x: Any, d: Any) -> Any:
        d[int(x[0])] = 1.0
        return d

    def two(use: Any) -> Any:
        return lambda x: use(made(x), made(2 * x))

    unsupported = lj.errors.UnsupportedOperationError
    for error, match, f in (
        (lj.errors.TypeMismatchError, r"write d\[float\(k\)\]", ints_and_floats),
        (lj.errors.TypeMismatchError, "must have one type and structure", words_and_ints),
        (TypeError, "unhashable type", arrays_as_keys),
        (unsupported, "which holds a copy of it", values_that_grow),
        (lj.errors.TracedConditionError, "Count in an array", ordered),
        (unsupported, "whose keys the program computes", two(lambda d, e: d == e)),
        (unsupported, r"new = d.copy\(\)", two(lambda d, e: {**d, **e})),
        (unsupported, "go through d.items", two(lambda d, e: d.__or__(e))),
    ):
        with pytest.raises(error, match=match):
            lj.jit(f)(X)
    with pytest.raises(KeyError, match="give the dict all of its keys before"):
        lj.jit(of_the_caller)(X, {7: 1.0})


def test_a_program_that_prints_one(capfd: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        print(made(x))
        return x

    lj.jit(f)(X[4:])
    assert capfd.readouterr().out.startswith("{-2: ")


def test_displays_of_numbers_that_follow_from_the_arguments() -> None:
    def f(x: Any, i: int, j: int) -> Any:
        s, d = 0.0, {i: 1.0, j: 2.0}
        for k in {i, j}:
            s += x[k] * d[k]
        for k in range(3):
            for m in {k, 2}:
                s += x[m]
        return s, d, {i, 5}, sorted({int(x[0]), 3} | {1})

    equal(f, np.arange(5.0), 1, 3)


def test_copies_of_what_the_program_knows() -> None:
    def f(x: Any) -> Any:
        s, q, plain = set(), deque([1.0]), {1, 2}
        for v in x:
            s.add(int(v))
            if v > 0.5:
                q.append(v)
        copies: Any = copy.copy(s), copy.deepcopy(s), copy.copy(plain)
        for i, c in enumerate(copies):
            c.add(100 + i)
        queues: Any = copy.copy(q), copy.deepcopy(q)
        for i, c in enumerate(queues):
            c.append(100.0 + i)
        return sorted(s), [sorted(c) for c in copies], plain, q, queues

    equal(f, X)


# ---- what a gradient keeps
def squares_of_sums(x: Any, w: Any) -> Any:
    d: dict[int, Any] = {}
    for v in x:
        k = int(v * 10)
        d[k] = d.get(k, 0.0) + w * v * v
    return sum(v * v for v in d.values())


def test_where_a_key_is_needs_no_way_back() -> None:
    """The search in the table, and the table that is made anew, give places alone: no frame of theirs waits for the way back."""
    g = lj.jit(lj.grad(squares_of_sums, argnums=(0, 1)))
    x = np.sin(np.arange(1, 4001) * 1.7)
    found = g.inspect(x, 2.0)
    assert {name.split(".")[0] for name in found.policies} == {"squares_of_sums"}
    assert "fn r.squares_of_sums" in found.lowered
    assert "fn r._probed" not in found.lowered
    assert "fn r._built" not in found.lowered
    check(squares_of_sums, (np.round(x[:30], 1) + 0.043, 2.0))


# ---- what compares
class Weight:
    def __init__(self, x: Any) -> None:
        self.x = x

    def __lt__(self, other: Any) -> Any:
        return self.x * 2 < other.x

    def __contains__(self, x: Any) -> Any:
        return self.x > x


def in_chains(x: Any) -> Any:
    d, s, growing = {}, set(), []
    seen = []
    for i, v in enumerate(x):
        seen.append((v > 0 in d, v > 0 not in s, i < int(v) in d, 0 < int(v) in growing, 1.0 <= v < 2.0 in s))
        d[int(v)] = v
        s.add(int(v))
        growing.append(int(v))
    a, b, c = Weight(x[0]), Weight(x[1]), Weight(x[2])
    word = "up" if x[0] > 0 else "down"
    pair = (x[0], 1)
    ways = (
        a < b < c,
        0.5 < x[0] in a,
        "a" < "b" == word,
        "up" == word != "down",
        None is None is not x[0],
        (0.0, 3) < pair < (x[1], 0),
        x[0] == x[0] in x,
    )
    return seen, ways, 1 < 2 in {2, 3}, x[0] < x[1] in [x[1], 3.0]


def test_comparisons_in_chains_are_what_they_are_alone() -> None:
    """`v > 0 in d` asks whether v > 0 and whether 0 is in d."""
    for x in (np.array([0.6, -1.5, 2.2, 1.1, 2.5]), np.array([-0.5, 1.3, 0.2, 3.7, -2.0]), np.array([0.4, 1.3, 3.1, 0.5, 1.0])):
        equal(in_chains, x)


def bools_among_numbers(x: Any) -> Any:
    flags, ints, floats, d = set(), set(), set(), {}
    flagged, whole, parts, pairs, others = [], [], [], [], []
    for v in x:
        flags.add(v > 0)
        ints.add(int(v))
        floats.add(float(int(v)))
        d[v > 0] = v
        flagged.append(v > 0)
        whole.append(int(v))
        parts.append(float(int(v)))
        pairs.append((v > 0, int(v)))
        others.append((int(v > 0), float(int(v))))
    first = x[0] > 0
    sets = (
        0 in flags,
        1 in flags,
        2 in flags,
        1.0 in flags,
        True in ints,
        False in ints,
        2.5 in ints,
        True in floats,
        1 in floats,
        first in ints,
        first in floats,
    )
    lists = (
        0 in flagged,
        2 in flagged,
        flagged.count(1),
        flagged.count(0.0),
        True in whole,
        whole.count(False),
        first in parts,
        whole == flagged,
    )
    mixed = (
        (1, 1) in pairs,
        (True, True) in pairs,
        (0, 0) in pairs,
        pairs == others,
        pairs.count((1.0, 2.0)),
        (first, 1) in others,
        None in whole,
    )
    return sets, lists, mixed, d.get(0), d.get(1.0), 0 in d


def test_bools_are_equal_to_numbers() -> None:
    for x in (np.array([1.5, 2.5]), np.array([1.5, -0.5, 2.2]), np.array([0.4, 0.2, -0.7]), np.array([1.0, 0.0])):
        equal(bools_among_numbers, x)


KEYS = {
    "display": lambda x: {x: 1.0},
    "display of a set": lambda x: {x},
    "set": lambda x: set([x]),
    "in a tuple": lambda x: {(1, x): 1.0},
    "comprehension": lambda x: {v: 1.0 for v in [x]},
    "dict": lambda x: dict([(x, 1.0)]),
    "get": lambda x: {1.0: 2.0}.get(x),
    "in": lambda x: x in {1.0: 2.0},
    "in a set": lambda x: x in {1.0},
    "add": lambda x: set().add(x),
    "hash": lambda x: hash(x),
}


@pytest.mark.parametrize("f", KEYS.values(), ids=KEYS.keys())
def test_arrays_are_no_keys(f: Function) -> None:
    """They were taken by identity."""
    with pytest.raises(TypeError, match=r"unhashable type: 'numpy\.ndarray'"):
        f(np.ones(2))
    with pytest.raises(TypeError, match=r"unhashable type: 'numpy\.ndarray' \(.*test_computed_keys.py"):
        lj.jit(f)(np.ones(2))


def two_sets(x: float, n: int) -> Any:
    a, b, t = {x}, {x + 1.0}, 0.0
    while t < n:
        a, b = b, a
        t += x
        a.add(t)
    return len(a), len(b)


def two_dicts(x: float, n: int) -> Any:
    a, b, t = {0: 0.0}, {0: 0.0}, 0
    while t < n:
        a[t % 7] = x * t
        a, b = b, a
        t += 3
    return a, b


def one_of_two_dicts(x: float, n: int) -> Any:
    a: dict[int, float] = {}
    b: dict[int, float] = {}
    t = 0
    while t < n:
        (a if t % 2 == 0 else b)[t % 7] = x * t
        t += 3
    return a, b


@pytest.mark.parametrize(("f", "kind"), [(two_sets, "set"), (two_dicts, "dict")])
def test_a_loop_does_not_swap_what_the_program_fills(f: Function, kind: str) -> None:
    with pytest.raises(lj.errors.TypeMismatchError, match=rf"becomes another {kind} that the program fills: choose it where it is used"):
        lj.jit(f)(2.0, 100)
    for found in both(one_of_two_dicts, 2.0, 100).values():
        assert found == one_of_two_dicts(2.0, 100)


def counted_in_a_handler(x: Any) -> Any:
    counts: dict[int, int] = {}
    items, s = [1.0, 2.0], 0.0
    for v in x:
        try:
            counts[int(v * 2.0)] = counts.get(int(v * 2.0), 0) + 1
            s += items[counts[int(v * 2.0)]] * v
        except IndexError:
            s -= 1.0
    return s + sum(counts.values())


def test_a_handler_of_index_errors_around_computed_keys() -> None:
    check(counted_in_a_handler, (np.array([0.1, 0.2, 1.7, -0.6, 0.3, 1.8]),), (np.array([0.7, 0.8]),), order=1)

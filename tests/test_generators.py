"""Generator functions: gone through from inside, the loop's body at each `yield`."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors

from .support import check, close


def euler(f: Any, y: Any, h: Any, n: Any) -> Any:
    for _i in range(n):
        y = y + h * f(y)
        yield y


def newton(x: Any, a: Any) -> Any:
    while True:
        new = 0.5 * (x + a / x)
        yield new
        if abs(new - x) < 1e-13:
            return
        x = new


def collatz(n: Any) -> Any:
    while n != 1:
        yield n
        n = 3 * n + 1 if n % 2 else n // 2


def walk(tree: Any) -> Any:
    if isinstance(tree, tuple):
        for t in tree:
            yield from walk(t)
    else:
        yield tree


def batches(X: Any, y: Any, k: Any) -> Any:
    for i in range(0, len(X), k):
        yield X[i : i + k], y[i : i + k]


def forever(x: Any) -> Any:
    while True:
        x = np.sin(x)
        yield x


def broken_off(x: Any, n: Any) -> Any:
    last = 0.0
    for y in euler(lambda y: -y * y, x, 0.1, n):
        if y < 0.5:
            break
        last = y
    return last


def returned_from(x: Any, n: Any) -> Any:
    for y in euler(lambda y: -y * y, x, 0.1, n):
        if y < 0.5:
            return y * 10
    return -1.0 * x


def with_else_and_continue(x: Any, n: Any) -> Any:
    s = 0.0
    for i, y in enumerate(euler(np.cos, x, 0.1, n)):
        if y > 0.7:
            continue
        s += y * i
    else:
        s += 100 * x
    return s


def until_it_ends(a: Any) -> Any:
    for r in newton(1.0 * a, a):  # noqa: B007
        pass
    return r


def of_integers(n: Any, x: Any) -> Any:
    s = 0.0
    c = 0
    for k in collatz(n):
        s += x * k
        c += 1
    return s * c


def over_a_tree(x: Any) -> Any:
    return sum(walk((x, (2 * x, (x * x,)), 3.0)))


def batched(X: Any, y: Any, w: Any) -> Any:
    loss = 0.0
    for a, b in batches(X, y, 3):
        loss += np.sum((a @ w - b) ** 2)
    return loss


def endless(x: Any, k: Any) -> Any:
    for i, y in enumerate(forever(x)):  # noqa: B007
        if i >= k:
            break
    return y


def compared_and_listed(x: Any) -> Any:
    return max(euler(np.sin, x, 0.1, 5)), min(y * y for y in euler(np.cos, x, 0.1, 5)), [y + 1 for y in euler(np.cos, x, 0.1, 3)]


def appended(x: Any) -> Any:
    out = []
    for y in euler(np.sin, x, 0.5, 4):
        out.append(y)  # noqa: PERF402
    return np.array(out)


def inplace(x: Any, n: Any) -> Any:
    for _i in range(n):
        x *= 1.5
        yield x


def in_place(x: Any) -> Any:
    s = 0.0
    for a in inplace(x.copy(), 3):
        s += a[0]
        a[1] = 0.0
    return s + np.sum(sum(inplace(x.copy(), 2)))


def nested(x: Any, n: Any) -> Any:
    def pairs(x: Any, n: Any) -> Any:
        for a in euler(np.sin, x, 0.1, n):
            for b in euler(np.cos, a, 0.2, 2):
                if b > 3:
                    return
                yield a * b

    t = 0.0
    for p in pairs(x, n):
        if p < -1:
            continue
        t += p
        if t > 5:
            break
    return t


def under_conditions(x: Any) -> Any:
    def some(x: Any) -> Any:
        if x[0] > 0:
            yield x[0]
        for v in x:
            if v > 0.5:
                yield v * v
        yield 3.0

    s = 1.0
    for v in some(x):
        s = s * v
    return s


class Chain:
    def __init__(self, w: Any) -> Any:
        self.w = w

    def __iter__(self) -> Any:
        yield from self.w

    def pieces(self, x: Any) -> Any:
        for w in self.w:
            x = np.tanh(w * x)
            yield x

    @property
    def each(self) -> Any:
        yield from self.w


def methods(x: Any, w: Any) -> Any:
    c = Chain(w)
    s = 0.0
    for p in c.pieces(x):
        s += p
    for q in c.each:
        s += q
    return s


def iter_method(x: Any, w: Any) -> Any:
    s = 0.0
    for q in Chain(w):
        s += q * x
    return s


def asked(x: Any) -> Any:
    a = any(y > 1.0 for y in euler(np.sin, x, 0.1, 6))
    return (1.0 if a else 2.0) * x


def unpacked(x: Any) -> Any:
    first, second = walk((x, x * x))
    return first * second


def as_an_array(x: Any) -> Any:
    return np.sum(np.array(list(euler(np.sin, x, 0.1, 3))))


def in_a_dict(x: Any) -> Any:
    return dict(zip("abc", list(euler(np.sin, x, 0.1, 3)), strict=False))["b"]


def mapped_and_filtered(x: Any, n: Any) -> Any:
    s = 0.0
    for a in filter(lambda t: t > 1.0, euler(np.sin, x, 0.1, n)):
        s += a
    for a in map(lambda t: t * t, euler(np.sin, x, 0.1, n)):
        s += a
    return s


def left_in_loops(x: Any) -> Any:
    s = 0.0
    while s < 100:
        for i in range(3):
            for a in three(x * i):
                s += a
                if s > 90:
                    return s
                if a > 2.0:
                    break
    return s


def told_twice(x: Any) -> Any:
    t = 0.0

    def add() -> None:
        nonlocal t
        for a in three(x):
            t += a

    add()
    add()
    return t


def shared_buffer(x: Any) -> Any:
    s = 0.0
    for b in pieces(x):
        s += b.sum()
        b[0] += 1.0
    return s


def with_finally(x: Any) -> Any:
    def both(x: Any) -> Any:
        try:
            yield x
            yield 2 * x
        finally:
            pass

    return sum(both(x))


A, B, W = (np.random.default_rng(0).standard_normal(shape) for shape in ((8, 2), 8, 2))
V = np.array([0.1, 0.7, 2.0])
CASES: list[tuple[Callable[..., Any], list[tuple[Any, ...]], tuple[int, ...]]] = [
    (broken_off, [(2.0, 40), (2.0, 3)], (0,)),
    (returned_from, [(2.0, 40), (2.0, 3)], (0,)),
    (with_else_and_continue, [(0.1, 12), (0.1, 0)], (0,)),
    (until_it_ends, [(7.0,)], (0,)),
    (of_integers, [(7, 0.3), (6, 0.3)], (1,)),
    (over_a_tree, [(0.5,)], (0,)),
    (batched, [(A, B, W)], (0, 2)),
    (endless, [(0.5, 4), (0.5, 0)], (0,)),
    (in_place, [(np.array([1.0, 2.0, 3.0]),)], (0,)),
    (nested, [(0.5, 4), (0.5, 40)], (0,)),
    (under_conditions, [(V,), (V * [-1, 1, 1],)], (0,)),
    (methods, [(0.5, [1.0, 2.0, 3.0])], (0,)),
    (iter_method, [(0.5, [1.0, 2.0, 3.0])], (0,)),
    (asked, [(0.9,), (0.1,)], (0,)),
    (unpacked, [(0.9,)], (0,)),
    (as_an_array, [(0.9,)], (0,)),
    (in_a_dict, [(0.9,)], (0,)),
    (mapped_and_filtered, [(0.95, 7)], (0,)),
    (left_in_loops, [(0.8,), (0.1,)], (0,)),
    (told_twice, [(0.8,)], (0,)),
    (shared_buffer, [(0.8,)], (0,)),
    (with_finally, [(0.8,)], (0,)),
]


@pytest.mark.parametrize(("f", "points", "argnums"), CASES, ids=[f.__name__ for f, _, _ in CASES])
def test_values_and_derivatives(f: Any, points: Any, argnums: tuple[int, ...]) -> None:
    check(f, *points, argnums=argnums)


def test_single_precision() -> None:
    x = np.float32(0.5)
    close(lj.jit(lj.grad(nested))(x, 9), np.float32(lj.jit(lj.grad(nested))(0.5, 9)), 1e-5, 1e-5)


@pytest.mark.parametrize("f", [compared_and_listed, appended])
def test_lists(f: Any) -> None:
    close(lj.jit(f)(0.5), f(0.5))


def three(x: Any) -> Any:
    yield x
    yield x * x
    yield 3.0


CONSUMERS: list[Callable[[Any], Any]] = [
    lambda x: tuple(three(x))[1],
    lambda x: max(*three(x)),
    lambda x: len({*three(1.0)}) * x,
    lambda x: next(three(x)),
    lambda x: sum(a * b for a, b in zip(three(x), [1, 2, 3], strict=True)),
    lambda x: sorted(three(x))[0],
    lambda x: np.prod(list(three(x))),
    lambda x: sum([a * a for a in three(x) if a > 0.6]),
    lambda x: {i: a for i, a in enumerate(three(x))}[1],
    lambda x: np.sum(np.fromiter(three(x), float)),
    lambda x: all(a > 0 for a in three(x)) * x,
]


@pytest.mark.parametrize("f", CONSUMERS)
def test_consumers(f: Any) -> None:
    check(f, (0.8,), order=1)


def pieces(x: Any) -> Any:
    buffer = np.zeros(3)
    for i in range(3):
        buffer[i] = x * i
        yield buffer


def itself(x: Any) -> Any:
    if x > 0:
        yield x
        yield from itself(x - 1.0)


def sent(x: Any) -> Any:
    answer = yield x
    yield answer


def gone_through(x: Any) -> Any:
    it = three(x)
    return sum(it) + sum(it)


REFUSED: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda x: sum(a[0] * b for a, b in zip(pieces(x), [1, 2, 3], strict=True)), errors.UnsupportedOperationError, "make a list of it"),
    (lambda x: next(pieces(x))[0], errors.UnsupportedOperationError, "make a list of it"),
    (lambda x: sum(itself(x)), errors.EndlessTraceError, "write a recursive function"),
    (lambda x: sum(sent(x)), errors.UnsupportedSyntaxError, "write `yield x` as a statement of its own"),
    (gone_through, errors.UnsupportedOperationError, "has been gone through before"),
]


@pytest.mark.parametrize(("f", "error", "message"), REFUSED)
def test_what_is_refused(f: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        lj.jit(f)(0.8)


# ---- next() of iterators that the program has made
def _numbers(x: Any) -> Any:
    ids, total = itertools.count(1), 0.0
    for k in range(6):
        total = total + next(ids) * x[k % 3]
    return total * next(ids)


def _items(x: Any) -> Any:
    it, total = iter([1.0, 2.0, 3.0, 4.0, 5.0]), 0.0
    for v in x:
        total = total + next(it) * v
    return total * next(it)


def _in_turn(x: Any) -> Any:
    signs, total = itertools.cycle([1.0, -1.0]), 0.0
    for v in x:
        total = total + next(signs) * v
    return total


def _new_ones(x: Any) -> Any:
    total = 0.0
    for v in x:
        it = iter([2.0, 3.0])
        total = total + next(it) * v * next(it)
        if v > 0.5:
            total = total + next(iter([7.0])) * v
    return total


def _many(x: Any) -> Any:
    it, total = iter(range(200)), 0.0
    for k in [float(i) for i in range(80)]:
        total = total + next(it) * np.sin(0.1 * x[0] * k) * np.cos(0.1 * x[1] * k + x[2]) * np.exp(-0.1 * k)
    return total


def _of_an_expression(x: Any) -> Any:
    squares, halves = (v * v for v in x), (0.5 * v for v in [1.0, 2.0, 3.0])
    return next(squares) + 2.0 * next(squares) * next(halves) + next(halves)


def _in_a_helper(x: Any) -> Any:
    it = iter(x)

    def tree(depth: int) -> Any:
        return next(it) if depth == 0 else tree(depth - 1) * 2.0 + (next(it) if depth == 1 else 1.0)

    return tree(2) * np.sin(next(it))


TAKEN = (_of_an_expression, _numbers, _items, _in_turn, _new_ones, _many, _in_a_helper)


@pytest.mark.parametrize("f", TAKEN, ids=[f.__name__ for f in TAKEN])
def test_next_takes_each_element_once(f: Any) -> None:
    check(f, (np.array([0.3, 0.9, 0.4]),), (np.array([0.6, 0.2, 0.7]),), order=1)


def _in_an_arm(x: Any) -> Any:
    it = iter([1.0, 2.0, 3.0])
    y = next(it) * x[0] if x[0] > 0 else next(it) * x[1]
    return y + next(it)


def _in_a_test(x: Any) -> Any:
    ids, total = itertools.count(), 0.0
    while next(ids) < 3:
        total += x[0]
    return total


@pytest.mark.parametrize("f", [_in_an_arm, _in_a_test])
def test_next_that_cannot_be_followed_is_refused(f: Any) -> None:
    with pytest.raises(lj.LanternError, match="count the place yourself"):
        lj.jit(f)(np.array([0.3, 0.9, 0.4]))


def test_next_of_a_search_through_an_array_of_known_size() -> None:
    def f(x: Any) -> Any:
        a, _, _ = x
        found = next(v for v in x if v > 0.5)
        return found * found + a

    check(f, (np.array([0.3, 0.9, 0.4]),), (np.array([0.3, 0.2, 0.6]),))
    with pytest.raises(StopIteration):
        lj.jit(f)(np.array([0.3, 0.1, 0.4]))


class Held:
    def __init__(self, a: Any) -> None:
        self.a = a


def twice(p: Held) -> Any:
    yield p.a
    yield p.a


def first_two(p: Any) -> Any:
    yield p[0]
    yield p[1]


def test_what_a_generator_reads_is_written_between_two_of_its_elements() -> None:
    """All were made at once, of what was there at first."""

    def object_(x: Any) -> Any:
        p = Held(x)
        m = twice(p)
        a = next(m)
        p.a = 7.0 * x
        return a + 10 * next(m)

    def array(x: Any) -> Any:
        p = np.ones(2) * x
        m = first_two(p)
        a = next(m)
        p[1] = 7.0 * x
        return a + 10 * next(m)

    def view(x: Any) -> Any:
        p, t = np.ones(2) * x, 0.0
        q = p[:]
        for a, b in zip(first_two(p), first_two(p), strict=True):
            t += a * b
            q += 1.0
        return t

    def variable(x: Any) -> Any:
        k = x

        def both_times() -> Any:
            yield k
            yield k

        t = 0.0
        for a, b in zip(both_times(), both_times(), strict=True):
            t += 10 * a + b
            k = 7.0 * x
        return t

    def written_by_itself(x: Any) -> Any:
        def two(p: Any) -> Any:
            p[0] = 5.0 * x
            yield p[0]
            p[0] = 7.0 * x
            yield p[0]

        p = np.ones(2)
        return next(two(p)) + p[0]

    def drawn(x: Any) -> Any:
        def two(r: Any) -> Any:
            yield r.normal()
            yield r.normal()

        r = np.random.default_rng(0)
        return sum(x * a + b for a, b in zip(two(r), two(r), strict=True))

    for f in (object_, array, view, variable):
        with pytest.raises(
            errors.UnsupportedOperationError, match=r"after something has been written that it may read .*: make a list of it"
        ):
            lj.jit(f)(2.0)
    for f in (written_by_itself, drawn):
        with pytest.raises(errors.UnsupportedOperationError, match=r"or changes something, .*: make a list of it"):
            lj.jit(f)(2.0)


def test_what_a_generator_does_not_read_is_written() -> None:
    def f(x: Any) -> Any:
        p, out, total = np.ones(2) * x, np.zeros(2), Held(0.0)
        found = []
        for i, (a, b) in enumerate(zip(first_two(p), first_two(p * 2.0), strict=True)):
            out[i] = a * b
            total.a += b
            found.append(a)
        return out.sum() + total.a + found[1]

    check(f, (1.5,))

"""Lists that grow under traced control flow: of numbers, arrays and structures; then indexed, looped over, stacked, returned."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import both, check, close


def numbers(x: float, n: int) -> Any:
    out = []
    for i in range(n):
        out.append(x * i)
    return np.array(out).sum() + out[-1] * out[n // 2]


def conditional(x: float, n: int) -> Any:
    kept = []
    for i in range(n):
        v = np.sin(x * i)
        if v > 0.1:
            kept.append(v * v)
    return sum(kept) + len(kept) * x


def until(x: float, n: int) -> Any:
    ts, ys = [0.0], [x]
    t = 0.0
    while t < n:
        t += 0.5
        ts.append(t)
        ys.append(ys[-1] * 0.97 + 0.01 * len(ys))
    return np.array(ts) @ np.array(ys)


def states(x: float, n: int) -> Any:
    ys = [np.array([x, 1.0])]
    for _ in range(n):
        ys.append(np.sin(ys[-1]) + 0.1 * ys[0])
    return np.stack(ys)[n // 2 :].sum() + ys[1][0]


def pairs(x: float, n: int) -> Any:
    out = []
    for i in range(n):
        out.append((i, {"v": np.array([x * i, 1.0])}))
    s = 0.0
    for i, d in out:
        s += i * d["v"].sum()
    return s + out[-1][1]["v"][0]


def stack_of_work(x: float, n: int) -> Any:
    work, s = [x * n], 0.0
    while work:
        y = work.pop()
        if y < 0.3:
            s += y * y
        else:
            work.append(y / 2)
            work.append(y / 3)
    return s


def ends(x: float, n: int) -> Any:
    xs = [x, 2 * x]
    for i in range(n):
        xs.insert(0, xs[-1] * 0.5 + i)
        if i % 3 == 0:
            xs.pop(1)
        if i % 7 == 6:
            xs.pop(0)
    ys = [*xs[1:-1], x] if n < 0 else xs[1:-1] + [x]  # noqa: RUF005
    ys.reverse()
    return np.array(xs) @ np.arange(1.0, len(xs) + 1) + sum(ys) * ys[0] + len(ys)


def items_written(x: float, n: int) -> Any:
    xs = [0.0]
    for i in range(n):
        xs.append(x + i)
        xs[i // 2] = xs[i] * 0.5
    xs[-1] *= 2.0
    return sum(xs) + max(xs) - min(xs)


def nested(x: float, n: int) -> Any:
    rows = []
    for i in range(n):
        row = []
        for j in range(i % 5):
            row.append(x * j)
        rows.append(sum(row))
    return sum(rows)


def joined(x: float, n: int) -> Any:
    xs = []
    for i in range(n):
        xs = xs + [x * i]  # noqa: RUF005
    more = [1.0, 2.0]
    more.extend(xs)
    more += [x]
    return sum(more) + len(more)


def ints_then_floats(x: float, n: int) -> Any:
    xs = [0]
    for i in range(n):
        xs.append(x * i)
    return sum(xs)


def emptied(x: float, n: int) -> Any:
    batch, s = [], 0.0
    for i in range(n):
        batch.append(x * i)
        if len(batch) == 4:
            s += max(batch) - batch[0]
            batch.clear()
    return s + len(batch)


def in_a_branch(x: float, n: int) -> Any:
    xs = [x]
    if x > 0.5:
        xs.append(2 * x)
    elif n > 5:
        xs += [1.0, x]
    return sum(xs) * len(xs) + xs[-1]


def python_then_numpy_floats(x: float, n: int) -> Any:
    t, h, ts = 0.0, 0.1, [0.0]
    while t < n:
        if h * x < 3.0:  # the items are Python floats until h is one of NumPy's
            t += h
            ts.append(t)
        h *= min(2.0, max(0.5, np.exp(0.1 * x - 0.2 * h)))
    return sum(ts) + len(ts) * h


PROGRAMS = [
    numbers, conditional, until, states, pairs, stack_of_work, ends, items_written, nested, joined, ints_then_floats, emptied, in_a_branch,
    python_then_numpy_floats,
]  # fmt: skip


@pytest.mark.parametrize("f", PROGRAMS)
@pytest.mark.parametrize("n", [6, 75])
def test_values_and_gradients(f: Any, n: int) -> None:
    for x in (0.71, 0.33):
        slope = (f(x + 1e-6, n) - f(x - 1e-6, n)) / 2e-6
        for value, gradient in both(lambda x, n: (f(x, n), lj.grad(f)(x, n)), x, n).values():
            close(value, f(x, n))
            close(gradient, slope, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("f", [numbers, states, stack_of_work])
def test_second_order(f: Any) -> None:
    found = lj.jit(lj.grad(lj.grad(f)))(0.71, 70)
    slope = (lj.jit(lj.grad(f))(0.71 + 1e-5, 70) - lj.jit(lj.grad(f))(0.71 - 1e-5, 70)) / 2e-5
    close(found, slope, rtol=1e-3, atol=1e-3)


def test_one_compilation_for_all_lengths() -> None:
    f = lj.jit(numbers)
    for n in (5, 80, 1000):
        close(f(2.0, n), numbers(2.0, n))
    assert len(f.inspect(2.0, 5).graph.splitlines()) < 200


def test_results_are_lists() -> None:
    def f(x: float, n: int) -> Any:
        out, rows, pairs = [], [], []
        for i in range(n):
            out.append(x * i)
            rows.append(np.array([x, i]))
            if x > i:
                pairs.append((i, x))
        return out, rows, {"pairs": pairs}

    got, want = lj.jit(f)(2.5, 70), f(2.5, 70)
    assert got[0] == want[0]
    assert type(got[0]) is list
    assert type(got[0][3]) is float
    assert got[2] == want[2]
    assert all(np.array_equal(a, b) for a, b in zip(got[1], want[1], strict=True))


def test_errors_are_pythons() -> None:
    def beyond(x: float, n: int) -> Any:
        out = [x]
        for i in range(n):
            out.append(x * i)
        return out[n + 1]

    def empty(x: float, n: int) -> Any:
        out: list[float] = []
        for i in range(n):
            if x > i:
                out.append(x)
        return out.pop()

    for f, x in ((beyond, 1.0), (empty, -1.0)):
        with pytest.raises(IndexError):
            lj.jit(f)(x, 70)

    def shapes(x: float, n: int) -> Any:
        out = []
        for i in range(n):
            out.append(np.ones(i) * x)
        return out[3].sum()

    with pytest.raises(Exception, match="one shape"):
        lj.jit(shapes)(1.0, 70)


def test_an_array_in_a_list_is_not_written_afterwards() -> None:
    def f(x: float, n: int) -> Any:
        v, out = np.zeros(3), []
        for i in range(n):
            v[0] = x * i
            out.append(v)
        return out[0][0]

    def g(x: float, n: int) -> Any:
        v, out = np.zeros(3), []
        for i in range(n):
            v[0] = x * i
            out.append(v.copy())
        return out[0][0] + out[-1][0]

    with pytest.raises(lj.errors.UnsupportedOperationError, match="copy"):
        lj.jit(f)(1.0, 70)
    close(lj.jit(g)(2.0, 70), g(2.0, 70))


def test_a_counted_loop_makes_room_before_it_begins() -> None:
    graph = lj.jit(numbers).inspect(2.0, 5).graph
    assert graph.count(" alloc(") == 1
    loop = graph[graph.index("\nloop") :]
    assert "alloc(" not in loop[: loop.index("exit")]
    policies = lj.jit(lj.grad(numbers)).inspect(2.0, 5).policies
    assert all("recursion" not in str(p) for p in policies), policies


# ---- the rest of what lists do
def grown(x: float, n: int) -> list[Any]:
    out = []
    for i in range(n):
        if x * i > -1:
            out.append(x * i * (-1) ** i)
    return out


def sorted_in_place(x: float, n: int) -> Any:
    xs, ys = grown(x, n), grown(2 * x, n)
    xs.sort()
    ys.sort(reverse=True)
    return xs[0] * ys[0] + xs[-1]


def without_some(x: float, n: int) -> Any:
    xs, ys = grown(x, n), grown(x, n)
    del xs[0]
    del xs[-1]
    del ys[:]
    return sum(xs) + xs[0] * len(xs) + len(ys)


def replaced_whole(x: float, n: int) -> Any:
    xs, ys = grown(x, n), grown(2 * x, n)
    xs[:] = ys
    ys[:] = [x, x * x]
    return sum(xs) + ys[1] * len(ys)


def copied_and_joined(x: float, n: int) -> Any:
    xs = grown(x, n)
    ys = list(xs)
    ys.append(x)
    return sum([x, 2 * x] + xs) + len(ys) * xs[::-1][0]  # noqa: RUF005


def columns(x: float, n: int) -> Any:
    out = []
    for i in range(n):
        out.append((x * i, x - i))
    return (np.array(out) * np.array([1.0, 2.0])).sum()


@pytest.mark.parametrize("f", [sorted_in_place, without_some, replaced_whole, copied_and_joined, columns])
def test_other_uses(f: Any) -> None:
    check(f, (1.5, 70), (-0.01, 9))


def parts_of_it(x: float, n: int) -> Any:
    xs = grown(x, n)
    del xs[1:3]
    xs[1:2] = [x, -x]
    xs[len(xs) - 2 :] = []
    return sum(xs[::2]) + 2.0 * sum(xs[1::3]) + xs[::-2][0] * xs[-3:][0] + sum(xs * 2)


def found_in_it(x: float, n: int) -> Any:
    xs = [v for v in grown(x, n) if v != x]
    xs.append(x)
    xs.insert(2, x)
    xs.append(x)
    place, times = xs.index(x), xs.count(x)
    xs.remove(x)
    same = (xs == xs[:], xs == xs[1:], xs == [x], xs != [])
    return x * place + times + xs[-1] * len(xs) + sum(k * x for k, s in enumerate(same) if s) + (x in xs) * 3 + (1e9 in xs) * 7


def unpacked(x: float, n: int) -> Any:
    first, *rest = grown(x, n)
    *_, last = rest
    a, *middle, b, c = rest
    p, q = rest[:2]
    rest.append(first)
    return first + 2 * last + a * b - c + sum(middle) * len(middle) + len(rest) + p * q


def transposed(x: float, n: int) -> Any:
    rows = [(i, v, {"w": v * v}) for i, v in enumerate(grown(x, n)) if v != x]
    places, values, more = zip(*rows, strict=True)
    ws = [d["w"] for d in more]
    return np.array(values) @ np.array(ws) + sum(places) * values[1] + len(places) + max(*values) + tuple(ws)[2]


@pytest.mark.parametrize("f", [parts_of_it, found_in_it, unpacked, transposed])
def test_what_else_python_does_with_them(f: Any) -> None:
    check(f, (1.5, 70), (0.3, 9))


def test_unpacking_another_number_raises_as_python_does() -> None:
    def two(x: float, n: int) -> Any:
        a, b = grown(x, n)
        return a * b

    def three(x: float, n: int) -> Any:
        a, *_, b, c = grown(x, n)
        return a * b + c

    run = [lj.jit(two), lj.jit(three)]
    assert [f(2.0, 3) for f in run[1:]] == [three(2.0, 3)]
    assert run[0](2.0, 2) == two(2.0, 2)
    for f, n, text in ((run[0], 1, "not enough values"), (run[0], 3, "too many values"), (run[1], 2, "expected at least 3")):
        with pytest.raises(ValueError, match=text):
            f(2.0, n)


REFUSED: dict[str, Any] = {
    "with an array": (lambda xs, x: (xs + np.ones(3)).sum(), r"np.array\(items\)"),
    "arguments": (lambda xs, x: max(np.hypot(*xs), x), "give the function the list itself"),
}


@pytest.mark.parametrize(("use", "instead"), REFUSED.values(), ids=REFUSED)
def test_uses_that_are_refused(use: Any, instead: str) -> None:
    with pytest.raises(lj.errors.UnsupportedOperationError, match=rf"a list that grows under traced control flow.*{instead}"):
        lj.jit(lambda x, n: use(grown(x, n), x))(1.5, 70)


def test_a_tuple_of_one_is_no_result() -> None:
    with pytest.raises(lj.errors.UnsupportedOperationError, match="return the list"):
        lj.jit(lambda x, n: tuple(grown(x, n)))(1.5, 70)


def test_methods_of_lists_of_plain_numbers() -> None:
    def plain(x: float) -> Any:
        xs = [3, 1, 2]
        xs.sort()
        xs.remove(2)
        return x * xs.index(3) + xs.count(1)

    assert lj.jit(plain)(1.5) == plain(1.5)


def ordered(x: Any, n: int) -> Any:
    few = [x[2], x[0], 1.0]
    few.sort()
    pairs = []
    for i in range(n):
        pairs.append((x[i] > 0.5, i, x[i]))
    pairs.sort(key=lambda p: p[2])
    down = sorted(pairs, reverse=True)  # by the first, then by the second
    grown = []
    for v in x:
        if v > 0:
            grown.append(v)
    grown.sort(key=lambda v: -v)
    squares = sum(map(lambda v: v * v, filter(lambda v: v > 0, x))) + max(map(abs, (v for v in x if v < 0.9)))
    return few[0] + 2.0 * few[1], pairs[0][1], [(p[1], p[2]) for p in down], grown[0] - grown[1], squares, len(grown)


def test_lists_are_sorted_by_keys_and_in_the_order_of_tuples() -> None:
    x = np.array([0.75, -0.25, 0.5, 0.75, 1.5])
    wanted = ordered(x, 5)
    for out in both(ordered, x, 5).values():
        close(out, wanted)
    loss = lambda x, n: sum(v for v in (r[0] + r[3] + r[4] for r in [ordered(x, n)]))  # noqa: E731
    h = 1e-6
    slope = np.array([(loss(x + h * e, 5) - loss(x - h * e, 5)) / (2 * h) for e in np.eye(5)])
    for out in both(lj.grad(loss), x, 5).values():
        close(out[[1, 2, 4]], slope[[1, 2, 4]], 1e-7)
    with pytest.raises(lj.errors.UnsupportedOperationError, match="compares numbers, and tuples of them"):
        lj.jit(lambda x: sorted(x.reshape(2, 2), key=lambda r: r))(np.ones(4))


def test_an_item_that_is_there_after_some_iterations() -> None:
    def settled(x: float) -> Any:
        values, total = [], 0.0
        for i in range(30):
            total = total + x * 0.5**i
            values.append(total)
            if i > 3 and abs(values[-1] - values[-2]) < 1e-3 * abs(values[-4]):
                break
        return values[-1], len(values)

    for mode, out in both(settled, 0.7).items():
        close(out, settled(0.7), what=mode)

    def never(x: float) -> float:
        values = [x, x]
        for _ in range(10):
            x = x + values[3]
        return x

    with pytest.raises(IndexError, match="list index out of range"):
        lj.jit(never)(1.0)


def test_a_list_grows_in_a_short_loop_that_would_be_a_large_program() -> None:
    """Forty derivatives unrolled are a second of compilation each five."""

    def train(rate: float, x: Any, y: Any) -> Any:
        w, history = np.zeros(2), []
        for _ in range(40):
            value, slope = lj.value_and_grad(lambda w: np.mean((x @ w - y) ** 2))(w)
            history.append(value)
            w = w - rate * slope
            if len(history) > 3 and history[-2] - history[-1] < 1e-3:
                break
        return history[-1] + np.mean(np.array(history))

    x = np.cos(np.arange(12.0)).reshape(6, 2)
    args = 0.4, x, np.sin(np.arange(6.0))
    check(train, args, order=1)
    assert lj.jit(train).inspect(*args).graph.count("pullback(") == 1


def test_items_that_are_objects_are_what_they_are_on_their_path() -> None:
    def f(x: float, i: int) -> Any:
        rows = [[0.0, x], [0.0, 0.0, 1.0], [x, x]]
        row = rows[i]
        if x > 0.5:
            row[1] = 2.0
        else:
            rows.append([x, x])
        return sum(len(r) * sum(r) for r in rows) + 10 * row[1]

    def g(x: float, i: int) -> Any:
        rows = [[0.0, x], [0.0, 1.0], [x, x]]
        kept, row = rows[0], rows[i]
        if x > 0.5:
            row[1] = 2.0
        else:
            rows.append([x, x])
        return sum(map(sum, rows)) + 10 * row[1] + kept[0]

    for x in (0.3, 0.7):
        for i in (0, 1, 2):
            for value in both(g, x, i).values():
                close(value, g(x, i))
    with pytest.raises(lj.errors.LanternError):
        lj.jit(f)(0.7, 1)


# ---- what changes a list in a loop that has made room for what it appends
CHANGES = (
    "del l[2:]", "del l[5:]", "del l[:-2]", "del l[i // 2:]", "l[2:] = [9.0]", "l[5:] = [1.0]", "l[3:1] = [4.0]", "l[len(l):] = [i * 0.1]",
    "l.insert(-1, float(i))", "l.insert(0, i * 0.5)", "l.insert(2, 0.1)\ndel l[4:]", "l *= 2\ndel l[3:]", "l.sort()\ndel l[2:]", "l.reverse()\nl.append(0.5)",
    "l[:] = l[::-1]\nl.append(0.2)", "if x[i] > 0:\n    l.append(1.0)\nl.append(2.0)", "if x[i] > 0:\n    l.append(1.0)\nelse:\n    l.insert(0, 2.0)", "l.extend(l[:1])", "if i > 2:\n    l.insert(1, x[0])",
)  # fmt: skip
QUEUES = (
    "l.insert(2, i * 1.0)\nl.append(3.0)", "l.appendleft(1.0)\nl.appendleft(2.0)\nout.append(l.pop())", "out.append(1.0 if x[i] in l else 0.0)\nl.append(0.2)",
    "l.rotate(-2)\nl.append(0.5)", "l.reverse()\nl.appendleft(0.1)", "l = deque(sorted(l))",
)  # fmt: skip


@pytest.mark.parametrize("change", [*CHANGES, *QUEUES])
def test_a_list_that_is_changed_in_other_ways_too(change: str, tmp_path: Path) -> None:
    """A loop makes room for what it appends before it begins, but not where its buffers do not stay."""
    made = "deque()" if change in QUEUES else "[]"
    lines = [
        f"    l, out = {made}, []",
        "    for i in range(len(x)):",
        "        l.append(x[i])",
        *(f"        {line}" for line in change.split("\n")),
    ]
    text = "\n".join(["from collections import deque", "", "def f(x):", *lines, "    return list(l), out", ""])
    path = tmp_path / "changed.py"
    path.write_text(text)
    space: dict[str, Any] = {}
    exec(compile(text, str(path), "exec"), space)
    f = lj.jit(space["f"])
    for n in (1, 2, 5, 9):
        x = np.cos(np.arange(n) * 1.3)
        for got, wanted in zip(f(x), space["f"](x), strict=True):
            assert len(got) == len(wanted)
            np.testing.assert_allclose(got, wanted, rtol=1e-13)


def test_what_is_appended_on_some_paths_and_on_all() -> None:
    """The list begins to grow on a path, in the middle of the iteration."""

    def f(x: Any) -> Any:
        some: list[Any] = []
        for i in range(len(x)):
            if x[i] > 0:
                some.append(x[i])
            some.append(1.0)
        return some

    for n in (1, 3, 7, 20):
        x = np.cos(np.arange(n) * 1.1)
        for found in both(f, x).values():
            np.testing.assert_allclose(found, f(x), rtol=1e-13)
    check(lambda x: sum(v * v * (i + 1) for i, v in enumerate(f(x))), (np.cos(np.arange(7) * 1.1),))


def worklist(x: float, n: int) -> Any:
    queue, s = [0], 0.0
    for u in queue:  # a tree, breadth first
        s = s * 0.9 + (u + 1) * x
        for child in (2 * u + 1, 2 * u + 2):
            if child < n and (child % 2 == 1 or x > 0.5):
                queue.append(child)
    return s + len(queue)


def becomes_shorter(x: float, n: int) -> Any:
    items, s = [x * (i % 3) for i in range(n)], 0.0
    for v in items:
        s = s * 0.5 + v
        if v > 0.2:
            items.pop(0)
    return s + len(items)


def in_step_with_others(x: float, n: int) -> Any:
    items, other, s = [x * i - 1.0 for i in range(n)], [x, 1.0, 2.0, 3.0, 4.0, 5.0], 0.0
    for i, (v, w) in enumerate(zip(items, other)):  # noqa: B905
        s += i * v * w
        if v > 0.0:
            items.append(v * 0.3)
        else:
            other.pop()
    for v in (w * x for w in items):
        s += v
        if v > 0.5:
            items.remove(items[-1])
    return s + len(items) + len(other)


def seen_by_two_loops(x: float, n: int) -> Any:
    items, s = [x * i for i in range(n)], 0.0
    for v in items:
        for w in items:
            s += v * w
            if s > 1.0 and len(items) > 2:
                items.pop()
    return s


def of_another_type(x: float, n: int) -> Any:
    items, s = [i for i in range(n) if i * x > 0.1], 0.0
    for v in items:
        s = s * 0.5 + v
        items[-1] = x * v
        items.reverse()
    return s


def doubled(x: float, n: int) -> Any:
    items = [x * i for i in range(n) if i * x > 0.1]
    items.extend(items)
    items += reversed(items)
    return sum(v * i for i, v in enumerate(items)) + 0.0 * x


@pytest.mark.parametrize("f", [worklist, becomes_shorter, in_step_with_others, seen_by_two_loops, of_another_type, doubled])
def test_lists_that_change_while_they_are_gone_through(f: Any) -> None:
    for args in ((0.8, 6), (0.3, 9), (-0.4, 5), (0.7, 0), (0.7, 1)):
        for where, found in both(f, *args).items():
            close(found, f(*args), what=where)
        h = 1e-6
        close(lj.jit(lj.grad(f))(*args), (f(args[0] + h, args[1]) - f(args[0] - h, args[1])) / (2 * h), rtol=1e-5, atol=1e-8)


def test_lists_that_change_while_something_else_goes_through_them_are_refused() -> None:
    def pairs_of_it(x: Any) -> Any:
        items, s = [1.0, 2.0, 3.0], 0.0
        held = enumerate(items)
        for i, v in held:
            s += i * v
            if x > s:
                items.append(x)
        return s

    def a_deque(x: Any, n: int) -> Any:
        items = collections.deque(x * i for i in range(n))
        s = 0.0
        for v in items:
            s += v
            if v > 1.0:
                items.append(v)
        return s

    with pytest.raises(lj.errors.UnsupportedOperationError, match=r"a list becomes longer or shorter .* list\(x\)"):
        lj.jit(pairs_of_it)(9.0)
    with pytest.raises(lj.errors.UnsupportedOperationError, match=r"a deque becomes longer or shorter .* Python raises RuntimeError"):
        lj.jit(a_deque)(1.0, 5)


def asked_for_in_vain(x: float, n: int) -> Any:
    items, s = [x], 0.0
    for i in range(n):
        try:
            s += items[2] * i
        except IndexError:
            s -= 1.0
        if s > 100.0:
            s += items[1]
    return s


def until_it_is_there(x: float, n: int) -> Any:
    items, s = [x], 0.0
    for i in range(n):
        try:
            s += items[2] * i
        except IndexError:
            items.append(x * i)
    return s


@pytest.mark.parametrize("f", [asked_for_in_vain, until_it_is_there])
def test_an_item_that_is_not_there_is_an_index_error_that_a_handler_takes(f: Any) -> None:
    for n in (0, 1, 7):
        check(f, (0.7, n), (-0.4, n), order=1)


def test_an_item_that_never_is_there_raises_as_in_python() -> None:
    def f(x: float, n: int) -> Any:
        items, s = [x], 0.0
        for i in range(n):
            s += items[1] * i
        return s

    with pytest.raises(IndexError, match="list index out of range"):
        lj.jit(f)(1.0, 7)
    assert lj.jit(lambda x: f(x, 0))(1.0) == 0.0


def test_a_list_gets_another_length_while_a_loop_goes_through_it() -> None:
    """Python looks at the list before each element."""

    def queue(x: Any) -> Any:
        found = [x]
        for v in found:
            if v < 5.0:
                found.append(v * 1.5 + 0.3)
        return sum(found) * len(found)

    def two_a_time(x: Any, depth: int) -> Any:
        nodes, total = [(x, 0)], 0.0
        for v, level in nodes:
            total += np.sin(v) * (level + 1)
            if level < depth and v > 0.2:
                nodes.append((0.6 * v, level + 1))
                nodes.append((0.3 * v, level + 1))
        return total + len(nodes)

    def of_a_growing_one(x: Any) -> Any:
        found = []
        for i in range(12):
            if i * x > 5.0:
                found.append(i * x)
        for v in found:
            if v < 40.0:
                found.append(2.0 * v)
        return sum(found) / len(found)

    def removed(x: Any) -> Any:
        found = [x, 2.0 * x, 3.0 * x, 4.0 * x]
        for v in found:
            if v > 2.0:
                found.pop()
        return sum(found)

    def left(x: Any) -> Any:
        found, last = [x], 0.0
        for v in found:
            if v > 30.0:
                last = v
                break
            if v > 0.0:
                found.append(v * v + 1.0)
        else:
            last = -1.0 * x
        return last + len(found)

    def of_items(x: Any) -> Any:
        found = []
        for i in range(12):
            if i * x > 5.0:
                found.append(i * x)
        for i, v in enumerate(found):
            found[i] = v * v
            if i + 1 < len(found):
                found[i + 1] += v
        return sum(found)

    for f in (queue, of_a_growing_one, removed, left, of_items):
        check(f, (0.7,), (1.3,), order=1)
    check(two_a_time, (1.3, 3), (0.7, 2), order=1)

"""Ordinary programs that keep books: logs with words in them, names beside numbers, heaps, sorted lists, what is optional in a list."""
# ruff: noqa: B905  (zip as it is mostly written)

from __future__ import annotations

import bisect
import enum
import heapq
import math
from collections import deque
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import both, check, close

WAVE = np.sin(np.arange(30.0))


def equal(f: Any, *args: Any) -> None:
    """Plain Python, the interpreter and native code give the same, texts and None included."""
    wanted = f(*args)
    for mode, found in both(f, *args).items():
        assert repr(_plain(found)) == repr(_plain(wanted)), mode


def _plain(x: Any) -> Any:
    if isinstance(x, deque):
        return deque(map(_plain, x), x.maxlen)
    if isinstance(x, (list, tuple)):
        return type(x)(map(_plain, x))
    if isinstance(x, dict):
        return {k: _plain(v) for k, v in x.items()}
    return x.item() if isinstance(x, np.generic) else x


class State(enum.Enum):
    IDLE = "idle"
    RUN = "run"
    STOP = "stop"


# ---- items that differ in a constant
def words(x: Any) -> Any:
    log, tags = [], ["begin"]
    for t in range(len(x)):
        if x[t] > 0.5:
            log.append((t, "high", x[t]))
            tags.append("up")
        elif x[t] < -0.5:
            log.append((t, "low", 0.0))
            tags.append("down")
    tags.append("end")
    highs = sum(1 for _, w, _ in log if w == "high")
    return log, highs, log[-1][1], tags, tags.count("up"), "end" in tags, "other" in tags, [w for w in tags if w != "up"]


def members(x: Any) -> Any:
    log, state = [], State.IDLE
    for t in range(len(x)):
        new = State.RUN if x[t] > 0.5 else State.STOP if x[t] < -0.5 else state
        if new is not state:
            log.append((t, state, new))
            state = new
    return log, state, sum(1 for _, _, s in log if s is State.RUN), log[0][1] == State.IDLE


def nothing(x: Any) -> Any:
    out, mixed, marks = [None], [], []
    for t in range(len(x)):
        kind = "hi" if x[t] > 0.5 else "lo" if x[t] < -0.5 else None
        mixed.append((t, kind))
        marks.append((t, x[t]) if kind is None else (t, None))
        if kind is not None:
            out.append(x[t])
    return out, mixed, sum(1 for _, k in mixed if k is None), marks, [k for _, k in mixed if k is not None]


def records(x: Any) -> Any:
    rows = []
    for i in range(len(x)):
        rows.append({"id": i, "grade": "A" if x[i] > 0.7 else "B" if x[i] > 0 else "C", "v": x[i]})
    good = [r for r in rows if r["grade"] == "A"]
    by_grade = sorted(rows, key=lambda r: (r["grade"], -r["v"]))
    return [r["grade"] for r in rows], len(good), [r["id"] for r in by_grade], max(rows, key=lambda r: r["v"])["grade"]


@pytest.mark.parametrize("f", [words, members, nothing, records])
def test_items_that_differ_in_a_constant(f: Any) -> None:
    equal(f, WAVE)
    equal(f, WAVE[:6])


def test_derivatives_of_what_stands_beside_words() -> None:
    def f(x: Any) -> Any:
        log: list[Any] = []
        i = 0
        while i < len(x):
            if x[i] > 0.5:
                log.append((State.RUN, x[i] ** 2, None))
            elif x[i] < -0.5:
                log.append((State.STOP, -(x[i] ** 3), x[i]))
            i += 1
        return sum(v for s, v, _ in log if s is State.RUN) - 2 * sum(v * w for _, v, w in log if w is not None)

    check(f, (WAVE[:12],), (WAVE[4:16],))


def test_items_without_anything_in_common_are_refused() -> None:
    def f(x: Any) -> Any:
        out: list[Any] = []
        for v in x:
            if v > 0.5:
                out.append("word")
            else:
                out.append(v)
        return out

    def lines(x: Any) -> Any:
        out: list[str] = []
        for i in range(len(x)):
            if x[i] > 0.5:
                out.append(f"{i}: {x[i]:.2f} HIGH")
            elif x[i] < -0.5:
                out.append(f"{i}: low")
        return out

    with pytest.raises(lj.errors.TypeMismatchError, match="it is str on one path and float on another"):
        lj.jit(f)(np.concatenate([WAVE, WAVE, WAVE]))
    with pytest.raises(lj.errors.TypeMismatchError, match="keep what they are made of in it, and make text of that afterwards"):
        lj.jit(lines)(WAVE)


# ---- names beside numbers
NAMES = ["ann", "bob", "cy", "dan", "eve", "fay"]


def named(x: Any) -> Any:
    hot = [n for n, v in zip(NAMES, x) if v > 0.5]
    pairs = [(n, v) for n, v in zip(NAMES, x) if v < 0.0]
    first = next((n for n, v in zip(NAMES, x) if v < 0.0), "nobody")
    for_ones = [NAMES[i] for i, v in enumerate(x) if v > 0.5]
    joined = ",".join(n for n, v in zip(NAMES, x) if v > 0.5)
    best = max(zip(x, NAMES))[1], min(zip(x, NAMES)), [n for _, n in sorted(zip(x, NAMES))]
    return hot, len(hot), "bob" in hot, pairs, first, for_ones, joined, best, ",".join(hot)


def test_names_are_chosen_by_numbers_beside_them() -> None:
    equal(named, WAVE[:6])
    equal(named, -WAVE[:6])


# ---- tuples
def robot(x: Any) -> Any:
    at, seen, turns = (0, 0), [(0, 0)], 0
    for i in range(len(x)):
        a, b = at
        at = (a + 1, b) if x[i] > 0.5 else (a, b - 1) if x[i] < -0.5 else (a, b)
        if at in seen:
            continue
        seen.append(at)
        if at == (2, -1) or at != (1, 0):
            turns += 1
    return (
        seen,
        turns,
        at == (2, -1),
        at != (2, -1),
        seen.index((1, 0)),
        at > (1, 5),
        at in [(2, -1), at],
        [at] == [(9, 9)],
        (at, 1) == (at, 1),
    )


def test_tuples_are_compared_part_by_part() -> None:
    equal(robot, WAVE[:12])
    equal(robot, WAVE[:3])


# ---- heaps
def shortest(w: Any) -> Any:
    dist = [math.inf] * len(w)
    dist[0] = 0.0
    heap = [(0.0, 0)]
    while heap:
        d, u = heapq.heappop(heap)
        if d > dist[u]:
            continue
        for v in range(len(w)):
            if v != u and d + w[u, v] < dist[v]:
                dist[v] = d + w[u, v]
                heapq.heappush(heap, (dist[v], v))
    return dist[3] + 0.5 * dist[4]


def test_shortest_paths_and_their_derivatives() -> None:
    w = np.array([[0, 1.0, 4, 9, 9], [1, 0, 2, 6, 9], [4, 2, 0, 3, 1.5], [9, 6, 3, 0, 1], [9, 9, 1.5, 1, 0]])
    check(shortest, (w,), order=1)


def heaps(x: Any) -> Any:
    h: list[Any] = []
    for v in x:
        heapq.heappush(h, v)
    pushed = list(h)
    out = [heapq.heappop(h) for _ in range(3)]
    replaced, both_ways = heapq.heapreplace(h, x[0] + 0.1), heapq.heappushpop(h, x[1])
    other = [(v, "even" if i % 2 == 0 else "odd") for i, v in enumerate(x)]
    heapq.heapify(other)
    served = []
    while other:
        v, w = heapq.heappop(other)
        served.append((v, w))
        if w == "odd" and v < 0.0:
            heapq.heappush(other, (v + 1.0, "again"))
    return pushed, out, replaced, both_ways, h, served, heapq.nsmallest(2, x), heapq.nlargest(2, h)


def test_heaps_are_what_pythons_are() -> None:
    equal(heaps, WAVE[:9])
    equal(heaps, np.array([2.0, 2.0, 1.0, 1.0, 3.0, -1.0, -1.0]))
    with pytest.raises(IndexError):
        lj.jit(lambda x: heapq.heappop([v for v in x if v > 9.0]))(WAVE)


# ---- sorted lists
def increasing(x: Any) -> Any:
    tails: list[Any] = []
    kept: list[Any] = []
    pairs: list[Any] = []
    for v in x:
        i = bisect.bisect_left(tails, v)
        if i == len(tails):
            tails.append(v)
        else:
            tails[i] = v
        if v > -0.5:
            bisect.insort(kept, v)
            bisect.insort(pairs, (v * v, v))
    return tails, kept, bisect.bisect(kept, 0.3), pairs, bisect.bisect_right(pairs, (0.25, 0.0))


def test_sorted_lists() -> None:
    equal(increasing, WAVE[:12])
    close(lj.jit(increasing)(np.array([1.0, 1.0, 0.5, 2.0]))[0], [0.5, 2.0])


# ---- deques
def queued(x: Any) -> Any:
    q: deque[Any] = deque([1.0, 2.0], maxlen=4)
    q.extend(x)
    q.appendleft(9.0)
    q.rotate(-2)
    last, work = deque(x, 3), deque()
    for t, v in enumerate(x):
        if v > -0.5:
            work.append((v, "hot" if v > 0.5 else "cold"))
        if len(work) > 2:
            work.popleft()
        if t % 2:
            work.rotate(1)
    shown = [w for _, w in work], sorted(work), max(work), work[0], work[-1][1], work == deque(work), bool(work)
    work.reverse()
    return q, len(q), q.maxlen, 9.0 in q, q.count(9.0), list(last), np.array(last), sum(last), isinstance(work, deque), work, shown


def breadth_first(x: Any) -> Any:
    todo, seen, order = deque([0]), [False] * len(x), []
    while todo:
        i = todo.popleft()
        if seen[i]:
            continue
        seen[i] = True
        order.append(i)
        todo.extend(j for j in range(len(x)) if abs(x[i] - x[j]) < 0.3 and not seen[j])
        if x[i] > 0.0:
            todo.appendleft((i + 1) % len(x))
    return order, len(todo)


def shortest_queue(x: Any) -> Any:
    queues, lists = [deque() for _ in range(3)], [[], [], []]
    for v in x:
        q, xs = min(queues, key=len), lists[int(abs(v) * 2.5)]
        q.append(v)
        xs.append(v)
    return queues, lists, [len(q) for q in lists]


def test_deques() -> None:
    for f in (queued, breadth_first, shortest_queue):
        equal(f, WAVE[:9])
        equal(f, WAVE[2:15])


def test_derivatives_through_a_deque() -> None:
    def f(x: Any) -> Any:
        q: deque[Any] = deque([(0, 1.0)])
        total, n = 0.0, 0
        while q and n < 30:
            depth, v = q.popleft()
            n += 1
            total += v * x[depth % 5]
            if v * x[depth % 5] > 0.19:
                q.append((depth + 1, v * x[depth % 5]))
                q.append((depth + 2, v * 0.5))
        return total

    check(f, (np.array([0.4, 0.7, 0.9, 0.1, 0.6]),))


# ---- one of several lists
def by_name(x: Any) -> Any:
    lo, hi, a, b, d, e = [], [], deque([1.0, 2.0]), deque([3.0]), {"n": 1.0}, {"n": 2.0}
    for v in x:
        (hi if v > 0.0 else lo).append(v)
    q, t = (a, d) if x[0] > 0.1 else (b, e)
    q.append(x[1])
    q[0] = 9.0
    t["n"] += 0.5
    best = lo
    for c in (hi, lo):
        if sum(c) > sum(best):
            best = c
    return lo, hi, a, b, d, e, q, len(q), q[-1], sum(q), 9.0 in q, isinstance(q, deque), best is hi, len(best), lo + hi


def carried(x: Any) -> Any:
    a, b = [1.0], [2.0]
    now = a
    for v in x:
        if v > 0.5:
            now = b if now is a else a
        now.append(v)
    return a, b, now is a, len(now)


def by_place(x: Any) -> Any:
    a, b = [1.0, 2.0], [3.0]
    [a, b][int(x[0] <= 0.5)].append(x[1])
    grid = [[0] * 3 for _ in range(3)]
    row = grid[0] if x[0] > 0.5 else grid[2]
    row[1] = 5
    for v in x:
        if v > 0.55:
            a, b = b, a
        a.append(v)
    return a, b, grid, row


def test_what_is_written_into_one_of_several_is_there() -> None:
    for f in (by_name, by_place, carried):
        equal(f, WAVE[:8])
        equal(f, WAVE[1:9])


# ---- sets
def sets(x: Any) -> Any:
    words, thirds = set(), set()
    for v in x:
        if v > 0.9:
            words.add("spike")
        elif v < -0.9:
            words.add("dip")
        elif v > 0.8:
            words.add("low")
        thirds.add(int(v * 3))
    fifths = {int(v * 5) for v in x if v > 0.3}
    words.discard("low")
    asked = len(words), sorted(words), "dip" in words, "zz" in words, bool(words), not words, len(set(int(v * 4) for v in x))
    names = {n for n, v in zip(NAMES, x) if v > 0.5}
    groups: dict[str, set[int]] = {"a": set(), "b": set()}
    for i, v in enumerate(x):
        groups["a" if v > 0.5 else "b"].add(i % 3)
    both_of = sorted(thirds | fifths), sorted(thirds & fifths), sorted(thirds - fifths), max(thirds), min(fifths.union([0]))
    return asked, sorted(names), both_of, sorted(groups["a"]), len(groups["b"]), {k for k in {1, 2, 3} if k > 1}


def walk(x: Any) -> Any:
    seen, at, order = {(0, 0)}, (0, 0), []
    for v in x:
        at = (at[0] + int(v * 2), at[1] + 1 if v > 0.5 else at[1])
        if at in seen:
            continue
        seen.add(at)
        order.append(at)
        if len(seen) > 4 and (0, 0) in seen:
            seen.remove((0, 0))
    place, visited = 0, set()
    while place not in visited and len(visited) < 20:
        visited.add(place)
        place = (place + int(abs(x[place]) * 3) + 1) % len(x)
    return order, len(seen), len(visited), place


def test_sets() -> None:
    for f in (sets, walk):
        equal(f, WAVE[:9])
        equal(f, WAVE[4:20])
    assert lj.jit(lambda x: ({1, 2, 3}, {"a"} if x > 0.0 else {"b"}))(1.0) == ({1, 2, 3}, {"a"})


def test_the_order_of_a_set_is_refused() -> None:
    def f(x: float, use: Any) -> Any:
        s: set[int] = set()
        if x > 0.5:
            s.add(1)
        return use(s)

    for use in (lambda s: [k for k in s], list, lambda s: s.pop(), lambda s: s == {1}, lambda s: sum(s)):
        with pytest.raises(lj.errors.UnsupportedOperationError, match=r"use sorted\(s\), len\(s\)"):
            lj.jit(lambda x: f(x, use))(0.75)  # noqa: B023
    with pytest.raises(KeyError):
        lj.jit(lambda x: f(x, lambda s: s.remove(2)))(0.75)

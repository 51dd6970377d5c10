"""Loops that show how far they are: lj.progress, and tqdm's bars."""

from __future__ import annotations

import io
import itertools
import re
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors

from .support import both, check, close

BARS: list[Any] = []


class tqdm:  # what loops need of the real one, which need not be installed
    def __init__(self, iterable: Any = None, desc: Any = None, total: Any = None, disable: bool = False) -> None:
        self.iterable, self.desc, self.total, self.n, self.moves, self.closed, self.said = iterable, desc, total, 0, 0, False, []
        if not disable:
            BARS.append(self)

    def __iter__(self) -> Any:
        for x in self.iterable:
            yield x
            self.update(1)
        self.close()

    def update(self, n: int) -> None:
        assert n > 0
        self.n += n
        self.moves += 1

    def set_postfix(self, **kwargs: Any) -> None:
        self.said.append(kwargs)

    def close(self) -> None:
        self.closed = True


def trange(*args: Any, **kwargs: Any) -> Any:
    return tqdm(range(*args), **kwargs)


tqdm.__module__ = trange.__module__ = "tqdm.std"


@pytest.fixture(autouse=True)
def no_bars() -> None:
    BARS.clear()


def rows(x: Any, n: int, watch: Any) -> float:
    total = 0.0
    for i, v in enumerate(watch(x)):
        if i == n:
            break
        if v > 6:
            return -total
        if v < 0:
            continue
        total += v
    else:
        total += 1000
    return total


@pytest.mark.parametrize("x", [np.arange(300.0) / 50, np.arange(400.0) / 50, np.ones(3), np.zeros(0), -np.ones(5)], ids=str)
@pytest.mark.parametrize("n", [0, 3, 200, 10**6])
def test_a_loop_with_a_bar_is_the_loop_without_one(x: Any, n: int) -> None:
    want = rows(x, n, lambda x: x)
    out = io.StringIO()
    for watch in (tqdm, lambda x: lj.progress(x, "rows", file=out)):
        for found in both(lambda x, n, watch=watch: rows(x, n, watch), x, n).values():
            assert found == want
    assert all(bar.closed for bar in BARS)


def test_a_bar_moves_a_hundred_times_and_arrives() -> None:
    def f(n: int) -> int:
        s = 0
        for i in tqdm(range(n), desc="adding"):
            s += i
        return s

    for n in (0, 1, 5, 127, 1000, 100_000):
        assert lj.jit(f)(n) == n * (n - 1) // 2
        bar = BARS.pop()
        assert (bar.desc, bar.total, bar.n, bar.closed, BARS) == ("adding", n, n, True, [])
        assert bar.moves <= 128


def test_ranges_lists_and_totals() -> None:
    def f(x: Any, n: int) -> Any:
        y = np.zeros(n)
        for i in trange(1, n, 2):
            y[i] = x[i]
        for k in tqdm([1, 2, 3]):
            y = y * k
        for a, b in tqdm(itertools.pairwise(x), "pairs", 7):
            y[0] += a * b
        return y, sum(v for v in tqdm(x))

    x = np.arange(200.0)
    for found in both(f, x, 200).values():
        close(found, f(x, 200))
    assert [(bar.total, bar.n) for bar in BARS[-4:]] == [(None, 100), (None, 3), (7, 199), (None, 200)]  # those of plain Python
    assert [(bar.total, bar.n) for bar in BARS[:4]] == [(100, 100), (3, 3), (7, 199), (200, 200)]


def test_what_is_said_of_a_bar() -> None:
    def f(n: int) -> float:
        bar = tqdm(range(n))
        x = 1.0
        for i in bar:
            x = x * 0.5
            if i % 2:
                bar.set_postfix(i=i, x=x)
        return x

    assert lj.jit(f)(5) == 0.5**5
    assert BARS[0].said == [{"i": 1, "x": 0.25}, {"i": 3, "x": 0.0625}]


def descent(x: float, n: int) -> float:
    for _ in tqdm(range(n)):
        x = x - 0.1 * np.sin(x)
    return x


def test_derivatives_show_the_way_forward() -> None:
    check(lambda x: descent(x, 9), (0.6,))
    BARS.clear()
    for take in (lj.grad, lambda f: lj.grad(lj.grad(f)), lambda f: lj.grad(lj.checkpoint(f))):
        close(lj.jit(take(lambda x: descent(x, 700)))(0.6), lj.jit(take(lambda x: plain_descent(x, 700)))(0.6), 1e-10, 1e-15)
        assert [(bar.n, bar.closed) for bar in BARS] == [(700, True)]
        BARS.clear()


def plain_descent(x: float, n: int) -> float:
    for _ in range(n):
        x = x - 0.1 * np.sin(x)
    return x


def test_bars_in_bars_and_recursion() -> None:
    def f(n: int) -> int:
        s = 0
        for i in tqdm(range(n)):
            for j in tqdm(range(i)):
                s += j
                if j == 3:
                    break
        return s + (f(n - 2) if n > 1 else 0)

    def plain(n: int) -> int:
        s = sum(j for i in range(n) for j in range(min(i, 4)))
        return s + (plain(n - 2) if n > 1 else 0)

    for found in both(f, 8).values():
        assert found == plain(8)
    assert all(bar.closed for bar in BARS)


def test_bars_are_closed_when_an_exception_leaves_the_loop() -> None:
    def f(n: int) -> float:
        for i in tqdm(range(n)):
            lj.callback(lambda i: 1 // (i - 5), int, i)
        return 0.0

    with pytest.raises(ZeroDivisionError):
        lj.jit(f)(1000)
    assert [(bar.n, bar.closed) for bar in BARS] == [(0, True)]


def test_the_loop_inside_is_the_loop_without_a_bar() -> None:
    policies = [lj.jit(lj.grad(lambda x, f=f: f(x, 700))).inspect(0.6).policies for f in (descent, plain_descent)]
    assert list(policies[1].values()) == ["chunks"]
    assert sorted(policies[0].values()) == ["chunks", "recursion"]  # of the blocks
    inner = [lj.jit(f).inspect(0.6, 700).graph.split("sin(")[1].split("jump")[0].count("=") for f in (descent, plain_descent)]
    assert inner[0] == inner[1]


def test_the_line_of_progress() -> None:
    def f(n: int, out: Any) -> int:
        s = 0
        for i in lj.progress(range(n), "adding", file=out):
            s += i
        return s

    for run in (f, lambda n, out: lj.jit(lambda n: f(n, out))(n)):
        out = io.StringIO()
        assert run(1000, out) == 499500
        assert re.fullmatch(
            r"(\radding: +\d+ % of 1000, \d+ s, \d+ s left  )*\radding: 100 % of 1000, \d+ s, 0 s left  \n", out.getvalue()
        ), out.getvalue()
    assert list(lj.progress(iter("ab"), total=2, file=io.StringIO())) == ["a", "b"]
    with pytest.raises(TypeError, match="give total="):
        lj.progress(iter("ab"))


def test_what_a_bar_cannot_be() -> None:
    with pytest.raises(errors.UnsupportedOperationError, match=r"a bar that is moved by hand at .* write `for x in tqdm\(items\)`"):
        lj.jit(lambda n: [tqdm(total=3), n][1])(3)
    with pytest.raises(errors.UnsupportedOperationError, match=r"a bar inside of zip\(\) at .* put it around: tqdm\(zip\(\.\.\)\)"):
        lj.jit(lambda x: sum(a * b for a, b in zip(tqdm(x), x, strict=True)))(np.ones(9))

"""`f.explain(x)` says what costs time and memory, and what to change: each sentence where it is so, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

pytestmark = pytest.mark.optimised


def nothing(x, n):  # one loop over an array, which is a kernel, and whole arrays
    total = 0.0
    for i in range(len(x)):
        total += x[i] ** 2
    return total + np.sum(np.exp(x)) * n


def left_in_the_middle(x, n):
    y = x[0]
    for _ in range(n):
        y = y + 0.1 * np.sin(y)
        if y > 2.0:
            break
    return y


def replayed(x, n):
    y = x[0]
    for _ in range(n):
        y = y + 0.1 * np.sin(y)
    return y


def by_columns(x, n):
    total = 0.0
    for i in range(len(x)):
        unit = np.zeros(len(x) + 10)
        unit[i] = 1.0
        total += lj.jvp(lambda z: nothing(z, n), (np.concatenate((x, np.ones(10))),), (unit,))[1]
    return total


def by_one_column(x, n):
    return lj.jvp(lambda z: nothing(z, n), (x,), (np.ones(len(x)),))[1]


def of_a_list(x, n):
    return sum([0.5] * len(x)) * n


def unrolled(x, n):
    total = 0.0
    for c in [0.5] * 20:
        total += c * x[n]
    return total


def few(x, n):
    total = 0.0
    for c in (0.5, 1.0, 2.0):
        total += c * x[n]
    return total


def writes(x, n):
    x[n] = 2.0
    return np.sum(x * x)


def copies_itself(x, n):
    y = x.copy()
    y[n] = 2.0
    return np.sum(y * y)


def small(x, n):
    total = 0.0
    for i in range(n):
        d = x * 2.0
        for j in range(len(d)):
            total += d[j] * d[(i + j) % 3]
    return total


def small_of_known_size(x, n):
    a, b, c = x
    total = 0.0
    for _ in range(n):
        d = np.array([a, b, c]) * 2.0
        total += d[0] * d[1] - d[2]
        a = a + total
    return total


def calls_python(x, n):
    for _ in range(n):
        print(end="")
        x = x * 1.5
    return x[0]


def reads_what_it_wrote(x, n):
    y = np.zeros(len(x))
    for i in range(1, len(x)):
        y[i] = 0.5 * y[i - 1] + x[i]
    return y


def writes_anywhere(x, n):
    y = np.zeros(10)
    for i in range(len(x)):
        y[int(10.0 * x[i])] += x[i]
    return y


X = np.array([0.3, 0.6, 0.9])
CASES: list[tuple[Any, set[str]]] = [
    (lj.grad(nothing), set()),
    (lj.grad(left_in_the_middle), {"recursion"}),
    (lj.grad(replayed), {"sequential"}),
    (by_columns, {"forward"}),
    (by_one_column, set()),
    (of_a_list, {"recompilation"}),
    (unrolled, {"unrolled"}),
    (few, set()),
    (lj.grad(writes), {"copy"}),
    (lj.grad(copies_itself), set()),
    (small, {"small array"}),
    (small_of_known_size, {"recompilation", "sequential"}),
    (calls_python, {"python", "small array"}),
    (reads_what_it_wrote, {"sequential"}),
    (writes_anywhere, {"sequential"}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case[0]).split()[-1] if not callable(case[0]) else case[0].__name__)
def test_what_is_said_and_what_is_not(case: tuple[Callable[..., Any], set[str]]) -> None:
    f, kinds = case
    found = lj.jit(f).explain(X.copy(), 2)
    assert {x.kind for x in found} == kinds, str(found)
    for x in found:
        assert x.site is not None
        assert x.site.filename == __file__


def test_as_a_text() -> None:
    jitted = lj.jit(of_a_list)
    jitted(np.ones(5), 1)
    found = jitted.explain(X, 2)
    assert repr(found) == "<explanation of `of_a_list`: 1 finding; print it>"
    head, first = str(found).splitlines()
    assert head == "`of_a_list` has 0 loops and 0 operations on whole arrays."
    assert first.startswith(f"1. {__file__}:")
    assert (
        "in of_a_list: this is compiled for x.shape[0] = 3 alone, which Python needs here; each other value compiles again (2 so far)."
        in first
    )
    head, first = str(lj.jit(lj.grad(replayed)).explain(X, 2)).splitlines()
    assert "For the way back it keeps 8 bytes of each iteration of the loop in line" in head
    assert "is no vector code: each iteration needs `y` of the one before" in first
    assert "because it may be left in the middle, by `break` or `return`" in str(lj.jit(lj.grad(left_in_the_middle)).explain(X, 2))
    found = str(lj.jit(reads_what_it_wrote).explain(X, 2))
    assert "this loop (len(x) - 1) is no vector code: an iteration reads what one before it has written" in found
    assert "(LLVM says: unsafe dependent memory operations in loop)" in found
    assert "(LLVM says: cannot identify array bounds)" in str(lj.jit(writes_anywhere).explain(X, 2))
    assert str(lj.jit(few).explain(X, 2)).endswith("Nothing to change has been found.")

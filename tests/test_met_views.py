"""Views that meet arrays of their own, at the head of a loop or behind a condition, and are written there: a view whose elements lie together is
carried by its memory, so that what it views is written; of any other a copy is, which nobody may write to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors

from .support import Function, check, copied, interpret


def part(b: Any, m: Any, n: int) -> Any:
    a = b[1:]
    for _ in range(n):
        a = a * 2.0
    a[0] = a[1] * 5.0
    return (a * a).sum() + (b * b).sum()


def row(b: Any, m: Any, n: int) -> Any:
    a = m[n % 2]
    while n > 1:
        a = a + m[0]
        n -= 1
    a *= b[0]
    return (a * a).sum() + (m * m * m).sum()


def conditional(b: Any, m: Any, n: int) -> Any:
    a = b[2:5]
    if n > 1:
        a = np.sin(m[1])
    a[1:] += b[:2]
    return (a * a).sum() + (b * b).sum()


def two_views(b: Any, m: Any, n: int) -> Any:
    a = b[:3] if n > 1 else m[1]
    a[-1] *= b[4]
    return (b * b).sum() + (m * m).sum()


def swapped(b: Any, m: Any, n: int) -> Any:
    p, q = b[:3], m[0] * 1.5
    for _ in range(n):
        q[1] = p[0] * p[2]
        p, q = q, p
    return (p * p).sum() + 3.0 * (q * q).sum() + (b * b).sum()


def seen_later(b: Any, m: Any, n: int) -> Any:
    a, s = b[1:4], 0.0
    for _ in range(n + 1):
        b[2] *= 1.5  # the view sees it in the first iteration
        s = s + a.sum()
        a = a * 0.5
    return s + (a * a).sum()


def narrower(b: Any, m: Any, n: int) -> Any:
    a = b
    for _ in range(n):
        a[0] *= 3.0
        a = a[1:]
    a *= b[0]
    return (a * a).sum() + (b * b).sum()


def flat(b: Any, m: Any, n: int) -> Any:
    a = m.reshape(-1)[1:5]
    for _ in range(n):
        a = a[::-1].copy()
    a[:2] = b[:2]
    return (a * a * a).sum() + (m * m).sum()


PROGRAMS = [part, row, conditional, two_views, swapped, seen_later, narrower, flat]


def arguments(n: int) -> tuple[Any, ...]:
    return np.array([0.5, -1.5, 0.75, 1.25, 2.0]), np.array([[0.25, 1.5, -0.5], [1.0, 0.5, 2.0]]), n


@pytest.mark.parametrize("n", [0, 1, 2, 3])
@pytest.mark.parametrize("f", PROGRAMS)
def test_what_python_writes(f: Function, n: int) -> None:
    wanted_args = arguments(n)
    wanted = f(*wanted_args)
    for run in (lambda *args: lj.jit(f)(*args), lambda *args: interpret(f, *args)):
        args = copied(arguments(n))
        np.testing.assert_allclose(run(*args), wanted, rtol=1e-12)
        for x, y in zip(args, wanted_args, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-12)


@pytest.mark.parametrize("f", PROGRAMS)
def test_derivatives(f: Function) -> None:
    check(f, *map(arguments, (0, 1, 2, 3)), argnums=(0, 1))


def test_the_head_of_the_loop_is_given_the_memory_itself() -> None:
    text = lj.jit(part).inspect(*arguments(2)).graph
    assert " = part(" in text.partition("jump")[0]
    assert "copy" not in text


def test_a_view_with_gaps_is_not_written() -> None:
    def gaps(b: Any, n: int) -> Any:
        a = b[::2]
        for _ in range(n):
            a = a * 2.0
        a[0] = 5.0
        return a.sum()

    with pytest.raises(errors.UnsupportedOperationError, match=r"a view whose elements do not lie together.*v = v\.copy\(\)"):
        lj.jit(gaps)(np.arange(5.0), 1)

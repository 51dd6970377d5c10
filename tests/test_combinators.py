"""cond, switch, while_loop, fori_loop, scan and fun, with and without source; gradients to order 2."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import both, check, close


def by_cond(x: float, y: float) -> float:
    return lj.cond(x > y, lambda a, b: (a * b, {"k": a}), lambda a, b: (b - a, {"k": b * b}), x, y)[1]["k"] * x


def by_switch(i: int, x: float) -> float:
    return lj.switch(i, [math.sin, lambda v: v * v, lambda v: -v * x], x)


def by_while_loop(x: float) -> float:
    return lj.while_loop(lambda s: s[0] < 100.0, lambda s: (s[0] * 2 + x, s[1] * x), (x, 1.0))[1]


def by_fori_loop(x: float, n: int) -> float:
    return lj.fori_loop(1, n, lambda i, s: {"a": s["a"] * x + i, "b": s["a"]}, {"a": x, "b": 0.0})["b"]


def by_scan(xs: Any) -> float:
    total, ys = lj.scan(lambda c, x: (c * 0.5 + x, c * x), 1.0, xs)
    for i in range(len(ys)):
        total = total + ys[i] * ys[i]
    return total


def test_combinators() -> None:
    check(by_cond, (2.0, 1.0), (1.0, 2.0), argnums=(0, 1))
    check(by_while_loop, (1.5,))
    check(by_fori_loop, (0.7, 5), (0.7, 0))


def test_switch_clamps_its_index() -> None:
    check(by_switch, (0, 0.5), (1, 0.5), (2, 0.5), (9, 0.5), (-3, 0.5), argnums=(1,))


def test_scan() -> None:
    xs = np.array([0.5, 0.2, 0.9])
    check(by_scan, (xs,), (np.array([]),))
    for out in both(lambda v: lj.scan(lambda c, x: (c + x, c * x), 0.0, v), xs).values():
        close(out, (1.6, np.array([0.0, 0.1, 0.63])))


def test_fun_recurses() -> None:
    @lj.fun
    def staged(x: float, n: int) -> float:
        return lj.cond(n == 0, lambda: 1.0 * x, lambda: x * staged(x, n - 1))

    for out in both(lambda x, n: (staged(x, n), lj.grad(staged)(x, n), lj.grad(lj.grad(staged))(x, n)), 0.5, 4).values():
        close(out, (0.5**5, 5 * 0.5**4, 20 * 0.5**3))


def test_fun_is_staged_once() -> None:
    square = lj.fun(lambda x: x * x)
    graph = lj.jit(lambda x: square(x) + square(x + 1)).inspect(2.0).graph
    assert graph.count("fn ") == 2, graph


def test_combinators_in_plain_python() -> None:
    assert lj.cond(True, lambda v: v + 1, lambda v: v, 1) == 2
    assert lj.switch(5, [lambda: 1, lambda: 2]) == 2
    assert lj.while_loop(lambda v: v < 10, lambda v: v * 2, 3) == 12
    assert lj.fori_loop(0, 4, lambda i, s: s + i, 0) == 6
    with pytest.raises(ValueError, match="at least one branch"):
        lj.switch(0, [])


def exec_combinators() -> dict[str, Any]:
    """Functions without source."""
    text = """
f = lambda x: lj.cond(x > 0, lambda v: lj.while_loop(lambda s: s < 50.0, lambda s: s * v + 1, v), lambda v: v * v, x)
g = lambda x, n: lj.fori_loop(0, n, lambda i, s: s * x + i, x)
"""
    namespace: dict[str, Any] = {"lj": lj}
    exec(text, namespace)
    return namespace


def test_combinators_where_there_is_no_source() -> None:
    made = exec_combinators()
    check(made["f"], (2.0,), (-2.0,))
    check(made["g"], (0.7, 5))


def test_fun_where_there_is_no_source() -> None:
    made: dict[str, Any] = {"lj": lj}
    exec("h = lj.fun(lambda x, n: lj.cond(n == 0, lambda: x * x, lambda: h(x, n - 1) * x))", made)
    for out in both(lambda x, n: (made["h"](x, n), lj.grad(made["h"])(x, n)), 0.5, 3).values():
        close(out, (0.5**5, 5 * 0.5**4))

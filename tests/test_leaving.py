"""Paths that leave a `try`, a loop or a function where a traced condition decides: what they have written, and what a `finally` does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import check, close

X = np.array([0.3, -0.7, 1.2, 0.55])
POINTS = [X, -X, X[::-1].copy(), np.array([-0.1, 0.2, 0.3, 0.4]), np.array([0.6, -0.2, -0.3, -2.0])]


class Node:
    def __init__(self, v: Any) -> None:
        self.v, self.kids = v, [v, 1.0]


# ---- objects that a function has made are written before it is left, on each path
def a_list(x: Any) -> Any:
    s = [x[1], 0.0]
    if x[0] > 0:
        s[0] *= x[2]
        return s
    s[1] = x[3] ** 2
    return s


def a_dict(x: Any) -> Any:
    d = {"a": x[0] * x[1]}
    if x[0] > 0:
        d["a"] = x[0] ** 3
        return d
    return d


def in_a_tuple(x: Any) -> Any:
    def made(v: Any) -> Any:
        found = (2.0, [v])
        if v > 0:
            found[1][0] += v * v
            return found
        return found

    return made(x[0])[1][0] * made(x[1])[1][0]


def an_object(x: Any) -> Any:
    def made(v: Any) -> Any:
        p = Node(v)
        if v < 0:
            p.kids[0] = -v * v
            return p
        p.kids[1], p.v = 7.0 * v, p.v + 1.0
        return p

    a, b = made(x[0]), made(x[1])
    return a.v + 2 * a.kids[0] * b.v + 3 * a.kids[1] + 5 * b.v * b.v + 7 * b.kids[0] + 11 * b.kids[1]


def out_of_a_loop(x: Any) -> Any:
    s = 0.0
    o = [0.0]
    for v in x:
        o = [v]
        if v > 0.5:
            o[0] = 5.0 * v * v
            break
        o[0] = 3.0 * v
        s += o[0] * v
    return s + o[0] * x[1]


# ---- finally
def on_to_the_next(x: Any) -> Any:
    s, seen = 0.0, []
    for v in x:
        try:
            if v < 0:
                continue
            s += v * v
            if s > 1.5:
                break
        finally:
            s += 0.1 * v * v * v
            seen.append(1)
    return s * len(seen)


def out_of_a_while(x: Any) -> Any:
    s, i = 0.0, 0
    while i < 4:
        try:
            if x[i] > 1:
                break
            s += x[i]
        finally:
            i += 1
            s += s * x[i - 1]
    else:
        s = s * 10
    return s * i


def out_of_two(x: Any) -> Any:
    s = [x[1]]
    try:
        for v in x:
            try:
                if v > 1:
                    return s[0] * 1.0
                s[0] += v * v
            finally:
                s[0] *= 3.0
    finally:
        s[0] += x[0]
    return s[0]


def a_result_is_found_first(x: Any) -> Any:
    def f(v: Any, written: Any) -> Any:
        try:
            if v > 0:
                return v * v
            v = v * 2
        finally:
            v = v * 5
            written[0] += v
        return v

    n = [0.0]
    return f(x[0], n) + 10 * f(x[1], n) + n[0] ** 2


def an_object_that_is_returned(x: Any) -> Any:
    p = Node(x[0])
    try:
        if x[0] > 0:
            return p.kids
        p.kids[1] = 2.0 * x[1]
    finally:
        p.kids[0] += x[2] * x[2]
    return p.kids


def with_a_condition_of_its_own(x: Any) -> Any:
    s = x[1]
    for v in x:
        try:
            if v < 0:
                continue
            if v > 1:
                return s * v
        finally:
            if s < 0:
                s = s + v * v
            else:
                for k in range(2):
                    s -= v * k
    return s


FUNCTIONS = [
    a_list, a_dict, in_a_tuple, an_object, out_of_a_loop, on_to_the_next, out_of_a_while, out_of_two, a_result_is_found_first, an_object_that_is_returned,
    with_a_condition_of_its_own,
]  # fmt: skip


def numbers(f: Any) -> Any:
    """A number of it, in which all that it gives has a part."""

    def g(x: Any) -> Any:
        y = f(x)
        parts = list(y.values()) if isinstance(y, dict) else y if isinstance(y, list) else [y]
        total = 0.0
        for k, part in enumerate(parts):
            total = total + (k + 1.0) * np.sin(part)
        return total

    return g


@pytest.mark.every
@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_values_and_derivatives(f: Any) -> None:
    g = numbers(f)
    compiled, slopes, second = lj.jit(g), lj.jit(lj.grad(g)), lj.jit(lj.hessian(g))
    h = 1e-6
    for x in POINTS:
        close(compiled(x), g(x.copy()), 1e-13, 1e-13)
        steps = h * np.eye(4)
        close(slopes(x), np.array([(g(x + e) - g(x - e)) / (2 * h) for e in steps]), 1e-5, 1e-5)
        close(second(x), np.array([(slopes(x + e) - slopes(x - e)) / (2 * h) for e in steps]), 1e-5, 1e-5)
    close(lj.jit(lj.vmap(g))(np.stack(POINTS)), np.array([g(x.copy()) for x in POINTS]), 1e-13, 1e-13)
    with lj.interpreted():
        close(lj.grad(g)(POINTS[0]), slopes(POINTS[0]), 1e-12, 1e-12)


def test_arguments_are_written_in_a_finally() -> None:
    def f(x: Any) -> Any:
        try:
            if x[0] > 0:
                return x[1] * 1.0
            x[2] = 9.0
        finally:
            x[3] *= 2.0
        return x[2]

    for x in POINTS:
        mine, own = x.copy(), x.copy()
        assert lj.jit(f)(mine) == f(own)
        assert np.array_equal(mine, own)


def test_a_finally_that_prints(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        for i in range(4):
            try:
                if x[i] > 1:
                    break
            finally:
                print(i)
        return x[0]

    lj.jit(f)(X)
    assert capsys.readouterr().out.split() == ["0", "1", "2"]


class Steps:
    def __init__(self) -> None:
        self.taken, self.refused, self.size, self.log = 0, 0, 0, [0.0]


def steps(x: Any) -> Any:
    """An attribute that two ways back to the head of one loop have written."""
    s, t, h = Steps(), 0.0, 0.3
    while t < 2.0:
        s.taken += 1
        if h * x > 0.2:
            h *= 0.5
            s.refused += 1
            s.size = h * x
            s.log[0] = s.log[0] + s.size
            continue
        s.size = s.size + h * x * t
        s.log[0] += x * s.size
        t, h = t + h, 1.3 * h
    return s.taken + 10.0 * s.refused + s.size**2 + s.log[0] * t


def test_two_ways_back_write_an_attribute() -> None:
    check(steps, (1.1,), (0.2,))


# ---- an exception is the user's own, with all that it keeps
class Told(Exception):
    __slots__ = ("code",)

    def __init__(self, code: int, *, more: Any = None) -> None:
        super().__init__(f"code {code}")
        self.code, self.more = code, more


KEEPING: list[tuple[BaseException, str, Any]] = [
    (SystemExit(3), "code", 3), (StopIteration(5), "value", 5), (UnicodeDecodeError("utf8", b"abc", 0, 1, "bad"), "reason", "bad"),
    (ImportError("no", name="module"), "name", "module"), (FileNotFoundError(2, "none", "file"), "filename", "file"), (OSError(2, "none"), "filename", None),
    (AttributeError("no", name="field"), "name", "field"), (SyntaxError("no", ("file", 7, 2, "x")), "lineno", 7), (Told(4, more="x"), "code", 4),
    (Told(4, more="x"), "more", "x"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "name", "value"), KEEPING, ids=[f"{type(e).__name__}.{name}" for e, name, _ in KEEPING])
def test_what_exceptions_keep(error: BaseException, name: str, value: Any) -> None:
    def f(x: Any) -> Any:
        if x > 0:
            raise error
        return x * x

    for compiled in (lj.jit(f), lj.grad(f), lj.jit(lj.grad(f))):
        with pytest.raises(type(error)) as caught:
            compiled(1.0)
        assert getattr(caught.value, name) == value
        assert str(caught.value) == str(error)

"""reset, shift and prompts: what a continuation is, in every construct and transform, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .again import Again
from .support import both, interpret

FLOATS = np.array([2.0, 3.0])


def in_a_loop(x: Any, n: Any) -> Any:
    def body() -> Any:
        s = x
        for i in range(n):
            s = s * lj.shift(lambda k: k(s) + 0.5 * k(0.1 * i))  # noqa: B023
        return s

    return lj.reset(body)


def in_nested_loops(x: Any, n: Any) -> Any:
    def body() -> Any:
        s = x
        for i in range(n):
            for _ in range(i):
                if s < 5.0:
                    s = s + lj.shift(lambda k: k(0.3 * s) * 1.5)  # noqa: B023
            s = s * 1.1
        return s

    return lj.reset(body)


def in_a_test(x: Any, n: Any) -> Any:
    def body() -> Any:
        s = x
        while s < lj.shift(lambda k: k(1.5) + k(x + n)):
            s = s * 1.5
        return s

    return lj.reset(body)


def on_both_paths(x: Any, n: Any) -> Any:
    def body() -> Any:
        z = lj.shift(lambda k: k(x) + 1.0) if x > n else lj.shift(lambda k: k(-x) * 2.0)
        return z * z + x

    return lj.reset(body)


def never(x: Any, n: Any) -> Any:
    def body() -> Any:
        s = x
        for _ in range(n):
            s = s * 1.5
            if s > 2.0:
                return lj.shift(lambda k: 100.0 + s)  # noqa: B023
        return s

    return lj.reset(body) + 1.0


def shifts_in_a_shift(x: Any, n: Any) -> Any:
    return lj.reset(lambda: 3.0 * lj.shift(lambda k: k(x) + lj.shift(lambda q: q(2.0) * q(x + n))))


def of_itself(x: Any, n: Any) -> Any:
    return lj.reset(lambda: x * lj.shift(lambda k: k(k(k(1.0 + n)))))


def through_the_inner(x: Any, n: Any) -> Any:
    outer, inner = lj.prompt("outer"), lj.prompt("inner")

    def within() -> Any:
        u = lj.shift(lambda k: k(x) + k(2.0 * x), tag=inner)
        v = lj.shift(lambda k: k(1.0) * k(u), tag=outer)
        return u * v + x

    def around() -> Any:
        w = 1.0
        for _ in range(n - 1):
            w = w * lj.reset(within, tag=inner)
        return w * w

    return lj.reset(around, tag=outer)


def by_helpers(x: Any, n: Any) -> Any:
    return lj.reset(lambda: x * lj.shift(lambda k: down(k, n) + often(k, n)))


def down(k: Any, n: Any) -> Any:
    return 0.0 if n == 0 else k(1.0 * n) + down(k, n - 1)


def often(k: Any, n: Any) -> Any:
    s = 0.0
    for i in range(n):
        s += k(0.5 * i)
    return s


def in_a_recursion(x: Any, n: Any) -> Any:
    """Each call has a reset of its own."""
    if n == 0:
        return x
    return lj.reset(lambda: 0.5 * lj.shift(lambda k: k(in_a_recursion(x, n - 1)) + k(0.5)))


def power(x: Any, n: Any) -> Any:
    return 1.0 if n == 0 else x * power(x, n - 1) + 0.3 * lj.shift(lambda k: k(x) + k(2.0))


def out_of_a_recursion(x: Any, n: Any) -> Any:
    return lj.reset(lambda: power(x, n) ** 2 + x)


def out_of_several_calls(x: Any, n: Any) -> Any:
    """Of a recursion, in a loop, in the function of a shift, and in another reset of other values."""

    def body() -> Any:
        s = lj.shift(lambda k: k(power(x, 2)) * 2.0)
        for i in range(n):
            s += power(s, i)
        return s

    return lj.reset(body) + 0.1 * lj.reset(lambda: power(x, n - n // 2))


def even(x: Any, n: Any) -> Any:
    return 1.0 if n == 0 else odd(x, n - 1) * x


def odd(x: Any, n: Any) -> Any:
    return x if n == 0 else even(x, n - 1) + lj.shift(lambda k: k(x) - 0.5 * k(2.0))


def out_of_two_recursions(x: Any, n: Any) -> Any:
    return lj.reset(lambda: even(x, n) * 2.0 + x)


def out_of_a_recursion_through_the_inner(x: Any, n: Any) -> Any:
    outer, inner = lj.prompt("outer"), lj.prompt("inner")

    def down(n: Any) -> Any:
        return 1.0 if n == 0 else x * down(n - 1) * lj.shift(lambda k: k(x) + k(1.0), tag=outer)

    def within() -> Any:
        return down(n) + lj.shift(lambda k: k(x) * 2.0, tag=inner)

    return lj.reset(lambda: lj.reset(within, tag=inner) * 3.0, tag=outer)


def to_two_prompts_in_a_loop(x: Any, n: Any) -> Any:
    outer, inner = lj.prompt("outer"), lj.prompt("inner")

    def within() -> Any:
        s = 0.3 * x
        for _ in range(n - n // 3):
            here = lj.shift(lambda k: k(s) + k(0.2), tag=inner)  # noqa: B023
            s = s + 0.5 * here * lj.shift(lambda k: 0.7 * k(s) + 0.1 * k(x), tag=outer)  # noqa: B023
        return s

    return lj.reset(lambda: lj.reset(within, tag=inner) * 2.0 + x, tag=outer)


def with_sizes_that_change(x: Any, n: Any) -> Any:
    """Arrays of another size in each iteration; those of two of them meet in a rest."""

    def body() -> Any:
        a, s = np.array([x, 1.0]), 0.0
        for i in range(n):
            v = lj.shift(lambda k: k(x) + 0.5 * k(0.2))
            b = np.arange(i + 1) * x
            s += b.sum() + np.sin(a).sum() * len(a)
            a = np.concatenate([a, a[1:] * v])
        return s + (a * np.arange(len(a))).sum()

    return lj.reset(body)


def with_all_types(x: Any, n: Any) -> Any:
    """What a caller needs after the call: numbers of all types, arrays of several ranks."""

    def down(x: Any, n: Any, flag: Any, m: Any, a: Any) -> Any:
        if n == 0:
            return a.sum() + x
        b = a * x
        t = down(0.9 * x, n - 1, not flag, m + n, b)
        c = lj.shift(lambda k: k(1) + 0.5 * k(2))
        return t * (2.0 if flag else 3.0) + m * c + b[0, 1]

    return 0.1 * lj.reset(lambda: down(x, n, x > 0.5, 7 * n, np.arange(6.0).reshape(2, 3)))


def several_values(x: Any, n: Any) -> Any:
    def body() -> Any:
        a, b = lj.shift(lambda k: k((x, 2.0)) + k((1.0, x)))
        return a * b * b

    return lj.reset(body)


@dataclass
class Point:
    x: Any
    y: Any


def an_object(x: Any, n: Any) -> Any:
    def body() -> Any:
        p = lj.shift(lambda k: k(Point(x, {"a": 2.0})) + k(Point(1.0, {"a": x})))
        return p.x * p.y["a"] ** 2

    return lj.reset(body)


def a_list(x: Any, n: Any) -> Any:
    def body() -> Any:
        found = []
        for i in range(n):
            found.append(x * i + lj.shift(lambda k: k(1.0) + 2.0 * k(2.0)))
        found.append(x)
        return sum(found)

    return lj.reset(body)


def first_numbers(x: Any, n: Any) -> Any:
    """Numbers of several types are what both can be."""
    return lj.reset(lambda: 0 if x > 1.0 else lj.shift(lambda k: k(1) + 0.5) * 2)


PROGRAMS = [
    in_a_loop, in_nested_loops, in_a_test, on_both_paths, never, shifts_in_a_shift, of_itself, through_the_inner, by_helpers, in_a_recursion,
    several_values, an_object, a_list, first_numbers, out_of_a_recursion, out_of_several_calls, out_of_two_recursions,
    out_of_a_recursion_through_the_inner, to_two_prompts_in_a_loop, with_all_types, with_sizes_that_change,
]  # fmt: skip


@pytest.mark.parametrize("n", [0, 1, 3])
@pytest.mark.parametrize("f", PROGRAMS)
def test_every_construct(f: Callable[..., Any], n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As plain Python that runs the body again; derivatives by both modes, and by differences of it."""

    def plain(x: float) -> float:
        with monkeypatch.context() as m:
            for name in ("prompt", "reset", "shift"):
                m.setattr(lj, name, getattr(again, name))
            return float(f(x, n))

    again = Again()
    x, h = 0.7, 1e-6
    want, slope = plain(x), (plain(x + h) - plain(x - h)) / (2 * h)
    for found in (*both(f, x, n).values(), f(x, n)):
        assert found == pytest.approx(want, rel=1e-12)
    for found in (*both(lj.grad(f), x, n).values(), lj.jit(lambda x: lj.jvp(lambda y: f(y, n), (x,), (1.0,))[1])(x)):
        assert found == pytest.approx(slope, rel=1e-7, abs=1e-9)


def test_orders_and_transforms() -> None:
    def f(x: Any) -> Any:
        return lj.reset(lambda: x * lj.shift(lambda k: k(x * x) * k(x)))  # x ** 5

    for order, want in ((2, 20.0 * 2.0**3), (3, 60.0 * 2.0**2)):
        g = f
        for _ in range(order):
            g = lj.grad(g)
        assert lj.jit(g)(2.0) == pytest.approx(want)
    assert lj.jit(lambda x: lj.hvp(f, (x,), (1.0,)))(2.0) == pytest.approx(160.0)

    def of_array(v: Any) -> Any:
        return lj.reset(lambda: v[0] * lj.shift(lambda k: k(v[1]) + k(v[0] * v[1])))

    for found in (lj.jit(lj.hessian(of_array))(FLOATS), lj.hessian(of_array)(FLOATS)):
        np.testing.assert_allclose(found, [[6.0, 5.0], [5.0, 0.0]])
    jacobian = lj.jit(lj.jacrev(lambda v: lj.reset(lambda: v * lj.shift(lambda k: k(v[0]) + k(v[1])))))(FLOATS)
    np.testing.assert_allclose(jacobian, [[7.0, 2.0], [3.0, 8.0]])


def test_the_derivative_of_a_continuation() -> None:
    def f(x: Any) -> Any:
        return lj.reset(lambda: lj.shift(lambda k: lj.grad(k)(x)) ** 3 + 1.0)

    assert set(both(f, 2.0).values()) == {12.0}
    assert set(both(lj.grad(f), 2.0).values()) == {12.0}


def test_arrays_through_continuations_and_as_answers() -> None:
    def f(v: Any) -> Any:
        return lj.reset(lambda: v * lj.shift(lambda k: k(2.0 * v) + k(np.sin(v))))

    want = FLOATS * (2.0 * FLOATS + np.sin(FLOATS))
    for found in (*both(f, FLOATS).values(), f(FLOATS)):
        np.testing.assert_allclose(found, want, rtol=1e-15)
    np.testing.assert_allclose(lj.jit(lj.grad(lambda v: f(v).sum()))(FLOATS), 4.0 * FLOATS + np.sin(FLOATS) + FLOATS * np.cos(FLOATS))


def written(x: Any, copies: bool) -> Any:
    a = np.zeros(3)

    def body() -> Any:
        nonlocal_ = a
        v = lj.shift(lambda k: k(1.0) + 10.0 * k(2.0))
        if copies:
            nonlocal_ = nonlocal_.copy()
        nonlocal_[0] = nonlocal_[0] + v * x
        return nonlocal_[0] * nonlocal_[0]

    return lj.reset(body) + a[0]


@pytest.mark.parametrize(("copies", "want"), [(False, lambda x: 91.0 * x * x + 3.0 * x), (True, lambda x: 41.0 * x * x)])
def test_an_array_is_memory(copies: bool, want: Callable[[float], float]) -> None:
    """What k writes the next call reads, and so does the code after the reset; a copy after the shift is each call's own."""

    def f(x: Any) -> Any:
        return written(x, copies)

    for found in (*both(f, 0.7).values(), f(0.7)):
        assert found == pytest.approx(want(0.7))
    h = 1e-6
    for found in both(lj.grad(f), 0.7).values():
        assert found == pytest.approx((want(0.7 + h) - want(0.7 - h)) / (2 * h))


def test_what_python_holds_is_as_it_was_at_the_shift() -> None:
    def f(x: Any) -> Any:
        def body() -> Any:
            items, total = [x], 1.0
            v = lj.shift(lambda k: k(2.0) + k(3.0))
            items.append(v)
            total += v
            return total * len(items)

        return lj.reset(body)

    assert set(both(f, 1.0).values()) == {14.0}


def test_a_list_that_has_grown_is_each_calls_own() -> None:
    def f(x: Any, n: Any) -> Any:
        def body() -> Any:
            items = []
            for i in range(n):
                if x > 0.1 * i:
                    items.append(x * i)
            items.append(lj.shift(lambda k: join(k(1.0), k(2.0))))
            return items[0] + items[-1], sum(items)

        return lj.reset(body)

    def join(a: Any, b: Any) -> Any:
        return a[0] + 10.0 * b[0], a[1] * b[1]

    before = sum(0.35 * i for i in range(4))
    assert lj.jit(f)(0.35, 5) == pytest.approx((21.0, (before + 1.0) * (before + 2.0)))


def test_all_that_is_found_is_a_list() -> None:
    """A search that gives lists of several lengths: none, one, those of all calls of k."""

    def every(k: Any, n: Any) -> Any:
        found = []
        for i in range(n):
            found += k(1.0 * i)
        return found

    def f(n: Any, x: Any) -> Any:
        def body() -> Any:
            i = lj.shift(lambda k: every(k, n))
            j = lj.shift(lambda k: every(k, n))
            return [(i * x, j)] if i + j == 3.0 else []

        return lj.reset(body)

    want = [(0.0, 3.0), (0.5, 2.0), (1.0, 1.0), (1.5, 0.0)]
    for found in (*both(f, 4, 0.5).values(), f(4, 0.5)):
        assert found == want
    assert lj.jit(f)(1, 0.5) == []
    assert lj.jit(lj.grad(lambda x, n: sum([a * b for a, b in f(n, x)])))(0.5, 4) == 4.0


def test_deep() -> None:
    """A shift in a loop is a recursion, on a native stack."""

    def f(x: Any, n: Any) -> Any:
        def body() -> Any:
            s = 0.0
            for _ in range(n):
                s = s + x * lj.shift(lambda k: k(1.0))
            return s

        return lj.reset(body)

    assert lj.jit(f)(2.0, 100_000) == 200_000.0
    assert lj.jit(lj.grad(f))(2.0, 100_000) == 100_000.0


def test_deep_recursion() -> None:
    def down(x: Any, n: Any) -> Any:
        return 0.0 if n == 0 else down(x, n - 1) + x * lj.shift(lambda k: k(1.0))

    def f(x: Any, n: Any) -> Any:
        return lj.reset(lambda: down(x, n))

    assert lj.jit(f)(2.0, 20_000) == 40_000.0
    assert lj.jit(lj.grad(f))(2.0, 20_000) == 20_000.0


def test_combinators_and_functions_of_their_own() -> None:
    pick = lj.fun(lambda p: lj.shift(lambda k: p * k(1.0) + (1.0 - p) * k(0.0)))

    def f(p: Any, n: Any) -> Any:
        def body() -> Any:
            some = lj.fori_loop(0, n, lambda i, s: s + pick(p), 0.0)
            return some + lj.cond(p > 0.1, lambda: lj.shift(lambda k: k(p) * 2.0), lambda: p)

        return lj.reset(body)

    for found in both(f, 0.3, 4).values():
        assert found == pytest.approx(2.0 * (4 * 0.3 + 0.3))


def test_text_and_configuration_go_through_a_continuation() -> None:
    def f(x: Any) -> Any:
        def body() -> Any:
            kind, y = lj.shift(lambda k: k(("square", x)))
            return y * y if kind == "square" else y

        return lj.reset(body)

    assert lj.jit(f)(3.0) == 9.0


def test_nothing_is_left_of_shifts_and_prompts() -> None:
    graph = lj.jit(through_the_inner).inspect(0.7, 3).graph
    assert not re.search(r"^  shift | of (outer|inner) \{", graph, re.M)


# ---- what is refused
def kept(x: Any) -> Any:
    def body() -> Any:
        y, k = lj.shift(lambda k: k((x, k)))
        return k(y)

    return lj.reset(body)


def changes(x: Any) -> Any:
    s = 0.0

    def body() -> Any:
        nonlocal s
        s = s + 1.0
        return x

    return lj.reset(body) + s


def writes_to_what_it_is_given(x: Any) -> Any:
    def body() -> Any:
        p = lj.shift(lambda k: k(Point(x, 2.0)))
        p.x = 1.0
        return p.x

    return lj.reset(body)


other, third = lj.prompt("other"), lj.prompt("third")


def to_both(n: Any) -> Any:
    return 1.0 if n == 0 else to_both(n - 1) * lj.shift(lambda k: k(2.0), tag=other) * lj.shift(lambda k: k(3.0), tag=third)


def differentiates(n: Any) -> Any:
    return 1.0 if n == 0 else differentiates(n - 1) * lj.shift(lambda k: lj.grad(k)(2.0))


def calls(k: Any, n: Any) -> Any:
    return 1.0 if n == 0 else k(2.0) * calls(k, n - 1) * lj.shift(lambda q: q(2.0))


REFUSED = [
    (lambda x: lj.shift(lambda k: k(x)), lj.errors.ContinuationError, r"the shift at .* has no reset of <prompt main> around it"),
    (lambda x: lj.reset(lambda: lj.shift(lambda k: k(x), tag=other)), lj.errors.ContinuationError, r"has no reset of <prompt other> around it"),
    (kept, lj.errors.ContinuationError, r"a continuation is called at .* in body, where its shift has ended: it lives as long as"),
    (lambda x: lj.reset(lambda: lj.shift(lambda k: k)), lj.errors.ContinuationError, r"the function given to shift\(\) at .* returns a continuation"),
    (lambda x: lj.reset(lambda: lj.grad(lambda y: y * lj.shift(lambda k: k(y)))(x)), lj.errors.UnsupportedOperationError,
     r"the function that is differentiated here shifts to `main` at .*, whose reset is outside of the derivative"),
    (changes, lj.errors.UnsupportedOperationError, r"a function given to reset\(\) at .* changes a list, .* it may run never, once or often"),
    (writes_to_what_it_is_given, lj.errors.UnsupportedOperationError, r"is written, and .* in body is given it by the function of its shift"),
    (lambda x: lj.reset(lambda: (x, 1.0) if x > 0 else lj.shift(lambda k: x)), lj.errors.TypeMismatchError,
     r"what a reset gives at .* is \(float, float\) in one place and float in another"),
    (lambda x: lj.reset(lambda: lj.reset(lambda: to_both(x), tag=third), tag=other), lj.errors.UnsupportedOperationError,
     r"the recursion of `to_both.*` shifts to `other` at .* and to `third` at .*, which are both outside of it"),
    (lambda x: lj.reset(lambda: differentiates(x)), lj.errors.UnsupportedOperationError,
     r"a continuation that goes on in the callers of a recursion \(`differentiates.*`\) is differentiated: differentiate the whole reset"),
    (lambda x: lj.reset(lambda: lj.shift(lambda k: calls(k, x))), lj.errors.UnsupportedOperationError,
     r"the continuation of the shift at .* is called by a recursion that shifts itself to a reset outside of it"),
    (lambda x: lj.reset(lambda: 1.0 + lj.shift(lambda k: k(x) + k((x, x)))), lj.errors.TypeMismatchError,
     r"what a continuation is given at .* is float in one place and \(float, float\) in another"),
]  # fmt: skip


@pytest.mark.parametrize(("f", "error", "message"), REFUSED)
def test_refused(f: Callable[..., Any], error: type[Exception], message: str) -> None:
    for run in (lj.jit(f), lambda x: interpret(f, x)):
        with pytest.raises(error) as caught:
            run(2.0)
        assert re.search(message, str(caught.value)), caught.value

"""Recursion of every kind: linear, tree, mutual, nested, in loops and of local functions; gradients to order 2."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import Function, both, check, close


def factorial_like(x: float, n: int) -> float:
    if n <= 0:
        return 1.0
    return (x + n) * factorial_like(x, n - 1)


def power_by_squares(x: float, n: int) -> float:
    if n == 0:
        return 1.0
    half = power_by_squares(x, n // 2)
    return half * half * x if n % 2 else half * half


def fibonacci(x: float, n: int) -> float:
    return x if n < 2 else fibonacci(x, n - 1) * 0.7 + fibonacci(x, n - 2)


def is_even(x: float, n: int) -> float:
    return x * x if n == 0 else is_odd(x * 1.1, n - 1)


def is_odd(x: float, n: int) -> float:
    return x if n == 0 else is_even(x + 0.5, n - 1)


def ackermann(x: float, m: int, n: int) -> float:
    if m == 0:
        return x + n
    if n == 0:
        return ackermann(x * 1.01, m - 1, 1)
    return ackermann(x, m - 1, int(ackermann(0.0, m, n - 1))) + x


def recursion_on_float(x: float) -> float:
    if x < 1:
        return x * x
    return math.sin(x) + recursion_on_float(x / 2)


def recursion_in_loop(x: float, n: int) -> float:
    s = x
    for i in range(n):
        s = s + recursion_in_loop(x * 0.5, i) * x
    return s


def loop_in_recursion(x: float, n: int) -> float:
    if n == 0:
        return x
    s = 0.0
    for i in range(n):
        s = s + math.sin(x * i)
        if s > 2:
            return s
    return s * loop_in_recursion(x + 0.1, n - 1)


def returns_pair(x: float, n: int) -> tuple[float, float]:
    if n == 0:
        return x, 1.0
    a, b = returns_pair(x, n - 1)
    return a * x + b, b * 0.5 + x


def pair_result(x: float, n: int) -> float:
    a, b = returns_pair(x, n)
    return a * b


def accumulator(x: float, n: int, total: float = 0.0) -> float:
    return total if n == 0 else accumulator(x, n - 1, total * x + n)


def keyword_recursion(x: float, *, n: int, scale: float = 2.0) -> float:
    return x if n == 0 else keyword_recursion(x * scale, n=n - 1)


def calls_keyword_recursion(x: float, n: int) -> float:
    return keyword_recursion(x, n=n) + keyword_recursion(x, n=n, scale=1.5)


def nested_local_recursion(x: float, n: int) -> float:
    y = x * x

    def go(k: int) -> float:
        if k == 0:
            return y
        return go(k - 1) * x + y

    return go(n) + go(2)


def mccarthy(x: float, n: int) -> float:
    if n > 20:
        return x * (n - 10)
    return mccarthy(mccarthy(x, n + 11) * 0.01, n + 5)


POINTS: list[tuple[Function, list[tuple[Any, ...]]]] = [
    (factorial_like, [(0.5, 5), (0.5, 0)]),
    (power_by_squares, [(0.9, 13), (0.9, 0)]),
    (fibonacci, [(0.5, 7)]),
    (is_even, [(0.5, 5), (0.5, 4)]),
    (recursion_on_float, [(0.3,), (9.0,)]),
    (recursion_in_loop, [(0.5, 4)]),
    (loop_in_recursion, [(0.5, 4), (3.0, 3)]),
    (pair_result, [(0.5, 5)]),
    (accumulator, [(0.5, 4, 1.0)]),
    (nested_local_recursion, [(0.5, 4)]),
    (mccarthy, [(0.5, 12)]),
]


@pytest.mark.parametrize(("f", "points"), POINTS, ids=[f.__name__ for f, _ in POINTS])
def test_program(f: Function, points: list[tuple[Any, ...]]) -> None:
    check(f, *points, argnums=[i for i, a in enumerate(points[0]) if isinstance(a, float)])


def test_recursion_with_keyword_arguments() -> None:
    check(calls_keyword_recursion, (0.5, 3))


def test_ackermann() -> None:
    check(ackermann, (0.5, 2, 2), order=1)


# ---- plain numbers that change from call to call
def digit_sum(n: int, base: int, count: int = 0, total: float = 0.0) -> float:
    if n == 0:
        return total + 0.5 * count
    return digit_sum(n // base, base, count + 1, total + n % base)


def branching(n: int, x: float, depth: int = 0) -> float:
    if n <= 0:
        return x * depth
    return branching(n - 1, x * 0.5, depth + 1) + branching(n - 2, x, depth + 1)


def even(n: int, x: float, k: int = 0) -> float:
    return x if n <= 0 else odd(n - 1, x, k + 1)


def odd(n: int, x: float, k: int = 0) -> float:
    return x * k if n <= 0 else even(n - 1, x, k + 1)


def power_by_hand(n: int, x: float) -> float:
    """Recursion that only Python decides: it is unrolled, and may index Python's lists."""
    factors = [x, 2.0, 3.0]
    return factors[n] if n == 0 else factors[n] * power_by_hand(n - 1, x)


def test_an_accumulator_that_starts_plain() -> None:
    close(both(digit_sum, 12345, 10)["native"], digit_sum(12345, 10))
    close(both(branching, 7, 1.5)["native"], branching(7, 1.5))
    for f, args in ((branching, (7, 1.5)), (even, (5, 2.0)), (odd, (6, 2.0))):
        found = both(lj.grad(f, 1), *args)
        close(found["native"], found["interpreter"])
        h = 1e-6
        close(found["native"], (f(args[0], args[1] + h) - f(args[0], args[1] - h)) / (2 * h), rtol=1e-7)


def test_a_recursion_that_python_decides_stays_unrolled() -> None:
    close(lj.jit(power_by_hand, static_argnums=0)(2, 5.0), 30.0)


# ---- what a recursion never changes
def weighted_tree(i: int, left: Any, right: Any, v: Any, w: Any, a: float, b: float) -> float:
    """Arrays and scalars that are passed on unchanged, some used with a loop inside."""
    s = 0.0
    for j in range(len(w)):
        s = s + w[j] * v[i] * a
    if left[i] < 0:
        return s
    return np.tanh(a * weighted_tree(left[i], left, right, v, w, a, b) + b * weighted_tree(right[i], left, right, v, w, a, b)) + s


@pytest.mark.parametrize("checkpoint", [None, "recursion", "replay"])
def test_unchanging_arguments_of_a_recursion(checkpoint: Any) -> None:
    left, right = np.array([1, 3, -1, -1, -1]), np.array([2, 4, -1, -1, -1])
    v, w = np.array([0.1, -0.2, 0.3, 0.4, -0.5]), np.array([0.7, -0.3])
    args = (0, left, right, v, w, 0.6, -0.8)
    gradient = lj.grad(weighted_tree, (3, 4, 5, 6))
    native, reference = lj.jit(gradient, checkpoint=checkpoint)(*args), gradient(*args)
    close(native, reference)
    lj.check_grads(lambda v, w, a, b: weighted_tree(0, left, right, v, w, a, b), args[3:], order=2)
    text = lj.jit(gradient, checkpoint="recursion").inspect(*args)
    assert "unchanged by recursion: " in text.cps
    assert ".recursion(" in text.llvm


def test_second_order_through_an_unchanging_argument() -> None:
    def f(x: float) -> float:
        return lj.grad(lambda n, y: even(n, y * y) * y, 1)(3, x)

    close(both(lj.grad(f), 1.5)["native"], lj.grad(f)(1.5))


def differentiates_itself(x: float, n: int, a: float) -> float:
    if n <= 0:
        return x * a * a
    return lj.grad(lambda z: differentiates_itself(z * z, n - 1, a))(x) + a


def test_a_recursion_that_differentiates_itself() -> None:
    with pytest.raises(lj.errors.EndlessTraceError, match="does a recursion differentiate itself"):
        lj.jit(lj.grad(differentiates_itself))(0.7, 2, 0.8)
    static = lj.jit(differentiates_itself, static_argnums=1)
    assert math.isclose(static(0.7, 2, 0.8), differentiates_itself(0.7, 2, 0.8))


def test_a_high_order() -> None:
    def f(x: float) -> float:
        return x**9

    g: Any = f
    for _ in range(7):
        g = lj.grad(g)
    close(lj.jit(g)(1.5), 181440 * 1.5**2)


# ---- plain numbers under traced conditions: staged at once, never 2**depth
def bisection(a: float, b: float, p: float, n: int) -> float:
    m = 0.5 * (a + b)
    if n == 0:
        m = m - (m * m - p) / (2 * m)  # Newton's steps carry the derivative
        return m - (m * m - p) / (2 * m)
    if m * m > p:
        return bisection(a, m, p, n - 1)
    return bisection(m, b, p, n - 1)


def doubling(x: float, n: int) -> float:
    if x > 10.0:
        return x
    if n == 0:
        return x * x
    return tripling(x * 1.1, n - 1) + tripling(x * 1.2, n - 1)


def tripling(x: float, n: int) -> float:
    if x > 10.0:
        return 2 * x
    if n == 0:
        return x
    return doubling(x + 0.5, n - 1) + doubling(x * 0.5, n - 1)


def simpson(f: Any, a: float, b: float, fa: Any, fm: Any, fb: Any, tolerance: float) -> Any:
    m = 0.5 * (a + b)
    left, right = f(0.5 * (a + m)), f(0.5 * (m + b))
    whole, halves = (b - a) / 6 * (fa + 4 * fm + fb), (b - a) / 12 * (fa + 4 * left + 2 * fm + 4 * right + fb)
    if abs(halves - whole) < tolerance:
        return halves
    return simpson(f, a, m, fa, left, fm, tolerance / 2) + simpson(f, m, b, fm, right, fb, tolerance / 2)


def integral(p: float) -> Any:
    def f(x: Any) -> Any:
        return np.exp(-p * x * x)

    return simpson(f, 0.0, 1.0, f(0.0), f(0.5), f(1.0), 1e-7)


def heap(x: float, n: int) -> float:
    def node(i: int) -> float:
        if i >= n:
            return x
        return node(2 * i + 1) * x + 0.5 * node(2 * i + 2)

    return node(0)


def numpy_depth(x: float) -> float:
    def go(x: float, n: Any, scale: Any) -> float:
        if n <= 0:
            return x * x
        if x > 1:
            return go(x * 0.5, n - np.int64(1), scale * 1.01)
        return go(x * 1.5 + scale, n - 1, scale)

    return go(x, np.int64(24), np.float64(0.1))


LITERAL: list[tuple[Function, tuple[Any, ...]]] = [
    (lambda p: bisection(0.0, 2.0, p, 30), (1.7,)),
    (lambda x: doubling(x, 8), (0.7,)),
    (integral, (1.3,)),
    (heap, (0.4, 6)),
    (numpy_depth, (0.3,)),
]


@pytest.mark.parametrize(("f", "args"), LITERAL, ids=["bisection", "mutual", "quadrature", "heap", "numpy_scalars"])
def test_plain_numbers_under_a_traced_condition_are_staged(f: Function, args: tuple[Any, ...]) -> None:
    found = both(f, *args)
    close(found["native"], f(*args))
    close(found["interpreter"], f(*args))
    h = 1e-4
    lower, middle, upper = (f(args[0] + d, *args[1:]) for d in (-h, 0.0, h))
    first, second = (both(g, *args) for g in (lj.grad(f), lj.grad(lj.grad(f))))
    for mode in ("native", "interpreter"):
        close(first[mode], (upper - lower) / (2 * h), rtol=1e-5)
        close(second[mode], (upper - 2 * middle + lower) / h**2, rtol=1e-3, atol=1e-4)
    assert len(lj.jit(f).inspect(*args).graph) < 20_000


def indexed(x: float, i: int = 0) -> float:
    table = [0.1, 0.2, 0.3, 0.4]
    if i == len(table):
        return x
    if x > 0:
        return indexed(x * table[i] - 0.001, i + 1)
    return indexed(x - table[i], i + 1)


def growing(x: float, n: int) -> list[float]:
    if n == 0:
        return [x]
    if x > 0:
        return [*growing(x * 0.5, n - 1), x]
    return [*growing(x - 1, n - 1), 1.0]


def by_depth(x: float, n: int) -> float:
    known = {0: 1.0, 1: 2.0}
    if n in known:
        return known[n] * x
    if x > 0:
        return by_depth(x * 0.5, n - 1) + by_depth(x * 0.5, n - 2)
    return by_depth(x + 1, n - 1)


def recorded(x: float, n: int, seen: list[float]) -> float:
    if n == 0:
        return x * len(seen)
    seen.append(1.0)
    y = x * 0.5 if x > 0 else x + 1.0
    return recorded(y, n - 1, seen)


def test_a_function_that_needs_its_numbers_plain_is_unrolled() -> None:
    for f in (indexed, lambda x: sum(growing(x, 5)), lambda x: by_depth(x, 5), lambda x: recorded(x, 4, [])):
        for x in (0.4, -1.5):
            close(both(f, x)["native"], f(x))
            close(both(lj.grad(f), x)["native"], (f(x + 1e-6) - f(x - 1e-6)) / 2e-6, rtol=1e-7)


def endless_table(x: float, n: int) -> float:
    table = (abs,) * 100
    if n == 0:
        return x
    if x > 0:
        return endless_table(x - table[n:][0](1.0), n - 1)
    return endless_table(x * table[n:][0](1.0) + 1, n - 1)


def test_a_recursion_that_can_neither_be_staged_nor_unrolled_says_why() -> None:
    with pytest.raises(lj.errors.TracedConditionError, match="endless_table"):
        lj.jit(lambda x: endless_table(x, 60))(0.5)


def test_a_traced_number_is_found_in_a_dict() -> None:
    def member(x: float, n: int) -> float:
        return x if n in {0: 1.0, 3: 2.0} or n in {7} else 2 * x

    def looked_up(x: float, n: int) -> float:
        return {0: x}.get(n, 1.0)

    def computed(x: float, n: int) -> float:
        return {0: x}.get(n * int(x), 1.0)

    for n in (0, 1, 3, 7):
        assert both(member, 1.5, n)["native"] == member(1.5, n)
    assert [lj.jit(looked_up)(2.5, n) for n in (0, 1)] == [2.5, 1.0]
    for x in (0.5, 1.5):
        assert both(computed, x, 1)["native"] == computed(x, 1)


# ---- objects that are written between two calls
class Held:
    def __init__(self, v: Any) -> None:
        self.v = v

    def go(self, n: int) -> Any:
        return self.v if n <= 0 else self.v * 0.5 + self.go(n - 1)


def captured_object(x: Any) -> Any:
    h = Held(x)

    def go(n: int) -> Any:
        return h.v if n <= 0 else h.v * 0.5 + go(n - 1)

    m = int(x * 3) + 2
    first = go(m)
    h.v += 1.0
    return first * 10 + go(m)


def its_own_object(x: Any) -> Any:
    h, m = Held(x), int(x * 3) + 2
    first = h.go(m)
    h.v += 1.0
    return first * 10 + h.go(m)


def object_in_an_object(x: Any) -> Any:
    h = Held([Held(x)])

    def go(n: int) -> Any:
        return h.v[0].v if n <= 0 else h.v[0].v * 0.5 + go(n - 1)

    m = int(x * 3) + 2
    first = go(m)
    h.v[0].v += 1.0
    return first * 10 + go(m)


def chosen_object(x: Any) -> Any:
    both_of_them = [Held(x), Held(2 * x)]

    def go(h: Any, n: int) -> Any:
        return h.v if n <= 0 else h.v * 0.5 + go(h, n - 1)

    k, m = int(x * 5) % 2, int(x * 3) + 2
    first = go(both_of_them[k], m)
    both_of_them[0].v += 1.0
    both_of_them[1].v *= 3.0
    return first * 10 + go(both_of_them[k], m)


@pytest.mark.parametrize("f", [captured_object, its_own_object, object_in_an_object, chosen_object], ids=lambda f: f.__name__)
def test_an_object_is_read_as_it_is_at_each_call(f: Any) -> None:
    for x in (0.45, 0.95):
        for found in both(lambda x: (f(x), lj.grad(f)(x)), x).values():
            close(found, (f(x), (f(x + 1e-6) - f(x - 1e-6)) / 2e-6), rtol=1e-7)


class Formula:
    """A text that a parser goes through: the place is an attribute, and each call with the same arguments starts at another one."""

    def __init__(self, text: str) -> None:
        self.tokens, self.place = text.split(), 0

    def peek(self) -> Any:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def take(self) -> Any:
        token = self.peek()
        self.place += 1
        return token

    def atom(self) -> Any:
        token = self.take()
        if token == "(":
            inner = self.sums()
            self.take()
            return inner
        return token

    def sums(self) -> Any:
        left = self.atom()
        while True:
            sign = self.peek()
            if sign not in ("+", "*"):
                return left
            self.take()
            left = (sign, left, self.atom())


def computed(tree: Any, names: dict[str, Any]) -> Any:
    if isinstance(tree, str):
        return names[tree]
    sign, left, right = tree
    a, b = computed(left, names), computed(right, names)
    return a + b if sign == "+" else a * b


def parsed(x: float, y: float) -> Any:
    formula = Formula("x * ( y + ( x * x ) * y ) + x")
    return computed(formula.sums(), {"x": x, "y": y}) + formula.place


def visits(x: float, y: float) -> Any:
    seen: list[int] = []

    def go() -> Any:
        seen.append(len(seen))
        return x if len(seen) > 3 else y * go()

    return go() + len(seen)


@pytest.mark.parametrize("f", [parsed, visits])
def test_what_is_written_ends_a_recursion_with_the_same_arguments(f: Function) -> None:
    check(f, (0.7, 1.3), (1.1, 0.4), argnums=(0, 1))
    assert parsed(2.0, 3.0) == 2.0 * ((3.0 + 4.0) * 3.0) + 2.0 + 15


def test_a_recursion_without_a_base_case_is_an_error() -> None:
    def f(x: float) -> float:
        return x * f(x)

    with pytest.raises(lj.LanternError, match="no base case"):
        lj.jit(f)(1.0)

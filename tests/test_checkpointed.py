"""`checkpoint(f)`: of a call of f a derivative keeps the arguments alone, and is what it would be without."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import specialisation
from lantern_jit.ir.staging import staged

from .support import close

X = np.array([0.3, -0.7, 1.1, 0.4])
Wrap = Callable[[Any], Any]  # checkpoint, or nothing


class Layer:
    def __init__(self, w: Any) -> None:
        self.w = w

    def apply(self, x: Any, scale: float = 1.0) -> Any:
        return np.tanh(self.w * x) * scale

    def __call__(self, x: Any) -> Any:
        return self.w * np.exp(-x * x)


def results_in_a_loop(x: Any, wrap: Wrap) -> Any:
    @wrap
    def step(u: Any, c: float) -> tuple[Any, float]:
        return np.sin(u) * c + 0.1 * u * u, 0.9 * c + 0.01 * u[0]

    c = 1.0
    for _ in range(7):
        x, c = step(x, c)
    return np.sum(x * x) + c


def containers(x: Any, wrap: Wrap) -> Any:
    found = wrap(lambda d, k=1.0: {"a": (np.sin(d["x"]) * k, d["x"][1] ** 2), "n": None})({"x": x}, k=2.0)
    assert found["n"] is None
    return np.sum(found["a"][0] * x) * found["a"][1]


def captured(x: Any, wrap: Wrap) -> Any:
    y = np.exp(x)
    return np.sum(wrap(lambda: y * y * x)())


def methods(x: Any, wrap: Wrap) -> Any:
    layer = Layer(2.0 * x)
    return np.sum(wrap(layer.apply)(x, scale=0.5) * wrap(layer)(x) * wrap(functools.partial(np.multiply, x))(x))


def derivatives(x: Any, wrap: Wrap) -> Any:
    return np.sum(wrap(lj.grad(lambda v: np.sum(v**3)))(x) * x) + wrap(math.sin)(x[0])


def branches(x: Any, wrap: Wrap) -> Any:
    s = x[0]
    for i in range(6):
        if s > 0.2:
            s = wrap(lambda t, i: t * np.cos(t + i))(s, i)
            continue
        s = s + wrap(lambda t: t * t)(x[1])
    return s


def written(x: Any, wrap: Wrap) -> Any:
    y, total = 2.0 * x, x[3]

    def update(a: Any, b: Any) -> Any:
        a[1:] += b[:-1] * a[0]
        b[0] *= a[2]
        y[3] = a[1] * b[0]
        return a[1] * b[0]

    a, b = x * x, np.cos(x)
    for _ in range(3):
        total += wrap(update)(a, b)
    return total + np.sum(a * b) + np.sum(y * y)


def swapped(x: Any, wrap: Wrap) -> Any:
    def wave(u: Any, v: Any) -> None:
        v[1:-1] = 2 * u[1:-1] - v[1:-1] + 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])
        v[0] += u[0] * v[1]

    u, v = x.copy(), x.copy()
    for _ in range(5):
        wrap(wave)(u, v)
        u, v = v, u
    return np.sum(u * u * v)


def views_and_results(x: Any, wrap: Wrap) -> Any:
    y = 2.0 * x
    itself = wrap(lambda v: v)(y)
    itself[0] = 5.0 * x[1]

    def through(a: Any, b: Any) -> Any:
        a[0] = b[1] * 3.0
        return a[0] * b[0]

    return wrap(through)(y, y) + wrap(through)(y[1:], y[1:]) + np.sum(y * y)


def recursion(x: Any, wrap: Wrap) -> Any:
    def power(t: float, n: int) -> float:
        return 1.0 if n == 0 else math.sin(t) * checkpointed(t, n - 1)

    checkpointed = wrap(power)
    n = 3
    for i in range(2):
        n += i
    return checkpointed(x[0], n) * x[1] + checkpointed(x[2], n + 1)


def recursion_from_plain_numbers(x: Any, wrap: Wrap) -> Any:
    def series(t: float, k: int, n: int) -> float:
        return math.tanh(t) + k if n <= 0 else math.sin(wrapped(math.cos(t), k + 1, n - 1)) + t

    wrapped, n = wrap(series), 2
    for i in range(2):
        n += i
    return wrapped(2.0, 0, n) * x[0] + wrapped(x[1], 0, n + 1) * x[2]


def recursion_over_objects(x: Any, wrap: Wrap) -> Any:
    tree = ((1.0, (2.0, 3.0)), (0.5, 1.5))

    def total(t: Any, y: Any) -> Any:
        return wrapped(t[0], y) * wrapped(t[1], np.sin(y)) if isinstance(t, tuple) else np.sum(y * t)

    wrapped = wrap(total)
    return wrapped(tree, x) + wrapped(tree[1], x * x)


def nested(x: Any, wrap: Wrap) -> Any:
    inner = wrap(lambda v: np.exp(-v * v))
    return np.sum(wrap(lambda v: inner(v) * inner(2.0 * v))(x))


PROGRAMS = [
    results_in_a_loop,
    containers,
    captured,
    methods,
    derivatives,
    branches,
    written,
    swapped,
    views_and_results,
    recursion,
    nested,
    recursion_from_plain_numbers,
    recursion_over_objects,
]


def plain(f: Any) -> Any:
    return f


CASES = [*((f, np.float64) for f in PROGRAMS), (results_in_a_loop, np.float32), (swapped, np.float32)]


@pytest.mark.parametrize(("f", "dtype"), CASES, ids=[f"{f.__name__}-{t.__name__}" for f, t in CASES])
def test_derivatives_are_those_of_the_plain_call(f: Any, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x, v = X.astype(dtype), np.cos(X).astype(dtype)
    bits = {np.float64: 1e-12, np.float32: 2e-5}[dtype]

    def ways(wrap: Wrap) -> Any:
        g = lambda x: f(x, wrap)  # noqa: E731
        twice = lj.grad(lambda x: np.sum(lj.grad(g)(x) * v))
        return lambda x: (*lj.value_and_grad(g)(x), *lj.jvp(g, (x,), (v,)), lj.hvp(g, (x,), (v,)), twice(x))

    expected = lj.jit(ways(plain))(x)
    close(lj.jit(ways(lj.checkpoint))(x), expected, bits, bits)
    monkeypatch.setattr(specialisation, "ALLOWANCE", math.inf)
    close(lj.hvp(lambda x: f(x, lj.checkpoint), (x,), (v,)), expected[4], bits, bits, "on the interpreter")


def test_a_call_is_traced_once_where_only_python_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not twice, and then four times at the next level of a recursion."""
    rounds = []

    def counted(*args: Any) -> Any:
        rounds.append(args)
        return trace_round(*args)

    trace_round = staged._trace_round
    monkeypatch.setattr(staged, "_trace_round", counted)

    @lj.checkpoint
    def power(t: float, n: int) -> float:
        return t if n == 0 else math.sin(t) * power(t, n - 1)

    assert math.isclose(lj.jit(lambda x: power(x, 12))(0.5), math.sin(0.5) ** 12 * 0.5)
    assert len(rounds) == 13


def test_a_plain_call_is_the_function() -> None:
    assert lj.checkpoint(math.sin)(0.5) == math.sin(0.5)
    assert lj.jit(swapped, static_argnums=1)(X, lj.checkpoint) == lj.jit(swapped, static_argnums=1)(X, plain)


@lj.checkpoint
def many(x: Any) -> Any:
    """Twenty steps, of each of which a derivative would keep some arrays."""
    for _ in range(20):
        x = np.sin(np.exp(np.cos(x)) * x) + 0.01 * x[0]
    return x


def of_many(x: Any, n: int) -> Any:
    for _ in range(n):
        x = many(x)
    return np.sum(x)


def test_nothing_inside_is_kept() -> None:
    """A call keeps its result, and room for the adjoint of it."""
    x = np.linspace(0.0, 1.0, 50_000)
    few, more = (lj.jit(lj.grad(of_many)).inspect(x, n).memory.arrays for n in (2, 10))
    assert more - few <= 8 * 2 * x.nbytes + 65536
    inner = lj.jit(lj.grad(lambda x: np.sum(many.__wrapped__(x)))).inspect(x).memory.arrays  # type: ignore[attr-defined]
    assert inner > 20 * x.nbytes
    assert few <= inner + 8 * x.nbytes


def test_what_is_printed_and_drawn_is_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: float, g: np.random.Generator, wrap: Wrap) -> Any:
        def noisy(v: float) -> Any:
            print("at", v)
            return v * v * g.normal()

        return wrap(noisy)(x) + wrap(noisy)(2.0 * x) * g.normal()

    def ways(wrap: Wrap) -> list[Any]:
        h = lambda x, g: f(x, g, wrap)  # noqa: E731
        return [lj.value_and_grad(h), lj.grad(lj.grad(h))]

    for one, two in zip(ways(lj.checkpoint), ways(plain), strict=True):
        expected = lj.jit(two)(0.5, np.random.default_rng(3))
        text = capsys.readouterr().out
        for run in (lj.jit(one), one):
            g, h = np.random.default_rng(3), np.random.default_rng(3)
            close(run(0.5, g), expected, 1e-12)
            assert capsys.readouterr().out == text
            lj.jit(two)(0.5, h)
            capsys.readouterr()
            assert g.normal() == h.normal()


def one_or_other(x: Any, n: int) -> Any:
    a, b = np.zeros(3), np.ones(3)
    other = a if n > 2 else b

    def f(p: Any, q: Any) -> None:
        p[0] = x * q[1]

    lj.checkpoint(f)(a, other)
    return a[0] + b[0]


def returns_one_or_other(x: Any, n: int) -> Any:
    a = np.ones(3)
    b = lj.checkpoint(lambda v, n: v if n > 2 else 2.0 * v)(a, n)
    b[0] = x
    return a[0] + b[0]


def appends(x: Any, n: int) -> Any:
    found: list[Any] = []
    lj.checkpoint(lambda v: found.append(v))(x)
    return found[0] * n


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (
            one_or_other,
            r"`f` writes into an array which may be another of its arguments, too \(.*test_checkpointed.py:\d+ in one_or_other\)",
        ),
        (returns_one_or_other, "returns an array that may be one of its arguments, or another result, and is written"),
        (appends, "is recursive, or checkpointed, and changes a list"),
    ],
)
def test_what_cannot_run_again_is_refused(f: Any, message: str) -> None:
    with pytest.raises(lj.errors.UnsupportedOperationError, match=message):
        lj.jit(lj.grad(f))(0.5, 3)

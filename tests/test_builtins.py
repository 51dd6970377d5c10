"""Python's builtins on traced numbers: divmod, min, max, sum, round, conversions, powers; NumPy's promotion."""

from __future__ import annotations

import bisect
import copy
import dataclasses
import functools
import heapq
import math
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import Runner, both, check, close, same

PAIRS = [(7, 3), (-7, 3), (7, -3), (-7, -3), (6, 3), (0, 5), (7.5, 2.0), (-7.5, 2.0), (7.5, -2.0), (-6.0, 3.0)]


def arithmetic_builtins(x: Any, y: Any) -> Any:
    return (
        divmod(x, y),
        x // y,
        x % y,
        abs(x),
        min(x, y),
        max(x, y),
        max(y, x, 1),
        min([x, y]),
        sum([x, y, x]),
        sum((x, y), 10),
    )


@pytest.mark.parametrize("kind", [int, float])
def test_builtins_are_pythons(kind: type) -> None:
    run = Runner(arithmetic_builtins)
    for x, y in PAIRS:
        x, y = kind(x), kind(y)
        for mode, out in run(x, y).items():
            close(out, arithmetic_builtins(x, y), what=f"{mode} {x, y}")


def conversions(x: Any) -> Any:
    return int(x), float(x), bool(x), round(x), math.floor(x), math.ceil(x), math.trunc(x), +x, -x, not x


@pytest.mark.parametrize("x", [2.5, 3.5, -2.5, 0.0, -0.0, 1e15 + 0.5, -1e-300, 7, -7, 0])
def test_conversions_are_pythons(x: Any) -> None:
    for mode, out in both(conversions, x).items():
        same(out, conversions(x), mode)


def test_round_to_digits() -> None:
    run = Runner(lambda x: (round(x, 1), round(x, 2), round(x, -1), np.round(x, 2)))
    for x in (2.344, -7.126, 123.987, 0.5):
        for mode, out in run(x).items():
            close(out, (round(x, 1), round(x, 2), round(x, -1), round(x, 2)), what=f"{mode} {x}")


def test_round_of_an_int_to_tens() -> None:
    run = Runner(lambda n: (round(n, -2), round(n, 1)))
    for n in (1234, 1250, 1350, -1266):
        for mode, out in run(n).items():
            assert out == (round(n, -2), n), mode


def test_round_to_digits_is_pythons_or_numpys() -> None:
    for mode, out in both(lambda x, y: (round(x, 1), round(y, 2), np.round(y, 2)), 0.15, np.float64(1.005)).items():
        assert out == (0.1, np.round(1.005, 2), np.round(1.005, 2)), mode


@pytest.mark.parametrize("n", [-3, -2, -1, 1, 2, 3, 4, 7, 16, 17, 40, 0.5, 1.5, -0.5, 2.0])
def test_constant_powers(n: Any) -> None:
    def program(x: Any) -> Any:
        return x**n, lj.grad(lambda v: v**n)(x), lj.grad(lj.grad(lambda v: v**n))(x)

    for x in (0.7, 1.9):
        for mode, out in both(program, x).items():
            close(out, (x**n, n * x ** (n - 1), n * (n - 1) * x ** (n - 2)), 1e-13, 1e-13, f"{mode} {x}**{n}")


def test_promotion() -> None:
    def program(x: Any, n: Any, b: Any, h: Any) -> Any:
        return (
            n + x,
            n / 2,
            n * b,
            h * 2,
            h * 2.0,
            h + n,
            h + x,
            b + b,
            n**2,
            n + b,
            h * b,
            2 / n,
            x // n,
            n % 2.5,
            -b,
            n**2.0,
        )

    x, n, b, h = 1.5, np.int64(3), np.True_, np.float32(0.1)
    expected = (4.5, 1.5, 3, h * 2, h * 2.0, float(h + n), h + x, 2, 9, 4, h, 2 / 3, 0.0, 0.5, -1, 9.0)
    for mode, out in both(program, x, n, bool(b), h).items():
        for i, (v, e) in enumerate(zip(out, expected, strict=True)):
            assert type(v) is type(e), (mode, i, v, e)
            assert v == e, (mode, i, v, e)


@pytest.mark.parametrize("f", [lambda n: n + 2**70, lambda n: n < 2**64, lambda n: n * -(2**63) - 1 - 2**63])
def test_an_int_literal_beyond_64_bits_is_an_error(f: Any) -> None:
    with pytest.raises(lj.LanternError):
        lj.jit(f)(2)


@pytest.mark.parametrize("n", [2**63, -(2**70), np.uint64(2**63)])
def test_an_int_argument_beyond_64_bits_is_an_error(n: Any) -> None:
    with pytest.raises((lj.LanternError, OverflowError)):
        lj.jit(lambda n: n)(n)


@pytest.mark.parametrize("f", [min, max])
def test_min_and_max_of_an_array(f: Any) -> None:
    a = np.array([2.0, 1.0, 3.0])
    try:
        found = lj.jit(lambda a: f(a))(a)
    except lj.LanternError:
        return
    assert found == f(a)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.clip(x, a_min=0.0, a_max=1.0),
        pytest.param(
            lambda x: np.clip(x, min=0.0, max=1.0),
            marks=pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="these names are new in NumPy 2.1"),
        ),
        lambda x: np.clip(2.0, 0.0, x),
    ],
)
def test_spellings_of_clip(f: Any) -> None:
    for out in both(f, 0.7).values():
        assert out == f(0.7)


@pytest.mark.parametrize("x", [1.5, np.float32(1.5)])
def test_forward_mode_through_mixed_precision(x: Any) -> None:
    def f(v: Any) -> Any:
        return v * v * np.float32(2.0) * np.float64(0.5) if isinstance(x, np.float32) else v * v * np.float32(2.0)

    for out in both(lambda v: (lj.jvp(f, (v,), (v * 0 + 1,))[1], lj.grad(lj.grad(f))(v)), x).values():
        close(tuple(map(float, out)), (2 * float(f(x)) / float(x), 2 * float(f(x)) / float(x) ** 2), 1e-6)


def test_formatted_message_of_an_assert() -> None:
    def f(x: float) -> float:
        assert x > 0, f"x is {x:.3f}"
        return x

    assert lj.jit(f)(2.0) == 2.0


def test_any_and_all() -> None:
    def f(v: list[float]) -> Any:
        return any(x > 1 for x in v), all([x > 1 for x in v]), any([]), all([])

    for out in both(f, [0.5, 1.5]).values():
        assert out == (True, False, False, True)


# ---- functions of the standard library that look inside of values
@functools.cache
def squared(x: Any) -> Any:
    return x * x


@dataclasses.dataclass
class Held:
    x: Any
    y: Any = 2.0


def deep(x: Any) -> Any:
    y = copy.deepcopy(x)
    y[0] = 9.0
    return y + copy.copy(x), dataclasses.asdict(Held(x[0]))["x"]


STANDARD: list[Any] = [
    lambda x: (squared(x[0]) + squared(x[0]) + squared(2.0),),
    deep,
    lambda x: (bisect.bisect([0.0, 1.0, 2.0], x[0]), bisect.bisect_left(x, x[1]), bisect.bisect_right(x, x[1]), bisect.bisect([1, 3], 2)),
]


@pytest.mark.parametrize("f", STANDARD)
def test_functions_that_look_inside(f: Any) -> None:
    x = np.array([0.5, 1.25, 1.25, 3.0])
    for found in both(f, x).values():
        for a, b in zip(found, f(x.copy()), strict=True):
            np.testing.assert_array_equal(a, b)


def test_derivatives_through_them() -> None:
    assert lj.jit(lj.grad(lambda x: squared(x) * squared(x)))(2.0) == 32.0
    assert lj.jit(lj.grad(lambda x: copy.deepcopy([x, 1.0])[0] ** 2))(3.0) == 6.0
    np.testing.assert_array_equal(lj.jit(lj.grad(lambda x: np.sum(copy.deepcopy(x) ** 2)))(np.array([1.0, 2.0])), [2.0, 4.0])


def test_heaps_that_are_arguments() -> None:
    def f(x: Any, given: Any) -> Any:
        heapq.heapify(given)
        given[0] = given[0] + x
        return given[1]

    def g(x: Any, given: Any) -> Any:
        if x > 0.0:
            given.append(x)
        return heapq.heappop(given)

    mine, pythons = [3.0, 1.0, 2.0], [3.0, 1.0, 2.0]
    assert lj.jit(f)(1.0, mine) == f(1.0, pythons)
    assert mine == pythons
    with pytest.raises(lj.errors.UnsupportedOperationError, match="changes the length of a list that is, or is in, an argument"):
        lj.jit(g)(1.0, mine)
    assert lj.jit(lambda x, given: g(x, list(given)))(1.0, mine) == g(1.0, list(mine))


@dataclasses.dataclass(order=True)
class Due:
    time: Any
    name: str = dataclasses.field(compare=False, default="")


def test_heaps_of_objects_that_are_compared() -> None:
    def known(x: Any) -> Any:
        heap: list[Any] = []
        for t in (3.0, 1.0, 2.0):
            heapq.heappush(heap, Due(t))
        return x * heapq.heappop(heap).time + heapq.heappop(heap).time

    def decided(x: Any) -> Any:
        heap: list[Any] = []
        for t in (3.0, 1.0, 2.0):
            heapq.heappush(heap, Due(x * t))
        return heapq.heappop(heap).time

    check(known, (1.5,))
    with pytest.raises(lj.errors.UnsupportedOperationError, match=r"objects whose order the program decides .*: keep tuples of numbers"):
        lj.jit(decided)(1.5)

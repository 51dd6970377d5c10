"""Integers and rounding as Python's and NumPy's: exact, wrapped where NumPy wraps, or OverflowError."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lantern_jit as lj
from lantern_jit import errors
from lantern_jit.ir.ops.table import TABLE

from .support import Runner, both, interpret, same

MAX, MIN = sys.maxsize, -sys.maxsize - 1
ROUND = {n: lj.jit(lambda a, n=n: round(a, n)) for n in (-400, -22, -16, -3, -1, 0, 1, 2, 5, 15, 22, 400)}
EDGES = [
    2.675,
    0.5,
    1.5,
    2.5,
    -0.5,
    25.0,
    35.0,
    -25.0,
    0.0,
    -0.0,
    1e300,
    -1e300,
    np.inf,
    -np.inf,
    np.nan,
    5e-324,
    1e15 + 0.5,
    2.0**52 + 0.5,
    2.0**53 + 2,
    1e22,
]


# ---- round
@pytest.mark.parametrize("n", ROUND)
def test_round_of_python_floats(n: int) -> None:
    for x in map(float, EDGES):
        same((ROUND[n](x), interpret(lambda a: round(a, n), x)), (round(x, n), round(x, n)), f"round({x!r}, {n})")


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.sampled_from([n for n in ROUND if abs(n) < 23]), st.integers(-(10**9), 10**9), st.floats(allow_nan=False), st.booleans())
def test_round_is_the_nearest_decimal(n: int, k: int, x: float, tie: bool) -> None:
    """Numbers as close to a half of the last digit as doubles can be, and any others."""
    x = (k + 0.5) / 10.0**n if tie else x
    same(ROUND[n](x), round(x, n), f"round({x!r}, {n})")


def test_round_of_numpy_numbers() -> None:
    for x in (np.float64(2.675), np.float32(2.675), np.int64(25), np.array([2.675, 1.005, 1234.5]), np.array([15, 25, -1234])):
        for n in (2, 1, 0, -1, -2):
            for f in (lambda x, n=n: round(x, n) if np.ndim(x) == 0 else x.round(n), lambda x, n=n: np.round(x, n)):
                for found in both(f, x).values():
                    np.testing.assert_array_equal(found, f(x))


@pytest.mark.parametrize("n", [3, 0, -1, -2, -17, -18, -19, -20])
def test_round_of_ints(n: int) -> None:
    run = Runner(lambda x: round(x, n))
    for x in (15, 25, -25, -15, 123456, MAX, MIN, 5 * 10**18, 5 * 10**18 + 1, -5 * 10**18 - 1, 95 * 10**16, -9085051244763486591):
        if MIN <= round(x, n) <= MAX:
            for found in run(x).values():
                assert found == round(x, n), (x, n)
        else:
            with pytest.raises(OverflowError, match="does not fit in 64 bits"):
                run(x)


def test_what_round_does_not_do() -> None:
    with pytest.raises(errors.UnsupportedOperationError, match=r"round\(\) to 30 digits at .* use 22 at most"):
        lj.jit(lambda x: round(x, 30))(1.5)
    with pytest.raises(errors.TracedConditionError, match=r"the number of digits of round\(\) at .* must be a plain int"):
        lj.jit(lambda x, y: round(x, int(y)))(1.5, 2.0)
    assert lj.jit(lambda x, n: round(x, n))(1.567, 2) == 1.57


# ---- division
def test_fmod_of_integers_is_exact() -> None:
    x, y = np.array([2**53 + 1, -7, MIN, MAX]), np.array([3, 5, -3, 2**62])
    for found in both(lambda x, y: (np.fmod(x, y), x // y, x % y, np.fmod(x[0], y[0])), x, y).values():
        for a, b in zip(found, (np.fmod(x, y), x // y, x % y, np.fmod(x[0], y[0])), strict=True):
            np.testing.assert_array_equal(a, b)
            assert np.asarray(a).dtype == np.int64


# ---- ranges
ENDS = (0, -1, 1, 5, -5, MAX, MIN, MAX - 1, MIN + 1, 2**62, -(2**62))
STEPS = (1, -1, 2, -2, 3, -7, 2**62, MAX, MIN)


def _first(a: int, n: int, s: int) -> tuple[int, int, int]:
    count, total, last = 0, 0, 0
    for i in range(a, n, s):
        count += 1
        total ^= i
        last = i
        if count == 3:
            break
    return count, total, last


def test_ranges_of_any_span() -> None:
    run = Runner(_first)
    for a in ENDS:
        for n in ENDS:
            for s in STEPS:
                for mode, found in run(a, n, s).items():
                    assert found == _first(a, n, s), (mode, a, n, s)


@pytest.mark.parametrize("s", STEPS)
def test_ranges_with_plain_parts(s: int) -> None:
    programs: list[Callable[..., Any]] = [lj.jit(lambda a, n: _first(a, n, s))]
    for k in (0, 7, -3, MAX, MIN):
        from_k, to_k = lj.jit(lambda n, k=k: _first(k, n, s)), lj.jit(lambda a, k=k: _first(a, k, s))
        for n in ENDS:
            assert from_k(n) == _first(k, n, s), (k, n)
            assert to_k(n) == _first(n, k, s), (n, k)
            assert programs[0](k, n) == _first(k, n, s), (k, n)


def test_reversed_and_enumerated() -> None:
    def f(a: int, n: int) -> Any:
        total = 0
        for i, j in enumerate(range(a, n)):
            total = 10 * total + i * j
        for i in reversed(range(a, n)):
            total = 10 * total + i
        return total

    for a, n in ((2, 6), (3, 3), (5, 2), (-2, 1)):
        for found in both(f, a, n).values():
            assert found == f(a, n)


# ---- int32
A, B = np.array([2**31 - 1, -(2**31), 5, -7, 1 << 16], np.int32), np.array([3, -1, 2, 2**31 - 1, 1 << 16], np.int32)


@pytest.mark.parametrize(
    "f",
    [lambda x, y: x + y, lambda x, y: (x * y) // 2, lambda x, y: ((x * y) >> 3) + x - y, lambda x, y: -x * y, lambda x, y: abs(x) + y, lambda x, y: x // y, lambda x, y: x % y,
     lambda x, y: np.fmod(x, y), lambda x, y: x**3, lambda x, y: x << 9, lambda x, y: x + y.astype(np.int64), lambda x, y: x * np.int64(2**31), lambda x, y: x < 2**40,
     lambda x, y: x + (2**31 - 1), lambda x, y: np.int32(5) - x, lambda x, y: np.uint32(5) - x, lambda x, y: x + True, lambda x, y: (y * np.int64(2**33)).astype(np.int32),
     lambda x, y: np.cumsum(x), lambda x, y: np.square(x), lambda x, y: np.linspace(0, 9, len(x), dtype=np.int32)],
)  # fmt: skip
def test_int32_wraps_and_promotes_as_numpy(f: Callable[..., Any]) -> None:
    with np.errstate(all="ignore"):
        expected = f(A, B)
    for mode, found in both(f, A, B).items():
        assert found.dtype == expected.dtype, mode
        np.testing.assert_array_equal(found, expected, err_msg=mode)


def _put(x: Any, v: Any) -> Any:
    y = x.copy()
    y[0] = v
    return y


def _put_all(x: Any, v: Any) -> Any:
    y = x.copy()
    y[...] = v
    return y


def _add_to(x: Any, v: Any) -> Any:
    y = x.copy()
    y += v
    return y


@pytest.mark.parametrize(
    "f", [_put, _put_all, _add_to, lambda x, v: x + v, lambda x, v: x * v, lambda x, v: np.maximum(x, v), lambda x, v: x & v, lambda x, v: np.full(3, v, np.int32),
          lambda x, v: np.full_like(x, v), lambda x, v: np.array([v, 1], np.int32)]
)  # fmt: skip
def test_python_ints_that_no_int32_holds(f: Callable[..., Any]) -> None:
    for v in (2**31, -(2**31) - 1, 2**40):
        for call in (lambda v=v: lj.jit(f)(A, v), lambda v=v: interpret(f, A, v), lambda v=v: lj.jit(lambda x: f(x, v))(A)):
            with pytest.raises(OverflowError, match=f"Python integer {v} out of bounds for int32"):
                call()
    for v in (2**31 - 1, -(2**31), 7):
        with np.errstate(all="ignore"):
            expected = f(A, v)
        for found in both(f, A, v).values():
            np.testing.assert_array_equal(found, expected)
            assert found.dtype == np.int32


def test_strong_integers_in_int32_arrays() -> None:
    wide = np.array([2**40, -5, 2**33 + 1, 1, 0])
    for found in both(_put_all, A, wide).values():
        np.testing.assert_array_equal(found, wide.astype(np.int32))
    for f in (_put, _put_all):
        with pytest.raises(OverflowError):
            lj.jit(f)(A, np.int64(2**31))


# ---- the operations behind them
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_order_of_floats(dtype: Any) -> None:
    tiny = np.finfo(dtype).smallest_subnormal
    run = Runner(lambda x: TABLE["order_of"](x))
    points = [-np.inf, -2.5, -1.0, -tiny, 0.0, tiny, 1.0, 1.5, np.inf, np.nan]
    found = [run(dtype(x)) for x in points]
    for mode in found[0]:
        places = [int(x[mode]) for x in found]
        assert places == sorted(set(places))
    for pair in ((0.0, -0.0), (np.nan, -np.nan)):
        assert len({int(v) for x in pair for v in run(dtype(x)).values()}) == 1


def test_rows() -> None:
    run = Runner(lambda x, y: (TABLE["unsigned_div"](x, y), TABLE["wrap32"](x)))
    for x, y in ((-1, 3), (MIN, 2), (7, -1), (2**40 + 5, 9)):
        for found in run(x, y).values():
            assert found == (x % 2**64 // (y % 2**64), int(np.int64(x).astype(np.int32)))
    for name, exact in (("exact_add", lambda x, y: x + y), ("exact_sub", lambda x, y: x - y), ("exact_mul", lambda x, y: x * y)):
        run = Runner(lambda x, y, name=name: TABLE[name](x, y))
        for x, y in ((3, 4), (MAX, 1), (MIN, 1), (MIN, -1), (2**32, 2**31), (-(2**32), 2**31), (MIN, MIN), (MAX, MIN)):
            if MIN <= exact(x, y) <= MAX:
                assert set(run(x, y).values()) == {exact(x, y)}
            else:
                for call in (
                    lambda x=x, y=y, run=run: run.jitted(x, y),
                    lambda x=x, y=y, name=name: interpret(lambda x, y: TABLE[name](x, y), x, y),
                ):
                    with pytest.raises(OverflowError, match="an int does not fit in 64 bits"):
                        call()


def test_shifts() -> None:
    def f(n: Any) -> Any:
        return 1 << n, 100 >> n, (1 << n) + 0.5, np.float32(2.0) * (1 << n)

    def caught(n: Any) -> Any:
        try:
            return 1 << n
        except ValueError:
            return -7

    for found in both(f, 5).values():
        same(found, (32, 3, 32.5, np.float32(64.0)))
    for found in both(caught, -1).values():
        same(found, -7)
    for g in (lj.jit(lambda n: 1 << n), lj.jit(lambda n: n >> (n - 1))):
        with pytest.raises(ValueError, match="negative shift count"):
            g(-1)


def test_shifts_of_numpys_numbers() -> None:
    """They were turned round for ever."""

    def f(a: Any, n: Any) -> Any:
        return np.int64(-5) >> a, np.int64(1) << n, a << n, n << a, np.left_shift(n, a), np.right_shift(-7, a)

    a = np.array([5, 7, 61, 1])
    for found in both(f, a, 2).values():
        for x, y in zip(found, f(a, 2), strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_bools_of_python_are_ints() -> None:
    def f(x: Any, y: Any) -> Any:
        items = [1.5, 2.5]
        items[x < y] = x
        grown = [x * i for i in range(3)]
        return (
            ~(x < y),
            (10, 20)[x < y],
            "ab"[x >= y],
            [[1, 2], [3, 4]][x < y][x > y],
            sum(range(x < y)),
            items,
            grown[x < y],
            grown.pop(x < y),
        )

    for x, y in ((1.5, 2.5), (3.0, 3.0)):
        for found in both(f, x, y).values():
            same(found, f(x, y))
    for found in both(lambda x, y: ~(x < y), np.float64(1.5), np.float64(2.5)).values():
        assert not found
        assert isinstance(found, (bool, np.bool_))

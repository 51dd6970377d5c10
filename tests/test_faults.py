"""Errors while compiled code runs: kind, text and place, on the interpreter, natively and in the gradient."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors

from .support import interpret

HERE = Path(__file__).name
Function = Callable[..., Any]


@pytest.fixture(autouse=True)
def _library_works_after() -> Iterator[None]:
    yield
    assert lj.jit(lj.grad(lambda x: x * x if x > 0 else x))(3.0) == 6.0


def fails(error: type[BaseException], text: str, f: Function, *args: Any, offset: int | None = None) -> None:
    """f(*args) fails so in every mode, and again in the next call; `offset` is the line within f."""
    where = "" if offset is None else rf"  \[.*{HERE}:{f.__code__.co_firstlineno + offset} in {re.escape(f.__name__)}\]"
    native = lj.jit(f)
    for run in (lambda *a: interpret(f, *a), native, native):
        with pytest.raises(error, match=text + where) as found:
            run(*args)
        assert found.type is error


# ---- indices
def element(a: Any, i: int) -> float:
    return a[i] * 2.0


def matrix_element(a: Any, i: int, j: int) -> float:
    return a[i, j]


def write(a: Any, i: int) -> float:
    a[i] = 1.0
    return a[0]


def in_a_loop(a: Any, n: int) -> float:
    s = 0.0
    for i in range(n):
        s = s + a[i] * a[i]
    return s


def in_a_while(a: Any, n: int) -> float:
    i = 0
    while a[i] > 0:
        i = i + 1
    return a[i] + n


def test_indices() -> None:
    a = np.ones(3)
    for i in (3, -4, 2**62, -(2**63)):
        fails(errors.ArrayIndexError, f"index {i} is out of bounds for axis 0 with size 3", element, a, i, offset=1)
        fails(errors.ArrayIndexError, f"index {i} is out of bounds for axis 0 with size 3", write, a, i, offset=1)
    fails(errors.ArrayIndexError, "index 3 is out of bounds for axis 0 with size 3", in_a_loop, a, 5, offset=3)
    fails(errors.ArrayIndexError, "index 3 is out of bounds for axis 0 with size 3", in_a_while, a, 5, offset=2)
    fails(errors.ArrayIndexError, "index 0 is out of bounds for axis 0 with size 0", element, np.ones(0), 0, offset=1)


@pytest.mark.parametrize(("i", "j", "bad", "axis", "size"), [(2, 0, 2, 0, 2), (0, 3, 3, 1, 3), (-3, 0, -3, 0, 2), (1, -4, -4, 1, 3)])
def test_axes(i: int, j: int, bad: int, axis: int, size: int) -> None:
    fails(errors.ArrayIndexError, f"index {bad} is out of bounds for axis {axis} with size {size}", matrix_element, np.ones((2, 3)), i, j)


@pytest.mark.parametrize("checkpoint", [None, "recursion", "replay", 2])
def test_indices_in_gradients(checkpoint: Any) -> None:
    for f, args in ((element, (3,)), (in_a_loop, (5,)), (in_a_while, (5,)), (write, (-9,))):
        for run in (lj.grad(f), lj.jit(lj.grad(f), checkpoint=checkpoint)):
            with pytest.raises(IndexError, match="is out of bounds for axis 0 with size 3"):
                run(np.ones(3), *args)


def test_an_index_error_is_an_index_error() -> None:
    with pytest.raises(IndexError, match="out of bounds"):
        lj.jit(element)(np.ones(2), 2)


BAD_INDICES: list[tuple[Function, str]] = [
    (lambda a: a[1.0], "array indices must be ints, not 1.0"),
    (lambda a: a[a[0]], "array indices must be ints, not a float"),
    (lambda a: a[0, 0], "too many indices for array: array is 1-dimensional, but 2 were indexed"),
    (lambda a: a["x"], "array indices must be ints, not 'x'"),
]


@pytest.mark.parametrize(("f", "text"), BAD_INDICES)
def test_indices_of_the_wrong_kind(f: Function, text: str) -> None:
    with pytest.raises(errors.ArrayIndexError, match=f"{text} .*{HERE}:{f.__code__.co_firstlineno} in "):
        lj.jit(f)(np.ones(3))


# ---- arithmetic
def floor_divides(x: int, y: int) -> int:
    return x // y


def modulo(x: int, y: int) -> int:
    return x % y


def both_at_once(x: int, y: int) -> Any:
    return divmod(x, y)


def int_power(x: int, n: int) -> int:
    return x**n


@pytest.mark.parametrize("f", [floor_divides, modulo, both_at_once])
def test_integer_division_by_zero(f: Function) -> None:
    for x in (0, 5, -(2**63)):
        fails(errors.ZeroDivideError, "integer division or modulo by zero", f, x, 0, offset=1)


def test_float_division_by_zero_is_numpys() -> None:
    assert lj.jit(floor_divides)(1.0, 0.0) == math.inf
    assert math.isnan(lj.jit(modulo)(1.0, 0.0))
    assert lj.jit(lambda x, y: x / y)(1, 0) == math.inf


def test_negative_powers() -> None:
    fails(errors.NegativePowerError, r"write float\(x\) \*\* n", int_power, 2, -1, offset=1)
    assert lj.jit(int_power)(2.0, -1) == 0.5


CONVERSIONS: list[Function] = [
    lambda x: int(x),
    lambda x: math.floor(x),
    lambda x: math.ceil(x),
    lambda x: round(x),
    lambda x: math.trunc(x),
]


@pytest.mark.parametrize("f", CONVERSIONS)
@pytest.mark.parametrize("x", [math.nan, math.inf, -math.inf, 1e19, -1e19, 2.0**63])
def test_conversions(f: Function, x: float) -> None:
    fails(errors.ConversionError, "cannot convert a float that is NaN, infinite or beyond 64 bits to int", f, x)


def test_the_range_of_conversions() -> None:
    assert lj.jit(lambda x: int(x))(float(2**63 - 1024)) == 2**63 - 1024


# ---- sizes
def fresh(n: int) -> Any:
    return np.zeros(n)


def local(n: int) -> float:
    return np.full((2, n), 3.0)[1, 0]


def test_negative_sizes() -> None:
    for n in (-1, -(2**40), -(2**63)):
        fails(errors.ArrayShapeError, f"an array size is negative or too large: {n}", fresh, n, offset=1)
        fails(errors.ArrayShapeError, f"an array size is negative or too large: {n}", local, n, offset=1)


@pytest.mark.parametrize("n", [10**15, 2**60])
@pytest.mark.parametrize("f", [fresh, local])
def test_sizes_beyond_memory(f: Function, n: int) -> None:
    with pytest.raises((errors.ArrayShapeError, errors.StackOverflowError), match=r"size|arrays of one call do not fit"):
        lj.jit(f)(n)
    with pytest.raises((errors.ArrayShapeError, errors.StackOverflowError)):
        lj.jit(lj.grad(lambda x, n: np.full(n, x)[0]))(1.0, n)


@pytest.mark.parametrize("n", [10**15, 2**60])
@pytest.mark.parametrize("f", [fresh, local])
def test_sizes_beyond_memory_on_the_interpreter(f: Function, n: int) -> None:
    with pytest.raises(lj.LanternError):
        interpret(f, n)


def test_the_line_of_a_bad_step() -> None:
    fails(errors.ArgumentTypeError, r"range\(\) step must not be zero", steps, 5, 0, offset=2)


def test_sizes_that_are_no_ints() -> None:
    with pytest.raises(errors.ArgumentTypeError, match="array sizes must be ints, not a float"):
        lj.jit(fresh)(2.0)


def steps(n: int, s: int) -> int:
    t = 0
    for i in range(0, n, s):
        t = t + i
    return t


def test_a_step_of_zero() -> None:
    fails(errors.ArgumentTypeError, r"range\(\) step must not be zero", steps, 5, 0)
    assert lj.jit(steps)(5, 2) == 6


# ---- assert and raise
class OwnError(Exception):
    pass


def asserts(x: float) -> float:
    assert x > 0, "x must be positive"
    return math.sqrt(x)


def asserts_silently(x: float) -> float:
    assert x > 0
    return x


def raises(x: float, n: int) -> float:
    for i in range(n):
        if x < i:
            raise OwnError("too small", 7)
        x = x - 0.5
    return x


def raises_class(x: float) -> float:
    if x < 0:
        raise KeyError
    else:
        return x * x


def test_assertions() -> None:
    fails(errors.StagedAssertionError, "x must be positive", asserts, -1.0, offset=1)
    fails(errors.StagedAssertionError, "assertion failed", asserts_silently, -1.0, offset=1)
    assert lj.jit(lj.grad(asserts))(4.0) == 0.25


@pytest.mark.parametrize("checkpoint", [None, "recursion", "replay", 2])
def test_the_users_own_exception_arrives(checkpoint: Any) -> None:
    runs = (raises, lj.jit(raises), lj.grad(raises), lj.jit(lj.grad(raises), checkpoint=checkpoint), lambda *a: interpret(raises, *a))
    seen = []
    for run in runs:
        with pytest.raises(OwnError, match="too small") as found:
            run(2.0, 9)
        assert found.value.args == ("too small", 7)
        seen.append(found.value)
    assert len({id(e) for e in seen}) == len(runs)
    assert lj.jit(lj.grad(raises))(2.0, 2) == 1.0


def test_exception_classes() -> None:
    with pytest.raises(KeyError):
        lj.jit(raises_class)(-1.0)
    with pytest.raises(KeyError):
        interpret(raises_class, -1.0)
    assert lj.jit(lj.grad(raises_class))(3.0) == 6.0


def test_a_raise_on_every_path_is_raised_at_once() -> None:
    def f(x: float) -> float:
        raise OwnError("not written yet")

    with pytest.raises(OwnError, match="not written yet"):
        lj.jit(f)(1.0)

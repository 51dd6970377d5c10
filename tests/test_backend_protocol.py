"""A back end of another kind, which prints C, is registered as any could be, and agrees with native code."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.backends import base

from .c_backend import CBackend, compiler
from .support import close

pytestmark = pytest.mark.skipif(compiler() is None, reason="there is no C compiler")


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    base.register(CBackend())
    yield
    del base.BACKENDS["c"]


def branch(x: float, y: float) -> float:
    if x > y:
        return x * y + 0.5
    if x < 0.0:
        return -x
    return x / y


def power(x: float, n: int) -> float:
    y = 1.0
    for _ in range(n):
        y = y * x
    return y


def swapped(a: float, b: float, n: int) -> tuple[float, float]:
    while n > 0:
        a, b, n = b, a + 0.25, n - 1
    return a, b


def fibonacci(n: int) -> int:
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def collatz(n: int) -> int:
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


def newton(x: float) -> float:
    y = x
    while abs(y * y - x) > 1e-12:
        y = 0.5 * (y + x / y)
    return y


def helper(x: float, k: float) -> tuple[float, bool]:
    return np.sin(x) * k, x > k


def calls(x: float) -> dict[str, Any]:
    a, flag = helper(x, 0.75)
    b, other = helper(a, -0.5)
    return {"sum": a + b, "flags": [flag, other, flag and other, flag or other]}


def remainders(a: int, b: int) -> tuple[int, int, int]:
    return a // b, a % b, (a * 7 - b) ** 3


def transcendental(x: float) -> float:
    return math.exp(-x) * np.cos(x) + np.sqrt(x) - np.tanh(x) + np.log(x + 1.0) + x**2.5


def nested(n: int) -> float:
    total = 0.0
    for i in range(n):
        for j in range(i):
            if (i + j) % 3 == 0:
                continue
            total += i / (j + 1.0)
    return total


def half(x: np.float32) -> Any:
    return x * np.float32(0.1) + np.sqrt(x)


def conversions(x: float, flag: bool) -> tuple[int, float, bool]:
    return int(x) + flag, round(x) * 1.0, not flag


PROGRAMS: list[tuple[Callable[..., Any], list[tuple[Any, ...]]]] = [
    (branch, [(3.0, 2.0), (-1.0, 2.0), (1.0, 2.0), (math.nan, 1.0), (1.0, 0.0)]),
    (power, [(1.5, 0), (1.5, 7), (-2.0, 3)]),
    (swapped, [(1.0, 2.0, 0), (1.0, 2.0, 5)]),
    (fibonacci, [(0,), (15,)]),
    (collatz, [(1,), (27,)]),
    (newton, [(2.0,), (81.0,)]),
    (calls, [(0.3,), (1.4,)]),
    (remainders, [(7, 3), (-7, 3), (7, -3), (-(2**62), -1)]),
    (transcendental, [(0.5,), (3.0,)]),
    (nested, [(0,), (12,)]),
    (half, [(np.float32(0.3),), (np.float32(1e30),)]),
    (conversions, [(2.5, True), (-3.7, False)]),
]


@pytest.mark.parametrize(("f", "samples"), PROGRAMS, ids=lambda x: getattr(x, "__name__", ""))
def test_programs_agree_with_native_code(f: Callable[..., Any], samples: list[tuple[Any, ...]]) -> None:
    c, native = lj.jit(f, backend="c"), lj.jit(f)
    for args in samples:
        found, expected = c(*args), native(*args)
        close(found, expected, 1e-14, 0.0, f"{f.__name__}{args}")
        assert type(found) is type(expected)
    assert [row.calls for row in c.specialisations] == [len(samples)]


def test_loops_and_calls_are_those_of_c() -> None:
    assert "goto b_" in lj.jit(newton, backend="c").inspect(2.0).text("c")
    assert "if (f_fibonacci" in lj.jit(fibonacci, backend="c").inspect(5).text("c")


def test_faults_have_their_place() -> None:
    def divides(a: int, b: int) -> int:
        return a // b

    def asserts(x: float) -> float:
        assert x > 0.0, "positive"
        return x

    messages = []
    for backend in ("c", "llvm", "python"):
        with pytest.raises(ZeroDivisionError) as divided:
            lj.jit(divides, backend=backend)(1, 0)
        with pytest.raises(AssertionError) as asserted:
            lj.jit(asserts, backend=backend)(-1.0)
        messages.append((str(divided.value), str(asserted.value)))
    assert messages == [messages[0]] * 3


def test_what_it_has_not_is_refused() -> None:
    with pytest.raises(lj.errors.UnsupportedOperationError, match="use scalars"):
        lj.jit(lambda x: x + 1.0, backend="c")(np.ones(2))
    with pytest.raises(lj.errors.UnsupportedOperationError, match=r"has no `pullback`"):
        lj.jit(lj.grad(lambda x: x * x), backend="c")(2.0)
    f = lj.jit(lambda x: x * x, backend="c")
    with pytest.raises(lj.errors.CompilationError, match="a function for C is native code"):
        f.ctypes(2.0)
    with pytest.raises(lj.errors.CompilationError, match="there is no stage 'llvm' here, where there are graph, c"):
        _ = f.inspect(2.0).llvm


def test_a_name_that_nobody_has() -> None:
    with pytest.raises(ValueError, match="backend='fortran': there is no such back end, use one of llvm, python, c"):
        lj.jit(branch, backend="fortran")


def test_the_interpreter_is_a_back_end_like_others() -> None:
    def writes(x: Any, n: int) -> Any:
        x[0] = np.sum(x) * n
        return x + lj.grad(lambda y: np.sum(y * y))(x)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        here = [lj.jit(writes, backend=name) for name in ("python", "llvm")]
    args = [np.arange(3.0), np.arange(3.0)]
    found, expected = (f(x, 2) for f, x in zip(here, args, strict=True))
    close(found, expected)
    close(args[0], args[1], 0.0, 0.0)
    assert args[0][0] == 6.0

"""What is used seldom: options of NumPy's functions and forms of Python, with their values and derivatives, or NumPy's own words where they fail."""

from __future__ import annotations

import collections
import functools
import itertools
import math
import statistics
from collections.abc import Callable
from dataclasses import InitVar, dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors

from .support import both, check, close

Function = Callable[..., Any]


# ---- arrays
def linspace_with_its_step(x: float, n: int) -> Any:
    y, step = np.linspace(0, x, 5, retstep=True)
    return y.sum() * step


def turned(x: float, n: int) -> Any:
    a = np.arange(4.0).reshape(2, 2) * x
    return np.rot90(a, 2)[0, 0] + 2 * np.rot90(a, 0)[0, 1] + 3 * np.transpose(x) * np.squeeze(x) + np.flip(np.median(x))


def powers(x: float, n: int) -> Any:
    a = np.array([[x, 1.0], [0.5, 2.0]])
    return np.linalg.matrix_power(a, -2).sum() + np.linalg.matrix_power(a, 0).sum() * x


def norms(x: float, n: int) -> Any:
    return np.linalg.norm(np.arange(3) * x, 0) + np.linalg.norm(x) + np.linalg.norm(np.arange(3) * x, 3)


def grids(x: float, n: int) -> Any:
    a, b = np.meshgrid(np.ones(2) * x, np.ones(3), indexing="ij")
    return (a * b).sum() + np.meshgrid(np.ones(3) * x)[0].sum()


def steps(x: float, n: int) -> Any:
    return (np.arange(n, 0, -1).sum() + np.arange(0, 3 * n, n).sum() + np.arange(3 * n, 0, -n).sum()) * x


def counted(x: float, n: int) -> Any:
    return np.repeat(np.arange(3) * x, [1, 2, 3]).sum() + np.array([x, x * x], ndmin=2)[0, 1] + np.tril(np.arange(3) * x).sum()


def joined(x: float, n: int) -> Any:
    return np.concatenate(np.ones((2, 3)) * x).sum() * np.concatenate(np.ones((2, 3)) * x, axis=None)[4]


def added_at_a_place(x: float, n: int) -> Any:
    a = np.zeros((3, 3))
    np.add.at(a, (1, 1), x * x)
    return a[1, 1] + (1.0 if np.array_equal(a, np.ones((3, 4))) else 2.0)


def of_iterables(x: float, n: int) -> Any:
    return np.sin(range(n)).sum() * x + np.sum(range(n)) * x + np.array(range(n))[-1] * x


WEIGHTS = np.array([1j, 2.0, 3.0, 4.0])


def complex_numbers(x: float, n: int) -> Any:
    z = np.fft.fft(np.arange(4) * x + 1)
    w = (1.0 - z) / 2.0 - z
    return np.abs((-w) ** 2).sum() + np.abs(1.0 / (z + 1.0)).sum() + np.abs(z / np.array(2.0)).sum()


# ---- Python
def ranges(x: float, n: int) -> Any:
    s = 0.0
    for i in range(n)[1:-1:2]:
        s += i * x
    return s + range(2, n)[n - 4] * x + len(range(n)) * x * x


def chained(x: float, n: int) -> Any:
    s = sum(itertools.chain([x], [2 * x * x]))
    for v in itertools.chain.from_iterable(np.ones((2, 3)) * x):
        s += v
    for v in itertools.chain.from_iterable([np.ones(2) * x, range(n)]):
        s += v * x
    return s


def iterators(x: float, n: int) -> Any:
    s = sum(itertools.islice((x * i for i in range(n)), 2, n)) + sum(itertools.islice(np.ones(n) * x, n // 2, n))
    for i, v in zip(itertools.count(0.5, 0.5), np.ones(4) * x, strict=False):
        s += i * v
    for v, y in zip(np.ones(n), itertools.count(x), strict=False):
        s += y * v
    for _, b in itertools.product("ab", [1, 2]):
        s += b * x
    for _, b in itertools.zip_longest("ab", [1]):
        s += x * (b or 5)
    return s + sum((b - a) * x for a, b in itertools.pairwise([1, 4, 9])) + sum(itertools.repeat(x, n))


def folds(x: float, n: int) -> Any:
    return math.fsum([1.0, 2.0]) * x + statistics.mean([1.0, 2.0]) * x + max((v for v in range(0)), default=x)


def spreads(x: float, n: int) -> Any:
    few = [x, x * x, 0.3]
    s = statistics.stdev(few) + statistics.pvariance(few, 0.5) * statistics.variance(v * v for v in np.arange(n) * x)
    return s + statistics.pstdev([np.sin(x * i) for i in range(n)])


def named_in_a_condition(x: float, n: int) -> Any:
    if x > 0 and (y := x * 2) > 1:
        return y * x
    if x < -5 or (z := x * 3) < -1:
        return x
    return z


def named_in_a_loop(x: float, n: int) -> Any:
    s = 0.0
    while s < 10 and (t := s + x) < 8:
        s = t * 1.5
    return s


def two_names_of_one_list(x: float, n: int) -> Any:
    a = [x, 1.0]
    b, t = a, 0.0
    for _ in range(n):
        b[1] += a[0]
        t += b[1]
        a[0] *= 0.9
    return t + b[0]


def deleted(x: float, n: int) -> Any:
    xs, d = [x, 2 * x, 3 * x, 4 * x], {"a": x, "b": x * x}
    del xs[1]
    del xs[2:]
    del d["a"]
    return sum(xs) * sum(d.values())


def told_by_a_queue(x: float, n: int) -> Any:
    d = collections.deque([x, 1.0], 3)
    if x > 1:
        d.append(2 * x)
    else:
        d.append(3 * x)
    return d[2] * d[0]


def assigned_by_an_inner_function(x: float, n: int) -> Any:
    s = 0.0

    def add(v: float) -> float:
        nonlocal s
        s += v
        return v * v

    t = 0.0
    for i in range(n):
        t += add(x * i)
    y = add(x) if x > 1 else 0.0
    return s + t + y


def of_later_names(x: float, n: int) -> Any:
    def h() -> Any:
        return late * x

    late = 2.0 * x
    return h()


class Vector:
    def __init__(self, v: Any) -> None:
        self.v = v

    def __add__(self, other: Vector) -> Vector:
        return Vector(self.v + other.v)


class Other(Vector):
    def __radd__(self, other: Vector) -> Vector:
        return Vector(self.v + 10 * other.v)


@dataclass
class Scaled:
    by: InitVar[float]
    kind: ClassVar[int] = 3
    a: float = 1.0

    def __post_init__(self, by: float) -> None:
        self.a = self.a * by


def of_classes(x: float, n: int) -> Any:
    left: Any = Vector(x)
    return (left + Other(2 * x)).v + Scaled(x, 2.0).a * Scaled.kind + getattr(left, "missing", x)


PROGRAMS = [linspace_with_its_step, turned, powers, norms, grids, steps, counted, joined, added_at_a_place, of_iterables, complex_numbers, ranges,
            chained, iterators, folds, spreads, named_in_a_condition, named_in_a_loop, two_names_of_one_list, deleted, told_by_a_queue,
            assigned_by_an_inner_function, of_later_names, of_classes]  # fmt: skip


@pytest.mark.parametrize("f", PROGRAMS)
def test_values_and_derivatives(f: Function) -> None:
    check(f, (1.5, 9), (0.7, 30))


def test_texts() -> None:
    def f(x: float, n: int) -> Any:
        line = str(x) + " %s"
        return [line % n, str(n) * 2, "a" + str(x), ",".join(str(v) for v in (x, n)), str(x).upper(), repr(n)]

    for found in both(f, 1.5, 3).values():
        assert found == f(1.5, 3)


# ---- what NumPy and Python say
def of_array(f: Function) -> Function:
    return lambda x, n: f(np.ones(3) * x)


FAILING: dict[str, tuple[type[Exception], Function]] = {
    "need at least one array": (ValueError, lambda x, n: np.concatenate([])),
    "zero-dimensional arrays cannot be concatenated": (ValueError, lambda x, n: np.concatenate([x, x])),
    "zero-dimensional arrays": (ValueError, of_array(np.concatenate)),
    "equal division": (ValueError, lambda x, n: np.split(np.ones(5) * x, 2)),
    "Input must be 1- or 2-d": (ValueError, lambda x, n: np.diag(np.ones((2, 2, 2)) * x)),
    "at least two dimensions": (ValueError, of_array(np.diagonal)),
    "too small depth": (ValueError, lambda x, n: np.searchsorted(x, 1.0)),
    "Improper number of dimensions": (ValueError, lambda x, n: np.linalg.norm(np.ones((2, 2, 2)) * x, 1)),
    "matri|two-dimensional": (np.linalg.LinAlgError, lambda x, n: np.linalg.lstsq(np.ones(3) * x, np.ones(3))),
    "does not have enough dimensions": (ValueError, lambda x, n: np.matmul(x, np.ones(3))),
    "clipmode must be one of": (ValueError, of_array(lambda a: np.take(a, [1], mode="bogus"))),
    "must have the same number of dimensions": (
        ValueError,
        lambda x, n: np.take_along_axis(np.ones((3, 2)) * x, np.array([0, 1]), 0),
    ),
    "does not have an identity": (ValueError, of_array(lambda a: np.max(a, where=np.ones(3) > 0))),
    "inhomogeneous": (ValueError, lambda x, n: np.array([np.ones(2) * x, x])),
    "step must not be zero|division by zero": (ZeroDivisionError, lambda x, n: np.arange(n, 0, 0) * x),
    "single ellipsis": (IndexError, of_array(lambda a: a[..., 0, ...])),
    "index 3 is out of bounds": (IndexError, of_array(lambda a: a[3])),
    "slice step cannot be zero": (ValueError, of_array(lambda a: a[::0])),
    "slice indices must be integers": (TypeError, of_array(lambda a: a[1.0:])),
    "number of arguments": (TypeError, lambda x, n: np.gradient(np.ones((3, 3)) * x, 1.0, 2.0, 3.0)),
    "too small to calculate": (ValueError, lambda x, n: np.gradient(np.ones(1) * x)),
    "'valid', 'same', or 'full'": (ValueError, of_array(lambda a: np.convolve(a, np.ones(2), mode="bogus"))),
    "not iterable": (TypeError, lambda x, n: max(x)),
    "arg is an empty sequence": (ValueError, lambda x, n: max([])),
    "arg 3 must not be zero": (ValueError, lambda x, n: [x for _ in range(0, n, 0)]),
    "no len": (TypeError, lambda x, n: len(map(abs, range(n)))),  # type: ignore[arg-type]
    "not subscriptable": (TypeError, lambda x, n: enumerate(range(n))[0]),  # type: ignore[index]
    "at least two data points": (statistics.StatisticsError, lambda x, n: statistics.stdev([x])),
    "empty iterable": (TypeError, lambda x, n: functools.reduce(lambda a, b: a + b, [])),
    "no attribute": (AttributeError, lambda x, n: Vector(x).missing),  # type: ignore[attr-defined]
    "unsupported operand": (TypeError, lambda x, n: Vector(x) * Vector(x)),  # type: ignore[operator]
}


@pytest.mark.parametrize("words", FAILING)
def test_an_error_is_numpys_or_pythons(words: str) -> None:
    error, f = FAILING[words]
    for run in (f, lj.jit(f)):
        with pytest.raises(error, match=words):
            run(1.5, 70)


REFUSED: dict[str, Function] = {
    "hermitian=True": lambda x, n: np.linalg.svd(np.eye(2) * x, hermitian=True),
    "mode='raw'": lambda x, n: np.linalg.qr(np.ones((2, 3)) * x, mode="raw"),
    "ord=3": lambda x, n: np.linalg.norm(np.ones((2, 2)) * x, 3),
    "an SVD of complex matrices with full_matrices=True": lambda x, n: np.linalg.svd(np.ones((2, 3)) * x * 1j),
    "a complete QR of complex matrices": lambda x, n: np.linalg.qr(np.ones((3, 2)) * x * 1j, mode="complete"),
    "takes floats": lambda x, n: statistics.mean([n, n + 1]),
    "takes floats: use np.var": lambda x, n: statistics.stdev([n, n + 1]),
    "give the class a __repr__": lambda x, n: f"{Vector(x)}",
}


@pytest.mark.parametrize("words", REFUSED)
def test_an_option_is_refused_by_name(words: str) -> None:
    with pytest.raises(errors.UnsupportedOperationError, match=words):
        lj.jit(REFUSED[words])(1.5, 70)


def test_what_has_no_values_yet() -> None:
    asked: dict[str, Function] = {
        "truth value of an array": of_array(lambda a: 1.0 if np.fft.fft(a) else 2.0),
        "has no values yet": of_array(lambda a: np.fft.fft(a).__array__()),
        "needs its characters": lambda x, n: str(x).split("."),
        "needs to know which": lambda x, n: functools.reduce(lambda a, b: a + b, filter(lambda v: v > x, np.arange(n) * 1.0)),
    }
    for words, f in asked.items():
        with pytest.raises(errors.TracedConditionError, match=words):
            lj.jit(f)(1.5, 70)


def test_complex_numbers_are_compared_element_by_element() -> None:
    def f(x: float) -> Any:
        z = np.fft.fft(np.array([x, x, x, x]))  # exact, of four
        w = np.where(z == 6.0, x, z.real)
        return [(z == 0).sum(), (z != 0).sum(), (z != z + 1).sum(), np.equal(z, z).all(), z[0] == 6.0, z[1] != 0j, w[0]]

    for x in (1.5, 2.0):
        close(both(f, x), dict.fromkeys(("interpreter", "native"), f(x)))

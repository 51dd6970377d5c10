"""Every row of the array API against NumPy: values, dtypes and shapes, in both back ends; derivatives of order 1 and 2 against
finite differences."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.ir.numpy.registry import Entry, every

from .array_rows import ROWS, Row
from .name_calls import called
from .science import CASES
from .support import first, interpret

SOLVERS = {f"optimize.{name}" for name in ("brentq", "brenth", "bisect", "ridder", "newton")}  # test_roots.py
SEEN_ELSEWHERE = {"integrate.solve_ivp", "integrate.odeint", *SOLVERS}  # test_initial_values.py

IDS = [r.name for r in ROWS]


def flat(value: Any) -> list[Any]:
    """The leaves of nested tuples and lists."""
    if isinstance(value, (tuple, list)):
        return [y for x in value for y in flat(x)]
    return [value]


def arguments(row: Row, seed: int = 0) -> tuple[Any, ...]:
    return row.args(np.random.default_rng(seed))


def agree(actual: Any, expected: Any, rtol: float) -> None:
    got, wanted = flat(tuple(actual) if isinstance(actual, tuple) else actual), flat(expected)
    assert len(got) == len(wanted)
    for x, y in zip(got, wanted, strict=True):
        assert np.shape(x) == np.shape(y)
        if np.ndim(y):
            assert np.asarray(x).dtype == np.asarray(y).dtype
        np.testing.assert_allclose(np.asarray(x, float), np.asarray(y, float), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_values(row: Row) -> None:
    args = arguments(row)
    expected = row.f(*args)
    agree(lj.jit(row.f)(*args), expected, row.rtol)
    agree(interpret(row.f, *args), expected, row.rtol)


@pytest.mark.parametrize("row", first(60, [r for r in ROWS if r.singles]), ids=[r.name for r in ROWS if r.singles])
def test_values_in_single_precision(row: Row) -> None:
    args = tuple(a.astype(np.float32) if isinstance(a, np.ndarray) and a.dtype == float else a for a in arguments(row))
    expected = row.f(*args)
    agree(lj.jit(row.f)(*args), expected, 2e-4)


def weighted(row: Row, args: tuple[Any, ...]) -> Any:
    """The row's float results as one number: a sum with fixed weights."""
    results = [np.asarray(x) for x in flat(row.f(*args))]
    g = np.random.default_rng(5)
    weights = [g.normal(size=x.shape) if x.dtype.kind == "f" else None for x in results]

    def f(*xs: Any) -> Any:
        total = 0.0
        for w, y in zip(weights, flat(row.f(*xs)), strict=True):
            if w is not None:
                total = total + np.sum(w * y)
        return total

    return f


def directions(args: tuple[Any, ...], seed: int) -> tuple[Any, ...]:
    g = np.random.default_rng(seed)
    return tuple(g.normal(size=a.shape) if isinstance(a, np.ndarray) and a.dtype == float else None for a in args)


def moved(args: tuple[Any, ...], d: tuple[Any, ...], h: float) -> tuple[Any, ...]:
    return tuple(a if t is None else a + h * t for a, t in zip(args, d, strict=True))


SMOOTH = [r for r in ROWS if r.smooth]


@pytest.mark.parametrize("row", SMOOTH, ids=[r.name for r in SMOOTH])
def test_gradients(row: Row) -> None:
    args = arguments(row)
    f = weighted(row, args)
    nums = tuple(i for i, a in enumerate(args) if isinstance(a, np.ndarray) and a.dtype == float)
    g = lj.grad(f, nums)
    native, slow = lj.jit(g)(*args), g(*args)
    for x, y, i in zip(native, slow, nums, strict=True):
        assert x.shape == args[i].shape
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9)
    for seed in (1, 2):
        d = directions(args, seed)
        h = 1e-6
        expected = (f(*moved(args, d, h)) - f(*moved(args, d, -h))) / (2 * h)
        actual = sum(np.sum(x * d[i]) for x, i in zip(native, nums, strict=True))
        np.testing.assert_allclose(actual, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("row", SMOOTH, ids=[r.name for r in SMOOTH])
def test_second_derivatives(row: Row) -> None:
    args = arguments(row)
    f = weighted(row, args)
    nums = tuple(i for i, a in enumerate(args) if isinstance(a, np.ndarray) and a.dtype == float)
    g = lj.jit(lj.grad(f, nums))
    d = directions(args, 3)

    def slope(*xs: Any) -> Any:
        return sum(np.sum(x * d[i]) for x, i in zip(lj.grad(f, nums)(*xs), nums, strict=True))

    second = lj.jit(lj.grad(slope, nums))(*args)
    h = 1e-6
    up, down = g(*moved(args, d, h)), g(*moved(args, d, -h))
    for x, a, b in zip(second, up, down, strict=True):
        expected = (np.asarray(a) - np.asarray(b)) / (2 * h)
        np.testing.assert_allclose(x, expected, rtol=1e-5, atol=2e-5)


def words(entry: Entry) -> set[str]:
    """What a row says that covers a function."""
    part, _, name = entry.name.rpartition(".")
    head = {"np": "", "ndarray": ""}.get(part, part.partition(".")[2] + ".")
    return (
        {f"{head}{name}", f".{name}"}
        | ({f"create:{name}"} if entry.creates else set())
        | ({f"ufunc:{name}"} if part != "ndarray" else set())
    )


def test_every_function_has_a_row() -> None:
    names = {word for r in [*ROWS, *CASES] for word in r.covers.split()} | {name.removeprefix("np.") for name in called()}
    covered = names | SEEN_ELSEWHERE
    shown = (e for e in every().values() if not e.refused and not e.name.startswith("operator.") and "questions" not in e.fn.__module__)
    here = Path(__file__).parent
    theirs = {f"scipy.{part}.{w}" for part in ("special", "stats") for w in re.findall(r"\w+", (here / f"test_{part}.py").read_text())}
    shown = (e for e in shown if e.name not in theirs)
    assert not [e.name for e in shown if not words(e) & covered]  # operators are in test_scalars.py, questions in test_type_questions.py

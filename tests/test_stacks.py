"""Stacks of matrices whose axes are 1 broadcast in products, Einstein sums and solutions as in NumPy."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import both, close, numeric_gradient

RNG = np.random.default_rng(0)


def some(*shape: int) -> Any:
    return RNG.normal(size=shape)


def definite(*shape: int) -> Any:
    m = some(*shape)
    return m @ np.swapaxes(m, -1, -2) + 3 * np.eye(shape[-1])


CASES: dict[str, tuple[Callable[..., Any], Any, Any]] = {
    "first of 1": (lambda a, b: a @ b, some(1, 2, 2), some(3, 2, 2)),
    "second of 1": (lambda a, b: a @ b, some(3, 2, 4), some(1, 4, 2)),
    "crossed": (np.matmul, some(1, 3, 2, 4), some(5, 1, 4, 2)),
    "transposed": (lambda a, b: np.swapaxes(a, -1, -2) @ b, some(1, 4, 2), some(3, 4, 2)),
    "transposed second": (lambda a, b: a @ np.swapaxes(b, -1, -2), some(3, 2, 4), some(1, 2, 4)),
    "einsum": (lambda a, b: np.einsum("bij,bjk->bik", a, b), some(1, 2, 2), some(3, 2, 2)),
    "einsum with dots": (lambda a, b: np.einsum("...ij,...jk->...ik", a, b), some(3, 2, 2), some(1, 2, 2)),
    "vecdot": (np.vecdot, some(1, 4), some(3, 4)),
    "solve": (np.linalg.solve, definite(1, 2, 2), some(3, 2, 2)),
    "solve one": (np.linalg.solve, definite(3, 2, 2), some(1, 2, 2)),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name: str) -> None:
    f, a, b = CASES[name]

    def squares(a: Any, b: Any) -> Any:
        return np.sum(f(a, b) ** 2)

    for mode, found in both(f, a, b).items():
        close(found, f(a, b), 1e-12, 1e-12, mode)
    for mode, found in both(lj.grad(squares, (0, 1)), a, b).items():
        close(found, numeric_gradient(squares, (a, b), (0, 1)), 1e-7, 1e-7, mode)


def test_stacks_of_integers() -> None:
    a, b = np.arange(4).reshape(1, 2, 2), np.arange(12).reshape(3, 2, 2)
    for found in both(lambda a, b: a @ b, a, b).values():
        np.testing.assert_array_equal(found, a @ b)


def count_down(n: int) -> int:
    return 0 if n < 0 else 1 + count_down(n - 1) + 0 * count_down(-1)


def test_a_call_that_may_have_less_says_how_deep_it_got() -> None:
    with pytest.raises(lj.errors.StackOverflowError) as found:
        lj.jit(count_down, memory=2**20)(10**7)
    text = str(found.value)
    calls, each = map(
        int, re.search(r"the native stack of 1 MiB ended in `count_down` after about (\d+) nested calls of (\d+) bytes each", text).groups()
    )  # type: ignore[union-attr]
    assert 2**19 < calls * each <= 2**20 + 2**16
    assert "jit(f, memory=...) sets how much that is" in text

"""Every loop policy gives the same gradient: the programs of the other tests under each choice of `checkpoint`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from . import test_array_gradients, test_branches, test_loops, test_recursion
from .support import Function, close

POLICIES: list[Any] = ["recursion", "replay", 1, 2, 5]


def _nums(args: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(i for i, a in enumerate(args) if isinstance(a, (float, np.ndarray)))


CASES: list[tuple[Function, list[tuple[Any, ...]], tuple[int, ...]]] = [
    *((f, points, _nums(points[0])) for f, points in test_loops.PROGRAMS),
    *((f, points, _nums(points[0])) for f, points in test_recursion.POINTS),
    *((f, points, _nums(points[0])) for f, points in test_branches.PROGRAMS[-2:]),
    *test_array_gradients.PROGRAMS,
]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("f", "points", "nums"), CASES, ids=[f.__name__ for f, _, _ in CASES])
def test_gradient(f: Function, points: list[tuple[Any, ...]], nums: tuple[int, ...], policy: Any) -> None:
    gradient = lj.value_and_grad(f, nums)
    compiled = lj.jit(gradient, checkpoint=policy)
    for args in points:
        close(compiled(*args), gradient(*args), 1e-10, 1e-10, f"checkpoint={policy!r} at {args}")


SECOND = [c for c in CASES if c[0].__name__ in ("for_range", "newton", "prefix_products", "log_determinant", "carries_cross")]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("f", "points", "nums"), SECOND, ids=[f.__name__ for f, _, _ in SECOND])
def test_hessian_product(f: Function, points: list[tuple[Any, ...]], nums: tuple[int, ...], policy: Any) -> None:
    def product(x: Any, *rest: Any) -> Any:
        return lj.jvp(lj.grad(lambda v: f(v, *rest)), (x,), (x,))[1]

    interpreted = lj.value_and_grad(lambda x, *rest: lj.jvp(lambda v: f(v, *rest), (x,), (x,))[1])
    for args in points:
        close(lj.jit(product, checkpoint=policy)(*args), lj.jit(product)(*args), 1e-10, 1e-10, f"checkpoint={policy!r}")
        close(lj.jit(interpreted, checkpoint=policy)(*args), interpreted(*args), 1e-9, 1e-9, f"checkpoint={policy!r}")


def long_loop(x: float, n: int) -> float:
    s = x
    for _ in range(n):
        s = s * 0.999 + 0.001 * x * s * s
    return s


@pytest.mark.parametrize("policy", [None, "recursion", "replay", 64, 1000])
def test_a_long_loop(policy: Any) -> None:
    gradient = lj.jit(lj.grad(long_loop), checkpoint=policy)
    close(gradient(0.5, 20_000), lj.jit(forward)(0.5, 20_000), 1e-9)


def forward(x: float, n: int) -> float:
    return lj.jvp(lambda v: long_loop(v, n), (x,), (1.0,))[1]


@pytest.mark.parametrize("bad", ["no", 0, -3, True, 2.5])
def test_a_bad_policy_is_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match='give None, "recursion", "replay" or a positive chunk length'):
        lj.jit(long_loop, checkpoint=bad)

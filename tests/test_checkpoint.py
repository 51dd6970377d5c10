"""Every loop policy gives the same gradient: the programs of the other tests under each choice of `checkpoint`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from . import test_array_gradients, test_loops, test_recursion
from .support import Function, close

POLICIES: list[Any] = ["recursion", "replay", 2, "sqrt", "log"]


def _nums(args: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(i for i, a in enumerate(args) if isinstance(a, (float, np.ndarray)))


NAMES = {
    "newton", "while_break_continue", "while_true", "for_steps", "return_from_nested_loops", "triple_nest", "carries_cross",
    "sum_of_primes", "recursion_in_loop", "loop_in_recursion", "prefix_products", "write_in_branches", "break_between_writes",
    "swap_arrays", "local_in_loop", "replaced_in_loop", "log_determinant", "soft_edit_distance", "cube", "by_elements",
}  # fmt: skip
ALL: list[tuple[Function, list[tuple[Any, ...]], tuple[int, ...]]] = [
    *((f, points, _nums(points[0])) for f, points in (*test_loops.PROGRAMS, *test_recursion.POINTS)),
    *test_array_gradients.PROGRAMS,
]
CASES = [case for case in ALL if case[0].__name__ in NAMES]


def test_the_programs_are_there() -> None:
    assert {f.__name__ for f, _, _ in CASES} == NAMES


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("f", "points", "nums"), CASES, ids=[f.__name__ for f, _, _ in CASES])
def test_gradient(f: Function, points: list[tuple[Any, ...]], nums: tuple[int, ...], policy: Any) -> None:
    gradient = lj.value_and_grad(f, nums)
    compiled = lj.jit(gradient, checkpoint=policy)
    for args in points:
        close(compiled(*args), gradient(*args), 1e-10, 1e-10, f"checkpoint={policy!r} at {args}")


SECOND = [c for c in CASES if c[0].__name__ in ("newton", "prefix_products", "carries_cross")]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("f", "points", "nums"), SECOND, ids=[f.__name__ for f, _, _ in SECOND])
def test_hessian_product(f: Function, points: list[tuple[Any, ...]], nums: tuple[int, ...], policy: Any) -> None:
    def product(x: Any, *rest: Any) -> Any:
        return lj.jvp(lj.grad(lambda v: f(v, *rest)), (x,), (x,))[1]

    expected = lj.jit(product)
    for args in points:
        close(lj.jit(product, checkpoint=policy)(*args), expected(*args), 1e-10, 1e-10, f"checkpoint={policy!r}")


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
    with pytest.raises(ValueError, match='give None, "recursion", "replay", "sqrt", "log" or a positive chunk length'):
        lj.jit(long_loop, checkpoint=bad)

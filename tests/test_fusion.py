"""What the compiler makes of whole-array code: kernels, arrays, copies and calls are counted, nothing is timed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special

import lantern_jit as lj
from lantern_jit.ir.passes.bodies import Body

from .support import both, close

X = np.linspace(0.1, 0.9, 50)


def kernels(f: Callable[..., Any], *args: Any) -> list[str]:
    """The kernels of the graph, as text."""
    return [line for line in lj.jit(f).inspect(*args).graph.splitlines() if " kernel(" in line or line.strip().startswith("kernel(")]


def count(text: str, what: str) -> int:
    return len(re.findall(what, text))


def test_a_chain_that_ends_in_a_sum_is_one_kernel_without_an_array() -> None:
    f = lambda x: np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)  # noqa: E731
    assert len(kernels(f, X)) == 1
    assert count(lj.jit(f).inspect(X).llvm, r"call ptr @lantern\.alloc\(") == 0
    assert lj.jit(f).inspect(X).memory.arrays == 0


def test_broadcasting_and_two_axes() -> None:
    f = lambda x, y: np.sum(np.exp(-((x[:, None] - y[None, :]) ** 2)), axis=1)  # noqa: E731
    assert len(kernels(f, X, X)) == 1


def test_an_array_that_two_kernels_read_is_made_once_on_the_way() -> None:
    f = lambda x: np.sum(np.exp(x) / np.sum(np.exp(x)))  # noqa: E731

    def once(x: Any) -> Any:
        e = np.exp(x)
        return np.sum((e / np.sum(e)) ** 2)

    found = kernels(once, X)
    assert len(found) == 2
    assert "results=(('sum',), ('map',))" in found[0]
    assert len(kernels(f, X)) == 2


def test_cheap_arrays_are_computed_again_and_dear_ones_are_not_where_they_repeat() -> None:
    assert len(kernels(lambda x: np.sum((2.0 * x)[:, None] * x[None, :]), X)) == 1
    assert len(kernels(lambda x: np.sum(np.exp(x)[:, None] * x[None, :]), X)) == 2


def test_a_write_between_keeps_them_apart() -> None:
    def f(x: Any) -> Any:
        a = x * 1.0
        y = np.sin(a)
        a[0] = 2.0
        return np.sum(y * a)

    first, second = kernels(f, X)
    assert "('sum',)" not in first
    assert "sin" not in second


def test_the_gradient_of_a_sum_writes_its_array_once() -> None:
    """No zeros first, and the scalar function runs once more at most."""
    llvm = lj.jit(lj.grad(lambda x: np.sum(np.sin(x) * x))).inspect(X).llvm.split("define ptr @call")[0]
    assert count(llvm, r"call void @llvm\.memset") == 0
    assert count(llvm, r"call double @maths\.sin\.f64\(") == 1
    lse = lj.jit(lj.grad(lambda x: scipy.special.logsumexp(x))).inspect(X).llvm
    assert count(lse, r"call double @maths\.exp\.f64\(") == 1  # the derivative is kept where the adjoint will be


def test_powers_are_kept() -> None:
    llvm = lj.jit(lj.grad(lambda a, x: np.sum((x[:, None] ** np.arange(4)) @ a))).inspect(np.ones(4), X).llvm
    assert count(llvm, r"call double @maths\.pow\.f64\(") == 1


def test_reading_at_two_places_goes_through_buffers() -> None:
    llvm = lj.jit(lj.grad(lambda x: np.sum(x[1:] * x[:-1]))).inspect(X).llvm
    assert count(llvm, r"alloca \[256 x double\]") == 2


def test_kernels_are_functions_whose_pointers_are_apart() -> None:
    llvm = lj.jit(lj.grad(lambda x, y: np.sum(np.cumsum(np.tanh(x) * y)), (0, 1))).inspect(X, X).llvm
    heads = re.findall(r"define internal .* @kernel\.\d+\.[\w.]+\.each\((.*)\)", llvm)
    assert heads
    assert all(part.count("noalias") == part.count("ptr") for part in heads[0].split(", ") if "ptr" in part)


def test_small_products_are_loops_and_large_ones_call_blas() -> None:
    llvm = lj.jit(lambda a, b: a @ b).inspect(np.ones((3, 3)), np.ones((3, 3))).llvm
    assert "icmp sle i64" in llvm
    assert "@lantern_scipy_dgemm" in llvm
    assert "dgemm" not in lj.jit(lambda a, b: a @ b).inspect(np.ones((3, 3)), np.ones(3)).llvm


def test_transposed_factors_are_not_copied() -> None:
    assert not kernels(lambda a, b: a.T @ b, np.ones((3, 4)), np.ones((3, 5)))
    assert len(kernels(lambda a, b: a[:, ::2] @ b, np.ones((3, 4)), np.ones((2, 5)))) == 1


def test_an_array_written_from_end_to_end_is_not_filled() -> None:
    def f(x: Any) -> Any:
        d = np.empty_like(x)
        d[0] = x[0]
        d[1:] = x[:-1]
        return d

    assert "fill=False" in lj.jit(f).inspect(X).graph
    assert "fill=False" in lj.jit(lambda x: np.concatenate([x, x[1:]])).inspect(X).graph


def test_writes_are_undone_only_where_somebody_reads_the_old_values() -> None:
    def linear(x: Any, n: int) -> Any:
        y = np.zeros_like(x)
        for _ in range(n):
            y += x
        return np.sum(y)

    def product(x: Any, n: int) -> Any:
        y = np.ones_like(x)
        for _ in range(n):
            y *= x
        return np.sum(y)

    assert count(lj.jit(lj.grad(linear)).inspect(X, 3).llvm, r"define internal void @kernel.*there") == 0
    assert count(lj.jit(lj.grad(product)).inspect(X, 3).llvm, r"define internal void @kernel.*there") == 1


def test_a_loop_that_carries_an_array_stays_in_the_same_memory() -> None:
    def f(x: Any, n: int) -> Any:
        y = x
        for _ in range(n):
            y = np.sin(y) + x
        return np.sum(y)

    x = np.ones(10_000)
    few, many = (lj.jit(f).inspect(x, n).memory.arrays for n in (20, 2000))
    assert many <= few + 65536
    assert many < 20 * x.nbytes


def test_memory_of_a_gradient() -> None:
    f = lj.jit(lj.grad(lambda x: np.sum(np.exp(x) * x)))
    x = np.ones(100_000)
    assert f.inspect(x).memory.arrays <= x.nbytes + 8192


def test_small_arrays_of_known_size_are_registers() -> None:
    """3-vectors and 3 x 3 matrices: no memory, no loops, no calls."""

    def turned(a: float, b: float) -> Any:
        m = np.array([[math.cos(a), -math.sin(a), 0.0], [math.sin(a), math.cos(a), 0.0], [0.0, 0.0, 1.0]])
        v = np.array([b, a * b, 1.0])
        w = np.cross(m @ v, v) / np.sqrt(np.sum(v * v))
        return w @ (m @ m @ v) + np.trace(m)

    value, gradient = lj.jit(turned), lj.jit(lj.grad(turned, (0, 1)))
    assert math.isclose(value(0.3, 0.7), turned(0.3, 0.7), rel_tol=1e-13)
    h = 1e-6
    expected = [(turned(0.3 + h, 0.7) - turned(0.3 - h, 0.7)) / (2 * h), (turned(0.3, 0.7 + h) - turned(0.3, 0.7 - h)) / (2 * h)]
    np.testing.assert_allclose(gradient(0.3, 0.7), expected, rtol=1e-8)
    np.testing.assert_allclose(gradient(0.3, 0.7), lj.grad(turned, (0, 1))(0.3, 0.7), rtol=1e-13)
    for f in (value, gradient):
        found = f.inspect(0.3, 0.7)
        assert count(found.llvm, r"call ptr @lantern\.alloc\(") == 0
        assert count(found.llvm, r"@kernel\.") == 0
        assert found.memory.arrays == 0


def test_small_arrays_that_others_see_are_in_memory() -> None:
    def f(x: float, n: int) -> Any:
        v = np.array([x, 2.0, x * x])
        kept = v
        for _ in range(n):
            v = np.sin(v) * kept[::-1]
        return v, np.sum(v * kept)

    expected = f(0.4, 3)
    v, s = lj.jit(f)(0.4, 3)
    np.testing.assert_allclose(v, expected[0], rtol=1e-13)
    g = lj.jit(lj.grad(lambda x, n: f(x, n)[1]))(0.4, 3)
    assert math.isclose(g, (f(0.4 + 1e-6, 3)[1] - f(0.4 - 1e-6, 3)[1]) / 2e-6, rel_tol=1e-7)
    assert math.isclose(s, expected[1], rel_tol=1e-13)


def statements(n: int) -> Callable[..., Any]:
    def f(x: Any, c: float) -> Any:
        y = x
        for _ in [0] * n:
            y = np.sin(y) + x * c
        return np.sum(y)

    return f


def test_fusion_looks_at_each_kernel_a_bounded_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    from lantern_jit.ir.passes.fuse import _Fusion

    looks: list[int] = []
    one = _Fusion.one
    monkeypatch.setattr(_Fusion, "one", lambda self, slot: looks.append(slot.number) or one(self, slot))  # type: ignore[func-returns-value]

    def count(n: int) -> int:
        looks.clear()
        f = statements(n)
        lj.jit(lambda x, c: lj.jvp(f, (x, c), (x, 1.0))).inspect(X, 0.3)
        return len(looks)

    assert count(80) <= 2.5 * count(40)


def test_kernels_of_forward_mode_are_joined() -> None:
    f = statements(10)
    assert len(kernels(lambda x, c: lj.jvp(f, (x, c), (x, 1.0)), X, 0.3)) <= 2


def chain(x: Any, n: int) -> Any:
    for _ in range(n):
        x = np.cos(x * 0.5)
    return x


def test_a_chain_is_joined_link_by_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there already is not copied again for each further operation."""
    copied = [0]
    copy = Body.copy
    monkeypatch.setattr(Body, "copy", lambda self, f, subst: copied.__setitem__(0, copied[0] + len(f.entry.lets)) or copy(self, f, subst))
    x, counts = np.linspace(0.0, 1.0, 7), []
    for n in (10, 40):
        copied[0] = 0
        np.testing.assert_allclose(lj.jit(chain, static_argnums=1)(x, n), chain(x, n), rtol=1e-14)
        counts.append(copied[0])
    assert counts[1] <= 5 * counts[0]


def test_links_of_a_chain_that_others_read() -> None:
    def f(x: Any, w: Any) -> Any:
        a = np.sin(x * w)
        b = np.exp(a - x)
        c = np.tanh(b * w + a)
        return np.sum(c * b) + np.max(a) + a[0] * c[-1], a, c

    x, w = np.linspace(0.1, 1.0, 9), np.linspace(2.0, 1.0, 9)
    for value, a, c in both(f, x, w).values():
        close((value, a, c), f(x, w), 1e-14, 1e-14)
    g = lj.jit(lj.grad(lambda x: f(x, w)[0]))(x)
    close(g, np.array([(f(x + h, w)[0] - f(x - h, w)[0]) / 2e-6 for h in np.eye(9) * 1e-6]), 1e-8, 1e-8)


def test_ends_of_a_chain_that_are_read_twice_or_elsewhere() -> None:
    def f(x: Any, w: Any) -> Any:
        t, u = (x + 1.0) * w, (x - w) * x
        return np.sin(t) + u[::-1], np.cos(t), np.sum(np.exp(((x * w) + 2.0)[2:]))

    x, w = np.linspace(0.1, 1.0, 9), np.linspace(2.0, 1.0, 9)
    for found in both(f, x, w).values():
        close(found, f(x, w), 1e-14, 1e-14)

"""What LLVM is given for kernels: its time is most of a compilation's, and grows with each loop."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.backends.llvm.emit.kernels.nest import INLINED, MANY

from .support import both, close


def functions(text: str) -> dict[str, str]:
    """The text of each function of a module."""
    return {m[1]: m[0] for m in re.finditer(r"^define [^@]*@([\w.]+)\(.*?^}", text, re.MULTILINE | re.DOTALL)}


def kernels(text: str) -> list[str]:
    return [body for name, body in functions(text).items() if name.startswith("kernel.")]


def updates(w: Any, slopes: Any, rate: float) -> None:
    for k in w:
        w[k] -= rate * slopes[k]


def test_kernels_that_are_the_same_are_one_function() -> None:
    w = {name: np.ones((3, n)) for name, n in zip("abcdef", range(2, 8), strict=True)}
    slopes = {k: np.full_like(x, 2.0) for k, x in w.items()}
    f = lj.jit(updates)
    found = kernels(f.inspect(w, slopes, 0.25).llvm)
    assert len(set(found)) == len(found)
    assert len(found) < len(w)
    f(w, slopes, 0.25)
    for x in w.values():
        np.testing.assert_array_equal(x, 0.5)


def rows_of_sums(w: Any, x: Any) -> Any:
    """Each row is written by a kernel of its own; they differ in where they begin."""
    return np.exp(np.stack([np.sum(w[j] * (x / w[j]) ** 2, axis=-1) for j in range(5)]))


def test_kernels_of_other_rows_are_one_function() -> None:
    g = np.random.default_rng(3)
    w, x = g.normal(size=(5, 20)), g.normal(size=(20, 20))
    writes = [name for name in functions(lj.jit(rows_of_sums).inspect(w, x).llvm) if ".each_write" in name]
    assert len(writes) == 2  # of the first row, and of the others
    for found in both(rows_of_sums, w, x).values():
        close(found, rows_of_sums(w, x))
    lj.check_grads(rows_of_sums, (w[:, :2].copy(), x[:2, :2].copy()), order=1)
    found, *others = both(lj.grad(lambda w, x: np.sum(rows_of_sums(w, x))), w, x).values()
    for other in others:
        close(other, found, rtol=1e-10)
    # a row counted from the end, another step, and a row that the program decides
    f = lambda w, i: (w[-1, 1:] * w[2, :0:-1] + w[i, 1:]).sum() * (w[-2, 1:] * w[3, :0:-1] + w[i, :-1]).sum()  # noqa: E731
    np.testing.assert_allclose(lj.jit(f)(w, 3), f(w, 3), rtol=1e-12)


def test_of_many_kernels_only_the_first_are_inlined_and_none_that_is_called_often() -> None:
    """What LLVM does with a loop takes it longer, the longer the function is that the loop is in."""

    def alike(x: Any) -> Any:
        return sum(np.sum(x[3 * i : 3 * i + 3]) ** 2 * np.max(x[i : 2 * i + 2]) for i in range(MANY))

    def unlike(x: Any) -> Any:
        return sum(np.sum(np.sqrt(x * x + i)) for i in range(MANY + 5))

    x = np.random.default_rng(4).normal(size=3 * MANY)
    for f, inlined in ((alike, 0), (unlike, MANY)):
        found = [k for k in kernels(lj.jit(f).inspect(x).llvm) if k.count("\n") < INLINED]
        assert ["noinline" in k.partition("\n")[0] for k in found].count(False) == inlined
        np.testing.assert_allclose(lj.jit(f)(x), f(x), rtol=1e-12)


def gates(z: Any, c: Any) -> Any:
    n = c.shape[1]
    i, f, o, g = z[:, :n], z[:, n : 2 * n], z[:, 2 * n : 3 * n], z[:, 3 * n :]
    c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
    return np.sum(np.tanh(c) / (1 + np.exp(-o)))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_terms_for_many_parts_of_one_array_are_added_by_one_function(dtype: Any) -> None:
    g = np.random.default_rng(1)
    z, c = g.normal(size=(2, 1200)).astype(dtype), g.normal(size=(2, 300)).astype(dtype)  # more than a buffer
    of_z = lj.grad(gates)
    text = lj.jit(of_z).inspect(z, c).llvm
    names = [name for name in functions(text) if name.startswith("lantern_terms.")]
    assert len(names) == 1
    (kernel,) = [k for k in kernels(text) if f"@{names[0]}(" in k]
    assert kernel.count(f"call void @{names[0]}(") == 4
    i, f, o, u = np.split(z.astype(np.float64), 4, axis=1)
    s = [1 / (1 + np.exp(-x)) for x in (i, f, o)]
    cell = c * s[1] + np.tanh(u) * s[0]
    of_cell = s[2] * (1 - np.tanh(cell) ** 2)
    parts = [of_cell * np.tanh(u) * s[0] * (1 - s[0]), of_cell * c * s[1] * (1 - s[1]), np.tanh(cell) * s[2] * (1 - s[2])]
    expected = np.concatenate([*parts, of_cell * s[0] * (1 - np.tanh(u) ** 2)], axis=1)
    for found in both(of_z, z, c).values():
        close(found, expected.astype(dtype), 2e-5 if dtype == np.float32 else 1e-12, 1e-6 if dtype == np.float32 else 1e-12)


def strided(x: Any) -> Any:
    return np.sum(x[::2] * x[1::2] + np.sin(x[::2] * x[::-2]) * x[::-2])


def test_terms_that_do_not_lie_side_by_side() -> None:
    x = np.random.default_rng(2).normal(size=(1200, 2))[:, 0]
    assert "@lantern_terms." in lj.jit(lj.grad(strided)).inspect(x).llvm
    lj.check_grads(strided, (x[:40],), order=2)
    a, b, r = x[::2], x[1::2], x[::-2]
    expected = np.zeros_like(x)
    expected[::2] += b + np.cos(a * r) * r * r
    expected[1::2] += a
    expected[::-2] += np.cos(a * r) * a * r + np.sin(a * r)
    for found in both(lj.grad(strided), x).values():
        close(found, expected)


def test_a_long_kernel_is_a_function_with_an_aligned_stack() -> None:
    """Inlined it takes LLVM longer; spilled vectors that cross cache lines take a third longer."""

    def f(x: Any) -> Any:
        y = (((((x + 1) * x + 2) * x + 3) * x + 4) * x + 5) * x
        y = (((((y + 1) * x + 2) * x + 3) * x + 4) * x + 5) * x
        y = (((((y + 1) * x + 2) * x + 3) * x + 4) * x + 5) * x
        return np.sum((((((y + 1) * x + 2) * x + 3) * x + 4) * x + 5) * x)

    def short(x: Any) -> Any:
        return np.sum(x * x)

    x = np.linspace(0.1, 0.5, 7)
    (long_one,), (short_one,) = kernels(lj.jit(f).inspect(x).llvm), kernels(lj.jit(short).inspect(x).llvm)
    assert long_one.count("\n") > INLINED > short_one.count("\n")
    assert "noinline nounwind alignstack(64)" in long_one
    assert "noinline" not in short_one

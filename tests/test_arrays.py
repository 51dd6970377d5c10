"""Element reads and writes of arrays: every dtype, ranks 1 to 3, local arrays, and what is never changed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import Runner, both, check, close, copied, interpret, specialisations

DTYPES = [np.float64, np.float32, np.int64, np.bool_]
Array = np.ndarray[Any, Any]


def sample(shape: tuple[int, ...], dtype: Any = np.float64, seed: int = 3) -> Array:
    x = np.random.default_rng(seed).uniform(-2, 3, shape)
    return x > 0 if dtype == np.bool_ else x.astype(dtype)


# ---- reads and writes
def sum_of(a: Array) -> Any:
    s = a[0] * 0
    for i in range(len(a)):
        s = s + a[i]
    return s


def last_and_shape(a: Array) -> Any:
    return a[-1], a[len(a) - 1], len(a), a.shape[0], a.size, a.ndim


def shift_in_place(a: Array) -> Array:
    for i in range(len(a) - 1):
        a[i] = a[i + 1]
    a[-1] = a[0]
    return a


@pytest.mark.parametrize("dtype", DTYPES)
def test_rank_one(dtype: Any) -> None:
    a = sample((5,), dtype)
    for f in (last_and_shape, shift_in_place):
        for mode, out in both(f, a).items():
            close(out, f(a.copy()), what=f"{mode} {f.__name__}")
    shifted = lj.jit(shift_in_place)(a)
    assert shifted.dtype == dtype
    if dtype != np.bool_:
        for out in both(sum_of, a).values():
            close(out, sum_of(a), 1e-6)


def transpose_times(a: Array, k: int) -> Array:
    out = np.zeros((a.shape[1], a.shape[0]), dtype=a.dtype)
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            out[j, i] = a[i, j]
            if (i + j) % 2 == 0:
                out[j, i] = a[i, -1 - j]
    out[k, k] = out[0, -1]
    return out


@pytest.mark.parametrize("dtype", DTYPES)
def test_rank_two(dtype: Any) -> None:
    run = Runner(transpose_times)
    for shape in ((3, 4), (4, 2), (2, 7)):
        a = sample(shape, dtype)
        for mode, out in run(a, 1).items():
            close(out, transpose_times(a, 1), what=mode)
            assert out.dtype == dtype
    assert specialisations(run.jitted) == 1


def corner_sum(a: Array, i: int, j: int, k: int) -> Any:
    a[i, j, k] = a[0, 0, 0] * 2
    a[i, j, k] += a[-1, -1, -1]
    return a[i, j, k] * a[-i, -j, -k] + a.shape[0] + 10 * a.shape[1] + 100 * a.shape[2]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_rank_three(dtype: Any) -> None:
    a = sample((2, 3, 4), dtype)
    for mode, out in both(corner_sum, a, 1, -2, 3).items():
        close(float(out), float(corner_sum(a.copy(), 1, -2, 3)), 1e-6, what=mode)


def test_rank_five() -> None:
    a = sample((2, 1, 2, 3, 2))

    def f(a: Array, i: int) -> Any:
        a[i, 0, i, -i, i] *= 2.0
        return a[1, 0, 1, 2, 1] * a[i, 0, i, -i, i]

    check(f, (a, 1), (a, 0))


# ---- conversion on the way in
def test_stores_convert_as_numpy() -> None:
    def f(x: float, n: int, b: bool) -> Any:
        i = np.zeros(4, dtype=np.int64)
        h = np.zeros(4, dtype=np.float32)
        p = np.zeros(4, dtype=bool)
        d = np.zeros(4)
        i[0], i[1], i[2], i[3] = x, n, b, -x
        h[0], h[1], h[2], h[3] = x, n, b, x * x
        p[0], p[1], p[2], p[3] = x, n, b, 0 * n
        d[0], d[1], d[2], d[3] = x, n, b, h[0]
        return i, h, p, d

    for mode, out in both(f, 2.7, 3, True).items():
        for x, y in zip(out, f(2.7, 3, True), strict=True):
            close(x, y, what=mode)
            assert x.dtype == y.dtype


def test_augmented_assignment_of_every_operator() -> None:
    def floats(a: Array, x: float) -> Array:
        a[0] += x
        a[1] -= x
        a[2] *= x
        a[3] /= x
        a[4] //= x
        a[5] %= x
        a[6] **= x
        return a

    def ints(a: Array, n: int) -> Array:
        a[0] += n
        a[1] -= n
        a[2] *= n
        a[3] //= n
        a[4] %= n
        a[5] **= n
        a[6] <<= n
        a[7] >>= n
        a[8] &= n
        a[9] |= n
        a[10] ^= n
        return a

    for out in both(floats, np.full(7, 5.5), 1.5).values():
        close(out, floats(np.full(7, 5.5), 1.5))
    for out in both(ints, np.full(11, 13), 3).values():
        close(out, ints(np.full(11, 13), 3))


# ---- the caller's arrays
def overwrite(a: Array, b: Array) -> Any:
    for i in range(len(a)):
        a[i] = a[i] * b[i]
        b[i] += a[i]
    return sum_of(a) + sum_of(b)


def test_jit_writes_into_its_arguments_as_the_function_does() -> None:
    plain = (sample((6,)), sample((6,), seed=5))
    natively, interpreted = copied(plain), copied(plain)
    expected = overwrite(*plain)
    close(lj.jit(overwrite)(*natively), expected)
    close(interpret(overwrite, *interpreted), expected)
    close(natively, plain)
    close(interpreted, plain)


def test_transforms_never_change_their_arguments() -> None:
    a, b = sample((6,)), sample((6,), seed=5)
    before = copied((a, b))
    expected = overwrite(*copied((a, b)))
    grads = lj.grad(overwrite, (0, 1))
    close(lj.value_and_grad(overwrite)(a, b)[0], expected)
    close(lj.jit(lambda *x: lj.value_and_grad(overwrite)(*x)[0])(a, b), expected)
    close(lj.jit(grads)(a, b), grads(a, b))
    lj.jvp(overwrite, (a, b), (b, a))
    lj.hvp(overwrite, (a, b), (b, a))
    lj.vjp(overwrite, a, b)[1](1.0)
    close((a, b), before, 0, 0)


def test_read_only_arguments_and_results_of_its_own() -> None:
    a = sample((4,))
    a.setflags(write=False)
    out = lj.jit(lambda a: a)(a)
    assert out.flags.writeable
    assert not np.shares_memory(out, a)
    twice = lj.jit(lambda a: (a, a))(a)
    assert not np.shares_memory(*twice)
    assert lj.jit(lambda a: shift_in_place(a.copy()))(a)[0] == a[1]
    for run in (lj.jit(shift_in_place), lambda a: interpret(shift_in_place, a)):
        with pytest.raises(ValueError, match="assignment destination is read-only"):
            run(a)
    close(a, sample((4,)), 0, 0)


LAYOUTS = {
    "strided": sample((10,))[::2],
    "reversed": sample((5,))[::-1],
    "big-endian": sample((5,)).astype(">f8"),
    "unaligned": np.frombuffer(bytearray(b"x" + sample((5,)).tobytes()), np.uint8)[1:].view(np.float64),
    "broadcast": np.broadcast_to(np.float64(1.5), (5,)),
    "subclass": sample((5,)).view(np.recarray),
    "masked memory": np.lib.stride_tricks.sliding_window_view(sample((9,)), 5)[2],
    "a row of a table": sample((3, 5))[1],
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(name: str) -> None:
    a = LAYOUTS[name]
    plain = np.array(a, np.float64)
    for f in (sum_of, shift_in_place) if a.flags.writeable else (sum_of, lambda a: shift_in_place(a + 0.0)):
        for mode, out in both(f, a).items():
            close(out, f(plain.copy()), what=mode)
    close(lj.jit(lj.grad(sum_of))(a), np.ones(5))


def test_fortran_order_and_transposes() -> None:
    a = sample((3, 4))
    for b in (np.asfortranarray(a), a.T.copy().T, np.swapaxes(sample((2, 4, 3)), 1, 2)[1]):
        for out in both(transpose_times, b, 1).values():
            close(out, transpose_times(b, 1))


def test_zero_length() -> None:
    def f(a: Array, b: Array) -> Any:
        s = 1.0
        for x in a:
            s += x
        out = np.zeros(len(a))
        for i in range(len(out)):
            out[i] = a[i]
        return s, out, b, b.shape[0] * 10 + b.shape[1]

    for out in both(f, np.array([]), np.zeros((3, 0))).values():
        close(out, (1.0, np.array([]), np.zeros((3, 0)), 30))
    close(lj.jit(lj.grad(lambda a: f(a, a.reshape(0, 1) if False else np.zeros((1, 1)))[0]))(np.array([])), np.array([]))


def test_rank_zero_arrays_are_scalars() -> None:
    assert lj.jit(lambda x: x * 2)(np.array(1.5)) == 3.0
    assert lj.jit(lj.grad(lambda x: x * x))(np.array(1.5)) == 3.0


def test_one_specialisation_for_every_length() -> None:
    run = Runner(lj.value_and_grad(lambda a: sum_of(a) * a[-1]))
    for n in (1, 2, 3, 8, 100, 1000):
        a = sample((n,), seed=n)
        gradient = np.full(n, a[-1])
        gradient[-1] += a.sum()
        for out in run(a).values():
            close(out, (a.sum() * a[-1], gradient), 1e-10, 1e-10)
    assert specialisations(run.jitted) == 1
    run.jitted(sample((3,), np.float32))
    assert specialisations(run.jitted) == 2


@pytest.mark.parametrize("dtype", [np.longdouble, np.uint64, object, "U3", "M8[s]"])
def test_other_dtypes_are_refused(dtype: Any) -> None:
    with pytest.raises(lj.errors.ArgumentTypeError, match="convert it to float64, float32, complex128, complex64, int64, int32 or bool"):
        lj.jit(lambda a: a[0])(np.zeros(2, dtype))


def test_captured_arrays() -> None:
    k = np.array([1.0, 2.0, 4.0])

    def f(x: float, i: int) -> float:
        total = x * k[i] + k[-1]
        for j in range(len(k)):
            total += math.sin(k[j] * x)
        for v in k:
            total += v * x * x
        return total

    check(f, (0.5, 1), (0.5, -3))
    with pytest.raises(IndexError, match="index 3 is out of bounds for axis 0 with size 3"):
        lj.jit(f)(0.5, 3)

"""Sums of products that loops take are products of matrices, whose values are Python's to the last bit."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import check, close


def by_a_sum(x: Any, y: Any) -> Any:
    z = np.zeros((x.shape[0], y.shape[1]))
    for i in range(x.shape[0]):
        for j in range(y.shape[1]):
            s = 0.0
            for k in range(x.shape[1]):
                s += x[i, k] * y[k, j]
            z[i, j] = s
    return z


def by_elements(x: Any, y: Any) -> Any:
    z = np.zeros((x.shape[0], y.shape[1]))
    for i in range(x.shape[0]):
        for j in range(y.shape[1]):
            for k in range(x.shape[1]):
                z[i, j] += x[i, k] * y[k, j]
    return z


def by_rows(x: Any, y: Any) -> Any:
    z = np.zeros((x.shape[0], y.shape[1]))
    for i in range(x.shape[0]):
        for k in range(x.shape[1]):
            for j in range(y.shape[1]):
                z[i, j] = z[i, j] + x[i, k] * y[k, j]
    return z


def by_whole_rows(x: Any, y: Any) -> Any:
    z = np.zeros((x.shape[0], y.shape[1]))
    for i in range(x.shape[0]):
        for k in range(x.shape[1]):
            z[i] += x[i, k] * y[k]
    return z


def by_outer_products(x: Any, y: Any) -> Any:
    z = np.zeros((x.shape[0], y.shape[1]))
    for k in range(x.shape[1]):
        for i in range(x.shape[0]):
            for j in range(y.shape[1]):
                z[i, j] += x[i, k] * y[k, j]
    return z


def by_a_generator(x: Any, y: Any) -> Any:
    z = np.zeros((x.shape[0], y.shape[1]))
    for i in range(x.shape[0]):
        for j in range(y.shape[1]):
            z[i, j] = sum(x[i, k] * y[k, j] for k in range(x.shape[1]))
    return z


def turned(x: Any, y: Any) -> Any:
    """The result, and a factor, with their axes in another order."""
    z = np.zeros((y.shape[1], x.shape[0]))
    for j in range(y.shape[1]):
        for i in range(x.shape[0]):
            s = 0.0
            for k in range(x.shape[1]):
                s += y[k, j] * x[i, k]
            z[j, i] = s
    return z


def gram(x: Any, y: Any) -> Any:
    n = x.shape[0]
    z = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            s = 0.0
            for k in range(x.shape[1]):
                s += x[i, k] * x[j, k]
            z[i, j] = s
    return z


def of_differences(x: Any, y: Any) -> Any:
    """A factor that is computed: x[i, k] - c[k]."""
    c = y[:, 0]
    z = np.zeros((x.shape[0], y.shape[1]))
    for i in range(x.shape[0]):
        for j in range(y.shape[1]):
            s = 0.0
            for k in range(x.shape[1]):
                s += y[k, j] * (x[i, k] - c[k])
            z[i, j] = s
    return z


def with_two_sums(x: Any, y: Any) -> Any:
    """Two axes are summed up, of arrays with three."""
    a, b = x.reshape(x.shape[0], x.shape[1], 1), y.reshape(y.shape[0], 1, y.shape[1])
    z = np.zeros((x.shape[0], y.shape[1]))
    for i in range(a.shape[0]):
        for j in range(b.shape[2]):
            s = 0.0
            for k in range(a.shape[1]):
                for h in range(a.shape[2]):
                    s += a[i, k, h] * b[k, h, j]
            z[i, j] = s
    return z


def layer(x: Any, y: Any) -> Any:
    """A sum that begins with a bias."""
    bias = np.arange(y.shape[1]) * 0.5 - 1.0
    z = np.zeros((x.shape[0], y.shape[1]))
    for i in range(x.shape[0]):
        for j in range(y.shape[1]):
            s = bias[j]
            for k in range(x.shape[1]):
                s += y[k, j] * x[i, k]
            z[i, j] = s
    return z


def layer_turned(x: Any, y: Any) -> Any:
    """The lanes of the vectors do not lie side by side in the result, nor in y."""
    z = np.ones((x.shape[0], y.shape[1])) * 0.25
    for i in range(x.shape[0]):
        for j in range(y.shape[1]):
            for k in range(x.shape[1]):
                z[i, j] += y[k, j] * x[i, k]
    return z.T


def vector(x: Any, y: Any) -> Any:
    z = np.zeros(x.shape[0])
    for i in range(x.shape[0]):
        s = 0.0
        for k in range(x.shape[1]):
            s += x[i, k] * y[k, 0]
        z[i] = s
    return z


def vector_by_columns(x: Any, y: Any) -> Any:
    z = np.zeros(x.shape[0])
    for k in range(x.shape[1]):
        for i in range(x.shape[0]):
            z[i] -= x[i, k] * y[k, 0]
    return z


PRODUCTS = [
    by_a_sum, by_elements, by_rows, by_whole_rows, by_outer_products, by_a_generator, turned, gram, of_differences
]  # fmt: skip
OTHERS = [layer, layer_turned, with_two_sums, vector, vector_by_columns]
SIZES = [(1, 1, 1), (2, 3, 2), (5, 1, 3), (1, 9, 4), (4, 8, 16), (3, 17, 33), (33, 5, 3), (9, 300, 7), (20, 21, 64), (65, 2, 1)]


def matrices(n: int, k: int, m: int, dtype: Any = np.float64) -> tuple[Any, Any]:
    rng = np.random.default_rng(n + 10 * k + 100 * m)
    x, y = rng.normal(size=(n, k)) * 10.0 ** rng.integers(-6, 6, (n, k)), rng.normal(size=(k, m)) * 10.0 ** rng.integers(-6, 6, (k, m))
    return x.astype(dtype), y.astype(dtype)


def in_order(f: Callable[..., Any], x: Any, y: Any) -> Any:
    with np.errstate(all="ignore"):
        return f(x.copy(), y.copy())


@pytest.mark.parametrize("f", PRODUCTS)
def test_it_is_one_product(f: Callable[..., Any]) -> None:
    text = lj.jit(f).inspect(*matrices(5, 6, 7)).graph
    assert len(re.findall(r"= gemm\(.*ordered=1", text)) == 1
    assert "'ordered'" not in text
    assert not re.search(r"^loop\w*\(", text, re.M)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("f", [*PRODUCTS, *OTHERS])
def test_the_value_is_pythons_to_the_last_bit(f: Callable[..., Any], dtype: Any) -> None:
    native = lj.jit(f)
    for sizes in SIZES:
        x, y = matrices(*sizes, dtype)
        found, expected = native(x, y), in_order(f, x, y)
        if dtype is np.float64:
            assert found.tobytes() == expected.tobytes(), sizes
        else:  # the loop's sums are float64, of products in float32 by NumPy 2
            close(found, expected, 1e-5, 1e-5 * float(np.max(np.abs(expected), initial=1e-30)))


@pytest.mark.parametrize("f", [vector, layer, layer_turned])
def test_what_stays_a_kernel(f: Callable[..., Any]) -> None:
    """A vector's matrix is touched once, and other starts are no product's. Forward they are by the same code."""
    found = lj.jit(f).inspect(*matrices(5, 6, 7))
    assert "'ordered'" in found.graph
    assert "@lantern_ordered_sums" in found.llvm


def test_special_numbers() -> None:
    values = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.0, 1e300, 5e-324])
    rng = np.random.default_rng(1)
    for n, k, m in SIZES:
        x, y = rng.choice(values, (n, k)), rng.choice(values, (k, m))
        for f in (by_a_sum, by_rows, vector):
            found, expected = lj.jit(f)(x, y), in_order(f, x, y)
            assert np.array_equal(found, expected, equal_nan=True)
            assert np.array_equal(np.signbit(found[found == 0.0]), np.signbit(expected[expected == 0.0]))


@pytest.mark.parametrize("f", [*PRODUCTS, *OTHERS])
def test_of_nothing(f: Callable[..., Any]) -> None:
    for n, k, m in ((0, 3, 2), (3, 0, 2), (3, 2, 0)):
        x, y = np.ones((n, k)), np.ones((k, m))
        if f in (vector, vector_by_columns, of_differences) and m == 0:
            with pytest.raises(IndexError):
                lj.jit(f)(x, y)
        else:
            close(lj.jit(f)(x, y), f(x, y))


@pytest.mark.parametrize("f", [*PRODUCTS, *OTHERS])
def test_derivatives(f: Callable[..., Any]) -> None:
    rng = np.random.default_rng(2)
    check(lambda x, y: np.sum(np.sin(f(x, y))), (rng.normal(size=(3, 4)), rng.normal(size=(4, 3))), argnums=(0, 1))
    x, y = rng.normal(size=(13, 18)), rng.normal(size=(18, 11))
    loss = lj.grad(lambda x, y: np.sum(f(x, y) ** 2), (0, 1))
    for a, b in zip(lj.jit(loss)(x, y), loss(x, y), strict=True):
        close(a, b, 1e-11, 1e-9)
    small = lj.jit(loss)(x.astype(np.float32), y.astype(np.float32))
    for a, b in zip(small, loss(x, y), strict=True):
        assert a.dtype == np.float32
        close(a, b, 1e-3, 1e-2)


def test_stacks() -> None:
    """One matrix for each b, and the result turned: a[b] times y[b] less c[b]."""

    def f(a: Any, y: Any, c: Any) -> Any:
        z = np.zeros((a.shape[1], a.shape[0], y.shape[2]))
        for i in range(a.shape[1]):
            for b in range(a.shape[0]):
                for j in range(y.shape[2]):
                    s = 0.0
                    for k in range(a.shape[2]):
                        s += a[b, i, k] * (y[b, k, j] - c[b])
                    z[i, b, j] = s
        return z

    rng = np.random.default_rng(3)
    for b, n, k, m in ((1, 2, 3, 4), (3, 9, 5, 17), (2, 0, 3, 2), (2, 3, 0, 2)):
        args = rng.normal(size=(b, n, k)), rng.normal(size=(b, k, m)), rng.normal(size=b)
        assert lj.jit(f)(*args).tobytes() == f(*args).tobytes()
    text = lj.jit(f).inspect(*args).graph
    assert len(re.findall(r"= gemm\(.*ordered=1", text)) == 1
    check(lambda *a: np.sum(np.sin(f(*a))), (rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 4, 3)), rng.normal(size=2)), argnums=(0, 1, 2))


def test_its_gradient_is_products_too() -> None:
    text = lj.jit(lj.grad(lambda x, y: np.sum(by_a_sum(x, y) ** 2), (0, 1))).inspect(*matrices(5, 6, 7)).lowered
    assert len(re.findall(r"gemm_add\(", text)) >= 2


def test_sums_over_two_axes() -> None:
    def f(a: Any, b: Any) -> Any:
        z = np.zeros((b.shape[2], a.shape[0], b.shape[3]))
        for i in range(a.shape[0]):
            for m in range(b.shape[2]):
                for n in range(b.shape[3]):
                    for j in range(a.shape[1]):
                        for k in range(a.shape[2]):
                            z[m, i, n] += a[i, j, k] * b[j, k, m, n]
        return z

    rng = np.random.default_rng(4)
    for i, j, k, m, n in ((2, 3, 4, 2, 3), (9, 3, 2, 3, 6), (2, 0, 3, 2, 2), (0, 2, 2, 1, 1)):
        args = rng.normal(size=(i, j, k)), rng.normal(size=(j, k, m, n))
        assert lj.jit(f)(*args).tobytes() == f(*args).tobytes()
    assert "ordered=1" in lj.jit(f).inspect(*args).graph
    check(lambda *a: np.sum(np.sin(f(*a))), (rng.normal(size=(2, 2, 3)), rng.normal(size=(2, 3, 2, 2))), argnums=(0, 1))


def test_only_a_part_of_a_factor() -> None:
    """What is multiplied stands in an array of its own, if the loop does not run over all of an array."""

    def f(x: Any, y: Any) -> Any:
        z = np.zeros((x.shape[0] - 1, y.shape[1]))
        for i in range(x.shape[0] - 1):
            for j in range(y.shape[1]):
                s = 0.0
                for k in range(x.shape[1] - 2):
                    s += x[i + 1, k] * y[k + 2, j]
                z[i, j] = s
        return z

    x, y = matrices(7, 12, 9)
    assert lj.jit(f)(x, y).tobytes() == f(x, y).tobytes()
    check(lambda x, y: np.sum(np.sin(f(x, y))), (np.ones((3, 4)) * 0.3, np.linspace(0.0, 1.0, 8).reshape(4, 2)), argnums=(0, 1))


def test_no_memory_for_all_pairs() -> None:
    """A loop over all pairs keeps to what it had: the exponentials of 300 x 300 differences are not stored."""

    def f(x: Any, v: Any) -> Any:
        z = np.zeros(len(x))
        for i in range(len(x)):
            s = 0.0
            for j in range(len(x)):
                s += np.exp(-((x[i] - x[j]) ** 2)) * v[j]
            z[i] = s
        return z

    text = lj.jit(f).inspect(np.ones(300), np.ones(300)).graph
    assert "gemm" not in text
    assert not re.search(r": f64\[\w+, \w+\] =", text)


def test_with_threads_each_has_a_part() -> None:
    f = lj.jit(by_a_sum, threads=2)
    x, y = matrices(40, 50, 60)
    assert "gemm" not in f.inspect(x, y).graph
    assert f(x, y).tobytes() == by_a_sum(x, y).tobytes()


STAYS = {
    "what_is_read_later": "y[j] += w[i] * x[i, j]; t = y[0]",
    "another_element": "y[j] += y[j - 1] * x[i, j]",
    "of_itself": "y[j] += y[j] * x[i, j]",
    "of_itself_by_another_name": "y[j] += v[len(y) - 1 - j] * x[i, j]",
    "a_quotient": "y[j] = y[j] / x[i, j]",
    "not_there_where_the_loop_does_not_run": "z[n, j] += w[i] * x[i, j]",
}


@pytest.mark.parametrize("body", STAYS.values(), ids=STAYS)
def test_what_is_no_sum_stays_a_loop(body: str, tmp_path: Any) -> None:
    path = tmp_path / "loop.py"
    path.write_text(
        "import numpy as np\ndef f(x, w, n):\n    y, t = np.ones(x.shape[1]), 0.0\n    v, z = y.reshape(-1), np.zeros((3, x.shape[1]))\n    for i in range(len(w)):\n"
        f"        for j in range(x.shape[1]):\n            {body}\n    return y, z, t\n"
    )
    space: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), space)
    f, (x, w) = space["f"], (np.linspace(0.1, 0.9, 60).reshape(20, 3), np.linspace(1.0, 2.0, 20))
    assert re.search(r"^loop", lj.jit(f).inspect(x, w, 2).graph, re.M)
    for a, b in zip(lj.jit(f)(x, w, 2), f(x, w, 2), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def test_a_row_that_is_not_there_where_the_loop_does_not_run() -> None:
    """What a loop that runs 0 times would have touched is not read: the loop is no kernel."""

    def f(x: Any, w: Any) -> Any:
        z = np.zeros(x.shape)
        for i in range(x.shape[0]):
            for k in range(len(w)):
                for j in range(x.shape[1]):
                    z[i + 1, j] += w[k] * x[i, j]
        return z

    x = np.ones((20, 30))
    assert re.search(r"^loop\w*\(", lj.jit(f).inspect(x, np.ones(25)).after("raise_loops"), re.M)
    assert not lj.jit(f)(x, np.zeros(0)).any()
    with pytest.raises(IndexError):
        lj.jit(f)(x, np.ones(25))


def test_rows_under_another_name() -> None:
    """v[i] is an element of the first row of z, which the first iteration has written before the others read it."""

    def f(x: Any) -> Any:
        y, z = np.zeros(x.shape), np.zeros(x.shape)
        v = z.reshape(-1)
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                y[i, j] = v[i] * x[i, j]
            for j in range(x.shape[1]):
                z[i, j] = x[i, j] + 1.0
        return y + z

    x = np.random.default_rng(5).normal(size=(6, 7))
    assert lj.jit(f)(x).tobytes() == f(x).tobytes()
    check(lambda x: np.sum(np.sin(f(x))), (x[:3, :2],))


def test_an_index_out_of_bounds_before_anything_is_written() -> None:
    def f(x: Any, y: Any, z: Any) -> Any:
        for k in range(x.shape[1]):
            z += x[0, k] * y[k]
        return z

    z = np.zeros(3)
    with pytest.raises(IndexError, match="index 4 is out of bounds for axis 0 with size 4"):
        lj.jit(f)(np.ones((1, 6)), np.ones((4, 3)), z)


@pytest.mark.parametrize(("cpu", "register"), [("x86-64-v4", "zmm"), ("x86-64-v3", "ymm"), ("x86-64", "xmm"), ("neoverse-v1", "2d")])
def test_vectors_of_each_cpu(cpu: str, register: str) -> None:
    """Multiplications and additions are vectors of the CPU's width, and are not joined."""
    asm = lj.jit(by_a_sum).inspect(*matrices(5, 6, 7), target=cpu).asm
    sums = [part for part in re.split(r"\n(?=\S*lantern_ordered)", asm) if "lantern_ordered_sums" in part.splitlines()[0]]
    assert sums
    body = "\n".join(sums)
    assert re.search(rf"mul\w*\s.*{register}", body)
    assert re.search(rf"add\w*\s.*{register}", body)
    assert not re.search(r"\bvfn?m(add|sub)|\bfml[as]\b|\bfn?madd\b", body)


def test_outer_products() -> None:
    """Sums over no axis at all."""
    a, b = np.arange(6.0).reshape(2, 3), np.arange(4.0).reshape(2, 2)
    for f in (
        lambda a, b: np.tensordot(a, b, 0),
        lambda a, b: np.einsum("ij,kl->ijkl", a, b),
        lambda a, b: np.einsum("i,j->ij", a[0], b[1]),
    ):
        assert np.array_equal(lj.jit(f)(a, b), f(a, b))

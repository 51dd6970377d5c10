"""jit(f) writes into its arguments where f does; transforms evaluate at a point, and keep it."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors

from .support import copied, interpret, specialisations

Function = Callable[..., Any]
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None and shutil.which("gcc") is None, reason="no C compiler")


def natively(f: Function, *args: Any) -> Any:
    return lj.jit(f)(*args)


BOTH = [pytest.param(natively, id="native"), pytest.param(interpret, id="interpreter")]


def as_python(run: Function, f: Function, *args: Any) -> None:
    """f's result, and its arguments afterwards, are those of plain Python."""
    plain, ours = copied(args), copied(args)
    wanted = f(*plain)
    found = run(f, *ours)
    for x, y in zip(_leaves((found, ours)), _leaves((wanted, plain)), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12)
        assert getattr(x, "dtype", None) == getattr(y, "dtype", None)


def _leaves(tree: Any) -> list[Any]:
    from lantern_jit.ir.values import pytree

    return [x for x in pytree.flatten(tree)[0] if x is not None]


# ---- spellings of a write
def adagrad(w: Any, h: Any, g: Any, rate: Any) -> None:
    h += g * g
    w -= rate * g / (np.sqrt(h) + 1e-8)


def elements(x: Any) -> Any:
    for i in range(len(x)):
        if x[i] > 0:
            x[i] = x[i] * 2.0
    return x.sum()


def slices(x: Any) -> Any:
    x[1:] = x[:-1] + 1.0
    x[::2] *= 3.0
    x[[0, 1]] = 5.0
    np.add.at(x, np.array([2, 2, 3]), 1.0)
    return x[2]


def through_out(x: Any, y: Any) -> Any:
    np.multiply(x, 2.0, out=y)
    return y[0]


def helper(x: Any, k: Any) -> None:
    x[k] += 1.0


def in_helpers_and_loops(x: Any, n: Any) -> None:
    for k in range(n):
        helper(x, k)
        if k % 2:
            helper(x[1:], 0)


def by_a_view(x: Any) -> Any:
    row = x[1]
    row += 1.0
    x.T[0] = 7.0
    flat = x.reshape(-1)
    flat[-1] = -1.0
    return row


def recursive(x: Any, k: Any) -> Any:
    if k == 0:
        return x[0]
    x[k] = x[k] + x[k - 1]
    return recursive(x, k - 1)


def chosen(x: Any, y: Any, c: Any) -> None:
    z = x if c > 0 else y
    z[0] = c


def train(w: Any, xs: Any) -> None:
    for k in range(len(xs)):
        w -= 0.1 * lj.grad(lambda v, x: np.sum((v - x) ** 2))(w, xs[k])


def train_by_hand(w: Any, xs: Any) -> None:
    for k in range(len(xs)):
        w -= 0.1 * 2 * (w - xs[k])


def vector(n: int = 5) -> Any:
    return np.linspace(-1.0, 2.0, n)


PROGRAMS: dict[str, tuple[Function, tuple[Any, ...]]] = {
    "adagrad": (adagrad, (vector(), np.zeros(5), np.arange(5.0), 0.1)),
    "a matrix": (adagrad, (np.ones((3, 4)), np.zeros((3, 4)), np.arange(12.0).reshape(3, 4), 0.1)),
    "float32": (adagrad, (np.ones(3, np.float32), np.zeros(3, np.float32), np.ones(3, np.float32), np.float32(0.1))),
    "elements": (elements, (vector(),)),
    "slices": (slices, (vector(),)),
    "out": (through_out, (vector(), np.zeros(5))),
    "helpers": (in_helpers_and_loops, (vector(), 4)),
    "a view": (by_a_view, (np.arange(6.0).reshape(2, 3),)),
    "recursion": (recursive, (vector(), 4)),
    "one of two": (chosen, (vector(), vector(), 1.0)),
    "the other": (chosen, (vector(), vector(), -1.0)),
    "integers": (lambda n: helper(n, 1), (np.arange(3),)),
    "a mask": (lambda x: x.__setitem__(x < 0, 0.0), (vector(),)),
}


@pytest.mark.parametrize("run", BOTH)
@pytest.mark.parametrize("name", PROGRAMS)
def test_what_python_writes(name: str, run: Function) -> None:
    f, args = PROGRAMS[name]
    as_python(run, f, *args)


def test_a_training_loop_in_compiled_code() -> None:
    xs = np.arange(12.0).reshape(4, 3)
    w, wanted = np.zeros(3), np.zeros(3)
    lj.jit(train)(w, xs)
    train_by_hand(wanted, xs)
    np.testing.assert_allclose(w, wanted)


def test_nothing_is_copied() -> None:
    args = (np.ones(100_000), np.zeros(100_000), np.ones(100_000), 0.1)
    f = lj.jit(adagrad)
    shown = f.inspect(*args)
    assert "copy" not in shown.graph
    assert shown.memory.arrays == 0
    assert args[1][0] == 0.0  # looking at a program does not run it on the caller's arrays


# ---- transforms
def fill(x: Any) -> Any:
    y = x * x
    x[:] = 2.0
    x[0] = y[0]
    return np.sum(x * y)


def at(f: Function) -> Function:
    return lambda x: f(x)


TRANSFORMS: dict[str, Function] = {
    "grad": lambda x: lj.grad(fill)(x),
    "value_and_grad": lambda x: lj.value_and_grad(fill)(x)[1],
    "has_aux": lambda x: lj.value_and_grad(lambda v: (fill(v), v), has_aux=True)(x)[0][1],
    "jvp": lambda x: lj.jvp(fill, (x,), (x * 0.5,))[1],
    "vjp": lambda x: lj.vjp(fill, x)[1](1.0)[0],
    "vjp, the value alone": lambda x: lj.vjp(fill, x)[0],
    "hvp": lambda x: lj.hvp(fill, (x,), (x * 0.5,)),
    "hessian": lambda x: lj.hessian(fill)(x),
    "jacfwd": lambda x: lj.jacfwd(lambda v: (fill(v), v * 1.0)[1])(x),
    "jacrev": lambda x: lj.jacrev(lambda v: (fill(v), v * 1.0)[1])(x),
    "grad of grad": lambda x: lj.grad(lambda v: np.sum(lj.grad(fill)(v) ** 2))(x),
    "three times": lambda x: lj.jvp(lambda v: lj.jvp(lj.grad(fill), (v,), (x,))[1], (x,), (x,))[1],
    "in a helper": lambda x: lj.grad(lambda v: at(fill)(v) * 2.0)(x),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_keep_their_point(name: str) -> None:
    f, x = TRANSFORMS[name], vector(4)
    plain = f(x)
    compiled = lj.jit(f)(x)
    np.testing.assert_array_equal(x, vector(4))
    np.testing.assert_allclose(compiled, plain, rtol=1e-9)
    after = lj.jit(lambda v: (f(v), v.sum())[1])(x)  # and the rest of a program sees the point too
    assert after == pytest.approx(vector(4).sum())


def test_jit_of_a_transform() -> None:
    x = vector(4)
    for transformed in (lj.grad(fill), lj.value_and_grad(fill), lj.hessian(fill), lj.jacfwd(fill), lj.jacrev(fill)):
        lj.jit(transformed)(x)
        transformed(x)
    np.testing.assert_array_equal(x, vector(4))


def test_jit_inside_of_a_transform_and_of_jit() -> None:
    x, inner = vector(4), lj.jit(fill)
    lj.grad(inner)(x)
    lj.jit(lj.grad(lambda v: inner(v)))(x)
    np.testing.assert_array_equal(x, vector(4))
    lj.jit(lambda v: inner(v) + 1.0)(x)
    assert x[1] == 2.0


# ---- read-only
@pytest.mark.parametrize("run", BOTH)
def test_read_only_arrays(run: Function) -> None:
    x, y = vector(), np.zeros(5)
    x.flags.writeable = False
    assert run(through_out, x, y) == -2.0  # it is read alone
    with pytest.raises(ValueError, match="assignment destination is read-only"):
        run(through_out, y, x)
    np.testing.assert_array_equal(x, vector())


@pytest.mark.parametrize("run", BOTH)
def test_read_only_arrays_raise_where_they_are_written(run: Function) -> None:
    def f(x: Any, y: Any, n: Any) -> Any:
        y[0] = 1.0
        for _ in range(n):
            x[0] = 2.0
        y[0] = 2.0
        return x[0]

    x, y = vector(), np.zeros(1)
    x.flags.writeable = False
    assert run(f, x, y, 0) == -1.0
    assert y[0] == 2.0
    with pytest.raises(ValueError, match="assignment destination is read-only"):
        run(f, x, y, 1)
    assert y[0] == 1.0  # what comes before has happened
    with pytest.raises(ValueError, match="assignment destination is read-only"):
        run(chosen, x, y, 1.0)


# ---- arrays that are not read in place
def strided(x: Any) -> Any:
    return np.repeat(x, 2)[::2]


def backwards(x: Any) -> Any:
    return x[::-1].copy()[::-1]


def swapped(x: Any) -> Any:
    return x.astype(x.dtype.newbyteorder())


def unaligned(x: Any) -> Any:
    return np.frombuffer(bytearray(b"x" + x.tobytes()), np.uint8)[1:].view(x.dtype)


@pytest.mark.parametrize("run", BOTH)
@pytest.mark.parametrize("form", [strided, backwards, swapped, unaligned, lambda x: x.astype(np.float16)])
def test_other_layouts_are_written_back(form: Function, run: Function) -> None:
    x, wanted = form(np.arange(5.0)), np.arange(5.0)
    assert run(elements, x) == elements(wanted)
    np.testing.assert_array_equal(x, wanted)


@pytest.mark.parametrize("run", BOTH)
def test_fortran_order_is_written_back(run: Function) -> None:
    x, wanted = np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(6.0).reshape(2, 3)
    run(by_a_view, x)
    by_a_view(wanted)
    np.testing.assert_array_equal(x, wanted)


@pytest.mark.parametrize("run", BOTH)
def test_small_dtypes_are_written_back(run: Function) -> None:
    def add(n: Any, k: Any) -> None:
        for i in range(len(n)):
            n[i] = n[i] + k

    n = np.array([1, 2, 100], np.int8)
    run(add, n, 3)
    np.testing.assert_array_equal(n, np.array([4, 5, 103], np.int8))
    with pytest.raises(errors.IntegerOverflowError, match="`add` writes 130 into argument `n`, an array of int8"):
        run(add, n, 27)
    np.testing.assert_array_equal(n, np.array([4, 5, 103], np.int8))


@pytest.mark.parametrize("run", BOTH)
@pytest.mark.parametrize("form", [lambda x: x, strided])
def test_an_error_leaves_what_python_leaves(form: Function, run: Function) -> None:
    def f(x: Any) -> None:
        for i in range(len(x)):
            if x[i] == 2.0:
                raise RuntimeError("two")
            x[i] = -1.0

    x = form(np.arange(4.0))
    with pytest.raises(RuntimeError, match="two"):
        run(f, x)
    np.testing.assert_array_equal(x, [-1.0, -1.0, 2.0, 3.0])


# ---- containers of arrays
@dataclasses.dataclass
class Layer:
    weights: Any
    bias: Any


def descend(layer: Any) -> Any:
    layer.weights -= 0.1 * layer.bias
    return layer.weights.sum()


def descend_all(layers: Any, by_name: Any) -> None:
    for x in layers:
        x *= 2.0
    by_name["w"][0] = 9.0


@pytest.mark.parametrize("run", BOTH)
def test_arrays_in_containers(run: Function) -> None:
    as_python(run, descend, Layer(np.ones((2, 3)), np.arange(3.0)))
    as_python(run, descend_all, [vector(), vector(3)], {"w": vector()})


def new_items(d: Any, xs: Any, n: Any) -> Any:
    d["w"] = d["w"] - 1.0
    d["a"], d["b"] = d["b"], d["a"]
    for _ in range(n):
        d["n"] = d["n"] + 1.0
        if d["n"] > 2.0:
            xs[0] = -1.0
    d["new"] = d["w"] * 2.0
    xs[1][0] = d["n"]
    return d["n"]


def new_attributes(layer: Any) -> Any:
    layer.bias = layer.bias * 2.0
    layer.weights = 3.0
    return layer.weights


def state() -> Any:
    return {"w": vector(), "a": vector(2), "b": vector(3), "n": 0.0}, [0.0, [1.0, 2.0]]


@pytest.mark.parametrize("run", BOTH)
def test_containers_of_the_caller_are_written_into(run: Function) -> None:
    as_python(run, new_items, *state(), 5)
    as_python(run, new_items, *state(), 1)
    as_python(run, new_attributes, Layer(vector(), vector(3)))
    d, xs = state()
    a, b, kept = d["a"], d["b"], d["w"]
    run(new_items, d, xs, 2)
    assert d["a"] is b
    assert d["b"] is a
    np.testing.assert_array_equal(kept, vector())


def test_transforms_leave_containers_as_they_are() -> None:
    layer, d = Layer(vector(), vector(3)), {"x": 1.0}

    def f(layer: Any, d: Any) -> Any:
        d["x"] = 2.0 * d["x"]
        layer.bias = layer.bias * d["x"]
        layer.bias[0] = 0.0
        return layer.bias.sum()

    for g in (lj.grad(f, (0, 1)), lj.jit(lj.grad(f, (0, 1)))):
        assert g(layer, d)[1]["x"] == pytest.approx(2.0 * vector(3)[1:].sum())
    assert d == {"x": 1.0}
    np.testing.assert_array_equal(layer.bias, vector(3))


@pytest.mark.parametrize("run", BOTH)
def test_what_is_refused_of_containers(run: Function) -> None:
    with pytest.raises(
        errors.UnsupportedOperationError, match="changes the length of a list that is, or is in, an argument: return the new one"
    ):
        run(lambda xs: xs.append(1.0), [1.0])
    with pytest.raises(errors.UnsupportedOperationError, match="changes the length of a dict"):
        run(lambda d: d.pop("a"), {"a": 1.0, "b": 2.0})
    xs = [1.0]
    with pytest.raises(errors.UnsupportedOperationError, match="writes into a container that is in its arguments twice"):
        run(lambda c, d: c.__setitem__(0, d[0] + 1.0), xs, xs)
    assert xs == [1.0]
    with pytest.raises(
        errors.UnsupportedOperationError, match="`new_attributes` writes into a list, a dict or an object that is an argument"
    ):
        _ = lj.jit(new_attributes).lower(Layer(vector(), vector(3))).prototype


# ---- sizes that turn out to broadcast
@pytest.mark.parametrize("run", BOTH)
def test_a_call_is_not_started_again_for_its_sizes(run: Function) -> None:
    """The first statement has written when the second meets a size of 1."""

    def f(x: Any, y: Any) -> None:
        x += 1.0
        x += y

    as_python(run, f, np.zeros(3), np.arange(3.0))
    as_python(run, f, np.zeros(3), np.ones(1))
    g = lj.jit(f)
    for y in (np.arange(3.0), np.ones(1)):
        x = np.zeros(3)
        g(x, y)
        np.testing.assert_array_equal(x, 1.0 + y + np.zeros(3))
    assert specialisations(g) == 1
    x = np.zeros(3)
    with pytest.raises(ValueError, match="broadcast"):
        g(x, np.ones(2))
    np.testing.assert_array_equal(x, np.ones(3))  # as NumPy leaves it


# ---- overlap
def whole_arrays(x: Any, y: Any) -> Any:
    x += 2.0 * y
    return x.sum()


def three(x: Any, y: Any, z: Any) -> None:
    x[:] = y + z


def both_written(x: Any, y: Any) -> None:
    x += 1.0
    y[:] = x * 2.0


def shift(x: Any, y: Any) -> None:
    for i in range(len(x)):
        x[i] = y[i] + 1.0


OVERLAPS: dict[str, tuple[Function, tuple[int, ...], Function]] = {
    "one after the other": (shift, (6,), lambda v: (v[1:], v[:-1])),
    "before": (shift, (6,), lambda v: (v[:-1], v[1:])),
    "far apart": (shift, (9,), lambda v: (v[5:], v[:5])),
    "the same": (shift, (6,), lambda v: (v, v)),
    "the same, seen twice": (shift, (6,), lambda v: (v, v[:])),
    "strided": (shift, (12,), lambda v: (v[2::2], v[:-2:2])),
    "a part": (whole_arrays, (6,), lambda v: (v, v[2:3])),
    "whole arrays": (whole_arrays, (6,), lambda v: (v[1:], v[:-1])),
    "rows": (whole_arrays, (4, 3), lambda v: (v[1:], v[:-1])),
    "columns": (whole_arrays, (4, 3), lambda v: (v[:, 1:], v[:, :-1])),
    "three of them": (three, (7,), lambda v: (v[2:], v[1:-1], v[:-2])),
    "two written": (both_written, (6,), lambda v: (v[1:], v[:-1])),
    "a row and its matrix": (lambda a, b: whole_arrays(a, b[0]), (4, 3), lambda v: (v[1:], v[0:2])),
}


@pytest.mark.parametrize("run", BOTH)
@pytest.mark.parametrize("name", OVERLAPS)
def test_arguments_that_are_parts_of_one_array(name: str, run: Function) -> None:
    f, shape, parts = OVERLAPS[name]
    ours, plain = (np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape) for _ in range(2))
    wanted = f(*parts(plain))
    found = run(f, *parts(ours))
    np.testing.assert_array_equal(ours, plain)
    np.testing.assert_array_equal(found, wanted)


def test_overlap_is_looked_for_at_each_call() -> None:
    f, w = lj.jit(shift), vector()
    for _ in range(2):
        f(np.zeros(4), w[1:])
        np.testing.assert_array_equal(w, vector())
        v, plain = vector(), vector()
        f(v[1:], v[:-1])
        shift(plain[1:], plain[:-1])
        np.testing.assert_array_equal(v, plain)
    assert specialisations(f) == 1
    f(w[1:3], w[3:])  # side by side
    np.testing.assert_array_equal(w[1:3], vector()[3:] + 1.0)
    f(w[::2][:2], w[1::2])  # between each other
    assert w[2] == vector()[3] + 1.0


@pytest.mark.parametrize("run", BOTH)
def test_overlaps_that_are_refused(run: Function) -> None:
    w, m = vector(), np.ones((3, 3))
    for args in ((w[::-1], w), (w[::2], w[:3]), (w, w.view(np.int64)), (m[1:, 1:], m[:-1, :-1])):
        with pytest.raises(
            errors.UnsupportedOperationError, match="writes into one of argument `x` and argument `y`, which overlap in memory"
        ):
            run(lambda x, y: whole_arrays(x, y), *args)
    read = w[:]
    read.flags.writeable = False
    with pytest.raises(errors.UnsupportedOperationError, match="overlap in memory"):
        run(shift, w, read)
    np.testing.assert_array_equal(w, vector())


@pytest.mark.parametrize("run", BOTH)
def test_an_argument_that_is_captured_too(run: Function) -> None:
    table = vector()

    def f(x: Any, i: Any) -> Any:
        x[0] = 5.0
        return table[i] + x[0]

    with pytest.raises(
        errors.UnsupportedOperationError,
        match="writes into argument `x`, which overlaps in memory with an array that the function captures",
    ):
        run(f, table, 0)
    assert run(f, table.copy(), 1) == vector()[1] + 5.0


@pytest.mark.parametrize("run", BOTH)
def test_an_array_whose_elements_are_one(run: Function) -> None:
    x = np.lib.stride_tricks.as_strided(np.zeros(3), (4, 3), (0, 8))
    with pytest.raises(errors.UnsupportedOperationError, match="writes into argument `v`, some of whose elements are the same memory"):
        run(lambda v: v.__setitem__((0, 0), 1.0), x)


# ---- callers in C
def test_c_functions_write_in_place() -> None:
    w, h, g = vector(), np.zeros(5), np.arange(5.0)
    c = lj.jit(adagrad).lower(w, h, g, 0.1)
    assert c.prototype == "int32_t f(double *x0, int64_t x0_n0, double *x1, int64_t x1_n0, const double *x2, int64_t x2_n0, double x3)"
    wanted = copied((w, h))
    adagrad(*wanted, g, 0.1)
    assert c.ctypes(w, 5, h, 5, g, 5, 0.1) == 0
    np.testing.assert_allclose((w, h), wanted)
    with pytest.raises(errors.UnsupportedOperationError, match="arguments 0 and 2 overlap in memory"):
        c.ctypes(w, 5, h, 5, w, 5, 0.1)
    h.flags.writeable = False
    with pytest.raises(Exception, match="WRITEABLE"):
        c.ctypes(w, 5, h, 5, g, 5, 0.1)


@needs_compiler
def test_exported_functions_write_in_place(tmp_path: Path) -> None:
    w, h, g = vector(), np.zeros(5), np.arange(5.0)
    given = copied((w, h))
    out = lj.export(adagrad, [w, h, g, 0.1], "adagrad", tmp_path)
    np.testing.assert_array_equal((w, h), given)  # the example values are the caller's
    assert out.prototype.startswith("int32_t adagrad(double *x0, int64_t x0_n0, double *x1, int64_t x1_n0, const double *x2")
    assert "one that is not const is written into" in out.header.read_text()
    build = "cc adagrad_example.c -o e -L. -ladagrad -Wl,-rpath,. && ./e"
    printed = subprocess.run(build, shell=True, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    adagrad(w, h, g, 0.1)
    np.testing.assert_allclose([float(x) for x in printed.split()], [*w, *h])
    assert "const double *x0" in lj.export(lj.grad(fill), ["f64[:]"], "slope", tmp_path).prototype


def test_many_arguments_that_are_parts_of_one_array() -> None:
    """So many pairs that they are compared by a loop."""

    def f(a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
        a += b
        c += d
        e -= a
        return np.sum(a * c * e)

    jitted = lj.jit(f)
    for starts in ((0, 3, 6, 9, 12), (0, 3, 6, 9, 2), (0, 3, 5, 9, 12), (0, 3, 6, 3, 12), (0, 3, 6, 9, 7)):
        z, y = np.arange(15.0), np.arange(15.0)
        assert jitted(*(z[i : i + 3] for i in starts)) == f(*(y[i : i + 3] for i in starts))
        np.testing.assert_array_equal(z, y)

"""Every elementwise row of the table, in every spelling: value, gradient and second derivative, f64 and f32.

The reference is NumPy's function in extended precision, differentiated by central differences of order 4.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.ir.core.op import Zero
from lantern_jit.ir.core.types import BOOL, F32, F64, I64
from lantern_jit.ir.ops.table import TABLE

from .samples import DIFFERENTIABLE, FLAT, INTEGERS, INTEGRAL, LD, LOGICAL, SAMPLED, Sample
from .support import Runner, both, close, same

Function = Callable[..., Any]
EXTENDED = float(np.finfo(LD).eps)


def row(name: str, sample: Sample) -> Function:
    """The row itself as a function of traced values."""
    op = TABLE[name]
    return (lambda x: op(x, **sample.attrs)) if op.arity == 1 else (lambda x, y: op(x, y, **sample.attrs))


def second_order(f: Function, arity: int) -> Function:
    """A program with the value of f, its gradient, and the Hessian by rows."""
    if arity == 1:
        d = lj.grad(f)
        return lambda x: (f(x), (d(x),), ((lj.grad(d)(x),),))
    dx, dy = lj.grad(f, 0), lj.grad(f, 1)
    return lambda x, y: (f(x, y), (dx(x, y), dy(x, y)), (lj.grad(dx, (0, 1))(x, y), lj.grad(dy, (0, 1))(x, y)))


def slopes(f: Function, x: list[Any], h: Any) -> list[Any]:
    """df/dx_i by central differences of order 4."""

    def at(i: int, step: Any) -> Any:
        return f(*(v + step if j == i else v for j, v in enumerate(x)))

    return [(8 * (at(i, h) - at(i, -h)) - (at(i, 2 * h) - at(i, -2 * h))) / (12 * h) for i in range(len(x))]


def reference(sample: Sample, point: tuple[float, ...]) -> tuple[Any, Any, Any, float, float]:
    """(value, gradient, Hessian, error of the gradient, error of the Hessian)."""
    eps = 2.3e-16 if sample.double else EXTENDED
    kind = np.float64 if sample.double else LD
    x = [kind(v) for v in point]
    h1, h2 = kind(eps**0.2), kind(eps ** (1 / 6))
    gradient = slopes(sample.reference, x, h1)
    hessian = [slopes(lambda *y, i=i: slopes(sample.reference, list(y), h2)[i], x, h2) for i in range(len(x))]
    rows = tuple(tuple(map(float, row)) for row in hessian)
    return float(sample.reference(*x)), tuple(map(float, gradient)), rows, 200 * eps**0.8, 20000 * eps ** (2 / 3)


def test_every_row_has_a_sampler() -> None:
    elementwise = {
        name for name, op in TABLE.items() if op.signature != "*:*" and not op.calls
    }  # the user's rules: test_user_operations.py
    assert elementwise - {"sound"} == SAMPLED  # it is its first argument: test_nans.py


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_value_gradient_and_hessian(name: str) -> None:
    sample = DIFFERENTIABLE[name]
    run = Runner(second_order(row(name, sample), TABLE[name].arity))
    for point in sample.points(name):
        value, gradient, hessian, e1, e2 = reference(sample, point)
        for mode, out in run(*point).items():
            close(out[0], value, 1e-13, 1e-15, f"{mode} {name}{point}")
            close(out[1], gradient, 1e-12 + e1, 1e-12 + e1, f"{mode} gradient of {name}{point}")
            close(out[2], hessian, 1e-11 + e2, 1e-11 + e2, f"{mode} Hessian of {name}{point}")


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_float32(name: str) -> None:
    sample = DIFFERENTIABLE[name]
    run = Runner(second_order(row(name, sample), TABLE[name].arity))
    for point in sample.points(name, 3):
        value, gradient, hessian, _, _ = reference(sample, point)
        for mode, out in run(*map(np.float32, point)).items():
            assert all(type(leaf) is np.float32 for leaf in (out[0], *out[1], *out[2][0])), (mode, out)
            close(out[0], np.float32(value), 3e-6, 1e-6, f"{mode} {name}{point}")
            close(out[1], tuple(map(np.float32, gradient)), 3e-5, 1e-5, f"{mode} gradient of {name}{point}")
            close(out[2][0], tuple(map(np.float32, hessian[0])), 3e-4, 1e-4, f"{mode} Hessian of {name}{point}")


@pytest.mark.parametrize("name", [n for n, s in DIFFERENTIABLE.items() if s.spellings])
def test_spellings(name: str) -> None:
    sample = DIFFERENTIABLE[name]
    nums = tuple(range(TABLE[name].arity))

    def program(*args: Any) -> Any:
        return [(f(*args), lj.grad(lambda *xs, f=f: f(*xs), nums)(*args)) for f in sample.spellings]

    run = Runner(program)
    for point in sample.points(name, 3):
        value, gradient, _, e1, _ = reference(sample, point)
        for mode, out in run(*point).items():
            for spelling, (v, g) in zip(sample.spellings, out, strict=True):
                close(v, value, 1e-13, 1e-15, f"{mode} {spelling}{point}")
                close(g, gradient, 1e-12 + e1, 1e-12 + e1, f"{mode} gradient of {spelling}{point}")
    for spelling in sample.spellings:
        close(float(spelling(*point)), value, 1e-13, 1e-15, f"plain Python {spelling}")


@pytest.mark.parametrize("name", FLAT)
def test_rows_without_a_gradient(name: str) -> None:
    sample = FLAT[name]
    assert isinstance(TABLE[name].rule, Zero)
    assert TABLE[name].rule.why
    all_spellings = (row(name, sample), *sample.spellings)

    def program(*args: Any) -> Any:
        values = [f(*args) for f in all_spellings]
        slope = lj.grad(lambda x, *rest: x + 3.0 * all_spellings[0](x, *rest))
        return values, slope(*args)

    for kind in (float, np.float32):
        run = Runner(program)
        for point in sample.points(name, 4):
            expected = sample.reference(*map(kind, point))
            for mode, (values, slope) in run(*map(kind, point)).items():
                for v in values:
                    assert v == expected, (mode, name, point, v, expected)
                    assert isinstance(v, bool) == isinstance(expected, np.bool_)
                assert slope == 1.0


@pytest.mark.parametrize("name", INTEGRAL)
def test_integers_wrap_and_divide_as_numpy(name: str) -> None:
    numpy, spellings, legal = INTEGRAL[name]
    run = Runner(lambda x, y: [TABLE[name](x, y), *(f(x, y) for f in spellings), numpy(x, y)])
    with np.errstate(all="ignore"):
        for x in INTEGERS:
            for y in INTEGERS:
                if not legal(x, y):
                    continue
                expected = numpy(np.int64(x), np.int64(y)).item()
                for mode, out in run(x, y).items():
                    assert all(v == expected and type(v) is type(expected) for v in out), (
                        mode,
                        name,
                        x,
                        y,
                        out,
                        expected,
                    )


@pytest.mark.parametrize("name", LOGICAL)
def test_logical(name: str) -> None:
    symbol = {"and": operator.and_, "or": operator.or_, "xor": operator.xor}[name]
    run = Runner(lambda x, y: (TABLE[name](x, y), symbol(x, y), LOGICAL[name](x, y)))
    for x in (False, True):
        for y in (False, True):
            for out in run(x, y).values():
                same(out, (symbol(x, y),) * 3)


def test_select() -> None:
    op = TABLE["select"]
    run = Runner(lambda c, x, y: (op(c, x, y), lj.grad(lambda x, y: op(c, x * x, y * x), (0, 1))(x, y)))
    for out in run(True, 3.0, 5.0).values():
        same(out, (3.0, (6.0, 0.0)))
    for out in run(False, 3.0, 5.0).values():
        same(out, (5.0, (5.0, 3.0)))
    for out in both(lambda c, x, y: op(c, x, y), True, 3, 4).values():
        same(out, 3)


def test_convert() -> None:
    op = TABLE["convert"]

    def program(x: Any, n: Any, b: Any) -> Any:
        f = lj.grad(lambda v: op(op(v, to=F32), to=F64) ** 2)
        return op(x, to=F32), op(n, to=F64), op(b, to=I64), op(b, to=F64), op(n, to=BOOL), op(x, to=BOOL), f(x)

    for out in both(program, 0.1, 3, True).values():
        same(out, (np.float32(0.1), 3.0, 1, 1.0, True, True, float(np.float32(2) * np.float32(0.1))))


def test_nonzero_step() -> None:
    for out in both(lambda n: TABLE["nonzero_step"](n), -4).values():
        same(out, -4)
    jitted = lj.jit(lambda n: TABLE["nonzero_step"](n))
    with pytest.raises(lj.errors.ArgumentTypeError, match="step must not be zero"):
        jitted(0)


VECTORS = ["exp", "log", "sin", "cos", "tan", "tanh", "sqrt", "exp2", "log1p", "expm1", "asinh", "cbrt", "erf", "atan"]
STRANGE = [
    0.0,
    -0.0,
    math.inf,
    -math.inf,
    math.nan,
    -1.0,
    1e-320,
    710.0,
    -746.0,
    1e22,
    1e300,
    -1e300,
    1e-8,
    0.5,
    88.0,
    3.0,
]


@pytest.mark.parametrize("name", VECTORS)
def test_in_a_loop_over_an_array(name: str) -> None:
    """SIMD variants are within a few units in the last place, and right at the edges of the domain."""
    op = TABLE[name]

    def program(x: Any) -> Any:
        z = np.zeros(len(x))
        for i in range(len(x)):
            z[i] = op(x[i])
        return z

    x = np.concatenate([STRANGE, np.linspace(-20, 20, 1001)])
    numpy = {"asinh": "arcsinh", "atan": "arctan"}.get(name, name)
    with np.errstate(all="ignore"):
        expected = np.array([math.erf(v) for v in x]) if name == "erf" else getattr(np, numpy)(x)
    for mode, out in both(program, x).items():
        close(out, expected, 2e-15, 5e-324, f"{mode} {name}")
        assert (np.signbit(out) == np.signbit(expected))[~np.isnan(expected)].all(), mode

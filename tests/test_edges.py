"""Values and derivatives at the edges of each operation's domain: a table, run over every mode.

A derivative where none exists is a choice, and the choice is that of one piece: abs(x) is x at 0; the first of equals is the
larger and the smaller one, for Python's max and min and NumPy's. Norms have no derivative at 0, and 0 * inf is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special

import lantern_jit as lj

from .support import Runner, both

INF, NAN = math.inf, math.nan
Point = tuple[tuple[float, ...], float, tuple[float, ...] | None]  # arguments, value, derivatives (None: not stated)
Row = tuple[Callable[..., Any], list[Point]]

TABLE: dict[str, Row] = {
    "abs": (abs, [((0.0,), 0.0, (1.0,)), ((-0.0,), 0.0, (1.0,)), ((-INF,), INF, (-1.0,)), ((NAN,), NAN, (NAN,))]),
    "sqrt": (np.sqrt, [((0.0,), 0.0, (INF,)), ((-0.0,), -0.0, None), ((-1.0,), NAN, (NAN,)), ((INF,), INF, (0.0,))]),
    "cbrt": (np.cbrt, [((0.0,), 0.0, (INF,)), ((-8.0,), -2.0, (1 / 12,)), ((-INF,), -INF, (0.0,))]),
    "x**0.5": (lambda x: x**0.5, [((0.0,), 0.0, (INF,)), ((-1.0,), NAN, (NAN,))]),
    "x**0": (lambda x: x**0, [
        ((0.0,), 1.0, (0.0,)), ((NAN,), 1.0, (0.0,)), ((INF,), 1.0, (0.0,)), ((2.0,), 1.0, (0.0,)),
    ]),
    "x**1": (lambda x: x**1, [((0.0,), 0.0, (1.0,)), ((-INF,), -INF, (1.0,))]),
    "x**2": (lambda x: x**2, [((0.0,), 0.0, (0.0,)), ((-0.0,), 0.0, (0.0,)), ((-INF,), INF, (-INF,))]),
    "x**-1": (lambda x: x**-1, [((0.0,), INF, (-INF,)), ((-0.0,), -INF, (-INF,)), ((INF,), 0.0, (0.0,))]),
    "x**y": (lambda x, y: x**y, [
        ((0.0, 0.0), 1.0, None), ((0.0, 1.0), 0.0, (1.0, 0.0)), ((0.0, 2.0), 0.0, (0.0, 0.0)),
        ((0.0, 0.5), 0.0, (INF, 0.0)),
        ((2.0, 0.0), 1.0, (0.0, math.log(2))), ((-2.0, 2.0), 4.0, (-4.0, NAN)), ((-2.0, 3.0), -8.0, (12.0, NAN)),
        ((-2.0, 0.5), NAN, (NAN, NAN)), ((0.0, -1.0), INF, None), ((1.0, NAN), 1.0, None),
        ((NAN, 0.0), 1.0, None),
    ]),
    "2**y": (lambda y: 2.0**y, [((2000.0,), INF, (INF,)), ((-2000.0,), 0.0, (0.0,)), ((0.0,), 1.0, (math.log(2),))]),
    "0**y": (lambda y: 0.0**y, [((0.0,), 1.0, (-INF,)), ((2.0,), 0.0, (0.0,))]),
    "maximum": (np.maximum, [
        ((2.0, 2.0), 2.0, (1.0, 0.0)), ((NAN, 1.0), NAN, None), ((1.0, NAN), NAN, None), ((INF, 1.0), INF, (1.0, 0.0)),
    ]),
    "minimum": (np.minimum, [
        ((2.0, 2.0), 2.0, (1.0, 0.0)), ((NAN, 1.0), NAN, None), ((1.0, NAN), NAN, None),
        ((-INF, 1.0), -INF, (1.0, 0.0)),
    ]),
    "fmax": (np.fmax, [((NAN, 1.0), 1.0, (0.0, 1.0)), ((1.0, NAN), 1.0, (1.0, 0.0)), ((2.0, 2.0), 2.0, (1.0, 0.0))]),
    "fmin": (np.fmin, [((NAN, 1.0), 1.0, (0.0, 1.0)), ((1.0, NAN), 1.0, (1.0, 0.0)), ((NAN, NAN), NAN, None)]),
    "max": (max, [((2.0, 2.0), 2.0, (1.0, 0.0)), ((NAN, 1.0), NAN, (1.0, 0.0)), ((1.0, NAN), 1.0, (1.0, 0.0))]),
    "min": (min, [((2.0, 2.0), 2.0, (1.0, 0.0)), ((0.0, -0.0), 0.0, (1.0, 0.0)), ((1.0, NAN), 1.0, (1.0, 0.0))]),
    "clip": (lambda x: np.clip(x, 0.0, 1.0), [
        ((0.0,), 0.0, (1.0,)), ((2.0,), 1.0, (0.0,)), ((NAN,), NAN, None), ((0.5,), 0.5, (1.0,)),
    ]),
    "log": (np.log, [
        ((0.0,), -INF, (INF,)), ((-1.0,), NAN, None), ((INF,), INF, (0.0,)), ((5e-324,), math.log(5e-324), None),
    ]),
    "log1p": (np.log1p, [
        ((-1.0,), -INF, (INF,)), ((1e-17,), 1e-17, (1.0,)), ((-0.0,), -0.0, (1.0,)), ((INF,), INF, (0.0,)),
    ]),
    "expm1": (np.expm1, [
        ((1e-17,), 1e-17, (1.0,)), ((-INF,), -1.0, (0.0,)), ((-0.0,), -0.0, (1.0,)), ((800.0,), INF, (INF,)),
    ]),
    "exp": (np.exp, [((710.0,), INF, (INF,)), ((-INF,), 0.0, (0.0,)), ((-750.0,), 0.0, (0.0,)), ((NAN,), NAN, (NAN,))]),
    "1/x": (lambda x: 1 / x, [
        ((0.0,), INF, (-INF,)), ((-0.0,), -INF, (-INF,)), ((INF,), 0.0, (0.0,)), ((NAN,), NAN, (NAN,)),
    ]),
    "x/y": (lambda x, y: x / y, [
        ((0.0, 0.0), NAN, None), ((1.0, 0.0), INF, None), ((0.0, -2.0), -0.0, (-0.5, 0.0)),
    ]),
    "logaddexp": (np.logaddexp, [
        ((-INF, 0.0), 0.0, (0.0, 1.0)), ((0.0, -INF), 0.0, (1.0, 0.0)), ((INF, 0.0), INF, (1.0, 0.0)),
        ((1000.0, 1000.0), 1000.0 + math.log(2), (0.5, 0.5)),
        ((INF, -INF), INF, (1.0, 0.0)), ((NAN, 0.0), NAN, None), ((-INF, -INF), -INF, None), ((INF, INF), INF, None),
    ]),
    "logaddexp of equal infinities": (np.logaddexp, [((-INF, -INF), -INF, (0.5, 0.5)), ((INF, INF), INF, (0.5, 0.5))]),
    "expit": (scipy.special.expit, [
        ((-800.0,), 0.0, (0.0,)), ((800.0,), 1.0, (0.0,)), ((0.0,), 0.5, (0.25,)), ((-INF,), 0.0, (0.0,)),
    ]),
    "tanh": (np.tanh, [((INF,), 1.0, (0.0,)), ((-1000.0,), -1.0, (0.0,)), ((-0.0,), -0.0, (1.0,))]),
    "sinh": (np.sinh, [((800.0,), INF, (INF,)), ((-0.0,), -0.0, (1.0,))]),
    "cosh": (np.cosh, [((-800.0,), INF, (-INF,)), ((0.0,), 1.0, (0.0,))]),
    "asin": (np.arcsin, [((1.0,), math.pi / 2, (INF,)), ((-1.0,), -math.pi / 2, (INF,)), ((2.0,), NAN, (NAN,))]),
    "acos": (np.arccos, [((1.0,), 0.0, (-INF,)), ((2.0,), NAN, (NAN,))]),
    "atan": (np.arctan, [
        ((INF,), math.pi / 2, (0.0,)), ((-INF,), -math.pi / 2, (0.0,)), ((1e200,), math.pi / 2, (0.0,)),
    ]),
    "atan2": (np.arctan2, [
        ((0.0, 0.0), 0.0, (NAN, NAN)), ((1e-200, 0.0), math.pi / 2, (0.0, -1e200)), ((0.0, -1.0), math.pi, (-1.0, 0.0)), ((-0.0, -1.0), -math.pi, (-1.0, 0.0)),
    ]),
    "asinh": (np.arcsinh, [((1e300,), math.asinh(1e300), (1e-300,)), ((-INF,), -INF, (0.0,)), ((-0.0,), -0.0, (1.0,))]),
    "acosh": (np.arccosh, [((1.0,), 0.0, (INF,)), ((0.5,), NAN, None), ((INF,), INF, (0.0,))]),
    "atanh": (np.arctanh, [((1.0,), INF, (INF,)), ((-1.0,), -INF, (INF,)), ((2.0,), NAN, None)]),
    "hypot": (np.hypot, [((0.0, 0.0), 0.0, (NAN, NAN)), ((3e200, 4e200), 5e200, (0.6, 0.8)), ((-INF, NAN), INF, None)]),
    "erf": (scipy.special.erf, [
        ((INF,), 1.0, (0.0,)), ((0.0,), 0.0, (2 / math.sqrt(math.pi),)), ((-40.0,), -1.0, (0.0,)),
    ]),
    "erfc": (scipy.special.erfc, [((INF,), 0.0, (0.0,)), ((-40.0,), 2.0, (0.0,))]),
    "gammaln": (scipy.special.gammaln, [
        ((0.0,), INF, (-INF,)), ((1.0,), 0.0, (-np.euler_gamma,)), ((INF,), INF, (INF,)),
        ((-0.5,), float(scipy.special.gammaln(-0.5)), (float(scipy.special.psi(-0.5)),)),
    ]),
    "digamma": (scipy.special.psi, [
        ((-0.5,), float(scipy.special.psi(-0.5)), (8.934802200544679,)),
        ((1e8,), float(scipy.special.psi(1e8)), (1.000000005e-8,)),
    ]),
    "sign": (np.sign, [((0.0,), 0.0, (0.0,)), ((-0.0,), 0.0, (0.0,)), ((NAN,), NAN, (0.0,)), ((-INF,), -1.0, (0.0,))]),
    "floor": (np.floor, [
        ((2.0,), 2.0, (0.0,)), ((-0.0,), -0.0, (0.0,)), ((-0.5,), -1.0, (0.0,)), ((INF,), INF, (0.0,)),
    ]),
    "ceil": (np.ceil, [((2.0,), 2.0, (0.0,)), ((-0.5,), -0.0, (0.0,)), ((NAN,), NAN, (0.0,))]),
    "rint": (np.rint, [((0.5,), 0.0, (0.0,)), ((1.5,), 2.0, (0.0,)), ((-0.5,), -0.0, (0.0,)), ((2.5,), 2.0, (0.0,))]),
    "x%y": (lambda x, y: x % y, [
        ((6.0, 3.0), 0.0, (1.0, -2.0)), ((-6.0, 3.0), 0.0, (1.0, 2.0)), ((6.0, -3.0), -0.0, (1.0, 2.0)),
        ((-1.0, 3.0), 2.0, (1.0, 1.0)),
        ((5.0, INF), 5.0, (1.0, 0.0)), ((-5.0, INF), INF, None), ((5.0, 0.0), NAN, None), ((INF, 3.0), NAN, None),
    ]),
    "x//y": (lambda x, y: x // y, [
        ((6.0, 3.0), 2.0, (0.0, 0.0)), ((-6.0, 4.0), -2.0, (0.0, 0.0)), ((7.0, 0.0), INF, (0.0, 0.0)),
        ((-7.0, 0.0), -INF, (0.0, 0.0)),
        ((0.0, 0.0), NAN, (0.0, 0.0)), ((5.0, INF), 0.0, (0.0, 0.0)), 
        ((INF, 2.0), NAN, (0.0, 0.0)),
    ]),
    "x//inf": (lambda x, y: x // y, [((-5.0, INF), -1.0, (0.0, 0.0)), ((5.0, -INF), -1.0, (0.0, 0.0))]),
    "fmod": (np.fmod, [
        ((-6.0, 3.0), -0.0, (1.0, 2.0)), ((5.0, INF), 5.0, (1.0, 0.0)), ((5.0, 0.0), NAN, None),
        ((-7.0, 3.0), -1.0, (1.0, 2.0)),
    ]),
    "copysign": (np.copysign, [((2.0, -0.0), -2.0, (-1.0, 0.0)), ((0.0, -1.0), -0.0, (-1.0, 0.0))]),
    "heaviside": (lambda x: np.heaviside(x, 0.5), [((0.0,), 0.5, (0.0,)), ((-1.0,), 0.0, (0.0,))]),
    "sinc": (np.sinc, [((0.0,), 1.0, (0.0,)), ((0.5,), 2 / math.pi, (-4 / math.pi,))]),
    "-x": (lambda x: -x, [((0.0,), -0.0, (-1.0,)), ((NAN,), NAN, (-1.0,))]),
    "x-x": (lambda x: x - x, [((INF,), NAN, (0.0,)), ((1.0,), 0.0, (0.0,))]),
    "0*x": (lambda x: 0.0 * x, [((-1.0,), -0.0, (0.0,)), ((INF,), NAN, (0.0,)), ((NAN,), NAN, (0.0,))]),
    "x+0": (lambda x: x + 0.0, [((-0.0,), 0.0, (1.0,))]),
    "x==x": (lambda x: 1.0 if x == x else 2.0 * x, [((NAN,), NAN, (2.0,)), ((1.0,), 1.0, (0.0,))]),
    "not x<1": (lambda x: x if not x < 1 else -x, [((NAN,), NAN, (1.0,)), ((0.0,), -0.0, (-1.0,))]),
    "if x": (lambda x: 2 * x if x else x, [((NAN,), NAN, (2.0,)), ((-0.0,), -0.0, (1.0,)), ((3.0,), 6.0, (2.0,))]),
    "constant": (lambda x: 3.0, [((1.0,), 3.0, (0.0,))]),
    "unused": (lambda x, y: x, [((1.0, 2.0), 1.0, (1.0, 0.0))]),
}  # fmt: skip

# A branch that is not taken leaves no trace in the gradient, whatever its derivative is.
GUARDED: dict[str, Row] = {
    "sqrt": (lambda x: np.where(x > 0, np.sqrt(x), 0.0), [
        ((0.0,), 0.0, (0.0,)), ((-1.0,), 0.0, (0.0,)), ((4.0,), 2.0, (0.25,)),
    ]),
    "log": (lambda x: np.where(x > 0, np.log(x), -1.0), [((0.0,), -1.0, (0.0,)), ((-1.0,), -1.0, (0.0,))]),
    "1/x": (lambda x: np.where(x != 0, 1 / x, 7.0), [((0.0,), 7.0, (0.0,)), ((2.0,), 0.5, (-0.25,))]),
    "power": (lambda x: np.where(x > 0, x**0.3, x), [((0.0,), 0.0, (1.0,)), ((-2.0,), -2.0, (1.0,))]),
    "asin": (lambda x: np.where(abs(x) < 1, np.arcsin(x), x), [((1.0,), 1.0, (1.0,)), ((2.0,), 2.0, (1.0,))]),
    "exp": (lambda x: np.where(x < 700, np.exp(x), x), [((800.0,), 800.0, (1.0,)), ((INF,), INF, (1.0,))]),
    "chain": (lambda x: np.where(x > 0, np.sqrt(np.log(x + 0.0)), 2 * x), [
        ((0.0,), 0.0, (2.0,)), ((-1.0,), -2.0, (2.0,)),
    ]),
    "if": (lambda x: np.sqrt(x) if x > 0 else 0.0, [((0.0,), 0.0, (0.0,)), ((-1.0,), 0.0, (0.0,))]),
    "sinc": (lambda x: np.where(x == 0, 1.0, np.sin(x) / x), [((0.0,), 1.0, (0.0,))]),
    "entropy": (lambda x: np.where(x > 0, x * np.log(x), 0.0), [((0.0,), 0.0, (0.0,)), ((-1.0,), 0.0, (0.0,))]),
    "product": (lambda x: np.where(x < 1, x, x * np.exp(x)), [((0.5,), 0.5, (1.0,)), ((-INF,), -INF, (1.0,))]),
    "sin": (lambda x: np.where(np.isfinite(x), np.sin(x), 3.0), [((INF,), 3.0, (0.0,)), ((NAN,), 3.0, (0.0,))]),
    "hypot": (lambda x: np.where(np.isfinite(x), np.hypot(x, 1.0), 3.0), [((INF,), 3.0, (0.0,))]),
    "mod": (lambda x: np.where(x != 0, 5.0 % x, 3.0), [((0.0,), 3.0, (0.0,))]),
}  # fmt: skip


def every_mode(f: Callable[..., Any], arity: int) -> Runner:
    """Value, gradient, and one jvp along each axis; run by the interpreter and natively these are six modes."""
    nums = tuple(range(arity))

    def program(*xs: Any) -> Any:
        axes = [tuple([1.0 if i == j else 0.0 for i in nums]) for j in nums]
        return f(*xs), lj.grad(lambda *ys: f(*ys) * 1.0, nums)(*xs), tuple([lj.jvp(f, xs, axis)[1] for axis in axes])

    return Runner(program)


def agrees(x: float, y: float, signed: bool = False, rtol: float = 1e-14) -> bool:
    if math.isnan(y):
        return math.isnan(x)
    near = math.isclose(x, y, rel_tol=rtol, abs_tol=1e-200 if rtol < 1e-10 else 1e-30)
    return near and (not signed or math.copysign(1, x) == math.copysign(1, y))


def examine(row: Row, kind: type = float, rtol: float = 1e-14) -> None:
    f, points = row
    run = every_mode(f, len(points[0][0]))
    for args, value, derivatives in points:
        for mode, (found, gradient, tangents) in run(*map(kind, args)).items():
            assert agrees(found, value, True, rtol), f"{mode}: the value at {args} is {found}, not {value}"
            for name, given in (("gradient", gradient), ("jvp", tangents)):
                if derivatives is not None:
                    text = f"{mode}: the {name} at {args} is {given}, not {derivatives}"
                    assert all(agrees(x, y, False, rtol) for x, y in zip(given, derivatives, strict=True)), text


def in_single_range(x: float) -> bool:
    return x == 0 or not math.isfinite(x) or 1e-18 < abs(x) < 1e18


@pytest.mark.parametrize("name", TABLE)
def test_edge(name: str) -> None:
    examine(TABLE[name])


@pytest.mark.parametrize("name", TABLE)
def test_edge_in_float32(name: str) -> None:
    f, points = TABLE[name]
    examine((f, [p for p in points if all(map(in_single_range, (*p[0], p[1])))]), np.float32, 1e-5)


@pytest.mark.parametrize("name", GUARDED)
def test_branch_not_taken(name: str) -> None:
    examine(GUARDED[name])


def test_second_derivative_of_sinc_at_zero() -> None:
    for out in both(lj.grad(lj.grad(np.sinc)), 0.0).values():
        assert agrees(out, -(math.pi**2) / 3)


def test_a_deviation_of_one_element() -> None:
    """It is 0 whatever the element is; of equal elements it has no derivative, as a norm at 0."""
    for x in (3.5, np.array([2.0]), np.array([[1.0, 2.0, 3.0]])):
        for f in (lambda x: np.std(x, axis=0 if np.ndim(x) else None), lambda x: np.sum(np.std(x, axis=None)) * 0.0):
            assert np.array_equal(lj.jit(f)(x), f(x))
        slopes = lj.jit(lj.grad(lambda x: np.sum(np.std(x, axis=0 if np.ndim(x) else None))))(x)
        assert np.array_equal(slopes, np.zeros_like(x))
    lj.check_grads(lambda x: np.std(x, axis=0, keepdims=True), (np.array([[1.0, 2.0], [0.0, 4.0]]),), order=2)
    assert np.isnan(lj.jit(lj.grad(np.std))(np.ones(3))).all()


def test_a_cotangent_of_what_does_not_move() -> None:
    for x in (2.0, np.ones(3), np.ones(30)):
        _, pull = lj.vjp(lambda x: x > 1.0, x)
        assert np.array_equal(pull(np.zeros_like(x))[0], np.zeros_like(x))


def test_an_index_of_tuples() -> None:
    """A tuple inside of an index is a list of indices, as it is to NumPy."""

    def f(a: Any, i: int) -> Any:
        return a[(0, 1, 0), (2, 1, 2)], a[[0, 1], :, (1, 2)], a[((1, 0),)], a[(i, 0), (1, 2)]

    a = np.arange(24.0).reshape(2, 3, 4)
    for got, want in zip(lj.jit(f)(a, 1), f(a, 1), strict=True):
        assert np.array_equal(got, want)


def along(f: Callable[..., Any], x: Any, y: Any, by_x: float, by_y: float) -> Any:
    """The derivative of f in a direction that has the same part in each element of an array."""
    return lj.jvp(f, (x, y), (by_x + 0.0 * x, by_y + 0.0 * y))[1]


def second_slopes(x: Any, y: Any) -> Any:
    """Of sum(x ** y): by x twice, by x and y, by y and x, by y twice; in two ways."""
    f = lambda x, y: np.sum(x**y)  # noqa: E731
    dx, dy = lj.grad(f), lj.grad(f, 1)
    of_gradients = [lj.grad(lambda x, y, d=d: np.sum(d(x, y)), (0, 1))(x, y) for d in (dx, dy)]
    tangents = [along(d, x, y, *e) for d in (dx, dy) for e in ((1.0, 0.0), (0.0, 1.0))]
    return *of_gradients[0], *of_gradients[1], *tangents


def test_second_derivatives_of_powers_at_zero() -> None:
    """x ** y is 0 for every y > 0, and 1 at y = 0: by x it has all derivatives where y is a whole number, by y where it is greater than 0."""
    run = Runner(second_slopes)
    wanted = {2.0: (2.0, 0.0, 0.0, 0.0), 3.0: (0.0, 0.0, 0.0, 0.0), 2.5: (0.0, 0.0, 0.0, 0.0), 4.0: (0.0, 0.0, 0.0, 0.0)}
    for y, slopes in wanted.items():
        for kind in (float, lambda v: np.array([v, v])):
            for mode, found in run(kind(0.0), kind(y)).items():
                for k, value in enumerate(found):
                    assert np.all(value == slopes[k % 4]), f"{mode}: derivative {k} at 0 ** {y} is {value}"


def test_second_derivatives_of_powers_at_zero_where_others_are_infinite() -> None:
    f = lambda x, y: x**y  # noqa: E731
    dxx, dxy = lj.grad(lj.grad(f)), lj.grad(lj.grad(f, 1))
    dyy, third = lj.grad(lj.grad(f, 1), 1), lj.grad(lj.grad(lj.grad(f)))
    run = Runner(lambda x, y: (dxx(x, y), dyy(x, y), dxy(x, y), third(x, y)))
    for mode, found in run(0.0, 1.0).items():
        assert found[:2] == (0.0, 0.0), mode
        assert not math.isfinite(found[2]), mode  # 1 + log(x)
    for mode, found in run(0.0, 0.0).items():
        assert found[0] == found[3] == 0.0, mode
        assert not math.isfinite(found[1]), mode  # 1 at y = 0, and 0 beside it
        assert not math.isfinite(found[2]), mode
    for y, slope in ((2.0, 0.0), (3.0, 6.0), (4.0, 0.0)):
        for mode, found in run(0.0, y).items():
            assert found[3] == slope, f"{mode} {y}"
    for mode, found in run(-2.0, 3.0).items():  # below 0 by x alone
        assert found[0] == -12.0, mode
        assert found[3] == 6.0, mode
        assert math.isnan(found[1]), mode
    both_of_a_constant = lj.jit(lambda y: (lj.grad(lambda y: 0.0**y)(y), lj.grad(lj.grad(lambda y: 0.0**y))(y)))(2.0)
    assert both_of_a_constant == (0.0, 0.0)

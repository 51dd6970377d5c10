"""Derivatives of every kind and their mixtures, on the interpreter and jitted, against closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors

from .support import both, close


def agree(f: Callable[..., Any], *args: Any, expected: Any, rtol: float = 1e-10) -> None:
    """f(*args) is `expected` on the interpreter and in native code."""
    for mode, out in both(f, *args).items():
        close(out, expected, rtol, rtol, mode)


def product(x: float, y: float, z: float) -> float:
    return x * y**2 * z**3


# ---- grad and value_and_grad
@pytest.mark.parametrize(
    ("argnums", "expected"),
    [
        (0, 4.0 * 27),
        (1, 2 * 2.0 * 5 * 27),
        (-1, 5 * 4 * 3 * 9.0),
        ((2, 0), (5 * 4 * 3 * 9.0, 4.0 * 27)),
        ((-2,), (2 * 2.0 * 5 * 27,)),
        ((1, 1), (540.0, 540.0)),
        ((), ()),
        ([0, -1], (108.0, 540.0)),
    ],
)
def test_argnums(argnums: Any, expected: Any) -> None:
    agree(lj.grad(product, argnums), 5.0, 2.0, 3.0, expected=expected)
    agree(lj.value_and_grad(product, argnums), 5.0, 2.0, 3.0, expected=(540.0, expected))


@pytest.mark.parametrize("argnums", [3, -4, (0, 3)])
def test_argnums_out_of_range(argnums: Any) -> None:
    with pytest.raises(errors.ArgumentTypeError, match="names an argument that the call does not have: it has 3 positional"):
        lj.grad(product, argnums)(1.0, 2.0, 3.0)


def test_keyword_arguments_are_passed_on() -> None:
    assert lj.grad(product)(5.0, z=3.0, y=2.0) == 108.0
    assert lj.jit(lj.grad(product, 1))(5.0, 2.0, z=3.0) == 540.0


def with_aux(x: float) -> tuple[float, dict[str, Any]]:
    y = math.sin(x)
    return y * y, {"sine": y, "count": 3, "pair": (x, [x > 0])}


def test_has_aux() -> None:
    aux = {"sine": math.sin(0.7), "count": 3, "pair": (0.7, [True])}
    value, slope = math.sin(0.7) ** 2, math.sin(1.4)
    agree(lj.grad(with_aux, has_aux=True), 0.7, expected=(slope, aux))
    agree(lj.value_and_grad(with_aux, has_aux=True), 0.7, expected=((value, aux), slope))


class Point(NamedTuple):
    x: float
    y: Any


@dataclass
class Body:
    mass: float
    at: Any


def energy(p: Any, bodies: Any) -> float:
    e = p.x * p.y[0]
    for b in bodies["all"]:
        e = e + b.mass * b.at[1] * p.y[1]
    return e


def test_a_gradient_has_its_arguments_structure() -> None:
    p, bodies = Point(2.0, (3.0, 4.0)), {"all": [Body(5.0, np.array([0.0, 6.0])), Body(7.0, np.array([0.0, 8.0]))]}
    for run in (lj.grad(energy, (0, 1)), lj.jit(lj.grad(energy, (0, 1)))):
        dp, db = run(p, bodies)
        assert isinstance(dp, Point)
        assert all(isinstance(b, Body) for b in db["all"])
        close(tuple(dp), (3.0, (2.0, 5 * 6.0 + 7 * 8.0)))
        close([(b.mass, b.at) for b in db["all"]], [(24.0, np.array([0.0, 20.0])), (32.0, np.array([0.0, 28.0]))])


def test_ints_are_promoted() -> None:
    agree(lj.grad(lambda x: x * x), 3, expected=6.0)
    agree(lj.grad(lambda x: x**2 / 2, argnums=(0,)), 3, expected=(3.0,))
    for out in both(lj.grad(lambda a: a[0] * a[1]), np.array([3, 4])).values():
        assert out.dtype == np.float64
        close(out, np.array([4.0, 3.0]))
    agree(lambda x: lj.jvp(lambda v: v * v, (x,), (1,)), 3, expected=(9.0, 6.0))
    agree(lambda x: lj.vjp(lambda v: v * v, x)[1](2), 3, expected=(12.0,))


def test_float32_stays() -> None:
    for out in both(lj.grad(lambda x: x * x), np.float32(3)).values():
        assert type(out) is np.float32
        assert out == 6


# ---- what has no gradient
RESULTS: list[tuple[Callable[[float], Any], str]] = [
    (lambda x: (x, x), "returns a tuple: use vjp, jacrev or jacfwd"),
    (lambda x: np.array([x, x]), "returns a 1-d array of float64: use vjp, jacrev or jacfwd"),
    (lambda x: {"a": x}, "returns a dict: use vjp"),
    (lambda x: int(x), "integer and boolean results carry no gradient"),
    (lambda x: x > 1, "integer and boolean results carry no gradient"),
]


@pytest.mark.parametrize(("f", "match"), RESULTS)
def test_results_that_have_no_gradient(f: Callable[[float], Any], match: str) -> None:
    for make in (lj.grad, lj.value_and_grad, lambda g: lj.jit(lj.grad(g))):
        with pytest.raises(errors.NotDifferentiableError, match=match):
            make(f)(1.5)


@pytest.mark.parametrize("bad", [True, np.bool_(False), np.array([True])])
def test_bool_arguments_have_no_gradient(bad: Any) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: lj.grad(lambda x: 1.0)(bad),
        lambda: lj.jvp(lambda x: 1.0, (bad,), (1.0,)),
        lambda: lj.vjp(lambda x: 1.0, bad)[1](1.0),
    ]
    for one in calls:
        with pytest.raises(errors.NotDifferentiableError, match="bool"):
            one()


def test_aux_must_be_there() -> None:
    with pytest.raises(errors.NotDifferentiableError, match=r"to return \(value, aux\)"):
        lj.grad(lambda x: x * x, has_aux=True)(1.0)


# ---- jvp, vjp, hvp
def mixed(x: float, a: Any) -> tuple[Any, int]:
    out = np.zeros(2)
    out[0] = x * a[0]
    out[1] = np.sin(x) * a[1]
    return out, 7


def test_jvp() -> None:
    a, ta = np.array([2.0, 3.0]), np.array([0.5, -1.0])
    value = np.array([2.0 * 0.4, 3.0 * math.sin(0.4)])
    tangent = np.array([0.4 * 0.5 + 2.0 * 10, 3.0 * math.cos(0.4) * 10 - math.sin(0.4)])
    agree(lambda x, v, tx, tv: lj.jvp(mixed, (x, v), (tx, tv)), 0.4, a, 10.0, ta, expected=((value, 7), (tangent, 0.0)))
    close(lj.jvp(mixed, (0.4, a), (10.0, ta)), ((value, 7), (tangent, 0.0)))


def test_vjp() -> None:
    a, ct = np.array([2.0, 3.0]), np.array([10.0, 100.0])
    expected = (10 * 2.0 + 100 * 3 * math.cos(0.4), np.array([10 * 0.4, 100 * math.sin(0.4)]))
    agree(lambda x, v, c: lj.vjp(mixed, x, v)[1]((c, 0)), 0.4, a, ct, expected=expected)
    value, pull = lj.vjp(mixed, 0.4, a)
    close(value, (np.array([0.8, 3 * math.sin(0.4)]), 7))
    close(pull((ct, 0)), expected)
    close(pull((ct * 2, 0)), (expected[0] * 2, expected[1] * 2))


def test_the_pull_back_of_a_traced_vjp_is_called_twice() -> None:
    def both_rows(x: float) -> Any:
        _, pull = lj.vjp(lambda v: (v * v, v**3), x)
        return pull((1.0, 0.0))[0], pull((0.0, 1.0))[0]

    agree(both_rows, 3.0, expected=(6.0, 27.0))


def test_hvp() -> None:
    def f(w: Any, c: float) -> float:
        return w[0] ** 2 * w[1] * c

    w, t = np.array([3.0, 5.0]), np.array([1.0, -2.0])
    hess = np.array([[2 * 5.0, 2 * 3.0], [2 * 3.0, 0.0]]) * 4
    mixed_row = np.array([2 * 3.0 * 5, 9.0])
    agree(lambda w, c, t: lj.hvp(f, (w, c), (t, 0.0)), w, 4.0, t, expected=(hess @ t, float(mixed_row @ t)))
    agree(lambda x: lj.hvp(lambda v: v**3, (x,), (1.0,)), 2.0, expected=12.0)


MISMATCHES: list[tuple[Callable[[], Any], str]] = [
    (lambda: lj.jvp(lambda x: x, (1.0,), (1.0, 2.0)), "the tangents at .* have another structure than the primals"),
    (lambda: lj.vjp(lambda x: x, 1.0)[1]((1.0, 2.0)), "the cotangent at .* has another structure than the result"),
    (lambda: lj.vjp(lambda x: x, 1.0)[1](np.ones(2)), "a cotangent of 1-d array of float64"),
    (lambda: lj.jvp(lambda x: x, (1.0,), (np.ones(2),)), "a tangent of 1-d array of float64"),
    (lambda: lj.jvp(lambda x: x[0], (np.ones(2),), (np.ones((2, 2)),)), "a tangent of 2-d array of float64"),
]


@pytest.mark.parametrize(("call", "match"), MISMATCHES)
def test_tangents_of_another_kind(call: Callable[[], Any], match: str) -> None:
    with pytest.raises(errors.TypeMismatchError, match=match):
        call()


def total(x: Any) -> float:
    s = 0.0
    for v in x:
        s = s + v * v
    return s


@pytest.mark.parametrize("size", [2, 5])
def test_tangents_of_another_size(size: int) -> None:
    pushed = lambda a, b: lj.jvp(total, (a,), (b,))  # noqa: E731
    for run in (pushed, lj.jit(pushed)):
        with pytest.raises((lj.LanternError, ValueError), match=r"size|shape"):
            run(np.ones(3), np.ones(size))


def doubled(x: Any) -> Any:
    out = np.zeros(len(x))
    for i in range(len(x)):
        out[i] = 2 * x[i]
    return out


@pytest.mark.parametrize("size", [2, 5])
def test_cotangents_of_another_size(size: int) -> None:
    pulled = lambda a, b: lj.vjp(doubled, a)[1](b)  # noqa: E731
    for run in (pulled, lj.jit(pulled)):
        with pytest.raises((lj.LanternError, ValueError), match=r"size|shape"):
            run(np.ones(3), np.ones(size))


@pytest.mark.parametrize(
    "use",
    [
        lambda n: np.linspace(0, 1, n),
        lambda n: np.zeros(n),
        lambda n: np.ones(12)[:n],
        lambda n: np.ones((12, 2)).reshape(n, -1),
        lambda n: np.tile(np.ones(2), n),
        lambda n: np.array([0.0 for _ in range(n)]),
        lambda n: np.ones(12)[n],
    ],
)
@pytest.mark.parametrize("transform", [lj.grad, lj.value_and_grad, lj.jacfwd, lambda f: lambda p: lj.jvp(f, (p,), (p,))])
def test_an_int_beside_floats_that_is_a_size(use: Any, transform: Any) -> None:
    def f(p: dict[str, Any]) -> Any:
        return p["x"] * np.sum(use(p["n"]))

    for g in (transform(f), lj.jit(transform(f))):
        with pytest.raises((TypeError, IndexError), match=r"integer|ints") as caught:
            g({"x": 2.0, "n": 3})
        (note,) = caught.value.__notes__
        assert note.startswith("an int at ['n'] of ")
        assert "a size or a count in another argument" in note


def test_functions_beside_floats() -> None:
    def f(p: dict[str, Any]) -> Any:
        return p["rate"](p["x"])

    with pytest.raises(lj.errors.ArgumentTypeError, match="a gradient has what its argument has, so give functions in another argument"):
        lj.jit(lj.grad(f))({"x": 2.0, "rate": math.sin})

"""Jacobians and what is around them: which arguments, containers in and out, aux, and how often a function is evaluated."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors
from lantern_jit.ir.core.op import TABLE

from .support import both, close

Point = collections.namedtuple("Point", ["x", "y"])


@dataclasses.dataclass
class Layer:
    w: Any
    b: Any
    name: str = "layer"


def agree(f: Callable[..., Any], *args: Any, expected: Any, tolerance: float = 1e-12, **kwargs: Any) -> None:
    """In every mode, and called without jit."""
    for mode, found in both(f, *args, **kwargs).items():
        close(found, expected, tolerance, tolerance, mode)
    close(f(*args, **kwargs), expected, tolerance, tolerance, "without jit")


def mixed(x: Any, scale: Any = 2.0, *, power: Any = 3.0) -> Any:
    return np.sum(x**3) * scale * power


# ---- which arguments
X = np.array([1.0, 2.0])
GRADIENTS = {0: 18 * X**2, "x": 18 * X**2, "scale": 27.0, "power": 18.0, -1: 27.0}


@pytest.mark.parametrize("argnums", [0, -1, "x", "scale", "power", (0, "power"), ("scale", 0), ["power", "x", -1]], ids=str)
def test_arguments_by_position_and_by_name(argnums: Any) -> None:
    one = isinstance(argnums, (int, str))
    want = GRADIENTS[argnums] if one else tuple(GRADIENTS[n] for n in argnums)
    for kind in (lj.grad, lj.jacfwd, lj.jacrev):
        agree(kind(mixed, argnums), X, 2.0, expected=want, power=3.0)
    agree(lj.value_and_grad(mixed, argnums=argnums), X, 2.0, expected=(54.0, want), power=3.0)


def test_a_name_finds_an_argument_that_is_passed_by_keyword() -> None:
    agree(lj.grad(mixed, "scale"), X, expected=27.0, scale=2.0, power=3.0)
    agree(lj.hessian(lambda a, b: a * b * b, ("a", "b")), expected=((0.0, 6.0), (6.0, 4.0)), a=2.0, b=3.0)
    agree(lj.grad(lj.grad(mixed, "scale"), "power"), X, 2.0, expected=9.0, power=3.0)


def test_names_that_no_call_gives() -> None:
    with pytest.raises(errors.ArgumentTypeError, match="argnums='y' names no parameter of `mixed`, which has x, scale, power"):
        lj.grad(mixed, "y")(X)
    with pytest.raises(
        errors.ArgumentTypeError, match="grad of `mixed` is to be with respect to `scale`, which the call does not give: pass it"
    ):
        lj.grad(mixed, "scale")(X)
    with pytest.raises(errors.ArgumentTypeError, match="argnums=3 names an argument that the call does not have"):
        lj.jacrev(mixed, 3)(X)
    with pytest.raises(TypeError, match=r"argnums=1.5: give an int, the name of a parameter, or a sequence of them"):
        lj.grad(mixed, 1.5)  # type: ignore[arg-type]


# ---- containers
def network(layers: Any, x: Any) -> Any:
    out = {}
    for i, layer in enumerate(layers):
        x = np.tanh(layer.w @ x + layer.b)
        out[f"sum{i}"] = np.sum(x)
    out["last"] = x
    return out


def flat(tree: Any) -> Any:
    return np.concatenate([np.ravel(a) for a in tree])


@pytest.mark.parametrize("kind", [lj.jacfwd, lj.jacrev])
def test_structures_are_the_results_then_the_arguments(kind: Any) -> None:
    g = np.random.default_rng(0)
    layers = [Layer(g.normal(size=(3, 2)), g.normal(size=3)), Layer(g.normal(size=(2, 3)), g.normal(size=2))]
    x = g.normal(size=2)
    found = lj.jit(kind(network, argnums=(0, 1)))(layers, x)
    assert list(found) == ["sum0", "sum1", "last"]
    for name, shape in (("sum0", ()), ("sum1", ()), ("last", (2,))):
        (first, second), dx = found[name]
        assert (type(first), first.name, dx.shape) == (Layer, "layer", (*shape, 2))
        assert (first.w.shape, first.b.shape, second.w.shape) == ((*shape, 3, 2), (*shape, 3), (*shape, 2, 3))
        h = 1e-6
        for i, e in enumerate(np.eye(2)):
            slope = (network(layers, x + h * e)[name] - network(layers, x - h * e)[name]) / (2 * h)
            close(dx[..., i], slope, 1e-7, 1e-8)
        close(first.b, np.stack([_moved(layers, x, name, e) for e in np.eye(3)], -1), 1e-7, 1e-8)


def _moved(layers: Any, x: Any, name: str, e: Any, h: float = 1e-6) -> Any:
    ends = [network([Layer(layers[0].w, layers[0].b + s * h * e), layers[1]], x)[name] for s in (1, -1)]
    return (ends[0] - ends[1]) / (2 * h)


@pytest.mark.parametrize("kind", [lj.jacfwd, lj.jacrev])
def test_numbers_small_arrays_none_and_strings(kind: Any) -> None:
    def f(p: Any, unit: Any, n: Any) -> Any:
        return Point(p["a"] * p["b"][0] ** 2, [p["b"][1] * np.ones(2) * n, None, "text"])

    args = {"a": 2.0, "b": (3.0, 4.0), "c": None, "d": "s"}, "m", 5
    da = Point(
        {"a": 9.0, "b": (12.0, 0.0), "c": None, "d": "s"},
        [{"a": np.zeros(2), "b": (np.zeros(2), np.full(2, 5.0)), "c": None, "d": "s"}, None, "text"],
    )
    agree(kind(f), *args, expected=da)


@pytest.mark.parametrize("kind", [lj.jacfwd, lj.jacrev])
def test_sizes_of_one_and_of_none(kind: Any) -> None:
    agree(kind(lambda x: x * x), np.array([3.0]), expected=np.array([[6.0]]))
    agree(kind(lambda x: x[0] * x[0]), np.array([3.0]), expected=np.array([6.0]))
    agree(kind(lambda x: np.array([[x * x]])), 3.0, expected=np.array([[6.0]]))
    agree(kind(lambda x: np.concatenate([x, x])), np.zeros((0,)), expected=np.zeros((0, 0)))
    agree(kind(lambda x: (x, 1)), 2.0, expected=(1.0, 0.0))
    agree(kind(lambda x: x * x), 3, expected=6.0)  # ints are promoted
    with pytest.raises(errors.NotDifferentiableError, match=r"argument 0 of jac.* is a bool: derivatives are taken"):
        kind(lambda x: x * 1.0)(True)
    with pytest.raises(errors.NotDifferentiableError, match=r"argument 0 of jac.* is an array of bools"):
        kind(lambda x: x * 1.0)(np.array([True]))


@pytest.mark.parametrize("kind", [lj.jacfwd, lj.jacrev])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (2, 3), (9, 2), (3, 9), (11, 12)])
def test_all_sizes(kind: Any, dtype: Any, m: int, n: int) -> None:
    a = np.random.default_rng(m * n).normal(size=(m, n)).astype(dtype)
    x = np.linspace(0.1, 1.0, n).astype(dtype)
    exact = 1e-12 if dtype == np.float64 else 1e-4
    want = np.cos(a @ x)[:, None] * a
    for mode, found in both(kind(lambda x: np.sin(a @ x)), x).items():
        assert found.dtype == dtype, mode
        close(found, want, exact, exact, mode)


def test_a_dtype_is_its_arguments() -> None:
    for kind in (lj.jacfwd, lj.jacrev):
        found = lj.jit(kind(lambda x, y: x * y, (0, 1)))(np.float32(2.0), np.array([3.0, 4.0]))
        assert (found[0].dtype, found[1].dtype) == (np.float32, np.float64)
        close(found, (np.array([3.0, 4.0], np.float32), 2 * np.eye(2)), 1e-6)


def test_a_hessian_of_several_results_and_arguments() -> None:
    def f(x: Any, y: Any) -> Any:
        return {"p": x[0] * x[1] * y, "q": x * y * y}

    x, y = np.array([2.0, 3.0]), 5.0
    swap = np.array([[0.0, 1.0], [1.0, 0.0]])
    p = ((5 * swap, np.array([3.0, 2.0])), (np.array([3.0, 2.0]), 0.0))
    q = ((np.zeros((2, 2, 2)), 10 * np.eye(2)), (10 * np.eye(2), 2 * x))
    agree(lj.hessian(f, (0, 1)), x, y, expected={"p": p, "q": q})
    agree(lj.jacrev(lj.jacfwd(f, (0, 1)), (0, 1)), x, y, expected={"p": p, "q": q})


# ---- aux
class Report:
    def __init__(self, text: str, value: Any) -> None:
        self.text, self.value = text, value


OUTSIDE = Report("outside", 1)


def with_aux(x: Any) -> Any:
    aux = {
        "text": "fine",
        "none": None,
        "n": 3,
        "made": Report("of x", x * 2),
        "there": OUTSIDE,
        "array": np.arange(3),
        "items": [x, (1, "a")],
    }
    return x * x, aux


@pytest.mark.parametrize("how", [lambda f: f, lj.jit], ids=["plain", "jit"])
def test_aux_is_any_value(how: Any) -> None:
    value_and_grad = how(lj.value_and_grad(with_aux, has_aux=True))(3.0)
    linear = how(lambda x: _without_functions(lj.vjp(with_aux, x, has_aux=True), 1.0))(3.0)
    found = [
        (value_and_grad[1], value_and_grad[0][1]), how(lj.grad(with_aux, has_aux=True))(3.0), how(lj.jacfwd(with_aux, has_aux=True))(3.0),
        how(lj.jacrev(with_aux, has_aux=True))(3.0), how(lambda x: lj.jvp(with_aux, (x,), (1.0,), has_aux=True)[1:])(3.0), linear,
        how(lambda x: _without_functions(lj.linearize(with_aux, x, has_aux=True), 1.0))(3.0),
    ]  # fmt: skip
    for slope, aux in found:
        assert (slope if not isinstance(slope, tuple) else slope[0]) == 6.0
        assert (aux["text"], aux["none"], aux["n"], aux["there"], aux["items"]) == ("fine", None, 3, OUTSIDE, [3.0, (1, "a")])
        assert (type(aux["made"]), aux["made"].text, aux["made"].value, aux["array"].tolist()) == (Report, "of x", 6.0, [0, 1, 2])
    assert (OUTSIDE.text, OUTSIDE.value) == ("outside", 1)


def _without_functions(found: Any, change: Any) -> Any:
    _, apply, aux = found
    return apply(change), aux


def test_aux_in_compiled_code() -> None:
    """What is known of aux while tracing is known: a count makes a shape, an object has its methods."""

    def f(x: Any) -> Any:
        gradient, aux = lj.grad(with_aux, has_aux=True)(x)
        return np.full(aux["n"], gradient) + aux["made"].value

    agree(f, 2.0, expected=np.full(3, 8.0))


def test_aux_that_is_none() -> None:
    for kind in (lj.grad, lj.jacfwd, lj.jacrev):
        with pytest.raises(errors.NotDifferentiableError, match=r"has_aux=True needs .* \(value, aux\)"):
            kind(lambda x: x * x, has_aux=True)(2.0)


# ---- results that are nearly numbers
@pytest.mark.parametrize(
    ("f", "text"),
    [
        (lambda x: np.array([x[0]]), r"or return `y\[0\]` where the result `y` has one element$"),
        (lambda x: x.reshape(1, -1) * 2.0, r"or return `y\[0, 0\]` where the result `y` has one element, `np.sum\(y\)` for the sum of all"),
        (lambda x: (x[0], x[1]), r"or has_aux=True if it is \(value, aux\)"),
        (lambda x: [x[0]], "or return its one item"),
        (lambda x: None, "returns None: use vjp"),
    ],
)
def test_gradients_of_what_is_no_number_say_what_to_write(f: Any, text: str) -> None:
    with pytest.raises(errors.NotDifferentiableError, match=text):
        lj.grad(f)(X)


# ---- functions that apply a derivative
def pair(x: Any, y: Any) -> Any:
    return {"a": np.sum(x) * y["s"], "b": x[:2] * x[1:3] + y["s"]}


PRIMALS: tuple[Any, Any] = (np.array([1.0, 2.0, 3.0]), {"s": 4.0, "t": None})
MANY = np.linspace(0.1, 1.0, 12)


@pytest.mark.parametrize("inside", [False, True], ids=["called", "jit"])
def test_pull_and_push(inside: bool) -> None:
    def pulled(c: Any) -> Any:
        return lj.vjp(pair, *PRIMALS)[1](c)

    def pushed(t: Any) -> Any:
        return lj.linearize(pair, *PRIMALS)[1](*t)

    how = lj.jit if inside else (lambda f: f)
    c = {"a": 2.0, "b": np.array([1.0, -1.0])}
    close(how(pulled)(c), (np.array([10.0, 6.0, 6.0]), {"s": 12.0, "t": None}))
    t = (np.array([1.0, 0.0, 2.0]), {"s": -1.0, "t": None})
    close(how(pushed)(t), {"a": 6.0, "b": np.array([1.0, 3.0])})


def row_sums(x: Any) -> Any:
    return np.sin(x) * np.sum(x)


@pytest.mark.parametrize("how", [lambda f: f, lj.jit], ids=["called", "jit"])
def test_large_ones(how: Any) -> None:
    jacobian = np.diag(np.cos(MANY) * MANY.sum()) + np.sin(MANY)[:, None]
    close(how(lambda c: lj.vjp(row_sums, MANY)[1](c)[0])(MANY), MANY @ jacobian, 1e-12)
    close(how(lambda t: lj.linearize(row_sums, MANY)[1](t))(MANY), jacobian @ MANY, 1e-12)


def evaluations(f: Callable[..., Any], *args: Any) -> int:
    """How many exponentials the interpreter takes."""
    row, count = TABLE["exp"], 0

    def counted(*xs: Any, **attrs: Any) -> Any:
        nonlocal count
        count += 1
        return body(*xs, **attrs)

    body = row.body
    object.__setattr__(row, "body", counted)
    try:
        f(*args)
    finally:
        object.__setattr__(row, "body", body)
    return count


def waves(x: Any) -> Any:
    """The derivative of an exponential is the value: there is one for each evaluation."""
    e = math.exp(x[0])
    return np.array([e * x[1], e + x[1], x[1] * x[1]])


@pytest.mark.parametrize("inner", [waves, lambda x: waves(x)[0]], ids=["three", "one"])
def test_f_is_evaluated_once_for_all_pulls(inner: Any) -> None:
    x = np.array([0.5, 2.0])

    def use(transform: Any, changes: Any) -> None:
        y, apply = transform(inner, x)
        for _ in range(4):
            apply(changes(y))

    assert evaluations(lambda: use(lj.vjp, np.ones_like)) == 1
    assert evaluations(lambda: use(lj.linearize, lambda y: np.ones(2))) == 1


def test_f_is_evaluated_once_for_all_pulls_in_a_loop() -> None:
    def f(x: Any, n: int) -> Any:
        y, pull = lj.vjp(lambda x: (math.exp(x) * x, x * x), x)
        total = 0.0
        for i in range(n):
            total += pull((1.0 * i, y[0]))[0]
        return total

    specialisation, leaves = lj.jit(f)._dispatcher.lookup((0.5, 5), {})
    assert evaluations(specialisation.interpret, leaves) == 1
    e = math.exp(0.5)
    agree(f, 0.5, 5, expected=10 * e * 1.5 + 5 * e * 0.5 * 1.0)


@pytest.mark.parametrize(("rows", "passes"), [(3, 1), (8, 1), (17, 3)])
def test_rows_share_a_forward_pass(rows: int, passes: int) -> None:
    specialisation, leaves = lj.jit(lj.jacrev(lambda x: math.exp(x[0]) * x[1:]))._dispatcher.lookup((np.ones(rows + 1),), {})
    assert evaluations(specialisation.interpret, leaves) <= passes + 1  # and one for the value's size, where it is not known


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(errors.TypeMismatchError, match=r"cotangent at .* has another structure than the result"):
        lj.vjp(pair, *PRIMALS)[1]((1.0, 2.0))
    with pytest.raises(errors.TypeMismatchError, match=r"tangents at .* have another structure than the primals"):
        lj.linearize(pair, *PRIMALS)[1](PRIMALS[0])
    with pytest.raises(errors.ArrayShapeError, match="shape"):
        lj.vjp(row_sums, MANY)[1](MANY[:5])
    with pytest.raises(errors.ArrayShapeError, match="shape"):
        lj.linearize(row_sums, MANY)[1](MANY[:5])


def test_the_primals_are_those_of_the_call() -> None:
    x = MANY.copy()
    _, pull = lj.vjp(row_sums, x)
    before = pull(MANY)
    x[:] = 0.0
    close(pull(MANY), before)


# ---- nesting
def cube(x: Any) -> Any:
    return x**3 * np.sum(x)


NESTED: list[Callable[[Any], Any]] = [
    lambda x: lj.grad(lambda x: np.sum(lj.jacrev(cube)(x) ** 2))(x),
    lambda x: lj.grad(lambda x: np.sum(lj.jacfwd(cube)(x) ** 2))(x),
    lambda x: lj.vjp(lambda x: np.sum(lj.jacrev(cube)(x) ** 2), x)[1](1.0)[0],
    lambda x: lj.jacfwd(lambda x: np.sum(lj.jacrev(cube)(x) ** 2))(x),
    lambda x: lj.grad(lambda x: np.sum(np.stack([lj.vjp(cube, x)[1](e)[0] for e in np.eye(3)]) ** 2))(x),
    lambda x: lj.grad(lambda x: np.sum(np.stack([lj.linearize(cube, x)[1](e) for e in np.eye(3)]) ** 2))(x),
]


@pytest.mark.parametrize("f", NESTED)
def test_derivatives_of_jacobians(f: Any) -> None:
    x = np.array([0.5, 1.0, 2.0])
    first, second = lj.jacrev(cube)(x), lj.jacfwd(lj.jacfwd(cube))(x)
    agree(f, x, expected=2 * np.einsum("ij,ijk->k", first, second), tolerance=1e-10)


@pytest.mark.parametrize("kind", [lj.jacfwd, lj.jacrev])
def test_derivatives_of_pulls_of_numbers(kind: Any) -> None:
    """Rows of a function that has a reverse pass inside: blocks of adjoints of its numbers."""

    def f(x: Any, y: Any) -> Any:
        return x * y * y

    agree(kind(lambda x, y: lj.vjp(f, x, y)[1](2.0), (0, 1)), 2.0, 3.0, expected=((0.0, 12.0), (12.0, 8.0)))
    agree(lambda x: lj.vjp(lambda x: lj.jacrev(lambda v: (v[0] * v[1], v[1] ** 3))(x), x)[1]((np.ones(2), np.ones(2)))[0], np.array([2.0, 3.0]),
          expected=np.array([1.0, 19.0]))  # fmt: skip


def test_in_loops_and_branches() -> None:
    def newton(x: Any) -> Any:
        for _ in range(20):
            r = np.array([x[0] ** 2 + x[1] - 3.0, x[0] - x[1] ** 2 + 1.0])
            if np.sum(r * r) < 1e-24:
                break
            x = x - np.linalg.solve(lj.jacrev(lambda v: np.array([v[0] ** 2 + v[1] - 3.0, v[0] - v[1] ** 2 + 1.0]))(x), r)
        return x

    for found in both(newton, np.array([1.0, 1.0])).values():
        close(np.array([found[0] ** 2 + found[1], found[0] - found[1] ** 2]), np.array([3.0, -1.0]), 1e-9)


def test_hessian_products_and_aux() -> None:
    agree(lambda x: lj.hvp(lambda x: (np.sum(x**3), {"x": x[0]}), (x,), (np.ones(2),), has_aux=True), X, expected=(6 * X, {"x": 1.0}))


def test_one_name_more() -> None:
    assert lj.jacobian is lj.jacrev


@pytest.mark.parametrize("n", [3, 12])
def test_a_pull_from_outside_in_a_trace(n: int) -> None:
    x = np.linspace(0.1, 1.0, n)
    _, pull = lj.vjp(np.sin, x)
    _, push = lj.linearize(np.sin, x)
    close(lj.vmap(pull)(np.eye(n))[0], np.diag(np.cos(x)))
    close(lj.vmap(push)(np.eye(n)), np.diag(np.cos(x)))
    close(lj.jit(lambda c: pull(2.0 * c)[0] + push(c))(x), 3.0 * np.cos(x) * x)
    close(lj.jit(lj.grad(lambda c: np.sum(pull(c * c)[0])))(x), 2.0 * np.cos(x) * x)


def test_primals_and_tangents_are_sequences() -> None:
    with pytest.raises(
        errors.ArgumentTypeError, match=r"the primals of jvp are a sequence with one for each argument, not float: write \(x,\)"
    ):
        lj.jvp(lambda x: x, 1.0, (1.0,))
    with pytest.raises(
        errors.ArgumentTypeError, match=r"the tangents of hvp are a sequence with one for each argument, not ndarray: write \(t,\)"
    ):
        lj.hvp(lambda x: x, (1.0,), np.ones(1))


FILLED: dict[str, Any] = {
    "full": lambda x: np.full(2, x[0] * x[1] * x[2]),
    "keepdims": lambda x: np.prod(x, keepdims=True),
    "reshape": lambda x: np.reshape(x[0] * x[1] * x[2], (1,)),
    "sum": lambda x: np.sum(x * x * x, keepdims=True),
    "max": lambda x: np.max(x * x, keepdims=True),
}


@pytest.mark.parametrize("f", FILLED.values(), ids=FILLED)
def test_an_array_that_is_filled_with_one_number_and_several_cotangents_at_once(f: Any) -> None:
    x, v = np.array([0.7, -1.2, 0.4]), np.array([0.3, -0.2, 0.5])

    def program(x: Any) -> Any:
        def pulled(x: Any) -> Any:
            y, pull = lj.vjp(f, x)
            return pull(np.full(len(y), 0.7))[0]

        _, pull = lj.vjp(pulled, x)
        return lj.jacrev(f)(x), pull(v)[0]

    h = 1e-5
    jacobian = np.stack([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(3)], axis=-1)
    weighted = lj.grad(lambda x: np.dot(v, lj.grad(lambda x: 0.7 * np.sum(f(x)))(x)))(x)
    for first, second in both(program, x).values():
        close(first, jacobian, 1e-6, 1e-8)
        close(second, weighted, 1e-12)

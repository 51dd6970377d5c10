"""Functions: closures, local functions, lambdas, methods, arguments; gradients to order 2."""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import Function, Runner, both, check, close, same, specialisations
from .test_recursion import accumulator


def closure(x: float, n: int) -> float:
    scale = x * n

    def inner(y: float) -> float:
        return y * scale + x

    return inner(x) + inner(2.0)


def lambdas(x: float) -> float:
    f = lambda y, k=3.0: y * k + x  # noqa: E731
    g = lambda: f(x)  # noqa: E731
    return f(x) * g() + (lambda z: z * z)(x)


def apply(f: Callable[[float], float], x: float, n: int) -> float:
    for _ in range(n):
        x = f(x)
    return x


def functions_passed(x: float, n: int) -> float:
    def half(v: float) -> float:
        return v / 2 + x

    return apply(math.sin, x, n) + apply(half, x, n) + apply(lambda v: v * x, 1.0, n) + apply(np.tanh, x, 2)


def compose(f: Callable[[float], float], g: Callable[[float], float]) -> Callable[[float], float]:
    return lambda x: f(g(x))


def composed(x: float) -> float:
    f = compose(math.sin, lambda v: v * v)
    for _ in range(3):
        f = compose(f, math.cos)
    return f(x)


def functools_partial(x: float, n: int) -> float:
    f = functools.partial(accumulator, x, total=x)
    return f(n) + functools.reduce(lambda a, b: a * x + b, [1.0, 2.0, 3.0])


def nonlocal_counter(x: float, n: int) -> float:
    total, calls = 0.0, 0

    def add(v: float) -> None:
        nonlocal total, calls
        if v > 1:
            total += v * v
        else:
            total -= v
        calls += 1

    for i in range(n):
        add(x * i)
    add(x)
    return total * calls


def branch_chooses_function(x: float) -> float:
    return (math.sin if x is None else math.cos)(x) + [math.exp, math.tanh][1](x)


def decorated_twice(f: Callable[[float], float]) -> Callable[[float], float]:
    @functools.wraps(f)
    def twice(x: float) -> float:
        return f(f(x))

    return twice


@decorated_twice
def bump(x: float) -> float:
    return x * 1.5 if x > 0 else x - 1


def defaults_and_varargs(x: float) -> float:
    def f(a: float, b: float = 2.0, *rest: float, c: float = 3.0, **more: float) -> float:
        return a * b + sum(rest) * c + more.get("d", x)

    return f(x) + f(x, x, x, x * x) + f(x, c=x, d=x**3) + f(*[x, 1.0], **{"c": x})


class Polynomial:
    """Methods, attributes, a property and a callable object."""

    degree = 3

    def __init__(self, a: float) -> None:
        self.a = a

    @property
    def slope(self) -> float:
        return self.a * 2

    def value(self, x: float, n: int) -> float:
        if n == 0:
            return self.a
        return self.value(x, n - 1) * x + self.slope

    def __call__(self, x: float) -> float:
        return x * self.a if x > 0 else self.degree * x

    @staticmethod
    def half(x: float) -> float:
        return x / 2 if x > 1 else x

    @classmethod
    def scaled(cls, x: float) -> float:
        return x * cls.degree


def methods(x: float, n: int) -> float:
    p = Polynomial(2.5)
    return p.value(x, n) + p(x) * p(-x) + Polynomial.half(x) + Polynomial.scaled(x) + p.half(3 * x)


POINTS: list[tuple[Function, list[tuple[Any, ...]]]] = [
    (closure, [(0.5, 3)]),
    (lambdas, [(0.7,)]),
    (functions_passed, [(0.5, 4)]),
    (composed, [(0.7,)]),
    (functools_partial, [(0.5, 4)]),
    (methods, [(0.8, 3)]),
    (branch_chooses_function, [(0.5,)]),
    (bump, [(0.5,), (-0.5,)]),
    (defaults_and_varargs, [(0.6,)]),
    (nonlocal_counter, [(0.4, 6)]),
]


@pytest.mark.parametrize(("f", "points"), POINTS, ids=[f.__name__ for f, _ in POINTS])
def test_program(f: Function, points: list[tuple[Any, ...]]) -> None:
    check(f, *points, argnums=[i for i, a in enumerate(points[0]) if isinstance(a, float)])


# ---- how functions are given to jit and grad
def test_bound_methods_and_callable_objects() -> None:
    p = Polynomial(2.0)
    same(lj.jit(p.value)(0.5, 2), p.value(0.5, 2))
    same(lj.jit(p)(-3.0), -9.0)
    close(lj.jit(lj.grad(p.value))(0.5, 2), (p.value(0.5 + 1e-6, 2) - p.value(0.5 - 1e-6, 2)) / 2e-6, 1e-7)
    same(lj.jit(functools.partial(accumulator, n=3))(0.5), accumulator(0.5, n=3))


class Decorated:
    """jit and grad as decorators of methods."""

    def __init__(self, k: float) -> None:
        self.k = k

    @functools.partial(lj.jit, static_argnums=0)
    def scaled(self, x: float) -> float:
        return x * self.k if x > 0 else -x


def test_jit_as_a_method_decorator() -> None:
    assert Decorated(3.0).scaled(2.0) == 6.0
    assert Decorated(4.0).scaled(2.0) == 8.0


def test_jit_and_grad_inside_jit() -> None:
    inner = lj.jit(lambda x: x**3)
    for out in both(lambda x: (inner(x), lj.grad(inner)(x), lj.jit(lj.grad(lj.jit(lj.grad(inner))))(x)), 2.0).values():
        same(out, (8.0, 12.0, 12.0))


def test_a_keyword_that_the_library_uses_itself() -> None:
    def apply(x: Any, function: Any) -> Any:
        return function(x)

    for out in both(lambda x: apply(x, function=abs), -2.0).values():
        assert out == 2.0


def test_keyword_and_default_arguments() -> None:
    def f(x: float, n: int = 2, *, scale: float = 3.0) -> float:
        return scale * x**n

    jitted = lj.jit(f)
    assert (jitted(2.0), jitted(2.0, 3), jitted(2.0, n=3), jitted(2.0, scale=1.0), jitted(x=2.0, n=1, scale=5.0)) == (
        12.0,
        24.0,
        24.0,
        4.0,
        10.0,
    )
    assert lj.jit(lj.grad(f))(2.0, scale=1.0) == 4.0
    assert lj.grad(f)(2.0, n=3, scale=1.0) == 12.0
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        jitted()


def test_static_arguments() -> None:
    def f(kind: str, x: float, n: int) -> float:
        y = {"sin": math.sin, "cos": math.cos}[kind](x)
        for _ in range(n):
            y = y * x
        return y

    jitted = lj.jit(f, static_argnums=(0, 2))
    close(jitted("sin", 0.5, 3), math.sin(0.5) * 0.125)
    close(jitted("cos", 0.5, -1), math.cos(0.5))
    close(lj.jit(lj.grad(f, 1), static_argnums=(0, -1))("cos", 0.5, 1), math.cos(0.5) - 0.5 * math.sin(0.5))
    with pytest.raises(TypeError, match="static argument of `f` cannot be hashed"):
        jitted(["sin"], 0.5, 3)

    with pytest.raises(ValueError, match=r"static_argnums=3 names no argument of `f`, which has 3 by position"):
        lj.jit(f, static_argnums=3)
    close(lj.jit(lambda *args: args[1] * args[0], static_argnums=1)(2.0, 3), 6.0)


def test_static_arguments_of_equal_value_and_other_type() -> None:
    jitted = lj.jit(lambda x, k: x * k if isinstance(k, float) else x + k, static_argnums=1)
    assert [jitted(3.0, 1), jitted(3.0, 1.0), jitted(3.0, True)] == [4.0, 3.0, 4.0]


def test_captured_globals_and_cells_are_what_they_are_now() -> None:
    k = 2.0
    f = lj.jit(lambda x: x * k)
    assert f(3.0) == 6.0
    k = 5.0
    assert f(3.0) == 15.0
    assert f(3) == 15.0


def test_recursion_through_a_jitted_function() -> None:
    @lj.jit
    def f(x: float, n: int) -> float:
        return x if n == 0 else x * f(x, n - 1)

    close(f(0.5, 10), 0.5**11)
    close(lj.jit(lj.grad(f))(0.5, 10), 11 * 0.5**10)


def test_a_generic_function_at_many_types() -> None:
    def f(x: Any) -> Any:
        return x * 2 if x > 1 else x * 2 + 1

    run = Runner(f)
    for x in (3, 3.5, np.float32(0.5), np.int64(0)):
        for out in run(x).values():
            assert out == f(x)
    assert specialisations(run.jitted) == 4


def test_closures_on_one_line() -> None:
    """Before Python 3.11 their code alone tells them apart."""

    def made(f: Function, scale: float) -> list[Function]:
        return [lambda x: f(x) * scale if x > 1 else x, lambda x: f(x) + scale if x > 1 else x, lambda x: f(x) + scale if x > 1 else x]

    for x in (0.5, 2.0):
        for g in made(math.sin, 3.0):
            assert math.isclose(lj.jit(g)(x), g(x), rel_tol=1e-14)


# ---- decorators that give the wrapper what they wrap
def doubled(f: Any) -> Any:
    @functools.wraps(f)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return 2.0 * f(*args, **kwargs) if args[0] > 1.0 else f(*args, **kwargs)

    return wrapper


def times(n: float) -> Any:
    def decorator(f: Any) -> Any:
        @functools.wraps(f)
        def wrapper(*args: Any) -> Any:
            return n * f(*args)

        return wrapper

    return decorator


@doubled
def decorated_outside(x: Any) -> Any:
    return x**3


DECORATED: dict[str, Any] = {}


def decorated(f: Any) -> Any:
    DECORATED[f.__name__] = f
    return f


@decorated
def one(x: Any) -> Any:
    @doubled
    def inner(a: Any) -> Any:
        return a * a

    return inner(x)


@decorated
def two(x: Any) -> Any:
    @times(3.0)
    @doubled
    def inner(a: Any, b: Any = 2.0) -> Any:
        while a < b:
            a = a * 1.5
        return a * x

    return inner(x) + decorated_outside(x)


@decorated
def of_a_lambda(x: Any) -> Any:
    made = functools.update_wrapper(lambda *a: x * (lambda b: b * b)(*a), doubled)
    return doubled(lambda a: a * x)(x) + made(x)


@decorated
def of_a_generator(x: Any) -> Any:
    def pairs(n: int) -> Any:
        for i in range(n):
            yield i * x, x

    wrapped = times(1.0)(lambda n: sum(a * b for a, b in pairs(n)))
    return wrapped(3)


class Counting:
    def __init__(self, f: Any) -> None:
        self.f, self.calls = f, 0
        functools.update_wrapper(self, f)

    def __call__(self, *args: Any) -> Any:
        self.calls += 1
        return self.f(*args)


def unless(limit: Any) -> Any:
    """A decorator that asks for what only the run knows."""

    def decorator(f: Any) -> Any:
        extra = limit if limit > 1.0 else 0.5 * limit
        if limit > 1.2:
            extra = extra + 1.0
        return lambda a: f(a) * extra

    return decorator


@decorated
def by_an_object(x: Any) -> Any:
    @Counting
    def square(a: Any) -> Any:
        return a * a

    @unless(x)
    def cube(a: Any) -> Any:
        return a**3

    return square(x) * square(2.0 * x) + square.calls + cube(x)


@pytest.mark.every
@pytest.mark.parametrize("name", DECORATED)
def test_decorators_by_functools_wraps(name: str) -> None:
    check(DECORATED[name], (1.5,), (0.7,))


def test_what_a_decorator_copies_does_not_hold_the_trace() -> None:
    """functools.wraps copies a function's attributes: who looks at what the copy holds must not come to the compiler."""
    copy = types.SimpleNamespace()

    def f(x: Any) -> Any:
        def square(a: Any) -> Any:
            return a * a

        functools.update_wrapper(copy, square)
        return square(x) * square(2.0 * x)

    assert lj.jit(lj.grad(f))(1.5) == 54.0
    assert set(vars(copy)) >= {"__wrapped__", "__name__"}
    assert not [name for name in vars(copy) if "lantern" in name]


def defined_in_a_loop(x: float, n: int) -> Any:
    f, held, s = None, [], 0.0
    for i in range(n):
        if f is not None:
            s += f(x)
        f = lambda q: q * x * i  # noqa: B023, E731  # of which Python looks up i when it is called
        held.append(lambda q: q + x)
    return s + sum(g(x) for g in held)


def with_a_value_of_its_iteration(x: float, n: int) -> Any:
    f, held, s = (lambda q: q), [], 0.0
    for i in range(n):
        s += f(x)
        f = lambda q, w=x * i: q * w  # noqa: E731
        held.append(lambda q, *, w=x + i: q * w)
    return s + sum(g(x) for g in held)


@pytest.mark.parametrize("f", [defined_in_a_loop, with_a_value_of_its_iteration])
def test_functions_that_a_loop_defines_and_its_next_iteration_calls(f: Any) -> None:
    for n in (0, 1, 5):
        check(f, (0.7, n), (-0.4, n), order=1)


def test_a_function_with_a_value_of_one_path_is_refused() -> None:
    def f(x: float) -> Any:
        g = lambda q: q  # noqa: E731
        if x > 0.0:
            g = lambda q, w=x * 2.0: q * w  # noqa: E731
        return g(x)

    with pytest.raises(lj.errors.TypeMismatchError, match="choose the values, and make the function of those"):
        lj.jit(f)(1.0)

"""Arguments that are configuration, and jit and the transforms on methods, properties and callable objects."""

from __future__ import annotations

import dataclasses
import enum
import functools
import gc
import math
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors

from .support import both, specialisations


class Kind(enum.Enum):
    CALL = 1
    PUT = 2


class Degree(enum.IntEnum):
    TWO = 2


@dataclasses.dataclass(frozen=True)
class Option:
    strike: float
    kind: str = "put"


class Named(NamedTuple):
    x: float
    name: str


class Base:
    def value(self, x: float) -> float:
        return 2 * x


class Model(Base):
    __offset = 1.0

    def __init__(self, a: float) -> None:
        self.a = a
        self.__private = a

    @lj.jit
    def value(self, x: float) -> float:
        return self.a * x * x

    @lj.jit
    def parent(self, x: float) -> float:
        if x > 0:
            return super().value(x) * self.a
        return super(Model, self).value(x)  # noqa: UP008

    @lj.jit
    def hidden(self, x: float) -> float:
        if x > 0:
            return self.__scaled(x) + self.__offset
        return (lambda v: v * self.__private)(x)

    def __scaled(self, x: float) -> float:
        return x * self.__private

    @classmethod
    @lj.jit
    def of_class(cls, x: float) -> tuple[float, str]:
        return x * 2, cls.__name__

    @lj.jit
    @classmethod
    def of_class_below(cls, x: float) -> tuple[float, str]:
        return x * 2, cls.__name__

    @staticmethod
    @lj.jit
    def alone(x: float) -> float:
        return x * 3

    @lj.jit
    @staticmethod
    def alone_below(x: float) -> float:
        return x * 3

    @property
    @lj.jit
    def double(self) -> float:
        return self.a * 2

    @lj.jit
    @property
    def triple(self) -> float:
        return self.a * 3

    def plain(self, x: float, k: int = 2) -> float:
        return self.a * x * k * self.unit

    @property
    def unit(self) -> float:
        return 1.0

    def __call__(self, x: float) -> float:
        return self.a * x


class Child(Model):
    pass


# ---- methods
def test_methods() -> None:
    for _ in range(2):
        assert (Model(3.0).value(2.0), Model(4.0).value(2.0)) == (12.0, 16.0)
        assert Model.value(Model(3.0), 2.0) == 12.0
        assert (Model(3.0).parent(2.0), Model(3.0).parent(-2.0)) == (12.0, -4.0)
        assert (Model(3.0).hidden(2.0), Model(3.0).hidden(-2.0)) == (7.0, -6.0)
        assert (Model(3.0).double, Model(3.0).triple) == (6.0, 9.0)


@pytest.mark.parametrize("name", ["of_class", "of_class_below"])
def test_class_methods(name: str) -> None:
    for owner in (Model, Model(1.0)):
        assert getattr(owner, name)(1.5) == (3.0, "Model")
    assert getattr(Child, name)(1.5) == (3.0, "Child")


@pytest.mark.parametrize("name", ["alone", "alone_below"])
def test_static_methods(name: str) -> None:
    assert getattr(Model, name)(1.5) == getattr(Model(1.0), name)(1.5) == 4.5


def test_bound_methods_and_callable_objects() -> None:
    m = Model(3.0)
    assert lj.jit(m.plain)(2.0) == 12.0
    assert lj.jit(m.plain)(2.0, k=3) == 18.0
    assert lj.jit(m)(2.0) == 6.0
    assert lj.jit(m.value)(2.0) == 12.0


def test_gradients_of_methods() -> None:
    m = Model(3.0)
    for transform in (lj.grad, lambda f, *nums: lj.jit(lj.grad(f, *nums))):
        assert transform(m.plain)(2.0) == 6.0
        assert transform(m.value)(2.0) == 12.0
        assert transform(m)(2.0) == 3.0
        assert transform(Model.plain, 1)(m, 2.0) == 6.0
    with pytest.raises(errors.NotDifferentiableError, match="argument 0 of grad is a Model"):
        lj.grad(Model.plain)(m, 2.0)


def test_a_method_keeps_no_object_alive() -> None:
    m = Model(5.0)
    gone, compiled = weakref.ref(m), specialisations(Model.value)
    assert m.value(1.0) == 5.0
    del m
    gc.collect()
    assert gone() is None
    assert Model(6.0).value(1.0) == 6.0  # also where it gets the address of the old one
    gc.collect()
    Model(7.0).value(1.0)
    assert specialisations(Model.value) <= max(compiled, 1)


# ---- values that are static by nature
def pay(spot: float, option: Any, kind: Any = Kind.PUT) -> float:
    return max(option.strike - spot, 0.0) if option.kind == "put" and kind is Kind.PUT else spot


def test_strings_and_enums_choose() -> None:
    f = lj.jit(pay)
    for _ in range(2):
        assert f(90.0, Option(100.0)) == 10.0
        assert f(90.0, Option(100.0, "call")) == 90.0
        assert f(90.0, Option(100.0), kind=Kind.CALL) == 90.0
        assert f(90.0, Option(95.0)) == 5.0  # its numbers are arguments
    assert specialisations(f) == 3


def test_gradients_keep_what_is_static() -> None:
    want = Option(1.0, "put")
    for f in (lj.grad(pay, (0, 1)), lj.jit(lj.grad(pay, (0, 1)))):
        assert f(90.0, Option(100.0)) == (-1.0, want)
    assert lj.vjp(lambda o: pay(90.0, o), Option(100.0))[1](2.0) == (Option(2.0, "put"),)
    assert lj.jvp(lambda o: pay(90.0, o), (Option(100.0),), (Option(3.0),)) == (10.0, 3.0)
    assert lj.grad(lambda n: n.x * 2)(Named(1.5, "a")) == Named(2.0, "a")


STATIC: list[tuple[Callable[..., Any], Any, float]] = [
    (lambda x, s: x if s == "a" else -x, "b", -1.5),
    (lambda x, s: x if s == b"a" else -x, b"a", 1.5),
    (lambda x, n: -x if n is None else x, None, -1.5),
    (lambda x, n: x * n, Degree.TWO, 3.0),
    (lambda x, f: f(x), np.square, 2.25),
    (lambda x, f: f(x), math.floor, 1),
    (lambda x, f: f(x), lambda v: v + 1, 2.5),
    (lambda x, f: f(x), Model(2.0).plain, 6.0),
    (lambda x, f: f(x), Model(2.0), 3.0),
    (lambda x, f: f(x), functools.partial(Model(2.0).plain, k=3), 9.0),
    (lambda x, f: f(x), lj.grad(lambda v: v * v), 3.0),
    (lambda x, m: m.a * x, Model(2.0), 3.0),
    (lambda x, t: x if t is float else -x, float, 1.5),
    (lambda x, t: np.full(2, x, t).dtype.itemsize, np.dtype("f4"), 4),
    (lambda x, r: x * sum(r), range(3), 4.5),
    (lambda x, s: x if "a" in s else -x, frozenset("ab"), 1.5),
    (lambda x, t: x * t[0] if t[1] == "a" else x, (2.0, "a"), 3.0),
]


@pytest.mark.parametrize(("f", "value", "wanted"), STATIC, ids=[type(v).__name__ + str(i) for i, (_, v, _) in enumerate(STATIC)])
def test_static_by_nature(f: Callable[..., Any], value: Any, wanted: float) -> None:
    for found in both(f, 1.5, value).values():
        assert found == wanted
    jitted = lj.jit(f)
    assert (jitted(1.5, value), jitted(1.5, value)) == (wanted, wanted)
    assert specialisations(jitted) == 1
    assert lj.jit(lambda x, v: f(x, v))(1.5, value) == wanted


def test_equal_values_are_one_and_types_tell_them_apart() -> None:
    f = lj.jit(lambda x, *how: (x, repr(how)))
    assert f(1.0, "ab"[:1])[1] == f(1.0, "a")[1] == "('a',)"
    assert [f(1.0, v)[1] for v in (b"a", frozenset({1}), frozenset({1.0}), frozenset({True}))] == [
        "(b'a',)", "(frozenset({1}),)", "(frozenset({1.0}),)", "(frozenset({True}),)"]  # fmt: skip
    assert [f(1.0, slice(0, n))[1] for n in (1, 2)] == ["(slice(0, 1, None),)", "(slice(0, 2, None),)"]
    m = Model(2.0)
    g = lj.jit(lambda x, h: h(x))
    assert [g(1.0, m.plain), g(1.0, m.plain), g(1.0, functools.partial(m.plain, k=3)), g(1.0, functools.partial(m.plain, k=3))] == [
        4,
        4,
        6,
        6,
    ]
    assert specialisations(g) == 2


class ByValue:
    def __init__(self, n: int) -> None:
        self.n = n

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByValue) and other.n == self.n

    def __hash__(self) -> int:
        return hash(self.n)


def test_objects_with_an_equality_of_their_own() -> None:
    f = lj.jit(lambda x, v: x * v.n)
    assert [f(1.5, ByValue(2)), f(1.5, ByValue(2)), f(1.5, ByValue(3))] == [3.0, 3.0, 4.5]
    assert specialisations(f) == 2


def variadic(x: float, *rest: Any, scale: float = 1.0, mode: str = "sum", **more: float) -> float:
    total = sum(rest) + more.get("extra", 0.0) if mode == "sum" else float(len(rest))
    return x * total * scale


def test_star_arguments_and_keyword_flags() -> None:
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((2.0, 1.0, 3), {}), ((2.0,), {"extra": 4.0}), ((2.0, 1.0), {"mode": "count"}), ((2.0, 5.0), {"scale": 0.5, "extra": 1.0}),
    ]  # fmt: skip
    f = lj.jit(variadic)
    for args, kwargs in [*calls, *calls]:
        assert f(*args, **kwargs) == variadic(*args, **kwargs)
        assert lj.grad(variadic)(*args, **kwargs) == variadic(1.0, *args[1:], **kwargs)


class Unit:
    """A number of a class of its own."""

    def __float__(self) -> float:
        return 1.0


@pytest.mark.parametrize("value", [{1}, iter([1]), bytearray(b"x"), object(), Unit()])
def test_what_is_refused(value: Any) -> None:
    with pytest.raises(errors.ArgumentTypeError, match=r"strings, None, enums, functions, objects of your own classes.*static_argnums"):
        lj.jit(lambda x, y: x)(1.0, value)

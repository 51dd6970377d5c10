"""Questions about a value's type are answered as for the value that Python and NumPy would have in its place."""

from __future__ import annotations

import collections.abc
import functools
import math
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import both

GIVEN: dict[str, Any] = {
    "float": 1.5, "int": 3, "bool": True, "float64": np.float64(1.5), "float32": np.float32(1.5), "int64": np.int64(3), "int32": np.int32(3),
    "uint8": np.uint8(3), "float16": np.float16(1.5), "bool_": np.bool_(True), "0-d": np.array(1.5), "0-d int8": np.array(3, np.int8), "array": np.ones(3),
    "float32 array": np.ones((2, 2), np.float32), "int32 array": np.ones(3, np.int32), "uint8 array": np.ones(3, np.uint8),
    "float16 array": np.ones(3, np.float16), "bool array": np.ones(3, bool), "big-endian array": np.ones(3, ">f8"),
}  # fmt: skip

KINDS: list[Any] = [
    float, int, bool, complex, (float, int), object, str, np.ndarray, np.generic, np.number, np.floating, np.integer, np.signedinteger, np.bool_,
    np.float64, np.float32, np.float16, np.int64, np.int32, np.uint8, numbers.Number, numbers.Real, numbers.Integral, numbers.Complex,
    collections.abc.Sequence, collections.abc.Sized, collections.abc.Iterable, collections.abc.Hashable, collections.abc.Callable, (str, (np.ndarray,)),
]  # fmt: skip


@functools.singledispatch
def generic(x: Any) -> str:
    return "other"


@generic.register(float)
def _of_float(x: float) -> str:
    return "float"


@generic.register(int)
def _of_int(x: int) -> str:
    return "int"


@generic.register(np.ndarray)
def _of_array(x: Any) -> str:
    return f"array of {x.ndim}"


class Generic:
    @functools.singledispatchmethod
    def of(self, x: Any) -> str:
        return "other"

    @of.register(float)
    def _(self, x: float) -> str:
        return "float"


def matched(x: Any) -> str:
    if type(x) is float:
        return "float"
    return "int" if type(x) == int else type(x).__name__  # noqa: E721


QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "isinstance": lambda x: [isinstance(x, k) for k in KINDS],
    "type": lambda x: (matched(x), type(x) in (float, np.float64), {float: "a", np.ndarray: "b"}.get(type(x)), issubclass(type(x), float)),
    "class": lambda x: (x.__class__.__name__, x.__class__ is float),
    "hasattr": lambda x: [
        hasattr(x, n) for n in ("shape", "dtype", "real", "is_integer", "bit_length", "__len__", "__iter__", "append", "mro")
    ],
    "getattr": lambda x: [getattr(x, n, "none") for n in ("ndim", "append", "shape")][:2],
    "numpy": lambda x: (np.isscalar(x), np.iterable(x), np.ndim(x), np.isrealobj(x), np.iscomplexobj(x)),
    "result_type": lambda x: (np.result_type(x, np.float32).name, np.result_type(x, 1).name, np.result_type(np.int8, x).name),
    "None": lambda x: (x is None, x is not None, callable(x)),
    "generic": lambda x: (generic(x), Generic().of(x)),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("given", GIVEN)
def test_arguments(question: str, given: str) -> None:
    f, x = QUESTIONS[question], GIVEN[given]
    wanted = repr(f(x))
    for mode, found in both(lambda x: repr(f(x)), x).items():
        assert found == wanted, mode


DTYPES: dict[str, Callable[[Any], Any]] = {
    "is": lambda x: (
        x.dtype == np.uint8,
        x.dtype == np.float64,
        x.dtype == "f4",
        x.dtype in (np.int32, np.uint8),
        np.dtype(np.int64) == x.dtype,
    ),
    "issubdtype": lambda x: (
        np.issubdtype(x.dtype, np.floating),
        np.issubdtype(x.dtype, np.integer),
        np.issubdtype(x.dtype, np.unsignedinteger),
    ),
    "words": lambda x: (x.dtype.kind, x.dtype.name, x.dtype.itemsize, str(x.dtype), x.dtype.type.__name__),
    "size": lambda x: (np.size(x) + 0, np.shape(x) == (), x.itemsize),
}


@pytest.mark.parametrize("question", DTYPES)
@pytest.mark.parametrize("given", [k for k, v in GIVEN.items() if hasattr(v, "dtype")])
def test_dtypes(question: str, given: str) -> None:
    f, x = DTYPES[question], GIVEN[given]
    wanted = [str(v) for v in f(x)]
    for mode, found in both(lambda x: list(f(x)), x).items():
        assert [str(v) for v in found] == wanted, mode


def test_the_dtype_of_an_argument_makes_arrays_like_it() -> None:
    image = np.array([0, 51, 255], np.uint8)
    normalised = lj.jit(lambda x: x / 255.0 if x.dtype == np.uint8 else x)
    np.testing.assert_array_equal(normalised(image), image / 255.0)
    np.testing.assert_array_equal(normalised(image.astype(np.int32)), image.astype(np.int32))
    assert lj.jit(lambda x: np.zeros(2, x.dtype))(image).dtype == np.int32  # as which its values are computed with
    assert lj.jit(lambda x: np.zeros(2, x.dtype))(np.ones(2, np.float32)).dtype == np.float32


def test_one_entry_never_serves_two_types() -> None:
    """NumPy's scalars and arrays without axes are one to native code."""
    kind = lj.jit(lambda x: x * (1 if isinstance(x, np.ndarray) else 2 if isinstance(x, np.int32) else 3))
    for x, wanted in [
        (np.array(1.0), 1),
        (np.float64(1), 3),
        (np.array(1.0), 1),
        (np.int32(1), 2),
        (np.int64(1), 3),
        (np.int32(1), 2),
        (np.int64(1), 3),
    ]:
        assert kind(x) == wanted


# ---- values computed on the way
MADE: list[Callable[..., Any]] = [
    lambda x, i, a, s: x + 1, lambda x, i, a, s: x + i, lambda x, i, a, s: i + 1, lambda x, i, a, s: i / 2, lambda x, i, a, s: i // 2, lambda x, i, a, s: x > 1,
    lambda x, i, a, s: not x, lambda x, i, a, s: np.sin(x), lambda x, i, a, s: math.sin(x), lambda x, i, a, s: a[0], lambda x, i, a, s: a.sum(), lambda x, i, a, s: np.sum(a),
    lambda x, i, a, s: a[0] + x, lambda x, i, a, s: a[0] > 1, lambda x, i, a, s: np.isnan(x), lambda x, i, a, s: math.isnan(x), lambda x, i, a, s: abs(x), lambda x, i, a, s: -x,
    lambda x, i, a, s: np.abs(x), lambda x, i, a, s: float(a[0]), lambda x, i, a, s: int(a[0]), lambda x, i, a, s: bool(a[0]), lambda x, i, a, s: round(a[0]),
    lambda x, i, a, s: round(x), lambda x, i, a, s: round(x, 1), lambda x, i, a, s: round(a[0], 1), lambda x, i, a, s: len(a), lambda x, i, a, s: a.shape[0],
    lambda x, i, a, s: a.size, lambda x, i, a, s: a.ndim, lambda x, i, a, s: a[0].item(), lambda x, i, a, s: a.item(0), lambda x, i, a, s: max(x, 1.0),
    lambda x, i, a, s: np.maximum(x, 1.0), lambda x, i, a, s: np.where(x > 0, x, 1.0), lambda x, i, a, s: np.where(x > 0, x, 1.0) + 1, lambda x, i, a, s: np.clip(x, 0, 1),
    lambda x, i, a, s: np.float64(x), lambda x, i, a, s: np.float32(x), lambda x, i, a, s: np.int64(i), lambda x, i, a, s: np.asarray(x), lambda x, i, a, s: np.array(x) * 2,
    lambda x, i, a, s: s * x, lambda x, i, a, s: float(s), lambda x, i, a, s: s.item(), lambda x, i, a, s: np.sin(x) * s, lambda x, i, a, s: math.sin(s), lambda x, i, a, s: math.floor(x),
    lambda x, i, a, s: math.floor(a[0]), lambda x, i, a, s: i**2, lambda x, i, a, s: x**2, lambda x, i, a, s: a[0] ** 2, lambda x, i, a, s: divmod(i, 2)[0], lambda x, i, a, s: a[1:],
    lambda x, i, a, s: a + 1, lambda x, i, a, s: a @ a, lambda x, i, a, s: np.dot(a, a), lambda x, i, a, s: np.mean(a), lambda x, i, a, s: np.linalg.norm(a), lambda x, i, a, s: a.max(),
    lambda x, i, a, s: sum(a), lambda x, i, a, s: np.round(x), lambda x, i, a, s: np.argmax(a), lambda x, i, a, s: np.floor(x), lambda x, i, a, s: np.add(x, i), lambda x, i, a, s: range(i),
    lambda x, i, a, s: np.isnan(x) + np.isnan(x), lambda x, i, a, s: np.sqrt(i), lambda x, i, a, s: (x, i), lambda x, i, a, s: np.ones(()),
]  # fmt: skip


@pytest.mark.parametrize("at", range(len(MADE)))
def test_values_on_the_way(at: int) -> None:
    f, args = MADE[at], (1.5, 3, np.array([1.5, 2.5]), np.float32(1.5))
    wanted = f(*args)
    for found, value in both(lambda *args: (type(f(*args)).__name__, f(*args) if type(wanted) is not range else 0), *args).values():
        assert found == type(wanted).__name__
        if isinstance(wanted, (float, np.floating)):
            assert value == pytest.approx(wanted, rel=1e-14)


PRECISION: list[Callable[[float, Any], Any]] = [
    lambda x, s: np.sin(x) * s, lambda x, s: float(s) + 1.0, lambda x, s: math.sin(s), lambda x, s: s * np.float64(x), lambda x, s: s * np.sqrt(2.0) * x,
    lambda x, s: s * float(np.sin(x)), lambda x, s: s * math.sin(x), lambda x, s: int(s * 10) / s, lambda x, s: math.sqrt(s) * x, lambda x, s: s.item() / 3,
]  # fmt: skip


@pytest.mark.parametrize("at", range(len(PRECISION)))
def test_float32_meets_python_and_numpy(at: int) -> None:
    """A Python float takes a float32's precision, a float64 of NumPy gives it its own."""
    f, args = PRECISION[at], (1.5, np.float32(0.1))
    wanted = f(*args)
    for found in both(f, *args).values():
        assert np.asarray(found).dtype == np.asarray(wanted).dtype
        assert found == pytest.approx(wanted, rel=2e-16 if np.asarray(wanted).dtype == float else 2e-7)


def changing(n: int, s: Any) -> Any:
    y: Any = 0.0
    for _ in range(n):
        z = y * s
        y = np.cos(y) + z * 0.5
    return y * s


def test_a_loop_in_which_a_float_becomes_numpys() -> None:
    s = np.float32(0.3)
    wanted = changing(9, s)
    for found in both(changing, 9, s).values():
        assert np.asarray(found).dtype == np.asarray(wanted).dtype == np.float64


def test_arguments_of_a_derivative_and_of_a_recursion() -> None:
    def scaled(x: Any, n: int) -> Any:
        if n > 0:
            return scaled(x, n - 1) * 2.0
        return x * (1.0 if isinstance(x, np.ndarray) else 3.0)

    for x, wanted in ((1.5, 12.0), (np.float64(1.5), 12.0), (np.array(1.5), 4.0)):
        assert lj.jit(lj.grad(scaled))(x, 2) == wanted
        assert lj.grad(lambda x: x * (2.0 if type(x) is float else 1.0))(x) == (2.0 if type(x) is float else 1.0)


def test_attributes_that_are_not_there() -> None:
    with pytest.raises(AttributeError, match="'float' object has no attribute 'append'"):
        lj.jit(lambda x: x.append(1))(1.5)
    with pytest.raises(AttributeError, match="'float' object has no attribute 'shape'"):
        lj.jit(lambda x: getattr(x, "shape"))(1.5)  # noqa: B009
    with pytest.raises(NotImplementedError, match=r"float\.hex at \S*test_type_questions\.py:\d+ in <lambda> is not supported"):
        lj.jit(lambda x: x.hex())(1.5)


# ---- values that are chosen and made on the way
def largest(a: Any) -> tuple[float, float, Any]:
    best: Any = None
    for v in a:
        if v > 1 and (best is None or v > best):
            best = v
    match best:
        case None:
            kind = -1.0
        case float():
            kind = best
        case _:
            kind = 0.0
    return (1.0 if isinstance(best, float) else 0.0), (2.0 if isinstance(best, type(None)) else 3.0), kind


def test_what_may_be_none() -> None:
    for a in (np.array([0.5, 2.0, 1.5] * 30), np.array([0.5, 0.25] * 40)):
        for found in both(largest, a).values():
            assert found == largest(a)


def grown(x: float) -> Any:
    items: list[float] = []
    for i in range(100):
        if x > i:
            items.append(x * i)
    return isinstance(items, list), type(items) is list, hasattr(items, "append"), len(items)


def test_a_list_that_grows_is_a_list() -> None:
    assert lj.jit(grown)(7.5) == grown(7.5) == (True, True, True, 8)


def test_true_and_false_are_objects() -> None:
    cases: list[tuple[Callable[[Any], Any], list[Any]]] = [
        (lambda x: (x > 0) is True, [1.5, -1.5, np.float64(1.5)]), (lambda x: (x > 0) is not False, [1.5, -1.5, np.float64(-1.5)]),
        (lambda x: x is True, [True, False, np.bool_(True), 1]), (lambda x: x.is_integer(), [1.5, 2.0, math.inf]),
    ]  # fmt: skip
    for f, points in cases:
        jitted = lj.jit(lambda x, f=f: 1 if f(x) else 2)
        for x in points:
            assert jitted(x) == (1 if f(x) else 2)


WITHOUT_SOURCE = {
    "isinstance": "lambda x: 1.0 if isinstance(x, float) else 2.0", "type": "lambda x: x * 2 if type(x) is float else x",
    "hasattr": "lambda x: 1.0 if hasattr(x, 'shape') else 2.0", "getattr": "lambda x: len(getattr(x, 'shape', (1, 2)))",
    "inner": "lambda x: (lambda v: type(v).__name__)(x)", "type of a type": "lambda x: isinstance(type(x), type) and not isinstance(x, type)",
}  # fmt: skip


@pytest.mark.parametrize("name", WITHOUT_SOURCE)
def test_code_without_source_asks_too(name: str) -> None:
    f = eval(WITHOUT_SOURCE[name])
    for x in (1.5, np.float64(1.5), np.ones(2), 3):
        wanted = f(x)
        found = lj.jit(f)(x)
        assert np.all(found == wanted), x

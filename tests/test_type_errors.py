"""Errors about types: paths that disagree, loops that change a type, whole arrays, values that must be concrete."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import lantern_jit as lj
from lantern_jit import errors

HERE = Path(__file__).name
Function = Callable[..., Any]


def refused(error: type[BaseException], f: Function, *args: Any) -> str:
    """The message with which jit(f)(*args) fails, twice; another function still compiles."""
    for _ in range(2):
        with pytest.raises(error) as found:
            lj.jit(f)(*args)
    assert lj.jit(lj.grad(lambda x: x * x if x > 0 else x))(3.0) == 6.0
    return str(found.value)


# ---- branches
def variable_differs(x: float) -> Any:
    if x > 0:
        y: Any = 1.0
    else:
        y = np.zeros(3)
    return y


def bool_or_float(x: float) -> Any:
    if x > 0:
        y: Any = True
    else:
        y = 1.0
    return y


def result_differs(x: float) -> Any:
    if x > 0:
        return 1.0
    return np.zeros(3)


def structure_differs(x: float) -> Any:
    if x > 0:
        return x, x
    return x


BRANCHES: list[tuple[Function, list[str]]] = [
    (variable_differs, ["variable `y`", "it is float on one path and 1-d array of float64 on another"]),
    (bool_or_float, ["variable `y`", "it is bool on one path and float on another"]),
    (result_differs, ["the result of `result_differs`", "is float on one path and 1-d array of float64 on another"]),
    (structure_differs, ["the result of `structure_differs`", "is tuple", "on one path and float", "on another"]),
    (lambda x: x if x > 0 else x > 1, ["a conditional expression", "is float on one path and bool on another"]),
    (lambda x: x if x > 0 else (x,), ["a conditional expression", "is float", "and tuple", HERE]),
    (lambda x: lj.cond(x > 0, lambda v: v, lambda v: (v, v), x), ["is float", "and tuple"]),
]


@pytest.mark.parametrize(("f", "words"), BRANCHES)
def test_paths_that_disagree(f: Function, words: list[str]) -> None:
    message = refused(errors.TypeMismatchError, f, 1.0)
    for w in words:
        assert w in message
    assert HERE in message


# ---- loops
def grows(x: float, n: int) -> Any:
    s: Any = 0
    for _ in range(int(x * n)):
        s = (s, x)
    return s


def bool_becomes_float(x: float, n: int) -> Any:
    s: Any = True
    for _ in range(int(x * n)):
        s = x
    return s


def strong_int_becomes_float(x: float, n: int) -> Any:
    s: Any = n
    for _ in range(int(x * n)):
        s = s / 2
    return s


def text_grows(x: float, n: int) -> Any:
    s = "a"
    while x < n:
        s = s + "b"
        x = x + 1
    return s


LOOPS: list[tuple[Function, Any, list[str]]] = [
    (grows, 9, ["changes from int 0 to tuple (an int, a float)", "its structure must stay the same"]),
    (bool_becomes_float, 9, ["changes its type from bool to float", "give it its final type before the loop"]),
    (text_grows, 9, ["becomes a text that the program makes or chooses", "keep a number (of the text in a list)"]),
]


@pytest.mark.parametrize(("f", "n", "words"), LOOPS)
def test_loop_variables_that_change(f: Function, n: Any, words: list[str]) -> None:
    message = refused(errors.TypeMismatchError, f, 1.0, n)
    for w in ["loop variable `s`", f"{HERE}:", f.__name__, *words]:
        assert w in message


def test_an_int_may_become_a_float() -> None:
    assert lj.jit(strong_int_becomes_float)(1.0, 2) == 0.5
    assert lj.jit(strong_int_becomes_float)(1.0, np.int64(2)) == 0.5


def test_loops_over_a_count_of_the_call_change_types_as_in_python() -> None:
    def counted(x: float, n: Any) -> Any:
        s: Any = n
        for _ in range(n):
            s = (s, x)
        return s

    assert lj.jit(counted)(1.5, 3) == counted(1.5, 3)
    assert lj.jit(counted)(1.5, 0) == 0


# ---- variables
def maybe(x: float) -> float:
    if x > 0:
        y = [x]
    return y[0] * 2


def only_in_loop(x: float) -> float:
    for _ in range(int(x)):
        y = x
    return y


def before(x: float) -> float:
    y = late + 1  # type: ignore[has-type]  # noqa: F821
    if x > 0:
        late = 1.0  # noqa: F841
    return y


VARIABLES: list[tuple[Function, str]] = [
    (maybe, "variable `y` .*: it is not assigned on every path that leads here; assign it before the branch or loop"),
    (before, "variable `late` .*: it is used before it is assigned"),
]


@pytest.mark.parametrize(("f", "text"), VARIABLES)
def test_unassigned_variables(f: Function, text: str) -> None:
    with pytest.raises(errors.UndefinedVariableError, match=text):
        lj.jit(f)(1.0)
    with pytest.raises(UnboundLocalError, match=HERE):
        lj.jit(lambda x: f(x) + 1)(1.0)


def test_a_variable_that_only_a_loop_assigns_is_there_if_the_loop_ran() -> None:
    for f in (only_in_loop, lj.grad(only_in_loop)):
        assert lj.jit(f)(2.0) == (2.0 if f is only_in_loop else 1.0)
        with pytest.raises(UnboundLocalError, match="cannot access local variable 'y'"):
            lj.jit(f)(0.5)


# ---- whole arrays


A, M = np.ones(3), np.ones((3, 3))
WHOLE: list[tuple[Function, Any, str, str]] = [
    (lambda x: np.packbits(x), A, "np.packbits of traced values", "is not supported: compiled code has numbers and no bytes of them"),
    (lambda x: np.einsum_path("i", x), A, "np.einsum_path of traced values", "is not supported: use np.einsum, or compute it outside"),
    (lambda x: x.byteswap(), A, "ndarray.byteswap", "or do it outside of the compiled function"),
    (lambda x: np.sum(x, out=np.zeros(())), A, "out= but of one array with axes", "use the result"),
    (lambda x: np.histogram(x, bins="stone"), A, "a histogram with bins='stone'", "a number of bins, or their edges"),
    (lambda x: np.linalg.pinv(x, hermitian=True), M, "np.linalg.pinv with hermitian=", "leave it out"),
    (lambda x: scipy.linalg.null_space(x), M, "scipy.linalg.null_space of traced values", "compute it outside"),
    (lambda x: np.hypot.reduce(x, where=x > 0), A, "np.hypot.reduce with where=", "leave it out"),
    (lambda x: np.linalg.qr(x, mode="raw"), M, "np.linalg.qr with mode='raw'", "use mode='reduced'"),
    (lambda x: scipy.linalg.signm(x), M, "scipy.linalg.signm of traced values", "or compute it outside"),
    (lambda x: np.linalg.svd(x[x[:, 0] > 0]), M, "np.linalg.svd with full_matrices=True", "write full_matrices=False"),
    (lambda x: np.squeeze(x[x[:, 0] > 0]), M, "squeeze() of an array whose sizes are not known", "name the axis"),
]


@pytest.mark.parametrize(("f", "x", "name", "instead"), WHOLE, ids=[f"{i}-{w[2]}" for i, w in enumerate(WHOLE)])
def test_functions_of_arrays_that_are_missing(f: Function, x: Any, name: str, instead: str) -> None:
    message = refused(errors.UnsupportedOperationError, f, x)
    assert message.startswith(name)
    assert HERE in message
    assert instead in message


def test_captured_arrays_are_never_written() -> None:
    def f(x: float) -> float:
        A[0] = x
        return A[0]

    assert "writes to a captured array, which compiled code never changes" in refused(errors.UnsupportedOperationError, f, 1.0)
    assert A[0] == 1.0


# ---- values that must be concrete
CONCRETE: list[tuple[Function, str]] = [
    (lambda x: (1,) * int(x), "needs a concrete int"),
    (lambda x: tuple(range(int(x))), "range of a traced length .* can only be used in a `for` statement"),
    (lambda x: np.array([1.0])[x > 0], "needs a concrete|must be ints"),
]


@pytest.mark.parametrize(("f", "text"), CONCRETE)
def test_values_that_must_be_concrete(f: Function, text: str) -> None:
    with pytest.raises((errors.TracedConditionError, errors.ArrayIndexError), match=text):
        lj.jit(f)(2.5)


@pytest.mark.parametrize("f", [lambda x: x + "s", lambda x: x + None, lambda x: [x] @ x])
def test_operands_of_another_kind(f: Function) -> None:
    refused(TypeError, f, 1.0)

"""What an error says, and that the library works after it: errors while tracing."""

from __future__ import annotations

import math
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors

pytestmark = pytest.mark.every

HERE = Path(__file__).name
Function = Callable[..., Any]


@pytest.fixture(autouse=True)
def _library_works_after() -> Iterator[None]:
    yield
    assert lj.jit(lj.grad(lambda x: x * x if x > 0 else x))(3.0) == 6.0
    assert lj.grad(lambda x: x**3)(2.0) == 12.0


def refused(error: type[BaseException], f: Function, *args: Any) -> str:
    """The message with which f(*args) fails; its jitted and its differentiated form fail alike."""
    with pytest.raises(error) as found:
        lj.jit(f)(*args)
    with pytest.raises(error):
        lj.jit(f)(*args)  # a failed trace leaves nothing behind
    return str(found.value)


# ---- classes
BUILTINS = {
    "UnsupportedSyntaxError": SyntaxError, "UnsupportedOperationError": NotImplementedError, "TracedConditionError": TypeError,
    "TypeMismatchError": TypeError, "ArgumentTypeError": TypeError, "UndefinedVariableError": UnboundLocalError,
    "EscapedTracerError": RuntimeError, "EndlessTraceError": RecursionError, "NotDifferentiableError": TypeError,
    "StackOverflowError": RecursionError, "ArrayIndexError": IndexError, "ArrayShapeError": ValueError,
    "ZeroDivideError": ZeroDivisionError, "NegativePowerError": ValueError, "ConversionError": ValueError,
    "StagedAssertionError": AssertionError, "GradientCheckError": AssertionError,
}  # fmt: skip


@pytest.mark.parametrize("name", BUILTINS)
def test_every_error_is_a_lantern_error_and_a_builtin(name: str) -> None:
    cls = getattr(errors, name)
    assert issubclass(cls, lj.LanternError)
    assert issubclass(cls, BUILTINS[name])
    assert cls.__doc__


# ---- source that is not available
NO_SOURCE = {
    "branch": ("def f(x):\n    if x > 0:\n        return x\n    return -x", "bool", 2),
    "loop": ("def f(x):\n    y = 1.0\n    while x > y:\n        y = y * 2\n    return y", "bool", 3),
    "count": ("def f(x):\n    return [x for _ in range(int(x))]", "int", 2),
    "number": ("def f(x):\n    return float(x)", "float", 2),
}


@pytest.mark.parametrize("name", NO_SOURCE)
def test_functions_without_source(name: str) -> None:
    text, kind, line = NO_SOURCE[name]
    scope: dict[str, Any] = {}
    exec(compile(text, "<made up>", "exec"), scope)
    message = refused(errors.TracedConditionError, scope["f"], 1.5)
    assert f"needs a concrete {kind} at <made up>:{line} in f" in message
    assert "lantern_jit.cond, while_loop or fori_loop" in message
    assert "static_argnums" in message


def test_straight_code_without_source_works() -> None:
    scope: dict[str, Any] = {"math": math}
    exec("def f(x):\n    return x * x", scope)
    assert lj.jit(lj.grad(scope["f"]))(3.0) == 6.0


# ---- syntax
def uses_yield(x: float) -> Any:
    y = yield x
    return y


def uses_yield_from(x: float) -> Any:
    y = yield from [x]
    return y


def uses_class(x: float) -> float:
    class Inner:
        pass

    return x


async def uses_async(x: float) -> float:
    return x


def uses_bare_raise(x: float) -> float:
    if x > 0:
        raise
    return x


SYNTAX: list[tuple[Function, int, str, str]] = [
    (uses_yield, 1, "the value of a `yield` cannot", "write `yield x` as a statement of its own"),
    (uses_yield_from, 1, "the value of a `yield from` cannot", "write `yield from x` as a statement"),
    (uses_class, 1, "`class` cannot", "define the class outside"),
    (uses_async, 0, "`async def` cannot", "synchronous"),
    (uses_bare_raise, 2, "a bare `raise` cannot", "name the exception"),
]


@pytest.mark.parametrize(("f", "offset", "construct", "remedy"), SYNTAX)
def test_unsupported_syntax(f: Any, offset: int, construct: str, remedy: str) -> None:
    message = refused(errors.UnsupportedSyntaxError, f, 1.0)
    assert construct in message
    assert f"{HERE}:{f.__code__.co_firstlineno + offset} in {f.__name__}" in message
    assert remedy in message


def test_unsupported_syntax_in_a_called_function() -> None:
    message = refused(errors.UnsupportedSyntaxError, lambda x: uses_class(x) + 1, 1.0)
    assert "in uses_class" in message


# ---- tracing that does not end
def no_base(x: float) -> float:
    return 1 + no_base(x / 2)


def no_base_on_any_path(x: float) -> float:
    if x > 0:
        return no_base_on_any_path(x / 2)
    return no_base_on_any_path(-x)


def ping(x: float) -> float:
    return pong(x)


def pong(x: float) -> float:
    return ping(x)


def counts_statically(x: float, n: int = 0) -> float:
    return counts_statically(x, n + 1)


def never_returns(x: float) -> float:
    while True:
        x = x + 1


@pytest.mark.parametrize("f", [no_base, no_base_on_any_path, ping])
def test_recursion_without_a_base_case(f: Function) -> None:
    message = refused(errors.EndlessTraceError, f, 1.0)
    assert f"the recursion of `{f.__name__}` has no base case" in message


def test_endless_recursion_on_a_plain_argument() -> None:
    message = refused(errors.EndlessTraceError, counts_statically, 1.0)
    assert "the recursion of `counts_statically` has no base case: every path of it calls it again" in message


def test_a_loop_without_an_exit() -> None:
    assert "`never_returns` never returns" in refused(errors.EndlessTraceError, never_returns, 1.0)


def test_a_python_loop_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def f(x: float) -> float:
        n = 0
        while n >= 0:  # which a slice of a tuple keeps from being staged
            n, x = n + 1, x + (1.0, 2.0)[n % 2 :][0]
        return x

    monkeypatch.setattr("lantern_jit.ir.core.builder.MAX_OPERATIONS", 2000)
    message = refused(errors.EndlessTraceError, f, 1.0)
    assert "the trace has passed 2,000 operations" in message
    assert f"{HERE}:{f.__code__.co_firstlineno + 3} in f" in message


# ---- values that escape
def test_values_that_a_function_keeps_outside_are_refused_by_name() -> None:
    kept: list[Any] = []

    def leak(x: float) -> float:
        kept.append(x * 2)
        return x

    def leak_inside(x: float) -> Any:
        inside: list[Any] = []
        return lj.grad(lambda y: (inside.append(y), y * y)[1])(x) + inside[-1]

    assert "`leak` changes a list, which outlives the call" in refused(errors.UnsupportedOperationError, leak, 1.0)
    assert "is differentiated at" in refused(errors.UnsupportedOperationError, leak_inside, 1.0)
    assert kept == []


def test_escaped_values() -> None:
    class Kept:
        """Keeps values in a way that no log sees."""

        values: tuple[Any, ...] = ()

        def __setattr__(self, name: str, value: Any) -> None:
            type.__setattr__(Kept, "values", (value,))

    def leak(x: float) -> float:
        Kept().last = x * 2
        return x

    lj.jit(leak)(1.0)
    with pytest.raises(errors.EscapedTracerError, match=r"outside of any trace at .*return the value instead of keeping it"):
        Kept.values[0] + 1
    message = refused(errors.EscapedTracerError, lambda x: x + Kept.values[0], 1.0)
    assert "a traced value of `leak` is used after its trace has ended" in message


# ---- arguments of the wrong type
WRONG: list[tuple[Any, str]] = [
    ({1}, "is set {1}"),
    (
        np.array([1, "a"], object),
        "is an array of dtype object: convert it to float64, float32, complex128, complex64, int64, int32 or bool",
    ),
    (np.array(["a"]), "is an array of dtype <U1"),
    ((1.0, {"a": [bytearray(b"x")]}), "is bytearray bytearray(b'x')"),
]


@pytest.mark.parametrize(("value", "words"), WRONG)
def test_arguments_of_the_wrong_type(value: Any, words: str) -> None:
    message = refused(errors.ArgumentTypeError, lambda ignored, x: 1.0, 1.0, value)
    assert words in message
    with pytest.raises(errors.ArgumentTypeError, match="argument"):
        lj.grad(lambda ignored, x: ignored)(1.0, value)


def test_the_place_of_a_wrong_argument() -> None:
    for args, place in ((({1}, 1.0), "a"), ((1.0, {1}), "b"), ((1.0, (2.0, {1})), r"b\[1\]")):
        with pytest.raises(errors.ArgumentTypeError, match=rf"^argument `{place}` of `<lambda>` is set"):
            lj.jit(lambda a, b: 1.0)(*args)


def test_ints_beyond_64_bits() -> None:
    for big in (2**63, -(2**63) - 1, 2**70):
        with pytest.raises((lj.LanternError, OverflowError)):
            lj.jit(lambda x: x)(big)


@pytest.mark.parametrize("result", [object(), frozenset({1}), math.sin])
def test_results_of_the_wrong_type(result: Any) -> None:
    assert "compiled functions return numbers, arrays and containers of them" in refused(errors.ArgumentTypeError, lambda x: result, 1.0)


@pytest.mark.parametrize("make", [lj.jit, lj.grad, lj.value_and_grad, lj.jacfwd, lj.jacrev, lj.hessian])
def test_not_a_function(make: Any) -> None:
    with pytest.raises(TypeError, match="takes a function, not int 3"):
        make(3)


def test_not_a_function_at_once() -> None:
    for call in (lambda: lj.vjp(3, 1.0), lambda: lj.jvp(3, (1.0,), (1.0,)), lambda: lj.hvp(3, (1.0,), (1.0,))):
        with pytest.raises(TypeError, match="takes a function, not int 3"):
            call()


@pytest.mark.parametrize("bad", ["none", "chunks", 0, -1, 1.5, True, ()])
def test_bad_checkpoint(bad: Any) -> None:
    with pytest.raises(ValueError, match=r'give None, "recursion", "replay", "sqrt", "log" or a positive chunk length'):
        lj.jit(lambda x: x, checkpoint=bad)


def test_a_cell_has_the_name_that_ipython_gives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = types.SimpleNamespace(format_code_name=lambda name: ("Cell", "In[3]") if name == __file__ else None)
    shell = types.SimpleNamespace(compile=compiler)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    with pytest.raises(AttributeError, match=r"\(Cell In\[3\], line \d+ in <lambda>\)"):
        lj.jit(lambda x: x.nothing)(1.0)
    with pytest.raises(errors.ArrayIndexError, match=r"\[Cell In\[3\], line \d+ in <lambda>\]"):
        lj.jit(lambda x: x[7])(np.ones(3))


class Column:
    """Of another library."""

    def __array__(self, dtype: object = None, copy: object = None) -> object:
        return np.ones(2)


def test_what_can_be_an_array_is_named_with_that() -> None:
    with pytest.raises(errors.ArgumentTypeError, match=r"argument `x` of .* is a Column of tests: give np.asarray of it"):
        lj.jit(lambda x: x)(Column())

"""Printing, logging, messages of exceptions and text made of traced values: at run time, in order, what plain Python shows."""

from __future__ import annotations

import dataclasses
import io
import logging
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors

from .processes import start
from .support import interpret

Function = Callable[..., Any]


def printed(run: Callable[[], Any]) -> tuple[str, Any]:
    """What run() prints, and its result, or the exception's type and arguments."""
    out = io.StringIO()
    with redirect_stdout(out):
        try:
            result = run()
        except Exception as e:
            result = type(e), e.args
    return out.getvalue(), result


def as_in_python(f: Function, *args: Any) -> str:
    """f(*args) prints and gives the same in Python, on the interpreter, and natively twice; gives what it prints."""
    text, result = printed(lambda: f(*args))
    jitted = lj.jit(f)
    for run in (lambda: interpret(f, *args), lambda: jitted(*args), lambda: jitted(*args)):
        assert printed(run) == (text, result)
    return text


# ---- values
def kinds(x: float, n: int) -> float:
    print(x, n, x > 1, x == 2, None, "text", (x, [n, {"a": x}]), sep="; ", end=".\n")
    print(f"{x:.3f} {x!r:>8} {n:03d} {x:{n}.2f}", "%5.2f|%d|%s" % (x, n, x), "{} {k:.1e}".format(n, k=x))  # noqa: UP031, UP032
    print(str(x) + "!", repr(x), format(x, ".2e"), ", ".join([str(n), "b", str(x)]), "a" if x > 0 else "b")
    print()
    print("only text", flush=True)
    return x


def test_values_are_shown_as_python_shows_them() -> None:
    assert as_in_python(kinds, 2.5, 6).startswith("2.5; 6; True; False; None; text; (2.5, [6, {'a': 2.5}]).\n2.500      2.5 006")
    assert "(np.float64(2.5), [6," in printed(lambda: lj.jit(kinds)(np.float64(2.5), 6))[0] or np.lib.NumpyVersion(np.__version__) < "2.0.0"


def arrays(a: Any) -> Any:
    for i in range(len(a)):
        print(i, a[i], a[:i])
        a = a * 2
    print(a, a > 1, a.reshape(2, -1), a[::2], np.zeros(0), np.array([1, 2]), sep="\n")
    return a.sum()


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_arrays_are_shown_as_numpy_shows_them(dtype: str) -> None:
    as_in_python(arrays, np.arange(1, 7).astype(dtype))


def test_a_print_shows_the_array_as_it_is_then() -> None:
    def f(n: int) -> Any:
        a = np.zeros(3)
        for i in range(n):
            a[i] = i + 1.0
            print(a)
        return a[0]

    assert as_in_python(f, 3) == "[1. 0. 0.]\n[1. 2. 0.]\n[1. 2. 3.]\n"


class Vector:
    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y

    def __repr__(self) -> str:
        return f"<{self.x:.1f}, {self.y}>"


@dataclasses.dataclass
class Point:
    a: Any
    b: Any


def test_objects_with_traced_values() -> None:
    def f(x: float) -> float:
        v = Vector(x, 2 * x)
        print(v, f"{v!r:>12}", "%s" % v, str(v), Point(x, 3))  # noqa: UP031
        return x

    assert as_in_python(f, 1.5) == "<1.5, 3.0>   <1.5, 3.0> <1.5, 3.0> <1.5, 3.0> Point(a=1.5, b=3)\n"


# ---- control flow
def branches(x: float, n: int) -> float:
    i = 0
    while i < n:
        if i % 2:
            print("odd", i, end=" ")
        else:
            print("even")
        i += 1
        if x * i > 3:
            print("out")
            break
    return helper(x) if x > 0 else x


def helper(x: float) -> float:
    print("helper", x)
    return x


def recursive(n: int, x: float) -> float:
    print(n, x)
    return x if n == 0 else recursive(n - 1, 2 * x) + 1


def test_order_in_loops_branches_helpers_and_recursion() -> None:
    assert as_in_python(branches, 0.5, 20).endswith("even\nout\nhelper 0.5\n")
    as_in_python(branches, -0.5, 3)
    assert as_in_python(recursive, 2, 1.0) == "2 1.0\n1 2.0\n0 4.0\n"


def test_what_was_printed_before_an_error_stays() -> None:
    def f(n: int) -> Any:
        a = np.zeros(3)
        for i in range(n):
            print(i)
            a[i] = 1.0
        return a

    for run in (lambda: interpret(f, 5), lambda: lj.jit(f)(5)):
        text, (error, _) = printed(run)
        assert text == "0\n1\n2\n3\n"
        assert issubclass(error, IndexError)


def test_printing_does_not_unroll_or_call_python_at_other_times() -> None:
    f = lj.jit(lambda n: [print(n) if n > 10**6 else None, n][1])
    assert printed(lambda: [f(i) for i in range(1000)])[0] == ""


# ---- derivatives
def steps(x: Any) -> Any:
    y = x[0]
    for i in range(7):
        y = y * x[i % 2]
        if i % 3 == 0:
            print("step", i, f"{y:.6f}")
    return y


X = np.array([1.25, 0.75])
TRANSFORMS: dict[str, Function] = {
    "grad": lj.grad(steps),
    "value_and_grad": lj.value_and_grad(steps),
    "jvp": lambda x: lj.jvp(steps, (x,), (x,)),
    "vjp": lambda x: lj.vjp(steps, x)[1](1.0),
    "jacfwd": lj.jacfwd(steps),
    "jacrev": lj.jacrev(steps),
    "hessian": lj.hessian(steps),
    "hvp": lambda x: lj.hvp(steps, (x,), (x,)),
    "grad of grad": lj.grad(lambda x: np.sum(lj.grad(steps)(x) ** 2)),
    "third order": lj.grad(lambda x: np.sum(lj.grad(lambda y: np.sum(lj.grad(steps)(y) ** 2))(x))),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_derivative_prints_once_for_each_call_of_the_function(name: str) -> None:
    text, _ = printed(lambda: steps(X))
    assert text.count("\n") == 3
    f = TRANSFORMS[name]
    assert printed(lambda: f(X))[0] == text
    assert printed(lambda: lj.jit(f)(X))[0] == text


@pytest.mark.parametrize("checkpoint", [None, "recursion", "replay", 2])
def test_no_loop_policy_prints_again(checkpoint: Any) -> None:
    text, _ = printed(lambda: steps(X))
    assert printed(lambda: lj.jit(lj.grad(steps), checkpoint=checkpoint)(X))[0] == text


# ---- combinators and nested functions
def shown_and(v: Any) -> Any:
    print("shown", v)
    return v * v


own = lj.fun(shown_and)
nested = lj.jit(shown_and)
COMBINED: dict[str, tuple[Function, str]] = {
    "cond": (lambda x: lj.cond(x > 0, shown_and, lambda v: -v, x), "shown 2.0\n"),
    "switch": (lambda x: lj.switch(1, [lambda v: v, shown_and], x), "shown 2.0\n"),
    "while_loop": (lambda x: lj.while_loop(lambda v: v < 20.0, shown_and, x), "shown 2.0\nshown 4.0\nshown 16.0\n"),
    "fori_loop": (lambda x: lj.fori_loop(0, 3, lambda i, s: shown_and(s) - i, x), "shown 2.0\nshown 4.0\nshown 15.0\n"),
    "fun": (lambda x: own(x) + own(x + 1), "shown 2.0\nshown 3.0\n"),
    "jit": (lambda x: nested(x) + nested(x + 1), "shown 2.0\nshown 3.0\n"),
    "grad": (lambda x: lj.grad(shown_and)(x), "shown 2.0\n"),
    "vjp": (lambda x: lj.vjp(shown_and, x)[1](1.0)[0], "shown 2.0\n"),
}


@pytest.mark.parametrize("name", COMBINED)
def test_combinators_and_nested_functions(name: str) -> None:
    f, text = COMBINED[name]
    for run in (lj.jit(f), lj.grad(f), lj.jit(lj.grad(f)), lj.jit(f)):
        assert printed(lambda run=run: run(2.0))[0] == text  # type: ignore[misc]


# ---- other effects
def test_logging_and_files(caplog: pytest.LogCaptureFixture) -> None:
    log, out = logging.getLogger("of.a.test"), io.StringIO()

    def f(x: float) -> float:
        log.warning("x is %s", x)
        out.write(f"{x:.1f};")
        print("to a file", file=out, end=";")
        return x

    g = lj.jit(f)
    for x in (1.0, 2.0):
        g(x)
    assert [r.getMessage() for r in caplog.records] == ["x is 1.0", "x is 2.0"]
    assert out.getvalue() == "1.0;to a file;2.0;to a file;"


def test_the_standard_streams_are_those_of_the_call(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: float) -> float:
        sys.stdout.write(f"{x};")
        print(x, file=sys.stderr, end=";")
        print("out", file=sys.stdout, end=";")
        return x

    g = lj.jit(f)
    assert printed(lambda: g(1.0)) == ("1.0;out;", 1.0)
    assert printed(lambda: g(2.0)) == ("2.0;out;", 2.0)
    assert capsys.readouterr().err == "1.0;2.0;"


def test_objects_that_cannot_be_shown_are_refused() -> None:
    def f(x: float) -> float:
        print([Vector(x, x)])
        return x

    with pytest.raises(
        errors.UnsupportedOperationError, match=r"Vector with traced values inside of a container.* show the object by itself"
    ):
        lj.jit(f)(1.0)


def test_an_exception_of_printing_reaches_the_caller() -> None:
    out = io.StringIO()

    def f(x: float) -> float:
        for _ in range(3):
            print(x, file=out)
        return x

    g = lj.jit(f)
    assert g(1.0) == 1.0
    out.close()
    for run in (lambda: interpret(f, 1.0), lambda: g(1.0), lambda: g(1.0), lambda: lj.jit(lj.grad(f))(1.0)):
        with pytest.raises(ValueError, match="closed file"):
            run()


def test_printing_may_call_compiled_code_and_collect_garbage() -> None:
    inner = lj.jit(lambda n: float(n) * 2.0)

    class Odd:
        def write(self, text: str) -> None:
            import gc

            gc.collect()
            seen.append(inner(len(text)))

    seen: list[float] = []
    odd = Odd()
    f = lj.jit(lambda x, n: [print("abc", file=odd, end="") for _ in range(3)] and x * n, nogil=True)
    assert f(2.0, 3) == 6.0
    assert [s for s in seen if s] == [6.0, 6.0, 6.0]


def test_what_waits_for_a_person_is_refused() -> None:
    with pytest.raises(errors.UnsupportedOperationError, match=r"input\(\) at .* pass the answer as an argument"):
        lj.jit(lambda x: x + float(input()))(1.0)
    with pytest.raises(errors.UnsupportedOperationError, match=r"breakpoint\(\) at .* take it out"):
        lj.jit(lambda x: [breakpoint(), x][1])(1.0)


def test_c_functions_print_and_libraries_refuse(tmp_path: Any) -> None:
    def f(x: float) -> float:
        if x < 0:
            raise ValueError(f"negative {x:.1f}")
        print("in C", x)
        return x

    text, result = printed(lambda: lj.jit(f).ctypes(2.0))
    assert (text, result) == ("in C 2.0\n", 2.0)
    with pytest.raises(ValueError, match=r"^negative -2\.0$"):
        lj.jit(f).ctypes(-2.0)
    with pytest.raises(errors.UnsupportedOperationError, match="printing and random draws need Python"):
        lj.export(f, [float], "shows", tmp_path)
    lj.export(negative, [float, int], "raises", tmp_path)  # what it raises has no values there


PROGRAM = """
import sys, threading
import lantern_jit as lj
def f(x, n):
    for i in range(n):
        print(f"{i}:{x} ", end="")
    return x
g = lj.jit(lj.grad(f), nogil=True)
threads = [threading.Thread(target=g, args=(float(i), 20)) for i in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
"""


def test_threads_and_other_processes_with_code_from_the_cache(tmp_path: Any) -> None:
    for _ in range(2):
        program = start(PROGRAM, tmp_path / "program.py", LANTERN_CACHE_DIR=str(tmp_path / "cache"))
        assert program.status() == 0
        words = program.printed.split()
        assert sorted(words) == sorted(f"{i}:{float(x)}" for i in range(20) for x in range(4))


SIGNALS = """
import json, signal
import lantern_jit as lj, numpy as np
lines, seen = [], []
class File:
    def write(self, text):
        lines.append(text)
def f(g, x, n):
    s = 0.0
    for i in range(n):
        for j in range(2000):
            s += (x * j) % 7.0
        s += g.random()
        print(i, file=out, end="")
    return s
out, jitted = File(), lj.jit(f)
jitted(np.random.default_rng(0), 1.0, 2)
lines.clear()
signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.003, 0.003)
g = np.random.default_rng(0)
jitted(g, 1.0, 3000)
signal.setitimer(signal.ITIMER_REAL, 0)
plain = np.random.default_rng(0)
plain.random(3000)
once = [x for x in lines if x] == [str(i) for i in range(3000)]
print(json.dumps([once, repr(g.bit_generator.state) == repr(plain.bit_generator.state), len(seen) > 0]))
"""


def test_a_signal_does_not_make_a_call_print_or_draw_again(tmp_path: Any) -> None:
    assert start(SIGNALS, tmp_path / "program.py").result() == [True, True, True]


# ---- exceptions
class Diverged(Exception):
    def __init__(self, step: Any, value: Any) -> None:
        super().__init__(f"step {step}: {value:.1f}")
        self.step, self.value = step, value


def negative(x: float, n: int) -> float:
    for i in range(n):
        x = x - 1.5
        if x < 0:
            raise ValueError(f"step {i}: negative {x:.2f}")
    return x


def with_values(x: float, n: int) -> float:
    for i in range(n):
        if x > 10:
            raise KeyError("key", i, x)
        x = x * 2
    return x


def own_class(x: float, n: int) -> float:
    for i in range(n):
        x = x * 2
        if x > 50:
            raise Diverged(i, x)
    return x


def asserts(x: float, n: int) -> float:
    assert x < n, f"{x} is not below {n}"
    return x


def always(x: float, n: int) -> float:
    raise RuntimeError(f"never {x}" + " or " + str(n))


@pytest.mark.parametrize("f", [negative, with_values, own_class, always])
@pytest.mark.parametrize("args", [(4.0, 9), (100.0, 3)])
def test_exceptions_are_those_of_python(f: Function, args: Any) -> None:
    as_in_python(f, *args)
    want = printed(lambda: f(*args))[1]
    if f is not always and isinstance(want, tuple):
        assert printed(lambda: lj.grad(f)(*args))[1] == want
        assert printed(lambda: lj.jit(lj.grad(f))(*args))[1] == want


def test_an_assertion_has_its_message() -> None:
    for run in (lambda *a: interpret(asserts, *a), lj.jit(asserts), lj.grad(asserts), lj.jit(lj.grad(asserts))):
        assert run(2.0, 3) in (1.0, 2.0)
        assert printed(lambda run=run: run(4.0, 3)) == ("", (AssertionError, ("4.0 is not below 3",)))  # type: ignore[misc]


def test_an_exception_keeps_its_attributes_and_cause() -> None:
    def f(x: float) -> float:
        if x > 0:
            raise Diverged(3, x) from ValueError("a cause")
        return x

    for run in (lambda: interpret(f, 2.0), lambda: lj.jit(f)(2.0)):
        with pytest.raises(Diverged, match=r"^step 3: 2\.0$") as found:
            run()
        assert (found.value.step, found.value.value) == (3, 2.0)
        assert isinstance(found.value.__cause__, ValueError)


# ---- text
def test_text_is_a_value() -> None:
    def f(x: float, n: int) -> Any:
        s = f"<{x:.1f}"
        for i in range(3):
            s = s + f",{i + n}"
        return {"text": s.upper() + ">", "kind": "up" if x > 0 else "down"}, x

    for run in (lambda: interpret(f, 2.0, 3), lambda: lj.jit(f)(2.0, 3)):
        assert run() == ({"text": "<2.0,3,4,5>", "kind": "up"}, 2.0)


@pytest.mark.parametrize("f", [lambda x: x if f"{x}" == "1.0" else -x, lambda x: len(str(x)) * x, lambda x: {f"{x}": x}[str(x)]])
def test_characters_that_tracing_does_not_know_are_refused(f: Function) -> None:
    with pytest.raises(errors.TracedConditionError, match="characters of a text that is made of traced values"):
        lj.jit(f)(1.0)

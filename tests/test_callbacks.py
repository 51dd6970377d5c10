"""lj.callback: Python called from compiled code, once for each time that the program gets there, in order."""

from __future__ import annotations

import functools
import gc
import threading
import traceback
import weakref
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors

from .processes import start
from .support import both, check, close, interpret

Function = Callable[..., Any]
SEEN: list[Any] = []
Pair = namedtuple("Pair", "a b")


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    SEEN.clear()


def weight(i: int) -> float:
    SEEN.append(i)
    return 0.5 + 0.25 * i


def row(i: int) -> Any:
    SEEN.append(i)
    return np.arange(3.0) + i


def note(*args: Any) -> None:
    SEEN.append(args)


# ---- values
def test_numbers_arrays_and_containers() -> None:
    def f(x: Any, n: int) -> Any:
        flipped = lj.callback(lambda a: a[::-1] * 2, x, x)
        found = lj.callback(
            lambda a, k, p: {"sum": a.sum() + p.b, "n": len(a) + k, "small": a[0] < 1, "f32": np.float32(0.1), "none": None},
            {"sum": np.float64, "n": int, "small": bool, "f32": np.float32(0), "none": None},
            flipped,
            k=n,
            p=Pair(1, 2.0),
        )
        ints, mask = lj.callback(
            lambda m: (np.full((m, 2), m, np.int32), np.arange(m) > 1), (np.empty((n, 2), np.int32), np.empty(n, bool)), n
        )
        return flipped, found, ints, mask, Pair(*lj.callback(lambda: Pair(1, 2.5), Pair(int, float)))

    x = np.arange(4.0)
    for out in both(f, x, 3).values():
        flipped, found, ints, mask, pair = out
        close((flipped, ints, mask, pair), (x[::-1] * 2, np.full((3, 2), 3), np.array([False, False, True]), Pair(1, 2.5)))
        assert found == {"sum": 14.0, "n": 7, "small": False, "f32": np.float32(0.1), "none": None}
        assert (type(found["f32"]), type(found["n"]), type(found["small"]), type(pair.b)) == (np.float32, int, bool, float)
        assert (ints.dtype, mask.dtype) == (np.int32, bool)
    assert f(x, 3)[1] == found


class Described:
    shape, dtype = (2, 3), "float32"


def test_what_is_given_is_told_by_a_shape_and_a_dtype() -> None:
    for out in both(lambda x: lj.callback(lambda v: np.full((2, 3), v, np.float32), Described(), x), 1.5).values():
        close(out, np.full((2, 3), np.float32(1.5)))


def test_python_gets_pythons_objects_and_copies() -> None:
    def look(*args: Any) -> None:
        SEEN.append([type(a) for a in args])
        args[4][0] = 100.0
        args[5].append(1)

    def f(x: float, n: int, a: Any) -> Any:
        lj.callback(look, None, x, n, x > 1, np.float32(x), a, [a, n])
        return a

    for out in both(f, 2.0, 3, np.ones(2)).values():
        close(out, np.ones(2))
    for kinds in SEEN:
        assert kinds == [float, int, bool, np.float32, np.ndarray, list]


def test_order_with_prints_and_writes(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        a = x.copy()
        for i in range(len(x)):
            print("before", i)
            lj.callback(lambda i, a: print(i, a), None, i, a)
            a[i] = 0.0
        return a

    want = "before 0\n0 [1. 1.]\nbefore 1\n1 [0. 1.]\n"
    for run in (lambda: f(np.ones(2)), lambda: interpret(f, np.ones(2)), lambda: lj.jit(f)(np.ones(2))):
        run()
        assert capsys.readouterr().out == want


def test_it_runs_where_nobody_reads_the_result_and_where_the_program_gets_there() -> None:
    def f(x: float, n: int) -> float:
        for i in range(n):
            if i % 2:
                lj.callback(weight, float, i)
        return x

    for out in both(f, 2.0, 6).values():
        assert out == 2.0
    assert SEEN == [1, 3, 5] * 3


def deep(x: float, n: int) -> float:
    return x if n == 0 else deep(x * lj.callback(weight, float, n), n - 1)


def test_recursion() -> None:
    want = 2.0 * 1.25 * 1.0 * 0.75
    close(both(deep, 2.0, 3), {"interpreter": want, "native": want})
    close(lj.jit(lj.grad(deep))(2.0, 3), want / 2)
    assert SEEN == [3, 2, 1] * 4


# ---- derivatives
def scaled(x: float, n: int) -> float:
    s = x
    for i in range(n):
        s = s * x * lj.callback(weight, float, i) + x
    return s


def with_rows(x: float, n: int) -> float:
    s = x
    for i in range(n):
        s = s + x * np.sum(lj.callback(row, np.empty(3), i)) * s
    return s


def in_memory(x: float, n: int) -> Any:
    a = np.ones(4)
    for i in range(n):
        a[i % 4] = a[(i + 1) % 4] * x + lj.callback(weight, float, i)
    return np.sum(a * a)


PROGRAMS: list[Function] = [scaled, with_rows, in_memory]


@pytest.mark.parametrize("f", PROGRAMS)
def test_derivatives_of_what_does_not_go_through_it(f: Function) -> None:
    check(lambda x: f(x, 5), (0.6,))


ORDERS: dict[str, Callable[[Function], Function]] = {
    "grad": lj.grad,
    "jvp": lambda f: lambda x: lj.jvp(f, (x,), (1.0,)),
    "hvp": lambda f: lambda x: lj.hvp(f, (x,), (1.0,)),
    "grad of grad": lambda f: lj.grad(lj.grad(f)),
    "hessian": lambda f: lambda x: lj.hessian(lambda v: f(v[0]) * v[1])(np.array([x, 1.5])),
    "jacfwd": lambda f: lambda x: lj.jacfwd(lambda v: np.array([f(v[0]) * v[1], v[0]]))(np.array([x, 1.5])),
    "checkpoint": lambda f: lj.grad(lj.checkpoint(f)),
    "grad of grad of checkpoint": lambda f: lj.grad(lj.grad(lambda x: lj.checkpoint(f)(x) ** 2)),
    "vjp": lambda f: lambda x: lj.vjp(f, x)[1](1.0),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("f", PROGRAMS)
def test_once_in_each_derivative(f: Function, order: str) -> None:
    g = ORDERS[order](lambda x: f(x, 5))
    jitted = lj.jit(g)
    want = interpret(g, 0.6)
    for run in (jitted, jitted):
        close(run(0.6), want, 1e-10)
    assert SEEN == [0, 1, 2, 3, 4] * 3


@pytest.mark.parametrize("checkpoint", ["recursion", "replay", 2, "sqrt", "log"])
@pytest.mark.parametrize("f", PROGRAMS)
def test_no_loop_policy_calls_again(f: Function, checkpoint: Any) -> None:
    want = interpret(lj.grad(f), 0.6, 5)
    close(lj.jit(lj.grad(f), checkpoint=checkpoint)(0.6, 5), want, 1e-12)
    assert SEEN == [0, 1, 2, 3, 4] * 2


def test_a_result_that_is_different_each_time_is_one_number_in_a_derivative() -> None:
    def count() -> float:
        SEEN.append(1)
        return float(len(SEEN))

    def f(x: float) -> float:
        return x**3 * lj.callback(count, float)

    assert lj.jit(lj.grad(lj.grad(lj.checkpoint(f))))(1.0) == 6.0
    assert lj.jit(lj.grad(lj.grad(lj.checkpoint(f))))(1.0) == 12.0


@pytest.mark.parametrize(
    "take",
    [lj.grad, lj.jacfwd, lambda f: lambda x: lj.jvp(f, (x,), (1.0,)), lambda f: lj.grad(lj.checkpoint(f))],
    ids=["grad", "jacfwd", "jvp", "checkpoint"],
)
def test_a_derivative_through_it_is_refused(take: Callable[[Function], Function]) -> None:
    def f(x: Any) -> Any:
        return 2.0 * lj.callback(weight, float, x)

    for run in (take(f), lj.jit(take(f))):
        with pytest.raises(
            errors.NotDifferentiableError,
            match=r"callback\(\) of `weight` at .*test_callbacks.py:\d+ in f has no derivative.*lj\.op.*stop_gradient",
        ):
            run(1.0)
    assert SEEN == []


def test_ints_and_notes_have_no_derivative_to_refuse() -> None:
    def f(x: float) -> float:
        lj.callback(note, None, x)
        return x**2 * lj.callback(lambda v: int(v), int, x)

    assert (lj.grad(f)(2.5), lj.jit(lj.grad(f))(2.5)) == (10.0, 10.0)
    assert SEEN == [(2.5,), (2.5,)]


def test_an_operation_around_it_has_a_derivative() -> None:
    @lj.op
    def outside(x: Any, k: Any) -> Any:
        y = lj.callback(lambda v: float(np.exp(v)), float, x)
        return k(y) * y

    check(lambda x: outside(x) * x, (0.4,))
    assert lj.jit(lj.grad(lambda x: x * lj.callback(lambda v: 2 * v, float, lj.stop_gradient(x))))(3.0) == 6.0


# ---- what is refused
BAD: list[tuple[Any, Any, str]] = [
    ("text", float, r"gives a str where float64 is announced"),
    (np.zeros(2), float, r"gives float64 of shape \(2,\) where float64 is announced"),
    (np.zeros(3), np.empty(2), r"gives float64 of shape \(3,\) where float64 of shape \(2,\)"),
    (1.5, int, r"gives float64 where int64"),
    (np.zeros(2), np.empty(2, np.float32), r"gives float64 of shape \(2,\) where float32 of shape \(2,\)"),
    (True, float, r"gives bool where float64"),
    (1, bool, r"gives int64 where bool"),
    ((1.0, 2.0), (float, float, float), r"gives a result of another structure, \(1\.0, 2\.0\)"),
    ({"a": (1.0, 1j)}, {"a": (float, float)}, r"gives for \['a'\]\[1\] a complex where"),
    (None, float, r"gives a NoneType where float64"),
]


@pytest.mark.parametrize(("given", "announced", "text"), BAD)
def test_another_result_than_announced_is_refused(given: Any, announced: Any, text: str) -> None:
    def wrong() -> Any:
        return given

    def f(x: float) -> Any:
        return lj.callback(wrong, announced), x

    for run in (lambda: f(1.0), lambda: interpret(f, 1.0), lambda: lj.jit(f)(1.0)):
        with pytest.raises(errors.TypeMismatchError, match=rf"wrong`, called back at .* in f, {text}"):
            run()


@pytest.mark.parametrize("announced", ["f64", complex, np.zeros(2, complex), object()])
def test_announcements_that_say_nothing_are_refused(announced: Any) -> None:
    with pytest.raises(TypeError, match=r"result of callback\(\) at .* give float, int or bool, an example"):
        lj.jit(lambda x: lj.callback(weight, announced, x))(1.0)


def test_functions_of_the_program_itself() -> None:
    def f(x: float, n: int) -> Any:
        k = 3

        def plain(v: float) -> float:
            return helper(v) * k

        def helper(v: float) -> float:
            return v + 1

        out = lj.callback(plain, float, x)
        k = 5
        return out + lj.callback(functools.partial(lambda a, b: a * b, 2.0), float, x) + k * n

    for out in both(f, 2.0, 1).values():
        assert out == 9.0 + 4.0 + 5


def test_what_a_function_of_the_program_may_not_use() -> None:
    def variable(x: float) -> Any:
        return lj.callback(lambda v: v * x, float, 1.0)

    def default(x: float) -> Any:
        return lj.callback(lambda v, y=x: v * y, float, 1.0)

    def bound(x: float) -> Any:
        return lj.callback(functools.partial(max, x), float, 1.0)

    def inner(x: float) -> Any:
        def g(v: float) -> float:
            return v * x

        return lj.callback(lambda v: g(v), float, 1.0)

    for f in (variable, default, bound, inner):
        with pytest.raises(errors.UnsupportedOperationError, match=r"uses a traced value, .* give it as an argument"):
            lj.jit(f)(1.0)

    def writes(x: float) -> Any:
        n = 0

        def g(v: float) -> float:
            nonlocal n
            n += 1
            return v

        return lj.callback(g, float, x) * n

    with pytest.raises(
        errors.UnsupportedOperationError, match=r"`g`, called back at .*, assigns `n`, a variable of the compiled function: let it return"
    ):
        lj.jit(writes)(1.0)

    def appends(x: float) -> Any:
        log: list[Any] = []
        lj.callback(lambda v: log.append(v), None, x)
        return len(log) * x

    with pytest.raises(errors.UnsupportedOperationError, match="uses `log`, a list that the compiled function has made"):
        lj.jit(appends)(1.0)


class Holder:
    def __init__(self, x: Any) -> None:
        self.x = x

    def __call__(self, *args: Any) -> float:
        SEEN.append(args)
        return 1.0


def test_all_kinds_of_arguments_and_functions() -> None:
    held = Holder(3)

    def f(x: float, n: int) -> Any:
        grows = [x]
        for i in range(n):
            grows.append(x * i)
        some = x if x > 1 else None
        lj.callback(held, float, f"{x:.2f}", None, some, np.float64, grows, (n, [x]))
        return lj.callback(functools.partial(max, 1), float, x) + lj.callback(max, float, x, n)

    assert (lj.jit(f)(3.0, 5), lj.jit(f)(0.5, 2)) == (8.0, 3.0)
    assert SEEN[0] == ("3.00", None, 3.0, np.float64, [3.0, 0.0, 3.0, 6.0, 9.0, 12.0], (5, [3.0]))
    assert SEEN[1] == ("0.50", None, None, np.float64, [0.5, 0.0, 0.5], (2, [0.5]))
    with pytest.raises(
        errors.UnsupportedOperationError, match=r"`note`, called back at .*, is given a Holder with traced values: give it the values"
    ):
        lj.jit(lambda x: lj.callback(note, None, [Holder(x)]))(1.0)
    with pytest.raises(
        errors.UnsupportedOperationError, match=r"`note`, called back at .*, is given a random Generator .* give it what is drawn"
    ):
        lj.jit(lambda rng: lj.callback(note, None, rng))(np.random.default_rng(0))


def test_exported_libraries_refuse_it(tmp_path: Any) -> None:
    with pytest.raises(errors.UnsupportedOperationError, match=r"callback\(\) of `weight` needs Python"):
        lj.export(lambda n: lj.callback(weight, float, n), [int], "calls", tmp_path)


# ---- exceptions, threads, reentrancy
class Stop(Exception):
    pass


def test_exceptions_reach_the_caller_with_their_traceback() -> None:
    def fails(i: int) -> float:
        SEEN.append(i)
        if i == 2:
            raise Stop("now")
        return 1.0

    def f(x: float, n: int) -> float:
        for i in range(n):
            x = x + lj.callback(fails, float, i)
        return x

    jitted = lj.jit(f)
    for run in (lambda: interpret(f, 1.0, 5), lambda: jitted(1.0, 5), lambda: jitted(1.0, 5), lambda: lj.jit(lj.grad(f))(1.0, 5)):
        with pytest.raises(Stop, match=r"^now$") as found:
            run()
        assert "fails" in [frame.name for frame in traceback.extract_tb(found.value.__traceback__)]
        assert SEEN == [0, 1, 2]
        SEEN.clear()
    assert jitted(1.0, 2) == 3.0


def test_nothing_of_an_exception_stays() -> None:
    made: list[Any] = []

    def fails(a: Any) -> float:
        made.append(weakref.ref(a))
        raise Stop

    jitted = lj.jit(lambda a: lj.callback(fails, float, a))
    for _ in range(3):
        with pytest.raises(Stop):
            jitted(np.ones(1000))
    gc.collect()
    assert all(r() is None for r in made)


def test_it_may_call_compiled_functions() -> None:
    def further(n: int) -> float:
        return 1.0 + outer(n - 1) if n else 0.5

    outer = lj.jit(lambda n: lj.callback(further, float, n))
    assert outer(20) == 20.5
    sloped = lj.jit(lj.grad(lj.grad(lambda x, n: x**3 * lj.callback(lambda m: lj.grad(scaled)(1.0, m) + outer(m), float, n))))
    assert sloped(1.0, 2) == 6 * (lj.grad(scaled)(1.0, 2) + 2.5)


@pytest.mark.parametrize("nogil", [None, True])
def test_threads(nogil: Any) -> None:
    def f(x: float, n: int) -> float:
        for i in range(n):
            x = x + lj.callback(lambda i, me: float(me == threading.get_ident()), float, i, int(threading.get_ident()))
        return x

    found: list[float] = []

    def work() -> None:
        jitted = lj.jit(lambda x, n, me: sum_of(x, n, me), nogil=nogil)
        found.append(jitted(0.0, 50, threading.get_ident()))

    def sum_of(x: float, n: int, me: int) -> float:
        for _ in range(n):
            x = x + lj.callback(lambda me: float(me == threading.get_ident()), float, me)
        return x

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == [50.0] * 4


INTERRUPTED = """
import os, signal, sys, threading
import lantern_jit as lj
def tick(i):
    return 1.0
def f(n):
    s = 0.0
    for i in range(n):
        s = s + lj.callback(tick, float, i)
    return s
g = lj.jit(f)
g(3)
for k in range(20):
    try:
        threading.Timer(0.003 + 0.0001 * k, os.kill, (os.getpid(), signal.SIGINT)).start()
        g(10**7)
        sys.exit("not interrupted")
    except KeyboardInterrupt:
        pass
def stop(i):
    raise KeyboardInterrupt if i == 5 else SystemExit(7) if i == 9 else MemoryError
for first, error in ((5, KeyboardInterrupt), (9, SystemExit), (1, MemoryError)):
    try:
        lj.jit(lambda n: lj.callback(stop, float, n))(first)
    except error:
        print("left by", error.__name__)
def endless(n):
    return h(n + 1)
h = lj.jit(lambda n: lj.callback(endless, float, n))
try:
    h(0)
except (RecursionError, lj.LanternError) as e:
    print("deep:", type(e).__name__)
print(f(3), g(3))
"""


def test_interrupts_exits_and_endless_recursion_leave_the_process_whole(tmp_path: Any) -> None:
    run = start(INTERRUPTED, tmp_path / "interrupted.py")
    assert run.status(300) == 0, run.printed
    assert "left by KeyboardInterrupt\nleft by SystemExit\nleft by MemoryError\ndeep: " in run.printed
    assert run.printed.endswith("3.0 3.0\n")

"""`jit(f, threads=n)`: kernels and loops in parts. Sums are equal to rounding with one thread, and to the last bit with any number above."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.backends.llvm.call.process import runtime
from lantern_jit.backends.llvm.emit import jobs, loop_parts
from lantern_jit.backends.llvm.emit.kernels import parts as kernel_parts
from lantern_jit.ir.diff.loops import parts as loops

from .processes import start

RNG = np.random.default_rng(3)
X, Y = RNG.uniform(0.2, 1.5, 700), RNG.uniform(0.2, 1.5, 700)
A = RNG.uniform(0.2, 1.5, (60, 40))
N = RNG.integers(0, 9, 700)


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that may run in parts does, however small it is."""
    monkeypatch.setenv("LANTERN_CACHE_DIR", "")  # such code is for nobody else
    for module in (jobs, loop_parts, kernel_parts):
        monkeypatch.setattr(module, "GRAIN", 0)
        monkeypatch.setattr(module, "LEAST", 2)
    monkeypatch.setattr(kernel_parts, "LINE", 1)
    monkeypatch.setattr(loops, "LEAST", 1)


def posted() -> int:
    """How many jobs there have been."""
    return int(runtime().loaded.word("lantern_posted").value)


def flat(x: Any) -> list[Any]:
    return [y for part in x for y in flat(part)] if isinstance(x, (tuple, list)) else [np.asarray(x)]


# ---- programs
def waves(x: Any) -> Any:
    return np.sin(x) * np.exp(-x * x)


def total(x: Any, y: Any) -> Any:
    return np.sum(np.sin(x) * y)


def extremes(x: Any) -> Any:
    return np.max(np.sin(x)) - np.min(x)


def rows(a: Any) -> Any:
    return np.sum(np.sin(a) * np.sum(a, axis=1)[:, None])


def columns(a: Any) -> Any:
    return np.sum(np.exp(np.sum(a, axis=0)) * np.max(a, axis=0))


def outer(x: Any, y: Any) -> Any:
    return np.sum(np.tanh(x[:50, None] * y[None, :40]))


def stencil(x: Any) -> Any:
    return np.sum((x[1:] - x[:-1] ** 2) ** 2 * x[1:])


def chosen(x: Any, n: Any) -> Any:
    return np.sum(np.sin(x[n]) * x)


def looped(x: Any, y: Any) -> Any:
    s = 1.5
    z = np.zeros(len(x))
    for i in range(len(x)):
        z[i] = math.sin(x[i]) * y[i]
        s += z[i] * x[i]
    return s * np.sum(z)


def solve(y: Any, rate: Any, n: Any) -> Any:
    for _ in range(n):
        y += 0.1 * (math.sin(y) - rate[0] * y * rate[1])
    return y


def solved(x: Any, n: Any) -> Any:
    out = np.zeros(len(x))
    for i in range(len(x)):
        out[i] = solve(x[i], x, n[i])
    return np.sum(out * out)


def summed(x: Any, n: Any) -> Any:
    s = 2.0 * x[0]
    for i in range(3, len(x)):
        s += solve(x[i], x, n[i])
    return s


def newton(x: Any) -> Any:
    out = np.zeros(len(x))
    for i in range(len(x)):
        r = x[i]
        while abs(r * r - x[i]) > 1e-12:
            r = 0.5 * (r + x[i] / r)
        out[i] = r if x[i] < 1.0 else 2.0 * r
    return out * x


def in_rows(a: Any) -> Any:
    out = np.zeros_like(a)
    for i in range(len(a)):
        v = np.copy(a[i])
        for _ in range(3):
            v = np.sin(v) + 0.1 * np.sum(v)
        out[i] = v
    return np.sum(out * a)


def recursive(x: Any, n: Any) -> Any:
    return x if n == 0 else math.sin(recursive(x, n - 1)) + 0.1 * x


def recursions(x: Any, n: Any) -> Any:
    s = 0.0
    for i in range(len(x)):
        s += recursive(x[i], n[i])
    return s


def slopes(x: Any) -> Any:
    """A derivative in each iteration."""
    out = np.zeros(len(x))
    for i in range(len(x)):
        out[i] = lj.grad(lambda v: solve(v, (v, 0.5), 4))(x[i])
    return np.sum(out * x)


PROGRAMS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (total, (X, Y)), (extremes, (X,)), (rows, (A,)), (columns, (A,)), (outer, (X, Y)), (stencil, (X,)), (chosen, (X, N)), (looped, (X, Y)),
    (solved, (X, N)), (summed, (X, N)), (in_rows, (A,)), (recursions, (X, N)), (slopes, (X[:60],)),
]  # fmt: skip


def doubled(f: Any) -> Any:
    """The derivative along the argument itself."""
    return lambda x, *rest: lj.jvp(lambda v: f(v, *rest), (x,), (x,))


@pytest.mark.parametrize(("f", "args"), PROGRAMS, ids=lambda p: getattr(p, "__name__", ""))
@pytest.mark.parametrize("transform", [lambda f: f, lj.value_and_grad, doubled], ids=["value", "grad", "jvp"])
def test_as_with_one_thread(f: Any, args: Any, transform: Any, everything: None) -> None:
    one, two, many = (lj.jit(transform(f), threads=n) for n in (1, 2, 7))
    before = posted()
    expected, found = flat(one(*args)), flat(two(*args))
    assert posted() > before
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-12)
    for again in (two(*args), many(*args), many(*args)):
        assert all(np.array_equal(a, b) for a, b in zip(found, flat(again), strict=True))


@pytest.mark.parametrize(("f", "args"), [(waves, (X,)), (newton, (X,)), (extremes, (X,))], ids=lambda p: getattr(p, "__name__", ""))
def test_what_is_no_sum_is_the_same_to_the_last_bit(f: Any, args: Any, everything: None) -> None:
    assert np.array_equal(lj.jit(f)(*args), lj.jit(f, threads=2)(*args))


def test_small_types(everything: None) -> None:
    def f(x: Any, n: Any, b: Any) -> Any:
        return np.sum(np.sin(x)), np.sum(n * n), np.max(n), np.any(b), np.all(b), x * x, n + 1, ~b

    args = X.astype(np.float32), N, X > 0.5
    for a, b in zip(flat(lj.jit(f)(*args)), flat(lj.jit(f, threads=3)(*args)), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 64, 65, 129])
def test_all_lengths(n: int, everything: None) -> None:
    for f, args in ((total, (X[:n], Y[:n])), (solved, (X[: n + 2], N[:n].repeat(2)[: n + 2] if n > 2 else N[: n + 2])), (newton, (X[:n],))):
        for g in (f, lj.grad(f)) if f is not newton else (f,):
            np.testing.assert_allclose(lj.jit(g, threads=3)(*args), lj.jit(g)(*args), rtol=1e-12, atol=1e-14)


# ---- where the work pays
def test_little_work_is_for_one_thread() -> None:
    f = lj.jit(total, threads=2)
    f(X, Y)
    before = posted()
    f(X, Y)
    assert posted() == before
    x = np.tile(X, 300)
    f(x, x)
    assert posted() == before + 1


def test_one_thread_has_the_code_of_always() -> None:
    assert lj.jit(solved, threads=1).inspect(X, N).llvm == lj.jit(solved).inspect(X, N).llvm
    assert "lantern_parallel" not in lj.jit(solved).inspect(X, N).llvm


@pytest.mark.parametrize("target", ["x86_64-linux-gnu", "aarch64-linux-gnu"])
def test_code_for_all_targets(target: str) -> None:
    for f, args, service in (
        (total, (X, Y), "parallel"), (lj.grad(solved), (X, N), "pause"), (lj.grad(recursions), (X, N), "again"),
    ):  # fmt: skip
        made = lj.jit(f, threads=2).inspect(*args, target=target)
        assert "lantern_parallel" in made.asm
        assert f"lantern_{service}" in made.asm


def test_the_same_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANTERN_CACHE_DIR", str(tmp_path))
    first, second = (lj.jit(lj.grad(solved), threads=2) for _ in range(2))
    assert first.inspect(X, N).parallel == second.lower(X, N).executable.parallel != {}
    assert first.lower(X, N).executable.timings.keys() > second.lower(X, N).executable.timings.keys()  # which has compiled nothing


# ---- why not
def carries(x: Any) -> Any:
    y = x[0]
    for i in range(len(x)):
        y = math.sin(y) + x[i] if y > 0.5 else solve(y, x, 2)
    return y


def writes_ahead(x: Any) -> Any:
    z = np.zeros(len(x) + 1)
    for i in range(len(x)):
        z[i + 1] = solve(z[i] + x[i], x, 2)
    return z


def writes_from_the_end(x: Any) -> Any:
    z = np.zeros(len(x))
    for i in range(len(x)):
        z[i - 5] = solve(x[i], x, 2)
    return z


def writes_one(x: Any) -> Any:
    z = np.zeros(1)
    for i in range(len(x)):
        z[0] = solve(x[i], x, 2)
    return z


def fill(z: Any, x: Any, i: Any) -> None:
    while z[i] < x[i]:
        z[i] += 0.25


def prints(x: Any) -> Any:
    z = np.zeros(len(x))
    for i in range(len(x)):
        z[i] = solve(x[i], x, 2)
        if z[i] > 1e9:
            print("large")
    return z


def searches(x: Any) -> Any:
    return np.argmax(np.sin(x))


def scatters(x: Any, n: Any) -> Any:
    return lj.grad(lambda v: np.sum(np.sin(v[n])))(x)


@pytest.mark.parametrize(
    ("f", "args", "why"),
    [
        (carries, (X,), "an iteration needs what the one before it has computed"),
        (writes_ahead, (X,), "others write"),
        (writes_from_the_end, (X,), "others write"),
        (writes_one, (X,), "others write"),
        (prints, (X,), "calls Python, draws or prints"),
        (searches, (X,), "position of the best"),
        (scatters, (X, N), "places that it reads from an array"),
        (waves, (X[:100],), "parts of axis 0"),
        (solved, (X, N), "parts of its iterations"),
    ],
    ids=lambda p: getattr(p, "__name__", ""),
)
def test_inspect_says_why(f: Any, args: Any, why: str, everything: None, capsys: pytest.CaptureFixture[str]) -> None:
    g = lj.jit(f, threads=2)
    said = g.inspect(*args).parallel
    assert any(why in text and "test_parallel.py:" in text for text in said.values()), said
    np.testing.assert_allclose(g(*args), lj.jit(f)(*args), rtol=1e-13)


def test_small_of_known_size() -> None:
    f = lj.jit(lambda x: x * np.zeros(40), threads=2)
    assert list(f.inspect(1.5).parallel.values())[-1].startswith(("too little work", "a few points"))
    assert lj.jit(total).inspect(X, Y).parallel == {}


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2", None])
def test_what_is_no_number_of_threads(n: Any) -> None:
    with pytest.raises(ValueError, match=f"threads={n!r}: give a positive number of threads"):
        lj.jit(total, threads=n)


# ---- errors
def checked(x: Any, n: Any) -> Any:
    out = np.zeros(len(x))
    for i in range(len(x)):
        if x[i] < 0.0:
            raise ValueError("it is negative")
        out[i] = solve(x[i], x, n[i])
    return np.sum(out)


def looked_up(x: Any, n: Any) -> Any:
    s = 0.0
    for i in range(len(n)):
        s += solve(x[n[i]], x, 3)
    return s


def powers(n: Any, m: Any) -> Any:
    return n**m


@pytest.mark.parametrize("bad", [[0], [699], [333, 334, 650], [1, 200, 500, 698]])
@pytest.mark.parametrize("transform", [lambda f: f, lj.grad], ids=["value", "grad"])
def test_the_first_error(bad: list[int], transform: Any, everything: None) -> None:
    f, g = lj.jit(transform(checked), threads=3), lj.jit(transform(looked_up), threads=3)
    good = f(X, N), g(X, N)
    x, n = X.copy(), N.copy()
    x[bad], n[bad] = -1.0, 1000 + np.arange(len(bad))
    regions = len(runtime().regions())
    for _ in range(4):
        with pytest.raises(ValueError, match="it is negative"):
            f(x, N)
        with pytest.raises(IndexError, match="index 1000 is out of bounds"):
            g(X, n)
    assert len(runtime().regions()) <= regions + 3
    assert np.array_equal(f(X, N), good[0])
    assert np.array_equal(g(X, N), good[1])


def test_an_error_in_a_kernel(everything: None) -> None:
    f, m = lj.jit(powers, threads=3), N.copy()
    assert np.array_equal(f(N, m), N**m)
    m[650] = -1
    for _ in range(4):
        with pytest.raises(lj.errors.LanternError, match="negative integer powers"):
            f(N, m)
    assert next(iter(f.inspect(N, N).parallel.values())).startswith("parts of axis 0")


def test_no_memory_in_a_part(everything: None) -> None:
    def f(x: Any) -> Any:
        s = 0.0
        for i in range(len(x)):
            y = np.zeros(1 << 20)
            for _ in range(3):
                y = np.cumsum(y) + x[i]
            s += y[7]
        return s

    with pytest.raises(lj.errors.ArrayMemoryError):
        lj.jit(f, threads=2, memory=1 << 20)(X[:8])
    np.testing.assert_allclose(lj.jit(f, threads=2)(X[:8]), lj.jit(f)(X[:8]), rtol=1e-13)


# ---- processes
PRELUDE = """
import json, os, signal, sys, threading, time
import numpy as np
import lantern_jit as lj
from lantern_jit.backends.llvm.call.process import runtime

def word(name):
    return runtime().loaded.word(name).value

def slow(x, n):
    for _ in range(n):
        x = np.sin(x) + 0.1
    return x

def f(x, n):
    out = np.zeros(len(x))
    for i in range(len(x)):
        out[i] = slow(x[i], n[i])
    return np.sum(out * out)

def g(x):
    return np.sum(np.sin(x) * np.exp(-x * x))

x, n = np.linspace(0.1, 1.0, 400), np.full(400, 200)
y = np.linspace(0.1, 1.0, 300_000)
"""


@pytest.mark.parametrize("function", ["f", "lj.grad(f)"])
def test_ctrl_c(function: str, tmp_path: Path) -> None:
    program = f"""
h = lj.jit({function}, threads=3)
good = h(x, n)
long = np.full(400, 100_000_000)
for _ in range(3):
    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        h(x, long)
        print("it ended")
    except KeyboardInterrupt:
        pass
regions = len(runtime().regions())
again = [bool(np.array_equal(h(x, n), good)) for _ in range(20)]
print(json.dumps([again, len(runtime().regions()) == regions]))
"""
    assert start(PRELUDE + program, tmp_path / "program.py").result() == [[True] * 20, True]


def test_a_signal_that_does_not_end_the_call(tmp_path: Path) -> None:
    program = """
h = lj.jit(lj.grad(f), threads=3)
n[:] = 20_000
good, came = h(x, n), []
signal.signal(signal.SIGALRM, lambda *_: came.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
same = [bool(np.array_equal(h(x, n), good)) for _ in range(3)]
signal.setitimer(signal.ITIMER_REAL, 0.0)
print(json.dumps([same, len(came) > 0]))
"""
    assert start(PRELUDE + program, tmp_path / "program.py").result() == [[True] * 3, True]


def test_after_a_fork(tmp_path: Path) -> None:
    program = """
h, k = lj.jit(lj.grad(f), threads=3), lj.jit(g, threads=2)
good = h(x, n), k(y)
pid = os.fork()
if pid == 0:
    fresh = word("lantern_workers") == 0
    same = np.array_equal(h(x, n), good[0]) and k(y) == good[1]
    os._exit(0 if fresh and same and word("lantern_workers") == 2 else 1)
print(json.dumps([os.waitpid(pid, 0)[1], bool(np.array_equal(h(x, n), good[0]) and k(y) == good[1])]))
"""
    assert start(PRELUDE + program, tmp_path / "program.py").result() == [0, True]


def test_calls_from_many_threads(tmp_path: Path) -> None:
    program = """
h, k = lj.jit(lj.grad(f), threads=3, nogil=True), lj.jit(g, threads=5, nogil=True)
good, wrong = (h(x, n), k(y)), []
def work():
    for _ in range(10):
        if not np.array_equal(h(x, n), good[0]) or k(y) != good[1]:
            wrong.append(1)
threads = [threading.Thread(target=work) for _ in range(8)]
for t in threads: t.start()
for t in threads: t.join()
print(json.dumps([wrong, word("lantern_workers"), word("lantern_jobs")]))
"""
    assert start(PRELUDE + program, tmp_path / "program.py").result() == [[], 4, 0]


def test_workers_begin_when_needed_rest_and_end(tmp_path: Path) -> None:
    program = """
lj.jit(g)(y)
before = word("lantern_workers")
k = lj.jit(g, threads=4)
k(y)
spent = time.process_time()
time.sleep(0.5)
spent = time.process_time() - spent
threading.Thread(target=lambda: lj.jit(f, threads=4)(x, np.full(400, 1 << 60)), daemon=True).start()
time.sleep(0.3)  # the process ends in the midst of that
print(json.dumps([before, word("lantern_workers"), spent < 0.25]))
"""
    assert start(PRELUDE + program, tmp_path / "program.py").result() == [0, 3, True]


def test_a_function_for_c(everything: None) -> None:
    f = lj.jit(lambda x: np.sum(np.sin(x)), threads=2)
    expected, before = f(X), posted()
    c = f.lower(X).ctypes
    assert c(X, len(X)) == expected
    assert posted() == before + 1


# ---- lanes of vmap
def square_root(x: Any) -> Any:
    y = x + 1.0
    while abs(y * y - x) > 1e-12:
        y = 0.5 * (y + x / y)
    return y


def lanes(threads: int) -> Callable[..., Any]:
    return lambda x, w: np.sum(lj.vmap(lambda v: square_root(v * w[0]) * np.sin(w[1] * v), threads=threads)(x))


def test_lanes_on_several_threads() -> None:
    x, w = np.linspace(0.5, 9.0, 4000), np.array([1.5, 0.25])
    wanted = np.sqrt(x)
    one, two, three = (lj.jit(lj.vmap(square_root, threads=n)) for n in (1, 2, 3))
    np.testing.assert_allclose(one(x), wanted, rtol=1e-10)
    assert np.array_equal(one(x), two(x))
    assert np.array_equal(two(x), three(x))
    assert "parts of its iterations" in str(two.inspect(x).parallel)
    assert not one.inspect(x).parallel
    np.testing.assert_allclose(lj.vmap(square_root, threads=2)(x), wanted, rtol=1e-10)
    slopes = [lj.jit(lj.grad(lanes(n), argnums=(0, 1)))(x, w) for n in (1, 2, 3)]
    for a, b, c in zip(*slopes, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
        assert np.array_equal(b, c)
    for n in (0, True, 1.5):
        with pytest.raises(ValueError, match=f"threads={n!r}: give a positive number of threads"):
            lj.vmap(square_root, threads=n)  # type: ignore[arg-type]

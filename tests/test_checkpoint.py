"""Every loop policy gives the same gradient: the programs of the other tests under each choice of `checkpoint`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.ir.diff.loops import carried

from . import test_array_gradients, test_loops, test_recursion
from .support import Function, close, first

POLICIES: list[Any] = ["recursion", "replay", 2, "sqrt", "log"]


def _nums(args: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(i for i, a in enumerate(args) if isinstance(a, (float, np.ndarray)))


NAMES = {
    "newton", "while_break_continue", "while_true", "for_steps", "return_from_nested_loops", "triple_nest", "carries_cross",
    "sum_of_primes", "recursion_in_loop", "loop_in_recursion", "prefix_products", "write_in_branches", "break_between_writes",
    "swap_arrays", "local_in_loop", "replaced_in_loop", "log_determinant", "soft_edit_distance", "cube", "by_elements",
}  # fmt: skip
ALL: list[tuple[Function, list[tuple[Any, ...]], tuple[int, ...]]] = [
    *((f, points, _nums(points[0])) for f, points in (*test_loops.PROGRAMS, *test_recursion.POINTS)),
    *test_array_gradients.PROGRAMS,
]
CASES = [case for case in ALL if case[0].__name__ in NAMES]


def test_the_programs_are_there() -> None:
    assert {f.__name__ for f, _, _ in CASES} == NAMES


@pytest.mark.parametrize("policy", first(3, POLICIES))
@pytest.mark.parametrize(("f", "points", "nums"), CASES, ids=[f.__name__ for f, _, _ in CASES])
def test_gradient(f: Function, points: list[tuple[Any, ...]], nums: tuple[int, ...], policy: Any) -> None:
    gradient = lj.value_and_grad(f, nums)
    compiled = lj.jit(gradient, checkpoint=policy)
    for args in points:
        close(compiled(*args), gradient(*args), 1e-10, 1e-10, f"checkpoint={policy!r} at {args}")


SECOND = [c for c in CASES if c[0].__name__ in ("newton", "prefix_products", "carries_cross")]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("f", "points", "nums"), SECOND, ids=[f.__name__ for f, _, _ in SECOND])
def test_hessian_product(f: Function, points: list[tuple[Any, ...]], nums: tuple[int, ...], policy: Any) -> None:
    def product(x: Any, *rest: Any) -> Any:
        return lj.jvp(lj.grad(lambda v: f(v, *rest)), (x,), (x,))[1]

    expected = lj.jit(product)
    for args in points:
        close(lj.jit(product, checkpoint=policy)(*args), expected(*args), 1e-10, 1e-10, f"checkpoint={policy!r}")


def long_loop(x: float, n: int) -> float:
    s = x
    for _ in range(n):
        s = s * 0.999 + 0.001 * x * s * s
    return s


@pytest.mark.parametrize("policy", [None, "recursion", "replay", 64, 1000])
def test_a_long_loop(policy: Any) -> None:
    gradient = lj.jit(lj.grad(long_loop), checkpoint=policy)
    close(gradient(0.5, 20_000), lj.jit(forward)(0.5, 20_000), 1e-9)


def forward(x: float, n: int) -> float:
    return lj.jvp(lambda v: long_loop(v, n), (x,), (1.0,))[1]


@pytest.mark.parametrize("bad", ["no", 0, -3, True, 2.5])
def test_a_bad_policy_is_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match='give None, "recursion", "replay", "sqrt", "log" or a positive chunk length'):
        lj.jit(long_loop, checkpoint=bad)


# ---- loops with arrays
def wave(u0: Any, c: Any, n: int) -> Any:
    """Arrays that the loop carries."""
    u, v = u0, u0.copy()
    for _ in range(n):
        bend = np.zeros_like(u)
        bend[1:-1, 1:-1] = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4.0 * u[1:-1, 1:-1]
        u, v = 2.0 * u - v + c * bend, u
    return np.sum(u * u)


def wave_in_place(u0: Any, c: Any, n: int) -> Any:
    """Arrays that the loop writes, and swaps."""
    u, v = u0.copy(), u0.copy()
    for _ in range(n):
        bend = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4.0 * u[1:-1, 1:-1]
        v[1:-1, 1:-1] = 2.0 * u[1:-1, 1:-1] - v[1:-1, 1:-1] + c[1:-1, 1:-1] * bend
        u, v = v, u
    return np.sum(u * u)


def wave_by_elements(u0: Any, c: Any, n: int) -> Any:
    """One array that loops in the loop write."""
    k = u0.shape[0]
    u = np.zeros((3, k, k))
    u[0] = u[1] = u0
    for t in range(n):
        a, b, d = t % 3, (t + 1) % 3, (t + 2) % 3
        for i in range(1, k - 1):
            for j in range(1, k - 1):
                bend = u[b, i + 1, j] + u[b, i - 1, j] + u[b, i, j + 1] + u[b, i, j - 1] - 4.0 * u[b, i, j]
                u[d, i, j] = 2.0 * u[b, i, j] - u[a, i, j] + c[i, j] * bend
    return np.sum(u[(n + 1) % 3] ** 2)


SIDE, STEPS = 64, 200
U = np.sin(np.arange(SIDE * SIDE).reshape(SIDE, SIDE) / 700.0)
C = np.full((SIDE, SIDE), 0.1)
WAVES = [wave, wave_in_place, wave_by_elements]
KEPT = {wave: 4, wave_in_place: 4, wave_by_elements: 6}  # arrays of SIDE x SIDE that are kept between pieces, with their adjoints
ITERATION = 5  # and in an iteration, at the most


@pytest.mark.parametrize("f", WAVES, ids=lambda f: f.__name__)
def test_memory_is_as_promised(f: Function) -> None:
    gradient = lj.grad(f, (0, 1))
    expected = lj.jit(gradient)(U, C, STEPS)
    whole = lj.jit(gradient).inspect(U, C, STEPS).memory
    assert whole.stack + whole.arrays > 0.9 * STEPS * U.nbytes
    log2 = int(np.log2(STEPS))
    for policy, states, iterations in ((10, STEPS / 10, 10), ("sqrt", 2 * STEPS**0.5, 16), ("log", log2, 4)):
        cut = lj.jit(gradient, checkpoint=policy)
        for got, wanted in zip(cut(U, C, STEPS), expected, strict=True):
            assert np.array_equal(got, wanted), policy
        memory = cut.inspect(U, C, STEPS).memory
        most = (states * KEPT[f] + (iterations + 2 * KEPT[f]) * ITERATION) * U.nbytes + (2 << 20)
        assert memory.stack + memory.arrays < most, policy


@pytest.mark.parametrize("policy", [3, "log"])
@pytest.mark.parametrize("f", WAVES, ids=lambda f: f.__name__)
def test_second_derivatives_of_waves(f: Function, policy: Any) -> None:
    u, c = U[:5, :5], C[:5, :5]

    def product(u: Any, c: Any) -> Any:
        return lj.hvp(lambda u, c: f(u, c, 23), (u, c), (u, c))

    close(lj.jit(product, checkpoint=policy)(u, c), lj.jit(product)(u, c), 1e-12, 1e-12)
    close(lj.jit(product, checkpoint=policy, backend="python")(u[:4, :4], c[:4, :4]), lj.jit(product)(u[:4, :4], c[:4, :4]), 1e-12, 1e-12)


def with_a_break(x: Any, n: int) -> Any:
    s = 0.0
    for i in range(n):
        x = np.sin(x) + 0.01 * i
        if x[0] > 0.95 and i > 20:
            s = x[1] * i
            break
        if x[2] < -5.0:
            raise ValueError("too small")
    else:
        s = 2.0 * x[2]
    return s + np.sum(x)


def with_a_return(x: Any, n: int) -> Any:
    y = x.copy()
    while True:
        y[0] += 0.1 * y[1]
        x = x * np.cos(y)
        if y[0] > n:
            return np.sum(x * y)
        if x[0] > 10.0:
            return x[0] * y[0]


def until_small(x: Any, n: int) -> Any:
    r = x
    while np.sum(r * r) > 1e-3:
        r = r - 0.1 * (r + np.sin(r) * r[0] / n)
    return np.sum(r * x)


def written_and_seen(x: Any, n: int) -> Any:
    """An argument that the loop writes into, and reads by another name."""
    a, total = x.copy(), 0.0
    b = a
    for i in range(n):
        a[i % 3] = np.sin(a[(i + 1) % 3]) * b[i % 3]
        total += np.sum(np.tanh(a) * b)
    return total + b[0]


def ring(x: Any, n: int) -> Any:
    """A loop over elements, which could be replayed: of a small array, and, where that is large, of a few of its elements."""
    b = np.zeros(8 if n < 100_000 else n)
    b[:3] = x
    for i in range(n):
        b[i & 7] += 0.01 * np.sin(b[(i + 3) & 7] * b[(i + 1) & 7])
    return np.sum(b * b)


def either(x: Any, n: int) -> Any:
    """Arrays that may be one another, of which one is written: that loop is not cut."""
    a, b = np.zeros(3), np.ones(3)
    for i in range(n):
        d = a if x[0] * i > 1.0 else b
        d[i % 3] += np.sum(np.sin(x * (d + i)))
    return np.sum(a * b) + np.sum(b)


def entry_after(x: Any, n: int) -> Any:
    """What goes into the loop is written when it has ended."""
    u = u0 = x * 2.0
    for i in range(n):
        u = np.sin(u) + i
    u0[0] = 7.0 * x[1]
    return np.sum(u * u0)


LOOPS = [(with_a_break, 40), (with_a_break, 12), (with_a_return, 2), (until_small, 3), (written_and_seen, 31), (either, 20), (entry_after, 0), (entry_after, 33), (ring, 300)]  # fmt: skip


@pytest.mark.parametrize("policy", [2, "sqrt", "log"])
@pytest.mark.parametrize(("f", "n"), LOOPS, ids=[f"{f.__name__}-{n}" for f, n in LOOPS])
def test_loops_of_all_kinds(f: Function, n: int, policy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carried, "SHORT", 2)
    x, v = np.array([0.7, 0.4, 0.9]), np.array([0.3, -0.2, 0.5])

    def ways(x: Any, n: int) -> Any:
        return *lj.value_and_grad(f)(x, n), lj.hvp(lambda x: f(x, n), (x,), (v,))

    close(lj.jit(ways, checkpoint=policy)(x, n), lj.jit(ways)(x, n), 1e-11, 1e-11)


def test_a_loop_over_elements_is_cut_where_that_pays() -> None:
    x = np.array([0.7, 0.4, 0.9])
    for n, most in ((80_000, 1 << 19), (120_000, 12 << 20)):
        whole = lj.jit(lj.grad(ring))
        for policy in (2000, "sqrt", "log"):
            cut = lj.jit(lj.grad(ring), checkpoint=policy)
            assert np.array_equal(cut(x, n), whole(x, n))
            memory = cut.inspect(x, n).memory
            assert memory.stack + memory.arrays < most, policy
        memory = whole.inspect(x, n).memory
        assert memory.stack + memory.arrays > n * 16


def shots(c: Any, n: int) -> Any:
    """Three waves one after another, each of which is recorded while it runs."""
    total = 0.0
    for shot in range(3):
        u, heard = np.zeros(len(c)), np.zeros((n, 4))
        u[10 + 10 * shot] = 1.0
        old = u
        for t in range(n):
            new = 2.0 * u - old
            new[1:-1] += c[1:-1] * (u[2:] - 2.0 * u[1:-1] + u[:-2])
            old, u = u, new
            heard[t] = u[:4]
        total = total + np.sum(heard**2) + np.sum(u * u)
    return total


def test_a_loop_that_carries_and_records_is_cut_inside_of_another() -> None:
    c, n = np.linspace(0.1, 0.4, 500), 200
    whole, cut = lj.jit(lj.value_and_grad(shots)), lj.jit(lj.value_and_grad(shots), checkpoint="sqrt")
    close(cut(c, n), whole(c, n), 1e-12, 1e-12)
    kept, few = (f.inspect(c, n).memory.arrays for f in (whole, cut))
    assert few < 0.4 * kept


def drawing(x: Any, n: int, g: np.random.Generator) -> Any:
    for i in range(n):
        x = np.sin(x + 0.1 * g.normal(size=3))
        if i % 8 == 0:
            print(i)
    return np.sum(x)


@pytest.mark.parametrize("policy", [4, "log"])
def test_what_a_piece_prints_and_draws_is_so_once(policy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    x, found = np.ones(3), []
    for checkpoint in (None, policy):
        g = np.random.default_rng(5)
        found.append((lj.jit(lj.grad(drawing), checkpoint=checkpoint)(x, 30, g), g.normal(), capsys.readouterr().out))
    close(found[1][0], found[0][0], 1e-12)
    assert found[1][1:] == found[0][1:]


# ---- without an option: what does not fit is cut
def test_a_gradient_stays_within_its_memory(caplog: pytest.LogCaptureFixture) -> None:
    gradient = lj.grad(wave, (0, 1))
    expected = lj.jit(gradient)(U, C, STEPS)
    for mib, wanted in ((64, None), (4, "sqrt"), (2, "log")):
        caplog.clear()
        within = lj.jit(gradient, memory=mib << 20)
        for _ in range(2):
            assert all(map(np.array_equal, within(U, C, STEPS), expected))
        said = [record.args[1] for record in caplog.records if "does not fit" in record.message]  # type: ignore[index, call-overload]
        assert said == {None: [], "sqrt": ["sqrt"], "log": ["sqrt", "log"]}[wanted]
        memory = within.inspect(U, C, STEPS).memory
        assert memory.stack + memory.arrays <= (mib << 20) + (1 << 16)
    with pytest.raises(lj.errors.ArrayMemoryError, match="do not fit in the 0 MiB"):
        lj.jit(gradient, memory=1 << 18)(U, C, STEPS)


def test_other_calls_have_all_of_the_memory() -> None:
    few = lj.jit(lj.grad(wave, (0, 1)), memory=1 << 20)
    with pytest.raises(lj.errors.ArrayMemoryError):
        few(U, C, STEPS)
    assert np.isfinite(lj.jit(lj.grad(wave, (0, 1)), checkpoint="recursion")(U, C, STEPS)).all()
    fills = lj.jit(lambda x, n: np.sum(np.ones(n) * x + np.zeros(n)[::-1]), memory=1 << 20)
    assert fills(1.0, 1000) == 1000.0


def test_a_call_that_writes_does_not_start_again() -> None:
    def update(u: Any, c: Any, n: int) -> None:
        u[:] = lj.grad(wave, (0, 1))(u, c, n)[1]

    with pytest.raises(lj.errors.ArrayMemoryError):
        lj.jit(update, memory=4 << 20)(U.copy(), C, STEPS)
    lj.jit(update, memory=4 << 20, checkpoint="log")(U.copy(), C, STEPS)


@pytest.mark.parametrize("bad", [0, -1, 1.5, "all"])
def test_a_bad_memory_is_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"memory=.*: give a positive number of bytes"):
        lj.jit(wave, memory=bad)

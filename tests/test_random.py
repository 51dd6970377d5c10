"""Random numbers: a Generator that is an argument draws NumPy's stream in compiled code; what is drawn elsewhere is refused."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import os
import random
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors
from lantern_jit.ir.python import random as ir_random

from .support import both, close, interpret

Function = Callable[..., Any]
KINDS = [np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64]


def state(generator: Any) -> str:
    return repr(generator.bit_generator.state)


def equal(a: Any, b: Any) -> bool:
    return len(a) == len(b) and all(
        np.array_equal(x, y) and getattr(x, "dtype", 0) == getattr(y, "dtype", 0) for x, y in zip(a, b, strict=True)
    )


def as_numpy(f: Function, kind: Any, *args: Any) -> None:
    """f(generator, *args) gives NumPy's numbers bit for bit, twice, and leaves the generator where NumPy does."""
    plain, interpreted, native = (np.random.Generator(kind(3)) for _ in range(3))
    jitted = lj.jit(f)
    for _ in range(2):
        want = tuple(x.item() if isinstance(x, np.generic) else x for x in f(plain, *args))
        assert equal(interpret(f, interpreted, *args), want)
        assert equal(jitted(native, *args), want)
        assert state(plain) == state(interpreted) == state(native)


# ---- the stream
def numbers(g: Any) -> Any:
    floats = (
        g.random(),
        g.standard_normal(),
        g.normal(1.5, 2.0),
        g.normal(),
        g.uniform(-1, 3),
        g.uniform(),
        g.exponential(2.5),
        g.exponential(),
    )
    ints = (
        g.integers(10),
        g.integers(-5, 5, endpoint=True),
        g.integers(2**40),
        g.integers(3, 4),
        g.integers(-(2**63), 2**63 - 1, endpoint=True),
    )
    small = g.random(dtype=np.float32), g.standard_normal(dtype=np.float32), g.standard_exponential(dtype="float32")
    return (*floats, *ints, *small, g.standard_exponential(), g.integers(0, 2**32 - 1, endpoint=True), g.integers(2**32 + 5))


def arrays(g: Any) -> Any:
    floats = (
        g.random(5),
        g.standard_normal((2, 3)),
        g.normal(1.5, 2.0, size=7),
        g.uniform(-1, 3, (2, 2)),
        g.exponential(2.5, 3),
        g.random(0),
    )
    small = g.random(5, dtype=np.float32), g.standard_normal(5, dtype=np.float32), g.standard_exponential(5, dtype=np.float32)
    return (*floats, *small, g.integers(10, size=11), g.integers(-5, 5, size=(3, 2), endpoint=True), g.integers(2**40, size=3))


def traced_parameters(g: Any, n: int, x: float, a: Any) -> Any:
    s = 0.0
    for i in range(n):
        if g.random() < 0.3:
            s += g.normal(x, x * x)
        else:
            s -= g.integers(i + 1) * x
    return s, g.normal(a, x), g.uniform(a, a + x), g.normal(a, a * a, size=(2, len(a))), g.exponential(a), g.random((n, len(a))), g.random()


@pytest.mark.parametrize("kind", KINDS)
def test_the_stream_is_numpys(kind: Any) -> None:
    as_numpy(numbers, kind)
    as_numpy(arrays, kind)
    as_numpy(traced_parameters, kind, 20, 1.5, np.array([1.0, 2.0, 3.0]))


def many(g: Any, n: int) -> Any:
    out = np.zeros((5, n))
    for i in range(n):
        out[0, i] = g.standard_normal()
        out[1, i] = g.standard_exponential()
        out[2, i] = g.integers(10)
        out[3, i] = g.random()
        out[4, i] = g.standard_normal(dtype=np.float32)
    return out, g.standard_normal(n), g.standard_exponential(n), g.integers(1000, size=n), g.standard_normal(n, dtype=np.float32)


def test_a_million_draws() -> None:
    plain, native = np.random.default_rng(5), np.random.default_rng(5)
    assert equal(lj.jit(many)(native, 110_000), many(plain, 110_000))
    assert state(plain) == state(native)


@dataclasses.dataclass
class Model:
    rng: Any
    scale: Any

    def step(self, x: Any) -> Any:
        return x + self.rng.normal(0.0, self.scale)


def test_a_generator_in_containers_and_objects_helpers_and_recursion() -> None:
    def walk(model: Any, x: float, n: int) -> Any:
        return x if n == 0 else walk(model, model.step(x), n - 1)

    def f(d: Any, x: float) -> Any:
        return walk(d["model"], x, 5), isinstance(d["model"].rng, np.random.Generator)

    plain, native = np.random.default_rng(1), np.random.default_rng(1)
    jitted = lj.jit(f)
    for x in (1.0, 2.0):
        assert jitted({"model": Model(native, 2.0)}, x) == f({"model": Model(plain, 2.0)}, x)


def test_one_generator_twice_and_two_with_one_source() -> None:
    def f(a: Any, b: Any) -> Any:
        return a.random(), b.random(), a.random()

    def pick(a: Any, b: Any, x: float) -> Any:
        return (a if x > 0 else b).random(), 0.0

    for g in (f, lj.jit(f), lambda *a: interpret(f, *a)):
        one = np.random.default_rng(2)
        assert g(one, np.random.Generator(one.bit_generator)) == tuple(np.random.default_rng(2).random(3))
        one = np.random.default_rng(2)
        assert g(one, one) == tuple(np.random.default_rng(2).random(3))
    for g in (lj.jit(pick), lambda *a: interpret(pick, *a)):
        assert [g(np.random.default_rng(1), np.random.default_rng(2), x)[0] for x in (1.0, -1.0)] == [
            np.random.default_rng(i).random() for i in (1, 2)
        ]


def test_the_generator_is_locked_during_the_call() -> None:
    g = np.random.default_rng(0)
    f = lj.jit(lambda g, n: sum_of(g, n), nogil=True)
    threads = [threading.Thread(target=f, args=(g, 200_000)) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    plain = np.random.default_rng(0)
    plain.random(800_000)
    assert state(g) == state(plain)


def sum_of(g: Any, n: int) -> Any:
    s = 0.0
    for _ in range(n):
        s += g.random()
    return s


def test_a_number_is_not_taken_for_a_generator() -> None:
    f = lj.jit(lambda g, x: g.random() + x)
    f(np.random.default_rng(0), 1.0)
    with pytest.raises(AttributeError):
        f(np.int64(5), 1.0)


# ---- errors as NumPy's
REFUSED: list[Function] = [
    lambda g, x: g.normal(0.0, x), lambda g, x: g.normal(0.0, -0.0 * x * 0.0 - 0.0), lambda g, x: g.uniform(0.0, x), lambda g, x: g.exponential(x),
    lambda g, x: g.integers(int(x)), lambda g, x: g.integers(5, int(x)), lambda g, x: g.normal(0.0, -1.0), lambda g, x: g.uniform(1.0, 0.0),
    lambda g, x: g.normal(np.ones(3), np.ones(3) * x), lambda g, x: g.uniform(0.0, x * -1e308 * 10.0), lambda g, x: g.integers(5, 5),
]  # fmt: skip


@pytest.mark.parametrize("f", REFUSED)
def test_wrong_parameters_raise_what_numpy_raises(f: Function) -> None:
    def outcome(run: Function) -> Any:
        g = np.random.default_rng(0)
        try:
            return run(g, -1.0), state(g)
        except (ValueError, OverflowError) as e:
            return type(e), str(e), state(g)

    assert outcome(lj.jit(f)) == outcome(lambda *a: interpret(f, *a)) == outcome(f)


@pytest.mark.parametrize(("f", "text"), [
    (lambda g, x: g.gamma(3.0) + x, "Generator.gamma at .* there are random, standard_normal"),
    (lambda g, x: g.random(3, out=np.zeros(3)), "out= at"),
    (lambda g, x: g.integers(3, dtype=np.int8) + x, "int64 is"),
    (lambda g, x: (g, x), "returns a random Generator"),
    (lambda g, x: lj.grad(lambda h: h.random() + x)(g), "close over it"),
])  # fmt: skip
def test_what_a_generator_cannot_do(f: Function, text: str) -> None:
    with pytest.raises(errors.LanternError, match=text):
        lj.jit(f)(np.random.default_rng(0), 1.0)


# ---- derivatives
def noisy(g: Any, x: Any) -> Any:
    s = 0.0
    for i in range(5):
        s = s + g.normal(x[i % 3], x[0] ** 2) * np.sin(x[1]) + np.sum(g.uniform(0.0, x) * x**2) + g.exponential(x[2]) * g.random()
    return s


def fixed(x: Any) -> Any:
    """The same function of the same draws."""
    s = 0.0
    for i in range(5):
        z, u, e, r = DRAWN[0][i], DRAWN[1][3 * i : 3 * i + 3], DRAWN[2][i], DRAWN[3][i]
        s = s + (x[i % 3] + x[0] ** 2 * z) * np.sin(x[1]) + np.sum(u * x * x**2) + e * x[2] * r
    return s


def _drawn() -> Any:
    g = np.random.default_rng(11)
    rows = [(g.standard_normal(), g.random(3), g.standard_exponential(), g.random()) for _ in range(5)]
    z, u, e, r = zip(*rows, strict=True)
    return np.array(z), np.concatenate(u), np.array(e), np.array(r)


DRAWN = _drawn()
X = np.array([1.25, 0.5, 2.0])
TRANSFORMS: dict[str, Function] = {
    "grad": lambda f: lj.grad(f),
    "value_and_grad": lambda f: lj.value_and_grad(f),
    "jvp": lambda f: lambda x: lj.jvp(f, (x,), (x,)),
    "vjp": lambda f: lambda x: lj.vjp(f, x)[1](1.0),
    "jacfwd": lambda f: lj.jacfwd(f),
    "jacrev": lambda f: lj.jacrev(f),
    "hessian": lambda f: lj.hessian(f),
    "hvp": lambda f: lambda x: lj.hvp(f, (x,), (x,)),
    "grad of grad": lambda f: lj.grad(lambda x: np.sum(lj.grad(f)(x) ** 2)),
    "third order": lambda f: lj.grad(lambda x: np.sum(lj.grad(lambda y: np.sum(lj.grad(f)(y) ** 2))(x))),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_derivatives_see_the_numbers_that_were_drawn_once(name: str) -> None:
    def f(g: Any, x: Any) -> Any:
        return TRANSFORMS[name](lambda y: noisy(g, y))(x), g.random()

    plain = np.random.default_rng(11)
    noisy(plain, X)
    want = lj.jit(TRANSFORMS[name](fixed))(X), plain.random()
    close(interpret(f, np.random.default_rng(11), X), want, rtol=1e-10)
    jitted = lj.jit(f)
    for _ in range(2):
        close(jitted(np.random.default_rng(11), X), want, rtol=1e-10)


@pytest.mark.parametrize("checkpoint", [None, "recursion", "replay", 2])
def test_no_loop_policy_draws_again(checkpoint: Any) -> None:
    want = lj.jit(lj.grad(fixed))(X)
    g, plain = np.random.default_rng(11), np.random.default_rng(11)
    noisy(plain, X)
    close(lj.jit(lj.grad(noisy, argnums=1), checkpoint=checkpoint)(g, X), want, rtol=1e-12)
    assert state(g) == state(plain)


def walk(g: Any, x: float, n: int) -> Any:
    s = 0.0
    for i in range(n):
        if g.random() < 0.4:
            s += g.normal(x, x * x) * np.exp(-0.01 * s) + g.integers(5) * x
        print(end="" if i >= 0 else "never")
    return s


def drawn_in_advance(x: float, n: int, u: Any, z: Any, k: Any) -> Any:
    s = 0.0
    for i in range(n):
        if u[i] < 0.4:
            s += (x + x * x * z[i]) * np.exp(-0.01 * s) + k[i] * x
    return s


@pytest.mark.parametrize(("checkpoint", "policy"), [(None, "replay"), ("recursion", "recursion"), ("replay", "replay"), (7, "replay")])
def test_a_replayed_loop_keeps_what_was_drawn(checkpoint: Any, policy: str) -> None:
    g, n = np.random.default_rng(6), 40
    u, z, k = np.zeros(n), np.zeros(n), np.zeros(n)
    for i in range(n):
        u[i] = g.random()
        if u[i] < 0.4:
            z[i], k[i] = g.standard_normal(), g.integers(5)
    want = lj.jit(lj.grad(drawn_in_advance))(0.5, n, u, z, k)
    native, f = np.random.default_rng(6), lj.jit(lj.grad(walk, argnums=1), checkpoint=checkpoint)
    close(f(native, 0.5, n), want)
    assert state(native) == state(g)
    assert set(f.inspect(native, 0.5, n).policies.values()) == {policy}
    close(lj.grad(walk, argnums=1)(np.random.default_rng(6), 0.5, n), want)


def test_a_drawn_array_may_be_written() -> None:
    def f(g: Any, x: float) -> Any:
        z = g.normal(0.0, 1.0, size=4)
        z[1] = x * z[0]
        u = g.random(4)
        u[2] = x
        return np.sum(z**2) * np.sum(u * z)

    plain = np.random.default_rng(4)
    z, u = plain.standard_normal(4), plain.random(4)

    def known(x: Any) -> Any:
        w, v = np.zeros(4) + z, np.zeros(4) + u
        w[1] = x * z[0]
        v[2] = x
        return np.sum(w**2) * np.sum(v * w)

    want = lj.jit(lj.grad(known))(1.5)
    for run in (lj.grad(f, argnums=1), lj.jit(lj.grad(f, argnums=1))):
        close(run(np.random.default_rng(4), 1.5), want)


# ---- np.random's own functions, and a RandomState
def of_state(state: Any, x: Any, n: int) -> Any:
    total = state.rand() + np.sum(state.rand(n, 2)) + np.sum(state.randn(len(x)) * x) + state.random_sample() * x[0]
    for _ in range(n):
        total = total + state.standard_normal() * np.sum(x) + np.sum(state.uniform(x, 3.0 * x, size=(2, len(x))))
    return total + np.sum(state.normal(x, x * x)) + np.sum(state.normal(0.5, 2.0, 3)) + state.random((2,))[1]


def test_a_state_that_is_closed_over_draws_anew_at_each_call() -> None:
    """What plain Python draws; derivatives are those of numbers that are there."""
    x = np.array([0.5, 1.5, 0.25])
    for backend in ("llvm", "python"):
        of_a_state(functools.partial(lj.jit, backend=backend), x)


def of_a_state(run: Any, x: Any) -> None:
    inside, outside = np.random.RandomState(3), np.random.RandomState(3)
    f = run(lambda x, n: of_state(inside, x, n))
    for n in (2, 3, 2):
        close(f(x, n), of_state(outside, x, n))
    slope = run(lj.value_and_grad(lambda x, n: of_state(inside, x, n)))
    for n in (2, 3):
        start = inside.get_state()
        value, found = slope(x, n)
        close(value, of_state(outside, x, n))
        for i in range(len(x)):  # it is a square in x: differences are exact
            sides = []
            for h in (1e-3, -1e-3):
                outside.set_state(start)
                sides.append(of_state(outside, x + h * (np.arange(len(x)) == i), n))
            np.testing.assert_allclose(found[i], (sides[0] - sides[1]) / 2e-3, rtol=1e-9)


def test_draws_of_np_random_itself() -> None:
    f = lj.jit(lambda x: np.random.randn(2, 3) * x + np.random.uniform(1.0, 2.0))
    np.random.seed(4)
    found = [f(1.5), f(1.5)]
    np.random.seed(4)
    close(found, [np.random.randn(2, 3) * 1.5 + np.random.uniform(1.0, 2.0) for _ in range(2)])


# ---- what is refused
RNG = np.random.default_rng(0)
SOURCES: list[Function] = [
    lambda x: x + np.random.gamma(2.0),
    lambda x: x + np.random.randint(3),
    lambda x: x + RNG.normal(),
    lambda x: x + RNG.random(3).sum(),
    lambda x: x + np.random.Generator(np.random.PCG64(1)).normal(),
    lambda x: x + np.random.RandomState(0).normal(),
    lambda x: x + random.random(),
    lambda x: x + random.gauss(0.0, 1.0),
    lambda x: x + random.randint(0, 5),
    lambda x: x + random.Random(0).random(),
    lambda x: x + len(os.urandom(2)),
    lambda x: x + uuid.uuid4().int % 7,
    lambda x: x + np.sum(np.random.permutation(60)[:3]),
]
CLOCKS: list[Function] = [
    lambda x: x + time.time(),
    lambda x: x + time.perf_counter(),
    lambda x: x + time.monotonic_ns(),
    lambda x: x + datetime.datetime.now().second,
    lambda x: x + datetime.date.today().day,
]


@pytest.mark.parametrize("f", SOURCES)
def test_draws_while_tracing_are_refused(f: Function) -> None:
    for run in (lj.jit(f), lj.grad(f), lj.jit(lj.grad(lambda x: f(x) ** 2))):
        with pytest.raises(errors.UnsupportedOperationError, match=r"pass a numpy.random.Generator .* as an argument"):
            run(1.0)


@pytest.mark.parametrize("f", CLOCKS)
def test_clocks_are_refused(f: Function) -> None:
    for run in (lj.jit(f), lj.grad(f)):
        with pytest.raises(errors.UnsupportedOperationError, match=r"is a clock, .* read the time outside and pass it as an argument"):
            run(1.0)


def test_draws_in_code_without_source_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    space: dict[str, Any] = {"np": np}
    exec("def hidden(x):\n    return x + np.random.normal()\n", space)
    monkeypatch.setattr(ir_random.threading, "active_count", lambda: 1)
    with pytest.raises(
        errors.UnsupportedOperationError, match=r"draws random numbers from a global source .* whose source is not available"
    ):
        lj.jit(space["hidden"])(1.0)
    monkeypatch.setattr(ir_random.threading, "active_count", lambda: 2)  # another thread may have drawn
    with pytest.warns(RuntimeWarning, match="global source"):
        lj.jit(space["hidden"])(1.0)


def test_an_exported_function_and_one_for_c_have_no_generator(tmp_path: Any) -> None:
    def f(g: Any, x: float) -> Any:
        return g.random() + x

    with pytest.raises(errors.UnsupportedOperationError, match="C has no generator to give it"):
        _ = lj.jit(f).lower(np.random.default_rng(0), 1.0).ctypes


# ---- generators that the function makes
def seeded(x: Any, n: int) -> Any:
    rng = np.random.default_rng([1, 2])
    total = rng.integers(0, 10) + np.sum(rng.permutation(x[:2]) * x[2:])
    for i in range(n):
        own = np.random.default_rng(i)
        total = total + np.sin(x[0] * rng.normal(0.0, x[1])) * own.random()
        if total > 3.0:
            total = total - rng.exponential()
    return total


def test_a_generator_of_the_function_draws_the_same_in_each_call() -> None:
    x = np.array([0.5, 1.25, -0.75, 2.0])
    for _ in range(2):
        for out in both(seeded, x, 12).values():
            close(out, seeded(x, 12))
    h = 1e-6
    slope = np.array([(seeded(x + h * e, 12) - seeded(x - h * e, 12)) / (2 * h) for e in np.eye(4)])
    for f in (
        lj.grad(seeded),
        lj.grad(lj.checkpoint(seeded)),
        lambda x, n: lj.jvp(lambda x: lj.grad(lj.checkpoint(seeded))(x, n), (x,), (x,))[0],
    ):
        for out in both(f, x, 12).values():
            close(out, slope, 1e-6, 1e-7)
    lj.check_grads(lambda x: seeded(x, 5), (x,), order=2)
    lanes = lj.jit(lj.vmap(lambda s: np.random.default_rng(s).normal(size=2)))(np.arange(3))
    close(lanes, np.stack([np.random.default_rng(s).normal(size=2) for s in range(3)]))
    close(lj.jit(lambda s: np.random.default_rng(s).random())(np.array([3, 4])), np.random.default_rng([3, 4]).random())
    rng = np.random.default_rng(3)
    close(lj.jit(lambda rng: np.random.default_rng(rng).normal() + np.random.default_rng(5).normal())(rng), NORMAL_3 + NORMAL_5)


NORMAL_3, NORMAL_5 = (np.random.default_rng(n).normal() for n in (3, 5))


def test_one_without_a_seed_is_another_in_each_call_and_one_within_it() -> None:
    def noisy(x: Any) -> Any:
        return x * np.random.default_rng().normal()

    f = lj.jit(noisy)
    assert f(1.0) != f(1.0)
    for g in (lj.value_and_grad(noisy), lj.value_and_grad(lj.checkpoint(noisy))):
        for out in both(g, 2.0).values():
            close(out[0], 2.0 * out[1])

    def pulled_twice(x: Any) -> Any:
        y, pull = lj.vjp(lambda x: np.sum(x * np.random.default_rng().normal(size=20)), x)
        return y, pull(1.0)[0], pull(2.0)[0]

    for y, a, b in both(pulled_twice, np.ones(20)).values():
        close(y, a.sum())
        close(2.0 * a, b)


def test_seeds_and_generators_that_are_refused() -> None:
    with pytest.raises(TypeError, match=r"the seed of default_rng\(\) at .* is made of ints, not a float"):
        lj.jit(lambda x: np.random.default_rng(x).normal())(1.5)
    with pytest.raises(ValueError, match="non-negative"):
        lj.jit(lambda n: np.random.default_rng(n).normal())(-1)
    with pytest.raises(errors.ArgumentTypeError, match="returns a random Generator"):
        lj.jit(lambda x: (x, np.random.default_rng(1)))(1.5)

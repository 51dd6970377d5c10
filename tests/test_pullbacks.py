"""`vjp` outside of compiled code: the forward pass is evaluated once, and pulls go the way back from where it has paused."""

from __future__ import annotations

import gc
import math
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import specialisation
from lantern_jit.backends.llvm.call.process import runtime
from lantern_jit.ir.trace.jacobian import pullback
from lantern_jit.ir.values import pytree

from .processes import start
from .support import close

RNG = np.random.default_rng(7)
X = RNG.standard_normal(20)


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is interpreted, however short it is."""
    monkeypatch.setattr(specialisation, "ALLOWANCE", 0)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[None]]:
    """An entry for each evaluation."""
    made: list[None] = []

    def start(self: Any) -> Any:
        made.append(None)
        return original(self)

    original = pullback.Pullback._start
    monkeypatch.setattr(pullback.Pullback, "_start", start)
    return made


def loops(x: Any) -> Any:
    y = np.zeros(20)
    for i in range(20):
        s = 0.0
        for j in range(i):
            s += np.sin(x[j] * y[j])
        y[i] = s + x[i] ** 2
        if y[i] > 1:
            y[i] = np.log(y[i])
    return y


def recursion(x: Any) -> Any:
    def tree(t: Any, depth: int) -> Any:
        return np.sin(t) if depth == 0 else tree(t * t, depth - 1) * tree(np.cos(t), depth - 1) + t

    return tree(x, 4 if x[0] < 9.0 else 5)


def written(x: Any) -> Any:
    for i in range(1, len(x)):
        x[i] += x[i - 1] * 0.5
    x[:] = np.tanh(x)
    return x * 2


def containers(d: Any) -> Any:
    return {"a": d["x"] * np.sum(d["y"]), "b": (np.sum(d["x"]) * d["s"], np.outer(d["x"], d["y"])), "n": 3, "none": None}


def library(a: Any) -> Any:
    lower = np.linalg.cholesky(a @ a.T + 3 * np.eye(5))
    return lower, np.linalg.inv(lower)


def until(x: Any) -> Any:
    n = 0
    while np.sum(x * x) > 1e-2 and n < 50:
        x, n = x * 0.9, n + 1
    return x, n


def checkpointed(x: Any) -> Any:
    step = lj.checkpoint(lambda u: np.sin(u) * 1.1 + 0.1 * u[0])
    for _ in range(9):
        x = step(x)
    return x


def continued(x: Any) -> Any:
    @lj.op
    def halved(y: Any, k: Any) -> Any:
        return 0.5 * k(y * y)

    return np.sin(halved(x)) + lj.reset(lambda: lj.shift(lambda k: k(x) + k(2.0 * x)) * x)


CASES: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (loops, (X,)),
    (loops, (X.astype(np.float32),)),
    (recursion, (X,)),
    (written, (X,)),
    (written, (X.astype(np.float32),)),
    (containers, ({"x": X, "y": X[:9].copy(), "s": 2.5},)),
    (library, (RNG.standard_normal((5, 5)),)),
    (until, (X,)),
    (checkpointed, (X,)),
    (continued, (X,)),
    (lambda x, k: np.sin(x) * k, (X, 3)),
    (lambda x, y: np.concatenate([x, np.exp(y)]), (X, X[::-1])),  # which is copied
]


def a_cotangent(y: Any) -> Any:
    leaves, tree = pytree.flatten(y)
    made = [RNG.standard_normal(np.shape(x)).astype(np.asarray(x).dtype)[()] if np.asarray(x).dtype.kind == "f" else x for x in leaves]
    return pytree.unflatten(tree, [float(c) if isinstance(x, float) else c for c, x in zip(made, leaves, strict=True)])


def own(args: tuple[Any, ...]) -> tuple[Any, ...]:
    leaves, tree = pytree.flatten(args)
    return pytree.unflatten(tree, [x.copy() if isinstance(x, np.ndarray) else x for x in leaves])  # type: ignore[no-any-return]


@pytest.mark.parametrize(("f", "args"), CASES)
def test_pulls_are_those_of_compiled_code(f: Callable[..., Any], args: tuple[Any, ...], starts: list[None]) -> None:
    y, pull = lj.vjp(f, *own(args))
    at_once = lj.jit(lambda args, c: lj.vjp(f, *args)[1](c))
    bits = 1e-5 if any(np.asarray(x).dtype == np.float32 for x in pytree.flatten(args)[0]) else 1e-13
    plain, value = pytree.flatten(lj.jit(f)(*own(args)))[0], pytree.flatten(y)[0]
    assert all(type(a) is type(b) for a, b in zip(value, plain, strict=True))
    close(value, plain, bits, bits)
    for _ in range(4):
        c = a_cotangent(y)
        found, expected = pull(c), at_once(own(args), c)
        leaves, tree = pytree.flatten(found)
        others, same = pytree.flatten(expected)
        assert tree == same
        assert [(type(a), np.asarray(a).dtype, np.shape(a)) for a in leaves] == [
            (type(b), np.asarray(b).dtype, np.shape(b)) for b in others
        ]
        close(leaves, others, bits, bits)
    assert len(starts) == 2  # the first pull uses its evaluation up, the second is for all others


def test_one_pull_needs_one_evaluation(starts: list[None]) -> None:
    for _ in range(3):
        _y, pull = lj.vjp(loops, X)
        pull(np.ones(20))
    assert len(starts) == 3


def test_beside_the_value() -> None:
    _y, pull, aux = lj.vjp(lambda x: (np.cumsum(x * x), {"n": len(x), "s": np.sum(x)}), X, has_aux=True)
    assert aux["n"] == 20
    assert math.isclose(aux["s"], X.sum())
    for c in (np.ones(20), X):
        close(pull(c)[0], 2 * X * np.cumsum(c[::-1])[::-1], 1e-12, 1e-12)


def test_the_arguments_may_change_afterwards() -> None:
    x = X.copy()
    _y, pull = lj.vjp(written, x)
    assert np.array_equal(x, X)
    c = np.ones(20)
    before = pull(c)
    x[:] = 0.0
    for _ in range(3):
        assert np.array_equal(pull(c)[0], before[0])


def test_results_are_apart() -> None:
    _y, pull = lj.vjp(lambda x: 2.0 * x, X)
    first = pull(np.ones(20))
    first[0][:] = 7.0
    assert all(np.array_equal(pull(np.ones(20))[0], np.full(20, 2.0)) for _ in range(3))


def test_other_cotangents_are_taken_or_refused_as_ever() -> None:
    _y, pull = lj.vjp(lambda x: np.sin(x), X)
    for _ in range(3):
        close(pull(np.ones(40)[::2])[0], np.cos(X), 1e-12, 1e-12)
        with pytest.raises(lj.errors.TypeMismatchError, match="float32"):
            pull(np.ones(20, np.float32))
        with pytest.raises(lj.errors.TypeMismatchError):
            pull((np.ones(20), 1.0))
        with pytest.raises(lj.errors.ArrayShapeError):
            pull(np.ones(19))
        close(pull(np.ones(20))[0], np.cos(X), 1e-12, 1e-12)


def test_pulls_in_threads() -> None:
    _y, pull = lj.vjp(loops, X)
    units = np.eye(20)
    expected = [pull(u)[0] for u in units]
    found: list[Any] = [None] * 20

    def work(k: int) -> None:
        for i in range(k, 20, 4):
            found[i] = pull(units[i])[0]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert np.array_equal(found, expected)


def test_a_pull_that_evaluates_a_vjp_itself() -> None:
    def inner(t: Any) -> Any:
        _y, pull = lj.vjp(loops, np.full(20, t))
        return float(np.sum(pull(np.ones(20))[0]))

    _y, pull = lj.vjp(lambda x: np.sin(x), X)
    others = [lj.vjp(lambda x, k=k: np.sin(x) * k, X) for k in range(5)]
    for _ in range(2):
        assert inner(0.3) == inner(0.3)
        for k, (_, other) in enumerate(others):
            close(other(np.ones(20))[0], np.cos(X) * k, 1e-12, 1e-12)
        close(pull(np.ones(20))[0], np.cos(X), 1e-12, 1e-12)


def test_memory_comes_back() -> None:
    gc.collect()
    assert not pullback._PAUSED
    held = [lj.vjp(loops, X) for _ in range(pullback.MOST + 5)]  # the last ones do not pause
    assert len(pullback._PAUSED) == pullback.MOST
    expected = lj.jit(lambda x: lj.vjp(loops, x)[1](np.ones(20))[0])(X)
    assert all(np.array_equal(pull(np.ones(20))[0], expected) for _, pull in held)
    assert not pullback._PAUSED
    again = [pull(np.ones(20))[0] for _, pull in held]
    assert np.array_equal(again, [expected] * len(held))
    regions = len(runtime().regions())
    for _ in range(3):
        held.clear()
        held += [lj.vjp(loops, X) for _ in range(pullback.MOST)]
        assert len(pullback._PAUSED) == pullback.MOST
    held.clear()
    gc.collect()
    assert not pullback._PAUSED
    assert len(runtime().regions()) <= regions + pullback.MOST  # they are used again


def test_faults_and_exceptions() -> None:
    def bad(x: Any) -> Any:
        return x[: int(x[0])] * x[int(x[0])]

    for _ in range(3):
        with pytest.raises(IndexError):
            lj.vjp(bad, np.array([30.0, *X]))
        y, pull = lj.vjp(bad, np.array([3.0, *X]))
        assert y.shape == (3,)
        assert pull(np.ones(3))[0].shape == (21,)


def test_functions_with_effects_are_evaluated_once(capsys: pytest.CaptureFixture[str]) -> None:
    def shown(x: Any) -> Any:
        print("evaluated")
        return np.sin(x)

    _y, pull = lj.vjp(shown, X)
    for _ in range(3):
        close(pull(np.ones(20))[0], np.cos(X), 1e-12, 1e-12)
    assert capsys.readouterr().out == "evaluated\n"


def test_deep_recursions_stay() -> None:
    def down(x: Any, n: int) -> Any:
        return x if n == 0 else np.sin(down(x, n - 1)) + 0.5 * x

    def f(x: Any, n: Any) -> Any:
        return down(x, n)

    _y, pull = lj.vjp(f, X, 3000)
    found = [pull(np.ones(20))[0] for _ in range(3)]
    close(found, [lj.jit(lambda x: lj.vjp(f, x, 3000)[1](np.ones(20)))(X)[0]] * 3, 1e-12, 1e-12)


INTERRUPTED = """
import os, signal, threading, time
import numpy as np
import lantern_jit as lj
from lantern_jit import specialisation
specialisation.ALLOWANCE = 0

def f(x):
    for i in range(400_000):
        x = np.sin(x) + 0.1 * x[0]
    return x

x = np.full(10, 0.3)
y, pull = lj.vjp(f, x)
first = pull(np.ones(10))[0]
second = pull(np.ones(10))[0]
for attempt in range(2):
    threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        while True:
            pull(np.ones(10))
    except KeyboardInterrupt:
        print("interrupted")
signal.signal(signal.SIGUSR1, lambda *_: print("seen"))
threading.Timer(0.02, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
assert np.array_equal(pull(np.ones(10))[0], first)
assert np.array_equal(first, second)
time.sleep(0.05)
print("the same")
"""


def test_ctrl_c_leaves_a_pull_that_can_be_pulled_again(tmp_path: Path) -> None:
    run = start(INTERRUPTED, tmp_path / "interrupted.py")
    assert run.status() == 0
    assert run.printed.splitlines() == ["interrupted", "interrupted", "seen", "the same"]

"""What a function reads outside of itself: a change of it is seen at the next call, with and without jit."""

from __future__ import annotations

import functools
import gc
import importlib
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.backends.llvm.call import watch
from lantern_jit.ir.objects import places

RATE, STEPS, WEIGHTS, NAMES = 2.0, 2, np.arange(3.0), [1.0, 2.0]
CONFIG: dict[str, Any] = {"x": 1.0, "y": {"z": 2.0}}
TABLE = [[1.0, 2.0], [3.0, 4.0]]
FUNCTIONS: list[Any] = [lambda x: x * 2]


def helper(x: Any) -> Any:
    return x + 1


def through(x: Any) -> Any:
    return helper(x) * x


class Model:
    rate = 1.5

    def __init__(self, k: float) -> None:
        self.k, self.inner = k, types.SimpleNamespace(n=1.0)

    @property
    def double(self) -> float:
        return 2 * self.k

    def scaled(self, x: Any) -> Any:
        return self.k * x * x

    def __call__(self, x: Any) -> Any:
        return self.k * x * x


class Slotted:
    __slots__ = ("a",)


class Looked(dict[str, Any]):
    def __getattr__(self, name: str) -> Any:
        return self[name]


@dataclass
class Parameters:
    a: float
    b: list[float]


class Base:
    q = 1.0


class Derived(Base):
    pass


def repeated(x: Any) -> Any:
    for _ in range(STEPS):
        x = x * x
    return x


def over_list(x: Any) -> Any:
    s = 0.0
    for w in NAMES:
        s = s + w * x * x
    return s


def over_items(x: Any) -> Any:
    return sum(v for n, v in CONFIG.items() if n != "y") * x * x


def with_default(x: Any, a: float = 1.0) -> Any:
    return a * x * x


def with_keyword(x: Any, *, a: float = 1.0) -> Any:
    return a * x * x


def set_global(**values: Any) -> Callable[[], None]:
    return lambda: globals().update(values)


def cases() -> Iterator[Any]:
    """(name, function of one float, a change of what it reads)"""
    m, p, s, looked, derived = Model(2.0), Parameters(1.0, [2.0]), Slotted(), Looked(a=1.0), Derived()
    s.a = 1.0
    k = 1.0

    def cell(x: Any) -> Any:
        return k * x * x

    def set_cell() -> None:
        nonlocal k
        k = 7.0

    def attribute_of_function(x: Any) -> Any:
        return attribute_of_function.k * x * x  # type: ignore[attr-defined]

    attribute_of_function.k = 1.0  # type: ignore[attr-defined]

    class Redefined(Model):
        def value(self, x: Any) -> Any:
            return x * x

    r = Redefined(1.0)
    yield "global float", lambda x: RATE * x * x, set_global(RATE=5.0)
    yield "global int", repeated, set_global(STEPS=3)
    yield "global array", lambda x: np.sum(WEIGHTS * x), set_global(WEIGHTS=np.arange(4.0))
    yield "shadowed builtin", lambda x: abs(x) * x, set_global(abs=lambda x: 7.0 * x)
    yield "cell", cell, set_cell
    yield "defaults", with_default, lambda: setattr(with_default, "__defaults__", (3.0,))
    yield "keyword's default", with_keyword, lambda: with_keyword.__kwdefaults__.update(a=3.0)  # type: ignore[union-attr]
    yield "all keywords' defaults", with_keyword, lambda: setattr(with_keyword, "__kwdefaults__", {"a": 9.0})
    yield "code", cell, lambda: setattr(cell, "__code__", _other_code(k))
    yield "redefined helper", through, set_global(helper=lambda x: x + 100)
    yield "helper's code", through, lambda: setattr(helper, "__code__", (lambda x: x + 9).__code__)
    yield "partial", functools.partial(lambda a, x: a * RATE * x * x, 2.0), set_global(RATE=6.0)
    yield "function in a list", lambda x: FUNCTIONS[0](x) * x, lambda: FUNCTIONS.__setitem__(0, lambda x: x * 9)
    yield "item", lambda x: CONFIG["x"] * x * x, lambda: CONFIG.update(x=3.0)
    yield "item of an item", lambda x: CONFIG["y"]["z"] * x * x, lambda: CONFIG["y"].update(z=5.0)
    yield "get", lambda x: CONFIG.get("new", 4.0) * x * x, lambda: CONFIG.update(new=5.0)
    yield "items", over_items, lambda: CONFIG.update(w=5.0)
    yield "list", over_list, lambda: NAMES.append(4.0)
    yield "list's item", over_list, lambda: NAMES.__setitem__(0, 9.0)
    yield "list of lists", lambda x: TABLE[1][0] * x * x, lambda: TABLE[1].__setitem__(0, 9.0)
    yield "attribute", m.scaled, lambda: setattr(m, "k", 5.0)
    yield "property", lambda x: m.double * x * x, lambda: setattr(m, "k", 6.0)
    yield "getattr", lambda x: getattr(m, "k") * x * x, lambda: setattr(m, "k", 7.0)  # noqa: B009
    yield "callable object", m, lambda: setattr(m, "k", 8.0)
    yield "instance's dict", lambda x: m.k * x * x, lambda: setattr(m, "__dict__", {"k": 1.0})
    yield "one object further", lambda x: p.b[0] * p.a * x * x, lambda: setattr(p, "b", [5.0])
    yield "slot", lambda x: s.a * x * x, lambda: setattr(s, "a", 3.0)
    yield "class attribute", lambda x: Model.rate * x * x, lambda: setattr(Model, "rate", 2.5)
    yield "class attribute by an instance", lambda x: m.rate * x * x, lambda: setattr(Model, "rate", 3.5)
    yield "class attribute hidden", lambda x: m.rate * x * x, lambda: setattr(m, "rate", 4.5)
    yield "attribute of a base class", lambda x: derived.q * x * x, lambda: setattr(Base, "q", 5.0)
    yield "method", lambda x: r.value(x), lambda: setattr(Redefined, "value", lambda self, x: 3 * x * x)
    yield (
        "class of an object",
        lambda x: r.value(x),
        lambda: setattr(r, "__class__", type("Other", (Redefined,), {"value": lambda self, x: -x})),
    )
    yield "__getattr__", lambda x: looked.a * x * x, lambda: looked.update(a=5.0)
    yield "attribute of a function", attribute_of_function, lambda: setattr(attribute_of_function, "k", 4.0)


def _other_code(k: float) -> Any:
    def other(x: Any) -> Any:
        return k * x * 9.0

    return other.__code__


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    kept = {n: v for n, v in globals().items() if n in ("RATE", "STEPS", "WEIGHTS", "helper")}
    inside = dict(CONFIG), list(NAMES), list(FUNCTIONS), helper.__code__, Model.rate
    yield
    globals().pop("abs", None)
    globals().update(kept)
    CONFIG.clear()
    CONFIG.update(inside[0], y={"z": 2.0})
    NAMES[:], FUNCTIONS[:], helper.__code__, Model.rate = inside[1], inside[2], inside[3], inside[4]
    TABLE[1][0], Base.q = 3.0, 1.0
    with_default.__defaults__, with_keyword.__kwdefaults__ = (1.0,), {"a": 1.0}


NAMED = [name for name, _, _ in cases()]


@pytest.mark.parametrize("known", [True, False], ids=["words", "Python's check"])
@pytest.mark.parametrize("name", NAMED)
def test_a_change_is_seen_at_the_next_call(name: str, known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "known", lambda: known)
    f, change = next((f, change) for n, f, change in cases() if n == name)
    jitted, gradient, plain = lj.jit(f), lj.jit(lj.grad(f)), lj.grad(f)

    def check() -> None:
        eps = 1e-6
        slope = (f(-1.5 + eps) - f(-1.5 - eps)) / (2 * eps)
        for _ in range(3):
            assert jitted(-1.5) == pytest.approx(f(-1.5), rel=1e-14)
            assert gradient(-1.5) == pytest.approx(slope, rel=1e-5)
            assert plain(-1.5) == pytest.approx(slope, rel=1e-5)

    check()
    before = f(-1.5)
    change()
    assert f(-1.5) != before
    check()


def calls_of_python(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """One item for each call that compiled code has left to Python."""
    seen: list[Any] = []
    before = type(lj.jit(lambda x: x)).slow_call

    def counted(self: Any, args: Any, kwargs: Any) -> Any:
        seen.append(args)
        return before(self, args, kwargs)

    monkeypatch.setattr(type(lj.jit(lambda x: x)), "slow_call", counted)
    return seen


@pytest.mark.skipif(not watch.known(), reason="the layouts of this Python are not known")
def test_what_has_not_changed_is_compared_in_native_code(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, f, _ in cases():
        g = lj.jit(f)
        g(-1.5)
        with monkeypatch.context() as m:
            seen = calls_of_python(m)
            for _ in range(5):
                g(-1.5)
            assert not seen, name


@pytest.mark.skipif(not watch.known(), reason="the layouts of this Python are not known")
def test_a_table_that_has_moved_costs_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    g = lj.jit(lambda x: RATE * x)
    g(1.5)
    for i in range(300):
        globals()[f"_new_{i}"] = i
    seen = calls_of_python(monkeypatch)
    assert [g(1.5) for _ in range(20)] == [3.0] * 20
    assert len(seen) <= 1
    assert len(g.specialisations) == 1
    for i in range(300):
        del globals()[f"_new_{i}"]


def test_the_same_value_once_more_does_not_compile_again() -> None:
    m = Model(2.0)
    g = lj.jit(lambda x: m.k * x)
    for _ in range(5):
        m.k = float("2.0")
        assert g(3.0) == 6.0
    assert len(g.specialisations) == 1
    m.k = 2  # type: ignore[assignment]
    assert type(g(3)) is int  # and 2 is not 2.0


def test_what_was_before_is_found_again() -> None:
    m = Model(1.0)
    g = lj.jit(lambda x: m.k * x)
    for i in range(10):
        m.k = float(i % 2)
        assert g(3.0) == 3.0 * (i % 2)
    assert [row.calls for row in g.specialisations] == [5, 5]


def test_an_inner_change_makes_no_other_program_stale() -> None:
    """What the trace itself makes and writes is no read."""

    def f(x: Any) -> Any:
        model = Model(1.0)
        model.k = 3.0
        local = {"a": 1.0}
        local["a"] = model.k
        items = [local["a"]]
        items.append(2.0)
        return items[0] * model.k * x

    g = lj.jit(f)
    assert [g(2.0) for _ in range(3)] == [18.0] * 3
    (family,) = g._dispatcher.made.values()
    (found,) = family
    assert not any(
        isinstance(r, (places.Attribute, places.Contents)) or (isinstance(r, places.Item) and r.name == "a") for r in found.traced.reads
    )


def test_a_cache_that_is_filled_while_tracing() -> None:
    class Lazy:
        table: Any = None

        def value(self, x: Any) -> Any:
            if self.table is None:
                self.table = [3.0]
            return self.table[0] * x

    lazy = Lazy()
    g = lj.jit(lazy.value)
    assert [g(2.0) for _ in range(4)] == [6.0] * 4
    assert len(g.specialisations) == 1
    lazy.table = [5.0]
    assert g(2.0) == 10.0


def test_a_module_that_is_loaded_again(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    source = "SCALE = {0}\n\ndef scaled(x):\n    return x * {0} * SCALE\n"
    path = tmp_path / "lantern_reloaded.py"
    path.write_text(source.format(2.0))
    module = importlib.import_module("lantern_reloaded")
    g = lj.jit(lambda x: module.scaled(x))
    assert g(1.0) == 4.0
    path.write_text(source.format(3.0))
    importlib.invalidate_caches()
    importlib.reload(module)
    assert g(1.0) == 9.0


V, LONG, SMALL = np.arange(4.0), np.arange(1000.0), np.arange(4, dtype=np.int16)
HUGE, SINGLE = np.arange(5000.0), np.arange(5, dtype=np.float32)
UNNAMED, WAVE = np.arange(6.0).reshape(2, 3), np.exp(1j * np.arange(3))  # nothing else names the memory of the first
STRIDED, BACKWARD, MASK = np.arange(8.0)[::2], np.arange(4.0)[::-1], np.array([0, 2])


def unpacked(x: Any) -> Any:
    a, b, c, d = V
    return a * x + b * c * d


def numbered(x: Any) -> Any:
    s = 0.0
    for i, v in enumerate(V):
        s = s + i * v * x
    return s


SPELLINGS: dict[str, tuple[Any, Any]] = {
    "whole": (V, lambda x: np.sum(V * x)),
    "element": (V, lambda x: V[1] * x),
    "element of a view": (V, lambda x: V[1:][0] * x),
    "converted": (V, lambda x: float(V[1]) * x),
    "method": (V, lambda x: V.sum() * x),
    "function": (V, lambda x: np.sum(V) * x),
    "arithmetic": (V, lambda x: (V + 1)[2] * x),
    "sign": (V, lambda x: (-V)[2] * x),
    "slice": (V, lambda x: np.sum(V[::2] * x)),
    "stack": (V, lambda x: np.sum(np.stack([V, V]) * x)),
    "generator": (V, lambda x: sum(v * x for v in V)),
    "comprehension": (V, lambda x: [v * x for v in V][2]),
    "list": (V, lambda x: list(V)[2] * x),
    "unpacking": (V, unpacked),
    "loop": (V, numbered),
    "condition": (V, lambda x: x * x if V[0] == 0.0 else x),
    "strided": (STRIDED, lambda x: np.sum(STRIDED * x)),
    "backward": (BACKWARD, lambda x: np.sum(BACKWARD * x)),
    "small dtype": (SMALL, lambda x: np.sum(SMALL * x)),
    "chosen": (MASK, lambda x: np.sum(V[MASK - MASK[0]] * x)),
    "many elements": (LONG, lambda x: LONG.sum() * x),
    "very many elements": (HUGE, lambda x: HUGE.sum() * x),
    "float32": (SINGLE, lambda x: float(SINGLE[1:4].sum()) * x),
    "sorted": (SINGLE, lambda x: float(SINGLE[np.argsort(-SINGLE)][0]) * x),
    "a view as it is": (UNNAMED, lambda x: np.asarray(UNNAMED).sum() * x),
    "a view of it": (UNNAMED, lambda x: UNNAMED.ravel()[1:].sum() * x),
    "a view, chosen": (UNNAMED, lambda x: np.square(UNNAMED[UNNAMED > 1.0])[0] * x),
    "complex": (WAVE, lambda x: (WAVE * WAVE.conj()).real.sum() * x),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_captured_arrays_that_change_in_place(name: str) -> None:
    array, f = SPELLINGS[name]
    g, gradient, plain = lj.jit(f), lj.jit(lj.grad(f)), lj.grad(f)
    kept = array.copy()
    try:
        for _ in range(3):
            slope = (f(2.5 + 1e-6) - f(2.5 - 1e-6)) / 2e-6
            assert g(2.5) == pytest.approx(f(2.5), rel=1e-13)
            assert gradient(2.5) == pytest.approx(slope, rel=1e-6)
            assert plain(2.5) == pytest.approx(slope, rel=1e-6)
            if name == "chosen":
                array[1] = array[0] + 1
            else:
                array += 1
    finally:
        array[...] = kept


@pytest.mark.skipif(not watch.known(), reason="the layouts of this Python are not known")
def test_captured_arrays_are_compared_in_native_code(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (_, f) in SPELLINGS.items():
        g = lj.jit(f)
        g(2.5)
        with monkeypatch.context() as m:
            seen = calls_of_python(m)
            for _ in range(5):
                g(2.5)
            assert bool(seen) == (name == "very many elements"), name


def test_what_has_no_words_is_seldom_asked_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    g, asked = lj.jit(lambda x: HUGE.sum() * x), []
    words_of = watch.words_of
    monkeypatch.setattr(watch, "words_of", lambda reads: asked.append(reads) or words_of(reads))
    assert [g(2.0) for _ in range(100)] == [2.0 * HUGE.sum()] * 100
    assert len(asked) < 10


def flagged(x: Any) -> Any:
    order = np.argsort(-V)
    kept, s = (V > 0.0)[order], 0.0
    for i in range(3):
        if kept[i]:
            s = s + x * V[:, None][order][i, 0]
    return s


MADE_WHILE_TRACING: list[tuple[Callable[[Any], Any], int]] = [  # how many arrays from outside they look at
    (lambda x: np.sum((np.linspace(0.0, 1.0, 4) + 1.0) * x), 0),
    (lambda x: x * np.square(np.sin(V) - np.cos(V)).sum(), 1),
    (lambda x: x * (V[MASK][::-1] ** 2).sum(), 2),
    (lambda x: x * ((UNNAMED - 1.0) ** 2).sum(axis=-1).max(), 1),
    (flagged, 2),
]


def test_arrays_that_the_trace_makes_are_no_reads() -> None:
    for f, n in MADE_WHILE_TRACING:
        g = lj.jit(f)
        assert g(2.0) == pytest.approx(f(2.0), rel=1e-14)
        (family,) = g._dispatcher.made.values()
        (found,) = family
        assert len([r for r in found.traced.reads if isinstance(r, places.Elements)]) == n


def test_functions_for_c_are_made_of_what_there_is_now() -> None:
    m = Model(2.0)
    g = lj.jit(lambda x: m.k * x)
    old = g.ctypes
    assert old(3.0) == 6.0
    m.k = 5.0
    assert g.ctypes(3.0) == 15.0
    assert old(3.0) == 6.0  # compiled for what there was, and still there


def test_objects_are_kept_by_no_guard_of_theirs() -> None:
    g = lj.jit(Model.scaled)
    m = Model(2.0)
    assert g(m, 3.0) == 18.0
    m.k = 3.0
    assert g(m, 3.0) == 27.0
    gone = weakref.ref(m)
    del m
    gc.collect()
    assert gone() is None

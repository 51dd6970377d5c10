"""Calls of a form that was seen before go to native code without their arguments being looked up: keywords, configuration, objects, complex numbers."""

from __future__ import annotations

import enum
import gc
import weakref
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import Function, close, copied, same, specialisations
from .test_native_call import Pair, flattened


class Mode(enum.Enum):
    DOUBLE = "double"
    TRIPLE = "triple"


@dataclass
class Body:
    x: Any
    v: Any = 2.0
    name: str = "body"


@dataclass(frozen=True)
class One:
    x: Any


@dataclass
class Empty:
    pass


class Scaled:
    def __init__(self, k: float) -> None:
        self.k = k

    @lj.jit
    def times(self, x: Any) -> Any:
        return x * self.k


class Other(Body):
    pass


USERS = ("Body", "Other", "One", "Empty", "Pair", "body", "sun")


def f(x: Any, y: Any = 3.0, *more: Any, mode: Any = "double", scale: Any = 1.0, **rest: Any) -> Any:
    """Uses all that it is given, and gives the kinds of it back."""
    factor = 3.0 if mode in ("triple", Mode.TRIPLE) else 5.0 if mode is None else mode(2.0) if callable(mode) else 2.0
    out, kinds = scale * factor, []
    todo = [x, y, *more, *rest.values()]
    while todo:
        v = todo.pop(0)
        kinds.append(type(v).__name__)
        if isinstance(v, (Body, Other)):
            todo += [v.x, v.v]
            kinds.append(v.name)
        elif isinstance(v, One):
            todo.append(v.x)
        elif isinstance(v, (tuple, list, deque)):
            todo += list(v)
        elif isinstance(v, dict):
            todo += v.values()
        elif v is not None and not isinstance(v, (str, Empty)):
            out = out * np.sum(v) + 0.5
    return out, kinds, [*rest]


def alike(found: Any, wanted: Any) -> None:
    """The same number, from the same words and as many parts."""
    close(found[0], wanted[0])
    assert found[2] == wanted[2]
    assert len(found[1]) == len(wanted[1])
    assert [k for k in found[1] if k in USERS] == [k for k in wanted[1] if k in USERS]


def call(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs


A = np.arange(1.0, 4.0)
CALLS: dict[str, tuple[Any, Any]] = {
    "positions": (call(2.0, 1.5), call(0.5, 2.5)),
    "a keyword": (call(2.0, y=1.5), call(0.5, y=2.5)),
    "two keywords": (call(2.0, scale=2.0, y=1.5), call(0.5, scale=3.0, y=2.5)),
    "in another order": (call(2.0, y=1.5, scale=2.0), call(0.5, y=2.5, scale=3.0)),
    "all by keyword": (call(x=2.0, y=1.5), call(x=0.5, y=2.5)),
    "other names": (call(2.0, p=1.5, q=A), call(0.5, p=2.5, q=2.0 * A)),
    "the same, renamed": (call(2.0, q=1.5, p=A), call(0.5, q=2.5, p=2.0 * A)),
    "a word": (call(2.0, mode="triple"), call(0.5, mode="triple")),
    "another word": (call(2.0, mode="double"), call(0.5, mode="double")),
    "an enum's member": (call(2.0, mode=Mode.TRIPLE), call(0.5, mode=Mode.TRIPLE)),
    "another member": (call(2.0, mode=Mode.DOUBLE), call(0.5, mode=Mode.DOUBLE)),
    "None": (call(2.0, mode=None), call(0.5, mode=None)),
    "a function": (call(2.0, mode=abs), call(0.5, mode=abs)),
    "another function": (call(2.0, mode=np.sin), call(0.5, mode=np.sin)),
    "a partial": (call(2.0, mode=partial(pow, 2.0)), call(0.5, mode=partial(pow, 2.0))),
    "None by position": (call(2.0, None), call(0.5, None)),
    "a named tuple": (call(Pair(2.0, A)), call(Pair(0.5, 3.0 * A))),
    "a tuple": (call((2.0, A)), call((0.5, 3.0 * A))),
    "a data class": (call(Body(2.0)), call(Body(0.5, 1.5))),
    "with another name": (call(Body(2.0, name="sun")), call(Body(0.5, 1.5, name="sun"))),
    "a class of that": (call(Other(2.0)), call(Other(0.5, 1.5))),
    "one field": (call(One(2.0)), call(One(0.5))),
    "no fields": (call(2.0, Empty()), call(0.5, Empty())),
    "containers in these": (call(Body([2.0, A], {"k": Pair(1.0, (A,))})), call(Body([0.5, 2.0 * A], {"k": Pair(3.0, (A,))}))),
    "complex": (call(2.0 + 1j), call(0.5j)),
    "NumPy's complex": (call(np.complex64(2.0 + 1j)), call(np.complex64(0.5j))),
    "a complex array": (call(A + 1j, 2.0), call(2.0 * A - 1j, 0.5)),
    "of 32 bits": (call((A + 1j).astype(np.complex64), 2.0), call((2.0 * A - 1j).astype(np.complex64), 0.5)),
    "complex in containers": (call({"z": [A + 1j, 2j]}), call({"z": [A * 1j, 1j]})),
    "real in their place": (call({"z": [A, 2.0]}), call({"z": [2.0 * A, 1.0]})),
    "pairs of floats": (call(np.stack([A, A], -1), 2.0), call(np.stack([A, 2.0 * A], -1), 0.5)),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_second_call_is_not_looked_up(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, jitted = flattened(monkeypatch), lj.jit(f)
    for args, kwargs in [*CALLS[name], *CALLS[name]]:
        alike(jitted(*args, **kwargs), f(*args, **kwargs))
    assert len(calls) == 1


@pytest.mark.parametrize("first", [0, 7, 14, 21])
def test_forms_are_told_apart(first: int) -> None:
    jitted = lj.jit(f)
    forms = [*CALLS.values()][first : first + 10]
    for _ in range(3):
        for args, kwargs in [k for form in forms for k in form]:
            alike(jitted(*args, **kwargs), f(*args, **kwargs))


def test_what_is_compiled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = flattened(monkeypatch)
    jitted = lj.jit(lambda x, n, k: (x * n, type(n).__name__, k), static_argnums=(1, -1))
    for n in (3, 3.0, True, 3, 1, (1, 2), (1, True)):
        calls.clear()
        for x in (1.0, 2.0, 4.0):
            same(
                jitted(x, n if not isinstance(n, tuple) else len(n), n),
                (x * (n if not isinstance(n, tuple) else len(n)), type(n).__name__ if not isinstance(n, tuple) else "int", n),
            )
        assert len(calls) <= 3
    named = lj.jit(lambda x, *, n: x**n, static_argnames="n")
    calls.clear()
    assert [named(x, n=n) for n in (2, 3) for x in (1.0, 2.0)] == [1.0, 4.0, 1.0, 8.0]
    assert len(calls) == 2


def test_a_container_of_another_kind_is_not_a_leaf() -> None:
    jitted = lj.jit(f)
    for _ in range(2):
        for x in (2.0, deque([2.0, 1.0]), OrderedDict(a=2.0), A, [deque([1.0]), 2.0], [1.0, 2.0]):
            alike(jitted(copied(x)), f(x))


def test_methods_follow_their_object(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = flattened(monkeypatch)
    objects = [Scaled(float(k)) for k in range(1, 7)]
    for _ in range(2):
        assert [o.times(2.0) for o in objects] == [2.0 * k for k in range(1, 7)]
    one = objects[0]
    calls.clear()
    assert [one.times(x) for x in (1.0, 2.0)] == [1.0, 2.0]
    assert not calls
    one.k = 10.0
    assert [one.times(x) for x in (1.0, 2.0)] == [10.0, 20.0]
    assert len(calls) == 1


def test_no_object_is_kept() -> None:
    for _ in range(8):
        o = Scaled(2.0)
        assert [o.times(1.0), o.times(2.0)] == [2.0, 4.0]
        gone = weakref.ref(o)
        del o
        gc.collect()
        assert gone() is None


def test_objects_that_are_gone_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = flattened(monkeypatch)
    for k in range(8):
        o = Scaled(float(k))
        o.times(1.0)
        calls.clear()
        assert o.times(2.0) == 2.0 * k
        assert not calls
        del o
        gc.collect()


@dataclass
class Counted:
    n: Any
    history: Any = field(default_factory=lambda: np.zeros(3))

    def step(self, x: Any) -> Any:
        self.n = self.n + 1
        self.history[self.n % 3] = x
        return x * self.n


def test_objects_are_written_as_by_python(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, jitted = flattened(monkeypatch), lj.jit(lambda c, x, z, *, out: (c.step(x), out.__setitem__(0, x), z.__imul__(2j))[0])
    mine, theirs = Counted(0), Counted(0)
    a, b, z, w = np.zeros(2), np.zeros(2), A + 1j, A + 1j
    for k in range(6):
        same(jitted(mine, k + 0.5, z, out=a), theirs.step(k + 0.5))
        b[0], w = k + 0.5, w * 2j
        same((mine.n, mine.history, a, z), (theirs.n, theirs.history, b, w))
    assert len(calls) == 1


def test_derivatives_by_keyword() -> None:
    g = lj.jit(lj.grad(lambda p, x, power=2: (p.x * x) ** power, argnums=0))
    for x in (1.0, 2.0, 3.0):
        assert g(Body(2.0), x=x, power=2).x == 4.0 * x * x
        assert g(Body(2.0), x, power=3).x == 12.0 * x**3


def test_errors_of_calls_are_python_s() -> None:
    jitted = lj.jit(lambda x, *, y=1.0: x * y)
    assert [jitted(2.0, y=k) for k in (1.0, 2.0)] == [2.0, 4.0]
    wrong: list[Function] = [lambda: jitted(2.0, z=1.0), lambda: jitted(y=1.0), lambda: jitted(2.0, 3.0), lambda: jitted(2.0, x=1.0)]
    for call_ in wrong:
        with pytest.raises(TypeError):
            call_()
    assert jitted(2.0, y=3.0) == 6.0
    assert specialisations(jitted) == 1


def test_a_method_of_an_object_that_is_captured() -> None:
    """What was read of an instance is not looked at when it is gone."""

    class Config:
        def __init__(self, k: float) -> None:
            self.k, self.more = k, {"of": Scaled(k)}

    held = [Config(2.0)]
    jitted = lj.jit(lambda x: x * held[0].k * held[0].more["of"].k)
    for k in range(20):
        held[0] = Config(float(k))
        gc.collect()
        assert [jitted(1.0), jitted(2.0), jitted(3.0)] == [k * k, 2.0 * k * k, 3.0 * k * k]


def test_nothing_is_looked_at_of_an_instance_that_is_gone() -> None:
    from lantern_jit.backends.llvm.call.watch import Watch
    from lantern_jit.ir.objects.places import Attribute

    one = Scaled(2.0)
    watch = Watch([Attribute(one, "k")])
    if not watch.refresh():
        pytest.skip("this Python's objects are not watched")
    words = list(watch._table)
    assert words[0]
    del one
    gc.collect()
    assert list(watch._table) != words
    assert not watch.refresh()

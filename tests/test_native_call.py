"""Calling a jitted function from Python: what arguments and results may look like, and what happens after a wrong call."""

from __future__ import annotations

import decimal
import functools
import gc
import inspect
import itertools
import math
import re
import warnings
import weakref
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors
from lantern_jit.dispatcher import Dispatcher

from .support import copied, same, specialisations

HERE = Path(__file__).name
Function = Callable[..., Any]


def thrice(f: Function, *args: Any, **kwargs: Any) -> Any:
    """f(*args): compiled, then found, then found by native code; all the same."""
    first = f(*args, **kwargs)
    for _ in range(2):
        same(f(*args, **kwargs), first)
    return first


# ---- scalars
def double(x: Any) -> Any:
    return x * 2


def identity(x: Any) -> Any:
    return x


SCALARS: list[tuple[Any, Any]] = [
    (1.5, 3.0),
    (3, 6),
    (True, 2),
    (np.float64(1.5), 3.0),
    (np.float32(1.5), np.float32(3.0)),
    (np.int64(3), 6),
    (np.int32(3), 6),
    (np.int8(3), 6),
    (np.uint8(200), 400),
    (np.uint64(7), 14),
    (np.bool_(True), 2),
    (np.array(1.5), 3.0),
    (np.array(1.5, np.float32), np.float32(3.0)),
    (np.array(3), 6),
    (np.array(True), 2),
    (np.array(1.5, ">f8"), 3.0),
    (np.array([1.5, 2.5])[0], 3.0),
    (np.broadcast_to(np.float64(1.5), ()), 3.0),
]


@pytest.mark.parametrize(("x", "expected"), SCALARS, ids=[f"{type(x).__name__}-{x!r}" for x, _ in SCALARS])
def test_scalars(x: Any, expected: Any) -> None:
    same(thrice(lj.jit(double), x), expected)


def test_scalars_of_all_kinds_in_one_function() -> None:
    f = lj.jit(double)
    for _ in range(3):
        for x, expected in SCALARS:
            same(f(x), expected)


@pytest.mark.parametrize(
    "x", [0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308, 0, -1, 2**63 - 1, -(2**63), True, False]
)
def test_values_arrive_to_the_last_bit(x: Any) -> None:
    same(thrice(lj.jit(identity), x), x)
    same(thrice(lj.jit(lambda v: v["k"][0]), {"k": (x,)}), x)


@pytest.mark.parametrize("x", [np.float32(0.1), np.float32(-0.0), np.float32(math.inf), np.float32(1e-45)])
def test_float32_arrives_to_the_last_bit(x: Any) -> None:
    same(thrice(lj.jit(identity), x), x)


def test_results_are_pythons_own_objects() -> None:
    f = lj.jit(lambda x: (x > 1.0, x < 1.0, x, x * 2))
    a, b, c, d = f(2.0)
    assert (a is True, b is False) == (True, True)
    assert (type(c), type(d)) == (float, float)


# ---- arrays
def weighted(a: Any) -> float:
    s = 0.0
    for i in range(len(a)):
        s += a[i] * (i + 1)
    return s


def weighted2(a: Any) -> float:
    s = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            s += a[i, j] * (10 * i + j)
    return s


def weighted3(a: Any) -> float:
    s = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            for k in range(a.shape[2]):
                s += a[i, j, k] * (100 * i + 10 * j + k)
    return s


class Plain(np.ndarray):
    """A subclass that changes nothing."""


class Named(np.ndarray):
    """A subclass with an attribute, as NumPy's documentation has it."""

    def __array_finalize__(self, obj: Any) -> None:
        self.info = getattr(obj, "info", None)


def unaligned(a: Any) -> Any:
    raw = np.zeros(a.nbytes + 1, np.uint8)[1:]
    out = raw.view(a.dtype).reshape(a.shape)
    out[...] = a
    assert not out.flags.aligned or a.dtype.itemsize == 1
    return out


def read_only(a: Any) -> Any:
    a = a.copy()
    a.flags.writeable = False
    return a


BASE = np.arange(1.0, 13.0) ** 1.5
FORMS: dict[str, Function] = {
    "contiguous": lambda a: a,
    "strided": lambda a: np.repeat(a, 3)[::3],
    "reversed": lambda a: a[::-1],
    "read-only": read_only,
    "zero-length": lambda a: a[:0],
    "one element": lambda a: a[:1],
    "unaligned": unaligned,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "unaligned big-endian": lambda a: unaligned(a.astype(a.dtype.newbyteorder(">"))),
    "broadcast": lambda a: np.broadcast_to(a[:1], (7,)),
    "field of a record": lambda a: np.rec.fromarrays([np.zeros(len(a), np.int8), a], names="x,y")["y"],
    "subclass": lambda a: a.view(Plain),
    "subclass with an attribute": lambda a: a.view(Named),
    "strided subclass": lambda a: np.repeat(a, 2).view(Plain)[::2],
    "recarray": lambda a: a.view(np.recarray),
    "dtype with metadata": lambda a: a.astype(np.dtype(a.dtype, metadata={"unit": "m"})),
    "from a buffer": lambda a: np.frombuffer(a.tobytes(), a.dtype),
    "from a memoryview": lambda a: np.asarray(memoryview(a)),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.bool_])
@pytest.mark.parametrize("form", FORMS)
def test_one_dimensional_arrays(form: str, dtype: Any) -> None:
    a = FORMS[form](BASE.astype(dtype) if dtype is not np.bool_ else np.arange(12) % 3 == 0)
    before, f = np.array(a), lj.jit(weighted)
    expected = weighted(np.array(a, dtype).tolist())
    for _ in range(3):
        assert f(a) == pytest.approx(expected, rel=1e-6 if dtype is np.float32 else 1e-13)
        assert f(np.ones(2, dtype)) == 3.0  # the usual form in between
    np.testing.assert_array_equal(a, before)


MATRICES: dict[str, Function] = {
    "C": lambda m: m,
    "Fortran": np.asfortranarray,
    "transposed": lambda m: m.T,
    "every other column": lambda m: m[:, ::2],
    "every other row": lambda m: m[::2],
    "reversed": lambda m: m[::-1, ::-1],
    "no rows": lambda m: m[:0],
    "no columns": lambda m: m[:, :0],
    "one column": lambda m: m[:, 1:2],
    "unaligned": unaligned,
    "read-only Fortran": lambda m: read_only(np.asfortranarray(m)),
    "big-endian Fortran": lambda m: np.asfortranarray(m).astype(">f8"),
    "broadcast": lambda m: np.broadcast_to(m[0], (3, 4)),
}


@pytest.mark.parametrize("form", MATRICES)
def test_matrices(form: str) -> None:
    m = MATRICES[form](np.arange(12.0).reshape(3, 4) ** 1.3)
    before = np.array(m)
    assert thrice(lj.jit(weighted2), m) == pytest.approx(float(weighted2(before)), rel=1e-13)
    np.testing.assert_array_equal(m, before)


def test_arrays_of_three_axes() -> None:
    f, m = lj.jit(weighted3), np.arange(60.0).reshape(3, 4, 5)
    for a in (m, m.T, m.transpose(1, 0, 2), m[:, ::2, ::-1], np.asfortranarray(m), m[:, :0], m[:0]):
        assert f(a) == pytest.approx(float(weighted3(a)), rel=1e-13)


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_memory_mapped_arrays(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "numbers"
    BASE.tofile(path)
    mapped: Any = np.memmap(path, np.float64, mode)  # type: ignore[call-overload]
    f = lj.jit(weighted)
    for _ in range(3):
        assert f(mapped) == pytest.approx(weighted(BASE), rel=1e-13)
        assert f(mapped[::2]) == pytest.approx(weighted(BASE[::2]), rel=1e-13)
    f = lj.jit(lambda a: clears(a))
    if mode == "r":
        with pytest.raises(ValueError, match="read-only"):
            f(mapped)
    else:
        assert f(mapped) == 12.0
    np.testing.assert_array_equal(np.fromfile(path), np.ones(12) if mode == "r+" else BASE)


with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of NumPy 2.5 on
    CHARACTERS = np.char.array(["a"])

REFUSED: list[tuple[Any, str]] = [
    (np.ones((1, 2)).view(np.matrix), "numpy.matrix"),
    (np.ma.array([1.0, 2.0], mask=[False, True]), "MaskedArray"),
    (CHARACTERS, "numpy.char.chararray"),
    (np.ones(2, np.uint64), "uint64"),
    (np.ones(2, np.longdouble), str(np.dtype(np.longdouble))),
    (np.array([1, None]), "object"),
    (np.array(["a"]), "<U1"),
    (np.zeros(2, "f8,f8"), "f0"),
    (np.array(["2020-01-01"], "M8[D]"), "datetime64"),
    (decimal.Decimal(1), "Decimal"),
    (Fraction(1, 2), "Fraction"),
    ({1.0}, "set"),
    (object(), "object"),
    (np.longdouble(1), str(np.dtype(np.longdouble))),
    (memoryview(b"x"), "memoryview"),
]


@pytest.mark.parametrize(("bad", "name"), REFUSED, ids=[name for _, name in REFUSED])
def test_arguments_that_are_refused(bad: Any, name: str) -> None:
    f = lj.jit(lambda x, y: 2.0)
    for _ in range(3):
        for args in ((bad, 1.0), (1.0, bad), (1.0, [0.0, bad])):
            with pytest.raises(errors.ArgumentTypeError, match=re.escape(name)) as found:
                f(*args)
            assert "argument" in str(found.value)
        assert f(1.0, 1.0) == 2.0
        assert f(1.0, BASE) == 2.0


# ---- keyword arguments, defaults, static arguments
def linear(x: Any, y: Any = 2.0, *, z: Any = 3.0) -> Any:
    """x * y + z"""
    return x * y + z


CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((1.0,), {}),
    ((1.0, 4.0), {}),
    ((1, 4), {"z": 5}),
    ((), {"x": 1.0}),
    ((), {"y": 2.0, "x": 1.5}),
    ((), {"x": 1.5, "y": 2.0}),
    ((1.0,), {"y": np.float32(2.0)}),
    ((1.0,), {"z": True}),
]


def test_keywords_and_defaults() -> None:
    f = lj.jit(linear)
    for _ in range(3):
        for args, kwargs in CALLS:
            assert f(*args, **kwargs) == linear(*args, **kwargs)


def test_other_parameters() -> None:
    total = lj.jit(lambda *a: sum(a))
    minus = lj.jit(lambda x, /, y: x - y)
    difference = lj.jit(lambda **k: k["a"] - k["b"])
    both = lj.jit(lambda x, *rest, scale=1.0, **more: (x + sum(rest)) * scale + sum(more.values()))
    for _ in range(3):
        assert [total(), total(1.0), total(1, 2.0, 3)] == [0, 1.0, 6.0]
        assert total(*map(float, range(300))) == 44850.0
        assert [minus(1.0, 2.0), minus(1.0, y=2.0)] == [-1.0, -1.0]
        assert [difference(a=1.0, b=3.0), difference(b=3.0, a=1.0)] == [-2.0, -2.0]
        assert both(1.0, 2.0, 3, scale=2.0, extra=0.5) == 12.5
        assert both(1.0) == 1.0


def test_calls_through_other_callers() -> None:
    f = lj.jit(linear)
    assert list(map(f, [1.0, 2.0, 3], [4, 5.0, 6])) == [7.0, 13.0, 21.0]
    assert functools.partial(f, 2.0, z=1.0)(3.0) == 7.0
    assert functools.partial(f, y=4.0)(3.0) == 15.0
    assert functools.reduce(lj.jit(lambda a, b: a * b), [1.0, 2.0, 3.0, 4.0]) == 24.0
    assert sorted([3.0, -4.0, 1.0], key=lj.jit(lambda x: x * x)) == [1.0, 3.0, -4.0]
    assert f.__call__(1.0, z=1.0) == 3.0
    assert f(*(1.0, 2.0), **{"z": 4.0}) == 6.0
    np.testing.assert_array_equal(np.vectorize(lj.jit(double))(np.arange(3.0)), [0.0, 2.0, 4.0])
    np.testing.assert_array_equal(np.apply_along_axis(lj.jit(weighted), 1, np.ones((2, 3))), [6.0, 6.0])


def choose(x: float, how: str, n: Any = 2) -> Any:
    if how == "power":
        return x**n
    return x + n if how == "sum" else (x, how, n)


def test_static_arguments() -> None:
    f = lj.jit(choose, static_argnums=(1, 2))
    for _ in range(3):
        assert [f(2.0, "power", 3), f(2.0, "sum", 3), f(3.0, "power", 3), f(2.0, "power")] == [8.0, 5.0, 27.0, 4.0]
        assert f(1.0, "as it is", (1, 2.5)) == (1.0, "as it is", (1, 2.5))
        assert f(2, "sum", 3) == 5
    with pytest.raises(TypeError, match="a static argument of `choose` cannot be hashed"):
        f(2.0, "power", [3])
    assert f(2.0, "power", 3) == 8.0


def test_static_arguments_counted_from_the_end() -> None:
    f = lj.jit(lambda x, how: x if how == "a" else -x, static_argnums=-1)
    for _ in range(3):
        assert [f(2.0, "a"), f(2.0, "b"), f(3.0, "a")] == [2.0, -2.0, 3.0]


def test_equal_static_arguments_of_other_types_are_others() -> None:
    f = lj.jit(lambda x, n: x * n, static_argnums=1)
    for _ in range(3):
        for n in (2, 2.0, True, 1, 1.0, np.float32(2), np.int64(2)):
            same(f(3, n), 3 * n if not isinstance(n, np.generic) else (np.float32(3) * n if n.dtype.kind == "f" else 6))
    sign = lj.jit(lambda x, s: math.copysign(x, s), static_argnums=1)
    assert [sign(1.0, 0.0), sign(1.0, -0.0), sign(1.0, 0.0)] == [1.0, -1.0, 1.0]


def test_equal_static_containers_of_other_types_are_others() -> None:
    f = lj.jit(lambda x, t: x * t[0], static_argnums=1)
    for _ in range(2):
        for t in ((2,), (2.0,), (True,), (1,), (1.0,)):
            same(f(3, t), 3 * t[0])
    sign = lj.jit(lambda x, s: math.copysign(x, s[0]), static_argnums=1)
    assert [sign(1.0, (0.0,)), sign(1.0, (-0.0,))] == [1.0, -1.0]


# ---- containers
class Pair(NamedTuple):
    a: Any
    b: Any


@dataclass
class Body:
    x: Any
    v: Any


@dataclass(frozen=True)
class Rates:
    birth: Any
    death: Any


TREES: list[Any] = [
    (1.0, 2.0),
    [1.0, 2, True],
    {"a": 1.0, "b": 2.0},
    {2: 1.0, "b": 2.0, (1, 2): 3.0},
    OrderedDict(b=1.0, a=2.0),
    defaultdict(float, a=1.0),
    Pair(1.0, Pair(2, [3.0, {"k": True}])),
    Body(1.0, (2.0, Rates(3.0, 4))),
    {"rates": [Rates(1.0, np.float32(2.0)), Rates(3.0, None)], "none": None, "empty": [(), [], {}]},
    (((((1.0,),),),),),
    [np.arange(3.0), {"m": np.ones((2, 2), np.float32)}, Pair(np.arange(4), np.array([True, False]))],
    (),
    None,
]


@pytest.mark.parametrize("tree", TREES, ids=lambda t: f"{type(t).__name__}")
def test_containers_there_and_back(tree: Any) -> None:
    f, before = lj.jit(identity), copied(tree)
    for _ in range(3):
        out = f(tree)
        same(out, before)
        assert type(out) is type(tree)
        same(lj.jit(lambda x, t: {"t": t, "x": x})(1.5, tree), {"t": before, "x": 1.5})
    same(tree, before)
    if not isinstance(tree, (tuple, type(None))):
        assert f(tree) is not tree


def test_containers_of_all_structures_in_one_function() -> None:
    f = lj.jit(identity)
    for _ in range(3):
        for tree in TREES:
            same(f(tree), tree)
    assert specialisations(f) == len(TREES)


def flattened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Grows by one for each call whose arguments are flattened and looked up."""
    calls: list[Any] = []
    lookup = Dispatcher.lookup
    monkeypatch.setattr(Dispatcher, "lookup", lambda self, *args: (calls.append(args), lookup(self, *args))[1])
    return calls


def total(p: Any, x: Any) -> Any:
    return float(p["w"][0] * x + p["layers"][1]["b"].sum() + len(p["layers"]))


def parameters(scale: float = 1.0) -> Any:
    return {"w": (2.0 * scale, 3), "layers": [{"b": np.arange(3.0)}, {"b": scale * np.arange(4.0), "c": np.ones((2, 2), np.float32)}]}


def test_containers_of_a_known_structure_are_not_flattened(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, f = flattened(monkeypatch), lj.jit(total)
    for k in range(1, 6):
        same(f(parameters(k), 1.5), total(parameters(k), 1.5))
    assert len(calls) == 1
    gradient = lj.jit(lj.grad(lambda p, x: total(p, x)))
    calls.clear()
    for _ in range(3):
        found = gradient({"w": (2.0, 1.0), "layers": [{"b": np.ones(1)}, {"b": np.ones(2)}]}, 1.5)
        assert found["w"] == (1.5, 0.0)
        assert [list(v["b"]) for v in found["layers"]] == [[0.0], [1.0, 1.0]]
    assert len(calls) == 1


@pytest.mark.parametrize("x", [2.0, {"a": 1.0}], ids=["leaves", "containers"])
def test_a_function_that_nobody_has_goes_at_once(x: Any) -> None:
    """And its machine code with it: no collector of garbage is needed for that."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        f = lj.jit(lambda x: x)
        thrice(f, x)
        gone = weakref.ref(f)
        del f
        assert gone() is None
    finally:
        if enabled:
            gc.enable()


CHANGES: dict[str, Callable[[Any], Any]] = {
    "another order of keys": lambda p: dict(reversed(p.items())),
    "another name": lambda p: {**p, "more": 1.0},
    "a list for a tuple": lambda p: {**p, "w": list(p["w"])},
    "one more": lambda p: {**p, "layers": [*p["layers"], {"b": np.ones(1)}]},
    "an int for a float": lambda p: {**p, "w": (2, 3)},
    "NumPy's float": lambda p: {**p, "w": (np.float32(2.0), 3)},
    "another dtype": lambda p: {**p, "layers": [p["layers"][0], {**p["layers"][1], "b": np.arange(4)}]},
    "another rank": lambda p: {**p, "layers": [p["layers"][0], {**p["layers"][1], "b": np.ones((2, 2))}]},
    "every second element": lambda p: {**p, "layers": [p["layers"][0], {**p["layers"][1], "b": np.arange(8.0)[::2]}]},
    "a container for a leaf": lambda p: {**p, "w": ([2.0][0], (3,))},
    "None": lambda p: {**p, "w": (2.0, None)},
    "a subclass": lambda p: OrderedDict(p),
    "no dict": lambda p: {**p, "layers": [None, p["layers"][1]]},
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_structures_and_leaves_are_told_apart(change: str) -> None:
    f = lj.jit(lambda p, x: (total(p, x), p, list(p)))
    other = CHANGES[change](parameters())
    for p in (parameters(), parameters(), other, parameters(2.0), other, other, parameters()):
        wanted = (total(p, 0.5), copied(p), list(p))
        same(f(p, 0.5), wanted)


def test_containers_that_are_written_and_what_is_read_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    rate = {"now": 0.5}

    def step(p: Any, state: Any) -> Any:
        state["n"] = state["n"] + 1
        for k in ("a", "b"):
            p[k] -= rate["now"] * state["m"]
        return float(p["a"].sum())

    calls, f = flattened(monkeypatch), lj.jit(step)
    mine = [{"a": np.ones(3), "b": np.arange(3.0)}, {"n": 0, "m": np.array([1.0, 2.0, 3.0])}]
    theirs = copied(mine)
    for k in range(6):
        rate["now"] = 0.5 if k < 4 else 0.25
        same(f(*mine), step(*theirs))
        same(mine, theirs)
    assert len(calls) == 2  # the first call, and the first with another rate
    shared = np.ones(3)
    p, q = ({"a": a, "b": a} for a in (shared, np.ones(3)))
    same(f(p, {"n": 0, "m": np.ones(3)}), step(q, {"n": 0, "m": np.ones(3)}))
    same(p, q)
    m, n = np.ones(3), np.ones(3)  # the array that is read is written meanwhile
    same(f({"a": m, "b": np.ones(3)}, {"n": 0, "m": m}), step({"a": n, "b": np.ones(3)}, {"n": 0, "m": n}))
    same(m, n)


def test_many_structures_and_errors_in_containers() -> None:
    f = lj.jit(lambda t, i: t[0][i])
    for n in (*range(2, 9), *range(8, 1, -1)):
        t = [np.arange(n * 1.0), *[1.0] * n]
        for _ in range(3):
            same(f(t, 1), 1.0)
        with pytest.raises(IndexError, match="out of bounds"):
            f(t, n)


def mixed(x: float, n: int) -> Any:
    a = np.zeros(n)
    for i in range(n):
        a[i] = x * i
    body = Body(x, (n, "inner", None))
    return {"text": "a string", "none": None, "a": a, "more": [Pair("left", x > 1), (1, 2.5, True, x), Rates(body, "right")]}


def test_results_that_mix_statics_with_values() -> None:
    f = lj.jit(mixed)
    for _ in range(3):
        for args in ((0.5, 3), (2.0, 0), (1.5, 10_000)):
            same(f(*args), mixed(*args))


def test_results_without_values() -> None:
    for result in (None, "text", (), [], {}, (None, "a"), {"k": ["v"]}, 7, 2.5, True):
        same(thrice(lj.jit(lambda x, r=result: r), 1.0), result)
    same(thrice(lj.jit(lambda: 7.5)), 7.5)


def test_a_container_in_a_result_is_new_in_each_call() -> None:
    f = lj.jit(lambda x: {"list": [x, "s"], "d": {"k": None}})
    one = f(1.0)
    one["list"].append(5)
    one["d"]["other"] = 1
    one["new"] = 1
    same(f(2.0), {"list": [2.0, "s"], "d": {"k": None}})


def test_the_order_of_a_dict_is_the_callers() -> None:
    first, listed = lj.jit(lambda d: next(iter(d.values()))), lj.jit(lambda d: {k: 2 * v for k, v in d.items()})
    for d in ({"a": 1.0, "b": 2.0}, {"b": 2.0, "a": 1.0}, {"a": 1.0, "b": 2.0}):
        assert list(listed(d).items()) == [(k, 2 * v) for k, v in d.items()]
        assert first(d) == next(iter(d.values()))


def test_the_order_of_keywords_is_the_callers() -> None:
    f = lj.jit(lambda **k: next(iter(k.values())))
    assert [f(a=1.0, b=2.0), f(b=2.0, a=1.0)] == [1.0, 2.0]


# ---- methods
class Spring:
    count = 3.0

    def __init__(self, k: float) -> None:
        self.k = k

    @functools.partial(lj.jit, static_argnums=0)
    def energy(self, x: float) -> float:
        """0.5 k x^2"""
        return 0.5 * self.k * x * x

    @staticmethod
    @lj.jit
    def square(x: float) -> float:
        return x * x

    @lj.jit
    def outside(x: float) -> float:  # type: ignore[misc]
        return x + 1.0

    @classmethod
    @functools.partial(lj.jit, static_argnums=0)
    def of_class(cls, x: float) -> float:
        return cls.count * x

    class Inner:
        @staticmethod
        @lj.jit
        def cube(x: float) -> float:
            return x * x * x


class Stiff(Spring):
    count = 5.0

    @functools.partial(lj.jit, static_argnums=0)
    def energy(self, x: float) -> float:
        return super().energy(x) + 1.0


@dataclass
class Planet:
    mass: float
    position: tuple[float, float]

    @lj.jit
    def potential(self, g: float = 2.0, *, sign: float = 1.0) -> Any:
        x, y = self.position
        return sign * g * self.mass / math.sqrt(x * x + y * y)

    @property
    @lj.jit
    def heavy(self) -> Any:
        return self.mass > 10

    @lj.jit
    def moved(self, dx: float) -> Any:
        return Planet(self.mass, (self.position[0] + dx, self.position[1]))


def test_methods() -> None:
    soft, hard = Spring(2.0), Spring(4.0)
    for _ in range(3):
        assert [soft.energy(3.0), hard.energy(3.0), Spring.energy(soft, 3.0)] == [9.0, 18.0, 9.0]
        assert [soft.square(3.0), Spring.square(2.0), Spring.Inner.cube(2.0), Spring.outside(2.0)] == [9.0, 4.0, 8.0, 3.0]
        assert [Spring.of_class(2.0), Stiff.of_class(2.0), soft.of_class(2.0)] == [6.0, 10.0, 6.0]


def test_a_method_that_calls_its_super() -> None:
    assert thrice(Stiff(2.0).energy, 3.0) == 10.0


def test_methods_of_dataclasses() -> None:
    p = Planet(3.0, (3.0, 4.0))
    for _ in range(3):
        assert p.potential() == pytest.approx(1.2)
        assert p.potential(1.0, sign=-1.0) == pytest.approx(-0.6)
        assert Planet.potential(p, g=1.0) == pytest.approx(0.6)
        assert (p.heavy, Planet(11.0, (0.0, 0.0)).heavy) == (False, True)
        same(p.moved(1.0), Planet(3.0, (4.0, 4.0)))
    same(p, Planet(3.0, (3.0, 4.0)))


class Scaler:
    def __init__(self, k: float) -> None:
        self.k = k

    def __call__(self, x: float) -> float:
        return self.k * x

    def scale(self, x: float) -> float:
        return self.k * x


def test_callables_of_other_kinds() -> None:
    assert thrice(lj.jit(Scaler(3.0)), 2.0) == 6.0
    assert thrice(lj.jit(Scaler(3.0).scale), 2.0) == 6.0
    assert thrice(lj.jit(functools.partial(linear, 3.0, z=1.0)), 2.0) == 7.0
    assert thrice(lj.jit(math.sin), 0.5) == math.sin(0.5)
    assert thrice(lj.jit(max), 0.5, 1.5) == 1.5
    assert thrice(lj.jit(np.hypot), 3.0, 4.0) == 5.0
    assert thrice(lj.jit(lj.jit(double)), 2.0) == 4.0


# ---- several specialisations
VALUES: list[Any] = [2.0, 3, True, np.float32(2), np.int64(3), np.arange(3.0), [1.0, 2.0]]


def scaled_head(x: Any, y: Any) -> Any:
    head = x[0] if isinstance(x, list) or getattr(x, "ndim", 0) else x
    other = y[1] if isinstance(y, list) or getattr(y, "ndim", 0) else y
    return head + other * 2


def test_many_specialisations_side_by_side() -> None:
    f = lj.jit(scaled_head)
    pairs = list(itertools.product(VALUES, VALUES))
    first = [f(x, y) for x, y in pairs]
    for (x, y), out in zip(pairs, first, strict=True):
        assert out == pytest.approx(float(scaled_head(x, y)))
    for order in (pairs, pairs[::-1], sorted(pairs, key=lambda p: repr(p)[::-1])):
        for x, y in order:
            same(f(x, y), first[next(i for i, p in enumerate(pairs) if p[0] is x and p[1] is y)])
    assert specialisations(f) == len(pairs)


def test_specialisations_by_rank_and_number_of_arguments() -> None:
    f = lj.jit(lambda *a: sum(float(len(x)) if getattr(x, "ndim", 0) else x for x in a))
    calls = [(1.0,) * n for n in range(12)] + [(np.zeros((2,) * r),) for r in range(1, 12)]
    expected = [float(n) for n in range(12)] + [2.0] * 11
    for _ in range(4):
        assert [f(*a) for a in calls] == expected


def test_one_specialisation_serves_all_sizes() -> None:
    f = lj.jit(weighted)
    for n in (0, 1, 2, 3, 100, 5000):
        assert f(np.ones(n)) == n * (n + 1) / 2
    assert specialisations(f) == 1


# ---- wrong calls
WRONG_CALLS: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    ((), {}, r"missing 1 required positional argument: 'x'"),
    ((1.0, 2.0, 3.0), {}, r"takes from 1 to 2 positional arguments but 3 were given"),
    ((1.0,), {"w": 2.0}, r"got an unexpected keyword argument 'w'"),
    ((1.0,), {"x": 2.0}, r"got multiple values for argument 'x'"),
]


@pytest.mark.parametrize(("args", "kwargs", "text"), WRONG_CALLS)
def test_the_wrong_number_of_arguments(args: Any, kwargs: Any, text: str) -> None:
    f = lj.jit(linear)
    for _ in range(3):
        with pytest.raises(TypeError, match=text):
            f(*args, **kwargs)
        assert f(1.0) == 5.0


@pytest.mark.parametrize(("args", "kwargs", "text"), WRONG_CALLS)
def test_an_error_about_arguments_names_the_users_function(args: Any, kwargs: Any, text: str) -> None:
    with pytest.raises(TypeError, match=rf"linear\(\) {text}") as found:
        lj.jit(linear)(*args, **kwargs)
    assert "_ln_" not in str(found.value)


@pytest.mark.parametrize("big", [2**63, -(2**63) - 1, 2**64, 10**30, -(10**4000)])
def test_ints_that_are_too_large(big: int) -> None:
    f = lj.jit(lambda x, n: x + n)
    for _ in range(3):
        for args in ((1.0, big), (big, 1.0)):
            with pytest.raises(errors.IntegerOverflowError, match="does not fit in 64 bits"):
                f(*args)
        with pytest.raises(errors.IntegerOverflowError, match="does not fit in 64 bits"):
            lj.jit(lambda d: d["k"][0])({"k": (big,)})
        assert f(1.0, 2**53) == 1.0 + 2**53
        assert f(1.0, 2) == 3.0
    with pytest.raises(errors.IntegerOverflowError):
        f(1.0, np.uint64(2**63))


def test_the_wrong_thing_in_the_middle_of_good_calls() -> None:
    f, a = lj.jit(lambda x, v, n: x * v[n]), np.arange(5.0)
    bad: list[tuple[tuple[Any, ...], type[BaseException]]] = [
        (({1}, a, 1), errors.ArgumentTypeError),
        ((1.0, a, 5), IndexError),
        ((1.0, a), TypeError),
        ((1.0, a, 1, 2), TypeError),
        ((1.0, a, 2**70), OverflowError),
        ((1.0, a[None].view(np.matrix), 1), errors.ArgumentTypeError),
        ((1.0, None, 1), TypeError),
        ((1.0, 2.0, 1), TypeError),
        ((1.0, a, -6), IndexError),
        ((1.0, a.astype(object), 1), errors.ArgumentTypeError),
    ]
    for k in range(300):
        assert f(2.0, a, k % 5) == 2.0 * (k % 5)
        args, kind = bad[k % len(bad)]
        with pytest.raises(kind):
            f(*args)
        assert f(2.0, a, k % 5) == 2.0 * (k % 5)
    assert specialisations(f) == 1


# ---- exceptions from native code
class OwnError(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code


def element(a: Any, i: int) -> float:
    return a[i] * 2.0


def checked(x: float, n: int) -> float:
    for i in range(n):
        if x < i:
            raise ValueError("too small")
        if x > 1000:
            raise OwnError(7, "too large")
        assert x == x, "not a number"
        x = x - 0.5
    return x


def test_exceptions_many_times_in_a_row() -> None:
    f, g, a = lj.jit(element), lj.jit(checked), np.arange(3.0)
    for k in range(2000):
        with pytest.raises(IndexError) as index:
            f(a, 3 + k)
        assert str(index.value).startswith(f"index {3 + k} is out of bounds for axis 0 with size 3  [{__file__}:")
        with pytest.raises(ValueError, match=r"^too small$"):
            g(2.0, 9)
        with pytest.raises(OwnError) as own:
            g(2000.0, 9)
        assert (own.value.code, own.value.args) == (7, (7, "too large"))
        with pytest.raises(AssertionError, match="not a number"):
            g(math.nan, 9)
        assert (f(a, 2), g(4.0, 2)) == (4.0, 3.0)


def test_exceptions_are_new_and_carry_no_old_traceback() -> None:
    f = lj.jit(checked)
    seen = []
    for _ in range(5):
        with pytest.raises(ValueError, match="too small") as found:
            f(2.0, 9)
        seen.append(found.value)
        assert found.value.__context__ is None
        assert found.value.__cause__ is None
        names = [t.name for t in found.traceback]
        assert len(names) < 6, names
    assert len({id(e) for e in seen}) == 5


def test_an_exception_while_another_is_handled() -> None:
    f = lj.jit(element)
    first = KeyError("first")
    try:
        raise first
    except KeyError:
        with pytest.raises(IndexError) as found:
            f(np.ones(2), 5)
        good = f(np.ones(2), 1)
    assert found.value.__context__ is first
    assert good == 2.0


def test_exceptions_leave_results_and_arguments_of_other_calls_alone() -> None:
    def fills(a: Any, n: int) -> Any:
        out = np.zeros(n)
        for i in range(n):
            a[i] = 7.0
            out[i] = a[i]
        return out

    f, a = lj.jit(fills), np.arange(5000.0)
    kept = [f(a, 5000) for _ in range(3)]
    for _ in range(50):
        with pytest.raises(IndexError, match="index 5000 is out of bounds"):
            f(a, 5001)
    np.testing.assert_array_equal(a, np.full(5000, 7.0))  # as NumPy leaves it
    for out in kept:
        np.testing.assert_array_equal(out, np.full(5000, 7.0))


# ---- what a jitted function is
def test_attributes() -> None:
    f = lj.jit(linear)
    assert f.__wrapped__ is linear
    assert (f.__name__, f.__qualname__, f.__module__, f.__doc__) == ("linear", "linear", __name__, "x * y + z")
    assert f.__annotations__ == linear.__annotations__
    assert inspect.signature(f) == inspect.signature(linear)
    assert inspect.getsource(f) == inspect.getsource(linear)
    assert inspect.unwrap(f) is linear
    assert repr(f) == "<lantern_jit.jit of linear>"
    assert repr(lj.jit(lj.grad(linear))) == "<lantern_jit.jit of grad(linear)>"
    assert repr(lj.jit(Scaler(1.0))) == "<lantern_jit.jit of Scaler>"
    assert callable(f)
    assert f != lj.jit(linear)
    assert {f: 1}[f] == 1


def test_attributes_may_be_set() -> None:
    f = lj.jit(linear)
    f.note = "mine"  # type: ignore[attr-defined]
    assert f.note == "mine"  # type: ignore[attr-defined]
    assert f(1.0) == 5.0


def test_decorators_with_and_without_options() -> None:
    @lj.jit
    def plain(x: float) -> float:
        return x * 2

    @lj.jit(checkpoint="recursion", static_argnums=1)
    def with_options(x: float, n: int) -> float:
        return x * n

    assert (plain(2.0), with_options(2.0, 3)) == (4.0, 6.0)
    assert (plain.__name__, with_options.__name__) == ("plain", "with_options")


def test_a_function_lives_no_longer_than_it_is_needed() -> None:
    import weakref

    f = lj.jit(lambda x, n: np.full(n, x))
    small, big = f(1.0, 3), f(2.0, 100_000)
    alive = weakref.ref(f)
    del f
    gc.collect()
    assert alive() is None
    np.testing.assert_array_equal(small, np.ones(3))  # results outlive the code that made them
    np.testing.assert_array_equal(big, np.full(100_000, 2.0))


# ---- one jitted function inside another
@lj.jit
def inner(x: Any, scale: Any = 2.0) -> Any:
    if x > 0:
        return x * scale
    return -x


@functools.partial(lj.jit, static_argnums=1)
def inner_static(x: float, how: str) -> float:
    return x if how == "a" else -x


@lj.jit
def inner_array(a: Any) -> Any:
    out = np.zeros(len(a))
    for i in range(len(a)):
        out[i] = inner(a[i])
    return out


def test_a_jitted_function_inside_a_traced_one() -> None:
    def outer(x: float, n: int) -> Any:
        s = 0.0
        for _ in range(n):
            s = s + inner(x) + inner(-x, scale=3.0) + inner_static(x, "b")
        return s

    assert thrice(lj.jit(outer), 2.0, 5) == 5 * (4.0 + 2.0 - 2.0)
    assert thrice(lj.jit(lj.grad(outer)), 2.0, 5) == 5 * (2.0 + 1.0 - 1.0)
    assert lj.grad(outer)(2.0, 5) == 10.0
    assert lj.grad(inner)(3.0) == 2.0
    assert thrice(lj.jit(lj.grad(lj.jit(lj.grad(lambda x: x**3)))), 2.0) == 12.0
    np.testing.assert_array_equal(lj.jit(lambda a: inner_array(inner_array(a)))(np.array([1.0, -1.0])), [4.0, 2.0])
    np.testing.assert_array_equal(thrice(lj.jit(lj.jacfwd(inner_array)), np.array([1.0, -1.0])), [[2.0, 0.0], [0.0, -1.0]])


def test_an_error_inside_a_jitted_function_inside_another_names_its_line() -> None:
    g = lj.jit(element)
    with pytest.raises(IndexError, match=rf"{HERE}:{element.__code__.co_firstlineno + 1} in element"):
        lj.jit(lambda a, i: g(a, i) + 1.0)(np.ones(2), 2)


# ---- memory of results and arguments
def clears(a: Any) -> float:
    for i in range(len(a)):
        a[i] = 1.0
    s = 0.0
    for i in range(len(a)):
        s += a[i]
    return s


@pytest.mark.parametrize("form", FORMS)
def test_arguments_are_changed_by_jit_alone(form: str) -> None:
    a = FORMS[form](BASE.copy())
    before, f = np.array(a), lj.jit(clears)
    slope = lj.jit(lj.grad(lambda v: clears(v) + v[0] * v[0] if len(v) else 0.0))
    assert slope(a).shape == a.shape
    np.testing.assert_array_equal(a, before)
    for _ in range(3):
        if a.flags.writeable:
            assert f(a) == len(a)
        else:
            with pytest.raises(ValueError, match="read-only"):
                f(a)
    np.testing.assert_array_equal(a, np.ones(a.shape) if a.flags.writeable else before)


@pytest.mark.parametrize("n", [0, 1, 3, 5000, 100_000])
def test_results_own_their_memory(n: int) -> None:
    a = np.arange(float(n))
    f = lj.jit(lambda v: (v, v, {"again": v}))
    for _ in range(3):
        x, y, z = f(a)[0], f(a)[1], f(a)[2]["again"]
        for one, other in itertools.combinations((a, x, y, z), 2):
            assert not np.shares_memory(one, other)
        x[...] = -1.0
        y[...] = -2.0
        np.testing.assert_array_equal(a, np.arange(float(n)))
        np.testing.assert_array_equal(f(a)[0], a)
        np.testing.assert_array_equal(z, a)


def filled(x: Any, n: int, m: int) -> Any:
    out = np.zeros((n, m))
    for i in range(n):
        for j in range(m):
            out[i, j] = x + 10 * i + j
    return out


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 7), (7, 0), (1, 1), (1, 4095), (1, 4096), (4096, 1), (1, 4097), (300, 300), (64, 64)])
def test_results_of_all_sizes(n: int, m: int) -> None:
    f = lj.jit(filled)
    expected = 0.5 + 10 * np.arange(n)[:, None] + np.arange(m)[None, :]
    kept = []
    for k in range(6):
        out = f(k + 0.5, n, m)
        assert (out.dtype, out.shape, type(out)) == (np.float64, (n, m), np.ndarray)
        assert out.flags.c_contiguous
        assert out.flags.writeable
        assert out.flags.aligned
        np.testing.assert_array_equal(out, expected + k)
        kept.append(out)
        if k % 2:
            out *= -1.0
    for k, out in enumerate(kept):
        np.testing.assert_array_equal(out, (expected + k) * (-1 if k % 2 else 1))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.bool_])
@pytest.mark.parametrize("n", [3, 4096, 32768, 50_000])
def test_results_of_all_types(dtype: Any, n: int) -> None:
    f = lj.jit(lambda a: (a.copy(), np.zeros_like(a), a))
    a = (np.arange(n) % 3).astype(dtype)
    for _ in range(3):
        for out, expected in zip(f(a), (a, np.zeros_like(a), a), strict=True):
            assert (out.dtype, out.shape) == (a.dtype, a.shape)
            np.testing.assert_array_equal(out, expected)


def test_a_view_keeps_a_result_alive() -> None:
    f = lj.jit(filled)
    views = [f(float(k), 1, 100_000)[0, 10:20] for k in range(20)]
    gc.collect()
    for _ in range(20):
        f(-1.0, 1, 100_000)
    for k, v in enumerate(views):
        np.testing.assert_array_equal(v, k + np.arange(10.0, 20.0))


def test_results_as_the_next_arguments() -> None:
    def step(a: Any) -> Any:
        out = np.zeros(len(a))
        for i in range(len(a)):
            out[i] = a[i] + 1.0
        return out

    f = lj.jit(step)
    for n in (3, 20_000):
        a = np.zeros(n)
        for _ in range(100):
            a = f(a)
        np.testing.assert_array_equal(a, np.full(n, 100.0))


def test_results_can_be_resized_pickled_and_sorted() -> None:
    import pickle

    for n in (4, 50_000):
        out = lj.jit(lambda x, n: np.full(n, x))(2.5, n)
        out[0] = 9.0
        out.sort()
        assert out[-1] == 9.0
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(out)), out)
        assert np.concatenate([out, out]).shape == (2 * n,)


CHECK = lj.jit(lj.grad(lambda x: x * x if x > 0 else x))


@pytest.fixture(autouse=True)
def _library_works_after() -> Iterator[None]:
    yield
    assert CHECK(3.0) == 6.0


# ---- what programs of one signature share
def test_an_entry_of_a_signature_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from lantern_jit.backends.llvm.call import python_call

    monkeypatch.setenv("LANTERN_CACHE_DIR", "")
    made: list[str] = []
    compile_it = python_call.object_file
    monkeypatch.setattr(python_call, "object_file", lambda text, optimised: (made.append(text), compile_it(text, optimised))[1])
    programs = [lj.jit(lambda x, n, a, k=k: (x * k, {"b": a * n})) for k in (1.0, 2.0, 3.0)]
    for k, f in enumerate(programs, 1):
        x, found = f(2.5, 3, np.ones((2, 3)))
        assert x == 2.5 * k
        np.testing.assert_array_equal(found["b"], np.full((2, 3), 3.0))
    assert len(made) <= 1
    lj.jit(lambda x, n, a: x * a[0, 0] + n)(np.float64(2.5), 3, np.ones((2, 3)))
    assert len(made) <= 2
    del programs


def test_an_entry_goes_with_the_last_program_that_has_it() -> None:
    from lantern_jit.backends.llvm.call import python_call

    def texts() -> set[Any]:
        gc.collect()
        return set(python_call._LOADED)

    before = texts()
    first, second = (lj.jit(lambda x, y, z, u, v, w, a, k=k: (a, x + y, z * u, v - w * k, w)) for k in (1.0, 2.0))
    given = (1.0, 2.0, 3.0, 4.0, 5.0, 6, np.ones((1, 2, 3)))
    assert first(*given)[3] == -1.0
    assert second(*given)[3] == -7.0
    assert len(texts() - before) == 1
    del first
    assert len(texts() - before) == 1
    assert second(*given)[3] == -7.0
    del second
    assert texts() - before == set()


def test_a_module_of_a_process_has_no_entry_for_python_and_no_helper_that_is_called() -> None:
    text = lj.jit(lj.grad(lambda a: np.sum(np.cumsum(a) ** 2))).inspect(np.ones(5)).llvm
    defined = re.findall(r"^define [^@]*@([\w.]+)", text, re.MULTILINE)
    assert "entry" in defined
    assert not {"call", "lantern.fail", "lantern.alloc", "lantern.alloc_result"} & set(defined)
    assert "declare ptr @lantern.alloc_result(" in text

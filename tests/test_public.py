"""What objects show of themselves is what is documented."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import lantern_jit as lj


def square(x):
    return x * x


JITTED = lj.jit(square)
OBJECTS: dict[str, Any] = {
    "the library": lj,
    "a jitted function": JITTED,
    "a gradient": lj.grad(square),
    "an operation": lj.op(lambda x, k: k(x)),
    "a custom way back": lj.custom_vjp(square),
    "a custom forward mode": lj.custom_jvp(square),
    "a pattern": lj.sparsity(square),
    "a specialisation": JITTED.lower(1.0),
    "stages": JITTED.inspect(1.0),
    "an explanation": JITTED.explain(1.0),
    "a table": JITTED.specialisations,
    "a row": JITTED.specialisations[0],
    "a prompt": lj.prompt(),
}


@pytest.mark.parametrize("what", OBJECTS)
def test_public_attributes_are_documented(what: str) -> None:
    x = OBJECTS[what]
    doc = inspect.getdoc(type(x)) if x is not lj else ""
    for name in (n for n in dir(x) if not n.startswith("_")):
        own = getattr(type(x), name, None) if x is not lj else getattr(x, name)
        told = f"`{name}" in (doc or "") or f".{name}" in (doc or "")
        assert told or (getattr(own, "__doc__", None) and own.__doc__ != type(own).__doc__), f"{name} of {what} is not documented"
        getattr(x, name) if name not in ("ctypes", "address", "prototype") else None


def test_what_is_for_the_library_is_not_shown() -> None:
    assert {n for n in dir(JITTED) if not n.startswith("_")} == {"address", "ctypes", "explain", "inspect", "lower", "specialisations"}
    assert "jitted" not in dir(lj)
    assert len(repr(lj.grad(square))) < 40
    assert sorted(n for n in dir(lj.nn) if not n.startswith("_")) == sorted(lj.nn.__all__)


def test_a_specialisation_says_what_it_is_for() -> None:
    assert repr(JITTED.lower(1.0)) == "<`square` compiled for x: float>"
    assert repr(lj.jit(lambda x, n: [x] * n).lower(1.0, 2)) == "<`<lambda>` compiled for x: float, n: int; n = 2>"


@pytest.mark.parametrize("what", [w for w in OBJECTS if w not in ("the library", "a table", "a row")])
def test_reprs_are_one_short_line(what: str) -> None:
    assert len(repr(OBJECTS[what])) < 160
    assert "\n" not in repr(OBJECTS[what])

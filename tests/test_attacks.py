"""Programs that once went wrong, or were made to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import both

Function = Callable[..., Any]


# ---- exits before a raise
def return_then_raise(x: float) -> float:
    if x > 0:
        return x * x
    raise ValueError("negative")


def return_then_assert(x: float) -> float:
    if x > 0:
        return x * x
    assert False, "negative"  # noqa: B011, PT015


def search_then_raise(x: float, n: int = 5) -> float:
    for i in range(n):
        if x > i:
            return x * x
    raise ValueError("negative")


def staged_search_then_raise(x: float) -> float:
    n = int(abs(x)) + 5
    for i in range(n):
        if x > i:
            return x * x
    raise ValueError("negative")


def else_raises(x: float) -> float:
    y = x
    while y < 10:
        if y > 0:
            break
        y = y + 20
    else:
        raise ValueError("negative")
    return x * x


def helper_raises(x: float) -> float:
    return return_then_raise(x) + 0.0


EXITS = [
    return_then_raise,
    search_then_raise,
    staged_search_then_raise,
    helper_raises,
    else_raises,
]


@pytest.mark.parametrize("f", EXITS)
def test_a_raise_after_an_early_exit(f: Function) -> None:
    for run in (f, lj.jit(f), lambda x: lj.jit(lj.grad(f))(x) / 2 * x):
        assert run(3.0) == 9.0
        with pytest.raises(ValueError, match="negative"):
            run(-1.0)


def test_an_assertion_after_an_early_exit() -> None:
    assert both(return_then_assert, 3.0) == {"interpreter": 9.0, "native": 9.0}
    with pytest.raises(AssertionError, match="negative"):
        lj.jit(return_then_assert)(-1.0)


# ---- exceptions of unusual make
class TwoArguments(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code


def raises_two(x: float) -> float:
    if x > 0:
        raise TwoArguments(7, "no")
    return x


def raises_with_cause(x: float) -> float:
    if x > 0:
        raise ValueError("outer") from KeyError("inner")
    return x


def test_an_exception_with_arguments_of_its_own() -> None:
    for _ in range(2):
        with pytest.raises(TwoArguments, match="7: no") as found:
            lj.jit(raises_two)(1.0)
        assert found.value.code == 7


def test_the_cause_of_an_exception_is_kept() -> None:
    with pytest.raises(ValueError, match="outer") as found:
        lj.jit(raises_with_cause)(1.0)
    assert isinstance(found.value.__cause__, KeyError)


# ---- Python objects changed under a traced condition: right, or an error, never silently wrong
def appends(x: float) -> int:
    items = [x]
    if x > 0:
        items.append(2 * x)
    return len(items)


def pops(x: float) -> float:
    items = [x, 2 * x]
    if x > 0:
        items.pop()
    return items[-1]


def new_key(x: float) -> float:
    d = {"a": 0.0}
    if x > 0:
        d["b"] = x
    return sum(d.values())


def add_to(items: list[float], x: float) -> None:
    items.append(x)


def set_first(items: list[float], x: float) -> None:
    items[0] = x


def appends_in_a_helper(x: float) -> int:
    items = [x]
    if x > 0:
        add_to(items, x)
    return len(items)


def sets_in_a_helper(x: float) -> float:
    items = [x]
    if x > 0:
        set_first(items, 5.0)
    return items[0]


def sets_in_a_method(x: float) -> float:
    items = [x]
    if x > 0:
        items.__setitem__(0, 5.0)
    return items[0]


def in_an_expression(x: float) -> int:
    items = [1.0]
    _ = items.append(2.0) if x > 0 else None
    return len(items)


class Box:
    def __init__(self, value: Any) -> None:
        self.value = value


def attribute(x: float) -> float:
    box = Box(x)
    if x > 0:
        box.value = 2 * x
    return box.value


def attribute_in_a_loop(x: float) -> float:
    box = Box(x)
    for _ in range(int(abs(x)) + 7):
        box.value = box.value * 1.5
    return box.value


CHANGED = [
    appends, pops, new_key, appends_in_a_helper, sets_in_a_helper, sets_in_a_method, in_an_expression, attribute, attribute_in_a_loop,
]  # fmt: skip


@pytest.mark.parametrize("f", CHANGED)
def test_objects_changed_under_a_condition(f: Function) -> None:
    for x in (1.0, -1.0):
        try:
            out = both(f, x)
        except lj.errors.VerifyError:
            raise
        except lj.LanternError:
            continue
        assert out == {"interpreter": f(x), "native": f(x)}


def deletes(x: float) -> float:
    y = x
    if x > 0:
        del y
    return x


def test_del_under_a_condition() -> None:
    assert both(deletes, 2.0) == {"interpreter": 2.0, "native": 2.0}


# ---- arguments
def flips(x: float, flag: bool) -> float:
    return -x if flag else x


def test_numpys_bools_as_arguments() -> None:
    for run in (lj.grad(flips), lj.jit(lj.grad(flips))):
        assert (run(2.0, np.bool_(True)), run(2.0, np.bool_(False))) == (-1.0, 1.0)
    assert lj.jit(flips)(2.0, np.array(True)) == -2.0


# ---- a cell of the outside world is not written with a traced value
WORLD = [0.0]


def writes_outside(x: float) -> float:
    if x > 0:
        WORLD[0] = x
    return x


def test_a_global_list_keeps_no_traced_value() -> None:
    try:
        with contextlib.suppress(lj.LanternError):
            lj.jit(writes_outside)(1.0)
        assert isinstance(WORLD[0], float)
    finally:
        WORLD[0] = 0.0


def counts(n: int, k: int = 0) -> int:
    return k if n <= 0 else counts(n - 1, k + 1)


def test_a_recursion_whose_plain_argument_changes() -> None:
    assert lj.jit(counts)(3) == lj.jit(counts)(3, 0) == 3
    assert lj.jit(counts)(100_000) == 100_000

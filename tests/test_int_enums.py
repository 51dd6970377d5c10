"""Members of an IntEnum that the program chooses: each is itself, and a number."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import both, close

Function = Callable[..., Any]


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2
    TOP = 4


class Flag(enum.IntFlag):
    A = 1
    B = 2


def levels(x: float) -> Any:
    level, s, hits, gains = Level.LOW, 0.0, [0.0] * 5, {Level.LOW: 1.0, Level.HIGH: 3.0, Level.TOP: 2.0}
    for _ in range(8):
        s += level * x + gains[level]
        hits[level] += x
        if level is Level.LOW and s > 3:
            level = Level.HIGH
        elif level == Level.HIGH and s > 9:
            level = Level.TOP
        elif level >= Level.TOP:
            level = Level.HIGH
    s += x / level if level else 0.0
    s += int(level) * x + hits[1] * hits[2] + max(level, 3) * x + level**2 * 0.1 - (-level) * x + (level % 2)
    return s + (x if level == 2 else 0.0) + math.sqrt(float(level)) + np.arange(5.0)[level] * x


def numbers_and_members(x: float) -> Any:
    level = Level.HIGH if x > 1 else Level.LOW
    n = level if x > 0.5 else 7
    flags = Flag.B if x > 1 else Flag.A
    return n * x + (flags | Flag.A) * x * x + (x if flags & Flag.B else 0.0)


@pytest.mark.parametrize("f", [levels, numbers_and_members])
@pytest.mark.parametrize("x", [1.3, 0.4, 0.8])
def test_members_of_an_intenum_are_themselves_and_numbers(f: Function, x: float) -> None:
    slope = (f(x + 1e-6) - f(x - 1e-6)) / 2e-6
    for value, gradient in both(lambda x: (f(x), lj.grad(f)(x)), x).values():
        close(value, f(x))
        close(gradient, slope, rtol=1e-6)


class Arm(enum.IntEnum):
    LEFT = 0
    RIGHT = 1


class Colour(enum.Enum):
    RED = "r"
    BLUE = 2
    GREEN = 5


def of_a_list(x: float) -> Any:
    a = [Arm.LEFT, Arm.RIGHT][int(x)]
    return x * a + (5.0 if a is Arm.RIGHT else 0.0) + len(a.name)


def of_a_dict(x: float) -> Any:
    a = {0: Arm.LEFT, 1: Arm.RIGHT}[int(x)]
    return x * a + (5.0 if a is Arm.RIGHT else 0.0)


def in_a_list(x: float) -> Any:
    found = []
    for i in range(12):
        found.append(Arm.RIGHT if i * x > 4 else Arm.LEFT)
    return sum(x for a in found if a is Arm.RIGHT) + 10 * sum(found)


def of_a_number(x: float) -> Any:
    a, b, counts = Arm(int(x)), Colour(3 * int(x) + 2), dict.fromkeys(Arm, 0.0)
    for i in range(10):
        counts[Arm(int(x * i) % 2)] += x
    return x * a + (5.0 if a is Arm.RIGHT else 0.0) + (2.0 * x if b is Colour.BLUE else 3.0) + counts[Arm.LEFT] * counts[a]


@pytest.mark.parametrize("f", [of_a_list, of_a_dict, in_a_list, of_a_number])
@pytest.mark.parametrize("x", [1.33, 0.42])
def test_a_member_that_the_program_chooses_by_a_number_is_that_member(f: Function, x: float) -> None:
    slope = (f(x + 1e-6) - f(x - 1e-6)) / 2e-6
    for value, gradient in both(lambda x: (f(x), lj.grad(f)(x)), x).values():
        close(value, f(x))
        close(gradient, slope, rtol=1e-6)


def test_a_number_that_is_no_member() -> None:
    with pytest.raises(ValueError, match="is not a valid Arm"):
        lj.jit(lambda x: x * Arm(int(x)))(3.2)

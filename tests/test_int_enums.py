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

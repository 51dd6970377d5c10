"""A program as a plain Python module, and the same with other rounding errors."""

from __future__ import annotations

import itertools
import linecache
import math
import random
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

ROUNDED = {"sin", "cos", "tanh", "exp", "sqrt", "log", "log1p", "arctan", "hypot", "atan2", "arctan2", "logaddexp", "square"}
EPSILON = 2.0**-52
_numbers = itertools.count()


def load(source: str) -> types.ModuleType:
    """The program as a module whose source inspect and linecache find."""
    number = next(_numbers)
    filename = f"fuzz_program_{number}.py"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    module = types.ModuleType(f"fuzz_program_{number}")
    module.__file__ = filename
    exec(compile(source, filename, "exec"), module.__dict__)
    return module


class Rounding:
    """`math` or `numpy` whose functions are wrong in the last bit, at random."""

    def __init__(self, module: types.ModuleType, rng: random.Random) -> None:
        self._module, self._rng = module, rng

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._module, name)
        return self._wrong(value) if name in ROUNDED else value

    def _wrong(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: function(*args) * (1.0 + self._rng.choice((-EPSILON, 0.0, EPSILON)))


@contextmanager
def rounding(module: types.ModuleType, seed: int) -> Iterator[None]:
    """Run the module's code with other rounding errors; a program that amplifies them gives another result."""
    if "lj." in "".join(linecache.getlines(module.__file__ or "")):
        yield  # a derivative inside would trace the wrong functions
        return
    rng = random.Random(seed)
    module.math, module.np = Rounding(math, rng), Rounding(np, rng)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        module.math, module.np = math, np  # type: ignore[attr-defined]


__all__ = ["load", "rounding"]

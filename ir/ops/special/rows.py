"""Special functions: one row for each number of arguments, and a table of functions that is loaded when one is first used.

    z = special2(v, x) {function='jv'}

A function (functions.py) says its derivative, a slope for each argument, and its value where that is not SciPy's function in C. A slope that
nobody knows says by what argument that is; a program that wants it is refused.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

from ...core.op import Op, Unknown
from ..table import mul, row

MOST = 4  # arguments


class Special(NamedTuple):
    slopes: tuple[Callable[..., Any] | str, ...]  # of (z, x..); a string names the argument by which the derivative is not known
    value: Callable[..., Any] | None = None  # of (x..); None: SciPy's
    long: bool = False  # that is some hundred operations


class _Functions(dict[str, Special]):
    def __missing__(self, name: str) -> Special:
        importlib.import_module(".functions", __package__)
        return dict.__getitem__(self, name)


SPECIAL = _Functions()


def _value(m: Any, *xs: Any, function: str) -> Any:
    found = SPECIAL[function]
    if found.value is None:
        return m.special(function, *xs)
    return m.apart(function, found.value, *xs) if found.long else found.value(*xs)


def _term(slope: Callable[..., Any] | str, function: str, d: Any, z: Any, xs: Any) -> Any:
    if isinstance(slope, str):
        return Unknown(f"scipy.special.{function} by {slope}")
    return lambda: mul(d, slope(z, *xs))


def _terms(d: Any, z: Any, *xs: Any, function: str) -> tuple[Any, ...]:
    return tuple(_term(slope, function, d, z, xs) for slope in SPECIAL[function].slopes)


ROWS: dict[int, Op] = {n: row(f"special{n}", "F" * n + ":F", _value, _terms, cost="heavy", placed=True) for n in range(1, MOST + 1)}


@functools.cache
def special(function: str) -> Callable[..., Any]:
    """The function of that name on values of any algebra."""
    return lambda *xs: ROWS[len(xs)](*xs, function=function)

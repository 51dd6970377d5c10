"""What must hold before a time is believed: the same numbers on every side."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.cases import Arguments, Case, Program
from benchmarks.floor import Floor, inputs_of
from benchmarks.programs import Floats

Native = Callable[..., Any]


class DisagreementError(Exception):
    """Two sides gave different numbers; the text says which and by how much."""


def flat(gradient: Any) -> Floats:
    """A gradient of any form (a number, an array, a tuple of them) as one flat array."""
    parts = gradient if isinstance(gradient, tuple | list) else (gradient,)
    return np.concatenate([np.ravel(np.asarray(part, dtype=np.float64)) for part in parts])


def gradient_size(case: Case, arguments: Arguments) -> int:
    """How many numbers the case's gradient has."""
    return sum(np.size(arguments[i]) for i in case.argnums)


def require_close(what: str, found: Any, expected: Any, rtol: float) -> None:
    """Raise DisagreementError unless both are finite and differ by at most rtol of the largest expected magnitude."""
    x, y = flat(found), flat(expected)
    if x.shape != y.shape:
        raise DisagreementError(f"{what}: {x.size} numbers against {y.size}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise DisagreementError(f"{what}: not finite")
    error = float(np.max(np.abs(x - y)) / max(float(np.max(np.abs(y))), 1e-300))
    if error > rtol:
        raise DisagreementError(f"{what}: relative difference {error:.2e}, allowed {rtol:.0e}")


def check_floor(case: Case, floor: Floor) -> None:
    """At the small size: C's result is plain Python's, and C's gradient is the central difference of C's result.

    Raises:
        DisagreementError: the result is off by more than 1e-11, or the gradient by more than 1e-6, relatively.
    """
    arguments = case.small()
    inputs = inputs_of(arguments)
    plain = case.program(*arguments)
    require_close(f"{case.name}: C and plain Python", floor.primal(case.symbol, inputs), plain, 1e-11)
    gradient = floor.gradient(case.symbol, inputs, gradient_size(case, arguments))
    slopes = central_differences(lambda *moved: floor.primal(case.symbol, inputs_of(moved)), arguments, case.argnums)
    require_close(f"{case.name}: C's gradient and central differences", gradient, slopes, 1e-6)


def check_lantern(case: Case, floor: Floor, primal: Native, gradient: Native, arguments: Arguments) -> None:
    """At the given size: lantern's result and gradient are C's, to case.rtol.

    Raises:
        DisagreementError: they are not.
    """
    inputs = inputs_of(arguments)
    expected = floor.gradient(case.symbol, inputs, gradient_size(case, arguments))
    require_close(f"{case.name}: lantern and C", primal(*arguments), floor.primal(case.symbol, inputs), case.rtol)
    require_close(f"{case.name}: lantern's gradient and C's", gradient(*arguments), expected, case.rtol)


def check_lantern_without_floor(case: Case, primal: Native, gradient: Native) -> None:
    """At the small size, where there is no C: lantern's result is plain Python's, its gradient the differences of it.

    Raises:
        DisagreementError: the result is off by more than case.rtol, or the gradient by more than 1e-6, relatively.
    """
    arguments = case.small()
    slopes = central_differences(case.program, arguments, case.argnums)
    plain = case.program(*arguments)
    require_close(f"{case.name}: lantern and plain Python", primal(*arguments), plain, case.rtol)
    require_close(f"{case.name}: lantern's gradient and central differences", gradient(*arguments), slopes, 1e-6)


def central_differences(function: Program, arguments: Arguments, argnums: tuple[int, ...]) -> Floats:
    """The gradient by central differences with steps of 1e-5 (error about 1e-10 of the third derivative)."""
    step = 1e-5
    slopes: list[float] = []
    for argnum in argnums:
        argument = np.asarray(arguments[argnum], dtype=np.float64)
        for index in range(argument.size):
            ends = []
            for sign in (1.0, -1.0):
                moved = argument.copy()
                moved.flat[index] += sign * step
                replacement = moved if argument.ndim else float(moved)
                ends.append(function(*arguments[:argnum], replacement, *arguments[argnum + 1 :]))
            slopes.append((ends[0] - ends[1]) / (2.0 * step))
    return np.array(slopes)

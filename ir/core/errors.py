"""The errors a user can meet. Each says what was written, where, and the remedy.

Every class derives from `LanternError` and, where Python has a builtin of the same meaning, from that
builtin too, so that `except IndexError` keeps working when a function becomes native code.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable

import numpy as np


def instead(name: str, known: Iterable[str], written: Callable[[str], str] = str) -> str:
    """The remedy where a function is not there: the three that are named most like it."""
    near = difflib.get_close_matches(name, sorted(set(known)), 3, 0.65)
    return (
        f"use {', '.join(map(written, near))}, or compute it outside of the compiled function"
        if near
        else "compute it outside of the compiled function"
    )


class LanternError(Exception):
    """Base of all errors raised by lantern_jit."""


class CacheWarning(UserWarning):
    """Compiled code cannot be kept on disk; it works, but is compiled again in every process."""


class PlatformWarning(UserWarning):
    """There is no native code for this machine; jitted functions run on the interpreter."""


class UnsupportedSyntaxError(LanternError, SyntaxError):
    """A Python construct that cannot be staged (generators, try/except, with, global ...)."""


class UnsupportedOperationError(LanternError, NotImplementedError):
    """An operation on traced values that lantern_jit does not have."""


class TracedConditionError(LanternError, TypeError):
    """A traced value was used where Python needs a concrete bool, int or float."""


class TypeMismatchError(LanternError, TypeError):
    """Two control-flow paths, or two iterations of a loop, disagree about a type."""


class ArgumentTypeError(LanternError, TypeError):
    """An argument or result of a type that native code cannot take or give."""


class UndefinedVariableError(LanternError, UnboundLocalError):
    """A variable that is not assigned on every path that leads here."""


class EscapedTracerError(LanternError, RuntimeError):
    """A traced value was kept after the trace that made it had ended."""


class ContinuationError(LanternError, RuntimeError):
    """A shift without its reset, or a continuation that is called when its shift has ended."""


class EndlessTraceError(LanternError, RecursionError):
    """Tracing does not end: a recursion without a base case, or a Python loop without an end."""


class NotDifferentiableError(LanternError, TypeError):
    """A derivative was asked for where there is none (a non-scalar result, a bool argument ...)."""


class StackOverflowError(LanternError, RecursionError):
    """The native stack ended: a recursion or a differentiated loop is deeper than it can hold."""


class ArrayMemoryError(StackOverflowError, MemoryError):
    """The arrays of one call are larger than the memory set aside for them."""


class ArrayIndexError(LanternError, IndexError):
    """An array index out of bounds, at trace time or in native code."""


class AxisError(LanternError, ValueError, IndexError):
    """An axis that an array does not have."""


class ArrayShapeError(LanternError, ValueError):
    """An array size that is negative or too large, or sizes that do not fit together."""


class BroadcastError(ArrayShapeError):
    """Two sizes that do not agree where a program expects that they do. Where one of them is 1, the program is compiled
    again in a form that broadcasts there."""

    sizes: tuple[int, ...] = ()


class LinAlgError(LanternError, np.linalg.LinAlgError):
    """A matrix that is singular, not positive definite, or for which LAPACK finds no solution."""


class ZeroDivideError(LanternError, ZeroDivisionError):
    """Integer division or modulo by zero."""


class NegativePowerError(LanternError, ValueError):
    """An integer raised to a negative integer power."""


class IntegerOverflowError(LanternError, OverflowError):
    """A Python int that does not fit in 64 bits."""


class ConversionError(LanternError, ValueError):
    """A float that no integer can hold (NaN, infinity, beyond 64 bits) was converted to int."""


class NotANumberError(LanternError, FloatingPointError):
    """A NaN where jit(f, nans="raise") looks for the first one: the line, the expression and the variable, on the way forward or in a
    derivative."""


class StagedAssertionError(LanternError, AssertionError):
    """An `assert` in compiled code did not hold."""


class CompilationError(LanternError, RuntimeError):
    """LLVM refused the code, or this machine is not supported. Please report the former."""


class VerifyError(LanternError, RuntimeError):
    """A graph breaks one of the verifier's invariants: a bug in lantern_jit. Please report it."""


class GradientCheckError(LanternError, AssertionError):
    """`check_grads` found a derivative that disagrees with finite differences."""

"""Numbers as operands: NumPy's promotion, Python's truth and conversions."""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.builder import building, current_trace
from ..core.sites import user_site
from ..core.types import BOOL, COMPLEX, F32, F64, I64, NUMPY_DTYPES, PARTS, Scalar, is_complex, is_float
from ..ops import table
from .pytree import has_some_keys
from .values import Given, Traced, call, constant, scalar_type, to_type


def promote(what: str, *values: Any) -> tuple[Scalar, bool]:
    """NumPy 2's common type of scalar operands, bools counted as ints."""
    known = [operand(what, v) for v in values]
    if any(is_complex(t) for t, _ in known):  # a complex number is as wide as its parts
        t, weak = _common([(PARTS.get(t, t), w) for t, w in known])
        return COMPLEX[t], weak
    return _common(known)


def _common(known: Sequence[tuple[Scalar, bool]]) -> tuple[Scalar, bool]:
    weak = all(w for _, w in known)
    floats = [(t, w) for t, w in known if is_float(t)]
    if not floats:
        return I64, weak
    strong = [t for t, w in floats if not w]
    if any(t == F64 for t in strong) or not strong:
        only_weak_ints = all(w or is_float(t) for t, w in known)
        return F64, weak if not strong and only_weak_ints else False
    return (F64 if any(t == I64 and not w for t, w in known) else F32), False


def operand(what: str, value: Any) -> tuple[Scalar, bool]:
    found = scalar_type(value)
    if found is None:
        raise TypeError(f"unsupported operand for {what} at {user_site()}: {type(value).__name__}")
    return found


def logical_not(x: Traced) -> Traced:
    return table.logical_xor(x, True)  # type: ignore[no-any-return]


def truth(value: Any) -> Any:
    """Python's bool(): traced scalars compare with zero, everything else is concrete."""
    if isinstance(value, Traced):
        if value.type == BOOL:
            return value
        if is_complex(value.type):
            return table.logical_or(truth(value.real), truth(value.imag))
        return table.ne(value, 0.0) if is_float(value.type) else table.ine(value, 0)
    if has_some_keys(value):
        return truth(call(len, value))
    own = getattr(type(value), "__lantern_truth__", None)
    if own is None and isinstance(getattr(type(value), "__bool__", None), types.FunctionType):  # of a user's class
        return truth(call(types.MethodType(type(value).__bool__, value)))
    if isinstance(value, (list, dict, set, deque)) and building():  # is it empty?
        current_trace().reads.contents(value)  # type: ignore[union-attr]
    return bool(value) if own is None else own(value)


def to_integer(x: Traced) -> Traced:
    """Python's int(): towards zero; NaN and infinities raise."""
    found = table.to_integer(x) if is_float(x.type) else to_type(x, I64)
    return found.weakly(True)  # type: ignore[no-any-return]


def to_float(x: Traced) -> Traced:
    """Python's float()."""
    return to_type(x, F64).weakly(True)  # type: ignore[no-any-return]


def zero_dimensional(x: Any) -> Any:
    """A scalar that NumPy would give as an array without axes."""
    if isinstance(x, np.generic):
        x = constant(x)
    if isinstance(x, Traced) and is_complex(x.type):
        return x.weakly(False)
    return Traced(x.atom, x.builder, False, Given(np.ndarray, NUMPY_DTYPES[x.type])) if isinstance(x, Traced) else x

"""NumPy's names for complex numbers, of real ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...values.views import as_array
from ..common import float_array
from ..creation import zeros_like
from ..registry import implements

implements(np.imag)(lambda val: zeros_like(val))
implements(np.conjugate)(lambda x: x)
implements(np.real_if_close)(lambda a, tol=100: as_array(a))
implements(np.iscomplex)(lambda x: zeros_like(x, bool))
implements(np.isreal)(lambda x: np.logical_not(zeros_like(x, bool)))


@implements(np.angle)
def angle(z: Any, deg: Any = False) -> Any:
    """0, and pi of what is negative; of NaN, NaN."""
    return np.arctan2(0.0, float_array(z)) * (180 / np.pi if deg else 1.0)


@implements(np.isposinf)
def isposinf(x: Any) -> Any:
    return np.logical_and(np.isinf(x), np.logical_not(np.signbit(x)))


@implements(np.isneginf)
def isneginf(x: Any) -> Any:
    return np.logical_and(np.isinf(x), np.signbit(x))


implements(np.fix)(lambda x: np.trunc(x))

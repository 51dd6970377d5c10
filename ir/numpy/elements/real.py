"""NumPy's names for complex numbers and their parts, of real ones too."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.sites import unsupported
from ...core.types import BOOL, I64, is_complex
from ...values.values import to_type
from ...values.views import as_array
from ..axes import imaginary
from ..common import float_array, scalar_kind
from ..creation import zeros_like
from ..registry import implements

implements(np.imag)(lambda val: imaginary(val))
implements(np.conjugate)(lambda x: to_type(x, I64) if x.type == BOOL else x)
implements(np.iscomplex)(lambda x: np.not_equal(imaginary(x), 0) if _is_complex(x) else zeros_like(x, bool))
implements(np.isreal)(lambda x: np.equal(imaginary(x), 0) if _is_complex(x) else np.logical_not(zeros_like(x, bool)))


def _is_complex(x: Any) -> bool:
    return is_complex(scalar_kind(as_array(x)))


@implements(np.real_if_close)
def real_if_close(a: Any, tol: Any = 100) -> Any:
    if _is_complex(a):
        unsupported("np.real_if_close of complex values, whose type depends on them,", "take the real part")
    return as_array(a)


@implements(np.angle)
def angle(z: Any, deg: Any = False) -> Any:
    """Of real numbers 0, and pi of what is negative; of NaN, NaN."""
    z = float_array(z)
    return np.arctan2(imaginary(z) if _is_complex(z) else 0.0, np.real(z)) * (180 / np.pi if deg else 1.0)


@implements(np.isposinf)
def isposinf(x: Any) -> Any:
    return np.logical_and(np.isinf(x), np.logical_not(np.signbit(x)))


@implements(np.isneginf)
def isneginf(x: Any) -> Any:
    return np.logical_and(np.isinf(x), np.signbit(x))


implements(np.fix)(lambda x: np.trunc(x))

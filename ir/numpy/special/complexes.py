"""scipy.special: functions whose values are complex."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...core.sites import unsupported
from ...core.types import C128, F64, is_complex, is_float
from ...values.complexes.pairs import complex_of, to_complex
from ...values.kernels import elementwise
from ...values.scalars import promote
from ...values.views import as_array
from ..common import scalar_kind
from ..registry import implements
from .elements import S, strong


@implements("scipy.special.lambertw")
def lambertw(z: Any, k: Any = 0, tol: Any = 1e-8) -> Any:
    """To rounding, whatever tol is."""

    def element(z: Any, k: Any) -> Any:
        w, branch = to_complex(z, C128), strong(k, F64)
        return complex_of(*(getattr(S, f"lambertw.{i}")(w.real, w.imag, branch) for i in (0, 1)))

    return elementwise(element, as_array(z), as_array(k), name="lambertw", dtype=C128)


def _hankel(name: str, sign: float, scaled: bool) -> None:
    """J + i Y or J - i Y; of numbers below 0 from above (DLMF 10.11.1 and 2)."""

    def element(v: Any, x: Any) -> Any:
        t, _ = promote(name, v, x)
        t = t if is_float(t) else F64
        v, x = strong(v, t), strong(x, t)
        j, y, below = S.jv(v, abs(x)), S.yv(v, abs(x)), x < 0.0
        c, s = np.cos(math.pi * v), np.sin(math.pi * v)
        real = np.where(below, (1.0 - 2.0 * sign) * c * j + sign * s * y, j)
        imag = np.where(below, s * j + sign * c * y, sign * y)
        real, imag = (np.where(x == 0.0, math.nan, part) for part in (real, imag))
        if scaled:
            e, f = np.cos(x), -sign * np.sin(x)
            real, imag = real * e - imag * f, real * f + imag * e
        return complex_of(real, imag)

    def run(v: Any, z: Any) -> Any:
        v, z = as_array(v), as_array(z)
        if is_complex(scalar_kind(z)):
            unsupported(f"scipy.special.{name} of complex values", "give it real ones")
        return elementwise(element, v, z, name=name)

    implements(f"scipy.special.{name}", whole=True)(run)


for _kind, _sign in ((1, 1.0), (2, -1.0)):
    _hankel(f"hankel{_kind}", _sign, False)
    _hankel(f"hankel{_kind}e", _sign, True)

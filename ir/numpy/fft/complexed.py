"""Complex values of a traced program: a pair of real ones, `Complexed`. It lives between a Fourier transform and what is made of it (real
and imaginary part, absolute value, products with other spectra, the way back), and can be returned."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from ...core import errors
from ...core.sites import unsupported, user_site
from ...values import pytree, sizes
from ...values.views import shape_of
from ..registry import entry_of


class Complexed:
    """re + 1j * im, of traced arrays or scalars of one shape."""

    __array_priority__ = 2000.0

    def __init__(self, re: Any, im: Any) -> None:
        self.real, self.imag = re, im

    shape = property(lambda z: tuple(shape_of(z.real)))
    ndim = property(lambda z: len(z.shape))
    size = property(lambda z: sizes.product(z.shape))
    T = property(lambda z: Complexed(z.real.T, z.imag.T))

    def __repr__(self) -> str:
        return f"a {self.ndim}-d array of complex numbers"

    def __getitem__(self, index: Any) -> Complexed:
        return Complexed(self.real[index], self.imag[index])

    def __add__(self, y: Any) -> Complexed:
        a, b = parts(y)
        return Complexed(self.real + a, self.imag + b)

    __radd__ = __add__

    def __sub__(self, y: Any) -> Complexed:
        return self + as_complex(y) * -1.0

    def __rsub__(self, y: Any) -> Complexed:
        return as_complex(y) + self * -1.0

    def __mul__(self, y: Any) -> Complexed:
        a, b = parts(y)
        if isinstance(b, float) and b == 0.0:
            return Complexed(self.real * a, self.imag * a)
        return Complexed(self.real * a - self.imag * b, self.real * b + self.imag * a)

    __rmul__ = __mul__

    def __truediv__(self, y: Any) -> Complexed:
        a, b = parts(y)
        if isinstance(b, float) and b == 0.0:
            return Complexed(self.real / a, self.imag / a)
        square = a * a + b * b
        return Complexed((self.real * a + self.imag * b) / square, (self.imag * a - self.real * b) / square)

    def __rtruediv__(self, y: Any) -> Complexed:
        return as_complex(y) / self

    def __neg__(self) -> Complexed:
        return self * -1.0

    def __pow__(self, n: Any) -> Complexed:
        if n != 2:
            unsupported("** of a complex array but to the power 2", "write it as a product")
        return self * self

    def __eq__(self, y: Any) -> Any:
        a, b = parts(y)
        return np.logical_and(self.real == a, self.imag == b)

    def __ne__(self, y: Any) -> Any:
        return np.logical_not(self == y)

    __hash__ = None  # type: ignore[assignment]

    def __abs__(self) -> Any:
        return np.hypot(self.real, self.imag)

    def conj(self) -> Complexed:
        return Complexed(self.real, -self.imag)

    conjugate = conj

    def sum(self, axis: Any = None) -> Complexed:
        return Complexed(self.real.sum(axis), self.imag.sum(axis))

    def __bool__(self) -> NoReturn:
        what = "the truth value of a complex array is ambiguous"
        raise errors.TracedConditionError(f"{what} at {user_site()}: compare it, and use .any() or .all()")

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        what = "a complex array that is computed at run time has no values yet"
        raise errors.TracedConditionError(f"{what} at {user_site()}: make NumPy arrays of it outside of the compiled function")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        fn = UFUNCS.get(ufunc)
        if method != "__call__" or kwargs or fn is None:
            known = ", ".join(sorted(f.__name__ for f in UFUNCS)[:3])
            return unsupported(f"np.{ufunc.__name__} of complex values", f"use {known}, or take the real and imaginary parts")
        return fn(*inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        entry = entry_of(func)
        fn = OF_COMPLEX.get(func) or (entry.fn if entry is not None and entry.name.startswith("np.fft.") else None)
        if fn is None:
            return unsupported(f"np.{func.__name__} of complex values", "take the real and imaginary parts")
        return fn(*args, **kwargs)


def parts(y: Any) -> tuple[Any, Any]:
    """Real and imaginary part of an operand."""
    if isinstance(y, Complexed):
        return y.real, y.imag
    if isinstance(y, (complex, np.complexfloating)):
        return float(y.real), float(y.imag)
    if isinstance(y, np.ndarray) and y.dtype.kind == "c":
        return np.ascontiguousarray(y.real), np.ascontiguousarray(y.imag)
    return y, 0.0


def as_complex(y: Any) -> Complexed:
    return y if isinstance(y, Complexed) else Complexed(*parts(y))


def _unflatten(_: Any, children: Any) -> Any:
    """Outside of a trace the pair is a complex number or array."""
    re, im = children
    if isinstance(re, (np.ndarray, float)) and isinstance(im, (np.ndarray, float)):
        return re + 1j * im
    return Complexed(re, im)


pytree.register(Complexed, lambda c: ((c.real, c.imag), None), _unflatten)


def angle(z: Any, deg: bool = False) -> Any:
    out = np.arctan2(as_complex(z).imag, as_complex(z).real)
    return out * (180.0 / np.pi) if deg else out


OF_COMPLEX: dict[Any, Any] = {
    np.real: lambda z: z.real, np.imag: lambda z: z.imag, np.angle: angle, np.sum: lambda z, axis=None: z.sum(axis),
}  # fmt: skip
UFUNCS: dict[Any, Any] = {
    np.add: lambda x, y: as_complex(x) + y, np.subtract: lambda x, y: as_complex(x) - y, np.multiply: lambda x, y: as_complex(x) * y,
    np.divide: lambda x, y: as_complex(x) / y, np.negative: lambda x: -x, np.absolute: abs, np.conjugate: lambda z: z.conj(), np.square: lambda z: z * z,
    np.equal: lambda x, y: as_complex(x) == y, np.not_equal: lambda x, y: as_complex(x) != y,
}  # fmt: skip

"""numpy.fft: discrete Fourier transforms, and the complex arrays that they give.

A complex value of a traced program is a pair of real ones, `Complexed`. It lives between a transform and what is made of it
(real and imaginary part, absolute value, products with other spectra, the way back), and can be returned. The transform is
a linear operation of pairs; its transpose is the transform with the other sign.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from ..core import errors, op
from ..core.sites import user_site
from ..core.types import F64, I64
from ..ops import table
from ..ops.library import bind, row
from ..staging.functions import invoke
from ..values import pytree, sizes
from ..values.arrays import allocate
from ..values.kernels import from_index
from ..values.reshaping import expand
from ..values.values import Arrayed, Traced, to_type
from ..values.views import as_array, axes_of, contiguous, shape_of
from .axes import back_from_rows, rows
from .common import astype, float_array, unsupported
from .registry import implements


class Complexed:
    """re + 1j * im, of traced arrays or scalars of one shape."""

    __array_priority__ = 2000.0

    def __init__(self, re: Any, im: Any) -> None:
        self.real, self.imag = re, im

    @property
    def shape(self) -> Any:
        return tuple(shape_of(self.real))

    @property
    def ndim(self) -> int:
        return len(shape_of(self.real))

    @property
    def size(self) -> Any:
        return sizes.product(shape_of(self.real))

    @property
    def T(self) -> Complexed:
        return Complexed(self.real.T, self.imag.T)

    def __repr__(self) -> str:
        return f"a {self.ndim}-d array of complex128"

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

    def __abs__(self) -> Any:
        return np.hypot(self.real, self.imag)

    def conj(self) -> Complexed:
        return Complexed(self.real, -self.imag)

    conjugate = conj

    def sum(self, axis: Any = None) -> Complexed:
        return Complexed(self.real.sum(axis), self.imag.sum(axis))

    def __bool__(self) -> NoReturn:
        raise errors.TracedConditionError(
            f"the truth value of a complex array is ambiguous at {user_site()}: compare it, and use .any() or .all()"
        )

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise errors.TracedConditionError(
            f"a complex array that is computed at run time has no values yet at {user_site()}: make NumPy arrays of it outside of the compiled function"
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        fn = UFUNCS.get(ufunc)
        if method != "__call__" or kwargs or fn is None:
            return unsupported(
                f"np.{ufunc.__name__} of complex values",
                f"use {', '.join(sorted(f.__name__ for f in UFUNCS)[:3])}, or take the real and imaginary parts",
            )
        return fn(*inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        fn = FUNCTIONS.get(func) or OF_COMPLEX.get(func)
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
    if isinstance(y, Complexed):
        return y
    return Complexed(*parts(y))


def _unflatten(_: Any, children: Any) -> Any:
    """Outside of a trace the pair is a complex number or array."""
    re, im = children
    if isinstance(re, (np.ndarray, float)) and isinstance(im, (np.ndarray, float)):
        return re + 1j * im
    return Complexed(re, im)


pytree.register(Complexed, lambda c: ((c.real, c.imag), None), _unflatten)


# ---- the operation
def _python(re: Any, im: Any, sign: int, fails: bool = False) -> tuple[Any, Any]:
    z = re + 1j * im
    out = np.fft.fft(z, axis=-1) if sign < 0 else np.fft.ifft(z, axis=-1) * max(z.shape[-1], 1)
    return out.real, out.imag


def _program(re: Any, im: Any, sign: int) -> Any:
    return invoke(transform, (re, im, float(sign)), {})


def transform(re: Any, im: Any, sign: Any) -> Any:
    """Every row: by halves where its length is a power of 2, else as a convolution of such a length (Bluestein, "A linear
    filtering approach to the computation of discrete Fourier transform", 1970)."""
    m, n = re.shape
    out, out_im = np.zeros((m, n)), np.zeros((m, n))
    size = 1
    while size < n:
        size *= 2
    if size != n:
        size = 1
        while size < 2 * n - 1:
            size *= 2
    half = size // 2 + 1
    cos, sin = np.zeros(half), np.zeros(half)
    for k in range(half):
        cos[k] = np.cos(2.0 * np.pi * k / size)
        sin[k] = np.sin(2.0 * np.pi * k / size)

    def halves(a: Any, b: Any, direction: Any) -> None:
        """In place."""
        j = 0
        for i in range(1, size):
            bit = size // 2
            while j & bit:
                j ^= bit
                bit //= 2
            j |= bit
            if i < j:
                a[i], a[j] = a[j], a[i]
                b[i], b[j] = b[j], b[i]
        width = 2
        while width <= size:
            step = size // width
            for start in range(0, size, width):
                for k in range(width // 2):
                    p, q = start + k, start + k + width // 2
                    c, s = cos[k * step], direction * sin[k * step]
                    x, y = a[q] * c - b[q] * s, a[q] * s + b[q] * c
                    a[q], b[q] = a[p] - x, b[p] - y
                    a[p], b[p] = a[p] + x, b[p] + y
            width *= 2

    a, b, u, v = np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size)
    w, z = np.zeros(n), np.zeros(n)
    if size != n:
        for k in range(n):
            angle = np.pi * ((k * k) % (2 * n)) / n
            w[k], z[k] = np.cos(angle), sign * np.sin(angle)
        for k in range(n):
            u[k], v[k] = w[k], -z[k]
            if k > 0:
                u[size - k], v[size - k] = w[k], -z[k]
        halves(u, v, -1.0)
    for r in range(m):
        if size == n:
            for k in range(n):
                a[k], b[k] = re[r, k], im[r, k]
            halves(a, b, sign)
            for k in range(n):
                out[r, k], out_im[r, k] = a[k], b[k]
        else:
            for k in range(size):
                a[k], b[k] = 0.0, 0.0
            for k in range(n):
                a[k] = re[r, k] * w[k] - im[r, k] * z[k]
                b[k] = re[r, k] * z[k] + im[r, k] * w[k]
            halves(a, b, -1.0)
            for k in range(size):
                x, y = a[k] * u[k] - b[k] * v[k], a[k] * v[k] + b[k] * u[k]
                a[k], b[k] = x, y
            halves(a, b, 1.0)
            for k in range(n):
                x, y = a[k] / size, b[k] / size
                out[r, k], out_im[r, k] = x * w[k] - y * z[k], x * z[k] + y * w[k]
    return out, out_im


def dft(re: Any, im: Any, sign: int) -> tuple[Any, Any]:
    shape = shape_of(re)
    re, im = bind("dft", (re, im), [(F64, shape), (F64, shape)], fails=False, sign=sign)
    return re, im


def _zero_or(t: Any, like: Any) -> Any:
    return t if t is not None else allocate(like.type.dtype, like.shape, 0)


row(
    "dft", _python,
    lambda attrs, args, outs, ts: dft(_zero_or(ts[0], args[0]), _zero_or(ts[1], args[1]), attrs["sign"]),
    lambda attrs, args, outs, cs, wanted: _transposed(cs, attrs["sign"]), _program, shape=lambda let: tuple((F64, op.sizes(a)) for a in let.args),
)  # fmt: skip


def _transposed(cs: Any, sign: int) -> tuple[Any, Any]:
    """The transpose of [A -B; B A] for the symmetric A + iB is [A B; -B A]."""
    return dft(cs[0], cs[1], -sign)


# ---- NumPy's functions
def _along_rows(x: Any, n: Any, axis: int, sign: int) -> tuple[Any, Any, Any]:
    """(real part, imaginary part, length) of the transform along an axis, of n elements (cut, or filled with zeros)."""
    re, im = (as_array(p) for p in parts(x))
    re = float_array(re)
    if not isinstance(re, Arrayed):
        raise ValueError(f"a Fourier transform needs an array ({user_site()})")
    im = allocate(F64, re.shape, 0) if isinstance(im, float) else float_array(im)
    at = axes_of(axis, re.ndim)[0]
    out = []
    for p in (re, im):
        p = p if p.type.dtype == F64 else astype(p, F64)
        matrix, order, shape = rows(p, at)
        length = shape[-1]
        if n is not None:
            full = allocate(F64, (shape_of(matrix)[0], n), 0)
            some = sizes.smaller(length, n)
            full[:, :some] = matrix[:, :some]
            matrix, shape = full, [*shape[:-1], n]
        out.append(contiguous(matrix))
    a, b = dft(out[0], out[1], sign)
    return back_from_rows(a, order, shape), back_from_rows(b, order, shape), shape[-1]


def _scaled(re: Any, im: Any, n: Any, norm: Any, inverse: bool) -> Complexed:
    if norm not in (None, "backward", "ortho", "forward"):
        raise ValueError(f'Invalid norm value {norm}; should be "backward", "ortho" or "forward". ({user_site()})')
    whole = norm == "forward" if not inverse else norm in (None, "backward")
    if norm != "ortho" and not whole:
        return Complexed(re, im)
    count = to_type(n, F64) if isinstance(n, Traced) else float(n)
    scale = 1.0 / (table.sqrt(count) if isinstance(count, Traced) else count**0.5) if norm == "ortho" else 1.0 / count
    return Complexed(re * scale, im * scale)


@implements(np.fft.fft)
def fft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Complexed:
    re, im, length = _along_rows(a, n, axis, -1)
    return _scaled(re, im, length, norm, False)


@implements(np.fft.ifft)
def ifft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Complexed:
    re, im, length = _along_rows(a, n, axis, 1)
    return _scaled(re, im, length, norm, True)


@implements(np.fft.rfft)
def rfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Complexed:
    if isinstance(a, Complexed):
        raise TypeError(f"rfft takes real arrays ({user_site()})")
    full = fft(a, n, axis, norm)
    at = axes_of(axis, full.ndim)[0]
    length = full.shape[at]
    return full[(*[slice(None)] * at, slice(0, sizes.add(sizes.floordiv(length, 2), 1)))]


@implements(np.fft.irfft)
def irfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    z = as_complex(a)
    at = axes_of(axis, z.ndim)[0]
    m = z.shape[at]
    length = sizes.mul(sizes.add(m, -1), 2) if n is None else n
    (top, count) = sizes.lifted(m, length)
    head = (slice(None),) * at

    def place(k: Any, m: Any, n: Any) -> Any:
        mirrored = table.select(table.igt(table.imul(k, 2), n), table.isub(n, k), k)
        return table.select(table.ilt(mirrored, m), mirrored, table.isub(m, m))

    def weight(k: Any, m: Any, n: Any) -> Any:
        mirrored = table.select(table.igt(table.imul(k, 2), n), table.isub(n, k), k)
        return table.select(table.ilt(mirrored, m), to_type(table.iadd(table.isub(k, k), 1), F64), to_type(table.isub(k, k), F64))

    def sign(k: Any, n: Any) -> Any:
        twice = table.imul(k, 2)
        edge = table.logical_or(table.ieq(k, 0), table.ieq(twice, n))
        s = table.select(table.igt(twice, n), table.isub(table.isub(k, k), 1), table.iadd(table.isub(k, k), 1))
        return to_type(table.select(edge, table.isub(k, k), s), F64)

    index = from_index(place, [length], "mirror", I64, [top, count])
    there = from_index(weight, [length], "there", F64, [top, count])
    flip = from_index(sign, [length], "sign", F64, [count])
    others = [q for q in range(z.ndim) if q != at]
    there, flip = expand(there, others), expand(flip, others)
    full = Complexed(z.real[(*head, index)] * there, z.imag[(*head, index)] * there * flip)
    return ifft(full, None, axis, norm).real


def angle(z: Any, deg: bool = False) -> Any:
    out = np.arctan2(as_complex(z).imag, as_complex(z).real)
    return out * (180.0 / np.pi) if deg else out


FUNCTIONS: dict[Any, Any] = {np.fft.fft: fft, np.fft.ifft: ifft, np.fft.rfft: rfft, np.fft.irfft: irfft}
OF_COMPLEX: dict[Any, Any] = {
    np.real: lambda z: z.real,
    np.imag: lambda z: z.imag,
    np.angle: angle,
    np.sum: lambda z, axis=None: z.sum(axis),
}
UFUNCS: dict[Any, Any] = {
    np.add: lambda x, y: as_complex(x) + y, np.subtract: lambda x, y: as_complex(x) - y, np.multiply: lambda x, y: as_complex(x) * y,
    np.divide: lambda x, y: as_complex(x) / y, np.negative: lambda x: -x, np.absolute: abs, np.conjugate: lambda z: z.conj(), np.square: lambda z: z * z,
}  # fmt: skip

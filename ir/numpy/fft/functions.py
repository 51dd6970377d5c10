"""numpy.fft: discrete Fourier transforms along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.sites import user_site
from ...core.types import F64, I64
from ...ops import table
from ...values import sizes
from ...values.arrays import allocate
from ...values.kernels import from_index
from ...values.reshaping import expand
from ...values.values import Arrayed, Traced, to_type
from ...values.views import as_array, axes_of, contiguous, shape_of
from ..axes import back_from_rows, rows
from ..common import astype, float_array
from ..registry import implements
from ..ufuncs import pick
from .complexed import Complexed, as_complex, parts
from .transform import dft


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

    def mirrored(k: Any, n: Any) -> Any:
        return pick(2 * k > n, n - k, k)

    index = from_index(lambda k, m, n: pick(mirrored(k, n) < m, mirrored(k, n), 0), [length], "mirror", I64, [top, count])
    there = from_index(lambda k, m, n: pick(mirrored(k, n) < m, 1.0, 0.0), [length], "there", F64, [top, count])
    flip = from_index(lambda k, n: pick((k == 0) | (2 * k == n), 0.0, pick(2 * k > n, -1.0, 1.0)), [length], "sign", F64, [count])
    others = [q for q in range(z.ndim) if q != at]
    there, flip = expand(there, others), expand(flip, others)
    full = Complexed(z.real[(*head, index)] * there, z.imag[(*head, index)] * there * flip)
    return ifft(full, None, axis, norm).real

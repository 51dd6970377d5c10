"""numpy.fft: discrete Fourier transforms along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.sites import user_site
from ...core.types import F32, F64
from ...ops import table
from ...values import sizes
from ...values.arrays import allocate
from ...values.kernels import from_index
from ...values.reshaping import expand
from ...values.values import Arrayed, Traced, to_type
from ...values.views import as_array, contiguous, shape_of
from ..axes import back_from_rows, rows
from ..common import astype, axis_of, float_array, scalar_kind
from ..registry import implements
from .complexed import Complexed, as_complex, parts
from .transform import dft


def _transformed(x: Any, n: Any, axis: int, norm: Any, sign: int) -> Complexed:
    """The transform along an axis, of n elements (cut, or filled with zeros)."""
    re, im = (as_array(p) for p in parts(x))
    re = float_array(re)
    if not isinstance(re, Arrayed):
        raise ValueError(f"a Fourier transform needs an array ({user_site()})")
    single = scalar_kind(re) == F32 and (isinstance(im, float) or scalar_kind(im) == F32)
    im = allocate(F64, re.shape, 0) if isinstance(im, float) else float_array(im)
    at, given = axis_of(axis, re.ndim), []
    for p in (re, im):
        matrix, order, shape = rows(p if p.type.dtype == F64 else astype(p, F64), at)
        if n is not None:
            full, some = allocate(F64, (shape_of(matrix)[0], n), 0), sizes.smaller(shape[-1], n)
            full[:, :some] = matrix[:, :some]
            matrix, shape = full, [*shape[:-1], n]
        given.append(contiguous(matrix))
    found = Complexed(*(back_from_rows(p, order, shape) for p in dft(given[0], given[1], sign)))
    scale = _scale(shape[-1], norm, sign > 0)
    found = found if scale is None else found * scale
    return Complexed(astype(found.real, F32), astype(found.imag, F32)) if single else found


def _scale(n: Any, norm: Any, inverse: bool) -> Any:
    if norm not in (None, "backward", "ortho", "forward"):
        raise ValueError(f'Invalid norm value {norm}; should be "backward", "ortho" or "forward". ({user_site()})')
    if norm != "ortho" and (norm == "forward") == inverse:
        return None
    count = to_type(n, F64) if isinstance(n, Traced) else float(n)
    return 1.0 / (count if norm != "ortho" else table.sqrt(count) if isinstance(count, Traced) else count**0.5)


@implements(np.fft.fft)
def fft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Complexed:
    return _transformed(a, n, axis, norm, -1)


@implements(np.fft.ifft)
def ifft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Complexed:
    return _transformed(a, n, axis, norm, 1)


@implements(np.fft.rfft)
def rfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Complexed:
    if isinstance(a, Complexed):
        raise TypeError(f"rfft takes real arrays ({user_site()})")
    full = fft(a, n, axis, norm)
    at = axis_of(axis, full.ndim)
    return full[(*[slice(None)] * at, slice(0, sizes.add(sizes.floordiv(full.shape[at], 2), 1)))]


@implements(np.fft.irfft)
def irfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    """The inverse transform of the whole spectrum: its second half is the first one's mirror image, conjugated."""
    z = as_complex(a)
    at = axis_of(axis, z.ndim)
    m, others = z.shape[at], [q for q in range(z.ndim) if q != at]
    length = sizes.mul(sizes.add(m, -1), 2) if n is None else n
    k: Any = from_index(lambda i: i, [length])
    near = np.minimum(k, length - k)
    there = near < m
    turned = (np.sign(length - 2 * k) * (k > 0) * there).astype(z.real.dtype)
    half = z[(*[slice(None)] * at, near * there)]
    full = Complexed(half.real * expand(there, others), half.imag * expand(turned, others))
    return ifft(full, None, axis, norm).real

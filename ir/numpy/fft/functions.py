"""numpy.fft: discrete Fourier transforms along axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core import errors
from ...core.sites import user_site
from ...core.types import C64, F32, F64, I64
from ...ops import table
from ...values import sizes
from ...values.arrays import allocate
from ...values.complexes.pairs import ComplexArray, is_complex_array
from ...values.kernels import from_index
from ...values.reshaping import expand
from ...values.values import Arrayed, Traced, constant, to_type
from ...values.views import as_array, contiguous, part, shape_of
from ..axes import back_from_rows, rows
from ..common import astype, axis_of, float_array, items_of, require, scalar_kind
from ..registry import implements
from ..shaping import roll
from .transform import dft


def _array(x: Any) -> Arrayed:
    a = float_array(x)
    if not isinstance(a, Arrayed):
        raise ValueError(f"a Fourier transform needs an array ({user_site()})")
    return a


def _transformed(x: Any, n: Any, axis: int, norm: Any, sign: int) -> Any:
    """The transform along an axis, of n elements (cut, or filled with zeros)."""
    a = _array(x)
    scale, given = _checked(norm, sign), []
    at = axis_of(axis, a.ndim)
    for k in (0, 1):
        p = part(a, k) if is_complex_array(a) or not k else allocate(F64, shape_of(a), 0)
        matrix, order, shape = rows(p if p.type.dtype == F64 else astype(p, F64), at)
        matrix, shape = _resized(matrix, n, 1), shape if n is None else [*shape[:-1], n]
        given.append(contiguous(matrix))
    _check_length(shape[-1])
    found = ComplexArray(*(back_from_rows(p, order, shape) for p in dft(given[0], given[1], sign)))
    found = found if scale is None else found * scale(shape[-1])
    return astype(found, C64) if scalar_kind(a) in (F32, C64) else found


def _resized(a: Arrayed, n: Any, axis: int) -> Arrayed:
    """With n elements along an axis: cut, or filled with zeros."""
    shape = shape_of(a)
    if n is None or (sizes.is_known(n) and sizes.same(n, shape[axis])):
        return a
    full = allocate(a.type.dtype, [*shape[:axis], n, *shape[axis + 1 :]], 0)
    here = (*[slice(None)] * axis, slice(0, sizes.smaller(shape[axis], n)))
    full[here] = a[here]
    return full


def _check_length(n: Any) -> None:
    if sizes.is_known(n) and sizes.plain(n) < 1:
        raise ValueError(f"Invalid number of FFT data points ({sizes.plain(n)}) specified. ({user_site()})")
    if not sizes.is_known(n):
        require(np.greater(n, 0), ValueError("Invalid number of FFT data points (0) specified."))


def _checked(norm: Any, sign: int) -> Callable[[Any], Any] | None:
    """What a transform of n elements is multiplied by."""
    if norm not in (None, "backward", "ortho", "forward"):
        raise ValueError(f'Invalid norm value {norm}; should be "backward", "ortho" or "forward". ({user_site()})')
    if norm != "ortho" and (norm == "forward") == (sign > 0):
        return None

    def scale(n: Any) -> Any:
        count = to_type(n, F64) if isinstance(n, Traced) else float(n)
        return 1.0 / (count if norm != "ortho" else table.sqrt(count) if isinstance(count, Traced) else count**0.5)

    return scale


@implements(np.fft.fft)
def fft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    return _transformed(a, n, axis, norm, -1)


@implements(np.fft.ifft)
def ifft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    return _transformed(a, n, axis, norm, 1)


@implements(np.fft.rfft)
def rfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    if is_complex_array(as_array(a)):
        raise TypeError(f"rfft takes real arrays ({user_site()})")
    full = fft(a, n, axis, norm)
    at = axis_of(axis, full.ndim)
    return full[(*[slice(None)] * at, slice(0, sizes.add(sizes.floordiv(full.shape[at], 2), 1)))].copy()


@implements(np.fft.irfft)
def irfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    """The inverse transform of the whole spectrum: its second half is the first one's mirror image, conjugated."""
    z = _array(a)
    at = axis_of(axis, z.ndim)
    others = [q for q in range(z.ndim) if q != at]
    length = sizes.mul(sizes.add(shape_of(z)[at], -1), 2) if n is None else n
    _check_length(length)
    z = _resized(z, sizes.add(sizes.floordiv(length, 2), 1), at)
    k: Any = from_index(lambda i: i, [length])
    near = np.minimum(k, length - k)
    turned = np.sign(length - 2 * k) * (k > 0)
    half = z[(*[slice(None)] * at, near)]
    imag = part(half, 1) if is_complex_array(half) else half * 0.0
    real = part(half, 0)
    return ifft(ComplexArray(real, imag * expand(turned.astype(real.dtype), others)), None, at, norm).real.copy()


_SWAPPED = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


def _swapped(norm: Any) -> Any:
    _checked(norm, 1)
    return _SWAPPED[norm]


@implements(np.fft.hfft)
def hfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    return irfft(np.conjugate(_array(a)), n, axis, _swapped(norm))


@implements(np.fft.ihfft)
def ihfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    return np.conjugate(rfft(a, n, axis, _swapped(norm)))


# ---- along several axes
Axes = Any


def _plan(a: Any, s: Any, axes: Axes, halved: bool = False) -> tuple[Arrayed, list[Any], list[int]]:
    """(array, how many elements along each axis, axes). `halved`: the last axis holds half of a spectrum."""
    a = _array(a)
    if s is not None and axes is None:
        axes = list(range(-len(s), 0))
    given = list(range(a.ndim)) if axes is None else [axis_of(q, a.ndim) for q in items_of(axes)]
    counts: list[Any] = [None] * len(given) if s is None else [None if n == -1 else n for n in s]
    if len(counts) != len(given):
        raise ValueError(f"Shape and axes have different lengths. ({user_site()})")
    if not given:
        raise errors.ArrayIndexError(f"a Fourier transform needs an axis ({user_site()})")
    if halved and s is not None and s[-1] == -1:
        counts[-1] = shape_of(a)[given[-1]]
    return a, counts, given


def _over(transform: Any, a: Any, counts: Sequence[Any], axes: Sequence[int], norm: Any) -> Any:
    for n, axis in zip(counts, axes, strict=True):
        a = transform(a, n, axis, norm)
    return a


@implements(np.fft.fftn)
def fftn(a: Any, s: Any = None, axes: Axes = None, norm: Any = None) -> Any:
    a, counts, given = _plan(a, s, axes)
    return _over(fft, a, counts[::-1], given[::-1], norm)


@implements(np.fft.ifftn)
def ifftn(a: Any, s: Any = None, axes: Axes = None, norm: Any = None) -> Any:
    a, counts, given = _plan(a, s, axes)
    return _over(ifft, a, counts[::-1], given[::-1], norm)


@implements(np.fft.rfftn)
def rfftn(a: Any, s: Any = None, axes: Axes = None, norm: Any = None) -> Any:
    a, counts, given = _plan(a, s, axes)
    return _over(fft, rfft(a, counts[-1], given[-1], norm), counts[-2::-1], given[-2::-1], norm)


@implements(np.fft.irfftn)
def irfftn(a: Any, s: Any = None, axes: Axes = None, norm: Any = None) -> Any:
    a, counts, given = _plan(a, s, axes, True)
    return irfft(_over(ifft, a, counts[:-1], given[:-1], norm), counts[-1], given[-1], norm)


_PAIR = (-2, -1)
implements(np.fft.fft2)(lambda a, s=None, axes=_PAIR, norm=None: fftn(a, s, axes, norm))
implements(np.fft.ifft2)(lambda a, s=None, axes=_PAIR, norm=None: ifftn(a, s, axes, norm))
implements(np.fft.rfft2)(lambda a, s=None, axes=_PAIR, norm=None: rfftn(a, s, axes, norm))
implements(np.fft.irfft2)(lambda a, s=None, axes=_PAIR, norm=None: irfftn(a, s, axes, norm))


# ---- frequencies
def _shifted(x: Any, axes: Axes, back: bool) -> Any:
    a = as_array(x)
    given = list(range(a.ndim)) if axes is None else [axis_of(q, a.ndim) for q in items_of(axes)]
    for q in given:
        half = sizes.floordiv(shape_of(a)[q], 2)
        a = roll(a, sizes.mul(half, -1) if back else half, q)
    return a


implements(np.fft.fftshift)(lambda x, axes=None: _shifted(x, axes, False))
implements(np.fft.ifftshift)(lambda x, axes=None: _shifted(x, axes, True))


def _frequencies(n: Any, d: Any, whole: bool) -> Any:
    count = to_type(n if isinstance(n, Traced) else constant(int(n)), I64)
    half = sizes.floordiv(sizes.add(n, 1), 2)
    length = n if whole else sizes.add(sizes.floordiv(n, 2), 1)

    def one(i: Any, n: Any, half: Any, d: Any) -> Any:
        k = table.select(table.ilt(i, half), i, table.isub(i, n)) if whole else i
        return table.mul(to_type(k, F64), table.div(1.0, table.mul(to_type(n, F64), to_type(d, F64))))

    half = half if isinstance(half, Traced) else constant(int(half))
    return from_index(one, [length], "frequencies", F64, [count, half, d if isinstance(d, Traced) else constant(float(d))])


implements(np.fft.fftfreq)(lambda n, d=1.0, device=None: _frequencies(n, d, True))
implements(np.fft.rfftfreq)(lambda n, d=1.0, device=None: _frequencies(n, d, False))

"""scipy.signal's convolutions and correlations, of any rank, as sums over the taps of the second array."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.sites import unsupported, user_site
from ...core.types import BOOL, I64
from ...values import sizes
from ...values.values import Arrayed
from ...values.views import as_array, shape_of
from ..axes import flip
from ..common import astype, common_dtype
from ..creation import asarray
from ..registry import implements
from .windows import correlated, extended

BOUNDARIES = {"fill": "constant", "wrap": "wrap", "symm": "reflect"}


def _alike(name: str, in1: Any, in2: Any) -> tuple[Any, Any]:
    """Two arrays of a rank and a dtype."""
    a, b = as_array(asarray(in1)), as_array(asarray(in2))
    ranks = tuple(x.ndim if isinstance(x, Arrayed) else 0 for x in (a, b))
    if ranks[0] != ranks[1] or not ranks[0]:
        raise ValueError(f"{name}: inputs should have the same dimensionality, 1 at least ({user_site()})")
    t = common_dtype([a, b])
    t = I64 if t == BOOL else t
    a, b = (x if x.type.dtype == t else astype(x, t) for x in (a, b))
    return a, b


def _is_larger(name: str, a: Any, b: Any) -> bool:
    """Is the second array the larger one, which mode 'valid' takes for the first?"""
    pairs = [(sizes.needed(m), sizes.needed(n)) for m, n in zip(shape_of(a), shape_of(b), strict=True)]
    known = [(m, n) for m, n in pairs if m is not None and n is not None]
    if all(m >= n for m, n in known):
        return False
    if all(m <= n for m, n in known):
        return True
    raise ValueError(f"For 'valid' mode, one must be at least as large as the other in every dimension ({name}, {user_site()})")


def _convolved(name: str, a: Any, b: Any, mode: str, boundary: str = "constant", value: Any = 0, turned: bool = False) -> Any:
    """The middle of the whole, in mode "same", begins one element earlier where b has been `turned` and has an even number of them."""
    if mode == "valid" and _is_larger(name, a, b):
        a, b = b, a
    last = [sizes.add(m, -1) for m in shape_of(b)]
    if mode == "full":
        pads = [(m, m) for m in last]
    elif mode == "same":
        behind = [sizes.floordiv(sizes.add(m, int(turned)), 2) for m in last]
        pads = [(sizes.sub(m, p), p) for m, p in zip(last, behind, strict=True)]
    elif mode == "valid":
        pads = [(0, 0) for _ in last]
    else:
        raise ValueError(f"acceptable mode flags are 'valid', 'same', or 'full' (got {mode!r}) ({user_site()})")
    return correlated(extended(a, pads, boundary, value), flip(b))


@implements("scipy.signal.convolve")
def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """Directly, whatever the method."""
    return _convolved("convolve", *_alike("convolve", in1, in2), mode)


@implements("scipy.signal.correlate")
def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    a, b = _alike("correlate", in1, in2)
    return _convolved("correlate", a, flip(b), mode)


@implements("scipy.signal.fftconvolve", "scipy.signal.oaconvolve")
def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    """The same, without transforms."""
    a, b = _alike("fftconvolve", in1, in2)
    if axes is not None and sorted(q % a.ndim for q in np.atleast_1d(axes)) != list(range(a.ndim)):
        unsupported("fftconvolve along some axes", "leave axes= out, or call scipy.ndimage.convolve1d")
    return _convolved("fftconvolve", a, b, mode)


def _in_two_dimensions(name: str, in1: Any, in2: Any, boundary: str) -> tuple[Any, Any, str]:
    a, b = _alike(name, in1, in2)
    if a.ndim != 2:
        raise ValueError(f"{name} inputs must both be 2-D arrays ({user_site()})")
    if boundary not in BOUNDARIES:
        raise ValueError(f"Acceptable boundary flags are 'fill', 'circular' (or 'wrap'), and 'symmetric' (or 'symm') ({user_site()})")
    return a, b, BOUNDARIES[boundary]


@implements("scipy.signal.convolve2d")
def convolve2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Any:
    a, b, ends = _in_two_dimensions("convolve2d", in1, in2, boundary)
    return _convolved("convolve2d", a, b, mode, ends, fillvalue)


@implements("scipy.signal.correlate2d")
def correlate2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Any:
    a, b, ends = _in_two_dimensions("correlate2d", in1, in2, boundary)
    return _convolved("correlate2d", a, flip(b), mode, ends, fillvalue, True)

"""scipy.signal's recursive filters in the transposed direct form, and what is made of them."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np

from ...core.sites import unsupported, user_site
from ...values import sizes
from ...values.reshaping import expand
from ...values.values import Arrayed
from ...values.views import as_array, shape_of
from ..axes import atleast_1d, back_from_rows, flip, moveaxis, rows
from ..common import astype, axis_of, common_dtype, float_array, program
from ..creation import asarray, eye, zeros
from ..registry import implements
from ..shaping import concatenate, stack
from .images import convolve1d


@program
def filtered(b: Any, a: Any, x: Any, z: Any) -> Any:
    """Each row of x through b / a, from a state and to a state, whose last element is 0."""
    y, z, order = np.zeros_like(x), z.copy(), len(b) - 1
    for r in range(len(x)):
        for i in range(x.shape[1]):
            v = x[r, i]
            out = b[0] * v + z[r, 0]
            y[r, i] = out
            for k in range(order):
                z[r, k] = b[k + 1] * v + z[r, k + 1] - a[k + 1] * out
    return y, z


def _coefficients(b: Any, a: Any) -> tuple[Any, Any]:
    """Both as long as the longer one, divided by a[0]."""
    b, a = (float_array(atleast_1d(v)) for v in (b, a))
    m, n = shape_of(b)[0], shape_of(a)[0]
    longer = sizes.sub(sizes.add(m, n), sizes.smaller(m, n))
    out = []
    for v, k in ((b, m), (a, n)):
        whole = zeros(longer, v.dtype)
        whole[:k] = v / a[0]
        out.append(whole)
    return out[0], out[1]


@implements("scipy.signal.lfilter")
def lfilter(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    x = float_array(asarray(x))
    if not isinstance(x, Arrayed):
        raise ValueError(f"lfilter: an array is needed ({user_site()})")
    (b, a), at = _coefficients(b, a), axis_of(axis, x.ndim)
    t = common_dtype([b, a, x])
    b, a, x = (v if v.type.dtype == t else astype(v, t) for v in (b, a, x))
    matrix, order, shape = rows(x, at)
    state = zeros((shape_of(matrix)[0], shape_of(b)[0]), b.dtype)
    if zi is not None:
        z = np.broadcast_to(moveaxis(float_array(asarray(zi)), at, -1), (*shape[:-1], sizes.add(shape_of(b)[0], -1)))
        state[:, :-1] = z.reshape(*shape_of(state[:, :-1]))
    y, last = filtered(b, a, matrix, state)
    y = back_from_rows(y, order, shape)
    return y if zi is None else (y, back_from_rows(last[:, :-1], order, [*shape[:-1], sizes.add(shape_of(b)[0], -1)]))


@implements("scipy.signal.lfilter_zi")
def lfilter_zi(b: Any, a: Any) -> Any:
    """The state of a filter's step response in the long run: z = A z + B for the companion matrix of a."""
    b, a = _coefficients(b, a)
    n = sizes.add(shape_of(a)[0], -1)
    system = zeros((n, n), a.dtype)
    system[:, 0] = a[1:]
    system = system + eye(n, dtype=a.dtype) - eye(n, k=1, dtype=a.dtype)
    return np.linalg.solve(system, b[1:] - a[1:] * b[0])


def _both_ends(x: Any, axis: int, count: Any, kind: Any) -> Any:
    """x with `count` elements more at both ends of an axis: turned round the end, mirrored, or the end itself."""
    if kind is None or count == 0:
        return x
    head = (slice(None),) * axis
    first, last = x[(*head, slice(0, 1))], x[(*head, slice(-1, None))]
    left, right = x[(*head, slice(count, 0, -1))], x[(*head, slice(-2, -(count + 2), -1))]
    if kind == "odd":
        left, right = 2 * first - left, 2 * last - right
    elif kind == "constant":
        left, right = left * 0.0 + first, right * 0.0 + last
    elif kind != "even":
        raise ValueError(f"Unknown value '{kind}' for padtype. padtype must be 'even', 'odd', 'constant', or None. ({user_site()})")
    return concatenate([left, x, right], axis)


def _length(x: Any, axis: int, kind: Any, padlen: Any, default: Any) -> int:
    count = 0 if kind is None else default if padlen is None else int(padlen)
    n = sizes.needed(shape_of(x)[axis])
    if count is None or n is None:
        unsupported("filtering forwards and backwards with sizes that are not known", "give padlen=, and arrays of known sizes")
    if n <= count:
        raise ValueError(f"The length of the input vector x must be greater than padlen, which is {count}. ({user_site()})")
    return int(count)


def _there_and_back(run: Any, z: Any, x: Any, axis: int, count: int, kind: Any) -> Any:
    """run(x, state) in both directions, each from the state that the first element would have brought about."""
    x = _both_ends(x, axis, count, kind)
    head = (slice(None),) * axis
    for _ in range(2):
        y, _ = run(x, z * x[(*head, slice(0, 1))])
        x = flip(y, axis)
    return x[(*head, slice(count, -count))] if count else x


@implements("scipy.signal.filtfilt")
def filtfilt(b: Any, a: Any, x: Any, axis: int = -1, padtype: Any = "odd", padlen: Any = None, method: str = "pad") -> Any:
    if method != "pad":
        unsupported(f"filtfilt with method={method!r}", "leave it out")
    b, a, x = atleast_1d(b), atleast_1d(a), float_array(asarray(x))
    at = axis_of(axis, x.ndim)
    taps = [sizes.needed(shape_of(v)[0]) for v in (a, b)]
    count = _length(x, at, padtype, padlen, None if None in taps else 3 * max(taps))  # type: ignore[type-var,operator]
    z = np.reshape(lfilter_zi(b, a), [-1 if q == at else 1 for q in range(x.ndim)])
    return _there_and_back(lambda x, z: lfilter(b, a, x, at, z), z, x, at, count, padtype)


# ---- second-order sections
def _sections(sos: Any) -> tuple[Any, int]:
    sos = float_array(asarray(sos))
    n = sizes.needed(shape_of(sos)[0])
    if sos.ndim != 2 or n is None:
        raise ValueError(f"sos array must be shape (n_sections, 6) ({user_site()})")
    sizes.require_equal(shape_of(sos)[1], 6, "sos array must be shape (n_sections, 6)")
    return sos, int(n)


@implements("scipy.signal.sosfilt")
def sosfilt(sos: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    sos, n = _sections(sos)
    x = float_array(asarray(x))
    states = []
    for s in range(n):
        z = None if zi is None else as_array(zi)[s]
        found = lfilter(sos[s, :3], sos[s, 3:], x, axis, z)
        x = found if zi is None else found[0]
        states.append(None if zi is None else found[1])
    return x if zi is None else (x, stack(states))


@implements("scipy.signal.sosfilt_zi")
def sosfilt_zi(sos: Any) -> Any:
    sos, n = _sections(sos)
    out, scale = [], 1.0
    for s in range(n):
        b, a = sos[s, :3], sos[s, 3:]
        out.append(scale * lfilter_zi(b, a))
        scale = scale * np.sum(b) / np.sum(a)
    return stack(out)


@implements("scipy.signal.sosfiltfilt")
def sosfiltfilt(sos: Any, x: Any, axis: int = -1, padtype: Any = "odd", padlen: Any = None) -> Any:
    default = None
    if padlen is None and padtype is not None:
        if not isinstance(sos, np.ndarray):
            unsupported("sosfiltfilt without padlen=", "give padlen=: its default asks how many coefficients of the sections are 0")
        default = 3 * (2 * len(sos) + 1 - min(int((sos[:, 2] == 0).sum()), int((sos[:, 5] == 0).sum())))
    sos, n = _sections(sos)
    x = float_array(asarray(x))
    at = axis_of(axis, x.ndim)
    count = _length(x, at, padtype, padlen, default)
    z = np.reshape(sosfilt_zi(sos), [n, *(2 if q == at else 1 for q in range(x.ndim))])
    return _there_and_back(lambda x, z: sosfilt(sos, x, at, z), np.reshape(z, [n, *(shape_of(z)[1:])]), x, at, count, padtype)


# ---- trends
@implements("scipy.signal.detrend")
def detrend(data: Any, axis: int = -1, type: str = "linear", bp: Any = 0) -> Any:
    if not isinstance(bp, int) or bp:
        unsupported("detrend with bp=", "call it for each part")
    x = moveaxis(float_array(asarray(data)), axis, -1)
    if type in ("constant", "c"):
        return moveaxis(x - np.mean(x, -1, keepdims=True), -1, axis)
    if type not in ("linear", "l"):
        raise ValueError(f"Trend type must be 'linear' or 'constant'. ({user_site()})")
    from_middle = asarray(_places(shape_of(x)[-1], x.dtype))
    middle = x - np.mean(x, -1, keepdims=True)
    slope = np.sum(middle * from_middle, -1) / np.sum(from_middle * from_middle)
    slope = expand(slope, (slope.ndim,)) if isinstance(slope, Arrayed) else slope
    return moveaxis(middle - slope * from_middle, -1, axis)


@program
def _places(n: Any, dtype: Any) -> Any:
    return (np.arange(n) - (n - 1) / 2).astype(dtype)


@implements("scipy.signal.savgol_filter")
def savgol_filter(
    x: Any, window_length: int, polyorder: int, deriv: int = 0, delta: float = 1.0, axis: int = -1, mode: str = "interp", cval: float = 0.0
) -> Any:
    """A. Savitzky, M. J. E. Golay (1964): polynomials through windows; near the ends, those through the first and the last window."""
    x = float_array(asarray(x))
    at, wide = axis_of(axis, x.ndim), int(window_length)
    w = importlib.import_module("scipy.signal").savgol_coeffs(wide, polyorder, deriv=deriv, delta=delta)
    if mode != "interp":
        return convolve1d(x, w, at, mode, cval)
    half, places = wide // 2, np.arange(wide)
    powers = np.vander(places, polyorder + 1, increasing=True)
    slopes = np.zeros((wide, polyorder + 1))
    for k in range(deriv, polyorder + 1):
        slopes[:, k] = math.perm(k, deriv) * places ** (k - deriv) / delta**deriv
    fit = as_array(slopes @ np.linalg.pinv(powers))
    y = moveaxis(convolve1d(x, w, at, "constant"), at, 0)
    y, x = y.copy(), moveaxis(x, at, 0)
    y[:half], y[-half:] = np.tensordot(fit[:half], x[:wide], 1), np.tensordot(fit[-half:], x[-wide:], 1)
    return moveaxis(y, 0, at)


# ---- waves
@implements("scipy.signal.sawtooth")
def sawtooth(t: Any, width: Any = 1) -> Any:
    phase = np.mod(float_array(as_array(t)), 2 * np.pi)
    edge = width * 2 * np.pi
    safe, rest = np.where(edge == 0, 1.0, width), np.where(width == 1, 1.0, 1.0 - width)
    return np.where(phase < edge, phase / (np.pi * safe) - 1, (np.pi * (width + 1) - phase) / (np.pi * rest))


@implements("scipy.signal.square")
def square(t: Any, duty: Any = 0.5) -> Any:
    phase = np.mod(float_array(as_array(t)), 2 * np.pi)
    return np.where(phase < duty * 2 * np.pi, 1.0, -1.0)


@implements("scipy.signal.chirp")
def chirp(t: Any, f0: Any, t1: Any, f1: Any, method: str = "linear", phi: Any = 0) -> Any:
    if method not in ("linear", "lin", "li"):
        unsupported(f"chirp with method={method!r}", "use method='linear', or write the phase")
    t = as_array(t)
    return np.cos(2 * np.pi * (f0 * t + 0.5 * (f1 - f0) / t1 * t * t) + phi * np.pi / 180)

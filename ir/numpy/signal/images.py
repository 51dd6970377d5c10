"""scipy.ndimage: linear filters, largest and smallest elements of neighbourhoods, and interpolation of order 0 and 1."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core.sites import unsupported, user_site
from ...core.types import F64, NUMPY_DTYPES, is_float
from ...values import sizes
from ...values.kernels import elementwise, from_index
from ...values.values import Arrayed, is_traced
from ...values.views import as_array, shape_of
from ..axes import flip
from ..common import astype, axis_of, float_array, items_of
from ..creation import asarray
from ..registry import implements
from .windows import along_axis, correlated, extended, folded, over_taps


def _image(name: str, x: Any) -> tuple[Any, Any]:
    """An image in double precision, and the dtype that the result has."""
    x = as_array(asarray(x))
    if not isinstance(x, Arrayed) or not is_float(x.type.dtype):
        unsupported(f"scipy.ndimage.{name} of integers, whose result would be cut to integers,", "give floats: x.astype(float)")
    return astype(x, F64) if x.type.dtype != F64 else x, NUMPY_DTYPES[x.type.dtype]


def _for_each(value: Any, rank: int) -> list[Any]:
    """What is given once, or for each axis."""
    found = list(value) if isinstance(value, (tuple, list, np.ndarray)) else [value] * rank
    if len(found) != rank:
        raise RuntimeError(f"sequence argument must have length equal to input rank ({user_site()})")
    return found


def _pads(shape: Sequence[Any], origins: Sequence[int]) -> list[tuple[Any, Any]]:
    before = [sizes.add(sizes.floordiv(m, 2), int(o)) for m, o in zip(shape, origins, strict=True)]
    return [(p, sizes.sub(sizes.add(m, -1), p)) for m, p in zip(shape, before, strict=True)]


def _turned(shape: Sequence[Any], origins: Sequence[int]) -> list[int]:
    """The origins of a correlation with the weights turned round."""
    even = [sizes.needed(m) for m in shape]
    if None in even:
        unsupported("a convolution with weights of unknown sizes", "give weights of a known shape")
    return [-int(o) - (0 if m % 2 else 1) for m, o in zip(even, origins, strict=True)]  # type: ignore[operator]


def _filtered(name: str, x: Any, w: Any, mode: Any, cval: Any, origins: list[int], axes: Sequence[int] | None = None) -> Any:
    """A correlation with weights of the image's rank."""
    x, t = _image(name, x)
    w = float_array(as_array(w))
    pads = _pads(shape_of(w), origins)
    modes = _for_each(mode, x.ndim)
    if len(set(modes)) == 1:
        out = correlated(extended(x, pads, modes[0], cval), w)
    else:
        whole = x
        for q, m in enumerate(modes):
            whole = extended(whole, [p if i == q else (0, 0) for i, p in enumerate(pads)], m, cval)
        out = correlated(whole, w)
    return out if t == np.float64 else astype(out, t)


@implements("scipy.ndimage.correlate")
def correlate(input: Any, weights: Any, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0) -> Any:
    w = as_array(weights)
    return _filtered("correlate", input, w, mode, cval, _for_each(origin, w.ndim))


@implements("scipy.ndimage.convolve")
def convolve(input: Any, weights: Any, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0) -> Any:
    w = as_array(weights)
    return _filtered("convolve", input, flip(w), mode, cval, _turned(shape_of(w), _for_each(origin, w.ndim)))


@implements("scipy.ndimage.correlate1d")
def correlate1d(input: Any, weights: Any, axis: int = -1, mode: Any = "reflect", cval: Any = 0.0, origin: int = 0) -> Any:
    x = as_array(asarray(input))
    at = axis_of(axis, x.ndim)
    return _filtered(
        "correlate1d", x, along_axis(as_array(weights), at, x.ndim), mode, cval, [origin if q == at else 0 for q in range(x.ndim)]
    )


@implements("scipy.ndimage.convolve1d")
def convolve1d(input: Any, weights: Any, axis: int = -1, mode: Any = "reflect", cval: Any = 0.0, origin: int = 0) -> Any:
    w = as_array(weights)
    return correlate1d(input, flip(w), axis, mode, cval, _turned(shape_of(w), [origin])[0])


# ---- of Gaussians and of ones
def _gaussian(sigma: Any, order: int, radius: int) -> Any:
    """Weights of the derivative of an order of a Gaussian whose sum is 1: the Gaussian times a polynomial q, where q' - x q / sigma^2 is the next."""
    x = np.arange(-radius, radius + 1).astype(float)
    variance = sigma * sigma
    phi = np.exp(-0.5 / variance * x**2)
    phi = phi / np.sum(phi)
    q: list[Any] = [1.0]
    for _ in range(order):
        slope = [k * c for k, c in enumerate(q)][1:]
        back = [0.0, *(-c / variance for c in q)]
        q = [(slope[k] if k < len(slope) else 0.0) + back[k] for k in range(len(back))]
    return sum(c * x**k for k, c in enumerate(q)) * phi


@implements("scipy.ndimage.gaussian_filter1d")
def gaussian_filter1d(
    input: Any,
    sigma: Any,
    axis: int = -1,
    order: int = 0,
    mode: Any = "reflect",
    cval: Any = 0.0,
    truncate: float = 4.0,
    *,
    radius: Any = None,
) -> Any:
    if radius is None:
        if is_traced(sigma):
            unsupported("gaussian_filter1d with a traced sigma", "give radius= as well, the number of elements on either side")
        radius = int(truncate * float(sigma) + 0.5)
    return correlate1d(input, _gaussian(sigma, int(order), int(radius))[::-1], axis, mode, cval)


@implements("scipy.ndimage.gaussian_filter")
def gaussian_filter(
    input: Any, sigma: Any, order: Any = 0, mode: Any = "reflect", cval: Any = 0.0, truncate: float = 4.0, *, radius: Any = None
) -> Any:
    x = as_array(asarray(input))
    given = zip(*(_for_each(v, x.ndim) for v in (sigma, order, mode, radius)), strict=True)
    for q, (s, o, m, r) in enumerate(given):
        if is_traced(s) or s > 1e-15:
            x = gaussian_filter1d(x, s, q, o, m, cval, truncate, radius=r)
    return x


@implements("scipy.ndimage.uniform_filter1d")
def uniform_filter1d(input: Any, size: Any, axis: int = -1, mode: Any = "reflect", cval: Any = 0.0, origin: int = 0) -> Any:
    return correlate1d(input, np.full(int(size), 1.0 / int(size)), axis, mode, cval, origin)


@implements("scipy.ndimage.uniform_filter")
def uniform_filter(input: Any, size: Any = 3, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0) -> Any:
    x = as_array(asarray(input))
    for q, (n, m, o) in enumerate(zip(*(_for_each(v, x.ndim) for v in (size, mode, origin)), strict=True)):
        if n > 1:
            x = uniform_filter1d(x, n, q, m, cval, o)
    return x


# ---- differences
def _slope(x: Any, axis: int, across: Sequence[float], mode: Any, cval: Any) -> Any:
    x = as_array(asarray(x))
    at = axis_of(axis, x.ndim)
    out = correlate1d(x, np.array([-1.0, 0.0, 1.0]), at, mode, cval)
    for q in range(x.ndim):
        out = out if q == at else correlate1d(out, np.array(across), q, mode, cval)
    return out


implements("scipy.ndimage.sobel")(lambda input, axis=-1, mode="reflect", cval=0.0: _slope(input, axis, (1.0, 2.0, 1.0), mode, cval))
implements("scipy.ndimage.prewitt")(lambda input, axis=-1, mode="reflect", cval=0.0: _slope(input, axis, (1.0, 1.0, 1.0), mode, cval))


def _over_axes(input: Any, fn: Callable[[Any, int], Any]) -> Any:
    x = as_array(asarray(input))
    return sum((fn(x, q) for q in range(1, x.ndim)), fn(x, 0))


@implements("scipy.ndimage.laplace")
def laplace(input: Any, mode: Any = "reflect", cval: Any = 0.0) -> Any:
    return _over_axes(input, lambda x, q: correlate1d(x, np.array([1.0, -2.0, 1.0]), q, mode, cval))


def _orders(rank: int, axis: int, order: int) -> list[int]:
    return [order if q == axis else 0 for q in range(rank)]


@implements("scipy.ndimage.gaussian_laplace")
def gaussian_laplace(input: Any, sigma: Any, mode: Any = "reflect", cval: Any = 0.0) -> Any:
    return _over_axes(input, lambda x, q: gaussian_filter(x, sigma, _orders(x.ndim, q, 2), mode, cval))


@implements("scipy.ndimage.gaussian_gradient_magnitude")
def gaussian_gradient_magnitude(input: Any, sigma: Any, mode: Any = "reflect", cval: Any = 0.0) -> Any:
    return np.sqrt(_over_axes(input, lambda x, q: np.square(gaussian_filter(x, sigma, _orders(x.ndim, q, 1), mode, cval))))


# ---- largest and smallest
def _extreme(name: str, pick: np.ufunc, input: Any, size: Any, mode: Any, cval: Any, origin: Any) -> Any:
    x, t = _image(name, input)
    counts = [int(n) for n in _for_each(size, x.ndim)]
    whole = x
    for q, (m, p) in enumerate(zip(_for_each(mode, x.ndim), _pads(counts, _for_each(origin, x.ndim)), strict=True)):
        whole = extended(whole, [p if i == q else (0, 0) for i in range(x.ndim)], m, cval)
    shape = shape_of(x)
    first = whole[tuple(slice(0, n) for n in shape)].copy()
    out = over_taps(whole, counts, shape, lambda out, part, _: pick(out, part), first)
    return out if t == np.float64 else astype(out, t)


def _of_neighbours(name: str, pick: np.ufunc) -> None:
    def whole(input: Any, size: Any = None, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0) -> Any:
        if size is None:
            unsupported(f"scipy.ndimage.{name} without size=", "give the size of the neighbourhood")
        return _extreme(name, pick, input, size, mode, cval, origin)

    def one(input: Any, size: Any, axis: int = -1, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0) -> Any:
        x = as_array(asarray(input))
        at = axis_of(axis, x.ndim)
        return _extreme(
            name, pick, x, [size if q == at else 1 for q in range(x.ndim)], mode, cval, [origin if q == at else 0 for q in range(x.ndim)]
        )

    implements(f"scipy.ndimage.{name}")(whole)
    implements(f"scipy.ndimage.{name}1d")(one)


_of_neighbours("maximum_filter", np.maximum)
_of_neighbours("minimum_filter", np.minimum)


@implements("scipy.ndimage.center_of_mass")
def center_of_mass(input: Any) -> Any:
    x = as_array(asarray(input))
    total = np.sum(x)
    return tuple(np.sum(x * along_axis(_grid(shape_of(x)[q]), q, x.ndim)) / total for q in range(x.ndim))


# ---- interpolation
# What stands for the elements beyond the ends, which have no weight where the coordinate has been put into the image.
IMAGES = {"constant": "nearest", "wrap": "nearest", "grid-mirror": "reflect", "grid-wrap": "wrap"}


def _grid(n: Any) -> Any:
    return from_index(lambda i: i * 1.0, [n], "grid", F64)


def _needs_order(name: str, order: Any) -> None:
    if order not in (0, 1):
        unsupported(f"scipy.ndimage.{name} with order={order}", "write order=1, or order=0")


def _position(c: Any, n: Any, mode: str) -> Any:
    """A coordinate in an axis of n elements as one between its first and last, or between those and their images beyond."""
    last = np.maximum(n - 1.0, 0.0)
    if mode in ("nearest", "constant"):
        return np.clip(c, 0.0, last)
    if mode == "wrap":  # of period n - 1
        return np.where((c < 0) | (c > last), np.mod(c, np.maximum(last, 1.0)), c)
    return c


def _axis_weights(c: Any, n: Any, order: int, mode: str) -> list[tuple[Any, Any]]:
    """(index, weight) of the elements that a coordinate lies between."""
    count: Any = sizes.lifted(n)[0]
    c = _position(c, count * 1.0, mode)
    low = np.floor(c + 0.5) if order == 0 else np.floor(c)
    index = low.astype(int)
    ends = IMAGES.get(mode, mode)

    def place(i: Any) -> Any:
        return elementwise(lambda i, n: folded(ends, i, n), i, count, name="folded")

    if order == 0:
        return [(place(index), 1.0)]
    return [(place(index), 1.0 - (c - low)), (place(index + 1), c - low)]


@implements("scipy.ndimage.map_coordinates")
def map_coordinates(input: Any, coordinates: Any, order: int = 3, mode: str = "constant", cval: Any = 0.0, prefilter: bool = True) -> Any:
    _needs_order("map_coordinates", order)
    x, t = _image("map_coordinates", input)
    cs = float_array(asarray(coordinates))
    sizes.require_equal(shape_of(cs)[0], x.ndim, "invalid shape for coordinate array")
    return _sampled(x, [cs[q] for q in range(x.ndim)], order, mode, cval, t)


def _sampled(x: Any, cs: Sequence[Any], order: int, mode: str, cval: Any, t: Any) -> Any:
    if mode not in ("constant", "nearest", "reflect", "mirror", "wrap", "grid-mirror", "grid-wrap"):
        raise RuntimeError(f"boundary mode not supported: {mode!r} ({user_site()})")
    shape = shape_of(x)
    parts = [_axis_weights(c, n, order, mode) for c, n in zip(cs, shape, strict=True)]
    out: Any = 0.0
    for chosen in itertools.product(*parts):
        weight = _product([w for _, w in chosen])
        out = out + x[tuple(i for i, _ in chosen)] * weight
    if mode == "constant":
        inside = [(c >= 0) & (c <= sizes.add(n, -1)) for c, n in zip(cs, shape, strict=True)]
        out = np.where(_product(inside), out, cval)
    return out if t == np.float64 else astype(out, t)


def _product(items: Sequence[Any]) -> Any:
    out = items[0]
    for x in items[1:]:
        out = out * x
    return out


def _places(shape: Sequence[Any]) -> list[Any]:
    """The coordinates of each element along each axis, of all the image's shape."""
    return [np.broadcast_to(along_axis(_grid(n), q, len(shape)), tuple(shape)) for q, n in enumerate(shape)]


@implements("scipy.ndimage.shift")
def shift(input: Any, shift: Any, order: int = 3, mode: str = "constant", cval: Any = 0.0, prefilter: bool = True) -> Any:
    _needs_order("shift", order)
    x, t = _image("shift", input)
    by = [shift[q] for q in range(x.ndim)] if isinstance(as_array(shift), Arrayed) or isinstance(shift, (list, tuple)) else [shift] * x.ndim
    return _sampled(x, [p - s for p, s in zip(_places(shape_of(x)), by, strict=True)], order, mode, cval, t)


@implements("scipy.ndimage.zoom")
def zoom(input: Any, zoom: Any, order: int = 3, mode: str = "constant", cval: Any = 0.0, prefilter: bool = True) -> Any:
    _needs_order("zoom", order)
    x, t = _image("zoom", input)
    known = [sizes.needed(n) for n in shape_of(x)]
    if None in known:
        unsupported("zoom of an image of unknown sizes", "use map_coordinates")
    shape = [round(n * z) for n, z in zip(known, _for_each(zoom, x.ndim), strict=True)]
    steps = [(n - 1) / (m - 1) if m > 1 else 1.0 for n, m in zip(known, shape, strict=True)]  # type: ignore[operator]
    return _sampled(x, [p * s for p, s in zip(_places(shape), steps, strict=True)], order, mode, cval, t)


@implements("scipy.ndimage.affine_transform")
def affine_transform(
    input: Any,
    matrix: Any,
    offset: Any = 0.0,
    output_shape: Any = None,
    order: int = 3,
    mode: str = "constant",
    cval: Any = 0.0,
    prefilter: bool = True,
) -> Any:
    _needs_order("affine_transform", order)
    x, t = _image("affine_transform", input)
    m = float_array(asarray(matrix))
    shape = shape_of(x) if output_shape is None else items_of(output_shape)
    places = _places(shape)
    by = (
        list(offset)
        if isinstance(offset, (list, tuple, np.ndarray))
        else [offset[q] for q in range(x.ndim)]
        if isinstance(offset, Arrayed)
        else [offset] * x.ndim
    )
    rows = [sum(m[q, k] * places[k] for k in range(x.ndim)) if m.ndim == 2 else m[q] * places[q] for q in range(x.ndim)]
    if m.ndim == 2 and sizes.needed(shape_of(m)[1]) == x.ndim + 1:
        by = [m[q, x.ndim] for q in range(x.ndim)]
    return _sampled(x, [r + o for r, o in zip(rows, by, strict=True)], order, mode, cval, t)

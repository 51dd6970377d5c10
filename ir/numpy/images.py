"""The convolution of images: its operation, its rules, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ops import images
from ..ops.library import rules
from ..values import sizes
from ..values.library import bind
from ..values.values import Arrayed
from ..values.views import View, any_traced, as_array, base_of, shape_of, spec_of
from .products import add_up


def convolve(x: Any, w: Any, strides: tuple[int, int], dilation: tuple[int, int], groups: int) -> Any:
    """`ops.images.conv` of arrays of one float dtype, traced ones or NumPy's."""
    traced = any_traced((x, w))
    x, w = (as_array(x), as_array(w)) if traced else (x, w)
    (_, channels, *shape), (outs, seen, *kernel) = _shape(x), _shape(w)
    sizes.require_equal(channels, sizes.mul(seen, groups), "conv: the channels of images are not those of kernels, times the groups")
    if groups > 1:
        sizes.require_equal(sizes.mul(sizes.floordiv(outs, groups), groups), outs, "conv: so many kernels cannot be cut into groups")
    for n, k, d in zip(shape, kernel, dilation, strict=True):
        _require_room(n, sizes.add(sizes.mul(sizes.sub(k, 1), d), 1), "conv: the kernel is larger than the image: pad it")
    if not traced:
        return images.conv(x, w, strides, dilation, groups)[0]
    return _conv(x, w, {"strides": strides, "dilation": dilation, "groups": groups})


def _shape(a: Any) -> Sequence[Any]:
    return shape_of(a) if isinstance(a, Arrayed) else [int(n) for n in a.shape]


def _require_room(n: Any, span: Any, what: str) -> None:
    if not sizes.same(n, span):
        sizes.require_equal(sizes.smaller(n, span), span, what)


def _conv(x: Arrayed, w: Arrayed, attrs: Any) -> Any:
    (b, _, *shape), (outs, _, *kernel) = shape_of(x), shape_of(w)
    places = [
        sizes.nonnegative(sizes.add(sizes.floordiv(sizes.sub(n, sizes.add(sizes.mul(sizes.sub(k, 1), d), 1)), s), 1))
        for n, k, s, d in zip(shape, kernel, attrs["strides"], attrs["dilation"], strict=True)
    ]
    (y,) = bind("conv", (x, w), [(x.type.dtype, (b, outs, *places))], **{**attrs, "fails": False})
    return y


def windows(x: Any, window: tuple[int, int], strides: tuple[int, int]) -> list[Any]:
    """Each element of the windows over images (b, c, h, w): a view of what it is at all places."""
    traced = any_traced((x,))
    x = as_array(x) if traced else x
    shape = _shape(x)[2:]
    for n, k in zip(shape, window, strict=True):
        _require_room(n, k, "the window is larger than the image: pad it")
    places = [sizes.add(sizes.floordiv(sizes.sub(n, k), s), 1) for n, k, s in zip(shape, window, strides, strict=True)]
    return [_view(x, place, places, strides, traced) for place in np.ndindex(*window)]


def _view(x: Any, first: Sequence[int], places: Sequence[Any], strides: Sequence[int], traced: bool) -> Any:
    if not traced:
        (p, q), (rows, columns), (down, right) = first, places, strides
        return x[:, :, p : p + (rows - 1) * down + 1 : down, q : q + (columns - 1) * right + 1 : right]
    moved = {2: (first[0], strides[0]), 3: (first[1], strides[1])}
    spec = []
    for axis, start, step in spec_of(x):
        by, stride = moved.get(axis, (0, 1))
        spec.append((axis, sizes.add(start, sizes.mul(step, by)), sizes.mul(step, stride)))
    return View(base_of(x), spec, [*shape_of(x)[:2], *places])


def _jvp(attrs: Any, args: Any, outs: Any, tangents: Any) -> tuple[Any]:
    (x, w), (tx, tw) = args, tangents
    return (add_up(None if tx is None else _conv(tx, w, attrs), None if tw is None else _conv(x, tw, attrs)),)


rules("conv", jvp=_jvp)
__all__ = ["convolve", "windows"]

"""The convolution of images: its operation, its rules, and the way back."""

from __future__ import annotations

from typing import Any

from ..ops import images
from ..ops.library import rules
from ..values import sizes
from ..values.library import bind
from ..values.values import Arrayed
from ..values.views import any_traced, as_array, shape_of
from .products import add_up


def convolve(x: Any, w: Any, strides: tuple[int, int], dilation: tuple[int, int], groups: int) -> Any:
    """`ops.images.conv` of arrays that fit together, of one float dtype: traced ones, or NumPy's."""
    if not any_traced((x, w)):
        return images.conv(x, w, strides, dilation, groups)[0]
    return _conv(as_array(x), as_array(w), {"strides": strides, "dilation": dilation, "groups": groups})


def _conv(x: Arrayed, w: Arrayed, attrs: Any) -> Any:
    (b, _, *shape), (outs, _, *kernel) = shape_of(x), shape_of(w)
    places = [
        sizes.nonnegative(sizes.add(sizes.floordiv(sizes.sub(n, sizes.add(sizes.mul(sizes.sub(k, 1), d), 1)), s), 1))
        for n, k, s, d in zip(shape, kernel, attrs["strides"], attrs["dilation"], strict=True)
    ]
    (y,) = bind("conv", (x, w), [(x.type.dtype, (b, outs, *places))], **{**attrs, "fails": False})
    return y


def _jvp(attrs: Any, args: Any, outs: Any, tangents: Any) -> tuple[Any]:
    (x, w), (tx, tw) = args, tangents
    return (add_up(None if tx is None else _conv(tx, w, attrs), None if tw is None else _conv(x, tw, attrs)),)


rules("conv", jvp=_jvp)
__all__ = ["convolve"]

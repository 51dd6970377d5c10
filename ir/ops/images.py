"""Convolutions of stacks of images, as matrix products of what the kernel sees.

    conv(x, w) {strides, dilation, groups}              y[b, o, i, j] = sum of w[o, c, p, q] x[b, c, i strides[0] + p dilation[0], ..]
    conv_input(d, w, x) {..}                            x += what d, the adjoint of such a y, gives that of its image
    conv_weight(x, d, w) {..}                           w += what it gives that of its weights

Images are (b, c, h, w), weights (o, c / groups, p, q): channels and outs are cut into so many groups, each of which sees its own. What a kernel
sees at each place of an image is one column of a matrix (Chellapilla, Puri and Simard, "High Performance Convolutional Neural Networks for
Document Processing", 2006), which is made for one image at a time and kept for none: so it stays in the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.op import nothing, sizes
from .library import ADJOINTS, awaited, row


def seen(n: Any, kernel: Any, stride: int, dilation: int) -> Any:
    """At how many places a kernel is, along an axis of n elements."""
    return (n - (kernel - 1) * dilation - 1) // stride + 1


def patches(x: Any, kernel: Any, strides: Any, dilation: Any) -> Any:
    """A view (b, c, p, q, i, j) of an array of images: element (p, q) of what the kernel sees at (i, j)."""
    b, c, *shape = x.shape
    places = [max(seen(n, k, s, d), 0) for n, k, s, d in zip(shape, kernel, strides, dilation, strict=True)]
    first, second, *steps = x.strides
    within, between = ([s * n for s, n in zip(steps, by, strict=True)] for by in (dilation, strides))
    return np.lib.stride_tricks.as_strided(x, (b, c, *kernel, *places), (first, second, *within, *between))


def _columns(x: Any, w: Any, strides: Any, dilation: Any, groups: int) -> Any:
    """(b, group, what a kernel sees, places)"""
    p = patches(x, w.shape[2:], strides, dilation)
    return p.reshape(len(x), groups, w[0].size, p.shape[4] * p.shape[5])


def _by_groups(w: Any, groups: int) -> Any:
    return w.reshape(groups, len(w) // groups, w[0].size)


def conv(x: Any, w: Any, strides: Any, dilation: Any, groups: int) -> tuple[Any]:
    places = [max(seen(n, k, s, d), 0) for n, k, s, d in zip(x.shape[2:], w.shape[2:], strides, dilation, strict=True)]
    return ((_by_groups(w, groups) @ _columns(x, w, strides, dilation, groups)).reshape(len(x), len(w), *places),)


def _of_groups(d: Any, groups: int) -> Any:
    return d.reshape(len(d), groups, d.shape[1] // groups, d.shape[2] * d.shape[3])


def conv_input(d: Any, w: Any, x: Any, strides: Any, dilation: Any, groups: int) -> tuple[()]:
    columns = np.swapaxes(_by_groups(w, groups), -1, -2) @ _of_groups(d, groups)
    columns = columns.reshape(len(x), x.shape[1], *w.shape[2:], *d.shape[2:])
    seen = patches(x, w.shape[2:], strides, dilation)
    for p, q in np.ndindex(*w.shape[2:]):  # at one element of the kernel no two places see the same
        seen[:, :, p, q] += columns[:, :, p, q]
    return ()


def conv_weight(x: Any, d: Any, w: Any, strides: Any, dilation: Any, groups: int) -> tuple[()]:
    columns = _columns(x, w, strides, dilation, groups)
    w += (_of_groups(d, groups) @ np.swapaxes(columns, -1, -2)).sum(axis=0).reshape(w.shape)
    return ()


def _images(let: Any) -> Any:
    x, w = let.args
    return ((x.type.dtype, (sizes(x)[0], sizes(w)[0], None, None)),)


awaited("conv", conv, shape=_images, adjoint="function", linear=(0, 1))
row("conv_input", conv_input, shape=nothing, writes=(2,), zero=ADJOINTS)
row("conv_weight", conv_weight, shape=nothing, writes=(2,), zero=ADJOINTS)

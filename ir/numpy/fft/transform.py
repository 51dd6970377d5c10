"""The discrete Fourier transform of each row, of pairs of real arrays: a linear operation, whose transpose has the other sign."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.types import F64
from ...ops.library import rules
from ...values.library import bind
from ...values.views import shape_of
from ..common import program


def dft(re: Any, im: Any, sign: int) -> tuple[Any, Any]:
    shape = shape_of(re)
    re, im = bind("dft", (re, im), [(F64, shape), (F64, shape)], fails=False, sign=sign)
    return re, im


@program
def transform(re: Any, im: Any, sign: Any) -> Any:
    """By halves where the length is a power of 2, else as a convolution of such a length (Bluestein, "A linear filtering approach to the
    computation of discrete Fourier transform", 1970)."""
    m, n = re.shape
    out, out_im = np.zeros((m, n)), np.zeros((m, n))
    size = _power_of_two(n)
    if size != n:
        size = _power_of_two(2 * n - 1)
    half = size // 2 + 1
    cos, sin = np.zeros(half), np.zeros(half)
    for k in range(half):
        cos[k] = np.cos(2.0 * np.pi * k / size)
        sin[k] = np.sin(2.0 * np.pi * k / size)
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
        _by_halves(u, v, -1.0, cos, sin)
    for r in range(m):
        if size == n:
            for k in range(n):
                a[k], b[k] = re[r, k], im[r, k]
            _by_halves(a, b, sign, cos, sin)
            for k in range(n):
                out[r, k], out_im[r, k] = a[k], b[k]
        else:
            for k in range(size):
                a[k], b[k] = 0.0, 0.0
            for k in range(n):
                a[k] = re[r, k] * w[k] - im[r, k] * z[k]
                b[k] = re[r, k] * z[k] + im[r, k] * w[k]
            _by_halves(a, b, -1.0, cos, sin)
            for k in range(size):
                x, y = a[k] * u[k] - b[k] * v[k], a[k] * v[k] + b[k] * u[k]
                a[k], b[k] = x, y
            _by_halves(a, b, 1.0, cos, sin)
            for k in range(n):
                x, y = a[k] / size, b[k] / size
                out[r, k], out_im[r, k] = x * w[k] - y * z[k], x * z[k] + y * w[k]
    return out, out_im


@program
def _power_of_two(n: Any) -> Any:
    """The first that is at least n."""
    size = 1
    while size < n:
        size *= 2
    return size


@program
def _by_halves(a: Any, b: Any, direction: Any, cos: Any, sin: Any) -> None:
    """The transform of a + ib in place, of a length that is a power of 2."""
    size, j = len(a), 0
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


def _jvp(attrs: Any, args: Any, outs: Any, tangents: Any) -> tuple[Any, Any]:
    re, im = (np.zeros_like(x) if t is None else t for t, x in zip(tangents, args, strict=True))
    return dft(re, im, attrs["sign"])


rules(
    "dft",
    jvp=_jvp,
    vjp=lambda attrs, args, outs, cs, wanted: dft(cs[0], cs[1], -attrs["sign"]),
    program=lambda re, im, sign: transform(re, im, float(sign)),
)

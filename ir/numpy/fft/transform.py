"""The discrete Fourier transform of each row, of pairs of real arrays: a linear operation, whose transpose has the other sign."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.types import F64
from ...ops.library import rules
from ...values.library import bind
from ...values.views import shape_of
from ..common import program, shared

SMALL = (2, 3, 5, 7, 11, 13)
ROOM = 1 << 14  # elements that are transformed side by side, at the most: 128 KiB


def dft(re: Any, im: Any, sign: int) -> tuple[Any, Any]:
    shape = shape_of(re)
    re, im = bind("dft", (re, im), [(F64, shape), (F64, shape)], fails=False, sign=sign)
    return re, im


@program
def transform(re: Any, im: Any, sign: Any) -> Any:
    """By factors where the length has only small ones, else as a convolution of such a length (Bluestein, "A linear filtering approach to the
    computation of discrete Fourier transform", 1970)."""
    m, n = re.shape
    out, out_im = np.zeros((m, n)), np.zeros((m, n))
    if _has_small_factors(n):
        cos, sin = _circle(n)
        sin = sign * sin
        together = max(1, min(m, ROOM // max(n, 1)))
        for first in range(0, m, together):
            end = min(first + together, m)
            x, y = re[first:end].T.copy(), im[first:end].T.copy()  # one beside the other
            x, y = _by_factors(x.reshape(-1), y.reshape(-1), cos, sin, end - first)
            out[first:end], out_im[first:end] = x.reshape(n, end - first).T, y.reshape(n, end - first).T
        return out, out_im
    size = _power_of_two(2 * n - 1)
    cos, sin = _circle(size)
    k = np.arange(n)
    angle = np.pi * ((k * k) % (2 * n)) / n
    w, z = np.cos(angle), sign * np.sin(angle)
    u, v = np.zeros(size), np.zeros(size)
    u[:n], v[:n] = w, -z
    u[size - n + 1 :], v[size - n + 1 :] = w[:0:-1], -z[:0:-1]
    back = -sin
    u, v = _by_factors(u, v, cos, back, 1)
    for r in range(m):
        a, b = np.zeros(size), np.zeros(size)
        a[:n], b[:n] = re[r] * w - im[r] * z, re[r] * z + im[r] * w
        a, b = _by_factors(a, b, cos, back, 1)
        x, y = _by_factors(a * u - b * v, a * v + b * u, cos, sin, 1)
        x, y = x[:n] / size, y[:n] / size
        out[r], out_im[r] = x * w - y * z, x * z + y * w
    return out, out_im


@program
def _power_of_two(n: Any) -> Any:
    """The first that is at least n."""
    size = 1
    while size < n:
        size *= 2
    return size


@program
def _has_small_factors(n: Any) -> Any:
    rest = max(n, 1)
    for p in SMALL:
        while rest % p == 0:
            rest //= p
    return rest == 1


@shared
def _circle(n: Any) -> Any:
    """cos and sin of n angles around it."""
    if n % 4 != 0:
        angle = 2.0 * np.pi / n * np.arange(n)
        return np.cos(angle), np.sin(angle)
    quarter = n // 4
    angle = 2.0 * np.pi / n * np.arange(quarter)
    c, s = np.cos(angle), np.sin(angle)
    return np.concatenate([c, -s, -c, s]), np.concatenate([s, c, -s, -c])


@shared
def _by_factors(re: Any, im: Any, cos: Any, sin: Any, s: Any) -> Any:
    """The transforms of s rows side by side, by one factor of their length after the other (Stockham, "High-speed convolution and correlation", 1966): with r
    the factor, and s times the product of those before it, x[t, p, q] of r parts become y[p, k, q], where t, k < r and q < s. What is left of the length,
    r times as many as there are p, has its roots of 1 in `cos` and `sin`."""
    while len(cos) > 1:
        left = len(cos)
        if left % 4 == 0:
            re, im = _fours(re, im, cos, sin, left // 4, s)
            cos, sin, s = cos[::4].copy(), sin[::4].copy(), s * 4
        elif left % 2 == 0:
            re, im = _twos(re, im, cos, sin, left // 2, s)
            cos, sin, s = cos[::2].copy(), sin[::2].copy(), s * 2
        else:
            r = 3
            while left % r != 0:
                r += 2
            re, im = _odds(re, im, cos, sin, r, left // r, s)
            cos, sin, s = cos.reshape(-1, r)[:, 0].copy(), sin.reshape(-1, r)[:, 0].copy(), s * r
    return re, im


@program
def _turned(to: Any, to_im: Any, k: int, x: Any, y: Any, cos: Any, sin: Any, q: Any) -> None:
    """x + iy times the k-th power of the root of each p becomes the k-th of the results."""
    c, d = cos[: k * q : k][:, None], sin[: k * q : k][:, None]
    to[:, k], to_im[:, k] = x * c - y * d, x * d + y * c


@program
def _fours(re: Any, im: Any, cos: Any, sin: Any, q: Any, s: Any) -> Any:
    a, b = re.reshape(4, q, s), im.reshape(4, q, s)
    to, to_im = np.zeros((q, 4, s)), np.zeros((q, 4, s))
    even, even_im, odd, odd_im = a[0] + a[2], b[0] + b[2], a[1] + a[3], b[1] + b[3]
    sign = sin[q]  # of a quarter of the circle
    apart, apart_im, turn, turn_im = a[0] - a[2], b[0] - b[2], sign * (b[3] - b[1]), sign * (a[1] - a[3])
    to[:, 0], to_im[:, 0] = even + odd, even_im + odd_im
    _turned(to, to_im, 1, apart + turn, apart_im + turn_im, cos, sin, q)
    _turned(to, to_im, 2, even - odd, even_im - odd_im, cos, sin, q)
    _turned(to, to_im, 3, apart - turn, apart_im - turn_im, cos, sin, q)
    return to.reshape(-1), to_im.reshape(-1)


@program
def _twos(re: Any, im: Any, cos: Any, sin: Any, q: Any, s: Any) -> Any:
    a, b = re.reshape(2, q, s), im.reshape(2, q, s)
    to, to_im = np.zeros((q, 2, s)), np.zeros((q, 2, s))
    to[:, 0], to_im[:, 0] = a[0] + a[1], b[0] + b[1]
    _turned(to, to_im, 1, a[0] - a[1], b[0] - b[1], cos, sin, q)
    return to.reshape(-1), to_im.reshape(-1)


@program
def _odds(re: Any, im: Any, cos: Any, sin: Any, r: Any, q: Any, s: Any) -> Any:
    a, b = re.reshape(r, q, s), im.reshape(r, q, s)
    to, to_im = np.zeros((q, r, s)), np.zeros((q, r, s))
    for k in range(r):
        x, y = a[0].copy(), b[0].copy()
        for t in range(1, r):
            c, d = cos[t * k % r * q], sin[t * k % r * q]
            x += c * a[t] - d * b[t]
            y += c * b[t] + d * a[t]
        for p in range(q):
            c, d = cos[k * p], sin[k * p]
            to[p, k], to_im[p, k] = c * x[p] - d * y[p], c * y[p] + d * x[p]
    return to.reshape(-1), to_im.reshape(-1)


def _jvp(attrs: Any, args: Any, outs: Any, tangents: Any) -> tuple[Any, Any]:
    re, im = (np.zeros_like(x) if t is None else t for t, x in zip(tangents, args, strict=True))
    return dft(re, im, attrs["sign"])


rules(
    "dft",
    jvp=_jvp,
    vjp=lambda attrs, args, outs, cs, wanted: dft(cs[0], cs[1], -attrs["sign"]),
    program=lambda re, im, sign: transform(re, im, float(sign)),
)

"""One array of numbers that slides along another: an operation whose derivatives are the same operation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops.library import rules
from ...values import sizes
from ...values.library import bind
from ...values.views import shape_of
from ..axes import flip
from ..common import program, shared
from ..creation import zeros
from ..shaping import concatenate

STRIP = 512  # sums at once: 4 KiB
BLOCK = 2048  # elements that stay in the first cache while several sums take them


def sliding(x: Any, w: Any, like: Any) -> Any:
    """out[i] = x[i] w[0] + x[i + 1] w[1] + .., with zeros behind the end of x; as many as `like` has elements, which are at most as many as x has."""
    return bind("sliding", (x, w, like), [(x.type.dtype, shape_of(like))], fails=False)[0]


def _vjp(attrs: Any, args: Any, outs: Any, cs: Any, wanted: Any) -> Any:
    """An element of x has been in a sum for each of w, and one of w in a sum with each of x."""
    (c,), (x, w, like) = cs, args
    before = zeros([sizes.sub(shape_of(x)[0], shape_of(c)[0])], c.dtype)
    dx = flip(sliding(concatenate([before, flip(c)]), w, x)) if wanted[0] else None
    return dx, sliding(x, c, w) if wanted[1] else None, np.zeros_like(like) if wanted[2] else None


def _jvp(attrs: Any, args: Any, outs: Any, ts: Any) -> Any:
    (x, w, like), (tx, tw, _) = args, ts
    terms = [sliding(p, q, like) for p, q in ((tx, w), (x, tw)) if p is not None and q is not None]
    return (terms[0] if len(terms) == 1 else terms[0] + terms[1],)


@program
def slide(x: Any, w: Any, like: Any) -> Any:
    """Where w is short, many sums go on side by side; where it is long, each is a product of rows."""
    n, m, count = len(x), len(w), len(like)
    if m > 4 * count:
        return _by_rows(x, w, like)
    room = (count + STRIP - 1) // STRIP * STRIP
    given, out = np.zeros(room + m, x.dtype), np.zeros(room, x.dtype)
    given[: min(n, room + m)] = x[: min(n, room + m)]
    for first in range(0, room, STRIP):
        _strip(given, w, out, first)
    return out[:count].copy()


@shared
def _strip(x: Any, w: Any, out: Any, first: Any) -> None:
    total = np.zeros(STRIP, x.dtype)
    for k in range(0, len(w) - 3, 4):
        at = first + k
        total += (
            x[at : at + STRIP] * w[k]
            + x[at + 1 : at + 1 + STRIP] * w[k + 1]
            + (x[at + 2 : at + 2 + STRIP] * w[k + 2] + x[at + 3 : at + 3 + STRIP] * w[k + 3])
        )
    for k in range(len(w) // 4 * 4, len(w)):
        total += x[first + k : first + k + STRIP] * w[k]
    out[first : first + STRIP] = total


@shared
def _by_rows(x: Any, w: Any, like: Any) -> Any:
    n, out = min(len(x), len(w)), np.zeros(len(like), x.dtype)
    for first in range(0, n, BLOCK):
        for i in range(len(out)):
            last = min(first + BLOCK, len(w), len(x) - i)
            if first < last:
                out[i] += np.sum(x[first + i : last + i] * w[first:last])
    return out


rules("sliding", jvp=_jvp, vjp=_vjp, program=slide)

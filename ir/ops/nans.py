"""Rows that look for the first NaN (passes/nans.py adds them).

    sound(z, x.., c..) {at, place, whens}     z; fails where it is NaN and none of x.. is, and the c are as `whens` says
    sound_arrays(z.., x..) {made, place}      the same of the first `made` of arrays and numbers, at all elements

`place` is (file, line, function, what to say, what to say of an adjoint): where one of the last two is empty, nothing is looked at on
that way. `at` tells two places apart.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..core.faults import KINDS, make_error
from ..core.graph import Site
from ..core.op import Op, Zero, arrays, elementwise, nothing, register
from ..core.types import SIDE, width
from .table import eq, logical_and, logical_or, logical_xor, ne


def site_of(place: tuple[Any, ...]) -> Site:
    """Where it fails, and what it says."""
    return Site(*place[:4])


def _value(m: Any, z: Any, *rest: Any, at: int, place: tuple[Any, ...], whens: tuple[bool, ...] = ()) -> Any:
    if place[3]:
        n = len(rest) - len(whens)
        bad = _appears(m, z, rest[:n])
        for c, when in zip(rest[n:], whens, strict=True):
            bad = logical_and(bad, c if when else logical_xor(c, True))
        m.refuse(bad, "nan", site_of(place), rest[:n])
    return z


def _appears(m: Any, z: Any, xs: tuple[Any, ...]) -> Any:
    """Is z NaN, and none of xs? Of a block of tangents each lane by itself."""
    lanes = width(z.type) if hasattr(z, "type") else 1
    if 1 < lanes < SIDE:

        def of(x: Any, i: int) -> Any:
            return m.lane(x, i) if width(x.type) > 1 else x

        return functools.reduce(logical_or, [_appears(m, of(z, i), tuple(of(x, i) for x in xs)) for i in range(lanes)])
    return functools.reduce(lambda bad, x: logical_and(bad, eq(x, x)), xs, ne(z, z))


def _rule(d: Any, z: Any, x: Any, *rest: Any, at: int, place: tuple[Any, ...], whens: tuple[bool, ...] = ()) -> tuple[Any, ...]:
    if not place[4]:
        return d, *(None for _ in rest)
    back = sound(d, *rest[len(rest) - len(whens) :], at=at, place=(*place[:3], place[4], ""), whens=whens)
    return back, *(None for _ in rest)


def _arrays(*values: Any, made: int, place: tuple[Any, ...]) -> tuple[Any, ...]:
    bad = any(np.isnan(v).any() for v in values[:made]) and not any(np.isnan(v).any() for v in values[made:])
    if bad:
        raise make_error(KINDS["nan"], site_of(place))
    return ()


sound: Op = elementwise("sound", "F*:F", _value, _rule, fails=True)
sound_arrays = register(Op("sound_arrays", "*:*", _arrays, Zero("it has no result"), reads=arrays, writes=(), aliases=(), allocates=False,
                            fails=True, cost="cheap", shape=nothing, adjoint="zero", effect=""))  # fmt: skip

"""Values that wait in memory for a call further in: a continuation of a recursion is known by the record of what it needs.

%k: f64[5] = hold(2:i64, %x, %a) {site='s'}                a record: so many words; an array is a reference
%tag: i64, %x: f64, %a: f64[n] = held(%k) {site='s'}       what is in it, or the first part of that

A record is not changed once it is made. Of a derivative it has the tangents or the adjoints of what it holds at the same places.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..core.graph import Const
from ..core.op import Elsewhere, Result
from ..core.types import F64, I64, Array
from .memory import memory


def places(values: Iterable[Any]) -> list[int]:
    """At which word each of them stands; the last is how many words there are."""
    found = [0]
    for v in values:
        found.append(found[-1] + 1 + (v.type.rank if isinstance(v.type, Array) else 0))
    return found


def _made(let: Any) -> tuple[Result, ...]:
    return ((F64, (Const(places(let.args)[-1], I64),)),)


HOLD = memory("hold", Elsewhere("adjoints of numbers wait in the record's"), reads=(), writes=(), aliases=(), allocates=True, fails=False,
              cost="dear", adjoint="own", shape=_made, rereads=False, record="made")  # fmt: skip
HELD = memory("held", Elsewhere("adjoints are added to the record's"), reads=(0,), writes=(), aliases=(), allocates=False, fails=False,
              adjoint="own", shape=lambda let: (None,) * len(let.outs), rereads=False, record="opened")  # fmt: skip

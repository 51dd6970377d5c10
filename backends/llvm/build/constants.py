"""Constants as LLVM writes them."""

from __future__ import annotations

import struct
from typing import Any

from ....ir.core.types import BOOL, CODE, F32, F64, LANE, MASK, PTR, Type


def literal(value: Any, t: Type) -> str:
    """A constant; floats as the bits of a double, which is exact for both float types."""
    if t == MASK:
        return f"splat (i1 {literal(value, BOOL)})"
    if t in LANE:
        return f"splat ({'double' if LANE[t][0] == F64 else 'float'} {literal(value, LANE[t][0])})"
    if t == F64:
        return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
    if t == F32:
        rounded = struct.unpack("<f", struct.pack("<f", _clamp(value)))[0]
        return f"0x{struct.unpack('<Q', struct.pack('<d', rounded))[0]:016X}"
    if t in (PTR, CODE):
        return "null" if t == PTR else f"@{value}"
    return ("true" if value else "false") if t == BOOL else str(int(value))


def _clamp(x: float) -> float:
    try:
        struct.pack("<f", x)
        return x
    except OverflowError:
        return float("inf") if x > 0 else float("-inf")

"""Which globals a function reads."""

from __future__ import annotations

import dis
import functools
import sys
import types


@functools.lru_cache(maxsize=4096)
def global_names(code: types.CodeType) -> tuple[str, ...]:
    """The globals that a code object loads, also in the functions inside of it. (co_names has attributes as well.)"""
    shift = 1 if sys.version_info >= (3, 11) else 0
    found: list[str] = []
    raw, extended = code.co_code, 0
    for i in range(0, len(raw), 2):
        op, arg = raw[i], raw[i + 1] | extended
        extended = arg << 8 if op == dis.EXTENDED_ARG else 0
        if op == _LOAD_GLOBAL:
            found.append(code.co_names[arg >> shift])
        elif op == _LOAD_NAME:
            found.append(code.co_names[arg])
    for c in code.co_consts:
        if isinstance(c, types.CodeType):
            found += global_names(c)
    return tuple(dict.fromkeys(found))


_LOAD_GLOBAL, _LOAD_NAME = dis.opmap["LOAD_GLOBAL"], dis.opmap["LOAD_NAME"]

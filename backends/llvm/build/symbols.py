"""Names that machine code may refer to, and their addresses: the one place that knows them.

They are the process's own services, SciPy's functions, and what the C library, its mathematical part and those added with
`add_library` export. An object file says itself which names it needs and which it has.
"""

from __future__ import annotations

import ctypes
import struct
from typing import Any

from ....ir.core import errors
from .platforms import native_target

_ADDRESSES: dict[str, int] = {}
_LIBRARIES: list[Any] = []

_HEADER = struct.Struct("<16s2HI3QI6H")
_SECTION = struct.Struct("<2I4Q2I2Q")
_SYMBOL = struct.Struct("<I2BH2Q")
_SYMBOL_TABLE, _UNDEFINED, _LOCAL = 2, 0, 0


def make_symbol(name: str, address: int) -> None:
    """Let object files loaded from now on refer to `address` by name."""
    _ADDRESSES[name] = address


def add_library(library: ctypes.CDLL) -> None:
    """Let object files refer to what a library exports."""
    _LIBRARIES.append(library)


def address_of(name: str) -> int | None:
    """The address that a name has in this process, or None."""
    if name not in _ADDRESSES:
        if not _LIBRARIES:
            _LIBRARIES.extend(_standard_libraries())
        found = next((f for f in (getattr(library, name, None) for library in _LIBRARIES) if f is not None), None)
        if found is None:
            return None
        _ADDRESSES[name] = ctypes.cast(found, ctypes.c_void_p).value or 0
    return _ADDRESSES[name]


def is_symbol(name: str) -> bool:
    """Can object files refer to this name?"""
    return address_of(name) is not None


def of_object(code: bytes) -> tuple[list[str], list[str]]:
    """(names that an object file defines for others, names that it needs). Raises CompilationError if it is none."""
    try:
        return _of_elf(code)
    except (struct.error, IndexError, ValueError) as e:
        raise errors.CompilationError(f"this is no object file of 64-bit ELF: {e}") from None


def _of_elf(code: bytes) -> tuple[list[str], list[str]]:
    header = _HEADER.unpack_from(code)
    if header[0][:6] != b"\x7fELF\x02\x01":
        raise ValueError("it begins otherwise")
    start, size, count = header[6], header[11], header[12]
    sections = [_SECTION.unpack_from(code, start + size * i) for i in range(count)]
    defined: list[str] = []
    needed: list[str] = []
    for _, kind, _, _, at, length, link, _, _, _ in sections:
        if kind != _SYMBOL_TABLE:
            continue
        names_at, names_end = sections[link][4], sections[link][4] + sections[link][5]
        for name_at, info, _, place, _, _ in _SYMBOL.iter_unpack(code[at : at + length]):
            name = code[names_at + name_at : code.index(b"\0", names_at + name_at, names_end)].decode()
            if name and info >> 4 != _LOCAL:
                (needed if place == _UNDEFINED else defined).append(name)
    return defined, needed


def _standard_libraries() -> list[ctypes.CDLL]:
    """The process's own names first; an interpreter that is linked statically may not export the C library's mathematics."""
    out = [ctypes.CDLL(None)]
    for name in native_target().linking.libraries:
        try:
            out.append(ctypes.CDLL(name))
        except OSError:  # another C library, which is one with the process
            continue
    return out

"""Where there is native code: one place that says so."""

from __future__ import annotations

import platform
import sys

from ....ir.core import errors

NATIVE = platform.system() == "Linux" and platform.machine() in ("x86_64", "AMD64") and sys.implementation.name == "cpython"
HERE = f"native code needs Linux on x86-64 and CPython; this is {platform.system()} on {platform.machine()}, {sys.implementation.name}"


def require_native() -> None:
    """Raise CompilationError where there is no native code."""
    if not NATIVE:
        raise errors.CompilationError(f"{HERE}: calls work, by the interpreter; lower, inspect, ctypes, address and export do not")

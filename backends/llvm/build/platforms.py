"""Is there native code here? One place that says so."""

from __future__ import annotations

import platform
import sys

from ....ir.core import errors
from ...targets import TARGETS, here
from ...targets.target import Target


def _look() -> tuple[Target | None, str]:
    """The target, or why there is none."""
    found = here()
    if found is None or sys.implementation.name != "cpython":
        known = " or ".join(t.name for t in TARGETS)
        return (
            None,
            f"native code needs {known} and CPython; this is {platform.system()} on {platform.machine()}, {sys.implementation.name}",
        )
    try:
        import llvmlite.binding  # noqa: F401
    except (ImportError, OSError, RuntimeError) as e:
        return None, f"native code needs llvmlite, which does not load ({e})"
    return found, ""


TARGET, WHY = _look()
NOT_HERE = f"{WHY}: calls work, by the interpreter; ctypes, address and export do not"


def native_target() -> Target:
    """The target of this process. Raises CompilationError where there is no native code."""
    if TARGET is None:
        raise errors.CompilationError(NOT_HERE)
    return TARGET

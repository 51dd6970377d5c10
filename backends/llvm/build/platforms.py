"""Is there native code here? One place that says so."""

from __future__ import annotations

import importlib.util
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
    if importlib.util.find_spec("llvmlite") is None:
        return None, "native code needs llvmlite, which is not installed"
    return found, ""


TARGET, WHY = _look()
NOT_HERE = f"{WHY}: calls work, by the interpreter; ctypes, address and export do not"


def native_target() -> Target:
    """The target of this process, once llvmlite has been loaded. Raises CompilationError where there is no native code."""
    if TARGET is None:
        raise errors.CompilationError(NOT_HERE)
    try:
        import llvmlite.binding  # noqa: F401  # 20 ms that importing lantern_jit does without
    except (ImportError, OSError, RuntimeError) as e:
        raise errors.CompilationError(
            f"llvmlite is installed, but does not load ({e}): install it anew, or remove it, and calls run on the interpreter"
        ) from e
    return TARGET

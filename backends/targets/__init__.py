"""The machines that there is native code for."""

from __future__ import annotations

import platform

from .target import Target
from .x86_64_linux import X86_64_LINUX

TARGETS: tuple[Target, ...] = (X86_64_LINUX,)


def here() -> Target | None:
    """The target that this process runs on, if it is one of those."""
    return next((t for t in TARGETS if t.system == platform.system() and platform.machine() in t.machines), None)

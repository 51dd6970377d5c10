"""The machines that there is native code for."""

from __future__ import annotations

import platform

from .aarch64_linux import AARCH64_LINUX as AARCH64_LINUX
from .target import Cpu, Target
from .x86_64_linux import X86_64_LINUX

TARGETS: tuple[Target, ...] = (X86_64_LINUX, AARCH64_LINUX)


def here() -> Target | None:
    """The target that this process runs on, if it is one of those."""
    return next((t for t in TARGETS if t.system == platform.system() and platform.machine() in t.machines), None)


def named(name: str) -> Cpu:
    """The CPU of a name such as neoverse-v1; all of a target by its name in compilers, such as aarch64-linux-gnu."""
    known = {t.short_triple: t.cpu() for t in TARGETS} | {cpu: t.cpu(cpu) for t in TARGETS for cpu, _ in t.cpus}
    if name not in known:
        raise ValueError(f"target={name!r}: there is no such target or CPU here, use one of {', '.join(known)}")
    return known[name]

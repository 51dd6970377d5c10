"""What `lantern-jit info` prints: the versions and the machine that a bug report needs."""

from __future__ import annotations

import os
import platform
import textwrap
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import lantern_jit as lj

PACKAGES = {"NumPy": "numpy", "SciPy": "scipy", "llvmlite": "llvmlite", "optree": "optree"}
WIDTH = 100  # columns; the list of CPU features is folded to it


def report() -> str:
    """Name and value a line, the values aligned."""
    rows = {
        "lantern_jit": lj.__version__,
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        **{name: installed(package) for name, package in PACKAGES.items()},
        "LLVM": llvm_version(),
        "OS": platform.platform(),
        "CPU": cpu(),
        "cores": cores(),
        "features": features(),
    }
    margin = max(map(len, rows)) + 2
    return "\n".join(
        textwrap.fill(value, WIDTH, initial_indent=name.ljust(margin), subsequent_indent=" " * margin)
        for name, value in rows.items()
    )


def installed(package: str) -> str:
    """The version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def cores() -> str:
    """How many cores there are, and how many this process may use where that can be known."""
    there = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else there
    return str(there) if usable == there else f"{there}, {usable} of them usable"

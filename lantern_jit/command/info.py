"""What `lantern-jit info` prints: the versions and the machine that a bug report needs."""

from __future__ import annotations

import os
import platform
import textwrap
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import lantern_jit as lj

from ..backends.llvm.build import cache
from ..backends.llvm.build import compile as backend
from ..backends.llvm.build.platforms import TARGET, WHY

PACKAGES = {"NumPy": "numpy", "SciPy": "scipy", "llvmlite": "llvmlite", "optree": "optree"}
WIDTH = 100  # columns; the list of CPU features is folded to it


def report() -> str:
    """Name and value a line, the values aligned."""
    llvm: Any = vars(backend)["llvm"]  # llvmlite as the backend sees it, which alone may import it
    features = llvm.get_host_cpu_features()
    rows = {
        "lantern_jit": lj.__version__,
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        **{name: installed(package) for name, package in PACKAGES.items()},
        "BLAS": blas(),
        "LLVM": ".".join(map(str, llvm.llvm_version_info)),
        "OS": platform.platform(),
        "CPU": f"{cpu_model()} (to LLVM: {llvm.get_host_cpu_name()})",
        "cores": cores(),
        "native code": str(TARGET.triple) if TARGET is not None else f"none: {WHY}",
        "cache": kept(),
        "environment": " ".join(f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith("LANTERN_")) or "no LANTERN_ variable",
        "features": " ".join(sorted(name for name, there in features.items() if there)),
    }
    margin = max(map(len, rows)) + 2
    return "\n".join(
        textwrap.fill(value, WIDTH, initial_indent=name.ljust(margin), subsequent_indent=" " * margin, break_on_hyphens=False)
        for name, value in rows.items()
    )


def kept() -> str:
    """Where compiled code is kept, and how much there is."""
    where = cache.folder()
    if where is None:
        return "none: LANTERN_CACHE_DIR is empty"
    sizes = [stat.st_size for _, stat in cache.files()]
    return f"{where} ({len(sizes)} files, {sum(sizes) / 2**20:.1f} MiB of at most {cache.limit() / 2**20:.0f})"


def installed(package: str) -> str:
    """The version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def blas() -> str:
    """The BLAS and LAPACK that SciPy brings, which matrix products and factorisations run on."""
    import scipy

    built = scipy.show_config(mode="dicts").get("Build Dependencies", {})
    return ", ".join(
        f"{built.get(part, {}).get('name', 'unknown')} {built.get(part, {}).get('version', '')}".strip() for part in ("blas", "lapack")
    )


def cores() -> str:
    """How many cores there are, and how many this process may use where that can be known."""
    there = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else there
    return str(there) if usable == there else f"{there}, {usable} of them usable"


def cpu_model() -> str:
    """The maker's name of the CPU where the system tells it, else that of the architecture."""
    if (table := Path("/proc/cpuinfo")).is_file():
        for line in table.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

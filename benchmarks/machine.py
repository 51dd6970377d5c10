"""What the numbers were measured on and with."""

import importlib.metadata
import os
import platform
from pathlib import Path

from benchmarks.floor import FLAGS, compiler_version
from benchmarks.peers import Peer


def cpu_model() -> str:
    """The processor's name and microarchitecture numbers, as the kernel tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(reversed([[part.strip() for part in line.split(":", 1)] for line in lines if ":" in line]))
    family, model = fields.get("cpu family", "?"), fields.get("model", "?")
    return f"{fields.get('model name', platform.machine())} (family {family}, model {model})"


def version_of(package: str) -> str:
    """The installed version of a package, or why there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed as a package"


def describe(peers: list[Peer]) -> dict[str, str]:
    """The machine and every version that matters, in the order in which they are printed."""
    facts = {
        "machine": f"{cpu_model()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "load before": ", ".join(f"{load:.2f}" for load in os.getloadavg()),
        "Python": platform.python_version(),
        "C": f"{compiler_version()}, {' '.join(FLAGS)}",
        "lantern_jit": version_of("lantern_jit"),
        "llvmlite": version_of("llvmlite"),
        "NumPy": version_of("numpy"),
    }
    return facts | {peer.name: peer.version for peer in peers}

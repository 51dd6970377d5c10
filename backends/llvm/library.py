"""A program as a shared library that needs neither Python nor this package: its code, the regions, one C function."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ...ir import errors
from ...ir.graph import Program
from . import regions, special, vector_maths
from .c_call import CCall
from .compile import host_cpu, linked_object
from .emit import Emission


def library_code(program: Program, checkpoint: Any, name: str, bits: int) -> tuple[bytes, CCall]:
    """(object file, its C function). `bits` is log2 of the native stack's bytes."""
    emission = Emission(program, checkpoint, -(1 << bits))
    text = emission.run().replace("define void @entry(", "define hidden void @entry(")
    declared = emission.module.declared
    foreign = sorted(n.removeprefix(special.PREFIX) for n in declared if n.startswith(special.PREFIX))
    if foreign:
        raise errors.UnsupportedOperationError(
            f"`{name}` uses {', '.join(foreign)} of scipy.special, which an exported library cannot: it runs without Python"
        )
    constants = [np.ascontiguousarray(c) for c in program.constants]
    call = CCall(program, name, emission.module.sites, constants)
    own = [vector_maths.module_text(f, t, host_cpu(), hidden=True) for f, t in vector_maths.functions_of(declared)]
    return linked_object([text, call.text(), regions.regions(bits, hidden=True), *own]), call


def link(code: bytes, target: Path) -> None:
    """Make a shared library of an object file with the system's C compiler ($CC, cc, gcc or clang)."""
    compiler = shlex.split(os.environ.get("CC", "")) or [c for c in map(shutil.which, ("cc", "gcc", "clang")) if c][:1]
    if not compiler:
        raise errors.CompilationError("a shared library is linked by a C compiler, and none was found: install gcc or clang, or set CC")
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "code.o"
        part.write_bytes(code)
        command = [*compiler, "-shared", "-o", str(target), str(part), "-lm"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as e:
            raise errors.CompilationError(f"cannot run {compiler[0]}: {e.strerror or e}") from None
    if done.returncode:
        raise errors.CompilationError(f"{shlex.join(command[:4])} failed:\n{done.stderr.strip()[-2000:]}")


def is_c_name(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is not None

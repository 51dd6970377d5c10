"""A program as a shared library that needs neither Python nor this package: its code, the regions, one C function."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ....ir.core import errors
from ....ir.core.graph import Program
from ...targets.target import Cpu, Target
from ..build.compile import linked_object
from ..build.platforms import TARGET
from ..emit.module import Emission
from ..emit.routines import ADVICE, PRODUCTS, choices, of_the_system, own_products, routines
from ..maths import vector_maths
from ..runtime.modules import hidden_switch, regions
from .c_call import CCall


class Library:
    """A program, which writes into the arguments `written`, on its way into a shared library. `bits` is log2 of the native
    stack's bytes."""

    def __init__(self, program: Program, cpu: Cpu, checkpoint: Any, name: str, bits: int, written: Sequence[int] = ()) -> None:
        emission = Emission(program, cpu, checkpoint, -(1 << bits), python=False)
        self.name, self.bits, self.cpu = name, bits, cpu
        self.text = emission.run().replace("define void @entry(", "define hidden void @entry(")
        declared = emission.module.declared
        self.routines, special = routines(declared)
        if special:
            raise errors.UnsupportedOperationError(
                f"`{name}` uses {', '.join(special)} of scipy.special, which an exported library cannot: it runs without Python"
            )
        self.own = vector_maths.module_text(vector_maths.functions_of(declared), cpu, hidden=True)
        self.call = CCall(program, cpu, name, written, emission.module.sites, [np.ascontiguousarray(c) for c in program.constants])
        self.call_text = self.call.text()

    def link(self, file: Path) -> list[str]:
        """Write the library; the arguments that name the BLAS and LAPACK it is linked with."""
        if not self.routines:
            link(self._code(self.text), file, [], self.cpu.target)
            return []
        with_blas = self._code(of_the_system(self.text, self.routines))
        said = ""
        for blas in choices():
            try:
                link(with_blas, file, blas, self.cpu.target)
            except LinkError as e:
                said = str(e)
            else:
                return blas
        others = [n for n in self.routines if n not in PRODUCTS]
        if others:
            raise errors.CompilationError(
                f"`{self.name}` uses {', '.join(others)} of LAPACK and BLAS, and none was found: {ADVICE}.\n{said}"
            )
        link(self._code(self.text, own_products(self.cpu, self.routines)), file, [], self.cpu.target)
        return []

    def _code(self, *texts: str) -> bytes:
        return linked_object([*texts, self.call_text, regions(self.cpu.target, self.bits, hidden=True), self.own], self.cpu)


class LinkError(errors.CompilationError):
    """The C compiler could not link."""


def compiler(target: Target) -> list[str]:
    """The C compiler for a target: $CC, cc, gcc or clang for this machine, and one that is named by the target for another."""
    here = target == TARGET
    chosen = shlex.split(os.environ.get("CC", "")) if here else []
    found = chosen or [c for c in map(shutil.which, ("cc", "gcc", "clang") if here else (target.linking.cross_compiler,)) if c][:1]
    if not found:
        advice = "install gcc or clang, or set CC" if here else f"install {target.linking.cross_compiler}"
        raise errors.CompilationError(f"a shared library is linked by a C compiler, and none was found: {advice}")
    return found


def link(code: bytes, file: Path, libraries: Sequence[str], target: Target) -> None:
    """Make a shared library of an object file with the C compiler."""
    first, how = compiler(target), target.linking
    with tempfile.TemporaryDirectory() as folder:
        part, switch, made = Path(folder) / "code.o", Path(folder) / "switch.s", Path(folder) / file.name
        part.write_bytes(code)
        switch.write_text(hidden_switch(target))
        command = [*first, *how.flags, "-o", str(made), str(part), str(switch), *libraries, "-lm"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as e:
            raise errors.CompilationError(f"cannot run {first[0]}: {e.strerror or e}") from None
        if done.returncode:
            raise LinkError(f"{shlex.join([*first, '-shared', file.name, *libraries])} failed:\n{done.stderr.strip()[-2000:]}")
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made, file)
        file.chmod(0o755)

"""LLVM as a back end."""

from __future__ import annotations

from ...ir.core import errors
from ...ir.core.graph import Program
from ..base import Executable, Interface, Options
from ..targets.target import Target
from .build.platforms import native_target


class LLVM:
    name = "llvm"

    def compile(self, program: Program, target: Target | None, interface: Interface, options: Options) -> Executable:
        """Machine code in this process."""
        if target != native_target():
            raise errors.CompilationError(f"code for {target and target.name} cannot run here, use the target {native_target().name}")
        from .call.native import Native  # where llvmlite loads

        return Native(program, interface, options)

"""The compiler's output depends on the program alone: not on the order in which a process iterates over sets."""

from __future__ import annotations

import os
import subprocess
import sys

SEEDS = ("0", "1")
PROGRAMS = """
from benchmarks import cases
from tests import test_programs
from lantern_jit.backends.llvm.build.compile import host_cpu
from lantern_jit.backends.llvm.emit.module import Emission
import lantern_jit as lj

case = next(c for c in cases.CASES if c.name == "softdtw")
trees, args, _ = test_programs.PROGRAMS["trees"]
for f, given in ((lj.grad(case.program, case.argnums), case.arguments(True)), (lj.grad(trees), args)):
    print(Emission(lj.jit(f)._dispatcher.lookup(given, {})[0].program, host_cpu(), None, 0).run())
"""


def test_emitted_text_does_not_depend_on_the_hash_seed() -> None:
    texts = [
        subprocess.run(
            [sys.executable, "-c", PROGRAMS], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in SEEDS
    ]
    assert texts[0].count("define void @entry") == 2
    assert len(set(texts)) == 1

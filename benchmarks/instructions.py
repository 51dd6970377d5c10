"""How good the machine code for another machine is: instructions, loads and stores of one step, beside those of C.

    python -m benchmarks.instructions [CASE..]

Gradients are exported for an AArch64 CPU, the C floor is built for it by gcc's cross compiler, and QEMU runs both and writes down each
instruction. What two sizes differ in is what a step costs, mathematical functions with it: those of the C library, and lantern_jit's own.
Needs aarch64-linux-gnu-gcc and qemu-aarch64 (Debian: gcc-aarch64-linux-gnu, qemu-user-static).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import lantern_jit as lj
from benchmarks import cases
from benchmarks.cases import Arguments
from benchmarks.floor import SOURCES

TOOLS = "aarch64-linux-gnu-"
CPUS = {"neoverse-v1": "-mcpu=neoverse-v1", "apple-m1": "-march=armv8.5-a+fp16+sha3"}  # gcc 12 does not know Apple's
KINDS = {"loads": re.compile(r"ld"), "stores": re.compile(r"st")}

SIZES: dict[str, tuple[Callable[[int], Arguments], int, int, int]] = {  # arguments of a size, two sizes, and the steps between them
    "lorenz-1e5": (lambda n: cases.lorenz_arguments(n, 28.0)(), 50, 150, 100),
    "kepler": (lambda n: (0.8, 1.2, n), 10, 40, 30),
    **{f"chain-{m}": (lambda n: (3.0, 0.1, 0.2, n), 20, 60, 40) for m in (4, 8, 16)},
    "tree": (lambda n: cases.tree_arguments(n)(), 3, 5, 48),
    "dot": (lambda n: cases.normals(n, 2)(), 320, 960, 640),
    "logsumexp": (lambda n: cases.normals(n, 1)(), 320, 960, 640),
}


@dataclass(frozen=True)
class Cost:
    """What a run, or a step, takes; by the names of KINDS, and all instructions."""

    counts: dict[str, float]

    def per(self, other: Cost, steps: int) -> Cost:
        return Cost({k: (v - other.counts[k]) / steps for k, v in self.counts.items()})


# ---- one run
def traced(program: Path, folder: Path) -> Cost:
    """Each instruction of a run, of all libraries."""
    log = folder / "log"
    emulator = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64") or "qemu-aarch64"
    command = [emulator, "-L", "/usr/aarch64-linux-gnu", "-singlestep", "-d", "in_asm,exec,nochain", "-D", str(log), str(program)]
    subprocess.run(command, cwd=folder, capture_output=True, check=True)
    known: dict[int, list[str]] = {}
    found: Counter[str] = Counter({"instructions": 0, **dict.fromkeys(KINDS, 0)})
    for line in log.open():
        if line.startswith("0x"):
            at, _, rest = line.partition(":")
            name = rest.split()[1]
            known[int(at, 16)] = ["instructions", *(kind for kind, pattern in KINDS.items() if pattern.match(name))]
        elif line.startswith("Trace"):
            found.update(known[int(line.split("/")[1], 16)])
    return Cost(dict(found))


def compiled(folder: Path, library: Path, source: str) -> Path:
    """A program of this text with that library."""
    (folder / "main.c").write_text(source)
    command = [f"{TOOLS}gcc", "-O1", "main.c", "-o", "main", str(library), f"-Wl,-rpath,{folder}", f"-I{Path(__file__).parent}", "-lm"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "main"


# ---- the two sides
def of_lantern(case: cases.Case, cpu: str, arguments: Arguments, folder: Path) -> Cost:
    """The example that belongs to an exported library calls it once."""
    out = lj.export(lj.grad(case.program, case.argnums), list(arguments), "probe", folder, target=cpu)
    return traced(compiled(folder, out.library, re.sub(r"^    (for .*)?printf.*", "", out.example.read_text(), flags=re.MULTILINE)), folder)


def of_c(case: cases.Case, cpu: str, arguments: Arguments, folder: Path) -> Cost:
    library = folder / "libfloor.so"
    if not library.exists():
        sources = [str(Path(__file__).parent / source) for source in SOURCES]
        subprocess.run([f"{TOOLS}gcc", "-O3", CPUS[cpu], "-shared", "-fPIC", *sources, "-o", str(library), "-lm"], check=True)
    return traced(compiled(folder, library, c_program(case.symbol, arguments)), folder)


def c_program(symbol: str, arguments: Arguments) -> str:
    """A call of a gradient of the floor, with `Inputs` as floor.py fills them."""
    floats = [a for a in arguments if isinstance(a, float)]
    arrays = [a for a in arguments if isinstance(a, np.ndarray)]
    n = len(next((a for a in arrays if a.dtype == np.float64), ())) or next(a for a in arguments if isinstance(a, int))
    names = iter(("x", "y"))
    indices = iter(("left", "right"))
    lines = [f"    in.p[{i}] = {x!r};" for i, x in enumerate(floats)]
    made = []
    for a in arrays:
        name, t = (next(names), "double") if a.dtype == np.float64 else (next(indices), "int64_t")
        made.append(f"static {t} {name}[] = {{{', '.join(repr(v) for v in a.tolist())}}};")
        lines.append(f"    in.{name} = {name};")
    body = "\n".join(lines)
    return f"""#include "floor.h"
void {symbol}_gradient(const Inputs *, double *);
{chr(10).join(made)}
static double g[{2 * n + 16}];
int main(void) {{
    Inputs in = {{0}};
{body}
    in.n = {n};
    {symbol}_gradient(&in, g);
    return 0;
}}
"""


def step(side: Callable[[cases.Case, str, Arguments, Path], Cost], case: cases.Case, cpu: str, folder: Path) -> Cost:
    arguments, small, large, steps = SIZES[case.name]
    return side(case, cpu, arguments(large), folder).per(side(case, cpu, arguments(small), folder), steps)


def main(names: list[str]) -> None:
    print(f"{'a step of':12}{'for':13}" + "".join(f"{kind + ': lantern':>22}{'gcc':>7}{'ratio':>7}" for kind in ("instructions", *KINDS)))
    for case in cases.CASES:
        if case.name not in SIZES or (names and case.name not in names):
            continue
        for cpu in CPUS:
            with tempfile.TemporaryDirectory() as folder:
                ours, c = (step(side, case, cpu, Path(folder)).counts for side in (of_lantern, of_c))
            cells = [f"{ours[k]:22.1f}{c[k]:7.1f}{ours[k] / c[k] if c[k] else float('nan'):7.2f}" for k in ("instructions", *KINDS)]
            print(f"{case.name:12}{cpu:13}{''.join(cells)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

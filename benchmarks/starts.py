"""What a fresh process costs: the import of lantern_jit, and a first call with an empty and with a filled disk cache.

Modules have their bytecode on disk, as an installed package's have, whatever this process's environment says of it: it
is kept in a temporary folder, and one process that is not timed goes first and fills that.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.agreement import DisagreementError, require_close
from benchmarks.calls import TOLERANCE
from benchmarks.harness import first_line

ASKED_IMPORT = 0.150
ROOT = Path(__file__).resolve().parent.parent

IMPORT = """
import time
start = time.perf_counter()
import lantern_jit
seconds = time.perf_counter() - start
import json, sys
print(json.dumps({"seconds": seconds, "scipy": "scipy" in sys.modules}))
"""

FIRST_CALL = """
import json, time
import numpy as np
import lantern_jit as lj
from benchmarks.programs import rosenbrock
x = np.linspace(-1.0, 1.0, 10)
start = time.perf_counter()
value, gradient = lj.jit(lj.value_and_grad(rosenbrock))(x)
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "numbers": [value, *gradient]}))
"""


@dataclass
class StartRow:
    """Seconds in a fresh process, least of the repeats, each a process of its own; a note where something is wrong."""

    name: str
    lantern: float | None = None
    asked: float | None = None
    note: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the asked time was kept; None where there is nothing to compare."""
        if self.note:
            return False
        return None if self.lantern is None or self.asked is None else self.lantern <= self.asked

    def as_json(self) -> dict[str, Any]:
        """Plain data, with the verdict beside the time."""
        return vars(self) | {"passed": self.passed}


class ProcessError(Exception):
    """A fresh process failed; the text is the last line of what it said."""


def fresh(script: str, bytecode: str, cache: str) -> dict[str, Any]:
    """What the script prints, as data, when a new process of this interpreter runs it, with its caches in these folders.

    Raises:
        ProcessError: the process failed.
    """
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": bytecode, "LANTERN_CACHE_DIR": cache}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ProcessError((done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1])
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def measure_import(repeats: int, bytecode: str) -> StartRow:
    """The import of lantern_jit, which is not to load scipy."""
    row = StartRow("import lantern_jit", asked=ASKED_IMPORT)
    try:
        runs = [fresh(IMPORT, bytecode, "") for _ in range(repeats)]
    except ProcessError as error:
        row.note = str(error)
        return row
    row.lantern = min(run["seconds"] for run in runs)
    if any(run["scipy"] for run in runs):
        row.note = "loads scipy, which it is asked not to"
    return row


def measure_first_calls(repeats: int, bytecode: str) -> list[StartRow]:
    """From `lj.jit` to the result, in pairs of processes: the first finds its cache empty, the second what the first left."""
    rows = [StartRow(f"first call of rosenbrock-10, disk cache {state}") for state in ("cold", "warm")]
    expected: list[float] | None = None
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            left: list[set[Path]] = [set()]
            for row in rows:
                try:
                    run = fresh(FIRST_CALL, bytecode, folder)
                    expected = expected or run["numbers"]
                    require_close("its numbers and the first process's", np.array(run["numbers"]), np.array(expected), TOLERANCE)
                except (ProcessError, DisagreementError) as error:
                    row.note = first_line(error)
                    return rows
                row.lantern = min(run["seconds"], row.lantern or run["seconds"])
                left.append(set(Path(folder).rglob("*")))
            if left[1] == left[0]:
                rows[0].note = "leaves nothing in the disk cache"
            elif left[2] != left[1]:
                rows[1].note = "compiles again what is in the disk cache"
    return rows


def measure_starts(quick: bool) -> list[StartRow]:
    """The import, and a first call with a cold and with a warm disk cache."""
    repeats = 2 if quick else 5
    with tempfile.TemporaryDirectory() as bytecode:
        with contextlib.suppress(ProcessError):  # what fails here fails below, and is noted there
            fresh(FIRST_CALL, bytecode, "")
        return [measure_import(repeats, bytecode), *measure_first_calls(repeats, bytecode)]

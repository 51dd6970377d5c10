"""One command for all checks: `python tools/check.py`. Exits with 1 if any of them failed.

`python tools/check.py NAME...` runs only the named ones.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Every tool runs under this interpreter, so that a check never reaches into another environment.
CHECKS = {
    "lint": ["-m", "ruff", "check", "."],
    "imports": ["-m", "ruff", "check", "--select", "TID251", "lantern_jit/ir", "lantern_jit/backends"],
    "format": ["-m", "ruff", "format", "--check", "."],
    "types": ["-m", "mypy"],
    "layers": ["-c", 'from importlinter.cli import lint_imports_command as run; run(["--no-logo"])'],
    "tests": ["-m", "pytest", "-n", str(min(4, os.cpu_count() or 1))],
}


def run(name: str) -> bool:
    """Run one check, with its output passed through, and say whether it succeeded."""
    print(f"== {name}: python {shlex.join(CHECKS[name])}", flush=True)
    start = time.perf_counter()
    status = subprocess.run([sys.executable, *CHECKS[name]], cwd=ROOT, check=False).returncode
    verdict = "ok" if status == 0 else f"FAILED (exit status {status})"
    print(f"== {name}: {verdict}, {time.perf_counter() - start:.1f} s\n", flush=True)
    return status == 0


def main(names: list[str]) -> int:
    """Run the named checks, all of them without names, and sum up."""
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        print(f"no such check: {', '.join(unknown)} (there are {', '.join(CHECKS)})", file=sys.stderr)
        return 2
    results = {name: run(name) for name in names or CHECKS}
    failed = [name for name, succeeded in results.items() if not succeeded]
    print(f"{len(failed)} of {len(results)} checks failed: {', '.join(failed)}" if failed else "all checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

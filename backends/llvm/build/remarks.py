"""What LLVM says of the loops that it has made vector code of, or not.

It writes that to standard error, and an option of the whole process asks for it. So a process of its own is asked, which costs
half a second and only those who look.
"""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections.abc import Sequence

import llvmlite.binding as llvm

from .compile import optimised_texts

LOG = logging.getLogger("lantern_jit")
CHILD = f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {__name__} import _main; _main()"
SAID = re.compile(r"^remark: [^:]*:(\d+):\d+: (.*)$", re.M)
NO = "loop not vectorized"
HINT = re.compile(r"\.? *Use #pragma.*$")


def remarks(text: str) -> dict[int, list[str]]:
    """By place (places.py), what LLVM says of the loops of a module as it optimises it. Empty where there is no Python to start, and where that fails, which the log tells."""
    if not sys.executable:
        return {}
    command = [sys.executable, "-I", "-c", CHILD, json.dumps(sys.path)]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        LOG.warning("no remarks of LLVM: %s", done.stderr.strip().splitlines()[-1:])
        return {}
    found: dict[int, list[str]] = {}
    for place, said in SAID.findall(done.stderr):
        found.setdefault(int(place), []).append(said)
    return found


def reasons(said: Sequence[str]) -> list[str]:
    """What was said, each once, without what to write in C; that a loop is no vector code, only where nothing else is said."""
    short = [HINT.sub("", x.removeprefix(f"{NO}: ")) for x in said if x != NO and "interleaving is not" not in x]
    return list(dict.fromkeys(short)) or list(dict.fromkeys(said))


def vector_width(said: Sequence[str]) -> int:
    """Of the widest vectors among what was said, 1 if there are none."""
    return max([int(n) for x in said for n in re.findall(r"vectorization width: (?:vscale x )?(\d+)", x)], default=1)


def _main() -> None:
    """In that process: the module is read from standard input."""
    for option in ("pass-remarks", "pass-remarks-missed", "pass-remarks-analysis"):
        llvm.set_option("lantern_jit", f"-{option}=loop-vectorize")
    optimised_texts(sys.stdin.read())

"""What the compiler makes of many programs, as text: a change that only moves code changes none of it.

    python tools/stages.py FOLDER             write every stage of the programs into FOLDER
    python tools/stages.py --compare OLD NEW  exit with 1, and say where, if two such folders differ

The programs are the tests' and the benchmarks' own, random ones, and calls of array functions; values and gradients of each.
Only the public interface is used, so the same file can be run in an older checkout.
"""

from __future__ import annotations

import argparse
import copy
import difflib
import itertools
import os
import pathlib
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("LANTERN_CACHE_DIR", tempfile.mkdtemp())  # nothing of another version of the compiler

import numpy as np  # noqa: E402

import lantern_jit as lj  # noqa: E402

Program = tuple[str, Any, tuple[Any, ...], tuple[int, ...]]  # a name, a function, its arguments, those that are differentiated
RANDOM = range(9_000_001, 9_000_017)
EVERY = 6  # each sixth of the array functions


def programs() -> Iterator[Program]:
    from benchmarks import cases
    from tests import array_rows, test_programs

    for name, (f, args, _) in test_programs.PROGRAMS.items():
        yield f"program-{name}", f, args, (0,)
    for case in cases.CASES:
        yield f"case-{case.name}", case.program, case.arguments(True), case.argnums
    for row in array_rows.ROWS[::EVERY]:
        args = row.args(np.random.default_rng(3))
        floats = tuple(i for i, a in enumerate(args) if isinstance(a, np.ndarray) and a.dtype.kind == "f") if row.smooth else ()
        yield f"array-{row.name}", scalar(row.f) if floats else row.f, args, floats
    yield from random_programs()


def scalar(f: Any) -> Any:
    """The sum of what an array function gives, so that there is a gradient."""

    def total(*args: Any) -> Any:
        found = f(*args)
        parts = found if isinstance(found, (tuple, list)) else [found]
        return sum(np.sum(p * 1.5) for p in parts)

    return total


def random_programs() -> Iterator[Program]:
    import linecache

    from tests.fuzz.check import is_float
    from tests.fuzz.expressions import seeded
    from tests.fuzz.generate import program

    for seed in RANDOM:
        source = program(seeded(seed), seed % 10 == 9, True)
        name = f"random_{seed}.py"
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        module: dict[str, Any] = {"__name__": "random_program"}
        exec(compile(source, name, "exec"), module)
        yield f"random-{seed}", module["f"], module["ARGS"], tuple(i for i, a in enumerate(module["ARGS"]) if is_float(a))


def stages(program: Program) -> Iterator[tuple[str, str]]:
    name, f, args, argnums = program
    ways = [("value", f)] + ([("gradient", lj.grad(f, argnums))] if argnums else [])
    for way, g in ways:
        try:
            found = lj.jit(g).inspect(*copy.deepcopy(args))
        except Exception as e:  # what is refused stays refused, in the same words
            yield f"{name}.{way}.error", f"{type(e).__name__}: {e}"
            continue
        for stage in ("graph", "cps", "llvm"):
            yield f"{name}.{way}.{stage}", renumbered(getattr(found, stage))


def renumbered(text: str) -> str:
    """With the numbers of names counted anew in the order in which they appear, and without this checkout's place."""
    counts: dict[str, Iterator[int]] = {}
    names: dict[str, str] = {}

    def name(m: re.Match[str]) -> str:
        stem = m.group(1)
        if m.group() not in names:
            names[m.group()] = stem + str(next(counts.setdefault(stem, itertools.count())))
        return names[m.group()]

    return re.sub(r"(%[A-Za-z_.]*?)(\d+)\b", name, text.replace(str(ROOT), ""))


def write(folder: pathlib.Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for program in programs():
        for name, text in stages(program):
            (folder / re.sub(r"[^\w.-]+", "_", name)).write_text(text)
            written += 1
    print(f"{written} stages in {folder}")
    return 0


def compare(old: pathlib.Path, new: pathlib.Path) -> int:
    names = sorted({p.name for p in old.iterdir()} | {p.name for p in new.iterdir()})
    wrong = 0
    for name in names:
        texts = [(d / name).read_text().splitlines() if (d / name).exists() else [] for d in (old, new)]
        if texts[0] != texts[1]:
            wrong += 1
            changed = [line for line in difflib.unified_diff(*texts, lineterm="", n=0) if not line.startswith(("---", "+++", "@@"))]
            print(f"{name}: {len(changed)} lines, as\n    " + "\n    ".join(changed[:4]))
    print(f"{len(names)} stages, {wrong} of them differ")
    return bool(wrong)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--compare", action="store_true")
    options = parser.parse_args()
    return compare(*options.folders) if options.compare else write(*options.folders)


if __name__ == "__main__":
    sys.exit(main())

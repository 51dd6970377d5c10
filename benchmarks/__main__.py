"""`python -m benchmarks [--quick] [--only NAME] [--json FILE] [--no-peers]`: measure and print one table.

Exits with 1 if numbers disagree or a program does not compile, never because of a time.
"""

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import compile_time, floor, machine, report, timing
from benchmarks.cases import CASES
from benchmarks.compile_time import CompileRow
from benchmarks.harness import Row, measure
from benchmarks.peers import Peer, available

COMPILE = "compile"
CHECKED = """
Before timing, at the small size: C's result is plain Python's (1e-11) and C's gradient its central difference (1e-6);
at the small and the timed size: lantern's result and gradient are C's (1e-9 of the largest entry; 1e-8 for logsumexp). A time is of one
call, the least of many batches run in turns; C is timed inside C, lantern and peers from Python. Peers are given as
ratios to C, after a check of their numbers (1e-8)."""
CHECKED_WITHOUT_C = """
Before timing, at the small size: lantern's result is plain Python's (1e-9), its gradient its central difference
(1e-6)."""


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    names = [case.name for case in CASES]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Time gradients against C and peers.")
    parser.add_argument("--quick", action="store_true", help="small sizes and short batches: a check, not a measurement")
    parser.add_argument("--only", action="append", metavar="NAME", help=f"names that start so, of: {', '.join([*names, COMPILE])}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file")
    parser.add_argument("--no-peers", action="store_true", help="only C and lantern_jit")
    options = parser.parse_args(arguments)
    wanted = tuple(options.only or [""])
    options.cases = [case for case in CASES if case.name.startswith(wanted)]
    options.compile = COMPILE.startswith(wanted)
    if not options.cases and not options.compile:
        parser.error(f"no case starts with {' or '.join(wanted)}; there are {', '.join([*names, COMPILE])}")
    return options


def run_cases(options: argparse.Namespace, lj: Any, peers: list[Peer]) -> list[Row]:
    """Every chosen case, with a line of progress each; without C, and saying so, if the floor cannot be built."""
    c = None
    try:
        c = floor.load()
    except floor.FloorMissingError as error:
        print(f"C is skipped, and so are ratios and peers: {error}")
    rows = []
    for case in options.cases:
        print(f"measuring {case.name} ...", file=sys.stderr, flush=True)
        effort = timing.QUICK if options.quick else timing.FULL
        rows.append(measure(case, lj, c, peers, options.quick, effort))
    return rows


def print_results(rows: list[Row], compile_rows: list[CompileRow], peers: list[Peer]) -> None:
    """The tables and their notes."""
    if rows:
        with_c = any(row.gradient and row.gradient.c for row in rows)
        print()
        print(report.run_table(rows, [peer.name for peer in peers]))
        if any(row.agrees for row in rows):
            print(CHECKED if with_c else CHECKED_WITHOUT_C)
    if compile_rows:
        print()
        print(report.compile_table(compile_rows))
    for line in report.notes(rows, compile_rows):
        print(line)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    options = parse(arguments)
    lj = importlib.import_module("lantern_jit")
    peers, missing = ([], []) if options.no_peers else available()
    facts = machine.describe(peers)
    for name, fact in facts.items():
        print(f"{name}: {fact}")
    for line in missing:
        print(line)
    rows = run_cases(options, lj, peers)
    compile_rows = []
    if options.compile:
        print("measuring compile times ...", file=sys.stderr, flush=True)
        with_jax = any(peer.name == "JAX" for peer in peers)
        compile_rows = compile_time.measure_compile_times(lj, options.quick, with_jax)
    print_results(rows, compile_rows, peers)
    if options.json:
        results = {
            "machine": facts,
            "quick": options.quick,
            "run": [row.as_json() for row in rows],
            "compile": [vars(row) | {"passed": row.passed} for row in compile_rows],
        }
        options.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0 if all(row.agrees for row in rows) and not any(row.note for row in compile_rows) else 1


if __name__ == "__main__":
    sys.exit(main())

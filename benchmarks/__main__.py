"""`python -m benchmarks [--quick] [--only NAME] [--json FILE] [--no-peers]`: measure and print tables.

Exits with 1 if numbers disagree or a program does not compile, never because of a time.
"""

import argparse
import importlib
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import arrays, calls, compile_time, floor, functions, lanes, machine, report, starts, tangents, timing
from benchmarks.arrays import ArrayRow
from benchmarks.calls import CallRow
from benchmarks.cases import CASES
from benchmarks.compile_time import CompileRow
from benchmarks.floor import Floor
from benchmarks.functions import FunctionRow
from benchmarks.harness import Row, measure
from benchmarks.models import measure as models
from benchmarks.models.measure import ModelRow
from benchmarks.peers import Peer, available
from benchmarks.starts import StartRow

COMPILE, CALLS, FUNCTIONS, MODELS = "compile", "calls", "functions", "models"
CHECKED = """
Before timing, at the small size: C's result is plain Python's (1e-11) and C's gradient its central difference (1e-6);
at the small and the timed size: lantern's result and gradient are C's (1e-9 of the largest entry; 1e-8 for logsumexp). A time is of one
call, the least of many batches run in turns; C is timed inside C, lantern and peers from Python. Peers are given as
ratios to C, after a check of their numbers (1e-8)."""
CHECKED_WITHOUT_C = """
Before timing, at the small size: lantern's result is plain Python's (1e-9), its gradient its central difference
(1e-6)."""
CALLS_CHECKED = """
A time is of one call `f(x)`, the least of many batches run in turns; the loop around it, about 10 ns, is counted. Before
timing, all numbers are lantern's (1e-10), and lantern's are plain Python's (1e-10) and its central differences (1e-6). C
is called through ctypes, with pointers made once, and writes to the same memory each time; lantern and Numba return
new arrays, JAX its own, and is waited for. C's and Numba's derivatives are written by hand."""

ARRAYS_CHECKED = """
A time is of one call from Python, the least of many batches run in turns, on one core. Before timing: lantern's value is
NumPy's (1e-9), its gradient that of central differences along one direction (1e-4), C's (1e-8), JAX's and PyTorch's (1e-7)."""
TANGENTS_CHECKED = """
A time is of one call from Python, of a whole Jacobian or Hessian, on one core; one direction is a jvp, or an hvp. Before timing: the columns are
those of single directions (1e-10), those of central differences (1e-5), and JAX's (1e-8)."""
LANES_CHECKED = """
A time is of one call from Python, of all lanes, on one core; lane by lane is a loop that stores into the rows of an array. Before timing: both
agree (1e-12), and JAX's vmap does (1e-8)."""
FUNCTIONS_CHECKED = """
A time is of one element, of a call from Python on 4,096 of them, the least of many batches run in turns. Values are NumPy's but for the last bits."""
MODELS_CHECKED = """
A time is CPU time of one training step that updates in place, of the trees that of a tree, on one core, the least of many batches run in turns. Before
timing, with nothing dropped, the losses of the first two steps from the same parameters agree (2 %); the others show that the same is learnt."""
STARTS_CHECKED = """
A time is the least of several processes, with bytecode of all modules on disk. The import includes NumPy's, and does not
load scipy. A first call is from `lj.jit` to the result; the warm one compiles nothing anew."""


@dataclass
class Results:
    """All rows of a run."""

    run: list[Row] = field(default_factory=list)
    compile: list[CompileRow] = field(default_factory=list)
    calls: list[CallRow] = field(default_factory=list)
    starts: list[StartRow] = field(default_factory=list)
    arrays: list[ArrayRow] = field(default_factory=list)
    functions: list[FunctionRow] = field(default_factory=list)
    tangents: list[ArrayRow] = field(default_factory=list)
    lanes: list[ArrayRow] = field(default_factory=list)
    models: list[ModelRow] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """Whether all numbers agree and everything runs; times do not count."""
        agree = all(
            row.agrees
            for rows in (self.run, self.calls, self.arrays, self.functions, self.tangents, self.lanes, self.models)
            for row in rows
        )
        return agree and not any(row.note for row in self.compile) and not any(row.note for row in self.starts)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    names = [case.name for case in (*CASES, *arrays.CASES, *tangents.CASES, *lanes.CASES)]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Time gradients against C and peers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"as --only; {MODELS} are measured where they are named")
    parser.add_argument("--quick", action="store_true", help="small sizes and short batches: a check, not a measurement")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help=f"names that start so, of: {', '.join([*names, COMPILE, CALLS, FUNCTIONS])}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file")
    parser.add_argument("--no-peers", action="store_true", help="only C and lantern_jit")
    options = parser.parse_args(arguments)
    wanted = tuple([*options.names, *(options.only or [])] or [""])
    options.cases = [case for case in CASES if case.name.startswith(wanted)]
    options.compile = COMPILE.startswith(wanted)
    options.calls = CALLS.startswith(wanted)
    options.functions = FUNCTIONS.startswith(wanted)
    options.arrays = [case for case in arrays.CASES if case.name.startswith(wanted)]
    options.tangents = [case for case in tangents.CASES if case.name.startswith(wanted)]
    options.lanes = [case for case in lanes.CASES if case.name.startswith(wanted)]
    options.models = MODELS in wanted
    sections = options.cases, options.arrays, options.tangents, options.lanes, options.compile, options.calls, options.functions
    if not any((*sections, options.models)):
        parser.error(f"no case starts with {' or '.join(wanted)}; there are {', '.join([*names, COMPILE, CALLS, FUNCTIONS, MODELS])}")
    return options


def load_floor() -> Floor | None:
    """C; none, and a line that says so, if it cannot be built."""
    try:
        return floor.load()
    except floor.FloorMissingError as error:
        print(f"C is skipped, and so are ratios to it and the peers that are shown as such: {error}")
        return None


def measure_all(options: argparse.Namespace, lj: Any, c: Floor | None, peers: list[Peer]) -> Results:
    """Everything chosen, with a line of progress each."""
    results = Results()
    effort = timing.QUICK if options.quick else timing.FULL
    for case in options.cases:
        progress(case.name)
        results.run.append(measure(case, lj, c, peers, options.quick, effort))
    if options.arrays:
        progress("whole arrays")
        results.arrays = arrays.measure_arrays([case.name for case in options.arrays], not options.no_peers, options.quick, effort)
    if options.tangents:
        progress("Jacobians and Hessians")
        results.tangents = tangents.measure_tangents([case.name for case in options.tangents], not options.no_peers, effort)
    if options.lanes:
        progress("lanes")
        results.lanes = lanes.measure_lanes([case.name for case in options.lanes], not options.no_peers, effort)
    if options.models:
        progress("networks")
        results.models = models.measure_models(not options.no_peers, options.quick, effort)
    if options.functions:
        progress("mathematical functions")
        results.functions = functions.measure_functions(lj, timing.QUICK)
    if options.compile:
        progress("compile times")
        with_jax = any(peer.name == "JAX" for peer in peers)
        results.compile = compile_time.measure_compile_times(lj, options.quick, with_jax)
    if options.calls:
        progress("calls")
        results.calls = calls.measure_calls(lj, c, peers, options.quick, effort)
        progress("fresh processes")
        results.starts = starts.measure_starts(options.quick)
    return results


def progress(what: str) -> None:
    """A line for whoever waits."""
    print(f"measuring {what} ...", file=sys.stderr, flush=True)


def print_results(results: Results, peers: list[Peer]) -> None:
    """The tables and their notes."""
    names = [peer.name for peer in peers]
    if results.run:
        with_c = any(row.gradient and row.gradient.c for row in results.run)
        print()
        print(report.run_table(results.run, names))
        if any(row.agrees for row in results.run):
            print(CHECKED if with_c else CHECKED_WITHOUT_C)
    if results.arrays:
        print()
        print(report.array_table(results.arrays))
        print(ARRAYS_CHECKED)
    if results.tangents:
        print()
        print(report.array_table(results.tangents, tangents.COLUMNS))
        print(TANGENTS_CHECKED)
    if results.lanes:
        print()
        print(report.array_table(results.lanes, lanes.COLUMNS))
        print(LANES_CHECKED)
    if results.models:
        print()
        print(models.table(results.models))
        print(MODELS_CHECKED)
        print("\n".join(f"{row.name}: {note}" for row in results.models for note in row.notes))
    if results.functions:
        print()
        print(report.function_table(results.functions))
        print(FUNCTIONS_CHECKED)
    if results.compile:
        print()
        print(report.compile_table(results.compile))
    if results.calls:
        print()
        print(report.call_table(results.calls, names))
        print(CALLS_CHECKED)
    if results.starts:
        print()
        print(report.start_table(results.starts))
        if not any(row.note for row in results.starts):
            print(STARTS_CHECKED)
    for line in report.notes(
        results.run, results.compile, results.calls, results.starts, [*results.arrays, *results.tangents, *results.lanes]
    ):
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
    results = measure_all(options, lj, load_floor(), peers)
    print_results(results, peers)
    if options.json:
        data = {
            "machine": facts,
            "quick": options.quick,
            "run": [row.as_json() for row in results.run],
            "compile": [vars(row) | {"passed": row.passed} for row in results.compile],
            "calls": [row.as_json() for row in results.calls],
            "starts": [row.as_json() for row in results.starts],
            "models": [vars(row) for row in results.models],
            "functions": [vars(row) for row in results.functions],
        }
        options.json.write_text(json.dumps(data, indent=2) + "\n")
    return 0 if results.right else 1


if __name__ == "__main__":
    sys.exit(main())

"""`python -m tests.fuzz --programs 5000 --seed 1`: a long run, with a reproduction script for every failure."""

from __future__ import annotations

import argparse
import threading
from collections import Counter
from queue import Empty, SimpleQueue
from typing import Any

from . import combined, graphs, lanes, operations, passes, shifts, small, vectors
from .check import FAILURES, Outcome
from .expressions import seeded
from .generate import program
from .shrink import cause, shrink
from .worker import Worker

OF_NUMBERS = {"graphs": graphs.check, "shifts": shifts.check, "small": small.check, "vectors": vectors.check}  # by option, of a seed
TAIL = """

if __name__ == "__main__":
    from tests.fuzz.check import check

    print(check(open(__file__).read()))
"""


KINDS = {  # of programs and graphs, each with a generator and a check of its own
    "graphs": (graphs, "random graphs, which do more with memory, between all passes"),
    "small": (small, "random graphs of arrays of a few elements, between all passes"),
    "vectors": (vectors, "random programs with arrays of a few elements"),
    "shifts": (shifts, "programs with reset and shift, against running their bodies again"),
    "combined": (combined, "programs of scans, maps and the like, against plain Python"),
    "operations": (operations, "programs of operations in callback form, against plain functions"),
    "lanes": (lanes, "programs in lanes (vmap), against the same lane by lane"),
}


def between_passes(seeds: range, options: argparse.Namespace) -> int:
    """The passes one by one, see passes.py, or what a kind of programs is checked by."""
    counts: Counter[str] = Counter()
    kind: Any = next((module for name, (module, _) in KINDS.items() if getattr(options, name)), None)
    wrong = 0
    for seed in seeds:
        source = program(seeded(seed), single(seed)) if kind is None else kind.text(seed) if hasattr(kind, "text") else ""
        found = kind.check(seed) if kind else passes.check(source, options.seconds)
        if isinstance(found, str):
            wrong += 1
            print(f"\n# ---- program {seed}: {found}\n{source}", flush=True)
        else:
            counts += found
    print("# " + ", ".join(f"{n} {name}" for name, n in counts.most_common()))
    return int(wrong > 0)


class Run:
    """Programs from a queue of seeds, checked by several workers; one report for each cause."""

    def __init__(self, seeds: range, options: argparse.Namespace) -> None:
        self.queue: SimpleQueue[int] = SimpleQueue()
        for seed in seeds:
            self.queue.put(seed)
        self.options = options
        self.counts: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.known: set[tuple[str, ...]] = set()
        self.lock = threading.Lock()

    def work(self) -> None:
        worker = Worker(self.options.seconds)
        while True:
            try:
                seed = self.queue.get_nowait()
            except Empty:
                worker.close()
                return
            source = program(seeded(seed), single(seed), not self.options.no_effects)
            self.record(seed, source, worker.check(source), worker)

    def record(self, seed: int, source: str, outcome: Outcome, worker: Worker) -> None:
        key = cause(outcome)
        with self.lock:
            self.counts[outcome.kind] += 1
            if outcome.kind == "refused":
                self.refusals[" ".join(key)] += 1
            new = outcome.failed and key not in self.known
            self.known.add(key)
            if outcome.failed and not new:
                print(f"# program {seed}: {outcome.kind} in {outcome.where}, as before", flush=True)
        if new:
            small = shrink(source, worker.check, self.options.tries) if self.options.tries else source
            last = worker.check(small)
            with self.lock:
                print(f"\n# ---- program {seed}: {last.kind} in {last.where}: {last.detail}\n{small}{TAIL}", flush=True)


def single(seed: int) -> bool:
    """Every tenth program is in float32."""
    return seed % 10 == 9


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--programs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="the run with seed s starts at program s * 1,000,000")
    parser.add_argument("--first", type=int, help="the first program's number, instead of --seed")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20.0, help="time limit of a program")
    parser.add_argument("--tries", type=int, default=400, help="programs tried to shrink a failure; 0 prints it as it is")
    parser.add_argument("--refusals", action="store_true", help="print what was refused with an error of lantern_jit")
    parser.add_argument("--no-effects", action="store_true", help="no functions that change variables and containers around them")
    parser.add_argument("--passes", type=int, metavar="N", help="instead, each pass alone, between its graphs, over N programs")
    for name, (_, what) in KINDS.items():
        parser.add_argument(f"--{name}", type=int, metavar="N", help=f"instead, N {what}")
    options = parser.parse_args()
    first = options.first if options.first is not None else options.seed * 1_000_000
    if others := options.passes or max((getattr(options, name) or 0 for name in KINDS), default=0):
        return between_passes(range(first, first + others), options)
    run = Run(range(first, first + options.programs), options)
    threads = [threading.Thread(target=run.work) for _ in range(options.workers)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print("#", ", ".join(f"{n} {kind}" for kind, n in run.counts.most_common()))
    if options.refusals:
        for text, n in run.refusals.most_common():
            print(f"#{n:5} {text}")
    return int(any(run.counts[kind] for kind in FAILURES))


if __name__ == "__main__":
    raise SystemExit(main())

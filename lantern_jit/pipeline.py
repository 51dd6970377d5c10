"""The passes in their order, and what happens between them.

    trace  ->  THE LIST  ->  closures  ->  functions that run forward  ->  LLVM  ->  machine code

LANTERN_DUMP=graph,cps,lowered,llvm,after:fuse prints these stages as they are made, and the graph after a pass; LANTERN_VERIFY=1 checks the
graph between all of them.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from .ir.core.graph import Program
from .ir.core.op import seal
from .ir.core.text import show
from .ir.core.verify import verify
from .ir.diff.close import close
from .ir.diff.forward import custom  # noqa: F401  # derivatives of operations of the user's
from .ir.diff.forward.jvp import expand_all
from .ir.diff.forward.scalar_rules import scalar_rules
from .ir.diff.inactive import inactive
from .ir.diff.loops.parts import parts
from .ir.diff.loops.pieces import pieces
from .ir.numpy import dispatch  # noqa: F401  # the code of rows
from .ir.passes.contractions import contractions
from .ir.passes.delimited.continuations import continuations
from .ir.passes.delimited.forward_only import forward_only
from .ir.passes.delimited.operations import operations
from .ir.passes.explicit import explicit
from .ir.passes.forbid import forbid
from .ir.passes.fuse import fuse
from .ir.passes.guards import guard
from .ir.passes.lanes.side_by_side import side_by_side
from .ir.passes.nans.find import find_nans, find_nans_behind
from .ir.passes.protect import protect
from .ir.passes.raising.raise_loops import raise_loops
from .ir.passes.registers import registers
from .ir.passes.simplify import SIMPLIFY
from .ir.passes.step import Named, Step, Then, Whole


@functools.wraps(close)
def closing(program: Program) -> bool:
    before = set(program.functions)
    did = close(program)
    if program.nans:  # what that has made is looked at, too
        find_nans_behind(program, before)
    return did


FUSE = Whole("fuse", fuse)
FORWARD_ONLY = Whole("forward_only", forward_only)

PIPELINE: tuple[Step, ...] = (
    Whole("continuations", continuations),  # shift and reset are calls
    Whole("operations", operations),  # what stands before k is in their place, what stands behind is for the way back
    Whole("protect", protect),  # what is differentiated writes into copies
    Whole("forbid", forbid),  # what cannot be written ends in an error
    Whole("explicit", explicit),  # what is checkpointed writes into copies, which are written back
    SIMPLIFY,  # fold, share, squares, blocks, selects, dead, bounds: again and again; then updates, fresh
    Then(FORWARD_ONLY, (SIMPLIFY,)),  # where no derivative is taken an operation is its value
    FUSE,  # kernels that read each other become one
    SIMPLIFY,
    Then(Whole("scalar_rules", scalar_rules), (SIMPLIFY, FUSE, SIMPLIFY)),  # operations on scalars have rules, as those of the table
    Then(Whole("raise_loops", raise_loops), (SIMPLIFY, FUSE, SIMPLIFY)),  # loops over arrays are kernels, too
    Then(Whole("contractions", contractions), (SIMPLIFY, FUSE, SIMPLIFY)),  # sums of products that loops take are products of matrices
    Then(Whole("registers", registers), (SIMPLIFY,)),  # small arrays of known size are scalars
    Then(Whole("pieces", pieces), (SIMPLIFY,)),  # of loops that keep much, only what is between pieces is kept
    Whole("guards", guard),  # the branch not taken stays out of derivatives
    Then(Whole("jvp", expand_all), (FORWARD_ONLY, SIMPLIFY, FUSE, SIMPLIFY)),  # forward mode of functions that are fused and guarded
    Then(Whole("parts", parts), (SIMPLIFY,)),  # loops whose iterations several threads can share
    Then(Whole("side_by_side", side_by_side), (SIMPLIFY,)),  # lanes of loops around loops, in vector registers
    Then(Whole("inactive", inactive), (SIMPLIFY,)),  # calls through which no derivative flows keep no frames
    Whole("nans", find_nans),  # where jit(f, nans="raise") asks for it, rows look for the first NaN
    Whole("close", closing),  # what reverse mode needs is made now, and no function later
)

PASSES: dict[str, Named] = {part.name: part for step in PIPELINE for part in step.parts()}
STAGES = ("graph", "cps", "lowered", "llvm")
AFTER = "after:"


def transform(
    program: Program, now: Callable[[str], None] = lambda name: None, after: Callable[[str], None] | None = None
) -> dict[str, float]:
    """Run the list over a program in place; the seconds that each pass has taken. `now` is told which one is under way, `after` which
    one has run."""
    seconds: dict[str, float] = {}
    verifies, prints = bool(os.environ.get("LANTERN_VERIFY")), dumped()

    def watch(name: str, change: Callable[[], bool]) -> bool:
        now(name)
        start = time.perf_counter()
        changed = change()
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start
        if changed and verifies:
            verify(program)
        if after is not None:
            after(name)
        if AFTER + name in prints:
            print(f"# after {name}\n{show(program)}" if changed else f"# {name} finds nothing to do", file=sys.stderr)
        return changed

    if verifies:
        verify(program)
    for step in PIPELINE:
        step.run(program, watch)
    if verifies:
        verify(program)  # what a pass has changed without saying so is found here
    return seconds


def known(name: str, where: str, stages: tuple[str, ...] = STAGES) -> str:
    """The name of a stage; ValueError, with those that there are, if it is none."""
    if name in stages or (name.startswith(AFTER) and name[len(AFTER) :] in PASSES):
        return name
    raise ValueError(f"{where}: there is no stage {name!r}; there are {', '.join(stages)}, and {AFTER}NAME for NAME in {', '.join(PASSES)}")


def dumped() -> set[str]:
    """The stages that LANTERN_DUMP names."""
    return {known(name.strip(), "LANTERN_DUMP") for name in os.environ.get("LANTERN_DUMP", "").split(",") if name.strip()}


def dump(stage: str, text: Callable[[], str]) -> None:
    """Print a stage to stderr when LANTERN_DUMP names it."""
    if stage in dumped():
        print(text(), file=sys.stderr)


seal()
__all__: list[Any] = ["PASSES", "PIPELINE", "STAGES", "dump", "known", "transform"]

"""Reverse mode as functions that run forward: the last stage that knows of derivatives.

    closures  ->  functions of cells, calls and continuation pointers

A back end prints what is here, and needs to know nothing else. Which functions are made follows from what the entry needs, one after the
other.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..core.analysis import called as direct
from ..core.graph import Atom, Block, Function, Let, Program, Var, map_terminator
from ..core.op import REVERSE, TABLE
from ..core.text import show
from ..core.types import Array
from ..diff.activity import all_vars
from ..diff.close import closed
from ..diff.cps import WHOLE, Closures, cut_block, show_closures, to_closures
from ..diff.loops.coverage import covers
from ..diff.loops.policies import Plan, choose, plan_loops
from ..diff.loops.taped import Taped, pays, plan_tape
from ..diff.memory import recursive
from ..diff.reverse import Reverse
from ..ops.low import CALL
from . import records  # noqa: F401  # it enters its steps
from .blocks import BlockFunction
from .function import ReverseFunction
from .low import Body, LowProgram
from .pullback import lower_pullback
from .replay import Replay
from .taped import Back
from .taped_forward import Entries, Forward
from .verify import verify_lowered


class Lowering:
    """One program on its way."""

    def __init__(self, program: Program, checkpoint: Any, located: bool = False) -> None:
        self.program, self.checkpoint = closed(program), checkpoint
        self.reverses = self.program.reverses
        self.aliases = self.reverses.aliases
        self.low = LowProgram(sources=self.program.functions, located=located)
        self.recursive = recursive(self.program)
        self.queue: list[Callable[[], None]] = []
        self.names: set[str] = set()
        self.closures: list[Closures] = []
        self.planned: dict[Any, dict[str, Plan]] = {}
        self.covered: dict[str, Reverse] = {}
        self.taped: dict[str, bool] = {}

    def run(self) -> LowProgram:
        """Everything that the entry needs."""
        work = [self.program.entry]
        while work:
            name = work.pop(0)
            if name not in self.low.primals:
                f = self.low.primals[name] = self.forward(self.program.functions[name])
                known = len(self.low.operations), len(self.low.functions)
                while self.queue:
                    self.queue.pop(0)()
                new = [*list(self.low.operations.values())[known[0] :], *list(self.low.functions.values())[known[1] :]]
                work += [n for g in (f, *new) for n in called(g) if n in self.program.functions]
        if os.environ.get("LANTERN_VERIFY"):
            verify_lowered(as_program(self.program, self.low), self.low)
        return self.low

    def text(self, stage: str) -> str:
        """What it has started from, "cps", or come to."""
        return "\n".join(map(show_closures, self.closures)) if stage == "cps" else show(as_program(self.program, self.low))

    # ---- functions that run forward
    def forward(self, f: Function) -> Function:
        """A function whose reverse passes are calls."""
        if not any(TABLE[let.op].calls == REVERSE for b in f.blocks.values() for let in b.lets):
            return f
        body = Body(LowProgram(), f.name, f.params, f.results)
        body.program = self.low
        body.taken |= {v.name for v in all_vars(f)}
        known: dict[Var, Atom] = {}
        for name, b in f.blocks.items():
            body.current = body.f.blocks[name] = Block(name, b.params)
            for let in b.lets:
                if TABLE[let.op].calls == REVERSE:
                    found = lower_pullback(self, body, let, let.args)
                    known.update(zip(let.outs, found, strict=True))
                    for o, x in zip(let.outs, found, strict=True):
                        if isinstance(o.type, Array):
                            self.aliases.join(x, o)
                else:
                    body.current.lets.append(let)
            body.current.terminator = b.terminator
        made = Function(f.name, f.params, {name: b for name, b in body.f.blocks.items() if name in f.blocks}, f.results)
        for b in made.blocks.values():
            b.lets = [_of(let, known) for let in b.lets]
            b.terminator = map_terminator(b.terminator, lambda a: known.get(a, a))
        made.entry.lets[:0] = body.top.lets
        return made

    # ---- functions that run backwards
    def reverse(self, rev: Reverse) -> str:
        """The name of a function in reverse, lowered once."""
        if rev.name not in self.names:
            self.names.add(rev.name)
            self.queue.append(lambda: self.backwards(rev))
        return f"r.{rev.name}"

    def backwards(self, rev: Reverse) -> None:
        closures = to_closures(rev)
        self.closures.append(closures)
        plans = self.plans(rev)
        policies = {head: choose(plans.get(head), self.checkpoint) for head in closures.loops}
        replayed = {b for head, policy in policies.items() if policy != "recursion" for b in plans[head].loop.blocks}
        parent = ReverseFunction(self, closures)
        late = set(parent.late)  # their adjoints are made when the whole block begins its way back
        for name, block in list(closures.blocks.items()):
            if name not in replayed and not any(o in late for let in block.lets for o in let.outs):
                cut_block(closures, name)
        parent.entry()
        for name, block in closures.blocks.items():
            if name in policies:
                self.low.policies[f"{rev.name}.{name}"] = policies[name]
            if policies.get(name, "recursion") != "recursion":
                Replay(parent, block, plans[name], policies[name] == "chunks", self.checkpoint).run()
            elif name not in replayed:
                BlockFunction(parent, block).run()

    def on_tape(self, rev: Reverse) -> bool:
        """Does a function run backwards from a tape? Where it can and pays, unless `checkpoint` says "recursion"."""
        if rev.name not in self.taped:
            plans = plan_tape(self.reverses, rev) if self.checkpoint != "recursion" and self.pays_on_tape(rev) else None
            self.taped[rev.name] = plans is not None
            for name, plan in (plans or {}).items():
                if name == rev.name or not self.taped.get(name):
                    self.taped[name] = True
                    self.queue.append(functools.partial(self.tape, plan))
        return self.taped[rev.name]

    def pays_on_tape(self, rev: Reverse) -> bool:
        chunked = {head for head, plan in self.plans(rev).items() if choose(plan, self.checkpoint) == "chunks"}
        return rev.function.name in self.recursive or pays(rev.function, chunked)

    def tape(self, taped: Taped) -> None:
        entries, closures = Entries(taped), to_closures(taped.rev)
        Forward(self, taped, entries, closures.records.get(WHOLE, [])).run()
        Back(self, taped, entries, closures).run()
        if taped.rev.function.name in self.recursive:
            self.low.policies[taped.rev.name] = "tape"
        self.low.policies.update({f"{taped.rev.name}.{head}": "tape" for head in taped.loops})

    def plans(self, rev: Reverse) -> dict[str, Plan]:
        """How the loops of a function could be replayed."""
        key = rev.function.name, rev.mask, rev.results
        if key not in self.planned:
            self.planned[key] = plan_loops(rev.function, rev.activity)
        return self.planned[key]

    def of_pullback(self, let: Let) -> Reverse:
        """The reverse function that starts a reverse pass: one of its own where loops write an adjoint array first."""
        rev: Reverse = self.reverses.of_pullback(let)
        rev = self.reverses.starts.get(rev.name, rev)
        replayed = {head: plan for head, plan in self.plans(rev).items() if choose(plan, self.checkpoint) != "recursion"}
        found = covers(rev, self.aliases, replayed) if replayed else {}
        if not found:
            return rev
        name = f"{rev.name}.covered"
        return self.covered.setdefault(name, replace(rev, name=name, covers=found))


def _of(let: Let, known: dict[Var, Atom]) -> Let:
    """An operation of what is known; graphs that others use stay as they are."""
    if not any(a in known for a in let.args):
        return let
    return replace(let, args=tuple(known.get(a, a) for a in let.args))  # type: ignore[arg-type]


def called(f: Function) -> list[str]:
    """The functions that it calls."""
    return direct(f) + [let.attrs["f"] for b in f.blocks.values() for let in b.lets if TABLE[let.op] is CALL]


def lower(program: Program, checkpoint: Any = None) -> LowProgram:
    """A program whose reverse mode is functions that run forward. `checkpoint`: as in `jit`."""
    return Lowering(program, checkpoint).run()


def as_program(program: Program, low: LowProgram) -> Program:
    """All of its functions as a program of their own."""
    return replace(
        program,
        functions={
            **low.primals,
            **{n: f for n, f in program.functions.items() if n not in low.primals},
            **low.operations,
            **low.functions,
        },
    )

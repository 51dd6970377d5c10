"""Each pass alone: the graph of a random program is verified and interpreted before and after every pass that changes it, and a pass
that says that it has changed nothing has not. Part of `python -m tests.fuzz --passes 500 --seed 1`."""

from __future__ import annotations

import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import lantern_jit as lj
from lantern_jit.backends.arguments import machine_value
from lantern_jit.ir.core.errors import VerifyError
from lantern_jit.ir.core.graph import Program
from lantern_jit.ir.core.parse import parse
from lantern_jit.ir.core.text import show
from lantern_jit.ir.core.verify import verify
from lantern_jit.pipeline import PIPELINE

from ..between import outcome, same
from .check import Checker, Timeout, Wrong, alarm
from .plain import load

MOST = 50_000  # operations of one run


class Between:
    """Stands between the passes over one program, as the pipeline does; `points` are arguments to interpret it at."""

    def __init__(self, program: Program, points: Sequence[Sequence[Any]]) -> None:
        self.program, self.points = program, points
        self.counts: Counter[str] = Counter()
        verify(program)
        self.text = show(program)
        self.found = self.outcomes()

    def run(self) -> Counter[str]:
        """How often each pass has changed the program; raises Wrong."""
        try:
            for step in PIPELINE:
                step.run(self.program, self.watch)
        except (lj.LanternError, Wrong):
            raise
        except Exception as e:  # of a pass, or of the interpreter with what it has left
            raise Wrong("".join(traceback.format_exception(e))) from e
        return self.counts

    def watch(self, name: str, change: Callable[[], bool]) -> bool:
        changed = change()
        text = show(self.program)
        if text == self.text:
            return changed
        if not changed:
            raise Wrong(f"{name} changes the graph and does not say so")
        self.counts[name] += 1
        before, self.text = self.text, text
        try:
            verify(self.program)
        except VerifyError as e:
            raise Wrong(f"{name}: {e}\n{before}->\n{text}") from e
        last, self.found = self.found, self.outcomes()
        differentiates = "pullback(" in before or "pushforward(" in before  # which adds up in the order of the operations
        rtol = 0.0 if not differentiates else 1e-3 if "f32" in before else 1e-9
        for point, one, other in zip(self.points, last, self.found, strict=True):
            if one is not None and other is not None and not same(one, other, rtol):
                raise Wrong(f"{name}: {one} is {other} afterwards, at {point}\n{before}->\n{text}")
        return changed

    def outcomes(self) -> list[Any]:
        """Of the program as its text has it."""
        again = parse(self.text, self.program.constants, self.program.recipes)
        return [outcome(again, point, MOST) for point in self.points]


def programs(checker: Checker) -> Iterator[tuple[Program, list[list[Any]]]]:
    """The program's value, gradient and directional derivative as they are traced, with arguments at two points."""
    bound, floats = checker.floats_only()
    tangents = checker.tangents(checker.directions())
    moved = checker.point(checker.directions(), -0.7)
    elsewhere = tuple(moved[i] for i in checker.nums)
    for f, *calls in (
        (checker.f, tuple(checker.point()), tuple(moved)),
        (lj.grad(checker.f, checker.nums), tuple(checker.point()), tuple(moved)),
        (lambda p, t: lj.jvp(bound, p, t), (floats, tangents), (elsewhere, tangents)),
    ):
        lookup = lj.jit(f)._dispatcher.lookup
        made, leaves = lookup(calls[0], {})
        points = [[machine_value(x, t) for x, t in zip(given, made.types, strict=True)] for given in (leaves, lookup(calls[1], {})[1])]
        yield made._traced(made._known_numbers()).program, points


def check(source: str, seconds: float = 20.0) -> Counter[str] | str:
    """How often each pass has changed something in the programs of this source, or in words what is wrong. What cannot be traced,
    or takes too long, says nothing."""
    counts: Counter[str] = Counter()
    try:
        with warnings.catch_warnings(), alarm(seconds), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            for program, points in programs(Checker(load(source))):
                counts += Between(program, points).run()
    except Wrong as e:
        return str(e)
    except (Exception, Timeout):  # of the program itself, while it is traced
        pass
    return counts


__all__ = ["Between", "check"]

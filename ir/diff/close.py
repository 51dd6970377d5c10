"""The last pass: every function that running the program backwards needs is made here, and nowhere later."""

from __future__ import annotations

from dataclasses import replace

from ..core.analysis import Aliases, references
from ..core.graph import Call, Closed, Function, Let, Program
from ..core.op import PLAIN, REVERSE, TABLE
from ..passes.accumulate import accumulate
from ..passes.fuse import fuse_function
from ..passes.simplify import SIMPLIFY
from .activity import Activity, check_around, has_operations, varied
from .cps import has_adjoint
from .loops.taped import part_loops
from .memory import remember_all
from .passed_weights import gather_passed
from .reverse import Reverse, Reverses, adjoint_of_pullback
from .rules import library_function, pull_function
from .weights import gather_weights


def close(program: Program) -> bool:
    """To a fixpoint: adjoints and programs of library operations, and the jvps whose reverse passes are adjoints of pullbacks. They
    are simplified and fused as others are; functions that nobody needs go. From here on the program has the functions that it has.

    fn f(%x: f64[?, ?], %c: f64[?, ?]) -> (f64[?, ?], f64[?, ?]) {
    entry:
      %y: f64[?, ?], %d: f64[?, ?] = pullback(%x, %c) {f='g', wrt=(0,), ct=(0,), cotangents=1}
      return %y, %d
    }

    fn g(%a: f64[?, ?]) -> (f64[?, ?]) {
    entry:
      %z: f64[?, ?] = gemm(%a, %a) {ta=0, tb=1, fails=False}
      return %z
    }
    ->
    fn f(%x: f64[?, ?], %c: f64[?, ?]) -> (f64[?, ?], f64[?, ?]) {
    entry:
      %y: f64[?, ?], %d: f64[?, ?] = pullback(%x, %c) {f='g', wrt=(0,), ct=(0,), cotangents=1}
      return %y, %d
    }

    fn g(%a: f64[?, ?]) -> (f64[?, ?]) {
    entry:
      %z: f64[?, ?] = gemm(%a, %a) {ta=0, tb=1, fails=False}
      return %z
    }

    fn g.x.0.back(%d.z: f64[?, ?], %a: f64[?, ?], %d.a: f64[?, ?]) -> () {
    entry:
      gemm_add(%d.z, %a, %d.a) {ta=0, tb=0, fails=False}
      gemm_add(%d.z, %a, %d.a) {ta=1, tb=0, fails=False}
      return
    }
    """
    before = set(program.functions)
    while True:
        walk = _Walk(program)
        walk.run()
        if not walk.added and not walk.changes_loops():
            break
    program.functions = {name: f for name, f in program.functions.items() if name in walk.needed}
    parted = [part_loops(f) for f in program.functions.values()]
    remember_all(program, walk.reverses, walk.called, walk.started)
    program.functions = Closed(program.functions)
    program.reverses = walk.reverses
    return any(parted) or set(program.functions) != before


def closed(program: Program) -> Program:
    """The program itself if it is closed, else a closed one beside it."""
    if isinstance(program.functions, Closed):
        return program
    program = replace(program, functions=dict(program.functions))
    close(program)
    return program


class _Walk:
    """One walk over all that runs, forward and backwards, as the program stands when it begins. A function that it has to add may
    join arrays that were apart: then what has been found does not hold, and another walk is due."""

    def __init__(self, program: Program) -> None:
        self.program, self.added = program, False
        self.reverses = Reverses(program)
        self.needed: dict[str, None] = {}
        self.back: set[str] = set()
        self.started: dict[str, Reverse] = {}  # by pullbacks
        self.called: dict[str, Reverse] = {}  # by functions that run backwards
        self.framed: set[str] = set()  # functions whose memory waits, once for each call, until the way back
        self.work: list[Reverse] = []

    def run(self) -> None:
        self.need(self.program.entry)
        while self.work:
            self.backwards(self.work.pop())

    def changes_loops(self) -> bool:
        """Once nothing is to be added: are loops that run backwards changed, so that they add in place, or gather weights' gradients?"""
        found: dict[str, list[Activity]] = {}
        for rev in self.reverses.made.values():
            if rev.name in self.back:
                found.setdefault(rev.function.name, []).append(rev.activity)
        changed = any([self.change(self.program.functions[name], each) for name, each in found.items()])
        return changed or gather_passed(self.program, found, self.framed, self.reverses.aliases)

    def change(self, f: Function, activities: list[Activity]) -> bool:
        program, aliases = self.program, self.reverses.aliases
        return accumulate(program, f, aliases) or (f.name not in self.framed and gather_weights(program, f, activities, aliases))

    def need(self, name: str) -> None:
        """A function that runs, and what it needs."""
        work = [name]
        while work:
            name = work.pop()
            if name not in self.needed:
                self.needed[name] = None
                f = self.program.functions[name]
                work += references(f)
                for block in f.blocks.values():
                    for let in block.lets:
                        self.forward(let)

    def forward(self, let: Let) -> None:
        op = TABLE[let.op]
        if op.program is not None:
            self.need(self.made(lambda: library_function(self.program, let)))
        elif op.calls == REVERSE:
            self.start(let)

    def start(self, let: Let) -> None:
        rev = self.reverses.of_pullback(let)
        self.started[rev.name] = rev
        self.reverse(rev)

    def reverse(self, rev: Reverse) -> None:
        if rev.name not in self.back:
            self.back.add(rev.name)
            self.need(rev.function.name)
            self.work.append(rev)

    def backwards(self, rev: Reverse) -> None:
        if has_operations(rev.function):
            check_around(rev.function, varied(rev.function, rev.mask, self.reverses.aliases))
        for block in rev.function.blocks.values():
            for let in block.lets:
                if has_adjoint(let, rev.activity):
                    self.adjoint(let, rev)
            if isinstance(block.terminator, Call):
                callee = self.reverses.of_call(rev, block.terminator)
                self.framed.add(callee.function.name)
                self.call(callee)

    def call(self, callee: Reverse) -> None:
        self.called[callee.name] = callee
        self.reverse(callee)

    def adjoint(self, let: Let, rev: Reverse) -> None:
        op = TABLE[let.op]
        if op.adjoint == "pullback":
            wanted = [a in rev.activity for a in let.args]
            self.need(self.made(lambda: pull_function(self.program, let, wanted)))
        elif op.calls == PLAIN:
            self.call(self.reverses.of_checkpoint(rev, let))
        elif op.calls == REVERSE:
            adjoint: list[Let] = []
            self.made(lambda: adjoint.append(adjoint_of_pullback(self.program, let, rev.activity)[0]))
            self.start(adjoint[0])

    def made(self, make: object) -> str:
        """What `make` gives; functions that it adds are simplified and fused."""
        known = set(self.program.functions)
        found = make()  # type: ignore[operator]
        new = [f for name, f in self.program.functions.items() if name not in known]
        if new:
            self.added = True
            SIMPLIFY.on(new)
            aliases = Aliases(self.program)
            SIMPLIFY.on([*(g for f in new for g in fuse_function(self.program, f, aliases)), *new])
        return found  # type: ignore[no-any-return]

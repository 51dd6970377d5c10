"""Checks of sizes that a trace has taken for equal come before what happens once, so that a call can start again in another form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..core.analysis import Aliases, call_graph_cycles, named, references, reverse_postorder, shifts
from ..core.dims import Dim
from ..core.graph import Atom, Call, Const, Function, Let, Program, Var, edges
from ..core.kernel import ONE, ZERO
from ..core.op import TABLE, written
from ..core.types import BOOL, I64, Array
from ..ops.effects import is_effect
from .sizes import Sizes

Known = Mapping[Dim, Atom]  # sizes by atoms of the entry's beginning


def checks_first(program: Program) -> bool:
    """Move checks of the sizes of arguments to the beginning. Is there none left that may run after a write into an argument, a print, a draw?

    fn f(%x: f64[n], %y: f64[m]) -> () {           fn f(%x: f64[n], %y: f64[m]) -> () {
    entry:                                         entry:
      %n: i64 = dim(%x) {axis=0}                     %n: i64 = dim(%x) {axis=0}
      store(%x, 0, 1.0)                              %m: i64 = dim(%y) {axis=0}
      %m: i64 = dim(%y) {axis=0}              ->     %early: i64 = same_size(%n, %m)
      %k: i64 = same_size(%n, %m)                    store(%x, 0, 1.0)
      ..                                             %k: i64 = equal_size(%n, %m)
    """
    entry = program.functions[program.entry]
    if any(shifts(f) for f in program.functions.values()):
        return False
    _Early(program, entry).run()
    return _Order(program, entry).holds()


class _Early:
    """The checks of one program, from its entry down to functions that are called from one place."""

    def __init__(self, program: Program, entry: Function) -> None:
        self.program, self.entry = program, entry
        self.before: list[Let] = []
        self.callers: dict[str, int] = {}
        for f in program.functions.values():
            for name in references(f):
                self.callers[name] = self.callers.get(name, 0) + 1

    def run(self) -> None:
        known: dict[Dim, Atom] = {}
        for p in self.entry.params:
            for axis, d in enumerate(p.type.dims if isinstance(p.type, Array) else ()):
                if d not in known and not isinstance(d, int):
                    n = Var(f"{p.name}.dim{axis}", I64)
                    self.before.append(Let((n,), "dim", (p,), {"axis": axis}))
                    known[d] = n
        self.function(self.entry, known)
        used = {a for let in self.before for a in let.args}
        self.entry.entry.lets[:0] = [let for let in self.before if not TABLE[let.op].measures or let.out in used]

    def function(self, f: Function, known: Known) -> None:
        sizes = Sizes(f)
        for block in f.blocks.values():
            for i, let in enumerate(block.lets):
                found = [self.atom(sizes.of(a), known) for a in let.args] if TABLE[let.op].optimistic else [None]
                if None not in found:
                    self.check(f"{f.name}.{let.out.name}", let, *found)
                    block.lets[i] = Let(let.outs, "equal_size", let.args, {"kind": "mismatch"}, let.site)  # which holds now
        for name, args in self.called(f):
            g = self.program.functions[name]
            if self.callers[name] == 1 and g is not self.entry:
                inside: dict[Dim, Atom] = {}
                for p, a in zip(g.params, args, strict=False):
                    for axis, d in enumerate(p.type.dims if isinstance(p.type, Array) else ()):
                        n = self.atom(sizes.dim(a, axis), known)
                        if n is not None and not isinstance(d, int):
                            inside.setdefault(d, n)
                self.function(g, inside)

    def check(self, name: str, let: Let, n: Atom, m: Atom) -> None:
        """The check before all, of (n, n) or else of (1, 0): a size of 1 is what the call starts again for. Where they do not fit together,
        the error comes in its place."""
        same, first, second, out = Var(f"{name}.same", BOOL), *(Var(f"{name}.{x}", I64) for x in ("first", "second", "early"))
        self.before += [
            Let((same,), "ieq", (n, m), {}, let.site),
            Let((first,), "select", (same, n, ONE), {}, let.site),
            Let((second,), "select", (same, n, ZERO), {}, let.site),
            Let((out,), let.op, (first, second), let.attrs, let.site),
        ]

    def atom(self, d: Dim, known: Known) -> Atom | None:
        return Const(d, I64) if isinstance(d, int) else known.get(d)

    def called(self, f: Function) -> Iterator[tuple[str, tuple[Atom, ...]]]:
        for block in f.blocks.values():
            for let in block.lets:
                if TABLE[let.op].calls and not TABLE[let.op].nest:
                    yield from ((name, let.args) for name in named(let))
            if isinstance(block.terminator, Call):
                yield block.terminator.function, block.terminator.args


class _Order:
    """Which of a program's functions check sizes, and which do what happens once?"""

    def __init__(self, program: Program, entry: Function) -> None:
        self.program, self.entry = program, entry
        aliases = Aliases(program)
        self.given = {aliases.root(p) for p in entry.params if isinstance(p.type, Array)}
        self.root = aliases.root
        calls = {name: set(references(f)) & {*program.functions} for name, f in program.functions.items()}
        self.cycles = call_graph_cycles(calls)
        self.checks, self.once = ({n for n in calls if test(n)} for test in (self.has_check, self.has_effect))
        while True:
            more = [{n for n, others in calls.items() if others & found} - found for found in (self.checks, self.once)]
            if not any(more):
                break
            self.checks |= more[0]
            self.once |= more[1]

    def holds(self) -> bool:
        both = self.checks & self.once
        return not both & self.cycles and all(self.function(self.program.functions[name]) for name in both)

    def lets(self, name: str) -> Iterator[Let]:
        return (let for block in self.program.functions[name].blocks.values() for let in block.lets)

    def has_check(self, name: str) -> bool:
        return any(TABLE[let.op].optimistic for let in self.lets(name))

    def has_effect(self, name: str) -> bool:
        return any(map(self.happens_once, self.lets(name)))

    def happens_once(self, let: Let) -> bool:
        return is_effect(let, self.program) or any(self.root(a) in self.given for a in written(let))

    def function(self, f: Function) -> bool:
        """Does no check come after such a thing, on any way through a function?"""
        after = dict.fromkeys(f.blocks, False)
        while True:
            before = dict(after)
            for name in reverse_postorder(f):
                block, done = f.blocks[name], after[name]
                for let in block.lets:
                    names = set(named(let)) if TABLE[let.op].calls else set()
                    if done and (TABLE[let.op].optimistic or names & self.checks):
                        return False
                    done = done or self.happens_once(let) or bool(names & self.once)
                if isinstance(block.terminator, Call):
                    if done and block.terminator.function in self.checks:
                        return False
                    done = done or block.terminator.function in self.once
                for e in edges(block.terminator):
                    after[e.block] = after[e.block] or done
            if before == after:
                return True

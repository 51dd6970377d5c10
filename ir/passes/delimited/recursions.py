"""Recursions that shift to a reset outside of them: what comes after such a call is known when the program runs.

    fn search(%i) -> (f64)                              fn search(%i, %k: f64[?]) -> (answer) of main
      call search(%l) then next(%a)                       %k2 = hold(0:i64, .., %k) {site='s'};  call search(%l, %k2) then done(%answer)
      return %a                                           call search.return(%k, %a) then done(%answer)
                                              ->
                                                        fn search.return(%k: f64[?], %a) -> (answer)
                                                          %tag: i64, .. = held(%k) {site='s'};  call next(%a, ..) then done(%answer)

Such a function takes the record of what its caller's rest needs, and gives the answer of the reset; where it returned, it goes on with
that rest: of each place from which it is called. A record lives in the function that has made it, which has not returned: so it needs
no heap, and any number of calls may read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...core.dims import UNKNOWN
from ...core.errors import UnsupportedOperationError
from ...core.graph import Atom, Block, Branch, Call, Const, Edge, Function, Jump, Let, Program, Return, Shift, Var
from ...core.types import BOOL, F64, I64, Array, Type
from ...ops.records import HELD, HOLD, places
from ...ops.table import ieq
from .outline import Names

RECORD = Array(F64, (UNKNOWN,))


@dataclass
class Site:
    """A call from which such a function returns into a rest: the types of what the record holds for it, a number first."""

    name: str
    rest: str
    types: tuple[Type, ...]


class Recursions:
    def __init__(self, program: Program, names: Names) -> None:
        self.functions, self.names = program.functions, names
        self.sites: dict[str, list[Site]] = {}  # of each function that takes a record
        self.gives: dict[str, tuple[Type, ...]] = {}  # what each of them returned
        self.shift: dict[str, Shift] = {}  # a shift in each of them
        self.rests: set[str] = set()

    def convert(self, group: Sequence[str], shift: Shift) -> None:
        """Functions that call each other, and shift: they take a record, and give the answer."""
        answer = self.functions[shift.function].results
        for name in group:
            f = self.functions[name]
            self.sites[name], self.gives[name], self.shift[name] = [], f.results, shift
            record = Var(self.names.new("k"), RECORD)
            f.params = [*f.params, record]
            for block in list(f.blocks.values()):
                if isinstance(block.terminator, Return):
                    block.terminator = self.ended(f, f"{name}.return", (record, *block.terminator.args), answer)
            f.results, f.tag = answer, shift.tag

    def ended(self, f: Function, callee: str, args: tuple[Atom, ...], answer: Sequence[Type]) -> Call:
        """A call whose results f returns."""
        done = Block(self.names.new("done"), [Var(self.names.new("answer"), t) for t in answer])
        done.terminator = Return(tuple(done.params))
        f.blocks[done.name] = done
        return Call(callee, args, Edge(done.name))

    def shifted(self, f: Function, block: Block, t: Call) -> None:
        """A call of such a function that gives it no record yet is a shift, whose continuation will be one."""
        shift, callee = self.shift[t.function], self.functions[t.function]
        if f.tag == callee.tag and f.results != callee.results:
            raise UnsupportedOperationError(
                f"the recursion of `{t.function}`, which shifts at {shift.site} to a reset outside of it, is called in resets that give values of several types: "
                "let all of them give the same"
            )
        if len(t.args) < len(callee.params):
            block.terminator = Shift(t.function, t.args, t.then, shift.tag, "", shift.site)

    def hold(self, block: Block, t: Shift, needs: Sequence[Atom]) -> tuple[str, Var]:
        """The record of what the rest of a call needs; the name of the rest."""
        site = Site(self.names.new("site"), self.names.new("rest"), (I64, *(a.type for a in needs)))
        args = (Const(len(self.sites[t.function]), I64), *needs)
        record = Var(self.names.new("record"), Array(F64, (places(args)[-1],)))
        block.lets.append(Let((record,), HOLD.name, args, {"site": site.name}))
        self.sites[t.function].append(site)
        self.rests.add(site.rest)
        return site.rest, record

    def finish(self) -> None:
        """The functions that go on with a rest."""
        for name, sites in self.sites.items():
            f = Function(f"{name}.return", [Var("k", RECORD), *(Var(f"r{i}", t) for i, t in enumerate(self.gives[name]))], {})
            f.results = self.functions[name].results
            self.functions[f.name] = f
            tag = Var("tag", I64)
            f.blocks["entry"] = at = Block("entry", [], [Let((tag,), HELD.name, (f.params[0],), {"site": ""})])
            for i, site in enumerate(sites):
                case = Block(f"case{i}")
                outs = tuple(Var(f"v{i}.{j}", t) for j, t in enumerate(site.types))
                case.lets.append(Let(outs, HELD.name, (f.params[0],), {"site": site.name}))
                f.blocks[case.name] = case
                case.terminator = self.ended(f, site.rest, (*f.params[1:], *outs[1:]), f.results)
                if i + 1 == len(sites):
                    at.terminator = Jump(Edge(case.name))
                    break
                mine, other = Var(f"is{i}", BOOL), Block(f"other{i}")
                at.lets.append(Let((mine,), ieq.name, (tag, Const(i, I64))))
                f.blocks[other.name] = other
                at.terminator, at = Branch(mine, Edge(case.name), Edge(other.name)), other

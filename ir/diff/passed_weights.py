"""The same for recursions: each call passes a matrix on, and multiplies by it.

    f(%w):                                   f(%w):
      ..                                       %p, %q, %n = gathering(%w)
                                               %w.rows = weight(%w, %p, %q, %n)
      call node(%a, %w) then ..         ->     call node(%a, %w.rows, %p, %q, %n) then ..

    node(%h, %w):                            node(%h, %w, %w.p, %w.q, %w.n):
      %y = gemm(%h, %w) {ta=0, tb=0}           %y = gemm_weight(%h, %w, %w.p, %w.q, %w.n) {ta=0, tb=0, w=1}
      call node(%y, %w) then ..                call node(%y, %w, %w.p, %w.q, %w.n) then ..

There is one room for all calls, which whoever calls the recursion from outside has: a function whose own memory does not wait for the way
back once for each of its calls. The matrix is a parameter of all functions in between, which pass it on as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..core.analysis import Aliases, call_graph_cycles, called, find_loops, named
from ..core.graph import Block, Call, Function, Let, Program, Shift, Var, defined_vars
from ..core.op import TABLE
from ..core.types import Array
from .activity import Activity
from .weights import Products, prepare, room

Place = tuple[str, int]  # a function, and which of its parameters
Door = tuple[str, str, Var]  # a function that calls from outside, the block where it has the matrix, and that


@dataclass
class _Passed:
    """A matrix: the parameters that it is, and where it comes from."""

    places: dict[Place, None] = field(default_factory=dict)
    doors: dict[Door, None] = field(default_factory=dict)


def gather_passed(program: Program, running: Mapping[str, Sequence[Activity]], framed: set[str], aliases: Aliases) -> bool:
    """Put functions in place of those that pass such matrices on; are there any? `running` are the functions that run backwards, `framed`
    those whose memory waits for the way back, once for each call."""
    recursive = call_graph_cycles({name: set(called(f)) for name, f in program.functions.items()})
    changed = False
    for name in [n for n in framed if n in recursive and n in running]:
        for i in _weights(program, program.functions[name], running[name], aliases):
            passed = _Search(program, framed).run((name, i))
            if passed is not None:
                _Change(program, passed).run()
                changed = True
    return changed


def _weights(program: Program, f: Function, activities: Sequence[Activity], aliases: Aliases) -> list[int]:
    """The parameters that are matrices which f multiplies by, and nobody writes."""
    products, found = Products(program, f), dict[int, None]()
    candidates = {p: i for i, p in enumerate(f.params) if isinstance(p.type, Array) and p.type.rank == 2 and not aliases.is_written(p)}
    for block in f.blocks.values() if candidates else ():
        for let in block.lets:
            product = None if TABLE[let.op].closing else products.product(let, block.name)
            for a in reversed(product[1].args[:2]) if product is not None else ():
                if isinstance(a, Var) and a in candidates and any(a in x for x in activities):
                    found[candidates[a]] = None
                    break
    return list(found)


class _Search:
    """From a parameter up to where its matrix comes from."""

    def __init__(self, program: Program, framed: set[str]) -> None:
        self.program, self.framed = program, framed

    def run(self, start: Place) -> _Passed | None:
        """None where that is not known, or is a place that has no room."""
        passed, work = _Passed({start: None}), [start]
        while work:
            name, i = work.pop()
            if self.is_named(name):
                return None
            for caller, call in self.calls(name):
                a = call.args[i]
                if isinstance(call, Shift) or not isinstance(a, Var):
                    return None
                if caller.name in self.framed:
                    if a not in caller.params:
                        return None
                    place = caller.name, caller.params.index(a)
                    work += [place] if place not in passed.places else []
                    passed.places[place] = None
                else:
                    door = self.door(caller, a)
                    if door is None:
                        return None
                    passed.doors[caller.name, door, a] = None
        return passed

    def calls(self, name: str) -> Iterator[tuple[Function, Call]]:
        for f in self.program.functions.values():
            for block in f.blocks.values():
                if isinstance(block.terminator, Call) and block.terminator.function == name:
                    yield f, block.terminator

    def is_named(self, name: str) -> bool:
        """Does an operation name it, which would not know of more parameters?"""
        lets = [let for f in self.program.functions.values() for b in f.blocks.values() for let in b.lets if TABLE[let.op].calls]
        return bool(self.program.functions[name].tag) or name == self.program.entry or any(name in named(let) for let in lets)

    def door(self, f: Function, w: Var) -> str | None:
        """The block at whose end room is made, once: where the matrix is known first."""
        home = next((b.name for b in f.blocks.values() if w in defined_vars(b)), f.entry.name)
        return None if any(home in loop.blocks for loop in find_loops(f).values()) else home


class _Change:
    """Room for the rows of one matrix, and its way to the products."""

    def __init__(self, program: Program, passed: _Passed) -> None:
        self.program, self.passed = program, passed
        self.name = f"rows.{next(iter(passed.places))[0]}"  # of the function that it has been found in
        self.rows: dict[Place, tuple[Var, ...]] = {}

    def run(self) -> None:
        functions = self.program.functions
        names = dict.fromkeys([*(name for name, _ in self.passed.places), *(name for name, _, _ in self.passed.doors)])
        for name in names:
            f = functions[name]
            functions[name] = replace(f, params=[*f.params], blocks={n: replace(b, lets=[*b.lets]) for n, b in f.blocks.items()})
        for name, i in self.passed.places:
            w = functions[name].params[i]
            self.rows[name, i] = (w, *room(self.program, w, f"{w.name}.{self.name}"))
            functions[name].params += self.rows[name, i][1:]
        made = {(name, block, w): self.enter(name, block, w) for name, block, w in self.passed.doors}
        inner = {name for name, _ in self.passed.places}
        for name in names:
            f = functions[name]
            own = {w: rows for (g, _), rows in self.rows.items() if g == name for w in rows[:1]}
            if name not in inner:
                own = {w: rows for (g, _, w), rows in made.items() if g == name}
            for block in f.blocks.values():
                self.call(block, own)
            if name in inner:
                self.products(f, own)

    def enter(self, name: str, block: str, w: Var) -> tuple[Var, ...]:
        b = self.program.functions[name].blocks[block]
        site = next((let.site for let in reversed(b.lets) if let.site is not None), None)
        return prepare(self.program, w, f"{w.name}.{self.name}", b, site)

    def call(self, block: Block, own: Mapping[Var, tuple[Var, ...]]) -> None:
        """What calls is given is passed on with its rows."""
        t = block.terminator
        if isinstance(t, Call):
            args = list(t.args)
            for name, i in self.passed.places:
                if name == t.function:
                    args[i], *rows = own[args[i]]  # type: ignore[index]
                    args += rows
            block.terminator = replace(t, args=tuple(args))

    def products(self, f: Function, own: Mapping[Var, tuple[Var, ...]]) -> None:
        products = Products(self.program, f)

        def change(let: Let, name: str) -> list[Let]:
            return [let] if TABLE[let.op].closing else products.weighted(let, name, own.get)

        for block in f.blocks.values():
            block.lets = [new for let in block.lets for new in change(let, block.name)]

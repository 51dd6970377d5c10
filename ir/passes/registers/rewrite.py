"""A function whose small arrays are scalars: its signature, the parameters of its blocks, edges, calls and returns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...core.analysis import reverse_postorder
from ...core.graph import Atom, Block, Branch, Call, Const, Edge, Function, Jump, Return, Terminator, Var, edges, passed, substitute
from ...core.types import element, is_float
from .elements import Cell, Elements
from .objects import Objects
from .plan import Plan


@dataclass
class Signature:
    """Of a function, as it was: parameters, how many results, and which of its moving results are arrays that no parameter is; the
    parameters whose elements it gives back."""

    params: list[Var]
    results: int
    groups: tuple[int, ...]  # of its moving parameters and results (objects.py)
    returned: list[Var]

    def firsts(self, objects: Objects) -> list[Var]:
        """Of several parameters that are one array the first."""
        moving = [p for p in self.params if objects.is_moving(p)]
        return [p for i, p in enumerate(moving) if self.groups.index(self.groups[i]) == i]

    def group(self, objects: Objects, p: Var) -> int:
        return self.groups[[q for q in self.params if objects.is_moving(q)].index(p)]


def signatures(plan: Plan, objects: Objects) -> dict[str, Signature]:
    found = {}
    for f in plan.functions:
        groups = objects.groups.get((f.name, None), objects.groups.get(f.name, ()))
        returned = objects.returns(f) if f.name in objects.writes else []
        found[f.name] = Signature(list(f.params), len(f.results), groups, returned)
    return found


class Rewrite(Elements):
    def __init__(self, plan: Plan, objects: Objects, signed: dict[str, Signature], f: Function) -> None:
        super().__init__(plan, objects, f)
        self.signed, self.own = signed, signed[f.name]
        self.states: dict[str, dict[Var, Cell]] = {}
        self.ends: dict[str, dict[Var, Cell]] = {}  # of blocks
        self.heads: dict[str, list[Var]] = {}  # of a block that several edges lead to: a name of each moving array
        self.after: dict[str, list[tuple[Var, list[Var]]]] = {}  # of a block behind a call: what parameters hold now, and new results
        self.params = {name: list(b.params) for name, b in f.blocks.items()}
        self.calls = {b.terminator.then.block: b.terminator for b in f.blocks.values() if isinstance(b.terminator, Call)}
        self.named = {name: objects.names(f, name) for name in self.above if objects.joins(f, name)}
        self.eager = set(self.used_in_loops())

    def run(self) -> None:
        f = self.f
        order = reverse_postorder(f)
        self.sign()
        for name in order:
            self.lay_out(f.blocks[name])
        for name in order:
            block = f.blocks[name]
            copies: dict[Cell, Cell] = {}
            self.name, self.lets = name, []
            before = self.ends[self.objects.above[f.name][name]] | self.states[name] if name in self.heads else self.states[name]
            self.state = self.ends[name] = {v: copies.setdefault(c, Cell(list(c.elements), [], c.site)) for v, c in before.items()}
            self.begin(name)
            for let in block.lets:
                self.let(let)
            for v in self.eager:
                if self.home.get(v) == name:
                    self.whole(v)
            block.terminator = self.end(block.terminator)
            block.lets = self.lets
        substitute(f.blocks.values(), dict(self.atoms))

    def used_in_loops(self) -> Iterator[Var]:
        """Still arrays that somebody wants whole in a loop that they are not made in."""
        for name in self.above:
            block = self.f.blocks[name]
            t = block.terminator
            uses = [a for let in block.lets if id(let) not in self.plan.plain for a in let.args]
            uses += t.args if isinstance(t, Call) and t.function in self.plan.open else []
            uses += [a for e in edges(t) for p, a in passed(t, e, self.f.blocks[e.block]) if not self.is_small(p)]
            for a in uses:
                if self.is_small(a) and self.around[name] - self.around[self.home.get(a, self.f.entry.name)]:
                    yield a

    # ---- parameters
    def sign(self) -> None:
        """The function's own."""
        state: dict[Var, Cell] = {}
        self.states[self.f.entry.name] = state
        if self.f.name in self.plan.open:
            return
        firsts, params = self.own.firsts(self.objects), []
        for p in self.own.params:
            if not self.is_small(p):
                params.append(p)
            elif not self.objects.is_moving(p) or p in firsts:
                params += (new := self.scalars(p))
                (state if self.objects.is_moving(p) else self.cells)[p] = Cell(list(new))
        for p in self.own.params:
            if self.objects.is_moving(p):
                state[p] = state[next(q for q in firsts if self.own.group(self.objects, q) == self.own.group(self.objects, p))]
        self.f.params = params

    def begin(self, name: str) -> None:
        """Arrays that come into a block from outside."""
        if name == self.f.entry.name and self.f.name in self.plan.open:
            for p in filter(self.is_small, self.f.params):
                if p in self.plan.constants:
                    t = element(p.type.dtype)  # type: ignore[union-attr]
                    values = self.plan.constants[p].ravel().tolist()
                    self.cells[p] = Cell([Const(float(x) if is_float(t) else x, t) for x in values], [(name, p)])
                else:
                    self.read_in(p)
        call = self.calls.get(name)
        if call is not None and call.function in self.plan.open:
            for p in filter(self.is_small, self.params[name][: self.signed[call.function].results]):
                self.read_in(p)

    def lay_out(self, block: Block) -> None:
        """The parameters of a block: those of moving arrays stand last, each array once."""
        call, old, block.params = self.calls.get(block.name), self.params[block.name], []
        results = self.signed[call.function].results if call is not None else 0
        if call is not None and call.function not in self.plan.open:
            block.params = self.behind(call, block.name, old[:results])
        else:
            block.params = old[:results]
        for p in old[results:]:
            block.params += self.spread(p)
        names = self.named.get(block.name)
        if names is not None:
            groups = self.objects.groups.get((self.f.name, block.name), ())
            firsts = [v for i, v in enumerate(names) if groups.index(groups[i]) == i]
            cells = {n: Cell(list(self.scalars(v))) for n, v in zip(dict.fromkeys(groups), firsts, strict=True)}
            self.states[block.name] = {v: cells[n] for v, n in zip(names, groups, strict=True)}
            self.heads[block.name] = firsts
            block.params += [x for cell in cells.values() for x in cell.elements]  # type: ignore[misc]

    def spread(self, p: Var) -> list[Var]:
        """A parameter as those of its elements; a moving array's stand elsewhere."""
        if not self.is_small(p):
            return [p]
        if self.objects.is_moving(p):
            return []
        new = self.scalars(p)
        self.cells[p] = Cell(list(new))
        return new

    def behind(self, call: Call, name: str, results: list[Var]) -> list[Var]:
        """What a call gives: results, those that are arrays of parameters left out, then what is in parameters now."""
        callee = self.signed[call.function]
        seen = len([p for p in callee.params if self.objects.is_moving(p)])
        params: list[Var] = []
        self.after[name] = []
        for p in results:
            if not self.objects.is_moving(p):
                params += self.spread(p)
                continue
            if callee.groups.index(callee.groups[seen]) == seen:
                new = self.scalars(p)
                self.after[name].append((p, new))
                params += new
            seen += 1
        for p in self.given_back(callee):
            new = self.scalars(p)
            self.after[name].append((p, new))
            params += new
        return params

    def given_back(self, callee: Signature) -> list[Var]:
        firsts = callee.firsts(self.objects)
        groups = dict.fromkeys(callee.group(self.objects, p) for p in callee.returned)
        return [p for p in firsts if callee.group(self.objects, p) in groups]

    # ---- ends of blocks
    def end(self, t: Terminator | None) -> Terminator | None:
        if isinstance(t, Jump):
            return Jump(self.edge(t, t.edge))
        if isinstance(t, Branch):
            return Branch(t.cond, self.edge(t, t.then), self.edge(t, t.orelse), t.rare)
        if isinstance(t, Call):
            return self.call(t)
        if isinstance(t, Return):
            return self.returned(t)
        return t

    def edge(self, t: Terminator, e: Edge) -> Edge:
        pairs = passed(t, e, Block(e.block, self.params[e.block]))
        if isinstance(t, Branch) and any(self.is_small(a) != self.is_small(p) for p, a in pairs):
            return self.between(e, pairs)
        return Edge(e.block, self.given(e.block, pairs))

    def between(self, e: Edge, pairs: list[tuple[Var, Atom]]) -> Edge:
        """Arrays are made, or read, on this edge of a branch alone."""
        name, before, lets = f"{e.block}.between", self.name, self.lets
        while name in self.f.blocks:
            name += "_"
        self.above[name] = self.above[before] | {name}
        self.name, self.lets = name, []
        to = Edge(e.block, self.given(e.block, pairs))
        self.f.blocks[name] = Block(name, [], self.lets, Jump(to))
        self.name, self.lets = before, lets
        return Edge(name)

    def given(self, block: str, pairs: list[tuple[Var, Atom]]) -> tuple[Atom, ...]:
        """What an edge passes on."""
        args: list[Atom] = []
        for p, a in pairs:
            args += [] if self.objects.is_moving(p) else self.passed(p, a)
        state = self.state | {p: self.state[a] for p, a in pairs if self.objects.is_moving(p)}  # type: ignore[index]
        if block in self.heads:
            args += [x for v in self.heads[block] for x in state[v].elements]
        else:
            self.states[block] = state
        return tuple(args)

    def passed(self, p: Var, a: Atom) -> list[Atom]:
        """A value as a parameter takes it."""
        if not self.is_small(p):
            return [self.whole(a) if self.is_small(a) else a]
        return self.elements(a, self.shape(p))

    def call(self, t: Call) -> Call:
        callee = self.signed[t.function]
        if t.function in self.plan.open:
            args: Iterable[Atom] = [self.whole(a) if self.is_small(a) else a for a in t.args]
            return Call(t.function, tuple(args), self.edge(t, t.then))
        given, firsts, new = dict(zip(callee.params, t.args, strict=True)), callee.firsts(self.objects), []
        for p, a in given.items():
            if not self.objects.is_moving(p) or p in firsts:
                new += self.passed(p, a)
        edge = self.edge(t, t.then)
        if t.then.block not in self.heads:
            self.states[t.then.block] = self.state_after(t, callee, given, self.states[t.then.block])
        return Call(t.function, tuple(new), edge)

    def state_after(self, t: Call, callee: Signature, given: dict[Var, Atom], state: dict[Var, Cell]) -> dict[Var, Cell]:
        """Of the block behind a call: what the call has written, and its results."""
        copies: dict[Cell, Cell] = {}
        state = {v: copies.setdefault(c, Cell(list(c.elements), [], c.site)) for v, c in state.items()}
        moving = [p for p in callee.params if self.objects.is_moving(p)]
        cells = {callee.groups[i]: state[given[p]] for i, p in enumerate(moving)}  # type: ignore[index]
        new = dict(self.after[t.then.block])
        for i, p in enumerate(filter(self.objects.is_moving, self.params[t.then.block][: callee.results])):
            n = callee.groups[len(moving) + i]
            if n not in cells:
                cells[n] = Cell(list(new[p]))
            state[p] = cells[n]
        for p in self.given_back(callee):
            cells[callee.group(self.objects, p)].elements = list(new[p])
        return state

    def returned(self, t: Return) -> Return:
        if self.f.name in self.plan.open:
            return Return(tuple(self.whole(a) if self.is_small(a) else a for a in t.args))
        args: list[Atom] = []
        seen = len([p for p in self.own.params if self.objects.is_moving(p)])
        for i, a in enumerate(t.args):
            if not self.is_small(a) or not self.plan.gives(self.f.name, i):
                args.append(self.whole(a) if self.is_small(a) else a)
            elif not self.objects.is_moving(a):
                args += self.cell(a).elements
            else:
                args += self.cell(a).elements if self.own.groups.index(self.own.groups[seen]) == seen else []
                seen += 1
        for p in self.given_back(self.own):
            args += self.cell(p).elements
        self.f.results = tuple(a.type for a in args)
        return Return(tuple(args))


__all__ = ["Rewrite", "signatures"]

"""Which names of moving arrays are one array, at every place.

entry:                                    here %x and %y are apart, and so they are at `loop`, whichever way one comes;
  jump loop(%x, %y)                       there are two arrays at its head, and %a is the first
loop(%a, %b):
  store(%a, ..)
  jump loop(%b, %a)

An array is moved from place to place, and written to wherever it is, as long as all ways to a place agree on which names are one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeGuard

from ...core.analysis import called, immediate_dominators, live_in, predecessors, reverse_postorder
from ...core.graph import Call, Function, Return, Var, edges, passed
from ...core.op import TABLE, written
from .plan import Plan

State = dict[Var, object]  # the array that a name is of


class Objects:
    """`groups`: of the names that a place knows, by number, which are one array. A place is a function's entry, a block that several
    edges lead to, or the end of a function: there the parameters come first, then what is returned."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.groups: dict[Any, tuple[int, ...]] = {}
        self.bad: set[Var] = set()
        self.ends: dict[tuple[str, str], State] = {}  # of blocks
        self.functions = [f for f in plan.functions if self._concerns(f)] if plan.moving else []
        self.live = {f.name: live_in(f) for f in self.functions}
        self.pred = {f.name: predecessors(f) for f in self.functions}
        self.written_in: dict[tuple[str, str], set[Var]] = {}
        self.writes = self._writes()
        self.kept = {f.name: self._kept(f) for f in self.functions}
        self.above = {f.name: immediate_dominators(f) for f in self.functions}
        self.known = {(f.name, name): self._names(f, name) for f in self.functions for name in self.above[f.name] if self.joins(f, name)}
        called_each_other = {f.name for f in self.functions} & {name for f in self.functions for name in called(f)}
        changed = bool(self.functions)
        while changed:
            changed = any([self._walk(f) for f in self.functions]) and bool(called_each_other)
        for f in self.functions:
            self._unreached(f)

    def is_moving(self, a: Any) -> TypeGuard[Var]:
        root = self.plan.root(a)
        return root is not None and root in self.plan.moving

    def returns(self, f: Function) -> list[Var]:
        """The parameters whose arrays a function may write to: it gives what is in them at its end."""
        return [p for p in f.params if self.is_moving(p) and self.plan.root(p) in self.writes[f.name]]

    def names(self, f: Function, block: str) -> list[Var]:
        """What may be another array, or hold something else, at a block that several edges lead to than at the block above it."""
        return self.known[f.name, block]

    def _names(self, f: Function, block: str) -> list[Var]:
        own = [p for p in f.blocks[block].params if self.is_moving(p)]
        roots = {self.plan.root(p) for p in own} | self._written_between(f, block)
        around = (*self.live[f.name][block], *self.kept[f.name]) if roots else ()
        return list(dict.fromkeys([*own, *(v for v in around if self.is_moving(v) and self.plan.root(v) in roots)]))

    def _written_between(self, f: Function, block: str) -> set[Var | None]:
        """The classes that are written on the ways from the block above it."""
        above = self.above[f.name][block]
        seen, work = {above}, list(self.pred[f.name][block])
        found: set[Var | None] = set()
        while work:
            name = work.pop()
            if name not in seen:
                seen.add(name)
                found |= self.written_in[f.name, name]
                work += self.pred[f.name][name]
        return found

    def joins(self, f: Function, block: str) -> bool:
        return f.name in self.pred and len(self.pred[f.name][block]) > 1

    def _concerns(self, f: Function) -> bool:
        return any(map(self.is_moving, f.params)) or any(self.is_moving(o) for b in f.blocks.values() for let in b.lets for o in let.outs)

    def _writes(self) -> dict[str, set[Var]]:
        """The classes that a function writes to, or what it calls; and those of each block."""
        found: dict[str, set[Var]] = {}
        for f in self.functions:
            for b in f.blocks.values():
                roots = {self.plan.root(a) for let in b.lets for a in written(let)}
                self.written_in[f.name, b.name] = {r for r in roots if r is not None and r in self.plan.moving}
            found[f.name] = set().union(*(self.written_in[f.name, name] for name in f.blocks))
        changed = True
        while changed:
            changed = False
            for f in self.functions:
                more = set().union(*(found.get(g, set()) for g in called(f))) - found[f.name]
                found[f.name] |= more
                changed |= bool(more)
        for f in self.functions:
            for b in f.blocks.values():
                if isinstance(b.terminator, Call):
                    self.written_in[f.name, b.name] |= found.get(b.terminator.function, set())
        return found

    def _kept(self, f: Function) -> list[Var]:
        """The parameters that are to be known at the end: what is in them, or whether they are what is returned."""
        ends = {self.plan.root(a) for b in f.blocks.values() if isinstance(b.terminator, Return) for a in b.terminator.args}
        return [p for p in self._params(f) if self.plan.root(p) in self.writes[f.name] | ends]

    # ---- one function
    def _walk(self, f: Function) -> bool:
        """Is there anything new?"""
        before = len(self.groups), len(self.bad)
        params = [p for p in f.params if self.is_moving(p)]
        if params and f.name not in self.groups:
            return False
        states: dict[str, State] = {f.entry.name: dict(zip(params, self.groups.get(f.name, ()), strict=True))}
        for name in reverse_postorder(f):
            if name not in states and (f.name, name) in self.groups:
                own = zip(self.names(f, name), self.groups[f.name, name], strict=True)
                states[name] = self.ends[f.name, self.above[f.name][name]] | {v: (name, n) for v, n in own}
            if name in states:
                self._block(f, name, states)
        return before != (len(self.groups), len(self.bad))

    def _block(self, f: Function, name: str, states: dict[str, State]) -> None:
        block, state = f.blocks[name], dict(states[name])
        self.ends[f.name, name] = state
        for let in block.lets:
            for out in filter(self.is_moving, let.outs):
                state[out] = state[let.args[0]] if TABLE[let.op].aliases else object()  # type: ignore[index]
        t = block.terminator
        if isinstance(t, Return):
            if f.name not in self.plan.open:
                names = [*self._params(f), *filter(self.is_moving, t.args)]
                self._meet((f.name, None), names, [state.get(a, object()) for a in names])
            return
        if isinstance(t, Call) and not self._call(f, t, state):
            return
        for e in edges(t):
            target = f.blocks[e.block]
            inner = state | {p: state[a] for p, a in passed(t, e, target) if self.is_moving(p)}  # type: ignore[index]
            if self.joins(f, e.block):
                names = self.names(f, e.block)
                self._meet((f.name, e.block), names, [inner[v] for v in names])
            else:
                states[e.block] = inner

    def _params(self, f: Function) -> list[Var]:
        return [p for p in f.params if self.is_moving(p)]

    def _call(self, f: Function, t: Call, state: State) -> bool:
        """The state after a call; False while nothing is known of the function's end."""
        callee = self.plan.program.functions[t.function]
        given = [a for p, a in zip(callee.params, t.args, strict=True) if self.is_moving(p)]
        results = [p for p in f.blocks[t.then.block].params[: len(callee.results)] if self.is_moving(p)]
        if given:
            self._meet(callee.name, self._params(callee), [state[a] for a in given])  # type: ignore[index]
        if callee in self.functions and results and (callee.name, None) not in self.groups:
            return False
        known = {n: state[a] for n, a in zip(self.groups.get((callee.name, None), ()), given, strict=False)}  # type: ignore[index]
        for n, p in zip(self.groups.get((callee.name, None), ())[len(given) :], results, strict=True):
            state[p] = known.setdefault(n, object())
        return True

    def _meet(self, place: Any, names: Sequence[Var], objects: Sequence[object]) -> None:
        """All ways to a place have to agree, class by class."""
        found = numbered(objects)
        old = self.groups.setdefault(place, found)
        for root in dict.fromkeys(map(self.plan.root, names)):
            mine = [i for i, v in enumerate(names) if self.plan.root(v) is root]
            if numbered([old[i] for i in mine]) != numbered([found[i] for i in mine]):
                self.bad.add(root)  # type: ignore[arg-type]

    def _unreached(self, f: Function) -> None:
        """What nobody comes to says nothing of its arrays."""
        if self._params(f) and f.name not in self.groups:
            self._refuse(f, f.blocks)
        states: set[str] = {f.entry.name}
        for name in reverse_postorder(f):
            t = f.blocks[name].terminator
            ends = isinstance(t, Call) and any(map(self.is_moving, f.blocks[t.then.block].params)) and (t.function, None) not in self.groups
            if name in states and not ends:
                states.update(e.block for e in edges(t))
        self._refuse(f, [name for name in reverse_postorder(f) if name not in states])

    def _refuse(self, f: Function, blocks: Iterable[str]) -> None:
        for name in blocks:
            b = f.blocks[name]
            roots = [
                self.plan.root(v)
                for v in (*f.params, *b.params, *(o for let in b.lets for o in (*let.outs, *let.args)), *self.live[f.name][name])
            ]
            self.bad.update(r for r in roots if r in self.plan.moving)


def numbered(objects: Iterable[object]) -> tuple[int, ...]:
    """Equal ones have one number, in the order in which they come."""
    numbers: dict[object, int] = {}
    return tuple(numbers.setdefault(o, len(numbers)) for o in objects)


__all__ = ["Objects", "numbered"]

"""Bodies of joined kernels: a scalar function under construction, in which equal operations are one."""

from __future__ import annotations

from typing import Any

from ..core.graph import Atom, Block, Const, Function, Let, Return, Var
from ..core.kernel import Access, Gather, Same
from ..core.op import RING, Op
from ..core.types import I64
from .simplify.fold import folded


class Body:
    """A scalar function under construction, and its inputs."""

    def __init__(self, name: str) -> None:
        self.f = Function(name, [], {"entry": Block("entry")})
        self.done: dict[Any, tuple[Var, ...]] = {}  # operations by what they do: equal ones are one
        self.inputs: list[Any] = []
        self.known: dict[Any, Var] = {}
        self.counter = 0

    def fresh(self, t: Any) -> Var:
        self.counter += 1
        return Var(f"v{self.counter}", t)

    def input(self, x: Any, like: Var) -> Var:
        key = _input_key(x)
        if key not in self.known:
            self.known[key] = self.fresh(like.type)
            self.f.params.append(self.known[key])
            self.inputs.append(x)
        return self.known[key]

    def moved(self, x: Any, f: Function, subst: dict[Var, Atom]) -> Any:
        """An input as one of this function: a position is one of its parameters."""
        return Gather(x.base, self.f.params.index(subst[f.params[x.place]])) if isinstance(x, Gather) else x  # type: ignore[arg-type]

    def constant(self, a: Atom, like: Var) -> Atom:
        return a if isinstance(a, Const) else self.input(Same(a), like)

    def integer(self, op: Op, a: Atom, b: Atom) -> Atom:
        found = known_integer(op, a, b)
        if found is None:
            found = self.fresh(I64)
            self.f.entry.lets.append(Let((found,), op.name, (a, b)))
        return found

    def add(self, let: Let, args: tuple[Atom, ...]) -> tuple[Var, ...]:
        """An operation with these arguments, if it is not there yet; its results."""
        key = (let.op, tuple(map(name_of, args)), repr(let.attrs) if let.attrs else "")
        outs = self.done.get(key)
        if outs is None:
            outs = self.done[key] = tuple(self.fresh(o.type) for o in let.outs)
            self.f.entry.lets.append(Let(outs, let.op, args, dict(let.attrs), let.site))
        return outs

    def copy(self, f: Function, subst: dict[Var, Atom]) -> list[Atom]:
        """f's operations with these values for its parameters; its results."""
        mapping: dict[Var, Atom] = dict(subst)

        def look(a: Atom) -> Atom:
            return mapping[a] if isinstance(a, Var) else a

        for let in f.entry.lets:
            args = tuple(map(look, let.args))
            known = folded(Let(let.outs, let.op, args, let.attrs)) if let.attrs or any(isinstance(a, Const) for a in args) else None
            if known is not None:
                mapping[let.out] = known
                continue
            mapping.update(zip(let.outs, self.add(let, args), strict=True))
        return [look(a) for a in f.returned]

    def finish(self, values: list[Atom]) -> Function:
        self.f.entry.terminator = Return(tuple(values))
        self.f.results = tuple(a.type for a in values)
        return self.f


def known_integer(op: Op, a: Atom, b: Atom) -> Atom | None:
    """What a commuting operation on integers is known to be."""
    if isinstance(a, Const) and isinstance(b, Const):
        return Const(RING[op.ring](a.value, b.value), I64)
    for x, y in ((a, b), (b, a)):
        if isinstance(x, Const) and x.value in (op.neutral, op.absorbing):
            return y if x.value == op.neutral else x
    return None


def _input_key(x: Any) -> Any:
    if isinstance(x, Access):
        return x.base, tuple(map(name_of, x.starts)), tuple(map(name_of, x.steps)), x.axes
    if isinstance(x, Gather):
        return "g", x.base, x.place
    return ("s", name_of(x.atom)) if isinstance(x, Same) else ("i", x.axis)


def name_of(a: Atom) -> Any:
    return a if isinstance(a, Var) else (a.type, repr(a.value))


def is_zero(a: Atom) -> bool:
    return isinstance(a, Const) and a.value == 0


def is_one(a: Atom) -> bool:
    return isinstance(a, Const) and a.value == 1

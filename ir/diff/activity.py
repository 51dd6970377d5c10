"""Which variables carry a derivative: those that depend on an active input (varied) and matter to a result (useful).

Everything else has a symbolic zero tangent or adjoint, for which no code is made. Arrays are references, so
activity is a property of an alias class: `Aliases` joins array variables that may be the same memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..core import errors
from ..core.analysis import Aliases
from ..core.graph import Atom, Call, Function, Let, Return, Terminator, Var, edges
from ..core.kernel import flows, kernel_of, varies
from ..core.op import PLAIN, REVERSE, TABLE, flowing, written
from ..core.types import Array, carries_gradient
from ..ops.custom import around


def is_scalar(f: Function) -> bool:
    """Does it handle no arrays, and call nothing?"""
    return not any(isinstance(v.type, Array) for v in all_vars(f)) and not any(
        isinstance(b.terminator, Call) or any(TABLE[let.op].calls for let in b.lets) for b in f.blocks.values()
    )


@dataclass
class Activity:
    """The active variables of one function, for one choice of active parameters."""

    active: set[Var]

    def __contains__(self, a: Atom) -> bool:
        return isinstance(a, Var) and a in self.active


class _Varied:
    """A fixpoint over the function: what depends on the active parameters."""

    def __init__(self, f: Function, mask: Sequence[bool], aliases: Aliases) -> None:
        self.f, self.aliases = f, aliases
        self.kernels: dict[Let, tuple[bool, ...]] = {}
        self.scalars: set[Var] = set()
        self.classes: set[Var] = set()
        self.changed = True
        for p, m in zip(f.params, mask, strict=True):
            if m:
                self.mark(p)
        while self.changed:
            self.changed = False
            for block in f.blocks.values():
                for let in block.lets:
                    self.let(let)
                self.edges(block)

    def has(self, a: Atom) -> bool:
        if not isinstance(a, Var) or not carries_gradient(a.type):
            return False
        return self.aliases.root(a) in self.classes if isinstance(a.type, Array) else a in self.scalars

    def mark(self, v: Var) -> None:
        if carries_gradient(v.type) and not self.has(v):
            self.changed = True
            if isinstance(v.type, Array):
                self.classes.add(self.aliases.root(v))
            else:
                self.scalars.add(v)

    def let(self, let: Let) -> None:
        op = TABLE[let.op]
        if op.nest:
            mask = tuple(varies(x, self.has) for x in kernel_of(let).inputs)
            if self.kernels.get(let) != mask and any(mask):
                self.kernels[let] = mask
                for v in (v for vs in flows(let, self.has, self.aliases.program.functions) for v in vs):
                    self.mark(v)
        elif op.writes:
            to = written(let)
            if any(self.has(a) for a in let.args if a not in to):
                for v in to:
                    self.mark(v)
        elif op.differentiable and any(self.has(a) for a in flowing(let)):
            for out in let.outs:
                self.mark(out)
            for a in let.args if op.record == "made" else ():
                if isinstance(a, Var) and isinstance(a.type, Array):
                    self.mark(a)  # who opens the record does not know which of its arrays have no adjoint

    def edges(self, block: object) -> None:
        t = block.terminator  # type: ignore[attr-defined]
        for e in edges(t):
            params = self.f.blocks[e.block].params
            for p, a in zip(params[len(params) - len(e.args) :], e.args, strict=True):
                if self.has(a):
                    self.mark(p)
        if isinstance(t, Call) and any(self.has(a) for a in t.args):
            for p in self.f.blocks[t.then.block].params[: len(self.f.blocks[t.then.block].params) - len(t.then.args)]:
                self.mark(p)
            for a in t.args:
                if isinstance(a.type, Array) and (self.aliases.is_written(a) or self.aliases.is_record(a)):
                    self.mark(a)  # type: ignore[arg-type]


def varied(f: Function, mask: Sequence[bool], aliases: Aliases) -> Activity:
    """What depends on the parameters that `mask` marks."""
    found = _Varied(f, mask, aliases)
    return Activity({v for v in all_vars(f) if found.has(v)})


def active(f: Function, mask: Sequence[bool], aliases: Aliases, wanted: Sequence[bool]) -> Activity:
    """What is varied and also useful: some derivative flows through it to a `wanted` result or into memory."""
    v = varied(f, mask, aliases)
    if has_operations(f):
        return _Useful(f, v, mask, aliases, wanted, flowing).found()
    useful = _useful(f, v, wanted)
    return Activity({x for x in v.active if isinstance(x.type, Array) or x in useful})


def moving(f: Function, mask: Sequence[bool], aliases: Aliases, flows: Callable[[Let], Iterable[Atom]]) -> Activity:
    """What is varied and, where there are operations of the user's, has a tangent that somebody reads: theirs read those of `flows`."""
    v = varied(f, mask, aliases)
    if not has_operations(f):
        return v
    check_around(f, v)
    return _Useful(f, v, mask, aliases, [True] * len(f.results), flows).found()


class _Useful:
    """The same as `_useful` for arrays, too: a class of them is useful if a derivative flows through what is read from one of them. It is
    for functions with operations that no derivative flows through, as a whole or in part, since what these are made of is none."""

    def __init__(self, f: Function, v: Activity, mask: Sequence[bool], aliases: Aliases, wanted: Sequence[bool], flows: Callable[[Let], Iterable[Atom]]) -> None:  # fmt: skip
        self.f, self.v, self.aliases, self.flows = f, v, aliases, flows
        self.useful: set[Var] = set()
        self.want(p for p, m in zip(f.params, mask, strict=True) if m and isinstance(p.type, Array))
        while True:
            before = len(self.useful)
            for block in reversed(list(f.blocks.values())):
                self.end(block.terminator, wanted)
                for let in reversed(block.lets):
                    self.let(let)
            if len(self.useful) == before:
                break

    def found(self) -> Activity:
        return Activity({x for x in self.v.active if self.key(x) in self.useful})

    def key(self, v: Var) -> Var:
        return self.aliases.root(v) if isinstance(v.type, Array) else v

    def want(self, atoms: Iterable[Atom]) -> None:
        self.useful.update(self.key(a) for a in atoms if isinstance(a, Var) and a in self.v.active)

    def let(self, let: Let) -> None:
        op = TABLE[let.op]
        if op.record or any(self.key(o) in self.useful for o in (*let.outs, *written(let))):
            self.want((*self.flows(let), *(let.args if op.record else ())))
            self.want(o for o in let.outs if isinstance(o.type, Array))  # one way back is given the adjoints of all

    def end(self, t: Terminator | None, wanted: Sequence[bool]) -> None:
        if isinstance(t, Call):
            self.want(t.args)
        elif isinstance(t, Return):
            self.want(a for a, w in zip(t.args, wanted, strict=True) if w)
        for e in edges(t):
            params = self.f.blocks[e.block].params
            pairs = zip(params[len(params) - len(e.args) :], e.args, strict=True)
            self.want(a for p, a in pairs if self.key(p) in self.useful)


def _useful(f: Function, v: Activity, wanted: Sequence[bool]) -> set[Var]:
    useful: set[Var] = set()

    def want(atoms: Iterable[Atom]) -> bool:
        new = {a for a in atoms if isinstance(a, Var) and not isinstance(a.type, Array) and a in v.active} - useful
        useful.update(new)
        return bool(new)

    changed = True
    while changed:
        changed = False
        for block in reversed(list(f.blocks.values())):
            t = block.terminator
            if isinstance(t, Call):
                changed |= want(t.args)
            elif isinstance(t, Return):
                changed |= want(a for a, w in zip(t.args, wanted, strict=True) if w)
            for e in edges(t):
                params = f.blocks[e.block].params
                pairs = zip(params[len(params) - len(e.args) :], e.args, strict=True)
                changed |= want(a for p, a in pairs if p in useful)
            for let in reversed(block.lets):
                whole = written(let) or TABLE[let.op].calls in (REVERSE, PLAIN)
                if whole or any(o in useful or isinstance(o.type, Array) for o in let.outs):
                    changed |= want(let.args)
    return useful


def all_vars(f: Function) -> Iterable[Var]:
    yield from f.params
    for b in f.blocks.values():
        yield from b.params
        for let in b.lets:
            yield from let.outs


def has_operations(f: Function) -> bool:
    """Are there operations of the user's in it?"""
    return any(TABLE[let.op].flows for b in f.blocks.values() for let in b.lets)


def check_around(f: Function, v: Activity) -> None:
    """A float of the function around an operation that is used in it would get no derivative; `v` is what is varied."""
    for let in (let for b in f.blocks.values() for let in b.lets if TABLE[let.op].flows):
        if any(a in v for a in around(let)):
            raise errors.NotDifferentiableError(
                f"the operation at {let.site} uses a number or an array of the function around it that is differentiated, and would get no adjoint: "
                "make it an argument of the operation"
            )

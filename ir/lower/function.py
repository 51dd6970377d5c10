"""A function in reverse mode: how it is entered, and what its blocks have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.graph import Atom, Var
from ..core.types import CODE, PTR, Array, Scalar, Struct, pair
from ..diff.cps import WHOLE, Closures, Continuation
from ..diff.loops.turns import Turns
from .low import Body, Place, minus_zero

Parts = list[Atom]  # what a variable is passed as: a scalar, or an array and maybe the address of its adjoint
RECURSION = ".recursion"  # the function that calls itself, without what never changes


def types_of(t: Any, adjoint: bool) -> list[Any]:
    """The types of a variable's parts."""
    return [t, PTR] if isinstance(t, Array) and adjoint else [t]


def apart(name: str) -> str:
    """A variable's name as a parameter's, beside those of pointers."""
    return f"{name}_" if name in ("k", "kenv", "frame", "at_hand", "step") or name.startswith("e.") else name


def fields_of(v: Var, active: bool) -> list[tuple[str, Any]]:
    """What keeps a variable: an active scalar is a value and its adjoint."""
    if isinstance(v.type, Scalar):
        return [(v.name, pair(v.type) if active else v.type)]
    return [(v.name, v.type), *([(f"{v.name}.d", PTR)] if active else [])]


def zeros_like(body: Body, x: Atom, fill: bool = True, tiny: int = 0, words: bool = False) -> Atom:
    """The address of the elements of a new array, as large as x. `tiny`: so many, for registers; `words` hold addresses, too."""
    return body.let("zeros", [x], PTR, fill=fill, tiny=tiny, words=words)


class ReverseFunction:
    """Lowers one reverse function."""

    def __init__(self, context: Any, closures: Closures) -> None:
        self.context, self.closures, self.rev = context, closures, closures.reverse
        self.low = context.low
        self.name = f"r.{self.rev.name}"
        self.activity = closures.activity
        self.record_types: dict[str, Struct] = {}
        self.memory = self.rev.memory
        self.late = self.memory.late
        self.turns: dict[str, list[Turns]] = {}
        for turns in (*self.memory.turns.values(), *self.memory.shared.values()):
            self.turns.setdefault(turns.head, []).append(turns)

    def is_active_scalar(self, v: Any) -> bool:
        return v in self.activity and isinstance(v.type, Scalar)

    def types(self, v: Var) -> list[Any]:
        """The types of what a variable is passed as by value."""
        return types_of(v.type, v in self.activity)

    def parameters(self, vs: Sequence[Var]) -> dict[Var, list[Var]]:
        """New parameters for variables that come by value."""
        return {v: [Var(apart(v.name) + (".d" if j else ""), t) for j, t in enumerate(self.types(v))] for v in vs}

    def returned(self, block: Continuation) -> list[Var]:
        """The inputs whose adjoints a block returns."""
        return [v for v in block.inputs if self.is_active_scalar(v)]

    def block_name(self, name: str) -> str:
        return f"{self.name}.{name}"

    def record_type(self, head: str) -> Struct:
        """Of the record of a loop, of a recursion, or of a piece of a long block."""
        if head not in self.record_types:
            fields = [f for v in self.closures.records[head] for f in fields_of(v, v in self.activity)]
            fields += [(name, PTR) for turns in self.turns.get(head, ()) for name in turns.fields]
            fields += [(turns.sizes, turns.made.type) for turns in self.turns.get(head, ()) if turns.what == "elements"]
            self.record_types[head] = Struct(f"record.{self.context.low.unique()}", tuple(fields))
        return self.record_types[head]

    def store_parts(self, body: Body, p: Atom, of: Struct, v: Var, parts: Sequence[Atom]) -> None:
        """Into fields: an active scalar's adjoint begins as zero."""
        if self.is_active_scalar(v):
            body.put(parts[0], Place(p, of, (v.name, "v")))
            body.put(minus_zero(v.type), Place(p, of, (v.name, "d")))
        else:
            for (name, _), x in zip(fields_of(v, v in self.activity), parts, strict=False):
                body.put(x, Place(p, of, (name,)))

    def load_parts(self, body: Body, p: Atom, of: Struct, v: Var) -> Parts:
        if isinstance(v.type, Scalar):
            return [body.get(Place(p, of, (v.name, "v") if v in self.activity else (v.name,)))]
        return [body.get(Place(p, of, (name,))) for name, _ in fields_of(v, v in self.activity)]

    # ---- how it is entered
    def entry(self) -> None:
        """r.f: pass the parameters to the entry block, and return the adjoints of the active ones. A recursion is two
        functions: r.f makes the record of what never changes, r.f.recursion does the rest."""
        f = self.rev.function
        first = self.closures.blocks[f.entry.name]
        whole = self.closures.records.get(WHOLE, [])
        names = self.given()
        if whole:
            self.outermost(whole)
        given = [p for p in f.params if p not in whole]
        returned = [p for p in self.active_params() if p not in whole]
        pointers = [Var("k", CODE), Var("kenv", PTR), *([Var("e.whole", PTR)] if whole else [])]
        params = [x for p in given for x in names[p]]
        if f.parts:
            self.low.parts[self.name] = f, self.shared(names, params)
        body = Body(self.low, self.name + (RECURSION if whole else ""), [*params, *pointers], [p.type for p in returned])
        if f.name in self.context.recursive:
            body.emit("check_stack", [], name=f.name)
        args = [x for v in first.inputs for x in self.passed(body, v, names[v])]
        vs = self.returned(first)
        found = dict(zip(vs, body.call(self.block_name(first.name), [*args, *pointers], [v.type for v in vs]), strict=True))
        body.ret(*(found.get(p, minus_zero(p.type)) for p in returned))

    def shared(self, names: dict[Var, list[Var]], params: list[Var]) -> list[tuple[int, int, Array]]:
        """The arrays whose adjoints many iterations of a loop add to, by number."""
        arrays = [p for i, p in enumerate(self.rev.function.params) if i in self.rev.function.parts[1:] and len(names[p]) > 1]
        return [(params.index(names[p][0]), params.index(names[p][1]), p.type) for p in arrays]  # type: ignore[misc]

    def given(self) -> dict[Var, list[Var]]:
        """The parameters as a caller passes them."""
        return {
            p: [Var(apart(p.name) + (".d" if j else ""), t) for j, t in enumerate(types_of(p.type, m and isinstance(p.type, Array)))]
            for p, m in zip(self.rev.function.params, self.rev.mask, strict=True)
        }

    def active_params(self) -> list[Var]:
        return [p for p, m in zip(self.rev.function.params, self.rev.mask, strict=True) if m and isinstance(p.type, Scalar)]

    def passed(self, body: Body, v: Var, have: Sequence[Atom]) -> Parts:
        """A parameter as the blocks take it: an array that is written gets an adjoint even where its caller has none."""
        want = len(self.types(v))
        return [*have, zeros_like(body, have[0])] if want > len(have) else list(have[:want])

    def outermost(self, whole: Sequence[Var]) -> None:
        """r.f of a recursion."""
        names, t = self.given(), self.record_type(WHOLE)
        returned = [p for p in self.active_params() if p not in whole]
        k, kenv = Var("k", CODE), Var("kenv", PTR)
        params = [x for p in self.rev.function.params for x in names[p]]
        body = Body(self.low, self.name, [*params, k, kenv], [p.type for p in self.active_params()])
        record = body.cell(t, "record")
        for v in whole:
            self.store_parts(body, record, t, v, self.passed(body, v, names[v]))
        args = [x for p in self.rev.function.params if p not in whole for x in names[p]]
        found = body.call(self.name + RECURSION, [*args, k, kenv, record], [p.type for p in returned])
        back: dict[Var, Atom] = dict(zip(returned, found, strict=True))
        for p in self.active_params():
            if p in whole and p in self.activity:
                back[p] = body.get(Place(record, t, (p.name, "d")))
        body.ret(*(back.get(p, minus_zero(p.type)) for p in self.active_params()))

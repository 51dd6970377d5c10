"""Functions below derivatives, under construction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.graph import Atom, Block, Branch, Const, Edge, Function, Jump, Let, Return, Var
from ..core.op import Op, argument_types, literal, result_type
from ..core.types import BOOL, CODE, I64, PTR, Array, Struct, Type, element

ZERO, ONE = Const(0, I64), Const(1, I64)
NOWHERE = Const(None, PTR)


@dataclass(eq=False)
class LowProgram:
    """`operations` are inlined first; `functions` stand callers before callees, which is the order in which they are inlined. `primals`
    are functions that run forward, `sources` what rules may be. `tiny` are small arrays in registers, with their sizes; `policies` say how loops keep values.
    `parts` are the functions of `functions` that are for some iterations of a loop, as Function.parts says: what they come from, and the
    arrays that many iterations read: number of the parameter, of its adjoint's, type."""

    primals: dict[str, Function] = field(default_factory=dict)
    operations: dict[str, Function] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    tiny: dict[Var, int] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)
    parts: dict[str, tuple[Function, list[tuple[int, int, Array]]]] = field(default_factory=dict)
    sources: Mapping[str, Function] = field(default_factory=dict)
    counter: int = 0
    located: bool = False  # has each operation the place of the one that it comes from?
    site: Any = None  # that place now

    def unique(self) -> int:
        self.counter += 1
        return self.counter

    @property
    def all(self) -> dict[str, Function]:
        return {**self.primals, **self.operations, **self.functions}


@dataclass(frozen=True)
class Place:
    """A field of the `of` at an address."""

    p: Atom
    of: Any
    path: tuple[str, ...] = ()

    @property
    def type(self) -> Any:
        return self.of.at(self.path) if isinstance(self.of, Struct) else element(self.of)


class Value:
    """An atom on which rows compute: they add operations. Terms of adjoints may be contracted."""

    __slots__ = ("algebra", "atom", "type")

    def __init__(self, body: Body, atom: Atom) -> None:
        self.algebra, self.atom, self.type = body, atom, atom.type

    def constant(self, c: Const) -> Value:
        """A number beside it."""
        return Value(self.algebra, c)


class Body:
    """A function under construction. It is in the program from the start: what it calls comes behind it."""

    def __init__(
        self, program: LowProgram, name: str, params: Sequence[Var], results: Sequence[Type], inline: str = "", operation: bool = False
    ) -> None:
        self.program = program
        self.counter = 0
        self.top = self.current = Block("entry")
        self.f = Function(name, list(params), {"entry": self.current}, tuple(results), inline=inline)
        (program.operations if operation else program.functions)[name] = self.f
        self.cells = 0
        self.shared = False  # by places: it has none itself
        self.taken = {p.name for p in params}  # names

    # ---- operations
    def var(self, t: Any, hint: str = "t") -> Var:
        self.counter += 1
        while (name := f"{hint}.{self.counter}") in self.taken:
            self.counter += 1
        return Var(name, t)

    def emit(self, op: str, args: Sequence[Atom], types: Sequence[Any] = (), hint: str = "t", site: Any = None, **attrs: Any) -> list[Var]:
        outs = [self.var(t, hint) for t in types]
        self.current.lets.append(Let(tuple(outs), op, tuple(args), attrs, site or (None if self.shared else self.program.site)))
        return outs

    def again(self, let: Let, args: Sequence[Atom], hint: str = "v") -> list[Var]:
        """An operation of the graph above, of these values."""
        outs = [self.var(o.type, hint) for o in let.outs]
        self.current.lets.append(Let(tuple(outs), let.op, tuple(args), let.attrs, let.site))
        return outs

    def let(self, op: str, args: Sequence[Atom], t: Any, hint: str = "t", **attrs: Any) -> Var:
        return self.emit(op, args, (t,), hint, **attrs)[0]

    def bind(self, op: Op, args: tuple[Any, ...], attrs: dict[str, Any]) -> Value:
        """The algebra of `Value`: derivative rules run on it."""
        types = argument_types(op, [a.type if isinstance(a, Value) else None for a in args])
        atoms = [a.atom if isinstance(a, Value) else Const(literal(a, t), t) for a, t in zip(args, types, strict=True)]
        out = self.let(op.name, atoms, result_type(op, types, attrs), **attrs)  # type: ignore[arg-type]
        self.current.lets[-1].contract = True
        return Value(self, out)

    # ---- memory
    def cell(self, of: Any, hint: str = "cell", name: str = "") -> Var:
        out = Var(name, PTR) if name else self.var(PTR, hint)
        self.top.lets.insert(self.cells, Let((out,), "cell", (), {"of": of}))
        self.cells += 1
        return out

    def get(self, place: Place, hint: str = "t") -> Var:
        return self.let("get", [place.p], place.type, hint, of=place.of, path=place.path)

    def put(self, v: Atom, place: Place) -> None:
        self.emit("put", [v, place.p], of=place.of, path=place.path)

    def address(self, place: Place) -> Atom:
        return self.let("field", [place.p], PTR, of=place.of, path=place.path) if place.path else place.p

    def accumulate(self, place: Place, term: Atom) -> None:
        """place += term"""
        total = self.let("add", [self.get(place), term], term.type)
        self.current.lets[-1].contract = True
        self.put(total, place)

    # ---- control
    def block(self, hint: str, params: Sequence[Any] = ()) -> Block:
        self.counter += 1
        b = Block(f"{hint}.{self.counter}", [self.var(t, "p") for t in params])
        self.f.blocks[b.name] = b
        return b

    def end(self, t: Any) -> None:
        assert self.current.terminator is None
        self.current.terminator = t

    def jump(self, b: Block, *args: Atom) -> None:
        self.end(Jump(Edge(b.name, tuple(args))))

    def branch(self, c: Atom, yes: Block, no: Block) -> None:
        self.end(Branch(c, Edge(yes.name), Edge(no.name)))

    def ret(self, *args: Atom) -> None:
        self.end(Return(tuple(args)))

    def call(self, name: str, args: Sequence[Atom], results: Sequence[Any], site: Any = None) -> list[Var]:
        return self.emit("call", args, results, f=name)

    # ---- integers
    def integer(self, op: str, *args: Atom, hint: str = "n") -> Var:
        return self.let(op, args, I64, hint)

    def test(self, op: str, *args: Atom) -> Var:
        return self.let(op, args, BOOL, "c")


def clear_outside(body: Body, p: Atom, n: Atom, start: Atom, end: Atom, t: Any) -> None:
    """Zeros before the element `start` of n, and from `end` on."""

    def clamped(i: Atom, low: Atom) -> Atom:
        return body.integer("imax", body.integer("imin", i, n), low)

    below = clamped(start, ZERO)
    body.emit("clear", [p, below], of=t)
    end = clamped(end, below)
    body.emit("clear", [body.let("at", [p, end], PTR, of=t), body.integer("isub", n, end)], of=t)


def code(name: str) -> Const:
    """The address of a function."""
    return Const(name, CODE)


def minus_zero(t: Any) -> Const:
    """x + -0.0 is x for every x, so a first accumulation folds away."""
    return Const(-0.0, t)

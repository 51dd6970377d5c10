"""Derivatives of operations whose rule is traced code on whole arrays (`jvp` and `vjp` of a row).

Forward, the rule adds to the function at hand. Backwards, and where an operation's value is a traced program, it is a function of its own:
    pull.NAME(args, outs, cotangents) -> adjoints of the args that are wanted        library.NAME(args) -> outs
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from ..core import errors
from ..core.builder import Builder, Operand, lifted, tracing
from ..core.dims import UNKNOWN, Dim, Names
from ..core.graph import Atom, Const, Function, Let, Program, Return, Site, Var, terminator_atoms
from ..core.op import TABLE, Unknown, written
from ..core.sites import derived_from
from ..core.types import BOOL, F64, I64, Array, Type, carries_gradient


@functools.cache
def rule_uses(name: str, attrs: tuple[tuple[str, Any], ...]) -> tuple[frozenset[int], ...]:
    """For each argument's term of an operation's rule the values it reads: argument numbers, and -1 for the result."""
    op = TABLE[name]
    if op.calls:
        return tuple(map(frozenset, dict(attrs)["uses"]))
    kinds = {"I": I64, "B": BOOL}
    with tracing() as trace, trace.building("rule") as builder:
        types = [kinds.get(k, F64) for k in op.signature[: op.arity]]
        xs = [Operand(builder.parameter(t), builder) for t in types]
        z, d = Operand(builder.parameter(F64), builder), Operand(builder.parameter(F64), builder)
        terms = [None if isinstance(t, Unknown) else wanted_term(t, None) for t in op.rule(d, z, *xs, **dict(attrs))]
        index = {x.atom: i for i, x in enumerate(xs)} | {z.atom: -1}
        return tuple(frozenset(_reads(builder, t.atom, index)) if t is not None else frozenset() for t in terms)


def _reads(builder: Builder, atom: Atom, index: dict[Atom, int]) -> set[int]:
    made = {o: let for b in builder.blocks for let in b.lets for o in let.outs}
    found: set[int] = set()
    work = [atom]
    while work:
        a = work.pop()
        if a in index:
            found.add(index[a])
        elif a in made:
            work.extend(made[a].args)
    return found


def rule_terms(functions: Mapping[str, Function], let: Let, wanted: Sequence[bool], d: Any, z: Any, *xs: Any) -> tuple[Any, ...]:
    """The terms of an operation's rule for the wanted arguments, None for others. One of the user's is a function of the program."""
    op = TABLE[let.op]
    given = {**let.attrs, "f": functions[let.attrs["f"]]} if op.calls else let.attrs
    return tuple(wanted_term(t, let.site) if w else None for t, w in zip(op.rule(d, z, *xs, **given), wanted, strict=True))


def wanted_term(term: Any, site: Site | None) -> Any:
    """The value of a rule's term."""
    if isinstance(term, Unknown):
        raise errors.NotDifferentiableError(
            f"the derivative of {term.what}{f', at {site},' if site else ''} is not known, and a result depends on it: give lj.stop_gradient(x) for that "
            "argument, or a custom rule around the call"
        )
    return term() if callable(term) else term


def traced_tangents(forward: Any, let: Let) -> None:
    """Tangents of an operation's outs (jvp.py); the adjoints' linear code for what it writes."""
    op, builder = TABLE[let.op], forward.builder
    args = [lifted(builder, forward.atom(a)) for a in let.args]
    outs = [lifted(builder, forward.values[o]) for o in let.outs]
    tangents = [lifted(builder, forward.tangent(a)) if a in forward.activity else None for a in let.args]
    assert op.jvp is not None
    with derived_from(let.site):
        for o, t in zip(let.outs, op.jvp(dict(let.attrs), args, outs, tangents), strict=True):
            if o not in forward.activity:
                continue
            if t is None:
                forward.tangents[o] = forward.zeros(forward.values[o]) if isinstance(o.type, Array) else Const(0.0, o.type)
            else:
                forward.tangents[o] = builder.use(t.atom, t.builder)


def zeros(builder: Any, array: Atom, t: Type) -> Var:
    """An array of zeros of a type, with the sizes of another one."""
    assert isinstance(t, Array)
    return builder.emit("alloc", (*dims(builder, array), Const(0.0, t.dtype)), (t,))[0]  # type: ignore[no-any-return]


def dims(builder: Any, array: Atom) -> list[Atom]:
    return [builder.emit("dim", (array,), (I64,), {"axis": i})[0] for i in range(array.type.rank)]  # type: ignore[union-attr]


def results_read(program: Program, let: Let) -> tuple[bool, ...]:
    """Which outs have elements that anything reads: a rule that may not divide by 0 must know that a cotangent is 0 because nobody
    reads the out, and not by its numbers."""
    if not TABLE[let.op].unread:
        return (True,) * len(let.outs)
    found: set[Atom] = set()
    for f in program.functions.values():
        if any(x is let for b in f.blocks.values() for x in b.lets):
            for b in f.blocks.values():
                found.update(a for x in b.lets if not TABLE[x.op].measures for a in x.args)
                found.update(terminator_atoms(b.terminator))
    return tuple(o in found for o in let.outs)


class _Signature:
    """The types of a function that all operations of one kind share, and their spelling in its name. Of dimensions that are no ints
    nothing is known but which of them are equal."""

    def __init__(self, program: Program, let: Let, any_size: bool = False) -> None:
        self.symbols, self.dims, self.any_size = program.symbols, dict[Dim, tuple[str, Dim]](), any_size
        found = [self.shared(v.type) for v in (*let.args, *let.outs)]
        self.kinds = "_".join(text for text, _ in found)
        self.args, self.outs = [t for _, t in found[: len(let.args)]], [t for _, t in found[len(let.args) :]]
        self.attrs = ".".join(f"{k}_{v}".replace("-", "m") for k, v in let.attrs.items() if k != "fails")

    def shared(self, t: Type) -> tuple[str, Type]:
        if not isinstance(t, Array):
            return str(t), t
        dims = list(map(self.dim, t.dims))
        return "".join([str(t.dtype), *(f".{text}" for text, _ in dims)]), Array(t.dtype, tuple(d for _, d in dims))

    def dim(self, d: Dim) -> tuple[str, Dim]:
        if d == UNKNOWN or self.any_size:
            return "x", self.symbols.size()
        if isinstance(d, int):
            return str(d), d
        if d not in self.dims:
            turn, i = divmod(len(self.dims), len(Names.LETTERS))
            self.dims[d] = Names.LETTERS[i] + str(turn or ""), self.symbols.size()
        return self.dims[d]


def pull_function(program: Program, let: Let, wanted: Sequence[bool]) -> str:
    """The name of a function (args, outs, cotangents of the float outs and of what is written) -> cotangents of the wanted args."""
    op, read, sig = TABLE[let.op], results_read(program, let), _Signature(program, let)
    marks = "".join("x" if w else "o" for w in wanted)
    marks += "" if all(read) else "." + "".join("x" if r else "o" for r in read)

    def build(builder: Builder) -> tuple[Any, ...]:
        args, outs = ([lifted(builder, builder.parameter(t)) for t in types] for types in (sig.args, sig.outs))
        given = [*zip(sig.outs, read, strict=True), *((sig.args[let.args.index(a)], True) for a in written(let))]
        cotangents = [lifted(builder, builder.parameter(t)) if carries_gradient(t) else None for t, _ in given]
        known = [c if r else None for c, (_, r) in zip(cotangents, given, strict=True)]
        assert op.vjp is not None
        if all(c is None for c in known):
            return tuple(lifted(builder, zeros(builder, a.atom, a.type)) for a, w in zip(args, wanted, strict=True) if w)
        found = op.vjp(dict(let.attrs), args, outs, known, list(wanted))
        return tuple(d for d, w in zip(found, wanted, strict=True) if w)

    return _made(program, f"pull.{let.op}.{sig.attrs}.{sig.kinds}.{marks}".replace("..", "."), "pull", let, build)


def library_function(program: Program, let: Let) -> str:
    """The name of the traced program of an operation that no library has."""
    sig = _Signature(program, let, any_size=True)  # a sort is long, and one of them is enough

    def build(builder: Builder) -> tuple[Any, ...]:
        args = [lifted(builder, builder.parameter(t)) for t in sig.args]
        program_of = TABLE[let.op].program
        assert program_of is not None
        found = program_of(*args, **{k: v for k, v in let.attrs.items() if k != "fails"})
        return found if isinstance(found, tuple) else (found,)

    return _made(program, f"library.{let.op}.{sig.kinds}" + (f".{sig.attrs}" if sig.attrs else ""), "library", let, build)


def _made(program: Program, name: str, what: str, let: Let, build: Any) -> str:
    """The function of that name, traced by `build` when first asked for."""
    if name not in program.functions:
        with tracing(program) as trace, trace.building(what) as builder, derived_from(let.site):
            builder.name = name
            atoms = tuple(builder.use(d.atom, d.builder) for d in build(builder))
            builder.terminate(Return(atoms))
            program.functions[name] = builder.finish(tuple(a.type for a in atoms))
    return name
